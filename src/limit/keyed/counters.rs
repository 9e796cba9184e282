//! What a store counts while it works, spread over cache lines by the hash of the key.

use crate::sync::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Counters([Stripe; STRIPES]);

#[derive(Debug)]
#[repr(align(64))]
struct Stripe {
    reclaimed: AtomicU64,
    unseated: AtomicU64,
}

const STRIPES: usize = 4;

impl Counters {
    pub(super) fn new() -> Self {
        Self(core::array::from_fn(|_| Stripe {
            reclaimed: AtomicU64::new(0),
            unseated: AtomicU64::new(0),
        }))
    }

    /// A way was taken from a key whose bucket was full.
    #[inline]
    pub(super) fn reclaimed(&self, hash: u64) {
        // Relaxed, here and below: counts order nothing.
        self.stripe(hash).reclaimed.fetch_add(1, Ordering::Relaxed);
    }

    /// There was no way for a key.
    #[inline]
    pub(super) fn unseated(&self, hash: u64) {
        self.stripe(hash).unseated.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn times_reclaimed(&self) -> u64 {
        self.sum(|stripe| &stripe.reclaimed)
    }

    pub(super) fn times_unseated(&self) -> u64 {
        self.sum(|stripe| &stripe.unseated)
    }

    fn sum(&self, of: impl Fn(&Stripe) -> &AtomicU64) -> u64 {
        self.0.iter().fold(0, |sum, stripe| sum.wrapping_add(of(stripe).load(Ordering::Relaxed)))
    }

    #[inline]
    fn stripe(&self, hash: u64) -> &Stripe {
        let [a, b, c, d] = &self.0;
        match hash % 4 {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{collections::BTreeSet, ptr};

    use super::{Counters, STRIPES};

    #[test]
    fn keys_are_counted_on_four_cache_lines_and_summed_up() {
        let counters = Counters::new();
        let lines: BTreeSet<_> = (8..12).map(|hash| ptr::from_ref(counters.stripe(hash))).collect();
        assert_eq!(lines.len(), STRIPES);
        (0..10).for_each(|hash| counters.reclaimed(hash));
        (0..7).for_each(|hash| counters.unseated(hash));
        assert_eq!((counters.times_reclaimed(), counters.times_unseated()), (10, 7));
    }
}
