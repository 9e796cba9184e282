//! The contestants with a limit per client: limiters, and general maps with a limit in each value.
//!
//! Whoever takes a hasher gets ahash with a random seed, as ours has, unless its name says otherwise.

use std::{hash::BuildHasher, hint::black_box, net::IpAddr, sync::Arc};

use ahash::RandomState;
use governor::{
    RateLimiter,
    clock::{Clock, QuantaClock},
    middleware::NoOpMiddleware,
    state::keyed::DashMapStateStore,
};
use parking_lot::Mutex;
use portcullis::{Capacity, ExactLimiter, KeyedLimiter, Timestamp};

use crate::{
    clock::{self, CallerClock},
    limits::{Limit, Word},
};

/// A limit for each client.
pub(crate) trait Store: Sync + Sized + 'static {
    /// How many times the room that all clients need, so that none of them is forgotten.
    const ROOM: usize = 1;
    /// Whether clients are never taken for each other, and find room if there are as many as agreed.
    const EXACT: bool = true;

    /// Room for so many clients at a time, for those that want to know.
    fn new(limit: Limit, clients: usize) -> Self;

    /// Whether the client may pass.
    fn check(&self, client: IpAddr, nanos: u64) -> bool;
}

/// What stands for us in every table.
pub(crate) type Ours = Keyed;
pub(crate) const OURS: &str = "portcullis KeyedLimiter";

/// Made for as many clients as there are: eight of ten of its places are taken.
pub(crate) struct Keyed(KeyedLimiter);

impl Store for Keyed {
    const EXACT: bool = false;

    fn new(limit: Limit, clients: usize) -> Self {
        Self(KeyedLimiter::new(limit.ours(), Capacity::keys(clients)).unwrap())
    }

    #[inline]
    fn check(&self, client: IpAddr, nanos: u64) -> bool {
        black_box(&self.0).check(&client, Timestamp::from_nanos(nanos)).is_admitted()
    }
}

/// The store that keeps its keys.
pub(crate) struct Exact(ExactLimiter<IpAddr>);

impl Store for Exact {
    fn new(limit: Limit, clients: usize) -> Self {
        Self(ExactLimiter::new(limit.ours(), clients))
    }

    #[inline]
    fn check(&self, client: IpAddr, nanos: u64) -> bool {
        black_box(&self.0).check(&client, Timestamp::from_nanos(nanos)).is_admitted()
    }
}

/// governor; it grows as it must.
pub(crate) struct Governor<C: Clock, S: BuildHasher + Clone>(
    RateLimiter<IpAddr, DashMapStateStore<IpAddr, S>, C, NoOpMiddleware<C::Instant>>,
);

pub(crate) type GovernorCaller = Governor<CallerClock, std::hash::RandomState>;
pub(crate) type GovernorQuanta = Governor<QuantaClock, std::hash::RandomState>;
pub(crate) type GovernorFoldhash = Governor<CallerClock, foldhash::fast::RandomState>;

impl<C, S> Store for Governor<C, S>
where
    C: Clock + Default + Sync + Send + 'static,
    C::Instant: Sync + Send,
    S: BuildHasher + Default + Clone + Send + Sync + 'static,
{
    fn new(limit: Limit, _: usize) -> Self {
        let (clock, hasher) = (C::default(), S::default());
        Self(RateLimiter::dashmap_with_clock_and_hasher(limit.governor(), clock, hasher))
    }

    #[inline]
    fn check(&self, client: IpAddr, nanos: u64) -> bool {
        clock::set(nanos);
        black_box(&self.0).check_key(&client).is_ok()
    }
}

/// A count in a sketch for each second or day, with a clock of its own; it has no bursts, and knows
/// clients apart as well as its slots allow: here one for each in each of four rows.
pub(crate) struct PingoraLimits {
    rate: pingora_limits::rate::Rate,
    most: isize,
}

impl Store for PingoraLimits {
    const EXACT: bool = false;

    fn new(limit: Limit, clients: usize) -> Self {
        let (most, period) = limit.per_period();
        let rate = pingora_limits::rate::Rate::new_with_estimator_config(period, 4, clients);
        Self { rate, most: most as isize }
    }

    #[inline]
    fn check(&self, client: IpAddr, _: u64) -> bool {
        black_box(&self.rate).observe(&client, 1) <= self.most
    }
}

/// A cache of limits, bounded: who does not fit is forgotten.
pub(crate) struct QuickCache {
    cells: quick_cache::sync::Cache<IpAddr, Arc<Word>, quick_cache::UnitWeighter, RandomState>,
    limit: Limit,
}

impl Store for QuickCache {
    const ROOM: usize = 2;

    fn new(limit: Limit, clients: usize) -> Self {
        let (many, hasher) = (clients as u64, RandomState::default());
        let weighter = quick_cache::UnitWeighter;
        let cells =
            quick_cache::sync::Cache::with(clients, many, weighter, hasher, Default::default());
        Self { cells, limit }
    }

    #[inline]
    fn check(&self, client: IpAddr, nanos: u64) -> bool {
        let new = || Ok::<_, ()>(Arc::default());
        let cell = black_box(&self.cells).get_or_insert_with(&client, new);
        cell.is_ok_and(|cell| cell.check(self.limit, nanos))
    }
}

/// A cache of limits, bounded: who does not fit is forgotten.
pub(crate) struct Moka {
    cells: moka::sync::Cache<IpAddr, Arc<Word>, RandomState>,
    limit: Limit,
}

impl Store for Moka {
    const ROOM: usize = 2;

    fn new(limit: Limit, clients: usize) -> Self {
        let cells = moka::sync::Cache::builder()
            .max_capacity(clients as u64)
            .build_with_hasher(RandomState::default());
        Self { cells, limit }
    }

    #[inline]
    fn check(&self, client: IpAddr, nanos: u64) -> bool {
        black_box(&self.cells).get_with(client, Arc::default).check(self.limit, nanos)
    }
}

/// A concurrent map of limits; it grows as it must.
pub(crate) struct Papaya {
    cells: papaya::HashMap<IpAddr, Word, RandomState>,
    limit: Limit,
}

impl Store for Papaya {
    fn new(limit: Limit, clients: usize) -> Self {
        let hasher = RandomState::default();
        Self { cells: papaya::HashMap::with_capacity_and_hasher(clients, hasher), limit }
    }

    #[inline]
    fn check(&self, client: IpAddr, nanos: u64) -> bool {
        let cells = black_box(&self.cells).pin();
        let cell = cells.get(&client);
        let cell = cell.unwrap_or_else(|| cells.get_or_insert_with(client, Word::default));
        cell.check(self.limit, nanos)
    }
}

/// A concurrent map of limits; it grows as it must.
pub(crate) struct Scc {
    cells: scc::HashMap<IpAddr, Word, RandomState>,
    limit: Limit,
}

impl Store for Scc {
    fn new(limit: Limit, clients: usize) -> Self {
        let hasher = RandomState::default();
        Self { cells: scc::HashMap::with_capacity_and_hasher(clients, hasher), limit }
    }

    #[inline]
    fn check(&self, client: IpAddr, nanos: u64) -> bool {
        let cells = black_box(&self.cells);
        let judged = cells.read_sync(&client, |_, cell| cell.check(self.limit, nanos));
        judged
            .unwrap_or_else(|| cells.entry_sync(client).or_default().get().check(self.limit, nanos))
    }
}

/// What many services write themselves: maps behind locks, chosen by the hash; they grow as they must.
pub(crate) struct ShardedMutex {
    shards: Vec<Shard>,
    hasher: RandomState,
    limit: Limit,
}

/// On cache lines of its own.
#[repr(align(128))]
struct Shard(Mutex<hashbrown::HashTable<(IpAddr, u64)>>);

const SHARDS: usize = 64;

impl Store for ShardedMutex {
    fn new(limit: Limit, clients: usize) -> Self {
        let empty = |_| Shard(Mutex::new(hashbrown::HashTable::with_capacity(clients / SHARDS)));
        Self { shards: (0..SHARDS).map(empty).collect(), hasher: RandomState::default(), limit }
    }

    #[inline]
    fn check(&self, client: IpAddr, nanos: u64) -> bool {
        // One hash for both: its middle bits for the shard, which the table does not look at.
        let hash = self.hasher.hash_one(client);
        let shard = &black_box(&self.shards)[(hash >> 40) as usize % SHARDS];
        let mut cells = shard.0.lock();
        let rehash = |(client, _): &(IpAddr, u64)| self.hasher.hash_one(client);
        let mut entry =
            cells.entry(hash, |(other, _)| *other == client, rehash).or_insert_with(|| (client, 0));
        self.limit.take(&mut entry.get_mut().1, nanos)
    }
}

/// The memory itself: the client's number is the place of its word.
pub(crate) struct Array {
    words: Vec<Word>,
    limit: Limit,
}

impl Array {
    pub(crate) fn new(limit: Limit, clients: usize) -> Self {
        Self { words: (0..clients).map(|_| Word::default()).collect(), limit }
    }

    #[inline]
    pub(crate) fn check(&self, client: u32, nanos: u64) -> bool {
        black_box(&self.words)[client as usize].check(self.limit, nanos)
    }
}
