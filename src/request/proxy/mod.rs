//! The PROXY protocol: whose connection it is, told by a proxy that speaks no HTTP.
//!
//! A load balancer that passes on bytes cannot add a header line, so it puts a header of its own in front of
//! all that the client sends: a line of text (version 1) or a block of bytes (version 2), as HAProxy's
//! specification says. Whoever may send such a header may claim any address. So it is read from proxies that
//! are trusted and from nobody else, and [`ProxyProtocol`] asks for both at once: the peer and its first bytes.
//!
//! Nothing here does input or output. The caller reads, asks, reads more if it must, and hands what is left of
//! the bytes on to its server. [`parse`] alone is the format, without a question of trust.
//!
//! # Invariants
//! - **I1** the bytes of a peer that is not trusted are never looked at: they are its request;
//! - **I2** a trusted peer must send a header, or is refused: nobody guesses, unless told that headers are
//!   [`optional`](ProxyProtocol::optional);
//! - **I3** nothing after the header is read or consumed, and an answer that has been given stays the same
//!   whatever follows;
//! - **I4** every beginning of a header is [`Incomplete`](Parsed::Incomplete), and `needed` is more than is
//!   there and never more than the header has: a loop that reads up to `needed` ends, and takes no byte of the
//!   request;
//! - **I5** what is accepted is what the specification calls valid, text to the letter; a checksum that is there
//!   has to be right, where the block is not skipped;
//! - **I6** nothing is allocated, and nothing can panic; a header that is not complete yet costs no more than a
//!   look at its first 107 bytes, however long it says that it will be;
//! - **I7** addresses are canonical: an IPv4-mapped IPv6 address is an IPv4 address.
//!
//! # Example: one step of an accept loop
//! ```
//! use portcullis::request::proxy::{ProxyProtocol, Read};
//! use std::net::SocketAddr;
//!
//! enum Step {
//!     /// Read until there are so many bytes, and ask again. Give up after a few seconds.
//!     ReadUpTo(usize),
//!     /// Serve: this is the client, and the request starts after so many bytes.
//!     Serve(SocketAddr, usize),
//!     Close,
//! }
//!
//! fn step(proxies: &ProxyProtocol, peer: SocketAddr, received: &[u8]) -> Step {
//!     match proxies.read(peer, received) {
//!         Read::Incomplete { needed } => Step::ReadUpTo(needed),
//!         Read::Accepted(accepted) => Step::Serve(accepted.client(), accepted.consumed()),
//!         Read::Refused(_problem) => Step::Close,
//!     }
//! }
//!
//! let proxies = ProxyProtocol::new("10.0.0.0/8".parse()?);
//! let [proxy, stranger]: [SocketAddr; 2] = ["10.0.0.1:4711".parse()?, "198.51.100.7:4711".parse()?];
//! let line = b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n";
//! let received = [line, &b"GET / HTTP/1.1\r\n"[..]].concat();
//!
//! let client = "203.0.113.9:56324".parse()?;
//! assert!(matches!(step(&proxies, proxy, &received), Step::Serve(ip, 44) if ip == client));
//! assert!(matches!(step(&proxies, proxy, &received[..20]), Step::ReadUpTo(32)));
//! assert!(matches!(step(&proxies, proxy, b"GET / HTTP/1.1\r\n"), Step::Close));
//! // A stranger's claim is part of its request, which no HTTP server takes for one.
//! assert!(matches!(step(&proxies, stranger, &received), Step::Serve(ip, 0) if ip == stranger));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod crc32c;
mod header;
#[cfg(test)]
mod published;
#[cfg(any(test, feature = "__reference"))]
#[doc(hidden)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "slow and obvious, for tests and fuzzing only"
)]
pub mod reference;
#[cfg(test)]
mod tests;
mod tlvs;
mod v1;
mod v2;

use core::net::SocketAddr;

pub use self::{
    header::{Command, Header, Transport, Version},
    tlvs::Tlvs,
    v1::LONGEST_V1,
};
use crate::cidr::CidrSet;

/// The longest header that there can be: 16 bytes, and as many as two bytes can count.
pub const LONGEST: usize = v2::FIXED + u16::MAX as usize;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "on the stack, and looked at once")]
pub enum Parsed<'a> {
    /// The beginning of a header, or no bytes at all.
    Incomplete {
        /// No header that begins like this has fewer bytes. Always more than there are.
        needed: usize,
    },
    /// A header; what follows after [`Header::consumed`] bytes is not part of it.
    Header(Header<'a>),
    /// Something else: no header begins like this.
    Absent,
    /// The signature of a header, and then what must not be in one. The connection is to be closed.
    Invalid(Problem),
}

/// Why a connection is to be closed.
///
/// The specification wants that soon, so that whoever has set up the proxy notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A trusted peer did not send a header.
    #[error("a trusted proxy sent no PROXY header; switch it on there, or do not trust this peer")]
    Missing,
    /// The header is longer than it may be.
    #[error("the PROXY header is longer than it may be")]
    TooLong,
    /// Version 1: neither `TCP4`, `TCP6` nor `UNKNOWN`, after one blank.
    #[error("a PROXY header of version 1 is neither of TCP4, TCP6 nor UNKNOWN")]
    Protocol,
    /// Version 1: an address is not written as one of this family, or is missing.
    #[error("a PROXY header of version 1 has an address that is none of its family")]
    Address,
    /// Version 1: a port is no number to 65535, starts with a zero, or is missing.
    #[error("a PROXY header of version 1 has a port that is none")]
    Port,
    /// Version 1: the line goes on after the ports, or ends in something else than CR LF.
    #[error("a PROXY header of version 1 does not end after its ports with CR LF")]
    LineEnd,
    /// Version 2: another number of the version.
    #[error("a PROXY header has version {0}, where only 2 is known")]
    Version(u8),
    /// Version 2: neither LOCAL nor PROXY.
    #[error("a PROXY header has the command {0}, which is neither LOCAL nor PROXY")]
    Command(u8),
    /// Version 2: an address family that there is none.
    #[error("a PROXY header has the address family {0}, which there is none")]
    Family(u8),
    /// Version 2: a transport protocol that there is none.
    #[error("a PROXY header has the transport protocol {0}, which there is none")]
    Transport(u8),
    /// Version 2: too short for the addresses of its family.
    #[error("a PROXY header is too short for its addresses")]
    Length,
    /// Version 2: what follows the addresses is not made of whole values.
    #[error("a PROXY header has a value that ends after the header")]
    Tlv,
    /// Version 2: the checksum is wrong, has not four bytes, or is there twice.
    #[error("a PROXY header has a wrong checksum")]
    Checksum,
}

/// Reads a header of either version, whoever sent it. See [`ProxyProtocol`] for whom to believe.
///
/// # Example: what a load balancer sends
/// ```
/// use portcullis::request::proxy::{Parsed, Version, parse};
///
/// let bytes = b"PROXY TCP6 2001:db8::9 2001:db8::1 56324 443\r\nGET / HTTP/1.1\r\n";
/// let Parsed::Header(header) = parse(bytes) else { panic!("{:?}", parse(bytes)) };
/// assert_eq!(header.version(), Version::V1);
/// assert_eq!(header.source(), Some("[2001:db8::9]:56324".parse()?));
/// assert!(bytes[header.consumed()..].starts_with(b"GET /"));
///
/// assert_eq!(parse(b"GET / HTTP/1.1\r\n"), Parsed::Absent);
/// assert_eq!(parse(b"PROXY TCP6 ::1"), Parsed::Incomplete { needed: 22 });
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// # Cost
/// Version 1: a pass over the line. Version 2: its first 16 bytes, a step for each value, and where there is a
/// checksum a pass over the header once it is complete.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    match bytes.first() {
        None => Parsed::Incomplete { needed: v1::SHORTEST.min(v2::FIXED) },
        Some(b'P') => v1::parse(bytes),
        Some(b'\r') => v2::parse(bytes),
        Some(_) => Parsed::Absent,
    }
}

/// Finds the client of a connection: which peers are proxies, and the header that those must send.
///
/// A listener is either behind proxies or in the open; the specification forbids to find out by looking. Where
/// both have to be, the peer's address decides, which no client can choose: it has to answer from there.
///
/// See the [module](self) for the promises and an accept loop.
///
/// # Concurrency
/// Without state: one for all listeners and threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyProtocol {
    trusted: CidrSet,
    is_optional: bool,
    longest: usize,
}

/// What is known of a connection by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a connection that is refused must be closed"]
#[allow(clippy::large_enum_variant, reason = "on the stack, and looked at once")]
pub enum Read<'a> {
    /// Not enough yet: read more, in all at least `needed` bytes, and ask again with all of them.
    ///
    /// Give it a few seconds and no more; the specification says at least three. A connection that ends here is to
    /// be closed.
    Incomplete {
        /// No header that begins like this has fewer bytes. Always more than there are.
        needed: usize,
    },
    /// The client is known.
    Accepted(Accepted<'a>),
    /// To be closed without an answer.
    Refused(Problem),
}

/// A connection whose client is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted<'a> {
    client: SocketAddr,
    header: Option<Header<'a>>,
}

impl ProxyProtocol {
    /// How long a header may be unless [`longest`](Self::longest) says more or less: 4096 bytes, as in nginx.
    pub const DEFAULT_LONGEST: usize = 4096;

    /// Believes these peers, and nobody else. They must send a header.
    #[must_use]
    pub const fn new(trusted: CidrSet) -> Self {
        Self { trusted, is_optional: false, longest: Self::DEFAULT_LONGEST }
    }

    /// Takes connections of trusted peers without a header, too: the peer is the client then.
    ///
    /// Safe only where clients cannot decide how a trusted peer's connection begins. A proxy that passes on what
    /// clients send and adds no header lets each of them claim any address.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }

    /// Refuses headers with more bytes than this, which is what a caller may have to keep of each connection.
    ///
    /// At least [`LONGEST_V1`], and at most [`LONGEST`]; what is beyond counts as that. Addresses alone take up
    /// to 52 bytes (232 between Unix sockets); certificates' names are what makes headers long.
    #[must_use]
    pub fn longest(self, bytes: usize) -> Self {
        Self { longest: bytes.clamp(LONGEST_V1, LONGEST), ..self }
    }

    /// Who the client is, by the peer of a connection and the first bytes that it sent.
    ///
    /// May be asked before any are there: about a peer that is not trusted there is nothing to wait for.
    ///
    /// # Cost
    /// A lookup of the peer, and [`parse`].
    pub fn read<'a>(&self, peer: SocketAddr, bytes: &'a [u8]) -> Read<'a> {
        let peer = canonical(peer);
        let itself = Read::Accepted(Accepted { client: peer, header: None });
        if !self.trusted.contains(peer.ip()) {
            return itself;
        }
        match parse(bytes) {
            Parsed::Incomplete { needed } if needed > self.longest => {
                Read::Refused(Problem::TooLong)
            }
            Parsed::Incomplete { needed } => Read::Incomplete { needed },
            Parsed::Header(header) if header.consumed() > self.longest => {
                Read::Refused(Problem::TooLong)
            }
            Parsed::Header(header) => Read::Accepted(Accepted {
                client: header.source().unwrap_or(peer),
                header: Some(header),
            }),
            Parsed::Absent if self.is_optional => itself,
            Parsed::Absent => Read::Refused(Problem::Missing),
            Parsed::Invalid(problem) => Read::Refused(problem),
        }
    }
}

impl<'a> Accepted<'a> {
    /// The client's address: the header's source, or the peer where the header names none or there is none to
    /// read. Put it where the gate looks for the peer: among a request's extensions.
    #[must_use]
    pub const fn client(&self) -> SocketAddr {
        self.client
    }

    /// So many bytes are the header's; the request starts after them.
    #[must_use]
    pub fn consumed(&self) -> usize {
        self.header.as_ref().map_or(0, Header::consumed)
    }

    /// The header, if there was one to read.
    #[must_use]
    pub const fn header(&self) -> Option<&Header<'a>> {
        self.header.as_ref()
    }
}

/// With an IPv4 address for an IPv4-mapped one, and all else as it was.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip if ip == address.ip() => address,
        ip => SocketAddr::new(ip, address.port()),
    }
}
