//! A map of many runs: a root of all /16s, and what each of them says.
//!
//! Slot 0 has the default mark, and a root of zeros says it for all addresses.
//!
//! Invariants, each with a test that cites it:
//! - **I1** every address has the mark that was last said of it, by `new` or by `replace`;
//! - **I2** of the lines and of the slots, at most a quarter, or 1,024, are left over, so that nothing
//!   leads to them: an edit that would leave more copies the others to a new table.

use alloc::{boxed::Box, vec};

use super::chunk::{Entry, Lines};
use crate::cidr::{
    runs::{Mark, Run, Runs},
    slots::Slots,
};

#[derive(Clone, Debug)]
pub(super) struct Wide {
    root: Box<[Entry; ENTRIES]>,
    lines: Lines,
    slots: Slots,
    /// Lines and slots that nothing leads to any more, or a few more than these: a slot that some
    /// /16s share is counted whenever one of them leaves it.
    left: Left,
}

#[derive(Clone, Copy, Debug, Default)]
struct Left {
    lines: usize,
    slots: usize,
}

const ENTRIES: usize = 1 << 16;
/// So many lines and slots may be left over even if they are more than a quarter.
const LEFT: usize = 1_024;

impl Wide {
    pub(super) fn new(runs: &[Run<u32, Mark>]) -> Self {
        // Room for most tables, of which what nobody writes to costs nothing and is given back.
        let mut wide =
            Self::with_capacity((runs.len() / 2).min(ENTRIES), runs.len().saturating_add(ENTRIES));
        wide.compile(0, runs);
        wide.shrink_to_fit();
        wide
    }

    fn with_capacity(lines: usize, slots: usize) -> Self {
        let root = vec![Entry::default(); ENTRIES].into_boxed_slice();
        // The length is right, and so the other array, which would lie on the stack, is never made.
        let root = root.try_into().unwrap_or_else(|_| Box::new([Entry::default(); ENTRIES]));
        let (lines, mut marks) = (Lines::with_capacity(lines), Slots::new());
        marks.reserve_exact(slots.saturating_add(1));
        marks.push(Mark::default());
        Self { root, lines, slots: marks, left: Left::default() }
    }

    fn shrink_to_fit(&mut self) {
        self.lines.shrink_to_fit();
        self.slots.shrink_to_fit();
    }

    #[inline]
    pub(super) fn mark(&self, addr: u32) -> Mark {
        self.mark_in(self.lines.slot(self.entry(addr), low(addr)))
    }

    #[inline]
    #[allow(clippy::indexing_slicing, reason = "16 bits for 65,536 entries")]
    fn entry(&self, addr: u32) -> Entry {
        self.root[usize::from(high(addr))]
    }

    /// What is in the slots of some addresses, step by step for all of them, so that they wait for
    /// memory together.
    #[inline]
    pub(super) fn block<T, const N: usize>(
        &self,
        addrs: &[u32; N],
        places: &mut [T; N],
        what: impl Fn(&Slots, usize) -> T,
    ) {
        let entries = addrs.map(|addr| self.entry(addr));
        let mut slots = [0; N];
        for ((slot, entry), addr) in slots.iter_mut().zip(entries).zip(addrs) {
            *slot = self.lines.slot(entry, low(*addr));
        }
        for (place, slot) in places.iter_mut().zip(slots) {
            *place = what(&self.slots, usize::try_from(slot).unwrap_or(usize::MAX));
        }
    }

    /// How many addresses make a good block.
    pub(super) const BLOCK: usize = 16;

    /// Says anew what is said of `first` to the end of `runs`. True if nothing is left over, since
    /// too much was.
    pub(super) fn replace(&mut self, first: u32, runs: &[Run<u32, Mark>]) -> bool {
        let Some(end) = runs.last().map(|run| run.last) else { return false };
        let start = first & !0xffff;
        let mut told = Runs::with_capacity(runs.len().saturating_add(64));
        if let Some(before) = first.checked_sub(1).filter(|before| *before >= start) {
            self.tell(start, before, &mut told);
        }
        runs.iter().for_each(|run| told.push(run.last, run.mark));
        if let Some(after) = end.checked_add(1) {
            self.tell(after, end | 0xffff, &mut told);
        }
        let touched = usize::from(high(first))..=usize::from(high(end));
        self.left = self.left_without(self.root.get(touched).unwrap_or_default());
        self.compile(start, told.as_slice());
        let wasteful = self.is_wasteful();
        if wasteful {
            *self = self.compacted();
        }
        wasteful
    }

    fn is_wasteful(&self) -> bool {
        let limit = |all: usize| (all / 4).max(LEFT);
        // Far from where slots are no longer numbers of 32 bits, everything is numbered anew.
        self.left.lines > limit(self.lines.len())
            || self.left.slots > limit(self.slots.len())
            || self.next_slot() > u32::MAX / 4 * 3
    }

    /// The same without what is left over.
    fn compacted(&self) -> Self {
        let lines = self.lines.len().saturating_sub(self.left.lines);
        let mut new = Self::with_capacity(lines, self.slots.len());
        let mut before = (Entry::default(), Entry::default());
        let entries = self.root.iter().zip(0_usize..);
        for (entry, at) in entries {
            if !(entry.is_one() && before.0 == *entry) {
                before = (*entry, new.push_like(self, *entry));
            }
            new.root.get_mut(at).into_iter().for_each(|place| *place = before.1);
        }
        new.shrink_to_fit();
        new
    }

    /// Adds what an entry of another table leads to.
    fn push_like(&mut self, other: &Self, entry: Entry) -> Entry {
        let [first, last] = [0, u16::MAX].map(|low| other.lines.slot(entry, low));
        if entry.is_one() {
            let one = [Run { last: u32::MAX, mark: other.mark_in(first) }];
            return self.push(&one);
        }
        let base = self.next_slot();
        (first..=last).for_each(|slot| self.slots.push(other.mark_in(slot)));
        self.lines.push_like(&other.lines, entry, base)
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    fn next_slot(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    fn left_without(&self, entries: &[Entry]) -> Left {
        let mut left = self.left;
        for entry in entries {
            let slot = |low| self.lines.slot(*entry, low);
            let slots = slot(u16::MAX).wrapping_sub(slot(0)).saturating_add(1);
            left.slots = left.slots.saturating_add(usize::try_from(slots).unwrap_or(usize::MAX));
            left.lines = left.lines.saturating_add(self.lines.lines_of(*entry));
        }
        left
    }

    /// Adds what is said of `first..=last`, a part of a /16.
    fn tell(&self, first: u32, last: u32, told: &mut Runs<u32, Mark>) {
        let mut next = Some(first);
        while let Some(addr) = next.filter(|addr| *addr <= last) {
            let within = self.lines.within(self.entry(addr), low(addr));
            let end = (addr & !0xffff | u32::from(within.last)).min(last);
            told.push(end, self.mark_in(within.slot));
            next = end.checked_add(1);
        }
    }

    /// The first address from which one slot speaks, up to the given one, and what it says.
    pub(super) fn start(&self, addr: u32) -> (u32, Mark) {
        let entry = self.entry(addr);
        let within = self.lines.within(entry, low(addr));
        let before = self.root.get(..high(addr).into()).unwrap_or_default();
        let alike = before.iter().rev().take_while(|before| entry.is_one() && **before == entry);
        let first = addr & !0xffff | u32::from(within.first);
        (first.saturating_sub(span(alike.count())), self.mark_in(within.slot))
    }

    /// The last address up to which one slot speaks, from the given one on, and what it says.
    pub(super) fn end(&self, addr: u32) -> (u32, Mark) {
        let entry = self.entry(addr);
        let within = self.lines.within(entry, low(addr));
        let after = self.root.get(high(addr).into()..).unwrap_or_default().iter().skip(1);
        let alike = after.take_while(|after| entry.is_one() && **after == entry);
        let last = addr & !0xffff | u32::from(within.last);
        (last.saturating_add(span(alike.count())), self.mark_in(within.slot))
    }

    #[inline]
    fn mark_in(&self, slot: u32) -> Mark {
        self.slots.mark(usize::try_from(slot).unwrap_or(usize::MAX))
    }

    /// Compiles runs that cover whole /16s, from `start` on.
    fn compile(&mut self, start: u32, mut runs: &[Run<u32, Mark>]) {
        let mut from = start;
        while let Some(head) = runs.first() {
            let end = from | 0xffff;
            let (here, until) = if head.last < end {
                let last = runs.iter().position(|run| run.last >= end);
                (last.and_then(|last| runs.get(..=last)).unwrap_or(runs), end)
            } else {
                // All the /16s that lie in one run.
                let beyond = if low(head.last) == u16::MAX { 0 } else { 0x1_0000 };
                (runs.get(..1).unwrap_or(runs), (head.last | 0xffff).saturating_sub(beyond))
            };
            let entry = self.push(here);
            let span = usize::from(high(from))..=usize::from(high(until));
            self.root.get_mut(span).into_iter().for_each(|entries| entries.fill(entry));
            // The last run may go on in the next /16.
            let goes_on = here.last().is_some_and(|run| run.last > until);
            let done = here.len().saturating_sub(goes_on.into());
            runs = runs.get(done..).unwrap_or_default();
            let Some(next) = until.checked_add(1) else { break };
            from = next;
        }
    }

    /// Adds the runs of a /16.
    fn push(&mut self, runs: &[Run<u32, Mark>]) -> Entry {
        self.slots.make_room(runs.len());
        let base = self.next_slot();
        if let [Run { mark, .. }] = runs {
            // What the /16 before ends with, or nothing at all, may be what this one says.
            let same =
                [0, base.saturating_sub(1)].into_iter().find(|at| self.mark_in(*at) == *mark);
            // A slot that is no number of an entry takes a line.
            if let Some(entry) = Entry::one(same.unwrap_or(base)) {
                if same.is_none() {
                    self.slots.push(*mark);
                }
                return entry;
            }
        }
        runs.iter().for_each(|run| self.slots.push(run.mark));
        self.lines.push(runs, base)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let marks = self.slots.heap_bytes();
        size_of_val(&*self.root).saturating_add(self.lines.heap_bytes()).saturating_add(marks)
    }
}

/// The addresses of so many /16s.
fn span(nets: usize) -> u32 {
    u32::try_from(nets).unwrap_or(0).wrapping_shl(16)
}

#[inline]
fn low(addr: u32) -> u16 {
    let [low, high, ..] = addr.to_le_bytes();
    u16::from_le_bytes([low, high])
}

#[inline]
fn high(addr: u32) -> u16 {
    low(addr >> 16)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// Runs with these ends, and one to the last address, each with a mark of its own.
    fn ending_at(ends: impl Iterator<Item = u32>) -> Vec<Run<u32, Mark>> {
        let ends = ends.chain([u32::MAX]).zip(1..);
        ends.map(|(last, tag)| Run { last, mark: Mark { tag, len: 0 } }).collect()
    }

    fn left(wide: &Wide) -> (usize, usize) {
        (wide.left.lines, wide.left.slots)
    }

    /// I2, at what may be left exactly, and beyond.
    #[test]
    fn slots_that_are_left_over_go_when_they_are_too_many_and_not_before() {
        let net = 0x0a00_0000;
        let mut wide = Wide::new(&ending_at((0..511).map(|n| net + n)));
        // The default one, that of the /16s before, and one for each run of this /16.
        assert_eq!((wide.slots(), left(&wide)), (514, (0, 0)));
        assert_eq!(wide.heap_bytes(), (256 << 10) + (1 + 17) * (64 + 4) + 514 * 3);
        let mut say = |tag| {
            let run = Run { last: net + 5, mark: Mark { tag, len: 0 } };
            (wide.replace(net + 5, &[run]), left(&wide), wide.mark(net + 5).tag, wide.slots())
        };
        assert_eq!(say(800), (false, (17, 512), 800, 1_026));
        assert_eq!(say(801), (false, (34, 1_024), 801, 1_538));
        assert_eq!(say(802), (true, (0, 0), 802, 514));
    }

    /// I2, of lines, where there are so many slots that those left over are few.
    #[test]
    fn lines_that_are_left_over_go_when_they_are_too_many_and_not_before() {
        let nets = (0..512).map(|net| net << 16 | 7);
        let dense = (0..20_000).map(|n| 0x0a00_0000 + n * 2);
        let mut wide = Wide::new(&ending_at(nets.clone().chain(dense)));
        let lines = wide.lines.len();
        let mut say = |tag| {
            let nets = nets.clone().chain([(512 << 16) - 1]).zip(tag..);
            let runs: Vec<_> =
                nets.map(|(last, tag)| Run { last, mark: Mark { tag, len: 0 } }).collect();
            (wide.replace(0, &runs), left(&wide), wide.mark(7).tag, wide.lines.len())
        };
        assert_eq!(say(30_000), (false, (512, 1_024), 30_000, lines + 512));
        assert_eq!(say(40_000), (false, (1_024, 2_048), 40_000, lines + 1_024));
        assert_eq!(say(50_000), (true, (0, 0), 50_000, lines));
    }

    /// I2: a /16 that one slot speaks for has no line to leave behind.
    #[test]
    fn a_net_in_one_slot_leaves_no_line() {
        let mut wide = Wide::new(&ending_at((0..511).map(|n| 0x0a00_0000 + n)));
        let addr = 0x0b00_0005;
        let run = Run { last: addr, mark: Mark { tag: 800, len: 0 } };
        assert!(!wide.replace(addr, &[run]));
        assert_eq!((left(&wide), wide.mark(addr).tag), ((0, 1), 800));
    }
}
