//! The service: one question to the gate per request.

use alloc::sync::Arc;
use core::task::{Context, Poll};

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse},
    http::ConnectionType,
};

use super::{
    body::GateBody,
    future::GateFuture,
    response::refuse,
    rest::{MOST, Rest},
    setting::MiddlewareSetting,
    view::{announces_more_than, view},
};
use crate::adapt::{admitted::Admitted, asked::Asked, seen::is_preflight};

/// A service with a [`Gate`](crate::Gate) in front of it; made by [`GateMiddleware`](super::GateMiddleware).
#[derive(Clone, Debug)]
pub struct GateService<S> {
    inner: S,
    setting: Arc<MiddlewareSetting>,
}

impl<S> GateService<S> {
    pub(super) fn new(inner: S, setting: Arc<MiddlewareSetting>) -> Self {
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
        let common = &self.setting.common;
        if common.skips_preflights && is_preflight(request.method().as_str(), request.headers()) {
            return GateFuture::unasked(self.inner.call(request));
        }
        let route = if self.setting.labels_routes { request.match_pattern() } else { None };
        let at = common.now();
        let verdict = {
            let peer = self.setting.find_peer(&request);
            common.gate.check(&view(&request, peer, route.as_deref()), at)
        };
        match verdict.into_result() {
            Ok(admission) => {
                request.extensions_mut().insert(Admitted::of(&admission));
                let asked = Asked { admission, at };
                GateFuture::admitted(self.inner.call(request), asked, Arc::clone(&self.setting))
            }
            Err(denial) => {
                let (request, payload) = request.into_parts();
                let mut response = refuse(denial, &request, &self.setting);
                let rest = Rest::of(payload);
                if rest.is_some() && announces_more_than(MOST, &request) {
                    // It will be closed, so its client should not send a request that will be lost.
                    response.head_mut().set_connection_type(ConnectionType::Close);
                }
                GateFuture::refused(ServiceResponse::new(request, response), rest)
            }
        }
    }
}
