//! The protocol: how a key's bucket is found, charged, and seated.
//!
//! A key has its bucket in one of the ways of two sets, in one word. A check
//!
//! 1. *fast*: follows a hint to a word with the key's fingerprint, and charges it or denies;
//! 2. or moves the reclaim clock on, reads `F`, and then *all* ways of both sets;
//! 3. charges the key's bucket where it finds one;
//! 4. or takes for it the way that was full *first* of all it has read, if that was full at `F`.
//!
//! # Why a key is never seated twice
//! Order the ways by their content alone: by the time at which they may be reused, ties by their
//! place. That time never goes back in a way. A claim takes the first in that order among all
//! ways that its thread has read, by an exchange from what it has read. Suppose two claims of one key
//! succeed, A of way v and B of way u, while the first of both is still there. A had read x in u, B had
//! read y in v. Had A read u after B's claim, it would have found the key (or the key had come, filled
//! up and gone). So x was not later than what B's claim replaced in u, and likewise y not later than what
//! A's replaced in v. A preferred v to u, and B u to v: v ≤ x ≤ u and u ≤ y ≤ v, with ties broken one
//! way. That is a contradiction. It needs no more of the machine than that one word has one history.
//!
//! Refunds do take a time back, and so does closing an established bucket: to a moment after `now` and
//! after `F`. Since a claim uses the `F` that it read *before* the ways, such a word was not free for it
//! on either side of the refund, as long as `F` has not passed that moment meanwhile: that takes a
//! thread that sleeps between two instructions for longer than the lag of `F`, or whose clock is
//! behind by more, while `F` moves; and then two others that claim that way, and another one, for
//! the same key at once. What they gain is one burst.

use super::{
    clock::{Clock, Frame},
    counters::Counters,
    era::{self, Era, Place, Shape, Superseded, Terms, View},
    moves::Inherited,
    rules::Rule,
    set::{Hints, Set, WAYS},
    word::Word,
};
use crate::{
    quota::ticks::{Scale, Step, Ticks},
    time::Timestamp,
    verdict::{Asked, Decision},
};

#[derive(Debug)]
pub(super) struct Table {
    pub(super) sets: alloc::boxed::Box<[Set]>,
    pub(super) shape: Shape,
    /// With the interval of the first quota, which eras replace.
    pub(super) scale: Scale,
    /// Units that a charge may owe beyond an empty bucket.
    pub(super) room: u32,
    /// A second, in ticks.
    pub(super) slack: u64,
    pub(super) admits_unseated: bool,
    /// Whether the next seed follows from the one before, so that every run is the same.
    pub(super) is_seeded: bool,
    pub(super) era: Era,
    pub(super) clock: Clock,
    pub(super) counters: Counters,
}

/// What a first look has brought: two words, in registers.
#[derive(Clone, Copy, Debug)]
struct Glance {
    /// The debt if admitted; the debt and [`DENIED`](Self::DENIED) if denied; or `UNSEEN`.
    answer: u64,
    terms: Terms,
}

impl Glance {
    const DENIED: u64 = 1 << 62;
    const UNSEEN: u64 = u64::MAX;
}

/// What is asked of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// So many units, or none.
    Take(u32),
    /// So many units, whether they are there or not.
    Charge(u32),
}

/// How a bucket was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot<'a> {
    pub(super) set: &'a Set,
    pub(super) way: usize,
    pub(super) word: Word,
}

/// What a look at all ways of a key's sets has shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look<'a> {
    /// The key's bucket.
    Seated(Spot<'a>),
    Absent {
        /// The way that may be reused first, and how long until then.
        first: Option<(Spot<'a>, i64)>,
        /// A closed bucket of the key's.
        closed: Option<Word>,
    },
}

/// Never reached in practice: each round that fails is one in which another thread got on.
const ROUNDS: usize = 64;
/// The most established ways of a set: the others are for newcomers.
pub(super) const MOST_ESTABLISHED: u8 = 4;

impl Table {
    /// Takes units from the bucket of the key with this hash.
    #[inline]
    pub(super) fn take(&self, hash: u64, n: u32, now: Timestamp) -> Decision {
        let Glance { answer, terms } = self.glance(hash, n, now);
        if answer == Glance::UNSEEN {
            return self.settle(hash, Ask::Take(n), now);
        }
        let scale = Scale { interval: terms.interval(), ..self.scale };
        let asked = Asked { scale, limit: terms.burst(), units: n, now };
        match answer.checked_sub(Glance::DENIED) {
            None => Decision::admitted(asked, answer),
            Some(debt) => Decision::denied(asked, debt),
        }
    }

    /// The plain case: a hint leads to the key's bucket, and nothing else is to be done.
    ///
    /// Its answer is two words, since a decision is seven, which cost more to hand over than all this.
    #[inline(never)]
    fn glance(&self, hash: u64, n: u32, now: Timestamp) -> Glance {
        let (number, seed, terms) = self.era.glance();
        let at = self.at(now);
        let place = era::place(hash, seed, self.shape);
        let cost = terms.interval().wrapping_mul(u64::from(n));
        let unseen = Glance { answer: Glance::UNSEEN, terms };
        if cost == 0 || !self.clock.is_near(at) {
            return unseen;
        }
        let Some((Spot { set, way, word }, hints)) = self.follow_hint(&place) else {
            return unseen;
        };
        // After the word was read: then neither the seed and the terms are those of two eras, nor is
        // this the seat of a claim that a change has overtaken, which its claimer will take back.
        if !self.era.is_still(number) && !Rule::BucketsAreOfTheirEra.broken() {
            return unseen;
        }
        let debt = word.debt(at);
        if debt <= self.clock.long_idle() {
            // Whether it is still established is to be looked at.
            return unseen;
        }
        let owed = if debt > 0 { debt.unsigned_abs() } else { 0 };
        let after = owed.saturating_add(cost);
        let burst = terms.interval().wrapping_mul(u64::from(terms.burst()));
        if after > burst {
            // Whether it is lawful, `settle` looks at.
            let plain = owed <= burst;
            return if plain {
                Glance { answer: Glance::DENIED.wrapping_add(owed), terms }
            } else {
                unseen
            };
        }
        // A bucket that was full may be one to establish.
        // Counted, since nobody can predict which keys are established: three conditions joined by
        // `&&` would become three branches.
        let spare = hints.established().wrapping_sub(MOST_ESTABLISHED) >> 7;
        let may_be_established =
            u8::from(debt <= 0).wrapping_add(spare).wrapping_add(word.newcomer());
        if may_be_established == 3 {
            return unseen;
        }
        let charged = word.full_at(at.wrapping_add(after));
        if set.exchange(way, word, charged) || Rule::NeverOnALostExchange.broken() {
            return Glance { answer: after, terms };
        }
        unseen
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn is_plain(&self, hash: u64, n: u32, now: Timestamp) -> bool {
        self.glance(hash, n, now).answer != Glance::UNSEEN
    }

    /// All cases, and the second try of who lost an exchange.
    #[inline(never)]
    pub(super) fn settle(&self, hash: u64, ask: Ask, now: Timestamp) -> Decision {
        let at = self.at(now);
        let (units, mut view) = (ask.units(), self.era.view());
        // Whether the bucket that this key is leaving was established.
        let mut established = false;
        for _ in 0..ROUNDS {
            let ticks = self.ticks(&view);
            let before = self.clock.advance(at, &self.sets, &ticks);
            match self.look(&view.place(hash, self.shape), before) {
                Look::Seated(spot) => {
                    // As in `glance`: not the seat of a claim that a change has overtaken.
                    let still = self.era.confirms(&view) || Rule::BucketsAreOfTheirEra.broken();
                    let charged = still.then(|| self.charge(spot, &view, ask, now)).flatten();
                    if let Some(decision) = charged {
                        return decision;
                    }
                }
                Look::Absent { first, closed } => {
                    let vacancy = first.filter(|(spot, until)| {
                        let own = Rule::FreeByTheReclaimClock.broken();
                        *until <= 0 || own && spot.word.debt(at) <= 0
                    });
                    let vacancy = vacancy.map(|(spot, _)| spot);
                    let inherited = match self.inherit(&view, hash, ask, now, vacancy.is_some()) {
                        Ok(Inherited::Nothing) => 0,
                        Ok(Inherited::Debt(debt)) => debt,
                        Ok(Inherited::Decided(decision)) => return decision,
                        Ok(Inherited::Closed { was_established }) => {
                            established |= was_established;
                            continue;
                        }
                        Ok(Inherited::Lost) => continue,
                        Ok(Inherited::Unpaid) => {
                            self.counters.unseated(hash);
                            return self.unseated(&view, units, now, first.map(|(_, until)| until));
                        }
                        Err(Superseded) => {
                            view = self.era.view();
                            continue;
                        }
                    };
                    let moves = closed.is_some() || inherited > 0;
                    let owed = closed.map_or(0, |word| word.debt(at)).max(inherited);
                    // Read after the ways: not older than the `F` of whoever reused this key's.
                    let reclaimed = self.clock.frame().reclaimed;
                    let owed = match Rule::StartFromTheReclaimClock.broken() {
                        false => owed.max(reclaimed.wrapping_sub(at) as i64),
                        true => owed,
                    };
                    let (decision, after) = match ask.step(&ticks, owed) {
                        Step::Admitted { debt } => {
                            (Decision::admitted(self.asked(&view, units, now), debt), debt)
                        }
                        Step::Denied { debt } | Step::Healed { debt } => {
                            (Decision::denied(self.asked(&view, units, now), debt), debt)
                        }
                    };
                    let takes = decision.is_admitted() && ticks.scale.cost(units) > 0;
                    // A denial leaves no trace, so it needs no seat; but a key that has left an
                    // earlier era takes along what it owes.
                    if !takes && (inherited <= 0 || vacancy.is_none()) {
                        return decision;
                    }
                    let Some(spot) = vacancy else {
                        self.counters.unseated(hash);
                        return self.unseated(&view, units, now, first.map(|(_, until)| until));
                    };
                    let key = view.place(hash, self.shape).key;
                    let others = established_in(spot.set, before);
                    let established = established && others < MOST_ESTABLISHED;
                    let seat = Word::live(at.wrapping_add(after), key, established);
                    if self.claim(spot, seat, others) {
                        if spot.word.is_live() {
                            self.counters.reclaimed(hash);
                        }
                        if self.era.confirms(&view) || Rule::ClaimsAreConfirmed.broken() {
                            if moves {
                                self.bury(&view, hash, before);
                            }
                            return decision;
                        }
                        // Overtaken by a change: nobody's, unless its key was already found there.
                        let keeps = if established { self.clock.protection() } else { 0 };
                        let nobodys = Word::tombstone(at.wrapping_add(after).wrapping_add(keeps));
                        let _ = spot.set.exchange(spot.way, seat, nobodys);
                    }
                }
            }
            view = self.era.view();
        }
        // Never seen: in each round another thread got on. Nothing was charged, so nothing is admitted.
        self.counters.unseated(hash);
        Decision::saturated(self.asked(&view, units, now), false, now)
    }

    /// What [`take`](Self::take) would answer, without taking or counting anything.
    pub(super) fn peek(&self, hash: u64, n: u32, now: Timestamp) -> Decision {
        let at = self.at(now);
        let mut view = self.era.view();
        if self.clock.is_near(at) {
            if let Some((spot, _)) = self.follow_hint(&view.place(hash, self.shape)) {
                return self.foretell(&view, spot.word.debt(at), n, now);
            }
        }
        loop {
            let ticks = self.ticks(&view);
            let frame = self.clock.advance(at, &self.sets, &ticks);
            let (first, closed) = match self.look(&view.place(hash, self.shape), frame) {
                Look::Seated(spot) => return self.foretell(&view, spot.word.debt(at), n, now),
                Look::Absent { first, closed } => (first, closed),
            };
            let Ok(before) = self.owed_before(&view, hash, at, frame) else {
                view = self.era.view();
                continue;
            };
            let until = first.map(|(_, until)| until);
            let vacant = until.is_some_and(|until| until <= 0);
            // Without a way in the present era, the bucket of an earlier one decides.
            if let (false, Some((of, debt))) = (vacant, before.bucket) {
                return self.foretell(&of, debt, n, now);
            }
            let ahead = frame.reclaimed.wrapping_sub(at) as i64;
            let owed = closed.map_or(0, |word| word.debt(at)).max(ahead).max(before.owed);
            let decision = self.foretell(&view, owed, n, now);
            if decision.is_admitted() && ticks.scale.cost(n) > 0 && !vacant {
                return self.unseated(&view, n, now, until);
            }
            return decision;
        }
    }

    /// What a bucket that owes so much would answer; the standing of an admission is the present one.
    #[inline]
    fn foretell(&self, view: &View, owed: i64, n: u32, now: Timestamp) -> Decision {
        let (ticks, asked) = (self.ticks(view), self.asked(view, n, now));
        match ticks.step(owed, ticks.scale.cost(n)) {
            Step::Admitted { .. } => Decision::admitted(asked, ticks.owed(owed)),
            Step::Denied { debt } | Step::Healed { debt } => Decision::denied(asked, debt),
        }
    }

    /// Gives units back to a key's bucket, or all that it owes.
    pub(super) fn refund(&self, hash: u64, n: Option<u32>, now: Timestamp) {
        let at = self.at(now);
        for _ in 0..ROUNDS {
            let view = self.era.view();
            let frame = self.clock.advance(at, &self.sets, &self.ticks(&view));
            let Ok(found) = self.find(&view, hash, frame) else { continue };
            let Some((spot, of)) = found else { return };
            let ticks = self.ticks(&of);
            let owed = ticks.owed(spot.word.debt(at));
            let back = n.map_or(u64::MAX, |n| ticks.scale.cost(n));
            // Never to a time that a claim in progress may take for free; see the module.
            let least = match Rule::RefundsStayAfterNow.broken() {
                false => frame.after_what_is_free(at),
                true => at,
            };
            let debt = owed.saturating_sub(back).max(least.wrapping_sub(at));
            if debt >= owed {
                return;
            }
            if spot.set.exchange(spot.way, spot.word, spot.word.full_at(at.wrapping_add(debt))) {
                return;
            }
        }
    }

    #[inline]
    pub(super) fn at(&self, now: Timestamp) -> u64 {
        self.scale.tick(now)
    }

    #[inline]
    pub(super) fn ticks(&self, view: &View) -> Ticks {
        view.ticks(self.scale, self.room, self.slack)
    }

    #[inline]
    fn asked(&self, view: &View, units: u32, now: Timestamp) -> Asked {
        Asked { scale: self.ticks(view).scale, limit: view.limit, units, now }
    }

    /// Who is not seated is not limited, or not let in.
    fn unseated(&self, view: &View, units: u32, now: Timestamp, until: Option<i64>) -> Decision {
        let wait = until.and_then(|until| u64::try_from(until).ok()).unwrap_or(0);
        let free = self.clock.frame().reclaimed.saturating_add(wait);
        let free_at = self.scale.first_of(free.saturating_add(self.clock.lag()));
        let asked = self.asked(view, units, now);
        Decision::saturated(asked, self.admits_unseated, free_at)
    }

    /// Where a hint says that the key's bucket is, if it is there.
    #[inline]
    fn follow_hint(&self, place: &Place) -> Option<(Spot<'_>, Hints)> {
        // Both, since a key is as likely in the one as in the other: two cache misses overlap, and
        // a branch between them would be guessed wrong every other time.
        let [one, other] = place.sets;
        let (first, second) = (self.sets.get(one)?.hints(), self.sets.get(other)?.hints());
        let (in_first, in_second) = (first.matches(place.key), second.matches(place.key));
        // Masks, for the same reason: all ones if it is in the first.
        let mask = u64::from(in_first == 0).wrapping_sub(1);
        let hints = first.where_set(mask).or(second.where_set(!mask));
        let matches = in_first & mask | in_second & !mask;
        let mask = usize::from(in_first == 0).wrapping_sub(1);
        let set = self.sets.get(one & mask | other & !mask)?;
        let way = Hints::first(matches)?;
        let word = set.way(way);
        word.is_live_of(place.key).then_some((Spot { set, way, word }, hints))
    }

    /// Reads all ways of the key's sets.
    #[inline]
    pub(super) fn look(&self, place: &Place, frame: Frame) -> Look<'_> {
        let (mut first, mut closed): (Option<(Spot<'_>, i64)>, _) = (None, None);
        for way in 0..WAYS {
            for set in place.sets.iter().filter_map(|set| self.sets.get(*set)) {
                let word = set.way(way);
                if word.is_live_of(place.key) {
                    return Look::Seated(Spot { set, way, word });
                }
                if word.is_closed_of(place.key) && !word.is_empty() {
                    closed = Some(word);
                }
                let until = frame.until_free(word);
                let any = Rule::OldestFirst.broken();
                if first.is_none_or(|(_, least)| until < least && !(any && least <= 0)) {
                    first = Some((Spot { set, way, word }, until));
                }
            }
        }
        Look::Absent { first, closed }
    }

    /// Charges the bucket at `spot`, which was seated in the era `of`; `None` if it has changed.
    pub(super) fn charge(
        &self,
        spot: Spot<'_>,
        of: &View,
        ask: Ask,
        now: Timestamp,
    ) -> Option<Decision> {
        let Spot { set, way, word } = spot;
        let at = self.at(now);
        let (ticks, units, debt) = (self.ticks(of), ask.units(), word.debt(at));
        let asked = self.asked(of, units, now);
        match ask.step(&ticks, debt) {
            Step::Admitted { debt } if ticks.scale.cost(units) == 0 => {
                Some(Decision::admitted(asked, debt))
            }
            Step::Admitted { debt: after } => {
                let mut seat = word.full_at(at.wrapping_add(after));
                let mut hints = set.hints().with(way, word.fingerprint());
                let frame = self.clock.frame();
                if debt <= 0 && (!word.is_established() || frame.until_free(word) <= 0) {
                    // It has come back after its bucket was full again, or after it had aged out; then
                    // others may be established in its stead.
                    let others = established_in(set, frame);
                    let one_more = others < MOST_ESTABLISHED;
                    seat = seat.established(one_more);
                    hints = hints.with_established(others.saturating_add(u8::from(one_more)));
                }
                if !set.exchange(way, word, seat) && !Rule::NeverOnALostExchange.broken() {
                    return None;
                }
                if hints.differ_from(set.hints()) {
                    set.hint(hints);
                }
                Some(Decision::admitted(asked, after))
            }
            Step::Denied { debt } => Some(Decision::denied(asked, debt)),
            Step::Healed { debt } => {
                let healed = word.full_at(at.wrapping_add(debt));
                set.exchange(way, word, healed).then(|| Decision::denied(asked, debt))
            }
        }
    }

    /// Puts a key's bucket where another one's was, which is still as it was read; and leaves a hint.
    #[inline]
    fn claim(&self, spot: Spot<'_>, seat: Word, others_established: u8) -> bool {
        let Spot { set, way, word } = spot;
        if !set.exchange(way, word, seat) {
            return false;
        }
        let established = others_established.saturating_add(u8::from(seat.is_established()));
        set.hint(set.hints().with(way, seat.fingerprint()).with_established(established));
        true
    }
}

/// How many ways of a set are established and not aged out.
#[inline]
pub(super) fn established_in(set: &Set, frame: Frame) -> u8 {
    let ways = (0..WAYS).map(|way| set.way(way));
    let established = ways.filter(|word| word.is_established() && frame.until_free(*word) > 0);
    established.fold(0, |count, _| count.saturating_add(1))
}

impl Ask {
    #[inline]
    pub(super) fn units(self) -> u32 {
        match self {
            Self::Take(n) | Self::Charge(n) => n,
        }
    }

    #[inline]
    pub(super) fn step(self, ticks: &Ticks, debt: i64) -> Step {
        match self {
            Self::Take(n) => ticks.step(debt, ticks.scale.cost(n)),
            // A quota of zero has nothing that could be owed.
            Self::Charge(_) if ticks.burst == 0 => Step::Denied { debt: 0 },
            Self::Charge(n) => Step::Admitted { debt: ticks.charge(debt, ticks.scale.cost(n)) },
        }
    }
}
