//! A bucket per key, exactly: what the store over hostile keys must never be more generous than.

use std::collections::HashMap;

use super::Answer;
use crate::{
    quota::{
        Quota,
        ticks::{Step, Ticks},
    },
    time::Timestamp,
    verdict::{Asked, Decision},
};

/// A map of buckets on the ticks of [`KeyedLimiter`](crate::KeyedLimiter), with times in 128 bits and
/// without any bound on the keys. For clocks that do not step back.
#[derive(Clone, Debug)]
pub struct Keyed {
    quota: Quota,
    debt: u32,
    ticks: Ticks,
    full_at: HashMap<u64, i128>,
}

impl Keyed {
    /// Full buckets for everybody; `None` for a quota that the store refuses.
    #[must_use]
    pub fn new(quota: Quota, debt: u32) -> Option<Self> {
        let ticks = Ticks::packed(quota, debt)?;
        Some(Self { quota, debt, ticks, full_at: HashMap::new() })
    }

    /// As [`KeyedLimiter::check_n`](crate::KeyedLimiter::check_n).
    pub fn check_n(&mut self, key: u64, n: u32, now: Timestamp) -> Answer {
        let step = self.ticks.step(self.owed(key, now), self.ticks.scale.cost(n));
        // Nothing is written for nothing, which a clock that lags would take for a debt.
        match step {
            Step::Admitted { debt } if n > 0 => self.set(key, debt, now),
            _ => {}
        }
        self.answer(step, n, now)
    }

    /// As [`KeyedLimiter::peek_n`](crate::KeyedLimiter::peek_n).
    #[must_use]
    pub fn peek_n(&self, key: u64, n: u32, now: Timestamp) -> Answer {
        let owed = self.owed(key, now);
        let step = match self.ticks.step(owed, self.ticks.scale.cost(n)) {
            Step::Admitted { .. } => Step::Admitted { debt: self.ticks.owed(owed) },
            step => step,
        };
        self.answer(step, n, now)
    }

    /// As [`KeyedLimiter::charge_n`](crate::KeyedLimiter::charge_n).
    pub fn charge_n(&mut self, key: u64, n: u32, now: Timestamp) {
        if self.ticks.burst > 0 && n > 0 {
            let debt = self.ticks.charge(self.owed(key, now), self.ticks.scale.cost(n));
            self.set(key, debt, now);
        }
    }

    /// As [`KeyedLimiter::refund_n`](crate::KeyedLimiter::refund_n), which leaves a tick.
    pub fn refund_n(&mut self, key: u64, n: u32, now: Timestamp) {
        let owed = self.ticks.owed(self.owed(key, now));
        let debt = owed.saturating_sub(self.ticks.scale.cost(n)).max(1);
        if n > 0 && debt < owed {
            self.set(key, debt, now);
        }
    }

    /// As [`KeyedLimiter::forgive`](crate::KeyedLimiter::forgive), which leaves a tick.
    pub fn forgive(&mut self, key: u64, now: Timestamp) {
        if self.owed(key, now) > 1 {
            self.set(key, 1, now);
        }
    }

    /// As [`KeyedLimiter::set_quota`](crate::KeyedLimiter::set_quota): debts stay as many units, rounded
    /// up; what the new quota calls unlawful becomes an empty bucket. `false` where the store refuses.
    pub fn set_quota(&mut self, quota: Quota, now: Timestamp) -> bool {
        let Some(ticks) = Ticks::packed_on(self.ticks.scale, quota, self.debt) else {
            return false;
        };
        let at = self.at(now);
        for full_at in self.full_at.values_mut() {
            let owed = (*full_at - at).max(0);
            let (before, after) = (self.ticks.scale.interval, ticks.scale.interval);
            let owed = if before == 0 || before == after {
                owed
            } else {
                (owed * i128::from(after) + i128::from(before) - 1) / i128::from(before)
            };
            let owed = i64::try_from(owed).expect("at most what was lawful, times 2^32");
            *full_at = at + i128::from(ticks.owed(owed));
        }
        (self.quota, self.ticks) = (quota, ticks);
        true
    }

    fn at(&self, now: Timestamp) -> i128 {
        i128::from(self.ticks.scale.tick(now))
    }

    fn owed(&self, key: u64, now: Timestamp) -> i64 {
        let full_at = self.full_at.get(&key).copied().unwrap_or(0);
        i64::try_from((full_at - self.at(now)).max(0)).expect("at most what is lawful")
    }

    fn set(&mut self, key: u64, debt: u64, now: Timestamp) {
        let at = self.at(now);
        self.full_at.insert(key, at + i128::from(debt));
    }

    fn answer(&self, step: Step, units: u32, now: Timestamp) -> Answer {
        let limit = self.quota.max_burst();
        let asked = Asked { scale: self.ticks.scale, limit, units, now };
        Answer::from(match step {
            Step::Admitted { debt } => Decision::admitted(asked, debt),
            Step::Denied { debt } | Step::Healed { debt } => Decision::denied(asked, debt),
        })
    }
}
