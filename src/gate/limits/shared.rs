//! Limits of a fleet, among the limits that a request meets.
//!
//! What they say comes first, and it may take a while; so nothing else has been taken by then. What they have granted goes
//! back to the node's leases if another limit refuses the request.
//!
//! # Invariants
//! - **I1** a request that is refused has taken nothing from a limit of a fleet, and one that passes its units from
//!   each, but for those in shadow that deny and those that nobody could be asked about;
//! - **I2** where nobody could be asked, a limit that is to be local is judged by its own buckets here, under this
//!   node's part of the quota, together with all others;
//! - **I3** nothing is allocated unless the store is asked.

use alloc::boxed::Box;

use super::{
    Entry, Limits, Ruling,
    judge::{Asked, bit},
};
use crate::{
    limit::remote::{
        Answer, Answers, Ask, Claim, Fleet, Held, MOST_CLAIMS, OnFailure, Open, Subject, Wait,
    },
    rule::Facts,
    time::Timestamp,
    verdict::Decision,
};

/// Why a check cannot go on yet.
#[derive(Debug)]
pub(in crate::gate) enum Pause {
    /// The store is to be asked.
    Ask(Ask),
    /// Another check asks.
    Wait(Wait),
}

/// What a request asks of limits of a fleet.
pub(super) struct Shared<'a> {
    fleet: &'a Fleet,
    claims: [Claim<'a>; MOST_CLAIMS],
    asked: [Asked; MOST_CLAIMS],
    /// A bit each.
    in_shadow: u64,
    number: usize,
    answers: Answers,
}

/// What becomes of one of them.
pub(super) enum Shares {
    Admits(Decision),
    Denies(Decision),
    /// To be judged here.
    Local,
    Passes,
    /// It is closed.
    Refuses,
}

impl<'a> Shared<'a> {
    /// Nothing so far; `None` if there are no such limits.
    pub(super) fn new(limits: &'a Limits) -> Option<Self> {
        let fleet = limits.node.as_ref()?;
        let any = limits.all.iter().find_map(|entry| entry.fleet.as_ref())?;
        // Places are filled before they are looked at.
        let blank = Claim::new(any, Subject::NOBODY, 0);
        Some(Self {
            fleet,
            claims: [blank; MOST_CLAIMS],
            asked: [Asked::default(); MOST_CLAIMS],
            in_shadow: 0,
            number: 0,
            answers: Answers::default(),
        })
    }

    /// Adds what is asked of this limit.
    pub(super) fn add(
        &mut self,
        entry: &'a Entry,
        asked: Asked,
        in_shadow: bool,
        facts: &Facts<'_>,
    ) {
        let Some(limit) = &entry.fleet else { return };
        let subject = entry.key.subject(self.fleet.hasher(), facts);
        let claim = Claim::new(limit, subject, asked.units);
        let places = self.claims.get_mut(self.number).zip(self.asked.get_mut(self.number));
        // There are no more such limits than places.
        let Some((place, of)) = places else { return };
        *place = if in_shadow { claim.in_shadow() } else { claim };
        *of = asked;
        self.in_shadow |= if in_shadow { bit(self.number) } else { 0 };
        self.number = self.number.saturating_add(1);
    }

    /// Takes all of it, or says what is to be waited for. Without anything that is held, nobody is asked.
    pub(super) fn settle(&mut self, held: Option<Held>, now: Timestamp) -> Result<(), Box<Pause>> {
        if self.number == 0 {
            return Ok(());
        }
        let held = held.unwrap_or_default();
        let claims = self.claims.get(..self.number).unwrap_or_default();
        match self.fleet.step_into(&mut self.answers, claims, held, now) {
            None => Ok(()),
            Some(Open::Ask(ask)) => Err(Box::new(Pause::Ask(ask))),
            Some(Open::Wait(wait)) => Err(Box::new(Pause::Wait(wait))),
        }
    }

    /// Gives back what was taken: something else refuses the request.
    #[cold]
    pub(super) fn give_back(&mut self) {
        let claims = self.claims.get(..self.number).unwrap_or_default();
        self.fleet.give_back(claims, &mut self.answers);
    }

    pub(super) fn refuses(&self) -> bool {
        !self.answers.is_admitted()
    }

    /// What has become of each: what was asked of which limit, whether that was in shadow.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&Asked, bool, Shares)> {
        let all = self.asked.iter().enumerate().take(self.number);
        all.filter_map(|(at, asked)| {
            let shares = match self.answers.get(at)? {
                Answer::Admitted(decision) => Shares::Admits(decision),
                Answer::Denied(decision) => Shares::Denies(decision),
                Answer::Fallback(OnFailure::Local) => Shares::Local,
                Answer::Fallback(OnFailure::Open) => Shares::Passes,
                Answer::Fallback(OnFailure::Closed) => Shares::Refuses,
            };
            Some((asked, self.in_shadow & bit(at) != 0, shares))
        })
    }
}

impl Limits {
    /// The node that limits of a fleet are checked with, if there are such.
    pub(in crate::gate) fn node(&self) -> Option<&Fleet> {
        self.node.as_ref()
    }

    /// What this node remembers of what a limit of a fleet would say, if it is one; nothing is taken.
    pub(super) fn remembered(
        &self,
        entry: &Entry,
        asked: &Asked,
        facts: &Facts<'_>,
        now: Timestamp,
    ) -> Option<Decision> {
        let (fleet, limit) = self.node.as_ref().zip(entry.fleet.as_ref())?;
        let subject = entry.key.subject(fleet.hasher(), facts);
        fleet.peek(&Claim::new(limit, subject, asked.units), now)
    }

    /// The ruling of a request that limits of a fleet refuse: the strictest of those that say so.
    #[cold]
    pub(super) fn refused_by_fleet(
        &self,
        shared: &Shared<'_>,
        facts: &Facts<'_>,
        now: Timestamp,
    ) -> Ruling {
        let mut strictest: Option<(&Asked, Decision)> = None;
        let mut closed = 0;
        for (asked, in_shadow, shares) in shared.outcomes() {
            match shares {
                _ if in_shadow => {}
                Shares::Denies(decision)
                    if strictest.is_none_or(|(_, other)| decision.is_stricter_than(&other)) =>
                {
                    strictest = Some((asked, decision));
                }
                Shares::Refuses => closed = asked.limit,
                _ => {}
            }
        }
        let Some((asked, decision)) = strictest else {
            return Ruling::Unavailable { limit: closed };
        };
        let ban = self.get(asked.limit).and_then(|entry| entry.sentence(Some(asked), facts, now));
        Ruling::Denied { limit: asked.limit, decision, ban }
    }
}
