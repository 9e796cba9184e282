//! A search tree over the ends of runs, packed without gaps.
//!
//! A node is eight keys: one line of a processor's cache for 64-bit keys, two for 128-bit ones. Eight
//! keys tell nine ways apart, and they do so in two steps of two comparisons each, because that is
//! what a compiler makes the fewest instructions of for a target without 64-bit vector comparisons:
//! no branch, no population count, no bound to check.
//!
//! Every end is in the tree once. Nine runs make a leaf: the first eight end at its keys, the ninth at
//! a key of the level above, of whose nodes nine leaves make one, and so on. So the number of a run
//! is found by counting the keys below an address on the way down, and a tree takes eight ninths of a
//! key in its leaves and one ninth above them: one key a run, and at most a node of padding a level.
//!
//! - **I1** [`Tree::run`] is the number of ends below a key; an end that is given twice counts twice.
//! - **I2** The last end is not stored: what is above all others is in the last run, so that no key,
//!   the highest included, leads out of the tree. Unused keys are the highest number, which is below
//!   nothing, and are therefore never counted.
//! - **I3** A tree of n runs has ⌈n/9⌉ leaves, ⌈⌈n/9⌉/9⌉ nodes above them and so on to one root: a
//!   tree of one run has none, one of 9 a single node, one of 6,561 four levels. (In a tree of four the
//!   second from the top has all of its nine nodes, for speed.) Where the stored keys fill their nodes
//!   exactly, the run after the last key still has a node, an empty one.
//!
//! # Bounds
//! Eight levels, 43,046,721 runs: runs of pieces are a few thousand, pieces of a table fewer still.

use alloc::{vec, vec::Vec};

use crate::cidr::addr::Bits;

/// How many children an inner node has, and how many runs a leaf.
const WAYS: usize = 9;
const LEVELS: usize = 8;
/// The nodes of the two highest levels of a tree of four, where the second is always full.
const TOP: usize = 1 + WAYS;
/// Trees of four levels have more nodes than this, those of three have not: it is what the three
/// highest levels can have.
const UPPER: usize = TOP + WAYS * WAYS;
/// A place that is beyond the nodes of any tree, and stays so if a number of runs is added.
const NOWHERE: u32 = u32::MAX / 2;

/// Eight keys, sorted, and the highest number in unused places.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Node<K>([K; 8]);

impl<K: Bits> Node<K> {
    const EMPTY: Self = Self([K::MAX; 8]);

    /// How many keys are below `key`.
    #[inline(always)]
    fn below(&self, key: K) -> usize {
        below(&self.0, key)
    }
}

/// How many of eight sorted keys are below `key`.
#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "at most 3 * 2 + 1, which the compiler proves")]
pub(super) fn below<K: Bits>(keys: &[K; 8], key: K) -> usize {
    let third = usize::from(keys[2] < key).wrapping_add(usize::from(keys[5] < key));
    let at = third.wrapping_mul(3);
    at.wrapping_add(usize::from(keys[at] < key))
        .wrapping_add(usize::from(keys[at.wrapping_add(1)] < key))
}

/// The ends of runs.
#[derive(Clone, Debug)]
pub(super) struct Tree<K> {
    /// The root, the level below it, and so on; the leaves are last.
    nodes: Vec<Node<K>>,
    /// Where each level starts, from the leaves up; those beyond `depth` are zero.
    starts: [u32; LEVELS],
    /// Where the leaves of a tree of four start; beyond all nodes if it has not four levels.
    leaves: u32,
    depth: u32,
    runs: u32,
}

impl<K: Bits> Tree<K> {
    /// The tree of one run.
    pub(super) const ONE: Self =
        Self { nodes: Vec::new(), starts: [0; LEVELS], leaves: NOWHERE, depth: 0, runs: 1 };

    /// Packs the ends of runs, in order, the last one included.
    pub(super) fn new(ends: &[K]) -> Self {
        let Some((_, stored)) = ends.split_last().filter(|(_, stored)| !stored.is_empty()) else {
            return Self::ONE;
        };
        let sizes = level_sizes(ends.len());
        let depth = sizes.iter().take_while(|size| **size > 0).count();
        let mut tree = Self {
            nodes: vec![Node::EMPTY; sizes.iter().sum()],
            starts: [0; LEVELS],
            leaves: NOWHERE,
            depth: u32::try_from(depth).unwrap_or(0),
            runs: u32::try_from(ends.len()).unwrap_or(u32::MAX),
        };
        // From the leaves up: each level takes eight of nine keys and hands the ninth on.
        let mut rest = tree.nodes.as_mut_slice();
        let mut above;
        let mut level = stored;
        let mut keys: Vec<K>;
        for (size, start) in sizes.iter().zip(&mut tree.starts).take(depth) {
            let at = rest.len().saturating_sub(*size);
            *start = u32::try_from(at).unwrap_or(u32::MAX);
            let (before, nodes) = rest.split_at_mut(at);
            rest = before;
            above = Vec::with_capacity(size.div_ceil(WAYS).saturating_mul(8));
            for (Node(node), chunk) in nodes.iter_mut().zip(level.chunks(WAYS)) {
                node.iter_mut().zip(chunk).for_each(|(place, key)| *place = *key);
                above.extend(chunk.get(8));
            }
            keys = above;
            level = &keys;
        }
        if let (4, [leaves, ..]) = (depth, tree.starts) {
            tree.leaves = leaves;
        }
        tree
    }

    /// How many ends are below a key, which is the number of the run that holds it.
    #[inline]
    pub(super) fn run(&self, key: K) -> usize {
        match self.run_of_four(key) {
            Some(run) => run,
            None => self.run_by_loop(key),
        }
    }

    /// As [`run`](Self::run), nothing if there are not four levels, as pieces mostly have: they are
    /// written out, since a loop would cost a third more. The one bound that is checked on the way down
    /// is that of the leaf, and it tells the number of levels, too.
    #[inline(always)]
    #[allow(
        clippy::indexing_slicing,
        reason = "at most 1 + 8 and 10 + 80, which the compiler proves"
    )]
    pub(super) fn run_of_four(&self, key: K) -> Option<usize> {
        let upper = self.nodes.first_chunk::<UPPER>()?;
        let at = upper[0].below(key);
        let at = at.wrapping_mul(WAYS).wrapping_add(upper[at.wrapping_add(1)].below(key));
        let at = at.wrapping_mul(WAYS).wrapping_add(upper[at.wrapping_add(TOP)].below(key));
        let leaf = self.nodes.get((self.leaves as usize).wrapping_add(at))?;
        Some(at.wrapping_mul(WAYS).wrapping_add(leaf.below(key)))
    }

    /// As [`run`](Self::run), nothing if there are not two levels, as the pieces of a table mostly have.
    #[inline(always)]
    pub(super) fn run_of_two(&self, key: K) -> Option<usize> {
        if self.depth != 2 {
            return None;
        }
        let at = self.nodes.first()?.below(key);
        let leaf = self.nodes.get(at.wrapping_add(1))?;
        Some(at.wrapping_mul(WAYS).wrapping_add(leaf.below(key)))
    }

    /// The runs of several keys, each in its own tree, one level after another, so that the loads of a
    /// level overlap. Nothing if not all of the trees have four levels.
    #[inline(always)]
    pub(super) fn runs_of_many<const N: usize>(
        trees: &[&Self; N],
        keys: &[K; N],
    ) -> Option<[usize; N]> {
        if trees.iter().any(|tree| tree.depth != 4) {
            return None;
        }
        let mut runs = [0; N];
        for start in [Some(0), Some(1), Some(TOP), None] {
            for ((run, tree), key) in runs.iter_mut().zip(trees).zip(keys) {
                *run = tree.step(start.unwrap_or(tree.starts[0] as usize), *run, *key);
            }
        }
        Some(runs)
    }

    #[inline(never)]
    fn run_by_loop(&self, key: K) -> usize {
        let mut at = 0;
        for start in self.starts.iter().take(self.depth as usize).rev() {
            at = self.step(*start as usize, at, key);
        }
        at
    }

    /// From a node's number in its level to the number of the child, or of the run, that holds `key`.
    #[inline(always)]
    fn step(&self, start: usize, at: usize, key: K) -> usize {
        match self.nodes.get(start.wrapping_add(at)) {
            Some(node) => at.wrapping_mul(WAYS).wrapping_add(node.below(key)),
            None => 0,
        }
    }

    #[cfg(test)]
    pub(super) const fn depth(&self) -> u32 {
        self.depth
    }

    /// Where a run ends; nothing for the last one, whose end is not stored (I2).
    pub(super) fn end(&self, run: usize) -> Option<K> {
        if run.saturating_add(1) >= self.runs() {
            return None;
        }
        let mut number = run;
        for start in self.starts.iter().take(self.depth as usize) {
            let (node, place) = (number / WAYS, number % WAYS);
            let Node(keys) = self.nodes.get((*start as usize).saturating_add(node))?;
            if let Some(key) = keys.get(place) {
                return Some(*key);
            }
            number = node;
        }
        None
    }

    #[inline]
    pub(super) const fn runs(&self) -> usize {
        self.runs as usize
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.nodes.capacity().saturating_mul(size_of::<Node<K>>())
    }
}

/// How many nodes the levels of a tree of so many runs have, from the leaves up.
fn level_sizes(runs: usize) -> [usize; LEVELS] {
    let mut size = runs;
    let mut sizes: [usize; LEVELS] = core::array::from_fn(|_| {
        size = if size > 1 { size.div_ceil(WAYS) } else { 0 };
        size
    });
    if let [_, _, second, 1, ..] = &mut sizes {
        *second = WAYS;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::test_support::cases;

    fn agrees<K: Bits>(ends: &[K]) {
        let tree = Tree::new(ends);
        let (last, stored) = ends.split_last().unwrap();
        assert_eq!(tree.runs(), ends.len());
        for (run, end) in stored.iter().enumerate() {
            assert_eq!(tree.end(run), Some(*end), "I3: run {run} of {}", ends.len());
        }
        assert_eq!(tree.end(stored.len()), None);
        let around = |end: &K| [end.previous(), Some(*end), end.next()].into_iter().flatten();
        let edges = [K::MIN, K::MAX, *last];
        for key in stored.iter().flat_map(around).chain(edges) {
            let expected = stored.partition_point(|end| *end < key);
            assert_eq!(tree.run(key), expected, "I1: {key:?} of {}", ends.len());
            assert!(tree.run(key) < tree.runs(), "I2");
            // The same by the ways that are there for trees of this depth only, which cost less.
            let if_deep = |depth| (tree.depth() == depth).then_some(expected);
            assert_eq!(tree.run_of_four(key), if_deep(4), "I1: {key:?} of {}", ends.len());
            assert_eq!(tree.run_of_two(key), if_deep(2), "I1: {key:?} of {}", ends.len());
            let together = Tree::runs_of_many(&[&tree; 3], &[key, K::MIN, key]);
            assert_eq!(together, if_deep(4).map(|run| [run, 0, run]), "I1: {key:?}");
        }
    }

    #[test]
    fn trees_of_every_small_size_and_of_full_levels_count_right() {
        let sizes = (1..=100).chain([728, 729, 730, 737, 738, 809, 810, 811, 6_560, 6_561, 6_562]);
        for size in sizes {
            let ends: Vec<u64> = (0..size).map(|run| run * 3 + 1).collect();
            agrees(&ends);
            let to_the_top: Vec<u64> = (0..size).map(|run| u64::MAX - (size - 1 - run)).collect();
            agrees(&to_the_top);
            let twice: Vec<u64> = (0..size).map(|run| run / 2).collect();
            agrees(&twice);
            let wide: Vec<u128> = (0..size).map(|run| u128::from(run) << 64 | 5).collect();
            agrees(&wide);
        }
    }

    #[test]
    fn levels_are_packed() {
        let levels = |runs| {
            let sizes = level_sizes(runs);
            sizes.into_iter().take_while(|size| *size > 0).collect::<Vec<_>>()
        };
        assert!(levels(1).is_empty());
        assert_eq!(levels(9), [1]);
        assert_eq!(levels(10), [2, 1]);
        assert_eq!(levels(81), [9, 1]);
        assert_eq!(levels(82), [10, 2, 1]);
        assert_eq!(levels(6_561), [729, 81, 9, 1]);
        assert_eq!(Tree::new(&[1_u64; 6_561]).heap_bytes(), 820 * 64, "I3");
        assert_eq!(Tree::new(&[1_u128; 6_561]).heap_bytes(), 820 * 128);
    }

    proptest! {
        #![proptest_config(cases(64))]

        #[test]
        fn trees_count_right(mut ends in prop::collection::vec(
            prop_oneof![any::<u64>(), 0..9_u64, Just(u64::MAX), Just(u64::MAX - 1)], 1..100,
        )) {
            ends.sort_unstable();
            agrees(&ends);
        }
    }
}
