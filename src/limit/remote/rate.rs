//! The numbers that the script reckons with: whole ones, all of which a double holds exactly.
//!
//! A rate is `n` units in `p` microseconds, in lowest terms. Time is measured in `n`-ths of a microsecond, so that a
//! unit takes exactly `p` of them to come back, and a bucket of `b` units exactly `b · p`. No number that
//! the script meets is more than twice that, and no more than 2^53.

use core::time::Duration;

use crate::quota::Quota;

/// A quota as the script is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) n: u64,
    pub(super) p: u64,
    pub(super) burst: u32,
}

/// The most that an empty bucket can owe.
const MOST: u128 = 1 << 52;

impl Rate {
    /// `None` if it has too many digits.
    pub(super) fn of(quota: Quota) -> Option<Self> {
        // What lets nothing pass has no rate to speak of.
        if quota.is_zero() {
            return Some(Self { n: 1, p: 1, burst: 0 });
        }
        let n = u64::from(quota.count()).saturating_mul(1_000);
        let p = quota.period_nanos();
        let shared = common(n, p);
        let (n, p) = (n.checked_div(shared)?, p.checked_div(shared)?);
        let burst = quota.max_burst();
        let full = u128::from(p).saturating_mul(burst.into());
        // Both are compared with sums and products of time as well.
        let fits = full <= MOST && u128::from(n) <= MOST && u128::from(p) <= MOST;
        fits.then_some(Self { n, p, burst })
    }

    /// Nanoseconds until there are so many units in a bucket that is full after this time; no less than it takes.
    pub(super) fn until_there(self, units: u32, full: Duration) -> u64 {
        let others = u128::from(self.burst.saturating_sub(units)).saturating_mul(self.p.into());
        let others = others.saturating_mul(1_000).checked_div(self.n.into()).unwrap_or(0);
        u64::try_from(full.as_nanos().saturating_sub(others)).unwrap_or(u64::MAX)
    }

    /// Microseconds until an empty bucket is full, rounded up.
    pub(super) fn longest(self) -> u64 {
        u64::from(self.burst).saturating_mul(self.p).div_ceil(self.n.max(1))
    }
}

/// Whether the script can reckon with a quota exactly.
pub(crate) fn can_count(quota: Quota) -> bool {
    Rate::of(quota).is_some()
}

/// The greatest common divisor (Euclid); `a` if `b` is 0.
fn common(mut a: u64, mut b: u64) -> u64 {
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}
