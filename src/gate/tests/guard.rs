//! Whom mitigations and shedding spare, and what is told of what they refuse.

use super::{
    address,
    flood::{AN_HOUR, FLOOD, Site},
    list,
    rules::rule,
};
use crate::{
    Gate, GateBuilder, Posture, Request,
    gate::{Explanation, Stage, StageOutcome},
    request::{ClientIp, ForwardedBy, Trust},
    rule::{Action, Class, Scheme},
    verdict::{DenialReason, Verdict},
};

fn hunts(peer: &str, target: &'static str) -> Request<'static> {
    Request::new(address(peer))
        .method("GET")
        .host("h")
        .target(target)
        .header("user-agent", "evil")
        .header("cookie", "a=b")
}

/// A site in the middle of a flood, whose one mitigation is of all that asks for `/hunted`.
fn flooded() -> Site {
    let mut site = Site::new();
    site.is_flooded();
    let defence = site.gate.defence();
    let all = defence.mitigations(site.now);
    let when = Scheme::new().parse(r#"path eq "/hunted""#).unwrap();
    defence.edit(&all[0].name, when, site.now).unwrap();
    all.iter().skip(1).for_each(|one| assert!(defence.remove(&one.name, site.now)));
    site.seconds(1, FLOOD);
    site
}

/// The same gate with more that is described, which goes on with what it knows.
fn with(site: &Site, more: impl FnOnce(GateBuilder) -> GateBuilder) -> &Gate {
    let builder = Gate::builder().defence(Site::defence());
    site.gate.reload_with(more(builder), site.now).unwrap();
    &site.gate
}

/// An explanation names the mitigation, and neither counts nor charges anything.
#[test]
#[cfg_attr(miri, ignore = "a site's requests for minutes")]
fn whom_mitigations_refuse_and_spare() {
    let site = flooded();
    let attacker = "198.51.100.200";
    let check = |gate: &Gate, request: &Request<'_>| -> Verdict { gate.check(request, site.now) };
    let explain = |gate: &Gate, request: &Request<'_>| -> Explanation {
        let before = gate.defence().mitigations(site.now);
        let found = gate.explain(request, site.now);
        assert_eq!(gate.defence().mitigations(site.now), before, "nothing is counted");
        found
    };
    let request = hunts(attacker, "/hunted");
    let gate = with(&site, |builder| builder);
    let name = gate.defence().mitigations(site.now)[0].name.clone();
    let found = explain(gate, &request);
    let foreseen = found.denial().unwrap();
    assert_eq!((foreseen.reason(), foreseen.name()), (DenialReason::Mitigation, name.as_str()));
    assert_eq!(found.outcome(Stage::Rules), StageOutcome::Passed);
    assert_eq!(found.outcome(Stage::Mitigations), StageOutcome::Denied);
    assert_eq!(found.outcome(Stage::Limits), StageOutcome::NotReached);
    let denial = check(gate, &request).into_result().unwrap_err();
    assert_eq!(
        (denial.reason(), denial.name(), denial.status(), denial.retry_after()),
        (foreseen.reason(), foreseen.name(), foreseen.status(), foreseen.retry_after())
    );

    // I1: whom a list or a rule allows, and what is ours.
    let allow = |bypass_shedding| Action::Allow { bypass_limits: false, bypass_shedding };
    let open = |bypass| rule("open", r#"query eq "open""#, [allow(bypass)]);
    let gate = with(&site, |builder| builder.allow(list(attacker)));
    assert!(check(gate, &request).is_admitted(), "the allow list");
    assert!(explain(gate, &request).is_admitted());
    for bypass in [false, true] {
        let gate = with(&site, |builder| builder.rule(open(bypass)));
        let opened = hunts(attacker, "/hunted?open");
        assert!(explain(gate, &opened).is_admitted());
        assert!(check(gate, &opened).is_admitted(), "a rule");
        assert!(!check(gate, &request).is_admitted(), "and no other");
    }
    let proxies = || ClientIp::new(Trust::Nets(list(attacker)), ForwardedBy::XForwardedFor);
    let gate = with(&site, |builder| builder.trust(proxies()));
    assert!(check(gate, &request).is_admitted(), "a trusted proxy");
    assert!(!check(gate, &hunts("198.51.100.201", "/hunted")).is_admitted(), "and no other");
    for own in ["127.0.0.1", "::1"] {
        assert!(check(gate, &hunts(own, "/hunted")).is_admitted(), "{own}");
        assert!(explain(gate, &hunts(own, "/hunted")).is_admitted());
    }
    // Who is not known by an address is none that could be throttled or denied.
    let unknown = Request::new(None).method("GET").host("h").target("/hunted");
    assert!(check(gate, &unknown).is_admitted());
    // What is critical is mitigated all the same.
    let critical = rule("critical", "true", [Action::Class(Class::CriticalPlus)]);
    let gate = with(&site, |builder| builder.rule(critical));
    assert!(!check(gate, &request).is_admitted());
    assert!(gate.posture() >= Posture::Defend);
}

/// Who looks like an attacker gives way first, but for what a rule says is critical.
#[test]
#[cfg_attr(miri, ignore = "a site's requests for minutes")]
fn what_is_critical_is_not_held_back_with_suspects() {
    let mut site = flooded();
    assert!(site.gate.defence().force(Posture::Lockdown, AN_HOUR, site.now));
    site.seconds(2, FLOOD);
    let critical = rule("critical", r#"query eq "pay""#, [Action::Class(Class::Critical)]);
    let gate = with(&site, |builder| builder.rule(critical));
    let reason = |peer: &str, target| {
        let denial = gate.check(&hunts(peer, target), site.now).into_result().err();
        denial.map(|denial| denial.reason())
    };
    // What unknown clients share is used up.
    let unknown = |at: u32| std::format!("203.0.{}.{}", at / 250, at % 250 + 1);
    let refused = (0..2_000).filter(|at| reason(&unknown(*at), "/").is_some()).count();
    assert!(refused > 0);
    assert_eq!(reason("203.0.113.254", "/"), Some(DenialReason::Shed));
    assert_eq!(reason("203.0.113.254", "/?pay"), None);
    // Visitors that are known ask as attackers do, each for so little that it is not throttled: what is left for
    // such is used up as well.
    let others =
        (2..=201).flat_map(|host| [0, 5, 10, 15].map(|net| std::format!("10.0.{net}.{host}")));
    let refused: std::vec::Vec<_> = others.filter_map(|peer| reason(&peer, "/hunted")).collect();
    assert!(!refused.is_empty() && refused.iter().all(|why| *why == DenialReason::Shed));
    let visitor = "10.0.0.1";
    assert!(site.knows(address(visitor)));
    assert_eq!(reason(visitor, "/"), None);
    assert_eq!(reason(visitor, "/hunted"), Some(DenialReason::Shed));
    assert_eq!(reason(visitor, "/hunted?pay"), None);
}
