//! A limit of units in use per key, over keys that an adversary may choose.

use alloc::sync::Arc;
use core::{fmt, hash::Hash};

use super::{
    Permit, Source,
    table::{Outcome, Table},
};
use crate::limit::OnSaturation;

/// A limit of units in use at a time for each key: so many requests in flight per client.
///
/// Clones share the limits. Nobody ever waits here: there is a permit at once, or there is none.
///
/// # Guarantee
/// No acquisition leaves a key with more units in use than the [`limit`](Self::limit). A key has a
/// place only while it holds permits, so no place is ever taken from anybody, and a key without
/// permits leaves nothing behind. When every place is taken, [`OnSaturation`] decides about keys that
/// have none. With [`Permits`](super::Permits) of `n` in front there are never more than `n` keys,
/// and a capacity of `n` is enough (in all but one of ten million instances, see [`new`](Self::new)).
///
/// Keys are not kept, only 64-bit hashes of them under a random seed of this instance. A newcomer
/// among a million keys has the hash of one of them with a probability of 5 · 10⁻¹⁴; the two then
/// share one limit, which is stricter for both and never more generous.
///
/// # Concurrency
/// An acquisition and a release take the lock of one shard for a few memory accesses; no code of the
/// caller runs under it. Who gets a unit sees all that its last holder did before giving it back.
///
/// # Memory
/// All of it is allocated by [`new`](Self::new), 32 to 60 bytes per key of the capacity, see
/// [`memory_bytes`](Self::memory_bytes); nothing that a client does makes it grow.
///
/// # Cost
/// O(1).
///
/// # Example: two requests in flight per client, for a thousand clients at a time
/// ```
/// use portcullis::KeyedPermits;
/// use std::net::Ipv4Addr;
///
/// let in_flight = KeyedPermits::new(2, 1_000);
/// let (one, other) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
/// let first = in_flight.try_acquire(&one).expect("nothing is in use");
/// let second = in_flight.try_acquire(&one).expect("one is in use");
/// assert!(in_flight.try_acquire(&one).is_none());
/// assert!(in_flight.try_acquire(&other).is_some());
/// drop(first);
/// assert!(in_flight.try_acquire(&one).is_some());
/// # drop(second);
/// ```
#[derive(Clone)]
pub struct KeyedPermits {
    table: Arc<Table>,
    on_saturation: OnSaturation,
}

impl KeyedPermits {
    /// A limit of `limit` units for each of up to `capacity` keys at a time, which refuses keys that
    /// have no place while it is full.
    ///
    /// All memory is allocated here. From 2,048 keys on there are up to a quarter more places than
    /// `capacity`, so that an uneven division of the keys among shards does not matter;
    /// [`capacity`](Self::capacity) tells.
    ///
    /// # Panics
    /// If the memory cannot be had, as [`Vec::with_capacity`](alloc::vec::Vec::with_capacity) does.
    #[must_use]
    pub fn new(limit: u32, capacity: usize) -> Self {
        Self { table: Arc::new(Table::new(limit, capacity)), on_saturation: OnSaturation::Deny }
    }

    /// The same limits with this answer to keys that find no place.
    ///
    /// With [`OnSaturation::Allow`] they get a permit that counts nowhere, and that says so:
    /// [`Permit::is_saturated`].
    #[must_use]
    pub fn on_saturation(self, on_saturation: OnSaturation) -> Self {
        Self { on_saturation, ..self }
    }

    /// Takes one unit of the key's, if one is free.
    #[inline]
    pub fn try_acquire<Q: Hash + ?Sized>(&self, key: &Q) -> Option<Permit> {
        self.try_acquire_n(key, 1)
    }

    /// Takes `n` units of the key's at once, or none of them.
    ///
    /// More than the limit is always refused. Zero units are granted unless the limit is zero, and
    /// take no place.
    pub fn try_acquire_n<Q: Hash + ?Sized>(&self, key: &Q, n: u32) -> Option<Permit> {
        let source = match self.table.take(key, n) {
            Outcome::Taken(place) => Source::Key(Arc::clone(&self.table), place),
            Outcome::Nothing => Source::Nothing,
            Outcome::Unseated if self.on_saturation == OnSaturation::Allow => Source::Saturated,
            Outcome::Refused | Outcome::Unseated => return None,
        };
        Some(Permit { source, units: n })
    }

    /// How many units the key has in use.
    #[must_use]
    pub fn in_use<Q: Hash + ?Sized>(&self, key: &Q) -> u32 {
        self.table.in_use(key)
    }

    /// How many units one key can have in use at a time.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.table.limit()
    }

    /// Changes the limit of every key.
    ///
    /// Permits that are out stay valid: a key that holds more than a lowered limit gets no new one
    /// until enough of them are back.
    ///
    /// # Cost
    /// Takes the lock of each shard in turn, 64 at most. Keys of different shards may see the change
    /// at different moments, all of them before this returns.
    pub fn set_limit(&self, limit: u32) {
        self.table.set_limit(limit);
    }

    /// How many keys hold permits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no key holds a permit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys can hold permits at a time, at the most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// How often a key found no place.
    #[must_use]
    pub fn times_saturated(&self) -> u64 {
        self.table.times_unseated()
    }

    /// The memory that these limits have taken, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(self.table.memory_bytes())
    }
}

/// The limit and the capacity; of the keys there is nothing to show.
impl fmt::Debug for KeyedPermits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedPermits")
            .field("limit", &self.limit())
            .field("capacity", &self.capacity())
            .field("on_saturation", &self.on_saturation)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
