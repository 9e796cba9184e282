//! The entries of a header over all of its lines, from the right.
//!
//! Lines and entries are only looked at from the end, because whatever a parser learns on the left, a
//! quote that is never closed say, was chosen by the client. For the same reason quotes are matched
//! from the right: which commas are inside depends on what follows them, never on what precedes.

use core::ops::ControlFlow;

use super::MOST_HOPS;
use crate::request::Request;

/// The last lines of a header.
pub(super) struct Chain<'a> {
    /// A ring: every line has an entry, so more lines than hops are never reached.
    lines: [&'a [u8]; LINES],
    /// How many there were; the last one is at `seen - 1`, modulo the ring.
    seen: usize,
}

/// One more than hops, so that it shows when there are too many.
const LINES: usize = MOST_HOPS + 1;

impl<'a> Chain<'a> {
    /// The lines of this header; blank ones count for nothing.
    pub(super) fn of(name: &str, request: &Request<'a>) -> Self {
        let mut chain = Self { lines: [&[]; LINES], seen: 0 };
        request.each_header(|given, value| {
            if given.eq_ignore_ascii_case(name) && !value.iter().all(is_blank) {
                if let Some(line) = chain.lines.get_mut(chain.seen % LINES) {
                    *line = value;
                }
                chain.seen = chain.seen.saturating_add(1);
            }
            ControlFlow::Continue(())
        });
        chain
    }

    /// The entries, the last one first; empty ones count for nothing.
    pub(super) fn rightmost_first(&self) -> impl Iterator<Item = &'a [u8]> {
        let oldest = self.seen.saturating_sub(LINES);
        (oldest..self.seen)
            .rev()
            .filter_map(|at| self.lines.get(at % LINES))
            .flat_map(|line| split_last(line, b','))
            .filter(|entry| !entry.iter().all(is_blank))
    }
}

/// The parts of a text between separators that are not quoted, the last one first.
pub(super) fn split_last(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        let cut = text.iter().enumerate().rposition(|(at, byte)| {
            if *byte == b'"' && !(quoted && is_escaped(text, at)) {
                quoted = !quoted;
            }
            *byte == separator && !quoted
        });
        match cut.and_then(|cut| text.split_at_checked(cut)) {
            Some((left, right)) => {
                rest = Some(left);
                right.get(1..)
            }
            None => {
                rest = None;
                Some(text)
            }
        }
    })
}

/// Whether an odd number of backslashes stands before this place.
fn is_escaped(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b',')
}
