//! What clocks that were set back, and those that lag, leave behind in a shard.

use core::time::Duration;

use crate::{limit::ExactLimiter, quota::Quota, time::Timestamp};

const LATE: u64 = 10_000;
const EARLY: u64 = 5_000;

const fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

/// The agenda's promise: what is charged is healed on the way, and the place is free when that is paid.
#[test]
fn a_charge_after_a_step_back_brings_the_place_forward() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(1).burst(10), 2);
    assert!(limiter.check(&1, at(LATE)).is_admitted());
    limiter.charge_n(&1, 5, at(EARLY));
    assert!(limiter.check_n(&2, 10, at(EARLY)).is_admitted());
    assert!(limiter.check_n(&2, 5, at(EARLY + 5)).is_admitted(), "its time in the agenda is stale");
    assert!(limiter.check(&3, at(EARLY + 11)).is_admitted(), "1 owes nothing any more");
    assert_eq!(limiter.times_saturated(), 0);
}

/// I4: a newcomer starts where the place that was reclaimed last was full, as long as clocks may differ by so much,
/// a second; from farther back it was a step back, which is forgiven.
#[test]
fn a_newcomer_starts_where_the_last_place_was_free_unless_the_clock_was_set_back() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(1).burst(1), 1);
    assert!(limiter.check(&1, at(LATE)).is_admitted());
    assert!(limiter.check(&2, at(LATE + 1)).is_admitted(), "1 has given way");
    let lags = limiter.check(&3, at(LATE));
    assert!(lags.is_denied() && !lags.is_saturated(), "before there is a question of places");
    assert_eq!(lags.standing().retry_after(), Duration::from_secs(1));
    let set_back = limiter.check(&3, at(EARLY));
    assert!(set_back.is_saturated());
    assert_eq!(set_back.standing().retry_after(), Duration::from_secs(1));
    assert!(limiter.check(&3, at(EARLY + 1)).is_admitted());
}

/// What is full stays full since when it was: a clock that lags does not see it owe.
#[test]
fn healing_touches_only_what_is_owed() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(10), 2);
    assert!(limiter.set_key_quota(&1, Quota::per_second(10).burst(7), at(100)).is_ok());
    assert!(limiter.check(&2, at(LATE)).is_admitted());
    assert!(limiter.check(&3, at(EARLY)).is_saturated(), "all but that of 1 are healed");
    let lags = at(EARLY).saturating_sub(Duration::from_millis(500));
    assert_eq!(limiter.peek_n(&1, 1, lags).standing().remaining(), 7);
    assert_eq!(limiter.peek_n(&2, 1, at(EARLY)).standing().remaining(), 0);
}

/// I5: a place that a sweep has not come to yet moves to one that it has passed, and is healed all the same.
#[test]
fn a_place_that_moves_behind_a_sweep_is_healed_too() {
    const PLACES: u32 = 8 * super::GLANCES as u32;
    let limiter: ExactLimiter<u32> =
        ExactLimiter::new(Quota::per_second(1).burst(100), PLACES as usize);
    assert!(limiter.check_n(&0, 100, at(EARLY)).is_admitted());
    for key in 1..PLACES {
        assert!(limiter.check_n(&key, 50, at(LATE)).is_admitted());
    }
    let saturated = |key: u32, secs| limiter.check(&key, at(EARLY + secs)).is_saturated();
    // All places are healed once. Then the clock that is ahead charges the last one, which is looked at before others are.
    assert!((1_000..1_008).all(|key| saturated(key, 1)));
    limiter.refund_n(&(PLACES - 1), 50, at(EARLY + 1));
    assert!(limiter.check_n(&(PLACES - 1), 50, at(LATE)).is_admitted());
    // The next round has come to the first places, of which one is given up: the last one moves there.
    assert!((1_000..1_002).all(|key| saturated(key, 60)));
    assert!(limiter.forget(&1) && !saturated(1_000, 60));
    assert!((1_001..1_040).all(|key| saturated(key, 60)));
    let later = at(EARLY + 300);
    let admitted = (2_000..2_000 + PLACES).filter(|key| limiter.check(key, later).is_admitted());
    assert_eq!(admitted.count(), PLACES as usize);
}
