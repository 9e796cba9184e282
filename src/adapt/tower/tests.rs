//! A layer without a store: what passes, what is refused and how, and who is told what.

mod ends;
mod services;

use core::{
    convert::Infallible,
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::pin,
    task::{Context, Poll, Waker},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    vec::Vec,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use self::services::{Hello, Streaming, Text};
use super::{GateBody, GateLayer, GateService, refusal};
use crate::{
    Denial, Gate, LimitFields, LimitRule, MissingPeer, Mode, Quota, Timestamp,
    gate::MissingKey,
    rule::{Action, Rule, Scheme, Type},
};

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the response should have been there"),
    }
}

fn read<B: Body<Data = Bytes, Error = Infallible>>(body: B) -> Vec<u8> {
    let mut body = pin!(body);
    let mut read = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut context) {
        read.extend_from_slice(frame.data_ref().unwrap());
    }
    read
}

fn ask(service: &mut GateService<Hello>, peer: Option<IpAddr>) -> Response<GateBody<Text>> {
    let mut request = Request::new(());
    if let Some(peer) = peer {
        request.extensions_mut().insert(SocketAddr::new(peer, 4_711));
    }
    now(service.call(request)).unwrap()
}

const CLIENT: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)));

fn from_client() -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(CLIENT.unwrap());
    request
}

fn one_per_second() -> Gate {
    Gate::builder().limit("per client", Quota::per_second(1)).build().unwrap()
}

#[test]
fn what_may_pass_passes_untouched_and_is_finished() {
    let gate = one_per_second();
    let mut service = GateLayer::new(&gate).layer(Hello);
    let response = ask(&mut service, CLIENT);
    assert_eq!(response.status(), 200);
    assert!(response.headers().is_empty());
    assert_eq!(read(response.into_body()), b"hello");
    assert_eq!((gate.stats().admitted(), gate.stats().finished_with_class(2)), (1, 1));
}

#[test]
fn what_may_not_is_answered_with_a_response() {
    let gate = one_per_second();
    let mut service = GateLayer::new(&gate).clock(|| Timestamp::from_secs(1)).layer(Hello);
    assert_eq!(ask(&mut service, CLIENT).status(), 200);
    let response = ask(&mut service, CLIENT);
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(!response.body().is_end_stream());
    assert_eq!(response.body().size_hint().exact(), Some(read(response.into_body()).len() as u64));
    assert_eq!(gate.stats().rule("per client").unwrap().denied(), 1);
    assert_eq!(gate.stats().finished_with_class(2), 1, "a refusal is not an answer of the service");
}

#[test]
fn the_clock_is_the_layers() {
    let time = Arc::new(AtomicU64::new(1));
    let clock = {
        let time = Arc::clone(&time);
        move || Timestamp::from_secs(time.load(Ordering::Relaxed))
    };
    let mut service = GateLayer::new(&one_per_second()).clock(clock).layer(Hello);
    assert_eq!(ask(&mut service, CLIENT).status(), 200);
    assert_eq!(ask(&mut service, CLIENT).status(), 429);
    time.store(2, Ordering::Relaxed);
    assert_eq!(ask(&mut service, CLIENT).status(), 200);
}

/// 1,000 clones of a layer and its services are one limit.
#[test]
fn clones_share_one_limit() {
    let gate = Gate::builder().limit("per client", Quota::per_hour(5)).build().unwrap();
    let layer = GateLayer::new(&gate);
    let served = (0..1_000)
        .filter(|_| ask(&mut layer.clone().layer(Hello).clone(), CLIENT).status() == 200)
        .count();
    assert_eq!(served, 5);
}

#[test]
fn a_missing_peer_is_a_choice_and_never_an_error() {
    let build = |choice| {
        let limit = Quota::per_hour(2);
        Gate::builder().limit("per client", limit).missing_peer(choice).build().unwrap()
    };
    for (choice, statuses) in [
        (MissingPeer::Skip, [200, 200, 200]),
        (MissingPeer::Shared, [200, 200, 429]),
        (MissingPeer::Deny, [403, 403, 403]),
    ] {
        let gate = build(choice);
        let mut service = GateLayer::new(&gate).layer(Hello);
        assert_eq!(statuses.map(|_| ask(&mut service, None).status().as_u16()), statuses);
        assert_eq!(gate.stats().missing_peer(), 3);
    }
}

#[test]
fn the_peer_can_come_from_anywhere() {
    let gate = Gate::builder().deny("192.0.2.0/24".parse().unwrap()).build().unwrap();
    let mut service = GateLayer::new(&gate)
        .peer(|_, headers| headers.get("x-peer")?.to_str().ok()?.parse().ok())
        .layer(Hello);
    let mut from = |peer: &str| {
        let request = Request::builder().header("x-peer", peer).body(()).unwrap();
        now(service.call(request)).unwrap().status().as_u16()
    };
    assert_eq!([from("192.0.2.1"), from("::ffff:192.0.2.1"), from("192.0.3.1")], [403, 403, 200]);

    let mut service = GateLayer::new(&gate).layer(Hello);
    let mut request = Request::new(());
    request.extensions_mut().insert(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
    assert_eq!(now(service.call(request)).unwrap().status(), 403);
}

/// Fields of the service's own, from what an outer layer has left; what it says counts first.
#[test]
fn the_service_describes_what_only_it_knows() {
    #[derive(Clone)]
    struct Tenant(std::string::String);

    let scheme = Scheme::new().field("tenant", Type::Bytes);
    let limit = LimitRule::new("per tenant", Quota::per_hour(1))
        .by([scheme.parse_term("tenant").unwrap()])
        .missing(MissingKey::Skip);
    let plain = Rule::new("tls only", scheme.parse("not ssl").unwrap());
    let gate = Gate::builder()
        .scheme(scheme)
        .rule(plain.then(Action::Deny { status: 400 }))
        .limit_rule(limit)
        .build()
        .unwrap();
    let mut service = GateLayer::new(&gate)
        .describe(|request, extensions, headers| {
            let request = request.field("ssl", headers.contains_key("x-tls"));
            match extensions.get::<Tenant>() {
                Some(Tenant(name)) => request.field("tenant", name.as_str()),
                None => request,
            }
        })
        .layer(Hello);
    let mut from = |tenant: Option<&str>, tls: bool| {
        let request = Request::builder().uri("https://shop.example/");
        let request = if tls { request.header("x-tls", "1") } else { request };
        let mut request = request.body(()).unwrap();
        if let Some(tenant) = tenant {
            request.extensions_mut().insert(Tenant(tenant.into()));
        }
        now(service.call(request)).unwrap().status().as_u16()
    };
    assert_eq!(
        [from(Some("a"), true), from(Some("a"), true), from(Some("b"), true)],
        [200, 429, 200]
    );
    assert_eq!([from(None, true), from(None, true)], [200, 200]);
    assert_eq!(from(None, false), 400, "whatever the scheme of the target");
}

#[cfg(feature = "axum")]
#[test]
fn axums_connect_info_is_read_also_mocked() {
    use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};

    let gate = Gate::builder().deny("192.0.2.0/24".parse().unwrap()).build().unwrap();
    let mut service = GateLayer::new(&gate).layer(Hello);
    let denied = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 1);
    let mut request = Request::new(());
    request.extensions_mut().insert(ConnectInfo(denied));
    assert_eq!(now(service.call(request)).unwrap().status(), 403);
    let mut request = Request::new(());
    request.extensions_mut().insert(MockConnectInfo(denied));
    assert_eq!(now(service.call(request)).unwrap().status(), 403);
}

/// Readiness is the inner service's, also while everything is refused.
#[test]
fn the_gate_never_makes_a_caller_wait() {
    let gate = Gate::builder().limit("none", Quota::per_second(0)).build().unwrap();
    let mut service = GateLayer::new(&gate).layer(Hello);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        assert!(service.poll_ready(&mut context).is_ready());
        let response = ask(&mut service, CLIENT);
        assert_eq!(response.status(), 429);
        assert!(!response.headers().contains_key("retry-after"), "waiting does not help");
    }
    gate.set_mode(Mode::Observe);
    assert_eq!(ask(&mut service, CLIENT).status(), 200);
    assert_eq!(gate.stats().would_deny(), 1);
}

#[test]
fn handlers_are_told_what_the_gate_has_said() {
    let gate = Gate::builder().limit("per client", Quota::per_hour(2)).build().unwrap();
    let told = Arc::new(AtomicU64::new(0));
    let mut service = GateLayer::new(&gate).layer(Streaming(Arc::clone(&told)));
    for _ in 0..3 {
        now(service.call(from_client())).unwrap();
    }
    assert_eq!(told.load(Ordering::Relaxed), 2, "and who is refused never comes as far");
}

#[test]
fn a_refusal_is_the_services_own_if_it_says_so() {
    let gate = Gate::builder().limit("per client", Quota::per_minute(1)).build().unwrap();
    let layer =
        GateLayer::new(&gate).clock(|| Timestamp::from_secs(1)).on_deny(|denial, request| {
            let mut response = refusal(denial);
            *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
            response.headers_mut().insert("retry-after", http::HeaderValue::from_static("never"));
            *response.body_mut() = Bytes::copy_from_slice(request.uri.path().as_bytes());
            response
        });
    let mut service = layer.layer(Hello);
    let mut ask = || now(service.call(from_client())).unwrap();
    assert_eq!(ask().status(), 200);
    let refused = ask();
    assert_eq!(refused.status(), 418);
    assert_eq!(refused.headers()["retry-after"], "never", "what is there stays");
    assert_eq!(refused.headers()["ratelimit"], "\"per client\";r=0;t=60");
    assert_eq!(refused.extensions().get::<Denial>().unwrap().name(), "per client");
    assert_eq!(read(refused.into_body()), b"/");
}

#[test]
fn preflights_pass_unasked_if_that_is_wanted() {
    let gate = Gate::builder().limit("none", Quota::per_second(0)).build().unwrap();
    let preflight = |leave_out: &str| {
        let mut request = from_client();
        *request.method_mut() = http::Method::OPTIONS;
        for name in ["origin", "access-control-request-method"] {
            if name != leave_out {
                request.headers_mut().insert(name, http::HeaderValue::from_static("x"));
            }
        }
        request
    };
    let mut skipping = GateLayer::new(&gate).skip_preflights().layer(Hello);
    let mut status = |request| now(skipping.call(request)).unwrap().status().as_u16();
    assert_eq!(status(preflight("")), 200);
    assert_eq!(status(preflight("origin")), 429, "no browser asks like that");
    assert_eq!(status(preflight("access-control-request-method")), 429);
    assert_eq!(status(from_client()), 429);
    let mut asking = GateLayer::new(&gate).layer(Hello);
    assert_eq!(now(asking.call(preflight(""))).unwrap().status(), 429);
}

#[test]
fn grpc_is_refused_in_its_own_way() {
    let gate = Gate::builder().limit("none", Quota::per_second(0)).build().unwrap();
    let mut service = GateLayer::new(&gate).layer(Hello);
    let mut request = from_client();
    let grpc = http::HeaderValue::from_static("application/grpc+proto");
    request.headers_mut().insert("content-type", grpc);
    let response = now(service.call(request)).unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["grpc-status"]),
        (200, &"8".parse().unwrap())
    );
    assert!(response.body().is_end_stream());
}
