//! Bans by rules and by operators, in the pipeline and over reloads.

use core::time::Duration;

use super::{
    NOW, address, list,
    rules::{ask, rule},
};
use crate::{
    gate::{Gate, GateBuilder, LimitRule, Mode, Then},
    quota::Quota,
    request::{ClientIp, ForwardedBy, Request, Trust},
    rule::{Action, Ban, RuleMode},
    verdict::DenialReason,
};

const MINUTE: Duration = Duration::from_secs(60);

fn trap() -> GateBuilder {
    let ban = Action::Ban(Ban::new(MINUTE));
    Gate::builder().rule(rule("trap", r#"path eq "/trap""#, [ban]))
}

fn passes(gate: &Gate, peer: &str) -> bool {
    ask(gate, peer, "/").is_admitted()
}

#[test]
fn a_rule_bans_its_client_for_a_time() {
    let gate = trap().build().unwrap();
    let denial = ask(&gate, "192.0.2.1", "/trap").into_result().unwrap_err();
    assert_eq!(
        (denial.reason(), denial.name(), denial.status()),
        (DenialReason::Rule, "trap", 429)
    );
    assert_eq!(denial.retry_after(), Some(MINUTE));
    let denial = ask(&gate, "192.0.2.1", "/").into_result().unwrap_err();
    assert_eq!(
        (denial.reason(), denial.name(), denial.status()),
        (DenialReason::Banned, "bans", 429)
    );
    assert_eq!(denial.retry_after(), Some(MINUTE));
    assert!(passes(&gate, "192.0.2.2"), "nobody else is");
    let later = NOW.saturating_add(MINUTE);
    assert!(gate.check(&Request::new(address("192.0.2.1")), later).is_admitted());
    assert_eq!(gate.bans().list(NOW)[0].reason(), "trap");
    assert!(gate.bans().list(later).is_empty());
    let stats = gate.stats();
    assert_eq!(
        (stats.rule("trap").unwrap().denied(), stats.rule("bans").unwrap().denied()),
        (1, 1)
    );
}

/// Whoever only observes, is in shadow, or is asked what would be, bans nobody.
#[test]
fn nobody_is_banned_without_being_denied() {
    let observing = trap().mode(Mode::Observe).build().unwrap();
    let ban = Action::Ban(Ban::new(MINUTE));
    let shadow = rule("trap", r#"path eq "/trap""#, [ban]).mode(RuleMode::Shadow);
    for gate in [observing, Gate::builder().rule(shadow).build().unwrap()] {
        assert!(ask(&gate, "192.0.2.1", "/trap").is_admitted());
        assert!(gate.bans().list(NOW).is_empty());
    }
    let gate = trap().build().unwrap();
    let request = Request::new(address("192.0.2.1")).target("/trap");
    assert!(!gate.explain(&request, NOW).is_admitted());
    assert!(gate.bans().list(NOW).is_empty());
}

/// I3 of the pipeline: denied, but not banned.
#[test]
fn proxies_that_are_trusted_the_machine_and_the_exempt_are_never_banned() {
    let proxies = Trust::Nets(list("10.0.0.0/8"));
    let gate = trap()
        .exempt(list("192.0.2.9"))
        .trust(ClientIp::new(proxies, ForwardedBy::XForwardedFor))
        .limit_rule(LimitRule::new("few", Quota::per_minute(1)).then(Then::Ban(Ban::new(MINUTE))))
        .build()
        .unwrap();
    for peer in ["10.0.0.1", "::ffff:127.0.0.1", "::1"] {
        assert!(!ask(&gate, peer, "/trap").is_admitted(), "{peer}");
        assert!(passes(&gate, peer) && !passes(&gate, peer) && !passes(&gate, peer), "{peer}");
    }
    assert!(ask(&gate, "192.0.2.9", "/trap").is_admitted());
    assert!(gate.bans().list(NOW).is_empty());

    let behind = Request::new(address("10.0.0.1")).header("x-forwarded-for", "203.0.113.7");
    assert!(!gate.check(&behind.clone().target("/trap"), NOW).is_admitted());
    assert!(!gate.check(&behind, NOW).is_admitted(), "who is behind the proxy is");
    assert!(!passes(&gate, "203.0.113.7") && gate.bans().list(NOW).len() == 1);
    gate.bans().add("192.0.2.0/24".parse().unwrap(), MINUTE, "operator", NOW);
    assert!(passes(&gate, "192.0.2.9") && !passes(&gate, "192.0.2.8"), "exempt comes first");
}

/// Bans survive reloads, with more room or less.
#[test]
fn bans_survive_reloads() {
    let gate = trap().build().unwrap();
    let _ = ask(&gate, "192.0.2.1", "/trap");
    for builder in [Gate::builder(), Gate::builder().bans(1_000), trap().bans(3)] {
        gate.reload_with(builder, NOW).unwrap();
        assert!(!passes(&gate, "192.0.2.1"));
        let bans = gate.bans().list(NOW);
        assert_eq!((bans.len(), bans[0].reason(), bans[0].remaining()), (1, "trap", MINUTE));
    }
    assert!(gate.bans().remove("192.0.2.1/32".parse().unwrap(), NOW));
    assert!(passes(&gate, "192.0.2.1"));
}
