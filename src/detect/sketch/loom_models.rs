//! loom models of the sketches: `RUSTFLAGS="--cfg loom" cargo test -p portcullis --release --lib loom_sketch`.
//!
//! Sketches are smaller here than in a gate: each word is a step of a schedule.

use std::vec::Vec;

use loom::{sync::Arc, thread};

use super::{Distinct, HotKeys, Known, Recent, Top, streams};
use crate::{detect::KeyedHash, time::Timestamp};

/// Runs `model` for every schedule of up to this many preemptions.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(model);
}

const REGULAR: u64 = 7;

/// Networks in which one is known, and the part that it is in.
fn known() -> (Arc<Known>, usize) {
    let known = Known::new(KeyedHash::with_key([1, 2]));
    let part = known.part_of(REGULAR);
    known.note(REGULAR);
    (0..2).for_each(|_| known.promote_step(part));
    assert!(known.contains(REGULAR));
    (Arc::new(known), part)
}

/// I1 of known networks: while generations are rotated, who is known is known at every moment.
///
/// Without Acquire and Release a reader finds the current generation emptied, and not yet what the old one was filled with.
#[test]
fn loom_sketch_known_a_rotation_hides_nobody() {
    explore(3, || {
        let (known, part) = known();
        let rotating = Arc::clone(&known);
        let rotator = thread::spawn(move || rotating.rotate_step(part));
        let reader = thread::spawn(move || {
            for _ in 0..2 {
                assert!(known.contains(REGULAR), "not known while it is moved");
            }
        });
        rotator.join().unwrap();
        reader.join().unwrap();
    });
}

/// I1: nor does a promotion, whatever is noted meanwhile; and what was noted is known at last, if it is noted again.
#[test]
fn loom_sketch_known_a_promotion_hides_nobody() {
    explore(3, || {
        let (known, part) = known();
        // Another network of the same part.
        let newcomer = (0..).find(|key| *key != REGULAR && known.part_of(*key) == part).unwrap();
        let [promoting, noting] = [Arc::clone(&known), Arc::clone(&known)];
        let promoter = thread::spawn(move || promoting.promote_step(part));
        let noter = thread::spawn(move || {
            noting.note(newcomer);
            assert!(noting.contains(REGULAR));
        });
        promoter.join().unwrap();
        noter.join().unwrap();
        known.note(newcomer);
        (0..2).for_each(|_| known.promote_step(part));
        assert!(known.contains(newcomer) && known.contains(REGULAR));
    });
}

/// The key with this register, of eight in a word, and a run of so many.
fn key(register: u64, run: u32) -> u64 {
    register << 60 | 1 << (60 - run)
}

fn estimate(keys: &[u64]) -> f64 {
    let alone = Distinct::new();
    keys.iter().for_each(|key| alone.add(*key));
    alone.estimate_and_clear()
}

/// Registers of one word are raised at a time, and the same one too: none gets lost.
#[test]
fn loom_sketch_distinct_registers_of_a_word_are_all_raised() {
    for keys in [[key(0, 1), key(1, 2), key(2, 3)], [key(0, 1), key(0, 3), key(0, 2)]] {
        explore(3, move || {
            let distinct = Arc::new(Distinct::new());
            let threads = keys.map(|key| {
                let distinct = Arc::clone(&distinct);
                thread::spawn(move || distinct.add(key))
            });
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(distinct.estimate_and_clear().to_bits(), estimate(&keys).to_bits());
        });
    }
}

/// What is added while an estimate clears the registers counts before it or after it, once.
#[test]
fn loom_sketch_distinct_a_key_counts_before_a_clear_or_after_it() {
    explore(3, || {
        let distinct = Arc::new(Distinct::new());
        let keys = [key(0, 1), key(1, 2)];
        let adders = keys.map(|key| {
            let distinct = Arc::clone(&distinct);
            thread::spawn(move || distinct.add(key))
        });
        let clearing = Arc::clone(&distinct);
        let clearer = thread::spawn(move || clearing.estimate_and_clear());
        adders.into_iter().for_each(|adder| adder.join().unwrap());
        let before = clearer.join().unwrap().to_bits();
        let after = distinct.estimate_and_clear().to_bits();
        let mut all: Vec<(u64, u64)> = Vec::new();
        for sides in [[true, true], [true, false], [false, true], [false, false]] {
            let of = |side: bool| -> Vec<u64> {
                keys.into_iter()
                    .zip(sides)
                    .filter(|(_, at)| *at == side)
                    .map(|(key, _)| key)
                    .collect()
            };
            all.push((estimate(&of(true)).to_bits(), estimate(&of(false)).to_bits()));
        }
        assert!(all.contains(&(before, after)));
    });
}

/// What was said to be counted is told by one turn, and once.
#[test]
fn loom_sketch_hot_keys_what_is_counted_is_told_once() {
    explore(3, || {
        let hot = Arc::new(HotKeys::new());
        let adders = [1_u32, 2].map(|weight| {
            let hot = Arc::clone(&hot);
            thread::spawn(move || if hot.add(0, 7, weight) { f64::from(weight) } else { 0.0 })
        });
        // All is forgotten that was told.
        let turn = |hot: &HotKeys| {
            let mut top = Top::new(1);
            let is_turned = hot.turn(0, 0.0, None, &mut top);
            let of_key: f64 = top.iter().map(|key| key.count).sum();
            assert!((top.total() - of_key).abs() < 1e-9);
            (is_turned, top.total())
        };
        let turning = Arc::clone(&hot);
        let turner = thread::spawn(move || turn(&turning).1);
        let added: f64 = adders.into_iter().map(|adder| adder.join().unwrap()).sum();
        let told = turner.join().unwrap();
        let (is_turned, left) = turn(&hot);
        assert!(is_turned, "nobody is there");
        assert!((told + left - added).abs() < 1e-9, "{told} + {left} of {added}");
    });
}

fn held(recent: &Recent) -> Vec<(Timestamp, bool)> {
    let mut into = Vec::with_capacity(2);
    recent.copy_into(&mut into, Timestamp::ZERO);
    into.iter().map(|seen| (seen.at, seen.good)).collect()
}

/// I1 and I2 of the last requests: one place, and two that are put there; one of them is told to have been good.
#[test]
fn loom_sketch_recent_a_ticket_marks_its_own_request_or_none() {
    explore(3, || {
        let recent = Arc::new(Recent::new(1));
        let [one, other] = [1, 2].map(Timestamp::from_secs);
        let [putting, marking, reading] = [(); 3].map(|()| Arc::clone(&recent));
        let put = |recent: &Recent, at: Timestamp| {
            let (seen, words) = streams::request(at.as_nanos(), at);
            recent.put(seen, words)
        };
        let putter = thread::spawn(move || put(&putting, one));
        let marker = thread::spawn(move || {
            let ticket = put(&marking, other);
            ticket.into_iter().for_each(|ticket| marking.mark_good(ticket));
            ticket
        });
        let reader = thread::spawn(move || {
            assert!(held(&reading).iter().all(|(at, good)| *at == other || !good));
        });
        let tickets = [(putter.join().unwrap(), one), (marker.join().unwrap(), other)];
        reader.join().unwrap();
        // The higher of the tickets that were given, if any was.
        let newest = tickets.into_iter().filter_map(|(ticket, at)| Some((ticket?, at))).max();
        let left = held(&recent);
        assert_eq!(left.first().map(|(at, _)| *at), newest.map(|(_, at)| at));
        assert!(left.iter().all(|(at, good)| *at == other || !good));
    });
}
