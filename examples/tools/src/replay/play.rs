//! A gate in virtual time: it is asked, told how requests ended, and ticked while nobody asks.
//!
//! The gate always enforces, so that bans act and limits run as they would; what is in shadow stays in shadow.
//! A request that passes ends with the status, size and duration of the log, at its time plus that duration; without
//! one, at once. Requests in flight are those whose durations are known, therefore.
//!
//! Limits of a fleet are played as limits of the one gate that all requests of the log come to, with their whole quota: as
//! if their store answered at once. Without a store they would do what they do while it is away, and that is no question
//! that a log answers.
//!
//! # Invariants
//! - **I1** the gate's time never goes back, and ends of requests come in order;
//! - **I2** each second in which requests come is told to the gate, and the two that follow. So are all seconds of a
//!   pause, while the gate is alarmed, up to [`LONGEST_ALARM`]; of other pauses each minute is, and after an hour each
//!   hour. Of a pause longer than [`LONGEST_PAUSE`] only the end is. (A service that nobody asks tells its gate nothing at
//!   all, and the gate knows what a late word means.)
//!
//! # Bounds
//! [`MOST_IN_FLIGHT`] requests are in flight at a time; one more ends the one that would have ended first. A line can make the
//! gate be told the time some thousands of times (I2), and not more, whatever time or duration it has.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    time::Duration,
};

use portcullis::{
    Admission, Denial, DenialReason, Gate, Mode, Outcome, Posture, Timestamp,
    gate::config::{ConfigError, GateConfig, ScopeConfig},
};

use super::{
    record::{Batch, Record},
    tally::{Hit, Tally},
};

/// Seconds of a pause that an alarmed gate is told one by one: longer than a defence takes to calm down.
pub const LONGEST_ALARM: u64 = 3_600;
/// Seconds of a pause that is gone through: a month without a request is a gap between logs, or a wrong time.
pub const LONGEST_PAUSE: u64 = 31 * 86_400;
/// As many requests are in flight at a time.
pub const MOST_IN_FLIGHT: usize = 1 << 16;

const SECOND: u64 = 1_000_000_000;

/// A gate, and what it has said.
#[derive(Debug)]
pub struct Side {
    gate: Gate,
    /// What the file says of it; the gate enforces whatever that is.
    pub mode: Mode,
    /// What it has said.
    pub tally: Tally,
    /// Requests that ended before their time, for want of room.
    pub cut_short: u64,
    /// The longest duration of a request; `None` if none had one.
    pub longest: Option<Duration>,
    /// Whether some limit was one of a fleet, and is played as one of this gate.
    pub was_of_fleet: bool,
    /// How often the gate was told the time.
    pub ticks: u64,
    in_flight: BinaryHeap<Reverse<Flight>>,
    /// The last second that the gate was told of.
    ticked: Option<u64>,
    order: u64,
}

/// A request in flight.
#[derive(Debug)]
struct Flight {
    ends: Timestamp,
    /// Equal ends come in the order of the log.
    order: u64,
    admission: Admission,
    outcome: Outcome,
}

impl Side {
    /// The gate that a text describes; all that is left to chance follows from the seed.
    ///
    /// # Errors
    /// All mistakes of the text at once.
    pub fn from_toml(text: &str, seed: u64) -> Result<Self, ConfigError> {
        let builder = || Gate::builder().danger_seed(seed);
        // As it is written first, so that mistakes have their places in this text.
        let gate = builder().build_toml(text)?;
        let mut config = GateConfig::from_toml(text)?;
        let is_of_fleet = |scope: &Option<ScopeConfig>| *scope == Some(ScopeConfig::Fleet);
        if !config.limit.iter().any(|limit| is_of_fleet(&limit.scope)) {
            return Ok(Self::new(gate));
        }
        config.fleet = None;
        for limit in &mut config.limit {
            (limit.scope, limit.fail) = (None, None);
        }
        let gate = builder().build_config(&config)?;
        Ok(Self { was_of_fleet: true, ..Self::new(gate) })
    }

    /// Plays to this gate.
    #[must_use]
    pub fn new(gate: Gate) -> Self {
        let mode = gate.mode();
        gate.set_mode(Mode::Enforce);
        Self {
            gate,
            mode,
            tally: Tally::default(),
            cut_short: 0,
            longest: None,
            was_of_fleet: false,
            ticks: 0,
            in_flight: BinaryHeap::new(),
            ticked: None,
            order: 0,
        }
    }

    /// Plays a request, and returns the refusal, if it was refused.
    pub fn play(&mut self, batch: &Batch, record: &Record, now: Timestamp) -> Option<Denial> {
        self.advance(now);
        let request = batch.request(record);
        let hit = Hit {
            client: record.client,
            at: now,
            status: record.status,
            method: request.get_method(),
            target: request.get_target(),
        };
        match self.gate.check(&request, now).into_result() {
            Ok(admission) => {
                let mut is_in_shadow = false;
                for name in admission.shadow() {
                    is_in_shadow = true;
                    self.tally.shadow.note(name, None, &hit);
                }
                self.tally.pass(&hit, is_in_shadow);
                self.begin(admission, record, now);
                None
            }
            Err(denial) => {
                for name in denial.shadow() {
                    self.tally.shadow.note(name, None, &hit);
                }
                let bans = self.has_banned(&denial, now);
                self.tally.refuse(&hit, denial.name(), denial.reason(), bans);
                Some(denial)
            }
        }
    }

    /// Whether a client is banned that was not before this denial.
    fn has_banned(&self, denial: &Denial, now: Timestamp) -> bool {
        let can_ban = matches!(denial.reason(), DenialReason::Rule | DenialReason::Limit);
        let Some(client) = denial.client().filter(|_| can_ban) else { return false };
        let verdict = self.gate.check_peer(client, now);
        verdict.is_err_and(|denial| denial.reason() == DenialReason::Banned)
    }

    /// Lets what is in flight end, and the gate calm down for a minute, as it would while nobody asks.
    pub fn end(&mut self) {
        while let Some(Reverse(flight)) = self.in_flight.peek() {
            let ends = flight.ends;
            self.advance(ends);
        }
        if let Some(ticked) = self.ticked {
            self.advance(Timestamp::from_secs(ticked.saturating_add(60)));
        }
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    fn begin(&mut self, admission: Admission, record: &Record, now: Timestamp) {
        if record.status == 0 {
            // The response is not known, which is what dropping it says.
            return drop(admission);
        }
        let outcome = Outcome::status(record.status);
        let outcome = record.size.map_or(outcome, |size| outcome.size(size));
        let Some(duration) = record.duration else {
            return self.gate.finish(admission, outcome, now);
        };
        self.longest = self.longest.max(Some(duration));
        if self.in_flight.len() >= MOST_IN_FLIGHT {
            if let Some(Reverse(first)) = self.in_flight.pop() {
                self.cut_short += 1;
                self.gate.finish(first.admission, first.outcome, now);
            }
        }
        self.order += 1;
        let ends = now.saturating_add(duration);
        let outcome = outcome.latency(duration);
        self.in_flight.push(Reverse(Flight { ends, order: self.order, admission, outcome }));
    }

    /// Goes on to `now`: what ends until then ends, and each second is told.
    fn advance(&mut self, now: Timestamp) {
        let second = now.as_nanos() / SECOND;
        let mut ticked = *self.ticked.get_or_insert(second);
        let pause = ticked;
        if second - ticked > LONGEST_PAUSE {
            self.tick(second);
            ticked = second;
        }
        while ticked < second {
            let is_alarmed = self.gate.posture() > Posture::Normal;
            let step = match ticked - pause {
                0..2 => 1,
                passed if passed >= LONGEST_ALARM => 3_600,
                _ if is_alarmed => 1,
                _ => 60,
            };
            ticked = (ticked + step).min(second);
            self.tick(ticked);
        }
        self.finish_until(now);
    }

    /// Tells the gate of this second, after what ends until then.
    fn tick(&mut self, second: u64) {
        let at = Timestamp::from_nanos(second * SECOND);
        self.finish_until(at);
        self.gate.tick(at);
        for event in self.gate.events() {
            self.tally.story.tell(event);
        }
        self.ticked = Some(second);
        self.ticks += 1;
    }

    fn finish_until(&mut self, now: Timestamp) {
        while self.in_flight.peek().is_some_and(|Reverse(flight)| flight.ends <= now) {
            if let Some(Reverse(flight)) = self.in_flight.pop() {
                self.gate.finish(flight.admission, flight.outcome, flight.ends);
            }
        }
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Flight {}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.ends, self.order).cmp(&(other.ends, other.order))
    }
}

#[cfg(test)]
mod tests;
