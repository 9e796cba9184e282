//! The store over hostile keys: sets as they are, seven ways each, and more keys than ways.
//!
//! The mutants are some of those of the loom models: what random schedules do not find where a rule is broken, they would not
//! find in the protocol. Not found, in 120,000 schedules, was a charge in an era that has ended (`Rule::BucketsAreOfTheirEra`),
//! which loom takes minutes for: the other rules leave it a moment only.

use core::time::Duration;
use std::{sync::Arc, vec, vec::Vec};

use super::{Call, NOW, peeked};
use crate::{
    limit::{
        keyed::{Capacity, KeyedLimiter},
        keyed_rules::Rule,
        reference::{Answer, Keyed},
    },
    quota::Quota,
    schedules::{
        Clock, Dice, Done, Reference, assert_explained, done, explore, explore_times, together,
    },
    time::Timestamp,
};

const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

/// One set.
fn store(quota: Quota) -> KeyedLimiter {
    let limiter = KeyedLimiter::danger_with_seeds(quota, 0, Capacity::keys(1), SEEDS).unwrap();
    assert_eq!(limiter.stats(NOW).places(), 7);
    limiter
}

/// The bucket of one key.
#[derive(Clone, Debug)]
struct Key(Keyed);

impl Reference for Key {
    type Call = Call;
    type Answer = Option<Answer>;

    fn perform(&mut self, call: &Call) -> Option<Answer> {
        match *call {
            Call::Check(n, now) => Some(self.0.check_n(1, n, now)),
            Call::Peek(n, now) => Some(peeked(self.0.peek_n(1, n, now))),
            Call::Refund(n, now) => {
                self.0.refund_n(1, n, now);
                None
            }
            Call::Charge(n, now) => {
                self.0.charge_n(1, n, now);
                None
            }
            Call::Become(quota, now) => {
                assert!(self.0.set_quota(quota, now));
                None
            }
        }
    }
}

fn perform(store: &KeyedLimiter, key: u64, call: Call) -> Option<Answer> {
    match call {
        Call::Check(n, now) => Some(store.check_n(&key, n, now).into()),
        Call::Peek(n, now) => Some(peeked(store.peek_n(&key, n, now).into())),
        Call::Refund(n, now) => {
            store.refund_n(&key, n, now);
            None
        }
        Call::Charge(n, now) => {
            let _ = store.charge_n(&key, n, now);
            None
        }
        Call::Become(..) => unreachable!("changes have a model of their own"),
    }
}

/// Where all keys have a place, and nothing is changed, a key's answers are those of a bucket of its own in some order.
#[test]
fn shuttle_keyed_each_answer_is_that_of_some_order_of_the_keys_own_calls() {
    explore(|| {
        let dice = Dice;
        let quota = Quota::per_second(10).burst(3);
        let limiter = Arc::new(store(quota));
        let clock = Clock::at(NOW);
        let shared = Arc::clone(&limiter);
        let told: Vec<Vec<(u64, Done<Call, Option<Answer>>)>> = together(4, move |_| {
            let call = |_| {
                // Clocks differ by less than what the store calls a lag.
                let now = clock.pass(Duration::from_micros(dice.of(&[0, 0, 0, 40])));
                let key = dice.below(3);
                (key, done(Call::any(dice, 3, now), |call| perform(&shared, key, call)))
            };
            (0..5).map(call).collect()
        });
        for key in 0..3 {
            let own = |thread: &Vec<(u64, Done<_, _>)>| {
                thread.iter().filter(|(of, _)| *of == key).map(|(_, done)| done.clone()).collect()
            };
            let of_key: Vec<Vec<_>> = told.iter().map(own).collect();
            assert_explained(&Key(Keyed::new(quota, 0).unwrap()), &of_key, |_| true);
        }
    });
}

/// What a key was admitted, and when.
struct Event {
    key: u64,
    at: Timestamp,
    units: u32,
}

/// I1: in no interval does a key get more than its burst, and what comes meanwhile (but a 64th of a unit for rounding).
fn assert_bounds(events: &[Event], quota: Quota) {
    for first in events {
        let later = events.iter().filter(|event| event.key == first.key && event.at >= first.at);
        let mut later: Vec<_> = later.collect();
        later.sort_by_key(|event| event.at);
        let mut sum = 0;
        for event in later {
            sum += event.units;
            let passed = event.at.saturating_duration_since(first.at).as_secs_f64();
            let most =
                f64::from(quota.max_burst()) + f64::from(quota.count()) * passed + 1.0 / 64.0;
            assert!(f64::from(sum) <= most, "{sum} are too many, at most {most}");
        }
    }
}

/// I1 and I5: more keys than places, which change hands all the time, clocks that lag a little, and changes of the seed
/// meanwhile: keys move, claims are overtaken, and nobody gets more than the bound.
fn keys_that_compete(threads: usize, calls: usize, keys: u64, rotates: bool) {
    explore(move || {
        let dice = Dice;
        let quota = Quota::per_second(20).burst(dice.units(3));
        let limiter = Arc::new(store(quota));
        let clock = Clock::at(NOW);
        let shared = Arc::clone(&limiter);
        let events = together(threads, move |thread| {
            let mut events = Vec::new();
            for _ in 0..calls {
                // All together less than the second by which clocks may differ.
                let at = clock.pass(Duration::from_millis(dice.of(&[0, 0, 1, 10, 20])));
                let now = match dice.below(6) {
                    0 => Timestamp::from_nanos(at.as_nanos() - dice.below(30_000_000)),
                    _ => at,
                };
                if rotates && thread == 0 && dice.below(3) == 0 {
                    let _ = shared.rotate_seed(now);
                    continue;
                }
                let (key, units) = (dice.below(keys), dice.units(2).min(quota.max_burst()));
                if shared.check_n(&key, units, now).is_admitted() {
                    events.push(Event { key, at: now, units });
                }
            }
            events
        });
        let events: Vec<Event> = events.into_iter().flatten().collect();
        assert_bounds(&events, quota);
    });
}

#[test]
fn shuttle_keyed_keys_that_compete_for_ways_keep_to_their_bounds() {
    keys_that_compete(4, 8, 12, false);
}

#[test]
fn shuttle_keyed_keys_that_move_keep_to_their_bounds() {
    keys_that_compete(4, 8, 4, true);
}

#[test]
fn shuttle_keyed_keys_that_compete_and_move_keep_to_their_bounds() {
    keys_that_compete(5, 8, 14, true);
}

/// Checks of one key among changes of the seed, at one instant: never more than the burst, and no unit is given that was
/// taken.
#[test]
fn shuttle_keyed_charges_among_changes_of_the_seed_are_counted() {
    explore(|| {
        let dice = Dice;
        let limiter = Arc::new(store(Quota::per_second(1).burst(2)));
        let shared = Arc::clone(&limiter);
        let admitted = together(4, move |thread| {
            let mut admitted = 0;
            for _ in 0..3 {
                match thread {
                    0 => drop(shared.rotate_seed(NOW)),
                    _ if dice.below(5) == 0 => drop(shared.check(&"other", NOW)),
                    _ => admitted += u32::from(shared.check(&"key", NOW).is_admitted()),
                }
            }
            admitted
        });
        let admitted: u32 = admitted.into_iter().sum();
        assert!(admitted <= 2, "{admitted} are too many, at most 2");
        assert!(limiter.check_n(&"key", 2, NOW).is_denied() || admitted == 0);
    });
}

/// The same around one change, where claims are overtaken and buckets move under those that charge them.
fn charges_around_a_change(broken: Option<Rule>) {
    // What is broken is found among some thousands.
    explore_times((if broken.is_some() { 40 } else { 1 }, 1), move || {
        Rule::keep_all();
        let dice = Dice;
        let limiter = Arc::new(store(Quota::per_second(1).burst(2)));
        let _ = limiter.peek_n(&"nobody", 1, NOW);
        let mut left = 2;
        if dice.below(2) == 0 {
            assert!(limiter.check(&"key", NOW).is_admitted());
            left = 1;
        }
        broken.map(Rule::break_it);
        let shared = Arc::clone(&limiter);
        let admitted = together(3, move |thread| {
            let checks = if thread == 0 { 2 } else { dice.units(2) };
            if thread == 0 {
                shared.rotate_seed(NOW).unwrap();
            }
            (0..checks).map(|_| u32::from(shared.check(&"key", NOW).is_admitted())).sum::<u32>()
        });
        let admitted: u32 = admitted.into_iter().sum();
        assert!(admitted <= left, "{admitted} are too many, at most {left}");
    });
}

#[test]
fn shuttle_keyed_charges_around_a_change_are_counted() {
    charges_around_a_change(None);
}

#[test]
#[should_panic(expected = "too many")]
fn shuttle_keyed_mutant_admit_on_a_lost_exchange() {
    charges_around_a_change(Some(Rule::NeverOnALostExchange));
}

#[test]
#[should_panic(expected = "too many")]
fn shuttle_keyed_mutant_move_without_closing() {
    charges_around_a_change(Some(Rule::CloseBeforeMoving));
}

#[test]
#[should_panic(expected = "too many")]
fn shuttle_keyed_mutant_claims_are_not_confirmed() {
    charges_around_a_change(Some(Rule::ClaimsAreConfirmed));
}

/// A change of the quota, and others of the seed, against checks: never more than the larger burst.
#[test]
fn shuttle_keyed_checks_during_changes_stay_below_the_larger_bound() {
    explore(|| {
        let dice = Dice;
        let [before, after] = [dice.units(3), dice.units(3)];
        let limiter = Arc::new(store(Quota::per_second(1).burst(before)));
        let shared = Arc::clone(&limiter);
        let admitted = together(4, move |thread| {
            let mut admitted = vec![0_u32; 2];
            for turn in 0..4 {
                match (thread, turn) {
                    (0, 2) => drop(shared.set_quota(Quota::per_second(1).burst(after), NOW)),
                    (0, _) => drop(shared.rotate_seed(NOW)),
                    _ => {
                        let key = usize::from(dice.below(4) == 0);
                        admitted[key] += u32::from(shared.check(&key, NOW).is_admitted());
                    }
                }
            }
            admitted
        });
        let most = before.max(after);
        for key in 0..2 {
            let admitted: u32 = admitted.iter().map(|admitted| admitted[key]).sum();
            assert!(admitted <= most, "{admitted} are too many, at most {most}");
        }
    });
}

/// I1 of snapshots: whatever is written while others check, nobody has more afterwards than before.
#[cfg(feature = "serde")]
#[test]
fn shuttle_keyed_a_snapshot_under_load_forgives_nobody() {
    explore(|| {
        let dice = Dice;
        let limiter = Arc::new(store(Quota::per_second(1).burst(2)));
        // These owe all that they can, and their places are not free.
        let full: Vec<u64> = (0..3).collect();
        for key in &full {
            assert!(limiter.check_n(key, 2, NOW).is_admitted());
        }
        let shared = Arc::clone(&limiter);
        let made = together(4, move |thread| {
            if thread == 0 {
                return Some(shared.snapshot(NOW));
            }
            for _ in 0..3 {
                match dice.below(8) {
                    0 => drop(shared.rotate_seed(NOW)),
                    _ => drop(shared.check(&dice.below(9), NOW)),
                }
            }
            None
        });
        let snapshot = made.into_iter().flatten().next().unwrap();
        let restored = KeyedLimiter::restore(&snapshot, Duration::ZERO, NOW).unwrap();
        for key in full {
            assert!(restored.check(&key, NOW).is_denied(), "key {key} is forgiven");
        }
    });
}
