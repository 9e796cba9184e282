//! The service: one question to the gate per request.

use alloc::sync::Arc;
use core::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{body::GateBody, future::GateFuture, setting::Setting};
use crate::adapt::http::view;

/// A service with a [`Gate`](crate::Gate) in front of it; made by [`GateLayer`](super::GateLayer).
#[derive(Clone, Debug)]
pub struct GateService<S> {
    inner: S,
    setting: Arc<Setting>,
}

impl<S> GateService<S> {
    pub(super) fn new(inner: S, setting: Arc<Setting>) -> Self {
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
        let peer = self.setting.find_peer(request.extensions(), request.headers());
        let view = view(&request, peer);
        match self.setting.gate.check(&view, self.setting.now()).into_result() {
            Ok(admission) => {
                GateFuture::admitted(self.inner.call(request), admission, Arc::clone(&self.setting))
            }
            Err(denial) => GateFuture::denied(denial),
        }
    }
}
