//! What a gate tells of what it has noticed and done.

use alloc::string::String;

use super::{Evidence, Posture};
use crate::time::Timestamp;

/// Something that the gate has noticed or done, with the numbers that it went by.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// In plain words, with numbers.
    pub text: String,
    /// The numbers of that tick.
    pub evidence: Evidence,
}

/// What kind of thing has happened.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum EventKind {
    /// The posture has changed.
    Posture {
        /// What it was.
        from: Posture,
        /// What it is.
        to: Posture,
    },
    /// The posture has changed so often that it stays at the higher one.
    Latched,
    /// A mitigation was found.
    Found {
        /// Its name, as in denials and statistics.
        name: String,
        /// As a rule's condition.
        rule: String,
        /// The share of the excess that it covers.
        covers: f64,
        /// The share of the usual traffic that it covers too.
        harms: f64,
    },
    /// A mitigation throttles what it matches.
    Throttled {
        /// Its name.
        name: String,
    },
    /// A mitigation denies what it matches.
    Denied {
        /// Its name.
        name: String,
    },
    /// A mitigation has ended.
    Ended {
        /// Its name.
        name: String,
        /// Requests that it has matched.
        matched: u64,
    },
    /// Unknown clients share what known ones leave: so many requests a second.
    Held {
        /// Requests a second.
        rate: f64,
    },
    /// All unknown clients are served again.
    Readmitted,
    /// An operator has said something.
    Told {
        /// What.
        what: String,
    },
}
