//! The service: one question to the gate per request.

use alloc::sync::Arc;
use core::task::{Context, Poll};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body::Body;
use tower_service::Service;

use super::{body::GateBody, future::GateFuture, setting::LayerSetting};
use crate::adapt::{admitted::Admitted, asked::Asked, http, seen::is_preflight};

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

    fn call(&mut self, mut request: Request<Sent>) -> GateFuture<S::Future> {
        let common = &self.setting.common;
        if common.skips_preflights && is_preflight(request.method().as_str(), request.headers()) {
            return GateFuture::unasked(self.inner.call(request));
        }
        let peer = self.setting.find_peer(request.extensions(), request.headers());
        let at = common.now();
        match common.gate.check(&http::view(&request, peer), at).into_result() {
            Ok(admission) => {
                request.extensions_mut().insert(Admitted::of(&admission));
                let asked = Asked { admission, at };
                GateFuture::admitted(self.inner.call(request), asked, Arc::clone(&self.setting))
            }
            Err(denial) => {
                let mut response = self.setting.refuse(&denial, request);
                response.extensions_mut().insert(denial);
                GateFuture::refused(response)
            }
        }
    }
}
