//! One token bucket in one word.
//!
//! The word, `full_at`, is the time at which the bucket will be full again, in the quota's ticks
//! and modulo 2⁶⁴. A check is one load, some arithmetic and one compare-exchange; a denial only
//! loads.
//!
//! # Why a second word
//! Ticks can be finer than a nanosecond, so 64 bits of them span less than the 584 years of a
//! [`Timestamp`], and for a bucket left alone long enough a time in the past would read as one in the
//! future: idleness as debt. `written_at` rules that out. It is the untruncated time of a recent
//! charge, and `full_at` is read modulo 2⁶⁴ only while `now` is within [`TRUSTED`] ticks of it.
//! Outside of that the answer is known without decoding: long after a charge the bucket is full,
//! long before it (a clock set back) the bucket counts as empty. It is a guard and not a second half
//! of the state: no admission depends on the two words being read at one instant.
//!
//! | word | content | written |
//! |---|---|---|
//! | `full_at` | ticks, modulo 2⁶⁴: when the bucket is full | by compare-exchange: admissions, refunds, healing, renewal |
//! | `written_at` | nanoseconds; not later than `full_at` | renewal: when a charge finds it a quarter of [`TRUSTED`] old; healing |
//!
//! # Invariants
//! - **I1** any interval `[a, b]` admits at most `burst + rate · (b − a)` units, under every
//!   interleaving, as long as no `now` steps back by more than a second;
//! - **I2** a denial writes nothing, except to heal a clock that stepped back by more than a second;
//! - **I3** an earlier `now` never gives more tokens than a later one would have;
//! - **I4** each step back of more than a second forgives at most one burst;
//! - **I5** every decision equals that of the reference, which keeps the time in 128 bits;
//! - **I6** a lost compare-exchange never admits;
//! - **I7** a charge is made only by a thread that has seen a fresh `written_at`.
//!
//! Why I6 and I7 suffice for I1: a charge is a compare-exchange on `full_at` from the value that it
//! was judged by, and that value is read *before* `written_at`. If `written_at` was fresh, the value
//! was valid. If it was stale, the thread renews: it first turns `full_at` into "full now" (which it
//! is), then updates `written_at`, then starts again. So whoever still sees a stale `written_at` has
//! read `full_at` from before any charge that followed, and its compare-exchange fails if there was
//! one. What is left is a thread that sleeps between its load and its compare-exchange while the word
//! comes round to the same value, 2⁶⁴ ticks later; it overdraws by its own units at most.

use crate::{
    quota::{
        Quota,
        ticks::{Step, Ticks},
    },
    sync::{AtomicU64, Ordering},
    time::Timestamp,
    verdict::{Asked, Decision},
};

/// A token bucket: one limit, shared by reference, without a lock.
///
/// # Guarantee
/// Every interval of length `x` admits at most `burst + rate · x` units, whatever the threads do,
/// as long as the timestamps given to it do not step back by more than a second (a step back of
/// more forgives at most one burst). The rate is the quota's, exactly, or lower by less than 2⁻²⁶
/// where 64 bits cannot hold it. An earlier timestamp is taken at its word: it sees the debt that
/// there is, and never gives more tokens.
///
/// # Concurrency
/// `check` is one compare-exchange, retried while other threads admit at the same time; a denial
/// writes nothing, so a bucket under attack stays in every core's cache. No thread ever waits for
/// another one that was stopped. The first admission after decades of idleness (for the finest
/// ticks, half a second) takes three atomic operations instead of one.
///
/// # Memory
/// 72 bytes, no allocation.
///
/// # Example: at most 50 a second, bursts of 100
/// ```
/// use portcullis::{Quota, Timestamp, TokenBucket};
/// use std::time::Duration;
///
/// let bucket = TokenBucket::new(Quota::per_second(50).burst(100));
/// let now = Timestamp::from_secs(1);
/// assert!(bucket.check_n(100, now).is_admitted());
///
/// let decision = bucket.check(now);
/// assert!(decision.is_denied());
/// let wait = decision.standing().retry_after();
/// assert_eq!(wait, Duration::from_millis(20));
/// assert!(bucket.check(now.saturating_add(wait)).is_admitted());
/// ```
#[derive(Debug)]
pub struct TokenBucket {
    full_at: AtomicU64,
    written_at: AtomicU64,
    limit: u32,
    ticks: Ticks,
    /// [`TRUSTED`] in nanoseconds.
    trusted: u64,
}

impl TokenBucket {
    /// A full bucket.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(quota: Quota) -> Self {
        let ticks = Ticks::of(quota);
        Self {
            full_at: AtomicU64::new(0),
            written_at: AtomicU64::new(0),
            limit: quota.max_burst(),
            ticks,
            trusted: ticks.nanos(TRUSTED),
        }
    }

    /// A full bucket (loom's atomics have no `const` constructor).
    #[cfg(loom)]
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        let ticks = Ticks::of(quota);
        Self {
            full_at: AtomicU64::new(0),
            written_at: AtomicU64::new(0),
            limit: quota.max_burst(),
            ticks,
            trusted: ticks.nanos(TRUSTED),
        }
    }

    /// Takes one unit, if there is one.
    #[inline]
    pub fn check(&self, now: Timestamp) -> Decision {
        self.check_n(1, now)
    }

    /// Takes `n` units at once, or none of them.
    ///
    /// More than the burst is always denied, with a wait of [`Duration::MAX`](core::time::Duration::MAX).
    /// Zero units are admitted unless the quota is zero, and change nothing.
    #[inline]
    pub fn check_n(&self, n: u32, now: Timestamp) -> Decision {
        let asked = self.asked(n, now);
        let cost = self.ticks.cost(n);
        loop {
            let read = self.read(now);
            match self.ticks.step(read.debt, cost) {
                Step::Admitted { debt } if n == 0 => return Decision::admitted(asked, debt),
                Step::Admitted { .. } if !read.fresh => self.renew(read, now),
                Step::Admitted { debt } => {
                    if self.replace(read, debt, now) {
                        return Decision::admitted(asked, debt);
                    }
                }
                Step::Denied { debt } => return Decision::denied(asked, debt),
                Step::Healed { debt } => {
                    if self.replace(read, debt, now) {
                        self.lower(read, now);
                        return Decision::denied(asked, debt);
                    }
                }
            }
        }
    }

    /// What [`check_n`](Self::check_n) would answer, without taking anything.
    ///
    /// The standing of an admission is the present one, as before the units are taken.
    #[inline]
    pub fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        let asked = self.asked(n, now);
        let debt = self.read(now).debt;
        match self.ticks.step(debt, self.ticks.cost(n)) {
            Step::Admitted { .. } => Decision::admitted(asked, self.ticks.owed(debt)),
            Step::Denied { debt } | Step::Healed { debt } => Decision::denied(asked, debt),
        }
    }

    /// Gives back `n` units that were taken before.
    ///
    /// The bucket is then at most full: giving back more than was taken makes no tokens.
    pub fn refund_n(&self, n: u32, now: Timestamp) {
        let cost = self.ticks.cost(n);
        loop {
            let read = self.read(now);
            let owed = self.ticks.owed(read.debt);
            if owed == 0 || cost == 0 {
                return;
            }
            if self.replace(read, owed.saturating_sub(cost), now) {
                self.lower(read, now);
                return;
            }
        }
    }

    /// [`TRUSTED`] in nanoseconds, for the models of the guard.
    #[cfg(all(test, loom))]
    pub(crate) fn trusted(&self) -> u64 {
        self.trusted
    }

    fn asked(&self, units: u32, now: Timestamp) -> Asked {
        Asked { ticks: self.ticks, limit: self.limit, units, now }
    }
}

/// The words and who may write them when; see the module's documentation.
impl TokenBucket {
    #[inline]
    fn read(&self, now: Timestamp) -> Read {
        // Acquire, and before `written_at`: whoever sees a charge also sees the `written_at` that
        // was set before it.
        let full_at = self.full_at.load(Ordering::Acquire);
        // Relaxed: the load above orders it, and a stale value only leads to a renewal.
        let written_at = self.written_at.load(Ordering::Relaxed);
        let nanos = now.as_nanos();
        let debt = if nanos.abs_diff(written_at) <= self.trusted {
            full_at.wrapping_sub(self.ticks.wrapped(now)) as i64
        } else if nanos > written_at {
            0
        } else {
            i64::MAX
        };
        let fresh = nanos.saturating_sub(written_at) <= self.trusted / 4;
        Read { full_at, written_at, debt, fresh }
    }

    /// Makes the bucket owe `debt` at `now`, if nobody has changed it since `read`.
    #[inline]
    fn replace(&self, read: Read, debt: u64, now: Timestamp) -> bool {
        let full_at = self.ticks.wrapped(now).wrapping_add(debt);
        // Release on success: publishes the `written_at` that this charge was judged by. Relaxed on
        // failure: the caller reads again.
        self.full_at
            .compare_exchange(read.full_at, full_at, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Keeps `written_at` not later than `full_at`, after the debt was lowered at an earlier `now`.
    #[inline]
    fn lower(&self, read: Read, now: Timestamp) {
        if now.as_nanos() < read.written_at {
            // If it changed meanwhile, somebody else's newer time stands.
            let _ = self.written_at.compare_exchange(
                read.written_at,
                now.as_nanos(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
    }

    /// Brings `written_at` to `now`, before a charge.
    #[cold]
    fn renew(&self, read: Read, now: Timestamp) {
        // A bucket in debt is full later than now already.
        if read.debt > 0 || self.replace(read, 0, now) {
            // A maximum, so that a thread that was held up here cannot make it older. Release: a
            // charge that follows, by anyone who has seen this, publishes it with `full_at`.
            self.written_at.fetch_max(now.as_nanos(), Ordering::AcqRel);
        }
    }
}

/// The words as one thread saw them.
#[derive(Clone, Copy)]
struct Read {
    full_at: u64,
    written_at: u64,
    /// The debt at `now`; negative if the bucket has been full for a while.
    debt: i64,
    /// Whether `written_at` is recent enough to charge.
    fresh: bool,
}

/// How far from `written_at`, in ticks, `full_at` is read modulo 2⁶⁴.
///
/// A full bucket and the slack are at most 2⁶¹ ticks, and `written_at` is at most a quarter of this
/// older than a charge, so a debt read within it is at most 2⁶² + 2⁶⁰ + 2⁶¹ and fits an `i64`; and
/// beyond it every debt has been paid, 2⁶⁰ + 2⁶¹ being less.
const TRUSTED: u64 = 1 << 62;

#[cfg(test)]
mod tests;
