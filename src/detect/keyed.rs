//! A hash that is the same in every process that has its key.
//!
//! What is hashed with it is kept in snapshots, which another process reads; the hash of the limits'
//! stores may differ between machines. It is for estimates: whoever finds two values with one hash makes an
//! estimate worse, and to find them one needs the key.

use crate::limit::seeds::Seeds;

/// The key of all hashes of one detector.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyedHash {
    pub(crate) key: [u64; 2],
}

impl KeyedHash {
    /// With a key that nobody can guess who cannot guess the seeds.
    pub(crate) fn new(seeds: &mut Seeds) -> Self {
        Self { key: seeds.numbers() }
    }

    /// With this key.
    pub(crate) const fn with_key(key: [u64; 2]) -> Self {
        Self { key }
    }

    /// The hash of a number; never 0.
    #[inline]
    pub(crate) fn of_number(&self, number: u64) -> u64 {
        let [first, second] = self.key;
        let mixed = fold(number ^ first, second | 1) ^ second;
        fold(mixed ^ number.rotate_left(32), FACTOR) | 1
    }

    /// The hash of a text; never 0.
    #[inline]
    pub(crate) fn of_bytes(&self, bytes: &[u8]) -> u64 {
        let [first, second] = self.key;
        let mut hash = first ^ second.rotate_left(32) ^ bytes.len() as u64;
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let word = chunk.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
            hash = fold(hash ^ word, second | 1).rotate_left(23) ^ word;
        }
        let mut last = [0_u8; 8];
        for (to, from) in last.iter_mut().zip(chunks.remainder()) {
            *to = *from;
        }
        fold(fold(hash ^ u64::from_le_bytes(last), second | 1) ^ first, FACTOR) | 1
    }
}

/// An odd number without a pattern.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Both halves of the product.
#[inline]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one).wrapping_mul(u128::from(other));
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let folded = (product >> 64) as u64 ^ product as u64;
    folded
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{KeyedHash, Seeds};

    #[test]
    fn values_differ_and_keys_matter() {
        let (one, other) = (KeyedHash::with_key([1, 2]), KeyedHash::with_key([1, 3]));
        let numbers: HashSet<u64> = (0..100_000).map(|n| one.of_number(n)).collect();
        assert!(numbers.len() > 99_990);
        let text = |n: u32| std::format!("/path/{n}");
        let texts: HashSet<u64> = (0..100_000).map(|n| one.of_bytes(text(n).as_bytes())).collect();
        assert!(texts.len() > 99_990);
        assert_ne!(one.of_number(7), other.of_number(7));
        assert_ne!(one.of_bytes(b"abc"), other.of_bytes(b"abc"));
        assert_ne!(one.of_bytes(b""), 0);
        let new = || KeyedHash::new(&mut Seeds::of_chance());
        assert_ne!(new().key, new().key);
    }

    /// Bits of every place are set in half of the hashes: sketches take them from anywhere.
    #[test]
    fn every_bit_is_as_often_set_as_not() {
        let hash = KeyedHash::with_key([0x1234, 0x5678]);
        let mut set = [0_u32; 64];
        for n in 0..4_096_u64 {
            let (number, text) = (hash.of_number(n << 8), hash.of_bytes(&n.to_le_bytes()));
            for (bit, set) in set.iter_mut().enumerate().skip(1) {
                *set += (number >> bit & 1) as u32 + (text >> bit & 1) as u32;
            }
        }
        assert!(set.iter().skip(1).all(|set| (3_800..4_400).contains(set)), "{set:?}");
    }
}
