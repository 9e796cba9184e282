//! Permits: never more than the limit, and all come back.

use std::{collections::BTreeMap, sync::Arc, vec::Vec};

use crate::{
    limit::{KeyedPermits, Permit, Permits},
    schedules::{Dice, Reference, assert_explained, break_exchanges, done, explore, together},
};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Acquire(u32, u32),
    Release(u32, u32),
    SetLimit(u32),
    InUse(u32),
    Limit,
}

/// Units by key, and how many keys there is room for.
#[derive(Clone, Debug)]
struct Model {
    limit: u32,
    keys: usize,
    in_use: BTreeMap<u32, u32>,
}

impl Reference for Model {
    type Call = Call;
    type Answer = u32;

    fn perform(&mut self, call: &Call) -> u32 {
        match *call {
            Call::Acquire(key, n) => {
                let in_use = self.in_use.get(&key).copied();
                let has_room = in_use.is_some() || self.in_use.len() < self.keys;
                let fits = in_use.unwrap_or(0) + n <= self.limit && has_room;
                if fits {
                    *self.in_use.entry(key).or_default() += n;
                }
                u32::from(fits)
            }
            Call::Release(key, n) => {
                let in_use = self.in_use.get_mut(&key).unwrap();
                *in_use -= n;
                if *in_use == 0 {
                    self.in_use.remove(&key);
                }
                0
            }
            Call::SetLimit(limit) => {
                self.limit = limit;
                0
            }
            Call::InUse(key) => self.in_use.get(&key).copied().unwrap_or(0),
            Call::Limit => self.limit,
        }
    }
}

/// What both kinds do.
trait Pool: Send + Sync + 'static {
    fn acquire(&self, key: u32, n: u32) -> Option<Permit>;
    fn set_limit(&self, limit: u32);
    fn in_use(&self, key: u32) -> u32;
    fn limit(&self) -> u32;
}

impl Pool for Permits {
    fn acquire(&self, _: u32, n: u32) -> Option<Permit> {
        self.try_acquire_n(n)
    }

    fn set_limit(&self, limit: u32) {
        self.set_limit(limit);
    }

    fn in_use(&self, _: u32) -> u32 {
        self.in_use()
    }

    fn limit(&self) -> u32 {
        self.limit()
    }
}

impl Pool for KeyedPermits {
    fn acquire(&self, key: u32, n: u32) -> Option<Permit> {
        self.try_acquire_n(&key, n)
    }

    fn set_limit(&self, limit: u32) {
        self.set_limit(limit);
    }

    fn in_use(&self, key: u32) -> u32 {
        self.in_use(&key)
    }

    fn limit(&self) -> u32 {
        self.limit()
    }
}

/// Four threads of five calls, of which what was acquired is kept, handed back in any order, and what is left at the end.
fn race(pool: &Arc<impl Pool>, keys: u32, room: usize, limit: u32) {
    let dice = Dice;
    let model = Model { limit, keys: room, in_use: BTreeMap::new() };
    let shared = Arc::clone(pool);
    let told = together(4, move |_| {
        let mut held: Vec<(u32, u32, Permit)> = Vec::new();
        let mut told: Vec<_> = (0..5)
            .map(|_| {
                let key = if keys == 1 { 0 } else { dice.units(keys) };
                let call = match dice.below(10) {
                    0 => Call::SetLimit(dice.units(4)),
                    1 => Call::InUse(key),
                    2 => Call::Limit,
                    3 | 4 if !held.is_empty() => Call::Release(held[0].0, held[0].1),
                    _ => Call::Acquire(key, dice.units(2)),
                };
                done(call, |call| match call {
                    Call::Acquire(key, n) => {
                        let permit = shared.acquire(key, n);
                        let got = u32::from(permit.is_some());
                        held.extend(permit.map(|permit| (key, n, permit)));
                        got
                    }
                    Call::Release(..) => {
                        drop(held.remove(0));
                        0
                    }
                    Call::SetLimit(limit) => {
                        shared.set_limit(limit);
                        0
                    }
                    Call::InUse(key) => shared.in_use(key),
                    Call::Limit => shared.limit(),
                })
            })
            .collect();
        for (key, n, permit) in held {
            told.push(done(Call::Release(key, n), |_| {
                drop(permit);
                0
            }));
        }
        told
    });
    assert_explained(&model, &told, |model| model.in_use.is_empty());
    assert!((0..=keys).all(|key| pool.in_use(key) == 0), "not all came back");
}

/// I1, I2 and I4 of permits.
#[test]
fn shuttle_permits_each_answer_is_that_of_some_order() {
    explore(|| {
        let limit = Dice.units(4);
        race(&Arc::new(Permits::new(limit)), 1, 1, limit);
    });
}

/// The same of the table, with more keys than places.
#[test]
fn shuttle_permits_keyed_each_answer_is_that_of_some_order() {
    explore(|| {
        let (limit, room) = (Dice.units(3), Dice.of(&[1, 2, 3]));
        let permits = KeyedPermits::new(limit, room);
        assert_eq!(permits.capacity(), room);
        race(&Arc::new(permits), 3, room, limit);
    });
}

fn never_are_more_at_work_than_the_limit() {
    explore(|| {
        let limit = Dice.units(3);
        let permits = Permits::new(limit);
        let at_work = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let shared = permits.clone();
        together(6, move |_| {
            use std::sync::atomic::Ordering::SeqCst;
            for _ in 0..4 {
                let Some(permit) = shared.try_acquire() else { continue };
                let before = at_work.fetch_add(1, SeqCst);
                assert!(before < limit, "{} are too many, at most {limit}", before + 1);
                shuttle::thread::yield_now();
                at_work.fetch_sub(1, SeqCst);
                drop(permit);
            }
        });
        assert_eq!(permits.in_use(), 0);
    });
}

/// I2 at every moment, not only in what is answered: as many are at work as there are permits out.
#[test]
fn shuttle_permits_never_are_more_at_work_than_the_limit() {
    never_are_more_at_work_than_the_limit();
}

#[test]
#[should_panic]
fn shuttle_permits_mutant_exchanges_in_two_steps() {
    let _broken = break_exchanges();
    never_are_more_at_work_than_the_limit();
}
