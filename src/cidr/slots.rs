//! The marks of a map's runs, one after another: an index says which run, a slot says what of it.

use alloc::vec::Vec;

use super::runs::Mark;

/// Marks by slot. Tags take two bytes each as long as all of them fit; lengths lie apart, since only
/// the look-up of a whole prefix needs them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slots {
    tags: Tags,
    lens: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum Tags {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

impl Slots {
    /// A tag that no value has, for what a table itself must mark.
    pub(super) const RESERVED: u32 = u32::MAX;
    /// The highest tag of a value.
    pub(super) const LAST_TAG: u32 = u32::MAX - 1;
    const RESERVED_NARROW: u16 = u16::MAX;

    pub(super) const fn new() -> Self {
        Self { tags: Tags::Narrow(Vec::new()), lens: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.lens.len()
    }

    /// The mark in a slot, the default one where there is no slot.
    #[inline]
    pub(super) fn mark(&self, slot: usize) -> Mark {
        // Apart from the tag, so that whoever asks for the tag alone does not load the length.
        Mark { tag: self.tag(slot), len: self.lens.get(slot).copied().unwrap_or(0) }
    }

    /// The mark in a slot, nothing where it is [`RESERVED`](Self::RESERVED) or there is no slot.
    #[inline(always)]
    pub(super) fn known(&self, slot: usize) -> Option<Mark> {
        let tag = match &self.tags {
            Tags::Narrow(tags) => match tags.get(slot) {
                Some(&tag) if tag != Self::RESERVED_NARROW => tag.into(),
                _ => return None,
            },
            Tags::Wide(tags) => tags.get(slot).copied().filter(|tag| *tag != Self::RESERVED)?,
        };
        Some(Mark { tag, len: self.lens.get(slot).copied().unwrap_or(0) })
    }

    #[inline]
    pub(super) fn tag(&self, slot: usize) -> u32 {
        match &self.tags {
            Tags::Narrow(tags) => match tags.get(slot) {
                Some(&Self::RESERVED_NARROW) => Self::RESERVED,
                Some(&tag) => tag.into(),
                None => 0,
            },
            Tags::Wide(tags) => tags.get(slot).copied().unwrap_or(0),
        }
    }

    pub(super) fn push(&mut self, mark: Mark) {
        self.make_room_for(mark.tag);
        match &mut self.tags {
            Tags::Narrow(tags) => tags.push(narrowed(mark.tag)),
            Tags::Wide(tags) => tags.push(mark.tag),
        }
        self.lens.push(mark.len);
    }

    /// Overwrites a slot that there is.
    pub(super) fn set(&mut self, slot: usize, mark: Mark) {
        self.make_room_for(mark.tag);
        match &mut self.tags {
            Tags::Narrow(tags) => {
                tags.get_mut(slot).into_iter().for_each(|tag| *tag = narrowed(mark.tag))
            }
            Tags::Wide(tags) => tags.get_mut(slot).into_iter().for_each(|tag| *tag = mark.tag),
        }
        self.lens.get_mut(slot).into_iter().for_each(|len| *len = mark.len);
    }

    pub(super) fn reserve_exact(&mut self, slots: usize) {
        match &mut self.tags {
            Tags::Narrow(tags) => tags.reserve_exact(slots),
            Tags::Wide(tags) => tags.reserve_exact(slots),
        }
        self.lens.reserve_exact(slots);
    }

    /// Makes room for more slots, and for some beyond if they must move for it.
    pub(super) fn make_room(&mut self, slots: usize) {
        match &mut self.tags {
            Tags::Narrow(tags) => make_room(tags, slots),
            Tags::Wide(tags) => make_room(tags, slots),
        }
        make_room(&mut self.lens, slots);
    }

    pub(super) fn shrink_to_fit(&mut self) {
        match &mut self.tags {
            Tags::Narrow(tags) => tags.shrink_to_fit(),
            Tags::Wide(tags) => tags.shrink_to_fit(),
        }
        self.lens.shrink_to_fit();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let tags = match &self.tags {
            Tags::Narrow(tags) => tags.capacity().saturating_mul(size_of::<u16>()),
            Tags::Wide(tags) => tags.capacity().saturating_mul(size_of::<u32>()),
        };
        tags.saturating_add(self.lens.capacity())
    }

    fn make_room_for(&mut self, tag: u32) {
        if let Tags::Narrow(tags) = &mut self.tags {
            if tag != Self::RESERVED && tag >= u32::from(Self::RESERVED_NARROW) {
                // With the room that was made, so that what comes next does not double it.
                let mut wide = Vec::with_capacity(tags.capacity());
                wide.extend(tags.iter().map(|&tag| match tag {
                    Self::RESERVED_NARROW => Self::RESERVED,
                    tag => tag.into(),
                }));
                self.tags = Tags::Wide(wide);
            }
        }
    }
}

impl Clone for Slots {
    fn clone(&self) -> Self {
        let tags = match &self.tags {
            Tags::Narrow(tags) => Tags::Narrow(cloned_with_room(tags)),
            Tags::Wide(tags) => Tags::Wide(cloned_with_room(tags)),
        };
        Self { tags, lens: cloned_with_room(&self.lens) }
    }
}

/// Makes room for `more` elements. If they must move for it, they move to where there is room for an
/// eighth more: twice the size, as a vector takes by itself, is more than large tables may cost.
#[inline]
pub(super) fn make_room<T>(elements: &mut Vec<T>, more: usize) {
    if elements.capacity().saturating_sub(elements.len()) < more {
        elements.reserve_exact(more.saturating_add(elements.len() / 8));
    }
}

/// The same elements, with room for 1 in 64 more: a copy is made to be changed, and should not have to
/// move for it.
pub(super) fn cloned_with_room<T: Copy>(elements: &[T]) -> Vec<T> {
    let mut clone = Vec::with_capacity(elements.len().saturating_add(elements.len() / 64));
    clone.extend_from_slice(elements);
    clone
}

fn narrowed(tag: u32) -> u16 {
    u16::try_from(tag).unwrap_or(Slots::RESERVED_NARROW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_widen_when_the_first_comes_that_does_not_fit() {
        let mut slots = Slots::new();
        let marks = [0, 1, 65_534, Slots::RESERVED, 65_535, 65_536, Slots::LAST_TAG]
            .map(|tag| Mark { tag, len: 7 });
        for (at, mark) in marks.into_iter().enumerate() {
            slots.push(mark);
            for (slot, mark) in marks.iter().enumerate().take(at + 1) {
                assert_eq!(slots.mark(slot), *mark);
            }
            assert_eq!(matches!(slots.tags, Tags::Narrow(_)), at < 4);
        }
        assert_eq!(slots.mark(7), Mark::default());
        for (slot, mark) in marks.iter().enumerate() {
            let known = (mark.tag != Slots::RESERVED).then_some(*mark);
            assert_eq!(slots.known(slot), known);
        }
        assert_eq!(slots.known(7), None);
        slots.set(0, Mark { tag: 9, len: 3 });
        assert_eq!(slots.mark(0), Mark { tag: 9, len: 3 });
        assert_eq!(slots.len(), 7);
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
