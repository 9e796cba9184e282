//! What is known of one request.

mod client;

use alloc::vec::Vec;
use core::net::IpAddr;

#[cfg(feature = "std")]
pub(crate) use client::Client;
pub use client::ClientGroup;

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
/// assert_eq!(request.headers("User-Agent").next(), Some(&b"curl/8.5"[..]));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Request<'a> {
    peer: Option<IpAddr>,
    method: &'a str,
    host: &'a str,
    target: &'a str,
    headers: [Option<(&'a str, &'a [u8])>; INLINE],
    /// What does not fit inline; empty without an allocation.
    more_headers: Vec<(&'a str, &'a [u8])>,
}

/// Headers up to this number are kept without an allocation.
const INLINE: usize = 4;

impl<'a> Request<'a> {
    /// A request from this peer: the other end of the connection, if it is known.
    #[must_use]
    pub fn new(peer: impl Into<Option<IpAddr>>) -> Self {
        Self {
            peer: peer.into(),
            method: "",
            host: "",
            target: "",
            headers: [None; INLINE],
            more_headers: Vec::new(),
        }
    }

    /// With this method, as it came: `"GET"`.
    #[must_use]
    pub fn method(self, method: &'a str) -> Self {
        Self { method, ..self }
    }

    /// With this host, as it came.
    #[must_use]
    pub fn host(self, host: &'a str) -> Self {
        Self { host, ..self }
    }

    /// With this target, path and query as they came: `"/login?next=/"`.
    #[must_use]
    pub fn target(self, target: &'a str) -> Self {
        Self { target, ..self }
    }

    /// With one more header line. Names are compared without case; lines of one name add up.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        let line = (name, value.as_ref());
        match self.headers.iter_mut().find(|header| header.is_none()) {
            Some(header) => *header = Some(line),
            None => self.more_headers.push(line),
        }
        self
    }

    /// The other end of the connection, in its canonical form (`::ffff:192.0.2.1` is `192.0.2.1`).
    #[must_use]
    pub fn peer(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.to_canonical())
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

    /// The values of all header lines of this name, in the order they were given.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.headers.iter().flatten().chain(&self.more_headers);
        lines.filter(move |(line, _)| line.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr};
    use std::vec::Vec;

    use super::Request;

    #[test]
    fn any_number_of_headers_is_kept_in_order() {
        let lines = ["a", "b", "c", "d", "e", "f"];
        let mut request = Request::new(None);
        for line in lines {
            request = request.header("X-Line", line);
        }
        let kept: Vec<_> = request.headers("x-line").collect();
        assert_eq!(kept, lines.map(str::as_bytes));
        assert_eq!(request.headers("x-other").count(), 0);
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
}
