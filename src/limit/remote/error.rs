//! Why a fleet, or a limit of one, cannot be had.

use alloc::string::String;

/// Why a [`Fleet`](super::Fleet) or one of its limits cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// The prefix of the keys cannot be one.
    #[error(
        "{prefix:?} cannot begin the names of keys; use up to 64 visible ASCII characters without braces"
    )]
    Prefix {
        /// The prefix that was asked for, or the beginning of it.
        prefix: String,
    },
    /// A number is out of its range.
    #[error("{what} is {given}; use {least} to {most}")]
    OutOfRange {
        /// Which number it is.
        what: &'static str,
        /// What it was to be.
        given: u64,
        /// The least that it can be.
        least: u64,
        /// The most that it can be.
        most: u64,
    },
    /// The quota has more digits than a script can reckon with exactly.
    #[error(
        "a fleet cannot count {quota} exactly; use a smaller burst, or a count that divides the period better"
    )]
    Quota {
        /// The quota that was asked for.
        quota: crate::Quota,
    },
    /// The memory for what a node remembers cannot be had.
    #[error("there is no memory for {keys} keys of a fleet; use fewer")]
    NoMemory {
        /// How many were asked for.
        keys: usize,
    },
}
