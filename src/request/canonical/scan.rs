//! Recognises what is canonical as it came: nearly all requests.
//!
//! One scan, 16 bytes at a time where nothing of interest is in them. The compiler turns a loop over an
//! array of that length into comparisons of all its bytes at once.

use super::LONGEST;

/// Bytes that are looked at together.
const LANES: usize = 16;

/// The path and the query of a target that is nothing but `/path?query`, with a path that is canonical
/// already, and without anything that sets a flag. `None` means that it has to be looked at again; that is
/// never wrong, only slower.
#[inline]
pub(super) fn clean(target: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if target.is_empty() {
        return Some((target, None));
    }
    if !target.starts_with(b"/") || target.len() > LONGEST {
        return None;
    }
    // A backslash in a query is not odd, but rare enough to be looked at again.
    if any(target, is_odd_in_path) {
        return None;
    }
    let end = memchr::memchr(b'?', target).unwrap_or(target.len());
    let (path, rest) = target.split_at_checked(end)?;
    if may_have_odd_segments(path) && has_odd_segments(path) {
        return None;
    }
    Some((path, rest.get(1..)))
}

/// Whether a slash is followed by another one or by a dot.
#[inline]
fn may_have_odd_segments(path: &[u8]) -> bool {
    let mut rest = path;
    // Each byte with the one after it, so there must be one more.
    while let Some(window) = rest.first_chunk::<{ LANES + 1 }>() {
        if any_starts_oddly(window) {
            return true;
        }
        rest = rest.get(LANES..).unwrap_or_default();
    }
    match (path.last_chunk::<{ LANES + 1 }>(), path.first_chunk::<9>(), path.last_chunk::<9>()) {
        // Some bytes once more, instead of the last ones one by one.
        (Some(last), ..) => any_starts_oddly(last),
        (None, Some(first), Some(last)) => any_starts_oddly(first) | any_starts_oddly(last),
        _ => rest.windows(2).any(|pair| matches!(pair, [b'/', b'/' | b'.'])),
    }
}

/// Whether any but the last byte is a slash with a slash or a dot after it.
#[inline]
fn any_starts_oddly<const MORE: usize>(window: &[u8; MORE]) -> bool {
    let nexts = window.iter().skip(1);
    // '.' and '/' differ in the last bit.
    window
        .iter()
        .zip(nexts)
        .fold(false, |any, (byte, next)| any | ((*byte == b'/') & (next | 1 == b'/')))
}

/// Whether any segment is one that is not canonical.
#[cold]
fn has_odd_segments(path: &[u8]) -> bool {
    let after = |at: usize| path.get(at.saturating_add(1)..).unwrap_or_default();
    path.iter().enumerate().any(|(at, byte)| *byte == b'/' && is_odd_segment(after(at)))
}

/// Whether a segment with what follows it is one that is not canonical: nothing before another slash, a
/// dot, or two.
fn is_odd_segment(rest: &[u8]) -> bool {
    let rest = match rest {
        [b'/', ..] => return true,
        [b'.', b'.', rest @ ..] | [b'.', rest @ ..] => rest,
        _ => return false,
    };
    // What is odd itself is found when the scan comes to it.
    matches!(rest, [] | [b'/' | b'?', ..])
}

const fn is_odd_in_path(byte: u8) -> bool {
    is_odd_in_query(byte) | (byte == b'\\')
}

const fn is_odd_in_query(byte: u8) -> bool {
    (byte == b'%') | (byte == b'#') | (byte == 0) | (byte >= 0x80)
}

/// Whether any byte is odd.
#[inline]
pub(super) fn any(text: &[u8], is_odd: impl Fn(u8) -> bool + Copy) -> bool {
    let mut rest = text;
    while let Some((chunk, more)) = rest.split_first_chunk::<LANES>() {
        if any_of(chunk, is_odd) {
            return true;
        }
        rest = more;
    }
    match (text.last_chunk::<LANES>(), text.first_chunk::<8>(), text.last_chunk::<8>()) {
        // Some bytes once more, instead of the last ones one by one.
        (Some(last), ..) => any_of(last, is_odd),
        (None, Some(first), Some(last)) => any_of(first, is_odd) | any_of(last, is_odd),
        _ => text.iter().any(|byte| is_odd(*byte)),
    }
}

#[inline]
fn any_of<const N: usize>(bytes: &[u8; N], is_odd: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(false, |any, byte| any | is_odd(*byte))
}

/// Whether a host is canonical as it came.
#[inline]
pub(super) fn is_clean_host(host: &[u8]) -> bool {
    let is_odd =
        |byte: u8| byte.is_ascii_uppercase() | (byte == b':') | (byte == b'@') | (byte == b'[');
    !any(host, is_odd) && !host.ends_with(b".") && host.len() <= LONGEST
}
