//! Where a table is cut into pieces.

use alloc::vec::Vec;

use super::{answers::Kept, piece::Piece};
use crate::cidr::{addr::Bits, runs::Run};

/// How many runs pieces have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// The most.
    most: usize,
    /// The most where runs are cut, so that pieces can grow.
    roomy: usize,
    /// A piece of fewer is joined with a neighbour.
    pub(super) fewest: usize,
    /// How many places are tried for a cut between two /64s.
    tries: usize,
}

impl Sizes {
    /// A full piece has four levels, and an edit of it takes some tens of microseconds.
    pub(super) const USUAL: Self = Self { most: 6_561, roomy: 4_096, fewest: 1_024, tries: 512 };
    /// So small that short lists have many pieces.
    #[cfg(test)]
    pub(super) const SMALL: Self = Self { most: 11, roomy: 8, fewest: 3, tries: 2 };
}

#[cfg(test)]
impl Sizes {
    pub(super) const fn most(self) -> usize {
        self.most
    }
}

/// Compiles runs that cover `first` to `last` into pieces of about the same number of runs each.
pub(super) fn pieces<M: Kept>(
    first: u128,
    runs: &[Run<u128, M>],
    last: u128,
    sizes: Sizes,
) -> Vec<Piece<M>> {
    let count = if runs.len() <= sizes.most { 1 } else { runs.len().div_ceil(sizes.roomy) };
    let mut pieces = Vec::with_capacity(count);
    let (mut first, mut rest) = (first, runs);
    for left in (1..count).rev() {
        let wanted = rest.len().div_ceil(left.saturating_add(1));
        let Some((cut, end)) = cut_near(rest, wanted, sizes.tries) else { break };
        let (these, those) = rest.split_at(cut.min(rest.len()));
        // A cut within a run gives both pieces a part of it.
        let shared = those.first().filter(|_| these.last().is_some_and(|run| run.last < end));
        let piece = match shared {
            Some(_) => rest.get(..=cut).unwrap_or(rest),
            None => these,
        };
        pieces.push(Piece::new(first, piece, end));
        (first, rest) = (end.saturating_add(1), those);
    }
    pieces.push(Piece::new(first, rest, last));
    pieces
}

/// A cut after about so many runs: how many, and the last address before it. It is between two /64s
/// if one of the places tried allows it, after the last run before it otherwise.
fn cut_near<M>(runs: &[Run<u128, M>], wanted: usize, tries: usize) -> Option<(usize, u128)> {
    let end_of = |count: usize| runs.get(count.checked_sub(1)?).map(|run| run.last);
    let between = (wanted.saturating_sub(tries)..=wanted).rev().find_map(|count| {
        let end = end_of(count)?.last_of(64);
        // Within the next run, or where it starts, but not where it ends.
        (end < end_of(count.saturating_add(1))?).then_some((count, end))
    });
    between.or_else(|| Some((wanted, end_of(wanted)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cidr::runs::Mark;

    const HALF: u128 = u64::MAX as u128;

    /// A cut is between two /64s where the next run begins or lies around it. Where that run ends with
    /// the /64, it would be cut to nothing.
    #[test]
    fn a_cut_leaves_both_pieces_something_of_the_next_run() {
        let run = |last| Run { last, mark: Mark::default() };
        let (within, end, beyond) = (run(5), run(HALF), run(HALF << 3 | HALF));
        let cut = |runs: &[Run<u128, Mark>], wanted| cut_near(runs, wanted, 1);
        assert_eq!(cut(&[within, beyond], 1), Some((1, HALF)));
        assert_eq!(cut(&[within, end, beyond], 2), Some((2, HALF)));
        assert_eq!(cut(&[within, end, beyond], 1), Some((1, 5)));
    }
}
