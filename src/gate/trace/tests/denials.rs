//! Each denial, and what would have been one.

use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::Level;

use super::{Listener, NOW, from, heard, rule};
use crate::{
    gate::{Gate, LimitRule, MissingKey, MissingPeer, Mode},
    quota::Quota,
    request::Request,
    rule::{Action, RuleMode, Scheme},
};

const DENY: Action = Action::Deny { status: 403 };

fn gate(mode: Mode) -> Gate {
    Gate::builder()
        .mode(mode)
        .deny("198.51.100.0/24".parse().unwrap())
        .rule(rule("no dots", r#"path contains "..""#, Action::Deny { status: 404 }))
        .rule(rule("watched", r#"path eq "/w""#, DENY).mode(RuleMode::Shadow))
        .limit("per client", Quota::per_second(1).burst(1))
        .limit_rule(LimitRule::new("tight", Quota::per_hour(1)).mode(RuleMode::Shadow))
        .build()
        .unwrap()
}

#[test]
fn a_denial_says_who_denies_and_why_and_for_how_long() {
    let gate = gate(Mode::Enforce);
    gate.bans().add("192.0.2.9/32".parse().unwrap(), Duration::from_millis(1_500), "spam", NOW);
    let lines = heard(|| {
        for (peer, target) in
            [("198.51.100.7", "/"), ("192.0.2.1", "/a..b"), ("192.0.2.2", "/"), ("192.0.2.9", "/")]
        {
            drop(gate.check(&from(peer).target(target), NOW));
        }
        // The second one of its second.
        drop(gate.check(&from("192.0.2.2"), NOW));
        assert!(gate.check_peer("198.51.100.8".parse().unwrap(), NOW).is_err());
        assert!(gate.check_peer("192.0.2.2".parse().unwrap(), NOW).is_ok());
    });
    let denied = "DEBUG portcullis::deny: denied";
    assert_eq!(
        lines,
        [
            "rule=deny list kind=own stage=lists reason=deny_list status=403 enforced=true",
            "rule=no dots kind=rule stage=rules reason=rule status=404 enforced=true",
            "rule=bans kind=own stage=bans reason=banned status=429 retry_after_ms=1500 enforced=true",
            "rule=per client kind=limit stage=limits reason=limit status=429 retry_after_ms=1000 \
             enforced=true",
            "rule=deny list kind=own stage=lists reason=deny_list status=403 enforced=true",
        ]
        .map(|fields| std::format!("{denied} {fields}"))
    );
}

#[test]
fn what_is_only_observed_or_in_shadow_says_so() {
    let gate = gate(Mode::Observe);
    let lines = heard(|| drop(gate.check(&from("192.0.2.1").target("/a..b"), NOW)));
    assert_eq!(
        lines,
        [
            "DEBUG portcullis::deny: denied rule=no dots kind=rule stage=rules reason=rule status=404 \
          enforced=false"
        ]
    );
    gate.set_mode(Mode::Enforce);
    let ask = |target| heard(|| drop(gate.check(&from("192.0.2.1").target(target), NOW)));
    let watched = "DEBUG portcullis::deny: denied in shadow rule=watched kind=rule stage=rules \
                   enforced=false";
    let tight = "DEBUG portcullis::deny: denied in shadow rule=tight kind=limit stage=limits \
                 enforced=false";
    assert_eq!(ask("/w"), [watched]);
    let gone = gate.check(&from("192.0.2.2"), NOW);
    drop(gone);
    let later = NOW.saturating_add(Duration::from_secs(2));
    let lines = heard(|| drop(gate.check(&from("192.0.2.2").target("/w"), later)));
    assert_eq!(lines, [watched, tight], "it passes, and one of each would have refused it");
    // A refusal with a rule in shadow before it: both.
    let lines = heard(|| drop(gate.check(&from("192.0.2.2").target("/w"), later)));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("rule=per client") && lines[0].ends_with("enforced=true"));
    assert_eq!(lines[1], watched);
}

#[test]
fn a_mode_that_decides_nothing_tells_nothing() {
    let gate = gate(Mode::Off);
    assert_eq!(heard(|| drop(gate.check(&from("198.51.100.7"), NOW))), [""; 0]);
}

#[test]
fn who_asks_for_less_is_told_less() {
    let gate = gate(Mode::Enforce);
    for most in [Level::INFO, Level::ERROR] {
        let listener = Listener::up_to(most);
        listener.hears(|| drop(gate.check(&from("198.51.100.7"), NOW)));
        assert_eq!(listener.take(), [""; 0]);
    }
    assert_eq!(gate.stats().denied(), 2);
}

#[test]
fn what_lacks_a_key_or_a_peer_is_told_as_well() {
    let missing = LimitRule::new("per key", Quota::per_hour(9))
        .by([Scheme::new().parse_term(r#"header["x-key"]"#).unwrap()])
        .missing(MissingKey::Deny);
    let gate = Gate::builder().limit_rule(missing).missing_peer(MissingPeer::Deny).build().unwrap();
    let lines = heard(|| {
        drop(gate.check(&from("192.0.2.1"), NOW));
        drop(gate.check(&Request::new(None), NOW));
    });
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[0].contains("rule=per key kind=limit stage=limits reason=missing_key status=403")
    );
    assert!(lines[1].contains("rule=missing peer address kind=own stage=client"), "{lines:?}");
    assert!(lines[2].starts_with("WARN portcullis::client: requests without a peer address"));
}

/// I4.
#[test]
fn a_subscriber_that_panics_takes_nothing_with_it() {
    let gate = gate(Mode::Enforce);
    let listener = Listener::up_to(Level::TRACE).breaks_on("denied");
    let ask = || listener.hears(|| gate.check(&from("192.0.2.3"), NOW).is_admitted());
    assert!(ask());
    for denied in 1..=3 {
        assert!(catch_unwind(AssertUnwindSafe(ask)).is_err());
        assert_eq!(gate.stats().denied(), denied);
    }
    assert_eq!(listener.take().len(), 3);
    let second = NOW.saturating_add(Duration::from_secs(1));
    assert!(gate.check(&from("192.0.2.3"), second).is_admitted(), "and none of it took a unit");
}
