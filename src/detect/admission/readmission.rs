//! How unknown clients come back after an attack: step by step, not all at once.
//!
//! While the gate defends, unknown clients [share](Readmission::hold) what known ones leave of the service's
//! capacity. After it, their rate [grows](Readmission::step) by a share of that capacity a second, as a service
//! warms up. Load above `readmission_load` pauses that, load above `overload_load` takes back as much a second.
//! It ends when for [`ENOUGH`] seconds they were allowed more than they asked for.
//!
//! # Invariants
//! - **I1** below `overload_load` the rate never falls from one step to the next;
//! - **I2** above `readmission_load` it never rises;
//! - **I3** it is never below [`LEAST`] of capacity, nor below one request a second: nobody is shut out for ever;
//! - **I4** without load it ends: in `asked / (readmission * capacity)` seconds and [`ENOUGH`].
//!
//! Source: the warm-up of Alibaba's Sentinel.

use super::{Parameters, sane};

/// The share of capacity that unknown clients always get.
const LEAST: f64 = 0.05;
/// So many seconds of being allowed more than is asked for.
const ENOUGH: f64 = 5.0;
/// More, by this factor: what is asked for varies.
const MORE: f64 = 1.2;

/// The rate that unknown clients share, as long as there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Readmission {
    rate: Option<f64>,
    /// How long it has been more than is asked for.
    enough: f64,
}

impl Readmission {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Requests a second that unknown clients share; `None` if they are not held.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// The gate defends: unknown clients get what is left of `capacity` by known ones, who ask for `known`.
    pub(crate) fn hold(&mut self, known: f64, capacity: f64) -> f64 {
        let capacity = sane(capacity);
        let rate = (capacity - sane(known)).max(least(capacity));
        *self = Self { rate: Some(rate), enough: 0.0 };
        rate
    }

    /// Some seconds after the attack, in which unknown clients asked for so many requests a second.
    pub(crate) fn step(
        &mut self,
        asked: f64,
        capacity: f64,
        load: f64,
        seconds: f64,
        parameters: &Parameters,
    ) -> Option<f64> {
        let rate = self.rate?;
        let (capacity, load, seconds) = (sane(capacity), sane(load), sane(seconds).min(10.0));
        let by = sane(parameters.readmission).max(1e-3) * capacity.max(1.0) * seconds;
        let rate = if load > parameters.overload_load.max(parameters.readmission_load) {
            (rate - by).max(least(capacity)).min(rate)
        } else if load > parameters.readmission_load {
            rate
        } else {
            rate + by
        };
        let is_enough = rate >= MORE * sane(asked) && load <= parameters.readmission_load;
        self.enough = if is_enough { self.enough + seconds } else { 0.0 };
        self.rate = (self.enough < ENOUGH).then_some(rate.min(1e18));
        self.rate
    }

    #[cfg(test)]
    /// Nobody is held any longer.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn is_sane(&self) -> bool {
        self.rate.is_none_or(|rate| rate.is_finite() && rate >= 0.0)
            && (0.0..=ENOUGH * 4.0).contains(&self.enough)
    }
}

fn least(capacity: f64) -> f64 {
    (capacity * LEAST).max(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Parameters, Readmission};
    use crate::test_support::cases;

    fn held() -> Readmission {
        let mut readmission = Readmission::new();
        assert_eq!(readmission.hold(800.0, 1_000.0), 200.0);
        readmission
    }

    fn step(readmission: &mut Readmission, asked: f64, load: f64) -> Option<f64> {
        readmission.step(asked, 1_000.0, load, 1.0, &Parameters::default())
    }

    /// I4.
    #[test]
    fn it_grows_to_what_is_asked_for_and_ends() {
        let mut readmission = held();
        let rates: Vec<f64> =
            core::iter::from_fn(|| step(&mut readmission, 500.0, 30.0)).take(100).collect();
        assert_eq!(rates, [300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0]);
        assert_eq!((readmission.rate(), step(&mut readmission, 1e9, 0.0)), (None, None));
    }

    #[test]
    fn load_pauses_it_and_overload_takes_back() {
        let mut readmission = held();
        let loads = [30.0, 71.0, 75.0, 85.0, 85.0, 85.0, 70.0];
        let rates = loads.map(|load| step(&mut readmission, 1e4, load).unwrap_or(0.0));
        assert_eq!(rates, [300.0, 300.0, 300.0, 200.0, 100.0, 50.0, 150.0]);
    }

    /// I3.
    #[test]
    fn some_always_come_in() {
        let mut readmission = Readmission::new();
        assert_eq!(readmission.hold(5_000.0, 1_000.0), 50.0);
        assert_eq!(readmission.hold(f64::NAN, f64::NAN), 1.0);
        assert_eq!(readmission.hold(10.0, 0.0), 1.0);
        readmission.end();
        assert_eq!(readmission.rate(), None);
    }

    /// What is asked for swings: it does not end on the first quiet second.
    #[test]
    fn it_ends_only_if_it_is_enough_for_a_while() {
        let mut readmission = held();
        for second in 0..40 {
            let asked = if second % 4 == 0 { 1e6 } else { 0.0 };
            assert!(step(&mut readmission, asked, 0.0).is_some());
        }
    }

    proptest! {
        #![proptest_config(cases(256))]

        /// I1, I2, I3.
        #[test]
        fn it_is_monotone_without_load(
            known in 0.0..2_000.0_f64,
            steps in prop::collection::vec((0.0..3_000.0_f64, 0.0..100.0_f64, any::<f64>()), 1..100),
        ) {
            let mut readmission = Readmission::new();
            let mut last = readmission.hold(known, 1_000.0);
            for (asked, load, seconds) in steps {
                let rate = readmission.step(asked, 1_000.0, load, seconds, &Parameters::default());
                prop_assert!(readmission.is_sane());
                let Some(rate) = rate else { break };
                prop_assert!(rate >= last || load > 80.0);
                prop_assert!(rate <= last || load <= 70.0);
                prop_assert!(rate.is_finite() && rate >= 50.0);
                last = rate;
            }
        }
    }

    use std::vec::Vec;
}
