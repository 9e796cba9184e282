//! Runs: what is said of all addresses, told without overlaps.
//!
//! Prefixes nest, and a table that is asked for an address must know the longest that holds it. So
//! they are pushed down to where they count: the whole space, from the first address to the last, is
//! cut into runs, each with one mark. In a set the mark is whether the addresses are in it, in a map
//! it is a [`Mark`].
//!
//! A list of runs *covers* `first..=last` if its first run starts at `first`, each of the others where
//! the one before ends, and the last one ends at `last`. It is *told short* if neighbours differ in
//! their marks. Then equal contents are equal lists, and n prefixes make at most 2n + 1 runs.

use alloc::vec::Vec;

use super::addr::Bits;

/// Addresses with one mark: from where the run before it ends, up to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run<B, M> {
    pub(super) last: B,
    pub(super) mark: M,
}

/// What a map says of an address: the tag of a value, and the length of the prefix that has it.
///
/// The prefix itself is the address cut to that length, so that neighbours of one length and one
/// value can share a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// 0 is for addresses without a prefix; the others are the places of values, counted from 1.
    pub(super) tag: u32,
    pub(super) len: u8,
}

/// The mark of what nobody said anything about is the default one.
pub(super) trait Marked: Copy + Eq + Default + core::fmt::Debug + 'static {}
impl Marked for bool {}
impl Marked for Mark {}

/// Collects runs, and tells them short.
pub(super) struct Runs<B, M>(Vec<Run<B, M>>);

impl<B: Bits, M: Marked> Runs<B, M> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn with_capacity(runs: usize) -> Self {
        Self(Vec::with_capacity(runs))
    }

    /// The next run; one that ends where the one before does, or earlier, is dropped.
    #[inline]
    pub(super) fn push(&mut self, last: B, mark: M) {
        match self.0.last_mut() {
            Some(before) if before.last >= last => {}
            Some(before) if before.mark == mark => before.last = last,
            _ => self.0.push(Run { last, mark }),
        }
    }

    pub(super) fn as_slice(&self) -> &[Run<B, M>] {
        &self.0
    }

    pub(super) fn into_vec(self) -> Vec<Run<B, M>> {
        self.0
    }
}

impl<B: Bits, M: Marked> FromIterator<Run<B, M>> for Runs<B, M> {
    fn from_iter<I: IntoIterator<Item = Run<B, M>>>(runs: I) -> Self {
        let runs = runs.into_iter();
        let mut told = Self::with_capacity(runs.size_hint().0);
        runs.for_each(|run| told.push(run.last, run.mark));
        told
    }
}

/// The runs that cover `first..=last`, where ranges, sorted and apart, are in a set.
pub(super) fn of_ranges<B: Bits>(
    ranges: impl IntoIterator<Item = (B, B)>,
    first: B,
    last: B,
) -> Runs<B, bool> {
    let ranges = ranges.into_iter();
    // A gap before each, and one at the end: grown by and by, they would take twice the room.
    let most = ranges.size_hint().0.saturating_mul(2).saturating_add(1);
    let mut runs = Runs::with_capacity(most);
    for (from, to) in ranges {
        if let Some(before) = from.previous().filter(|before| *before >= first) {
            runs.push(before, false);
        }
        runs.push(to, true);
    }
    runs.push(last, false);
    runs
}

/// The runs that cover `first..=last`, where prefixes have their marks, the longest one counts, and
/// what none of them holds has the mark `beyond`. The prefixes are sorted by address, then by length,
/// no two are equal, and all lie within `first..=last`.
pub(super) fn of_prefixes<B: Bits>(
    prefixes: impl IntoIterator<Item = (B, Mark)>,
    beyond: Mark,
    first: B,
    last: B,
) -> Runs<B, Mark> {
    let prefixes = prefixes.into_iter();
    let mut runs = Runs::with_capacity(prefixes.size_hint().0);
    // The prefixes around the one at hand: what each says, and where it ends.
    let mut around: Vec<(B, Mark)> = Vec::new();
    for (from, mark) in prefixes {
        while let Some((end, ended)) = around.pop_if_before(from) {
            runs.push(end, ended);
        }
        if let Some(before) = from.previous().filter(|before| *before >= first) {
            runs.push(before, around.last().map_or(beyond, |&(_, outer)| outer));
        }
        around.push((from.last_of(mark.len), mark));
    }
    while let Some((end, ended)) = around.pop() {
        runs.push(end, ended);
    }
    runs.push(last, beyond);
    runs
}

trait PopIfBefore<B> {
    /// The innermost prefix, if it ends before `from`.
    fn pop_if_before(&mut self, from: B) -> Option<(B, Mark)>;
}

impl<B: Bits> PopIfBefore<B> for Vec<(B, Mark)> {
    #[inline]
    fn pop_if_before(&mut self, from: B) -> Option<(B, Mark)> {
        match self.last() {
            Some(&(end, _)) if end < from => self.pop(),
            _ => None,
        }
    }
}

/// `old`, which covers the space from `origin` on, with `new` in place of the addresses from `first`
/// to the end of `new`.
pub(super) fn spliced<B: Bits, M: Marked>(
    old: impl IntoIterator<Item = Run<B, M>>,
    origin: B,
    first: B,
    new: &[Run<B, M>],
) -> Runs<B, M> {
    let mut runs = Runs::new();
    let Some(end) = new.last().map(|run| run.last) else {
        return old.into_iter().collect();
    };
    let mut pending = Some(new);
    for run in old {
        if let Some(before) = first.previous().filter(|_| first > origin) {
            runs.push(before.min(run.last), run.mark);
        }
        if run.last >= first {
            for new in pending.take().unwrap_or_default() {
                runs.push(new.last, new.mark);
            }
        }
        if run.last > end {
            runs.push(run.last, run.mark);
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::test_support::cases;

    const fn mark(tag: u32, len: u8) -> Mark {
        Mark { tag, len }
    }

    #[test]
    fn ranges_are_told_with_the_gaps_between_them() {
        let runs = of_ranges([(2_u32, 3), (5, u32::MAX)], 0, u32::MAX);
        let told: Vec<_> = runs.as_slice().iter().map(|run| (run.last, run.mark)).collect();
        assert_eq!(told, [(1, false), (3, true), (4, false), (u32::MAX, true)]);
        assert_eq!(of_ranges([(0_u32, u32::MAX)], 0, u32::MAX).as_slice().len(), 1);
        assert_eq!(of_ranges::<u128>([], 0, u128::MAX).as_slice().len(), 1);
    }

    #[test]
    fn the_longest_prefix_counts_and_those_around_it_come_back() {
        let prefixes = [
            (0x0a00_0000_u32, mark(1, 8)),
            (0x0a00_0000, mark(2, 16)),
            (0x0a05_0000, mark(3, 32)),
            (0xffff_ffff, mark(4, 32)),
        ];
        let runs = of_prefixes(prefixes, Mark::default(), 0, u32::MAX);
        let told: Vec<_> = runs.as_slice().iter().map(|run| (run.last, run.mark.tag)).collect();
        assert_eq!(
            told,
            [
                (0x09ff_ffff, 0),
                (0x0a00_ffff, 2),
                (0x0a04_ffff, 1),
                (0x0a05_0000, 3),
                (0x0aff_ffff, 1),
                (0xffff_fffe, 0),
                (0xffff_ffff, 4)
            ]
        );
    }

    fn some_runs() -> impl Strategy<Value = Vec<Run<u32, bool>>> {
        prop::collection::vec((0..40_u32, any::<bool>()), 0..8).prop_map(|mut cuts| {
            cuts.sort();
            let mut runs = Runs::new();
            cuts.into_iter().for_each(|(last, mark)| runs.push(last, mark));
            runs.push(u32::MAX, false);
            runs.into_vec()
        })
    }

    fn at(runs: &[Run<u32, bool>], addr: u32) -> bool {
        runs.iter().find(|run| addr <= run.last).unwrap().mark
    }

    proptest! {
        #![proptest_config(cases(2_000))]

        #[test]
        fn a_splice_changes_what_it_covers_and_nothing_else(
            old in some_runs(), new in some_runs(), first in 0..40_u32, last in 0..40_u32,
        ) {
            let (first, last) = (first.min(last), first.max(last));
            let new: Vec<_> = Runs::from_iter(new.iter()
                .filter(|run| run.last >= first)
                .map(|run| Run { last: run.last.min(last), ..*run })).into_vec();
            let both = spliced(old.iter().copied(), 0, first, &new);
            for addr in 0..50 {
                let expected = if (first..=last).contains(&addr) { at(&new, addr) } else { at(&old, addr) };
                prop_assert_eq!(at(both.as_slice(), addr), expected, "{}", addr);
            }
            let short = both.as_slice().windows(2)
                .all(|pair| pair[0].last < pair[1].last && pair[0].mark != pair[1].mark);
            prop_assert!(short);
            prop_assert_eq!(both.as_slice().last().unwrap().last, u32::MAX);
        }
    }

    /// Of what begins later than with the first address, too: no run is told before the first one.
    #[test]
    fn a_splice_begins_where_the_old_runs_do() {
        let run = |last, mark| Run { last, mark };
        let old = [run(9_u32, false), run(20, true)];
        assert_eq!(
            spliced(old, 5, 5, &[run(7, true)]).as_slice(),
            [run(7, true), run(9, false), run(20, true)]
        );
        assert_eq!(spliced(old, 5, 6, &[run(9, true)]).as_slice(), [run(5, false), run(20, true)]);
    }
}
