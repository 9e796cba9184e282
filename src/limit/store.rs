//! Shards and who takes which: the keyed store under [`ExactLimiter`](super::ExactLimiter) and the gate.
//!
//! The hash of a key (keyed with a random seed of the store's own) chooses the shard with its upper
//! half and the place in the shard's index with its lower half. Capacity is divided evenly; since
//! keys do not divide as evenly, every shard has six standard deviations of a random division more
//! than its share. The number of keys that a store was made for is then reached, before any shard is
//! full, in all but one of some ten million stores.

use alloc::{borrow::ToOwned, boxed::Box};
use core::{borrow::Borrow, fmt, hash::Hash};

use ahash::RandomState;

use super::shard::{Judgement, Newcomer, Rate, Shard};
use crate::{
    quota::ticks::Step,
    sync::{AtomicU64, Mutex, Ordering},
    time::Timestamp,
};

pub(crate) struct Store<K> {
    capacity: usize,
    rates: Box<[Rate]>,
    shards: Box<[Line<K>]>,
    hasher: RandomState,
    unseated: AtomicU64,
}

/// A shard on cache lines of its own, so that neighbours' locks do not slow each other down.
#[repr(align(128))]
struct Line<K>(Mutex<Shard<K>>);

/// What a store answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Judged(Judgement),
    /// No seat for this key, and none before this time.
    Unseated {
        free_at: Timestamp,
    },
}

impl<K: Hash + Eq> Store<K> {
    pub(crate) fn new(rates: Box<[Rate]>, capacity: usize) -> Self {
        let (shards, seats) = divided(capacity);
        Self {
            capacity: shards.saturating_mul(seats as usize),
            shards: (0..shards).map(|_| Line(Mutex::new(Shard::new(seats, &rates)))).collect(),
            rates,
            hasher: RandomState::new(),
            unseated: AtomicU64::new(0),
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
            return Answer::Unseated { free_at: Timestamp::MAX };
        };
        loop {
            let mut shard = line.0.lock();
            if let Some(seat) = shard.find(place.hash, key) {
                return Answer::Judged(shard.charge(seat, &self.rates, units, now));
            }
            // A denial or nothing to take leaves no trace, so neither needs a seat.
            let greeting = shard.greet(&self.rates, units, now);
            if greeting.decision.is_denied() || units == 0 {
                return Answer::Judged(greeting);
            }
            let vacancy = match shard.vacancy(&self.rates, now) {
                Ok(vacancy) => vacancy,
                Err(free_at) => {
                    // Relaxed: a counter.
                    self.unseated.fetch_add(1, Ordering::Relaxed);
                    return Answer::Unseated { free_at };
                }
            };
            let Some(key) = owned.take() else {
                drop(shard);
                owned = Some(key.to_owned());
                continue;
            };
            let newcomer = Newcomer { key, hash: place.hash };
            let (judgement, former) = shard.seat(newcomer, vacancy, &self.rates, units, now);
            // Dropping a key runs the caller's code: not under the lock.
            drop(shard);
            drop(former);
            return Answer::Judged(judgement);
        }
    }

    /// [`charge`](Self::charge) for a key that has a seat, under one quota; `None` if it has none.
    #[inline]
    pub(crate) fn charge_seated<Q>(
        &self,
        key: &Q,
        rate: &Rate,
        units: u32,
        now: Timestamp,
    ) -> Option<Step>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let place = self.place(key);
        let mut shard = self.shards.get(place.shard)?.0.lock();
        let seat = shard.find(place.hash, key)?;
        Some(shard.charge_one(seat, rate, units, now))
    }

    /// What [`charge`](Self::charge) would answer if there is a seat; never `None`.
    pub(crate) fn peek<Q>(&self, key: &Q, units: u32, now: Timestamp) -> Option<Judgement>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let place = self.place(key);
        let line = self.shards.get(place.shard)?;
        let shard = line.0.lock();
        Some(match shard.find(place.hash, key) {
            Some(seat) => shard.peek(seat, &self.rates, units, now),
            None => shard.greet(&self.rates, units, now),
        })
    }

    pub(crate) fn refund<Q>(&self, key: &Q, units: u32, now: Timestamp)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let place = self.place(key);
        let Some(line) = self.shards.get(place.shard) else { return };
        let mut shard = line.0.lock();
        if let Some(seat) = shard.find(place.hash, key) {
            shard.refund(seat, &self.rates, units, now);
        }
    }

    #[inline]
    fn place<Q: Hash + ?Sized>(&self, key: &Q) -> Place {
        let hash = self.hasher.hash_one(key);
        Place { shard: shard_of(hash, self.shards.len()), hash: index_hash(hash) }
    }
}

impl<K> Store<K> {
    pub(crate) fn rates(&self) -> &[Rate] {
        &self.rates
    }

    /// How often a new key found no seat.
    pub(crate) fn times_unseated(&self) -> u64 {
        self.unseated.load(Ordering::Relaxed)
    }

    pub(crate) fn len(&self) -> usize {
        self.sum(Shard::len)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let own = size_of::<Self>()
            .saturating_add(size_of_val(&*self.rates))
            .saturating_add(size_of_val(&*self.shards));
        own.saturating_add(self.sum(Shard::memory_bytes))
    }

    fn sum(&self, of: impl Fn(&Shard<K>) -> usize) -> usize {
        self.shards.iter().fold(0, |sum, line| sum.saturating_add(of(&line.0.lock())))
    }
}

/// Neither keys nor debts: there may be a million of them, and a log is no place for addresses.
impl<K> fmt::Debug for Store<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

struct Place {
    shard: usize,
    hash: u32,
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
