//! The gate in axum: [`GateLayer`](crate::GateLayer), and what only axum has.
//!
//! | what | for |
//! |---|---|
//! | [`GateLayer`](crate::GateLayer) | asks the gate about each request, and answers what is refused |
//! | [`ClientIp`], [`Admitted`] | handlers: whose request it is, and what the gate has said of it |
//! | [`GateListener`] | asks the gate about each connection, and bounds how many a client holds |
//! | `StatusPage`, with the feature `status` | operators: what the gate does, live, and what to do about it |
//! | `route` in [rules and limits](crate::rule) | what axum has matched, `/users/{id}` |
//!
//! # Routes
//! Inside a router the gate knows which route a request has matched: rules and limits say `route`, or
//! `http.request.route` in full. It is there for layers that are added with
//! [`Router::layer`](axum::Router::layer) or `route_layer`, to the routes added before, and not for layers around a
//! router as a whole, nor for requests that no route has matched: there it is missing.
//!
//! # Example: a limit for each client on each route, and whose request it is
//! ```
//! use axum::{Router, extract::Path, routing::get};
//! use portcullis::{Gate, GateLayer, LimitRule, Quota, axum::ClientIp, rule::Scheme};
//!
//! let scheme = Scheme::new();
//! let by = [scheme.parse_term("client")?, scheme.parse_term("route")?];
//! let limit = LimitRule::new("each route", Quota::per_minute(100).burst(20)).by(by);
//! let gate = Gate::builder().limit_rule(limit).build()?;
//!
//! async fn user(ClientIp(client): ClientIp, Path(id): Path<u64>) -> String {
//!     format!("{id}, for {client}")
//! }
//! let app: Router = Router::new().route("/users/{id}", get(user)).layer(GateLayer::new(&gate));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod extract;
mod listener;
#[cfg(feature = "status")]
pub mod status;

#[cfg(feature = "status")]
pub use self::status::StatusPage;
pub use self::{
    extract::GateRejection,
    listener::{ConnectionStats, GateIo, GateListener, Listening, PeerAddr},
};
pub use crate::adapt::{admitted::Admitted, client::ClientIp};
