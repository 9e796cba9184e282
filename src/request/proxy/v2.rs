//! Version 2: a block of bytes.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    Parsed, Problem, canonical,
    crc32c::Crc32c,
    header::{Command, Header, Transport, Version},
    tlvs::Tlvs,
};

/// Signature, version and command, family and transport, and the length of the rest.
pub(super) const FIXED: usize = 16;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The type of a checksum.
const CRC32C: u8 = 0x03;

#[derive(Clone, Copy)]
enum Family {
    Unspecified,
    V4,
    V6,
    Unix,
}

pub(super) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some(after) = bytes.strip_prefix(SIGNATURE) else {
        return if SIGNATURE.starts_with(bytes) {
            Parsed::Incomplete { needed: FIXED }
        } else {
            Parsed::Absent
        };
    };
    match whole(bytes, after) {
        Ok(parsed) => parsed,
        Err(problem) => Parsed::Invalid(problem),
    }
}

/// Judges each byte as soon as it is there, so that what must fail does not wait for more.
fn whole<'a>(bytes: &'a [u8], after: &[u8]) -> Result<Parsed<'a>, Problem> {
    let incomplete = Ok(Parsed::Incomplete { needed: FIXED });
    let Some(version_and_command) = after.first() else { return incomplete };
    let command = command(*version_and_command)?;
    let Some(family_and_transport) = after.get(1) else { return incomplete };
    let (family, transport) = match command {
        // The rest is dummy: it is skipped, whatever it is.
        Command::Local => (Family::Unspecified, Transport::Unspecified),
        Command::Proxy => {
            (family(*family_and_transport >> 4)?, transport(*family_and_transport & 15)?)
        }
    };
    let Some((_, &[high, low])) = bytes.get(..FIXED).and_then(|fixed| fixed.split_last_chunk())
    else {
        return incomplete;
    };
    // Both have to be told for either to mean something.
    let family = match transport {
        Transport::Unspecified => Family::Unspecified,
        _ => family,
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length < addresses_length(family) {
        return Err(Problem::Length);
    }
    let consumed = FIXED.saturating_add(length);
    let Some(block) = bytes.get(..consumed) else {
        return Ok(Parsed::Incomplete { needed: consumed });
    };
    let (addresses, tlvs) = match block.get(FIXED..) {
        Some(rest) => (addresses(family, rest), values(family, rest)),
        None => (None, Tlvs::EMPTY),
    };
    verify(block, tlvs)?;
    let transport = match family {
        Family::Unspecified => Transport::Unspecified,
        _ => transport,
    };
    Ok(Parsed::Header(Header {
        version: Version::V2,
        command,
        transport,
        addresses,
        consumed,
        tlvs,
    }))
}

fn command(byte: u8) -> Result<Command, Problem> {
    match (byte >> 4, byte & 15) {
        (2, 0) => Ok(Command::Local),
        (2, 1) => Ok(Command::Proxy),
        (2, command) => Err(Problem::Command(command)),
        (version, _) => Err(Problem::Version(version)),
    }
}

fn family(number: u8) -> Result<Family, Problem> {
    match number {
        0 => Ok(Family::Unspecified),
        1 => Ok(Family::V4),
        2 => Ok(Family::V6),
        3 => Ok(Family::Unix),
        number => Err(Problem::Family(number)),
    }
}

fn transport(number: u8) -> Result<Transport, Problem> {
    match number {
        0 => Ok(Transport::Unspecified),
        1 => Ok(Transport::Stream),
        2 => Ok(Transport::Datagram),
        number => Err(Problem::Transport(number)),
    }
}

/// Two addresses, and ports if there are any.
fn addresses_length(family: Family) -> usize {
    match family {
        Family::Unspecified => 0,
        Family::V4 => 12,
        Family::V6 => 36,
        Family::Unix => 216,
    }
}

fn addresses(family: Family, block: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    match family {
        Family::V4 => pair(block, |bytes: [u8; 4]| Ipv4Addr::from(bytes)),
        Family::V6 => pair(block, |bytes: [u8; 16]| Ipv6Addr::from(bytes)),
        Family::Unspecified | Family::Unix => None,
    }
}

/// Both addresses, then both ports.
fn pair<const N: usize, A: Into<core::net::IpAddr>>(
    block: &[u8],
    address: impl Fn([u8; N]) -> A,
) -> Option<(SocketAddr, SocketAddr)> {
    let (source, rest) = block.split_first_chunk()?;
    let (destination, rest) = rest.split_first_chunk()?;
    let (source_port, rest) = rest.split_first_chunk()?;
    let (destination_port, _) = rest.split_first_chunk()?;
    let with = |bytes: &[u8; N], port: &[u8; 2]| {
        canonical(SocketAddr::new(address(*bytes).into(), u16::from_be_bytes(*port)))
    };
    Some((with(source, source_port), with(destination, destination_port)))
}

/// What follows the addresses; nothing where it is not told where they end.
fn values(family: Family, block: &[u8]) -> Tlvs<'_> {
    match family {
        Family::Unspecified => Tlvs::EMPTY,
        _ => Tlvs::new(block.get(addresses_length(family)..).unwrap_or_default()),
    }
}

/// Values are whole, and the checksum, if there is one, is that of the block with zeros in its place.
fn verify(block: &[u8], mut tlvs: Tlvs<'_>) -> Result<(), Problem> {
    let mut checksum = None;
    while let Some((kind, value)) = tlvs.next() {
        if kind == CRC32C {
            let before_end = tlvs.rest().len();
            let sum: [u8; 4] = value.try_into().map_err(|_| Problem::Checksum)?;
            if checksum.replace((u32::from_be_bytes(sum), before_end)).is_some() {
                return Err(Problem::Checksum);
            }
        }
    }
    if !tlvs.rest().is_empty() {
        return Err(Problem::Tlv);
    }
    let Some((told, before_end)) = checksum else { return Ok(()) };
    let halves = block
        .len()
        .checked_sub(before_end)
        .and_then(|end| block.split_at_checked(end))
        .and_then(|(head, tail)| Some((head.split_last_chunk::<4>()?.0, tail)));
    match halves {
        Some((head, tail)) if Crc32c::new().add(head).add(&[0; 4]).add(tail).sum() == told => {
            Ok(())
        }
        _ => Err(Problem::Checksum),
    }
}
