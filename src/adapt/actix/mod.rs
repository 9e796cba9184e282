//! The gate in actix-web 4.
//!
//! [`GateMiddleware`] asks the gate about each request when it arrives, before the application sees it. What
//! may pass goes on, with an [`Admitted`] among its extensions; what may not is answered at
//! once, with a *response*: status 429, 403 or 503, or what a rule says, `Retry-After` where waiting helps, and
//! `application/problem+json`, or a gRPC status for a gRPC client. A refusal is never an `Err`, so that middleware outside of the gate sees it as it
//! sees every other response; the [`Denial`](crate::Denial) is among its extensions.
//!
//! - **One state.** A middleware holds a handle to the gate, which is built outside of the application's
//!   factory. However many workers the server has, the limits are the same limits.
//! - **No waiting.** Readiness is the inner service's; the gate never makes a request wait, but for the store of a
//!   fleet, see below.
//! - **No boxing.** The future and the body are plain types. What is put aside in an allocation is what lasts until a
//!   body ends, places in flight and sizes that are waited for; a check that waits for a store; the text of a route,
//!   where [it is asked for](GateMiddleware::route_labels); and a timer for the rest of a refused upload, if that does not
//!   come at once.
//! - **The end is known.** The gate hears of a response when its head is there, and of the status of an error
//!   that a middleware inside of it returns, which goes on unchanged. That status is what `status_code()` of the
//!   error says: of one that has only an `error_response()` of its own that is 500, whatever is sent then, and
//!   `count_if` sees 500. Places in limits of [requests in
//!   flight](crate::LimitRule::in_flight) are given back when the body has ended or is dropped, so a
//!   download or a stream of events counts for as long as it goes on. A request that is cancelled has
//!   taken its units, and gives its places back.
//!
//! When a client of HTTP/1 leaves, actix-web goes on with its request, because a client may close its side and still
//! wait for the response. `HttpServer::h1_allow_half_closed(false)` makes it stop at once, with actix-http 3.11.2 and
//! later (3.11.1 always did); otherwise places are given back when the response has been made and cannot be sent.
//!
//! # Example: one gate for all workers
//! actix-web runs the closure once for each worker, so whatever is *made* in there exists once for each worker:
//! of a limit of five, four workers would make twenty. The gate is made outside, and `move` takes a handle
//! to it along.
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use portcullis::{Gate, GateMiddleware, Quota};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let gate = Gate::builder().limit("per client", Quota::per_second(10).burst(40)).build()?;
//! let server = HttpServer::new(move || {
//!     App::new()
//!         .wrap(GateMiddleware::new(&gate))
//!         // .wrap(Cors::default()): what is wrapped last runs first, so it also sees refusals.
//!         .route("/", web::get().to(|| async { "hello" }))
//! });
//! server.bind(("127.0.0.1", 8080))?.run().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # In which order
//! actix-web runs the middleware that is wrapped *last* first. Wrap the gate after what is expensive, such as
//! authentication and compression, so that it stands in front of it; and before what is to see refusals too,
//! such as CORS and logs.
//!
//! # Fleets
//! [`GateMiddleware::fleet`] gives the middleware a store, which [limits of a fleet](crate::LimitRule::fleet) ask. What a
//! lease or a remembered denial answers is decided at once, as without a store, and most requests are. Others wait
//! inside their response's future, up to the fleet's [timeout](crate::limit::remote::FleetSettings::timeout), and are
//! then passed on, or refused with the same response as always. A client that leaves meanwhile has taken nothing: a
//! store such as that of the feature `redis-1` finishes its call in a task of its own, and what it brings is for
//! whoever waits for the same answer, or comes next. The time that the store takes is not a part of a response's
//! latency: a slow store does not make the application look slow. Without a store, limits of a fleet do what they do
//! while their store does not answer. Workers share the gate, and so its leases.
//!
//! # Uploads
//! A refusal does not wait for the request's body. What still comes of it is read and thrown away, up to 256 KiB
//! and for up to 5 seconds, if the refusal has a body of its own, so that the connection stays usable; then it is
//! closed. From 3.11.2 on, actix-http says `connection: close` itself where a body is still to come: there it is
//! closed in order instead.
//!
//! # gRPC
//! Somebody who sends `application/grpc`, through a gateway or by hand, would not look into a problem description. Such
//! a request is answered with status 200, no body, and `grpc-status`: `RESOURCE_EXHAUSTED` and when to come back for a
//! limit, and for a rule's status what a client concludes from it. [`GateMiddleware::on_deny`] replaces that, too. What `count_if`
//! sees of a response to it that has passed is the HTTP status.
//!
//! # What a client says of its own request
//! `ssl` is true if the server has encrypted the connection itself, and not known otherwise, whatever scheme a target
//! has: [`GateMiddleware::describe`] is for those who know more. `host` is what `guard::Host` goes by: below HTTP/2 the
//! line `Host`, even if the target names another one, and in HTTP/2 the target (guards of actix-web before 4.11 went by
//! the line there, too). `connection_info()` believes `Forwarded` and `X-Forwarded-Host` of anybody, so rules do not
//! see the host that it tells. See [behind proxies](crate::docs::behind_proxies#which-host-a-request-is-for).
//!
//! # The peer's address
//! It is [`HttpRequest::peer_addr`](actix_web::HttpRequest::peer_addr): the other end of the connection. What
//! proxies say of the client counts if the gate is told to trust them, see
//! [`GateBuilder::trust`](crate::GateBuilder::trust). actix-web's `realip_remote_addr()` believes whatever any client
//! says, so it is used nowhere here. [`GateMiddleware::peer`] is for servers whose connections have no address,
//! or another one. A request without any is not an error: [`MissingPeer`](crate::MissingPeer) decides.

mod body;
mod denied;
mod extract;
mod fleet;
mod future;
mod middleware;
mod response;
mod rest;
mod service;
mod setting;
mod view;

pub use self::{
    body::GateBody, denied::Denied, extract::GateRejection, fleet::FleetFuture, future::GateFuture,
    middleware::GateMiddleware, service::GateService,
};
pub use crate::adapt::{admitted::Admitted, client::ClientIp};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_fleet;
