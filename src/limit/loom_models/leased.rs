//! The leased bucket: where its units are.

use std::vec::Vec;

use loom::{sync::Arc, thread};

use super::{NOW, explore, explore_with};
use crate::{limit::LeasedBucket, quota::Quota, time::Timestamp};

/// A bucket that is not refilled while a model runs.
fn bucket(burst: u32, stripes: u16, batch: u16) -> Arc<LeasedBucket> {
    Arc::new(LeasedBucket::new(Quota::per_hour(1).burst(burst), stripes, batch))
}

/// One thread for each stripe and number of units; returns what was admitted.
fn race(bucket: &Arc<LeasedBucket>, asks: &[(usize, u32)]) -> u32 {
    let threads: Vec<_> = asks
        .iter()
        .map(|&(stripe, n)| {
            let bucket = Arc::clone(bucket);
            thread::spawn(
                move || if bucket.check_n_on(stripe, n, NOW).is_admitted() { n } else { 0 },
            )
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

/// Takes what is left, one by one.
fn drain(bucket: &LeasedBucket, now: Timestamp) -> u32 {
    (0..).find(|_| bucket.check_on(0, now).is_denied()).unwrap()
}

/// I2 and I3. Two threads on one stripe: both get a unit, and all others are still somewhere, once.
///
/// Guards the flag: without it both put down a rest, and the stripe holds more than a batch.
#[test]
fn loom_two_threads_on_one_stripe_lose_and_make_no_unit() {
    explore(|| {
        let bucket = bucket(7, 1, 3);
        assert_eq!(race(&bucket, &[(0, 1), (0, 1)]), 2);
        // One batch at most is leased: what the centre shows has no more than a batch less one of them.
        let standing = bucket.peek_n(0, NOW).standing();
        assert!(standing.remaining() >= 7 - 2 - 2, "{standing:?}");
        assert_eq!(drain(&bucket, NOW), 5);
    });
}

/// I2. Two stripes that lease at the same time.
#[test]
fn loom_two_stripes_lose_and_make_no_unit() {
    explore(|| {
        let bucket = bucket(5, 2, 3);
        assert_eq!(race(&bucket, &[(0, 1), (1, 1)]), 2);
        assert_eq!(drain(&bucket, NOW), 3);
    });
}

/// I2. The last units: one thread has leased them, another calls them in. Each is used once, and one that
/// is denied in the race is there afterwards.
#[test]
fn loom_units_that_are_called_in_are_used_once() {
    explore_with(2, || {
        let bucket = bucket(3, 2, 3);
        assert!(bucket.check_on(0, NOW).is_admitted());
        let admitted = race(&bucket, &[(0, 1), (1, 1)]);
        assert!(admitted >= 1);
        assert_eq!(admitted + drain(&bucket, NOW), 2);
    });
}

/// I2. Two threads that call in an old lease while they ask for a batch of their own.
#[test]
fn loom_old_leases_are_given_back_once() {
    explore_with(2, || {
        let bucket = bucket(6, 2, 3);
        assert!(bucket.check_on(0, Timestamp::ZERO).is_admitted());
        let admitted = race(&bucket, &[(0, 1), (1, 2)]);
        assert_eq!(admitted, 3);
        assert_eq!(drain(&bucket, NOW), 2);
    });
}
