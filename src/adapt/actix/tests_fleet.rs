//! A middleware with a store, which a test answers for.

use core::{
    cell::Cell,
    future::{Future, Ready, ready},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};
use std::{
    boxed::Box,
    format,
    rc::Rc,
    string::String,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    vec::Vec,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpResponse,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
    http::{Method, StatusCode, header::HeaderMap},
    test::TestRequest,
    web::Bytes,
};

use super::{Admitted, FleetFuture, GateBody, GateFuture, GateMiddleware, GateService};
use crate::{
    Denial, DenialReason, Gate, LimitFields, LimitRule, Quota, Timestamp,
    adapt::fleet::model::{Model, denied, granted, unreachable},
    gate::GateBuilder,
    limit::remote::OnFailure,
    rule::Scheme,
};

/// An application that says what has come to it: path, body and client. It is not `Clone`.
struct Echo(Rc<Cell<usize>>);

impl Service<ServiceRequest> for Echo {
    type Response = ServiceResponse;
    type Error = Error;
    type Future = Ready<Result<ServiceResponse, Error>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        self.0.set(self.0.get() + 1);
        let who = request.extensions().get::<Admitted>().and_then(Admitted::client);
        let (head, payload) = request.parts_mut();
        let body = match poll(pin!(Bytes::from_request(head, payload))) {
            Poll::Ready(body) => body.unwrap(),
            Poll::Pending => panic!("the body should have been there"),
        };
        let body = String::from_utf8(body.to_vec()).unwrap();
        let text = format!("{} {body} {who:?}", request.path());
        ready(Ok(request.into_response(HttpResponse::Ok().body(text))))
    }
}

type Sharing = GateService<Rc<Echo>, Model>;
type Asking = Pin<Box<FleetFuture<Echo, Model>>>;
type Answer = ServiceResponse<GateBody<actix_web::body::BoxBody>>;

const ADMITTED: &[u8] = b"/where payload Some(203.0.113.9)";

fn request() -> TestRequest {
    let client = "203.0.113.9:4711".parse().unwrap();
    TestRequest::with_uri("/where").peer_addr(client).set_payload("payload")
}

/// Three an hour, for the whole fleet.
fn shared(on_failure: OnFailure) -> GateBuilder {
    let limit = LimitRule::new("per client", Quota::per_hour(3)).fleet(on_failure);
    Gate::builder().limit_rule(limit)
}

/// Whoever passes was granted it: nothing falls back.
fn gate() -> Gate {
    shared(OnFailure::Closed).build().unwrap()
}

/// A middleware for which no time passes.
fn middleware(gate: &Gate, store: &Model) -> GateMiddleware<Model> {
    GateMiddleware::new(gate).clock(|| Timestamp::from_secs(1)).fleet(store.clone())
}

/// In front of an application that counts its requests.
fn wrap(middleware: &GateMiddleware<Model>, served: &Rc<Cell<usize>>) -> Sharing {
    match poll(pin!(middleware.new_transform(Echo(Rc::clone(served))))) {
        Poll::Ready(Ok(service)) => service,
        _ => panic!("a middleware is there at once"),
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn call(service: &Sharing) -> Asking {
    Box::pin(service.call(request().to_srv_request()))
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

fn read<B: MessageBody>(body: B) -> Vec<u8> {
    let mut body = pin!(body);
    let mut read = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(bytes))) = body.as_mut().poll_next(&mut context) {
        read.extend_from_slice(&bytes);
    }
    read
}

#[test]
fn who_is_granted_passes_untouched_and_the_rest_comes_from_the_lease() {
    let (gate, store, served) = (gate(), Model::default(), Rc::default());
    let service = wrap(&middleware(&gate, &store), &served);
    let mut first = call(&service);
    assert!(waits(&mut first) && waits(&mut first));
    assert_eq!((store.calls(), gate.stats().admitted(), served.get()), (1, 0, 0));
    store.answer(granted(1, 1));
    let response = answer(&mut first);
    assert_eq!((response.status().as_u16(), response.headers().len()), (200, 0));
    assert_eq!(read(response.into_body()), ADMITTED);
    assert_eq!((gate.stats().admitted(), gate.stats().finished_with_class(2)), (1, 1));

    assert_eq!(read(answer(&mut call(&service)).into_body()), ADMITTED);
    assert_eq!((store.calls(), gate.stats().admitted(), served.get()), (1, 2, 2));
    assert!(waits(&mut call(&service)), "and now somebody is asked");
    assert_eq!(store.calls(), 2);
}

/// What a client is told does not depend on who has refused it.
#[test]
fn who_is_denied_by_the_store_gets_the_response_of_a_local_limit() {
    type Parts = (StatusCode, HeaderMap, Vec<u8>, Denial);
    fn parts(response: Answer) -> Parts {
        assert_eq!(response.request().path(), "/where", "its request is still there");
        let denial = response.response().extensions().get::<Denial>().unwrap().clone();
        let (status, headers) = (response.status(), response.headers().clone());
        (status, headers, read(response.into_body()), denial)
    }
    fn sorted(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> = headers.iter().map(|line| format!("{line:?}")).collect();
        lines.sort();
        lines
    }
    for fields in [LimitFields::on_denials(), LimitFields::on_all(), LimitFields::none()] {
        let (gate, store, served) = (gate(), Model::default(), Rc::default());
        let service = wrap(&middleware(&gate, &store).fields(fields), &served);
        let mut asked = call(&service);
        assert!(waits(&mut asked));
        store.answer(denied(1_200));
        let shared = parts(answer(&mut asked));
        assert_eq!(gate.stats().rule("per client").unwrap().denied(), 1);
        let remembered = parts(answer(&mut call(&service)));
        assert_eq!((store.calls(), gate.stats().denied(), served.get()), (1, 2, 0));

        let local = Gate::builder().limit("per client", Quota::per_hour(3)).build().unwrap();
        let local = GateMiddleware::new(&local).clock(|| Timestamp::from_secs(1)).fields(fields);
        let Poll::Ready(Ok(service)) = poll(pin!(local.new_transform(Echo(Rc::default())))) else {
            panic!("a middleware is there at once")
        };
        let ask = || match poll(pin!(service.call(request().to_srv_request()))) {
            Poll::Ready(response) => response.unwrap(),
            Poll::Pending => panic!("without a store there is nothing to wait for"),
        };
        assert!((0..3).all(|_| ask().status() == 200));
        let local = parts(ask());
        for (status, headers, body, denial) in [shared, remembered] {
            assert_eq!((status, sorted(&headers), &body), (local.0, sorted(&local.1), &local.2));
            assert_eq!(status, 429);
            assert_eq!(headers.get("retry-after").unwrap(), "1200");
            assert_eq!(denial.name(), "per client");
        }
    }
}

#[test]
fn fields_tell_where_the_client_stands_with_the_fleet() {
    let (gate, store, served) = (gate(), Model::default(), Rc::default());
    let service = wrap(&middleware(&gate, &store).fields(LimitFields::on_all()), &served);
    let mut asked = call(&service);
    assert!(waits(&mut asked));
    store.answer(granted(0, 2));
    let response = answer(&mut asked);
    assert_eq!(response.headers().get("ratelimit-policy").unwrap(), "\"per client\";q=3;w=3600");
    let limit = response.headers().get("ratelimit").unwrap().to_str().unwrap();
    assert!(limit.starts_with("\"per client\";r=2;"), "{limit}");
}

#[test]
fn a_store_that_fails_leaves_it_to_the_limit() {
    let late: fn(&Model) = Model::time_is_up;
    let broken: fn(&Model) = |store| store.answer(unreachable());
    for fail in [late, broken] {
        for (on_failure, statuses) in [
            (OnFailure::Local, [200, 200, 200, 429]),
            (OnFailure::Open, [200, 200, 200, 200]),
            (OnFailure::Closed, [503, 503, 503, 503]),
        ] {
            let (gate, store) = (shared(on_failure).build().unwrap(), Model::default());
            let service = wrap(&middleware(&gate, &store), &Rc::default());
            let mut has_failed = false;
            let told = statuses.map(|_| {
                let mut asked = call(&service);
                if !core::mem::replace(&mut has_failed, true) {
                    assert!(waits(&mut asked));
                    fail(&store);
                }
                status(&mut asked)
            });
            assert_eq!(told, statuses, "{on_failure:?}");
            assert_eq!(store.calls(), 1, "it is not asked again so soon");
        }
    }
}

/// It is not the client's fault, and it is told when to come again.
#[test]
fn a_closed_limit_whose_store_fails_says_so() {
    let (gate, store, served) = (gate(), Model::default(), Rc::default());
    let service = wrap(&middleware(&gate, &store), &served);
    let mut asked = call(&service);
    assert!(waits(&mut asked));
    store.answer(unreachable());
    let refused = answer(&mut asked);
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers().get("retry-after").unwrap(), "1");
    assert_eq!(refused.headers().get("content-type").unwrap(), "application/problem+json");
    let reason = refused.response().extensions().get::<Denial>().map(Denial::reason);
    assert_eq!(reason, Some(DenialReason::Unavailable));
    assert_eq!(
        read(refused.into_body()),
        br#"{"type":"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity","title":"Temporary Reduced Capacity","status":503,"violated-policies":["per client"]}"#
    );
    assert_eq!((store.calls(), gate.stats().admitted(), served.get()), (1, 0, 0));
}

#[test]
fn of_two_that_ask_for_the_same_one_calls_and_the_other_waits() {
    let (gate, store, served) = (gate(), Model::default(), Rc::default());
    let service = wrap(&middleware(&gate, &store), &served);
    let (mut first, mut second) = (call(&service), call(&service));
    assert!(waits(&mut second) && waits(&mut first) && waits(&mut second));
    assert_eq!(store.calls(), 1);
    store.answer(granted(1, 1));
    assert!(waits(&mut second), "its answer is the first's to take");
    assert_eq!([status(&mut first), status(&mut second)], [200, 200]);
    assert_eq!((store.calls(), gate.stats().admitted(), served.get()), (1, 2, 2));
}

/// A client that leaves takes nothing with it, and keeps nobody waiting.
#[test]
fn a_check_that_is_dropped_leaves_its_call_and_its_place_to_others() {
    let in_flight = LimitRule::in_flight("in flight", 1);
    let gate = shared(OnFailure::Closed).limit_rule(in_flight).build().unwrap();
    let (store, served) = (Model::default(), Rc::default());
    let service = wrap(&middleware(&gate, &store), &served);
    let (mut first, mut second) = (call(&service), call(&service));
    let never_polled = call(&service);
    assert!(waits(&mut first) && waits(&mut second));
    drop((first, never_polled));
    assert!(waits(&mut second), "it asks now");
    assert_eq!(store.calls(), 2);
    store.answer(granted(0, 2));
    let response = answer(&mut second);
    assert_eq!((response.status().as_u16(), gate.stats().admitted()), (200, 1));
    assert_eq!(status(&mut call(&service)), 429, "this one's body is still there");
    drop(response);
    let mut third = call(&service);
    assert!(waits(&mut third));
    store.answer(granted(0, 1));
    assert_eq!(status(&mut third), 200);
    assert_eq!((store.calls(), served.get()), (3, 2));
}

/// A request that waits keeps the application, whatever becomes of the service that took it.
#[test]
fn a_request_outlives_its_service() {
    let (gate, store, served) = (gate(), Model::default(), Rc::default());
    let service = wrap(&middleware(&gate, &store), &served);
    let mut asked = call(&service);
    assert!(waits(&mut asked));
    drop(service);
    store.answer(granted(0, 1));
    assert_eq!(read(answer(&mut asked).into_body()), ADMITTED);
}

/// Settings that were made before the store are still there, and those after it as well.
#[test]
fn a_store_changes_nothing_else() {
    let (gate, store, served) = (gate(), Model::default(), Rc::default());
    let asked = Arc::new(AtomicU64::new(0));
    let asks = Arc::clone(&asked);
    let middleware = GateMiddleware::new(&gate)
        .clock(|| Timestamp::from_secs(1))
        .peer(move |_| {
            asks.fetch_add(1, Ordering::Relaxed);
            "192.0.2.1".parse().ok()
        })
        .skip_preflights()
        .fleet(store.clone())
        .on_deny(|denial, request| {
            let text = format!("{} {}", request.path(), denial.name());
            HttpResponse::ImATeapot().body(text)
        });
    let service = wrap(&middleware.clone(), &served);
    let preflight = request()
        .method(Method::OPTIONS)
        .insert_header(("origin", "x"))
        .insert_header(("access-control-request-method", "x"));
    let mut unasked = Box::pin(service.call(preflight.to_srv_request()));
    assert_eq!((status(&mut unasked), store.calls()), (200, 0));

    let mut asking = call(&service);
    assert!(waits(&mut asking));
    store.answer(granted(0, 1));
    assert_eq!(read(answer(&mut asking).into_body()), b"/where payload Some(192.0.2.1)");
    assert_eq!(asked.load(Ordering::Relaxed), 1, "the peer is looked for once");

    let mut asking = call(&service);
    assert!(waits(&mut asking));
    store.answer(denied(60));
    let refused = answer(&mut asking);
    assert_eq!(refused.status(), 418);
    assert_eq!(refused.headers().get("retry-after").unwrap(), "60");
    assert_eq!(refused.headers().get("ratelimit").unwrap(), "\"per client\";r=0;t=60");
    assert_eq!(read(refused.into_body()), b"/where per client");
    let shown = format!("{middleware:?}");
    assert!(shown.contains("GateMiddleware") && !shown.contains("Model"), "{shown}");
}

/// The time that the store takes is not the application's.
#[test]
fn a_slow_store_is_no_slow_response() {
    let cost = Scheme::new().parse_response_term("response.latency_ms").unwrap();
    let slow = LimitRule::new("milliseconds", Quota::per_hour(5)).cost_of(cost);
    let gate = shared(OnFailure::Closed).limit_rule(slow).build().unwrap();
    let store = Model::default();
    let time = Arc::new(AtomicU64::new(1_000));
    let clock = Arc::clone(&time);
    let middleware = middleware(&gate, &store)
        .clock(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)));
    let service = wrap(&middleware, &Rc::default());
    for _ in 0..2 {
        let mut asked = call(&service);
        assert!(waits(&mut asked));
        time.fetch_add(15, Ordering::Relaxed);
        store.answer(granted(0, 1));
        assert_eq!(status(&mut asked), 200);
    }
}

#[test]
fn a_store_makes_nothing_larger() {
    fn shareable<T: Clone + Send + Sync + 'static>(_: &T) {}
    shareable(&middleware(&gate(), &Model::default()));
    type Inner = Ready<Result<ServiceResponse, Error>>;
    let pointer = size_of::<usize>();
    assert!(size_of::<FleetFuture<Echo, Model>>() <= size_of::<GateFuture<Inner>>() + pointer);
    assert_eq!(size_of::<Sharing>(), size_of::<GateService<Rc<Echo>>>());
}
