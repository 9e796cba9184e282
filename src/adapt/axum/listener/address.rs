//! Addresses of connections' other ends.

use core::net::{IpAddr, SocketAddr};

/// The address of a connection's other end, as listeners tell it: what a
/// [`GateListener`](super::GateListener) asks the gate about.
///
/// Write it for the address type of a listener of your own. Where there is no IP address, as with Unix
/// sockets, the connection takes a place [in all](super::GateListener::connections), and nothing else is
/// asked: whoever connects there is on this machine, and the clients behind it are known when their
/// requests are.
///
/// # Example: a tunnel that tells whom it speaks for
/// ```
/// use portcullis::axum::PeerAddr;
/// use std::net::IpAddr;
///
/// #[derive(Clone, Debug)]
/// struct Tunnel { client: IpAddr, id: u64 }
///
/// impl PeerAddr for Tunnel {
///     fn peer_ip(&self) -> Option<IpAddr> {
///         Some(self.client)
///     }
/// }
/// # assert_eq!(Tunnel { client: [192, 0, 2, 1].into(), id: 7 }.peer_ip(), Some([192, 0, 2, 1].into()));
/// ```
pub trait PeerAddr {
    /// The IP address, if there is one.
    fn peer_ip(&self) -> Option<IpAddr>;
}

impl PeerAddr for SocketAddr {
    fn peer_ip(&self) -> Option<IpAddr> {
        Some(self.ip())
    }
}

impl PeerAddr for IpAddr {
    fn peer_ip(&self) -> Option<IpAddr> {
        Some(*self)
    }
}

#[cfg(unix)]
impl PeerAddr for tokio::net::unix::SocketAddr {
    fn peer_ip(&self) -> Option<IpAddr> {
        None
    }
}
