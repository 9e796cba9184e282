//! A piece: a few thousand runs of the table, compiled together.
//!
//! Almost all IPv6 prefixes have at most 64 bits, so almost all runs end where a /64 does, and half of
//! an address is enough to find them. A *narrow* piece is a tree over these halves. A /64 with
//! boundaries inside it is a run of its own there, a *deep* one, and a second tree, over whole
//! addresses, knows what is inside the deep ones. Where there are many, as in a list of hosts, a *wide*
//! piece is smaller and faster: one tree over whole addresses.
//!
//! - **I4** A piece is narrow if that takes no more bytes than wide, and at most 16 bytes a run, its
//!   answer apart.
//! - **I5** In a narrow piece each deep /64 has at least one boundary inside it, and the parts of the
//!   deep ones, numbered on from the runs above, end at each boundary and with the /64.

use alloc::{boxed::Box, vec::Vec};

use super::{
    answers::{Answers, Kept},
    tree::Tree,
};
use crate::cidr::{addr::Bits, runs::Run};

#[derive(Clone, Debug)]
pub(super) struct Piece<M: Kept> {
    /// The tree of a narrow piece, that of one run in a wide one: so the look-up that meets a piece
    /// without four levels there need not ask which it is before.
    tree: Tree<u64>,
    rest: Rest,
    answers: M::Answers,
    last: u128,
}

/// What else a piece has.
#[derive(Clone, Debug)]
enum Rest {
    Narrow,
    Deep(Box<Deep>),
    Wide(Box<Tree<u128>>),
}

/// What a piece is.
#[derive(Clone, Copy)]
enum Shape<'a> {
    Narrow { tree: &'a Tree<u64>, deep: Option<&'a Deep> },
    Wide(&'a Tree<u128>),
}

/// The parts of the deep /64s of a piece.
#[derive(Clone, Debug)]
struct Deep {
    tree: Tree<u128>,
    /// The number of the first part among all answers of the piece.
    base: usize,
}

/// The half of an address that a /64 has.
#[inline]
pub(super) const fn high(addr: u128) -> u64 {
    #[allow(clippy::cast_possible_truncation, reason = "64 bits are left")]
    let high = (addr >> 64) as u64;
    high
}

impl<M: Kept> Piece<M> {
    /// The piece in which every address has the default mark.
    pub(super) const EMPTY: Self =
        Self { tree: Tree::ONE, rest: Rest::Narrow, answers: M::Answers::NONE, last: u128::MAX };

    /// Compiles what runs say of the addresses from `first` to `last`; the first run may start
    /// earlier, and the last one end later.
    pub(super) fn new(first: u128, runs: &[Run<u128, M>], last: u128) -> Self {
        let mut narrow = Narrowing::new(first, last, runs.len());
        if narrow.take(runs) {
            return narrow.finish();
        }
        let mut answers = M::Answers::with_room(runs.len());
        let mut ends = Vec::with_capacity(runs.len());
        for run in runs {
            answers.push(ends.len(), Some(run.mark));
            ends.push(run.last.min(last));
        }
        answers.finish();
        Self { tree: Tree::ONE, rest: Rest::Wide(Box::new(Tree::new(&ends))), answers, last }
    }

    /// What is said of an address of the piece.
    #[inline(always)]
    pub(super) fn mark(&self, addr: u128) -> M {
        // What is rare is apart and comes last, so that nothing need be saved across a call.
        let Some(run) = self.tree.run_of_four(high(addr)) else { return self.mark_otherwise(addr) };
        match self.answers.get(run) {
            Some(mark) => mark,
            None => self.deep_mark(addr),
        }
    }

    /// As [`mark`](Self::mark), for a piece that is wide or has not four levels.
    #[inline(never)]
    fn mark_otherwise(&self, addr: u128) -> M {
        let run = match self.shape() {
            Shape::Narrow { tree, .. } => tree.run(high(addr)),
            Shape::Wide(tree) => tree.run(addr),
        };
        match self.answers.get(run) {
            Some(mark) => mark,
            None => self.deep_mark(addr),
        }
    }

    #[inline]
    fn shape(&self) -> Shape<'_> {
        match &self.rest {
            Rest::Narrow => Shape::Narrow { tree: &self.tree, deep: None },
            Rest::Deep(deep) => Shape::Narrow { tree: &self.tree, deep: Some(deep) },
            Rest::Wide(tree) => Shape::Wide(tree),
        }
    }

    /// What is said of addresses, each in its own piece; nothing if the pieces are not alike.
    #[inline(always)]
    pub(super) fn marks_of_many<const N: usize>(
        pieces: &[&Self; N],
        addrs: &[u128; N],
    ) -> Option<[M; N]> {
        let runs = match pieces.first()?.shape() {
            Shape::Narrow { tree, .. } => {
                let mut trees = [tree; N];
                for (tree, piece) in trees.iter_mut().zip(pieces) {
                    *tree = piece.narrow()?;
                }
                Tree::runs_of_many(&trees, &addrs.map(high))?
            }
            Shape::Wide(tree) => {
                let mut trees = [tree; N];
                for (tree, piece) in trees.iter_mut().zip(pieces) {
                    *tree = piece.wide()?;
                }
                Tree::runs_of_many(&trees, addrs)?
            }
        };
        let mut marks = [M::default(); N];
        for (((mark, piece), addr), run) in marks.iter_mut().zip(pieces).zip(addrs).zip(runs) {
            *mark = match piece.answers.get(run) {
                Some(mark) => mark,
                None => piece.deep_mark(*addr),
            };
        }
        Some(marks)
    }

    #[inline(never)]
    fn deep_mark(&self, addr: u128) -> M {
        let Rest::Deep(deep) = &self.rest else { return M::default() };
        self.answers.get(deep.base.wrapping_add(deep.tree.run(addr))).unwrap_or_default()
    }

    /// The tree over the halves of addresses, if the piece is narrow.
    #[inline]
    pub(super) const fn narrow(&self) -> Option<&Tree<u64>> {
        match &self.rest {
            Rest::Narrow | Rest::Deep(_) => Some(&self.tree),
            Rest::Wide(_) => None,
        }
    }

    #[inline]
    fn wide(&self) -> Option<&Tree<u128>> {
        match &self.rest {
            Rest::Wide(tree) => Some(tree),
            Rest::Narrow | Rest::Deep(_) => None,
        }
    }

    /// The last address.
    #[inline]
    pub(super) const fn last(&self) -> u128 {
        self.last
    }

    /// All runs, as [`runs_from`](Self::runs_from) gives them.
    pub(super) const fn runs(&self) -> PieceRuns<'_, M> {
        PieceRuns { piece: self, run: 0, part: 0 }
    }

    /// The runs from the one that holds `addr` on. They are not told short: neighbours may have one
    /// mark, and a run may end where the one before it does.
    pub(super) fn runs_from(&self, addr: u128) -> PieceRuns<'_, M> {
        let (run, part) = match self.shape() {
            Shape::Narrow { tree, deep } => {
                (tree.run(high(addr)), deep.map_or(0, |deep| deep.tree.run(addr)))
            }
            Shape::Wide(tree) => (tree.run(addr), 0),
        };
        PieceRuns { piece: self, run, part }
    }

    /// An address from which on all up to `addr` have one mark, nothing if all from the start of the
    /// piece have it: the start of the stored run.
    pub(super) fn run_start(&self, addr: u128) -> Option<u128> {
        match self.shape() {
            Shape::Wide(tree) => before(tree, addr)?.next(),
            Shape::Narrow { tree, deep } => {
                let above = before(tree, high(addr)).map(|end| u128::from(end) << 64 | LOW);
                let run = tree.run(high(addr));
                let within = match (self.answers.get(run), deep) {
                    (None, Some(deep)) => before(&deep.tree, addr),
                    _ => None,
                };
                above.max(within)?.next()
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let shape = match self.shape() {
            Shape::Narrow { tree, deep } => tree.heap_bytes().saturating_add(
                deep.map_or(0, |deep| deep.tree.heap_bytes().saturating_add(size_of::<Deep>())),
            ),
            Shape::Wide(tree) => tree.heap_bytes().saturating_add(size_of::<Tree<u128>>()),
        };
        shape.saturating_add(self.answers.heap_bytes())
    }

    #[cfg(test)]
    pub(super) fn depth(&self) -> u32 {
        match self.shape() {
            Shape::Narrow { tree, deep } => tree.depth() + deep.map_or(0, |deep| deep.tree.depth()),
            Shape::Wide(tree) => tree.depth(),
        }
    }
}

/// The low half of the last address of every /64.
const LOW: u128 = u64::MAX as u128;

/// Where the run before the one of `key` ends.
fn before<K: Bits>(tree: &Tree<K>, key: K) -> Option<K> {
    tree.end(tree.run(key).checked_sub(1)?)
}

/// The stored runs of a piece.
pub(super) struct PieceRuns<'a, M: Kept> {
    piece: &'a Piece<M>,
    /// The next run, and the next part of a deep one.
    run: usize,
    part: usize,
}

impl<M: Kept> Iterator for PieceRuns<'_, M> {
    type Item = Run<u128, M>;

    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.piece;
        match piece.shape() {
            Shape::Wide(tree) => {
                let run = Some(self.run).filter(|run| *run < tree.runs())?;
                self.run = run.saturating_add(1);
                let mark = piece.answers.get(run).unwrap_or_default();
                Some(Run { last: tree.end(run).unwrap_or(piece.last), mark })
            }
            Shape::Narrow { tree, deep } => {
                let run = Some(self.run).filter(|run| *run < tree.runs())?;
                let end = tree.end(run).map_or(piece.last, |end| u128::from(end) << 64 | LOW);
                let deep = match (piece.answers.get(run), deep) {
                    (None, Some(deep)) => deep,
                    (mark, _) => {
                        self.run = run.saturating_add(1);
                        return Some(Run { last: end, mark: mark.unwrap_or_default() });
                    }
                };
                let part = deep.tree.end(self.part).unwrap_or(end);
                let answer = deep.base.saturating_add(self.part);
                self.part = self.part.saturating_add(1);
                if part >= end {
                    self.run = run.saturating_add(1);
                }
                let mark = piece.answers.get(answer).unwrap_or_default();
                Some(Run { last: part.min(end), mark })
            }
        }
    }
}

/// A narrow piece in the making.
struct Narrowing<M: Kept> {
    first: u128,
    last: u128,
    ends: Vec<u64>,
    answers: M::Answers,
    parts: Vec<(u128, M)>,
    /// How many /64s are deep: each may need an empty part.
    deep: usize,
    /// The bytes of a wide piece.
    budget: usize,
}

impl<M: Kept> Narrowing<M> {
    fn new(first: u128, last: u128, runs: usize) -> Self {
        Self {
            first,
            last,
            ends: Vec::with_capacity(runs),
            answers: M::Answers::with_room(runs),
            parts: Vec::new(),
            deep: 0,
            budget: cost::<M>(size_of::<u128>(), runs),
        }
    }

    /// Takes all runs, or stops where the budget is spent.
    fn take(&mut self, runs: &[Run<u128, M>]) -> bool {
        let mut from = self.first;
        for run in runs {
            let to = run.last.min(self.last);
            self.push(from, to, run.mark);
            let spent = cost::<M>(size_of::<u64>(), self.ends.len())
                .saturating_add(cost::<M>(size_of::<u128>(), self.parts.len()))
                .saturating_add(cost::<M>(size_of::<u128>(), self.deep));
            if spent > self.budget {
                return false;
            }
            from = to.wrapping_add(1);
        }
        true
    }

    fn push(&mut self, from: u128, to: u128, mark: M) {
        // A piece may start or end inside a /64: the rest of it does not matter here.
        let starts_inside = from & LOW != 0 && from != self.first;
        let ends_inside = to & LOW != LOW && to != self.last;
        let (mut above, end) = (high(from), high(to));
        if starts_inside {
            // The run before it opened this /64.
            self.parts.push((to.min(from | LOW), mark));
            if above < end || !ends_inside {
                self.push_run(above, None);
                self.deep = self.deep.saturating_add(1);
            }
            if above == end {
                return;
            }
            above = above.saturating_add(1);
        }
        if !ends_inside {
            self.push_run(end, Some(mark));
            return;
        }
        if above < end {
            self.push_run(end.saturating_sub(1), Some(mark));
        }
        self.parts.push((to, mark));
    }

    fn push_run(&mut self, end: u64, mark: Option<M>) {
        if let (Some(mark), Some(before)) = (mark, self.ends.last().copied()) {
            if !self.answers.fits(self.ends.len(), mark) {
                self.ends.push(before);
            }
        }
        self.answers.push(self.ends.len(), mark);
        self.ends.push(end);
    }

    fn finish(mut self) -> Piece<M> {
        let tree = Tree::new(&self.ends);
        let deep = self.parts.first().copied().map(|(_, first)| {
            // Where the parity of the first part is not that of its number, numbers start one later.
            let runs = self.ends.len();
            let base = runs.saturating_add(usize::from(!self.answers.fits(runs, first)));
            let mut ends: Vec<u128> = Vec::with_capacity(self.parts.len());
            for (end, mark) in self.parts {
                if !self.answers.fits(base.saturating_add(ends.len()), mark) {
                    ends.extend(ends.last().copied());
                }
                self.answers.push(base.saturating_add(ends.len()), Some(mark));
                ends.push(end);
            }
            Box::new(Deep { tree: Tree::new(&ends), base })
        });
        self.answers.finish();
        let rest = deep.map_or(Rest::Narrow, Rest::Deep);
        Piece { tree, rest, answers: self.answers, last: self.last }
    }
}

/// What runs with keys of `key` bytes take.
const fn cost<M: Kept>(key: usize, runs: usize) -> usize {
    key.saturating_add(M::Answers::BYTES).saturating_mul(runs)
}
