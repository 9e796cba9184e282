//! A whole replay: the lines of some logs, read, spread over virtual time, and played to one gate or to two.
//!
//! # Invariants
//! - **I1** both gates see the same requests at the same times;
//! - **I2** no line ends a replay; one that is malformed is counted, and the first of them are kept;
//! - **I3** memory does not depend on how long the logs are.

use std::io::{self, Read};

use portcullis::{Denial, Timestamp};

use super::{
    Reject,
    clients::Clients,
    common, json,
    lines::Lines,
    play::Side,
    record::{Batch, Record},
    spread::{Span, Spread, SpreadTold},
    tally::{Hit, Rules},
};

/// Malformed lines that are shown.
pub const MOST_SHOWN: usize = 5;
/// Bytes of each that are shown.
const SHOWN: usize = 100;
/// Lines between two calls of whoever shows how far it is.
const STEP: u64 = 4_096;

/// How the lines of a log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Common or combined, see [`common`].
    Common,
    /// JSON lines, see [`json`].
    Json,
}

/// A log that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// What it is called.
    pub name: String,
    /// How it is written; `None` if no line said.
    pub format: Option<Format>,
    /// Lines.
    pub lines: u64,
    /// Of these, requests.
    pub requests: u64,
    /// Why it broke off, if it did.
    pub broke_off: Option<String>,
}

/// A line that is malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The number of its log.
    pub log: usize,
    /// Its own number, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub reason: &'static str,
    /// How it begins: not to be shown as it is.
    pub text: Vec<u8>,
}

/// What two gates do not agree about.
#[derive(Debug, Default)]
pub struct Changes {
    /// What the other gate refuses requests by that this one lets pass.
    pub refused: Rules,
    /// Whose requests these are.
    pub refused_clients: Clients,
    /// What this gate refuses requests by that the other one lets pass.
    pub admitted: Rules,
    /// Whose requests these are.
    pub admitted_clients: Clients,
    /// Requests that both refuse.
    pub both_refuse: u64,
    /// Requests that both let pass.
    pub both_pass: u64,
}

/// A replay.
#[derive(Debug)]
pub struct Replay {
    /// The gate, and the one that it is compared with.
    pub sides: (Side, Option<Side>),
    /// Where they differ, if there are two.
    pub changes: Changes,
    /// The logs.
    pub logs: Vec<Log>,
    /// Lines that are malformed.
    pub malformed: u64,
    /// The first of them.
    pub shown: Vec<Malformed>,
    /// Lines that tell of something that was no request.
    pub no_request: u64,
    /// Lines without anything.
    pub empty: u64,
    /// The first and the last request.
    pub when: Option<(Timestamp, Timestamp)>,
    /// How far the times of the logs are relied on.
    pub span: Span,
    spread: Spread,
}

impl Replay {
    /// Plays to this gate, and to another one.
    #[must_use]
    pub fn new(side: Side, other: Option<Side>, span: Span) -> Self {
        Self {
            sides: (side, other),
            changes: Changes::default(),
            logs: Vec::new(),
            malformed: 0,
            shown: Vec::new(),
            no_request: 0,
            empty: 0,
            when: None,
            span,
            spread: Spread::new(span),
        }
    }

    /// Reads a log to its end, or to where it breaks off, which is noted; `step` is called every now and then.
    pub fn read(
        &mut self,
        name: &str,
        format: Option<Format>,
        from: impl Read,
        step: &mut dyn FnMut(),
    ) {
        self.logs.push(Log { name: name.into(), format, lines: 0, requests: 0, broke_off: None });
        let read = self.read_lines(from, step);
        if let (Err(error), Some(log)) = (read, self.logs.last_mut()) {
            log.broke_off = Some(error.to_string());
        }
        step();
    }

    /// Plays what is left at the end of all logs.
    pub fn end(&mut self) {
        let Self { sides, changes, when, spread, .. } = self;
        spread.flush(|batch, record, now| play(sides, changes, when, batch, record, now));
        self.sides.0.end();
        if let Some(other) = &mut self.sides.1 {
            other.end();
        }
    }

    /// Lines of all logs.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.logs.iter().map(|log| log.lines).sum()
    }

    /// Requests of all logs.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.logs.iter().map(|log| log.requests).sum()
    }

    /// What is to be known about the times.
    #[must_use]
    pub fn spread(&self) -> SpreadTold {
        self.spread.told()
    }

    /// Whether the minutes of all times are the same, in several hours.
    #[must_use]
    pub fn has_lost_minutes(&self) -> bool {
        self.spread.has_lost_minutes()
    }

    /// Whether some request was played, and no log broke off.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.when.is_some() && self.logs.iter().all(|log| log.broke_off.is_none())
    }

    fn read_lines(&mut self, from: impl Read, step: &mut dyn FnMut()) -> io::Result<()> {
        let mut lines = Lines::new(from);
        let mut next = Batch::default();
        let at = self.logs.len().saturating_sub(1);
        let Self {
            sides, changes, logs, malformed, shown, no_request, empty, when, spread, ..
        } = self;
        let Some(log) = logs.last_mut() else { return Ok(()) };
        while let Some(line) = lines.next_line()? {
            log.lines = line.number;
            if line.number % STEP == 0 {
                step();
            }
            let parsed = if line.is_too_long {
                Err(Reject::Malformed("longer than 64 KiB"))
            } else if line.bytes.trim_ascii().is_empty() {
                *empty += 1;
                continue;
            } else {
                parse(line.bytes, &mut log.format, &mut next)
            };
            match parsed {
                Ok(()) => {
                    log.requests += 1;
                    spread.take(&mut next, |batch, record, now| {
                        play(sides, changes, when, batch, record, now);
                    });
                }
                Err(Reject::NoRequest) => *no_request += 1,
                Err(Reject::Malformed(reason)) => {
                    *malformed += 1;
                    if shown.len() < MOST_SHOWN {
                        let text = line.bytes.get(..SHOWN).unwrap_or(line.bytes).to_vec();
                        shown.push(Malformed { log: at, line: line.number, reason, text });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Reads a line in the format of its log, which is that of the first line that can be read.
fn parse(line: &[u8], format: &mut Option<Format>, into: &mut Batch) -> Result<(), Reject> {
    let looks = match line.trim_ascii_start().first() {
        Some(b'{') => Format::Json,
        _ => Format::Common,
    };
    let parsed = match format.unwrap_or(looks) {
        Format::Json => json::parse(line, into),
        Format::Common => common::parse(line, into),
    };
    if !matches!(parsed, Err(Reject::Malformed(_))) {
        format.get_or_insert(looks);
    }
    parsed
}

fn play(
    (side, other): &mut (Side, Option<Side>),
    changes: &mut Changes,
    when: &mut Option<(Timestamp, Timestamp)>,
    batch: &Batch,
    record: &Record,
    now: Timestamp,
) {
    let first = when.map_or(now, |(first, _)| first);
    *when = Some((first, now));
    let denied = side.play(batch, record, now);
    let Some(other) = other else { return };
    let denied_by_other = other.play(batch, record, now);
    let hit = Hit {
        client: record.client,
        at: now,
        status: record.status,
        method: batch.text(record.method),
        target: batch.text(record.target),
    };
    let note = |rules: &mut Rules, clients: &mut Clients, denial: &Denial| {
        let rule = rules.note(denial.name(), Some(denial.reason()), &hit);
        let is_first = clients.note(hit.client, Some(rule));
        rules.add(rule, u64::from(is_first), 0);
    };
    match (denied, denied_by_other) {
        (None, None) => changes.both_pass += 1,
        (Some(_), Some(_)) => changes.both_refuse += 1,
        (None, Some(denial)) => note(&mut changes.refused, &mut changes.refused_clients, &denial),
        (Some(denial), None) => note(&mut changes.admitted, &mut changes.admitted_clients, &denial),
    }
}

#[cfg(test)]
mod tests;
