//! Whose request it is: the client's address behind proxies.

use core::net::IpAddr;

use super::Request;
use crate::cidr::CidrSet;

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
    /// That of so many proxies, the peer among them.
    Hops(u8),
}

/// Finds the client's address: whom to trust, and the one header that is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientIp {
    pub(crate) trust: Trust,
    pub(crate) header: ForwardedBy,
}

/// The one header in which proxies say whose request they pass on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedBy {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    Forwarded,
    /// A header with a single address, by its name in lower case.
    Single(alloc::boxed::Box<str>),
}

/// An address, and why it is this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The client's address, as far as it can be believed.
    pub ip: IpAddr,
    /// Why it is this one.
    pub reason: Reason,
}

/// Why an address is the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Nobody is trusted: it is the peer's.
    Peer,
}

impl ClientIp {
    /// Trusts these, and reads this header.
    #[must_use]
    pub const fn new(trust: Trust, header: ForwardedBy) -> Self {
        Self { trust, header }
    }

    /// The client's address; `None` if the peer's is not known.
    #[must_use]
    pub fn resolve(&self, request: &Request<'_>) -> Option<Resolved> {
        Some(Resolved { ip: request.peer()?, reason: Reason::Peer })
    }
}
