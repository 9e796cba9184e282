//! A fixed number of seats behind one lock: keys, and their debts under one or more quotas.
//!
//! A key that is new takes a seat that was never used or, once there is none, the seat of a key whose
//! buckets are all full again. Such a key is indistinguishable from one that never came, so taking
//! its seat forgives nothing. Which seat that is, a heap tells: it holds for every seat a time that
//! is not later than the one at which the seat's buckets are full.
//!
//! # Invariants
//! - **I1** a seat is taken from a key only when all of its buckets are full;
//! - **I2** units are taken under all quotas or under none;
//! - **I3** nothing allocates after construction;
//! - **I4** a key that comes back after losing its seat never has more tokens than it would have
//!   kept, whatever its thread's clock says: it starts not before `reclaimed_to`, the latest time at
//!   which any reclaimed bucket was full. (A step back of more than a second is forgiven, as in
//!   every limiter of this crate.)
//! - **I5** a claim looks at no more than [`GLANCES`] seats.

use alloc::{collections::BinaryHeap, vec::Vec};
use core::{borrow::Borrow, cmp::Reverse, mem};

use super::index::Index;
use crate::{
    quota::{
        Quota,
        ticks::{SLACK, Step, Ticks},
    },
    time::Timestamp,
    verdict::{Asked, Decision},
};

#[derive(Debug)]
pub(crate) struct Shard<K> {
    seats: Vec<Seat<K>>,
    /// When each seat's buckets are full, in ticks: one entry per seat and quota.
    full_at: Vec<u128>,
    index: Index,
    /// For every seat, once: a time not later than when it is free, in nanoseconds.
    free_at: BinaryHeap<Reverse<(u64, u32)>>,
    capacity: u32,
    reclaimed_to: Timestamp,
}

#[derive(Debug)]
struct Seat<K> {
    key: K,
    hash: u32,
}

/// What a limiter charges by: a quota, its burst and its ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) limit: u32,
    pub(crate) ticks: Ticks,
}

impl Rate {
    pub(crate) fn of(quota: Quota) -> Self {
        Self { limit: quota.max_burst(), ticks: Ticks::of(quota) }
    }
}

/// The outcome under the strictest of several quotas, and which one that is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judgement {
    pub(crate) decision: Decision,
    pub(crate) strictest: usize,
}

impl<K> Shard<K> {
    pub(crate) fn new(capacity: u32, rates: usize) -> Self {
        let seats = capacity as usize;
        Self {
            seats: Vec::with_capacity(seats),
            full_at: Vec::with_capacity(seats.saturating_mul(rates)),
            index: Index::new(capacity),
            free_at: BinaryHeap::with_capacity(seats),
            capacity,
            reclaimed_to: Timestamp::ZERO,
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

    /// Takes `units` from a seated key's buckets: from all of them or from none (I2).
    pub(crate) fn charge(
        &mut self,
        seat: u32,
        rates: &[Rate],
        units: u32,
        now: Timestamp,
    ) -> Judgement {
        let full_at = slots(&mut self.full_at, seat, rates.len());
        let judgement =
            judge(rates, units, now, Take::Units, |at, rate| debt(rate, full_at.get(at), now));
        let admitted = judgement.decision.is_admitted() && units > 0;
        for (full_at, rate) in full_at.iter_mut().zip(rates) {
            match rate.ticks.step(debt(rate, Some(full_at), now), rate.ticks.cost(units)) {
                Step::Admitted { debt } if admitted => *full_at = due(rate, debt, now),
                Step::Healed { debt } => *full_at = due(rate, debt, now),
                Step::Admitted { .. } | Step::Denied { .. } => {}
            }
        }
        judgement
    }

    /// What [`charge`](Self::charge) would answer; the standing is the present one.
    pub(crate) fn peek(&self, seat: u32, rates: &[Rate], units: u32, now: Timestamp) -> Judgement {
        let start = (seat as usize).saturating_mul(rates.len());
        let debt =
            |at: usize, rate: &Rate| debt(rate, self.full_at.get(start.saturating_add(at)), now);
        judge(rates, units, now, Take::Nothing, debt)
    }

    /// Gives `units` back to a seated key's buckets.
    pub(crate) fn refund(&mut self, seat: u32, rates: &[Rate], units: u32, now: Timestamp) {
        let full_at = slots(&mut self.full_at, seat, rates.len());
        for (full_at, rate) in full_at.iter_mut().zip(rates) {
            let owed = rate.ticks.owed(debt(rate, Some(full_at), now));
            let cost = rate.ticks.cost(units);
            if owed > 0 && cost > 0 {
                *full_at = due(rate, owed.saturating_sub(cost), now);
            }
        }
    }

    /// What a key without a seat would be answered; the standing is the present one.
    pub(crate) fn greet(&self, rates: &[Rate], units: u32, now: Timestamp) -> Judgement {
        let start = self.start(now);
        judge(rates, units, now, Take::Nothing, |_, rate| {
            debt(rate, Some(&rate.ticks.absolute(start)), now)
        })
    }

    /// Whether a seat is free at `now`; else a time before which none will be.
    ///
    /// The seat is then the heap's front, or one that was never used.
    pub(crate) fn room(&mut self, rates: &[Rate], now: Timestamp) -> Result<(), Timestamp> {
        if self.seats.len() < self.capacity() {
            return Ok(());
        }
        for _ in 0..GLANCES {
            let Some(&Reverse((at, seat))) = self.free_at.peek() else {
                return Err(Timestamp::MAX);
            };
            let truly = self.heal(seat, rates, now);
            if truly <= now.as_nanos() {
                return Ok(());
            }
            if truly == at {
                // No other seat is free before its own time in the heap, which is not before this.
                return Err(Timestamp::from_nanos(at));
            }
            self.requeue(truly);
        }
        Err(now)
    }

    /// Seats a new key and charges it, or gives it back with a time before which no seat is free.
    ///
    /// The key that lost its seat comes back too, for the caller to drop outside of the lock.
    pub(crate) fn seat(
        &mut self,
        key: K,
        hash: u32,
        rates: &[Rate],
        units: u32,
        now: Timestamp,
    ) -> Result<(Judgement, Option<K>), (Timestamp, K)> {
        if let Err(free_at) = self.room(rates, now) {
            return Err((free_at, key));
        }
        let taken = match self.free_at.peek() {
            _ if self.seats.len() < self.capacity() => None,
            Some(&Reverse((_, seat))) => Some(seat),
            None => return Err((Timestamp::MAX, key)),
        };
        let newcomer = Seat { key, hash };
        let (seat, former) = match taken {
            Some(seat) => {
                let was_full_at = self.heal(seat, rates, now);
                self.reclaimed_to = self.reclaimed_to.max(Timestamp::from_nanos(was_full_at));
                (seat, self.replace(seat, newcomer))
            }
            None => {
                // Below the capacity, which is a u32.
                let seat = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
                self.seats.push(newcomer);
                self.full_at.extend(rates.iter().map(|_| 0));
                self.free_at.push(Reverse((now.as_nanos(), seat)));
                (seat, None)
            }
        };
        self.index.insert(hash, seat);
        // After a step back of the clock, which `start` forgives, the time that stands is forgotten.
        self.reclaimed_to = self.start(now);
        for (full_at, rate) in slots(&mut self.full_at, seat, rates.len()).iter_mut().zip(rates) {
            *full_at = rate.ticks.absolute(self.reclaimed_to);
        }
        Ok((self.charge(seat, rates, units, now), former))
    }

    /// Puts a newcomer in the seat at the heap's front.
    fn replace(&mut self, seat: u32, newcomer: Seat<K>) -> Option<K> {
        // Not free before the newcomer's first charge is paid, which is after now; this is earlier.
        let at = self.reclaimed_to.as_nanos();
        self.requeue(at);
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
        let debts = self.full_at.capacity().saturating_mul(size_of::<u128>());
        let heap = self.free_at.capacity().saturating_mul(size_of::<Reverse<(u64, u32)>>());
        seats.saturating_add(debts).saturating_add(heap).saturating_add(self.index.memory_bytes())
    }

    /// When the buckets of a key without a seat are full at the latest (I4).
    fn start(&self, now: Timestamp) -> Timestamp {
        let ahead = self.reclaimed_to.as_nanos().saturating_sub(now.as_nanos());
        // Further ahead than clocks may disagree: ours was set back.
        if ahead > SLACK { now } else { self.reclaimed_to }
    }

    /// When a seat is free, in nanoseconds; debts that a clock set back has left are healed.
    fn heal(&mut self, seat: u32, rates: &[Rate], now: Timestamp) -> u64 {
        let mut free_at = 0;
        for (full_at, rate) in slots(&mut self.full_at, seat, rates.len()).iter_mut().zip(rates) {
            if let Step::Healed { debt } = rate.ticks.step(debt(rate, Some(full_at), now), u64::MAX)
            {
                *full_at = due(rate, debt, now);
            }
            free_at = free_at.max(rate.ticks.time_of(*full_at));
        }
        free_at
    }

    /// Corrects the time of the seat at the front.
    fn requeue(&mut self, at: u64) {
        if let Some(mut front) = self.free_at.peek_mut() {
            front.0.0 = at;
        }
    }
}

/// The most seats that one new key looks at before it counts as unseated.
const GLANCES: usize = 64;

/// Whether the standing of an admission counts the units as taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Take {
    Units,
    Nothing,
}

/// The strictest outcome over all rates, given each one's debt.
#[inline]
fn judge(
    rates: &[Rate],
    units: u32,
    now: Timestamp,
    take: Take,
    debt: impl Fn(usize, &Rate) -> i64,
) -> Judgement {
    let mut strictest: Option<Judgement> = None;
    for (at, rate) in rates.iter().enumerate() {
        let asked = Asked { ticks: rate.ticks, limit: rate.limit, units, now };
        let debt = debt(at, rate);
        let decision = match rate.ticks.step(debt, rate.ticks.cost(units)) {
            Step::Admitted { .. } if take == Take::Nothing => {
                Decision::admitted(asked, rate.ticks.owed(debt))
            }
            Step::Admitted { debt } => Decision::admitted(asked, debt),
            Step::Denied { debt } | Step::Healed { debt } => Decision::denied(asked, debt),
        };
        if strictest.is_none_or(|so_far| stricter(&decision, &so_far.decision)) {
            strictest = Some(Judgement { decision, strictest: at });
        }
    }
    strictest.unwrap_or_else(|| {
        // No quota, no limit.
        let any = Rate::of(Quota::per_second(1));
        let asked = Asked { ticks: any.ticks, limit: any.limit, units: 0, now };
        Judgement { decision: Decision::admitted(asked, 0), strictest: 0 }
    })
}

/// A denial is stricter than an admission; then the longer wait, then the fewer units left.
fn stricter(one: &Decision, other: &Decision) -> bool {
    let (one, other) = (one.standing(), other.standing());
    (one.retry_after(), other.remaining()) > (other.retry_after(), one.remaining())
}

/// The debt at `now` of a bucket that is full at this tick, cut to 64 bits.
#[inline]
fn debt(rate: &Rate, full_at: Option<&u128>, now: Timestamp) -> i64 {
    let full_at = full_at.copied().unwrap_or(0);
    let now = rate.ticks.absolute(now);
    match full_at.checked_sub(now) {
        Some(ahead) => i64::try_from(ahead).unwrap_or(i64::MAX),
        None => -1,
    }
}

/// The tick at which a bucket is full that owes `debt` at `now`.
#[inline]
fn due(rate: &Rate, debt: u64, now: Timestamp) -> u128 {
    rate.ticks.absolute(now).saturating_add(u128::from(debt))
}

#[inline]
fn slots(full_at: &mut [u128], seat: u32, rates: usize) -> &mut [u128] {
    let start = (seat as usize).saturating_mul(rates);
    full_at.get_mut(start..start.saturating_add(rates)).unwrap_or_default()
}
