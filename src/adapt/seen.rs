//! What a request tells about itself, whatever the framework and whatever the version of its types.

use crate::request::{Headers, Request};

/// What an adapter has found in a request: borrowed, nothing copied.
pub(super) struct Seen<'a> {
    /// The peer, and what the service has said first.
    pub(super) start: Request<'a>,
    pub(super) method: &'a str,
    /// The host that is asked for, with its port. A target and a line `Host` may name one each, and which of them
    /// counts is what the application goes by.
    pub(super) host: &'a str,
    /// Path and query.
    pub(super) target: &'a str,
    pub(super) version: Option<&'static str>,
    /// The server itself knows that the connection is encrypted. The scheme of a target says nothing about that: the
    /// client writes it.
    pub(super) is_encrypted: bool,
    /// The first line `Content-Length`.
    pub(super) length: Option<&'a [u8]>,
    /// The pattern that the request was found by.
    pub(super) route: Option<&'a str>,
    pub(super) headers: &'a dyn Headers,
}

impl<'a> Seen<'a> {
    /// The request, as a gate sees it.
    ///
    /// Besides method, host, target and headers, it has the fields `http.request.version`; `ssl`, if that is
    /// known, and then it is true; `http.request.body.size`, if the client has said it; and `http.request.route`, if that is known: as
    /// many as a request has room for without an allocation. What the service has said itself counts before these.
    pub(super) fn request(self) -> Request<'a> {
        let mut request = self
            .start
            .method(self.method)
            .host(without_odd_port(self.host))
            .target(self.target)
            .header_lines(self.headers);
        if let Some(version) = self.version {
            request = request.field("http.request.version", version);
        }
        if self.is_encrypted {
            request = request.field("ssl", true);
        }
        if let Some(size) = self.length.and_then(size) {
            request = request.field("http.request.body.size", size);
        }
        if let Some(route) = self.route {
            request = request.field("http.request.route", route);
        }
        request
    }
}

/// Whether a browser asks if it may send a request of another origin (Fetch, CORS preflight).
pub(super) fn is_preflight(method: &str, headers: &dyn Headers) -> bool {
    method == "OPTIONS"
        && ["origin", "access-control-request-method"]
            .iter()
            .all(|name| headers.first(name).is_some())
}

/// Not only ASCII, which would hide a host from rules.
pub(super) fn text(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value).ok()
}

/// The same without a port that is none, as in `name:x` and `[::1]x`. To whoever asks the types of the `http` crate, that
/// is the host `name`, and a rule about it has to see the same.
fn without_odd_port(host: &str) -> &str {
    let start = host.rfind('@').map_or(0, |at| at.saturating_add(1));
    let Some((_, name)) = host.split_at_checked(start) else { return host };
    let end = match name.starts_with('[') {
        true => name.find(']').map(|at| at.saturating_add(1)),
        false => name.find(':'),
    };
    let Some((name, port)) = end.and_then(|end| name.split_at_checked(end)) else { return host };
    let digits = port.strip_prefix(':').unwrap_or(port);
    let is_port =
        port.is_empty() || port.starts_with(':') && digits.bytes().all(|it| it.is_ascii_digit());
    // With more colons it is no name and a port, to them neither.
    if is_port || digits.contains(':') {
        return host;
    }
    host.get(..start.saturating_add(name.len())).unwrap_or(host)
}

/// A length in digits, and nothing else. One that is too long for a number is the largest, not one that nobody has said:
/// servers read lengths of 64 bits, and a limit of bytes must not be had for one unit.
pub(super) fn size(value: &[u8]) -> Option<i64> {
    let is_a_length =
        |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text(value).filter(is_a_length).map(|text| text.parse().unwrap_or(i64::MAX))
}

/// What a version is called, for each of the types that have these constants.
macro_rules! version_name {
    ($version:expr, $($of:ident)::+) => {
        match $version {
            $($of)::+::HTTP_09 => Some("HTTP/0.9"),
            $($of)::+::HTTP_10 => Some("HTTP/1.0"),
            $($of)::+::HTTP_11 => Some("HTTP/1.1"),
            $($of)::+::HTTP_2 => Some("HTTP/2"),
            $($of)::+::HTTP_3 => Some("HTTP/3"),
            _ => None,
        }
    };
}
pub(super) use version_name;

#[cfg(test)]
mod tests {
    use super::without_odd_port;

    #[test]
    fn a_port_that_is_none_hides_no_host() {
        for (given, seen) in [
            ("name:x", "name"),
            ("name:8o", "name"),
            ("name:-1", "name"),
            ("user:word@name:x", "user:word@name"),
            ("[::1]x", "[::1]"),
            ("[::1]:x", "[::1]"),
            (":x", ""),
            ("n\u{e9}:\u{e9}", "n\u{e9}"),
        ] {
            assert_eq!(without_odd_port(given), seen, "{given}");
        }
        for whole in [
            "",
            "name",
            "name:",
            "name:80",
            "user@name:80",
            "user:word@name",
            "[::1]",
            "[::1]:80",
            "[::1",
            "::1",
            "a:b:c",
            "name@",
        ] {
            assert_eq!(without_odd_port(whole), whole);
        }
    }
}
