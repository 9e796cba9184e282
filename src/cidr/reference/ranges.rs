//! Sorted ranges of addresses, and a binary search.

use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;

use crate::cidr::addr::{Bits, MAPPED_FIRST, MAPPED_LAST, Number, Span, v4_net, v6_net};

/// A set of addresses, as two lists of ranges.
///
/// Operations look at each stretch between two ends and ask both sides what they say there; a change
/// is an operation with a set of one prefix. The rules of addresses are those of
/// [`CidrSet`](crate::CidrSet): one form for each, and no mapped address in an IPv6 range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl RangeSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { v4: Vec::new(), v6: Vec::new() }
    }

    /// All addresses of both families.
    #[must_use]
    pub fn everything() -> Self {
        Self::of([Span::V4(0, u32::MAX), Span::V6(0, u128::MAX)])
    }

    /// Whether an address is in the set.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        match Number::from(addr) {
            Number::V4(addr) => holds_some(&self.v4, addr, addr),
            Number::V6(addr) => holds_some(&self.v6, addr, addr),
        }
    }

    /// Adds the addresses of a prefix.
    pub fn insert(&mut self, net: IpNet) {
        *self = self.union(&[net].into_iter().collect());
    }

    /// Takes the addresses of a prefix out.
    pub fn remove(&mut self, net: &IpNet) {
        *self = self.difference(&[*net].into_iter().collect());
    }

    /// The addresses that are in one of the sets or in both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.with(other, |a, b| a || b)
    }

    /// The addresses that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.with(other, |a, b| a && b)
    }

    /// The addresses that are in this set and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.with(other, |a, b| a && !b)
    }

    /// The addresses that are in exactly one of the sets.
    #[must_use]
    pub fn symmetric_difference(&self, other: &Self) -> Self {
        self.with(other, |a, b| a != b)
    }

    /// The addresses that are not in the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self::everything().difference(self)
    }

    /// Whether no address is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The fewest prefixes that make up the set, sorted: a prefix that the set has as a whole is one,
    /// of any other the halves are looked at.
    ///
    /// IPv6 prefixes shorter than 95 bits may hold the mapped addresses, too.
    #[must_use]
    pub fn prefixes(&self) -> Vec<IpNet> {
        let mut found = Vec::new();
        let whole = |first: u32, len| holds_all(&self.v4, first, first.last_of(len));
        halved(&self.v4, 0, 0, &whole, &mut |addr, len| found.push(v4_net(addr, len)));

        let mut with_mapped = self.v6.clone();
        with_mapped.push((MAPPED_FIRST, MAPPED_LAST));
        let with_mapped = merged(with_mapped);
        let whole = |first: u128, len| {
            let last = first.last_of(len);
            let apart = last < MAPPED_FIRST || MAPPED_LAST < first;
            holds_all(&with_mapped, first, last) && (apart || len < 95)
        };
        halved(&self.v6, 0, 0, &whole, &mut |addr, len| found.push(v6_net(addr, len)));
        found
    }

    /// The first and the last address of each range, and the addresses next to them.
    #[must_use]
    pub fn edges(&self) -> Vec<IpAddr> {
        let v4 = around(&self.v4).map(|addr| IpAddr::V4(addr.into()));
        v4.chain(around(&self.v6).map(|addr| IpAddr::V6(addr.into()))).collect()
    }

    /// The sorted, separate IPv4 ranges as numbers, with both ends inside.
    #[must_use]
    pub fn v4_ranges(&self) -> &[(u32, u32)] {
        &self.v4
    }

    /// The same of IPv6.
    #[must_use]
    pub fn v6_ranges(&self) -> &[(u128, u128)] {
        &self.v6
    }

    fn of(spans: impl IntoIterator<Item = Span>) -> Self {
        let mut set = Self::new();
        for span in spans {
            match span {
                Span::V4(first, last) => set.v4.push((first, last)),
                Span::V6(first, last) => {
                    let below = (first, last.min(MAPPED_FIRST.saturating_sub(1)));
                    let above = (first.max(MAPPED_LAST.saturating_add(1)), last);
                    set.v6.extend([below, above].iter().filter(|(first, last)| first <= last));
                }
            }
        }
        Self { v4: merged(set.v4), v6: merged(set.v6) }
    }

    fn with(&self, other: &Self, op: fn(bool, bool) -> bool) -> Self {
        Self { v4: combined(&self.v4, &other.v4, op), v6: combined(&self.v6, &other.v6, op) }
    }
}

impl FromIterator<IpNet> for RangeSet {
    fn from_iter<I: IntoIterator<Item = IpNet>>(nets: I) -> Self {
        Self::of(nets.into_iter().map(Span::from))
    }
}

/// Sorted, without overlaps, and joined where they touch.
fn merged<B: Bits>(mut ranges: Vec<(B, B)>) -> Vec<(B, B)> {
    ranges.sort();
    let mut apart: Vec<(B, B)> = Vec::new();
    for (first, last) in ranges {
        match apart.last_mut() {
            Some((_, end)) if first <= *end || end.next() == Some(first) => *end = last.max(*end),
            _ => apart.push((first, last)),
        }
    }
    apart
}

/// The range that holds `addr`, or else the first one after it.
fn from<B: Bits>(ranges: &[(B, B)], addr: B) -> Option<(B, B)> {
    ranges.get(ranges.partition_point(|&(_, last)| last < addr)).copied()
}

fn holds_all<B: Bits>(ranges: &[(B, B)], first: B, last: B) -> bool {
    from(ranges, first).is_some_and(|(start, end)| start <= first && last <= end)
}

fn holds_some<B: Bits>(ranges: &[(B, B)], first: B, last: B) -> bool {
    from(ranges, first).is_some_and(|(start, _)| start <= last)
}

fn combined<B: Bits>(a: &[(B, B)], b: &[(B, B)], op: fn(bool, bool) -> bool) -> Vec<(B, B)> {
    // Where an answer may change.
    let ends = a.iter().chain(b).flat_map(|&(first, last)| [Some(first), last.next()]);
    let mut starts: Vec<B> = ends.flatten().chain([B::MIN]).collect();
    starts.sort();
    starts.dedup();
    let ends = starts.iter().skip(1).map(|next| next.previous()).chain([Some(B::MAX)]);
    let stretches = starts.iter().zip(ends.flatten());
    let within = stretches
        .filter(|&(&first, _)| op(holds_some(a, first, first), holds_some(b, first, first)));
    merged(within.map(|(&first, last)| (first, last)).collect())
}

fn halved<B: Bits>(
    ranges: &[(B, B)],
    first: B,
    len: u8,
    whole: &impl Fn(B, u8) -> bool,
    found: &mut impl FnMut(B, u8),
) {
    let last = first.last_of(len);
    if !holds_some(ranges, first, last) {
        return;
    }
    if whole(first, len) {
        return found(first, len);
    }
    let half = len.saturating_add(1);
    if let Some(upper) = first.last_of(half).next().filter(|_| len < B::WIDTH) {
        halved(ranges, first, half, whole, found);
        halved(ranges, upper, half, whole, found);
    }
}

fn around<B: Bits>(ranges: &[(B, B)]) -> impl Iterator<Item = B> {
    let ends = ranges.iter().flat_map(|&(first, last)| [first, last]);
    ends.flat_map(|end| [end.previous(), Some(end), end.next()]).flatten()
}
