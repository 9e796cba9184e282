//! What the indexes found: lists of rules, to be visited in order and each once.
//!
//! Most requests hit a few short lists, which are merged by their heads. When there are many, they are
//! gathered in a bitmap instead.

use core::ops::ControlFlow::{self, Continue};

/// Lists that are merged; more are gathered in a bitmap.
pub(super) const FEW: usize = 16;

/// Merging costs a step for each list and rule; from here on a bitmap costs less.
const MUCH: usize = 512;

/// A few lists of rules that may hold, by where they start and end among all of them.
pub(crate) struct Hits {
    spans: [(u32, u32); FEW],
    len: usize,
    over: bool,
}

impl Hits {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { spans: [(0, 0); FEW], len: 0, over: false }
    }

    /// Takes a list in.
    #[inline]
    pub(super) fn push(&mut self, span: (u32, u32)) {
        match self.spans.get_mut(self.len) {
            Some(place) => {
                *place = span;
                self.len = self.len.wrapping_add(1);
            }
            None => self.over = true,
        }
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The lists, if they are few enough to be merged.
    #[inline]
    pub(super) fn few(&self) -> Option<FewLists<'_>> {
        if self.over {
            return None;
        }
        let spans = self.spans.get(..self.len)?;
        if spans.len() > 2 {
            let sum = spans.iter().fold(0_usize, |sum, (start, end)| {
                sum.saturating_add(end.saturating_sub(*start) as usize)
            });
            if sum.saturating_mul(spans.len()) > MUCH {
                return None;
            }
        }
        Some(FewLists(spans))
    }
}

/// Lists that are few enough to be merged by their heads.
pub(super) struct FewLists<'h>(&'h [(u32, u32)]);

impl FewLists<'_> {
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Visits the rules in order, each once.
    #[inline]
    pub(super) fn merged(&self, postings: &[u16], mut visit: impl FnMut(u16) -> ControlFlow<()>) {
        match self.0 {
            [] => {}
            [span] => {
                let _ = list(postings, *span).iter().try_for_each(|rule| visit(*rule));
            }
            [one, other] => {
                let _ = merge_two(list(postings, *one), list(postings, *other), visit);
            }
            spans => merge(postings, spans, visit),
        }
    }
}

fn list(postings: &[u16], (start, end): (u32, u32)) -> &[u16] {
    postings.get(start as usize..end as usize).unwrap_or_default()
}

#[inline]
fn merge_two(
    mut one: &[u16],
    mut other: &[u16],
    mut visit: impl FnMut(u16) -> ControlFlow<()>,
) -> ControlFlow<()> {
    loop {
        match (one.split_first(), other.split_first()) {
            (Some((a, rest)), Some((b, rest_of_other))) => {
                if a <= b {
                    one = rest;
                }
                if b <= a {
                    other = rest_of_other;
                }
                visit(*a.min(b))?;
            }
            (Some(_), None) => return one.iter().try_for_each(|rule| visit(*rule)),
            (None, _) => return other.iter().try_for_each(|rule| visit(*rule)),
        }
    }
}

#[inline(never)]
fn merge(postings: &[u16], spans: &[(u32, u32)], mut visit: impl FnMut(u16) -> ControlFlow<()>) {
    let mut lists: [&[u16]; FEW] = [&[]; FEW];
    for (place, span) in lists.iter_mut().zip(spans) {
        *place = list(postings, *span);
    }
    let lists = lists.get_mut(..spans.len()).unwrap_or_default();
    while let Some(least) = lists.iter().filter_map(|list| list.first()).min().copied() {
        for list in lists.iter_mut() {
            if let Some((first, rest)) = list.split_first() {
                if *first == least {
                    *list = rest;
                }
            }
        }
        if visit(least).is_break() {
            return;
        }
    }
}

/// A set of rules, with a word that says which of its words are not empty.
pub(super) struct Bitmap<const WORDS: usize> {
    words: [u64; WORDS],
    filled: [u64; 16],
    /// The lists that were taken in already, of those with the lowest numbers.
    seen: [u64; SEEN_WORDS],
}

/// So many lists, 64 in a word, are taken in once only, however often they are found. The longest come first.
const SEEN_WORDS: usize = 16;

impl<const WORDS: usize> Bitmap<WORDS> {
    pub(super) const fn new() -> Self {
        Self { words: [0; WORDS], filled: [0; 16], seen: [0; SEEN_WORDS] }
    }

    /// Takes in the list of this number.
    pub(super) fn take(&mut self, number: u32, rules: &[u16]) {
        if let Some(word) = self.seen.get_mut((number >> 6) as usize) {
            let bit = 1 << (number & 63);
            if *word & bit != 0 {
                return;
            }
            *word |= bit;
        }
        for rule in rules {
            let at = usize::from(rule >> 6);
            if let Some(word) = self.words.get_mut(at) {
                *word |= 1 << (rule & 63);
            }
            if let Some(filled) = self.filled.get_mut(at >> 6) {
                *filled |= 1 << (at & 63);
            }
        }
    }

    /// Visits the rules in order.
    pub(super) fn each(&self, mut visit: impl FnMut(u16) -> ControlFlow<()>) -> ControlFlow<()> {
        for (block, filled) in (0_u16..16).zip(self.filled) {
            for place in bits(filled) {
                let at = block << 6 | place;
                let word = self.words.get(usize::from(at)).copied().unwrap_or(0);
                for bit in bits(word) {
                    visit(at << 6 | bit)?;
                }
            }
        }
        Continue(())
    }
}

/// The places of the bits of a word, ascending.
fn bits(mut word: u64) -> impl Iterator<Item = u16> {
    core::iter::from_fn(move || {
        // At most 64.
        let place = u16::try_from(word.trailing_zeros()).unwrap_or(0);
        let is_left = word != 0;
        word &= word.wrapping_sub(1);
        is_left.then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, vec::Vec};

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::test_support::cases;

    fn hits(spans: impl IntoIterator<Item = (u32, u32)>) -> Hits {
        let mut hits = Hits::new();
        spans.into_iter().for_each(|span| hits.push(span));
        hits
    }

    /// One or two lists are merged however long they are; more of them only where that takes few steps.
    #[test]
    fn many_lists_or_steps_are_for_a_bitmap() {
        for (lists, each, few) in [
            (0, 0, true),
            (1, 60_000, true),
            (2, 60_000, true),
            (3, 56, true),
            (3, 57, false),
            (4, 32, true),
            (4, 33, false),
            (16, 2, true),
            (16, 3, false),
            (17, 0, false),
        ] {
            let hits = hits((0..lists).map(|_| (7, 7 + each)));
            assert_eq!(hits.few().is_some(), few, "{lists} {each}");
            assert_eq!(hits.is_empty(), lists == 0);
        }
    }

    /// A list that was taken in is not looked at again, if it is one of the first.
    #[test]
    fn the_longest_lists_are_taken_in_once() {
        for (number, again) in
            [(0, false), (63, false), (64, false), (1_023, false), (1_024, true), (u32::MAX, true)]
        {
            let mut bitmap = Bitmap::<64>::new();
            bitmap.take(number ^ 1, &[3]);
            bitmap.take(number, &[1]);
            bitmap.take(number, &[2]);
            let mut found = Vec::new();
            let _ = bitmap.each(|rule| {
                found.push(rule);
                Continue(())
            });
            assert_eq!(found, if again { &[1, 2, 3][..] } else { &[1, 3] }, "{number}");
        }
    }

    proptest! {
        #![proptest_config(cases(300))]

        /// Both ways, in order, each rule once, and up to a break.
        #[test]
        fn what_is_visited_is_what_the_lists_have(
            lists in vec(vec(prop_oneof![0..200_u16, any::<u16>()], 0..8), 0..=FEW),
            most in 1..60_usize,
        ) {
            let mut postings: Vec<u16> = Vec::new();
            let mut bitmap = Bitmap::<1024>::new();
            let mut spans = Vec::new();
            for (number, list) in (0..).zip(&lists) {
                let list: Vec<u16> = list.iter().copied().collect::<BTreeSet<u16>>().into_iter().collect();
                let start = u32::try_from(postings.len()).unwrap();
                postings.extend(&list);
                spans.push((start, u32::try_from(postings.len()).unwrap()));
                bitmap.take(number, &list);
            }
            let all: BTreeSet<u16> = postings.iter().copied().collect();
            let right: Vec<u16> = all.into_iter().take(most).collect();
            let mut merged = Vec::new();
            FewLists(&spans).merged(&postings, |rule| {
                merged.push(rule);
                if merged.len() < most { Continue(()) } else { ControlFlow::Break(()) }
            });
            prop_assert_eq!(&merged, &right);
            let mut gathered = Vec::new();
            let _ = bitmap.each(|rule| {
                gathered.push(rule);
                if gathered.len() < most { Continue(()) } else { ControlFlow::Break(()) }
            });
            prop_assert_eq!(&gathered, &right);
        }
    }
}
