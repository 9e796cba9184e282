//! Aggregation against all other ways to say the same.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::{collections::BTreeMap, vec::Vec};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;

use super::{
    CidrMap, CidrSet,
    tests::{pairs, probes},
};
use crate::{
    cidr::{
        addr::{Bits, prefixes},
        runs::Mark,
        table::Table,
    },
    test_support::cases,
};

fn v4(first: u32, len: u8) -> IpNet {
    Ipv4Net::new(Ipv4Addr::from_bits(first), len).unwrap().into()
}

fn v6(first: u128, len: u8) -> IpNet {
    Ipv6Net::new(Ipv6Addr::from_bits(first), len).unwrap().into()
}

fn aggregated(map: &CidrMap<u8>) -> CidrMap<u8> {
    let mut fewer = map.clone();
    fewer.aggregate();
    fewer
}

/// The same answers, told without any nesting, in another order, with values first seen elsewhere.
fn told_flat(map: &CidrMap<u8>) -> CidrMap<u8> {
    fn flat<B: Bits>(
        table: &impl Table<B, Mark>,
        net: impl Fn(B, u8) -> IpNet,
    ) -> Vec<(IpNet, u32)> {
        let mut flat = Vec::new();
        let mut from = Some(B::MIN);
        for run in table.runs_from(B::MIN) {
            let blocks = prefixes(from.unwrap(), run.last);
            flat.extend(blocks.map(|(first, len)| (net(first, len), run.mark.tag)));
            from = run.last.next();
        }
        flat
    }
    let mut flat = [flat(&map.v4.table, v4), flat(&map.v6.table, v6)].concat();
    // The mapped block alone would be IPv4.
    flat.retain(|(net, _)| !matches!(net, IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some()));
    let valued = |(net, tag)| Some((net, *map.values.get(tag)?));
    flat.into_iter().rev().filter_map(valued).collect()
}

proptest! {
    #![proptest_config(cases(256))]

    /// I1 and I3.
    #[test]
    fn aggregation_keeps_every_answer_and_depends_on_nothing_else(pairs in pairs(30)) {
        let map: CidrMap<u8> = pairs.iter().copied().collect();
        let fewer = aggregated(&map);
        prop_assert!(fewer.len() <= map.len(), "{:?}\n{:?}", map, fewer);
        prop_assert!(fewer.same_answers(&map));
        for addr in probes(pairs.iter().map(|(net, _)| net)) {
            prop_assert_eq!(fewer.lookup(addr), map.lookup(addr), "{} in {:?}\n{:?}", addr, map, fewer);
        }
        prop_assert_eq!(&aggregated(&fewer), &fewer);
        let flat = told_flat(&map);
        prop_assert!(flat.same_answers(&map));
        prop_assert_eq!(&aggregated(&flat), &fewer);
        prop_assert!(fewer.to_set() == map.to_set());
        prop_assert_eq!(&fewer.iter().map(|(net, value)| (net, *value)).collect::<CidrMap<u8>>(), &fewer);
    }

    #[test]
    fn answers_are_the_same_or_not_by_address(one in pairs(6), other in pairs(6)) {
        let nets: Vec<IpNet> = one.iter().chain(&other).map(|(net, _)| *net).collect();
        let (one, other) = (CidrMap::from_iter(one), CidrMap::from_iter(other));
        // Every border of either is among these.
        let same = probes(&nets).into_iter().all(|addr| one.lookup(addr) == other.lookup(addr));
        prop_assert_eq!(one.same_answers(&other), same);
        prop_assert!(one.same_answers(&one.clone()));
    }

    /// With one value, the prefixes of a set: but for those that may reach over mapped addresses.
    #[test]
    fn one_value_aggregates_to_the_prefixes_of_a_set(pairs in pairs(20)) {
        let map: CidrMap<u8> = pairs.iter().map(|(net, _)| (*net, 1)).collect();
        let set: CidrSet = pairs.iter().map(|(net, _)| *net).collect();
        prop_assert!(aggregated(&map).prefixes().eq(set.iter()), "{:?}\n{:?}", aggregated(&map), set);
    }
}

/// What an address of a small space says: a value, nothing, or what nobody asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Value(u8),
    Nothing,
    Unasked,
}

/// No value, and each value there is.
const GIVEN: [Option<u8>; 4] = [None, Some(0), Some(1), Some(2)];

/// The fewest prefixes for a block that is given each of these from above: none at its top, or one of
/// any value. What can not be is very much.
fn least(block: &[Says]) -> [usize; 4] {
    let fits = |given: Option<u8>| match block {
        [Says::Unasked] => true,
        [Says::Nothing] => given.is_none(),
        [Says::Value(value)] => given == Some(*value),
        _ => unreachable!(),
    };
    let below = match block.len() {
        1 => GIVEN.map(|given| if fits(given) { 0 } else { 1_000 }),
        len => {
            let (lower, upper) = (least(&block[..len / 2]), least(&block[len / 2..]));
            [0, 1, 2, 3].map(|given| lower[given] + upper[given])
        }
    };
    let with = below[1..].iter().min().unwrap() + 1;
    below.map(|below| below.min(with))
}

proptest! {
    #![proptest_config(cases(256))]

    /// I2, for 32 addresses.
    #[test]
    fn no_list_is_shorter(pairs in prop::collection::vec((0..32_u32, 27..=32_u8, 0..3_u8), 0..24)) {
        let base = 0xffff_ffe0;
        let map: CidrMap<u8> = pairs.iter().map(|&(at, len, value)| (v4(base | at, len), value)).collect();
        let says: Vec<Says> = (base..=u32::MAX)
            .map(|addr| map.lookup(Ipv4Addr::from_bits(addr).into()).map_or(Says::Nothing, |value| Says::Value(*value)))
            .collect();
        prop_assert_eq!(aggregated(&map).len(), least(&says)[0], "{:?}", map);
    }

    /// I2, around the mapped addresses, which count for nothing.
    #[test]
    fn no_list_is_shorter_where_nobody_asks(pairs in prop::collection::vec((0..16_u128, 92..=96_u8, 0..3_u8), 0..12)) {
        let block = |at: u128| 0xfff0_0000_0000 | at << 32;
        let map: CidrMap<u8> = pairs.iter()
            .filter(|(at, len, _)| (*at, *len) != (15, 96))
            .map(|&(at, len, value)| (v6(block(at), len), value))
            .collect();
        let says: Vec<Says> = (0..16).map(|at| match map.lookup(Ipv6Addr::from_bits(block(at)).into()) {
            _ if at == 15 => Says::Unasked,
            Some(value) => Says::Value(*value),
            None => Says::Nothing,
        }).collect();
        let fewer = aggregated(&map);
        prop_assert_eq!(fewer.len(), least(&says)[0], "{:?}\n{:?}", map, fewer);
        prop_assert!(fewer.prefixes().all(|net| matches!(net, IpNet::V6(_))), "{:?}", fewer);
    }
}

/// I2: every way to give two values to the prefixes of four addresses.
#[test]
fn all_small_lists_are_brought_down_to_the_shortest() {
    let nets: Vec<IpNet> = [(0, 30), (0, 31), (2, 31), (0, 32), (1, 32), (2, 32), (3, 32)]
        .map(|(at, len)| v4(0x0a00_0000 + at, len))
        .to_vec();
    let mut shortest = BTreeMap::new();
    let maps: Vec<CidrMap<u8>> = (0..3_usize.pow(7))
        .map(|ways| {
            let given = nets.iter().enumerate().filter_map(|(at, net)| {
                let way = ways / 3_usize.pow(at as u32) % 3;
                (way > 0).then_some((*net, way as u8))
            });
            given.collect()
        })
        .collect();
    let answers =
        |map: &CidrMap<u8>| [0, 1, 2, 3].map(|at| map.lookup([10, 0, 0, at].into()).copied());
    for map in &maps {
        let least = shortest.entry(answers(map)).or_insert(usize::MAX);
        *least = map.len().min(*least);
    }
    assert_eq!(shortest.len(), 81);
    for map in &maps {
        let fewer = aggregated(map);
        assert_eq!(answers(&fewer), answers(map));
        assert_eq!(fewer.len(), shortest[&answers(map)], "{map:?} became {fewer:?}");
    }
}

/// Where a prefix may reach over the mapped addresses, it does only if that saves one.
#[test]
fn nothing_reaches_over_ipv4_without_need() {
    let of = |pairs: &[(&str, u8)]| {
        let pairs = pairs.iter().map(|(net, value)| (net.parse().unwrap(), *value));
        aggregated(&pairs.collect()).prefixes().map(|net| std::format!("{net}")).collect::<Vec<_>>()
    };
    assert_eq!(of(&[("::fffe:0:0/96", 1)]), ["::fffe:0:0/96"]);
    assert_eq!(of(&[("::fffe:0:0/95", 1)]), ["::fffe:0:0/96"]);
    let nested = [("::fffe:0:0/95", 1), ("::fffe:0:0/112", 2)];
    assert_eq!(of(&nested), ["::fffe:0:0/96", "::fffe:0:0/112"]);
    assert_eq!(of(&[("::fffc:0:0/95", 1), ("::fffe:0:0/96", 1)]), ["::fffc:0:0/94"]);
    assert_eq!(of(&[("::fffe:0:0/95", 1), ("::fffe:0:0/96", 2)]), ["::fffe:0:0/96"]);
    assert_eq!(of(&[("::/0", 1), ("0.0.0.0/0", 1)]), ["0.0.0.0/0", "::/0"]);
}
