//! hyper alone, with HTTP/2.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{Request, Response, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use portcullis::{Gate, GateLayer, Quota, Timestamp};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceExt, service_fn};

/// Says hello behind a gate, in HTTP/1.1 and in HTTP/2.
async fn serve(layer: GateLayer) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let hello = service_fn(|_: Request<Incoming>| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
            });
            let service = layer.layer(hello).map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                request
            });
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let service = TowerToHyperService::new(service);
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// A hundred streams of one connection are a hundred requests.
#[tokio::test]
async fn streams_of_one_connection_share_their_clients_limit() {
    let gate = Gate::builder().limit("per client", Quota::per_hour(40)).build().unwrap();
    let server = serve(GateLayer::new(&gate).clock(|| Timestamp::from_secs(1))).await;
    let stream = TcpStream::connect(server).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let requests: Vec<_> = (0..100)
        .map(|_| {
            let mut sender = sender.clone();
            tokio::spawn(async move {
                let request = Request::get("http://e2e.test/").body(Empty::<Bytes>::new()).unwrap();
                let response = sender.send_request(request).await.unwrap();
                let (head, body) = response.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                (head.status.as_u16(), head.headers.contains_key("retry-after"), body)
            })
        })
        .collect();
    let (mut served, mut refused) = (0, 0);
    for request in requests {
        match request.await.unwrap() {
            (200, false, body) if body == "hello" => served += 1,
            (429, true, body) if body.starts_with(b"{") => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((served, refused), (40, 60));
}

#[tokio::test]
async fn one_service_for_both_versions_of_http() {
    let gate = Gate::builder().limit("per client", Quota::per_hour(2)).build().unwrap();
    let server = serve(GateLayer::new(&gate).clock(|| Timestamp::from_secs(1))).await;
    let stream = TcpStream::connect(server).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = || Request::get("http://e2e.test/").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(sender.send_request(request()).await.unwrap().status(), 200);
    let mut old = super::wire::Connection::open(Ipv4Addr::LOCALHOST, server).await.unwrap();
    assert_eq!(old.get("/", "").await.unwrap().status, 200);
    assert_eq!(old.get("/", "").await.unwrap().status, 429);
    assert_eq!(sender.send_request(request()).await.unwrap().status(), 429);
}
