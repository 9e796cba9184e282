//! The services that the layer is put around.

use core::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::CLIENT;
use crate::Admitted;

/// A service that answers with its text and never fails.
#[derive(Clone)]
pub(super) struct Hello;

impl Service<Request<()>> for Hello {
    type Response = Response<Text>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Text>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Text(Some(Bytes::from_static(b"hello"))))))
    }
}

pub(super) struct Text(Option<Bytes>);

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: core::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|text| Ok(http_body::Frame::data(text))))
    }
}

/// What the inner service has found among the extensions of its request, and a body that goes on.
#[derive(Clone)]
pub(super) struct Streaming(pub(super) Arc<AtomicU64>);

impl Service<Request<()>> for Streaming {
    type Response = Response<Endless>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Endless>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let admitted = request.extensions().get::<Admitted>();
        if admitted.is_some_and(|admitted| admitted.client() == CLIENT) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        ready(Ok(Response::new(Endless)))
    }
}

/// Three bytes at a time, for ever.
pub(super) struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: core::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(b"abc")))))
    }
}

/// A body of frames that are there at once, which says when there are no more.
pub(super) struct Frames(std::collections::VecDeque<Result<http_body::Frame<Bytes>, &'static str>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: core::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, &'static str>>> {
        Poll::Ready(self.0.pop_front())
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(7)
    }
}

/// A service of one answer, which is not `Send`, not `Clone` and borrows.
pub(super) struct Once<'a>(pub(super) &'a core::cell::Cell<Option<Result<Frames, &'static str>>>);

impl Service<Request<()>> for Once<'_> {
    type Response = Response<Frames>;
    type Error = &'static str;
    type Future = Ready<Result<Response<Frames>, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(self.0.take().unwrap().map(Response::new))
    }
}

pub(super) fn frames<const N: usize>(
    frames: [Result<http_body::Frame<Bytes>, &'static str>; N],
) -> core::cell::Cell<Option<Result<Frames, &'static str>>> {
    core::cell::Cell::new(Some(Ok(Frames(frames.into()))))
}
