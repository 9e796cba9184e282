//! The layer, as a user makes it.

use alloc::sync::Arc;
use core::{fmt, net::IpAddr};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Response, request::Parts};
use tower_layer::Layer;

use super::{service::GateService, setting::LayerSetting};
use crate::{
    adapt::{fields::LimitFields, fleet::NoStore, setting::Setting},
    gate::Gate,
    limit::remote::Store,
    request::Request,
    time::Timestamp,
    verdict::Denial,
};

/// Puts a [`Gate`] in front of a service.
///
/// See the [module](super) for the promises and for where the peer's address comes from. `T` is the store that limits
/// of a fleet [ask](Self::fleet), if there is one.
#[derive(Clone)]
pub struct GateLayer<T = NoStore>(Arc<LayerSetting<T>>);

impl GateLayer {
    /// A layer that asks this gate.
    #[must_use]
    pub fn new(gate: &Gate) -> Self {
        let common = Setting::new(gate);
        Self(Arc::new(LayerSetting {
            common,
            store: NoStore,
            peer: None,
            describe: None,
            on_deny: None,
        }))
    }
}

impl<T: Clone> GateLayer<T> {
    /// With this store, which [limits of a fleet](crate::LimitRule::fleet) ask; the rest of the setting stays.
    ///
    /// Without one, these limits do what they do while their store does not answer. See the [module](super) for
    /// what a request waits for.
    ///
    /// # Example: a client of a store
    /// ```no_run
    /// use portcullis::{
    ///     Gate, GateLayer, LimitRule, Quota,
    ///     limit::remote::{FleetSettings, OnFailure, Store},
    /// };
    ///
    /// # fn layer(store: impl Store) -> Result<(), portcullis::BuildError> {
    /// let limit = LimitRule::new("per client", Quota::per_minute(100)).fleet(OnFailure::Local);
    /// let settings = FleetSettings::new().prefix("shop").nodes(8);
    /// let gate = Gate::builder().fleet(settings).limit_rule(limit).build()?;
    /// // With feature `redis-1`, this is a `portcullis::redis::RedisStore`.
    /// let layer = GateLayer::new(&gate).fleet(store);
    /// # let _ = layer;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn fleet<U: Store>(self, store: U) -> GateLayer<U> {
        let LayerSetting { common, store: _, peer, describe, on_deny } =
            Arc::unwrap_or_clone(self.0);
        GateLayer(Arc::new(LayerSetting { common, store, peer, describe, on_deny }))
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

    /// With what only the service knows of a request: [fields of its own](crate::rule::Scheme::field), such as a
    /// tenant, or those that Cloudflare knows and a library cannot, such as `ip.src.country`.
    ///
    /// What an outer layer has found out is among the extensions. What is said here counts before what the layer finds
    /// in the request itself. `ssl` is known only if it is said here: by a mark that the accept loop leaves on
    /// encrypted connections, such as tonic's `TlsConnectInfo`, or by a header that a proxy in front always sets. A
    /// request has room for four fields without an allocation, of which the layer needs up to three. Where limits of a fleet wait for their store it is asked again, and
    /// has to say the same.
    ///
    /// # Example: a limit for each tenant, whom an outer layer has recognised
    /// ```
    /// use portcullis::{Gate, GateLayer, LimitRule, Quota, rule::{Scheme, Type}};
    ///
    /// #[derive(Clone)]
    /// struct Tenant(String);
    ///
    /// let scheme = Scheme::new().field("tenant", Type::Bytes);
    /// let by = [scheme.parse_term("tenant")?];
    /// let limit = LimitRule::new("per tenant", Quota::per_minute(1_000)).by(by);
    /// let gate = Gate::builder().scheme(scheme).limit_rule(limit).build()?;
    /// let layer = GateLayer::new(&gate).describe(|request, extensions, _headers| {
    ///     match extensions.get::<Tenant>() {
    ///         Some(Tenant(name)) => request.field("tenant", name.as_str()),
    ///         None => request,
    ///     }
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn describe(
        self,
        describe: impl for<'a> Fn(Request<'a>, &'a Extensions, &'a HeaderMap) -> Request<'a>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.with(|setting| setting.describe = Some(Arc::new(describe)))
    }

    fn with(self, change: impl FnOnce(&mut LayerSetting<T>)) -> Self {
        let mut setting = Arc::unwrap_or_clone(self.0);
        change(&mut setting);
        Self(Arc::new(setting))
    }
}

impl<S, T> Layer<S> for GateLayer<T> {
    type Service = GateService<S, T>;

    fn layer(&self, inner: S) -> GateService<S, T> {
        GateService::new(inner, Arc::clone(&self.0))
    }
}

/// Of a store nothing is shown: it may know a password.
impl<T> fmt::Debug for GateLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GateLayer").field(&self.0).finish()
    }
}
