//! The keyed store that keeps its keys.

use std::vec::Vec;

use loom::{sync::Arc, thread};

use super::{NOW, explore};
use crate::{limit::ExactLimiter, quota::Quota};

/// Two new keys and one free seat: one of them gets it; and a key that both bring shares one bucket.
#[test]
fn loom_newcomers_never_share_a_seat_or_take_two() {
    for (keys, expected) in [([1, 2], 1), ([1, 1], 1)] {
        explore(move || {
            let limiter: Arc<ExactLimiter<u32>> =
                Arc::new(ExactLimiter::new(Quota::per_second(1), 1));
            let threads: Vec<_> = keys
                .iter()
                .map(|&key| {
                    let limiter = Arc::clone(&limiter);
                    thread::spawn(move || u32::from(limiter.check(&key, NOW).is_admitted()))
                })
                .collect();
            let admitted: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            assert_eq!(admitted, expected);
            assert_eq!(limiter.len(), 1);
        });
    }
}
