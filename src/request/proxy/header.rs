//! What a header says, the same for both versions.

use core::net::SocketAddr;

use super::Tlvs;

/// A header of the PROXY protocol, complete and valid.
///
/// # Memory
/// Borrows the bytes it was read from, for the values of version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    pub(super) version: Version,
    pub(super) command: Command,
    pub(super) transport: Transport,
    /// Source and destination.
    pub(super) addresses: Option<(SocketAddr, SocketAddr)>,
    pub(super) consumed: usize,
    pub(super) tlvs: Tlvs<'a>,
}

/// The format of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// A line of text.
    V1,
    /// A block of bytes.
    V2,
}

/// On whose behalf the proxy has connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Its own, for a health check: the peer is the client.
    Local,
    /// A client's. Always so in version 1.
    Proxy,
}

/// How the client is connected to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Not told; there are no addresses then.
    Unspecified,
    /// A stream: TCP, or a Unix socket of that kind.
    Stream,
    /// Datagrams: UDP, or a Unix socket of that kind.
    Datagram,
}

impl<'a> Header<'a> {
    /// The format it had.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// On whose behalf the proxy has connected.
    #[must_use]
    pub const fn command(&self) -> Command {
        self.command
    }

    /// How the client is connected to the proxy.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The client's address. `None` where the connection's own peer counts: the proxy speaks for itself
    /// (`LOCAL`), does not know (`UNKNOWN`, unspecified), or was asked over a Unix socket.
    #[must_use]
    pub fn source(&self) -> Option<SocketAddr> {
        self.addresses.map(|(source, _)| source)
    }

    /// The address that the client connected to; `None` where there is no [`source`](Self::source).
    #[must_use]
    pub fn destination(&self) -> Option<SocketAddr> {
        self.addresses.map(|(_, destination)| destination)
    }

    /// How many bytes the header has. What comes after them belongs to the client.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.consumed
    }

    /// What else the proxy tells, in the order it was sent: types and their values.
    ///
    /// Empty in version 1, and where the specification has the block skipped: with the command `LOCAL`, and with
    /// an unspecified family or transport.
    #[must_use]
    pub const fn tlvs(&self) -> Tlvs<'a> {
        self.tlvs
    }

    /// The first value of this type.
    #[must_use]
    pub fn tlv(&self, kind: u8) -> Option<&'a [u8]> {
        self.tlvs().find(|(given, _)| *given == kind).map(|(_, value)| value)
    }

    /// The host name that the client asked for, its SNI if it speaks TLS; `None` if it is not UTF-8.
    ///
    /// It is what the client says, and canonical in no way.
    #[must_use]
    pub fn authority(&self) -> Option<&'a str> {
        core::str::from_utf8(self.tlv(0x02)?).ok()
    }

    /// The protocol that client and proxy have agreed upon by ALPN: `b"h2"`.
    #[must_use]
    pub fn alpn(&self) -> Option<&'a [u8]> {
        self.tlv(0x01)
    }
}
