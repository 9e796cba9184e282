//! What is to be known to read the numbers of a report.

use std::time::Duration;

use portcullis::Mode;

use super::{About, length, says, says_defence};
use crate::replay::{
    page::{Cell, Page, thousands},
    play::{LONGEST_ALARM, LONGEST_PAUSE, MOST_IN_FLIGHT},
    run::{Format, Replay},
    spread::Span,
};

/// Lines that are late, of all: more of them are no accident.
const MOST_LATE: (u64, u64) = (1, 100);

/// What is to be known of the order of lines before a number is believed.
pub(super) fn order(replay: &Replay) -> Option<String> {
    let told = replay.spread();
    let (part, whole) = MOST_LATE;
    let are_many = |lines: u64| lines.saturating_mul(whole) > replay.requests() * part;
    if are_many(told.far) {
        return Some(
            "Lines are far out of order, so the numbers below are not those of the traffic. Are the logs given oldest first?"
                .into(),
        );
    }
    if !are_many(told.late) {
        return None;
    }
    // A minute is of no use where each hour has but one, or lines are later than that.
    let is_within_a_minute = told.latest < Duration::from_secs(60) && !replay.has_lost_minutes();
    let span = match replay.span {
        Span::AsWritten | Span::Second if is_within_a_minute => "1m",
        Span::AsWritten | Span::Second | Span::Minute => "1h",
        Span::Hour => return None,
    };
    let lost = match replay.has_lost_minutes() {
        true => ", all in one minute of their hours",
        false => "",
    };
    Some(format!(
        "{} lines are older than ones before them{lost}: the times of this log are coarser than they look, and limits seem \
         stricter here than they are. Play it with --spread {span}.",
        thousands(told.late),
    ))
}

/// What is to be known to read the numbers.
pub(super) fn how(replay: &Replay, about: &About, page: &mut Page) {
    page.heading("How it was played");
    let side = &replay.sides.0;
    let mut items: Vec<String> = Vec::new();
    let names =
        [(Some(side), Some(&about.config)), (replay.sides.1.as_ref(), about.against.as_ref())];
    for (side, name) in names {
        let (Some(side), Some(name)) = (side, name) else { continue };
        let mode = match side.mode {
            Mode::Enforce => continue,
            Mode::Observe => "observe",
            Mode::Off => "off",
        };
        items.push(format!("{name} says mode = \"{mode}\". It was played as if it enforced."));
    }
    items.push(
        "The client is the address that the log names. A log has no headers but user-agent and referer, so conditions on \
         others saw none."
            .into(),
    );
    let says = |key| says(&about.text, key) || says(&about.other_text, key);
    if says("trust") {
        items.push(
            "The configuration trusts proxies. They are not asked here: if the log names a proxy, that proxy is the client."
                .into(),
        );
    }
    if side.was_of_fleet || replay.sides.1.as_ref().is_some_and(|other| other.was_of_fleet) {
        items.push(
            "Limits of a fleet were played with their whole quota at one gate, as if their store answered at once.".into(),
        );
    }
    if says("fields") {
        items.push("Fields of the service's own are in no log, and were not there.".into());
    }
    items.push(match replay.span {
        Span::AsWritten => {
            "Requests of one second were spread evenly over it; times that are finer were kept."
                .into()
        }
        Span::Second => "Requests of one second were spread evenly over it.".into(),
        Span::Minute => {
            "Requests of one minute were spread evenly over it, in the order of the log.".into()
        }
        Span::Hour => {
            "Requests of one hour were spread evenly over it, in the order of the log.".into()
        }
    });
    items.push(match side.longest {
        Some(longest) => {
            let is_json = replay.logs.iter().any(|log| log.format == Some(Format::Json));
            let unit = match is_json {
                true => " A number under a name that says no unit was taken as seconds.",
                false => "",
            };
            format!("Requests were in flight for as long as the log says, {longest:?} at most.{unit}")
        }
        None => "The log tells no durations: requests ended at once, and limits of requests in flight had nothing to do.".into(),
    });
    if side.cut_short > 0 {
        items.push(format!(
            "{} requests ended early: no more than {} are in flight at a time.",
            thousands(side.cut_short),
            thousands(MOST_IN_FLIGHT as u64),
        ));
    }
    let spread = replay.spread();
    if spread.late > 0 {
        items.push(format!(
            "{} lines were older than ones before them, by {:.3} seconds at most, and were played at once.",
            thousands(spread.late),
            spread.latest.as_secs_f64(),
        ));
    }
    if spread.far > 0 {
        items.push("Some lines are far out of order: are the logs given oldest first?".into());
    }
    if spread.halved > 0 {
        items.push(format!(
            "{} times there were more requests in a span than can be held: the rates within it are not right.",
            thousands(spread.halved),
        ));
    }
    if [&about.text, &about.other_text].iter().any(|text| says_defence(text)) {
        items.push(format!(
            "In a pause of a log the gate was told the time each minute, or each second while it was alarmed; after {} each \
             hour; and of a pause longer than {} only the end.",
            length(Duration::from_secs(LONGEST_ALARM)),
            length(Duration::from_secs(LONGEST_PAUSE)),
        ));
    }
    items.push(
        "Requests that a limiter had refused when the log was written (429, 503) count as not served."
            .into(),
    );
    items.push(
        "A refusal changes nothing in the log: a client that would have given up, or come again later, asks here as it did."
            .into(),
    );
    page.list(items.into_iter().map(|item| vec![Cell::words(item)]).collect());
}
