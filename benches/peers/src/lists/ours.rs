//! Our tables, as they are used: asked with an `IpAddr`, changed with an `IpNet`.

use std::net::IpAddr;

use portcullis::cidr::{CidrEdit, CidrMap, CidrSet, Live};

use super::{
    contestant::{BATCH, Change, List, is_in},
    data::Entry,
    family::Family,
};

pub(crate) struct Map(CidrMap<u32>);

impl<B: Family> List<B> for Map {
    fn of(entries: &[Entry<B>]) -> Self {
        Self(entries.iter().map(|entry| (entry.bits.ipnet(entry.len), entry.value)).collect())
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        self.0.lookup(addr.ip()).map_or(0, |value| *value)
    }

    fn sum_of_batches(&self, addrs: &[IpAddr]) -> Option<u32> {
        Some(sum_of_batches(&self.0, addrs))
    }
}

impl<B: Family> Change<B> for Map {
    fn insert(&mut self, entry: &Entry<B>) {
        self.0.insert(entry.bits.ipnet(entry.len), entry.value);
    }

    fn remove(&mut self, entry: &Entry<B>) {
        self.0.remove(&entry.bits.ipnet(entry.len));
    }
}

fn sum_of_batches(map: &CidrMap<u32>, addrs: &[IpAddr]) -> u32 {
    let mut found = [None; BATCH];
    let mut sum = 0_u32;
    for batch in addrs.chunks_exact(BATCH) {
        map.lookup_batch(batch, &mut found);
        for value in found.iter().flatten() {
            sum = sum.wrapping_add(**value);
        }
    }
    sum
}

/// Prefixes that share their values: as many as 16 bits can tell apart, with room for other marks.
pub(crate) struct SharedValues(CidrMap<u32>);

const VALUES: u32 = 32_767;

fn shared(value: u32) -> u32 {
    value % VALUES + 1
}

impl<B: Family> List<B> for SharedValues {
    fn of(entries: &[Entry<B>]) -> Self {
        let pair = |entry: &Entry<B>| (entry.bits.ipnet(entry.len), shared(entry.value));
        Self(entries.iter().map(pair).collect())
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        self.0.lookup(addr.ip()).map_or(0, |value| *value)
    }

    fn expected(found: Option<&Entry<B>>) -> u32 {
        found.map_or(0, |entry| shared(entry.value))
    }

    fn sum_of_batches(&self, addrs: &[IpAddr]) -> Option<u32> {
        Some(sum_of_batches(&self.0, addrs))
    }
}

/// Asked for the prefix too.
pub(crate) struct LongestMatch(CidrMap<u32>);

impl<B: Family> List<B> for LongestMatch {
    fn of(entries: &[Entry<B>]) -> Self {
        Self(entries.iter().map(|entry| (entry.bits.ipnet(entry.len), entry.value)).collect())
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        self.0
            .longest_match(addr.ip())
            .map_or(0, |(net, value)| with_length(*value, net.prefix_len()))
    }

    fn expected(found: Option<&Entry<B>>) -> u32 {
        found.map_or(0, |entry| with_length(entry.value, entry.len))
    }
}

fn with_length(value: u32, len: u8) -> u32 {
    value ^ u32::from(len) << 24
}

/// Changed while others may ask: in the spare table, which then takes the place of the one that they see.
pub(crate) struct Published(Live<CidrMap<u32>>);

impl<B: Family> List<B> for Published {
    fn of(entries: &[Entry<B>]) -> Self {
        let pair = |entry: &Entry<B>| (entry.bits.ipnet(entry.len), entry.value);
        Self(Live::new(entries.iter().map(pair).collect()))
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        self.0.load().lookup(addr.ip()).map_or(0, |value| *value)
    }
}

impl<B: Family> Change<B> for Published {
    fn insert(&mut self, entry: &Entry<B>) {
        self.0.edit([CidrEdit::Insert(entry.bits.ipnet(entry.len), entry.value)]);
    }

    fn remove(&mut self, entry: &Entry<B>) {
        self.0.edit([CidrEdit::Remove(entry.bits.ipnet(entry.len))]);
    }
}

pub(crate) struct Set(CidrSet);

impl<B: Family> List<B> for Set {
    fn of(entries: &[Entry<B>]) -> Self {
        Self(entries.iter().map(|entry| entry.bits.ipnet(entry.len)).collect())
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        u32::from(self.0.contains(addr.ip()))
    }

    fn expected(found: Option<&Entry<B>>) -> u32 {
        is_in(found)
    }
    fn sum_of_batches(&self, addrs: &[IpAddr]) -> Option<u32> {
        let mut found = [false; BATCH];
        let mut sum = 0_u32;
        for batch in addrs.chunks_exact(BATCH) {
            self.0.contains_batch(batch, &mut found);
            sum += found.iter().map(|found| u32::from(*found)).sum::<u32>();
        }
        Some(sum)
    }
}

impl<B: Family> Change<B> for Set {
    fn insert(&mut self, entry: &Entry<B>) {
        self.0.insert(entry.bits.ipnet(entry.len));
    }

    fn remove(&mut self, entry: &Entry<B>) {
        self.0.remove(&entry.bits.ipnet(entry.len));
    }
}
