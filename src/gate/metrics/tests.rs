//! Numbers for other tools: what they are, and that clients have no say in their labels.

use std::{
    collections::BTreeSet,
    format,
    net::{IpAddr, Ipv4Addr},
    string::{String, ToString as _},
    vec::Vec,
};

use super::{MetricKind, MetricValue};
use crate::{
    CidrSet, Defence, Gate, LimitRule, Mode, Outcome, Posture, Quota, Request, Timestamp,
    rule::{Action, Rule, RuleMode, Scheme},
    test_support::rounds,
};

const NOW: Timestamp = Timestamp::from_secs(1);

/// Rules, limits, lists and a defence, each with something to count.
fn gate() -> Gate {
    let scheme = Scheme::new();
    let when = |text: &str| scheme.parse(text).unwrap();
    Gate::builder()
        .exempt("192.0.2.1".parse().unwrap())
        .deny("198.51.100.0/24".parse().unwrap())
        .allow("198.51.100.7".parse().unwrap())
        .list("blocked", "203.0.113.0/24\n2001:db8::/32".parse::<CidrSet>().unwrap())
        .rule(
            Rule::new("a \u{7e} {b}", when(r#"path eq "/.env""#))
                .then(Action::Deny { status: 403 }),
        )
        .rule(
            Rule::new("watched", when(r#"path eq "/w""#))
                .then(Action::Deny { status: 403 })
                .mode(RuleMode::Shadow),
        )
        .limit("per client", Quota::per_hour(2))
        .limit_rule(LimitRule::in_flight("places", 50))
        .limit_rule(LimitRule::in_flight("all places", 500).by([]))
        .defence(Defence::up_to(Posture::Defend))
        .build()
        .unwrap()
}

fn ask(gate: &Gate, client: [u8; 4], target: &str) -> bool {
    let request = Request::new(IpAddr::V4(Ipv4Addr::from(client))).method("GET").target(target);
    match gate.check(&request, NOW).into_result() {
        Ok(admission) => {
            gate.finish(admission, Outcome::status(200), NOW);
            true
        }
        Err(_) => false,
    }
}

/// Each sample's name and labels.
fn series(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0.to_string()).collect()
}

fn line_of<'a>(text: &'a str, series: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {series} in\n{text}"))
}

#[test]
fn what_happens_is_counted_under_its_name() {
    let gate = gate();
    assert!(ask(&gate, [192, 0, 2, 1], "/.env"), "exempt");
    assert!(!ask(&gate, [198, 51, 100, 1], "/"));
    assert!(ask(&gate, [198, 51, 100, 7], "/"));
    assert!(!ask(&gate, [10, 0, 0, 1], "/.env"));
    assert!(ask(&gate, [10, 0, 0, 1], "/w"));
    assert!(ask(&gate, [10, 0, 0, 1], "/"));
    assert!(!ask(&gate, [10, 0, 0, 1], "/"));
    let text = gate.open_metrics(NOW);
    for (series, value) in [
        ("portcullis_requests_total{outcome=\"admitted\"}", "4"),
        ("portcullis_requests_total{outcome=\"denied\"}", "3"),
        ("portcullis_exempted_requests_total", "1"),
        ("portcullis_allowed_requests_total", "1"),
        ("portcullis_finished_requests_total{class=\"2xx\"}", "4"),
        ("portcullis_rule_matches_total{rule=\"a ~ {b}\",kind=\"rule\"}", "1"),
        ("portcullis_rule_matches_total{rule=\"watched\",kind=\"rule\"}", "1"),
        ("portcullis_rule_shadow_matches_total{rule=\"watched\",kind=\"rule\"}", "1"),
        (
            "portcullis_denials_total{rule=\"watched\",kind=\"rule\",stage=\"rules\",effect=\"shadow\"}",
            "1",
        ),
        (
            "portcullis_denials_total{rule=\"per client\",kind=\"limit\",stage=\"limits\",effect=\"enforced\"}",
            "1",
        ),
        (
            "portcullis_denials_total{rule=\"deny list\",kind=\"own\",stage=\"lists\",effect=\"enforced\"}",
            "1",
        ),
        ("portcullis_limit_keys{limit=\"per client\"}", "2"),
        ("portcullis_limit_keys{limit=\"places\"}", "0"),
        ("portcullis_limit_in_flight{limit=\"all places\"}", "0"),
        ("portcullis_list_entries{list=\"blocked\"}", "2"),
        ("portcullis_mode{portcullis_mode=\"enforce\"}", "1"),
        ("portcullis_mode{portcullis_mode=\"off\"}", "0"),
        ("portcullis_posture{portcullis_posture=\"normal\"}", "1"),
        ("portcullis_bans", "0"),
        ("portcullis_bans_room", "10000"),
    ] {
        assert_eq!(line_of(&text, series), value, "{series}");
    }
    let memory: usize = line_of(&text, "portcullis_memory_bytes").parse().unwrap();
    assert_eq!(memory, gate.memory_bytes());
}

/// A request in flight is seen as long as it is.
#[test]
fn places_in_flight_are_seen() {
    let gate = gate();
    let request = Request::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))).method("GET").target("/");
    let admission = gate.check(&request, NOW).into_result().unwrap();
    let text = gate.open_metrics(NOW);
    assert_eq!(line_of(&text, "portcullis_limit_in_flight{limit=\"all places\"}"), "1");
    assert_eq!(line_of(&text, "portcullis_limit_keys{limit=\"places\"}"), "1");
    drop(admission);
    let text = gate.open_metrics(NOW);
    assert_eq!(line_of(&text, "portcullis_limit_keys{limit=\"places\"}"), "0");
}

/// I1.
#[test]
fn clients_have_no_say_in_labels() {
    let (quiet, busy) = (gate(), gate());
    ask(&quiet, [10, 0, 0, 1], "/");
    for client in 0..rounds(2_000_u32, 50) {
        let [_, a, b, c] = client.wrapping_mul(7_919).to_be_bytes();
        let target = format!("/{client}\"\\\n{{}}?q=<script>");
        ask(&busy, [10, a, b, c], &target);
    }
    let (quiet, busy) = (quiet.open_metrics(NOW), busy.open_metrics(NOW));
    assert_eq!(series(&quiet), series(&busy));
    assert!(!busy.contains("script") && !busy.contains("10."), "{busy}");
}

/// I2.
#[test]
fn families_are_whole_and_series_are_told_once() {
    let gate = gate();
    let mut names: Vec<&str> = Vec::new();
    let mut all: Vec<String> = Vec::new();
    gate.metrics(NOW).each(&mut |family, labels, value| {
        if names.last() != Some(&family.name) {
            names.push(family.name);
        }
        assert_eq!(
            matches!(value, MetricValue::Count(_)),
            family.kind == MetricKind::Counter,
            "{family:?}"
        );
        assert!(family.unit.is_none_or(|unit| family.name.ends_with(&format!("_{unit}"))));
        assert!(family.help.ends_with('.') && !family.help.contains(['\n', '\\', '"']));
        all.push(format!("{} {labels:?}", family.name));
    });
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    let text = gate.open_metrics(NOW);
    assert_eq!(series(&text).len(), all.len());
    assert_eq!(text.matches("# TYPE ").count(), names.len());
    assert_eq!(text.lines().last(), Some("# EOF"));
}

/// I3.
#[test]
fn what_is_not_there_is_not_told() {
    let gate = Gate::builder().mode(Mode::Observe).build().unwrap();
    let text = gate.open_metrics(NOW);
    for absent in ["posture", "fleet", "limit_", "list_", "candidate"] {
        assert!(!text.contains(&format!("portcullis_{absent}")), "{absent}");
    }
    assert_eq!(line_of(&text, "portcullis_mode{portcullis_mode=\"observe\"}"), "1");
}

/// A count that went back would look like a service that has started anew.
#[test]
fn what_a_reload_takes_away_stays_counted() {
    let gate = gate();
    ask(&gate, [10, 0, 0, 1], "/.env");
    gate.reload_with(Gate::builder(), NOW).unwrap();
    assert!(gate.reload_with(Gate::builder().limit("", Quota::per_hour(1)), NOW).is_err());
    let text = gate.open_metrics(NOW);
    assert_eq!(line_of(&text, "portcullis_requests_total{outcome=\"denied\"}"), "1");
    assert!(!text.contains("a ~ {b}"));
    assert_eq!(line_of(&text, "portcullis_reloads_total{outcome=\"done\"}"), "1");
    assert_eq!(line_of(&text, "portcullis_reloads_total{outcome=\"refused\"}"), "1");
}
