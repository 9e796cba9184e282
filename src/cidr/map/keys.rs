//! What a list of prefixes is sorted by.

use super::super::addr::Bits;

/// The keys of a list: an address, or the part of it that counts.
pub(super) trait Key: Bits {
    /// A prefix in the order of a list.
    type Place: Copy + Ord;

    fn place(self, len: u8) -> Self::Place;

    /// How many leading bits two keys share.
    fn shared(self, other: Self) -> u8;

    /// The 16 bits that come after the first `bits`.
    fn bits_after(self, bits: u8) -> u16;
}

macro_rules! key {
    ($($number:ty, $place:ty: $to_place:expr;)*) => {$(
        impl Key for $number {
            type Place = $place;

            #[inline]
            fn place(self, len: u8) -> $place {
                $to_place(self, len)
            }

            #[inline]
            fn shared(self, other: Self) -> u8 {
                u8::try_from((self ^ other).leading_zeros()).unwrap_or(Self::WIDTH)
            }

            #[inline]
            fn bits_after(self, bits: u8) -> u16 {
                let rest = self.checked_shl(bits.into()).unwrap_or(0);
                u16::try_from(rest >> (Self::BITS - 16)).unwrap_or(u16::MAX)
            }
        }
    )*};
}

key! {
    u32, u64: |key: u32, len: u8| u64::from(key) << 8 | u64::from(len);
    u64, (u64, u8): |key, len| (key, len);
    u128, (u128, u8): |key, len| (key, len);
}
