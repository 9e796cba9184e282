//! Those that wait for a call.

use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    task::Wake,
    vec::Vec,
};

use super::{Bell, NOW, at, limit};
use crate::{
    Quota,
    limit::remote::{
        Wait,
        fetch::{Fetch, MOST_WAITING},
        held::{Held, What},
    },
    verdict::Count,
};

fn fetch() -> Arc<Fetch> {
    Arc::new(Fetch::new(NOW, at(1_020)))
}

fn wait(fetch: &Arc<Fetch>) -> Wait {
    Wait::new(Arc::clone(fetch), 1, Held::new(at(20))).unwrap()
}

fn is_over(wait: &mut Wait, waker: &Waker) -> bool {
    Pin::new(wait).poll(&mut Context::from_waker(waker)).is_ready()
}

#[test]
fn everybody_is_woken_once() {
    let fetch = fetch();
    let bells: Vec<_> = (0..3).map(|_| Arc::new(Bell::default())).collect();
    let mut waits: Vec<_> = bells.iter().map(|_| wait(&fetch)).collect();
    for _ in 0..2 {
        for (wait, bell) in waits.iter_mut().zip(&bells) {
            assert!(!is_over(wait, &Waker::from(Arc::clone(bell))) && !wait.is_over());
        }
    }
    fetch.end();
    fetch.end();
    assert!(bells.iter().all(|bell| bell.rung() == 1));
    for mut wait in waits {
        assert!(wait.is_over());
        let Poll::Ready(held) = Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!()
        };
        assert_eq!((held.deadline(), held.given_up), (at(20), false));
    }
}

/// I1. Whoever panics when it is woken has had its turn, and the others have theirs.
#[test]
fn a_waker_that_panics_leaves_nobody_asleep() {
    struct Panics(Bell);
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            self.0.0.fetch_add(1, Ordering::SeqCst);
            panic!("as it does");
        }
    }
    let fetch = fetch();
    let bells: Vec<_> = (0..3).map(|_| Arc::new(Bell::default())).collect();
    let panics = Arc::new(Panics(Bell::default()));
    let mut waits: Vec<_> = (0..4).map(|_| wait(&fetch)).collect();
    let own = Waker::from(Arc::clone(&panics));
    let wakers = [&bells[0], &bells[1]].map(|bell| Waker::from(Arc::clone(bell)));
    let wakers = [wakers[0].clone(), own, wakers[1].clone(), Waker::from(Arc::clone(&bells[2]))];
    assert!(waits.iter_mut().zip(&wakers).all(|(wait, waker)| !is_over(wait, waker)));
    let ended = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| fetch.end()));
    assert!(ended.is_err() && panics.0.rung() == 1);
    assert!(bells.iter().all(|bell| bell.rung() == 1));
    assert!(waits.iter().all(Wait::is_over));
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let fetch = fetch();
    let (first, last) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    let mut wait = wait(&fetch);
    assert!(!is_over(&mut wait, &Waker::from(Arc::clone(&first))));
    assert!(!is_over(&mut wait, &Waker::from(Arc::clone(&last))));
    assert_eq!(Arc::strong_count(&first), 1, "nobody keeps it");
    fetch.end();
    assert_eq!((first.rung(), last.rung()), (0, 1));
}

#[test]
fn who_comes_after_the_end_does_not_wait() {
    let fetch = fetch();
    let mut early = wait(&fetch);
    fetch.end();
    assert!(is_over(&mut early, Waker::noop()), "not polled before");
    assert!(is_over(&mut wait(&fetch), Waker::noop()));
}

#[test]
fn who_is_dropped_is_not_woken() {
    let fetch = fetch();
    let bell = Arc::new(Bell::default());
    let mut wait = wait(&fetch);
    assert!(!is_over(&mut wait, &Waker::from(Arc::clone(&bell))));
    assert_eq!(fetch.wanted(), 1);
    drop(wait);
    assert_eq!((Arc::strong_count(&bell), fetch.wanted()), (1, 0));
    fetch.end();
    assert_eq!(bell.rung(), 0);
}

#[test]
fn who_gives_up_has_given_up_unless_it_is_over() {
    let fetch = fetch();
    assert!(wait(&fetch).give_up().given_up);
    let last = wait(&fetch);
    fetch.end();
    assert!(!last.give_up().given_up);
}

#[test]
fn no_more_than_a_thousand_wait_and_places_are_used_again() {
    let fetch = fetch();
    let mut waits: Vec<_> = (0..MOST_WAITING).map(|_| wait(&fetch)).collect();
    let refused = Wait::new(Arc::clone(&fetch), 1, Held::new(at(7)));
    assert_eq!(refused.err().map(|held| held.deadline()), Some(at(7)));
    assert!(waits.iter_mut().all(|wait| !is_over(wait, Waker::noop())));
    for _ in 0..3 {
        // One leaves, another one comes, and it is woken in that place.
        drop(waits.swap_remove(5));
        let bell = Arc::new(Bell::default());
        let mut last = wait(&fetch);
        assert!(!is_over(&mut last, &Waker::from(Arc::clone(&bell))));
        waits.push(last);
        assert!(Wait::new(Arc::clone(&fetch), 1, Held::default()).is_err());
        assert_eq!(Arc::strong_count(&bell), 2);
    }
    assert_eq!((fetch.wanted(), fetch.places()), (1_024, MOST_WAITING));
    fetch.end();
    assert!(waits.iter_mut().all(|wait| is_over(wait, Waker::noop())));
}

/// I3. A task that only its waker keeps alive: with the waker goes the task, and with that another wait.
#[test]
fn a_waker_may_be_the_last_to_hold_somebody_who_waits() {
    struct Task(#[expect(dead_code, reason = "is dropped")] Mutex<Option<Wait>>);
    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    let fetch = fetch();
    let task = |wait| Waker::from(Arc::new(Task(Mutex::new(wait))));
    let mut outer = wait(&fetch);
    assert!(!is_over(&mut outer, &task(Some(wait(&fetch)))));
    assert!(!is_over(&mut outer, &task(Some(wait(&fetch)))), "the first waker is dropped here");
    assert_eq!(fetch.wanted(), 2);
    drop(outer);
    assert_eq!(fetch.wanted(), 0);
    let mut outer = wait(&fetch);
    assert!(!is_over(&mut outer, &task(Some(wait(&fetch)))));
    fetch.end();
}

#[test]
fn what_is_held_is_known_by_its_key_and_its_units() {
    let fleet = super::fleet();
    let limit = limit(&fleet, Quota::per_second(9));
    let count = Count { limit: 9, remaining: 8, retry_after: 0, reset_after: 1 };
    let mut held = Held::new(NOW);
    held.put(&fleet, &limit, (1, 2), What::Granted(count));
    held.put(&fleet, &limit, (1, 3), What::Denied(count));
    assert!(held.take(2, 2).is_none() && held.take(1, 1).is_none());
    assert!(matches!(held.take(1, 2), Some(What::Granted(_))));
    assert!(held.take(1, 2).is_none(), "once");
    assert!(matches!(held.take(1, 3), Some(What::Denied(_))));
    assert!(matches!(held.take(1, 3), Some(What::Denied(_))), "as often as it is asked");
}
