//! Whether the excess comes from few sources, or is for few things.
//!
//! If traffic merely grows, each hot key grows with it. So of each hot key it is asked how many requests it has
//! beyond that: beyond its usual share of all there are now, three deviations of chance taken off. The sum of
//! these over the hottest keys of a dimension, divided by the excess, is the dimension's *concentration*:
//! 0 for a crowd on the usual pages, near 1 for a flood from one network or from fifty of them. An excess of
//! less than [`LEAST`] of all is taken for that much, so that nothing is divided by chance.
//!
//! On small sites a single visitor is a hot key. What is usual of a dimension's concentration is learned, and
//! only what is beyond it and two deviations counts.
//!
//! A source that has most of the excess convicts itself. One hot page or one user agent does not: a crowd has
//! these, too. They count [`HOT_PAGE`] of a source's, and fully only as far as sources are new or the mix is
//! another one; so a crowd of known clients on one page stays below 40.
//!
//! # Invariants
//! - **I1** everything is between 0 and 1, whatever the sketches say;
//! - **I2** without anything usual to compare with, nothing is concentrated;
//! - **I3** one pass over the hot keys, of which the sketches keep a fixed number.

use super::{
    Heat, Parameters,
    usual::{Pace, Usual, sane, smooth},
};
use crate::detect::Dimension;

/// The least excess that is divided by, as a share of all.
const LEAST: f64 = 0.25;
/// A key with a smaller share of all is not hot.
const HOT: f64 = 0.005;
const FLOOR: f64 = 0.03;
/// What one hot page counts for, as long as nothing else is unusual.
const HOT_PAGE: f64 = 0.3;
/// From here on, what is beyond the usual concentration is as bad as can be.
const FULL: f64 = 0.6;

/// What is usual of each dimension's concentration.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Concentration {
    usual: [Usual; Dimension::COUNT],
    #[cfg_attr(feature = "serde", serde(skip))]
    now: [f64; Dimension::COUNT],
}

/// How concentrated the excess is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Concentrated {
    /// The highest of all dimensions.
    pub(super) share: f64,
    /// How far sources, and how far other things, are beyond what is usual: 0 to 1, smoothly.
    pub(super) sources: f64,
    pub(super) things: f64,
}

impl Concentrated {
    /// How much it speaks for an attack, 0 to 1, if so much else (0 to 1) does that is no volume.
    pub(super) fn weight(&self, other: f64) -> f64 {
        let things = self.things * (HOT_PAGE + (1.0 - HOT_PAGE) * other.clamp(0.0, 1.0));
        self.sources.max(things)
    }
}

impl Concentration {
    /// Compares, and learns nothing. Each request in the sketches stands for `each`.
    pub(super) fn compare(&mut self, heat: &Heat, each: f64, p: &Parameters) -> Concentrated {
        self.now = shares(heat, each);
        let mut found = Concentrated::default();
        for ((now, usual), dimension) in self.now.iter().zip(&self.usual).zip(Dimension::ALL) {
            found.share = found.share.max(*now);
            if !usual.is_ripe(p) {
                continue;
            }
            let mean = usual.mean.min(FULL);
            let beyond = (now - mean - 2.0 * usual.deviation(0.0, FLOOR)) / (1.0 - mean);
            let counts = smooth(beyond / FULL);
            let place = match dimension {
                Dimension::Host | Dimension::Net | Dimension::Wide => &mut found.sources,
                _ => &mut found.things,
            };
            *place = place.max(counts);
        }
        found
    }

    /// Learns what was just compared.
    pub(super) fn learn(&mut self, pace: &Pace) {
        for (usual, now) in self.usual.iter_mut().zip(self.now) {
            usual.learn(now, usual.deviation(0.0, FLOOR), pace);
        }
    }

    pub(super) fn is_sane(&self) -> bool {
        self.usual.iter().all(|usual| usual.is_sane(1.0))
    }
}

/// Of each dimension, the share of the excess that its hottest keys have beyond their usual share.
fn shares(heat: &Heat, each: f64) -> [f64; Dimension::COUNT] {
    let mut beyond = [0.0; Dimension::COUNT];
    let (total, usual_total) = (sane(heat.total), sane(heat.usual_total));
    if total < 1.0 || usual_total <= 0.0 {
        return beyond;
    }
    for hot in &heat.hot {
        let (count, usual) = (sane(hot.count).min(total), sane(hot.usual));
        if count < HOT * total {
            continue;
        }
        let alike = total * (usual / usual_total).min(1.0);
        let chance = 3.0 * (each * alike.max(each)).sqrt();
        if let Some(sum) = beyond.get_mut(hot.dimension.at()) {
            *sum += (count - alike - chance).max(0.0);
        }
    }
    let excess = (total - usual_total).max(LEAST * total);
    beyond.map(|sum: f64| (sum / excess).clamp(0.0, 1.0))
}

#[cfg(test)]
pub(super) mod tests {
    use std::vec::Vec;

    use super::{Concentrated, Concentration, Heat, Pace, Parameters, shares};
    use crate::detect::{Dimension, Hot};

    /// Keys of a dimension with how many requests each, and how many usually.
    pub(in crate::detect::judge) fn heat(
        dimension: Dimension,
        keys: &[(f64, f64)],
        total: f64,
        usual_total: f64,
    ) -> Heat {
        let hot = (1..).zip(keys);
        let hot = hot.map(|(key, &(count, usual))| Hot { dimension, key, count, usual, over: 0.0 });
        Heat { hot: hot.collect(), total, usual_total }
    }

    fn of(heat: &Heat, dimension: Dimension) -> f64 {
        shares(heat, 1.0)[dimension.at()]
    }

    #[test]
    fn who_grows_with_all_others_is_not_concentrated() {
        let keys = [(5_000.0, 500.0), (3_000.0, 300.0), (1_000.0, 100.0)];
        assert_eq!(of(&heat(Dimension::Path, &keys, 10_000.0, 1_000.0), Dimension::Path), 0.0);
    }

    #[test]
    fn one_network_and_fifty_are() {
        let one = heat(Dimension::Net, &[(9_000.0, 20.0)], 10_000.0, 1_000.0);
        assert!(of(&one, Dimension::Net) > 0.95);
        let fifty: Vec<_> = (0..50).map(|_| (180.0, 0.0)).collect();
        assert!(of(&heat(Dimension::Net, &fifty, 10_000.0, 1_000.0), Dimension::Net) > 0.95);
        let many: Vec<_> = (0..64).map(|_| (3.0, 0.0)).collect();
        assert_eq!(of(&heat(Dimension::Net, &many, 10_000.0, 1_000.0), Dimension::Net), 0.0);
    }

    /// I2, and that chance is not divided by.
    #[test]
    fn nothing_is_divided_by_nothing() {
        let keys = [(30.0, 20.0), (25.0, 20.0)];
        assert_eq!(of(&heat(Dimension::Net, &keys, 1_000.0, 1_000.0), Dimension::Net), 0.0);
        assert_eq!(of(&heat(Dimension::Net, &keys, 1_000.0, 0.0), Dimension::Net), 0.0);
        assert_eq!(of(&heat(Dimension::Net, &keys, 0.0, 0.0), Dimension::Net), 0.0);
        // A slow flood: a tenth of all.
        let slow = of(&heat(Dimension::Net, &[(1_100.0, 0.0)], 11_000.0, 10_000.0), Dimension::Net);
        assert!((0.3..0.5).contains(&slow), "{slow}");
    }

    #[test]
    fn what_is_usually_concentrated_counts_less() {
        let parameters = Parameters::default();
        let visitor = heat(Dimension::Host, &[(15.0, 0.0)], 100.0, 100.0);
        let mut usual = Concentration::default();
        for _ in 0..700 {
            usual.compare(&visitor, 1.0, &parameters);
            usual.learn(&Pace::of(1.0, 1.0, false, &parameters));
        }
        assert_eq!(usual.compare(&visitor, 1.0, &parameters).sources, 0.0);
    }

    #[test]
    fn a_hot_page_convicts_with_other_evidence_only() {
        let page = Concentrated { share: 1.0, sources: 0.0, things: 1.0 };
        assert_eq!((page.weight(0.0), page.weight(1.0)), (0.3, 1.0));
        assert_eq!(Concentrated { sources: 0.8, ..page }.weight(0.0), 0.8);
    }
}
