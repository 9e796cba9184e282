//! What limits would say to a request, without taking anything: for explanations and for expressions.
//!
//! # Invariants
//! - **I1** the next check says the same, if nothing else is checked before; only a standing after an
//!   admission is one unit better here. Of limits of a fleet only what this node remembers is known: where a check
//!   would ask the store, they do not deny;
//! - **I2** no store, no ban and no count is changed.

use alloc::vec::Vec;

use super::{
    Entry, Fits, InFlight, Limits, Met, Ruling, Stand,
    in_flight::Entered,
    judge::{Asked, Judgement, Judges, bit},
    take::stricter,
};
use crate::{
    gate::bans::Bans,
    rule::{Counters, Facts, RuleMode},
    time::Timestamp,
};

impl Limits {
    /// What a [`check`](Self::check) would say.
    pub(in crate::gate) fn foresee(
        &self,
        facts: &Facts<'_>,
        bans: &Bans,
        now: Timestamp,
    ) -> Ruling {
        let (met, _) = self.conditions.judge(facts);
        let mut all = Vec::new();
        let mut of_fleet = Vec::new();
        let mut would_deny = 0;
        for (limit, entry) in self.these(met) {
            let met = self.meet(limit, entry, facts, now);
            if !entry.is_in_force(facts) {
                let denies = match met {
                    Met::Not => false,
                    Met::Lacks => true,
                    Met::Asks(asked) if entry.fleet.is_some() => {
                        let said = self.remembered(entry, &asked, facts, now);
                        said.is_some_and(|said| said.is_denied())
                    }
                    Met::Asks(asked) => self.would_deny_in_shadow(entry, &asked, facts, now),
                };
                would_deny |= if denies { bit(limit) } else { 0 };
                continue;
            }
            match met {
                Met::Not => {}
                Met::Lacks => return Ruling::MissingKey { limit },
                Met::Asks(asked) => match entry.banned(&asked, bans, now) {
                    Some(wait) => return Ruling::Banned { limit, wait },
                    None if entry.fleet.is_some() => {
                        let said = self.remembered(entry, &asked, facts, now);
                        of_fleet.extend(said.map(|said| (asked, said)));
                    }
                    None if self.in_flight & bit(limit) == 0 => all.push(asked),
                    None => {
                        if let Entered::Refused(ruling) = self.would_enter(entry, &asked) {
                            return ruling;
                        }
                    }
                },
            }
        }
        let denials = of_fleet.iter().filter(|(_, said)| said.is_denied());
        if let Some((asked, decision)) =
            denials.reduce(|one, other| if other.1.is_stricter_than(&one.1) { other } else { one })
        {
            let (limit, decision) = (asked.limit, *decision);
            let ban = self.get(limit).and_then(|entry| entry.sentence(Some(asked), facts, now));
            return Ruling::Denied { limit, decision, ban };
        }
        match Judges::looking(self, facts, &all).judge(now) {
            Judgement::Admitted { strictest, .. } => {
                let all = of_fleet.iter().map(|(asked, said)| Some((asked.limit, *said)));
                Ruling::Passes { strictest: all.fold(strictest, stricter), would_deny }
            }
            Judgement::Denied { limit, decision } => {
                let asked = all.iter().find(|asked| asked.limit == limit);
                let ban = self.get(limit).and_then(|entry| entry.sentence(asked, facts, now));
                Ruling::Denied { limit, decision, ban }
            }
            Judgement::Saturated { wait } => Ruling::Saturated { wait },
        }
    }

    /// Whether a limit in shadow would deny.
    fn would_deny_in_shadow(
        &self,
        entry: &Entry,
        asked: &Asked,
        facts: &Facts<'_>,
        now: Timestamp,
    ) -> bool {
        if self.in_flight & bit(asked.limit) != 0 {
            let entered = self.would_enter(entry, asked);
            return matches!(entered, Entered::Refused(Ruling::Full { .. }));
        }
        let units = if asked.is_known { 1 } else { asked.units };
        let own = entry.state.bucket(asked.hash, false);
        let decision = match own.map(|bucket| bucket.look_n(units, now)) {
            Some(full) if full.is_saturated() => {
                let network = entry.network_of(facts, self.missing_peer).1;
                network.map(|bucket| bucket.look_n(units, now))
            }
            other => other,
        };
        decision.is_some_and(|one| one.is_denied() && !one.is_saturated())
    }

    /// What each limit says of a request, in order; nothing is taken.
    pub(in crate::gate) fn explain(
        &self,
        facts: &Facts<'_>,
        bans: &Bans,
        now: Timestamp,
    ) -> Vec<Stand> {
        let (met, _) = self.conditions.judge(facts);
        let stand = |(limit, entry): (usize, &Entry)| {
            if met & bit(limit) == 0 || entry.mode == RuleMode::Off {
                return Stand::DoesNotApply;
            }
            match self.meet(limit, entry, facts, now) {
                Met::Not => Stand::NoKey,
                Met::Lacks => Stand::MissingKey,
                Met::Asks(asked) => match entry.banned(&asked, bans, now) {
                    Some(wait) => Stand::Banned { wait },
                    None if entry.fleet.is_some() => {
                        let said = self.remembered(entry, &asked, facts, now);
                        said.map_or(Stand::Elsewhere, Stand::Asked)
                    }
                    None => self.stand(entry, &asked, now),
                },
            }
        };
        self.all.iter().enumerate().map(stand).collect()
    }

    /// What a limit says to what a request asks of it.
    fn stand(&self, entry: &Entry, asked: &Asked, now: Timestamp) -> Stand {
        if let Some(places) = entry.state.places() {
            let fits = match self.would_enter(entry, asked) {
                Entered::In => Fits::In,
                Entered::Refused(Ruling::Full { .. }) => Fits::Not,
                Entered::Uncounted | Entered::Refused(_) => Fits::Nowhere,
            };
            return Stand::InFlight { now: InFlight::of(places, asked.hash), fits };
        }
        entry.state.bucket(asked.hash, false).map_or(Stand::NoKey, |bucket| {
            let units = if asked.is_known { 1 } else { asked.units };
            Stand::Asked(bucket.look_n(units, now))
        })
    }

    /// What expressions can ask of limits at this time.
    pub(in crate::gate) fn at(&self, now: Timestamp) -> LimitsAt<'_> {
        LimitsAt { limits: self, now }
    }
}

/// The limits at a time, for `counter("name")`.
pub(in crate::gate) struct LimitsAt<'a> {
    limits: &'a Limits,
    now: Timestamp,
}

impl Counters for LimitsAt<'_> {
    fn in_use(&self, limit: &str, facts: &Facts<'_>) -> i64 {
        let Self { limits, now } = *self;
        let Some(entry) = limits.all.iter().find(|entry| *entry.name == *limit) else { return 0 };
        let hash = match entry.state.hasher() {
            None => 0,
            Some(hasher) => match entry.key.make(hasher, facts, limits.missing_peer, false) {
                Some(made) => made.hash,
                None => return 0,
            },
        };
        if let Some(places) = entry.state.places() {
            return i64::from(places.in_use(hash));
        }
        let decision = match &entry.fleet {
            None => entry.state.bucket(hash, false).map(|bucket| bucket.look_n(1, now)),
            // As far as this node remembers.
            Some(_) => limits.remembered(entry, &Asked::default(), facts, now),
        };
        let Some(decision) = decision.filter(|decision| !decision.is_saturated()) else { return 0 };
        let standing = decision.standing();
        i64::from(standing.limit()).saturating_sub(i64::from(standing.remaining()))
    }
}
