//! Limits of requests in flight: how many at a time, not how many in a time.
//!
//! A quota protects against many requests; it does not see that answers have grown slow, and lets in as many as
//! before while those that wait pile up. A limit in flight does: a request takes a place when it is
//! checked, and gives it back when its response has been sent, or when whatever carried it is dropped.
//!
//! Nobody can know when a place will be free. What is refused is told to come again in a second, the least that
//! a `Retry-After` can say.
//!
//! # Invariants
//! - **I1** no check leaves a key with more units in flight than the limit that stands at that moment;
//! - **I2** a place is given back exactly once, where it was taken, also when the gate has other limits by
//!   then: it goes with [`Pending`], or with the [`Hold`](super::Hold) that is made of it;
//! - **I3** what is denied, by this limit or by another, keeps no place;
//! - **I4** a key has a seat in the table only while it has requests in flight.
//!
//! # Bounds
//! The table has as many seats as the gate remembers clients. A key that finds none is refused as
//! [saturation](crate::OnSaturation) denies, or passes uncounted where it allows: there is no coarser judge
//! that would have to be asked, since this many keys with a request each *are* too many requests.
//! A check takes the lock of one shard for each limit with a key, and a place that is given back does
//! so again; no code of a caller runs under it.

use core::time::Duration;

use super::{
    Entry, Limits, Ruling,
    judge::Asked,
    key::Key,
    pending::{Pending, Taken},
};
use crate::{
    gate::plan::{Bound, Cost, LimitPlan, Then},
    limit::permits::{Outcome, Places},
};

/// What a request that finds no place is told to wait.
pub(in crate::gate) const AGAIN_IN: Duration = Duration::from_secs(1);

/// Whether there is a place for a request.
pub(super) enum Entered {
    In,
    /// There is no seat for its key, and it passes.
    Uncounted,
    Refused(Ruling),
}

/// Where a request stands with a limit of requests in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    in_use: u32,
    limit: u32,
}

impl InFlight {
    /// How many units its key has in flight.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    /// How many it can have.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    pub(super) fn of(places: &Places, hash: u64) -> Self {
        Self { in_use: places.in_use(hash), limit: places.limit() }
    }
}

impl Limits {
    /// Takes a place in a limit of requests in flight, if there is one.
    pub(super) fn enter(
        &self,
        entry: &Entry,
        asked: &Asked,
        known: u64,
        pending: &mut Pending,
    ) -> Entered {
        let (Some(places), Some(slot)) = (entry.state.places(), entry.settler) else {
            return Entered::In;
        };
        let outcome = places.take(asked.hash, asked.units);
        if let Outcome::Taken(place) = outcome {
            let taken = Taken { hash: place.to_word(), value: 0, units: asked.units };
            pending.add(&self.settlers, known, slot, false, taken);
        }
        self.entered(entry, asked, outcome)
    }

    /// What [`enter`](Self::enter) would say; nothing is taken.
    pub(super) fn would_enter(&self, entry: &Entry, asked: &Asked) -> Entered {
        let Some(places) = entry.state.places() else { return Entered::In };
        self.entered(entry, asked, places.peek(asked.hash, asked.units))
    }

    fn entered(&self, entry: &Entry, asked: &Asked, outcome: Outcome) -> Entered {
        match outcome {
            Outcome::Taken(_) | Outcome::Nothing => Entered::In,
            Outcome::Refused => {
                let of_all = matches!(entry.key, Key::Everything);
                let Asked { limit, units, .. } = *asked;
                Entered::Refused(Ruling::Full { limit, of_all, units })
            }
            Outcome::Unseated if self.newcomers.is_none() => Entered::Uncounted,
            Outcome::Unseated => Entered::Refused(Ruling::Saturated { wait: AGAIN_IN }),
        }
    }
}

/// The parts of a plan that a limit of requests in flight cannot have, and why.
pub(in crate::gate) fn unfit(
    plan: &LimitPlan,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_in_flight = matches!(plan.bound, Bound::InFlight(_));
    let asks = matches!(plan.cost, Cost::Response(_)) || plan.cost.of_response().is_some();
    [
        (
            "count_if",
            plan.count_if.is_some(),
            "asks for the response, and with it the place is given back: leave it out, or use a quota",
        ),
        (
            "distinct",
            plan.distinct.is_some(),
            "counts values over a time, and a place is for one request: leave it out, or use a quota",
        ),
        (
            "cost",
            asks,
            "asks for the response, and with it the place is given back: use a number",
        ),
        (
            "then",
            matches!(plan.then, Then::Ban(_)),
            "bans for many requests in flight, which slow answers make as well as attackers: leave it \
             out, or use a quota",
        ),
    ]
    .into_iter()
    .filter(move |(_, is_there, _)| is_in_flight && *is_there)
    .map(|(part, _, why)| (part, why))
}
