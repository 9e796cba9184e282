//! The store against its reference, and what it does at its limits.

mod bounds;
mod changes;
mod exactness;
mod flood;
mod idleness;
mod schedules;

use super::{Capacity, KeyedLimiter};
use crate::{quota::Quota, time::Timestamp};

/// The same places in every run, so that no test depends on luck.
const SEEDS: [u64; 5] = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344, 0xa409_3822];

fn fixed(quota: Quota, capacity: Capacity) -> KeyedLimiter {
    KeyedLimiter::danger_with_seeds(quota, 0, capacity, SEEDS).unwrap()
}

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}
