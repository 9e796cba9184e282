//! Limits of requests in flight in the whole gate: what is refused, told, counted, and given back.

use core::time::Duration;
use std::{format, string::ToString, vec::Vec};

use super::{NOW, address, list, rules::rule};
use crate::{
    gate::{Bound, Gate, Hold, InFlight, LimitFate, LimitRule, Mode, Outcome},
    quota::Quota,
    request::Request,
    rule::{Action, RuleMode, Scheme},
    verdict::{Admission, Denial, DenialReason},
};

const CLIENT: &str = "203.0.113.7";

fn two() -> LimitRule {
    LimitRule::in_flight("in flight", 2)
}

fn ask(gate: &Gate, peer: &str) -> Result<Admission, Denial> {
    gate.check(&Request::new(address(peer)).method("GET").target("/"), NOW).into_result()
}

fn in_use(gate: &Gate, peer: &str) -> u32 {
    let report = gate.explain(&Request::new(address(peer)).method("GET").target("/"), NOW);
    report.limits()[0].in_flight().unwrap().in_use()
}

#[test]
fn what_finds_no_place_is_told_to_come_again() {
    let gate =
        Gate::builder().limit("wide", Quota::per_hour(99)).limit_rule(two()).build().unwrap();
    let _out = [ask(&gate, CLIENT).unwrap(), ask(&gate, CLIENT).unwrap()];
    let denial = ask(&gate, CLIENT).unwrap_err();
    assert_eq!((denial.reason(), denial.status()), (DenialReason::Concurrency, 429));
    assert_eq!((denial.name(), denial.retry_after()), ("in flight", Some(Duration::from_secs(1))));
    assert_eq!(denial.limit().unwrap().limit(), 1);
    assert_eq!((denial.client(), denial.standing()), (Some(address(CLIENT)), None));
    assert!(ask(&gate, "203.0.113.8").is_ok());
    let stats = gate.stats();
    assert_eq!((stats.rule("in flight").unwrap().denied(), stats.denied()), (1, 1));
    let bounds: Vec<_> = gate.policies().iter().map(|policy| policy.bound()).collect();
    assert_eq!(bounds, [Bound::Quota(Quota::per_hour(99)), Bound::InFlight(2)]);
    // Where a request stands is with quotas.
    let admission = ask(&gate, "203.0.113.8").unwrap();
    assert_eq!(admission.strictest().unwrap().limit.limit(), 0);
}

/// Everything together is not this client's doing.
#[test]
fn a_limit_for_all_is_the_services_and_not_the_clients() {
    let gate = Gate::builder().limit_rule(two().by([])).build().unwrap();
    let _out = [ask(&gate, CLIENT).unwrap(), ask(&gate, "203.0.113.8").unwrap()];
    let denial = ask(&gate, "203.0.113.9").unwrap_err();
    assert_eq!((denial.reason(), denial.status()), (DenialReason::Concurrency, 503));
    assert_eq!(denial.retry_after(), Some(Duration::from_secs(1)));
}

/// What has never fitted does not fit in a second either.
#[test]
fn where_there_will_never_be_a_place_no_wait_is_told() {
    for limit in [LimitRule::in_flight("none", 0), LimitRule::in_flight("few", 5).cost(6)] {
        for limit in [limit.clone(), limit.by([])] {
            let gate = Gate::builder().limit_rule(limit).build().unwrap();
            let denial = ask(&gate, CLIENT).unwrap_err();
            assert_eq!((denial.reason(), denial.retry_after()), (DenialReason::Concurrency, None));
        }
    }
}

/// Finished, dropped, or held by a response on its way, wherever that goes.
#[test]
fn places_come_back_with_the_end_of_the_response() {
    fn goes_anywhere<T: Send + Sync + 'static>(_: &T) {}
    let gate = Gate::builder().limit_rule(two()).build().unwrap();
    let mut admission = ask(&gate, CLIENT).unwrap();
    assert!(!admission.awaits_size());
    let body: Hold = admission.hold().unwrap();
    goes_anywhere(&body);
    gate.finish(admission, Outcome::status(200), NOW);
    gate.finish(ask(&gate, CLIENT).unwrap(), Outcome::status(200), NOW);
    drop(ask(&gate, CLIENT).unwrap());
    assert_eq!(in_use(&gate, CLIENT), 1, "only the body");
    // The gate may change, and even go.
    gate.reload_with(Gate::builder(), NOW).unwrap();
    gate.reload_with(Gate::builder().limit_rule(two()), NOW).unwrap();
    assert_eq!(in_use(&gate, CLIENT), 0, "a new limit");
    drop(gate);
    drop(body);
}

/// Who does not meet limits takes no places.
#[test]
fn the_exempt_and_those_that_bypass_limits_take_no_places() {
    let allow = Action::Allow { bypass_limits: true, bypass_shedding: false };
    let gate = Gate::builder()
        .exempt(list("203.0.113.1"))
        .deny(list("203.0.113.2"))
        .rule(rule("free", "ip.src == 203.0.113.3", [allow]))
        .limit_rule(two())
        .build()
        .unwrap();
    for peer in ["203.0.113.1", "203.0.113.3"] {
        let mut all: Vec<_> = (0..5).map(|_| ask(&gate, peer).unwrap()).collect();
        assert!(all.iter_mut().all(|admission| admission.hold().is_none()));
    }
    assert!(ask(&gate, "203.0.113.2").is_err());
    gate.set_mode(Mode::Off);
    assert!((0..5).all(|_| ask(&gate, CLIENT).unwrap().hold().is_none()));
    gate.set_mode(Mode::Enforce);
    assert_eq!(in_use(&gate, CLIENT), 0);
}

/// Who observes lets everything pass, and counts what would have.
#[test]
fn observing_takes_places_where_there_are_some() {
    let gate = Gate::builder().limit_rule(two()).mode(Mode::Observe).build().unwrap();
    let out: Vec<_> = (0..5).map(|_| ask(&gate, CLIENT).unwrap()).collect();
    assert_eq!(in_use(&gate, CLIENT), 2);
    let stats = gate.stats();
    assert_eq!((stats.admitted(), stats.would_deny(), stats.denied()), (5, 3, 0));
    let shadow: Vec<_> = out.iter().map(|admission| admission.shadow().count()).collect();
    assert_eq!(shadow, [0, 0, 1, 1, 1]);
    assert!(out.iter().all(|admission| admission.client() == Some(address(CLIENT))));
    drop(out);
    assert_eq!(in_use(&gate, CLIENT), 0);

    let gate = Gate::builder().limit_rule(two().mode(RuleMode::Shadow)).build().unwrap();
    let out: Vec<_> = (0..5).map(|_| ask(&gate, CLIENT).unwrap()).collect();
    assert_eq!((in_use(&gate, CLIENT), gate.stats().would_deny()), (2, 3));
    assert_eq!(out[4].shadow().collect::<Vec<_>>(), ["in flight"]);
}

#[test]
fn an_explanation_tells_what_is_in_flight() {
    let gate = Gate::builder().limit_rule(two()).build().unwrap();
    let request = Request::new(address(CLIENT)).method("GET").target("/");
    let mut out = Vec::new();
    for (in_use, fate) in [(0, LimitFate::Admits), (1, LimitFate::Admits), (2, LimitFate::Denies)] {
        let report = gate.explain(&request, NOW);
        let limit = &report.limits()[0];
        assert_eq!(
            limit.in_flight().map(|it: InFlight| (it.in_use(), it.limit())),
            Some((in_use, 2))
        );
        assert_eq!((limit.fate(), limit.standing()), (fate, None));
        assert_eq!(report.is_admitted(), fate == LimitFate::Admits);
        let word = if fate == LimitFate::Admits { "admits" } else { "denies" };
        assert_eq!(limit.to_string(), format!("\"in flight\" {word}, {in_use} of 2 in flight"));
        out.push(ask(&gate, CLIENT));
    }
    let report = gate.explain(&request, NOW);
    let denial = report.denial().unwrap();
    assert_eq!((denial.reason(), denial.status()), (DenialReason::Concurrency, 429));
}

/// A rule may ask how busy a client is.
#[test]
fn rules_read_what_is_in_flight() {
    let scheme = Scheme::new().limit("in flight");
    let when = scheme.parse(r#"counter("in flight") >= 1 and path == "/export""#).unwrap();
    let busy = crate::rule::Rule::new("busy", when).then(Action::Deny { status: 409 });
    let gate = Gate::builder().rule(busy).limit_rule(two()).build().unwrap();
    let export = Request::new(address(CLIENT)).method("GET").target("/export");
    let first = gate.check(&export, NOW).into_result().unwrap();
    assert_eq!(gate.check(&export, NOW).into_result().unwrap_err().status(), 409);
    drop(first);
    assert!(gate.check(&export, NOW).is_admitted());
}

/// In how many limits, and for whom is nobody's business.
#[test]
fn what_is_held_shows_how_many_limits_hold_it() {
    let other = LimitRule::in_flight("all", 5).by([]);
    let gate = Gate::builder().limit_rule(two()).limit_rule(other).build().unwrap();
    let mut admission = ask(&gate, CLIENT).unwrap();
    assert_eq!(format!("{:?}", admission.hold().unwrap()), "Hold { limits: 2, .. }");
}
