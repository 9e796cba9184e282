use core::time::Duration;
use std::vec::Vec;

use proptest::prelude::*;

use super::{LEASE, LeasedBucket};
#[cfg(all(feature = "std", not(loom)))]
use crate::test_support::rounds;
use crate::{limit::reference::Exact, quota::Quota, time::Timestamp};

/// Quotas with exact ticks, so that the rational model must agree.
fn any_quota() -> impl Strategy<Value = Quota> {
    let period = prop::sample::select(&[1, 3, 10, 1_000][..]).prop_map(Duration::from_millis);
    (1..2_000_u32, 1..200_u32, period)
        .prop_map(|(count, burst, period)| Quota::new(count, period).unwrap().burst(burst))
}

/// Which stripe, how many units, and how long after the step before, in nanoseconds.
fn any_step() -> impl Strategy<Value = (usize, u32, u64)> {
    let wait = prop_oneof![
        4 => Just(0),
        2 => 0..2_000_000_u64,
        1 => LEASE - 200_000..LEASE + 2,
        1 => 0..2_000_000_000_u64,
    ];
    let units = prop_oneof![6 => Just(1), 2 => 0..12_u32, 1 => 0..300_u32];
    (any::<usize>(), units, wait)
}

proptest! {
    #![proptest_config(crate::test_support::cases(1_200))]

    /// I1, every interval of random schedules; and I5, against the rational bucket.
    #[test]
    fn keeps_the_bound_and_is_not_stricter_than_a_bucket(
        quota in any_quota(),
        stripes in 1..5_u16,
        batch in 0..20_u16,
        steps in prop::collection::vec(any_step(), 1..120),
    ) {
        let bucket = LeasedBucket::new(quota, stripes, batch);
        let mut exact = Exact::new(quota);
        let mut now = Timestamp::from_secs(1);
        let mut admitted = Vec::new();
        for (stripe, n, wait) in steps {
            now = now.saturating_add(Duration::from_nanos(wait));
            let decision = bucket.check_n_on(stripe, n, now);
            if decision.is_admitted() {
                admitted.push((now.as_nanos(), n));
                exact.charge(n, now);
            } else {
                prop_assert!(!exact.would_admit(n, now), "{n} at {now:?}");
                // The centre's standing, and nothing is anywhere else: waiting helps.
                let wait = decision.standing().retry_after();
                prop_assert!(!wait.is_zero());
                if wait < Duration::MAX {
                    prop_assert!(bucket.peek_n(n, now.saturating_add(wait)).is_admitted());
                }
            }
        }
        let leased = u64::from(stripes) * u64::from(bucket.batch());
        for (i, &(from, _)) in admitted.iter().enumerate() {
            let mut sum = 0;
            for &(to, n) in &admitted[i..] {
                sum += u64::from(n);
                let refilled = u128::from(to - from) * u128::from(quota.count())
                    / u128::from(quota.period_nanos());
                let bound = u128::from(u64::from(quota.max_burst()) + leased) + refilled;
                prop_assert!(u128::from(sum) <= bound, "{} in [{}, {}]", sum, from, to);
            }
        }
    }

    /// I3: a stripe never holds more than a batch.
    #[test]
    fn a_stripe_holds_at_most_a_batch(
        batch in 1..40_u16,
        steps in prop::collection::vec((0..45_u32, 0..3_000_000_u64), 1..100),
    ) {
        let bucket = LeasedBucket::new(Quota::per_second(1_000_000).burst(10_000), 1, batch);
        let mut now = Timestamp::from_secs(1);
        for (n, wait) in steps {
            now = now.saturating_add(Duration::from_nanos(wait));
            let _ = bucket.check_n_on(0, n, now);
            prop_assert!(leased(&bucket, 0) <= u64::from(batch));
        }
    }
}

fn leased(bucket: &LeasedBucket, stripe: usize) -> u64 {
    super::units(bucket.stripes[stripe].lease.load(crate::sync::Ordering::Relaxed))
}

#[test]
fn a_batch_is_leased_and_used() {
    let bucket = LeasedBucket::new(Quota::per_second(10).burst(20), 2, 8);
    let now = Timestamp::from_secs(1);
    assert!(bucket.check_on(0, now).is_admitted());
    assert_eq!((leased(&bucket, 0), leased(&bucket, 1)), (7, 0));
    assert!(bucket.check_n_on(0, 5, now).is_admitted());
    // Two are left, and three of the next batch are used at once.
    assert!(bucket.check_n_on(0, 3, now).is_admitted());
    assert_eq!(leased(&bucket, 0), 7);
    // Stripes are counted modulo their number.
    assert!(bucket.check_n_on(2, 7, now).is_admitted());
    assert_eq!(leased(&bucket, 0), 0);
    assert_eq!(bucket.peek_n(1, now).standing().remaining(), 4);
}

/// I5: a whole burst is there once the centre and the stripes together have it.
#[test]
fn a_whole_burst_is_gathered_from_all_stripes() {
    let bucket = LeasedBucket::new(Quota::per_second(10).burst(10), 2, 4);
    assert!(bucket.check_on(0, Timestamp::from_secs(1)).is_admitted());
    assert!(bucket.check_n_on(1, 10, Timestamp::from_millis(1_099)).is_denied());
    assert!(bucket.check_n_on(1, 10, Timestamp::from_millis(1_100)).is_admitted());
}

/// Others are looked at by who comes after a pause, and not by who fetches all the time.
#[test]
fn a_busy_stripe_leaves_others_their_old_leases() {
    let bucket = LeasedBucket::new(Quota::per_second(10).burst(100), 2, 8);
    let at = |millis: u64| Timestamp::from_millis(1_000 + millis);
    assert!(bucket.check_on(1, at(0)).is_admitted());
    assert!(bucket.check_on(0, at(9)).is_admitted());
    for (millis, left) in [(11, 7), (30, 0)] {
        assert!(bucket.check_n_on(0, 7, at(millis)).is_admitted());
        assert!(bucket.check_on(0, at(millis)).is_admitted());
        assert_eq!(leased(&bucket, 1), left, "after {millis} ms");
    }
}

/// One at a time: who finds the flag, or enough by now, does not begin.
#[test]
fn one_thread_at_a_time_fetches_for_a_stripe() {
    let bucket = LeasedBucket::new(Quota::per_second(10).burst(20), 1, 8);
    let stripe = &bucket.stripes[0];
    assert!(stripe.begin(3));
    assert!(!stripe.begin(3) && !stripe.begin(9));
    stripe.end(5, Timestamp::from_secs(1));
    assert!(!stripe.begin(5));
    assert!(stripe.begin(6));
}

/// Nothing is written to the stripe: there would be no rest to put down.
#[test]
fn a_whole_batch_and_more_is_taken_from_the_centre() {
    let bucket = LeasedBucket::new(Quota::per_second(10).burst(20), 1, 8);
    for n in [8, 9] {
        assert!(bucket.check_n_on(0, n, Timestamp::from_secs(1)).is_admitted());
        assert_eq!(bucket.stripes[0].lease.load(crate::sync::Ordering::Relaxed), 0);
    }
}

/// I2 and I5: the last units are found wherever they are, and none twice.
#[test]
fn no_unit_is_stranded() {
    for (stripes, batch) in [(1, 1), (2, 8), (4, 7), (3, 100)] {
        let bucket = LeasedBucket::new(Quota::per_second(10).burst(50), stripes, batch);
        let now = Timestamp::from_secs(1);
        for stripe in 0..usize::from(stripes) {
            assert!(bucket.check_on(stripe, now).is_admitted());
        }
        let more = (0..100).filter(|_| bucket.check_on(0, now).is_admitted()).count();
        assert_eq!(more + usize::from(stripes), 50, "{stripes} stripes, batches of {batch}");
        let denied = bucket.check_on(0, now).standing();
        assert_eq!((denied.limit(), denied.remaining()), (50, 0));
        assert_eq!(denied.retry_after(), Duration::from_millis(100));
        // A denial calls in what another stripe holds: four in one go, of four leased.
        let later = now.saturating_add(Duration::from_millis(100 * u64::from(batch.min(50))));
        assert!(bucket.check_on(0, later).is_admitted());
        let left = u32::from(batch.min(50)) - 1;
        assert!(left == 0 || bucket.check_n_on(1, left, later).is_admitted());
        assert!(bucket.check_on(1, later).is_denied());
    }
}

/// I4: a lease that was not used in time is given back, and after a pause no more than a burst passes.
#[test]
fn old_leases_are_given_back() {
    let bucket = LeasedBucket::new(Quota::per_second(100).burst(20), 4, 5);
    let start = Timestamp::from_secs(1);
    for stripe in 0..4 {
        assert!(bucket.check_on(stripe, start).is_admitted());
    }
    assert_eq!((0..4).map(|stripe| leased(&bucket, stripe)).sum::<u64>(), 16);
    // Full again, with 16 leased units on top of it: too old by now.
    let later = start.saturating_add(Duration::from_secs(10));
    let passed = (0..100).filter(|call| bucket.check_on(*call, later).is_admitted()).count();
    assert_eq!(passed, 20);

    // At its last moment a lease is good; one step of its clock, 2^17 ns, is lost at most.
    let whole = Timestamp::from_nanos(1 << 40);
    let ages = [(start, LEASE - (1 << 17), true), (whole, LEASE, true), (start, LEASE + 1, false)];
    for (start, age, good) in ages {
        let bucket = LeasedBucket::new(Quota::per_hour(1).burst(5), 1, 5);
        assert!(bucket.check_on(0, start).is_admitted());
        let then = start.saturating_add(Duration::from_nanos(age));
        assert_eq!(bucket.stripes[0].take(1, then), good);
        // Good or given back: four are left.
        assert!(bucket.check_n_on(0, if good { 3 } else { 4 }, then).is_admitted());
        assert!(bucket.check_on(0, then).is_denied());
    }
}

/// I6: under attack the stripes are only read.
#[test]
fn a_denial_writes_nothing() {
    let bucket = LeasedBucket::new(Quota::per_second(1).burst(10), 3, 4);
    let now = Timestamp::from_secs(1);
    while bucket.check_on(1, now).is_admitted() {}
    let words = || {
        let load = |stripe: &super::Stripe| stripe.lease.load(crate::sync::Ordering::Relaxed);
        bucket.stripes.iter().map(load).collect::<Vec<_>>()
    };
    let before = words();
    for n in [1, 3, 4, 10, 11, u32::MAX] {
        assert!(bucket.check_n_on(2, n, now).is_denied());
        assert_eq!(words(), before);
    }
    assert!(bucket.stripes.iter().all(|stripe| stripe.call_in(|_| true).is_none()));
    assert!(!bucket.call_in(now, |_| true), "so the centre is asked once");
}

#[test]
fn odd_sizes_are_made_to_work() {
    let now = Timestamp::from_secs(1);
    let none = LeasedBucket::new(Quota::per_second(5), 0, 0);
    assert_eq!((none.stripes(), none.batch()), (1, 1));
    assert!(none.check_n_on(usize::MAX, 5, now).is_admitted());
    assert!(none.check_on(3, now).is_denied());

    let wide = LeasedBucket::new(Quota::per_second(5), 2, u16::MAX);
    assert_eq!(wide.batch(), 5);
    assert!(wide.check_n_on(0, 6, now).is_denied());
    assert_eq!(wide.check_n_on(0, 6, now).standing().retry_after(), Duration::MAX);
    assert_eq!((0..9).filter(|stripe| wide.check_on(*stripe, now).is_admitted()).count(), 5);

    let zero = LeasedBucket::new(Quota::per_second(0), 2, 8);
    assert!(zero.check_on(0, now).is_denied());
    assert!(zero.check_n_on(0, 0, now).is_denied());

    // A clock that is set back finds leases of the future, and gives them back.
    let back = LeasedBucket::new(Quota::per_second(10).burst(8), 1, 8);
    assert!(back.check_on(0, Timestamp::from_secs(9)).is_admitted());
    let early = Timestamp::from_millis(8_500);
    assert!(back.check_n_on(0, 2, early).is_admitted());
    assert!(back.check_n_on(0, 8, early).is_denied());
}

/// I2: threads on stripes of their own and on shared ones take exactly what is there.
#[cfg(all(feature = "std", not(loom)))]
#[test]
fn threads_take_exactly_what_is_there() {
    use std::{sync::Barrier, thread};

    let burst = rounds(1_000, 60);
    for stripes in [1, 2, 4] {
        let bucket = LeasedBucket::new(Quota::per_hour(3).burst(burst), stripes, 16);
        let barrier = Barrier::new(4);
        let now = Timestamp::from_secs(1);
        let admitted: usize = thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        (0..burst).filter(|_| bucket.check(now).is_admitted()).count()
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(admitted, burst as usize);
    }
}

#[test]
fn the_documented_size_holds() {
    let bucket = LeasedBucket::new(Quota::per_second(1), 4, 1);
    assert_eq!((bucket.stripes(), bucket.memory_bytes()), (4, 256 + 4 * 128));
    assert_eq!(LeasedBucket::LEASE, Duration::from_nanos(LEASE));
}

#[test]
#[cfg(all(feature = "std", not(loom)))]
fn what_is_given_back_can_be_taken_again() {
    let bucket = LeasedBucket::new(Quota::per_hour(1).burst(10), 2, 0);
    let now = Timestamp::from_secs(1);
    assert!(bucket.check_n(10, now).is_admitted());
    bucket.refund_n(4, now);
    assert!(bucket.check_n(5, now).is_denied());
    assert!(bucket.check_n(4, now).is_admitted());
    assert!(bucket.check_n(1, now).is_denied());
    // No more than was taken.
    bucket.refund_n(99, now);
    assert!(bucket.check_n(11, now).is_denied());
    assert!(bucket.check_n(10, now).is_admitted());
}

#[test]
#[cfg(all(feature = "std", not(loom)))]
fn threads_are_given_stripes_in_turn() {
    #[allow(clippy::disallowed_methods, reason = "a test of threads")]
    let [one, other] = [(); 2].map(|()| std::thread::spawn(super::of_this_thread).join().unwrap());
    assert_ne!(one, other);
}
