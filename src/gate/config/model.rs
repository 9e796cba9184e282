//! The configuration as types, for formats other than TOML and for programs that write one.
//!
//! These types say what can be written, not whether it makes sense: texts stay texts. A configuration is
//! written as TOML and read as every other text, so that there is one meaning and one kind of error.

mod limit;
mod rule;

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

pub use self::{
    limit::{CostConfig, LimitBan, LimitConfig, LimitThen, LimitWord},
    rule::{
        Actions, AllowConfig, AllowTable, BanConfig, BanTable, Bypass, DenyConfig, DenyTable,
        RuleConfig, RuleThen, RuleWord,
    },
};
use super::{defence::DefenceConfig, face::ConfigError, fleet::FleetConfig};
use crate::{
    gate::{Gate, GateBuilder, MissingPeer, Mode},
    limit::OnSaturation,
    request::ClientGroup,
    rule::{Code, Diagnostic, Diagnostics, RuleMode},
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
#[non_exhaustive]
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
#[non_exhaustive]
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
#[non_exhaustive]
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
#[non_exhaustive]
pub enum ListValue {
    /// A whole number.
    Number(i64),
    /// A text, an address or a prefix.
    Text(String),
}

impl TypedList {
    /// A list of this type that holds these values at first.
    #[must_use]
    pub const fn new(holds: ListType, values: Vec<ListValue>) -> Self {
        Self { holds, values }
    }
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
