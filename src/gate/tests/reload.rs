//! Changes of a gate that is at work.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{format, string::ToString, thread, vec::Vec};

use super::{
    NOW, address, list, remaining,
    rules::{ask, rule},
};
use crate::{
    cidr::{CidrEdit, CidrSet},
    gate::{Gate, GateBuilder, ListError, Mode},
    limit::Share,
    quota::Quota,
    request::Request,
    rule::{Action, List, Rule, RuleMode, Scheme, TextSet, Type},
    test_support::rounds,
    verdict::DenialReason,
};

const DENY: Action = Action::Deny { status: 403 };

fn listed() -> GateBuilder {
    Gate::builder()
        .rule(rule("listed", "ip.src in $listed", [DENY]))
        .list("listed", list("192.0.2.0/24"))
}

fn passes(gate: &Gate, peer: &str) -> bool {
    ask(gate, peer, "/").is_admitted()
}

fn insert(net: &str) -> CidrEdit<()> {
    CidrEdit::Insert(list(net).iter().next().unwrap(), ())
}

/// I1 and I2 of the lists.
#[test]
fn lists_are_replaced_and_edited_live() {
    let gate = listed().list("paths", TextSet::from_iter(["/a"])).build().unwrap();
    let lists = gate.lists();
    assert_eq!(lists.names(), ["listed", "paths"]);
    assert!(!passes(&gate, "192.0.2.1") && passes(&gate, "203.0.113.9"));
    let old = lists.replace("listed", list("203.0.113.0/24")).unwrap();
    assert!(matches!(old, List::Addresses(set) if set.len() == 1));
    assert!(passes(&gate, "192.0.2.1") && !passes(&gate, "203.0.113.9"));
    lists
        .edit("listed", [insert("192.0.2.7"), CidrEdit::Remove("203.0.113.0/24".parse().unwrap())])
        .unwrap();
    assert!(!passes(&gate, "192.0.2.7") && passes(&gate, "203.0.113.9"));
    lists.edit("listed", [insert("192.0.2.8")]).unwrap();
    assert!(!passes(&gate, "192.0.2.7") && !passes(&gate, "192.0.2.8"));
    lists.replace("listed", CidrSet::new()).unwrap();
    lists.edit("listed", [insert("192.0.2.9")]).unwrap();
    assert!(passes(&gate, "192.0.2.7") && !passes(&gate, "192.0.2.9"), "edits are of the newest");

    let error = lists.replace("lsited", CidrSet::new()).unwrap_err();
    assert!(error.to_string().contains("listed"), "{error}");
    for error in [
        lists.replace("listed", TextSet::default()).unwrap_err(),
        lists.edit("paths", [insert("192.0.2.9")]).unwrap_err(),
    ] {
        assert!(matches!(error, ListError::Type { .. }), "{error}");
    }
    assert!(lists.edit("none", [insert("192.0.2.9")]).is_err());
    assert!(lists.get("none").is_none() && lists.get("paths").is_some());
}

/// I3 of reloads: live content stays unless the definition changes.
#[test]
fn a_list_keeps_its_content_until_it_is_defined_anew() {
    let gate = listed().build().unwrap();
    gate.lists().edit("listed", [insert("203.0.113.9")]).unwrap();
    gate.reload_with(listed(), NOW).unwrap();
    assert!(!passes(&gate, "203.0.113.9") && !passes(&gate, "192.0.2.1"));
    gate.lists().edit("listed", [insert("203.0.113.10")]).unwrap();
    assert!(!passes(&gate, "203.0.113.9") && !passes(&gate, "203.0.113.10"));
    gate.reload_with(listed().list("listed", list("198.51.100.0/24")), NOW).unwrap();
    assert!(passes(&gate, "203.0.113.9") && !passes(&gate, "198.51.100.1"));
    gate.lists().edit("listed", [insert("203.0.113.11")]).unwrap();
    assert!(passes(&gate, "203.0.113.9"), "nothing of before comes back");
    gate.reload_with(Gate::builder(), NOW).unwrap();
    assert!(gate.lists().names().is_empty() && passes(&gate, "198.51.100.1"));
}

/// I1 of reloads.
#[test]
fn a_bad_plan_changes_nothing() {
    let gate = listed().limit("one", Quota::per_hour(1)).build().unwrap();
    assert!(passes(&gate, "203.0.113.9"));
    let bad = Gate::builder().mode(Mode::Off).rule(rule("same", "true", [DENY])).rule(rule(
        "same",
        "true",
        [DENY],
    ));
    assert!(gate.reload_with(bad, NOW).is_err());
    assert_eq!(gate.mode(), Mode::Enforce);
    assert!(!passes(&gate, "192.0.2.1") && !passes(&gate, "203.0.113.9"));
    assert_eq!(gate.lists().names(), ["listed"]);
}

#[test]
fn a_promoted_rule_keeps_its_counts() {
    let staged =
        |mode, share| Gate::builder().rule(rule("staged", "true", [DENY]).mode(mode).share(share));
    let gate = staged(RuleMode::Shadow, Share::ALL).build().unwrap();
    assert!(passes(&gate, "192.0.2.1"));
    for (mode, share) in [
        (RuleMode::Enforce, Share::NONE),
        (RuleMode::Off, Share::ALL),
        (RuleMode::Enforce, Share::ALL),
    ] {
        gate.reload_with(staged(mode, share), NOW).unwrap();
        let _ = passes(&gate, "192.0.2.1");
    }
    let stats = gate.stats();
    let rule = stats.rule("staged").unwrap();
    assert_eq!((rule.matched(), rule.would_deny(), rule.denied()), (3, 2, 1));
}

/// I3 of reloads: the mode that was set stays unless the plan says another than before.
#[test]
fn a_mode_that_was_set_stays_until_the_plan_says_another() {
    let gate = Gate::builder().build().unwrap();
    gate.set_mode(Mode::Observe);
    gate.reload_with(Gate::builder(), NOW).unwrap();
    assert_eq!(gate.mode(), Mode::Observe);
    gate.reload_with(Gate::builder().mode(Mode::Off), NOW).unwrap();
    assert_eq!(gate.mode(), Mode::Off);
}

/// I2 of lists and of reloads: threads ask while one replaces and edits; each check sees a whole list.
#[test]
fn lists_change_under_load() {
    let scheme = Scheme::new().field("other", Type::Ip).list("listed", Type::Ip);
    let torn = scheme.parse("not (ip.src in $listed xor other in $listed)").unwrap();
    let torn = Rule::new("torn", torn).then(DENY).priority(-1);
    let gate = listed().scheme(scheme).rule(torn).build().unwrap();
    let done = AtomicBool::new(false);
    let answers = AtomicU64::new(0);
    // One of the two is always listed, and never both.
    let (one, other) = ("192.0.2.0/24", "203.0.113.0/24");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    // A check sees one content of the list, in which exactly one of both is.
                    for (peer, other) in
                        [("192.0.2.1", "203.0.113.9"), ("203.0.113.9", "192.0.2.1")]
                    {
                        let request = Request::new(address(peer)).field("other", address(other));
                        if let Err(denial) = gate.check(&request, NOW).into_result() {
                            assert_eq!(denial.name(), "listed");
                        }
                    }
                    answers.fetch_add(1, Ordering::Relaxed);
                    // A thread that starts late has its turn all the same.
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        for round in 0..rounds(300, 3) {
            let (add, remove) = if round % 2 == 0 { (other, one) } else { (one, other) };
            if round % 3 == 0 {
                gate.lists().replace("listed", list(add)).unwrap();
            } else {
                let edits = [insert(add), CidrEdit::Remove(remove.parse().unwrap())];
                gate.lists().edit("listed", edits).unwrap();
            }
            let passes = |peer, other| {
                let request = Request::new(address(peer)).field("other", address(other));
                gate.check(&request, NOW).is_admitted()
            };
            let (one, other) = ("192.0.2.1", "203.0.113.9");
            let listed = [passes(one, other), passes(other, one)];
            assert_eq!(listed, [round % 2 == 0, round % 2 == 1], "seen at once by who changes it");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(answers.load(Ordering::Relaxed) > 0);
}

/// I1, I2 and I3 of reloads: good and bad plans, with threads that ask all the time.
#[test]
fn an_unchanged_limit_keeps_its_clients_under_load() {
    const UNITS: u32 = rounds(500, 15);
    const ROUNDS: u32 = rounds(60, 2);
    let plan = |round: u32| {
        Gate::builder()
            .rule(rule(&format!("rule {round}"), r#"path eq "/none""#, [DENY]))
            .limit("per day", Quota::per_day(UNITS))
            .list("listed", CidrSet::new())
    };
    let gate = plan(0).build().unwrap();
    let admitted = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..rounds(3, 2) {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let request = Request::new(address("203.0.113.9")).target("/");
                    match gate.check(&request, NOW).into_result() {
                        Ok(_) => _ = admitted.fetch_add(1, Ordering::Relaxed),
                        Err(denial) => assert_eq!(denial.reason(), DenialReason::Limit),
                    }
                }
            });
        }
        for round in 1..=ROUNDS {
            gate.reload_with(plan(round), NOW).unwrap();
            let bad = plan(round).rule(rule(&format!("rule {round}"), "true", [DENY]));
            assert!(gate.reload_with(bad, NOW).is_err());
        }
        while gate.stats().denied() == 0 {
            thread::yield_now();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(admitted.load(Ordering::Relaxed), u64::from(UNITS), "as if nothing was reloaded");
    assert_eq!(gate.stats().admitted(), u64::from(UNITS));
    assert_eq!(remaining(&gate, "203.0.113.9", NOW), [0]);
    let names: Vec<_> = gate.stats().rules().iter().map(|rule| rule.name().to_string()).collect();
    assert!(
        names.contains(&format!("rule {ROUNDS}"))
            && !names.contains(&format!("rule {}", ROUNDS - 1))
    );
}
