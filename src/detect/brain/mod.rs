//! The half of detection that runs once a second: what was counted is judged, and what follows is set.
//!
//! Nobody runs it but the checks themselves (or [`Gate::tick`](crate::Gate::tick)): the one that comes when a tick is due
//! and finds nobody at it does a few steps and goes on; the next one does a few more. A tick is
//!
//! | stage | what is done | steps |
//! |---|---|--:|
//! | `Idle` | counts are taken, once a second | 1 |
//! | `Heat` | hot keys are collected, and fade | 36 |
//! | `Judge` | evidence, posture, what was learned | 1 |
//! | `Sample` | recent requests are copied, usual ones kept | 1 |
//! | `Search` | what the excess has in common, while something is unusual | some |
//! | `Offer` | a signature becomes a mitigation | 8 at most |
//! | `Answer` | mitigations, shares, the limit of requests in flight | 1 |
//! | `Compile` | mitigations that have changed, for checks to ask | some |
//! | `Known` | known networks are promoted, discarded or forgotten, now and then | 16 |
//!
//! # Invariants
//! - **I1** one thread at a time, and no other waits for it;
//! - **I2** what a check does of a tick is a few steps, each of them bounded: below a tenth of a millisecond, [`BUDGET`];
//! - **I3** ticks that were missed are one long tick: rates count, not numbers, and a gap of any length costs no more than a
//!   second;
//! - **I4** a quiet tick allocates nothing. What is unusual is told in words, and a mitigation is compiled: that
//!   allocates, within bounds;
//! - **I5** a clock that is set back changes no time that has passed or is left: see [`set_back`].

mod answer;
mod judge;
mod orders;
#[cfg(feature = "serde")]
mod saved;
mod set_back;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

use ipnet::IpNet;

use super::{
    Counted, Defence, Dimension, Event, Evidence, Heat, Hot, KeyedHash, Posture, Seen,
    admission::{Capacity, Concurrency, Readmission},
    judge::Judge,
    machine::Machine,
    mitigation::{Live, Mitigations},
    recorder::Recorder,
    search::Search,
    sketch::{HotKeys, Reservoir, Top},
    talkers,
    watch::{Detector, SAMPLE},
};
use crate::{
    error::KeyedLimiterError,
    limit::seeds::Seeds,
    sync::Ordering,
    time::{NANOS_PER_SEC, Timestamp},
};

/// What only the one that runs a tick needs to know.
pub(crate) struct Brain {
    pub(super) defence: Defence,
    stage: Stage,
    /// When the tick that goes on was due; of the last one, if none does.
    at: Timestamp,
    /// When counts were taken; `None` before the first check.
    taken: Option<Timestamp>,
    counted: Counted,
    heat: Heat,
    top: Top,
    judge: Judge,
    machine: Machine,
    search: Search,
    mitigations: Mitigations,
    recorder: Recorder,
    concurrency: Concurrency,
    capacity: Capacity,
    readmission: Readmission,
    evidence: Evidence,
    /// Distinct networks that were not known, in the last tick.
    newcoming: f64,
    /// Ticks in which mitigations have left too much.
    uncovered: u32,
    is_mitigating: bool,

    recent: Vec<Seen>,
    reservoir: Reservoir,
    clock: Clock,
    chore: Option<Chore>,
    /// Requests until then were learned.
    learned: Timestamp,
    /// An alarm is played.
    is_drill: bool,
    /// What the busiest of a hundred clients asks for a second, usually.
    busy: f64,
    /// The hottest clients of the last tick.
    hottest: Vec<Hot>,
}

/// When rare things were done.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    /// Networks that were served became known.
    promoted: Option<Timestamp>,
    /// The older half of the known networks was forgotten.
    rotated: Option<Timestamp>,
}

/// What is to be done with the known networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chore {
    /// Networks that were served become known.
    Promote,
    /// Those on probation are forgotten: they may be an attacker's.
    Discard,
    /// Those of long ago are forgotten.
    Rotate,
}

/// How far a tick has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    /// The next dimension's stripe.
    Heat(usize),
    Judge,
    Sample,
    Search,
    /// The next of the signatures that were found.
    Offer(usize),
    Answer,
    Compile,
    /// The next part of the known networks, if there is something to do there.
    Known(usize),
}

/// What a check does of a tick, in microseconds on a slow machine, roughly: it ends with the step that exceeds it.
const BUDGET: u32 = 40;
/// A tick that is later than this is one of another length, and the next one comes a second after it.
const LATE: Duration = Duration::from_millis(1_500);
/// Between these is the most that can be in flight.
const LEAST_FLIGHTS: u64 = 8;
const MOST_FLIGHTS: u64 = 100_000;
/// How long a tick is.
const TICK: Duration = Duration::from_secs(1);
/// Counts of hot keys fade to half in so many seconds.
const FADE: f64 = 10.0;
/// What a hot key usually has is learned with this half-life, in seconds.
const LEARN: f64 = 300.0;
/// In so many seconds hot keys gather what their counts stand for: the half-life by the natural logarithm of 2.
pub(super) const WINDOW: f64 = FADE / core::f64::consts::LN_2;
/// Hot keys of one dimension that are judged.
const HOTTEST: usize = 64;

impl Brain {
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn new(
        defence: Defence,
        hash: KeyedHash,
        seeds: &mut Seeds,
    ) -> Result<Self, KeyedLimiterError> {
        Ok(Self {
            defence,
            stage: Stage::Idle,
            at: Timestamp::ZERO,
            taken: None,
            counted: Counted::default(),
            heat: Heat {
                hot: Vec::with_capacity(HOTTEST.saturating_mul(Dimension::COUNT)),
                ..Heat::default()
            },
            top: Top::new(HOTTEST),
            judge: Judge::new(),
            machine: Machine::new(),
            search: Search::new(),
            mitigations: Mitigations::new(seeds)?,
            recorder: Recorder::new(),
            concurrency: Concurrency::new(LEAST_FLIGHTS, MOST_FLIGHTS),
            capacity: Capacity::new(),
            readmission: Readmission::new(),
            evidence: Evidence::default(),
            newcoming: 0.0,
            uncovered: 0,
            is_mitigating: false,

            recent: Vec::with_capacity(SAMPLE),
            reservoir: Reservoir::new(SAMPLE, hash.of_number(1)),
            clock: Clock::default(),
            chore: None,
            learned: Timestamp::ZERO,
            is_drill: false,

            busy: 0.0,
            hottest: Vec::with_capacity(talkers::MOST),
        })
    }

    /// Does a step; says what it cost, in the measure of [`BUDGET`], or `None` if nothing is due.
    fn step(
        &mut self,
        detector: &Arc<Detector>,
        spares: &dyn Fn(&IpNet) -> bool,
        now: Timestamp,
    ) -> Option<u32> {
        let (next, cost) = match self.stage {
            Stage::Idle => (self.begin(detector, now)?, 20),
            Stage::Heat(place) => (self.warm(detector, place), 15),
            Stage::Judge => (self.conclude(), 5),
            Stage::Sample => (self.sample(detector), 40),
            Stage::Search => (self.search(spares), 40),
            Stage::Offer(at) => (self.offer(detector, at), 40),
            Stage::Answer => {
                self.answer(detector);
                (Stage::Compile, 20)
            }
            Stage::Compile => match self.compile(detector) {
                true => (Stage::Compile, 40),
                false => (Stage::Known(0), 1),
            },
            Stage::Known(part) => self.tend(detector, part),
        };
        self.stage = next;
        self.let_noted_be_told(detector);
        Some(cost)
    }

    /// Takes what was counted, if a second has passed.
    fn begin(&mut self, detector: &Detector, now: Timestamp) -> Option<Stage> {
        let Some(taken) = self.taken else {
            // What came before the first tick is of nobody knows how long.
            self.taken = Some(now);
            (self.at, self.clock.promoted, self.clock.rotated) = (now, Some(now), Some(now));
            detector.set_due(now.saturating_add(TICK));
            return None;
        };
        if self.heed_set_back(detector, now) {
            return None;
        }
        let since = now.saturating_duration_since(self.at);
        if since < TICK {
            detector.set_due(self.at.saturating_add(TICK));
            return None;
        }
        // So that ticks come each second, and not each second and a bit (I3: but not those that were missed).
        let is_late = since >= LATE;
        self.at = if is_late { now } else { self.at.saturating_add(TICK) };
        self.taken = Some(now);
        self.counted = detector.counters.take();
        self.counted.seconds = now.saturating_duration_since(taken).as_secs_f64();
        detector.thin_out(self.counted.seconds);
        self.counted.clients = detector.clients.estimate_and_clear();
        self.counted.in_flight = detector.in_flight();
        self.counted.in_flight_limit = Some(self.concurrency.limit());
        self.newcoming = detector.newcoming.estimate_and_clear();
        self.counted.latency = detector.latencies.take();
        self.counted.gauge = f64::from_bits(detector.gauge.load(Ordering::Relaxed));
        self.heat.hot.clear();
        self.top.clear();
        Some(Stage::Heat(0))
    }

    /// Collects the hot keys of one stripe of one dimension.
    fn warm(&mut self, detector: &Detector, place: usize) -> Stage {
        let dimension = Dimension::ALL.get(place / HotKeys::STRIPES);
        let hot = dimension.and_then(|dimension| detector.hot.get(dimension.at()));
        let (Some(dimension), Some(hot)) = (dimension, hot) else { return Stage::Judge };
        let seconds = self.counted.seconds;
        let learn = (self.machine.posture() == Posture::Normal)
            .then(|| single(1.0 - half_lives(seconds, LEARN)));
        let fade = single(half_lives(seconds, FADE));
        if !hot.turn(place % HotKeys::STRIPES, fade, learn, &mut self.top) {
            // Somebody is there: the next step tries again.
            return Stage::Heat(place);
        }
        let next = place.saturating_add(1);
        if next % HotKeys::STRIPES == 0 {
            let found = self.top.iter().map(|hot| Hot {
                dimension: *dimension,
                key: hot.key,
                count: hot.count,
                usual: hot.usual,
                over: hot.over,
            });
            self.heat.hot.extend(found);
            // Every request has a path.
            if *dimension == Dimension::Path {
                self.heat.total = self.top.total();
                self.heat.usual_total = self.top.usual_total();
            }
            self.top.clear();
        }
        Stage::Heat(next)
    }

    /// The hottest clients of the last tick, and the requests that are remembered of it.
    pub(super) fn hottest(&self) -> (&[Hot], &[Seen]) {
        (&self.hottest, &self.recent)
    }

    pub(super) fn recent_events(&self) -> Vec<Event> {
        self.recorder.recent()
    }

    /// How many events there were is known to those who tell them.
    pub(super) fn let_noted_be_told(&self, detector: &Detector) {
        #[cfg(feature = "tracing")]
        detector.untold.set_noted(self.recorder.noted());
        #[cfg(not(feature = "tracing"))]
        let _ = detector;
    }

    /// Events after the first so many, as far as they are kept, and how many there were in all.
    #[cfg(feature = "tracing")]
    pub(super) fn noted_since(&self, told: u64) -> (Vec<Event>, u64) {
        (self.recorder.noted_since(told), self.recorder.noted())
    }

    /// What checks read of mitigations.
    pub(super) fn live(&self) -> Live {
        self.mitigations.live()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            .saturating_add(self.recent.capacity().saturating_mul(size_of::<Seen>()))
            .saturating_add(self.reservoir.memory_bytes())
            .saturating_add(self.heat.hot.capacity().saturating_mul(size_of::<Hot>()))
    }
}

impl Detector {
    /// Does some steps of what is due, if nobody else is at it (I1, I2).
    pub(crate) fn step(self: &Arc<Self>, spares: &dyn Fn(&IpNet) -> bool, now: Timestamp) {
        let Some(mut brain) = self.brain.try_lock() else { return };
        let mut spent = 0_u32;
        while spent < BUDGET {
            match brain.step(self, spares, now) {
                Some(cost) => spent = spent.saturating_add(cost),
                None => return,
            }
        }
        if brain.stage == Stage::Idle {
            self.set_due(brain.at.saturating_add(TICK));
        }
    }

    /// Does all that is due.
    pub(crate) fn tick(self: &Arc<Self>, spares: &dyn Fn(&IpNet) -> bool, now: Timestamp) {
        let mut brain = self.brain.lock();
        // A tick has a bounded number of steps; so many are none that ends.
        for _ in 0..10_000 {
            if brain.step(self, spares, now).is_none() {
                return;
            }
        }
    }
}

/// What is left after so many seconds of what halves in `half_life` of them.
fn half_lives(seconds: f64, half_life: f64) -> f64 {
    (-seconds.clamp(0.0, 1e6) / half_life).exp2()
}

#[expect(clippy::cast_possible_truncation, reason = "a share, of which a few digits do")]
fn single(share: f64) -> f32 {
    share as f32
}

/// The whole number below it.
pub(super) fn rank(of: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped before; what is no number becomes 0"
    )]
    let rank = of.clamp(0.0, 1e6) as usize;
    rank
}

/// So many seconds of a parameter.
fn seconds(of: u32) -> Duration {
    Duration::from_nanos(u64::from(of).saturating_mul(NANOS_PER_SEC))
}
