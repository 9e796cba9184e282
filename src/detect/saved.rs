//! What detection knows, over a restart; a part of [`GateSnapshot`](crate::GateSnapshot).
//!
//! The snapshot around it has the version and the checksum that are looked at first; the version here says how
//! the parts are to be understood.
//!
//! # Invariants
//! - **I1** all numbers are whole: fractions are packed as their bits, because not every format reads the same
//!   fraction that was written, and then a checksum would refuse what is not damaged.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{KeyedHash, Packed, Posture};
use crate::error::RestoreError;

/// What one detector knows.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetectSnapshot {
    pub(crate) version: u32,
    /// Of all hashes in it.
    pub(crate) key: [u64; 2],
    pub(crate) posture: Posture,
    /// What is usual.
    pub(crate) judge: Packed,
    /// The networks that were served.
    pub(crate) known: Vec<u64>,
    /// A sample of usual requests.
    pub(crate) reservoir: Packed,
    pub(crate) mitigations: Packed,
    pub(crate) capacity: Packed,
    pub(crate) readmission: Packed,
    /// What the busiest of a hundred clients asks for, as bits of a float.
    pub(crate) busy: u64,
}

/// The version of what is written here, and the only one that is read.
pub(crate) const VERSION: u32 = 1;

impl DetectSnapshot {
    pub(crate) fn hash(&self) -> KeyedHash {
        KeyedHash::with_key(self.key)
    }

    /// Whether all of it can be restored.
    pub(crate) fn validate(&self) -> Result<(), RestoreError> {
        match self.version {
            VERSION => Ok(()),
            found => Err(RestoreError::Version { found, known: VERSION }),
        }
    }
}
