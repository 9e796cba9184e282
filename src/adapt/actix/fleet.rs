//! The future of a response where limits of a fleet have a store to ask.
//!
//! # Invariants
//! - **I1** the gate sees the same request each time, from the same peer: it is kept until the check is over, and then
//!   goes to the application or into the refusal;
//! - **I2** what is decided at once is put aside nowhere.

use alloc::{boxed::Box, rc::Rc, string::String, sync::Arc};
use core::{
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

use super::{
    body::GateBody, future::GateFuture, service::follow, setting::MiddlewareSetting, view::view,
};
use crate::{
    adapt::fleet::{Waiting, verdict_of},
    gate::Suspended,
    limit::remote::Store,
};

pin_project! {
    /// The response of a [`GateService`](super::GateService) with a store.
    ///
    /// Dropped while the check waits, nothing is taken, and the calls that it was to make are made for another; dropped
    /// later, it is as with [`GateFuture`].
    ///
    /// # Cost
    /// As large as [`GateFuture`], or a pointer larger. A check that waits is put aside in allocations; one that does
    /// not, is not.
    pub struct FleetFuture<S, T>
    where
        S: Service<ServiceRequest>,
    {
        #[pin]
        kind: Kind<S, T>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<S, T>
    where
        S: Service<ServiceRequest>,
    {
        Decided {
            #[pin]
            response: GateFuture<S::Future, T>,
        },
        // `None` only if going on has panicked.
        Undecided { undecided: Option<Box<Undecided<S, T>>> },
    }
}

/// A request whose check waits.
pub(super) struct Undecided<S, T> {
    pub(super) waiting: Waiting,
    pub(super) inner: Rc<S>,
    pub(super) request: ServiceRequest,
    pub(super) peer: Option<IpAddr>,
    pub(super) route: Option<String>,
    pub(super) setting: Arc<MiddlewareSetting<T>>,
}

impl<S: Service<ServiceRequest>, T> FleetFuture<S, T> {
    pub(super) fn decided(response: GateFuture<S::Future, T>) -> Self {
        Self { kind: Kind::Decided { response } }
    }

    pub(super) fn undecided(undecided: Undecided<S, T>) -> Self {
        Self { kind: Kind::Undecided { undecided: Some(Box::new(undecided)) } }
    }
}

impl<S: Service<ServiceRequest>, T: Store> Undecided<S, T> {
    /// Goes on with the check.
    fn go_on(
        mut self: Box<Self>,
        suspended: Suspended,
    ) -> Result<GateFuture<S::Future, T>, Box<Self>> {
        let common = &self.setting.common;
        // Of the time that the application takes, the store's is no part: who is slow is told apart.
        let at = common.now();
        let step = {
            let view = view(&self.request, self.peer, self.route.as_deref());
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

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut kind = self.as_mut().project().kind;
            match kind.as_mut().project() {
                KindProjection::Decided { response } => return response.poll(context),
                KindProjection::Undecided { undecided } => {
                    let Some(mut some) = undecided.take() else { return Poll::Pending };
                    let Poll::Ready(suspended) = some.waiting.as_mut().poll(context) else {
                        *undecided = Some(some);
                        return Poll::Pending;
                    };
                    match some.go_on(suspended) {
                        Ok(response) => kind.set(Kind::Decided { response }),
                        Err(some) => *undecided = Some(some),
                    }
                }
            }
        }
    }
}
