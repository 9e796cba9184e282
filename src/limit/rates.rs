//! What a shard charges by: the quotas of all keys, those that single keys have, and their arithmetic.
//!
//! A key with a quota of its own refers to an entry of a small table, so that a thousand tenants on
//! three plans take three entries. The table has all of its memory from the start.
//!
//! Invariants: **I1** an entry that a seat refers to is not replaced; **I2** carrying a debt over to
//! another quota never lowers the number of units that are owed, except to the most that the other
//! quota can owe.

use alloc::{boxed::Box, vec::Vec};
use core::slice;

use crate::{
    quota::{
        Quota,
        ticks::{Step, Ticks},
    },
    time::Timestamp,
    verdict::{Asked, Decision},
};

/// One quota and its ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) quota: Quota,
    pub(crate) ticks: Ticks,
}

impl Rate {
    pub(crate) fn of(quota: Quota) -> Self {
        Self::with_debt(quota, 0)
    }

    /// With room for up to `debt` units more than a bucket holds.
    pub(crate) fn with_debt(quota: Quota, debt: u32) -> Self {
        Self { quota, ticks: Ticks::within(quota, debt, 0) }
    }

    #[inline]
    pub(crate) fn asked(&self, units: u32, now: Timestamp) -> Asked {
        Asked { scale: self.ticks.scale, limit: self.quota.max_burst(), units, now }
    }

    #[inline]
    pub(crate) fn decision(&self, step: Step, units: u32, now: Timestamp) -> Decision {
        let asked = self.asked(units, now);
        match step {
            Step::Admitted { debt } => Decision::admitted(asked, debt),
            Step::Denied { debt } | Step::Healed { debt } => Decision::denied(asked, debt),
        }
    }

    /// The debt at `now` of a bucket that is full at this tick, cut to 64 bits.
    #[inline]
    pub(crate) fn debt(&self, full_at: u128, now: Timestamp) -> i64 {
        match full_at.checked_sub(self.ticks.scale.absolute(now)) {
            Some(ahead) => i64::try_from(ahead).unwrap_or(i64::MAX),
            None => -1,
        }
    }

    /// The tick at which a bucket is full that owes `debt` at `now`.
    #[inline]
    pub(crate) fn due(&self, debt: u64, now: Timestamp) -> u128 {
        self.ticks.scale.absolute(now).saturating_add(u128::from(debt))
    }

    /// The same tick by another rate's scale, as the same time: for what is paid off.
    pub(crate) fn at_same_time(&self, full_at: u128, to: &Self) -> u128 {
        to.ticks.scale.absolute(Timestamp::from_nanos(self.ticks.scale.time_of(full_at)))
    }

    /// The tick at which a bucket is full after its quota changed to that of `to` at `now`.
    ///
    /// The units owed stay owed, at most as many as the new quota can owe; what is full stays full.
    /// Under a quota of zero a debt keeps its time, and if it still stands when the zero ends, the
    /// bucket is empty: in what units it would be counted nobody knows by then.
    pub(crate) fn carry(&self, full_at: u128, to: &Self, now: Timestamp) -> u128 {
        let debt = self.debt(full_at, now);
        if debt <= 0 || to.quota.is_zero() {
            return self.at_same_time(full_at, to);
        }
        to.due(self.convert(debt.unsigned_abs(), to), now)
    }

    /// A debt in this rate's ticks, in those of `to`; both have some, or nothing is owed.
    pub(crate) fn convert(&self, debt: u64, to: &Self) -> u64 {
        if debt == 0 {
            return 0;
        }
        if self.quota.is_zero() {
            return to.ticks.burst;
        }
        let owed = self.ticks.owed(i64::try_from(debt).unwrap_or(i64::MAX));
        let (from, into) = (self.ticks.scale.interval, to.ticks.scale.interval);
        // Cannot saturate: all are below 2^64. Rounded up, to the strict side.
        let units = u128::from(owed).saturating_mul(u128::from(into));
        let carried = units.div_ceil(u128::from(from.max(1)));
        u64::try_from(carried).unwrap_or(u64::MAX).min(to.ticks.most)
    }
}

/// The quotas of a shard.
#[derive(Debug)]
pub(crate) struct Rates {
    /// Those of every key without a quota of its own.
    common: Box<[Rate]>,
    /// Whether that is one quota, the one from the beginning.
    original: bool,
    own: Vec<Own>,
    /// How many different quotas fit into `own`.
    distinct: usize,
    /// The room for debt of a quota to come, in units.
    most_debt: u32,
}

/// A quota that some keys have.
#[derive(Clone, Copy, Debug)]
struct Own {
    rate: Rate,
    /// How many keys.
    keys: u32,
}

/// Which of the rates a key is charged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan(u32);

impl Plan {
    pub(crate) const COMMON: Self = Self(0);

    #[inline]
    pub(crate) fn is_own(self) -> bool {
        self != Self::COMMON
    }

    #[inline]
    fn index(self) -> Option<usize> {
        self.0.checked_sub(1).map(|at| at as usize)
    }

    fn nth(at: usize) -> Self {
        // No more than `distinct`, which is no more than the seats of a shard, a u32.
        Self(u32::try_from(at.saturating_add(1)).unwrap_or(u32::MAX))
    }
}

/// There is no room for another quota.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooManyQuotas {
    pub(crate) most: usize,
}

impl Rates {
    pub(crate) fn new(common: Box<[Rate]>, distinct: usize, most_debt: u32) -> Self {
        let original = common.len() == 1;
        Self { common, original, own: Vec::with_capacity(distinct), distinct, most_debt }
    }

    #[inline]
    pub(crate) fn common(&self) -> &[Rate] {
        &self.common
    }

    /// The rates that a seat on this plan is charged by: all of the common ones, or its own.
    #[inline]
    pub(crate) fn of(&self, plan: Plan) -> &[Rate] {
        match plan.index() {
            None => &self.common,
            Some(at) => self.own.get(at).map_or(&*self.common, |own| slice::from_ref(&own.rate)),
        }
    }

    /// Whether this plan is one quota, the one that all keys had in the beginning.
    #[inline]
    pub(crate) fn is_original(&self, plan: Plan) -> bool {
        self.original && plan == Plan::COMMON
    }

    /// The first of the rates of this plan.
    #[inline]
    pub(crate) fn first(&self, plan: Plan) -> Rate {
        self.of(plan).first().copied().unwrap_or(Rate::of(Quota::per_second(0)))
    }

    /// Replaces the one common quota; the former rate comes back.
    pub(crate) fn replace_common(&mut self, quota: Quota) -> Rate {
        let former = self.first(Plan::COMMON);
        if let [common] = &mut *self.common {
            *common = Rate::with_debt(quota, self.most_debt);
            self.original = false;
        }
        former
    }

    /// Moves one key from a plan to that of a quota of its own, or to the common one.
    ///
    /// Entries are found by looking at all of them: it is done by operators, not by traffic.
    pub(crate) fn change(&mut self, from: Plan, to: Option<Quota>) -> Result<Plan, TooManyQuotas> {
        let plan = match to {
            None => Plan::COMMON,
            Some(quota) => self.entry(from, quota)?,
        };
        if plan != from {
            self.count(from, |keys| keys.saturating_sub(1));
            self.count(plan, |keys| keys.saturating_add(1));
        }
        Ok(plan)
    }

    /// The entry of a quota, which may be the one of `from` if nobody else has that.
    fn entry(&mut self, from: Plan, quota: Quota) -> Result<Plan, TooManyQuotas> {
        if let Some(at) = self.own.iter().position(|own| own.rate.quota == quota) {
            return Ok(Plan::nth(at));
        }
        let rate = Rate::with_debt(quota, self.most_debt);
        let only = from.index();
        let nobodys =
            |(at, own): (usize, &Own)| own.keys == 0 || (own.keys == 1 && Some(at) == only);
        if let Some(at) = self.own.iter().enumerate().position(nobodys) {
            if let Some(own) = self.own.get_mut(at) {
                own.rate = rate;
            }
            return Ok(Plan::nth(at));
        }
        if self.own.len() >= self.distinct {
            return Err(TooManyQuotas { most: self.distinct });
        }
        self.own.push(Own { rate, keys: 0 });
        Ok(Plan::nth(self.own.len().saturating_sub(1)))
    }

    fn count(&mut self, plan: Plan, counted: impl Fn(u32) -> u32) {
        if let Some(own) = plan.index().and_then(|at| self.own.get_mut(at)) {
            own.keys = counted(own.keys);
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let own = self.own.capacity().saturating_mul(size_of::<Own>());
        own.saturating_add(size_of_val(&*self.common))
    }
}

/// Whether the standing of an admission counts the units as taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    Units,
    Nothing,
}

/// The strictest outcome over all rates, given each one's debt.
#[inline]
pub(crate) fn judge(
    rates: &[Rate],
    units: u32,
    now: Timestamp,
    take: Take,
    debt: impl Fn(usize, &Rate) -> i64,
) -> Decision {
    let mut strictest: Option<Decision> = None;
    for (at, rate) in rates.iter().enumerate() {
        let debt = debt(at, rate);
        let step = match rate.ticks.step(debt, rate.ticks.scale.cost(units)) {
            Step::Admitted { .. } if take == Take::Nothing => {
                Step::Admitted { debt: rate.ticks.owed(debt) }
            }
            step => step,
        };
        let decision = rate.decision(step, units, now);
        if strictest.is_none_or(|so_far| decision.is_stricter_than(&so_far)) {
            strictest = Some(decision);
        }
    }
    strictest.unwrap_or_else(|| unlimited(now))
}

/// No quota, no limit: nothing was asked of anyone.
fn unlimited(now: Timestamp) -> Decision {
    let any = Rate::of(Quota::per_second(1));
    any.decision(Step::Admitted { debt: 0 }, 0, now)
}
