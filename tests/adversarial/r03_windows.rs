//! **Row 3: more than the limit in an interval that no window begins with.**
//!
//! Identifiers: the double burst of fixed windows; axum #2634, where each connection has a limit of its own.
//!
//! The attack: who knows when windows begin asks with the whole limit just before and just after, and has twice the limit in a
//! moment. Or it opens connections, if each has a clone of the limit with a state of its own.
//!
//! Ours: `src/limit/bucket.rs` I1 and `src/limit/window/sliding.rs` I1 I5 (exhaustive:
//! `every_interval_of_every_short_history_keeps_the_bound`, `every_short_history_keeps_the_bound_and_some_reach_it`); clones are one:
//! `src/gate/mod.rs` I1 (`clones_share_one_limit`, `a_thousand_connections_share_one_limit`). This row plays all short histories to a gate
//! from a text, and to clones of its layer.
//!
//! Shown to fail, tests counted from above:
//! - `ticks.rs`, `take`: a unit more than the burst: 4 of 3 in 250 ms (test 1);
//! - `src/limit/window/sliding.rs`, `check_slowly`: what older parts of the window have is not counted, as in a fixed
//!   window: 4 of 3 (test 2).

use std::time::Duration;

use portcullis::{GateLayer, SlidingWindow, Timestamp};
use tower_layer::Layer;

use crate::support::{Hello, client, gate, get, passes, send};

/// All sequences of eight requests with these gaps.
fn histories(gaps: &[u64]) -> impl Iterator<Item = [u64; 8]> + '_ {
    let base = gaps.len();
    (0..base.pow(8)).map(move |mut nth| {
        let mut time = 10_000;
        [0; 8].map(|_| {
            time += gaps[nth % base];
            nth /= base;
            time
        })
    })
}

/// The most that were admitted in an interval, and whether one had more than it may.
fn check(admitted: &[u64], most: impl Fn(u64) -> u64) {
    for (first, from) in admitted.iter().enumerate() {
        for (last, to) in admitted.iter().enumerate().skip(first) {
            let (had, may) = ((last - first + 1) as u64, most(to - from));
            assert!(had <= may, "{had} of {may} in {} ms: {admitted:?}", to - from);
        }
    }
}

/// 5 a second, bursts of 2, for each of 6,561 clients that ask eight times.
#[test]
fn no_interval_of_any_short_history_has_more() {
    let gate = gate("clients = 20_000\n[[limit]]\nname = \"each\"\nquota = \"5/s burst 2\"\n");
    let mut reached = 0;
    for (nth, history) in (0..).zip(histories(&[0, 100, 250])) {
        let now = |at: &u64| passes(&gate, client(nth), Timestamp::from_millis(*at));
        let admitted: Vec<u64> = history.into_iter().filter(now).collect();
        check(&admitted, |length| 2 + length * 5 / 1_000);
        reached += usize::from(admitted.len() == 8);
    }
    assert!(reached > 0, "no history may pass as a whole");
}

/// Three in any 300 ms, wherever they begin.
#[test]
fn no_window_of_any_short_history_has_more() {
    for history in histories(&[0, 100, 299]) {
        let window = SlidingWindow::new(3, Duration::from_millis(300), 6).unwrap();
        let now = |at: &u64| window.check(Timestamp::from_millis(*at)).is_admitted();
        let admitted: Vec<u64> = history.into_iter().filter(now).collect();
        for (first, from) in admitted.iter().enumerate() {
            let within = admitted.iter().skip(first).filter(|at| **at - from < 300).count();
            assert!(within <= 3, "{within}: {admitted:?}");
        }
    }
}

/// The double burst, from a thousand connections: before and after each full second and minute.
#[test]
fn connections_have_no_burst_of_their_own_at_the_edge_of_a_window() {
    for edge in [60_000, 61_000, 3_600_000_u64] {
        let gate = gate("[[limit]]\nname = \"each\"\nquota = \"60/min burst 60\"\n");
        let mut admitted = Vec::new();
        for at in [edge - 1, edge, edge + 1] {
            let layer = GateLayer::new(&gate).clock(move || Timestamp::from_millis(at));
            let served = |_: &u32| {
                send(&mut layer.clone().layer(Hello), get(client(1), "/")).0.status == 200
            };
            admitted.extend((0..333).filter(served).map(|_| at));
        }
        assert_eq!(admitted.len(), 60);
    }
}
