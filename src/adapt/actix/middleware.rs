//! The middleware, as a user makes it.

use alloc::{rc::Rc, sync::Arc};
use core::{
    fmt,
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
    adapt::{fields::LimitFields, fleet::NoStore, setting::Setting},
    gate::Gate,
    limit::remote::Store,
    request::Request,
    time::Timestamp,
    verdict::Denial,
};

/// Puts a [`Gate`] in front of an application, a scope or a resource.
///
/// See the [module](super) for the promises and for where the peer's address comes from. `T` is the store that limits
/// of a fleet [ask](Self::fleet), if there is one.
#[derive(Clone)]
pub struct GateMiddleware<T = NoStore>(Arc<MiddlewareSetting<T>>);

impl GateMiddleware {
    /// A middleware that asks this gate.
    #[must_use]
    pub fn new(gate: &Gate) -> Self {
        Self(Arc::new(MiddlewareSetting {
            common: Setting::new(gate),
            store: NoStore,
            peer: None,
            describe: None,
            on_deny: None,
            labels_routes: false,
        }))
    }
}

impl<T: Clone> GateMiddleware<T> {
    /// With this store, which [limits of a fleet](crate::LimitRule::fleet) ask; the rest of the setting stays.
    ///
    /// Without one, these limits do what they do while their store does not answer. See the [module](super) for
    /// what a request waits for.
    ///
    /// # Example: a client of a store, which all workers share
    /// ```no_run
    /// use actix_web::{App, HttpServer};
    /// use portcullis::{
    ///     Gate, GateMiddleware, LimitRule, Quota,
    ///     limit::remote::{FleetSettings, OnFailure, Store},
    /// };
    ///
    /// # fn serve(store: impl Store) -> Result<(), Box<dyn std::error::Error>> {
    /// let limit = LimitRule::new("per client", Quota::per_minute(100)).fleet(OnFailure::Local);
    /// let settings = FleetSettings::new().prefix("shop").nodes(8);
    /// let gate = Gate::builder().fleet(settings).limit_rule(limit).build()?;
    /// // With feature `redis-1`, this is a `portcullis::redis::RedisStore`.
    /// let middleware = GateMiddleware::new(&gate).fleet(store);
    /// let server = HttpServer::new(move || App::new().wrap(middleware.clone()));
    /// # drop(server.bind(("127.0.0.1", 8080))?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn fleet<U: Store>(self, store: U) -> GateMiddleware<U> {
        let MiddlewareSetting { common, store: _, peer, describe, on_deny, labels_routes } =
            Arc::unwrap_or_clone(self.0);
        let setting = MiddlewareSetting { common, store, peer, describe, on_deny, labels_routes };
        GateMiddleware(Arc::new(setting))
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

    /// With what only the service knows of a request: [fields of its own](crate::rule::Scheme::field), such as a
    /// plan, or those that Cloudflare knows and a library cannot, such as `ip.src.country`.
    ///
    /// What is said here counts before what the middleware finds in the request itself, such as `ssl` behind a proxy
    /// that speaks TLS and always says so in a header. Texts are borrowed from the request: from its headers, its application's data or its
    /// connection's; its extensions cannot lend any. A request has room for four fields without an allocation, of which
    /// the middleware needs up to four. Where limits of a fleet wait for their store it is asked again, and has to say
    /// the same.
    ///
    /// # Example: the country, which a proxy in front has looked up
    /// ```
    /// use portcullis::{Gate, GateMiddleware};
    ///
    /// let gate = Gate::builder().build()?;
    /// let middleware = GateMiddleware::new(&gate).describe(|request, sent| {
    ///     match sent.headers().get("x-country") {
    ///         Some(country) => request.field("ip.src.country", country.as_bytes()),
    ///         None => request,
    ///     }
    /// });
    /// # Ok::<(), portcullis::BuildError>(())
    /// ```
    #[must_use]
    pub fn describe(
        self,
        describe: impl for<'a> Fn(Request<'a>, &'a ServiceRequest) -> Request<'a>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.with(|setting| setting.describe = Some(Arc::new(describe)))
    }

    fn with(self, change: impl FnOnce(&mut MiddlewareSetting<T>)) -> Self {
        let mut setting = Arc::unwrap_or_clone(self.0);
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

impl<S, T, Given> Transform<S, ServiceRequest> for GateMiddleware<T>
where
    S: Service<ServiceRequest, Response = ServiceResponse<Given>, Error = Error>,
    T: Store,
    Given: MessageBody,
{
    type Response = ServiceResponse<GateBody<Given>>;
    type Error = Error;
    type Transform = GateService<Rc<S>, T>;
    type InitError = ();
    type Future = Ready<Result<GateService<Rc<S>, T>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(GateService::new(Rc::new(inner), Arc::clone(&self.0))))
    }
}

/// Of a store nothing is shown: it may know a password.
impl<T> fmt::Debug for GateMiddleware<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GateMiddleware").field(&self.0).finish()
    }
}
