//! What a limit counts together: values of a request, hashed where they lie.
//!
//! # Invariants
//! - **I1** different values make different keys, but for 64 bits of a hash with a random seed: each value is
//!   fed with its type and its length, so `("a", "bc")` is not `("ab", "c")`, and no value is not an
//!   empty one;
//! - **I2** a key by `client` alone is the one that a limit of each client's has always had;
//! - **I3** nothing is allocated and nothing of the request is kept.

use alloc::{boxed::Box, vec::Vec};
use core::{
    hash::{BuildHasher, Hasher},
    net::IpAddr,
};

use ahash::RandomState;

use crate::{
    gate::MissingPeer,
    limit::remote::{Subject, SubjectHasher},
    request::{Client, ClientGroup, canonical::Needs},
    rule::{Builtin, Facts, Name, Operand, Reader, Term, Value},
};

/// How a key is made.
#[derive(Debug)]
pub(super) enum Key {
    /// Everything is counted together.
    Everything,
    /// By the client, and nothing else.
    Client,
    Values(Box<[Part]>),
}

/// One value of a key.
#[derive(Debug)]
pub(super) struct Part {
    reader: Reader,
    /// If it is the client's address, or a network that this is in: which.
    net: Option<Net>,
}

/// A network that an address is in.
#[derive(Clone, Copy, Debug)]
enum Net {
    /// The one that counts as one client.
    Client,
    Of(ClientGroup),
}

/// The key of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) hash: u64,
    /// At least one value is missing, and not because the client is not known.
    pub(super) lacks: bool,
}

/// In place of a value, and before each.
mod mark {
    pub(super) const MISSING: u8 = 0;
    pub(super) const BOOL: u8 = 1;
    pub(super) const INT: u8 = 2;
    pub(super) const BYTES: u8 = 3;
    pub(super) const IPV4: u8 = 4;
    pub(super) const IPV6: u8 = 5;
    pub(super) const UNKNOWN_CLIENT: u8 = 6;
    pub(super) const END: u8 = 7;
}

impl Key {
    pub(super) fn of(terms: &[Term], tags: &[Name]) -> Self {
        match terms {
            [] => Self::Everything,
            [term] if *term == Term::client() => Self::Client,
            terms => Self::Values({
                let parts = terms.iter().map(|term| Part::of(term, tags));
                parts.collect::<Vec<_>>().into()
            }),
        }
    }

    /// Whether clients have keys of their own.
    pub(super) fn is_by_client(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Client => true,
            Self::Values(parts) => parts.iter().any(|part| part.net.is_some()),
        }
    }

    /// Whether the key is a network that the client is in, and nothing else.
    pub(super) fn is_a_network(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Client => true,
            Self::Values(parts) => matches!(&**parts, [Part { net: Some(_), .. }]),
        }
    }

    /// The network that the key is, if it is one that the client is in and nothing else.
    pub(super) fn network(&self, facts: &Facts<'_>) -> Option<ipnet::IpNet> {
        let address = facts.client?;
        match self {
            Self::Client => Some(facts.group.net_of(address)),
            Self::Values(parts) => match &**parts {
                [Part { net: Some(net), .. }] => Some(net.of(address, facts.group)),
                _ => None,
            },
            Self::Everything => None,
        }
    }

    /// Whether it reads more of a request than who the client is.
    pub(super) fn reads_requests(&self) -> bool {
        match self {
            Self::Everything | Self::Client => false,
            Self::Values(parts) => parts.iter().any(|part| part.net.is_none()),
        }
    }

    /// What it reads of a request's canonical form.
    pub(super) fn needs(&self) -> Needs {
        match self {
            Self::Everything | Self::Client => Needs::NOTHING,
            Self::Values(parts) => {
                parts.iter().map(|part| part.reader.needs()).fold(Needs::NOTHING, Needs::union)
            }
        }
    }

    /// The key of this request, as all nodes of a fleet know it.
    pub(super) fn subject(&self, hasher: SubjectHasher, facts: &Facts<'_>) -> Subject {
        let mut hasher = hasher;
        match self {
            Self::Everything => hasher.write_u8(mark::END),
            Self::Client => match client_of(facts) {
                Client::V4(bits) => {
                    hasher.write_u8(mark::IPV4);
                    hasher.write_u32(bits);
                }
                Client::V6 { high, low } => {
                    hasher.write_u8(mark::IPV6);
                    hasher.write_u64(high);
                    hasher.write_u64(low);
                }
                Client::Unknown => hasher.write_u8(mark::UNKNOWN_CLIENT),
            },
            Self::Values(parts) => {
                feed_all(parts, facts, false, &mut hasher);
            }
        }
        hasher.subject()
    }

    /// The key of this request, hashed for a store. `None` if it has none: its client is not known,
    /// and such requests are not limited.
    #[inline]
    pub(super) fn make(
        &self,
        hasher: &RandomState,
        facts: &Facts<'_>,
        missing: MissingPeer,
        as_network: bool,
    ) -> Option<Made> {
        if facts.client.is_none() && missing != MissingPeer::Shared && self.is_by_client() {
            return None;
        }
        match self {
            Self::Everything => Some(Made { hash: 0, lacks: false }),
            Self::Client => {
                let client = client_of(facts);
                let client = if as_network { client.network() } else { client };
                Some(Made { hash: hasher.hash_one(client), lacks: false })
            }
            Self::Values(parts) => Some(hash(parts, hasher, facts, as_network)),
        }
    }
}

/// The client; all that are not known are one.
#[inline]
pub(super) fn client_of(facts: &Facts<'_>) -> Client {
    facts.client.map_or(Client::Unknown, |address| Client::of(address, facts.group))
}

#[inline(never)]
fn hash(parts: &[Part], hasher: &RandomState, facts: &Facts<'_>, as_network: bool) -> Made {
    let mut hasher = hasher.build_hasher();
    let lacks = feed_all(parts, facts, as_network, &mut hasher);
    Made { hash: hasher.finish(), lacks }
}

/// Feeds all values; says whether one is missing, and not because the client is not known.
fn feed_all(parts: &[Part], facts: &Facts<'_>, as_network: bool, hasher: &mut impl Hasher) -> bool {
    let mut lacks = false;
    for part in parts {
        if part.net.is_some() && facts.client.is_none() {
            hasher.write_u8(mark::UNKNOWN_CLIENT);
        } else {
            lacks |= !feed(&part.reader, facts, part.net.is_some() && as_network, hasher);
        }
    }
    lacks
}

/// Feeds a value; says whether there is one.
pub(super) fn feed(
    reader: &Reader,
    facts: &Facts<'_>,
    as_network: bool,
    hasher: &mut impl Hasher,
) -> bool {
    let found = reader.read(facts, &mut |value| match value {
        Value::Bool(value) => {
            hasher.write_u8(mark::BOOL);
            hasher.write_u8(u8::from(value));
        }
        Value::Int(value) => {
            hasher.write_u8(mark::INT);
            hasher.write_i64(value);
        }
        Value::Bytes(value) => {
            hasher.write_u8(mark::BYTES);
            hasher.write_usize(value.len());
            hasher.write(value);
        }
        Value::Ip(ip) => match if as_network { NETWORK.network_of(ip) } else { ip } {
            IpAddr::V4(v4) => {
                hasher.write_u8(mark::IPV4);
                hasher.write_u32(v4.to_bits());
            }
            IpAddr::V6(v6) => {
                hasher.write_u8(mark::IPV6);
                hasher.write_u128(v6.to_bits());
            }
        },
    });
    hasher.write_u8(if found { mark::END } else { mark::MISSING });
    found
}

/// What newcomers are counted together by, as [`Client::network`].
const NETWORK: ClientGroup = ClientGroup { v4: 24, v6: 48 };

impl Part {
    fn of(term: &Term, tags: &[Name]) -> Self {
        Self { reader: Reader::of(&term.0, tags), net: Net::of_operand(&term.0) }
    }
}

impl Net {
    /// The network that the operand is, if the client is in it.
    fn of_operand(operand: &Operand) -> Option<Self> {
        match operand {
            Operand::Builtin(Builtin::Client) => Some(Self::Client),
            Operand::Builtin(Builtin::IpSrc) => Some(Self::Of(ClientGroup { v4: 32, v6: 128 })),
            // What is cut again is a key like any other.
            Operand::Cidr { of, v4, v6 } if matches!(**of, Operand::Builtin(Builtin::IpSrc)) => {
                Some(Self::Of(ClientGroup { v4: *v4, v6: *v6 }))
            }
            _ => None,
        }
    }

    fn of(self, address: IpAddr, client: ClientGroup) -> ipnet::IpNet {
        match self {
            Self::Client => client.net_of(address),
            Self::Of(group) => group.net_of(address),
        }
    }
}
