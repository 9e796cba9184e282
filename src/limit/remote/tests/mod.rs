//! What a node does, with a store that is a model, in a time that is made up.

mod agreement;
mod call;
mod fetch;
mod keys;
mod numbers;
mod simulation;
mod step;
mod store;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
    vec::Vec,
};

use super::{reference::Server, *};
use crate::{Quota, Timestamp};

const NOW: Timestamp = Timestamp::from_secs(100);

fn at(millis: u64) -> Timestamp {
    NOW.saturating_add(core::time::Duration::from_millis(millis))
}

fn fleet() -> Fleet {
    Fleet::new(FleetSettings::new().keys(1)).unwrap()
}

fn limit(fleet: &Fleet, quota: Quota) -> FleetLimit {
    fleet.limit("limit", quota, OnFailure::Local).unwrap()
}

/// A check of these claims that is begun now.
fn begin(fleet: &Fleet, claims: &[Claim<'_>], now: Timestamp) -> Step {
    fleet.step(claims, fleet.begin(now), now)
}

fn asks(step: Step) -> Ask {
    let Step::Ask(ask) = step else { panic!("{step:?}") };
    ask
}

fn waits(step: Step) -> Wait {
    let Step::Wait(wait) = step else { panic!("{step:?}") };
    wait
}

fn decided(step: Step) -> Answers {
    let Step::Decided(answers) = step else { panic!("{step:?}") };
    answers
}

/// Whether the first claim is admitted; `None` if it falls back.
fn is_admitted(answers: Answers) -> Option<bool> {
    match answers.get(0) {
        Some(Answer::Admitted(_)) => Some(true),
        Some(Answer::Denied(_)) => Some(false),
        _ => None,
    }
}

fn replies(server: &mut Server, ask: &Ask) -> Vec<Result<Vec<i64>, StoreError>> {
    ask.calls().iter().map(|call| Ok(server.answer(call))).collect()
}

/// A whole check whose calls are answered at once.
fn check(fleet: &Fleet, server: &mut Server, claims: &[Claim<'_>], now: Timestamp) -> Answers {
    let mut step = begin(fleet, claims, now);
    loop {
        let ask = match step {
            Step::Decided(answers) => return answers,
            Step::Ask(ask) => ask,
            Step::Wait(wait) => panic!("{wait:?}"),
        };
        let replies = replies(server, &ask);
        step = fleet.step(claims, ask.finish(&replies, now), now);
    }
}

/// How often somebody was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
