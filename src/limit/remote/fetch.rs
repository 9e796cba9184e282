//! A call that is on its way, and who waits for what it brings.
//!
//! # Invariants
//! - **I1** whoever waits is woken when the call is over, whether it was answered, failed or dropped, or has been given
//!   up for lost, and also if the waker of another panics;
//! - **I2** no more than [`MOST_WAITING`] wait for one call;
//! - **I3** a waker is woken and dropped while no lock is held: it may run whatever it likes.

use alloc::vec::{self, Vec};
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::held::Held;
use crate::{
    sync::{Arc, Mutex},
    time::Timestamp,
};

/// How many can wait for one call; others do without.
pub(super) const MOST_WAITING: usize = 1_024;

/// A call that is on its way.
#[derive(Debug)]
pub(super) struct Fetch {
    begun: Timestamp,
    /// From then on nobody waits for it: whoever makes it has forgotten it.
    lost: Timestamp,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    OnItsWay(Waiting),
    Over,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Each in its own place; `None` if it waits no more.
    wakers: Vec<Option<Waker>>,
    /// How many there are, polled or not.
    number: usize,
    /// The units that all of them want.
    units: u32,
}

/// Those who are still to be woken: they are, also when one of them panics (I1).
struct Sleepers(vec::IntoIter<Option<Waker>>);

impl Sleepers {
    fn wake(&mut self) {
        self.0.by_ref().flatten().for_each(Waker::wake);
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        self.wake();
    }
}

impl Fetch {
    pub(super) fn new(begun: Timestamp, lost: Timestamp) -> Self {
        Self { begun, lost, state: Mutex::new(State::OnItsWay(Waiting::default())) }
    }

    /// Whether it was begun so long ago, or so far in the future, that nobody makes it any more.
    pub(super) fn is_lost(&self, now: Timestamp) -> bool {
        self.lost <= now || super::keys::is_of_the_future(self.begun, now)
    }

    /// It is over: wakes everybody.
    pub(super) fn end(&self) {
        let before = core::mem::replace(&mut *self.state.lock(), State::Over);
        if let State::OnItsWay(Waiting { wakers, .. }) = before {
            Sleepers(wakers.into_iter()).wake();
        }
    }

    /// The units that those who wait want.
    pub(super) fn wanted(&self) -> u32 {
        match &*self.state.lock() {
            State::OnItsWay(Waiting { units, .. }) => *units,
            State::Over => 0,
        }
    }

    fn is_over(&self) -> bool {
        matches!(*self.state.lock(), State::Over)
    }

    /// How many places for wakers there are.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        match &*self.state.lock() {
            State::OnItsWay(Waiting { wakers, .. }) => wakers.len(),
            State::Over => 0,
        }
    }

    /// Has one more wait, if there is room.
    fn join(&self, wanted: u32) -> bool {
        match &mut *self.state.lock() {
            State::OnItsWay(Waiting { number, units, .. }) if *number < MOST_WAITING => {
                *number = number.saturating_add(1);
                *units = units.saturating_add(wanted);
                true
            }
            State::OnItsWay(_) => false,
            // It does not have to wait long.
            State::Over => true,
        }
    }

    /// One waits no more.
    fn leave(&self, place: Option<usize>, wanted: u32) {
        let waker = match &mut *self.state.lock() {
            State::OnItsWay(Waiting { wakers, number, units }) => {
                *number = number.saturating_sub(1);
                *units = units.saturating_sub(wanted);
                place.and_then(|place| wakers.get_mut(place)).and_then(Option::take)
            }
            State::Over => None,
        };
        // I3: not before the lock is left.
        drop(waker);
    }

    fn poll(&self, place: &mut Option<usize>, waker: &Waker) -> Poll<()> {
        let mut waker = Some(waker.clone());
        if let State::OnItsWay(Waiting { wakers, .. }) = &mut *self.state.lock() {
            match place.and_then(|place| wakers.get_mut(place)) {
                Some(own) => core::mem::swap(own, &mut waker),
                None => {
                    // Places of those that have left are looked for only when there are no others.
                    let is_full = wakers.len() >= MOST_WAITING;
                    let free = is_full.then(|| wakers.iter().position(Option::is_none)).flatten();
                    *place = Some(free.unwrap_or(wakers.len()));
                    match free.and_then(|free| wakers.get_mut(free)) {
                        Some(free) => core::mem::swap(free, &mut waker),
                        None => wakers.push(waker.take()),
                    }
                }
            }
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

/// Waits until a call that somebody else has made is over. Its result goes on with the check.
///
/// It makes no calls and needs no runtime. That it ends in time is up to who made the call; put a time limit of your own
/// on it all the same, as [`run`](Self::run) does, and [give up](Self::give_up) then.
#[must_use = "a check that waits is not over"]
pub struct Wait {
    fetch: Arc<Fetch>,
    place: Option<usize>,
    units: u32,
    /// `None` once it has been given out.
    held: Option<Held>,
}

impl Wait {
    /// For so many units; what is held comes back if too many wait already.
    pub(super) fn new(fetch: Arc<Fetch>, units: u32, held: Held) -> Result<Self, Held> {
        if fetch.join(units) {
            Ok(Self { fetch, place: None, units, held: Some(held) })
        } else {
            Err(held)
        }
    }

    /// Whether the call is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.fetch.is_over()
    }

    /// Waits no longer: limits that are not known by then do what they do when the store fails.
    pub fn give_up(mut self) -> Held {
        let held = self.held.take().unwrap_or_default();
        if self.is_over() { held } else { held.given_up() }
    }

    /// When the check must be over.
    #[must_use]
    pub fn deadline(&self) -> crate::Timestamp {
        self.held.as_ref().map_or(crate::Timestamp::ZERO, Held::deadline)
    }
}

impl Future for Wait {
    type Output = Held;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Held> {
        let this = &mut *self;
        match this.fetch.poll(&mut this.place, context.waker()) {
            Poll::Ready(()) => Poll::Ready(this.held.take().unwrap_or_default()),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.fetch.leave(self.place, self.units);
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("is_over", &self.is_over()).finish_non_exhaustive()
    }
}
