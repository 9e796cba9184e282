//! What is best of all that was seen alone, by twos and by threes.
//!
//! What is asked of three things at once has no more samples than what is asked of two of them: where two
//! have too few for a mitigation, no third one is tried. So the work is small where it matters, and bounded by
//! the fixed number of values everywhere.

use super::{
    bits::{Bits, Spread},
    groups::Count,
    scale::Scale,
};
use crate::detect::Dimension;

/// What samples can have: to be from some networks, or of a kind.
pub(super) struct Value {
    pub(super) what: What,
    pub(super) spread: Spread,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Networks of this size; where they are is kept beside. `are_many`: a union.
    From { dimension: Dimension, at: usize, are_many: bool },
    /// This key.
    Is(Dimension, u64),
}

impl What {
    /// Near ties are decided for the narrower one: it is wrong about fewer clients. In shares of the excess.
    fn breadth(self) -> f64 {
        match self {
            Self::From { dimension, are_many, .. } => {
                let size = match dimension {
                    Dimension::Host => 0.0,
                    Dimension::Net => 0.005,
                    _ => 0.01,
                };
                if are_many { size + 0.005 } else { size }
            }
            Self::Is(Dimension::Section, _) => 0.035,
            Self::Is(..) => 0.03,
        }
    }

    /// Whether it makes sense to ask for both.
    fn goes_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::From { .. }, Self::From { .. }) => false,
            (Self::Is(one, _), Self::Is(other, _)) => {
                one != other
                    && !matches!(
                        (one, other),
                        (Dimension::Section, Dimension::Path)
                            | (Dimension::Path, Dimension::Section)
                    )
            }
            _ => true,
        }
    }
}

/// What is asked of candidates.
pub(super) struct Wanted<'a> {
    pub(super) scale: Scale,
    /// Recent samples that nothing covers yet.
    pub(super) left: &'a Bits,
    /// Usual samples that are harmed already.
    pub(super) harmed: &'a Bits,
    pub(super) covers: f64,
    pub(super) harms: f64,
}

/// The best so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Best {
    score: f64,
    pub(super) covers: f64,
    pub(super) values: [Option<usize>; 3],
    pub(super) spread: Spread,
}

/// What a harmed share of the usual traffic costs, in shares of the excess.
const HARM: f64 = 10.0;

/// What each further part costs.
const PART: f64 = 0.01;

/// A candidate is by so many deviations more than usual: there are some thousands of them, and chance must not
/// make one.
const CLEARLY: f64 = 4.0;

/// Weighs a value, alone and with later ones; says how much work that was, in sets of samples compared.
pub(super) fn weigh(
    values: &[Value],
    at: usize,
    wanted: &Wanted<'_>,
    best: &mut Option<Best>,
) -> usize {
    let Some(one) = values.get(at) else { return 0 };
    if !wanted.can_do(&one.spread) {
        return 1;
    }
    wanted.judge(values, [Some(at), None, None], &one.spread, best);
    let mut work = 2_usize;
    let after = |at: usize| values.iter().enumerate().skip(at.saturating_add(1));
    for (next, other) in after(at).filter(|(_, other)| one.what.goes_with(other.what)) {
        let both = one.spread.and(&other.spread);
        work = work.saturating_add(2);
        if !wanted.can_do(&both) {
            continue;
        }
        wanted.judge(values, [Some(at), Some(next), None], &both, best);
        for (last, third) in after(next) {
            if !one.what.goes_with(third.what) || !other.what.goes_with(third.what) {
                continue;
            }
            let all = both.and(&third.spread);
            work = work.saturating_add(2);
            if wanted.can_do(&all) {
                wanted.judge(values, [Some(at), Some(next), Some(last)], &all, best);
            }
        }
    }
    work
}

impl Wanted<'_> {
    /// Whether enough samples are left for it to cover what is wanted.
    fn can_do(&self, spread: &Spread) -> bool {
        self.scale.at_most(spread.recent.and(self.left).count()) >= self.covers
    }

    fn judge(
        &self,
        values: &[Value],
        parts: [Option<usize>; 3],
        spread: &Spread,
        best: &mut Option<Best>,
    ) {
        let count =
            Count { recent: spread.recent.and(self.left).count(), usual: spread.usual.count() };
        let covers = self.scale.covers(count);
        let harms = self.scale.harms(spread.usual.or(self.harmed).count());
        if covers < self.covers || harms > self.harms || self.scale.deviations(count) < CLEARLY {
            return;
        }
        let whats = || parts.iter().flatten().filter_map(|at| values.get(*at));
        // With others, it is as broad as the narrowest of them.
        let breadth = whats().map(|value| value.what.breadth()).fold(f64::INFINITY, f64::min);
        let more = whats().skip(1).fold(0.0, |sum, _| sum + PART);
        let score = covers - HARM * self.scale.harms(count.usual) - breadth - more;
        if best.is_none_or(|best| score > best.score) {
            *best = Some(Best { score, covers, values: parts, spread: *spread });
        }
    }
}
