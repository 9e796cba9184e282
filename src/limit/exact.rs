//! One limit per key, exactly, for keys that the service knows: tenants, accounts, API keys.

mod operate;
mod quotas;
#[cfg(feature = "serde")]
mod snapshot;

use alloc::{borrow::ToOwned, boxed::Box};
use core::{borrow::Borrow, fmt, hash::Hash};

#[cfg(feature = "serde")]
pub use snapshot::ExactSnapshot;

use super::store::{Answer, Seated, Store, Terms, Unseated};
use crate::{quota::Quota, time::Timestamp, verdict::Decision};

/// A token bucket per key, with the keys kept and a hard capacity.
///
/// # Guarantee
/// Each key is limited exactly as by a [`TokenBucket`](crate::TokenBucket) of its own. A key keeps
/// its place until its bucket is full again, when it is no different from a key that never came;
/// only then may another take the place. When every place is taken by a key that is still paying
/// off its debt, [`OnSaturation`] decides about new keys, and nobody who has a place is affected.
///
/// # Quotas
/// Operators may give single keys [a quota of their own](Self::set_key_quota), change [that of all
/// others](Self::set_quota) while checks go on, [look](Self::iter) at all keys and
/// [forget](Self::forget) one. With the feature `serde`, debts and quotas survive a restart: `snapshot`
/// and `restore`.
///
/// # Concurrency
/// A check takes the lock of one shard, for a lookup and an addition. [`Hash`], [`Clone`] and
/// [`Drop`] of the key run outside of the lock; [`Borrow`] and [`Eq`] run under it (and [`Clone`]
/// where all keys are copied), and must not call back into the limiter.
///
/// # Memory
/// All of it is allocated by [`new`](Self::new): for a key of 8 bytes 70 to 95 bytes per key of the
/// capacity, and up to 5 KiB in every thousand places for [other quotas](Self::own_quotas), see
/// [`memory_bytes`](Self::memory_bytes). A check allocates only what cloning a new key
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
    /// As it was asked for.
    capacity: usize,
    on_saturation: OnSaturation,
    max_debt: u32,
    own_quotas: usize,
}

/// What becomes of a new key when no place is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
        Self {
            store: Store::new(&terms(quota, 0, OWN_QUOTAS), capacity),
            capacity,
            on_saturation: OnSaturation::Deny,
            max_debt: 0,
            own_quotas: OWN_QUOTAS,
        }
    }

    /// The same limiter with this answer to new keys while it is full.
    #[must_use]
    pub fn on_saturation(self, on_saturation: OnSaturation) -> Self {
        Self { on_saturation, ..self }
    }

    /// The same limiter with room for this many units of debt beyond an empty bucket; none unless set.
    ///
    /// [`charge_n`](Self::charge_n) and [`settle`](Self::settle) take what was used whether it is
    /// there or not; this is how far a key can sink by that, below an empty bucket. To be said before
    /// the first key comes: all places are allocated anew, and keys that have one are forgotten.
    #[must_use]
    pub fn max_debt(self, units: u32) -> Self {
        Self { max_debt: units, ..self }.anew()
    }

    /// The same limiter with room for this many different quotas of single keys; 64 unless set.
    ///
    /// So many always fit at a time, see [`set_key_quota`](Self::set_key_quota); more only by chance.
    /// Each takes 72 bytes in every thousand places. To be said before the first key comes, as
    /// [`max_debt`](Self::max_debt).
    #[must_use]
    pub fn own_quotas(self, distinct: usize) -> Self {
        Self { own_quotas: distinct, ..self }.anew()
    }

    fn anew(mut self) -> Self {
        self.store = Store::new(&self.terms(), self.capacity);
        self
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
        match self.store.charge_seated(key, n, now) {
            Seated::Original(step) => self.store.original().decision(step, n, now),
            Seated::Other(decision) => decision,
            Seated::Absent => self.check_new(key, n, now),
        }
    }

    /// [`check_n`](Self::check_n) of a key that has no place yet.
    #[cold]
    fn check_new<Q>(&self, key: &Q, n: u32, now: Timestamp) -> Decision
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.decide(self.store.charge(key, None, n, now))
    }

    /// What [`check_n`](Self::check_n) would answer if there is a place, without taking anything.
    pub fn peek_n<Q>(&self, key: &Q, n: u32, now: Timestamp) -> Decision
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.decide(self.store.peek(key, n, now))
    }

    /// Gives back `n` units of the key's that were taken before; its bucket is then at most full.
    pub fn refund_n<Q>(&self, key: &Q, n: u32, now: Timestamp)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.store.refund(key, n, now);
    }
}

impl<K> ExactLimiter<K> {
    fn decide(&self, answer: Answer) -> Decision {
        match answer {
            Answer::Judged(decision) => decision,
            Answer::Unseated(Unseated { asked, free_at }) => {
                Decision::saturated(asked, self.on_saturation == OnSaturation::Allow, free_at)
            }
        }
    }

    fn terms(&self) -> Terms {
        terms(self.quota(), self.max_debt, self.own_quotas)
    }

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

fn terms(quota: Quota, max_debt: u32, distinct: usize) -> Terms {
    Terms { quotas: Box::new([quota]), max_debt, distinct }
}

/// Different quotas of single keys, unless asked otherwise: the plans of a service, and some contracts.
const OWN_QUOTAS: usize = 64;

#[cfg(test)]
mod tests;
