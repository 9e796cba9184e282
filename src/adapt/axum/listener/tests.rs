use core::{
    future::{pending, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};
use std::{
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice},
    string::String,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    vec::Vec,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    time::advance,
};

use super::{GateIo, GateListener, PeerAddr};
use crate::{
    gate::{Gate, GateBuilder, Mode},
    quota::Quota,
    request::{ClientIp, ForwardedBy, Request, Trust},
    time::Timestamp,
};

const SECOND: Duration = Duration::from_secs(1);
const HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";

/// Connections that wait to be accepted.
struct Queue<A>(VecDeque<(DuplexStream, A)>);

impl<A: Clone + Send + 'static> Listener for Queue<A> {
    type Io = DuplexStream;
    type Addr = A;

    async fn accept(&mut self) -> (DuplexStream, A) {
        match self.0.pop_front() {
            Some(connection) => connection,
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<A> {
        Err(ErrorKind::Unsupported.into())
    }
}

/// Connections from there, and their other ends.
fn queue<A>(peers: impl IntoIterator<Item = A>) -> (Queue<A>, Vec<DuplexStream>) {
    let both = peers.into_iter().map(|peer| {
        let (client, server) = duplex(1 << 10);
        (client, (server, peer))
    });
    let (clients, servers): (Vec<_>, VecDeque<_>) = both.unzip();
    (Queue(servers), clients)
}

fn from(peer: &str) -> SocketAddr {
    SocketAddr::new(peer.parse().unwrap(), 4_711)
}

/// All that is let in of these, without waiting.
async fn let_in<L: Listener<Io: Send>>(
    listener: &mut GateListener<L>,
) -> Vec<(GateIo<L::Io>, L::Addr)>
where
    L::Addr: PeerAddr,
{
    let mut accepted = Vec::new();
    loop {
        let mut next = pin!(listener.accept());
        match poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await {
            Poll::Ready(connection) => accepted.push(connection),
            Poll::Pending => return accepted,
        }
    }
}

fn addresses<I>(accepted: &[(I, SocketAddr)]) -> Vec<String> {
    accepted.iter().map(|(_, address)| std::format!("{}", address.ip())).collect()
}

fn open() -> Gate {
    Gate::builder().build().unwrap()
}

fn with_lists() -> GateBuilder {
    Gate::builder()
        .deny("192.0.2.0/24\n10.0.0.0/8".parse().unwrap())
        .exempt("192.0.2.9".parse().unwrap())
        .trust(ClientIp::new(Trust::nets(["10.0.0.0/8"]).unwrap(), ForwardedBy::XForwardedFor))
}

/// I1: the other end sees the end, and nothing before.
#[tokio::test]
async fn who_is_denied_is_closed_and_the_next_is_let_in() {
    let gate = with_lists().build().unwrap();
    let peers = ["192.0.2.1", "::ffff:192.0.2.2", "192.0.2.9", "10.0.0.1", "203.0.113.1"];
    let (queue, mut clients) = queue(peers.map(from));
    let mut listener = GateListener::new(queue, &gate);
    let stats = listener.stats();
    clients[0].write_all(HEAD).await.unwrap();
    let accepted = let_in(&mut listener).await;
    assert_eq!(addresses(&accepted), ["192.0.2.9", "10.0.0.1", "203.0.113.1"]);
    for client in &mut clients[..2] {
        let mut read = Vec::new();
        assert_eq!(client.read_to_end(&mut read).await.unwrap(), 0);
    }
    assert_eq!((stats.accepted(), stats.open(), stats.denied(), stats.refused()), (3, 3, 2, 2));
    drop(accepted);
    assert_eq!((stats.accepted(), stats.open()), (3, 0));
    assert_eq!(gate.stats().rule("deny list").unwrap().denied(), 2);
    assert_eq!(gate.stats().admitted(), 0, "connections are no requests");
}

#[tokio::test]
async fn each_client_has_so_many_places_and_gets_them_back() {
    let gate = Gate::builder().build().unwrap();
    let peers = [
        "192.0.2.1",
        "192.0.2.1",
        "::ffff:192.0.2.1",
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8::3",
        "192.0.2.2",
    ];
    let (queue, _clients) = queue(peers.map(from));
    let mut listener = GateListener::new(queue, &gate).connections_per_client(2).connections(100);
    let stats = listener.stats();
    let mut accepted = let_in(&mut listener).await;
    let expected = ["192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2", "192.0.2.2"];
    assert_eq!(addresses(&accepted), expected);
    assert_eq!((stats.beyond_client(), stats.refused(), stats.open()), (2, 2, 5));

    accepted.remove(1);
    let (more, _clients) = self::queue(["192.0.2.1", "192.0.2.1"].map(from));
    listener.inner = more;
    assert_eq!(let_in(&mut listener).await.len(), 1, "one was closed");
}

/// I2.
#[tokio::test]
async fn who_is_spared_is_let_in_when_everything_is_full() {
    let gate = with_lists().build().unwrap();
    let peers = ["192.0.2.9", "203.0.113.1", "203.0.113.2", "10.0.0.1", "192.0.2.9", "10.0.0.1"];
    let (queue, _clients) = queue(peers.map(from));
    let mut listener = GateListener::new(queue, &gate).connections(2).connections_per_client(1);
    let accepted = let_in(&mut listener).await;
    let expected = ["192.0.2.9", "203.0.113.1", "10.0.0.1", "192.0.2.9", "10.0.0.1"];
    assert_eq!(addresses(&accepted), expected);
    assert_eq!(listener.stats().beyond_all(), 1);
}

/// I3.
#[tokio::test(start_paused = true)]
async fn only_a_gate_that_is_enforced_closes_anything() {
    for (mode, would_close) in [(Mode::Observe, 5), (Mode::Off, 0)] {
        let gate = Gate::builder().deny("192.0.2.1".parse().unwrap()).mode(mode).build().unwrap();
        let peers = ["192.0.2.1", "203.0.113.1", "203.0.113.1"];
        let (queue, mut clients) = queue(peers.map(from));
        let listener = GateListener::new(queue, &gate).connections_per_client(1);
        let mut listener = listener.first_request_within(SECOND);
        let stats = listener.stats();
        let mut accepted = let_in(&mut listener).await;
        assert_eq!((accepted.len(), stats.refused()), (3, 0), "{mode:?}");
        advance(2 * SECOND).await;
        for ((io, _), client) in accepted.iter_mut().zip(&mut clients) {
            client.write_all(b"x").await.unwrap();
            assert_eq!(io.read_u8().await.unwrap(), b'x', "{mode:?}");
        }
        assert_eq!((stats.timed_out(), stats.would_close()), (0, would_close), "{mode:?}");
    }
}

/// Who has no address takes a place in all, and is asked for nothing else.
#[tokio::test]
async fn unix_sockets_have_places_and_no_clients() {
    #[derive(Clone, Debug)]
    struct Nobody;
    impl PeerAddr for Nobody {
        fn peer_ip(&self) -> Option<IpAddr> {
            None
        }
    }
    let gate = Gate::builder().deny("0.0.0.0/0\n::/0".parse().unwrap()).build().unwrap();
    let (queue, _clients) = queue([Nobody, Nobody, Nobody]);
    let mut listener = GateListener::new(queue, &gate).connections_per_client(1).connections(2);
    let accepted = let_in(&mut listener).await;
    assert_eq!((accepted.len(), listener.stats().beyond_all()), (2, 1));
}

/// Nothing is taken for asking, and the layer's clock counts.
#[tokio::test]
async fn who_has_used_up_a_limit_is_closed_if_that_is_wanted() {
    let gate = Gate::builder().limit("per client", Quota::per_minute(1)).build().unwrap();
    let time = Arc::new(AtomicU64::new(1_000));
    let now = {
        let time = Arc::clone(&time);
        move || Timestamp::from_secs(time.load(Ordering::Relaxed))
    };
    let serve = async |over_limit: bool| {
        let (queue, _clients) = queue(["192.0.2.1"; 3].map(from));
        let mut listener = GateListener::new(queue, &gate).clock(now.clone());
        if over_limit {
            listener = listener.refuse_over_limit();
        }
        let_in(&mut listener).await.len()
    };
    assert_eq!((serve(true).await, serve(false).await), (3, 3));
    let peer: IpAddr = "192.0.2.1".parse().unwrap();
    assert!(gate.check(&Request::new(peer), now()).is_admitted());
    assert_eq!((serve(true).await, serve(false).await), (0, 3));
    time.fetch_add(60, Ordering::Relaxed);
    assert_eq!(serve(true).await, 3);
}

/// I5: a flood of connections that are refused is not waited out.
#[tokio::test]
async fn other_tasks_have_their_turn_in_a_flood() {
    /// A listener that never makes anybody wait, and gives up on a loop that never gives way.
    struct Flood(u32);
    impl Listener for Flood {
        type Io = DuplexStream;
        type Addr = SocketAddr;

        async fn accept(&mut self) -> (DuplexStream, SocketAddr) {
            self.0 += 1;
            assert!(self.0 < 100_000, "nobody else had a turn");
            (duplex(1).0, from("192.0.2.1"))
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            Err(ErrorKind::Unsupported.into())
        }
    }
    let gate = Gate::builder().deny("192.0.2.0/24".parse().unwrap()).build().unwrap();
    let mut listener = GateListener::new(Flood(0), &gate);
    let stats = listener.stats();
    let accepting = tokio::spawn(async move { drop(listener.accept().await) });
    while stats.denied() < 1_000 {
        tokio::task::yield_now().await;
    }
    accepting.abort();
    assert!(accepting.await.unwrap_err().is_cancelled());
}

/// One connection, with a second for its first request.
async fn accepted(gate: &Gate) -> (GateIo<DuplexStream>, DuplexStream, super::ConnectionStats) {
    let (queue, mut clients) = queue([from("192.0.2.1")]);
    let mut listener = GateListener::new(queue, gate).first_request_within(SECOND);
    let stats = listener.stats();
    let (io, _) = listener.accept().await;
    (io, clients.pop().unwrap(), stats)
}

#[tokio::test(start_paused = true)]
async fn who_sends_a_byte_now_and_then_misses_the_deadline() {
    let (mut io, mut client, stats) = accepted(&open()).await;
    for byte in &HEAD[..9] {
        client.write_all(&[*byte]).await.unwrap();
        assert_eq!(io.read_u8().await.unwrap(), *byte);
        advance(SECOND / 10).await;
    }
    client.write_all(b"TP").await.unwrap();
    assert_eq!(io.read_u8().await.unwrap(), b'T');
    advance(SECOND / 10).await;
    // Also what is there already comes too late, and it stays so.
    for _ in 0..3 {
        assert_eq!(io.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
    }
    assert_eq!(stats.timed_out(), 1);
}

/// Nobody has to send anything for it.
#[tokio::test(start_paused = true)]
async fn who_sends_nothing_is_woken_by_the_deadline() {
    let (mut io, _client, stats) = accepted(&open()).await;
    assert_eq!(io.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!((stats.timed_out(), stats.open()), (1, 1));
    drop(io);
    assert_eq!(stats.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_complete_head_there_is_no_deadline() {
    let preface =
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\x01\x82";
    for head in [HEAD, preface] {
        let (mut io, mut client, stats) = accepted(&open()).await;
        client.write_all(head).await.unwrap();
        let mut read = std::vec![0; head.len()];
        io.read_exact(&mut read).await.unwrap();
        assert_eq!(read, head);
        advance(60 * SECOND).await;
        client.write_all(b"later").await.unwrap();
        client.shutdown().await.unwrap();
        let mut later = String::new();
        io.read_to_string(&mut later).await.unwrap();
        assert_eq!((later.as_str(), stats.timed_out()), ("later", 0));
    }
}

/// A client that is never silent, and never asks for anything.
struct Chatter {
    vectored: Arc<AtomicU64>,
}

impl AsyncRead for Chatter {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(b"\r\n");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Chatter {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.vectored.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

fn chatter() -> (GateIo<Chatter>, Arc<AtomicU64>) {
    let vectored = Arc::new(AtomicU64::new(0));
    let io = Chatter { vectored: Arc::clone(&vectored) };
    let place = super::Place::default();
    (GateIo::new(io, place, &Arc::default(), &open(), Some(SECOND)), vectored)
}

#[tokio::test(start_paused = true)]
async fn who_is_never_silent_misses_the_deadline_too() {
    let (mut io, _) = chatter();
    for _ in 0..1_000 {
        assert_eq!(io.read_u16().await.unwrap(), 0x0d0a);
    }
    advance(SECOND).await;
    assert_eq!(io.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
}

/// A client that takes nothing keeps its server from reading, so nobody asks the time there.
#[tokio::test(start_paused = true)]
async fn who_takes_nothing_misses_the_deadline_too() {
    let (mut io, _) = chatter();
    assert_eq!(io.read_u16().await.unwrap(), 0x0d0a);
    io.write_all(b"in time").await.unwrap();
    advance(SECOND + SECOND).await;
    assert_eq!(io.write_all(b"late").await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(io.flush().await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(io.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
}

/// I2.
#[tokio::test(start_paused = true)]
async fn who_is_spared_may_open_connections_ahead() {
    let gate = with_lists().build().unwrap();
    let (queue, _clients) = queue(["192.0.2.9", "10.0.0.1", "203.0.113.1"].map(from));
    let mut listener = GateListener::new(queue, &gate).first_request_within(SECOND);
    let mut accepted = let_in(&mut listener).await;
    advance(SECOND + SECOND).await;
    let mut missed = Vec::new();
    for (io, _) in &mut accepted {
        missed.push(io.write_all(b"x").await.is_err());
    }
    assert_eq!(missed, [false, false, true]);
}

/// I2 of `io`: what writes in pieces still can.
#[tokio::test]
async fn writes_pass_as_they_are() {
    let (mut io, vectored) = chatter();
    assert!(io.is_write_vectored());
    let pieces = [IoSlice::new(b"ab"), IoSlice::new(b"cde")];
    assert_eq!(io.write_vectored(&pieces).await.unwrap(), 5);
    assert_eq!(vectored.load(Ordering::Relaxed), 1);

    let (mut io, mut client, _) = accepted(&open()).await;
    io.write_all(b"hello").await.unwrap();
    io.flush().await.unwrap();
    io.shutdown().await.unwrap();
    let mut read = String::new();
    client.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "hello");
}

/// What the documentation says that a connection takes.
#[test]
fn a_connection_takes_little() {
    let more = size_of::<GateIo<u64>>() - size_of::<u64>();
    assert!(more <= 136, "{more}");
}
