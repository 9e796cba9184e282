//! A middleware without a store: what passes, what is refused and how, and who is told what.

mod bodies;
mod routes;
mod views;

use core::{
    future::{Future, Pending, Ready, pending, ready},
    net::IpAddr,
    pin::pin,
    task::{Context, Poll, Waker},
};
use std::{
    boxed::Box,
    string::ToString,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    vec::Vec,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpResponse, ResponseError,
    body::{BodySize, MessageBody},
    dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform},
    error::ErrorUnauthorized,
    http::StatusCode,
    test::TestRequest,
};

use super::{Admitted, ClientIp, Denied, GateMiddleware, GateRejection, GateService};
use crate::{
    Denial, Gate, MissingPeer, Mode, Quota, Timestamp,
    gate::LimitRule,
    rule::{Action, Rule, Scheme},
};

/// An application that answers like this.
struct App<A>(A);

impl<A, F, B> Service<ServiceRequest> for App<A>
where
    A: Fn(ServiceRequest) -> F,
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = F;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, request: ServiceRequest) -> F {
        (self.0)(request)
    }
}

type Answer = Ready<Result<ServiceResponse, Error>>;

fn hello(request: ServiceRequest) -> Answer {
    ready(Ok(request.into_response(HttpResponse::Ok().body("hello"))))
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the response should have been there"),
    }
}

fn wrap<A>(middleware: &GateMiddleware, answer: A) -> GateService<App<A>>
where
    App<A>: Service<ServiceRequest, Error = Error>,
    GateMiddleware: Transform<
            App<A>,
            ServiceRequest,
            Transform = GateService<App<A>>,
            InitError = (),
            Future = Ready<Result<GateService<App<A>>, ()>>,
        >,
{
    now(middleware.new_transform(App(answer))).unwrap()
}

/// One request from one client.
fn ask<S: Service<ServiceRequest>>(service: &S) -> Result<S::Response, S::Error> {
    now(service.call(from_client().to_srv_request()))
}

fn from_client() -> TestRequest {
    TestRequest::default().peer_addr("203.0.113.9:4711".parse().unwrap())
}

fn one_per_second() -> Gate {
    Gate::builder().limit("per client", Quota::per_second(1)).build().unwrap()
}

/// A middleware for which no time passes.
fn at_one(gate: &Gate) -> GateMiddleware {
    GateMiddleware::new(gate).clock(|| Timestamp::from_secs(1))
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
fn what_may_pass_passes_untouched_and_is_finished() {
    let gate = one_per_second();
    let response = ask(&wrap(&GateMiddleware::new(&gate), hello)).unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().is_empty());
    assert_eq!(response.response().body().size(), BodySize::Sized(5));
    assert_eq!(read(response.into_body()), b"hello");
    assert_eq!((gate.stats().admitted(), gate.stats().finished_with_class(2)), (1, 1));
}

#[test]
fn what_may_not_is_answered_with_a_response() {
    let gate = one_per_second();
    let service = wrap(&at_one(&gate), hello);
    assert_eq!(ask(&service).unwrap().status(), 200);
    let response = ask(&service).unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers().get("retry-after").unwrap(), "1");
    let denial = response.response().extensions().get::<Denial>().cloned().unwrap();
    assert_eq!(denial.name(), "per client");
    let BodySize::Sized(size) = response.response().body().size() else { panic!() };
    assert_eq!(size, read(response.into_body()).len() as u64);
    assert_eq!(gate.stats().rule("per client").unwrap().denied(), 1);
    assert_eq!(gate.stats().finished_with_class(2), 1, "a refusal is not an answer of the service");
}

#[test]
fn a_service_can_word_its_refusals() {
    let gate = one_per_second();
    let middleware = at_one(&gate).on_deny(|denial, request| {
        let text = std::format!("{} {}", request.path(), denial.name());
        HttpResponse::ServiceUnavailable().insert_header(("cache-control", "private")).body(text)
    });
    let service = wrap(&middleware, hello);
    assert_eq!(ask(&service).unwrap().status(), 200);
    let response = ask(&service).unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers().get("cache-control").unwrap(), "private", "not replaced");
    assert_eq!(response.headers().get("retry-after").unwrap(), "1", "added");
    assert!(response.response().extensions().contains::<Denial>());
    assert_eq!(read(response.into_body()), b"/ per client");
}

#[test]
fn the_clock_is_the_middlewares() {
    let time = Arc::new(AtomicU64::new(1));
    let clock = {
        let time = Arc::clone(&time);
        move || Timestamp::from_secs(time.load(Ordering::Relaxed))
    };
    let service = wrap(&GateMiddleware::new(&one_per_second()).clock(clock), hello);
    assert_eq!(ask(&service).unwrap().status(), 200);
    assert_eq!(ask(&service).unwrap().status(), 429);
    time.store(2, Ordering::Relaxed);
    assert_eq!(ask(&service).unwrap().status(), 200);
}

/// 1,000 clones of a middleware and its services are one limit.
#[test]
fn clones_share_one_limit() {
    let gate = Gate::builder().limit("per client", Quota::per_hour(5)).build().unwrap();
    let middleware = GateMiddleware::new(&gate);
    let served = (0..1_000)
        .filter(|_| ask(&wrap(&middleware.clone(), hello)).unwrap().status() == 200)
        .count();
    assert_eq!(served, 5);
}

#[test]
fn a_missing_peer_is_a_choice_and_never_an_error() {
    for (choice, statuses) in [
        (MissingPeer::Skip, [200, 200, 200]),
        (MissingPeer::Shared, [200, 200, 429]),
        (MissingPeer::Deny, [403, 403, 403]),
    ] {
        let limit = Quota::per_hour(2);
        let gate = Gate::builder().limit("per client", limit).missing_peer(choice).build().unwrap();
        let service = wrap(&GateMiddleware::new(&gate), hello);
        for status in statuses {
            let response = now(service.call(TestRequest::default().to_srv_request())).unwrap();
            assert_eq!(response.status(), status, "{choice:?}");
        }
        assert_eq!(gate.stats().missing_peer(), 3);
    }
}

#[test]
fn the_peer_can_come_from_anywhere() {
    struct Tunnel(IpAddr);
    let gate = Gate::builder().deny("192.0.2.0/24".parse().unwrap()).build().unwrap();
    let middleware = GateMiddleware::new(&gate)
        .peer(|request| request.extensions().get::<Tunnel>().map(|tunnel| tunnel.0));
    let service = wrap(&middleware, hello);
    assert_eq!(ask(&service).unwrap().status(), 200);
    let request = from_client().to_srv_request();
    request.extensions_mut().insert(Tunnel("192.0.2.1".parse().unwrap()));
    assert_eq!(now(service.call(request)).unwrap().status(), 403);
}

/// Fields that only the service knows; what it says counts first.
#[test]
fn the_service_describes_what_only_it_knows() {
    let scheme = Scheme::new();
    let abroad = Rule::new("abroad", scheme.parse(r#"ip.src.country eq "XX""#).unwrap());
    let plain = Rule::new("tls only", scheme.parse("not ssl").unwrap());
    let gate = Gate::builder()
        .rule(abroad.then(Action::Deny { status: 403 }))
        .rule(plain.then(Action::Deny { status: 400 }))
        .build()
        .unwrap();
    let middleware = GateMiddleware::new(&gate).describe(|request, sent| {
        let request = request.field("ssl", sent.headers().contains_key("x-tls"));
        match sent.headers().get("x-country") {
            Some(country) => request.field("ip.src.country", country.as_bytes()),
            None => request,
        }
    });
    let service = wrap(&middleware, hello);
    let from = |headers: &[(&'static str, &'static str)]| {
        let sent = headers.iter().fold(from_client(), |sent, line| sent.insert_header(*line));
        now(service.call(sent.to_srv_request())).unwrap().status().as_u16()
    };
    let tls = ("x-tls", "1");
    assert_eq!(from(&[tls]), 200);
    assert_eq!(from(&[tls, ("x-country", "XX")]), 403);
    assert_eq!(from(&[tls, ("x-country", "YY")]), 200);
    assert_eq!(from(&[]), 400);
}

#[test]
fn preflights_pass_where_that_is_asked_for() {
    let gate = Gate::builder().deny("203.0.113.9".parse().unwrap()).build().unwrap();
    let asks = |skips: bool, method: &str, headers: &[&'static str]| {
        let middleware = GateMiddleware::new(&gate);
        let middleware = if skips { middleware.skip_preflights() } else { middleware };
        let mut request = from_client().method(method.parse().unwrap());
        for name in headers {
            request = request.insert_header((*name, "x"));
        }
        let service = wrap(&middleware, hello);
        now(service.call(request.to_srv_request())).unwrap().status()
    };
    let both = ["origin", "access-control-request-method"];
    assert_eq!(asks(true, "OPTIONS", &both), 200);
    assert_eq!((gate.stats().admitted(), gate.stats().denied()), (0, 0), "not asked");
    for (skips, method, headers) in [
        (false, "OPTIONS", &both[..]),
        (true, "GET", &both),
        (true, "OPTIONS", &both[..1]),
        (true, "OPTIONS", &both[1..]),
    ] {
        assert_eq!(asks(skips, method, headers), 403, "{method} {headers:?}");
    }
}

#[test]
fn an_error_of_the_application_counts_and_goes_on_unchanged() {
    let scheme = Scheme::new();
    let failures = LimitRule::new("failures", Quota::per_hour(2))
        .count_if(scheme.parse_response("status == 401").unwrap());
    let gate = Gate::builder().limit_rule(failures).build().unwrap();
    // A second each time: what a limit keeps of an hour is not exact to the microsecond.
    let time = AtomicU64::new(1);
    let middleware = GateMiddleware::new(&gate)
        .clock(move || Timestamp::from_secs(time.fetch_add(1, Ordering::Relaxed)));
    let good = wrap(&middleware, hello);
    let bad = wrap(&middleware, |_| -> Answer { ready(Err(ErrorUnauthorized("no such user"))) });
    for _ in 0..5 {
        assert_eq!(ask(&good).unwrap().status(), 200, "only failures count");
    }
    for _ in 0..2 {
        let Err(error) = ask(&bad) else { panic!("the error is the application's") };
        assert_eq!(error.to_string(), "no such user");
        assert_eq!(error.as_response_error().status_code(), 401);
    }
    assert_eq!(ask(&good).unwrap().status(), 429);
    assert_eq!(gate.stats().finished_with_class(4), 2);
}

#[test]
fn dropping_the_future_gives_nothing_back() {
    let gate = one_per_second();
    let middleware = at_one(&gate);
    let never = wrap(&middleware, |_| -> Pending<Result<ServiceResponse, Error>> { pending() });
    drop(never.call(from_client().to_srv_request()));
    assert_eq!(ask(&wrap(&middleware, hello)).unwrap().status(), 429);
    assert_eq!(gate.stats().finished_with_class(2), 0, "how it would have ended is not known");
}

#[test]
fn an_observing_gate_lets_pass() {
    let gate = one_per_second();
    gate.set_mode(Mode::Observe);
    let service = wrap(&at_one(&gate), hello);
    for _ in 0..3 {
        assert_eq!(ask(&service).unwrap().status(), 200);
    }
    assert_eq!(gate.stats().would_deny(), 2);
}

#[test]
fn handlers_learn_what_the_gate_has_said() {
    let gate = one_per_second();
    let answer = |request: ServiceRequest| {
        let admitted = now(Admitted::extract(request.request())).unwrap();
        assert_eq!(
            admitted.client(),
            now(ClientIp::extract(request.request())).ok().map(|ip| ip.0)
        );
        hello(request)
    };
    assert_eq!(ask(&wrap(&GateMiddleware::new(&gate), answer)).unwrap().status(), 200);

    let nowhere = wrap(&GateMiddleware::new(&gate), |request| {
        let error = now(ClientIp::extract(request.request())).unwrap_err();
        assert_eq!(error, GateRejection::NoAddress);
        assert!(error.to_string().contains("GateMiddleware::peer"), "{error}");
        assert!(now(Admitted::extract(request.request())).unwrap().standing().is_none());
        hello(request)
    });
    assert_eq!(now(nowhere.call(TestRequest::default().to_srv_request())).unwrap().status(), 200);

    let alone = TestRequest::default().to_http_request();
    let error = now(Admitted::from_request(&alone, &mut Payload::None)).unwrap_err();
    assert_eq!(error.status_code(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(error.to_string().contains("GateMiddleware"), "{error}");
    assert_eq!(now(ClientIp::extract(&alone)).unwrap_err(), error);
    assert!(now(Option::<ClientIp>::extract(&alone)).unwrap().is_none());
}

#[test]
fn a_denial_is_an_error_that_knows_its_response() {
    let gate = one_per_second();
    let at = Timestamp::from_secs(1);
    let ip: IpAddr = "203.0.113.9".parse().unwrap();
    let check = || gate.check(&crate::Request::new(ip), at).into_result();
    drop(check().unwrap());
    let error = Error::from(Denied(check().unwrap_err()));
    assert_eq!(error.as_response_error().status_code(), 429);
    let response = error.error_response();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers().get("retry-after").unwrap(), "1");
    assert!(response.extensions().contains::<Denial>());
}

/// What a server of several workers needs of it.
#[test]
fn a_middleware_can_be_shared() {
    fn shareable<T: Clone + Send + Sync + 'static>(_: &T) {}
    shareable(&GateMiddleware::new(&one_per_second()));
    let _: Box<dyn Send> = Box::new(GateMiddleware::new(&one_per_second()));
}
