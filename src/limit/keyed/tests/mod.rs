//! The store against its reference, and what it does at its limits.

mod bounds;
mod changes;
mod exactness;
mod flood;
mod idleness;
mod schedules;

use super::{Capacity, KeyedLimiter};
use crate::{quota::Quota, time::Timestamp};

/// The same places in every run, so that no test depends on luck.
const SEEDS: [u64; 5] = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344, 0xa409_3822];

fn fixed(quota: Quota, capacity: Capacity) -> KeyedLimiter {
    KeyedLimiter::danger_with_seeds(quota, 0, capacity, SEEDS).unwrap()
}

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn a_reservation_that_is_cancelled_has_taken_nothing() {
    let limiter = fixed(Quota::per_hour(1).burst(10), Capacity::keys(64));
    let reservation = limiter.reserve_n("a", 10, at(0)).unwrap();
    assert!(limiter.check("a", at(0)).is_denied());
    limiter.cancel("a", reservation, at(0));
    // All but the moment that a refund leaves owed, lest the place be free.
    assert!(limiter.check_n("a", 9, at(0)).is_admitted());
    assert!(limiter.check("a", at(1_000)).is_admitted());
    assert!(limiter.check("a", at(1_000)).is_denied());
}

#[test]
fn places_are_counted_as_taken_while_their_keys_owe() {
    let limiter = fixed(Quota::per_second(1).burst(10), Capacity::keys(256));
    assert_eq!(limiter.stats(at(0)).taken(), 0);
    for key in 0..5_u32 {
        assert!(limiter.check_n(&key, 10, at(0)).is_admitted());
    }
    assert_eq!((limiter.stats(at(0)).taken(), limiter.stats(at(0)).owing()), (5, 5));
}
