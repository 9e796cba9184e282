//! The sliding window: whatever the threads do, there is an order of their calls, one after the
//! other, in which the reference gives the same answers and is left in the same state.
//!
//! The one liberty: a check may let the time that it saw pass before it takes its units, or before it is
//! denied, having closed a slot and then lost its unit to another thread.
//!
//! Each rule of `limit::window::sliding` is needed. Without it, these models fail:
//!
//! | left out | fails |
//! |---|---|
//! | closing a slot before it is recorded | `a_unit_taken_at_the_turn…`, `a_late_record…`, `a_refund…`, `three_threads…` |
//! | no units for a closed slot | `a_unit_taken_at_the_turn…`, `a_late_record…`, `three_threads…` |
//! | a closed slot says that time has passed | the same |
//! | records | all with more than one slot |
//! | the second look at `gate` in `record`, or its order | `a_late_record…` |
//! | no refund to a closed slot | `a_refund…` |
//! | the second look at `gate` before a denial | `who_only_looks…` |
//! | the turn in a record | `a_step_back…` |

use core::time::Duration;
use std::vec::Vec;

use loom::{sync::Arc, thread};

use super::explore_with;
use crate::{
    limit::{
        KeyedWindow, SlidingWindow,
        reference::{Answer, window::Parts},
    },
    time::Timestamp,
};

#[derive(Clone, Copy, Debug)]
enum Call {
    Check(u32, Timestamp),
    Peek(u32, Timestamp),
    Refund(u32, Timestamp),
}

use Call::{Check, Peek, Refund};

/// A window of so many slots of one microsecond.
#[derive(Clone, Copy)]
struct Scene {
    limit: u32,
    parts: u32,
    before: &'static [Call],
    threads: &'static [&'static [Call]],
    preemptions: usize,
}

/// The beginning of a slot, far enough from the origin for a clock to be set back.
const fn slot(slot: u64) -> Timestamp {
    Timestamp::from_micros(10_000_000 + slot)
}

/// What a thread did and was answered.
type Told = Vec<(Call, Option<Answer>)>;

impl Scene {
    fn explore(self) {
        explore_with(self.preemptions, move || {
            let length = Duration::from_micros(self.parts.into());
            let window = Arc::new(SlidingWindow::new(self.limit, length, self.parts).unwrap());
            let mut model = Parts::new(self.limit, length, self.parts);
            for &call in self.before {
                assert_eq!(perform(&window, call), model_performs(&mut model, call));
            }
            let threads: Vec<_> = self
                .threads
                .iter()
                .map(|calls| {
                    let window = Arc::clone(&window);
                    thread::spawn(move || -> Told {
                        calls.iter().map(|&call| (call, perform(&window, call))).collect()
                    })
                })
                .collect();
            let told: Vec<Told> =
                threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            let left = probe(|call| perform(&window, call));
            let next: Vec<_> = told.iter().map(|_| (0, false)).collect();
            assert!(is_explained(&model, &told, &next, &left), "{told:?}, then {left:?}");
        });
    }
}

/// What is left, seen from every slot that matters.
fn probe(mut perform: impl FnMut(Call) -> Option<Answer>) -> Vec<Option<Answer>> {
    (0..8).map(|at| perform(Peek(1, slot(at)))).collect()
}

/// Whether some order of the calls that are still to come has the model answer as the threads were.
///
/// `next` says for each thread which of its calls comes next, and whether that has let time pass.
fn is_explained(
    model: &Parts,
    told: &[Told],
    next: &[(usize, bool)],
    left: &[Option<Answer>],
) -> bool {
    if told.iter().zip(next).all(|(told, (at, _))| *at == told.len()) {
        return probe(|call| model_performs(&mut model.clone(), call)) == left;
    }
    (0..told.len()).any(|thread| {
        let (at, passed) = next[thread];
        let Some(&(call, expected)) = told[thread].get(at) else { return false };
        let mut model_then = model.clone();
        let mut next_then = next.to_vec();
        next_then[thread] = (at + 1, false);
        let answered = model_performs(&mut model_then, call) == expected;
        if answered && is_explained(&model_then, told, &next_then, left) {
            return true;
        }
        let (Check(_, now), false) = (call, passed) else { return false };
        let mut model_then = model.clone();
        model_then.pass(now);
        next_then[thread] = (at, true);
        is_explained(&model_then, told, &next_then, left)
    })
}

fn perform(window: &SlidingWindow, call: Call) -> Option<Answer> {
    match call {
        Check(n, now) => Some(window.check_n(n, now).into()),
        Peek(n, now) => Some(window.peek_n(n, now).into()),
        Refund(n, taken_at) => {
            window.refund_n(n, taken_at);
            None
        }
    }
}

fn model_performs(model: &mut Parts, call: Call) -> Option<Answer> {
    match call {
        Check(n, now) => Some(model.check_n(n, now)),
        Peek(n, now) => Some(model.peek_n(n, now)),
        Refund(n, taken_at) => {
            model.refund_n(n, taken_at);
            None
        }
    }
}

const S0: Timestamp = slot(0);
const S1: Timestamp = slot(1);
const S2: Timestamp = slot(2);
const S3: Timestamp = slot(3);
const S4: Timestamp = slot(4);

const DEFAULT: Scene = Scene { limit: 2, parts: 1, before: &[], threads: &[], preemptions: 3 };

#[test]
fn loom_window_checks_in_one_slot_take_exactly_the_limit() {
    let threads: &[&[Call]] = &[&[Check(1, S0)], &[Check(1, S0)], &[Check(1, S0)]];
    Scene { threads, ..DEFAULT }.explore();
    let threads: &[&[Call]] = &[&[Check(1, S0)], &[Check(2, S0)]];
    Scene { threads, ..DEFAULT }.explore();
}

/// One thread adds to a slot while another one closes it.
#[test]
fn loom_window_a_unit_taken_at_the_turn_of_a_slot_is_counted_once() {
    Scene {
        limit: 3,
        before: &[Check(1, S0)],
        threads: &[&[Check(1, S0)], &[Check(1, S1)]],
        ..DEFAULT
    }
    .explore();
    // And where only one of them can have it.
    Scene { before: &[Check(1, S0)], threads: &[&[Check(1, S0)], &[Check(1, S1)]], ..DEFAULT }
        .explore();
}

/// Two threads move to slots of their own; what was taken in the first one has left in the last.
#[test]
fn loom_window_two_threads_move_on_at_once() {
    for threads in [
        &[&[Check(1, S1)] as &[Call], &[Check(1, S1)]],
        &[&[Check(1, S1)], &[Check(1, S2)]],
        &[&[Check(1, S1)], &[Check(2, S2)]],
    ] as [&[&[Call]]; 3]
    {
        Scene { before: &[Check(1, S0)], threads, ..DEFAULT }.explore();
        Scene { limit: 4, parts: 2, before: &[Check(2, S0)], threads, ..DEFAULT }.explore();
    }
}

/// The ring goes round under a thread that has stopped in the middle: of two places, the slots 0 and 2
/// have the same one.
#[test]
fn loom_window_a_late_record_erases_no_newer_one() {
    Scene {
        limit: 8,
        before: &[Check(1, S0)],
        threads: &[&[Check(1, S1)], &[Check(2, S1), Check(1, S2), Check(1, S3)]],
        preemptions: 2,
        ..DEFAULT
    }
    .explore();
}

/// Three threads, one slot each.
#[test]
fn loom_window_three_threads_move_on_at_once() {
    Scene {
        limit: 4,
        before: &[Check(2, S0)],
        threads: &[&[Check(1, S0)], &[Check(1, S1)], &[Check(1, S2)]],
        preemptions: 2,
        ..DEFAULT
    }
    .explore();
}

#[test]
fn loom_window_a_refund_and_a_check_keep_the_count() {
    for threads in [
        &[&[Refund(1, S0)] as &[Call], &[Check(1, S0)], &[Check(1, S0)]],
        // The slot is closed meanwhile: given back before, or not at all.
        &[&[Refund(1, S0)], &[Check(1, S1)]],
        &[&[Refund(2, S0)], &[Check(1, S1), Check(1, S2)]],
    ] as [&[&[Call]]; 3]
    {
        Scene { limit: 2, before: &[Check(2, S0)], threads, ..DEFAULT }.explore();
        let before = &[Check(1, S0), Check(1, S0)];
        Scene { limit: 3, before, threads, ..DEFAULT }.explore();
    }
}

/// A denial or a peek never rests on records of two ages.
#[test]
fn loom_window_who_only_looks_sees_one_state() {
    let before = &[Check(2, S0), Check(1, S1)];
    for looks in [&[Check(4, S2)] as &[Call], &[Peek(3, S2)], &[Peek(2, S3)]] {
        for moves in [&[Check(1, S2), Check(1, S3)] as &[Call], &[Check(1, S3), Check(1, S4)]] {
            let threads: &'static [&'static [Call]] = std::vec![looks, moves].leak();
            Scene { limit: 4, parts: 2, before, threads, ..DEFAULT }.explore();
        }
    }
}

/// A clock that was set back, while others go on from where it was.
#[test]
fn loom_window_a_step_back_is_healed_once() {
    const EARLY: Timestamp = Timestamp::from_micros(8_000_000);
    for threads in [
        &[&[Check(1, EARLY)] as &[Call], &[Check(1, EARLY)]],
        &[&[Check(2, EARLY)], &[Check(1, EARLY)]],
        &[&[Check(1, EARLY)], &[Check(1, S1)]],
    ] as [&[&[Call]]; 3]
    {
        Scene { limit: 3, before: &[Check(2, S0)], threads, ..DEFAULT }.explore();
    }
}

/// Keyed windows lock a shard, but not while a new key is cloned.
#[test]
fn loom_window_newcomers_never_share_a_seat_or_take_two() {
    for (keys, expected) in [([1, 2], 1), ([1, 1], 1)] {
        explore_with(3, move || {
            let limiter: Arc<KeyedWindow<u32>> =
                Arc::new(KeyedWindow::new(1, Duration::from_secs(1), 2, 1).unwrap());
            let threads: Vec<_> = keys
                .iter()
                .map(|&key| {
                    let limiter = Arc::clone(&limiter);
                    thread::spawn(move || u32::from(limiter.check(&key, S0).is_admitted()))
                })
                .collect();
            let admitted: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            assert_eq!(admitted, expected);
            assert_eq!(limiter.len(), 1);
        });
    }
}
