use std::{collections::HashMap, sync::Arc, thread, vec::Vec};

use proptest::prelude::*;

use super::{BUCKETS, HotKeys, STRIPES, Top, WAYS, bucket_of};
use crate::{
    detect::sketch::streams::{HASH, MANY, Random, Zipf},
    test_support::{cases, rounds},
};

/// Exact weights of one stripe, which fade as it does.
#[derive(Default)]
struct Exact {
    weights: HashMap<u64, f64>,
}

impl Exact {
    fn add(&mut self, key: u64, weight: u32) {
        *self.weights.entry(key).or_default() += f64::from(weight);
    }

    fn fade(&mut self, decay: f32) {
        self.weights.values_mut().for_each(|weight| *weight *= f64::from(decay));
    }

    fn total(&self) -> f64 {
        self.weights.values().sum()
    }

    fn of_buckets(&self) -> [f64; BUCKETS] {
        let mut sums = [0.0; BUCKETS];
        self.weights.iter().for_each(|(&key, weight)| sums[bucket_of(key)] += weight);
        sums
    }

    /// I1, I2 and I3.
    fn agrees_with(&self, sketch: &HotKeys, stripe: usize) {
        let of_buckets = self.of_buckets();
        let stripe = sketch.stripe(stripe).unwrap().lock();
        let rounding = |weight: f64| 1e-4 * weight + 1e-4;
        assert!((stripe.total - self.total()).abs() <= rounding(self.total()));
        let mut leasts = [0.0; BUCKETS];
        let mut held = HashMap::new();
        for (number, bucket) in stripe.buckets.iter().enumerate() {
            let least = bucket.cells.iter().map(|cell| cell.count).fold(f32::INFINITY, f32::min);
            leasts[number] = f64::from(least);
            let of_bucket = of_buckets[number];
            assert!(leasts[number] <= of_bucket / 4.0 + rounding(of_bucket), "I2");
            for cell in bucket.cells.iter().filter(|cell| cell.key != 0) {
                assert_eq!(bucket_of(cell.key), number);
                assert_eq!(held.insert(cell.key, f64::from(cell.count)), None, "twice in a bucket");
            }
        }
        for (key, &weight) in &self.weights {
            let least = leasts[bucket_of(*key)];
            let rounding = rounding(weight + least);
            match held.get(key) {
                Some(&count) => {
                    assert!(count >= weight - rounding, "I1: {count} for {weight}");
                    assert!(count <= weight + least + rounding, "I1: {count} for {weight}");
                }
                None => assert!(weight <= least + rounding, "I3: {weight} and {least}"),
            }
        }
    }
}

fn turned(sketch: &HotKeys, most: usize, decay: f32, learn: Option<f32>) -> Top {
    let mut top = Top::new(most);
    for stripe in 0..STRIPES {
        assert!(sketch.turn(stripe, decay, learn, &mut top));
    }
    top
}

#[derive(Clone, Debug)]
enum Step {
    Add(u64, u32),
    Turn(f32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few buckets, so that they are full, and keys that are all alike in them.
    let key = (0_u64..3, 1_u64..12).prop_map(|(bucket, n)| bucket << 57 | n);
    let step = prop_oneof![
        20 => (key, prop_oneof![Just(1_u32), 0_u32..1_000]).prop_map(|(key, weight)| Step::Add(key, weight)),
        1 => (0.0_f32..=1.0).prop_map(Step::Turn),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    #![proptest_config(cases(256))]

    /// I1, I2 and I3 after every step of any sequence of steps in two stripes, and what a turn tells
    /// of both is the sum.
    #[test]
    fn bounds_hold_in_any_sequence(steps in steps()) {
        let sketch = HotKeys::new();
        let mut exact = [Exact::default(), Exact::default()];
        for (number, step) in steps.iter().enumerate() {
            match *step {
                Step::Add(key, weight) => {
                    prop_assert!(sketch.add(number % 2, key, weight));
                    exact[number % 2].add(key, weight);
                }
                Step::Turn(decay) => {
                    let top = turned(&sketch, Top::MOST, decay, None);
                    for hot in top.iter() {
                        let weight: f64 =
                            exact.iter().filter_map(|exact| exact.weights.get(&hot.key)).sum();
                        prop_assert!(hot.at_least() <= weight * 1.0001 + 1e-4);
                    }
                    exact.iter_mut().for_each(|exact| exact.fade(decay));
                }
            }
            exact[0].agrees_with(&sketch, 0);
            exact[1].agrees_with(&sketch, 1);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "statistics of 100,000 keys")]
fn bounds_hold_on_a_zipf_stream() {
    for exponent in [0.8, 1.0, 1.2] {
        let sketch = HotKeys::new();
        let mut exact = Exact::default();
        let mut zipf = Zipf::new(50_000, exponent, 7);
        for second in 0..20 {
            for _ in 0..10_000 {
                let key = zipf.draw();
                assert!(sketch.add(second, key, 1));
                exact.add(key, 1);
            }
            // All in one stripe, apart from the last ones, so that a stripe's bound can be asked for.
            turned(&sketch, 1, 0.93, None);
            exact.fade(0.93);
        }
        // The sum over the stripes: every key with a quarter of its bucket is there, and the first ones are first.
        let of_buckets = exact.of_buckets();
        let mut expected: Vec<_> = exact.weights.iter().collect();
        expected.sort_by(|a, b| b.1.total_cmp(a.1));
        let top = turned(&sketch, 64, 1.0, None);
        assert!((top.total() - exact.total()).abs() <= 1e-4 * exact.total());
        for hot in top.iter() {
            let (weight, bucket) = (exact.weights[&hot.key], of_buckets[bucket_of(hot.key)]);
            assert!(hot.at_least() <= weight * 1.0001 && weight <= hot.count + bucket / 4.0);
            assert!(hot.count <= weight + bucket / 4.0 + 1e-4 * bucket);
        }
        let found = |count| {
            let found = |key| top.iter().any(|hot| hot.key == key);
            expected.iter().take(count).filter(|(key, _)| found(**key)).count()
        };
        assert_eq!(found(5), 5, "{exponent}");
        // Of a flat tail the last ones are in dispute.
        assert!(found(32) >= 26, "{exponent}: {} of 32", found(32));
    }
}

/// The worst streams for Space-Saving: keys in turn, one more than there are cells; and a key that was
/// heavy before many new ones came.
#[test]
fn bounds_hold_on_adversarial_streams() {
    let in_one_bucket = |n: u64| 5 << 57 | (n + 1) << 1 | 1;
    let heavy = in_one_bucket(1 << 40);
    let streams: [&dyn Fn(u64) -> u64; 4] = [
        &|n| in_one_bucket(n % 5),
        &|n| in_one_bucket(n),
        &|n| if n < 2_000 { heavy } else { in_one_bucket(n) },
        &|n| if n % 3 == 0 { heavy } else { HASH.of_number(n) },
    ];
    for (number, stream) in streams.into_iter().enumerate() {
        let sketch = HotKeys::new();
        let mut exact = Exact::default();
        for n in 0..8_000 {
            assert!(sketch.add(0, stream(n), 1));
            exact.add(stream(n), 1);
            if n % 1_000 == 999 {
                exact.agrees_with(&sketch, 0);
                turned(&sketch, 1, 0.9, None);
                exact.fade(0.9);
                exact.agrees_with(&sketch, 0);
            }
        }
        assert!((exact.total() > 0.0) && number < 4);
    }
}

/// Ten million keys, each of which comes once, take no memory and hide no key that has a hundredth.
#[test]
fn memory_is_the_same_after_any_number_of_keys() {
    let sketch = HotKeys::new();
    let before = sketch.memory_bytes();
    assert!(before <= 34 << 10, "{before}");
    let heavy = HASH.of_number(u64::MAX);
    for n in 0..MANY {
        assert!(sketch.add(n as usize, HASH.of_number(n), 1));
        if n % 100 == 0 {
            assert!(sketch.add(n as usize / 100, heavy, 1));
        }
    }
    assert_eq!(sketch.memory_bytes(), before);
    assert_eq!(sketch.stripes.iter().map(|s| s.0.lock().buckets.len()).sum::<usize>(), 4 * BUCKETS);
    let top = turned(&sketch, 8, 1.0, None);
    let hottest = *top.iter().next().unwrap();
    assert_eq!(hottest.key, heavy);
    let (exact, total) = (MANY as f64 / 100.0, MANY as f64 * 1.01);
    assert!(hottest.at_least() <= exact && exact <= hottest.count);
    // A 128th of all keys, more or less, and a quarter of that.
    assert!(hottest.count - exact <= 1.2 * total / 128.0 / 4.0);
}

/// I4, and that a key which comes evenly is usual to its window's weight in the end.
#[test]
fn what_is_usual_is_learned_slowly_and_belongs_to_a_key() {
    let sketch = HotKeys::new();
    let (key, other) = (HASH.of_number(1), HASH.of_number(2));
    let usual_of = |sketch: &HotKeys, learn| {
        let top = turned(sketch, 8, 0.5, learn);
        let of = |key| top.iter().find(|hot| hot.key == key).map_or(-1.0, |hot| hot.usual);
        (of(key), of(other), top.usual_total())
    };
    let mut last = 0.0;
    for _ in 0..64 {
        assert!(sketch.add(0, key, 100));
        let (usual, ..) = usual_of(&sketch, Some(0.2));
        assert!(usual >= last);
        last = usual;
    }
    // 100 + 50 + 25 + ...
    assert!((last - 200.0).abs() < 0.1, "{last}");
    for _ in 0..64 {
        assert!(sketch.add(0, key, 10_000));
        assert!(sketch.add(1, other, 10_000));
        let (usual, of_other, total) = usual_of(&sketch, None);
        assert!((usual - 200.0).abs() < 0.1 && of_other == 0.0 && (total - 200.0).abs() < 0.1);
    }
    // Another key takes the cell, and nothing of that.
    let sketch = HotKeys::new();
    let in_bucket = |n: u64| 7 << 57 | n << 1 | 1;
    (0..4).for_each(|n| assert!(sketch.add(0, in_bucket(n), 10)));
    turned(&sketch, 8, 1.0, Some(1.0));
    assert!(sketch.add(0, in_bucket(9), 10));
    let top = turned(&sketch, 8, 1.0, None);
    let taken = *top.iter().next().unwrap();
    assert_eq!((taken.key, taken.count, taken.usual, taken.over), (in_bucket(9), 20.0, 0.0, 10.0));
}

/// Decays and shares that are no numbers do no harm, and the key 0 is in the total alone.
#[test]
fn odd_arguments_are_harmless() {
    let sketch = HotKeys::new();
    assert!(sketch.add(usize::MAX, 0, 5));
    assert!(sketch.add(0, 1, u32::MAX));
    let top = turned(&sketch, 8, f32::NAN, Some(f32::INFINITY));
    assert_eq!((top.iter().len(), top.total()), (1, 5.0 + f64::from(u32::MAX)));
    let top = turned(&sketch, 8, 7.0, Some(-1.0));
    assert!(top.total() == 0.0 && top.iter().all(|hot| hot.count == 0.0 && hot.usual.is_finite()));
    assert_eq!(WAYS * size_of::<super::Cell>(), 64);
}

/// A stripe that is taken loses a sample, and says so; a turn says so too.
#[test]
fn nothing_waits_for_a_stripe() {
    let sketch = HotKeys::new();
    let guard = sketch.stripe(2).unwrap().lock();
    assert!(!sketch.add(2, 1, 1) && sketch.add(3, 1, 1));
    assert!(!sketch.turn(2, 1.0, None, &mut Top::new(1)));
    drop(guard);
    assert!(sketch.add(2, 1, 1));
}

/// What is counted by many threads while the stripes are turned is neither lost nor counted twice.
#[test]
fn counts_of_many_threads_add_up() {
    let sketch = Arc::new(HotKeys::new());
    let threads = (0..4_u64).map(|number| {
        let sketch = Arc::clone(&sketch);
        #[allow(clippy::disallowed_methods, reason = "a test of threads")]
        thread::spawn(move || {
            let mut random = Random(number);
            let stripe = |random: &mut Random| random.below(4) as usize;
            (0..rounds(20_000, 30))
                .filter(|n| sketch.add(stripe(&mut random), HASH.of_number(n % 10), 1))
                .count()
        })
    });
    let threads: Vec<_> = threads.collect();
    for _ in 0..rounds(50, 1) {
        let mut top = Top::new(8);
        (0..STRIPES).for_each(|stripe| {
            let _ = sketch.turn(stripe, 1.0, None, &mut top);
        });
        assert!(top.iter().len() <= 8);
    }
    let counted: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    let top = turned(&sketch, 64, 1.0, None);
    assert_eq!(top.total(), counted as f64);
    let over: f64 = top.iter().map(|hot| hot.over).sum();
    assert_eq!((top.iter().map(|hot| hot.count).sum::<f64>(), over), (counted as f64, 0.0));
}
