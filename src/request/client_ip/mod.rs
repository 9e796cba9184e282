//! Whose request it is: the client's address behind proxies.
//!
//! The peer of a connection is known for certain. Everything in a header was written by somebody, and
//! the first to write was the client. So nobody is believed by default, and where proxies are, their
//! header is read from the right: the last entry was written by the proxy that spoke to us, the one
//! before by the proxy that spoke to that one, and so on, as long as each of them is one of ours. The
//! first that is not is the client. What stands left of it may be anything, and is never looked at.
//!
//! # Invariants
//! - **I1** without trust in the peer no header is read;
//! - **I2** the answer depends on nothing left of the entry that it comes from: whatever a client
//!   sends, it is either on the right, where our own proxies wrote, or it is not read;
//! - **I3** where the chain cannot be followed further (no address, an obfuscated name, too long), the
//!   last address that one of ours vouched for is the answer, never one further left;
//! - **I4** one header is read, the configured one: whoever can choose between headers picks the one that
//!   our proxies do not overwrite;
//! - **I5** nothing is allocated, and the work is linear in the header's length.

mod chain;
mod node;
#[cfg(test)]
mod tests;

use alloc::{boxed::Box, string::String};
use core::{net::IpAddr, ops::ControlFlow};

use self::chain::Chain;
use super::Request;
use crate::cidr::{CidrParseError, CidrSet};

/// Whose word about the client's address is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "there is one for each gate")]
pub enum Trust {
    /// Nobody's: the peer is the client.
    #[default]
    None,
    /// That of proxies with these addresses.
    Nets(CidrSet),
    /// That of so many proxies in a row, the peer being the first: with 1 the client is the last entry
    /// of the header. Up to 32; a chain that is shorter than that makes the peer the client.
    ///
    /// Only safe where no request can come in past the proxies.
    Hops(u8),
}

impl Trust {
    /// Trusts proxies with these addresses: prefixes, ranges, single addresses, and the names
    /// `loopback`, `linklocal` and `uniquelocal`.
    ///
    /// | name | prefixes |
    /// |---|---|
    /// | `loopback` | `127.0.0.0/8`, `::1/128` |
    /// | `linklocal` | `169.254.0.0/16`, `fe80::/10` |
    /// | `uniquelocal` | `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`, `fc00::/7` |
    ///
    /// # Example: a load balancer in the same private network, and a CDN
    /// ```
    /// use portcullis::Trust;
    ///
    /// let trust = Trust::nets(["uniquelocal", "203.0.113.0/24"])?;
    /// # let Trust::Nets(nets) = trust else { unreachable!() };
    /// # assert!(nets.contains("10.1.2.3".parse().unwrap()));
    /// # assert!(nets.contains("203.0.113.77".parse().unwrap()));
    /// # Ok::<(), portcullis::CidrParseError>(())
    /// ```
    ///
    /// # Errors
    /// All items that are neither addresses nor one of the names, each by its number as the line.
    pub fn nets<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, CidrParseError> {
        let mut named = CidrSet::new();
        let mut text = String::new();
        for item in items {
            match alias(item.trim()) {
                Some(nets) => named.extend(nets.iter().filter_map(|net| net.parse().ok())),
                // A line break would make two lines of one item.
                None => text.extend(item.chars().map(|c| if c == '\n' { ' ' } else { c })),
            }
            text.push('\n');
        }
        Ok(Self::Nets(text.parse::<CidrSet>()?.union(&named)))
    }
}

/// What a name stands for.
pub(crate) fn alias(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "loopback" => &["127.0.0.0/8", "::1/128"],
        "linklocal" => &["169.254.0.0/16", "fe80::/10"],
        "uniquelocal" => &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
        _ => return None,
    })
}

/// The one header in which proxies say whose request they pass on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedBy {
    /// `X-Forwarded-For`: addresses, each proxy adding one at the end.
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    Forwarded,
    /// A header with a single address, such as `CF-Connecting-IP` or `X-Real-IP`, by its name in lower
    /// case. It is read only with [`Trust::Nets`], since there is no chain to count hops on.
    Single(Box<str>),
}

impl ForwardedBy {
    /// The header of this name; case does not matter.
    #[must_use]
    pub fn header(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Self::XForwardedFor,
            "forwarded" => Self::Forwarded,
            single => Self::Single(Box::from(single)),
        }
    }

    /// The header's name, in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::Single(name) => name,
        }
    }
}

/// Finds the client's address: whom to trust, and the one header that is read.
///
/// # Example: behind a proxy on the same machine
/// ```
/// use portcullis::{ClientIp, ForwardedBy, Request, Trust, request::Reason};
/// use std::net::IpAddr;
///
/// let clients = ClientIp::new(Trust::nets(["loopback"])?, ForwardedBy::XForwardedFor);
/// let proxy: IpAddr = [127, 0, 0, 1].into();
///
/// // The client sent the first entry, in the hope to pass as somebody else.
/// let request = Request::new(proxy).header("x-forwarded-for", "192.0.2.1, 203.0.113.9");
/// let found = clients.resolve(&request).expect("the peer is known");
/// assert_eq!((found.ip, found.reason), ([203, 0, 113, 9].into(), Reason::Header));
///
/// let stranger: IpAddr = [198, 51, 100, 7].into();
/// let request = Request::new(stranger).header("x-forwarded-for", "192.0.2.1");
/// let found = clients.resolve(&request).expect("the peer is known");
/// assert_eq!((found.ip, found.reason), (stranger, Reason::PeerUntrusted));
/// # Ok::<(), portcullis::CidrParseError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientIp {
    pub(crate) trust: Trust,
    pub(crate) header: ForwardedBy,
}

/// An address, and why it is this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolved {
    /// The client's address, as far as it can be believed; in its canonical form.
    pub ip: IpAddr,
    /// Why it is this one.
    pub reason: Reason,
}

/// Why an address is the client's.
///
/// All but the first three are worth counting: a rise means that proxies and configuration do not fit,
/// or that somebody is trying something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Nobody is trusted: it is the peer's.
    Peer,
    /// The first from the right that is none of ours.
    Header,
    /// Every entry of the header is one of ours: it is the leftmost.
    AllHopsTrusted,
    /// The peer is none of ours, so no header is read: it is the peer's.
    PeerUntrusted,
    /// The peer is one of ours, and there is no such header: it is the peer's.
    NoHeader,
    /// The chain is shorter than the number of proxies: it is the peer's.
    TooFewHops,
    /// An entry is no address: it is the last one that could be followed to.
    Malformed,
    /// The chain goes on for more than 32 entries: it is the last one that was followed to.
    TooManyHops,
}

/// The most entries of a chain that are looked at.
const MOST_HOPS: usize = 32;

impl ClientIp {
    /// Trusts these, and reads this header.
    #[must_use]
    pub const fn new(trust: Trust, header: ForwardedBy) -> Self {
        Self { trust, header }
    }

    /// The client's address, and why; `None` if the peer's is not known.
    ///
    /// # Cost
    /// Without trust, nothing. Else a lookup of the peer, a walk over the header lines, and a
    /// lookup for each entry from the right that is one of ours.
    #[must_use]
    pub fn resolve(&self, request: &Request<'_>) -> Option<Resolved> {
        let peer = request.peer()?;
        let (ip, reason) = match &self.trust {
            Trust::None | Trust::Hops(0) => (peer, Reason::Peer),
            Trust::Nets(ours) if !ours.contains(peer) => (peer, Reason::PeerUntrusted),
            Trust::Nets(ours) => match &self.header {
                ForwardedBy::Single(name) => single(peer, name, request),
                header => walk(peer, ours, header, request),
            },
            Trust::Hops(hops) => match &self.header {
                ForwardedBy::Single(_) => (peer, Reason::TooFewHops),
                header => count(peer, usize::from(*hops), header, request),
            },
        };
        Some(Resolved { ip, reason })
    }

    /// The address that [`resolve`](Self::resolve) finds.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn address_of(&self, request: &Request<'_>) -> Option<IpAddr> {
        match &self.trust {
            Trust::None => request.peer(),
            _ => self.resolve(request).map(|resolved| resolved.ip),
        }
    }

    /// Whether this peer is a proxy that is believed.
    #[cfg(feature = "std")]
    pub(crate) fn is_proxy(&self, peer: IpAddr) -> bool {
        match &self.trust {
            Trust::None => false,
            Trust::Nets(ours) => ours.contains(peer),
            Trust::Hops(hops) => *hops > 0,
        }
    }

    /// Whether one of the proxies that are believed is in this network.
    #[cfg(feature = "std")]
    pub(crate) fn trusts_any_of(&self, net: &ipnet::IpNet) -> bool {
        matches!(&self.trust, Trust::Nets(ours) if ours.overlaps(net))
    }
}

/// Follows the chain from the right as long as it is ours.
fn walk(
    peer: IpAddr,
    ours: &CidrSet,
    header: &ForwardedBy,
    request: &Request<'_>,
) -> (IpAddr, Reason) {
    let mut followed_to = peer;
    let mut hops = 0_usize;
    let chain = Chain::of(header.name(), request);
    for entry in chain.rightmost_first() {
        if hops == MOST_HOPS {
            return (followed_to, Reason::TooManyHops);
        }
        hops = hops.saturating_add(1);
        match node::address(entry, header) {
            None => return (followed_to, Reason::Malformed),
            Some(ip) if !ours.contains(ip) => return (ip, Reason::Header),
            Some(ip) => followed_to = ip,
        }
    }
    let reason = if hops > 0 { Reason::AllHopsTrusted } else { Reason::NoHeader };
    (followed_to, reason)
}

/// Takes the entry that the outermost of so many proxies has written.
fn count(
    peer: IpAddr,
    hops: usize,
    header: &ForwardedBy,
    request: &Request<'_>,
) -> (IpAddr, Reason) {
    let chain = Chain::of(header.name(), request);
    let Some(before) = hops.checked_sub(1).filter(|_| hops <= MOST_HOPS) else {
        return (peer, Reason::TooFewHops);
    };
    match chain.rightmost_first().nth(before).map(|entry| node::address(entry, header)) {
        None => (peer, Reason::TooFewHops),
        Some(None) => (peer, Reason::Malformed),
        Some(Some(ip)) => (ip, Reason::Header),
    }
}

/// Takes the only entry of the only line.
fn single(peer: IpAddr, name: &str, request: &Request<'_>) -> (IpAddr, Reason) {
    let mut line = None;
    let mut more = false;
    request.each_header(|given, value| {
        if !given.eq_ignore_ascii_case(name) {
            return ControlFlow::Continue(());
        }
        more = line.replace(value).is_some();
        if more { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match line {
        None => (peer, Reason::NoHeader),
        Some(line) if !more => match node::only(line, name) {
            Some(ip) => (ip, Reason::Header),
            None => (peer, Reason::Malformed),
        },
        Some(_) => (peer, Reason::Malformed),
    }
}
