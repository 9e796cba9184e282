//! The layer, and what it is told about its surroundings.

use alloc::sync::Arc;
use core::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use http::{Extensions, HeaderMap};
use tower_layer::Layer;

use super::service::GateService;
use crate::{
    gate::Gate,
    time::{SystemClock, Timestamp},
};

/// Puts a [`Gate`] in front of a service.
///
/// See the [module](super) for the promises and for where the peer's address comes from.
#[derive(Clone)]
pub struct GateLayer {
    pub(super) gate: Gate,
    clock: Option<Arc<dyn Fn() -> Timestamp + Send + Sync>>,
    peer: Option<Arc<FindPeer>>,
}

type FindPeer = dyn Fn(&Extensions, &HeaderMap) -> Option<IpAddr> + Send + Sync;

impl GateLayer {
    /// A layer that asks this gate.
    #[must_use]
    pub fn new(gate: &Gate) -> Self {
        Self { gate: gate.clone(), clock: None, peer: None }
    }

    /// With this clock instead of [`SystemClock`]: for tests.
    #[must_use]
    pub fn clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { clock: Some(Arc::new(clock)), ..self }
    }

    /// With this way to find the peer's address, instead of all others.
    ///
    /// Headers are what the client says: believe one only if something in front of the service
    /// always sets it.
    ///
    /// # Example: a listener that is not TCP tells the address in a type of its own
    /// ```
    /// use portcullis::{Gate, GateLayer};
    /// use std::net::IpAddr;
    ///
    /// #[derive(Clone)]
    /// struct Tunnel { client: IpAddr }
    ///
    /// let gate = Gate::builder().build()?;
    /// let layer = GateLayer::new(&gate)
    ///     .peer(|extensions, _headers| extensions.get::<Tunnel>().map(|tunnel| tunnel.client));
    /// # Ok::<(), portcullis::BuildError>(())
    /// ```
    #[must_use]
    pub fn peer(
        self,
        peer: impl Fn(&Extensions, &HeaderMap) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        Self { peer: Some(Arc::new(peer)), ..self }
    }

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

impl<S> Layer<S> for GateLayer {
    type Service = GateService<S>;

    fn layer(&self, inner: S) -> GateService<S> {
        GateService::new(inner, self.clone())
    }
}

impl fmt::Debug for GateLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateLayer").field("gate", &self.gate).finish_non_exhaustive()
    }
}
