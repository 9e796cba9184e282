//! What a check has so far, between its steps: units that were granted to it, and the call that it makes.
//!
//! # Invariants
//! - **I1** whatever is dropped gives back what it holds, and ends what it has begun.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use super::{
    call::{Call, StoreError},
    fetch::Fetch,
    fleet::{Fleet, Turn},
    limit::FleetLimit,
};
use crate::{sync::Arc, time::Timestamp, verdict::Count};

/// A check that is not over; made by [`Fleet::begin`], by an [`Ask`] and by a [`Wait`](super::Wait).
///
/// Dropping it gives back what it holds to the leases of its node. The default one was over before it began, and asks
/// nobody: what no lease and no memory answers is not known to it.
#[must_use = "a check that is not over is to be gone on with"]
#[derive(Default)]
pub struct Held {
    pub(super) deadline: Timestamp,
    pub(super) rounds: u8,
    pub(super) given_up: bool,
    /// `None` as long as nobody was asked.
    own: Option<Box<Own>>,
}

struct Own {
    fleet: Fleet,
    found: Vec<Found>,
}

/// What was found out for this check.
struct Found {
    key: u128,
    units: u32,
    limit: FleetLimit,
    what: What,
}

#[derive(Clone, Copy)]
pub(super) enum What {
    Granted(Count),
    Denied(Count),
    Failed,
}

impl Held {
    pub(super) fn new(deadline: Timestamp) -> Self {
        Self { deadline, ..Self::default() }
    }

    /// When the check must be over.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// The same for whoever waits no longer.
    pub(super) fn given_up(self) -> Self {
        Self { given_up: true, ..self }
    }

    /// What was found out of so many units of this key; if they were granted, they are the caller's from then on.
    pub(super) fn take(&mut self, key: u128, units: u32) -> Option<What> {
        let found = &mut self.own.as_mut()?.found;
        let at = found.iter().position(|found| (found.key, found.units) == (key, units))?;
        match found.get(at)?.what {
            What::Granted(_) => Some(found.swap_remove(at).what),
            what => Some(what),
        }
    }

    /// Keeps what was found out of so many units of a key.
    pub(super) fn put(
        &mut self,
        fleet: &Fleet,
        limit: &FleetLimit,
        (key, units): (u128, u32),
        what: What,
    ) {
        let own = self
            .own
            .get_or_insert_with(|| Box::new(Own { fleet: fleet.clone(), found: Vec::new() }));
        own.found.push(Found { key, units, limit: limit.clone(), what });
    }
}

/// I1.
impl Drop for Own {
    fn drop(&mut self) {
        for Found { key, units, limit, what } in &self.found {
            if let What::Granted(_) = what {
                self.fleet.keys().give_back(*key, *units, limit);
            }
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Calls that are to be made; then [`finish`](Self::finish) goes on with the check.
///
/// Others wait for it. Dropped instead, one of them makes it; if it has been sent by then, what it brings is lost: so do
/// not drop what you have sent, as [`run`](Self::run) does not where the store can [keep](super::Store::keep) it.
#[must_use = "others wait for these calls"]
pub struct Ask {
    turn: Turn,
    calls: Vec<Call>,
    asked: Vec<Asked>,
    /// `None` once it has been given out.
    held: Option<Held>,
}

/// One claim of a call.
pub(super) struct Asked {
    /// Which call.
    pub(super) call: usize,
    pub(super) key: u128,
    pub(super) limit: FleetLimit,
    pub(super) units: u32,
    /// Who waits for it; `None` if there was no room to remember that it is on its way.
    pub(super) fetch: Option<Arc<Fetch>>,
}

impl Ask {
    /// The claims are in the order of the calls, and of the keys in each.
    pub(super) fn new(turn: Turn, calls: Vec<Call>, asked: Vec<Asked>, held: Held) -> Self {
        Self { turn, calls, asked, held: Some(held) }
    }

    /// What is to be sent; all of it at once, if that is possible.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// When the check must be over.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.held.as_ref().map_or(Timestamp::ZERO, Held::deadline)
    }

    /// Goes on with what the store has answered to each of the [calls](Self::calls); a reply that is missing
    /// came too late.
    pub fn finish(mut self, replies: &[Result<Vec<i64>, StoreError>], now: Timestamp) -> Held {
        let mut held = self.held.take().unwrap_or_default();
        let asked = core::mem::take(&mut self.asked);
        let fleet = self.turn.fleet();
        for (at, call) in self.calls.iter().enumerate() {
            let claims = asked.iter().filter(|asked| asked.call == at);
            let reply = match replies.get(at) {
                Some(Ok(numbers)) => call.read(numbers),
                Some(Err(error)) => Err(error.clone()),
                None => Err(StoreError::Timeout),
            };
            match reply {
                Ok(replies) => {
                    fleet.answered();
                    for (asked, reply) in claims.zip(&replies) {
                        asked.answered(fleet, reply, &mut held, now);
                    }
                }
                Err(error) => {
                    fleet.failed(&error, now);
                    // As long as it may have been waited for, and not much longer: if it goes on, the breaker opens.
                    let pause = fleet.settings().timeout.min(fleet.settings().lease);
                    for Asked { key, limit, units, fetch, .. } in claims {
                        fleet.keys().failed((*key, fetch), pause, now);
                        held.put(fleet, limit, (*key, *units), What::Failed);
                    }
                }
            }
        }
        held
    }
}

impl Asked {
    fn answered(&self, fleet: &Fleet, reply: &super::call::Reply, held: &mut Held, now: Timestamp) {
        let Self { key, limit, units, fetch, .. } = self;
        let is_spared = reply.retry == Some(0) && reply.granted < *units;
        if is_spared {
            // Another claim of the call is denied, and that one says so.
            fleet.keys().spared((*key, fetch), reply, now);
            return;
        }
        let count = fleet.keys().answered((*key, fetch), *units, reply, limit, now);
        let is_granted = count.retry_after == 0;
        let what = if is_granted { What::Granted(count) } else { What::Denied(count) };
        held.put(fleet, limit, (*key, *units), what);
    }
}

impl Drop for Ask {
    fn drop(&mut self) {
        for Asked { key, fetch, .. } in &self.asked {
            self.turn.fleet().keys().abandoned((*key, fetch));
        }
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("calls", &self.calls).finish_non_exhaustive()
    }
}
