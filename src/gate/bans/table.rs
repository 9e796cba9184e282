//! One of the tables of bans: a list, an index of it by who is banned, and an agenda of when they end.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Subject, entry::Entry};
use crate::{
    limit::{agenda::Agenda, index::Index},
    sync::{AtomicU64, Ordering},
    time::Timestamp,
};

/// One of the tables, behind its lock.
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
    most: usize,
    index: Index,
    /// When each ends.
    pub(super) ends: Agenda,
    /// Look-ups in vain since the filter was made.
    pub(super) in_vain: AtomicU64,
    /// Room to make a filter.
    room: Vec<u64>,
}

impl Table {
    pub(super) fn new(most: usize, words: usize) -> Self {
        let seats = number(most);
        Self {
            entries: Vec::with_capacity(most),
            most,
            index: Index::new(seats),
            ends: Agenda::new(seats),
            in_vain: AtomicU64::new(0),
            room: alloc::vec![0; words],
        }
    }

    pub(super) fn seat(&self, hash: u64, subject: &Subject) -> Option<usize> {
        let is_it = |seat: u32| {
            let entry = usize::try_from(seat).ok().and_then(|seat| self.entries.get(seat));
            entry.is_some_and(|entry| entry.subject == *subject)
        };
        self.index.find(index_hash(hash), is_it).and_then(|seat| usize::try_from(seat).ok())
    }

    /// Adds what is not there, instead of what ends first if there is no room.
    pub(super) fn add(&mut self, entry: Entry) -> Option<Entry> {
        let displaced = if self.entries.len() >= self.most {
            let (_, first) = self.ends.first()?;
            self.remove(usize::try_from(first).ok()?)
        } else {
            None
        };
        self.index.insert(index_hash(entry.hash), number(self.entries.len()));
        self.ends.add(entry.until.as_nanos());
        self.entries.push(entry);
        displaced
    }

    /// Whether it is full of what ends after that moment.
    pub(super) fn has_no_room_before(&self, until: Timestamp) -> bool {
        let first = self.ends.first().filter(|_| self.entries.len() >= self.most);
        first.is_some_and(|(end, _)| end > until.as_nanos())
    }

    pub(super) fn remove(&mut self, seat: usize) -> Option<Entry> {
        let last = self.entries.len().checked_sub(1)?;
        let hash = self.entries.get(seat)?.hash;
        self.index.remove(index_hash(hash), number(seat));
        if seat != last {
            let moved = self.entries.get(last)?.hash;
            self.index.remove(index_hash(moved), number(last));
            self.index.insert(index_hash(moved), number(seat));
        }
        self.ends.remove(number(seat));
        Some(self.entries.swap_remove(seat))
    }

    /// Notes a look-up in vain; says whether it is worth while to make the filter anew.
    pub(super) fn was_in_vain(&self) -> bool {
        let before = self.in_vain.fetch_add(1, Ordering::Relaxed);
        usize::try_from(before).is_ok_and(|before| before >= self.entries.len().max(16))
    }

    /// Leaves what is in force in the filter, and nothing else.
    pub(super) fn clear_filter(&mut self, filter: &[AtomicU64], now: Timestamp) {
        self.in_vain.store(0, Ordering::Relaxed);
        self.room.fill(0);
        for entry in &self.entries {
            // Clocks may differ: for another thread it may not have ended.
            if entry.until.saturating_add(SLACK) > now {
                if let Some(word) = self.room.get_mut(word_of(entry.hash, filter.len())) {
                    *word |= bits_of(entry.hash);
                }
            }
        }
        for (word, made) in filter.iter().zip(&self.room) {
            word.store(*made, Ordering::Relaxed);
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            .saturating_add(self.entries.capacity().saturating_mul(size_of::<Entry>()))
            .saturating_add(self.index.memory_bytes())
            .saturating_add(self.ends.memory_bytes())
            .saturating_add(size_of_val(&*self.room))
    }
}

/// What clocks of threads differ by at most.
const SLACK: Duration = Duration::from_secs(1);

/// The two bits of a hash in its word.
#[inline]
pub(super) fn bits_of(hash: u64) -> u64 {
    1_u64.rotate_left(low(hash)) | 1_u64.rotate_left(low(hash >> 6))
}

/// The low bits of a hash; a rotation takes the last six.
#[inline]
fn low(hash: u64) -> u32 {
    u32::try_from(hash & 63).unwrap_or(0)
}

/// The word of a hash among so many, a power of two.
#[inline]
pub(super) fn word_of(hash: u64, words: usize) -> usize {
    usize::try_from(hash >> 12 & 0xffff_ffff).unwrap_or(0) & words.wrapping_sub(1)
}

/// The hash that the index of a table knows.
fn index_hash(hash: u64) -> u32 {
    u32::try_from(hash >> 20 & 0xffff_ffff).unwrap_or(0)
}

pub(super) fn number(seat: usize) -> u32 {
    u32::try_from(seat).unwrap_or(u32::MAX)
}
