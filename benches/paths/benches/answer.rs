//! What it costs to answer: to refuse with a problem description or a gRPC status, and to tell who passes
//! about its limit. Each beside what is there without an answer.

#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use http_body_util::Full;
use portcullis::{Gate, GateLayer, LimitFields, Quota, Timestamp, tower::refusal};
use tower_layer::Layer;
use tower_service::Service;

/// Never runs out in a run of seconds.
const OPEN: Quota = Quota::per_second(1_000_000).burst(1 << 27);
/// Taken once, it is denied for a day.
const DAILY: Quota = Quota::per_day(1);
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

#[derive(Clone)]
struct Hello;

impl Service<Request<()>> for Hello {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Full::from("hello"))))
    }
}

fn request(content_type: Option<&'static str>) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(CLIENT);
    if let Some(content_type) = content_type {
        let content_type = http::HeaderValue::from_static(content_type);
        request.headers_mut().insert("content-type", content_type);
    }
    request
}

fn answer(c: &mut Criterion) {
    let closed = Gate::builder().limit("per client", DAILY).build().unwrap();
    let open = Gate::builder().limit("per client", OPEN).build().unwrap();
    let peer = portcullis::Request::new(CLIENT).method("GET").target("/");
    drop(closed.check(&peer, Timestamp::ZERO));

    let denial = closed.check(&peer, Timestamp::ZERO).into_result().unwrap_err();
    c.bench_function("answer/a plain refusal", |b| b.iter(|| refusal(black_box(&denial))));
    for (name, gate) in [("refused", &closed), ("passed", &open)] {
        c.bench_function(&format!("answer/{name}/the gate alone"), |b| {
            b.iter(|| black_box(gate).check(&peer, Timestamp::ZERO));
        });
    }

    let grpc = Some("application/grpc");
    for (name, gate, fields, content_type, status) in [
        ("refused/no fields", &closed, LimitFields::none(), None, 429),
        ("refused/fields", &closed, LimitFields::on_denials(), None, 429),
        ("refused/grpc", &closed, LimitFields::on_denials(), grpc, 200),
        ("passed/no fields", &open, LimitFields::none(), None, 200),
        ("passed/fields", &open, LimitFields::on_all(), None, 200),
    ] {
        let layer = GateLayer::new(gate).clock(|| Timestamp::ZERO).fields(fields);
        let mut service = layer.layer(Hello);
        c.bench_function(&format!("answer/{name}"), |b| {
            b.iter_batched(
                || request(content_type),
                |request| {
                    let mut context = Context::from_waker(Waker::noop());
                    let response = pin!(service.call(request)).poll(&mut context);
                    let Poll::Ready(Ok(response)) = response else { panic!("it is ready") };
                    assert_eq!(response.status(), status);
                    response
                },
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group!(benches, answer);
criterion_main!(benches);
