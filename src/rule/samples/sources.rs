//! Where random choices come from: bytes, or a number.

/// Where random choices come from.
pub trait Source {
    /// A number from 0 to before `n`; 0 if `n` is 0.
    fn below(&mut self, n: u32) -> u32;

    /// Whether a chance of one in `n` came true.
    fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == n.wrapping_sub(1)
    }

    /// Any 64 bits.
    fn bits(&mut self) -> u64 {
        (0..4).fold(0, |bits, _| bits << 16 | u64::from(self.below(1 << 16)))
    }
}

/// Choices that follow from bytes.
#[derive(Debug)]
pub struct Entropy<'a>(&'a [u8]);

impl<'a> Entropy<'a> {
    /// Choices that follow from these bytes, and zeros after them.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl Source for Entropy<'_> {
    fn below(&mut self, n: u32) -> u32 {
        // One byte is enough for nearly all choices, and keeps small changes of the bytes small.
        let takes = if n > 1 << 8 { 3 } else { 1 };
        let mut drawn = 0;
        for _ in 0..takes {
            let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
            self.0 = rest;
            drawn = drawn << 8 | u32::from(*first);
        }
        drawn.checked_rem(n).unwrap_or(0)
    }
}

/// Choices that follow from a number: every number gives others.
#[derive(Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// Choices that follow from this number.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Source for Seeded {
    fn below(&mut self, n: u32) -> u32 {
        // splitmix64: a counter, mixed.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        u32::try_from(((mixed >> 32) * u64::from(n)) >> 32).unwrap_or(0)
    }
}
