//! What each parameter can be: one table, for builders and for texts.
//!
//! # Invariants
//! - **I1** every parameter is in the table, and the usual values are possible;
//! - **I2** what the table lets pass makes no division by zero, no threshold that is never reached because
//!   another one is above it, and no memory beyond what is fixed.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use super::Parameters;

/// One of the parameters.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) range: Range,
    pub(crate) get: fn(&Parameters) -> Number,
    /// Sets it; what the range does not have, or is of the wrong kind, is not set.
    pub(crate) set: fn(&mut Parameters, Number),
}

/// From the first to the second, with both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Range {
    Whole(u64, u64),
    Real(f64, f64),
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Whole(u64),
    Real(f64),
}

impl Range {
    pub(crate) fn contains(self, number: Number) -> bool {
        match (self, number) {
            (Self::Whole(least, most), Number::Whole(number)) => (least..=most).contains(&number),
            // Not if it is no number.
            (Self::Real(least, most), Number::Real(number)) => (least..=most).contains(&number),
            _ => false,
        }
    }
}

/// `from 1 to 100`.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(least, most) => write!(f, "a whole number from {least} to {most}"),
            Self::Real(least, most) => write!(f, "a number from {least:?} to {most:?}"),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Real(number) => write!(f, "{number:?}"),
        }
    }
}

/// What a parameter is held in.
trait Held {
    fn number(&self) -> Number;
    fn take(&mut self, number: Number);
}

impl Held for u32 {
    fn number(&self) -> Number {
        Number::Whole(u64::from(*self))
    }

    fn take(&mut self, number: Number) {
        if let Number::Whole(number) = number {
            *self = Self::try_from(number).unwrap_or(*self);
        }
    }
}

impl Held for u64 {
    fn number(&self) -> Number {
        Number::Whole(*self)
    }

    fn take(&mut self, number: Number) {
        if let Number::Whole(number) = number {
            *self = number;
        }
    }
}

impl Held for f64 {
    fn number(&self) -> Number {
        Number::Real(*self)
    }

    fn take(&mut self, number: Number) {
        if let Number::Real(number) = number {
            *self = number;
        }
    }
}

macro_rules! parameters {
    ($($name:ident: $kind:ident($least:literal, $most:literal);)*) => {
        /// All of them.
        pub(crate) const PARAMETERS: &[Parameter] = &[$(
            Parameter {
                name: stringify!($name),
                range: Range::$kind($least, $most),
                get: |all| all.$name.number(),
                set: |all, number| all.$name.take(number),
            }
        ),*];
        /// Their names.
        pub(crate) const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// I1: without one of them, this does not compile.
        const fn _all(all: &Parameters) {
            let Parameters { $($name: _),* } = all;
        }
    };
}

parameters! {
    half_life: Whole(1, 86_400);
    slow_half_life: Whole(1, 604_800);
    deviation_floor: Real(0.01, 2.0);
    alarm_z: Real(1.0, 20.0);
    clip: Real(0.5, 20.0);
    gate: Real(1.0, 100.0);
    cold_seconds: Whole(0, 604_800);
    cold_requests: Whole(0, 1_000_000_000);
    mix_distance: Real(0.5, 36.0);
    elevated_attack: Real(1.0, 100.0);
    elevated_load: Real(1.0, 100.0);
    overload_load: Real(1.0, 100.0);
    overload_attack: Real(1.0, 100.0);
    defend_attack: Real(1.0, 100.0);
    defend_attack_loaded: Real(1.0, 100.0);
    lockdown_load: Real(1.0, 100.0);
    lockdown_seconds: Whole(0, 3_600);
    dwell_seconds: Whole(0, 3_600);
    calm_seconds: Whole(1, 86_400);
    unloaded_seconds: Whole(1, 86_400);
    again_seconds: Whole(0, 86_400);
    slowest_seconds: Whole(1, 604_800);
    most_changes: Whole(1, 1_000);
    frozen_seconds: Whole(0, 2_592_000);
    relearn: Real(0.0, 1.0);
    covers: Real(0.01, 1.0);
    harms: Real(0.0, 0.5);
    mitigations: Whole(0, 64);
    mitigation_seconds: Whole(1, 86_400);
    renewed_at: Real(0.0, 1.0);
    throttle: Real(0.1, 1_000.0);
    deny_after_seconds: Whole(0, 86_400);
    readmission: Real(0.001, 1.0);
    readmission_load: Real(1.0, 100.0);
    known_seconds: Whole(60, 31_536_000);
}

impl Parameters {
    /// What is wrong with them: the name of each that is, and why.
    pub(crate) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        for Parameter { name, range, get, .. } in PARAMETERS {
            let number = get(self);
            if !range.contains(number) {
                problems.push((*name, format!("is {range}, and not {number}")));
            }
        }
        let mut ordered = |low: (&'static str, f64), high: (&'static str, f64)| {
            if low.1 > high.1 {
                let why = format!("is at most `{}`, {:?}, and not {:?}", high.0, high.1, low.1);
                problems.push((low.0, why));
            }
        };
        let elevated = ("elevated_load", self.elevated_load);
        let overload = ("overload_load", self.overload_load);
        let defend = ("defend_attack", self.defend_attack);
        ordered(elevated, overload);
        ordered(overload, ("lockdown_load", self.lockdown_load));
        ordered(("elevated_attack", self.elevated_attack), defend);
        ordered(("defend_attack_loaded", self.defend_attack_loaded), defend);
        let mut ordered = |low: (&'static str, u32), high: (&'static str, u32)| {
            if low.1 > high.1 {
                let why = format!("is at most `{}`, {}, and not {}", high.0, high.1, low.1);
                problems.push((low.0, why));
            }
        };
        let slowest = ("slowest_seconds", self.slowest_seconds);
        ordered(("half_life", self.half_life), ("slow_half_life", self.slow_half_life));
        ordered(("calm_seconds", self.calm_seconds), slowest);
        ordered(("unloaded_seconds", self.unloaded_seconds), slowest);
        problems
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, string::String, vec, vec::Vec};

    use super::{NAMES, Number, PARAMETERS, Parameter, Parameters, Range};

    fn told(parameters: &Parameters) -> Vec<(&'static str, String)> {
        parameters.problems()
    }

    /// I1.
    #[test]
    fn the_usual_values_are_possible() {
        assert_eq!(told(&Parameters::default()), []);
        assert_eq!(NAMES.iter().collect::<BTreeSet<_>>().len(), PARAMETERS.len());
    }

    #[test]
    fn both_ends_of_each_range_are_in_and_what_is_beyond_is_out() {
        for Parameter { name, range, set, get } in PARAMETERS {
            let (inside, outside) = match *range {
                Range::Whole(least, most) => {
                    let below = least.checked_sub(1);
                    let outside = below.into_iter().chain([most + 1]).map(Number::Whole);
                    (vec![Number::Whole(least), Number::Whole(most)], outside.collect::<Vec<_>>())
                }
                Range::Real(least, most) => {
                    let odd =
                        [least - 0.001, most + 0.001, f64::NAN, f64::INFINITY, -f64::INFINITY];
                    (vec![Number::Real(least), Number::Real(most)], odd.map(Number::Real).to_vec())
                }
            };
            let tells = |number: Number| {
                let mut parameters = Parameters::default();
                set(&mut parameters, number);
                assert_eq!(std::format!("{:?}", get(&parameters)), std::format!("{number:?}"));
                let why = std::format!("is {range}, and not {number}");
                told(&parameters).contains(&(*name, why))
            };
            assert!(inside.into_iter().all(|number| !tells(number)), "{name}");
            assert!(outside.into_iter().all(tells), "{name}");
        }
    }

    /// I2.
    #[test]
    fn thresholds_that_contradict_each_other_are_told() {
        let parameters = Parameters {
            elevated_load: 81.0,
            overload_load: 80.0,
            calm_seconds: 100,
            slowest_seconds: 99,
            ..Parameters::default()
        };
        assert_eq!(
            told(&parameters),
            [
                ("elevated_load", "is at most `overload_load`, 80.0, and not 81.0".into()),
                ("calm_seconds", "is at most `slowest_seconds`, 99, and not 100".into()),
            ]
        );
    }

    #[test]
    fn what_is_of_the_wrong_kind_is_not_set() {
        let mut parameters = Parameters::default();
        for Parameter { range, set, .. } in PARAMETERS {
            let wrong = match range {
                Range::Whole(..) => Number::Real(3.0),
                Range::Real(..) => Number::Whole(3),
            };
            assert!(!range.contains(wrong));
            set(&mut parameters, wrong);
        }
        assert_eq!(parameters, Parameters::default());
    }

    /// The names are those that serde knows.
    #[cfg(feature = "serde")]
    #[test]
    fn the_table_is_complete() {
        let json = serde_json::to_value(Parameters::default()).unwrap();
        let known: BTreeSet<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(NAMES.iter().copied().collect::<BTreeSet<_>>(), known);
    }
}
