//! The canonical form of a request once more, slow and obvious: step by step, each over the whole text.

use alloc::{string::String, vec::Vec};

use super::{
    Request,
    canonical::{self, Canonical, LONGEST, Needs, UriFlags, canonical_path},
};

/// What [`check`] found, for those who count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The canonical path.
    pub path: Vec<u8>,
    /// The canonical host.
    pub host: Vec<u8>,
    /// The flags, a bit each.
    pub flags: u8,
    /// The path is what came, and nothing was odd.
    pub is_clean: bool,
    /// One scan has told so.
    pub is_soon_clean: bool,
}

/// How long the canonical path and host are, found as rules find them: for benches.
#[must_use]
pub fn canonical_lengths(request: &Request<'_>) -> (usize, usize) {
    Canonical::with(request, |canonical| (canonical.path.len(), canonical.host.len()))
}

/// Panics if the canonical form of these is not what the steps give, or breaks a law.
#[must_use]
pub fn check(target: &[u8], method: &str, host: &[u8]) -> Checked {
    let told = || {
        let [target, host] = [target, host].map(String::from_utf8_lossy);
        alloc::format!("target {target:?}, {method}, host {host:?}")
    };
    let is_connect = method == "CONNECT";
    let (authority, raw_path, query) = split(target, is_connect);
    let expected_path = path(first(raw_path));
    let named = authority.map(host_of).filter(|named| !named.is_empty());
    let expected_host = named.unwrap_or_else(|| host_of(host));
    let expected_flags = flags(raw_path, query);

    for needs in
        [Needs::NOTHING, Needs::PATH, Needs::QUERY, Needs::HOST, Needs::PATH.union(Needs::HOST)]
    {
        Canonical::of(target, is_connect, host, needs, |canonical| {
            if needs.has(Needs::PATH) {
                assert_eq!(text(canonical.path), text(&expected_path), "only path of {}", told());
                assert_eq!(text(canonical.raw_path), text(first(raw_path)), "{}", told());
            }
            if needs.has(Needs::QUERY) {
                assert_eq!(canonical.query, query.map(first), "only query of {}", told());
                assert_eq!(canonical.flags.0, expected_flags.0, "only flags of {}", told());
            }
            if needs.has(Needs::HOST) {
                assert_eq!(text(canonical.host), text(&expected_host), "only host of {}", told());
            }
            let oversize = target.len() > LONGEST || host.len() > LONGEST;
            assert_eq!(canonical.oversize, oversize, "{}", told());
        });
    }
    let checked = Canonical::of(target, is_connect, host, Needs::ALL, |canonical| {
        assert_eq!(text(canonical.path), text(&expected_path), "path of {}", told());
        assert_eq!(text(canonical.raw_path), text(first(raw_path)), "raw path of {}", told());
        assert_eq!(canonical.query, query.map(first), "query of {}", told());
        assert_eq!(text(canonical.host), text(&expected_host), "host of {}", told());
        let (flags, expected) = (canonical.flags.0, expected_flags.0);
        assert_eq!(flags, expected, "flags {flags:08b} of {}", told());
        let oversize = target.len() > LONGEST || host.len() > LONGEST;
        assert_eq!(canonical.oversize, oversize, "{}", told());
        Checked {
            path: canonical.path.to_vec(),
            host: canonical.host.to_vec(),
            flags,
            is_clean: flags == 0 && canonical.path == raw_path,
            is_soon_clean: canonical::is_soon_clean(target),
        }
    });
    // One scan knows all that is clean, but for what it does not take apart.
    let is_plain = |byte: &u8| !matches!(byte, b'%' | b'#' | 0 | 0x80..);
    let is_usual = target.is_empty() || target.starts_with(b"/");
    let is_for_one_scan = is_usual && target.iter().all(is_plain) && target.len() <= LONGEST;
    assert_eq!(checked.is_soon_clean, checked.is_clean && is_for_one_scan, "{}", told());
    if !is_connect {
        assert_eq!(text(&canonical_path(target)), text(&checked.path), "{}", told());
    }
    path_laws(first(raw_path), &checked.path, told);
    let longest = authority.unwrap_or_default().len().max(host.len());
    assert!(checked.host.len() <= longest, "{}", told());
    assert!(!checked.host.contains(&b'@'), "{}", told());
    assert_eq!(text(&host_of(&checked.host)), text(&checked.host), "{}", told());
    checked
}

/// I1 to I4 of the canonical form.
fn path_laws(raw: &[u8], path: &[u8], told: impl Fn() -> String) {
    assert_eq!(text(&canonical_path(path)), text(path), "idempotent: {}", told());
    assert!(path.len() <= raw.len(), "never longer: {}", told());
    let is_rooted = |path: &[u8]| matches!(path.first(), Some(b'/' | b'\\'));
    assert_eq!(path.first() == Some(&b'/'), is_rooted(raw), "rooted: {}", told());
    let mut segments = path.split(|byte| *byte == b'/');
    assert!(segments.all(|segment| segment != b"." && segment != b".."), "in the root: {}", told());
    assert!(!contains(path, b"//") && !path.contains(&b'\\'), "merged: {}", told());
    // Decoded once: what escapes the escapes of the path still does so, unless its segment was removed.
    let (before, after) = (tokens(raw), tokens(path));
    let count = |tokens: &[&[u8]], escape: &[u8]| {
        tokens.iter().filter(|token| token.eq_ignore_ascii_case(escape)).count()
    };
    let has_dots = before.iter().any(|token| is_dot(token));
    for kept in [&b"%2F"[..], b"%5C", b"%25", b"%00"] {
        let (before, after) = (count(&before, kept), count(&after, kept));
        assert!(after <= before, "no new {kept:?}: {}", told());
        assert!(has_dots || after == before, "{kept:?} stays: {}", told());
    }
}

/// The authority, the path and the query of a target.
fn split(target: &[u8], is_connect: bool) -> (Option<&[u8]>, &[u8], Option<&[u8]>) {
    let target = match find(target, b"#") {
        Some(fragment) => &target[..fragment],
        None => target,
    };
    if is_connect && target.first() != Some(&b'/') {
        return (Some(target), b"", None);
    }
    let (authority, rest) = match find(target, b"://") {
        Some(colon) if is_scheme(&target[..colon]) => {
            let rest = &target[colon + 3..];
            let ends = [&b"/"[..], b"\\", b"?"].map(|end| find(rest, end).unwrap_or(rest.len()));
            let end = ends.into_iter().min().unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        _ => (None, target),
    };
    let (path, query) = match find(rest, b"?") {
        Some(mark) => (&rest[..mark], Some(&rest[mark + 1..])),
        None => (rest, None),
    };
    let path = if authority.is_some() && path.is_empty() { b"/" } else { path };
    (authority, path, query)
}

fn is_scheme(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphabetic)
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
}

/// The canonical form of a path.
#[must_use]
pub fn path(path: &[u8]) -> Vec<u8> {
    let slashes = path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
    let merged = merge_slashes(slashes);
    let decoded = decode_unreserved(&merged);
    let inside = remove_dot_segments(&decoded);
    merge_slashes(inside)
}

fn merge_slashes(mut path: Vec<u8>) -> Vec<u8> {
    path.dedup_by(|next, byte| *next == b'/' && *byte == b'/');
    path
}

fn decode_unreserved(path: &[u8]) -> Vec<u8> {
    let mut written: Vec<Vec<u8>> = Vec::new();
    for token in tokens(path) {
        let Some(byte) = escaped(token) else {
            written.push(token.into());
            continue;
        };
        let is_unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        // A percent sign that is a token by itself is no escape, and must not become one.
        let mends = match written.as_slice() {
            [.., percent] if percent == b"%" => true,
            [.., percent, digit] if percent == b"%" => {
                digit.len() == 1 && digit[0].is_ascii_hexdigit()
            }
            _ => false,
        };
        if is_unreserved && !(mends && byte.is_ascii_hexdigit()) {
            written.push([byte].into());
        } else {
            written.push(token.to_ascii_uppercase());
        }
    }
    written.concat()
}

fn remove_dot_segments(path: &[u8]) -> Vec<u8> {
    let (root, rest) = match path.strip_prefix(b"/") {
        Some(rest) => (&b"/"[..], rest),
        None => (&b""[..], path),
    };
    let segments: Vec<&[u8]> = rest.split(|byte| *byte == b'/').collect();
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in &segments {
        match *segment {
            b"." => {}
            b".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    // What ends in a dot segment is a directory, which is written with a slash at its end.
    let is_directory = segments.last().is_some_and(|last| *last == b"." || *last == b"..");
    if is_directory && !kept.is_empty() {
        kept.push(b"");
    }
    [root, &kept.join(&b'/')].concat()
}

/// The canonical form of a host.
#[must_use]
pub fn host_of(authority: &[u8]) -> Vec<u8> {
    let after_user = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    first(named_by(after_user)).to_ascii_lowercase()
}

fn named_by(host: &[u8]) -> &[u8] {
    let is_port = |port: &[u8]| port.iter().all(u8::is_ascii_digit);
    if host.first() == Some(&b'[') {
        let Some(end) = find(host, b"]") else { return host };
        let (address, rest) = host.split_at(end + 1);
        return match rest.strip_prefix(b":") {
            Some(port) if is_port(port) => address,
            None if rest.is_empty() => address,
            _ => host,
        };
    }
    let halves: Vec<&[u8]> = host.split(|byte| *byte == b':').collect();
    let name = match halves.as_slice() {
        [name] => *name,
        [name, port] if is_port(port) => *name,
        _ => return host,
    };
    match name.strip_suffix(b".") {
        Some(whole) if !whole.is_empty() && !whole.ends_with(b".") => whole,
        _ => name,
    }
}

fn flags(raw_path: &[u8], raw_query: Option<&[u8]>) -> UriFlags {
    let mut flags = 0;
    let mut set_if = |flag: u8, condition: bool| flags |= if condition { flag } else { 0 };
    let path = first(raw_path);
    for text in [Some(raw_path), raw_query].into_iter().flatten() {
        let is_cut = text.len() > LONGEST;
        let tokens = tokens(first(text));
        let bad = tokens.iter().enumerate().filter(|(_, token)| **token == b"%");
        set_if(
            UriFlags::BAD_PERCENT,
            bad.clone().any(|(at, _)| !(is_cut && half(&tokens[at + 1..]))),
        );
        let decoded = decoded(&tokens);
        set_if(UriFlags::NUL, decoded.contains(&0));
        // An escape that is cut is no character yet.
        let mut cut = tokens
            .iter()
            .enumerate()
            .filter(|(at, token)| is_cut && **token == b"%" && half(&tokens[at + 1..]));
        let whole = cut.next().map_or(tokens.len(), |(at, _)| at);
        let is_utf8 = match core::str::from_utf8(&self::decoded(&tokens[..whole])) {
            Ok(_) => true,
            Err(error) => is_cut && error.error_len().is_none(),
        };
        set_if(UriFlags::NON_UTF8, !is_utf8);
    }
    let mut segments = path.split(|byte| matches!(byte, b'/' | b'\\'));
    set_if(
        UriFlags::DOT_SEGMENTS,
        segments.any(|segment| {
            let segment = decoded(&tokens(segment));
            segment == b"." || segment == b".."
        }),
    );
    let tokens = tokens(path);
    let is = |token: &[u8], escape: &[u8]| token.eq_ignore_ascii_case(escape);
    set_if(
        UriFlags::ENCODED_SLASH,
        tokens.iter().any(|token| is(token, b"%2f") || is(token, b"%5c")),
    );
    set_if(
        UriFlags::DOUBLE_ENCODED,
        tokens.windows(3).any(|three| {
            let digits = decoded(&three[1..]);
            is(three[0], b"%25")
                && three[1..].iter().all(|token| token != b"%")
                && digits.iter().all(u8::is_ascii_hexdigit)
        }),
    );
    set_if(UriFlags::BACKSLASH, path.contains(&b'\\'));
    set_if(
        UriFlags::DOUBLE_SLASH,
        path.windows(2).any(|two| two.iter().all(|byte| matches!(byte, b'/' | b'\\'))),
    );
    UriFlags(flags)
}

/// Whether no more than the beginning of an escape is left.
fn half(rest: &[&[u8]]) -> bool {
    match rest {
        [] => true,
        [only] => only.len() == 1 && only[0].is_ascii_hexdigit(),
        _ => false,
    }
}

/// Escapes, and single bytes.
fn tokens(text: &[u8]) -> Vec<&[u8]> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let len = if escaped(&text[at..text.len().min(at + 3)]).is_some() { 3 } else { 1 };
        tokens.push(&text[at..at + len]);
        at += len;
    }
    tokens
}

/// What an escape stands for.
fn escaped(token: &[u8]) -> Option<u8> {
    let digits = token.strip_prefix(b"%").filter(|digits| digits.len() == 2)?;
    let digits = core::str::from_utf8(digits).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
    u8::from_str_radix(digits, 16).ok()
}

fn decoded(tokens: &[&[u8]]) -> Vec<u8> {
    let mut decoded = Vec::new();
    for token in tokens {
        match escaped(token) {
            Some(byte) => decoded.push(byte),
            None => decoded.extend_from_slice(token),
        }
    }
    decoded
}

fn is_dot(token: &[u8]) -> bool {
    token == b"." || token.eq_ignore_ascii_case(b"%2e")
}

/// As much as rules see.
fn first(text: &[u8]) -> &[u8] {
    &text[..text.len().min(LONGEST)]
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    find(text, part).is_some()
}

/// For messages.
fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().collect::<Vec<u8>>().into_iter().map(char::from).collect()
}
