//! The gate as a tower layer: for axum, tonic, hyper and everything else that is a tower service.
//!
//! [`GateLayer`] asks the gate about each request when it arrives, before the service sees it. What
//! may pass goes on untouched; what may not is answered at once, with a *response*: status 429 or 403,
//! `Retry-After` where waiting helps, and `application/problem+json`. The service's error type stays
//! what it was.
//!
//! - **One state.** Layers, services and their clones hold a handle to the gate. However often a
//!   framework clones them, per connection or per worker, the limits are the same limits.
//! - **No waiting.** Readiness is the inner service's; the gate never makes a caller wait. Refusals
//!   happen in `call`, after `poll_ready`: place the gate *outside* of layers that reserve something
//!   when they are polled ready, such as tower's concurrency limit or a buffer.
//! - **No boxing.** The future and the body are plain types.
//!
//! # The peer's address
//! With feature `axum` the address is taken from axum's `ConnectInfo<SocketAddr>` (or
//! `MockConnectInfo`), so serve with `into_make_service_with_connect_info::<SocketAddr>()`. Otherwise,
//! or if that is absent, from a [`SocketAddr`](core::net::SocketAddr) or
//! [`IpAddr`](core::net::IpAddr) among the request's extensions. [`GateLayer::peer`] replaces all of
//! that. A request without any is not an error: [`MissingPeer`](crate::MissingPeer) decides.
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
mod future;
mod layer;
mod service;
mod setting;

pub use body::GateBody;
pub use future::GateFuture;
pub use layer::GateLayer;
pub use service::GateService;

pub use super::http::refusal;

#[cfg(test)]
mod tests;
