//! Services, and what they tell the adapters, that panic.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpResponse,
    body::MessageBody,
    dev::{Service as ActixService, ServiceRequest, ServiceResponse, Transform},
    test::TestRequest,
};
use axum::{
    Router,
    body::{Body as AxumBody, to_bytes},
    extract::{Request as AxumRequest, connect_info::ConnectInfo},
    serve::Listener,
};
use bytes::Bytes;
use http_body::{Body, Frame};
use portcullis::{
    Defence, Gate, GateLayer, GateMiddleware, LimitFields, LimitRule, Outcome, Posture, Quota,
    Request, Timestamp,
    axum::{GateListener, PeerAddr, StatusPage},
    limit::remote::{FleetSettings, OnFailure},
    rule::Scheme,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tower_layer::Layer;
use tower_service::Service;

use super::{at_every_call, fleets::Own, now, touch};
use crate::{peer, secs};

const NOW: Timestamp = secs(10_000);
const BURST: u32 = 4;

fn clock() -> Timestamp {
    touch("clock");
    NOW
}

/// A gate that has something to settle when a response's head is there, at its end, and in between.
fn gate(of_fleet: bool) -> Gate {
    let scheme = Scheme::new();
    let by = [scheme.parse_term("client").unwrap()];
    let limit = LimitRule::new("per client", Quota::per_hour(BURST));
    let limit = if of_fleet { limit.fleet(OnFailure::Closed) } else { limit };
    let failed = scheme.parse_response("status ge 400 and response.size ge 0").unwrap();
    Gate::builder()
        .clients(1_000)
        .fleet(FleetSettings::new().keys(64))
        .limit_rule(limit)
        .limit_rule(LimitRule::in_flight("in flight", 1).by(by))
        .limit_rule(LimitRule::in_flight("all in flight", 1).by([]))
        .limit_rule(LimitRule::new("failures", Quota::per_hour(50)).count_if(failed))
        .defence(Defence::up_to(Posture::Elevated))
        .build()
        .unwrap()
}

type State = Arc<(Gate, Own, AtomicU32)>;

fn state(of_fleet: bool) -> State {
    Arc::new((gate(of_fleet), Own::new(), AtomicU32::new(0)))
}

/// Nothing is in flight, and of the burst no more is gone than was told, and what was interrupted.
fn is_exact(state: &State, has_panicked: bool) {
    let (gate, store, told) = &**state;
    let request = Request::new(peer(1)).target("/");
    let mut left = 0;
    loop {
        let status = gate.status(NOW);
        let in_flight = status.limits.iter().find(|limit| limit.name == "all in flight").unwrap();
        assert_eq!(in_flight.in_flight, Some(0));
        assert_eq!(status.defence.unwrap().in_flight, 0);
        let verdict = now(gate.check_with(&request, store, || NOW));
        match verdict.into_result() {
            Ok(admission) => gate.finish(admission, Outcome::status(200), NOW),
            Err(denial) => {
                assert_eq!(denial.name(), "per client", "a place in flight is lost");
                break;
            }
        }
        left += 1;
    }
    let all = left + told.load(Ordering::Relaxed);
    assert!(all == BURST || has_panicked && all + 1 == BURST, "{all} of {BURST}");
    let stats = gate.stats();
    assert_eq!(stats.checked(), stats.admitted() + stats.denied());
    gate.reload_with(Gate::builder(), NOW).unwrap();
    assert!(gate.check(&request, NOW).is_admitted());
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

async fn read<B: Body<Data = Bytes, Error = Infallible>>(body: B) {
    let mut body = std::pin::pin!(body);
    while std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await.is_some() {}
}

const ASKED: u32 = BURST + 2;

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

/// What a store has granted is lost with an answer that panics: nobody gets more, and all go on.
fn is_after_a_fleet(state: &State, has_panicked: bool) {
    if !has_panicked {
        return is_exact(state, has_panicked);
    }
    let (gate, store, told) = &**state;
    let request = Request::new(peer(1)).target("/");
    let passes = || now(gate.check_with(&request, store, || NOW)).is_admitted();
    let left = (0..2 * BURST).filter(|_| passes()).count() as u32;
    assert!(left + told.load(Ordering::Relaxed) <= BURST);
    assert_eq!(gate.status(NOW).defence.unwrap().in_flight, 0);
    gate.reload_with(Gate::builder(), NOW).unwrap();
    assert!(gate.check(&request, NOW).is_admitted());
}

/// An application of actix-web.
struct App;

/// A body of actix-web.
struct Parts(u8);

impl MessageBody for Parts {
    type Error = Infallible;

    fn size(&self) -> actix_web::body::BodySize {
        touch("body");
        actix_web::body::BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        touch("body");
        self.0 = self.0.saturating_sub(1);
        Poll::Ready((self.0 > 0).then(|| Ok(Bytes::from_static(b"hello"))))
    }
}

impl ActixService<ServiceRequest> for App {
    type Response = ServiceResponse<Parts>;
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        touch("service");
        Box::pin(async move {
            touch("service");
            Ok(request.into_response(HttpResponse::Ok().message_body(Parts(2)).unwrap()))
        })
    }
}

/// All that a middleware lets a service say.
fn middleware_of(gate: &Gate) -> GateMiddleware {
    GateMiddleware::new(gate)
        .clock(clock)
        .fields(LimitFields::on_all())
        .peer(|_| {
            touch("peer");
            Some(peer(1))
        })
        .describe(|request, _| {
            touch("describe");
            request.field("ip.src.country", "XX")
        })
        .on_deny(|_, _| {
            touch("on_deny");
            HttpResponse::TooManyRequests().finish()
        })
}

fn serve_actix<S, B>(service: &S, told: &AtomicU32)
where
    S: ActixService<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    for asked in 0..ASKED {
        let request = TestRequest::default().to_srv_request();
        let response = now(service.call(request)).unwrap();
        let passes = response.status() == 200;
        assert_eq!(passes, asked < BURST);
        told.fetch_add(u32::from(passes), Ordering::Relaxed);
        let mut body = std::pin::pin!(response.into_body());
        let _ = body.size();
        while let Some(part) = now(std::future::poll_fn(|c| body.as_mut().poll_next(c))) {
            assert!(part.is_ok());
        }
    }
}

#[test]
fn middleware() {
    for hook in ["clock", "peer", "describe", "on_deny", "service", "body"] {
        let work = |state: &State| {
            let (gate, _, told) = &**state;
            serve_actix(&now(middleware_of(gate).new_transform(App)).unwrap(), told);
        };
        at_every_call(hook, || state(false), work, is_exact);
    }
    for hook in ["clock", "describe", "service", "body", "store call", "store keep"] {
        let work = |state: &State| {
            let (gate, store, told) = &**state;
            let middleware = middleware_of(gate).fleet(store.clone());
            serve_actix(&now(middleware.new_transform(App)).unwrap(), told);
        };
        at_every_call(hook, || state(true), work, is_after_a_fleet);
    }
}

/// Connections from one client, from an address that cannot always be told.
struct Connections;

#[derive(Clone, Debug)]
struct From(IpAddr);

impl PeerAddr for From {
    fn peer_ip(&self) -> Option<IpAddr> {
        touch("peer");
        Some(self.0)
    }
}

/// A connection whose other end says nothing.
struct Silent;

impl AsyncRead for Silent {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        touch("io");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Silent {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        touch("io");
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        touch("io");
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        touch("io");
        Poll::Ready(Ok(()))
    }
}

impl Listener for Connections {
    type Io = Silent;
    type Addr = From;

    async fn accept(&mut self) -> (Silent, From) {
        touch("accept");
        (Silent, From(peer(1)))
    }

    fn local_addr(&self) -> io::Result<From> {
        Ok(From(peer(0)))
    }
}

#[test]
fn listeners() {
    type State = Arc<std::sync::Mutex<(Gate, GateListener<Connections>)>>;
    // For the timers of first requests.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    for hook in ["accept", "peer", "clock", "io"] {
        let make = || {
            let gate = gate(false);
            let listener = GateListener::new(Connections, &gate)
                .connections_per_client(2)
                .connections(2)
                .first_request_within(Duration::from_secs(60))
                .refuse_over_limit()
                .clock(clock);
            Arc::new(std::sync::Mutex::new((gate, listener)))
        };
        let work = |state: &State| {
            let mut state = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            for _ in 0..3 {
                let mut connections = [now(state.1.accept()), now(state.1.accept())];
                assert_eq!(state.1.stats().open(), 2);
                for (io, _) in &mut connections {
                    assert_eq!(now(io.read(&mut [0; 9])).unwrap(), 0);
                    now(io.write_all(b"hello")).unwrap();
                    now(io.shutdown()).unwrap();
                }
            }
        };
        at_every_call(hook, make, work, |state, _| {
            let mut state = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let (gate, listener) = &mut *state;
            let stats = listener.stats();
            assert_eq!(stats.open(), 0, "no place is lost");
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _entered = runtime.enter();
            let connections = [now(listener.accept()), now(listener.accept())];
            assert_eq!((stats.open(), stats.refused()), (2, 0));
            drop(connections);
            assert!(gate.check(&Request::new(peer(1)), NOW).is_admitted());
        });
    }
}

fn ask(router: &mut Router, method: &str, path: &str, body: &'static str) -> (u16, String) {
    let request = AxumRequest::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("x-portcullis-act", "1")
        .header("origin", "http://localhost")
        .header("sec-fetch-site", "same-origin")
        .extension(ConnectInfo(SocketAddr::new([127, 0, 0, 1].into(), 4_711)))
        .body(AxumBody::from(body))
        .unwrap();
    let Ok(response) = now(router.call(request));
    let status = response.status().as_u16();
    if path == "/stream" {
        // Its first event tells who may act.
        let mut body = response.into_body();
        let frame = now(std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)));
        let bytes = frame.unwrap().unwrap().into_data().unwrap();
        return (status, String::from_utf8(bytes.to_vec()).unwrap());
    }
    let bytes = now(to_bytes(response.into_body(), 1 << 20)).unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[test]
fn pages() {
    type State = (Gate, StatusPage);
    // For the timers of streams.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    for hook in ["viewing", "actions", "clock", "event"] {
        let make = || {
            let gate = gate(false);
            let page = StatusPage::new(&gate)
                .allow_viewing(|_| {
                    touch("viewing");
                    true
                })
                .allow_actions(|_| {
                    touch("actions");
                    true
                })
                .clock(clock);
            (gate, page)
        };
        let work = |(_, page): &State| {
            let mut router: Router = page.router();
            tracing::subscriber::with_default(super::gates::Listener, || {
                for (path, body) in [
                    ("/act", r#"{"act":"force","posture":"defend","seconds":600}"#),
                    ("/act", r#"{"act":"ban","net":"192.0.2.0/24","seconds":900,"reason":"x"}"#),
                    ("/act", r#"{"act":"release"}"#),
                    ("/now", ""),
                    ("/stream", ""),
                    ("/", ""),
                ] {
                    let method = if path == "/act" { "POST" } else { "GET" };
                    let (status, text) = ask(&mut router, method, path, body);
                    assert_eq!(status, 200, "{text}");
                }
            });
        };
        at_every_call(hook, make, work, |(gate, page), _| {
            let mut router: Router = page.router();
            let (status, text) = ask(&mut router, "GET", "/now", "");
            assert!(status == 200 && text.contains("\"mode\":\"enforce\""), "{status} {text}");
            let act = r#"{"act":"mode","mode":"observe"}"#;
            assert_eq!(ask(&mut router, "POST", "/act", act).0, 200);
            assert_eq!(gate.mode(), portcullis::Mode::Observe);
            gate.reload_with(Gate::builder(), NOW.saturating_add(Duration::from_secs(1))).unwrap();
        });
    }
}
