//! The layer, as a user makes it.

use alloc::sync::Arc;
use core::net::IpAddr;

use http::{Extensions, HeaderMap};
use tower_layer::Layer;

use super::{service::GateService, setting::Setting};
use crate::{gate::Gate, time::Timestamp};

/// Puts a [`Gate`] in front of a service.
///
/// See the [module](super) for the promises and for where the peer's address comes from.
#[derive(Clone, Debug)]
pub struct GateLayer(Arc<Setting>);

impl GateLayer {
    /// A layer that asks this gate.
    #[must_use]
    pub fn new(gate: &Gate) -> Self {
        Self(Arc::new(Setting { gate: gate.clone(), clock: None, peer: None }))
    }

    /// With this clock instead of [`SystemClock`](crate::SystemClock): for tests.
    #[must_use]
    pub fn clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(Setting { clock: Some(Arc::new(clock)), ..Setting::clone(&self.0) }))
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
        Self(Arc::new(Setting { peer: Some(Arc::new(peer)), ..Setting::clone(&self.0) }))
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = GateService<S>;

    fn layer(&self, inner: S) -> GateService<S> {
        GateService::new(inner, Arc::clone(&self.0))
    }
}
