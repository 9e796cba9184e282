use std::time::Duration;

use portcullis::{Mode, Timestamp};

use super::{Batch, LONGEST_ALARM, LONGEST_PAUSE, Side};
use crate::replay::common;

/// Seconds after the beginning, client, target, status, and what it took.
type Asked<'a> = (u64, u8, &'a str, u16, &'a str);

/// Plays lines at times; which of them were refused, by whom.
fn play(toml: &str, asked: &[Asked<'_>]) -> (Vec<Option<String>>, Side) {
    let mut side = Side::from_toml(toml, 1).unwrap();
    let mut refused = Vec::new();
    for (second, client, target, status, took) in asked {
        let mut batch = Batch::default();
        let line = format!(
            "192.0.2.{client} - - [17/May/2015:10:05:03 +0000] \"GET {target} HTTP/1.1\" {status} 5 \"-\" \"-\" {took}"
        );
        common::parse(line.as_bytes(), &mut batch).unwrap();
        let now = Timestamp::from_secs(1_000 + second);
        let denial = side.play(&batch, &batch.records()[0], now);
        refused.push(denial.map(|denial| denial.name().to_string()));
    }
    side.end();
    (refused, side)
}

fn by(name: &str) -> Option<String> {
    Some(name.into())
}

#[test]
fn a_limit_that_counts_answers_is_told_of_them_and_bans() {
    let toml = r#"
        [[limit]]
        name = "not found"
        quota = "2/min"
        count_if = 'status eq 404'
        then = { ban = "10m" }
    "#;
    let (refused, side) = play(
        toml,
        &[
            (0, 1, "/a", 404, ""),
            (1, 1, "/", 200, ""),
            (1, 1, "/", 200, ""),
            (2, 1, "/b", 404, ""),
            (3, 2, "/b", 404, ""),
            (4, 1, "/c", 404, ""),
            (5, 1, "/", 200, ""),
            (700, 1, "/", 200, ""),
        ],
    );
    let (limit, ban) = (by("not found"), by("bans"));
    assert_eq!(refused, [None, None, None, None, None, limit, ban, None]);
    assert_eq!((side.tally.bans(), side.tally.served_and_refused()), (1, 1));
    assert_eq!(side.tally.by.all().len(), 2, "what the limit refuses, and what its ban does");
}

#[test]
fn requests_are_in_flight_for_as_long_as_the_log_says() {
    let toml = "[[limit]]\nname = \"in flight\"\nin_flight = 1\n";
    let (refused, side) = play(
        toml,
        &[
            (0, 1, "/", 200, "2.500"),
            (1, 1, "/", 200, "0.100"),
            (2, 2, "/", 200, "0.100"),
            (3, 1, "/", 200, ""),
        ],
    );
    assert_eq!(refused, [None, by("in flight"), None, None]);
    assert_eq!(side.longest, Some(Duration::from_millis(2_500)));
    assert!(side.in_flight.is_empty());
}

#[test]
fn what_only_observes_is_played_as_if_it_were_live_and_shadows_stay_shadows() {
    let toml = r#"
        mode = "observe"
        [[rule]]
        name = "live"
        when = 'path eq "/live"'
        then = "deny"
        [[rule]]
        name = "in shadow"
        when = 'path starts_with "/"'
        then = "deny"
        mode = "shadow"
    "#;
    let (refused, side) = play(toml, &[(0, 1, "/live", 200, ""), (0, 1, "/", 200, "")]);
    assert_eq!(refused, [by("live"), None]);
    assert_eq!((side.mode, side.gate().mode()), (Mode::Observe, Mode::Enforce));
    assert_eq!(side.tally.in_shadow, 1);
    assert_eq!(side.tally.shadow.all()[0].name, "in shadow");
}

#[test]
fn a_long_pause_is_gone_through_in_steps() {
    let pause = 3 * 86_400;
    let toml = "[defence]\nauto = \"elevated\"\n";
    let (refused, side) = play(
        toml,
        &[(0, 1, "/", 200, ""), (pause, 1, "/", 200, ""), (pause + LONGEST_ALARM, 1, "/", 200, "")],
    );
    assert_eq!(refused, [None, None, None]);
    assert_eq!(side.ticked, Some(1_000 + pause + LONGEST_ALARM + 60));
}

/// Seconds of a pause that a calm gate is told: two, then each minute of the first hour, then each hour.
fn told_of_a_pause(seconds: u64) -> u64 {
    let minutes = (LONGEST_ALARM - 2).div_ceil(60);
    2 + minutes + (seconds - 2 - minutes * 60).div_ceil(3_600)
}

#[test]
fn a_pause_of_months_is_jumped() {
    let toml = "[defence]\nauto = \"elevated\"\n";
    // A minute at the end is two seconds, and then the rest of it.
    let end = 3;
    let (_, side) = play(toml, &[(0, 1, "/", 200, ""), (LONGEST_PAUSE, 1, "/", 200, "")]);
    assert_eq!(side.ticks, told_of_a_pause(LONGEST_PAUSE) + end);
    for second in [LONGEST_PAUSE + 1, 18_000_000_000] {
        let (_, side) = play(toml, &[(0, 1, "/", 200, ""), (second, 1, "/", 200, "")]);
        assert_eq!((side.ticks, side.ticked), (1 + end, Some(1_000 + second + 60)));
    }
}

#[test]
fn a_request_that_never_ends_ends() {
    let toml = "[defence]\nauto = \"elevated\"\n";
    let (_, side) = play(toml, &[(0, 1, "/", 200, "18446744073709551615ms")]);
    assert_eq!(side.longest, Some(Duration::from_millis(u64::MAX)));
    assert_eq!((side.ticks, side.in_flight.len()), (1, 0));
    let (_, side) = play(toml, &[(0, 1, "/", 200, "7776000000ms"), (1, 1, "/", 200, "")]);
    assert_eq!(side.ticks, 1 + 1 + 3, "the second line, ninety days later, and a minute");
}

#[test]
fn limits_of_a_fleet_have_their_whole_quota_at_this_gate() {
    let asked: Vec<Asked<'_>> = (0..6).map(|_| (0, 1, "/", 200, "")).collect();
    for fail in ["local", "open", "closed"] {
        let toml = format!(
            "[fleet]\nnodes = 4\n[[limit]]\nname = \"all\"\nquota = \"4/hour\"\nscope = \"fleet\"\nfail = \"{fail}\"\n"
        );
        let (refused, side) = play(&toml, &asked);
        let all = by("all");
        assert_eq!(refused, [None, None, None, None, all.clone(), all], "fail = {fail}");
        assert!(side.was_of_fleet);
    }
    let (_, side) = play("[[limit]]\nname = \"a\"\nquota = \"4/hour\"\nscope = \"gate\"\n", &[]);
    assert!(!side.was_of_fleet);
    let error =
        Side::from_toml("\n[[limit]]\nname = \"a\"\nquota = \"4/x\"\nscope = \"fleet\"\n", 1);
    assert!(error.unwrap_err().to_string().contains("4:"), "mistakes have their places");
}
