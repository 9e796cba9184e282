//! Every way to get the sample wrong: it is an error that names its place, or still a configuration, and a
//! gate at work goes on either way.

use alloc::{format, string::String, vec::Vec};
use core::net::IpAddr;

use super::{EVERY_KEY, SAMPLE};
use crate::{Gate, Request, Timestamp, gate::config::ConfigError};

/// A gate at work with some history, and what it must go on to be.
struct Live {
    gate: Gate,
    stats: String,
}

const NOW: Timestamp = Timestamp::from_secs(1);

impl Live {
    fn new() -> Self {
        let gate = Gate::from_toml(SAMPLE).unwrap();
        let all = "198.51.100.0/24".parse::<crate::CidrSet>().unwrap();
        gate.lists().replace("blocked", all).unwrap();
        let live = Self { gate, stats: String::new() };
        assert_eq!((0..15).filter(|_| live.passes("203.0.113.1")).count(), 15);
        assert!(!live.passes("198.51.100.1"));
        Self { stats: format!("{:?}", live.gate.stats()), ..live }
    }

    fn passes(&self, ip: &str) -> bool {
        let peer: IpAddr = ip.parse().unwrap();
        self.gate.check(&Request::new(peer).method("GET").target("/"), NOW).into_result().is_ok()
    }

    /// The text is an error with places inside of it, and changes nothing.
    fn refuses(&self, text: &str) -> Option<ConfigError> {
        let warnings = Gate::builder().check_toml(text);
        let error = warnings.err()?;
        has_places(&error, text);
        assert!(self.gate.reload(text, NOW).is_err(), "{text}");
        // Nothing but that.
        let stats = self.gate.stats();
        assert!(stats.refused_reloads() > 0);
        let refused = format!("refused_reloads: {}", stats.refused_reloads());
        assert_eq!(format!("{stats:?}").replace(&refused, "refused_reloads: 0"), self.stats);
        Some(error)
    }

    /// As after the first day.
    fn is_as_before(&self) {
        assert_eq!((0..15).filter(|_| self.passes("203.0.113.1")).count(), 5);
        assert_eq!((0..30).filter(|_| self.passes("203.0.113.2")).count(), 20);
        assert!(!self.passes("198.51.100.1"));
    }
}

fn has_places(error: &ConfigError, text: &str) {
    assert!(!error.is_empty());
    let lines = text.split('\n').count();
    for found in error {
        let line = found.line().unwrap_or_else(|| panic!("no place: {error}\n{text}"));
        assert!((1..=lines).contains(&line), "{error}\n{text}");
        let span = found.span().unwrap();
        assert!(text.get(span).is_some(), "{error}\n{text}");
    }
    // It can be shown.
    assert!(format!("{error}").len() > 10);
}

/// Lines of the form `key = value`, with the bytes of both.
fn settings(text: &str) -> Vec<(usize, &str, &str)> {
    let mut at = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some((key, value)) = line.split_once('=') {
            if !key.starts_with(['#', '[']) {
                let value = value.split_once("    #").map_or(value, |(value, _)| value);
                found.push((at, key.trim_end(), value.trim()));
            }
        }
        at += line.len();
    }
    found
}

#[test]
fn a_byte_more_or_less_is_told_or_means_something() {
    let live = Live::new();
    let (mut refused, mut all) = (0, 0);
    // All of them where there is time, every third of them otherwise.
    let step = if crate::test_support::cases(1).cases > 1 { 1 } else { 3 };
    let more = ["x", "\"", "'", "\n", "]", "[", "=", "é", "\u{0}", ",", "}", "\\", "#", " "];
    for at in (0..SAMPLE.len()).step_by(step) {
        let mut fewer = String::from(SAMPLE);
        fewer.remove(at);
        let mut longer = String::from(SAMPLE);
        longer.insert_str(at, more[at % more.len()]);
        for text in [fewer, longer, String::from(&SAMPLE[..at])] {
            all += 1;
            refused += usize::from(live.refuses(&text).is_some());
        }
    }
    assert!(refused * 3 > all, "{refused} of {all}");
    live.is_as_before();
}

#[test]
fn a_key_that_is_misspelled_twice_there_or_lost_is_told() {
    let live = Live::new();
    for (at, key, _) in settings(SAMPLE) {
        let line = SAMPLE[..at].matches('\n').count() + 1;
        let (before, rest) = SAMPLE.split_at(at);
        let (whole, after) = rest.split_once('\n').unwrap();
        let behind = &rest[key.len()..];
        for wrong in [format!("{key}s"), format!("x{key}"), key[1..].into()] {
            let error = live.refuses(&format!("{before}{wrong}{behind}")).expect(&wrong);
            // A list of another name is missed where it is named.
            let missed = ["office", "blocked"].contains(&key);
            assert!(error.iter().any(|it| it.line() == Some(line) || missed), "{error}");
        }
        let twice = format!("{before}{whole}\n{whole}\n{after}");
        let error = live.refuses(&twice).expect(key);
        assert!(error.iter().any(|it| it.line() == Some(line + 1)), "{error}");
        let error = live.refuses(&format!("{before}{after}"));
        let needed = ["name", "when", "then", "quota", "trust", "office", "blocked"];
        assert!(error.is_some() || !needed.contains(&key) || line > 25, "{key}");
    }
    live.is_as_before();
}

#[test]
fn a_value_of_another_type_is_told_on_its_line() {
    let live = Live::new();
    let others = [
        "42",
        "-1",
        "true",
        "1.5",
        "nan",
        "\"\"",
        "\"text\"",
        "[]",
        "[[]]",
        "{}",
        "[{}]",
        "1979-05-27",
        "{ text = 1 }",
        "[7, \"x\"]",
        "9223372036854775807",
        "9223372036854775808",
        "'\u{e9}'",
    ];
    let (mut refused, mut all) = (0, 0);
    for text in [SAMPLE, EVERY_KEY] {
        for (at, key, value) in settings(text) {
            let line = text[..at].matches('\n').count() + 1;
            let from = at + text[at..].find(value).unwrap();
            // Values of several lines are left alone.
            if value.starts_with("'''") || text[..at].ends_with("internal and\n  ") {
                continue;
            }
            for (number, other) in others.iter().enumerate() {
                // A third of them in turn, for the longer text.
                if text == EVERY_KEY && (number + line) % 3 != 0 {
                    continue;
                }
                let changed = format!("{}{other}{}", &text[..from], &text[from + value.len()..]);
                all += 1;
                let Some(error) = live.refuses(&changed) else { continue };
                refused += 1;
                let here = error.iter().any(|it| it.line() == Some(line));
                let named = error
                    .iter()
                    .any(|it| matches!(it.code().as_str(), "P0207" | "P0301" | "P0508"));
                assert!(here || named, "{key} = {other}: {error}");
            }
        }
    }
    assert!(refused * 4 > all * 3, "{refused} of {all}");
    live.is_as_before();
}

/// Texts with no meaning at all.
#[test]
fn nonsense_is_told() {
    let live = Live::new();
    for text in [
        "\u{feff}x",
        "\r",
        "\u{0}",
        "é",
        "[",
        "]",
        "[[",
        "[[rule",
        "rule",
        "rule = ",
        "rule = [",
        "'''",
        "\"\"\"",
        "a.b.c = 1",
        "rule.x = 1",
        "[rule.x]",
        "[[rule.x]]",
        "[[rule]]\n[[rule.then]]",
        "lists = 1",
        "[[lists]]",
        "limit = [[[[]]]]",
        "rule = [1, \"a\", {}]",
        "client.group.v4 = 999",
        "fields.\"\" = \"int\"",
        "lists.\"a b\" = []",
        "groups.x = 1",
        "[defence]\nauto = 1\nx = 2",
    ] {
        let error = live.refuses(text).unwrap_or_else(|| panic!("{text:?} is refused"));
        assert!(!format!("{error}").is_empty());
    }
    let deep = format!("rule = {}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(live.refuses(&deep).is_some());
    live.is_as_before();
}
