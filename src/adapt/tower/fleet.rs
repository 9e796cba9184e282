//! The future of a response where limits of a fleet have a store to ask.
//!
//! # Invariants
//! - **I1** who is called is the service that was polled ready, and nobody else;
//! - **I2** the gate sees the same request each time, from the same peer: it is kept until the check is over;
//! - **I3** what is decided at once is put aside nowhere.

use alloc::{boxed::Box, sync::Arc};
use core::{
    fmt,
    future::Future,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{body::GateBody, future::GateFuture, service::follow, setting::LayerSetting};
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
    pub struct FleetFuture<S, Sent, T>
    where
        S: Service<Request<Sent>>,
    {
        #[pin]
        checked: Checked<GateFuture<S::Future, T>, Waiter<S, Sent, T>>,
    }
}

/// A request whose check waits.
pub(super) struct Waiter<S, Sent, T> {
    pub(super) waiting: Waiting,
    /// The service that was polled ready for it.
    pub(super) ready: S,
    pub(super) request: Request<Sent>,
    pub(super) peer: Option<IpAddr>,
    pub(super) setting: Arc<LayerSetting<T>>,
}

impl<S: Service<Request<Sent>>, Sent, T> FleetFuture<S, Sent, T> {
    pub(super) fn decided(response: GateFuture<S::Future, T>) -> Self {
        Self { checked: Checked::Decided { response } }
    }

    pub(super) fn undecided(waiter: Waiter<S, Sent, T>) -> Self {
        Self { checked: Checked::Undecided { undecided: Some(Box::new(waiter)) } }
    }
}

impl<S: Service<Request<Sent>>, Sent, T: Store> Undecided for Waiter<S, Sent, T> {
    type Response = GateFuture<S::Future, T>;

    fn waiting(&mut self) -> &mut Waiting {
        &mut self.waiting
    }

    fn go_on(mut self: Box<Self>, suspended: Suspended) -> Result<Self::Response, Box<Self>> {
        let common = &self.setting.common;
        // Of the time that the service takes, the store's is no part: who is slow is told apart.
        let at = common.now();
        let view = self.setting.view(&self.request, self.peer);
        let step = common.gate.resume(suspended, &view, at);
        match verdict_of(step, &self.setting) {
            Ok(verdict) => {
                let Self { mut ready, request, setting, .. } = *self;
                Ok(follow(verdict, at, &mut ready, request, &setting))
            }
            Err(waiting) => {
                self.waiting = waiting;
                Err(self)
            }
        }
    }
}

impl<S, T, Sent, Given> Future for FleetFuture<S, Sent, T>
where
    S: Service<Request<Sent>, Response = Response<Given>>,
    T: Store,
    Given: Body,
    Given::Data: From<Bytes>,
{
    type Output = Result<Response<GateBody<Given>>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().checked.poll(context)
    }
}

impl<S: Service<Request<Sent>>, Sent, T> fmt::Debug for FleetFuture<S, Sent, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetFuture").finish_non_exhaustive()
    }
}
