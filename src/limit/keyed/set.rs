//! A set: seven ways and one word of hints, in one cache line.
//!
//! | bits of the hints | content |
//! |---|---|
//! | 63..56 | how many ways are established, as last counted |
//! | 8i+7..8i | the low byte of the fingerprint in way i, 0 to 6 |
//!
//! The ways are the truth. A hint is written after the way it speaks of, without care for who else
//! writes, so it may be stale or lost: a wrong hint only sends a check to the scan.

use super::word::{Fingerprint, Word};
use crate::sync::{AtomicU64, Ordering};

/// Seven fit a cache line with their hints; models need no more than two to show a race.
pub(super) const WAYS: usize = if cfg!(loom) { 2 } else { 7 };

#[repr(align(64))]
#[derive(Debug)]
pub(super) struct Set {
    ways: [AtomicU64; WAYS],
    hints: AtomicU64,
}

/// The word of hints, as it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hints(u64);

impl Set {
    pub(super) fn new() -> Self {
        Self { ways: core::array::from_fn(|_| AtomicU64::new(0)), hints: AtomicU64::new(0) }
    }

    #[inline]
    pub(super) fn hints(&self) -> Hints {
        // Relaxed: advice.
        Hints(self.hints.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn hint(&self, hints: Hints) {
        // Relaxed: advice.
        self.hints.store(hints.0, Ordering::Relaxed);
    }

    /// SeqCst: a claim and the rotation of the seed decide by the order of two words each, see
    /// [`era`](super::era). It also acquires what whoever wrote the word had seen: the reclaim clock
    /// under which the way was reused.
    #[inline]
    pub(super) fn way(&self, way: usize) -> Word {
        self.ways.get(way).map_or(Word::EMPTY, |word| Word(word.load(Ordering::SeqCst)))
    }

    /// Puts `new` where `old` was read, if it is still there.
    #[inline]
    pub(super) fn exchange(&self, way: usize, old: Word, new: Word) -> bool {
        // SeqCst as in `way`; Relaxed on failure, since nothing is concluded from that value.
        self.ways.get(way).is_some_and(|word| {
            word.compare_exchange(old.0, new.0, Ordering::SeqCst, Ordering::Relaxed).is_ok()
        })
    }
}

impl Hints {
    const LOW: u64 = 0x0001_0101_0101_0101;

    /// The ways that may hold this fingerprint, as a mask of bytes for [`first`](Self::first): right for
    /// the lowest of them.
    #[inline]
    pub(super) const fn matches(self, key: Fingerprint) -> u64 {
        // The lowest byte that is zero after this is the first that is equal.
        let differs = self.0 ^ Self::LOW.wrapping_mul(key.hint() as u64);
        differs.wrapping_sub(Self::LOW) & !differs & (Self::LOW << 7)
    }

    /// The first way of a mask.
    #[inline]
    pub(super) const fn first(matches: u64) -> Option<usize> {
        if matches == 0 { None } else { Some((matches.trailing_zeros() / 8) as usize) }
    }

    /// These hints where the mask is set.
    #[inline]
    pub(super) const fn where_set(self, mask: u64) -> Self {
        Self(self.0 & mask)
    }

    #[inline]
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline]
    pub(super) const fn established(self) -> u8 {
        self.0.to_le_bytes()[7]
    }

    /// With this key in this way.
    #[inline]
    pub(super) fn with(self, way: usize, key: Fingerprint) -> Self {
        let mut bytes = self.0.to_le_bytes();
        if let Some(byte) = bytes.get_mut(way) {
            *byte = key.hint();
        }
        Self(u64::from_le_bytes(bytes))
    }

    #[inline]
    pub(super) fn with_established(self, count: u8) -> Self {
        let mut bytes = self.0.to_le_bytes();
        bytes[7] = count;
        Self(u64::from_le_bytes(bytes))
    }

    #[inline]
    pub(super) const fn differ_from(self, other: Self) -> bool {
        self.0 != other.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[cfg(not(loom))]
    use super::Set;
    use super::{Hints, WAYS};
    use crate::limit::keyed::word::Fingerprint;

    #[cfg(not(loom))]
    #[test]
    fn a_set_is_one_cache_line() {
        assert_eq!((size_of::<Set>(), align_of::<Set>()), (64, 64));
    }

    proptest! {
        #![proptest_config(crate::test_support::cases(256))]

        /// The first hint that is equal is found, whatever the others and the count are.
        #[test]
        fn hints_are_found(bytes in any::<[u8; 8]>(), key in 0..=255_u64, copy in any::<prop::sample::Index>()) {
            let key = Fingerprint::of(1 << 20 | key);
            let mut bytes = bytes;
            if bytes[7] % 2 == 0 {
                bytes[copy.index(7)] = key.hint();
            }
            let hints = Hints(u64::from_le_bytes(bytes));
            let expected = bytes[..WAYS].iter().position(|byte| *byte == key.hint());
            prop_assert_eq!(Hints::first(hints.matches(key)), expected);
            prop_assert_eq!(hints.established(), bytes[7]);
            let way = copy.index(7);
            prop_assert_eq!(hints.with(way, key).0.to_le_bytes()[way], key.hint());
            prop_assert_eq!(hints.with(way, key).established(), bytes[7]);
            prop_assert_eq!(Hints::first(hints.with_established(3).matches(key)), expected);
        }
    }
}
