//! An incident as a report in Markdown, as GitHub and most other places understand it.
//!
//! # Invariants
//! - **I1** what is not the library's own is text or code and nothing else: no mark-up, no HTML, no link, no
//!   mention of anybody, and no new line or cell of a table.
//!
//! Source: the GitHub Flavored Markdown Spec, version 0.29: code spans, tables, autolinks.

use alloc::{format, string::String, vec::Vec};
use core::{fmt::Write as _, time::Duration};

use super::{Attacker, Incident, Moment, Step};
use crate::detect::sentence::{grouped, percent, plain, rounded, tenths};

/// The whole report.
pub(super) fn report(incident: &Incident) -> String {
    let parts = [
        headline(incident),
        summary(incident),
        timeline(incident),
        attackers(incident),
        harm(incident),
        done(incident),
        restoration(incident),
    ];
    let mut text = parts.join("\n\n");
    text.push('\n');
    text
}

impl Step {
    /// As the report calls it.
    const fn words(self) -> &'static str {
        match self {
            Self::Noticed => "noticed",
            Self::Raised => "raised",
            Self::Explained => "explained",
            Self::Found => "found another",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Held => "held unknown clients",
            Self::Lockdown => "lockdown",
            Self::Latched => "latched",
            Self::Told => "told",
            Self::Eased => "eased",
            Self::Ended => "ended a mitigation",
            Self::Readmitted => "served all again",
            Self::Restored => "restored",
        }
    }
}

fn headline(incident: &Incident) -> String {
    let lasted = length(incident.lasted);
    match incident.is_over {
        true => format!("# Incident: {} for {lasted}", incident.posture),
        false => format!("# Incident that goes on: {} for {lasted} so far", incident.posture),
    }
}

/// All that matters, in a few sentences.
fn summary(incident: &Incident) -> String {
    let peak = &incident.peak;
    let mut text = format!("At the peak there were {} requests a second", rounded(peak.offered));
    // Writing into a string can not fail, here and below.
    let _ = match peak.usual > 0.0 {
        true => {
            write!(text, ", {}x the usual {}. ", tenths(peak.times_usual()), rounded(peak.usual))
        }
        false => write!(text, ", where nothing was usual yet. "),
    };
    let first = |step: Step, what: &str| {
        incident.first(step).map(|after| format!("{what} after {}", length(after)))
    };
    let steps: Vec<String> = [
        first(Step::Explained, "explained"),
        first(Step::Throttled, "throttled"),
        first(Step::Denied, "denied"),
        first(Step::Restored, "over"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !steps.is_empty() {
        let _ = write!(text, "From being noticed, it was {}. ", listed(&steps));
    }
    let harm = &incident.harm;
    let _ = write!(
        text,
        "Of {} requests, {} ({}) were turned away, {} of them from known clients.",
        grouped(harm.offered),
        grouped(harm.turned_away()),
        percent(harm.share(harm.turned_away())),
        grouped(harm.known),
    );
    text
}

fn timeline(incident: &Incident) -> String {
    let mut text = String::from("## Timeline\n\n| after | what | in words |\n|---:|---|---|");
    for Moment { after, step, text: words } in &incident.timeline {
        let _ = write!(text, "\n| {} | {} | {} |", length(*after), step.words(), escaped(words));
    }
    if incident.left_out > 0 {
        let _ = write!(text, "\n\nAnd {} more.", grouped(incident.left_out));
    }
    text
}

fn attackers(incident: &Incident) -> String {
    let mut text = String::from("## Attackers\n\n");
    let attackers = incident.attackers();
    if attackers.is_empty() {
        text.push_str("Nothing was found that the excess has in common.");
        return text;
    }
    text.push_str("| rule | name | requests | of all |\n|---|---|---:|---:|");
    for Attacker { name, rule, requests, share } in &attackers {
        let (rule, name) = (code(rule), escaped(name));
        let _ =
            write!(text, "\n| {rule} | {name} | {} | {} |", grouped(*requests), percent(*share));
    }
    let told: u64 = attackers.iter().fold(0, |sum, it| sum.saturating_add(it.requests));
    let kept = incident.attackers.iter().fold(0_u64, |sum, it| sum.saturating_add(it.requests));
    let others = kept.saturating_sub(told).saturating_add(incident.others);
    if others > 0 {
        let _ = write!(text, "\n\nAnd {} requests of others.", grouped(others));
    }
    text
}

fn harm(incident: &Incident) -> String {
    let harm = &incident.harm;
    let mut text = String::from("## Harm\n\n| requests | number | of all |\n|---|---:|---:|");
    for (what, requests) in [
        ("offered", harm.offered),
        ("refused by mitigations", harm.refused),
        ("shed", harm.shed),
        ("held back as unknown", harm.held),
        ("of these three, from known clients", harm.known),
    ] {
        let share = percent(harm.share(requests));
        let _ = write!(text, "\n| {what} | {} | {share} |", grouped(requests));
    }
    text
}

fn done(incident: &Incident) -> String {
    let done = &incident.done;
    let mut text = format!("## What was done\n\n- Posture up to {}", incident.posture);
    for (times, what) in [
        (done.found, "Signatures found"),
        (done.throttled, "Mitigations that throttled"),
        (done.denied, "Mitigations that denied"),
    ] {
        let _ = write!(text, "\n- {what}: {}", grouped(times));
    }
    if let Some(rate) = done.held {
        let rate = rounded(rate);
        let _ = write!(text, "\n- Unknown clients held to {rate} requests a second at the least");
    }
    text
}

fn restoration(incident: &Incident) -> String {
    let mut text = String::from("## How it was restored\n");
    for (step, what) in [
        (Step::Eased, "Posture lowered for the first time"),
        (Step::Readmitted, "All clients served again"),
        (Step::Restored, "Posture normal"),
    ] {
        if let Some(after) = incident.first(step) {
            let _ = write!(text, "\n- {what}: after {}", length(after));
        }
    }
    if !incident.is_over {
        text.push_str("\n- Not yet normal");
    }
    text
}

/// `a, b and c`.
fn listed(items: &[String]) -> String {
    match items {
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
        [] => String::new(),
    }
}

/// `1.5 s`, `5 min 12 s`, `2 h 5 min`.
fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) => match time.subsec_millis() / 100 {
            0 => format!("{seconds} s"),
            tenths => format!("{seconds}.{tenths} s"),
        },
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{} h", grouped(hours)),
        (hours, minutes, _) => format!("{} h {minutes} min", grouped(hours)),
    }
}

/// More characters of one text are not shown.
const MOST: usize = 2_000;

/// A text as a cell of a table shows it (I1).
fn escaped(text: &str) -> String {
    let text = plain(text, MOST);
    let mut escaped = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let (before, behind) = text.split_at_checked(at).unwrap_or_default();
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '$' | '!' => {
                escaped.extend(['\\', character]);
            }
            // What was written as text would yet be a link or a mention: that is looked for later, but not
            // in code.
            '@' | '#' => escaped.extend(['`', character, '`']),
            ':' if behind.starts_with("://") => escaped.push_str("\\:"),
            '.' if ends_in_www(before) => escaped.push_str("\\."),
            _ => escaped.push(character),
        }
    }
    escaped
}

fn ends_in_www(text: &str) -> bool {
    let last = text.len().checked_sub(3).and_then(|at| text.get(at..));
    last.is_some_and(|last| last.eq_ignore_ascii_case("www"))
}

/// A text as code in a cell of a table (I1).
///
/// A pipe ends a cell even in code, unless it is escaped; and what a backslash before such an escape means,
/// readers do not agree on. So that is written as HTML.
fn code(text: &str) -> String {
    let text = plain(text, MOST);
    if text.is_empty() {
        return text;
    }
    if text.contains(r"\|") {
        let mut html = String::from("<code>");
        for character in text.chars() {
            match character {
                'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' => html.push(character),
                // Writing into a string can not fail.
                _ => drop(write!(html, "&#{};", u32::from(character))),
            }
        }
        html.push_str("</code>");
        return html;
    }
    let fence = "`".repeat(longest_run(&text).saturating_add(1));
    let inside = text.replace('|', r"\|");
    // Blanks at both ends are not shown, but a backtick there would be a part of the fence.
    let is_open = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    let blank = if is_open { " " } else { "" };
    [&*fence, blank, &*inside, blank, &*fence].concat()
}

/// How many backticks there are at most in a row.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::string::String;

    use proptest::prelude::*;

    use super::{code, escaped, length, longest_run};

    /// I1.
    #[test]
    fn what_clients_write_is_no_markdown() {
        for (text, shown) in [
            ("path eq \"/a|b\"", r#"path eq "/a\|b""#),
            ("/a`b", r"/a\`b"),
            ("/a\nb", r"/a\\nb"),
            ("<img src=x>", r"\<img src=x\>"),
            ("**x** _y_ ~z~ $w$", r"\*\*x\*\* \_y\_ \~z\~ \$w\$"),
            ("![a](b)", r"\!\[a\](b)"),
            ("see https://example.org", r"see https\://example.org"),
            ("WWW.example.org www. w.", r"WWW\.example.org www\. w."),
            ("/@team #7", "/`@`team `#`7"),
            ("&lt;", r"\&lt;"),
            (r"a\|b", r"a\\\|b"),
            ("12.3x: a; b", "12.3x: a; b"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }

    /// I1.
    #[test]
    fn code_stays_in_its_cell() {
        for (text, shown) in [
            (r#"path eq "/search""#, r#"`path eq "/search"`"#),
            (r#"path eq "/a|b""#, r#"`path eq "/a\|b"`"#),
            ("a`b", "``a`b``"),
            ("`a``", "``` `a`` ```"),
            ("a\nb\u{202e}", r"`a\nb\u{202e}`"),
            (r"a\|b", "<code>a&#92;&#124;b</code>"),
            (r"a\", r"`a\`"),
            (" a", "`  a `"),
            ("", ""),
        ] {
            assert_eq!(code(text), shown);
        }
    }

    #[test]
    fn lengths_are_rounded_down() {
        for (millis, shown) in [
            (0, "0 s"),
            (1_490, "1.4 s"),
            (59_000, "59 s"),
            (60_000, "1 min"),
            (312_900, "5 min 12 s"),
            (7_200_000, "2 h"),
            (7_559_000, "2 h 5 min"),
        ] {
            assert_eq!(length(Duration::from_millis(millis)), shown);
        }
        assert_eq!(length(Duration::MAX), "5,124,095,576,030,431 h");
    }

    proptest! {
        #![proptest_config(crate::test_support::cases(500))]

        /// I1: no bare pipe, no bare backtick, no line; what is shown is what was written.
        #[test]
        fn a_cell_is_one_cell(text in "[a-c |`\\\\@#\n<&.:/w]{0,24}") {
            let cell = escaped(&text);
            let mut bare = String::new();
            let mut characters = cell.chars().peekable();
            while let Some(character) = characters.next() {
                match character {
                    '\\' => bare.extend(characters.next().filter(|c| !"|`\\<&.:".contains(*c))),
                    '`' => {
                        let inside = characters.next();
                        prop_assert!(matches!(inside, Some('@' | '#')), "{}", cell);
                        prop_assert_eq!(characters.next(), Some('`'));
                    }
                    _ => bare.push(character),
                }
            }
            prop_assert!(!bare.contains(['|', '`', '\n', '<', '&', '@', '#']), "{}", cell);

            let cell = code(&text);
            prop_assert!(!cell.contains('\n'));
            if !text.is_empty() && !cell.starts_with("<code>") {
                let pipes = cell.matches('|').count();
                prop_assert_eq!(pipes, cell.matches(r"\|").count(), "{}", cell);
                let ends = cell.len() - cell.trim_start_matches('`').len();
                prop_assert_eq!(ends, cell.len() - cell.trim_end_matches('`').len());
                let inside = cell.trim_matches('`');
                prop_assert!(ends > longest_run(inside), "{}", cell);
            }
        }
    }
}
