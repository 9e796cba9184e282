//! The body of a response: the application's, or a refusal's.

use alloc::{boxed::Box, sync::Arc};
use core::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    web::Bytes,
};
use pin_project_lite::pin_project;

use super::{rest::Rest, setting::MiddlewareSetting};
use crate::{
    gate::{Hold, Outcome},
    verdict::Admission,
};

pin_project! {
    /// The body of a response that has passed the gate, or of a refusal.
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
            until_end: Option<UntilEnd>,
        },
        Refused {
            #[pin]
            body: BoxBody,
            has_ended: bool,
            rest: Option<Rest>,
        },
    }
}

/// What lasts until the end of a body, or until it is dropped.
pub(super) struct UntilEnd {
    owed: Option<Box<Owed>>,
    /// Bytes so far.
    size: u64,
    _hold: Option<Hold>,
}

/// What the gate is still to be told.
struct Owed {
    admission: Admission,
    outcome: Outcome,
    setting: Arc<MiddlewareSetting>,
}

impl<B> GateBody<B> {
    pub(super) fn passed(body: B, until_end: Option<UntilEnd>) -> Self {
        Self { kind: Kind::Passed { body, until_end } }
    }

    pub(super) fn refused(body: BoxBody, rest: Option<Rest>) -> Self {
        Self { kind: Kind::Refused { body, has_ended: false, rest } }
    }
}

impl UntilEnd {
    /// Nothing but the places in flight.
    pub(super) fn holding(hold: Hold) -> Self {
        Self { owed: None, size: 0, _hold: Some(hold) }
    }

    /// The gate is to be told how large the response was.
    pub(super) fn owing(
        hold: Option<Hold>,
        admission: Admission,
        outcome: Outcome,
        setting: Arc<MiddlewareSetting>,
    ) -> Self {
        let owed = Some(Box::new(Owed { admission, outcome, setting }));
        Self { owed, size: 0, _hold: hold }
    }
}

impl Drop for UntilEnd {
    fn drop(&mut self) {
        if let Some(owed) = self.owed.take() {
            let Owed { admission, outcome, setting } = *owed;
            let common = &setting.common;
            common.gate.finish(admission, outcome.size(self.size), common.now());
        }
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
                let next = body.poll_next(context).map_err(Into::into);
                match &next {
                    Poll::Ready(Some(Ok(bytes))) => {
                        if let Some(until_end) = until_end {
                            let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                            until_end.size = until_end.size.saturating_add(size);
                        }
                    }
                    // The end, or an error, after which there is nothing more.
                    Poll::Ready(_) => *until_end = None,
                    Poll::Pending => {}
                }
                next
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
            Kind::Refused { body, has_ended, rest } => body
                .try_into_bytes()
                .map_err(|body| Self { kind: Kind::Refused { body, has_ended, rest } }),
            // As bytes, it would seem to have ended before it is sent.
            kind @ Kind::Passed { until_end: Some(_), .. } => Err(Self { kind }),
        }
    }
}
