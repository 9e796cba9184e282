//! One request as the simulator sends it, and who sends it.

use std::{net::IpAddr, sync::Arc};

/// Nanoseconds of virtual time.
pub(crate) type Nanos = u64;
pub(crate) const SECOND: Nanos = 1_000_000_000;

pub(crate) fn nanos(seconds: f64) -> Nanos {
    (seconds.max(0.0) * SECOND as f64) as Nanos
}

pub(crate) fn seconds(time: Nanos) -> f64 {
    time as f64 / SECOND as f64
}

/// Who asks. The gate is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// An ordinary client whose network came before.
    Known,
    /// An ordinary client whose network never came before.
    New,
    Attacker,
    /// One that must never be refused for what an attack looks like, though it sends what attackers send:
    /// exempt, a trusted proxy, or this machine.
    Guest,
}

impl Who {
    pub(crate) const ALL: [Self; 4] = [Self::Known, Self::New, Self::Attacker, Self::Guest];
    pub(crate) const ORDINARY: [Self; 2] = [Self::Known, Self::New];

    pub(crate) const fn at(self) -> usize {
        match self {
            Self::Known => 0,
            Self::New => 1,
            Self::Attacker => 2,
            Self::Guest => 3,
        }
    }
}

/// What it costs to answer, see [`Service`](super::service::Service).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Page,
    Search,
    Login,
    Asset,
    Redirect,
    NotFound,
}

/// A request, and how the service answers when it comes to it.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) who: Who,
    pub(crate) peer: IpAddr,
    /// The client, where the peer is a proxy that says so.
    pub(crate) behind: Option<IpAddr>,
    pub(crate) method: &'static str,
    pub(crate) target: Arc<str>,
    pub(crate) agent: &'static str,
    pub(crate) has_referer: bool,
    pub(crate) has_cookie: bool,
    pub(crate) has_language: bool,
    pub(crate) work: Work,
    pub(crate) status: u16,
}
