//! `[[rule]]` as types: conditions, and what can follow from them.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::OneOrMany;
use crate::rule::{Class, RuleMode};

/// `[[rule]]`: a condition, and what follows from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RuleConfig {
    /// A name that no other rule and no limit has.
    #[serde(alias = "id")]
    pub name: String,
    /// The condition, as in `path eq "/login"`.
    pub when: String,
    /// What follows: a word, several, or a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<RuleThen>,
    /// No later rule is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<AllowConfig>,
    /// The request is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny: Option<DenyConfig>,
    /// The request is refused, and its client for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<BanConfig>,
    /// What is passed over: `rules`, `limits` or a group as in `group:crawlers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<OneOrMany<String>>,
    /// It is counted, as every rule is, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<bool>,
    /// The verdict names the rule, for the service to log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<bool>,
    /// Later rules see `tag["name"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<OneOrMany<String>>,
    /// Adds to `score`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<i32>,
    /// How important the request is when not all can be served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Lower is earlier; 0 unless it is said, and the order of the file among equals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// How far it goes: `enforce`, `shadow` or `off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RuleMode>,
    /// The share of clients that it is enforced for, 0.0 to 1.0; it is only counted for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforce_share: Option<f64>,
    /// The group that it belongs to, one of `[groups]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// What follows from a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "\"deny\", \"allow\", \"count\" or \"log\", an array of these, or a table of actions"
)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "a configuration is small")]
pub enum RuleThen {
    /// One thing, or several.
    Words(OneOrMany<RuleWord>),
    /// With all that there is to say.
    Table(Actions),
}

/// What follows from a rule, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RuleWord {
    /// The request is refused with status 403.
    Deny,
    /// No later rule is asked.
    Allow,
    /// It is counted.
    Count,
    /// The verdict names the rule.
    Log,
}

/// What follows from a rule, in a table: the same keys as those of the rule itself.
// Written out in both: serde cannot flatten into a type that refuses unknown keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Actions {
    /// No later rule is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<AllowConfig>,
    /// The request is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<DenyConfig>,
    /// The request is refused, and its client for a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ban: Option<BanConfig>,
    /// Each further ban is longer by this factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalate: Option<u32>,
    /// But never longer than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// What is passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<OneOrMany<String>>,
    /// It is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<bool>,
    /// The verdict names the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<bool>,
    /// Later rules see `tag["name"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<OneOrMany<String>>,
    /// Adds to `score`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<i32>,
    /// How important the request is when not all can be served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
}

/// Whether, and how far, a request is let through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "true, or a table with bypass")]
#[non_exhaustive]
pub enum AllowConfig {
    /// Limits and shedding still apply.
    Plain(bool),
    /// Some of them do not.
    Table(AllowTable),
}

/// What does not apply to what is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AllowTable {
    /// What does not apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bypass: Option<OneOrMany<Bypass>>,
}

/// What an allowed request can be spared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Bypass {
    /// Limits.
    Limits,
    /// Shedding.
    Shed,
}

/// How a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "true, a status, or a table with status")]
#[non_exhaustive]
pub enum DenyConfig {
    /// With status 403.
    Plain(bool),
    /// With this status.
    Status(u16),
    /// With what the table says.
    Table(DenyTable),
}

/// How a request is refused, in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DenyTable {
    /// 400 to 599; 403 unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// How long a client is kept out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "a length of time, as in \"15m\", or a table with for, escalate and max"
)]
#[non_exhaustive]
pub enum BanConfig {
    /// So long, each time.
    For(String),
    /// Longer and longer.
    Table(BanTable),
}

/// How long a client is kept out, in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BanTable {
    /// The first time, as in `15m`.
    #[serde(rename = "for")]
    pub first: String,
    /// Each further time is longer by this factor; 1 unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate: Option<u32>,
    /// But never longer than this; a day unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
}
