use core::time::Duration;
use std::{sync::Barrier, thread, vec::Vec};

use proptest::prelude::*;

use super::{NO_ERA, TokenBucket};
use crate::{
    limit::{
        guard::{Guarded, RENEWED},
        reference::{Answer, Bucket, Exact},
    },
    quota::{
        Quota,
        tests::{any_quota, edgy_u32},
        ticks::Ticks,
    },
    sync::Ordering,
    test_support::rounds,
    time::Timestamp,
};

/// A step of a caller: what it asks, and where the clock went before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Check(u32),
    Peek(u32),
    Refund(u32),
    Charge(u32),
    /// Reserve so many, and settle at so many.
    Settle(u32, u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    Forward(u64),
    Back(u64),
    To(u64),
    /// Wait as long as the last decision said.
    Retry,
    /// One nanosecond less than that.
    Early,
}

pub(crate) fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => edgy_u32().prop_map(Op::Check),
        6 => Just(Op::Check(1)),
        2 => edgy_u32().prop_map(Op::Peek),
        2 => edgy_u32().prop_map(Op::Refund),
        2 => edgy_u32().prop_map(Op::Charge),
        1 => (edgy_u32(), edgy_u32()).prop_map(|(units, actual)| Op::Settle(units, actual)),
    ]
}

/// Room for debt: mostly none or little.
pub(crate) fn any_debt() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), edgy_u32()]
}

pub(crate) fn any_move() -> impl Strategy<Value = Move> {
    let step = prop_oneof![
        0..4_u64,
        (0..64_u32).prop_map(|bit| 1 << bit),
        0..2_000_000_000_u64,
        any::<u64>(),
    ];
    prop_oneof![
        6 => step.clone().prop_map(Move::Forward),
        2 => step.prop_map(Move::Back),
        1 => (0..3_u64).prop_map(Move::To),
        1 => (0..3_u64).prop_map(|below| Move::To(u64::MAX - below)),
        3 => Just(Move::Retry),
        2 => Just(Move::Early),
    ]
}

pub(crate) fn moved(now: Timestamp, step: Move, wait: Duration) -> Timestamp {
    match step {
        Move::Forward(by) => Timestamp::from_nanos(now.as_nanos().saturating_add(by)),
        Move::Back(by) => Timestamp::from_nanos(now.as_nanos().saturating_sub(by)),
        Move::To(nanos) => Timestamp::from_nanos(nanos),
        Move::Retry if wait < Duration::MAX => now.saturating_add(wait),
        Move::Early if wait < Duration::MAX => {
            now.saturating_add(wait.saturating_sub(Duration::from_nanos(1)))
        }
        Move::Retry | Move::Early => now,
    }
}

proptest! {
    #![proptest_config(crate::test_support::cases(5_000))]

    /// I5 and I8: equality with the reference over the whole public domain, time going anywhere.
    #[test]
    fn equals_the_reference(
        quota in any_quota(),
        debt in any_debt(),
        ops in prop::collection::vec((any_op(), any_move()), 1..40),
    ) {
        let bucket = TokenBucket::with_debt(quota, debt);
        let mut reference = Bucket::with_debt(quota, debt);
        let mut now = Timestamp::ZERO;
        let mut wait = Duration::ZERO;
        for (op, step) in ops {
            now = moved(now, step, wait);
            match op {
                Op::Check(n) => {
                    let decision = bucket.check_n(n, now);
                    let expected = reference.check_n(n, now);
                    prop_assert_eq!(Answer::from(decision), expected, "{:?} at {:?}", op, now);
                    wait = decision.standing().retry_after();
                }
                Op::Peek(n) => {
                    // The answer of a check, with the standing from before it if it admits.
                    let mut expected = reference.clone().check_n(n, now);
                    if expected.admitted {
                        expected = reference.clone().check_n(0, now);
                    }
                    prop_assert_eq!(Answer::from(bucket.peek_n(n, now)), expected);
                }
                Op::Refund(n) => {
                    bucket.refund_n(n, now);
                    reference.refund_n(n, now);
                }
                Op::Charge(n) => {
                    bucket.charge_n(n, now);
                    reference.charge_n(n, now);
                }
                Op::Settle(n, actual) => {
                    let expected = reference.check_n(n, now);
                    let reserved = bucket.reserve_n(n, now);
                    prop_assert_eq!(reserved.is_ok(), expected.admitted);
                    if let Ok(reservation) = reserved {
                        prop_assert_eq!(reservation.standing().remaining(), expected.remaining);
                        bucket.settle(reservation, actual, now);
                        reference.refund_n(n.saturating_sub(actual), now);
                        reference.charge_n(actual.saturating_sub(n), now);
                    }
                }
            }
            if !matches!(op, Op::Check(_) | Op::Peek(_)) {
                let expected = reference.clone().check_n(0, now);
                prop_assert_eq!(Answer::from(bucket.peek_n(0, now)), expected, "after {:?}", op);
            }
        }
    }

    /// Against the rational bucket: never more generous for the same history of admissions; equal
    /// where the quota has an exact tick.
    #[test]
    fn is_never_more_generous_than_rational_arithmetic(
        quota in any_quota(),
        debt in any_debt(),
        ops in prop::collection::vec((edgy_u32(), prop::bool::weighted(0.2), any_move()), 1..40),
    ) {
        let ticks = Ticks::within(quota, debt, 0);
        let exact_tick = !quota.is_zero()
            && ticks.scale.shift == 0
            && u128::from(ticks.scale.interval) * u128::from(quota.count())
                == u128::from(quota.period_nanos()) * u128::from(ticks.scale.per_nano);
        let bucket = TokenBucket::with_debt(quota, debt);
        let mut exact = Exact::with_debt(quota, debt);
        let (mut now, mut wait) = (Timestamp::ZERO, Duration::ZERO);
        for (n, charge, step) in ops {
            // Steps back are judged by rules of their own; here time goes forward.
            now = now.max(moved(now, step, wait));
            if charge {
                bucket.charge_n(n, now);
                exact.charge_n(n, now);
                continue;
            }
            let decision = bucket.check_n(n, now);
            wait = decision.standing().retry_after();
            let would = exact.would_admit(n, now);
            prop_assert!(would || decision.is_denied(), "{n} at {now:?}");
            if exact_tick {
                prop_assert_eq!(would, decision.is_admitted(), "{} at {:?}", n, now);
            }
            if decision.is_admitted() {
                exact.charge(n, now);
            }
        }
    }

    /// The standing keeps its word: waiting helps, and waiting a nanosecond less does not.
    #[test]
    fn retry_after_is_exact(
        quota in any_quota(),
        start in any::<u64>(),
        takes in prop::collection::vec(edgy_u32(), 1..10),
    ) {
        let bucket = TokenBucket::new(quota);
        let now = Timestamp::from_nanos(start);
        for n in takes {
            let decision = bucket.check_n(n, now);
            let wait = decision.standing().retry_after();
            prop_assert_eq!(decision.is_denied(), !wait.is_zero());
            if decision.is_denied() && wait < Duration::MAX {
                let early = wait - Duration::from_nanos(1);
                prop_assert!(bucket.peek_n(n, now.saturating_add(early)).is_denied());
                prop_assert!(bucket.peek_n(n, now.saturating_add(wait)).is_admitted());
            }
            if wait == Duration::MAX && n <= quota.max_burst() && !quota.is_zero() {
                prop_assert!(bucket.peek_n(n, Timestamp::MAX).is_denied(), "past the end of time");
            }
        }
    }

    /// I2: a denial leaves both words as they were.
    #[test]
    fn a_denial_writes_nothing(
        quota in any_quota(),
        ops in prop::collection::vec((edgy_u32(), any::<u64>()), 1..20),
    ) {
        let bucket = TokenBucket::new(quota);
        let mut now = Timestamp::ZERO;
        for (n, step) in ops {
            now = now.saturating_add(Duration::from_nanos(step));
            let before = words(&bucket);
            if bucket.check_n(n, now).is_denied() {
                prop_assert_eq!(words(&bucket), before);
            }
            let before = words(&bucket);
            let _ = bucket.peek_n(n, now);
            prop_assert_eq!(words(&bucket), before);
        }
    }
}

fn words(bucket: &TokenBucket) -> (u64, u64) {
    (bucket.full_at.load(Ordering::Relaxed), bucket.written_at.load(Ordering::Relaxed))
}

/// I1, exhaustively: every history of five calls over a small domain, every interval of it.
#[test]
fn every_interval_of_every_short_history_keeps_the_bound() {
    // Steps of the clock, and units asked; periods that are no whole number of ns per unit included.
    const STEPS: [u64; 4] = [0, 1, 2, 5];
    const UNITS: [u32; 3] = [1, 2, 3];
    const CALLS: usize = 5;
    let ns = Duration::from_nanos;
    for quota in [
        Quota::new(1, ns(1)).unwrap().burst(1),
        Quota::new(2, ns(3)).unwrap().burst(1),
        Quota::new(2, ns(3)).unwrap().burst(3),
        Quota::new(3, ns(7)).unwrap().burst(2),
        Quota::new(4, ns(3)).unwrap().burst(3),
        Quota::new(1, ns(4)).unwrap().burst(2),
    ] {
        for start in [0, u64::MAX / 2, u64::MAX - 40] {
            for history in 0..(STEPS.len() * UNITS.len()).pow(CALLS as u32) {
                keeps_the_bound(quota, start, history, &STEPS, &UNITS, CALLS);
            }
        }
    }
}

fn keeps_the_bound(
    quota: Quota,
    start: u64,
    mut history: usize,
    steps: &[u64],
    units: &[u32],
    calls: usize,
) {
    let bucket = TokenBucket::new(quota);
    let mut now = start;
    let mut admitted = Vec::with_capacity(calls);
    for _ in 0..calls {
        now += steps[history % steps.len()];
        history /= steps.len();
        let n = units[history % units.len()];
        history /= units.len();
        if bucket.check_n(n, Timestamp::from_nanos(now)).is_admitted() {
            admitted.push((now, u64::from(n)));
        }
    }
    assert_every_interval(quota, &admitted);
}

/// For all `i ≤ j`: what was admitted in `[t_i, t_j]` is at most `burst + rate · (t_j − t_i)`.
fn assert_every_interval(quota: Quota, admitted: &[(u64, u64)]) {
    for (i, &(from, _)) in admitted.iter().enumerate() {
        let mut sum = 0;
        for &(to, n) in &admitted[i..] {
            sum += n;
            let refilled = u128::from(quota.count()) * u128::from(to - from);
            let bound = u128::from(quota.max_burst()) * u128::from(quota.period_nanos()) + refilled;
            assert!(
                u128::from(sum) * u128::from(quota.period_nanos()) <= bound,
                "{quota}: {sum} in [{from}, {to}]: {admitted:?}"
            );
        }
    }
}

/// A leading peer admits this in release builds: 213,505 · 86,400 s overflows 64 bits of ns.
#[test]
fn more_than_the_burst_is_denied_however_much_more() {
    let bucket = TokenBucket::new(Quota::per_day(1).burst(10));
    let now = Timestamp::from_secs(1);
    for n in [11, 213_504, 213_505, 427_009, u32::MAX] {
        let decision = bucket.check_n(n, now);
        assert!(decision.is_denied(), "{n}");
        assert_eq!(decision.standing().retry_after(), Duration::MAX);
        assert_eq!(decision.standing().remaining(), 10);
    }
    assert!(bucket.check_n(10, now).is_admitted());

    let wide = TokenBucket::new(Quota::per_day(1).burst(u32::MAX));
    assert!(wide.check_n(u32::MAX, now).is_admitted());
    assert!(wide.check(now).is_denied());
}

#[test]
fn a_quota_of_zero_lets_nothing_pass() {
    for quota in
        [Quota::per_second(0), Quota::per_second(0).burst(9), Quota::per_second(9).burst(0)]
    {
        let bucket = TokenBucket::new(quota);
        for now in [Timestamp::ZERO, Timestamp::from_secs(1), Timestamp::MAX] {
            for n in [0, 1, u32::MAX] {
                let standing = bucket.check_n(n, now).standing();
                assert_eq!(standing.retry_after(), Duration::MAX, "{quota} {n}");
                assert_eq!(standing.reset_after(), Duration::MAX);
                assert_eq!(standing.remaining(), 0);
            }
        }
    }
}

#[test]
fn standings_count_down_and_back() {
    let bucket = TokenBucket::new(Quota::per_second(10).burst(3));
    let now = Timestamp::from_secs(5);
    for left in [2, 1, 0] {
        let standing = bucket.check(now).standing();
        assert_eq!((standing.limit(), standing.remaining()), (3, left));
        assert_eq!(standing.retry_after(), Duration::ZERO);
        assert_eq!(standing.reset_after(), Duration::from_millis(100 * u64::from(3 - left)));
    }
    let denied = bucket.check(now).standing();
    assert_eq!(denied.retry_after(), Duration::from_millis(100));
    assert_eq!(denied.reset_after(), Duration::from_millis(300));
    let peeked = bucket.peek_n(2, now.saturating_add(Duration::from_millis(250)));
    assert!(peeked.is_admitted());
    assert_eq!(peeked.standing().remaining(), 2);
}

#[test]
fn a_refund_gives_back_what_was_taken_and_no_more() {
    let bucket = TokenBucket::new(Quota::per_second(10).burst(5));
    let now = Timestamp::from_secs(1);
    assert!(bucket.check_n(5, now).is_admitted());
    bucket.refund_n(2, now);
    assert!(bucket.check_n(3, now).is_denied());
    assert!(bucket.check_n(2, now).is_admitted());
    bucket.refund_n(u32::MAX, now);
    assert!(bucket.check_n(6, now).is_denied());
    assert!(bucket.check_n(5, now).is_admitted());
}

/// I1 and I3: clocks that disagree by up to a second gain nothing.
#[test]
fn clocks_that_disagree_gain_nothing() {
    for quota in [
        Quota::per_second(1_000).burst(10),
        Quota::per_second(3_000_000).burst(1),
        Quota::per_second(7).burst(100),
        Quota::per_minute(1).burst(2),
    ] {
        for skew in [1_000, 1_000_000_000] {
            let (bucket, alone) = (TokenBucket::new(quota), TokenBucket::new(quota));
            let start = 5_000_000_000_u64;
            let (mut admitted, mut admitted_alone) = (0_u64, 0_u64);
            let mut now = start;
            for turn in 0..10_000_u64 {
                // The fast clock advances by 10 µs a turn; the slow one lags by the skew.
                now = start + turn * 10_000;
                let seen = if turn % 2 == 0 { now } else { now - skew };
                while bucket.check(Timestamp::from_nanos(seen)).is_admitted() {
                    admitted += 1;
                }
                while turn % 2 == 0 && alone.check(Timestamp::from_nanos(now)).is_admitted() {
                    admitted_alone += 1;
                }
            }
            let elapsed = u128::from(now - start);
            let bound = u128::from(quota.max_burst())
                + u128::from(quota.count()) * elapsed / u128::from(quota.period_nanos());
            assert!(u128::from(admitted) <= bound, "{quota}, skew {skew}: {admitted} > {bound}");
            assert!(admitted >= admitted_alone, "{quota}: {admitted} of {admitted_alone}");
        }
    }
}

/// I4: a clock set back by more than the slack forgives one burst per step, and locks nobody out.
#[test]
fn a_clock_set_back_forgives_at_most_one_burst_and_heals() {
    let quota = Quota::per_second(10).burst(5);
    let bucket = TokenBucket::new(quota);
    let late = Timestamp::from_secs(1_000_000);
    assert!(bucket.check_n(5, late).is_admitted());

    let early = Timestamp::from_secs(10);
    let denied = bucket.check(early);
    assert_eq!(denied.standing().retry_after(), Duration::from_millis(100));
    let healed = early.saturating_add(Duration::from_millis(500));
    assert!(bucket.check_n(5, healed).is_admitted());
    assert!(bucket.check(healed).is_denied());
}

/// I5 at the seam: idle for just under, at and over every multiple of the range of the ticks.
#[test]
fn no_idle_time_reads_as_debt() {
    // 10^9 + 7 is prime: an exact tick is half a thousand millionth of a nanosecond.
    let quota = Quota::per_second(1_000_000_007).burst(50);
    let ticks = Ticks::of(quota);
    assert!(ticks.scale.per_nano > 1 << 30, "{ticks:?}");
    let range = u64::MAX / ticks.scale.per_nano;
    for eighths in 1..80_u64 {
        for off in [-1_000_000_000_i64, -1, 0, 1, 1_000] {
            let bucket = TokenBucket::new(quota);
            let start = Timestamp::from_nanos(1_u64 << 40);
            assert!(bucket.check_n(50, start).is_admitted());
            let idle = (range / 8 * eighths).saturating_add_signed(off);
            let later = start.saturating_add(Duration::from_nanos(idle.max(1_000)));
            assert!(bucket.peek_n(50, later).is_admitted(), "{eighths}/8 of the range, {off}");
            assert!(bucket.check_n(50, later).is_admitted(), "{eighths}/8 of the range, {off}");
            assert!(bucket.check_n(50, later).is_denied());
        }
    }
}

/// Threads that hammer one bucket take exactly what it holds; a lost race never admits (I6).
#[test]
fn threads_take_exactly_what_is_there() {
    let burst = rounds(1_000, 40);
    let bucket = TokenBucket::new(Quota::per_second(3).burst(burst));
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

#[cfg(not(loom))]
#[test]
fn a_bucket_can_be_a_static() {
    static BUCKET: TokenBucket = TokenBucket::new(Quota::per_second(1));
    assert!(BUCKET.check(Timestamp::ZERO).is_admitted());
    assert!(BUCKET.check(Timestamp::ZERO).is_denied());
}

#[cfg(not(loom))]
#[test]
fn the_documented_size_holds() {
    assert_eq!(size_of::<TokenBucket>(), 80);
    assert_eq!(size_of::<crate::verdict::Decision>(), 56);
}

/// I7: the mark does not come back, played step by step. Clocks are 0.6 s apart, one unit is given
/// back, and nobody steps back by more than a second.
#[test]
fn no_second_renewal_restores_the_mark() {
    let quota = Quota::per_second(1_000_000_007).burst(3);
    let bucket = TokenBucket::new(quota);
    let early = Timestamp::from_nanos(bucket.terms.trusted + 5_000_000_000);
    let late = early.saturating_add(Duration::from_millis(600));
    // One thread renews at `late`, and is held up before it raises the guard.
    let (first, terms, _) = bucket.read(late);
    assert!(bucket.exchange(first, terms.due::<NO_ERA>(0, late, 0) | RENEWED));
    // Another has read that, with the old guard, and is held up before its own renewal.
    let (held_up, _, owed) = bucket.read(early);
    assert!(!held_up.fresh && owed <= 0);
    bucket.written_at.fetch_max(late.as_nanos(), Ordering::AcqRel);
    // A refund at the earlier time, and a charge of all there is.
    bucket.refund_n(u32::MAX, early);
    assert!(bucket.check_n(3, early).is_admitted());
    assert!(bucket.check(early).is_denied());
    // A third thread would renew at `late` again, if the guard had gone back.
    assert!(bucket.read(late).0.fresh);
    bucket.renew(held_up, &terms, owed, early);
    assert!(bucket.check(early).is_denied(), "more than a burst at one instant");
}
