use std::{collections::HashSet, sync::Arc, thread, vec, vec::Vec};

use proptest::prelude::*;

use super::{FALSE_AT_100_000, Known, LINES, MOST_BITS, WORDS, ones};
use crate::{
    detect::sketch::streams::{HASH, MANY, Random},
    test_support::{cases, rounds},
};

fn with(keys: impl Iterator<Item = u64>) -> Known {
    let known = Known::new(HASH);
    keys.for_each(|key| known.note(key));
    known.promote();
    known.promote();
    known
}

fn false_share(known: &Known) -> f64 {
    let others = 1_u64 << 40..(1 << 40) + 100_000;
    others.filter(|key| known.contains(*key)).count() as f64 / 100_000.0
}

/// I1: none is missed.
#[test]
fn what_was_promoted_is_known_for_one_to_two_rotations() {
    let keys = rounds(50_000, 500);
    let known = with(0..keys);
    let all = |known: &Known| (0..keys).all(|key| known.contains(key));
    assert!(all(&known));
    known.rotate();
    assert!(all(&known));
    known.rotate();
    assert!((0..keys).all(|key| !known.contains(key)));
    // A visit renews it.
    let known = with(0..10);
    known.rotate();
    known.note(3);
    known.promote();
    known.promote();
    known.rotate();
    assert_eq!((0..10).filter(|key| known.contains(*key)).collect::<Vec<u64>>(), [3]);
}

/// I2: an attack that begins just before a promotion, and is noticed before the next one.
#[test]
fn what_succeeds_only_before_an_attack_is_noticed_does_not_become_known() {
    let known = with(0..1_000);
    (1_000..1_100).for_each(|key| known.note(key));
    known.promote();
    let attackers = 5_000..rounds(15_000, 5_400);
    attackers.clone().for_each(|key| known.note(key));
    // Just in time for this promotion, and going on after it.
    known.promote();
    attackers.clone().for_each(|key| known.note(key));
    known.discard();
    known.promote();
    known.promote();
    let taken = attackers.filter(|key| known.contains(*key)).count();
    assert!(taken < 5, "{taken}");
    // Those who were on probation for long enough are not harmed.
    assert!((0..1_100).all(|key| known.contains(key)));
}

/// I3, measured, and the documented number computed.
#[test]
#[cfg_attr(miri, ignore = "statistics of 100,000 keys")]
fn false_answers_are_as_rare_as_said() {
    let known = with(0..100_000);
    let share = false_share(&known);
    assert!(share <= FALSE_AT_100_000, "{share}");
    assert!(share >= FALSE_AT_100_000 / 2.0, "{share}: there is room for more networks");
    let mean = 100_000.0 / LINES as f64;
    let (mut probability, mut expected) = ((-mean).exp(), 0.0);
    for n in 1..500 {
        probability *= mean / f64::from(n);
        expected += probability * (1.0 - (63.0_f64 / 64.0).powi(n)).powi(8);
    }
    assert!(expected < FALSE_AT_100_000 && expected > 0.8 * FALSE_AT_100_000, "{expected}");
    // Both generations.
    known.rotate();
    (200_000..300_000).for_each(|key| known.note(key));
    known.promote();
    known.promote();
    let share = false_share(&known);
    assert!(share <= 2.0 * FALSE_AT_100_000, "{share}");
}

/// I4, and that the filter says when it is too full.
#[test]
#[cfg_attr(miri, ignore = "statistics of 100,000 keys")]
fn however_many_networks_there_are_others_are_still_told_apart() {
    let known = Known::new(HASH);
    let before = known.memory_bytes();
    assert!(before <= (512 << 10) + 256, "{before}");
    let mut full_at = None;
    for many in 0..MANY / 20_000 {
        (many * 20_000..(many + 1) * 20_000).for_each(|key| known.note(key));
        known.promote();
        if known.is_full() {
            full_at.get_or_insert(many * 20_000);
        }
    }
    known.promote();
    assert_eq!(known.memory_bytes(), before);
    let full_at = full_at.unwrap();
    assert!((100_000..160_000).contains(&full_at), "{full_at}");
    assert!(false_share(&known) <= 0.1, "{}", false_share(&known));
    assert!(known.current.0.iter().all(|line| ones(&line.bits()) <= MOST_BITS));
    // All at once: no line takes them.
    let known = with(0..MANY);
    assert!(MANY < 1_000_000 || known.fill() == 0.0);
    assert!(false_share(&known) <= 0.1);
}

#[test]
#[cfg_attr(miri, ignore = "statistics of 100,000 keys")]
fn networks_are_estimated() {
    for networks in [0, 100, 1_000, 10_000, 100_000, 130_000] {
        let known = with(0..networks);
        let estimate = known.estimate();
        let off = (estimate - networks as f64).abs();
        // One part has a sixteenth of the networks.
        let deviation = 4.0 * (16.0 * networks as f64).sqrt();
        assert!(off <= deviation.max(0.03 * networks as f64), "{networks}: {estimate}");
    }
}

#[test]
fn what_is_saved_comes_back() {
    let (half, all) = (rounds(10_000, 300), rounds(20_000, 600));
    let known = with(0..half);
    known.rotate();
    (half..all).for_each(|key| known.note(key));
    known.promote();
    known.promote();
    let saved = known.save();
    assert_eq!(saved.len(), Known::SAVED);
    let restored = with(500_000..500_100);
    assert!(restored.restore(&saved));
    assert!((0..all).all(|key| restored.contains(key)));
    assert_eq!(restored.save(), saved);
    restored.rotate();
    assert!((half..all).all(|key| restored.contains(key)));
    // Too short or too long changes nothing, and one that knows everybody comes back empty.
    assert!(!restored.restore(&saved[1..]) && !restored.restore(&[]));
    assert!((half..all).all(|key| restored.contains(key)));
    assert!(restored.restore(&vec![u64::MAX; Known::SAVED]));
    assert!(restored.fill() == 0.0 && !restored.contains(1));
}

/// Nobody who is known all the time is taken for a stranger while the generations are rotated, and bits
/// of others do not appear.
#[test]
fn the_known_are_known_during_rotations() {
    let known = Arc::new(with(0..100));
    let threads = (0..3_u64).map(|number| {
        let known = Arc::clone(&known);
        #[allow(clippy::disallowed_methods, reason = "a test of threads")]
        thread::spawn(move || {
            let mut random = Random(number);
            for _ in 0..rounds(50_000, 100) {
                assert!(known.contains(random.below(100)));
                known.note(1_000 + random.below(100));
            }
        })
    });
    let threads: Vec<_> = threads.collect();
    for _ in 0..rounds(20, 3) {
        known.rotate();
        (0..100).for_each(|key| known.note(key));
        known.promote();
        known.promote();
        assert!((0..100).all(|key| known.contains(key)));
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!((2_000..2_100).filter(|key| known.contains(*key)).count() < 3);
}

#[derive(Clone, Debug)]
enum Step {
    Note(u64),
    Promote,
    Discard,
    Rotate,
}

proptest! {
    #![proptest_config(cases(64))]

    /// Sets of networks that are moved in the same way: all that they know is known, in whatever parts
    /// it is done, and next to nothing else.
    #[test]
    fn filters_know_what_sets_know(
        steps in prop::collection::vec(prop_oneof![
            8 => (0_u64..60).prop_map(Step::Note),
            2 => Just(Step::Promote),
            1 => Just(Step::Discard),
            1 => Just(Step::Rotate),
        ], 0..60),
    ) {
        let known = Known::new(HASH);
        let [mut current, mut old, mut ripe, mut young] = [const { Vec::new() }; 4].map(|v: Vec<u64>| v.into_iter().collect::<HashSet<u64>>());
        for step in &steps {
            match *step {
                Step::Note(key) => {
                    known.note(key);
                    if !current.contains(&key) {
                        young.insert(key);
                    }
                }
                Step::Promote => {
                    (0..Known::PARTS).rev().for_each(|part| known.promote_step(part));
                    current.extend(ripe.drain());
                    ripe = core::mem::take(&mut young);
                }
                Step::Discard => {
                    known.discard();
                    ripe.clear();
                    young.clear();
                }
                Step::Rotate => {
                    (0..Known::PARTS).rev().for_each(|part| known.rotate_step(part));
                    old = core::mem::take(&mut current);
                }
            }
            // Sixty networks in two thousand lines: a false answer would be a chance of one in a billion.
            for key in 0..60 {
                prop_assert_eq!(known.contains(key), current.contains(&key) || old.contains(&key));
            }
        }
        known.promote_step(Known::PARTS);
        known.rotate_step(usize::MAX);
        prop_assert_eq!(WORDS * 8, 64);
    }
}
