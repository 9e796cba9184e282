//! The future of a response: the application's, or a refusal that is there already.

use alloc::sync::Arc;
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{Error, body::MessageBody, dev::ServiceResponse};
use pin_project_lite::pin_project;

use super::{body::GateBody, response::write, rest::Rest, setting::MiddlewareSetting};
use crate::adapt::{asked::Asked, fleet::NoStore};

pin_project! {
    /// The response of a [`GateService`](super::GateService).
    ///
    /// Dropped before it is ready, as actix-web does with `h1_allow_half_closed(false)` when a client leaves, the
    /// response is not known to the gate: what the request has taken stays taken, and its places in limits of
    /// requests in flight are given back.
    pub struct GateFuture<F, T = NoStore> {
        #[pin]
        kind: Kind<F, T>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F, T> {
        Passed {
            #[pin]
            response: F,
            // `None` if the gate was not asked, and once it has been told.
            asked: Option<(Asked, Arc<MiddlewareSetting<T>>)>,
        },
        // `None` once it has been answered.
        Refused { response: Option<(ServiceResponse, Option<Rest>)> },
    }
}

impl<F, T> fmt::Debug for GateFuture<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}

impl<F, T> GateFuture<F, T> {
    /// Of a request that the gate was not asked about.
    pub(super) fn unasked(response: F) -> Self {
        Self { kind: Kind::Passed { response, asked: None } }
    }

    pub(super) fn admitted(response: F, asked: Asked, setting: Arc<MiddlewareSetting<T>>) -> Self {
        Self { kind: Kind::Passed { response, asked: Some((asked, setting)) } }
    }

    pub(super) fn refused(response: ServiceResponse, rest: Option<Rest>) -> Self {
        Self { kind: Kind::Refused { response: Some((response, rest)) } }
    }
}

impl<F, T, Given> Future for GateFuture<F, T>
where
    F: Future<Output = Result<ServiceResponse<Given>, Error>>,
    Given: MessageBody,
{
    type Output = Result<ServiceResponse<GateBody<Given>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Passed { response, asked } => {
                let response = ready!(response.poll(context));
                let asked = asked.take();
                let mut response = match response {
                    Ok(response) => response,
                    Err(error) => {
                        // Not error_response(): that of actix-web's InternalError gives its response away, once. So of an
                        // error that says its status nowhere else, 500 is what the gate hears.
                        let status = error.as_response_error().status_code().as_u16();
                        if let Some((asked, setting)) = asked {
                            asked.failed(status, &setting.common);
                        }
                        return Poll::Ready(Err(error));
                    }
                };
                let until_end = asked.and_then(|(asked, setting)| {
                    if let Some(lines) = asked.lines(&setting.common) {
                        write(lines, response.headers_mut());
                    }
                    asked.answered(response.status().as_u16(), &setting.common)
                });
                Poll::Ready(Ok(response.map_body(|_, body| GateBody::passed(body, until_end))))
            }
            KindProjection::Refused { response } => match response.take() {
                Some((response, rest)) => {
                    Poll::Ready(Ok(response.map_body(|_, body| GateBody::refused(body, rest))))
                }
                // Polled after completion, which futures may answer as they like.
                None => Poll::Pending,
            },
        }
    }
}
