//! What is known of one request.

#[cfg(feature = "std")]
pub(crate) mod canonical;
mod client;
pub(crate) mod client_ip;
mod given;
mod headers;
pub mod proxy;
#[cfg(all(feature = "std", any(test, feature = "__reference")))]
#[doc(hidden)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "slow and obvious, for tests, fuzzing and benches only"
)]
pub mod reference;

use alloc::vec::Vec;
use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::ControlFlow,
};

#[cfg(feature = "std")]
pub use canonical::canonical_path;
#[cfg(feature = "std")]
pub(crate) use client::Client;
pub use client::ClientGroup;
pub use client_ip::{ClientIp, ForwardedBy, Reason, Resolved, Trust};
pub use given::Given;
pub use headers::Headers;

/// A view of one request: borrowed, cheap to make, and the same for every framework.
///
/// Nothing is required but the peer, and even that may be unknown: pass `None` and
/// [`MissingPeer`](crate::MissingPeer) decides.
///
/// # Example: what a gate wants to know
/// ```
/// use portcullis::Request;
/// use std::net::IpAddr;
///
/// let peer: IpAddr = "203.0.113.9".parse()?;
/// let request = Request::new(peer)
///     .method("POST")
///     .host("shop.example")
///     .target("/login?next=/")
///     .header("user-agent", "curl/8.5");
/// assert_eq!(request.first_header("User-Agent"), Some(&b"curl/8.5"[..]));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone)]
pub struct Request<'a> {
    peer: Peer,
    method: &'a str,
    host: &'a str,
    target: &'a str,
    headers: [Option<(&'a str, &'a [u8])>; INLINE],
    /// What does not fit inline; empty without an allocation.
    more_headers: Vec<(&'a str, &'a [u8])>,
    kept_headers: Option<&'a dyn Headers>,
    given: [Option<(&'a str, Given<'a>)>; INLINE],
    more_given: Vec<(&'a str, Given<'a>)>,
}

/// A canonical address, or none.
///
/// Not an `Option<IpAddr>`: that would be copied as one piece, and a processor waits for what has been written
/// in parts just before.
#[derive(Clone, Copy)]
enum Peer {
    Unknown,
    V4(u32),
    V6(Ipv6Addr),
}

impl Peer {
    #[inline]
    fn of(ip: Option<IpAddr>) -> Self {
        match ip.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => Self::V4(ip.to_bits()),
            Some(IpAddr::V6(ip)) => Self::V6(ip),
            None => Self::Unknown,
        }
    }
}

/// Header lines, and fields of the service's own, up to this number are kept without an allocation.
const INLINE: usize = 4;

impl<'a> Request<'a> {
    /// A request from this peer: the other end of the connection, if it is known.
    #[must_use]
    #[inline]
    pub fn new(peer: impl Into<Option<IpAddr>>) -> Self {
        Self {
            peer: Peer::of(peer.into()),
            method: "",
            host: "",
            target: "",
            headers: [None; INLINE],
            more_headers: Vec::new(),
            kept_headers: None,
            given: [None; INLINE],
            more_given: Vec::new(),
        }
    }

    /// With this method, as it came: `"GET"`.
    #[must_use]
    #[inline]
    pub fn method(self, method: &'a str) -> Self {
        Self { method, ..self }
    }

    /// With this host, as it came.
    #[must_use]
    #[inline]
    pub fn host(self, host: &'a str) -> Self {
        Self { host, ..self }
    }

    /// With this target, path and query as they came: `"/login?next=/"`.
    #[must_use]
    #[inline]
    pub fn target(self, target: &'a str) -> Self {
        Self { target, ..self }
    }

    /// With one more header line. Names are compared without case; lines of one name add up.
    #[must_use]
    #[inline]
    pub fn header(mut self, name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        let line = (name, value.as_ref());
        match self.headers.iter_mut().find(|header| header.is_none()) {
            Some(header) => *header = Some(line),
            None => self.more_headers.push(line),
        }
        self
    }

    /// With the header lines that are kept there, after those that were given one by one.
    #[must_use]
    #[inline]
    pub fn header_lines(self, headers: &'a dyn Headers) -> Self {
        Self { kept_headers: Some(headers), ..self }
    }

    /// With a field of the service's own, or one that only the service can know, by its full name:
    /// `"tenant"`, `"ip.src.country"`. Given twice, the first counts.
    #[must_use]
    #[inline]
    pub fn field(mut self, name: &'a str, value: impl Into<Given<'a>>) -> Self {
        let field = (name, value.into());
        match self.given.iter_mut().find(|given| given.is_none()) {
            Some(given) => *given = Some(field),
            None => self.more_given.push(field),
        }
        self
    }

    /// The other end of the connection, in its canonical form (`::ffff:192.0.2.1` is `192.0.2.1`).
    #[must_use]
    #[inline]
    pub fn peer(&self) -> Option<IpAddr> {
        match self.peer {
            Peer::V4(bits) => Some(Ipv4Addr::from_bits(bits).into()),
            Peer::V6(ip) => Some(ip.into()),
            Peer::Unknown => None,
        }
    }

    /// The method; empty if it was not given.
    #[must_use]
    pub fn get_method(&self) -> &'a str {
        self.method
    }

    /// The host; empty if it was not given.
    #[must_use]
    pub fn get_host(&self) -> &'a str {
        self.host
    }

    /// The target; empty if it was not given.
    #[must_use]
    pub fn get_target(&self) -> &'a str {
        self.target
    }

    /// The value of the first header line of this name; case does not matter.
    #[must_use]
    pub fn first_header(&self, name: &str) -> Option<&'a [u8]> {
        // The places are filled one after the other, so there are none at all if the first one is free.
        if let [Some(_), ..] = self.headers {
            let mut given = self.headers.iter().flatten().chain(&self.more_headers);
            if let Some((_, value)) = given.find(|(line, _)| line.eq_ignore_ascii_case(name)) {
                return Some(value);
            }
        }
        self.kept_headers.and_then(|kept| Self::first_kept(kept, name))
    }

    /// The same of a name that is in lower case.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn first_header_of_lower(&self, name: &str) -> Option<&'a [u8]> {
        match (&self.headers, self.kept_headers) {
            ([None, ..], kept) => kept?.first(name),
            _ => self.first_header(name),
        }
    }

    #[inline]
    fn first_kept(kept: &'a dyn Headers, name: &str) -> Option<&'a [u8]> {
        if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            // Who keeps lines usually finds one sooner than by going through all of them.
            return kept.first(name);
        }
        let mut first = None;
        kept.visit(&mut |line, value| {
            if line.eq_ignore_ascii_case(name) {
                first = Some(value);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        first
    }

    /// Visits the header lines in the order they were given, until the visitor breaks.
    pub fn each_header(&self, mut visit: impl FnMut(&'a str, &'a [u8]) -> ControlFlow<()>) {
        for (name, value) in self.headers.iter().flatten().chain(&self.more_headers) {
            if visit(name, value).is_break() {
                return;
            }
        }
        if let Some(kept) = self.kept_headers {
            kept.visit(&mut visit);
        }
    }

    /// Whether the method, a header's name or value, or bytes that the service gave are longer than this.
    #[cfg(feature = "std")]
    pub(crate) fn has_value_over(&self, longest: usize) -> bool {
        let mut given = self.given.iter().flatten().chain(&self.more_given);
        let is_given = given.any(|(_, value)| match value {
            Given::Bytes(bytes) => bytes.len() > longest,
            _ => false,
        });
        let mut is_over = is_given || self.method.len() > longest;
        self.each_header(|name, value| {
            is_over = is_over || name.len() > longest || value.len() > longest;
            if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        is_over
    }

    /// The value of a field that the service gave, by its full name.
    #[must_use]
    pub fn get_field(&self, name: &str) -> Option<Given<'a>> {
        let given = self.given.iter().flatten().chain(&self.more_given);
        given.copied().find(|(given, _)| *given == name).map(|(_, value)| value)
    }
}

impl core::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Request")
            .field("peer", &self.peer())
            .field("method", &self.method)
            .field("host", &self.host)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use core::{
        net::{IpAddr, Ipv4Addr},
        ops::ControlFlow,
    };
    use std::vec::Vec;

    use super::Request;

    #[test]
    fn any_number_of_headers_is_kept_in_order() {
        let lines = ["a", "b", "c", "d", "e", "f"];
        let mut request = Request::new(None);
        for line in lines {
            request = request.header("X-Line", line);
        }
        let mut kept = Vec::new();
        request.each_header(|name, value| {
            assert_eq!(name, "X-Line");
            kept.push(value);
            ControlFlow::Continue(())
        });
        assert_eq!(kept, lines.map(str::as_bytes));
        assert_eq!(request.first_header("x-line"), Some(&b"a"[..]));
        assert_eq!(request.first_header("x-other"), None);
    }

    #[test]
    fn the_peer_is_canonical_and_may_be_unknown() {
        let v4 = Ipv4Addr::new(192, 0, 2, 1);
        let mapped: IpAddr = v4.to_ipv6_mapped().into();
        assert_eq!(Request::new(mapped).peer(), Some(v4.into()));
        assert_eq!(Request::new(None).peer(), None);
        assert_eq!(Request::new(Some(mapped)).peer(), Some(v4.into()));
    }

    #[test]
    fn what_was_given_comes_back() {
        let request = Request::new(None).method("GET").host("h").target("/p?q");
        assert_eq!(
            (request.get_method(), request.get_host(), request.get_target()),
            ("GET", "h", "/p?q")
        );
        let empty = Request::new(None);
        assert_eq!((empty.get_method(), empty.get_host(), empty.get_target()), ("", "", ""));
    }

    /// Each value that counts, as long as may be and one longer, and what has no length.
    #[test]
    #[cfg(feature = "std")]
    fn values_are_too_long_from_one_byte_on() {
        let requests: [fn(&'static str) -> Request<'static>; 7] = [
            |text| Request::new(None).method(text),
            |text| Request::new(None).header(text, "v"),
            |text| Request::new(None).header("n", text),
            |text| Request::new(None).header("a", "").header("b", text).header("c", ""),
            |text| (0..5).fold(Request::new(None), |it, _| it.header("n", "v")).header("n", text),
            |text| Request::new(None).field("f", text),
            |text| (0..5).fold(Request::new(None), |it, _| it.field("f", 1_i64)).field("g", text),
        ];
        for (at, request) in requests.into_iter().enumerate() {
            assert!(!request("123").has_value_over(3), "{at}");
            assert!(request("1234").has_value_over(3), "{at}");
        }
        let others =
            Request::new(None).target("/long").host("long").field("a", true).field("b", 7_i64);
        assert!(!others.has_value_over(0));
    }

    /// Headers and fields may hold secrets, and are not told.
    #[test]
    fn what_is_logged_of_a_request_is_its_first_line() {
        let peer: IpAddr = Ipv4Addr::new(192, 0, 2, 1).into();
        let request = Request::new(peer).method("GET").host("h").target("/p").header("a", "secret");
        assert_eq!(
            std::format!("{request:?}"),
            "Request { peer: Some(192.0.2.1), method: \"GET\", host: \"h\", target: \"/p\", .. }"
        );
    }
}
