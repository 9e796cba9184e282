//! What a file says of a fleet: its `[fleet]`, and which limits are limits of it.
//!
//! The secret that subjects are hashed with is not for files; it comes from the
//! [builder](crate::GateBuilder::fleet), as whatever else the file leaves out.

use alloc::{
    format,
    string::{String, ToString as _},
};
use core::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::{
    read::Reader,
    section::{Keys, Report, Section, Value},
    then::{self, Like},
};
use crate::{
    gate::plan::Scope,
    limit::remote::{FleetSettings, KEYS, LEASE_MS, NODES, OnFailure, TIMEOUT_MS},
    rule::{Code, Diagnostic},
};

pub(super) const FLEET: Keys = Keys {
    what: "`[fleet]`",
    known: &["nodes", "prefix", "lease", "timeout", "keys"],
    aliases: &[],
};

const LIKE: Like = Like {
    expected: "a length of time, as in \"100ms\"",
    unit: ("ms", "milliseconds"),
    help: "as in \"100ms\" or \"1s\"",
};

/// `[fleet]`: what limits of a fleet have in common. All nodes of it should say the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FleetConfig {
    /// How many nodes take part, 1 to 1,000,000: leases, and what each node lets pass by itself, are divided by
    /// it; 1 unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// What the names of all keys begin with, as in `shop`: up to 64 visible ASCII characters without braces;
    /// nothing unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// For how long a node provides itself with units, `1ms` to `10s`; `100ms` unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    /// How long a check waits for the store, `1ms` to `10s`; `20ms` unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// How many keys a node remembers at a time, up to 16,777,216; 65,536 unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<u32>,
}

/// Who counts together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScopeConfig {
    /// This gate by itself.
    #[default]
    Gate,
    /// All nodes of a fleet, in a store that they share.
    Fleet,
}

/// The `[fleet]` of a file: what it says, on top of what the program has said.
pub(super) fn read<'a>(reader: &mut Reader<'a>, value: &Value<'a>) {
    let report = &mut reader.report;
    let Some(section) = Section::of(report, value, &FLEET) else { return };
    if let DeValue::Table(table) = value.get() {
        if let Some((key, _)) = table.get_key_value("secret") {
            let help =
                "a secret is not for files: give it to the builder, with `FleetSettings::secret`";
            report.advise(key.span(), help);
        }
    }
    let fleet = &mut reader.plan.fleet;
    let mut change = |with: &dyn Fn(FleetSettings) -> FleetSettings| *fleet = with(fleet.clone());
    if let Some(nodes) = section.get("nodes").and_then(|it| number(report, &it, &NODES)) {
        change(&|fleet| fleet.nodes(nodes));
    }
    if let Some(prefix) = section.get("prefix").and_then(|it| prefix(report, &it)) {
        change(&|fleet| fleet.prefix(prefix));
    }
    if let Some(lease) = section.get("lease").and_then(|it| time(report, &it, &LEASE_MS)) {
        change(&|fleet| fleet.lease(lease));
    }
    if let Some(timeout) = section.get("timeout").and_then(|it| time(report, &it, &TIMEOUT_MS)) {
        change(&|fleet| fleet.timeout(timeout));
    }
    if let Some(value) = section.get("keys") {
        reader.places.fleet_keys = Some(value.span());
        let keys = number(report, &value, &KEYS).and_then(|keys| usize::try_from(keys).ok());
        if let Some(keys) = keys {
            change(&|fleet| fleet.keys(keys));
        }
    }
}

/// Who counts together in a limit. What is wrong is told, and the rest is read as if it was left out.
pub(super) fn scope<'a>(report: &mut Report<'a>, limit: &Section<'a>) -> Scope {
    const SCOPES: &[(&str, ScopeConfig)] =
        &[("gate", ScopeConfig::Gate), ("fleet", ScopeConfig::Fleet)];
    const FAIL: &[(&str, OnFailure)] =
        &[("local", OnFailure::Local), ("open", OnFailure::Open), ("closed", OnFailure::Closed)];
    let scope = match limit.get("scope") {
        Some(value) => value.word(report, SCOPES),
        None => Some(ScopeConfig::Gate),
    };
    let fail = limit.get("fail");
    let on_failure = fail.as_ref().and_then(|value| value.word(report, FAIL)).unwrap_or_default();
    match (scope, fail) {
        (Some(ScopeConfig::Fleet), _) => Scope::Fleet(on_failure),
        (Some(ScopeConfig::Gate), Some(value)) => {
            let message = "`fail` is for limits of a fleet, whose store can fail, and this is none";
            let diagnostic = Diagnostic::new(Code::Conflict, value.span(), message)
                .with_help("add scope = \"fleet\", or leave it out");
            report.push(&value.place, diagnostic);
            Scope::Gate
        }
        (Some(ScopeConfig::Gate) | None, _) => Scope::Gate,
    }
}

/// A number in this range.
fn number<'a>(
    report: &mut Report<'a>,
    value: &Value<'a>,
    range: &RangeInclusive<u64>,
) -> Option<u32> {
    let [least, most] = [*range.start(), *range.end()].map(|end| i64::try_from(end).ok());
    let number = value.number(report, least?..=most?)?;
    u32::try_from(number).ok()
}

/// A length of time in this range of milliseconds.
fn time<'a>(
    report: &mut Report<'a>,
    value: &Value<'a>,
    range: &RangeInclusive<u64>,
) -> Option<Duration> {
    let time = then::time(report, value, &LIKE)?;
    let [least, most] = [*range.start(), *range.end()].map(Duration::from_millis);
    if (least..=most).contains(&time) {
        return Some(time);
    }
    let message = format!("expected a length of time from {least:?} to {most:?}");
    value.refuse(report, message);
    None
}

/// What the names of keys can begin with.
fn prefix<'a>(report: &mut Report<'a>, value: &Value<'a>) -> Option<&'a str> {
    let text = value.text(report, "a text, as in \"shop\"")?;
    match FleetSettings::new().prefix(text.value).problems().next() {
        None => Some(text.value),
        Some(problem) => {
            value.refuse(report, problem.to_string());
            None
        }
    }
}
