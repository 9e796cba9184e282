use core::{
    future::{Future, Pending, Ready, pending, ready},
    net::IpAddr,
    ops::ControlFlow,
    pin::{Pin, pin},
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
    http::{StatusCode, Version},
    test::TestRequest,
    web::Bytes,
};

use super::{
    Admitted, ClientIp, Denied, GateBody, GateMiddleware, GateRejection, GateService, view::view,
};
use crate::{
    Denial, Gate, MissingPeer, Mode, Quota, Request, Timestamp,
    gate::LimitRule,
    request::{Given, Headers},
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

/// A text in pieces, of a length that is not known.
struct Pieces(&'static [&'static str]);

impl MessageBody for Pieces {
    type Error = Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let Some((first, rest)) = self.0.split_first() else { return Poll::Ready(None) };
        self.0 = rest;
        Poll::Ready(Some(match *first {
            "error" => Err(ErrorUnauthorized("halfway")),
            text => Ok(Bytes::from_static(text.as_bytes())),
        }))
    }
}

#[test]
fn a_stream_stays_a_stream_and_its_errors_stay_errors() {
    let gate = one_per_second();
    let answer = pieces(&["a", "bc", "error"]);
    let response = ask(&wrap(&GateMiddleware::new(&gate), answer)).unwrap();
    assert_eq!(response.response().body().size(), BodySize::Stream);
    let mut body = pin!(response.into_body());
    let mut context = Context::from_waker(Waker::noop());
    let mut next = || body.as_mut().poll_next(&mut context);
    assert!(matches!(next(), Poll::Ready(Some(Ok(bytes))) if bytes == "a"));
    assert!(matches!(next(), Poll::Ready(Some(Ok(bytes))) if bytes == "bc"));
    assert!(matches!(next(), Poll::Ready(Some(Err(error))) if error.to_string() == "halfway"));
    assert!(matches!(next(), Poll::Ready(None)));
}

fn pieces(
    pieces: &'static [&'static str],
) -> impl Fn(ServiceRequest) -> Ready<Result<ServiceResponse<Pieces>, Error>> {
    move |request| {
        let response = HttpResponse::Ok().message_body(Pieces(pieces)).unwrap();
        ready(Ok(request.into_response(response)))
    }
}

#[test]
fn a_place_is_kept_until_the_body_has_ended_or_is_dropped() {
    let limit = LimitRule::in_flight("at a time", 1);
    let gate = Gate::builder().limit_rule(limit).build().unwrap();
    let middleware = GateMiddleware::new(&gate);
    let is_free = || ask(&wrap(&middleware, hello)).unwrap().status() == 200;
    for (text, reads) in [(&["a", "b"][..], 3), (&["a", "error"], 2), (&["a", "b"], 1), (&[], 0)] {
        let mut body = Box::pin(ask(&wrap(&middleware, pieces(text))).unwrap().into_body());
        let mut context = Context::from_waker(Waker::noop());
        for read in 0..reads {
            assert!(!is_free(), "{text:?} {read}");
            let _ = body.as_mut().poll_next(&mut context);
        }
        let has_ended = reads > text.len() || text.contains(&"error");
        assert_eq!(is_free(), has_ended, "{text:?} {reads}");
        drop(body);
        assert!(is_free(), "{text:?} {reads}");
    }
    // As bytes, it would seem to have ended before it is sent.
    let body = ask(&wrap(&middleware, hello)).unwrap().into_body();
    let Err(body) = body.try_into_bytes() else { panic!("taken") };
    assert!(!is_free());
    assert_eq!(read(body), b"hello");
    assert!(is_free());
}

#[test]
fn a_size_that_is_asked_for_is_what_has_gone_out() {
    let size = Scheme::new().parse_response_term("response.size").unwrap();
    let bytes = LimitRule::new("bytes", Quota::per_hour(100)).cost_of(size);
    for (reads, left) in [(1, 95), (2, 92), (3, 92)] {
        let gate = Gate::builder().limit_rule(bytes.clone()).build().unwrap();
        let middleware = at_one(&gate);
        let response = ask(&wrap(&middleware, pieces(&["12345", "678"]))).unwrap();
        assert_eq!(gate.stats().finished_with_class(2), 0, "not before its size is known");
        let mut body = Box::pin(response.into_body());
        for _ in 0..reads {
            let _ = body.as_mut().poll_next(&mut Context::from_waker(Waker::noop()));
        }
        drop(body);
        assert_eq!(gate.stats().finished_with_class(2), 1);
        let answer = move |request: ServiceRequest| {
            let admitted = now(Admitted::extract(request.request())).unwrap();
            assert_eq!(admitted.standing().unwrap().remaining(), left - 1, "and one for this");
            hello(request)
        };
        assert_eq!(ask(&wrap(&middleware, answer)).unwrap().status(), 200);
    }
}

/// Middleware outside of the gate that wants all bytes at once, such as one that compresses, gets them.
#[test]
fn a_body_that_is_there_can_be_taken_as_a_whole() {
    let service = wrap(&at_one(&one_per_second()), hello);
    let bytes = |response: ServiceResponse<GateBody<_>>| response.into_body().try_into_bytes();
    assert_eq!(bytes(ask(&service).unwrap()).ok().unwrap(), "hello");
    assert!(
        bytes(ask(&service).unwrap()).is_err(),
        "of a refused request the rest is still to be read"
    );
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

#[test]
fn a_view_is_what_the_request_says() {
    let request = TestRequest::with_uri("/a/../b?c=%20")
        .method("POST".parse().unwrap())
        .insert_header(("Host", "Shop.Example:8080"))
        .insert_header(("Content-Length", "42"))
        .append_header(("X-Forwarded-For", "192.0.2.1"))
        .append_header(("x-forwarded-for", "192.0.2.2"))
        .append_header(("X-FORWARDED-FOR", &b"\xff"[..]))
        .to_srv_request();
    let peer = "192.0.2.1".parse().unwrap();
    let seen = view(&request, Request::new(peer), None);
    assert_eq!(seen.peer(), Some(peer));
    assert_eq!(seen.get_method(), "POST");
    assert_eq!(seen.get_host(), "Shop.Example:8080");
    assert_eq!(seen.get_target(), "/a/../b?c=%20");
    assert_eq!(seen.first_header("X-Forwarded-For"), Some(&b"192.0.2.1"[..]));
    assert_eq!(seen.first_header("x-forwarded-by"), None);
    assert_eq!(seen.get_field("http.request.version"), Some(Given::Bytes(b"HTTP/1.1")));
    assert_eq!(seen.get_field("http.request.body.size"), Some(Given::Int(42)));
    assert_eq!(seen.get_field("ssl"), None, "not known");
    assert_eq!(seen.get_field("http.request.route"), None, "not asked for");

    let mut lines = Vec::new();
    request.headers().visit(&mut |name, value| {
        lines.push((name, value));
        ControlFlow::Continue(())
    });
    assert_eq!(lines.len(), 5);
    lines.retain(|(name, _)| *name == "x-forwarded-for");
    let values: Vec<&[u8]> = lines.into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, [&b"192.0.2.1"[..], b"192.0.2.2", b"\xff"], "in their order");

    let mut visited = 0;
    request.headers().visit(&mut |_, _| {
        visited += 1;
        if visited == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(visited, 2);
}

#[test]
fn the_target_says_more_than_headers() {
    let request = TestRequest::with_uri("https://Target.Example:443/x")
        .version(Version::HTTP_2)
        .insert_header(("host", "header.example"))
        .to_srv_request();
    let seen = view(&request, Request::new(None), Some("/{any}"));
    assert_eq!((seen.get_host(), seen.get_target()), ("Target.Example:443", "/x"));
    assert_eq!(seen.get_field("ssl"), Some(Given::Bool(true)));
    assert_eq!(seen.get_field("http.request.version"), Some(Given::Bytes(b"HTTP/2")));
    assert_eq!(seen.get_field("http.request.route"), Some(Given::Bytes(b"/{any}")));
    let plain = TestRequest::with_uri("http://h/").to_srv_request();
    assert_eq!(view(&plain, Request::new(None), None).get_field("ssl"), Some(Given::Bool(false)));
}

/// What a server of several workers needs of it.
#[test]
fn a_middleware_can_be_shared() {
    fn shareable<T: Clone + Send + Sync + 'static>(_: &T) {}
    shareable(&GateMiddleware::new(&one_per_second()));
    let _: Box<dyn Send> = Box::new(GateMiddleware::new(&one_per_second()));
}
