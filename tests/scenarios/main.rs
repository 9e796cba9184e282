//! The gate against attacks, crowds and a slow service, in virtual time: noticed, refused, spared, restored.
//!
//! With optimisation, every scenario is played with twenty fixed seeds and a random one, which is printed. Without
//! it, the short ones are played with one fixed seed and a random one.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests say what they have seen"
)]

#[path = "../../examples/incident/replay/mod.rs"]
mod replay;

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Write},
    sync::OnceLock,
};

use replay::{
    play::{Learned, Run},
    scenario::Scenario,
    table,
};

const FIXED: u64 = if cfg!(debug_assertions) { 1 } else { 20 };

/// Worlds that have learned, and the gates that have learned with them; one of each for all tests.
fn learned() -> &'static [Learned] {
    static LEARNED: OnceLock<Vec<Learned>> = OnceLock::new();
    LEARNED.get_or_init(|| {
        let random = RandomState::new().build_hasher().finish() >> 32;
        say(&format!("\nseeds 1 to {FIXED}, and by chance {random}\n{}", table::header()));
        (1..=FIXED).chain([random]).map(|seed| Learned::new(seed).unwrap()).collect()
    })
}

/// Past the harness, which keeps to itself what a test that passes prints.
fn say(text: &str) {
    let _ = write!(io::stderr(), "{text}");
}

/// What must hold of a run.
type Claim<'a> = (&'a str, &'a dyn Fn(&Run) -> bool);

/// Plays a scenario with all seeds: what must hold in every run, and what must hold in three of four at least. What
/// must hold of all scenarios is asked as well.
///
/// Luck has its part in a run: in who comes, in what the sample has seen, and in the gate's own keys.
#[track_caller]
fn holds(name: &str, always: &[Claim<'_>], mostly: &[Claim<'_>]) {
    let scenario = Scenario::named(name).unwrap();
    let runs: Vec<Run> = learned().iter().map(|all| all.play(scenario).unwrap()).collect();
    say(&table::row(&runs));
    let of_all: [Claim<'_>; 3] = [
        ("something is noticed before there is anything", &|run| !run.results.false_alarm),
        ("an exempt client is refused", &|run| run.results.exempt_refused == 0),
        ("a trusted proxy or the machine itself is refused", &|run| {
            run.results.guests_refused == 0
        }),
    ];
    let broken = |(text, claim): &Claim<'_>, most: usize| {
        let broken: Vec<&Run> = runs.iter().filter(|run| !claim(run)).collect();
        let first = broken.first().filter(|_| broken.len() > most)?;
        let seeds: Vec<u64> = broken.iter().map(|run| run.seed).collect();
        Some(format!("{text}: seeds {seeds:?}, the first of them {:#?}", first.results))
    };
    let always = of_all.iter().chain(always).filter_map(|claim| broken(claim, 0));
    let mostly = mostly.iter().filter_map(|claim| broken(claim, runs.len().div_ceil(4)));
    let broken: Vec<String> = always.chain(mostly).collect();
    assert!(broken.is_empty(), "{name}: {}", broken.join("\n"));
}

const SOON: [Claim<'static>; 2] = [
    ("it is not noticed within 3 s", &|run| run.results.noticed.is_some_and(|s| s <= 3.0)),
    ("it is not refused within 5 s", &|run| run.results.throttled.is_some_and(|s| s <= 5.0)),
];
/// In every run, however unlucky.
const WORST: [Claim<'static>; 2] = [
    ("known clients are not served", &|run| run.results.known_goodput >= 0.85),
    ("more than 5 % of ordinary requests are refused", &|run| run.results.collateral <= 0.05),
];
const STOPPED: Claim<'static> =
    ("most of the attack gets in", &|run| run.results.attack_refused >= 0.8);
const SERVED: Claim<'static> =
    ("known clients are not served", &|run| run.results.known_goodput >= 0.95);
const UNHARMED: Claim<'static> =
    ("more than 1 % of ordinary requests are refused", &|run| run.results.collateral <= 0.01);
const RESTORED: [Claim<'static>; 2] = [
    ("it is not normal again", &|run| run.results.restored.is_some()),
    ("what was restored is taken back", &|run| run.results.is_monotone),
];
const NOBODY_FOR_WHO_THEY_ARE: Claim<'static> =
    ("somebody is refused for who they are", &|run| run.results.by_identity == 0);

#[test]
fn one_network() {
    holds(
        "one-net",
        &[SOON[0], SOON[1], STOPPED, WORST[0], WORST[1]],
        &[SERVED, UNHARMED, RESTORED[0], RESTORED[1]],
    );
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimisation")]
fn fifty_networks() {
    holds(
        "fifty-nets",
        &[SOON[0], SOON[1], STOPPED, WORST[0], WORST[1]],
        &[SERVED, UNHARMED, RESTORED[0], RESTORED[1]],
    );
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimisation")]
fn five_thousand_hosts() {
    holds(
        "scattered",
        &[SOON[0], SOON[1], STOPPED, WORST[0], WORST[1]],
        &[SERVED, UNHARMED, RESTORED[0], RESTORED[1]],
    );
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimisation")]
fn random_queries() {
    holds(
        "cache-busting",
        &[SOON[0], SOON[1], STOPPED, WORST[0], WORST[1]],
        &[SERVED, UNHARMED, RESTORED[0], RESTORED[1]],
    );
}

/// New visitors cannot be told from it; known clients can.
#[test]
fn every_request_from_somewhere_else() {
    let served: Claim<'_> =
        ("known clients are not served", &|run| run.results.known_goodput >= 0.9);
    let unharmed: Claim<'_> = ("more than 1 % of known clients' requests are refused", &|run| {
        run.results.known_collateral <= 0.01
    });
    holds("one-shot", &[served, WORST[1]], &[unharmed, RESTORED[0], RESTORED[1]]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimisation")]
fn passwords_are_tried() {
    holds(
        "login-stuffing",
        &[STOPPED, WORST[0], WORST[1]],
        &[SERVED, UNHARMED, RESTORED[0], RESTORED[1]],
    );
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimisation")]
fn a_slow_ramp() {
    // While it is small it is not told from usual traffic, and some of its networks are known by the time it
    // is: nobody promises more here than that most visitors are served.
    let served: Claim<'_> =
        ("known clients are not served", &|run| run.results.known_goodput >= 0.7);
    let mostly: Claim<'_> =
        ("more than 10 % of ordinary requests are refused", &|run| run.results.collateral <= 0.1);
    holds("slow-ramp", &[served], &[mostly]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimisation")]
fn pulses() {
    let calm: Claim<'_> = ("the posture flaps", &|run| run.results.changes <= 6);
    holds("pulses", &[calm, STOPPED, WORST[0], WORST[1]], &[SERVED, UNHARMED]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimisation")]
fn a_flash_crowd_is_no_attack() {
    // The crowd asks for more than the service has.
    let served: Claim<'_> =
        ("visitors are shed without need", &|run| run.results.known_goodput >= 0.85);
    holds("flash-crowd", &[NOBODY_FOR_WHO_THEY_ARE, served], &[]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimisation")]
fn a_slow_service_is_no_attack() {
    holds("slow-backend", &[NOBODY_FOR_WHO_THEY_ARE], &[]);
}

/// The new gate knows at once what the old one knew.
#[test]
#[cfg(feature = "serde")]
fn a_restart_in_the_middle() {
    use portcullis::Posture;
    use replay::{ask::Who, measure::Phase};

    let goes_on: Claim<'_> = ("the new gate does not go on defending", &|run| {
        let restart = run.scenario.restart().unwrap() as usize;
        let during = Phase { from: restart, until: restart + 5 };
        let refused = run.record.sum(&[Who::Attacker], during).refused_share();
        let postures = run.record.seconds.iter().skip(restart).take(5);
        refused >= 0.9 && postures.map(|second| second.posture).min() >= Some(Posture::Defend)
    });
    holds(
        "restart",
        &[goes_on, STOPPED, WORST[0], WORST[1]],
        &[SERVED, UNHARMED, RESTORED[0], RESTORED[1]],
    );
}
