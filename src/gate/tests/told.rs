//! What a verdict tells besides yes and no: the client, the limit by its number, the status.

use core::{net::IpAddr, time::Duration};
use std::vec::Vec;

use super::{NOW, address, list, rules::rule};
use crate::{
    gate::{Gate, GateBuilder, LimitRule, MissingKey, MissingPeer, Mode, Then},
    quota::Quota,
    request::{ClientIp, ForwardedBy, Request, Trust},
    rule::{Action, Ban, RuleMode, Scheme},
    verdict::{Admission, Denial, DenialReason, LimitAt, Verdict},
};

const MINUTE: Duration = Duration::from_secs(60);
const PROXY: &str = "10.0.0.1";
const CLIENT: &str = "203.0.113.7";

fn behind_a_proxy() -> GateBuilder {
    let proxies = Trust::Nets(list("10.0.0.0/8"));
    Gate::builder().trust(ClientIp::new(proxies, ForwardedBy::XForwardedFor))
}

fn forwarded(client: &'static str) -> Request<'static> {
    Request::new(address(PROXY)).header("x-forwarded-for", client)
}

fn ask(gate: &Gate, request: &Request<'_>) -> Verdict {
    gate.check(request, NOW)
}

fn admitted(gate: &Gate, request: &Request<'_>) -> Admission {
    ask(gate, request).into_result().unwrap()
}

fn denied(gate: &Gate, request: &Request<'_>) -> Denial {
    ask(gate, request).into_result().unwrap_err()
}

/// The numbers of limits with their names, as a response would say them.
fn named(gate: &Gate, at: Option<LimitAt>) -> Option<(usize, Vec<u8>)> {
    let at = at?;
    let policies = gate.0.snapshot.load().setting.policies.clone();
    assert_eq!(at.generation, policies.generation);
    let policy = &policies.all[at.limit()];
    Some((at.limit(), policy.name().into()))
}

fn strictest(gate: &Gate, request: &Request<'_>) -> Option<(usize, Vec<u8>)> {
    named(gate, admitted(gate, request).strictest().map(|strictest| strictest.limit))
}

/// Whatever the verdict is, and whichever way it came about.
#[test]
fn every_verdict_knows_its_client() {
    let client: Option<IpAddr> = Some(address(CLIENT));
    let request = forwarded(CLIENT).method("GET").target("/trap");
    let limit = || LimitRule::new("none", Quota::per_second(0));
    let allow = Action::Allow { bypass_limits: true, bypass_shedding: false };
    let ban = Action::Ban(Ban::new(MINUTE));
    let trap = |action| rule("trap", r#"path eq "/trap""#, [action]);
    for passing in [
        behind_a_proxy(),
        behind_a_proxy().mode(Mode::Off),
        behind_a_proxy().exempt(list(CLIENT)).limit_rule(limit()),
        behind_a_proxy().limit("some", Quota::per_second(9)),
        behind_a_proxy().rule(trap(allow)).limit_rule(limit()),
        behind_a_proxy().rule(trap(Action::Tag("seen".into()))),
        behind_a_proxy().limit_rule(limit().mode(RuleMode::Shadow)),
        behind_a_proxy().limit_rule(limit()).mode(Mode::Observe),
        behind_a_proxy().rule(trap(ban)).mode(Mode::Observe),
    ] {
        let gate = passing.build().unwrap();
        assert_eq!(admitted(&gate, &request).client(), client);
        assert_eq!(admitted(&gate, &Request::new(None)).client(), None);
    }
    for refusing in [
        behind_a_proxy().deny(list(CLIENT)),
        behind_a_proxy().rule(trap(Action::Deny { status: 404 })),
        behind_a_proxy().rule(trap(Action::Ban(Ban::new(MINUTE)))),
        behind_a_proxy().limit_rule(limit()),
        behind_a_proxy().limit_rule(limit()).limit("some", Quota::per_second(9)),
    ] {
        let gate = refusing.build().unwrap();
        assert_eq!(denied(&gate, &request).client(), client);
        assert_eq!(denied(&gate, &request).client(), client, "again, which may be for a ban");
        assert_eq!(gate.explain(&request, NOW).denial().unwrap().client(), client);
    }
    let gate = behind_a_proxy().missing_peer(MissingPeer::Deny).build().unwrap();
    assert_eq!(denied(&gate, &Request::new(None)).client(), None);
}

/// In the order in which the limits were given, whichever way they are judged.
#[test]
fn the_strictest_limit_is_told_by_its_number() {
    let one = Gate::builder().limit("only", Quota::per_second(9)).build().unwrap();
    let request = Request::new(address(CLIENT));
    assert_eq!(strictest(&one, &request), Some((0, b"only".into())));

    let three = || {
        Gate::builder()
            .limit("wide", Quota::per_hour(50))
            .limit("narrow", Quota::per_hour(3))
            .limit("middle", Quota::per_hour(9))
    };
    let with_a_key = |builder: GateBuilder| {
        let all = LimitRule::new("everything", Quota::per_hour(40)).by([]);
        builder.limit_rule(all).build().unwrap()
    };
    for gate in [three().build().unwrap(), with_a_key(three())] {
        for _ in 0..3 {
            assert_eq!(strictest(&gate, &request), Some((1, b"narrow".into())));
        }
        let denial = denied(&gate, &request);
        assert_eq!(named(&gate, denial.limit()), Some((1, b"narrow".into())));
        let foreseen = gate.explain(&request, NOW);
        assert_eq!(foreseen.denial().unwrap().limit(), denial.limit());
    }
}

/// A limit before it that the request does not meet, one that is off, and one in shadow count.
#[test]
fn limits_that_do_not_say_anything_are_numbered_as_well() {
    let scheme = Scheme::new();
    let few = |name| LimitRule::new(name, Quota::per_hour(1));
    let gate = Gate::builder()
        .limit_rule(few("off").mode(RuleMode::Off))
        .limit_rule(few("posts").when(scheme.parse(r#"method eq "POST""#).unwrap()))
        .limit_rule(few("in shadow").mode(RuleMode::Shadow))
        .limit_rule(few("keys").by([scheme.parse_term(r#"header["key"]"#).unwrap()]))
        .build()
        .unwrap();
    let request = Request::new(address(CLIENT)).method("GET").target("/");
    assert_eq!(strictest(&gate, &request), Some((3, b"keys".into())));
    assert_eq!(named(&gate, denied(&gate, &request).limit()), Some((3, b"keys".into())));
    let post = Request::new(address(CLIENT)).method("POST").target("/").header("key", "another");
    let at = strictest(&gate, &post).unwrap().0;
    assert!([1, 3].contains(&at), "{at}: both have none left");
    // The limit by clients has none left, whatever the key.
    let post = Request::new(address(CLIENT)).method("POST").target("/").header("key", "a third");
    assert_eq!(named(&gate, denied(&gate, &post).limit()), Some((1, b"posts".into())));
}

#[test]
fn numbers_are_those_of_the_generation_that_decided() {
    let limits = |names: [&str; 2]| {
        let [first, second] = names;
        Gate::builder().limit(first, Quota::per_hour(9)).limit(second, Quota::per_hour(5))
    };
    let gate = limits(["a", "b"]).build().unwrap();
    let request = Request::new(address(CLIENT));
    let before = admitted(&gate, &request).strictest().unwrap().limit;
    gate.reload_with(limits(["c", "a"]), NOW).unwrap();
    let after = admitted(&gate, &request).strictest().unwrap().limit;
    assert_ne!(before.generation, after.generation);
    assert_eq!((before.limit(), named(&gate, Some(after))), (1, Some((1, b"a".into()))));
}

/// Who is refused by something else than a limit, and who passes without one, is told of none.
#[test]
fn what_is_no_limit_has_no_number() {
    let ban = Action::Ban(Ban::new(MINUTE));
    let gate = Gate::builder()
        .deny(list("192.0.2.1"))
        .exempt(list("192.0.2.2"))
        .rule(rule("trap", r#"path eq "/trap""#, [ban]))
        .limit("some", Quota::per_hour(9))
        .build()
        .unwrap();
    let at = |peer| Request::new(address(peer)).method("GET").target("/trap");
    assert_eq!(denied(&gate, &at("192.0.2.1")).limit(), None);
    assert_eq!(strictest(&gate, &at("192.0.2.2")), None);
    for _ in 0..2 {
        assert_eq!(denied(&gate, &at("192.0.2.3")).limit(), None, "the rule, then its ban");
    }
    // Who is let pass against the verdict stands nowhere.
    gate.set_mode(Mode::Observe);
    assert_eq!(strictest(&gate, &at("192.0.2.3")), None);
}

/// A key's ban and a key that is missing are the limit's doing.
#[test]
fn refusals_for_a_limits_key_name_the_limit() {
    let key = Scheme::new().parse_term(r#"header["key"]"#).unwrap();
    let keys = LimitRule::new("keys", Quota::per_hour(1)).by([key]).missing(MissingKey::Deny);
    let gate = Gate::builder()
        .limit("wide", Quota::per_hour(50))
        .limit_rule(keys.then(Then::Ban(Ban::new(MINUTE))))
        .build()
        .unwrap();
    let request = Request::new(address(CLIENT));
    let keyed = Request::new(address(CLIENT)).header("key", "k");
    let denial = denied(&gate, &request);
    assert_eq!((denial.reason(), denial.status()), (DenialReason::MissingKey, 403));
    assert_eq!(named(&gate, denial.limit()), Some((1, b"keys".into())));
    assert!(ask(&gate, &keyed).is_admitted());
    for reason in [DenialReason::Limit, DenialReason::Banned] {
        let denial = denied(&gate, &keyed);
        assert_eq!((denial.reason(), denial.status()), (reason, 429));
        assert_eq!(named(&gate, denial.limit()), Some((1, b"keys".into())));
    }
}

/// Where waiting is the way out it is 429, where the service is short of something 503, and else 403.
#[test]
fn statuses_say_whose_turn_it_is() {
    let request = Request::new(address(CLIENT)).method("GET").target("/trap");
    let trap = |action| Gate::builder().rule(rule("trap", r#"path eq "/trap""#, [action]));
    let ban = || Action::Ban(Ban::new(MINUTE));
    let twice = |builder: GateBuilder, request: &Request<'_>| {
        let gate = builder.build().unwrap();
        [denied(&gate, request), denied(&gate, request)]
            .map(|denial| (denial.reason(), denial.status(), denial.retry_after()))
    };
    let wait = Some(MINUTE);
    assert_eq!(
        twice(trap(ban()), &request),
        [(DenialReason::Rule, 429, wait), (DenialReason::Banned, 429, wait)]
    );
    // Nobody is banned where it is not known who it is: then there is nothing to wait for.
    let unknown = Request::new(None).method("GET").target("/trap");
    assert_eq!(twice(trap(ban()), &unknown), [(DenialReason::Rule, 403, None); 2]);
    let deny = Action::Deny { status: 451 };
    assert_eq!(twice(trap(deny), &request), [(DenialReason::Rule, 451, None); 2]);
    let listed = Gate::builder().deny(list(CLIENT));
    assert_eq!(twice(listed, &request), [(DenialReason::DenyList, 403, None); 2]);
}
