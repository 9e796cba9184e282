//! Limits of a fleet: many checks of one node, and a store that answers, fails, or is not asked after all.

use std::{
    sync::{Arc, Mutex},
    vec::Vec,
};

use shuttle::{future::block_on, thread};

use super::NOW;
use crate::{
    limit::remote::{
        Answer, Claim, Fleet, FleetLimit, FleetSettings, OnFailure, Step, StoreError,
        reference::Server,
    },
    quota::Quota,
    schedules::{Dice, explore, together},
};

/// A node, and its store. The store's lock is no step of a schedule: nobody is interrupted in it.
#[derive(Clone)]
struct Rig {
    fleet: Fleet,
    limit: FleetLimit,
    store: Arc<Mutex<Server>>,
}

impl Rig {
    fn new(burst: u32) -> Self {
        let fleet = Fleet::danger_with_seed(FleetSettings::new().keys(1), 1).unwrap();
        let quota = Quota::per_day(1).burst(burst);
        let limit = fleet.limit("limit", quota, OnFailure::Local).unwrap();
        Self { fleet, limit, store: Arc::new(Mutex::new(Server::new(1_000_000))) }
    }

    /// A whole check; the units that were admitted. Whatever happens to calls, it ends.
    fn check(&self, dice: Dice, units: u32, fails: bool) -> u32 {
        let claims = [Claim::new(&self.limit, self.fleet.subject(b"a"), units)];
        let mut held = self.fleet.begin(NOW);
        loop {
            held = match self.fleet.step(&claims, held, NOW) {
                Step::Decided(answers) => {
                    let is_admitted = matches!(answers.get(0), Some(Answer::Admitted(_)));
                    return if is_admitted { units } else { 0 };
                }
                Step::Wait(wait) => block_on(wait),
                Step::Ask(ask) => match dice.below(if fails { 6 } else { 1 }) {
                    // Who has asked is not there any more.
                    1 => return 0,
                    2 => {
                        let failed: Vec<_> =
                            ask.calls().iter().map(|_| Err(StoreError::Timeout)).collect();
                        ask.finish(&failed, NOW)
                    }
                    _ => {
                        thread::yield_now();
                        let mut store = self.store.lock().unwrap();
                        let replies: Vec<_> =
                            ask.calls().iter().map(|call| Ok(store.answer(call))).collect();
                        drop(store);
                        thread::yield_now();
                        ask.finish(&replies, NOW)
                    }
                },
            };
        }
    }

    /// What is left in the lease, taken unit by unit.
    fn drain(&self) -> u32 {
        let claims = [Claim::new(&self.limit, self.fleet.subject(b"a"), 1)];
        (0..)
            .find(|_| match self.fleet.step(&claims, self.fleet.begin(NOW), NOW) {
                Step::Decided(answers) => !matches!(answers.get(0), Some(Answer::Admitted(_))),
                Step::Ask(_) => true,
                Step::Wait(wait) => panic!("{wait:?}"),
            })
            .unwrap()
    }
}

/// I1 of the keys and of the fetch: units that the store has granted are handed out once, and are in the lease if they were not;
/// whoever waits is woken (or all would stand still, which the checker tells).
#[test]
fn shuttle_remote_what_is_granted_is_handed_out_once() {
    explore(|| {
        let dice = Dice;
        let burst = 3 + dice.units(12);
        let rig = Rig::new(burst);
        let shared = rig.clone();
        let admitted = together(5, move |_| {
            (0..4).map(|_| shared.check(dice, dice.units(2), false)).sum::<u32>()
        });
        let admitted: u32 = admitted.into_iter().sum();
        let granted = u32::try_from(rig.store.lock().unwrap().granted()).unwrap();
        assert!(granted <= burst);
        assert!(admitted <= granted, "{admitted} are too many, at most {granted}");
        assert_eq!(admitted + rig.drain(), granted);
    });
}

/// The same with calls that fail and callers that go away: nothing is handed out that was not granted, and nobody waits for ever.
#[test]
fn shuttle_remote_calls_that_fail_hand_out_nothing() {
    explore(|| {
        let dice = Dice;
        let burst = 3 + dice.units(12);
        let rig = Rig::new(burst);
        let shared = rig.clone();
        let admitted = together(5, move |_| {
            (0..4).map(|_| shared.check(dice, dice.units(2), true)).sum::<u32>()
        });
        let admitted: u32 = admitted.into_iter().sum();
        let granted = u32::try_from(rig.store.lock().unwrap().granted()).unwrap();
        assert!(admitted + rig.drain() <= granted, "{admitted} are too many, at most {granted}");
    });
}
