//! Rules: which is the first of many that a request meets.
//!
//! - `mix`: the rules, and the requests that meet the first, the last or none of them;
//! - `ours`, `peers`, `plain`: the contestants, each given the rules in its own language.
//!
//! What is measured is one request from the outside: its parts are there as a server has them, eight
//! header lines among them, and whatever an engine wants to be told is told to it within the time.

mod mix;
mod ours;
mod peers;
mod plain;

use self::mix::{Asked, Mix};
use crate::rounds::{At, Case};

const SIZES: [usize; 5] = [1, 20, 100, 1_000, 10_000];

pub(crate) fn run(is_wanted: impl Fn(&str) -> bool) {
    for size in SIZES {
        for asked in [Asked::None, Asked::Last, Asked::First, Asked::Rotating] {
            let title = format!("rules: {size}, {}", asked.says());
            if is_wanted(&title) {
                case(Box::leak(Box::new(Mix::new(size, asked)))).run(&title);
            }
        }
    }
    if is_wanted("rules: making") {
        ours::print_making(&SIZES);
    }
}

fn case(mix: &'static Mix) -> Case {
    let ours = ours::engine(mix);
    let wirefilter = peers::wirefilter(mix);
    let linear = plain::linear(mix);
    let case = Case::allowed()
        .alone("portcullis", judged(mix, ours))
        .alone("wirefilter-engine 0.6.1", judged(mix, wirefilter))
        .alone("by hand, one after the other", judged(mix, linear));
    // A turn of it takes seconds where requests differ and rules are many.
    if mix.rules.len() > 1_000 && mix.requests.len() > 1 {
        return case;
    }
    case.alone("cel 0.15", judged(mix, peers::cel(mix)))
}

/// Whether an engine finds what is to be found: every check of it.
fn judged(
    mix: &'static Mix,
    first: impl Fn(&'static mix::Incoming) -> Option<usize> + 'static,
) -> impl Fn(At) -> bool + 'static {
    for request in &mix.requests {
        assert_eq!(first(request), request.expected);
    }
    move |at| {
        let request = &mix.requests[at.nth % mix.requests.len()];
        first(request) == request.expected
    }
}
