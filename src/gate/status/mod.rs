//! What a gate is, and how it stands, for people who look at it: a status page, a command, a log.
//!
//! Unlike [metrics](super::GateMetrics), it names clients: those that ask for most, and those that are banned. It is for
//! operators, and is to be kept from everybody else.
//!
//! # Invariants
//! - **I1** nothing is counted, charged or changed by looking;
//! - **I2** it is bounded: at most [`MOST_BANS`] bans, [`MOST_TALKERS`] clients and 32 events are told, however many there
//!   are; rules, limits and lists are as many as the configuration says;
//! - **I3** what clients have sent is in it only as an address, or as printable text that is cut.

mod read;
mod words;

use alloc::{string::String, vec::Vec};
use core::net::IpAddr;

use ipnet::IpNet;

use super::{Mode, RuleKind, Stage};
use crate::{
    detect::{Event, Evidence, MitigationInfo, Posture},
    rule::RuleMode,
    time::Timestamp,
};

/// So many bans are told, those that last longest first.
pub const MOST_BANS: usize = 200;
/// So many clients are told, those that ask for most first.
pub const MOST_TALKERS: usize = 16;

/// All that there is to see of a gate at one time; made by [`Gate::status`](crate::Gate::status).
///
/// With the feature `serde` it can be serialized, which is what the status page shows.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct GateStatus {
    /// When, in seconds of the gate's clock.
    pub seconds: f64,
    /// How far the gate goes.
    pub mode: Mode,
    /// What it has decided so far.
    pub counts: StatusCounts,
    /// Stages that can refuse something, in their order.
    pub stages: Vec<StageStatus>,
    /// The gate's own rules, then rules in the order in which they are asked.
    pub rules: Vec<RuleStatus>,
    /// Limits, in their order.
    pub limits: Vec<LimitStatus>,
    /// The lists that rules name.
    pub lists: Vec<ListStatus>,
    /// Bans in force: at most [`MOST_BANS`] of them, those that last longest first.
    pub bans: Vec<BanStatus>,
    /// How many bans are in force.
    pub bans_in_force: usize,
    /// How many bans there can be.
    pub bans_room: usize,
    /// What it does by itself; `None` if that is nothing.
    pub defence: Option<DefenceStatus>,
    /// How a candidate fares beside the live rules, if there is one.
    pub candidate: Option<CandidateStatus>,
    /// How the store of a fleet is, if limits are shared.
    pub fleet: Option<FleetStatus>,
    /// The memory of the gate, in bytes.
    pub memory_bytes: usize,
}

/// What a gate has decided since it was built, in requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StatusCounts {
    /// All that it has decided about.
    pub checked: u64,
    /// Those that passed.
    pub admitted: u64,
    /// Those that did not.
    pub denied: u64,
    /// Denials without effect, see [`GateStats::would_deny`](super::GateStats::would_deny).
    pub would_deny: u64,
    /// Requests of exempt addresses.
    pub exempted: u64,
    /// Requests that passed the deny list for being on the allow list.
    pub allowed: u64,
    /// Requests without a peer address.
    pub missing_peer: u64,
    /// Requests of clients without a place in a limit.
    pub saturated: u64,
    /// Responses by their class: 1xx to 5xx.
    pub finished: [u64; 5],
    /// Changes of the whole gate.
    pub reloads: u64,
    /// Those that were refused for mistakes.
    pub refused_reloads: u64,
}

/// What a stage has refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StageStatus {
    /// Which one.
    pub stage: Stage,
    /// Requests that were denied there.
    pub denied: u64,
    /// Requests that would have been.
    pub would_deny: u64,
}

/// A rule, and what it has done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RuleStatus {
    /// Its name, as in denials.
    pub name: String,
    /// Whether the gate has it from its configuration.
    pub kind: RuleKind,
    /// Its condition, in the rule language; empty for the gate's own.
    pub condition: String,
    /// What follows, in words: `deny 403`; empty for the gate's own.
    pub actions: String,
    /// How far it goes.
    pub mode: RuleMode,
    /// Requests for which it held.
    pub matched: u64,
    /// Requests that it denied.
    pub denied: u64,
    /// Requests that it would have denied.
    pub would_deny: u64,
}

/// A limit, and how it stands.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LimitStatus {
    /// Its name, as in denials.
    pub name: String,
    /// What it lets pass: `100/min burst 20`, or `20 in flight`.
    pub bound: String,
    /// What is counted together, in the rule language: `client`; empty for everything together.
    pub by: String,
    /// Which requests it is about, in the rule language; empty for all.
    pub condition: String,
    /// What else is said of it, in words: `counts responses with status in {401 403}; bans for 15m`.
    pub words: String,
    /// How far it goes.
    pub mode: RuleMode,
    /// Whether a fleet shares it.
    pub is_shared: bool,
    /// Requests that it denied.
    pub denied: u64,
    /// Requests that it would have denied.
    pub would_deny: u64,
    /// Keys that have something to pay off or in flight now, if it has keys.
    pub keys: Option<usize>,
    /// How many there is room for.
    pub keys_room: Option<usize>,
    /// How often a key found no place.
    pub unseated: Option<u64>,
    /// Requests in flight, if it counts all together.
    pub in_flight: Option<u32>,
}

/// A list that rules name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ListStatus {
    /// Its name, without the `$`.
    pub name: String,
    /// Prefixes, texts or numbers.
    pub entries: usize,
}

/// A ban in force.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BanStatus {
    /// The network; `None` for the key of the limit that is the reason.
    pub net: Option<IpNet>,
    /// The rule or limit that has banned it, or what an operator has said.
    pub reason: String,
    /// How long it still is, in seconds.
    pub remaining: f64,
    /// How often it was banned.
    pub level: u32,
}

/// What a gate sees and does by itself.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DefenceStatus {
    /// How far the gate goes at the moment.
    pub posture: Posture,
    /// The numbers of the last tick.
    pub evidence: Evidence,
    /// Requests that have passed and have not ended.
    pub in_flight: u64,
    /// Rules that it has made by itself.
    pub mitigations: Vec<MitigationInfo>,
    /// The clients that ask for most, at most [`MOST_TALKERS`].
    pub talkers: Vec<TalkerStatus>,
    /// The last events, oldest first, whether somebody has [read](crate::Gate::events) them or not.
    pub events: Vec<Event>,
    /// Whether an incident goes on.
    pub is_incident: bool,
}

/// A client that asks for much: an estimate.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TalkerStatus {
    /// An address of it.
    pub client: IpAddr,
    /// What counts as one client for detection: a /32 of IPv4, a /64 of IPv6.
    pub net: IpNet,
    /// Requests a second, offered.
    pub rate: f64,
    /// What it usually asks for.
    pub usual: f64,
    /// Whether its network was served before.
    pub is_known: bool,
    /// Where it stands with limits that are each client's, in their order.
    pub standings: Vec<StandingStatus>,
}

/// Where a client stands with a limit.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StandingStatus {
    /// The limit's name.
    pub limit: String,
    /// Units that it has left.
    pub remaining: u32,
    /// Of so many.
    pub of: u32,
    /// Whether its next request would be refused.
    pub is_denied: bool,
}

/// How a candidate fares beside the live rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CandidateStatus {
    /// Requests on which both agree.
    pub agree: u64,
    /// Requests that only the candidate would deny.
    pub would_deny: u64,
    /// Requests that only the live rules deny.
    pub would_allow: u64,
}

/// How the store of a fleet is, as this node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FleetStatus {
    /// Calls that were made.
    pub calls: u64,
    /// Those that took too long.
    pub timeouts: u64,
    /// Those that failed otherwise.
    pub failures: u64,
    /// Claims that a lease answered.
    pub from_leases: u64,
    /// Claims that were denied from memory.
    pub from_memory: u64,
    /// Claims that the store has not answered.
    pub fallbacks: u64,
    /// Whether it is taken to be away.
    pub is_open: bool,
}

impl super::Gate {
    /// All that there is to see of the gate at `now`, for a person who looks at it.
    ///
    /// # Example: what a limit lets pass, and how full it is
    /// ```
    /// use portcullis::{Gate, Quota, Timestamp};
    ///
    /// let gate = Gate::builder().limit("per client", Quota::per_minute(100).burst(20)).build()?;
    /// let status = gate.status(Timestamp::from_secs(1));
    /// assert_eq!(status.limits[0].bound, "100/min burst 20");
    /// assert_eq!(status.limits[0].keys, Some(0));
    /// # Ok::<(), portcullis::BuildError>(())
    /// ```
    ///
    /// # Cost
    /// That of [`metrics`](Self::metrics) and some tens of microseconds, more with many bans, and it allocates. It
    /// waits for nobody who changes the gate, and no check waits for it.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> GateStatus {
        read::read(self, now)
    }
}

#[cfg(test)]
mod tests;
