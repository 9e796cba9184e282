//! Quotas that change: of all keys, and of single ones.

use alloc::borrow::ToOwned;
use core::{borrow::Borrow, hash::Hash};

use super::ExactLimiter;
use crate::{
    error::KeyQuotaError,
    limit::{rates::TooManyQuotas, store::NotPinned},
    quota::Quota,
    time::Timestamp,
};

impl<K> ExactLimiter<K> {
    /// The quota of every key that has none of its own.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.store.common()
    }

    /// Changes the quota of every key that has none of its own, while checks go on.
    ///
    /// # Guarantee
    /// Debts are carried over in units: who owes seven of ten still owes seven, rounded up to the
    /// limiter's precision; who owes nothing owes nothing. Every check is judged wholly by the old
    /// quota or by the new one, so that over a change no key is admitted more than by a quota with
    /// the larger burst and the higher rate of the two.
    ///
    /// Nobody owes more than an empty bucket of the new quota (and [`max_debt`](Self::max_debt)): what
    /// is owed beyond that is forgiven. So a change to a smaller burst and back gives those who had
    /// used up the larger one the difference once more.
    ///
    /// A quota of zero is for a while: under it debts keep their time instead, and whoever still has
    /// one when it ends starts with an empty bucket.
    ///
    /// # Concurrency
    /// One shard after the other takes the new quota. Changes at the same time wait for each other.
    ///
    /// # Cost
    /// O(capacity) in all. Checks of a shard's keys wait while its debts are converted, fifteen to forty
    /// nanoseconds a key: a tenth of a millisecond up to 100,000 keys, a millisecond for a million.
    /// From then on a check takes two or three nanoseconds longer, as it does for a key with a quota
    /// of its own.
    ///
    /// # Example: half of it, until the database has recovered
    /// ```
    /// use portcullis::{ExactLimiter, Quota, Timestamp};
    ///
    /// let tenants: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(10), 1_000);
    /// let now = Timestamp::from_secs(1);
    /// assert!(tenants.check_n(&7, 4, now).is_admitted());
    ///
    /// tenants.set_quota(Quota::per_second(5), now);
    /// assert_eq!(tenants.peek_n(&7, 1, now).standing().remaining(), 1);
    /// ```
    pub fn set_quota(&self, quota: Quota, now: Timestamp) {
        self.store.set_common(quota, now);
    }
}

impl<K: Hash + Eq> ExactLimiter<K> {
    /// Gives the key a quota of its own, until it is [cleared](Self::clear_key_quota).
    ///
    /// # Guarantee
    /// What the key owes is carried over as by [`set_quota`](Self::set_quota), which does not act on
    /// this key any more. The key is given a place if it has none, and never loses it: neither by
    /// being idle nor by any number of other keys. Places that are held so are not there for others;
    /// once all are, every other key is new to a full limiter.
    ///
    /// # Errors
    /// When there is no place for the key, or when it would be one different quota too many; nothing
    /// has changed for the key then.
    ///
    /// # Cost
    /// That of a check of a new key, and a look at the up to 64 different quotas that there are (or
    /// as many as [`own_quotas`](Self::own_quotas) says).
    ///
    /// # Example: a tenant on a larger plan
    /// ```
    /// use portcullis::{ExactLimiter, Quota, Timestamp};
    ///
    /// let tenants: ExactLimiter<String> = ExactLimiter::new(Quota::per_second(10), 1_000);
    /// let now = Timestamp::from_secs(1);
    /// tenants.set_key_quota("acme", Quota::per_second(500), now)?;
    /// assert!(tenants.check_n("acme", 500, now).is_admitted());
    /// assert!(tenants.check_n("globex", 500, now).is_denied());
    /// # Ok::<(), portcullis::KeyQuotaError>(())
    /// ```
    pub fn set_key_quota<Q>(
        &self,
        key: &Q,
        quota: Quota,
        now: Timestamp,
    ) -> Result<(), KeyQuotaError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.store.set_own(key, quota, now).map_err(|problem| match problem {
            NotPinned::Unseated(unseated) => KeyQuotaError::NoPlace {
                capacity: self.capacity(),
                free_after: unseated.free_at.saturating_duration_since(now),
            },
            NotPinned::TooManyQuotas(TooManyQuotas { most }) => {
                KeyQuotaError::TooManyQuotas { most }
            }
        })
    }

    /// Puts the key back under the quota of all; the one that it had comes back.
    ///
    /// What it owes is carried over, and it keeps its place until that is paid off.
    pub fn clear_key_quota<Q>(&self, key: &Q, now: Timestamp) -> Option<Quota>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.store.clear_own(key, now)
    }

    /// The key's own quota, if it has one.
    pub fn key_quota<Q>(&self, key: &Q) -> Option<Quota>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.store.own(key)
    }
}

#[cfg(test)]
mod tests;
