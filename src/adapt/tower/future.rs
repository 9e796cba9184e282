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
use crate::adapt::{asked::Asked, fleet::NoStore, http::write};

pin_project! {
    /// The response of a [`GateService`](super::GateService).
    ///
    /// Dropped before it is ready, as servers do when a client leaves, the response is not known to the gate:
    /// what the request has taken stays taken, and its places in limits of requests in flight are given back.
    #[derive(Debug)]
    pub struct GateFuture<F, T = NoStore> {
        #[pin]
        kind: Kind<F, T>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<F, T> {
        Passed {
            #[pin]
            response: F,
            // `None` if the gate was not asked, and once it has been told.
            asked: Option<(Asked, Arc<LayerSetting<T>>)>,
        },
        // `None` once it has been answered.
        Refused { response: Option<Response<Bytes>> },
    }
}

impl<F, T> GateFuture<F, T> {
    /// Of a request that the gate was not asked about.
    pub(super) fn unasked(response: F) -> Self {
        Self { kind: Kind::Passed { response, asked: None } }
    }

    pub(super) fn admitted(response: F, asked: Asked, setting: Arc<LayerSetting<T>>) -> Self {
        Self { kind: Kind::Passed { response, asked: Some((asked, setting)) } }
    }

    pub(super) fn refused(response: Response<Bytes>) -> Self {
        Self { kind: Kind::Refused { response: Some(response) } }
    }
}

impl<F, T, Given, E> Future for GateFuture<F, T>
where
    F: Future<Output = Result<Response<Given>, E>>,
    Given: Body,
    Given::Data: From<Bytes>,
{
    type Output = Result<Response<GateBody<Given>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Passed { response, asked } => {
                let response = ready!(response.poll(context));
                // With an error, there is no response to tell of, and this is dropped.
                let asked = asked.take();
                let mut response = response?;
                let until_end = asked.and_then(|(asked, setting)| {
                    if let Some(lines) = asked.lines(&setting.common) {
                        write(lines, response.headers_mut());
                    }
                    asked.answered(response.status().as_u16(), &setting.common)
                });
                // What has ended already may be dropped late, or kept.
                let until_end = until_end.filter(|_| !response.body().is_end_stream());
                Poll::Ready(Ok(response.map(|body| GateBody::passed(body, until_end))))
            }
            KindProjection::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(GateBody::refused))),
                // Polled after completion, which futures may answer as they like.
                None => Poll::Pending,
            },
        }
    }
}
