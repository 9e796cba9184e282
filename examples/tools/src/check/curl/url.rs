//! URLs taken apart, and the two encodings that curl writes by itself.

use super::LONGEST;
use crate::check::{options::Usage, plain};

/// A URL in its parts, none of them decoded.
pub(super) struct Url {
    pub(super) is_secure: Option<bool>,
    pub(super) host: String,
    pub(super) target: String,
    pub(super) credentials: Option<String>,
}

impl Url {
    pub(super) fn new(text: &str) -> Result<Self, Usage> {
        let wrong = |what: &str| Usage::Wrong(format!("the URL {:?}: {what}", shown(text)));
        if text.len() > LONGEST {
            return Err(Usage::Wrong("the URL is too long to be sent".to_owned()));
        }
        if text.contains(|c: char| c.is_control() || c == ' ') {
            return Err(wrong("blanks and control characters are written as %20 and the like"));
        }
        let (is_secure, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(true), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(false), rest),
            Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
                return Err(wrong("it is neither http nor https"));
            }
            _ => (None, text),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let target = target.split('#').next().unwrap_or_default();
        let target = match target.chars().next() {
            Some('/') => target.to_owned(),
            _ => format!("/{target}"),
        };
        let (credentials, host) = match authority.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials.to_owned()), host),
            None => (None, authority),
        };
        if host.is_empty() && (is_secure.is_some() || credentials.is_some() || text.is_empty()) {
            return Err(wrong("it has no host"));
        }
        Ok(Self { is_secure, host: host.to_owned(), target, credentials })
    }
}

/// A URL as it may be shown: without what is before an `@`, and not all of a long one.
pub(super) fn shown(url: &str) -> String {
    let behind = url.rsplit_once('@').map_or(url, |(_, behind)| behind);
    plain(&behind.chars().take(100).collect::<String>())
}

/// Whether curl makes requests of its own of it: one for each of `{a,b}` or `[1-3]`.
pub(super) fn is_several(url: &str) -> bool {
    let inside = |open: char, close: char| {
        let parts = url.split(open).skip(1);
        parts.filter_map(move |part| part.split_once(close).map(|(inside, _)| inside))
    };
    // An address in brackets is none: it has more colons, or no hyphen.
    let is_range = |text: &str| {
        let range = text.split_once(':').map_or(text, |(range, _)| range);
        range.split_once('-').is_some_and(|(first, last)| {
            let ends = [first, last];
            ends.iter().all(|end| !end.is_empty() && end.chars().all(|c| c.is_ascii_alphanumeric()))
        })
    };
    inside('{', '}').next().is_some() || inside('[', ']').any(is_range)
}

/// Base64 with padding (RFC 4648).
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0_usize, |group, at| {
            (group << 8) | usize::from(chunk.get(at).copied().unwrap_or(0))
        });
        for at in 0..4 {
            let letter = LETTERS.get((group >> (18 - 6 * at)) & 63).copied().unwrap_or(b'A');
            text.push(if at > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

/// Percent-encoded, but for what is unreserved (RFC 3986), and blanks, which are `+` as in forms.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else if byte == b' ' {
            encoded.push('+');
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The bytes that a percent-encoded text stands for.
pub(super) fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|it| it.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|it| std::str::from_utf8(it).ok());
        match (first, digits.and_then(|it| u8::from_str_radix(it, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}
