//! A check that waits for the store of a fleet, whatever the framework.
//!
//! What a lease or a remembered denial decides goes the way of a gate without a store, and nothing is put aside for it.
//! Only a check that waits is: the calls that it makes, or those of another, are one boxed future.
//!
//! # Invariants
//! - **I1** whoever waits can be dropped at any time: what the check has taken goes back to the leases of its node, and
//!   the calls that it makes go on, if the store can keep them, or are made by another.

use alloc::{boxed::Box, sync::Arc};
use core::{future::Future, pin::Pin};

use super::setting::Setting;
use crate::{
    gate::{GateAsk, GateStep, GateWait, Suspended},
    limit::remote::Store,
    verdict::Verdict,
};

/// No store: a gate is asked for what it knows itself.
///
/// It is what layers and middleware have in the place of a [`Store`] until they are given one.
/// [Limits of a fleet](crate::LimitRule::fleet) do without it what they do while their store does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NoStore;

/// The setting of an adapter that has a store.
pub(super) trait Stored: Send + Sync + 'static {
    type Store: Store;

    fn store(&self) -> &Self::Store;

    fn common(&self) -> &Setting;
}

/// A check on its way to the next step.
pub(super) type Waiting = Pin<Box<dyn Future<Output = Suspended> + Send>>;

/// The verdict; or else what is to be waited for, after which the gate is asked to go on.
#[inline]
pub(super) fn verdict_of<A: Stored>(step: GateStep, setting: &Arc<A>) -> Result<Verdict, Waiting> {
    match step {
        GateStep::Decided(verdict) => Ok(verdict),
        GateStep::Ask(ask) => Err(asking(ask, Arc::clone(setting))),
        GateStep::Wait(wait) => Err(waiting(wait, Arc::clone(setting))),
    }
}

#[cold]
fn asking<A: Stored>(ask: GateAsk, setting: Arc<A>) -> Waiting {
    let clock = {
        let setting = Arc::clone(&setting);
        move || setting.common().now()
    };
    Box::pin(async move { ask.run(setting.store(), clock).await })
}

#[cold]
fn waiting<A: Stored>(wait: GateWait, setting: Arc<A>) -> Waiting {
    Box::pin(async move { wait.run(setting.store(), || setting.common().now()).await })
}

#[cfg(test)]
pub(super) mod model;
