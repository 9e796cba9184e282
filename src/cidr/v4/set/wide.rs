//! A set of any size: a root with an entry for each /16, and lines that these have for their own.
//!
//! Most of what makes a look-up slow is waiting for memory and guessing branches wrong. So the root
//! has the same size whatever is listed, which saves the check that an index is inside; one entry
//! and one line, at most two, are all that is read ([`chunk`](super::chunk)); and there is no way of
//! its own for /16s that are all in or all out, since traffic goes to these and to others at random.
//!
//! Lines are given out from one vector, in halves where a half is enough. A /16 that is written anew
//! stays where it is as long as it fits; what it leaves is counted, and when that is more than a
//! quarter, all of them move together.
//!
//! Invariants, each with a test that cites it:
//! - **I1** an edit leaves a table that says what one built from scratch says;
//! - **I2** no two /16s share a half;
//! - **I3** halves that nobody has are at most a quarter of all, plus [`Lines::LEFT`];
//! - **I4** a compacted table equals one built from scratch, bit for bit.
//!
//! # Bounds
//! 256 KiB for the root, and for each /16 that is not all alike 32 bytes and 8 for each end in it, but
//! at most 8 KiB; after edits, half of these bytes more and 192 KiB. So n hosts in as many /16s take
//! 32 to 48 bytes each, n hosts in the same few 16, and every second address of all takes 512 MiB.
//! A look-up reads the entry and at most two lines. An edit takes time for the /16s that it touches,
//! and once in some hundred edits for all; edits chosen for it, by which a /16 goes from one form to
//! another and back each time, can make that once in 32.

use alloc::{boxed::Box, vec, vec::Vec};

use super::{
    chunk::{Entry, Form, Place, Room},
    line::Line,
};
use crate::cidr::{
    addr::Bits,
    runs::{Run, Runs},
};

/// The /16s.
const CHUNKS: usize = 1 << 16;
/// Addresses that a batch looks up side by side.
const SIDE_BY_SIDE: usize = 16;

#[derive(Clone, Debug)]
pub(super) struct Wide {
    root: Box<[Entry; CHUNKS]>,
    lines: Lines,
    /// How many runs there are.
    runs: usize,
}

impl Wide {
    /// A table of runs that cover the whole space and are told short.
    pub(super) fn build(runs: &[Run<u32, bool>]) -> Self {
        let mut wide = Self { root: empty_root(), lines: Lines::new(), runs: runs.len() };
        // What most lists come to; what is not used is given back.
        wide.lines.all.reserve(runs.len() / 8);
        wide.write(0, runs);
        wide.lines.all.shrink_to_fit();
        wide
    }

    /// How many runs there are.
    pub(super) const fn runs(&self) -> usize {
        self.runs
    }

    /// The bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let lines = self.lines.all.capacity().saturating_mul(size_of::<Line>());
        lines.saturating_add(size_of_val(&*self.root))
    }

    #[inline(always)]
    pub(super) fn contains(&self, addr: u32) -> bool {
        self.entry(chunk(addr)).contains(&self.lines.all, low(addr))
    }

    /// Like [`contains`](Self::contains) for each address.
    pub(super) fn contain(&self, addrs: &[u32], marks: &mut [bool]) {
        // In stages: all entries first, then all lines, so that none waits for the one before it.
        let mut entries = [Entry::constant(false); SIDE_BY_SIDE];
        for (addrs, marks) in addrs.chunks(SIDE_BY_SIDE).zip(marks.chunks_mut(SIDE_BY_SIDE)) {
            for (entry, addr) in entries.iter_mut().zip(addrs) {
                *entry = self.entry(chunk(*addr));
            }
            for ((entry, addr), mark) in entries.iter().zip(addrs).zip(marks) {
                *mark = entry.contains(&self.lines.all, low(*addr));
            }
        }
    }

    /// Says anew what is said of the addresses from `first` to the end of `runs`.
    pub(super) fn replace(&mut self, first: u32, runs: &[Run<u32, bool>]) {
        let Some(last) = runs.last().map(|run| run.last).filter(|last| first <= *last) else {
            return;
        };
        let (from, to) = (first.first_of(16), last.last_of(16));
        // What stays as it is before and behind, in the /16s at both ends.
        let mut told = Runs::with_capacity(runs.len());
        if let Some(before) = first.previous().filter(|_| from < first) {
            self.runs_in(from, before).for_each(|run| told.push(run.last, run.mark));
        }
        runs.iter().for_each(|run| told.push(run.last, run.mark));
        if let Some(behind) = last.next().filter(|_| last < to) {
            self.runs_in(behind, to).for_each(|run| told.push(run.last, run.mark));
        }
        let before = self.borders(from, to, self.runs_in(from, to).count());
        self.write(from, told.as_slice());
        let after = self.borders(from, to, told.as_slice().len());
        self.runs = self.runs.wrapping_sub(before).wrapping_add(after);
        if self.lines.too_many_are_left() {
            self.compact();
        }
    }

    /// The runs of the addresses from `from` to `to`, told short.
    pub(super) fn runs_in(&self, from: u32, to: u32) -> impl Iterator<Item = Run<u32, bool>> {
        let mut rest = (from <= to).then(|| (from, self.contains(from)));
        core::iter::from_fn(move || {
            let (addr, mark) = rest?;
            let last = self.run_end(addr, mark, to);
            rest = last.next().filter(|_| last < to).map(|next| (next, !mark));
            Some(Run { last, mark })
        })
    }

    /// The last address of the run that holds `addr` and is marked so, or `to` if that comes first.
    pub(super) fn run_end(&self, addr: u32, mark: bool, to: u32) -> u32 {
        let here = chunk(addr);
        if let Some(end) = self.entry(here).next_end(&self.lines.all, low(addr)) {
            return joined(here, end).min(to);
        }
        let behind = here.saturating_add(1);
        let entries = self.root.get(behind..=chunk(to)).unwrap_or_default();
        // Most are all alike, and the same.
        let other =
            entries.iter().zip(behind..).find(|(entry, _)| **entry != Entry::constant(mark));
        let Some((entry, at)) = other else { return to };
        if entry.first() != mark {
            return joined(at.wrapping_sub(1), u16::MAX).min(to);
        }
        let end = entry.next_end(&self.lines.all, 0);
        end.map_or(to, |end| joined(at, end).min(to))
    }

    /// The first address of the run that holds `addr`.
    pub(super) fn run_start(&self, addr: u32) -> u32 {
        let here = chunk(addr);
        if let Some(end) = self.entry(here).previous_end(&self.lines.all, low(addr)) {
            return joined(here, end).wrapping_add(1);
        }
        let mark = self.entry(here).first();
        let entries = self.root.get(..here).unwrap_or_default();
        let Some(at) = entries.iter().rposition(|entry| *entry != Entry::constant(mark)) else {
            return 0;
        };
        let last = joined(at, u16::MAX);
        if self.contains(last) != mark {
            return last.wrapping_add(1);
        }
        let end = self.entry(at).previous_end(&self.lines.all, u16::MAX);
        end.map_or(0, |end| joined(at, end).wrapping_add(1))
    }

    /// How often membership changes within, before and behind these addresses, of so many runs.
    fn borders(&self, from: u32, to: u32, runs: usize) -> usize {
        let before = from.previous().is_some_and(|at| self.contains(at) != self.contains(from));
        let behind = to.next().is_some_and(|at| self.contains(at) != self.contains(to));
        let within = runs.saturating_sub(1);
        within.wrapping_add(before.into()).wrapping_add(behind.into())
    }

    /// Writes down the /16s from the one at `from` to the one that the last run ends with.
    fn write(&mut self, from: u32, runs: &[Run<u32, bool>]) {
        let mut runs = runs.iter().peekable();
        let mut ends = Vec::new();
        let entries = self.root.get_mut(chunk(from)..).unwrap_or_default();
        for (entry, at) in entries.iter_mut().zip(chunk(from)..) {
            let Some(first) = runs.peek().map(|run| run.mark) else { break };
            let last = joined(at, u16::MAX);
            ends.clear();
            while let Some(run) = runs.next_if(|run| run.last < last) {
                ends.push(low(run.last));
            }
            runs.next_if(|run| run.last == last);
            *entry = self.lines.write(*entry, first, &ends);
        }
    }

    /// Moves all lines together.
    fn compact(&mut self) {
        let mut lines = Lines::new();
        lines.all.reserve_exact(self.lines.used().div_ceil(2));
        for entry in self.root.iter_mut() {
            *entry = lines.take_over(*entry, &self.lines);
        }
        self.lines = lines;
    }

    #[inline]
    #[allow(clippy::indexing_slicing, reason = "the remainder is a place in the array")]
    fn entry(&self, chunk: usize) -> Entry {
        self.root[chunk % CHUNKS]
    }
}

/// All lines, and which of them nobody has.
#[derive(Clone, Debug)]
struct Lines {
    all: Vec<Line>,
    /// A half beside one that somebody has.
    spare: Option<Place>,
    /// How many halves nobody has.
    left: usize,
}

impl Lines {
    /// Halves that may be left in any case.
    const LEFT: usize = 4096;

    const fn new() -> Self {
        Self { all: Vec::new(), spare: None, left: 0 }
    }

    fn used(&self) -> usize {
        self.all.len().saturating_mul(2).saturating_sub(self.left)
    }

    fn too_many_are_left(&self) -> bool {
        self.left > (self.all.len() / 2).saturating_add(Self::LEFT)
    }

    /// Writes a /16 down, where it was if it fits there.
    fn write(&mut self, old: Entry, first: bool, ends: &[u16]) -> Entry {
        let (form, room) = Form::of(ends);
        let had = old.room(&self.all);
        let place = match (had, room) {
            _ if had == room => old.place(),
            (Room::Lines(had), Room::Lines(room)) if room < had => {
                let left = had.saturating_sub(room).saturating_mul(2);
                self.left = self.left.saturating_add(left);
                old.place()
            }
            _ => {
                self.give_back(old.place(), had);
                self.take(room)
            }
        };
        let entry = Entry::new(first, form, place);
        entry.write(&mut self.all, ends);
        entry
    }

    /// Copies a /16 from other lines.
    fn take_over(&mut self, entry: Entry, from: &Self) -> Entry {
        let room = entry.room(&from.all);
        let place = self.take(room);
        entry.copied(&from.all, room, place, &mut self.all)
    }

    fn take(&mut self, room: Room) -> Place {
        let end = self.all.len();
        match room {
            Room::Nothing => Place::Nowhere,
            Room::Half => {
                self.left = self.left.wrapping_sub(1);
                self.spare.take().unwrap_or_else(|| {
                    self.append(1);
                    self.left = self.left.wrapping_add(2);
                    self.spare = Some(Place::Half(end, true));
                    Place::Half(end, false)
                })
            }
            Room::Lines(lines) => {
                self.append(lines);
                Place::Lines(end)
            }
        }
    }

    fn give_back(&mut self, place: Place, room: Room) {
        self.left = self.left.saturating_add(room.halves());
        if room == Room::Half && self.spare.is_none() {
            self.spare = Some(place);
        }
    }

    fn append(&mut self, lines: usize) {
        let len = self.all.len().saturating_add(lines);
        if len > self.all.capacity() {
            // By an eighth, not by as much again: there is more memory in lines than in all else.
            self.all.reserve_exact(lines.max(self.all.len() / 8));
        }
        self.all.resize(len, Line::EMPTY);
    }
}

fn empty_root() -> Box<[Entry; CHUNKS]> {
    // By way of a vector, since an array would be made on the stack first.
    let root = vec![Entry::constant(false); CHUNKS].into_boxed_slice();
    root.try_into().unwrap_or_else(|_| Box::new([Entry::constant(false); CHUNKS]))
}

/// The number of the /16 that holds an address.
#[inline]
fn chunk(addr: u32) -> usize {
    usize::try_from(addr >> 16).unwrap_or(0)
}

#[inline]
fn low(addr: u32) -> u16 {
    u16::try_from(addr & 0xffff).unwrap_or(0)
}

/// The address of a /16 with this low half.
fn joined(chunk: usize, low: u16) -> u32 {
    u32::try_from(chunk).unwrap_or(0).wrapping_shl(16) | u32::from(low)
}

#[cfg(test)]
mod tests;
