//! Many literals, and which of them occur in a text.
//!
//! A few are searched for one by one, as fast as memory is read. More are one Aho-Corasick automaton; up to
//! some dozens are first looked for all at once with vectors, as most texts have none of them.
//! Where several literals end at one byte, the automaton names the longest, and each literal names the
//! longest other that it ends with.
//!
//! # Invariants
//! - **I1** a walk visits the value of every entry whose literal occurs, once, and no other;
//! - **I2** it takes time linear in the text and in what is found, also for `a`, `aa`, `aaa`, … in a text of
//!   `a`: a literal is marked when it has been visited, and what a marked one ends with has been, too;
//! - **I3** a walk allocates nothing: the marks lie on the stack, and only after something was found.
//!
//! # Bounds
//! [`MOST`] literals. Memory is linear in the bytes of all of them, apart from those that end at one byte:
//! of these there are at most [`MOST_ENDS`].

use alloc::{boxed::Box, vec::Vec};

use aho_corasick::{
    Anchored, MatchKind,
    automaton::{Automaton, StateID},
    dfa::{self, DFA},
    nfa::contiguous::{self, NFA},
    packed,
};

use super::trie::{Anchor, Trie};
use crate::rule::pattern::Needle;

/// As many literals are still searched for one by one, if they can not be looked for with vectors.
const FEW: usize = 4;
/// The most literals and bytes of them for which every step of the automaton is kept.
const SMALL: usize = 4096;
/// The most literals, each of which has a mark: a bit of 8 KiB.
const MOST: usize = 64 * MANY_WORDS;
/// Words of marks where there are many literals, and where there are few.
const MANY_WORDS: usize = 1024;
const FEW_WORDS: usize = 16;
/// The most pairs of a beginning of a literal and another literal that it ends with.
const MOST_ENDS: usize = 4 << 20;
const NONE: u32 = u32::MAX;
/// The most literals that are looked for with vectors, and how long they may be. A place where one seems
/// to begin is compared with some of them: this bounds what a text costs that seems to be full of them.
const PACKED: usize = 64;
const PACKED_LENGTHS: core::ops::RangeInclusive<usize> = 3..=32;
/// Longer texts are not copied to be looked at in lower case.
const ROOM: usize = 512;

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
        let glance = Glance::new(&literals, folded);
        let search = if literals.len() <= if glance.is_some() { 1 } else { FEW } {
            let needle = |(literal, end): &(&[u8], u32)| (Needle::new(literal, !folded), *end);
            Search::Few(literals.iter().map(needle).collect())
        } else {
            Search::Many(Box::new(Many::new(&literals, folded, glance)?))
        };
        let values =
            |entries: &[(Box<[u8]>, u32)]| entries.iter().map(|(_, value)| *value).collect();
        Ok(Self { always: values(empty), values: values(entries), search })
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
    glance: Option<Glance>,
    machine: Machine,
    literals: Box<[Literal]>,
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
}

impl Many {
    fn new(
        given: &[(&[u8], u32)],
        folded: bool,
        glance: Option<Glance>,
    ) -> Result<Self, TooManyLiterals> {
        if given.len() > MOST {
            return Err(TooManyLiterals);
        }
        let mut literals = Vec::with_capacity(given.len());
        let mut start = 0;
        for (_, end) in given {
            literals.push(Literal { start, end: *end, parent: NONE });
            start = *end;
        }
        nest(given, &mut literals, MOST_ENDS)?;
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
        Ok(Self { glance, machine, literals: literals.into() })
    }

    fn walk(&self, text: &[u8], report: impl FnMut(u32, u32)) {
        let start = self.glance.as_ref().map_or(Some(0), |glance| glance.first(text));
        // Nothing begins before.
        let Some(text) = start.and_then(|start| text.get(start..)) else { return };
        match &self.machine {
            Machine::Small(machine) => self.find_first(machine, text, report),
            Machine::Large(machine) => self.find_first(machine, text, report),
        }
    }

    /// Goes on until something ends: mostly nothing does, and marks are not needed.
    #[inline]
    fn find_first(&self, machine: &impl Automaton, text: &[u8], report: impl FnMut(u32, u32)) {
        let Ok(mut state) = machine.start_state(Anchored::No) else { return };
        let mut left = text.iter();
        while let Some(byte) = left.next() {
            state = machine.next_state(Anchored::No, state, *byte);
            if machine.is_special(state) && machine.is_match(state) {
                if self.literals.len() <= FEW_WORDS * 64 {
                    self.find_all::<FEW_WORDS>(machine, state, left.as_slice(), report);
                } else {
                    self.find_all::<MANY_WORDS>(machine, state, left.as_slice(), report);
                }
                return;
            }
        }
    }

    #[inline(never)]
    fn find_all<const WORDS: usize>(
        &self,
        machine: &impl Automaton,
        mut state: StateID,
        left: &[u8],
        mut report: impl FnMut(u32, u32),
    ) {
        let mut marks = [0_u64; WORDS];
        self.climb(machine.match_pattern(state, 0).as_u32(), &mut marks, &mut report);
        for byte in left {
            state = machine.next_state(Anchored::No, state, *byte);
            if machine.is_special(state) && machine.is_match(state) {
                self.climb(machine.match_pattern(state, 0).as_u32(), &mut marks, &mut report);
            }
        }
    }

    /// Reports a literal and what it ends with, until one that has its mark.
    #[inline]
    fn climb<const WORDS: usize>(
        &self,
        mut at: u32,
        marks: &mut [u64; WORDS],
        report: &mut impl FnMut(u32, u32),
    ) {
        while let Some(literal) = self.literals.get(at as usize) {
            let Some(word) = marks.get_mut((at / 64) as usize) else { return };
            let mark = 1_u64 << (at % 64);
            if *word & mark != 0 {
                return;
            }
            *word |= mark;
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
            .saturating_add(self.glance.as_ref().map_or(0, |glance| glance.search.memory_usage()))
            .saturating_add(size_of_val::<[Literal]>(&self.literals))
    }
}

/// A quick look, whether any of some dozens of literals is in a text at all.
#[derive(Clone, Debug)]
struct Glance {
    search: packed::Searcher,
    folded: bool,
}

impl Glance {
    fn new(given: &[(&[u8], u32)], folded: bool) -> Option<Self> {
        let fit = |(literal, _): &(&[u8], u32)| PACKED_LENGTHS.contains(&literal.len());
        if given.len() > PACKED || !given.iter().all(fit) {
            return None;
        }
        let search = packed::Searcher::new(given.iter().map(|(literal, _)| *literal))?;
        Some(Self { search, folded })
    }

    /// Where the first literal begins, or an earlier place where that is not known.
    fn first(&self, text: &[u8]) -> Option<usize> {
        if text.len() < self.search.minimum_len() {
            return Some(0);
        }
        if !self.folded {
            return self.search.find(text).map(|found| found.start());
        }
        let mut room = [0; ROOM];
        let Some(copy) = room.get_mut(..text.len()) else { return Some(0) };
        copy.copy_from_slice(text);
        copy.make_ascii_lowercase();
        self.search.find(copy).map(|found| found.start())
    }
}

/// Finds the parent of each literal, unless there are more than `most` pairs of a beginning of one and
/// another that it ends with.
fn nest(
    given: &[(&[u8], u32)],
    literals: &mut [Literal],
    most: usize,
) -> Result<(), TooManyLiterals> {
    let reversed = |(number, (literal, _)): (u32, &(&[u8], u32))| {
        (literal.iter().rev().copied().collect(), Anchor::Prefix, number)
    };
    let ends = Trie::build((0..).zip(given).map(reversed).collect(), false);
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
        deepest = deepest.max(found);
        bytes = bytes.saturating_add(text.len());
    }
    // An upper bound first: counting takes as long as what is counted.
    if bytes.saturating_mul(deepest as usize) > most {
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
                if count > most {
                    return Err(TooManyLiterals);
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
            literals in prop_oneof![
                vec(bytes(5), 0..=5),
                vec(bytes(5), 0..=40),
                // These are looked for with vectors.
                vec((bytes(4), bytes(3)).prop_map(|(a, b)| [&a, &b"aBa"[..], &b].concat()), 2..=40),
            ],
            nested in prop_oneof![2 => Just(0_usize), 1 => 0..40_usize],
            text in prop_oneof![
                bytes(30),
                bytes(3).prop_map(|part| part.repeat(20)),
                (bytes(300), bytes(300)).prop_map(|(a, b)| [&b"xyz".repeat(20), &a[..], &b].concat()),
            ],
            folded in any::<bool>(),
        ) {
            let mut literals = literals;
            literals.extend((0..nested).map(|at| b"a".repeat(at)));
            let compiled = built(&literals, folded);
            let visited = found(&compiled, &text);
            let all: BTreeSet<u32> = visited.iter().copied().collect();
            prop_assert_eq!(visited.len(), all.len());
            prop_assert_eq!(all, slow(&literals, &text, folded));
        }
    }

    /// I1 and I2, where marks are many: each is visited once, however often it ends.
    #[test]
    #[cfg_attr(miri, ignore = "automata of thousands of states")]
    fn many_literals_have_a_mark_each() {
        let other: Vec<Vec<u8>> = (0..2_000_u32).map(|at| at.to_be_bytes().to_vec()).collect();
        let nested = (1..=100).map(|at| b"a".repeat(at));
        let literals: Vec<Vec<u8>> = nested.chain(other).collect();
        let mut text = b"a".repeat(1_000);
        text.extend((0..2_000_u32).flat_map(u32::to_be_bytes));
        let text = text.repeat(2);
        for folded in [false, true] {
            let visited = found(&built(&literals, folded), &text);
            assert_eq!(visited.iter().copied().collect::<BTreeSet<u32>>().len(), 2_100);
            assert_eq!(visited.len(), 2_100);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "automata of thousands of states")]
    fn what_would_take_too_much_memory_is_refused() {
        let nested = |count: usize| -> Vec<(Box<[u8]>, u32)> {
            (1..=count).map(|at| (b"a".repeat(at).into(), 0)).collect()
        };
        assert!(Literals::build(nested(200), false).unwrap().memory_bytes() < 400_000);
        // These seem to be too many at first, and are not when they are counted.
        let counted = Literals::build(nested(1_000), false).unwrap();
        assert!((1_000 * 12..50_000_000).contains(&counted.memory_bytes()));
        assert_eq!(Literals::build(nested(3_000), false).map(|_| ()), Err(TooManyLiterals));
        let different =
            |count: u32| (0..count).map(|at| (at.to_be_bytes()[..].into(), at)).collect();
        assert!(Literals::build(different(MOST as u32), false).is_ok());
        assert_eq!(
            Literals::build(different(MOST as u32 + 1), false).map(|_| ()),
            Err(TooManyLiterals)
        );
    }

    /// The limit itself is still allowed: `a` has one end, `aa` two more, and `aaa` three.
    #[test]
    fn ends_are_counted_to_the_last() {
        let given: [(&[u8], u32); 3] = [(b"a", 1), (b"aa", 2), (b"aaa", 3)];
        let mut literals = [Literal { start: 0, end: 0, parent: NONE }; 3];
        assert_eq!(nest(&given, &mut literals, 5), Err(TooManyLiterals));
        assert_eq!(nest(&given, &mut literals, 6), Ok(()));
        assert_eq!(literals.map(|literal| literal.parent), [NONE, 0, 1]);
    }
}
