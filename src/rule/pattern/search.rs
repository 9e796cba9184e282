//! One part, looked for in a text: as it is, or whatever the case of its ASCII letters.
//!
//! # Invariants
//! - **I1** what is found is the leftmost occurrence, the same as by trying every place;
//! - **I2** a search takes time linear in the text alone, for every pair of part and text. The
//!   case-insensitive search is that of Knuth, Morris and Pratt, which never looks at a byte of the text
//!   twice more than it has advanced; between attempts it skips to the first letter;
//! - **I3** nothing is copied or allocated by a search.
//!
//! # Memory
//! The part, and as much again at most as a case-insensitive one needs for its table: 4 bytes a byte.

use alloc::{boxed::Box, vec::Vec};

use memchr::{memchr2, memmem::Finder};

/// A part to look for.
#[derive(Clone, Debug)]
pub(crate) struct Needle(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Strict(Box<Finder<'static>>),
    Folded(Folded),
}

impl Needle {
    /// A part, to be found as it is if `strict`, and whatever the case of ASCII letters otherwise.
    pub(crate) fn new(part: &[u8], strict: bool) -> Self {
        // Without letters both are the same, and the strict search is the faster.
        Self(if strict || !part.iter().any(u8::is_ascii_alphabetic) {
            Kind::Strict(Box::new(Finder::new(part).into_owned()))
        } else {
            Kind::Folded(Folded::new(part))
        })
    }

    /// The part: in lower case where case does not matter.
    pub(crate) fn part(&self) -> &[u8] {
        match &self.0 {
            Kind::Strict(finder) => finder.needle(),
            Kind::Folded(folded) => &folded.part,
        }
    }

    /// Where the part begins first; the empty one does at once.
    pub(crate) fn find(&self, text: &[u8]) -> Option<usize> {
        match &self.0 {
            Kind::Strict(finder) => finder.find(text),
            Kind::Folded(folded) => folded.find(text),
        }
    }

    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }

    /// The memory of what is compiled, in bytes, without the struct itself.
    pub(crate) fn memory_bytes(&self) -> usize {
        match &self.0 {
            Kind::Strict(finder) => size_of::<Finder<'_>>().saturating_add(finder.needle().len()),
            Kind::Folded(folded) => {
                folded.part.len().saturating_add(size_of_val::<[u32]>(&folded.borders))
            }
        }
    }
}

/// Whether the text begins with the part, whatever the case of ASCII letters.
pub(crate) fn starts_with_folded(text: &[u8], part: &[u8]) -> bool {
    text.get(..part.len()).is_some_and(|start| start.eq_ignore_ascii_case(part))
}

/// Whether the text ends with the part, whatever the case of ASCII letters.
pub(crate) fn ends_with_folded(text: &[u8], part: &[u8]) -> bool {
    let start = text.len().checked_sub(part.len());
    start.and_then(|start| text.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(part))
}

#[derive(Clone, Debug)]
struct Folded {
    /// In lower case, never empty.
    part: Box<[u8]>,
    /// For each place: the length of the longest proper border of the part up to and with it.
    borders: Box<[u32]>,
}

impl Folded {
    fn new(part: &[u8]) -> Self {
        let part: Box<[u8]> = part.to_ascii_lowercase().into();
        let mut borders: Vec<u32> = Vec::with_capacity(part.len());
        let mut border = 0;
        for byte in &*part {
            if !borders.is_empty() {
                border = extended(&part, &borders, border, *byte);
            }
            borders.push(u32::try_from(border).unwrap_or(u32::MAX));
        }
        Self { part, borders: borders.into() }
    }

    fn find(&self, text: &[u8]) -> Option<usize> {
        let first = *self.part.first()?;
        let mut at: usize = 0;
        loop {
            at = at.saturating_add(memchr2(first, first.to_ascii_uppercase(), text.get(at..)?)?);
            // As much of the part ends before `at`.
            let mut matched = 0;
            for byte in text.get(at..)? {
                matched = extended(&self.part, &self.borders, matched, byte.to_ascii_lowercase());
                at = at.saturating_add(1);
                if matched == self.part.len() {
                    return at.checked_sub(matched);
                }
                if matched == 0 {
                    break;
                }
            }
            if matched != 0 {
                return None;
            }
        }
    }
}

/// How much of the part ends with this byte, if `matched` of it ended before.
#[inline]
fn extended(part: &[u8], borders: &[u32], mut matched: usize, byte: u8) -> usize {
    loop {
        if part.get(matched) == Some(&byte) {
            return matched.saturating_add(1);
        }
        let Some(shorter) = matched.checked_sub(1).and_then(|last| borders.get(last)) else {
            return 0;
        };
        matched = *shorter as usize;
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::test_support::{cases, rounds};

    fn slow(part: &[u8], text: &[u8], strict: bool) -> Option<usize> {
        let same = |window: &[u8]| {
            if strict { window == part } else { window.eq_ignore_ascii_case(part) }
        };
        (0..=text.len()).find(|at| text.get(*at..*at + part.len()).is_some_and(same))
    }

    /// Few letters, so that parts overlap with themselves.
    fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
        vec(prop_oneof![5 => prop::sample::select(b"aAbB".to_vec()), 1 => any::<u8>()], 0..=longest)
    }

    proptest! {
        #![proptest_config(cases(2_000))]

        /// I1.
        #[test]
        fn the_leftmost_occurrence_is_found(part in bytes(6), text in bytes(40), strict in any::<bool>()) {
            let needle = Needle::new(&part, strict);
            prop_assert_eq!(needle.find(&text), slow(&part, &text, strict));
            prop_assert_eq!(needle.is_in(&text), slow(&part, &text, strict).is_some());
            prop_assert!(needle.part().eq_ignore_ascii_case(&part));
        }

        #[test]
        fn ends_are_compared_whatever_the_case(part in bytes(4), text in bytes(6)) {
            let (lower, within) = (part.to_ascii_lowercase(), text.to_ascii_lowercase());
            prop_assert_eq!(starts_with_folded(&text, &part), within.starts_with(&lower));
            prop_assert_eq!(ends_with_folded(&text, &part), within.ends_with(&lower));
        }
    }

    /// I2: the steps of a search, counted in comparisons, are at most two for each byte.
    #[test]
    fn texts_made_for_it_take_no_longer() {
        let text = b"aA".repeat(rounds(200_000, 500));
        let mut part = b"a".repeat(rounds(10_000, 50));
        part.push(b'b');
        let needle = Needle::new(&part, false);
        assert_eq!(needle.find(&text), None);
        let text = [&text[..], b"AB"].concat();
        assert_eq!(needle.find(&text), Some(text.len() - part.len()));
    }

    #[test]
    fn memory_is_a_table_of_the_part() {
        assert_eq!(Needle::new(b"abc", false).memory_bytes(), 15);
        assert!(Needle::new(b"abc", true).memory_bytes() < 500);
    }
}
