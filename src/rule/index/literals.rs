//! Many literals, and which of them occur in a text.
//!
//! A few are searched for one by one, as fast as memory is read. More are one Aho-Corasick automaton.
//! Where several literals end at one byte, the automaton names the longest, and each literal names the
//! longest other that it ends with.
//!
//! # Invariants
//! - **I1** a walk visits the value of every entry whose literal occurs, at least once, and no other;
//! - **I2** it takes time linear in the text and in what is found, also for `a`, `aa`, `aaa`, … in a text of
//!   `a`: of literals that end with others, some are marked when they have been visited, and what a
//!   marked one ends with is not visited again. [`MARKS`] marks are enough for that: there is one in each
//!   [`spacing`](Many::new) literals of a chain, so that a byte repeats at most two spacings, and a spacing is 8 for up
//!   to 32,768 literals;
//! - **I3** a walk allocates nothing: the marks lie on the stack.
//!
//! # Memory
//! Linear in the bytes of all literals, apart from those that end at one byte: of these there are at most
//! [`MOST_ENDS`].

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use aho_corasick::{
    Anchored, MatchKind,
    automaton::Automaton,
    dfa::{self, DFA},
    nfa::contiguous::{self, NFA},
};

use super::trie::{Anchor, Trie};
use crate::rule::pattern::Needle;

/// As many literals are still searched for one by one.
const FEW: usize = 4;
/// The most literals and bytes of them for which every step of the automaton is kept.
const SMALL: usize = 4096;
/// Marks of one walk, in words of 64.
const WORDS: usize = 64;
const MARKS: usize = WORDS * 64;
/// The most pairs of a beginning of a literal and another literal that it ends with.
const MOST_ENDS: usize = 4 << 20;
const NONE: u32 = u32::MAX;

/// Literals with values, to be looked for in texts.
#[derive(Clone, Debug)]
pub(crate) struct Literals {
    /// Values of the empty literal.
    always: Box<[u32]>,
    /// Values of all others, literal by literal.
    values: Box<[u32]>,
    search: Search,
}

#[derive(Clone, Debug)]
enum Search {
    /// Each with the end of its values.
    Few(Box<[(Needle, u32)]>),
    Many(Box<Many>),
}

/// Literals that end with each other too often, or too many of them for an automaton.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyLiterals;

impl fmt::Display for TooManyLiterals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many literals that are looked for anywhere in texts")
    }
}

impl core::error::Error for TooManyLiterals {}

impl Literals {
    /// Makes a search for literals, each with a value. If `folded`, the case of ASCII letters does not
    /// matter.
    ///
    /// # Errors
    /// If the automaton were too large.
    pub(crate) fn build(
        mut entries: Vec<(Box<[u8]>, u32)>,
        folded: bool,
    ) -> Result<Self, TooManyLiterals> {
        if folded {
            entries.iter_mut().for_each(|(literal, _)| literal.make_ascii_lowercase());
        }
        entries.sort_unstable();
        let (empty, entries) =
            entries.split_at(entries.partition_point(|(literal, _)| literal.is_empty()));
        let mut literals: Vec<(&[u8], u32)> = Vec::new();
        for (end, (literal, _)) in (1..).zip(entries) {
            match literals.last_mut() {
                Some((last, ends)) if *last == &**literal => *ends = end,
                _ => literals.push((literal, end)),
            }
        }
        let search = if literals.len() <= FEW {
            let needle = |(literal, end): &(&[u8], u32)| (Needle::new(literal, !folded), *end);
            Search::Few(literals.iter().map(needle).collect())
        } else {
            Search::Many(Box::new(Many::new(&literals, folded)?))
        };
        let values =
            |entries: &[(Box<[u8]>, u32)]| entries.iter().map(|(_, value)| *value).collect();
        Ok(Self { always: values(empty), values: values(entries), search })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.always.is_empty() && self.values.is_empty()
    }

    /// Visits the values of all literals that occur in the text, in any order.
    #[inline(never)]
    pub(crate) fn walk(&self, text: &[u8], mut visit: impl FnMut(u32)) {
        self.always.iter().for_each(|value| visit(*value));
        let mut report = |start: u32, end: u32| {
            let values = self.values.get(start as usize..end as usize).unwrap_or_default();
            values.iter().for_each(|value| visit(*value));
        };
        match &self.search {
            Search::Few(needles) => {
                let mut start = 0;
                for (needle, end) in needles {
                    if needle.is_in(text) {
                        report(start, *end);
                    }
                    start = *end;
                }
            }
            Search::Many(many) => many.walk(text, report),
        }
    }

    /// The memory of what is compiled, in bytes, without the struct itself.
    pub(crate) fn memory_bytes(&self) -> usize {
        let values = size_of_val(&*self.always).saturating_add(size_of_val(&*self.values));
        let search = match &self.search {
            Search::Few(needles) => {
                needles.iter().fold(size_of_val(&**needles), |sum, (needle, _)| {
                    sum.saturating_add(needle.memory_bytes())
                })
            }
            Search::Many(many) => many.memory_bytes(),
        };
        values.saturating_add(search)
    }
}

#[derive(Clone, Debug)]
struct Many {
    machine: Machine,
    literals: Box<[Literal]>,
    /// Whether any literal has a mark.
    marked: bool,
}

#[derive(Clone, Debug)]
enum Machine {
    Small(DFA),
    Large(NFA),
}

#[derive(Clone, Copy, Debug)]
struct Literal {
    /// Its values.
    start: u32,
    end: u32,
    /// The longest other literal that it ends with.
    parent: u32,
    /// The number of its mark.
    mark: u32,
}

impl Many {
    fn new(given: &[(&[u8], u32)], folded: bool) -> Result<Self, TooManyLiterals> {
        let mut literals = Vec::with_capacity(given.len());
        let mut start = 0;
        for (_, end) in given {
            literals.push(Literal { start, end: *end, parent: NONE, mark: NONE });
            start = *end;
        }
        let depths = nest(given, &mut literals)?;
        let marked = mark(&depths, &mut literals);
        let texts = given.iter().map(|(literal, _)| *literal);
        let bytes = texts.clone().map(<[u8]>::len).fold(0, usize::saturating_add);
        let machine = if bytes <= SMALL {
            let mut builder = dfa::Builder::new();
            builder.match_kind(MatchKind::Standard).ascii_case_insensitive(folded);
            builder.build(texts).map(Machine::Small)
        } else {
            let mut builder = contiguous::Builder::new();
            builder.match_kind(MatchKind::Standard).ascii_case_insensitive(folded);
            builder.build(texts).map(Machine::Large)
        };
        let machine = machine.map_err(|_| TooManyLiterals)?;
        Ok(Self { machine, literals: literals.into(), marked })
    }

    fn walk(&self, text: &[u8], report: impl FnMut(u32, u32)) {
        match &self.machine {
            Machine::Small(machine) => self.run(machine, text, report),
            Machine::Large(machine) => self.run(machine, text, report),
        }
    }

    fn run(&self, machine: &impl Automaton, text: &[u8], mut report: impl FnMut(u32, u32)) {
        let Ok(mut state) = machine.start_state(Anchored::No) else { return };
        if self.marked {
            let mut seen = [0_u64; WORDS];
            for byte in text {
                state = machine.next_state(Anchored::No, state, *byte);
                if machine.is_special(state) && machine.is_match(state) {
                    let longest = machine.match_pattern(state, 0).as_u32();
                    self.climb(longest, &mut report, |mark| see(&mut seen, mark));
                }
            }
        } else {
            for byte in text {
                state = machine.next_state(Anchored::No, state, *byte);
                if machine.is_special(state) && machine.is_match(state) {
                    let longest = machine.match_pattern(state, 0).as_u32();
                    self.climb(longest, &mut report, |_| false);
                }
            }
        }
    }

    /// Reports a literal and what it ends with, until one that was seen.
    #[inline]
    fn climb(
        &self,
        mut at: u32,
        report: &mut impl FnMut(u32, u32),
        mut see: impl FnMut(u32) -> bool,
    ) {
        while let Some(literal) = self.literals.get(at as usize) {
            if literal.mark != NONE && see(literal.mark) {
                return;
            }
            report(literal.start, literal.end);
            at = literal.parent;
        }
    }

    fn memory_bytes(&self) -> usize {
        let machine = match &self.machine {
            Machine::Small(machine) => machine.memory_usage(),
            Machine::Large(machine) => machine.memory_usage(),
        };
        size_of::<Self>()
            .saturating_add(machine)
            .saturating_add(size_of_val::<[Literal]>(&self.literals))
    }
}

/// Whether this mark was set before; it is now.
#[inline]
fn see(seen: &mut [u64; WORDS], mark: u32) -> bool {
    let bit = 1_u64 << (mark % 64);
    let Some(word) = seen.get_mut((mark / 64) as usize) else { return false };
    let before = *word & bit != 0;
    *word |= bit;
    before
}

/// Finds the parent of each literal, and how many literals it ends with.
fn nest(given: &[(&[u8], u32)], literals: &mut [Literal]) -> Result<Vec<u32>, TooManyLiterals> {
    let reversed = |(number, (literal, _)): (u32, &(&[u8], u32))| {
        (literal.iter().rev().copied().collect(), Anchor::Prefix, number)
    };
    let ends = Trie::build((0..).zip(given).map(reversed).collect(), false);
    let mut depths = Vec::with_capacity(given.len());
    let mut deepest: u32 = 0;
    let mut bytes: usize = 0;
    for ((text, _), literal) in given.iter().zip(literals) {
        // Shorter ones come first, the literal itself last.
        let (mut found, mut last) = (0_u32, NONE);
        ends.walk_back(text, |number| {
            literal.parent = last;
            last = number;
            found = found.saturating_add(1);
        });
        depths.push(found.saturating_sub(1));
        deepest = deepest.max(found);
        bytes = bytes.saturating_add(text.len());
    }
    // An upper bound first: counting takes as long as what is counted.
    if bytes.saturating_mul(deepest as usize) > MOST_ENDS {
        let mut count = 0_usize;
        let mut last: &[u8] = &[];
        for (text, _) in given {
            // They are sorted: what begins as the last one does has been counted.
            let shared = last.iter().zip(*text).take_while(|(a, b)| a == b).count();
            last = text;
            for end in shared.saturating_add(1)..=text.len() {
                ends.walk_back(text.get(..end).unwrap_or_default(), |_| {
                    count = count.saturating_add(1);
                });
                if count > MOST_ENDS {
                    return Err(TooManyLiterals);
                }
            }
        }
    }
    Ok(depths)
}

/// Gives marks to literals in long chains. A spacing apart, and only where the chain goes on for
/// another spacing, so that each has so many literals for itself and marks suffice.
fn mark(depths: &[u32], literals: &mut [Literal]) -> bool {
    let spacing = u32::try_from(literals.len().div_ceil(MARKS)).unwrap_or(NONE).max(8);
    let mut marks = 0;
    for at in 0..literals.len() {
        // What is no deeper than two spacings is visited as often as it ends.
        let least = spacing.saturating_mul(2);
        let Some(depth) = depths.get(at).filter(|depth| **depth >= least) else { continue };
        // The literal on this chain that lies at the last multiple with a spacing below it.
        let above = depth.checked_rem(spacing).unwrap_or(0).saturating_add(spacing);
        let mut place = at;
        for _ in 0..above {
            let parent = literals.get(place).map_or(NONE, |literal| literal.parent);
            place = parent as usize;
        }
        if let Some(literal) = literals.get_mut(place).filter(|literal| literal.mark == NONE) {
            literal.mark = marks;
            marks = marks.saturating_add(1);
        }
    }
    marks != 0
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, vec};

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::test_support::cases;

    fn built(literals: &[Vec<u8>], folded: bool) -> Literals {
        let entries = literals.iter().zip(0..).map(|(literal, value)| (literal[..].into(), value));
        Literals::build(entries.collect(), folded).unwrap()
    }

    fn found(literals: &Literals, text: &[u8]) -> Vec<u32> {
        let mut found = Vec::new();
        literals.walk(text, |value| found.push(value));
        found
    }

    fn slow(literals: &[Vec<u8>], text: &[u8], folded: bool) -> BTreeSet<u32> {
        let is_in = |literal: &[u8]| {
            literal.is_empty()
                || text.windows(literal.len()).any(|window| {
                    if folded { window.eq_ignore_ascii_case(literal) } else { window == literal }
                })
        };
        literals.iter().zip(0..).filter(|(literal, _)| is_in(literal)).map(|(_, at)| at).collect()
    }

    fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
        vec(prop_oneof![9 => prop::sample::select(b"aAb".to_vec()), 1 => any::<u8>()], 0..=longest)
    }

    proptest! {
        #![proptest_config(cases(1_500))]

        /// I1.
        #[test]
        fn it_finds_what_trying_all_literals_finds(
            literals in prop_oneof![vec(bytes(5), 0..=5), vec(bytes(5), 0..=40)],
            nested in prop_oneof![Just(0_usize), 0..40_usize],
            text in prop_oneof![bytes(30), bytes(3).prop_map(|part| part.repeat(20))],
            folded in any::<bool>(),
        ) {
            let mut literals = literals;
            literals.extend((0..nested).map(|at| b"a".repeat(at)));
            let compiled = built(&literals, folded);
            let visited = found(&compiled, &text);
            let expected = slow(&literals, &text, folded);
            prop_assert_eq!(visited.iter().copied().collect::<BTreeSet<u32>>(), expected);
            prop_assert_eq!(compiled.is_empty(), literals.is_empty());
        }
    }

    /// I2: each visit is counted.
    #[test]
    fn literals_that_end_with_each_other_are_not_visited_for_each_byte() {
        let literals: Vec<Vec<u8>> = (1..=100).map(|at| b"a".repeat(at)).collect();
        let compiled = built(&literals, false);
        for length in [1_000, 2_000, 4_000] {
            let visits = found(&compiled, &b"a".repeat(length)).len();
            assert!(visits <= 16 * length + literals.len(), "{visits}");
        }
        // Also where chains branch before they are long: nothing has room for a mark of its own.
        let ends: Vec<Vec<u8>> = (0..12).map(|at| b"b".repeat(at)).collect();
        let fan = (b'c'..b'z')
            .flat_map(|first| ends.iter().map(move |end| [&[first], &end[..], b"a"].concat()));
        let literals: Vec<Vec<u8>> =
            ends.iter().map(|end| [end, &b"a"[..]].concat()).chain(fan).collect();
        let text = b"cbbbbbbbbbba".repeat(100);
        assert!(found(&built(&literals, false), &text).len() <= 16 * text.len());
    }

    /// I2: marks suffice, however many literals there are and however they end with each other.
    #[test]
    fn there_are_marks_for_all() {
        let given: Vec<Vec<u8>> = (0..600_u32)
            .flat_map(|at| {
                (1..=40).map(move |end| [&at.to_be_bytes()[..], &b"a".repeat(end)].concat())
            })
            .collect();
        let literals: Vec<Vec<u8>> = (1..=40).map(|at| b"a".repeat(at)).chain(given).collect();
        let Search::Many(many) = built(&literals, false).search else { panic!("few") };
        let marks = many.literals.iter().filter(|literal| literal.mark != NONE);
        let all: BTreeSet<u32> = marks.map(|literal| literal.mark).collect();
        assert!(!all.is_empty() && all.iter().all(|mark| *mark < MARKS as u32));
        assert_eq!(all.len(), *all.last().unwrap() as usize + 1);
    }

    #[test]
    fn what_would_take_too_much_memory_is_refused() {
        let nested = |count: usize| -> Vec<(Box<[u8]>, u32)> {
            (1..=count).map(|at| (b"a".repeat(at).into(), 0)).collect()
        };
        assert!(Literals::build(nested(200), false).unwrap().memory_bytes() < 400_000);
        assert_eq!(Literals::build(nested(3_000), false).map(|_| ()), Err(TooManyLiterals));
    }
}
