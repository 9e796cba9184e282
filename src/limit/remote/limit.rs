//! One limit of a fleet, and what is asked of it.

use alloc::sync::Arc;
use core::time::Duration;

use super::{
    error::FleetError,
    keys::LEASE_AGE,
    rate::Rate,
    settings::{FleetSettings, OnFailure},
    subject::Subject,
};
use crate::quota::Quota;

/// One limit of a fleet: a quota for each subject. Made by [`Fleet::limit`](super::Fleet::limit); clones are the same.
///
/// A limit is known to all nodes by its name and its quota: its bucket of a subject is kept under
/// `PREFIX:pc1:{SUBJECT}:N-P-BURST:NAME`, as the time at which it will be full again. With another quota
/// it begins anew, and nodes that still have the old one keep to that: while a deployment is on its way, both
/// quotas are granted.
#[derive(Clone, Debug)]
pub struct FleetLimit(pub(super) Arc<Described>);

#[derive(Debug)]
pub(super) struct Described {
    pub(super) name: Arc<str>,
    pub(super) quota: Quota,
    pub(super) on_failure: OnFailure,
    pub(super) rate: Rate,
    /// The most that a node takes in advance.
    pub(super) most_extra: u32,
    /// That of the fleet, and no more than half the time in which an empty bucket is full: what comes back while a
    /// node remembers a denial must have room.
    pub(super) lease: Duration,
    /// Tells its keys from those of other limits in a node's memory.
    pub(super) scope: u128,
    local: Quota,
}

/// What a request asks of one limit: so many units for this subject.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    pub(super) limit: &'a FleetLimit,
    pub(super) subject: Subject,
    pub(super) units: u32,
    pub(super) in_shadow: bool,
}

impl FleetLimit {
    pub(super) fn new(
        settings: &FleetSettings,
        scope: Subject,
        name: &str,
        quota: Quota,
        on_failure: OnFailure,
    ) -> Result<Self, FleetError> {
        let rate = Rate::of(quota).ok_or(FleetError::Quota { quota })?;
        let halves = settings.nodes.saturating_mul(2).max(1);
        Ok(Self(Arc::new(Described {
            name: Arc::from(name),
            quota,
            on_failure,
            rate,
            most_extra: quota.max_burst().min(comes_back(quota)).checked_div(halves).unwrap_or(0),
            lease: settings.lease.min(half_full(quota).unwrap_or(settings.lease)),
            scope: scope.0,
            local: divided(quota, settings.nodes),
        })))
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What the whole fleet lets pass for a subject.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.0.quota
    }

    /// What it does while the store does not answer.
    #[must_use]
    pub fn on_failure(&self) -> OnFailure {
        self.0.on_failure
    }

    /// A node's part of the quota, which it lets pass by itself with [`OnFailure::Local`]: the rate and the burst,
    /// divided by the number of nodes; a burst of at least one unit, unless the quota lets nothing pass.
    #[must_use]
    pub fn local_quota(&self) -> Quota {
        self.0.local
    }
}

/// Half the time in which an empty bucket is full; `None` if it never is, or if that cannot be told.
fn half_full(quota: Quota) -> Option<Duration> {
    let full = quota.period().as_nanos().checked_mul(quota.max_burst().into())?;
    let half = full.checked_div(u128::from(quota.count()).saturating_mul(2))?;
    if quota.is_zero() { None } else { u64::try_from(half).ok().map(Duration::from_nanos) }
}

/// Units that come back while a lease is kept: more than that cannot be lost without being missed.
fn comes_back(quota: Quota) -> u32 {
    let units = LEASE_AGE.as_nanos().saturating_mul(quota.count().into());
    let units = units.checked_div(quota.period().as_nanos()).unwrap_or(0);
    u32::try_from(units).unwrap_or(u32::MAX)
}

/// A node's part of a quota.
pub(crate) fn divided(quota: Quota, nodes: u32) -> Quota {
    let nodes = nodes.max(1);
    let period = quota.period().saturating_mul(nodes).min(Quota::LONGEST_PERIOD);
    // A rate that is lower than one that can be had can be had.
    let rate = Quota::new(quota.count(), period).unwrap_or(quota);
    let burst = quota.max_burst().checked_div(nodes).unwrap_or(0).max(1);
    if quota.is_zero() { quota } else { rate.burst(burst) }
}

impl<'a> Claim<'a> {
    /// So many units of this limit for this subject.
    #[must_use]
    pub fn new(limit: &'a FleetLimit, subject: Subject, units: u32) -> Self {
        Self { limit, subject, units, in_shadow: false }
    }

    /// The same, only to find out: its denial keeps nothing from the others.
    #[must_use]
    pub fn in_shadow(self) -> Self {
        Self { in_shadow: true, ..self }
    }

    /// What a node remembers it by.
    pub(super) fn key(&self) -> u128 {
        // Both are hashes.
        self.subject.0 ^ self.limit.0.scope
    }
}
