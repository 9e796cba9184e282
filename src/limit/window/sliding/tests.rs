use core::time::Duration;
use std::{string::ToString, sync::Barrier, thread, vec, vec::Vec};

use proptest::prelude::*;

use super::{SlidingWindow, Word};
use crate::{
    error::WindowError,
    limit::reference::{
        Answer,
        window::{Parts, Passed},
    },
    limit::window::tests::{Op, any_move, any_op, any_window, moved},
    sync::Ordering,
    test_support::{cases, rounds},
    time::Timestamp,
};

const MINUTE: Duration = Duration::from_secs(60);

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

proptest! {
    #![proptest_config(cases(400))]

    /// I5: equality with the reference, time going anywhere. I3 of the frame: waiting as long as a
    /// denial says helps, and waiting a nanosecond less does not. I2: a denial that heals nothing leaves
    /// the word and the records as they were.
    #[test]
    fn equals_the_reference(
        (limit, length, parts) in any_window(),
        ops in prop::collection::vec((any_op(), any_move()), 1..40),
    ) {
        let window = SlidingWindow::new(limit, length, parts).unwrap();
        let mut reference = Parts::new(limit, length, parts);
        let slot = (length.as_nanos() as u64).div_ceil(parts.into());
        let (mut now, mut wait, mut then) = (Timestamp::ZERO, Duration::ZERO, Timestamp::ZERO);
        for (op, step) in ops {
            now = moved(now, step, slot, wait);
            let before = words(&window);
            match op {
                Op::Check(n) => {
                    let decision = window.check_n(n, now);
                    let expected = reference.check_n(n, now);
                    prop_assert_eq!(Answer::from(decision), expected, "{:?} at {:?}", op, now);
                    wait = decision.standing().retry_after();
                    prop_assert_eq!(decision.is_denied(), !wait.is_zero());
                    if decision.is_denied() && wait < Duration::MAX {
                        let almost = wait - Duration::from_nanos(1);
                        prop_assert!(window.peek_n(n, now.saturating_add(almost)).is_denied());
                        prop_assert!(window.peek_n(n, now.saturating_add(wait)).is_admitted());
                    }
                    let healed = window.layout.unpack(before[0]).turn != turn(&window);
                    if decision.is_denied() && !healed || n == 0 {
                        prop_assert_eq!(words(&window), before);
                    }
                    then = now;
                }
                Op::Peek(n) => {
                    let expected = reference.peek_n(n, now);
                    prop_assert_eq!(Answer::from(window.peek_n(n, now)), expected);
                    prop_assert_eq!(words(&window), before);
                }
                Op::Refund(n) => {
                    window.refund_n(n, now);
                    reference.refund_n(n, now);
                }
                Op::RefundThen(n) => {
                    window.refund_n(n, then);
                    reference.refund_n(n, then);
                }
            }
            records_add_up(&window);
        }
    }

    /// I1 and I3: by timestamps that step back by up to `d`, no interval of the length less `d` has
    /// more than the limit; and an earlier timestamp never gives more than a later one.
    #[test]
    fn no_window_has_more_than_the_limit(
        (limit, length, parts) in any_window(),
        lag in 0..1_000_000_000_u64,
        ops in prop::collection::vec((1..4_u32, any_move(), any::<u64>()), 1..80),
    ) {
        let window = SlidingWindow::new(limit, length, parts).unwrap();
        let slot = (length.as_nanos() as u64).div_ceil(parts.into());
        let lag = lag.min(length.as_nanos() as u64);
        let mut passed = Passed::default();
        let (mut latest, mut wait) = (Timestamp::ZERO, Duration::ZERO);
        for (n, step, lags) in ops {
            latest = latest.max(moved(latest, step, slot, wait));
            let lag = if lags % 2 == 0 || lag == 0 { 0 } else { lags % (lag + 1) };
            let now = latest.saturating_sub(Duration::from_nanos(lag));
            let later = window.peek_n(n, latest);
            let decision = window.check_n(n, now);
            wait = decision.standing().retry_after();
            if decision.is_admitted() {
                prop_assert!(later.is_admitted(), "{now:?} gave more than {latest:?}");
                passed.note(n, now);
            }
        }
        let within = length.saturating_sub(Duration::from_nanos(lag));
        prop_assert!(passed.most_within(within) <= u64::from(limit));
    }
}

fn words(window: &SlidingWindow) -> Vec<u64> {
    let all = core::iter::once(&window.gate).chain(&window.records);
    all.map(|word| word.load(Ordering::Relaxed)).collect()
}

fn turn(window: &SlidingWindow) -> u64 {
    window.read().word.turn
}

/// I7, when no thread is in the middle of anything.
fn records_add_up(window: &SlidingWindow) {
    let Word { turn, slot, units, .. } = window.read().word;
    let record = window.records_of(turn);
    let slots = window.frame.slots(window.frame.oldest(slot), slot);
    let sum: u64 = slots.map(|(slot, place)| u64::from(record(slot, place))).sum();
    assert!(sum <= u64::from(units), "{sum} of {units}");
}

/// I1, exhaustively: every history of four calls over a small domain, every interval of it.
#[test]
fn every_short_history_keeps_the_bound_and_some_reach_it() {
    const CALLS: u32 = 4;
    const WINDOW: Duration = Duration::from_nanos(192);
    let a_little_more = WINDOW + Duration::from_nanos(1);
    for (limit, parts) in [(3, 1), (2, 2), (1, 3), (1, 6)] {
        let slot = 192 / u64::from(parts);
        let steps = [0, 1, slot - 1, slot, 193];
        let (mut most, mut most_in_more) = (0, 0);
        for start in [0, slot - 1, u64::MAX - 1_000] {
            for mut history in 0..(steps.len() * 2).pow(CALLS) {
                let window = SlidingWindow::new(limit, WINDOW, parts).unwrap();
                let mut passed = Passed::default();
                let mut now = start;
                for _ in 0..CALLS {
                    now += steps[history % steps.len()];
                    history /= steps.len();
                    let n = if history % 2 == 0 { 1 } else { limit };
                    history /= 2;
                    if window.check_n(n, Timestamp::from_nanos(now)).is_admitted() {
                        passed.note(n, Timestamp::from_nanos(now));
                    }
                }
                most = most.max(passed.most_within(WINDOW));
                most_in_more = most_in_more.max(passed.most_within(a_little_more));
            }
        }
        let limit = u64::from(limit);
        // And the bound is sharp: a nanosecond more than the window has twice as many.
        assert_eq!((most, most_in_more), (limit, 2 * limit), "{limit} in {parts} sub-windows");
    }
}

/// The other side of I1: who keeps to the limit in any window and a slot more is never denied.
#[test]
fn a_client_that_keeps_to_a_window_and_a_slot_is_always_admitted() {
    let mut state = 1_u64;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    for (limit, parts) in [(1, 1), (10, 2), (10, 10), (100, 60)] {
        let window = SlidingWindow::new(limit, MINUTE, parts).unwrap();
        let longer = MINUTE + MINUTE / parts;
        let mut model = crate::limit::reference::window::Log::new(limit, longer);
        let (mut now, mut admitted) = (at(0), 0);
        for _ in 0..600 {
            now = now.saturating_add(Duration::from_millis(draw(2 * 70_000 / u64::from(limit))));
            if model.check_n(1, now).admitted {
                assert!(window.check(now).is_admitted(), "{limit} in {parts} at {now:?}");
                admitted += 1;
            }
        }
        assert!(admitted > 150);
    }
}

/// What the module says of the estimate that is not here: within a window it passes nearly `2N`,
/// however many sub-windows there are.
#[test]
fn a_weighted_window_passes_nearly_twice_the_limit() {
    const LIMIT: u64 = 1_000;
    for parts in [1, 2, 10, 60_u64] {
        let slot = 60_000 / parts;
        let mut counts = vec![0; 3 * parts as usize];
        let mut passed = Passed::default();
        // All at the end of the first slot, and then whatever the estimate has room for.
        let mut ask = |millis: u64| {
            let (newest, into) = (millis / slot, millis % slot);
            let full: u64 =
                (newest.saturating_sub(parts - 1)..=newest).map(|slot| counts[slot as usize]).sum();
            let leaving = newest.checked_sub(parts).map_or(0, |slot| counts[slot as usize]);
            if (full + 1) * slot + leaving * (slot - into) <= LIMIT * slot {
                counts[newest as usize] += 1;
                passed.note(1, Timestamp::from_millis(millis));
            }
        };
        (0..LIMIT).for_each(|_| ask(slot - 1));
        (slot..slot + 59_999).for_each(|millis| (0..2).for_each(|_| ask(millis)));
        let most = passed.most_within(MINUTE);
        assert!(most > LIMIT * 19 / 10, "{most} with {parts} sub-windows");
    }
}

#[test]
fn standings_count_down_and_back() {
    let window = SlidingWindow::new(3, MINUTE, 6).unwrap();
    for (now, left) in [(at(5), 2), (at(15), 1), (at(15), 0)] {
        let standing = window.check(now).standing();
        assert_eq!((standing.limit(), standing.remaining()), (3, left));
        assert_eq!(standing.retry_after(), Duration::ZERO);
        // Its slot began 5 s ago, and is left 70 s after it began.
        assert_eq!(standing.reset_after(), Duration::from_secs(65));
    }
    let denied = window.check(at(20)).standing();
    assert_eq!((denied.retry_after(), denied.reset_after()), (50 * SECOND, 60 * SECOND));
    let denied = window.check_n(2, at(20)).standing();
    assert_eq!(denied.retry_after(), 60 * SECOND, "the first to leave is one unit");
    assert!(window.check(at(69)).is_denied());
    let peeked = window.peek_n(1, at(70));
    assert!(peeked.is_admitted());
    assert_eq!((peeked.standing().remaining(), peeked.standing().reset_after()), (1, 10 * SECOND));
    assert_eq!(window.peek_n(0, at(80)).standing().reset_after(), Duration::ZERO);
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn more_than_the_limit_never_passes_and_a_limit_of_zero_lets_nothing_pass() {
    let window = SlidingWindow::new(10, MINUTE, 2).unwrap();
    for n in [11, u32::MAX] {
        assert_eq!(window.check_n(n, at(1)).standing().retry_after(), Duration::MAX);
        assert_eq!(window.check_n(n, at(1)).standing().remaining(), 10);
    }
    assert!(window.check_n(0, at(1)).is_admitted());
    assert!(window.check_n(10, at(1)).is_admitted());
    assert!(window.check_n(0, at(1)).is_admitted());
    let closed = SlidingWindow::new(0, MINUTE, 2).unwrap();
    for n in [0, 1, u32::MAX] {
        for now in [Timestamp::ZERO, at(1), Timestamp::MAX] {
            let standing = closed.check_n(n, now).standing();
            assert_eq!(
                (standing.retry_after(), standing.reset_after()),
                (Duration::MAX, Duration::MAX)
            );
            assert_eq!(standing.remaining(), 0);
        }
    }
    let wide = SlidingWindow::new(u32::MAX, Duration::from_secs(300), 2).unwrap();
    assert!(wide.check_n(u32::MAX, Timestamp::MAX).is_admitted());
    let denied = wide.check(Timestamp::MAX);
    assert_eq!(denied.standing().retry_after(), Duration::MAX, "past the end of time");
}

#[test]
fn a_window_that_cannot_be_counted_is_refused() {
    let refused = |limit, window, parts| SlidingWindow::new(limit, window, parts).unwrap_err();
    assert_eq!(refused(1, Duration::ZERO, 1), WindowError::ZeroWindow);
    assert_eq!(refused(1, Duration::MAX, 1), WindowError::WindowTooLong);
    assert_eq!(refused(1, MINUTE, 0), WindowError::Parts { parts: 0, most: 256 });
    assert_eq!(refused(1, MINUTE, 257), WindowError::Parts { parts: 257, most: 256 });
    let error = refused(4_000_000, SECOND, 10);
    assert_eq!(
        error.to_string(),
        "4000000 units in a sub-window of 100000000 ns are too many to count; use a lower limit, or \
         sub-windows of at least 128000000 ns: a longer window or fewer of them"
    );
    assert!(SlidingWindow::new(3_125_000, SECOND, 10).is_ok());
}

#[test]
fn a_refund_gives_back_what_the_sub_window_has_and_no_more() {
    let window = SlidingWindow::new(10, MINUTE, 6).unwrap();
    assert!(window.check_n(4, at(5)).is_admitted());
    assert!(window.check_n(3, at(15)).is_admitted());
    window.refund_n(1, at(5));
    assert_eq!(window.peek_n(0, at(15)).standing().remaining(), 3, "an older one stays");
    window.refund_n(1, at(25));
    assert_eq!(window.peek_n(0, at(15)).standing().remaining(), 3, "nothing was taken then");
    window.refund_n(u32::MAX, at(19));
    assert_eq!(window.peek_n(0, at(15)).standing().remaining(), 6);
    // What was given back does not leave a second time.
    assert!(window.check_n(6, at(25)).is_admitted());
    assert!(window.check_n(5, at(70)).is_denied());
    assert!(window.check_n(4, at(70)).is_admitted());
}

/// What was judged by records is good as long as they do not change: until a newer slot, or another turn.
#[test]
fn what_was_read_stands_until_the_slot_or_the_turn_is_another() {
    let window = SlidingWindow::new(10, MINUTE, 6).unwrap();
    assert!(window.check(at(1_005)).is_admitted());
    let read = window.read();
    assert!(window.check(at(1_006)).is_admitted());
    assert!(window.still_stands(read), "the slot is the same");
    assert!(window.check(at(1_015)).is_admitted());
    assert!(!window.still_stands(read));
    let read = window.read();
    assert!(window.check(at(5)).is_admitted());
    assert!(!window.still_stands(read), "the clock was set back");
}

/// I7: another thread that is at step 2 may have written what the slot had already.
#[test]
fn a_slot_that_is_closed_gives_nothing_back() {
    let window = SlidingWindow::new(10, MINUTE, 6).unwrap();
    assert!(window.check_n(4, at(5)).is_admitted());
    let Some(closed) = window.close(window.read()) else { panic!("nobody else is here") };
    let before = words(&window);
    window.refund_n(4, at(5));
    assert_eq!(words(&window), before);
    assert!(window.record(closed));
    window.refund_n(4, at(5));
    records_add_up(&window);
    assert_eq!(window.peek_n(0, at(9)).standing().remaining(), 6);
    assert!(window.check(at(9)).is_admitted());
    assert_eq!(window.read().word.slot, closed.word.slot + 1, "nor does it take anything");
}

/// I4: a clock set back by more than a second forgives one limit a step, and locks nobody out.
#[test]
fn a_clock_set_back_forgives_at_most_one_limit_and_heals() {
    let window = SlidingWindow::new(5, MINUTE, 6).unwrap();
    // More steps than there are turns of three bits, and records left from all of them.
    for step in 0..40_u64 {
        let late = at(100_000 - step * 1_000);
        let denied = window.check_n(5, late);
        if step == 0 {
            assert!(denied.is_admitted());
        } else {
            assert_eq!(denied.standing().retry_after(), left(late), "healed, counted as taken now");
        }
        assert!(window.check(late.saturating_sub(SECOND)).is_denied(), "within the slack: no step");
        let again = late.saturating_add(left(late));
        assert!(window.check_n(2, again).is_admitted());
        assert!(window.check_n(3, again.saturating_add(15 * SECOND)).is_admitted());
        assert!(window.check(again.saturating_add(15 * SECOND)).is_denied());
    }
}

/// How long until the slot of this time is left.
fn left(now: Timestamp) -> Duration {
    let slot = now.as_nanos() / 10_000_000_000;
    at((slot + 7) * 10).saturating_duration_since(now)
}

/// I4 and I7: in the narrowest word there is, records from eight turns ago have been wiped.
#[test]
fn no_record_is_taken_for_one_of_a_later_turn() {
    const LIMIT: u32 = u32::MAX;
    let slot_nanos = 32 * u64::from(LIMIT);
    let length = Duration::from_nanos(2 * slot_nanos);
    let window = SlidingWindow::new(LIMIT, length, 2).unwrap();
    let mut reference = Parts::new(LIMIT, length, 2);
    let mut both = |n, slot: u64| {
        let now = Timestamp::from_nanos(slot * slot_nanos);
        let answer = Answer::from(window.check_n(n, now));
        assert_eq!(answer, reference.check_n(n, now), "{n} in slot {slot}");
        assert!(answer.admitted);
    };
    assert_eq!(window.layout.turn_after(7), 0);
    // Leaves a record of a million units in slot 100.
    both(1_000_000, 100);
    both(1, 101);
    both(1, 109);
    // Eight steps back, none of which comes by its place.
    (101..109).rev().for_each(|slot| both(1, slot));
    assert_eq!(turn(&window), 0);
    both(2_000_000, 101);
    records_add_up(&window);
    // Slot 100 leaves the window, in which nothing was taken in this turn.
    both(1, 103);
    records_add_up(&window);
}

/// Threads that hammer one window take exactly what it has, in each of many sub-windows; a lost race
/// never admits (I6), and no unit is counted twice or forgotten (I1).
#[test]
fn threads_take_exactly_what_is_there() {
    let window = SlidingWindow::new(100, Duration::from_millis(20), 4).unwrap();
    let (barrier, rounds) = (Barrier::new(4), rounds(200_u64, 6));
    let passed: Vec<(u64, u64)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let mut passed = Vec::new();
                    for round in 0..rounds {
                        let now = Timestamp::from_millis(round * 5);
                        let admitted = (0..30).filter(|_| window.check(now).is_admitted()).count();
                        passed.push((round, admitted as u64));
                        barrier.wait();
                    }
                    passed
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let mut slots = vec![0_u64; rounds as usize];
    passed.iter().for_each(|(round, admitted)| slots[*round as usize] += admitted);
    // All hundred at once, then none for four slots.
    for (slot, admitted) in slots.iter().enumerate() {
        assert_eq!(*admitted, if slot % 5 == 0 { 100 } else { 0 }, "slot {slot}");
    }
}

#[cfg(not(loom))]
#[test]
fn the_documented_size_holds() {
    let window = SlidingWindow::new(1, MINUTE, 10).unwrap();
    assert_eq!(size_of::<SlidingWindow>(), 48);
    assert_eq!(window.memory_bytes(), 48 + 11 * 8);
}
