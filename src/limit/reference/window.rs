//! Models of the windows: all that was ever taken is kept, and counted anew at each question.
//!
//! [`Log`] is the definition of "at most so many in any window", and [`Parts`] counts in sub-windows.
//! [`Passed`] decides nothing: it tells how much did pass, within any length of time.

use core::time::Duration;
use std::vec::Vec;

use super::Answer;
use crate::time::{NANOS_PER_SEC, Timestamp};

/// A window over the exact times of all that was taken.
#[derive(Clone, Debug)]
pub struct Log {
    limit: u32,
    window: u128,
    newest: u128,
    /// When, and how many units.
    taken: Vec<(u128, u32)>,
}

impl Log {
    /// An empty log.
    #[must_use]
    pub fn new(limit: u32, window: Duration) -> Self {
        Self { limit, window: window.as_nanos(), newest: 0, taken: Vec::new() }
    }

    /// As [`WindowLog::check_n`](crate::WindowLog::check_n).
    pub fn check_n(&mut self, n: u32, now: Timestamp) -> Answer {
        let answer = self.peek_n(n, now);
        if !answer.admitted || n > 0 {
            self.heal(now);
        }
        if !answer.admitted || n == 0 {
            return answer;
        }
        self.newest = self.newest.max(nanos(now));
        self.taken.push((self.newest, n));
        self.peek_n(0, now)
    }

    /// As [`WindowLog::peek_n`](crate::WindowLog::peek_n).
    #[must_use]
    pub fn peek_n(&self, n: u32, now: Timestamp) -> Answer {
        let mut healed = self.clone();
        healed.heal(now);
        let latest = healed.newest.max(nanos(now));
        let ends = healed.taken.iter().map(|(at, units)| (at + self.window, *units));
        let counted: Vec<_> = ends.filter(|(end, _)| *end > latest).collect();
        answer(self.limit, &counted, n, now)
    }

    /// As [`WindowLog::refund_n`](crate::WindowLog::refund_n).
    pub fn refund_n(&mut self, n: u32, taken_at: Timestamp) {
        give_back(&mut self.taken, nanos(taken_at), n);
    }

    /// What counted more than a second after `now` counts as of now: the clock was set back.
    fn heal(&mut self, now: Timestamp) {
        let newest = self.newest;
        if newest > nanos(now) + u128::from(NANOS_PER_SEC) {
            self.taken.retain(|(at, _)| at + self.window > newest);
            self.taken.iter_mut().for_each(|(at, _)| *at = nanos(now).min(*at));
            self.newest = nanos(now);
        }
    }
}

/// A window in sub-windows: what was taken counts as long as any window reaches back to its slot.
#[derive(Clone, Debug)]
pub struct Parts {
    limit: u32,
    parts: u128,
    slot: u128,
    newest: u128,
    /// In which slot, and how many units.
    taken: Vec<(u128, u32)>,
}

impl Parts {
    /// An empty window.
    #[must_use]
    pub fn new(limit: u32, window: Duration, parts: u32) -> Self {
        let slot = window.as_nanos().div_ceil(parts.into());
        Self { limit, parts: parts.into(), slot, newest: 0, taken: Vec::new() }
    }

    /// As [`SlidingWindow::check_n`](crate::SlidingWindow::check_n).
    pub fn check_n(&mut self, n: u32, now: Timestamp) -> Answer {
        let answer = self.peek_n(n, now);
        if !answer.admitted || n > 0 {
            self.heal(now);
        }
        if !answer.admitted || n == 0 {
            return answer;
        }
        self.newest = self.newest.max(nanos(now) / self.slot);
        self.taken.push((self.newest, n));
        self.peek_n(0, now)
    }

    /// As [`SlidingWindow::peek_n`](crate::SlidingWindow::peek_n).
    #[must_use]
    pub fn peek_n(&self, n: u32, now: Timestamp) -> Answer {
        let mut healed = self.clone();
        healed.heal(now);
        let newest = healed.newest.max(nanos(now) / self.slot);
        let counted = healed.taken.iter().filter(|(at, _)| at + self.parts >= newest);
        let ends: Vec<_> =
            counted.map(|(at, units)| ((at + self.parts + 1) * self.slot, *units)).collect();
        answer(self.limit, &ends, n, now)
    }

    /// As [`SlidingWindow::refund_n`](crate::SlidingWindow::refund_n).
    pub fn refund_n(&mut self, n: u32, taken_at: Timestamp) {
        if nanos(taken_at) / self.slot == self.newest {
            give_back(&mut self.taken, self.newest, n);
        }
    }

    /// Time has passed, and nothing else: what a check does that has closed a slot and got no further.
    pub fn pass(&mut self, now: Timestamp) {
        self.newest = self.newest.max(nanos(now) / self.slot);
    }

    /// The newest slot in which something counts is over before `now`, and no more is known: what others see of a check that has
    /// closed it.
    pub fn close(&mut self, now: Timestamp) {
        let slot = nanos(now) / self.slot;
        let next = if self.taken.is_empty() { slot } else { self.newest + 1 };
        self.newest = self.newest.max(next.min(slot));
    }

    /// What counted in a slot more than a second after `now` counts in that of `now`.
    fn heal(&mut self, now: Timestamp) {
        let a_second_on = now.saturating_add(Duration::from_secs(1));
        if self.newest > nanos(a_second_on) / self.slot {
            let (newest, slot) = (self.newest, nanos(now) / self.slot);
            self.taken.retain(|(at, _)| at + self.parts >= newest);
            self.taken.iter_mut().for_each(|(at, _)| *at = slot);
            self.newest = slot;
        }
    }
}

/// Takes up to `n` units away from those that were taken at `at`.
fn give_back(taken: &mut [(u128, u32)], at: u128, n: u32) {
    let mut left = n;
    for (_, units) in taken.iter_mut().filter(|(taken_at, _)| *taken_at == at) {
        let back = left.min(*units);
        *units -= back;
        left -= back;
    }
}

/// What units that count until so and so long come to, in the order of their ends.
fn answer(limit: u32, counted: &[(u128, u32)], n: u32, now: Timestamp) -> Answer {
    let until = |end: u128| match u64::try_from(end) {
        Ok(end) => Duration::from_nanos(end - now.as_nanos()),
        Err(_) => Duration::MAX,
    };
    let sum: u64 = counted.iter().map(|(_, units)| u64::from(*units)).sum();
    let room = u64::from(limit) - sum;
    if limit == 0 {
        let never = Duration::MAX;
        return Answer { admitted: false, remaining: 0, retry_after: never, reset_after: never };
    }
    let mut gone = 0;
    let enough = counted.iter().find(|(_, units)| {
        gone += u64::from(*units);
        room + gone >= n.into()
    });
    let last = counted.iter().rev().find(|(_, units)| *units > 0);
    let admitted = room >= n.into();
    Answer {
        admitted,
        remaining: u32::try_from(room).expect("at most the limit"),
        retry_after: match enough {
            _ if admitted => Duration::ZERO,
            Some((end, _)) => until(*end),
            None => Duration::MAX,
        },
        reset_after: last.map_or(Duration::ZERO, |(end, _)| until(*end)),
    }
}

fn nanos(now: Timestamp) -> u128 {
    now.as_nanos().into()
}

/// What has passed, and when.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    passed: Vec<(u64, u32)>,
}

impl Passed {
    /// Notes that `n` units have passed.
    pub fn note(&mut self, n: u32, now: Timestamp) {
        self.passed.push((now.as_nanos(), n));
    }

    /// The most units that have passed in any interval of this length, both ends included.
    #[must_use]
    pub fn most_within(&self, length: Duration) -> u64 {
        let mut passed = self.passed.clone();
        passed.sort_unstable();
        let (mut most, mut sum) = (0, 0);
        let mut oldest = passed.iter().peekable();
        for &(at, units) in &passed {
            sum += u64::from(units);
            while let Some((_, gone)) =
                oldest.next_if(|(then, _)| u128::from(at - then) > length.as_nanos())
            {
                sum -= u64::from(*gone);
            }
            most = most.max(sum);
        }
        most
    }
}
