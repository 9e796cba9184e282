use core::time::Duration;
use std::{collections::BTreeMap, format, string::String, vec::Vec};

use proptest::prelude::*;

use super::{Content, Entry, ExactSnapshot};
use crate::{
    error::SnapshotError,
    limit::{
        ExactLimiter,
        reference::Answer,
        snapshot::{Checksum, VERSION},
    },
    quota::{
        Quota,
        tests::{any_quota, edgy_u32},
        ticks::Ticks,
    },
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn json<K: serde::Serialize>(snapshot: &ExactSnapshot<K>) -> String {
    serde_json::to_string(snapshot).unwrap()
}

/// What the limiter answers to each key, so that two can be compared.
fn answers(limiter: &ExactLimiter<u8>, now: Timestamp) -> Vec<(Answer, Option<Quota>)> {
    let answer = |key: u8| (limiter.peek_n(&key, 1, now).into(), limiter.key_quota(&key));
    (0..8).map(answer).collect()
}

/// This quota, or another one if its ticks are longer than a nanosecond.
fn fine(quota: Quota, debt: u32) -> Quota {
    let coarse = Ticks::within(quota, debt, 0).scale.shift > 0;
    if coarse { Quota::per_second(1_000_000).burst(7) } else { quota }
}

proptest! {
    #![proptest_config(crate::test_support::cases(300))]

    /// I1: over JSON, with another origin of time, at whatever time it goes on.
    #[test]
    fn a_restored_limiter_goes_on_as_if_it_had_never_stopped(
        quota in any_quota(),
        max_debt in prop_oneof![Just(0), edgy_u32()],
        own in prop::collection::btree_map(0..8_u8, any_quota(), 0..4),
        ops in prop::collection::vec((0..8_u8, edgy_u32(), 0..3_000_000_000_u64), 0..40),
        down in prop_oneof![Just(0), 0..10_000_000_000_u64],
        origin in 0..u64::MAX / 4,
        later in prop::collection::vec((0..8_u8, edgy_u32(), 0..3_000_000_000_u64), 0..20),
    ) {
        let quota = fine(quota, max_debt);
        let limiter: ExactLimiter<u8> = ExactLimiter::new(quota, 8).max_debt(max_debt);
        let mut now = NOW;
        for (key, own) in &own {
            prop_assert_eq!(limiter.set_key_quota(key, fine(*own, max_debt), now), Ok(()));
        }
        for (key, n, step) in ops {
            now = now.saturating_add(Duration::from_nanos(step));
            if n % 2 == 0 { limiter.charge_n(&key, n, now) } else { let _ = limiter.check_n(&key, n, now); }
        }
        let snapshot: ExactSnapshot<u8> = serde_json::from_str(&json(&limiter.snapshot(now))).unwrap();
        let mut restored: ExactLimiter<u8> = ExactLimiter::new(quota, 8).max_debt(max_debt);
        let mut there = Timestamp::from_nanos(origin);
        let down = Duration::from_nanos(down);
        prop_assert_eq!(restored.restore(snapshot, down, there), Ok(()));
        now = now.saturating_add(down);
        for (key, n, step) in later {
            let step = Duration::from_nanos(step);
            (now, there) = (now.saturating_add(step), there.saturating_add(step));
            prop_assert_eq!(answers(&limiter, now), answers(&restored, there));
            let (before, after) = (limiter.check_n(&key, n, now), restored.check_n(&key, n, there));
            prop_assert_eq!(Answer::from(before), Answer::from(after));
        }
        prop_assert_eq!(answers(&limiter, now), answers(&restored, there));
    }
}

/// Where ticks are longer than a nanosecond, what is left of a debt is off by two of them at most.
#[test]
fn long_ticks_come_out_two_of_them_off_at_most() {
    let quota = Quota::new(1, Quota::LONGEST_PERIOD).unwrap().burst(1_000);
    // Two ticks are so many nanoseconds.
    let long = 1_u64 << Ticks::of(quota).scale.shift;
    assert!(long > 100, "{long}");
    for off in 0..200 {
        let (now, down) = (NOW.saturating_add(Duration::from_nanos(off * 7)), off * 1_001);
        let limiter: ExactLimiter<u8> = ExactLimiter::new(quota, 1);
        limiter.charge_n(&1, 2, now);
        let (down, there) = (Duration::from_nanos(down), Timestamp::from_nanos(off * 13));
        let mut restored: ExactLimiter<u8> = ExactLimiter::new(quota, 1);
        restored.restore(limiter.snapshot(now), down, there).unwrap();
        let reset =
            |limiter: &ExactLimiter<u8>, now| limiter.peek_n(&1, 1, now).standing().reset_after();
        let before = reset(&limiter, now.saturating_add(down));
        let after = reset(&restored, there);
        assert!(before.abs_diff(after) <= Duration::from_nanos(long), "{before:?}, {after:?}");
    }
}

/// A limiter with a bit of everything.
fn some() -> ExactLimiter<String> {
    let limiter: ExactLimiter<String> = ExactLimiter::new(Quota::per_minute(10), 100).max_debt(5);
    for (key, units) in [("acme", 3), ("globex", 10), ("initech", 14)] {
        limiter.charge_n(key, units, NOW);
    }
    limiter.set_key_quota("hooli", Quota::per_day(7), NOW).unwrap();
    limiter.set_key_quota("globex", Quota::per_second(9).burst(2), NOW).unwrap();
    limiter
}

fn restored(text: &str) -> Option<Result<(), SnapshotError>> {
    let snapshot: ExactSnapshot<String> = serde_json::from_str(text).ok()?;
    let mut limiter: ExactLimiter<String> =
        ExactLimiter::new(Quota::per_minute(10), 100).max_debt(5);
    assert!(limiter.check("somebody", NOW).is_admitted());
    let outcome = limiter.restore(snapshot, Duration::ZERO, NOW);
    match outcome {
        Ok(()) => {
            let keys = |limiter: &ExactLimiter<String>| -> BTreeMap<String, _> {
                let quota = |key: &String| limiter.key_quota(key.as_str());
                limiter
                    .iter(NOW)
                    .map(|(key, standing)| (key.clone(), (standing, quota(&key))))
                    .collect()
            };
            assert_eq!(keys(&limiter), keys(&some()), "never another store: {text}");
        }
        Err(_) => {
            assert!(limiter.is_empty(), "{text}");
            assert!(limiter.check_n("globex", 10, NOW).is_admitted(), "it works");
        }
    }
    Some(outcome)
}

/// I2: whatever byte is changed, removed or added, wherever the text is cut off.
#[test]
fn no_damage_makes_another_store() {
    let text = json(&some().snapshot(NOW));
    assert_eq!(restored(&text), Some(Ok(())));
    let mut refused = 0;
    for at in 0..text.len() {
        let (before, after) = (&text.as_bytes()[..at], &text.as_bytes()[at..]);
        let mut damaged: Vec<Vec<u8>> =
            (0..7).map(|bit| [before, &[after[0] ^ 1 << bit], &after[1..]].concat()).collect();
        damaged.push([before, &after[1..]].concat());
        damaged.push([before, after.get(..1).unwrap(), after].concat());
        damaged.push([before, b"0", after].concat());
        damaged.push(before.to_vec());
        for text in damaged {
            let Ok(text) = String::from_utf8(text) else { continue };
            refused += u32::from(!matches!(restored(&text), Some(Ok(()))));
        }
    }
    assert!(refused > 2_000, "{refused}");
}

#[test]
fn another_version_is_refused_whatever_it_says() {
    let mut snapshot = some().snapshot(NOW);
    snapshot.version = VERSION + 1;
    snapshot.checksum = Checksum::of(&(snapshot.version, &snapshot.content)).unwrap();
    let error = restored(&json(&snapshot)).unwrap().unwrap_err();
    assert_eq!(error, SnapshotError::Version { found: VERSION + 1, known: VERSION });
    assert!(format!("{error}").contains("version 2"), "{error}");
}

/// Snapshots with a right checksum that no limiter can have written.
#[test]
fn contradictions_are_refused() {
    let quota = Quota::per_second(1);
    let lawful = Ticks::of(quota).lawful;
    let entry = |key, quota, own, owed| Entry { key, quota, own, owed };
    let cases = [
        (Vec::from([entry(1, 0, false, 2), entry(2, 0, false, lawful)]), Ok(())),
        (
            Vec::from([entry(1, 0, false, 2), entry(2, 0, false, lawful + 2)]),
            Err(SnapshotError::TooMuchDebt { entry: 1 }),
        ),
        (
            Vec::from([entry(1, 0, false, 2), entry(1, 0, false, 2)]),
            Err(SnapshotError::DuplicateKey { entry: 1 }),
        ),
        (
            Vec::from([entry(1, 1, true, 0)]),
            Err(SnapshotError::UnknownQuota { entry: 0, quota: 1 }),
        ),
        (
            (0..4).map(|key| entry(key, 0, false, 2)).collect(),
            Err(SnapshotError::TooManyKeys { keys: 4, most: 3 }),
        ),
    ];
    for (keys, expected) in cases {
        let content = Content { quotas: Vec::from([quota]), max_debt: 0, ahead_nanos: 0, keys };
        let checksum = Checksum::of(&(VERSION, &content)).unwrap();
        let snapshot: ExactSnapshot<u8> = ExactSnapshot { version: VERSION, content, checksum };
        let mut limiter: ExactLimiter<u8> = ExactLimiter::new(quota, 3);
        assert_eq!(limiter.restore(snapshot, Duration::ZERO, NOW), expected);
        assert_eq!(limiter.len(), if expected.is_ok() { 2 } else { 0 });
    }
}

#[test]
fn too_many_quotas_are_refused() {
    let quotas = |most| -> ExactLimiter<u32> {
        ExactLimiter::new(Quota::per_second(1), 100).own_quotas(most)
    };
    let limiter = quotas(10);
    for key in 0..10 {
        limiter.set_key_quota(&key, Quota::per_second(2 + key), NOW).unwrap();
    }
    let mut fewer = quotas(9);
    let outcome = fewer.restore(limiter.snapshot(NOW), Duration::ZERO, NOW);
    assert_eq!(outcome, Err(SnapshotError::TooManyQuotas { most: 9 }));
    assert!(fewer.is_empty());
}

/// I4 of the shard, over a restart: by a clock that lags, a key that lost its place starts no earlier
/// than its bucket was full.
#[test]
fn a_lagging_clock_gains_nothing_by_a_restart() {
    let tenth = |n: u64| NOW.saturating_add(Duration::from_millis(100 * n));
    let fresh = || -> ExactLimiter<u32> { ExactLimiter::new(Quota::per_second(10).burst(1), 1) };
    let limiter = fresh();
    assert!(limiter.check(&1, tenth(5)).is_admitted());
    assert!(limiter.check(&2, tenth(6)).is_admitted(), "1 is full and gives way");
    let mut restored = fresh();
    restored.restore(limiter.snapshot(NOW), Duration::ZERO, NOW).unwrap();
    for limiter in [limiter, restored] {
        assert!(limiter.forget(&2));
        assert!(limiter.check(&1, tenth(5)).is_denied());
        assert!(limiter.check(&1, tenth(6)).is_admitted());
    }
}

/// The program's new configuration wins, and debts are carried over to it.
#[test]
fn a_limiter_with_another_quota_takes_debts_over_in_units() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(10), 10);
    assert!(limiter.check_n(&1, 7, NOW).is_admitted());
    let snapshot = limiter.snapshot(NOW);
    assert_eq!((snapshot.len(), snapshot.quota()), (1, Quota::per_second(10)));
    let mut restored: ExactLimiter<u32> = ExactLimiter::new(Quota::per_day(20), 10);
    restored.restore(snapshot, Duration::ZERO, Timestamp::ZERO).unwrap();
    assert_eq!(restored.peek_n(&1, 1, Timestamp::ZERO).standing().remaining(), 13);
}

/// A limiter whose every place is taken, which keys never divide into in the same way again.
#[test]
fn a_saturated_limiter_survives_several_restarts() {
    let full = || -> ExactLimiter<u32> { ExactLimiter::new(Quota::per_day(1), 5_000) };
    let mut limiter = full();
    for key in 0..20_000 {
        let _ = limiter.check(&key, NOW);
    }
    assert_eq!(limiter.len(), limiter.capacity());
    for _ in 0..3 {
        let snapshot = limiter.snapshot(NOW);
        let keys = snapshot.len();
        limiter = full();
        assert_eq!(limiter.restore(snapshot, Duration::ZERO, NOW), Ok(()));
        assert_eq!(limiter.len(), keys);
        for key in 20_000..40_000 {
            let _ = limiter.check(&key, NOW);
        }
        assert!(limiter.iter(NOW).all(|(_, standing)| standing.remaining() == 0));
    }
}

#[test]
fn a_snapshot_leaves_out_what_owes_nothing_and_tells_no_key() {
    let limiter = some();
    let later = NOW.saturating_add(Duration::from_secs(1_000));
    let snapshot = limiter.snapshot(later);
    assert_eq!(snapshot.len(), 2, "the two with a quota of their own");
    assert!(!snapshot.is_empty());
    let shown = format!("{snapshot:?}");
    assert!(shown.len() < 100 && !shown.contains("hooli"), "{shown}");
}

#[test]
fn a_limiter_that_nobody_has_used_has_nothing_to_remember() {
    let limiter: ExactLimiter<u8> = ExactLimiter::new(Quota::per_hour(1).burst(2), 4);
    let now = Timestamp::from_secs(1);
    assert!(limiter.snapshot(now).is_empty());
    assert!(limiter.check(&1, now).is_admitted());
    let snapshot = limiter.snapshot(now);
    assert_eq!((snapshot.len(), snapshot.is_empty()), (1, false));
}
