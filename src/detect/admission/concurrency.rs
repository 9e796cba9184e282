//! How many requests may be in flight, from how long they take.
//!
//! A service that is full answers more slowly, whatever it is full of. So the limit follows the ratio of the
//! latency that the service has without load to the one it has now, as Netflix's Gradient2 does, with room for
//! `sqrt(limit)` more, as Envoy gives:
//!
//! ```text
//! gradient = clamp(1.5 * unloaded p90 / p90, 0.5, 1)
//! limit'   = limit * gradient + sqrt(limit)       halfway there in a second, up only in use
//! ```
//!
//! While latency is as without load, an almost full limit grows by half a second: a crowd that the service
//! stands is not shed. A limit is no more than [`SPARE`] times what was in use of late, so that it is near when
//! load comes; but it is not lowered for that below [`SPARE`] times the least one, 64 in a gate, however little was in use.
//!
//! The *unloaded* latency is never pinned by an experiment. It is learned in windows in which less than a quarter
//! of the limit was in use; it falls to any lower one at once; and if there is no such window, it rises with a
//! half-life of [`STALE`] seconds, because a service that has become slower is not full for ever.
//!
//! # Invariants
//! - **I1** the limit stays between its bounds, and is the highest as long as nothing is known;
//! - **I2** windows with fewer than [`FEW`] requests change nothing.
//!
//! Sources: Netflix concurrency-limits, `Gradient2Limit`; Envoy, adaptive concurrency.

use super::{sane, weight, whole};
use crate::detect::Latency;

const TOLERANCE: f64 = 1.5;
/// Latency is as without load up to this ratio.
const AS_UNLOADED: f64 = 1.2;
const SPARE: f64 = 8.0;
/// In seconds: of what was in use of late, of the unloaded latency in quiet windows, and in others.
const OF_LATE: f64 = 300.0;
const QUIET: f64 = 30.0;
const STALE: f64 = 1_800.0;
const FEW: u64 = 10;
/// Less is no load, in seconds: three times a tenth of a millisecond is not.
const SLACK: f64 = 0.005;

/// How many requests may be in flight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Concurrency {
    least: f64,
    most: f64,
    limit: f64,
    /// The p90 without load and with slack, in seconds.
    unloaded: Option<f64>,
    in_use: f64,
}

impl Concurrency {
    /// Between these, however slow or fast the service is.
    pub(crate) fn new(least: u64, most: u64) -> Self {
        let least = sane(least as f64).max(1.0);
        let most = sane(most as f64).max(least);
        Self { least, most, limit: most, unloaded: None, in_use: 0.0 }
    }

    /// So many were in flight at the end of a window of so many seconds, in which requests took so long.
    pub(crate) fn update(&mut self, latency: &Latency, in_flight: u64, seconds: f64) {
        let seconds = sane(seconds).min(60.0);
        let in_flight = sane(in_flight as f64);
        self.in_use -= self.in_use * weight(seconds, OF_LATE);
        self.in_use = self.in_use.max(in_flight);
        if latency.requests < FEW {
            return;
        }
        let p90 = sane(latency.p90).min(3_600.0) + SLACK;
        let half_life = if in_flight < self.limit / 4.0 { QUIET } else { STALE };
        let unloaded = self.unloaded.map_or(p90, |unloaded| {
            if p90 < unloaded {
                p90
            } else {
                unloaded + (p90 - unloaded) * weight(seconds, half_life)
            }
        });
        self.unloaded = Some(unloaded);

        let gradient = (TOLERANCE * unloaded / p90).clamp(0.5, 1.0);
        let is_used = in_flight >= self.limit / 2.0;
        let fast = if p90 <= AS_UNLOADED * unloaded { self.limit } else { 0.0 };
        let target = self.limit * gradient + self.limit.sqrt() + fast;
        let step = (target - self.limit) * weight(seconds, 1.0);
        if step < 0.0 || is_used {
            self.limit += step;
        }
        let near = (SPARE * self.in_use).max(self.limit.min(self.least * SPARE));
        self.limit = self.limit.min(near).clamp(self.least, self.most);
    }

    pub(crate) fn limit(&self) -> u64 {
        whole(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Concurrency, Latency};
    use crate::test_support::cases;

    fn window(p90: f64) -> Latency {
        Latency { requests: 100, median: p90 / 3.0, p90 }
    }

    fn after(concurrency: &mut Concurrency, seconds: u32, p90: f64, in_flight: u64) -> u64 {
        for _ in 0..seconds {
            concurrency.update(&window(p90), in_flight, 1.0);
        }
        concurrency.limit()
    }

    /// A service with so many workers: what waits for one takes longer. All that is allowed comes.
    fn saturated(concurrency: &mut Concurrency, seconds: u32, workers: u64) -> u64 {
        for _ in 0..seconds {
            let in_flight = concurrency.limit();
            let p90 = 0.05 * (in_flight as f64 / workers as f64).max(1.0);
            concurrency.update(&window(p90), in_flight, 1.0);
        }
        concurrency.limit()
    }

    #[test]
    fn it_settles_near_what_the_service_stands() {
        let mut concurrency = Concurrency::new(8, 100_000);
        assert_eq!(concurrency.limit(), 100_000);
        after(&mut concurrency, 60, 0.05, 20);
        assert!(concurrency.limit() <= 160);
        let limit = saturated(&mut concurrency, 120, 200);
        assert!((200..500).contains(&limit), "{limit}");
    }

    #[test]
    fn it_falls_within_seconds_and_grows_again() {
        let mut concurrency = Concurrency::new(8, 100_000);
        after(&mut concurrency, 60, 0.05, 50);
        let before = concurrency.limit();
        let under_load = after(&mut concurrency, 6, 0.5, before);
        assert!(under_load < before / 3, "{under_load} of {before}");
        let later = after(&mut concurrency, 10, 0.05, under_load);
        assert!(later > 2 * under_load, "{later}");
    }

    /// Ten times as many in flight as ever, and none of them slower: nothing is to be shed.
    #[test]
    fn a_crowd_that_the_service_stands_makes_it_grow() {
        let mut concurrency = Concurrency::new(8, 100_000);
        after(&mut concurrency, 600, 0.05, 10);
        let limit = saturated(&mut concurrency, 8, 1_000);
        assert!(limit > 500, "{limit}");
    }

    #[test]
    fn an_unused_limit_does_not_grow() {
        let mut concurrency = Concurrency::new(8, 100_000);
        after(&mut concurrency, 60, 0.05, 50);
        let before = concurrency.limit();
        assert!(after(&mut concurrency, 600, 0.05, 5) <= before);
    }

    /// A new version that takes twice as long is not full.
    #[test]
    fn what_has_become_slower_is_learned() {
        let mut concurrency = Concurrency::new(8, 100_000);
        after(&mut concurrency, 60, 0.05, 20);
        after(&mut concurrency, 300, 0.15, 5);
        let before = concurrency.limit();
        assert!(after(&mut concurrency, 60, 0.15, before) > before);
    }

    /// I2.
    #[test]
    fn few_requests_say_nothing() {
        let mut concurrency = Concurrency::new(8, 100_000);
        after(&mut concurrency, 60, 0.05, 20);
        let before = concurrency;
        concurrency.update(&Latency { requests: 9, median: 9.0, p90: 9.0 }, 5, 1.0);
        assert_eq!(concurrency.limit(), before.limit());
    }

    proptest! {
        #![proptest_config(cases(256))]

        /// I1.
        #[test]
        fn it_stays_within_its_bounds(
            least in any::<u64>(),
            most in any::<u64>(),
            windows in prop::collection::vec((any::<u64>(), any::<f64>(), any::<u64>(), any::<f64>()), 0..50),
        ) {
            let (least, most) = (least >> 32, most >> 16);
            let mut concurrency = Concurrency::new(least, most);
            for (requests, p90, in_flight, seconds) in windows {
                concurrency.update(&Latency { requests, median: p90, p90 }, in_flight, seconds);
                prop_assert!(concurrency.limit() >= least.max(1));
                prop_assert!(concurrency.limit() <= most.max(least).max(1));
                prop_assert!(concurrency.unloaded.is_none_or(f64::is_finite));
            }
        }
    }
}
