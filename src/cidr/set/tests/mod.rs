//! The set against the reference, and against itself.

mod batch;
mod edits;
mod laws;

use core::net::IpAddr;
use std::vec::Vec;

use ipnet::IpNet;
use proptest::prelude::*;

use crate::{
    cidr::{
        CidrSet,
        reference::RangeSet,
        tests_model::{any_addr, any_net},
    },
    test_support::rounds,
};

/// Any prefix, or one of a few that touch, nest and join: sixteen hosts of each family, and what is
/// around the mapped block.
pub(super) fn some_net() -> impl Strategy<Value = IpNet> {
    let v4 = |bits: u32, len| IpNet::new(IpAddr::V4(bits.into()), len).unwrap();
    let v6 = |bits: u128, len| IpNet::new(IpAddr::V6(bits.into()), len).unwrap();
    prop_oneof![
        2 => any_net(),
        2 => (0..16_u32, 28..=32_u8).prop_map(move |(n, len)| v4(0x0a00_0000 | n, len)),
        1 => (0..16_u128, 124..=128_u8).prop_map(move |(n, len)| v6((0x2001_0db8 << 96) | n, len)),
        1 => (0..16_u128, 92..=96_u8).prop_map(move |(n, len)| v6((0xfff8 + n) << 32, len)),
    ]
}

pub(super) fn nets() -> impl Strategy<Value = Vec<IpNet>> {
    prop::collection::vec(some_net(), 0..10)
}

pub(super) fn both(nets: &[IpNet]) -> (CidrSet, RangeSet) {
    (nets.iter().copied().collect(), nets.iter().copied().collect())
}

/// Everything that the set says must be what the reference says: at every edge of both, next to it,
/// and in its prefixes.
pub(super) fn check(set: &CidrSet, reference: &RangeSet) -> Result<(), TestCaseError> {
    prop_assert_eq!(set.v4_ranges(), reference.v4_ranges());
    prop_assert_eq!(set.v6_ranges(), reference.v6_ranges(), "I1 and I2");
    for addr in reference.edges() {
        prop_assert_eq!(set.contains(addr), reference.contains(addr), "{} in {:?}", addr, set);
    }
    let prefixes = reference.prefixes();
    prop_assert_eq!(set.iter().collect::<Vec<_>>(), &prefixes[..], "I4");
    prop_assert_eq!(set.len(), prefixes.len());
    prop_assert_eq!(set.is_empty(), reference.is_empty());
    Ok(())
}

/// The widest of the prefixes that hold an address, as `iter` tells them; none holds an IPv4 address
/// by an IPv6 prefix.
pub(super) fn holder(prefixes: &[IpNet], addr: IpAddr) -> Option<IpNet> {
    let addr = addr.to_canonical();
    prefixes.iter().copied().find(|net| net.contains(&addr))
}

proptest! {
    #![proptest_config(crate::test_support::cases(300))]

    #[test]
    fn what_a_set_says_is_what_the_reference_says(
        nets in nets(), asked in nets(), addrs in prop::collection::vec(any_addr(), 0..20),
    ) {
        let (set, reference) = both(&nets);
        check(&set, &reference)?;
        let prefixes = reference.prefixes();
        for addr in addrs.into_iter().chain(reference.edges()) {
            prop_assert_eq!(set.contains(addr), reference.contains(addr));
            prop_assert_eq!(set.longest_match(addr), holder(&prefixes, addr), "{}", addr);
        }
        let hosts = reference.edges().into_iter().map(IpNet::from);
        for net in asked.into_iter().chain(prefixes.iter().copied()).chain(hosts) {
            let one: RangeSet = [net].into_iter().collect();
            let common = reference.intersection(&one);
            prop_assert_eq!(set.covers(&net), common == one, "{} in {:?}", net, set);
            prop_assert_eq!(set.overlaps(&net), !common.is_empty(), "{} in {:?}", net, set);
            prop_assert_eq!(set.subnets(&net).collect::<Vec<_>>(), common.prefixes(), "{} in {:?}", net, set);
        }
        let v4 = reference.v4_ranges().iter().map(|(first, last)| u64::from(last - first) + 1);
        prop_assert_eq!(set.v4_address_count(), v4.sum::<u64>());
        let v6 = reference.v6_ranges().iter().map(|(first, last)| last - first + 1);
        prop_assert_eq!(set.v6_address_count(), v6.sum::<u128>());
    }

    /// I4.
    #[test]
    fn aggregated_prefixes_are_those_of_the_set_and_stay_as_they_are(nets in nets()) {
        let (set, reference) = both(&nets);
        let few = crate::cidr::aggregate(nets.iter().copied());
        prop_assert_eq!(&few, &reference.prefixes());
        prop_assert_eq!(&few, &set.iter().collect::<Vec<_>>());
        prop_assert_eq!(&few, &crate::cidr::aggregate(few.iter().copied()));
        prop_assert_eq!(&few, &crate::cidr::aggregate(nets.into_iter().rev()));
    }
}

/// More ranges than the iterator asks for at a time, in both families.
#[test]
fn long_sets_are_told_to_the_end() {
    for count in [15_u32, 16, 17, 31, 32, 33, 100] {
        let hosts: Vec<IpAddr> = (0..count)
            .map(|n| IpAddr::from((n * 2).to_be_bytes()))
            .chain((0..count).map(|n| IpAddr::from((u128::from(n) << 80).to_be_bytes())))
            .collect();
        let set: CidrSet = hosts.iter().copied().collect();
        let told: Vec<IpNet> = set.iter().collect();
        assert_eq!(told, hosts.iter().copied().map(IpNet::from).collect::<Vec<_>>());
        let mut left = set.iter();
        assert_eq!(left.by_ref().count(), hosts.len());
        assert_eq!(left.next(), None);
    }
}

/// I2, at every place where the mapped block is next to something.
#[test]
fn prefixes_around_the_mapped_block_are_found_by_their_addresses() {
    for text in [
        "::/0",
        "::/80",
        "::fffc:0:0/94",
        "::fffe:0:0/95",
        "::1:0:0:0/128",
        "::-::1:0:0:0",
        "::ffff:ffff:0:0/96",
    ] {
        let set: CidrSet = text.parse().unwrap();
        let told: Vec<IpNet> = set.iter().collect();
        for addr in [
            "::",
            "::fffb:ffff:ffff",
            "::fffc:0:0",
            "::fffe:0:0",
            "::fffe:ffff:ffff",
            "::1:0:0:0",
            "::ffff:ffff:0:0",
            "ffff::",
            "1.2.3.4",
            "::ffff:1.2.3.4",
        ] {
            let addr: IpAddr = addr.parse().unwrap();
            assert_eq!(set.longest_match(addr), holder(&told, addr), "{addr} in {text}");
        }
        let mapped: IpNet = "::ffff:0:0/96".parse().unwrap();
        assert!(!set.covers(&mapped) && !set.overlaps(&mapped));
        assert_eq!(set.subnets(&mapped).next(), None);
        assert!(set.subnets(&"::/0".parse().unwrap()).eq(set.iter()));
    }
}

#[test]
fn everything_is_both_families() {
    let all = CidrSet::everything();
    assert_eq!(all.v4_address_count(), 1 << 32);
    assert_eq!(all.v6_address_count(), u128::MAX - (1 << 32) + 1);
    assert!(!all.is_empty() && CidrSet::new().is_empty() && CidrSet::default() == CidrSet::new());
    check(&all, &RangeSet::everything()).unwrap();
    assert_eq!(std::format!("{:?}", all.iter()), "[0.0.0.0/0, ::/0]");
    assert_eq!(CidrSet::from("::/0".parse::<IpNet>().unwrap()).iter().count(), 1);
    let mut without_v6 = all.clone();
    assert!(without_v6.remove(&"::/0".parse().unwrap()));
    assert_eq!(std::string::ToString::to_string(&without_v6), "0.0.0.0/0");
}

/// Few addresses, named in many ways, take little room while a text is read; many take what they must.
#[test]
fn a_frugal_builder_keeps_what_is_different() {
    use crate::cidr::set::Builder;

    let host = |n: u32| IpNet::from(IpAddr::from((n.wrapping_mul(0x9e37_79b1) & !1).to_be_bytes()));
    for (different, most) in [(1, 64), (100, 256), (3_000, 8_192)] {
        let (mut frugal, mut bulk) = (Builder::frugal(), Builder::new());
        for n in 0..rounds(20_000, 500) {
            frugal.push(host(n % different).into());
            bulk.push(host(n % different).into());
            assert!(frugal.room().0 <= most, "{different}: {:?}", frugal.room());
        }
        let set = frugal.build();
        assert_eq!(set.len(), different.min(rounds(20_000, 500)) as usize);
        assert_eq!(set, bulk.build());
    }
}

/// What is sorted is merged as it comes.
#[test]
fn a_sorted_list_takes_the_room_of_its_ranges() {
    use crate::cidr::set::Builder;

    let mut builder = Builder::new();
    for n in 0..10_000_u32 {
        builder.push(IpNet::from(IpAddr::from(n.to_be_bytes())).into());
        builder.push(IpNet::from(IpAddr::from((u128::from(n) << 64).to_be_bytes())).into());
    }
    let (v4, v6) = builder.room();
    assert!(v4 <= 4 && v6 >= 10_000, "{v4}, {v6}");
    assert_eq!(builder.build().v4_ranges(), [(0, 9_999)]);
}
