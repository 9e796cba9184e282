//! What a store knows, taken out and put back in.

use alloc::vec::Vec;
use core::hash::Hash;

use ahash::RandomState;

use super::{Guarded, Layout, Place, Store, Terms};
use crate::{
    error::SnapshotError,
    limit::{
        rates::{Rate, TooManyQuotas},
        shard::Newcomer,
    },
    time::Timestamp,
};

/// A key and its debt, by a rate that may be its own.
pub(crate) struct Put<K> {
    pub(crate) key: K,
    pub(crate) rate: Rate,
    pub(crate) own: bool,
    /// In ticks of the rate.
    pub(crate) owed: u64,
}

impl<K: Clone> Store<K> {
    /// Hands out all keys that owe something or have a quota of their own, of a store with one quota;
    /// returns how long after `now` new keys start.
    ///
    /// Copied under the lock of one shard at a time, and handed out after it is released.
    pub(crate) fn debts(&self, now: Timestamp, mut visit: impl FnMut(Put<K>)) -> u64 {
        let mut ahead = 0_u64;
        for line in &self.shards {
            // Memory before the lock; it may be a few keys short.
            let mut copy = Vec::with_capacity(line.0.lock().shard.len());
            {
                let Guarded { shard, rates } = &*line.0.lock();
                ahead = ahead.max(shard.start_ahead(now));
                let debts = shard.debts(rates, now);
                copy.extend(
                    debts
                        .filter(|(_, _, own, owed)| *own || *owed > 0)
                        .map(|(key, rate, own, owed)| Put { key: key.clone(), rate, own, owed }),
                );
            }
            copy.into_iter().for_each(&mut visit);
        }
        ahead
    }
}

impl<K: Hash + Eq> Store<K> {
    /// A store with these keys in it, which owe what they owe at `now`; new keys begin at `start`.
    pub(crate) fn restored(
        terms: &Terms,
        capacity: usize,
        puts: Vec<Put<K>>,
        now: Timestamp,
        start: Timestamp,
    ) -> Result<Self, SnapshotError> {
        let layout = Layout::of(capacity);
        let most = layout.most_put_back();
        if puts.len() > most {
            return Err(SnapshotError::TooManyKeys { keys: puts.len(), most });
        }
        // Keys divide otherwise than before, by another seed: shards are made for as many as they get.
        let hasher = RandomState::new();
        let mut shares = alloc::vec![0_u32; layout.shards];
        for put in &puts {
            if let Some(share) = shares.get_mut(Place::of(&put.key, &hasher, layout.shards).shard) {
                *share = share.saturating_add(1);
            }
        }
        let share = |number: usize| shares.get(number).copied().unwrap_or(0);
        let store = Self::with_room(terms, layout, hasher, share);
        for (entry, put) in puts.into_iter().enumerate() {
            store.put_back(entry, put, now)?;
        }
        for line in &store.shards {
            line.0.lock().shard.start_at(start);
        }
        Ok(store)
    }

    fn put_back(&self, entry: usize, put: Put<K>, now: Timestamp) -> Result<(), SnapshotError> {
        let Put { key, rate, own, owed } = put;
        let place = self.place(&key);
        let Some(line) = self.shards.get(place.shard) else { return Ok(()) };
        let Guarded { shard, rates } = &mut *line.0.lock();
        if shard.find(place.hash, &key).is_some() {
            return Err(SnapshotError::DuplicateKey { entry });
        }
        let newcomer = Newcomer { key, hash: place.hash };
        shard
            .put_back(newcomer, rates, (rate, own, owed), now)
            .map_err(|TooManyQuotas { most }| SnapshotError::TooManyQuotas { most })
    }
}

impl Layout {
    /// The most keys that are put back: an eighth more than there are places, where keys are divided
    /// among shards, since those of full shards do not divide evenly again.
    fn most_put_back(self) -> usize {
        let places = self.places();
        let slack = if self.shards == 1 { 0 } else { places / 8 };
        places.saturating_add(slack)
    }
}

#[cfg(test)]
mod tests {
    use super::Layout;

    #[test]
    fn an_eighth_more_than_there_are_places_is_put_back_where_keys_are_divided() {
        assert_eq!(Layout::of(2_047).most_put_back(), 2_047);
        // Two shards of 1,216 seats.
        assert_eq!(Layout::of(2_048).most_put_back(), 2_432 + 304);
    }
}
