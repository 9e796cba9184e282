//! I7: a change of the seed or the quota forgives nothing.

use core::time::Duration;

use proptest::prelude::*;

use super::{SEEDS, at, fixed};
use crate::{
    error::ChangeError,
    limit::{
        keyed::{Capacity, KeyedLimiter, WAYS, set::Set},
        reference::{Answer, Keyed},
    },
    quota::Quota,
    test_support::cases,
};

const TENS: Quota = Quota::per_second(10).burst(20);

#[test]
fn keys_keep_their_debts_over_a_new_seed() {
    let store = fixed(TENS, Capacity::keys(2_000));
    let mut now = at(1_000);
    for key in 0..1_000_u32 {
        assert!(store.check_n(&key, key % 20 + 1, now).is_admitted());
    }
    store.rotate_seed(now).unwrap();
    now = at(1_001);
    for key in 0..1_000_u32 {
        let left = 19 - key % 20;
        let standing = store.peek_n(&key, 1, now).standing();
        assert_eq!(standing.remaining(), left, "key {key}");
        assert!(store.check_n(&key, left + 1, now).is_denied());
        // The bucket moves when it is charged, and then it is where it belongs.
        assert!(left == 0 || store.check_n(&key, left, now).is_admitted());
        assert!(store.check(&key, now).is_denied());
        assert!(store.check(&key, now).is_denied());
    }
    let later = at(3_100);
    for key in 0..1_000_u32 {
        assert!(store.check_n(&key, 20, later).is_admitted());
        assert!(store.check(&key, later).is_denied());
    }
}

/// Each of them another one: keys that shared a place with somebody's do not for good.
#[test]
fn seeds_are_new() {
    let store = fixed(TENS, Capacity::keys(200));
    let mut seeds = std::vec![store.table.era.view().seed];
    for hour in 1..5 {
        store.rotate_seed(at(3_600_000 * hour)).unwrap();
        seeds.push(store.table.era.view().seed);
    }
    let distinct: std::collections::BTreeSet<_> = seeds.iter().collect();
    assert_eq!(distinct.len(), 5, "{seeds:?}");
}

#[test]
fn regulars_stay_established_over_a_new_seed() {
    let store = fixed(TENS, Capacity::keys(2_000));
    let mut now = at(1_000);
    for _ in 0..2 {
        for regular in 0..500_u32 {
            assert!(store.check(&regular, now).is_admitted());
        }
        now = now.saturating_add(Duration::from_secs(1));
    }
    let before = store.stats(now).established();
    store.rotate_seed(now).unwrap();
    for regular in 0..500_u32 {
        assert!(store.check(&regular, now).is_admitted());
    }
    now = now.saturating_add(Duration::from_secs(1));
    let after = store.stats(now).established();
    assert_eq!(before, 500);
    assert!(after >= 490, "{after} of {before}");
    // Refunds and pardons find a key that has not moved yet.
    store.rotate_seed(now).unwrap();
    assert!(store.check_n("late", 20, now).is_admitted());
    assert!(matches!(store.rotate_seed(now), Err(ChangeError::TooSoon { .. })));
}

/// Neither when they come back nor when they move are more than four of a set kept.
#[test]
fn no_set_keeps_more_than_four_whoever_moves_there() {
    let store = fixed(TENS, Capacity::bytes(size_of::<KeyedLimiter>() + 40 * size_of::<Set>()));
    let visit = |secs: u64| {
        for key in 0..180_u32 {
            let _ = store.check(&key, at(1_000 * secs));
        }
        let kept = |set: &Set| (0..WAYS).filter(|way| set.way(*way).is_established()).count();
        let most = store.table.sets.iter().map(kept).max();
        (store.stats(at(1_000 * secs)).established(), most)
    };
    assert_eq!(visit(1), (0, Some(0)));
    let (before, most) = visit(2);
    assert!(before > 120 && most == Some(4), "{before} {most:?}");
    store.rotate_seed(at(2_000)).unwrap();
    let (after, most) = visit(3);
    assert!(after > 100 && most == Some(4), "{after} {most:?}");
}

/// In a store without room to move, a key is served where it was.
#[test]
fn a_full_store_serves_keys_where_they_were() {
    let store = fixed(TENS, Capacity::keys(2_000));
    let now = at(1_000);
    let mut seated = 0;
    for key in 0..4_000_u32 {
        seated += u32::from(!store.check_n(&key, 10, now).is_saturated());
    }
    store.rotate_seed(now).unwrap();
    let (mut admitted, mut saturated) = (0, 0);
    for key in 0..4_000_u32 {
        let first = store.check_n(&key, 10, now);
        admitted += u32::from(first.is_admitted());
        saturated += u32::from(first.is_saturated());
        assert!(store.check_n(&key, 10, now).is_denied(), "key {key}: 30 of 20");
    }
    assert_eq!((admitted, saturated), (seated, 4_000 - seated));
}

/// A key that cannot move yet owes nothing any more when nobody looks for it where it was: not by a tick.
#[test]
fn a_key_without_a_new_place_may_owe_until_its_era_is_over() {
    let store = fixed(TENS, Capacity::keys(1));
    for (millis, units) in [(9_000, 1), (9_500, 1), (10_000, 20)] {
        assert!(store.check_n("key", units, at(millis)).is_admitted());
    }
    assert_eq!(store.stats(at(10_000)).established(), 1);
    store.rotate_seed(at(10_000)).unwrap();
    let (view, scale) = (store.table.era.view(), store.table.scale);
    let before_the_end = |units| view.paid - units * view.interval;
    // Six others take the places that there are, for two seconds.
    for other in 0..6_u32 {
        let now = scale.first_of(before_the_end(30));
        assert!(store.check_n(&other, 20, now).is_admitted());
    }
    let (now, too_late) = (before_the_end(20), before_the_end(20) + 1);
    assert!(store.check_n("key", 20, scale.first_of(too_late)).is_saturated());
    let decision = store.check_n("key", 20, scale.first_of(now));
    assert!(decision.is_admitted() && !decision.is_saturated());
}

#[test]
fn changes_follow_each_other_when_debts_are_paid() {
    let store = fixed(TENS, Capacity::keys(200));
    let now = at(1_000);
    assert!(store.check_n("key", 20, now).is_admitted());
    store.rotate_seed(now).unwrap();
    store.rotate_seed(now).unwrap();
    let Err(ChangeError::TooSoon { until }) = store.rotate_seed(now) else { panic!("too soon") };
    assert!(store.check("key", now).is_denied(), "two changes ago");
    let wait = until.saturating_duration_since(now);
    assert!(wait > Duration::from_secs(60) && wait < Duration::from_secs(70), "{wait:?}");
    let then = until.saturating_add(Duration::from_millis(20));
    store.rotate_seed(then).unwrap();
    assert!(store.check_n("key", 20, then).is_admitted());
    store.rotate_seed(then).unwrap();
    assert!(store.rotate_seed(then).is_err());
    assert!(store.check("key", then).is_denied());
}

/// What was ahead of a clock that is set back is no longer waited for.
#[test]
fn a_clock_set_back_holds_up_no_change() {
    let store = fixed(TENS, Capacity::keys(200));
    let (late, early) = (at(10_000_000), at(6_400_000));
    store.rotate_seed(late).unwrap();
    store.rotate_seed(late).unwrap();
    assert!(store.check_n("key", 20, late).is_admitted());
    let Err(ChangeError::TooSoon { until }) = store.rotate_seed(early) else { panic!("too soon") };
    let wait = until.saturating_duration_since(early);
    assert!(wait > Duration::from_secs(60) && wait < Duration::from_secs(70), "{wait:?}");
    // What is taken by the new clock is owed over changes, as ever.
    let soon = early.saturating_add(Duration::from_secs(3));
    assert!(store.check_n("key", 20, soon).is_admitted());
    assert!(store.can_become(TENS, until.saturating_add(Duration::from_millis(20))));
    let then = until.saturating_add(Duration::from_millis(20));
    assert!(store.check_n("other", 20, then).is_admitted());
    store.rotate_seed(then).unwrap();
    assert!(store.check("other", then).is_denied());
    assert!(store.check_n("key", 20, then).is_admitted());
}

/// Nor does a check that looks first see more than the burst that a step back may forgive.
#[test]
fn a_clock_set_back_between_two_changes_forgives_one_burst() {
    let store = fixed(TENS, Capacity::keys(200));
    let (late, early) = (at(10_000_000), at(6_400_000));
    for key in 0..50_u32 {
        assert!(store.check_n(&key, 20, late).is_admitted());
    }
    store.rotate_seed(late).unwrap();
    store.rotate_seed(late).unwrap();
    assert!(store.rotate_seed(early).is_err());
    for key in 0..50_u32 {
        let admitted = (0..60).filter(|_| store.check(&key, early).is_admitted()).count();
        assert!(admitted <= 20, "key {key}: {admitted} of a burst of 20");
        assert!(store.check(&key, early).is_denied());
    }
    let soon = early.saturating_add(Duration::from_millis(2_500));
    assert!((0..50_u32).all(|key| store.check_n(&key, 20, soon).is_admitted()));
}

/// A short quota between two long ones: what was owed under the first is looked for until it is paid.
#[test]
fn a_short_quota_in_between_forgives_nothing() {
    let (long, short) = (Quota::per_second(1).burst(100), Quota::per_second(10).burst(1));
    let store = fixed(long, Capacity::keys(200));
    assert!(store.check_n("key", 100, at(1_000)).is_admitted());
    store.set_quota(short, at(1_000)).unwrap();
    store.set_quota(long, at(1_000)).unwrap();
    // The short one's bucket, and the minute after it, are over.
    let later = at(71_000);
    assert!(store.check("other", later).is_admitted());
    assert_eq!(store.peek_n("key", 1, later).standing().remaining(), 70);
    assert!(store.check_n("key", 71, later).is_denied());
    assert!(store.check_n("key", 70, later).is_admitted());
}

/// Not even the last tick: a pardon leaves one.
#[test]
fn a_move_does_not_forgive_the_last_tick() {
    let store = fixed(TENS, Capacity::keys(200));
    assert!(store.check_n("key", 20, at(1_000)).is_admitted());
    store.forgive("key", at(1_000));
    assert!(store.check_n("key", 20, at(1_000)).is_denied());
    store.rotate_seed(at(1_000)).unwrap();
    assert!(store.check_n("key", 20, at(1_000)).is_denied());
    assert!(store.check_n("key", 20, at(1_001)).is_admitted());
}

#[test]
fn a_quota_that_does_not_fit_changes_nothing() {
    let store = fixed(TENS, Capacity::keys(200));
    let now = at(1_000);
    for quota in [Quota::per_second(1_000_000), Quota::per_day(1).burst(1_000_000)] {
        assert_eq!(store.set_quota(quota, now), Err(ChangeError::OutOfRange { quota }));
    }
    assert_eq!(store.quota(), TENS);
    assert!(store.check_n("key", 20, now).is_admitted());
    // A quota of zero lets nothing pass, and what was owed is still owed after it.
    store.set_quota(Quota::per_second(0), now).unwrap();
    assert!(store.check("other", now).is_denied() && store.check("key", now).is_denied());
    assert!(store.charge_n("other", 3, now).is_denied(), "nothing that could be owed");
    store.set_quota(TENS, now).unwrap();
    assert!(store.check("key", now).is_denied());
    assert!(store.check_n("other", 20, now).is_admitted());
}

/// Costs that do not fit beside a coarse interval are too much, not little.
#[test]
fn a_huge_cost_under_a_coarse_quota_is_denied() {
    let store = fixed(Quota::per_second(1_000_000).burst(1_000_000), Capacity::keys(10));
    let coarse = Quota::new(1, Duration::from_nanos(u64::from(u32::MAX))).unwrap().burst(3);
    store.set_quota(coarse, at(1_000)).unwrap();
    assert!(store.check_n("key", 3, at(1_000)).is_admitted());
    for n in [1, u32::MAX, u32::MAX - 1] {
        assert!(store.check_n("key", n, at(1_000)).is_denied());
    }
    assert_eq!(store.peek_n("key", 1, at(1_000)).standing().remaining(), 0);
}

/// A limiter that is built shut is like any other once it is opened.
#[test]
fn a_store_built_with_a_quota_of_zero_has_the_usual_slack() {
    let store = fixed(Quota::per_second(0), Capacity::keys(10));
    store.set_quota(TENS, at(10_000)).unwrap();
    let times = [10_900, 10_000].into_iter().cycle().take(1_000);
    let admitted = times.filter(|now| store.check("key", at(*now)).is_admitted()).count();
    assert!(
        (20..=29).contains(&admitted),
        "{admitted} of 20, and 9 in the 0.9 s between the clocks"
    );
}

/// What was owed before a change is owed once: not again when the key has lost its new place.
#[test]
fn a_debt_that_has_moved_and_is_paid_does_not_come_back() {
    let slow = Quota::per_second(1).burst(100);
    let store = fixed(slow, Capacity::bytes(size_of::<KeyedLimiter>() + 2 * size_of::<Set>()));
    assert!(store.check_n("key", 90, at(10_000)).is_admitted());
    store.set_quota(Quota::per_second(10).burst(100), at(10_000)).unwrap();
    assert!(store.check("key", at(10_000)).is_admitted(), "it moves, and owes 91 units: 9.1 s");
    for other in 0..200_u32 {
        let _ = store.check(&other, at(19_200 + u64::from(other) / 20));
    }
    assert!(store.check_n("key", 100, at(20_000)).is_admitted());
}

proptest! {
    #![proptest_config(cases(300))]

    /// With a change of the quota in the middle, decisions are still the reference's, which carries
    /// debts over in units.
    #[test]
    fn a_change_of_the_quota_carries_units_over(
        before in (1..500_u32, 1..60_u32),
        after in (1..500_u32, 1..60_u32),
        first in prop::collection::vec((0..6_u64, 0..30_u32, 0..300_u64), 1..20),
        second in prop::collection::vec((0..6_u64, 0..30_u32, 0..300_u64), 1..20),
    ) {
        let quota = |(count, burst): (u32, u32)| Quota::per_second(count).burst(burst);
        let capacity = Capacity::keys(100);
        let store = KeyedLimiter::danger_with_seeds(quota(before), 0, capacity, SEEDS).unwrap();
        let mut model = Keyed::new(quota(before), 0).unwrap();
        let mut now = at(10_000);
        for (key, n, forward) in first {
            now = now.saturating_add(Duration::from_millis(forward));
            prop_assert_eq!(Answer::from(store.check_n(&key, n, now)), model.check_n(key, n, now));
        }
        let changed = store.set_quota(quota(after), now);
        prop_assert_eq!(changed.is_ok(), model.set_quota(quota(after), now));
        // A key's debt is converted when it first comes: here, at once.
        for key in 0..6_u64 {
            prop_assert_eq!(Answer::from(store.check_n(&key, u32::MAX, now)), model.check_n(key, u32::MAX, now));
        }
        for (key, n, forward) in second {
            now = now.saturating_add(Duration::from_millis(forward));
            prop_assert_eq!(Answer::from(store.check_n(&key, n, now)), model.check_n(key, n, now));
        }
    }
}
