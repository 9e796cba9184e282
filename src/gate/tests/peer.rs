//! Peers that have not asked for anything yet.

use core::time::Duration;
use std::{format, vec::Vec};

use proptest::prelude::*;

use super::{
    NOW, address, list,
    rules::{ask, rule},
};
use crate::{
    gate::{Gate, GateBuilder, LimitRule, Mode, Then},
    limit::Share,
    quota::Quota,
    request::{ClientGroup, ClientIp, ForwardedBy, Request, Trust},
    rule::{Action, Ban, RuleMode, Scheme, Skip, Term},
    test_support::cases,
    time::Timestamp,
    verdict::{Denial, DenialReason},
};

const MINUTE: Duration = Duration::from_secs(60);

fn meet(gate: &Gate, peer: &str) -> Result<(), DenialReason> {
    gate.check_peer(address(peer), NOW).map_err(|denial| denial.reason())
}

fn meet_with_limits(gate: &Gate, peer: &str, now: Timestamp) -> Result<(), Denial> {
    gate.check_peer_with_limits(address(peer), now)
}

fn term(text: &str) -> Term {
    Scheme::new().parse_term(text).unwrap()
}

/// I2: in every spelling of an address.
#[test]
fn bans_and_lists_keep_peers_out_and_spare_whom_they_spare_in_requests() {
    let proxies = Trust::nets(["10.0.0.0/8"]).unwrap();
    let gate = Gate::builder()
        .exempt(list("192.0.2.9"))
        .deny(list("192.0.2.0/28 198.51.100.0/24 10.0.0.0/24".replace(' ', "\n").as_str()))
        .allow(list("198.51.100.7"))
        .trust(ClientIp::new(proxies, ForwardedBy::XForwardedFor))
        .build()
        .unwrap();
    for net in ["203.0.113.0/24", "2001:db8::/64", "10.0.0.0/8", "192.0.2.9/32"] {
        gate.bans().add(net.parse().unwrap(), MINUTE, "by hand", NOW);
    }
    for peer in ["192.0.2.1", "::ffff:192.0.2.1", "198.51.100.1"] {
        assert_eq!(meet(&gate, peer), Err(DenialReason::DenyList), "{peer}");
    }
    for peer in ["203.0.113.1", "::ffff:203.0.113.1", "2001:db8::1"] {
        assert_eq!(meet(&gate, peer), Err(DenialReason::Banned), "{peer}");
    }
    for peer in ["192.0.2.9", "::ffff:192.0.2.9", "198.51.100.7", "10.0.0.1", "127.0.0.1", "::1"] {
        assert_eq!(meet(&gate, peer), Ok(()), "{peer}");
    }
    let denial = gate.check_peer(address("203.0.113.1"), NOW).unwrap_err();
    assert_eq!((denial.name(), denial.retry_after()), ("bans", Some(MINUTE)));
}

/// Where proxies are counted, every peer is one.
#[test]
fn a_peer_that_stands_for_others_is_never_refused() {
    let gate = |trust| {
        let trust = ClientIp::new(trust, ForwardedBy::XForwardedFor);
        Gate::builder().deny(list("192.0.2.0/24")).trust(trust).build().unwrap()
    };
    assert_eq!(meet(&gate(Trust::Hops(1)), "192.0.2.1"), Ok(()));
    assert_eq!(meet(&gate(Trust::Hops(0)), "192.0.2.1"), Err(DenialReason::DenyList));
}

/// I4.
#[test]
fn refusals_are_counted_and_who_passes_is_not() {
    let gate =
        Gate::builder().deny(list("192.0.2.0/24")).exempt(list("192.0.2.9")).build().unwrap();
    let counts = |gate: &Gate| {
        let stats = gate.stats();
        let list = stats.rule("deny list").unwrap();
        (stats.admitted(), stats.exempted(), list.denied(), list.would_deny())
    };
    let ask_all =
        || ["192.0.2.1", "192.0.2.9", "203.0.113.1"].map(|peer| meet(&gate, peer).is_ok());
    assert_eq!(ask_all(), [false, true, true]);
    assert_eq!(counts(&gate), (0, 0, 1, 0));
    gate.set_mode(Mode::Observe);
    assert_eq!(ask_all(), [true; 3]);
    assert_eq!(counts(&gate), (0, 0, 1, 0), "its requests will be");
    gate.set_mode(Mode::Off);
    assert_eq!(ask_all(), [true; 3]);
    assert_eq!(counts(&gate), (0, 0, 1, 0));
}

/// I3: nothing is taken, however often it is asked; and the wait is that of the limit.
#[test]
fn a_limit_that_is_used_up_keeps_its_client_out_until_it_is_not() {
    let gate = Gate::builder()
        .limit("per client", Quota::per_minute(2))
        .client_group(ClientGroup { v4: 24, v6: 64 })
        .build()
        .unwrap();
    for _ in 0..10 {
        assert!(meet_with_limits(&gate, "192.0.2.1", NOW).is_ok());
    }
    assert!(
        ask(&gate, "192.0.2.1", "/").is_admitted() && ask(&gate, "192.0.2.2", "/").is_admitted()
    );
    let denial = meet_with_limits(&gate, "192.0.2.3", NOW).unwrap_err();
    assert_eq!((denial.reason(), denial.name()), (DenialReason::Limit, "per client"));
    assert_eq!(gate.stats().rule("per client").unwrap().denied(), 1);
    let wait = denial.retry_after().unwrap();
    assert_eq!(Some(wait), denial.standing().map(|standing| standing.retry_after()));
    assert!(gate.check_peer(address("192.0.2.3"), NOW).is_ok(), "who does not ask for limits");
    assert!(meet_with_limits(&gate, "192.0.3.1", NOW).is_ok(), "others");
    let later = NOW.saturating_add(wait);
    assert!(meet_with_limits(&gate, "192.0.2.3", later).is_ok());
    assert!(gate.check(&Request::new(address("192.0.2.3")), later).is_admitted());
}

/// I1: what depends on the request is not known before there is one.
#[test]
fn only_limits_that_all_requests_of_a_client_meet_are_heard() {
    let once = || LimitRule::new("once", Quota::per_hour(1));
    let get = Scheme::new().parse(r#"method eq "GET""#).unwrap();
    let failed = Scheme::new().parse_response("status eq 401").unwrap();
    for (limit, is_heard) in [
        (once(), true),
        (once().by([term("cidr(ip.src, 24, 48)")]), true),
        (once().by([term("ip.src")]).cost(1), true),
        // It has its unit from the check on, until the response is known.
        (once().count_if(failed), true),
        (once().by([]), false),
        (once().by([term("client"), term("path")]), false),
        (once().when(get), false),
        (once().mode(RuleMode::Shadow), false),
        (once().share(Share::NONE), false),
        (once().distinct(term("path")), false),
        (once().cost_of(term("http.request.body.size")), false),
        (once().then(Then::Ban(Ban::new(MINUTE))), false),
    ] {
        let text = format!("{limit:?}");
        let gate = Gate::builder().limit_rule(limit).build().unwrap();
        let first = ask(&gate, "192.0.2.1", "/").into_result().unwrap();
        assert_eq!(meet_with_limits(&gate, "192.0.2.1", NOW).is_err(), is_heard, "{text}");
        drop(first);
    }
}

#[test]
fn no_limit_is_heard_where_a_rule_may_lift_it() {
    let allow = |bypass_limits| Action::Allow { bypass_limits, bypass_shedding: false };
    for (action, mode, is_heard) in [
        (allow(true), RuleMode::Enforce, false),
        (Action::Skip(Skip::Limits), RuleMode::Enforce, false),
        (allow(true), RuleMode::Shadow, true),
        (allow(false), RuleMode::Enforce, true),
        (Action::Skip(Skip::Rules), RuleMode::Enforce, true),
    ] {
        let gate = Gate::builder()
            .limit("once", Quota::per_hour(1))
            .rule(rule("health", r#"path eq "/health""#, [action]).mode(mode))
            .build()
            .unwrap();
        assert!(ask(&gate, "192.0.2.1", "/").is_admitted());
        assert_eq!(meet_with_limits(&gate, "192.0.2.1", NOW).is_err(), is_heard);
        assert!(meet(&gate, "192.0.2.1").is_ok());
    }
}

const PEERS: [&str; 6] =
    ["192.0.2.1", "192.0.2.2", "192.0.3.1", "2001:db8::1", "2001:db8::2", "10.0.0.1"];
const PATHS: [&str; 3] = ["/", "/free", "/trap"];

fn any_gate() -> impl Strategy<Value = GateBuilder> {
    let parts = prop::collection::vec(any::<bool>(), 8);
    (parts, 1..4_u32).prop_map(|(parts, units)| {
        let mut builder = Gate::builder();
        let quota = Quota::per_hour(units);
        let lists: [fn(GateBuilder) -> GateBuilder; 3] = [
            |gate| gate.deny(list("192.0.3.0/24")),
            |gate| gate.exempt(list("192.0.2.2")),
            |gate| gate.allow(list("192.0.3.1")),
        ];
        for (add, _) in lists.iter().zip(&parts).filter(|(_, is_in)| **is_in) {
            builder = add(builder);
        }
        if parts[3] {
            let proxies = Trust::nets(["10.0.0.0/8"]).unwrap();
            builder = builder.trust(ClientIp::new(proxies, ForwardedBy::XForwardedFor));
        }
        if parts[4] {
            let free = Action::Skip(Skip::Limits);
            builder = builder.rule(rule("free", r#"path eq "/free""#, [free]));
        }
        if parts[5] {
            let ban = Action::Ban(Ban::new(MINUTE));
            builder = builder.rule(rule("trap", r#"path eq "/trap""#, [ban]));
        }
        if parts[6] {
            let limit = LimitRule::new("by path", quota).by([term("client"), term("path")]);
            builder = builder.limit_rule(limit);
        }
        if parts[7] {
            let limit = LimitRule::new("networks", quota).by([term("cidr(ip.src, 24, 48)")]);
            builder = builder.limit_rule(limit.share(Share::percent(50)));
        }
        builder.limit("per client", quota)
    })
}

proptest! {
    #![proptest_config(cases(256))]

    /// I1, and I3: what an explanation says before and after is the same.
    #[test]
    fn who_is_refused_would_be_refused_with_any_request(
        builder in any_gate(),
        requests in prop::collection::vec((0..PEERS.len(), 0..PATHS.len()), 0..24),
    ) {
        let gate = builder.build().unwrap();
        for (peer, path) in requests {
            drop(ask(&gate, PEERS[peer], PATHS[path]));
        }
        let passing = |peer: &str| -> Vec<bool> {
            let asked = |path| Request::new(address(peer)).method("GET").target(path);
            PATHS.iter().map(|path| gate.explain(&asked(path), NOW).is_admitted()).collect()
        };
        for peer in PEERS {
            let before = passing(peer);
            if meet_with_limits(&gate, peer, NOW).is_err() {
                prop_assert!(!before.contains(&true), "{}: {:?}", peer, before);
            }
            if meet(&gate, peer).is_err() {
                prop_assert!(meet_with_limits(&gate, peer, NOW).is_err());
            }
            prop_assert_eq!(passing(peer), before);
        }
    }
}

/// A clock that is set back locks nobody out, who is refused before anything is asked for.
#[test]
fn a_clock_set_back_is_healed_for_peers() {
    let gate = Gate::builder().limit("per client", Quota::per_second(1)).build().unwrap();
    let later = NOW.saturating_add(60 * MINUTE);
    let request = Request::new(address("192.0.2.1"));
    assert!(gate.check(&request, later).is_admitted());
    assert!(meet_with_limits(&gate, "192.0.2.1", NOW).is_err());
    // As after a check that denies: a burst later all is well.
    let healed = NOW.saturating_add(Duration::from_secs(2));
    assert!(meet_with_limits(&gate, "192.0.2.1", healed).is_ok());
    assert!(gate.check(&request, healed).is_admitted());
    assert!(meet_with_limits(&gate, "192.0.2.1", healed).is_err());
}

/// The one that is waited for longest, whichever was described first.
#[test]
fn the_strictest_limit_that_denies_a_peer_is_told() {
    let limits = [("short", Quota::per_minute(1)), ("long", Quota::per_hour(1))];
    for order in [[0, 1], [1, 0]] {
        let builder = order.iter().fold(Gate::builder(), |builder, at: &usize| {
            let (name, quota) = limits[*at];
            builder.limit(name, quota)
        });
        let gate = builder.build().unwrap();
        assert!(ask(&gate, "192.0.2.1", "/").is_admitted());
        let denial = meet_with_limits(&gate, "192.0.2.1", NOW).unwrap_err();
        assert_eq!(denial.name(), "long");
        let later = NOW.saturating_add(MINUTE);
        let denial = meet_with_limits(&gate, "192.0.2.1", later).unwrap_err();
        assert_eq!(denial.name(), "long", "the other one is over");
    }
}
