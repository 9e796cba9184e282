//! What a limit knows: the buckets of its keys, or their places in flight. It outlives the description that it was made for.
//!
//! # Invariants
//! - **I1** a limit whose [`Definition`] is the same goes on with its buckets, whatever else is said of it;
//! - **I2** another quota of an otherwise equal limit carries debts over, where the store can hold it; else,
//!   and when the quota was changed just before, the limit starts anew;
//! - **I3** another number of an otherwise equal limit of requests in flight is in force at once, and what
//!   is in flight stays so;
//! - **I4** all memory is allocated when the limit is made.

use alloc::boxed::Box;

use ahash::RandomState;

use super::{count::response_field, key::Key};
use crate::{
    error::KeyedLimiterError,
    gate::plan::{Bound, Cost, LimitPlan, Scope, Then},
    limit::{
        AdjustableBucket, Capacity, KeyedLimiter, Limit, OnKey, permits::Places, seeds::Seeds,
    },
    quota::Quota,
    request::ClientGroup,
    rule::{Builtin, Expr, Name, Term},
    time::Timestamp,
    verdict::Decision,
};

/// What a limit is, as far as its counts mean something else once it changes.
///
/// The bound is not a part of it: debts are carried over into another quota, and places stay taken. Nor is how far the limit goes, for
/// whom, what becomes of requests without a key, and what follows a denial; but for a ban that rests on responses, which have to
/// be counted for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    name: Name,
    when: Option<Expr>,
    by: Box<[Term]>,
    count_if: Option<Expr>,
    cost: Cost,
    distinct: Option<Term>,
    /// What a client is, if that is a part of the key.
    group: Option<ClientGroup>,
    /// How many keys it remembers.
    keys: usize,
    /// Whether it counts by networks what it has no place for.
    with_networks: bool,
    /// How long a value is not counted again, if only distinct ones are.
    period: Option<u64>,
    /// Whether it is of requests in flight.
    in_flight: bool,
    /// Whether its buckets only stand in for those of a fleet.
    of_fleet: bool,
    /// Whether it bans for what responses have counted, and not for what is in flight.
    bans_by_responses: bool,
}

/// The buckets or places of one limit.
#[derive(Debug)]
pub(super) struct State {
    definition: Definition,
    store: Store,
    /// Keys, with a value each that they were counted for: one unit in a period.
    pairs: Option<KeyedLimiter>,
    /// The same quota again, of which only those responses take that have counted, if bans rest on them.
    counted: Option<Counts>,
    /// Tells its keys from those of other limits.
    scope: u64,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each limit, behind an Arc")]
enum Store {
    /// Everything in one bucket.
    One(AdjustableBucket),
    Each {
        own: KeyedLimiter,
        /// Clients without a place, by their networks.
        networks: Option<KeyedLimiter>,
    },
    /// No buckets: places in flight.
    Places(Places),
}

/// What responses have counted, under the keys of the limit.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each limit, behind an Arc")]
enum Counts {
    One(AdjustableBucket),
    Each(KeyedLimiter),
}

/// One bucket of a limit.
#[derive(Clone, Copy)]
pub(super) enum Bucket<'a> {
    Key(OnKey<'a>),
    One(&'a AdjustableBucket),
}

/// Newcomers of one network are one client, so fewer networks than clients are to be expected.
const CLIENTS_PER_NETWORK: usize = 8;
/// How many values each key has room for, where all keys owe something.
const VALUES_PER_KEY: usize = 4;

impl Definition {
    /// `with_networks` is about limits of clients only.
    pub(super) fn of(
        plan: &LimitPlan,
        key: &Key,
        group: ClientGroup,
        keys: usize,
        with_networks: bool,
    ) -> Self {
        let quota = match plan.bound {
            Bound::Quota(quota) => Some(quota),
            Bound::InFlight(_) => None,
        };
        let period = quota.filter(|_| plan.distinct.is_some()).map(|quota| quota.period_nanos());
        Self {
            name: Name::clone(&plan.name),
            when: plan.when.clone(),
            by: plan.by.clone().into(),
            count_if: plan.count_if.clone(),
            cost: plan.cost.clone(),
            distinct: plan.distinct.clone(),
            group: key.is_by_client().then_some(group),
            // Without a key there is nothing to remember them in, but for distinct values.
            keys: if plan.by.is_empty() && plan.distinct.is_none() { 0 } else { keys },
            with_networks: with_networks && key.is_by_client() && quota.is_some(),
            period,
            in_flight: quota.is_none(),
            of_fleet: matches!(plan.scope, Scope::Fleet(_)),
            bans_by_responses: plan.count_if.is_some() && matches!(plan.then, Then::Ban(_)),
        }
    }
}

impl Cost {
    /// The field that tells what a response costs, if one does.
    pub(super) fn of_response(&self) -> Option<Builtin> {
        match self {
            Self::Units(_) => None,
            Self::Request(term) | Self::Response(term) => response_field(&term.0),
        }
    }

    /// What a response costs is known when it has passed, so it may owe as much as it could take.
    pub(super) fn room_for_debt(&self, quota: Quota) -> u32 {
        if self.of_response().is_some() { quota.max_burst() } else { 0 }
    }
}

impl State {
    /// # Errors
    /// When the quota is beyond what can be kept for each key, or the memory cannot be had.
    pub(super) fn new(
        definition: Definition,
        bound: Bound,
        seeds: &mut Seeds,
    ) -> Result<Self, KeyedLimiterError> {
        let scope = seeds.number();
        let quota = match bound {
            Bound::Quota(quota) => quota,
            Bound::InFlight(limit) => {
                let places = if definition.by.is_empty() {
                    Some(Places::all(limit))
                } else {
                    Places::each(limit, definition.keys, seeds.hasher())
                };
                let places = places.ok_or(KeyedLimiterError::NoMemory {
                    bytes: definition.keys.saturating_mul(60),
                })?;
                let store = Store::Places(places);
                return Ok(Self { definition, store, pairs: None, counted: None, scope });
            }
        };
        let debt = definition.cost.room_for_debt(quota);
        let mut limiter = |keys| KeyedLimiter::seeded(quota, debt, Capacity::keys(keys), seeds);
        let store = if definition.by.is_empty() {
            Store::One(AdjustableBucket::with_debt(quota, debt))
        } else {
            let networks = (definition.keys / CLIENTS_PER_NETWORK).max(1);
            Store::Each {
                own: limiter(definition.keys)?,
                networks: definition.with_networks.then(|| limiter(networks)).transpose()?,
            }
        };
        let counted = match (definition.bans_by_responses, definition.by.is_empty()) {
            (false, _) => None,
            (true, true) => Some(Counts::One(AdjustableBucket::new(quota))),
            (true, false) => {
                let capacity = Capacity::keys(definition.keys);
                Some(Counts::Each(KeyedLimiter::seeded(quota, 0, capacity, seeds)?))
            }
        };
        let pairs = definition.period.map(|period| {
            let once = Quota::new(1, core::time::Duration::from_nanos(period.max(1)));
            let once = once.unwrap_or(Quota::per_second(1));
            let pairs = definition.keys.saturating_mul(VALUES_PER_KEY);
            KeyedLimiter::seeded(once, 0, Capacity::keys(pairs), seeds)
        });
        Ok(Self { definition, store, pairs: pairs.transpose()?, counted, scope })
    }

    /// Whether it can be what is wanted, from `now` on (I1, I2).
    pub(super) fn can_become(&self, definition: &Definition, bound: Bound, now: Timestamp) -> bool {
        self.definition == *definition
            && match (&self.store, bound) {
                (Store::One(_), Bound::Quota(_)) | (Store::Places(_), Bound::InFlight(_)) => true,
                (Store::One(_) | Store::Each { .. }, Bound::InFlight(_))
                | (Store::Places(_), Bound::Quota(_)) => false,
                (Store::Each { own, networks }, Bound::Quota(quota)) => {
                    let fits = |store: &KeyedLimiter| {
                        store.quota() == quota || store.can_become(quota, now)
                    };
                    let counted = match &self.counted {
                        Some(Counts::Each(counted)) => Some(counted),
                        Some(Counts::One(_)) | None => None,
                    };
                    fits(own) && networks.as_ref().is_none_or(fits) && counted.is_none_or(fits)
                }
            }
    }

    /// Puts the bound in force that it [can have](Self::can_become).
    pub(super) fn set_bound(&self, bound: Bound, now: Timestamp) {
        match (&self.counted, bound) {
            (Some(Counts::One(bucket)), Bound::Quota(quota)) if bucket.quota() != quota => {
                bucket.set_quota(quota, now);
            }
            (Some(Counts::Each(store)), Bound::Quota(quota)) if store.quota() != quota => {
                let _ = store.set_quota(quota, now);
            }
            _ => {}
        }
        match (&self.store, bound) {
            (Store::Places(places), Bound::InFlight(limit)) => {
                if places.limit() != limit {
                    places.set_limit(limit);
                }
            }
            (Store::One(bucket), Bound::Quota(quota)) => {
                if bucket.quota() != quota {
                    bucket.set_quota(quota, now);
                }
            }
            (Store::Places(_), Bound::Quota(_)) | (_, Bound::InFlight(_)) => {}
            (Store::Each { own, networks }, Bound::Quota(quota)) => {
                for store in networks.iter().chain([own]).filter(|store| store.quota() != quota) {
                    // Whoever asked before has seen that it can be done.
                    let _ = store.set_quota(quota, now);
                }
            }
        }
    }

    /// What its keys are hashed with; `None` if it has no keys.
    #[inline]
    pub(super) fn hasher(&self) -> Option<&RandomState> {
        match &self.store {
            Store::One(_) => None,
            Store::Each { own, .. } => Some(own.hasher()),
            Store::Places(places) => places.hasher(),
        }
    }

    /// Its places, if it is of requests in flight.
    #[inline]
    pub(super) fn places(&self) -> Option<&Places> {
        match &self.store {
            Store::Places(places) => Some(places),
            Store::One(_) | Store::Each { .. } => None,
        }
    }

    /// The buckets of its keys, if it has such.
    #[inline]
    pub(super) fn own(&self) -> Option<&KeyedLimiter> {
        match &self.store {
            Store::One(_) | Store::Places(_) => None,
            Store::Each { own, .. } => Some(own),
        }
    }

    pub(super) fn networks(&self) -> Option<&KeyedLimiter> {
        match &self.store {
            Store::One(_) | Store::Places(_) => None,
            Store::Each { networks, .. } => networks.as_ref(),
        }
    }

    /// Whose hashes values are, if only distinct ones count.
    pub(super) fn pairs(&self) -> Option<&KeyedLimiter> {
        self.pairs.as_ref()
    }

    /// The bucket of a key with a value: it has one unit, which is there unless the value was counted.
    pub(super) fn pair(&self, hash: u64, value: u32) -> Option<OnKey<'_>> {
        // An odd factor tells all values apart; and both are hashes that nobody can foresee.
        let spread = u64::from(value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.pairs.as_ref().map(|pairs| pairs.on_hash(hash ^ spread))
    }

    /// The bucket of what responses have counted for a key, if bans rest on that.
    pub(super) fn counted(&self, hash: u64) -> Option<Bucket<'_>> {
        self.counted.as_ref().map(|counted| match counted {
            Counts::One(bucket) => Bucket::One(bucket),
            Counts::Each(store) => Bucket::Key(store.on_hash(hash)),
        })
    }

    /// How often a key found no place for what responses have counted.
    pub(super) fn times_uncounted(&self) -> u64 {
        match &self.counted {
            Some(Counts::Each(store)) => store.times_unseated(),
            Some(Counts::One(_)) | None => 0,
        }
    }

    pub(super) fn scope(&self) -> u64 {
        self.scope
    }

    /// The bucket of a key, or of a network that has no key; `None` if it has no buckets.
    #[inline]
    pub(super) fn bucket(&self, hash: u64, of_network: bool) -> Option<Bucket<'_>> {
        match &self.store {
            Store::Places(_) => None,
            Store::One(bucket) => Some(Bucket::One(bucket)),
            Store::Each { own, .. } if !of_network => Some(Bucket::Key(own.on_hash(hash))),
            Store::Each { networks, .. } => {
                networks.as_ref().map(|store| Bucket::Key(store.on_hash(hash)))
            }
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let stores = self.own().into_iter().chain(self.networks()).chain(self.pairs());
        let places = self.places().map_or(0, Places::memory_bytes);
        let counted = match &self.counted {
            Some(Counts::Each(store)) => store.memory_bytes(),
            Some(Counts::One(_)) | None => 0,
        };
        let own = size_of::<Self>().saturating_add(places).saturating_add(counted);
        stores.fold(own, |sum, store| sum.saturating_add(store.memory_bytes()))
    }
}

impl Bucket<'_> {
    /// What a check would say, only to know it: a key without a place is not counted as such.
    #[inline]
    pub(super) fn look_n(&self, n: u32, now: Timestamp) -> Decision {
        match self {
            Self::Key(key) => key.look_n(n, now),
            Self::One(bucket) => bucket.peek_n(n, now),
        }
    }

    /// Takes units whether they are there or not, as far as there is room for debt.
    pub(super) fn charge_n(&self, n: u32, now: Timestamp) {
        match self {
            Self::Key(key) => key.charge_n(n, now),
            Self::One(bucket) => bucket.charge_n(n, now),
        }
    }
}

impl Limit for Bucket<'_> {
    #[inline]
    fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        match self {
            Self::Key(key) => key.peek_n(n, now),
            Self::One(bucket) => bucket.peek_n(n, now),
        }
    }

    #[inline]
    fn check_n(&self, n: u32, now: Timestamp) -> Decision {
        match self {
            Self::Key(key) => key.check_n(n, now),
            Self::One(bucket) => bucket.check_n(n, now),
        }
    }

    fn refund_n(&self, n: u32, now: Timestamp) {
        match self {
            Self::Key(key) => key.refund_n(n, now),
            Self::One(bucket) => bucket.refund_n(n, now),
        }
    }
}
