//! One window per key, for keys that the service knows.

use alloc::{borrow::ToOwned, boxed::Box};
use core::{borrow::Borrow, fmt, hash::Hash, time::Duration};

use ahash::RandomState;

use super::{
    frame::Frame,
    seats::{Newcomer, Seats},
};
use crate::{
    error::WindowError,
    limit::{OnSaturation, store},
    sync::{AtomicU64, Mutex, Ordering},
    time::Timestamp,
    verdict::{Count, Decision},
};

/// Never more than so many in any window, per key, with the keys kept and a hard capacity.
///
/// # Guarantee
/// Each key is limited exactly as by a [`SlidingWindow`](crate::SlidingWindow) of its own: no interval
/// of the window's length has more than `limit` units of one key. A key keeps its place until nothing
/// of it counts any more, when it is no different from a key that never came; only then may another
/// take the place. When every place is taken, [`OnSaturation`] decides about new keys, and nobody who
/// has a place is affected.
///
/// # Concurrency
/// A check takes the lock of one shard. [`Hash`], [`Clone`] and [`Drop`] of the key run outside of the
/// lock; [`Borrow`] and [`Eq`] run under it and must not call back into the limiter.
///
/// # Memory
/// All of it is allocated by [`new`](Self::new): 4 bytes for each key and sub-window, and for a key of
/// 8 bytes about 80 more; see [`memory_bytes`](Self::memory_bytes). A check allocates only what cloning
/// a new key does (and, once for each thread that ever waits for a lock, what the lock needs to wait
/// with).
///
/// # Cost
/// O(1) in the sub-window of the key's last admission, else O(`parts`); for a new key also O(log
/// `capacity`), and in a full limiter it looks at 128 places at most.
///
/// # Example: at most 1,000 exports a tenant in any day
/// ```
/// use portcullis::{KeyedWindow, Timestamp};
/// use std::time::Duration;
///
/// let day = Duration::from_secs(86_400);
/// let exports: KeyedWindow<String> = KeyedWindow::new(1_000, day, 24, 10_000)?;
/// let now = Timestamp::from_secs(1);
/// assert!(exports.check_n("acme", 1_000, now).is_admitted());
/// assert!(exports.check("acme", now).is_denied());
/// assert!(exports.check("globex", now).is_admitted());
/// # Ok::<(), portcullis::WindowError>(())
/// ```
pub struct KeyedWindow<K> {
    frame: Frame,
    shards: Box<[Line<K>]>,
    capacity: usize,
    hasher: RandomState,
    unseated: AtomicU64,
    on_saturation: OnSaturation,
}

/// A shard on cache lines of its own, so that neighbours' locks do not slow each other down.
#[repr(align(128))]
struct Line<K>(Mutex<Seats<K>>);

impl<K: Hash + Eq> KeyedWindow<K> {
    /// A limiter for up to `capacity` keys at a time, which denies new keys while it is full.
    ///
    /// All memory is allocated here. From 2,048 keys on there are up to a quarter more places than
    /// `capacity`, so that an uneven division of the keys among shards does not matter;
    /// [`capacity`](Self::capacity) tells.
    ///
    /// # Errors
    /// As [`SlidingWindow::new`](crate::SlidingWindow::new).
    ///
    /// # Panics
    /// If the memory cannot be had, as [`Vec::with_capacity`](alloc::vec::Vec::with_capacity) does.
    pub fn new(
        limit: u32,
        window: Duration,
        parts: u32,
        capacity: usize,
    ) -> Result<Self, WindowError> {
        let frame = Frame::new(limit, window, parts)?;
        let (shards, seats) = store::divided(capacity);
        Ok(Self {
            frame,
            shards: (0..shards).map(|_| Line(Mutex::new(Seats::new(frame, seats)))).collect(),
            capacity: shards.saturating_mul(seats as usize),
            hasher: RandomState::new(),
            unseated: AtomicU64::new(0),
            on_saturation: OnSaturation::Deny,
        })
    }

    /// The same limiter with this answer to new keys while it is full.
    #[must_use]
    pub fn on_saturation(self, on_saturation: OnSaturation) -> Self {
        Self { on_saturation, ..self }
    }

    /// Takes one unit of the key's, if there is one.
    pub fn check<Q>(&self, key: &Q, now: Timestamp) -> Decision
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.check_n(key, 1, now)
    }

    /// Takes `n` units of the key's at once, or none of them.
    pub fn check_n<Q>(&self, key: &Q, n: u32, now: Timestamp) -> Decision
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let (hash, Some(Line(shard))) = self.place(key) else {
            return self.saturated(u64::MAX);
        };
        let mut owned = None;
        loop {
            let mut seats = shard.lock();
            if let Some(seat) = seats.find(hash, key) {
                return seats.check(seat, n, now);
            }
            // A denial or nothing to take leaves no trace, so neither needs a seat.
            let greeting = seats.greet(n, now);
            if greeting.is_denied() || n == 0 {
                return greeting;
            }
            let vacancy = match seats.vacancy(now) {
                Ok(vacancy) => vacancy,
                Err(wait) => return self.saturated(wait),
            };
            let Some(key) = owned.take() else {
                drop(seats);
                owned = Some(key.to_owned());
                continue;
            };
            let (decision, former) = seats.seat(Newcomer { key, hash }, vacancy, n, now);
            // Dropping a key runs the caller's code: not under the lock.
            drop(seats);
            drop(former);
            return decision;
        }
    }

    /// What [`check_n`](Self::check_n) would answer if there is a place, without taking anything.
    pub fn peek_n<Q>(&self, key: &Q, n: u32, now: Timestamp) -> Decision
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (hash, Some(Line(shard))) = self.place(key) else {
            return self.saturated(u64::MAX);
        };
        let seats = shard.lock();
        match seats.find(hash, key) {
            Some(seat) => seats.peek(seat, n, now),
            None => seats.greet(n, now),
        }
    }

    /// Gives back `n` units that the key took at `taken_at`, if that is in its newest sub-window; see
    /// [`SlidingWindow::refund_n`](crate::SlidingWindow::refund_n).
    pub fn refund_n<Q>(&self, key: &Q, n: u32, taken_at: Timestamp)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (hash, Some(Line(shard))) = self.place(key) else { return };
        let mut seats = shard.lock();
        if let Some(seat) = seats.find(hash, key) {
            seats.refund(seat, n, taken_at);
        }
    }

    /// The lower half of the key's hash, and the shard that the upper half chooses.
    fn place<Q: Hash + ?Sized>(&self, key: &Q) -> (u32, Option<&Line<K>>) {
        let hash = self.hasher.hash_one(key);
        let shard = store::shard_of(hash, self.shards.len());
        (store::index_hash(hash), self.shards.get(shard))
    }

    /// No place for a new key, for so many nanoseconds.
    fn saturated(&self, wait: u64) -> Decision {
        // Relaxed: a counter.
        self.unseated.fetch_add(1, Ordering::Relaxed);
        let retry_after = match self.on_saturation {
            OnSaturation::Deny => wait,
            OnSaturation::Allow => 0,
        };
        let limit = self.frame.limit;
        let count = Count { limit, remaining: 0, retry_after, reset_after: wait };
        Decision::counted_saturated(count)
    }
}

impl<K> KeyedWindow<K> {
    /// How many places are taken, by keys that count and by keys whose place has not been needed since.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sum(Seats::len)
    }

    /// Whether no key has come yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys have a place at the most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How often a new key found no place.
    #[must_use]
    pub fn times_saturated(&self) -> u64 {
        self.unseated.load(Ordering::Relaxed)
    }

    /// The memory that this limiter has taken, in bytes, without what the keys themselves point to.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let own = size_of::<Self>().saturating_add(size_of_val(&*self.shards));
        own.saturating_add(self.sum(Seats::memory_bytes))
    }

    fn sum(&self, of: impl Fn(&Seats<K>) -> usize) -> usize {
        self.shards.iter().fold(0, |sum, line| sum.saturating_add(of(&line.0.lock())))
    }
}

/// The capacity and what happens beyond it, not the keys.
impl<K> fmt::Debug for KeyedWindow<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedWindow")
            .field("frame", &self.frame)
            .field("capacity", &self.capacity)
            .field("on_saturation", &self.on_saturation)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
