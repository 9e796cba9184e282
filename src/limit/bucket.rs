//! One token bucket of a fixed quota: one word and a guard.
//!
//! What the words hold, and why that works, is told in [`guard`](super::guard). Here is the shortest way
//! through it, and the face.
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

use super::{
    guard::{Guarded, Read, Terms},
    reservation::{Reservation, Settlement},
};
use crate::{
    quota::{Quota, ticks::Step},
    sync::{AtomicU64, Ordering, const_fn},
    time::Timestamp,
    verdict::Decision,
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
    terms: Terms,
}

impl TokenBucket {
    const_fn! {
        /// A full bucket, without room for debt.
        #[must_use]
        pub fn new(quota: Quota) -> Self {
            Self::with_debt(quota, 0)
        }
    }

    const_fn! {
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
        #[must_use]
        pub fn with_debt(quota: Quota, debt: u32) -> Self {
            Self {
                full_at: AtomicU64::new(0),
                written_at: AtomicU64::new(0),
                terms: Terms::of(quota, debt, NO_ERA),
            }
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
        let terms = &self.terms;
        let cost = terms.ticks.scale.cost(n);
        let read = self.glance(now);
        if cost != 0 && read.fresh && now.as_nanos() >= read.written_at {
            match terms.ticks.take(terms.debt::<NO_ERA>(read.full_at, now), cost) {
                Step::Admitted { debt } if self.replace(read, terms, debt, now) => {
                    return Decision::admitted(terms.asked(n, now), debt);
                }
                Step::Denied { debt } if self.full_at.load(Ordering::Acquire) == read.full_at => {
                    return Decision::denied(terms.asked(n, now), debt);
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
        self.take(n, now)
    }

    /// What [`check_n`](Self::check_n) would answer, without taking anything.
    ///
    /// The standing of an admission is the present one, as before the units are taken.
    #[inline]
    pub fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        self.look(n, now)
    }

    /// Gives back `n` units that were taken before.
    ///
    /// The bucket is then at most full: giving back more than was taken makes no tokens.
    pub fn refund_n(&self, n: u32, now: Timestamp) {
        self.give_back(n, now);
    }

    /// Takes `n` units whether they are there or not.
    ///
    /// What is owed beyond an empty bucket is capped at the bucket's room for debt, which is none
    /// unless it was made [with some](Self::with_debt).
    ///
    /// # Concurrency
    /// As [`check_n`](Self::check_n); a charge of a bucket that owes all it can writes nothing.
    pub fn charge_n(&self, n: u32, now: Timestamp) {
        self.charge(n, now);
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

    /// Where the bucket stands, for a decision that was made elsewhere.
    #[inline]
    pub(super) fn standing(&self, units: u32, now: Timestamp) -> Decision {
        let (_, terms, debt) = self.read(now);
        Decision::admitted(terms.asked(units, now), terms.ticks.owed(debt))
    }

    /// How far from its guard the word is trusted, in nanoseconds, for the models of the guard.
    #[cfg(all(test, loom))]
    pub(crate) fn trusted(&self) -> u64 {
        self.terms.trusted
    }

    /// Both words, read once: good for an exchange, or if `full_at` is seen again afterwards.
    #[inline]
    fn glance(&self, now: Timestamp) -> Read {
        // Acquire, and before `written_at`: whoever sees a charge also sees the `written_at` that
        // was raised before it.
        let full_at = self.full_at.load(Ordering::Acquire);
        // Acquire: whoever sees a raised guard also sees, on looking again, the word that it guards.
        let written_at = self.written_at.load(Ordering::Acquire);
        Read { full_at, written_at, fresh: self.terms.is_fresh(written_at, now), era: 0 }
    }
}

impl Guarded<NO_ERA> for TokenBucket {
    #[inline]
    fn read(&self, now: Timestamp) -> (Read, Terms, i64) {
        let mut read = self.glance(now);
        loop {
            let again = self.glance(now);
            if again.full_at == read.full_at {
                break;
            }
            read = again;
        }
        let debt = self.terms.debt_by::<NO_ERA>(read.full_at, read.written_at, now);
        (read, self.terms, debt)
    }

    #[inline]
    fn full_at(&self) -> &AtomicU64 {
        &self.full_at
    }

    #[inline]
    fn written_at(&self, _era: u64) -> &AtomicU64 {
        &self.written_at
    }
}

/// A quota that is fixed has one era, and needs no bits to tell it.
const NO_ERA: u32 = 0;

#[cfg(test)]
pub(super) mod tests;
#[cfg(test)]
mod tests_debt;
