//! The hottest keys of a sketch, put together from its stripes.
//!
//! A key is counted in each stripe on its own, and in each it has the same bucket. So the stripes are merged
//! bucket by bucket, which is exact and needs no search, and the list of the hottest is kept sorted meanwhile:
//! sums only grow, so a key that is not yet hot enough comes in when its sum has become large enough.
//!
//! # Bounds
//! For a key in the list, [`count`](HotKey::count) less [`over`](HotKey::over) is at most its weight. Its weight is at
//! most `count` and, for each stripe in which it has no cell, the least count of its bucket there.
//!
//! # Cost
//! A stripe is at most 512 keys, each of which is compared with at most 15 of its bucket and put in its place among
//! at most [`Top::MOST`]. One `Top` serves all sketches, one after the other. It has 65 KiB.

use alloc::{boxed::Box, vec::Vec};

use super::hot_keys::{BUCKETS, STRIPES, WAYS};

/// A key that is frequent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct HotKey {
    pub(crate) key: u64,
    /// Its weight in the decayed window, and possibly that of keys that had its cell before.
    pub(crate) count: f64,
    /// What it usually has.
    pub(crate) usual: f64,
    /// At most so much of the count is of other keys.
    pub(crate) over: f64,
}

impl HotKey {
    /// The weight that is its own beyond doubt.
    pub(crate) fn at_least(&self) -> f64 {
        (self.count - self.over).max(0.0)
    }
}

/// The hottest keys, hottest first.
#[derive(Debug)]
pub(crate) struct Top {
    merged: Box<[Merged]>,
    /// Sorted by count, falling.
    hottest: Vec<HotKey>,
    most: usize,
    total: f64,
    usual_total: f64,
}

/// One bucket of all stripes.
#[derive(Clone, Copy, Debug, Default)]
struct Merged {
    keys: [HotKey; STRIPES * WAYS],
    held: usize,
}

impl Top {
    /// More are not listed: the longer the list, the longer a turn.
    pub(crate) const MOST: usize = 64;

    /// Of so many keys, and at most [`MOST`](Self::MOST).
    pub(crate) fn new(most: usize) -> Self {
        let most = most.min(Self::MOST);
        Self {
            merged: (0..BUCKETS).map(|_| Merged::default()).collect(),
            hottest: Vec::with_capacity(most),
            most,
            total: 0.0,
            usual_total: 0.0,
        }
    }

    /// Forgets everything: for the next sketch.
    pub(crate) fn clear(&mut self) {
        for bucket in &mut self.merged {
            bucket.held = 0;
        }
        self.hottest.clear();
        self.total = 0.0;
        self.usual_total = 0.0;
    }

    /// The keys, hottest first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &HotKey> {
        self.hottest.iter()
    }

    /// The weight of all keys of the stripes that were put in, listed or not, in the decayed window.
    pub(crate) const fn total(&self) -> f64 {
        self.total
    }

    /// What that usually is.
    pub(crate) const fn usual_total(&self) -> f64 {
        self.usual_total
    }

    pub(super) fn add_totals(&mut self, total: f64, usual: f64) {
        self.total += total;
        self.usual_total += usual;
    }

    /// Adds what one stripe has of a key, which is in this bucket in all of them.
    pub(super) fn merge(&mut self, bucket: usize, key: HotKey) {
        let sum = self.merged.get_mut(bucket).and_then(|bucket| bucket.add(key));
        if let Some(sum) = sum {
            self.place(sum);
        }
    }

    /// Puts a key that is new, or has grown, where it belongs.
    fn place(&mut self, key: HotKey) {
        let is_full = self.hottest.len() >= self.most;
        let last = self.hottest.last().map_or(f64::INFINITY, |last| last.count);
        // If it is less than the last one, it is not in the list, for it was less before.
        if is_full && key.count < last {
            return;
        }
        if let Some(before) = self.hottest.iter().position(|hot| hot.key == key.key) {
            self.hottest.remove(before);
        } else if is_full {
            // Among equals, the first ones stay.
            if key.count <= last {
                return;
            }
            self.hottest.pop();
        }
        let at = self.hottest.partition_point(|hot| hot.count >= key.count);
        self.hottest.insert(at, key);
    }
}

impl Merged {
    /// The sum of the key so far. `None` if there is no room, which four stripes of four ways do not
    /// come to.
    fn add(&mut self, key: HotKey) -> Option<HotKey> {
        if let Some(held) = self.keys.iter_mut().take(self.held).find(|held| held.key == key.key) {
            held.count += key.count;
            held.usual += key.usual;
            held.over += key.over;
            return Some(*held);
        }
        let place = self.keys.get_mut(self.held)?;
        *place = key;
        self.held = self.held.saturating_add(1);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, vec::Vec};

    use proptest::prelude::*;

    use super::{HotKey, Top};
    use crate::test_support::cases;

    proptest! {
        #![proptest_config(cases(256))]

        /// Whatever comes in which order, the list is the hottest of the exact sums.
        #[test]
        fn the_list_is_the_top_of_all_sums(
            most in 0_usize..20,
            stripes in prop::collection::vec(prop::collection::btree_map(1_u64..200, 0_u32..50, 0..60), 4),
        ) {
            let mut top = Top::new(most);
            for round in 0..2 {
                let mut sums: HashMap<u64, f64> = HashMap::new();
                for stripe in &stripes {
                    for (&key, &count) in stripe {
                        let count = f64::from(count + round);
                        *sums.entry(key).or_default() += count;
                        // So that no bucket gets more than its ways from a stripe.
                        let bucket = usize::try_from(key % 100).unwrap();
                        top.merge(bucket, HotKey { key, count, usual: 2.0 * count, over: 0.5 * count });
                    }
                }
                let mut expected: Vec<f64> = sums.values().copied().collect();
                expected.sort_by(|a, b| b.total_cmp(a));
                expected.truncate(most);
                let given: Vec<f64> = top.iter().map(|hot| hot.count).collect();
                prop_assert_eq!(given, expected);
                for hot in top.iter() {
                    prop_assert_eq!(hot.count, sums[&hot.key]);
                    prop_assert_eq!((hot.usual, hot.over), (2.0 * hot.count, 0.5 * hot.count));
                    prop_assert_eq!(hot.at_least(), 0.5 * hot.count);
                }
                top.clear();
                prop_assert_eq!(top.iter().len(), 0);
            }
        }
    }
}
