//! The pieces of a table, and the tree that finds them.
//!
//! - **I7** Pieces follow each other without gaps, from the first address to the last, and the tree on
//!   top has the last address of each. Where all of them end between two /64s, it keeps halves.
//!
//! Pieces may well be cut within a run, so that neighbours across a cut can have one mark.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::{
    answers::Kept,
    cut::{self, Sizes},
    guide::Guide,
    piece::{Piece, high},
    tree::Tree,
};
use crate::cidr::{
    addr::Bits,
    runs::{Run, spliced},
};

#[derive(Clone, Debug)]
pub(super) enum Pieces<M: Kept> {
    One(Piece<M>),
    Many(Box<Many<M>>),
}

#[derive(Clone, Debug)]
pub(super) struct Many<M: Kept> {
    top: Top,
    /// Shared by the copies of a table, as an edit of one of them replaces whole pieces.
    all: Vec<Arc<Piece<M>>>,
}

/// What a shared piece takes beside itself: a pointer and two counts.
const SHARED: usize = 3 * size_of::<usize>();

/// The last addresses of pieces.
#[derive(Clone, Debug)]
struct Top {
    /// If all of them are the last of a /64; otherwise the tree of one run.
    halves: Tree<u64>,
    /// Over the same halves.
    guide: Guide,
    whole: Option<Box<Tree<u128>>>,
}

impl<M: Kept> Pieces<M> {
    pub(super) const EMPTY: Self = Self::One(Piece::EMPTY);

    /// Compiles runs that cover the whole space.
    pub(super) fn new(runs: &[Run<u128, M>], sizes: Sizes) -> Self {
        Self::of(cut::pieces(0, runs, u128::MAX, sizes).into_iter().map(Arc::new).collect())
    }

    pub(super) const fn are_many(&self) -> bool {
        matches!(self, Self::Many(_))
    }

    #[inline(always)]
    pub(super) fn mark(&self, addr: u128) -> M {
        match self {
            Self::One(piece) => piece.mark(addr),
            Self::Many(many) => {
                // What is rare is apart and comes last, so that nothing need be saved across a call.
                let Some(number) = many.top.guide.piece(high(addr)) else {
                    return many.mark_otherwise(addr);
                };
                match many.all.get(number) {
                    Some(piece) => piece.mark(addr),
                    None => M::default(),
                }
            }
        }
    }

    /// What is said of several addresses, if their pieces are alike enough to be asked together.
    #[inline(always)]
    pub(super) fn marks_of_many<const N: usize>(&self, addrs: &[u128; N]) -> Option<[M; N]> {
        match self {
            Self::One(piece) => Piece::marks_of_many(&[piece; N], addrs),
            Self::Many(many) => {
                let mut pieces = [many.all.first()?.as_ref(); N];
                for (piece, addr) in pieces.iter_mut().zip(addrs) {
                    *piece = many.all.get(many.top.halves.run_of_two(high(*addr))?)?;
                }
                Piece::marks_of_many(&pieces, addrs)
            }
        }
    }

    /// Says anew what is said of the addresses from `first` to the end of `runs`.
    pub(super) fn replace(&mut self, first: u128, runs: &[Run<u128, M>], sizes: Sizes) {
        let Some(last) = runs.last().map(|run| run.last) else { return };
        let (mut from, mut to) = (self.number_of(first), self.number_of(last));
        let (origin, told, end) = loop {
            let origin = self.start_of(from);
            let end = self.get(to).map_or(u128::MAX, Piece::last);
            let count = to.saturating_sub(from).saturating_add(1);
            let old = self.iter_from(from).take(count).flat_map(Piece::runs);
            let told = spliced(old, origin, first, runs);
            // What has become too small for a piece takes a neighbour in.
            if told.as_slice().len() >= sizes.fewest {
                break (origin, told, end);
            }
            if to.saturating_add(1) < self.count() {
                to = to.saturating_add(1);
            } else if let Some(before) = from.checked_sub(1) {
                from = before;
            } else {
                break (origin, told, end);
            }
        };
        let new = cut::pieces(origin, told.as_slice(), end, sizes);
        let mut all = match core::mem::replace(self, Self::EMPTY) {
            Self::One(piece) => Vec::from([Arc::new(piece)]),
            Self::Many(many) => many.all,
        };
        all.splice(from..=to, new.into_iter().map(Arc::new));
        *self = Self::of(all);
    }

    /// The run that holds `addr`, and all after it, told short.
    pub(super) fn runs_from(&self, addr: u128) -> impl Iterator<Item = Run<u128, M>> {
        let mut pieces = self.iter_from(self.number_of(addr));
        let first = pieces.next().into_iter().flat_map(move |piece| piece.runs_from(addr));
        let mut stored = first.chain(pieces.flat_map(Piece::runs));
        let mut next = stored.next();
        core::iter::from_fn(move || {
            let mut run = next.take()?;
            for after in stored.by_ref() {
                if after.mark != run.mark && after.last > run.last {
                    next = Some(after);
                    break;
                }
                run.last = run.last.max(after.last);
            }
            Some(run)
        })
    }

    /// The first address of the run that holds `addr`.
    pub(super) fn run_start(&self, addr: u128) -> u128 {
        let mark = self.mark(addr);
        let mut start = addr;
        // Over the stored runs before it, for as long as they say the same.
        loop {
            let number = self.number_of(start);
            let within = self.get(number).and_then(|piece| piece.run_start(start));
            start = within.unwrap_or_else(|| self.start_of(number));
            match start.previous() {
                Some(before) if self.mark(before) == mark => start = before,
                _ => return start,
            }
        }
    }

    /// The levels above the pieces.
    #[cfg(test)]
    pub(super) fn depth(&self) -> u32 {
        match self {
            Self::One(_) => 0,
            Self::Many(many) => {
                many.top.whole.as_ref().map_or(many.top.halves.depth(), |tree| tree.depth())
            }
        }
    }

    /// The bytes on the heap, those included that copies share.
    pub(super) fn heap_bytes(&self) -> usize {
        let pieces = self.iter_from(0).map(Piece::heap_bytes).fold(0, usize::saturating_add);
        match self {
            Self::One(_) => pieces,
            Self::Many(many) => pieces
                .saturating_add(size_of::<Many<M>>())
                .saturating_add(many.all.capacity().saturating_mul(SHARED))
                .saturating_add(many.all.len().saturating_mul(size_of::<Piece<M>>()))
                .saturating_add(many.top.heap_bytes()),
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(many) => many.all.len(),
        }
    }

    /// The pieces from the one with a number on.
    pub(super) fn iter_from(&self, number: usize) -> impl Iterator<Item = &Piece<M>> {
        let (one, many) = match self {
            Self::One(piece) => (Some(piece), [].as_slice()),
            Self::Many(many) => (None, many.all.as_slice()),
        };
        one.into_iter().chain(many.iter().map(AsRef::as_ref)).skip(number)
    }

    fn get(&self, number: usize) -> Option<&Piece<M>> {
        self.iter_from(number).next()
    }

    fn of(mut all: Vec<Arc<Piece<M>>>) -> Self {
        match (all.len(), all.pop()) {
            (_, None) => Self::EMPTY,
            (1, Some(piece)) => Self::One(Arc::unwrap_or_clone(piece)),
            (_, Some(piece)) => {
                all.push(piece);
                all.shrink_to_fit();
                Self::Many(Box::new(Many { top: Top::new(&all), all }))
            }
        }
    }

    /// The number of the piece that holds an address.
    fn number_of(&self, addr: u128) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Many(many) => many.top.piece(addr),
        }
    }

    /// The first address of a piece.
    fn start_of(&self, number: usize) -> u128 {
        let before = number.checked_sub(1).and_then(|before| self.get(before));
        before.and_then(|piece| piece.last().next()).unwrap_or(0)
    }
}

impl<M: Kept> Many<M> {
    /// What is said of an address that the guide does not know.
    #[inline(never)]
    fn mark_otherwise(&self, addr: u128) -> M {
        match self.all.get(self.top.piece(addr)) {
            Some(piece) => piece.mark(addr),
            None => M::default(),
        }
    }
}

impl Top {
    fn new<M: Kept>(pieces: &[Arc<Piece<M>>]) -> Self {
        let ends = || pieces.iter().map(|piece| piece.last());
        if ends().all(|end| end == end.last_of(64)) {
            let ends: Vec<_> = ends().map(high).collect();
            Self { halves: Tree::new(&ends), guide: Guide::new(&ends), whole: None }
        } else {
            let whole = Tree::new(&ends().collect::<Vec<_>>());
            Self { halves: Tree::ONE, guide: Guide::NONE, whole: Some(Box::new(whole)) }
        }
    }

    /// The number of the piece that holds an address.
    fn piece(&self, addr: u128) -> usize {
        match &self.whole {
            None => self.halves.run(high(addr)),
            Some(tree) => tree.run(addr),
        }
    }

    fn heap_bytes(&self) -> usize {
        let whole = self.whole.as_ref();
        let whole =
            whole.map_or(0, |tree| tree.heap_bytes().saturating_add(size_of::<Tree<u128>>()));
        let halves = self.halves.heap_bytes().saturating_add(self.guide.heap_bytes());
        halves.saturating_add(whole)
    }
}
