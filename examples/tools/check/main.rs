//! Every mistake of a configuration at once, and why a request would be refused: `check --help` tells.

#![allow(clippy::disallowed_methods, reason = "a program reads its arguments")]

use std::{
    env,
    io::{BufWriter, stderr, stdin, stdout},
    process::ExitCode,
};

use portcullis_tools::check;

fn main() -> ExitCode {
    let mut out = BufWriter::new(stdout().lock());
    let code = check::run(env::args_os().skip(1), &mut stdin().lock(), &mut out, &mut stderr());
    ExitCode::from(code)
}
