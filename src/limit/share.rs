//! A part of all clients, and who belongs to it.
//!
//! A share is a whole number of millionths, so that both of its ends are exact. A hash has a rank among
//! a million, which never changes; a share takes in the ranks below it. So the clients of a small share
//! are clients of every larger one: whoever was let back in stays in while the share grows.
//!
//! # Invariants
//! - **I1** none takes in nobody, and all takes in everybody;
//! - **I2** a hash that a share takes in, every larger share takes in.

/// A part of all clients, in millionths.
///
/// # Guarantee
/// Who is taken in depends on the share and the hash alone, and a larger share takes in everybody
/// that a smaller one does. Of clients whose hashes are random, a share takes in its part as closely
/// as chance allows: ten percent of a million are 100,000, give or take a thousand.
///
/// # Example: ten percent, and later twenty
/// ```
/// use portcullis::Share;
/// use std::hash::{BuildHasher, RandomState};
///
/// let seed = RandomState::new();                 // one for the service, so that answers stay the same
/// let hash = seed.hash_one("192.0.2.1");
/// if Share::percent(10).takes_in(hash) {
///     assert!(Share::percent(20).takes_in(hash));
/// }
/// assert!(Share::ALL.takes_in(hash) && !Share::NONE.takes_in(hash));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    /// At most [`MILLION`].
    millionths: u32,
}

impl Share {
    /// Nobody.
    pub const NONE: Self = Self::per_million(0);
    /// Everybody.
    pub const ALL: Self = Self::per_million(MILLION);

    /// So many in a hundred; more than a hundred are all.
    #[must_use]
    pub const fn percent(percent: u32) -> Self {
        Self::per_million(percent.saturating_mul(MILLION / 100))
    }

    /// So many in a million; more than a million are all.
    #[must_use]
    pub const fn per_million(millionths: u32) -> Self {
        Self { millionths: if millionths < MILLION { millionths } else { MILLION } }
    }

    /// How many in a million, 0 to 1,000,000.
    #[must_use]
    pub const fn as_per_million(self) -> u32 {
        self.millionths
    }

    /// Whether the client with this hash belongs to the share.
    ///
    /// The hash of what a client sends is to be keyed with a secret seed, or clients can choose to
    /// belong. Plain numbers in a row do as well, where nobody chooses them: they are spread evenly.
    #[inline]
    #[must_use]
    pub const fn takes_in(self, hash: u64) -> bool {
        rank(hash) < self.millionths
    }
}

const MILLION: u32 = 1_000_000;

/// Where a hash stands among a million: below [`MILLION`].
///
/// An odd factor permutes the hashes, so random ones stay random; near the golden ratio of 2⁶⁴ it
/// spreads numbers that follow each other over the whole range.
#[inline]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "64 bits by 20 fit 128, and the shift leaves less than a million"
)]
const fn rank(hash: u64) -> u32 {
    let spread = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((spread as u128 * MILLION as u128) >> 64) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MILLION, Share};

    proptest! {
        #![proptest_config(crate::test_support::cases(2_000))]

        /// I1 and I2.
        #[test]
        fn a_larger_share_takes_in_whoever_a_smaller_one_does(
            hash in prop_oneof![any::<u64>(), 0..9_u64, Just(u64::MAX)],
            one in any::<u32>(),
            other in 0..=MILLION,
        ) {
            let (one, other) = (Share::per_million(one % 1_000_001), Share::per_million(other));
            let (small, large) = (one.min(other), one.max(other));
            prop_assert!(!small.takes_in(hash) || large.takes_in(hash));
            prop_assert!(Share::ALL.takes_in(hash));
            prop_assert!(!Share::NONE.takes_in(hash));
        }
    }

    #[test]
    fn percents_and_millionths_agree_and_end_at_all() {
        assert_eq!(Share::percent(10), Share::per_million(100_000));
        assert_eq!(Share::percent(100), Share::ALL);
        assert_eq!(Share::percent(u32::MAX), Share::ALL);
        assert_eq!(Share::per_million(u32::MAX).as_per_million(), MILLION);
        assert_eq!(Share::default(), Share::NONE);
    }

    /// A million clients, by hashes that are as good as random and by plain numbers.
    #[test]
    fn a_million_clients_are_divided_as_the_share_says() {
        // An odd step through all numbers, and the upper half of a square: chance enough.
        let random = |client: u64| {
            let seed = client.wrapping_mul(0xd129_42f0_2c9b_6a35) ^ 0x5851_f42d_4c95_7f2d;
            let wide = u128::from(seed).wrapping_mul(u128::from(seed) | 1);
            (wide >> 64) as u64 ^ wide as u64
        };
        let plain = |client: u64| client;
        let sparse = |client: u64| client << 32;
        let counts = |spread: &dyn Fn(u64) -> u64, clients: u32, percent: u32| {
            let share = Share::percent(percent);
            let taken = (0..u64::from(clients)).filter(|&it| share.takes_in(spread(it))).count();
            let part = f64::from(percent) / 100.0;
            let deviation = (f64::from(clients) * part * (1.0 - part)).sqrt();
            let off = taken as f64 - f64::from(clients) * part;
            assert!(off.abs() < 5.0 * deviation, "{percent} % of {clients}: {taken}");
        };
        counts(&random, 1_000_000, 10);
        for percent in [1, 50, 99] {
            counts(&random, 100_000, percent);
            counts(&plain, 100_000, percent);
            counts(&sparse, 100_000, percent);
        }
    }
}
