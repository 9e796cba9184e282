//! The future of a response: the application's, or a refusal that is there already.

use alloc::sync::Arc;
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{Error, body::MessageBody, dev::ServiceResponse};
use pin_project_lite::pin_project;

use super::{
    body::{GateBody, UntilEnd},
    response::write,
    rest::Rest,
    setting::MiddlewareSetting,
};
use crate::{adapt::answer::Lines, gate::Outcome, time::Timestamp, verdict::Admission};

pin_project! {
    /// The response of a [`GateService`](super::GateService).
    ///
    /// Dropped before it is ready, as actix-web does when a client leaves, the response is not known to the gate:
    /// what the request has taken stays taken, and its places among requests in flight are given back.
    pub struct GateFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F> {
        Passed {
            #[pin]
            response: F,
            // `None` if the gate was not asked, and once it has been told.
            asked: Option<Asked>,
        },
        // `None` once it has been answered.
        Refused { response: Option<(ServiceResponse, Option<Rest>)> },
    }
}

/// A request that may pass.
pub(super) struct Asked {
    pub(super) admission: Admission,
    /// When the gate was asked.
    pub(super) at: Timestamp,
    pub(super) setting: Arc<MiddlewareSetting>,
}

impl<F> GateFuture<F> {
    pub(super) fn passed(response: F, asked: Option<Asked>) -> Self {
        Self { kind: Kind::Passed { response, asked } }
    }

    pub(super) fn refused(response: ServiceResponse, rest: Option<Rest>) -> Self {
        Self { kind: Kind::Refused { response: Some((response, rest)) } }
    }
}

impl<F, Given> Future for GateFuture<F>
where
    F: Future<Output = Result<ServiceResponse<Given>, Error>>,
    Given: MessageBody,
{
    type Output = Result<ServiceResponse<GateBody<Given>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Passed { response, asked } => {
                let response = ready!(response.poll(context));
                Poll::Ready(match (response, asked.take()) {
                    (Ok(response), Some(asked)) => Ok(asked.answered(response)),
                    (Ok(response), None) => {
                        Ok(response.map_body(|_, body| GateBody::passed(body, None)))
                    }
                    (Err(error), asked) => {
                        if let Some(asked) = asked {
                            asked.failed(&error);
                        }
                        Err(error)
                    }
                })
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

impl Asked {
    /// Settles what the head of the response tells, and gives the rest to the body.
    fn answered<Given>(
        self,
        mut response: ServiceResponse<Given>,
    ) -> ServiceResponse<GateBody<Given>> {
        let Self { mut admission, at, setting } = self;
        let common = &setting.common;
        if common.fields.on_admission() {
            write(Lines::of_admission(&admission, common), response.headers_mut());
        }
        let now = common.now();
        let outcome =
            Outcome::status(response.status().as_u16()).latency(now.saturating_duration_since(at));
        let hold = admission.hold();
        let until_end = if admission.awaits_size() {
            Some(UntilEnd::owing(hold, admission, outcome, setting))
        } else {
            common.gate.finish(admission, outcome, now);
            hold.map(UntilEnd::holding)
        };
        response.map_body(|_, body| GateBody::passed(body, until_end))
    }

    /// Settles all: the response to an error is made outside of the gate, and there is no more to see of it.
    fn failed(self, error: &Error) {
        let Self { admission, at, setting } = self;
        let now = setting.common.now();
        // Not error_response(): that of actix-web's InternalError gives its response away, once.
        let status = error.as_response_error().status_code().as_u16();
        let outcome = Outcome::status(status).latency(now.saturating_duration_since(at));
        setting.common.gate.finish(admission, outcome, now);
    }
}
