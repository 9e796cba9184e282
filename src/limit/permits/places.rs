//! Places without permits: whoever takes one notes where it is, and gives it back there.
//!
//! A permit is 32 bytes and a reference count. Whoever takes places in several limits at once, and has a way
//! to the limits anyway, keeps eight bytes for each instead.
//!
//! # Invariants
//! - **I1** the invariants of [permits](super) hold if every [`Place`] that was taken is given back once, with
//!   the units that it was taken with.

use ahash::RandomState;

use super::{
    Pool,
    table::{Outcome, Place, Table},
};

/// Limits of units in use: one for everything, or one for each key.
pub(crate) enum Places {
    All(Pool),
    Each(Table),
}

impl Places {
    /// One limit for everything; its keys are all the same.
    pub(crate) fn all(limit: u32) -> Self {
        Self::All(Pool::new(limit))
    }

    /// A limit for each of up to so many keys at a time, by their hashes; `None` if the memory cannot be had.
    pub(crate) fn each(limit: u32, keys: usize, hasher: RandomState) -> Option<Self> {
        Table::try_new(limit, keys, hasher).map(Self::Each)
    }

    /// Whose hashes keys are; `None` if there are no keys.
    #[inline]
    pub(crate) fn hasher(&self) -> Option<&RandomState> {
        match self {
            Self::All(_) => None,
            Self::Each(table) => Some(table.hasher()),
        }
    }

    /// Takes so many units of the key's, or none of them.
    #[must_use]
    pub(crate) fn take(&self, hash: u64, units: u32) -> Outcome {
        match self {
            Self::All(pool) => of_pool(pool.take(units), units),
            Self::Each(table) => table.take_hash(hash, units),
        }
    }

    /// What [`take`](Self::take) would answer; a place in the answer means nothing.
    pub(crate) fn peek(&self, hash: u64, units: u32) -> Outcome {
        match self {
            Self::All(pool) => of_pool(pool.in_use().and(units).is_some(), units),
            Self::Each(table) => table.peek_hash(hash, units),
        }
    }

    /// Gives back what was taken there.
    pub(crate) fn give_back(&self, place: Place, units: u32) {
        match self {
            Self::All(pool) => pool.give_back(units),
            Self::Each(table) => table.give_back(place, units),
        }
    }

    /// How many units the key has in use.
    pub(crate) fn in_use(&self, hash: u64) -> u32 {
        match self {
            Self::All(pool) => pool.in_use().units,
            Self::Each(table) => table.in_use_hash(hash),
        }
    }

    /// The keys that have something in use, and how many there is room for; `None` if all count together.
    pub(crate) fn keys(&self) -> Option<[usize; 2]> {
        match self {
            Self::All(_) => None,
            Self::Each(table) => Some([table.len(), table.capacity()]),
        }
    }

    /// How often a key found no place.
    pub(crate) fn times_unseated(&self) -> u64 {
        match self {
            Self::All(_) => 0,
            Self::Each(table) => table.times_unseated(),
        }
    }

    pub(crate) fn limit(&self) -> u32 {
        match self {
            Self::All(pool) => pool.limit(),
            Self::Each(table) => table.limit(),
        }
    }

    /// Changes the limit, at once; what is taken stays taken.
    pub(crate) fn set_limit(&self, limit: u32) {
        match self {
            Self::All(pool) => pool.set_limit(limit),
            Self::Each(table) => table.set_limit(limit),
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Self::All(_) => size_of::<Pool>(),
            Self::Each(table) => table.memory_bytes(),
        }
    }
}

fn of_pool(is_granted: bool, units: u32) -> Outcome {
    match (is_granted, units) {
        (false, _) => Outcome::Refused,
        (true, 0) => Outcome::Nothing,
        (true, _) => Outcome::Taken(Place::default()),
    }
}

/// How many there can be; of the keys there is nothing to show.
impl core::fmt::Debug for Places {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Places").field("limit", &self.limit()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::vec::Vec;

    use ahash::RandomState;
    use proptest::prelude::*;

    use super::{Outcome, Place, Places};

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Take(u64, u32),
        GiveBack(usize),
        SetLimit(u32),
    }

    fn any_op() -> impl Strategy<Value = Op> {
        prop_oneof![
            6 => (0..12_u64, 0..3_u32).prop_map(|(key, units)| Op::Take(key, units)),
            4 => any::<usize>().prop_map(Op::GiveBack),
            1 => (0..5_u32).prop_map(Op::SetLimit),
        ]
    }

    proptest! {
        #![proptest_config(crate::test_support::cases(1_000))]

        /// I1, and a look says what the next taking says. Eight keys have a seat, and twelve may want one.
        #[test]
        fn what_is_taken_is_in_use_until_it_is_given_back(
            has_keys in any::<bool>(),
            mut limit in 0..5_u32,
            ops in prop::collection::vec(any_op(), 0..80),
        ) {
            let places = if has_keys { Places::each(limit, 8, RandomState::new()).unwrap() } else { Places::all(limit) };
            let mut out: Vec<(u64, u32, u64)> = Vec::new();
            for op in ops {
                match op {
                    Op::Take(key, units) => {
                        let key = if has_keys { key } else { 0 };
                        let of_key = |out: &Vec<(u64, u32, u64)>| -> u32 {
                            out.iter().filter(|it| it.0 == key).map(|it| it.1).sum()
                        };
                        let held = of_key(&out);
                        let mut keys: Vec<u64> = out.iter().map(|it| it.0).collect();
                        keys.sort_unstable();
                        keys.dedup();
                        let is_full = has_keys && held == 0 && keys.len() == 8;
                        let expected = if limit == 0 || units > limit.saturating_sub(held) {
                            Outcome::Refused
                        } else if units == 0 {
                            Outcome::Nothing
                        } else if is_full {
                            Outcome::Unseated
                        } else {
                            Outcome::Taken(Place::default())
                        };
                        prop_assert_eq!(places.peek(key, units), expected);
                        let outcome = places.take(key, units);
                        if let Outcome::Taken(place) = outcome {
                            prop_assert_eq!(expected, Outcome::Taken(Place::default()));
                            prop_assert_eq!(Place::of_word(place.to_word()), place);
                            out.push((key, units, place.to_word()));
                        } else {
                            prop_assert_eq!(outcome, expected);
                        }
                        prop_assert_eq!(places.in_use(key), of_key(&out));
                    }
                    Op::GiveBack(_) if out.is_empty() => {}
                    Op::GiveBack(which) => {
                        let (_, units, word) = out.swap_remove(which % out.len());
                        places.give_back(Place::of_word(word), units);
                    }
                    Op::SetLimit(new) => {
                        places.set_limit(new);
                        limit = new;
                        prop_assert_eq!(places.limit(), new);
                    }
                }
            }
        }
    }

    #[test]
    fn keys_without_a_place_are_counted_where_there_are_keys() {
        let (all, each) = (Places::all(1), Places::each(1, 1, RandomState::new()).unwrap());
        for places in [&all, &each] {
            assert_eq!(places.times_unseated(), 0);
            assert!(matches!(places.take(1, 1), Outcome::Taken(_)));
        }
        assert_eq!((all.take(2, 1), each.take(2, 1)), (Outcome::Refused, Outcome::Unseated));
        assert_eq!((all.times_unseated(), each.times_unseated()), (0, 1));
        assert_eq!((all.keys(), each.keys()), (None, Some([1, 1])));
    }

    #[test]
    fn memory_is_a_word_or_that_of_the_keys() {
        assert_eq!(Places::all(1).memory_bytes(), 8);
        let each = |keys| Places::each(1, keys, RandomState::new()).unwrap().memory_bytes();
        // A seat is 16 bytes, and one of 256 entries of the index is 8.
        assert_eq!(each(128) - each(64), 64 * 16 + 128 * 8);
    }

    /// More than there is of it is no panic.
    #[test]
    fn memory_that_cannot_be_had_is_told() {
        assert!(Places::each(1, 1 << 60, RandomState::new()).is_none());
    }
}
