//! What a layer puts aside: nothing of its own, with or without a store, where a check does not wait.

use std::{
    convert::Infallible,
    future::{Future, Ready, pending, ready},
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use portcullis::{
    Gate, GateLayer, LimitRule, Quota, Timestamp,
    limit::remote::{Call, OnFailure, Store, StoreError},
};
use tower_layer::Layer;
use tower_service::Service;

use super::allocations;

/// A service that allocates nothing.
#[derive(Clone)]
struct Plain;

struct Nothing;

impl Service<Request<()>> for Plain {
    type Response = Response<Nothing>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Nothing>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        drop(request);
        ready(Ok(Response::new(Nothing)))
    }
}

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

/// A store that grants all that it is asked for, once.
#[derive(Clone)]
struct Generous;

/// Many units are leased with the first.
const GRANTED: i64 = 5_000;

impl Store for Generous {
    async fn call(&self, _: &Call) -> Result<Vec<i64>, StoreError> {
        Ok(vec![GRANTED, 1, 0, 1_000_000])
    }

    async fn sleep(&self, _: Duration) {
        pending().await
    }
}

fn request() -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)));
    request
}

/// How many allocations a request of this service is, from its call to its response; and with which status.
fn asks<S, B>(service: &mut S, request: Request<()>) -> (u64, u16)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let mut status = 0;
    let count = allocations(|| {
        let mut response = pin!(service.call(request));
        match response.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => status = black_box(response).unwrap().status().as_u16(),
            Poll::Pending => panic!("there is nothing to wait for"),
        }
    });
    (count, status)
}

#[test]
fn a_layer_allocates_what_it_tells_handlers_and_nothing_else() {
    let told = {
        // What an admission is told in: a box among the extensions.
        let mut request = request();
        allocations(|| assert!(request.extensions_mut().insert([0_u64; 16]).is_none()))
    };
    let clock = || Timestamp::from_secs(1);
    let quota = Quota::per_hour(10_000);

    let local = Gate::builder().limit("per client", quota).build().unwrap();
    let mut local = GateLayer::new(&local).clock(clock).layer(Plain);
    for _ in 0..1_000 {
        assert_eq!(asks(&mut local, request()), (told, 200));
    }

    let limit = LimitRule::new("per client", quota).fleet(OnFailure::Closed);
    let shared = Gate::builder().limit_rule(limit).build().unwrap();
    let mut without_a_store = GateLayer::new(&shared).clock(clock).layer(Plain);
    assert_eq!(asks(&mut without_a_store, request()).1, 503);

    let mut service = GateLayer::new(&shared).clock(clock).fleet(Generous).layer(Plain);
    let (asking, status) = asks(&mut service, request());
    assert!(asking > told, "who asks the store puts its request aside");
    assert_eq!(status, 200);
    for _ in 0..1_000 {
        assert_eq!(asks(&mut service, request()), (told, 200), "answered by the lease");
    }
    assert_eq!(shared.fleet().unwrap().stats().calls(), 1);
}
