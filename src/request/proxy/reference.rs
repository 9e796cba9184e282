//! The PROXY protocol once more, slow and obvious: on text, numbers and lists.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::net::{IpAddr, SocketAddr};

use super::{Command, Header, LONGEST, Parsed, ProxyProtocol, Read, Transport, Version, parse};

/// What bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The beginning of a header.
    Incomplete,
    /// A header.
    Header(Found),
    /// Something else.
    Absent,
    /// Must not be in a header.
    Invalid,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The version's number.
    pub version: u8,
    /// The command is LOCAL.
    pub is_local: bool,
    /// The transport's number.
    pub transport: u8,
    /// Source and destination.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    /// The header's length.
    pub consumed: usize,
    /// Types and values.
    pub tlvs: Vec<(u8, Vec<u8>)>,
}

/// Panics if these bytes are taken for something else than they are, or if the answer breaks a promise.
#[allow(clippy::missing_panics_doc, reason = "said above")]
pub fn check(bytes: &[u8]) -> Answer {
    let told = || bytes.escape_ascii().to_string();
    let expected = answer(bytes);
    let parsed = parse(bytes);
    let found = match parsed {
        Parsed::Incomplete { .. } => Answer::Incomplete,
        Parsed::Header(header) => Answer::Header(of(&header)),
        Parsed::Absent => Answer::Absent,
        Parsed::Invalid(_) => Answer::Invalid,
    };
    assert_eq!(found, expected, "{}", told());
    match parsed {
        Parsed::Incomplete { needed } => {
            assert!(needed > bytes.len() && needed <= LONGEST, "{needed} for {}", told());
        }
        Parsed::Header(header) => {
            beginnings(&bytes[..header.consumed()], &told);
            unchanged(bytes, header.consumed(), &told);
        }
        Parsed::Absent | Parsed::Invalid(_) => unchanged(bytes, bytes.len(), &told),
    }
    trust(bytes, &told);
    expected
}

/// I4: a header's beginnings, and a loop that reads as it is told.
fn beginnings(header: &[u8], told: &dyn Fn() -> String) {
    let all = header.len();
    // All of them where they are few.
    let lengths = (0..all).filter(|length| *length < 300 || all - length < 10 || length % 997 == 0);
    for length in lengths {
        match parse(&header[..length]) {
            Parsed::Incomplete { needed } => {
                assert!(needed > length && needed <= all, "{needed} at {length} of {}", told());
            }
            other => panic!("{length} bytes are {other:?} of {}", told()),
        }
    }
    let mut read = 0;
    while let Parsed::Incomplete { needed } = parse(&header[..read]) {
        read = needed;
    }
    assert_eq!(read, all, "read as told: {}", told());
}

/// I3: what follows changes nothing.
fn unchanged(bytes: &[u8], end: usize, told: &dyn Fn() -> String) {
    let before = parse(bytes);
    for more in [&b""[..], b"x", b"\n", b"\r\n", b" \r\n", b"\0\0\0\0", b"PROXY UNKNOWN\r\n"] {
        let longer = [&bytes[..end], more].concat();
        assert_eq!(parse(&longer), before, "with {more:?} after {end} of {}", told());
    }
}

/// I1, I2, and the bound.
fn trust(bytes: &[u8], told: &dyn Fn() -> String) {
    let ours = ProxyProtocol::new("10.0.0.0/8".parse().unwrap_or_default());
    let [proxy, stranger] =
        [[10, 0, 0, 1], [203, 0, 113, 9]].map(|ip| SocketAddr::from((ip, 4711)));
    match ours.read(stranger, bytes) {
        Read::Accepted(accepted) => {
            assert_eq!((accepted.client(), accepted.consumed()), (stranger, 0), "{}", told());
        }
        other => panic!("{other:?} from a stranger: {}", told()),
    }
    let parsed = parse(bytes);
    let is_long = match parsed {
        Parsed::Incomplete { needed } => needed > ProxyProtocol::DEFAULT_LONGEST,
        Parsed::Header(header) => header.consumed() > ProxyProtocol::DEFAULT_LONGEST,
        _ => false,
    };
    let optional = ours.clone().optional();
    for (is_optional, read) in
        [(false, ours.read(proxy, bytes)), (true, optional.read(proxy, bytes))]
    {
        let is_right = match (parsed, read) {
            (_, Read::Refused(_)) if is_long => true,
            (Parsed::Incomplete { needed }, Read::Incomplete { needed: told }) => needed == told,
            (Parsed::Header(header), Read::Accepted(accepted)) => {
                accepted.client() == header.source().unwrap_or(proxy)
                    && accepted.consumed() == header.consumed()
                    && accepted.header() == Some(&header)
            }
            (Parsed::Absent, Read::Accepted(accepted)) => {
                is_optional && accepted.client() == proxy && accepted.consumed() == 0
            }
            (Parsed::Absent, Read::Refused(_)) => !is_optional,
            (Parsed::Invalid(problem), Read::Refused(told)) => problem == told,
            _ => false,
        };
        assert!(is_right, "{parsed:?} is {read:?}, optional: {is_optional}, of {}", told());
    }
}

fn of(header: &Header<'_>) -> Found {
    Found {
        version: if header.version() == Version::V1 { 1 } else { 2 },
        is_local: header.command() == Command::Local,
        transport: match header.transport() {
            Transport::Unspecified => 0,
            Transport::Stream => 1,
            Transport::Datagram => 2,
        },
        addresses: header.source().zip(header.destination()),
        consumed: header.consumed(),
        tlvs: header.tlvs().map(|(kind, value)| (kind, value.to_vec())).collect(),
    }
}

/// What these bytes are, by the specification.
#[must_use]
pub fn answer(bytes: &[u8]) -> Answer {
    let signature = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10];
    let beginning = &bytes[..bytes.len().min(12)];
    if bytes.is_empty() {
        Answer::Incomplete
    } else if signature.starts_with(beginning) {
        version_2(bytes)
    } else {
        // A character for each byte.
        version_1(&bytes.iter().take(107).map(|byte| char::from(*byte)).collect::<String>())
    }
}

fn version_1(text: &str) -> Answer {
    if "PROXY".starts_with(text) {
        return Answer::Incomplete;
    }
    if !text.starts_with("PROXY") {
        return Answer::Absent;
    }
    let Some((line, _)) = text.split_once("\r\n") else {
        return if is_begun(text) { Answer::Incomplete } else { Answer::Invalid };
    };
    if line.contains(['\r', '\n']) {
        return Answer::Invalid;
    }
    let parts: Vec<&str> = line.split(' ').collect();
    let addresses = match parts.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Some(None),
        ["PROXY", "TCP4", from, to, from_port, to_port] => {
            pair(v4(from), v4(to), from_port, to_port).map(Some)
        }
        ["PROXY", "TCP6", from, to, from_port, to_port] => {
            pair(v6(from), v6(to), from_port, to_port).map(Some)
        }
        _ => None,
    };
    match addresses {
        Some(addresses) => Answer::Header(Found {
            version: 1,
            is_local: false,
            transport: u8::from(addresses.is_some()),
            addresses,
            consumed: line.chars().count() + 2,
            tlvs: Vec::new(),
        }),
        None => Answer::Invalid,
    }
}

/// Whether a line without its end may still become one that is short enough.
fn is_begun(text: &str) -> bool {
    let (line, ending) = match text.strip_suffix('\r') {
        Some(line) => (line, 2),
        None => (text, 2),
    };
    let starts = ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ", "PROXY TCP4 ", "PROXY TCP6 "];
    !line.contains(['\r', '\n'])
        && line.chars().count() + ending <= 107
        && starts.iter().any(|start| start.starts_with(text) || text.starts_with(start))
}

fn pair(
    from: Option<IpAddr>,
    to: Option<IpAddr>,
    from_port: &str,
    to_port: &str,
) -> Option<(SocketAddr, SocketAddr)> {
    let port = |text: &str| text.parse().ok().filter(|port: &u16| port.to_string() == text);
    let [from_port, to_port] = [port(from_port)?, port(to_port)?];
    Some((SocketAddr::new(from?, from_port), SocketAddr::new(to?, to_port)))
}

fn bytes_of_v4(text: &str) -> Option<Vec<u8>> {
    let byte = |part: &str| part.parse().ok().filter(|byte: &u8| byte.to_string() == part);
    let parts: Option<Vec<u8>> = text.split('.').map(byte).collect();
    parts.filter(|parts| parts.len() == 4)
}

fn v4(text: &str) -> Option<IpAddr> {
    let bytes = bytes_of_v4(text)?;
    Some(IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

fn v6(text: &str) -> Option<IpAddr> {
    let groups = match text.split_once("::") {
        None => groups_of(text, true)?,
        Some((left, right)) => {
            let [left, right] = [groups_of(left, false)?, groups_of(right, true)?];
            // At least one zero is left out.
            let zeros = 8_usize.checked_sub(left.len() + right.len()).filter(|zeros| *zeros > 0)?;
            [left, [0].repeat(zeros), right].concat()
        }
    };
    address_of(&<[u16; 8]>::try_from(groups).ok()?)
}

fn address_of(groups: &[u16; 8]) -> Option<IpAddr> {
    Some(match groups {
        [0, 0, 0, 0, 0, 0xffff, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            IpAddr::from([a, b, c, d])
        }
        groups => IpAddr::from(*groups),
    })
}

/// Groups of up to four hexadecimal digits; the last two may be an IPv4 address.
fn groups_of(text: &str, may_end_in_v4: bool) -> Option<Vec<u16>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let parts: Vec<&str> = text.split(':').collect();
    let mut groups = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        if part.contains('.') && is_last && may_end_in_v4 {
            let bytes = bytes_of_v4(part)?;
            groups.push(u16::from_be_bytes([bytes[0], bytes[1]]));
            groups.push(u16::from_be_bytes([bytes[2], bytes[3]]));
        } else {
            let is_hexadecimal = part.chars().all(|digit| digit.is_ascii_hexdigit());
            if !is_hexadecimal || part.is_empty() || part.len() > 4 {
                return None;
            }
            groups.push(u16::from_str_radix(part, 16).ok()?);
        }
    }
    Some(groups)
}

fn version_2(bytes: &[u8]) -> Answer {
    let (version, command) = match bytes.get(12) {
        Some(byte) => (byte / 16, byte % 16),
        None => return Answer::Incomplete,
    };
    if version != 2 || command > 1 {
        return Answer::Invalid;
    }
    let is_local = command == 0;
    let (family, transport) = match bytes.get(13) {
        Some(_) if is_local => (0, 0),
        Some(byte) => (byte / 16, byte % 16),
        None => return Answer::Incomplete,
    };
    if family > 3 || transport > 2 {
        return Answer::Invalid;
    }
    if bytes.len() < 16 {
        return Answer::Incomplete;
    }
    let length = usize::from(bytes[14]) * 256 + usize::from(bytes[15]);
    let is_told = family > 0 && transport > 0;
    let of_addresses = [0, 12, 36, 216][usize::from(family)];
    if is_told && length < of_addresses {
        return Answer::Invalid;
    }
    let consumed = 16 + length;
    if bytes.len() < consumed {
        return Answer::Incomplete;
    }
    let mut found = Found {
        version: 2,
        is_local,
        transport: if is_told { transport } else { 0 },
        addresses: None,
        consumed,
        tlvs: Vec::new(),
    };
    if !is_told {
        return Answer::Header(found);
    }
    let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    found.addresses = match family {
        1 => {
            let ip =
                |at: usize| IpAddr::from([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            Some((SocketAddr::new(ip(16), number(24)), SocketAddr::new(ip(20), number(26))))
        }
        2 => {
            let ip = |at: usize| address_of(&core::array::from_fn(|group| number(at + 2 * group)));
            let [Some(from), Some(to)] = [ip(16), ip(32)] else { return Answer::Invalid };
            Some((SocketAddr::new(from, number(48)), SocketAddr::new(to, number(50))))
        }
        _ => None,
    };
    let mut zeroed = bytes[..consumed].to_vec();
    let mut sums = Vec::new();
    let mut at = 16 + of_addresses;
    while at < consumed {
        if at + 3 > consumed {
            return Answer::Invalid;
        }
        let value = at + 3..at + 3 + usize::from(number(at + 1));
        let Some(bytes) = bytes[..consumed].get(value.clone()) else { return Answer::Invalid };
        if zeroed[at] == 3 {
            sums.push(bytes.to_vec());
            zeroed[value.clone()].fill(0);
        }
        found.tlvs.push((zeroed[at], bytes.to_vec()));
        at = value.end;
    }
    let is_right = match sums.as_slice() {
        [] => true,
        [sum] => *sum == crc32c(&zeroed).to_be_bytes(),
        _ => false,
    };
    if is_right { Answer::Header(found) } else { Answer::Invalid }
}

/// The checksum of RFC 4960, appendix B, as a division of polynomials: the highest coefficient first.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    let mut bits: Vec<bool> =
        bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).collect();
    bits.extend([false; 32]);
    bits.iter_mut().take(32).for_each(|bit| *bit = !*bit);
    let mut remainder = 0_u64;
    for bit in bits {
        remainder = remainder << 1 | u64::from(bit);
        if remainder >> 32 == 1 {
            remainder ^= 0x1_1edc_6f41;
        }
    }
    !(remainder as u32).reverse_bits()
}

/// A header of version 2, with a checksum as its last value if asked for.
#[must_use]
pub fn write(
    version_and_command: u8,
    family_and_transport: u8,
    addresses: &[u8],
    tlvs: &[(u8, Vec<u8>)],
    with_checksum: bool,
) -> Vec<u8> {
    let mut block = addresses.to_vec();
    for (kind, value) in tlvs {
        block.push(*kind);
        block.extend_from_slice(&(value.len() as u16).to_be_bytes());
        block.extend_from_slice(value);
    }
    if with_checksum {
        block.extend_from_slice(&[3, 0, 4, 0, 0, 0, 0]);
    }
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend_from_slice(&[version_and_command, family_and_transport]);
    header.extend_from_slice(&(block.len() as u16).to_be_bytes());
    header.append(&mut block);
    if with_checksum {
        let sum = crc32c(&header);
        let end = header.len() - 4;
        header[end..].copy_from_slice(&sum.to_be_bytes());
    }
    header
}

/// How an answer is written in the table of published ones.
#[must_use]
pub fn written(answer: &Answer) -> String {
    let found = match answer {
        Answer::Incomplete => return "incomplete".into(),
        Answer::Absent => return "absent".into(),
        Answer::Invalid => return "invalid".into(),
        Answer::Header(found) => found,
    };
    let transport = ["unspecified", "stream", "datagram"][usize::from(found.transport)];
    let kind = if found.is_local { "local" } else { transport };
    let addresses = match found.addresses {
        Some((from, to)) => format!(" {from} {to}"),
        None => String::new(),
    };
    format!("v{} {kind}{addresses} in {}", found.version, found.consumed)
}
