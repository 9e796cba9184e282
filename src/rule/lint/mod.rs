//! Doubts about rules that are valid: what is probably not meant, and what is slower than need be.
//!
//! A lint says only what is true of the rules as they are: a rule that is called unreachable is, and a
//! condition that is called constant is. What is not noticed may still be a mistake.
//!
//! # Bounds
//! Rules are compared with earlier ones, those first that have a part in common, until
//! [`MOST_COMPARED`](among::MOST_COMPARED) pairs of these and as many of all were looked at; so time is in
//! proportion to the rules, but for a fixed part.

mod alone;
mod among;
mod fold;
mod pattern;
#[cfg(test)]
mod tests;

use alloc::{string::String, vec::Vec};

use self::among::Earlier;
use super::{
    diagnostic::{Code, Diagnostic},
    index::Index,
    list::Lists,
    rule::Rule,
};

/// All doubts about rules in the order in which they are judged, rule by rule.
pub(super) fn lint(rules: &[Rule], lists: &Lists, index: &Index) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut earlier = Earlier::default();
    for (at, rule) in rules.iter().enumerate() {
        let before = found.len();
        let mut report = Report { rule, before, found: &mut found };
        alone::look(rule, lists, &mut report);
        if index.tries_always(at) && fold::truth(&rule.when.0).is_none() {
            report.add(
                Code::NotIndexed,
                String::from("no index can find this rule; it is tried for every request"),
                "add what has to be true of a path, a host, an address, a method or a header",
            );
        }
        among::look(rule, &mut earlier, &mut report);
    }
    found
}

/// Where doubts about one rule go.
struct Report<'r> {
    rule: &'r Rule,
    /// So many are about earlier rules.
    before: usize,
    found: &'r mut Vec<Diagnostic>,
}

impl Report<'_> {
    fn add(&mut self, code: Code, message: String, help: impl Into<String>) {
        let diagnostic =
            Diagnostic::of_whole(code, message).with_help(help).at_place(self.rule.place());
        // The same test twice in a rule is one doubt.
        let own = self.found.get(self.before..).unwrap_or_default();
        if !own.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }
}
