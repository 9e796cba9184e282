//! What can be told of a regular expression by its letters, without compiling it.
//!
//! Whatever is not understood is taken to be a true pattern.

use alloc::{boxed::Box, vec::Vec};

use super::super::expr::{Literal, Test};

/// The test that says the same as a pattern that is only a literal, and whether it is of the value in
/// lower case.
pub(super) fn as_literal(regex: &str) -> Option<(Test, bool)> {
    let (regex, folded) = match regex.strip_prefix("(?i)") {
        Some(rest) => (rest, true),
        None => (regex, false),
    };
    let (starts, rest) = match regex.strip_prefix('^') {
        Some(rest) => (true, rest),
        // What may come before the first match changes nothing.
        None => (false, regex.strip_prefix(".*").unwrap_or(regex)),
    };
    let (ends, rest) = match rest.strip_suffix('$') {
        Some(rest) if !ends_in_escape(rest) => (true, rest),
        _ => (false, rest.strip_suffix(".*").filter(|rest| !ends_in_escape(rest)).unwrap_or(rest)),
    };
    let mut literal = Vec::new();
    let mut letters = rest.bytes();
    while let Some(letter) = letters.next() {
        literal.push(match letter {
            b'\\' => letters.next().filter(u8::is_ascii_punctuation)?,
            letter if META.contains(&letter) => return None,
            letter => letter,
        });
    }
    if folded {
        // Only ASCII letters have a lower case here, and in these patterns.
        literal.make_ascii_lowercase();
    }
    let literal: Box<[u8]> = literal.into();
    // `^` and `$` alone are not what their tests would be.
    if literal.is_empty() && !(starts && ends) {
        return None;
    }
    let test = match (starts, ends) {
        (true, true) => Test::Eq(Literal::Bytes(literal)),
        (true, false) => Test::StartsWith(literal),
        (false, true) => Test::EndsWith(literal),
        (false, false) => Test::Contains(literal),
    };
    Some((test, folded))
}

/// Whether each alternative begins with `^` and ends with `$`.
pub(super) fn is_anchored(regex: &str) -> bool {
    let regex = regex.strip_prefix("(?i)").unwrap_or(regex);
    alternatives(regex).iter().all(|one| {
        let end = one.strip_suffix('$').or_else(|| one.strip_suffix(r"\z"));
        (one.starts_with('^') || one.starts_with(r"\A"))
            && end.is_some_and(|rest| !ends_in_escape(rest))
    })
}

/// Whether a match has to have a letter that is known; told generously.
pub(super) fn has_literal(regex: &str) -> bool {
    let mut escaped = false;
    alternatives(regex).iter().all(|one| {
        one.bytes().any(|letter| {
            let literal = !escaped && !META.contains(&letter);
            escaped = !escaped && letter == b'\\';
            literal
        })
    })
}

const META: &[u8] = br"\.+*?()|[]{}^$";

/// Whether an odd number of backslashes is at the end.
fn ends_in_escape(regex: &str) -> bool {
    regex.bytes().rev().take_while(|letter| *letter == b'\\').count() % 2 == 1
}

/// The parts between bars that stand outside of groups and classes.
fn alternatives(regex: &str) -> Vec<&str> {
    let (mut depth, mut class, mut escaped) = (0_usize, false, false);
    let mut parts = Vec::new();
    let mut start = 0_usize;
    for (at, letter) in regex.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            _ if class => {}
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => {
                parts.extend(regex.get(start..at));
                start = at.saturating_add(1);
            }
            _ => {}
        }
    }
    parts.extend(regex.get(start..));
    parts
}
