//! What a fleet's node has done, for status pages and tests.

/// Counts since the [`Fleet`](super::Fleet) was made, on this node; made by [`Fleet::stats`](super::Fleet::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FleetStats {
    pub(super) calls: u64,
    pub(super) timeouts: u64,
    pub(super) failures: u64,
    pub(super) from_leases: u64,
    pub(super) remembered: u64,
    pub(super) fallbacks: u64,
    pub(super) is_open: bool,
}

impl FleetStats {
    /// Calls that were made: round trips to the store.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Calls that took too long.
    #[must_use]
    pub fn timeouts(&self) -> u64 {
        self.timeouts
    }

    /// Calls that failed otherwise.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Claims that a lease answered.
    #[must_use]
    pub fn from_leases(&self) -> u64 {
        self.from_leases
    }

    /// Claims that were denied without asking again.
    #[must_use]
    pub fn from_memory(&self) -> u64 {
        self.remembered
    }

    /// Claims that the store did not answer in time, or at all.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.fallbacks
    }

    /// Whether the store has failed five times within a second, and has not answered since: it is then asked
    /// four times a second.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }
}
