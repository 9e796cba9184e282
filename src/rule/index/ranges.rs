//! Ranges of numbers, and which of them a number is in.
//!
//! A balanced search tree by first numbers, laid out in an array, in which every node knows the largest last
//! number below it.
//!
//! # Invariants
//! - **I1** the same is found as by trying every range;
//! - **I2** what is found costs a logarithm each, and so does finding nothing; nothing recurses.

use alloc::{boxed::Box, vec::Vec};

pub(super) struct Ranges(Box<[Node]>);

#[derive(Clone, Copy)]
struct Node {
    first: i64,
    last: i64,
    /// The largest `last` of all nodes in its part of the array.
    reaches: i64,
    value: u32,
}

/// Deeper than the tree of 2^32 ranges.
const DEEPEST: usize = 40;

impl Ranges {
    /// Makes one of inclusive ranges with values.
    pub(super) fn build(mut ranges: Vec<(i64, i64, u32)>) -> Self {
        ranges.sort_unstable();
        let nodes = ranges.into_iter();
        let mut nodes: Box<[Node]> =
            nodes.map(|(first, last, value)| Node { first, last, reaches: last, value }).collect();
        reach(&mut nodes);
        Self(nodes)
    }

    /// Visits the values of the ranges that the number is in.
    pub(super) fn stab(&self, number: i64, visit: impl FnMut(u32)) {
        self.walk(number, visit, || {});
    }

    /// The same; also says when a node is looked at.
    #[inline]
    fn walk(&self, number: i64, mut visit: impl FnMut(u32), mut look: impl FnMut()) {
        let mut waiting: [&[Node]; DEEPEST] = [&[]; DEEPEST];
        let mut depth = 0_usize;
        let mut nodes = &*self.0;
        loop {
            look();
            let (before, from) = nodes.split_at(nodes.len() / 2);
            match from.split_first() {
                Some((node, after)) if node.reaches >= number => {
                    if node.first <= number {
                        if node.last >= number {
                            visit(node.value);
                        }
                        if let Some(place) = waiting.get_mut(depth) {
                            *place = after;
                            depth = depth.saturating_add(1);
                        }
                    }
                    nodes = before;
                }
                _ => {
                    let Some(top) = depth.checked_sub(1) else { return };
                    depth = top;
                    nodes = waiting.get(top).copied().unwrap_or_default();
                }
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

/// Sets how far each node reaches, and gives how far all of them do.
fn reach(nodes: &mut [Node]) -> i64 {
    let middle = nodes.len() / 2;
    let (before, from) = nodes.split_at_mut(middle);
    let Some((node, after)) = from.split_first_mut() else { return i64::MIN };
    // As deep as the logarithm of how many there are.
    node.reaches = node.last.max(reach(before)).max(reach(after));
    node.reaches
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::Ranges;
    use crate::test_support::cases;

    proptest! {
        #![proptest_config(cases(256))]

        /// I1.
        #[test]
        fn a_number_is_in_the_ranges_it_is_in(
            ranges in prop::collection::vec((-9_i64..9, 0_i64..9), 0..40),
            number in -12_i64..20,
        ) {
            let ranges: Vec<_> =
                ranges.iter().zip(0..).map(|((first, more), at)| (*first, first + more, at)).collect();
            let inside = ranges.iter().filter(|(first, last, _)| (first..=last).contains(&&number));
            let inside: Vec<u32> = inside.map(|(.., at)| *at).collect();
            let mut found = Vec::new();
            Ranges::build(ranges.clone()).stab(number, |at| found.push(at));
            found.sort_unstable();
            prop_assert_eq!(found, inside);
        }
    }

    /// I2.
    #[test]
    fn few_are_looked_at_that_a_number_is_not_in() {
        let many = 1 << 14;
        let ranges = Ranges::build((0..many).map(|at| (at * 10, at * 10 + 4, 0)).collect());
        let (mut most, mut found) = (0, 0);
        for number in (0..many * 10).step_by(997) {
            let mut looked = 0;
            ranges.walk(number, |_| found += 1, || looked += 1);
            most = most.max(looked);
        }
        assert!(most <= 3 * 14, "{most}");
        assert!((60..110).contains(&found), "{found}");
    }

    #[test]
    fn the_ends_of_all_numbers_are_numbers() {
        let ranges = Ranges::build(
            [(i64::MIN, i64::MIN, 0), (i64::MIN, i64::MAX, 1), (i64::MAX, i64::MAX, 2)].into(),
        );
        for (number, count) in [(i64::MIN, 2), (0, 1), (i64::MAX, 2)] {
            let mut found = 0;
            ranges.stab(number, |_| found += 1);
            assert_eq!(found, count, "{number}");
        }
        assert_eq!(ranges.heap_bytes(), 3 * size_of::<super::Node>());
    }
}
