//! The body of a response: the service's, or a refusal's.
//!
//! # Invariants
//! - **I1** what lasts until the end is let go once: when the body has ended or failed, or is dropped, whichever
//!   comes first;
//! - **I2** frames, trailers, hints and errors are the body's own, and nothing is put in between.

use alloc::boxed::Box;
use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::adapt::asked::UntilEnd;

pin_project! {
    /// The body of a response that has passed the gate, or of a refusal.
    ///
    /// The request's places in limits of requests in flight are given back when it has ended, has failed, or is
    /// dropped.
    /// That is when the server has taken the last of it, which may then still be on its way to the client.
    ///
    /// # Cost
    /// A pointer beside the service's body. Where there is something to wait for, one allocation.
    #[derive(Debug)]
    pub struct GateBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<B> {
        Passed {
            #[pin]
            body: B,
            until_end: Option<Box<UntilEnd>>,
        },
        // `None` if it is empty, and once it has been read.
        Refused { text: Option<Bytes> },
    }
}

impl<B> GateBody<B> {
    pub(super) fn passed(body: B, until_end: Option<Box<UntilEnd>>) -> Self {
        Self { kind: Kind::Passed { body, until_end } }
    }

    pub(super) fn refused(text: Bytes) -> Self {
        Self { kind: Kind::Refused { text: Some(text).filter(|text| !text.is_empty()) } }
    }
}

impl<B: Default> Default for GateBody<B> {
    fn default() -> Self {
        Self::passed(B::default(), None)
    }
}

impl<B: Body> Body for GateBody<B>
where
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Passed { mut body, until_end } => {
                let frame = ready!(body.as_mut().poll_frame(context));
                if let Some(held) = until_end {
                    let goes_on = match &frame {
                        Some(Ok(frame)) => {
                            held.sent(frame.data_ref().map_or(0, Buf::remaining));
                            // Who is told so does not ask again.
                            !body.is_end_stream()
                        }
                        Some(Err(_)) | None => false,
                    };
                    if !goes_on {
                        *until_end = None;
                    }
                }
                Poll::Ready(frame)
            }
            KindProjection::Refused { text } => {
                Poll::Ready(text.take().map(|text| Ok(Frame::data(text.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passed { body, .. } => body.is_end_stream(),
            Kind::Refused { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { body, .. } => body.size_hint(),
            Kind::Refused { text } => {
                let length = text.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
        }
    }
}
