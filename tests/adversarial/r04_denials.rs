//! **Row 4: a refused request takes from limits, or from some of several.**
//!
//! Identifiers: governor #117, #146, #186; nginx "rejects not counted".
//!
//! The attack: with a request that one limit refuses, somebody uses up the others: the places of a service, or the quota of
//! another key. Or a client that asks again while it waits never gets out of its own refusals.
//!
//! Ours: `src/gate/mod.rs` I3, `src/gate/limits/take.rs` I1, `src/limit/group.rs` I1 (`limits_are_taken_all_or_none`,
//! `all_are_charged_or_none`); `src/limit/bucket.rs` I2 (`a_denial_writes_nothing`). This row asks gates with limits of several kinds for
//! what is left, after a flood of refusals.
//!
//! Shown to fail, tests counted from above:
//! - `src/limit/group.rs`, `decide`: limits are charged where they should be looked at: tests 1 and 2;
//! - `ticks.rs`, `take`: a denial charges, and writes it: test 3.

use std::time::Duration;

use portcullis::{DenialReason, Gate, Request, Timestamp};

use crate::support::{client, gate, refused};

/// The last of these refuses first; one comes before it in the order of a check, another after it.
const LIMITS: &str = r#"
    [[limit]]
    name = "all"
    by = []
    quota = "100/h"

    [[limit]]
    name = "in flight"
    by = []
    in_flight = 50

    [[limit]]
    name = "by key"
    by = 'header["x-key"]'
    quota = "2/h"

    [[limit]]
    name = "each"
    quota = "40/h"
"#;

const NOW: Timestamp = Timestamp::from_secs(1_000);

fn asked<'a>(nth: u32, key: &'a str) -> Request<'a> {
    Request::new(client(nth)).header("x-key", key)
}

/// How many of one client with a key for each request still pass, of which none is finished.
fn left(gate: &Gate, nth: u32) -> usize {
    let keys: Vec<String> = (0..200).map(|at| format!("{nth}/{at}")).collect();
    // Kept, so that their places are.
    let passed: Vec<_> = keys
        .iter()
        .filter_map(|key| gate.check(&asked(nth, key), NOW).into_result().ok())
        .collect();
    passed.len()
}

#[test]
fn a_flood_of_refusals_takes_from_no_other_limit() {
    let gate = gate(LIMITS);
    for nth in 0..2 {
        drop(gate.check(&asked(nth, "of the attacker"), NOW));
    }
    for nth in 0..5_000 {
        let denial = refused(&gate, &asked(nth % 50, "of the attacker"), NOW).unwrap();
        assert_eq!((denial.name(), denial.reason()), ("by key", DenialReason::Limit));
    }
    // Of 100 for all, two are taken: two clients have their 40, and the last one what is left, all of that.
    assert_eq!([left(&gate, 100), left(&gate, 101), left(&gate, 102)], [40, 40, 18]);
}

/// Places in flight are entered before the others are asked, and must be left again.
#[test]
fn a_refusal_keeps_no_place() {
    let gate = gate(LIMITS);
    for nth in 0..2 {
        drop(gate.check(&asked(nth, "k"), NOW));
    }
    for nth in 0..1_000 {
        assert!(refused(&gate, &asked(nth % 50, "k"), NOW).is_some());
    }
    let held: Vec<_> = (0..60)
        .filter_map(|nth| {
            let key = format!("own {nth}");
            gate.check(&asked(nth, &key), NOW).into_result().ok()
        })
        .collect();
    assert_eq!(held.len(), 50);
}

/// Who keeps asking while it has to wait waits no longer than who does not: of a store of many, and of one bucket.
#[test]
fn asking_in_vain_does_not_lengthen_the_wait() {
    for by in ["", "by = []\n"] {
        let text = format!("[[limit]]\nname = \"each\"\nquota = \"1/s burst 3\"\n{by}");
        let (impatient, patient) = (gate(&text), gate(&text));
        for gate in [&impatient, &patient] {
            (0..3).for_each(|_| assert!(refused(gate, &Request::new(client(1)), NOW).is_none()));
        }
        for micros in 0..10_000 {
            let now = NOW.saturating_add(Duration::from_micros(micros * 99));
            assert!(refused(&impatient, &Request::new(client(1)), now).is_some());
        }
        let due = NOW.saturating_add(Duration::from_secs(1));
        for gate in [&impatient, &patient] {
            assert!(refused(gate, &Request::new(client(1)), due).is_none(), "{text}");
            assert!(refused(gate, &Request::new(client(1)), due).is_some());
        }
    }
}

/// What is refused by a rule, a list or a ban never comes to the limits.
#[test]
fn what_is_refused_before_the_limits_takes_nothing() {
    let gate = gate(
        "deny = [\"192.0.2.0/24\"]\n\
         [[rule]]\nname = \"no\"\nwhen = 'path eq \"/no\"'\nthen = \"deny\"\n\
         [[limit]]\nname = \"all\"\nby = []\nquota = \"5/h\"\n",
    );
    gate.bans().add("198.51.100.0/24".parse().unwrap(), Duration::from_secs(60), "test", NOW);
    for nth in 0..900 {
        let from = ["192.0.2.7", "198.51.100.7", "203.0.113.7"][nth % 3];
        let request = Request::new(crate::support::ip(from)).target("/no");
        assert_ne!(refused(&gate, &request, NOW).unwrap().reason(), DenialReason::Limit);
    }
    let left = (0..20).filter(|_| refused(&gate, &Request::new(client(1)), NOW).is_none()).count();
    assert_eq!(left, 5);
}
