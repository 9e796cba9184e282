//! axum, whose requests wait.

use std::net::{Ipv4Addr, SocketAddr};

use axum::{
    Router,
    body::Bytes,
    extract::ConnectInfo,
    routing::{get, post},
};
use portcullis::{
    Gate, GateLayer, LimitFields,
    axum::Admitted,
    limit::remote::{OnFailure, Store},
};
use tokio::net::TcpListener;

use super::{Arrivals, Asked, Connection, Kept, ON_FAILURE, clock, comes_to, gate, store};

/// Says what it was sent.
pub(super) fn echo(gate: &Gate, store: impl Store, arrivals: &Arrivals) -> Router {
    let arrivals = arrivals.clone();
    let stand = |admitted: Admitted| async move {
        admitted.standing().map(|standing| standing.remaining().to_string()).unwrap_or_default()
    };
    let layer = GateLayer::new(gate).fields(LimitFields::on_all()).clock(clock).fleet(store).peer(
        move |extensions, _| {
            let connection = extensions.get::<ConnectInfo<SocketAddr>>();
            arrivals.note(connection.map(|ConnectInfo(peer)| peer.ip()))
        },
    );
    Router::new()
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/", get(stand))
        .layer(layer)
}

pub(super) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, service).await.unwrap() });
    address
}

async fn connect(server: SocketAddr) -> Connection {
    Connection::open(Ipv4Addr::LOCALHOST, server).await.unwrap()
}

async fn begin(server: SocketAddr) -> Connection {
    let mut client = connect(server).await;
    client.send(b"GET / HTTP/1.1\r\nhost: e2e.test\r\n\r\n").await.unwrap();
    client
}

async fn start(on_failure: OnFailure) -> (Gate, SocketAddr, super::Questions, Arrivals) {
    let (store, questions): (Asked, _) = store();
    let (gate, arrivals) = (gate(on_failure), Arrivals::default());
    let server = serve(echo(&gate, store, &arrivals)).await;
    (gate, server, questions, arrivals)
}

#[tokio::test]
async fn an_upload_waits_for_the_store_and_comes_whole() {
    let (gate, server, mut questions, _) = start(OnFailure::Closed).await;
    let mut client = connect(server).await;
    let head = b"POST /echo HTTP/1.1\r\nhost: e2e.test\r\ncontent-length: 10\r\n\r\nhello";
    client.send(head).await.unwrap();
    let question = questions.next().await;
    assert_eq!(gate.stats().admitted(), 0);
    client.send(b"world").await.unwrap();
    question.granted(2, 1);
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "helloworld"));
    assert_eq!(answer.line("ratelimit-policy"), Some("\"per client\";q=3;w=3600"));
    let answer = client.get("/", "").await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "1"), "of the lease, and one is left");
    assert!(questions.is_empty());
}

#[tokio::test]
async fn who_is_denied_is_told_everything_and_keeps_its_connection() {
    let (gate, server, mut questions, _) = start(OnFailure::Closed).await;
    let mut client = begin(server).await;
    questions.next().await.denied(60);
    let asked = client.answer().await.unwrap();
    let remembered = client.get("/", "").await.unwrap();
    for refused in [asked, remembered] {
        assert_eq!(refused.status, 429);
        assert_eq!(refused.line("retry-after"), Some("60"));
        assert_eq!(refused.line("ratelimit"), Some("\"per client\";r=0;t=60"));
        assert_eq!(refused.line("content-type"), Some("application/problem+json"));
        let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!(problem["violated-policies"][0], "per client");
    }
    assert!(questions.is_empty());
    assert_eq!(gate.stats().denied(), 2);
}

#[tokio::test]
async fn many_connections_wait_for_one_call() {
    let (gate, server, mut questions, arrivals) = start(OnFailure::Closed).await;
    let mut first = begin(server).await;
    let question = questions.next().await;
    let (mut second, mut third) = (begin(server).await, begin(server).await);
    arrivals.are(3).await;
    question.granted(3, 0);
    for client in [&mut first, &mut second, &mut third] {
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    assert!(questions.is_empty());
    assert_eq!(gate.stats().admitted(), 3);
}

/// The client is gone, its call with it, and whoever waited for it asks.
#[tokio::test]
async fn a_client_that_leaves_keeps_nobody_waiting() {
    let (gate, server, mut questions, arrivals) = start(OnFailure::Closed).await;
    let leaving = begin(server).await;
    let question = questions.next().await;
    let mut staying = begin(server).await;
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
    let server = serve(echo(&gate, store, &arrivals)).await;
    let leaving = begin(server).await;
    let question = questions.next().await;
    let mut staying = begin(server).await;
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
        let (gate, server, mut questions, _) = start(on_failure).await;
        let mut client = begin(server).await;
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

/// The store has the question and never answers.
#[tokio::test]
async fn nobody_waits_longer_than_the_fleet_does() {
    use portcullis::{LimitRule, Quota, limit::remote::FleetSettings};

    let limit = LimitRule::new("per client", Quota::per_hour(3)).fleet(OnFailure::Closed);
    let settings = FleetSettings::new().timeout(std::time::Duration::from_millis(5));
    let gate = Gate::builder().fleet(settings).limit_rule(limit).build().unwrap();
    let (store, mut questions) = store();
    let server = serve(echo(&gate, store, &Arrivals::default())).await;
    let mut client = begin(server).await;
    let question = questions.next().await;
    assert_eq!(client.answer().await.unwrap().status, 503);
    question.left().await;
    assert_eq!(gate.fleet().unwrap().stats().timeouts(), 1);
}
