//! The service: one question to the gate per request.

use alloc::sync::Arc;
use core::{
    fmt, mem,
    task::{Context, Poll},
};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body::Body;
use tower_service::Service;

use super::{
    body::GateBody,
    fleet::{FleetFuture, Waiter},
    future::GateFuture,
    setting::LayerSetting,
};
use crate::{
    adapt::{
        admitted::Admitted,
        asked::Asked,
        fleet::{NoStore, verdict_of},
        seen::is_preflight,
    },
    limit::remote::Store,
    time::Timestamp,
    verdict::Verdict,
};

/// A service with a [`Gate`](crate::Gate) in front of it; made by [`GateLayer`](super::GateLayer).
///
/// With a store, it is a service if the inner one can be cloned: while a check waits, it keeps the one that was polled
/// ready, and the next request has a clone.
#[derive(Clone)]
pub struct GateService<S, T = NoStore> {
    inner: S,
    setting: Arc<LayerSetting<T>>,
}

impl<S, T> GateService<S, T> {
    pub(super) fn new(inner: S, setting: Arc<LayerSetting<T>>) -> Self {
        Self { inner, setting }
    }
}

impl<S, Sent, Given> Service<Request<Sent>> for GateService<S>
where
    S: Service<Request<Sent>, Response = Response<Given>>,
    Given: Body,
    Given::Data: From<Bytes>,
{
    type Response = Response<GateBody<Given>>;
    type Error = S::Error;
    type Future = GateFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Sent>) -> GateFuture<S::Future> {
        let Self { inner, setting } = self;
        if passes_unasked(setting, &request) {
            return GateFuture::unasked(inner.call(request));
        }
        let peer = setting.find_peer(request.extensions(), request.headers());
        let at = setting.common.now();
        let verdict = setting.common.gate.check(&setting.view(&request, peer), at);
        follow(verdict, at, inner, request, setting)
    }
}

impl<S, T, Sent, Given> Service<Request<Sent>> for GateService<S, T>
where
    S: Service<Request<Sent>, Response = Response<Given>> + Clone,
    T: Store,
    Given: Body,
    Given::Data: From<Bytes>,
{
    type Response = Response<GateBody<Given>>;
    type Error = S::Error;
    type Future = FleetFuture<S, Sent, T>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Sent>) -> FleetFuture<S, Sent, T> {
        let Self { inner, setting } = self;
        if passes_unasked(setting, &request) {
            return FleetFuture::decided(GateFuture::unasked(inner.call(request)));
        }
        let peer = setting.find_peer(request.extensions(), request.headers());
        let at = setting.common.now();
        let step = setting.common.gate.start(&setting.view(&request, peer), at);
        match verdict_of(step, setting) {
            Ok(verdict) => FleetFuture::decided(follow(verdict, at, inner, request, setting)),
            Err(waiting) => {
                // The clone has not been polled ready: it is for requests to come.
                let clone = inner.clone();
                let ready = mem::replace(inner, clone);
                let setting = Arc::clone(setting);
                FleetFuture::undecided(Waiter { waiting, ready, request, peer, setting })
            }
        }
    }
}

fn passes_unasked<T, Sent>(setting: &LayerSetting<T>, request: &Request<Sent>) -> bool {
    setting.common.skips_preflights && is_preflight(request.method().as_str(), request.headers())
}

/// Does what the gate has said, at this time.
#[inline]
pub(super) fn follow<S: Service<Request<Sent>>, T, Sent>(
    verdict: Verdict,
    at: Timestamp,
    inner: &mut S,
    mut request: Request<Sent>,
    setting: &Arc<LayerSetting<T>>,
) -> GateFuture<S::Future, T> {
    match verdict.into_result() {
        Ok(admission) => {
            request.extensions_mut().insert(Admitted::of(&admission));
            let asked = Asked { admission, at };
            GateFuture::admitted(inner.call(request), asked, Arc::clone(setting))
        }
        Err(denial) => {
            let mut response = setting.refuse(&denial, request);
            response.extensions_mut().insert(denial);
            GateFuture::refused(response)
        }
    }
}

impl<S: fmt::Debug, T> fmt::Debug for GateService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, setting } = self;
        f.debug_struct("GateService").field("inner", inner).field("setting", setting).finish()
    }
}
