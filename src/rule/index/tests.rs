//! What the index finds is what trying one rule after the other finds.

use core::ops::ControlFlow;
use std::vec::Vec;

use proptest::prelude::*;

use super::{Index, Names, TooLarge};
use crate::{
    rule::{
        expr::{Expr, Node},
        facts::Facts,
        list::Lists,
        reference,
        samples::{
            self, Sample, Seeded, Shape, Source,
            strategies::{any_exprs, any_sample},
        },
    },
    test_support::cases,
};

fn index(exprs: &[Expr]) -> Index {
    let lists = samples::lists(&mut Seeded::new(0));
    let tags = samples::tags();
    Index::build(exprs.to_vec(), &Names { lists: &lists, tags: &tags }).unwrap()
}

/// What a rule leaves behind: something else for each.
fn leave_marks(rule: usize, facts: &Facts<'_>) {
    let rule = rule as u64;
    if rule % 2 == 0 {
        facts.marks.tags.set(facts.marks.tags.get() ^ (1 << (rule % 3)));
    }
    facts.marks.score.set(facts.marks.score.get().wrapping_add_unsigned(rule % 5));
}

/// The first `most` rules that hold, each of which leaves its marks if that is asked.
fn by_index(index: &Index, sample: &Sample, most: usize, marks: bool) -> Vec<usize> {
    sample.with_facts(|facts| {
        let mut found = Vec::new();
        index.walk(facts, |rule| {
            found.push(rule);
            if marks {
                leave_marks(rule, facts);
            }
            if found.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        found
    })
}

fn one_by_one(exprs: &[Expr], sample: &Sample, most: usize, marks: bool) -> Vec<usize> {
    sample.with_facts(|facts| {
        let mut found = Vec::new();
        for (rule, expr) in exprs.iter().enumerate() {
            if reference::holds(expr, facts) {
                found.push(rule);
                if marks {
                    leave_marks(rule, facts);
                }
                if found.len() >= most {
                    break;
                }
            }
        }
        found
    })
}

fn agree(exprs: &[Expr], index: &Index, sample: &Sample, most: usize, marks: bool) {
    let found = by_index(index, sample, most, marks);
    let right = one_by_one(exprs, sample, most, marks);
    if found == right {
        return;
    }
    let odd = found.iter().find(|rule| !right.contains(rule));
    let odd = odd.or(right.iter().find(|rule| !found.contains(rule)));
    panic!("{found:?} instead of {right:?}: {:?} for {sample:?}", odd.map(|rule| &exprs[*rule]));
}

proptest! {
    #![proptest_config(cases(256))]

    /// I1: nothing is missed, nothing is added, the order is that of the rules.
    #[test]
    fn the_index_finds_what_trying_all_finds(
        exprs in any_exprs(20),
        requests in prop::collection::vec(any_sample(), 1..4),
    ) {
        let index = index(&exprs);
        for sample in &requests {
            let found = by_index(&index, sample, usize::MAX, false);
            let right = sample.with_facts(|facts| reference::matches(&exprs, facts));
            prop_assert_eq!(found, right);
        }
    }

    /// I1 and I2: it stops where the visitor does, and rules see what earlier ones have left.
    #[test]
    fn marks_are_seen_by_later_rules_and_a_break_ends_the_walk(
        exprs in any_exprs(20),
        sample in any_sample(),
        most in 1_usize..6,
    ) {
        let index = index(&exprs);
        for marks in [false, true] {
            let found = by_index(&index, &sample, most, marks);
            prop_assert_eq!(found, one_by_one(&exprs, &sample, most, marks));
        }
    }
}

/// I1 and I2 for a million pairs of rules and a request; fewer where the compiler does not optimise.
///
/// Sets are of all sizes: one rule, a few, enough to need a bitmap. A set stands for a few requests.
#[test]
fn a_million_random_cases_agree() {
    let cases = if cfg!(miri) {
        3
    } else if cfg!(debug_assertions) {
        30_000
    } else {
        1_000_000
    };
    run(0x706f_7274, cases);
}

fn run(seed: u64, cases: u64) {
    let source = &mut Seeded::new(seed);
    let mut done = 0;
    while done < cases {
        let most = [1, 3, 8, 20, 60][source.below(5) as usize];
        let shape =
            Shape { depth: source.below(5), volatile: source.one_in(2), ..Shape::default() };
        let response = source.one_in(4);
        let shape = Shape { response, ..shape };
        let exprs: Vec<Expr> =
            (0..=source.below(most)).map(|_| samples::expr_of(source, shape)).collect();
        let index = index(&exprs);
        let requests = 1 + 400 / (u64::from(most) + 10);
        for _ in 0..requests {
            let sample = Sample::draw(source);
            let stops = source.one_in(4);
            let most = if stops { 1 + source.below(3) as usize } else { usize::MAX };
            agree(&exprs, &index, &sample, most, source.one_in(2));
        }
        done += requests;
    }
}
