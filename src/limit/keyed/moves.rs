//! What becomes of a key's bucket over a change of the seed or the quota.
//!
//! A key that is not found where the present era has it is looked for where the last two had it. Where
//! there is a way for it in the present era, its old bucket is closed, and what it owes is carried over
//! into a new one; then the closed one is buried. Where there is none, it is judged by the old one, as
//! long as that can be paid before nobody looks there any more.

use super::{
    clock::Frame,
    era::{EARLIER, Superseded, View},
    rules::Rule,
    set::WAYS,
    table::{Ask, Look, Spot, Table},
    word::Word,
};
use crate::{quota::ticks::Step, time::Timestamp, verdict::Decision};

impl Table {
    /// What a key without a bucket in the present era owes from the earlier ones.
    #[inline]
    pub(super) fn inherit(
        &self,
        view: &View,
        hash: u64,
        ask: Ask,
        now: Timestamp,
        vacant: bool,
    ) -> Result<Inherited, Superseded> {
        let at = self.at(now);
        let frame = self.clock.frame();
        let mut inherited = Inherited::Nothing;
        for by in 1..=EARLIER {
            let Some((of, paid)) = self.era.before(view, by, frame.reclaimed)? else { break };
            match self.look(&of.place(hash, self.shape), frame) {
                Look::Seated(spot) if vacant && ask.units() > 0 => {
                    if Rule::CloseBeforeMoving.broken() {
                        inherited = inherited.or(of.convert(spot.word.debt(at), view));
                        continue;
                    }
                    // Not established any more, so its time must not go back below what is free.
                    let debt = spot.word.debt(at);
                    let least = frame.after_what_is_free(at);
                    let closed = if debt >= least.wrapping_sub(at) as i64 {
                        spot.word.closed(at.wrapping_add_signed(debt))
                    } else {
                        Word::tombstone(least)
                    };
                    return Ok(if spot.set.exchange(spot.way, spot.word, closed) {
                        Inherited::Closed { was_established: spot.word.is_established() }
                    } else {
                        Inherited::Lost
                    });
                }
                Look::Seated(spot) => {
                    // From then on this era is not looked at any more, so nobody may owe anything in it.
                    let owes_longer = match ask.step(&self.ticks(&of), spot.word.debt(at)) {
                        Step::Admitted { debt } => at.saturating_add(debt) > paid,
                        Step::Denied { .. } | Step::Healed { .. } => false,
                    };
                    if owes_longer {
                        return Ok(Inherited::Unpaid);
                    }
                    let decision = self.charge(spot, &of, ask, now);
                    return Ok(decision.map_or(Inherited::Lost, Inherited::Decided));
                }
                Look::Absent { closed: Some(word), .. } => {
                    inherited = inherited.or(of.convert(word.debt(at), view));
                }
                Look::Absent { closed: None, .. } => {}
            }
        }
        Ok(inherited)
    }

    /// As [`inherit`](Self::inherit), only looking.
    pub(super) fn owed_before(
        &self,
        view: &View,
        hash: u64,
        at: u64,
        frame: Frame,
    ) -> Result<Before, Superseded> {
        let mut before = Before { owed: 0, bucket: None };
        for by in 1..=EARLIER {
            let Some((of, _)) = self.era.before(view, by, frame.reclaimed)? else { break };
            let word = match self.look(&of.place(hash, self.shape), frame) {
                Look::Seated(Spot { word, .. }) => {
                    before.bucket = before.bucket.or(Some((of, word.debt(at))));
                    word
                }
                Look::Absent { closed: Some(word), .. } => word,
                Look::Absent { closed: None, .. } => continue,
            };
            before.owed = before.owed.max(of.convert(word.debt(at), view));
        }
        Ok(before)
    }

    /// Makes tombstones of what a key has left closed, now that it has its bucket elsewhere: or it would
    /// owe that once more when it has lost that bucket too.
    #[cold]
    pub(super) fn bury(&self, view: &View, hash: u64, frame: Frame) {
        let mut of = *view;
        for by in 1..=EARLIER.saturating_add(1) {
            let place = of.place(hash, self.shape);
            for set in place.sets.iter().filter_map(|set| self.sets.get(*set)) {
                for way in 0..WAYS {
                    let word = set.way(way);
                    if word.is_closed_of(place.key) {
                        // If it has changed, it is somebody else's by now.
                        let _ = set.exchange(way, word, word.buried());
                    }
                }
            }
            match self.era.before(view, by, frame.reclaimed) {
                Ok(Some((earlier, _))) => of = earlier,
                Ok(None) | Err(Superseded) => return,
            }
        }
    }

    /// A key's bucket, and the era it was seated in.
    pub(super) fn find(
        &self,
        view: &View,
        hash: u64,
        frame: Frame,
    ) -> Result<Option<(Spot<'_>, View)>, Superseded> {
        let mut of = *view;
        for by in 1..=EARLIER.saturating_add(1) {
            if let Look::Seated(spot) = self.look(&of.place(hash, self.shape), frame) {
                return Ok(Some((spot, of)));
            }
            match self.era.before(view, by, frame.reclaimed)? {
                Some((earlier, _)) => of = earlier,
                None => break,
            }
        }
        Ok(None)
    }
}

/// What a key has in the earlier eras.
pub(super) struct Before {
    /// In ticks of the present era.
    pub(super) owed: i64,
    /// The latest bucket that can still be charged, and what it owes in its own era's ticks.
    pub(super) bucket: Option<(View, i64)>,
}

/// What a key brings along from the earlier eras.
pub(super) enum Inherited {
    Nothing,
    /// It owes so much, in ticks of the present era.
    Debt(i64),
    /// There is no way for it in the present era, so its old bucket decided.
    Decided(Decision),
    /// Its old bucket was closed just now.
    Closed {
        was_established: bool,
    },
    /// Its old bucket was changed by another thread.
    Lost,
    /// There is no way for it, and its old bucket could not pay in time.
    Unpaid,
}

impl Inherited {
    /// With a debt from one more era.
    fn or(self, debt: i64) -> Self {
        match self {
            Self::Debt(other) => Self::Debt(other.max(debt)),
            _ => Self::Debt(debt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Inherited;

    /// What is found in two eras is the same debt, as one of them knows it later than the other.
    #[test]
    fn of_two_debts_the_larger_is_owed() {
        let owed = |debts: &[i64]| {
            let all = debts.iter().fold(Inherited::Nothing, |sum, debt| sum.or(*debt));
            if let Inherited::Debt(debt) = all { Some(debt) } else { None }
        };
        let found = [owed(&[]), owed(&[-3]), owed(&[5, 3]), owed(&[3, 5])];
        assert_eq!(found, [None, Some(-3), Some(5), Some(5)]);
    }
}
