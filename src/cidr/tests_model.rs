//! The set against a list that is searched from end to end.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{collections::BTreeSet, format, string::String, string::ToString, vec::Vec};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;

use super::{CidrSet, parse_prefix};
use crate::test_support::cases;

const MAPPED: u128 = 0xffff_0000_0000;

/// Numbers at the edges: both ends, powers of two and their neighbours, around the mapped block.
fn edgy_u128() -> impl Strategy<Value = u128> {
    prop_oneof![
        2 => (0..4_u128).prop_map(|n| n),
        2 => (0..4_u128).prop_map(|n| u128::MAX - n),
        3 => (0..128_u32, -1..2_i8).prop_map(|(bit, off)| (1_u128 << bit).wrapping_add_signed(off.into())),
        2 => (0..3_u128, -2..3_i8).prop_map(|(n, off)| (MAPPED + (n << 32)).wrapping_add_signed(off.into())),
        1 => (any::<u32>()).prop_map(|n| MAPPED | u128::from(n)),
        1 => any::<u128>(),
    ]
}

/// Few networks next to each other, so that they meet, and the edges.
fn edgy_u32() -> impl Strategy<Value = u32> {
    prop_oneof![
        3 => (0..64_u32).prop_map(|n| 0x0a00_0000 + n),
        1 => (0..4_u32).prop_map(|n| n),
        1 => (0..4_u32).prop_map(|n| u32::MAX - n),
        2 => (0..32_u32, -1..2_i8).prop_map(|(bit, off)| (1_u32 << bit).wrapping_add_signed(off.into())),
        1 => any::<u32>(),
    ]
}

pub(super) fn any_addr() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        edgy_u32().prop_map(|n| IpAddr::V4(Ipv4Addr::from_bits(n))),
        edgy_u32().prop_map(|n| IpAddr::V6(Ipv4Addr::from_bits(n).to_ipv6_mapped())),
        edgy_u128().prop_map(|n| IpAddr::V6(Ipv6Addr::from_bits(n))),
    ]
}

/// Any prefix, also with host bits and in mapped form.
pub(super) fn any_net() -> impl Strategy<Value = IpNet> {
    let len4 = prop_oneof![3 => 24..=32_u8, 1 => Just(0_u8), 1 => Just(32_u8), 2 => 0..=32_u8];
    let len6 = prop_oneof![3 => 90..=128_u8, 1 => Just(0_u8), 1 => Just(128_u8), 2 => 0..=128_u8];
    prop_oneof![
        4 => (edgy_u32(), len4.clone())
            .prop_map(|(n, len)| Ipv4Net::new(Ipv4Addr::from_bits(n), len).unwrap().into()),
        1 => (edgy_u32(), len4)
            .prop_map(|(n, len)| {
                Ipv6Net::new(Ipv4Addr::from_bits(n).to_ipv6_mapped(), len + 96).unwrap().into()
            }),
        4 => (edgy_u128(), len6)
            .prop_map(|(n, len)| Ipv6Net::new(Ipv6Addr::from_bits(n), len).unwrap().into()),
    ]
}

/// What a set must answer, written without numbers: bits of the address compared one by one.
fn model(nets: &[IpNet], addr: IpAddr) -> bool {
    let same = |a: &[u8], b: &[u8], len: usize| {
        (0..len).all(|bit| {
            let mask = 0x80 >> (bit % 8);
            a[bit / 8] & mask == b[bit / 8] & mask
        })
    };
    let is_mapped = |octets: &[u8; 16]| octets[..12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    let asked = match addr {
        IpAddr::V6(v6) if is_mapped(&v6.octets()) => v6.octets()[12..].to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
        IpAddr::V4(v4) => v4.octets().to_vec(),
    };
    nets.iter().any(|net| match net.addr() {
        IpAddr::V4(v4) => asked.len() == 4 && same(&v4.octets(), &asked, net.prefix_len().into()),
        IpAddr::V6(v6) if net.prefix_len() >= 96 && is_mapped(&v6.octets()) => {
            asked.len() == 4 && same(&v6.octets()[12..], &asked, usize::from(net.prefix_len()) - 96)
        }
        IpAddr::V6(v6) => asked.len() == 16 && same(&v6.octets(), &asked, net.prefix_len().into()),
    })
}

/// Ends of the prefixes, what lies next to them, and the mapped forms.
fn probes(nets: &[IpNet]) -> Vec<IpAddr> {
    let mut probes = Vec::new();
    for net in nets {
        for end in [net.network(), net.broadcast(), net.addr()] {
            match end {
                IpAddr::V4(v4) => {
                    for n in
                        [v4.to_bits(), v4.to_bits().wrapping_sub(1), v4.to_bits().wrapping_add(1)]
                    {
                        probes.push(Ipv4Addr::from_bits(n).into());
                        probes.push(Ipv4Addr::from_bits(n).to_ipv6_mapped().into());
                    }
                }
                IpAddr::V6(v6) => {
                    for n in
                        [v6.to_bits(), v6.to_bits().wrapping_sub(1), v6.to_bits().wrapping_add(1)]
                    {
                        probes.push(Ipv6Addr::from_bits(n).into());
                    }
                }
            }
        }
    }
    probes
}

/// How few prefixes do: neighbours are joined, and covered ones dropped, until nothing changes.
/// With `mapped`, the mapped block is there for free, if it is part of a shorter prefix in the end.
fn fewest(nets: impl Iterator<Item = IpNet>, mapped: bool) -> usize {
    let mapped_block = IpNet::from(Ipv6Net::new(Ipv6Addr::from_bits(MAPPED), 96).unwrap());
    let mut left: BTreeSet<IpNet> = nets.chain(mapped.then_some(mapped_block)).collect();
    loop {
        let joined = left.iter().find_map(|net| {
            let up = net.supernet()?.trunc();
            let (a, b) = (left.contains(net), up.subnets(net.prefix_len()).ok()?);
            (a && b.into_iter().all(|half| left.contains(&half))).then_some(up)
        });
        match joined {
            Some(up) => {
                left.retain(|net| !up.contains(net));
                left.insert(up);
            }
            None => return left.len() - usize::from(left.contains(&mapped_block)),
        }
    }
}

fn nets() -> impl Strategy<Value = Vec<IpNet>> {
    prop::collection::vec(any_net(), 0..12)
}

proptest! {
    #![proptest_config(cases(800))]

    /// I3.
    #[test]
    fn a_set_contains_what_one_of_its_prefixes_contains(
        nets in nets(), addrs in prop::collection::vec(any_addr(), 1..20),
    ) {
        let set: CidrSet = nets.iter().copied().collect();
        for addr in addrs.into_iter().chain(probes(&nets)) {
            prop_assert_eq!(set.contains(addr), model(&nets, addr), "{} in {:?}", addr, nets);
        }
    }

    /// I1 and I2.
    #[test]
    fn ranges_are_sorted_apart_and_never_mapped(nets in nets(), more in nets()) {
        let mut set: CidrSet = nets.iter().copied().collect();
        set.extend(more.iter().copied());
        let (v4, v6) = (set.v4_ranges(), set.v6_ranges());
        prop_assert!(v4.iter().all(|(first, last)| first <= last));
        prop_assert!(v6.iter().all(|(first, last)| first <= last));
        prop_assert!(v4.windows(2).all(|pair| pair[1].0 - pair[0].1 > 1 && pair[1].0 > pair[0].1));
        prop_assert!(v6.windows(2).all(|pair| pair[1].0 > pair[0].1 && pair[1].0 - pair[0].1 > 1));
        prop_assert!(v6.iter().all(|&(first, last)| last < MAPPED || first > MAPPED + 0xffff_ffff));

        let at_once: CidrSet = more.into_iter().chain(nets).collect();
        prop_assert_eq!(&at_once, &set, "neither order nor grouping matters");
        prop_assert_eq!(set.is_empty(), set.iter().next().is_none());
    }

    /// I4.
    #[test]
    fn iteration_is_sorted_minimal_and_complete(nets in nets()) {
        let set: CidrSet = nets.iter().copied().collect();
        let listed: Vec<IpNet> = set.iter().collect();
        for pair in listed.windows(2) {
            prop_assert!(pair[0] < pair[1] && !pair[0].contains(&pair[1]), "{:?}", listed);
        }
        for net in &listed {
            prop_assert_eq!(net.trunc(), *net);
            prop_assert!(!matches!(net.addr(), IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()));
        }
        let few = fewest(listed.iter().copied(), false).min(fewest(listed.iter().copied(), true));
        prop_assert_eq!(listed.len(), few, "{:?}", listed);
        prop_assert_eq!(&listed.into_iter().collect::<CidrSet>(), &set);
        let shown = set.to_string();
        prop_assert_eq!(shown.parse::<CidrSet>().unwrap(), set, "{}", shown);
    }

    /// A range is the hosts in it.
    #[test]
    fn ranges_hold_their_ends_and_nothing_next_to_them(first in edgy_u32(), more in 0..300_u32) {
        let last = first.saturating_add(more);
        let (from, to) = (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last));
        let hosts: CidrSet = (first..=last).map(|n| IpAddr::V4(Ipv4Addr::from_bits(n))).collect();
        prop_assert_eq!(format!("{from} - {to}").parse::<CidrSet>().unwrap(), hosts);
        let v6 = |n: u32| Ipv6Addr::from_bits(u128::MAX << 32 | u128::from(n));
        let hosts: CidrSet = (first..=last).map(|n| IpAddr::V6(v6(n))).collect();
        prop_assert_eq!(format!("{}-{}", v6(first), v6(last)).parse::<CidrSet>().unwrap(), hosts);
    }

    /// Lines in any dress list what they list.
    #[test]
    fn remarks_columns_and_breaks_change_nothing(
        lines in prop::collection::vec(
            (any_net(), "[ \t]{0,2}", "([ \t,][ \ta-z0-9]{0,6})?([#;]( [ -~]{0,8})?)?(\n|\r\n|\n *\n|\n# [ -~]{0,9}\n)"),
            0..8,
        ),
        marked in any::<bool>(),
    ) {
        let mut text = String::from(if marked { "\u{feff}" } else { "" });
        let mut nets = Vec::new();
        for (net, before, after) in lines {
            let IpNet::V4(_) = net else { continue };
            let net = net.trunc();
            text += &format!("{before}{net}{after}");
            nets.push(net);
        }
        prop_assert_eq!(text.parse::<CidrSet>(), Ok(nets.into_iter().collect()), "{:?}", text);
    }
}

proptest! {
    #![proptest_config(cases(3_000))]

    /// I5.
    #[test]
    fn accepted_texts_are_those_of_the_standard_library(
        text in "\\PC{0,16}|[0-9a-fx:.%/+-]{0,12}|0?[0-9]{1,3}(\\.0?[0-9]{1,2}){3}(/0?[0-9]{0,3})?\
                 |(::|::ffff:|2001:db8::)[0-9a-f.:]{0,8}(/[0-9]{1,3})?|[0-9]{1,2}\\.0\\.0\\.0/([89]|[12][0-9])",
    ) {
        match parse_prefix(&text) {
            Ok(net) => {
                let (addr, len) = text.split_once('/').unwrap_or((&text, ""));
                let addr: IpAddr = addr.parse().expect("the address part is one to std");
                prop_assert_eq!(net.addr(), addr.to_canonical());
                prop_assert!(len.is_empty() || len == len.parse::<u8>().unwrap().to_string());
                prop_assert_eq!(net.trunc(), net);
                prop_assert_eq!(parse_prefix(&net.to_string()), Ok(net));
                prop_assert_eq!(text.parse::<CidrSet>(), Ok([net].into_iter().collect()));
            }
            Err(error) => {
                prop_assert!(error.column() <= text.chars().count() + 1);
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    /// I5: no text makes the parser panic, and what is read can be written and read again.
    #[test]
    fn any_list_is_read_or_refused(text in "([ -~\\t\\r\\n]|\\PC){0,40}|([0-9a-f:./ ,;#\\n\\t-]|1\\.2\\.3\\.4|::1|/24){0,12}") {
        match text.parse::<CidrSet>() {
            Ok(set) => prop_assert_eq!(set.to_string().parse::<CidrSet>(), Ok(set)),
            Err(error) => {
                prop_assert!(error.total() >= 1 && error.total() <= text.matches('\n').count() + 1);
                prop_assert_eq!(error.to_string().lines().count(), error.total());
                for line in error.errors() {
                    let there = text.split('\n').nth(line.line() - 1).unwrap();
                    prop_assert!(line.column() <= there.chars().count() + 1, "{line}");
                }
            }
        }
    }
}
