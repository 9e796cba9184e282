//! A check that waits for the store of a fleet, whatever the framework.
//!
//! What a lease or a remembered denial decides goes the way of a gate without a store, and nothing is put aside for it.
//! Only a check that waits is: the calls that it makes, or those of another, are one boxed future.
//!
//! # Invariants
//! - **I1** whoever waits can be dropped at any time: what the check has taken goes back to the leases of its node, and
//!   the calls that it makes go on, if the store can keep them, or are made by another.

use alloc::{boxed::Box, sync::Arc};
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

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

/// A request whose check waits, with all that its response needs.
pub(super) trait Undecided: Sized {
    /// The future of the response.
    type Response;

    fn waiting(&mut self) -> &mut Waiting;

    /// Goes on with the check: the response, unless it waits once more.
    fn go_on(self: Box<Self>, suspended: Suspended) -> Result<Self::Response, Box<Self>>;
}

pin_project! {
    /// A response that was decided about at once, or is after a wait.
    #[project = CheckedProjection]
    pub(super) enum Checked<F, U> {
        Decided {
            #[pin]
            response: F,
        },
        // `None` only if going on has panicked.
        Undecided { undecided: Option<Box<U>> },
    }
}

impl<F: Future, U: Undecided<Response = F>> Future for Checked<F, U> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        loop {
            match self.as_mut().project() {
                CheckedProjection::Decided { response } => return response.poll(context),
                CheckedProjection::Undecided { undecided } => {
                    let Some(mut some) = undecided.take() else { return Poll::Pending };
                    let Poll::Ready(suspended) = some.waiting().as_mut().poll(context) else {
                        *undecided = Some(some);
                        return Poll::Pending;
                    };
                    match some.go_on(suspended) {
                        Ok(response) => self.set(Self::Decided { response }),
                        Err(some) => *undecided = Some(some),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod model;
