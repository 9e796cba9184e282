use std::{sync::Arc, thread, vec::Vec};

use proptest::prelude::*;

use super::{Distinct, LONGEST, REGISTERS, estimate};
use crate::{
    detect::sketch::streams::{HASH, MANY, Zipf},
    test_support::{cases, rounds},
};

/// Sixteen independent hashes of `keys` keys: the errors' mean square, and the largest.
fn errors(keys: u64) -> (f64, f64) {
    let sketch = Distinct::new();
    let errors = (0..16_u64).map(|round| {
        (0..keys).for_each(|key| sketch.add(HASH.of_number(key.wrapping_add(round << 40))));
        sketch.estimate_and_clear() / keys as f64 - 1.0
    });
    let errors: Vec<f64> = errors.collect();
    let square: f64 = errors.iter().map(|error| error * error).sum();
    ((square / 16.0).sqrt(), errors.iter().fold(0.0, |most, error| error.abs().max(most)))
}

#[test]
#[cfg_attr(miri, ignore = "statistics of 100,000 keys")]
fn errors_are_as_large_as_said() {
    for keys in [1, 10, 100, 1_000, 4_000, 10_000, 20_000, 50_000] {
        let (deviation, most) = errors(keys);
        // With sixteen rounds, the deviation itself is known to a fifth.
        assert!(deviation <= 0.016_25 * 1.5, "{keys}: {deviation}");
        assert!(most <= 0.016_25 * 4.0, "{keys}: {most}");
    }
    // Few keys are exact.
    assert!(errors(100).1 <= 0.03);
}

#[test]
#[cfg_attr(miri, ignore = "statistics of 100,000 keys")]
fn a_key_counts_once_however_often_it_comes() {
    let sketch = Distinct::new();
    let mut zipf = Zipf::new(20_000, 1.0, 3);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200_000 {
        let key = zipf.draw();
        seen.insert(key);
        sketch.add(key);
    }
    let error = sketch.estimate_and_clear() / seen.len() as f64 - 1.0;
    assert!(error.abs() < 0.06, "{error}");
    assert_eq!(sketch.estimate_and_clear(), 0.0);
}

#[test]
fn memory_is_the_same_after_any_number_of_keys() {
    let sketch = Distinct::new();
    let before = sketch.memory_bytes();
    assert!(before <= 4_200, "{before}");
    (0..MANY).for_each(|key| sketch.add(HASH.of_number(key)));
    assert_eq!(sketch.memory_bytes(), before);
    let error = sketch.estimate_and_clear() / MANY as f64 - 1.0;
    assert!(error.abs() < 0.06, "{error}");
}

/// Also where all registers are as high as they get.
#[test]
fn the_extremes_are_numbers() {
    let mut with_run = [0; LONGEST + 1];
    with_run[LONGEST] = REGISTERS;
    assert_eq!(estimate(&with_run), 0.0);
    with_run[LONGEST] = REGISTERS - 1;
    with_run[LONGEST - 1] = 1;
    assert!(estimate(&with_run) > 1e17);
    let sketch = Distinct::new();
    sketch.add(0);
    sketch.add(u64::MAX);
    assert!((sketch.estimate_and_clear() - 2.0).abs() < 0.01);
}

#[test]
fn registers_of_many_threads_are_those_of_one() {
    let keys = rounds(20_000, 150);
    let (shared, alone) = (Arc::new(Distinct::new()), Distinct::new());
    let threads = (0..4_u64).map(|number| {
        let shared = Arc::clone(&shared);
        #[allow(clippy::disallowed_methods, reason = "a test of threads")]
        thread::spawn(move || {
            (number..keys).step_by(3).for_each(|key| shared.add(HASH.of_number(key)));
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    (0..keys).for_each(|key| alone.add(HASH.of_number(key)));
    // Adding gives up only after losing eight times in a row.
    let (shared, alone) = (shared.estimate_and_clear(), alone.estimate_and_clear());
    assert!((shared / alone - 1.0).abs() < 0.001, "{shared} {alone}");
}

proptest! {
    #![proptest_config(cases(64))]

    /// Order and repetition do not matter, and a register is the longest run of its keys.
    #[test]
    fn registers_are_maxima(hashes in prop::collection::vec(any::<u64>(), 0..200)) {
        let (one, other) = (Distinct::new(), Distinct::new());
        hashes.iter().for_each(|hash| one.add(*hash));
        hashes.iter().rev().chain(&hashes).for_each(|hash| other.add(*hash));
        let mut longest = std::vec![0_u64; REGISTERS as usize];
        for hash in &hashes {
            let register = &mut longest[(hash >> 52) as usize];
            let run = (0..51).take_while(|n| hash >> (51 - n) & 1 == 0).count() as u64 + 1;
            *register = run.max(*register);
        }
        let words = |sketch: &Distinct| -> Vec<u64> {
            let words = sketch.words.iter();
            words.map(|word| word.load(crate::sync::Ordering::Relaxed)).collect()
        };
        let bytes: Vec<u64> =
            words(&one).iter().flat_map(|word| word.to_le_bytes()).map(u64::from).collect();
        prop_assert_eq!(bytes, longest);
        prop_assert_eq!(words(&one), words(&other));
    }
}
