//! What a request tells about itself, whatever the framework and whatever the version of its types.

use crate::request::{Headers, Request};

/// What an adapter has found in a request: borrowed, nothing copied.
pub(super) struct Seen<'a> {
    /// The peer, and what the service has said first.
    pub(super) start: Request<'a>,
    pub(super) method: &'a str,
    /// The authority of the target, if it has one: in HTTP/2 it has, and to proxies.
    pub(super) authority: Option<&'a str>,
    /// Path and query.
    pub(super) target: &'a str,
    pub(super) version: Option<&'static str>,
    /// `None` if it is not known.
    pub(super) is_secure: Option<bool>,
    /// The first line `Host`.
    pub(super) host: Option<&'a [u8]>,
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
    /// known; `http.request.body.size`, if the client has said it; and `http.request.route`, if that is known: as
    /// many as a request has room for without an allocation. What the service has said itself counts before these.
    pub(super) fn request(self) -> Request<'a> {
        let host = self.authority.or_else(|| self.host.and_then(text)).unwrap_or("");
        let mut request = self
            .start
            .method(self.method)
            .host(host)
            .target(self.target)
            .header_lines(self.headers);
        if let Some(version) = self.version {
            request = request.field("http.request.version", version);
        }
        if let Some(is_secure) = self.is_secure {
            request = request.field("ssl", is_secure);
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
fn text(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value).ok()
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
