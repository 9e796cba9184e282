//! How a quota measures time where a bucket has 41 bits: ticks longer than a nanosecond.
//!
//! A store of millions of buckets keeps each of them in one word beside a fingerprint, so its ticks
//! are as long as the quota bears: with one interval (the time a unit takes to come back, `T`) cut
//! into `K` ticks, a tick is `T / K`, and an interval is a whole number of ticks for every quota. The
//! rate is therefore exact; what is rounded is `now`, to the tick it is in. `K` is at most 2¹⁶, at
//! most `T` in nanoseconds, and so small that a bucket and its room for debt take at most 2³³ ticks.
//!
//! `now` is turned into ticks by a multiplication and a shift: `now · M / 2ᵃ`, `M` from 2⁶³ to 2⁶⁴,
//! `a` from 64, and rounded down, so that the clock of ticks is slow by at most 2⁻⁶³ and never fast.
//!
//! | quota | K | tick |
//! |---|---|---|
//! | 100/min burst 20 | 65,536 | 9.2 us |
//! | 1000/s burst 1000 | 65,536 | 15 ns |
//! | 1000000/s burst 1000000 | 1,000 | 1 ns |
//! | 1/day burst 1000000 | 8,589 | 10 s |
//!
//! Invariants, each with a test that cites it:
//! - **I1** over any time `x`, the ticks that pass are at most `x / tick + 1`: the rate is never
//!   higher than the quota's, and a unit may come back at most one tick early;
//! - **I2** `K ≥ 64`, or the quota is refused;
//! - **I3** the most that a lawful history owes is at most 2³⁴ ticks.

use super::{
    Quota,
    ticks::{SLACK, Scale, Ticks},
};

/// The fewest ticks of an interval: a unit may come back early by at most 1/64 of itself.
pub(crate) const FEWEST: u64 = 64;
/// The most ticks of an interval, under the quota that a scale was made for.
const MOST: u128 = 1 << 16;
/// The most ticks that a bucket and its room for debt take.
const BUCKET: u128 = 1 << 33;
/// The most ticks that a lawful history owes.
pub(crate) const LAWFUL: u128 = 1 << 34;

impl Ticks {
    /// Packed ticks for `quota` with room for `debt` units beyond an empty bucket; `None` if 41 bits
    /// cannot hold it.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "u128: count · K < 2^48, period < 2^62 and not 0, and the ratio of both is at most 1"
    )]
    pub(crate) fn packed(quota: Quota, debt: u32) -> Option<Self> {
        let (count, period) = (u128::from(quota.count()), u128::from(quota.period_nanos()));
        if quota.is_zero() {
            let scale = Scale { interval: 0, per_nano: u64::MAX, shift: 0, after: 64 };
            return Some(Self { scale, burst: 0, most: 0, lawful: 0 });
        }
        let units = u128::from(quota.max_burst()) + u128::from(debt);
        let interval = MOST.min(BUCKET / units).min(period / count);
        if interval < u128::from(FEWEST) {
            return None;
        }
        // ticks per nanosecond = count · K / period, as M / 2^after with the largest M below 2^64;
        // one tick a nanosecond is M = 2^64 - 1, and then always one tick late.
        let mut after = 64_u8;
        while ((count * interval) << (after + 1)) / period < 1 << 64 {
            after += 1;
        }
        let per_nano = ((count * interval) << after) / period;
        let per_nano = u64::try_from(per_nano).unwrap_or(u64::MAX);
        let scale = Scale { interval: 0, per_nano, shift: 0, after };
        Self::on(scale, interval, quota.max_burst(), debt)
    }

    /// `quota` on a scale that was made for another one: its interval rounded up to whole ticks;
    /// `None` if the scale is too coarse for it, or 41 bits cannot hold it.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "u128: the period is below 2^62 and M below 2^64; the divisors are not 0"
    )]
    pub(crate) fn packed_on(scale: Scale, quota: Quota, debt: u32) -> Option<Self> {
        if quota.is_zero() {
            return Some(Self {
                scale: Scale { interval: 0, ..scale },
                burst: 0,
                most: 0,
                lawful: 0,
            });
        }
        // The ticks of a period, rounded up; then those of an interval.
        let product = u128::from(quota.period_nanos()) * u128::from(scale.per_nano);
        let ticks = (product + ((1 << scale.after) - 1)) >> scale.after;
        Self::on(scale, ticks.div_ceil(u128::from(quota.count())), quota.max_burst(), debt)
    }

    #[expect(clippy::arithmetic_side_effects, reason = "u128: interval < 2^63, units < 2^33")]
    fn on(scale: Scale, interval: u128, burst: u32, debt: u32) -> Option<Self> {
        let slack = ((u128::from(SLACK) * u128::from(scale.per_nano)) >> scale.after) + 2;
        let most = interval * (u128::from(burst) + u128::from(debt));
        if interval < u128::from(FEWEST) || most + slack > LAWFUL {
            return None;
        }
        Some(Self {
            scale: Scale { interval: u64::try_from(interval).ok()?, ..scale },
            burst: u64::try_from(interval * u128::from(burst)).ok()?,
            most: u64::try_from(most).ok()?,
            lawful: u64::try_from(most + slack).ok()?,
        })
    }
}
