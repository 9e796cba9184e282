//! One token bucket in one word, and a guard.
//!
//! The word, `full_at`, is the time at which the bucket will be full again, in the quota's ticks
//! and modulo 2⁶⁴. A check is a load, some arithmetic and one compare-exchange; a denial only loads.
//!
//! # Why a guard
//! Ticks can be finer than a nanosecond, so 64 bits of them span less than the 584 years of a
//! [`Timestamp`], and for a bucket left alone long enough a time in the past would read as one in the
//! future: idleness as debt. `written_at` rules that out. It is the untruncated time of a recent
//! charge, and `full_at` is read modulo 2⁶⁴ only while `now` is within [`TRUSTED`] ticks of it.
//! Outside of that the answer is known without decoding: long after a charge the bucket is full,
//! long before it (a clock set back) the bucket counts as empty.
//!
//! | word | bits | content |
//! |---|---|---|
//! | `full_at` | 63..1 | half the tick at which the bucket is full, modulo 2⁶³; ticks are even |
//! | | 0 | [`RENEWED`]: set by a renewal, cleared by the next charge |
//! | `written_at` | 63..0 | nanoseconds; at most half of [`TRUSTED`] later than `full_at` once all threads are done |
//!
//! # Invariants
//! - **I1** any interval `[a, b]` admits at most `burst + rate · (b − a)` units, under every
//!   interleaving, as long as no `now` steps back by more than a second;
//! - **I2** a denial writes nothing, except to heal a clock that stepped back by more than a second;
//! - **I3** an earlier `now` never gives more tokens than a later one would have;
//! - **I4** each step back of more than a second forgives at most one burst (two, if a thread whose
//!   clock did not step back charges in the middle of the healing);
//! - **I5** every decision equals that of the reference, which keeps the time in 128 bits;
//! - **I6** a lost compare-exchange never admits;
//! - **I7** a charge is made only by a thread that has seen a fresh `written_at`, and a denial only
//!   on a `full_at` that still stood after `written_at` was read;
//! - **I8** a charge is never refused, and leaves at most the burst and the room for debt, unless more
//!   was owed already.
//!
//! # Why that holds
//! *Renewal.* Who would charge and finds `written_at` stale first turns `full_at` into "full now"
//! (which it is), marked `RENEWED`, then raises `written_at` to its `now`, then starts again. Several
//! threads may renew at once, each with a `now` of its own, so `full_at` may go back a little while
//! nobody has charged.
//!
//! *No charge is lost.* A renewal is a compare-exchange from a value that was read before a stale
//! `written_at`. By I7 no charge was made before that value, since the raised `written_at` would have
//! been seen with it; so the value is either from before the idleness, or marked. A charge that came
//! since has cleared the mark, and the exchange fails. (Without the mark it could succeed: renewals to
//! `a`, then back to `b < a`, and a charge that lifts the word to just `a` again.) Nor can the mark
//! come back with the same value: another renewal needs a `now` that is a quarter of `TRUSTED` later
//! than the guard, and the guard only rises as long as no clock steps back by more than the slack.
//!
//! *No idleness reads as debt.* A decision is made on a `full_at` that was seen before and after
//! `written_at`, or that its compare-exchange finds unchanged; the pair was therefore valid together.
//!
//! *What is left* is a thread that sleeps between its load and its compare-exchange until the word,
//! 2⁶⁴ ticks later, has come round to the very same value: it may forgive one burst.

use super::reservation::{Reservation, Settlement};
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
/// more forgives a burst). The rate is the quota's, exactly, or lower by at most 2⁻²⁵
/// where 64 bits cannot hold it. An earlier timestamp is taken at its word: it sees the debt that
/// there is, and never gives more tokens.
///
/// # Concurrency
/// `check` is one compare-exchange, retried while other threads admit at the same time; a denial
/// writes nothing, so a bucket under attack stays in every core's cache. No thread ever waits for
/// another one that was stopped. The first admission, and one after long idleness (decades for most
/// quotas, half a second for the finest ticks), takes three atomic operations instead of one.
///
/// # Memory
/// 80 bytes, no allocation.
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
    /// A full bucket, without room for debt.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(quota: Quota) -> Self {
        Self::with_debt(quota, 0)
    }

    /// A full bucket whose [charges](Self::charge_n) may leave it up to `debt` units worse than empty.
    ///
    /// Checks do not see the difference: they are admitted while there is something in the bucket, and
    /// debt is paid back before there is. Whatever is charged, a bucket that is left alone holds a unit
    /// again after the time of `debt + 1` units.
    ///
    /// # Example: pay for what was not foreseen
    /// ```
    /// use portcullis::{Quota, Timestamp, TokenBucket};
    /// use std::time::Duration;
    ///
    /// let bucket = TokenBucket::with_debt(Quota::per_second(10), 20);
    /// let now = Timestamp::from_secs(1);
    /// bucket.charge_n(15, now);
    /// assert_eq!(bucket.check(now).standing().retry_after(), Duration::from_millis(600));
    /// bucket.charge_n(1_000, now);
    /// assert_eq!(bucket.check(now).standing().retry_after(), Duration::from_millis(2_100));
    /// ```
    #[cfg(not(loom))]
    #[must_use]
    pub const fn with_debt(quota: Quota, debt: u32) -> Self {
        let ticks = Ticks::with_debt(quota, debt);
        Self {
            full_at: AtomicU64::new(0),
            written_at: AtomicU64::new(0),
            limit: quota.max_burst(),
            ticks,
            trusted: ticks.scale.nanos(TRUSTED),
        }
    }

    /// A full bucket, without room for debt.
    #[cfg(loom)]
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self::with_debt(quota, 0)
    }

    /// A full bucket (loom's atomics have no `const` constructor).
    #[cfg(loom)]
    #[must_use]
    pub fn with_debt(quota: Quota, debt: u32) -> Self {
        let ticks = Ticks::with_debt(quota, debt);
        Self {
            full_at: AtomicU64::new(0),
            written_at: AtomicU64::new(0),
            limit: quota.max_burst(),
            ticks,
            trusted: ticks.scale.nanos(TRUSTED),
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
        // The plain case first: a recent charge, no race, something to take.
        let cost = self.ticks.scale.cost(n);
        let read = self.glance(now);
        if cost != 0 && read.fresh && now.as_nanos() >= read.written_at {
            match self.ticks.take(self.debt(read.full_at, now), cost) {
                Step::Admitted { debt } if self.replace(read, debt, now) => {
                    return Decision::admitted(self.asked(n, now), debt);
                }
                Step::Denied { debt } if self.full_at.load(Ordering::Acquire) == read.full_at => {
                    return Decision::denied(self.asked(n, now), debt);
                }
                _ => {}
            }
        }
        self.check_slowly(n, now)
    }

    /// All cases of [`check_n`](Self::check_n), and the second try of who lost an exchange.
    #[cold]
    #[inline(never)]
    fn check_slowly(&self, n: u32, now: Timestamp) -> Decision {
        let asked = self.asked(n, now);
        let cost = self.ticks.scale.cost(n);
        loop {
            let (read, debt) = self.read(now);
            match self.ticks.step(debt, cost) {
                Step::Admitted { debt } if n == 0 => return Decision::admitted(asked, debt),
                Step::Admitted { .. } if !read.fresh => self.renew(read, debt, now),
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
        let (_, debt) = self.read(now);
        match self.ticks.step(debt, self.ticks.scale.cost(n)) {
            Step::Admitted { .. } => Decision::admitted(asked, self.ticks.owed(debt)),
            Step::Denied { debt } | Step::Healed { debt } => Decision::denied(asked, debt),
        }
    }

    /// Gives back `n` units that were taken before.
    ///
    /// The bucket is then at most full: giving back more than was taken makes no tokens.
    pub fn refund_n(&self, n: u32, now: Timestamp) {
        let cost = self.ticks.scale.cost(n);
        loop {
            let (read, debt) = self.read(now);
            let owed = self.ticks.owed(debt);
            if owed == 0 || cost == 0 {
                return;
            }
            // A word that was renewed and not charged stays one.
            let full_at = self.due(owed.saturating_sub(cost), now) | (read.full_at & RENEWED);
            if self.exchange(read, full_at) {
                self.lower(read, now);
                return;
            }
        }
    }

    /// Takes `n` units whether they are there or not.
    ///
    /// What is owed beyond an empty bucket is capped at the bucket's room for debt, which is none
    /// unless it was made [with some](Self::with_debt).
    ///
    /// # Concurrency
    /// As [`check_n`](Self::check_n); a charge of a bucket that owes all it can writes nothing.
    pub fn charge_n(&self, n: u32, now: Timestamp) {
        let cost = self.ticks.scale.cost(n);
        loop {
            let (read, debt) = self.read(now);
            let owed = self.ticks.charge(debt, cost);
            if cost == 0 || i64::try_from(owed) == Ok(debt) {
                return;
            }
            // As an admission, but for the debt of a clock set back, which is healed here on the way.
            if !read.fresh {
                self.renew(read, debt, now);
            } else if self.replace(read, owed, now) {
                self.lower(read, now);
                return;
            }
        }
    }

    /// Takes `n` units before their true number is known; see [`Reservation`].
    ///
    /// # Errors
    /// The denial, if there are not so many.
    pub fn reserve_n(&self, n: u32, now: Timestamp) -> Result<Reservation, Decision> {
        Reservation::of(n, self.check_n(n, now))
    }

    /// Corrects what a reservation took to what it should have been.
    ///
    /// Gives the rest back, or [charges](Self::charge_n) more: beyond an empty bucket only as far as
    /// there is [room for debt](Self::with_debt).
    pub fn settle(&self, reservation: Reservation, actual: u32, now: Timestamp) {
        match reservation.settle_at(actual) {
            Settlement::Refund(units) => self.refund_n(units, now),
            Settlement::Charge(units) => self.charge_n(units, now),
        }
    }

    /// Gives back all that a reservation took.
    pub fn cancel(&self, reservation: Reservation, now: Timestamp) {
        self.settle(reservation, 0, now);
    }

    /// [`TRUSTED`] in nanoseconds, for the models of the guard.
    #[cfg(all(test, loom))]
    pub(crate) fn trusted(&self) -> u64 {
        self.trusted
    }

    #[inline]
    fn asked(&self, units: u32, now: Timestamp) -> Asked {
        Asked { scale: self.ticks.scale, limit: self.limit, units, now }
    }
}

/// The words and who may write them when; see the module's documentation.
impl TokenBucket {
    /// Both words, read once: good for an exchange, or if `full_at` is seen again afterwards.
    #[inline]
    fn glance(&self, now: Timestamp) -> Read {
        // Acquire, and before `written_at`: whoever sees a charge also sees the `written_at` that
        // was raised before it.
        let full_at = self.full_at.load(Ordering::Acquire);
        // Acquire: whoever sees a raised guard also sees, on looking again, the word that it guards.
        let written_at = self.written_at.load(Ordering::Acquire);
        let fresh = now.as_nanos().saturating_sub(written_at) <= self.trusted / 4;
        Read { full_at, written_at, fresh }
    }

    /// Both words as they stood together, and the debt at `now`: negative if the bucket has been
    /// full for a while.
    fn read(&self, now: Timestamp) -> (Read, i64) {
        let mut read = self.glance(now);
        loop {
            let again = self.glance(now);
            if again.full_at == read.full_at {
                break;
            }
            read = again;
        }
        let nanos = now.as_nanos();
        let debt = if nanos.abs_diff(read.written_at) <= self.trusted {
            self.debt(read.full_at, now)
        } else if nanos > read.written_at {
            0
        } else {
            i64::MAX
        };
        (read, debt)
    }

    #[inline]
    fn debt(&self, full_at: u64, now: Timestamp) -> i64 {
        (full_at & !RENEWED).wrapping_sub(self.ticks.scale.wrapped(now)) as i64
    }

    /// The `full_at` of a bucket that owes `debt` at `now`.
    #[inline]
    fn due(&self, debt: u64, now: Timestamp) -> u64 {
        self.ticks.scale.wrapped(now).wrapping_add(debt)
    }

    /// Makes the bucket owe `debt` at `now`, if nobody has changed it since `read`.
    #[inline]
    fn replace(&self, read: Read, debt: u64, now: Timestamp) -> bool {
        self.exchange(read, self.due(debt, now))
    }

    #[inline]
    fn exchange(&self, read: Read, full_at: u64) -> bool {
        // Release on success: publishes the `written_at` that this change was judged by. Relaxed on
        // failure: the caller reads again.
        self.full_at
            .compare_exchange(read.full_at, full_at, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Keeps `written_at` in reach of `full_at`, after the debt was lowered at a much earlier `now`.
    ///
    /// Half of [`TRUSTED`] is at least [`SLACK`](crate::quota::ticks::SLACK): while no clock steps back
    /// by more than that, `written_at` only rises, and a charge is never followed by another renewal
    /// until `TRUSTED / 4` later.
    #[inline]
    fn lower(&self, read: Read, now: Timestamp) {
        if read.written_at.saturating_sub(now.as_nanos()) > self.trusted / 2 {
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
    fn renew(&self, read: Read, debt: i64, now: Timestamp) {
        // A bucket in debt is full later than now already.
        if debt > 0 || self.exchange(read, self.due(0, now) | RENEWED) {
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
    /// Whether `written_at` is recent enough to charge.
    fresh: bool,
}

/// Marks a `full_at` that was renewed and not charged since.
const RENEWED: u64 = 1;

/// How far from `written_at`, in ticks, `full_at` is read modulo 2⁶⁴.
///
/// A full bucket and the slack are at most 2⁶¹ ticks, and `written_at` is at most a quarter of this
/// older than a charge, so a debt read within it is at most 2⁶² + 2⁶⁰ + 2⁶¹; and it is at most half of
/// this later than `full_at`, so a debt is at least -(2⁶² + 2⁶¹). Both fit an `i64`. Beyond it every
/// debt has been paid, 2⁶⁰ + 2⁶¹ being less, or is more than lawful, 2⁶² - 2⁶¹ being no less.
const TRUSTED: u64 = 1 << 62;

#[cfg(test)]
mod tests;
