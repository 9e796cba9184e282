use core::time::Duration;
use std::{thread, vec::Vec};

use crate::{
    error::KeyQuotaError, limit::ExactLimiter, quota::Quota, test_support::rounds, time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_secs(1_000);
const TEN: Quota = Quota::per_second(1).burst(10);

fn later(secs: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(secs))
}

fn left(limiter: &ExactLimiter<u32>, key: u32, now: Timestamp) -> u32 {
    limiter.peek_n(&key, 1, now).standing().remaining()
}

#[test]
fn debts_are_carried_over_in_units() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(TEN, 100);
    for key in 0..=10 {
        assert!(limiter.check_n(&key, key, NOW).is_admitted());
    }
    // Sixty times as slow, with room for more units, for fewer, and for more again.
    for (burst, still_owed) in [(20, 10), (4, 4), (20, 4)] {
        limiter.set_quota(Quota::per_minute(1).burst(burst), NOW);
        for key in 0..=10 {
            assert_eq!(left(&limiter, key, NOW), burst - key.min(still_owed), "{key}");
        }
    }
    assert_eq!(left(&limiter, 10, NOW), 16, "what no longer fitted is forgiven");
    assert_eq!(left(&limiter, 99, NOW), 20, "who owes nothing has it all");
}

/// I6 and I1 of the shard: a pinned place is not taken, and not even looked at again and again.
#[test]
fn a_key_with_a_quota_of_its_own_keeps_its_place() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(TEN, 3);
    limiter.set_key_quota(&1, Quota::per_second(7), NOW).unwrap();
    for flood in 100..1_000 {
        assert!(limiter.check_n(&flood, 10, later(u64::from(flood) * 10)).is_admitted());
    }
    assert_eq!(limiter.key_quota(&1), Some(Quota::per_second(7)));
    assert!(limiter.check_n(&1, 7, NOW).is_admitted());
    assert_eq!(limiter.len(), 3);
}

#[test]
fn when_all_places_are_pinned_everybody_else_is_new_to_a_full_limiter() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(TEN, 3);
    for key in 0..3 {
        limiter.set_key_quota(&key, Quota::per_second(5), NOW).unwrap();
    }
    let decision = limiter.check(&9, later(1_000_000));
    assert!(decision.is_saturated() && decision.is_denied());
    let error = limiter.set_key_quota(&9, Quota::per_second(5), NOW).unwrap_err();
    let KeyQuotaError::NoPlace { capacity: 3, .. } = error else { panic!("{error}") };
    assert!(std::format!("{error}").contains("more keys"), "{error}");

    assert_eq!(limiter.clear_key_quota(&1, NOW), Some(Quota::per_second(5)));
    assert_eq!(limiter.clear_key_quota(&1, NOW), None);
    assert!(limiter.check(&9, NOW).is_admitted());
    assert!(limiter.forget(&2));
    assert_eq!(limiter.key_quota(&2), None);
    assert!(limiter.check(&10, NOW).is_admitted());
}

#[test]
fn a_key_in_debt_does_not_give_way_to_a_quota() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(TEN, 1);
    assert!(limiter.check_n(&1, 4, NOW).is_admitted());
    let error = limiter.set_key_quota(&2, TEN, NOW).unwrap_err();
    let expected = KeyQuotaError::NoPlace { capacity: 1, free_after: Duration::from_secs(4) };
    assert_eq!(error, expected);
    assert_eq!(limiter.set_key_quota(&2, TEN, later(4)), Ok(()));
    assert_eq!(limiter.set_key_quota(&2, Quota::per_day(1), later(4)), Ok(()), "it has a place");
}

/// I1 of the rates: an entry is taken over only when nobody has that quota.
#[test]
fn different_quotas_are_bounded_and_their_entries_come_free() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(TEN, 100).own_quotas(2);
    let quota = |n: u32| Quota::per_second(n);
    for key in 0..50 {
        assert_eq!(limiter.set_key_quota(&key, quota(1 + key % 2), NOW), Ok(()));
    }
    let error = limiter.set_key_quota(&0, quota(3), NOW).unwrap_err();
    assert_eq!(error, KeyQuotaError::TooManyQuotas { most: 2 });
    assert_eq!(limiter.key_quota(&0), Some(quota(1)), "nothing has changed");
    for key in (2..50).step_by(2) {
        assert!(limiter.clear_key_quota(&key, NOW).is_some());
    }
    // Only 0 has the first: its entry changes with it.
    assert_eq!(limiter.set_key_quota(&0, quota(3), NOW), Ok(()));
    assert_eq!(limiter.key_quota(&0), Some(quota(3)));
    assert!(limiter.forget(&0));
    assert_eq!(limiter.set_key_quota(&60, quota(4), NOW), Ok(()));
    for key in (1..50).step_by(2) {
        assert_eq!(limiter.key_quota(&key), Some(quota(2)), "{key}");
        assert!(limiter.check_n(&key, 2, NOW).is_admitted());
        assert!(limiter.check_n(&key, 1, NOW).is_denied());
    }
}

/// I5 and I6 of the shard: pinned places neither hide those that a clock set back has locked, nor are
/// they healed again and again.
#[test]
fn a_clock_set_back_frees_the_places_that_are_not_pinned() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(TEN, 200);
    let late = later(1_000_000);
    for key in 0..200 {
        if key % 2 == 0 {
            limiter.set_key_quota(&key, Quota::per_second(3), late).unwrap();
        }
        assert!(limiter.check_n(&key, 3, late).is_admitted());
    }
    assert!(limiter.check(&1_000, NOW).is_saturated());
    assert!(limiter.check(&0, NOW).is_denied(), "healed to an empty bucket");
    assert!(limiter.check_n(&0, 3, later(1)).is_admitted());
    for key in 1_000..1_100 {
        assert!(limiter.check_n(&key, 10, later(10)).is_admitted(), "{key}");
    }
    assert!(limiter.check(&2_000, later(10)).is_saturated());
}

/// I1 of the shard, where time ends: a pinned place is told from one that is never free.
#[test]
fn a_pinned_place_is_kept_at_the_end_of_time() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(TEN, 2);
    assert!(limiter.check(&2, Timestamp::MAX).is_admitted());
    limiter.set_key_quota(&1, TEN, NOW).unwrap();
    assert!(limiter.check(&3, Timestamp::MAX).is_saturated());
    assert_eq!(limiter.key_quota(&1), Some(TEN));
}

/// A quota of zero keeps debts in time, and whoever still has one afterwards starts empty.
#[test]
fn a_zero_for_a_while_forgives_no_burst() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(TEN, 10);
    assert!(limiter.check_n(&1, 10, NOW).is_admitted());
    assert!(limiter.check_n(&2, 2, NOW).is_admitted());
    limiter.set_quota(Quota::per_second(0), NOW);
    for key in 1..=3 {
        assert!(limiter.check(&key, later(1)).is_denied());
    }
    assert_eq!(limiter.set_key_quota(&4, Quota::per_second(5), later(1)), Ok(()));
    limiter.set_quota(TEN, later(3));
    assert_eq!((left(&limiter, 1, later(3)), left(&limiter, 2, later(3))), (0, 10));
    assert_eq!(limiter.len(), 3, "nobody's place was taken");
}

/// What a clock set back has locked is told by the quota that there is now.
#[test]
fn a_clock_set_back_frees_places_after_a_change() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_day(10), 2);
    limiter.set_quota(TEN, NOW);
    let late = later(7_200);
    assert!(limiter.check(&1, late).is_admitted());
    assert!(limiter.check(&2, late).is_admitted());
    assert!(limiter.check(&3, later(3_600)).is_saturated());
    assert!(limiter.check(&3, later(3_610)).is_admitted());
}

/// Threads that check while the quota changes take no more than by the larger one of any two, and
/// lose nothing that both would give.
#[test]
fn checks_that_race_changes_take_what_the_larger_quota_gives() {
    const KEYS: u32 = rounds(20, 3);
    let burst = |burst: u32| Quota::per_second(1).burst(burst);
    for (from, to) in [(20, 50), (50, 20)] {
        let limiter: ExactLimiter<u32> = ExactLimiter::new(burst(from), 4_000);
        let admitted: usize = thread::scope(|scope| {
            let workers: Vec<_> = (0..3)
                .map(|_| {
                    let admitted = |i: &u32| limiter.check(&(i % KEYS), NOW).is_admitted();
                    scope.spawn(move || (0..rounds(20_000_u32, 100)).filter(admitted).count())
                })
                .collect();
            for step in 0..=30 {
                limiter.set_quota(burst(if from < to { from + step } else { from - step }), NOW);
            }
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        let more = (0..KEYS).map(|key| left(&limiter, key, NOW) as usize).sum::<usize>();
        assert!(admitted + more <= KEYS as usize * 50, "{admitted} and {more}");
        assert!(admitted + more >= KEYS as usize * to as usize, "{admitted} and {more}");
    }
}
