//! Places in limits of requests in flight: kept as long as a response goes on.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    App, Error, HttpResponse,
    body::{BodySize, MessageBody},
    web::{self, Bytes},
};
use portcullis::{Gate, GateMiddleware, LimitRule, Quota};
use tokio::sync::{Notify, mpsc};

use super::{connect, hello, serve};

/// Waits until this holds: what a server does after its client has left, nobody waits for.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

/// A body whose pieces come when somebody sends them.
struct Live(mpsc::Receiver<&'static str>);

impl MessageBody for Live {
    type Error = Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|piece| Ok(Bytes::from_static(piece.as_bytes()))))
    }
}

/// Streams that a test feeds, one for each request.
type Streams = web::Data<std::sync::Mutex<Vec<mpsc::Receiver<&'static str>>>>;

async fn live(streams: Streams) -> HttpResponse {
    let stream = streams.lock().unwrap().pop().unwrap();
    HttpResponse::Ok().message_body(Live(stream)).unwrap().map_into_boxed_body()
}

fn one_at_a_time() -> Gate {
    Gate::builder().limit_rule(LimitRule::in_flight("at a time", 1)).build().unwrap()
}

#[tokio::test]
async fn a_stream_keeps_its_place_until_it_ends_or_its_client_leaves() {
    let gate = one_at_a_time();
    let (first, first_end) = mpsc::channel(1);
    let (second, second_end) = mpsc::channel(1);
    let streams: Streams = web::Data::new(std::sync::Mutex::new(vec![second_end, first_end]));
    let server = serve!(2, {
        App::new()
            .app_data(streams.clone())
            .wrap(GateMiddleware::new(&gate))
            .route("/live", web::get().to(live))
            .route("/", web::get().to(hello))
    });
    let mut other = connect(server.address).await;

    let mut wire = connect(server.address).await;
    wire.send(b"GET /live HTTP/1.1\r\nhost: e2e.test\r\n\r\n").await.unwrap();
    first.send("tick").await.unwrap();
    wire.until("tick").await.unwrap();
    assert_eq!(
        other.get("/", "").await.unwrap().status,
        429,
        "the head has been sent, the body not"
    );
    drop(first);
    wire.until("0\r\n\r\n").await.unwrap();
    assert_eq!(other.get("/", "").await.unwrap().status, 200, "it has ended");

    let mut wire = connect(server.address).await;
    wire.send(b"GET /live HTTP/1.1\r\nhost: e2e.test\r\n\r\n").await.unwrap();
    second.send("tick").await.unwrap();
    wire.until("tick").await.unwrap();
    assert_eq!(other.get("/", "").await.unwrap().status, 429);
    drop(wire);
    // A server notices when it has something to send.
    eventually("the place of a client that has left", async || {
        let _ = second.try_send("tick");
        other.get("/", "").await.unwrap().status == 200
    })
    .await;
}

#[tokio::test]
async fn who_leaves_before_the_response_has_paid_and_gives_its_place_back() {
    async fn slow(asleep: web::Data<Notify>) -> &'static str {
        asleep.notify_one();
        std::future::pending().await
    }
    let gate = Gate::builder()
        .limit("per client", Quota::per_hour(3))
        .limit_rule(LimitRule::in_flight("at a time", 1))
        .build()
        .unwrap();
    let asleep = web::Data::from(Arc::new(Notify::new()));
    let (asked, told) = (gate.clone(), asleep.clone());
    // Otherwise a client may close its side and still wait for the response.
    let app = move || {
        App::new()
            .app_data(told.clone())
            .wrap(GateMiddleware::new(&asked))
            .route("/slow", web::get().to(slow))
            .route("/", web::get().to(hello))
    };
    let server = serve!(1, app(), .h1_allow_half_closed(false));
    let mut wire = connect(server.address).await;
    wire.send(b"GET /slow HTTP/1.1\r\nhost: e2e.test\r\n\r\n").await.unwrap();
    asleep.notified().await;
    let mut other = connect(server.address).await;
    assert_eq!(other.get("/", "").await.unwrap().status, 429, "one is being served");
    drop(wire);
    eventually("the place of a client that has left", async || {
        other.get("/", "").await.unwrap().status == 200
    })
    .await;
    assert_eq!(other.get("/", "").await.unwrap().status, 200);
    assert_eq!(
        other.get("/", "").await.unwrap().status,
        429,
        "three in all: who left has paid once"
    );
    assert_eq!(
        gate.stats().finished_with_class(2),
        2,
        "how the first would have ended is not known"
    );
}
