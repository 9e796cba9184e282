//! What is answered at a glance, from a hint and one word: nearly all of what a store is asked.

use std::{collections::BTreeSet, vec::Vec};

use super::{at, fixed};
use crate::{
    limit::keyed::{Capacity, KeyedLimiter, set::Set, table::Look},
    quota::Quota,
};

const TENS: Quota = Quota::per_second(10).burst(20);

/// Whether this is one; it takes a unit then.
fn is_plain(store: &KeyedLimiter, key: u32, millis: u64) -> bool {
    store.table.is_plain(store.hash(&key), 1, at(millis))
}

#[test]
fn a_key_that_owes_is_found_by_its_hint() {
    let store = fixed(TENS, Capacity::keys(1_000));
    let found = || (0..600).filter(|key| is_plain(&store, *key, 1_000)).count();
    assert_eq!(found(), 0, "nobody has come");
    for key in 0..600_u32 {
        assert!(store.check(&key, at(1_000)).is_admitted());
    }
    // One of 256 hints is like another's, and two sets have seven or eight.
    assert!(found() > 560, "{}", found());
    // Denied as well, if there is no question whether so much can be owed.
    for key in 0..600_u32 {
        while store.check(&key, at(1_000)).is_admitted() {}
    }
    assert!(found() > 560, "{}", found());
    store.rotate_seed(at(1_000)).unwrap();
    for key in 0..600_u32 {
        store.refund_n(&key, 10, at(1_000));
    }
    let early = found();
    assert!(early < 40, "{early} of those that have still to move");
    for key in 0..600_u32 {
        assert!(store.check(&key, at(1_000)).is_admitted());
    }
    assert!(found() > 500, "{}: what keys have left is still hinted at", found());
}

/// Five keys of a store of one set that no hint mistakes for each other, nor for an empty way: which ones, the hashes of
/// this machine say.
fn of_different_hints(store: &KeyedLimiter) -> [u32; 5] {
    let view = store.table.era.view();
    let hint = |key: &u32| view.place(store.hash(key), store.table.shape).key.hint();
    let mut hints = BTreeSet::from([0]);
    let keys: Vec<_> = (0..999).filter(|key| hints.insert(hint(key))).take(5).collect();
    keys.try_into().unwrap()
}

/// Who comes back to a full bucket may be one to establish: if four are, or it is one of them, there is no question.
#[test]
fn regulars_and_those_beside_four_of_them_are_not_looked_at_twice() {
    let store = fixed(TENS, Capacity::keys(1));
    let keys = of_different_hints(&store);
    let visit = |keys: &[u32], millis| {
        for key in keys {
            assert!(store.check(key, at(millis)).is_admitted());
        }
    };
    visit(&keys[..3], 1_000);
    visit(&keys, 2_000);
    assert_eq!(store.stats(at(2_000)).established(), 3);
    assert_eq!(keys.map(|key| is_plain(&store, key, 3_000)), [true, true, true, false, false]);
    visit(&keys[3..4], 3_000);
    assert_eq!([keys[3], keys[4]].map(|key| is_plain(&store, key, 4_000)), [true, true]);
    assert!(!is_plain(&store, keys[0], 63_200), "it may have aged out");
}

/// Of the set that a key has its place in, and not of the other one.
#[test]
fn newcomers_beside_four_regulars_are_not_looked_at_twice_wherever_they_are() {
    let bytes = size_of::<KeyedLimiter>() + 40 * size_of::<Set>();
    let store = fixed(TENS, Capacity::bytes(bytes));
    for secs in 1..4 {
        for key in 0..260_u32 {
            let _ = store.check(&key, at(1_000 * secs));
        }
    }
    let (view, frame) = (store.table.era.view(), store.table.clock.frame());
    let is_newcomer = |key: &u32| {
        let place = view.place(store.hash(key), store.table.shape);
        matches!(store.table.look(&place, frame), Look::Seated(spot) if !spot.word.is_established())
    };
    let newcomers: Vec<_> = (0..260).filter(is_newcomer).collect();
    let plain = newcomers.iter().filter(|key| is_plain(&store, **key, 4_000)).count();
    assert!(newcomers.len() > 60 && plain * 10 > newcomers.len() * 9, "{plain} of {newcomers:?}");
}
