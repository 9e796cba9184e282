//! The map against a list that is asked for every length in turn.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{collections::BTreeMap, format, string::String, string::ToString, vec, vec::Vec};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;

use super::*;
use crate::{
    cidr::{
        CidrEdit,
        addr::{MAPPED_FIRST, MAPPED_LAST},
        reference::PrefixList,
    },
    test_support::cases,
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn v4(first: u32, len: u8) -> IpNet {
    Ipv4Net::new(Ipv4Addr::from_bits(first), len).unwrap().into()
}

fn v6(first: u128, len: u8) -> IpNet {
    Ipv6Net::new(Ipv6Addr::from_bits(first), len).unwrap().into()
}

/// Few addresses, so that prefixes meet and nest: some of each family, at its ends, at the mapped
/// addresses, and on both sides of the 64th bit.
pub(super) fn any_net() -> impl Strategy<Value = IpNet> {
    let near32 = prop_oneof![
        4 => (0..16_u32).prop_map(|n| 0x0a00_0000 | n << 6),
        1 => 0..4_u32,
        1 => (0..4_u32).prop_map(|n| u32::MAX - n),
        1 => (0..32_u32).prop_map(|bit| 1 << bit),
        1 => any::<u32>(),
    ];
    let near128 = prop_oneof![
        3 => (0..8_u128, 0..8_u128).prop_map(|(a, b)| 0x2001 << 112 | a << 64 | b << 60),
        1 => 0..4_u128,
        1 => (0..4_u128).prop_map(|n| u128::MAX - n),
        1 => (0..4_u128).prop_map(|n| 0xfffc_0000_0000 + (n << 32)),
        1 => (0..128_u32).prop_map(|bit| 1 << bit),
    ];
    let len4 = prop_oneof![4 => 22..=32_u8, 1 => Just(0_u8), 1 => 0..=32_u8];
    let len6 = prop_oneof![
        4 => 56..=72_u8, 1 => 90..=97_u8, 1 => Just(128_u8), 1 => Just(0_u8), 1 => 0..=128_u8
    ];
    prop_oneof![
        5 => (near32, len4).prop_map(|(n, len)| v4(n, len)),
        4 => (near128, len6).prop_map(|(n, len)| v6(n, len)),
        1 => (0..4_u32, 96..=128_u8).prop_map(|(n, len)| v6(MAPPED_FIRST | u128::from(n), len)),
    ]
}

pub(super) fn pairs(most: usize) -> impl Strategy<Value = Vec<(IpNet, u8)>> {
    prop::collection::vec((any_net(), 0..5_u8), 0..most)
}

/// Both ends of the prefixes and their neighbours, in every spelling.
pub(super) fn probes<'a>(nets: impl IntoIterator<Item = &'a IpNet>) -> Vec<IpAddr> {
    let mut probes = vec![ip("::"), ip("0.0.0.0"), ip("255.255.255.255"), ip("::ffff:10.0.0.1")];
    for net in nets {
        for end in [net.network(), net.broadcast()] {
            for off in [-1_i8, 0, 1] {
                match end {
                    IpAddr::V4(v4) => {
                        let v4 = Ipv4Addr::from_bits(v4.to_bits().wrapping_add_signed(off.into()));
                        probes.extend([IpAddr::V4(v4), v4.to_ipv6_mapped().into()]);
                    }
                    IpAddr::V6(v6) => probes.push(
                        Ipv6Addr::from_bits(v6.to_bits().wrapping_add_signed(off.into())).into(),
                    ),
                }
            }
        }
    }
    probes
}

/// That a map is in order inside, and says of addresses and prefixes what the model does.
fn assert_agrees<V: Clone + Eq + Hash + fmt::Debug>(
    map: &CidrMap<V>,
    model: &PrefixList<V>,
    nets: &[IpNet],
) {
    assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
    assert!(map.iter().eq(model.iter()), "{map:?}\n{model:?}");
    assert!(map.prefixes().eq(model.iter().map(|(net, _)| net)));
    assert!(map.values().eq(model.iter().map(|(_, value)| value)));
    // I2, and in the tables, which tell only of addresses that are asked.
    assert!(map.prefixes().all(|net| net.trunc() == net && !is_mapped(&net)));

    let addrs = probes(nets);
    let mut found = vec![None; addrs.len()];
    map.lookup_batch(&addrs, &mut found);
    for (addr, batched) in addrs.into_iter().zip(found) {
        let matches = model.matches(addr);
        let expected = matches.last().copied();
        // I1.
        assert_eq!(map.longest_match(addr), expected, "{addr} in {map:?}");
        assert_eq!(map.lookup(addr), expected.map(|(_, value)| value));
        assert_eq!(map.contains(addr), expected.is_some());
        assert_eq!(batched, expected.map(|(_, value)| value), "{addr}");
        assert!(map.matches(addr).eq(matches), "{addr} in {map:?}");
    }
    for net in nets {
        let one = one_form(*net);
        let covers = |(outer, _): &(IpNet, &V)| outer.contains(&one);
        let lies = |(inner, _): &(IpNet, &V)| one.contains(inner);
        assert_eq!(map.get(net), model.get(net));
        assert_eq!(map.contains_net(net), model.get(net).is_some());
        let mut above: Vec<_> = model.iter().filter(covers).collect();
        assert!(map.supernets(net).eq(above.iter().copied()), "{net} in {map:?}");
        assert_eq!(map.longest_match_net(net), above.pop());
        assert!(map.subnets(net).eq(model.iter().filter(lies)), "{net} in {map:?}");
        let meets = model.iter().any(|(other, _)| one.contains(&other) || other.contains(&one));
        assert_eq!(map.overlaps(net), meets);
    }
    // I3.
    let mut uses = BTreeMap::new();
    for (_, mark) in map.v4.list.entries_from(0, 0) {
        *uses.entry(mark.tag).or_insert(0) += 1;
    }
    for (_, mark) in map.v6.list.entries_from(0, 0) {
        *uses.entry(mark.tag).or_insert(0) += 1;
    }
    assert_eq!(uses.len(), map.distinct_values().count());
    let mut values = map.values.clone();
    for (tag, uses) in uses {
        assert!((1..uses).all(|_| values.release(tag).is_none()));
        assert!(values.release(tag).is_some(), "I3: {tag} is used {uses} times");
    }
    assert_eq!(values.len(), 0);
}

fn is_mapped(net: &IpNet) -> bool {
    matches!(net, IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.addr().to_ipv4_mapped().is_some())
}

fn one_form(net: IpNet) -> IpNet {
    match Prefix::from(net) {
        Prefix::V4(first, len) => v4_net(first, len),
        Prefix::V6(first, len) => v6_net(first, len),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(IpNet, u8),
    Remove(IpNet),
    /// Whichever is there at this place.
    RemoveOne(usize),
    Extend(Vec<(IpNet, u8)>),
    Apply(Vec<(IpNet, Option<u8>)>),
    Retain(u8),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let edits = prop::collection::vec((any_net(), prop::option::of(0..5_u8)), 0..12);
    prop_oneof![
        8 => (any_net(), 0..5_u8).prop_map(|(net, value)| Step::Insert(net, value)),
        2 => any_net().prop_map(Step::Remove),
        4 => any::<usize>().prop_map(Step::RemoveOne),
        1 => pairs(24).prop_map(Step::Extend),
        3 => edits.prop_map(Step::Apply),
        1 => (0..5_u8).prop_map(Step::Retain),
        1 => Just(Step::Clear),
    ]
}

fn follow(map: &mut CidrMap<u8>, model: &mut PrefixList<u8>, step: Step) -> Vec<IpNet> {
    let mut touched = Vec::new();
    match step {
        Step::Insert(net, value) => {
            assert_eq!(map.insert(net, value), model.insert(net, value));
            touched.push(net);
        }
        Step::Remove(net) => {
            assert_eq!(map.remove(&net), model.remove(&net));
            touched.push(net);
        }
        Step::RemoveOne(at) => {
            let net = at.checked_rem(model.len()).and_then(|at| map.prefixes().nth(at));
            if let Some(net) = net {
                assert_eq!(map.remove(&net), model.remove(&net));
                touched.push(net);
            }
        }
        Step::Extend(pairs) => {
            map.extend(pairs.iter().copied());
            for (net, value) in pairs {
                model.insert(net, value);
                touched.push(net);
            }
        }
        Step::Apply(edits) => {
            map.apply(edits.iter().map(|&(net, value)| match value {
                Some(value) => CidrEdit::Insert(net, value),
                None => CidrEdit::Remove(net),
            }));
            for (net, value) in edits {
                match value {
                    Some(value) => model.insert(net, value),
                    None => model.remove(&net),
                };
                touched.push(net);
            }
        }
        Step::Retain(value) => {
            map.retain(|_, kept| *kept != value);
            *model =
                model.iter().filter(|(_, kept)| **kept != value).map(|(n, v)| (n, *v)).collect();
        }
        Step::Clear => {
            map.clear();
            *model = PrefixList::new();
        }
    }
    touched
}

proptest! {
    #![proptest_config(cases(256))]

    /// I1, I2 and I3, for a map that is built at once.
    #[test]
    fn a_built_map_answers_as_the_list_does(pairs in pairs(24), asked in prop::collection::vec(any_net(), 0..6)) {
        let map: CidrMap<u8> = pairs.iter().copied().collect();
        let model: PrefixList<u8> = pairs.iter().copied().collect();
        let nets: Vec<IpNet> = pairs.iter().map(|(net, _)| *net).chain(asked).collect();
        assert_agrees(&map, &model, &nets);
        prop_assert_eq!(&model.iter().map(|(net, value)| (net, *value)).collect::<CidrMap<u8>>(), &map);
        let set: CidrSet = model.iter().map(|(net, _)| net).collect();
        prop_assert_eq!(map.to_set(), set);
    }
}

proptest! {
    #![proptest_config(cases(256))]

    /// I4, with all that is asked in between.
    #[test]
    fn edits_end_where_a_new_map_begins(start in pairs(48), steps in prop::collection::vec(step(), 0..4)) {
        let mut map: CidrMap<u8> = start.iter().copied().collect();
        let mut model: PrefixList<u8> = start.into_iter().collect();
        for step in steps {
            let touched = follow(&mut map, &mut model, step);
            assert_agrees(&map, &model, &touched);
        }
        let nets: Vec<IpNet> = model.iter().map(|(net, _)| net).collect();
        assert_agrees(&map, &model, &nets);
        let rebuilt: CidrMap<u8> = model.iter().map(|(net, value)| (net, *value)).collect();
        prop_assert_eq!(&rebuilt, &map);
        prop_assert!(rebuilt.same_answers(&map));
    }
}

/// I4 where single stretches are compiled: a map so large that nothing is ever cheaper built anew.
#[test]
fn edits_of_a_large_map_touch_a_stretch_and_all_answers_are_right() {
    let sizes = if cfg!(miri) { 40 } else { 3_000 };
    let mut model: PrefixList<u16> = (0..sizes)
        .flat_map(|n: u32| {
            let long = v6(0x2001_u128 << 112 | u128::from(n) << 40, 80 + (n % 40) as u8);
            [(v4(n << 12, 20 + (n % 13) as u8), n as u16 % 7), (long, n as u16 % 5)]
        })
        .collect();
    let mut map: CidrMap<u16> = model.iter().map(|(net, value)| (net, *value)).collect();
    let mut random = 1_u32;
    let mut next = |below: u32| {
        random = random.wrapping_mul(0x915f_77f5).wrapping_add(12_345);
        (random >> 8) % below
    };
    for round in 0..120_u16 {
        let edits: Vec<(IpNet, Option<u16>)> = (0..=next(6))
            .map(|_| {
                let first = next(sizes) << 12 | next(4) << 10;
                let net = match next(3) {
                    0 => v6(0x2001_u128 << 112 | u128::from(first) << 28, 60 + next(69) as u8),
                    _ => v4(first, 14 + next(19) as u8),
                };
                (net, (next(3) > 0).then_some(round % 9))
            })
            .collect();
        if let &[(net, Some(value))] = edits.as_slice() {
            assert_eq!(map.insert(net, value), model.insert(net, value));
        } else {
            map.apply(edits.iter().map(|&(net, value)| match value {
                Some(value) => CidrEdit::Insert(net, value),
                None => CidrEdit::Remove(net),
            }));
            for &(net, value) in &edits {
                match value {
                    Some(value) => model.insert(net, value),
                    None => model.remove(&net),
                };
            }
        }
        for addr in probes(edits.iter().map(|(net, _)| net)) {
            assert_eq!(map.longest_match(addr), model.longest_match(addr), "{addr}");
        }
    }
    let rebuilt: CidrMap<u16> = model.iter().map(|(net, value)| (net, *value)).collect();
    assert!(rebuilt == map && rebuilt.same_answers(&map));
}

#[test]
fn nothing_is_in_an_empty_map() {
    static EMPTY: CidrMap<u8> = CidrMap::new();
    assert_agrees(&EMPTY, &PrefixList::new(), &[net("0.0.0.0/0"), net("::/0"), net("1.2.3.4/32")]);
    assert_eq!(EMPTY, CidrMap::default());
    assert_eq!(EMPTY.to_string(), "");
    assert!(EMPTY.to_set().is_empty());
    assert_eq!(EMPTY.memory_bytes(), size_of::<CidrMap<u8>>());
    let mut map = CidrMap::from_iter([(net("::/0"), 1_u8), (net("10.0.0.0/8"), 2)]);
    map.clear();
    assert_eq!((map.memory_bytes(), &map), (EMPTY.memory_bytes(), &EMPTY));
}

/// IPv4-mapped forms are IPv4 on every way in, and what is shorter than they are is not.
#[test]
fn mapped_forms_are_ipv4_everywhere() {
    let mut map = CidrMap::new();
    assert_eq!(map.insert(net("::ffff:10.1.2.3/104"), 1), None);
    assert_eq!(map.insert(net("10.0.0.0/8"), 2), Some(1));
    assert_eq!(map.insert(net("::/0"), 3), None);
    assert_eq!(map.get(&net("::ffff:10.255.0.0/104")), Some(&2));
    assert_eq!(map.longest_match(ip("::ffff:10.9.9.9")), Some((net("10.0.0.0/8"), &2)));
    assert_eq!(map.lookup(ip("::ffff:11.0.0.1")), None);
    assert_eq!(map.matches(ip("::ffff:10.0.0.1")).count(), 1);
    assert_eq!(map.longest_match_net(&net("::ffff:0:0/95")), Some((net("::/0"), &3)));
    assert_eq!(map.subnets(&net("::ffff:0:0/96")).next(), Some((net("10.0.0.0/8"), &2)));
    assert!(!map.contains(ip("192.0.2.1")) && map.contains(ip("::fffe:0:0")));
    assert_eq!(map.to_string(), "10.0.0.0/8\t2\n::/0\t3");
    assert_eq!(format!("{map:?}"), "{10.0.0.0/8: 2, ::/0: 3}");
    assert_eq!(map.remove(&net("::ffff:10.0.0.0/104")), Some(2));
    assert_eq!(map.len(), 1);
    let table: Vec<_> = map.v6.table.runs_from(MAPPED_FIRST).take(1).collect();
    assert!(table[0].last >= MAPPED_LAST);
}

#[test]
fn the_last_of_equal_prefixes_counts() {
    let same = [(net("10.0.0.0/8"), 1), (net("9.0.0.0/8"), 1), (net("10.9.0.0/8"), 2)];
    let map = CidrMap::from_iter(same);
    assert_eq!(map.to_string(), "9.0.0.0/8\t1\n10.0.0.0/8\t2");
    let mut map = map;
    map.apply([
        CidrEdit::Insert(net("10.0.0.0/8"), 5),
        CidrEdit::Remove(net("10.0.0.0/8")),
        CidrEdit::Remove(net("9.0.0.0/8")),
        CidrEdit::Insert(net("9.0.0.0/8"), 7),
    ]);
    assert_eq!(map.to_string(), "9.0.0.0/8\t7");
    assert_eq!(map.distinct_values().collect::<Vec<_>>(), [&7]);
}

#[test]
fn maps_are_equal_if_their_prefixes_and_their_values_are() {
    let [a, b, c] = ["10.0.0.0/8", "2001:db8::/32", "2001:db8::/33"].map(net);
    let map = CidrMap::from_iter([(a, 1), (b, 2)]);
    assert_eq!(map, CidrMap::from_iter([(b, 2), (a, 1)]));
    for other in [vec![(a, 1), (b, 1)], vec![(a, 1), (c, 2)], vec![(a, 1)], vec![]] {
        assert_ne!(map, CidrMap::from_iter(other));
    }
    let mut left = map.iter();
    assert_eq!(format!("{left:?}"), "CidrMapIter { left: 2, .. }");
    for expected in [2, 1, 0, 0] {
        assert_eq!((left.len(), left.size_hint()), (expected, (expected, Some(expected))));
        assert_eq!(left.next().is_some(), expected > 0);
    }
}

/// What each part must take at least, and all of them together exactly.
#[test]
fn memory_is_told_by_what_it_is_for() {
    let nets = (0..5_000_u32).flat_map(|n| {
        [(v4(n << 8, 24), u64::from(n)), (v6(0x2001 << 112 | u128::from(n) << 64, 64), 1)]
    });
    let map: CidrMap<u64> = nets.collect();
    let memory = map.memory();
    let (tables, prefixes, values) = (memory.tables(), memory.prefixes(), memory.values());
    assert!(tables >= (256 << 10) + 5_000 * 3, "{tables}");
    assert!((5_000 * (7 + 11)..5_000 * 100).contains(&prefixes), "{prefixes}");
    assert!((5_000 * (8 + 8 + 16)..5_000 * 60).contains(&values), "{values}");
    assert_eq!(memory.total(), size_of::<CidrMap<u64>>() + tables + prefixes + values);
    assert_eq!(map.memory_bytes(), memory.total());
}

/// I2 of a list: a piece has up to 16 prefixes in tests, and is halved when there is one more.
#[test]
fn pieces_that_become_long_are_split() {
    let mark = Mark { tag: 1, len: 24 };
    let mut list = Listed::<u32>::build((0..12).map(|n| (n << 12, mark)));
    for (count, pieces) in [(13, 1), (16, 1), (17, 2), (24, 2), (25, 3)] {
        while list.len() < count {
            // Behind all others, so that it is the last piece that grows.
            let next = u32::try_from(list.len()).unwrap();
            assert_eq!(list.insert(0x0a00_0000 | next << 8, mark), 0);
        }
        assert_eq!((list.pieces.len(), list.firsts.len()), (pieces, pieces), "{count} prefixes");
        assert!(list.pieces.iter().all(|piece| piece.keys.len() <= 16), "{count} prefixes");
        assert!(
            list.pieces.iter().zip(&list.firsts).all(|(piece, first)| piece.keys[0] == first.0)
        );
    }
}

/// I2 of a list, from either side: a piece is joined with whichever neighbour has few prefixes, too.
#[test]
fn pieces_that_become_small_are_joined() {
    let first = |n: u32| n << 8;
    let mark = Mark { tag: 1, len: 24 };
    let two = || Listed::<u32>::build((0..24).map(|n| (first(n), mark)));
    for (removed, pieces) in [
        ((0..8).chain(12..20), 1),
        ((12..20).chain(0..8), 1),
        ((0..8).chain(12..19), 2),
        ((0..12).chain(0..0), 1),
        ((12..24).chain(0..0), 1),
        ((0..12).chain(12..24), 0),
    ] {
        let mut list = two();
        assert_eq!((list.pieces.len(), list.len()), (2, 24));
        for n in removed.clone() {
            assert_eq!(list.remove(first(n), 24), 1);
        }
        assert_eq!((list.pieces.len(), list.firsts.len()), (pieces, pieces), "{removed:?}");
        let left: Vec<_> = list.entries_from(0, 0).map(|(first, _)| first).collect();
        let expected = (0..24).filter(|n| !removed.clone().any(|removed| removed == *n));
        assert!(left.into_iter().eq(expected.map(first)), "{removed:?}");
        assert!(list.pieces.iter().zip(&list.firsts).all(|(p, first)| p.keys[0] == first.0));
    }
    assert!(two().heap_bytes() >= 24 * 7 + 2 * size_of::<piece::Piece<u32>>());
    assert_eq!(Listed::<u32>::EMPTY.heap_bytes(), 0);
}

/// I3: a value goes when its last prefix does, and its place is used again.
#[test]
fn memory_stays_flat_under_endless_edits() {
    let edits = if cfg!(miri) { 300 } else { 5_000_u32 };
    let mut map: CidrMap<String> =
        (0..64).map(|n| (v4(n << 24, 16), format!("value {n}"))).collect();
    let mut before = 0;
    for n in 0..edits {
        let at = (n.wrapping_mul(0x9e37_79b9) >> 20) % 64;
        let old = map.remove(&v4(at << 24, 16)).unwrap();
        assert_eq!(
            map.insert(v4(at << 24, 16), format!("{old}, later").split_off(old.len() / 2)),
            None
        );
        if n == 200 {
            before = map.memory_bytes();
        }
    }
    assert!(map.memory_bytes() <= before + before / 8, "{before}: {}", map.memory_bytes());
    assert!(map.values.highest() <= 65);
}

#[test]
fn an_iterator_that_panics_leaves_the_prefixes_as_they_were() {
    let mut map = CidrMap::from_iter([(net("10.0.0.0/8"), 1), (net("10.1.0.0/16"), 2)]);
    let before = map.clone();
    let edit = |at| match at {
        0 => CidrEdit::Remove(net("10.0.0.0/8")),
        1 => CidrEdit::Insert(net("10.1.0.0/16"), 1),
        _ => panic!("as it does"),
    };
    let unwound = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        map.apply((0..3).map(edit));
    }));
    assert!(unwound.is_err() && map == before && map.same_answers(&before));
    let unwound = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        map.extend((0..3).map(|at| (edit(at + 1).net(), 5)));
    }));
    assert!(unwound.is_err() && map == before && map.same_answers(&before));
}

/// I3. Whoever drops a value runs its code, and is in order before that.
#[test]
fn a_value_that_panics_when_it_is_dropped_is_nobody_elses() {
    use core::sync::atomic::{AtomicU32, Ordering};
    static PANICS: AtomicU32 = AtomicU32::new(0);
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Value(u32);
    impl Drop for Value {
        fn drop(&mut self) {
            if self.0 > 0 && PANICS.load(Ordering::Relaxed) == self.0 {
                PANICS.store(0, Ordering::Relaxed);
                panic!("as it does");
            }
        }
    }
    type Edit = fn(&mut CidrMap<Value>);
    let edits: [Edit; 3] = [
        |map| map.apply((1..40).map(|n| CidrEdit::Remove(v4(n << 8, 24)))),
        |map| map.retain(|_, value| value.0 > 50),
        |map| {
            map.insert(v4(0, 8), Value(60));
            map.apply((1..40).map(|n| CidrEdit::Insert(v4(n << 8, 24), Value(60))));
            map.aggregate();
        },
    ];
    for edit in edits {
        for at in [1, 20, 39] {
            let mut map: CidrMap<Value> = (1..60).map(|n| (v4(n << 8, 24), Value(n))).collect();
            PANICS.store(at, Ordering::Relaxed);
            let unwound =
                std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| edit(&mut map)));
            assert!(unwound.is_err());
            assert_eq!(map.iter().count(), map.len());
            // What takes the place of the values that are gone is found under its own prefixes only.
            map.extend((100..140).map(|n| (v4(n << 8, 24), Value(n))));
            for n in 1..60 {
                let found = map.lookup(Ipv4Addr::from_bits(n << 8).into()).map(|value| value.0);
                assert!(found.is_none_or(|value| value == n || value == 60), "{n}: {found:?}");
            }
        }
    }
}

/// A copy shares its pieces, and does not see what happens to the other.
#[test]
fn a_copy_is_apart() {
    let map: CidrMap<u32> = (0..5_000).map(|n| (v4(n << 8, 24), n % 3)).collect();
    let mut copy = map.clone();
    copy.insert(v4(7 << 8, 25), 9);
    copy.remove(&v4(9 << 8, 24));
    assert_eq!((map.len(), copy.len()), (5_000, 5_000));
    assert_eq!(map.lookup(Ipv4Addr::from_bits(7 << 8).into()), Some(&1));
    assert_eq!(copy.lookup(Ipv4Addr::from_bits(7 << 8).into()), Some(&9));
    assert!(map.contains_net(&v4(9 << 8, 24)) && !copy.contains_net(&v4(9 << 8, 24)));
}

/// Values without a hash can be looked up, removed and told.
#[test]
fn looking_up_asks_nothing_of_values() {
    fn bare<V>(map: &mut CidrMap<V>) -> usize {
        map.aggregate();
        map.retain(|net, _| net.prefix_len() > 0);
        map.lookup([10, 0, 0, 1].into()).map_or(0, |_| map.iter().len())
    }
    let mut map = CidrMap::from_iter([(net("10.0.0.0/8"), 1), (net("0.0.0.0/0"), 2)]);
    assert_eq!(bare(&mut map), 1);
}

#[cfg(feature = "serde")]
#[test]
fn serde_is_a_map_of_texts_read_strictly() {
    let map = CidrMap::from_iter([
        (net("10.0.0.0/8"), String::from("a")),
        (net("2001:db8::/32"), String::from("b")),
    ]);
    let json = serde_json::to_string(&map).unwrap();
    assert_eq!(json, r#"{"10.0.0.0/8":"a","2001:db8::/32":"b"}"#);
    assert_eq!(serde_json::from_str::<CidrMap<String>>(&json).unwrap(), map);
    assert_eq!(serde_json::from_str::<CidrMap<u8>>("{}").unwrap(), CidrMap::new());
    for (json, why) in [
        (
            r#"{"10.0.0.0/8":1,"10.1.0.0/8":1}"#,
            "entry 1: prefix \"10.1.0.0/8\", column 1: host bits",
        ),
        (r#"{"010.0.0.0/8":1}"#, "entry 0"),
        (r#"{"10.0.0.0/8":1,"1.0.0.0/8":1,"::ffff:10.0.0.0/104":1}"#, "10.0.0.0/8 comes twice"),
        (r#"["10.0.0.0/8"]"#, "a map from prefixes"),
        (r#"{"10.0.0.0/8":-1}"#, "u8"),
    ] {
        let error = serde_json::from_str::<CidrMap<u8>>(json).unwrap_err().to_string();
        assert!(error.contains(why), "{json}: {error}");
    }
}

#[test]
fn nothing_takes_no_memory_and_each_part_takes_its_own() {
    let nothing = CidrMap::<u64>::new().memory();
    assert_eq!((nothing.tables(), nothing.prefixes(), nothing.values()), (0, 0, 0));
    // Every second network, so that none is like its neighbour.
    let nets = (0..1_000_u32)
        .map(|at| IpNet::new((0x0a00_0000 + 512 * at).to_be_bytes().into(), 24).unwrap());
    let map: CidrMap<u64> = nets.zip(0..).collect();
    let memory = map.memory();
    assert!((1_000 * 4..1_000 * 200).contains(&memory.tables()), "{memory:?}");
    assert!((1_000 * 6..1_000 * 30).contains(&memory.prefixes()), "{memory:?}");
    assert!((1_000 * 8..1_000 * 60).contains(&memory.values()), "{memory:?}");
    let heap = memory.tables() + memory.prefixes() + memory.values();
    assert_eq!(
        (memory.total(), map.memory_bytes()),
        (size_of::<CidrMap<u64>>() + heap, memory.total())
    );
}
