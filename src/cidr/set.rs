//! [`CidrSet`]: the set itself, what goes in and what comes out.

use core::{fmt, net::IpAddr};

use ipnet::IpNet;

use super::{
    addr::{MAPPED_FIRST, MAPPED_LAST, Span, prefixes, v4_net, v6_net},
    ranges::Ranges,
};

/// A set of IP addresses, given as prefixes, hosts and ranges.
///
/// Equality is that of the addresses: `10.0.0.0/9` with `10.128.0.0/9` equals `10.0.0.0/8`.
///
/// # The text form
/// One entry a line: a prefix, a host or a range (`192.0.2.7-192.0.2.9`, blanks around the `-` are
/// free). A text is read as people publish lists:
/// - `#` and `;` start a remark, on a line of its own or after an entry; blank lines are skipped;
/// - lines end in LF or CRLF; a byte order mark at the start is skipped;
/// - the first column must be an entry. Further columns, after blanks or a comma, are ignored
///   (`192.0.2.1<TAB>7`), unless one of them looks like an address, a length or a part of a range:
///   then the line meant more than would be read, and it is refused.
///
/// Refused are also octets with a leading zero, hexadecimal and shortened addresses, netmasks, zone
/// ids, ports, host bits (`10.1.2.3/8`), ranges across families and `::ffff:0:0/96`, which would
/// silently stand for all of IPv4. [`CidrParseError`](super::CidrParseError) tells all of them.
///
/// `Display` writes one prefix a line, which can be read back.
///
/// # What prefixes mean
/// Given as [`IpNet`] values rather than text, host bits are cut off: `10.1.2.3/8` adds all of
/// 10.0.0.0/8. Inside `::ffff:0:0/96` a prefix is IPv4, with 96 bits less; one that is shorter than 96
/// bits, such as `::/0`, adds no IPv4 address. Ask an unspecific "any address" with two entries.
///
/// # Serde
/// With the feature `serde`, a sequence of prefix texts, each read by
/// [`parse_prefix`](super::parse_prefix).
///
/// # Example: the smallest list
/// ```
/// use portcullis::{cidr::CidrSet, ipnet::IpNet};
///
/// let halves: [IpNet; 3] =
///     ["10.128.0.0/9".parse()?, "10.0.0.0/9".parse()?, "10.9.0.0/16".parse()?];
/// let set: CidrSet = halves.into_iter().collect();
/// assert_eq!(set.iter().collect::<Vec<_>>(), ["10.0.0.0/8".parse()?]);
/// # Ok::<(), portcullis::ipnet::AddrParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CidrSet {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl CidrSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { v4: Ranges::new(), v6: Ranges::new() }
    }

    /// Whether `addr` is in the set. An IPv4-mapped IPv6 address is asked as the IPv4 address.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        match addr.to_canonical() {
            IpAddr::V4(addr) => self.v4.contains(addr.to_bits()),
            IpAddr::V6(addr) => self.v6.contains(addr.to_bits()),
        }
    }

    /// Whether no address at all is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.as_slice().is_empty() && self.v6.as_slice().is_empty()
    }

    /// The fewest prefixes that make up the set, sorted, IPv4 before IPv6.
    ///
    /// IPv4-mapped addresses count as IPv4 only, so an IPv6 prefix here may stretch over them where
    /// that is shorter to say: all of IPv6 is `::/0`.
    pub fn iter(&self) -> impl Iterator<Item = IpNet> {
        self.v4_prefixes().chain(self.v6_prefixes())
    }

    /// The bytes that the set occupies, itself included.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(self.v4.heap_bytes()).saturating_add(self.v6.heap_bytes())
    }

    pub(super) fn push(&mut self, span: Span) {
        match span {
            Span::V4(first, last) => self.v4.push(first, last),
            Span::V6(first, last) => self.v6.push(first, last),
        }
    }

    /// Makes I1 and I2 true after any number of [`push`](Self::push).
    pub(super) fn normalise(&mut self) {
        self.v4.normalise();
        self.v6.normalise();
        self.v6.cut(MAPPED_FIRST, MAPPED_LAST);
    }

    fn v4_prefixes(&self) -> impl Iterator<Item = IpNet> {
        self.v4
            .as_slice()
            .iter()
            .flat_map(|&(first, last)| prefixes(first, last).map(|(bits, len)| v4_net(bits, len)))
    }

    fn v6_prefixes(&self) -> impl Iterator<Item = IpNet> {
        self.spoken_v6()
            .flat_map(|(first, last)| prefixes(first, last).map(|(bits, len)| v6_net(bits, len)))
    }

    /// The IPv6 ranges as prefixes should tell them: across the mapped addresses, which I2 keeps out,
    /// where both the /96 and the /95 below them are there, because only then one shorter prefix
    /// replaces two. It must not be done otherwise: the mapped block could come out as a prefix of
    /// its own, `::ffff:0:0/96`, and that means all of IPv4.
    fn spoken_v6(&self) -> impl Iterator<Item = (u128, u128)> {
        let mut ranges = self.v6.as_slice().iter().copied().peekable();
        core::iter::from_fn(move || {
            let (first, last) = ranges.next()?;
            let stretches = last == MAPPED_FIRST.saturating_sub(1) && first <= BELOW_MAPPED;
            if !stretches {
                return Some((first, last));
            }
            let beyond = ranges.next_if(|&(next, _)| next == MAPPED_LAST.saturating_add(1));
            Some((first, beyond.map_or(MAPPED_LAST, |(_, end)| end)))
        })
    }

    #[cfg(test)]
    pub(super) fn v4_ranges(&self) -> &[(u32, u32)] {
        self.v4.as_slice()
    }

    #[cfg(test)]
    pub(super) fn v6_ranges(&self) -> &[(u128, u128)] {
        self.v6.as_slice()
    }
}

/// The start of `::fffc:0:0/95`, the neighbour of the /95 that ends with the mapped addresses.
const BELOW_MAPPED: u128 = 0xfffc_0000_0000;

impl Default for CidrSet {
    fn default() -> Self {
        Self::new()
    }
}

impl Extend<IpNet> for CidrSet {
    fn extend<I: IntoIterator<Item = IpNet>>(&mut self, nets: I) {
        // Aside, so that an iterator that panics leaves this set as it was.
        let mut added = Self::new();
        for net in nets {
            added.push(net.into());
        }
        self.v4.append(added.v4);
        self.v6.append(added.v6);
        self.normalise();
    }
}

impl FromIterator<IpNet> for CidrSet {
    fn from_iter<I: IntoIterator<Item = IpNet>>(nets: I) -> Self {
        let mut set = Self::new();
        set.extend(nets);
        set
    }
}

impl FromIterator<IpAddr> for CidrSet {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addrs: I) -> Self {
        addrs.into_iter().map(IpNet::from).collect()
    }
}

/// One prefix a line, without a line break at the end.
impl fmt::Display for CidrSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, net) in self.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{net}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CidrSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
