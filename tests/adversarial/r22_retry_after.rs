//! **Row 22: a wait that is wrong.**
//!
//! Identifiers: tower-governor #65; redis-cell #56; hashicorp/boundary PR 4094.
//!
//! The attack: `Retry-After: 0`, or a second too early, makes well-behaved clients ask again at once, and be refused again: a flood that the limit itself has
//! ordered. A wait of centuries keeps out who should come back.
//!
//! Ours: in whole seconds, rounded up, at least one, and the same wherever it is said: `src/adapt/answer/mod.rs` I1
//! (`a_wait_is_the_same_wherever_it_is_said`, `what_is_left_is_never_faster_than_the_quota_nor_early`). This row has a client that does as it is told, against quotas of
//! all sizes, bans, and several limits, through the layer.
//!
//! Shown to fail, tests counted from above:
//! - `src/adapt/answer/numbers.rs`, `seconds` rounded down: tests 1, 2 and 3; a second more than needed: tests 2 and
//!   3.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use portcullis::{Gate, GateLayer, Quota, Timestamp, tower::GateService};
use tower_layer::Layer;

use crate::support::{Hello, Random, client, gate, get, send};

/// A gate with a clock in nanoseconds that the test moves.
fn behind(gate: &Gate, start: u64) -> (GateService<Hello>, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(start));
    let clock = Arc::clone(&time);
    let layer =
        GateLayer::new(gate).clock(move || Timestamp::from_nanos(clock.load(Ordering::Relaxed)));
    (layer.layer(Hello), time)
}

/// The wait in seconds, if the request was refused.
fn told(service: &mut GateService<Hello>, nth: u32) -> Option<u64> {
    let (head, body) = send(service, get(client(nth), "/"));
    if head.status == 200 {
        return None;
    }
    assert_eq!(head.status, 429, "{body}");
    Some(head.headers["retry-after"].to_str().unwrap().parse().unwrap())
}

/// Whoever waits as long as it was told is served, every time.
#[test]
fn who_waits_as_told_is_served() {
    let mut random = Random(2_222);
    let mut waits = 0;
    for _ in 0..300 {
        let (count, length) = (1 + random.below(300), 1 + random.below(90));
        let unit = random.of(&["ms", "s", "s", "min", "h", "day"]);
        let text = format!("{count}/{length}{unit} burst {}", 1 + random.below(12));
        let quota: Quota = text.parse().unwrap();
        let second = random.below(4) == 0;
        let more = if second { "[[limit]]\nname = \"other\"\nquota = \"3/7s\"\n" } else { "" };
        let gate =
            gate(&format!("clients = 10\n[[limit]]\nname = \"each\"\nquota = \"{quota}\"\n{more}"));
        let (mut service, time) = behind(&gate, 1_000_000_000_000 + random.below(1_000_000_000));
        for _ in 0..40 {
            time.fetch_add(random.below(300_000_000), Ordering::Relaxed);
            if let Some(wait) = told(&mut service, 1) {
                assert!(wait >= 1, "{quota}");
                // No longer than a unit of the slower one takes, rounded up twice.
                let unit = quota.period().as_secs_f64() / f64::from(quota.count());
                assert!((wait as f64) < unit.max(2.4) + 2.0, "{quota}: {wait} s");
                time.fetch_add(wait * 1_000_000_000, Ordering::Relaxed);
                assert_eq!(told(&mut service, 1), None, "{quota}: {wait} s were too short");
                waits += 1;
            }
        }
    }
    assert!(waits > 500, "{waits}");
}

/// A nanosecond before, it would have been in vain, as far as whole seconds can tell.
#[test]
fn a_wait_is_not_a_second_too_long_either() {
    for (quota, expected) in [
        ("1/s", 1),
        ("10/s burst 1", 1),
        ("1/3s", 3),
        ("2/3s burst 1", 2),
        ("7/10s burst 1", 2),
        ("1/min", 60),
        ("3/day burst 1", 28_800),
    ] {
        let gate = gate(&format!(
            "clients = 10\n[[limit]]\nname = \"each\"\nby = []\nquota = \"{quota}\"\n"
        ));
        let (mut service, _) = behind(&gate, 5_000_000_000);
        while told(&mut service, 1).is_none() {}
        assert_eq!(told(&mut service, 1), Some(expected), "{quota}");
    }
}

/// A ban is told as what it is, also in parts of seconds, and is over then.
#[test]
fn a_ban_is_over_when_it_was_said_to_be() {
    let gate = gate(
        "[[limit]]\nname = \"each\"\nquota = \"1/100ms\"\nthen = { ban = \"2500ms\", escalate = 2, max = \"1h\" }\n",
    );
    let (mut service, time) = behind(&gate, 7_000_000_000);
    for expected in [3, 5, 10, 20, 40] {
        assert_eq!(told(&mut service, 1), None);
        assert_eq!(told(&mut service, 1), Some(expected));
        time.fetch_add(300_000_000, Ordering::Relaxed);
        let left = told(&mut service, 1).unwrap();
        assert!((expected - 1..=expected).contains(&left), "{left} of {expected}");
        time.fetch_add(left * 1_000_000_000, Ordering::Relaxed);
    }
}

/// What can never pass is told without a time to come back at.
#[test]
fn what_can_never_pass_is_told_no_time() {
    let gate = gate("[[limit]]\nname = \"none\"\nquota = \"0/s\"\n");
    let (mut service, _) = behind(&gate, 5);
    let (head, _) = send(&mut service, get(client(1), "/"));
    assert_eq!(head.status, 429);
    assert!(!head.headers.contains_key("retry-after"), "{:?}", head.headers);
}
