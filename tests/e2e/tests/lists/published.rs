//! Texts as they are published: read strictly, and told as briefly as their publishers tell them.

use portcullis::{
    CidrMap, CidrSet,
    cidr::{CidrParseError, CidrProblem, aggregate},
    ipnet::IpNet,
};

use super::data::{BOGONS, MAPPED_ALL, TABLES, are_whole, columns, prefixes, text};

#[test]
fn lists_are_read_as_they_are() {
    for name in TABLES.into_iter().filter(|name| *name != BOGONS) {
        let text = text(name);
        let set: CidrSet = text.parse().unwrap_or_else(|e: CidrParseError| panic!("{name}: {e}"));
        assert!(!set.is_empty(), "{name}");
        // Nothing is dropped in silence: each entry is in it.
        assert!(columns(&text).count() > 1 && prefixes(name).len() == columns(&text).count());
    }
}

/// The reserved prefixes hold one line that must not be taken at its word, and it is the only one.
#[test]
fn of_the_reserved_prefixes_one_is_refused() {
    let text = text(BOGONS);
    let error = text.parse::<CidrSet>().unwrap_err();
    assert_eq!(error.total(), 1, "{error}");
    let refused = &error.errors()[0];
    assert_eq!((refused.kind(), refused.snippet()), (&CidrProblem::MappedAll, MAPPED_ALL));
    let line = text.lines().nth(refused.line() - 1).unwrap();
    assert!(line.starts_with(MAPPED_ALL));

    let kept: String =
        text.lines().filter(|kept| *kept != line).flat_map(|kept| [kept, "\r\n"]).collect();
    let reserved: CidrSet = kept.parse().unwrap();
    for addr in ["10.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "255.255.255.255", "::1"] {
        assert!(reserved.contains(addr.parse().unwrap()), "{addr}");
    }
    for addr in ["8.8.8.8", "::ffff:8.8.8.8", "11.0.0.0", "2606:4700::1111", "::2"] {
        assert!(!reserved.contains(addr.parse().unwrap()), "{addr}");
    }
}

/// The smallest list is that of the publisher, prefix by prefix.
#[test]
fn merged_lists() {
    let mut shorter = 0;
    for name in TABLES.into_iter().filter(|name| name.ends_with("_merged.txt")) {
        let raw = name.replace("_merged", "");
        let set: CidrSet = text(&raw).parse().unwrap();
        let mut merged = prefixes(name);
        // Some are published in another order.
        merged.sort();
        assert_eq!(set.iter().collect::<Vec<IpNet>>(), merged, "{name}");
        assert_eq!(aggregate(prefixes(&raw)), merged, "{name}");
        let mut map: CidrMap<()> = prefixes(&raw).into_iter().map(|net| (net, ())).collect();
        map.aggregate();
        assert!(map.prefixes().eq(merged.iter().copied()), "{name}");
        shorter += usize::from(merged.len() < prefixes(&raw).len());
        // What is merged is as short as it gets.
        assert_eq!(merged.iter().copied().collect::<CidrSet>().iter().count(), merged.len());
    }
    assert!(shorter > 1);
}

/// The lists are the ones that the numbers of this crate were measured with.
#[test]
fn the_tables_are_whole() {
    if are_whole() {
        let full = prefixes("bgp_2023_v4v6.txt");
        let v4 = full.iter().filter(|net| matches!(net, IpNet::V4(_))).count();
        assert_eq!((v4, full.len() - v4), (901_899, 160_147));
        assert_eq!(prefixes("ipsum_2026-08-22.txt").len(), 120_430);
    }
}
