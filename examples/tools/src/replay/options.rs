//! What is said on the command line.

use std::{ffi::OsString, path::PathBuf};

use lexopt::prelude::*;
use thiserror::Error;

use super::{run::Format, source::Source, spread::Span};

/// What `--help` shows.
pub const HELP: &str = "\
Plays logs of requests to a gate, and tells what would have been refused.

Usage: replay [OPTIONS] CONFIG LOG...

  CONFIG               the gate's configuration (TOML)
  LOG                  a log in the common, combined or JSON lines format, also gzipped; `-` is the
                       standard input; several are read one after the other, so oldest first

Options:
  --against FILE       compare with another configuration: what changes, if that one is used
  --markdown FILE      write the report as Markdown
  --svg FILE           write a picture of requests over time
  --format FORMAT      common, combined or json; else that of the first line that can be read
  --spread SPAN        1s, 1m or 1h: spread the requests of each span evenly over it, for logs whose
                       times are not finer than that; else times are taken as they are written, and
                       requests of one second are spread over it
  --seed NUMBER        what all that is left to chance follows from (default: 1)
  -q, --quiet          no report on the standard output, no progress
  -h, --help           this

Exit status: 0 done; 1 not one request was played, a log broke off, or a report could not be written;
2 nothing was read: a mistake in the arguments or in a configuration, or a log that cannot be opened.

Examples:
  replay gate.toml access.log
  replay gate.toml access.log.2.gz access.log.1 access.log --markdown report.md --svg report.svg
  replay gate.toml access.log --against stricter.toml
  ssh web cat /var/log/access.log | replay gate.toml -
";

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The configuration.
    pub config: PathBuf,
    /// The logs.
    pub logs: Vec<Source>,
    /// The other configuration.
    pub against: Option<PathBuf>,
    /// Where a report goes.
    pub markdown: Option<PathBuf>,
    /// Where a picture goes.
    pub svg: Option<PathBuf>,
    /// How lines are written, if that is known.
    pub format: Option<Format>,
    /// How far times are relied on.
    pub span: Span,
    /// What chance follows from.
    pub seed: u64,
    /// Nothing is to be printed.
    pub is_quiet: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Show [`HELP`].
    Help,
    /// Play.
    Play(Box<Options>),
}

/// What is wrong with a command line.
#[derive(Debug, Error)]
pub enum Mistake {
    /// An option that there is not, or one without its value.
    #[error("{0}")]
    Said(#[from] lexopt::Error),
    /// A value that an option cannot have.
    #[error("--{option} is {can}, and not `{was}`")]
    Value {
        /// Which.
        option: &'static str,
        /// What it can be.
        can: &'static str,
        /// What it was.
        was: String,
    },
    /// Something is missing.
    #[error("{0} is missing: replay [OPTIONS] CONFIG LOG...")]
    Missing(&'static str),
    /// The standard input twice.
    #[error("the standard input (`-`) can be read once only")]
    StdinTwice,
    /// A file that is read and written.
    #[error("{0} is read, and would be overwritten")]
    Overwrites(String),
}

/// Reads a command line, without the program's name.
///
/// # Errors
/// The first mistake.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, Mistake> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut config, mut logs) = (None, Vec::new());
    let (mut against, mut markdown, mut svg) = (None, None, None);
    let (mut format, mut span, mut seed, mut is_quiet) = (None, Span::AsWritten, 1, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Asked::Help),
            Short('q') | Long("quiet") => is_quiet = true,
            Long("against") => against = Some(parser.value()?.into()),
            Long("markdown") => markdown = Some(parser.value()?.into()),
            Long("svg") => svg = Some(parser.value()?.into()),
            Long("format") => {
                let value = parser.value()?.to_string_lossy().into_owned();
                format = match value.as_str() {
                    "common" | "combined" => Some(Format::Common),
                    "json" => Some(Format::Json),
                    "auto" => None,
                    _ => {
                        let can = "common, combined, json or auto";
                        return Err(Mistake::Value { option: "format", can, was: value });
                    }
                };
            }
            Long("spread") => {
                let value = parser.value()?.to_string_lossy().into_owned();
                span = match value.as_str() {
                    "1s" => Span::Second,
                    "1m" => Span::Minute,
                    "1h" => Span::Hour,
                    _ => {
                        return Err(Mistake::Value {
                            option: "spread",
                            can: "1s, 1m or 1h",
                            was: value,
                        });
                    }
                };
            }
            Long("seed") => {
                let value = parser.value()?.to_string_lossy().into_owned();
                seed = value.parse().map_err(|_| Mistake::Value {
                    option: "seed",
                    can: "a whole number",
                    was: value,
                })?;
            }
            Value(value) if config.is_none() => config = Some(PathBuf::from(value)),
            Value(value) if value == "-" => logs.push(Source::Stdin),
            Value(value) => logs.push(Source::File(value.into())),
            Short(_) | Long(_) => return Err(argument.unexpected().into()),
        }
    }
    let config = config.ok_or(Mistake::Missing("the configuration"))?;
    if logs.is_empty() {
        return Err(Mistake::Missing("a log"));
    }
    if logs.iter().filter(|log| **log == Source::Stdin).count() > 1 {
        return Err(Mistake::StdinTwice);
    }
    Ok(Asked::Play(Box::new(Options {
        config,
        logs,
        against,
        markdown,
        svg,
        format,
        span,
        seed,
        is_quiet,
    })))
}

#[cfg(test)]
mod tests {
    use super::{Asked, Format, Source, Span, read};

    fn said(line: &str) -> Result<Asked, String> {
        read(line.split_whitespace().map(Into::into)).map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn options_stand_before_between_and_behind() {
        let Ok(Asked::Play(options)) = said(
            "--seed 7 gate.toml a.log --spread=1h - -q --format json --against b.toml --svg s --markdown m",
        ) else {
            panic!("a command line")
        };
        assert_eq!(options.config.to_str(), Some("gate.toml"));
        assert_eq!(options.logs, [Source::File("a.log".into()), Source::Stdin]);
        assert_eq!((options.seed, options.span, options.is_quiet), (7, Span::Hour, true));
        assert_eq!((options.format, options.against), (Some(Format::Json), Some("b.toml".into())));
        assert_eq!((options.svg, options.markdown), (Some("s".into()), Some("m".into())));
        assert_eq!(said("a --help b"), Ok(Asked::Help));
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        let table = [
            ("", "the configuration is missing: replay [OPTIONS] CONFIG LOG..."),
            ("gate.toml", "a log is missing: replay [OPTIONS] CONFIG LOG..."),
            ("a b --spread 2h", "--spread is 1s, 1m or 1h, and not `2h`"),
            ("a b --format xml", "--format is common, combined, json or auto, and not `xml`"),
            ("a b --seed x", "--seed is a whole number, and not `x`"),
            ("a - -", "the standard input (`-`) can be read once only"),
            ("a b --colour", "invalid option '--colour'"),
        ];
        for (line, mistake) in table {
            assert_eq!(said(line), Err(mistake.into()), "{line}");
        }
        assert!(said("a b --svg").is_err());
    }
}
