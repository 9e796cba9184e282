//! The future of a response: the service's, or a refusal that is there already.

use alloc::sync::Arc;
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{body::GateBody, setting::LayerSetting};
use crate::{gate::Outcome, verdict::Admission};

pin_project! {
    /// The response of a [`GateService`](super::GateService).
    #[derive(Debug)]
    pub struct GateFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<F> {
        Admitted {
            #[pin]
            response: F,
            // `None` once it is finished.
            admission: Option<Admission>,
            setting: Arc<LayerSetting>,
        },
        // `None` once it has been answered.
        Denied { response: Option<Response<Bytes>> },
    }
}

impl<F> GateFuture<F> {
    pub(super) fn admitted(response: F, admission: Admission, setting: Arc<LayerSetting>) -> Self {
        Self { kind: Kind::Admitted { response, admission: Some(admission), setting } }
    }

    pub(super) fn denied(response: Response<Bytes>) -> Self {
        Self { kind: Kind::Denied { response: Some(response) } }
    }
}

impl<F, Given, E> Future for GateFuture<F>
where
    F: Future<Output = Result<Response<Given>, E>>,
    Given: Body,
    Given::Data: From<Bytes>,
{
    type Output = Result<Response<GateBody<Given>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Admitted { response, admission, setting } => {
                let response = ready!(response.poll(context))?;
                if let Some(admission) = admission.take() {
                    let outcome = Outcome::status(response.status().as_u16());
                    setting.common.gate.finish(admission, outcome, setting.common.now());
                }
                Poll::Ready(Ok(response.map(GateBody::passed)))
            }
            KindProjection::Denied { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(GateBody::refused))),
                // Polled after completion, which futures may answer as they like.
                None => Poll::Pending,
            },
        }
    }
}
