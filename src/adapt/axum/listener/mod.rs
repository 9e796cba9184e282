//! A listener that refuses connections before anything is read from them.
//!
//! The layer answers requests; a client that opens connections and asks for nothing never meets it. This is
//! for those: it asks the gate about the address of each connection, bounds how many each client holds
//! open, and gives a connection some time to say what it wants.
//!
//! | part | idea |
//! |---|---|
//! | `address` | what a listener's address type has to tell |
//! | `places` | how many connections there can be |
//! | `io` | a connection that was let in |
//! | `head` | whether a request head is complete |
//! | `stats` | what is counted |
//!
//! # Invariants
//! - **I1** of a connection that is refused no byte is read, and none is sent;
//! - **I2** who is exempt, and a proxy that is trusted, is never refused, and has no deadline;
//! - **I3** only [`Mode::Enforce`] closes anything: else it is counted, and let in;
//! - **I4** an accepted connection's address is the one that the listener inside has told;
//! - **I5** other tasks have their turn, however many connections are refused in a row.

mod address;
mod head;
mod io;
mod places;
mod stats;

use alloc::sync::Arc;
use core::{any::Any, fmt, net::IpAddr, time::Duration};
use std::io::Result;

use axum::serve::{Listener, ListenerExt, TapIo};
use tokio::{net::TcpStream, task::coop::consume_budget};

pub use self::{address::PeerAddr, io::GateIo, stats::ConnectionStats};
use self::{
    places::{Full, Place, Places},
    stats::{Closed, Counts},
};
use crate::{
    adapt::setting::Clock,
    gate::{Gate, Mode, PeerVerdict},
    time::{SystemClock, Timestamp},
};

/// A listener with a gate in front of it: it closes connections as soon as they are accepted, before any
/// encryption and before a byte is read.
///
/// By itself it closes those of banned addresses and of addresses on the deny list. The bounds are set here:
/// none of them unless it is asked for.
///
/// | | closes | unless set |
/// |---|---|---|
/// | always | who is banned or denied by its address | |
/// | [`connections_per_client`](Self::connections_per_client) | who has as many open already | no bound |
/// | [`connections`](Self::connections) | who comes when there are as many | no bound |
/// | [`first_request_within`](Self::first_request_within) | who does not ask for anything | no deadline |
/// | [`refuse_over_limit`](Self::refuse_over_limit) | who has used up a limit | they are answered with 429 |
///
/// Exempt addresses and [proxies that are trusted](crate::GateBuilder::trust) are never refused, do not
/// count as clients, and have no deadline, since a proxy may open connections ahead. With a gate
/// that observes or is off, nothing is closed, the deadline included.
///
/// This does not replace [`GateLayer`](crate::GateLayer), which knows what is asked for: use both.
///
/// # Example: a server that is not held open
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use axum::{Router, routing::get};
/// use portcullis::{Gate, GateLayer, Quota, axum::GateListener};
/// use std::{net::SocketAddr, time::Duration};
/// use tokio::net::TcpListener;
///
/// let gate = Gate::builder().limit("per client", Quota::per_second(10).burst(40)).build()?;
/// let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(GateLayer::new(&gate));
///
/// let listener = GateListener::new(TcpListener::bind("127.0.0.1:0").await?, &gate)
///     .connections_per_client(64)
///     .connections(10_000)
///     .first_request_within(Duration::from_secs(10));
/// let connections = listener.stats();
/// let service = app.into_make_service_with_connect_info::<SocketAddr>();
/// let server = axum::serve(listener.listen(), service);
/// # drop(server);
/// // server.await?;
/// assert_eq!((connections.open(), connections.refused()), (0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # TLS
/// Connections are refused before encryption where this wraps the TCP listener, inside the one that
/// encrypts. The deadline is different: it looks for a request head, so it belongs where there is plain
/// text, in a second `GateListener` around the one that encrypts. Inside of encryption it would close
/// every connection. (How long a handshake takes is for what encrypts.)
///
/// # Concurrency
/// Accepting is as safe to cancel as that of the listener inside: nothing is awaited between a connection
/// and its return. Errors of accepting are for the listener inside, as well; axum's own wait for a second
/// when there are too many open files.
///
/// # Memory
/// A few hundred bytes; with [`connections_per_client`](Self::connections_per_client) what that says.
#[must_use = "a listener does nothing until it is served"]
pub struct GateListener<L> {
    inner: L,
    gate: Gate,
    /// [`SystemClock`] if there is none.
    clock: Option<Arc<Clock>>,
    places: Places,
    first_request: Option<Duration>,
    over_limit: bool,
    counts: Arc<Counts>,
}

/// What [`GateListener::listen`] makes of a listener: what axum can serve with the peer's address.
pub type Listening<L> = TapIo<GateListener<L>, fn(&mut GateIo<<L as Listener>::Io>)>;

impl<L> GateListener<L> {
    /// A listener that asks this gate about each connection.
    pub fn new(inner: L, gate: &Gate) -> Self {
        Self {
            inner,
            gate: gate.clone(),
            clock: None,
            places: Places::default(),
            first_request: None,
            over_limit: false,
            counts: Arc::default(),
        }
    }

    /// With no more than so many open connections of each client: the gate's
    /// [group](crate::GateBuilder::client_group), by default an IPv4 address and a /64 of IPv6.
    ///
    /// Browsers open six to a host, and many people may share one address: 64 is a start.
    ///
    /// # Memory
    /// 32 to 75 bytes for each of as many clients as there can be [`connections`](Self::connections), but for
    /// no more than 65,536, and for as many without that bound. Clients beyond these are not counted, as long
    /// as all those places are taken.
    pub fn connections_per_client(self, most: u32) -> Self {
        Self { places: self.places.per_client(most), ..self }
    }

    /// With no more than so many open connections in all.
    ///
    /// Have it well below the number of files that the process can open. Exempt addresses and trusted
    /// proxies take a place if there is one, and are let in if there is none.
    pub fn connections(self, most: u32) -> Self {
        Self { places: self.places.in_all(most), ..self }
    }

    /// With a deadline for the first request head, from when the connection is accepted: HTTP/1's up to its
    /// empty line, HTTP/2's up to the end of its headers.
    ///
    /// From then on reading and writing fail with [`TimedOut`](std::io::ErrorKind::TimedOut), and the server closes the
    /// connection. This is what frees the places of clients who send a byte now and then, against whom
    /// `axum::serve` does nothing in axum 0.8. Once a request has come the connection may stay open for
    /// others: how many a client holds that way is what
    /// [`connections_per_client`](Self::connections_per_client) bounds. Bodies take as long as the service
    /// lets them.
    ///
    /// # Cost
    /// One of tokio's timers for each connection, in an allocation that is freed with the first request, and
    /// one step of a state machine for each byte of the head.
    ///
    /// # Panics
    /// Accepting panics outside of a tokio runtime whose timers are enabled, as they are in `#[tokio::main]`.
    pub fn first_request_within(self, time: Duration) -> Self {
        Self { first_request: Some(time), ..self }
    }

    /// Also closes connections of clients that have used up a limit, as
    /// [`Gate::check_peer_with_limits`] finds: nothing is taken for that.
    ///
    /// A client learns less from it than from a 429, which says when to come back; what it costs to answer is
    /// saved. For floods.
    pub fn refuse_over_limit(self) -> Self {
        Self { over_limit: true, ..self }
    }

    /// With this clock instead of [`SystemClock`]: the one that the gate's layers have.
    pub fn clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { clock: Some(Arc::new(clock)), ..self }
    }

    /// What it counts: to be asked for before the listener is given to a server.
    #[must_use]
    pub fn stats(&self) -> ConnectionStats {
        ConnectionStats::of(&self.counts)
    }

    /// A place for a connection from there, and the time for its first request; `None` if it is to be closed.
    fn admit(&self, peer: Option<IpAddr>) -> Option<(Place, Option<Duration>)> {
        let in_time = |place| (place, self.first_request);
        let Some(peer) = peer else { return self.place(self.places.take_in_all()).map(in_time) };
        let now = self.clock.as_ref().map_or_else(SystemClock::now, |clock| clock());
        match self.gate.judge_peer(peer, self.over_limit, now) {
            PeerVerdict::Spared => Some((self.places.take_if_free(), None)),
            PeerVerdict::Passes(client) => self.place(self.places.take(&client)).map(in_time),
            PeerVerdict::InShadow => {
                self.counts.closes_for(Closed::Denied, false);
                Some(in_time(self.places.take_if_free()))
            }
            PeerVerdict::Refused(_) => {
                self.counts.closes_for(Closed::Denied, true);
                None
            }
        }
    }

    /// The place, or what becomes of a connection that has none.
    fn place(&self, taken: core::result::Result<Place, Full>) -> Option<Place> {
        let reason = match taken {
            Ok(place) => return Some(place),
            Err(Full::InAll) => Closed::BeyondAll,
            Err(Full::ForClient) => Closed::BeyondClient,
        };
        let really = self.gate.mode() == Mode::Enforce;
        self.counts.closes_for(reason, really);
        (!really).then(|| self.places.take_if_free())
    }
}

impl<L: Listener> GateListener<L>
where
    L::Addr: PeerAddr,
{
    /// The listener, as it is to be served.
    ///
    /// It can be served as it is, too, but then
    /// [`into_make_service_with_connect_info`](axum::Router::into_make_service_with_connect_info) does not
    /// know its address: axum only knows addresses of its own listeners. What this returns is one of those,
    /// [`TapIo`], around this one.
    pub fn listen(self) -> Listening<L> {
        self.tap_io(untouched)
    }
}

fn untouched<I>(_: &mut I) {}

impl<L: Listener> Listener for GateListener<L>
where
    L::Addr: PeerAddr,
{
    type Io = GateIo<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, L::Addr) {
        loop {
            let (io, address) = self.inner.accept().await;
            if let Some((place, within)) = self.admit(address.peer_ip()) {
                let io = GateIo::new(io, place, &self.counts, &self.gate, within);
                return (io, address);
            }
            close(io);
            // tokio's own listeners give way by themselves; others may not (I5).
            consume_budget().await;
        }
    }

    fn local_addr(&self) -> Result<L::Addr> {
        self.inner.local_addr()
    }
}

/// Closes a connection at once, without leaving anything of it in the kernel where that can be had: a socket
/// that is closed in the usual way first waits for its peer to close, and then for a minute.
fn close<I: 'static>(io: I) {
    let tcp = (&io as &dyn Any).downcast_ref::<TcpStream>();
    if let Some(tcp) = tcp {
        #[allow(
            deprecated,
            reason = "with a time of zero nothing blocks, and there was no other name for it"
        )]
        // Else it is closed in the usual way.
        let _ = tcp.set_linger(Some(Duration::ZERO));
    }
    drop(io);
}

impl<L: fmt::Debug> fmt::Debug for GateListener<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateListener")
            .field("inner", &self.inner)
            .field("gate", &self.gate)
            .field("places", &self.places)
            .field("first_request", &self.first_request)
            .field("over_limit", &self.over_limit)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
