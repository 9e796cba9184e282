//! Layers of tower, with a store and without.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use portcullis::{Gate, GateLayer, LimitFields};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    ASKED, BURST, State, at_every_call, clock, is_after_a_fleet, is_exact, now, state, touch,
};
use crate::peer;

#[test]
fn layers() {
    for hook in ["clock", "peer", "describe", "on_deny", "service", "body"] {
        let work = |state: &State| {
            let (gate, _, told) = &**state;
            now(serve(layer(gate).layer(Hello), told));
        };
        at_every_call(hook, || state(false), work, is_exact);
    }
    let hooks = ["clock", "peer", "describe", "on_deny", "service", "body", "store call"];
    for hook in hooks.into_iter().chain(["store clone", "store keep", "store sleep"]) {
        let work = |state: &State| {
            let (gate, store, told) = &**state;
            now(serve(layer(gate).fleet(store.clone()).layer(Hello), told));
        };
        at_every_call(hook, || state(true), work, is_after_a_fleet);
    }
}

/// All that a layer lets a service say.
fn layer(gate: &Gate) -> GateLayer {
    GateLayer::new(gate)
        .clock(clock)
        .fields(LimitFields::on_all())
        .peer(|_, _| {
            touch("peer");
            Some(peer(1))
        })
        .describe(|request, _, _| {
            touch("describe");
            request.field("ip.src.country", "XX")
        })
        .on_deny(|_, _| {
            touch("on_deny");
            http::Response::new(Bytes::new())
        })
}

async fn serve<S, B>(mut service: S, told: &AtomicU32)
where
    S: Service<http::Request<()>, Response = http::Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error = Infallible>,
{
    for asked in 0..ASKED {
        let Ok(()) = std::future::poll_fn(|context| service.poll_ready(context)).await;
        let Ok(response) = service.call(http::Request::new(())).await;
        // A refusal is known by its empty body.
        let passes = !response.body().is_end_stream();
        assert_eq!(passes, asked < BURST);
        told.fetch_add(u32::from(passes), Ordering::Relaxed);
        read(response.into_body()).await;
    }
}

async fn read<B: Body<Data = Bytes, Error = Infallible>>(body: B) {
    let mut body = std::pin::pin!(body);
    while std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await.is_some() {}
}

/// A service that answers with two frames, if it does not panic.
#[derive(Clone)]
struct Hello;

struct Answer;

struct Frames(u8);

impl Service<http::Request<()>> for Hello {
    type Response = http::Response<Frames>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        touch("service");
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<()>) -> Answer {
        touch("service");
        Answer
    }
}

impl Future for Answer {
    type Output = Result<http::Response<Frames>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        touch("service");
        Poll::Ready(Ok(http::Response::new(Frames(2))))
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        touch("body");
        self.0 = self.0.saturating_sub(1);
        Poll::Ready((self.0 > 0).then(|| Ok(Frame::data(Bytes::from_static(b"hello")))))
    }

    fn is_end_stream(&self) -> bool {
        touch("body");
        false
    }
}
