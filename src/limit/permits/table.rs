//! Who holds how many units: hashes of keys in a fixed number of seats.
//!
//! # Why locks
//! A key that is new claims a seat, and two claims of one key must find the same one, or the key has
//! its limit twice. A word for each seat cannot promise that where seats become free at any moment
//! and in any order: the one thread sees this seat free first and the other one that. So the seats are
//! divided among shards, by the hash, each behind a lock that is held for a few accesses and for
//! no code of the caller's.
//!
//! # Invariants
//! - **I1** a seat holds a hash exactly while permits of that hash are alive, and its units are theirs;
//! - **I2** a hash has one seat at most;
//! - **I3** an acquisition never leaves a hash with more units than the limit of its shard;
//! - **I4** nothing allocates after construction (but what a lock needs once for each thread that
//!   waits);
//! - **I5** the limit is the same in all shards whenever no `set_limit` is under way.

use alloc::{boxed::Box, vec::Vec};
use core::{hash::Hash, panic::RefUnwindSafe};

use ahash::RandomState;

use super::Use;
use crate::{
    limit::{index::Index, store},
    sync::{AtomicU64, Mutex, Ordering},
};

pub(crate) struct Table {
    shards: Box<[Line]>,
    seats: u32,
    /// As in every shard. Its lock is held for a whole change, so that two changes do not mix (I5).
    limit: Mutex<u32>,
    hasher: RandomState,
    unseated: AtomicU64,
}

/// No code of the caller's runs under a lock, so a panic of the caller's finds all of them in order.
impl RefUnwindSafe for Table {}

/// On cache lines of its own, so that neighbours' locks do not slow each other down.
#[repr(align(128))]
struct Line(Mutex<Shard>);

/// Where the units of a permit are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    shard: u32,
    seat: u32,
}

impl Place {
    /// Packed, for whoever keeps many.
    #[inline]
    pub(crate) fn to_word(self) -> u64 {
        u64::from(self.shard) << 32 | u64::from(self.seat)
    }

    #[inline]
    pub(crate) fn of_word(word: u64) -> Self {
        // Both halves fit their types.
        let half = |bits: u64| u32::try_from(bits).unwrap_or(0);
        Self { shard: half(word >> 32), seat: half(word & u64::from(u32::MAX)) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Taken(Place),
    /// Zero units: granted, and not counted anywhere.
    Nothing,
    /// The key has too many.
    Refused,
    /// The key has none, and there is no seat for it.
    Unseated,
}

impl Table {
    pub(super) fn new(limit: u32, capacity: usize) -> Self {
        let (shards, seats) = store::divided(capacity);
        Self {
            shards: (0..shards).map(|_| Line(Mutex::new(Shard::new(limit, seats)))).collect(),
            seats,
            limit: Mutex::new(limit),
            hasher: RandomState::new(),
            unseated: AtomicU64::new(0),
        }
    }

    /// The same, or `None` if the memory cannot be had.
    pub(super) fn try_new(limit: u32, capacity: usize, hasher: RandomState) -> Option<Self> {
        let (shards, seats) = store::divided(capacity);
        let mut lines = Vec::new();
        lines.try_reserve_exact(shards).ok()?;
        for _ in 0..shards {
            lines.push(Line(Mutex::new(Shard::try_new(limit, seats)?)));
        }
        Some(Self {
            shards: lines.into(),
            seats,
            limit: Mutex::new(limit),
            hasher,
            unseated: AtomicU64::new(0),
        })
    }

    /// Whose hashes keys are, where they are given as such.
    pub(super) fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    pub(super) fn take<Q: Hash + ?Sized>(&self, key: &Q, units: u32) -> Outcome {
        self.take_hash(self.hasher.hash_one(key), units)
    }

    pub(super) fn take_hash(&self, hash: u64, units: u32) -> Outcome {
        let shard = store::shard_of(hash, self.shards.len());
        let Some(line) = self.shards.get(shard) else { return Outcome::Unseated };
        // There are 64 shards at most.
        let place = |seat| Place { shard: u32::try_from(shard).unwrap_or(0), seat };
        match line.0.lock().take(hash, units) {
            Ok(Some(seat)) => Outcome::Taken(place(seat)),
            Ok(None) => Outcome::Nothing,
            Err(Refusal::AtLimit) => Outcome::Refused,
            Err(Refusal::NoSeat) => {
                // Relaxed: a counter.
                self.unseated.fetch_add(1, Ordering::Relaxed);
                Outcome::Unseated
            }
        }
    }

    pub(super) fn give_back(&self, place: Place, units: u32) {
        if let Some(line) = self.shards.get(place.shard as usize) {
            line.0.lock().give_back(place.seat, units);
        }
    }

    /// What [`take_hash`](Self::take_hash) would answer; the place means nothing.
    pub(super) fn peek_hash(&self, hash: u64, units: u32) -> Outcome {
        let Some(line) = self.shards.get(store::shard_of(hash, self.shards.len())) else {
            return Outcome::Unseated;
        };
        match line.0.lock().peek(hash, units) {
            Ok(()) if units == 0 => Outcome::Nothing,
            Ok(()) => Outcome::Taken(Place::default()),
            Err(Refusal::AtLimit) => Outcome::Refused,
            Err(Refusal::NoSeat) => Outcome::Unseated,
        }
    }

    pub(super) fn in_use<Q: Hash + ?Sized>(&self, key: &Q) -> u32 {
        self.in_use_hash(self.hasher.hash_one(key))
    }

    pub(super) fn in_use_hash(&self, hash: u64) -> u32 {
        let line = self.shards.get(store::shard_of(hash, self.shards.len()));
        line.map_or(0, |line| line.0.lock().in_use(hash))
    }

    pub(super) fn limit(&self) -> u32 {
        *self.limit.lock()
    }

    pub(super) fn set_limit(&self, limit: u32) {
        let mut shown = self.limit.lock();
        for line in &self.shards {
            line.0.lock().limit = limit;
        }
        *shown = limit;
    }

    pub(super) fn len(&self) -> usize {
        self.sum(|shard| shard.taken as usize)
    }

    pub(super) fn capacity(&self) -> usize {
        self.shards.len().saturating_mul(self.seats as usize)
    }

    pub(super) fn times_unseated(&self) -> u64 {
        self.unseated.load(Ordering::Relaxed)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let own = size_of::<Self>().saturating_add(size_of_val(&*self.shards));
        own.saturating_add(self.sum(Shard::memory_bytes))
    }

    fn sum(&self, of: impl Fn(&Shard) -> usize) -> usize {
        self.shards.iter().fold(0, |sum, line| sum.saturating_add(of(&line.0.lock())))
    }
}

/// Seats behind one lock.
struct Shard {
    /// Only ever longer, up to the capacity: seats that are free are in the list from `free`.
    seats: Vec<Seat>,
    index: Index,
    limit: u32,
    capacity: u32,
    /// How many seats hold a hash.
    taken: u32,
    /// The seat that was left last, if it is still free.
    free: Option<u32>,
}

struct Seat {
    hash: u64,
    /// Zero if the seat is free.
    units: u32,
    /// The seat that was left before this one was; itself if there is none. For free seats.
    left_before: u32,
}

enum Refusal {
    AtLimit,
    NoSeat,
}

impl Shard {
    fn new(limit: u32, capacity: u32) -> Self {
        Self {
            seats: Vec::with_capacity(capacity as usize),
            index: Index::new(capacity),
            limit,
            capacity,
            taken: 0,
            free: None,
        }
    }

    /// The same, or `None` if the memory cannot be had.
    fn try_new(limit: u32, capacity: u32) -> Option<Self> {
        let mut seats = Vec::new();
        seats.try_reserve_exact(capacity as usize).ok()?;
        let index = Index::try_new(capacity)?;
        Some(Self { seats, index, limit, capacity, taken: 0, free: None })
    }

    /// What [`take`](Self::take) would say.
    fn peek(&self, hash: u64, units: u32) -> Result<(), Refusal> {
        let found = self.find(hash);
        let held = found.and_then(|seat| self.seats.get(seat as usize)).map_or(0, |it| it.units);
        if (Use { limit: self.limit, units: held }).and(units).is_none() {
            return Err(Refusal::AtLimit);
        }
        let is_full = self.free.is_none() && self.seats.len() >= self.capacity as usize;
        if units > 0 && found.is_none() && is_full { Err(Refusal::NoSeat) } else { Ok(()) }
    }

    /// The seat that the units are counted in; `None` for zero units, which take none.
    fn take(&mut self, hash: u64, units: u32) -> Result<Option<u32>, Refusal> {
        let found = self.find(hash);
        let held = found.and_then(|seat| self.seats.get(seat as usize)).map_or(0, |it| it.units);
        let Some(in_use) = (Use { limit: self.limit, units: held }).and(units) else {
            return Err(Refusal::AtLimit);
        };
        if units == 0 {
            return Ok(None);
        }
        let seat = match found {
            Some(seat) => seat,
            None => self.claim(hash).ok_or(Refusal::NoSeat)?,
        };
        if let Some(seat) = self.seats.get_mut(seat as usize) {
            seat.units = in_use.units;
        }
        Ok(Some(seat))
    }

    fn give_back(&mut self, seat: u32, units: u32) {
        let before = self.free.unwrap_or(seat);
        let Some(held) = self.seats.get_mut(seat as usize) else { return };
        held.units = held.units.saturating_sub(units);
        if held.units == 0 {
            held.left_before = before;
            self.index.remove(store::index_hash(held.hash), seat);
            self.free = Some(seat);
            self.taken = self.taken.saturating_sub(1);
        }
    }

    fn in_use(&self, hash: u64) -> u32 {
        let seat = self.find(hash).and_then(|seat| self.seats.get(seat as usize));
        seat.map_or(0, |seat| seat.units)
    }

    fn find(&self, hash: u64) -> Option<u32> {
        self.index.find(store::index_hash(hash), |seat| {
            self.seats.get(seat as usize).is_some_and(|seat| seat.hash == hash)
        })
    }

    /// A free seat for a hash that has none: one that was left, or one that was never used.
    fn claim(&mut self, hash: u64) -> Option<u32> {
        let seat = if let Some(seat) = self.free {
            let it = self.seats.get_mut(seat as usize)?;
            it.hash = hash;
            self.free = (it.left_before != seat).then_some(it.left_before);
            seat
        } else {
            // Below the capacity, which is a u32.
            let seat = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
            if seat >= self.capacity {
                return None;
            }
            self.seats.push(Seat { hash, units: 0, left_before: seat });
            seat
        };
        self.index.insert(store::index_hash(hash), seat);
        self.taken = self.taken.saturating_add(1);
        Some(seat)
    }

    fn memory_bytes(&self) -> usize {
        let seats = self.seats.capacity().saturating_mul(size_of::<Seat>());
        seats.saturating_add(self.index.memory_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::Shard;

    /// I1 and I2: the index knows half of a hash, the seat all of it.
    #[test]
    fn hashes_with_one_half_in_common_have_seats_of_their_own() {
        let mut shard = Shard::new(1, 3);
        let hashes = [1 << 32 | 5, 2 << 32 | 5, 5_u64];
        let seats = hashes.map(|hash| shard.take(hash, 1).ok().flatten().unwrap());
        assert_eq!(shard.taken, 3);
        for hash in hashes {
            assert!(shard.take(hash, 1).is_err());
        }
        shard.give_back(seats[1], 1);
        assert_eq!(hashes.map(|hash| shard.in_use(hash)), [1, 0, 1]);
        assert!(shard.take(hashes[1], 1).is_ok());
        assert_eq!(shard.taken, 3);
    }
}
