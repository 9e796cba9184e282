//! Rules in a gate: their order, what they do, and how far they go.

use std::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use super::{NOW, address, list};
use crate::{
    cidr::CidrSet,
    error::BuildProblem,
    gate::{Gate, GateBuilder, Mode, Outcome},
    limit::Share,
    quota::Quota,
    request::Request,
    rule::{Action, Ban, Class, Rule, RuleMode, Scheme, Skip, Type},
    verdict::{DenialReason, Verdict},
};
use core::time::Duration;

const DENY: Action = Action::Deny { status: 403 };
const ALLOW: Action = Action::Allow { bypass_limits: false, bypass_shedding: false };

/// A rule whose condition is a text.
pub(super) fn rule(name: &str, when: &str, then: impl IntoIterator<Item = Action>) -> Rule {
    let scheme = Scheme::new().list("listed", Type::Ip).list("paths", Type::Bytes);
    let when = scheme.parse(when).unwrap_or_else(|error| panic!("{when}: {error}"));
    then.into_iter().fold(Rule::new(name, when), Rule::then)
}

fn gate(rules: impl IntoIterator<Item = Rule>) -> GateBuilder {
    rules.into_iter().fold(Gate::builder(), GateBuilder::rule)
}

pub(super) fn ask(gate: &Gate, peer: &str, target: &str) -> Verdict {
    gate.check(&Request::new(address(peer)).method("GET").target(target), NOW)
}

/// Who denies, if anybody.
fn denied_by(gate: &Gate, peer: &str, target: &str) -> Option<String> {
    ask(gate, peer, target).into_result().err().map(|denial| String::from(denial.name()))
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(String::from).collect()
}

/// I1 of the pipeline: each stage before the next.
#[test]
fn rules_are_asked_after_lists_and_before_limits() {
    let gate = gate([
        rule("no admin", r#"path eq "/admin""#, [DENY]),
        rule("allowed", r#"path eq "/open""#, [ALLOW]),
        rule(
            "unlimited",
            r#"path eq "/free""#,
            [Action::Allow { bypass_limits: true, bypass_shedding: false }],
        ),
    ])
    .exempt(list("192.0.2.1"))
    .allow(list("192.0.2.2"))
    .deny(list("192.0.2.0/28"))
    .limit("per client", Quota::per_hour(1))
    .build()
    .unwrap();
    for _ in 0..3 {
        assert_eq!(denied_by(&gate, "192.0.2.1", "/admin"), None, "exempt from rules");
        assert_eq!(denied_by(&gate, "192.0.2.3", "/admin").as_deref(), Some("deny list"));
        assert_eq!(denied_by(&gate, "192.0.2.2", "/admin").as_deref(), Some("no admin"));
        assert_eq!(denied_by(&gate, "192.0.2.2", "/free"), None);
    }
    assert_eq!(denied_by(&gate, "192.0.2.2", "/open"), None, "rules took nothing from the limit");
    assert_eq!(denied_by(&gate, "192.0.2.2", "/open").as_deref(), Some("per client"));
    let denial = ask(&gate, "198.51.100.1", "/admin").into_result().unwrap_err();
    assert_eq!((denial.reason(), denial.status()), (DenialReason::Rule, 403));
    assert_eq!((denial.retry_after(), denial.standing()), (None, None));
    let stats = gate.stats();
    let counts = |name| {
        let rule = stats.rule(name).unwrap();
        (rule.matched(), rule.enforced(), rule.denied(), rule.would_deny())
    };
    assert_eq!(counts("no admin"), (4, 4, 4, 0));
    assert_eq!(counts("unlimited"), (3, 3, 0, 0));
    assert_eq!(counts("deny list"), (3, 3, 3, 0));
    let order: Vec<_> = stats.rules().iter().skip(7).map(|rule| rule.name()).collect();
    assert_eq!(order, ["no admin", "allowed", "unlimited", "per client"]);
}

/// I1 of the effects: by priority, then as they were given.
#[test]
fn the_first_that_ends_is_the_last_that_is_asked() {
    let log = |name| rule(name, "true", [Action::Log]);
    let gate = gate([
        log("fourth").priority(7),
        rule("third", r#"path eq "/x""#, [Action::Deny { status: 451 }, Action::Log]).priority(3),
        log("first").priority(-1),
        log("second"),
    ])
    .build()
    .unwrap();
    let verdict = ask(&gate, "192.0.2.1", "/");
    assert_eq!(names(verdict.matched()), ["first", "second", "fourth"]);
    let denial = ask(&gate, "192.0.2.1", "/x").into_result().unwrap_err();
    assert_eq!(names(denial.matched()), ["first", "second", "third"]);
    assert_eq!((denial.name(), denial.status()), ("third", 451));
}

#[test]
fn what_does_not_end_adds_up() {
    let gate = gate([
        rule("odd", r#"path contains "odd""#, [Action::Score(3), Action::Tag("odd".into())]),
        rule(
            "bot",
            r#"query contains "bot""#,
            [Action::Score(4), Action::Tag("bot".into()), Action::Class(Class::Sheddable)],
        ),
        rule("sum", "score ge 7", [Action::Tag("both".into()), Action::Count]),
        rule("tagged", r#"tag["both"] and tag["odd"]"#, [Action::Class(Class::Critical)]),
    ])
    .build()
    .unwrap();
    for (target, tags, class) in [
        ("/", vec![], Class::Default),
        ("/odd", vec!["odd"], Class::Default),
        ("/?bot", vec!["bot"], Class::Sheddable),
        ("/odd?bot", vec!["odd", "bot", "both"], Class::Critical),
    ] {
        let admission = ask(&gate, "192.0.2.1", target).into_result().unwrap();
        assert_eq!((names(admission.tags()), admission.class()), (names(tags.into_iter()), class));
        gate.finish(admission, Outcome::status(200), NOW);
    }
}

#[test]
fn skipping_passes_over_what_it_names() {
    let gate = gate([
        rule("spare", r#"path eq "/g""#, [Action::Skip(Skip::Group("waf".into()))]),
        rule("quick", r#"path eq "/r""#, [Action::Skip(Skip::Rules)]),
        rule("free", r#"path eq "/l""#, [Action::Skip(Skip::Limits)]),
        rule("waf one", "true", [Action::Log]).group("waf"),
        rule("waf two", r#"path in {"/g" "/r" "/w"}"#, [DENY]).group("waf"),
        rule("other", "true", [Action::Log]).group("rest"),
    ])
    .limit("one", Quota::per_hour(1))
    .build()
    .unwrap();
    assert_eq!(denied_by(&gate, "192.0.2.1", "/w").as_deref(), Some("waf two"));
    assert_eq!(names(ask(&gate, "192.0.2.1", "/l").matched()), ["waf one", "other"]);
    let skipped = ask(&gate, "192.0.2.1", "/g");
    assert!(skipped.is_admitted(), "and the limit still has its unit");
    assert_eq!(names(skipped.matched()), ["other"]);
    assert_eq!(denied_by(&gate, "192.0.2.1", "/r").as_deref(), Some("one"), "limits apply");
    assert_eq!(denied_by(&gate, "192.0.2.1", "/l"), None, "unless they are skipped");
    let stats = gate.stats();
    assert_eq!(stats.rule("waf two").unwrap().matched(), 1, "what is skipped is not met");
}

/// I2 of the effects, at the levels of a rule, a group, a share of clients, and the gate.
#[test]
fn shadow_is_counted_and_ends_nothing() {
    let hidden = rule("hidden", "true", [DENY, Action::Tag("t".into()), Action::Score(9)]);
    let levels: [(&str, GateBuilder); 4] = [
        ("rule", gate([hidden.clone().mode(RuleMode::Shadow)])),
        ("group", gate([hidden.clone().group("g")]).group("g", RuleMode::Shadow)),
        ("share", gate([hidden.clone().share(Share::NONE)])),
        (
            "both",
            gate([hidden.clone().mode(RuleMode::Shadow).group("g")]).group("g", RuleMode::Enforce),
        ),
    ];
    for (level, builder) in levels {
        let gate = builder
            .rule(rule("next", r#"score eq 0 and not tag["t"]"#, [Action::Log]))
            .build()
            .unwrap();
        let verdict = ask(&gate, "192.0.2.1", "/");
        assert!(verdict.is_admitted(), "{level}");
        assert_eq!(names(verdict.shadow()), ["hidden"], "{level}");
        assert_eq!(names(verdict.matched()), ["next"], "{level}: no mark is left");
        assert_eq!(names(verdict.tags()), [""; 0]);
        let stats = gate.stats();
        let counts = stats.rule("hidden").unwrap();
        assert_eq!((counts.matched(), counts.enforced(), counts.would_deny()), (1, 0, 1));
        assert_eq!((stats.denied(), stats.would_deny(), stats.admitted()), (0, 1, 1));
    }
    for builder in [
        gate([hidden.clone().mode(RuleMode::Off)]),
        gate([hidden.clone().group("g")]).group("g", RuleMode::Off),
    ] {
        let gate = builder.build().unwrap();
        assert!(ask(&gate, "192.0.2.1", "/").is_admitted());
        assert_eq!(gate.stats().would_deny(), 0, "off is not even evaluated");
    }
    let gate = gate([hidden]).mode(Mode::Observe).build().unwrap();
    let verdict = ask(&gate, "192.0.2.1", "/");
    assert!(verdict.is_admitted());
    assert_eq!(names(verdict.shadow()), ["hidden"]);
    let stats = gate.stats();
    let counts = stats.rule("hidden").unwrap();
    assert_eq!(
        (counts.matched(), counts.enforced(), counts.denied(), counts.would_deny()),
        (1, 0, 0, 1)
    );
}

/// I3 of the effects: a client is in or out, and in of every larger share.
#[test]
fn a_share_of_clients_sees_one_behaviour() {
    let build = |percent| rule("part", "true", [DENY]).share(Share::percent(percent));
    let gate = gate([build(30)]).build().unwrap();
    let passes = |gate: &Gate| -> Vec<bool> {
        (0..250).map(|host| ask(gate, &format!("192.0.2.{host}"), "/").is_admitted()).collect()
    };
    let found = passes(&gate);
    assert_eq!(found, passes(&gate));
    let denied = found.iter().filter(|passes| !**passes).count();
    assert!((40..=115).contains(&denied), "{denied} of 250");
    gate.reload_with(self::gate([build(60)]), NOW).unwrap();
    let more = passes(&gate);
    assert!(found.iter().zip(&more).all(|(before, after)| *before || !*after));
    assert!(more.iter().filter(|passes| !**passes).count() > denied);
}

#[test]
fn a_request_without_a_peer_meets_rules() {
    let gate = gate([
        rule("by path", r#"path eq "/x""#, [DENY]),
        rule("by address", "ip.src in {0.0.0.0/0 ::/0}", [DENY]),
    ])
    .build()
    .unwrap();
    let ask = |target| gate.check(&Request::new(None).target(target), NOW).is_admitted();
    assert!(ask("/") && !ask("/x"));
    assert_eq!(gate.stats().missing_peer(), 2);
}

#[test]
fn mistakes_in_rules_are_told_at_once() {
    let ban = Ban { first: Duration::from_secs(1), escalate: 1, most: Duration::from_secs(1) };
    let error = gate([
        rule("", "true", [DENY]),
        rule("same", "true", [DENY]),
        rule("same", "true", [DENY, Action::Ban(ban)]),
        rule("bans", "true", [Action::Deny { status: 200 }]),
        rule("skips", "true", [Action::Skip(Skip::Group("nobody".into()))]),
    ])
    .limit("same", Quota::per_hour(1))
    .build()
    .unwrap_err();
    let name = String::from;
    assert_eq!(
        error.problems(),
        [
            BuildProblem::RuleName { number: 1, name: name("") },
            BuildProblem::DuplicateRule { number: 3, name: name("same") },
            BuildProblem::RuleEnds { number: 3, name: name("same") },
            BuildProblem::DuplicateRule { number: 4, name: name("bans") },
            BuildProblem::RuleStatus { number: 4, name: name("bans"), status: 200 },
            BuildProblem::UnknownGroup { number: 5, name: name("skips"), group: name("nobody") },
            BuildProblem::DuplicateLimit { number: 1, name: name("same") },
        ]
    );
    let mut many = Gate::builder();
    for at in 0..65 {
        many =
            many.rule(rule(&format!("rule {at}"), "true", [Action::Tag(format!("t{at}").into())]));
    }
    let error = many.build().unwrap_err();
    assert_eq!(
        error.problems(),
        [BuildProblem::TooManyNames { what: "tags", found: 65, most: 64 }]
    );
}

/// A list that a rule names must be there, and hold what the rule asks for.
#[test]
fn lists_that_rules_name_must_be_there() {
    let asks = || gate([rule("listed", "ip.src in $listed", [DENY])]);
    let error = asks().build().unwrap_err();
    assert!(error.to_string().contains("$listed"), "{error}");
    let error = asks().list("listed", crate::rule::NumberSet::default()).build().unwrap_err();
    assert!(error.to_string().contains("$listed"), "{error}");
    assert!(asks().list("listed", CidrSet::new()).build().is_ok());
    assert!(asks().scheme(Scheme::new().list("listed", Type::Ip)).build().is_ok());
}

/// A field that could never be read is a mistake, not a surprise.
#[test]
fn a_field_cannot_have_the_name_or_a_short_form_of_one_that_every_request_has() {
    for name in ["method", "http.host", "ua", "header", "asn", "tls"] {
        let scheme = Scheme::new().field(name, Type::Bytes);
        let refused = Gate::builder().scheme(scheme).build().unwrap_err();
        assert!(refused.to_string().contains(name), "{refused}");
    }
    assert!(Gate::builder().scheme(Scheme::new().field("tenant", Type::Bytes)).build().is_ok());
}

/// A group is skipped whichever rule says so, and what denies nothing denies nothing in shadow either.
#[test]
fn several_rules_skip_one_group_and_shadow_is_of_what_denies() {
    let skip = || Action::Skip(Skip::Group("waf".into()));
    let gate = gate([
        rule("seen", "true", [Action::Log, Action::Tag("t".into())]).mode(RuleMode::Shadow),
        rule("one", r#"path eq "/1""#, [skip()]),
        rule("other", r#"path eq "/2""#, [skip()]),
        rule("waf", "true", [DENY]).group("waf"),
    ])
    .build()
    .unwrap();
    for path in ["/1", "/2"] {
        let verdict = ask(&gate, "192.0.2.1", path);
        assert!(verdict.is_admitted(), "{path}");
        assert_eq!(names(verdict.shadow()), [""; 0], "{path}");
    }
    assert_eq!(denied_by(&gate, "192.0.2.1", "/3").as_deref(), Some("waf"));
    let stats = gate.stats();
    let seen = stats.rule("seen").unwrap();
    assert_eq!((seen.matched(), seen.enforced(), seen.would_deny()), (3, 0, 0));
}
