//! What limits would say to a request, without taking anything.
//!
//! # Invariants
//! - **I1** the next check says the same, if nothing else is checked before; only a standing after an
//!   admission is one unit better here;
//! - **I2** no store, no ban and no count is changed.

use alloc::vec::Vec;

use super::{
    Bans, Limits, Met, Ruling,
    judge::{Judgement, Judges, bit},
};
use crate::{limit::Limit, rule::Facts, time::Timestamp};

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
        let mut would_deny = 0;
        for (limit, entry) in self.these(met) {
            let met = self.meet(limit, entry, facts, now);
            if !entry.is_in_force(facts) {
                let denies = match met {
                    Met::Not => false,
                    Met::Lacks => true,
                    Met::Asks(asked) => {
                        let units = if asked.is_known { 1 } else { asked.units };
                        let own = entry.state.bucket(asked.hash, false);
                        let own = own.map(|bucket| bucket.peek_n(units, now));
                        let network = || entry.network_of(facts, self.missing_peer).1;
                        let decision = match own {
                            Some(full) if full.is_saturated() => {
                                network().map(|bucket| bucket.peek_n(units, now))
                            }
                            other => other,
                        };
                        decision.is_some_and(|one| one.is_denied() && !one.is_saturated())
                    }
                };
                would_deny |= if denies { bit(limit) } else { 0 };
                continue;
            }
            match met {
                Met::Not => {}
                Met::Lacks => return Ruling::MissingKey { limit },
                Met::Asks(asked) => match entry.banned(&asked, bans, now) {
                    Some(wait) => return Ruling::Banned { limit, wait },
                    None => all.push(asked),
                },
            }
        }
        match Judges::looking(self, facts, &all).judge(now) {
            Judgement::Admitted { strictest, .. } => Ruling::Passes { strictest, would_deny },
            Judgement::Denied { limit, decision } => {
                let asked = all.iter().find(|asked| asked.limit == limit);
                let ban = self.get(limit).and_then(|entry| entry.sentence(asked, facts));
                Ruling::Denied { limit, decision, ban }
            }
            Judgement::Saturated { wait } => Ruling::Saturated { wait },
        }
    }
}
