//! Everything together, for a long time: a service of axum behind a gate that has everything, its clients good and bad, and
//! somebody who changes, breaks and repairs all that can be while it works.
//!
//!     cargo run --release -p portcullis-e2e --example soak -- --seconds 900 --seed 1 --markdown soak.md --svg soak.svg
//!
//! Wrong is, and makes the exit status 1:
//! - an admission beyond `burst + rate · t`, in any window of any length, of a client whose limit no reload changes; beyond
//!   that and the leases of a fleet's limit while its store answers, and beyond twice that ever;
//! - a refusal of somebody who was owed an answer for sure, or is exempt; an admission of somebody on a list;
//! - a request without an answer or a close within ten seconds;
//! - a text with mistakes that is taken or changes something, a good one that is not;
//! - memory that grows: the heap is looked at in moments of rest, when no client is connected and lists and texts are the
//!   usual ones, so that a few kilobytes show; files, tasks and threads are then as many as in the beginning;
//! - a snapshot that does not come back as it was.
//!
//! Latencies are told, and never wrong.
//!
//! | part | idea |
//! |---|---|
//! | `director` | what happens when |
//! | `service`, `texts` | the service, its gate and the gate's texts |
//! | `store` | a Redis that is killed, paused and robbed |
//! | `client` | everybody who asks, in a process of their own; `talk`: what they are told, and tell |
//! | `bound` | what a limit owes its client and must not give |
//! | `memory`, `journal`, `report`, `picture` | what is measured, noted and told |
//!
//! It is an example of its package because those are built with the tests and not run by them. `SOAK_FAULT` makes it go
//! wrong on purpose, to see that this is seen: `leak-requests`, `leak-reloads`, `mutant` (a limit that is to stay
//! changes), `unlisted` (a list is not swapped), `hang`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program that tests over real connections and real time"
)]

mod bound;
mod client;
mod dice;
mod director;
mod histogram;
mod journal;
mod memory;
mod picture;
mod report;
mod service;
mod store;
mod talk;
mod texts;

use std::{
    env,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    time::{MissedTickBehavior, interval},
};

use self::{
    director::Director,
    journal::Journal,
    report::{Outcome, Second},
    service::Service,
    store::Store,
    talk::Clients,
};

/// What goes wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    LeakRequests,
    LeakReloads,
    Mutant,
    Unlisted,
    Hang,
}

const FAULTS: [(&str, Fault); 5] = [
    ("leak-requests", Fault::LeakRequests),
    ("leak-reloads", Fault::LeakReloads),
    ("mutant", Fault::Mutant),
    ("unlisted", Fault::Unlisted),
    ("hang", Fault::Hang),
];

struct Options {
    seconds: u64,
    seed: u64,
    svg: Option<PathBuf>,
    markdown: Option<PathBuf>,
    fault: Option<Fault>,
}

const USAGE: &str = "soak --seconds 900 --seed 1 [--svg path] [--markdown path]";

impl Options {
    fn read(words: &[String]) -> Result<Self, String> {
        let mut read = Self { seconds: 900, seed: 1, svg: None, markdown: None, fault: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} of what? {USAGE}"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{word} {value}: no number"));
            match word.as_str() {
                "--seconds" => read.seconds = number()?,
                "--seed" => read.seed = number()?,
                "--svg" => read.svg = Some(PathBuf::from(value)),
                "--markdown" => read.markdown = Some(PathBuf::from(value)),
                _ => return Err(format!("{word} is not known: {USAGE}")),
            }
        }
        if read.seconds < 30 {
            return Err("30 seconds are the least that shows anything".into());
        }
        if let Ok(name) = env::var("SOAK_FAULT") {
            let fault = FAULTS.iter().find(|(known, _)| *known == name).map(|(_, fault)| *fault);
            read.fault = Some(fault.ok_or_else(|| format!("SOAK_FAULT: {name} is no fault"))?);
        }
        Ok(read)
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if let [kind, server, seed] = words.as_slice() {
        if let ("clients", Ok(server), Ok(seed)) = (kind.as_str(), server.parse(), seed.parse()) {
            let runtime = runtime();
            runtime.block_on(client::run(server, seed));
            runtime.shutdown_timeout(Duration::from_secs(1));
            return ExitCode::SUCCESS;
        }
    }
    let options = match Options::read(&words) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    bound::examine();
    histogram::examine();
    runtime().block_on(soak(&options))
}

async fn soak(options: &Options) -> ExitCode {
    let journal = Arc::new(Journal::new(Instant::now()));
    let before = (memory::files(), memory::threads());
    let store = Store::start();
    if store.is_none() {
        println!(
            "!! NOT TESTED: limits of a fleet with a store, since there is no server for one here"
        );
    }
    let managed = match &store {
        Some(store) => Some(store.managed().await),
        None => None,
    };
    let service = Service::start(managed, options.fault).await;
    let clients = Clients::start(service.address, options.seed, &journal);
    // Thirds of whole cycles, so that each has the same in it.
    let cycles = (options.seconds / 30).max(6).next_multiple_of(3);
    let length = Duration::from_secs(options.seconds) / u32::try_from(cycles).unwrap_or(6);
    println!(
        "{} s, seed {}: {cycles} cycles of {:.1} s",
        options.seconds,
        options.seed,
        length.as_secs_f64()
    );
    let mut director = Director::new(
        service,
        clients,
        store,
        &journal,
        options.seed,
        options.fault,
        usize::try_from(cycles).unwrap_or(0),
    );
    let sampling = {
        let gate = director.service.gate.clone();
        let clients = Arc::clone(&director.clients);
        let (journal, flooded) = (Arc::clone(&journal), Arc::clone(&director.is_flooded));
        let capacity = usize::try_from(options.seconds * 2).unwrap_or(0);
        let sample = move || {
            let counts = clients.counts();
            let refused = counts[2] + counts[3] + counts[4];
            (
                counts[0],
                Second {
                    resident: memory::resident(),
                    heap: memory::heap(),
                    served: counts[1],
                    refused,
                    posture: gate.posture() as u8,
                    is_flooded: flooded.load(Ordering::Relaxed),
                },
            )
        };
        let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let mut seconds: Vec<Second> = Vec::with_capacity(capacity);
            let mut ticks = interval(Duration::from_secs(1));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut last = (0, 0);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    _ = &mut stopped => return seconds,
                }
                let (sent, mut second) = sample();
                let totals = (second.served, second.refused);
                second.served -= last.0;
                second.refused -= last.1;
                last = totals;
                seconds.push(second);
                if seconds.len() % 10 == 0 {
                    println!(
                        "{:5.0} s: {sent} requests, {} served, {} refused; resident {:.1} MiB, heap {:.1} MiB; posture {}; {} wrong",
                        journal.seconds(),
                        totals.0,
                        totals.1,
                        second.resident as f64 / 1_048_576.0,
                        second.heap as f64 / 1_048_576.0,
                        second.posture,
                        journal.wrongs().0,
                    );
                }
            }
        });
        (stop, task)
    };
    director.rest().await;
    let begun = Instant::now();
    for number in 0..cycles {
        let until = length * u32::try_from(number + 1).unwrap_or(0);
        director.cycle(number, begun + until).await;
    }
    drop(sampling.0);
    let seconds = sampling.1.await.expect("samples");
    let length = begun.elapsed().as_secs_f64();
    let outcome = finish(director, before, seconds, length, options.seed, &journal).await;
    print!("{}", outcome.rests());
    let table = outcome.markdown(&journal);
    println!("\n{table}");
    let mut is_written = true;
    let mut wrote = |done: Result<(), String>| {
        if let Err(problem) = done {
            eprintln!("{problem}");
            is_written = false;
        }
    };
    if let Some(path) = &options.markdown {
        wrote(std::fs::write(path, &table).map_err(|error| format!("{}: {error}", path.display())));
    }
    if let Some(path) = &options.svg {
        wrote(picture::draw(path, &outcome.seconds));
    }
    let (wrongs, _) = journal.wrongs();
    println!("{wrongs} wrong");
    if wrongs == 0 && is_written { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends everything, and looks whether it has ended.
async fn finish(
    director: Director,
    before: (u64, u64),
    seconds: Vec<Second>,
    length: f64,
    seed: u64,
    journal: &Journal,
) -> Outcome {
    let Director { service, clients, store, done, at_rest, refused, .. } = director;
    let (gate, seen) = (service.gate.clone(), service.seen.clone());
    let clients = Arc::into_inner(clients).expect("nobody else tells them anything");
    let told = clients.end().await;
    if !service.end().await {
        journal.wrong("the server does not end when all have left");
    }
    // With its server.
    drop(store);
    let refused = refused.sorted(&gate);
    let fleet = gate.fleet().map_or_else(String::new, |fleet| {
        let stats = fleet.stats();
        format!(
            "{} calls, {} timeouts, {} failures, {} from leases, {} from memory, {} fallbacks",
            stats.calls(),
            stats.timeouts(),
            stats.failures(),
            stats.from_leases(),
            stats.from_memory(),
            stats.fallbacks(),
        )
    });
    let mibs = gate.memory_bytes() as f64 / 1_048_576.0;
    let handled = seen.handled.load(Ordering::Relaxed);
    if handled > gate.stats().admitted() {
        journal.wrong(&format!(
            "{handled} requests have come past a gate that has admitted {}",
            gate.stats().admitted()
        ));
    }
    drop(gate);
    // Connections of the client of the store end with the last clone of it.
    let begun = Instant::now();
    while memory::files() > before.0 && begun.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let outside = [before, (memory::files(), memory::threads())];
    let outcome =
        Outcome { seed, length, seconds, at_rest, done, told, refused, fleet, outside, mibs };
    outcome.judge(journal, seen.most_places());
    outcome
}
