//! What a replay has shown, as a page.
//!
//! # Invariants
//! - **I1** the same logs, configurations and seed make the same page: no time of this day, no path of this machine, no
//!   order of a hash table is in it.

mod compared;
mod how;

use std::time::Duration;

use portcullis::Posture;

use super::{
    clients::{Client, Clients},
    page::{Cell, Head, Page, share, thousands, visible},
    play::Side,
    run::{Format, Replay},
    tally::{Rules, why},
    time::written,
};

/// Clients that are shown.
const TOP: usize = 20;
/// Rows of the table over time.
const ROWS: usize = 24;
/// Characters of a bar.
const BAR: usize = 30;
/// Events that are shown.
const EVENTS: usize = 60;
use Head::{Left, Right};

/// What a report says besides the replay itself.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// What the configuration is called.
    pub config: String,
    /// Its text.
    pub text: String,
    /// What the other one is called.
    pub against: Option<String>,
    /// The text of the other one.
    pub other_text: String,
    /// What all that is left to chance follows from.
    pub seed: u64,
    /// A picture beside it.
    pub picture: Option<String>,
}

/// The page.
#[must_use]
pub fn report(replay: &Replay, about: &About) -> Page {
    let mut page = Page::default();
    let logs: Vec<_> = replay.logs.iter().map(|log| log.name.as_str()).collect();
    page.title(format!("Replay of {}", logs.join(", ")));
    summary(replay, about, &mut page);
    if let Some(picture) = &about.picture {
        page.picture(picture, "Requests over time: passed and refused");
    }
    let (side, other) = &replay.sides;
    match (other, &about.against) {
        (Some(other), Some(name)) => {
            compared::changes(replay, about, &mut page);
            over_time(replay, &mut page);
            one_gate(side, replay, &about.text, &format!(", by {}", about.config), &mut page);
            one_gate(other, replay, &about.other_text, &format!(", by {name}"), &mut page);
        }
        _ => {
            over_time(replay, &mut page);
            one_gate(side, replay, &about.text, "", &mut page);
        }
    }
    lines(replay, &mut page);
    how::how(replay, about, &mut page);
    page
}

/// What one gate said that this text describes; `by` ends the headings.
fn one_gate(side: &Side, replay: &Replay, text: &str, by: &str, page: &mut Page) {
    rules(side, replay, by, page);
    clients(&side.tally.clients, &side.tally.by, by, page);
    shadow(side, by, page);
    statuses(side, by, page);
    story(side, text, by, page);
}

fn summary(replay: &Replay, about: &About, page: &mut Page) {
    let tally = &replay.sides.0.tally;
    let Some((first, last)) = replay.when else {
        page.prose("There is no request in it.");
        return;
    };
    let (passed, refused) = (tally.all_passed(), tally.all_refused());
    let all = passed + refused;
    page.prose(format!(
        "{} of {}, from {} to {} UTC, played to {}{} (seed {}).",
        some(all, "request"),
        at_least(&tally.clients),
        written(first),
        written(last),
        about.config,
        about
            .against
            .as_ref()
            .map_or_else(String::new, |other| format!(" and to {other}, the other one")),
        about.seed,
    ));
    if let Some(warning) = how::order(replay) {
        page.prose(warning);
    }
    if about.against.is_some() {
        return;
    }
    let rows = [
        ("passed", passed),
        ("refused", refused),
        ("refused, and served in the log (2xx, 3xx)", tally.served_and_refused()),
        ("passed, and something in shadow would have refused", tally.in_shadow),
    ];
    let rows = rows.map(|(what, count)| {
        vec![Cell::words(what), Cell::Count(count), Cell::words(share(count, all))]
    });
    page.table(&[Left("what"), Right("requests"), Right("share")], rows.into());
    let refused = thousands(tally.clients.refused() as u64);
    let refused = match tally.clients.locked_out() {
        Some(locked_out) => format!("{refused}, everything: {}", thousands(locked_out as u64)),
        None => format!("{refused} or more"),
    };
    let bans = thousands(tally.bans());
    page.prose(format!("Clients that were refused something: {refused}. Bans: {bans}."));
}

fn at_least(clients: &Clients) -> String {
    let more = if clients.times_full() > 0 { "more than " } else { "" };
    format!("{more}{}", some(clients.len() as u64, "client"))
}

/// `1 request`, `1,000 requests`
pub(super) fn some(count: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// What refused how many.
fn rules(side: &Side, replay: &Replay, by: &str, page: &mut Page) {
    let rules = &side.tally.by;
    page.heading(format!("Refused requests{by}"));
    if rules.all().is_empty() {
        page.prose("Nothing was refused.");
        return;
    }
    let all = replay.requests();
    let rows = rules.by_count().into_iter().map(|rule| {
        let name = Cell::code(&rule.name);
        let bans = if rule.bans > 0 { Cell::Count(rule.bans) } else { Cell::words("") };
        vec![
            name,
            Cell::words(why(rule.reason)),
            Cell::Count(rule.count),
            Cell::words(share(rule.count, all)),
            Cell::Count(rule.clients),
            Cell::Count(rule.served),
            bans,
            Cell::words(written(rule.first)),
            Cell::words(written(rule.last)),
        ]
    });
    let head = [
        Left("name"),
        Left("why"),
        Right("requests"),
        Right("of all"),
        Right("clients"),
        Right("served (2xx, 3xx)"),
        Right("bans"),
        Left("first"),
        Left("last"),
    ];
    page.table(&head, rows.collect());
    page.prose("The first request of each:");
    page.list(samples(rules));
}

fn samples(rules: &Rules) -> Vec<Vec<Cell>> {
    let sample =
        |rule: &&super::tally::Rule| vec![Cell::code(&rule.name), Cell::code(&rule.sample)];
    rules.by_count().iter().take(TOP).map(sample).collect()
}

/// Who was refused most.
fn clients(clients: &Clients, rules: &Rules, of: &str, page: &mut Page) {
    page.heading(format!("Refused clients{of}"));
    let top = clients.top(TOP);
    if top.is_empty() {
        page.prose("Nobody was refused anything.");
        return;
    }
    let rows = top.iter().map(|(ip, client)| {
        vec![
            Cell::code(ip.to_string()),
            Cell::Count(client.asked),
            Cell::Count(client.refused),
            Cell::Count(client.asked - client.refused),
            Cell::words(by(client, rules)),
        ]
    });
    let head = [Left("client"), Right("asked"), Right("refused"), Right("passed"), Left("by")];
    page.table(&head, rows.collect());
    let refused = clients.refused();
    if refused > top.len() {
        page.prose(format!("And {} more.", some((refused - top.len()) as u64, "client")));
    }
    if clients.times_full() > 0 {
        page.prose(format!(
            "There were more clients than are told apart ({}): a count of refusals of this table can be too low by {} at most, \
             what clients asked and passed before they were forgotten is not counted, and counts of clients above can count \
             one twice that was forgotten between.",
            thousands(super::clients::MOST as u64),
            thousands(clients.most_missing()),
        ));
    }
}

/// `name 12, bans 300`
fn by(client: &Client, rules: &Rules) -> String {
    let told = client.by().into_iter().map(|(rule, count)| {
        let rule = rule.and_then(|rule| rules.all().get(rule));
        let name = rule.map_or_else(|| "others".into(), |rule| visible(rule.name.as_bytes()));
        format!("{name} {}", thousands(count))
    });
    told.collect::<Vec<_>>().join(", ")
}

fn over_time(replay: &Replay, page: &mut Page) {
    let (side, other) = &replay.sides;
    let line = side.tally.timeline.coarser(ROWS);
    if replay.when.is_none() {
        return;
    }
    page.heading("Over time");
    let most = line.columns().map(|(_, column)| column.asked).max().unwrap_or(1).max(1);
    let others: Vec<u64> = other.as_ref().map_or_else(Vec::new, |other| {
        let line = other.tally.timeline.coarser(ROWS);
        line.columns().map(|(_, column)| column.refused).collect()
    });
    let mut rows = Vec::new();
    for ((at, column), place) in line.columns().zip(0..) {
        let length = |count: u64| (count * BAR as u64).div_ceil(most) as usize;
        let passed = length(column.asked - column.refused).min(BAR);
        let refused = length(column.refused).min(BAR);
        let mut row =
            vec![Cell::words(written(at)), Cell::Count(column.asked), Cell::Count(column.refused)];
        row.extend(others.get(place).map(|refused| Cell::Count(*refused)));
        row.push(Cell::code("=".repeat(passed) + &"#".repeat(refused)));
        rows.push(row);
    }
    let mut head = vec![Left("from"), Right("asked"), Right("refused")];
    if other.is_some() {
        head.push(Right("refused by the other"));
    }
    head.push(Left("= passed, # refused"));
    page.prose(format!("Each line is {}.", length(line.width())));
    page.table(&head, rows);
}

/// A length of time in the largest unit that it is whole in.
pub(super) fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    let unit = units.iter().find(|(unit, _)| seconds > 0 && seconds % unit == 0);
    let (count, name) = unit.map_or((seconds, "second"), |(unit, name)| (seconds / unit, *name));
    some(count, name)
}

fn shadow(side: &Side, by: &str, page: &mut Page) {
    let rules = side.tally.shadow.by_count();
    if rules.is_empty() {
        return;
    }
    page.heading(format!("In shadow: would have been refused{by}"));
    let rows = rules.iter().map(|rule| {
        vec![
            Cell::code(&rule.name),
            Cell::Count(rule.count),
            Cell::Count(rule.served),
            Cell::words(written(rule.first)),
            Cell::words(written(rule.last)),
            Cell::code(&rule.sample),
        ]
    });
    let head = [
        Left("name"),
        Right("requests"),
        Right("served (2xx, 3xx)"),
        Left("first"),
        Left("last"),
        Left("the first"),
    ];
    page.table(&head, rows.collect());
}

fn statuses(side: &Side, by: &str, page: &mut Page) {
    let tally = &side.tally;
    page.heading(format!("How the service had answered what was judged{by}"));
    let names = ["not known", "1xx", "2xx", "3xx", "4xx", "5xx"];
    let rows = names.iter().zip(tally.passed.iter().zip(&tally.refused));
    let rows = rows.filter(|(_, (passed, refused))| **passed + **refused > 0);
    let rows = rows.map(|(name, (passed, refused))| {
        let share = share(*refused, *passed + *refused);
        vec![Cell::words(*name), Cell::Count(*passed), Cell::Count(*refused), Cell::words(share)]
    });
    let head = [Left("status"), Right("passed"), Right("refused"), Right("share refused")];
    page.table(&head, rows.collect());
    let (served, refused) = (tally.served_and_refused(), tally.all_refused());
    if served * 2 > refused {
        page.prose(format!(
            "{} of the {} requests that were refused had been served: look whose they are before this is switched on.",
            thousands(served),
            thousands(refused),
        ));
    }
}

/// What the defence has noticed and done.
fn story(side: &Side, text: &str, by: &str, page: &mut Page) {
    let story = &side.tally.story;
    if story.events.is_empty() && !says_defence(text) {
        return;
    }
    page.heading(format!("What the defence noticed{by}"));
    if story.events.is_empty() {
        page.prose("Nothing.");
        return;
    }
    page.prose(format!("The highest posture was {}.", story.highest));
    let events = story.events.iter().take(EVENTS);
    let events = events.map(|(at, text)| vec![Cell::words(written(*at)), Cell::words(text)]);
    page.list(events.collect());
    let more = story.more + story.events.len().saturating_sub(EVENTS) as u64;
    if more > 0 {
        page.prose(format!("And {} more.", some(more, "event")));
    }
    if side.gate().posture() > Posture::Normal {
        page.prose(format!("At the end of the log it still is {}.", side.gate().posture()));
    }
}

/// What was in the files.
fn lines(replay: &Replay, page: &mut Page) {
    page.heading("The lines");
    let rows = replay.logs.iter().map(|log| {
        let format = match log.format {
            Some(Format::Common) => "common or combined",
            Some(Format::Json) => "JSON lines",
            None => "not known",
        };
        let name = Cell::code(&log.name);
        vec![name, Cell::words(format), Cell::Count(log.lines), Cell::Count(log.requests)]
    });
    page.table(&[Left("log"), Left("format"), Right("lines"), Right("requests")], rows.collect());
    let counts = [
        (replay.malformed, "malformed"),
        (replay.no_request, "of a connection without a request"),
        (replay.empty, "empty"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> =
        counts.map(|(count, what)| format!("{} {what}", thousands(*count))).collect();
    page.prose(match counts.as_slice() {
        [] => "All of them are requests.".into(),
        counts => format!("Not requests: {}.", counts.join("; ")),
    });
    let shown = replay.shown.iter().map(|line| {
        let log = replay.logs.get(line.log).filter(|_| replay.logs.len() > 1);
        let log = log.map_or_else(String::new, |log| format!(" of {}", log.name));
        vec![
            Cell::words(format!("line {}{log}, {}:", thousands(line.line), line.reason)),
            Cell::code(visible(&line.text)),
        ]
    });
    page.list(shown.collect());
    for log in &replay.logs {
        if log.requests == 0 && log.lines > 0 {
            let name = &log.name;
            page.prose(format!(
                "No request in {name}: is it a log in the common, combined or JSON lines format?"
            ));
        }
        if let Some(error) = &log.broke_off {
            let lines = some(log.lines, "line");
            page.prose(format!("{} broke off after {lines}: {error}.", log.name));
        }
    }
}

/// Whether a gate watches by itself, in either spelling.
fn says_defence(text: &str) -> bool {
    says(text, "defence") || says(text, "defense")
}

/// Whether a configuration has this key or section, outside of comments: only for what a report explains.
fn says(text: &str, key: &str) -> bool {
    text.lines().any(|line| {
        let line = line.split('#').next().unwrap_or_default();
        line.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').any(|word| word == key)
    })
}

#[cfg(test)]
mod tests;
