//! One prefix or host, read strictly.
//!
//! `core::net` reads the addresses: it takes one spelling of IPv4 only, and refuses octets that look
//! octal. What it refuses is then looked at again to say why.

use alloc::{format, string::String};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{
    addr::fold,
    error::{CidrEntryError, CidrProblem},
};

/// Reads one prefix, or one address as the prefix of itself.
///
/// The text must be that and nothing else, in one spelling: see
/// [`CidrSet`'s text form](super::CidrSet#the-text-form) for what is refused. An IPv4-mapped prefix
/// becomes IPv4.
///
/// # Errors
/// What is wrong with the text, where, and what would be right.
///
/// # Example: strict where others guess
/// ```
/// use portcullis::cidr::parse_prefix;
///
/// assert_eq!(parse_prefix("10.0.0.0/8")?.to_string(), "10.0.0.0/8");
/// assert_eq!(parse_prefix("2001:db8::1")?.to_string(), "2001:db8::1/128");
/// assert_eq!(parse_prefix("::ffff:10.0.0.0/104")?.to_string(), "10.0.0.0/8");
/// assert_eq!(
///     parse_prefix("10.0.0.0/255.0.0.0").unwrap_err().to_string(),
///     "prefix \"10.0.0.0/255.0.0.0\", column 10: a netmask; write /8"
/// );
/// # Ok::<(), portcullis::cidr::CidrEntryError>(())
/// ```
pub fn parse_prefix(text: &str) -> Result<IpNet, CidrEntryError> {
    prefix(text).map_err(|fault| CidrEntryError::new(text, fault.at, fault.problem))
}

/// A problem and the byte of the text that has it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) problem: CidrProblem,
}

impl From<CidrProblem> for Fault {
    fn from(problem: CidrProblem) -> Self {
        Self { at: 0, problem }
    }
}

pub(super) fn prefix(text: &str) -> Result<IpNet, Fault> {
    let Some((start, length)) = text.split_once('/') else {
        return address(text).map(IpNet::from);
    };
    let addr = spelled(start).map_err(|fault| fault.with_meant(start, text))?;
    let length_at = start.len().saturating_add(1);
    let length = self::length(length, addr)
        .map_err(|fault| Fault { at: fault.at.saturating_add(length_at), ..fault })?;
    whole(addr, length)
}

/// One address, in its one form.
pub(super) fn address(text: &str) -> Result<IpAddr, Fault> {
    spelled(text).map(|addr| addr.to_canonical()).map_err(|fault| fault.with_meant(text, text))
}

/// One address as it is spelled: an IPv4-mapped one is IPv6 still.
fn spelled(text: &str) -> Result<IpAddr, Fault> {
    text.parse().map_err(|_| why_no_address(text))
}

fn whole(addr: IpAddr, length: u8) -> Result<IpNet, Fault> {
    let Ok(net) = IpNet::new(addr, length) else {
        return Err(CidrProblem::LengthTooLong { max: longest(addr) }.into());
    };
    if let (true, IpAddr::V4(v4)) = (addr.is_ipv6(), addr.to_canonical()) {
        if length < 96 {
            let meant = IpNet::new(v4.into(), length).ok().map(|net| net.trunc());
            return Err(CidrProblem::MappedTooShort { meant }.into());
        }
        if length == 96 && v4.is_unspecified() {
            return Err(CidrProblem::MappedAll.into());
        }
    }
    let net = fold(net);
    if net.addr() != net.network() {
        let (network, host) = (net.trunc(), IpNet::from(net.addr()));
        return Err(CidrProblem::HostBits { network, host }.into());
    }
    Ok(net)
}

fn length(text: &str, addr: IpAddr) -> Result<u8, Fault> {
    let max = longest(addr);
    if text.is_empty() {
        return Err(CidrProblem::LengthMissing { max }.into());
    }
    // Most lengths are digits, and no mask is.
    let at = text.bytes().position(|byte| !byte.is_ascii_digit());
    if let Some(mask) = at.and_then(|_| text.parse::<IpAddr>().ok()) {
        let length =
            ipnet::ip_mask_to_prefix(mask).ok().filter(|_| mask.is_ipv4() == addr.is_ipv4());
        return Err(CidrProblem::Netmask { length }.into());
    }
    if let Some(at) = at {
        let problem = match unexpected(text) {
            Some(fault) => return Err(fault),
            None if text.get(at..).is_some_and(|rest| rest.starts_with('%')) => CidrProblem::ZoneId,
            None => CidrProblem::LengthNotANumber { max },
        };
        return Err(Fault { at, problem });
    }
    // Only digits: what does not parse is too large.
    let number = text.parse::<u8>().ok().filter(|length| *length <= max);
    match number {
        None => Err(CidrProblem::LengthTooLong { max }.into()),
        Some(meant) if text.len() > 1 && text.starts_with('0') => {
            Err(CidrProblem::LengthLeadingZero { meant }.into())
        }
        Some(length) => Ok(length),
    }
}

fn longest(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { 32 } else { 128 }
}

/// Says why `core::net` refused the text.
fn why_no_address(text: &str) -> Fault {
    if text.is_empty() {
        return CidrProblem::Empty.into();
    }
    if let Some(fault) = unexpected(text) {
        return fault;
    }
    if let Some((addr, _)) = text.split_once('%').filter(|(addr, _)| addr.contains(':')) {
        return Fault { at: addr.len(), problem: CidrProblem::ZoneId };
    }
    if text.split_once('-').is_some_and(|(first, _)| first.parse::<IpAddr>().is_ok()) {
        return CidrProblem::Range.into();
    }
    if has_port_or_brackets(text) {
        return CidrProblem::Port.into();
    }
    // The IPv4 part of an IPv6 address is wrong in the same ways.
    let tail = text.rfind(':').map_or(0, |colon| colon.saturating_add(1));
    let (head, octets) = text.split_at_checked(tail).unwrap_or(("", text));
    if !head.is_empty() && !octets.contains('.') {
        return CidrProblem::NotAnAddress.into();
    }
    let problem = why_no_ipv4(octets);
    let good_head = head.is_empty()
        || (head.len() <= LONGEST && format!("{head}0.0.0.0").parse::<Ipv6Addr>().is_ok());
    if !good_head {
        return CidrProblem::NotAnAddress.into();
    }
    Fault { at: tail, problem }
}

fn why_no_ipv4(text: &str) -> CidrProblem {
    let mut parts = 0_usize;
    let (mut leading_zero, mut hexadecimal) = (false, false);
    for part in text.split('.') {
        parts = parts.saturating_add(1);
        let hex = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X"));
        if hex.is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|c| c.is_ascii_hexdigit())) {
            hexadecimal = true;
        } else if part.is_empty() || !part.bytes().all(|c| c.is_ascii_digit()) {
            return CidrProblem::NotAnAddress;
        } else {
            leading_zero |= part.len() > 1 && part.starts_with('0');
        }
    }
    match parts {
        _ if hexadecimal => CidrProblem::Hexadecimal,
        1..=3 => CidrProblem::ShortForm,
        4 if leading_zero => CidrProblem::LeadingZero { meant: None },
        // Four numbers up to 255 are an address.
        4 => CidrProblem::OctetTooLarge,
        _ => CidrProblem::NotAnAddress,
    }
}

fn has_port_or_brackets(text: &str) -> bool {
    let bracketed =
        |rest: &str| rest.split_once(']').is_some_and(|(addr, _)| addr.parse::<IpAddr>().is_ok());
    let with_port = |(addr, port): (&str, &str)| {
        addr.parse::<Ipv4Addr>().is_ok() && port.bytes().all(|c| c.is_ascii_digit())
    };
    text.strip_prefix('[').is_some_and(bracketed) || text.split_once(':').is_some_and(with_port)
}

/// The first character that neither an entry nor a name has.
fn unexpected(text: &str) -> Option<Fault> {
    let (at, c) = text.char_indices().find(|(_, c)| !c.is_ascii_graphic())?;
    Some(Fault { at, problem: CidrProblem::Character(c) })
}

/// More than the characters of any address: what is copied to be looked at again is not longer.
const LONGEST: usize = 64;

impl Fault {
    /// For a leading zero, says what `text`, which starts with the address `addr`, is without it.
    fn with_meant(mut self, addr: &str, text: &str) -> Self {
        if let CidrProblem::LeadingZero { meant } = &mut self.problem {
            let rest = text.get(addr.len()..).unwrap_or_default();
            // Without leading zeros the text cannot come here again.
            *meant = without_zeros(addr, rest).and_then(|plain| prefix(&plain).ok());
        }
        self
    }
}

/// The address without leading zeros in its octets, and the rest; none if that is too long to be right.
fn without_zeros(addr: &str, rest: &str) -> Option<String> {
    let tail = addr.rfind(':').map_or(0, |colon| colon.saturating_add(1));
    let (head, octets) = addr.split_at_checked(tail)?;
    let octets = octets.split('.').map(|octet| match octet.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    });
    let mut plain = String::new();
    let dots = core::iter::once("").chain(core::iter::repeat("."));
    let parts = dots.zip(octets).flat_map(|(dot, octet)| [dot, octet]);
    for part in core::iter::once(head).chain(parts).chain(core::iter::once(rest)) {
        if part.len() > LONGEST.saturating_sub(plain.len()) {
            return None;
        }
        plain.push_str(part);
    }
    Some(plain)
}
