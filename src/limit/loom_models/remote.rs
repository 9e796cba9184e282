//! Limits of a fleet: what a node hands out, and who waits for a call.

use core::{future::Future, pin::pin, task::Context};
use std::{
    sync::{
        Arc as Plain,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Wake, Waker},
    vec,
    vec::Vec,
};

use loom::thread;

use super::{NOW, explore};
use crate::{
    limit::remote::{Answer, Ask, Claim, Fleet, FleetLimit, FleetSettings, OnFailure, Step, Wait},
    quota::Quota,
    time::Timestamp,
};

#[derive(Clone)]
struct Rig {
    fleet: Fleet,
    limit: FleetLimit,
}

impl Rig {
    fn new() -> Self {
        let fleet = Fleet::danger_with_seed(FleetSettings::new().keys(1), 1).unwrap();
        let limit = fleet.limit("limit", Quota::per_hour(100), OnFailure::Local).unwrap();
        Self { fleet, limit }
    }

    fn begin(&self, units: u32) -> Step {
        let claims = [Claim::new(&self.limit, self.fleet.subject(b"a"), units)];
        self.fleet.step(&claims, self.fleet.begin(NOW), NOW)
    }

    fn asks(&self) -> Ask {
        let Step::Ask(ask) = self.begin(1) else { panic!("nobody else asks") };
        ask
    }

    /// Three units are in the lease.
    fn leases(&self) {
        drop(self.asks().finish(&[Ok(vec![1, 10, 0, 1])], NOW));
        let Step::Ask(ask) = self.begin(3) else { panic!("one is there") };
        drop(ask.finish(&[Ok(vec![3, 10, 0, 1])], NOW));
        // One was there before: it is taken.
        assert_eq!(self.takes(1), 1);
    }

    /// The units, if they are in the lease.
    fn takes(&self, units: u32) -> u32 {
        match self.begin(units) {
            Step::Decided(answers) if matches!(answers.get(0), Some(Answer::Admitted(_))) => units,
            _ => 0,
        }
    }
}

/// Counts how often it is woken. No part of the model.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Plain<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls once: whether it was over, or whoever is to be woken.
fn poll(wait: Wait) -> Result<(), (Wait, Plain<Bell>)> {
    let bell = Plain::new(Bell::default());
    let waker = Waker::from(Plain::clone(&bell));
    let mut wait = wait;
    match pin!(&mut wait).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(_) => Ok(()),
        Poll::Pending => Err((wait, bell)),
    }
}

/// I1 of the keys.
#[test]
fn loom_remote_a_leased_unit_is_handed_out_once() {
    explore(|| {
        let rig = Rig::new();
        rig.leases();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let rig = rig.clone();
                thread::spawn(move || rig.takes(2))
            })
            .collect();
        let taken: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(taken, 2, "of three");
        assert_eq!(rig.takes(1), 1);
        assert_eq!(rig.takes(1), 0);
    });
}

/// I1 of the keys: what comes back while another one takes is there once.
#[test]
fn loom_remote_a_unit_that_comes_back_is_there_once() {
    explore(|| {
        let rig = Rig::new();
        let held = rig.asks().finish(&[Ok(vec![1, 10, 0, 1])], NOW);
        let other = rig.clone();
        let giver = thread::spawn(move || drop(held));
        let taker = thread::spawn(move || other.takes(1));
        giver.join().unwrap();
        let taken = taker.join().unwrap();
        assert_eq!(taken + rig.takes(1), 1);
    });
}

/// I1 of the fetch: an answer, and somebody who joins and polls meanwhile.
#[test]
fn loom_remote_whoever_waits_is_woken_by_an_answer() {
    explore(|| {
        let rig = Rig::new();
        let ask = rig.asks();
        let other = rig.clone();
        let waiter = thread::spawn(move || match other.begin(1) {
            Step::Wait(wait) => poll(wait).err(),
            // It has come before: there was nothing in the lease.
            Step::Ask(_) => None,
            Step::Decided(answers) => panic!("{answers:?}"),
        });
        let asker =
            thread::spawn(move || drop(ask.finish(&[Ok(vec![1, 10, 0, 1])], Timestamp::ZERO)));
        asker.join().unwrap();
        if let Some((wait, bell)) = waiter.join().unwrap() {
            assert!(wait.is_over());
            assert_eq!(bell.0.load(Ordering::SeqCst), 1);
        }
    });
}

/// The same, if the call is not made.
#[test]
fn loom_remote_whoever_waits_is_woken_when_an_ask_is_dropped() {
    explore(|| {
        let rig = Rig::new();
        let ask = rig.asks();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let rig = rig.clone();
                thread::spawn(move || match rig.begin(1) {
                    Step::Wait(wait) => Some(poll(wait)),
                    // Whoever comes after it asks; dropped at once, which wakes the other one.
                    Step::Ask(_) => None,
                    Step::Decided(answers) => panic!("{answers:?}"),
                })
            })
            .collect();
        thread::spawn(move || drop(ask)).join().unwrap();
        // One of them may have asked and left, which the other waits for: all are through before anything is said.
        let waiters: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
        for waiter in waiters {
            if let Some(Err((wait, bell))) = waiter {
                assert!(wait.is_over());
                assert_eq!(bell.0.load(Ordering::SeqCst), 1);
            }
        }
    });
}

/// One of those that find nothing asks, and the other waits.
#[test]
fn loom_remote_one_of_two_asks() {
    explore(|| {
        let rig = Rig::new();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let rig = rig.clone();
                thread::spawn(move || rig.begin(1))
            })
            .collect();
        let steps: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let asking = steps.iter().filter(|step| matches!(step, Step::Ask(_))).count();
        let waiting = steps.iter().filter(|step| matches!(step, Step::Wait(_))).count();
        assert_eq!((asking, waiting), (1, 1));
        assert_eq!(rig.fleet.stats().calls(), 1);
    });
}
