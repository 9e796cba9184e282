//! `[[limit]]` as types: how much of something may pass.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::{BanConfig, OneOrMany};
use crate::{
    gate::{MissingKey, config::fleet::ScopeConfig},
    limit::remote::OnFailure,
    rule::RuleMode,
};

/// `[[limit]]`: how much of something may pass. It has a `quota` or `in_flight`, and not both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend(
    "oneOf" = [{ "required": ["quota"] }, { "required": ["in_flight"] }],
    "if" = { "required": ["fail"] },
    "then" = { "required": ["scope"], "properties": { "scope": { "const": "fleet" } } }
)))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LimitConfig {
    /// A name that no other limit and no rule has.
    #[serde(alias = "id")]
    pub name: String,
    /// How many in a time, as in `100/min burst 20`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<String>,
    /// How many at a time, instead of a quota: so many requests in flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// Who counts together: `gate` unless it is said, or `fleet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeConfig>,
    /// What a limit of a fleet does while the store does not answer: `local` unless it is said, `open` or
    /// `closed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail: Option<OnFailure>,
    /// Which requests it is about; all, unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What is counted together: the values that these expressions have; each client's, unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OneOrMany<String>>,
    /// Which responses count, as in `status in {401 403}`; all, unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_if: Option<String>,
    /// What a request takes: a number, or an expression that has one; 1 unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostConfig>,
    /// Only distinct values of this expression count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct: Option<String>,
    /// What becomes of requests that lack a part of `by`: `group`, `skip` or `deny`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingKey>,
    /// What becomes of who has used it up: `throttle` unless it is said, or a ban.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<LimitThen>,
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

/// What a request takes from a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a whole number, or an expression that has one")]
#[non_exhaustive]
pub enum CostConfig {
    /// So many units.
    Units(u32),
    /// What this expression says.
    Value(String),
}

/// What becomes of who has used up a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "\"throttle\", or a table with ban, escalate and max")]
#[non_exhaustive]
pub enum LimitThen {
    /// In a word.
    Word(LimitWord),
    /// A ban.
    Table(LimitBan),
}

/// What becomes of who has used up a limit, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LimitWord {
    /// What is beyond the limit is refused.
    Throttle,
}

/// A ban of who has used up a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LimitBan {
    /// How long it is the first time.
    pub ban: BanConfig,
    /// Each further time is longer by this factor; 1 unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate: Option<u32>,
    /// But never longer than this; a day unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
}

impl LimitBan {
    /// A ban of this length, each time, unless more is said.
    ///
    /// # Example: a limit that bans, by a program
    /// ```
    /// use portcullis::{Gate, gate::config::*};
    ///
    /// let mut limit = LimitConfig::default();
    /// limit.name = "logins".into();
    /// limit.quota = Some("5/min".into());
    /// limit.then = Some(LimitThen::Table(LimitBan::new(BanConfig::For("15m".into()))));
    /// let mut config = GateConfig::default();
    /// config.limit = vec![limit];
    /// let gate = Gate::builder().build_config(&config)?;
    /// # Ok::<(), portcullis::gate::config::ConfigError>(())
    /// ```
    #[must_use]
    pub const fn new(ban: BanConfig) -> Self {
        Self { ban, escalate: None, max: None }
    }
}
