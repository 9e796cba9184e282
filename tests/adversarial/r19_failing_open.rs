//! **Row 19: what fails lets everybody in.**
//!
//! Identifiers: governor's overflow (row 1); spring-cloud-gateway #248, where an error of the store is `allowed=true`; Envoy's style guide on degraded modes.
//!
//! The attack: bring the store of the limits down, by load or by keys that it chokes on, and there are no limits.
//!
//! Ours: what happens then is said for each limit, `local`, `open` or `closed`, and nothing else happens; unless it is said, it is `local`, which goes on
//! limiting: `src/limit/remote/mod.rs` I5 and `call.rs` (`Malformed`). With real servers that stop, hang, lose data and are replaced:
//! `tests/e2e/tests/fleet/faults.rs`, `tests/e2e/tests/frameworks/fleet.rs`. This row has a store fail in each way, from each call on, behind the layer.
//!
//! Shown to fail, tests counted from above:
//! - `src/limit/remote/call.rs`, `read` takes whatever has the right shape: 12 units of 2 (tests 1 and 2);
//! - `src/limit/remote/step.rs`, `refuses` without `Closed`: tests 1 and 3;
//! - `src/limit/remote/settings.rs`, `Open` by default: tests 2 and 3.

use std::{
    future::{pending, ready},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis::{
    Gate, GateLayer, Timestamp,
    limit::remote::{Call, OnFailure, Store, StoreError},
};
use tower_layer::Layer;
use tower_service::Service;

use crate::support::{Hello, client, gate, get, now};

/// Ways to fail: an error, an answer that makes no sense, or none.
#[derive(Clone, Debug)]
enum Way {
    Error(StoreError),
    Says(Vec<i64>),
    Hangs,
}

/// Grants one unit a call, and fails from the nth call on.
#[derive(Clone)]
struct Failing {
    from: u64,
    way: Way,
    calls: Arc<AtomicU64>,
}

impl Store for Failing {
    async fn call(&self, call: &Call) -> Result<Vec<i64>, StoreError> {
        if self.calls.fetch_add(1, Ordering::Relaxed) < self.from {
            return Ok([1, 0, 0, 1_000_000].repeat(call.keys().len()));
        }
        match &self.way {
            Way::Error(error) => Err(error.clone()),
            Way::Says(numbers) => Ok(numbers.clone()),
            Way::Hangs => pending().await,
        }
    }

    /// Time that is waited for is over at once.
    fn sleep(&self, _: Duration) -> impl Future<Output = ()> + Send {
        ready(())
    }
}

fn ways() -> Vec<Way> {
    let error = || Arc::from("it says so");
    let errors = [
        StoreError::Timeout,
        StoreError::Unreachable(error()),
        StoreError::Refused(error()),
        StoreError::WrongType(error()),
        StoreError::Malformed,
    ];
    // A grant is `[granted, left, wait, until it is full]`; the burst is 2.
    let nonsense: [&[i64]; 15] = [
        &[],
        &[1],
        &[1, 1, 0],
        &[1, 1, 0, 1, 1],
        &[1, 1, 0, 1, 1, 1, 0, 1],
        &[3, 1, 0, 1],
        &[1_000_000, 1, 0, 1],
        &[i64::MAX, 0, 0, 0],
        &[-1, 1, 0, 1],
        &[i64::MIN; 4],
        &[0, 1, 0, 1],
        &[1, -1, 0, 1],
        &[1, 3, 0, 1],
        &[1, 1, -2, 1],
        &[1, 1, 0, i64::MAX],
    ];
    let nonsense = nonsense.map(|numbers| Way::Says(numbers.to_vec()));
    errors.map(Way::Error).into_iter().chain(nonsense).chain([Way::Hangs]).collect()
}

fn text(fail: &str) -> String {
    format!(
        "[fleet]\nnodes = 2\n[[limit]]\nname = \"shared\"\nquota = \"2/d\"\nscope = \"fleet\"\n{fail}"
    )
}

/// What clients get that come in this order while the store fails from a call on.
fn statuses(gate: &Gate, store: &Failing, clients: impl Iterator<Item = u32>) -> Vec<u16> {
    let mut service =
        GateLayer::new(gate).clock(|| Timestamp::from_secs(9)).fleet(store.clone()).layer(Hello);
    clients.map(|nth| now(service.call(get(client(nth), "/"))).unwrap().status().as_u16()).collect()
}

#[test]
fn a_store_that_fails_in_any_way_at_any_call_does_what_the_text_says() {
    for way in ways() {
        for from in 0..4 {
            for (fail, then) in [("fail = \"closed\"\n", 503), ("fail = \"open\"\n", 200)] {
                let gate = gate(&text(fail));
                let store = Failing { from, way: way.clone(), calls: Arc::default() };
                // Beyond the fifth failure the store is not asked for a while: that is no other answer.
                let found = statuses(&gate, &store, 0..12);
                let expected: Vec<u16> =
                    (0..12).map(|nth| if nth < from { 200 } else { then }).collect();
                assert_eq!(found, expected, "{fail} {way:?} from call {from}");
            }
        }
    }
}

/// `local`, and what is not said: each node limits to its part, one of two, whoever comes how often.
#[test]
fn by_itself_a_node_goes_on_limiting() {
    for way in ways() {
        for fail in ["fail = \"local\"\n", ""] {
            let gate = gate(&text(fail));
            let store = Failing { from: 0, way: way.clone(), calls: Arc::default() };
            let found = statuses(&gate, &store, (0..12).map(|nth| nth % 3));
            assert_eq!(
                found.iter().filter(|status| **status == 200).count(),
                3,
                "{way:?}: {found:?}"
            );
            assert!(found.iter().all(|status| [200, 429].contains(status)), "{way:?}: {found:?}");
        }
    }
    assert_eq!(OnFailure::default(), OnFailure::Local, "and in the program");
}

/// A gate that needs a store and is not given one, and a check that nobody can wait for.
#[test]
fn without_a_store_nothing_is_shared_and_nothing_is_open() {
    for (fail, served) in
        [("fail = \"closed\"\n", 0), ("fail = \"local\"\n", 1), ("", 1), ("fail = \"open\"\n", 5)]
    {
        let gate = gate(&text(fail));
        let mut service = GateLayer::new(&gate).clock(|| Timestamp::from_secs(9)).layer(Hello);
        let passed =
            (0..5).filter(|_| now(service.call(get(client(1), "/"))).unwrap().status() == 200);
        assert_eq!(passed.count(), served, "{fail}");
    }
}
