//! The reclaim clock: when a way may be reused, and how words are kept from growing too old to read.
//!
//! One word, `F`: ticks, not cut to 41 bits. It is the latest `now` that was seen, less a lag, in
//! steps; 0 until then. A way is reused when its bucket was full at `F`, and a key that
//! has none starts from the later of its own `now` and `F`. So whatever clock reused the way, a key
//! that lost it can not come back to more than it would have kept. The lag hides ordinary disagreement
//! of clocks: without it, a thread a little behind would find newcomers a little in debt.
//!
//! # Old words
//! A word's time is read modulo 2⁴¹ ticks, right within half of that. Who moves `F` on also tends the
//! sets that the step passes: `F` going through a quarter of the range passes all sets once, and a
//! way that was last full an eighth of the range ago becomes a tombstone of now. A step longer than a
//! sixteenth of the range (nobody came for so long) tends all sets *before* `F` is moved. So no word is
//! ever older than 1/8 + 1/4 + 1/16 of the range when it is read.
//!
//! # A clock set back
//! by more than a second moves `F` back, and all words that no lawful history could have left, seen
//! from there, are healed: an empty bucket, which is full again after one burst's time.

use super::{
    set::{Set, WAYS},
    word::{RANGE, Word},
};
use crate::{
    quota::ticks::Ticks,
    sync::{AtomicU64, Ordering},
};

#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Clock {
    /// `F` + 1, or 0 before the first check.
    word: AtomicU64,
    /// What follows is in ticks.
    lag: u64,
    /// A power of two: `F` moves by no less.
    step: u64,
    /// One second: how far clocks may differ without a step back.
    slack: u64,
    /// What keeps an established way after its bucket is full.
    protection: u64,
}

/// How a word is to be read: relative to this value of `F`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    word: u64,
    pub(super) reclaimed: u64,
    protection: u64,
}

/// A check hastens `F` at the latest when it is this far behind.
const NEAR: u64 = RANGE / 4096;
/// A longer step tends all sets first.
const LEAP: u64 = RANGE / 16;
/// Ways that were full so long ago become tombstones.
const OLD: u64 = RANGE / 8;
/// While `F` moves on by so much, all sets are tended once.
const ROUND: u64 = RANGE / 4;

impl Clock {
    pub(super) fn new(lag: u64, slack: u64, protection: u64) -> Self {
        // Half of the lag, as a power of two.
        let step = 1_u64.checked_shl((lag / 2).max(1).ilog2()).unwrap_or(1);
        Self { word: AtomicU64::new(0), lag, step, slack, protection }
    }

    /// Sets `F`, before the first check.
    #[cfg(feature = "serde")]
    pub(super) fn begin_at(&mut self, reclaimed: u64) {
        self.word = AtomicU64::new(reclaimed.saturating_add(1));
    }

    /// Whether a check at `at` may do without looking after the clock.
    #[inline]
    pub(super) fn is_near(&self, at: u64) -> bool {
        // Relaxed: advice; the slow path looks again.
        let after = self.word.load(Ordering::Relaxed);
        at.wrapping_sub(after).wrapping_add(self.slack) <= NEAR.wrapping_add(self.slack)
    }

    /// Whoever was full for longer by the clock of a check, this or a lower debt, is not protected.
    #[inline]
    pub(super) fn long_idle(&self) -> i64 {
        // Below 2^41.
        (self.protection as i64).wrapping_neg()
    }

    /// By how much a check at `at` would move `F` on.
    pub(super) fn ahead(&self, frame: Frame, at: u64) -> i64 {
        let ahead = at.saturating_sub(self.lag).saturating_sub(frame.reclaimed);
        i64::try_from(ahead).unwrap_or(i64::MAX)
    }

    /// `F` as it is.
    pub(super) fn frame(&self) -> Frame {
        // SeqCst, like the words: a claim must not see an older `F` than who reused the key's way.
        let word = self.word.load(Ordering::SeqCst);
        Frame { word, reclaimed: word.saturating_sub(1), protection: self.protection }
    }

    /// Moves `F` on to `at`, and tends what that passes; the answer is `F` as it then is.
    #[inline]
    pub(super) fn advance(&self, at: u64, sets: &[Set], ticks: &Ticks) -> Frame {
        let frame = self.frame();
        let aim = at.saturating_sub(self.lag) & !self.step.wrapping_sub(1);
        let back = at.saturating_add(self.slack) < frame.reclaimed;
        if aim > frame.reclaimed || back || frame.word == 0 {
            if back {
                self.set_back(at, aim, frame, sets, ticks);
            } else {
                self.advance_to(aim, frame, sets);
            }
            return self.frame();
        }
        frame
    }

    #[inline(never)]
    fn advance_to(&self, aim: u64, frame: Frame, sets: &[Set]) {
        if frame.word == 0 {
            // Before the first check there is nothing to tend.
            self.move_on(frame, aim);
        } else if aim.wrapping_sub(frame.reclaimed) > LEAP {
            // All words were written before `F` left `frame`, so that is where they are read from;
            // before somebody writes one at `aim`, `F` has moved, and `tend` sees that.
            let still = || self.frame().word == frame.word;
            for set in sets {
                tend(set, frame, aim, still);
            }
            self.move_on(frame, aim);
        } else if self.move_on(frame, aim) {
            let now = self.at(aim);
            let still = || self.frame().reclaimed.wrapping_sub(aim) < LEAP;
            for set in passed(sets, frame.reclaimed, aim) {
                tend(set, now, aim, still);
            }
        }
    }

    /// Moves `F` back, and makes an empty bucket of every word that owes more than is lawful at `at`.
    #[cold]
    fn set_back(&self, at: u64, aim: u64, frame: Frame, sets: &[Set], ticks: &Ticks) {
        if !self.move_on(frame, aim) {
            return;
        }
        for set in sets {
            for way in 0..WAYS {
                let word = set.way(way);
                let owes = u64::try_from(word.debt(at)).is_ok_and(|debt| debt > ticks.lawful);
                if owes && !word.is_empty() {
                    // If it has changed meanwhile, somebody else knows better.
                    let _ = set.exchange(way, word, word.full_at(at.wrapping_add(ticks.burst)));
                }
            }
        }
    }

    fn move_on(&self, from: Frame, aim: u64) -> bool {
        let to = self.at(aim).word;
        // SeqCst: as in `frame`.
        self.word.compare_exchange(from.word, to, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// `F` at this tick, which is less than the end of time by a lag.
    fn at(&self, reclaimed: u64) -> Frame {
        Frame { word: reclaimed.saturating_add(1), reclaimed, protection: self.protection }
    }

    pub(super) fn protection(&self) -> u64 {
        self.protection
    }

    /// How far `F` is behind at the most, while checks come.
    pub(super) fn lag(&self) -> u64 {
        self.lag.saturating_add(self.step)
    }
}

impl Frame {
    /// A tick that no claim in progress takes for free, unless `F` has moved on by more than its lag
    /// since it was read.
    pub(super) fn after_what_is_free(self, at: u64) -> u64 {
        self.reclaimed.max(at).wrapping_add(1)
    }

    /// How long until a way may be reused; nothing or less if it may be now.
    #[inline]
    pub(super) fn until_free(self, word: Word) -> i64 {
        if word.is_empty() {
            return i64::MIN;
        }
        // 41 bits and a protection of less: no overflow.
        word.debt(self.reclaimed).saturating_add(self.keeps(word))
    }

    /// What a word owes at `at`, however long after `F` that is.
    pub(super) fn debt(self, word: Word, at: u64) -> i128 {
        let passed = i128::from(at).saturating_sub(i128::from(self.reclaimed));
        i128::from(word.debt(self.reclaimed)).saturating_sub(passed)
    }

    #[inline]
    fn keeps(self, word: Word) -> i64 {
        if word.is_established() { i64::try_from(self.protection).unwrap_or(i64::MAX) } else { 0 }
    }
}

/// The sets that `F` passes between two of its values, less than a round apart.
fn passed(sets: &[Set], from: u64, to: u64) -> impl Iterator<Item = &Set> {
    let at = |clock: u64| {
        let part = u128::from(clock % ROUND).wrapping_mul(sets.len() as u128);
        // Below the number of sets, which is a usize.
        usize::try_from(part >> ROUND.ilog2()).unwrap_or(0)
    };
    let (start, end) = (at(from), at(to));
    // Around the end, if the round ended in between.
    let around = if end < start { (start..sets.len(), 0..end) } else { (start..end, 0..0) };
    let slices = (sets.get(around.0), sets.get(around.1));
    slices.0.into_iter().flatten().chain(slices.1.into_iter().flatten())
}

/// Makes tombstones, full at `aim`, of the ways that were full long before it.
#[cold]
fn tend(set: &Set, frame: Frame, aim: u64, still: impl Fn() -> bool) {
    for way in 0..WAYS {
        let word = set.way(way);
        if word.is_empty() {
            continue;
        }
        let ahead = aim.wrapping_sub(frame.reclaimed);
        let age = i64::try_from(ahead).unwrap_or(i64::MAX).saturating_sub(frame.until_free(word));
        // `still` after the word was read: a word of another time is not to be read in this frame.
        if u64::try_from(age).is_ok_and(|age| age > OLD) && still() {
            // If it has changed meanwhile, it is not old any more.
            let _ = set.exchange(way, word, Word::tombstone(aim));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::vec::Vec;

    use super::{Clock, LEAP, OLD, tend};
    use crate::{
        limit::keyed::{
            set::{Set, WAYS},
            word::{Fingerprint, Word},
        },
        quota::{Quota, ticks::Ticks},
    };

    fn newcomer(full_at: u64) -> Word {
        Word::live(full_at, Fingerprint::of(5), false)
    }

    fn regular(full_at: u64) -> Word {
        Word::live(full_at, Fingerprint::of(6), true)
    }

    /// A set with these words in its first ways.
    fn set(words: &[Word]) -> Set {
        let set = Set::new();
        for (way, word) in words.iter().enumerate() {
            assert!(set.exchange(way, Word::EMPTY, *word));
        }
        set
    }

    fn words(set: &Set) -> Vec<Word> {
        (0..WAYS).map(|way| set.way(way)).collect()
    }

    /// What is owed stays, and so does a regular until it was unprotected for as long.
    #[test]
    fn ways_that_were_full_long_ago_become_tombstones_and_no_others() {
        let clock = Clock::new(0, 0, 1_000);
        let aim = 1 << 50;
        let young =
            [newcomer(aim + 9), newcomer(aim), newcomer(aim - OLD), regular(aim - OLD - 1_000)];
        let old = [newcomer(aim - OLD - 1), regular(aim - OLD - 1_001)];
        let [a, b, c, d] = young;
        let tombstone = Word::tombstone(aim);
        for frame in [clock.at(aim), clock.at(aim - LEAP - 1)] {
            let set = set(&[young, [old[0], old[1], Word::EMPTY, Word::EMPTY]].concat()[..6]);
            let before = words(&set);
            tend(&set, frame, aim, || false);
            assert_eq!(words(&set), before, "read in a frame that is not there any more");
            tend(&set, frame, aim, || true);
            assert_eq!(words(&set), [a, b, c, d, tombstone, tombstone, Word::EMPTY]);
        }
    }

    #[test]
    fn a_step_back_heals_what_nobody_can_owe_and_nothing_else() {
        let ticks = Ticks::packed(Quota::per_second(10).burst(20), 0).unwrap();
        let clock = Clock::new(0, 1_000, 50_000);
        let late = 1 << 50;
        // From here a way that was never used would read as one that owes.
        let early = late - (1 << 38);
        let lawful = [newcomer(early + ticks.lawful), newcomer(early - ticks.lawful - 1)];
        let too_much = newcomer(early + ticks.lawful + 1);
        let sets = [set(&[lawful[0], lawful[1], too_much])];
        let reclaimed = |at| clock.advance(at, &sets, &ticks).reclaimed;
        assert_eq!([late, late - 1_000, late - 1].map(reclaimed), [late; 3], "no step back");
        assert_eq!(words(&sets[0])[..3], [lawful[0], lawful[1], too_much]);
        assert_eq!(reclaimed(early), early);
        let empty = [Word::EMPTY; 4];
        let healed = too_much.full_at(early + ticks.burst);
        assert_eq!(words(&sets[0]), [&[lawful[0], lawful[1], healed][..], &empty].concat());
    }

    #[test]
    fn a_step_back_is_one_of_more_than_the_slack() {
        let ticks = Ticks::packed(Quota::per_second(10).burst(20), 0).unwrap();
        let clock = Clock::new(0, 1_000, 50_000);
        let reclaimed = |at| clock.advance(at, &[], &ticks).reclaimed;
        assert_eq!([9_000, 8_000, 7_999].map(reclaimed), [9_000, 9_000, 7_999]);
    }
}
