//! Values that change over a time: back to normal in steps that nobody has to take.
//!
//! After a flood a service that opens all at once meets everybody who has waited. A ramp opens it along
//! a straight line: a share of the clients, or a quota, from one value to another. It is a pure
//! function of `now`: it keeps no state, needs no timer, and a process that restarts continues where
//! it was if it still knows the ramp.
//!
//! # Invariants
//! - **I1** up to the start a ramp has its first value, and from its end on its last, exactly;
//! - **I2** it moves in one direction: a share, a rate and a burst never turn back, and never leave
//!   the range between the two ends;
//! - **I3** a ramp that is redirected goes on from where it is;
//! - **I4** no share and no rate is above the straight line. A share is less than a millionth below
//!   it; a rate by at most 2⁻³¹ of itself and one unit in 68 years. A burst is above it, by less
//!   than one unit: a bucket is not closed before the end of a ramp down to zero, nor after the start
//!   of one up from it.
//!
//! # How a quota moves
//! The two ends may have different periods, and the rate between them is hardly ever a whole number
//! per period of either. So rates are taken as units per second with 64 binary places, which holds
//! every rate that a quota can have. What comes out is written as a count per 2ʲ seconds, with `j` from 0
//! to 31 as large as the count has room for, then reduced: 55 a second comes out as that.

use core::time::Duration;

use self::sealed::{Between, Part};
use super::Share;
use crate::{
    quota::Quota,
    time::{NANOS_PER_SEC, Timestamp},
};

/// A [`Share`] or a [`Quota`] on its way from one value to another.
///
/// # Guarantee
/// Up to `start` it has its first value exactly, from `start + over` on its last, and between them it
/// follows a straight line: never backwards, never outside of the two. A share and a rate are rounded
/// down, a burst up. `over` zero is a step at `start`.
///
/// # Cost
/// Reading a value is a few multiplications and divisions; it allocates nothing.
///
/// # Example: let unknown clients back in over ten minutes
/// ```
/// use portcullis::{Ramp, Share, Timestamp};
/// use std::time::Duration;
///
/// let start = Timestamp::from_secs(1_000);
/// let ramp = Ramp::new(Share::percent(10), Share::ALL, start, Duration::from_secs(600));
/// assert_eq!(ramp.at(start), Share::percent(10));
/// assert_eq!(ramp.at(Timestamp::from_secs(1_300)), Share::percent(55));
///
/// // It was too early: back to ten percent, from here, within a minute.
/// let now = Timestamp::from_secs(1_300);
/// let ramp = ramp.redirect(Share::percent(10), now, Duration::from_secs(60));
/// assert_eq!(ramp.at(now), Share::percent(55));
/// assert!(ramp.is_over(Timestamp::from_secs(1_360)));
/// ```
///
/// # Example: a quota that grows
/// ```
/// use portcullis::{Quota, Ramp, Timestamp};
/// use std::time::Duration;
///
/// let (from, to) = (Quota::per_second(10).burst(10), Quota::per_second(100).burst(40));
/// let ramp = Ramp::new(from, to, Timestamp::ZERO, Duration::from_secs(60));
/// assert_eq!(ramp.at(Timestamp::from_secs(30)), Quota::per_second(55).burst(25));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ramp<T> {
    from: T,
    to: T,
    start: Timestamp,
    /// In nanoseconds.
    over: u64,
}

impl<T: Gradual> Ramp<T> {
    /// A way from `from` to `to` that begins at `start` and takes `over`, at most 584 years.
    #[must_use]
    pub const fn new(from: T, to: T, start: Timestamp, over: Duration) -> Self {
        Self { from, to, start, over: Timestamp::ZERO.saturating_add(over).as_nanos() }
    }

    /// A value that does not change.
    #[must_use]
    pub const fn steady(value: T) -> Self {
        Self::new(value, value, Timestamp::ZERO, Duration::ZERO)
    }

    /// The value at `now`.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> T {
        let elapsed = now.as_nanos().saturating_sub(self.start.as_nanos());
        if self.is_over(now) {
            self.to
        } else if elapsed == 0 {
            self.from
        } else {
            self.from.between(self.to, Part { elapsed, over: self.over })
        }
    }

    /// A way from where this one is at `now` to another end.
    ///
    /// Upwards, downwards or to the same end at another pace: the value does not jump.
    #[must_use]
    pub fn redirect(&self, to: T, now: Timestamp, over: Duration) -> Self {
        Self::new(self.at(now), to, now, over)
    }

    /// The value at the end.
    #[must_use]
    pub const fn target(&self) -> T {
        self.to
    }

    /// Whether the end is reached.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        let elapsed = now.as_nanos().checked_sub(self.start.as_nanos());
        elapsed.is_some_and(|elapsed| elapsed >= self.over)
    }
}

impl Ramp<Share> {
    /// Whether the client with this hash belongs to the share at `now`; see [`Share::takes_in`].
    ///
    /// On the way up, who belongs once belongs from then on.
    #[must_use]
    pub fn admits(&self, hash: u64, now: Timestamp) -> bool {
        self.at(now).takes_in(hash)
    }
}

/// What a [`Ramp`] can move: a [`Share`] or a [`Quota`].
pub trait Gradual: Copy + Between {}

impl Gradual for Share {}
impl Gradual for Quota {}

mod sealed {
    pub trait Between {
        /// The value where this part of the way to `to` is behind.
        #[must_use]
        fn between(self, to: Self, part: Part) -> Self;
    }

    /// A part of a way: more than nothing and less than the whole.
    #[derive(Clone, Copy, Debug)]
    pub struct Part {
        pub(super) elapsed: u64,
        /// More than `elapsed`.
        pub(super) over: u64,
    }
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "`over` is more than `elapsed`, and what is added up is at most 2^128; see each line"
)]
impl Part {
    /// The number so far between two, rounded down.
    fn down(self, from: u32, to: u32) -> u32 {
        within(self.weighed(from, to) / u128::from(self.over))
    }

    /// The number so far between two, rounded up.
    fn up(self, from: u32, to: u32) -> u32 {
        within(self.weighed(from, to).div_ceil(u128::from(self.over)))
    }

    /// The number so far between two below 2⁹⁶, rounded down.
    fn down_wide(self, from: u128, to: u128) -> u128 {
        let (elapsed, over) = (u128::from(self.elapsed), u128::from(self.over));
        // distance · elapsed has up to 160 bits, so the distance is divided first: what its whole part
        // gives is less than the distance, and the rest is below 2^64, as `elapsed` is.
        let distance = from.abs_diff(to);
        let (whole, rest) = (distance / over * elapsed, distance % over * elapsed);
        if from <= to { from + whole + rest / over } else { from - whole - rest.div_ceil(over) }
    }

    /// The number times `over`: below 2^96.
    fn weighed(self, from: u32, to: u32) -> u128 {
        u128::from(from) * u128::from(self.over - self.elapsed)
            + u128::from(to) * u128::from(self.elapsed)
    }
}

/// What lies between two numbers of 32 bits has 32 bits.
fn within(number: u128) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Between for Share {
    fn between(self, to: Self, part: Part) -> Self {
        Self::per_million(part.down(self.as_per_million(), to.as_per_million()))
    }
}

impl Between for Quota {
    fn between(self, to: Self, part: Part) -> Self {
        let burst = part.up(self.max_burst(), to.max_burst());
        let slower = if is_slower(to, self) { to } else { self };
        let between = quota(part.down_wide(rate(self), rate(to))).unwrap_or(slower);
        // Rounding must not take it below the slower end (I2).
        let between = if is_slower(between, slower) { slower } else { between };
        between.burst(burst)
    }
}

fn is_slower(one: Quota, other: Quota) -> bool {
    // 32 bits by 62: it does not saturate.
    let across = |count: u32, period: u64| u128::from(count).saturating_mul(u128::from(period));
    across(one.count(), other.period_nanos()) < across(other.count(), one.period_nanos())
}

/// Units per second in 2⁻⁶⁴, rounded down: below 2⁹⁶, since no quota has a rate of 2³² a second.
#[expect(clippy::arithmetic_side_effects, reason = "2^32 · 2^30 · 2^64, and no period is zero")]
fn rate(quota: Quota) -> u128 {
    let units = u128::from(quota.count()) * u128::from(NANOS_PER_SEC);
    (units << 64) / u128::from(quota.period_nanos())
}

/// The quota with this rate in units per second and 2⁻⁶⁴, rounded down, if there is such a one (always).
#[expect(
    clippy::arithmetic_side_effects,
    reason = "shifts below 64: binary places are at most 31, and 10^9 · 2^31 fits 64 bits"
)]
fn quota(rate: u128) -> Option<Quota> {
    // With 96 - s bits, s binary places leave a count of 32 bits.
    let spare = rate.leading_zeros().saturating_sub(32).min(MOST_PLACES);
    let count = u32::try_from(rate >> (64 - spare)).ok()?;
    let reduced = count.trailing_zeros().min(spare);
    let period = NANOS_PER_SEC << (spare - reduced);
    let count = count.checked_shr(reduced).unwrap_or(0);
    Quota::new(count, Duration::from_nanos(period)).ok()
}

/// 2³¹ seconds are 68 years: the longest power of two that a period can be.
const MOST_PLACES: u32 = 31;

#[cfg(test)]
mod tests;
