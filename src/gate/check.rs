//! A check: the stages, with everything charged and counted, and the verdict that comes of it.

use alloc::{boxed::Box, sync::Arc};
use core::{net::IpAddr, time::Duration};

use super::{
    Gate, Inner, Mode,
    bans::Bans,
    effects::{Effect, End, Fared},
    limits::{AGAIN_IN, Pause, Pending, Plainly, Ruling, Sentence},
    pipeline::{Found, Refusal, Witness},
    policies::{Bound, Policy},
    snapshot::{Setting, Snapshot},
    stats::Tally,
};
use crate::{
    detect::{Applied, Flight, Glance, Refused},
    limit::remote::Held,
    request::{Client, Request},
    rule::{Facts, Name, State},
    time::Timestamp,
    verdict::{
        Admission, Denial, DenialReason, LimitAt, Mark, Standing, Strictest, Traces, Verdict,
    },
};

/// Charges and counts.
pub(super) struct Doing<'a> {
    gate: &'a Inner,
    mode: Mode,
    pending: Pending,
    glance: Glance,
    /// The mitigation that matches.
    mitigation: Option<Name>,
    /// With what the store of a fleet can be asked; nobody asks it, if there is nothing.
    held: Option<Held>,
    /// Why it does not go on, and what rules have said so far.
    suspended: Option<Box<Stopped>>,
}

/// Where a check has stopped, for the store of a fleet.
pub(super) struct Stopped {
    pub(super) pause: Pause,
    pub(super) state: State,
    /// The score and the tags that rules have left behind.
    pub(super) marks: (i64, u64),
    pub(super) chance: u64,
}

impl Gate {
    /// A check in a mode that decides, without asking a store.
    #[inline]
    pub(super) fn decide(&self, request: &Request<'_>, mode: Mode, now: Timestamp) -> Verdict {
        let gate = &*self.0;
        let snapshot = gate.snapshot.load();
        let client = snapshot.setting.client.address_of(request);
        let mut doing = Doing::new(gate, mode, Glance::default(), None);
        let found = gate.judge(&snapshot, request, client, &mut doing, now);
        gate.conclude(&snapshot, client, found, doing, now)
    }

    /// A check in the mode that lets everything pass.
    pub(super) fn pass(&self, request: &Request<'_>) -> Verdict {
        let gate = &*self.0;
        gate.totals.admitted.add();
        let client = gate.snapshot.load().setting.client.address_of(request);
        Verdict::admitted(Admission::new(client, None, Traces::default(), Pending::default()))
    }
}

impl Inner {
    /// All stages.
    #[inline]
    pub(super) fn judge(
        &self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        client: Option<IpAddr>,
        doing: &mut Doing<'_>,
        now: Timestamp,
    ) -> Found {
        let chance = |client: &Client| self.seed.hash_one(client);
        let detector = snapshot.setting.detector.as_ref();
        if let Some(detector) = detector {
            if detector.is_due(now) {
                snapshot.setting.step(detector, now);
            }
        }
        snapshot.decide(request, client, chance, now, doing)
    }

    /// The verdict that comes of it; who listens is told of it last.
    #[inline]
    pub(super) fn conclude(
        &self,
        snapshot: &Snapshot,
        client: Option<IpAddr>,
        found: Found,
        doing: Doing<'_>,
        now: Timestamp,
    ) -> Verdict {
        let verdict = self.verdict(snapshot, client, found, doing, now);
        self.tracer.checked(&snapshot.setting, client, &self.totals.missing_peer, now);
        verdict
    }

    #[inline]
    fn verdict(
        &self,
        snapshot: &Snapshot,
        client: Option<IpAddr>,
        found: Found,
        doing: Doing<'_>,
        now: Timestamp,
    ) -> Verdict {
        let Found { result, traces } = found;
        match result {
            Ok(strictest) => {
                let strictest = strictest.map(|(limit, decision)| Strictest {
                    limit: snapshot.setting.limit_at(limit),
                    decision,
                });
                self.totals.admitted.add();
                let flight = doing.flight(&snapshot.setting, now);
                // Where there is nothing, nothing is moved.
                if traces.is_empty() && doing.pending.is_empty() {
                    let nothing = Pending::default();
                    let traces = Traces::of_class(traces.class());
                    let admission = Admission::new(client, strictest, traces, nothing);
                    return Verdict::admitted(admission.in_flight(flight));
                }
                let traces = traces.named(&snapshot.setting.names);
                let admission = Admission::new(client, strictest, traces, doing.pending);
                let admission = admission.in_flight(flight);
                self.tracer.in_shadow(admission.traces(), None);
                Verdict::admitted(admission)
            }
            Err(refusal) => self.refuse(snapshot, client, refusal, traces, doing, now),
        }
    }
}

impl<'a> Doing<'a> {
    #[inline]
    pub(super) fn new(gate: &'a Inner, mode: Mode, glance: Glance, held: Option<Held>) -> Self {
        Self {
            gate,
            mode,
            pending: Pending::default(),
            glance,
            mitigation: None,
            held,
            suspended: None,
        }
    }

    pub(super) fn glance(&self) -> Glance {
        self.glance
    }

    /// Why it does not go on, if so.
    #[inline]
    pub(super) fn suspended(&mut self) -> Option<Box<Stopped>> {
        self.suspended.take()
    }

    /// The request passes, and is in flight from now on; if it is watched.
    #[inline]
    fn flight(&self, setting: &Setting, now: Timestamp) -> Option<Flight> {
        if !self.glance.is_watched {
            return None;
        }
        setting.detector.as_ref().map(|detector| detector.admitted(&self.glance, now))
    }
}

impl Witness for Doing<'_> {
    const CHARGES: bool = true;

    #[inline]
    fn offered(
        &mut self,
        setting: &Setting,
        request: &Request<'_>,
        client: Option<IpAddr>,
        now: Timestamp,
    ) -> Glance {
        if let Some(detector) = &setting.detector {
            let spared = |client: IpAddr| setting.spares(client);
            let own = &setting.dimensions;
            self.glance = detector.offered(request, client, spared, own, now);
        }
        self.glance
    }

    fn mitigated(&mut self, setting: &Setting, by: &Applied) {
        self.mitigation = Some(Name::clone(&by.name));
        if let Some(detector) = &setting.detector {
            detector.count_mitigated();
        }
    }

    fn exempted(&mut self) {
        self.gate.totals.exempted.add();
    }

    fn allowed(&mut self) {
        self.gate.totals.allowed.add();
    }

    #[cold]
    fn without_client(&mut self) {
        self.gate.totals.missing_peer.add();
    }

    #[inline]
    fn rule(&mut self, _: usize, effect: &Effect, fared: Fared, _: &Facts<'_>) {
        match fared {
            Fared::Enforced => effect.tally.holds(),
            Fared::InShadow => effect.tally.holds_in_shadow(effect.denies()),
            Fared::Skipped => {}
        }
    }

    #[inline]
    fn judged(&mut self, snapshot: &Snapshot, facts: &Facts<'_>, end: End, by: Option<usize>) {
        if let Some(candidate) = &snapshot.candidate {
            candidate.compare(facts, end, by);
        }
    }

    #[inline]
    fn plain_limits(
        &mut self,
        setting: &Setting,
        client: &Client,
        now: Timestamp,
    ) -> Option<Plainly> {
        setting.limits.check_plainly(client, now)
    }

    #[inline]
    fn limits(&mut self, setting: &Setting, facts: &Facts<'_>, now: Timestamp) -> Ruling {
        setting.limits.check(facts, &setting.bans, &mut self.pending, self.held.take(), now)
    }

    #[cold]
    fn suspend(&mut self, pause: Box<Pause>, facts: &Facts<'_>) {
        let Facts { state, chance, ref marks, .. } = *facts;
        self.suspended =
            Some(Box::new(Stopped { pause: *pause, state, marks: marks.get(), chance }));
    }

    fn shadow_limit(&mut self, setting: &Setting, limit: usize) {
        if let Some(tally) = setting.limit_tallies.get(limit) {
            tally.holds_in_shadow(true);
        }
    }

    fn ban(&mut self, bans: &Bans, sentence: Sentence, by: &Name, now: Timestamp) -> Duration {
        let Sentence { subject, ban } = sentence;
        // Who only observes keeps nobody out.
        if self.mode == Mode::Enforce { bans.ban(subject, ban, by, now) } else { ban.first }
    }
}

impl Inner {
    // Not cold: under an attack, nearly all requests come here.
    #[inline(never)]
    fn refuse(
        &self,
        snapshot: &Snapshot,
        client: Option<IpAddr>,
        refusal: Refusal,
        traces: Traces,
        doing: Doing<'_>,
        now: Timestamp,
    ) -> Verdict {
        let setting = &*snapshot.setting;
        let is_enforced = doing.mode == Mode::Enforce;
        let tally = self.tally_of(snapshot, refusal);
        // First the whole, so that no part is told larger.
        if is_enforced {
            self.totals.denied.add();
        } else {
            self.totals.admitted.add();
        }
        tally.denies(is_enforced);
        if !is_enforced {
            let mut traces = traces;
            if let Some(mark) = refusal.mark() {
                traces.mark(mark);
            }
            let traces = traces.named(&setting.names);
            let flight = doing.flight(setting, now);
            let admission = Admission::new(client, None, traces, Pending::default());
            let admission = admission.in_flight(flight);
            let denial = || refusal.denial(snapshot, tally, None, Traces::default());
            self.tracer.would_deny(refusal, doing.mitigation.as_ref(), denial);
            self.tracer.in_shadow(admission.traces(), Some(refusal));
            return Verdict::admitted(admission);
        }
        if let (Some(why), Some(detector)) = (refusal.by_itself(), &setting.detector) {
            detector.count_refused(&doing.glance, why);
        }
        let denial = refusal.denial(snapshot, tally, client, traces);
        let denial = match doing.mitigation {
            Some(name) if matches!(refusal, Refusal::Mitigated { .. }) => denial.named(name),
            _ => denial,
        };
        self.tracer.denied(refusal, &denial);
        self.tracer.in_shadow(denial.traces(), None);
        Verdict::denied(denial)
    }

    /// The same for a peer that has not asked for anything yet; `None` if it passes for now.
    #[cold]
    pub(super) fn refuse_peer(
        &self,
        snapshot: &Snapshot,
        peer: IpAddr,
        refusal: Refusal,
        mode: Mode,
    ) -> Option<Denial> {
        // Who passes is counted with its requests.
        if mode != Mode::Enforce {
            return None;
        }
        let tally = self.tally_of(snapshot, refusal);
        self.totals.denied.add();
        tally.denies(true);
        let denial = refusal.denial(snapshot, tally, Some(peer), Traces::default());
        self.tracer.denied(refusal, &denial);
        Some(denial)
    }

    /// Whose refusal it is.
    pub(super) fn tally_of<'a>(&'a self, snapshot: &'a Snapshot, refusal: Refusal) -> &'a Tally {
        let setting = &*snapshot.setting;
        let totals = &self.totals;
        match refusal {
            Refusal::MissingPeer => &totals.no_peer,
            Refusal::Banned { limit: None, .. } => &totals.bans,
            Refusal::DenyList => &totals.deny_list,
            Refusal::Rule { rule, .. } | Refusal::RuleBans { rule, .. } => {
                // Every rule has one, with the number that it has in the set.
                setting.effects.get(rule).map_or(&totals.bans, |effect| &effect.tally)
            }
            Refusal::Limit { limit, .. }
            | Refusal::Concurrency { limit, .. }
            | Refusal::MissingKey { limit }
            | Refusal::Unavailable { limit }
            | Refusal::Banned { limit: Some(limit), .. } => {
                setting.limit_tallies.get(limit).map_or(&totals.saturated, |tally| tally)
            }
            Refusal::Saturated { .. } => &totals.saturated,
            Refusal::Mitigated { .. } => &totals.mitigations,
            Refusal::Shed { for_being_unknown: true, .. } => &totals.unknown,
            Refusal::Shed { .. } => &totals.shedding,
        }
    }
}

impl Setting {
    /// This limit, by the number that it has now.
    #[inline]
    fn limit_at(&self, limit: usize) -> LimitAt {
        LimitAt::new(self.policies.generation, limit)
    }

    /// Whether what is refused can pass once others are done: what has never fitted does not fit then either.
    fn may_pass_later(&self, refusal: Refusal) -> bool {
        let Refusal::Concurrency { limit, units, .. } = refusal else { return true };
        let bound = self.policies.all.get(limit).map(Policy::bound);
        matches!(bound, Some(Bound::InFlight(most)) if units.max(1) <= most)
    }
}

impl Refusal {
    /// The denial that it is; the tally is its own.
    pub(super) fn denial(
        self,
        snapshot: &Snapshot,
        tally: &Tally,
        client: Option<IpAddr>,
        traces: Traces,
    ) -> Denial {
        let setting = &*snapshot.setting;
        let limit = self.limit().map(|limit| setting.limit_at(limit));
        let (reason, standing, wait) = self.told();
        let wait = wait.filter(|_| setting.may_pass_later(self));
        let denial = Denial::new(reason, Arc::clone(&tally.name), standing, wait)
            .with_client_and_limit(client, limit)
            .with_traces(traces.named(&setting.names));
        match self {
            Self::Rule { status, .. } => denial.with_status(status),
            // What all share is used up, by whomever.
            Self::Concurrency { of_all: true, .. } => denial.with_status(503),
            _ => denial,
        }
    }

    /// Why, if the gate does it by itself.
    fn by_itself(self) -> Option<Refused> {
        match self {
            Self::Mitigated { .. } => Some(Refused::Mitigated),
            Self::Shed { for_being_unknown: true, .. } => Some(Refused::Unknown),
            Self::Shed { .. } => Some(Refused::Shed),
            _ => None,
        }
    }

    /// What is remembered of it, where the gate only observes.
    pub(super) fn mark(self) -> Option<Mark> {
        match self {
            Self::Rule { rule, .. } | Self::RuleBans { rule, .. } => Some(Mark::ShadowRule(rule)),
            _ => self.limit().map(Mark::ShadowLimit),
        }
    }

    /// The limit that refuses, if one does.
    fn limit(self) -> Option<usize> {
        match self {
            Self::Limit { limit, .. }
            | Self::Concurrency { limit, .. }
            | Self::MissingKey { limit }
            | Self::Unavailable { limit }
            | Self::Banned { limit: Some(limit), .. } => Some(limit),
            _ => None,
        }
    }

    /// What it rests on, and what there is to wait for.
    fn told(self) -> (DenialReason, Option<Standing>, Option<Duration>) {
        match self {
            Self::MissingPeer => (DenialReason::MissingPeer, None, None),
            Self::Banned { wait, .. } => (DenialReason::Banned, None, Some(wait)),
            Self::DenyList => (DenialReason::DenyList, None, None),
            Self::Rule { .. } => (DenialReason::Rule, None, None),
            Self::RuleBans { wait, .. } => (DenialReason::Rule, None, wait),
            Self::Limit { decision, ban, .. } => {
                let standing = decision.standing().no_sooner(ban.unwrap_or_default());
                (DenialReason::Limit, Some(standing), None)
            }
            Self::Concurrency { .. } => (DenialReason::Concurrency, None, Some(AGAIN_IN)),
            Self::MissingKey { .. } => (DenialReason::MissingKey, None, None),
            Self::Unavailable { .. } => (DenialReason::Unavailable, None, Some(AGAIN_IN)),
            Self::Saturated { wait } => (DenialReason::Saturated, None, Some(wait)),
            Self::Mitigated { wait } => (DenialReason::Mitigation, None, Some(wait)),
            Self::Shed { wait, .. } => (DenialReason::Shed, None, Some(wait)),
        }
    }
}
