//! The client's address, for handlers.

use core::net::IpAddr;

/// The client's address as the gate has found it, behind proxies that are trusted.
///
/// An extractor; the gate has to be in front of the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientIp(pub IpAddr);
