//! What one number usually is: its mean and its variance, of which older values count for less and less.
//!
//! A weight is given to a stretch of time, not to a value: ticks of two seconds count twice, and a gap of an
//! hour is one step like any other. At the beginning it is the plain average of all that there was; otherwise
//! the first value would count for as much as the next hundred. That ends when it is clipped and has been learned for as
//! long as a judge takes to get warm: from then on a second counts for no more than the half-life says, at any age.
//!
//! # Invariants
//! - **I1** of finite values, mean and variance are finite, and the mean lies between the values;
//! - **I2** with clipping, one second moves the mean by no more than `clip * deviation * weight(1 s)`; of a mean that
//!   was learned for `cold_seconds`, that is `clip * deviation * (1 - 2^(-1 / slow_half_life))`.
//!
//! # Source
//! West, "Updating mean and variance estimates: an improved method", 1979; clipping: the notes of
//! [`baseline`](super::baseline).

use super::Parameters;

/// How this tick is learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    /// How long the tick was; what is learned of a gap is bounded.
    pub(super) seconds: f64,
    /// So many times as fast as usual: 0 is not at all.
    pub(super) share: f64,
    /// Values are clipped at so many deviations; `None` while nothing is known to clip them by.
    pub(super) clip: Option<f64>,
    /// With clipping, what is older than so many seconds is no plain average any more: whoever teaches something would
    /// be as fast with it as there is little to forget.
    pub(super) settled: f64,
    pub(super) half_life: f64,
    pub(super) slow_half_life: f64,
}

impl Pace {
    pub(super) fn of(seconds: f64, share: f64, is_warm: bool, parameters: &Parameters) -> Self {
        let half_life = f64::from(parameters.half_life.max(1));
        Self {
            seconds: seconds.clamp(0.0, half_life),
            share: sane(share).min(1.0),
            clip: is_warm.then_some(sane(parameters.clip)),
            settled: f64::from(parameters.cold_seconds).max(half_life),
            half_life,
            slow_half_life: f64::from(parameters.slow_half_life.max(1)),
        }
    }

    /// What this tick counts for, after `age` seconds of learning.
    pub(super) fn weight(&self, half_life: f64, age: f64) -> f64 {
        let usual = 1.0 - (-self.seconds / half_life).exp2();
        let is_settled = self.clip.is_some() && age >= self.settled;
        let is_average = self.seconds > 0.0 && !is_settled;
        let average = if is_average { self.seconds / (age + self.seconds) } else { 0.0 };
        usual.max(average) * self.share
    }

    /// A distance from the mean, as far as it is learned.
    pub(super) fn clipped(&self, distance: f64, deviation: f64) -> f64 {
        match self.clip {
            Some(clip) => distance.clamp(-clip * deviation, clip * deviation),
            None => distance,
        }
    }
}

/// What one number usually is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Usual {
    pub(super) mean: f64,
    pub(super) variance: f64,
    /// How long it has been learned.
    pub(super) seconds: f64,
}

impl Usual {
    /// How far from the mean a value usually is, if by itself it comes with this variance, and if less than
    /// `floor` is not believed in.
    pub(super) fn deviation(&self, own_variance: f64, floor: f64) -> f64 {
        (self.variance.max(own_variance) + floor * floor).sqrt()
    }

    /// Learns a value, with the slow half-life: what is compared with this changes within hours, not minutes.
    pub(super) fn learn(&mut self, value: f64, deviation: f64, pace: &Pace) {
        let weight = pace.weight(pace.slow_half_life, self.seconds);
        let step = pace.clipped(value - self.mean, deviation);
        self.mean += weight * step;
        self.variance = (1.0 - weight) * (self.variance + weight * step * step);
        self.seconds = (self.seconds + pace.seconds * pace.share).min(LONG);
    }

    /// It is known long enough to compare with.
    pub(super) fn is_ripe(&self, parameters: &Parameters) -> bool {
        self.seconds >= ripe(parameters)
    }

    /// Everything is in its range, if the value is one of `0..=most`.
    pub(super) fn is_sane(&self, most: f64) -> bool {
        is_within(self.mean, 0.0, most)
            && is_within(self.variance, 0.0, most * most)
            && is_within(self.seconds, 0.0, LONG)
    }
}

/// Seconds after which a mean can be compared with.
pub(super) fn ripe(parameters: &Parameters) -> f64 {
    f64::from(parameters.half_life.max(1))
}

/// Ages are not counted beyond this many seconds, so that they never lose a second to rounding.
pub(super) const LONG: f64 = 1e9;

/// The number, if it is one and not negative; otherwise 0. Larger ones than any that means something are cut.
pub(in crate::detect) fn sane(number: f64) -> f64 {
    if number.is_finite() { number.clamp(0.0, 1e18) } else { 0.0 }
}

/// A smooth way from 0 at 0 to 1 at 1, flat at both ends.
pub(super) fn smooth(x: f64) -> f64 {
    let x = if x.is_nan() { 0.0 } else { x.clamp(0.0, 1.0) };
    x * x * (3.0 - 2.0 * x)
}

pub(super) fn is_within(number: f64, least: f64, most: f64) -> bool {
    number.is_finite() && (least..=most).contains(&number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Pace, Parameters, Usual, sane, smooth};
    use crate::test_support::cases;

    fn pace(seconds: f64, is_warm: bool) -> Pace {
        Pace::of(seconds, 1.0, is_warm, &Parameters::default())
    }

    #[test]
    fn begins_as_the_plain_average() {
        let mut usual = Usual::default();
        for value in [4.0, 8.0, 6.0] {
            usual.learn(value, 1.0, &pace(1.0, false));
        }
        assert!((usual.mean - 6.0).abs() < 1e-9, "{usual:?}");
        assert!((usual.variance - 8.0 / 3.0).abs() < 1e-9, "{usual:?}");
    }

    #[test]
    fn two_seconds_count_as_much_as_one_and_one() {
        let start = Usual { mean: 0.2, variance: 0.01, seconds: 5_000.0 };
        let (mut once, mut twice) = (start, start);
        once.learn(0.25, 1.0, &pace(2.0, true));
        twice.learn(0.25, 1.0, &pace(1.0, true));
        twice.learn(0.25, 1.0, &pace(1.0, true));
        assert!((once.mean - twice.mean).abs() < 1e-9);
    }

    #[test]
    fn what_is_smooth_goes_up_from_zero_to_one() {
        assert_eq!(
            (smooth(-3.0), smooth(0.5), smooth(9.0), smooth(f64::NAN)),
            (0.0, 0.5, 1.0, 0.0)
        );
        assert_eq!(
            (sane(f64::NAN), sane(-1.0), sane(f64::INFINITY), sane(2.5)),
            (0.0, 0.0, 0.0, 2.5)
        );
    }

    proptest! {
        #![proptest_config(cases(256))]

        /// I1, I2.
        #[test]
        fn the_mean_stays_between_the_values(
            ticks in prop::collection::vec((0.0..1.0_f64, 0.0..5_000.0_f64, any::<bool>()), 1..200),
        ) {
            let mut usual = Usual::default();
            for (value, seconds, is_warm) in ticks {
                let (pace, before) = (pace(seconds, is_warm), usual);
                let deviation = usual.deviation(0.0, 0.02);
                usual.learn(value, deviation, &pace);
                prop_assert!(usual.is_sane(1.0), "{usual:?}");
                if is_warm {
                    let weight = match before.seconds >= 600.0 {
                        true => 1.0 - (-pace.seconds / 1_440.0).exp2(),
                        false => pace.weight(1_440.0, before.seconds),
                    };
                    let most = 2.0 * deviation * weight;
                    prop_assert!((usual.mean - before.mean).abs() <= most + 1e-12);
                }
            }
        }
    }
}
