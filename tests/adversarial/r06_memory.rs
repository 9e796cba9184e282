//! **Row 6: memory for each key that somebody invents.**
//!
//! Identifiers: governor #171; CVE-2026-27695 (zae-limiter, CWE-770); mcp-context-forge PR 4607 (CWE-400).
//!
//! The attack: a new address, API key or path with every request. A map that keeps each of them grows until the process is
//! killed, and that is the end of the service, by the part that was to protect it.
//!
//! Ours: `src/gate/mod.rs` I4, `src/limit/keyed/mod.rs` I4, `src/gate/bans.rs` I2, `src/limit/remote/mod.rs` I4; what is allocated is counted by
//! `tests/guarantees` (`a_flood_of_fresh_keys_allocates_nothing`, `memory_does_not_grow_with_clients`). This row floods everything that
//! a text can ask to be kept: clients, keys of headers, distinct paths, places in flight, bans, what a defence has seen, and metrics.
//!
//! Shown to fail, tests counted from above:
//! - `src/gate/bans/table.rs`, `Table::add`: room for twice as many: test 1;
//! - `src/limit/keyed/capacity.rs`: no keys made one: test 2.

use portcullis::{Capacity, ExactLimiter, KeyedLimiter, Outcome, Quota, Request, Timestamp};

use crate::support::{client, gate};

const EVERYTHING: &str = r#"
    clients = 200
    bans = 50

    [[limit]]
    name = "each"
    quota = "1/h"
    then = { ban = "1h", escalate = 4, max = "1d" }

    [[limit]]
    name = "keys"
    by = ['header["x-key"]', "path"]
    quota = "100/h"
    count_if = "status >= 400"

    [[limit]]
    name = "paths"
    quota = "10/h"
    distinct = "path"

    [[limit]]
    name = "at once"
    by = 'header["x-key"]'
    in_flight = 2

    [defence]
    auto = "defend"
"#;

#[test]
fn a_flood_of_everything_that_can_be_invented_takes_no_more_memory() {
    let gate = gate(EVERYTHING);
    let mut held = Vec::new();
    let mut ask = |nth: u32| {
        let (key, path) = (format!("key {nth}"), format!("/{nth}/{}", nth % 7));
        let request = Request::new(client(nth / 2))
            .target(&path)
            .header("x-key", &key)
            .header("user-agent", &key);
        let now = Timestamp::from_millis(1_000_000 + u64::from(nth));
        if let Ok(mut admission) = gate.check(&request, now).into_result() {
            held.extend(admission.hold().filter(|_| nth % 50 == 0));
            gate.finish(admission, Outcome::status(404), now);
        }
    };
    (0..2_000).for_each(&mut ask);
    let before = gate.memory_bytes();
    (2_000..60_000).for_each(&mut ask);
    let after = gate.memory_bytes();
    // What mitigations there are is bounded, too.
    assert!(after <= before + (1 << 18), "{before}, then {after}");
    assert!(before < 4 << 20, "{before}");
    let now = Timestamp::from_secs(1_060);
    assert!(gate.bans().list(now).len() <= 50);
    assert!(gate.bans().displaced() > 0, "nobody was banned that often");
    // Whoever reads the numbers is told of no client either.
    let told = gate.open_metrics(now).to_string();
    assert!(
        told.len() < 64 << 10 && !told.contains("key 1") && !told.contains("11.0."),
        "{} bytes",
        told.len()
    );
}

/// One place, and none: a small number is no reason to fail, and none is refused when built, not when asked.
#[test]
fn the_smallest_stores_are_stores() {
    let quota = Quota::per_hour(1);
    assert!(KeyedLimiter::new(quota, Capacity::keys(0)).is_err());
    assert!(
        portcullis::Gate::from_toml("clients = 0\n[[limit]]\nname = \"a\"\nquota = \"1/h\"\n")
            .is_err()
    );
    let one = KeyedLimiter::new(quota, Capacity::keys(1)).unwrap();
    let (exact, none) = (ExactLimiter::<u32>::new(quota, 1), ExactLimiter::<u32>::new(quota, 0));
    let (bytes, exact_bytes) = (one.memory_bytes(), exact.memory_bytes());
    let now = Timestamp::from_secs(1);
    let mut admitted = [0_u32; 3];
    for key in 0..50_000_u32 {
        admitted[0] += u32::from(one.check(&key, now).is_admitted());
        admitted[1] += u32::from(exact.check(&key, now).is_admitted());
        admitted[2] += u32::from(none.check(&key, now).is_admitted());
    }
    assert_eq!((one.memory_bytes(), exact.memory_bytes()), (bytes, exact_bytes));
    // Seven are a set of the one, and there is a place for one in the other.
    assert!(admitted[0] <= 7 && admitted[1] == 1 && admitted[2] == 0, "{admitted:?}");
}
