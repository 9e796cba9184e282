//! A store that answers when its test says so, and whose time is up when its test says so.

use core::{
    future::{Future, poll_fn},
    task::{Poll, Waker},
    time::Duration,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    vec::Vec,
};

use crate::limit::remote::{Call, Store, StoreError};

/// What a store answers to one call.
pub(crate) type Reply = Result<Vec<i64>, StoreError>;

#[derive(Clone, Default)]
pub(crate) struct Model(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    replies: VecDeque<Reply>,
    is_late: bool,
    wakers: Vec<Waker>,
}

/// One unit is granted, and so many more in advance.
pub(crate) fn granted(extra: i64, remaining: i64) -> Reply {
    Ok([1 + extra, remaining, 0, 1_000_000].into())
}

/// Nothing is; there is a unit in so many seconds.
pub(crate) fn denied(seconds: i64) -> Reply {
    Ok([0, 0, seconds * 1_000_000, seconds * 1_000_000].into())
}

pub(crate) fn unreachable() -> Reply {
    Err(StoreError::Unreachable("nobody is there".into()))
}

impl Model {
    /// Answers the next call.
    pub(crate) fn answer(&self, reply: Reply) {
        self.change(|state| state.replies.push_back(reply));
    }

    /// From now on nobody waits any longer.
    pub(crate) fn time_is_up(&self) {
        self.change(|state| state.is_late = true);
    }

    /// How many calls were made.
    pub(crate) fn calls(&self) -> usize {
        self.state().calls.len()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.wakers.drain(..).for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn when<T>(&self, mut get: impl FnMut(&mut State) -> Option<T>) -> impl Future<Output = T> {
        poll_fn(move |context| {
            let mut state = self.state();
            let Some(got) = get(&mut state) else {
                state.wakers.push(context.waker().clone());
                return Poll::Pending;
            };
            Poll::Ready(got)
        })
    }
}

impl Store for Model {
    async fn call(&self, call: &Call) -> Reply {
        self.state().calls.push(call.clone());
        self.when(|state| state.replies.pop_front()).await
    }

    async fn sleep(&self, time: Duration) {
        assert!(
            time <= Duration::from_millis(20),
            "what a fleet waits for if it is not told otherwise"
        );
        self.when(|state| state.is_late.then_some(())).await;
    }
}
