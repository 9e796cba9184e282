//! How contestants are measured: turn by turn, so that a change of the machine's mood hits them all.

use std::{
    hint,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Many short rounds rather than a few long ones: on a machine that has other things to do, most
/// rounds of this length are left alone, and the median does not see the rest.
const ROUNDS: usize = 101;
const ROUND: Duration = Duration::from_millis(3);
/// Two threads must be given both cores at once, or they do not meet; so they stay for longer.
const ROUND_TOGETHER: Duration = Duration::from_millis(15);
const FEW_ROUNDS: usize = 21;
const ROUND_OF_GIGABYTES: Duration = Duration::from_millis(30);
/// This part of a round's checks comes before it, unmeasured, to bring the caches back.
const WARM_UP: u64 = 3;
const THREADS: usize = 2;

/// What a check is given.
#[derive(Clone, Copy)]
pub(crate) struct At {
    /// Counts up, from a different start in each turn and thread.
    pub(crate) nth: usize,
    /// The time: [`STEP`] later at each check, and in each turn [`PAUSE`] later than in the last.
    pub(crate) nanos: u64,
}

/// Nanoseconds between two checks of one thread.
pub(crate) const STEP: u64 = 4;
/// A second: whatever the most frequent client has taken from an open limit in a turn, 400,000 units at
/// the most, is back at the next one; and a client that comes in one turn of fifty is not away for a
/// minute, which some stores would notice.
const PAUSE: u64 = 1_000_000_000;
/// The checks of a turn, at the most: the most frequent client of a Zipf distribution comes in one of
/// fourteen, on each thread, and is not to use up its burst of a million.
const MOST_CHECKS: u64 = 2_000_000;
/// Far enough apart that the threads and turns do not follow each other through the same keys.
pub(crate) const APART: usize = 7_654_321;

/// A table's title and who is in it; built when its turn has come, since some fill memory.
pub(crate) type Titled = (&'static str, fn() -> Case);

/// Contestants for one table; ours comes first.
pub(crate) struct Case {
    names: Vec<&'static str>,
    contestants: Vec<Turns>,
    admits: bool,
    rounds: usize,
    /// For contestants on one thread.
    round: Duration,
}

impl Case {
    /// Every check of every contestant must be admitted.
    pub(crate) fn allowed() -> Self {
        Self::new(true)
    }

    /// Every check of every contestant must be denied.
    pub(crate) fn denied() -> Self {
        Self::new(false)
    }

    fn new(admits: bool) -> Self {
        Self { names: Vec::new(), contestants: Vec::new(), admits, rounds: ROUNDS, round: ROUND }
    }

    /// With fewer rounds, which take longer: for contestants that take gigabytes. Each finds the
    /// processor's tables of its pages gone when its turn has come, and needs a while to bring them back.
    pub(crate) fn of_gigabytes(self) -> Self {
        Self { rounds: FEW_ROUNDS, round: ROUND_OF_GIGABYTES, ..self }
    }

    /// Adds a contestant on one thread.
    pub(crate) fn alone(self, name: &'static str, check: impl Fn(At) -> bool + 'static) -> Self {
        let (admits, round) = (self.admits, self.round);
        self.with(name, round, move |checks, turn| measure(name, checks, admits, 0, turn, &check))
    }

    /// Adds a contestant on two threads at once.
    pub(crate) fn together(
        self,
        name: &'static str,
        check: impl Fn(At) -> bool + Sync + 'static,
    ) -> Self {
        let (admits, round) = (self.admits, self.round.max(ROUND_TOGETHER));
        self.with(name, round, move |checks, turn| {
            let ready = AtomicUsize::new(0);
            let (ready, check) = (&ready, &check);
            thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS)
                    .map(|thread| {
                        scope.spawn(move || {
                            // Spinning, so that both start in the same moment.
                            ready.fetch_add(1, Ordering::AcqRel);
                            while ready.load(Ordering::Acquire) < THREADS {
                                hint::spin_loop();
                            }
                            measure(name, checks, admits, thread, turn, check)
                        })
                    })
                    .collect();
                let sum: Duration = threads.into_iter().map(|each| each.join().unwrap()).sum();
                sum / THREADS as u32
            })
        })
    }

    fn with(
        mut self,
        name: &'static str,
        round: Duration,
        run: impl FnMut(u64, u64) -> Duration + 'static,
    ) -> Self {
        self.names.push(name);
        self.contestants.push(Turns::new(round, MOST_CHECKS, run));
        self
    }

    /// Measures all contestants and prints their table.
    pub(crate) fn run(mut self, title: &str) {
        interleave(&mut self.contestants, self.rounds);
        let ours = self.contestants[0].median();
        println!("\n### {title}\n");
        println!("| | median ns | fastest tenth | slowest tenth | portcullis takes |");
        println!("|---|---:|---:|---:|---:|");
        for (name, contestant) in self.names.iter().zip(&self.contestants) {
            let (median, ratio) = (contestant.median(), ours / contestant.median());
            let (fastest, slowest) = (contestant.fastest_tenth(), contestant.slowest_tenth());
            println!("| {name} | {median:.2} | {fastest:.2} | {slowest:.2} | {ratio:.2}x |");
        }
    }
}

/// Measures everything so many times, in turns.
pub(crate) fn interleave(all: &mut [Turns], rounds: usize) {
    for each in &mut *all {
        each.calibrate();
    }
    let many = all.len();
    for round in 0..rounds {
        // A different one begins each time: who follows whom matters to caches and clocks.
        for i in 0..many {
            all[(i + round) % many].sample();
        }
    }
}

/// One thing that is measured, turn by turn.
pub(crate) struct Turns {
    /// Does it so many times, in the turn with this number, and says how long that took.
    run: Box<dyn FnMut(u64, u64) -> Duration>,
    /// How long a turn should take.
    round: Duration,
    /// How often it is done in a turn, and at the most.
    checks: u64,
    most: u64,
    turns: u64,
    /// Nanoseconds for each time, sorted.
    samples: Vec<f64>,
}

impl Turns {
    pub(crate) fn new(
        round: Duration,
        most: u64,
        run: impl FnMut(u64, u64) -> Duration + 'static,
    ) -> Self {
        let samples = Vec::with_capacity(ROUNDS);
        Self { run: Box::new(run), round, checks: 1, most, turns: 0, samples }
    }

    /// Finds how many checks fill a round; warms up on the way.
    fn calibrate(&mut self) {
        if self.most == 1 {
            return;
        }
        loop {
            // The fastest of three: one that was interrupted says little about the others.
            let took = (0..3).map(|_| self.turn()).min().unwrap();
            if took >= self.round / 8 {
                let factor = self.round.as_secs_f64() / took.as_secs_f64();
                self.checks = ((self.checks as f64 * factor) as u64 + 1).min(self.most);
                return;
            }
            self.checks *= 2;
        }
    }

    fn sample(&mut self) {
        let took = self.turn().as_nanos() as f64 / self.checks as f64;
        self.samples.push(took);
        self.samples.sort_by(f64::total_cmp);
    }

    fn turn(&mut self) -> Duration {
        self.turns += 1;
        (self.run)(self.checks, self.turns)
    }

    pub(crate) fn median(&self) -> f64 {
        self.samples[self.samples.len() / 2]
    }

    pub(crate) fn fastest_tenth(&self) -> f64 {
        self.samples[self.samples.len() / 10]
    }

    pub(crate) fn slowest_tenth(&self) -> f64 {
        self.samples[self.samples.len() - 1 - self.samples.len() / 10]
    }
}

#[inline(always)]
fn measure(
    name: &str,
    checks: u64,
    admits: bool,
    thread: usize,
    turn: u64,
    check: &impl Fn(At) -> bool,
) -> Duration {
    let start = At { nth: (turn as usize * THREADS + thread) * APART, nanos: turn * PAUSE };
    let (_, _, start) = stretch(checks / WARM_UP, start, check);
    let (took, admitted, _) = stretch(checks, start, check);
    // A limiter that answers otherwise is measured on another path than the table says.
    assert_eq!(admitted, if admits { checks } else { 0 }, "admitted by {name}");
    took
}

#[inline(always)]
fn stretch(checks: u64, from: At, check: &impl Fn(At) -> bool) -> (Duration, u64, At) {
    // A copy that nobody else knows, so that it stays in registers.
    let mut at = from;
    let mut admitted = 0;
    let start = Instant::now();
    for _ in 0..checks {
        at.nth += 1;
        at.nanos += STEP;
        admitted += u64::from(check(at));
    }
    (start.elapsed(), admitted, at)
}
