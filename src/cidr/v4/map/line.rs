//! One cache line of an index, read in one of two ways.
//!
//! As **borders**, it cuts 256 units (the /24s of a /16, or the addresses of a /24) into runs:
//!
//! ```text
//! word    31 ...            0     a word for every 8 units
//!         +-------+-------+
//!         |15    8|7     0|
//!         +-------+-------+
//!          |       `-------- bit u: a run starts at unit u of the 8; never set for unit 0 of 256
//!          `---------------- how many bits are set in the words before
//! ```
//!
//! As **ends**, it has up to 32 inclusive ends within a /16, ascending, each with its top bit turned
//! over, so that signed comparison orders them. The rest is filled with the last address, which is no
//! end: whatever follows the last end needs none.
//!
//! Invariants, each with a test that cites it:
//! - **I1** the rank of a unit is the number of borders at or below it, at most 255;
//! - **I2** the place of an address is the number of ends below it, at most 32.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub(super) struct Line([u16; 32]);

impl Line {
    /// The most ends that fit.
    pub(super) const ENDS: usize = 32;
    /// Borders, of which there are none.
    pub(super) const WHOLE: Self = Self([0; 32]);

    /// A line of borders, each the first unit of a run, ascending; unit 0 is none.
    pub(super) fn of_borders(borders: impl Iterator<Item = u8>) -> Self {
        let mut line = Self::WHOLE;
        for unit in borders {
            line.0.get_mut(word_of(unit)).into_iter().for_each(|word| *word |= bit_of(unit));
        }
        let mut before = 0_u16;
        for word in &mut line.0 {
            let [here, _] = word.to_le_bytes();
            *word |= before << 8;
            before = before.wrapping_add(ones(here).into());
        }
        line
    }

    /// A line of ends, of which no more than [`ENDS`](Self::ENDS) are taken.
    pub(super) fn of_ends(ends: impl Iterator<Item = u16>) -> Self {
        let mut line = Self([turned(u16::MAX); 32]);
        line.0.iter_mut().zip(ends).for_each(|(word, end)| *word = turned(end));
        line
    }

    /// The number of borders at or below a unit.
    #[inline]
    pub(super) fn rank(&self, unit: u8) -> u32 {
        // The bits of the unit and of those before it, moved to the top of the byte.
        let [borders, before] = self.word(unit).to_le_bytes();
        let up_to = borders.wrapping_shl(u32::from(!unit & 7));
        u32::from(before).wrapping_add(ones(up_to).into())
    }

    /// The border at or below a unit, or the first unit.
    pub(super) fn border(&self, unit: u8) -> u8 {
        let mut up_to = u8::MAX.wrapping_shr(u32::from(!unit & 7));
        for start in (0..=unit >> 3).rev() {
            let bits = self.bits(start) & up_to;
            if let Some(highest) = bits.checked_ilog2() {
                return unit_of(start, highest);
            }
            up_to = u8::MAX;
        }
        0
    }

    /// The first border above a unit.
    pub(super) fn next_border(&self, unit: u8) -> Option<u8> {
        let mut above = u8::MAX.wrapping_shl(u32::from(unit & 7)) << 1;
        for start in unit >> 3..32 {
            let bits = self.bits(start) & above;
            if bits != 0 {
                return Some(unit_of(start, bits.trailing_zeros()));
            }
            above = u8::MAX;
        }
        None
    }

    /// The borders of the 8 units of a word.
    fn bits(&self, word: u8) -> u8 {
        self.word(word << 3).to_le_bytes()[0]
    }

    #[inline]
    #[allow(clippy::indexing_slicing, reason = "5 bits for 32 words")]
    fn word(&self, unit: u8) -> u16 {
        self.0[word_of(unit)]
    }

    /// The number of ends below an address.
    #[inline]
    pub(super) fn place(&self, low: u16) -> u32 {
        let low = signed(turned(low));
        // -1 for each end below: the difference saturates instead of losing its sign.
        let below = self.0.iter().map(|end| signed(*end).saturating_sub(low) >> 15);
        let [low, _] = below.fold(0_i16, i16::wrapping_add).wrapping_neg().to_le_bytes();
        low.into()
    }

    /// The end at a place, and the last address where there is none.
    pub(super) fn end(&self, place: u32) -> u16 {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        self.0.get(place).map_or(u16::MAX, |end| turned(*end))
    }

    /// The address after the end before a place.
    pub(super) fn start(&self, place: u32) -> u16 {
        place.checked_sub(1).map_or(0, |before| self.end(before).wrapping_add(1))
    }
}

#[inline]
fn word_of(unit: u8) -> usize {
    usize::from(unit >> 3)
}

fn unit_of(word: u8, bit: u32) -> u8 {
    word << 3 | u8::try_from(bit).unwrap_or(0)
}

fn bit_of(unit: u8) -> u16 {
    1 << (unit & 7)
}

#[inline]
fn turned(low: u16) -> u16 {
    low ^ 0x8000
}

#[inline]
fn signed(word: u16) -> i16 {
    i16::from_ne_bytes(word.to_ne_bytes())
}

#[inline]
#[allow(clippy::indexing_slicing, reason = "8 bits for 256 places")]
fn ones(byte: u8) -> u8 {
    ONES[usize::from(byte)]
}

/// The number of ones in each byte. The default x86-64 target has no instruction for it, and a
/// look-up in four cache lines is shorter than the arithmetic in its place.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static ONES: [u8; 256] = {
    let mut ones = [0_u8; 256];
    let mut byte = 1;
    while byte < 256 {
        // One bit after the other is taken away, up to the last.
        let mut rest = byte;
        while rest != 0 {
            ones[byte] += 1;
            rest &= rest - 1;
        }
        byte += 1;
    }
    ones
};

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::test_support::cases;

    proptest! {
        #![proptest_config(cases(500))]

        /// I1
        #[test]
        fn a_rank_counts_borders(borders in prop::collection::btree_set(1..=u8::MAX, 0..=255)) {
            let line = Line::of_borders(borders.iter().copied());
            for unit in 0..=u8::MAX {
                let rank = borders.range(..=unit).count();
                prop_assert_eq!(line.rank(unit) as usize, rank);
                let border = borders.range(..=unit).next_back();
                prop_assert_eq!(line.border(unit), border.copied().unwrap_or(0));
                let next = borders.range(unit..).find(|border| **border > unit);
                prop_assert_eq!(line.next_border(unit), next.copied());
            }
        }

        /// I2
        #[test]
        fn a_place_counts_ends(
            ends in prop::collection::btree_set(
                prop_oneof![0..4_u16, 0x7ffd..0x8003_u16, 0xfff8..0xffff_u16, 0..0xffff_u16],
                0..=32,
            ),
        ) {
            let line = Line::of_ends(ends.iter().copied());
            let around = ends.iter().flat_map(|end| [end.saturating_sub(1), *end, end + 1]);
            for low in around.chain([0, u16::MAX]) {
                let place = ends.range(..low).count();
                prop_assert_eq!(line.place(low) as usize, place);
                let sorted: Vec<u16> = ends.iter().copied().collect();
                let end = sorted.get(place).copied().unwrap_or(u16::MAX);
                prop_assert_eq!(line.end(place as u32), end);
                let start = place.checked_sub(1).map_or(0, |before| sorted[before] + 1);
                prop_assert_eq!(line.start(place as u32), start);
            }
        }
    }
}
