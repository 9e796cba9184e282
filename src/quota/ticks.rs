//! How a quota measures time: the tick chosen for it, and the one rule of the token bucket.
//!
//! A limiter counts in ticks, not in nanoseconds, because an interval (the time one unit takes to
//! come back) is seldom a whole number of nanoseconds: 3 million a second is one per 333 ⅓ ns, and
//! cutting that to 333 would be a rate 0.1 % too high. The tick is chosen per quota, at build time:
//!
//! 1. **exact**: with `count / period` reduced to `q / p`, a tick is 1/2q ns and an interval is `2p`
//!    ticks. Nothing is rounded. This is the case whenever the window below has room for it, which
//!    takes in every quota per second, minute, hour or day of a size that people write;
//! 2. **binary**: a tick is 2⁻ᵏ ns, as fine as the window allows, and the interval is rounded *up*;
//! 3. **coarse**: for buckets that take more than 36 years to fill, debt included, a tick is 2ˢ ns, and the
//!    interval is rounded up and lengthened by two ticks, which pays for rounding `now` down.
//!
//! The window: the ticks of a full bucket, its room for debt and [`SLACK`] together are at most 2⁶¹, so
//! that debts fit a 64-bit word with room for clocks that disagree. And every count of ticks is even: times,
//! intervals, and so all debts. The lowest bit is free for whoever keeps them in a word.
//!
//! Invariants, each with a test that cites it:
//! - **I1** the rate is never higher than the quota's: `interval / ticks per ns ≥ period / count`;
//! - **I2** it is exact in case 1; in case 2 it is lower by at most 2⁻³² (relative) for bursts
//!   (with the room for debt) up to 2²⁶ and rates up to 5 · 10⁷ a second, and by at most 2⁻²⁵ in all,
//!   or 2⁻²⁴ with room for debt; in case 3 by at most 2⁻²⁶, or 2⁻²⁵; each bit by which the window is
//!   narrower costs a bit here;
//! - **I3** `lawful ≤ 2⁶¹` ticks, and neither building nor using them overflows;
//! - **I4** times, intervals, bursts and what is lawful are even.

use core::time::Duration;

use super::Quota;
use crate::time::{NANOS_PER_SEC, Timestamp};

/// How far a clock may step back, or two threads' clocks may differ, without being healed.
pub(crate) const SLACK: u64 = NANOS_PER_SEC;

/// One quota's units of time; all fields in ticks unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticks {
    pub(crate) scale: Scale,
    /// The debt of an empty bucket, `burst · interval`; 0 if the quota is zero.
    pub(crate) burst: u64,
    /// The most that a charge can leave: the burst and the room for debt.
    pub(crate) most: u64,
    /// The most that a legal history can leave: `most` and [`SLACK`], rounded up.
    pub(crate) lawful: u64,
}

/// How long a tick is, and how many of them a unit takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    /// The ticks in which one unit comes back; 0 if the quota is zero.
    pub(crate) interval: u64,
    /// Ticks per nanosecond once `shift` is applied, times 2^`after`; at least 2, and 2 when `shift`
    /// is not 0.
    pub(crate) per_nano: u64,
    /// Two ticks are 2^`shift` nanoseconds (case 3); else 0.
    pub(crate) shift: u8,
    /// Above 0 only for ticks longer than a nanosecond; `shift` is 0 then.
    pub(crate) after: u8,
}

/// What became of a debt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Admitted: the debt is now this.
    Admitted { debt: u64 },
    /// Denied: the debt is what it was, at most what is lawful.
    Denied { debt: u64 },
    /// Denied, and the debt was one that no legal history could have left: it must be written as
    /// that of an empty bucket.
    Healed { debt: u64 },
}

impl Ticks {
    /// Chooses the tick for `quota`, without room for debt beyond an empty bucket.
    #[cfg(test)]
    pub(crate) const fn of(quota: Quota) -> Self {
        Self::within(quota, 0, 0)
    }

    /// Chooses the tick for `quota` and for up to `debt` units more than a bucket holds, in a window
    /// that is 2^`narrower` times narrower, at most 2⁸.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "u128: count < 2^32, period < 2^62, burst and debt < 2^32, shifts below 64; see the \
                  proptest of I3"
    )]
    pub(crate) const fn within(quota: Quota, debt: u32, narrower: u32) -> Self {
        if quota.is_zero() {
            return Self {
                scale: Scale { interval: 0, per_nano: 2, shift: 0, after: 0 },
                burst: 0,
                most: 0,
                lawful: 0,
            };
        }
        let window = WINDOW >> narrower;
        let units = (quota.max_burst() as u128, debt as u128);
        let (count, both) = (quota.count() as u128, units.0 + units.1);
        let period = quota.period_nanos() as u128;

        let divisor = greatest_common_divisor(quota.count() as u64, quota.period_nanos()) as u128;
        let (per_nano, interval) = (2 * (count / divisor), 2 * (period / divisor));
        if fits(interval, both, per_nano, window) {
            return Self::assemble(interval, units, per_nano, 0);
        }

        // Case 2 from the finest tick down; SLACK alone rules out anything finer than 2^-31 ns.
        let mut binary = 32_u8;
        while binary > 1 {
            binary -= 1;
            let interval = 2 * (period << (binary - 1)).div_ceil(count);
            if fits(interval, both, 1 << binary, window) {
                return Self::assemble(interval, units, 1 << binary, 0);
            }
        }

        // Case 3. It ends: 2^62 · 2^33 ns of a bucket and its debt are 2^59 ticks of 2^36 ns.
        let mut shift = 0_u8;
        loop {
            shift += 1;
            let interval = 2 * (period.div_ceil(count << shift) + 1);
            let slack = 2 * (SLACK as u128).div_ceil(1 << shift);
            if interval * both + slack <= window {
                return Self::assemble(interval, units, 2, shift);
            }
        }
    }

    #[expect(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "all products fit the window of 2^61, which the caller has checked, so that \
                  per_nano < 2^32"
    )]
    const fn assemble(
        interval: u128,
        (burst, debt): (u128, u128),
        per_nano: u128,
        shift: u8,
    ) -> Self {
        let most = interval * (burst + debt);
        Self {
            scale: Scale { interval: interval as u64, per_nano: per_nano as u64, shift, after: 0 },
            burst: (interval * burst) as u64,
            most: most as u64,
            lawful: (most + per_nano * (SLACK as u128).div_ceil(1 << shift)) as u64,
        }
    }

    /// The rule of the token bucket: takes `cost` if that leaves no more debt than an empty bucket has.
    ///
    /// `debt` is how far in the future the bucket is full again; negative means it already is. Nothing
    /// is always to be had, unless the quota is zero.
    #[inline]
    pub(crate) const fn step(&self, debt: i64, cost: u64) -> Step {
        if cost != 0 {
            return self.take(debt, cost);
        }
        if self.burst == 0 {
            Step::Denied { debt: 0 }
        } else {
            Step::Admitted { debt: self.owed(debt) }
        }
    }

    /// The rule for something: a cost above zero, which no quota of zero has.
    #[inline]
    pub(crate) const fn take(&self, debt: i64, cost: u64) -> Step {
        let owed = if debt > 0 { debt.unsigned_abs() } else { 0 };
        let after = owed.saturating_add(cost);
        if after <= self.burst {
            Step::Admitted { debt: after }
        } else if owed <= self.lawful {
            Step::Denied { debt: owed }
        } else {
            Step::Healed { debt: self.burst }
        }
    }

    /// The debt after `cost` was charged, whether it was there or not: no more than `most`, and never
    /// less than before.
    #[inline]
    pub(crate) const fn charge(&self, debt: i64, cost: u64) -> u64 {
        let owed = self.owed(debt);
        let after = owed.saturating_add(cost);
        let after = if after <= self.most { after } else { self.most };
        if after >= owed { after } else { owed }
    }

    /// What is owed: a debt without the sign, healed.
    #[inline]
    pub(crate) const fn owed(&self, debt: i64) -> u64 {
        let owed = if debt > 0 { debt.unsigned_abs() } else { 0 };
        if owed <= self.lawful { owed } else { self.burst }
    }
}

impl Scale {
    /// `now` in ticks, modulo 2⁶⁴.
    #[inline]
    pub(crate) const fn wrapped(&self, now: Timestamp) -> u64 {
        now.as_nanos().wrapping_shr(self.shift as u32).wrapping_mul(self.per_nano)
    }

    /// `now` in ticks.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) const fn absolute(&self, now: Timestamp) -> u128 {
        // Cannot saturate: both factors are below 2^64.
        (now.as_nanos().wrapping_shr(self.shift as u32) as u128)
            .saturating_mul(self.per_nano as u128)
    }

    /// The first moment that is not before this tick, in nanoseconds, at most `u64::MAX`.
    #[cfg(feature = "std")]
    pub(crate) fn time_of(&self, tick: u128) -> u64 {
        let nanos = tick.div_ceil(u128::from(self.per_nano)).checked_shl(u32::from(self.shift));
        nanos.and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or(u64::MAX)
    }

    /// `now` in ticks that are no shorter than a nanosecond: `after` is 64 to 127.
    #[cfg(feature = "std")]
    #[inline]
    #[expect(clippy::arithmetic_side_effects, reason = "2^64 · 2^64 in 128 bits")]
    pub(crate) const fn tick(&self, now: Timestamp) -> u64 {
        let product = now.as_nanos() as u128 * self.per_nano as u128;
        // In two steps: shifting both halves at once takes longer.
        ((product >> 64) as u64).wrapping_shr((self.after & 63) as u32)
    }

    /// The first moment of this tick, for ticks no shorter than a nanosecond; at most the end of time.
    #[cfg(feature = "std")]
    pub(crate) const fn first_of(&self, tick: u64) -> Timestamp {
        match self.scaled_wait(tick, 0) {
            Some(nanos) => Timestamp::from_nanos(nanos),
            None => Timestamp::MAX,
        }
    }

    /// The ticks that `n` units cost.
    #[inline]
    pub(crate) const fn cost(&self, n: u32) -> u64 {
        // Saturates only where n is far above the burst, which is at most 2^61 ticks.
        (n as u64).saturating_mul(self.interval)
    }

    /// This many ticks in nanoseconds, rounded down, at most `u64::MAX`.
    pub(crate) const fn nanos(&self, ticks: u64) -> u64 {
        let nanos = match ticks.checked_div(self.per_nano) {
            Some(nanos) => nanos,
            None => u64::MAX,
        };
        if nanos.leading_zeros() < self.shift as u32 {
            u64::MAX
        } else {
            nanos.wrapping_shl(self.shift as u32)
        }
    }

    /// How long after `now` a bucket that owes `ticks` owes nothing; `None` past the end of time.
    ///
    /// Rounded up to the nanosecond, never down.
    pub(crate) const fn wait(&self, ticks: u64, now: Timestamp) -> Option<Duration> {
        if ticks == 0 {
            return Some(Duration::ZERO);
        }
        let nanos = now.as_nanos();
        let then = if self.after > 0 {
            self.scaled_wait(ticks, nanos)
        } else if self.shift == 0 {
            nanos.checked_add(ticks.div_ceil(self.per_nano))
        } else {
            let halves = ticks.div_ceil(self.per_nano);
            match nanos.wrapping_shr(self.shift as u32).checked_add(halves) {
                Some(then) if then <= u64::MAX.wrapping_shr(self.shift as u32) => {
                    Some(then.wrapping_shl(self.shift as u32))
                }
                _ => None,
            }
        };
        match then {
            Some(then) => Some(Duration::from_nanos(then.saturating_sub(nanos))),
            None => None,
        }
    }

    /// The first nanosecond that is `ticks` later than `nanos`, of ticks longer than a nanosecond.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "2^64 · 2^64 + 2^64 in 128 bits, guarded shifts"
    )]
    #[expect(clippy::cast_possible_truncation, reason = "checked by the guard")]
    const fn scaled_wait(&self, ticks: u64, nanos: u64) -> Option<u64> {
        let target = ((nanos as u128 * self.per_nano as u128) >> self.after) + ticks as u128;
        if target.leading_zeros() < self.after as u32 {
            return None;
        }
        match (target << self.after).div_ceil(self.per_nano as u128) {
            then if then <= u64::MAX as u128 => Some(then as u64),
            _ => None,
        }
    }

    /// Whole units that a bucket of `limit` units still has at this debt.
    pub(crate) const fn remaining(&self, limit: u32, debt: u64) -> u32 {
        match self.cost(limit).saturating_sub(debt).checked_div(self.interval) {
            // At most the limit.
            Some(units) if units <= limit as u64 => {
                #[expect(clippy::cast_possible_truncation, reason = "checked by the guard")]
                {
                    units as u32
                }
            }
            _ => 0,
        }
    }
}

/// The most ticks that a full bucket and the slack may take together.
const WINDOW: u128 = 1 << 61;

#[expect(
    clippy::arithmetic_side_effects,
    reason = "interval < 2^93, burst < 2^32, per_nano < 2^32: below 2^126"
)]
const fn fits(interval: u128, burst: u128, per_nano: u128, window: u128) -> bool {
    interval * burst + per_nano * SLACK as u128 <= window
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = match a.checked_rem(b) {
            Some(rest) => (b, rest),
            None => (b, 0),
        };
    }
    a
}
