//! The runs themselves, and a binary search.

use alloc::vec::Vec;

use crate::cidr::{
    addr::Bits,
    runs::{Marked, Run, spliced},
    table::Table,
};

/// A table that is nothing but its runs, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cidr) struct Sorted<B, M>(Vec<Run<B, M>>);

impl<B: Bits, M: Marked> Sorted<B, M> {
    fn place(&self, addr: B) -> usize {
        self.0.partition_point(|run| run.last < addr)
    }
}

impl<B: Bits, M: Marked> Table<B, M> for Sorted<B, M> {
    /// No run at all says what one run of the default mark does.
    const EMPTY: Self = Self(Vec::new());

    fn build(runs: &[Run<B, M>]) -> Self {
        match runs {
            [Run { mark, .. }] if *mark == M::default() => Self::EMPTY,
            runs => Self(runs.to_vec()),
        }
    }

    fn mark(&self, addr: B) -> M {
        self.0.get(self.place(addr)).map(|run| run.mark).unwrap_or_default()
    }

    fn marks(&self, addrs: &[B], marks: &mut [M]) {
        for (addr, mark) in addrs.iter().zip(marks) {
            *mark = self.mark(*addr);
        }
    }

    fn replace(&mut self, first: B, runs: &[Run<B, M>]) {
        let all = spliced(self.runs_from(B::MIN), B::MIN, first, runs);
        *self = Self::build(all.as_slice());
    }

    fn runs_from(&self, addr: B) -> impl Iterator<Item = Run<B, M>> {
        let nothing = self.0.is_empty().then_some(Run { last: B::MAX, mark: M::default() });
        self.0.iter().copied().skip(self.place(addr)).chain(nothing)
    }

    fn run_start(&self, addr: B) -> B {
        let before = self.place(addr).checked_sub(1).and_then(|at| self.0.get(at));
        before.and_then(|run| run.last.next()).unwrap_or(B::MIN)
    }

    fn heap_bytes(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<Run<B, M>>())
    }
}
