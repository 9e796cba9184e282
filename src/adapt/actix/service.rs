//! The service: one question to the gate per request.

use alloc::{rc::Rc, string::String, sync::Arc};
use core::{
    fmt,
    task::{Context, Poll},
};

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse},
    http::ConnectionType,
};

use super::{
    body::GateBody,
    fleet::{FleetFuture, Waiter},
    future::GateFuture,
    response::refuse,
    rest::{MOST, Rest},
    setting::MiddlewareSetting,
    view::announces_more_than,
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

/// A service with a [`Gate`](crate::Gate) in front of it; made by [`GateMiddleware`](super::GateMiddleware).
///
/// With a store, it is one in front of a service that is shared with the requests whose checks wait.
#[derive(Clone)]
pub struct GateService<S, T = NoStore> {
    inner: S,
    setting: Arc<MiddlewareSetting<T>>,
}

impl<S, T> GateService<S, T> {
    pub(super) fn new(inner: S, setting: Arc<MiddlewareSetting<T>>) -> Self {
        Self { inner, setting }
    }
}

impl<S, Given> Service<ServiceRequest> for GateService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<Given>, Error = Error>,
    Given: MessageBody,
{
    type Response = ServiceResponse<GateBody<Given>>;
    type Error = Error;
    type Future = GateFuture<S::Future>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> GateFuture<S::Future> {
        let Self { inner, setting } = self;
        if passes_unasked(setting, &request) {
            return GateFuture::unasked(inner.call(request));
        }
        let route = route_of(setting, &request);
        let at = setting.common.now();
        let verdict = {
            let peer = setting.find_peer(&request);
            setting.common.gate.check(&setting.view(&request, peer, route.as_deref()), at)
        };
        follow(verdict, at, inner, request, setting)
    }
}

impl<S, T, Given> Service<ServiceRequest> for GateService<Rc<S>, T>
where
    S: Service<ServiceRequest, Response = ServiceResponse<Given>, Error = Error>,
    T: Store,
    Given: MessageBody,
{
    type Response = ServiceResponse<GateBody<Given>>;
    type Error = Error;
    type Future = FleetFuture<S, T>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> FleetFuture<S, T> {
        let Self { inner, setting } = self;
        if passes_unasked(setting, &request) {
            return FleetFuture::decided(GateFuture::unasked(inner.call(request)));
        }
        let route = route_of(setting, &request);
        let peer = setting.find_peer(&request);
        let at = setting.common.now();
        let step = setting.common.gate.start(&setting.view(&request, peer, route.as_deref()), at);
        match verdict_of(step, setting) {
            Ok(verdict) => FleetFuture::decided(follow(verdict, at, &**inner, request, setting)),
            Err(waiting) => {
                let (inner, setting) = (Rc::clone(inner), Arc::clone(setting));
                FleetFuture::undecided(Waiter { waiting, inner, request, peer, route, setting })
            }
        }
    }
}

fn passes_unasked<T>(setting: &MiddlewareSetting<T>, request: &ServiceRequest) -> bool {
    setting.common.skips_preflights && is_preflight(request.method().as_str(), request.headers())
}

fn route_of<T>(setting: &MiddlewareSetting<T>, request: &ServiceRequest) -> Option<String> {
    if setting.labels_routes { request.match_pattern() } else { None }
}

/// Does what the gate has said, at this time.
#[inline]
pub(super) fn follow<S: Service<ServiceRequest>, T>(
    verdict: Verdict,
    at: Timestamp,
    inner: &S,
    request: ServiceRequest,
    setting: &Arc<MiddlewareSetting<T>>,
) -> GateFuture<S::Future, T> {
    match verdict.into_result() {
        Ok(admission) => {
            request.extensions_mut().insert(Admitted::of(&admission));
            let asked = Asked { admission, at };
            GateFuture::admitted(inner.call(request), asked, Arc::clone(setting))
        }
        Err(denial) => {
            let (request, payload) = request.into_parts();
            let mut response = refuse(denial, &request, setting);
            let rest = Rest::of(payload);
            if rest.is_some() && announces_more_than(MOST, &request) {
                // It will be closed, so its client should not send a request that will be lost.
                response.head_mut().set_connection_type(ConnectionType::Close);
            }
            GateFuture::refused(ServiceResponse::new(request, response), rest)
        }
    }
}

impl<S: fmt::Debug, T> fmt::Debug for GateService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, setting } = self;
        f.debug_struct("GateService").field("inner", inner).field("setting", setting).finish()
    }
}
