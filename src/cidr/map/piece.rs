//! A piece of a list: so many prefixes as an edit may move.

use alloc::vec::Vec;

use super::{
    super::{runs::Mark, tags::Tags},
    keys::Key,
};

/// The most prefixes in a piece; few in tests, so that small lists have many pieces.
pub(super) const MOST: usize = if cfg!(test) { 16 } else { 1_024 };
/// How many a piece has that was built: less, so that the first edits do not split it.
pub(super) const USUAL: usize = MOST / 4 * 3;
/// Neighbours that have no more than this together become one.
pub(super) const FEW: usize = MOST / 2;

/// Prefixes in order.
#[derive(Clone)]
pub(super) struct Piece<B> {
    pub(super) keys: Vec<B>,
    pub(super) lens: Vec<u8>,
    pub(super) tags: Tags,
}

impl<B: Key> Piece<B> {
    pub(super) fn with_room(entries: usize) -> Self {
        Self {
            keys: Vec::with_capacity(entries),
            lens: Vec::with_capacity(entries),
            tags: Tags::with_capacity(entries),
        }
    }

    pub(super) fn seek(&self, first: B, len: u8) -> usize {
        let at = self.keys.partition_point(|key| *key < first);
        // Prefixes with one first address differ in length, so these are at most as many as bits.
        let same = self.keys.iter().zip(&self.lens).skip(at);
        at.saturating_add(same.take_while(|(key, known)| **key == first && **known < len).count())
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<(B, Mark)> {
        let (key, len) = (*self.keys.get(at)?, *self.lens.get(at)?);
        Some((key, Mark { tag: self.tags.get(at), len }))
    }

    #[inline]
    pub(super) fn push(&mut self, first: B, mark: Mark) {
        self.keys.push(first);
        self.lens.push(mark.len);
        self.tags.push(mark.tag);
    }

    pub(super) fn insert(&mut self, at: usize, first: B, mark: Mark) {
        if self.keys.len() == self.keys.capacity() {
            self.reserve(MOST / 16);
        }
        self.keys.insert(at, first);
        self.lens.insert(at, mark.len);
        self.tags.insert(at, mark.tag);
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.keys.remove(at);
        self.lens.remove(at);
        self.tags.remove(at);
    }

    /// The upper half, taken away.
    pub(super) fn split_off(&mut self) -> Self {
        let at = self.keys.len() / 2;
        let upper = Self {
            keys: self.keys.split_off(at),
            lens: self.lens.split_off(at),
            tags: self.tags.split_off(at),
        };
        self.shrink_to_fit();
        upper
    }

    pub(super) fn append(&mut self, other: &Self) {
        self.reserve(other.keys.len());
        for at in 0..other.keys.len() {
            other.get(at).into_iter().for_each(|(first, mark)| self.push(first, mark));
        }
    }

    /// Room for a few more: doubling would leave half of a list that grows slowly empty.
    fn reserve(&mut self, more: usize) {
        self.keys.reserve_exact(more);
        self.lens.reserve_exact(more);
        self.tags.reserve_exact(more);
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.keys.shrink_to_fit();
        self.lens.shrink_to_fit();
        self.tags.shrink_to_fit();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let keys = self.keys.capacity().saturating_mul(size_of::<B>());
        keys.saturating_add(self.lens.capacity()).saturating_add(self.tags.heap_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list that grows slowly would be half empty if its pieces doubled.
    #[test]
    fn a_piece_that_grows_has_room_for_few_more() {
        let mut piece = Piece::<u32>::with_room(0);
        assert_eq!(piece.heap_bytes(), 0);
        for n in 0..MOST {
            piece.insert(n / 2, 7, Mark { tag: 1, len: 8 });
            let room = [piece.keys.capacity(), piece.lens.capacity()];
            assert!(room.iter().all(|room| *room <= n + MOST / 16), "{room:?} for {n}");
        }
        assert_eq!(piece.heap_bytes(), MOST * (4 + 1 + 2));
        let mut piece = Piece::<u32>::with_room(100);
        assert_eq!(piece.heap_bytes(), 100 * (4 + 1 + 2));
        piece.push(0, Mark { tag: 1, len: 8 });
        piece.shrink_to_fit();
        assert_eq!(piece.heap_bytes(), 4 + 1 + 2);
    }
}
