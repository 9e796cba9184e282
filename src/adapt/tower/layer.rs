//! The layer, as a user makes it.

use alloc::sync::Arc;
use core::net::IpAddr;

use bytes::Bytes;
use http::{Extensions, HeaderMap, Response, request::Parts};
use tower_layer::Layer;

use super::{service::GateService, setting::LayerSetting};
use crate::{
    adapt::{fields::LimitFields, setting::Setting},
    gate::Gate,
    time::Timestamp,
    verdict::Denial,
};

/// Puts a [`Gate`] in front of a service.
///
/// See the [module](super) for the promises and for where the peer's address comes from.
#[derive(Clone, Debug)]
pub struct GateLayer(Arc<LayerSetting>);

impl GateLayer {
    /// A layer that asks this gate.
    #[must_use]
    pub fn new(gate: &Gate) -> Self {
        let common = Setting::new(gate);
        Self(Arc::new(LayerSetting { common, peer: None, on_deny: None }))
    }

    /// With this clock instead of [`SystemClock`](crate::SystemClock): for tests.
    #[must_use]
    pub fn clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.with(|setting| setting.common.clock = Some(Arc::new(clock)))
    }

    /// With these fields about limits in responses, instead of [`LimitFields::on_denials`].
    #[must_use]
    pub fn fields(self, fields: LimitFields) -> Self {
        self.with(|setting| setting.common.fields = fields)
    }

    /// Lets preflights of CORS pass without asking the gate: requests of method `OPTIONS` with the header
    /// lines `Origin` and `Access-Control-Request-Method`.
    ///
    /// They cannot be limited then, so let only something cheap answer them, and no handler that asks for
    /// [`Admitted`](crate::Admitted) or the client's address: the gate has not said anything. Where a CORS
    /// layer stands outside of the gate this is not needed: it answers preflights itself.
    #[must_use]
    pub fn skip_preflights(self) -> Self {
        self.with(|setting| setting.common.skips_preflights = true)
    }

    /// With this response to a request that is refused, instead of a problem description.
    ///
    /// `Retry-After`, `Cache-Control: no-store` and the [fields](Self::fields) about limits are added where it
    /// does not have them itself.
    #[must_use]
    pub fn on_deny(
        self,
        on_deny: impl Fn(&Denial, &Parts) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.with(|setting| setting.on_deny = Some(Arc::new(on_deny)))
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
        self.with(|setting| setting.peer = Some(Arc::new(peer)))
    }

    fn with(self, change: impl FnOnce(&mut LayerSetting)) -> Self {
        let mut setting = LayerSetting::clone(&self.0);
        change(&mut setting);
        Self(Arc::new(setting))
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = GateService<S>;

    fn layer(&self, inner: S) -> GateService<S> {
        GateService::new(inner, Arc::clone(&self.0))
    }
}
