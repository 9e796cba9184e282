//! Costs that are known afterwards, pardons, and looking at all keys.

use alloc::{
    borrow::ToOwned,
    vec::{self, Vec},
};
use core::{borrow::Borrow, hash::Hash};

use super::ExactLimiter;
use crate::{
    limit::{
        group::Limit,
        reservation::{Reservation, Settlement},
    },
    time::Timestamp,
    verdict::{Decision, Standing},
};

/// One key's bucket.
struct OnKey<'a, K, Q: ?Sized> {
    limiter: &'a ExactLimiter<K>,
    key: &'a Q,
}

impl<K, Q> Limit for OnKey<'_, K, Q>
where
    K: Hash + Eq + Borrow<Q>,
    Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
{
    fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        self.limiter.peek_n(self.key, n, now)
    }

    fn check_n(&self, n: u32, now: Timestamp) -> Decision {
        self.limiter.check_n(self.key, n, now)
    }

    fn refund_n(&self, n: u32, now: Timestamp) {
        self.limiter.refund_n(self.key, n, now);
    }
}

impl<K: Hash + Eq> ExactLimiter<K> {
    /// Takes `n` units of the key's whether they are there or not.
    ///
    /// What is owed beyond an empty bucket is capped at [`max_debt`](Self::max_debt). A new key that
    /// finds no place is not charged, and counted by [`times_saturated`](Self::times_saturated).
    pub fn charge_n<Q>(&self, key: &Q, n: u32, now: Timestamp)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.store.owe(key, n, now);
    }

    /// This key's bucket as a [`Limit`], for [`check_all`](crate::limit::check_all).
    pub fn on<'a, Q>(&'a self, key: &'a Q) -> impl Limit + use<'a, K, Q>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        OnKey { limiter: self, key }
    }

    /// Takes `n` units of the key's before their true number is known; see [`Reservation`].
    ///
    /// # Errors
    /// The denial, if there are not so many.
    ///
    /// # Example: a tenant pays for what the answer has cost
    /// ```
    /// use portcullis::{ExactLimiter, Quota, Timestamp};
    ///
    /// let tokens: ExactLimiter<String> =
    ///     ExactLimiter::new(Quota::per_minute(10_000), 1_000).max_debt(5_000);
    /// let now = Timestamp::from_secs(1);
    /// let reservation = tokens.reserve_n("acme", 1_000, now).expect("a full bucket has them");
    /// // … the answer comes, and was longer than anyone thought …
    /// tokens.settle("acme", reservation, 12_000, now);
    /// let standing = tokens.check("acme", now).standing();
    /// assert_eq!(standing.retry_after().as_millis(), 12_006, "2,001 units are missing");
    /// ```
    pub fn reserve_n<Q>(&self, key: &Q, n: u32, now: Timestamp) -> Result<Reservation, Decision>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        Reservation::of(n, self.check_n(key, n, now))
    }

    /// Corrects what a reservation took of the key's to what it should have been: gives the rest
    /// back, or [charges](Self::charge_n) more.
    ///
    /// A reservation that was admitted without a place ([`OnSaturation::Allow`](super::OnSaturation))
    /// has taken nothing and settles to nothing.
    pub fn settle<Q>(&self, key: &Q, reservation: Reservation, actual: u32, now: Timestamp)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        match reservation.settle_at(actual) {
            Settlement::Refund(units) => self.refund_n(key, units, now),
            Settlement::Charge(units) => self.charge_n(key, units, now),
        }
    }

    /// Gives back all that a reservation took of the key's.
    pub fn cancel<Q>(&self, key: &Q, reservation: Reservation, now: Timestamp)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.settle(key, reservation, 0, now);
    }

    /// Forgets a key, and says whether it had a place: a pardon.
    ///
    /// Its place is free, its debt is forgiven and its own quota is gone, as if it had never come. To
    /// pardon a key that keeps its own quota, [`refund_n`](Self::refund_n) it all.
    pub fn forget<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // The key is dropped here, outside of the lock.
        self.store.forget(key).is_some()
    }
}

impl<K: Clone> ExactLimiter<K> {
    /// Every key that has a place, with where it would stand if it asked for one unit.
    ///
    /// A key may be in debt or have all of its units back; its place has then not been needed since.
    ///
    /// # Concurrency
    /// The keys of one shard at a time are copied under that shard's lock, and handed out after it is
    /// released: whatever is done with them may call the limiter. (Only [`Clone`] of the key runs
    /// under the lock, and must not.) Each shard is seen at one moment, all of them are not; a key
    /// that stays is seen once.
    ///
    /// # Cost
    /// Checks of a shard's keys wait while it is copied, some ten nanoseconds a key.
    ///
    /// # Memory
    /// A copy of one shard: of all keys up to 2,047, then of some thousand or a sixty-fourth of them.
    ///
    /// # Example: who is being held back
    /// ```
    /// use portcullis::{ExactLimiter, Quota, Timestamp};
    ///
    /// let tenants: ExactLimiter<String> = ExactLimiter::new(Quota::per_second(1), 10_000);
    /// let now = Timestamp::from_secs(1);
    /// for tenant in ["acme", "globex", "acme"] {
    ///     let _ = tenants.check(tenant, now);
    /// }
    /// let mut waiting: Vec<String> = tenants
    ///     .iter(now)
    ///     .filter(|(_, standing)| !standing.retry_after().is_zero())
    ///     .map(|(tenant, _)| tenant)
    ///     .collect();
    /// waiting.sort();
    /// assert_eq!(waiting, ["acme", "globex"]);
    /// ```
    pub fn iter(&self, now: Timestamp) -> impl Iterator<Item = (K, Standing)> + '_ {
        Standings { limiter: self, now, shard: 0, copied: Vec::new().into_iter() }
    }
}

/// See [`ExactLimiter::iter`].
struct Standings<'a, K> {
    limiter: &'a ExactLimiter<K>,
    now: Timestamp,
    /// The next to be copied.
    shard: usize,
    copied: vec::IntoIter<(K, Decision)>,
}

impl<K: Clone> Iterator for Standings<'_, K> {
    type Item = (K, Standing);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, decision)) = self.copied.next() {
                return Some((key, decision.standing()));
            }
            self.copied = self.limiter.store.standings(self.shard, self.now)?.into_iter();
            self.shard = self.shard.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests;
