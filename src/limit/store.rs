//! Shards and who takes which: the keyed store under [`ExactLimiter`](super::ExactLimiter).
//!
//! The hash of a key (keyed with a random seed of the store's own) chooses the shard with its upper
//! half and the place in the shard's index with its lower half. Capacity is divided evenly; since
//! keys do not divide as evenly, every shard has six standard deviations of a random division more
//! than its share. The number of keys that a store was made for is then reached, before any shard is
//! full, in all but one of some ten million stores.
//!
//! Each shard has the quotas beside its seats, under its lock: whatever a call does to a key, it does
//! by the quotas of one moment. A change goes from shard to shard, one change at a time.

mod operate;
#[cfg(feature = "serde")]
mod restore;

use alloc::{borrow::ToOwned, boxed::Box};
use core::{borrow::Borrow, fmt, hash::Hash};

use ahash::RandomState;
pub(crate) use operate::NotPinned;
#[cfg(feature = "serde")]
pub(crate) use restore::Put;

use super::{
    rates::{Plan, Rate, Rates},
    shard::{Newcomer, Shard},
};
use crate::{
    quota::{Quota, ticks::Step},
    sync::{AtomicU64, Mutex, Ordering},
    time::Timestamp,
    verdict::{Asked, Decision},
};

pub(crate) struct Store<K> {
    layout: Layout,
    shards: Box<[Line<K>]>,
    hasher: RandomState,
    unseated: AtomicU64,
    /// The first of the quotas that the store was made with.
    original: Rate,
    /// Held for as long as the common quota is being changed.
    change: Mutex<()>,
}

/// A shard on cache lines of its own, so that neighbours' locks do not slow each other down.
#[repr(align(128))]
struct Line<K>(Mutex<Guarded<K>>);

/// What the lock of a shard protects.
struct Guarded<K> {
    shard: Shard<K>,
    rates: Rates,
}

/// How many shards, with how many seats each.
#[derive(Clone, Copy, Debug)]
struct Layout {
    shards: usize,
    seats: u32,
}

/// What a store answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Judged(Decision),
    /// No seat for this key.
    Unseated(Unseated),
}

/// What becomes of a check in a store with one quota.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seated {
    /// A step by the quota that the store was made with, which nobody needs the lock to know.
    Original(Step),
    /// Judged by another quota.
    Other(Decision),
    /// The key has no seat, or several quotas.
    Absent,
}

/// What a key without a seat has asked, and the time before which there will be none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unseated {
    pub(crate) asked: Asked,
    pub(crate) free_at: Timestamp,
}

/// What a store is made of, besides its capacity.
pub(crate) struct Terms {
    /// The quotas of every key.
    pub(crate) quotas: Box<[Quota]>,
    /// The units that a charge may leave beyond an empty bucket.
    pub(crate) max_debt: u32,
    /// How many different quotas of their own keys may have.
    pub(crate) distinct: usize,
}

impl<K: Hash + Eq> Store<K> {
    pub(crate) fn new(terms: &Terms, capacity: usize) -> Self {
        Self::with_room(terms, Layout::of(capacity), RandomState::new(), |_| 0)
    }

    /// A store in which each shard has room for as many keys as are about to be put back.
    fn with_room(
        terms: &Terms,
        layout: Layout,
        hasher: RandomState,
        put_back: impl Fn(usize) -> u32,
    ) -> Self {
        let Terms { quotas, max_debt, distinct } = terms;
        let line = |number| {
            let common = quotas.iter().map(|quota| Rate::with_debt(*quota, *max_debt)).collect();
            let put_back = put_back(number);
            let most = (layout.seats.max(put_back) as usize).min(*distinct);
            let rates = Rates::new(common, most, *max_debt);
            let shard = Shard::new(layout.seats, put_back, &rates);
            Line(Mutex::new(Guarded { shard, rates }))
        };
        Self {
            layout,
            shards: (0..layout.shards).map(line).collect(),
            hasher,
            unseated: AtomicU64::new(0),
            original: Rate::with_debt(
                quotas.first().copied().unwrap_or(Quota::per_second(0)),
                *max_debt,
            ),
            change: Mutex::new(()),
        }
    }

    /// Takes `units` from the key's buckets, seating the key if it is new and nothing stands against it.
    ///
    /// A new key is cloned from `key` outside of the lock, unless it is given as `owned`.
    #[inline]
    pub(crate) fn charge<Q>(
        &self,
        key: &Q,
        mut owned: Option<K>,
        units: u32,
        now: Timestamp,
    ) -> Answer
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let place = self.place(key);
        let Some(line) = self.shards.get(place.shard) else {
            return Answer::Unseated(Unseated::nowhere(units, now));
        };
        loop {
            let mut guarded = line.0.lock();
            let Guarded { shard, rates } = &mut *guarded;
            if let Some(seat) = shard.find(place.hash, key) {
                if !shard.is_original(seat, rates) {
                    return Answer::Judged(shard.charge(seat, rates, units, now));
                }
                let step = shard.charge_one(seat, rates, &self.original, units, now);
                drop(guarded);
                return Answer::Judged(self.original.decision(step, units, now));
            }
            // A denial or nothing to take leaves no trace, so neither needs a seat.
            let greeting = shard.greet(rates, units, now);
            if greeting.is_denied() || units == 0 {
                return Answer::Judged(greeting);
            }
            let vacancy = match shard.vacancy(rates, now) {
                Ok(vacancy) => vacancy,
                Err(free_at) => {
                    let asked = rates.first(Plan::COMMON).asked(units, now);
                    return Answer::Unseated(self.unseated(asked, free_at));
                }
            };
            let Some(key) = owned.take() else {
                drop(guarded);
                owned = Some(key.to_owned());
                continue;
            };
            let newcomer = Newcomer { key, hash: place.hash };
            let (seat, former) = shard.seat(newcomer, vacancy, rates, now);
            let decision = shard.charge(seat, rates, units, now);
            shard.note_seat(seat, rates);
            // Dropping a key runs the caller's code: not under the lock.
            drop(guarded);
            drop(former);
            return Answer::Judged(decision);
        }
    }

    /// [`charge`](Self::charge) for a key that has a seat, in a store with one quota.
    #[inline]
    pub(crate) fn charge_seated<Q>(&self, key: &Q, units: u32, now: Timestamp) -> Seated
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let place = self.place(key);
        let Some(line) = self.shards.get(place.shard) else { return Seated::Absent };
        let mut guarded = line.0.lock();
        let Guarded { shard, rates } = &mut *guarded;
        let Some(seat) = shard.find(place.hash, key) else { return Seated::Absent };
        if shard.is_original(seat, rates) {
            return Seated::Original(shard.charge_one(seat, rates, &self.original, units, now));
        }
        // Rare, and a little slower: after a change of the quota, and for keys with one of their own.
        // Several quotas: whoever asks looks again by the way that is for all.
        let [rate] = rates.of(shard.plan(seat)) else { return Seated::Absent };
        Seated::Other(rate.decision(shard.charge_one(seat, rates, rate, units, now), units, now))
    }

    /// What [`charge`](Self::charge) would answer if there is a seat.
    pub(crate) fn peek<Q>(&self, key: &Q, units: u32, now: Timestamp) -> Answer
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let place = self.place(key);
        let Some(line) = self.shards.get(place.shard) else {
            return Answer::Unseated(Unseated::nowhere(units, now));
        };
        let Guarded { shard, rates } = &*line.0.lock();
        Answer::Judged(match shard.find(place.hash, key) {
            Some(seat) => shard.peek(seat, rates, units, now),
            None => shard.greet(rates, units, now),
        })
    }

    pub(crate) fn refund<Q>(&self, key: &Q, units: u32, now: Timestamp)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.if_seated(key, |shard, rates, seat| shard.refund(seat, rates, units, now));
    }

    #[inline]
    fn place<Q: Hash + ?Sized>(&self, key: &Q) -> Place {
        Place::of(key, &self.hasher, self.shards.len())
    }
}

impl<K> Store<K> {
    /// The quota that the store was made with.
    pub(crate) fn original(&self) -> &Rate {
        &self.original
    }

    /// How often a new key found no seat.
    pub(crate) fn times_unseated(&self) -> u64 {
        self.unseated.load(Ordering::Relaxed)
    }

    pub(crate) fn len(&self) -> usize {
        self.sum(|guarded| guarded.shard.len())
    }

    pub(crate) fn capacity(&self) -> usize {
        self.layout.places()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let own = size_of::<Self>().saturating_add(size_of_val(&*self.shards));
        own.saturating_add(self.sum(|Guarded { shard, rates }| {
            shard.memory_bytes().saturating_add(rates.memory_bytes())
        }))
    }

    fn sum(&self, of: impl Fn(&Guarded<K>) -> usize) -> usize {
        self.shards.iter().fold(0, |sum, line| sum.saturating_add(of(&line.0.lock())))
    }

    #[cold]
    fn unseated(&self, asked: Asked, free_at: Timestamp) -> Unseated {
        // Relaxed: a counter.
        self.unseated.fetch_add(1, Ordering::Relaxed);
        Unseated { asked, free_at }
    }
}

impl Layout {
    fn of(capacity: usize) -> Self {
        let (shards, seats) = divided(capacity);
        Self { shards, seats }
    }

    fn places(self) -> usize {
        self.shards.saturating_mul(self.seats as usize)
    }
}

impl Unseated {
    /// There is always a shard; if there were none, nobody would ever have a seat.
    fn nowhere(units: u32, now: Timestamp) -> Self {
        let asked = Rate::of(Quota::per_second(0)).asked(units, now);
        Self { asked, free_at: Timestamp::MAX }
    }
}

/// Neither keys nor debts: there may be a million of them, and a log is no place for addresses.
impl<K> fmt::Debug for Store<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

/// Where a key belongs.
struct Place {
    shard: usize,
    hash: u32,
}

impl Place {
    #[inline]
    fn of<Q: Hash + ?Sized>(key: &Q, hasher: &RandomState, shards: usize) -> Self {
        let hash = hasher.hash_one(key);
        Self { shard: shard_of(hash, shards), hash: index_hash(hash) }
    }
}

/// The number of shards for a capacity, a power of two, and the seats of each.
pub(crate) fn divided(capacity: usize) -> (usize, u32) {
    let shards = (capacity / SEATS_PER_SHARD).clamp(1, MOST_SHARDS).next_power_of_two();
    let share = capacity.div_ceil(shards);
    let slack = if shards == 1 { 0 } else { share.isqrt().saturating_mul(6) };
    (shards, u32::try_from(share.saturating_add(slack)).unwrap_or(u32::MAX - 1))
}

/// Which of so many shards (a power of two) a hash belongs to: by its upper half.
#[inline]
pub(crate) fn shard_of(hash: u64, shards: usize) -> usize {
    // The shift leaves 32 bits.
    usize::try_from(hash >> 32).unwrap_or(0) & shards.wrapping_sub(1)
}

/// What a shard's index knows a hash by: its lower half.
#[inline]
pub(crate) fn index_hash(hash: u64) -> u32 {
    u32::try_from(hash & u64::from(u32::MAX)).unwrap_or(0)
}

/// A shard's share is about this many seats, or more where there are [`MOST_SHARDS`].
const SEATS_PER_SHARD: usize = 1_024;
/// More would not lower contention further on the machines there are.
const MOST_SHARDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::{divided, index_hash, shard_of};

    /// The halves of a hash, each where the other has no part: else all keys of a shard would begin at one place.
    #[test]
    fn a_shard_is_chosen_by_one_half_of_a_hash_and_a_place_by_the_other() {
        let hash = 0x1234_5678_9abc_def0;
        assert_eq!(index_hash(hash), 0x9abc_def0);
        assert_eq!([1, 2, 16, 64].map(|shards| shard_of(hash, shards)), [0, 0, 8, 0x38]);
    }

    #[test]
    fn large_capacities_are_divided() {
        assert_eq!([0, 1, 2_047].map(divided), [(1, 0), (1, 1), (1, 2_047)]);
        // Six times the root of 1,024, and of 15,625.
        assert_eq!(divided(2_048), (2, 1_024 + 192));
        assert_eq!(divided(1_000_000), (64, 15_625 + 750));
        assert_eq!(divided(usize::MAX), (64, u32::MAX - 1));
    }
}
