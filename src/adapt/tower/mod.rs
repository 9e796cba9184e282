//! The gate as a tower layer: for axum, tonic, hyper and everything else that is a tower service.
//!
//! [`GateLayer`] asks the gate about each request when it arrives, before the service sees it. What
//! may pass goes on, with an [`Admitted`](crate::Admitted) among its extensions; what may not is answered at
//! once, with a *response*: status 429, 403 or 503, or what a rule says, `Retry-After` where waiting helps, and
//! `application/problem+json`, or a gRPC status for a gRPC client. The service's error type stays what it was.
//!
//! - **One state.** Layers, services and their clones hold a handle to the gate. However often a
//!   framework clones them, per connection or per worker, the limits are the same limits.
//! - **No waiting.** Readiness is the inner service's; the gate never makes a caller wait, but for the store of a fleet,
//!   see below. Refusals
//!   happen in `call`, after `poll_ready`: place the gate *outside* of layers that reserve something
//!   when they are polled ready, such as tower's concurrency limit or a buffer.
//! - **No boxing.** The future and the body are plain types. Only what lasts until a body ends, places in flight
//!   and sizes that are waited for, is put aside in an allocation; and a check that waits for a store.
//! - **The end is known.** The gate hears of a response when its head is there. Places in
//!   limits of [requests in flight](crate::LimitRule::in_flight) are given back when the body has ended or is
//!   dropped, so a download or a stream of events counts for as long as it goes on. A request that is
//!   cancelled has taken its units, and gives its places back.
//!
//! # In which order
//! Layers further out see a request first, and its response last.
//!
//! | layer | where | why |
//! |---|---|---|
//! | CORS | outside of the gate | so that a browser lets its script read the 429, and preflights are not counted |
//! | tracing, request ids | outside | so that refusals are seen |
//! | authentication | inside | a flood is to be refused before anybody looks up a password; for limits by user, a second gate can be inside, see below |
//! | timeouts | inside | or a request that is waited for too long is a dropped one for the gate, whose status it does not learn |
//! | compression | inside | sizes are then those of what is sent, and nobody compresses refusals |
//! | `ConcurrencyLimit`, `Buffer`, `LoadShed` | inside | they reserve something when they are ready, which a refusal would leave reserved |
//!
//! Two layers of *one* gate would count each request twice. Give limits by address and limits by user a gate each, one
//! outside and one inside of authentication; what the outer one takes stays taken if the inner one refuses.
//!
//! A connection of HTTP/2 carries many requests at a time: each is one for the gate. How many streams
//! a connection may have is the server's setting (`max_concurrent_streams` in hyper).
//!
//! A refusal is there before the request's body has been read. A client that waits for `100 Continue` then never
//! sends it; for others, servers read a little of the rest or close the connection.
//! A proxy that is still sending then may answer 502 instead, as nginx does. Where it passes on large uploads, let a
//! layer outside of the gate read on what nobody has read.
//!
//! # Fleets
//! [`GateLayer::fleet`] gives the layer a store, which [limits of a fleet](crate::LimitRule::fleet) ask. What a lease or a
//! remembered denial answers is decided at once, as without a store, and most requests are. Others wait
//! inside their response's future, up to the fleet's [timeout](crate::limit::remote::FleetSettings::timeout), and are
//! then passed on to the service that was polled ready for them, which has to be `Clone` for that; or refused, with the
//! same response as always. A client that leaves meanwhile has taken nothing: a store such as that of the feature `redis-1`
//! finishes its call in a task of its own, and what it brings is for whoever waits for the same answer, or comes
//! next. The time that the store takes is not a part of a response's latency: a slow store does not make the service
//! look slow. Without a store, limits of a fleet do what they do while their store does not answer.
//!
//! A check that waits keeps the service that was polled ready, and whatever that has reserved: a permit of a
//! `ConcurrencyLimit` inside is taken for up to the timeout before its request is admitted or refused.
//!
//! # gRPC
//! A request whose content type is that of gRPC is refused as gRPC understands it: status 200 without a body, and
//! `grpc-status` among the fields, `RESOURCE_EXHAUSTED` with the time to wait, or what clients conclude from the status
//! that a rule says. What `count_if` sees of a gRPC response is its HTTP status, which is 200 for errors, too.
//!
//! # What a client says of its own request
//! A layer is not told whether the connection is encrypted, and the scheme of a target is what the client has written.
//! So `ssl` is not known, and a rule `not ssl` holds, until the service says it with [`GateLayer::describe`].
//! `host` is the target's, and the line `Host` only where the target names none; an application that goes by the line
//! sees another one if they differ. See [behind proxies](crate::docs::behind_proxies#which-host-a-request-is-for).
//!
//! # Bodies
//! Any response body will do whose data can be made from [`Bytes`](bytes::Bytes), because refusals are bytes, too: those
//! of axum, tonic and tower-http, and `Full<Bytes>`. Others are mapped before they come here, for example by
//! `http_body_util::BodyExt::map_frame`. They need not be `Send` or `'static`.
//!
//! # The peer's address
//! With feature `axum` the address is taken from axum's `ConnectInfo<SocketAddr>` (or
//! `MockConnectInfo`), so serve with `into_make_service_with_connect_info::<SocketAddr>()`. Otherwise,
//! or if that is absent, from a [`SocketAddr`](core::net::SocketAddr) or
//! [`IpAddr`](core::net::IpAddr) among the request's extensions. [`GateLayer::peer`] replaces all of
//! that; for tonic it reads `TcpConnectInfo` from the extensions. A request without any is not an error:
//! [`MissingPeer`](crate::MissingPeer) decides.
//!
//! # Example: axum
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, routing::get};
//! use portcullis::{Gate, GateLayer, Quota};
//!
//! let gate = Gate::builder().limit("per client", Quota::per_second(10).burst(40)).build()?;
//! let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(GateLayer::new(&gate));
//! // axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
//! # }
//! # Ok::<(), portcullis::BuildError>(())
//! ```

mod body;
mod fleet;
mod future;
mod layer;
mod service;
mod setting;

pub use body::GateBody;
pub use fleet::FleetFuture;
pub use future::GateFuture;
pub use layer::GateLayer;
pub use service::GateService;

pub use super::http::refusal;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_fleet;
