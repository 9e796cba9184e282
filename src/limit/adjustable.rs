//! One token bucket whose quota can be changed while threads use it.
//!
//! The word and its guard are those of [`guard`](super::guard). What a quota determines (its ticks, its
//! guard) is kept twice, in slots that take turns: one is in force, the other is written by the next
//! change. Each change begins an *era*, whose number stands in the word itself, beside the time; its lowest
//! bit says which slot is in force.
//!
//! | word | content |
//! |---|---|
//! | `full_at` | as in the guard's table, with [`ERA`] bits of the era, modulo 2^`ERA` |
//! | `slots[_]` | the quota, its ticks, and a guard of its own |
//!
//! There is no other word that says which quota is in force: such a word and `full_at` could disagree, and
//! whoever found them so would have to know how to go on.
//!
//! # Invariants
//! - **I1** between changes all promises of [`TokenBucket`](super::TokenBucket) hold, with ticks that are
//!   up to 2³ times coarser where its are not exact;
//! - **I2** a decision is made by one quota, the one before or the one after a change that it races;
//! - **I3** an interval with one change in it admits no more than the larger of both bursts and the larger
//!   of both rates would; if clocks disagree with that of the change, more by the difference of the
//!   rates over the difference of the clocks, once;
//! - **I4** what is owed is carried over in units: exactly, or more by less than a tick; no more than the
//!   new quota lets a charge leave; a full bucket stays full, and one whose quota was zero is empty;
//! - **I5** no charge, refund or renewal is lost in a change;
//! - **I6** every decision equals that of the reference, which keeps the time in 128 bits.
//!
//! # Why that holds
//! *A change* is made by one thread at a time. It writes the idle slot, and then turns the word into one of
//! the next era, by one compare-exchange: what is owed at the time of the change, in the new ticks. Until
//! then the old quota is in force, from then on the new one; a check never waits for a change.
//!
//! *One quota decides* (I2, I5). Whoever writes the word does so by a compare-exchange from a value with
//! the era in it. If it succeeds, the word was still of the era by which it was judged, and the change that
//! comes afterwards carries over what it has written; if the change came first, it fails.
//!
//! *No slot is read half written.* A slot is written while the word is of the era after its own. Who has
//! read something of that sees an era later than its own in the word, and starts again; so nothing that
//! was read of a slot is used until the word has been seen again.
//!
//! *The guards.* Each era starts with a guard at the time of its change, and a word that is not earlier
//! than that. A thread of an earlier era may still raise the guard of a slot that has been taken anew:
//! to a time that was already there, and by no more than clocks differ.
//!
//! *What is left*, besides what the guard leaves, is a thread that sleeps through eight changes, or a
//! multiple, between its first load and its second or its compare-exchange, and finds the very same value.

use super::{
    guard::{Guarded, RENEWED, Read, Terms, flags},
    reservation::{Reservation, Settlement},
};
use crate::{
    quota::{
        Quota,
        ticks::{Scale, Ticks},
    },
    sync::{AtomicU64, Ordering, Turnstile, const_fn},
    time::Timestamp,
    verdict::Decision,
};
use core::time::Duration;

/// A [`TokenBucket`](super::TokenBucket) whose quota can be changed while it is in use.
///
/// Take it for limits that an operator turns while traffic flows: what was taken under one quota is still
/// owed under the next. Where the quota stays, a `TokenBucket` is smaller and faster.
///
/// # Guarantee
/// Between changes every interval of length `x` admits at most `burst + rate · x` units. A check that
/// races a change is judged by one of both quotas, and an interval with one change in it admits at most
/// what the larger burst and the larger rate allow.
///
/// A change carries over what is owed, in units: a bucket of 100 that has 30 left owes 70, and of a
/// burst of 80 it has 10 left, of a burst of 50 none. What is owed beyond the new burst and the room for
/// debt is forgiven, so going to a smaller burst and back refills a bucket in part. A quota of zero
/// holds nothing: a bucket that leaves one starts empty.
///
/// The rate is the quota's, exactly, or lower by at most 2⁻²¹ where 64 bits cannot hold it.
///
/// # Memory
/// 160 bytes (168 without `std`), no allocation.
///
/// # Concurrency
/// As [`TokenBucket`](super::TokenBucket), and a check never waits for a change. Threads that change the
/// quota at the same time wait for each other.
///
/// # Cost
/// A check reads about ten words more than that of a `TokenBucket`, all of them close together.
///
/// # Example: an operator halves a limit
/// ```
/// use portcullis::{AdjustableBucket, Quota, Timestamp};
///
/// static EXPORTS: AdjustableBucket = AdjustableBucket::new(Quota::per_hour(10));
/// let now = Timestamp::from_secs(1);
/// assert!(EXPORTS.check_n(3, now).is_admitted());
///
/// EXPORTS.set_quota(Quota::per_hour(5), now);
/// assert_eq!(EXPORTS.quota(), Quota::per_hour(5));
/// assert_eq!(EXPORTS.peek_n(1, now).standing().remaining(), 2);
/// ```
#[derive(Debug)]
pub struct AdjustableBucket {
    full_at: AtomicU64,
    slots: [Slot; 2],
    /// Room for debt, in units.
    debt: u32,
    changing: Turnstile,
}

impl AdjustableBucket {
    const_fn! {
        /// A full bucket, without room for debt.
        #[must_use]
        pub fn new(quota: Quota) -> Self {
            Self::with_debt(quota, 0)
        }
    }

    const_fn! {
        /// A full bucket with room for debt, in units that stay the same whatever the quota; see
        /// [`TokenBucket::with_debt`](super::TokenBucket::with_debt).
        #[must_use]
        pub fn with_debt(quota: Quota, debt: u32) -> Self {
            Self {
                full_at: AtomicU64::new(0),
                slots: [Slot::of(quota, debt), Slot::of(quota, debt)],
                debt,
                changing: Turnstile::new(),
            }
        }
    }

    /// The quota in force.
    #[must_use]
    pub fn quota(&self) -> Quota {
        let mut era = self.era();
        loop {
            let quota = self.slot(era).quota();
            let again = self.era();
            // A slot that was being written need not hold a quota, and was not in force.
            if let (Some(quota), true) = (quota, era == again) {
                return quota;
            }
            era = again;
        }
    }

    /// Puts another quota in force, from `now` on.
    ///
    /// What is owed at `now` stays owed in units; see the [guarantee](Self#guarantee). Until then the bucket
    /// was refilled at the old rate.
    ///
    /// # Concurrency
    /// Checks are not held up; a change is one compare-exchange among theirs, tried again when it loses.
    /// Another change that is being made is waited for.
    pub fn set_quota(&self, quota: Quota, now: Timestamp) {
        let _turn = self.changing.enter();
        let era = self.era();
        let (old, new) = (self.slot(era), self.slot(era.wrapping_add(1)));
        new.set(quota, self.debt, now);
        let (old_terms, terms) = (old.terms(), new.terms());
        loop {
            let full_at = self.full_at.load(Ordering::Acquire);
            let written_at = old.written_at.load(Ordering::Acquire);
            let debt = old_terms.debt_by::<ERA>(full_at, written_at, now);
            let owed = inherited(&old_terms.ticks, debt, &terms.ticks);
            // A word that nobody has charged since it was renewed stays one, and a full one becomes one.
            let mark = if owed == 0 { RENEWED } else { full_at & RENEWED };
            let converted = terms.due::<ERA>(owed, now, era.wrapping_add(1)) | mark;
            // Release: who sees the era sees its slot. Acquire: the next change writes the slot that this
            // one has read, and must come after it.
            let turned = self.full_at.compare_exchange(
                full_at,
                converted,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if turned.is_ok() {
                return;
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
    /// More than the burst is always denied, with a wait of [`Duration::MAX`]. Zero units are admitted
    /// unless the quota is zero, and change nothing.
    #[inline]
    pub fn check_n(&self, n: u32, now: Timestamp) -> Decision {
        self.take(n, now)
    }

    /// What [`check_n`](Self::check_n) would answer, without taking anything.
    ///
    /// The standing of an admission is the present one, as before the units are taken.
    #[inline]
    pub fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        self.look(n, now)
    }

    /// Gives back `n` units that were taken before, under whichever quota.
    ///
    /// The bucket is then at most full: giving back more than was taken makes no tokens.
    pub fn refund_n(&self, n: u32, now: Timestamp) {
        self.give_back(n, now);
    }

    /// Takes `n` units whether they are there or not, as far as there is room for debt.
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

    /// Corrects what a reservation took to what it should have been: units, whatever the quota is now.
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
}

impl Guarded<ERA> for AdjustableBucket {
    #[inline]
    fn read(&self, now: Timestamp) -> (Read, Terms, i64) {
        // Acquire, all of them: none may be read before the one above it. The word comes before the guard:
        // whoever sees a charge also sees the guard that was raised before it.
        let mut full_at = self.full_at.load(Ordering::Acquire);
        loop {
            let era = era_of(full_at);
            let slot = self.slot(era);
            let terms = slot.terms();
            let written_at = slot.written_at.load(Ordering::Acquire);
            let again = self.full_at.load(Ordering::Acquire);
            if again == full_at {
                let fresh = terms.is_fresh(written_at, now);
                let debt = terms.debt_by::<ERA>(full_at, written_at, now);
                return (Read { full_at, written_at, fresh, era }, terms, debt);
            }
            full_at = again;
        }
    }

    #[inline]
    fn full_at(&self) -> &AtomicU64 {
        &self.full_at
    }

    #[inline]
    fn written_at(&self, era: u64) -> &AtomicU64 {
        &self.slot(era).written_at
    }
}

/// Eras.
impl AdjustableBucket {
    #[inline]
    fn slot(&self, era: u64) -> &Slot {
        let [even, odd] = &self.slots;
        if era & 1 == 0 { even } else { odd }
    }

    fn era(&self) -> u64 {
        era_of(self.full_at.load(Ordering::Acquire))
    }
}

/// One quota and what follows from it; written while it is not in force.
#[derive(Debug)]
struct Slot {
    /// The count above, the burst below.
    numbers: AtomicU64,
    period: AtomicU64,
    interval: AtomicU64,
    /// Ticks per nanosecond below, at most 2³²; the shift in the uppermost byte.
    per_nano: AtomicU64,
    burst: AtomicU64,
    most: AtomicU64,
    lawful: AtomicU64,
    trusted: AtomicU64,
    written_at: AtomicU64,
}

impl Slot {
    const_fn! {
        fn of(quota: Quota, debt: u32) -> Self {
            let words = words(quota, debt);
            let [numbers, period, interval, per_nano, burst, most, lawful, trusted] = words;
            Self {
                numbers: AtomicU64::new(numbers),
                period: AtomicU64::new(period),
                interval: AtomicU64::new(interval),
                per_nano: AtomicU64::new(per_nano),
                burst: AtomicU64::new(burst),
                most: AtomicU64::new(most),
                lawful: AtomicU64::new(lawful),
                trusted: AtomicU64::new(trusted),
                written_at: AtomicU64::new(0),
            }
        }
    }

    /// Writes all of it. Release: who reads one of these values sees a word of a later era than the slot's.
    fn set(&self, quota: Quota, debt: u32, now: Timestamp) {
        let words = words(quota, debt);
        let fields = [
            &self.numbers,
            &self.period,
            &self.interval,
            &self.per_nano,
            &self.burst,
            &self.most,
            &self.lawful,
            &self.trusted,
        ];
        for (field, word) in fields.into_iter().zip(words) {
            field.store(word, Ordering::Release);
        }
        self.written_at.store(now.as_nanos(), Ordering::Release);
    }

    /// What the word is read by, good if the word is seen again afterwards. Acquire, for that.
    #[inline]
    fn terms(&self) -> Terms {
        let per_nano = self.per_nano.load(Ordering::Acquire);
        let [shift, ..] = per_nano.to_be_bytes();
        let scale = Scale {
            interval: self.interval.load(Ordering::Acquire),
            per_nano: per_nano & (u64::MAX >> 8),
            shift,
            after: 0,
        };
        let ticks = Ticks {
            scale,
            burst: self.burst.load(Ordering::Acquire),
            most: self.most.load(Ordering::Acquire),
            lawful: self.lawful.load(Ordering::Acquire),
        };
        let (_, limit) = halves(self.numbers.load(Ordering::Acquire));
        Terms { ticks, limit, trusted: self.trusted.load(Ordering::Acquire) }
    }

    fn quota(&self) -> Option<Quota> {
        let (count, burst) = halves(self.numbers.load(Ordering::Acquire));
        let period = Duration::from_nanos(self.period.load(Ordering::Acquire));
        Some(Quota::new(count, period).ok()?.burst(burst))
    }
}

/// What a slot keeps of a quota, in the order of its fields.
const fn words(quota: Quota, debt: u32) -> [u64; 8] {
    let Terms { ticks, limit, trusted } = Terms::of(quota, debt, ERA);
    let Ticks { scale, burst, most, lawful } = ticks;
    let numbers = (quota.count() as u64) << 32 | limit as u64;
    let per_nano = (scale.shift as u64) << 56 | scale.per_nano;
    [numbers, quota.period_nanos(), scale.interval, per_nano, burst, most, lawful, trusted]
}

/// The upper and the lower half.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "halves")]
const fn halves(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

/// What is owed in `new` ticks by a bucket whose debt is this in `old` ones: as many units, rounded up to
/// an even tick.
fn inherited(old: &Ticks, debt: i64, new: &Ticks) -> u64 {
    if old.burst == 0 {
        return new.burst;
    }
    let owed = u128::from(old.owed(debt)).saturating_mul(new.scale.interval.into());
    let owed = owed.div_ceil(u128::from(old.scale.interval).max(1));
    let owed = u64::try_from(owed.saturating_add(owed & 1)).unwrap_or(u64::MAX);
    owed.min(new.most)
}

/// The era of a word, modulo 2^`ERA`.
#[inline]
const fn era_of(full_at: u64) -> u64 {
    (full_at & flags(ERA)) >> 1
}

/// The bits of the word that tell its era: one would do for the slots, and then a thread that sleeps
/// through two changes could take a word for one that it has read before.
pub(super) const ERA: u32 = 3;

#[cfg(test)]
mod tests;
