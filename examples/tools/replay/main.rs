//! Plays logs of requests to a gate, and tells what would have been refused: `cargo run --release --example replay --
//! --help`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program reads files and prints"
)]

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};
use portcullis_tools::replay::{
    options::{self, Asked, HELP, Options},
    output,
    page::{thousands, visible},
    picture,
    play::Side,
    report::{About, report},
    run::Replay,
    source::{Source, file_name},
};

/// Nothing was read.
const MISTAKE: u8 = 2;
/// Something is missing in what was done.
const INCOMPLETE: u8 = 1;

fn main() -> ExitCode {
    let options = match options::read(std::env::args_os().skip(1)) {
        Ok(Asked::Help) => {
            return ExitCode::from(if say(HELP) { 0 } else { INCOMPLETE });
        }
        Ok(Asked::Play(options)) => options,
        Err(mistake) => {
            eprintln!("{}\n\n`replay --help` says more.", visible(mistake.to_string().as_bytes()));
            return ExitCode::from(MISTAKE);
        }
    };
    if let Err(mistake) = output::spares_inputs(&options) {
        eprintln!("{}", visible(mistake.to_string().as_bytes()));
        return ExitCode::from(MISTAKE);
    }
    match play(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(INCOMPLETE),
        Err(mistake) => {
            eprintln!("{}", mistake.trim_end());
            ExitCode::from(MISTAKE)
        }
    }
}

/// Whether all was done.
fn play(options: &Options) -> Result<bool, String> {
    let (text, side) = gate(&options.config, options.seed)?;
    let against = options.against.as_deref().map(|path| gate(path, options.seed)).transpose()?;
    let (other_text, against) = against.unzip();
    // All logs are opened first, so that a slip of the pen does not cost an hour.
    let read = Arc::new(AtomicU64::new(0));
    let mut opened = Vec::new();
    for log in &options.logs {
        let from = log.open(Arc::clone(&read));
        let from = from.map_err(|error| {
            let path = match log {
                Source::Stdin => log.name(),
                Source::File(path) => path.to_string_lossy().into_owned(),
            };
            format!("{} cannot be opened: {error}", visible(path.as_bytes()))
        })?;
        opened.push((log.name(), from));
    }
    let size = options.logs.iter().map(Source::size).sum::<Option<u64>>();

    let bar = bar(size, options.is_quiet);
    let started = Instant::now();
    let mut replay = Replay::new(side, against, options.span);
    for (name, from) in opened {
        bar.set_message(visible(name.as_bytes()));
        replay.read(&name, options.format, from, &mut || {
            bar.set_position(read.load(Ordering::Relaxed))
        });
    }
    replay.end();
    bar.finish_and_clear();
    if !options.is_quiet {
        let seconds = started.elapsed().as_secs_f64();
        let lines = replay.lines();
        let rate = (lines as f64 / seconds.max(1e-9)) as u64;
        eprintln!("{} lines in {seconds:.1} s, {} lines/s\n", thousands(lines), thousands(rate));
    }

    let mut about = About {
        config: file_name(&options.config),
        text,
        against: options.against.as_deref().map(file_name),
        other_text: other_text.unwrap_or_default(),
        seed: options.seed,
        picture: None,
    };
    let mut is_whole = replay.is_whole();
    if let Some(path) = &options.svg {
        match picture::draw(&replay, &about) {
            Ok(svg) => is_whole &= write(path, &svg),
            Err(error) => {
                eprintln!("{error}");
                is_whole = false;
            }
        }
    }
    if !options.is_quiet {
        is_whole &= say(&report(&replay, &about).to_terminal());
    }
    if let Some(path) = &options.markdown {
        about.picture = options.svg.as_deref().and_then(|svg| beside(svg, path));
        is_whole &= write(path, &report(&replay, &about).to_markdown());
    }
    if replay.requests() == 0 {
        eprintln!("not one request was played");
    }
    for log in &replay.logs {
        if let Some(error) = &log.broke_off {
            eprintln!("{} broke off: {}", visible(log.name.as_bytes()), visible(error.as_bytes()));
        }
    }
    Ok(is_whole)
}

/// The gate of a file, and its text.
fn gate(path: &Path, seed: u64) -> Result<(String, Side), String> {
    let name = visible(path.to_string_lossy().as_bytes());
    let text =
        fs::read_to_string(path).map_err(|error| format!("{name} cannot be read: {error}"))?;
    let side =
        Side::from_toml(&text, seed).map_err(|error| error.with_origin(&name).to_string())?;
    Ok((text, side))
}

/// Shown on a terminal only.
fn bar(size: Option<u64>, is_quiet: bool) -> ProgressBar {
    if is_quiet {
        return ProgressBar::hidden();
    }
    match size {
        Some(size) => ProgressBar::new(size).with_style(
            ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        ),
        None => ProgressBar::new_spinner().with_style(
            ProgressStyle::with_template("{spinner} {bytes} {elapsed} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        ),
    }
}

/// How a report that lies there says where a picture is; nothing, if it is not beside it.
fn beside(svg: &Path, markdown: &Path) -> Option<String> {
    let folder = |path: &Path| path.parent().map(PathBuf::from);
    (folder(svg) == folder(markdown)).then(|| file_name(svg))
}

fn write(path: &Path, text: &str) -> bool {
    let written = fs::write(path, text);
    if let Err(error) = &written {
        eprintln!("{} cannot be written: {error}", visible(path.to_string_lossy().as_bytes()));
    }
    written.is_ok()
}

fn say(text: &str) -> bool {
    let said = output::say(text, &mut io::stdout().lock());
    if let Err(error) = &said {
        eprintln!("the report cannot be written: {error}");
    }
    said.is_ok()
}
