//! The gate: lists and limits composed into one answer per request.
//!
//! Stages, in one fixed order; the first that decides ends the matter:
//!
//! 1. **mode**: when off, everything passes;
//! 2. the **client**'s address is found behind [proxies that are trusted](GateBuilder::trust);
//! 3. **exempt** addresses pass, unlimited;
//! 4. **banned** clients are refused;
//! 5. **deny list**, unless the address is on the **allow list** too (allow beats deny, and does not
//!    lift limits);
//! 6. **rules**, by their priority: the first that allows, denies or bans is the last that is asked, and
//!    what the others set adds up. Allowing does not lift limits either, unless it says so;
//! 7. **mitigations**: rules that the gate has found by itself, while it [defends](GateBuilder::defence) itself;
//!    whom a rule or the allow list allows, proxies that are trusted and the machine itself are spared;
//! 8. **shedding**: what is left for unknown clients, and for requests of this importance. It comes before the
//!    limits so that what it refuses takes nothing from them;
//! 9. **limits**, all of them or none: a request that one limit denies takes nothing from the others. Limits
//!    of requests in flight come first, then [limits of a fleet](LimitRule::fleet), whose store may have to be
//!    asked: [`Gate::start`] stops there, and [`Gate::resume`] goes on.
//!    A client that a full store has no place for is judged by its network, and then by a budget for
//!    newcomers.
//!
//! In [`Mode::Observe`] everything is decided and counted, and everything passes.
//!
//! Checks read one snapshot of all this; [`Gate::reload_with`] and [`Gate::lists`] put another one in its
//! place.
//!
//! # Invariants
//! - **I1** all clones of a gate share one state: limits do not multiply with layers or workers;
//! - **I2** a check allocates nothing, reads no clock, and waits for no lock but that of a shard of a limit of
//!   requests in flight, of a set of keys of a fleet, or of a table of bans where it makes one, or where the filter
//!   says that there may be one; one that asks the store of a fleet allocates. (A thread's first check makes an entry
//!   for the thread, of a few hundred bytes; threads that start later take over those of threads that have ended. So may
//!   the first time that a thread waits for a lock);
//! - **I3** a denial consumes from no limit;
//! - **I4** memory is allocated when a gate is built or changed, and does not grow with traffic;
//! - **I5** an IPv4 address is the same address in every spelling, in lists and in limits.

mod banned;
mod bans;
mod builder;
mod candidate;
mod check;
#[cfg(feature = "config")]
pub mod config;
mod defence;
mod effects;
mod explain;
mod fleet;
mod guard;
mod limits;
mod lists;
#[cfg(all(test, loom))]
mod loom_models;
mod metrics;
mod peer;
mod pipeline;
mod plan;
mod policies;
mod problems;
mod reload;
#[cfg(feature = "serde")]
mod saved;
#[cfg(all(test, shuttle))]
mod shuttle_models;
mod snapshot;
mod stats;
pub mod status;
#[cfg(feature = "tracing")]
pub mod trace;
#[cfg(not(feature = "tracing"))]
mod trace;

use alloc::sync::Arc;
use core::{fmt, time::Duration};

pub(crate) use self::limits::Pending;
#[cfg(feature = "axum")]
pub(crate) use self::peer::PeerVerdict;
#[cfg(any(feature = "tower", feature = "actix"))]
pub(crate) use self::policies::Policies;
#[cfg(feature = "serde")]
pub use self::saved::GateSnapshot;
pub use self::{
    banned::GateBans,
    bans::BanInfo,
    builder::GateBuilder,
    candidate::{CandidateReport, CandidateSample},
    defence::GateDefence,
    explain::{Explanation, LimitFate, LimitReport, RuleFate, RuleReport, Stage, StageOutcome},
    fleet::{GateAsk, GateStep, GateWait, Suspended},
    limits::{Hold, InFlight, LimitRule},
    lists::{GateLists, ListError},
    metrics::{GateMetrics, MetricFamily, MetricKind, MetricValue, OPEN_METRICS_TYPE},
    plan::{MissingKey, Then},
    policies::{Bound, Policy},
    stats::{GateStats, RuleKind, RuleStats, StageStats},
    status::GateStatus,
};
use self::{reload::Writer, snapshot::Snapshot, stats::Totals, trace::Tracer};
use crate::{
    request::Request,
    rule::Answer,
    sync::{AtomicU64, Mutex, Ordering, Swap},
    time::Timestamp,
    verdict::{Admission, Verdict},
};

/// Decides for each request whether it may pass.
///
/// A gate is a handle: clones share everything, and are as cheap as an [`Arc`].
///
/// # Example: a gate without a framework
/// ```
/// use portcullis::{Gate, Outcome, Quota, Request, Timestamp};
/// use std::net::IpAddr;
///
/// let gate = Gate::builder()
///     .deny("198.51.100.0/24".parse()?)
///     .limit("per client", Quota::per_minute(100).burst(20))
///     .build()?;
///
/// let now = Timestamp::from_secs(1);
/// let peer: IpAddr = "203.0.113.9".parse()?;
/// match gate.check(&Request::new(peer).target("/"), now).into_result() {
///     Ok(admission) => gate.finish(admission, Outcome::status(200), now),
///     Err(denial) => println!("{} for {:?}", denial.status(), denial.retry_after()),
/// }
/// assert_eq!(gate.stats().admitted(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Concurrency
/// `Send` and `Sync`, and lock-free: a check is one exchange of one word in each limit, and no
/// thread waits for another; except for limits of requests in flight by a key and limits of a fleet, which take the
/// lock of one shard or set for a few memory accesses, and for bans that are made or may be there, which are behind one, too.
///
/// # Memory
/// Fixed when it is built or changed, see [`memory_bytes`](Self::memory_bytes).
///
/// # Watching it
/// [`stats`](Self::stats) are its counts, [`metrics`](Self::metrics) all numbers for other tools, as
/// [a text](Self::open_metrics) too, [`status`](Self::status) and [`events`](Self::events) are for people.
#[cfg_attr(
    feature = "metrics",
    doc = "[`MetricsPublisher`](crate::metrics::MetricsPublisher) hands the numbers to the facade `metrics`."
)]
#[cfg_attr(
    feature = "tracing",
    doc = "Subscribers of `tracing` are told what is refused and what happens: [`trace`]."
)]
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    /// What checks read; replaced as a whole.
    snapshot: Swap<Snapshot>,
    /// A [`Mode`].
    mode: AtomicU64,
    totals: Totals,
    /// Where clients stand among all of them; kept, so that a share takes in the same ones.
    seed: ahash::RandomState,
    writer: Mutex<Writer>,
    /// What lists take that were edited.
    edited_bytes: AtomicU64,
    tracer: Tracer,
    /// What texts come on top of.
    #[cfg(feature = "config")]
    base: config::Base,
}

/// How far a gate goes; changed at any time by [`Gate::set_mode`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Mode {
    /// Everything passes, nothing is decided.
    Off,
    /// Everything is decided and counted, and everything passes.
    Observe,
    /// What is denied is refused.
    #[default]
    Enforce,
}

/// What becomes of a request whose peer address is not known.
///
/// Usually that is a server that was not told to pass the address on. For axum the cure is
/// `into_make_service_with_connect_info::<SocketAddr>()`. Such requests are counted, see
/// [`GateStats::missing_peer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum MissingPeer {
    /// It skips what needs an address, which is all lists and limits so far, and passes.
    #[default]
    Skip,
    /// All such requests count as one client.
    Shared,
    /// It is denied.
    Deny,
}

/// How a request ended, for [`Gate::finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    status: u16,
    latency: Option<Duration>,
    size: Option<u64>,
}

impl Outcome {
    /// The request was answered with this HTTP status.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self { status, latency: None, size: None }
    }

    /// After so long; expressions see whole milliseconds.
    #[must_use]
    pub const fn latency(self, latency: Duration) -> Self {
        Self { latency: Some(latency), ..self }
    }

    /// With so many bytes.
    #[must_use]
    pub const fn size(self, bytes: u64) -> Self {
        Self { size: Some(bytes), ..self }
    }

    /// What expressions see of it.
    fn answer(self) -> Answer {
        Answer {
            status: self.status,
            latency_ms: self
                .latency
                .map(|latency| i64::try_from(latency.as_millis()).unwrap_or(i64::MAX)),
            size: self.size.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        }
    }
}

impl Gate {
    /// A gate to be described; without lists and limits everything passes.
    pub fn builder() -> GateBuilder {
        GateBuilder::default()
    }

    /// Decides about one request that arrives at `now`.
    ///
    /// # Cost
    /// A binary search in each list; for each limit a hash and one or two cache lines, and all but one
    /// of several limits are looked at twice.
    pub fn check(&self, request: &Request<'_>, now: Timestamp) -> Verdict {
        match self.mode() {
            Mode::Off => self.pass(request),
            mode => self.decide(request, mode, now),
        }
    }

    /// Tells the gate how an admitted request ended, at `now`.
    ///
    /// An admission that is dropped instead means that its response is not known.
    pub fn finish(&self, admission: Admission, outcome: Outcome, now: Timestamp) {
        self.0.totals.finished(outcome.status);
        let (pending, flight) = admission.into_parts();
        pending.finish(outcome.answer(), now);
        if let Some(flight) = flight {
            flight.answered(outcome.status, outcome.latency, now);
        }
    }

    /// Tells the gate the head of a response whose size is told later, by [`finish`](Self::finish): what does not ask for
    /// the size is settled now.
    ///
    /// For who waits because an admission [awaits the size](Admission::awaits_size): a client that reads slowly then
    /// delays no more than what it has to do with the size, and no ban.
    pub fn finish_head(&self, admission: &mut Admission, outcome: Outcome, now: Timestamp) {
        admission.finish_head(&outcome.answer(), now);
    }

    /// What has been decided since the gate was built.
    #[must_use]
    pub fn stats(&self) -> GateStats {
        let setting = &self.0.snapshot.load().setting;
        self.0.totals.snapshot(setting.rule_stats(), setting.limits.saturation())
    }

    /// How far the gate goes now.
    #[must_use]
    pub fn mode(&self) -> Mode {
        // Relaxed: a mode is complete in itself, and acts on the next check that sees it.
        Mode::from_word(self.0.mode.load(Ordering::Relaxed))
    }

    /// Makes the gate go this far from the next check on.
    pub fn set_mode(&self, mode: Mode) {
        self.0.mode.store(mode.to_word(), Ordering::Relaxed);
    }

    /// The memory of the gate's rules, lists and limits, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        // Not asked of the lists themselves: whoever changes the gate may be at them for a while.
        let edited = usize::try_from(self.0.edited_bytes.load(Ordering::Relaxed)).unwrap_or(0);
        let snapshot = self.0.snapshot.load().memory_bytes();
        snapshot.saturating_add(edited).saturating_add(size_of::<Inner>())
    }
}

/// What it is made of, not whom it knows: lists and clients may be long, and are nobody's business.
impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.0.snapshot.load();
        f.debug_struct("Gate")
            .field("mode", &self.mode())
            .field("rules", &snapshot.rules.rules().len())
            .field("limits", &snapshot.setting.limit_tallies.len())
            .field("group", &snapshot.setting.group)
            .field("missing_peer", &snapshot.setting.missing_peer)
            .finish_non_exhaustive()
    }
}

impl Mode {
    /// The name, as configurations write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }

    const fn to_word(self) -> u64 {
        match self {
            Self::Off => 0,
            Self::Observe => 1,
            Self::Enforce => 2,
        }
    }

    const fn from_word(word: u64) -> Self {
        match word {
            0 => Self::Off,
            1 => Self::Observe,
            _ => Self::Enforce,
        }
    }
}

#[cfg(test)]
mod tests;
