//! The store against its reference, and what it does at its limits.

mod bounds;
mod changes;
mod exactness;
mod flood;
mod glances;
mod idleness;
mod schedules;

use super::{
    Capacity, KeyedLimiter,
    clock::Clock,
    set::Set,
    table::established_in,
    word::{Fingerprint, Word},
};
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
    // Also when nobody has come since.
    assert_eq!((limiter.stats(at(60_000)).taken(), limiter.stats(at(60_000)).owing()), (0, 0));
}

/// A check that takes nothing changes nothing: no place is taken for it, nobody is established by it, and no bucket
/// moves.
#[test]
fn what_takes_nothing_leaves_no_trace() {
    let limiter = fixed(Quota::per_second(10).burst(20), Capacity::keys(64));
    let held = |now| {
        let stats = limiter.stats(now);
        (stats.taken(), stats.owing(), stats.established())
    };
    assert!(limiter.check_n("a", 0, at(1_000)).is_admitted());
    assert!(limiter.check_n("a", 21, at(1_000)).is_denied());
    assert_eq!(held(at(1_000)), (0, 0, 0));
    assert!(limiter.check("a", at(1_000)).is_admitted());
    assert!(limiter.check_n("a", 0, at(2_000)).is_admitted());
    assert_eq!(held(at(2_000)), (0, 0, 0), "its bucket is full since, and it is no regular");
    assert!(limiter.check_n("b", 10, at(2_000)).is_admitted());
    limiter.set_quota(Quota::per_second(10).burst(30), at(2_000)).unwrap();
    assert!(limiter.check_n("b", 0, at(2_000)).is_admitted());
    limiter.refund_n("b", 0, at(2_000));
    assert_eq!(held(at(2_000)), (1, 1, 0));
    assert!(limiter.check("b", at(2_000)).is_admitted());
    assert_eq!(held(at(2_000)).0, 2, "it has moved, and left what keeps its place for a while");
}

/// A bucket that could never hold as much is no matter of places; and a look says what a check would.
#[test]
fn nobody_needs_a_place_for_nothing_or_for_more_than_a_burst() {
    let limiter = fixed(Quota::per_second(10).burst(20), Capacity::keys(1));
    for key in 0..7_u32 {
        assert!(limiter.check(&key, at(1_000)).is_admitted());
    }
    assert!(limiter.peek_n("late", 1, at(1_000)).is_saturated());
    let check = |n| [limiter.peek_n("late", n, at(1_000)), limiter.check_n("late", n, at(1_000))];
    for decision in check(0) {
        assert!(decision.is_admitted() && !decision.is_saturated());
    }
    for decision in check(21) {
        assert!(decision.is_denied() && !decision.is_saturated());
        assert_eq!(decision.standing().retry_after(), core::time::Duration::MAX);
    }
}

/// Until its protection is over to the tick; from then on it is no hindrance to others.
#[test]
fn a_regular_counts_among_the_four_while_its_place_is_kept() {
    let (clock, set) = (Clock::new(0, 0, 1_000), Set::new());
    let regular = |full_at| Word::live(full_at, Fingerprint::of(5), true);
    let words = [regular(9_000), regular(9_001), Word::live(10_001, Fingerprint::of(6), false)];
    for (way, word) in words.into_iter().enumerate() {
        assert!(set.exchange(way, Word::EMPTY, word));
    }
    let ticks = crate::quota::ticks::Ticks::packed(Quota::per_second(10), 0).unwrap();
    let counted = [9_999, 10_000, 10_001].map(|now| {
        let frame = clock.advance(now, &[], &ticks);
        established_in(&set, frame)
    });
    assert_eq!(counted, [2, 1, 0]);
}
