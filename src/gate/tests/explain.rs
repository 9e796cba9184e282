//! Explanations: the same as checks, and why.

use core::time::Duration;
use std::{format, string::ToString, vec::Vec};

use proptest::prelude::*;

use super::{NOW, address, list, rules::rule};
use crate::{
    gate::{
        Gate, GateBuilder, LimitFate, LimitRule, MissingKey, MissingPeer, Mode, RuleFate, Stage,
        StageOutcome, Then,
    },
    limit::{OnSaturation, Share},
    quota::Quota,
    request::Request,
    rule::{Action, Ban, Class, Rule, RuleMode, Scheme, Skip},
    test_support::cases,
};

const DENY: Action = Action::Deny { status: 404 };

fn allow(bypass_limits: bool) -> Action {
    Action::Allow { bypass_limits, bypass_shedding: false }
}

#[test]
fn every_stage_says_what_it_does() {
    let gate = Gate::builder()
        .exempt(list("192.0.2.1"))
        .deny(list("192.0.2.2"))
        .rule(rule("log it", r#"path starts_with "/a""#, [Action::Log, Action::Tag("t".into())]))
        .rule(rule("odd", r#"tag["t"] and path eq "/a" and method eq "PUT""#, [DENY]))
        .rule(rule("staged", r#"method ne "PUT""#, [DENY]).mode(RuleMode::Shadow))
        .rule(rule("free", r#"path eq "/a/free""#, [allow(true)]))
        .rule(rule("last", "true", [Action::Count]))
        .limit("per client", Quota::per_hour(2))
        .limit_rule(
            LimitRule::new("by key", Quota::per_hour(1))
                .by([Scheme::new().parse_term(r#"header["x-key"]"#).unwrap()])
                .missing(MissingKey::Skip),
        )
        .build()
        .unwrap();
    let explain = |peer: &str, target| {
        gate.explain(&Request::new(address(peer)).method("GET").target(target), NOW)
    };
    let found = explain("192.0.2.3", "/a");
    assert!(found.is_admitted() && found.denial().is_none());
    let fates: Vec<_> = found.rules().iter().map(|rule| (rule.name(), rule.fate())).collect();
    let (holds, not) = (RuleFate::Enforced, RuleFate::DoesNotHold);
    let expected = [
        ("log it", holds),
        ("odd", not),
        ("staged", RuleFate::InShadow),
        ("free", not),
        ("last", holds),
    ];
    assert_eq!(fates, expected);
    let failing = found.rules()[1].failing().unwrap().to_string();
    assert!(failing.contains("PUT") && !failing.contains("/a"), "the part that fails: {failing}");
    assert!(found.rules()[0].failing().is_none());
    let fates: Vec<_> = found.limits().iter().map(|limit| (limit.name(), limit.fate())).collect();
    assert_eq!(fates, [("per client", LimitFate::Admits), ("by key", LimitFate::NoKey)]);
    assert_eq!(found.limits()[0].standing().unwrap().remaining(), 2, "nothing was taken");
    let shown = found.to_string();
    for says in [
        "192.0.2.3",
        "\"log it\" holds",
        "\"per client\" admits, 2 of 2 left",
        "verdict     admitted",
    ] {
        assert!(shown.contains(says), "{says}: {shown}");
    }

    let free = explain("192.0.2.3", "/a/free");
    assert_eq!(free.outcome(Stage::Rules), StageOutcome::Admitted);
    assert_eq!(free.rules()[4].fate(), RuleFate::NotReached);
    assert_eq!(free.limits()[0].fate(), LimitFate::Admits, "told all the same");

    for (peer, stage, outcome) in [
        ("192.0.2.1", Stage::Exempt, StageOutcome::Admitted),
        ("192.0.2.2", Stage::Lists, StageOutcome::Denied),
    ] {
        let found = explain(peer, "/a");
        assert_eq!(found.outcome(stage), outcome);
        assert_eq!(found.outcome(Stage::Rules), StageOutcome::NotReached);
        assert_eq!(found.rules()[0].fate(), RuleFate::NotReached);
        assert_eq!(found.limits()[0].fate(), LimitFate::NotReached);
    }
    gate.set_mode(Mode::Observe);
    let observed = explain("192.0.2.2", "/a");
    assert!(observed.is_admitted() && observed.denial().is_some());
    assert!(observed.to_string().contains("only observes"), "{observed}");
    assert_eq!(gate.stats().admitted() + gate.stats().denied(), 0);
}

fn all_rules() -> Vec<Rule> {
    let ban = Action::Ban(Ban::new(Duration::from_secs(7)));
    std::vec![
        rule("tag", r#"path contains "a""#, [Action::Tag("a".into()), Action::Score(2)]),
        rule("log", r#"exists(header["x-key"])"#, [Action::Log, Action::Class(Class::Critical)]),
        rule("skip group", r#"path eq "/a""#, [Action::Skip(Skip::Group("g".into()))]),
        rule("in group", r#"path in {"/a" "/b"}"#, [DENY]).group("g"),
        rule("skip limits", r#"method eq "PUT""#, [Action::Skip(Skip::Limits)]),
        rule("skip rules", r#"host eq "skip""#, [Action::Skip(Skip::Rules)]),
        rule("scored", r#"score ge 2 and tag["a"] and method eq "POST""#, [DENY]),
        rule("free", r#"path eq "/free""#, [allow(true)]),
        rule("open", r#"path eq "/b""#, [allow(false)]).priority(-1),
        rule("half", r#"path eq "/c""#, [DENY]).share(Share::percent(50)),
        rule("staged", "true", [DENY]).mode(RuleMode::Shadow),
        rule("ban", r#"path eq "/ban""#, [ban]),
        rule("listed", "ip.src in $listed", [DENY]),
        rule("no client", "not exists(ip.src)", [Action::Log]),
    ]
}

fn all_limits() -> Vec<LimitRule> {
    let scheme = Scheme::new().limit("per client");
    let quota = Quota::per_minute(3);
    let when = |text| scheme.parse(text).unwrap();
    let term = |text| scheme.parse_term(text).unwrap();
    std::vec![
        LimitRule::new("per client", quota),
        LimitRule::new("posts", Quota::per_minute(1)).when(when(r#"method eq "POST""#)),
        LimitRule::new("by key", quota).by([term(r#"header["x-key"]"#)]).missing(MissingKey::Deny),
        LimitRule::new("all", Quota::per_second(4)).by([]).cost(2),
        LimitRule::new("paths", quota).distinct(term("path")),
        LimitRule::new("staged limit", Quota::per_minute(1)).mode(RuleMode::Shadow),
        LimitRule::new("limit bans", Quota::per_minute(2))
            .then(Then::Ban(Ban::new(Duration::from_secs(5)))),
        LimitRule::new("key bans", Quota::per_minute(2))
            .by([term("path")])
            .then(Then::Ban(Ban::new(Duration::from_secs(5)))),
    ]
}

fn build(rules: &[usize], limits: &[usize], tiny: bool, allow: bool, missing: MissingPeer) -> Gate {
    let (all, all_limits) = (all_rules(), all_limits());
    let mut builder = Gate::builder()
        .exempt(list("192.0.2.200"))
        .deny(list("192.0.2.201\n192.0.2.202"))
        .allow(list("192.0.2.202"))
        .list("listed", list("192.0.2.203"))
        .group("g", RuleMode::Enforce)
        .bans(64)
        .clients(if tiny { 1 } else { 1_000 })
        .newcomers(Quota::per_second(1).burst(3))
        .on_saturation(if allow { OnSaturation::Allow } else { OnSaturation::Deny })
        .missing_peer(missing);
    builder = rules.iter().fold(builder, |builder, at| builder.rule(all[*at].clone()));
    builder = limits
        .iter()
        .fold(builder, |builder: GateBuilder, at| builder.limit_rule(all_limits[*at].clone()));
    builder.build().unwrap()
}

proptest! {
    #![proptest_config(cases(150))]

    /// I1 and I2 of explanations.
    #[test]
    fn a_check_says_what_an_explanation_says(
        rules in prop::sample::subsequence((0..14).collect::<Vec<_>>(), 0..=14),
        limits in prop::sample::subsequence((0..8).collect::<Vec<_>>(), 0..=5),
        (tiny, allow) in any::<(bool, bool)>(),
        missing in prop_oneof![
            Just(MissingPeer::Skip), Just(MissingPeer::Shared), Just(MissingPeer::Deny)
        ],
        asked in prop::collection::vec(
            (
                prop_oneof![2 => 0..12_u8, 1 => 200..204_u8],
                prop::sample::select(std::vec!["/", "/a", "/b", "/c", "/free", "/ban", "/x/a?q"]),
                prop::sample::select(std::vec!["GET", "POST", "PUT"]),
                prop::sample::select(std::vec!["h", "skip"]),
                prop::option::of(0..3_u8),
                0..3_000_u64,
            ),
            1..60,
        ),
    ) {
        let gate = build(&rules, &limits, tiny, allow, missing);
        let mut now = NOW;
        for (host, target, method, name, key, step) in asked {
            now = now.saturating_add(Duration::from_millis(step));
            let key = key.map(|key| format!("key {key}"));
            // The last hosts have no address.
            let peer = (host != 11).then(|| address(&format!("192.0.{}.{host}", host % 3)));
            let peer = if host >= 200 { Some(address(&format!("192.0.2.{host}"))) } else { peer };
            let mut request = Request::new(peer).method(method).host(name).target(target);
            if let Some(key) = &key {
                request = request.header("x-key", key);
            }
            let before = format!("{:?}", gate.stats());
            let found = gate.explain(&request, now);
            prop_assert_eq!(before, format!("{:?}", gate.stats()), "nothing is counted");
            let shown = found.to_string();
            prop_assert!(!shown.contains("key 0"), "{}", shown);
            let verdict = gate.check(&request, now);
            prop_assert_eq!(verdict.is_admitted(), found.is_admitted(), "{}", found);
            if let (Err(denial), Some(foreseen)) = (verdict.into_result(), found.denial()) {
                let of = |denial: &crate::Denial| {
                    let names = |names: &mut dyn Iterator<Item = &str>| {
                        names.map(ToString::to_string).collect::<Vec<_>>()
                    };
                    (
                        (denial.reason(), denial.name().to_string(), denial.status()),
                        (denial.retry_after(), denial.standing()),
                        (names(&mut denial.matched()), names(&mut denial.shadow())),
                    )
                };
                prop_assert_eq!(of(&denial), of(foreseen), "{}", found);
            }
        }
    }
}
