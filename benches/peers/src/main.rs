//! Portcullis beside other rate limiters, other tables of addresses, other rule engines and the bare
//! memory, interleaved in one run.
//!
//! `cargo bench -p portcullis-peers` prints every table; words after `--` pick the tables whose
//! title contains one of them, as in `cargo bench -p portcullis-peers -- deny "10 k"`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a benchmark reads clocks, starts threads and prints"
)]

mod clock;
mod draws;
mod flood;
mod heap;
mod http;
mod keyed;
mod limits;
mod lists;
mod rounds;
mod rules;
mod single;
mod stores;

use std::env;

fn main() {
    if let Some(part) = flood::child_part() {
        println!("{part}");
        return;
    }
    // Cargo itself passes `--bench`.
    let wanted: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let cases = single::CASES.iter().chain(keyed::CASES);
    let is_wanted =
        |title: &str| wanted.is_empty() || wanted.iter().any(|word| title.contains(word.as_str()));
    for (title, build) in cases {
        if is_wanted(title) {
            // Some take the time of their making as the beginning of all.
            clock::set(0);
            build().run(title);
        }
    }
    flood::run(is_wanted);
    lists::run(is_wanted);
    rules::run(is_wanted);
    http::run(is_wanted);
}
