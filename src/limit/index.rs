//! A fixed hash index from hashes to seats: open addressing, linear probing, no tombstones.
//!
//! An entry is one word, and holds enough to find its home again when a neighbour is removed:
//!
//! | bits | content |
//! |---|---|
//! | 63..32 | hash |
//! | 31..0 | seat + 1; the whole word is 0 when empty |
//!
//! Invariants: **I1** the table is at most half full, so probing ends; **I2** no empty entry lies
//! between an entry and its home.

use alloc::{vec, vec::Vec};

#[derive(Debug)]
pub(crate) struct Index {
    entries: Vec<u64>,
}

impl Index {
    /// An index for up to `seats` seats.
    pub(crate) fn new(seats: u32) -> Self {
        let slots = (seats as usize).saturating_mul(2).max(2).next_power_of_two();
        Self { entries: vec![EMPTY; slots] }
    }

    /// The same, or `None` if the memory cannot be had.
    pub(crate) fn try_new(seats: u32) -> Option<Self> {
        let slots = (seats as usize).saturating_mul(2).max(2).checked_next_power_of_two()?;
        let mut entries = Vec::new();
        entries.try_reserve_exact(slots).ok()?;
        entries.resize(slots, EMPTY);
        Some(Self { entries })
    }

    /// The seat with this hash that `is_it` accepts.
    #[inline]
    pub(crate) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            let entry = self.get(at);
            if entry == EMPTY {
                return None;
            }
            if hash_of(entry) == hash && is_it(seat_of(entry)) {
                return Some(seat_of(entry));
            }
            at = self.after(at);
        }
    }

    /// Adds a seat that is not in the index.
    pub(crate) fn insert(&mut self, hash: u32, seat: u32) {
        let mut at = self.home(hash);
        while self.get(at) != EMPTY {
            at = self.after(at);
        }
        self.set(at, entry(hash, seat));
    }

    /// Removes a seat, and moves what probed past it back (I2).
    pub(crate) fn remove(&mut self, hash: u32, seat: u32) {
        let mut hole = self.home(hash);
        while self.get(hole) != entry(hash, seat) {
            if self.get(hole) == EMPTY {
                return;
            }
            hole = self.after(hole);
        }
        let mut at = self.after(hole);
        while self.get(at) != EMPTY {
            let home = self.home(hash_of(self.get(at)));
            // The entry may move into the hole if its home is not behind the hole, going round.
            if self.distance(home, at) >= self.distance(hole, at) {
                self.set(hole, self.get(at));
                hole = at;
            }
            at = self.after(at);
        }
        self.set(hole, EMPTY);
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.entries.capacity().saturating_mul(size_of::<u64>())
    }

    fn home(&self, hash: u32) -> usize {
        hash as usize & self.mask()
    }

    fn after(&self, at: usize) -> usize {
        at.wrapping_add(1) & self.mask()
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.mask()
    }

    fn mask(&self) -> usize {
        self.entries.len().wrapping_sub(1)
    }

    fn get(&self, at: usize) -> u64 {
        self.entries.get(at).copied().unwrap_or(EMPTY)
    }

    fn set(&mut self, at: usize, to: u64) {
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = to;
        }
    }
}

const EMPTY: u64 = 0;

fn entry(hash: u32, seat: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(seat.wrapping_add(1))
}

fn hash_of(entry: u64) -> u32 {
    // The shift leaves 32 bits.
    u32::try_from(entry >> 32).unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn seat_of(entry: u64) -> u32 {
    (entry as u32).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, vec::Vec};

    use proptest::prelude::*;

    use super::Index;

    /// Not from any home: a look-up that begins elsewhere passes all others.
    #[test]
    fn entries_are_near_their_homes() {
        let mut index = Index::new(1_000);
        let hashes =
            (0..1_000_u32).map(|seat| (seat.wrapping_mul(0x9E37_79B9).rotate_left(11), seat));
        let hashes: Vec<_> = hashes.collect();
        hashes.iter().for_each(|(hash, seat)| index.insert(*hash, *seat));
        let places = |hash| index.entries.iter().position(|entry| super::hash_of(*entry) == hash);
        let away = hashes.iter().map(|(hash, _)| {
            let at = places(*hash).unwrap();
            at.wrapping_sub(*hash as usize) & (index.entries.len() - 1)
        });
        assert!(away.sum::<usize>() < 1_000);
    }

    #[test]
    fn memory_is_that_of_a_table_at_most_half_full() {
        let of = |seats| Index::new(seats).memory_bytes() / size_of::<u64>();
        assert_eq!([0, 1, 64, 65].map(of), [2, 2, 128, 256]);
        assert_eq!(Index::try_new(65).unwrap().memory_bytes(), Index::new(65).memory_bytes());
    }

    proptest! {
        #![proptest_config(crate::test_support::cases(256))]

        /// I1 and I2, with hashes that collide often and homes that wrap round the end.
        #[test]
        fn finds_what_a_map_finds(ops in prop::collection::vec((any::<bool>(), 0..6_u32, 0..32_u32), 0..200)) {
            let mut index = Index::new(32);
            let mut model: HashMap<u32, u32> = HashMap::new();
            for (insert, hash, seat) in ops {
                let hash = hash.wrapping_sub(3);
                if insert && !model.contains_key(&seat) {
                    index.insert(hash, seat);
                    model.insert(seat, hash);
                } else if let Some(hash) = model.remove(&seat) {
                    index.remove(hash, seat);
                }
                for seat in 0..32 {
                    for hash in (0..6_u32).map(|hash| hash.wrapping_sub(3)) {
                        let found = index.find(hash, |candidate| candidate == seat);
                        prop_assert_eq!(found.is_some(), model.get(&seat) == Some(&hash));
                    }
                }
            }
            let left: Vec<_> = index.entries.iter().filter(|entry| **entry != 0).collect();
            prop_assert_eq!(left.len(), model.len());
        }
    }
}
