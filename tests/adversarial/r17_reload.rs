//! **Row 17: a configuration that takes the gate down.**
//!
//! Identifiers: Cloudflare, 2025-11-18 (a file with more than 200 entries, an `unwrap`, and no traffic for hours).
//!
//! The attack: usually nobody's. A generated file is twice as long as ever before, cut off, or empty, and it is loaded everywhere at once. What panics, or
//! lets pass what it cannot read, is an outage by itself.
//!
//! Ours: a text with a mistake changes nothing: `src/gate/reload.rs` I1 (`a_bad_plan_changes_nothing`, `nonsense_is_told`,
//! `a_byte_more_or_less_is_told_or_means_something`); panics are denied by lints in `src/lib.rs`. This row has a gate that serves, and reloads it with every
//! damaged form of its text.
//!
//! Shown to fail, tests counted from above:
//! - `src/gate/reload.rs`: the mode is set before all is known to fit: a refused text has switched the gate off (test
//!   2);
//! - `src/gate/limits/mod.rs`, `MOST_LIMITS` made 65: test 3.

use std::time::Duration;

use portcullis::{Gate, Mode, Quota, Request, Timestamp};

use crate::support::{client, gate, ip, passed, refused};

const NOW: Timestamp = Timestamp::from_secs(50);

const TEXT: &str = r#"deny = ["192.0.2.0/24"]
clients = 50

[lists]
blocked = ["198.51.100.7"]

[[rule]]
name = "blocked"
when = 'ip.src in $blocked or path eq "/.env"'
deny = 404

[[limit]]
name = "each"
quota = "5/h"
when = 'method ne "OPTIONS"'
"#;

/// What a gate says to a few requests, of which none takes anything.
fn probe(gate: &Gate) -> Vec<Option<(u16, String)>> {
    let asked =
        [("192.0.2.9", "/"), ("198.51.100.7", "/"), ("203.0.113.1", "/.env"), ("203.0.113.2", "/")];
    let says = |(from, target): (&str, &str)| {
        let request = Request::new(ip(from)).method("GET").target(target);
        gate.explain(&request, NOW)
            .denial()
            .map(|denial| (denial.status(), denial.name().to_owned()))
    };
    asked.into_iter().map(says).collect()
}

/// Every text that lacks a byte, ends early, or has a byte too many: an error, and then nothing has changed, or what it says.
#[test]
fn a_damaged_text_is_an_error_or_a_text() {
    let live = gate(TEXT);
    let before = probe(&live);
    assert_eq!(passed(&live, client(1), 10, NOW), 5);
    let mut damaged = Vec::new();
    for at in 0..TEXT.len() {
        damaged.push(TEXT[..at].to_owned());
        damaged.push(format!("{}{}", &TEXT[..at], &TEXT[at + 1..]));
        for byte in ["\0", "\"", "[", "9", "\u{feff}"] {
            damaged.push(format!("{}{byte}{}", &TEXT[..at], &TEXT[at..]));
        }
    }
    let (mut errors, mut texts) = (0, 0);
    for text in &damaged {
        match live.reload(text, NOW) {
            Err(mistakes) => {
                errors += 1;
                assert!(!mistakes.to_string().is_empty());
                assert_eq!(probe(&live), before, "{text}");
            }
            Ok(()) => {
                texts += 1;
                live.reload(TEXT, NOW).unwrap();
                assert_eq!(probe(&live), before);
            }
        }
    }
    assert!(errors > damaged.len() / 2 && texts > 0, "{errors} and {texts}");
    let stats = live.stats();
    assert_eq!((stats.refused_reloads(), stats.reloads()), (errors as u64, 2 * texts));
}

/// What is found when all is put together comes too late to have changed a thing: mode, lists, bans, clients.
#[test]
fn a_plan_that_does_not_fit_changes_nothing() {
    let live = gate(TEXT);
    live.lists()
        .replace("blocked", "203.0.113.50".parse::<portcullis::CidrSet>().unwrap())
        .unwrap();
    live.bans().add("203.0.113.60/32".parse().unwrap(), Duration::from_secs(60), "test", NOW);
    assert_eq!(passed(&live, client(1), 10, NOW), 5);
    let twice = Gate::builder()
        .mode(Mode::Off)
        .limit("one", Quota::per_hour(1))
        .limit("one", Quota::per_hour(1));
    assert!(live.reload_with(twice, NOW).is_err());
    for text in [
        "mode = \"off\"\n[[rule]]\nname = \"r\"\nwhen = 'ip.src in $nowhere'\nthen = \"deny\"\n",
        "mode = \"off\"\nclients = 4611686018427387904\n[[limit]]\nname = \"each\"\nquota = \"5/h\"\n",
        "mode = \"off\"\n[[limit]]\nname = \"each\"\nquota = \"4294967295/s\"\n[[limit]]\nname = \"each\"\nquota = \"5/h\"\n",
    ] {
        assert!(live.reload(text, NOW).is_err(), "{text}");
    }
    assert_eq!(live.mode(), Mode::Enforce);
    assert_eq!(passed(&live, client(1), 10, NOW), 0);
    for from in ["203.0.113.50", "203.0.113.60", "192.0.2.1"] {
        assert!(refused(&live, &Request::new(ip(from)), NOW).is_some(), "{from}");
    }
}

/// At each bound, and one beyond: the first is served, the second an error, and neither a panic.
#[test]
fn what_is_larger_than_ever_is_served_or_told() {
    let limits = |n: usize| {
        (0..n)
            .map(|nth| format!("[[limit]]\nname = \"l{nth}\"\nquota = \"5/h\"\n"))
            .collect::<String>()
    };
    let rules = |n: usize| {
        (0..n)
            .map(|nth| {
                format!(
                    "[[rule]]\nname = \"r{nth}\"\nwhen = 'path eq \"/{nth}\"'\nthen = \"deny\"\n"
                )
            })
            .collect::<String>()
    };
    let tags = |n: usize| {
        (0..n)
            .map(|nth| format!("[[rule]]\nname = \"r{nth}\"\nwhen = 'tls'\ntag = \"t{nth}\"\n"))
            .collect::<String>()
    };
    let list = |n: u32| {
        let nets: Vec<String> = (0..n).map(|nth| format!("\"{}\"", client(nth * 2))).collect();
        format!("deny = [{}]\n", nets.join(", "))
    };
    let live = gate("clients = 20\n");
    for (fits, limit) in [
        (limits(64), Some(limits(65))),
        (rules(3_000), None),
        (tags(64), Some(tags(65))),
        (list(50_000), None),
    ] {
        live.reload(&format!("clients = 20\n{fits}"), NOW).unwrap();
        if let Some(beyond) = limit {
            assert!(live.reload(&format!("clients = 20\n{beyond}"), NOW).is_err());
        }
    }
    assert!(
        refused(&live, &Request::new(client(99_998)), NOW).is_some(),
        "the last list is in force"
    );
    for nonsense in [
        "\u{0}".repeat(100_000),
        "[".repeat(100_000),
        "a = ".repeat(50_000),
        "x = 1\n".repeat(20_000),
        "'''".to_owned() + &"x".repeat(1 << 20),
    ] {
        assert!(live.reload(&nonsense, NOW).is_err());
    }
    assert!(refused(&live, &Request::new(client(99_998)), NOW).is_some());
}

/// Nothing in the library may panic on what it is given, where a compiler can tell.
#[test]
fn lints_that_deny_panics_are_on() {
    let lib = include_str!("../../src/lib.rs");
    for lint in [
        "unwrap_used",
        "expect_used",
        "panic",
        "indexing_slicing",
        "arithmetic_side_effects",
        "cast_possible_truncation",
    ] {
        assert!(lib.contains(&format!("clippy::{lint}")), "{lint}");
    }
    assert!(lib.contains("#![forbid(unsafe_code)]"));
}
