//! Wildcards: `*` stands for any bytes, also none; the pattern is anchored at both ends.
//!
//! `\*` is a star and `\\` a backslash; any other backslash is itself.
//!
//! # Invariants
//! - **I1** it holds for the same texts as the evaluator that tries every way to share a text out;
//! - **I2** judging takes time linear in the text for each star. The parts between stars are found from
//!   left to right, each as early as possible: where any way succeeds, so does this one, hence nothing
//!   is tried twice;
//! - **I3** what [`head`](Wildcard::head), [`tail`](Wildcard::tail) and
//!   [`longest_literal`](Wildcard::longest_literal) say is so in every text that matches.
//!
//! # Bounds
//! Eight stars, and no two in a row: those would say what one says.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use super::search::{Needle, ends_with_folded, starts_with_folded};

/// The most stars of a pattern, without those that are escaped.
pub(crate) const MOST_STARS: usize = 8;

/// A pattern with stars, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Wildcard {
    strict: bool,
    /// Before the first star: all of it, if there is none. In lower case unless strict.
    head: Box<[u8]>,
    /// Between stars, never empty.
    middle: Box<[Needle]>,
    /// After the last star; `None` if there is none.
    tail: Option<Box<[u8]>>,
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WildcardError {
    /// Two stars in a row, of which the second is at this byte.
    DoubleStar { at: usize },
    /// More stars than [`MOST_STARS`]; the first too many is at this byte.
    TooManyStars { at: usize },
}

impl WildcardError {
    /// The byte of the pattern that is wrong.
    pub(crate) const fn at(self) -> usize {
        match self {
            Self::DoubleStar { at } | Self::TooManyStars { at } => at,
        }
    }
}

impl fmt::Display for WildcardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DoubleStar { .. } => {
                f.write_str("two stars in a row say no more than one; a star itself is `\\*`")
            }
            Self::TooManyStars { .. } => write!(f, "more than {MOST_STARS} stars"),
        }
    }
}

impl core::error::Error for WildcardError {}

impl Wildcard {
    /// Compiles a pattern, which looks at the case of ASCII letters only if `strict`.
    ///
    /// # Errors
    /// Two stars in a row, or more than [`MOST_STARS`].
    pub(crate) fn new(pattern: &[u8], strict: bool) -> Result<Self, WildcardError> {
        let mut parts = split(pattern)?;
        if !strict {
            parts.iter_mut().for_each(|part| part.make_ascii_lowercase());
        }
        let tail = if parts.len() > 1 { parts.pop() } else { None };
        let mut parts = parts.into_iter();
        let head = parts.next().unwrap_or_default().into();
        let middle = parts.map(|part| Needle::new(&part, strict)).collect();
        Ok(Self { strict, head, middle, tail: tail.map(Into::into) })
    }

    /// Whether all of the text is as the pattern says.
    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        let Some(tail) = &self.tail else {
            return text.len() == self.head.len() && self.starts(text);
        };
        if !self.starts(text) {
            return false;
        }
        // What a head takes, a tail can not have too.
        let Some(mut rest) = text.get(self.head.len()..) else { return false };
        let ends = if self.strict && !tail.is_empty() {
            rest.ends_with(tail)
        } else {
            ends_with_folded(rest, tail)
        };
        if !ends {
            return false;
        }
        rest = rest.get(..rest.len().saturating_sub(tail.len())).unwrap_or_default();
        for needle in &self.middle {
            let Some(at) = needle.find(rest) else { return false };
            rest = rest.get(at.saturating_add(needle.part().len())..).unwrap_or_default();
        }
        true
    }

    /// What every text begins with; in lower case unless strict.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// What every text ends with; in lower case unless strict.
    pub(crate) fn tail(&self) -> &[u8] {
        self.tail.as_deref().unwrap_or(&self.head)
    }

    /// The longest part that is in every text; in lower case unless strict.
    pub(crate) fn longest_literal(&self) -> &[u8] {
        let middle = self.middle.iter().map(Needle::part);
        let parts = middle.chain([self.tail(), self.head()]);
        parts.max_by_key(|part| part.len()).unwrap_or_default()
    }

    /// The memory of what is compiled, in bytes, without the struct itself.
    pub(crate) fn memory_bytes(&self) -> usize {
        let middle = self.middle.iter().fold(size_of_val::<[Needle]>(&self.middle), |sum, part| {
            sum.saturating_add(part.memory_bytes())
        });
        let ends = self.head.len().saturating_add(self.tail.as_ref().map_or(0, |tail| tail.len()));
        middle.saturating_add(ends)
    }

    fn starts(&self, text: &[u8]) -> bool {
        // An empty part has no place in memory, and some machines are slow to compare with it.
        if self.strict && !self.head.is_empty() {
            text.starts_with(&self.head)
        } else {
            starts_with_folded(text, &self.head)
        }
    }
}

/// The parts around the stars, one more than there are stars, without escapes.
fn split(pattern: &[u8]) -> Result<Vec<Vec<u8>>, WildcardError> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut bytes = pattern.iter().copied().enumerate().peekable();
    let mut after_star = false;
    while let Some((at, byte)) = bytes.next() {
        if byte == b'*' {
            if after_star {
                return Err(WildcardError::DoubleStar { at });
            }
            if parts.len() == MOST_STARS {
                return Err(WildcardError::TooManyStars { at });
            }
            parts.push(core::mem::take(&mut part));
            after_star = true;
            continue;
        }
        after_star = false;
        let escaped = bytes.next_if(|(_, next)| byte == b'\\' && matches!(next, b'*' | b'\\'));
        part.push(escaped.map_or(byte, |(_, escaped)| escaped));
    }
    parts.push(part);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        rule::reference,
        test_support::{cases, rounds},
    };

    fn bytes(from: &'static [u8], longest: usize) -> impl Strategy<Value = Vec<u8>> {
        vec(prop_oneof![8 => prop::sample::select(from), 1 => any::<u8>()], 0..=longest)
    }

    /// A text that matches: stars give way to something.
    fn filled(pattern: &[u8], fillings: &[Vec<u8>]) -> Vec<u8> {
        let parts = split(pattern).unwrap();
        let mut text = parts[0].clone();
        for (at, part) in parts[1..].iter().enumerate() {
            text.extend_from_slice(fillings.get(at).map_or(b"", |filling| filling));
            text.extend_from_slice(part);
        }
        text
    }

    proptest! {
        #![proptest_config(cases(3_000))]

        /// I1 and I3.
        #[test]
        fn it_holds_as_if_every_way_were_tried(
            pattern in bytes(b"abA***\\\\", 10),
            text in bytes(b"aabAB*\\", 14),
            fillings in vec(bytes(b"abA*", 3), 8),
            made in any::<bool>(),
            strict in any::<bool>(),
        ) {
            let Ok(wildcard) = Wildcard::new(&pattern, strict) else { return Ok(()) };
            let text = if made { filled(&pattern, &fillings) } else { text };
            let expected = reference::wildcard(&pattern, &text, strict);
            prop_assert_eq!(wildcard.is_match(&text), expected);
            prop_assert!(expected || !made);
            if expected {
                let text = if strict { text } else { text.to_ascii_lowercase() };
                prop_assert!(text.starts_with(wildcard.head()));
                prop_assert!(text.ends_with(wildcard.tail()));
                prop_assert!(Needle::new(wildcard.longest_literal(), true).is_in(&text));
            }
        }
    }

    #[test]
    fn too_many_stars_are_refused_where_they_are() {
        let error = |pattern: &[u8]| Wildcard::new(pattern, false).map(|_| ()).unwrap_err();
        assert_eq!(error(b"a**"), WildcardError::DoubleStar { at: 2 });
        assert_eq!(error(b"\\***"), WildcardError::DoubleStar { at: 3 });
        assert_eq!(error(&b"a*".repeat(9)), WildcardError::TooManyStars { at: 17 });
        assert_eq!(error(b"a**").at(), 2);
        assert!(Wildcard::new(&b"a*".repeat(8), false).is_ok());
        assert!(Wildcard::new(b"*\\**\\*", false).is_ok());
    }

    #[test]
    fn escapes_are_read_from_the_left() {
        let holds = |pattern: &str, text: &str| {
            Wildcard::new(pattern.as_bytes(), true).unwrap().is_match(text.as_bytes())
        };
        assert!(holds(r"a\*b", "a*b") && !holds(r"a\*b", "axb"));
        assert!(holds(r"a\\*b", r"a\xb") && !holds(r"a\\*b", "a*b"));
        assert!(holds(r"a\b", r"a\b") && holds("a\\", "a\\"));
    }

    /// I2: a pattern that makes backtracking exponential, and parts that make a naive search quadratic.
    #[test]
    fn texts_made_for_it_take_no_longer() {
        let pattern = [b"*".to_vec(), b"aaaaaaaaaaaaaaaaaaab*".repeat(7)].concat();
        let wildcard = Wildcard::new(&pattern, false).unwrap();
        assert!(!wildcard.is_match(&b"aA".repeat(rounds(100_000, 200))));
        assert!(wildcard.memory_bytes() < 1_000);
    }
}
