//! A listener that refuses connections before anything is read from them.

use crate::gate::Gate;

/// A listener with a gate in front of it.
#[derive(Debug)]
pub struct GateListener<L> {
    inner: L,
    gate: Gate,
}

impl<L> GateListener<L> {
    /// A listener that asks this gate about each connection.
    pub fn new(inner: L, gate: &Gate) -> Self {
        Self { inner, gate: gate.clone() }
    }
}
