//! What handlers can ask for.

/// The gate is not in front of the handler, or the client's address is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoGate(());
