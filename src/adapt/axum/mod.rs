//! The gate in axum: [`GateLayer`](crate::GateLayer), and what only axum has.

mod extract;
mod listener;

pub use self::{extract::NoGate, listener::GateListener};
pub use crate::adapt::{admitted::Admitted, client::ClientIp};
