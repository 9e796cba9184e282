//! What is said of a gate's limits, made ahead for each generation of them.

use crate::gate::{Gate, Policies};

/// The texts of all limits.
#[derive(Debug)]
pub(in crate::adapt) struct Texts {
    policies: Policies,
}

impl Texts {
    pub(in crate::adapt) fn of(gate: &Gate) -> Self {
        Self { policies: gate.policies_now() }
    }
}
