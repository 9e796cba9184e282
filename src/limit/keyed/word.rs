//! One way of a set: a bucket and whose it is, in one word.
//!
//! | bits | content |
//! |---|---|
//! | 63..23 | the tick at which the bucket is full, modulo 2⁴¹ |
//! | 22 | established: the key came back after its bucket had filled again |
//! | 21 | live: the bucket can be charged |
//! | 20..0 | fingerprint of the key; 0 in a tombstone |
//!
//! The time is on top, so that it wraps by itself and a charge is one addition.
//!
//! | live | fingerprint | state | what it means |
//! |---|---|---|---|
//! | 0 | 0 | empty | never used; the whole word is 0 |
//! | 1 | not 0 | live | a bucket |
//! | 0 | not 0 | closed | what a key owes that is to move elsewhere: read, never charged |
//! | 1 | 0 | tombstone | nobody's; the time is only kept so that it never goes back |

/// A way, as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

/// A key's mark in a word: 1 to 2²¹ − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

const SHIFT: u32 = 23;
const ESTABLISHED: u64 = 1 << 22;
const LIVE: u64 = 1 << 21;
const FINGERPRINT: u64 = LIVE - 1;
/// The range of a word's time, in ticks.
pub(super) const RANGE: u64 = 1 << 41;

impl Fingerprint {
    /// From any bits of a hash.
    #[inline]
    pub(super) const fn of(bits: u64) -> Self {
        let bits = bits & FINGERPRINT;
        // 1 is twice as likely as the others.
        Self(if bits == 0 { 1 } else { bits })
    }

    /// As a number, and back: for what is written down.
    #[cfg(feature = "serde")]
    pub(super) const fn number(self) -> u64 {
        self.0
    }

    #[cfg(feature = "serde")]
    pub(super) const fn from_number(number: u64) -> Option<Self> {
        if number == 0 || number > FINGERPRINT { None } else { Some(Self(number)) }
    }

    /// What a hint says of it.
    #[inline]
    pub(super) const fn hint(self) -> u8 {
        self.0.to_le_bytes()[0]
    }
}

impl Word {
    pub(super) const EMPTY: Self = Self(0);

    /// A bucket that is full at this tick.
    #[inline]
    pub(super) const fn live(full_at: u64, fingerprint: Fingerprint, established: bool) -> Self {
        let established = if established { ESTABLISHED } else { 0 };
        Self(full_at.wrapping_shl(SHIFT) | established | LIVE | fingerprint.0)
    }

    pub(super) const fn tombstone(at: u64) -> Self {
        Self(at.wrapping_shl(SHIFT) | LIVE)
    }

    /// This bucket, full at this tick.
    #[inline]
    pub(super) const fn full_at(self, at: u64) -> Self {
        Self(at.wrapping_shl(SHIFT) | self.0 & (ESTABLISHED | LIVE | FINGERPRINT))
    }

    /// What this bucket owes, for its key to find; not established, so that it is reused soon.
    pub(super) const fn closed(self, full_at: u64) -> Self {
        Self(full_at.wrapping_shl(SHIFT) | self.0 & FINGERPRINT)
    }

    /// This bucket, established or not.
    #[inline]
    pub(super) const fn established(self, established: bool) -> Self {
        let without = self.0 & !ESTABLISHED;
        Self(if established { without | ESTABLISHED } else { without })
    }

    /// The time of this, and nobody's.
    pub(super) const fn buried(self) -> Self {
        Self(self.0 & !(ESTABLISHED | FINGERPRINT) | LIVE)
    }

    #[inline]
    pub(super) const fn is_live_of(self, fingerprint: Fingerprint) -> bool {
        self.0 & (LIVE | FINGERPRINT) == LIVE | fingerprint.0
    }

    pub(super) const fn is_closed_of(self, fingerprint: Fingerprint) -> bool {
        self.0 & (LIVE | FINGERPRINT) == fingerprint.0
    }

    /// Whether some key's bucket is here.
    #[inline]
    pub(super) const fn is_live(self) -> bool {
        self.0 & LIVE != 0 && self.0 & FINGERPRINT != 0
    }

    #[inline]
    pub(super) const fn is_established(self) -> bool {
        self.0 & ESTABLISHED != 0
    }

    /// 1 if it is not established, else 0.
    #[inline]
    pub(super) const fn newcomer(self) -> u8 {
        let [_, _, flags, ..] = self.0.to_le_bytes();
        (flags >> 6 & 1) ^ 1
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whose this is, if it is live or closed.
    pub(super) const fn fingerprint(self) -> Fingerprint {
        Fingerprint(self.0 & FINGERPRINT)
    }

    /// How far after `at` the bucket is full; negative if it was before. Right for distances below
    /// half of [`RANGE`].
    #[inline]
    pub(super) const fn debt(self, at: u64) -> i64 {
        // The low bits of the difference are this word's flags, which the shift drops.
        (self.0.wrapping_sub(at.wrapping_shl(SHIFT)) as i64) >> SHIFT
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Fingerprint, RANGE, Word};

    proptest! {
        #![proptest_config(crate::test_support::cases(256))]

        #[test]
        fn parts_do_not_touch_each_other(
            at in any::<u64>(),
            ahead in -(1_i64 << 40)..(1 << 40),
            bits in any::<u64>(),
            established in any::<bool>(),
        ) {
            let key = Fingerprint::of(bits);
            let full_at = at.wrapping_add_signed(ahead);
            let word = Word::live(full_at, key, established);
            prop_assert_eq!(word.debt(at), ahead);
            prop_assert_eq!(word.debt(at.wrapping_add(RANGE)), ahead);
            prop_assert!(word.is_live() && word.is_live_of(key) && !word.is_closed_of(key));
            prop_assert_eq!(word.is_established(), established);
            for to in [false, true] {
                prop_assert_eq!(word.established(to), Word::live(full_at, key, to));
            }
            prop_assert_eq!(word.buried(), Word::tombstone(full_at));
            prop_assert_eq!(word.full_at(at), Word::live(at, key, established));
            let closed = word.closed(full_at);
            prop_assert!(closed.is_closed_of(key) && !closed.is_live());
            prop_assert_eq!((closed.debt(at), closed.is_established()), (ahead, false));
            let tombstone = Word::tombstone(full_at);
            prop_assert_eq!(tombstone.debt(at), ahead);
            prop_assert!(!tombstone.is_live() && !tombstone.is_empty());
            prop_assert!(!tombstone.is_live_of(key) && !tombstone.is_closed_of(key));
            prop_assert_eq!(word.fingerprint(), key);
        }
    }
}
