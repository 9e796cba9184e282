//! The prefixes of IPv6: two lists, told as one.
//!
//! Nearly all prefixes that people list have at most 64 bits, and need half an address each.

use alloc::vec::Vec;
use core::iter::Peekable;

use super::{
    super::runs::Mark,
    list::{Entries, Listed, Prefixes},
};

/// The list of IPv6 prefixes: those of at most 64 bits, and the longer ones.
#[derive(Clone)]
pub(super) struct Listed6 {
    short: Listed<u64>,
    long: Listed<u128>,
}

/// The longest prefix that the upper half of an address can tell.
const HALF: u8 = 64;

fn upper(addr: u128) -> u64 {
    u64::try_from(addr >> HALF).unwrap_or(u64::MAX)
}

impl Prefixes<u128> for Listed6 {
    const EMPTY: Self = Self { short: Listed::EMPTY, long: Listed::EMPTY };

    type Entries<'a> = Entries6<'a>;

    fn build(sorted: impl Iterator<Item = (u128, Mark)>) -> Self {
        let mut long = Vec::new();
        let short = Listed::build(sorted.filter_map(|(first, mark)| {
            if mark.len <= HALF {
                return Some((upper(first), mark));
            }
            long.push((first, mark));
            None
        }));
        Self { short, long: Listed::build(long.into_iter()) }
    }

    fn len(&self) -> usize {
        self.short.len.saturating_add(self.long.len)
    }

    fn tag(&self, first: u128, len: u8) -> u32 {
        if len <= HALF { self.short.tag(upper(first), len) } else { self.long.tag(first, len) }
    }

    fn insert(&mut self, first: u128, mark: Mark) -> u32 {
        if mark.len <= HALF {
            self.short.insert(upper(first), mark)
        } else {
            self.long.insert(first, mark)
        }
    }

    fn remove(&mut self, first: u128, len: u8) -> u32 {
        if len <= HALF {
            self.short.remove(upper(first), len)
        } else {
            self.long.remove(first, len)
        }
    }

    fn around(&self, addr: u128, len: u8) -> Option<Mark> {
        let long = self.long.around_from(HALF + 1, addr, len);
        long.or_else(|| self.short.around(upper(addr), len.min(HALF)))
    }

    fn entries_from(&self, first: u128, len: u8) -> Entries6<'_> {
        // A short prefix starts where the lower half is 0.
        let whole = u128::from(upper(first)) << HALF;
        let short = match upper(first).checked_add(1) {
            _ if whole == first => self.short.entries_from(upper(first), len),
            Some(next) => self.short.entries_from(next, 0),
            None => self.short.entries_from(u64::MAX, HALF + 1),
        };
        Entries6 { short: short.peekable(), long: self.long.entries_from(first, len).peekable() }
    }

    fn count(&self, first: u128, last: u128) -> usize {
        let whole = u128::from(upper(first)) << HALF;
        let from = if whole == first { Some(upper(first)) } else { upper(first).checked_add(1) };
        let short = from.filter(|from| *from <= upper(last));
        let short = short.map_or(0, |from| self.short.count(from, upper(last)));
        short.saturating_add(self.long.count(first, last))
    }

    fn heap_bytes(&self) -> usize {
        self.short.heap_bytes().saturating_add(self.long.heap_bytes())
    }
}

/// IPv6 prefixes in order.
#[derive(Clone)]
pub(super) struct Entries6<'a> {
    short: Peekable<Entries<'a, u64>>,
    long: Peekable<Entries<'a, u128>>,
}

impl Iterator for Entries6<'_> {
    type Item = (u128, Mark);

    fn next(&mut self) -> Option<(u128, Mark)> {
        let short = self.short.peek().map(|(half, mark)| (u128::from(*half) << HALF, *mark));
        match (short, self.long.peek()) {
            // Of two that start at one address, the short one is shorter.
            (Some(short), Some(long)) if short.0 > long.0 => self.long.next(),
            (None, _) => self.long.next(),
            (short, _) => {
                self.short.next();
                short
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{
        super::{
            super::addr::Bits,
            keys::Key,
            piece::{MOST, USUAL},
        },
        *,
    };
    use crate::test_support::cases;

    impl<B: Key> Listed<B> {
        /// I1 and I2.
        fn assert_in_order(&self) {
            let all: Vec<_> = self.entries_from(B::MIN, 0).collect();
            assert_eq!(all.len(), self.len);
            assert!(all.windows(2).all(|two| (two[0].0, two[0].1.len) < (two[1].0, two[1].1.len)));
            assert!(all.iter().all(|(first, mark)| first.first_of(mark.len) == *first));
            assert_eq!(self.firsts.len(), self.pieces.len());
            for (piece, known) in self.pieces.iter().zip(&self.firsts) {
                assert!((1..=MOST).contains(&piece.keys.len()));
                assert_eq!(
                    (piece.keys.len(), piece.keys.len()),
                    (piece.lens.len(), piece.tags.len())
                );
                assert_eq!((piece.keys[0], piece.lens[0]), *known);
            }
        }
    }

    fn prefix6() -> impl Strategy<Value = (u128, u8)> {
        let at =
            (0..6_u128, 0..6_u128, prop_oneof![Just(0_u8), 58..=70_u8, Just(128_u8), 0..=128_u8]);
        at.prop_map(|(a, b, len)| ((a << 125 | a << 62 | b << 60 | b).first_of(len), len))
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn a_list_is_a_sorted_map(
            start in prop::collection::vec(prefix6(), 0..80),
            edits in prop::collection::vec((prefix6(), 0..70_000_u32, any::<bool>()), 0..60),
            asked in prop::collection::vec(prefix6(), 1..8),
        ) {
            let mut model: BTreeMap<(u128, u8), u32> = start.iter().map(|at| (*at, 7)).collect();
            let mark = |len, tag| Mark { tag, len };
            let mut list = Listed6::build(model.iter().map(|(&(first, len), tag)| (first, mark(len, *tag))));
            for (place, tag, one_of_those) in edits {
                let (first, len) = match model.keys().nth(tag as usize % (model.len() + 1)) {
                    Some(known) if one_of_those => *known,
                    _ => place,
                };
                // Most are taken away again, so that lists become short.
                if tag % 3 > 0 {
                    let old = model.remove(&(first, len)).unwrap_or(0);
                    prop_assert_eq!(list.remove(first, len), old);
                } else {
                    let old = model.insert((first, len), tag + 1).unwrap_or(0);
                    prop_assert_eq!(list.insert(first, mark(len, tag + 1)), old);
                }
            }
            list.short.assert_in_order();
            list.long.assert_in_order();
            prop_assert_eq!(list.len(), model.len());
            for (first, len) in asked {
                prop_assert_eq!(list.tag(first, len), model.get(&(first, len)).copied().unwrap_or(0));
                let covers = |&(&(key, known), _): &(&(u128, u8), &u32)| known <= len && key.last_of(known) >= first;
                let around = model.range(..=(first, len)).rev().find(covers);
                prop_assert_eq!(list.around(first, len), around.map(|(place, tag)| mark(place.1, *tag)));
                let from = model.range((first, len)..).map(|(place, tag)| (place.0, mark(place.1, *tag)));
                prop_assert!(list.entries_from(first, len).eq(from));
                for last in [first, first.last_of(len), u128::MAX] {
                    prop_assert_eq!(list.count(first, last), model.range((first, 0)..=(last, 255)).count());
                }
            }
        }
    }

    /// What the documentation of the map says of memory.
    #[test]
    fn a_prefix_takes_the_bytes_of_its_key_and_three_or_five() {
        let prefixes =
            |tags: u32| (0..60_000_u32).map(move |n| (n << 8, Mark { tag: n % tags + 1, len: 24 }));
        let shell = 60_000 / USUAL * 200;
        assert!(Listed::build(prefixes(9)).heap_bytes() < 7 * 60_000 + shell);
        let wide =
            prefixes(9).map(|(first, mark)| (first, Mark { tag: mark.tag + 65_535, ..mark }));
        assert!(Listed::build(wide).heap_bytes() < 9 * 60_000 + shell);
        for (len, narrow) in [(64, 11), (65, 19)] {
            let at = |(n, mark): (u32, Mark)| (u128::from(n) << 64, Mark { len, ..mark });
            let list = Listed6::build(prefixes(9).map(at));
            assert!(list.heap_bytes() < narrow * 60_000 + shell);
            let wide = prefixes(9).map(|(n, mark)| (n, Mark { tag: mark.tag + 65_535, ..mark }));
            let list = Listed6::build(wide.map(at));
            assert!(list.heap_bytes() < (narrow + 2) * 60_000 + shell);
        }
    }
}
