//! What a text must contain so that a regular expression can match it.
//!
//! For each part of an expression, from the inside out: all texts that it matches, if they are few; what
//! each of them begins with and ends with; and what each of them contains. Where letters match whatever
//! their case, all of this is in lower case.
//!
//! # Invariants
//! - **I1** every text that matches has one of the literals in its place; see [`Required`];
//! - **I2** a set holds no more than [`MOST`] literals with [`LONGEST`] bytes together, whatever the
//!   expression is. What does not fit is left out, or shortened.

use alloc::{boxed::Box, vec::Vec};
use core::iter;

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// The most literals of which one is required.
const MOST: usize = 32;
/// The most bytes of them together.
const LONGEST: usize = 4096;
/// How many times a part is written out that is repeated exactly so often.
const COPIES: u32 = 8;

/// One of these literals is in its place in every text that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Required {
    pub(crate) place: Place,
    /// At least one, and empty only where they are the whole text. In lower case if `folded`.
    pub(crate) literals: Box<[Box<[u8]>]>,
    /// Whether the case of ASCII letters of the text does not matter.
    pub(crate) folded: bool,
}

/// Where in a text a literal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is all of it.
    Whole,
    Start,
    End,
    Anywhere,
}

impl Required {
    /// The best that is known of an expression.
    pub(crate) fn of(hir: &Hir) -> Option<Self> {
        let folded = ignores_case(hir);
        let mut parts = Parts::of(hir, folded);
        let looks = hir.properties();
        let at_start = looks.look_set_prefix().contains(Look::Start);
        let at_end = looks.look_set_suffix().contains(Look::End);
        if at_start && at_end {
            if let Some(exact) = parts.exact.take().filter(|exact| !exact.is_empty()) {
                return Some(Self::new(Place::Whole, exact, folded));
            }
        }
        let anywhere = || [&parts.starts, &parts.ends].into_iter().chain(&parts.inside);
        let start = at_start.then_some((Place::Start, &parts.starts));
        let end = at_end.then_some((Place::End, &parts.ends));
        let all = anywhere().map(|set| (Place::Anywhere, set)).chain(end).chain(start);
        // That one of ten digits is anywhere says next to nothing.
        let useful = all.filter(|(place, set)| worth(set) > usize::from(*place == Place::Anywhere));
        let (place, set) = useful.max_by_key(|(place, set)| {
            // An anchored one is found in a step or two, and seldom by chance.
            worth(set).saturating_add(if *place == Place::Anywhere { 0 } else { 8 })
        })?;
        let mut set = set.clone();
        match place {
            Place::Start => without_longer(&mut set, |longer, text| longer.starts_with(text)),
            Place::End => without_longer(&mut set, |longer, text| longer.ends_with(text)),
            _ => without_longer(&mut set, |longer, text| {
                longer.windows(text.len()).any(|window| window == text)
            }),
        }
        Some(Self::new(place, set, folded))
    }

    fn new(place: Place, set: Set, folded: bool) -> Self {
        Self { place, literals: set.into_iter().map(Into::into).collect(), folded }
    }

    /// The memory of the literals, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.literals
            .iter()
            .fold(size_of_val(&*self.literals), |sum, literal| sum.saturating_add(literal.len()))
    }
}

/// The text that an expression is, apart from anchors and groups, and where it has to be.
pub(crate) fn literal(hir: &Hir) -> Option<(Place, Box<[u8]>)> {
    let mut parts = match hir.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => core::slice::from_ref(hir),
    };
    let is = |part: &Hir, look| *part.kind() == HirKind::Look(look);
    let (mut start, mut end) = (false, false);
    while let Some((_, rest)) = parts.split_first().filter(|(first, _)| is(first, Look::Start)) {
        (start, parts) = (true, rest);
    }
    while let Some((_, rest)) = parts.split_last().filter(|(last, _)| is(last, Look::End)) {
        (end, parts) = (true, rest);
    }
    let bytes: Box<[u8]> = match parts {
        [] if start && end => Box::default(),
        [part] => {
            let mut part = part;
            while let HirKind::Capture(group) = part.kind() {
                part = &group.sub;
            }
            let HirKind::Literal(literal) = part.kind() else { return None };
            literal.0.clone()
        }
        _ => return None,
    };
    let place = match (start, end) {
        (true, true) => Place::Whole,
        (true, false) => Place::Start,
        (false, true) => Place::End,
        (false, false) => Place::Anywhere,
    };
    Some((place, bytes))
}

type Set = Vec<Vec<u8>>;

/// What is known of all texts that a part matches.
struct Parts {
    /// All of them.
    exact: Option<Set>,
    /// Each begins with one of these.
    starts: Set,
    /// Each ends with one of these.
    ends: Set,
    /// Each contains one of these.
    inside: Option<Set>,
}

impl Parts {
    /// They are all of a set.
    fn exactly(mut set: Set) -> Self {
        set.sort_unstable();
        set.dedup();
        if set.len() <= MOST && bytes(&set) <= LONGEST {
            let inside = Some(set.clone());
            return Self { starts: set.clone(), ends: set.clone(), inside, exact: Some(set) };
        }
        let starts = trimmed(set.clone(), Vec::truncate);
        let ends = trimmed(set, keep_end);
        let inside = Some(starts.clone());
        Self { starts, ends, inside, exact: None }
    }

    fn unknown() -> Self {
        let all = || iter::once(Vec::new()).collect();
        Self { exact: None, starts: all(), ends: all(), inside: None }
    }

    fn of(hir: &Hir, folded: bool) -> Self {
        match hir.kind() {
            // What looks around matches no bytes; where it fails, nothing is matched at all.
            HirKind::Empty | HirKind::Look(_) => Self::exactly(iter::once(Vec::new()).collect()),
            HirKind::Literal(literal) => {
                let mut text = literal.0.to_vec();
                if folded {
                    text.make_ascii_lowercase();
                }
                Self::exactly(iter::once(text).collect())
            }
            HirKind::Class(class) => match members(class) {
                Some(members) => {
                    let lower = |byte: u8| if folded { byte.to_ascii_lowercase() } else { byte };
                    Self::exactly(members.map(|byte| iter::once(lower(byte)).collect()).collect())
                }
                None => Self::unknown(),
            },
            HirKind::Capture(group) => Self::of(&group.sub, folded),
            HirKind::Concat(parts) => {
                // What is known exactly is joined first: between what is not, it stays whole.
                let mut runs: Vec<Self> = Vec::new();
                for part in parts.iter().map(|part| Self::of(part, folded)) {
                    let last = runs.last_mut();
                    let joined = last.and_then(|last| {
                        let exact = product(last.exact.as_ref(), part.exact.as_ref())?;
                        *last = Self::exactly(exact);
                        Some(())
                    });
                    if joined.is_none() {
                        runs.push(part);
                    }
                }
                let mut runs = runs.into_iter();
                let first = runs.next().unwrap_or_else(Self::unknown);
                runs.fold(first, |left, right| left.then(&right))
            }
            HirKind::Alternation(ways) => {
                let mut ways = ways.iter().map(|way| Self::of(way, folded));
                let first = ways.next().unwrap_or_else(Self::unknown);
                ways.fold(first, Self::or)
            }
            HirKind::Repetition(repetition) => {
                let once = Self::of(&repetition.sub, folded);
                match (repetition.min, repetition.max) {
                    (0, Some(1)) => once.or(Self::exactly(iter::once(Vec::new()).collect())),
                    (0, _) => Self::unknown(),
                    (least, Some(most)) if least == most && least <= COPIES => {
                        (1..least).fold(once.copy(), |left, _| left.then(&once))
                    }
                    _ => Self { exact: None, ..once },
                }
            }
        }
    }

    fn copy(&self) -> Self {
        Self {
            exact: self.exact.clone(),
            starts: self.starts.clone(),
            ends: self.ends.clone(),
            inside: self.inside.clone(),
        }
    }

    /// One after the other.
    fn then(self, right: &Self) -> Self {
        if let Some(exact) = product(self.exact.as_ref(), right.exact.as_ref()) {
            return Self::exactly(exact);
        }
        let starts = product(self.exact.as_ref(), Some(&right.starts));
        let ends = product(Some(&self.ends), right.exact.as_ref());
        let between = product(Some(&self.ends), Some(&right.starts));
        let inside = [self.inside, right.inside.clone(), between].into_iter().flatten();
        let inside = inside.max_by_key(worth);
        Self {
            exact: None,
            starts: starts.unwrap_or(self.starts),
            ends: ends.unwrap_or_else(|| right.ends.clone()),
            inside,
        }
    }

    /// The one or the other.
    fn or(self, other: Self) -> Self {
        let both = |a: Set, b: Set| -> Set { a.into_iter().chain(b).collect() };
        if let (Some(a), Some(b)) = (&self.exact, &other.exact) {
            return Self::exactly(both(a.clone(), b.clone()));
        }
        Self {
            exact: None,
            starts: trimmed(both(self.starts, other.starts), Vec::truncate),
            ends: trimmed(both(self.ends, other.ends), keep_end),
            inside: self.inside.zip(other.inside).map(|(a, b)| trimmed(both(a, b), Vec::truncate)),
        }
    }
}

/// Each of the one before each of the other; `None` if that is unknown or too much.
fn product(left: Option<&Set>, right: Option<&Set>) -> Option<Set> {
    let (left, right) = (left?, right?);
    let size = bytes(left)
        .saturating_mul(right.len())
        .saturating_add(bytes(right).saturating_mul(left.len()));
    if left.len().saturating_mul(right.len()) > MOST || size > LONGEST {
        return None;
    }
    let each = left.iter().flat_map(|start| right.iter().map(move |end| [&**start, end].concat()));
    Some(each.collect())
}

/// A set that fits, because what it holds is shortened until enough of it is the same.
fn trimmed(mut set: Set, shorten: fn(&mut Vec<u8>, usize)) -> Set {
    set.sort_unstable();
    set.dedup();
    let mut length = set.iter().map(Vec::len).max().unwrap_or(0);
    while set.len() > MOST || bytes(&set) > LONGEST {
        // By a quarter, so that it takes few rounds; at nothing, one is left.
        length = length.saturating_sub((length / 4).max(1));
        set.iter_mut().for_each(|text| shorten(text, length));
        set.sort_unstable();
        set.dedup();
    }
    set
}

fn keep_end(text: &mut Vec<u8>, length: usize) {
    text.drain(..text.len().saturating_sub(length));
}

/// Drops what another of the set is found in anyway.
fn without_longer(set: &mut Set, has: impl Fn(&[u8], &[u8]) -> bool) {
    set.sort_unstable_by_key(Vec::len);
    let mut kept: Set = Vec::with_capacity(set.len());
    for text in set.drain(..) {
        if !kept.iter().any(|other| has(&text, other)) {
            kept.push(text);
        }
    }
    *set = kept;
}

fn bytes(set: &Set) -> usize {
    set.iter().map(Vec::len).fold(0, usize::saturating_add)
}

fn shortest(set: &Set) -> usize {
    set.iter().map(Vec::len).min().unwrap_or(0)
}

/// How seldom one of them is met by chance, roughly: a byte more outweighs twice as many of them.
fn worth(set: &Set) -> usize {
    match shortest(set) {
        0 => 0,
        length => {
            let doublings = set.len().checked_ilog2().unwrap_or(0) as usize;
            length.saturating_mul(4).saturating_sub(doublings.saturating_mul(3)).max(1)
        }
    }
}

/// The bytes of a class, if they are few.
fn members(class: &Class) -> Option<impl Iterator<Item = u8>> {
    let Class::Bytes(class) = class else { return None };
    let count = class.iter().map(|range| usize::from(range.end().wrapping_sub(range.start())));
    if count.fold(class.ranges().len(), usize::saturating_add) > MOST {
        return None;
    }
    Some(class.iter().flat_map(|range| range.start()..=range.end()))
}

/// Whether anything in it is one letter in both cases.
fn ignores_case(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => false,
        HirKind::Class(class) => {
            let mut members = members(class).into_iter().flatten();
            let pair = (members.next(), members.next(), members.next());
            matches!(pair, (Some(a), Some(b), None) if a != b && a.eq_ignore_ascii_case(&b))
        }
        HirKind::Capture(group) => ignores_case(&group.sub),
        HirKind::Repetition(repetition) => ignores_case(&repetition.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(ignores_case),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I2, at its limits: what just fits stays as it is.
    #[test]
    fn a_set_is_shortened_only_if_it_does_not_fit() {
        let texts = |count: u8| -> Set { (0..count).map(|at| [b'a', at].to_vec()).collect() };
        let most = u8::try_from(MOST).unwrap();
        assert_eq!(trimmed(texts(most), Vec::truncate), texts(most));
        assert_eq!(trimmed(texts(most + 1), Vec::truncate), [b"a"]);
        let longest = || -> Set { iter::once(b"a".repeat(LONGEST)).collect() };
        assert_eq!(trimmed(longest(), keep_end), longest());
        let longer: Set = iter::once(b"a".repeat(LONGEST + 1)).collect();
        assert!(bytes(&trimmed(longer, keep_end)) < LONGEST);
    }

    #[test]
    fn a_product_is_made_as_long_as_it_fits() {
        let set = |length| -> Set { iter::once(b"a".repeat(length)).collect() };
        let product = |left, right| product(Some(&set(left)), Some(&set(right)));
        assert_eq!(product(LONGEST - 1, 1), Some(set(LONGEST)));
        assert_eq!(product(LONGEST, 1), None);
    }
}
