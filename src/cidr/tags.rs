//! Tags one after another: in two bytes each as long as all of them fit, in four from the first on that
//! does not.

use alloc::vec::Vec;

/// A list of tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tags(Width);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Width {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

/// Calls a method of the vector, whatever its width.
macro_rules! either {
    ($tags:expr, $vec:ident => $call:expr) => {
        match $tags {
            Width::Narrow($vec) => $call,
            Width::Wide($vec) => $call,
        }
    };
}

/// Room for a tag: it as it is stored, and where.
enum Fitting<'a> {
    Narrow(&'a mut Vec<u16>, u16),
    Wide(&'a mut Vec<u32>),
}

impl Tags {
    /// A tag that no value has, for what a table itself must mark.
    pub(super) const RESERVED: u32 = u32::MAX;
    /// The highest tag of a value.
    pub(super) const LAST: u32 = u32::MAX - 1;
    const RESERVED_NARROW: u16 = u16::MAX;

    pub(super) const fn new() -> Self {
        Self(Width::Narrow(Vec::new()))
    }

    pub(super) fn with_capacity(tags: usize) -> Self {
        Self(Width::Narrow(Vec::with_capacity(tags)))
    }

    /// The tag at a place, 0 where there is none.
    #[inline]
    pub(super) fn get(&self, at: usize) -> u32 {
        match &self.0 {
            Width::Narrow(tags) => match tags.get(at) {
                Some(&Self::RESERVED_NARROW) => Self::RESERVED,
                Some(&tag) => tag.into(),
                None => 0,
            },
            Width::Wide(tags) => tags.get(at).copied().unwrap_or(0),
        }
    }

    /// The tag at a place, nothing where it is [`RESERVED`](Self::RESERVED) or there is none.
    #[inline(always)]
    pub(super) fn known(&self, at: usize) -> Option<u32> {
        match &self.0 {
            Width::Narrow(tags) => match tags.get(at) {
                Some(&tag) if tag != Self::RESERVED_NARROW => Some(tag.into()),
                _ => None,
            },
            Width::Wide(tags) => tags.get(at).copied().filter(|tag| *tag != Self::RESERVED),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, tag: u32) {
        match self.made_for(tag) {
            Fitting::Narrow(tags, tag) => tags.push(tag),
            Fitting::Wide(tags) => tags.push(tag),
        }
    }

    /// Moves those from a place on up by one; the place is one of theirs, or the one behind.
    pub(super) fn insert(&mut self, at: usize, tag: u32) {
        match self.made_for(tag) {
            Fitting::Narrow(tags, tag) => tags.insert(at, tag),
            Fitting::Wide(tags) => tags.insert(at, tag),
        }
    }

    /// Overwrites a tag that there is.
    pub(super) fn set(&mut self, at: usize, tag: u32) {
        match self.made_for(tag) {
            Fitting::Narrow(tags, tag) => tags.get_mut(at).into_iter().for_each(|old| *old = tag),
            Fitting::Wide(tags) => tags.get_mut(at).into_iter().for_each(|old| *old = tag),
        }
    }

    /// Takes away a tag that there is.
    pub(super) fn remove(&mut self, at: usize) {
        match &mut self.0 {
            Width::Narrow(tags) => drop(tags.remove(at)),
            Width::Wide(tags) => drop(tags.remove(at)),
        }
    }

    /// Those from a place on, taken away.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        Self(match &mut self.0 {
            Width::Narrow(tags) => Width::Narrow(tags.split_off(at)),
            Width::Wide(tags) => Width::Wide(tags.split_off(at)),
        })
    }

    pub(super) fn reserve_exact(&mut self, more: usize) {
        either!(&mut self.0, tags => tags.reserve_exact(more));
    }

    /// As [`make_room`].
    pub(super) fn make_room(&mut self, more: usize) {
        either!(&mut self.0, tags => make_room(tags, more));
    }

    /// As [`cloned_with_room`].
    pub(super) fn cloned_with_room(&self) -> Self {
        Self(match &self.0 {
            Width::Narrow(tags) => Width::Narrow(cloned_with_room(tags)),
            Width::Wide(tags) => Width::Wide(cloned_with_room(tags)),
        })
    }

    pub(super) fn shrink_to_fit(&mut self) {
        either!(&mut self.0, tags => tags.shrink_to_fit());
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Width::Narrow(tags) => tags.capacity().saturating_mul(size_of::<u16>()),
            Width::Wide(tags) => tags.capacity().saturating_mul(size_of::<u32>()),
        }
    }

    /// Where a tag goes, wide if it asks for that.
    #[inline]
    fn made_for(&mut self, tag: u32) -> Fitting<'_> {
        let narrow = match u16::try_from(tag) {
            Ok(Self::RESERVED_NARROW) => None,
            Ok(tag) => Some(tag),
            Err(_) => (tag == Self::RESERVED).then_some(Self::RESERVED_NARROW),
        };
        if let (Width::Narrow(tags), None) = (&self.0, narrow) {
            // With the room that was made, so that what comes next does not double it.
            let mut wide = Vec::with_capacity(tags.capacity());
            wide.extend((0..tags.len()).map(|at| self.get(at)));
            self.0 = Width::Wide(wide);
        }
        match &mut self.0 {
            Width::Narrow(tags) => Fitting::Narrow(tags, narrow.unwrap_or(0)),
            Width::Wide(tags) => Fitting::Wide(tags),
        }
    }

    #[cfg(test)]
    pub(super) fn are_narrow(&self) -> bool {
        matches!(self.0, Width::Narrow(_))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        either!(&self.0, tags => tags.len())
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

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn room_is_made_for_an_eighth_more_and_a_copy_has_some_for_a_64th() {
        let mut elements = vec![0_u8; 800];
        for (more, room) in [(0, 800), (10, 910), (110, 910), (111, 1_011)] {
            make_room(&mut elements, more);
            assert_eq!(elements.capacity(), room, "for {more} more");
        }
        assert_eq!(cloned_with_room(&elements).capacity(), 812);
        assert_eq!(cloned_with_room(&elements), elements);
    }
}
