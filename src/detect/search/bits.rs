//! Which samples have something: a bit for each.

/// The most samples of a kind.
pub(crate) const MOST_SAMPLES: usize = 1_024;

const WORDS: usize = MOST_SAMPLES / 64;

/// A set of places among the samples of one kind.
///
/// Bit `i` of word `w` is the sample at place `64 w + i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits([u64; WORDS]);

impl Bits {
    pub(super) const NONE: Self = Self([0; WORDS]);

    /// The places before this one.
    pub(super) fn first(places: usize) -> Self {
        let mut bits = Self::NONE;
        (0..places.min(MOST_SAMPLES)).for_each(|place| bits.set(place));
        bits
    }

    #[inline]
    pub(super) fn set(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place >> 6) {
            *word |= 1 << (place & 63);
        }
    }

    #[inline]
    pub(super) fn has(&self, place: usize) -> bool {
        self.0.get(place >> 6).is_some_and(|word| word >> (place & 63) & 1 == 1)
    }

    #[inline]
    pub(super) fn count(&self) -> u32 {
        self.0.iter().fold(0, |sum, word| sum.wrapping_add(word.count_ones()))
    }

    #[inline]
    pub(super) fn and(&self, other: &Self) -> Self {
        self.with(other, |one, other| one & other)
    }

    #[inline]
    pub(super) fn or(&self, other: &Self) -> Self {
        self.with(other, |one, other| one | other)
    }

    #[inline]
    pub(super) fn without(&self, other: &Self) -> Self {
        self.with(other, |one, other| one & !other)
    }

    /// The places, ascending.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        (0..MOST_SAMPLES).filter(|place| self.has(*place))
    }

    #[inline]
    fn with(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let mut bits = *self;
        for (one, other) in bits.0.iter_mut().zip(&other.0) {
            *one = join(*one, *other);
        }
        bits
    }
}

/// Which recent samples have something, and which of the usual ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) recent: Bits,
    pub(super) usual: Bits,
}

impl Spread {
    pub(super) const NONE: Self = Self { recent: Bits::NONE, usual: Bits::NONE };

    #[inline]
    pub(super) fn and(&self, other: &Self) -> Self {
        Self { recent: self.recent.and(&other.recent), usual: self.usual.and(&other.usual) }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, vec::Vec};

    use proptest::{collection::btree_set, proptest};

    use super::{Bits, MOST_SAMPLES};

    fn of(places: &BTreeSet<usize>) -> Bits {
        let mut bits = Bits::NONE;
        places.iter().for_each(|place| bits.set(*place));
        bits
    }

    proptest! {
        #![proptest_config(crate::test_support::cases(64))]

        #[test]
        fn they_are_sets(
            one in btree_set(0..MOST_SAMPLES, 0..200),
            other in btree_set(0..MOST_SAMPLES, 0..200),
        ) {
            let (a, b) = (of(&one), of(&other));
            assert_eq!(a.places().collect::<BTreeSet<_>>(), one);
            assert_eq!(a.count() as usize, one.len());
            assert_eq!(a.and(&b), of(&one.intersection(&other).copied().collect()));
            assert_eq!(a.or(&b), of(&one.union(&other).copied().collect()));
            assert_eq!(a.without(&b), of(&one.difference(&other).copied().collect()));
        }
    }

    #[test]
    fn places_beyond_the_end_are_nowhere() {
        assert_eq!(Bits::first(MOST_SAMPLES + 9).count() as usize, MOST_SAMPLES);
        assert_eq!(Bits::first(70).places().collect::<Vec<_>>(), (0..70).collect::<Vec<_>>());
        let mut bits = Bits::NONE;
        bits.set(MOST_SAMPLES);
        assert_eq!((bits, bits.has(MOST_SAMPLES)), (Bits::NONE, false));
    }
}
