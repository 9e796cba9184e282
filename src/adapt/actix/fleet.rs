//! The future of a response where limits of a fleet have a store to ask.
//!
//! # Invariants
//! - **I1** the gate sees the same request each time, from the same peer: it is kept until the check is over, and then
//!   goes to the application or into the refusal;
//! - **I2** what is decided at once is put aside nowhere.

use alloc::{boxed::Box, rc::Rc, string::String, sync::Arc};
use core::{
    fmt,
    future::Future,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse},
};
use pin_project_lite::pin_project;

use super::{body::GateBody, future::GateFuture, service::follow, setting::MiddlewareSetting};
use crate::{
    adapt::fleet::{Checked, Undecided, Waiting, verdict_of},
    gate::Suspended,
    limit::remote::Store,
};

pin_project! {
    /// The response of a [`GateService`](super::GateService) with a store.
    ///
    /// Dropped while the check waits, nothing is taken, and its calls go on, if the store can keep them, or are made by
    /// another; dropped later, it is as with [`GateFuture`].
    ///
    /// # Cost
    /// As large as [`GateFuture`], or a pointer larger. A check that waits is put aside in allocations; one that does
    /// not, is not.
    pub struct FleetFuture<S, T>
    where
        S: Service<ServiceRequest>,
    {
        #[pin]
        checked: Checked<GateFuture<S::Future, T>, Waiter<S, T>>,
    }
}

/// A request whose check waits.
pub(super) struct Waiter<S, T> {
    pub(super) waiting: Waiting,
    pub(super) inner: Rc<S>,
    pub(super) request: ServiceRequest,
    pub(super) peer: Option<IpAddr>,
    pub(super) route: Option<String>,
    pub(super) setting: Arc<MiddlewareSetting<T>>,
}

impl<S: Service<ServiceRequest>, T> fmt::Debug for FleetFuture<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetFuture").finish_non_exhaustive()
    }
}

impl<S: Service<ServiceRequest>, T> FleetFuture<S, T> {
    pub(super) fn decided(response: GateFuture<S::Future, T>) -> Self {
        Self { checked: Checked::Decided { response } }
    }

    pub(super) fn undecided(waiter: Waiter<S, T>) -> Self {
        Self { checked: Checked::Undecided { undecided: Some(Box::new(waiter)) } }
    }
}

impl<S: Service<ServiceRequest>, T: Store> Undecided for Waiter<S, T> {
    type Response = GateFuture<S::Future, T>;

    fn waiting(&mut self) -> &mut Waiting {
        &mut self.waiting
    }

    fn go_on(mut self: Box<Self>, suspended: Suspended) -> Result<Self::Response, Box<Self>> {
        let common = &self.setting.common;
        // Of the time that the application takes, the store's is no part: who is slow is told apart.
        let at = common.now();
        let step = {
            let view = self.setting.view(&self.request, self.peer, self.route.as_deref());
            common.gate.resume(suspended, &view, at)
        };
        match verdict_of(step, &self.setting) {
            Ok(verdict) => {
                let Self { inner, request, setting, .. } = *self;
                Ok(follow(verdict, at, &*inner, request, &setting))
            }
            Err(waiting) => {
                self.waiting = waiting;
                Err(self)
            }
        }
    }
}

impl<S, T, Given> Future for FleetFuture<S, T>
where
    S: Service<ServiceRequest, Response = ServiceResponse<Given>, Error = Error>,
    T: Store,
    Given: MessageBody,
{
    type Output = Result<ServiceResponse<GateBody<Given>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().checked.poll(context)
    }
}
