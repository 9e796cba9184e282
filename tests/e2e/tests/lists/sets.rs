//! Sets of real tables, asked what other means have answered.

use portcullis::CidrSet;

use super::{
    data::{FULL_TABLE, is_whole, oracle, prefixes, text},
    expected,
};

#[test]
fn the_answers_of_the_oracle() {
    let table: CidrSet = prefixes(FULL_TABLE).into_iter().collect();
    let mut matches = 0;
    for (addr, longest) in oracle() {
        // A table with fewer prefixes answers fewer addresses.
        if is_whole() || longest.is_none() {
            assert_eq!(table.contains(addr), longest.is_some(), "{addr}");
        }
        matches += usize::from(longest.is_some());
    }
    assert!(matches > 10);
}

#[test]
fn every_edge_of_every_table() {
    for table in expected::of_all_tables() {
        let set: CidrSet = table.prefixes.iter().copied().collect();
        assert!(!table.answers.is_empty());
        for (addr, longest) in &table.answers {
            assert_eq!(set.contains(*addr), longest.is_some(), "{}: {addr}", table.name);
        }
    }
}

/// The same addresses, whatever way a set was made: read, collected, or read from what it prints.
#[test]
fn ways_to_the_same_set() {
    for name in ["x4bnet_datacenter_ipv4.txt", "x4bnet_datacenter_ipv6.txt", "ipsum_2026-08-22.txt"]
    {
        let read: CidrSet = text(name).parse().unwrap();
        let collected: CidrSet = prefixes(name).into_iter().rev().collect();
        assert_eq!(read, collected, "{name}");
        assert_eq!(read.to_string().parse::<CidrSet>().unwrap(), read, "{name}");
    }
}
