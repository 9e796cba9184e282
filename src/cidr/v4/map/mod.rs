//! An IPv4 map, compiled: from an address to a slot, and from the slot to the mark.
//!
//! What an address maps to is two things, the number of its run and the mark of that run, and they
//! lie apart. The first is an index of 2 bytes and less a run, which stays in the caches next to the
//! processor; the second is one array, of which a look-up reads one place. An index comes in two
//! forms:
//!
//! - up to 4,096 runs, a [`Small`] one of a few kilobytes, which leaves the caches to the program;
//! - above, a [`Wide`] one: a root with an entry for each /16, and 64-byte lines in the form that
//!   suits its runs: see [`chunk`].
//!
//! Invariants, each with a test that cites it:
//! - **I1** every address has the mark that the runs give it;
//! - **I2** after any edits, the table says what one built from scratch would say;
//! - **I3** [`runs_from`](Table::runs_from) tells the runs short, and as they were given.
//!
//! # Bounds
//! For r runs, and t /16s that a run starts or ends in, whatever they are:
//! - a look-up reads one entry of the root, at most two lines, one base and the mark; in a small
//!   form what [`Small`] says, and the mark. Of the mark, it reads the length only if that is used;
//! - marks take 3 bytes a run (5 with more than 65,534 tags), and as much for each of the t /16s; the
//!   index takes 256 KiB, 136 bytes for each of the t /16s, and 17 bytes a run, of which a /16 with
//!   all its runs at the borders of /24s needs 68 in all. Edits leave up to a third more behind;
//! - an edit compiles the /16s that it touches, in time linear in their runs. One that leaves more
//!   than a quarter behind copies the rest to a new table: for a full routing table and edits of one
//!   prefix each, one in some thousands. A map that comes to 4,096 runs or fewer is small again when
//!   that happens, not before.

mod chunk;
mod line;
#[cfg(test)]
mod tests;
mod wide;

use alloc::vec::Vec;

use self::wide::Wide;
use super::small::Small;
use crate::cidr::{
    addr::Bits,
    runs::{Mark, Run, spliced},
    slots::Slots,
    table::Table,
};

/// The mark of every IPv4 address.
#[derive(Clone, Debug)]
pub(in crate::cidr) struct Map4(Form);

#[derive(Clone, Debug)]
enum Form {
    Small(Small, Slots),
    Wide(Wide),
}

impl Table<u32, Mark> for Map4 {
    const EMPTY: Self = Self(Form::Small(Small::EMPTY, Slots::new()));

    fn build(runs: &[Run<u32, Mark>]) -> Self {
        match runs {
            [Run { mark, .. }] if *mark == Mark::default() => Self::EMPTY,
            _ => Self(match Small::new(runs.iter().map(|run| run.last)) {
                Some(index) => Form::Small(index, slots(runs)),
                None => Form::Wide(Wide::new(runs)),
            }),
        }
    }

    // Always, so that whoever asks for the tag alone does not load the length.
    #[inline(always)]
    fn mark(&self, addr: u32) -> Mark {
        match &self.0 {
            Form::Small(index, slots) => slots.mark(index.run(addr)),
            Form::Wide(wide) => wide.mark(addr),
        }
    }

    fn marks(&self, addrs: &[u32], marks: &mut [Mark]) {
        self.slots_of(addrs, marks, Slots::mark);
    }

    fn replace(&mut self, first: u32, runs: &[Run<u32, Mark>]) {
        match &mut self.0 {
            Form::Small(..) => {
                let all = spliced(self.runs_from(u32::MIN), u32::MIN, first, runs);
                *self = Self::build(all.as_slice());
            }
            Form::Wide(wide) => {
                // A slot may serve many runs, and a run that ends in another /16 than it starts in has
                // two: whether they are few enough, only counting tells.
                if wide.replace(first, runs) && wide.slots() <= 2 * Small::RUNS + 1 {
                    let some = Small::RUNS.saturating_add(1);
                    let all: Vec<_> = self.runs_from(u32::MIN).take(some).collect();
                    if all.len() < some {
                        *self = Self::build(&all);
                    }
                }
            }
        }
    }

    fn runs_from(&self, addr: u32) -> impl Iterator<Item = Run<u32, Mark>> {
        let mut ahead = Some(self.end(addr));
        core::iter::from_fn(move || {
            let (mut last, mark) = ahead.take()?;
            while let Some(next) = last.next() {
                let (end, beyond) = self.end(next);
                if beyond != mark {
                    ahead = Some((end, beyond));
                    break;
                }
                last = end;
            }
            Some(Run { last, mark })
        })
    }

    fn run_start(&self, addr: u32) -> u32 {
        let (mut first, mark) = self.start(addr);
        while let Some((start, _)) =
            first.previous().map(|before| self.start(before)).filter(|(_, before)| *before == mark)
        {
            first = start;
        }
        first
    }

    fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(index, slots) => index.heap_bytes().saturating_add(slots.heap_bytes()),
            Form::Wide(wide) => wide.heap_bytes(),
        }
    }
}

impl Map4 {
    /// The tag of each address, at its place in `tags`; places without an address stay. As
    /// [`marks`](Table::marks), without the lengths, which lie elsewhere in memory.
    pub(in crate::cidr) fn tags(&self, addrs: &[u32], tags: &mut [u32]) {
        self.slots_of(addrs, tags, Slots::tag);
    }

    #[inline]
    fn slots_of<T: Copy>(
        &self,
        addrs: &[u32],
        places: &mut [T],
        what: impl Fn(&Slots, usize) -> T + Copy,
    ) {
        match &self.0 {
            Form::Small(index, slots) => {
                for (addr, place) in addrs.iter().zip(places) {
                    *place = what(slots, index.run(*addr));
                }
            }
            Form::Wide(wide) => {
                let blocks = addrs.chunks(Wide::BLOCK).zip(places.chunks_mut(Wide::BLOCK));
                for (addrs, places) in blocks {
                    match (addrs.first_chunk(), places.first_chunk_mut()) {
                        (Some(addrs), Some(places)) => {
                            wide.block::<_, { Wide::BLOCK }>(addrs, places, what);
                        }
                        _ => addrs.iter().zip(places).for_each(|(addr, place)| {
                            wide.block(&[*addr], core::array::from_mut(place), what);
                        }),
                    }
                }
            }
        }
    }

    /// An address at or before the given one, from which on its mark is said.
    fn start(&self, addr: u32) -> (u32, Mark) {
        match &self.0 {
            Form::Small(index, slots) => {
                let run = index.run(addr);
                let before = run.checked_sub(1).and_then(|before| index.ends().get(before));
                (before.and_then(|before| before.next()).unwrap_or(u32::MIN), slots.mark(run))
            }
            Form::Wide(wide) => wide.start(addr),
        }
    }

    /// An address at or behind the given one, up to which its mark is said.
    fn end(&self, addr: u32) -> (u32, Mark) {
        match &self.0 {
            Form::Small(index, slots) => {
                let run = index.run(addr);
                (index.ends().get(run).copied().unwrap_or(u32::MAX), slots.mark(run))
            }
            Form::Wide(wide) => wide.end(addr),
        }
    }
}

/// The marks of all runs, in order.
fn slots(runs: &[Run<u32, Mark>]) -> Slots {
    let mut slots = Slots::new();
    slots.reserve_exact(runs.len());
    runs.iter().for_each(|run| slots.push(run.mark));
    slots
}
