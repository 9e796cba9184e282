//! What counts of samples say about requests a second.

use super::groups::Count;

/// By what samples are weighed: the rates and how many samples stand for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Requests a second that one recent sample stands for.
    per_recent: f64,
    /// Requests a second that one usual sample stands for.
    per_usual: f64,
    /// Requests a second beyond what is usual, or [`LEAST_EXCESS`] of all.
    excess: f64,
    /// The share of the usual traffic that one usual sample stands for.
    harm: f64,
}

impl Scale {
    /// Of these requests a second, sampled so often.
    pub(super) fn new(offered: f64, usual: f64, recent: usize, normal: usize) -> Self {
        let (recent, normal) = (of_usize(recent).max(1.0), of_usize(normal).max(1.0));
        Self {
            per_recent: offered / recent,
            per_usual: usual / normal,
            excess: (offered - usual).max(LEAST_EXCESS * offered),
            harm: 1.0 / normal,
        }
    }

    /// Whether there is anything to be compared.
    pub(super) fn is_sane(&self) -> bool {
        self.excess.is_finite() && self.excess > 0.0 && self.per_usual >= 0.0
    }

    /// Requests a second.
    pub(super) fn rate(&self, recent: u32) -> f64 {
        f64::from(recent) * self.per_recent
    }

    /// The share of the excess that so many samples are, between 0 and 1.
    #[inline]
    pub(super) fn covers(&self, count: Count) -> f64 {
        let more = self.rate(count.recent) - f64::from(count.usual) * self.per_usual;
        (more / self.excess).clamp(0.0, 1.0)
    }

    /// The most that it can be, whatever is usual.
    #[inline]
    pub(super) fn at_most(&self, recent: u32) -> f64 {
        self.rate(recent) / self.excess
    }

    /// The share of the usual traffic.
    #[inline]
    pub(super) fn harms(&self, usual: u32) -> f64 {
        f64::from(usual) * self.harm
    }

    /// By how many standard deviations there are more samples than usual.
    ///
    /// Both counts are taken as Poisson's, so that twice their roots have deviation 1 (Anscombe, 1948), and one
    /// usual sample more is assumed than was seen.
    #[inline]
    pub(super) fn deviations(&self, count: Count) -> f64 {
        let scale = self.per_usual / self.per_recent;
        let root = |count: f64| 2.0 * (count + 0.375).sqrt();
        let usual = scale * (f64::from(count.usual) + 1.0);
        (root(f64::from(count.recent)) - root(usual)) / (1.0 + scale).sqrt()
    }
}

/// An excess is taken to be no less than this share of all: what is a small part of that is no attack, but
/// chance. (And an attack that drives as many others away has no excess at all.)
const LEAST_EXCESS: f64 = 0.1;

pub(super) fn of_usize(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::{Count, Scale};

    #[test]
    fn shares_are_of_rates_and_not_of_samples() {
        // 1,000 a second instead of 100: a recent sample stands for 2, an usual one for 0.25.
        let scale = Scale::new(1_000.0, 100.0, 500, 400);
        let count = |recent, usual| Count { recent, usual };
        assert_eq!(scale.covers(count(225, 0)), 0.5);
        assert_eq!(scale.covers(count(235, 80)), 0.5);
        assert_eq!(scale.covers(count(10, 400)), 0.0);
        assert_eq!(scale.at_most(225), 0.5);
        assert_eq!(scale.harms(4), 0.01);
        assert_eq!(scale.rate(3), 6.0);
    }

    #[test]
    fn few_samples_are_no_more_than_chance() {
        let deviations = |offered, recent, usual| {
            Scale::new(offered, 100.0, 1_000, 1_000).deviations(Count { recent, usual })
        };
        assert!(deviations(1_000.0, 6, 0) > 3.3 && deviations(1_000.0, 5, 0) < 3.3);
        assert!(deviations(1_000.0, 20, 100) < 3.3 && deviations(1_000.0, 60, 100) > 4.0);
        // Where nothing is more than usual, six samples instead of none are nothing.
        assert!(deviations(100.0, 11, 0) < 3.3 && deviations(100.0, 20, 0) > 3.3);
    }

    #[test]
    fn small_excesses_count_as_larger_ones() {
        let covers =
            |offered| Scale::new(offered, 100.0, 100, 100).covers(Count { recent: 10, usual: 0 });
        assert_eq!((covers(200.0), covers(125.0)), (0.2, 0.5));
        assert!(covers(110.0) > 0.999 && covers(101.0) > 0.999 && covers(90.0) > 0.999);
        let least = Scale::new(101.0, 100.0, 100, 100);
        assert!((least.covers(Count { recent: 2, usual: 0 }) - 0.2).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_compared_with_nothing() {
        let is_sane = |offered, usual| Scale::new(offered, usual, 0, 0).is_sane();
        assert!(!is_sane(0.0, 0.0) && !is_sane(f64::NAN, 1.0) && !is_sane(1.0, f64::NAN));
        assert!(!is_sane(f64::INFINITY, 1.0) && !is_sane(1.0, -1.0));
        assert!(is_sane(1.0, 0.0) && is_sane(1.0, 2.0));
    }
}
