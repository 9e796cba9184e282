//! **Row 5: lost updates.**
//!
//! Identifiers: Envoy's `CasEdgeCases`; RUSTSEC-2019-0013 (spin); RUSTSEC-2021-0093 (crossbeam-deque); the notes of arc-swap 1.9.0.
//!
//! The attack: many requests at the same moment. Where two threads read the same balance and both write it back, one of
//! the two requests was free; a limit of five lets a thousand parallel logins pass.
//!
//! Ours: `src/limit/bucket.rs` I6, `src/limit/keyed/mod.rs` I5, by model checking, with a mutant for each rule: `src/limit/loom_models`. In flight
//! and logins: `src/gate/limits/mod.rs` I6 (`a_thousand_parallel_logins_do_not_slip_through_a_limit_of_five`). What is here is what threads
//! on a real machine see of it: every count is exact, at one moment of time.
//!
//! Shown to fail, tests counted from above:
//! - `src/limit/guard.rs`, `exchange` says yes whatever became of it: more than 100,000, and 3,001 of 3,000 (tests 1
//!   and 3);
//! - `src/limit/keyed/table.rs`, `glance`, a lost exchange admits: test 2;
//! - `src/limit/group.rs`, no refund to the last limit after a lost race: too seldom on two cores to be seen here;
//!   `what_was_charged_before_a_race_was_lost_comes_back` sees it.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use portcullis::{Capacity, Gate, KeyedLimiter, Quota, Request, Timestamp, TokenBucket};

use crate::support::{client, gate};

const THREADS: u32 = 4;
const NOW: Timestamp = Timestamp::from_secs(7);

/// How many of what all threads try succeeds.
fn together(each: u32, tries: impl Fn(u32) -> bool + Sync) -> u32 {
    let passed = AtomicU32::new(0);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (passed, tries) = (&passed, &tries);
            scope.spawn(move || {
                let own = (0..each).filter(|nth| tries(thread * each + nth)).count();
                passed.fetch_add(u32::try_from(own).unwrap(), Ordering::Relaxed);
            });
        }
    });
    passed.into_inner()
}

#[test]
fn one_bucket_gives_what_it_has_once() {
    let bucket = TokenBucket::new(Quota::per_day(1).burst(100_000));
    let passed = together(50_000, |_| bucket.check(NOW).is_admitted());
    assert_eq!(passed, 100_000);
}

#[test]
fn one_key_of_a_store_gives_what_it_has_once() {
    let store = KeyedLimiter::new(Quota::per_day(1).burst(60_000), Capacity::keys(100)).unwrap();
    let passed = together(25_000, |_| store.check("a key", NOW).is_admitted());
    assert_eq!(passed, 60_000);
}

/// Two limits, each of which runs out first for some: what one refuses goes back to the other. While it is on its way
/// it may be missed by others, so less may pass, and never more.
#[test]
fn a_gate_with_several_limits_never_gives_more_than_each_has() {
    let limits = "\
        clients = 100\n\
        [[limit]]\nname = \"all\"\nby = []\nquota = \"3000/d\"\n\
        [[limit]]\nname = \"each\"\nquota = \"1000/d\"\n";
    let gate: Gate = gate(limits);
    let by_client: [AtomicU32; 5] = Default::default();
    let passed = together(4_000, |nth| {
        let of = nth % 5;
        let passes = gate.check(&Request::new(client(of)), NOW).is_admitted();
        by_client[of as usize].fetch_add(u32::from(passes), Ordering::Relaxed);
        passes
    });
    assert!(passed <= 3_000, "{passed}");
    assert!(by_client.iter().all(|own| own.load(Ordering::Relaxed) <= 1_000), "{by_client:?}");
    // What is left is there for who comes now.
    let rest =
        (0..5_000).filter(|nth| gate.check(&Request::new(client(nth % 5)), NOW).is_admitted());
    assert_eq!(u32::try_from(rest.count()).unwrap() + passed, 3_000);
}

/// While quotas change under it, too.
#[test]
fn changes_at_the_same_time_forgive_nothing() {
    let text = |name: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\nwhen = 'path eq \"/never\"'\nthen = \"deny\"\n\
             [[limit]]\nname = \"each\"\nquota = \"1000/d\"\n"
        )
    };
    let gate = gate(&text("zero"));
    let passed = thread::scope(|scope| {
        let changes = scope.spawn(|| {
            for nth in 0..50 {
                gate.reload(&text(&format!("rule {nth}")), NOW).unwrap();
            }
        });
        let passed = together(3_000, |_| gate.check(&Request::new(client(1)), NOW).is_admitted());
        changes.join().unwrap();
        passed
    });
    assert_eq!(passed, 1_000);
}
