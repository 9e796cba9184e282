//! What can be told of a regular expression without compiling it.
//!
//! Whatever is not understood is taken to be a true pattern.

use alloc::vec::Vec;

use super::super::{
    expr::{Literal, Test},
    pattern::{Place, literal},
};

/// The test that says the same as a pattern that is only a literal, and whether it is of the value in
/// lower case.
pub(super) fn as_literal(regex: &str) -> Option<(Test, bool)> {
    let (regex, folded) = match regex.strip_prefix("(?i)") {
        Some(rest) => (rest, true),
        None => (regex, false),
    };
    // What may come before the first match or after the last changes nothing.
    let regex = regex.strip_prefix(".*").unwrap_or(regex);
    let regex = regex.strip_suffix(".*").filter(|rest| !ends_in_escape(rest)).unwrap_or(regex);
    let (place, mut literal) = literal(regex)?;
    if folded {
        // Only ASCII letters have a lower case here, and in these patterns.
        literal.make_ascii_lowercase();
    }
    let test = match place {
        Place::Whole => Test::Eq(Literal::Bytes(literal)),
        Place::Start => Test::StartsWith(literal),
        Place::End => Test::EndsWith(literal),
        Place::Anywhere => Test::Contains(literal),
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
