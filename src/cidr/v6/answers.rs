//! What the runs of a piece say, by their numbers.
//!
//! A run says a mark, or that it is *deep*: one /64 with boundaries inside it, of which another tree
//! knows more.
//!
//! In a set neighbours differ, so the answer is whether the number of the run is even, and nothing is
//! stored but what the first run says. A deep run breaks the alternation; the run after it is given the
//! number that it needs by an *empty* run before it, one that ends where the run before it does.

use alloc::{vec, vec::Vec};
use core::fmt::Debug;

use crate::cidr::{
    runs::{Mark, Marked},
    slots::Slots,
    tags::Tags,
};

/// A mark, and how the answers of runs with such marks are kept.
pub(in crate::cidr) trait Kept: Marked {
    type Answers: Answers<Self>;
    /// What is said of blocks of addresses, see [`Root`](super::root::Root).
    type Blocks: Blocks<Self>;
}

/// The answers of the runs of a piece.
pub(in crate::cidr) trait Answers<M>: Clone + Debug {
    /// Without a run.
    const NONE: Self;
    /// The bytes of an answer.
    const BYTES: usize;

    /// Without a run, with room for so many.
    fn with_room(runs: usize) -> Self;

    /// Whether run number `run` could say `mark`; otherwise run `run + 1` could.
    fn fits(&self, run: usize, mark: M) -> bool;

    /// Says what the next run says, whose number is `run`: nothing, if it is deep.
    fn push(&mut self, run: usize, mark: Option<M>);

    /// What a run says: nothing, if it is deep.
    fn get(&self, run: usize) -> Option<M>;

    /// Gives back what was allocated too much.
    fn finish(&mut self);

    fn heap_bytes(&self) -> usize;
}

/// What is said of the blocks of a root.
pub(in crate::cidr) trait Blocks<M>: Clone + Debug {
    /// As many blocks, nothing being said of any.
    fn new(blocks: usize) -> Self;

    /// What is said of the whole block, if it is one thing, and if there is such a block.
    fn get(&self, block: usize) -> Option<M>;

    fn set(&mut self, block: usize, mark: Option<M>);

    fn heap_bytes(&self) -> usize;
}

impl Kept for bool {
    type Answers = Parity;
    type Blocks = Vec<u8>;
}

impl Kept for Mark {
    type Answers = Slots;
    type Blocks = Slots;
}

/// Whether addresses are in a set, by the numbers of their runs.
#[derive(Clone, Debug)]
pub(in crate::cidr) struct Parity {
    /// What the first run says, and with it all with even numbers.
    even: bool,
    /// A bit for each run up to the last deep one: 1 if it is deep.
    deep: Vec<u64>,
}

impl Answers<bool> for Parity {
    const NONE: Self = Self { even: false, deep: Vec::new() };
    const BYTES: usize = 0;

    fn with_room(_: usize) -> Self {
        Self::NONE
    }

    fn fits(&self, run: usize, mark: bool) -> bool {
        run == 0 || self.even == (mark ^ is_odd(run))
    }

    fn push(&mut self, run: usize, mark: Option<bool>) {
        match mark {
            Some(mark) if run == 0 => self.even = mark,
            Some(_) => {}
            None => {
                let (word, bit) = bit_of(run);
                let words = self.deep.len().max(word.saturating_add(1));
                self.deep.resize(words, 0);
                self.deep.get_mut(word).into_iter().for_each(|word| *word |= bit);
            }
        }
    }

    #[inline]
    fn get(&self, run: usize) -> Option<bool> {
        if !self.deep.is_empty() {
            let (word, bit) = bit_of(run);
            if self.deep.get(word).is_some_and(|word| word & bit != 0) {
                return None;
            }
        }
        Some(self.even ^ is_odd(run))
    }

    fn finish(&mut self) {
        self.deep.shrink_to_fit();
    }

    fn heap_bytes(&self) -> usize {
        self.deep.capacity().saturating_mul(size_of::<u64>())
    }
}

#[inline]
const fn is_odd(run: usize) -> bool {
    run & 1 == 1
}

/// The place of a bit: in which word, and the bit itself.
#[inline]
const fn bit_of(run: usize) -> (usize, u64) {
    (run >> 6, 1 << (run & 63))
}

const DEEP: Mark = Mark { tag: Tags::RESERVED, len: 0 };

impl Answers<Mark> for Slots {
    const NONE: Self = Self::new();
    /// A tag that is not wide, and a length.
    const BYTES: usize = 3;

    fn with_room(runs: usize) -> Self {
        let mut slots = Self::new();
        slots.reserve_exact(runs);
        slots
    }

    fn fits(&self, _: usize, _: Mark) -> bool {
        true
    }

    fn push(&mut self, _: usize, mark: Option<Mark>) {
        Self::push(self, mark.unwrap_or(DEEP));
    }

    #[inline(always)]
    fn get(&self, run: usize) -> Option<Mark> {
        self.known(run)
    }

    fn finish(&mut self) {
        self.shrink_to_fit();
    }

    fn heap_bytes(&self) -> usize {
        Self::heap_bytes(self)
    }
}

const OUT: u8 = 0;
const IN: u8 = 1;
const BOTH: u8 = 2;

impl Blocks<bool> for Vec<u8> {
    fn new(blocks: usize) -> Self {
        vec![BOTH; blocks]
    }

    #[inline]
    fn get(&self, block: usize) -> Option<bool> {
        match self.as_slice().get(block) {
            Some(&said) if said != BOTH => Some(said == IN),
            _ => None,
        }
    }

    fn set(&mut self, block: usize, mark: Option<bool>) {
        let said = mark.map_or(BOTH, |is_in| if is_in { IN } else { OUT });
        self.get_mut(block).into_iter().for_each(|place| *place = said);
    }

    fn heap_bytes(&self) -> usize {
        self.capacity()
    }
}

impl Blocks<Mark> for Slots {
    fn new(blocks: usize) -> Self {
        let mut slots = Self::with_room(blocks);
        (0..blocks).for_each(|_| Self::push(&mut slots, DEEP));
        slots
    }

    #[inline]
    fn get(&self, block: usize) -> Option<Mark> {
        self.known(block)
    }

    fn set(&mut self, block: usize, mark: Option<Mark>) {
        Self::set(self, block, mark.unwrap_or(DEEP));
    }

    fn heap_bytes(&self) -> usize {
        Self::heap_bytes(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes after so many runs, of which the last is deep, and once nothing more comes.
    fn bytes<M: Kept>(room: usize, runs: usize) -> (usize, usize) {
        let mut answers = M::Answers::with_room(room);
        (1..runs).for_each(|run| answers.push(run - 1, Some(M::default())));
        let before = answers.heap_bytes();
        answers.push(runs - 1, None);
        answers.finish();
        (before, answers.heap_bytes())
    }

    #[test]
    fn answers_take_what_they_must() {
        // A set stores nothing but a bit for each run up to the last deep one.
        assert_eq!(bytes::<bool>(1_000, 1_000), (0, 16 * 8));
        assert_eq!(bytes::<bool>(0, 1), (0, 8));
        // A map takes all the room that it asked for, until it gives back what is not used.
        assert_eq!(bytes::<Mark>(1_000, 100), (3_000, 300));
    }

    #[test]
    fn blocks_take_a_byte_or_a_mark_each() {
        assert_eq!(Blocks::<bool>::heap_bytes(&<Vec<u8> as Blocks<bool>>::new(100)), 100);
        assert_eq!(Blocks::<Mark>::heap_bytes(&<Slots as Blocks<Mark>>::new(100)), 300);
    }
}
