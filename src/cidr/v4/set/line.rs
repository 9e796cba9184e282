//! Lines of 64 bytes, and what is asked of one: the memory of a wide set.
//!
//! A line holds 32 *keys* or 512 bits, and half a line 16 keys or 256 bits. A key is the low half of
//! an address less 32,768, because signed numbers are what vectors compare. Unused keys are the
//! highest one, which is below nothing.

/// Keys in half a line.
pub(super) const HALF: usize = 16;
/// Keys in a line.
pub(super) const FULL: usize = 32;
/// An unused key.
pub(super) const UNUSED: i16 = i16::MAX;

/// The least piece of memory that is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub(super) struct Line(pub(super) [Half; 2]);

pub(super) type Half = [i16; HALF];

impl Line {
    /// Without a key.
    pub(super) const EMPTY: Self = Self([[UNUSED; HALF]; 2]);

    /// Whether the keys of the first and of the second half that are below `key` are odd in number.
    #[inline]
    pub(super) fn odd_below(&self, key: i16) -> [bool; 2] {
        let Self([first, second]) = self;
        [odd_below(first, key), odd_below(second, key)]
    }

    /// How many keys are below `key`.
    #[inline(always)]
    pub(super) fn below(&self, key: i16) -> usize {
        // Counted in eight lanes first, which is how the compiler keeps to vectors.
        let mut lanes = [0_u16; 8];
        for eight in self.0.as_flattened().chunks_exact(8) {
            for (lane, stored) in lanes.iter_mut().zip(eight) {
                *lane = lane.wrapping_add(u16::from(*stored < key));
            }
        }
        lanes.into_iter().fold(0, u16::wrapping_add).into()
    }

    /// Sixteen of the 512 bits.
    #[inline]
    pub(super) fn word(&self, at: usize) -> u16 {
        let words = self.0.as_flattened();
        u16::from_ne_bytes(words.get(at % FULL).copied().unwrap_or(0).to_ne_bytes())
    }

    pub(super) fn keys(&self) -> impl DoubleEndedIterator<Item = i16> {
        self.0.as_flattened().iter().copied()
    }
}

#[inline]
fn odd_below(keys: &Half, key: i16) -> bool {
    keys.iter().fold(false, |odd, stored| odd ^ (*stored < key))
}

/// The key of the low half of an address.
#[inline]
pub(super) fn key_of(low: u16) -> i16 {
    i16::from_ne_bytes((low ^ 0x8000).to_ne_bytes())
}

/// The low half of an address, by its key.
#[inline]
pub(super) fn low_of(key: i16) -> u16 {
    u16::from_ne_bytes(key.to_ne_bytes()) ^ 0x8000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_addresses() {
        for low in 0..=u16::MAX {
            assert_eq!(low_of(key_of(low)), low);
            assert!(low == 0 || key_of(low - 1) < key_of(low));
        }
        assert_eq!(key_of(u16::MAX), UNUSED);
    }

    #[test]
    fn keys_below_are_counted_and_unused_ones_never() {
        for used in 0..=32_u16 {
            let mut line = Line::EMPTY;
            let keys = line.0.as_flattened_mut();
            (0..used).for_each(|at| keys[usize::from(at)] = key_of(at * 2000));
            for low in (0..=65_000).step_by(500).chain([u16::MAX]) {
                let below = used.min(low.div_ceil(2000));
                let first = below.min(16);
                assert_eq!(line.below(key_of(low)), usize::from(below));
                assert_eq!(line.odd_below(key_of(low)), [first % 2 == 1, (below - first) % 2 == 1]);
            }
        }
        assert_eq!(Line::EMPTY.below(UNUSED), 0);
    }
}
