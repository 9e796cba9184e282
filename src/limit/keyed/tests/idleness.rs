//! I6: no idleness reads as debt; and clocks that step back or differ gain nothing much.

use core::time::Duration;

use super::{at, fixed};
use crate::{
    limit::keyed::{Capacity, word::RANGE},
    quota::{Quota, ticks::Ticks},
    time::Timestamp,
};

/// So many ranges of a word's clock, in time.
fn ranges(quota: Quota, tenths: u64) -> Duration {
    let scale = Ticks::packed(quota, 0).unwrap().scale;
    let ticks = u128::from(RANGE) * u128::from(tenths) / 10;
    let nanos = (ticks << scale.after) / u128::from(scale.per_nano);
    Duration::from_nanos(u64::try_from(nanos).unwrap())
}

const FAST: Quota = Quota::per_second(1_000_000).burst(1_000_000);

/// Gaps in which nobody comes: every key has its whole burst, and no word is left that would not.
#[test]
fn a_store_that_was_left_alone_owes_nobody() {
    for tenths in [4, 5, 6, 9, 10, 11, 15, 19, 20, 25, 1_000, 1_005] {
        let store = fixed(FAST, Capacity::keys(400));
        let mut now = at(10);
        for key in 0..400_u32 {
            // Some are established when they are left.
            assert!(store.check(&key, now).is_admitted());
            now = now.saturating_add(Duration::from_micros(10));
            assert!(store.check_n(&(key / 2), 100, now).is_admitted());
        }
        now = now.saturating_add(ranges(FAST, tenths));
        assert_eq!(store.stats(now).owing(), 0, "after {tenths} tenths of the range");
        for key in 0..400_u32 {
            let standing = store.peek_n(&key, 1, now).standing();
            assert_eq!(
                standing.remaining(),
                1_000_000,
                "key {key} after {tenths} tenths of the range"
            );
            assert!(store.check_n(&key, 1_000_000, now).is_admitted(), "{tenths} tenths");
        }
    }
}

/// Gaps in which one key keeps coming, at whatever pace: the others' words are tended on the way.
#[test]
fn keys_that_were_left_alone_owe_nothing_while_another_comes() {
    for steps in [1_u32, 2, 3, 7, 16, 17, 40, 100, 5_000] {
        for tenths in [9, 15, 1_000] {
            let store = fixed(FAST, Capacity::keys(1_000));
            let mut now = at(10);
            for key in 0..400_u32 {
                assert!(store.check(&key, now).is_admitted());
            }
            for _ in 0..steps {
                now = now.saturating_add(ranges(FAST, tenths) / steps);
                assert!(store.check("busy", now).is_admitted());
            }
            for key in 0..400_u32 {
                let decision = store.check_n(&key, 1_000_000, now);
                assert!(decision.is_admitted(), "key {key} after {tenths} tenths in {steps} steps");
            }
        }
    }
}

/// Long idleness never frees a key that still owes: with a burst of ten days, five are not enough.
#[test]
fn long_debts_outlast_idleness() {
    let quota = Quota::per_day(1).burst(10);
    let store = fixed(quota, Capacity::keys(50));
    let day = Duration::from_secs(86_400);
    let start = at(1_000);
    assert!(store.check_n("key", 10, start).is_admitted());
    let later = start.saturating_add(day * 5 + Duration::from_secs(2));
    assert_eq!(store.peek_n("key", 1, later).standing().remaining(), 5);
    assert!(store.check_n("key", 6, later).is_denied());
    assert!(store.check_n("key", 5, later).is_admitted());
}

/// A step back of more than a second forgives at most one burst, and then the limit holds as before;
/// keys that find no place do not wait until the clock has caught up.
#[test]
fn a_clock_set_back_forgives_at_most_a_burst() {
    let quota = Quota::per_second(1).burst(5);
    let store = fixed(quota, Capacity::keys(20));
    let late = at(10_000_000);
    for key in 0..20_u32 {
        assert!(store.check_n(&key, 5, late).is_admitted());
        assert!(store.check(&key, late).is_denied());
    }
    // An hour back, then forward as usual.
    let early = at(6_400_000);
    for key in 0..20_u32 {
        let admitted = (0..20).filter(|_| store.check(&key, early).is_admitted()).count();
        assert!(admitted <= 5, "{admitted} of a burst of 5");
        assert!(store.check(&key, early).is_denied());
    }
    let soon = early.saturating_add(Duration::from_secs(6));
    for key in 0..200_u32 {
        let decision = store.check_n(&key, 1, soon);
        assert!(key >= 20 || decision.is_admitted(), "key {key} waits for the old clock");
    }
}

/// A step back within the slack is no step: the debt is what it was.
#[test]
fn a_small_step_back_gives_nothing() {
    let store = fixed(Quota::per_second(10).burst(20), Capacity::keys(20));
    let now = at(100_000);
    assert!(store.check_n("key", 20, now).is_admitted());
    for back in [1, 10, 100, 900] {
        assert!(store.check("key", at(100_000 - back)).is_denied());
        // A new key on a late clock starts with what that clock is behind, not with more.
        let decision = store.check_n(&back, 20, at(100_000 - back));
        assert_eq!(decision.is_admitted(), back <= 1, "{back} ms behind");
    }
}

/// As documented: ways wait for the reclaim clock, so it is never late by more than a part of an interval.
#[test]
fn the_reclaim_clock_lags_a_millisecond_or_an_eighth_of_an_interval() {
    let lag = |quota| {
        let store = fixed(quota, Capacity::keys(20));
        let lag = store.table.clock.lag() as f64;
        (lag / store.table.scale.interval as f64, store.table.scale.interval)
    };
    // And half as much, by which it moves at the most.
    let (part, interval) = lag(FAST);
    assert!((0.125..=0.19).contains(&part) && interval == 1_000, "{part}");
    let (part, _) = lag(Quota::per_second(10).burst(20));
    assert!((0.01..=0.015).contains(&part), "{part}");
}

/// The whole of time is accepted.
#[test]
fn extreme_times_do_no_harm() {
    for quota in
        [FAST, Quota::per_minute(100).burst(20), Quota::new(1, Quota::LONGEST_PERIOD).unwrap()]
    {
        let store = fixed(quota, Capacity::keys(20));
        for now in [Timestamp::ZERO, Timestamp::MAX, Timestamp::ZERO, at(1), Timestamp::MAX] {
            for key in 0..50_u32 {
                let _ = store.check_n(&key, 1, now).standing();
                let _ = store.peek_n(&key, u32::MAX, now).standing();
                store.refund_n(&key, 1, now);
            }
        }
    }
}
