//! Maps of real tables, asked what other means have answered.

use portcullis::{
    cidr::{CidrMap, reference::PrefixList},
    ipnet::IpNet,
};

use super::{
    data::{FULL_TABLE, columns, is_whole, oracle, prefixes, text},
    expected,
};

/// Each prefix has a value of its own, so that a wrong value cannot be right by chance.
fn numbered(prefixes: &[IpNet]) -> CidrMap<u32> {
    prefixes.iter().copied().zip(0..).collect()
}

#[test]
fn the_answers_of_the_oracle() {
    let table = prefixes(FULL_TABLE);
    let map = numbered(&table);
    for (addr, longest) in oracle() {
        // A table with fewer prefixes answers fewer addresses.
        if is_whole() || longest.is_none() {
            let found = map.longest_match(addr);
            assert_eq!(found.map(|(net, _)| net), longest, "{addr}");
            assert_eq!(found.map(|(_, at)| table[*at as usize]), longest, "{addr}");
        }
    }
}

#[test]
fn every_edge_of_every_table() {
    for table in expected::of_all_tables() {
        let map = numbered(&table.prefixes);
        for (addr, longest) in &table.answers {
            let found = map.longest_match(*addr);
            assert_eq!(found.map(|(net, _)| net), *longest, "{}: {addr}", table.name);
            let value = found.map(|(_, at)| table.prefixes[*at as usize]);
            assert_eq!(value, *longest, "{}: {addr}", table.name);
        }
    }
}

/// Few values in many prefixes, none of which lies in another one.
#[test]
fn addresses_of_countries() {
    for name in ["country_2026_ipv4.tsv", "country_2026_ipv6.tsv"] {
        let text = text(name);
        let pairs: Vec<(IpNet, &str)> =
            prefixes(name).into_iter().zip(columns(&text).map(|(_, code)| code)).collect();
        let map: CidrMap<&str> = pairs.iter().copied().collect();
        assert_eq!(map.len(), pairs.len());
        for (net, code) in &pairs {
            assert_eq!(code.len(), 2, "{name}: {net}");
            for addr in [net.network(), net.broadcast()] {
                assert_eq!(map.longest_match(addr), Some((*net, code)), "{name}: {addr}");
            }
        }
    }
}

/// What goes in comes out, sorted.
#[test]
fn all_prefixes_of_a_table() {
    let pairs: Vec<(IpNet, u32)> = prefixes(FULL_TABLE).into_iter().zip(0..).collect();
    let map: CidrMap<u32> = pairs.iter().rev().copied().collect();
    let list: PrefixList<u32> = pairs.iter().copied().collect();
    assert_eq!((map.len(), list.len()), (pairs.len(), pairs.len()));
    assert!(map.iter().eq(list.iter()));
}
