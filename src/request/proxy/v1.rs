//! Version 1: one line of text.

use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str,
};

use super::{
    Parsed, Problem, canonical,
    header::{Command, Header, Transport, Version},
    tlvs::Tlvs,
};

/// The longest header of version 1, with its CR LF.
pub const LONGEST_V1: usize = 107;

/// `PROXY UNKNOWN\r\n`.
pub(super) const SHORTEST: usize = 15;

const SIGNATURE: &[u8] = b"PROXY";

/// What follows the signature, and the shortest line that begins so.
const FAMILIES: [(Family, &[u8], usize); 3] = [
    (Family::V4, b" TCP4 ", 32),
    (Family::V6, b" TCP6 ", 22),
    (Family::Unknown, b" UNKNOWN", SHORTEST),
];

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
    Unknown,
}

/// What can be told before the line has ended.
enum Begun<'a> {
    /// The family, what follows it so far, and the shortest line that begins so.
    Family(Family, &'a [u8], usize),
    /// Not that much yet: the shortest line that begins so.
    Less(usize),
    Other(Parsed<'static>),
}

pub(super) fn parse(bytes: &[u8]) -> Parsed<'_> {
    // Nothing behind this can be part of the line, whatever it is.
    let seen = bytes.get(..LONGEST_V1).unwrap_or(bytes);
    let (family, rest, shortest) = match begin(seen) {
        Begun::Family(family, rest, shortest) => (family, rest, shortest),
        Begun::Less(shortest) => return Parsed::Incomplete { needed: shortest },
        Begun::Other(parsed) => return parsed,
    };
    // A line that ends further right is longer than it may be, however it ends.
    let room = (LONGEST_V1 - 1).saturating_sub(seen.len().saturating_sub(rest.len()));
    let end = rest.iter().take(room).position(|byte| matches!(byte, b'\r' | b'\n'));
    let needed = match end.and_then(|end| rest.split_at_checked(end)) {
        Some((text, ending @ [b'\r', b'\n', ..])) => {
            return match addresses(family, text) {
                Ok(addresses) => Parsed::Header(header(addresses, consumed(seen, ending))),
                Err(problem) => Parsed::Invalid(problem),
            };
        }
        Some((_, [b'\r'])) => seen.len().saturating_add(1),
        Some(_) => return Parsed::Invalid(Problem::LineEnd),
        None => seen.len().saturating_add(2),
    };
    if needed > LONGEST_V1 {
        return Parsed::Invalid(Problem::TooLong);
    }
    Parsed::Incomplete { needed: needed.max(shortest) }
}

/// Everything but what comes behind the CR LF that `ending` begins with.
fn consumed(seen: &[u8], ending: &[u8]) -> usize {
    seen.len().saturating_sub(ending.len()).saturating_add(2)
}

/// Signature and family, as far as they are there.
fn begin(seen: &[u8]) -> Begun<'_> {
    let Some(after) = seen.strip_prefix(SIGNATURE) else {
        return if SIGNATURE.starts_with(seen) {
            Begun::Less(SHORTEST)
        } else {
            Begun::Other(Parsed::Absent)
        };
    };
    for (family, name, shortest) in FAMILIES {
        if let Some(rest) = after.strip_prefix(name) {
            return match (family, rest) {
                (Family::V4 | Family::V6, _) | (Family::Unknown, [] | [b' ' | b'\r', ..]) => {
                    Begun::Family(family, rest, shortest)
                }
                (Family::Unknown, _) => Begun::Other(Parsed::Invalid(Problem::Protocol)),
            };
        }
    }
    let possible = FAMILIES.iter().filter(|(_, name, _)| name.starts_with(after));
    match possible.map(|(_, _, shortest)| *shortest).min() {
        Some(shortest) => Begun::Less(shortest),
        None => Begun::Other(Parsed::Invalid(Problem::Protocol)),
    }
}

/// Source and destination, from what is between the family and the end of the line.
fn addresses(family: Family, text: &[u8]) -> Result<Option<(SocketAddr, SocketAddr)>, Problem> {
    let address: fn(&str) -> Option<IpAddr> = match family {
        // Whatever follows is to be ignored.
        Family::Unknown => return Ok(None),
        // Four numbers without leading zeros, as the specification has them.
        Family::V4 => |text| text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        Family::V6 => |text| text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
    };
    // What is not text is no address; it is found out which part is to blame.
    let mut parts = text.split(|byte| *byte == b' ').map(|part| str::from_utf8(part).unwrap_or(""));
    let mut next = || parts.next().unwrap_or("");
    let source = address(next()).ok_or(Problem::Address)?;
    let destination = address(next()).ok_or(Problem::Address)?;
    let source = SocketAddr::new(source, port(next()).ok_or(Problem::Port)?);
    let destination = SocketAddr::new(destination, port(next()).ok_or(Problem::Port)?);
    match parts.next() {
        None => Ok(Some((canonical(source), canonical(destination)))),
        Some(_) => Err(Problem::LineEnd),
    }
}

/// A number to 65535 of digits alone, the first of which is no zero unless it is all there is.
fn port(text: &str) -> Option<u16> {
    let is_written_so = match text.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', more @ ..] => more.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if is_written_so { text.parse().ok() } else { None }
}

fn header<'a>(addresses: Option<(SocketAddr, SocketAddr)>, consumed: usize) -> Header<'a> {
    let transport = if addresses.is_some() { Transport::Stream } else { Transport::Unspecified };
    Header {
        version: Version::V1,
        command: Command::Proxy,
        transport,
        addresses,
        consumed,
        tlvs: Tlvs::EMPTY,
    }
}
