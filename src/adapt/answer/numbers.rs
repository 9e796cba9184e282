//! The numbers of the RateLimit fields, from quotas and standings.
//!
//! A token bucket has no windows, so `q`, `w`, `r` and `t` are chosen such that a client that believes them
//! behaves well. With `B` the burst and `T` the time in which one unit comes back:
//!
//! | | |
//! |---|---|
//! | `w` | the time in which an empty bucket fills, `B · T`, rounded up to a second |
//! | `q` | what comes back in that time, `w / T`, rounded down: `B` if `w` is exact |
//! | `r` | the units that are there |
//! | `t` | the time until the bucket is full, or that in which `r` units come back, whichever is longer |
//!
//! # Invariants
//! - **I1** neither `q / w` nor `r / t` is more than the rate of the quota: who spreads `r` requests over `t`
//!   seconds, again and again, does not run out of them;
//! - **I2** `t` is never early: what it announces is there when it has passed;
//! - **I3** all are whole numbers that a structured field can have; `w` and `t` are at least 1.

use core::time::Duration;

use super::digits::MOST;
use crate::{quota::Quota, time::NANOS_PER_SEC};

/// A quota as units in a window of whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) units: u64,
    pub(super) seconds: u64,
}

impl Window {
    /// `None` if the quota lets nothing pass.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "u128: a count or a burst is below 2^32, a period below 2^62 and not 0, seconds below 2^50"
    )]
    pub(super) fn of(quota: Quota) -> Option<Self> {
        if quota.is_zero() {
            return None;
        }
        let period = u128::from(quota.period_nanos());
        let count = u128::from(quota.count()) * u128::from(NANOS_PER_SEC);
        let seconds = (u128::from(quota.max_burst()) * period).div_ceil(count);
        let seconds = seconds.min(u128::from(MOST));
        let units = seconds * count / period;
        Some(Self { units: narrow(units), seconds: narrow(seconds) })
    }
}

/// What is left to who passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) units: u64,
    /// `None` if there is never more.
    pub(super) seconds: Option<u64>,
}

impl Left {
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "units and a count are below 2^32, a second is below 2^30 ns and the most seconds below 2^50; \
                  a period is not 0; what exceeds u64 is checked or u128"
    )]
    pub(super) fn of(quota: Quota, remaining: u32, reset_after: Duration) -> Self {
        let units = u64::from(remaining);
        if quota.is_zero() || reset_after == Duration::MAX {
            return Self { units, seconds: None };
        }
        let (count, period) = (u64::from(quota.count()) * NANOS_PER_SEC, quota.period_nanos());
        let full = seconds(reset_after);
        if let Some(nanos) = units.checked_mul(period) {
            return Self { units, seconds: Some(full.max(nanos.div_ceil(count))) };
        }
        let (count, period) = (u128::from(count), u128::from(period));
        let spread = (u128::from(units) * period).div_ceil(count);
        let most = u128::from(MOST) * count / period;
        Self { units: units.min(narrow(most)), seconds: Some(full.max(narrow(spread))) }
    }
}

/// A wait in whole seconds: rounded up, so never early and never 0.
pub(super) fn seconds(wait: Duration) -> u64 {
    let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    whole.clamp(1, MOST)
}

fn narrow(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(MOST).min(MOST)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use proptest::prelude::*;

    use super::{Left, MOST, Window, seconds};
    use crate::{Quota, quota::tests::any_quota};

    fn every(count: u32, millis: u64) -> Quota {
        Quota::new(count, Duration::from_millis(millis)).unwrap()
    }

    #[test]
    fn quotas_are_windows_of_whole_seconds() {
        for (quota, units, seconds) in [
            (Quota::per_minute(100), 100, 60),
            (Quota::per_day(1_000), 1_000, 86_400),
            (Quota::per_minute(100).burst(20), 20, 12),
            (every(10, 500), 20, 1),
            (Quota::per_second(3).burst(10), 12, 4),
            (Quota::per_second(1_000).burst(1), 1_000, 1),
            (every(1, 1_001), 1, 2),
            (Quota::per_second(u32::MAX), u32::MAX.into(), 1),
            (every(1, 3_155_760_000_000).burst(u32::MAX), 316_880, MOST),
        ] {
            assert_eq!(Window::of(quota), Some(Window { units, seconds }), "{quota}");
        }
        assert_eq!(Window::of(Quota::per_day(0)), None);
        assert_eq!(Window::of(Quota::per_day(5).burst(0)), None);
    }

    #[test]
    fn what_is_left_is_spread_over_the_time_in_which_it_comes_back() {
        let per_minute = Quota::per_minute(60);
        for (quota, units, reset_after, seconds) in [
            // Nearly empty: full again in 59 seconds.
            (per_minute, 1, Duration::from_secs(59), 59),
            // Nearly full: the next is there at once, but 59 of them not once a second.
            (per_minute, 59, Duration::from_secs(1), 59),
            (per_minute, 30, Duration::from_millis(29_001), 30),
            (per_minute, 60, Duration::ZERO, 60),
            (Quota::per_second(1_000), 3, Duration::from_millis(997), 1),
            (Quota::per_second(1_000).burst(1_001), 1_001, Duration::ZERO, 2),
        ] {
            let left = Left { units: units.into(), seconds: Some(seconds) };
            assert_eq!(Left::of(quota, units, reset_after), left, "{quota}, {units}");
        }
        let never = Left { units: 0, seconds: None };
        assert_eq!(Left::of(Quota::per_day(0), 0, Duration::MAX), never);
    }

    #[test]
    fn waits_are_rounded_up() {
        for (nanos, whole) in [(0, 1), (1, 1), (1_000_000_000, 1), (1_000_000_001, 2)] {
            assert_eq!(seconds(Duration::from_nanos(nanos)), whole);
        }
        assert_eq!(seconds(Duration::MAX), MOST);
    }

    proptest! {
        #![proptest_config(crate::test_support::cases(5_000))]

        /// I1, I3, and that windows are no longer than they have to be.
        #[test]
        fn windows_are_never_faster_than_their_quota(quota in any_quota()) {
            let Some(Window { units, seconds }) = Window::of(quota) else {
                prop_assert!(quota.is_zero());
                return Ok(());
            };
            prop_assert!((1..=MOST).contains(&units) && (1..=MOST).contains(&seconds));
            let period = u128::from(quota.period_nanos());
            let per_second = u128::from(quota.count()) * 1_000_000_000;
            let given = |seconds: u64| u128::from(seconds) * per_second;
            prop_assert!(u128::from(units) * period <= given(seconds));
            prop_assert!(u128::from(units + 1) * period > given(seconds), "the most that is true");
            let full = u128::from(quota.max_burst()) * period;
            prop_assert!(full > given(seconds - 1), "the shortest");
            prop_assert!(full <= given(seconds) || seconds == MOST);
        }

        /// I1 to I3.
        #[test]
        fn what_is_left_is_never_faster_than_the_quota_nor_early(
            quota in any_quota(),
            share in 0..=u32::MAX,
            reset_after in prop_oneof![0..3_000_000_000_u64, any::<u64>()],
        ) {
            let remaining = u64::from(quota.max_burst()) * u64::from(share) / u64::from(u32::MAX);
            let remaining = u32::try_from(remaining).unwrap();
            let reset_after = Duration::from_nanos(reset_after);
            let Left { units, seconds } = Left::of(quota, remaining, reset_after);
            prop_assert!(units <= remaining.into());
            let Some(seconds) = seconds else {
                prop_assert!(quota.is_zero());
                return Ok(());
            };
            prop_assert!((1..=MOST).contains(&seconds));
            prop_assert!(Duration::from_secs(seconds) >= reset_after);
            let given = u128::from(seconds) * u128::from(quota.count()) * 1_000_000_000;
            prop_assert!(u128::from(units) * u128::from(quota.period_nanos()) <= given);
            prop_assert!(units == u64::from(remaining) || seconds == MOST);
        }
    }
}
