//! [`CidrSet`]: a set of addresses, kept in a compiled table for each family and nowhere else.
//!
//! - `build` makes sets of entries in any order, `told` makes prefixes of sets;
//! - `algebra` combines and compares two sets, `edit` changes one, `batch` asks for many addresses.
//!
//! Invariants, besides I1 to I5 of the [module above](super): the tables are the whole content. Two
//! sets of the same addresses are equal, hash alike and list the same prefixes, whatever entries and
//! changes made them. (`incremental_equals_rebuilt` of the tests.)

mod algebra;
mod batch;
mod build;
mod edit;
#[cfg(test)]
mod tests;
mod told;

use core::net::IpAddr;

use ipnet::IpNet;

pub use self::{build::aggregate, told::CidrSetIter};
use super::{
    addr::{Number, Span, v4_net, v6_net, widest},
    table::Table,
    v4::Set4,
    v6::Set6,
};
pub(super) use build::Builder;

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
/// bits, such as `::/0`, adds no IPv4 address, and taken out takes none. "Any address" is two entries,
/// or [`everything`](Self::everything).
///
/// A range of addresses is a few prefixes: `ipnet::Ipv4Subnets::new(first, last, 0)`.
///
/// # Memory and cost
/// Only the addresses count, not how they were given: neighbours merge, and what a wider prefix holds
/// takes nothing. A look-up allocates nothing. Build in bulk (from text, from an iterator, with
/// [`extend`](Extend::extend) or [`apply`](Self::apply)); a single [`insert`](Self::insert) or
/// [`remove`](Self::remove) compiles anew what is around it.
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
#[derive(Clone)]
pub struct CidrSet {
    v4: Set4,
    /// Without mapped addresses: I2.
    v6: Set6,
}

impl CidrSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { v4: Set4::EMPTY, v6: Set6::EMPTY }
    }

    /// All addresses of both families: "any".
    ///
    /// # Example: any is two prefixes
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// assert_eq!(CidrSet::everything().to_string(), "0.0.0.0/0\n::/0");
    /// ```
    #[must_use]
    pub fn everything() -> Self {
        let mut all = Builder::new();
        all.push(Span::V4(u32::MIN, u32::MAX));
        all.push(Span::V6(u128::MIN, u128::MAX));
        all.build()
    }

    /// Whether `addr` is in the set. An IPv4-mapped IPv6 address is asked as the IPv4 address.
    ///
    /// For many addresses in one call there is [`contains_batch`](Self::contains_batch).
    #[inline]
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        match addr {
            IpAddr::V4(addr) => self.v4.mark(addr.to_bits()),
            IpAddr::V6(addr) => self.contains_v6(addr.to_bits()),
        }
    }

    /// Apart, so that IPv4 look-ups are small enough to be inlined and save no registers.
    #[inline(never)]
    fn contains_v6(&self, addr: u128) -> bool {
        match Number::of_v6(addr) {
            Number::V4(addr) => self.v4.mark(addr),
            Number::V6(addr) => self.v6.mark(addr),
        }
    }

    /// The prefix of [`iter`](Self::iter) that holds `addr`: why it is listed.
    ///
    /// That is the widest prefix around `addr` that is in the set as a whole, rather than the entry
    /// that listed it: a set does not remember its entries. [`contains`](Self::contains) is faster.
    ///
    /// # Example: the network of an address
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let set: CidrSet = "10.0.0.0/9\n10.128.0.0/9\n192.0.2.1".parse()?;
    /// assert_eq!(set.longest_match("10.1.2.3".parse()?), Some("10.0.0.0/8".parse()?));
    /// assert_eq!(set.longest_match("192.0.2.2".parse()?), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn longest_match(&self, addr: IpAddr) -> Option<IpNet> {
        match Number::from(addr) {
            Number::V4(addr) => {
                let (first, last) = told::around_v4(&self.v4, addr)?;
                Some(v4_net(addr, widest(addr, first, last)))
            }
            Number::V6(addr) => {
                let (first, last) = told::around_v6(&self.v6, addr)?;
                Some(v6_net(addr, widest(addr, first, last)))
            }
        }
    }

    /// Whether all addresses of `net` are in the set.
    ///
    /// `::/0` stands for the IPv6 addresses, as everywhere: no IPv4 address needs to be there.
    ///
    /// # Example: a prefix that two others make up
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let set: CidrSet = "10.0.0.0/9\n10.128.0.0/9".parse()?;
    /// assert!(set.covers(&"10.0.0.0/8".parse()?));
    /// assert!(!set.covers(&"10.0.0.0/7".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn covers(&self, net: &IpNet) -> bool {
        match Span::from(*net) {
            Span::V4(first, last) => edit::is_all(&self.v4, first, last, true),
            Span::V6(first, last) => build::unmapped((first, last))
                .all(|(first, last)| edit::is_all(&self.v6, first, last, true)),
        }
    }

    /// Whether at least one address of `net` is in the set.
    ///
    /// # Example: a neighbour inside
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let set: CidrSet = "10.1.2.3".parse()?;
    /// assert!(set.overlaps(&"10.0.0.0/8".parse()?));
    /// assert!(!set.overlaps(&"11.0.0.0/8".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn overlaps(&self, net: &IpNet) -> bool {
        match Span::from(*net) {
            Span::V4(first, last) => !edit::is_all(&self.v4, first, last, false),
            // What is mapped is not in this table.
            Span::V6(first, last) => !edit::is_all(&self.v6, first, last, false),
        }
    }

    /// Whether no address at all is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        edit::is_all(&self.v4, u32::MIN, u32::MAX, false)
            && edit::is_all(&self.v6, u128::MIN, u128::MAX, false)
    }

    /// How many prefixes [`iter`](Self::iter) gives.
    ///
    /// # Cost
    /// They are counted: `O(n)`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// How many IPv4 addresses are in the set, from none to all 2^32. `O(n)`.
    ///
    /// # Example: how much a list blocks
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let set: CidrSet = "192.0.2.0/24\n198.51.100.4".parse()?;
    /// assert_eq!(set.v4_address_count(), 257);
    /// # Ok::<(), portcullis::CidrParseError>(())
    /// ```
    #[must_use]
    pub fn v4_address_count(&self) -> u64 {
        told::ranges(&self.v4).fold(0, |count, (first, last)| {
            count.saturating_add(last.saturating_sub(first).into()).saturating_add(1)
        })
    }

    /// How many IPv6 addresses are in the set, the IPv4-mapped ones aside. `O(n)`.
    #[must_use]
    pub fn v6_address_count(&self) -> u128 {
        // All of them are 2^128 - 2^32, which fits.
        told::ranges(&self.v6).fold(0, |count, (first, last)| {
            count.saturating_add(last.saturating_sub(first)).saturating_add(1)
        })
    }

    /// The bytes that the set occupies, itself included.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(self.v4.heap_bytes()).saturating_add(self.v6.heap_bytes())
    }

    #[cfg(test)]
    pub(super) fn v4_ranges(&self) -> alloc::vec::Vec<(u32, u32)> {
        told::ranges(&self.v4).collect()
    }

    #[cfg(test)]
    pub(super) fn v6_ranges(&self) -> alloc::vec::Vec<(u128, u128)> {
        told::ranges(&self.v6).collect()
    }
}

impl Default for CidrSet {
    fn default() -> Self {
        Self::new()
    }
}
