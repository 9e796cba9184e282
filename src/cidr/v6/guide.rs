//! A short cut to the pieces of a table.
//!
//! A tree over the ends of pieces takes two steps. The addresses in use are all in 2000::/4, and no /15
//! of it has more than a few pieces even in a full routing table: so a byte for each /15 says how many
//! ends are below it, and one step over the eight ends that follow says the rest.
//!
//! - **I10** A guide that has an answer has the one of the tree over the same ends. It has none for
//!   addresses elsewhere, for blocks with more than eight ends, and for tables of more than 240 pieces.
//!
//! # Bounds
//! Memory: 2 KiB, and eight bytes for each piece and eight more ends.

use alloc::vec::Vec;

use super::tree::below;

/// How many blocks there are: one for each value of bits 4 to 15.
const BLOCKS: usize = 1 << 11;
/// How far to the right the number of a block is in the upper half of an address.
const SHIFT: u32 = 64 - 15;
/// The top bits of the first block, 2000::/15.
const FIRST: usize = 0x2000 >> 1;
/// How many ends a step tells apart.
const STEP: usize = 8;
/// The most pieces: their numbers are bytes, and stay below [`CROWDED`].
const MOST: usize = 240;
/// Said of a block with too many ends: there are no ends that far.
const CROWDED: u8 = u8::MAX;

#[derive(Clone, Debug)]
pub(super) struct Guide {
    /// For each block, how many ends are below it.
    starts: Vec<u8>,
    /// All ends, and as many of the highest number as a step needs beyond them.
    ends: Vec<u64>,
}

impl Guide {
    /// The guide without an answer.
    pub(super) const NONE: Self = Self { starts: Vec::new(), ends: Vec::new() };

    /// The guide to pieces whose last /64s are these, in order.
    pub(super) fn new(ends: &[u64]) -> Self {
        if ends.len() > MOST {
            return Self::NONE;
        }
        // By ends rather than by blocks, of which there are many more: an edit makes a new guide.
        let mut starts = Vec::with_capacity(BLOCKS);
        for (number, end) in (0_u8..).zip(ends.iter().chain([&u64::MAX])) {
            let before = if *end < start_of(0) { 0 } else { block_of(*end).saturating_add(1) };
            starts.resize(before.min(BLOCKS).max(starts.len()), number);
        }
        for ends in ends.windows(STEP.saturating_add(1)) {
            let [first, .., last] = ends else { continue };
            if block_of(*first) == block_of(*last) {
                starts.get_mut(block_of(*first)).into_iter().for_each(|start| *start = CROWDED);
            }
        }
        let mut padded = Vec::with_capacity(ends.len().saturating_add(STEP));
        padded.extend_from_slice(ends);
        padded.extend([u64::MAX; STEP]);
        Self { starts, ends: padded }
    }

    /// The number of the piece that holds a /64, if the guide knows it.
    #[inline(always)]
    pub(super) fn piece(&self, half: u64) -> Option<usize> {
        let start = usize::from(*self.starts.get(block_of(half))?);
        let near = self.ends.get(start..start.wrapping_add(STEP))?.first_chunk::<STEP>()?;
        Some(start.wrapping_add(below(near, half)))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let ends = self.ends.capacity().saturating_mul(size_of::<u64>());
        self.starts.capacity().saturating_add(ends)
    }
}

/// The number of the block that holds a /64; too high a number if none does.
#[inline]
const fn block_of(half: u64) -> usize {
    #[allow(clippy::cast_possible_truncation, reason = "15 bits are left")]
    let top = (half >> SHIFT) as usize;
    top.wrapping_sub(FIRST)
}

/// The first /64 of a block.
const fn start_of(block: usize) -> u64 {
    (block.wrapping_add(FIRST) as u64) << SHIFT
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::test_support::cases;

    /// How many of the keys around the ends and the blocks the guide knows, all of them rightly.
    fn known(ends: &[u64]) -> usize {
        let guide = Guide::new(ends);
        let blocks = (0..=BLOCKS).map(start_of);
        let around = |key: u64| [key.saturating_sub(1), key, key.saturating_add(1)];
        let keys = ends.iter().copied().chain(blocks).chain([0, u64::MAX]).flat_map(around);
        let answers = keys.filter_map(|key| {
            let number = guide.piece(key)?;
            assert_eq!(number, ends.partition_point(|end| *end < key), "I10: {key:x}");
            Some(())
        });
        answers.count()
    }

    #[test]
    fn what_a_guide_cannot_know_it_does_not_say() {
        let most: Vec<u64> = (1..=240).map(|block| start_of(block * 8) + 5).collect();
        let all = known(&most);
        assert!(all >= 3 * (BLOCKS + 200), "I10: {all}");
        let many: Vec<u64> = (1..=241).map(|block| start_of(block * 8) + 5).collect();
        assert_eq!(known(&many), 0, "I10");
        let eight: Vec<u64> = (0..8).map(|end| start_of(7) + end).chain([u64::MAX]).collect();
        let nine: Vec<u64> = (0..9).map(|end| start_of(7) + end).chain([u64::MAX]).collect();
        assert_eq!(Guide::new(&eight).piece(start_of(7) + 8), Some(8), "I10");
        assert_eq!(Guide::new(&nine).piece(start_of(7) + 8), None, "I10");
        assert_eq!(Guide::new(&nine).piece(start_of(8)), Some(9), "I10");
        assert_eq!(Guide::new(&eight).piece(start_of(0) - 1), None, "I10");
        assert_eq!(Guide::new(&eight).piece(start_of(BLOCKS)), None, "I10");
        assert_eq!(Guide::NONE.piece(start_of(7)), None, "I10");
        assert_eq!(Guide::new(&eight).heap_bytes(), 2_048 + (9 + 8) * 8);
        assert_eq!(Guide::NONE.heap_bytes(), 0);
    }

    proptest! {
        #![proptest_config(cases(32))]

        #[test]
        fn guides_agree_with_the_count_of_ends(mut ends in prop::collection::vec(prop_oneof![
            any::<u64>(),
            start_of(3)..start_of(9),
            start_of(0)..start_of(BLOCKS),
            (0..BLOCKS).prop_map(|block| start_of(block) - 1),
            Just(u64::MAX),
        ], 1..100)) {
            ends.sort_unstable();
            known(&ends);
        }
    }
}
