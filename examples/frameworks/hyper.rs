//! hyper without a framework: an accept loop of one's own, for HTTP/1 and HTTP/2 on one port.
//!
//! Shows where the peer's address comes from when no framework records it, a limit on connections per client,
//! a time limit for requests that do not come, and an end that lets responses be finished.
//!
//!     cargo run --release -p portcullis-examples --bin hyper
//!     curl -i http://127.0.0.1:8080/
//!
//! The first five requests get `200 OK` and `hello`, those that follow at once get
//! `429 Too Many Requests` with `retry-after: 1`.

use std::{convert::Infallible, env, error::Error, pin::pin, time::Duration};

use axum::serve::Listener;
use http_body_util::Full;
use hyper::{Request, Response, body::Bytes, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use portcullis::{Gate, GateLayer, Quota, axum::GateListener};
use tokio::{net::TcpListener, select, time::timeout};
use tower::{Layer, ServiceExt, service_fn};

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello\n")))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let gate = Gate::builder().limit("per client", Quota::per_second(1).burst(5)).build()?;
    let service = GateLayer::new(&gate).layer(service_fn(hello));

    let mut server = auto::Builder::new(TokioExecutor::new());
    // hyper has no clock: without a timer, the time limits do nothing.
    server.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(5));
    server.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(20));
    // A limit on connections is none on streams.
    server.http2().max_concurrent_streams(32);

    let port = env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // Who is banned is sent away before a byte is read; nobody holds more than 64 connections, or one for more
    // than five seconds without having sent a request. hyper's own limit begins with the first byte.
    let mut listener = GateListener::new(listener, &gate)
        .connections_per_client(64)
        .connections(10_000)
        .first_request_within(Duration::from_secs(5));

    let graceful = GracefulShutdown::new();
    let mut stop = pin!(tokio::signal::ctrl_c());
    loop {
        let (stream, peer) = select! {
            accepted = listener.accept() => accepted,
            _ = &mut stop => break,
        };
        // The gate looks for the peer's address among a request's extensions.
        let service = service.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request
        });
        let connection =
            server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = graceful.watch(connection.into_owned());
        // Clients that go away are no news.
        tokio::spawn(async move { drop(connection.await) });
    }
    drop(listener);
    let _ = timeout(Duration::from_secs(10), graceful.shutdown()).await;
    Ok(())
}
