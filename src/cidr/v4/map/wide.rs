//! A map of many runs: a root of all /16s, and what each of them says.
//!
//! Slot 0 has the default mark, and a root of zeros says it for all addresses.
//!
//! Invariants, each with a test that cites it:
//! - **I1** every address has the mark that was last said of it, by `new` or by `replace`;
//! - **I2** lines and slots that nothing leads to any more are at most a quarter of all: whatever
//!   would leave more compiles the whole anew.

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

impl Wide {
    pub(super) fn new(runs: &[Run<u32, Mark>]) -> Self {
        let mut slots = Slots::new();
        slots.reserve_exact(runs.len().saturating_add(runs.len() / 8));
        slots.push(Mark::default());
        let root = vec![Entry::default(); ENTRIES].into_boxed_slice();
        // The length is right, and so the other array, which would lie on the stack, is never made.
        let root = root.try_into().unwrap_or_else(|_| Box::new([Entry::default(); ENTRIES]));
        let mut wide = Self { root, lines: Lines::new(), slots, left: Left::default() };
        wide.compile(0, runs);
        wide.lines.shrink_to_fit();
        wide.slots.shrink_to_fit();
        wide
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

    /// The marks of up to [`BLOCK`](Self::BLOCK) addresses, step by step for all of them, so that
    /// they wait for memory together.
    #[inline]
    pub(super) fn marks(&self, addrs: &[u32; Self::BLOCK]) -> [Mark; Self::BLOCK] {
        let entries = addrs.map(|addr| self.entry(addr));
        let mut slots = [0; Self::BLOCK];
        for ((slot, entry), addr) in slots.iter_mut().zip(entries).zip(addrs) {
            *slot = self.lines.slot(entry, low(*addr));
        }
        slots.map(|slot| self.mark_in(slot))
    }

    pub(super) const BLOCK: usize = 16;

    /// Says anew what is said of `first` to the end of `runs`.
    pub(super) fn replace(&mut self, first: u32, runs: &[Run<u32, Mark>]) {
        let Some(end) = runs.last().map(|run| run.last) else { return };
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
    }

    /// Whether more is left over than may be, and the whole should be compiled anew.
    pub(super) fn is_wasteful(&self) -> bool {
        let quarter = |all: usize| all / 4;
        self.left.lines > quarter(self.lines.len())
            || self.left.slots > quarter(self.slots.len())
            || u32::try_from(self.slots.len()).is_ok_and(|len| len > u32::MAX / 4 * 3)
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
        let next = self.slots.len();
        let slot = |slot: usize| u32::try_from(slot).unwrap_or(u32::MAX);
        if let [Run { mark, .. }] = runs {
            let last = next.saturating_sub(1);
            let same = [0, last].into_iter().find(|at| self.slots.mark(*at) == *mark);
            if let Some(entry) = Entry::one(slot(same.unwrap_or(next))) {
                if same.is_none() {
                    self.slots.push(*mark);
                }
                return entry;
            }
        }
        runs.iter().for_each(|run| self.slots.push(run.mark));
        self.lines.push(runs, slot(next))
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
