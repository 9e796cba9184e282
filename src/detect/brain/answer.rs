//! What follows from a posture: mitigations, what unknown clients share, and how many requests may be in flight.
//!
//! | posture | mitigations | unknown clients | requests in flight |
//! |---|---|---|---|
//! | normal | none are made | come back, step by step | as many as come |
//! | elevated | are counted | likewise | likewise |
//! | overload | are counted | likewise | limited, by class |
//! | defend | throttle and deny | share what known ones leave, if mitigations do not do | limited, by class |
//! | lockdown | throttle and deny | share next to nothing | limited, by class |

use alloc::{sync::Arc, vec::Vec};

use super::{Brain, rank};
use crate::{
    detect::{
        Culprit, EventKind, Matched, Posture, Totals,
        mitigation::Change,
        watch::{Detector, Word, float},
    },
    sync::Ordering,
    time::Timestamp,
};

/// Ticks in which what mitigations leave is too much, before unknown clients are held to a share.
const TRIED: u32 = 3;
/// So much of the load is left to known clients, while the gate defends.
const SPARED: f64 = 25.0;

impl Brain {
    pub(super) fn answer(&mut self, detector: &Arc<Detector>) {
        let now = self.at;
        let may_enforce = self.machine.posture() >= Posture::Defend;
        let changes = self.mitigations.tick(may_enforce, &self.defence.parameters, now);
        let culprit = if changes.is_empty() { None } else { self.culprit(detector) };
        for change in changes {
            self.tell(change, culprit.as_ref(), now);
        }
        self.mitigations.throttle_to(self.busy, &self.defence.parameters, now);

        let seconds = self.counted.seconds;
        self.concurrency.update(&self.counted.latency, self.counted.in_flight, seconds);
        let [fine, elsewhere, not_found, refused, _] = self.counted.answered;
        let served = [fine, elsewhere, not_found, refused].into_iter().map(float).sum::<f64>();
        self.capacity.see(served / seconds.max(0.01), self.evidence.load, seconds);
        self.share(detector, now);
        self.publish(detector);
        self.record(now);
    }

    /// Compiles some of the mitigations that have changed, for checks; says whether there are more.
    pub(super) fn compile(&mut self, detector: &Detector) -> bool {
        let Some(live) = self.mitigations.changed() else { return false };
        self.is_mitigating = !live.is_empty();
        detector.live.store(live);
        self.publish(detector);
        true
    }

    /// All of it at once, for an operator.
    pub(super) fn publish_all(&mut self, detector: &Detector) {
        while self.compile(detector) {}
        self.publish(detector);
        self.let_noted_be_told(detector);
    }

    /// Lets checks have what was decided.
    pub(super) fn publish(&mut self, detector: &Detector) {
        let posture = self.machine.posture();
        let sheds = posture >= Posture::Overload;
        let most = if sheds { self.concurrency.limit() } else { u64::MAX };
        // Relaxed: a limit is complete in itself.
        detector.most_flights.store(most, Ordering::Relaxed);
        // What may only watch holds nobody, whatever was before.
        let may_hold = self.defence.up_to >= Posture::Defend || self.machine.is_forced();
        let flag = |flag: u64, is_set: bool| if is_set { flag } else { 0 };
        let flags = flag(Word::MITIGATES, self.is_mitigating)
            | flag(Word::HOLDS, may_hold && self.readmission.rate().is_some())
            | flag(Word::SHEDS, sheds);
        let load = u8::try_from(rank(self.evidence.load)).unwrap_or(100);
        detector.set_word(Word::new(posture, load, flags));
    }

    /// What unknown clients share, if they have to.
    fn share(&mut self, detector: &Detector, now: Timestamp) {
        let parameters = &self.defence.parameters;
        let (evidence, seconds) = (&self.evidence, self.counted.seconds.max(0.01));
        // Where nobody tells how requests end, what is usual was served.
        let capacity = Some(self.capacity.rate()).filter(|rate| *rate > 0.0);
        let capacity = capacity.unwrap_or(evidence.usual);

        let refused = float(self.counted.refused) / seconds;
        // What comes this far: bans, lists, rules and limits have refused the rest.
        let counted = &self.counted;
        let reaches = [counted.admitted, counted.shed, counted.held].into_iter().map(float);
        let rest = reaches.sum::<f64>() / seconds;
        let unknown = (evidence.offered * evidence.new - refused).clamp(0.0, rest);
        let known = evidence.offered * (1.0 - evidence.new);
        let was_held = self.readmission.rate().is_some();
        match self.machine.posture() {
            Posture::Lockdown => {
                self.readmission.hold(capacity, capacity);
            }
            Posture::Defend => {
                let is_too_much =
                    evidence.load >= parameters.elevated_load && rest > 1.5 * evidence.usual;
                self.uncovered = if is_too_much { self.uncovered.saturating_add(1) } else { 0 };
                if !was_held && self.uncovered >= TRIED {
                    self.readmission.hold(known.min(evidence.usual.max(1.0)), capacity);
                } else {
                    // What the service stands is found out by its load; with some to spare for known clients.
                    let load = evidence.load + SPARED;
                    self.readmission.step(unknown, capacity, load, seconds, parameters);
                }
            }
            Posture::Normal | Posture::Elevated | Posture::Overload => {
                self.uncovered = 0;
                self.readmission.step(unknown, capacity, evidence.load, seconds, parameters);
            }
        }
        let rate = self.readmission.rate();
        if let Some(rate) = rate {
            detector.newcomers.set(rate, self.newcoming, now);
        }
        match (was_held, rate) {
            (false, Some(rate)) => {
                let culprit = self.culprit(detector);
                let kind = EventKind::Held { rate };
                self.recorder.note(kind, &self.evidence, culprit.as_ref(), now);
            }
            (true, None) => self.recorder.note(EventKind::Readmitted, &self.evidence, None, now),
            _ => {}
        }
    }

    pub(super) fn tell(&mut self, change: Change, culprit: Option<&Culprit>, now: Timestamp) {
        let kind = match change {
            Change::Found { name, rule, covers, harms } => {
                EventKind::Found { name, rule, covers, harms }
            }
            Change::Throttled { name } => EventKind::Throttled { name },
            Change::Denied { name } => EventKind::Denied { name },
            Change::Ended { name, matched } => EventKind::Ended { name, matched },
        };
        self.recorder.note(kind, &self.evidence, culprit, now);
    }

    /// Adds the tick to the incident, if there is one.
    fn record(&mut self, now: Timestamp) {
        let matched: Vec<Matched<'_>> = self.mitigations.each_matched().collect();
        let totals = Totals {
            offered: self.counted.offered,
            refused: self.counted.refused,
            shed: self.counted.shed,
            held: self.counted.held,
            known: self.counted.known_refused,
            matched: &matched,
        };
        self.recorder.tick(&totals, &self.evidence, now);
    }
}
