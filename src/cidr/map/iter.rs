//! Walks over the prefixes of a map.

use core::iter::FusedIterator;

use ipnet::IpNet;

use super::{
    super::addr::{Bits, Prefix, v4_net, v6_net},
    CidrMap,
    list::{Entries, Prefixes},
    list6::Entries6,
    values::Values,
};

/// All prefixes of a [`CidrMap`] with their values, IPv4 first, by address, then by length.
///
/// Made by [`CidrMap::iter`].
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct CidrMapIter<'a, V> {
    values: &'a Values<V>,
    v4: Entries<'a, u32>,
    v6: Entries6<'a>,
    left: usize,
}

impl<'a, V> CidrMapIter<'a, V> {
    pub(super) fn new(map: &'a CidrMap<V>) -> Self {
        Self {
            values: &map.values,
            v4: map.v4.list.entries_from(0, 0),
            v6: map.v6.list.entries_from(0, 0),
            left: map.len(),
        }
    }
}

impl<'a, V> Iterator for CidrMapIter<'a, V> {
    type Item = (IpNet, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        let v4 = self.v4.next().map(|(first, mark)| (v4_net(first, mark.len), mark));
        let (net, mark) = v4.or_else(|| {
            let (first, mark) = self.v6.next()?;
            Some((v6_net(first, mark.len), mark))
        })?;
        self.left = self.left.saturating_sub(1);
        Some((net, self.values.get(mark.tag)?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<V> ExactSizeIterator for CidrMapIter<'_, V> {}
impl<V> FusedIterator for CidrMapIter<'_, V> {}

impl<V> Clone for CidrMapIter<'_, V> {
    fn clone(&self) -> Self {
        Self { values: self.values, v4: self.v4.clone(), v6: self.v6.clone(), left: self.left }
    }
}

impl<V> core::fmt::Debug for CidrMapIter<'_, V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CidrMapIter").field("left", &self.left).finish_non_exhaustive()
    }
}

/// The prefixes of a map around one, the shortest first. Only their lengths are remembered, which is
/// all that tells them apart, so that nothing is allocated.
pub(super) struct Around<'a, V> {
    map: &'a CidrMap<V>,
    prefix: Prefix,
    lens: Lens,
}

impl<'a, V> Around<'a, V> {
    pub(super) fn new(map: &'a CidrMap<V>, prefix: Prefix) -> Self {
        let mut lens = Lens::default();
        match prefix {
            Prefix::V4(first, len) => {
                map.v4.all_around(first, len).for_each(|mark| lens.insert(mark.len));
            }
            Prefix::V6(first, len) => {
                map.v6.all_around(first, len).for_each(|mark| lens.insert(mark.len));
            }
        }
        Self { map, prefix, lens }
    }
}

impl<'a, V> Iterator for Around<'a, V> {
    type Item = (IpNet, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        let len = self.lens.pop_shortest()?;
        let (net, tag) = match self.prefix {
            Prefix::V4(first, _) => {
                (v4_net(first, len), self.map.v4.list.tag(first.first_of(len), len))
            }
            Prefix::V6(first, _) => {
                (v6_net(first, len), self.map.v6.list.tag(first.first_of(len), len))
            }
        };
        Some((net, self.map.values.get(tag)?))
    }
}

/// A set of prefix lengths: one bit for each below 128, and one for 128.
#[derive(Default)]
struct Lens {
    below: u128,
    host: bool,
}

impl Lens {
    fn insert(&mut self, len: u8) {
        match 1_u128.checked_shl(len.into()) {
            Some(bit) => self.below |= bit,
            None => self.host = true,
        }
    }

    fn pop_shortest(&mut self) -> Option<u8> {
        if self.below == 0 {
            return core::mem::take(&mut self.host).then_some(128);
        }
        let len = u8::try_from(self.below.trailing_zeros()).ok()?;
        self.below &= self.below.wrapping_sub(1);
        Some(len)
    }
}
