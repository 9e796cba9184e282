//! Whole checks, with a store whose calls and whose clock are moved by hand.

use core::{
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{
    boxed::Box,
    sync::{Arc, Mutex},
    vec::Vec,
};

use super::{NOW, Server, fleet, is_admitted, limit};
use crate::{
    Quota, Timestamp,
    limit::remote::{Answer, Call, Claim, OnFailure, Store, StoreError},
};

/// Calls are answered when it is let, and sleeps are over when the time has come.
#[derive(Clone, Default)]
struct Hand(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    passed: Duration,
    server: Server,
    is_open: bool,
    calls: usize,
}

impl Hand {
    fn now(&self) -> Timestamp {
        NOW.saturating_add(self.0.lock().unwrap().passed)
    }

    fn clock(&self) -> impl Fn() -> Timestamp + Clone + Send + 'static {
        let hand = self.clone();
        move || hand.now()
    }

    fn passes(&self, millis: u64) {
        self.0.lock().unwrap().passed += Duration::from_millis(millis);
    }

    fn opens(&self) {
        self.0.lock().unwrap().is_open = true;
    }
}

impl Store for Hand {
    async fn call(&self, call: &Call) -> Result<Vec<i64>, StoreError> {
        self.0.lock().unwrap().calls += 1;
        poll_fn(|_| {
            let mut table = self.0.lock().unwrap();
            if !table.is_open {
                return Poll::Pending;
            }
            Poll::Ready(Ok(table.server.answer(call)))
        })
        .await
    }

    async fn sleep(&self, time: Duration) {
        let end = self.0.lock().unwrap().passed + time;
        poll_fn(
            |_| {
                if self.0.lock().unwrap().passed < end { Poll::Pending } else { Poll::Ready(()) }
            },
        )
        .await;
    }
}

fn poll<F: Future + ?Sized>(future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_check_asks_and_another_one_waits() {
    let (fleet, store) = (fleet(), Hand::default());
    let limit = limit(&fleet, Quota::per_minute(100));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 1)];
    let mut first = pin!(fleet.check(&claims, &store, store.clock()));
    let mut second = pin!(fleet.check(&claims, &store, store.clock()));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    store.opens();
    assert!(poll(second.as_mut()).is_pending(), "it waits for the first");
    let Poll::Ready(answers) = poll(first.as_mut()) else { panic!() };
    assert_eq!(is_admitted(answers), Some(true));
    let Poll::Ready(answers) = poll(second.as_mut()) else { panic!() };
    assert_eq!(is_admitted(answers), Some(true));
    assert_eq!(store.0.lock().unwrap().calls, 2);
}

#[test]
fn both_fall_back_at_their_deadlines() {
    let (fleet, store) = (fleet(), Hand::default());
    let limit = limit(&fleet, Quota::per_minute(100));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 1)];
    let mut first = pin!(fleet.check(&claims, &store, store.clock()));
    assert!(poll(first.as_mut()).is_pending());
    store.passes(10);
    let mut second = pin!(fleet.check(&claims, &store, store.clock()));
    assert!(poll(second.as_mut()).is_pending());
    store.passes(9);
    assert!(poll(first.as_mut()).is_pending());
    store.passes(1);
    let Poll::Ready(answers) = poll(first.as_mut()) else { panic!() };
    assert_eq!(is_admitted(answers), None);
    let Poll::Ready(answers) = poll(second.as_mut()) else { panic!() };
    assert_eq!(is_admitted(answers), None, "a store that has failed just now is not asked again");
    assert_eq!((fleet.stats().timeouts(), fleet.stats().fallbacks()), (1, 2));
}

#[test]
fn a_wait_ends_at_its_own_deadline() {
    let (fleet, store) = (fleet(), Hand::default());
    let limit = limit(&fleet, Quota::per_minute(100));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 1)];
    // Somebody asks, and is not heard of again.
    let _ask = super::asks(super::begin(&fleet, &claims, NOW));
    let mut check = pin!(fleet.check(&claims, &store, store.clock()));
    assert!(poll(check.as_mut()).is_pending());
    store.passes(20);
    let Poll::Ready(answers) = poll(check.as_mut()) else { panic!() };
    assert_eq!(is_admitted(answers), None);
    assert_eq!(store.0.lock().unwrap().calls, 0);
}

#[test]
fn a_check_that_is_dropped_leaves_the_call_to_another() {
    let (fleet, store) = (fleet(), Hand::default());
    let limit = limit(&fleet, Quota::per_second(100));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 1)];
    let mut second = pin!(fleet.check(&claims, &store, store.clock()));
    {
        let mut first = pin!(fleet.check(&claims, &store, store.clock()));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
    }
    store.opens();
    let Poll::Ready(answers) = poll(second.as_mut()) else { panic!() };
    assert_eq!(is_admitted(answers), Some(true));
    // Its own, and twice what was asked for since the call before.
    assert_eq!(store.0.lock().unwrap().server.granted(), 3);
}

/// One shard answers, and the other is gone.
#[derive(Clone)]
struct Half(Hand);

impl Store for Half {
    async fn call(&self, call: &Call) -> Result<Vec<i64>, StoreError> {
        self.0.0.lock().unwrap().calls += 1;
        let key: Vec<u8> = call.keys().next().unwrap().to_vec();
        if key.ends_with(b"gone") {
            return core::future::pending().await;
        }
        Ok(self.0.0.lock().unwrap().server.answer(call))
    }

    async fn sleep(&self, time: Duration) {
        self.0.sleep(time).await;
    }
}

#[test]
fn a_call_that_is_late_takes_nothing_from_the_others() {
    let (fleet, store) = (fleet(), Half(Hand::default()));
    let well = fleet.limit("well", Quota::per_minute(3), OnFailure::Closed).unwrap();
    let gone = fleet.limit("gone", Quota::per_minute(3), OnFailure::Open).unwrap();
    let claims =
        [Claim::new(&gone, fleet.subject(b"a"), 1), Claim::new(&well, fleet.subject(b"b"), 1)];
    let mut check = pin!(fleet.check(&claims, &store, store.0.clock()));
    assert!(poll(check.as_mut()).is_pending());
    assert_eq!(store.0.0.lock().unwrap().calls, 2, "both are on their way");
    store.0.passes(20);
    let Poll::Ready(answers) = poll(check.as_mut()) else { panic!("it is over") };
    assert_eq!(answers.get(0), Some(Answer::Fallback(OnFailure::Open)));
    assert!(matches!(answers.get(1), Some(Answer::Admitted(_))), "{answers:?}");
    assert_eq!((fleet.stats().timeouts(), fleet.stats().failures()), (1, 0));
}

/// A store that keeps what it is given, until it is told to do it.
#[derive(Clone, Default)]
struct Keeper(Hand, Arc<Mutex<Vec<Kept>>>);

type Kept = core::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Store for Keeper {
    async fn call(&self, call: &Call) -> Result<Vec<i64>, StoreError> {
        self.0.call(call).await
    }

    async fn sleep(&self, time: Duration) {
        self.0.sleep(time).await;
    }

    async fn keep<T: Send + 'static>(
        &self,
        what: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let done = Arc::new(Mutex::new(None));
        let put = Arc::clone(&done);
        self.1.lock().unwrap().push(Box::pin(async move {
            let output = what.await;
            *put.lock().unwrap() = Some(output);
        }));
        poll_fn(|_| done.lock().unwrap().take().map_or(Poll::Pending, |it| Poll::Ready(Some(it))))
            .await
    }
}

/// What was sent is heard, though whoever asked has left: what was granted is there, and a denial is remembered.
#[test]
fn who_leaves_in_the_middle_of_a_call_leaves_its_answer_to_others() {
    let (fleet, store) = (fleet(), Keeper::default());
    store.0.opens();
    let limit = limit(&fleet, Quota::per_minute(1));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 1)];
    let leaves = || {
        {
            let mut check = pin!(fleet.check(&claims, &store, store.0.clock()));
            assert!(poll(check.as_mut()).is_pending());
        }
        for mut kept in store.1.lock().unwrap().drain(..) {
            assert!(poll(kept.as_mut()).is_ready());
        }
    };
    leaves();
    let now = store.0.now();
    let answers = |claims: &[Claim<'_>]| match fleet.step(claims, fleet.begin(now), now) {
        crate::limit::remote::Step::Decided(answers) => answers.is_admitted(),
        other => panic!("{other:?}"),
    };
    assert!(answers(&claims), "the unit is in the lease");
    assert!(!answers(&claims), "and there is no other one");
    assert_eq!(fleet.stats().calls(), 1);
}
