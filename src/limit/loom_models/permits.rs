//! Permits: the word, and the table with a place per key.

use std::vec::Vec;

use loom::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use super::explore;
use crate::limit::{KeyedPermits, Permit, Permits};

/// Spawns one thread per entry, each asking for its units; returns the permits, all of them alive.
fn race(permits: &Permits, asks: &[u32]) -> Vec<Permit> {
    let threads: Vec<_> = asks
        .iter()
        .map(|&n| {
            let permits = permits.clone();
            thread::spawn(move || permits.try_acquire_n(n))
        })
        .collect();
    threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
}

/// I2, and no unit is lost.
#[test]
fn loom_permits_two_acquirers_share_one() {
    explore(|| {
        let permits = Permits::new(1);
        let out = race(&permits, &[1, 1]);
        assert_eq!((out.len(), permits.in_use()), (1, 1));
        drop(out);
        assert_eq!(permits.in_use(), 0);
    });
}

/// I2, and no unit is lost.
#[test]
fn loom_permits_three_acquirers_share_two() {
    explore(|| {
        let permits = Permits::new(2);
        let out = race(&permits, &[1, 1, 1]);
        assert_eq!((out.len(), permits.in_use()), (2, 2));
    });
}

#[test]
fn loom_permits_are_taken_whole_or_not_at_all() {
    explore(|| {
        let permits = Permits::new(3);
        let taken: u32 = race(&permits, &[2, 2, 1]).iter().map(Permit::units).sum();
        assert_eq!(taken, 3, "one of the twos and the one");
        assert_eq!(permits.in_use(), 0);
    });
}

/// I1: what comes back while others acquire is neither lost nor there twice.
#[test]
fn loom_permits_acquire_against_release() {
    explore(|| {
        let permits = Permits::new(2);
        let held = permits.try_acquire().unwrap();
        let releaser = thread::spawn(move || drop(held));
        let out = race(&permits, &[1, 1]);
        releaser.join().unwrap();
        assert!((1..=2).contains(&out.len()));
        assert_eq!(permits.in_use() as usize, out.len());
        assert_eq!(permits.try_acquire().is_some(), out.len() == 1);
    });
}

/// I4: what a holder did, with no ordering of its own, the next one sees.
#[test]
fn loom_permits_hand_over_what_was_done() {
    explore(|| {
        let permits = Permits::new(1);
        let work = Arc::new(AtomicU32::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (permits, work) = (permits.clone(), Arc::clone(&work));
                thread::spawn(move || {
                    let Some(_permit) = permits.try_acquire() else { return 0 };
                    work.store(work.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                    1
                })
            })
            .collect();
        let done: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(work.load(Ordering::Relaxed), done);
    });
}

/// I4, across a change of the limit in between: it does not hide the release from the acquirer.
#[test]
fn loom_permits_hand_over_across_a_new_limit() {
    explore(|| {
        let permits = Permits::new(1);
        let work = Arc::new(AtomicU32::new(0));
        let held = permits.try_acquire().unwrap();
        let holder = {
            let work = Arc::clone(&work);
            thread::spawn(move || {
                work.store(1, Ordering::Relaxed);
                drop(held);
            })
        };
        let changer = {
            let permits = permits.clone();
            thread::spawn(move || permits.set_limit(1))
        };
        let next = {
            let (permits, work) = (permits.clone(), Arc::clone(&work));
            thread::spawn(move || {
                if permits.try_acquire().is_some() {
                    assert_eq!(work.load(Ordering::Relaxed), 1);
                }
            })
        };
        for thread in [holder, changer, next] {
            thread.join().unwrap();
        }
    });
}

/// I4: who sees nothing in use sees what was done.
#[test]
fn loom_permits_in_use_tells_that_all_is_done() {
    explore(|| {
        let permits = Permits::new(1);
        let work = Arc::new(AtomicU32::new(0));
        let held = permits.try_acquire().unwrap();
        let holder = {
            let work = Arc::clone(&work);
            thread::spawn(move || {
                work.store(1, Ordering::Relaxed);
                drop(held);
            })
        };
        let waiter = thread::spawn(move || {
            if permits.in_use() == 0 {
                assert_eq!(work.load(Ordering::Relaxed), 1);
            }
        });
        holder.join().unwrap();
        waiter.join().unwrap();
    });
}

/// I2, with a limit that is lowered meanwhile: whoever comes after the change keeps to it.
#[test]
fn loom_permits_set_limit_against_acquire() {
    explore(|| {
        let permits = Permits::new(2);
        let changer = {
            let permits = permits.clone();
            thread::spawn(move || {
                permits.set_limit(1);
                permits.in_use()
            })
        };
        let out = race(&permits, &[1, 1]);
        let seen = changer.join().unwrap();
        assert_eq!((permits.limit(), permits.in_use() as usize), (1, out.len()));
        assert!(!out.is_empty());
        assert!(out.len() < 2 || seen == 2, "a second one was granted under the limit of one");
    });
}

/// I1 with all three at once: a change of the limit loses neither units nor a release.
#[test]
fn loom_permits_set_limit_against_release() {
    explore(|| {
        let permits = Permits::new(1);
        let held = permits.try_acquire().unwrap();
        let releaser = thread::spawn(move || drop(held));
        let changer = {
            let permits = permits.clone();
            thread::spawn(move || permits.set_limit(2))
        };
        let out = race(&permits, &[1]);
        releaser.join().unwrap();
        changer.join().unwrap();
        assert_eq!((permits.limit(), permits.in_use() as usize), (2, out.len()));
    });
}

/// I1 and I2 of the table: two new keys and one place, and one key that two bring at once.
#[test]
fn loom_permits_keyed_newcomers_never_share_a_place_or_take_two() {
    for (keys, expected) in [([1, 2], 1), ([1, 1], 2)] {
        explore(move || {
            let permits = KeyedPermits::new(2, 1);
            let threads: Vec<_> = keys
                .iter()
                .map(|&key| {
                    let permits = permits.clone();
                    thread::spawn(move || permits.try_acquire(&key))
                })
                .collect();
            let out: Vec<_> = threads.into_iter().map(|it| it.join().unwrap()).collect();
            assert_eq!(out.iter().flatten().count(), expected);
            assert_eq!(permits.len(), 1);
            drop(out);
            assert!(permits.is_empty());
        });
    }
}

/// I1 of the table: the last permit of a key goes while another is acquired, and a third key waits.
#[test]
fn loom_permits_keyed_acquire_against_the_last_release() {
    explore(|| {
        let permits = KeyedPermits::new(1, 1);
        let held = permits.try_acquire(&1).unwrap();
        let releaser = thread::spawn(move || drop(held));
        let threads: Vec<_> = [1, 2]
            .iter()
            .map(|&key| {
                let permits = permits.clone();
                thread::spawn(move || permits.try_acquire(&key))
            })
            .collect();
        let out: Vec<_> = threads.into_iter().map(|it| it.join().unwrap()).collect();
        releaser.join().unwrap();
        assert!(out.iter().flatten().count() <= 1);
        assert_eq!(permits.len(), out.iter().flatten().count());
        assert_eq!(permits.in_use(&1) + permits.in_use(&2), permits.len() as u32);
    });
}

/// I3 of the table, with a limit that is lowered meanwhile.
#[test]
fn loom_permits_keyed_set_limit_against_acquire() {
    explore(|| {
        let permits = KeyedPermits::new(2, 1);
        let changer = {
            let permits = permits.clone();
            thread::spawn(move || {
                permits.set_limit(1);
                permits.in_use(&1)
            })
        };
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let permits = permits.clone();
                thread::spawn(move || permits.try_acquire(&1))
            })
            .collect();
        let out: Vec<_> = threads.into_iter().map(|it| it.join().unwrap()).collect();
        let granted = out.iter().flatten().count();
        let seen = changer.join().unwrap();
        assert!(granted > 0);
        assert!(granted < 2 || seen == 2, "a second one was granted under the limit of one");
    });
}

/// I5 of the table: of two changes of the limit at once, every key gets the same one.
#[test]
fn loom_permits_keyed_two_changes_of_the_limit_do_not_mix() {
    explore(|| {
        // Enough for two shards.
        let permits = KeyedPermits::new(1, 2_048);
        let changers: Vec<_> = [2, 3]
            .iter()
            .map(|&limit| {
                let permits = permits.clone();
                thread::spawn(move || permits.set_limit(limit))
            })
            .collect();
        for changer in changers {
            changer.join().unwrap();
        }
        let limit = permits.limit();
        for key in 0..16 {
            assert!(permits.try_acquire_n(&key, limit + 1).is_none());
            assert!(permits.try_acquire_n(&key, limit).is_some());
        }
    });
}
