//! Values and iterators that panic while tables of addresses are made and edited.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
};

use portcullis::{
    Capacity, CidrMap, CidrSet, LimitRule, Quota,
    cidr::{CidrEdit, Live},
    ipnet::IpNet,
    limit::{AddressLimiter, Tier},
    rule::Scheme,
};

use super::{at_any_call, at_every_call, touch};

#[derive(Debug)]
struct Value(u32);

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        touch("hash");
        0_u32.hash(state);
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        touch("eq");
        self.0 == other.0
    }
}

impl Eq for Value {}

impl Clone for Value {
    fn clone(&self) -> Self {
        touch("clone");
        Self(self.0)
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        touch("drop");
    }
}

fn net(number: u32) -> IpNet {
    IpNet::new(IpAddr::V4(Ipv4Addr::from_bits(number << 8)), 24).unwrap()
}

/// An iterator that touches the fuse for each item.
fn touched<T>(items: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    items.into_iter().inspect(|_| touch("iterator"))
}

type Map = CidrMap<Value>;

/// What the map says of itself is what it answers, and it can still be edited.
fn is_whole(map: &Map) {
    let told: BTreeMap<IpNet, u32> = map.iter().map(|(net, value)| (net, value.0)).collect();
    assert_eq!(told.len(), map.len());
    for number in 0..20 {
        let found = map.lookup(net(number).addr()).map(|value| value.0);
        assert_eq!(found, told.get(&net(number)).copied(), "network {number}");
        // Never a value of another's.
        assert!(found.is_none_or(|value| value % 100 == number));
    }
    let mut map = map.clone();
    for number in 0..20 {
        map.insert(net(number), Value(700 + number));
    }
    assert!((0..20).all(|number| map.get(&net(number)) == Some(&Value(700 + number))));
    map.retain(|_, value| value.0 % 2 == 0);
    assert_eq!(map.len(), 10);
}

fn edit(map: &mut Map) {
    for number in 0..4 {
        map.insert(net(number), Value(100 + number));
        map.insert(net(number), Value(200 + number));
    }
    map.remove(&net(5));
    let edits = (0..6).map(|number| match number % 3 {
        0 => CidrEdit::Remove(net(number)),
        _ => CidrEdit::Insert(net(number), Value(300 + number)),
    });
    map.apply(edits);
    map.extend((10..14).map(|number| (net(number), Value(100 + number))));
    map.retain(|_, value| {
        touch("retain");
        value.0 % 2 == 0
    });
    map.aggregate();
}

#[test]
fn values() {
    type State = Arc<Mutex<Map>>;
    for hook in ["hash", "eq", "clone", "drop", "retain"] {
        // Alone, and with a copy that shares its parts.
        for is_shared in [false, true] {
            let make = || {
                let map: Map = (0..10).map(|number| (net(number), Value(number))).collect();
                Arc::new(Mutex::new(map))
            };
            let work = |state: &State| {
                let mut map = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                let copy = is_shared.then(|| map.clone());
                edit(&mut map);
                drop(copy);
            };
            let check = |state: &State, _: bool| {
                let map = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                is_whole(&map);
            };
            // Whether values are copied is the map's own matter.
            let calls = at_any_call(hook, make, work, check);
            assert!(calls > 0 || hook == "clone" && !is_shared, "{hook}, {is_shared}");
        }
    }
}

#[test]
fn live_values() {
    for hook in ["hash", "eq", "iterator"] {
        let make = || {
            let map: Map = (0..10).map(|number| (net(number), Value(number))).collect();
            let live = Live::new(map);
            live.edit([CidrEdit::Insert(net(9), Value(109))]);
            live
        };
        let work = |live: &Live<Map>| {
            for round in 1..4 {
                live.edit(touched((0..6).map(|number| match number % 3 {
                    0 => CidrEdit::Remove(net(number)),
                    _ => CidrEdit::Insert(net(number), Value(100 * round + number)),
                })));
            }
        };
        at_every_call(hook, make, work, |live, _| {
            let map = live.load();
            is_whole(&map);
            // All of an edit, or nothing.
            let rounds = [1, 2, 4, 5].map(|number| map.get(&net(number)).unwrap().0 / 100);
            assert_eq!(rounds, [rounds[0]; 4]);
            assert_eq!(map.contains_net(&net(0)), rounds[0] == 0);
            live.edit([CidrEdit::Insert(net(0), Value(500))]);
            assert_eq!(live.load().get(&net(0)), Some(&Value(500)));
            live.replace(Map::default());
            assert!(live.load().is_empty());
        });
    }
}

#[test]
fn iterators() {
    let make = || Arc::new(Mutex::new(CidrSet::from_iter((0..4).map(net))));
    let work = |state: &Arc<Mutex<CidrSet>>| {
        let made: CidrSet = touched((0..3).map(net)).collect();
        assert_eq!(made.len(), 2);
        let map: CidrMap<u32> = touched((0..3).map(|number| (net(number), number))).collect();
        assert_eq!(map.len(), 3);
        let mut set = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        set.extend(touched((4..8).map(net)));
        set.apply(touched((8..16).map(|number| CidrEdit::Insert(net(number), ()))));
        let tier = Tier::v4(24, Quota::per_second(1), Capacity::keys(10));
        assert!(AddressLimiter::new(touched([tier; 3])).is_ok());
        let terms = ["host", "method"].map(|term| Scheme::new().parse_term(term).unwrap());
        let _ = LimitRule::new("by", Quota::per_second(1)).by(touched(terms));
    };
    at_every_call("iterator", make, work, |state, has_panicked| {
        let mut set = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let there = (0..20).take_while(|number| set.contains(net(*number).addr())).count();
        // As it was before one of the calls.
        assert!([4, 8, 16].contains(&there), "{there}");
        assert!(has_panicked || there == 16);
        set.insert(net(99));
        assert!(set.contains(net(99).addr()) && !set.contains(net(98).addr()));
    });
}
