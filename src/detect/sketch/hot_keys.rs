//! The most frequent of very many keys, in fixed memory.
//!
//! Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements in data
//! streams", ICDT 2005) keeps so many counters, and gives a key that has none the least of them *with its count*: so
//! counts are never too low, and too high by no more than the least. Here each bucket of four counters, which is one
//! cache line, is such a structure of its own, for the keys whose hash begins with its number: an update looks at
//! one line. There are four stripes, each behind a lock that is only tried, for threads that would meet in one.
//!
//! Counts are multiplied by a factor at each [`turn`](HotKeys::turn), so they are sums over a window that
//! fades (after a turn, the weight of a request `n` turns ago is the `n`-th power of it). The bounds hold for such
//! sums as for plain ones, because all counts of a bucket fade together.
//!
//! # Invariants
//! `W` is the weight of all keys of a bucket in one stripe, and `least` the least count of the bucket: 0 until all of its
//! cells are taken.
//! - **I1** a key's count is at least its weight in this stripe, and at most `least` above it;
//! - **I2** `least` is at most `W / 4`, so a key that has more than a quarter of its bucket has a cell;
//! - **I3** a key without a cell has at most the weight `least`;
//! - **I4** `usual` belongs to the key in the cell, and starts from 0 when another one takes it.
//!
//! `W` is a 128th of the stripe's weight, more or less: nobody who does not know the key of the hash can
//! choose a bucket. All stripes together know a key's weight to `W / 4` of its bucket in all of them.
//!
//! The bounds are of exact numbers. Counts are `f32`: each addition rounds by at most 2^-24 of the sum, and 1 is
//! not added to a count of 16.7 million any more, which a window of 14 s reaches at 1.2 million
//! requests a second for one key in one stripe.
//!
//! # Memory
//! 4 stripes x 128 buckets x 64 bytes, and a line for each lock: 33 KiB.

use alloc::boxed::Box;

use super::top::{HotKey, Top};
use crate::sync::Mutex;

pub(super) const STRIPES: usize = 4;
pub(super) const BUCKETS: usize = 1 << BUCKET_BITS;
pub(super) const WAYS: usize = 4;
const BUCKET_BITS: u32 = 7;

/// Below this a count is nothing: numbers without a normal form are slow.
const NOTHING: f32 = 1e-6;
/// How often a turn looks for a stripe's lock, which is held for a few nanoseconds.
const TRIES: u32 = if cfg!(loom) { 2 } else { 64 };

/// Frequent keys: see the module.
pub(crate) struct HotKeys {
    stripes: [Padded; STRIPES],
}

#[repr(align(64))]
struct Padded(Mutex<Stripe>);

struct Stripe {
    buckets: Box<[Bucket]>,
    total: f64,
    usual_total: f64,
}

/// One cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket {
    cells: [Cell; WAYS],
}

/// A key and its counts; the key 0 in a cell that was never taken.
#[derive(Clone, Copy, Default)]
struct Cell {
    key: u64,
    count: f32,
    usual: f32,
}

impl HotKeys {
    pub(crate) const STRIPES: usize = STRIPES;

    pub(crate) fn new() -> Self {
        Self { stripes: core::array::from_fn(|_| Padded(Mutex::new(Stripe::new()))) }
    }

    /// Counts a key in one of the stripes, any number of which will do. `false` if another thread was there: then it is
    /// not counted.
    ///
    /// The key 0 stands for nothing: it is in the total, and not in the list.
    #[inline]
    pub(crate) fn add(&self, stripe: usize, key: u64, weight: u32) -> bool {
        let Some(mut stripe) = self.stripe(stripe).and_then(Mutex::try_lock) else { return false };
        stripe.add(key, weight);
        true
    }

    /// Puts the keys of a stripe into `into`, moves what is usual towards the counts by the share `learn` of the way, and
    /// lets the counts fade to the share `decay`. All four stripes are due at each tick.
    ///
    /// `false` if another thread was there all the time: then nothing was done, and it can be tried
    /// again.
    ///
    /// # Cost
    /// At most 512 cells are read and written; see [`Top`] for what it costs to put them there.
    pub(crate) fn turn(
        &self,
        stripe: usize,
        decay: f32,
        learn: Option<f32>,
        into: &mut Top,
    ) -> bool {
        let Some(lock) = self.stripe(stripe) else { return false };
        for _ in 0..TRIES {
            if let Some(mut stripe) = lock.try_lock() {
                stripe.turn(share(decay), learn.map(share), into);
                return true;
            }
            core::hint::spin_loop();
        }
        false
    }

    /// Bytes, all of them allocated when it was made.
    pub(crate) const fn memory_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(size_of::<[[Bucket; BUCKETS]; STRIPES]>())
    }

    /// Does this while a stripe is locked, as if another thread were there.
    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(crate) fn while_locked<R>(&self, stripe: usize, then: impl FnOnce() -> R) -> R {
        let _locked = self.stripe(stripe).map(Mutex::lock);
        then()
    }

    #[inline]
    fn stripe(&self, stripe: usize) -> Option<&Mutex<Stripe>> {
        self.stripes.get(stripe % STRIPES).map(|padded| &padded.0)
    }
}

impl Stripe {
    fn new() -> Self {
        let buckets = (0..BUCKETS).map(|_| Bucket::default()).collect();
        Self { buckets, total: 0.0, usual_total: 0.0 }
    }

    #[inline]
    fn add(&mut self, key: u64, weight: u32) {
        self.total += f64::from(weight);
        if key == 0 {
            return;
        }
        if let Some(bucket) = self.buckets.get_mut(bucket_of(key)) {
            bucket.add(key, weight as f32);
        }
    }

    fn turn(&mut self, decay: f32, learn: Option<f32>, into: &mut Top) {
        into.add_totals(self.total, self.usual_total);
        if self.total <= 0.0 && self.usual_total <= 0.0 {
            // Nothing has been here lately, as in stripes that no thread uses.
            return;
        }

        if let Some(share) = learn {
            self.usual_total += (self.total - self.usual_total) * f64::from(share);
        }
        self.total = faded(self.total * f64::from(decay));
        self.usual_total = faded(self.usual_total);

        for (number, bucket) in self.buckets.iter_mut().enumerate() {
            bucket.turn(number, decay, learn, into);
        }
    }
}

impl Bucket {
    #[inline]
    fn add(&mut self, key: u64, weight: f32) {
        if let Some(cell) = self.cells.iter_mut().find(|cell| cell.key == key) {
            cell.count += weight;
            return;
        }
        // A cell that was never taken has no count, so it comes before all that count something. Among equals, the
        // one that is missed least.
        let least = self.cells.iter_mut().min_by(|one, other| {
            one.count.total_cmp(&other.count).then(one.usual.total_cmp(&other.usual))
        });
        if let Some(cell) = least {
            *cell = Cell { key, count: cell.count + weight, usual: 0.0 };
        }
    }

    fn turn(&mut self, number: usize, decay: f32, learn: Option<f32>, into: &mut Top) {
        let least = self.cells.iter().map(|cell| cell.count).fold(f32::INFINITY, f32::min);
        let is_taken = |cell: &&mut Cell| cell.key != 0 && (cell.count > 0.0 || cell.usual > 0.0);
        for cell in self.cells.iter_mut().filter(is_taken) {
            into.merge(number, cell.told(least));
            if let Some(share) = learn {
                cell.usual = something(cell.usual + (cell.count - cell.usual) * share);
            }
            cell.count = something(cell.count * decay);
        }
    }
}

impl Cell {
    fn told(&self, least: f32) -> HotKey {
        HotKey {
            key: self.key,
            count: self.count.into(),
            usual: self.usual.into(),
            over: least.into(),
        }
    }
}

/// The bucket of a key: its top bits.
#[inline]
fn bucket_of(key: u64) -> usize {
    usize::try_from(key >> (u64::BITS - BUCKET_BITS)).unwrap_or(0)
}

/// Between 0 and 1, and 0 if it is no number.
fn share(of: f32) -> f32 {
    if of >= 0.0 { of.min(1.0) } else { 0.0 }
}

/// Nothing, once it is next to nothing.
fn faded(total: f64) -> f64 {
    if total < f64::from(NOTHING) { 0.0 } else { total }
}

fn something(count: f32) -> f32 {
    if count < NOTHING { 0.0 } else { count }
}

#[cfg(test)]
mod tests;
