//! The incident: a flood against an axum service, without the gate and with it.
//!
//!     cargo run --release --all-features --example incident
//!     cargo run --release --all-features --example incident -- --scenario one-net --svg one-net.svg
//!     cargo run --release --all-features --example incident -- --all --seeds 20
//!
//! The first one is real: a shop's search page served by axum in this process, and two more processes, visitors
//! and attackers, that make real HTTP connections. It takes about three quarters of a minute; see [`outage`].
//!
//! The others are played in virtual time, see [`replay`]: an hour of traffic takes about a second, and nothing
//! but the gate itself is the same as in the real one. Each shows another attack, or something that only looks like one.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program that plays an outage has clocks, threads, sockets and something to say"
)]

mod crowd;
mod defended;
mod outage;
mod picture;
mod replay;
mod report;
mod scene;
mod service;
mod shop;
mod tally;
mod timeline;
mod virtual_time;
mod wire;

use std::{path::PathBuf, process::ExitCode, str::FromStr};

use crate::crowd::Crowd;

const HELP: &str = "\
A flood against an axum service, without the gate and with it; and others in virtual time.

Usage: incident [--scenario NAME | --all] [--seeds N] [--svg PATH] [--quick] [--pretend]

  --scenario NAME  outage (which is real, and the default), or one in virtual time: one-net, fifty-nets,
                   scattered, one-shot, cache-busting, login-stuffing, slow-ramp, pulses, restart,
                   flash-crowd, slow-backend, quiet-log
  --all            all that are in virtual time, in one table
  --seeds N        each of them N times, with other people and other attackers
  --svg PATH       where to draw the timeline (default: incident.svg for the outage, nowhere for others)
  --quick          the outage takes half the time
  --pretend        its clients name their addresses in a header, as where loopback has only one address

Exit status: 0 the gate kept the visitors served, 1 it did not (or the flood did no harm without
it), 2 the run was not possible.";

#[derive(Default)]
struct Options {
    scenario: Option<String>,
    all: bool,
    seeds: Option<u64>,
    quick: bool,
    svg: Option<PathBuf>,
    pretend: bool,
}

/// Why there is no good news.
pub(crate) enum Trouble {
    /// It ran, and the promise did not hold.
    Verdict(String),
    /// It could not run.
    Setting(String),
}

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Self::Setting(text)
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == crowd::HIDDEN).is_some() {
        let ended = Crowd::from_arguments(arguments)
            .ok_or_else(|| "arguments that no crowd understands".to_owned())
            .and_then(Crowd::run);
        return match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => say_why(&reason, 2),
        };
    }
    match options(arguments).map(|options| options.map(|options| play(&options))) {
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(Ok(()))) => ExitCode::SUCCESS,
        Ok(Some(Err(Trouble::Verdict(reason)))) => say_why(&reason, 1),
        Ok(Some(Err(Trouble::Setting(reason)))) => say_why(&reason, 2),
        Err(reason) => say_why(&format!("{reason}\n\n{HELP}"), 2),
    }
}

fn say_why(reason: &str, code: u8) -> ExitCode {
    eprintln!("incident: {reason}");
    ExitCode::from(code)
}

/// `None` is a call for help.
fn options(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--scenario" => options.scenario = Some(value()?),
            "--all" => options.all = true,
            "--seeds" => options.seeds = Some(number(&value()?)?),
            "--svg" => options.svg = Some(value()?.into()),
            "--quick" => options.quick = true,
            "--pretend" => options.pretend = true,
            other => return Err(format!("unknown argument: {other}")),
        }
    }
    Ok(Some(options))
}

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}

fn play(options: &Options) -> Result<(), Trouble> {
    let seeds: Vec<u64> = (1..=options.seeds.unwrap_or(1)).collect();
    let svg = options.svg.as_deref();
    match options.scenario.as_deref() {
        _ if options.all => virtual_time::all(&seeds, svg),
        None | Some("outage") => outage::play(options),
        Some(name) => virtual_time::one(name, 1, svg),
    }
}
