//! Which limits a request meets: all conditions judged together, in one walk through an index.
//!
//! # Invariants
//! - **I1** a request meets a limit if the limit's condition holds, or there is none; limits that are off are
//!   met by none;
//! - **I2** a condition that several limits share is judged once.

use alloc::boxed::Box;
use core::ops::ControlFlow;

use super::judge::bit;
use crate::rule::{Facts, Index};

/// Which limits a request meets, judged together.
pub(super) struct Conditions {
    /// Limits without a condition, a bit each.
    pub(super) always: u64,
    pub(super) index: Index,
    /// What holds where an expression of the index does.
    pub(super) meanings: Box<[Meaning]>,
}

#[derive(Clone, Copy)]
pub(super) enum Meaning {
    Limit(usize),
    /// A part of a condition about the response.
    Known(u32),
}

impl Conditions {
    /// The limits that a request meets, and what holds of the conditions about its response.
    #[inline]
    pub(super) fn judge(&self, facts: &Facts<'_>) -> (u64, u64) {
        let (mut limits, mut known) = (self.always, 0);
        if !self.meanings.is_empty() {
            self.index.walk(facts, |at| {
                match self.meanings.get(at) {
                    Some(Meaning::Limit(limit)) => limits |= bit(*limit),
                    Some(Meaning::Known(part)) => known |= 1_u64.checked_shl(*part).unwrap_or(0),
                    None => {}
                }
                ControlFlow::Continue(())
            });
        }
        (limits, known)
    }
}
