//! Under which seed and quota a check is judged, and how both change while checks go on.
//!
//! An era is a seed (where a key's seats are) and a quota. A change starts the next era: nothing is
//! moved, a key that is not found where the present era has it is looked for where the last two had
//! it, until all that was owed then is paid. What it owes there is carried over in units, rounded
//! up, and its old bucket is *closed* before it gets a new one.
//!
//! | slot | bits | content |
//! |---|---|---|
//! | `seed` | 63..0 | mixed with the hash of a key |
//! | `terms` | 63..32 | ticks of an interval |
//! | | 31..0 | burst |
//! | `paid` | 63..0 | the reclaim clock at which all buckets of earlier eras are full |
//!
//! # Why a change loses nothing
//! - *A view is whole.* There are four slots. Before era `e + 1` starts, only its own slot is written,
//!   which belonged to `e − 3`; a reader looks at `e`, `e − 1` and `e − 2`, and reads the number of
//!   the era again afterwards: if it is still `e`, none of those was being written.
//! - *No claim is lost.* Who claims a way reads the number again after the claim, and admits nothing if it
//!   has changed; who finds a bucket reads the number again before charging it, since it may be the seat of
//!   such a claim. Who knows the new number reads the old ways after that. The exchange, the loads
//!   of ways and the number are SeqCst, so one of both sees the other.
//! - *No charge is lost.* A bucket of an earlier era is closed by an exchange before its key gets
//!   another, and a closed bucket cannot be charged. When it is not looked at any more, whatever was
//!   charged to it before the change is paid.
//!
//! # A clock set back
//! leaves a `paid` that lies far ahead of it: earlier eras would be looked at, and no change could be made, until
//! the clock has caught up. What is owed was [healed](super::clock) with the clock, so it is paid by the time at which it would
//! be if all of it was taken now: who comes to make a change says so. That is the one word of an era that
//! changes while it is in force, and a reader may see the one or the other: with the old one it looks where nothing is owed.

use super::word::Fingerprint;
use crate::{
    quota::ticks::{Scale, Ticks},
    sync::{self, AtomicU64, Ordering},
};

#[derive(Debug)]
pub(super) struct Era {
    number: AtomicU64,
    slots: [Slot; SLOTS],
}

#[derive(Debug)]
struct Slot {
    seed: AtomicU64,
    terms: AtomicU64,
    paid: AtomicU64,
}

/// One era, as a check sees it from beginning to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) number: u64,
    pub(super) seed: u64,
    pub(super) interval: u64,
    pub(super) limit: u32,
    pub(super) paid: u64,
}

/// Where a key's bucket may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) sets: [usize; CHOICES],
    pub(super) key: Fingerprint,
}

const SLOTS: usize = 4;
/// How many earlier eras are looked at.
pub(super) const EARLIER: u64 = 2;
/// In how many sets a key may have its bucket.
pub(super) const CHOICES: usize = 2;

impl Era {
    pub(super) fn new(number: u64, seed: u64, interval: u64, limit: u32) -> Self {
        let era = Self {
            number: AtomicU64::new(number),
            slots: core::array::from_fn(|_| Slot {
                seed: AtomicU64::new(0),
                terms: AtomicU64::new(0),
                paid: AtomicU64::new(0),
            }),
        };
        era.write(View { number, seed, interval, limit, paid: 0 });
        era
    }

    /// The present era.
    #[inline]
    pub(super) fn view(&self) -> View {
        loop {
            let number = self.number.load(Ordering::SeqCst);
            let view = self.read(number);
            if self.is_present(&view) {
                return view;
            }
        }
    }

    /// The era before this one by so many and when all that is owed in it is paid, if it is to be looked at while the reclaim clock is at
    /// `reclaimed`; `Err` if `view` is not the present one any more.
    pub(super) fn before(
        &self,
        view: &View,
        by: u64,
        reclaimed: u64,
    ) -> Result<Option<(View, u64)>, Superseded> {
        // What is owed since the era `by` before this was paid when the one after it says.
        let Some(number) = view.number.checked_sub(by) else { return Ok(None) };
        let after = self.read(number.wrapping_add(1));
        let earlier = self.read(number);
        if !self.is_present(view) {
            return Err(Superseded);
        }
        Ok((by <= EARLIER && after.paid > reclaimed).then_some((earlier, after.paid)))
    }

    /// The present era and those before it that are still looked at, the latest first.
    #[cfg(feature = "serde")]
    pub(super) fn history(&self, reclaimed: u64) -> alloc::vec::Vec<View> {
        let mut history = alloc::vec![self.view()];
        for by in 1..=EARLIER {
            let present = history.first().copied();
            match present.map(|view| self.before(&view, by, reclaimed)) {
                Some(Ok(Some((view, _)))) => history.push(view),
                _ => break,
            }
        }
        history
    }

    /// Eras as if these had followed each other, the latest given first.
    #[cfg(feature = "serde")]
    pub(super) fn restored(history: &[View]) -> Self {
        let era = Self::new(0, 0, 0, 0);
        for (number, view) in (0..).zip(history.iter().rev()) {
            era.write(View { number, ..*view });
            // Relaxed: nobody else has it yet.
            era.number.store(number, Ordering::Relaxed);
        }
        era
    }

    /// The present era's number, seed and terms: of one era if the number is [still](Self::is_still)
    /// the same afterwards.
    #[inline]
    pub(super) fn glance(&self) -> (u64, u64, Terms) {
        let number = self.number.load(Ordering::SeqCst);
        let slot = self.slot(number);
        // Acquire: as in `read`.
        (number, slot.seed.load(Ordering::Acquire), Terms(slot.terms.load(Ordering::Acquire)))
    }

    #[inline]
    pub(super) fn is_still(&self, number: u64) -> bool {
        sync::model_fence();
        self.number.load(Ordering::SeqCst) == number
    }

    /// Whether `view` is still the present era.
    #[inline]
    pub(super) fn is_present(&self, view: &View) -> bool {
        self.number.load(Ordering::SeqCst) == view.number
    }

    /// As [`is_present`](Self::is_present), ordered after the exchange before it.
    #[inline]
    pub(super) fn confirms(&self, view: &View) -> bool {
        self.is_still(view.number)
    }

    /// The eras before this one whose debts the present `paid` may be waiting for.
    pub(super) fn latest(&self, view: &View) -> impl Iterator<Item = View> {
        (1..=EARLIER).filter_map(|by| Some(self.read(view.number.checked_sub(by)?)))
    }

    /// All that is owed is paid by `most`, since the clock was set back; one caller at a time, the one that makes changes.
    #[cold]
    pub(super) fn heal(&self, view: &View, most: u64) {
        for number in [view.number, view.number.wrapping_sub(1)] {
            let paid = &self.slot(number).paid;
            // Relaxed: only who makes changes writes it.
            if paid.load(Ordering::Relaxed) > most {
                // Release: as in `write`.
                paid.store(most, Ordering::Release);
            }
        }
    }

    /// Starts the next era; one caller at a time. `Err` while too much is owed in the earlier ones.
    pub(super) fn change(
        &self,
        seed: u64,
        interval: u64,
        limit: u32,
        paid: u64,
        reclaimed: u64,
    ) -> Result<(), u64> {
        if let Some(until) = self.blocked(reclaimed) {
            return Err(until);
        }
        let present = self.view();
        let number = present.number.wrapping_add(1);
        // Those before the present era may take longer to fill than it does.
        let paid = paid.max(present.paid);
        self.write(View { number, seed, interval, limit, paid });
        self.number.store(number, Ordering::SeqCst);
        sync::model_fence();
        Ok(())
    }

    /// Until when the next era cannot start.
    pub(super) fn blocked(&self, reclaimed: u64) -> Option<u64> {
        let present = self.view();
        // The era that would no longer be looked at is the one before the last `EARLIER`.
        let last = present.number.saturating_sub(EARLIER.saturating_sub(1));
        let paid = self.read(last).paid;
        (present.number >= EARLIER && paid > reclaimed).then_some(paid)
    }

    #[inline]
    fn read(&self, number: u64) -> View {
        let slot = self.slot(number);
        // Acquire: who sees what is written for a later era also sees that the present one has ended.
        let terms = Terms(slot.terms.load(Ordering::Acquire));
        View {
            number,
            seed: slot.seed.load(Ordering::Acquire),
            interval: terms.interval(),
            limit: terms.burst(),
            paid: slot.paid.load(Ordering::Acquire),
        }
    }

    fn write(&self, view: View) {
        let slot = self.slot(view.number);
        // Release: see `read`.
        slot.seed.store(view.seed, Ordering::Release);
        slot.terms.store(view.interval << 32 | u64::from(view.limit), Ordering::Release);
        slot.paid.store(view.paid, Ordering::Release);
    }

    #[inline]
    fn slot(&self, number: u64) -> &Slot {
        let [first, ..] = &self.slots;
        // Always there; written so that nothing can panic.
        self.slots.get(usize::from(number.to_le_bytes()[0]) % SLOTS).unwrap_or(first)
    }
}

/// A quota on the store's scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms(u64);

impl Terms {
    #[inline]
    pub(super) const fn interval(self) -> u64 {
        self.0 >> 32
    }

    #[inline]
    pub(super) const fn burst(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half, as documented")]
        {
            self.0 as u32
        }
    }
}

/// The era of a view has ended while it was used.
#[derive(Debug)]
pub(super) struct Superseded;

impl View {
    /// The quota's ticks, on the store's scale.
    #[inline]
    pub(super) fn ticks(&self, scale: Scale, room: u32, slack: u64) -> Ticks {
        // Checked when the era was made: at most 2^34 ticks.
        let burst = self.interval.wrapping_mul(u64::from(self.limit));
        let most = burst.wrapping_add(self.interval.wrapping_mul(u64::from(room)));
        let scale = Scale { interval: self.interval, ..scale };
        Ticks { scale, burst, most, lawful: most.wrapping_add(slack) }
    }

    /// Where the key with this hash has its bucket, in a table of this shape.
    #[inline]
    pub(super) fn place(&self, hash: u64, shape: Shape) -> Place {
        place(hash, self.seed, shape)
    }

    /// What a debt of this era is in `other`: as many units, rounded up; nothing or less if it is that.
    pub(super) fn convert(&self, debt: i64, other: &View) -> i64 {
        if self.interval == other.interval || self.interval == 0 {
            return debt;
        }
        let scaled = i128::from(debt).saturating_mul(i128::from(other.interval));
        let interval = i128::from(self.interval);
        let units = scaled.saturating_add(interval.saturating_sub(1)).checked_div(interval);
        units.and_then(|debt| i64::try_from(debt).ok()).unwrap_or(i64::MAX)
    }
}

/// How many sets a table has, and which of them are neighbours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    sets: usize,
    /// One less than the size of a neighbourhood, which is a power of two.
    mask: usize,
}

impl Shape {
    pub(super) fn of(sets: usize) -> Self {
        let power = 1_usize.checked_shl(sets.max(1).ilog2()).unwrap_or(1);
        Self { sets, mask: power.min(NEIGHBOURS).wrapping_sub(1) }
    }
}

/// Where the key with this hash has its bucket under this seed, in a table of this shape.
///
/// The second set is in the neighbourhood of the first, 4 KiB: nearly as good to choose from as the
/// whole table, and the processor has to look up one page for both.
#[inline]
pub(super) fn place(hash: u64, seed: u64, Shape { sets, mask }: Shape) -> Place {
    // A folded multiplication: all bits of the hash and of the seed reach all bits.
    let product = u128::from(hash ^ seed).wrapping_mul(u128::from(FACTOR));
    let mixed = low(product) ^ low(product >> 64);
    // By the highest bits, below `sets`, which is a usize.
    let one = usize::try_from(low(u128::from(mixed).wrapping_mul(sets as u128) >> 64)).unwrap_or(0);
    // By bits that are neither the fingerprint's nor count for the first set.
    let bits = usize::try_from(mixed >> 22 & 0xff).unwrap_or(0);
    let other = one ^ bits & mask;
    // The last neighbourhood may lack some sets; those of the one before stand in for them.
    let other = if other < sets { other } else { other.wrapping_sub(mask).wrapping_sub(1) };
    Place { sets: [one, other], key: Fingerprint::of(mixed) }
}

#[inline]
fn low(bits: u128) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    {
        bits as u64
    }
}

/// Odd, with about as many ones as zeros in every stretch: the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
/// The sets of a neighbourhood, in a table that has as many; a power of two.
const NEIGHBOURS: usize = 64;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Era, Shape, Superseded, place};

    /// Until all that was owed in it is paid, and no longer: nor does it hold the next change up.
    #[test]
    fn an_earlier_era_is_looked_at_until_it_is_paid() {
        let era = Era::new(0, 1, 64, 5);
        assert_eq!(era.change(2, 64, 5, 100, 0), Ok(()));
        let view = era.view();
        let found = |by, reclaimed| {
            era.before(&view, by, reclaimed).unwrap().map(|(of, paid)| (of.seed, paid))
        };
        assert_eq!([found(1, 99), found(1, 100), found(2, 0)], [Some((1, 100)), None, None]);
        assert_eq!(era.change(3, 64, 5, 200, 0), Ok(()));
        assert_eq!([99, 100].map(|reclaimed| era.blocked(reclaimed)), [Some(100), None]);
        assert_eq!(era.change(4, 64, 5, 300, 99), Err(100));
        assert_eq!(era.change(4, 64, 5, 300, 100), Ok(()));
    }

    /// Whatever the seed is; or there would be keys that share all of their places.
    #[test]
    fn every_bit_of_a_hash_and_of_a_seed_moves_a_key() {
        let at = |hash, seed| {
            let place = place(hash, seed, Shape::of(1 << 20));
            (place.sets, place.key)
        };
        let (hash, seed) = (0x5555_3333_0f0f_00ff, 0x3333_5555_00ff_0f0f);
        for bit in 0..64 {
            assert_ne!(at(hash ^ 1 << bit, seed), at(hash, seed), "{bit} of the hash");
            assert_ne!(at(hash, seed ^ 1 << bit), at(hash, seed), "{bit} of the seed");
            assert_ne!(at(hash ^ 1 << bit, seed).1, at(hash, seed).1, "{bit}: the fingerprint");
        }
    }

    /// Where the last neighbourhood lacks some sets, too.
    #[test]
    fn both_sets_of_a_key_are_there() {
        for sets in [1, 2, 3, 63, 64, 65, 100, 129] {
            for hash in 0..2_000_u64 {
                let place = place(hash << 40 | hash, 7, Shape::of(sets));
                assert!(place.sets.iter().all(|set| *set < sets), "{place:?} of {sets}");
            }
        }
    }

    #[test]
    fn debts_are_converted_in_units() {
        let view = |interval| Era::new(0, 1, interval, 5).view();
        let convert = |debt, from, to| view(from).convert(debt, &view(to));
        assert_eq!([192, 193, 1, 0].map(|debt| convert(debt, 64, 100)), [300, 302, 2, 0]);
        assert_eq!([192, 193, 1, 0].map(|debt| convert(debt, 64, 64)), [192, 193, 1, 0]);
        assert!([-1, -64, -(1 << 40)].iter().all(|debt| convert(*debt, 64, 100) <= 0));
        // Of a quota of zero nobody knows in what units, and under one nothing is owed.
        assert_eq!((convert(192, 0, 100), convert(192, 64, 0)), (192, 0));
    }

    #[test]
    fn a_view_is_not_good_for_anything_after_a_change() {
        let era = Era::new(0, 1, 64, 5);
        era.change(2, 64, 5, 100, 0).unwrap();
        let view = era.view();
        assert!(era.is_present(&view) && era.confirms(&view));
        era.change(3, 64, 5, 100, 0).unwrap();
        assert!(!era.is_present(&view) && !era.confirms(&view));
        assert!(matches!(era.before(&view, 1, 0), Err(Superseded)));
    }
}
