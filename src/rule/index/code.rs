//! Conditions as code: tests, each with where to go on if it holds and if not.
//!
//! # Invariants
//! - **I1** code only leads to instructions before it, or ends: every run ends after at most as many steps
//!   as there are instructions;
//! - **I2** equal code is there once: rules whose last tests are the same share them;
//! - **I3** an exclusive or keeps its parity as a bit of a word, one for each of at most 64 levels.

use alloc::{boxed::Box, vec::Vec};

use ahash::HashMap;

/// The instruction to go on with, or [`YES`] or [`NO`].
pub(super) type Label = u32;

pub(super) const YES: Label = u32::MAX;
pub(super) const NO: Label = u32::MAX - 1;

/// Instructions that are no test have these in its place.
const XOR_BEGIN: u32 = u32::MAX;
const XOR_FLIP: u32 = u32::MAX - 1;
const XOR_END: u32 = u32::MAX - 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Instruction {
    what: u32,
    yes: Label,
    no: Label,
}

pub(super) struct Program(Box<[Instruction]>);

/// A condition over numbered tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    Const(bool),
    Test(u32),
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
    Xor(Vec<Tree>),
}

#[derive(Default)]
pub(super) struct Coder {
    code: Vec<Instruction>,
    known: HashMap<Instruction, Label>,
}

impl Program {
    /// Whether the condition that starts here holds, given what the tests say.
    #[inline]
    pub(super) fn holds(&self, start: Label, mut test: impl FnMut(u32) -> bool) -> bool {
        let mut at = start;
        let mut parity = 0_u64;
        while let Some(instruction) = self.0.get(at as usize) {
            let holds = match instruction.what {
                XOR_BEGIN => {
                    parity <<= 1;
                    true
                }
                XOR_FLIP => {
                    parity ^= 1;
                    true
                }
                XOR_END => {
                    let odd = parity & 1 == 1;
                    parity >>= 1;
                    odd
                }
                what => test(what),
            };
            at = if holds { instruction.yes } else { instruction.no };
        }
        at == YES
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

impl Coder {
    /// Writes the code of a condition that goes on with these, and gives its start.
    ///
    /// What comes last is written first, so that it is known where to go on.
    pub(super) fn write(&mut self, tree: &Tree, yes: Label, no: Label) -> Label {
        match tree {
            Tree::Const(true) => yes,
            Tree::Const(false) => no,
            Tree::Test(test) => self.push(*test, yes, no),
            Tree::Not(inner) => self.write(inner, no, yes),
            Tree::And(trees) => {
                trees.iter().rev().fold(yes, |next, tree| self.write(tree, next, no))
            }
            Tree::Or(trees) => {
                trees.iter().rev().fold(no, |next, tree| self.write(tree, yes, next))
            }
            Tree::Xor(trees) => {
                let end = self.push(XOR_END, yes, no);
                let first = trees.iter().rev().fold(end, |next, tree| {
                    let flip = self.push(XOR_FLIP, next, next);
                    self.write(tree, flip, next)
                });
                self.push(XOR_BEGIN, first, first)
            }
        }
    }

    fn push(&mut self, what: u32, yes: Label, no: Label) -> Label {
        if yes == no && what < XOR_END {
            return yes;
        }
        let instruction = Instruction { what, yes, no };
        *self.known.entry(instruction).or_insert_with(|| {
            self.code.push(instruction);
            // Labels are far fewer than 2^32: a rule has thousands of tests at most.
            u32::try_from(self.code.len()).map_or(NO, |len| len.saturating_sub(1))
        })
    }

    pub(super) fn finish(self) -> Program {
        Program(self.code.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(number: u32) -> Tree {
        Tree::Test(number)
    }

    /// I2, and what is not written at all.
    #[test]
    fn code_is_as_long_as_what_is_left_to_ask() {
        for (trees, instructions) in [
            (&[Tree::Const(true)][..], 0),
            (&[], 0),
            (&[test(0)], 1),
            (&[Tree::Not(Box::new(test(0)))], 1),
            (&[Tree::And([test(0), test(1)].into())], 2),
            (&[Tree::And([test(0), Tree::Const(true), test(1)].into())], 2),
            // Whatever the first says, it goes on there.
            (&[Tree::And([test(0), Tree::Const(false)].into())], 0),
            (&[Tree::Or([test(0), Tree::Const(true)].into())], 0),
            (&[Tree::Xor([test(0), test(1)].into())], 6),
            // The end of the one is all of the other.
            (&[Tree::And([test(0), test(1)].into()), test(1)], 2),
            (&[Tree::And([test(0), test(1)].into()), Tree::Or([test(0), test(1)].into())], 3),
        ] {
            let mut coder = Coder::default();
            for tree in trees {
                coder.write(tree, YES, NO);
            }
            let bytes = coder.finish().heap_bytes();
            assert_eq!(bytes, instructions * size_of::<Instruction>(), "{trees:?}");
        }
    }
}
