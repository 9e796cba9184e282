//! What a word was perhaps meant to be.
//!
//! The distance of two words is the fewest letters to put in, leave out, exchange or swap with their
//! neighbour (the restricted distance of Damerau and Levenshtein): `pth` is one away from `path`.
//!
//! # Cost
//! A comparison takes time in proportion to both lengths, which are bounded: words of more than
//! [`LONGEST`] bytes are not looked at. Nothing is allocated but three rows.

use alloc::vec::Vec;
use core::mem::swap;

/// The longest words that are compared, in bytes.
const LONGEST: usize = 64;

/// The candidate that is closest to a word, if one is close: no further than a third of the word's
/// length, and at least one letter. Of several, the first.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = lower(word);
    let far = word.len().checked_div(3).unwrap_or(0).max(1);
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        // Most are ruled out by their length alone.
        if candidate.len() > LONGEST || candidate.len().abs_diff(word.len()) > far {
            continue;
        }
        let away = distance(&word, &lower(candidate));
        // A word of which every letter was exchanged is another word.
        let alike = away <= far && away < word.len();
        if alike && best.is_none_or(|(least, _)| away < least) {
            best = Some((away, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Bytes are compared: names are ASCII, and for what is not the distance is only larger.
fn lower(word: &str) -> Vec<u8> {
    word.bytes().map(|byte| byte.to_ascii_lowercase()).collect()
}

/// The rows of the usual table, of which only the last three are kept: `row[j]` is the distance of the
/// part of `one` that was seen so far and of the first `j` bytes of `other`.
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut before: Option<u8> = None;
    for (i, a) in one.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        let mut left = i.saturating_add(1);
        row.push(left);
        let mut b_before: Option<u8> = None;
        for (j, b) in other.iter().enumerate() {
            let diagonal = at(&last, j).saturating_add(usize::from(a != b));
            let above = at(&last, j.saturating_add(1)).saturating_add(1);
            left = diagonal.min(above).min(left.saturating_add(1));
            let swapped = before == Some(*b) && b_before == Some(*a);
            if let (true, Some(j)) = (swapped, j.checked_sub(1)) {
                left = left.min(at(&before_last, j).saturating_add(1));
            }
            row.push(left);
            b_before = Some(*b);
        }
        before = Some(*a);
        swap(&mut before_last, &mut last);
        last = row;
    }
    last.last().copied().unwrap_or(0)
}

fn at(row: &[usize], j: usize) -> usize {
    row.get(j).copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::{LONGEST, closest, distance};
    use crate::test_support::cases;

    /// By its definition, without a table.
    fn slow(one: &[u8], other: &[u8]) -> usize {
        let (Some((a, one_rest)), Some((b, other_rest))) = (one.split_last(), other.split_last())
        else {
            return one.len().max(other.len());
        };
        let mut least = slow(one_rest, other_rest) + usize::from(a != b);
        least = least.min(slow(one_rest, other) + 1).min(slow(one, other_rest) + 1);
        if let ([one @ .., c, a], [other @ .., d, b]) = (one, other) {
            if a == d && b == c {
                least = least.min(slow(one, other) + 1);
            }
        }
        least
    }

    fn short() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(b'a'..=b'c', 0..6)
    }

    proptest! {
        #![proptest_config(cases(300))]

        #[test]
        fn the_distance_is_as_defined(one in short(), other in short()) {
            prop_assert_eq!(distance(&one, &other), slow(&one, &other));
        }
    }

    #[test]
    fn what_is_close_is_found_and_what_is_not_is_not() {
        assert_eq!(
            closest("hosx", ["hosta", "hosa", "hosb"]),
            Some("hosa"),
            "the first of the closest"
        );
        let fields = ["http.request.uri.path", "path", "host", "http.host", "ip.src", "score"];
        for (word, meant) in [
            ("http.request.uri.pth", Some("http.request.uri.path")),
            ("pth", Some("path")),
            ("paht", Some("path")),
            ("Path", Some("path")),
            ("hots", Some("host")),
            ("ip.source", Some("ip.src")),
            ("scores", Some("score")),
            ("tenant", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest(word, fields), meant, "{word}");
        }
        assert_eq!(closest("ab", ["abc", "ab"]), Some("ab"), "the closest, not the first");
        assert_eq!(closest("a", ["b"]), None, "another word altogether");
        let long = "a".repeat(LONGEST + 1);
        assert_eq!(closest(&long, [&long[..]]), None, "words that long are not compared");
        let longest = &long[1..];
        assert_eq!(closest(longest, [&long[..]]), None, "nor with such words");
        assert_eq!(closest(longest, [longest]), Some(longest));
    }
}
