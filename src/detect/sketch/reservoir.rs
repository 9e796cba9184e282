//! A sample of the usual good requests: what a signature must not match.
//!
//! Replacing random places of a full sample makes the ages of what is in it exponential, with the mean that the rate of replacement
//! says. So the sample reaches hours back with tens of minutes of weight, and what comes during a few seconds, whoever sends it,
//! gets a few places. (Biased reservoir sampling: Aggarwal, VLDB 2006.)
//!
//! # Invariants
//! - **I1** there are never more requests than places, and only good ones;
//! - **I2** once it is full, requests that span `t` of time replace at most `places * t / mean age` places and [`AT_ONCE`] more,
//!   however many they are: in ten seconds, 24 of 1,024 at a mean age of twenty minutes;
//! - **I3** the mean age tends to the given one, if calls are at most some seconds apart and find good requests.
//!
//! # Cost
//! A call looks at the times of all that it is given, and copies at most [`FIRST_AT_ONCE`] requests.
//!
//! # Memory
//! A request has 104 bytes: 104 KiB for 1,024.

use alloc::vec::Vec;
use core::time::Duration;

use super::{super::Seen, next_random};
use crate::time::{self, Timestamp};

#[cfg(feature = "serde")]
mod state;

/// As old as the requests are on average.
const MEAN_AGE: Duration = Duration::from_secs(20 * 60);
/// Places that one call replaces at most.
pub(crate) const AT_ONCE: usize = 16;
/// Places that one call fills at most, as long as there are free ones.
pub(crate) const FIRST_AT_ONCE: usize = 64;

/// A sample of requests: see the module.
#[derive(Clone, Debug)]
pub(crate) struct Reservoir {
    requests: Vec<Seen>,
    places: usize,
    random: u64,
    /// Nanoseconds in which one place is replaced.
    each: u64,
    /// The newest time that there was, once there was one.
    newest: Option<Timestamp>,
    /// Nanoseconds that have passed without a replacement.
    owed: u64,
}

impl Reservoir {
    /// More are not kept, so that a search has an end.
    pub(crate) const MOST: usize = 1_024;

    /// Of so many requests, at least 1 and at most [`MOST`](Self::MOST), of a mean age of twenty minutes. The seed decides
    /// which ones: nobody should be able to guess it.
    pub(crate) fn new(places: usize, seed: u64) -> Self {
        let places = places.clamp(1, Self::MOST);
        let requests = Vec::with_capacity(places);
        let empty = Self { requests, places, random: seed, each: 0, newest: None, owed: 0 };
        empty.with_mean_age(MEAN_AGE)
    }

    /// With this mean age of the requests.
    pub(crate) fn with_mean_age(self, mean_age: Duration) -> Self {
        let places = u64::try_from(self.places).unwrap_or(u64::MAX);
        let nanos = time::nanos(mean_age).unwrap_or(u64::MAX);
        Self { each: nanos.checked_div(places).unwrap_or(nanos).max(1), ..self }
    }

    /// Takes some of these requests into the sample, as many as are due. Each request should be given once, when it is known
    /// whether it was good; those that were not are left out.
    pub(crate) fn learn(&mut self, seen: &[Seen]) {
        let Some(newest) = seen.iter().map(|seen| seen.at).max() else { return };
        let wanted = self.due(newest);
        let Some(count) = u64::try_from(seen.len()).ok().filter(|_| wanted > 0) else { return };
        // Evenly spread over all that there are, from anywhere.
        let stride = seen.len().checked_div(wanted).unwrap_or(1).max(1);
        let start = next_random(&mut self.random).checked_rem(count).unwrap_or(0);
        let (before, from) = seen.split_at(usize::try_from(start).unwrap_or(0).min(seen.len()));
        let good = from.iter().chain(before).step_by(stride).filter(|seen| seen.good);
        for seen in good.take(wanted) {
            self.take_in(*seen);
        }
    }

    /// The clock was set back: the next time is the newest.
    pub(crate) fn set_back(&mut self) {
        self.newest = None;
    }

    /// The requests, in no order.
    pub(crate) fn all(&self) -> &[Seen] {
        &self.requests
    }

    /// Bytes, all of them allocated when it was made.
    pub(crate) fn memory_bytes(&self) -> usize {
        let requests = self.requests.capacity().saturating_mul(size_of::<Seen>());
        size_of::<Self>().saturating_add(requests)
    }

    /// How many requests are to be taken in, now that this is the time.
    fn due(&mut self, now: Timestamp) -> usize {
        let passed = now.saturating_duration_since(self.newest.unwrap_or(now));
        self.newest = self.newest.max(Some(now));
        // What is not used is kept for later, but not more than one call replaces.
        let most = self.each.saturating_mul(AT_ONCE as u64);
        self.owed = self.owed.saturating_add(time::nanos(passed).unwrap_or(u64::MAX)).min(most);
        if self.requests.len() < self.places {
            return FIRST_AT_ONCE;
        }
        let due = self.owed.checked_div(self.each).unwrap_or(0);
        usize::try_from(due).unwrap_or(AT_ONCE).min(AT_ONCE)
    }

    fn take_in(&mut self, seen: Seen) {
        if self.requests.len() < self.places {
            self.requests.push(seen);
            return;
        }
        // The last ones that fill the sample are followed by what is due in full ones.
        if self.owed < self.each {
            return;
        }
        self.owed = self.owed.saturating_sub(self.each);
        let places = u64::try_from(self.places).unwrap_or(u64::MAX);
        let place = next_random(&mut self.random).checked_rem(places).unwrap_or(0);
        if let Some(place) = usize::try_from(place).ok().and_then(|at| self.requests.get_mut(at)) {
            *place = seen;
        }
    }
}

#[cfg(test)]
mod tests;
