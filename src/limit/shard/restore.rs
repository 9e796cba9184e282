//! What a shard knows, taken out and put back in; of a shard with one quota.

use super::{Newcomer, Shard};
use crate::{
    limit::rates::{Rate, Rates, TooManyQuotas},
    time::Timestamp,
};

impl<K> Shard<K> {
    /// Every key with its rate, whether that is its own, and its debt in ticks, healed.
    pub(crate) fn debts(
        &self,
        rates: &Rates,
        now: Timestamp,
    ) -> impl Iterator<Item = (&K, Rate, bool, u64)> {
        self.seats.iter().map(move |seat| {
            let rate = rates.first(seat.plan);
            let debt = rate.debt(seat.full_at, now);
            // Under a quota of zero a debt is kept as a time, and nothing is unlawful.
            let owed = if rate.quota.is_zero() {
                debt.max(0).unsigned_abs()
            } else {
                rate.ticks.owed(debt)
            };
            (&seat.key, rate, seat.plan.is_own(), owed)
        })
    }

    /// How long after `now` a key without a seat starts, by whatever clock (I4).
    pub(crate) fn start_ahead(&self, now: Timestamp) -> u64 {
        self.start(now).as_nanos().saturating_sub(now.as_nanos())
    }

    /// Keys without a seat start here, or later (I4).
    pub(crate) fn start_at(&mut self, start: Timestamp) {
        self.reclaimed_to = self.reclaimed_to.max(start);
    }

    /// Puts a key back that has no seat, owing `debt` ticks of `rate` at `now`.
    pub(crate) fn put_back(
        &mut self,
        newcomer: Newcomer<K>,
        rates: &mut Rates,
        (rate, is_own, debt): (Rate, bool, u64),
        now: Timestamp,
    ) -> Result<(), TooManyQuotas> {
        let (seat, _) = self.seat(newcomer, None, rates, now);
        if is_own {
            self.set_own(seat, rates, Some(rate.quota), now)?;
        }
        let to = rates.first(self.plan(seat));
        if let Some(full_at) = self.full_at_mut(seat, 0, rates) {
            let owed = rate.due(debt, now);
            *full_at = if rate.ticks == to.ticks { owed } else { rate.carry(owed, &to, now) };
        }
        self.note_seat(seat, rates);
        Ok(())
    }
}
