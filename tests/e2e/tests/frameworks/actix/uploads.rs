//! Refusals of requests whose bodies are still to come.

use std::io;

use actix_web::{App, web};
use portcullis::GateMiddleware;

use super::{super::wire::Answer, Running, connect, per_hour, serve};

/// A server whose one request an hour has been served already.
async fn used_up() -> Running {
    async fn length(body: web::Bytes) -> String {
        body.len().to_string()
    }
    let gate = per_hour(1);
    let server =
        serve!(1, { App::new().wrap(GateMiddleware::new(&gate)).route("/", web::to(length)) });
    let mut wire = connect(server.address).await;
    wire.send(&head("content-length: 0")).await.unwrap();
    assert_eq!(wire.answer().await.unwrap().status, 200);
    server
}

fn head(field: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nhost: e2e.test\r\n{field}\r\n\r\n").into_bytes()
}

/// A refusal that has come whole.
fn assert_refused(answer: io::Result<Answer>, case: &str) -> Answer {
    let refused = answer.unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(refused.status, 429, "{case}");
    assert!(refused.body.ends_with('}'), "{case}: {:?}", refused.body);
    refused
}

#[tokio::test]
async fn with_its_body_at_once_a_connection_goes_on() {
    let server = used_up().await;
    let mut wire = connect(server.address).await;
    for size in [1, 10_000, 60_000, 200_000] {
        let case = format!("{size} bytes");
        let mut all = head(&format!("content-length: {size}"));
        all.resize(all.len() + size, b'x');
        wire.send(&all).await.unwrap();
        let refused = assert_refused(wire.answer().await, &case);
        assert_eq!(refused.line("connection"), None, "{case}");
    }
    assert_refused(wire.get("/", "").await, "after all of them");
}

/// Scopes and resources put bodies of responses into boxes.
#[tokio::test]
async fn inside_a_scope_a_connection_goes_on_too() {
    let gate = per_hour(0);
    let server = serve!(1, {
        let scope = web::scope("/in").wrap(GateMiddleware::new(&gate));
        App::new().service(scope.route("", web::to(|| async { "never" })))
    });
    let mut wire = connect(server.address).await;
    for _ in 0..3 {
        let head = "POST /in HTTP/1.1\r\nhost: e2e.test\r\ncontent-length: 5\r\n\r\n";
        wire.send(head.as_bytes()).await.unwrap();
        assert_refused(wire.answer().await, "before the body");
        wire.send(b"hello").await.unwrap();
    }
}

/// The refusal does not wait for the body; and the body, when it comes, does no harm.
#[tokio::test]
async fn with_its_body_later_a_connection_goes_on() {
    let server = used_up().await;
    let mut wire = connect(server.address).await;
    for size in [1, 10_000, 60_000, 200_000] {
        let case = format!("{size} bytes");
        wire.send(&head(&format!("content-length: {size}"))).await.unwrap();
        assert_refused(wire.answer().await, &case);
        wire.send(&vec![b'x'; size]).await.unwrap();
    }
    assert_refused(wire.get("/", "").await, "after all of them");
}

#[tokio::test]
async fn with_chunks_a_connection_goes_on() {
    let server = used_up().await;
    let mut wire = connect(server.address).await;
    wire.send(&head("transfer-encoding: chunked")).await.unwrap();
    assert_refused(wire.answer().await, "before the first chunk");
    for _ in 0..3 {
        wire.send(b"5\r\nhello\r\n").await.unwrap();
    }
    wire.send(b"0\r\n\r\n").await.unwrap();
    assert_refused(wire.get("/", "").await, "after the last chunk");
}

/// actix-web says to go on before any middleware sees the request.
#[tokio::test]
async fn who_asks_first_is_refused_before_it_sends() {
    let server = used_up().await;
    let mut wire = connect(server.address).await;
    wire.send(&head("content-length: 5\r\nexpect: 100-continue")).await.unwrap();
    assert_eq!(wire.answer_or_empty().await.unwrap().status, 100);
    assert_refused(wire.answer().await, "before the body");
    wire.send(b"hello").await.unwrap();
    assert_refused(wire.get("/", "").await, "after the body");
}

/// Who has said that much more is to come is told that the connection will be closed.
#[tokio::test]
async fn a_large_upload_is_told_and_cut_off() {
    let server = used_up().await;
    let size = 1 << 20;
    let mut wire = connect(server.address).await;
    wire.send(&head(&format!("content-length: {size}"))).await.unwrap();
    let refused = assert_refused(wire.answer().await, "before the body");
    assert_eq!(refused.line("connection"), Some("close"));

    let mut wire = connect(server.address).await;
    wire.send(&head(&format!("content-length: {size}"))).await.unwrap();
    // It may be cut off before it has sent all.
    let _ = wire.send(&vec![b'x'; size]).await;
    assert_refused(wire.answer().await, "after the body");
    assert!(wire.rest().await.is_empty(), "closed");
}

#[tokio::test]
async fn who_never_stops_is_cut_off() {
    let server = used_up().await;
    let mut wire = connect(server.address).await;
    wire.send(&head("transfer-encoding: chunked")).await.unwrap();
    assert_refused(wire.answer().await, "before the first chunk");
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    for _ in 0..2 {
        wire.send(&chunk).await.expect("some of it is read");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let mut sent = 0;
    while wire.send(&chunk).await.is_ok() {
        sent += 1;
        assert!(sent < 2_000, "more than 100 MiB");
    }
}

#[tokio::test]
async fn who_sends_nothing_more_is_cut_off() {
    let server = used_up().await;
    let mut wire = connect(server.address).await;
    wire.send(&head("content-length: 10")).await.unwrap();
    assert_refused(wire.answer().await, "before the body");
    assert!(wire.rest().await.is_empty(), "closed");
}
