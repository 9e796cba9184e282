//! Maps of real tables, asked what other means have answered.

use portcullis::{
    cidr::{CidrMap, CidrSet, reference::PrefixList},
    ipnet::IpNet,
};

use super::{
    data::{FULL_TABLE, are_whole, columns, is_whole, oracle, prefixes, text},
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

/// What the tables of a full routing table take: in tenths of a byte a prefix.
#[test]
fn a_full_table_takes_few_bytes_a_prefix() {
    if !are_whole() {
        return;
    }
    let most = |bytes: usize, tenths: usize, prefixes: &[IpNet]| {
        assert!(
            bytes * 10 <= tenths * prefixes.len(),
            "{bytes} bytes, {} prefixes",
            prefixes.len()
        );
    };
    let (v4, v6): (Vec<IpNet>, Vec<IpNet>) =
        prefixes(FULL_TABLE).into_iter().partition(|net| net.addr().is_ipv4());
    for (prefixes, set, few_values, own_values) in [(&v4, 7, 57, 79), (&v6, 42, 157, 178)] {
        most(prefixes.iter().copied().collect::<CidrSet>().memory_bytes(), set, prefixes);
        let few: CidrMap<u32> = prefixes.iter().copied().zip((0..32_767).cycle()).collect();
        most(few.memory().tables(), few_values, prefixes);
        most(numbered(prefixes).memory().tables(), own_values, prefixes);
    }
}
