//! [`CidrMap`]: prefixes with values, and what they say of an address.
//!
//! # How
//! The truth is a sorted [list] of prefixes for each family, with a tag for the value of each;
//! equal [values] are kept once. Look-ups of addresses do not touch the list: a table is compiled from
//! it that says of every address the tag and the length of its longest prefix. After an edit, what
//! was touched is compiled anew ([family]).
//!
//! Invariants, each with a test that cites it:
//! - **I1** for every address, the table gives the longest prefix of the list around it;
//! - **I2** no IPv6 prefix of the list is IPv4-mapped, and no prefix has host bits;
//! - **I3** every tag of the list has a value, and it is counted as often as it is there; also after a value has panicked
//!   when it was compared, copied or dropped (it may then be counted too often, and stay);
//! - **I4** after any edits a map equals one that is built from what should be in it, in its prefixes
//!   and in all its answers.

use core::{fmt, hash::Hash, net::IpAddr};

use ipnet::IpNet;

use self::{
    family::Family,
    gather::Gathered,
    iter::Around,
    list::{Listed, Prefixes},
    list6::Listed6,
    values::Values,
};
use super::{
    CidrSet,
    addr::{Number, Prefix, v4_net, v6_net},
    runs::Mark,
    table::Table,
    v4::Map4,
    v6::Map6,
};

mod aggregate;
mod batch;
mod edit;
mod family;
mod gather;
mod iter;
mod keys;
mod list;
mod list6;
mod piece;
#[cfg(feature = "serde")]
mod serde_text;
mod text;
mod values;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_aggregate;

pub use self::iter::CidrMapIter;

/// A map from prefixes to values, asked by address: the longest prefix around it counts.
///
/// Countries by network, origin networks of a routing table, a policy by customer: many prefixes,
/// nested in each other, with few different values. Each value is kept once.
///
/// # What prefixes mean
/// As in a [`CidrSet`], host bits are cut off, and IPv4-mapped IPv6 is IPv4, in what is asked and in
/// what is listed. An IPv6 prefix shorter than 96 bits, such as `::/0`, says nothing of IPv4 addresses.
/// A prefix has one value; one that is given again replaces it.
///
/// Equality is that of the prefixes and their values; see [`same_answers`](Self::same_answers) for
/// that of the answers. `Display` writes one prefix a line, a tab, and its value, and that can be read
/// back ([`parse`](str::parse)): a line is read as in [`CidrSet`'s text
/// form](CidrSet#the-text-form), and what follows the prefix, up to a remark, is the value. A range, and a
/// prefix that comes twice, are refused. [`lines`](super::lines) reads other tables.
///
/// # Serde
/// With the feature `serde`, a map from prefix texts to values. Each text is read by
/// [`parse_prefix`](super::parse_prefix), and one that comes twice is refused; what look-ups need is
/// compiled anew.
///
/// # Memory
/// A prefix takes 7 to 9 bytes in the list (IPv6: 11 to 13 up to 64 bits, 19 to 21 beyond) and what the
/// table takes; a different value its size and 16 to 40 bytes. See [`memory`](Self::memory).
/// At most 2^32 - 2 different values find room; a prefix with yet another one is left out.
///
/// # Cost
/// [`lookup`](Self::lookup), [`longest_match`](Self::longest_match) and [`contains`](Self::contains)
/// walk the table once and allocate nothing. What is asked of prefixes searches the list, in `O(log n)`
/// for each step. Building from `n` prefixes takes `O(n log n)`, and `O(n)` if they are in order.
///
/// # Example: whose address is that?
/// ```
/// use portcullis::CidrMap;
///
/// let owners: CidrMap<&str> = [
///     ("10.0.0.0/8".parse()?, "us"),
///     ("10.7.0.0/16".parse()?, "the lab"),
///     ("2001:db8::/32".parse()?, "us"),
/// ]
/// .into_iter()
/// .collect();
///
/// assert_eq!(owners.lookup("10.7.1.1".parse()?), Some(&"the lab"));
/// assert_eq!(owners.lookup("::ffff:10.8.1.1".parse()?), Some(&"us"));
/// assert_eq!(owners.lookup("192.0.2.1".parse()?), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CidrMap<V> {
    values: Values<V>,
    v4: Family<u32, Listed<u32>, Map4>,
    v6: Family<u128, Listed6, Map6>,
}

impl<V> CidrMap<V> {
    /// The map without a prefix.
    #[must_use]
    pub const fn new() -> Self {
        Self { values: Values::new(), v4: Family::EMPTY, v6: Family::EMPTY }
    }

    /// The value of the longest prefix around an address.
    #[inline]
    #[must_use]
    pub fn lookup(&self, addr: IpAddr) -> Option<&V> {
        self.values.get(self.tag_at(addr))
    }

    /// The longest prefix around an address, with its value.
    ///
    /// # Example: the rule that decided
    /// ```
    /// use portcullis::CidrMap;
    ///
    /// let map = CidrMap::from_iter([("10.0.0.0/8".parse()?, 'a'), ("10.1.0.0/16".parse()?, 'b')]);
    /// assert_eq!(map.longest_match("10.1.2.3".parse()?), Some(("10.1.0.0/16".parse()?, &'b')));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn longest_match(&self, addr: IpAddr) -> Option<(IpNet, &V)> {
        let number = addr.into();
        let mark = self.mark(number);
        let value = self.values.get(mark.tag)?;
        let net = match number {
            Number::V4(addr) => v4_net(addr, mark.len),
            Number::V6(addr) => v6_net(addr, mark.len),
        };
        Some((net, value))
    }

    /// The longest prefix that covers all of this one, itself included, with its value.
    ///
    /// # Example: what a customer's network belongs to
    /// ```
    /// use portcullis::CidrMap;
    ///
    /// let map = CidrMap::from_iter([("10.0.0.0/8".parse()?, 1), ("10.1.1.0/24".parse()?, 2)]);
    /// let (net, value) = map.longest_match_net(&"10.1.0.0/16".parse()?).unwrap();
    /// assert_eq!((net.to_string(), *value), ("10.0.0.0/8".into(), 1));
    /// # Ok::<(), portcullis::ipnet::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn longest_match_net(&self, net: &IpNet) -> Option<(IpNet, &V)> {
        let (net, mark) = match Prefix::from(*net) {
            Prefix::V4(first, len) => {
                let mark = self.v4.list.around(first, len)?;
                (v4_net(first, mark.len), mark)
            }
            Prefix::V6(first, len) => {
                let mark = self.v6.list.around(first, len)?;
                (v6_net(first, mark.len), mark)
            }
        };
        Some((net, self.values.get(mark.tag)?))
    }

    /// Whether any prefix is around the address.
    #[inline]
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        self.tag_at(addr) > 0
    }

    /// All prefixes around an address with their values, the shortest first.
    ///
    /// # Example: from the widest to the most specific
    /// ```
    /// use portcullis::CidrMap;
    ///
    /// let map = CidrMap::from_iter([("0.0.0.0/0".parse()?, 0), ("10.0.0.0/8".parse()?, 1)]);
    /// assert_eq!(map.matches([10, 0, 0, 1].into()).map(|(_, value)| *value).collect::<Vec<_>>(), [0, 1]);
    /// # Ok::<(), portcullis::ipnet::AddrParseError>(())
    /// ```
    pub fn matches(&self, addr: IpAddr) -> impl Iterator<Item = (IpNet, &V)> {
        Around::new(self, IpNet::from(addr).into())
    }

    /// The value of exactly this prefix.
    #[must_use]
    pub fn get(&self, net: &IpNet) -> Option<&V> {
        self.values.get(self.tag(*net))
    }

    /// Whether exactly this prefix is there.
    #[must_use]
    pub fn contains_net(&self, net: &IpNet) -> bool {
        self.tag(*net) > 0
    }

    /// All prefixes that cover this one, itself included, with their values, the shortest first.
    pub fn supernets(&self, net: &IpNet) -> impl Iterator<Item = (IpNet, &V)> + use<'_, V> {
        Around::new(self, (*net).into())
    }

    /// All prefixes that lie within this one, itself included, with their values, in order.
    ///
    /// # Example: all rules for a network
    /// ```
    /// use portcullis::CidrMap;
    ///
    /// let map = CidrMap::from_iter([
    ///     ("10.0.0.0/8".parse()?, 1),
    ///     ("10.1.0.0/16".parse()?, 2),
    ///     ("10.1.1.0/24".parse()?, 3),
    ///     ("11.0.0.0/8".parse()?, 4),
    /// ]);
    /// let within = map.subnets(&"10.1.0.0/16".parse()?).map(|(_, value)| *value);
    /// assert_eq!(within.collect::<Vec<_>>(), [2, 3]);
    /// # Ok::<(), portcullis::ipnet::AddrParseError>(())
    /// ```
    pub fn subnets(&self, net: &IpNet) -> impl Iterator<Item = (IpNet, &V)> + use<'_, V> {
        let (v4, v6) = match Prefix::from(*net) {
            Prefix::V4(first, len) => (Some(self.v4.within(first, len)), None),
            Prefix::V6(first, len) => (None, Some(self.v6.within(first, len))),
        };
        let v4 = v4.into_iter().flatten().map(|(first, mark)| (v4_net(first, mark.len), mark.tag));
        let v6 = v6.into_iter().flatten().map(|(first, mark)| (v6_net(first, mark.len), mark.tag));
        v4.chain(v6).filter_map(|(net, tag)| Some((net, self.values.get(tag)?)))
    }

    /// Whether any prefix has an address in common with this one.
    #[must_use]
    pub fn overlaps(&self, net: &IpNet) -> bool {
        self.longest_match_net(net).is_some() || self.subnets(net).next().is_some()
    }

    /// All prefixes with their values: IPv4 first, by address, then by length.
    pub fn iter(&self) -> CidrMapIter<'_, V> {
        CidrMapIter::new(self)
    }

    /// All prefixes, in the order of [`iter`](Self::iter).
    pub fn prefixes(&self) -> impl ExactSizeIterator<Item = IpNet> {
        self.iter().map(|(net, _)| net)
    }

    /// The value of each prefix, in the order of [`iter`](Self::iter).
    pub fn values(&self) -> impl ExactSizeIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// All values that some prefix has, each once, in no particular order.
    pub fn distinct_values(&self) -> impl Iterator<Item = &V> {
        self.values.iter()
    }

    /// How many prefixes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.list.len().saturating_add(self.v6.list.len())
    }

    /// Whether there is no prefix.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All addresses that have a value.
    ///
    /// # Example: who is known at all
    /// ```
    /// use portcullis::CidrMap;
    ///
    /// let map = CidrMap::from_iter([("10.0.0.0/9".parse()?, 1), ("10.128.0.0/9".parse()?, 2)]);
    /// assert_eq!(map.to_set().to_string(), "10.0.0.0/8");
    /// # Ok::<(), portcullis::ipnet::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn to_set(&self) -> CidrSet {
        let mut outer: Option<IpNet> = None;
        // What lies within another prefix adds nothing, and comes after it.
        let nets = self.prefixes().filter(|net| {
            let adds = !outer.is_some_and(|outer| outer.contains(net));
            if adds {
                outer = Some(*net);
            }
            adds
        });
        nets.collect()
    }

    /// The bytes that the map occupies, itself included, but not what its values own on the heap.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory().total()
    }

    /// The bytes that the map occupies, by what they are for.
    ///
    /// # Example: what a look-up touches
    /// ```
    /// use portcullis::CidrMap;
    ///
    /// let map = CidrMap::from_iter([("10.0.0.0/8".parse()?, 1_u32)]);
    /// let memory = map.memory();
    /// assert!(memory.tables() + memory.prefixes() + memory.values() <= memory.total());
    /// assert_eq!(memory.total(), map.memory_bytes());
    /// # Ok::<(), portcullis::ipnet::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn memory(&self) -> CidrMapMemory {
        CidrMapMemory {
            itself: size_of::<Self>(),
            tables: self.v4.table.heap_bytes().saturating_add(self.v6.table.heap_bytes()),
            prefixes: self.v4.list.heap_bytes().saturating_add(self.v6.list.heap_bytes()),
            values: self.values.heap_bytes(),
        }
    }

    /// The tag of the longest prefix around an address.
    #[inline]
    fn tag_at(&self, addr: IpAddr) -> u32 {
        match addr {
            IpAddr::V4(addr) => self.v4.table.mark(addr.to_bits()).tag,
            IpAddr::V6(addr) => tag_at_v6(&self.v4.table, &self.v6.table, addr.to_bits()),
        }
    }

    #[inline]
    fn mark(&self, number: Number) -> Mark {
        match number {
            Number::V4(addr) => self.v4.table.mark(addr),
            Number::V6(addr) => mark_v6(&self.v6.table, addr),
        }
    }

    fn tag(&self, net: IpNet) -> u32 {
        match Prefix::from(net) {
            Prefix::V4(first, len) => self.v4.list.tag(first, len),
            Prefix::V6(first, len) => self.v6.list.tag(first, len),
        }
    }
}

/// Apart, so that IPv4 look-ups are small enough to be inlined and save no registers.
#[inline(never)]
fn tag_at_v6(v4: &Map4, v6: &Map6, addr: u128) -> u32 {
    match Number::of_v6(addr) {
        Number::V4(addr) => tag_at_mapped(v4, addr),
        Number::V6(addr) => v6.mark(addr).tag,
    }
}

/// Apart again, so that IPv6 look-ups save no registers either.
#[inline(never)]
fn tag_at_mapped(table: &Map4, addr: u32) -> u32 {
    table.mark(addr).tag
}

#[inline(never)]
fn mark_v6(table: &Map6, addr: u128) -> Mark {
    table.mark(addr)
}

/// The bytes of a [`CidrMap`], by what they are for. Made by [`CidrMap::memory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CidrMapMemory {
    itself: usize,
    tables: usize,
    prefixes: usize,
    values: usize,
}

impl CidrMapMemory {
    /// The compiled tables, which are what a look-up of an address walks.
    #[must_use]
    pub fn tables(&self) -> usize {
        self.tables
    }

    /// The sorted prefixes, which edits and what is asked of prefixes need.
    #[must_use]
    pub fn prefixes(&self) -> usize {
        self.prefixes
    }

    /// The values and their index, without what the values themselves own on the heap.
    #[must_use]
    pub fn values(&self) -> usize {
        self.values
    }

    /// Everything, the map itself included.
    #[must_use]
    pub fn total(&self) -> usize {
        let heap = self.tables.saturating_add(self.prefixes).saturating_add(self.values);
        heap.saturating_add(self.itself)
    }
}

impl<V> Default for CidrMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

/// Of equal prefixes the last counts.
impl<V: Eq + Hash> FromIterator<(IpNet, V)> for CidrMap<V> {
    fn from_iter<I: IntoIterator<Item = (IpNet, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        map.extend(pairs);
        map.values.shrink_to_fit();
        map
    }
}

/// Of equal prefixes the last counts, and all of them over those in the map.
impl<V: Eq + Hash> Extend<(IpNet, V)> for CidrMap<V> {
    fn extend<I: IntoIterator<Item = (IpNet, V)>>(&mut self, pairs: I) {
        let pairs = pairs.into_iter();
        // Aside, so that an iterator that panics leaves the prefixes as they were.
        let mut gathered = Gathered::expecting(pairs.size_hint().0);
        let mut guess = 0;
        for (net, value) in pairs {
            let Some(tag) = self.values.intern_like(value, guess) else { continue };
            guess = tag;
            gathered.push(net.into(), tag);
        }
        self.set_all(gathered);
    }
}

impl<'a, V> IntoIterator for &'a CidrMap<V> {
    type Item = (IpNet, &'a V);
    type IntoIter = CidrMapIter<'a, V>;

    fn into_iter(self) -> CidrMapIter<'a, V> {
        self.iter()
    }
}

impl<V: PartialEq> PartialEq for CidrMap<V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other)
    }
}

impl<V: Eq> Eq for CidrMap<V> {}

impl<V: fmt::Debug> fmt::Debug for CidrMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

/// One prefix a line with its value after a tab, without a line break at the end.
impl<V: fmt::Display> fmt::Display for CidrMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (net, value)) in self.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{net}\t{value}")?;
        }
        Ok(())
    }
}
