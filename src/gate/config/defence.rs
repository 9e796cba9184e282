//! The `[defence]` of a file: what can be written there, and how it is read.

use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::{
    limits::single,
    model::OneOrMany,
    read::Reader,
    section::{Keys, Report, Section, Value},
};
use crate::{
    detect::{Defence, NAMES, Number, PARAMETERS, Parameter, Parameters, Posture, Range},
    rule::{Code, Diagnostic},
};

pub(super) const DEFENCE: Keys =
    Keys { what: "`[defence]`", known: &["auto", "dimensions", "parameters"], aliases: &[] };

pub(super) const PARAMETER: Keys =
    Keys { what: "`[defence.parameters]`", known: NAMES, aliases: &[] };

/// `[defence]`: what the gate does by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DefenceConfig {
    /// How far it may go by itself: `off`, `elevated`, `overload`, `defend` or `lockdown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto: Option<AutoDefence>,
    /// Up to two values of requests that it looks at besides its own, when it searches for what an attack has
    /// in common, as in `tenant`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<OneOrMany<String>>,
    /// The numbers that it goes by, where they are to be others than the usual ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<ParametersConfig>,
}

/// How far the gate may go by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AutoDefence {
    /// Not at all; also as `normal`.
    #[default]
    #[serde(alias = "normal")]
    Off,
    /// It watches and tells, and refuses nothing.
    Elevated,
    /// It sheds what is least important while the service is busy.
    Overload,
    /// It throttles and denies what it recognises, and unknown clients share what the known ones leave.
    Defend,
    /// It serves known clients and what is critical only, if all else does not help.
    Lockdown,
}

/// `[defence.parameters]`: the numbers that the gate goes by, as
/// [`Parameters`](crate::detect::Parameters) says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ParametersConfig {
    /// Half-life of what is usual, in ticks: 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_life: Option<u32>,
    /// Half-life of the slow mean that the gate of volume compares with, in ticks: 1,440.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_half_life: Option<u32>,
    /// The least deviation of the logarithm of volume that is believed in: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation_floor: Option<f64>,
    /// So many deviations above the usual are an alarm: 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm_z: Option<f64>,
    /// What is learned from an unusual tick is clipped at so many deviations: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// And it is no alarm unless volume is so many times the slow mean: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<f64>,
    /// Nothing above elevated in the first so many seconds, apart from load: 600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold_seconds: Option<u32>,
    /// Nor in the first so many requests: 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold_requests: Option<u64>,
    /// A mean square distance of the mix above this is a shift: 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix_distance: Option<f64>,
    /// Attack at which the posture becomes elevated: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elevated_attack: Option<f64>,
    /// Load at which the posture becomes elevated: 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elevated_load: Option<f64>,
    /// Load at which it becomes overload: 80.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overload_load: Option<f64>,
    /// If the attack is below this: 40.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overload_attack: Option<f64>,
    /// Attack at which it becomes defend, in 3 of 5 ticks: 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defend_attack: Option<f64>,
    /// Attack at which it does so under `overload_load`: 40.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defend_attack_loaded: Option<f64>,
    /// Load at which it becomes lockdown: 90.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lockdown_load: Option<f64>,
    /// After so many seconds of it: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lockdown_seconds: Option<u32>,
    /// No posture is left in the direction of normal before so many seconds: 15.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dwell_seconds: Option<u32>,
    /// So many quiet seconds lead from elevated to normal, and from defend down: 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calm_seconds: Option<u32>,
    /// So many seconds without load lead out of overload and lockdown: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unloaded_seconds: Option<u32>,
    /// What comes back within so many seconds is left twice as slowly: 600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again_seconds: Option<u32>,
    /// But never more slowly than this, in seconds: 1,800.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowest_seconds: Option<u32>,
    /// More changes of posture than this in ten minutes keep the higher one: 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_changes: Option<u32>,
    /// Nothing is learned while the posture is not normal, for at most so many seconds: 21,600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen_seconds: Option<u32>,
    /// After that it is learned so many times as fast as usual: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relearn: Option<f64>,
    /// A mitigation covers at least this share of the excess: 0.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covers: Option<f64>,
    /// And at most this share of the usual traffic: 0.01.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub harms: Option<f64>,
    /// So many mitigations at a time: 64, which is also the most that there can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mitigations: Option<u32>,
    /// A mitigation ends after so many seconds without matches: 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mitigation_seconds: Option<u32>,
    /// It is renewed by matches at this share of the rate that made it: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewed_at: Option<f64>,
    /// A throttled client gets so many times what the busiest of a hundred usual clients asks for: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttle: Option<f64>,
    /// A mitigation that goes on matching denies after so many seconds of throttling: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_after_seconds: Option<u32>,
    /// Unknown clients get back this share of the service's capacity a second: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readmission: Option<f64>,
    /// Unless load is above this: 70.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readmission_load: Option<f64>,
    /// A network counts as known for at least so many seconds after it was served: 86,400. An hour, if that is less, while
    /// more than some 120,000 networks come in that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_seconds: Option<u32>,
}

pub(super) fn read<'a>(reader: &mut Reader<'a>, value: &Value<'a>) {
    const AUTO: &[(&str, Posture)] = &[
        ("off", Posture::Normal),
        ("normal", Posture::Normal),
        ("elevated", Posture::Elevated),
        ("overload", Posture::Overload),
        ("defend", Posture::Defend),
        ("lockdown", Posture::Lockdown),
    ];
    let Some(section) = Section::of(&mut reader.report, value, &DEFENCE) else { return };
    reader.places.defence.push(("", section.place.clone(), section.span.clone()));
    let base = reader.plan.defence.take();
    let mut defence = base.unwrap_or_else(|| Defence::up_to(Posture::Normal));
    if let Some(auto) = section.get("auto").and_then(|it| it.word(&mut reader.report, AUTO)) {
        defence.up_to = auto;
    }
    if let Some(value) = section.get("dimensions") {
        reader.places.defence.push(("dimensions", value.place.clone(), value.span()));
        let terms: Vec<_> = value.items().iter().map(|item| single(reader, item)).collect();
        if let Some(terms) = terms.into_iter().collect() {
            defence.dimensions = terms;
        }
    }
    if let Some(value) = section.get("parameters") {
        parameters(reader, &value, &mut defence.parameters);
    }
    reader.plan.defence = Some(defence);
}

fn parameters<'a>(reader: &mut Reader<'a>, value: &Value<'a>, all: &mut Parameters) {
    let Some(section) = Section::of(&mut reader.report, value, &PARAMETER) else { return };
    for Parameter { name, range, set, .. } in PARAMETERS {
        let Some(value) = section.get(name) else { continue };
        reader.places.defence.push((name, value.place.clone(), value.span()));
        if let Some(number) = number(&mut reader.report, &value, name, *range) {
            set(all, number);
        }
    }
}

/// The number in this range that a value must be.
fn number<'a>(
    report: &mut Report<'a>,
    value: &Value<'a>,
    name: &str,
    range: Range,
) -> Option<Number> {
    let number = match (value.get(), range) {
        (DeValue::Integer(_), Range::Whole(..)) => {
            value.as_number().and_then(|it| u64::try_from(it).ok()).map(Number::Whole)
        }
        (DeValue::Float(text), Range::Real(..)) => text.as_str().parse().ok().map(Number::Real),
        // Small ones are exact, and the others are beyond every range.
        (DeValue::Integer(_), Range::Real(..)) => {
            let small = value.as_number().and_then(|it| i32::try_from(it).ok());
            small.map(|it| Number::Real(f64::from(it)))
        }
        _ => {
            value.wrong(report, &range.to_string());
            return None;
        }
    };
    let number = number.filter(|number| range.contains(*number));
    if number.is_none() {
        let message = format!("`{name}` is {range}");
        let usual = PARAMETERS.iter().find(|it| it.name == name);
        let usual = usual.map(|it| (it.get)(&Parameters::default()));
        let diagnostic = Diagnostic::new(Code::BadValue, value.span(), message);
        let diagnostic = match usual {
            Some(usual) => diagnostic.with_help(format!("{usual} unless it is said")),
            None => diagnostic,
        };
        report.push(&value.place, diagnostic);
    }
    number
}
