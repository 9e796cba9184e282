//! How fast a replay is, and that its memory does not grow with the log.
//!
//! `cargo run --release -p portcullis-tools --example replay_bench` makes logs of 100,000 and of a million lines, plain
//! and gzipped, replays each in a process of its own, and prints lines in a second and the most memory that was held.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program measures and prints"
)]

use std::{
    env, fs,
    io::{self, BufWriter, Write},
    path::Path,
    process::Command,
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};

use flate2::{Compression, write::GzEncoder};
use portcullis_tools::replay::{
    page::thousands,
    play::Side,
    report::{About, report},
    run::Replay,
    source::Source,
    spread::Span,
    synthetic::Synthetic,
};

const CONFIGS: [(&str, &str); 3] = [
    ("website", include_str!("../samples/website.toml")),
    ("scanners", include_str!("../samples/scanners.toml")),
    ("flood", include_str!("../samples/flood.toml")),
];

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    if let (Some(config), Some(log)) = (arguments.next(), arguments.next()) {
        return measure(&config, Path::new(&log));
    }
    let folder = env::temp_dir().join(format!("portcullis-replay-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    println!(
        "{:<10} {:>9} {:>6} {:>8} {:>12} {:>10}  refused",
        "config", "lines", "", "seconds", "lines/s", "peak"
    );
    let outcome = all(&folder);
    fs::remove_dir_all(&folder)?;
    outcome
}

/// Each in a process of its own, so that the memory is that of this replay alone.
fn all(folder: &Path) -> io::Result<()> {
    for lines in [100_000, 1_000_000] {
        let (plain, packed) = (folder.join("access.log"), folder.join("access.log.gz"));
        io::copy(&mut Synthetic::new(1, lines), &mut BufWriter::new(fs::File::create(&plain)?))?;
        let into = BufWriter::new(fs::File::create(&packed)?);
        let mut into = GzEncoder::new(into, Compression::fast());
        io::copy(&mut Synthetic::new(1, lines), &mut into)?;
        into.finish()?.flush()?;
        for (config, _) in CONFIGS {
            for log in [&plain, &packed] {
                let status = Command::new(env::current_exe()?).arg(config).arg(log).status()?;
                if !status.success() {
                    return Err(io::Error::other(format!("{config} ended with {status}")));
                }
            }
        }
    }
    Ok(())
}

fn measure(config: &str, log: &Path) -> io::Result<()> {
    let text = CONFIGS.iter().find(|(name, _)| *name == config).map_or("", |(_, text)| text);
    let side = Side::from_toml(text, 1).map_err(io::Error::other)?;
    let source = Source::File(log.into());
    let started = Instant::now();
    let mut replay = Replay::new(side, None, Span::AsWritten);
    replay.read(&source.name(), None, source.open(Arc::new(AtomicU64::new(0)))?, &mut || {});
    replay.end();
    let seconds = started.elapsed().as_secs_f64();
    let page =
        report(&replay, &About { config: config.into(), text: text.into(), ..About::default() });
    assert!(!page.to_markdown().is_empty(), "the report is made within the memory that is told");
    let lines = replay.lines();
    let rate = (lines as f64 / seconds) as u64;
    let kind = if log.extension().is_some_and(|it| it == "gz") { "gzip" } else { "plain" };
    let peak = peak_kib().map_or("-".into(), |kib| format!("{:.1} MB", kib as f64 * 1.024e-3));
    println!(
        "{config:<10} {:>9} {kind:>6} {seconds:>8.2} {:>12} {peak:>10}  {}",
        thousands(lines),
        thousands(rate),
        thousands(replay.sides.0.tally.all_refused()),
    );
    Ok(())
}

/// The most memory that this process has held, where Linux tells.
fn peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
