//! What a compiled table does, whatever its shape.

use super::{addr::Bits, runs::Run};

/// An answer for every address of a family: runs go in, marks come out.
///
/// Everything above the tables (sets, maps, edits, set algebra) speaks to this face only, and
/// everything below it (roots, lines, trees) is about speed and memory only.
pub(super) trait Table<B: Bits, M>: Clone {
    /// The table in which every address has the default mark.
    const EMPTY: Self;

    /// Compiles runs that cover the whole space and are told short.
    fn build(runs: &[Run<B, M>]) -> Self;

    /// What is said of an address.
    fn mark(&self, addr: B) -> M;

    /// What is said of each address, at its place in `marks`; places without an address stay.
    fn marks(&self, addrs: &[B], marks: &mut [M]);

    /// Says anew what is said of the addresses from `first` to the end of `runs`, which cover that
    /// stretch; recompiles only the parts of the table that hold it.
    fn replace(&mut self, first: B, runs: &[Run<B, M>]);

    /// The run that holds `addr`, and all after it, told short: they end with the space.
    fn runs_from(&self, addr: B) -> impl Iterator<Item = Run<B, M>>;

    /// The last address of the run that holds `addr`, or `last` if that comes first.
    fn run_end(&self, addr: B, last: B) -> B {
        self.runs_from(addr).next().map_or(last, |run| run.last.min(last))
    }

    /// The first address of the run that holds `addr`.
    fn run_start(&self, addr: B) -> B;

    /// The bytes on the heap.
    fn heap_bytes(&self) -> usize;
}
