//! The marks of a map's runs, one after another: an index says which run, a slot says what of it.

use alloc::vec::Vec;

use super::{
    runs::Mark,
    tags::{Tags, cloned_with_room, make_room},
};

/// Marks by slot. Lengths lie apart from tags, since only the look-up of a whole prefix needs them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slots {
    tags: Tags,
    lens: Vec<u8>,
}

impl Slots {
    pub(super) const fn new() -> Self {
        Self { tags: Tags::new(), lens: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.lens.len()
    }

    /// The mark in a slot, the default one where there is no slot.
    #[inline]
    pub(super) fn mark(&self, slot: usize) -> Mark {
        // Apart from the tag, so that whoever asks for the tag alone does not load the length.
        Mark { tag: self.tag(slot), len: self.len_in(slot) }
    }

    /// The mark in a slot, nothing where its tag is [`Tags::RESERVED`] or there is no slot.
    #[inline(always)]
    pub(super) fn known(&self, slot: usize) -> Option<Mark> {
        let tag = self.tags.known(slot)?;
        Some(Mark { tag, len: self.len_in(slot) })
    }

    #[inline]
    pub(super) fn tag(&self, slot: usize) -> u32 {
        self.tags.get(slot)
    }

    #[inline]
    fn len_in(&self, slot: usize) -> u8 {
        self.lens.get(slot).copied().unwrap_or(0)
    }

    pub(super) fn push(&mut self, mark: Mark) {
        self.tags.push(mark.tag);
        self.lens.push(mark.len);
    }

    /// Overwrites a slot that there is.
    pub(super) fn set(&mut self, slot: usize, mark: Mark) {
        self.tags.set(slot, mark.tag);
        self.lens.get_mut(slot).into_iter().for_each(|len| *len = mark.len);
    }

    pub(super) fn reserve_exact(&mut self, slots: usize) {
        self.tags.reserve_exact(slots);
        self.lens.reserve_exact(slots);
    }

    /// Makes room for more slots, and for some beyond if they must move for it.
    pub(super) fn make_room(&mut self, slots: usize) {
        self.tags.make_room(slots);
        make_room(&mut self.lens, slots);
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.tags.shrink_to_fit();
        self.lens.shrink_to_fit();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.tags.heap_bytes().saturating_add(self.lens.capacity())
    }
}

impl Clone for Slots {
    fn clone(&self) -> Self {
        Self { tags: self.tags.cloned_with_room(), lens: cloned_with_room(&self.lens) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_widen_when_the_first_comes_that_does_not_fit() {
        let mut slots = Slots::new();
        let marks = [0, 1, 65_534, Tags::RESERVED, 65_535, 65_536, Tags::LAST]
            .map(|tag| Mark { tag, len: 7 });
        for (at, mark) in marks.into_iter().enumerate() {
            slots.push(mark);
            for (slot, mark) in marks.iter().enumerate().take(at + 1) {
                assert_eq!(slots.mark(slot), *mark);
            }
            assert_eq!(slots.tags.are_narrow(), at < 4);
        }
        assert_eq!(slots.mark(7), Mark::default());
        for (slot, mark) in marks.iter().enumerate() {
            let known = (mark.tag != Tags::RESERVED).then_some(*mark);
            assert_eq!(slots.known(slot), known);
        }
        assert_eq!(slots.known(7), None);
        slots.set(0, Mark { tag: 9, len: 3 });
        assert_eq!(slots.mark(0), Mark { tag: 9, len: 3 });
        assert_eq!(slots.len(), 7);
    }

    #[test]
    fn a_slot_takes_three_bytes_and_five_with_wide_tags() {
        let mut slots = Slots::new();
        assert_eq!(slots.heap_bytes(), 0);
        for (tag, bytes) in [(1, 3), (70_000, 5)] {
            (0..500).for_each(|_| slots.push(Mark { tag, len: 9 }));
            slots.shrink_to_fit();
            assert_eq!(slots.heap_bytes(), slots.len() * bytes);
        }
    }

    #[test]
    fn tags_that_widen_keep_the_room_that_was_made() {
        let mut slots = Slots::new();
        slots.reserve_exact(1_000);
        (0..1_000).for_each(|tag| slots.push(Mark { tag, len: 0 }));
        slots.make_room(1);
        slots.push(Mark { tag: 70_000, len: 0 });
        assert!(slots.heap_bytes() <= 5 * (1_000 + 1_000 / 8 + 1), "{}", slots.heap_bytes());
    }
}
