//! A candidate beside the live rules.

use core::net::IpAddr;
use std::{format, string::String, thread, vec::Vec};

use super::{
    NOW, address,
    rules::{ask, rule},
};
use crate::{
    cidr::CidrSet,
    gate::Gate,
    request::Request,
    rule::{Action, RuleMode},
    test_support::rounds,
};

const DENY: Action = Action::Deny { status: 403 };

/// I1 and I2 of candidates.
#[test]
fn a_candidate_is_compared_and_changes_nothing() {
    let gate = Gate::builder()
        .rule(rule("live a", r#"path eq "/a""#, [DENY]))
        .rule(rule("live b", r#"path eq "/b""#, [DENY]))
        .rule(rule("untagged", r#"tag["t"] or score gt 0"#, [DENY]))
        .exempt("198.51.100.1".parse().unwrap())
        .build()
        .unwrap();
    assert!(gate.candidate_report().is_none());
    gate.set_candidate([
        rule("marks", "true", [Action::Tag("t".into()), Action::Score(1)]),
        rule("would b", r#"path in {"/b" "/c"} and tag["t"]"#, [DENY]),
        rule("staged", "true", [DENY]).mode(RuleMode::Shadow),
    ])
    .unwrap();
    let long = format!("/c{}", "x".repeat(200));
    for (target, passes) in [("/", true), ("/a", false), ("/b", false), ("/c", true), (&long, true)]
    {
        assert_eq!(ask(&gate, "192.0.2.1", target).is_admitted(), passes, "{target}");
    }
    assert!(ask(&gate, "198.51.100.1", "/c").is_admitted(), "exempt, and not compared");
    let report = gate.candidate_report().unwrap();
    assert_eq!((report.agree(), report.would_deny(), report.would_allow()), (3, 1, 1));
    let samples: Vec<_> = report
        .samples()
        .iter()
        .map(|sample| (sample.live(), sample.candidate(), sample.client(), sample.path()))
        .collect();
    let client = Some(address("192.0.2.1"));
    assert_eq!(
        samples,
        [(Some("live a"), None, client, "/a"), (None, Some("would b"), client, "/c")]
    );
    assert!(gate.stats().rule("would b").is_none());
    assert_eq!(gate.stats().would_deny(), 0);

    gate.clear_candidate();
    assert!(gate.candidate_report().is_none());
}

#[test]
fn samples_are_few_and_short() {
    let each = rounds(500, 6);
    let gate = Gate::builder().build().unwrap();
    gate.set_candidate([rule("all", "true", [DENY])]).unwrap();
    let path = format!("/{}\u{fc}", "p".repeat(62));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..each).for_each(|_| drop(ask(&gate, "2001:db8::1:2:3:4", &path))));
        }
    });
    let report = gate.candidate_report().unwrap();
    assert_eq!((report.would_deny(), report.samples().len()), (4 * each, rounds(100, 24)));
    let sample = &report.samples()[0];
    assert_eq!(sample.client(), Some("2001:db8::".parse::<IpAddr>().unwrap()), "a network");
    assert!(sample.path().len() <= 66 && sample.path().starts_with("/ppp"), "{}", sample.path());
}

#[test]
fn a_candidate_sees_lists_as_they_are_and_ends_with_a_reload() {
    let gate = Gate::builder().list("listed", CidrSet::new()).build().unwrap();
    let listed = || rule("listed", "ip.src in $listed", [DENY]);
    gate.set_candidate([listed()]).unwrap();
    gate.lists().replace("listed", "192.0.2.1".parse::<CidrSet>().unwrap()).unwrap();
    assert!(ask(&gate, "192.0.2.1", "/").is_admitted());
    assert!(gate.check(&Request::new(None), NOW).is_admitted());
    let report = gate.candidate_report().unwrap();
    assert_eq!((report.agree(), report.would_deny()), (1, 1));
    gate.reload_with(Gate::builder(), NOW).unwrap();
    assert!(gate.candidate_report().is_none());
    let error = gate.set_candidate([listed()]).unwrap_err();
    assert!(String::from(&*format!("{error}")).contains("$listed"));
    assert!(gate.candidate_report().is_none());
}
