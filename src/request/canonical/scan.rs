//! Recognises what is canonical as it came: nearly all requests.
//!
//! One scan, 16 bytes at a time where nothing of interest is in them. The compiler turns a loop over an
//! array of that length, without branches, into comparisons of all its bytes at once.

use super::LONGEST;

/// Bytes that are looked at together.
const LANES: usize = 16;
/// The same where there are fewer.
const FEW: usize = 8;

/// The path and the query of a target that is nothing but `/path?query`, with a path that is canonical
/// already, and without anything that sets a flag. `None` means that it has to be looked at again; that is
/// never wrong, only slower. Unless `with_query`, the query is not looked at, and may be anything.
#[inline]
pub(super) fn clean(target: &[u8], with_query: bool) -> Option<(&[u8], Option<&[u8]>)> {
    if target.is_empty() {
        return Some((target, None));
    }
    if !target.starts_with(b"/") || target.len() > LONGEST {
        return None;
    }
    let (path, rest) = target.split_at_checked(path_end(target)?)?;
    let query = rest.get(1..);
    if with_query && query.is_some_and(|query| any(query, odd_in_query)) {
        return None;
    }
    Some((path, query))
}

/// Whether a path that starts with a slash is canonical, and sets no flag.
pub(super) fn is_clean_path(path: &[u8]) -> bool {
    path.starts_with(b"/") && path_end(path) == Some(path.len())
}

/// Whether a host is canonical as it came.
#[inline]
pub(super) fn is_clean_host(host: &[u8]) -> bool {
    let odd = |byte: u8| {
        u8::from(byte.is_ascii_uppercase()) | is(byte, b':') | is(byte, b'@') | is(byte, b'[')
    };
    !any(host, odd) && !host.ends_with(b".") && host.len() <= LONGEST
}

/// Where the path ends, which is the whole text or what is before a `?`, if it is clean.
#[inline]
fn path_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at = skip(text, at);
        let rest = text.get(at..).filter(|rest| !rest.is_empty());
        let Some(rest) = rest else { return Some(text.len()) };
        for (nth, byte) in rest.iter().take(LANES).enumerate() {
            match byte {
                b'?' => return Some(at.saturating_add(nth)),
                b'/' if is_odd_segment(rest.get(nth.saturating_add(1)..).unwrap_or_default()) => {
                    return None;
                }
                byte if odd_in_path(*byte) != 0 => return None,
                _ => {}
            }
        }
        at = at.saturating_add(LANES);
    }
}

/// Where to look closer, from here on; the end if there is no such place.
#[inline]
fn skip(text: &[u8], mut at: usize) -> usize {
    // Each byte is looked at with the one after it, so there must be one more.
    while let Some(window) = text.get(at..).and_then(<[u8]>::first_chunk::<{ LANES + 1 }>) {
        let [bytes @ .., _] = window;
        let [_, nexts @ ..] = window;
        if may_matter(bytes, nexts) {
            return at;
        }
        at = at.saturating_add(LANES);
    }
    let ends = |byte: &u8| odd_in_path(*byte) | is(*byte, b'?') != 0;
    let may_matter = if text.last().is_some_and(ends) {
        true
    } else if let Some(window) = text.last_chunk::<{ LANES + 1 }>() {
        // Some bytes once more, instead of the last ones one by one.
        let [bytes @ .., _] = window;
        let [_, nexts @ ..] = window;
        may_matter(bytes, nexts)
    } else if let Some(first) = text.first_chunk::<{ FEW + 1 }>() {
        let last = text.last_chunk().unwrap_or(first);
        [first, last].into_iter().any(|window| {
            let [bytes @ .., _] = window;
            let [_, nexts @ ..] = window;
            may_matter(bytes, nexts)
        })
    } else {
        true
    };
    if may_matter { at } else { text.len() }
}

/// Whether one of these bytes, each with the one after it, may be where the path ends or is not clean.
#[inline]
fn may_matter<const N: usize>(bytes: &[u8; N], nexts: &[u8; N]) -> bool {
    let mut odd = [0; N];
    for ((odd, byte), next) in odd.iter_mut().zip(bytes).zip(nexts) {
        // '.' and '/' differ in the last bit.
        let starts_oddly = is(*byte, b'/') & is(next | 1, b'/');
        *odd = odd_in_path(*byte) | is(*byte, b'?') | starts_oddly;
    }
    odd != [0; N]
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

/// Whether any byte is odd: not zero by this function.
#[inline]
fn any(text: &[u8], odd: impl Fn(u8) -> u8 + Copy) -> bool {
    let mut rest = text;
    while let Some((chunk, more)) = rest.split_first_chunk::<LANES>() {
        if any_of(chunk, odd) {
            return true;
        }
        rest = more;
    }
    if let Some(last) = text.last_chunk::<LANES>() {
        return any_of(last, odd);
    }
    any_of(&in_one(text), odd)
}

/// All bytes of a text of less than 16, some of them more than once.
#[inline]
fn in_one(text: &[u8]) -> [u8; LANES] {
    let halves = |first: u64, last: u64| (u128::from(last) << 64 | u128::from(first)).to_le_bytes();
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return halves(u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let word =
            u64::from(u32::from_le_bytes(*last)) << 32 | u64::from(u32::from_le_bytes(*first));
        return halves(word, word);
    }
    let (Some(first), Some(last)) = (text.first(), text.last()) else { return [b'a'; LANES] };
    // Of at most three.
    let middle = text.get(1).unwrap_or(first);
    let mut all = [*first; LANES];
    [all[1], all[2]] = [*middle, *last];
    all
}

#[inline]
fn any_of<const N: usize>(bytes: &[u8; N], odd: impl Fn(u8) -> u8) -> bool {
    bytes.map(odd) != [0; N]
}

#[inline]
const fn odd_in_path(byte: u8) -> u8 {
    odd_in_query(byte) | is(byte, b'\\')
}

#[inline]
const fn odd_in_query(byte: u8) -> u8 {
    is(byte, b'%') | is(byte, b'#') | is(byte, 0) | byte >> 7
}

/// 1 if they are the same.
#[inline]
const fn is(byte: u8, other: u8) -> u8 {
    (byte == other) as u8
}

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use super::*;

    /// What makes a path end or unclean, wherever it stands in a path of whatever length: so no byte lies
    /// between two windows, and none is looked at without the one after it.
    #[test]
    fn no_place_is_passed_over() {
        for length in 1..=70 {
            let clean = [b"/".to_vec(), vec![b'a'; length - 1]].concat();
            assert_eq!(path_end(&clean), Some(length));
            assert!(is_clean_path(&clean) && !is_clean_path(&[&clean[..], b"?"].concat()));
            for at in 0..length {
                let with = |part: &[u8]| {
                    let end = (at + part.len()).min(length);
                    let mut text = clean.clone();
                    text[at..end].copy_from_slice(&part[..end - at]);
                    text
                };
                assert_eq!(path_end(&with(b"?")), Some(at), "{length}, {at}");
                for odd in [&b"%"[..], b"#", b"\0", b"\\", b"\x80", b"\xff"] {
                    assert_eq!(path_end(&with(odd)), None, "{odd:?} in {length} at {at}");
                }
                // Cut to two bytes they are odd still; after the first slash a slash alone is, too.
                let is_odd = at == 1 || at + 2 <= length;
                for segment in [&b"//"[..], b"/./", b"/../", b"/.?"] {
                    let expected = (!is_odd).then_some(length);
                    assert_eq!(
                        path_end(&with(segment)),
                        expected,
                        "{segment:?} in {length} at {at}"
                    );
                }
                let dots = b"/.a/..b/a.";
                if at != 1 && at + dots.len() <= length {
                    assert_eq!(path_end(&with(dots)), Some(length), "{at} of {length}");
                }
            }
        }
    }

    /// What is clean is not looked at byte by byte, and what is not is found in the window around it.
    #[test]
    fn only_what_may_matter_is_looked_at_closer() {
        for length in [FEW + 1, LANES, LANES + 1, 40, 70] {
            let clean = vec![b'a'; length];
            assert_eq!(skip(&clean, 0), length);
            for at in 0..length {
                let mut odd = clean.clone();
                odd[at] = b'?';
                let start = skip(&odd, 0);
                assert!(start <= at && at < start + LANES, "{start} for {at} of {length}");
            }
        }
        assert!(may_matter(b"aaa/", b"aa/.") && may_matter(b"aaa/", b"aa//"));
        assert!(!may_matter(b"a.a/", b".a/a"));
    }

    /// The same of what is asked of queries and hosts.
    #[test]
    fn any_byte_counts_wherever_it_stands() {
        for length in 0..=70 {
            let clean = vec![b'a'; length];
            assert!(!any(&clean, odd_in_query) && is_clean_host(&clean));
            for at in 0..length {
                let with = |byte: u8| {
                    let mut text: Vec<u8> = clean.clone();
                    text[at] = byte;
                    text
                };
                let is_odd = |byte: u8| any(&with(byte), odd_in_query);
                assert!([b'%', b'#', 0, 0x80, 0xff].into_iter().all(is_odd), "{at} of {length}");
                assert!(!b"/?\\:@\x01\x7f".iter().copied().any(is_odd), "{at} of {length}");
                let is_clean = |byte: u8| is_clean_host(&with(byte));
                assert!(!b"AZ:@[".iter().copied().any(is_clean), "{at} of {length}");
                assert!(b"az09-]\xff".iter().copied().all(is_clean), "{at} of {length}");
                assert_eq!(is_clean(b'.'), at + 1 < length, "{at} of {length}");
            }
        }
    }
}
