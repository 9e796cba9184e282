//! The exact window: when each unit was taken.
//!
//! # Invariants
//! - **I1** no half-open interval of the window's length has more than the limit admitted in it; by
//!   timestamps, if these step back by up to `d` (at most a second), none that is shorter by `d`;
//! - **I2** who keeps to that is never denied: every decision equals that of the reference, which
//!   keeps everything and counts anew;
//! - **I3** nothing allocates after construction;
//! - **I4** a step back of more than a second forgives at most one window's limit;
//! - **I5** the times are in order, and there are at most as many as the limit.

use alloc::collections::VecDeque;
use core::{fmt, time::Duration};

use super::frame::length;
use crate::{
    error::WindowError,
    quota::ticks::SLACK,
    sync::Mutex,
    time::Timestamp,
    verdict::{Count, Decision, NEVER},
};

/// Never more than so many in any window of a given length, to the nanosecond, for small numbers.
///
/// # Guarantee
/// A unit counts from the time at which it is taken for exactly the window's length, the end not
/// included. So no window has more than `limit` units, and whoever keeps to that is admitted.
///
/// Timestamps that are earlier than another thread's are taken as no time passed; if they step back
/// by up to `d`, the guarantee is for windows shorter by `d`. A step back of more than a second is
/// healed: units with a later time count as taken now, and at most `limit` units are forgiven.
///
/// # Concurrency
/// A check takes a lock, for a search and as many additions as it takes units.
///
/// # Memory
/// 8 bytes for each unit of the limit, allocated by [`new`](Self::new). A check allocates nothing
/// (but, once for each thread that ever waits for a lock, what the lock needs to wait with).
///
/// # Cost
/// O(log `limit` + `n`), and at the first admission after some time once for each unit that has left.
///
/// # Example: three attempts in any hour
/// ```
/// use portcullis::{Timestamp, WindowLog};
/// use std::time::Duration;
///
/// let attempts = WindowLog::new(3, Duration::from_secs(3_600))?;
/// for minute in [0, 10, 20] {
///     assert!(attempts.check(Timestamp::from_secs(minute * 60)).is_admitted());
/// }
/// let decision = attempts.check(Timestamp::from_secs(30 * 60));
/// assert_eq!(decision.standing().retry_after(), Duration::from_secs(30 * 60));
/// # Ok::<(), portcullis::WindowError>(())
/// ```
pub struct WindowLog {
    limit: u32,
    window: u64,
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    /// The latest time at which anything was taken, given back or not.
    newest: u64,
    /// When each unit was taken, the oldest first.
    times: VecDeque<u64>,
}

impl WindowLog {
    /// The most units that a log can have, for half a megabyte.
    pub const MOST_UNITS: u32 = 1 << 16;

    /// An empty log for this many units in any window of this length.
    ///
    /// # Errors
    /// When the window is zero or longer than 100 years, or when there are more units than
    /// [`MOST_UNITS`](Self::MOST_UNITS): take a [`SlidingWindow`](crate::SlidingWindow) for them.
    pub fn new(limit: u32, window: Duration) -> Result<Self, WindowError> {
        if limit > Self::MOST_UNITS {
            return Err(WindowError::LogTooLong { limit, most: Self::MOST_UNITS });
        }
        let times = VecDeque::with_capacity(limit as usize);
        let taken = Mutex::new(Taken { newest: 0, times });
        Ok(Self { limit, window: length(window)?, taken })
    }

    /// Takes one unit, if there is one.
    #[inline]
    pub fn check(&self, now: Timestamp) -> Decision {
        self.check_n(1, now)
    }

    /// Takes `n` units at once, or none of them.
    ///
    /// More than the limit is always denied, with a wait of [`Duration::MAX`]. Zero units are admitted
    /// unless the limit is zero, and change nothing.
    pub fn check_n(&self, n: u32, now: Timestamp) -> Decision {
        let mut taken = self.taken.lock();
        let view = self.view(&taken, now);
        let decision = self.judged(&taken, view, n, now);
        let takes = n > 0 && decision.is_admitted();
        if takes || view.healed && decision.is_denied() {
            view.settle(&mut taken);
        }
        if !takes {
            return decision;
        }
        taken.times.extend((0..n).map(|_| view.at));
        self.judged(&taken, View { gone: 0, ..view }, 0, now)
    }

    /// What [`check_n`](Self::check_n) would answer, without taking anything.
    ///
    /// The standing of an admission is the present one, as before the units are taken.
    pub fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        let taken = self.taken.lock();
        self.judged(&taken, self.view(&taken, now), n, now)
    }

    /// Gives back up to `n` of the units that were taken at `taken_at`.
    ///
    /// Those of a check whose timestamp was earlier than another thread's are counted as of that one,
    /// and are not found.
    pub fn refund_n(&self, n: u32, taken_at: Timestamp) {
        let mut taken = self.taken.lock();
        let first = taken.times.partition_point(|at| *at < taken_at.as_nanos());
        let behind = taken.times.partition_point(|at| *at <= taken_at.as_nanos());
        let end = behind.min(first.saturating_add(n as usize));
        drop(taken.times.drain(first..end));
    }

    /// The memory that this log has taken, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let times = self.taken.lock().times.capacity().saturating_mul(size_of::<u64>());
        size_of::<Self>().saturating_add(times)
    }

    fn view(&self, taken: &Taken, now: Timestamp) -> View {
        let now = now.as_nanos();
        let healed = taken.newest > now.saturating_add(SLACK);
        let latest = taken.newest.max(now);
        let has_left = |at: &u64| at.checked_add(self.window).is_some_and(|end| end <= latest);
        let gone = taken.times.partition_point(has_left);
        View { at: if healed { now } else { latest }, healed, gone }
    }

    /// The decision about `n` units; the standing is the one without them.
    fn judged(&self, Taken { times, .. }: &Taken, view: View, n: u32, now: Timestamp) -> Decision {
        // At most the limit (I5).
        let used = u32::try_from(times.len().saturating_sub(view.gone)).unwrap_or(self.limit);
        let remaining = self.limit.saturating_sub(used);
        let until_gone = |nth: usize| match times.get(nth) {
            Some(at) => match view.counted(*at).checked_add(self.window) {
                Some(end) => end.saturating_sub(now.as_nanos()).max(1),
                None => NEVER,
            },
            None => 0,
        };
        let in_the_way = n.saturating_sub(remaining) as usize;
        let retry_after = if self.limit == 0 || n > self.limit {
            NEVER
        } else if in_the_way == 0 {
            0
        } else {
            until_gone(view.gone.saturating_add(in_the_way).saturating_sub(1))
        };
        let reset_after = match used {
            _ if self.limit == 0 => NEVER,
            0 => 0,
            _ => until_gone(times.len().saturating_sub(1)),
        };
        Decision::counted(Count { limit: self.limit, remaining, retry_after, reset_after })
    }
}

/// What a log comes to at a time.
#[derive(Clone, Copy)]
struct View {
    /// When units that are taken now are taken.
    at: u64,
    /// The clock was set back: what is later than `at` counts as of then.
    healed: bool,
    /// How many have left.
    gone: usize,
}

impl View {
    fn counted(&self, at: u64) -> u64 {
        at.min(self.at)
    }

    /// Forgets what has left, and what is later than `at`.
    fn settle(&self, taken: &mut Taken) {
        drop(taken.times.drain(..self.gone));
        if self.healed {
            taken.times.iter_mut().for_each(|at| *at = self.counted(*at));
        }
        taken.newest = self.at;
    }
}

/// The limit and the window, not the times.
impl fmt::Debug for WindowLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WindowLog")
            .field("limit", &self.limit)
            .field("window", &Duration::from_nanos(self.window))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
