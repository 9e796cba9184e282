//! Who asks the store: a client of it, for whoever has one.

use alloc::{boxed::Box, vec::Vec};
use core::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use super::{
    call::{Call, StoreError},
    fetch::Wait,
    fleet::Fleet,
    held::{Ask, Held},
    limit::Claim,
    step::{Answers, Step},
};
use crate::time::Timestamp;

/// A client of a store that runs the [script](super::SCRIPT).
///
/// That of the feature `redis-1` is `portcullis::redis::RedisStore`. Implement it for a client of your own:
/// clones should share a connection.
pub trait Store: Clone + Send + Sync + 'static {
    /// Makes this call.
    ///
    /// It need not watch the time: whoever calls it does. Those of one check are made at the same time.
    fn call(&self, call: &Call) -> impl Future<Output = Result<Vec<i64>, StoreError>> + Send;

    /// Lets this time pass, on the clock of the runtime.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;

    /// Has this go on to its end, even if whoever waits for it leaves; `None` if it cannot, as when a runtime ends.
    ///
    /// What has been sent cannot be called back, and its answer should not be lost: units that are granted, or that
    /// somebody is denied. As it stands this leaves with whoever waits; give it to a task of the runtime.
    fn keep<T: Send + 'static>(
        &self,
        what: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send {
        async move { Some(what.await) }
    }
}

impl Fleet {
    /// A whole check, steps and calls.
    ///
    /// The clock is read when it begins and after each wait.
    pub async fn check<S: Store>(
        &self,
        claims: &[Claim<'_>],
        store: &S,
        clock: impl Fn() -> Timestamp + Clone + Send + 'static,
    ) -> Answers {
        let now = clock();
        let mut step = self.step(claims, self.begin(now), now);
        loop {
            let held = match step {
                Step::Decided(answers) => return answers,
                Step::Ask(ask) => ask.run(store, clock.clone()).await,
                Step::Wait(wait) => wait.run(store, &clock).await,
            };
            step = self.step(claims, held, clock());
        }
    }
}

impl Ask {
    /// Makes the calls, and waits for each of them until the check's deadline.
    ///
    /// If the store can [keep](Store::keep) it, it goes on when this is dropped: what is granted by then is for
    /// others.
    pub async fn run<S: Store>(
        self,
        store: &S,
        clock: impl Fn() -> Timestamp + Send + 'static,
    ) -> Held {
        let own = store.clone();
        let whole = async move {
            let left = self.deadline().saturating_duration_since(clock());
            let replies = all_within(&own, left, self.calls()).await;
            self.finish(&replies, clock())
        };
        // Without a deadline it is over.
        store.keep(whole).await.unwrap_or_default()
    }
}

impl Wait {
    /// Waits until the check's deadline.
    pub async fn run<S: Store>(mut self, store: &S, clock: impl Fn() -> Timestamp) -> Held {
        let left = self.deadline().saturating_duration_since(clock());
        let mut late = pin!(store.sleep(left));
        let held = poll_fn(|context| match Pin::new(&mut self).poll(context) {
            Poll::Ready(held) => Poll::Ready(Some(held)),
            Poll::Pending => late.as_mut().poll(context).map(|()| None),
        });
        match held.await {
            Some(held) => held,
            None => self.give_up(),
        }
    }
}

/// What becomes of these calls, all of which are made at once: one that takes too long takes nothing from the others.
///
/// Whenever one of them can go on, all are asked: they are few.
async fn all_within<S: Store>(
    store: &S,
    time: Duration,
    calls: &[Call],
) -> Vec<Result<Vec<i64>, StoreError>> {
    let mut all: Vec<_> = calls.iter().map(|call| (Box::pin(store.call(call)), None)).collect();
    let mut late = pin!(store.sleep(time));
    poll_fn(|context| {
        let mut is_over = true;
        for (call, reply) in all.iter_mut().filter(|(_, reply)| reply.is_none()) {
            match call.as_mut().poll(context) {
                Poll::Ready(answer) => *reply = Some(answer),
                Poll::Pending => is_over = false,
            }
        }
        if is_over { Poll::Ready(()) } else { late.as_mut().poll(context) }
    })
    .await;
    all.into_iter().map(|(_, reply)| reply.unwrap_or(Err(StoreError::Timeout))).collect()
}
