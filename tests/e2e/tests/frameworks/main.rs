//! The gate inside real servers, asked over real connections.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests open sockets and print what they could not test"
)]

mod actix;
mod axum;
mod axum_extract;
mod axum_listener;
mod client;
mod fields;
mod fleet;
mod hyper;
mod nginx;
mod proxy;
mod status;
mod tonic;
mod tower;
mod unread;
mod wire;
