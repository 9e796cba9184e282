//! All that a sliding window decides by, in one word.
//!
//! | bits, from the top | content |
//! |---|---|
//! | all that are left, at least 3 | *turn*: how often the clock was set back, modulo what fits |
//! | enough for the last slot of all time | *slot*: the newest one |
//! | 1 | *closing*: nothing more is counted in the slot |
//! | enough for the limit | *units*: those that count in the slot; in a record, those of the slot alone |
//!
//! A slot's number never wraps, so a word never reads as one from another age. Records of closed
//! slots have the same layout, with *closing* set; a record of zero is none.
//!
//! Invariant: **I1** unpacking gives what was packed, for all units up to the limit and all slots.

/// Where the fields of a [`Word`] lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    unit_bits: u32,
    slot_bits: u32,
}

/// An unpacked word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) turn: u64,
    pub(super) slot: u64,
    pub(super) closing: bool,
    pub(super) units: u32,
}

impl Layout {
    /// A layout for up to `limit` units and slots up to `last_slot`, which must leave four bits.
    pub(super) fn new(limit: u32, last_slot: u64) -> Self {
        let bits = |leading: u32, of: u32| of.saturating_sub(leading);
        Self {
            unit_bits: bits(limit.leading_zeros(), u32::BITS),
            slot_bits: bits(last_slot.leading_zeros(), u64::BITS),
        }
    }

    #[inline]
    pub(super) fn pack(&self, word: Word) -> u64 {
        let slot_and_turn = word.turn.wrapping_shl(self.slot_bits) | word.slot;
        let upper = slot_and_turn.wrapping_shl(1) | u64::from(word.closing);
        upper.wrapping_shl(self.unit_bits) | u64::from(word.units)
    }

    #[inline]
    pub(super) fn unpack(&self, word: u64) -> Word {
        let upper = word.wrapping_shr(self.unit_bits);
        let slot_and_turn = upper.wrapping_shr(1);
        Word {
            turn: slot_and_turn.wrapping_shr(self.slot_bits),
            slot: slot_and_turn & ones(self.slot_bits),
            closing: upper & 1 != 0,
            // The mask leaves 32 bits at most.
            units: u32::try_from(word & ones(self.unit_bits)).unwrap_or(u32::MAX),
        }
    }

    /// The turn after this one.
    pub(super) fn turn_after(&self, turn: u64) -> u64 {
        let others = self.unit_bits.saturating_add(self.slot_bits).saturating_add(1);
        turn.wrapping_add(1) & ones(u64::BITS.saturating_sub(others))
    }
}

/// A mask of so many ones, up to 63.
#[inline]
fn ones(many: u32) -> u64 {
    1_u64.wrapping_shl(many).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use proptest::prelude::*;

    use super::{Layout, Word};
    use crate::{limit::window::frame::Frame, quota::tests::edgy_u32};

    proptest! {
        #![proptest_config(crate::test_support::cases(1_000))]

        /// I1, for every window that can be built.
        #[test]
        fn words_come_back(
            limit in edgy_u32(),
            spare in prop_oneof![0..4_u64, any::<u64>()],
            (turn, slot, units) in (any::<u64>(), any::<u64>(), any::<u32>()),
            closing in any::<bool>(),
        ) {
            let least = 32 * u64::from(limit.max(1));
            let window = Duration::from_nanos(least.saturating_add(spare));
            let Ok(frame) = Frame::new(limit, window, 1) else { return Ok(()) };
            let layout = Layout::new(limit, frame.last_slot());
            let turn = layout.turn_after(turn);
            let slot = if slot % 3 == 0 { frame.last_slot() } else { slot % (frame.last_slot() + 1) };
            let units = if units % 3 == 0 { limit } else { units.min(limit) };
            let word = Word { turn, slot, closing, units };
            prop_assert_eq!(layout.unpack(layout.pack(word)), word);
            let turns = (0..8).map(|turn| layout.turn_after(turn));
            prop_assert!(turns.eq(1..9) || turns_of_three_bits(&layout), "at least three bits");
        }
    }

    fn turns_of_three_bits(layout: &Layout) -> bool {
        (0..8).map(|turn| layout.turn_after(turn)).eq((1..8).chain([0]))
    }
}
