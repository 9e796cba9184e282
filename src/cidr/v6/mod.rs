//! IPv6 tables: what is said of any of 2^128 addresses, in a handful of cache lines.
//!
//! A full routing table has some 160,000 IPv6 prefixes, whose runs end at some 220,000 addresses. To
//! find the run of an address is to count the ends below it, which a [`Tree`](tree::Tree) does in one
//! cache line a level. Around that:
//!
//! - most ends fall between two /64s, where half an address says all: see [`Piece`](piece::Piece);
//! - a table of more than a few thousand runs is cut into pieces, and a small tree on top finds the
//!   piece. An edit compiles one piece, not the table, and copies of a table share the pieces that no
//!   edit touched: see [`Pieces`];
//! - such a table also has a root, which answers the /16s that have one mark throughout: see [`Root`].
//!
//! Small tables are one piece and nothing else.
//!
//! Several addresses are looked up together, a level of all before the next level of any: then a level
//! costs one wait for memory and not one for each address.
//!
//! Invariants of the parts are with them (I1 to I7, I10). Of the whole:
//! - **I8** A piece has at most 6,561 runs, and at least 1,024 unless it is alone.
//! - **I9** After any edits every question gets the answer that a table built anew would give.
//!
//! # Bounds
//! Memory, for n runs: at most 16 bytes a run in trees, and about 8 where prefixes have at most 64
//! bits; in a map three bytes more (five if tags are wide); up to 1,000 bytes a piece for its header and
//! unfilled nodes; 2 KiB to find pieces; 8 KiB for the root of a set, 24 for that of a map (40 if tags are
//! wide). n prefixes make at most 2n + 1 runs.
//!
//! Depth: an entry of the root, a level on top for each factor of nine in the number of pieces (or one
//! line instead, see [`Guide`](guide::Guide)), and in a piece four levels, or at most five and four more
//! for what is inside a /64. A routing table is six lines deep; two million hosts are eight nodes of two
//! lines each.
//!
//! Time: building is one pass over the runs. An edit takes time in the runs of the pieces that it
//! touches, in the number of pieces, and in the number of /16s of 2000::/3 that it touches.

use super::{
    runs::{Mark, Run},
    table::Table,
};

mod answers;
mod cut;
mod guide;
mod piece;
mod pieces;
mod root;
#[cfg(test)]
mod tests;
mod tree;

use self::{answers::Kept, cut::Sizes, pieces::Pieces, root::Root};

/// Whether each IPv6 address is in a set.
pub(super) type Set6 = Table6<bool>;
/// What a map says of each IPv6 address.
pub(super) type Map6 = Table6<Mark>;

/// An answer for every IPv6 address.
#[derive(Clone, Debug)]
pub(super) struct Table6<M: Kept> {
    pieces: Pieces<M>,
    /// Where there are several pieces.
    root: Option<Root<M>>,
}

/// How many addresses are looked up together.
const BLOCK: usize = 8;

impl<M: Kept> Table6<M> {
    /// What is said of each of a block of addresses.
    fn marks_of_block(&self, block: &[u128; BLOCK]) -> [M; BLOCK] {
        // The root alone, if it knows them all; otherwise the trees, which know what it does.
        let known = self.root.as_ref().and_then(|root| root.marks(block));
        known
            .or_else(|| self.pieces.marks_of_many(block))
            .unwrap_or_else(|| block.map(|addr| self.mark(addr)))
    }
}

impl<M: Kept> Table<u128, M> for Table6<M> {
    const EMPTY: Self = Self { pieces: Pieces::EMPTY, root: None };

    fn build(runs: &[Run<u128, M>]) -> Self {
        let pieces = Pieces::new(runs, Sizes::USUAL);
        let root = pieces.are_many().then(|| {
            let mut root = Root::new();
            let mut rest = runs;
            // The blocks come in order, so that one pass over the runs finds theirs.
            root.renew(0, u128::MAX, |addr| {
                let passed = rest.iter().take_while(|run| run.last < addr).count();
                rest = rest.get(passed..).unwrap_or_default();
                rest.first().copied()
            });
            root
        });
        Self { pieces, root }
    }

    #[inline(always)]
    fn mark(&self, addr: u128) -> M {
        match self.root.as_ref().and_then(|root| root.mark(addr)) {
            Some(mark) => mark,
            None => self.pieces.mark(addr),
        }
    }

    fn marks(&self, addrs: &[u128], marks: &mut [M]) {
        let (blocks, mut places) = (addrs.chunks_exact(BLOCK), marks.iter_mut());
        let rest = blocks.remainder();
        for block in blocks.map_while(<[u128]>::first_chunk::<BLOCK>) {
            self.marks_of_block(block)
                .into_iter()
                .zip(&mut places)
                .for_each(|(mark, place)| *place = mark);
        }
        rest.iter().zip(places).for_each(|(addr, place)| *place = self.mark(*addr));
    }

    fn replace(&mut self, first: u128, runs: &[Run<u128, M>]) {
        let Some(last) = runs.last().map(|run| run.last) else { return };
        self.pieces.replace(first, runs, Sizes::USUAL);
        let pieces = &self.pieces;
        let run_of = |addr| pieces.runs_from(addr).next();
        match &mut self.root {
            root if !pieces.are_many() => *root = None,
            Some(root) => root.renew(first, last, run_of),
            root => root.insert(Root::new()).renew(0, u128::MAX, run_of),
        }
    }

    fn runs_from(&self, addr: u128) -> impl Iterator<Item = Run<u128, M>> {
        self.pieces.runs_from(addr)
    }

    fn run_start(&self, addr: u128) -> u128 {
        self.pieces.run_start(addr)
    }

    fn heap_bytes(&self) -> usize {
        let root = self.root.as_ref().map_or(0, Root::heap_bytes);
        self.pieces.heap_bytes().saturating_add(root)
    }
}
