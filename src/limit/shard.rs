//! A fixed number of seats behind one lock: keys, and their debts under one or more quotas.
//!
//! A key that is new takes a seat that was never used or, once there is none, the seat of a key whose
//! buckets are all full again. Such a key is indistinguishable from one that never came, so taking
//! its seat forgives nothing. Which seat that is, an agenda tells: it holds for every seat a time that
//! is not later than the one at which the seat's buckets are full, and is corrected when it matters.
//!
//! A key with a quota of its own is *pinned*: were its seat taken, the quota would be lost with it.
//! In the agenda its time is the end of time, and it is passed over wherever seats are looked for.
//!
//! # Invariants
//! - **I1** a seat is taken from a key only when all of its buckets are full and it is not pinned;
//! - **I2** units are taken under all quotas or under none;
//! - **I3** nothing allocates after construction;
//! - **I4** a key that comes back after losing its seat never has more tokens than it would have
//!   kept, whatever its thread's clock says: it starts not before `reclaimed_to`, the latest time at
//!   which any reclaimed bucket was full. (A step back of more than a second is forgiven, as in
//!   every limiter of this crate.)
//! - **I5** a claim looks at no more than [`GLANCES`] seats. After a clock was set back by more than
//!   a bucket takes to fill, the first claim that finds only times from before heals all seats, and
//!   one that fails among other times heals `GLANCES` more.
//! - **I6** `pinned` is the number of seats with a quota of their own, and only their time in the
//!   agenda is later than the one at which they are full.

mod operate;
#[cfg(feature = "serde")]
mod restore;

use alloc::vec::Vec;
use core::{borrow::Borrow, mem};

use super::{
    agenda::Agenda,
    index::Index,
    rates::{Plan, Rate, Rates, Take, judge},
};
use crate::{
    quota::ticks::{SLACK, Step},
    time::Timestamp,
    verdict::Decision,
};

pub(crate) struct Shard<K> {
    seats: Vec<Seat<K>>,
    /// As `Seat::full_at`, of the second and all further quotas: one entry per seat and quota.
    more_full_at: Vec<u128>,
    index: Index,
    /// Nanoseconds not later than the time at which a seat is free.
    agenda: Agenda,
    capacity: u32,
    /// The longest that a lawful debt can take, in nanoseconds.
    longest_debt: u64,
    reclaimed_to: Timestamp,
    /// No time in the agenda is later, except those of pinned seats.
    horizon: u64,
    /// As `horizon`, of the seats before `swept` only.
    swept_horizon: u64,
    swept: u32,
    pinned: u32,
}

struct Seat<K> {
    key: K,
    hash: u32,
    plan: Plan,
    /// When the bucket of the first quota is full, in ticks. It lies beside the key, so that the
    /// common check misses the cache once for both.
    full_at: u128,
}

impl<K> Shard<K> {
    /// Seats for `capacity` keys, or for as many as are about to be put back if they are more.
    pub(crate) fn new(capacity: u32, put_back: u32, rates: &Rates) -> Self {
        let room = capacity.max(put_back);
        let seats = room as usize;
        let further = rates.common().len().saturating_sub(1);
        Self {
            seats: Vec::with_capacity(seats),
            more_full_at: Vec::with_capacity(seats.saturating_mul(further)),
            index: Index::new(room),
            agenda: Agenda::new(room),
            capacity,
            longest_debt: longest_debt(rates.common()),
            reclaimed_to: Timestamp::ZERO,
            horizon: 0,
            swept_horizon: 0,
            swept: 0,
            pinned: 0,
        }
    }

    #[inline]
    pub(crate) fn find<Q>(&self, hash: u32, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.index.find(hash, |seat| {
            self.seats.get(seat as usize).is_some_and(|seat| seat.key.borrow() == key)
        })
    }

    /// [`charge`](Self::charge) for a seat with this one quota, without making a decision of it: a
    /// decision is seven words, which cost to carry out of the lock.
    #[inline]
    pub(crate) fn charge_one(
        &mut self,
        seat: u32,
        rates: &Rates,
        rate: &Rate,
        units: u32,
        now: Timestamp,
    ) -> Step {
        let Some(Seat { full_at, .. }) = self.seats.get_mut(seat as usize) else {
            return Step::Denied { debt: rate.ticks.burst };
        };
        let step = rate.ticks.step(rate.debt(*full_at, now), rate.ticks.scale.cost(units));
        match step {
            Step::Admitted { debt } if units > 0 => *full_at = rate.due(debt, now),
            Step::Healed { debt } => {
                *full_at = rate.due(debt, now);
                self.bring_forward(seat, rates);
            }
            Step::Admitted { .. } | Step::Denied { .. } => {}
        }
        step
    }

    /// Whether a seat is charged by the quota that all had in the beginning, and only that.
    #[inline]
    pub(crate) fn is_original(&self, seat: u32, rates: &Rates) -> bool {
        rates.is_original(self.plan(seat))
    }

    /// Takes `units` from a seated key's buckets: from all of them or from none (I2).
    #[inline]
    pub(crate) fn charge(
        &mut self,
        seat: u32,
        rates: &Rates,
        units: u32,
        now: Timestamp,
    ) -> Decision {
        if let [rate] = self.rates_of(seat, rates) {
            let step = self.charge_one(seat, rates, rate, units, now);
            return rate.decision(step, units, now);
        }
        let decision = self.judged(seat, rates, units, now, Take::Units);
        let admitted = decision.is_admitted() && units > 0;
        let mut healed = false;
        for (at, rate) in self.rates_of(seat, rates).iter().enumerate() {
            let Some(full_at) = self.full_at_mut(seat, at, rates) else { continue };
            match rate.ticks.step(rate.debt(*full_at, now), rate.ticks.scale.cost(units)) {
                Step::Admitted { debt } if admitted => *full_at = rate.due(debt, now),
                Step::Healed { debt } => {
                    *full_at = rate.due(debt, now);
                    healed = true;
                }
                Step::Admitted { .. } | Step::Denied { .. } => {}
            }
        }
        if healed {
            self.bring_forward(seat, rates);
        }
        decision
    }

    /// What [`charge`](Self::charge) would answer; the standing is the present one.
    pub(crate) fn peek(&self, seat: u32, rates: &Rates, units: u32, now: Timestamp) -> Decision {
        self.judged(seat, rates, units, now, Take::Nothing)
    }

    fn judged(&self, seat: u32, rates: &Rates, units: u32, now: Timestamp, take: Take) -> Decision {
        judge(self.rates_of(seat, rates), units, now, take, |at, rate| {
            rate.debt(self.full_at(seat, at, rates), now)
        })
    }

    /// Gives `units` back to a seated key's buckets.
    pub(crate) fn refund(&mut self, seat: u32, rates: &Rates, units: u32, now: Timestamp) {
        let mut lowered = false;
        for (at, rate) in self.rates_of(seat, rates).iter().enumerate() {
            let Some(full_at) = self.full_at_mut(seat, at, rates) else { continue };
            let owed = rate.ticks.owed(rate.debt(*full_at, now));
            let cost = rate.ticks.scale.cost(units);
            if owed > 0 && cost > 0 {
                *full_at = rate.due(owed.saturating_sub(cost), now);
                lowered = true;
            }
        }
        if lowered {
            self.bring_forward(seat, rates);
        }
    }

    /// What a key without a seat would be answered; the standing is the present one.
    pub(crate) fn greet(&self, rates: &Rates, units: u32, now: Timestamp) -> Decision {
        let start = self.start(now);
        judge(rates.common(), units, now, Take::Nothing, |_, rate| {
            rate.debt(rate.ticks.scale.absolute(start), now)
        })
    }

    /// A seat for a new key, one that was never used or one that is free at `now`; else a time before
    /// which none will be.
    pub(crate) fn vacancy(
        &mut self,
        rates: &Rates,
        now: Timestamp,
    ) -> Result<Option<u32>, Timestamp> {
        if self.seats.len() < self.capacity() {
            return Ok(None);
        }
        if self.pinned as usize >= self.seats.len() {
            return Err(Timestamp::MAX);
        }
        let outcome = self.claim(rates, now);
        if outcome.is_err() && self.horizon > now.as_nanos().saturating_add(self.longest_debt) {
            self.sweep(rates, now);
        }
        outcome
    }

    fn claim(&mut self, rates: &Rates, now: Timestamp) -> Result<Option<u32>, Timestamp> {
        let earliest = self.agenda.first().map_or(u64::MAX, |(time, _)| time);
        if earliest > now.as_nanos().saturating_add(self.longest_debt) {
            self.heal_all(rates, now);
        }
        for _ in 0..GLANCES {
            let Some((time, seat)) = self.agenda.first() else {
                return Err(Timestamp::MAX);
            };
            if self.is_free(seat, rates, now) {
                return Ok(Some(seat));
            }
            let truly = self.free_at(seat, rates);
            if truly <= time {
                // No other seat is free before its own time in the agenda, which is not before this.
                return Err(Timestamp::from_nanos(truly));
            }
            self.note(seat, truly);
        }
        Err(now)
    }

    /// Puts a new key in the seat that [`vacancy`](Self::vacancy) has just found.
    ///
    /// The key that lost its seat comes back, for the caller to drop outside of the lock.
    pub(crate) fn seat(
        &mut self,
        newcomer: Newcomer<K>,
        vacancy: Option<u32>,
        rates: &Rates,
        now: Timestamp,
    ) -> (u32, Option<K>) {
        let Newcomer { key, hash } = newcomer;
        let newcomer = Seat { key, hash, plan: Plan::COMMON, full_at: 0 };
        let (seat, former) = match vacancy {
            Some(seat) => (seat, self.vacate(seat, rates, newcomer)),
            None => {
                // Below the capacity, which is a u32.
                let seat = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
                self.seats.push(newcomer);
                self.more_full_at.extend(rates.common().iter().skip(1).map(|_| 0));
                self.agenda.add(0);
                (seat, None)
            }
        };
        self.index.insert(hash, seat);
        // After a step back of the clock, which `start` forgives, the time that stands is forgotten.
        self.reclaimed_to = self.start(now);
        let start = self.reclaimed_to;
        for (at, rate) in rates.common().iter().enumerate() {
            if let Some(full_at) = self.full_at_mut(seat, at, rates) {
                *full_at = rate.ticks.scale.absolute(start);
            }
        }
        (seat, former)
    }

    fn vacate(&mut self, seat: u32, rates: &Rates, newcomer: Seat<K>) -> Option<K> {
        let was_full_at = Timestamp::from_nanos(self.free_at(seat, rates));
        self.reclaimed_to = self.reclaimed_to.max(was_full_at);
        let taken = self.seats.get_mut(seat as usize)?;
        self.index.remove(taken.hash, seat);
        Some(mem::replace(taken, newcomer).key)
    }

    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity as usize
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let seats = self.seats.capacity().saturating_mul(size_of::<Seat<K>>());
        let debts = self.more_full_at.capacity().saturating_mul(size_of::<u128>());
        let order = self.agenda.memory_bytes().saturating_add(self.index.memory_bytes());
        seats.saturating_add(debts).saturating_add(order)
    }

    /// When the buckets of a key without a seat are full at the latest (I4).
    fn start(&self, now: Timestamp) -> Timestamp {
        let ahead = self.reclaimed_to.as_nanos().saturating_sub(now.as_nanos());
        // Further ahead than clocks may disagree: ours was set back.
        if ahead > SLACK { now } else { self.reclaimed_to }
    }

    /// Whether a seat is not pinned and its buckets are all full (I1). In ticks, since nanoseconds end at `Timestamp::MAX`.
    fn is_free(&self, seat: u32, rates: &Rates, now: Timestamp) -> bool {
        let mut rates_at = rates.common().iter().enumerate();
        !self.plan(seat).is_own()
            && rates_at.all(|(at, rate)| rate.debt(self.full_at(seat, at, rates), now) <= 0)
    }

    /// When a seat is free, in nanoseconds; never, if it is pinned.
    fn free_at(&self, seat: u32, rates: &Rates) -> u64 {
        if self.plan(seat).is_own() {
            return u64::MAX;
        }
        let times = rates.common().iter().enumerate();
        times
            .map(|(at, rate)| rate.ticks.scale.time_of(self.full_at(seat, at, rates)))
            .max()
            .unwrap_or(0)
    }

    #[inline]
    pub(crate) fn plan(&self, seat: u32) -> Plan {
        self.seats.get(seat as usize).map_or(Plan::COMMON, |seat| seat.plan)
    }

    #[inline]
    fn rates_of<'r>(&self, seat: u32, rates: &'r Rates) -> &'r [Rate] {
        rates.of(self.plan(seat))
    }

    /// When the bucket of a seat's quota number `at` is full, in that quota's ticks.
    #[inline]
    fn full_at(&self, seat: u32, at: usize, rates: &Rates) -> u128 {
        let full_at = match at.checked_sub(1) {
            None => self.seats.get(seat as usize).map(|seat| &seat.full_at),
            Some(more) => self.more_full_at.get(further(seat, more, rates)),
        };
        full_at.copied().unwrap_or(0)
    }

    #[inline]
    fn full_at_mut(&mut self, seat: u32, at: usize, rates: &Rates) -> Option<&mut u128> {
        match at.checked_sub(1) {
            None => self.seats.get_mut(seat as usize).map(|seat| &mut seat.full_at),
            Some(more) => self.more_full_at.get_mut(further(seat, more, rates)),
        }
    }

    /// Keeps the agenda's promise after a seat's debt was lowered.
    fn bring_forward(&mut self, seat: u32, rates: &Rates) {
        let free_at = self.free_at(seat, rates);
        if self.agenda.time(seat).is_some_and(|time| free_at < time) {
            self.agenda.set(seat, free_at);
        }
    }

    /// Heals every debt that a clock set back has left.
    #[cold]
    fn heal_all(&mut self, rates: &Rates, now: Timestamp) {
        let seats = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
        self.horizon = 0;
        (self.swept, self.swept_horizon) = (0, 0);
        for seat in 0..seats {
            self.heal(seat, rates, now);
        }
    }

    /// Heals the next few seats, while some were charged by a clock that was far ahead of this one.
    #[cold]
    fn sweep(&mut self, rates: &Rates, now: Timestamp) {
        for _ in 0..GLANCES {
            if self.swept as usize >= self.seats.len() {
                self.horizon = self.swept_horizon;
                (self.swept, self.swept_horizon) = (0, 0);
                return;
            }
            self.heal(self.swept, rates, now);
            self.swept = self.swept.saturating_add(1);
        }
    }

    fn heal(&mut self, seat: u32, rates: &Rates, now: Timestamp) {
        for (at, rate) in self.rates_of(seat, rates).iter().enumerate() {
            let Some(full_at) = self.full_at_mut(seat, at, rates) else { continue };
            let owed = rate.ticks.owed(rate.debt(*full_at, now));
            if owed > 0 {
                *full_at = rate.due(owed, now);
            }
        }
        self.note_seat(seat, rates);
    }

    /// Tells the agenda when a seat is free, after it was taken or its debt has changed at will.
    pub(crate) fn note_seat(&mut self, seat: u32, rates: &Rates) {
        self.note(seat, self.free_at(seat, rates));
    }

    fn note(&mut self, seat: u32, free_at: u64) {
        self.agenda.set(seat, free_at);
        if self.plan(seat).is_own() {
            return;
        }
        self.horizon = self.horizon.max(free_at);
        self.swept_horizon = self.swept_horizon.max(free_at);
    }
}

/// A key that asks for a seat, and its hash.
pub(crate) struct Newcomer<K> {
    pub(crate) key: K,
    pub(crate) hash: u32,
}

/// See [`Shard::longest_debt`].
fn longest_debt(rates: &[Rate]) -> u64 {
    let times = rates.iter().map(|rate| match rate.ticks.lawful {
        // A quota of zero: what is owed from before keeps its time, however long that is.
        0 => u64::MAX,
        lawful => rate.ticks.scale.time_of(u128::from(lawful)),
    });
    times.max().unwrap_or(0)
}

/// The most seats that one new key looks at before it counts as unseated.
const GLANCES: usize = 64;

/// Where the further quotas of a seat are kept.
#[inline]
fn further(seat: u32, more: usize, rates: &Rates) -> usize {
    (seat as usize).saturating_mul(rates.common().len().saturating_sub(1)).saturating_add(more)
}

#[cfg(test)]
mod tests;
