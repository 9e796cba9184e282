//! Mistakes and oddities of a configuration, and why a request would be refused.
//!
//! A configuration that is wrong is best found before a service starts with it: in an editor, before a
//! commit, in CI. And who asks *why was I refused?* has a request at hand, mostly as a line that begins with
//! `curl`. Both are answered here from the file alone, without a service, a socket or a clock.
//!
//! | part | idea |
//! |---|---|
//! | `options` | what the program is asked to do |
//! | `file` | a file, and all that is found in it |
//! | `summary` | what the gate is that a file describes |
//! | `words` | a line split as a shell does |
//! | `curl` | the request that curl would send for these arguments |
//! | `play` | that request at a gate, once or many times, in virtual time |
//! | `told` | what came of it, in words |
//! | `json` | all of it for programs |
//!
//! # Invariants
//! - **I1** whatever is in files and arguments, there is a report or a clear message, and never a panic;
//! - **I2** credentials of a request (`-u`, cookies, values of headers) are never printed;
//! - **I3** nothing is read but the files that are named, and nothing is written but the two outputs.

mod curl;
mod file;
mod json;
mod options;
mod play;
mod summary;
mod told;
mod words;

#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    io::{self, Read, Write},
};

use portcullis::rule::Code;

use self::{
    file::Examined,
    options::{Asked, HELP, Options, Task, Usage},
};

/// All files are fine, or there are only warnings.
pub const FINE: u8 = 0;
/// There are warnings, and they are denied.
pub const WARNINGS: u8 = 1;
/// There are mistakes, or a file cannot be read.
pub const MISTAKES: u8 = 2;
/// The program was asked for what it does not know.
pub const USAGE: u8 = 64;
/// The report could not be written.
pub const OUTPUT: u8 = 74;

/// Does what these arguments ask for, without the program's own name, and returns the exit code.
///
/// # Example: a file from the standard input
/// ```
/// use portcullis_tools::check;
///
/// let mut text = &b"[[limit]]\nname = \"per client\"\nquota = \"100/mni\"\n"[..];
/// let (mut out, mut err) = (Vec::new(), Vec::new());
/// let code = check::run(["-"], &mut text, &mut out, &mut err);
/// assert_eq!(code, check::MISTAKES);
/// assert!(String::from_utf8(out)?.starts_with("error[P0505]: unknown unit of time"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run<A: Into<OsString>>(
    args: impl IntoIterator<Item = A>,
    stdin: &mut dyn Read,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let args = args.into_iter().map(Into::into);
    let done = Options::read(args).and_then(|options| task(options, stdin, out));
    let flushed = |code| out.flush().map(|()| code).map_err(Usage::Output);
    match done.and_then(flushed) {
        Ok(code) => code,
        // Somebody has stopped reading, as `head` does, or a disk is full: whatever the files say, they were not told.
        Err(Usage::Output(_)) => OUTPUT,
        Err(usage) => {
            let _ = writeln!(err, "check: {usage}\n`check --help` tells what there is");
            USAGE
        }
    }
}

fn task(options: Options, stdin: &mut dyn Read, out: &mut dyn Write) -> Result<u8, Usage> {
    let Options { task, program, json } = options;
    match task {
        Task::Help => out.write_all(HELP.as_bytes())?,
        Task::ExplainCode(name) => return explain_code(&name, out),
        Task::Check { files, deny_warnings } => {
            let files: Vec<Examined> =
                files.iter().map(|name| Examined::read(name, &program, stdin)).collect();
            if json {
                json::files(&files, out)?;
            } else {
                for (at, file) in files.iter().enumerate() {
                    out.write_all(if at > 0 { b"\n" } else { b"" })?;
                    summary::write(file, out)?;
                }
            }
            return Ok(code_of(&files, deny_warnings));
        }
        Task::Explain { file, asked } => {
            let file = Examined::read(&file, &program, stdin);
            return Ok(explain(&file, &asked, json, out)?);
        }
    }
    Ok(FINE)
}

fn code_of(files: &[Examined], deny_warnings: bool) -> u8 {
    if files.iter().any(|file| file.gate.is_none()) {
        MISTAKES
    } else if deny_warnings && files.iter().any(|file| file.warnings() > 0) {
        WARNINGS
    } else {
        FINE
    }
}

/// The long explanation of a code.
fn explain_code(name: &str, out: &mut dyn Write) -> Result<u8, Usage> {
    let code = Code::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(name));
    let Some(code) = code else {
        let names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let (first, last) = (names.first().unwrap_or(&""), names.last().unwrap_or(&""));
        return Err(Usage::Wrong(format!(
            "there is no code {name:?}; they go from {first} to {last}"
        )));
    };
    writeln!(out, "{}[{code}]: {}\n", code.severity(), code.title())?;
    wrapped(code.explain(), 90, out)?;
    Ok(FINE)
}

/// A text in lines of at most so many characters, where its words allow.
fn wrapped(text: &str, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut column = 0;
    for word in text.split(' ') {
        let long = word.chars().count();
        if column > 0 && column + 1 + long > width {
            out.write_all(b"\n")?;
            column = 0;
        }
        if column > 0 {
            out.write_all(b" ")?;
            column += 1;
        }
        out.write_all(word.as_bytes())?;
        column += long;
    }
    out.write_all(b"\n")
}

fn explain(file: &Examined, asked: &Asked, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let Some(gate) = &file.gate else {
        if json {
            json::files(std::slice::from_ref(file), out)?;
        } else {
            summary::write(file, out)?;
        }
        return Ok(MISTAKES);
    };
    let played = play::play(gate, asked);
    let story = told::Story { gate, config: &file.config, asked, played: &played };
    if json {
        json::explanation(&story, out)?;
    } else {
        told::write(&story, out)?;
    }
    Ok(FINE)
}

/// Text from outside, without what could redraw a terminal or change the direction of what is shown.
fn plain(text: &str) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|c| if odd(c) { '\u{fffd}' } else { c }).collect()
}
