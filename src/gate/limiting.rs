//! The limits of a gate, as far as they are limits of each client's.

use alloc::{sync::Arc, vec::Vec};

use super::{
    MissingPeer,
    clients::{self, Clients},
    plan::Plan,
    stats::Saturation,
};
use crate::{
    error::BuildProblem,
    limit::OnSaturation,
    quota::Quota,
    request::Client,
    rule::{Answer, Ban, Facts, Name},
    time::Timestamp,
    verdict::Decision,
};
use core::time::Duration;

/// The limits of a gate.
pub(super) struct Limits {
    /// `None` if there are no limits.
    clients: Option<Arc<Clients>>,
    /// What these are.
    defined: (Vec<(Name, Quota)>, usize, Option<Quota>),
    missing_peer: MissingPeer,
}

/// What the limits say to a request.
#[derive(Debug)]
pub(super) enum Ruling {
    Passes { standing: Option<Decision>, pending: Pending },
    Denied { limit: usize, decision: Decision },
    Saturated { wait: Duration },
}

/// What only the response can settle.
#[derive(Debug, Default)]
pub(crate) struct Pending(());

impl Limits {
    pub(super) fn build(plan: &Plan, before: Option<&Self>) -> Result<Self, Vec<BuildProblem>> {
        let quotas: Vec<Quota> = plan.limits.iter().map(|limit| limit.quota).collect();
        let clients = plan.clients.unwrap_or(super::problems::DEFAULT_CLIENTS);
        let newcomers = match plan.on_saturation {
            OnSaturation::Deny => Some(plan.newcomers.unwrap_or_else(|| newcomers(clients))),
            OnSaturation::Allow => None,
        };
        let refused = |(at, error)| {
            let limit = plan.limits.get(at);
            limit
                .map(|limit| super::problems::refused(at, &limit.name, limit.quota, clients, error))
                .into_iter()
                .collect::<Vec<_>>()
        };
        let named = plan.limits.iter().map(|limit| (Name::clone(&limit.name), limit.quota));
        let defined = (named.collect(), clients, newcomers);
        let kept = before.filter(|before| before.defined == defined);
        let clients = match (&*quotas, kept) {
            ([], _) => None,
            (_, Some(before)) => before.clients.clone(),
            _ => Some(Arc::new(Clients::new(&quotas, clients, newcomers).map_err(refused)?)),
        };
        Ok(Self { clients, defined, missing_peer: plan.missing_peer })
    }

    #[inline]
    pub(super) fn check(&self, facts: &Facts<'_>, now: Timestamp) -> Ruling {
        let passes = |standing| Ruling::Passes { standing, pending: Pending(()) };
        let client = match (facts.client, self.missing_peer) {
            (Some(address), _) => Client::of(address, facts.group),
            (None, MissingPeer::Shared) => Client::Unknown,
            (None, _) => return passes(None),
        };
        let Some(clients) = &self.clients else { return passes(None) };
        match clients.check(&client, now) {
            clients::Ruling::Passes(standing) => passes(standing),
            clients::Ruling::Denied { limit, decision } => Ruling::Denied { limit, decision },
            clients::Ruling::Saturated { wait } => Ruling::Saturated { wait },
        }
    }

    /// Settles what only the response can tell.
    pub(super) fn finish(&self, pending: Pending, answer: Answer, now: Timestamp) {
        let _ = (pending, answer, now);
    }

    pub(super) fn saturation(&self) -> Option<&Saturation> {
        self.clients.as_ref().map(|clients| clients.saturation())
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.clients.as_ref().map_or(0, |clients| clients.memory_bytes())
    }

    #[cfg(test)]
    pub(super) fn clients(&self) -> Option<&Clients> {
        self.clients.as_deref()
    }
}

/// The budget for newcomers unless it is said: a hundredth of the clients a second.
fn newcomers(clients: usize) -> Quota {
    Quota::per_second(u32::try_from(clients / 100).unwrap_or(u32::MAX).max(1))
}

/// The clients that are kept out for a time.
#[derive(Debug)]
pub(super) struct Bans(());

impl Bans {
    pub(super) fn new(most: usize) -> Self {
        let _ = most;
        Self(())
    }

    pub(super) fn check(&self, client: &Client, now: Timestamp) -> Option<Duration> {
        let _ = (client, now);
        None
    }

    pub(super) fn ban(&self, client: &Client, ban: Ban, now: Timestamp) -> Duration {
        let _ = (client, now);
        ban.first
    }
}
