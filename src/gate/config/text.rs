//! A string of the file: what it says, and where in the file each of its bytes stands.
//!
//! An expression is read from the decoded string, and its mistakes are shown in the file. A literal
//! string (`'…'`) stands there byte for byte; in a basic string (`"…"`) an escape of several bytes stands
//! for a character, and a line that ends in a backslash for nothing.
//!
//! # Invariants
//! - **I1** a place in the string is mapped to a place inside the string's own place in the file, and
//!   later places never to earlier ones.

use alloc::string::String;
use core::ops::Range;

/// A string of the file.
#[derive(Clone, Debug)]
pub(super) struct Text<'a> {
    /// What it says.
    pub(super) value: &'a str,
    /// How it is written, with its quotes.
    pub(super) raw: &'a str,
    /// Where that begins in the file.
    pub(super) at: usize,
    /// What it is for a reader: `rule "login-flood", when`.
    pub(super) place: String,
}

impl Text<'_> {
    /// Where the whole string is in the file, with its quotes.
    pub(super) fn span(&self) -> Range<usize> {
        self.at..self.at.saturating_add(self.raw.len())
    }

    /// Where these bytes of the string are in the file.
    pub(super) fn span_of(&self, part: Range<usize>) -> Range<usize> {
        let (start, end) = (self.offset_of(part.start, true), self.offset_of(part.end, false));
        match (start, end) {
            (Some(start), Some(end)) => {
                let start = self.at.saturating_add(start);
                start..self.at.saturating_add(end).max(start)
            }
            _ => self.span(),
        }
    }

    /// Where this character of the string, counted from 1, is in the file.
    pub(super) fn span_of_column(&self, column: usize) -> Range<usize> {
        let nth = self.value.char_indices().nth(column.saturating_sub(1));
        let (at, len) = nth.map_or((self.value.len(), 0), |(at, c)| (at, c.len_utf8()));
        self.span_of(at..at.saturating_add(len))
    }

    /// The byte of `raw` that a byte of `value` comes from; `None` if `raw` is not how `value` is
    /// written. Between two characters there may be a folded line: a start is behind it, an end before.
    fn offset_of(&self, at: usize, start: bool) -> Option<usize> {
        let (open, escapes) = opening(self.raw)?;
        let mut decoded = 0_usize;
        let mut offset = open;
        let mut end = open;
        for c in self.value.chars() {
            offset = if escapes { skip_folds(self.raw, offset) } else { offset };
            if decoded >= at {
                break;
            }
            let rest = self.raw.get(offset..)?;
            let taken = match rest.strip_prefix('\\') {
                Some(escape) if escapes => escape_len(escape)?.checked_add(1)?,
                _ if rest.starts_with(c) => c.len_utf8(),
                _ => return None,
            };
            decoded = decoded.saturating_add(c.len_utf8());
            offset = offset.checked_add(taken)?;
            end = offset;
        }
        Some(if start { offset } else { end.max(open) })
    }
}

/// The length of what opens a string, and whether it has escapes.
fn opening(raw: &str) -> Option<(usize, bool)> {
    for (quotes, escapes) in [("'''", false), ("\"\"\"", true)] {
        if let Some(rest) = raw.strip_prefix(quotes) {
            // A line break right after the quotes is not a part of the string.
            let newline = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n'));
            return Some((raw.len().checked_sub(newline.unwrap_or(rest).len())?, escapes));
        }
    }
    match raw.as_bytes().first()? {
        b'\'' => Some((1, false)),
        b'"' => Some((1, true)),
        _ => None,
    }
}

/// Behind backslashes at ends of lines, and the blanks and line breaks that each of them takes along.
fn skip_folds(raw: &str, mut offset: usize) -> usize {
    let blank = [' ', '\t', '\r', '\n'];
    while let Some(rest) = raw.get(offset..).and_then(|rest| rest.strip_prefix('\\')) {
        let behind = rest.trim_start_matches(blank);
        if behind.len() == rest.len() {
            break;
        }
        offset = raw.len().saturating_sub(behind.len());
    }
    offset
}

/// The length of an escape without its backslash.
fn escape_len(escape: &str) -> Option<usize> {
    Some(match escape.chars().next()? {
        'x' => 3,
        'u' => 5,
        'U' => 9,
        c => c.len_utf8(),
    })
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String, vec::Vec};

    use proptest::prelude::*;
    use toml::de::{DeTable, DeValue};

    use super::Text;

    /// What the string of this file says of its parts, as the file shows them.
    fn shown(file: &str, part: &str) -> String {
        let table = DeTable::parse(file).unwrap();
        let value = table.get_ref().get("a").unwrap();
        let DeValue::String(string) = value.get_ref() else { panic!("a string") };
        let raw = &file[value.span()];
        let text = Text { value: string, raw, at: value.span().start, place: String::new() };
        let at = string.find(part).unwrap();
        String::from(&file[text.span_of(at..at + part.len())])
    }

    #[test]
    fn parts_of_strings_are_found_in_the_file() {
        assert_eq!(shown("a = 'path eq 1'", "eq"), "eq");
        assert_eq!(shown("a = \"path eq 1\"", "eq"), "eq");
        assert_eq!(shown("a = \"x\\\"y\\\" eq 1\"", "eq"), "eq");
        assert_eq!(shown("a = \"x\\\"y\\\" eq 1\"", "\"y\""), "\\\"y\\\"");
        assert_eq!(shown("a = \"\\u00e4\\U000000e4\\xe4\\t eq 1\"", "eq"), "eq");
        assert_eq!(shown("a = '''\nä\neq 1'''", "eq"), "eq");
        assert_eq!(shown("a = '''\r\nä\r\neq 1'''", "eq"), "eq");
        assert_eq!(shown("a = \"\"\"\nä \\\n  \n  eq \\\r\n 1\"\"\"", "eq"), "eq");
        assert_eq!(shown("a = \"\"\"\nä \\\n  \n  eq\\\r\n 1\"\"\"", "eq"), "eq");
        assert_eq!(shown("a = \"\"\"\nä \\\n  \n  eq\\\r\n 1\"\"\"", "eq1"), "eq\\\r\n 1");
        assert_eq!(shown("a = \"\"\"\\\\n eq\"\"\"", "\\n"), "\\\\n");
        assert_eq!(shown("a = ''", ""), "");
    }

    proptest! {
        #![proptest_config(crate::test_support::cases(500))]

        /// I1, for every way to write a string.
        #[test]
        fn every_part_lies_inside_and_in_order(
            value in "[a-z\"'\\\\ \t\nä😀]{0,12}",
            escaped in any::<u16>(),
            folds in any::<u16>(),
            multi in any::<bool>(),
        ) {
            let mut written = String::from(if multi { "\"\"\"\n" } else { "\"" });
            for (at, c) in value.chars().enumerate() {
                if multi && folds >> at & 1 == 1 {
                    written.push_str("\\\n  ");
                }
                if escaped >> at & 1 == 1 || "\"\\\n".contains(c) {
                    written.push_str(&format!("\\U{:08x}", u32::from(c)));
                } else if multi && folds >> at & 1 == 1 && c.is_whitespace() {
                    written.push_str(&format!("\\u{:04x}", u32::from(c)));
                } else {
                    written.push(c);
                }
            }
            written.push_str(if multi { "\"\"\"" } else { "\"" });
            let file = format!("a = {written}");
            let table = DeTable::parse(&file).unwrap();
            let found = table.get_ref().get("a").unwrap();
            let DeValue::String(string) = found.get_ref() else { panic!("a string") };
            prop_assert_eq!(&**string, &value);
            let text = Text { value: &value, raw: &written, at: 4, place: String::new() };
            let ends: Vec<usize> =
                value.char_indices().map(|(at, _)| at).chain([value.len()]).collect();
            let mut last = 0;
            for pair in ends.windows(2) {
                let span = text.span_of(pair[0]..pair[1]);
                prop_assert!(span.start >= last && span.start < span.end && span.end < file.len());
                let there = &file[span.clone()];
                let c = &value[pair[0]..pair[1]];
                prop_assert!(there == c || there.starts_with('\\'), "{there:?} for {c:?}");
                last = span.end;
            }
        }
    }
}
