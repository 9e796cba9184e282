//! Whether the store is asked at all: one that has failed several times in a row of moments is asked seldom, until
//! it answers.
//!
//! # Invariants
//! - **I1** it opens with the fifth failure within a second, unless there was an answer since the first of them;
//! - **I2** while it is open, one call is let through every 250 ms;
//! - **I3** an answer closes it;
//! - **I4** a clock that goes back makes it start over, and never keeps it open; threads may differ by a second.

use core::time::Duration;

use super::keys::is_of_the_future;
use crate::{sync::Mutex, time::Timestamp};

/// Failures within [`WINDOW`] that open it.
const FAILURES: u32 = 5;
const WINDOW: Duration = Duration::from_secs(1);
/// One call in so long while it is open.
const PROBE: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32, since: Timestamp },
    Open { probed: Timestamp },
}

const CLOSED: State = State::Closed { failures: 0, since: Timestamp::ZERO };

impl Breaker {
    pub(super) fn new() -> Self {
        Self(Mutex::new(CLOSED))
    }

    /// Whether a call may be made now; whoever is told so makes it.
    pub(super) fn lets(&self, now: Timestamp) -> bool {
        let mut state = self.0.lock();
        match *state {
            State::Closed { .. } => true,
            State::Open { probed }
                if is_of_the_future(probed, now) || is_over(probed, PROBE, now) =>
            {
                *state = State::Open { probed: now };
                true
            }
            State::Open { .. } => false,
        }
    }

    /// A call was answered.
    pub(super) fn answered(&self) {
        let mut state = self.0.lock();
        *state = CLOSED;
    }

    /// A call was not answered.
    pub(super) fn failed(&self, now: Timestamp) {
        let mut state = self.0.lock();
        let State::Closed { failures, since } = *state else { return };
        let anew = failures == 0 || is_of_the_future(since, now) || is_over(since, WINDOW, now);
        let (failures, since) = if anew { (1, now) } else { (failures.saturating_add(1), since) };
        *state = if failures < FAILURES {
            State::Closed { failures, since }
        } else {
            State::Open { probed: now }
        };
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(*self.0.lock(), State::Open { .. })
    }
}

fn is_over(since: Timestamp, length: Duration, now: Timestamp) -> bool {
    now.saturating_duration_since(since) >= length
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Breaker;
    use crate::Timestamp;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(10_000 + millis)
    }

    #[test]
    fn it_opens_with_the_fifth_failure_and_lets_one_call_through_each_quarter_of_a_second() {
        let breaker = Breaker::new();
        for millis in 0..4 {
            breaker.failed(at(millis));
            assert!(!breaker.is_open() && breaker.lets(at(millis)));
        }
        breaker.failed(at(999));
        assert!(breaker.is_open());
        let let_through = (1_000..2_000).filter(|millis| breaker.lets(at(*millis)));
        assert_eq!(let_through.collect::<std::vec::Vec<_>>(), [1_249, 1_499, 1_749, 1_999]);
        breaker.failed(at(2_000));
        assert!(!breaker.lets(at(2_001)), "and a failure of the one changes nothing");
        breaker.answered();
        assert!(!breaker.is_open() && breaker.lets(at(2_001)));
    }

    #[test]
    fn failures_count_within_a_second_and_in_a_row() {
        let breaker = Breaker::new();
        for millis in [0, 1, 2, 3, 1_000, 1_001, 1_002, 1_003] {
            breaker.failed(at(millis));
        }
        assert!(!breaker.is_open());
        breaker.answered();
        for millis in 1_004..1_008 {
            breaker.failed(at(millis));
        }
        assert!(!breaker.is_open());
        breaker.failed(at(1_008));
        assert!(breaker.is_open());
    }

    #[test]
    fn a_clock_that_goes_back_does_not_keep_it_open() {
        let breaker = Breaker::new();
        (0..5).for_each(|millis| breaker.failed(at(millis)));
        assert!(!breaker.lets(at(3)), "a thread whose clock is behind");
        assert!(breaker.lets(Timestamp::ZERO));
        assert!(!breaker.lets(Timestamp::from_millis(249)));
        assert!(breaker.lets(Timestamp::from_millis(250)));
        breaker.answered();
        breaker.failed(at(0));
        (0..4).for_each(|millis| breaker.failed(Timestamp::from_millis(millis)));
        assert!(!breaker.is_open(), "the first one was in the future");
    }
}
