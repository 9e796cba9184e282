//! A layer with a store, which a test answers for.

mod failures;
mod waiting;

use core::{
    convert::Infallible,
    future::{Future, Ready, ready},
    net::{IpAddr, Ipv4Addr},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};
use std::{
    boxed::Box,
    format,
    string::String,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    vec::Vec,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use tower_layer::Layer;
use tower_service::Service;

use super::{FleetFuture, GateBody, GateFuture, GateLayer, GateService, refusal};
use crate::{
    Admitted, Denial, DenialReason, Gate, LimitFields, LimitRule, Quota, Timestamp,
    adapt::fleet::model::{Model, Reply, denied, granted, unreachable},
    gate::GateBuilder,
    limit::remote::OnFailure,
    rule::Scheme,
};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

/// A service that says when it is called without having been polled ready, and whom its request was admitted for. Each
/// that is ready holds a permit, as those of tower's limits do.
struct Picky {
    permit: Option<Arc<()>>,
    permits: Arc<()>,
    /// Its body goes on for ever.
    streams: bool,
}

impl Picky {
    fn new() -> Self {
        Self { permit: None, permits: Arc::default(), streams: false }
    }

    /// How many are ready, and not called yet.
    fn ready(permits: &Arc<()>, services: usize) -> usize {
        Arc::strong_count(permits) - 1 - services
    }
}

impl Clone for Picky {
    fn clone(&self) -> Self {
        Self { permit: None, permits: Arc::clone(&self.permits), streams: self.streams }
    }
}

impl Service<Request<Payload>> for Picky {
    type Response = Response<Text>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Text>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.permit.get_or_insert_with(|| Arc::clone(&self.permits));
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Payload>) -> Self::Future {
        assert!(self.permit.take().is_some(), "called before it was ready");
        let admitted = request.extensions().get::<Admitted>();
        let who = admitted.and_then(Admitted::client);
        let text = format!("{} {} {who:?}", request.uri(), request.body().0);
        let times = if self.streams { usize::MAX } else { 1 };
        ready(Ok(Response::new(Text { text, times })))
    }
}

/// A body that is not `Clone`, not `Default` and not `Sync`.
struct Payload(&'static str, core::marker::PhantomData<core::cell::Cell<()>>);

struct Text {
    text: String,
    times: usize,
}

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.times.checked_sub(1) else { return Poll::Ready(None) };
        self.times = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(self.text.as_bytes())))))
    }
}

type Sent = Request<Payload>;
type Answer = Response<GateBody<Text>>;
type Asking = Pin<Box<FleetFuture<Picky, Payload, Model>>>;

fn request() -> Sent {
    let mut request = Request::new(Payload("payload", core::marker::PhantomData));
    *request.uri_mut() = "/where".parse().unwrap();
    request.extensions_mut().insert(CLIENT);
    request
}

const ADMITTED: &str = "/where payload Some(203.0.113.9)";

/// Three an hour, for the whole fleet.
fn shared(on_failure: OnFailure) -> GateBuilder {
    let limit = LimitRule::new("per client", Quota::per_hour(3)).fleet(on_failure);
    Gate::builder().limit_rule(limit)
}

/// Whoever passes was granted it: nothing falls back.
fn gate() -> Gate {
    shared(OnFailure::Closed).build().unwrap()
}

/// A layer for which no time passes.
fn layer(gate: &Gate, store: &Model) -> GateLayer<Model> {
    GateLayer::new(gate).clock(|| Timestamp::from_secs(1)).fleet(store.clone())
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls it ready first, as callers have to.
fn call(service: &mut GateService<Picky, Model>) -> Asking {
    assert!(ready_for(service));
    Box::pin(service.call(request()))
}

fn ready_for(service: &mut GateService<Picky, Model>) -> bool {
    Service::<Sent>::poll_ready(service, &mut Context::from_waker(Waker::noop())).is_ready()
}

fn waits(asking: &mut Asking) -> bool {
    poll(asking.as_mut()).is_pending()
}

fn answer(asking: &mut Asking) -> Answer {
    match poll(asking.as_mut()) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("the response should have been there"),
    }
}

fn status(asking: &mut Asking) -> u16 {
    answer(asking).status().as_u16()
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

#[test]
fn who_is_granted_passes_untouched_and_the_rest_comes_from_the_lease() {
    let (gate, store) = (gate(), Model::default());
    let mut service = layer(&gate, &store).layer(Picky::new());
    let mut first = call(&mut service);
    assert!(waits(&mut first) && waits(&mut first));
    assert_eq!((store.calls(), gate.stats().admitted()), (1, 0));
    store.answer(granted(1, 1));
    let response = answer(&mut first);
    assert_eq!(response.status(), 200);
    assert!(response.headers().is_empty());
    assert_eq!(read(response.into_body()), ADMITTED.as_bytes());
    assert_eq!((gate.stats().admitted(), gate.stats().finished_with_class(2)), (1, 1));

    let response = answer(&mut call(&mut service));
    assert_eq!(read(response.into_body()), ADMITTED.as_bytes());
    assert_eq!((store.calls(), gate.stats().admitted()), (1, 2), "nobody was asked");
    assert!(waits(&mut call(&mut service)), "and now somebody is");
    assert_eq!(store.calls(), 2);
}

/// What a client is told does not depend on who has refused it.
#[test]
fn who_is_denied_by_the_store_gets_the_response_of_a_local_limit() {
    type Parts = (StatusCode, HeaderMap, Vec<u8>, Denial);
    fn parts(response: Answer) -> Parts {
        let (head, body) = response.into_parts();
        (head.status, head.headers, read(body), head.extensions.get::<Denial>().unwrap().clone())
    }
    for fields in [LimitFields::on_denials(), LimitFields::on_all(), LimitFields::none()] {
        let (gate, store) = (gate(), Model::default());
        let mut service = layer(&gate, &store).fields(fields).layer(Picky::new());
        let mut asked = call(&mut service);
        assert!(waits(&mut asked));
        store.answer(denied(1_200));
        let shared = parts(answer(&mut asked));
        assert_eq!(gate.stats().rule("per client").unwrap().denied(), 1);
        assert_eq!(gate.stats().finished_with_class(2), 0, "nobody was called");
        let remembered = parts(answer(&mut call(&mut service)));
        assert_eq!((store.calls(), gate.stats().denied()), (1, 2), "nobody was asked");

        let local = Gate::builder().limit("per client", Quota::per_hour(3)).build().unwrap();
        let mut service = GateLayer::new(&local)
            .clock(|| Timestamp::from_secs(1))
            .fields(fields)
            .layer(Picky::new());
        let mut ask = || {
            let mut context = Context::from_waker(Waker::noop());
            assert!(Service::<Sent>::poll_ready(&mut service, &mut context).is_ready());
            match poll(pin!(service.call(request()))) {
                Poll::Ready(response) => response.unwrap(),
                Poll::Pending => panic!("without a store there is nothing to wait for"),
            }
        };
        assert!((0..3).all(|_| ask().status() == 200));
        let local = parts(ask());
        for (status, headers, body, denial) in [shared, remembered] {
            assert_eq!((status, &headers, &body), (local.0, &local.1, &local.2));
            assert_eq!(status, 429);
            assert_eq!(headers["retry-after"], "1200");
            assert_eq!((denial.name(), denial.status()), (local.3.name(), local.3.status()));
            assert_eq!(denial.retry_after(), Some(core::time::Duration::from_secs(1_200)));
        }
    }
}

#[test]
fn fields_tell_where_the_client_stands_with_the_fleet() {
    let (gate, store) = (gate(), Model::default());
    let mut service = layer(&gate, &store).fields(LimitFields::on_all()).layer(Picky::new());
    let mut asked = call(&mut service);
    assert!(waits(&mut asked));
    store.answer(granted(0, 2));
    let response = answer(&mut asked);
    assert_eq!(response.headers()["ratelimit-policy"], "\"per client\";q=3;w=3600");
    let limit = response.headers()["ratelimit"].to_str().unwrap();
    assert!(limit.starts_with("\"per client\";r=2;"), "{limit}");
}

#[test]
fn a_body_keeps_its_place_and_passes_as_it_is() {
    let in_flight = LimitRule::in_flight("in flight", 1);
    let gate = shared(OnFailure::Closed).limit_rule(in_flight).build().unwrap();
    let store = Model::default();
    let streaming = Picky { streams: true, ..Picky::new() };
    let mut service = layer(&gate, &store).layer(streaming);
    let mut asked = call(&mut service);
    assert!(waits(&mut asked));
    store.answer(granted(2, 0));
    let mut body = Box::pin(answer(&mut asked).into_body());
    for _ in 0..3 {
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut context) else { panic!() };
        assert_eq!(frame.data_ref().unwrap(), ADMITTED.as_bytes());
        assert_eq!(status(&mut call(&mut service)), 429);
    }
    drop(body);
    assert_eq!(status(&mut call(&mut service)), 200);
}

#[test]
fn a_refusal_is_the_services_own_if_it_says_so() {
    let (gate, store) = (gate(), Model::default());
    let layer = layer(&gate, &store).on_deny(|denial, parts| {
        let mut response = refusal(denial);
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        *response.body_mut() = Bytes::copy_from_slice(parts.uri.path().as_bytes());
        response
    });
    let mut service = layer.layer(Picky::new());
    let mut asked = call(&mut service);
    assert!(waits(&mut asked));
    store.answer(denied(60));
    let refused = answer(&mut asked);
    assert_eq!(refused.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(refused.headers()["retry-after"], "60");
    assert_eq!(refused.headers()["ratelimit"], "\"per client\";r=0;t=60");
    assert_eq!(refused.extensions().get::<Denial>().unwrap().name(), "per client");
    assert_eq!(read(refused.into_body()), b"/where");
}

/// Settings that were made before the store are still there, and those after it as well.
#[test]
fn a_store_changes_nothing_else() {
    let (gate, store) = (gate(), Model::default());
    let asked = Arc::new(AtomicU64::new(0));
    let asks = Arc::clone(&asked);
    let layer = GateLayer::new(&gate)
        .peer(move |_, _| {
            asks.fetch_add(1, Ordering::Relaxed);
            Some(Ipv4Addr::new(192, 0, 2, 1).into())
        })
        .skip_preflights()
        .fleet(store.clone())
        .fields(LimitFields::on_all());
    let mut service = layer.clone().layer(Picky::new());
    let mut preflight = request();
    *preflight.method_mut() = http::Method::OPTIONS;
    for name in ["origin", "access-control-request-method"] {
        preflight.headers_mut().insert(name, http::HeaderValue::from_static("x"));
    }
    assert!(ready_for(&mut service));
    let mut unasked = Box::pin(service.call(preflight));
    assert_eq!(status(&mut unasked), 200);
    assert_eq!(store.calls(), 0);

    let mut asking = call(&mut service);
    assert!(waits(&mut asking));
    store.answer(granted(0, 1));
    let response = answer(&mut asking);
    assert!(response.headers().contains_key("ratelimit"));
    assert_eq!(read(response.into_body()), b"/where payload Some(192.0.2.1)");
    assert_eq!(asked.load(Ordering::Relaxed), 1, "the peer is looked for once");
    let shown = format!("{layer:?} {service:?}", service = layer.layer(()));
    assert!(shown.contains("GateLayer") && !shown.contains("Model"), "{shown}");
}

/// The time that the store takes is not the service's.
#[test]
fn a_slow_store_is_no_slow_response() {
    let cost = Scheme::new().parse_response_term("response.latency_ms").unwrap();
    let slow = LimitRule::new("milliseconds", Quota::per_hour(5)).cost_of(cost);
    let gate = shared(OnFailure::Closed).limit_rule(slow).build().unwrap();
    let store = Model::default();
    let time = Arc::new(AtomicU64::new(1_000));
    let clock = Arc::clone(&time);
    let layer =
        layer(&gate, &store).clock(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)));
    let mut service = layer.layer(Picky::new());
    for _ in 0..2 {
        let mut asked = call(&mut service);
        assert!(waits(&mut asked));
        time.fetch_add(15, Ordering::Relaxed);
        store.answer(granted(0, 1));
        assert_eq!(status(&mut asked), 200);
    }
}

/// A server needs them to be so, and a store makes nothing larger.
#[test]
fn layers_and_futures_go_where_those_without_a_store_go() {
    fn shareable<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn is_send<T: Send>(_: &T) {}
    let (gate, store) = (gate(), Model::default());
    let layer = layer(&gate, &store);
    shareable(&layer);
    let mut service = layer.layer(Picky::new());
    shareable(&service);
    is_send(&call(&mut service));
    let pointer = size_of::<usize>();
    type Inner = Ready<Result<Response<Text>, Infallible>>;
    assert!(
        size_of::<FleetFuture<Picky, Payload, Model>>() <= size_of::<GateFuture<Inner>>() + pointer
    );
    assert_eq!(size_of::<GateService<Picky, Model>>(), size_of::<GateService<Picky>>());
}

/// What one of them is told is nothing to the others.
#[test]
fn each_reply_is_for_its_own_client() {
    let (gate, store) = (gate(), Model::default());
    let mut service = layer(&gate, &store).layer(Picky::new());
    let mut of = |last: u8, reply: Reply| {
        assert!(ready_for(&mut service));
        let mut sent = request();
        sent.extensions_mut().insert(IpAddr::V4(Ipv4Addr::new(203, 0, 113, last)));
        let mut asked = Box::pin(service.call(sent));
        assert!(waits(&mut asked));
        store.answer(reply);
        status(&mut asked)
    };
    assert_eq!(of(1, denied(60)), 429);
    assert_eq!(of(2, granted(0, 1)), 200);
    assert_eq!(of(3, unreachable()), 503);
    assert_eq!(store.calls(), 3);
}
