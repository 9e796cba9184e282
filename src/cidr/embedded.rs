//! IPv4 addresses inside IPv6 addresses, for those who ask for them.
//!
//! An IPv4-mapped address is an IPv4 address. The forms here are not: their hosts are reached over IPv6,
//! and a gateway between them and an IPv4 host has put that host's address into theirs. A block list of
//! IPv4 addresses misses such a host when it comes through the gateway. So [`embedded_ipv4`] tells what an
//! address carries, and [`CidrSet::contains_any_form`] asks for all of it. It is never done unasked:
//! see there for what it blocks as well.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

use super::CidrSet;

/// The way in which an IPv6 address carries an IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Embedding {
    /// NAT64 with the well-known prefix 64:ff9b::/96 (RFC 6052): the host behind a translator.
    Nat64,
    /// NAT64 with a prefix out of 64:ff9b:1::/48 (RFC 8215).
    LocalNat64,
    /// 6to4, 2002::/16 (RFC 3056): the router of the site.
    SixToFour,
    /// Teredo, 2001::/32 (RFC 4380): the server that the client uses, which is shared by many.
    TeredoServer,
    /// Teredo, 2001::/32 (RFC 4380): the client, or the address translator that it is behind.
    TeredoClient,
    /// ISATAP (RFC 5214): the host, by its interface identifier, which any host can take.
    Isatap,
}

/// The IPv4 addresses that an IPv6 address carries, and how.
///
/// Most addresses carry none. A Teredo address carries two, and one of 6to4 may have an ISATAP
/// identifier.
///
/// - In 64:ff9b:1::/48 nothing tells how long the prefix of a translator is. Read are the two lengths
///   that can be told apart: 48 if all bits after the address are zero, else 96. If yours has another
///   one, or a prefix of your own, ask [`nat64_ipv4`].
/// - Inside the prefixes of NAT64 and Teredo the last 64 bits are theirs, and not looked at for ISATAP.
/// - An IPv4-mapped address carries nothing: it *is* an IPv4 address. An IPv4-compatible one
///   (`::a.b.c.d`) carries nothing either; these are out of use since 2006, and `::1` is one by its form.
///
/// # Example: a client behind a translator
/// ```
/// use portcullis::cidr::{Embedding, embedded_ipv4};
///
/// let carried: Vec<_> = embedded_ipv4("64:ff9b::192.0.2.33".parse()?).collect();
/// assert_eq!(carried, [(Embedding::Nat64, "192.0.2.33".parse()?)]);
/// assert_eq!(embedded_ipv4("2001:db8::192.0.2.33".parse()?).count(), 0);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn embedded_ipv4(addr: Ipv6Addr) -> impl Iterator<Item = (Embedding, Ipv4Addr)> {
    let [.., last] = quarters(addr);
    let isatap = isatap(addr).map(|addr| (Embedding::Isatap, addr));
    let carried = match addr.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => [Some((Embedding::Nat64, last)), None],
        [0x64, 0xff9b, 1, ..] => [Some((Embedding::LocalNat64, local_nat64(addr))), None],
        [0x2002, high, low, ..] => {
            [Some((Embedding::SixToFour, Ipv4Addr::from_bits(joined(high, low)))), isatap]
        }
        [0x2001, 0, high, low, ..] => {
            let server = Ipv4Addr::from_bits(joined(high, low));
            let client = Ipv4Addr::from_bits(!last.to_bits());
            [Some((Embedding::TeredoServer, server)), Some((Embedding::TeredoClient, client))]
        }
        _ => [isatap, None],
    };
    carried.into_iter().flatten()
}

/// The IPv4 address that an address carries behind a NAT64 prefix of your own, as RFC 6052 embeds it.
///
/// `None` if `addr` is not in `prefix`, if the prefix has none of the lengths 32, 40, 48, 56, 64 and 96,
/// or if bits 64 to 71 of an address with one of the shorter prefixes are not zero, as they must be. Bits
/// after the IPv4 address are not looked at.
///
/// # Example: a prefix of 40 bits
/// ```
/// use portcullis::cidr::nat64_ipv4;
///
/// let prefix = "2001:db8:100::/40".parse()?;
/// assert_eq!(nat64_ipv4("2001:db8:1c0:2:21::".parse()?, prefix), Some("192.0.2.33".parse()?));
/// assert_eq!(nat64_ipv4("2001:db8:2c0:2:21::".parse()?, prefix), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn nat64_ipv4(addr: Ipv6Addr, prefix: Ipv6Net) -> Option<Ipv4Addr> {
    if !prefix.contains(&addr) {
        return None;
    }
    let bits = addr.to_bits();
    if prefix.prefix_len() == 96 {
        let [.., last] = quarters(addr);
        return Some(last);
    }
    if !matches!(prefix.prefix_len(), 32 | 40 | 48 | 56 | 64) || addr.octets().get(8) != Some(&0) {
        return None;
    }
    // Without the octet in the middle, the four octets follow the prefix without a gap.
    let (before, after) = (bits >> 64 << 64, bits << 72 >> 64);
    let closed = (before | after) << prefix.prefix_len();
    let [first, ..] = quarters(Ipv6Addr::from_bits(closed));
    Some(first)
}

impl CidrSet {
    /// Whether `addr`, or an IPv4 address that it carries by [`embedded_ipv4`], is in the set.
    ///
    /// For lists of who is kept out. It blocks more than the listed hosts: everyone who comes through a
    /// listed 6to4 router or uses a listed Teredo server, and, behind a NAT64 prefix or in an ISATAP
    /// identifier, whoever bears a listed number, even a private one such as 10.0.0.1 that means another
    /// host elsewhere. With 0.0.0.0/0 or reserved prefixes in the set, all such addresses are in.
    ///
    /// **Not for lists of who is let in**: anyone can have an address that carries an allowed one.
    ///
    /// # Example: a listed host, however it comes
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let blocked: CidrSet = "192.0.2.0/24".parse()?;
    /// let client = "64:ff9b::192.0.2.33".parse()?;
    /// assert!(!blocked.contains(client));
    /// assert!(blocked.contains_any_form(client));
    /// assert!(blocked.contains_any_form("2002:c000:221::1".parse()?));
    /// assert!(blocked.contains_any_form("192.0.2.33".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn contains_any_form(&self, addr: IpAddr) -> bool {
        self.contains(addr)
            || match addr.to_canonical() {
                IpAddr::V4(_) => false,
                IpAddr::V6(addr) => {
                    embedded_ipv4(addr).any(|(_, carried)| self.contains(carried.into()))
                }
            }
    }
}

/// The address in one of 64:ff9b:1::/48.
fn local_nat64(addr: Ipv6Addr) -> Ipv4Addr {
    let [.., last] = quarters(addr);
    // With a prefix of 48 bits: 16 bits, the octet that is zero, 16 bits, and zeros.
    match addr.segments() {
        [_, _, _, high, middle, low, 0, 0] if middle >> 8 == 0 && low.trailing_zeros() >= 8 => {
            Ipv4Addr::from_bits(joined(high, middle << 8 | low >> 8))
        }
        _ => last,
    }
}

/// The address in an interface identifier of ISATAP, with or without the bit for "globally unique".
fn isatap(addr: Ipv6Addr) -> Option<Ipv4Addr> {
    match addr.segments() {
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(Ipv4Addr::from_bits(joined(high, low))),
        _ => None,
    }
}

/// The four quarters of an address, as IPv4 addresses.
fn quarters(addr: Ipv6Addr) -> [Ipv4Addr; 4] {
    let [a, b, c, d, e, f, g, h] = addr.segments();
    [(a, b), (c, d), (e, f), (g, h)].map(|(high, low)| Ipv4Addr::from_bits(joined(high, low)))
}

fn joined(high: u16, low: u16) -> u32 {
    u32::from(high) << 16 | u32::from(low)
}

#[cfg(test)]
mod tests {
    use std::{format, vec::Vec};

    use proptest::prelude::*;

    use super::*;
    use crate::test_support::cases;

    fn v6(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn v4(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    fn carried(text: &str) -> Vec<(Embedding, Ipv4Addr)> {
        embedded_ipv4(v6(text)).collect()
    }

    /// Pitfall 4, with the examples of the RFCs.
    #[test]
    fn addresses_carry_what_the_rfcs_say() {
        use Embedding as E;

        let client = v4("192.0.2.33");
        for (text, how, addr) in [
            // RFC 6052, 2.4.
            ("64:ff9b::192.0.2.33", E::Nat64, "192.0.2.33"),
            ("64:ff9b::c000:221", E::Nat64, "192.0.2.33"),
            ("64:ff9b:1::192.0.2.33", E::LocalNat64, "192.0.2.33"),
            ("64:ff9b:1:fffe::192.0.2.33", E::LocalNat64, "192.0.2.33"),
            ("64:ff9b:1:c000:2:2100::", E::LocalNat64, "192.0.2.33"),
            ("64:ff9b:1:c000:2:2100::1", E::LocalNat64, "0.0.0.1"),
            // The octet that has to be zero, and what follows, is not.
            ("64:ff9b:1:c000:102:2100::", E::LocalNat64, "0.0.0.0"),
            ("64:ff9b:1:c000:2:2101::", E::LocalNat64, "0.0.0.0"),
            // RFC 3056, 2: 2002:V4ADDR::/48.
            ("2002:c000:221::1", E::SixToFour, "192.0.2.33"),
            // RFC 5214, 6.1.
            ("fe80::5efe:192.0.2.33", E::Isatap, "192.0.2.33"),
            ("2001:db8::200:5efe:192.0.2.33", E::Isatap, "192.0.2.33"),
        ] {
            assert_eq!(carried(text), [(how, v4(addr))], "{text}");
        }
        // RFC 4380, 4: the server, flags, and port 40000 and client 192.0.2.45 with all bits turned.
        assert_eq!(
            carried("2001:0:4136:e378:8000:63bf:3fff:fdd2"),
            [(E::TeredoServer, v4("65.54.227.120")), (E::TeredoClient, v4("192.0.2.45"))]
        );
        assert_eq!(
            carried("2002:c633:6401::5efe:192.0.2.33"),
            [(E::SixToFour, v4("198.51.100.1")), (E::Isatap, client)]
        );
        for none in [
            "::",
            "::1",
            "::192.0.2.33",
            "::ffff:192.0.2.33",
            "::ffff:0:192.0.2.33",
            "64:ff9b:0:0:0:1:192.0.2.33",
            "64:ff9b:2::192.0.2.33",
            "64:ff9a::192.0.2.33",
            "2001:db8::192.0.2.33",
            "2001:1::192.0.2.33",
            "2003:c000:221::1",
            "fe80::100:5efe:192.0.2.33",
            "fe80::5eff:192.0.2.33",
        ] {
            assert_eq!(carried(none), [], "{none}");
        }
        // A port of Teredo that looks like the sign of ISATAP.
        assert_eq!(carried("2001:0:4136:e378:0:5efe:3fff:fdd2").len(), 2);
    }

    /// RFC 6052, table 1 of section 2.4: every length.
    #[test]
    fn a_prefix_of_ones_own_carries_at_every_length() {
        let table = [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ];
        for (prefix, addr) in table {
            let prefix: Ipv6Net = prefix.parse().unwrap();
            assert_eq!(nat64_ipv4(v6(addr), prefix), Some(v4("192.0.2.33")), "{prefix}");
            assert_eq!(nat64_ipv4(v6("2001:db9::"), prefix), None);
            // What follows the address is for others.
            if prefix.prefix_len() < 96 {
                let more = Ipv6Addr::from_bits(v6(addr).to_bits() | 0xff);
                assert_eq!(nat64_ipv4(more, prefix), Some(v4("192.0.2.33")), "{prefix}");
                let odd = Ipv6Addr::from_bits(v6(addr).to_bits() | 1 << 56);
                assert_eq!(nat64_ipv4(odd, prefix), None, "{prefix}: bits 64 to 71");
            }
        }
        for other in ["::/0", "2001:db8::/33", "2001:db8:122:344::/72", "2001:db8::/128"] {
            assert_eq!(nat64_ipv4(v6("2001:db8::"), other.parse().unwrap()), None, "{other}");
        }
    }

    /// Pitfall 4: only when asked for, and denied if any form is.
    #[test]
    fn other_forms_are_in_only_when_they_are_asked_for() {
        let set: CidrSet = "192.0.2.0/24\n2001:db8:5::/48".parse().unwrap();
        for (addr, plain, any) in [
            ("192.0.2.33", true, true),
            ("::ffff:192.0.2.33", true, true),
            ("2001:db8:5::1", true, true),
            ("64:ff9b::192.0.2.33", false, true),
            ("2002:c000:221::", false, true),
            ("2001:0:c000:221:8000:63bf:3fff:fdd2", false, true),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", false, true),
            ("fe80::5efe:c000:221", false, true),
            ("2001:db8:6::c000:221", false, false),
            ("::192.0.2.33", false, false),
            ("198.51.100.1", false, false),
            ("64:ff9b::198.51.100.1", false, false),
        ] {
            let ip: IpAddr = addr.parse().unwrap();
            assert_eq!((set.contains(ip), set.contains_any_form(ip)), (plain, any), "{addr}");
        }
    }

    proptest! {
        #![proptest_config(cases(500))]

        /// Written in text, every address comes back from every form.
        #[test]
        fn every_address_comes_back(bits in any::<u32>(), rest in any::<u16>()) {
            let addr = Ipv4Addr::from_bits(bits);
            let (high, low) = (bits >> 16, bits & 0xffff);
            let (not_high, not_low) = (!bits >> 16, !bits & 0xffff);
            for text in [
                format!("64:ff9b::{addr}"),
                format!("64:ff9b:1:{rest:x}:0:1:{addr}"),
                format!("2002:{high:x}:{low:x}:{rest:x}::"),
                format!("2001:0:{rest:x}:1:{rest:x}:2:{not_high:x}:{not_low:x}"),
                format!("2001:0:{high:x}:{low:x}:{rest:x}:2:3:4"),
                format!("2001:db8:{rest:x}::5efe:{addr}"),
            ] {
                let found = embedded_ipv4(text.parse().unwrap()).any(|(_, carried)| carried == addr);
                prop_assert!(found, "{}", text);
                let set: CidrSet = [IpAddr::V4(addr)].into_iter().collect();
                prop_assert!(set.contains_any_form(text.parse().unwrap()));
            }
            let [a, b, c, d] = addr.octets();
            for (text, prefix) in [
                (format!("2001:db8:{high:x}:{low:x}::{rest:x}"), "2001:db8::/32"),
                (format!("2001:db8:1:{high:x}:{c:x}:{d:x}00::{rest:x}"), "2001:db8:1::/48"),
                (format!("2001:db8:1:2{a:02x}:{b:x}:{low:x}::{rest:x}"), "2001:db8:1:200::/56"),
            ] {
                let carried = nat64_ipv4(text.parse().unwrap(), prefix.parse().unwrap());
                prop_assert_eq!(carried, Some(addr), "{}", text);
            }
        }
    }
}
