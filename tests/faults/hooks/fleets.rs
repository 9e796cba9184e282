//! Clients of a store that panic, and those who wait for them.

use std::{
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use portcullis::{
    Gate, LimitRule, Quota, Request, Timestamp,
    gate::GateStep,
    limit::remote::{
        Call, Claim, Fleet, FleetSettings, OnFailure, Step, Store, StoreError, reference::Server,
    },
};

use super::{at_every_call, now, touch};
use crate::{peer, secs};

const NOW: Timestamp = secs(10_000);
const BURST: u32 = 4;

/// A store that answers at once.
pub(super) struct Own(pub(super) Arc<Mutex<Server>>);

impl Own {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Server::new(NOW.as_nanos() / 1_000))))
    }
}

impl Clone for Own {
    fn clone(&self) -> Self {
        touch("store clone");
        Self(Arc::clone(&self.0))
    }
}

impl Store for Own {
    async fn call(&self, call: &Call) -> Result<Vec<i64>, StoreError> {
        touch("store call");
        let reply = self.0.lock().unwrap().answer(call);
        touch("store call");
        Ok(reply)
    }

    fn sleep(&self, _: Duration) -> impl Future<Output = ()> + Send {
        touch("store sleep");
        pending()
    }

    async fn keep<T: Send + 'static>(
        &self,
        what: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        touch("store keep");
        let kept = what.await;
        touch("store keep");
        Some(kept)
    }
}

fn clock() -> Timestamp {
    touch("clock");
    NOW
}

const HOOKS: [&str; 5] = ["store clone", "store call", "store keep", "store sleep", "clock"];

#[test]
fn stores() {
    type State = Arc<(Gate, Own, AtomicU32)>;
    fn asks((gate, store, admitted): &(Gate, Own, AtomicU32)) -> bool {
        let request = Request::new(peer(1)).target("/");
        let passes = now(gate.check_with(&request, store, clock)).is_admitted();
        admitted.fetch_add(u32::from(passes), Ordering::Relaxed);
        passes
    }
    for hook in HOOKS {
        let make = || {
            let limit = LimitRule::new("a", Quota::per_hour(BURST)).fleet(OnFailure::Closed);
            let gate = Gate::builder().limit_rule(limit).fleet(FleetSettings::new().keys(64));
            let gate = gate.limit_rule(LimitRule::in_flight("in flight", 1));
            Arc::new((gate.build().unwrap(), Own::new(), AtomicU32::new(0)))
        };
        let work = |state: &State| {
            let _ = [asks(state), asks(state)];
        };
        at_every_call(hook, make, work, |state, has_panicked| {
            while asks(state) {}
            let (_, store, admitted) = &**state;
            let admitted = admitted.load(Ordering::Relaxed);
            // The answer that came with the panic is lost, with the units that it granted.
            assert!(admitted <= BURST && (has_panicked || admitted == BURST), "{admitted} passed");
            assert!(u64::from(admitted) <= store.0.lock().unwrap().granted());
        });
    }
}

/// The same without a gate.
#[test]
fn stores_of_a_fleet_alone() {
    type State = Arc<(Fleet, Own, AtomicU32)>;
    fn asks((fleet, store, admitted): &(Fleet, Own, AtomicU32)) -> bool {
        let limit = fleet.limit("a", Quota::per_hour(BURST), OnFailure::Closed).unwrap();
        let claims = [Claim::new(&limit, fleet.subject(b"alice"), 1)];
        let passes = now(fleet.check(&claims, store, clock)).is_admitted();
        admitted.fetch_add(u32::from(passes), Ordering::Relaxed);
        passes
    }
    for hook in HOOKS {
        let make = || {
            let fleet = Fleet::new(FleetSettings::new().keys(64)).unwrap();
            Arc::new((fleet, Own::new(), AtomicU32::new(0)))
        };
        let work = |state: &State| {
            let _ = [asks(state), asks(state)];
        };
        at_every_call(hook, make, work, |state, has_panicked| {
            while asks(state) {}
            let admitted = state.2.load(Ordering::Relaxed);
            assert!(admitted <= BURST && (has_panicked || admitted == BURST), "{admitted} passed");
        });
    }
}

/// A task that was woken.
struct Task(AtomicU32);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        touch("wake");
    }
}

/// A waker that panics takes nobody else's turn: all who wait are woken.
#[test]
fn wakers() {
    const WAITING: usize = 5;
    let quota = Quota::per_hour(BURST);
    for is_answered in [true, false] {
        for call in 1..=WAITING as u64 {
            super::be_quiet();
            let fleet = Fleet::new(FleetSettings::new().keys(64)).unwrap();
            let limit = fleet.limit("a", quota, OnFailure::Closed).unwrap();
            let claims = [Claim::new(&limit, fleet.subject(b"alice"), 1)];
            let Step::Ask(ask) = fleet.step(&claims, fleet.begin(NOW), NOW) else {
                panic!("nothing is known yet")
            };
            let tasks = [(); WAITING].map(|()| Arc::new(Task(AtomicU32::new(0))));
            let mut waits: Vec<_> = tasks
                .iter()
                .map(|task| {
                    let Step::Wait(mut wait) = fleet.step(&claims, fleet.begin(NOW), NOW) else {
                        panic!("somebody asks already")
                    };
                    let waker = Waker::from(Arc::clone(task));
                    assert!(
                        Pin::new(&mut wait).poll(&mut Context::from_waker(&waker)).is_pending()
                    );
                    wait
                })
                .collect();
            super::FUSE.set(("wake", call));
            let outcome = catch_unwind(AssertUnwindSafe(|| match is_answered {
                true => drop(ask.finish(&[Ok(vec![1, 3, 0, 1])], NOW)),
                false => drop(ask),
            }));
            super::FUSE.set(("", 0));
            assert!(outcome.is_err_and(|panic| panic.is::<super::Planned>()));
            let woken = tasks.each_ref().map(|task| task.0.load(Ordering::Relaxed));
            assert_eq!(woken, [1; WAITING], "all are woken, whichever of them panics");
            // They go on: one of them asks.
            let wait = waits.pop().unwrap();
            let held = match catch_unwind(AssertUnwindSafe(|| now(wait))) {
                Ok(held) => held,
                Err(_) => panic!("the call is over"),
            };
            let step = fleet.step(&claims, held, NOW);
            assert!(!matches!(step, Step::Wait(_)), "the call is over");
            drop((step, waits));
        }
    }
}

/// A check that waits for the call of another, whose store panics, does not wait for ever.
#[test]
fn who_waits_for_a_store_that_panics_goes_on() {
    super::be_quiet();
    let limit = LimitRule::new("a", Quota::per_hour(BURST)).fleet(OnFailure::Closed);
    let gate = Gate::builder().limit_rule(limit).fleet(FleetSettings::new().keys(64));
    let (gate, store) = (gate.build().unwrap(), Own::new());
    let request = Request::new(peer(1)).target("/");
    let GateStep::Ask(ask) = gate.start(&request, NOW) else { panic!("nothing is known yet") };
    let GateStep::Wait(wait) = gate.start(&request, NOW) else { panic!("somebody asks") };
    super::FUSE.set(("store call", 1));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(now(ask.run(&store, || NOW))))).is_err());
    super::FUSE.set(("", 0));
    assert!(wait.is_over());
    let step = gate.resume(now(wait.run(&store, || NOW)), &request, NOW);
    let GateStep::Ask(ask) = step else { panic!("it asks itself: {step:?}") };
    let step = gate.resume(now(ask.run(&store, || NOW)), &request, NOW);
    assert!(matches!(step, GateStep::Decided(verdict) if verdict.is_admitted()));
}

/// Only a clue for the reader of a failure: the store of these tests is never slow.
#[test]
fn the_store_of_these_tests_answers_at_once() {
    let own = Own::new();
    let mut sleep = Box::pin(own.sleep(Duration::ZERO));
    assert!(matches!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
}
