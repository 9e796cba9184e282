//! The tower layer inside axum: bodies, cancelled requests, uploads, and CORS around it.

use std::{
    convert::Infallible,
    future::pending,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::{get, post},
};
use portcullis::{Gate, GateLayer, LimitRule, Quota, Timestamp};
use tokio::{net::TcpListener, time::sleep};
use tower_http::cors::{Any, CorsLayer};

use super::wire::{Answer, Connection};

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, service).await.unwrap() });
    address
}

async fn connect(server: SocketAddr) -> Connection {
    Connection::open(Ipv4Addr::LOCALHOST, server).await.unwrap()
}

/// At most one request in flight for each client.
fn one_in_flight() -> Gate {
    Gate::builder().limit_rule(LimitRule::in_flight("in flight", 1)).build().unwrap()
}

/// One an hour.
fn one(gate: &Gate) -> GateLayer {
    GateLayer::new(gate).clock(|| Timestamp::from_secs(1))
}

fn an_hour() -> Gate {
    Gate::builder().limit("per client", Quota::per_hour(1)).build().unwrap()
}

/// Asks again until the answer has this status: for what happens when a server has noticed something.
async fn eventually(server: SocketAddr, path: &str, status: u16) {
    for _ in 0..500 {
        if connect(server).await.get(path, "").await.unwrap().status == status {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("never {status}");
}

/// A stream of events that never ends, and a short answer.
fn streaming(gate: &Gate) -> Router {
    let events = || async {
        let (sender, receiver) = tokio::io::duplex(64);
        tokio::spawn(async move {
            let mut sender = sender;
            while tokio::io::AsyncWriteExt::write_all(&mut sender, b"event\n").await.is_ok() {
                sleep(Duration::from_millis(5)).await;
            }
        });
        Body::from_stream(Events(receiver))
    };
    Router::new()
        .route("/events", get(events))
        .route("/", get(|| async { "short" }))
        .layer(GateLayer::new(gate))
}

/// What comes out of a pipe, as a stream.
struct Events(tokio::io::DuplexStream);

impl futures_core::Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let mut space = [0; 64];
        let mut buffer = tokio::io::ReadBuf::new(&mut space);
        let read =
            tokio::io::AsyncRead::poll_read(std::pin::Pin::new(&mut self.0), context, &mut buffer);
        read.map(|_| Some(Ok(Bytes::copy_from_slice(buffer.filled()))))
    }
}

#[tokio::test]
async fn a_stream_holds_its_place_until_its_client_leaves() {
    let server = serve(streaming(&one_in_flight())).await;
    let mut stream = connect(server).await;
    stream.send(b"GET /events HTTP/1.1\r\nhost: e2e.test\r\n\r\n").await.unwrap();
    stream.until("event\n").await.unwrap();
    let mut other = connect(server).await;
    for _ in 0..3 {
        stream.until("event\n").await.unwrap();
        assert_eq!(other.get("/", "").await.unwrap().status, 429);
    }
    drop(stream);
    eventually(server, "/", 200).await;
}

#[tokio::test]
async fn an_answer_gives_its_place_back_when_it_has_been_sent() {
    let server = serve(streaming(&one_in_flight())).await;
    let mut client = connect(server).await;
    for _ in 0..20 {
        assert_eq!(client.get("/", "").await.unwrap().status, 200);
    }
}

/// The client is gone before its handler has anything to say.
#[tokio::test]
async fn a_cancelled_request_is_charged_and_gives_its_place_back() {
    let gate = Gate::builder()
        .limit("per client", Quota::per_hour(1_000))
        .limit_rule(LimitRule::in_flight("in flight", 1))
        .build()
        .unwrap();
    let app = Router::new()
        .route("/never", get(pending::<&str>))
        .route("/", get(|| async { "hello" }))
        .layer(GateLayer::new(&gate));
    let server = serve(app).await;
    let mut leaving = connect(server).await;
    leaving.send(b"GET /never HTTP/1.1\r\nhost: e2e.test\r\n\r\n").await.unwrap();
    eventually(server, "/", 429).await;
    drop(leaving);
    eventually(server, "/", 200).await;
    assert_eq!(gate.stats().admitted() - gate.stats().finished_with_class(2), 1);
}

#[tokio::test]
async fn a_connection_is_kept_across_refusals() {
    let gate = an_hour();
    let server = serve(streaming(&gate)).await;
    let mut client = connect(server).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.get("/", "").await.unwrap().status);
    }
    gate.set_mode(portcullis::Mode::Off);
    statuses.push(client.get("/", "").await.unwrap().status);
    assert_eq!(statuses, [200, 429, 429, 429, 200]);
}

/// Takes what it is sent.
fn uploads(gate: &Gate) -> Router {
    let take = |body: Bytes| async move { body.len().to_string() };
    Router::new().route("/", post(take)).layer(one(gate))
}

/// After a refusal the connection is as good as before, or it is closed.
async fn is_usable_or_closed(mut client: Connection) {
    match client.get("/", "").await {
        Ok(Answer { status, .. }) => assert_eq!(status, 429),
        Err(_) => assert_eq!(client.rest().await, b"", "closed, and nothing but that"),
    }
}

#[tokio::test]
async fn small_uploads_are_refused_and_leave_the_connection_usable_or_closed() {
    let server = serve(uploads(&an_hour())).await;
    for (number, body) in [
        "content-length: 5\r\n\r\nhello",
        "content-length: 5\r\n\r\nhello",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = connect(server).await;
        let request = format!("POST / HTTP/1.1\r\nhost: e2e.test\r\n{body}");
        client.send(request.as_bytes()).await.unwrap();
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, if number == 0 { 200 } else { 429 });
        is_usable_or_closed(client).await;
    }
}

/// A client that reads while it writes gets its refusal, whatever becomes of the connection.
#[tokio::test]
async fn a_large_upload_is_refused_before_it_is_read() {
    let gate = Gate::builder().limit("none", Quota::per_second(0)).build().unwrap();
    let server = serve(uploads(&gate)).await;
    let mut client = connect(server).await;
    let head = format!("POST / HTTP/1.1\r\nhost: e2e.test\r\ncontent-length: {}\r\n\r\n", 1 << 20);
    client.send(head.as_bytes()).await.unwrap();
    client.send(&[b'x'; 1_000]).await.unwrap();
    assert_eq!(client.answer().await.unwrap().status, 429);
}

#[tokio::test]
async fn who_waits_to_be_told_to_continue_is_told_no_and_sends_nothing() {
    let gate = Gate::builder().limit("none", Quota::per_second(0)).build().unwrap();
    let server = serve(uploads(&gate)).await;
    let mut client = connect(server).await;
    let head = "POST / HTTP/1.1\r\nhost: e2e.test\r\nexpect: 100-continue\r\ncontent-length: 1000000\r\n\r\n";
    client.send(head.as_bytes()).await.unwrap();
    // The first answer is the only one: no "100 Continue" before it.
    assert_eq!(client.answer().await.unwrap().status, 429);
}

const ORIGIN: &str = "origin: https://shop.example\r\n";
const PREFLIGHT: &str = "OPTIONS / HTTP/1.1\r\nhost: e2e.test\r\norigin: https://shop.example\r\n\
                         access-control-request-method: GET\r\n\r\n";

async fn preflight(client: &mut Connection) -> u16 {
    client.send(PREFLIGHT.as_bytes()).await.unwrap();
    client.answer_or_empty().await.unwrap().status
}

#[tokio::test]
async fn with_cors_outside_a_refusal_can_be_read_and_preflights_are_not_counted() {
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .layer(one(&an_hour()))
        .layer(CorsLayer::new().allow_origin(Any));
    let mut client = connect(serve(app).await).await;
    for _ in 0..3 {
        assert_eq!(preflight(&mut client).await, 200);
    }
    for status in [200, 429] {
        let answer = client.get("/", ORIGIN).await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(answer.line("access-control-allow-origin"), Some("*"));
    }
}

#[tokio::test]
async fn with_cors_inside_preflights_can_be_let_through() {
    for skips in [false, true] {
        let gate = an_hour();
        let layer = if skips { one(&gate).skip_preflights() } else { one(&gate) };
        let app = Router::new()
            .route("/", get(|| async { "hello" }))
            .layer(CorsLayer::new().allow_origin(Any))
            .layer(layer);
        let mut client = connect(serve(app).await).await;
        let asked = [preflight(&mut client).await, preflight(&mut client).await];
        let answer = client.get("/", ORIGIN).await.unwrap();
        let expected = if skips { ([200, 200], 200) } else { ([200, 429], 429) };
        assert_eq!((asked, answer.status), expected);
    }
}
