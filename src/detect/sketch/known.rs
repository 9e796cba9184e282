//! Networks that were served before: a flood comes from others.
//!
//! A Bloom filter in lines (Putze, Sanders, Singler, "Cache-, hash- and space-efficient Bloom filters", WEA 2007): a network
//! has one cache line, and in each of its eight words one bit. So a question looks at one line of each generation, and
//! the bits need no second hash.
//!
//! ```text
//! note -> young -> ripe -> current -> old -> forgotten
//!            promote  promote   rotate   rotate
//! ```
//!
//! What succeeds is on probation first. [`promote`](Known::promote) makes known what was already there at the promotion before,
//! and [`discard`](Known::discard) forgets all that is on probation. So if promotions are further apart than an attack goes
//! unnoticed, and its discovery discards, then the networks that it came from do not become known by it, even where
//! some of its requests succeeded. [`rotate`](Known::rotate) ages the generations: a network stays known for one to
//! two rotations after its last promotion, and each visit renews it.
//!
//! # Invariants
//! - **I1** what was promoted is known until the second rotation (no false negatives), unless its line was, or would have
//!   been, too full (I4);
//! - **I2** what was noted after the last promotion but one, and is then discarded, is not made known by that;
//! - **I3** with 100,000 networks in each of the two generations, at most 2 % of the networks that were never seen are taken
//!   for known: [`FALSE_AT_100_000`] for each generation;
//! - **I4** no more than three quarters of a line's bits are ever set, so however many networks are promoted, a
//!   generation takes at most a tenth of the others for known (`0.75^8`). What is promoted at the same time into one line is
//!   taken in together or, if with it there would be more bits than that, not at all: many new networks at
//!   once can so keep each other out of a line that is not full yet, until the next rotation or their next visit.
//!   [`is_full`](Known::is_full) says when it is time to rotate before it is due.
//!
//! # Concurrency
//! Any thread may ask and note. Promotions, discards and rotations are for one thread at a time, in any number of steps, whose
//! parts are independent. A network that is noted in the moment in which its line is promoted or discarded may lose some bits, and
//! with them its turn.
//!
//! # Memory
//! Two generations and two filters of probation of 2^20 bits each: 512 KiB.

use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

use super::super::KeyedHash;
use crate::sync::{AtomicU64, Ordering};

/// Bits of the number of a line; fewer in models, where each word is a step, and under miri, since our own tests
/// write all lines again and again.
const LINE_BITS: u32 = if cfg!(any(loom, shuttle)) {
    4
} else if cfg!(all(test, miri)) {
    6
} else {
    11
};
const LINES: usize = 1 << LINE_BITS;
const WORDS: usize = if cfg!(any(loom, shuttle)) { 2 } else { 8 };
/// A line with more bits takes no more networks.
const MOST_BITS: u32 = 3 * 64 * 8 / 4;
/// With more networks than this in the current generation, it is time for the next one.
const MANY: f64 = 120_000.0;

#[cfg(test)]
/// The share of other networks that one generation with 100,000 takes for known: what the mean of
/// `(1 - (63/64)^n)^8` is for lines of so many networks, which is the Poisson distribution's, and some more.
pub(crate) const FALSE_AT_100_000: f64 = 0.009;

/// Known networks: see the module.
pub(crate) struct Known {
    hash: KeyedHash,
    current: Filter,
    old: Filter,
    ripe: Filter,
    young: Filter,
}

/// One filter of 2^20 bits.
struct Filter(Box<[Line]>);

/// One cache line.
#[derive(Default)]
#[repr(align(64))]
struct Line([AtomicU64; WORDS]);

/// Where a network is.
#[derive(Clone, Copy)]
struct Place {
    line: usize,
    bits: [u64; WORDS],
}

impl Known {
    /// Parts of which each can be promoted, discarded and rotated by itself, in less than 20 µs.
    pub(crate) const PARTS: usize = 16;
    /// Words that are saved.
    pub(crate) const SAVED: usize = 2 * LINES * WORDS;

    /// Without any. What was saved can be restored only with the same hash.
    pub(crate) fn new(hash: KeyedHash) -> Self {
        let [current, old, ripe, young] = core::array::from_fn(|_| Filter::new());
        Self { hash, current, old, ripe, young }
    }

    /// Whether this network, of which this is a number or a hash, was served before.
    #[inline]
    pub(crate) fn contains(&self, net_key: u64) -> bool {
        let place = self.place(net_key);
        // In this order: a rotation fills the old generation first.
        self.current.contains(place) || self.old.contains(place)
    }

    /// The network was served, which makes it known after two promotions. If it is known in the current generation
    /// already, nothing is written.
    #[inline]
    pub(crate) fn note(&self, net_key: u64) {
        let place = self.place(net_key);
        if !self.current.contains(place) {
            self.young.set(place);
        }
    }

    /// What was on probation at the promotion before becomes known; what was noted since then waits for
    /// the next one.
    pub(crate) fn promote(&self) {
        (0..Self::PARTS).for_each(|part| self.promote_step(part));
    }

    /// One part of a promotion; each of the [`PARTS`](Self::PARTS) has to have its turn.
    pub(crate) fn promote_step(&self, part: usize) {
        for (current, ripe, young) in lines(part).filter_map(|line| {
            Some((self.current.line(line)?, self.ripe.line(line)?, self.young.line(line)?))
        }) {
            current.take_in(&ripe.bits());
            for (ripe, young) in ripe.0.iter().zip(&young.0) {
                // Relaxed: bits order nothing.
                ripe.store(young.swap(0, Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    }

    /// Forgets what is on probation: an attack was on.
    pub(crate) fn discard(&self) {
        (0..Self::PARTS).for_each(|part| self.discard_step(part));
    }

    /// One part of that.
    pub(crate) fn discard_step(&self, part: usize) {
        for line in lines(part) {
            for filter in [&self.ripe, &self.young] {
                if let Some(line) = filter.line(line) {
                    line.put(&[0; WORDS]);
                }
            }
        }
    }

    /// The current generation becomes the old one, which is forgotten.
    pub(crate) fn rotate(&self) {
        (0..Self::PARTS).for_each(|part| self.rotate_step(part));
    }

    /// One part of that.
    pub(crate) fn rotate_step(&self, part: usize) {
        for (current, old) in
            lines(part).filter_map(|line| Some((self.current.line(line)?, self.old.line(line)?)))
        {
            old.put(&current.bits());
            current.put(&[0; WORDS]);
        }
    }

    /// About how many networks the current generation has: estimated from one part, within 3 %.
    pub(crate) fn estimate(&self) -> f64 {
        let fill = self.fill();
        // A word of 64 bits that was hit n times has a share of (63/64)^n left.
        LINES as f64 * (1.0 - fill).ln() / (63.0_f64 / 64.0).ln()
    }

    /// The share of bits that are set in one part of the current generation.
    pub(crate) fn fill(&self) -> f64 {
        let lines = lines(0);
        let bits = lines.len().saturating_mul(WORDS * 64) as f64;
        let set = lines.filter_map(|line| self.current.line(line)).map(|line| ones(&line.bits()));
        f64::from(set.fold(0_u32, u32::saturating_add)) / bits
    }

    /// The current generation has more networks than it is made for, and should be rotated.
    pub(crate) fn is_full(&self) -> bool {
        self.estimate() > MANY
    }

    /// The bits of both generations. What is on probation is not among them.
    pub(crate) fn save(&self) -> Vec<u64> {
        let lines = self.current.0.iter().chain(&self.old.0);
        lines.flat_map(Line::bits).collect()
    }

    /// Takes what was saved in the place of what there is. `false` if that is not as many words as are
    /// saved; then nothing is changed. Lines that are fuller than lines become are left out.
    pub(crate) fn restore(&self, saved: &[u64]) -> bool {
        if saved.len() != Self::SAVED {
            return false;
        }
        let lines = self.current.0.iter().chain(&self.old.0);
        for (line, bits) in lines.zip(saved.chunks_exact(WORDS)) {
            line.put(&[0; WORDS]);
            if let Ok(bits) = bits.try_into() {
                line.take_in(bits);
            }
        }
        self.discard();
        true
    }

    /// Bytes, all of them allocated when it was made.
    pub(crate) const fn memory_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(size_of::<[[Line; LINES]; 4]>())
    }

    /// The part that a network is in, for models.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(crate) fn part_of(&self, net_key: u64) -> usize {
        self.place(net_key).line / (LINES / Self::PARTS)
    }

    /// The top bits of the hash are the line, and the following ones say one of 64 bits for each word.
    #[inline]
    fn place(&self, net_key: u64) -> Place {
        let hash = self.hash.of_number(net_key);
        let line = usize::try_from(hash >> (u64::BITS - LINE_BITS)).unwrap_or(0);
        let mut rest = hash << LINE_BITS;
        let bits = core::array::from_fn(|_| {
            rest = rest.rotate_left(6);
            1 << (rest & 63)
        });
        Place { line, bits }
    }
}

impl Filter {
    fn new() -> Self {
        Self((0..LINES).map(|_| Line::default()).collect())
    }

    #[inline]
    fn line(&self, line: usize) -> Option<&Line> {
        self.0.get(line)
    }

    #[inline]
    fn contains(&self, place: Place) -> bool {
        let Some(line) = self.line(place.line) else { return false };
        // Without a branch between the words: they are in one line, and come together.
        let missing = line.0.iter().zip(place.bits).fold(0, |missing, (word, bit)| {
            // Acquire: whoever finds a word that a rotation has emptied also finds the old generation's.
            missing | (!word.load(Ordering::Acquire) & bit)
        });
        missing == 0
    }

    #[inline]
    fn set(&self, place: Place) {
        let Some(line) = self.line(place.line) else { return };
        for (word, bit) in line.0.iter().zip(place.bits) {
            // Relaxed: bits order nothing. Regulars are noted often, and their lines are not written again.
            if word.load(Ordering::Relaxed) & bit == 0 {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }
}

impl Line {
    fn bits(&self) -> [u64; WORDS] {
        // Relaxed: bits order nothing.
        self.0.each_ref().map(|word| word.load(Ordering::Relaxed))
    }

    fn put(&self, bits: &[u64; WORDS]) {
        for (word, bits) in self.0.iter().zip(bits) {
            // Release: what was put elsewhere before is there for whoever finds this.
            word.store(*bits, Ordering::Release);
        }
    }

    /// Adds these bits, unless the line would be too full with them.
    fn take_in(&self, bits: &[u64; WORDS]) {
        if *bits == [0; WORDS] {
            return;
        }
        let mut all = self.bits();
        for (all, bits) in all.iter_mut().zip(bits) {
            *all |= bits;
        }
        if ones(&all) <= MOST_BITS {
            self.put(&all);
        }
    }
}

fn ones(bits: &[u64; WORDS]) -> u32 {
    bits.iter().fold(0, |ones: u32, bits| ones.saturating_add(bits.count_ones()))
}

/// The numbers of the lines of a part; none if there is no such part.
fn lines(part: usize) -> Range<usize> {
    const IN_PART: usize = LINES / Known::PARTS;
    let from = part.min(Known::PARTS).saturating_mul(IN_PART);
    from..from.saturating_add(IN_PART).min(LINES)
}

#[cfg(test)]
mod tests;
