//! The configuration as types, for formats other than TOML and for programs that write one.
//!
//! These types say what can be written, not whether it makes sense: texts stay texts. A configuration is
//! written as TOML and read as every other text, so that there is one meaning and one kind of error.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{
    defence::DefenceConfig,
    face::ConfigError,
    fleet::{FleetConfig, ScopeConfig},
};
use crate::{
    gate::{Gate, GateBuilder, MissingKey, MissingPeer, Mode},
    limit::{OnSaturation, remote::OnFailure},
    request::ClientGroup,
    rule::{Class, Code, Diagnostic, Diagnostics, RuleMode},
};

/// A gate's configuration as a value: what [the file](super) says, key by key.
///
/// It is read from and written to every format that serde knows. In all of them it has the keys of the TOML
/// file, and means the same.
///
/// # Example: the same gate from JSON
/// ```
/// use portcullis::{Gate, gate::config::GateConfig};
///
/// let json = r#"{
///     "rule": [{ "name": "no dot files", "when": "path wildcard \"/.*\"", "then": "deny" }],
///     "limit": [{ "name": "per client", "by": ["client"], "quota": "100/min burst 20" }]
/// }"#;
/// let config: GateConfig = serde_json::from_str(json)?;
/// let gate = Gate::builder().build_config(&config)?;
///
/// let toml = config.to_toml();
/// assert_eq!(GateConfig::from_toml(&toml)?, config);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(description = "The configuration of a gate: who may pass, and how much.")
)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GateConfig {
    /// How far the gate goes: `enforce`, `observe` or `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Addresses and prefixes that are never banned, limited or shed: health checks, operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempt: Option<OneOrMany<String>>,
    /// Addresses and prefixes that `deny` does not apply to. Limits do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<OneOrMany<String>>,
    /// Addresses and prefixes that are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<OneOrMany<String>>,
    /// How many clients each limit remembers at a time; 100,000 unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<u32>,
    /// What all clients together get that no place is found for, as in `50/s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newcomers: Option<String>,
    /// How many bans there can be at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bans: Option<u32>,
    /// What becomes of requests whose peer is not known: `skip`, `shared` or `deny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_peer: Option<MissingPeer>,
    /// What becomes of new clients while no place is left: `deny` or `allow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_saturation: Option<OnSaturation>,
    /// Who the client is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientConfig>,
    /// Fields of the service's own, and what they hold.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, FieldType>,
    /// Lists that conditions can name, as in `$office`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, ListConfig>,
    /// Groups of rules and limits, and how far they go.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, RuleMode>,
    /// What is judged by its content, in this order unless priorities are given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rule: Vec<RuleConfig>,
    /// How much may pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limit: Vec<LimitConfig>,
    /// What limits of a fleet have in common.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fleet: Option<FleetConfig>,
    /// What the gate does by itself.
    #[serde(alias = "defense", skip_serializing_if = "Option::is_none")]
    pub defence: Option<DefenceConfig>,
}

/// One, or several in an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(untagged, expecting = "one, or an array of them")]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// Several, in this order.
    Many(Vec<T>),
}

/// `[client]`: who the client is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The proxies whose forwarding header is believed: their addresses, or how many they are; nobody
    /// unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<TrustConfig>,
    /// The one header that they write: `x-forwarded-for` unless it is said, `forwarded`, or another one
    /// that has a single address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// What counts as one client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<ClientGroup>,
}

/// The proxies that are believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "addresses of proxies in an array, or the number of proxies")]
pub enum TrustConfig {
    /// So many, the peer among them.
    Hops(u8),
    /// Those with these addresses; `loopback`, `linklocal` and `uniquelocal` are names for some.
    Nets(OneOrMany<String>),
}

/// What a field of the service's own holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FieldType {
    /// Bytes, a text usually.
    Bytes,
    /// A whole number.
    Int,
    /// Yes or no.
    Bool,
    /// An address.
    Ip,
}

/// What a list holds at first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "an array of addresses, texts or numbers, or a table with type and values"
)]
pub enum ListConfig {
    /// These values, whose type can be seen; if there are none, it is the one that conditions need.
    Values(Vec<ListValue>),
    /// Values of this type.
    Typed(TypedList),
}

/// A list whose type is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TypedList {
    /// What it holds.
    #[serde(rename = "type")]
    pub holds: ListType,
    /// What that is at first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ListValue>,
}

/// What a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ListType {
    /// Addresses and prefixes.
    #[serde(alias = "ip")]
    Addresses,
    /// Texts, compared byte by byte.
    #[serde(alias = "bytes")]
    Text,
    /// Whole numbers.
    #[serde(alias = "int")]
    Number,
}

/// A value of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a text or a whole number")]
pub enum ListValue {
    /// A whole number.
    Number(i64),
    /// A text, an address or a prefix.
    Text(String),
}

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

impl GateConfig {
    /// The configuration that a text says, if a gate could be built from it alone.
    ///
    /// # Errors
    /// All mistakes of the text at once.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Gate::builder().check_toml(text)?;
        toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or(0..text.len());
            let found = Diagnostic::new(Code::Format, span, error.message());
            Diagnostics::new(text, alloc::vec![found])
        })
    }

    /// What can be written, as a JSON Schema, for completion in editors.
    ///
    /// It is in the repository as `src/gate/config/gate.schema.json`. In a TOML file, a first line
    /// `#:schema gate.schema.json` names it.
    #[cfg(feature = "schema")]
    #[must_use]
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }

    /// The text of this configuration: a file that says the same.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // What can not be written in TOML, none of these types can hold.
        toml::to_string(self).unwrap_or_default()
    }
}

impl GateBuilder {
    /// The gate that a configuration describes, on top of what was described here; as
    /// [`build_toml`](Self::build_toml) of [its text](GateConfig::to_toml).
    ///
    /// # Errors
    /// All mistakes at once, each with its place in that text.
    pub fn build_config(self, config: &GateConfig) -> Result<Gate, ConfigError> {
        self.build_toml(&config.to_toml())
    }
}
