//! A log of requests, played to a gate in virtual time.
//!
//! Whoever changes a limit wants to know whom it would hit. Yesterday's log knows: each of its requests is shown to a
//! gate made of the configuration in question, at the time that the log tells, and the gate's answers are counted. Hours
//! go by in seconds, since the gate's clock is an argument.
//!
//! Data flows one way:
//!
//! | part | idea |
//! |---|---|
//! | [`options`] | what is said on the command line |
//! | [`output`] | where a report goes |
//! | [`source`] | files, gzipped files, the standard input |
//! | [`lines`] | lines of bounded length |
//! | [`common`], [`json`], [`time`] | what a line says |
//! | [`record`] | requests, without an allocation for each |
//! | [`spread`] | when each is played |
//! | [`play`] | a gate that is asked, told and ticked |
//! | [`run`] | all of that for some logs and one or two gates, and where the gates differ |
//! | [`tally`], [`clients`], [`timeline`] | what the gates said, in bounded tables |
//! | [`report`], [`page`], [`picture`] | for a terminal, as Markdown, as SVG |
//! | [`synthetic`] | a log that is made up, for tests and for measuring |
//!
//! # Invariants
//! - **I1** whatever is in a log, nothing panics, and nothing of it reaches a terminal, a page or a picture unescaped;
//! - **I2** the same logs, configurations and seed make the same report;
//! - **I3** memory does not depend on the length of the logs.
//!
//! # Example: whom a limit would have hit
//! ```
//! use portcullis_tools::replay::{play::Side, run::Replay, spread::Span};
//!
//! let log = "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5120\n".repeat(3);
//! let side = Side::from_toml("[[limit]]\nname = \"per client\"\nquota = \"2/min\"\n", 1)?;
//! let mut replay = Replay::new(side, None, Span::AsWritten);
//! replay.read("access.log", None, std::io::Cursor::new(log), &mut || {});
//! replay.end();
//!
//! let tally = &replay.sides.0.tally;
//! assert_eq!((tally.all_passed(), tally.all_refused()), (2, 1));
//! assert_eq!(tally.by.all()[0].name, "per client");
//! # Ok::<(), portcullis::gate::config::ConfigError>(())
//! ```

pub mod clients;
pub mod common;
pub mod json;
pub mod lines;
pub mod options;
pub mod output;
pub mod page;
pub mod picture;
pub mod play;
pub mod record;
pub mod report;
pub mod run;
pub mod source;
pub mod spread;
pub mod synthetic;
pub mod tally;
pub mod time;
pub mod timeline;

/// Why a line is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// It is well formed, and tells of something that was no request: a connection that said nothing, or nonsense.
    NoRequest,
    /// What is wrong with it.
    Malformed(&'static str),
}
