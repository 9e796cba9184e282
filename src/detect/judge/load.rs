//! How busy the service is, 0 to 100: the highest of what says so.
//!
//! | sign | 0 | 100 |
//! |---|---|---|
//! | requests in flight | none | as many as there may be |
//! | latency, times the usual one | 1 | 3 |
//! | answers with 5xx, beyond what is usual | none | all |
//! | requests that were shed for want of room | none | all |
//! | the service's own gauges | 0 | 100 |
//!
//! *Latency* is the median and the nine-in-ten one, each against its own usual value, and the lesser of both
//! ratios: one slow page moves the second and not the first, a slow service moves both. [`SLACK`] is added
//! above and below the line, because three times a tenth of a millisecond is not load. Both are smoothed over
//! some [`SOME`] requests, so that five requests a second make no alarm; without requests they return to the
//! usual within seconds. What is usual is learned while load is below [`LEARNED_BELOW`].
//!
//! What was shed must not hold those that were refused for who they are: otherwise refusing them would be the
//! reason to go on with it.
//!
//! # Invariants
//! - **I1** load is between 0 and 100, whatever is counted;
//! - **I2** it returns to 0 when requests end as usual, and when none come.

use super::{
    Counted, Parameters,
    usual::{LONG, Pace, Usual, is_within, ripe, sane},
};

/// In seconds.
const SLACK: f64 = 0.005;
const SOME: f64 = 50.0;
const LEARNED_BELOW: f64 = 50.0;
/// Half-life without requests, in seconds.
const RETURN: f64 = 5.0;
/// What is learned of a latency is clipped at this, in logarithms.
const STEP: f64 = 0.2;
/// The longest latency that is told from longer ones, in seconds.
const LONGEST: f64 = 3_600.0;

/// Usual latencies and errors, and those of late.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Load {
    median: Pair,
    p90: Pair,
    /// How long latencies have been learned.
    seconds: f64,
    usual_errors: Usual,
    #[cfg_attr(feature = "serde", serde(skip))]
    errors: f64,
    #[cfg_attr(feature = "serde", serde(skip))]
    has_latency: bool,
}

/// A latency with slack, as a logarithm.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Pair {
    usual: f64,
    now: f64,
    /// Requests that `now` is made of, up to [`SOME`].
    seen: f64,
}

impl Default for Pair {
    fn default() -> Self {
        Self { usual: SLACK.ln(), now: SLACK.ln(), seen: 0.0 }
    }
}

impl Load {
    /// How busy the service is; learns nothing of what is usual.
    pub(super) fn of(&mut self, counted: &Counted, seconds: f64, parameters: &Parameters) -> f64 {
        let is_ripe = self.seconds >= ripe(parameters);
        let requests = counted.latency.requests as f64;
        self.has_latency = requests > 0.0;
        self.median.see(counted.latency.median, requests, seconds, is_ripe);
        self.p90.see(counted.latency.p90, requests, seconds, is_ripe);
        let ratio = if is_ripe { self.median.ratio().min(self.p90.ratio()) } else { 1.0 };

        let answered: f64 = counted.answered.iter().map(|count| *count as f64).sum();
        let [.., failed] = counted.answered;
        let (errors, weight) = if answered > 0.0 {
            (failed as f64 / answered, answered / (answered + SOME / 2.0))
        } else {
            (0.0, 1.0 - (-seconds / RETURN).exp2())
        };
        self.errors += weight * (errors - self.errors);
        let usual = self.usual_errors.mean.min(0.9);

        let most = counted.in_flight_limit.map_or(0.0, |limit| limit.max(1) as f64);
        let in_flight = if most > 0.0 { counted.in_flight as f64 / most } else { 0.0 };
        let shed = counted.shed as f64 / (counted.offered as f64).max(1.0);
        let signs = [
            in_flight,
            (ratio - 1.0) / 2.0,
            (self.errors - usual) / (1.0 - usual),
            shed,
            sane(counted.gauge) / 100.0,
        ];
        signs.into_iter().fold(0.0, |load: f64, sign| load.max(sane(sign) * 100.0)).min(100.0)
    }

    /// Learns what was just seen under this load.
    pub(super) fn learn(&mut self, load: f64, pace: &Pace) {
        if load >= LEARNED_BELOW {
            return;
        }
        self.usual_errors.learn(self.errors, self.usual_errors.deviation(0.0, 0.02), pace);
        if !self.has_latency {
            return;
        }
        let weight = pace.weight(pace.slow_half_life, self.seconds);
        for latency in [&mut self.median, &mut self.p90] {
            let step = latency.now - latency.usual;
            let step = if pace.clip.is_some() { step.clamp(-STEP, STEP) } else { step };
            latency.usual += weight * step;
        }
        self.seconds = (self.seconds + pace.seconds * pace.share).min(LONG);
    }

    pub(super) fn is_sane(&self) -> bool {
        let (least, most) = (SLACK.ln() - 1e-6, (LONGEST + SLACK).ln() + 1e-6);
        [self.median.usual, self.median.now, self.p90.usual, self.p90.now]
            .into_iter()
            .all(|latency| is_within(latency, least, most))
            && [self.median.seen, self.p90.seen].into_iter().all(|seen| is_within(seen, 0.0, SOME))
            && is_within(self.seconds, 0.0, LONG)
            && self.usual_errors.is_sane(1.0)
    }
}

impl Pair {
    fn see(&mut self, latency: f64, requests: f64, seconds: f64, is_ripe: bool) {
        if requests > 0.0 {
            let latency = (sane(latency).min(LONGEST) + SLACK).ln();
            self.now += requests / (requests + self.seen) * (latency - self.now);
            self.seen = (self.seen + requests).min(SOME);
        } else if is_ripe {
            self.now += (1.0 - (-seconds / RETURN).exp2()) * (self.usual - self.now);
        }
    }

    fn ratio(&self) -> f64 {
        (self.now - self.usual).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::{Counted, Load, Pace, Parameters};
    use crate::detect::Latency;

    fn tick(requests: u64, median: f64, p90: f64) -> Counted {
        Counted {
            offered: requests,
            answered: [requests, 0, 0, 0, 0],
            latency: Latency { requests, median, p90 },
            in_flight: 10,
            in_flight_limit: Some(100),
            ..Counted::default()
        }
    }

    fn learned() -> Load {
        let (mut load, parameters) = (Load::default(), Parameters::default());
        for second in 0..700 {
            let now = load.of(&tick(100, 0.02, 0.1), 1.0, &parameters);
            load.learn(now, &Pace::of(1.0, 1.0, second > 600, &parameters));
        }
        load
    }

    fn after(load: &mut Load, counted: &Counted, ticks: u32) -> f64 {
        let mut last = 0.0;
        for _ in 0..ticks {
            last = load.of(counted, 1.0, &Parameters::default());
        }
        last
    }

    #[test]
    fn each_sign_says_it_alone() {
        let mut load = learned();
        let usual = tick(100, 0.02, 0.1);
        assert!((after(&mut load, &usual, 1) - 10.0).abs() < 1.0);
        assert_eq!(after(&mut load, &Counted { in_flight: 90, ..usual.clone() }, 1), 90.0);
        assert_eq!(after(&mut load, &Counted { in_flight: 900, ..usual.clone() }, 1), 100.0);
        assert_eq!(after(&mut load, &Counted { shed: 70, ..usual.clone() }, 1), 70.0);
        assert_eq!(after(&mut load, &Counted { gauge: 85.0, ..usual.clone() }, 1), 85.0);
        let failing = Counted { answered: [50, 0, 0, 0, 50], ..usual.clone() };
        assert!((45.0..51.0).contains(&after(&mut load, &failing, 10)));
    }

    #[test]
    fn latency_counts_if_the_median_and_the_slowest_both_rise() {
        let mut load = learned();
        assert!(after(&mut load, &tick(100, 0.02, 1.0), 10) < 15.0);
        assert!((40.0..60.0).contains(&after(&mut load, &tick(100, 0.045, 0.3), 20)));
        assert!(after(&mut load, &tick(100, 0.2, 1.0), 10) > 99.0);
        // I2.
        assert!(after(&mut load.clone(), &tick(100, 0.02, 0.1), 10) < 15.0);
        assert!(after(&mut load, &Counted::default(), 30) < 5.0);
    }

    /// At one request a second, what the first request took counts, not what was assumed before it.
    #[test]
    fn few_requests_are_no_load() {
        let (mut load, parameters) = (Load::default(), Parameters::default());
        for _ in 0..61 {
            let now = load.of(&tick(1, 0.3, 0.3), 1.0, &parameters);
            load.learn(now, &Pace::of(1.0, 1.0, false, &parameters));
        }
        assert!(after(&mut load, &tick(300, 0.3, 0.3), 5) < 12.0);
    }

    #[test]
    fn microseconds_are_no_load() {
        let (mut load, parameters) = (Load::default(), Parameters::default());
        for _ in 0..700 {
            load.of(&tick(100, 1e-4, 3e-4), 1.0, &parameters);
            load.learn(10.0, &Pace::of(1.0, 1.0, false, &parameters));
        }
        assert!(after(&mut load, &tick(100, 1e-3, 1e-3), 20) < 15.0);
    }

    #[test]
    fn what_is_slow_under_load_is_not_learned() {
        let (mut load, parameters) = (learned(), Parameters::default());
        for _ in 0..2_000 {
            let now = load.of(&tick(100, 0.2, 1.0), 1.0, &parameters);
            load.learn(now, &Pace::of(1.0, 1.0, true, &parameters));
        }
        assert!(after(&mut load, &tick(100, 0.2, 1.0), 1) > 99.0);
    }
}
