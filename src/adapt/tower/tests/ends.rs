//! How responses end, or do not: what is charged, settled and given back then.

use core::future::Ready;

use super::{
    services::{Once, frames},
    *,
};

/// A cancelled request stays charged.
#[test]
fn dropping_the_future_gives_nothing_back() {
    let gate = Gate::builder().limit("per client", Quota::per_hour(2)).build().unwrap();
    let mut service = GateLayer::new(&gate).layer(Hello);
    for _ in 0..2 {
        let mut request = Request::new(());
        request.extensions_mut().insert(CLIENT.unwrap());
        drop(service.call(request));
    }
    assert_eq!(ask(&mut service, CLIENT).status(), 429);
    assert_eq!(gate.stats().finished_with_class(2), 0);
}

/// Ten thousand clients that leave before there is a response.
#[test]
fn cancelled_requests_are_charged_once_each_and_leave_no_place_taken() {
    let gate = Gate::builder()
        .limit("per client", Quota::per_hour(20_000))
        .limit_rule(LimitRule::in_flight("in flight", 1))
        .build()
        .unwrap();
    let clock = || Timestamp::from_secs(1);
    let mut service = GateLayer::new(&gate).clock(clock).fields(LimitFields::on_all()).layer(Hello);
    for _ in 0..10_000 {
        drop(service.call(from_client()));
    }
    let response = now(service.call(from_client())).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(gate.stats().admitted(), 10_001);
    let left = response.headers()["ratelimit"].to_str().unwrap();
    assert!(left.starts_with("\"per client\";r=9999;"), "{left}");
}

#[test]
fn a_stream_keeps_its_place_until_it_is_dropped() {
    let gate = Gate::builder().limit_rule(LimitRule::in_flight("in flight", 2)).build().unwrap();
    let mut service = GateLayer::new(&gate).layer(Streaming(Arc::default()));
    let mut ask = || now(service.call(from_client())).unwrap();
    let (first, second) = (ask(), ask());
    assert_eq!([first.status(), second.status(), ask().status()], [200, 200, 429]);
    assert_eq!(gate.stats().finished_with_class(2), 2, "their heads are there");
    drop(first);
    assert_eq!(ask().status(), 200, "and this one is dropped at once");
    drop(second);
}

#[test]
fn a_body_that_ends_gives_its_place_back_before_it_is_dropped() {
    let gate = Gate::builder().limit_rule(LimitRule::in_flight("in flight", 1)).build().unwrap();
    let mut service = GateLayer::new(&gate).layer(Hello);
    let response = ask(&mut service, CLIENT);
    assert_eq!(ask(&mut service, CLIENT).status(), 429);
    let mut body = pin!(response.into_body());
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(body.as_mut().poll_frame(&mut context), Poll::Ready(Some(Ok(_)))));
    assert_eq!(ask(&mut service, CLIENT).status(), 429);
    assert!(matches!(body.as_mut().poll_frame(&mut context), Poll::Ready(None)));
    assert_eq!(ask(&mut service, CLIENT).status(), 200);
}

/// A limit by bytes learns what has gone out, also when the client leaves in the middle.
#[test]
fn a_size_is_settled_when_the_body_is_at_its_end() {
    let cost = Scheme::new().parse_response_term("response.size").unwrap();
    let limit = LimitRule::new("bytes", Quota::per_hour(9)).cost_of(cost);
    let gate = Gate::builder().limit_rule(limit).build().unwrap();
    let mut service =
        GateLayer::new(&gate).clock(|| Timestamp::from_secs(1)).layer(Streaming(Arc::default()));
    let mut left = |frames: usize| {
        let response = now(service.call(from_client())).unwrap();
        let status = response.status().as_u16();
        let mut body = pin!(response.into_body());
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..frames {
            assert!(body.as_mut().poll_frame(&mut context).is_ready());
        }
        status
    };
    assert_eq!([left(1), left(1), left(1), left(1)], [200, 200, 200, 429]);
}

#[test]
fn a_body_that_passes_is_the_services_own() {
    let trailers = || {
        let mut map = http::HeaderMap::new();
        map.insert("grpc-status", http::HeaderValue::from_static("0"));
        map
    };
    let frame = http_body::Frame::<Bytes>::data;
    let answer =
        frames([Ok(frame(Bytes::from_static(b"abc"))), Ok(http_body::Frame::trailers(trailers()))]);
    let mut service = GateLayer::new(&one_per_second()).layer(Once(&answer));
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_pending(), "readiness is the service's");
    let mut body = pin!(now(service.call(from_client())).unwrap().into_body());
    assert_eq!(body.size_hint().exact(), Some(7));
    assert!(!body.is_end_stream());
    let Poll::Ready(Some(Ok(first))) = body.as_mut().poll_frame(&mut context) else { panic!() };
    assert_eq!(first.into_data().unwrap(), "abc");
    let Poll::Ready(Some(Ok(last))) = body.as_mut().poll_frame(&mut context) else { panic!() };
    assert_eq!(last.into_trailers().unwrap(), trailers());
    assert!(body.is_end_stream());
}

/// Places are given back by each way in which a response can end, before anything is dropped.
#[test]
fn every_end_gives_places_back() {
    let gate = Gate::builder().limit_rule(LimitRule::in_flight("in flight", 1)).build().unwrap();
    let layer = GateLayer::new(&gate);
    let is_free = || {
        let status = ask(&mut layer.layer(Hello), CLIENT).status();
        assert!(status == 200 || status == 429);
        status == 200
    };
    let mut context = Context::from_waker(Waker::noop());
    let data = || Ok(http_body::Frame::data(Bytes::from_static(b"abc")));

    let error = core::cell::Cell::new(Some(Err("no answer")));
    let mut service = layer.layer(Once(&error));
    let mut future = pin!(service.call(from_client()));
    assert!(!is_free());
    assert!(matches!(future.as_mut().poll(&mut context), Poll::Ready(Err("no answer"))));
    assert!(is_free(), "the service has failed");

    let nothing = frames([]);
    let kept = now(layer.layer(Once(&nothing)).call(from_client())).unwrap();
    assert!(is_free(), "there is no body to wait for");
    drop(kept);

    let two = frames([data(), data()]);
    let mut body = pin!(now(layer.layer(Once(&two)).call(from_client())).unwrap().into_body());
    assert!(body.as_mut().poll_frame(&mut context).is_ready() && !is_free());
    assert!(body.as_mut().poll_frame(&mut context).is_ready());
    assert!(is_free(), "the body has said that this was the last");

    let broken = frames([data(), Err("broken"), data()]);
    let mut body = pin!(now(layer.layer(Once(&broken)).call(from_client())).unwrap().into_body());
    assert!(body.as_mut().poll_frame(&mut context).is_ready() && !is_free());
    assert!(matches!(body.as_mut().poll_frame(&mut context), Poll::Ready(Some(Err("broken")))));
    assert!(is_free(), "the body has failed");
}

/// A service that panics, in its call or later, keeps no place.
#[test]
fn a_panic_gives_places_back() {
    #[derive(Clone)]
    struct Panics;
    impl Service<Request<()>> for Panics {
        type Response = Response<Text>;
        type Error = Infallible;
        type Future = Ready<Result<Response<Text>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            panic!("as services do")
        }
    }
    let gate = Gate::builder().limit_rule(LimitRule::in_flight("in flight", 1)).build().unwrap();
    let layer = GateLayer::new(&gate);
    let mut service = layer.layer(Panics);
    let call = core::panic::AssertUnwindSafe(|| drop(service.call(from_client())));
    assert!(std::panic::catch_unwind(call).is_err());
    assert_eq!(ask(&mut layer.layer(Hello), CLIENT).status(), 200);
}

/// What lasts does not make a response larger that has nothing that lasts, and keeps it `Send`.
#[test]
fn a_body_costs_a_pointer() {
    fn is_send<T: Send + Sync>() {}
    is_send::<GateBody<Vec<u8>>>();
    let pointer = size_of::<usize>();
    assert!(size_of::<GateBody<[u64; 8]>>() <= size_of::<[u64; 8]>() + 2 * pointer);
}
