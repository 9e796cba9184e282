//! The gate: lists and limits composed into one answer per request.
//!
//! Stages, in one fixed order; the first that decides ends the matter:
//!
//! 1. **mode**: when off, everything passes;
//! 2. **exempt** addresses pass, unlimited;
//! 3. **deny list**, unless the address is on the **allow list** too (allow beats deny, and does not
//!    lift limits);
//! 4. **limits**, all of them or none: a request that one limit denies takes nothing from the others.
//!    A client that a full store has no place for is judged by its network, and then by a budget for
//!    newcomers.
//!
//! In [`Mode::Observe`] everything is decided and counted, and everything passes.
//!
//! # Invariants
//! - **I1** all clones of a gate share one state: limits do not multiply with layers or workers;
//! - **I2** a check allocates nothing, reads no clock, and takes no lock;
//! - **I3** a denial consumes from no limit;
//! - **I4** memory is allocated by [`GateBuilder::build`] and does not grow;
//! - **I5** an IPv4 address is the same address in every spelling, in lists and in limits.

mod builder;
mod clients;
#[cfg(feature = "config")]
mod config;
mod plan;
mod stats;

use alloc::sync::Arc;
use core::{fmt, net::IpAddr, time::Duration};

pub use builder::GateBuilder;
pub use plan::{MissingKey, Then};
pub use stats::{GateStats, RuleStats};

use self::{
    clients::{Clients, Ruling},
    stats::Counters,
};
use crate::{
    cidr::CidrSet,
    request::{Client, ClientGroup, Request},
    sync::{AtomicU64, Ordering},
    time::Timestamp,
    verdict::{Admission, Decision, Denial, DenialReason, Verdict},
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
/// thread waits for another.
///
/// # Memory
/// Fixed when it is built, see [`memory_bytes`](Self::memory_bytes).
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    exempt: CidrSet,
    allow: CidrSet,
    deny: CidrSet,
    group: ClientGroup,
    missing_peer: MissingPeer,
    /// A [`Mode`].
    mode: AtomicU64,
    /// `None` if there are no limits.
    clients: Option<Clients>,
    counters: Counters,
}

/// How far a gate goes; changed at any time by [`Gate::set_mode`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
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
}

impl Outcome {
    /// The request was answered with this HTTP status.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self { status }
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
        let mode = self.mode();
        if mode == Mode::Off {
            self.0.counters.admitted.add();
            return Verdict::admitted(Admission::new(None));
        }
        match self.decide(request.peer(), now) {
            Ok(decision) => {
                self.0.counters.admitted.add();
                Verdict::admitted(Admission::new(decision))
            }
            Err(refusal) => self.refuse(refusal, mode),
        }
    }

    /// Tells the gate how an admitted request ended, at `now`.
    ///
    /// An admission that is dropped instead means that its response is not known.
    pub fn finish(&self, admission: Admission, outcome: Outcome, now: Timestamp) {
        // So far an outcome is only counted: nothing that it could give back or charge exists yet.
        let _ = (admission, now);
        self.0.counters.finished(outcome.status);
    }

    /// What has been decided since the gate was built.
    #[must_use]
    pub fn stats(&self) -> GateStats {
        self.0.counters.snapshot(self.0.clients.as_ref().map(Clients::saturation))
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

    /// The memory of the gate's lists and limits, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let Inner { exempt, allow, deny, clients, .. } = &*self.0;
        let clients = clients.as_ref().map_or(0, Clients::memory_bytes);
        [exempt, allow, deny]
            .iter()
            .fold(clients, |sum, list| sum.saturating_add(list.memory_bytes()))
            .saturating_add(size_of::<Inner>())
    }

    /// The stages; what passes brings the standing of its strictest limit, if it met any.
    #[inline]
    fn decide(&self, peer: Option<IpAddr>, now: Timestamp) -> Result<Option<Decision>, Refusal> {
        let Some(address) = peer else {
            return self.decide_unknown(now);
        };
        let Inner { exempt, allow, deny, group, counters, .. } = &*self.0;
        if exempt.contains(address) {
            counters.exempted.add();
            return Ok(None);
        }
        if deny.contains(address) && !allow.contains(address) {
            return Err(Refusal::DenyList);
        }
        self.limit(Client::of(address, *group), now)
    }

    #[cold]
    fn decide_unknown(&self, now: Timestamp) -> Result<Option<Decision>, Refusal> {
        self.0.counters.missing_peer.add();
        match self.0.missing_peer {
            MissingPeer::Skip => Ok(None),
            MissingPeer::Shared => self.limit(Client::Unknown, now),
            MissingPeer::Deny => Err(Refusal::MissingPeer),
        }
    }

    #[inline]
    fn limit(&self, client: Client, now: Timestamp) -> Result<Option<Decision>, Refusal> {
        let Some(clients) = &self.0.clients else { return Ok(None) };
        match clients.check(&client, now) {
            Ruling::Passes(decision) => Ok(decision),
            Ruling::Denied { limit, decision } => Err(Refusal::Limit { limit, decision }),
            Ruling::Saturated { wait } => Err(Refusal::Saturated { wait }),
        }
    }

    #[cold]
    fn refuse(&self, refusal: Refusal, mode: Mode) -> Verdict {
        let rule = match refusal {
            Refusal::DenyList => &self.0.counters.deny_list,
            Refusal::MissingPeer => &self.0.counters.no_peer,
            Refusal::Saturated { .. } => &self.0.counters.saturated,
            Refusal::Limit { limit, .. } => self.0.counters.limit(limit),
        };
        if mode == Mode::Observe {
            rule.would_deny.add();
            self.0.counters.admitted.add();
            return Verdict::admitted(Admission::new(None));
        }
        rule.denied.add();
        let (reason, standing, wait) = match refusal {
            Refusal::DenyList => (DenialReason::DenyList, None, None),
            Refusal::MissingPeer => (DenialReason::MissingPeer, None, None),
            Refusal::Limit { decision, .. } => {
                (DenialReason::Limit, Some(decision.standing()), None)
            }
            Refusal::Saturated { wait } => (DenialReason::Saturated, None, Some(wait)),
        };
        Verdict::denied(Denial::new(reason, Arc::clone(&rule.name), standing, wait))
    }
}

/// What it is made of, not whom it knows: lists and clients may be long, and are nobody's business.
impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("mode", &self.mode())
            .field("clients", &self.0.clients)
            .field("group", &self.0.group)
            .field("missing_peer", &self.0.missing_peer)
            .finish_non_exhaustive()
    }
}

/// Why a request does not pass.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    DenyList,
    MissingPeer,
    Limit { limit: usize, decision: Decision },
    Saturated { wait: Duration },
}

impl Mode {
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
