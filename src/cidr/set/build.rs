//! From entries in any order to a set: everything is collected, sorted once, merged once, compiled
//! once.

use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;

use super::{
    CidrSet,
    told::{Prefixes, Spoken},
};
use crate::cidr::{
    addr::{Bits, MAPPED_FIRST, MAPPED_LAST, Span, v4_net, v6_net},
    runs::of_ranges,
    table::Table,
    v4::Set4,
    v6::Set6,
};

/// The fewest prefixes that hold the same addresses, sorted, IPv4 before IPv6.
///
/// They are those of [`CidrSet::iter`], without compiling a set that nobody asks.
///
/// # Cost
/// `O(n log n)` for `n` prefixes, `O(n)` if they are sorted.
///
/// # Example: a shorter list for a router
/// ```
/// use portcullis::{cidr::aggregate, ipnet::IpNet};
///
/// let nets: [IpNet; 4] = [
///     "192.0.2.128/25".parse()?,
///     "192.0.2.0/25".parse()?,
///     "192.0.2.7/32".parse()?,
///     "192.0.3.0/24".parse()?,
/// ];
/// assert_eq!(aggregate(nets), ["192.0.2.0/23".parse()?]);
/// # Ok::<(), portcullis::ipnet::AddrParseError>(())
/// ```
pub fn aggregate(nets: impl IntoIterator<Item = IpNet>) -> Vec<IpNet> {
    let (v4, v6) = Builder::of(nets).into_ranges();
    let v4 = Prefixes::new(v4.into_iter()).map(|(addr, len)| v4_net(addr, len));
    let v6 = Spoken::new(v6.into_iter());
    v4.chain(Prefixes::new(v6).map(|(addr, len)| v6_net(addr, len))).collect()
}

/// Ranges of one family, with both ends inside.
type Ranges<B> = Vec<(B, B)>;

/// Entries on their way into a set.
pub(in crate::cidr) struct Builder {
    v4: Spans<u32>,
    v6: Spans<u128>,
}

impl Builder {
    /// Sorts once, at the end.
    pub(in crate::cidr) const fn new() -> Self {
        Self { v4: Spans::new(false), v6: Spans::new(false) }
    }

    /// Sorts whenever the room is full, and makes more of it only for what is different: a text of
    /// others can name few addresses in many ways.
    pub(in crate::cidr) const fn frugal() -> Self {
        Self { v4: Spans::new(true), v6: Spans::new(true) }
    }

    pub(super) fn of(nets: impl IntoIterator<Item = IpNet>) -> Self {
        let mut builder = Self::new();
        nets.into_iter().for_each(|net| builder.push(net.into()));
        builder
    }

    #[inline]
    pub(in crate::cidr) fn push(&mut self, span: Span) {
        match span {
            Span::V4(first, last) => self.v4.push(first, last),
            Span::V6(first, last) => self.v6.push(first, last),
        }
    }

    pub(in crate::cidr) fn build(self) -> CidrSet {
        let (v4, v6) = self.into_ranges();
        // One after the other, so that the runs of only one family are in memory.
        let v4 = Set4::build(of_ranges(v4, u32::MIN, u32::MAX).as_slice());
        let v6 = of_ranges(v6, u128::MIN, u128::MAX);
        CidrSet { v4, v6: Set6::build(v6.as_slice()) }
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> (usize, usize) {
        (self.v4.all.capacity(), self.v6.all.capacity())
    }

    /// The ranges of both families, sorted and apart, and those of IPv6 without mapped addresses.
    pub(super) fn into_ranges(self) -> (Ranges<u32>, Ranges<u128>) {
        let mut v6 = self.v6.merged();
        let from = v6.partition_point(|(_, last)| *last < MAPPED_FIRST);
        let to = v6.partition_point(|(first, _)| *first <= MAPPED_LAST);
        let left: Ranges<u128> =
            v6.get(from..to).unwrap_or_default().iter().copied().flat_map(unmapped).collect();
        drop(v6.splice(from..to, left));
        (self.v4.merged(), v6)
    }
}

/// What of an IPv6 range is not an IPv4-mapped address, which makes I2 true.
pub(super) fn unmapped((first, last): (u128, u128)) -> impl Iterator<Item = (u128, u128)> {
    let below = (first, last.min(MAPPED_FIRST.saturating_sub(1)));
    let above = (first.max(MAPPED_LAST.saturating_add(1)), last);
    [below, above].into_iter().filter(|(first, last)| first <= last)
}

/// Ranges in the order of their coming.
struct Spans<B> {
    all: Ranges<B>,
    frugal: bool,
}

impl<B> Spans<B> {
    const fn new(frugal: bool) -> Self {
        Self { all: Vec::new(), frugal }
    }
}

impl<B: Bits> Spans<B> {
    #[inline]
    fn push(&mut self, first: B, last: B) {
        match self.all.last_mut() {
            // A list that is sorted already merges as it comes, and takes no more room than it must.
            Some(before) if before.0 <= first && joins(before.1, first) => {
                before.1 = before.1.max(last);
                return;
            }
            _ => {}
        }
        if self.frugal && self.all.len() == self.all.capacity() {
            self.make_room();
        }
        self.all.push((first, last));
    }

    /// Merges, and doubles the room if more than half of it is still in use: so between two merges
    /// about as many ranges come as the second one looks at.
    #[cold]
    fn make_room(&mut self) {
        self.merge();
        if self.all.len() >= self.all.capacity().div_ceil(2) {
            self.all.reserve(self.all.len().max(64));
        }
    }

    fn merge(&mut self) {
        // By the start alone, which compares without a branch; merging takes the longest in any order.
        if !self.all.is_sorted_by_key(|&(first, _)| first) {
            self.all.sort_unstable_by_key(|&(first, _)| first);
        }
        self.all.dedup_by(|next, kept| {
            let one = joins(kept.1, next.0);
            if one {
                kept.1 = kept.1.max(next.1);
            }
            one
        });
    }

    fn merged(mut self) -> Ranges<B> {
        self.merge();
        self.all
    }
}

/// Whether nothing lies between the end of a range and the start of one that does not start before it.
#[inline]
fn joins<B: Bits>(end: B, start: B) -> bool {
    // Behind the end of the space nothing lies.
    end.next().is_none_or(|next| start <= next)
}

impl FromIterator<IpNet> for CidrSet {
    fn from_iter<I: IntoIterator<Item = IpNet>>(nets: I) -> Self {
        Builder::of(nets).build()
    }
}

impl FromIterator<IpAddr> for CidrSet {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addrs: I) -> Self {
        addrs.into_iter().map(IpNet::from).collect()
    }
}

impl From<IpNet> for CidrSet {
    fn from(net: IpNet) -> Self {
        [net].into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    /// I2, of ranges that end or begin with the first or the last mapped address, or beside it.
    #[test]
    fn mapped_addresses_are_cut_off_to_the_last() {
        let (first, last) = (MAPPED_FIRST, MAPPED_LAST);
        for (range, left) in [
            ((1, first - 1), vec![(1, first - 1)]),
            ((1, first), vec![(1, first - 1)]),
            ((1, last), vec![(1, first - 1)]),
            ((1, last + 1), vec![(1, first - 1), (last + 1, last + 1)]),
            ((first, first), vec![]),
            ((last, last + 1), vec![(last + 1, last + 1)]),
            ((last + 1, last + 1), vec![(last + 1, last + 1)]),
        ] {
            let mut builder = Builder::new();
            builder.push(Span::V6(range.0, range.1));
            assert_eq!(builder.into_ranges(), (vec![], left), "{range:?}");
        }
    }

    /// A merge that frees little makes room for as much again, so that the next one is not near.
    #[test]
    fn a_frugal_builder_merges_seldom() {
        let mut builder = Builder::frugal();
        let push = |builder: &mut Builder, n: u32| builder.push(Span::V4(2 * n, 2 * n));
        push(&mut builder, 0);
        let room = builder.room().0;
        assert!(room >= 64, "{room}");
        // One of them is there twice.
        for n in (1..).take(room - 2).chain([0, u32::MAX / 2]) {
            push(&mut builder, n);
        }
        assert!(builder.room().0 >= 2 * room - 1, "{:?}", builder.room());
    }
}
