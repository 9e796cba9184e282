//! One scene of the incident: a quiet moment, the flood, and what comes after, with both crowds
//! watched from here.

use std::{
    io::{BufRead, BufReader, Write},
    ops::Range,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;
use portcullis::{SystemClock, Timestamp};

use crate::{
    crowd::Crowd,
    tally::{Outcome, Record, Summary},
};

/// How long a crowd may take to get ready, and to finish after its time.
const GRACE: Duration = Duration::from_secs(15);

/// When things happen, in milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Script {
    pub(crate) quiet: u64,
    pub(crate) flood: u64,
    pub(crate) after: u64,
}

impl Script {
    pub(crate) fn before(&self) -> Range<u64> {
        0..self.quiet
    }

    pub(crate) fn during(&self) -> Range<u64> {
        self.quiet..self.quiet + self.flood
    }

    pub(crate) fn afterwards(&self) -> Range<u64> {
        self.quiet + self.flood..self.end()
    }

    pub(crate) fn end(&self) -> u64 {
        self.quiet + self.flood + self.after
    }
}

/// Everything that was asked in a scene.
pub(crate) struct Scene {
    pub(crate) title: &'static str,
    pub(crate) script: Script,
    /// By the system's clock.
    pub(crate) started: Timestamp,
    pub(crate) visitors: Vec<Record>,
    pub(crate) attackers: Vec<Record>,
}

impl Scene {
    /// Plays it. The bar moves by one a millisecond.
    pub(crate) fn play(
        title: &'static str,
        script: Script,
        visitors: Crowd,
        attackers: Crowd,
        bar: &ProgressBar,
    ) -> Result<Self, String> {
        let mut visitors = Watched::start("the visitors", visitors)?;
        let mut attackers = Watched::start("the attackers", attackers)?;
        visitors.go()?;
        attackers.go()?;
        let (start, started, from) = (Instant::now(), SystemClock::now(), bar.position());
        let deadline = Duration::from_millis(script.end()) + GRACE;
        loop {
            let done = [visitors.is_done()?, attackers.is_done()?];
            let now = (start.elapsed().as_millis() as u64).min(script.end());
            bar.set_position(from + now);
            bar.set_message(format!("{title}: {}", status(now, script, &visitors, &attackers)));
            if done == [true, true] {
                break;
            }
            if start.elapsed() > deadline {
                return Err("a crowd did not finish in time".to_owned());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bar.set_position(from + script.end());
        let (visitors, attackers) = (visitors.records()?, attackers.records()?);
        Ok(Self { title, script, started, visitors, attackers })
    }

    pub(crate) fn visitors(&self, when: Range<u64>) -> Summary {
        Summary::of(&self.visitors, when)
    }

    pub(crate) fn attackers(&self) -> Summary {
        Summary::of(&self.attackers, self.script.during())
    }
}

/// The last second, in words.
fn status(now: u64, script: Script, visitors: &Watched, attackers: &Watched) -> String {
    // A second late, so that who still waits has had a second.
    let last = now.saturating_sub(2000)..now.saturating_sub(1000);
    let of = |crowd: &Watched, wanted: fn(&Record) -> bool| {
        let records = crowd.so_far();
        let recent = records.iter().rev().take(10_000);
        recent.filter(|record| last.contains(&record.due_ms) && wanted(record)).count()
    };
    let good = of(visitors, Record::is_good);
    let flood = of(attackers, |record| record.outcome != Outcome::Unsent);
    let phase = match now {
        now if script.before().contains(&now) => "quiet",
        now if script.during().contains(&now) => "FLOOD",
        _ => "after",
    };
    match now {
        // Nothing is two seconds old yet.
        ..2000 => phase.to_owned(),
        _ => format!("{phase}, {good} good pages/s, attackers {flood}/s"),
    }
}

/// A crowd's process and what it reports. It is killed when this is dropped.
struct Watched {
    name: &'static str,
    child: Child,
    records: Arc<Mutex<Vec<Record>>>,
    reader: Option<JoinHandle<Result<(), String>>>,
}

impl Watched {
    fn start(name: &'static str, crowd: Crowd) -> Result<Self, String> {
        let fail = |error: std::io::Error| format!("{name} could not be started: {error}");
        let program = std::env::current_exe().map_err(fail)?;
        let child = Command::new(program)
            .args(crowd.to_arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(fail)?;
        let mut watched = Self { name, child, records: Arc::default(), reader: None };
        let output = watched.child.stdout.take().ok_or("a child without an output")?;
        let mut lines = BufReader::new(output).lines();
        let (sender, ready) = std::sync::mpsc::channel();
        let records = Arc::clone(&watched.records);
        watched.reader = Some(std::thread::spawn(move || {
            // Nobody listens any more when the start has taken too long.
            let _ = sender.send(matches!(lines.next(), Some(Ok(line)) if line == "ready"));
            for line in lines {
                let line = line.map_err(|error| error.to_string())?;
                let record = line.parse().map_err(|()| format!("can not be read: {line}"))?;
                lock(&records).push(record);
            }
            Ok(())
        }));
        match ready.recv_timeout(GRACE) {
            Ok(true) => Ok(watched),
            _ => Err(format!("{name} did not get ready")),
        }
    }

    fn go(&mut self) -> Result<(), String> {
        // The pipe stays open: its end would tell the child that its parent is gone.
        let input = self.child.stdin.as_mut().ok_or("a child without an input")?;
        input.write_all(b"go\n").map_err(|error| format!("{} do not listen: {error}", self.name))
    }

    fn so_far(&self) -> MutexGuard<'_, Vec<Record>> {
        lock(&self.records)
    }

    fn is_done(&mut self) -> Result<bool, String> {
        match self.child.try_wait() {
            Ok(None) => Ok(false),
            Ok(Some(status)) if status.success() => Ok(true),
            Ok(Some(status)) => Err(format!("{} stopped early ({status})", self.name)),
            Err(error) => Err(format!("{} can not be watched: {error}", self.name)),
        }
    }

    fn records(mut self) -> Result<Vec<Record>, String> {
        if let Some(reader) = self.reader.take() {
            let read = reader.join().map_err(|_| "a reading thread has failed".to_owned())?;
            read.map_err(|error| format!("the report of {}: {error}", self.name))?;
        }
        Ok(std::mem::take(&mut *self.so_far()))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(records: &Mutex<Vec<Record>>) -> MutexGuard<'_, Vec<Record>> {
    records.lock().unwrap_or_else(PoisonError::into_inner)
}
