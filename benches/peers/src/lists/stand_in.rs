//! Stands in for the map of prefixes until the library has one: the same face over a sorted array.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use portcullis::ipnet::IpNet;

/// IPv4 is held as IPv4-mapped IPv6.
#[derive(Clone, Debug, Default)]
pub(crate) struct CidrMap<V> {
    prefixes: BTreeMap<(u128, u8), (IpNet, V)>,
    /// Where each stretch of equal answers ends, and which prefix answers.
    runs: Vec<(u128, Option<(IpNet, V)>)>,
}

impl<V: Copy> CidrMap<V> {
    #[inline]
    pub(crate) fn lookup(&self, addr: IpAddr) -> Option<&V> {
        self.run(addr).as_ref().map(|(_, value)| value)
    }

    #[inline]
    pub(crate) fn longest_match(&self, addr: IpAddr) -> Option<(IpNet, &V)> {
        self.run(addr).as_ref().map(|(net, value)| (*net, value))
    }

    pub(crate) fn lookup_batch<'a>(&'a self, addrs: &[IpAddr], found: &mut [Option<&'a V>]) {
        for (addr, found) in addrs.iter().zip(found) {
            *found = self.lookup(*addr);
        }
    }

    pub(crate) fn insert(&mut self, net: IpNet, value: V) -> Option<V> {
        let old = self.prefixes.insert(key(net), (net, value));
        self.compile();
        old.map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, net: &IpNet) -> Option<V> {
        let old = self.prefixes.remove(&key(*net));
        self.compile();
        old.map(|(_, value)| value)
    }

    fn run(&self, addr: IpAddr) -> &Option<(IpNet, V)> {
        let bits = bits(addr);
        &self.runs[self.runs.partition_point(|&(end, _)| end < bits)].1
    }

    fn compile(&mut self) {
        self.runs.clear();
        let mut open: Vec<(u128, (IpNet, V))> = Vec::new();
        let mut place = 0;
        for (&(first, len), found) in &self.prefixes {
            while let Some(&(last, outer)) = open.last().filter(|(last, _)| *last < first) {
                open.pop();
                if place <= last {
                    self.runs.push((last, Some(outer)));
                    place = last + 1;
                }
            }
            if place < first {
                self.runs.push((first - 1, open.last().map(|&(_, outer)| outer)));
                place = first;
            }
            open.push((first | u128::MAX.checked_shr(len.into()).unwrap_or(0), *found));
        }
        while let Some((last, outer)) = open.pop() {
            if place <= last {
                self.runs.push((last, Some(outer)));
                place = last.saturating_add(1);
            }
        }
        self.runs.push((u128::MAX, None));
    }
}

impl<V: Copy> FromIterator<(IpNet, V)> for CidrMap<V> {
    fn from_iter<I: IntoIterator<Item = (IpNet, V)>>(pairs: I) -> Self {
        let prefixes = pairs.into_iter().map(|(net, value)| (key(net), (net, value))).collect();
        let mut map = Self { prefixes, runs: Vec::new() };
        map.compile();
        map
    }
}

fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().to_bits(),
        IpAddr::V6(addr) => Ipv6Addr::to_bits(addr),
    }
}

fn key(net: IpNet) -> (u128, u8) {
    let before = if net.max_prefix_len() == 32 { 96 } else { 0 };
    (bits(net.network()), net.prefix_len() + before)
}
