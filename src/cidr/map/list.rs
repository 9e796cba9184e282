//! The prefixes of a map, sorted: the source of truth, from which tables are compiled.
//!
//! Prefixes are sorted by their first address, then by length, so that one that covers another comes
//! before it. They lie in pieces of at most [`MOST`], each with its keys, lengths and tags apart:
//! - an edit moves a part of one piece, a few kilobytes at most;
//! - an IPv4 prefix takes seven bytes as long as its piece has no tag above 65,535, else nine. IPv6
//!   prefixes of at most 64 bits are kept by the upper half of their address, in 11 or 13 bytes, and
//!   the longer ones apart, in 19 or 21;
//! - a copy of a list shares the pieces until one of the two changes them.
//!
//! Invariants:
//! - **I1** prefixes are in order, no two are equal, and none has host bits;
//! - **I2** no piece is empty or longer than [`MOST`], and `firsts` has the first prefix of each.
//!
//! All that cover an address are found without walking over those beside them: whatever comes right
//! before the address either covers it, or shares its first bits only up to where the next shorter
//! candidate ends. So each step is one search, and leaves fewer bits.

use alloc::{sync::Arc, vec::Vec};

use super::{
    super::{addr::Bits, runs::Mark},
    keys::Key,
    piece::{FEW, MOST, Piece, USUAL},
};

/// A sorted list of prefixes with their tags, none of which is 0.
pub(super) trait Prefixes<B: Bits>: Clone {
    /// The list without a prefix.
    const EMPTY: Self;

    type Entries<'a>: Iterator<Item = (B, Mark)> + Clone
    where
        Self: 'a;

    /// The list of prefixes that are in order.
    fn build(sorted: impl Iterator<Item = (B, Mark)>) -> Self;

    fn len(&self) -> usize;

    /// The tag of a prefix, 0 if it is not in the list.
    fn tag(&self, first: B, len: u8) -> u32;

    /// Gives a prefix its tag, and says which it had.
    fn insert(&mut self, first: B, mark: Mark) -> u32;

    /// Takes a prefix away, and says which tag it had.
    fn remove(&mut self, first: B, len: u8) -> u32;

    /// The longest prefix of at most `len` bits around an address.
    fn around(&self, addr: B, len: u8) -> Option<Mark>;

    /// This prefix, if it is there, and all that come after it.
    fn entries_from(&self, first: B, len: u8) -> Self::Entries<'_>;

    /// How many prefixes start within `first..=last`.
    fn count(&self, first: B, last: B) -> usize;

    fn heap_bytes(&self) -> usize;
}

/// The list of one kind of keys.
#[derive(Clone)]
pub(super) struct Listed<B> {
    pub(super) firsts: Vec<(B, u8)>,
    pub(super) pieces: Vec<Arc<Piece<B>>>,
    pub(super) len: usize,
}

/// Where a prefix is, or would be.
#[derive(Clone, Copy)]
struct Position {
    piece: usize,
    at: usize,
}

impl<B: Key> Listed<B> {
    /// Where the first prefix is that does not come before this one; the end of a piece if it would
    /// have to be put there.
    fn seek(&self, first: B, len: u8) -> Position {
        let after = self.firsts.partition_point(|known| *known <= (first, len));
        let piece = after.saturating_sub(1);
        Position { piece, at: self.pieces.get(piece).map_or(0, |piece| piece.seek(first, len)) }
    }

    fn at(&self, position: Position) -> Option<(B, Mark)> {
        self.pieces.get(position.piece)?.get(position.at)
    }

    fn before(&self, position: Position) -> Option<(B, Mark)> {
        // A piece whose first prefix is the one that was sought is not looked at before it.
        self.at(Position { at: position.at.checked_sub(1)?, ..position })
    }

    /// Like [`around`](Prefixes::around), for a list of which it is known that none is shorter than `least`.
    pub(super) fn around_from(&self, least: u8, addr: B, len: u8) -> Option<Mark> {
        let mut len = len;
        while len >= least {
            let addr = addr.first_of(len);
            let position = self.seek(addr, len);
            if let Some((_, mark)) =
                self.at(position).filter(|(key, mark)| (*key, mark.len) == (addr, len))
            {
                return Some(mark);
            }
            let (key, mark) = self.before(position)?;
            if key.last_of(mark.len) >= addr {
                return Some(mark);
            }
            // It does not cover the address, so they differ before its end, and a shorter one that
            // covers the address covers this one, too.
            len = key.shared(addr).min(len.checked_sub(1)?);
        }
        None
    }

    /// Makes I2 true again around a piece that became longer.
    fn split(&mut self, index: usize) {
        let Some(piece) = self.pieces.get_mut(index).filter(|piece| piece.keys.len() > MOST) else {
            return;
        };
        let upper = Arc::make_mut(piece).split_off();
        let Some((first, mark)) = upper.get(0) else { return };
        let next = index.saturating_add(1);
        self.firsts.insert(next, (first, mark.len));
        self.pieces.insert(next, Arc::new(upper));
    }

    /// Makes I2 true again around a piece that became shorter, and keeps pieces from staying small.
    fn join(&mut self, index: usize) {
        let len = |index: usize| self.pieces.get(index).map_or(MOST, |piece| piece.keys.len());
        if len(index) == 0 {
            self.pieces.remove(index);
            self.firsts.remove(index);
            return;
        }
        let next = index.saturating_add(1);
        let lower = match index.checked_sub(1) {
            _ if len(index).saturating_add(len(next)) <= FEW => index,
            Some(before) if len(before).saturating_add(len(index)) <= FEW => before,
            _ => return,
        };
        let upper = self.pieces.remove(lower.saturating_add(1));
        self.firsts.remove(lower.saturating_add(1));
        if let Some(piece) = self.pieces.get_mut(lower) {
            Arc::make_mut(piece).append(&upper);
        }
    }

    fn note_first(&mut self, index: usize) {
        let first = self.pieces.get(index).and_then(|piece| piece.get(0));
        if let (Some(known), Some((first, mark))) = (self.firsts.get_mut(index), first) {
            *known = (first, mark.len);
        }
    }
}

impl<B: Key> Prefixes<B> for Listed<B> {
    const EMPTY: Self = Self { firsts: Vec::new(), pieces: Vec::new(), len: 0 };

    type Entries<'a> = Entries<'a, B>;

    fn build(sorted: impl Iterator<Item = (B, Mark)>) -> Self {
        let mut list = Self::EMPTY;
        let mut sorted = sorted;
        let mut piece = Piece::with_room(USUAL);
        loop {
            let next = sorted.next();
            if let (Some((first, mark)), true) = (next, piece.keys.len() < USUAL) {
                piece.push(first, mark);
                continue;
            }
            let Some((first, mark)) = piece.get(0) else { break };
            list.len = list.len.saturating_add(piece.keys.len());
            list.firsts.push((first, mark.len));
            let mut full = core::mem::replace(&mut piece, Piece::with_room(USUAL));
            full.shrink_to_fit();
            list.pieces.push(Arc::new(full));
            let Some((first, mark)) = next else { break };
            piece.push(first, mark);
        }
        list.firsts.shrink_to_fit();
        list.pieces.shrink_to_fit();
        list
    }

    fn len(&self) -> usize {
        self.len
    }

    fn tag(&self, first: B, len: u8) -> u32 {
        let found = self.at(self.seek(first, len));
        found.filter(|(key, mark)| (*key, mark.len) == (first, len)).map_or(0, |(_, mark)| mark.tag)
    }

    fn insert(&mut self, first: B, mark: Mark) -> u32 {
        let Position { piece: index, at } = self.seek(first, mark.len);
        if self.pieces.is_empty() {
            *self = Self::build(core::iter::once((first, mark)));
            return 0;
        }
        let Some(piece) = self.pieces.get_mut(index).map(Arc::make_mut) else { return 0 };
        match piece.get(at).filter(|(key, old)| (*key, old.len) == (first, mark.len)) {
            Some((_, old)) => {
                piece.tags.set(at, mark.tag);
                old.tag
            }
            None => {
                piece.insert(at, first, mark);
                self.len = self.len.saturating_add(1);
                self.note_first(index);
                self.split(index);
                0
            }
        }
    }

    fn remove(&mut self, first: B, len: u8) -> u32 {
        let tag = self.tag(first, len);
        if tag > 0 {
            let Position { piece: index, at } = self.seek(first, len);
            self.pieces
                .get_mut(index)
                .into_iter()
                .for_each(|piece| Arc::make_mut(piece).remove(at));
            self.len = self.len.saturating_sub(1);
            self.note_first(index);
            self.join(index);
        }
        tag
    }

    fn around(&self, addr: B, len: u8) -> Option<Mark> {
        self.around_from(0, addr, len)
    }

    fn entries_from(&self, first: B, len: u8) -> Entries<'_, B> {
        let Position { piece, at } = self.seek(first, len);
        let mut pieces = self.pieces.get(piece..).unwrap_or_default().iter();
        let piece = pieces.next().map(|piece| &**piece);
        Entries { piece, at, pieces }
    }

    fn count(&self, first: B, last: B) -> usize {
        let from = self.seek(first, 0);
        let to = last
            .next()
            .map_or(Position { piece: self.pieces.len(), at: 0 }, |after| self.seek(after, 0));
        let between = self.pieces.get(from.piece..to.piece).unwrap_or_default();
        let whole = between.iter().fold(0_usize, |sum, piece| sum.saturating_add(piece.keys.len()));
        whole.saturating_add(to.at).saturating_sub(from.at)
    }

    fn heap_bytes(&self) -> usize {
        // Next to each piece lie the two counters of its `Arc`.
        let shell = size_of::<Piece<B>>().saturating_add(size_of::<[usize; 2]>());
        let places = [
            (self.firsts.capacity(), size_of::<(B, u8)>()),
            (self.pieces.capacity(), size_of::<Arc<Piece<B>>>()),
            (self.pieces.len(), shell),
        ];
        let outside =
            places.into_iter().fold(0, |sum, (n, size)| n.saturating_mul(size).saturating_add(sum));
        self.pieces.iter().fold(outside, |sum, piece| sum.saturating_add(piece.heap_bytes()))
    }
}

/// Prefixes in order, from one of them to the end of the list.
#[derive(Clone)]
pub(super) struct Entries<'a, B> {
    piece: Option<&'a Piece<B>>,
    at: usize,
    pieces: core::slice::Iter<'a, Arc<Piece<B>>>,
}

impl<B: Key> Iterator for Entries<'_, B> {
    type Item = (B, Mark);

    #[inline]
    fn next(&mut self) -> Option<(B, Mark)> {
        loop {
            if let Some(entry) = self.piece?.get(self.at) {
                self.at = self.at.saturating_add(1);
                return Some(entry);
            }
            self.piece = self.pieces.next().map(|piece| &**piece);
            self.at = 0;
        }
    }
}
