//! How much traffic is usual, and how unusual what comes now is.
//!
//! Traffic is compared in logarithms, `y = ln(1 + requests per second)`: it varies by factors, and a site that
//! doubles at noon is as usual at night. Two means are kept, a quick one and a slow one. Volume is an *alarm*
//! if it is `alarm_z` deviations above the quick one **and** `gate` times the slow one: the first sees bursts,
//! the second lets the noise of a quiet hour pass, and crowds that grow over tens of minutes.
//!
//! The deviation is what was learned, but at least `deviation_floor`, at least what chance does to a count of
//! so many requests, `1 / sqrt(1 + mean)` (a site with a handful of requests a second, or a tick shorter than
//! others, is noisy), and, of what was learned, at most [`WIDEST`].
//!
//! # How fast it can be led astray
//! Whoever raises his traffic so carefully that it is never an alarm raises what is usual with it. So that
//! this takes long, learning is clipped three times (all in logarithms):
//! - the quick mean learns at most `clip` deviations of a tick (winsorised, so that a burst counts as little);
//! - the slow mean learns at most `ln(gate)` of a tick: in `t` seconds it rises by no more than
//!   `t * ln(gate) * ln(2) / slow_half_life`;
//! - the quick mean is never more than `ln(gate)` above the slow one.
//!
//! So after `t` seconds, usual is at most `gate * gate ^ (t * ln(2) / slow_half_life)` times what the slow mean
//! was: at once `gate` times, and from then on it doubles no faster than once in `slow_half_life / ln(gate) =
//! 2,077 s`, about 35 minutes. (The strongest crowds of the trace below double in 23.) Nor does traffic that is
//! no alarm ever exceed `gate * exp(alarm_z * WIDEST)` times the slow mean, about 15, however the deviation was
//! widened before, which by itself takes half an hour. All of this holds from the first second that is clipped, which
//! is when the baseline [is warm](Baseline::is_warm).
//!
//! # Invariants
//! - **I1** a tick is compared before it is learned;
//! - **I2** everything is finite, whatever is counted;
//! - **I3** the bounds above;
//! - **I4** one tick is a fixed number of operations, a gap of an hour too.
//!
//! Source: the settings (z 4, floor 0.1, clip 2, gate 2) are those that found all seven bursts and two of 21
//! flash crowds in 88 days of the 1998 World Cup's traffic.

use super::{
    Parameters,
    usual::{LONG, Pace, is_within, ripe, sane},
};

/// The largest deviation that is learned.
pub(super) const WIDEST: f64 = 0.5;

/// The logarithm of more requests a second than there can be.
const HIGHEST: f64 = 50.0;

/// How much traffic is usual.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Baseline {
    /// The quick mean, a logarithm.
    pub(super) mean: f64,
    /// The slow mean, a logarithm.
    pub(super) slow: f64,
    variance: f64,
    /// How long it has been learned, and from how many requests.
    seconds: f64,
    requests: f64,
}

/// How unusual volume is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Volume {
    /// Deviations above the quick mean.
    pub(super) z: f64,
    pub(super) is_alarm: bool,
    /// How far it is on the way to an alarm, by the condition that is farther from it: 1 is the border.
    pub(super) way: f64,
}

impl Baseline {
    /// Compares, and learns nothing.
    pub(super) fn compare(&self, rate: f64, seconds: f64, parameters: &Parameters) -> Volume {
        if self.seconds < ripe(parameters) {
            return Volume::default();
        }
        let y = logarithm(rate);
        let z = (y - self.mean) / self.deviation(seconds, parameters);
        let (alarm_z, gate) = (sane(parameters.alarm_z).max(0.1), gate(parameters));
        let over = y - self.slow;
        let way = (z / alarm_z).min(over / gate).max(0.0);
        Volume { z, is_alarm: z > alarm_z && over > gate, way }
    }

    /// Learns a tick that has been compared.
    pub(super) fn learn(&mut self, rate: f64, offered: f64, pace: &Pace, parameters: &Parameters) {
        let y = logarithm(rate);
        let quick = pace.weight(pace.half_life, self.seconds);
        let step = pace.clipped(y - self.mean, self.deviation(pace.seconds, parameters));
        let gate = gate(parameters);
        self.mean += quick * step;
        let widened = if pace.clip.is_some() {
            let weight = pace.weight(pace.slow_half_life, self.seconds);
            self.slow += weight * (y - self.slow).clamp(-gate, gate);
            self.mean = self.mean.min(self.slow + gate);
            weight
        } else {
            // There is nothing slow yet, and what was odd when the process started is forgotten soon.
            self.slow = self.mean;
            quick
        };
        self.variance = (1.0 - widened) * (self.variance + widened * step * step);
        self.variance = self.variance.min(WIDEST * WIDEST);
        if pace.share > 0.0 {
            self.seconds = (self.seconds + pace.seconds).min(LONG);
            self.requests = (self.requests + sane(offered)).min(1e15);
        }
    }

    /// Requests a second that are usual.
    pub(super) fn rate(&self) -> f64 {
        (self.mean.exp() - 1.0).max(0.0)
    }

    /// It has been learned long enough, and from enough, to accuse anybody.
    pub(super) fn is_warm(&self, parameters: &Parameters) -> bool {
        self.seconds >= f64::from(parameters.cold_seconds).max(ripe(parameters))
            && self.requests >= parameters.cold_requests as f64
    }

    pub(super) fn is_sane(&self) -> bool {
        is_within(self.mean, 0.0, HIGHEST)
            && is_within(self.slow, 0.0, HIGHEST)
            && is_within(self.variance, 0.0, WIDEST * WIDEST)
            && is_within(self.seconds, 0.0, LONG)
            && is_within(self.requests, 0.0, 1e15)
    }

    /// Of the logarithm, for a tick of so many seconds.
    fn deviation(&self, seconds: f64, parameters: &Parameters) -> f64 {
        let chance = 1.0 / (1.0 + self.rate() * seconds).sqrt();
        let learned = self.variance.sqrt().min(WIDEST);
        learned.max(sane(parameters.deviation_floor)).max(chance).max(1e-3)
    }
}

fn logarithm(rate: f64) -> f64 {
    (1.0 + sane(rate)).ln().min(HIGHEST)
}

/// The logarithm of the gate; never so near to 0 that everything is above it.
fn gate(parameters: &Parameters) -> f64 {
    sane(parameters.gate).max(1.01).ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Baseline, Pace, Parameters, WIDEST, gate};
    use crate::test_support::cases;

    fn learned(rate: f64, seconds: u32) -> Baseline {
        let (mut baseline, parameters) = (Baseline::default(), Parameters::default());
        for _ in 0..seconds {
            let pace = Pace::of(1.0, 1.0, baseline.is_warm(&parameters), &parameters);
            baseline.learn(rate, rate, &pace, &parameters);
        }
        baseline
    }

    #[test]
    fn a_step_is_an_alarm_and_noise_is_none() {
        let (baseline, parameters) = (learned(200.0, 1_200), Parameters::default());
        let volume = |rate| baseline.compare(rate, 1.0, &parameters);
        assert!(!volume(200.0).is_alarm && volume(200.0).z.abs() < 0.1);
        // Far above the quick mean, but not twice the slow one.
        assert!(!volume(350.0).is_alarm && volume(350.0).z > 4.0);
        assert!(volume(420.0).is_alarm);
        assert!((0.9..1.1).contains(&volume(402.0).way));
    }

    #[test]
    fn quiet_sites_need_more() {
        let parameters = Parameters::default();
        let alarm = |usual, rate| learned(usual, 2_000).compare(rate, 1.0, &parameters).is_alarm;
        assert!(!alarm(0.5, 10.0) && alarm(0.5, 60.0));
        assert!(!alarm(5.0, 20.0) && alarm(5.0, 50.0));
        // And so does a short tick, which may hold a few requests by chance.
        assert!(!learned(5.0, 2_000).compare(50.0, 0.1, &parameters).is_alarm);
    }

    #[test]
    fn nothing_is_an_alarm_while_nothing_is_usual() {
        let parameters = Parameters::default();
        assert!(!Baseline::default().compare(1e6, 1.0, &parameters).is_alarm);
        assert!(!learned(5.0, 59).compare(1e6, 1.0, &parameters).is_alarm);
        assert!(learned(5.0, 60).compare(1e6, 1.0, &parameters).is_alarm);
        assert!(!learned(5.0, 599).is_warm(&parameters));
        assert!(learned(5.0, 600).is_warm(&parameters) && !learned(1.0, 900).is_warm(&parameters));
    }

    /// I4: a service that is put into rotation, an hour without requests, an outage of ten minutes.
    #[test]
    fn gaps_and_outages_are_survived() {
        let parameters = Parameters::default();
        let mut baseline = learned(100.0, 2_000);
        let gap = Pace::of(3_600.0, 1.0, true, &parameters);
        baseline.learn(1.0 / 3_600.0, 1.0, &gap, &parameters);
        assert!(baseline.rate() > 80.0, "{baseline:?}");
        for _ in 0..600 {
            baseline.learn(0.0, 0.0, &Pace::of(1.0, 1.0, true, &parameters), &parameters);
        }
        assert!(!baseline.compare(110.0, 1.0, &parameters).is_alarm, "{baseline:?}");
    }

    /// I3: as fast as he can without an alarm, from the first second that is clipped and later.
    #[test]
    fn who_poisons_is_slow() {
        for seconds in [600, 1_200, 3_000] {
            poisons(learned(1_000.0, seconds));
        }
    }

    fn poisons(mut baseline: Baseline) {
        let parameters = Parameters::default();
        assert!(baseline.is_warm(&parameters));
        let (start, gate) = (baseline.slow, gate(&parameters));
        for second in 1..=4 * 3_600_u32 {
            let deviation = baseline.deviation(1.0, &parameters);
            let y = (baseline.slow + gate).max(baseline.mean + 4.0 * deviation) - 1e-9;
            let rate = y.exp() - 1.0;
            assert!(!baseline.compare(rate, 1.0, &parameters).is_alarm);
            assert!(y <= baseline.slow + gate + 4.0 * WIDEST + 1e-6);
            baseline.learn(rate, rate, &Pace::of(1.0, 1.0, true, &parameters), &parameters);
            let most = start + gate * (1.0 + f64::from(second) * 2.0_f64.ln() / 1_440.0);
            assert!(baseline.mean <= most + 1e-6, "after {second} s: {baseline:?}, {most}");
            if second == 3_600 {
                assert!(baseline.rate() < 6.7 * 1_000.0, "{}", baseline.rate());
            }
        }
        // The bound is not idle: this is about what he reaches.
        let most = start + gate * (1.0 + 4.0 * 3_600.0 * 2.0_f64.ln() / 1_440.0);
        assert!(baseline.mean > most - 0.5, "{baseline:?}, {most}");
    }

    proptest! {
        #![proptest_config(cases(256))]

        /// I2.
        #[test]
        fn everything_stays_finite(
            ticks in prop::collection::vec((any::<f64>(), 0.0..1e9_f64, 0.0..1.5_f64), 1..100),
        ) {
            let (mut baseline, parameters) = (Baseline::default(), Parameters::default());
            for (rate, seconds, share) in ticks {
                let volume = baseline.compare(rate, seconds, &parameters);
                prop_assert!(volume.z.is_finite() && volume.way.is_finite());
                let pace = Pace::of(seconds, share, baseline.is_warm(&parameters), &parameters);
                baseline.learn(rate, rate, &pace, &parameters);
                prop_assert!(baseline.is_sane(), "{baseline:?}");
            }
        }
    }
}
