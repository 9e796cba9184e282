use core::time::Duration;
use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    vec::Vec,
};

use proptest::prelude::*;

use super::{AdjustableBucket, ERA, inherited};
use crate::{
    limit::{
        TokenBucket,
        bucket::tests::{Op, any_debt, any_move, any_op, moved},
        reference::{Answer, Bucket},
    },
    quota::{
        Quota,
        tests::{any_quota, edgy_u32},
        ticks::Ticks,
    },
    test_support::rounds,
    time::Timestamp,
};

/// What happens to a bucket: an operation, or a change.
fn any_step() -> impl Strategy<Value = Result<Op, Quota>> {
    prop_oneof![4 => any_op().prop_map(Ok), 1 => any_quota().prop_map(Err)]
}

proptest! {
    #![proptest_config(crate::test_support::cases(1_200))]

    /// I6: equality with the reference over the whole public domain, changes and time going anywhere.
    #[test]
    fn equals_the_reference(
        quota in any_quota(),
        debt in any_debt(),
        steps in prop::collection::vec((any_step(), any_move()), 1..40),
    ) {
        let bucket = AdjustableBucket::with_debt(quota, debt);
        let mut reference = Bucket::adjustable(quota, debt);
        let mut now = Timestamp::ZERO;
        let mut wait = Duration::ZERO;
        for (what, by) in steps {
            now = moved(now, by, wait);
            match what {
                Err(quota) => {
                    bucket.set_quota(quota, now);
                    reference.set_quota(quota, now);
                    prop_assert_eq!(bucket.quota(), quota);
                }
                Ok(Op::Check(n)) => {
                    let decision = bucket.check_n(n, now);
                    let expected = reference.check_n(n, now);
                    prop_assert_eq!(Answer::from(decision), expected, "{} at {:?}", n, now);
                    wait = decision.standing().retry_after();
                }
                Ok(Op::Peek(n)) => {
                    let mut expected = reference.clone().check_n(n, now);
                    if expected.admitted {
                        expected = reference.clone().check_n(0, now);
                    }
                    prop_assert_eq!(Answer::from(bucket.peek_n(n, now)), expected);
                }
                Ok(Op::Refund(n)) => {
                    bucket.refund_n(n, now);
                    reference.refund_n(n, now);
                }
                Ok(Op::Charge(n)) => {
                    bucket.charge_n(n, now);
                    reference.charge_n(n, now);
                }
                Ok(Op::Settle(n, actual)) => {
                    if let Ok(reservation) = bucket.reserve_n(n, now) {
                        bucket.settle(reservation, actual, now);
                    }
                    if reference.check_n(n, now).admitted {
                        reference.refund_n(n.saturating_sub(actual), now);
                        reference.charge_n(actual.saturating_sub(n), now);
                    }
                }
            }
            let expected = reference.clone().check_n(0, now);
            prop_assert_eq!(Answer::from(bucket.peek_n(0, now)), expected, "after {:?}", what);
        }
    }

    /// I4: never less than what was owed in units, and less than a tick more.
    #[test]
    fn what_is_owed_is_carried_over_in_units(
        before in any_quota(),
        after in any_quota(),
        debt in any_debt(),
        owed in any::<u64>(),
    ) {
        let (old, new) = (Ticks::within(before, debt, ERA), Ticks::within(after, debt, ERA));
        if before.is_zero() || after.is_zero() {
            prop_assert_eq!(inherited(&old, 0, &new), new.burst);
            return Ok(());
        }
        let owed = i64::try_from(owed % (old.most + 1)).unwrap();
        let carried = inherited(&old, owed, &new);
        prop_assert!(carried <= new.most && carried % 2 == 0);
        // Both in units times both intervals.
        let was = u128::from(owed.unsigned_abs()) * u128::from(new.scale.interval);
        let is = u128::from(carried) * u128::from(old.scale.interval);
        prop_assert!(is >= was || carried == new.most);
        prop_assert!(is < was + 2 * u128::from(old.scale.interval));
        prop_assert_eq!(inherited(&old, owed, &old), u64::try_from(owed).unwrap().next_multiple_of(2));
    }

    /// I1: while nobody changes its quota, and when it is changed to itself, it is a `TokenBucket`.
    #[test]
    fn a_bucket_that_is_not_changed_is_a_token_bucket(
        count in 1..5_000_u32,
        burst in 1..5_000_u32,
        period in prop::sample::select(&[1, 60, 3_600, 86_400][..]),
        steps in prop::collection::vec((edgy_u32(), any_move()), 1..40),
    ) {
        let quota = Quota::new(count, Duration::from_secs(period)).unwrap().burst(burst);
        // Three bits less are enough for most quotas that people write, if not for all.
        prop_assume!(Ticks::within(quota, 0, ERA).scale == Ticks::of(quota).scale);
        let (adjustable, plain) = (AdjustableBucket::new(quota), TokenBucket::new(quota));
        let (mut now, mut wait) = (Timestamp::ZERO, Duration::ZERO);
        for (n, by) in steps {
            now = now.max(moved(now, by, wait));
            let decision = plain.check_n(n, now);
            wait = decision.standing().retry_after();
            prop_assert_eq!(Answer::from(adjustable.check_n(n, now)), decision.into());
            if n % 3 == 0 {
                adjustable.set_quota(quota, now);
            }
        }
    }
}

/// I3, exhaustively: every short history with one change in it, every interval of it.
#[test]
fn an_interval_with_a_change_keeps_the_larger_bound() {
    const STEPS: [u64; 4] = [0, 1, 2, 5];
    const UNITS: [u32; 3] = [1, 2, 3];
    const CALLS: usize = 3;
    let ns = Duration::from_nanos;
    let quotas = [
        Quota::new(1, ns(1)).unwrap().burst(1),
        Quota::new(2, ns(3)).unwrap().burst(3),
        Quota::new(3, ns(7)).unwrap().burst(2),
        Quota::new(4, ns(3)).unwrap().burst(3),
        Quota::new(1, ns(4)).unwrap().burst(2),
        Quota::per_second(0),
    ];
    let mut buckets = 0_u32;
    for before in quotas {
        for after in quotas {
            for changed in 0..=CALLS {
                for history in 0..(STEPS.len() * UNITS.len()).pow(CALLS as u32) {
                    keeps_the_bound((before, after), changed, history, &STEPS, &UNITS, CALLS);
                    buckets += 1;
                }
            }
        }
    }
    assert_eq!(buckets, 36 * 4 * 1_728);
}

fn keeps_the_bound(
    (before, after): (Quota, Quota),
    changed: usize,
    mut history: usize,
    steps: &[u64],
    units: &[u32],
    calls: usize,
) {
    let bucket = AdjustableBucket::new(before);
    let mut now = 1 << 40;
    let mut admitted = [(0_u64, 0_u32); 3];
    for (call, admitted) in admitted.iter_mut().enumerate().take(calls) {
        if call == changed {
            bucket.set_quota(after, Timestamp::from_nanos(now));
        }
        now += steps[history % steps.len()];
        history /= steps.len();
        let n = units[history % units.len()];
        history /= units.len();
        let passes = bucket.check_n(n, Timestamp::from_nanos(now)).is_admitted();
        *admitted = (now, if passes { n } else { 0 });
    }
    let burst = u64::from(before.max_burst().max(after.max_burst()));
    for (i, &(from, _)) in admitted.iter().enumerate() {
        let mut sum = 0;
        for &(to, n) in &admitted[i..] {
            sum += u64::from(n);
            let refilled = [before, after]
                .map(|quota| u64::from(quota.count()) * (to - from) / quota.period_nanos());
            let bound = burst + refilled[0].max(refilled[1]);
            assert!(sum <= bound, "{before} to {after}: {sum} in [{from}, {to}]: {admitted:?}");
        }
    }
}

#[test]
fn a_change_keeps_what_is_owed() {
    let now = Timestamp::from_secs(1);
    let left = |bucket: &AdjustableBucket| bucket.peek_n(0, now).standing().remaining();
    let of = |count, burst| Quota::per_second(count).burst(burst);
    for (before, taken, after, expected) in [
        // Full stays full, larger or smaller.
        (of(10, 100), 0, of(10, 200), 200),
        (of(10, 100), 0, of(10, 5), 5),
        // Units stay units, whatever the rate is.
        (of(10, 100), 70, of(10, 80), 10),
        (of(10, 100), 70, of(3, 80), 10),
        (of(7, 100), 70, of(4_000_000, 80), 10),
        (of(10, 100), 70, Quota::per_day(1).burst(80), 10),
        (of(10, 100), 70, of(10, 50), 0),
        // Nothing passes under a quota of zero, and none is found after it.
        (of(10, 100), 0, of(0, 100), 0),
        (of(0, 100), 0, of(10, 100), 0),
    ] {
        let bucket = AdjustableBucket::new(before);
        if taken > 0 {
            assert!(bucket.check_n(taken, now).is_admitted());
        }
        bucket.set_quota(after, now);
        assert_eq!(bucket.quota(), after);
        assert_eq!(left(&bucket), expected, "{before} less {taken}, then {after}");
    }
}

/// I4: debt beyond an empty bucket is carried over too, up to the room that there is.
#[test]
fn a_change_carries_debt_over_and_caps_it() {
    let bucket = AdjustableBucket::with_debt(Quota::per_second(10).burst(10), 10);
    let now = Timestamp::from_secs(1);
    bucket.charge_n(18, now);
    let wait = || bucket.peek_n(1, now).standing().retry_after();
    assert_eq!(wait(), Duration::from_millis(900));
    bucket.set_quota(Quota::per_second(1).burst(9), now);
    assert_eq!(wait(), Duration::from_secs(10));
    // 18 of 9 and 10 are owed; of 2 and 10, twelve at most.
    bucket.set_quota(Quota::per_second(1).burst(2), now);
    assert_eq!(wait(), Duration::from_secs(11));
    // A reservation is one of units, whatever they cost by now.
    let later = now.saturating_add(Duration::from_secs(12));
    let reservation = bucket.reserve_n(2, later).unwrap();
    bucket.set_quota(Quota::per_minute(1).burst(2), later);
    bucket.cancel(reservation, later);
    assert_eq!(bucket.peek_n(1, later).standing().remaining(), 2);
}

/// The old rate holds until the time of the change, the new one from then on.
#[test]
fn each_rate_holds_on_its_side_of_the_change() {
    let bucket = AdjustableBucket::new(Quota::per_second(10).burst(100));
    let start = Timestamp::from_secs(1);
    assert!(bucket.check_n(100, start).is_admitted());
    let change = start.saturating_add(Duration::from_secs(2));
    bucket.set_quota(Quota::per_second(1).burst(100), change);
    assert_eq!(bucket.peek_n(0, change).standing().remaining(), 20);
    let later = change.saturating_add(Duration::from_secs(30));
    assert_eq!(bucket.peek_n(0, later).standing().remaining(), 50);
}

/// I4 with the guard: changes between ticks of every size, with idle times beyond their ranges.
#[test]
fn no_idle_time_before_a_change_reads_as_debt() {
    let fine = Quota::per_second(1_000_000_007).burst(50);
    let plain = Quota::per_second(7).burst(50);
    let coarse = Quota::new(1, Quota::LONGEST_PERIOD).unwrap().burst(50);
    for before in [fine, plain, coarse] {
        for after in [fine, plain, coarse] {
            for idle in [0, 1, 300, 700, 1_100, 2_200, 9_000, u64::MAX / 4_000_000] {
                let bucket = AdjustableBucket::new(before);
                let start = Timestamp::from_secs(100_000);
                assert!(bucket.check_n(50, start).is_admitted());
                bucket.refund_n(50, start);
                let later = start.saturating_add(Duration::from_millis(idle));
                bucket.set_quota(after, later);
                assert!(bucket.peek_n(50, later).is_admitted(), "{before}, {after}, {idle} ms");
                let long = later.saturating_add(Duration::from_millis(idle));
                assert!(bucket.check_n(50, long).is_admitted(), "{before}, {after}, {idle} ms");
                assert!(bucket.check(long).is_denied());
            }
        }
    }
}

/// I2 and I5: threads that hammer one bucket while its quota goes up and down.
///
/// Nothing is refilled, and no burst is below what can have been taken, so that no debt is forgiven: then
/// what passes is exactly the larger burst, whatever the changes were.
#[test]
fn threads_take_exactly_the_larger_burst_through_changes() {
    let each = rounds(600, 30);
    let quotas = [Quota::per_day(1).burst(3_000), Quota::per_hour(2).burst(2_000)];
    let bucket = AdjustableBucket::new(quotas[0]);
    let now = Timestamp::from_secs(1);
    let barrier = Barrier::new(4);
    let done = AtomicBool::new(false);
    let admitted: usize = thread::scope(|scope| {
        scope.spawn(|| {
            barrier.wait();
            for turn in 0.. {
                bucket.set_quota(quotas[turn % 2], now);
                thread::yield_now();
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let workers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    (0..each).filter(|_| bucket.check(now).is_admitted()).count()
                })
            })
            .collect();
        let admitted = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
        done.store(true, Ordering::Relaxed);
        admitted
    });
    assert_eq!(admitted, 3 * each as usize);
    bucket.set_quota(quotas[0], now);
    assert_eq!(bucket.peek_n(0, now).standing().remaining(), 3_000 - 3 * each);
}

#[test]
fn the_documented_size_holds() {
    let size = if cfg!(feature = "std") { 160 } else { 168 };
    assert_eq!(size_of::<AdjustableBucket>(), size);
}

/// A full word counts as renewed, and one that owes is as it was: no renewal that a thread has begun erases it.
#[test]
fn a_change_marks_what_is_full_and_nothing_else() {
    let bucket = AdjustableBucket::new(Quota::per_second(10));
    let at = Timestamp::from_secs;
    let is_marked = || bucket.full_at.load(crate::sync::Ordering::Relaxed) & super::RENEWED != 0;
    assert!(bucket.check_n(4, at(1)).is_admitted());
    bucket.set_quota(Quota::per_second(20), at(1));
    assert!(!is_marked(), "four are owed");
    bucket.set_quota(Quota::per_second(10), at(10));
    assert!(is_marked());
    bucket.set_quota(Quota::per_second(20), at(10));
    assert!(is_marked());
    assert!(bucket.check(at(10)).is_admitted());
    assert!(!is_marked());
}
