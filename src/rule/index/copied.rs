//! Functions of values, without an allocation: what has to be rewritten is copied to the stack once, and
//! rewritten there in place, as no function makes a text longer.
//!
//! # Invariants
//! - **I1** every function equals the one of the reference evaluator;
//! - **I2** the work is linear in the text, also for `url_decode` until nothing changes;
//! - **I3** a text of up to [`LONGEST_URI`] bytes has room.

use core::ops::ControlFlow::{self, Continue};

use super::source::{Step, Value};
use crate::{
    request::canonical::LONGEST,
    rule::{expr::UrlDecode, facts::Facts},
};

/// A path, a question mark and a query, each as long as it may be.
const LONGEST_URI: usize = 2 * LONGEST + 1;

/// Texts up to this long are copied to a small place, which costs less to clear.
const SHORT: usize = 512;

/// Shows what the steps make of a value, if they make something of it.
pub(super) fn through(
    mut value: Value<'_>,
    steps: &[Step],
    visit: &mut dyn FnMut(Value<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut steps = steps;
    while let Some((step, after)) = steps.split_first() {
        value = match (*step, value) {
            (Step::Lower | Step::Upper | Step::UrlDecode(_), Value::Bytes(text)) => {
                return copy_through([text, &[], &[]], steps, visit);
            }
            (Step::Substring(start, end), Value::Bytes(text)) => {
                let (start, end) = bounds(text.len(), start, end);
                Value::Bytes(text.get(start..end).unwrap_or_default())
            }
            (Step::Len, Value::Bytes(text)) => {
                Value::Int(i64::try_from(text.len()).unwrap_or(i64::MAX))
            }
            (Step::Cidr(group), Value::Ip(ip)) => Value::Ip(group.network_of(ip)),
            _ => return Continue(()),
        };
        steps = after;
    }
    visit(value)
}

/// The same of the canonical path and the query, which do not lie side by side.
#[cold]
pub(super) fn uri_through(
    facts: &Facts<'_>,
    steps: &[Step],
    visit: &mut dyn FnMut(Value<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match facts.uri() {
        (path, None) => copy_through([path, &[], &[]], steps, visit),
        (path, Some(query)) => copy_through([path, b"?", query], steps, visit),
    }
}

#[cold]
#[inline(never)]
fn copy_through(
    parts: [&[u8]; 3],
    steps: &[Step],
    visit: &mut dyn FnMut(Value<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let len = parts.iter().fold(0_usize, |len, part| len.saturating_add(part.len()));
    if len <= SHORT {
        rewrite::<SHORT>(parts, steps, visit)
    } else if len <= LONGEST {
        rewrite::<LONGEST>(parts, steps, visit)
    } else {
        rewrite::<LONGEST_URI>(parts, steps, visit)
    }
}

#[inline(never)]
fn rewrite<const ROOM: usize>(
    parts: [&[u8]; 3],
    steps: &[Step],
    visit: &mut dyn FnMut(Value<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut room = [0; ROOM];
    let mut len = 0_usize;
    for part in parts {
        let end = len.saturating_add(part.len());
        if let Some(place) = room.get_mut(len..end) {
            place.copy_from_slice(part);
            len = end;
        }
    }
    let mut text = room.get_mut(..len).unwrap_or_default();
    let mut steps = steps;
    while let Some((step, after)) = steps.split_first() {
        match *step {
            Step::Lower => text.make_ascii_lowercase(),
            Step::Upper => text.make_ascii_uppercase(),
            Step::UrlDecode(options) => {
                let len = url_decode(text, options);
                text = text.get_mut(..len).unwrap_or_default();
            }
            Step::Substring(start, end) => {
                let (start, end) = bounds(text.len(), start, end);
                text = text.get_mut(start..end).unwrap_or_default();
            }
            // What these give is not rewritten.
            Step::Len | Step::Cidr(_) => return through(Value::Bytes(text), steps, visit),
        }
        steps = after;
    }
    visit(Value::Bytes(text))
}

/// From where to where; negative counts from the end; clamped to the text.
fn bounds(len: usize, start: i64, end: Option<i64>) -> (usize, usize) {
    let whole = i64::try_from(len).unwrap_or(i64::MAX);
    let place = |at: i64| {
        let at = if at < 0 { whole.saturating_add(at) } else { at };
        usize::try_from(at.clamp(0, whole)).unwrap_or(0)
    };
    let (start, end) = (place(start), end.map_or(len, place));
    // An empty text if the end is before the start.
    (start.min(end), end)
}

/// Decodes in place, and gives the new length.
///
/// Until nothing changes means until there is no escape left. No two escapes overlap, so the order does not
/// matter in which they are decoded: each is, as soon as its last byte is written. Every decoding shortens
/// the text that is written, so all of them together are linear.
fn url_decode(text: &mut [u8], options: UrlDecode) -> usize {
    if options.recursive {
        decode_all(text, options.unicode)
    } else {
        decode_once(text, options.unicode)
    }
}

/// One escape at the start of a text, with its length.
#[derive(Clone, Copy)]
enum Escape {
    Byte(u8),
    Code(u32),
}

fn decode_once(text: &mut [u8], unicode: bool) -> usize {
    let (mut from, mut to) = (0_usize, 0_usize);
    while let Some(byte) = text.get(from).copied() {
        let (escape, len) = match byte {
            b'+' => (Escape::Byte(b' '), 1),
            b'%' => escape_at(text.get(from..).unwrap_or_default(), unicode)
                .unwrap_or((Escape::Byte(b'%'), 1)),
            other => (Escape::Byte(other), 1),
        };
        from = from.saturating_add(len);
        let mut utf8 = [0; 4];
        for byte in escape.bytes(&mut utf8) {
            if let Some(place) = text.get_mut(to) {
                *place = *byte;
            }
            to = to.saturating_add(1);
        }
    }
    to
}

fn decode_all(text: &mut [u8], unicode: bool) -> usize {
    let (mut from, mut to) = (0_usize, 0_usize);
    while let Some(byte) = text.get(from).copied() {
        from = from.saturating_add(1);
        let mut next = Escape::Byte(byte);
        // Each round but the last takes an escape off the end of what is written.
        loop {
            let mut utf8 = [0; 4];
            for byte in next.bytes(&mut utf8) {
                if let Some(place) = text.get_mut(to) {
                    *place = if *byte == b'+' { b' ' } else { *byte };
                }
                to = to.saturating_add(1);
            }
            let written = text.get(..to).unwrap_or_default();
            let Some((escape, len)) = escape_at_the_end(written, unicode) else { break };
            to = to.saturating_sub(len);
            next = escape;
        }
    }
    to
}

impl Escape {
    fn bytes(self, utf8: &mut [u8; 4]) -> &[u8] {
        match self {
            Self::Byte(byte) => {
                utf8[0] = byte;
                &utf8[..1]
            }
            Self::Code(code) => {
                let code = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                code.encode_utf8(utf8).as_bytes()
            }
        }
    }
}

fn escape_at(text: &[u8], unicode: bool) -> Option<(Escape, usize)> {
    match text {
        [b'%', b'u' | b'U', a, b, c, d, ..] if unicode => {
            Some((Escape::Code(number(&[*a, *b, *c, *d])?), 6))
        }
        [b'%', a, b, ..] => Some((Escape::Byte(u8::try_from(number(&[*a, *b])?).ok()?), 3)),
        _ => None,
    }
}

fn escape_at_the_end(text: &[u8], unicode: bool) -> Option<(Escape, usize)> {
    match text {
        [.., b'%', _, _] => escape_at(text.get(text.len().saturating_sub(3)..)?, unicode),
        [.., b'%', b'u' | b'U', _, _, _, _] => {
            escape_at(text.get(text.len().saturating_sub(6)..)?, unicode)
        }
        _ => None,
    }
}

/// Hexadecimal digits as a number.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |number, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(number << 4 | digit)
    })
}
