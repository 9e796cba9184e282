//! Quotas of every kind, for stories about limits.

use std::time::Duration;

use arbitrary::Arbitrary;
use portcullis::Quota;

#[derive(Arbitrary, Debug)]
pub(crate) enum AnyQuota {
    PerSecond {
        count: u32,
    },
    PerDay {
        count: u32,
        burst: u32,
    },
    /// Small numbers, where buckets fill and drain within a few steps.
    Small {
        count: u8,
        burst: u8,
        millis: u8,
    },
    Any {
        count: u32,
        burst: u32,
        period: u64,
    },
}

impl AnyQuota {
    pub(crate) fn build(&self) -> Option<Quota> {
        match *self {
            Self::PerSecond { count } => Some(Quota::per_second(count)),
            Self::PerDay { count, burst } => Some(Quota::per_day(count).burst(burst)),
            Self::Small { count, burst, millis } => {
                let period = Duration::from_millis(u64::from(millis) + 1);
                Some(Quota::new(u32::from(count), period).ok()?.burst(u32::from(burst)))
            }
            Self::Any { count, burst, period } => {
                let longest = Quota::LONGEST_PERIOD.as_nanos() as u64;
                let period = Duration::from_nanos(period % longest + 1);
                Some(Quota::new(count, period).ok()?.burst(burst))
            }
        }
    }
}
