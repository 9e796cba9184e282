//! **Row 15: a pattern, or a rule, that a text makes slow.**
//!
//! Identifiers: Cloudflare, 2019-07-02 (a pattern that went through a text in all ways); RUSTSEC-2022-0013 and CVE-2022-24713 (the crate regex: empty
//! parts repeated without end).
//!
//! The attack: a header of a few hundred bytes against a pattern with nested repetitions: an engine that tries all ways needs longer than there is time. Or
//! a pattern that is small as a text, and fills the memory when compiled.
//!
//! Ours: no engine that goes back, sizes bounded when built: `src/rule/pattern/regex.rs` I1 I2 (`texts_made_for_it_take_no_longer`),
//! `src/rule/index/mod.rs` I3 I4, `tests/guarantees/rules.rs`. That costs are linear is counted in instructions by `benches/linear.sh`, for n, 2n and 4n.
//! Here nothing is timed: with an engine that goes back, the first test would never end.
//!
//! Shown to fail, tests counted from above:
//! - `src/rule/pattern/regex.rs`, `LARGEST` made 8 MiB, and `DEEPEST` 250: test 2;
//! - there is no engine that goes back to be switched on: test 1 is there for the day when one is.

use portcullis::{Gate, Request, Timestamp};

use crate::support::{client, gate, refused};

const NOW: Timestamp = Timestamp::from_secs(1);

fn rule(when: &str) -> String {
    format!("[[rule]]\nname = \"r\"\nwhen = '''{when}'''\nthen = \"deny\"\n")
}

/// Each with a text that never matches, and one that does.
#[test]
fn patterns_that_others_take_forever_for_are_over_at_the_end_of_the_text() {
    let a = "a".repeat(8_000);
    let blank = format!("x{}", " ".repeat(8_000));
    let equals = "=".repeat(8_000);
    for (pattern, never, matches) in [
        ("^(a+)+$", format!("{a}!"), a.clone()),
        ("^(a|a)*$", format!("{a}!"), a.clone()),
        ("^(a*)*b$", a.clone(), format!("{a}b")),
        ("^(.*a){12}b$", a.clone(), format!("{a}b")),
        ("(.*)*(.*)*(.*)*x$", a.clone(), format!("{a}x")),
        ("^(([a-z])+.)+[A-Z]([a-z])+$", a.clone(), "abcAbc".to_owned()),
        ("\\s+$", format!("{blank}x"), blank.clone()),
        (".*.*=.*;", equals.clone(), format!("{equals};")),
        ("^(a?){64}a{64}$", "a".repeat(63), "a".repeat(100)),
    ] {
        let gate = gate(&rule(&format!("header[\"x\"] matches r#\"{pattern}\"#")));
        let ask =
            |text: &str| refused(&gate, &Request::new(client(1)).header("x", text), NOW).is_some();
        assert!(!ask(&never), "{pattern}");
        assert!(ask(&matches), "{pattern}");
    }
    let stars = gate(&rule("header[\"x\"] wildcard \"*a*a*a*a*a*a*a*b\""));
    let ask =
        |text: &str| refused(&stars, &Request::new(client(1)).header("x", text), NOW).is_some();
    assert!(!ask(&a) && ask(&format!("{a}b")));
}

/// Small texts that would be large, and deep ones: an error, at the pattern, when the gate is built.
#[test]
fn patterns_that_would_be_large_are_refused_where_they_stand() {
    for pattern in [
        "((((a{100}){100}){100}){100}){100}".to_owned(),
        "(?:){4294967295}".to_owned(),
        "(?:){64}{64}{64}{64}{64}{64}".to_owned(),
        "x{100000}".to_owned(),
        "[a-z]{12000}".to_owned(),
        "(a{200}b{200}){200}".to_owned(),
        "(".repeat(80) + "a" + &")".repeat(80),
        "(".repeat(5_000),
        "(?:a?){2000}".repeat(9),
        // What would have to go back.
        r"(a)\1".to_owned(),
        "(?=a)b".to_owned(),
    ] {
        let shown = &pattern[..pattern.len().min(40)];
        // Nothing repeated is nothing, however often: it may be taken, as long as it is small.
        let built = Gate::from_toml(&rule(&format!("path matches r#\"{pattern}\"#")));
        match built {
            Ok(gate) => {
                assert!(shown.starts_with("(?:){"), "{shown}");
                assert!(gate.memory_bytes() < 4 << 20, "{shown}: {} bytes", gate.memory_bytes());
            }
            Err(mistakes) => {
                assert!(mistakes.to_string().contains("--> 3:"), "{shown}: {mistakes}")
            }
        }
    }
}

/// At the bounds of the language, and one beyond.
#[test]
fn conditions_are_bounded_in_every_direction() {
    let comparisons = |n| rule(&vec!["path eq \"/x\""; n].join(" or "));
    let many = |n| rule(&vec!["tls"; n].join(" or "));
    let deep = |n| rule(&format!("{}tls{}", "(".repeat(n), ")".repeat(n)));
    let nots = |n| rule(&format!("{}tls", "not ".repeat(n)));
    let stars = |n: usize| rule(&format!("path wildcard \"{}\"", "*a".repeat(n)));
    for (fits, is_too_much) in [
        (many(2_000), many(4_097)),
        (comparisons(500), comparisons(5_000)),
        (deep(50), deep(70)),
        (nots(50), nots(100_000)),
        (stars(8), stars(9)),
    ] {
        assert!(Gate::from_toml(&fits).is_ok(), "{}", &fits[..80]);
        assert!(Gate::from_toml(&is_too_much).is_err(), "{}", &is_too_much[..80]);
    }
}

/// Ten thousand rules, each with a pattern of its own: all of them are asked by a request, which ends.
#[test]
fn very_many_rules_are_asked_and_the_last_one_is_found() {
    let mut text = String::new();
    for nth in 0..2_000 {
        text += &rule(&format!("path contains \"/needle{nth}/\""))
            .replace("\"r\"", &format!("\"r{nth}\""));
    }
    let gate = gate(&text);
    let hay = "/needle".repeat(1_100);
    let ask = |target: &str| {
        refused(&gate, &Request::new(client(1)).target(target), NOW)
            .map(|denial| denial.name().to_owned())
    };
    assert_eq!(ask(&hay), None);
    assert_eq!(ask(&format!("{hay}/needle1999/")).as_deref(), Some("r1999"));
}
