//! Quotas: "so many per so long, bursts of so many".

#[cfg(feature = "std")]
pub(crate) mod packed;
mod text;
pub(crate) mod ticks;

#[cfg(test)]
pub(crate) mod tests;

use core::time::Duration;

#[cfg(feature = "config")]
pub(crate) use self::text::unit_nanos;
use crate::{
    error::QuotaError,
    time::{self, NANOS_PER_SEC},
};

/// How much may pass: `count` units per `period`, and up to `burst` of them at once.
///
/// A quota is a rate and a bucket: the bucket holds `burst` units and is refilled evenly at
/// `count` per `period`. Over any interval of length `x`, a limiter with this quota admits at most
/// `burst + count · x / period` units. The burst defaults to the count.
///
/// `per_second(5)` is five per second. A quota whose count or burst is zero lets nothing pass.
///
/// # Shapes
/// - [`per_second`](Self::per_second), [`per_minute`](Self::per_minute),
///   [`per_hour`](Self::per_hour), [`per_day`](Self::per_day) and [`burst`](Self::burst) are total
///   and `const`: every `u32` is accepted and kept exactly;
/// - [`Quota::new`] takes any period from 1 ns to 100 years, and refuses the rest;
/// - the text form, `"100/min burst 20"`, goes both ways (`FromStr`, `Display`, serde).
///
/// # Example: the same quota in code and in text
/// ```
/// use portcullis::Quota;
///
/// let quota = Quota::per_minute(100).burst(20);
/// assert_eq!(quota, "100/min burst 20".parse()?);
/// assert_eq!(quota.to_string(), "100/min burst 20");
/// # Ok::<(), portcullis::QuotaParseError>(())
/// ```
///
/// # Example: a limit in a constant
/// ```
/// use portcullis::{Quota, TokenBucket};
///
/// const EXPORTS: Quota = Quota::per_hour(10);
/// static LIMIT: TokenBucket = TokenBucket::new(EXPORTS);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    count: u32,
    burst: u32,
    /// At least 1 and at most [`Quota::LONGEST_PERIOD`].
    period_nanos: u64,
}

impl Quota {
    /// The longest period a quota can have: 100 years of 365.25 days.
    pub const LONGEST_PERIOD: Duration = Duration::from_secs(3_155_760_000);

    /// The highest rate a quota can have, in units per second: `u32::MAX`.
    ///
    /// Shorter periods than a second are fine, the rate they make must not be higher than this.
    pub const HIGHEST_RATE: u32 = u32::MAX;

    /// `count` units per second, in bursts of up to `count`.
    #[must_use]
    pub const fn per_second(count: u32) -> Self {
        Self::whole(count, NANOS_PER_SEC)
    }

    /// `count` units per minute, in bursts of up to `count`.
    #[must_use]
    pub const fn per_minute(count: u32) -> Self {
        Self::whole(count, MINUTE)
    }

    /// `count` units per hour, in bursts of up to `count`.
    #[must_use]
    pub const fn per_hour(count: u32) -> Self {
        Self::whole(count, HOUR)
    }

    /// `count` units per day of 24 hours, in bursts of up to `count`.
    #[must_use]
    pub const fn per_day(count: u32) -> Self {
        Self::whole(count, DAY)
    }

    /// `count` units per `period`, in bursts of up to `count`.
    ///
    /// # Errors
    /// When `period` is zero or longer than [`Quota::LONGEST_PERIOD`], or when the rate is higher
    /// than [`Quota::HIGHEST_RATE`] a second. No quota is ever adjusted to one that fits.
    ///
    /// # Example: one per 250 milliseconds
    /// ```
    /// use portcullis::Quota;
    /// use std::time::Duration;
    ///
    /// let quota = Quota::new(1, Duration::from_millis(250))?.burst(4);
    /// assert!(Quota::new(1, Duration::ZERO).is_err());
    /// # Ok::<(), portcullis::QuotaError>(())
    /// ```
    pub const fn new(count: u32, period: Duration) -> Result<Self, QuotaError> {
        match time::nanos(period) {
            Some(nanos) => Self::from_nanos(count, nanos),
            None => Err(QuotaError::PeriodTooLong),
        }
    }

    const fn from_nanos(count: u32, period_nanos: u64) -> Result<Self, QuotaError> {
        if period_nanos == 0 {
            return Err(QuotaError::ZeroPeriod);
        }
        if period_nanos > LONGEST {
            return Err(QuotaError::PeriodTooLong);
        }
        // count / period > HIGHEST_RATE / second, without the division.
        let per_second = (count as u128).saturating_mul(NANOS_PER_SEC as u128);
        let highest = (Self::HIGHEST_RATE as u128).saturating_mul(period_nanos as u128);
        if per_second > highest {
            return Err(QuotaError::TooFast { count, period_nanos });
        }
        Ok(Self::whole(count, period_nanos))
    }

    /// The same rate, in bursts of up to `burst` units.
    ///
    /// A burst of 1 spaces units evenly. A burst of zero lets nothing pass.
    #[must_use]
    pub const fn burst(self, burst: u32) -> Self {
        Self { burst, ..self }
    }

    /// Units per period.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The period that [`count`](Self::count) belongs to.
    #[must_use]
    pub const fn period(self) -> Duration {
        Duration::from_nanos(self.period_nanos)
    }

    /// The most units that can pass at one instant.
    #[must_use]
    pub const fn max_burst(self) -> u32 {
        self.burst
    }

    /// Whether nothing can ever pass: a count or a burst of zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.count == 0 || self.burst == 0
    }

    pub(crate) const fn period_nanos(self) -> u64 {
        self.period_nanos
    }

    const fn whole(count: u32, period_nanos: u64) -> Self {
        Self { count, burst: count, period_nanos }
    }
}

const MINUTE: u64 = 60 * NANOS_PER_SEC;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const LONGEST: u64 = Quota::LONGEST_PERIOD.as_secs() * NANOS_PER_SEC;
