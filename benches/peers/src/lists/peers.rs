//! Other people's tables.

use ip_network_table::IpNetworkTable;
use iprange::{IpRange, ToNetwork};
use iptrie::{
    IpPrefix,
    map::{LCTrieMap, RTrieMap},
    set::{LCTrieSet, RTrieSet},
};
use poptrie::Poptrie;
use prefix_trie::{PrefixMap, PrefixSet};

use super::{
    contestant::{Change, List, is_in},
    data::Entry,
    family::Family,
};

pub(crate) struct PrefixTrie<B: Family>(PrefixMap<B::Net, u32>);

impl<B: Family> List<B> for PrefixTrie<B> {
    fn of(entries: &[Entry<B>]) -> Self {
        Self(entries.iter().map(|entry| (entry.bits.net(entry.len), entry.value)).collect())
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        self.0.get_lpm(&addr.net(B::BITS)).map_or(0, |(_, value)| *value)
    }
}

impl<B: Family> Change<B> for PrefixTrie<B> {
    fn insert(&mut self, entry: &Entry<B>) {
        self.0.insert(entry.bits.net(entry.len), entry.value);
    }

    fn remove(&mut self, entry: &Entry<B>) {
        self.0.remove(&entry.bits.net(entry.len));
    }
}

pub(crate) struct PrefixTrieSet<B: Family>(PrefixSet<B::Net>);

impl<B: Family> List<B> for PrefixTrieSet<B> {
    fn of(entries: &[Entry<B>]) -> Self {
        Self(entries.iter().map(|entry| entry.bits.net(entry.len)).collect())
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        is_in(self.0.get_lpm(&addr.net(B::BITS)))
    }

    fn expected(found: Option<&Entry<B>>) -> u32 {
        is_in(found)
    }
}

impl<B: Family> Change<B> for PrefixTrieSet<B> {
    fn insert(&mut self, entry: &Entry<B>) {
        self.0.insert(entry.bits.net(entry.len));
    }

    fn remove(&mut self, entry: &Entry<B>) {
        self.0.remove(&entry.bits.net(entry.len));
    }
}

pub(crate) struct NetworkTable(IpNetworkTable<u32>);

impl<B: Family> List<B> for NetworkTable {
    fn of(entries: &[Entry<B>]) -> Self {
        let mut table = IpNetworkTable::new();
        for entry in entries {
            table.insert(entry.bits.network(entry.len), entry.value);
        }
        Self(table)
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        B::longest_match(&self.0, addr).map_or(0, |value| *value)
    }
}

impl<B: Family> Change<B> for NetworkTable {
    fn insert(&mut self, entry: &Entry<B>) {
        self.0.insert(entry.bits.network(entry.len), entry.value);
    }

    fn remove(&mut self, entry: &Entry<B>) {
        self.0.remove(entry.bits.network(entry.len));
    }
}

pub(crate) struct NetworkTableSet(IpNetworkTable<()>);

impl<B: Family> List<B> for NetworkTableSet {
    fn of(entries: &[Entry<B>]) -> Self {
        let mut table = IpNetworkTable::new();
        for entry in entries {
            table.insert(entry.bits.network(entry.len), ());
        }
        Self(table)
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        is_in(B::longest_match(&self.0, addr))
    }

    fn expected(found: Option<&Entry<B>>) -> u32 {
        is_in(found)
    }
}

/// Its root always has a value: ours for "no prefix".
pub(crate) struct Patricia<B: Family>(RTrieMap<B::IptrieNet, u32>);

impl<B: Family> List<B> for Patricia<B> {
    fn of(entries: &[Entry<B>]) -> Self {
        let mut trie = RTrieMap::with_root(0);
        for entry in entries {
            trie.insert(entry.bits.iptrie(entry.len), entry.value);
        }
        trie.shrink_to_fit();
        Self(trie)
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        *self.0.lookup(&addr.addr()).1
    }
}

impl<B: Family> Change<B> for Patricia<B> {
    fn insert(&mut self, entry: &Entry<B>) {
        self.0.insert(entry.bits.iptrie(entry.len), entry.value);
    }

    fn remove(&mut self, entry: &Entry<B>) {
        self.0.remove(&entry.bits.iptrie(entry.len));
    }
}

pub(crate) struct LcTrie<B: Family>(LCTrieMap<B::IptrieNet, u32>);

impl<B: Family> List<B> for LcTrie<B> {
    fn of(entries: &[Entry<B>]) -> Self {
        Self(Patricia::of(entries).0.compress())
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        *self.0.lookup(&addr.addr()).1
    }
}

/// Its root is always there, so that a list with a prefix of no length in it could not be told apart.
pub(crate) struct PatriciaSet<B: Family>(RTrieSet<B::IptrieNet>);

impl<B: Family> List<B> for PatriciaSet<B> {
    fn of(entries: &[Entry<B>]) -> Self {
        let mut trie: RTrieSet<_> =
            entries.iter().map(|entry| entry.bits.iptrie(entry.len)).collect();
        trie.shrink_to_fit();
        Self(trie)
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        u32::from(self.0.lookup(&addr.addr()).len() != 0)
    }

    fn expected(found: Option<&Entry<B>>) -> u32 {
        is_in(found)
    }
}

pub(crate) struct LcTrieSet<B: Family>(LCTrieSet<B::IptrieNet>);

impl<B: Family> List<B> for LcTrieSet<B> {
    fn of(entries: &[Entry<B>]) -> Self {
        Self(PatriciaSet::of(entries).0.compress())
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        u32::from(self.0.lookup(&addr.addr()).len() != 0)
    }

    fn expected(found: Option<&Entry<B>>) -> u32 {
        is_in(found)
    }
}

/// Simplified, as it is when it is collected.
pub(crate) struct Ranges<B: Family>(IpRange<B::Net>);

impl<B: Family> List<B> for Ranges<B> {
    fn of(entries: &[Entry<B>]) -> Self {
        Self(entries.iter().map(|entry| entry.bits.net(entry.len)).collect())
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        u32::from(self.0.contains(&addr.net(B::BITS).to_network()))
    }

    fn expected(found: Option<&Entry<B>>) -> u32 {
        is_in(found)
    }
}

impl<B: Family> Change<B> for Ranges<B> {
    fn insert(&mut self, entry: &Entry<B>) {
        self.0.add(entry.bits.net(entry.len));
    }

    fn remove(&mut self, entry: &Entry<B>) {
        self.0.remove(entry.bits.net(entry.len));
    }
}

pub(crate) struct PoptrieMap<B: Family>(Poptrie<(B, u8), u32>);

impl<B: Family> List<B> for PoptrieMap<B> {
    fn of(entries: &[Entry<B>]) -> Self {
        Self(entries.iter().map(|entry| ((entry.bits, entry.len), entry.value)).collect())
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        self.0.lookup(addr).map_or(0, |value| *value)
    }
}

impl<B: Family> Change<B> for PoptrieMap<B> {
    fn insert(&mut self, entry: &Entry<B>) {
        self.0.insert((entry.bits, entry.len), entry.value);
    }

    fn remove(&mut self, entry: &Entry<B>) {
        self.0.remove((entry.bits, entry.len));
    }
}

pub(crate) struct PoptrieSet<B: Family>(Poptrie<(B, u8), ()>);

impl<B: Family> List<B> for PoptrieSet<B> {
    fn of(entries: &[Entry<B>]) -> Self {
        Self(entries.iter().map(|entry| ((entry.bits, entry.len), ())).collect())
    }

    #[inline]
    fn answer(&self, addr: B) -> u32 {
        is_in(self.0.lookup(addr))
    }

    fn expected(found: Option<&Entry<B>>) -> u32 {
        is_in(found)
    }
}
