//! One hot limit for many threads: a bucket in the centre, and units leased to stripes.
//!
//! Threads that charge one [`TokenBucket`] all write one cache line, and it travels between their cores
//! at every check. Here each thread (or core, or shard of a service) has a *stripe*, a cache line of its
//! own, and takes a *batch* of units for it from the centre at once; then most checks write the stripe only.
//! The centre decides what there is to lease, by the rules of any bucket.
//!
//! One word per stripe:
//!
//! | bits | content |
//! |---|---|
//! | 63..17 | when the oldest of its units was leased, in steps of 2¹⁷ ns |
//! | 16 | [`FETCHING`]: a thread is at the centre for this stripe |
//! | 15..0 | units leased and not used |
//!
//! # Invariants
//! - **I1** any interval of length `x` admits at most `burst + rate · x + stripes · batch` units, under
//!   every interleaving, as long as no `now` steps back by more than a second;
//! - **I2** a unit is in one place: in the centre, in one stripe, with one thread that carries it from the
//!   one to the other, or used;
//! - **I3** a stripe, and whoever carries units to it, hold no more than one batch together;
//! - **I4** no unit is used more than [`LEASE`] after it was leased;
//! - **I5** a check that no other call races is denied only if there are too few units in the centre and
//!   all stripes together; whatever a plain bucket would admit after the same admissions, this one does;
//! - **I6** a denial writes nothing, unless it finds leases to call in.
//!
//! # Why that holds
//! *Leasing* is a check of the centre for a batch, so the centre keeps its own bound for what is leased.
//! Units that were leased before an interval and are used (or given back, and leased again) within it
//! come on top: by I3 they are no more than a batch for each stripe.
//!
//! *One at a time.* Who fetches for a stripe sets `FETCHING` first, and puts the units down when it clears
//! it. A stripe is only fetched for if it has fewer units than are asked for; these are taken out of the
//! batch before the rest is put down, so that no more than a batch is there at the end. A thread that
//! finds the flag set asks the centre for just its own units: nobody waits, and a thread that stops in
//! the middle costs its stripe the leases, not the limit.
//!
//! *Units that are left over* come back. A stripe for which nothing was leased for a while calls in what is
//! too old in all stripes, before it asks the centre; and a check that the centre denies calls in all
//! leases and asks again. Giving back fills the centre up to its burst at most: units that were idle while
//! the centre was full are gone, as they would be in a plain bucket.

use alloc::boxed::Box;
use core::time::Duration;

use super::TokenBucket;
use crate::{
    quota::Quota,
    sync::{AtomicU64, Ordering},
    time::Timestamp,
    verdict::Decision,
};

/// A token bucket for one limit that many threads check all the time.
///
/// Take it where one [`TokenBucket`] has become the line that all cores wait for: from two busy threads
/// on, and if the limit is much larger than `stripes · batch`. Everywhere else a plain bucket is exact,
/// smaller, and as fast.
///
/// # Guarantee
/// Every interval of length `x` admits at most `burst + rate · x + stripes · batch` units, whatever the
/// threads do, as long as no timestamp steps back by more than a second. Units that are leased are used
/// within [`LEASE`](Self::LEASE) or given back: nothing is hoarded. The first check after a pause calls in
/// what is too old, so that a burst after it is a burst and no more, unless other checks race that one.
///
/// It is not stricter than a plain bucket: before it denies, it calls in all leases. Only a unit that
/// another thread carries in this very moment can be missed.
///
/// # Memory
/// 256 bytes and 128 for each stripe, allocated by [`new`](Self::new).
///
/// # Concurrency
/// No lock, and no thread waits for another. Threads that share a stripe are as correct as with one each,
/// and as slow as on a plain bucket.
///
/// # Cost
/// An admission from a lease is one compare-exchange on the stripe's own cache line. A denial reads the
/// centre and all stripes, and writes nothing once their leases are called in.
///
/// # Example: a limit for all workers together
/// ```
/// use portcullis::{LeasedBucket, Quota, Timestamp};
///
/// let workers = 4;
/// let limit = LeasedBucket::new(Quota::per_second(100_000), workers, 64);
/// let now = Timestamp::from_secs(1);
/// // Each worker names itself.
/// assert!(limit.check_on(2, now).is_admitted());
/// # #[cfg(feature = "std")]
/// // Or each thread is given a stripe.
/// assert!(limit.check(now).is_admitted());
/// ```
#[derive(Debug)]
pub struct LeasedBucket {
    centre: Centre,
    stripes: Box<[Stripe]>,
    batch: u16,
}

impl LeasedBucket {
    /// The longest that a unit is kept for a stripe: 10 ms.
    pub const LEASE: Duration = Duration::from_millis(10);

    /// A full bucket with this many stripes, each of which leases up to `batch` units at once.
    ///
    /// Zero stripes or units count as one, and a batch larger than the burst as the burst. A batch of one
    /// leases nothing.
    #[must_use]
    pub fn new(quota: Quota, stripes: u16, batch: u16) -> Self {
        let burst = u16::try_from(quota.max_burst()).unwrap_or(u16::MAX);
        Self {
            centre: Centre { bucket: TokenBucket::new(quota), burst: quota.max_burst() },
            stripes: (0..stripes.max(1)).map(|_| Stripe { lease: AtomicU64::new(0) }).collect(),
            batch: batch.min(burst).max(1),
        }
    }

    /// Takes one unit for the calling thread's stripe, if there is one.
    ///
    /// Threads are given stripes in turn, when they first call this on any bucket.
    #[cfg(all(feature = "std", not(loom)))]
    #[inline]
    pub fn check(&self, now: Timestamp) -> Decision {
        self.check_n_on(of_this_thread(), 1, now)
    }

    /// Takes `n` units at once for the calling thread's stripe, or none of them.
    #[cfg(all(feature = "std", not(loom)))]
    #[inline]
    pub fn check_n(&self, n: u32, now: Timestamp) -> Decision {
        self.check_n_on(of_this_thread(), n, now)
    }

    /// Takes one unit for this stripe, if there is one. Any number names a stripe, modulo their count.
    #[inline]
    pub fn check_on(&self, stripe: usize, now: Timestamp) -> Decision {
        self.check_n_on(stripe, 1, now)
    }

    /// Takes `n` units at once for this stripe, or none of them.
    ///
    /// The standing of the decision is that of the centre: units that are leased count as taken there, and
    /// so an admission can be told that nothing remains. More than the burst is always denied, with a wait
    /// of [`Duration::MAX`]. Batches and more are taken from the centre.
    #[inline]
    pub fn check_n_on(&self, stripe: usize, n: u32, now: Timestamp) -> Decision {
        let stripe = self.stripe(stripe);
        if let Some(stripe) = stripe {
            if stripe.take(n, now) {
                return self.centre.bucket.standing(n, now);
            }
        }
        self.fetch(stripe, n, now)
    }

    /// Whether the centre holds `n` units, and where it stands; units that are leased are not seen.
    #[inline]
    pub fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        self.centre.bucket.peek_n(n, now)
    }

    /// Gives back `n` units that were taken before, to the centre.
    ///
    /// The centre is then at most full: giving back more than was taken makes no tokens.
    pub fn refund_n(&self, n: u32, now: Timestamp) {
        self.centre.bucket.refund_n(n, now);
    }

    /// How many stripes there are.
    #[must_use]
    pub fn stripes(&self) -> usize {
        self.stripes.len()
    }

    /// How many units a stripe leases at once.
    #[must_use]
    pub fn batch(&self) -> u32 {
        self.batch.into()
    }

    /// The memory that this bucket takes, all of it, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(size_of_val(&*self.stripes))
    }

    #[inline]
    fn stripe(&self, stripe: usize) -> Option<&Stripe> {
        // A division takes longer than all the rest.
        self.stripes.get(stripe).or_else(|| {
            let stripe = stripe.checked_rem(self.stripes.len())?;
            self.stripes.get(stripe)
        })
    }

    /// All cases that a lease does not answer.
    #[inline(never)]
    fn fetch(&self, stripe: Option<&Stripe>, n: u32, now: Timestamp) -> Decision {
        let (centre, batch) = (&self.centre.bucket, self.batch());
        if let Some(stripe) = stripe.filter(|_| 0 < n && n < batch) {
            if stripe.is_idle(now) {
                self.call_in(now, |word| is_expired(word, now));
            }
            // Not even a flag is written for a centre that has no batch.
            if centre.peek_n(batch, now).is_admitted() && stripe.begin(n) {
                let decision = centre.check_n(batch, now);
                let rest = if decision.is_admitted() { batch.saturating_sub(n) } else { 0 };
                stripe.end(rest, now);
                if decision.is_admitted() {
                    return decision;
                }
            }
        }
        let decision = centre.check_n(n, now);
        if decision.is_admitted() || n > self.centre.burst {
            return decision;
        }
        if self.call_in(now, |_| true) { centre.check_n(n, now) } else { decision }
    }

    /// Gives back the leases that are due; whether there were any.
    fn call_in(&self, now: Timestamp, due: impl Fn(u64) -> bool) -> bool {
        let left = self.stripes.iter().filter_map(|stripe| stripe.call_in(&due));
        // Less than 2^16 stripes with less than 2^16 units each.
        let left = left.fold(0_u32, u32::saturating_add);
        // All at once, and before anything is taken: what was idle while the centre was full is gone then.
        if left > 0 {
            self.centre.bucket.refund_n(left, now);
        }
        left > 0
    }
}

/// The centre, in cache lines of its own: stripes are written all the time.
#[derive(Debug)]
#[repr(align(128))]
struct Centre {
    bucket: TokenBucket,
    burst: u32,
}

/// A stripe, alone in its cache line and in the one that processors fetch along with it.
#[derive(Debug)]
#[repr(align(128))]
struct Stripe {
    lease: AtomicU64,
}

impl Stripe {
    /// Uses `n` units of the lease, if there are so many and they are young enough.
    #[inline]
    fn take(&self, n: u32, now: Timestamp) -> bool {
        let n = u64::from(n);
        let taken = self.update(|word| {
            let enough = n != 0 && units(word) >= n && !is_expired(word, now);
            // Within the bits of the units.
            enough.then(|| word.wrapping_sub(n))
        });
        taken.is_some()
    }

    /// Whether nothing was leased for so long that whatever is left is too old.
    fn is_idle(&self, now: Timestamp) -> bool {
        is_expired(self.lease.load(Ordering::Acquire), now)
    }

    /// Begins to fetch for who asks for `n` units, unless another thread does already, or has.
    fn begin(&self, n: u32) -> bool {
        let n = u64::from(n);
        self.update(|word| (word & FETCHING == 0 && units(word) < n).then_some(word | FETCHING))
            .is_some()
    }

    /// Ends what was begun, and puts down the rest of the batch.
    fn end(&self, rest: u32, now: Timestamp) {
        let rest = u64::from(rest);
        self.update(|word| {
            // The age of a lease is that of its oldest unit.
            let since = if units(word) == 0 { now.as_nanos() & !LOW } else { word & !LOW };
            // Fewer units were there than are missing from the batch, and none came: at most a batch.
            Some(since | units(word).saturating_add(rest).min(UNITS))
        });
    }

    /// Takes all units that are left, if the lease is `due`; `None` if nothing was written.
    #[inline]
    fn call_in(&self, due: impl Fn(u64) -> bool) -> Option<u32> {
        let left = self.update(|word| (units(word) > 0 && due(word)).then_some(word & !UNITS));
        // 16 bits.
        left.map(|word| u32::try_from(units(word)).unwrap_or(0))
    }

    /// Changes the word, as long as there is something to change, and tells what it was.
    #[inline]
    fn update(&self, change: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        // Acquire and release: who takes units, and gives them back, has seen the centre that leased
        // them. Acquire to fetch: a change that is not made must be right too.
        self.lease.fetch_update(Ordering::AcqRel, Ordering::Acquire, change).ok()
    }
}

/// Whether the units in this word are too old, or of a time that is not one yet.
#[inline]
fn is_expired(word: u64, now: Timestamp) -> bool {
    now.as_nanos().abs_diff(word & !LOW) > LEASE
}

#[inline]
const fn units(word: u64) -> u64 {
    word & UNITS
}

/// The stripe of the calling thread: threads are numbered as they come.
#[cfg(all(feature = "std", not(loom)))]
#[inline]
fn of_this_thread() -> usize {
    static THREADS: AtomicU64 = AtomicU64::new(0);
    std::thread_local! {
        // Relaxed: only that the numbers differ matters.
        static MINE: usize =
            usize::try_from(THREADS.fetch_add(1, Ordering::Relaxed)).unwrap_or_default();
    }
    // While a thread ends it may have none any more.
    MINE.try_with(|mine| *mine).unwrap_or_default()
}

const UNITS: u64 = (1 << 16) - 1;

/// Marks a stripe that a thread is fetching for.
const FETCHING: u64 = 1 << 16;

/// The bits that are not time.
const LOW: u64 = UNITS | FETCHING;

/// [`LeasedBucket::LEASE`] in nanoseconds. The time of a lease is cut off, so that it ends early if at all.
const LEASE: u64 = 10_000_000;

#[cfg(test)]
mod tests;
