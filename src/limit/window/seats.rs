//! A fixed number of seats behind one lock: keys, and what each has in every slot.
//!
//! As with buckets, a key that is new takes a seat that was never used or, once there is none, the
//! seat of a key of which nothing counts any more: such a key is no different from one that never
//! came. Which seat that is, an agenda tells: it holds for every seat a slot that is not later than
//! the first one in which nothing of the seat's counts, and is corrected when it matters.
//!
//! # Invariants
//! - **I1** a seat is taken from a key only when nothing of the key's counts any more;
//! - **I2** a seated key is judged as by a [`SlidingWindow`](super::SlidingWindow) of its own;
//! - **I3** nothing allocates after construction;
//! - **I4** a key that comes back after losing its seat is never given more than it would have been,
//!   whatever its thread's clock says: no newcomer is admitted before `reclaimed`, the latest slot in
//!   which any reclaimed seat became free. (A step back of more than a second is forgiven.)
//! - **I5** a claim looks at no more than twice [`GLANCES`] seats, also after a clock was set back.

use alloc::vec::Vec;
use core::{borrow::Borrow, mem};

use super::frame::{Frame, Tally, View};
use crate::{
    limit::{agenda::Agenda, index::Index},
    time::Timestamp,
    verdict::{Count, Decision},
};

pub(super) struct Seats<K> {
    frame: Frame,
    seats: Vec<Seat<K>>,
    /// By seat and place: the units in every slot that can count.
    counts: Vec<u32>,
    index: Index,
    /// Slots not later than the first one in which a seat is free.
    agenda: Agenda,
    capacity: u32,
    /// No newcomer is admitted in an earlier slot (I4).
    reclaimed: u64,
    /// No seat has a later slot.
    latest: u64,
    /// As `latest`, of the seats before `swept` only.
    swept_latest: u64,
    swept: u32,
}

struct Seat<K> {
    key: K,
    hash: u32,
    tally: Tally,
}

/// A key that asks for a seat, and its hash.
pub(super) struct Newcomer<K> {
    pub(super) key: K,
    pub(super) hash: u32,
}

impl<K> Seats<K> {
    pub(super) fn new(frame: Frame, capacity: u32) -> Self {
        let seats = capacity as usize;
        Self {
            frame,
            seats: Vec::with_capacity(seats),
            counts: Vec::with_capacity(seats.saturating_mul(frame.places())),
            index: Index::new(capacity),
            agenda: Agenda::new(capacity),
            capacity,
            reclaimed: 0,
            latest: 0,
            swept_latest: 0,
            swept: 0,
        }
    }

    pub(super) fn find<Q>(&self, hash: u32, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.index.find(hash, |seat| {
            self.seats.get(seat as usize).is_some_and(|seat| seat.key.borrow() == key)
        })
    }

    /// Takes `n` units of a seated key's, or none of them.
    pub(super) fn check(&mut self, seat: u32, n: u32, now: Timestamp) -> Decision {
        let view = self.view(seat, now);
        match self.frame.room(view.used, n) {
            Some(used) if n > 0 => {
                self.settle(seat, view);
                let place = self.frame.place_of(view.slot);
                if let Some(units) = self.counts_mut(seat).get_mut(place) {
                    // At most the limit.
                    *units = units.saturating_add(n);
                }
                self.set_tally(seat, Tally { slot: view.slot, used });
                if view.healed {
                    self.bring_forward(seat);
                }
                self.frame.admitted(view.slot, used, now)
            }
            room => {
                let decision = self.judged(seat, view, n, now);
                if view.healed && room.is_none() {
                    self.settle(seat, view);
                    self.bring_forward(seat);
                }
                decision
            }
        }
    }

    /// What [`check`](Self::check) would answer; the standing is the present one.
    pub(super) fn peek(&self, seat: u32, n: u32, now: Timestamp) -> Decision {
        self.judged(seat, self.view(seat, now), n, now)
    }

    /// Gives back units that were taken in the key's newest slot.
    pub(super) fn refund(&mut self, seat: u32, n: u32, taken_at: Timestamp) {
        let Tally { slot, used } = self.tally(seat);
        let place = self.frame.place_of(slot);
        if self.frame.slot_of(taken_at) != slot {
            return;
        }
        let Some(units) = self.counts_mut(seat).get_mut(place) else { return };
        let back = n.min(*units);
        *units = units.saturating_sub(back);
        self.set_tally(seat, Tally { slot, used: used.saturating_sub(back) });
        self.bring_forward(seat);
    }

    /// What a key without a seat would be answered; the standing is the present one.
    pub(super) fn greet(&self, n: u32, now: Timestamp) -> Decision {
        let slot = self.frame.slot_of(now);
        let (tally, view) = (Tally { slot, used: 0 }, View { slot, used: 0, healed: false });
        let count = self.frame.count(tally, view, n, now, |_, _| 0);
        if slot >= self.reclaimed || self.frame.is_ahead(self.reclaimed, now) {
            return Decision::counted(count);
        }
        // As if it had used everything up until then.
        let wait = self.frame.until(self.reclaimed, now);
        let retry_after = if n == 0 { count.retry_after } else { count.retry_after.max(wait) };
        let reset_after = count.reset_after.max(wait);
        Decision::counted(Count { remaining: 0, retry_after, reset_after, ..count })
    }

    /// A seat for a new key, one that was never used or one that is free at `now`; else how long none
    /// will be, in nanoseconds.
    pub(super) fn vacancy(&mut self, now: Timestamp) -> Result<Option<u32>, u64> {
        if self.seats.len() < self.capacity() {
            return Ok(None);
        }
        if self.frame.is_ahead(self.latest, now) {
            self.sweep(now);
        }
        for _ in 0..GLANCES {
            let Some((slot, seat)) = self.agenda.first() else { break };
            if self.view(seat, now).used == 0 {
                return Ok(Some(seat));
            }
            let truly = self.free_in(seat);
            if truly <= slot {
                // No other seat is free before its own slot in the agenda, which is not before this.
                return Err(self.frame.until(truly, now));
            }
            self.agenda.set(seat, truly);
        }
        Err(if self.capacity == 0 { u64::MAX } else { 1 })
    }

    /// Puts a new key in the seat that [`vacancy`](Self::vacancy) has just found, and takes its units.
    ///
    /// The key that lost its seat comes back, for the caller to drop outside of the lock.
    pub(super) fn seat(
        &mut self,
        newcomer: Newcomer<K>,
        vacancy: Option<u32>,
        n: u32,
        now: Timestamp,
    ) -> (Decision, Option<K>) {
        let Newcomer { key, hash } = newcomer;
        let slot = self.frame.slot_of(now);
        if self.frame.is_ahead(self.reclaimed, now) {
            // A step back of the clock, which is forgiven, and then forgotten.
            self.reclaimed = slot;
        }
        let newcomer = Seat { key, hash, tally: Tally { slot, used: 0 } };
        let (seat, former) = match vacancy {
            Some(seat) => (seat, self.vacate(seat, newcomer)),
            None => {
                // Below the capacity, which is a u32.
                let seat = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
                self.seats.push(newcomer);
                self.counts.extend((0..self.frame.places()).map(|_| 0));
                self.agenda.add(0);
                (seat, None)
            }
        };
        self.index.insert(hash, seat);
        let decision = self.check(seat, n, now);
        self.agenda.set(seat, self.free_in(seat));
        (decision, former)
    }

    pub(super) fn len(&self) -> usize {
        self.seats.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity as usize
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let seats = self.seats.capacity().saturating_mul(size_of::<Seat<K>>());
        let counts = self.counts.capacity().saturating_mul(size_of::<u32>());
        let order = self.agenda.memory_bytes().saturating_add(self.index.memory_bytes());
        seats.saturating_add(counts).saturating_add(order)
    }

    fn vacate(&mut self, seat: u32, newcomer: Seat<K>) -> Option<K> {
        self.reclaimed = self.reclaimed.max(self.free_in(seat));
        self.counts_mut(seat).fill(0);
        let taken = self.seats.get_mut(seat as usize)?;
        self.index.remove(taken.hash, seat);
        Some(mem::replace(taken, newcomer).key)
    }

    /// Looks at the next few seats, while some may stand at slots of a clock that was set back.
    #[cold]
    fn sweep(&mut self, now: Timestamp) {
        for _ in 0..GLANCES {
            if self.swept as usize >= self.seats.len() {
                self.latest = self.swept_latest;
                (self.swept, self.swept_latest) = (0, 0);
                return;
            }
            let view = self.view(self.swept, now);
            if view.healed {
                self.settle(self.swept, view);
                self.bring_forward(self.swept);
            }
            self.swept_latest = self.swept_latest.max(self.tally(self.swept).slot);
            self.swept = self.swept.saturating_add(1);
        }
    }
}

/// A seat's slots.
impl<K> Seats<K> {
    fn view(&self, seat: u32, now: Timestamp) -> View {
        let counts = self.counts(seat);
        self.frame.view(self.tally(seat), 0, now, |_, place| units(counts, place))
    }

    fn judged(&self, seat: u32, view: View, n: u32, now: Timestamp) -> Decision {
        let counts = self.counts(seat);
        self.frame.judged(self.tally(seat), view, n, now, |_, place| units(counts, place))
    }

    /// Brings a seat to the slot of a view, with nothing in the slots between.
    fn settle(&mut self, seat: u32, view: View) {
        let (frame, Tally { slot, .. }) = (self.frame, self.tally(seat));
        let counts = self.counts_mut(seat);
        if view.healed {
            counts.fill(0);
            if let Some(units) = counts.get_mut(frame.place_of(view.slot)) {
                *units = view.used;
            }
        } else {
            let first = slot.saturating_add(1).max(frame.oldest(view.slot));
            for (_, place) in frame.slots(first, view.slot.saturating_add(1)) {
                if let Some(units) = counts.get_mut(place) {
                    *units = 0;
                }
            }
        }
        self.set_tally(seat, Tally { slot: view.slot, used: view.used });
    }

    /// The first slot in which nothing of a seat's counts.
    fn free_in(&self, seat: u32) -> u64 {
        let (Tally { slot, .. }, counts) = (self.tally(seat), self.counts(seat));
        let slots = self.frame.slots(self.frame.oldest(slot), slot.saturating_add(1));
        let last = slots.filter(|(_, place)| units(counts, *place) > 0).last();
        last.map_or(0, |(slot, _)| self.frame.left_in(slot))
    }

    /// Keeps the agenda's promise after a seat's units became fewer or older.
    fn bring_forward(&mut self, seat: u32) {
        let free_in = self.free_in(seat);
        if self.agenda.time(seat).is_some_and(|slot| free_in < slot) {
            self.agenda.set(seat, free_in);
        }
    }

    fn tally(&self, seat: u32) -> Tally {
        self.seats.get(seat as usize).map_or(Tally { slot: 0, used: 0 }, |seat| seat.tally)
    }

    fn set_tally(&mut self, seat: u32, tally: Tally) {
        self.latest = self.latest.max(tally.slot);
        self.swept_latest = self.swept_latest.max(tally.slot);
        if let Some(seat) = self.seats.get_mut(seat as usize) {
            seat.tally = tally;
        }
    }

    fn counts(&self, seat: u32) -> &[u32] {
        let places = self.frame.places();
        let first = (seat as usize).saturating_mul(places);
        self.counts.get(first..first.saturating_add(places)).unwrap_or(&[])
    }

    fn counts_mut(&mut self, seat: u32) -> &mut [u32] {
        let places = self.frame.places();
        let first = (seat as usize).saturating_mul(places);
        self.counts.get_mut(first..first.saturating_add(places)).unwrap_or(&mut [])
    }
}

fn units(counts: &[u32], place: usize) -> u32 {
    counts.get(place).copied().unwrap_or(0)
}

/// The most seats that one new key looks at before it counts as unseated.
const GLANCES: usize = 64;
