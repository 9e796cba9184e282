//! One entry of a header: an address, in all the forms in which proxies write one.

use core::net::{IpAddr, Ipv6Addr};

use super::{ForwardedBy, chain::split_last};

/// The address of an entry in a header with a chain; `None` for everything else.
pub(super) fn address(entry: &[u8], header: &ForwardedBy) -> Option<IpAddr> {
    match header {
        ForwardedBy::Forwarded => node(forwarded_for(entry)?),
        _ => node(entry),
    }
}

/// The address of a header with a single one.
pub(super) fn only(line: &[u8], name: &str) -> Option<IpAddr> {
    let text = text(line)?;
    if name == "cloudfront-viewer-address" {
        // Always with a port, and IPv6 without brackets.
        let (ip, port) = text.rsplit_once(':')?;
        return parse(ip).filter(|_| is_port(port));
    }
    node(line)
}

/// The value of the one `for` of an element of `Forwarded`.
fn forwarded_for(element: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    for pair in split_last(element, b';') {
        let equals = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = pair.split_at_checked(equals?)?;
        if name.trim_ascii().eq_ignore_ascii_case(b"for")
            && found.replace(value.get(1..)?).is_some()
        {
            return None;
        }
    }
    found
}

/// `v4`, `v4:port`, `v6`, `[v6]`, `[v6]:port`, quoted or not, the zone of an IPv6 address dropped.
fn node(entry: &[u8]) -> Option<IpAddr> {
    let text = text(entry)?;
    // Before the port is looked for: an IPv6 address is full of colons.
    if let Some(ip) = parse(text) {
        return Some(ip);
    }
    if let Some(bracketed) = text.strip_prefix('[') {
        let (ip, port) = bracketed.split_once(']')?;
        let ip = parse(ip).filter(|_| ip.contains(':'))?;
        return match port.strip_prefix(':') {
            Some(port) => is_port(port).then_some(ip),
            None => port.is_empty().then_some(ip),
        };
    }
    let (ip, port) = text.split_once(':')?;
    let ip: core::net::Ipv4Addr = ip.parse().ok()?;
    is_port(port).then_some(ip.into())
}

/// Without blanks and quotes, if it can be an address at all.
fn text(entry: &[u8]) -> Option<&str> {
    /// An IPv6 address with a zone, brackets and a port.
    const LONGEST: usize = 128;
    let entry = entry.trim_ascii();
    let entry = match entry {
        [b'"', inner @ .., b'"'] => inner,
        entry => entry,
    };
    // A quote inside, in a zone say, would be matched with one that the client has put on the left.
    let may_be = |text: &&str| text.len() <= LONGEST && !text.contains('"');
    core::str::from_utf8(entry).ok().filter(may_be)
}

/// An address alone, in its canonical form.
fn parse(text: &str) -> Option<IpAddr> {
    let ip = match text.split_once('%') {
        // Only IPv6 addresses have zones, and a zone means nothing elsewhere.
        Some((ip, zone)) if !zone.is_empty() => ip.parse::<Ipv6Addr>().ok()?.into(),
        Some(_) => return None,
        None => text.parse::<IpAddr>().ok()?,
    };
    Some(ip.to_canonical())
}

/// A number to 65535, or a name that hides it (RFC 7239, section 6.3).
fn is_port(port: &str) -> bool {
    let hidden = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    match port.strip_prefix('_') {
        Some(name) => hidden(name),
        None => {
            port.len() <= 5
                && port.bytes().all(|byte| byte.is_ascii_digit())
                && port.parse::<u16>().is_ok()
        }
    }
}
