//! Slow, obvious and exact models of the limits: what the fast ones are tested against.
//!
//! Two of them. [`Bucket`] follows the rules of [`TokenBucket`](crate::TokenBucket) with time kept in
//! 128 bits, so that nothing wraps; decisions must be equal. [`Exact`] knows nothing of ticks: it is
//! the token bucket in rational arithmetic; decisions must be equal where the quota has an exact
//! tick, and never more generous elsewhere. The windows have models of their own, in [`window`]. And [`flood`] tells
//! a store over hostile keys the story that it is made for.

#[cfg(feature = "std")]
#[allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "a story told to tests and benches"
)]
pub mod flood;
#[cfg(feature = "std")]
mod keyed;
#[cfg(any(feature = "std", test))]
pub mod window;

use core::time::Duration;

#[cfg(feature = "std")]
pub use keyed::Keyed;

use super::adjustable::ERA;
use crate::{
    quota::{
        Quota,
        ticks::{Scale, Ticks},
    },
    time::{NANOS_PER_SEC, Timestamp},
    verdict::Decision,
};

/// A decision of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether the units may pass.
    pub admitted: bool,
    /// Whole units left.
    pub remaining: u32,
    /// As [`Standing::retry_after`](crate::Standing::retry_after).
    pub retry_after: Duration,
    /// As [`Standing::reset_after`](crate::Standing::reset_after).
    pub reset_after: Duration,
}

/// What a fast limiter has decided, to be compared.
impl From<Decision> for Answer {
    fn from(decision: Decision) -> Self {
        let standing = decision.standing();
        Self {
            admitted: decision.is_admitted(),
            remaining: standing.remaining(),
            retry_after: standing.retry_after(),
            reset_after: standing.reset_after(),
        }
    }
}

/// The token bucket in rational arithmetic: time in units of `1 / count` ns, all in 128 bits.
#[derive(Clone, Debug)]
pub struct Exact {
    model: Bucket,
}

impl Exact {
    /// A full bucket.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self::with_debt(quota, 0)
    }

    /// A full bucket with room for so many units of debt.
    #[must_use]
    pub fn with_debt(quota: Quota, debt: u32) -> Self {
        // One unit takes `period / count` ns, which is `period` units of 1/count ns.
        let interval = u128::from(quota.period_nanos());
        let per_nano = u128::from(quota.count());
        Self { model: Bucket::with((quota, debt), interval, per_nano, 0) }
    }

    /// As [`TokenBucket::check_n`](crate::TokenBucket::check_n).
    pub fn check_n(&mut self, n: u32, now: Timestamp) -> Answer {
        self.model.check_n(n, now)
    }

    /// As [`TokenBucket::refund_n`](crate::TokenBucket::refund_n).
    pub fn refund_n(&mut self, n: u32, now: Timestamp) {
        self.model.refund_n(n, now);
    }

    /// Whether `n` units could pass.
    #[must_use]
    pub fn would_admit(&self, n: u32, now: Timestamp) -> bool {
        self.model.clone().check_n(n, now).admitted
    }

    /// As [`TokenBucket::charge_n`](crate::TokenBucket::charge_n).
    pub fn charge_n(&mut self, n: u32, now: Timestamp) {
        self.model.charge_n(n, now);
    }

    /// Notes that `n` units were taken, whether they were there or not.
    pub fn charge(&mut self, n: u32, now: Timestamp) {
        self.model.charge(n, now);
    }
}

/// The token bucket with the library's ticks and time in 128 bits.
#[derive(Clone, Debug)]
pub struct Bucket {
    zero: bool,
    /// The quota's burst.
    limit: u32,
    interval: u128,
    burst: u128,
    /// The burst and the room for debt.
    most: u128,
    slack: u128,
    per_nano: u128,
    shift: u32,
    full_at: u128,
    /// Room for debt, in units.
    debt: u32,
    /// How much narrower the window of the ticks is than it could be, in bits.
    narrower: u32,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self::with_debt(quota, 0)
    }

    /// A full bucket with room for so many units of debt.
    #[must_use]
    pub fn with_debt(quota: Quota, debt: u32) -> Self {
        Self::of(quota, debt, 0)
    }

    /// As [`AdjustableBucket::with_debt`](crate::AdjustableBucket::with_debt).
    #[must_use]
    pub fn adjustable(quota: Quota, debt: u32) -> Self {
        Self::of(quota, debt, ERA)
    }

    fn of(quota: Quota, debt: u32, narrower: u32) -> Self {
        let Scale { interval, per_nano, shift, .. } = Ticks::within(quota, debt, narrower).scale;
        let made = Self::with((quota, debt), interval.into(), per_nano.into(), shift.into());
        Self { narrower, ..made }
    }

    fn with((quota, debt): (Quota, u32), interval: u128, per_nano: u128, shift: u32) -> Self {
        Self {
            zero: quota.is_zero(),
            limit: quota.max_burst(),
            interval,
            burst: interval * u128::from(quota.max_burst()),
            most: interval * (u128::from(quota.max_burst()) + u128::from(debt)),
            slack: u128::from(NANOS_PER_SEC).div_ceil(1 << shift) * per_nano,
            per_nano,
            shift,
            full_at: 0,
            debt,
            narrower: 0,
        }
    }

    /// As [`TokenBucket::check_n`](crate::TokenBucket::check_n).
    pub fn check_n(&mut self, n: u32, now: Timestamp) -> Answer {
        if self.zero {
            let never = Duration::MAX;
            return Answer {
                admitted: false,
                remaining: 0,
                retry_after: never,
                reset_after: never,
            };
        }
        let at = self.ticks(now);
        let cost = u128::from(n) * self.interval;
        let full_at = self.full_at.max(at) + cost;
        let unlawful = self.full_at > at + self.most + self.slack;
        if n == 0 {
            let full_at = if unlawful { at + self.burst } else { full_at };
            return self.answer(full_at, Duration::ZERO, now);
        }
        if full_at <= at + self.burst {
            self.full_at = full_at;
            return self.answer(full_at, Duration::ZERO, now);
        }
        if unlawful {
            self.full_at = at + self.burst;
        }
        let retry_after = if n > self.limit {
            Duration::MAX
        } else {
            self.until(self.full_at.max(at) + cost - self.burst, now)
        };
        self.answer(self.full_at.max(at), retry_after, now)
    }

    /// As [`TokenBucket::refund_n`](crate::TokenBucket::refund_n).
    pub fn refund_n(&mut self, n: u32, now: Timestamp) {
        let at = self.ticks(now);
        if self.zero || n == 0 || self.full_at <= at {
            return;
        }
        if self.full_at > at + self.most + self.slack {
            self.full_at = at + self.burst;
        }
        self.full_at = self.full_at.saturating_sub(u128::from(n) * self.interval).max(at);
    }

    /// As [`TokenBucket::charge_n`](crate::TokenBucket::charge_n).
    pub fn charge_n(&mut self, n: u32, now: Timestamp) {
        if self.zero || n == 0 {
            return;
        }
        let at = self.ticks(now);
        if self.full_at > at + self.most + self.slack {
            self.full_at = at + self.burst;
        }
        let full_at = self.full_at.max(at);
        let charged = (full_at + u128::from(n) * self.interval).min(at + self.most);
        self.full_at = full_at.max(charged);
    }

    /// As [`AdjustableBucket::set_quota`](crate::AdjustableBucket::set_quota).
    pub fn set_quota(&mut self, quota: Quota, now: Timestamp) {
        let mut next = Self::of(quota, self.debt, self.narrower);
        let at = self.ticks(now);
        let owed = match self.full_at.saturating_sub(at) {
            owed if owed <= self.most + self.slack => owed,
            _ => self.burst,
        };
        let inherited = if next.zero {
            0
        } else if self.zero {
            next.burst
        } else {
            // So many units, rounded up to two ticks.
            (owed * next.interval).div_ceil(self.interval).next_multiple_of(2).min(next.most)
        };
        next.full_at = next.ticks(now) + inherited;
        *self = next;
    }

    /// As [`ExactLimiter::set_quota`](crate::ExactLimiter::set_quota), into another bucket.
    #[must_use]
    pub fn carried_over(&self, mut to: Self, now: Timestamp) -> Self {
        let at = self.ticks(now);
        if self.full_at <= at || to.zero {
            // The same moment: full stays full, and under a quota of zero a debt keeps its time.
            let nanos = self.full_at.div_ceil(self.per_nano) << self.shift;
            to.full_at = to.ticks(Timestamp::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
            return to;
        }
        let owed = self.full_at - at;
        let owed = if owed > self.most + self.slack { self.burst } else { owed };
        // The same units, or an empty bucket where units are not known.
        let carried = match self.interval {
            0 => to.burst,
            interval => (owed * to.interval).div_ceil(interval).min(to.most),
        };
        to.full_at = to.ticks(now) + carried;
        to
    }

    /// Lets time pass: a full bucket is full since `now`, as who is about to charge one notes that nobody has charged for
    /// long. Whoever's clock is behind is told to wait until then.
    pub fn pass(&mut self, now: Timestamp) {
        self.full_at = self.full_at.max(self.ticks(now));
    }

    fn charge(&mut self, n: u32, now: Timestamp) {
        self.full_at = self.full_at.max(self.ticks(now)) + u128::from(n) * self.interval;
    }

    fn ticks(&self, now: Timestamp) -> u128 {
        u128::from(now.as_nanos() >> self.shift) * self.per_nano
    }

    fn answer(&self, full_at: u128, retry_after: Duration, now: Timestamp) -> Answer {
        let at = self.ticks(now);
        let spare = (at + self.burst).saturating_sub(full_at) / self.interval;
        Answer {
            admitted: retry_after.is_zero(),
            remaining: u32::try_from(spare).expect("at most the burst"),
            retry_after,
            reset_after: self.until(full_at, now),
        }
    }

    /// How long until this tick has come, rounded up to the nanosecond.
    fn until(&self, tick: u128, now: Timestamp) -> Duration {
        let nanos = tick.div_ceil(self.per_nano) << self.shift;
        match u64::try_from(nanos) {
            Ok(nanos) => Duration::from_nanos(nanos.saturating_sub(now.as_nanos())),
            Err(_) => Duration::MAX,
        }
    }
}
