//! Random schedules of the sketches. `tests/models.md` says how to run them.

use std::{sync::Arc, vec, vec::Vec};

use super::{Distinct, HotKeys, Known, Latencies, Recent, Top, streams};
use crate::{
    detect::KeyedHash,
    schedules::{Dice, break_exchanges, explore, together},
    time::Timestamp,
};

/// I1 of known networks: regulars are known at every moment, through rotations, promotions, and whatever is noted.
#[test]
fn shuttle_sketch_known_regulars_are_always_known() {
    explore(|| {
        let dice = Dice;
        let known = Arc::new(Known::new(KeyedHash::with_key([1, 2])));
        let regulars: Vec<u64> = (1..=3).collect();
        let parts: Vec<usize> = regulars.iter().map(|key| known.part_of(*key)).collect();
        let renew = |known: &Known| {
            regulars.iter().for_each(|key| known.note(*key));
            parts.iter().for_each(|part| known.promote_step(*part));
            parts.iter().for_each(|part| known.promote_step(*part));
        };
        renew(&known);
        let shared = Arc::clone(&known);
        let (keys, of) = (regulars.clone(), parts.clone());
        together(4, move |thread| {
            if thread == 0 {
                // One rotation: it takes two to forget anybody.
                for (at, part) in of.iter().enumerate() {
                    if !of[..at].contains(part) {
                        shared.rotate_step(*part);
                    }
                    shared.promote_step(dice.of(&of));
                }
            } else {
                for _ in 0..6 {
                    match dice.below(4) {
                        0 => shared.note(dice.below(99)),
                        _ => assert!(shared.contains(dice.of(&keys)), "not known any more"),
                    }
                }
            }
        });
        assert!(regulars.iter().all(|key| known.contains(*key)));
    });
}

/// Whatever is added and cleared at a time: with one clear more than there were, all that was added has been estimated.
#[test]
fn shuttle_sketch_distinct_no_key_is_lost() {
    explore(|| {
        let dice = Dice;
        let distinct = Arc::new(Distinct::new());
        let shared = Arc::clone(&distinct);
        let seen = together(5, move |thread| {
            let mut seen = 0;
            for _ in 0..3 {
                if thread == 0 {
                    seen += u32::from(shared.estimate_and_clear() > 0.0);
                } else {
                    shared.add(dice.below(u64::MAX));
                }
            }
            seen
        });
        // Twelve keys: something is seen, before or after.
        assert!(seen[0] > 0 || distinct.estimate_and_clear() > 0.0);
    });
}

fn registers_are_those_of_all_keys() {
    explore(|| {
        let dice = Dice;
        let distinct = Arc::new(Distinct::new());
        let shared = Arc::clone(&distinct);
        let added = together(6, move |_| {
            let keys: Vec<u64> = (0..4).map(|_| dice.below(u64::MAX)).collect();
            keys.iter().for_each(|key| shared.add(*key));
            keys
        });
        let alone = Distinct::new();
        added.iter().flatten().for_each(|key| alone.add(*key));
        let [one, other] = [&*distinct, &alone].map(|it| it.estimate_and_clear().to_bits());
        assert_eq!(one, other);
    });
}

/// Without a clear meanwhile, the registers are those of the same keys one after the other.
#[test]
fn shuttle_sketch_distinct_registers_are_those_of_all_keys() {
    registers_are_those_of_all_keys();
}

#[test]
#[should_panic]
fn shuttle_sketch_distinct_mutant_exchanges_in_two_steps() {
    let _broken = break_exchanges();
    registers_are_those_of_all_keys();
}

/// What was said to be counted is told by the turns, once.
#[test]
fn shuttle_sketch_hot_keys_what_is_counted_is_told_once() {
    explore(|| {
        let dice = Dice;
        let hot = Arc::new(HotKeys::new());
        let turn = |hot: &HotKeys| {
            let mut top = Top::new(8);
            (0..HotKeys::STRIPES).for_each(|stripe| _ = hot.turn(stripe, 0.0, None, &mut top));
            top.total()
        };
        let shared = Arc::clone(&hot);
        let sums = together(5, move |thread| {
            if thread == 0 {
                return -turn(&shared) - turn(&shared);
            }
            let added = (0..4).map(|_| {
                let weight = dice.units(9);
                let stripe = usize::try_from(dice.below(4)).unwrap();
                if shared.add(stripe, dice.below(5) << 60 | 1, weight) {
                    f64::from(weight)
                } else {
                    0.0
                }
            });
            added.sum()
        });
        let left: f64 = sums.into_iter().sum();
        let told = turn(&hot);
        assert!((told - left).abs() < 1e-9, "{told} are left of {left}");
    });
}

/// I1 and I2 of the last requests, of which only some are good.
#[test]
fn shuttle_sketch_recent_tickets_mark_their_own_requests() {
    explore(|| {
        let dice = Dice;
        let recent = Arc::new(Recent::new(dice.of(&[1, 2, 3])));
        let shared = Arc::clone(&recent);
        // A request says by its time who has put it in: good ones come at even times.
        let held = |recent: &Recent| {
            let mut into = Vec::with_capacity(8);
            recent.copy_into(&mut into, Timestamp::ZERO);
            for seen in &into {
                assert!(!seen.good || seen.at.as_nanos() % 2 == 0, "another one's request");
            }
            into.len()
        };
        let newest = together(5, move |thread| {
            let mut newest = None;
            for turn in 0..4_u64 {
                if thread == 0 {
                    held(&shared);
                    continue;
                }
                let is_good = dice.below(2) == 0;
                let at = (u64::try_from(thread).unwrap() * 100 + turn) * 2 + u64::from(!is_good);
                let (seen, words) = streams::request(at, Timestamp::from_nanos(at));
                let Some(ticket) = shared.put(seen, words) else { continue };
                newest = Some((ticket, at));
                if is_good {
                    shared.mark_good(ticket);
                }
            }
            newest
        });
        assert!(held(&recent) > 0);
        // The request with the highest ticket of all is still there.
        let (_, at) = newest.into_iter().flatten().max().unwrap();
        let mut into = Vec::with_capacity(8);
        recent.copy_into(&mut into, Timestamp::ZERO);
        assert!(into.iter().any(|seen| seen.at.as_nanos() == at));
    });
}

/// Durations are in one answer each.
#[test]
fn shuttle_sketch_latencies_are_taken_once() {
    explore(|| {
        let dice = Dice;
        let latencies = Arc::new(Latencies::new());
        let shared = Arc::clone(&latencies);
        let taken = together(5, move |thread| {
            if thread == 0 {
                return shared.take().requests;
            }
            for _ in 0..4 {
                shared.add(core::time::Duration::from_micros(dice.below(100_000)));
            }
            0
        });
        let all: Vec<u64> = vec![taken.into_iter().sum(), latencies.take().requests];
        assert_eq!(all.iter().sum::<u64>(), 16);
    });
}
