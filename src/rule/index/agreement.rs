//! Whether the index finds what trying one rule after the other finds: for tests and fuzzing.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::{Index, Names};
use crate::rule::{
    expr::Expr,
    facts::Facts,
    reference,
    samples::{self, Entropy, Sample, Seeded, Source},
};

/// Judges requests by rules, both drawn from these bytes, in both ways.
///
/// # Panics
/// If they do not agree.
pub fn check(bytes: &[u8]) {
    let source = &mut Entropy::new(bytes);
    let requests = 1 + source.below(3);
    let samples: Vec<Sample> = (0..requests).map(|_| Sample::draw(source)).collect();
    let most = if source.one_in(4) { 1 + source.below(3) as usize } else { usize::MAX };
    let exprs = samples::exprs(source, 40);
    let index = index(&exprs);
    for sample in &samples {
        for marks in [false, true] {
            agree(&exprs, &index, sample, most, marks);
        }
    }
}

pub(super) fn index(exprs: &[Expr]) -> Index {
    let lists = samples::lists(&mut Seeded::new(0));
    let tags = samples::tags();
    let names = Names { lists: &lists, tags: &tags };
    Index::build(exprs.to_vec(), &names).expect("samples are small")
}

pub(super) fn agree(exprs: &[Expr], index: &Index, sample: &Sample, most: usize, marks: bool) {
    let found = by_index(index, sample, most, marks);
    let right = one_by_one(exprs, sample, most, marks);
    if found != right {
        let odd = found.iter().find(|rule| !right.contains(rule));
        let odd = odd.or(right.iter().find(|rule| !found.contains(rule)));
        let odd = odd.map(|rule| &exprs[*rule]);
        panic!("{found:?} instead of {right:?}: {odd:?} for {sample:?}");
    }
}

/// The first `most` rules that hold, each of which leaves its marks if that is asked.
pub(super) fn by_index(index: &Index, sample: &Sample, most: usize, marks: bool) -> Vec<usize> {
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

pub(super) fn one_by_one(exprs: &[Expr], sample: &Sample, most: usize, marks: bool) -> Vec<usize> {
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

/// What a rule leaves behind: something else for each.
fn leave_marks(rule: usize, facts: &Facts<'_>) {
    let rule = rule as u64;
    if rule % 2 == 0 {
        facts.marks.tags.set(facts.marks.tags.get() ^ (1 << (rule % 3)));
    }
    facts.marks.score.set(facts.marks.score.get().wrapping_add_unsigned(rule % 5));
}
