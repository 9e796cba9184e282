//! A map of prefixes answers every sequence of edits as a plain sorted list does, one that is built
//! anew is equal, and the fewest prefixes that say the same say the same. So do sets.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use portcullis::{
    CidrMap, CidrSet,
    cidr::{CidrEdit, reference::PrefixList},
    ipnet::{IpNet, Ipv4Net, Ipv6Net},
};

#[derive(Arbitrary, Debug)]
struct Story {
    start: Vec<(Place, u8)>,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Insert(Place, u8),
    Remove(Place),
    /// Whichever prefix is at that place of the list.
    RemoveListed(u16),
    Apply(Vec<(Place, Option<u8>)>),
    Extend(Vec<(Place, u8)>),
    Retain(u8),
    Aggregate,
    Clear,
}

/// A prefix, mostly near others: prefixes that never meet tell nothing.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Place {
    Near4 {
        at: u16,
        len: u8,
    },
    Any4 {
        first: u32,
        len: u8,
    },
    Mapped {
        first: u32,
        len: u8,
    },
    Near6 {
        upper: u8,
        lower: u8,
        len: u8,
    },
    /// Around `::ffff:0:0/96`.
    Beside {
        at: u8,
        len: u8,
    },
    Any6 {
        first: u128,
        len: u8,
    },
}

impl Place {
    fn net(self) -> IpNet {
        let v4 =
            |first, len: u8| Ipv4Net::new(Ipv4Addr::from_bits(first), len % 33).unwrap().into();
        let v6 =
            |first, len: u8| Ipv6Net::new(Ipv6Addr::from_bits(first), len % 129).unwrap().into();
        match self {
            Self::Near4 { at, len } => v4(0x0a00_0000 | u32::from(at) << 4, 32 - len % 16),
            Self::Any4 { first, len } => v4(first, len),
            Self::Mapped { first, len } => v6(0xffff_0000_0000 | u128::from(first), 96 + len % 33),
            Self::Near6 { upper, lower, len } => {
                v6(0x2001 << 112 | u128::from(upper) << 64 | u128::from(lower) << 56, 52 + len % 24)
            }
            Self::Beside { at, len } => v6(0xfff0_0000_0000 | u128::from(at) << 32, 88 + len % 12),
            Self::Any6 { first, len } => v6(first, len),
        }
    }
}

fn follow(map: &mut CidrMap<u8>, model: &mut PrefixList<u8>, step: Step) -> Vec<IpNet> {
    match step {
        Step::Insert(place, value) => {
            let net = place.net();
            assert_eq!(map.insert(net, value), model.insert(net, value), "{net}");
            vec![net]
        }
        Step::Remove(place) => {
            let net = place.net();
            assert_eq!(map.remove(&net), model.remove(&net), "{net}");
            vec![net]
        }
        Step::RemoveListed(at) => {
            let at = usize::from(at).checked_rem(model.len());
            let Some(net) = at.and_then(|at| map.prefixes().nth(at)) else { return Vec::new() };
            assert_eq!(map.remove(&net), model.remove(&net), "{net}");
            vec![net]
        }
        Step::Apply(edits) => {
            map.apply(edits.iter().map(|&(place, value)| match value {
                Some(value) => CidrEdit::Insert(place.net(), value),
                None => CidrEdit::Remove(place.net()),
            }));
            for &(place, value) in &edits {
                match value {
                    Some(value) => model.insert(place.net(), value),
                    None => model.remove(&place.net()),
                };
            }
            edits.into_iter().map(|(place, _)| place.net()).collect()
        }
        Step::Extend(pairs) => {
            map.extend(pairs.iter().map(|&(place, value)| (place.net(), value)));
            for &(place, value) in &pairs {
                model.insert(place.net(), value);
            }
            pairs.into_iter().map(|(place, _)| place.net()).collect()
        }
        Step::Retain(value) => {
            map.retain(|_, kept| *kept % 8 != value % 8);
            let kept = model.iter().filter(|(_, kept)| **kept % 8 != value % 8);
            *model = kept.map(|(net, value)| (net, *value)).collect();
            Vec::new()
        }
        Step::Aggregate => {
            let before = map.clone();
            map.aggregate();
            assert!(map.len() <= before.len(), "{before:?} became {map:?}");
            assert!(map.same_answers(&before), "{before:?} became {map:?}");
            for net in before.prefixes() {
                assert_eq!(map.lookup(net.network()), before.lookup(net.network()));
                assert_eq!(map.lookup(net.broadcast()), before.lookup(net.broadcast()));
            }
            let once = map.clone();
            map.aggregate();
            assert_eq!(*map, once);
            // A set of the same addresses has as few prefixes, if there is one value.
            *model = map.iter().map(|(net, value)| (net, *value)).collect();
            let mut plain: CidrMap<()> = before.prefixes().map(|net| (net, ())).collect();
            plain.aggregate();
            assert!(plain.prefixes().eq(before.to_set().iter()), "{before:?}");
            Vec::new()
        }
        Step::Clear => {
            map.clear();
            *model = PrefixList::new();
            Vec::new()
        }
    }
}

/// Both ends of a prefix and their neighbours.
fn probes(net: IpNet) -> Vec<IpAddr> {
    let near = |end: IpAddr, by: i8| match end {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits().wrapping_add_signed(by.into())).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits().wrapping_add_signed(by.into())).into(),
    };
    let ends = [net.network(), net.broadcast()];
    ends.into_iter().flat_map(|end| [-1, 0, 1].map(|by| near(end, by))).collect()
}

fn check(map: &CidrMap<u8>, model: &PrefixList<u8>, net: IpNet) {
    let addrs = probes(net);
    let mut found = vec![None; addrs.len()];
    map.lookup_batch(&addrs, &mut found);
    for (addr, batched) in addrs.into_iter().zip(found) {
        let matches = model.matches(addr);
        let longest = matches.last().copied();
        assert_eq!(map.longest_match(addr), longest, "{addr}");
        assert_eq!(map.lookup(addr), longest.map(|(_, value)| value), "{addr}");
        assert_eq!(batched, longest.map(|(_, value)| value), "{addr}");
        assert_eq!(map.contains(addr), longest.is_some(), "{addr}");
        assert!(map.matches(addr).eq(matches), "{addr}");
    }
    assert_eq!(map.get(&net), model.get(&net));
    let own = CidrMap::from_iter([(net, 0)]).prefixes().next().unwrap();
    let above: Vec<_> = model.iter().filter(|(outer, _)| outer.contains(&own)).collect();
    assert_eq!(map.longest_match_net(&net), above.last().copied(), "{net}");
    assert!(map.supernets(&net).eq(above.iter().copied()), "{net}");
    assert!(map.subnets(&net).eq(model.iter().filter(|(inner, _)| own.contains(inner))), "{net}");
}

fuzz_target!(|story: Story| {
    let pairs = || story.start.iter().map(|&(place, value)| (place.net(), value));
    let mut map: CidrMap<u8> = pairs().collect();
    let mut model: PrefixList<u8> = pairs().collect();
    pairs().for_each(|(net, _)| check(&map, &model, net));
    for step in story.steps {
        for net in follow(&mut map, &mut model, step) {
            check(&map, &model, net);
        }
        assert!(map.iter().eq(model.iter()));
    }
    let rebuilt: CidrMap<u8> = model.iter().map(|(net, value)| (net, *value)).collect();
    assert_eq!(rebuilt, map);
    assert!(rebuilt.same_answers(&map));
    let set: CidrSet = map.prefixes().collect();
    assert_eq!(set, map.to_set());
    for net in map.prefixes() {
        check(&map, &model, net);
        // An IPv6 prefix may stretch over the mapped addresses, which are IPv4's.
        for addr in probes(net) {
            assert_eq!(set.contains(addr), map.contains(addr), "{addr}");
        }
    }
});
