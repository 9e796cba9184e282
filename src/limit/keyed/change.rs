//! Another seed, or another quota, while checks go on.
//!
//! Both begin an era, of which `era` knows which are in force, and `moves` what becomes of a bucket that it overtakes.

use super::{KeyedLimiter, era::View};
use crate::{
    error::ChangeError,
    quota::{Quota, ticks::Ticks},
    time::Timestamp,
};

impl KeyedLimiter {
    /// Moves all keys to other places, while checks go on and without forgiving anything.
    ///
    /// Who floods a store and watches a victim's denials can, with patience, find keys that share the
    /// victim's sets. After this they do not. A key moves with what it owes when it next comes;
    /// regulars stay established. Call it now and then, or when an attack is seen.
    ///
    /// # Errors
    /// [`ChangeError::TooSoon`] while keys are still moving from the change before the last: for the
    /// time of a burst and a minute after it.
    pub fn rotate_seed(&self, now: Timestamp) -> Result<(), ChangeError> {
        let quota = self.quota.lock();
        self.change(*quota, now)
    }

    /// Changes the quota for all keys, while checks go on.
    ///
    /// Debt is carried over in units: what a key had taken and not got back, it still owes, rounded
    /// up to the tick. A check during the change is judged wholly by one of both quotas, and no
    /// interval admits more than the larger of both bounds. (A key that finds no new place in a full
    /// store is judged by the old quota until it does.)
    ///
    /// # Errors
    /// [`ChangeError::OutOfRange`] when the new quota does not fit the ticks of the one that the limiter
    /// was built with: its interval must be at least 64 of those, and is rounded up to a whole number of them;
    /// its burst and room for debt at most some 2³⁴. And as
    /// [`rotate_seed`](Self::rotate_seed), which this does as well.
    pub fn set_quota(&self, quota: Quota, now: Timestamp) -> Result<(), ChangeError> {
        let mut present = self.quota.lock();
        self.change(quota, now)?;
        *present = quota;
        Ok(())
    }

    /// The quota in force.
    #[must_use]
    pub fn quota(&self) -> Quota {
        *self.quota.lock()
    }

    /// Whether [`set_quota`](Self::set_quota) would do it now, if nobody else does it first.
    pub(crate) fn can_become(&self, quota: Quota, now: Timestamp) -> bool {
        let _present = self.quota.lock();
        let reclaimed = self.advance(now).1;
        self.ticks_of(quota).is_some() && self.table.era.blocked(reclaimed).is_none()
    }

    /// Starts the next era; the caller holds the lock.
    fn change(&self, quota: Quota, now: Timestamp) -> Result<(), ChangeError> {
        let table = &self.table;
        let ticks = self.ticks_of(quota).ok_or(ChangeError::OutOfRange { quota })?;
        let (view, reclaimed) = self.advance(now);
        let present = table.ticks(&view);
        // By then all that was owed is paid, and regulars have had the time to come by.
        let paid = self.paid(present.lawful, reclaimed, now);
        let limit = if quota.is_zero() { 0 } else { quota.max_burst() };
        let seed = if table.is_seeded { following_seed(&view) } else { fresh_seed(&view) };
        table
            .era
            .change(seed, ticks.scale.interval, limit, paid, reclaimed)
            .map_err(|until| ChangeError::TooSoon { until: table.scale.first_of(until) })
    }

    /// The ticks of another quota, on the scale of the one that the limiter was built with.
    fn ticks_of(&self, quota: Quota) -> Option<Ticks> {
        Ticks::packed_on(self.table.scale, quota, self.table.room)
            .filter(|ticks| u32::try_from(ticks.scale.interval).is_ok())
    }

    /// The present era, and the reclaim clock by `now`; the caller holds the lock.
    fn advance(&self, now: Timestamp) -> (View, u64) {
        let table = &self.table;
        let view = table.era.view();
        let ticks = table.ticks(&view);
        let reclaimed = table.clock.advance(table.at(now), &table.sets, &ticks).reclaimed;
        // Who made the last change was ahead of this clock by the slack at most, and of the reclaim clock by a lag.
        let ahead = table.slack.saturating_add(table.clock.lag());
        let most = |lawful| self.paid(lawful, reclaimed, now).saturating_add(ahead);
        if view.paid > most(ticks.lawful) {
            let earlier = table.era.latest(&view).map(|view| table.ticks(&view).lawful);
            table.era.heal(&view, most(earlier.fold(ticks.lawful, u64::max)));
        }
        (view, reclaimed)
    }

    /// When all is paid that is owed now, at most so much.
    fn paid(&self, lawful: u64, reclaimed: u64, now: Timestamp) -> u64 {
        let table = &self.table;
        let paid = table.at(now).max(reclaimed).saturating_add(lawful);
        paid.saturating_add(table.clock.protection()).saturating_add(table.clock.lag())
    }
}

#[cfg(not(any(test, loom)))]
fn fresh_seed(_: &View) -> u64 {
    crate::limit::seeds::Seeds::of_chance().number()
}

/// Models and tests of probabilities must do the same in every run.
#[cfg(any(test, loom))]
fn fresh_seed(before: &View) -> u64 {
    following_seed(before)
}

fn following_seed(before: &View) -> u64 {
    before.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1)
}
