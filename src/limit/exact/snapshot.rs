//! Debts and quotas over a restart.
//!
//! A snapshot has no clock: each debt is what is still owed at the snapshot's moment, in ticks of its
//! quota, so that a process with another origin of time goes on to the nanosecond. (Ticks longer than
//! a nanosecond, of buckets that take more than 36 years to fill, may come out two of them off.)
//!
//! Keys that owe nothing and have no quota of their own are left out: they are no different from
//! those that never came.
//!
//! Invariants: **I1** a limiter that is restored decides as if it had never stopped; **I2** a
//! snapshot that is damaged, of another version or in contradiction with itself restores nothing.

use alloc::vec::Vec;
use core::{fmt, hash::Hash, time::Duration};

use serde::{Deserialize, Serialize};

use super::ExactLimiter;
use crate::{
    error::SnapshotError,
    limit::{
        rates::Rate,
        snapshot::{Checksum, VERSION},
        store::{Put, Store},
    },
    quota::{Quota, ticks::SLACK},
    time::{self, Timestamp},
};

/// What an [`ExactLimiter`] knows, to be written down and read by a later process.
///
/// Made by [`ExactLimiter::snapshot`], used by [`ExactLimiter::restore`]; in between it goes through
/// any format of serde. It holds the keys, so it is as confidential as they are. A checksum tells
/// damage; it is no signature, so a snapshot is to be kept where nobody else can write.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactSnapshot<K> {
    version: u32,
    content: Content<K>,
    checksum: u64,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content<K> {
    /// Entries refer to these by number; the first is the limiter's.
    quotas: Vec<Quota>,
    /// In units; with a quota, it says what a tick is.
    max_debt: u32,
    /// How long after the snapshot's moment new keys start, by clocks that were ahead.
    ahead_nanos: u64,
    keys: Vec<Entry<K>>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry<K> {
    key: K,
    quota: usize,
    /// Whether the quota is the key's own.
    own: bool,
    /// In ticks of the quota.
    owed: u64,
}

impl<K> ExactSnapshot<K> {
    /// How many keys it holds: those in debt, and those with a quota of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        self.content.keys.len()
    }

    /// Whether there is nothing to be remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The limiter's quota at the time.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.content.quotas.first().copied().unwrap_or(Quota::per_second(0))
    }
}

/// How many keys, not which.
impl<K> fmt::Debug for ExactSnapshot<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactSnapshot")
            .field("version", &self.version)
            .field("keys", &self.len())
            .finish_non_exhaustive()
    }
}

impl<K: Clone + Serialize> ExactLimiter<K> {
    /// What this limiter knows at `now`: every debt, and every key's own quota.
    ///
    /// # Concurrency
    /// As [`iter`](Self::iter): shard by shard, while checks go on; keys are cloned under the lock.
    ///
    /// # Memory
    /// A copy of all keys that are in debt or have a quota of their own.
    ///
    /// # Example: over a restart
    /// ```
    /// use portcullis::{ExactLimiter, Quota, Timestamp};
    /// use std::time::Duration;
    ///
    /// let tenants: ExactLimiter<String> = ExactLimiter::new(Quota::per_hour(10), 1_000);
    /// assert!(tenants.check_n("acme", 10, Timestamp::from_secs(5_000)).is_admitted());
    /// let text = serde_json::to_string(&tenants.snapshot(Timestamp::from_secs(5_000)))?;
    ///
    /// // Ten minutes later, in another process, whose clock starts at zero.
    /// let mut tenants: ExactLimiter<String> = ExactLimiter::new(Quota::per_hour(10), 1_000);
    /// let now = Timestamp::ZERO;
    /// tenants.restore(serde_json::from_str(&text)?, Duration::from_secs(600), now)?;
    /// assert!(tenants.check_n("acme", 1, now).is_admitted());
    /// assert!(tenants.check_n("acme", 1, now).is_denied());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> ExactSnapshot<K> {
        let mut quotas = alloc::vec![self.quota()];
        let mut keys = Vec::new();
        let ahead_nanos = self.store.debts(now, |Put { key, rate, own, owed }| {
            let known = quotas.iter().position(|quota| *quota == rate.quota);
            let quota = known.unwrap_or(quotas.len());
            if known.is_none() {
                quotas.push(rate.quota);
            }
            keys.push(Entry { key, quota, own, owed });
        });
        let content = Content { quotas, max_debt: self.max_debt, ahead_nanos, keys };
        // What cannot be summed cannot be written either, so nobody will read it.
        let checksum = Checksum::of(&(VERSION, &content)).unwrap_or(0);
        ExactSnapshot { version: VERSION, content, checksum }
    }
}

impl<K: Hash + Eq + Serialize> ExactLimiter<K> {
    /// Replaces all that this limiter knows by a snapshot that was made `down` before `now`.
    ///
    /// The limiter keeps its own capacity, quota and room for debt, which may differ from those of the
    /// snapshot's: debts are then carried over as by [`set_quota`](Self::set_quota). Where `down` is
    /// not known, zero is on the strict side.
    ///
    /// # Guarantee
    /// With the same quota it goes on deciding as if there had been no restart.
    ///
    /// # Errors
    /// When the snapshot is of another version, damaged, or says what cannot be: a key twice, a debt
    /// that no quota allows, a quota that is not there, more keys than this limiter is for (a
    /// limiter of more than one shard takes an eighth more, for keys that do not divide as they did).
    /// The limiter is then empty, as it was made, and goes on working.
    ///
    /// # Panics
    /// If the memory cannot be had, as by [`new`](Self::new).
    pub fn restore(
        &mut self,
        snapshot: ExactSnapshot<K>,
        down: Duration,
        now: Timestamp,
    ) -> Result<(), SnapshotError> {
        let restored = self.restored(snapshot, down, now);
        let (store, outcome) = match restored {
            Ok(store) => (store, Ok(())),
            Err(error) => (Store::new(&self.terms(), self.capacity), Err(error)),
        };
        self.store = store;
        outcome
    }

    fn restored(
        &self,
        snapshot: ExactSnapshot<K>,
        down: Duration,
        now: Timestamp,
    ) -> Result<Store<K>, SnapshotError> {
        let ExactSnapshot { version, content, checksum } = snapshot;
        if version != VERSION {
            return Err(SnapshotError::Version { found: version, known: VERSION });
        }
        if Checksum::of(&(version, &content)) != Ok(checksum) {
            return Err(SnapshotError::Damaged);
        }
        let Content { quotas, max_debt, ahead_nanos, keys } = content;
        let rates: Vec<Rate> =
            quotas.iter().map(|quota| Rate::with_debt(*quota, max_debt)).collect();
        let down = Timestamp::from_nanos(time::nanos(down).unwrap_or(u64::MAX));
        let mut puts = Vec::with_capacity(keys.len());
        for (at, Entry { key, quota, own, owed }) in keys.into_iter().enumerate() {
            let Some(rate) = rates.get(quota).copied() else {
                return Err(SnapshotError::UnknownQuota { entry: at, quota });
            };
            if owed > rate.ticks.lawful && !rate.quota.is_zero() {
                return Err(SnapshotError::TooMuchDebt { entry: at });
            }
            let paid = rate.ticks.scale.absolute(down);
            let owed = owed.saturating_sub(u64::try_from(paid).unwrap_or(u64::MAX));
            puts.push(Put { key, rate, own, owed });
        }
        let ahead = Duration::from_nanos(ahead_nanos.saturating_sub(down.as_nanos()).min(SLACK));
        Store::restored(&self.terms(), self.capacity, puts, now, now.saturating_add(ahead))
    }
}

#[cfg(test)]
mod tests;
