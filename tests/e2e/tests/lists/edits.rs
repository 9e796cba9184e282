//! A hundredth of a full table taken out and put back: what is changed piece by piece is what is made
//! anew.

use std::net::IpAddr;

use portcullis::{
    CidrSet,
    cidr::{
        CidrEdit, CidrMap, Live,
        reference::{PrefixList, RangeSet},
    },
    ipnet::IpNet,
};

use super::data::{FULL_TABLE, edges, prefixes};

/// A hundredth of the prefixes, at random, and the others.
fn split(all: &[IpNet]) -> (Vec<IpNet>, Vec<IpNet>) {
    let mut mixed = Draws(0x5eed).shuffled(all.to_vec());
    let others = mixed.split_off((all.len() / 100).max(3));
    (mixed, others)
}

fn edges_of(nets: &[IpNet]) -> impl Iterator<Item = IpAddr> {
    nets.iter().flat_map(edges)
}

#[test]
fn prefixes_of_a_map() {
    let all = prefixes(FULL_TABLE);
    let (taken, others) = split(&all);
    let value = |net: &IpNet| u32::from(net.prefix_len()) % 7;
    let pairs = |nets: &[IpNet]| nets.iter().map(|net| (*net, value(net))).collect::<Vec<_>>();

    let full: CidrMap<u32> = pairs(&all).into_iter().collect();
    let rebuilt: CidrMap<u32> = pairs(&others).into_iter().collect();
    let model: PrefixList<u32> = pairs(&others).into_iter().collect();
    let mut map = full.clone();
    for net in &taken {
        assert_eq!(map.remove(net), Some(value(net)));
        assert_eq!(map.remove(net), None);
    }
    assert!(map.iter().eq(rebuilt.iter()));
    for addr in edges_of(&taken) {
        let expected = model.longest_match(addr);
        assert_eq!(map.longest_match(addr), expected, "{addr}");
        assert_eq!(rebuilt.longest_match(addr), expected, "{addr}");
    }
    for net in taken.iter().rev() {
        assert_eq!(map.insert(*net, value(net)), None);
    }
    assert!(map.iter().eq(full.iter()));
    for addr in edges_of(&taken) {
        assert_eq!(map.longest_match(addr), full.longest_match(addr), "{addr}");
    }
}

/// The addresses of prefixes, some of which lie in others.
#[test]
fn addresses_of_a_set() {
    let all = prefixes(FULL_TABLE);
    let (taken, _) = split(&all);
    let full: CidrSet = all.iter().copied().collect();
    let gone: RangeSet = taken.iter().copied().collect();
    let model = all.iter().copied().collect::<RangeSet>().difference(&gone);

    let mut set = full.clone();
    for net in &taken {
        set.remove(net);
    }
    assert!(set.iter().eq(model.prefixes()));
    for addr in model.edges().into_iter().chain(edges_of(&taken)) {
        assert_eq!(set.contains(addr), model.contains(addr), "{addr}");
    }
    for net in taken.iter().rev() {
        set.insert(*net);
    }
    assert_eq!(set, full);
}

/// The same as one sees it who is served meanwhile: in many small changes and in a large one.
#[test]
fn a_table_that_is_live() {
    let all = prefixes(FULL_TABLE);
    let (taken, others) = split(&all);
    let insert = |net: &IpNet| CidrEdit::Insert(*net, net.prefix_len());
    let map: CidrMap<u8> = all.iter().map(|net| (*net, net.prefix_len())).collect();
    let rebuilt: CidrMap<u8> = others.iter().map(|net| (*net, net.prefix_len())).collect();

    let live = Live::new(map);
    let full = live.load();
    let mut reader = live.reader();
    for few in taken.chunks(100) {
        live.edit(few.iter().map(|net| CidrEdit::Remove(*net)));
        assert!(few.iter().all(|net| reader.get().get(net).is_none()));
    }
    assert!(live.load().iter().eq(rebuilt.iter()));
    live.edit(taken.iter().map(insert));
    assert!(reader.get().iter().eq(full.iter()), "as it was");
    for addr in edges_of(&taken) {
        assert_eq!(reader.get().longest_match(addr), full.longest_match(addr), "{addr}");
    }
}

/// Numbers that are the same in every run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// The items in another order.
    fn shuffled<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
        items
    }
}
