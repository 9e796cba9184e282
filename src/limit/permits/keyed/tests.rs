use core::hash::{Hash, Hasher};
use std::{
    collections::HashMap,
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    vec::Vec,
};

use proptest::prelude::*;

use super::KeyedPermits;
use crate::{
    limit::{OnSaturation, Permit, permits::tests::cancelled},
    test_support::rounds,
};

#[derive(Clone, Copy, Debug)]
enum Op {
    Acquire(u8, u32),
    /// The permit that has this place among those alive, going round.
    Release(usize),
    SetLimit(u32),
}

#[test]
fn a_key_is_there_while_it_holds_a_permit() {
    let permits = KeyedPermits::new(1, 5);
    assert!(permits.is_empty());
    let permit = permits.try_acquire(&1).unwrap();
    assert_eq!((permits.is_empty(), permits.len()), (false, 1));
    drop(permit);
    assert_eq!((permits.is_empty(), permits.len()), (true, 0));
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..8_u8, 0..4_u32).prop_map(|(key, n)| Op::Acquire(key, n)),
        1 => (0..8_u8, any::<u32>()).prop_map(|(key, n)| Op::Acquire(key, n)),
        5 => any::<usize>().prop_map(Op::Release),
        1 => (0..6_u32).prop_map(Op::SetLimit),
    ]
}

proptest! {
    #![proptest_config(crate::test_support::cases(1_000))]

    /// I1, I2 and I3 of the table: as a map from keys to sums, with a key in it while it holds a unit.
    #[test]
    fn equals_a_map_of_what_is_out(
        mut limit in 0..6_u32,
        capacity in 0..6_usize,
        allow in any::<bool>(),
        ops in prop::collection::vec(any_op(), 0..80),
    ) {
        let answer = if allow { OnSaturation::Allow } else { OnSaturation::Deny };
        let permits = KeyedPermits::new(limit, capacity).on_saturation(answer);
        let mut out: Vec<(u8, Permit)> = Vec::new();
        let mut held: HashMap<u8, u32> = HashMap::new();
        let mut saturated = 0;
        for op in ops {
            match op {
                Op::Acquire(key, n) => {
                    let had = held.get(&key).copied().unwrap_or(0);
                    let fits = limit > 0 && n <= limit.saturating_sub(had);
                    let seated = n == 0 || had > 0 || held.len() < capacity;
                    saturated += u64::from(fits && !seated);
                    let granted = permits.try_acquire_n(&key, n);
                    prop_assert_eq!(granted.is_some(), fits && (seated || allow));
                    if let Some(permit) = granted {
                        prop_assert_eq!(permit.is_saturated(), !seated);
                        prop_assert_eq!(permit.units(), n);
                        if seated && n > 0 {
                            *held.entry(key).or_insert(0) += n;
                        }
                        out.push((key, permit));
                    }
                }
                Op::Release(which) if !out.is_empty() => {
                    let which = which % out.len();
                    let (key, permit) = out.swap_remove(which);
                    if permit.units() > 0 && !permit.is_saturated() {
                        *held.get_mut(&key).unwrap() -= permit.units();
                        held.retain(|_, units| *units > 0);
                    }
                }
                Op::Release(_) => {}
                Op::SetLimit(new) => {
                    permits.set_limit(new);
                    limit = new;
                }
            }
            for key in 0..8_u8 {
                prop_assert_eq!(permits.in_use(&key), held.get(&key).copied().unwrap_or(0));
            }
            prop_assert_eq!(permits.len(), held.len());
            prop_assert_eq!(permits.limit(), limit);
            prop_assert_eq!(permits.times_saturated(), saturated);
        }
        drop(out);
        prop_assert!(permits.is_empty());
    }
}

/// Who is here keeps the place, however many others come; and the place is free with the last permit.
#[test]
fn a_flood_of_keys_displaces_nobody() {
    let permits = KeyedPermits::new(2, 10);
    let regulars: Vec<Permit> = (0..10).map(|key| permits.try_acquire(&key).unwrap()).collect();
    for key in 10..10_000 {
        assert!(permits.try_acquire(&key).is_none());
    }
    assert_eq!(permits.times_saturated(), 9_990);
    for key in 0..10 {
        assert_eq!(permits.in_use(&key), 1);
        assert!(permits.try_acquire(&key).is_some());
    }
    drop(regulars);
    assert!(permits.is_empty());
    assert!(permits.try_acquire(&10_000).is_some());
}

/// I4 of the table; and with as many shards as there are, the capacity holds.
#[test]
fn capacity_holds_at_every_size_and_memory_is_what_it_says() {
    for capacity in [1, 7, 1_023, 1_024, 5_000, 100_000] {
        let permits = KeyedPermits::new(1, capacity);
        let empty = permits.memory_bytes();
        let out: Vec<Permit> =
            (0..capacity).map(|key| permits.try_acquire(&key).unwrap()).collect();
        assert_eq!(permits.len(), capacity);
        assert!(permits.capacity() >= capacity && permits.capacity() <= capacity + capacity / 4);
        drop(out);
        assert!(permits.is_empty());
        for key in capacity..2 * capacity {
            drop(permits.try_acquire(&key).unwrap());
        }
        assert_eq!(permits.memory_bytes(), empty, "nothing grows");
        let each = empty / capacity;
        assert!(capacity < 5_000 || (32..=60).contains(&each), "{each} bytes a key of {capacity}");
    }
}

/// I1 of the table: whatever becomes of the future, its permit and its place come back.
#[test]
fn ten_thousand_cancelled_futures_leak_nothing() {
    let permits = KeyedPermits::new(1, 4);
    cancelled::holders(
        10_000,
        |nth| permits.try_acquire(&(nth / 3)).expect("the one before is gone"),
        |nth| assert_eq!((permits.in_use(&(nth / 3)), permits.len()), (1, 1)),
    );
    assert!(permits.is_empty());
}

/// Also where the caller's own code fails, in the middle of an acquisition.
#[test]
fn a_panic_gives_the_permit_back() {
    struct Unhashable;
    impl Hash for Unhashable {
        fn hash<H: Hasher>(&self, _: &mut H) {
            panic::resume_unwind(std::boxed::Box::new("no hash"));
        }
    }
    let permits = KeyedPermits::new(1, 4);
    let ended = panic::catch_unwind(AssertUnwindSafe(|| {
        let _permit = permits.try_acquire("client").unwrap();
        permits.try_acquire(&Unhashable).is_some()
    }));
    assert!(ended.is_err());
    assert!(permits.is_empty());
    assert!(permits.try_acquire("client").is_some());
}

/// I2 and I3 of the table, by what the holders see of each other, while keys come and go.
#[test]
fn threads_never_hold_more_than_the_limit_of_a_key() {
    let permits = KeyedPermits::new(2, 3);
    let held: [AtomicU32; 5] = Default::default();
    let worst = AtomicU32::new(0);
    thread::scope(|scope| {
        for worker in 0..4_usize {
            let (permits, held, worst) = (&permits, &held, &worst);
            scope.spawn(move || {
                for turn in 0..rounds(5_000_usize, 40) {
                    let key = (turn + worker * turn / 7) % 5;
                    if let Some(permit) = permits.try_acquire(&key) {
                        let before = held[key].fetch_add(1, Ordering::SeqCst);
                        worst.fetch_max(before + 1, Ordering::SeqCst);
                        if turn % rounds(64, 4) == 0 {
                            thread::yield_now();
                        }
                        held[key].fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                }
            });
        }
    });
    assert!((1..=2).contains(&worst.into_inner()));
    assert!(permits.is_empty());
}

/// I5 of the table.
#[test]
fn two_changes_of_the_limit_do_not_mix() {
    let permits = KeyedPermits::new(1, rounds(100_000, 100));
    thread::scope(|scope| {
        for limit in [2, 3] {
            let permits = &permits;
            scope.spawn(move || (0..rounds(200, 20)).for_each(|_| permits.set_limit(limit)));
        }
    });
    let limit = permits.limit();
    for key in 0..rounds(1_000_u32, 20) {
        assert!(permits.try_acquire_n(&key, limit).is_some());
        assert!(permits.try_acquire_n(&key, limit + 1).is_none());
    }
}

#[test]
fn debug_is_short_and_tells_no_key() {
    let permits = KeyedPermits::new(1, 10_000);
    let permit = permits.try_acquire("a secret");
    let shown = std::format!("{permits:?} {permit:?}");
    assert!(shown.len() < 400 && !shown.contains("secret"), "{shown}");
}
