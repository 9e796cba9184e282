//! Debt and reservations.

use core::time::Duration;

use super::TokenBucket;
use crate::{quota::Quota, time::Timestamp};

/// I8: what is owed is capped, is paid back before anything passes, and is paid back in time.
#[test]
fn debt_is_capped_and_paid_back_first() {
    let bucket = TokenBucket::with_debt(Quota::per_second(10).burst(5), 3);
    let now = Timestamp::from_secs(1);
    bucket.charge_n(6, now);
    let standing = bucket.check(now).standing();
    assert_eq!((standing.limit(), standing.remaining()), (5, 0));
    assert_eq!(standing.retry_after(), Duration::from_millis(200));
    bucket.charge_n(u32::MAX, now);
    assert_eq!(bucket.check(now).standing().retry_after(), Duration::from_millis(400));
    assert_eq!(bucket.check(now).standing().reset_after(), Duration::from_millis(800));
    // A refund lowers debt like anything else that is owed.
    bucket.refund_n(4, now);
    assert!(bucket.check(now).is_admitted());
    assert!(bucket.check(now).is_denied());

    let without = TokenBucket::new(Quota::per_second(10).burst(5));
    without.charge_n(u32::MAX, now);
    assert_eq!(without.check(now).standing().retry_after(), Duration::from_millis(100));

    let nothing = TokenBucket::with_debt(Quota::per_second(0), 3);
    nothing.charge_n(1, now);
    assert!(nothing.check(now).is_denied());
}

/// I8: an earlier clock finds more owed than a charge may leave; that is neither more nor less for it.
#[test]
fn a_charge_by_a_clock_that_lags_forgives_nothing() {
    let bucket = TokenBucket::with_debt(Quota::per_second(10).burst(5), 3);
    let now = Timestamp::from_secs(9);
    bucket.charge_n(8, now);
    let lagging = now.saturating_sub(Duration::from_millis(500));
    bucket.charge_n(1, lagging);
    assert_eq!(bucket.peek_n(1, now).standing().retry_after(), Duration::from_millis(400));
}

/// I7 and I8: a charge after long idleness renews the guard first, and is not read as none.
#[test]
fn a_charge_after_idleness_counts() {
    let quota = Quota::per_second(1_000_000_007).burst(50);
    for nanos in [0, 1, 2_000_000_000, 8_800_000_000, u64::MAX / 2, u64::MAX - 2_000] {
        let bucket = TokenBucket::with_debt(quota, 50);
        let now = Timestamp::from_nanos(nanos);
        bucket.charge_n(80, now);
        assert_eq!(bucket.check(now).standing().retry_after(), Duration::from_nanos(31), "{nanos}");
        // And healed, after a clock that was set back.
        if let Some(ago) = nanos.checked_sub(4_000_000_000).map(Timestamp::from_nanos) {
            bucket.charge_n(10, ago);
            assert_eq!(bucket.check(ago).standing().retry_after(), Duration::from_nanos(11));
        }
    }
}

#[test]
fn a_reservation_is_settled_at_its_true_cost() {
    let bucket = TokenBucket::with_debt(Quota::per_second(10).burst(10), 5);
    let now = Timestamp::from_secs(1);
    let left = || bucket.peek_n(1, now).standing().remaining();

    let reservation = bucket.reserve_n(6, now).unwrap();
    assert_eq!((reservation.units(), reservation.standing().remaining()), (6, 4));
    bucket.settle(reservation, 2, now);
    assert_eq!(left(), 8);

    let reservation = bucket.reserve_n(3, now).unwrap();
    bucket.cancel(reservation, now);
    assert_eq!(left(), 8);

    let reservation = bucket.reserve_n(3, now).unwrap();
    bucket.settle(reservation, 3, now);
    assert_eq!(left(), 5);

    let denied = bucket.reserve_n(6, now).unwrap_err();
    assert_eq!(denied.standing().retry_after(), Duration::from_millis(100));

    // Nine of ten were foreseen as one: five are there, and four are owed.
    let reservation = bucket.reserve_n(1, now).unwrap();
    bucket.settle(reservation, 9, now);
    assert_eq!(bucket.check(now).standing().retry_after(), Duration::from_millis(500));
}
