//! Streams of keys for tests.

use std::vec::Vec;

use super::next_random;
pub(super) use super::reference::{HASH, request};
use crate::test_support::rounds;

/// Tests of ten million keys are for release builds.
pub(super) const MANY: u64 =
    rounds(if cfg!(debug_assertions) { 200_000 } else { 10_000_000 }, 2_000);

/// Numbers between 0 and 1.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        next_random(&mut self.0) % end
    }

    pub(super) fn unit(&mut self) -> f64 {
        (next_random(&mut self.0) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Keys of which the `n`-th is drawn with a probability that is proportional to `1 / n^exponent`.
pub(super) struct Zipf {
    sums: Vec<f64>,
    random: Random,
}

impl Zipf {
    pub(super) fn new(keys: u32, exponent: f64, seed: u64) -> Self {
        let mut sum = 0.0;
        let sums = (1..=keys).map(|n| {
            sum += f64::from(n).powf(-exponent);
            sum
        });
        Self { sums: sums.collect(), random: Random(seed) }
    }

    /// The hash of the next key.
    pub(super) fn draw(&mut self) -> u64 {
        let at = self.random.unit() * self.sums.last().unwrap();
        HASH.of_number(self.sums.partition_point(|sum| *sum < at) as u64)
    }
}
