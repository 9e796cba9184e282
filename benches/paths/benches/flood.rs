//! Who is served under a flood, and whom the limit still holds: the tables, at full scale.
//!
//! This measures no time. The story is told in virtual time and is the same in every run (see
//! `portcullis::limit::reference::flood`); what is printed is what became of everybody. The run
//! fails if the library does not keep what it promises of itself.

#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "benchmarks print, and read their arguments"
)]

use std::{env, time::Duration};

use portcullis::limit::reference::flood::{
    ATTACKS, Policy, Report, Role, Squatters, World,
    baselines::{CountMin, DenyWhenFull, Lru},
    policies::{Coarser, Ours},
    promises,
};

/// How the library fares in a flood is told of so many stories, with other clients and other places
/// each; all else is of one.
const STORIES: u64 = 3;

/// What must be true of a story, if anything must.
type Promise = fn(&World, &Report);

struct Row {
    name: &'static str,
    policy: fn(u64) -> Box<dyn Policy>,
    stories: u64,
    from_networks: bool,
    promise: Promise,
}

const OURS: Row = Row {
    name: "portcullis",
    policy: |seed| Box::new(Ours::new(1, seed)),
    stories: STORIES,
    from_networks: false,
    promise: promises::alone,
};
const FROM_NETWORKS: Row = Row {
    name: "portcullis and coarser limits, attack from 200 networks",
    policy: |seed| Box::new(Coarser::new(1, seed)),
    stories: STORIES,
    from_networks: true,
    promise: promises::from_networks,
};
const FORGED: Row = Row {
    name: "portcullis and coarser limits, all addresses forged",
    from_networks: false,
    promise: promises::always,
    ..FROM_NETWORKS
};

const fn common(name: &'static str, policy: fn(u64) -> Box<dyn Policy>) -> Row {
    Row { name, policy, stories: 1, from_networks: false, promise: |_, _| {} }
}

const ROWS: [Row; 8] = [
    OURS,
    FROM_NETWORKS,
    FORGED,
    common("LRU that evicts, 16,384 slots", |_| Box::new(Lru::new(16_384, 1))),
    common("deny when full, 16,384 slots", |_| Box::new(DenyWhenFull::new(16_384, 1))),
    common("deny when full, 32,768 slots", |_| Box::new(DenyWhenFull::new(32_768, 1))),
    common("count-min of a second, 4 x 4,096", |_| Box::new(CountMin::new(4_096, 1))),
    common("count-min of a second, 4 x 16,384", |_| Box::new(CountMin::new(16_384, 1))),
];

fn main() {
    // As criterion: `cargo test` may build a benchmark, but does not wait for it.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    print_flood();
    print_squatters();
}

fn print_flood() {
    println!("\n### flood: cycler / 250 k / 500 k / 1 M keys a second that come once\n");
    println!(
        "| | KiB | known good denied % | new good denied % | cycler/s (fair: 220,000) | abuser/s (10) | over-admissions | of 1 M/s admitted |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for row in &ROWS {
        let reports = ATTACKS.map(|attack| played(row, |seed| World::new(1, attack, seed)));
        let [cycler, .., million] = &reports;
        let each = |what: &dyn Fn(&Report) -> String| reports.each_ref().map(what).join(" / ");
        println!(
            "| {} | {:.0} | {} | {} | {:.0} | {:.0} | {} | {:.0} |",
            row.name,
            cycler.bytes() as f64 / 1_024.0,
            each(&|report| percent(report, Role::Known)),
            each(&|report| percent(report, Role::New)),
            cycler.admitted_per_second(Role::Attacker),
            million.admitted_per_second(Role::Abuser),
            each(&|report| report.over_admissions().to_string()),
            million.admitted_per_second(Role::Attacker),
        );
    }
}

fn print_squatters() {
    println!("\n### squatters, then 1 M keys a second: known good denied %\n");
    println!("| | 16,000 keys, each every 5 s | 1 s | 0.2 s |");
    println!("|---|---:|---:|---:|");
    let alone = Row { stories: 1, promise: promises::against_squatters, ..OURS };
    let networks = Row { stories: 1, ..FROM_NETWORKS };
    // Nothing helps those who come after squatters if all addresses are forged.
    let forged = Row { stories: 1, promise: |_, _| {}, ..FORGED };
    for (row, first) in [(&alone, false), (&alone, true), (&networks, true), (&forged, true)] {
        let denied = [5_000, 1_000, 200].map(|millis| {
            let squatters = Squatters { every: Duration::from_millis(millis), first };
            let world = |seed| World::new(1, ATTACKS[3], seed).with_squatters(squatters);
            percent(&played(row, world), Role::Known)
        });
        let who = if first { "the squatters" } else { "the good clients" };
        println!("| {}; {who} were first | {} |", row.name, denied.join(" | "));
    }
}

fn percent(report: &Report, role: Role) -> String {
    format!("{:.1}", report.denied_percent(role))
}

/// Some stories told to a policy.
fn played(row: &Row, world: impl Fn(u64) -> World) -> Report {
    let world = |seed| if row.from_networks { world(seed).from_networks() } else { world(seed) };
    let reports = (1..=row.stories).map(|seed| world(seed).play(&mut *(row.policy)(seed)));
    let report = reports.reduce(Report::and).expect("more than no story");
    (row.promise)(&world(1), &report);
    report
}
