//! What a layer, its services and their responses share: the gate, a clock, and where peers are found.

use alloc::sync::Arc;
use core::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use http::{Extensions, HeaderMap};

use crate::{
    gate::Gate,
    time::{SystemClock, Timestamp},
};

#[derive(Clone)]
pub(super) struct Setting {
    pub(super) gate: Gate,
    /// [`SystemClock`] if there is none.
    pub(super) clock: Option<Arc<Clock>>,
    /// What the server has recorded if there is none.
    pub(super) peer: Option<Arc<FindPeer>>,
}

pub(super) type Clock = dyn Fn() -> Timestamp + Send + Sync;
pub(super) type FindPeer = dyn Fn(&Extensions, &HeaderMap) -> Option<IpAddr> + Send + Sync;

impl Setting {
    pub(super) fn now(&self) -> Timestamp {
        match &self.clock {
            Some(clock) => clock(),
            None => SystemClock::now(),
        }
    }

    pub(super) fn find_peer(&self, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
        match &self.peer {
            Some(peer) => peer(extensions, headers),
            None => recorded_peer(extensions),
        }
    }
}

/// The address that the server has left among the extensions.
fn recorded_peer(extensions: &Extensions) -> Option<IpAddr> {
    #[cfg(feature = "axum")]
    {
        use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};

        if let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() {
            return Some(peer.ip());
        }
        if let Some(MockConnectInfo(peer)) = extensions.get::<MockConnectInfo<SocketAddr>>() {
            return Some(peer.ip());
        }
    }
    let address = extensions.get::<SocketAddr>().map(SocketAddr::ip);
    address.or_else(|| extensions.get::<IpAddr>().copied())
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("gate", &self.gate).finish_non_exhaustive()
    }
}
