//! One limit per key, exactly, for keys that the service knows: tenants, accounts, API keys.

use alloc::{borrow::ToOwned, boxed::Box};
use core::{borrow::Borrow, fmt, hash::Hash};

use super::{
    shard::Rate,
    store::{Answer, Store},
};
use crate::{
    quota::Quota,
    time::Timestamp,
    verdict::{Asked, Decision},
};

/// A token bucket per key, with the keys kept and a hard capacity.
///
/// # Guarantee
/// Each key is limited exactly as by a [`TokenBucket`](crate::TokenBucket) of its own. A key keeps
/// its place until its bucket is full again, when it is no different from a key that never came;
/// only then may another take the place. When every place is taken by a key that is still paying
/// off its debt, [`OnSaturation`] decides about new keys, and nobody who has a place is affected.
///
/// # Concurrency
/// A check takes the lock of one shard, for a lookup and an addition. [`Hash`], [`Clone`] and
/// [`Drop`] of the key run outside of the lock; [`Borrow`] and [`Eq`] run under it and must not call
/// back into the limiter.
///
/// # Memory
/// All of it is allocated by [`new`](Self::new): for a key of 8 bytes 70 to 95 bytes per key of the
/// capacity, see [`memory_bytes`](Self::memory_bytes). A check allocates only what cloning a new key
/// does (and, once for each thread that ever waits for a lock, what the lock needs to wait with).
///
/// # Cost
/// O(1); for a new key O(log n), and in a full limiter it looks at two hundred places at most. (Once
/// after a clock was set back, O(n log n).)
///
/// # Example: ten a second for each tenant
/// ```
/// use portcullis::{ExactLimiter, Quota, Timestamp};
///
/// let tenants: ExactLimiter<String> = ExactLimiter::new(Quota::per_second(10), 10_000);
/// let now = Timestamp::from_secs(1);
/// assert!(tenants.check_n("acme", 10, now).is_admitted());
/// assert!(tenants.check("acme", now).is_denied());
/// assert!(tenants.check("globex", now).is_admitted());
/// ```
pub struct ExactLimiter<K> {
    store: Store<K>,
    on_saturation: OnSaturation,
}

/// What becomes of a new key when no place is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum OnSaturation {
    /// It is denied: the limit holds for everybody, newcomers wait.
    #[default]
    Deny,
    /// It is admitted and not counted: nobody is kept out, and newcomers are not limited.
    Allow,
}

impl<K: Hash + Eq> ExactLimiter<K> {
    /// A limiter for up to `capacity` keys at a time, which denies new keys while it is full.
    ///
    /// All memory is allocated here. From 2,048 keys on there are up to a quarter more places than
    /// `capacity`, so that an uneven division of the keys among shards does not matter;
    /// [`capacity`](Self::capacity) tells.
    ///
    /// # Panics
    /// If the memory cannot be had, as [`Vec::with_capacity`](alloc::vec::Vec::with_capacity) does.
    #[must_use]
    pub fn new(quota: Quota, capacity: usize) -> Self {
        let rates = Box::new([Rate::of(quota)]);
        Self { store: Store::new(rates, capacity), on_saturation: OnSaturation::Deny }
    }

    /// The same limiter with this answer to new keys while it is full.
    #[must_use]
    pub fn on_saturation(self, on_saturation: OnSaturation) -> Self {
        Self { on_saturation, ..self }
    }

    /// Takes one unit of the key's, if there is one.
    #[inline]
    pub fn check<Q>(&self, key: &Q, now: Timestamp) -> Decision
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.check_n(key, 1, now)
    }

    /// Takes `n` units of the key's at once, or none of them.
    #[inline]
    pub fn check_n<Q>(&self, key: &Q, n: u32, now: Timestamp) -> Decision
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if let [rate] = self.store.rates() {
            if let Some(step) = self.store.charge_seated(key, rate, n, now) {
                return rate.decision(step, n, now);
            }
        }
        self.check_new(key, n, now)
    }

    /// [`check_n`](Self::check_n) of a key that has no place yet.
    #[cold]
    fn check_new<Q>(&self, key: &Q, n: u32, now: Timestamp) -> Decision
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        match self.store.charge(key, None, n, now) {
            Answer::Judged(judgement) => judgement.decision,
            Answer::Unseated { free_at } => self.saturated(n, free_at, now),
        }
    }

    /// What [`check_n`](Self::check_n) would answer if there is a place, without taking anything.
    pub fn peek_n<Q>(&self, key: &Q, n: u32, now: Timestamp) -> Decision
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        match self.store.peek(key, n, now) {
            Some(judgement) => judgement.decision,
            None => self.saturated(n, Timestamp::MAX, now),
        }
    }

    /// Gives back `n` units of the key's that were taken before; its bucket is then at most full.
    pub fn refund_n<Q>(&self, key: &Q, n: u32, now: Timestamp)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.store.refund(key, n, now);
    }

    fn saturated(&self, units: u32, free_at: Timestamp, now: Timestamp) -> Decision {
        let rate = self.store.rates().first().copied().unwrap_or(Rate::of(Quota::per_second(0)));
        let asked = Asked { scale: rate.ticks.scale, limit: rate.limit, units, now };
        Decision::saturated(asked, self.on_saturation == OnSaturation::Allow, free_at)
    }
}

impl<K> ExactLimiter<K> {
    /// How many places are taken, by keys in debt and by keys whose place has not been needed since.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether no key has come yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys have a place at the most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.store.capacity()
    }

    /// How often a new key found no place.
    #[must_use]
    pub fn times_saturated(&self) -> u64 {
        self.store.times_unseated()
    }

    /// The memory that this limiter has taken, in bytes, without what the keys themselves point to.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.store.memory_bytes()
    }
}

/// The capacity and what happens beyond it, not the keys.
impl<K> fmt::Debug for ExactLimiter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactLimiter")
            .field("capacity", &self.capacity())
            .field("on_saturation", &self.on_saturation)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
