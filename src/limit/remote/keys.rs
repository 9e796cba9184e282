//! What a node remembers of each key: a lease, a denial, the call that is on its way.
//!
//! Keys are kept in sets of eight, each behind a lock of its own, so that threads seldom meet; a key that finds its
//! set full displaces the one that was heard of longest ago. What that one had leased is lost, which admits less
//! and never more.
//!
//! # Invariants
//! - **I1** units of a lease are handed out once each, and not later than [`LEASE_AGE`] after they were granted;
//! - **I2** a key with a call on its way is not displaced, until a second after that must have been over;
//! - **I3** memory is fixed, and a lock is held for some memory accesses only;
//! - **I4** what is known of a key was heard before `now`: a clock that goes back makes it unknown.

use alloc::boxed::Box;
use core::time::Duration;

use super::{call::Reply, fetch::Fetch, limit::FleetLimit};
use crate::{
    limit::seeds::Seeds,
    sync::{Arc, Mutex},
    time::{self, Timestamp},
    verdict::{Count, NEVER},
};

/// How long a node keeps units that it has taken in advance: a second.
pub const LEASE_AGE: Duration = Duration::from_secs(1);
/// So long after a check's deadline nobody waits for the call that it was to make.
const LOST_AFTER: Duration = Duration::from_secs(1);
/// Threads may differ by so much about what time it is.
const SKEW: Duration = Duration::from_secs(1);

const WAYS: usize = 8;
/// At least so many sets.
const LEAST_SETS: usize = 8;

/// All keys of a node.
pub(super) struct Keys {
    sets: Box<[Mutex<Set>]>,
    /// Odd, and nobody knows it: subjects are hashed alike everywhere, and whoever knows the secret could
    /// choose some that meet in one set. Chance is made of it as well.
    mix: u64,
}

pub(super) struct Set {
    slots: [Slot; WAYS],
    pub(super) counts: Counts,
}

/// What has become of claims here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) from_leases: u64,
    pub(super) remembered: u64,
}

/// One key.
#[derive(Default)]
pub(super) struct Slot {
    /// 0 if there is none.
    key: u128,
    /// When anything of this was last noted.
    noted: Timestamp,
    /// Units that are granted and not spent, and since when the oldest of them are.
    lease: u32,
    leased: Timestamp,
    /// What the store said.
    remaining: u32,
    full: Timestamp,
    /// Who asks for so many units or more is denied until then.
    denied: u32,
    until: Timestamp,
    /// Waiting does not help.
    never: bool,
    /// The store has not answered; it is not asked again until then.
    failed_until: Timestamp,
    /// Units that were asked for since a call was made.
    asked: u32,
    since: Timestamp,
    /// Units that those want who have waited for a call and have not come back yet.
    wanted: u32,
    fetch: Option<Arc<Fetch>>,
}

/// What a node knows of what a claim asks.
pub(super) enum Known {
    /// The units are taken from the lease.
    Granted(Count),
    Denied(Count),
    /// The store has failed just now.
    Failed,
    /// A call is on its way.
    OnItsWay(Arc<Fetch>),
    /// The store is to be asked.
    Nothing,
}

/// A call of this key, and who waits for it.
type OfCall<'a> = (u128, &'a Option<Arc<Fetch>>);

/// Whether a call can be made for a key.
pub(super) enum Begun {
    /// With so many units beyond what is asked for; whoever is told so makes it.
    Call { extra: u32, fetch: Arc<Fetch> },
    /// Somebody else was faster, or the units are there by now.
    Look,
    /// There is no room to remember it.
    NoRoom,
}

impl Keys {
    /// `None` if the memory cannot be had.
    pub(super) fn new(keys: usize, seeds: &mut Seeds) -> Option<Self> {
        Self::with_mix(keys, seeds.number())
    }

    /// The same with a chance that is no chance.
    pub(super) fn with_mix(keys: usize, mix: u64) -> Option<Self> {
        let sets = keys.div_ceil(WAYS).max(LEAST_SETS).checked_next_power_of_two()?;
        let mut all = alloc::vec::Vec::new();
        all.try_reserve_exact(sets).ok()?;
        all.resize_with(sets, || Mutex::new(Set::new()));
        Some(Self { sets: all.into_boxed_slice(), mix: mix | 1 })
    }

    /// Takes units from a lease, or says what is known instead; for a claim that is new, or has been here before.
    #[inline]
    pub(super) fn take(
        &self,
        key: u128,
        (units, is_new): (u32, bool),
        limit: &FleetLimit,
        now: Timestamp,
    ) -> Known {
        if limit.0.rate.burst < units {
            // There is nothing to ask.
            return Known::Denied(Slot::default().stands(limit, NEVER, now));
        }
        let Some(set) = self.set(key) else { return Known::Nothing };
        let mut set = set.lock();
        let Set { slots, counts } = &mut *set;
        let Some(slot) = slots.iter_mut().find(|slot| slot.key == key) else {
            return Known::Nothing;
        };
        if is_new {
            slot.asked = slot.asked.saturating_add(units);
        } else {
            slot.wanted = slot.wanted.saturating_sub(units);
        }
        if is_of_the_future(slot.noted, now) {
            slot.forget();
        }
        if units <= slot.lease(now) {
            slot.lease = slot.lease.saturating_sub(units);
            counts.from_leases = counts.from_leases.saturating_add(1);
            return Known::Granted(slot.stands(limit, 0, now));
        }
        if let Some(wait) = slot.denial(units, limit, now) {
            counts.remembered = counts.remembered.saturating_add(1);
            return Known::Denied(slot.stands(limit, wait, now));
        }
        if let Some(fetch) = slot.on_its_way(now) {
            return Known::OnItsWay(Arc::clone(fetch));
        }
        if now < slot.failed_until {
            return Known::Failed;
        }
        Known::Nothing
    }

    /// What [`take`](Self::take) would say, if it is known; nothing is taken.
    pub(super) fn peek(
        &self,
        key: u128,
        units: u32,
        limit: &FleetLimit,
        now: Timestamp,
    ) -> Option<Count> {
        if limit.0.rate.burst < units {
            return Some(Slot::default().stands(limit, NEVER, now));
        }
        let set = self.set(key)?.lock();
        let slot = set.slots.iter().find(|slot| slot.key == key)?;
        if is_of_the_future(slot.noted, now) {
            return None;
        }
        if units <= slot.lease(now) {
            return Some(slot.stands(limit, 0, now));
        }
        slot.denial(units, limit, now).map(|wait| slot.stands(limit, wait, now))
    }

    /// Begins a call for a key, so that others wait for it: until a second after the deadline.
    pub(super) fn begin(
        &self,
        key: u128,
        units: u32,
        limit: &FleetLimit,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Begun {
        let mut lost = None;
        let begun = self.begin_in(key, units, limit, (deadline, now), &mut lost);
        end(lost.as_ref());
        begun
    }

    fn begin_in(
        &self,
        key: u128,
        units: u32,
        limit: &FleetLimit,
        (deadline, now): (Timestamp, Timestamp),
        lost: &mut Option<Arc<Fetch>>,
    ) -> Begun {
        let Some(set) = self.set(key) else { return Begun::NoRoom };
        let mut set = set.lock();
        let Some(slot) = set.find_or_make(key, now, lost) else { return Begun::NoRoom };
        if slot.on_its_way(now).is_some() || units <= slot.lease(now) {
            return Begun::Look;
        }
        let extra = slot.extra(limit, now);
        let fetch = Arc::new(Fetch::new(now, deadline.saturating_add(LOST_AFTER)));
        if let Some(before) = slot.fetch.replace(Arc::clone(&fetch)) {
            *lost = Some(before);
        }
        (slot.asked, slot.since) = (0, now);
        Begun::Call { extra, fetch }
    }

    /// Ends a call: what it brought beyond the `units` of whoever made it is there for others. What that one
    /// is told: what is remembered.
    ///
    /// If it took the last one that there was, who comes when the lease is used up is denied as if it had
    /// asked. Otherwise those that wait would ask one after the other, for a unit each.
    pub(super) fn answered(
        &self,
        call: OfCall<'_>,
        units: u32,
        reply: &Reply,
        limit: &FleetLimit,
        now: Timestamp,
    ) -> Count {
        // Who was spared is told so elsewhere.
        let is_granted = reply.retry == Some(0);
        let pause = self.pause(call.0, limit, now);
        let wait = |micros| Duration::from_micros(micros).max(pause);
        let mut lease = 0;
        self.over(call, now, |slot| {
            slot.hears(reply, now);
            slot.failed_until = Timestamp::ZERO;
            (slot.until, slot.never) = (Timestamp::ZERO, false);
            if is_granted {
                let left = slot.lease(now);
                // I1: a lease is as old as its oldest unit.
                slot.leased = if left == 0 { now } else { slot.leased };
                slot.lease = left.saturating_add(reply.granted.saturating_sub(units));
                if reply.remaining == 0 {
                    let full = slot.full.saturating_duration_since(now);
                    let wait = Duration::from_nanos(limit.0.rate.until_there(1, full)).max(pause);
                    (slot.denied, slot.until) = (1, now.saturating_add(wait));
                }
            } else {
                (slot.denied, slot.never) = (units, reply.retry.is_none());
                slot.until = now.saturating_add(reply.retry.map_or(pause, wait));
            }
            lease = slot.lease(now);
        });
        let retry_after = match reply.retry {
            _ if is_granted => 0,
            Some(micros) => time::nanos(wait(micros)).unwrap_or(u64::MAX).max(1),
            None => NEVER,
        };
        told(limit, reply, lease, retry_after)
    }

    /// Ends a call that another key's claim has kept from taking anything, though there was enough here.
    pub(super) fn spared(&self, call: OfCall<'_>, reply: &Reply, now: Timestamp) {
        self.over(call, now, |slot| slot.hears(reply, now));
    }

    /// Ends a call that was not answered; the store is not asked again for so long.
    pub(super) fn failed(&self, call: OfCall<'_>, pause: Duration, now: Timestamp) {
        self.over(call, now, |slot| {
            slot.failed_until = now.saturating_add(pause);
            slot.noted = now;
        });
    }

    /// Ends a call that was not made.
    pub(super) fn abandoned(&self, call: OfCall<'_>) {
        self.over(call, Timestamp::MAX, |_| {});
    }

    /// Puts units back that were taken and are not needed. They are lost if the lease is too old by now, or if there
    /// is no place for them.
    pub(super) fn give_back(&self, key: u128, units: u32, limit: &FleetLimit) {
        self.of(key, |slot| {
            slot.asked = slot.asked.saturating_sub(units);
            slot.lease = slot.lease.saturating_add(units).min(limit.0.rate.burst);
        });
    }

    /// Forgets that somebody has asked for these: something else refuses the request.
    pub(super) fn not_asked(&self, key: u128, units: u32) {
        self.of(key, |slot| slot.asked = slot.asked.saturating_sub(units));
    }

    /// What the counts of all sets come to.
    pub(super) fn counts(&self) -> Counts {
        self.sets.iter().fold(Counts::default(), |sum, set| {
            let counts = set.lock().counts;
            Counts {
                from_leases: sum.from_leases.saturating_add(counts.from_leases),
                remembered: sum.remembered.saturating_add(counts.remembered),
            }
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.sets)
    }

    /// Notes what has come of a call, and wakes those that wait for it.
    fn over(&self, (key, fetch): OfCall<'_>, now: Timestamp, note: impl FnOnce(&mut Slot)) {
        self.of(key, |slot| {
            if is_of_the_future(slot.noted, now) {
                slot.forget();
            }
            note(slot);
            // Another call may be on its way by now, if this one was given up for lost.
            if let (Some(own), Some(fetch)) = (&slot.fetch, fetch) {
                if Arc::ptr_eq(own, fetch) {
                    slot.wanted = fetch.wanted();
                    slot.fetch = None;
                }
            }
        });
        end(fetch.as_ref());
    }

    /// How long a denial is remembered at least: half a lease to a whole one, by chance. Nodes that came
    /// back after the same time would always come in the same order, and the first of them would have it all.
    fn pause(&self, key: u128, limit: &FleetLimit, now: Timestamp) -> Duration {
        let seed = now.as_nanos() ^ u64::try_from(key & u128::from(u64::MAX)).unwrap_or(0);
        // Twice: the first product of two moments that are near each other is near, too.
        let once = seed.wrapping_mul(self.mix);
        let chance = (once ^ once >> 32).wrapping_mul(self.mix) >> 32;
        let half = limit.0.lease.checked_div(2).unwrap_or_default();
        let more = half.as_nanos().saturating_mul(chance.into()) >> 32;
        half.saturating_add(Duration::from_nanos(u64::try_from(more).unwrap_or(u64::MAX)))
    }

    fn of(&self, key: u128, what: impl FnOnce(&mut Slot)) {
        let Some(set) = self.set(key) else { return };
        if let Some(slot) = set.lock().slots.iter_mut().find(|slot| slot.key == key) {
            what(slot);
        }
    }

    #[inline]
    fn set(&self, key: u128) -> Option<&Mutex<Set>> {
        // Half of a hash, and the upper half of the product, which all of its bits have a part in. The number of
        // sets is a power of two.
        let half = u64::try_from(key >> 64).ok()?;
        let at = usize::try_from(half.wrapping_mul(self.mix) >> 32).ok()?;
        self.sets.get(at & self.sets.len().wrapping_sub(1))
    }
}

/// Not under the set's lock: whoever is woken looks there.
fn end(fetch: Option<&Arc<Fetch>>) {
    if let Some(fetch) = fetch {
        fetch.end();
    }
}

impl Set {
    fn new() -> Self {
        Self { slots: Default::default(), counts: Counts::default() }
    }

    /// A call that was lost with what was here before is still to be ended.
    fn find_or_make(
        &mut self,
        key: u128,
        now: Timestamp,
        lost: &mut Option<Arc<Fetch>>,
    ) -> Option<&mut Slot> {
        let at = self.slots.iter().position(|slot| slot.key == key);
        let at = match at {
            Some(at) => at,
            None => {
                let slots = self.slots.iter().enumerate();
                let free = slots.filter(|(_, slot)| slot.on_its_way(now).is_none());
                let (at, _) = free.min_by_key(|(_, slot)| (slot.key != 0, slot.last()))?;
                let slot = self.slots.get_mut(at)?;
                *lost = slot.fetch.take();
                *slot = Slot { key, ..Slot::default() };
                at
            }
        };
        self.slots.get_mut(at)
    }
}

impl Slot {
    /// When it was last heard of, or is asked about again.
    fn last(&self) -> Timestamp {
        self.noted.max(self.failed_until)
    }

    /// The call that is on its way, if anybody still makes it.
    #[inline]
    fn on_its_way(&self, now: Timestamp) -> Option<&Arc<Fetch>> {
        self.fetch.as_ref().filter(|fetch| !fetch.is_lost(now))
    }

    /// Units that can be handed out.
    #[inline]
    fn lease(&self, now: Timestamp) -> u32 {
        if now < self.leased.saturating_add(LEASE_AGE) { self.lease } else { 0 }
    }

    /// How long who asks for so many units is to wait, if that is known.
    #[inline]
    fn denial(&self, units: u32, limit: &FleetLimit, now: Timestamp) -> Option<u64> {
        if units < self.denied || self.until <= now {
            return None;
        }
        if self.never {
            return Some(NEVER);
        }
        // Who asks for more than was denied waits for more.
        let back = limit.0.rate.until_there(units, self.full.saturating_duration_since(now));
        Some(nanos(self.until, now).max(back).max(1))
    }

    fn hears(&mut self, reply: &Reply, now: Timestamp) {
        self.noted = now;
        self.remaining = reply.remaining;
        self.full = now.saturating_add(Duration::from_micros(reply.full));
    }

    fn forget(&mut self) {
        let Self { key, fetch, .. } = core::mem::take(self);
        *self = Self { key, fetch, ..Self::default() };
    }

    /// How much is taken in advance: what comes while a lease lasts, if it goes on like this; and at least
    /// what those want who have waited.
    fn extra(&self, limit: &FleetLimit, now: Timestamp) -> u32 {
        let passed = now.saturating_duration_since(self.since).as_nanos().max(1);
        let lease = limit.0.lease.min(LEASE_AGE).as_nanos();
        let habit = u128::from(self.asked).saturating_mul(lease).checked_div(passed).unwrap_or(0);
        let habit = u32::try_from(habit).unwrap_or(u32::MAX);
        // Some that come at once are not a habit yet: no more than twice as much as was asked for since the last call.
        let habit = habit.min(self.asked.saturating_mul(2)).min(limit.0.most_extra);
        // Who has not come back for so long does not come.
        let is_young = now < self.noted.saturating_add(LEASE_AGE);
        let wanted = if is_young { self.wanted } else { 0 };
        habit.max(wanted).saturating_sub(self.lease(now))
    }

    fn stands(&self, limit: &FleetLimit, retry_after: u64, now: Timestamp) -> Count {
        let burst = limit.0.rate.burst;
        let left = if self.full <= now { burst } else { self.remaining };
        let remaining = left.saturating_add(self.lease(now)).min(burst);
        let reset_after = if burst == 0 { NEVER } else { nanos(self.full, now) };
        Count { limit: burst, remaining, retry_after, reset_after }
    }
}

/// What a reply tells the claim that asked, beside what is leased by then.
fn told(limit: &FleetLimit, reply: &Reply, lease: u32, retry_after: u64) -> Count {
    let burst = limit.0.rate.burst;
    let full = time::nanos(Duration::from_micros(reply.full)).unwrap_or(u64::MAX);
    let reset_after = if burst == 0 { NEVER } else { full };
    let remaining = reply.remaining.saturating_add(lease).min(burst);
    Count { limit: burst, remaining, retry_after, reset_after }
}

/// I4.
pub(super) fn is_of_the_future(noted: Timestamp, now: Timestamp) -> bool {
    now.saturating_add(SKEW) < noted
}

fn nanos(until: Timestamp, now: Timestamp) -> u64 {
    time::nanos(until.saturating_duration_since(now)).unwrap_or(u64::MAX)
}
