//! The service: one question to the gate per request.

use alloc::sync::Arc;
use core::task::{Context, Poll};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body::Body;
use tower_service::Service;

use super::{body::GateBody, future::GateFuture, setting::LayerSetting};
use crate::adapt::{
    answer::{Dialect, Refusal},
    http,
};

/// A service with a [`Gate`](crate::Gate) in front of it; made by [`GateLayer`](super::GateLayer).
#[derive(Clone, Debug)]
pub struct GateService<S> {
    inner: S,
    setting: Arc<LayerSetting>,
}

impl<S> GateService<S> {
    pub(super) fn new(inner: S, setting: Arc<LayerSetting>) -> Self {
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
        let view = http::view(&request, peer);
        let common = &self.setting.common;
        match common.gate.check(&view, common.now()).into_result() {
            Ok(admission) => {
                GateFuture::admitted(self.inner.call(request), admission, Arc::clone(&self.setting))
            }
            Err(denial) => {
                let refusal = Refusal::of(&denial, Dialect::Http, common);
                GateFuture::denied(http::response(refusal))
            }
        }
    }
}
