//! The body of a response: the application's, or a refusal's.

use alloc::boxed::Box;
use core::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    web::Bytes,
};
use pin_project_lite::pin_project;

use super::rest::Rest;
use crate::adapt::asked::UntilEnd;

pin_project! {
    /// The body of a response that has passed the gate, or of a refusal.
    ///
    /// The request's places in limits of requests in flight are given back when it has ended, has failed, or is
    /// dropped.
    pub struct GateBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Passed {
            #[pin]
            body: B,
            until_end: Option<Box<UntilEnd>>,
        },
        Refused {
            #[pin]
            body: BoxBody,
            has_ended: bool,
            rest: Option<Rest>,
        },
    }
}

impl<B> fmt::Debug for GateBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateBody").finish_non_exhaustive()
    }
}

impl<B> GateBody<B> {
    pub(super) fn passed(body: B, until_end: Option<Box<UntilEnd>>) -> Self {
        Self { kind: Kind::Passed { body, until_end } }
    }

    pub(super) fn refused(body: BoxBody, rest: Option<Rest>) -> Self {
        Self { kind: Kind::Refused { body, has_ended: false, rest } }
    }
}

impl<B: MessageBody> MessageBody for GateBody<B> {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        match &self.kind {
            Kind::Passed { body, .. } => body.size(),
            Kind::Refused { body, .. } => body.size(),
        }
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match self.project().kind.project() {
            KindProjection::Passed { body, until_end } => {
                let next = ready!(body.poll_next(context)).map(|next| next.map_err(Into::into));
                match &next {
                    Some(Ok(bytes)) => {
                        if let Some(until_end) = until_end {
                            until_end.sent(bytes.len());
                        }
                    }
                    // The end, or an error, after which there is nothing more.
                    Some(Err(_)) | None => *until_end = None,
                }
                Poll::Ready(next)
            }
            KindProjection::Refused { body, has_ended, rest } => {
                if !*has_ended {
                    let next = ready!(body.poll_next(context));
                    *has_ended = next.is_none();
                    if next.is_some() {
                        return Poll::Ready(next);
                    }
                }
                if let Some(some) = rest {
                    ready!(some.poll_end(context));
                    *rest = None;
                }
                Poll::Ready(None)
            }
        }
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        match self.kind {
            Kind::Passed { body, until_end: None } => {
                body.try_into_bytes().map_err(|body| Self::passed(body, None))
            }
            Kind::Refused { body, has_ended, rest: None } => body
                .try_into_bytes()
                .map_err(|body| Self { kind: Kind::Refused { body, has_ended, rest: None } }),
            // As bytes, it would seem to have ended before it is sent, or before the rest has come.
            kind => Err(Self { kind }),
        }
    }
}
