//! How an incident is kept while it goes on, within its bounds.

use alloc::{string::String, vec::Vec};

use super::{ATTACKERS, Attacker, Done, Harm, Incident, MOMENTS, Moment, Step};
use crate::{
    detect::{Event, EventKind, Evidence, Posture},
    time::Timestamp,
};

/// What was counted in one tick.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals<'a> {
    /// Requests, before any was refused.
    pub(crate) offered: u64,
    /// Those that mitigations have refused.
    pub(crate) refused: u64,
    /// Those that were shed.
    pub(crate) shed: u64,
    /// Those of unknown clients that were held back.
    pub(crate) held: u64,
    /// Of these three, those from known networks.
    pub(crate) known: u64,
    /// What each mitigation has matched.
    pub(crate) matched: &'a [Matched<'a>],
}

/// What a mitigation has matched in one tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matched<'a> {
    pub(crate) name: &'a str,
    /// As a rule's condition.
    pub(crate) rule: &'a str,
    pub(crate) requests: u64,
}

/// Room in the timeline for the first of each step: there are fewer.
const FIRSTS: usize = 16;
/// Characters of a rule and of a name.
const RULE: usize = 1_000;
const NAME: usize = 64;

impl Incident {
    /// The one that begins with this event.
    pub(crate) fn open(event: &Event) -> Self {
        let mut incident = Self {
            started: event.at,
            lasted: core::time::Duration::ZERO,
            is_over: false,
            posture: Posture::Normal,
            peak: event.evidence,
            timeline: Vec::new(),
            left_out: 0,
            done: Done::default(),
            harm: Harm::default(),
            attackers: Vec::new(),
            others: 0,
        };
        incident.note(event);
        incident
    }

    /// Something has happened in it.
    pub(crate) fn note(&mut self, event: &Event) {
        self.reach(&event.evidence, event.at);
        let step = self.step_of(&event.kind);
        match &event.kind {
            EventKind::Posture { to, .. } => self.posture = self.posture.max(*to),
            EventKind::Found { name, rule, .. } => {
                self.done.found = self.done.found.saturating_add(1);
                self.count(name, rule, 0);
            }
            EventKind::Throttled { .. } => {
                self.done.throttled = self.done.throttled.saturating_add(1);
            }
            EventKind::Denied { .. } => self.done.denied = self.done.denied.saturating_add(1),
            EventKind::Held { rate } => {
                let fewest = self.done.held.map_or(*rate, |held| held.min(*rate));
                self.done.held = Some(fewest);
            }
            _ => {}
        }
        // I1: the last places are for what has not happened yet.
        let is_first = self.first(step).is_none();
        let room = if is_first { MOMENTS } else { MOMENTS.saturating_sub(FIRSTS) };
        if self.timeline.len() < room {
            let text = event.text.clone();
            self.timeline.push(Moment { after: self.lasted, step, text });
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
        self.is_over = step == Step::Restored;
    }

    /// A tick is over in which so much was counted.
    pub(crate) fn tick(&mut self, totals: &Totals<'_>, evidence: &Evidence, now: Timestamp) {
        self.reach(evidence, now);
        let harm = &mut self.harm;
        for (sum, more) in [
            (&mut harm.offered, totals.offered),
            (&mut harm.refused, totals.refused),
            (&mut harm.shed, totals.shed),
            (&mut harm.held, totals.held),
            (&mut harm.known, totals.known),
        ] {
            *sum = sum.saturating_add(more);
        }
        for Matched { name, rule, requests } in totals.matched.iter().take(ATTACKERS) {
            if *requests > 0 {
                self.count(name, rule, *requests);
            }
        }
    }

    /// The clock was set back by so much: it began by the clock as it is now, and lasts on.
    pub(crate) fn set_back(&mut self, by: core::time::Duration) {
        self.started = self.started.saturating_sub(by);
    }

    fn reach(&mut self, evidence: &Evidence, now: Timestamp) {
        // Clocks of threads may differ a little: it does not become shorter.
        self.lasted = self.lasted.max(now.saturating_duration_since(self.started));
        if evidence.offered > self.peak.offered {
            self.peak = *evidence;
        }
    }

    fn step_of(&self, kind: &EventKind) -> Step {
        match kind {
            EventKind::Posture { to: Posture::Normal, .. } => Step::Restored,
            EventKind::Posture { from, to } if to < from => Step::Eased,
            EventKind::Posture { .. } if self.timeline.is_empty() => Step::Noticed,
            EventKind::Posture { to: Posture::Lockdown, .. } => Step::Lockdown,
            EventKind::Posture { .. } => Step::Raised,
            EventKind::Latched => Step::Latched,
            EventKind::Found { .. } if self.done.found == 0 => Step::Explained,
            EventKind::Found { .. } => Step::Found,
            EventKind::Throttled { .. } => Step::Throttled,
            EventKind::Denied { .. } => Step::Denied,
            EventKind::Ended { .. } => Step::Ended,
            EventKind::Held { .. } => Step::Held,
            EventKind::Readmitted => Step::Readmitted,
            EventKind::Told { .. } => Step::Told,
        }
    }

    /// Counts requests of an attacker.
    fn count(&mut self, name: &str, rule: &str, requests: u64) {
        let name = front(name, NAME);
        if let Some(known) = self.attackers.iter_mut().find(|known| known.name == name) {
            known.requests = known.requests.saturating_add(requests);
            return;
        }
        let rule = String::from(front(rule, RULE));
        let attacker = Attacker { name: String::from(name), rule, requests, share: 0.0 };
        if self.attackers.len() < ATTACKERS {
            self.attackers.push(attacker);
            return;
        }
        // I2.
        if let Some(least) = self.attackers.iter_mut().min_by_key(|known| known.requests) {
            self.others = self.others.saturating_add(least.requests);
            *least = attacker;
        }
    }
}

/// The first characters of a text.
fn front(text: &str, most: usize) -> &str {
    let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}
