//! The scenarios in virtual time: played, told, and drawn.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Trouble, picture,
    replay::{
        logs,
        play::{Learned, Run},
        scenario::{self, Scenario},
        table::table,
    },
};

/// The real log, by the name of its file.
const LOG: &str = "access-semicomplete-2015.log";

/// The name of the scenario that is a log.
pub(crate) const QUIET_LOG: &str = "quiet-log";

/// Plays one scenario and tells its story.
pub(crate) fn one(name: &str, seed: u64, svg: Option<&Path>) -> Result<(), Trouble> {
    if name == QUIET_LOG {
        return quiet_log();
    }
    let scenario = Scenario::named(name).ok_or_else(|| unknown(name))?;
    println!("{}: {}.", scenario.name, scenario.says);
    let run = Learned::new(seed)?.play(scenario)?;
    println!("{} requests in virtual time, seed {seed}.\n", asked(&run));
    for told in &run.record.told {
        let after = run.record.time(told.at) - scenario.from as f64;
        println!("{after:>+8.1} s  {}", told.text);
    }
    println!("\n{}", table(std::slice::from_ref(&run)));
    if let Some(incident) = &run.incident {
        println!("{incident}");
    }
    draw(svg, &[&run])
}

/// Plays all of them, with each of the seeds.
pub(crate) fn all(seeds: &[u64], svg: Option<&Path>) -> Result<(), Trouble> {
    let mut runs = Vec::new();
    for seed in seeds {
        let learned = Learned::new(*seed)?;
        for scenario in &scenario::ALL {
            runs.push(learned.play(scenario)?);
        }
    }
    let asked: u64 = runs.iter().map(asked).sum();
    let place = |run: &Run| scenario::ALL.iter().position(|all| all.name == run.scenario.name);
    runs.sort_by_key(place);
    println!("{asked} requests in virtual time, seeds {seeds:?}.\n\n{}", table(&runs));
    quiet_log()?;
    let first = seeds.first().copied().unwrap_or_default();
    draw(svg, &runs.iter().filter(|run| run.seed == first).collect::<Vec<_>>())
}

fn asked(run: &Run) -> u64 {
    let seconds = run.record.seconds.iter();
    seconds.flat_map(|second| second.by).map(|counts| u64::from(counts.asked)).sum()
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = scenario::ALL.iter().map(|scenario| scenario.name).collect();
    format!("no scenario is called {name}; there are outage, {} and {QUIET_LOG}", names.join(", "))
}

fn draw(svg: Option<&Path>, runs: &[&Run]) -> Result<(), Trouble> {
    let Some(path) = svg else { return Ok(()) };
    picture::draw(path, runs)?;
    println!("Timeline: {}", path.display());
    Ok(())
}

/// A real log in which nothing happens: nothing must be refused.
fn quiet_log() -> Result<(), Trouble> {
    let log = log()?;
    // As fast as it came, and an hour in a minute.
    for speed in [1, 60] {
        let played = logs::play(&log, speed, false)?;
        println!("{QUIET_LOG}: {played}, {speed} times as fast as it came");
        if played.refused > 0 {
            return Err(Trouble::Verdict("quiet traffic was refused".to_owned()));
        }
    }
    Ok(())
}

/// The log in the folder that `PORTCULLIS_DATA` names, or what stands in for it.
fn log() -> Result<String, String> {
    let Some(folder) = std::env::var_os("PORTCULLIS_DATA").map(PathBuf::from) else {
        println!(
            "\n!! PORTCULLIS_DATA is not set: NO REAL LOG is played, only a short one that is made up"
        );
        return Ok(logs::sample());
    };
    let (plain, packed) = (folder.join(LOG), folder.join(format!("{LOG}.gz")));
    let mut text = Vec::new();
    if plain.exists() {
        text = std::fs::read(&plain).map_err(|error| format!("{}: {error}", plain.display()))?;
    } else {
        let fail = |error: std::io::Error| format!("gzip -dc {}: {error}", packed.display());
        let mut child = Command::new("gzip")
            .arg("-dc")
            .arg(&packed)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(fail)?;
        if let Some(mut output) = child.stdout.take() {
            output.read_to_end(&mut text).map_err(fail)?;
        }
        if !child.wait().map_err(fail)?.success() {
            return Err(format!("gzip can not unpack {}", packed.display()));
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}
