//! What is common where memory is bounded, each in its simplest form and without collisions of keys.
//!
//! [`Lru`] forgets whoever has not come for longest, [`DenyWhenFull`] forgets nobody who still owes and turns
//! away everybody else, [`CountMin`] remembers no keys and counts them together. Memory is what a good
//! layout of each would take, not what these models do.

use std::{
    collections::{BTreeMap, HashMap},
    vec,
    vec::Vec,
};

use super::{Client, Policy, QUOTA, crowd::mixed};
use crate::time::{NANOS_PER_SEC, Timestamp};

/// The time that a unit takes to come back, and that an empty bucket takes to be full.
const INTERVAL: u64 = NANOS_PER_SEC / 10;
const BURST: u64 = INTERVAL * QUOTA.max_burst() as u64;

/// Takes a unit of the bucket that is full at this time, if there is one.
fn take(full_at: &mut u64, now: u64) -> bool {
    let after = now.max(*full_at) + INTERVAL;
    let admitted = after <= now + BURST;
    if admitted {
        *full_at = after;
    }
    admitted
}

fn smaller(number: usize, scale: u64) -> usize {
    number.div_ceil(usize::try_from(scale).unwrap_or(usize::MAX))
}

/// A map that is full evicts the client that has not come for longest, whatever it owes.
#[derive(Debug)]
pub struct Lru {
    slots: usize,
    /// When a client came last, as a number of turns, and when its bucket is full.
    clients: HashMap<u64, (u64, u64)>,
    by_turn: BTreeMap<u64, u64>,
    turns: u64,
}

impl Lru {
    /// With so many slots, so many times smaller.
    #[must_use]
    pub fn new(slots: usize, scale: u64) -> Self {
        let slots = smaller(slots, scale);
        Self { slots, clients: HashMap::new(), by_turn: BTreeMap::new(), turns: 0 }
    }
}

impl Policy for Lru {
    fn check(&mut self, client: Client, now: Timestamp) -> bool {
        let key = client.key();
        self.turns += 1;
        if let Some((turn, _)) = self.clients.get(&key) {
            self.by_turn.remove(turn);
        } else if self.clients.len() == self.slots {
            if let Some((_, evicted)) = self.by_turn.pop_first() {
                self.clients.remove(&evicted);
            }
        }
        self.by_turn.insert(self.turns, key);
        let (turn, full_at) = self.clients.entry(key).or_default();
        *turn = self.turns;
        take(full_at, now.as_nanos())
    }

    /// A key, a time and two links of four bytes.
    fn bytes(&self) -> usize {
        self.slots * 24
    }
}

/// Sets of eight places, of which one is given away when its bucket is full, and not before.
#[derive(Debug)]
pub struct DenyWhenFull {
    sets: Vec<[(u64, u64); 8]>,
}

impl DenyWhenFull {
    /// With so many slots, so many times smaller.
    #[must_use]
    pub fn new(slots: usize, scale: u64) -> Self {
        Self { sets: vec![[(0, 0); 8]; smaller(slots / 8, scale)] }
    }
}

impl Policy for DenyWhenFull {
    fn check(&mut self, client: Client, now: Timestamp) -> bool {
        let (key, now) = (client.key(), now.as_nanos());
        let at = mixed(key) % self.sets.len() as u64;
        let set = &mut self.sets[at as usize];
        let own = set.iter().position(|(holder, _)| *holder == key);
        let Some(place) = own.or_else(|| set.iter().position(|(_, full_at)| *full_at <= now))
        else {
            return false;
        };
        let (holder, full_at) = &mut set[place];
        *holder = key;
        take(full_at, now)
    }

    /// A part of the key and a time, in a word.
    fn bytes(&self) -> usize {
        self.sets.len() * 64
    }
}

/// Four rows of counters for each second; a client has as much as the least of its four says.
///
/// It knows one number where a bucket knows two. It is given the burst, so that nobody is denied whom a
/// bucket would admit: the rate is then twice what it should be.
#[derive(Debug)]
pub struct CountMin {
    rows: [Vec<u32>; 4],
    second: u64,
}

impl CountMin {
    /// With so many counters a row, so many times smaller.
    #[must_use]
    pub fn new(counters: usize, scale: u64) -> Self {
        let row = vec![0; smaller(counters, scale)];
        Self { rows: [row.clone(), row.clone(), row.clone(), row], second: 0 }
    }
}

impl Policy for CountMin {
    fn check(&mut self, client: Client, now: Timestamp) -> bool {
        let second = now.as_nanos() / NANOS_PER_SEC;
        if second != self.second {
            self.second = second;
            self.rows.iter_mut().for_each(|row| row.fill(0));
        }
        let mut hash = client.key();
        let mut least = u32::MAX;
        for row in &mut self.rows {
            hash = mixed(hash.wrapping_add(0x9e37_79b9_7f4a_7c15));
            let at = hash % row.len() as u64;
            let counter = &mut row[at as usize];
            *counter = counter.saturating_add(1);
            least = least.min(*counter);
        }
        least <= QUOTA.max_burst()
    }

    fn bytes(&self) -> usize {
        self.rows.iter().map(|row| row.len() * size_of::<u32>()).sum()
    }
}
