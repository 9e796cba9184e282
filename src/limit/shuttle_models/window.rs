//! Windows: the scenes of the loom models, drawn by chance, with more threads and more slots.

use core::time::Duration;
use std::{sync::Arc, vec::Vec};

use crate::{
    limit::{
        KeyedWindow, SlidingWindow, WindowLog,
        reference::{
            Answer,
            window::{Log, Parts},
        },
    },
    schedules::{
        Clock, Dice, Done, Reference, assert_explained, break_exchanges, done, explore, together,
    },
    time::Timestamp,
};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Check(u32, Timestamp),
    Peek(u32, Timestamp),
    Refund(u32, Timestamp),
}

impl Reference for Parts {
    type Call = Call;
    type Answer = Option<Answer>;

    fn perform(&mut self, call: &Call) -> Option<Answer> {
        match *call {
            Call::Check(n, now) => Some(self.check_n(n, now)),
            Call::Peek(n, now) => Some(self.peek_n(n, now)),
            Call::Refund(n, at) => {
                self.refund_n(n, at);
                None
            }
        }
    }

    /// A check may have closed slots before it takes its units, or before it is denied.
    fn prepare(&mut self, call: &Call) {
        if let Call::Check(_, now) = *call {
            self.close(now);
        }
    }
}

impl Reference for Log {
    type Call = Call;
    type Answer = Option<Answer>;

    fn perform(&mut self, call: &Call) -> Option<Answer> {
        match *call {
            Call::Check(n, now) => Some(self.check_n(n, now)),
            Call::Peek(n, now) => Some(self.peek_n(n, now)),
            Call::Refund(n, at) => {
                self.refund_n(n, at);
                None
            }
        }
    }
}

const SLOT: Duration = Duration::from_micros(1);
const START: Timestamp = Timestamp::from_secs(10);

/// Calls that come in this order, at times that pass by a slot now and then; some lag.
fn any(dice: Dice, clock: &Clock, most: u32) -> Call {
    let at = clock.pass(SLOT * u32::try_from(dice.of(&[0, 0, 0, 1, 1, 2])).unwrap());
    let now = match dice.below(6) {
        0 => Timestamp::from_nanos(at.as_nanos() - 1_000),
        _ => at,
    };
    match dice.below(6) {
        0 => Call::Peek(dice.units(most), now),
        1 => Call::Refund(dice.units(2), now),
        _ => Call::Check(dice.units(most), now),
    }
}

fn each_answer_is_that_of_some_order() {
    explore(|| {
        let dice = Dice;
        let (limit, parts) = (1 + dice.units(4), dice.of(&[1, 2, 3]));
        let length = SLOT * parts;
        let window = Arc::new(SlidingWindow::new(limit, length, parts).unwrap());
        let model = Parts::new(limit, length, parts);
        let clock = Clock::at(START);
        let (at, shared) = (clock.clone(), Arc::clone(&window));
        let told: Vec<Vec<_>> = together(4, move |_| {
            let call = |_| {
                done(any(dice, &at, 2), |call| match call {
                    Call::Check(n, now) => Some(shared.check_n(n, now).into()),
                    Call::Peek(n, now) => Some(shared.peek_n(n, now).into()),
                    Call::Refund(n, at) => {
                        shared.refund_n(n, at);
                        None
                    }
                })
            };
            (0..4).map(call).collect()
        });
        let end = clock.now();
        let later: Vec<_> = (0..=parts + 1).map(|slots| end.saturating_add(SLOT * slots)).collect();
        let left: Vec<Answer> = later.iter().map(|now| window.peek_n(1, *now).into()).collect();
        assert_explained(&model, &told, |model| {
            later.iter().zip(&left).all(|(now, left)| model.peek_n(1, *now) == *left)
        });
    });
}

/// I1 to I7 of the sliding window.
#[test]
fn shuttle_window_each_answer_is_that_of_some_order() {
    each_answer_is_that_of_some_order();
}

#[test]
#[should_panic(expected = "no order of these calls")]
fn shuttle_window_mutant_exchanges_in_two_steps() {
    let _broken = break_exchanges();
    each_answer_is_that_of_some_order();
}

/// The log of times, which has a lock.
#[test]
fn shuttle_window_log_each_answer_is_that_of_some_order() {
    explore(|| {
        let dice = Dice;
        let limit = 1 + dice.units(3);
        let window = Arc::new(WindowLog::new(limit, SLOT * 3).unwrap());
        let clock = Clock::at(START);
        let told: Vec<Vec<_>> = together(4, move |_| {
            let call = |_| {
                done(any(dice, &clock, 2), |call| match call {
                    Call::Check(n, now) => Some(window.check_n(n, now).into()),
                    Call::Peek(n, now) => Some(window.peek_n(n, now).into()),
                    Call::Refund(n, at) => {
                        window.refund_n(n, at);
                        None
                    }
                })
            };
            (0..4).map(call).collect()
        });
        assert_explained(&Log::new(limit, SLOT * 3), &told, |_| true);
    });
}

/// A window for each key, with a seat for all: a key's answers are those of its own window.
#[test]
fn shuttle_window_keyed_each_answer_is_that_of_some_order_of_the_keys_own_calls() {
    explore(|| {
        let dice = Dice;
        let limiter: Arc<KeyedWindow<u64>> = Arc::new(KeyedWindow::new(2, SLOT * 2, 2, 4).unwrap());
        let clock = Clock::at(START);
        let told: Vec<Vec<(u64, Done<Call, Option<Answer>>)>> = together(4, move |_| {
            let call = |_| {
                let key = dice.below(3);
                let done = done(any(dice, &clock, 2), |call| match call {
                    Call::Check(n, now) => Some(limiter.check_n(&key, n, now).into()),
                    Call::Peek(n, now) => Some(limiter.peek_n(&key, n, now).into()),
                    Call::Refund(n, at) => {
                        limiter.refund_n(&key, n, at);
                        None
                    }
                });
                (key, done)
            };
            (0..5).map(call).collect()
        });
        for key in 0..3 {
            let own = |thread: &Vec<(u64, Done<_, _>)>| {
                thread.iter().filter(|(of, _)| *of == key).map(|(_, done)| done.clone()).collect()
            };
            let of_key: Vec<Vec<_>> = told.iter().map(own).collect();
            assert_explained(&Parts::new(2, SLOT * 2, 2), &of_key, |_| true);
        }
    });
}
