//! Services, and what they tell the adapters, that panic.

mod layers;
mod listeners;
mod middleware;
mod pages;

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use portcullis::{
    Defence, Gate, LimitRule, Outcome, Posture, Quota, Request, Timestamp,
    limit::remote::{FleetSettings, OnFailure},
    rule::Scheme,
};

use super::{at_every_call, fleets::Own, now, touch};
use crate::{peer, secs};

const NOW: Timestamp = secs(10_000);
const BURST: u32 = 4;

fn clock() -> Timestamp {
    touch("clock");
    NOW
}

/// A gate that has something to settle when a response's head is there, at its end, and in between.
fn gate(of_fleet: bool) -> Gate {
    let scheme = Scheme::new();
    let by = [scheme.parse_term("client").unwrap()];
    let limit = LimitRule::new("per client", Quota::per_hour(BURST));
    let limit = if of_fleet { limit.fleet(OnFailure::Closed) } else { limit };
    let failed = scheme.parse_response("status ge 400 and response.size ge 0").unwrap();
    Gate::builder()
        .clients(1_000)
        .fleet(FleetSettings::new().keys(64))
        .limit_rule(limit)
        .limit_rule(LimitRule::in_flight("in flight", 1).by(by))
        .limit_rule(LimitRule::in_flight("all in flight", 1).by([]))
        .limit_rule(LimitRule::new("failures", Quota::per_hour(50)).count_if(failed))
        .defence(Defence::up_to(Posture::Elevated))
        .build()
        .unwrap()
}

type State = Arc<(Gate, Own, AtomicU32)>;

fn state(of_fleet: bool) -> State {
    Arc::new((gate(of_fleet), Own::new(), AtomicU32::new(0)))
}

/// Nothing is in flight, and of the burst no more is gone than was told, and what was interrupted.
fn is_exact(state: &State, has_panicked: bool) {
    let (gate, store, told) = &**state;
    let request = Request::new(peer(1)).target("/");
    let mut left = 0;
    loop {
        let status = gate.status(NOW);
        let in_flight = status.limits.iter().find(|limit| limit.name == "all in flight").unwrap();
        assert_eq!(in_flight.in_flight, Some(0));
        assert_eq!(status.defence.unwrap().in_flight, 0);
        let verdict = now(gate.check_with(&request, store, || NOW));
        match verdict.into_result() {
            Ok(admission) => gate.finish(admission, Outcome::status(200), NOW),
            Err(denial) => {
                assert_eq!(denial.name(), "per client", "a place in flight is lost");
                break;
            }
        }
        left += 1;
    }
    let all = left + told.load(Ordering::Relaxed);
    assert!(all == BURST || has_panicked && all + 1 == BURST, "{all} of {BURST}");
    let stats = gate.stats();
    assert_eq!(stats.checked(), stats.admitted() + stats.denied());
    gate.reload_with(Gate::builder(), NOW).unwrap();
    assert!(gate.check(&request, NOW).is_admitted());
}

const ASKED: u32 = BURST + 2;

/// What a store has granted is lost with an answer that panics: nobody gets more, and all go on.
fn is_after_a_fleet(state: &State, has_panicked: bool) {
    if !has_panicked {
        return is_exact(state, has_panicked);
    }
    let (gate, store, told) = &**state;
    let request = Request::new(peer(1)).target("/");
    let passes = || now(gate.check_with(&request, store, || NOW)).is_admitted();
    let left = (0..2 * BURST).filter(|_| passes()).count() as u32;
    assert!(left + told.load(Ordering::Relaxed) <= BURST);
    assert_eq!(gate.status(NOW).defence.unwrap().in_flight, 0);
    gate.reload_with(Gate::builder(), NOW).unwrap();
    assert!(gate.check(&request, NOW).is_admitted());
}
