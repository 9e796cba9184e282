//! Where stores get the secrets from that they hash keys with: from chance, or from a number.
//!
//! A store is safe because nobody can foresee where it puts a key. So each one has secrets of its own, from chance. A test, a
//! simulation and the replay of a log want the opposite: the same in every run. Both are asked for here, so that
//! nothing that decides about requests has a chance that a [`Seeds`] does not know of.
//!
//! # What "the same" means
//! Numbers are the same everywhere. Hashes are those of `ahash` with fixed keys, which are the same in every process of one build;
//! a build for a processor with other instructions has others. (Not `RandomState::with_seed`: that mixes in
//! what is different in each process.)
//!
//! # Invariants
//! - **I1** from chance: what was handed out says nothing of what will be, and differs in every process;
//! - **I2** from a number: the same calls in the same order bring the same, in every process;
//! - **I3** either way no two stores get the same.

use ahash::RandomState;

/// Hands out secrets, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Seeds(
    /// The state of the series; `None` if they are from chance.
    Option<u64>,
);

impl Seeds {
    /// What nobody can foresee.
    pub(crate) const fn of_chance() -> Self {
        Self(None)
    }

    /// What follows from this number, if there is one; chance, if not.
    pub(crate) const fn following(number: Option<u64>) -> Self {
        Self(number)
    }

    /// Whether all follows from a number.
    pub(crate) const fn are_fixed(&self) -> bool {
        self.0.is_some()
    }

    /// A hash that no other store has.
    pub(crate) fn hasher(&mut self) -> RandomState {
        match &mut self.0 {
            None => RandomState::new(),
            Some(state) => {
                let [a, b, c, d] = core::array::from_fn(|_| next_random(state));
                RandomState::with_seeds(a, b, c, d)
            }
        }
    }

    /// So many numbers.
    pub(crate) fn numbers<const N: usize>(&mut self) -> [u64; N] {
        match &mut self.0 {
            None => {
                let source = RandomState::new();
                core::array::from_fn(|at| source.hash_one(at))
            }
            Some(state) => core::array::from_fn(|_| next_random(state)),
        }
    }

    /// One number.
    pub(crate) fn number(&mut self) -> u64 {
        let [number] = self.numbers();
        number
    }
}

/// The next of a series of numbers without a pattern (splitmix64: Steele, Lea, Flood, OOPSLA 2014).
pub(crate) fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::hash::{BuildHasher, Hasher};
    use std::collections::HashSet;

    use ahash::RandomState;

    use super::Seeds;

    fn hash(hasher: &RandomState) -> u64 {
        // Not `hash_one`, which some compilers have a shorter way for.
        let mut hasher = hasher.build_hasher();
        hasher.write_u64(7);
        hasher.finish()
    }

    /// I2: numbers are those that the authors of the generator give for the seed 0, in every build.
    #[test]
    fn numbers_of_a_seed_are_the_same_everywhere() {
        let mut seeds = Seeds::following(Some(0));
        assert_eq!(seeds.numbers(), [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        assert_eq!(seeds.number(), 0x06c4_5d18_8009_454f);
        assert!(seeds.are_fixed());
    }

    /// I2: a hash is a function of the seed alone. Nothing of the process is mixed in, or this would be another one
    /// in each run.
    #[test]
    fn a_hash_of_a_seed_is_the_same_in_every_process() {
        let of = |seed| hash(&Seeds::following(Some(seed)).hasher());
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        #[cfg(all(target_arch = "x86_64", not(target_feature = "aes")))]
        assert_eq!(of(1), PINNED);
    }

    #[cfg(all(target_arch = "x86_64", not(target_feature = "aes")))]
    const PINNED: u64 = 17_392_473_398_865_708_500;

    /// I1 and I3.
    #[test]
    fn no_two_are_the_same() {
        for number in [None, Some(0), Some(u64::MAX)] {
            let mut seeds = Seeds::following(number);
            assert_eq!(seeds.are_fixed(), number.is_some());
            let mut all = HashSet::new();
            for _ in 0..1_000 {
                assert!(all.insert(seeds.number()));
                assert!(all.insert(hash(&seeds.hasher())));
                assert!(seeds.numbers::<3>().into_iter().all(|number| all.insert(number)));
            }
        }
        // By chance once in 2^64.
        assert_ne!(Seeds::of_chance().number(), Seeds::of_chance().number());
    }
}
