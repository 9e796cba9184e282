//! The search for what an attack has in common: a signature that most of the excess has, and next to nothing
//! of the usual traffic.
//!
//! # How
//! Recent samples of offered traffic are compared with samples of what is usual. For each of the hottest
//! values of each dimension (networks of three sizes, sections, paths, agents, shapes, the service's own) there is
//! a bit for each sample that has it, so that what two or three values have in common is an `and` and a count.
//! The best candidate is the one that covers most of the excess, less what it harms; what it covers is then
//! taken away, and the search goes on with the rest: greedy set cover, whose first k picks cover at least
//! `1 - (1 - 1/k)^k` of what any k could (Nemhauser, Wolsey, Fisher, 1978).
//!
//! ```text
//! samples -> group (a dimension a step) -> take away what is mitigated -> networks -> weigh -> best -> again
//! ```
//!
//! # Invariants, each with a test that cites it
//! - **I1** a candidate covers at least [`Parameters::covers`] of the excess and matches at most
//!   [`Parameters::harms`] of the usual samples, and so do all candidates of one search and the mitigations that
//!   are live together; with fewer than [`LEAST_USUAL`] usual samples there is none;
//! - **I2** counts are exact: what is weighed is what a request-by-request comparison of the samples gives;
//! - **I3** networks that are spared, or hold 127.0.0.1 or ::1, or are wider than a /16 or a /32, are never in one;
//! - **I4** a search ends, has at most [`MOST_CANDIDATES`] candidates, and memory does not grow with what is sent.
//!
//! # Cost
//! A step groups one dimension, compares 512 samples with a mitigation, gathers networks of one size, or
//! weighs values until [`WORK`] sets of samples were compared, the last value to its end: that is bounded by the number of
//! values, by some 2,500 sets more, and mostly far less. Each is under 100 microseconds. 14 steps, a quarter of a millisecond in all,
//! find nothing; a candidate takes 4 to 8 more, and each live mitigation 2. Memory is some 200 KiB.

mod bits;
mod groups;
mod nets;
#[cfg(test)]
pub(crate) mod samples;
mod scale;
mod signature;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_attacks;
mod weigh;

use alloc::{sync::Arc, vec::Vec};

use ipnet::IpNet;

pub(crate) use self::{
    bits::MOST_SAMPLES,
    signature::{MOST_NETS, Signature},
};
use self::{
    bits::{Bits, Spread},
    groups::{Count, Grouper, Groups},
    nets::{Among, Nets, Room},
    scale::{Scale, of_usize},
    weigh::{Best, Value, Wanted, What, weigh},
};
use super::{Dimension, Parameters, Seen, Shape, Words};
use crate::rule::{Expr, Term};

/// With fewer usual samples than this, nobody can say what would be harmed.
pub(crate) const LEAST_USUAL: usize = 200;

/// The most candidates of one search.
pub(crate) const MOST_CANDIDATES: usize = 8;

/// The hottest values of each dimension that is no network.
const MOST_VALUES: usize = 6;

/// Sets of samples that are compared in one step, at least: the value that it comes to that with is weighed to its end.
const WORK: usize = 240;

/// Samples that are compared with a mitigation in one step.
const PART: usize = 512;

/// What most of the excess has in common.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) signature: Arc<Signature>,
    /// The share of the excess that it covers and nothing else did.
    pub(crate) covers: f64,
    /// The share of the usual traffic that it matches.
    pub(crate) harms: f64,
    /// The share of clients that were not known in what it matches.
    pub(crate) new: f64,
    /// Samples that it matches for each client among them: near 1 for people, and for scattered attackers.
    pub(crate) per_client: f64,
    /// Requests a second that it matches.
    pub(crate) rate: f64,
}

impl Candidate {
    /// As a condition: see [`Signature::expr`].
    pub(crate) fn expr(
        &self,
        words: &dyn Fn(Dimension, u64) -> Option<Words>,
        own: &[Term],
    ) -> Option<Expr> {
        self.signature.expr(words, own)
    }
}

/// A signature that need not be found again.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) signature: Arc<Signature>,
    /// It is live, so what it harms counts.
    pub(crate) is_live: bool,
}

/// One search at a time.
pub(crate) struct Search {
    phase: Phase,
    offered: f64,
    usual: f64,
    taken: Vec<Taken>,
    grouper: Grouper,
    /// Hosts, networks, and the ones around.
    networks: [Groups; 3],
    scratch: Groups,
    counts: Vec<Count>,
    room: Room,
    /// Kinds, then the networks of this round.
    values: Vec<Value>,
    kinds: usize,
    nets: Vec<Nets>,
    left: Bits,
    harmed: Bits,
    best: Option<Best>,
    found: Vec<Candidate>,
}

/// What the next step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Groups samples by this dimension.
    Group(usize),
    /// Takes away from this part of the samples what this signature has.
    Take(usize, usize),
    /// Finds networks of this size.
    Networks(usize),
    /// Weighs the values from this one on.
    Weigh(usize),
    /// Nothing.
    Done,
}

const NETWORKS: [Dimension; 3] = [Dimension::Host, Dimension::Net, Dimension::Wide];

impl Search {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Done,
            offered: 0.0,
            usual: 0.0,
            taken: Vec::new(),
            grouper: Grouper::new(),
            networks: [Groups::new(), Groups::new(), Groups::new()],
            scratch: Groups::new(),
            counts: Vec::new(),
            room: Room::default(),
            values: Vec::new(),
            kinds: 0,
            nets: Vec::new(),
            left: Bits::NONE,
            harmed: Bits::NONE,
            best: None,
            found: Vec::with_capacity(MOST_CANDIDATES),
        }
    }

    /// Starts another search: so many requests a second are offered, and so many are usual. What is taken is not
    /// looked for.
    pub(crate) fn begin(&mut self, offered: f64, usual: f64, taken: Vec<Taken>) {
        (self.offered, self.usual, self.taken) = (offered, usual, taken);
        self.values.clear();
        self.nets.clear();
        self.found.clear();
        self.best = None;
        self.phase = Phase::Group(0);
    }

    #[cfg(test)]
    /// Whether a search goes on.
    pub(crate) fn is_running(&self) -> bool {
        self.phase != Phase::Done
    }

    /// What the last search has found, once it is over.
    pub(crate) fn found(&self) -> &[Candidate] {
        &self.found
    }

    /// Goes on for one step; gives what was found when that was the last one. All steps of a search must be
    /// given the same samples.
    pub(crate) fn step(
        &mut self,
        recent: &[Seen],
        usual: &[Seen],
        parameters: &Parameters,
        spares: &dyn Fn(&IpNet) -> bool,
    ) -> Option<&[Candidate]> {
        let recent = recent.get(..MOST_SAMPLES).unwrap_or(recent);
        let usual = usual.get(..MOST_SAMPLES).unwrap_or(usual);
        let scale = Scale::new(self.offered, self.usual, recent.len(), usual.len());
        if usual.len() < LEAST_USUAL || recent.is_empty() || !scale.is_sane() {
            self.phase = Phase::Done;
        }
        self.phase = match self.phase {
            Phase::Group(at) => self.group(at, recent, usual, &scale),
            Phase::Take(at, part) => self.take(at, part, recent, usual),
            Phase::Networks(at) => {
                self.gather(at, recent, usual, scale, parameters, spares);
                if at < 2 { Phase::Networks(at.saturating_add(1)) } else { Phase::Weigh(0) }
            }
            Phase::Weigh(at) => self.weigh(at, recent, scale, parameters),
            Phase::Done => Phase::Done,
        };
        (self.phase == Phase::Done).then_some(&self.found)
    }

    fn group(&mut self, at: usize, recent: &[Seen], usual: &[Seen], scale: &Scale) -> Phase {
        let Some(dimension) = Dimension::ALL.get(at).copied() else {
            self.left = Bits::first(recent.len());
            self.harmed = Bits::NONE;
            self.kinds = self.values.len();
            return self.next_taken(0);
        };
        let key = |seen: &Seen| seen.keys.get(dimension);
        let network = NETWORKS.iter().position(|it| *it == dimension);
        let groups = network.and_then(|network| self.networks.get_mut(network));
        let is_network = groups.is_some();
        let groups = groups.unwrap_or(&mut self.scratch);
        self.grouper.group(recent.iter().map(key), usual.iter().map(key), groups);
        if !is_network {
            self.keep_hottest(dimension, recent.len(), scale);
        }
        Phase::Group(at.saturating_add(1))
    }

    /// Keeps the hottest values of a dimension, by what they have of the excess.
    fn keep_hottest(&mut self, dimension: Dimension, recent: usize, scale: &Scale) {
        let Self { scratch, counts, values, .. } = self;
        scratch.count(&Bits::first(recent), counts);
        let mut hottest: Vec<(f64, u16)> = Vec::with_capacity(MOST_VALUES.saturating_add(1));
        for (group, count) in (0..).zip(counts.iter()).take(scratch.hot) {
            let covers = scale.covers(*count);
            if count.recent < nets::LEAST || covers <= 0.0 {
                continue;
            }
            let place = hottest.partition_point(|(other, _)| *other >= covers);
            if place < MOST_VALUES {
                hottest.insert(place, (covers, group));
                hottest.truncate(MOST_VALUES);
            }
        }
        for (_, hot) in hottest {
            let Some(key) = scratch.keys.get(usize::from(hot)) else { continue };
            let spread = scratch.spread(|group| group == hot);
            values.push(Value { what: What::Is(dimension, *key), spread });
        }
    }

    fn next_taken(&self, at: usize) -> Phase {
        if at < self.taken.len() { Phase::Take(at, 0) } else { Phase::Networks(0) }
    }

    fn take(&mut self, at: usize, part: usize, recent: &[Seen], usual: &[Seen]) -> Phase {
        let Some(taken) = self.taken.get(at) else { return self.next_taken(at) };
        let start = part.saturating_mul(PART);
        let harmed = if taken.is_live { usual.len() } else { 0 };
        for (place, seen) in recent.iter().enumerate().skip(start).take(PART) {
            if self.left.has(place) && taken.signature.matches(seen) {
                self.left = self.left.without(&one(place));
            }
        }
        for (place, seen) in usual.iter().enumerate().take(harmed).skip(start).take(PART) {
            if taken.signature.matches(seen) {
                self.harmed.set(place);
            }
        }
        let next = part.saturating_add(1);
        if next.saturating_mul(PART) < MOST_SAMPLES {
            Phase::Take(at, next)
        } else {
            self.next_taken(at.saturating_add(1))
        }
    }

    /// The hot networks of one size among what is left.
    fn gather(
        &mut self,
        at: usize,
        recent: &[Seen],
        usual: &[Seen],
        scale: Scale,
        parameters: &Parameters,
        spares: &dyn Fn(&IpNet) -> bool,
    ) {
        if at == 0 {
            self.values.truncate(self.kinds);
            self.nets.clear();
        }
        let most_harmed = most_harmed(parameters.harms, usual.len());
        let most_harmed = most_harmed.saturating_sub(self.harmed.count());
        let among = Among { recent, usual, left: &self.left, scale, most_harmed, spares };
        let (Some(dimension), Some(groups)) = (NETWORKS.get(at), self.networks.get(at)) else {
            return;
        };
        let wider = at.saturating_add(1);
        let around = NETWORKS.get(wider).copied().zip(self.networks.get(wider));
        let before = self.nets.len();
        nets::find(*dimension, groups, around, &among, &mut self.room, &mut self.nets);
        for (at, nets) in self.nets.iter().enumerate().skip(before) {
            let are_many = nets.nets.len() > 1;
            let what = What::From { dimension: *dimension, at, are_many };
            self.values.push(Value { what, spread: nets.spread });
        }
    }

    fn weigh(
        &mut self,
        at: usize,
        recent: &[Seen],
        scale: Scale,
        parameters: &Parameters,
    ) -> Phase {
        let wanted = Wanted {
            scale,
            left: &self.left,
            harmed: &self.harmed,
            covers: parameters.covers,
            harms: parameters.harms,
        };
        let (mut at, mut work) = (at, 0_usize);
        while at < self.values.len() && work < WORK {
            work = work.saturating_add(weigh(&self.values, at, &wanted, &mut self.best));
            at = at.saturating_add(1);
        }
        if at < self.values.len() {
            return Phase::Weigh(at);
        }
        let Some(best) = self.best.take() else { return Phase::Done };
        let candidate = self.candidate(&best, recent, &scale);
        self.found.push(candidate);
        self.left = self.left.without(&best.spread.recent);
        self.harmed = self.harmed.or(&best.spread.usual);
        if self.found.len() < MOST_CANDIDATES { Phase::Networks(0) } else { Phase::Done }
    }

    fn candidate(&mut self, best: &Best, recent: &[Seen], scale: &Scale) -> Candidate {
        let Spread { recent: matched, usual } = &best.spread;
        let mut signature = Signature::default();
        for value in best.values.iter().flatten().filter_map(|at| self.values.get(*at)) {
            match value.what {
                What::From { at, .. } => {
                    let nets = self.nets.get(at).map(|nets| nets.nets.clone());
                    signature.nets = nets.unwrap_or_default();
                }
                What::Is(dimension, key) => signature.kinds.push((dimension, key)),
            }
        }
        signature.kinds.sort_unstable();
        let samples = || matched.places().filter_map(|place| recent.get(place));
        if signature.kinds.iter().any(|(dimension, _)| *dimension == Dimension::Shape) {
            signature.shape = samples().next().map_or(Shape::default(), |seen| seen.shape);
        }
        let unknown = samples().filter(|seen| !seen.known).count();
        let count = of_usize(samples().count()).max(1.0);
        let [hosts, ..] = &self.networks;
        let clients = nets::distinct(hosts, matched, &mut self.room).max(1.0);
        Candidate {
            signature: Arc::new(signature),
            covers: best.covers,
            harms: scale.harms(usual.count()),
            new: of_usize(unknown) / count,
            per_client: count / clients,
            rate: scale.rate(matched.count()),
        }
    }
}

fn one(place: usize) -> Bits {
    let mut bits = Bits::NONE;
    bits.set(place);
    bits
}

/// Usual samples that may be harmed.
fn most_harmed(harms: f64, usual: usize) -> u32 {
    let most = (harms * of_usize(usual)).clamp(0.0, f64::from(u32::MAX));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    let most = most as u32;
    most
}
