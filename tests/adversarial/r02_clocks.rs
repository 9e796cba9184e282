//! **Row 2: a clock that steps back or jumps.**
//!
//! Identifiers: the leap second of 2017-01-01 at Cloudflare (a difference of times below zero, and a panic); quinn's
//! `does_not_panic_on_bad_instant`.
//!
//! The attack: nobody needs one. A virtual machine is resumed, a clock is corrected, two threads read theirs in another order
//! than they ask: a difference that is negative panics, or reads as a long wait that fills every bucket.
//!
//! Ours: `src/limit/bucket.rs` I3 I4 (`clocks_that_disagree_gain_nothing`), `src/limit/keyed/mod.rs` I1 and its clock. This row asks
//! whole gates and the layer.
//!
//! Shown to fail, tests counted from above:
//! - `ticks.rs`, `take`: every denial heals, as if the debt were unlawful: 41 units of 40 with clocks a second apart
//!   (test 1);
//! - the same, a debt beyond an empty bucket taken for none: tests 1, 2 and 3.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis::{Gate, GateLayer, Timestamp};
use tower_layer::Layer;

use crate::support::{Hello, Random, client, gate, get, passed, passes, send};

/// Of each client's, in a store of many, and of everything together, in a bucket.
const LIMITS: [&str; 2] = [
    "[[limit]]\nname = \"each\"\nquota = \"10/s burst 20\"\n",
    "[[limit]]\nname = \"all\"\nby = []\nquota = \"10/s burst 20\"\n",
];
const BURST: u64 = 20;

/// Clocks that are up to a second behind: no more than the latest of them would have given.
#[test]
fn clocks_that_disagree_by_a_second_gain_nothing() {
    for seed in 1..80 {
        let gate = gate(LIMITS[seed as usize % 2]);
        let mut random = Random(seed);
        let start = 1_000_000_u64;
        let (mut latest, mut admitted) = (start, 0);
        for _ in 0..400 {
            latest += random.below(40);
            let now = latest - random.below(1_000);
            admitted += u64::from(passes(&gate, client(1), Timestamp::from_millis(now)));
            let most = BURST + (latest - start + 1_000) * 10 / 1_000;
            assert!(admitted <= most, "seed {seed}: {admitted} of {most}");
        }
        // It is no lock-out either.
        assert!(admitted >= (latest - start) * 10 / 1_000, "seed {seed}: {admitted}");
    }
}

/// To the end of time and back to its start: no panic, and a burst for each step back, two if another thread were amid.
#[test]
fn each_step_back_forgives_a_burst_and_no_more() {
    for text in LIMITS {
        steps_back(&gate(text));
    }
}

fn steps_back(gate: &Gate) {
    let times = [5, 584 * 31_556_952, 0, u64::MAX, 1, 1 << 33, 2, 1 << 34, 3];
    for (step, secs) in times.into_iter().enumerate() {
        let now = Timestamp::from_secs(secs);
        let admitted = passed(gate, client(1), 500, now);
        assert!(u64::from(admitted) <= BURST, "step {step} to {secs} s: {admitted}");
    }
    // Healed: a second later it is a limit like before.
    let now = Timestamp::from_secs(3).saturating_add(Duration::from_secs(1));
    assert_eq!(passed(gate, client(1), 500, now), 10);
}

/// The same through the layer, whose clock is the service's. What is told never wraps: no wait is longer than a bucket
/// takes to fill, beyond the step itself.
#[test]
fn a_layer_whose_clock_is_set_back_goes_on() {
    let time = Arc::new(AtomicU64::new(1_000));
    let gate = gate("[[limit]]\nname = \"each\"\nquota = \"10/s burst 20\"\n");
    let clock = Arc::clone(&time);
    let clock = move || Timestamp::from_secs(clock.load(Ordering::Relaxed));
    let mut service = GateLayer::new(&gate).clock(clock).layer(Hello);
    for secs in [1_000, 999, 10, u64::MAX, 11, 0, 12] {
        time.store(secs, Ordering::Relaxed);
        for _ in 0..30 {
            let (head, _) = send(&mut service, get(client(7), "/"));
            // At the end of time there is nothing to wait for.
            if head.status == 429 && secs < u64::MAX {
                let wait: u64 = head.headers["retry-after"].to_str().unwrap().parse().unwrap();
                assert!((1..=4).contains(&wait), "at {secs} s: {wait} s");
            }
        }
    }
    time.store(100, Ordering::Relaxed);
    let served =
        (0..60).filter(|_| send(&mut service, get(client(7), "/")).0.status == 200).count();
    assert_eq!(served, 20);
}
