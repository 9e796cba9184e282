//! The middleware, as a user makes it.

use alloc::sync::Arc;
use core::{
    future::{Ready, ready},
    net::IpAddr,
};

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
};

use super::{body::GateBody, service::GateService, setting::MiddlewareSetting};
use crate::{
    adapt::{fields::LimitFields, setting::Setting},
    gate::Gate,
    time::Timestamp,
    verdict::Denial,
};

/// Puts a [`Gate`] in front of an application, a scope or a resource.
///
/// See the [module](super) for the promises and for where the peer's address comes from.
#[derive(Clone, Debug)]
pub struct GateMiddleware(Arc<MiddlewareSetting>);

impl GateMiddleware {
    /// A middleware that asks this gate.
    #[must_use]
    pub fn new(gate: &Gate) -> Self {
        let common = Setting::new(gate);
        let setting = MiddlewareSetting { common, peer: None, on_deny: None, labels_routes: false };
        Self(Arc::new(setting))
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
    /// middleware stands outside of the gate this is not needed: it answers preflights itself.
    #[must_use]
    pub fn skip_preflights(self) -> Self {
        self.with(|setting| setting.common.skips_preflights = true)
    }

    /// Tells the gate which route a request has, as the field `http.request.route`: the pattern that
    /// [`HttpRequest::match_pattern`] finds, such as `/users/{id}`.
    ///
    /// # Cost
    /// Not free, which is why it is asked for: actix-web goes through the application's routes one by one for
    /// it, and makes a new text for each request, also for those that are refused.
    #[must_use]
    pub fn route_labels(self) -> Self {
        self.with(|setting| setting.labels_routes = true)
    }

    /// With this response to a request that is refused, instead of a problem description.
    ///
    /// `Retry-After`, `Cache-Control: no-store` and the [fields](Self::fields) about limits are added where it
    /// does not have them itself.
    #[must_use]
    pub fn on_deny(
        self,
        on_deny: impl Fn(&Denial, &HttpRequest) -> HttpResponse + Send + Sync + 'static,
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
    /// use portcullis::{Gate, GateMiddleware};
    /// use std::net::IpAddr;
    ///
    /// // Recorded by HttpServer::on_connect.
    /// struct Tunnel { client: IpAddr }
    ///
    /// let gate = Gate::builder().build()?;
    /// let middleware = GateMiddleware::new(&gate)
    ///     .peer(|request| request.conn_data::<Tunnel>().map(|tunnel| tunnel.client));
    /// # Ok::<(), portcullis::BuildError>(())
    /// ```
    #[must_use]
    pub fn peer(
        self,
        peer: impl Fn(&ServiceRequest) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.with(|setting| setting.peer = Some(Arc::new(peer)))
    }

    fn with(self, change: impl FnOnce(&mut MiddlewareSetting)) -> Self {
        let mut setting = MiddlewareSetting::clone(&self.0);
        change(&mut setting);
        Self(Arc::new(setting))
    }
}

impl<S, Given> Transform<S, ServiceRequest> for GateMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<Given>, Error = Error>,
    Given: MessageBody,
{
    type Response = ServiceResponse<GateBody<Given>>;
    type Error = Error;
    type Transform = GateService<S>;
    type InitError = ();
    type Future = Ready<Result<GateService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(GateService::new(inner, Arc::clone(&self.0))))
    }
}
