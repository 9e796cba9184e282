//! [`Set4`]: which IPv4 addresses are members.

mod chunk;
mod line;
mod wide;

use self::wide::Wide;
use super::small::Small;
use crate::cidr::{
    addr::Bits,
    runs::{Run, spliced},
    table::Table,
};

/// A set of IPv4 addresses: a small table as long as that has room, a wide one beyond.
#[derive(Clone, Debug)]
pub(in crate::cidr) struct Set4(Shape);

#[derive(Clone, Debug)]
enum Shape {
    /// Every second run is in the set: the odd ones, or the even ones if `first`.
    Small {
        runs: Small,
        first: bool,
    },
    Wide(Wide),
}

/// A wide table becomes small again at half of what a small one has room for, so that no list makes
/// the two change places with each edit.
const SMALL_AGAIN: usize = Small::RUNS / 2;

impl Set4 {
    fn small(runs: &[Run<u32, bool>]) -> Option<Self> {
        let first = runs.first().is_some_and(|run| run.mark);
        Small::new(runs.iter().map(|run| run.last)).map(|runs| Self(Shape::Small { runs, first }))
    }
}

impl Table<u32, bool> for Set4 {
    const EMPTY: Self = Self(Shape::Small { runs: Small::EMPTY, first: false });

    fn build(runs: &[Run<u32, bool>]) -> Self {
        Self::small(runs).unwrap_or_else(|| Self(Shape::Wide(Wide::build(runs))))
    }

    #[inline(always)]
    fn mark(&self, addr: u32) -> bool {
        match &self.0 {
            Shape::Small { runs, first } => first ^ is_odd(runs.run(addr)),
            Shape::Wide(wide) => wide.contains(addr),
        }
    }

    fn marks(&self, addrs: &[u32], marks: &mut [bool]) {
        match &self.0 {
            Shape::Small { runs, first } => {
                for (addr, mark) in addrs.iter().zip(marks) {
                    *mark = first ^ is_odd(runs.run(*addr));
                }
            }
            Shape::Wide(wide) => wide.contain(addrs, marks),
        }
    }

    fn replace(&mut self, first: u32, runs: &[Run<u32, bool>]) {
        match &mut self.0 {
            Shape::Small { .. } => {
                let all = spliced(self.runs_from(0), 0, first, runs);
                *self = Self::build(all.as_slice());
            }
            Shape::Wide(wide) => {
                wide.replace(first, runs);
                if wide.runs() <= SMALL_AGAIN {
                    let all: alloc::vec::Vec<_> = wide.runs_in(0, u32::MAX).collect();
                    *self = Self::build(&all);
                }
            }
        }
    }

    fn runs_from(&self, addr: u32) -> impl Iterator<Item = Run<u32, bool>> {
        let (small, wide) = match &self.0 {
            Shape::Small { runs, first } => {
                let at = runs.run(addr);
                let ends = runs.ends().iter().skip(at).copied().chain([u32::MAX]).zip(at..);
                let run = move |(last, at)| Run { last, mark: first ^ is_odd(at) };
                (Some(ends.map(run)), None)
            }
            Shape::Wide(wide) => (None, Some(wide.runs_in(addr, u32::MAX))),
        };
        small.into_iter().flatten().chain(wide.into_iter().flatten())
    }

    fn run_end(&self, addr: u32, last: u32) -> u32 {
        match &self.0 {
            Shape::Small { runs, .. } => {
                runs.ends().get(runs.run(addr)).copied().unwrap_or(u32::MAX).min(last)
            }
            // Told how far to look, which may be a lot less than the next /16 that is not all alike.
            Shape::Wide(wide) => wide.run_end(addr, wide.contains(addr), last),
        }
    }

    fn run_start(&self, addr: u32) -> u32 {
        match &self.0 {
            Shape::Small { runs, .. } => {
                let before = runs.run(addr).checked_sub(1).and_then(|at| runs.ends().get(at));
                before.and_then(|end| end.next()).unwrap_or(0)
            }
            Shape::Wide(wide) => wide.run_start(addr),
        }
    }

    fn heap_bytes(&self) -> usize {
        match &self.0 {
            Shape::Small { runs, .. } => runs.heap_bytes(),
            Shape::Wide(wide) => wide.heap_bytes(),
        }
    }
}

#[inline]
const fn is_odd(number: usize) -> bool {
    number & 1 != 0
}
