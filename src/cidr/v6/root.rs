//! What is said of whole blocks of the addresses in use.
//!
//! All public addresses are in 2000::/3, and most of it is not given away, or to one owner by the /16.
//! The root has an entry for each /16 of it and answers those that have one mark throughout, so that
//! a flood from invented addresses, or traffic from strangers to a block list, seldom walks a tree.
//!
//! - **I6** An entry is a mark if and only if the whole block has it.

use core::marker::PhantomData;

use super::answers::{Blocks, Kept};
use crate::cidr::{addr::Bits, runs::Run};

/// How many blocks there are: one for each value of bits 3 to 16.
const BLOCKS: usize = 1 << 13;
/// The length of a block's prefix.
const LEN: u8 = 16;
/// The top bits of the first block, 2000::/16.
const FIRST: usize = 0x2000;

#[derive(Clone, Debug)]
pub(super) struct Root<M: Kept> {
    blocks: M::Blocks,
    marks: PhantomData<M>,
}

impl<M: Kept> Root<M> {
    /// A root that knows nothing.
    pub(super) fn new() -> Self {
        Self { blocks: Blocks::new(BLOCKS), marks: PhantomData }
    }

    /// What is said of an address, if it is said of the whole block around it.
    #[inline]
    pub(super) fn mark(&self, addr: u128) -> Option<M> {
        self.blocks.get(block_of(addr))
    }

    /// What is said of each address, if the root knows it of all.
    #[inline]
    pub(super) fn marks<const N: usize>(&self, addrs: &[u128; N]) -> Option<[M; N]> {
        let mut marks = [M::default(); N];
        for (mark, addr) in marks.iter_mut().zip(addrs) {
            *mark = self.mark(*addr)?;
        }
        Some(marks)
    }

    /// Looks again at the blocks that hold addresses from `first` to `last`, in order; `run_of` gives
    /// the run that holds an address.
    pub(super) fn renew(
        &mut self,
        first: u128,
        last: u128,
        mut run_of: impl FnMut(u128) -> Option<Run<u128, M>>,
    ) {
        let (start, end) = (addr_of(0), addr_of(BLOCKS.saturating_sub(1)).last_of(LEN));
        if last < start || first > end {
            return;
        }
        for block in block_of(first.max(start))..=block_of(last.min(end)) {
            let addr = addr_of(block);
            let whole = run_of(addr).filter(|run| run.last >= addr.last_of(LEN));
            self.blocks.set(block, whole.map(|run| run.mark));
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.blocks.heap_bytes()
    }
}

/// The number of the block that holds an address; too high a number if none does.
#[inline]
const fn block_of(addr: u128) -> usize {
    #[allow(clippy::cast_possible_truncation, reason = "16 bits are left")]
    let top = (addr >> (128 - LEN)) as usize;
    top.wrapping_sub(FIRST)
}

/// The first address of a block.
const fn addr_of(block: usize) -> u128 {
    (block.wrapping_add(FIRST) as u128) << (128 - LEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cidr::runs::Mark;

    #[test]
    fn blocks_are_those_of_the_public_addresses() {
        assert_eq!(block_of(0x2000 << 112), 0);
        assert_eq!(block_of(0x3fff << 112 | 7), BLOCKS - 1);
        assert!(block_of(0x4000 << 112) >= BLOCKS && block_of((0x2000 << 112) - 1) >= BLOCKS);
        assert!(block_of(0) >= BLOCKS && block_of(u128::MAX) >= BLOCKS);
        assert_eq!(addr_of(BLOCKS - 1), 0x3fff << 112);
    }

    /// I6, of all blocks, with a boundary in one of them.
    fn knows_all_but_one<M: Kept>(mark: M, bytes: usize) {
        let mut root = Root::<M>::new();
        assert_eq!(root.heap_bytes(), bytes * BLOCKS);
        let end = addr_of(5) + 7;
        root.renew(0, u128::MAX, |addr| {
            let is_before = addr <= end;
            let (last, mark) = if is_before { (end, M::default()) } else { (u128::MAX, mark) };
            Some(Run { last, mark })
        });
        for block in 0..BLOCKS {
            let expected = match block {
                0..5 => Some(M::default()),
                5 => None,
                _ => Some(mark),
            };
            let (first, last) = (addr_of(block), addr_of(block).last_of(LEN));
            assert_eq!((root.mark(first), root.mark(last)), (expected, expected), "I6: {block}");
            let together = root.marks(&[first, addr_of(0), last]);
            assert_eq!(together, expected.map(|mark| [mark, M::default(), mark]), "I6: {block}");
        }
        assert_eq!([0, (0x2000 << 112) - 1, 0x4000 << 112].map(|addr| root.mark(addr)), [None; 3]);
    }

    /// I6: a change of one address at either end of what the root knows is one.
    #[test]
    fn the_first_and_the_last_address_count() {
        let mut root = Root::<bool>::new();
        root.renew(0, u128::MAX, |_| Some(Run { last: u128::MAX, mark: true }));
        for (block, addr) in [(0, addr_of(0)), (BLOCKS - 1, addr_of(BLOCKS - 1).last_of(LEN))] {
            let last = addr_of(block);
            assert_eq!(root.mark(addr), Some(true));
            root.renew(addr, addr, |_| Some(Run { last, mark: false }));
            assert_eq!(root.mark(addr), None, "{block}");
        }
        let beside = [addr_of(0) - 1, addr_of(BLOCKS - 1).last_of(LEN) + 1];
        beside.iter().for_each(|addr| root.renew(*addr, *addr, |_| panic!("nobody asks")));
        assert_eq!([1, BLOCKS - 2].map(|block| root.mark(addr_of(block))), [Some(true); 2]);
    }

    #[test]
    fn a_root_knows_the_blocks_that_have_one_mark() {
        knows_all_but_one(true, 1);
        knows_all_but_one(Mark { tag: 7, len: 9 }, 3);
    }
}
