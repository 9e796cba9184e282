//! One word of ticks and a guard: how a bucket is read, charged and renewed without a lock.
//!
//! The word, `full_at`, is the time at which the bucket will be full again, in the quota's ticks and
//! modulo what the word has room for. A check is a load, some arithmetic and one compare-exchange; a
//! denial only loads.
//!
//! # Why a guard
//! Ticks can be finer than a nanosecond, so 64 bits of them span less than the 584 years of a
//! [`Timestamp`], and for a bucket left alone long enough a time in the past would read as one in the
//! future: idleness as debt. `written_at` rules that out. It is the untruncated time of a recent
//! charge, and `full_at` is read modulo its range only while `now` is within [`trust`] of it.
//! Outside of that the answer is known without decoding: long after a charge the bucket is full,
//! long before it (a clock set back) the bucket counts as empty.
//!
//! With `LOW` bits for the era, of which a bucket of a fixed quota has none:
//!
//! | word | bits | content |
//! |---|---|---|
//! | `full_at` | 63..`LOW`+1 | half the tick at which the bucket is full, modulo 2^(63 - `LOW`); ticks are even |
//! | | `LOW`..1 | the era's lowest bits: which quota's ticks these are |
//! | | 0 | [`RENEWED`]: set by a renewal, cleared by the next charge |
//! | `written_at` | 63..0 | nanoseconds; at most half of [`trust`] later than `full_at` once all threads are done |
//!
//! # Why that holds
//! The invariants are those of the [bucket](super::bucket); I7 is the guard's.
//!
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
//! come back with the same value: another renewal needs a `now` that is a quarter of the trust later
//! than the guard, and the guard only rises as long as no clock steps back by more than the slack.
//!
//! *No idleness reads as debt.* A decision is made on a `full_at` that was seen before and after
//! `written_at`, or that its compare-exchange finds unchanged; the pair was therefore valid together.
//!
//! *What is left* is a thread that sleeps between its load and its compare-exchange until the word,
//! one range of ticks later, has come round to the very same value: it may forgive one burst.

use crate::{
    quota::{
        Quota,
        ticks::{Step, Ticks},
    },
    sync::{AtomicU64, Ordering},
    time::Timestamp,
    verdict::{Asked, Decision},
};

/// What the words are read by: one quota, and how much room they leave for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) ticks: Ticks,
    /// The quota's burst.
    pub(super) limit: u32,
    /// [`trust`] in nanoseconds.
    pub(super) trusted: u64,
}

impl Terms {
    /// The terms of a quota, in words with `low` bits for the era.
    pub(super) const fn of(quota: Quota, debt: u32, low: u32) -> Self {
        let ticks = Ticks::within(quota, debt, low);
        Self { ticks, limit: quota.max_burst(), trusted: ticks.scale.nanos(trust(low)) }
    }

    #[inline]
    pub(super) fn asked(&self, units: u32, now: Timestamp) -> Asked {
        Asked { scale: self.ticks.scale, limit: self.limit, units, now }
    }

    /// Whether a guard is recent enough to charge.
    #[inline]
    pub(super) fn is_fresh(&self, written_at: u64, now: Timestamp) -> bool {
        now.as_nanos().saturating_sub(written_at) <= self.trusted / 4
    }

    /// The debt at `now`, negative if the bucket has been full for a while; of words that stood together.
    pub(super) fn debt_by<const LOW: u32>(
        &self,
        full_at: u64,
        written_at: u64,
        now: Timestamp,
    ) -> i64 {
        let nanos = now.as_nanos();
        if nanos.abs_diff(written_at) <= self.trusted {
            self.debt::<LOW>(full_at, now)
        } else if nanos > written_at {
            0
        } else {
            i64::MAX
        }
    }

    /// The debt at `now`, if that is within the guard's trust.
    #[inline]
    pub(super) fn debt<const LOW: u32>(&self, full_at: u64, now: Timestamp) -> i64 {
        let now = self.ticks.scale.wrapped(now).wrapping_shl(LOW);
        ((full_at & !flags(LOW)).wrapping_sub(now) as i64).wrapping_shr(LOW)
    }

    /// The `full_at` of a bucket that owes `debt` at `now`, in this era.
    #[inline]
    pub(super) fn due<const LOW: u32>(&self, debt: u64, now: Timestamp, era: u64) -> u64 {
        self.ticks.scale.wrapped(now).wrapping_add(debt).wrapping_shl(LOW) | tag(era, LOW)
    }
}

/// The words as one thread saw them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) full_at: u64,
    pub(super) written_at: u64,
    /// Whether `written_at` is recent enough to charge.
    pub(super) fresh: bool,
    /// Which terms they are read by.
    pub(super) era: u64,
}

/// A word, its guard and the verbs of a bucket; `LOW` is how many bits of the word tell the era.
pub(super) trait Guarded<const LOW: u32> {
    /// Both words as they stood together, the terms that were then in force, and the debt at `now`.
    fn read(&self, now: Timestamp) -> (Read, Terms, i64);

    fn full_at(&self) -> &AtomicU64;

    /// The guard of this era.
    fn written_at(&self, era: u64) -> &AtomicU64;

    /// Takes `n` units at once, or none of them.
    #[inline]
    fn take(&self, n: u32, now: Timestamp) -> Decision {
        loop {
            let (read, terms, debt) = self.read(now);
            let asked = terms.asked(n, now);
            match terms.ticks.step(debt, terms.ticks.scale.cost(n)) {
                Step::Admitted { debt } if n == 0 => return Decision::admitted(asked, debt),
                Step::Admitted { .. } if !read.fresh => self.renew(read, &terms, debt, now),
                Step::Admitted { debt } => {
                    if self.replace(read, &terms, debt, now) {
                        return Decision::admitted(asked, debt);
                    }
                }
                Step::Denied { debt } => return Decision::denied(asked, debt),
                Step::Healed { debt } => {
                    if self.replace(read, &terms, debt, now) {
                        self.lower(read, &terms, now);
                        return Decision::denied(asked, debt);
                    }
                }
            }
        }
    }

    /// What [`take`](Self::take) would answer, with the standing from before it if it would admit.
    #[inline]
    fn look(&self, n: u32, now: Timestamp) -> Decision {
        let (_, terms, debt) = self.read(now);
        let asked = terms.asked(n, now);
        match terms.ticks.step(debt, terms.ticks.scale.cost(n)) {
            Step::Admitted { .. } => Decision::admitted(asked, terms.ticks.owed(debt)),
            Step::Denied { debt } | Step::Healed { debt } => Decision::denied(asked, debt),
        }
    }

    /// Gives back `n` units, until the bucket is full.
    #[inline]
    fn give_back(&self, n: u32, now: Timestamp) {
        loop {
            let (read, terms, debt) = self.read(now);
            let cost = terms.ticks.scale.cost(n);
            let owed = terms.ticks.owed(debt);
            if owed == 0 || cost == 0 {
                return;
            }
            // A word that was renewed and not charged stays one.
            let full_at = terms.due::<LOW>(owed.saturating_sub(cost), now, read.era)
                | (read.full_at & RENEWED);
            if self.exchange(read, full_at) {
                self.lower(read, &terms, now);
                return;
            }
        }
    }

    /// Takes `n` units whether they are there or not, as far as there is room for debt.
    #[inline]
    fn charge(&self, n: u32, now: Timestamp) {
        loop {
            let (read, terms, debt) = self.read(now);
            let cost = terms.ticks.scale.cost(n);
            let owed = terms.ticks.charge(debt, cost);
            if cost == 0 || i64::try_from(owed) == Ok(debt) {
                return;
            }
            // As an admission, but for the debt of a clock set back, which is healed here on the way.
            if !read.fresh {
                self.renew(read, &terms, debt, now);
            } else if self.replace(read, &terms, owed, now) {
                self.lower(read, &terms, now);
                return;
            }
        }
    }

    /// Makes the bucket owe `debt` at `now`, if nobody has changed it since `read`.
    #[inline]
    fn replace(&self, read: Read, terms: &Terms, debt: u64, now: Timestamp) -> bool {
        self.exchange(read, terms.due::<LOW>(debt, now, read.era))
    }

    #[inline]
    fn exchange(&self, read: Read, full_at: u64) -> bool {
        // Release on success: publishes the `written_at` that this change was judged by. Relaxed on
        // failure: the caller reads again.
        self.full_at()
            .compare_exchange(read.full_at, full_at, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Keeps `written_at` in reach of `full_at`, after the debt was lowered at a much earlier `now`.
    ///
    /// Half of the trust is at least [`SLACK`](crate::quota::ticks::SLACK): while no clock steps back
    /// by more than that, `written_at` only rises, and a charge is never followed by another renewal
    /// until a quarter of the trust later.
    #[inline]
    fn lower(&self, read: Read, terms: &Terms, now: Timestamp) {
        if read.written_at.saturating_sub(now.as_nanos()) > terms.trusted / 2 {
            // If it changed meanwhile, somebody else's newer time stands.
            let _ = self.written_at(read.era).compare_exchange(
                read.written_at,
                now.as_nanos(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
    }

    /// Brings `written_at` to `now`, before a charge.
    #[cold]
    fn renew(&self, read: Read, terms: &Terms, debt: i64, now: Timestamp) {
        // A bucket in debt is full later than now already.
        if debt > 0 || self.exchange(read, terms.due::<LOW>(0, now, read.era) | RENEWED) {
            // A maximum, so that a thread that was held up here cannot make it older. Release: a
            // charge that follows, by anyone who has seen this, publishes it with `full_at`.
            self.written_at(read.era).fetch_max(now.as_nanos(), Ordering::AcqRel);
        }
    }
}

/// Marks a `full_at` that was renewed and not charged since.
pub(super) const RENEWED: u64 = 1;

/// The bits of a word that are not time.
pub(super) const fn flags(low: u32) -> u64 {
    2_u64.wrapping_shl(low).wrapping_sub(1)
}

/// What a word of this era has in the era's bits.
#[inline]
pub(super) const fn tag(era: u64, low: u32) -> u64 {
    era.wrapping_shl(1) & flags(low)
}

/// How far from `written_at`, in ticks, `full_at` is read modulo its range of 2^(64 - `low`).
///
/// Without an era: a full bucket, its debt and the slack are at most 2⁶¹ ticks, and `written_at` is at
/// most a quarter of this older than a charge, so a debt read within it is at most 2⁶² + 2⁶⁰ + 2⁶¹; and
/// it is at most half of this later than `full_at`, so a debt is at least -(2⁶² + 2⁶¹). Both fit an
/// `i64`. Beyond it every debt has been paid, 2⁶⁰ + 2⁶¹ being less, or is more than lawful, 2⁶² - 2⁶¹
/// being no less. With an era all of these are 2^`low` times smaller.
const fn trust(low: u32) -> u64 {
    (1_u64 << 62).wrapping_shr(low)
}

#[cfg(test)]
mod tests {
    use super::Terms;
    use crate::{quota::Quota, time::Timestamp};

    /// No sooner: each charge by a guard that is not fresh takes three exchanges.
    #[test]
    fn a_guard_is_fresh_for_a_quarter_of_its_trust() {
        for (quota, low) in [(Quota::per_second(10), 0), (Quota::per_second(1_000_000_007), 3)] {
            let terms = Terms::of(quota, 0, low);
            let is_fresh = |nanos| terms.is_fresh(1_000, Timestamp::from_nanos(nanos));
            let last = 1_000 + terms.trusted / 4;
            assert_eq!([0, 1_000, last, last + 1].map(is_fresh), [true, true, true, false]);
        }
    }
}
