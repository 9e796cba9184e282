//! What a check takes: from all limits that a request meets, or from none.
//!
//! Places in flight are taken first, since they are given back without a trace; then limits of a fleet are asked,
//! since their store may have to be, and then the buckets are judged together. Limits in shadow come last, each by itself: what is denied does not count there.
//!
//! # Invariants
//! - **I1** a request that is denied has taken nothing when its ruling is there, whatever denied it;
//! - **I2** what was taken and is to be settled or given back is noted at once, so that nothing is lost if
//!   the request goes no further.

use super::{
    Limits, Met, Ruling,
    in_flight::Entered,
    judge::{Asked, Judgement, Judges, Sources, bit},
    pending::{Pending, Taken, is_known},
    shared::{Shared, Shares},
    state,
};
use crate::{
    gate::bans::Bans,
    limit::{Limit, remote::Held},
    rule::Facts,
    time::Timestamp,
    verdict::Decision,
};

impl Limits {
    /// [`check`](Self::check) of these limits, of which there are no more than `N`.
    pub(super) fn check_met<const N: usize>(
        &self,
        (met, known): (u64, u64),
        facts: &Facts<'_>,
        bans: &Bans,
        pending: &mut Pending,
        held: Option<Held>,
        now: Timestamp,
    ) -> Ruling {
        let mut shared = if met & self.shared == 0 { None } else { Shared::new(self) };
        let mut room = [Asked::default(); N];
        let mut free = room.iter_mut();
        let (mut in_shadow, mut would_deny, mut number) = (0, 0, 0_usize);
        let mut is_unseated = false;
        for (limit, entry) in self.these(met) {
            let is_in_force = entry.is_in_force(facts);
            if !is_in_force && self.shared & bit(limit) == 0 {
                in_shadow |= bit(limit);
                continue;
            }
            let asked = match self.meet(limit, entry, facts, now) {
                Met::Not => continue,
                Met::Lacks if is_in_force => return Ruling::MissingKey { limit },
                Met::Lacks => {
                    would_deny |= bit(limit);
                    continue;
                }
                Met::Asks(asked) => asked,
            };
            if !is_in_force {
                shared.iter_mut().for_each(|shared| shared.add(entry, asked, true, facts));
                continue;
            }
            if let Some(wait) = entry.banned(&asked, bans, now) {
                return Ruling::Banned { limit, wait };
            }
            if self.in_flight & bit(limit) != 0 {
                match self.enter(entry, &asked, known, pending) {
                    Entered::In => {}
                    Entered::Uncounted => is_unseated = true,
                    Entered::Refused(ruling) => {
                        if matches!(ruling, Ruling::Saturated { .. }) {
                            self.saturation.unseated.add();
                        }
                        return ruling;
                    }
                }
                continue;
            }
            if self.shared & bit(limit) != 0 {
                shared.iter_mut().for_each(|shared| shared.add(entry, asked, false, facts));
                continue;
            }
            if let Some(place) = free.next() {
                *place = asked;
                number = number.saturating_add(1);
            }
        }
        let mut of_fleet = None;
        if let Some(shared) = &mut shared {
            if let Err(pause) = shared.settle(held, now) {
                return Ruling::Suspended(pause);
            }
            if shared.refuses() {
                return self.refused_by_fleet(shared, facts, now);
            }
            for (asked, is_in_shadow, shares) in shared.outcomes() {
                match shares {
                    Shares::Admits(decision) if !is_in_shadow => {
                        of_fleet = stricter(of_fleet, Some((asked.limit, decision)));
                    }
                    Shares::Denies(_) | Shares::Refuses => would_deny |= bit(asked.limit),
                    Shares::Local if is_in_shadow => in_shadow |= bit(asked.limit),
                    Shares::Local => {
                        if let Some(place) = free.next() {
                            *place = *asked;
                            number = number.saturating_add(1);
                        }
                    }
                    Shares::Admits(_) | Shares::Passes => {}
                }
            }
        }
        let asked = room.get(..number).unwrap_or_default();
        if is_unseated {
            self.saturation.unseated.add();
        }
        let judges = Judges::new(self, facts, asked, is_unseated);
        let judgement = judges.judge(now);
        if let (Some(shared), false) =
            (&mut shared, matches!(judgement, Judgement::Admitted { .. }))
        {
            shared.give_back();
        }
        let strictest = match judgement {
            Judgement::Admitted { strictest, from } => {
                for (place, asked) in asked.iter().enumerate() {
                    self.took(asked, from.of(place), known, facts, pending, now);
                }
                stricter(of_fleet, strictest)
            }
            Judgement::Denied { limit, decision } => {
                let asked = asked.iter().find(|asked| asked.limit == limit);
                // Of a fleet's quota this is this node's part, and who is beyond that has done nothing wrong.
                let is_whole = self.shared & bit(limit) == 0;
                let entry = self.get(limit).filter(|_| is_whole);
                let ban = entry.and_then(|entry| entry.sentence(asked, facts, now));
                return Ruling::Denied { limit, decision, ban };
            }
            Judgement::Saturated { wait } => return Ruling::Saturated { wait },
        };
        for (limit, entry) in self.these(in_shadow) {
            let denies = match self.meet(limit, entry, facts, now) {
                Met::Not => false,
                Met::Lacks => true,
                Met::Asks(asked) => self.denies_in_shadow(&asked, known, facts, pending, now),
            };
            would_deny |= if denies { bit(limit) } else { 0 };
        }
        Ruling::Passes { strictest, would_deny }
    }

    /// Notes what was taken from this limit.
    #[inline]
    fn took(
        &self,
        asked: &Asked,
        from: Source,
        known: u64,
        facts: &Facts<'_>,
        pending: &mut Pending,
        now: Timestamp,
    ) {
        // What the budget for newcomers has lent is not given back.
        let Some(entry) = self.get(asked.limit).filter(|_| from != Source::Beyond) else { return };
        if asked.is_known {
            return;
        }
        let of_network = from == Source::Network;
        if let Some(slot) = entry.settler {
            let hash = match of_network {
                true => entry.network_of(facts, self.missing_peer).0,
                false => asked.hash,
            };
            let taken = Taken { hash, value: asked.value, units: asked.units };
            pending.add(&self.settlers, known, slot, of_network, taken);
        } else if let Some(pair) = entry.state.pair(asked.hash, asked.value) {
            // Another thread may have counted the value since this one looked.
            if is_known(pair.check_n(1, now)) && !of_network {
                if let Some(bucket) = entry.state.bucket(asked.hash, false) {
                    bucket.refund_n(asked.units, now);
                }
            }
        }
    }

    /// Charges a limit in shadow by itself.
    fn denies_in_shadow(
        &self,
        asked: &Asked,
        known: u64,
        facts: &Facts<'_>,
        pending: &mut Pending,
        now: Timestamp,
    ) -> bool {
        let Some(entry) = self.get(asked.limit) else { return false };
        if self.in_flight & bit(asked.limit) != 0 {
            let entered = self.enter(entry, asked, known, pending);
            return matches!(entered, Entered::Refused(Ruling::Full { .. }));
        }
        let check = |bucket: state::Bucket<'_>| match asked.is_known {
            true => bucket.peek_n(1, now),
            false => bucket.check_n(asked.units, now),
        };
        let Some(own) = entry.state.bucket(asked.hash, false) else { return false };
        let (mut decision, mut from) = (check(own), Source::Own);
        if decision.is_saturated() {
            // The budget for newcomers is for those that are refused without it.
            let (_, network) = entry.network_of(facts, self.missing_peer);
            let Some(network) = network else { return false };
            (decision, from) = (check(network), Source::Network);
        }
        if decision.is_saturated() {
            return false;
        }
        if decision.is_admitted() {
            self.took(asked, from, known, facts, pending, now);
        }
        decision.is_denied()
    }
}

/// Which of two limits is the stricter one for a request that passes both.
pub(super) fn stricter(
    one: Option<(usize, Decision)>,
    other: Option<(usize, Decision)>,
) -> Option<(usize, Decision)> {
    match (one, other) {
        (Some(one), Some(other)) => {
            Some(if other.1.is_stricter_than(&one.1) { other } else { one })
        }
        (one, other) => one.or(other),
    }
}

/// Where units were taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Own,
    Network,
    Beyond,
}

impl Sources {
    fn of(self, place: usize) -> Source {
        if self.beyond & bit(place) != 0 {
            Source::Beyond
        } else if self.on_networks & bit(place) != 0 {
            Source::Network
        } else {
            Source::Own
        }
    }
}
