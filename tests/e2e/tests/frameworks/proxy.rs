//! The PROXY protocol in front of a service: an accept loop that believes its proxies and nobody else.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Extension, Router, routing::get};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use portcullis::{
    Gate, GateLayer, Quota,
    request::proxy::{ProxyProtocol, Read},
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::wire::Connection;

const PROXY: Ipv4Addr = Ipv4Addr::LOCALHOST;
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Serves behind proxies at 127.0.0.1; everybody else is a client.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let proxies = Arc::new(ProxyProtocol::new("127.0.0.1".parse().unwrap()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let (proxies, app) = (Arc::clone(&proxies), app.clone());
            tokio::spawn(async move { connection(stream, peer, &proxies, app).await });
        }
    });
    address
}

/// Who has connected, and then its requests. Returns, which closes the connection, where nobody can tell.
async fn connection(mut stream: TcpStream, peer: SocketAddr, proxies: &ProxyProtocol, app: Router) {
    let patience = Duration::from_secs(5);
    let Ok(Some(client)) = timeout(patience, client_of(&mut stream, peer, proxies)).await else {
        return;
    };
    let app = TowerToHyperService::new(app.layer(Extension(client)));
    let http = hyper::server::conn::http1::Builder::new();
    let _ = http.serve_connection(TokioIo::new(stream), app).await;
}

/// Reads the header and not a byte more, so that the stream goes on with the first request.
async fn client_of(
    stream: &mut TcpStream,
    peer: SocketAddr,
    proxies: &ProxyProtocol,
) -> Option<SocketAddr> {
    let mut header = Vec::new();
    loop {
        let needed = match proxies.read(peer, &header) {
            Read::Incomplete { needed } => needed,
            Read::Accepted(accepted) => return Some(accepted.client()),
            Read::Refused(_) => return None,
        };
        let there = header.len();
        header.resize(needed, 0);
        stream.read_exact(&mut header[there..]).await.ok()?;
    }
}

/// Tells the client its address, once an hour.
fn once(gate: &Gate) -> Router {
    let told = get(|Extension(client): Extension<SocketAddr>| async move { client.to_string() });
    Router::new().route("/", told).layer(GateLayer::new(gate))
}

fn gate() -> Gate {
    Gate::builder().limit("per client", Quota::per_hour(1)).build().unwrap()
}

async fn open(from: Ipv4Addr, server: SocketAddr) -> Option<Connection> {
    match Connection::open(from, server).await {
        Ok(connection) => Some(connection),
        // Linux answers on all of 127.0.0.0/8; others have one address there.
        Err(error) if cfg!(target_os = "linux") || from == PROXY => panic!("{error}"),
        Err(error) => {
            eprintln!("NOT TESTED: no 127.0.0.0/8 to connect from: {error}");
            None
        }
    }
}

/// A block of version 2, for TCP over IPv4.
fn block(from: [u8; 4], port: u16) -> Vec<u8> {
    let ports = [port.to_be_bytes(), [1, 187]].concat();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &from, &[192, 0, 2, 1], &ports].concat()
}

#[tokio::test]
async fn the_client_is_the_one_that_the_proxy_names() {
    let gate = gate();
    let server = serve(once(&gate)).await;
    let line = |client: &str| format!("PROXY TCP4 {client} 192.0.2.1 56324 443\r\n").into_bytes();
    for (header, client) in [
        (line("203.0.113.9"), "203.0.113.9:56324"),
        (line("203.0.113.10"), "203.0.113.10:56324"),
        (block([203, 0, 113, 11], 7), "203.0.113.11:7"),
        (b"PROXY TCP6 2001:db8::9 ::1 7 443\r\n".to_vec(), "[2001:db8::9]:7"),
        (b"PROXY TCP6 ::ffff:203.0.113.12 ::1 7 443\r\n".to_vec(), "203.0.113.12:7"),
    ] {
        let mut served = open(PROXY, server).await.unwrap();
        served.send(&header).await.unwrap();
        let answer = served.get("/", "").await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, client));
        // The connection stays this client's.
        assert_eq!(served.get("/", "").await.unwrap().status, 429, "{client}");

        // The same client in another connection of the same proxy; header and request in one write.
        let mut refused = open(PROXY, server).await.unwrap();
        let both = [&header[..], b"GET / HTTP/1.1\r\nhost: e2e.test\r\n\r\n"].concat();
        refused.send(&both).await.unwrap();
        assert_eq!(refused.answer().await.unwrap().status, 429, "{client}");
    }
    assert_eq!((gate.stats().admitted(), gate.stats().denied()), (5, 10));
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte() {
    let server = serve(once(&gate())).await;
    let mut slow = open(PROXY, server).await.unwrap();
    for byte in block([203, 0, 113, 9], 7) {
        slow.send(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(slow.get("/", "").await.unwrap().body, "203.0.113.9:7");
}

/// Health checks, and what a proxy does not know, are the proxy's own.
#[tokio::test]
async fn where_the_proxy_names_nobody_it_is_the_client() {
    let server = serve(once(&gate())).await;
    let mut check = open(PROXY, server).await.unwrap();
    check.send(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await.unwrap();
    assert_eq!(check.get("/", "").await.unwrap().body, check.address().to_string());
    let mut unknown = open(PROXY, server).await.unwrap();
    unknown.send(b"PROXY UNKNOWN\r\n").await.unwrap();
    assert_eq!(unknown.get("/", "").await.unwrap().status, 429, "the same client");
}

#[tokio::test]
async fn a_stranger_is_not_believed() {
    let gate = gate();
    let server = serve(once(&gate)).await;
    let Some(mut liar) = open(STRANGER, server).await else { return };
    liar.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n").await.unwrap();
    // For an HTTP server this is a request that is none.
    let answer = String::from_utf8(liar.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(gate.stats().admitted() + gate.stats().denied(), 0, "nobody has asked");

    let mut honest = open(STRANGER, server).await.unwrap();
    assert_eq!(honest.get("/", "").await.unwrap().body, honest.address().to_string());
    let mut named = open(PROXY, server).await.unwrap();
    named.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n").await.unwrap();
    assert_eq!(named.get("/", "").await.unwrap().status, 200, "the liar has taken nothing from it");
}

#[tokio::test]
async fn a_proxy_that_sends_no_header_is_refused() {
    let gate = gate();
    let server = serve(once(&gate)).await;
    for request in [
        &b"GET / HTTP/1.1\r\nhost: e2e.test\r\n\r\n"[..],
        b"PROXY TCP4 203.0.113.9\r\nGET / HTTP/1.1\r\nhost: e2e.test\r\n\r\n",
        b"PROXY TCP4 203.0.113.09 192.0.2.1 56324 443\r\nGET / HTTP/1.1\r\nhost: e2e.test\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04GET / HTTP/1.1\r\nhost: e2e.test\r\n\r\n",
    ] {
        let mut connection = open(PROXY, server).await.unwrap();
        connection.send(request).await.unwrap();
        assert_eq!(connection.rest().await, b"", "{}", request.escape_ascii());
    }
    assert_eq!(gate.stats().admitted() + gate.stats().denied(), 0, "nobody has asked");
}
