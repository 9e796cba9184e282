//! What was counted becomes evidence, and evidence a posture; and what is usual is learned.

use alloc::{borrow::ToOwned as _, format, string::String, sync::Arc};
use core::time::Duration;

use ipnet::IpNet;

use super::{Brain, Chore, Stage, WINDOW, half_lives, seconds};
use crate::{
    detect::{
        Dimension, EventKind, Posture,
        machine::{Signs, Turn},
        sentence::{Culprit, forced, plain_bytes},
        sketch::Known,
        talkers,
        watch::{Detector, float},
    },
    time::Timestamp,
};

/// How far promotions are apart. A network is known after the second one since it was served, so after once to twice
/// this, while all is normal.
const PROBATION: Duration = Duration::from_secs(60);
/// Where there are more networks than there is room for, those of long ago are forgotten as soon as this, and not
/// at once: nobody is to flush what is known by being many.
const CROWDED: Duration = Duration::from_secs(3_600);
/// How old a request is before it is taken for a good one: it has been answered by then.
const SETTLED: Duration = Duration::from_secs(2);
/// A request that is so much later than its tick has a time that is not to be believed.
const AHEAD: Duration = Duration::from_secs(10);
/// How far back a search looks.
const LATELY: Duration = Duration::from_secs(3);
/// A signature has at least this share of the usual volume, and so many requests a second.
const MATTERS: f64 = 0.2;
const LEAST: f64 = 5.0;
/// Several networks together, of which nothing else is said, have so many times that.
const MANY: f64 = 2.5;
/// What the busiest clients usually ask for is learned with this half-life, in seconds.
const BUSY: f64 = 300.0;

impl Brain {
    /// Compares what was counted with what is usual.
    pub(super) fn conclude(&mut self) -> Stage {
        let learning = self.machine.learning(self.at, &self.defence.parameters);
        let Self { counted, heat, defence, .. } = self;
        self.evidence = self.judge.judge(counted, heat, learning, &defence.parameters);
        talkers::keep(&mut self.hottest, self.heat.of(Dimension::Host));
        if self.machine.posture() == Posture::Normal {
            self.learn_busy();
        }
        Stage::Sample
    }

    /// Copies what the rest of the tick looks at, and decides the posture.
    pub(super) fn sample(&mut self, detector: &Arc<Detector>) -> Stage {
        let since = self.at.saturating_sub(LATELY);
        detector.recent.copy_into(&mut self.recent, since);
        // Of a clock that was set back, or of nobody's.
        let most = self.at.saturating_add(AHEAD);
        self.recent.retain(|seen| seen.at <= most);
        let signs = Signs {
            evidence: self.evidence,
            is_warm: self.judge.is_warm(&self.defence.parameters),
            mitigated: ratio(self.counted.mitigated, self.counted.offered),
            covered: self.mitigations.covered(),
        };
        let before = self.machine.posture();
        let Self { machine, defence, at, .. } = self;
        if let Some(turn) = machine.step(&signs, &defence.parameters, defence.up_to, *at) {
            self.turned(detector, turn, self.at);
        }
        self.end_drill(detector);
        if (before, self.machine.posture()) == (Posture::Normal, Posture::Normal) {
            self.learn(detector);
            return Stage::Answer;
        }
        if before == Posture::Normal || self.machine.posture() == Posture::Normal {
            // Whoever was served first while it went on may be one of them.
            self.chore = Some(Chore::Discard);
        }
        (self.clock.promoted, self.learned) = (Some(self.at), self.at);
        let suspects = self.evidence.volume
            || self.evidence.attack >= self.defence.parameters.elevated_attack / 2.0;
        if self.machine.posture() > Posture::Normal && suspects {
            let taken = self.mitigations.taken(self.at);
            self.search.begin(self.evidence.offered, self.evidence.usual, taken);
            return Stage::Search;
        }
        Stage::Answer
    }

    /// Goes on with the search for what the excess has in common.
    pub(super) fn search(&mut self, spares: &dyn Fn(&IpNet) -> bool) -> Stage {
        let Self { search, recent, reservoir, defence, .. } = self;
        match search.step(recent, reservoir.all(), &defence.parameters, spares) {
            Some(_) => Stage::Offer(0),
            None => Stage::Search,
        }
    }

    /// Makes the next of what was found a mitigation.
    pub(super) fn offer(&mut self, detector: &Detector, place: usize) -> Stage {
        let Self { search, defence, mitigations, at, evidence, .. } = self;
        let Some(candidate) = search.found().get(place) else { return Stage::Answer };
        // A few lively visitors are much of an excess that is small; together all the more.
        let are_many = candidate.signature.kinds.is_empty() && candidate.signature.nets.len() > 1;
        let least = (evidence.usual * MATTERS).max(LEAST) * if are_many { MANY } else { 1.0 };
        if candidate.covers * evidence.excess() >= least {
            let words = |dimension, key| detector.recent.words_of(dimension, key);
            let condition = candidate.expr(&words, &defence.dimensions);
            let made = condition.and_then(|condition| {
                mitigations.offer(candidate, condition, &defence.parameters, *at)
            });
            if let Some(change) = made {
                let culprit = self.culprit(detector);
                self.tell(change, culprit.as_ref(), self.at);
            }
        }
        Stage::Offer(place.saturating_add(1))
    }

    /// Does a part of what is to be done with the known networks; says what that costs.
    pub(super) fn tend(&mut self, detector: &Detector, part: usize) -> (Stage, u32) {
        let Some(chore) = self.chore.filter(|_| part < Known::PARTS) else {
            self.chore = None;
            return (Stage::Idle, 1);
        };
        match chore {
            Chore::Promote => detector.known.promote_step(part),
            Chore::Discard => detector.known.discard_step(part),
            Chore::Rotate => detector.known.rotate_step(part),
        }
        (Stage::Known(part.saturating_add(1)), 20)
    }

    /// An alarm that is played is over, or a real one takes its place.
    fn end_drill(&mut self, detector: &Detector) {
        let is_real = self.machine.automatic() > Posture::Elevated;
        if self.is_drill && is_real {
            if let Some(turn) = self.machine.release(self.at) {
                self.turned(detector, turn, self.at);
            }
        }
        self.is_drill &= self.machine.is_forced();
    }

    /// The posture has changed.
    pub(super) fn turned(&mut self, detector: &Detector, turn: Turn, now: Timestamp) {
        let Turn { from, to, latched } = turn;
        let culprit = self.culprit(detector);
        if from != to {
            let kind = EventKind::Posture { from, to };
            if self.machine.is_forced() {
                let text = forced(from, to, &self.evidence, culprit.as_ref());
                self.recorder.note_in_words(kind, text, &self.evidence, now);
            } else {
                self.recorder.note(kind, &self.evidence, culprit.as_ref(), now);
            }
        }
        if latched {
            self.recorder.note(EventKind::Latched, &self.evidence, culprit.as_ref(), now);
        }
    }

    /// All is normal: what comes now is what is usual.
    fn learn(&mut self, detector: &Detector) {
        // What is younger may not have been answered yet, and what is older was learned before.
        let until = self.at.saturating_sub(SETTLED);
        let from = core::mem::replace(&mut self.learned, until);
        let range = |at: Timestamp| at >= from && at < until;
        let start = self.recent.partition_point(|seen| seen.at < from);
        let end = self.recent.iter().rposition(|seen| range(seen.at));
        if let Some(settled) = end.and_then(|end| self.recent.get(start..=end)) {
            self.reservoir.learn(settled);
        }
        let is_past = |since: Option<Timestamp>, time: Duration| {
            since.is_none_or(|since| self.at.saturating_duration_since(since) >= time)
        };
        let known_for = seconds(self.defence.parameters.known_seconds);
        let known_for = if detector.known.is_full() { CROWDED.min(known_for) } else { known_for };
        if is_past(self.clock.promoted, PROBATION) {
            self.chore = Some(Chore::Promote);
            self.clock.promoted = Some(self.at);
        } else if is_past(self.clock.rotated, known_for) {
            self.chore = Some(Chore::Rotate);
            self.clock.rotated = Some(self.at);
        }
    }

    /// What one client of a hundred asks for: the rate beyond which a client is throttled.
    fn learn_busy(&mut self) {
        let clients = self.counted.clients;
        // The sketch has the hottest; of them the one that a hundredth of all clients are hotter than, or the last one that
        // is kept, the 64th, where there are more than 6,400 clients: with that, a throttle is the more generous.
        let rank = super::rank(clients / 100.0);
        let hottest = self.heat.of(Dimension::Host);
        let Some(hot) = hottest.take(rank.saturating_add(1)).last() else { return };
        let rate = (hot.count - hot.over).max(0.0) / WINDOW;
        let share = 1.0 - half_lives(self.counted.seconds, BUSY);
        let is_first = self.busy <= 0.0;
        self.busy = if is_first { rate } else { self.busy + (rate - self.busy) * share };
    }

    /// Who has most of the excess, as far as hot keys tell.
    pub(super) fn culprit(&self, detector: &Detector) -> Option<Culprit> {
        let excess = self.heat.total - self.heat.usual_total;
        let has = |dimension: Dimension| {
            let hottest = self.heat.of(dimension);
            let shares = hottest.map(|hot| ((hot.count - hot.usual) / excess.max(1.0), hot.key));
            shares.fold((0.0, 0), |most, other| if other.0 > most.0 { other } else { most })
        };
        let convicts = |share: f64| (0.3..=f64::INFINITY).contains(&share);
        let with = |dimension: Dimension, key: u64| {
            self.recent.iter().rev().find(move |seen| seen.keys.get(dimension) == key)
        };
        let networks = [Dimension::Host, Dimension::Net, Dimension::Wide];
        for dimension in networks.into_iter().chain([Dimension::Path, Dimension::Agent]) {
            let (share, key) = has(dimension);
            if !convicts(share) {
                continue;
            }
            let Some(seen) = with(dimension, key) else { continue };
            let of_it = || self.recent.iter().filter(|seen| seen.keys.get(dimension) == key);
            let known = of_it().filter(|seen| seen.known).count();
            let new = 1.0 - ratio(count(known), count(of_it().count()));
            let what = match dimension.net(seen.client) {
                Some(net) => format!("from {net}"),
                None => named(detector, dimension, key),
            };
            return Some(Culprit { share: share.min(1.0), what, new });
        }
        None
    }
}

/// A path or an agent, in words.
fn named(detector: &Detector, dimension: Dimension, key: u64) -> String {
    match detector.recent.words_of(dimension, key) {
        Some(words) if dimension == Dimension::Path => {
            format!("for {}", plain_bytes(words.path.get(), 96))
        }
        Some(words) => format!("by {}", plain_bytes(words.agent.get(), 96)),
        None => "of one kind".to_owned(),
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
