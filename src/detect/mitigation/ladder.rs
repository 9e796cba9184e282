//! How far a mitigation goes, and when it goes further.

use core::time::Duration;

use crate::time::Timestamp;

/// How far a mitigation goes; ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Ladder {
    /// It counts what it matches.
    #[default]
    Shadow,
    /// Each client gets no more of what it matches than a busy usual client asks for.
    Throttle,
    /// What it matches is refused.
    Deny,
}

/// Counts of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Passed<T> {
    pub(super) matched: T,
    pub(super) refused: T,
    /// From clients that were not known.
    pub(super) unknown: T,
}

/// What is remembered from tick to tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    /// All counts at the last tick.
    before: Passed<u64>,
    /// Decayed sums of the counts of ticks.
    lately: Passed<f64>,
    /// Since when it is as it must be to deny.
    persists_since: Option<Timestamp>,
}

/// Sums are decayed by this each tick: some three ticks count.
const DECAY: f64 = 0.7;

/// Fewer matches than this say nothing.
const FEW: f64 = 5.0;

/// A throttle that refuses this share of what it matches meets clients that go on.
const REFUSED: f64 = 0.3;

/// Clients are unknown throughout from this share on.
pub(super) const UNKNOWN: f64 = 0.8;

/// And then next to nothing may be harmed, up to this share of the usual traffic; known clients are not denied anyway.
const HARMLESS: f64 = 0.005;

impl Track {
    pub(super) fn new() -> Self {
        Self { before: Passed::default(), lately: Passed::default(), persists_since: None }
    }

    /// With counts that were there before.
    #[cfg(feature = "serde")]
    pub(super) fn after(before: Passed<u64>) -> Self {
        Self { before, lately: Passed::default(), persists_since: None }
    }

    /// Takes in all counts so far; gives those since the last time.
    pub(super) fn take(&mut self, all: Passed<u64>) -> Passed<f64> {
        let more = |all: u64, before: u64| of_u64(all.saturating_sub(before));
        let passed = Passed {
            matched: more(all.matched, self.before.matched),
            refused: more(all.refused, self.before.refused),
            unknown: more(all.unknown, self.before.unknown),
        };
        self.before = all;
        self.lately = Passed {
            matched: self.lately.matched * DECAY + passed.matched,
            refused: self.lately.refused * DECAY + passed.refused,
            unknown: self.lately.unknown * DECAY + passed.unknown,
        };
        passed
    }

    /// Whether nearly all clients were unknown lately.
    pub(super) fn is_unknown(&self) -> bool {
        self.lately.matched >= FEW && self.lately.unknown >= UNKNOWN * self.lately.matched
    }

    /// Whether throttling is not enough, going by what was found and by the last few ticks.
    pub(super) fn persists(&self, new: f64, harms: f64) -> bool {
        let goes_on = self.lately.refused >= REFUSED * self.lately.matched;
        let is_strange = new >= UNKNOWN && harms <= HARMLESS && self.is_unknown();
        self.lately.matched >= FEW && (goes_on || is_strange)
    }

    /// For how long that has been so, if it is so for the tick that began then.
    pub(super) fn persisted(&mut self, is_so: bool, began: Timestamp, now: Timestamp) -> Duration {
        let since = is_so.then(|| self.persists_since.unwrap_or(began));
        self.persists_since = since;
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// The clock was set back by so much.
    pub(super) fn set_back(&mut self, by: Duration) {
        self.persists_since = self.persists_since.map(|since| since.saturating_sub(by));
    }

    /// What was before counts no longer: it goes further now.
    pub(super) fn restart(&mut self) {
        self.lately = Passed::default();
        self.persists_since = None;
    }
}

/// Exact below 2^32, which is more than a tick has.
fn of_u64(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
