//! Permits: how many at a time.
//!
//! A rate limits how many requests start in a second; permits limit how many are under way at once.
//! A service whose answers grow slow is protected by permits where a rate still lets everything in.
//!
//! A permit is a value that is owned by whoever does the work, and its destructor gives it back. There
//! is no second call to forget: a future that is cancelled drops what it holds, and so does a thread
//! that panics. (Only who leaks the value on purpose, with `mem::forget` say, leaks the permit.)
//!
//! The limit and the number in use share one word, so that a change of the limit and an acquisition
//! are always in some order:
//!
//! | bits | content |
//! |---|---|
//! | 63..32 | the limit |
//! | 31..0 | units in use |
//!
//! # Invariants
//! - **I1** the units in use are the units of the permits that are alive;
//! - **I2** an acquisition never leaves more units in use than the limit that stands at that moment;
//! - **I3** a refusal writes nothing;
//! - **I4** whoever gets a unit, or sees that it is free, also sees what its last holder did.
//!
//! I1 keeps the halves apart: what is added stays below the limit (I2), which is 32 bits wide, and
//! what is subtracted was added before, so nothing is carried or borrowed across bit 32.

#[cfg(feature = "std")]
mod keyed;
#[cfg(feature = "std")]
mod places;
#[cfg(feature = "std")]
mod table;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::fmt;

#[cfg(feature = "std")]
pub use self::keyed::KeyedPermits;
#[cfg(feature = "std")]
pub(crate) use self::places::Places;
#[cfg(feature = "std")]
use self::table::Table;
#[cfg(feature = "std")]
pub(crate) use self::table::{Outcome, Place};
use crate::sync::{AtomicU64, Ordering};

/// A limit of units in use at a time, for one thing: a service, a database, an upstream.
///
/// Clones share the limit. Nobody ever waits here: there is a permit at once, or there is none.
///
/// # Guarantee
/// No acquisition leaves more units in use than the [`limit`](Self::limit), whatever the threads do.
/// A permit gives its units back when it is dropped, exactly once, also when a future that holds it
/// is cancelled and when its thread panics.
///
/// # Concurrency
/// An acquisition is one compare-exchange, retried while other threads acquire and release, and one
/// step of a reference count; a refusal only loads. A release is one subtraction, which never waits
/// or retries. Who gets a unit sees all that its last holder did before giving it back.
///
/// # Memory
/// One allocation of 24 bytes, shared by all clones and permits. A permit is 32 bytes in itself.
///
/// # Example: at most two at a time
/// ```
/// use portcullis::Permits;
///
/// let permits = Permits::new(2);
/// let first = permits.try_acquire().expect("nothing is in use");
/// let second = permits.try_acquire().expect("one is in use");
/// assert!(permits.try_acquire().is_none());
/// drop(first);
/// assert_eq!(permits.in_use(), 1);
/// assert!(permits.try_acquire().is_some());
/// # drop(second);
/// ```
#[derive(Clone)]
pub struct Permits {
    pool: Arc<Pool>,
}

impl Permits {
    /// A limit of `limit` units, none of them in use.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self { pool: Arc::new(Pool::new(limit)) }
    }

    /// Takes one unit, if one is free.
    #[inline]
    pub fn try_acquire(&self) -> Option<Permit> {
        self.try_acquire_n(1)
    }

    /// Takes `n` units at once, or none of them: a request may weigh more than another.
    ///
    /// More than the limit is always refused. Zero units are granted unless the limit is zero, and
    /// count for nothing.
    #[inline]
    pub fn try_acquire_n(&self, n: u32) -> Option<Permit> {
        let pool = &self.pool;
        pool.take(n).then(|| Permit { source: Source::Pool(Arc::clone(pool)), units: n })
    }

    /// How many units are in use.
    ///
    /// After the limit was lowered this may be more than the limit, until enough permits are back.
    /// Zero means that everything the holders did is done and can be seen, as a shutdown wants to know.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.pool.in_use().units
    }

    /// How many units can be in use at a time.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.pool.limit()
    }

    /// Changes the limit, for everybody, at once.
    ///
    /// Permits that are out stay valid: after the limit was lowered nobody gets a new one until
    /// enough of them are back.
    pub fn set_limit(&self, limit: u32) {
        self.pool.set_limit(limit);
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits")
            .field("limit", &self.limit())
            .field("in_use", &self.in_use())
            .finish()
    }
}

/// The right to do something, until it is dropped.
///
/// Made by [`Permits`] and `KeyedPermits`. It is owned and can go anywhere: into a task, a response
/// body, a map. Keep it for as long as what it stands for goes on; for a response that is streamed
/// that is until the body has ended.
///
/// # Example: a permit that goes with the work
/// ```
/// use portcullis::Permits;
///
/// let permits = Permits::new(1);
/// let permit = permits.try_acquire().expect("nothing is in use");
/// let worker = std::thread::spawn(move || {
///     // … the work …
///     drop(permit);
/// });
/// worker.join().unwrap();
/// assert_eq!(permits.in_use(), 0);
/// ```
#[must_use = "a permit is given back as soon as it is dropped"]
pub struct Permit {
    source: Source,
    units: u32,
}

impl Permit {
    /// How many units it was granted for.
    #[must_use]
    pub fn units(&self) -> u32 {
        self.units
    }

    /// Whether it was granted without being counted, because no place was free for its key and
    /// `OnSaturation::Allow` was chosen.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        match &self.source {
            Source::Pool(_) => false,
            #[cfg(feature = "std")]
            Source::Key(..) | Source::Nothing => false,
            #[cfg(feature = "std")]
            Source::Saturated => true,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        match &self.source {
            Source::Pool(pool) => pool.give_back(self.units),
            #[cfg(feature = "std")]
            Source::Key(table, place) => table.give_back(*place, self.units),
            #[cfg(feature = "std")]
            Source::Nothing | Source::Saturated => {}
        }
    }
}

/// Not whose it is: a key is no matter for a log.
impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("units", &self.units).finish_non_exhaustive()
    }
}

/// Where a permit's units go back to.
enum Source {
    Pool(Arc<Pool>),
    #[cfg(feature = "std")]
    Key(Arc<Table>, Place),
    /// Zero units of a key: they take no place.
    #[cfg(feature = "std")]
    Nothing,
    #[cfg(feature = "std")]
    Saturated,
}

/// The word; see the module's documentation.
pub(crate) struct Pool(AtomicU64);

impl Pool {
    fn new(limit: u32) -> Self {
        Self(AtomicU64::new(Use { limit, units: 0 }.to_word()))
    }

    fn in_use(&self) -> Use {
        // Acquire: who sees units given back sees what their holders did (I4).
        Use::of(self.0.load(Ordering::Acquire))
    }

    fn limit(&self) -> u32 {
        // Relaxed: a number, which tells of nothing else.
        Use::of(self.0.load(Ordering::Relaxed)).limit
    }

    fn set_limit(&self, limit: u32) {
        let word = &self.0;
        // Relaxed, here and below: nothing but the word itself is passed on. The exchange continues
        // the release sequence of whoever gave units back before.
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            let new = Use { limit, ..Use::of(seen) }.to_word();
            match word.compare_exchange_weak(seen, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => seen = newer,
            }
        }
    }

    #[inline]
    fn take(&self, units: u32) -> bool {
        // Relaxed: only a guess, which the exchange checks; and a refusal tells of nothing else.
        let mut seen = self.0.load(Ordering::Relaxed);
        while let Some(new) = Use::of(seen).and(units) {
            // Acquire on success: who gets a unit sees what its last holder did (I4).
            match self.0.compare_exchange_weak(
                seen,
                new.to_word(),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(newer) => seen = newer,
            }
        }
        false
    }

    #[inline]
    fn give_back(&self, units: u32) {
        // Release: what was done with the permit comes before its units are free (I4). No borrow: the
        // units are in the lower half (I1).
        self.0.fetch_sub(u64::from(units), Ordering::Release);
    }
}

/// A limit and what is in use of it.
#[derive(Clone, Copy)]
struct Use {
    limit: u32,
    units: u32,
}

impl Use {
    #[inline]
    fn of(word: u64) -> Self {
        // Both halves fit their types.
        let half = |bits: u64| u32::try_from(bits).unwrap_or(0);
        Self { limit: half(word >> 32), units: half(word & u64::from(u32::MAX)) }
    }

    #[inline]
    fn to_word(self) -> u64 {
        u64::from(self.limit) << 32 | u64::from(self.units)
    }

    /// With so many units more, if they fit (I2).
    #[inline]
    fn and(self, more: u32) -> Option<Self> {
        let free = self.limit.saturating_sub(self.units);
        (self.limit > 0 && more <= free)
            .then_some(Self { units: self.units.saturating_add(more), ..self })
    }
}
