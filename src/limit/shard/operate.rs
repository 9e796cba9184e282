//! What operators do to a shard: debts beyond what is there, pardons, quotas, and looking at it all.

use super::{Shard, longest_debt};
use crate::{
    limit::rates::{Plan, Rates, Take, TooManyQuotas},
    quota::Quota,
    time::Timestamp,
    verdict::Decision,
};

impl<K> Shard<K> {
    /// Takes `units` from a seated key's buckets, whether they are there or not.
    pub(crate) fn owe(&mut self, seat: u32, rates: &Rates, units: u32, now: Timestamp) {
        let mut lowered = false;
        for (at, rate) in self.rates_of(seat, rates).iter().enumerate() {
            let Some(full_at) = self.full_at_mut(seat, at, rates) else { continue };
            let cost = rate.ticks.scale.cost(units);
            if cost == 0 {
                continue;
            }
            let due = rate.due(rate.ticks.charge(rate.debt(*full_at, now), cost), now);
            // Less than before is possible where a clock set back is healed.
            lowered |= due < *full_at;
            *full_at = due;
        }
        if lowered {
            self.bring_forward(seat, rates);
        }
    }

    /// Frees a seat, whatever is owed, and with it the key's own quota; the key comes back.
    ///
    /// The last seat takes its number.
    pub(crate) fn forget(&mut self, seat: u32, rates: &mut Rates) -> Option<K> {
        let plan = self.plan(seat);
        // There is always room for the common one.
        let _ = rates.change(plan, None);
        self.pinned = self.pinned.saturating_sub(u32::from(plan.is_own()));
        let last = u32::try_from(self.seats.len()).unwrap_or(u32::MAX).checked_sub(1)?;
        let hash = self.seats.get(seat as usize)?.hash;
        self.index.remove(hash, seat);
        self.agenda.remove(seat);
        if seat != last {
            let hash = self.seats.get(last as usize)?.hash;
            self.index.remove(hash, last);
            self.index.insert(hash, seat);
            // It may pass from the seats to be swept to those that were.
            if !self.plan(last).is_own() {
                let time = self.agenda.time(seat).unwrap_or(0);
                self.swept_horizon = self.swept_horizon.max(time);
            }
            for at in 1..rates.common().len() {
                let full_at = self.full_at(last, at, rates);
                if let Some(moved) = self.full_at_mut(seat, at, rates) {
                    *moved = full_at;
                }
            }
        }
        let further = rates.common().len().saturating_sub(1);
        self.more_full_at.truncate((last as usize).saturating_mul(further));
        self.swept = self.swept.min(last);
        Some(self.seats.swap_remove(seat as usize).key)
    }

    /// Gives a seated key a quota of its own, or takes that away; the former one comes back.
    pub(crate) fn set_own(
        &mut self,
        seat: u32,
        rates: &mut Rates,
        quota: Option<Quota>,
        now: Timestamp,
    ) -> Result<Option<Quota>, TooManyQuotas> {
        let former = self.plan(seat);
        let from = rates.first(former);
        let plan = rates.change(former, quota)?;
        let to = rates.first(plan);
        if let Some(seat) = self.seats.get_mut(seat as usize) {
            seat.plan = plan;
            if from.ticks != to.ticks {
                seat.full_at = from.carry(seat.full_at, &to, now);
            }
        }
        self.pinned = self
            .pinned
            .saturating_sub(u32::from(former.is_own()))
            .saturating_add(u32::from(plan.is_own()));
        self.note_seat(seat, rates);
        Ok(former.is_own().then_some(from.quota))
    }

    /// A seated key's own quota.
    pub(crate) fn own(&self, seat: u32, rates: &Rates) -> Option<Quota> {
        let plan = self.plan(seat);
        plan.is_own().then(|| rates.first(plan).quota)
    }

    /// Changes the common quota, of a shard that has one, and carries all debts over.
    pub(crate) fn set_common(&mut self, rates: &mut Rates, quota: Quota, now: Timestamp) {
        let from = rates.replace_common(quota);
        let to = rates.first(Plan::COMMON);
        if from.ticks == to.ticks {
            return;
        }
        self.longest_debt = longest_debt(rates.common());
        (self.horizon, self.swept, self.swept_horizon) = (0, 0, 0);
        for seat in 0..u32::try_from(self.seats.len()).unwrap_or(u32::MAX) {
            if self.plan(seat).is_own() {
                continue;
            }
            if let Some(full_at) = self.full_at_mut(seat, 0, rates) {
                *full_at = from.carry(*full_at, &to, now);
            }
            self.note_seat(seat, rates);
        }
    }

    /// Every key with what a check of one unit would be answered.
    pub(crate) fn standings(
        &self,
        rates: &Rates,
        now: Timestamp,
    ) -> impl Iterator<Item = (&K, Decision)> {
        (0_u32..).zip(&self.seats).map(move |(number, seat)| {
            (&seat.key, self.judged(number, rates, 1, now, Take::Nothing))
        })
    }
}
