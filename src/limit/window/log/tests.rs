use core::time::Duration;
use std::{string::ToString, sync::Barrier, thread, vec::Vec};

use proptest::prelude::*;

use super::WindowLog;
use crate::{
    limit::{
        reference::{
            Answer,
            window::{Log, Passed},
        },
        window::tests::{Op, any_move, any_op, moved},
    },
    test_support::{cases, rounds},
    time::Timestamp,
};

const HOUR: Duration = Duration::from_secs(3_600);

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn any_log() -> impl Strategy<Value = (u32, Duration)> {
    let limit = prop_oneof![8 => 0..6_u32, 1 => 0..50_u32];
    let window = prop_oneof![
        2 => 1..6_u64,
        4 => 1..3_000_000_000_u64,
        1 => 1..=3_155_760_000_000_000_000_u64
    ];
    (limit, window.prop_map(Duration::from_nanos))
}

proptest! {
    #![proptest_config(cases(300))]

    /// I2: equality with the reference, time going anywhere. I5 and I3: no more times than the limit,
    /// in order.
    #[test]
    fn equals_the_reference(
        (limit, window) in any_log(),
        ops in prop::collection::vec((any_op(), any_move()), 1..40),
    ) {
        let log = WindowLog::new(limit, window).unwrap();
        let mut reference = Log::new(limit, window);
        let memory = log.memory_bytes();
        let (mut now, mut wait, mut then) = (Timestamp::ZERO, Duration::ZERO, Timestamp::ZERO);
        for (op, step) in ops {
            now = moved(now, step, window.as_nanos() as u64, wait);
            match op {
                Op::Check(n) => {
                    let decision = log.check_n(n, now);
                    let expected = reference.check_n(n, now);
                    prop_assert_eq!(Answer::from(decision), expected, "{:?} at {:?}", op, now);
                    wait = decision.standing().retry_after();
                    prop_assert_eq!(decision.is_denied(), !wait.is_zero());
                    then = now;
                }
                Op::Peek(n) => {
                    let expected = reference.peek_n(n, now);
                    prop_assert_eq!(Answer::from(log.peek_n(n, now)), expected);
                }
                Op::Refund(n) | Op::RefundThen(n) => {
                    let taken_at = if matches!(op, Op::Refund(_)) { now } else { then };
                    log.refund_n(n, taken_at);
                    reference.refund_n(n, taken_at);
                }
            }
            let times: Vec<u64> = log.taken.lock().times.iter().copied().collect();
            prop_assert!(times.is_sorted() && times.len() <= limit as usize);
            prop_assert_eq!(log.memory_bytes(), memory);
        }
    }

    /// I1: by timestamps that step back by up to `d`, no interval that is shorter than the window by
    /// `d` has more than the limit.
    #[test]
    fn no_window_has_more_than_the_limit(
        (limit, window) in any_log(),
        lag in 0..1_000_000_000_u64,
        ops in prop::collection::vec((1..4_u32, any_move(), any::<u64>()), 1..60),
    ) {
        let log = WindowLog::new(limit, window).unwrap();
        let lag = lag.min(window.as_nanos() as u64 - 1);
        let mut passed = Passed::default();
        let (mut latest, mut wait) = (Timestamp::ZERO, Duration::ZERO);
        for (n, step, lags) in ops {
            latest = latest.max(moved(latest, step, window.as_nanos() as u64, wait));
            let behind = if lags % 2 == 0 { 0 } else { lags % (lag + 1) };
            let now = latest.saturating_sub(Duration::from_nanos(behind));
            let decision = log.check_n(n, now);
            wait = decision.standing().retry_after();
            if decision.is_admitted() {
                passed.note(n, now);
            }
        }
        // Both ends included, so one nanosecond less.
        let within = window - Duration::from_nanos(lag + 1);
        prop_assert!(passed.most_within(within) <= u64::from(limit));
    }
}

/// The bound is sharp: one nanosecond more, and there are twice as many.
#[test]
fn a_unit_counts_for_exactly_the_window() {
    let log = WindowLog::new(3, HOUR).unwrap();
    let mut passed = Passed::default();
    for now in [at(10), at(10).saturating_add(HOUR)] {
        assert!(log.check_n(3, now).is_admitted());
        assert!(log.check(now).is_denied());
        passed.note(3, now);
        let almost = now.saturating_add(HOUR - Duration::from_nanos(1));
        assert_eq!(log.check(almost).standing().retry_after(), Duration::from_nanos(1));
    }
    assert_eq!(passed.most_within(HOUR - Duration::from_nanos(1)), 3);
    assert_eq!(passed.most_within(HOUR), 6);
}

#[test]
fn a_log_that_is_too_long_is_refused() {
    assert!(WindowLog::new(WindowLog::MOST_UNITS, HOUR).is_ok());
    let error = WindowLog::new(WindowLog::MOST_UNITS + 1, HOUR).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a log of 65537 units; it remembers up to 65536, beyond that use sub-windows"
    );
    assert!(WindowLog::new(1, Duration::ZERO).is_err());
    assert!(WindowLog::new(1, Duration::MAX).is_err());
}

#[test]
fn a_refund_gives_back_what_was_taken_then() {
    let log = WindowLog::new(5, HOUR).unwrap();
    assert!(log.check_n(2, at(10)).is_admitted());
    assert!(log.check_n(3, at(20)).is_admitted());
    log.refund_n(u32::MAX, at(15));
    assert!(log.check(at(30)).is_denied());
    log.refund_n(u32::MAX, at(10));
    assert!(log.check_n(3, at(30)).is_denied());
    assert!(log.check_n(2, at(30)).is_admitted());
    log.refund_n(1, at(20));
    assert_eq!(log.peek_n(1, at(30)).standing().remaining(), 1);
}

/// I4: a clock set back by more than a second forgives one limit a step, and locks nobody out.
#[test]
fn a_clock_set_back_forgives_at_most_one_limit_and_heals() {
    let log = WindowLog::new(5, HOUR).unwrap();
    assert!(log.check_n(2, at(100_000)).is_admitted());
    assert!(log.check_n(3, at(100_010)).is_admitted());
    assert!(log.check(at(100_009)).is_denied(), "within the slack: no step");
    let early = at(50_000);
    assert_eq!(log.peek_n(1, early).standing().retry_after(), HOUR);
    assert_eq!(log.check(early).standing().retry_after(), HOUR, "counted as taken now");
    assert!(log.check(early.saturating_add(HOUR / 2)).is_denied());
    assert!(log.check_n(5, early.saturating_add(HOUR)).is_admitted());

    // What had left before the step does not come back with it.
    let log = WindowLog::new(3, 10 * Duration::from_secs(1)).unwrap();
    assert!(log.check_n(2, at(100)).is_admitted());
    assert!(log.check(at(110)).is_admitted());
    assert!(log.check_n(3, at(105)).is_denied());
    assert_eq!(log.peek_n(1, at(105)).standing().remaining(), 2);
}

#[test]
fn threads_take_exactly_what_is_there() {
    let most = rounds(100, 20);
    let log = WindowLog::new(most, HOUR).unwrap();
    let barrier = Barrier::new(4);
    let admitted: usize = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    (0..most).filter(|_| log.check(at(1)).is_admitted()).count()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(admitted, most as usize);
}

#[test]
fn memory_is_eight_bytes_a_unit() {
    let of = |limit| WindowLog::new(limit, Duration::from_secs(1)).unwrap().memory_bytes();
    assert_eq!((of(0), of(1_000)), (size_of::<WindowLog>(), size_of::<WindowLog>() + 8_000));
}
