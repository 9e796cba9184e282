//! Conditions, compiled in blocks.
//!
//! To compile all conditions anew whenever one is added would take milliseconds where there are many networks, in
//! the middle of somebody's check. So they are compiled in blocks of bounded weight, one block a step, and what a
//! mitigation *does* is not compiled at all: it is a number in its [`Entry`]. A check asks each block; mostly there
//! is one.
//!
//! # Invariants
//! - **I1** a step compiles one block, of at most [`HEAVIEST`], or one condition of an operator's;
//! - **I2** after the last step each mitigation is in exactly one block;
//! - **I3** no two blocks that a step has seen could be one: there are at most two for each [`HEAVIEST`] of weight.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::live::Entry;
use crate::rule::{Expr, Index, Lists, Names, TooLarge};

/// The most weight of a block: some 60 to 90 microseconds to compile.
pub(super) const HEAVIEST: usize = 136;

/// Some conditions, compiled.
pub(super) struct Block {
    pub(super) index: Index,
    /// Whose each condition is.
    pub(super) entries: Box<[Arc<Entry>]>,
}

/// All conditions, and as much of them as is compiled.
#[derive(Default)]
pub(super) struct Blocks {
    slots: Vec<Slot>,
}

#[derive(Default)]
struct Slot {
    members: Vec<Member>,
    /// `None` until it was compiled for the first time.
    block: Option<Arc<Block>>,
    is_changed: bool,
}

struct Member {
    entry: Arc<Entry>,
    condition: Expr,
    weight: usize,
}

/// What a condition weighs: twice its tests, and its networks.
pub(super) fn weight(condition: &Expr, nets: usize) -> usize {
    condition.0.tests().saturating_mul(2).saturating_add(nets).min(HEAVIEST)
}

impl Blocks {
    /// Takes a condition in.
    pub(super) fn put(&mut self, entry: &Arc<Entry>, condition: &Expr, weight: usize) {
        let member = Member { entry: Arc::clone(entry), condition: condition.clone(), weight };
        let fits = |slot: &&mut Slot| slot.weight().saturating_add(weight) <= HEAVIEST;
        match self.slots.iter_mut().find(fits) {
            Some(slot) => {
                slot.members.push(member);
                slot.is_changed = true;
            }
            None => {
                let members = alloc::vec![member];
                self.slots.push(Slot { members, block: None, is_changed: true });
            }
        }
    }

    /// Takes the condition of this mitigation out.
    pub(super) fn take_out(&mut self, number: u64) {
        for slot in &mut self.slots {
            let count = slot.members.len();
            slot.members.retain(|member| member.entry.number != number);
            slot.is_changed |= slot.members.len() != count;
        }
    }

    /// Compiles one block that has changed; false if there is none.
    pub(super) fn step(&mut self) -> bool {
        let Some(at) = self.slots.iter().position(|slot| slot.is_changed) else { return false };
        let mut slot = self.slots.swap_remove(at);
        if slot.members.is_empty() {
            return true;
        }
        // With the members of another one, if there is room for both.
        let weight = slot.weight();
        let fits = |other: &Slot| other.weight().saturating_add(weight) <= HEAVIEST;
        if let Some(other) = self.slots.iter().position(fits) {
            slot.members.append(&mut self.slots.swap_remove(other).members);
        }
        slot.compile();
        self.slots.push(slot);
        true
    }

    /// What is compiled.
    pub(super) fn compiled(&self) -> Box<[Arc<Block>]> {
        self.slots.iter().filter_map(|slot| slot.block.clone()).collect()
    }

    #[cfg(test)]
    fn numbers(&self) -> Vec<Vec<u64>> {
        let numbers = |slot: &Slot| {
            slot.block.iter().flat_map(|block| block.entries.iter().map(|it| it.number)).collect()
        };
        self.slots.iter().map(numbers).collect()
    }
}

impl Slot {
    fn weight(&self) -> usize {
        self.members.iter().fold(0, |sum, member| sum.saturating_add(member.weight))
    }

    fn compile(&mut self) {
        let index = loop {
            let conditions = self.members.iter().map(|member| member.condition.clone());
            match compile(conditions.collect()) {
                Ok(index) => break Some(index),
                // What cannot be compiled, which nobody was allowed to make, matches nothing.
                Err((at, _)) if at < self.members.len() => drop(self.members.remove(at)),
                Err(_) => break None,
            }
        };
        let entries = self.members.iter().map(|member| Arc::clone(&member.entry)).collect();
        self.block = index.map(|index| Arc::new(Block { index, entries }));
        self.is_changed = false;
    }
}

/// These conditions in one index.
pub(super) fn compile(conditions: Vec<Expr>) -> Result<Index, (usize, TooLarge)> {
    Index::build(conditions, &Names { lists: &Lists::new(), tags: &[] })
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, btree_map::Entry},
        sync::Arc,
        vec::Vec,
    };

    use proptest::{collection::vec, proptest};

    use super::{Blocks, HEAVIEST, weight};
    use crate::{
        detect::mitigation::{live, tests::expr},
        rule::{Atom, Builtin, Expr, Node, Operand, Test},
        time::Timestamp,
    };

    proptest! {
        #![proptest_config(crate::test_support::cases(32))]

        /// I1, I2, I3.
        #[test]
        fn every_condition_is_in_one_block(
            deeds in vec((0..3_u8, 0..20_u64, 1..=HEAVIEST), 1..60), every in 1..6_usize,
        ) {
            let mut blocks = Blocks::default();
            let mut present: BTreeMap<u64, usize> = BTreeMap::new();
            let condition = expr("ssl");
            for (at, (deed, number, weight)) in deeds.into_iter().enumerate() {
                if deed == 0 {
                    blocks.take_out(number);
                    present.remove(&number);
                } else if let Entry::Vacant(place) = present.entry(number) {
                    let at = Timestamp::from_secs(1);
                    blocks.put(&Arc::new(live::Entry::new(number, at)), &condition, weight);
                    place.insert(weight);
                }
                if at % every != 0 {
                    continue;
                }
                let mut steps = 0;
                while blocks.step() {
                    steps += 1;
                    assert!(steps < 100);
                }
                let numbers = blocks.numbers();
                let mut all: Vec<u64> = numbers.iter().flatten().copied().collect();
                all.sort_unstable();
                assert_eq!(all, present.keys().copied().collect::<Vec<_>>());
                let weights: Vec<usize> = numbers
                    .iter()
                    .map(|numbers| numbers.iter().map(|number| present[number]).sum())
                    .collect();
                assert!(weights.iter().all(|weight| *weight <= HEAVIEST && *weight > 0));
                assert!(weights.len() <= 2 * weights.iter().sum::<usize>().div_ceil(HEAVIEST) + every);
            }
        }
    }

    /// It would take what is well along with it.
    #[test]
    fn what_cannot_be_compiled_matches_nothing_and_harms_no_other() {
        let mut blocks = Blocks::default();
        let at = Timestamp::from_secs(1);
        let stars =
            Test::Wildcard { pattern: b"*a*b*c*d*e*f*g*h*i*".as_slice().into(), strict: true };
        let operand = Operand::Builtin(Builtin::Path);
        let stars = Expr(Node::Atom(Atom { operand, test: stars }));
        for (number, condition) in [(1, expr("ssl")), (2, stars), (3, expr("not ssl"))] {
            blocks.put(&Arc::new(live::Entry::new(number, at)), &condition, 2);
        }
        assert!(blocks.step() && !blocks.step());
        assert_eq!(blocks.numbers(), [[1, 3]]);
    }

    #[test]
    fn networks_and_tests_weigh() {
        assert_eq!(weight(&expr(r#"path eq "/x""#), 0), 2);
        assert_eq!(weight(&expr(r#"path eq "/x" and ua eq "y""#), 64), 68);
        assert_eq!(weight(&expr("ssl"), 10_000), HEAVIEST);
    }
}
