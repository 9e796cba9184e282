//! **Row 20: a callback that panics, and leaves something half done.**
//!
//! Identifiers: hashbrown's `hasher_unwind.rs`; RUSTSEC-2019-0017 (once_cell); RUSTSEC-2021-0130 (lru).
//!
//! The attack: a request that makes the service's own code panic: a handler, a function that finds the peer, the hash of a key. The framework catches it and
//! goes on, with a lock that is poisoned, or a place that is taken for ever: as many such requests as there are places, and nobody is served.
//!
//! Ours: places come back by `Drop`, locks are not poisoned and not held while foreign code runs (but `Eq` under one): `src/limit/permits/mod.rs` I2
//! (`a_panic_gives_the_permit_back`), `src/gate/trace/mod.rs` I4 (`a_subscriber_that_panics_takes_nothing_with_it`). This row has each callback of the layer, the service
//! and keys panic at each of its calls, and then counts what is left.
//!
//! Shown to fail, tests counted from above:
//! - `src/gate/limits/pending.rs`, `Drop` gives nothing back while a thread panics: tests 1 and 3.

use std::{
    cell::Cell,
    convert::Infallible,
    future::poll_fn,
    hash::{Hash, Hasher},
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
};

use http::{Request as HttpRequest, Response};
use portcullis::{ExactLimiter, Gate, GateLayer, Headers, Quota, Request, Timestamp};
use tower_layer::Layer;
use tower_service::Service;

use crate::support::{Hello, Text, client, gate, get, now, passes};

const NOW: Timestamp = Timestamp::from_secs(4);

const TEXT: &str = "\
    [[limit]]\nname = \"at once\"\nin_flight = 3\n\
    [[limit]]\nname = \"in all\"\nby = []\nin_flight = 5\n\
    [[limit]]\nname = \"each\"\nquota = \"40/h\"\n\
    [[limit]]\nname = \"failures\"\nquota = \"40/h\"\ncount_if = \"status ge 500\"\n";

fn breaks(what: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(what)).is_err(), "it was to panic");
}

/// All places are free, all is as it was but for so many units.
#[track_caller]
fn is_whole(gate: &Gate, used: u32) {
    let held: Vec<_> = (0..9)
        .filter_map(|_| gate.check(&Request::new(client(2)), NOW).into_result().ok())
        .collect();
    assert_eq!(held.len(), 3);
    drop(held);
    let left = (0..100).filter(|_| passes(gate, client(1), NOW)).count();
    assert_eq!(left, 40 - used as usize);
    gate.reload(TEXT, NOW).unwrap();
}

/// Where a service panics: when it is called, when its future is polled, and then.
#[derive(Clone, Copy, PartialEq)]
enum Where {
    Call,
    Poll,
    Drop,
}

#[derive(Clone)]
struct Breaks(Where);

type Answer = Pin<Box<dyn Future<Output = Result<Response<Text>, Infallible>>>>;

struct BreaksOnDrop;

impl Drop for BreaksOnDrop {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

impl Service<HttpRequest<()>> for Breaks {
    type Response = Response<Text>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: HttpRequest<()>) -> Answer {
        assert!(self.0 != Where::Call, "called");
        let bomb = (self.0 == Where::Drop).then_some(BreaksOnDrop);
        let is_polled = self.0 == Where::Poll;
        Box::pin(poll_fn(move |_| {
            let _ = &bomb;
            assert!(!is_polled, "polled");
            std::task::Poll::Pending
        }))
    }
}

#[test]
fn a_service_that_panics_keeps_no_place() {
    for at in [Where::Call, Where::Poll, Where::Drop] {
        let gate = gate(TEXT);
        let mut service = GateLayer::new(&gate).clock(|| NOW).layer(Breaks(at));
        for _ in 0..20 {
            breaks(|| {
                let mut response = service.call(get(client(1), "/"));
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                let _ = Pin::new(&mut response).poll(&mut context);
                drop(response);
            });
        }
        is_whole(&gate, 20);
    }
}

/// What the layer calls: before the gate is asked nothing is taken, and after it a refusal has taken nothing.
#[test]
fn a_callback_of_the_layer_that_panics_takes_nothing() {
    let gate = gate(TEXT);
    let layers = [
        GateLayer::new(&gate).clock(|| panic!("the clock")),
        GateLayer::new(&gate).clock(|| NOW).peer(|_, _| panic!("the peer")),
        GateLayer::new(&gate).clock(|| NOW).describe(|_, _, _| panic!("the description")),
    ];
    for layer in layers {
        let mut service = layer.layer(Hello);
        (0..20).for_each(|_| breaks(|| drop(service.call(get(client(1), "/")))));
    }
    let refusing = GateLayer::new(&gate).clock(|| NOW).on_deny(|_, _| panic!("the answer"));
    let mut service = refusing.layer(Hello);
    let held: Vec<_> = (0..3).map(|_| service.call(get(client(1), "/"))).collect();
    (0..20).for_each(|_| breaks(|| drop(service.call(get(client(1), "/")))));
    for response in held {
        assert_eq!(now(response).unwrap().status(), 200);
    }
    // Those three were requests, and have not failed.
    is_whole(&gate, 3);
}

/// Header lines that panic when they are read for the nth time, in the middle of rules and of keys.
struct Lines;

impl Headers for Lines {
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8]) -> ControlFlow<()>) {
        step();
        let _ = visit("x-key", b"value");
    }

    fn first(&self, name: &str) -> Option<&[u8]> {
        step();
        (name == "x-key").then_some(b"value")
    }
}

#[test]
fn headers_that_panic_in_the_middle_of_a_check_leave_no_part_of_it() {
    let gate = gate(&format!(
        "{TEXT}[[limit]]\nname = \"keys\"\nby = 'header[\"x-key\"]'\nquota = \"400/h\"\n\
         [[limit]]\nname = \"other keys\"\nby = ['header[\"x-other\"]', 'header[\"x-key\"]']\nquota = \"400/h\"\n\
         [[rule]]\nname = \"r\"\nwhen = 'header[\"x-no\"] eq \"1\" or any(headers[\"x-key\"][*] eq \"2\")'\nthen = \"deny\"\n"
    ));
    let mut reads = 0;
    loop {
        LEFT.set(reads);
        let request = Request::new(client(1)).header_lines(&Lines);
        let Err(_) = catch_unwind(AssertUnwindSafe(|| drop(gate.check(&request, NOW)))) else {
            break;
        };
        reads += 1;
    }
    assert!(reads >= 3, "{reads}");
    // The one that was whole has taken its unit.
    is_whole(&gate, 1);
}

/// A key that panics in `hash`, `eq` or `clone`, at the nth call of all.
struct Key(u32);

thread_local!(static LEFT: Cell<u32> = const { Cell::new(u32::MAX) });

fn step() {
    LEFT.set(LEFT.get().checked_sub(1).expect("a step too many"));
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        step();
        // One place for all of them, so that they are compared.
        state.write_u32(self.0 % 2);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        step();
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Clone for Key {
    fn clone(&self) -> Self {
        step();
        Self(self.0)
    }
}

#[test]
fn a_key_that_panics_leaves_a_store_that_counts_right() {
    for steps in 0..60 {
        let store = ExactLimiter::<Key>::new(Quota::per_day(2), 8);
        let admitted = Cell::new([0_u32; 6]);
        LEFT.set(steps);
        let _ = catch_unwind(AssertUnwindSafe(|| {
            for nth in 0..18 {
                let passes = store.check(&Key(nth % 6), NOW).is_admitted();
                let mut all = admitted.get();
                all[nth as usize % 6] += u32::from(passes);
                admitted.set(all);
            }
        }));
        LEFT.set(u32::MAX);
        assert!(store.len() <= 6);
        for nth in 0..6 {
            let rest = (0..5).filter(|_| store.check(&Key(nth), NOW).is_admitted()).count();
            let before = admitted.get()[nth as usize] as usize;
            // Of the check that has panicked it may not be told what it has taken.
            assert!(
                before + rest == 2 || before + rest == 1,
                "step {steps}, key {nth}: {before} and {rest}"
            );
        }
    }
}
