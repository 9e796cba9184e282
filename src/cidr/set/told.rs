//! A set told as prefixes: the fewest there are, sorted.

use core::{
    fmt,
    iter::{FusedIterator, Peekable},
};

use ipnet::IpNet;

use super::CidrSet;
use crate::cidr::{
    addr::{Bits, MAPPED_FIRST, MAPPED_LAST, Span, v4_net, v6_net, widest},
    runs::Run,
    table::Table,
    v4::Set4,
    v6::Set6,
};

impl CidrSet {
    /// The fewest prefixes that make up the set, sorted, IPv4 before IPv6.
    ///
    /// Whatever prefixes went in: this is the set *aggregated*, so there is no other method for that;
    /// [`aggregate`](super::aggregate) does it to plain prefixes. IPv4-mapped addresses count as IPv4
    /// only, so an IPv6 prefix here may stretch over them where that is shorter to say: all of IPv6
    /// is `::/0`.
    ///
    /// # Cost
    /// `O(n)` for all `n` prefixes, without an allocation.
    ///
    /// # Example: what was cut in three is one
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let set: CidrSet = "10.128.0.0/9\n10.0.0.0-10.99.0.0\n10.64.0.0/10".parse()?;
    /// assert_eq!(set.iter().collect::<Vec<_>>(), ["10.0.0.0/8".parse()?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> CidrSetIter<'_> {
        CidrSetIter {
            v4: Prefixes::new(ranges(&self.v4)),
            v6: Prefixes::new(Spoken::new(ranges(&self.v6))),
        }
    }

    /// The part of the set that lies within `net`, as the fewest prefixes, sorted.
    ///
    /// These are the prefixes of [`iter`](Self::iter) within `net`; or `net` itself, if all of its
    /// addresses are in the set. (Of `::fffe:0:0/95`, half of which are IPv4-mapped addresses, it is
    /// the other half, `::fffe:0:0/96`.)
    ///
    /// # Example: what is listed of a network
    /// ```
    /// use portcullis::{cidr::CidrSet, ipnet::IpNet};
    ///
    /// let set: CidrSet = "10.1.0.0/16\n10.7.7.7\n192.0.2.0/24".parse()?;
    /// let within = |net: &str| -> Result<Vec<IpNet>, Box<dyn std::error::Error>> {
    ///     Ok(set.subnets(&net.parse()?).collect())
    /// };
    /// assert_eq!(within("10.0.0.0/8")?, ["10.1.0.0/16".parse()?, "10.7.7.7/32".parse()?]);
    /// assert_eq!(within("10.1.2.0/24")?, ["10.1.2.0/24".parse()?]);
    /// assert_eq!(within("11.0.0.0/8")?, []);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subnets(&self, net: &IpNet) -> CidrSetIter<'_> {
        let (v4, v6) = match Span::from(*net) {
            Span::V4(first, last) => {
                (Stretches::new(&self.v4, first, last), Stretches::none(&self.v6))
            }
            Span::V6(first, last) => {
                (Stretches::none(&self.v4), Stretches::new(&self.v6, first, last))
            }
        };
        CidrSetIter { v4: Prefixes::new(v4), v6: Prefixes::new(Spoken::new(v6)) }
    }
}

/// The prefixes of a set, from [`CidrSet::iter`] or [`CidrSet::subnets`].
#[derive(Clone)]
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct CidrSetIter<'a> {
    v4: Prefixes<u32, Stretches<'a, u32, Set4>>,
    v6: Prefixes<u128, Spoken<Stretches<'a, u128, Set6>>>,
}

impl Iterator for CidrSetIter<'_> {
    type Item = IpNet;

    #[inline]
    fn next(&mut self) -> Option<IpNet> {
        if let Some((addr, len)) = self.v4.next() {
            return Some(v4_net(addr, len));
        }
        self.v6.next().map(|(addr, len)| v6_net(addr, len))
    }
}

impl FusedIterator for CidrSetIter<'_> {}

impl fmt::Debug for CidrSetIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<'a> IntoIterator for &'a CidrSet {
    type Item = IpNet;
    type IntoIter = CidrSetIter<'a>;

    fn into_iter(self) -> CidrSetIter<'a> {
        self.iter()
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

/// The ranges of a table that are in the set, cut to a part of the space.
///
/// A table is asked for a few runs at a time, because what it answers with has no name that could
/// stand in a type.
#[derive(Clone)]
pub(super) struct Stretches<'a, B, T> {
    table: &'a T,
    /// What was not yet looked at.
    rest: Option<(B, B)>,
    ahead: [Run<B, bool>; AHEAD],
    /// Those of `ahead` that are still to come.
    from: usize,
    to: usize,
}

const AHEAD: usize = 16;

/// All ranges that are in the set.
pub(super) fn ranges<B: Bits, T: Table<B, bool>>(table: &T) -> Stretches<'_, B, T> {
    Stretches::new(table, B::MIN, B::MAX)
}

impl<'a, B: Bits, T: Table<B, bool>> Stretches<'a, B, T> {
    pub(super) fn new(table: &'a T, first: B, last: B) -> Self {
        Self { rest: Some((first, last)), ..Self::none(table) }
    }

    fn none(table: &'a T) -> Self {
        let ahead = [Run { last: B::MIN, mark: false }; AHEAD];
        Self { table, rest: None, ahead, from: 0, to: 0 }
    }

    /// The run that holds `first`, where the one before ended.
    #[inline]
    fn run(&mut self, first: B, last: B) -> Option<Run<B, bool>> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
            for (place, run) in self.ahead.iter_mut().zip(self.table.runs_from(first)) {
                *place = run;
                self.to = self.to.saturating_add(1);
                if run.last >= last {
                    break;
                }
            }
        }
        let run = self.ahead.get(..self.to).and_then(|ahead| ahead.get(self.from)).copied();
        self.from = self.from.saturating_add(1).min(self.to);
        run
    }
}

impl<B: Bits, T: Table<B, bool>> Iterator for Stretches<'_, B, T> {
    type Item = (B, B);

    #[inline]
    fn next(&mut self) -> Option<(B, B)> {
        loop {
            let (first, last) = self.rest?;
            let run = self.run(first, last)?;
            let end = run.last.min(last);
            self.rest = end.next().filter(|next| *next <= last).map(|next| (next, last));
            if run.mark {
                return Some((first, end));
            }
        }
    }
}

/// The IPv6 ranges as prefixes should tell them: across the mapped addresses, which I2 keeps out,
/// where both the /96 and the /95 below them are there, because only then one shorter prefix
/// replaces two. It must not be done otherwise: the mapped block could come out as a prefix of
/// its own, `::ffff:0:0/96`, and that means all of IPv4.
#[derive(Clone)]
pub(super) struct Spoken<I: Iterator<Item = (u128, u128)>>(Peekable<I>);

impl<I: Iterator<Item = (u128, u128)>> Spoken<I> {
    pub(super) fn new(ranges: I) -> Self {
        Self(ranges.peekable())
    }
}

impl<I: Iterator<Item = (u128, u128)>> Iterator for Spoken<I> {
    type Item = (u128, u128);

    #[inline]
    fn next(&mut self) -> Option<(u128, u128)> {
        let (first, last) = self.0.next()?;
        if !reaches_over(first, last) {
            return Some((first, last));
        }
        let beyond = self.0.next_if(|&(next, _)| next == MAPPED_LAST.saturating_add(1));
        Some((first, beyond.map_or(MAPPED_LAST, |(_, end)| end)))
    }
}

/// Whether a range that is told as prefixes goes on over the mapped addresses.
fn reaches_over(first: u128, last: u128) -> bool {
    last == MAPPED_FIRST.saturating_sub(1) && first <= BELOW_MAPPED
}

/// The start of `::fffc:0:0/95`, the neighbour of the /95 that ends with the mapped addresses.
const BELOW_MAPPED: u128 = 0xfffc_0000_0000;

/// The fewest prefixes of ranges that are sorted and apart.
#[derive(Clone)]
pub(super) struct Prefixes<B, I> {
    ranges: I,
    /// What is left of a range.
    rest: Option<(B, B)>,
}

impl<B: Bits, I: Iterator<Item = (B, B)>> Prefixes<B, I> {
    pub(super) const fn new(ranges: I) -> Self {
        Self { ranges, rest: None }
    }
}

impl<B: Bits, I: Iterator<Item = (B, B)>> Iterator for Prefixes<B, I> {
    type Item = (B, u8);

    #[inline]
    fn next(&mut self) -> Option<(B, u8)> {
        let (first, last) = match self.rest.take() {
            Some(rest) => rest,
            None => self.ranges.next()?,
        };
        let len = widest(first, first, last);
        self.rest = first.last_of(len).next().filter(|next| *next <= last).map(|next| (next, last));
        Some((first, len))
    }
}

/// The range of the set that holds an IPv4 address.
pub(super) fn around_v4(table: &Set4, addr: u32) -> Option<(u32, u32)> {
    around(table, addr)
}

/// The range of the set that holds an IPv6 address, as prefixes tell it.
pub(super) fn around_v6(table: &Set6, addr: u128) -> Option<(u128, u128)> {
    let (first, last) = around(table, addr)?;
    if reaches_over(first, last) {
        let beyond = around(table, MAPPED_LAST.saturating_add(1));
        return Some((first, beyond.map_or(MAPPED_LAST, |(_, end)| end)));
    }
    if first == MAPPED_LAST.saturating_add(1) {
        let below = around(table, MAPPED_FIRST.saturating_sub(1));
        let below = below.filter(|&(from, to)| reaches_over(from, to));
        return Some((below.map_or(first, |(from, _)| from), last));
    }
    Some((first, last))
}

fn around<B: Bits>(table: &impl Table<B, bool>, addr: B) -> Option<(B, B)> {
    let run = table.runs_from(addr).next().filter(|run| run.mark)?;
    Some((table.run_start(addr), run.last))
}
