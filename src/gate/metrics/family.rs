//! The families of numbers: their names, types, units and what they mean.

/// A family of numbers of one kind, told apart by labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricFamily {
    /// Its name. In OpenMetrics, samples of counters have `_total` behind it.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// The unit, which ends its name, if it has one.
    pub unit: Option<&'static str>,
    /// What it counts or tells, in a sentence.
    pub help: &'static str,
}

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// It only grows, and starts at 0 when what it counts was made anew: the gate, a candidate, a store.
    Counter,
    /// It comes and goes.
    Gauge,
    /// One of several states: 1 for the one that it is in, which the label of the family's own name names, and 0 for
    /// the others.
    States,
}

const fn counter(name: &'static str, help: &'static str) -> MetricFamily {
    MetricFamily { name, kind: MetricKind::Counter, unit: None, help }
}

const fn gauge(name: &'static str, help: &'static str) -> MetricFamily {
    MetricFamily { name, kind: MetricKind::Gauge, unit: None, help }
}

const fn states(name: &'static str, help: &'static str) -> MetricFamily {
    MetricFamily { name, kind: MetricKind::States, unit: None, help }
}

const fn measured(unit: &'static str, name: &'static str, help: &'static str) -> MetricFamily {
    MetricFamily { name, kind: MetricKind::Gauge, unit: Some(unit), help }
}

pub(super) const REQUESTS: MetricFamily = counter(
    "portcullis_requests",
    "Requests and refused connections that the gate has decided about.",
);
pub(super) const EXEMPTED: MetricFamily =
    counter("portcullis_exempted_requests", "Requests of exempt addresses, which always pass.");
pub(super) const ALLOWED: MetricFamily = counter(
    "portcullis_allowed_requests",
    "Requests of addresses on the deny list that passed it for being on the allow list too.",
);
pub(super) const MISSING_PEER: MetricFamily = counter(
    "portcullis_missing_peer_requests",
    "Requests without a peer address: more than none means that the server does not pass it on.",
);
pub(super) const FINISHED: MetricFamily = counter(
    "portcullis_finished_requests",
    "Requests that were answered, by the class of the status.",
);
pub(super) const MATCHES: MetricFamily = counter(
    "portcullis_rule_matches",
    "Requests for which a rule held, or which a limit refused or would have refused.",
);
pub(super) const SHADOW_MATCHES: MetricFamily = counter(
    "portcullis_rule_shadow_matches",
    "Of these, requests on which it had no effect: in shadow, outside its share, or while the gate observed.",
);
pub(super) const DENIALS: MetricFamily = counter(
    "portcullis_denials",
    "Denials, by who denied and in which stage; in shadow those that had no effect.",
);
pub(super) const SATURATED: MetricFamily =
    counter("portcullis_saturated_requests", "Requests of clients for which a limit had no place.");
pub(super) const SATURATED_JUDGED: MetricFamily = counter(
    "portcullis_saturated_judged",
    "Of these, requests that were judged by their network, or by the budget for newcomers.",
);
pub(super) const LIMIT_KEYS: MetricFamily =
    gauge("portcullis_limit_keys", "Keys that have something to pay off, or places in flight.");
pub(super) const LIMIT_ROOM: MetricFamily =
    gauge("portcullis_limit_keys_room", "Keys that a limit has room for.");
pub(super) const LIMIT_UNSEATED: MetricFamily = counter(
    "portcullis_limit_unseated",
    "Times that a key found no place in a limit's store: up to twice for a request.",
);
pub(super) const LIMIT_RECLAIMED: MetricFamily =
    counter("portcullis_limit_reclaimed", "Places that went from one key to another.");
pub(super) const LIMIT_IN_FLIGHT: MetricFamily = gauge(
    "portcullis_limit_in_flight",
    "Requests in flight that a limit of all requests in flight counts.",
);
pub(super) const LIST_ENTRIES: MetricFamily =
    gauge("portcullis_list_entries", "Entries of the lists that rules name.");
pub(super) const RELOADS: MetricFamily = counter(
    "portcullis_reloads",
    "Changes of the whole gate: done, or refused for mistakes, so that it went on unchanged.",
);
pub(super) const MODE: MetricFamily = states("portcullis_mode", "How far the gate goes.");
pub(super) const BANS: MetricFamily = gauge("portcullis_bans", "Bans in force.");
pub(super) const BANS_ROOM: MetricFamily = gauge("portcullis_bans_room", "Bans that there can be.");
pub(super) const BANS_DISPLACED: MetricFamily =
    counter("portcullis_bans_displaced", "Bans that ended early, for lack of room.");
pub(super) const CANDIDATE: MetricFamily = counter(
    "portcullis_candidate_requests",
    "Requests that the candidate's rules were asked about, beside the live ones.",
);
pub(super) const POSTURE: MetricFamily =
    states("portcullis_posture", "How far the gate goes at the moment against unusual traffic.");
pub(super) const LOAD: MetricFamily =
    measured("ratio", "portcullis_load_ratio", "How busy the service is, 0 to 1.");
pub(super) const ATTACK: MetricFamily =
    measured("ratio", "portcullis_attack_ratio", "How much speaks for an attack, 0 to 1.");
pub(super) const OFFERED: MetricFamily =
    gauge("portcullis_offered_rate", "Requests a second, before any of them was refused.");
pub(super) const USUAL: MetricFamily =
    gauge("portcullis_usual_rate", "Requests a second that are usual at the moment.");
pub(super) const CLIENTS: MetricFamily =
    gauge("portcullis_clients", "Distinct clients in the last second, estimated.");
pub(super) const IN_FLIGHT: MetricFamily =
    gauge("portcullis_in_flight", "Requests that have passed and have not ended.");
pub(super) const MITIGATIONS: MetricFamily =
    gauge("portcullis_mitigations", "Rules that the gate has made by itself, and that are live.");
pub(super) const EVENTS_DROPPED: MetricFamily =
    counter("portcullis_dropped_events", "Events that nobody has read in time.");
pub(super) const SAMPLES_DROPPED: MetricFamily = counter(
    "portcullis_dropped_samples",
    "Looks at requests that were left out, because another thread was in the way.",
);
pub(super) const FLEET_CALLS: MetricFamily =
    counter("portcullis_fleet_calls", "Calls of the store that a fleet shares.");
pub(super) const FLEET_FAILURES: MetricFamily =
    counter("portcullis_fleet_call_failures", "Of these, calls that took too long or failed.");
pub(super) const FLEET_CLAIMS: MetricFamily = counter(
    "portcullis_fleet_claims",
    "Claims on limits of a fleet that were answered without a call, or not by the store.",
);
pub(super) const FLEET_OPEN: MetricFamily =
    gauge("portcullis_fleet_breaker_open", "1 while the store of the fleet is taken to be away.");
pub(super) const MEMORY: MetricFamily = measured(
    "bytes",
    "portcullis_memory_bytes",
    "Memory of the gate: rules, lists, limits and all else.",
);
