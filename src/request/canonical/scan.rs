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
    let end = path_end(target)?;
    let (path, rest) = target.split_at_checked(end)?;
    let query = rest.get(1..);
    if query.is_some_and(|query| any(query, is_odd_in_query)) {
        return None;
    }
    Some((path, query))
}

/// Where the path ends, if it is clean.
#[inline]
fn path_end(target: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        // Each byte with the one after it, so there must be one more.
        while let Some(window) = target.get(at..).and_then(<[u8]>::first_chunk::<{ LANES + 1 }>) {
            if may_matter(window) {
                break;
            }
            at = at.saturating_add(LANES);
        }
        let rest = target.get(at..).unwrap_or_default();
        for (nth, byte) in rest.iter().take(LANES).enumerate() {
            match byte {
                b'?' => return Some(at.saturating_add(nth)),
                b'/' if is_odd_segment(rest.get(nth.saturating_add(1)..).unwrap_or_default()) => {
                    return None;
                }
                byte if is_odd_in_path(*byte) => return None,
                _ => {}
            }
        }
        if rest.len() <= LANES {
            return Some(target.len());
        }
        at = at.saturating_add(LANES);
    }
}

/// Whether there is anything in all but the last byte that the path may end with or that may not be clean.
#[inline]
fn may_matter(window: &[u8; LANES + 1]) -> bool {
    let [bytes @ .., _] = window;
    let [_, nexts @ ..] = window;
    let mut matters = false;
    for (byte, next) in bytes.iter().zip(nexts) {
        // '.' and '/' differ in the last bit.
        let starts_oddly = (*byte == b'/') & (next | 1 == b'/');
        matters |= starts_oddly | (*byte == b'?') | is_odd_in_path(*byte);
    }
    matters
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
    let any = |bytes: &[u8; LANES]| bytes.iter().fold(false, |any, byte| any | is_odd(*byte));
    let mut rest = text;
    while let Some((chunk, more)) = rest.split_first_chunk::<LANES>() {
        if any(chunk) {
            return true;
        }
        rest = more;
    }
    match text.last_chunk::<LANES>() {
        // Some bytes once more, instead of the last ones one by one.
        Some(last) => any(last),
        None => rest.iter().any(|byte| is_odd(*byte)),
    }
}

/// Whether a host is canonical as it came.
#[inline]
pub(super) fn is_clean_host(host: &[u8]) -> bool {
    let is_odd =
        |byte: u8| byte.is_ascii_uppercase() | (byte == b':') | (byte == b'@') | (byte == b'[');
    !any(host, is_odd) && !host.ends_with(b".") && host.len() <= LONGEST
}
