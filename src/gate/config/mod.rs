//! A gate from a text: TOML, or any format that serde reads.
//!
//! [`Gate::from_toml`](crate::Gate::from_toml) builds a gate,
//! [`Gate::reload`](crate::Gate::reload) changes one at work, [`GateBuilder::build_toml`] puts a text on
//! top of what a program describes, and [`GateBuilder::check_toml`] only looks for mistakes and oddities.
//! Other formats are read into a [`GateConfig`], for [`GateBuilder::build_config`].
//!
//! [`GateBuilder::build_toml`]: crate::GateBuilder::build_toml
//! [`GateBuilder::check_toml`]: crate::GateBuilder::check_toml
//! [`GateBuilder::build_config`]: crate::GateBuilder::build_config
//!
//! # Example: a whole file
//! ```toml
#![doc = include_str!("../../../examples/gate.toml")]
//! ```
//!
//! # The file
//! All keys may be left out. A key that is not here is an error, never passed over.
//!
//! | key | value | if it is left out |
//! |---|---|---|
//! | `mode` | `"enforce"`, `"observe"`, `"off"`: [`Mode`](crate::Mode) | `"enforce"` |
//! | `exempt` | addresses and prefixes that are never banned, limited or shed | nobody |
//! | `deny`, `allow` | addresses that are refused, and those of them that are not | nobody |
//! | `clients` | how many clients each limit remembers | 100,000 |
//! | `newcomers` | a quota for all whom no place is found for | a hundredth of `clients` a second |
//! | `bans` | how many bans there can be at a time | see [`Gate`](crate::Gate) |
//! | `missing_peer` | `"skip"`, `"shared"`, `"deny"`: [`MissingPeer`](crate::MissingPeer) | `"skip"` |
//! | `on_saturation` | `"deny"`, `"allow"`: [`OnSaturation`](crate::OnSaturation) | `"deny"` |
//! | `[client]` | who the client is, see below | the peer |
//! | `[fields]` | fields of the service's own: `tenant = "bytes"`, or `"int"`, `"bool"`, `"ip"` | none |
//! | `[lists]` | lists that conditions name as in `$office`, see below | none |
//! | `[groups]` | groups of rules and limits, and how far they go: `crawlers = "shadow"` | none |
//! | `[[rule]]` | a condition and what follows, see below | none |
//! | `[[limit]]` | how much may pass, see below | none |
//! | `[fleet]` | what limits of a fleet have in common, see below | one node |
//! | `[defence]` | what the gate does by itself, see below | nothing |
//!
//! Addresses are `"192.0.2.1"` or `"192.0.2.0/24"`, one or an array of them. Quotas are
//! `"100/min burst 20"`, as [`Quota`](crate::Quota) reads them. Lengths of time are `"15m"`, `"1d"`,
//! `"1m30s"`. Conditions and values are expressions of the [rules](crate::rule); a literal string (`'…'`)
//! spares escaping their quotes.
//!
//! ## `[client]`
//! | key | value | if it is left out |
//! |---|---|---|
//! | `trust` | the proxies whose header is believed: addresses (`"loopback"`, `"linklocal"`, `"uniquelocal"` are names for some), or how many proxies there are | nobody |
//! | `header` | the one header they write: `"x-forwarded-for"`, `"forwarded"`, or another one with a single address. Needs `trust` | `"x-forwarded-for"` |
//! | `group` | what counts as one client: `{ v4 = 32, v6 = 64 }` leading bits | these |
//!
//! ## `[lists]`
//! An array of addresses, of texts, or of whole numbers. Texts that all are addresses are addresses. An empty
//! list, which the program fills through [`Gate::lists`](crate::Gate::lists), holds what the conditions that
//! name it ask for; addresses, if none does. `{ type = "text", values = ["10.0.0.1"] }` says the type:
//! `"addresses"`, `"text"` or `"number"`.
//!
//! ## `[[rule]]`
//! | key | value | if it is left out |
//! |---|---|---|
//! | `name` (or `id`) | a name that no other rule or limit has | an error |
//! | `when` | the condition; `"true"` for every request | an error |
//! | `then` | `"deny"`, `"allow"`, `"count"`, `"log"`, an array of these, or a table of the actions below | one of them must be there |
//! | `deny` | `true`, a status, or `{ status = 400 }` | 403 |
//! | `allow` | `true`, or `{ bypass = ["limits", "shed"] }`: what does not apply either | |
//! | `ban` | `"15m"`, or `{ for = "15m", escalate = 4, max = "1d" }`: each further ban is longer, up to `max` | `escalate = 1`, `max = "1d"` |
//! | `skip` | `"rules"`, `"limits"`, `"group:crawlers"`, or an array of these | |
//! | `count`, `log` | `true` | |
//! | `tag` | a name, or an array of them, which later rules see as `tag["name"]` | |
//! | `score` | a number that is added to `score` | |
//! | `class` | `"critical_plus"`, `"critical"`, `"default"`, `"sheddable"` | `"default"` |
//! | `priority` | a number; lower is earlier, equals keep their order | 0 |
//! | `mode` | `"enforce"`, `"shadow"`, `"off"`: [`RuleMode`](crate::rule::RuleMode) | `"enforce"` |
//! | `enforce_share` | the share of clients that it is enforced for, 0.0 to 1.0 | 1.0 |
//! | `group` | one of `[groups]`; the less far of both modes counts | none |
//!
//! Of `allow`, `deny` and `ban` a rule has at most one.
//!
//! ## `[[limit]]`
//! | key | value | if it is left out |
//! |---|---|---|
//! | `name` (or `id`) | a name that no other rule or limit has | an error |
//! | `quota` | how many in a time | an error, unless there is `in_flight` |
//! | `in_flight` | how many at a time, instead of a quota: a number of [requests in flight](crate::gate::LimitRule::in_flight) | |
//! | `scope` | who counts together: `"gate"`, this one by itself; `"fleet"`, [all nodes of a fleet](crate::gate::LimitRule::fleet) in a store that they share | `"gate"` |
//! | `fail` | what a limit of a fleet does while the store does not answer: `"local"`, `"open"`, `"closed"`: [`OnFailure`](crate::limit::remote::OnFailure) | `"local"` |
//! | `when` | which requests it is about | all |
//! | `by` | what is counted together: an array of values, as in `["client", 'header["x-api-key"]']`; empty for everything | `["client"]` |
//! | `count_if` | which responses count, as in `'status in {401 403}'` | all |
//! | `cost` | what a request takes: a number, or a value of the request or the response | 1 |
//! | `distinct` | a value of which only distinct ones count | |
//! | `missing` | what becomes of a request that lacks a part of `by`: `"group"`, `"skip"`, `"deny"`: [`MissingKey`](crate::MissingKey) | `"group"` |
//! | `then` | `"throttle"`, or `{ ban = "15m", escalate = 4, max = "1d" }` | `"throttle"` |
//! | `mode`, `enforce_share`, `group` | as those of rules | |
//!
//! With `in_flight` go neither `count_if` nor `distinct`, nor a `cost` that the response tells, nor a ban. With
//! `scope = "fleet"` go neither `in_flight` nor `count_if` nor `distinct`, nor a `cost` that the response tells;
//! and there are at most [eight](crate::limit::remote::MOST_CLAIMS) such limits.
//!
//! ## `[fleet]`
//! | key | value | if it is left out |
//! |---|---|---|
//! | `nodes` | how many nodes take part, 1 to 1,000,000; need not be exact | 1 |
//! | `prefix` | what the names of all keys in the store begin with, so that several services can use one | nothing |
//! | `lease` | for how long a node provides itself with units, `"1ms"` to `"10s"` | `"100ms"` |
//! | `timeout` | how long a check waits for the store, `"1ms"` to `"10s"` | `"20ms"` |
//! | `keys` | how many keys a node remembers at a time, about 100 bytes each | 65,536 |
//!
//! They are those of [`FleetSettings`](crate::limit::remote::FleetSettings), and all nodes should say the same. The
//! secret is not for files: the program [says it](crate::GateBuilder::fleet), and the file comes on top. So does the
//! store, which is given to an adapter, or to [`check_with`](crate::Gate::check_with).
//!
//! ## `[defence]`
//! | key | value | if it is left out |
//! |---|---|---|
//! | `auto` | how far the gate may go by itself: `"off"`, `"elevated"`, `"overload"`, `"defend"`, `"lockdown"`; see [`Posture`](crate::Posture) | `"off"` |
//! | `dimensions` | up to two values that it looks at besides its own when it searches for what an attack has in common, as in `["tenant"]` | none |
//! | `parameters` | numbers that it goes by, each under its name as in [`Parameters`](crate::detect::Parameters): `{ calm_seconds = 120 }` | the usual ones |
//!
//! ## Example: no more than 20 requests at a time for each client, and 500 in all
//! ```
//! use portcullis::Gate;
//!
//! let gate = Gate::from_toml(r#"
//! [[limit]]
//! name = "per client in flight"
//! in_flight = 20
//!
//! [[limit]]
//! name = "in flight"
//! by = []
//! in_flight = 500
//! "#)?;
//! assert_eq!(gate.policies().len(), 2);
//! # Ok::<(), portcullis::gate::config::ConfigError>(())
//! ```
//!
//! ## Example: one limit for eight instances, with a secret that is in no file
//! ```
//! use portcullis::{Gate, limit::remote::FleetSettings};
//!
//! let secret = b"from the environment, or wherever secrets are kept";
//! let settings = FleetSettings::new().secret(secret);
//! let gate = Gate::builder().fleet(settings).build_toml(r#"
//! [fleet]
//! nodes  = 8
//! prefix = "shop"
//!
//! [[limit]]
//! name  = "per client"
//! quota = "100/min burst 20"
//! scope = "fleet"
//! fail  = "local"
//! "#)?;
//! # Ok::<(), portcullis::gate::config::ConfigError>(())
//! ```
//!
//! # Errors
//! All mistakes of a text are told at once, each with its line, and carets under what is wrong, also inside
//! of conditions:
//!
//! ```
//! use portcullis::Gate;
//!
//! let text = r#"
//! [[rule]]
//! name = "login floods"
//! when = 'pth eq "/login"'
//! then = "deny"
//! "#;
//! let error = Gate::from_toml(text).unwrap_err();
//! assert!(error.to_string().contains("--> 4:9  (rule \"login floods\", when)"), "{error}");
//! ```
//!
//! # Invariants
//! - **I1** a text with a mistake builds nothing and changes nothing;
//! - **I2** each mistake has a place in the text, unless it is one of what the program described;
//! - **I3** a configuration means the same in every format.
//!
//! # Bounds
//! Reading takes memory in proportion to the text. A gate takes what its settings ask for, and what asks for
//! more than there is is an error.

mod defence;
mod duration;
mod face;
mod fleet;
mod limits;
mod lists;
mod model;
mod read;
mod rules;
mod section;
mod text;
mod then;

pub(super) use self::face::Base;
pub use self::{
    defence::{AutoDefence, DefenceConfig, ParametersConfig},
    face::ConfigError,
    fleet::{FleetConfig, ScopeConfig},
    model::*,
};

#[cfg(test)]
mod tests;
