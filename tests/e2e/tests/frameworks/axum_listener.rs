//! The listener under `axum::serve`: who is closed before a byte is read, and who is not held up by it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::ConnectInfo, routing::get};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::{
    Gate, GateLayer, Quota,
    axum::{ConnectionStats, GateListener, Listening},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::client;

/// Addresses of this machine, which Linux has all of.
const ONE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: e2e.test\r\n\r\n";
/// Longer than anything takes that ends at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether there are several addresses to connect from.
fn has_addresses() -> bool {
    if !cfg!(target_os = "linux") {
        eprintln!("NOT TESTED: no 127.0.0.0/8 to connect from");
    }
    cfg!(target_os = "linux")
}

async fn bind(gate: &Gate) -> (GateListener<TcpListener>, SocketAddr) {
    let listener = TcpListener::bind((ONE, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (GateListener::new(listener, gate), address)
}

/// Tells the peer's address, if it comes past the gate.
fn app(gate: &Gate) -> Router {
    let handler = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() };
    Router::new().route("/", get(handler)).layer(GateLayer::new(gate))
}

fn serve(listener: Listening<TcpListener>, app: Router) {
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, service).await.unwrap() });
}

async fn connect(source: Ipv4Addr, server: SocketAddr) -> TcpStream {
    try_to_connect(source, server).await.unwrap()
}

/// `None` if it is reset already.
async fn try_to_connect(source: Ipv4Addr, server: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    match socket.connect(server).await {
        Ok(stream) => Some(stream),
        Err(error) if is_closed(&error) => None,
        Err(error) => panic!("{error}"),
    }
}

/// What comes on a connection that asks at once, until the other end closes it.
async fn ask_until_closed(source: Ipv4Addr, server: SocketAddr) -> Vec<u8> {
    let Some(mut stream) = try_to_connect(source, server).await else { return Vec::new() };
    // It may be closed already.
    let _ = stream.write_all(REQUEST).await;
    read_to_close(&mut stream).await
}

/// What comes until the other end closes, in whichever way.
async fn read_to_close(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("it is closed");
    assert!(end.is_ok() || matches!(&end, Err(error) if is_closed(error)), "{end:?}");
    read
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// The first bytes of the next response on a connection that stays open.
async fn next_response(stream: &mut TcpStream) -> String {
    stream.write_all(REQUEST).await.unwrap();
    let mut read = vec![0; 4_096];
    let mut known = 0;
    loop {
        let more = timeout(PATIENCE, stream.read(&mut read[known..])).await.unwrap().unwrap();
        assert!(more > 0, "closed");
        known += more;
        let text = String::from_utf8_lossy(&read[..known]);
        if text.contains("127.0.0.") {
            return text.into_owned();
        }
    }
}

async fn until(mut holds: impl FnMut() -> bool, what: &str) {
    let wait = async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

async fn status(source: Ipv4Addr, server: SocketAddr) -> io::Result<u16> {
    client::get_from(source.into(), server).await.map(|response| response.status)
}

#[tokio::test]
async fn who_is_banned_or_denied_is_closed_with_nothing_sent() {
    if !has_addresses() {
        return;
    }
    let gate = Gate::builder().deny("127.0.0.3".parse().unwrap()).build().unwrap();
    let now = portcullis::SystemClock::now();
    gate.bans().add("127.0.0.2/32".parse().unwrap(), PATIENCE, "by hand", now);
    let (listener, server) = bind(&gate).await;
    let stats = listener.stats();
    serve(listener.listen(), app(&gate));
    for source in [OTHER, Ipv4Addr::new(127, 0, 0, 3)] {
        assert_eq!(ask_until_closed(source, server).await, b"", "{source}");
    }
    let served = client::get_from(ONE.into(), server).await.unwrap();
    assert_eq!((served.status, served.body.as_str()), (200, "127.0.0.1"));
    assert_eq!((stats.denied(), stats.refused(), stats.accepted()), (2, 2, 1));
    assert_eq!(gate.stats().admitted(), 1);
    assert!(gate.bans().remove("127.0.0.2/32".parse().unwrap(), now));
    assert_eq!(status(OTHER, server).await.unwrap(), 200);
}

#[tokio::test]
async fn who_has_used_up_a_limit_is_closed_or_answered_as_is_wanted() {
    if !has_addresses() {
        return;
    }
    for closes in [false, true] {
        let gate = Gate::builder().limit("per client", Quota::per_hour(1)).build().unwrap();
        let (mut listener, server) = bind(&gate).await;
        if closes {
            listener = listener.refuse_over_limit();
        }
        let stats = listener.stats();
        serve(listener.listen(), app(&gate));
        assert_eq!(status(ONE, server).await.unwrap(), 200);
        let second = status(ONE, server).await;
        if closes {
            second.expect_err("closed");
        } else {
            assert_eq!(second.unwrap(), 429);
        }
        assert_eq!(status(OTHER, server).await.unwrap(), 200, "others");
        assert_eq!(stats.denied(), u64::from(closes));
    }
}

#[tokio::test]
async fn the_65th_connection_of_a_client_is_refused_until_one_is_closed() {
    if !has_addresses() {
        return;
    }
    let gate = Gate::builder().build().unwrap();
    let (listener, server) = bind(&gate).await;
    let listener = listener.connections_per_client(64);
    let stats = listener.stats();
    serve(listener.listen(), app(&gate));
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(connect(ONE, server).await);
    }
    until(|| stats.open() == 64, "64 connections").await;
    assert_eq!(ask_until_closed(ONE, server).await, b"");
    assert_eq!(stats.beyond_client(), 1);
    assert_eq!(status(OTHER, server).await.unwrap(), 200, "others");
    // Those that are open work.
    assert!(next_response(&mut streams[63]).await.starts_with("HTTP/1.1 200"));
    drop(streams.pop());
    until(|| stats.open() == 63, "a place").await;
    assert_eq!(status(ONE, server).await.unwrap(), 200);
}

#[tokio::test]
async fn there_are_no_more_connections_than_there_can_be() {
    let gate = Gate::builder().build().unwrap();
    let (listener, server) = bind(&gate).await;
    let listener = listener.connections(2);
    let stats = listener.stats();
    serve(listener.listen(), app(&gate));
    let streams = [connect(ONE, server).await, connect(ONE, server).await];
    until(|| stats.open() == 2, "two connections").await;
    assert_eq!(ask_until_closed(ONE, server).await, b"");
    assert_eq!(stats.beyond_all(), 1);
    drop(streams);
    until(|| stats.open() == 0, "places").await;
    assert_eq!(status(ONE, server).await.unwrap(), 200);
}

/// Sends a byte now and then, and says whether it was closed.
async fn dribble(mut stream: TcpStream, bytes: &[u8]) {
    let mut read = [0; 256];
    for byte in bytes.iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        let read = timeout(Duration::from_millis(20), stream.read(&mut read)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            return;
        }
    }
}

/// 300 connections that never finish a head hold no more places than they may, and none of them for long;
/// who comes from elsewhere is served all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowloris_is_let_go_and_others_do_not_notice() {
    if !has_addresses() {
        return;
    }
    const CONNECTIONS: u64 = 300;
    const PLACES: u32 = 20;
    let gate = Gate::builder().build().unwrap();
    let (listener, server) = bind(&gate).await;
    let listener =
        listener.connections_per_client(PLACES).first_request_within(Duration::from_millis(1_500));
    let stats = listener.stats();
    serve(listener.listen(), app(&gate));
    let most = watch(&stats);

    let mut slow = JoinSet::new();
    for _ in 0..CONNECTIONS {
        slow.spawn(async move {
            if let Some(stream) = try_to_connect(OTHER, server).await {
                dribble(stream, b"GET / HTTP/1.1\r\nx: ").await;
            }
        });
    }
    let mut served = 0;
    let all_closed = async { while slow.join_next().await.is_some() {} };
    let mut all_closed = std::pin::pin!(timeout(PATIENCE, all_closed));
    loop {
        tokio::select! {
            biased;
            end = &mut all_closed => break end.expect("all of them are closed"),
            status = status(ONE, server) => assert_eq!(status.unwrap(), 200),
        }
        served += 1;
    }
    assert!(served > 0, "nobody else was served");
    assert_eq!(stats.timed_out() + stats.beyond_client(), CONNECTIONS, "{stats:?}");
    assert!(stats.timed_out() > 0 && stats.beyond_client() > 0, "{stats:?}");
    // And that of the client who asks, with a few before it that are not quite closed.
    let most = most.load(Ordering::Relaxed);
    assert!(most <= u64::from(PLACES) + 10, "{most} connections at a time");
    until(|| stats.open() == 0, "all places").await;
    assert_eq!(status(OTHER, server).await.unwrap(), 200, "who behaves is served again");
}

/// The most connections that are ever seen open.
fn watch(stats: &ConnectionStats) -> Arc<AtomicU64> {
    let most = Arc::new(AtomicU64::new(0));
    let (stats, seen) = (stats.clone(), Arc::clone(&most));
    tokio::spawn(async move {
        loop {
            seen.fetch_max(stats.open(), Ordering::Relaxed);
            sleep(Duration::from_millis(1)).await;
        }
    });
    most
}

/// A connection of HTTP/2 that has much to say, and never a request.
#[tokio::test]
async fn slow_http2_is_let_go() {
    const PING: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0pingpong";
    let gate = Gate::builder().build().unwrap();
    let (listener, server) = bind(&gate).await;
    let listener = listener.first_request_within(Duration::from_millis(300));
    let stats = listener.stats();
    serve(listener.listen(), app(&gate));
    let mut pings = connect(ONE, server).await;
    pings.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let preface = connect(ONE, server).await;
    let silent = connect(ONE, server).await;
    let all = async {
        tokio::join!(
            dribble(pings, PING),
            dribble(preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
            dribble(silent, b"\r\n"),
        )
    };
    timeout(PATIENCE, all).await.expect("they are closed");
    assert_eq!((stats.timed_out(), stats.accepted()), (3, 3));
    until(|| stats.open() == 0, "places").await;
}

/// Once a request has come, a connection may stay: in HTTP/1 and HTTP/2.
#[tokio::test]
async fn connections_that_have_asked_for_something_stay_open() {
    const DEADLINE: Duration = Duration::from_secs(4);
    let gate = Gate::builder().build().unwrap();
    let (listener, server) = bind(&gate).await;
    let listener = listener.first_request_within(DEADLINE).connections_per_client(2);
    let stats = listener.stats();
    serve(listener.listen(), app(&gate));

    let mut http1 = connect(ONE, server).await;
    assert!(next_response(&mut http1).await.starts_with("HTTP/1.1 200"));
    let io = TokioIo::new(connect(ONE, server).await);
    let http2 = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
    let (mut http2, connection) = http2.unwrap();
    tokio::spawn(connection);
    let mut ask = async || {
        let request = http::Request::builder().uri(format!("http://{server}/"));
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = http2.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        (status, response.into_body().collect().await.unwrap().to_bytes())
    };
    assert_eq!(ask().await, (200, Bytes::from_static(b"127.0.0.1")));
    sleep(DEADLINE + DEADLINE / 4).await;
    assert!(next_response(&mut http1).await.starts_with("HTTP/1.1 200"));
    assert_eq!(ask().await, (200, Bytes::from_static(b"127.0.0.1")));
    assert_eq!((stats.timed_out(), stats.open(), stats.accepted()), (0, 2, 2));
}

/// Without the peer's address the listener still knows it; also as it is, without `listen`.
#[tokio::test]
async fn a_listener_is_served_in_each_way_that_axum_has() {
    let gate = Gate::builder().build().unwrap();
    let hello = || Router::new().route("/", get(|| async { "hello" })).layer(GateLayer::new(&gate));
    let (listener, first) = bind(&gate).await;
    let service = hello();
    tokio::spawn(async { axum::serve(listener.listen(), service).await.unwrap() });
    let (listener, second) = bind(&gate).await;
    let service = hello();
    tokio::spawn(async { axum::serve(listener, service).await.unwrap() });
    for server in [first, second] {
        assert_eq!(status(ONE, server).await.unwrap(), 200);
    }
    assert_eq!(gate.stats().missing_peer(), 2);
    gate.bans().add(
        "127.0.0.1/32".parse().unwrap(),
        PATIENCE,
        "by hand",
        portcullis::SystemClock::now(),
    );
    for server in [first, second] {
        assert_eq!(ask_until_closed(ONE, server).await, b"");
    }
}

#[tokio::test]
async fn a_shutdown_waits_for_those_that_are_served() {
    let gate = Gate::builder().build().unwrap();
    let (listener, server) = bind(&gate).await;
    let stats = listener.stats();
    let listener = listener.first_request_within(PATIENCE).connections_per_client(2).listen();
    let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
    let (go_on, may_go_on) = tokio::sync::watch::channel(());
    let handler = move || {
        let (begun, mut may_go_on) = (begun.clone(), may_go_on.clone());
        async move {
            begun.send(()).await.unwrap();
            may_go_on.changed().await.unwrap();
            "done"
        }
    };
    let app = Router::new().route("/", get(handler)).layer(GateLayer::new(&gate));
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let signal = async { stopped.await.unwrap() };
    let serving = axum::serve(listener, service).with_graceful_shutdown(signal);
    let serving = tokio::spawn(async { serving.await.unwrap() });

    // One that is waited for, and one that has not asked for anything.
    let asking = tokio::spawn(client::get(server));
    has_begun.recv().await.unwrap();
    let mut idle = connect(ONE, server).await;
    until(|| stats.open() == 2, "two connections").await;
    stop.send(()).unwrap();
    assert_eq!(read_to_close(&mut idle).await, b"");
    go_on.send(()).unwrap();
    let response = timeout(PATIENCE, asking).await.unwrap().unwrap().unwrap();
    assert_eq!((response.status, response.body.as_str()), (200, "done"));
    timeout(PATIENCE, serving).await.expect("the server ends").unwrap();
    assert_eq!(stats.open(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_can_be_served() {
    let path = std::env::temp_dir().join(format!("portcullis-e2e-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let gate = Gate::builder().deny("0.0.0.0/0\n::/0".parse().unwrap()).build().unwrap();
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let listener = GateListener::new(listener, &gate).connections(1).connections_per_client(1);
    let app = Router::new().route("/", get(|| async { "hello" }));
    tokio::spawn(async { axum::serve(listener.listen(), app).await.unwrap() });
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("hello"), "{text}");
}
