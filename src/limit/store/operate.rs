//! What operators do to a store; each verb looks a key up, or goes from shard to shard.

use alloc::{borrow::ToOwned, vec::Vec};
use core::{borrow::Borrow, hash::Hash};

use super::{Guarded, Store, Unseated};
use crate::{
    limit::{
        rates::{Plan, Rates, TooManyQuotas},
        shard::{Newcomer, Shard},
    },
    quota::Quota,
    time::Timestamp,
    verdict::Decision,
};

/// Why a key does not get a quota of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NotPinned {
    Unseated(Unseated),
    TooManyQuotas(TooManyQuotas),
}

impl<K: Hash + Eq> Store<K> {
    /// Takes `units` from the key's buckets whether they are there or not, if there is a seat for it.
    pub(crate) fn owe<Q>(&self, key: &Q, units: u32, now: Timestamp)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if units > 0 {
            // Who finds no seat is counted; there is nobody to tell.
            let _ = self.seated(key, units, now, |shard, rates, seat| {
                shard.owe(seat, rates, units, now);
            });
        }
    }

    /// Gives the key a quota of its own, and a seat if it has none.
    pub(crate) fn set_own<Q>(&self, key: &Q, quota: Quota, now: Timestamp) -> Result<(), NotPinned>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.seated(key, 0, now, |shard, rates, seat| shard.set_own(seat, rates, Some(quota), now))
            .map_err(NotPinned::Unseated)?
            .map_err(NotPinned::TooManyQuotas)
            .map(|_| ())
    }

    /// Puts the key back under the common quota; the one that it had comes back.
    pub(crate) fn clear_own<Q>(&self, key: &Q, now: Timestamp) -> Option<Quota>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.if_seated(key, |shard, rates, seat| shard.set_own(seat, rates, None, now))?
            .ok()
            .flatten()
    }

    pub(crate) fn own<Q>(&self, key: &Q) -> Option<Quota>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.if_seated(key, |shard, rates, seat| shard.own(seat, rates))?
    }

    /// Frees the key's seat; the key as it was kept comes back.
    pub(crate) fn forget<Q>(&self, key: &Q) -> Option<K>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.if_seated(key, |shard, rates, seat| shard.forget(seat, rates))?
    }

    /// Does something under the lock to a key that has a seat.
    pub(super) fn if_seated<Q, R>(
        &self,
        key: &Q,
        act: impl FnOnce(&mut Shard<K>, &mut Rates, u32) -> R,
    ) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let place = self.place(key);
        let mut guarded = self.shards.get(place.shard)?.0.lock();
        let Guarded { shard, rates } = &mut *guarded;
        let seat = shard.find(place.hash, key)?;
        Some(act(shard, rates, seat))
    }

    /// Does something under the lock to a key, seating it first if it has no seat.
    fn seated<Q, R>(
        &self,
        key: &Q,
        units: u32,
        now: Timestamp,
        act: impl FnOnce(&mut Shard<K>, &mut Rates, u32) -> R,
    ) -> Result<R, Unseated>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let place = self.place(key);
        let Some(line) = self.shards.get(place.shard) else {
            return Err(Unseated::nowhere(units, now));
        };
        let mut owned = None;
        loop {
            let mut guarded = line.0.lock();
            let Guarded { shard, rates } = &mut *guarded;
            if let Some(seat) = shard.find(place.hash, key) {
                return Ok(act(shard, rates, seat));
            }
            let vacancy = match shard.vacancy(rates, now) {
                Ok(vacancy) => vacancy,
                Err(free_at) => {
                    let asked = rates.first(Plan::COMMON).asked(units, now);
                    return Err(self.unseated(asked, free_at));
                }
            };
            let Some(key) = owned.take() else {
                drop(guarded);
                // Cloning a key runs the caller's code: not under the lock.
                owned = Some(key.to_owned());
                continue;
            };
            let newcomer = Newcomer { key, hash: place.hash };
            let (seat, former) = shard.seat(newcomer, vacancy, rates, now);
            let outcome = act(shard, rates, seat);
            shard.note_seat(seat, rates);
            drop(guarded);
            drop(former);
            return Ok(outcome);
        }
    }
}

impl<K> Store<K> {
    /// The common quota, of a store that has one.
    pub(crate) fn common(&self) -> Quota {
        let quota = self.shards.first().map(|line| line.0.lock().rates.first(Plan::COMMON).quota);
        quota.unwrap_or(Quota::per_second(0))
    }

    /// Changes the common quota, of a store that has one, shard by shard.
    pub(crate) fn set_common(&self, quota: Quota, now: Timestamp) {
        // Two changes at once would leave some shards with the one and some with the other.
        let _turn = self.change.lock();
        for line in &self.shards {
            let Guarded { shard, rates } = &mut *line.0.lock();
            shard.set_common(rates, quota, now);
        }
    }

    /// A copy of one shard's keys and standings; `None` past the last shard.
    pub(crate) fn standings(&self, shard: usize, now: Timestamp) -> Option<Vec<(K, Decision)>>
    where
        K: Clone,
    {
        let line = self.shards.get(shard)?;
        // Memory before the lock; it may be a few keys short.
        let mut copy = Vec::with_capacity(line.0.lock().shard.len());
        let Guarded { shard, rates } = &*line.0.lock();
        copy.extend(shard.standings(rates, now).map(|(key, decision)| (key.clone(), decision)));
        Some(copy)
    }
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;

    use super::Store;
    use crate::{
        limit::store::{Answer, Seated, Terms},
        quota::Quota,
        time::Timestamp,
    };

    /// A key under the quota from the beginning is judged outside of the lock, others by theirs.
    #[test]
    fn a_changed_quota_is_looked_up() {
        let quotas = Box::new([Quota::per_hour(100)]);
        let store: Store<u32> = Store::new(&Terms { quotas, max_debt: 0, distinct: 1 }, 4);
        let now = Timestamp::from_secs(1_000);
        for key in [1, 2] {
            assert!(matches!(store.charge_seated(&key, 1, now), Seated::Absent));
            assert!(matches!(store.charge(&key, None, 1, now), Answer::Judged(_)));
            assert!(matches!(store.charge_seated(&key, 1, now), Seated::Original(_)));
        }
        assert!(store.set_own(&1, Quota::per_hour(100), now).is_ok());
        assert!(matches!(store.charge_seated(&1, 1, now), Seated::Other(_)));
        assert!(matches!(store.charge_seated(&2, 1, now), Seated::Original(_)));
        store.set_common(Quota::per_hour(100), now);
        assert!(matches!(store.charge_seated(&2, 1, now), Seated::Other(_)));
    }

    /// Of nothing, nothing is written: a clock that lags sees the bucket as it was.
    #[test]
    fn nothing_is_charged_for_nothing_under_several_quotas() {
        let quotas = Box::new([Quota::per_hour(100), Quota::per_day(50)]);
        let store: Store<u32> = Store::new(&Terms { quotas, max_debt: 0, distinct: 0 }, 4);
        let left =
            |millis, units| match store.charge(&1, None, units, Timestamp::from_millis(millis)) {
                Answer::Judged(decision) => decision.standing().remaining(),
                Answer::Unseated(_) => panic!("there are four seats"),
            };
        assert_eq!([left(1_000, 1), left(1_000, 1), left(1_000, 0)], [49, 48, 48]);
        assert_eq!(left(1_000, 60), 48, "too many for a day, and an hour's are not taken either");
        assert_eq!(left(1_000, 0), 48);
        assert_eq!(left(9_000_000, 0), 50);
        assert_eq!(left(8_999_500, 0), 50);
    }

    /// The verbs are the same under several quotas, where a seat's debts lie in two places.
    #[test]
    fn several_quotas_are_charged_and_forgotten_together() {
        let quotas = Box::new([Quota::per_hour(100), Quota::per_day(50)]);
        let store: Store<u32> = Store::new(&Terms { quotas, max_debt: 20, distinct: 0 }, 4);
        let now = Timestamp::from_secs(1_000);
        let left = |key: u32| match store.peek(&key, 1, now) {
            Answer::Judged(decision) => decision.standing().remaining(),
            Answer::Unseated(_) => panic!("a peek needs no seat"),
        };
        for key in 0..4 {
            store.owe(&key, 10 * (key + 1), now);
        }
        assert_eq!([0, 1, 2, 3].map(left), [40, 30, 20, 10]);
        assert_eq!(store.forget(&1), Some(1));
        assert_eq!([0, 1, 2, 3].map(left), [40, 50, 20, 10]);
        assert_eq!(store.forget(&3), Some(3));
        assert_eq!([0, 1, 2, 3].map(left), [40, 50, 20, 50]);

        store.owe(&2, u32::MAX, now);
        assert_eq!((left(2), store.len()), (0, 2));
        // 70 are owed by the day, 120 by the hour.
        store.refund(&2, 69, now);
        assert_eq!(left(2), 49);
        assert!(matches!(store.charge(&2, None, 50, now), Answer::Judged(j) if j.is_denied()));
    }
}
