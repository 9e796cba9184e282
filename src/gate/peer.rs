//! What can be said of an address before there is a request.
//!
//! A server that asks when a connection comes in can close it before it has read a byte, before any
//! encryption, and before it has spent memory on it. All that is known then is who the peer is, so only what
//! holds whatever the peer may ask for can refuse it.
//!
//! # Invariants
//! - **I1** who is refused would be refused now with any request: rules have no say in it, and where a rule
//!   can lift limits, no limit has;
//! - **I2** exempt addresses pass, and so do proxies that are trusted: their requests are those of others;
//! - **I3** nothing is taken from a limit, nobody is banned, and nothing is allocated;
//! - **I4** a refusal counts where that of a request would; what passes is not counted: its requests are.

use core::net::IpAddr;

use super::{
    Gate, Mode,
    pipeline::{Refusal, bare},
    snapshot::{Setting, Snapshot},
};
use crate::{
    request::{Client, Request},
    rule::Facts,
    time::Timestamp,
    verdict::Denial,
};

/// What a gate says of a peer.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "axum"),
    allow(dead_code, reason = "who asks without a listener gets less")
)]
pub(crate) enum PeerVerdict {
    /// It passes whatever else is known of it: it is exempt, it speaks for others, or the gate is off.
    Spared,
    /// Nothing speaks against this client.
    Passes(Client),
    /// It would be refused, if the gate did not only observe.
    InShadow,
    Refused(Denial),
}

impl Gate {
    /// Decides about a connection from this address, before there is a request: for servers that have an
    /// accept loop of their own. With axum, [`GateListener`](crate::axum::GateListener) asks.
    ///
    /// It is refused if its address is banned, or on the deny list and not on the allow list. Exempt
    /// addresses and proxies that are [trusted](crate::GateBuilder::trust) pass: what a proxy sends are
    /// other clients' requests. The gate's [`Mode`] holds here as well.
    ///
    /// # Guarantee
    /// Whatever a peer that is refused had asked for, [`check`](Self::check) would have refused it at this
    /// moment. Nothing is taken from a limit.
    ///
    /// A refusal counts in [`stats`](Self::stats) as that of one request; one that passes is not counted,
    /// since its requests are.
    ///
    /// # Errors
    /// The denial, as a request would get it.
    ///
    /// # Cost
    /// A lookup in the bans and in each list.
    ///
    /// # Example: closing what a banned client opens
    /// ```
    /// use portcullis::{Gate, Timestamp};
    /// use std::{net::IpAddr, time::Duration};
    ///
    /// let gate = Gate::builder().build()?;
    /// let (now, peer) = (Timestamp::from_secs(1), IpAddr::from([203, 0, 113, 9]));
    /// assert!(gate.check_peer(peer, now).is_ok());
    /// gate.bans().add(peer.into(), Duration::from_secs(60), "by hand", now);
    /// assert!(gate.check_peer(peer, now).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_peer(&self, peer: IpAddr, now: Timestamp) -> Result<(), Denial> {
        self.judge_peer(peer, false, now).into_result()
    }

    /// The same, which also refuses a client that has used up a limit.
    ///
    /// Only limits count that every request of the client meets: by the client's address or a network of
    /// it and nothing else, without a condition, not in shadow, of a number of units that is known ahead,
    /// and not of distinct values. Limits that ban are left out, so that the request comes that the ban is
    /// for. If a rule can lift limits, no limit counts here.
    ///
    /// # Errors
    /// The denial, as a request would get it; of a limit with the time until it has units again.
    ///
    /// # Cost
    /// That of [`check_peer`](Self::check_peer), and a look at one bucket for each of these limits.
    pub fn check_peer_with_limits(&self, peer: IpAddr, now: Timestamp) -> Result<(), Denial> {
        self.judge_peer(peer, true, now).into_result()
    }

    /// Both, for those who want to know what the peer counts as.
    pub(crate) fn judge_peer(
        &self,
        peer: IpAddr,
        with_limits: bool,
        now: Timestamp,
    ) -> PeerVerdict {
        let mode = self.mode();
        if mode == Mode::Off {
            return PeerVerdict::Spared;
        }
        let gate = &*self.0;
        let snapshot = gate.snapshot.load();
        let setting = &*snapshot.setting;
        // As in requests: an IPv4 address in every spelling.
        let peer = peer.to_canonical();
        if setting.exempt.contains(peer) || setting.client.is_proxy(peer) {
            return PeerVerdict::Spared;
        }
        let client = Client::of(peer, setting.group);
        let chance = || gate.seed.hash_one(client);
        match snapshot.refuses_peer(peer, with_limits.then_some(chance), now) {
            None => PeerVerdict::Passes(client),
            Some(refusal) => match gate.refuse_peer(&snapshot, peer, refusal, mode) {
                Some(denial) => PeerVerdict::Refused(denial),
                None => PeerVerdict::InShadow,
            },
        }
    }
}

impl PeerVerdict {
    fn into_result(self) -> Result<(), Denial> {
        match self {
            Self::Spared | Self::Passes(_) | Self::InShadow => Ok(()),
            Self::Refused(denial) => Err(denial),
        }
    }
}

impl Snapshot {
    /// Why it does not pass, if so; limits are asked if there is a chance.
    fn refuses_peer(
        &self,
        peer: IpAddr,
        chance: Option<impl FnOnce() -> u64>,
        now: Timestamp,
    ) -> Option<Refusal> {
        let setting = &*self.setting;
        if let Some(wait) = setting.bans.check(peer, now) {
            return Some(Refusal::Banned { limit: None, wait });
        }
        if setting.deny.contains(peer) && !setting.allow.contains(peer) {
            return Some(Refusal::DenyList);
        }
        let chance = chance.filter(|_| !setting.lifts_limits)?;
        setting.refuses_client(peer, chance(), now)
    }
}

impl Setting {
    /// The limit that refuses all that this client may ask for.
    #[inline(never)]
    fn refuses_client(&self, address: IpAddr, chance: u64, now: Timestamp) -> Option<Refusal> {
        let request = Request::new(address);
        let facts = Facts { client: Some(address), group: self.group, chance, ..bare(&request) };
        let (limit, decision) = self.limits.foresee_client(&facts, now)?;
        Some(Refusal::Limit { limit, decision, ban: None })
    }
}
