//! What a store holds, and what has become of keys so far.

use super::{KeyedLimiter, set::WAYS};
use crate::time::Timestamp;

/// What a [`KeyedLimiter`] holds, and what it has done: a snapshot.
///
/// Counts are taken one after the other while checks go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedStats {
    places: usize,
    owing: usize,
    established: usize,
    taken: usize,
    times_reclaimed: u64,
    times_unseated: u64,
}

impl KeyedLimiter {
    /// What the store holds at `now`, and what has become of keys so far.
    ///
    /// # Cost
    /// Reads the whole store.
    #[must_use]
    pub fn stats(&self, now: Timestamp) -> KeyedStats {
        let at = self.table.at(now);
        let frame = self.table.clock.frame();
        // Words are read where `F` is, and judged where a check would take it.
        let ahead = self.table.clock.ahead(frame, at);
        let mut stats = KeyedStats {
            places: self.table.sets.len().saturating_mul(WAYS),
            owing: 0,
            established: 0,
            taken: 0,
            times_reclaimed: self.table.counters.times_reclaimed(),
            times_unseated: self.table.counters.times_unseated(),
        };
        for set in &self.table.sets {
            for word in (0..WAYS).map(|way| set.way(way)) {
                let held = !word.is_empty() && frame.until_free(word) > ahead;
                let owing = !word.is_empty() && frame.debt(word, at) > 0;
                stats.owing = stats.owing.saturating_add(usize::from(owing));
                stats.taken = stats.taken.saturating_add(usize::from(held));
                let established = held && word.is_established();
                stats.established = stats.established.saturating_add(usize::from(established));
            }
        }
        stats
    }

    pub(crate) fn times_unseated(&self) -> u64 {
        self.table.counters.times_unseated()
    }
}

impl KeyedStats {
    /// All places that there are.
    #[must_use]
    pub fn places(&self) -> usize {
        self.places
    }

    /// Keys that owe something.
    #[must_use]
    pub fn owing(&self) -> usize {
        self.owing
    }

    /// Established keys.
    #[must_use]
    pub fn established(&self) -> usize {
        self.established
    }

    /// Places that a new key cannot have: their keys owe something, did a moment ago, or are
    /// established.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// How often a place went from one key to another.
    #[must_use]
    pub fn times_reclaimed(&self) -> u64 {
        self.times_reclaimed
    }

    /// How often a key found no place, those asked about with [`peek_n`](super::KeyedLimiter::peek_n) among them. More than
    /// none means that the store is too small for its traffic.
    #[must_use]
    pub fn times_unseated(&self) -> u64 {
        self.times_unseated
    }
}
