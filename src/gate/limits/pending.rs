//! What only the response can settle, or the end of it, kept with an admission.
//!
//! # Invariants
//! - **I1** a unit is taken before the request is served, so that requests in flight count;
//! - **I2** each is settled once at most, by ownership; units of a bucket that are dropped stay taken, and
//!   places in flight are given back, exactly once, when they are dropped;
//! - **I3** it is settled with the buckets that it was taken from, and given back to the places, also when
//!   the gate has other limits by then;
//! - **I4** nothing is allocated: there is room for [`MOST`] limits.

use alloc::sync::Arc;
use core::fmt;

use super::{
    count::{self, Counted},
    state::{Bucket, State},
};
use crate::{
    limit::{
        Limit,
        permits::{Place, Places},
    },
    rule::{Answer, Builtin},
    time::Timestamp,
};

/// The limits that ask for the response, and those of requests in flight; more are not allowed.
pub(super) const MOST: usize = 8;

/// How a limit is settled.
#[derive(Debug)]
pub(super) struct Settler {
    pub(super) state: Arc<State>,
    /// Which responses count; all, if `None`.
    pub(super) counted: Option<Counted>,
    /// What the response cost; what was taken, if `None`.
    pub(super) cost: Option<Builtin>,
    /// Whether either of these asks how large the response was.
    pub(super) asks_size: bool,
}

/// What was taken for a request, until its response is known; `None` if there is nothing to settle, which
/// costs no more than to say so.
#[derive(Default)]
pub(crate) struct Pending(Option<Owed>);

struct Owed {
    settlers: Arc<[Settler]>,
    /// The parts of conditions that hold, a bit each.
    known: u64,
    /// The settlers that have something to settle, a bit each.
    owed: u8,
    /// Those of them that have taken from the bucket of a network.
    of_networks: u8,
    taken: [Taken; MOST],
}

/// A request's places in limits of requests in flight, given back when this is dropped.
///
/// Made by [`Admission::hold`](crate::Admission::hold). Keep it until the response has been sent to its end, and
/// let it go with whatever carries the response: a body, a stream, a task.
#[must_use = "the places are given back as soon as this is dropped"]
pub struct Hold(Owed);

/// What one limit has taken.
#[derive(Clone, Copy, Default)]
pub(super) struct Taken {
    /// The key's; or the place, if it is of requests in flight.
    pub(super) hash: u64,
    /// The hash of the value, if only distinct ones count.
    pub(super) value: u32,
    pub(super) units: u32,
}

impl Pending {
    pub(super) fn add(
        &mut self,
        settlers: &Arc<[Settler]>,
        known: u64,
        slot: u8,
        of_network: bool,
        taken: Taken,
    ) {
        let owed = self.0.get_or_insert_with(|| Owed {
            settlers: Arc::clone(settlers),
            known,
            owed: 0,
            of_networks: 0,
            taken: Default::default(),
        });
        let Some(place) = owed.taken.get_mut(usize::from(slot)) else { return };
        *place = taken;
        let bit = 1_u8.checked_shl(u32::from(slot)).unwrap_or(0);
        owed.owed |= bit;
        owed.of_networks |= if of_network { bit } else { 0 };
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Gives all places back, for a request that is denied; nothing else has been taken then.
    #[inline]
    pub(super) fn give_up(&mut self) {
        self.0 = None;
    }

    /// Takes out what is held until the response has ended.
    pub(crate) fn hold(&mut self) -> Option<Hold> {
        let owed = self.0.as_mut()?;
        let held = owed.slots().filter(|slot| slot.places().is_some());
        let held = held.fold(0, |bits, slot| bits | slot.bit);
        if held == 0 {
            return None;
        }
        if held == owed.owed {
            return self.0.take().map(Hold);
        }
        owed.owed &= !held;
        Some(Hold(Owed {
            settlers: Arc::clone(&owed.settlers),
            known: 0,
            owed: held,
            of_networks: 0,
            taken: owed.taken,
        }))
    }

    /// Whether anything asks for the size of the response.
    pub(crate) fn awaits_size(&self) -> bool {
        self.0.as_ref().is_some_and(|owed| owed.slots().any(|slot| slot.settler.asks_size))
    }

    /// Settles what does not ask for the size of the response: who reads a body slowly delays no more than that.
    pub(crate) fn finish_head(&mut self, answer: &Answer, now: Timestamp) {
        if let Some(owed) = &mut self.0 {
            owed.settle(answer, now, |slot| !slot.settler.asks_size);
        }
    }

    /// Gives back what does not count, and takes what the response has cost beyond that. Places that are not
    /// held are given back, too.
    pub(crate) fn finish(mut self, answer: Answer, now: Timestamp) {
        if let Some(owed) = &mut self.0 {
            owed.settle(&answer, now, |_| true);
        }
    }
}

/// One limit that has something to settle.
struct Slot<'a> {
    bit: u8,
    settler: &'a Settler,
    taken: &'a Taken,
}

impl Slot<'_> {
    fn places(&self) -> Option<&Places> {
        self.settler.state.places()
    }
}

impl Owed {
    /// Settles those buckets that it is time for, each once (I2).
    fn settle(&mut self, answer: &Answer, now: Timestamp, is_due: impl Fn(&Slot<'_>) -> bool) {
        let mut settled = 0;
        for slot in self.slots().filter(|slot| is_due(slot)) {
            let Slot { bit, settler, taken } = slot;
            let of_network = self.of_networks & bit != 0;
            let Some(bucket) = settler.state.bucket(taken.hash, of_network) else { continue };
            let units = settler.settle(bucket, taken, self.known, answer, now);
            // Networks are not banned for what one of them has done.
            if let (false, Some(counted)) = (of_network, settler.state.counted(taken.hash)) {
                counted.charge_n(units, now);
            }
            settled |= bit;
        }
        self.owed &= !settled;
    }

    fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
        let all = self.settlers.iter().zip(&self.taken).zip(0_u32..);
        all.map(|((settler, taken), slot)| {
            let bit = 1_u8.checked_shl(slot).unwrap_or(0);
            Slot { bit, settler, taken }
        })
        .filter(|slot| self.owed & slot.bit != 0)
    }
}

/// Places in flight are given back, whatever the reason is that they are not needed any more.
impl Drop for Owed {
    fn drop(&mut self) {
        for slot in self.slots() {
            if let Some(places) = slot.places() {
                places.give_back(Place::of_word(slot.taken.hash), slot.taken.units);
            }
        }
    }
}

impl Settler {
    /// Says what it has counted in the end.
    fn settle(
        &self,
        bucket: Bucket<'_>,
        taken: &Taken,
        known: u64,
        answer: &Answer,
        now: Timestamp,
    ) -> u32 {
        let counts = self.counted.as_ref().is_none_or(|counted| counted.applies(known, answer));
        if !counts || self.was_counted(taken, now) {
            bucket.refund_n(taken.units, now);
            return 0;
        }
        let cost = self.cost.and_then(|field| count::read(field, answer));
        let Some(cost) = cost else { return taken.units };
        let cost = u32::try_from(cost.max(0)).unwrap_or(u32::MAX);
        if cost < taken.units {
            bucket.refund_n(taken.units.saturating_sub(cost), now);
        } else {
            bucket.charge_n(cost.saturating_sub(taken.units), now);
        }
        cost
    }

    /// Whether the value was counted for another request since; it is from now on.
    fn was_counted(&self, taken: &Taken, now: Timestamp) -> bool {
        let pair = self.state.pair(taken.hash, taken.value);
        pair.is_some_and(|pair| is_known(pair.check_n(1, now)))
    }
}

/// Whether a value is known, by the answer of its bucket of one unit. What has no place is not.
pub(super) fn is_known(answer: crate::verdict::Decision) -> bool {
    answer.is_denied() && !answer.is_saturated()
}

/// That there is something, not whose.
impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = self.0.as_ref().map_or(0, |owed| owed.owed.count_ones());
        f.debug_struct("Pending").field("limits", &limits).finish_non_exhaustive()
    }
}

/// In how many limits, not for whom.
impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("limits", &self.0.owed.count_ones()).finish_non_exhaustive()
    }
}
