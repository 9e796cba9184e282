//! What people see of a gate: that it is what it does, bounded, and changed by nobody's looking.

use core::time::Duration;
use std::{
    format,
    net::{IpAddr, Ipv4Addr},
    string::ToString as _,
    vec::Vec,
};

use ipnet::IpNet;

use super::{MOST_BANS, MOST_TALKERS};
use crate::{
    CidrSet, Defence, Gate, LimitRule, Mode, Posture, Quota, Request, Then, Timestamp,
    gate::{RuleKind, Stage},
    rule::{Action, Ban, Class, Rule, RuleMode, Scheme, Skip, Type},
};

const NOW: Timestamp = Timestamp::from_secs(1);

fn ask(gate: &Gate, client: u32, target: &str, now: Timestamp) -> bool {
    let client = IpAddr::V4(Ipv4Addr::from(client));
    let request = Request::new(client).method("GET").target(target);
    gate.check(&request, now).into_result().is_ok()
}

#[test]
fn rules_and_limits_are_told_in_words() {
    let scheme = Scheme::new().list("office", Type::Ip);
    let rule = |name: &str, when: &str, action: Action| {
        Rule::new(name, scheme.parse(when).unwrap()).then(action)
    };
    let quarter = Ban::new(Duration::from_secs(900));
    let gate = Gate::builder()
        .group("crawlers", RuleMode::Shadow)
        .rule(rule("a", r#"path eq "/.env""#, Action::Deny { status: 404 }))
        .rule(rule("b", r#"path eq "/x""#, Action::Ban(quarter.escalate(4))).group("crawlers"))
        .rule(
            rule("c", "ip.src in $office", Action::Skip(Skip::Limits))
                .then(Action::Tag("bot".into()))
                .then(Action::Score(-3))
                .then(Action::Class(Class::CriticalPlus)),
        )
        .list("office", "192.0.2.0/24".parse::<CidrSet>().unwrap())
        .limit("per client", Quota::per_minute(100).burst(20))
        .limit_rule(
            LimitRule::new("logins", Quota::per_minute(5))
                .when(scheme.parse(r#"path eq "/login""#).unwrap())
                .count_if(scheme.parse_response("status in {401 403}").unwrap())
                .then(Then::Ban(quarter)),
        )
        .limit_rule(LimitRule::in_flight("all", 500).by([]))
        .build()
        .unwrap();
    let status = gate.status(NOW);
    let own = status.rules.iter().filter(|rule| rule.kind == RuleKind::Own).count();
    let told: Vec<_> = status.rules.iter().skip(own).collect();
    let told: Vec<_> = told
        .iter()
        .map(|rule| (&*rule.name, &*rule.condition, &*rule.actions, rule.mode))
        .collect();
    let (deny, ban) = ("deny 404", "ban 15m, 4 times as long each time, up to 1d");
    let rest = "skip limits; tag bot; score -3; class critical_plus";
    assert_eq!(
        told,
        [
            ("a", r#"path eq "/.env""#, deny, RuleMode::Enforce),
            ("b", r#"path eq "/x""#, ban, RuleMode::Shadow),
            ("c", "ip.src in $office", rest, RuleMode::Enforce),
        ]
    );
    let limits: Vec<_> = status
        .limits
        .iter()
        .map(|limit| (&*limit.name, &*limit.bound, &*limit.by, &*limit.condition, &*limit.words))
        .collect();
    let counts = "counts responses with status in {401 403}; ban 15m";
    assert_eq!(
        limits,
        [
            ("per client", "100/min burst 20", "client", "", ""),
            ("logins", "5/min", "client", r#"path eq "/login""#, counts),
            ("all", "500 in flight", "", "", ""),
        ]
    );
    assert_eq!((status.lists[0].name.as_str(), status.lists[0].entries), ("office", 1));
    assert!(status.defence.is_none() && status.candidate.is_none() && status.fleet.is_none());
}

/// I1.
#[test]
fn looking_changes_nothing() {
    let gate = Gate::builder()
        .limit("per client", Quota::per_hour(3))
        .defence(Defence::up_to(Posture::Defend))
        .build()
        .unwrap();
    assert!(ask(&gate, 1, "/", NOW));
    let first = format!("{:?}", gate.status(NOW));
    assert_eq!(format!("{:?}", gate.status(NOW)), first);
    assert!(ask(&gate, 1, "/", NOW) && ask(&gate, 1, "/", NOW) && !ask(&gate, 1, "/", NOW));
    let status = gate.status(NOW);
    assert_eq!((status.counts.checked, status.counts.denied), (4, 1));
    assert_eq!((status.limits[0].denied, status.limits[0].keys), (1, Some(1)));
    let limits = status.stages.iter().find(|stage| stage.stage == Stage::Limits).unwrap();
    assert_eq!(limits.denied, 1);
    assert!(status.stages.iter().all(|stage| stage.stage != Stage::Exempt));
}

/// I2.
#[test]
fn of_many_bans_those_that_last_longest_are_told() {
    let gate = Gate::builder().mode(Mode::Observe).bans(1_000).build().unwrap();
    for number in 0..1_000_u32 {
        let net = IpNet::from(IpAddr::V4(Ipv4Addr::from(number)));
        gate.bans().add(net, Duration::from_secs(u64::from(number) + 10), "report", NOW);
    }
    let later = NOW.saturating_add(Duration::from_secs(20));
    let status = gate.status(later);
    // Those of 10 to 20 seconds have ended.
    assert_eq!((status.bans.len(), status.bans_in_force), (MOST_BANS, 989));
    assert_eq!(status.bans[0].net.unwrap().to_string(), "0.0.3.231/32");
    assert_eq!((status.bans[0].remaining, &*status.bans[0].reason), (989.0, "report"));
}

/// The busiest clients, what they ask for, and where they stand.
#[test]
#[cfg_attr(miri, ignore = "a site's requests for minutes")]
fn who_asks_for_most_is_told_with_its_standing() {
    let gate = Gate::builder()
        .limit("per client", Quota::per_minute(600))
        .limit_rule(LimitRule::new("everybody", Quota::per_second(100_000)).by([]))
        .defence(Defence::up_to(Posture::Elevated))
        .build()
        .unwrap();
    let mut now = NOW;
    // One asks for 400 a second, a hundred others for 4 a second each.
    for step in 0..8_000_u32 {
        let client = if step % 2 == 0 { 0x0a00_0001 } else { 0x0b00_0000 + step % 199 };
        ask(&gate, client, "/", now);
        now = now.saturating_add(Duration::from_micros(1_250));
    }
    gate.tick(now);
    let defence = gate.status(now).defence.unwrap();
    let first = &defence.talkers[0];
    assert_eq!(first.client.to_string(), "10.0.0.1");
    assert_eq!(first.net.to_string(), "10.0.0.1/32");
    // Of a half of the requests that 10 seconds of half-life see after 10 seconds: it is an estimate of 400.
    assert!((150.0..=600.0).contains(&first.rate), "{}", first.rate);
    let standing = &first.standings[0];
    assert_eq!((&*standing.limit, standing.of), ("per client", 600));
    assert!(standing.remaining <= 1, "{standing:?}");
    assert_eq!(first.standings.len(), 1, "what everybody shares is nobody's standing");
    assert!(defence.talkers.len() <= MOST_TALKERS && defence.talkers.len() > 2);
    assert!(defence.talkers.windows(2).all(|two| two[0].rate >= two[1].rate), "{defence:?}");
}

/// Events are seen whether somebody has read them or not, and reading them still gives all.
#[test]
fn events_are_seen_and_stay() {
    let gate = Gate::builder().defence(Defence::up_to(Posture::Defend)).build().unwrap();
    gate.defence().force(Posture::Defend, Duration::from_secs(60), NOW);
    let seen = gate.status(NOW).defence.unwrap();
    assert_eq!((seen.posture, seen.is_incident), (Posture::Defend, true));
    assert!(!seen.events.is_empty());
    assert_eq!(gate.events(), seen.events);
    assert_eq!(gate.status(NOW).defence.unwrap().events, seen.events);
}

#[cfg(feature = "serde")]
#[test]
fn it_goes_into_json() {
    let gate = Gate::builder()
        .limit("per client", Quota::per_minute(5))
        .defence(Defence::up_to(Posture::Defend))
        .build()
        .unwrap();
    gate.bans().add("192.0.2.0/24".parse().unwrap(), Duration::from_secs(60), "why", NOW);
    let json = serde_json::to_value(gate.status(NOW)).unwrap();
    assert_eq!(json["seconds"], 1.0);
    assert_eq!(json["mode"], "enforce");
    assert_eq!(json["bans"][0]["net"], "192.0.2.0/24");
    assert_eq!(json["stages"][0]["stage"], "client");
    assert_eq!(json["limits"][0]["bound"], "5/min");
    assert_eq!(json["limits"][0]["mode"], "enforce");
    assert_eq!(json["rules"][0]["kind"], "own");
    assert_eq!(json["defence"]["posture"], "normal");
    assert_eq!(json["candidate"], serde_json::Value::Null);
}

/// Who looks waits for nobody who changes the gate: a reload may take a while.
#[test]
fn a_change_that_is_being_made_keeps_nobody_from_looking() {
    let gate = Gate::builder().limit("per client", Quota::per_hour(3)).build().unwrap();
    let changing = gate.0.writer.lock();
    let status = gate.status(NOW);
    assert_eq!(status.limits[0].bound, "3/hour");
    assert!(!gate.open_metrics(NOW).is_empty() && gate.memory_bytes() > 0);
    drop(changing);
}
