//! The gate of the outage: one limit, and a defence that has learned what is usual, as it would have in the
//! ten minutes before. Nobody wants to wait for these, so it learns in virtual time, from the same visitors.

use std::time::Duration;

use portcullis::{
    Defence, Gate, Outcome, Posture, Quota, Request, SystemClock, Timestamp, detect::Step,
};

use crate::{crowd::Crowd, replay::random::Random, wire};

/// More than a gate needs before it defends by itself.
const LEARNING: u64 = 750;
/// What an answer takes.
const ANSWER: Duration = Duration::from_millis(3);
/// Longer than any way back to normal.
const AFTER: u64 = 1_200;

/// A gate and its clock.
pub(crate) struct Defended {
    pub(crate) gate: Gate,
    /// How far its clock is ahead of the system's.
    ahead: Duration,
}

impl Defended {
    /// A gate that knows these visitors.
    pub(crate) fn learned(quota: Quota, visitors: &Crowd) -> Result<Self, String> {
        let gate = built(quota)?;
        let learned = Timestamp::from_secs(LEARNING);
        visits(&gate, visitors, Timestamp::ZERO, LEARNING, |_| false);
        let known = visitors.clients;
        println!(
            "\nThe gate has learned what is usual from the same {known} visitors, {LEARNING} s of them in virtual time{}",
            if cfg!(feature = "serde") {
                ";\na snapshot of that is restored into the gate that is attacked."
            } else {
                "."
            }
        );
        goes_on(gate, quota, learned)
    }

    /// The time by which it goes.
    pub(crate) fn clock(&self) -> impl Fn() -> Timestamp + Send + Sync + 'static {
        let ahead = self.ahead;
        move || SystemClock::now().saturating_add(ahead)
    }

    /// What would have followed: the visitors go on, in virtual time again, until all is as it was.
    pub(crate) fn afterwards(&self, visitors: &Crowd) {
        let now = self.clock()();
        visits(&self.gate, visitors, now, AFTER, |gate| gate.posture() == Posture::Normal);
    }

    /// What happened when, beside what happened in the outage that this crate is the answer to. The flood
    /// began at `flood`, by the system's clock.
    pub(crate) fn story(&self, flood: Timestamp) {
        let flood = flood.saturating_add(self.ahead);
        let Some(incident) = self.gate.incident() else {
            println!("\nThe gate has not noticed any incident.");
            return;
        };
        // The incident begins when it is noticed, and the flood began before that.
        let before = incident.started().saturating_duration_since(flood);
        let after = |steps: &[Step]| {
            let first = steps.iter().filter_map(|step| incident.first(*step)).min();
            first
                .map_or("-".to_owned(), |after| format!("+{:.1} s", (before + after).as_secs_f64()))
        };
        println!("\n{:<44}{:<44}this gate", "", "2023, by hand");
        for (what, then, now) in [
            ("The surge is noticed", "14:30", after(&[Step::Noticed])),
            (
                "It is known what it is",
                "15:45, still looking at servers and database",
                after(&[Step::Explained]),
            ),
            (
                "Rate limiting and filtering rules",
                "16:30, +2 h",
                after(&[Step::Throttled, Step::Denied, Step::Held]),
            ),
            ("All is as it was", "18:45, +4 h 15 min", after(&[Step::Restored])),
        ] {
            println!("{what:<44}{then:<46}{now}");
        }
        println!("(Restored: in virtual time, after the flood's end, with the same visitors.)\n");
        println!("The gate's own report:\n\n{}", incident.to_markdown());
    }
}

fn built(quota: Quota) -> Result<Gate, String> {
    Gate::builder()
        .limit("per client", quota)
        .defence(Defence::up_to(Posture::Defend))
        .build()
        .map_err(|error| format!("the gate could not be built: {error}"))
}

#[cfg(feature = "serde")]
fn goes_on(gate: Gate, quota: Quota, learned: Timestamp) -> Result<Defended, String> {
    let (saved, gate) = (gate.snapshot(learned), built(quota)?);
    gate.restore(&saved, SystemClock::now())
        .map_err(|error| format!("the gate does not take what was saved: {error}"))?;
    Ok(Defended { gate, ahead: Duration::ZERO })
}

/// Without snapshots it is the gate that has learned itself, and virtual time goes on as real time.
#[cfg(not(feature = "serde"))]
fn goes_on(gate: Gate, _quota: Quota, learned: Timestamp) -> Result<Defended, String> {
    let ahead = learned.saturating_duration_since(SystemClock::now());
    Ok(Defended { gate, ahead })
}

/// The visitors ask through the gate, in virtual time from `from` on, for so long or until it is enough.
fn visits(
    gate: &Gate,
    visitors: &Crowd,
    from: Timestamp,
    seconds: u64,
    is_enough: impl Fn(&Gate) -> bool,
) {
    let mut random = Random::new(2023);
    let interval = f64::from(visitors.clients) / visitors.rate;
    let mut due: Vec<f64> = (0..visitors.clients).map(|_| interval * random.unit()).collect();
    let mut tick = from;
    while !is_enough(gate) {
        let next = due.iter_mut().zip(0..).min_by(|(one, _), (other, _)| one.total_cmp(other));
        let Some((at, client)) = next.filter(|(at, _)| **at < seconds as f64) else { break };
        let now = from.saturating_add(Duration::from_secs_f64(*at));
        // As they do in real time.
        *at += interval * (0.6 + 0.8 * random.unit());
        while tick < now {
            gate.tick(tick);
            tick = tick.saturating_add(Duration::from_secs(1));
        }
        let request = Request::new(visitors.address(client))
            .method("GET")
            .target(wire::TARGET)
            .header("accept", "text/html")
            .header("user-agent", wire::AGENT);
        if let Ok(admission) = gate.check(&request, now).into_result() {
            let outcome = Outcome::status(200).latency(ANSWER);
            gate.finish(admission, outcome, now.saturating_add(ANSWER));
        }
    }
}
