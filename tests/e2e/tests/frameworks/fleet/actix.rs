//! actix-web, whose requests wait.

use std::net::{Ipv4Addr, SocketAddr};

use actix_web::{
    App,
    web::{self, Bytes},
};
use portcullis::{
    Gate, GateMiddleware,
    limit::remote::{OnFailure, Store},
};

use super::{Arrivals, Connection, Kept, ON_FAILURE, Questions, clock, comes_to, gate, store};
use crate::actix::Running;

/// Says what it was sent.
async fn echo(body: Bytes) -> Bytes {
    body
}

/// Two workers; a client that leaves is noticed.
pub(super) fn serve(gate: &Gate, store: impl Store, arrivals: &Arrivals) -> Running {
    let arrivals = arrivals.clone();
    let middleware = GateMiddleware::new(gate)
        .clock(clock)
        .fleet(store)
        .peer(move |request| arrivals.note(request.peer_addr().map(|address| address.ip())));
    crate::actix::serve!(
        2,
        {
            App::new()
                .wrap(middleware.clone())
                .route("/echo", web::post().to(echo))
                .route("/", web::get().to(|| async { "hello" }))
        },
        .h1_allow_half_closed(false)
    )
}

fn start(on_failure: OnFailure) -> (Running, Gate, Questions, Arrivals) {
    let (store, questions) = store();
    let (gate, arrivals) = (gate(on_failure), Arrivals::default());
    (serve(&gate, store, &arrivals), gate, questions, arrivals)
}

async fn begin(server: SocketAddr) -> Connection {
    let mut client = Connection::open(Ipv4Addr::LOCALHOST, server).await.unwrap();
    client.send(b"GET / HTTP/1.1\r\nhost: e2e.test\r\n\r\n").await.unwrap();
    client
}

#[tokio::test]
async fn an_upload_waits_for_the_store_and_comes_whole() {
    let (server, gate, mut questions, _) = start(OnFailure::Closed);
    let mut client = Connection::open(Ipv4Addr::LOCALHOST, server.address).await.unwrap();
    let head = b"POST /echo HTTP/1.1\r\nhost: e2e.test\r\ncontent-length: 10\r\n\r\nhello";
    client.send(head).await.unwrap();
    let question = questions.next().await;
    assert_eq!(gate.stats().admitted(), 0);
    client.send(b"world").await.unwrap();
    question.granted(2, 1);
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "helloworld"));
    let answer = client.get("/", "").await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"), "of the lease");
    assert!(questions.is_empty());
}

#[tokio::test]
async fn who_is_denied_is_told_everything_and_keeps_its_connection() {
    let (server, _gate, mut questions, _) = start(OnFailure::Closed);
    let mut client = begin(server.address).await;
    questions.next().await.denied(60);
    let asked = client.answer().await.unwrap();
    let remembered = client.get("/", "").await.unwrap();
    for refused in [asked, remembered] {
        assert_eq!(refused.status, 429);
        assert_eq!(refused.line("retry-after"), Some("60"));
        assert_eq!(refused.line("ratelimit"), Some("\"per client\";r=0;t=60"));
        assert_eq!(refused.line("content-type"), Some("application/problem+json"));
    }
    assert!(questions.is_empty());
}

/// Whichever worker they are at: what wakes them comes from another thread.
#[tokio::test]
async fn workers_wait_for_one_call() {
    let (server, gate, mut questions, arrivals) = start(OnFailure::Closed);
    let mut first = begin(server.address).await;
    let question = questions.next().await;
    let (mut second, mut third) = (begin(server.address).await, begin(server.address).await);
    arrivals.are(3).await;
    question.granted(3, 0);
    for client in [&mut first, &mut second, &mut third] {
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    assert!(questions.is_empty());
    assert_eq!(gate.stats().admitted(), 3);
}

#[tokio::test]
async fn a_client_that_leaves_keeps_nobody_waiting() {
    let (server, gate, mut questions, arrivals) = start(OnFailure::Closed);
    let leaving = begin(server.address).await;
    let question = questions.next().await;
    let mut staying = begin(server.address).await;
    arrivals.are(2).await;
    drop(leaving);
    question.left().await;
    questions.next().await.granted(1, 2);
    assert_eq!(staying.answer().await.unwrap().status, 200);
    assert!(questions.is_empty());
    assert_eq!(gate.stats().admitted(), 1);
}

/// What it has asked is asked all the same, and what is granted to it is for the others.
#[tokio::test]
async fn a_client_that_leaves_leaves_its_answer_to_others() {
    let (asked, mut questions) = store();
    let (store, leavers) = Kept::new(asked);
    let (gate, arrivals) = (gate(OnFailure::Closed), Arrivals::default());
    let server = serve(&gate, store, &arrivals);
    let leaving = begin(server.address).await;
    let question = questions.next().await;
    let mut staying = begin(server.address).await;
    arrivals.are(2).await;
    drop(leaving);
    comes_to(&leavers, 1).await;
    question.granted(1, 2);
    // The call is over a moment before the unit is there for others: who comes in between asks once more.
    let answer = tokio::select! {
        answer = staying.answer() => answer.unwrap(),
        never = questions.grant() => match never {},
    };
    assert_eq!(answer.status, 200);
    let stats = gate.fleet().unwrap().stats();
    assert_eq!((gate.stats().admitted(), stats.fallbacks()), (1, 0));
    assert!(stats.calls() <= 2, "{stats:?}");
}

#[tokio::test]
async fn a_store_that_fails_is_the_limits_choice() {
    for (on_failure, statuses) in ON_FAILURE {
        let (server, gate, mut questions, _) = start(on_failure);
        let mut client = begin(server.address).await;
        // Without a reply.
        drop(questions.next().await);
        let mut told = vec![client.answer().await.unwrap().status];
        while told.len() < statuses.len() {
            told.push(client.get("/", "").await.unwrap().status);
        }
        assert_eq!(told, statuses, "{on_failure:?}");
        assert!(questions.is_empty(), "it is not asked again so soon");
        assert_eq!(gate.fleet().unwrap().stats().fallbacks(), 4);
    }
}
