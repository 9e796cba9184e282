//! A limit per client over hostile keys: fixed memory, no lock, and no way round it.
//!
//! A store that is full has to do something with the next key. Evicting a key that still owes hands
//! it a fresh bucket, so whoever cycles through enough keys is not limited. Refusing everybody locks
//! good clients out. Counting keys together punishes the innocent. This store does otherwise:
//!
//! - a place is reused only when the bucket in it is full again, which is when nobody can tell it
//!   from that of a key that never came;
//! - of the places that are free, the one that was full first is taken;
//! - keys that came back after their bucket had filled are *established*, and keep up to four of
//!   the seven places of a set through a flood;
//! - a key that finds no place is denied (or admitted, if the service says so), and the decision
//!   says that it was not judged, so that a coarser limit can.
//!
//! Keys are not kept. A key is 64 bits of a hash with a random seed; its bucket is one word of 64
//! bits in one of two sets of seven, each set a cache line with a word of hints.
//!
//! | part | idea |
//! |---|---|
//! | `word` | one bucket and whose it is |
//! | `set` | seven of them and the hints |
//! | `clock` | when a place may be reused; how old words stay readable |
//! | `era` | under which seed and quota; both can change |
//! | `table` | the protocol: find, charge, claim |
//! | `moves` | what becomes of a bucket over a change |
//! | `change` | how one begins |
//! | `stats` | what a store holds, for whoever watches |
//! | `snapshot` | what is known, over a restart |
//!
//! # Invariants
//! - **I1** no key is ever admitted more than its exact bound, `burst + rate · x` (a unit may come back
//!   up to one tick, at most 1/64 of an interval, early), under any interleaving and any flood, for
//!   clocks that differ by less than a second. A key is what has its sets and its fingerprint. What is
//!   left, each time for one burst at most: a refund or a move by a thread that sleeps, or whose clock is
//!   behind, for longer than the lag of the reclaim clock, while two others claim the same key's place;
//!   during a change in a full store, a claim that the change overtook and a charge of it, while two others
//!   find the key a place at last; and, until what was owed before a change is paid, a newcomer whose place under
//!   an earlier seed is by chance the key's present one, and which takes its bucket along;
//! - **I2** no sequence of other keys gives an exhausted key anything back;
//! - **I3** decisions equal those of an exact store on the same ticks, as long as no two keys share
//!   a place, no set is saturated and time does not go back; otherwise they are stricter;
//! - **I4** nothing allocates after construction, and `memory_bytes` is what was asked for at most;
//! - **I5** a lost exchange never admits;
//! - **I6** no idleness, however long, reads as debt;
//! - **I7** a change of the seed or the quota forgives nothing;
//! - **I8** a key that came back after its bucket had filled, when fewer than four of the seven places of its set were
//!   kept so, keeps its place for a minute after its bucket is full, whoever else comes (a change of the seed may bring it
//!   to a set where four are). Threads that come at the same moment do not see each other's: each may keep one more.

mod capacity;
mod change;
mod clock;
mod counters;
mod era;
mod moves;
pub(super) mod rules;
mod set;
#[cfg(feature = "serde")]
mod snapshot;
mod stats;
mod table;
mod word;

use alloc::vec::Vec;
use core::{fmt, hash::Hash, time::Duration};

use ahash::RandomState;
pub use capacity::Capacity;
#[cfg(feature = "serde")]
pub use snapshot::KeyedSnapshot;
pub use stats::KeyedStats;

use self::{
    clock::Clock,
    counters::Counters,
    era::{Era, Shape},
    set::{Set, WAYS},
    table::{Ask, Table},
};
use super::{
    exact::OnSaturation,
    group::Limit,
    reservation::{Reservation, Settlement},
    seeds::Seeds,
};
use crate::{
    error::KeyedLimiterError,
    quota::{
        Quota,
        ticks::{SLACK, Ticks},
    },
    sync::Mutex,
    time::Timestamp,
    verdict::Decision,
};

/// A token bucket per key for keys that anybody can invent: addresses, names, tokens.
///
/// # Guarantee
/// Memory is chosen once and never exceeded, and the limit holds whatever keys come: every interval
/// of length `x` admits at most `burst + rate · x` units of a key (a unit may come back up to one
/// tick early, at most 1/64 of the time a unit takes), under any interleaving, as long as the
/// timestamps given do not step back by more than a second (each such step forgives a burst). A key
/// loses its place only when its bucket is full, so there is nothing to gain from making it lose it.
///
/// A key that finds no place is answered by [`OnSaturation`], and
/// [`Decision::is_saturated`] is true: let a coarser limit judge it, by the network it comes from.
///
/// # How much is enough
/// A key takes a place while it owes something: from its first unit until its bucket is full again,
/// for an even client of a fraction of the time. `Capacity::keys(n)` makes 1.25 places for each of `n`
/// keys *that owe something at the same time*. When so many come at once, 0.2 % of them find no place;
/// 1.5 % when they fill nine places of ten, and one in ten thousand when they fill seven. Where keys come
/// and go all the time, more room is left unused: a stream that keeps 57 % of the places taken finds
/// no place for 0.2 % of its keys, one that keeps 66 % for 1 %, and one that keeps 73 % for 3.5 %.
/// (Keys choose between two sets of seven places, and take the place that was free first; with one set
/// it would be 8 % at once, and 16 % in a stream that would fill 80 %.)
///
/// Two keys share one bucket, and are then limited together, with a probability of at most
/// 14 / 2²¹ = 7 · 10⁻⁶ for each key that looks for a place.
///
/// # Regulars and squatters
/// A key that comes back after its bucket had filled is *established*: it keeps its place for a
/// minute after its bucket is full, in a flood too. Up to four of the seven places of a set are
/// kept so, first come, first kept (threads at the same moment may each keep one more). Two requests are enough to
/// become established, if the time of a full bucket lies between them. Whoever seats patient keys of his own in every set *before* the
/// regulars come takes those places from them: it takes four keys a set, each back once a minute, and
/// regulars are then as well off as newcomers. Newcomers always compete for the other three.
///
/// # Range
/// Intervals (the time a unit takes to come back) from 64 ns, and bursts up to 2²⁷: from 1 a day with
/// a burst of millions to 10⁶ a second with a burst of 10⁶, and beyond. [`new`](Self::new) refuses
/// what it cannot hold.
///
/// # Concurrency
/// Lock-free: a check is one exchange of one word, retried while other threads change the same word;
/// a denial writes nothing (but that a key is moved, and the clock of the store moved on). No thread waits for another. (Changing the seed or the quota takes a lock
/// that checks never meet.)
///
/// # Memory
/// 64 bytes for seven keys, allocated and touched by [`new`](Self::new), and about 700 bytes besides:
/// see [`memory_bytes`](Self::memory_bytes). A check allocates nothing.
///
/// # Cost
/// One or two cache lines. The first check after nobody came for a sixteenth of the range of a
/// word's clock (two minutes at 10⁶ a second, two weeks at 100 a minute) reads the whole store once, as
/// does the first after a clock was set back by more than a second.
///
/// # Example: 100 a minute for each address
/// ```
/// use portcullis::{Capacity, KeyedLimiter, Quota, Timestamp};
/// use std::net::IpAddr;
///
/// let per_client = KeyedLimiter::new(Quota::per_minute(100).burst(20), Capacity::keys(100_000))?;
/// let client: IpAddr = "203.0.113.9".parse()?;
/// let now = Timestamp::from_secs(1);
/// assert!(per_client.check_n(&client, 20, now).is_admitted());
/// assert!(per_client.check(&client, now).is_denied());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KeyedLimiter {
    hasher: RandomState,
    table: Table,
    /// The quota in force; held while a change or a snapshot is made.
    quota: Mutex<Quota>,
    #[cfg(feature = "serde")]
    origin: snapshot::Origin,
}

impl KeyedLimiter {
    /// A limiter of this size, which denies keys that find no place.
    ///
    /// # Errors
    /// When the quota is outside of the [range](Self#range), the capacity is nothing or more than
    /// can be addressed, or the memory cannot be had.
    pub fn new(quota: Quota, capacity: Capacity) -> Result<Self, KeyedLimiterError> {
        Self::with_debt(quota, 0, capacity)
    }

    /// A limiter in which [charges](Self::charge_n) may owe up to `debt` units beyond an empty bucket.
    ///
    /// # Errors
    /// As [`new`](Self::new); burst and debt together make the range.
    pub fn with_debt(
        quota: Quota,
        debt: u32,
        capacity: Capacity,
    ) -> Result<Self, KeyedLimiterError> {
        Self::seeded(quota, debt, capacity, &mut Seeds::of_chance())
    }

    /// The same with secrets from here, those of [later seeds](Self::rotate_seed) too.
    pub(crate) fn seeded(
        quota: Quota,
        debt: u32,
        capacity: Capacity,
        seeds: &mut Seeds,
    ) -> Result<Self, KeyedLimiterError> {
        let sets = capacity.sets(size_of::<Self>())?;
        let mut limiter = Self::build(quota, debt, sets, seeds.numbers())?;
        limiter.table.is_seeded = seeds.are_fixed();
        Ok(limiter)
    }

    /// A limiter whose places are the same in every run: for tests of probabilities.
    ///
    /// # Errors
    /// As [`with_debt`](Self::with_debt).
    #[cfg(any(test, feature = "__reference"))]
    #[doc(hidden)]
    pub fn danger_with_seeds(
        quota: Quota,
        debt: u32,
        capacity: Capacity,
        seeds: [u64; 5],
    ) -> Result<Self, KeyedLimiterError> {
        Self::build(quota, debt, capacity.sets(size_of::<Self>())?, seeds)
    }

    /// The same limiter with this answer to keys that find no place.
    #[must_use]
    pub fn on_saturation(mut self, on_saturation: OnSaturation) -> Self {
        self.table.admits_unseated = on_saturation == OnSaturation::Allow;
        self
    }

    /// Takes one unit of the key's, if there is one.
    #[inline]
    pub fn check<Q: Hash + ?Sized>(&self, key: &Q, now: Timestamp) -> Decision {
        self.check_n(key, 1, now)
    }

    /// Takes `n` units of the key's at once, or none of them.
    ///
    /// More than the burst is always denied, with a wait of [`Duration::MAX`]. Zero units are admitted
    /// unless the quota is zero, and change nothing.
    #[inline]
    pub fn check_n<Q: Hash + ?Sized>(&self, key: &Q, n: u32, now: Timestamp) -> Decision {
        self.table.take(self.hash(key), n, now)
    }

    /// What [`check_n`](Self::check_n) would answer, without taking anything. A key that finds no place is counted as such.
    ///
    /// The standing of an admission is the present one, as before the units are taken.
    pub fn peek_n<Q: Hash + ?Sized>(&self, key: &Q, n: u32, now: Timestamp) -> Decision {
        self.on_key(key).peek_n(n, now)
    }

    /// Gives back `n` units of the key's that were taken before; its bucket is then at most full, one
    /// tick later.
    pub fn refund_n<Q: Hash + ?Sized>(&self, key: &Q, n: u32, now: Timestamp) {
        self.table.refund(self.hash(key), Some(n), now);
    }

    /// Takes `n` units of the key's whether they are there or not.
    ///
    /// What is owed beyond an empty bucket is capped at the room for debt that
    /// [`with_debt`](Self::with_debt) made. A key that finds no place is not charged, which
    /// the answer says.
    pub fn charge_n<Q: Hash + ?Sized>(&self, key: &Q, n: u32, now: Timestamp) -> Decision {
        self.table.settle(self.hash(key), Ask::Charge(n), now)
    }

    /// Takes `n` units before their true number is known; see [`Reservation`].
    ///
    /// # Errors
    /// The denial, if there are not so many.
    pub fn reserve_n<Q: Hash + ?Sized>(
        &self,
        key: &Q,
        n: u32,
        now: Timestamp,
    ) -> Result<Reservation, Decision> {
        Reservation::of(n, self.check_n(key, n, now))
    }

    /// Corrects what a reservation of this key's took to what it should have been: gives the rest
    /// back, or [charges](Self::charge_n) more.
    pub fn settle<Q: Hash + ?Sized>(
        &self,
        key: &Q,
        reservation: Reservation,
        actual: u32,
        now: Timestamp,
    ) {
        match reservation.settle_at(actual) {
            Settlement::Refund(units) => self.refund_n(key, units, now),
            Settlement::Charge(0) => {}
            Settlement::Charge(units) => drop(self.charge_n(key, units, now)),
        }
    }

    /// Gives back all that a reservation of this key's took, as [`refund_n`](Self::refund_n) does: the key keeps its
    /// place for a moment.
    pub fn cancel<Q: Hash + ?Sized>(&self, key: &Q, reservation: Reservation, now: Timestamp) {
        self.settle(key, reservation, 0, now);
    }

    /// This key's bucket as a [`Limit`], for [`check_all`](crate::limit::check_all).
    pub fn on<Q: Hash + ?Sized>(&self, key: &Q) -> impl Limit + use<'_, Q> {
        self.on_key(key)
    }

    #[inline]
    pub(crate) fn on_key<Q: Hash + ?Sized>(&self, key: &Q) -> OnKey<'_> {
        OnKey { table: &self.table, hash: self.hash(key) }
    }

    /// What hashes keys, for [`on_hash`](Self::on_hash).
    #[inline]
    pub(crate) fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    /// The bucket of the key with this hash, which its [`hasher`](Self::hasher) has made.
    #[inline]
    pub(crate) fn on_hash(&self, hash: u64) -> OnKey<'_> {
        OnKey { table: &self.table, hash }
    }

    /// Forgives the key all that it owes: an operator's pardon.
    pub fn forgive<Q: Hash + ?Sized>(&self, key: &Q, now: Timestamp) {
        self.table.refund(self.hash(key), None, now);
    }

    /// The memory that this limiter takes, in bytes: all that it will ever take.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(size_of_val(&*self.table.sets))
    }

    fn build(
        quota: Quota,
        debt: u32,
        sets: usize,
        seeds: [u64; 5],
    ) -> Result<Self, KeyedLimiterError> {
        let ticks = Ticks::packed(quota, debt).ok_or(KeyedLimiterError::OutOfRange { quota })?;
        let scale = ticks.scale;
        let ticks_of = |duration: Duration| {
            let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
            scale.tick(Timestamp::from_nanos(nanos)).saturating_add(1)
        };
        // Hides ordinary differences of clocks; short beside an interval, since ways wait for it.
        // A quota of zero has no interval, and may be changed for another one.
        let lag =
            if ticks.burst == 0 { ticks_of(LAG) } else { ticks_of(LAG).min(scale.interval / 8) };
        let slack = ticks_of(Duration::from_nanos(SLACK)).saturating_add(1);
        let bytes = sets.saturating_mul(size_of::<Set>());
        let mut table: Vec<Set> = Vec::new();
        table.try_reserve_exact(sets).map_err(|_| KeyedLimiterError::NoMemory { bytes })?;
        table.resize_with(sets, Set::new);
        let [a, b, c, d, seed] = seeds;
        #[cfg(feature = "serde")]
        let origin = snapshot::Origin { quota, seeds: [a, b, c, d] };
        Ok(Self {
            hasher: RandomState::with_seeds(a, b, c, d),
            table: Table {
                sets: table.into_boxed_slice(),
                shape: Shape::of(sets),
                scale,
                room: debt,
                slack,
                admits_unseated: false,
                is_seeded: false,
                era: Era::new(0, seed, scale.interval, quota.max_burst()),
                clock: Clock::new(lag, slack, ticks_of(PROTECTION)),
                counters: Counters::new(),
            },
            quota: Mutex::new(quota),
            #[cfg(feature = "serde")]
            origin,
        })
    }

    #[inline]
    fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// One key's bucket: a key is hashed once for all that a group of limits asks of it.
#[derive(Clone, Copy)]
pub(crate) struct OnKey<'a> {
    table: &'a Table,
    hash: u64,
}

impl OnKey<'_> {
    /// As a member of a group, which asks before it takes, and then does not: a key without a place is counted.
    pub(crate) fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        let decision = self.table.peek(self.hash, n, now);
        if decision.is_saturated() {
            self.table.counters.unseated(self.hash);
        }
        decision
    }

    /// Only to know it.
    pub(crate) fn look_n(&self, n: u32, now: Timestamp) -> Decision {
        self.table.peek(self.hash, n, now)
    }

    #[inline]
    pub(crate) fn check_n(&self, n: u32, now: Timestamp) -> Decision {
        self.table.take(self.hash, n, now)
    }

    pub(crate) fn refund_n(&self, n: u32, now: Timestamp) {
        self.table.refund(self.hash, Some(n), now);
    }

    pub(crate) fn charge_n(&self, n: u32, now: Timestamp) {
        if n > 0 {
            let _ = self.table.settle(self.hash, Ask::Charge(n), now);
        }
    }
}

/// Its size and answer, not its keys' debts.
impl fmt::Debug for KeyedLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedLimiter")
            .field("quota", &*self.quota.lock())
            .field("places", &self.table.sets.len().saturating_mul(WAYS))
            .field("admits_unseated", &self.table.admits_unseated)
            .finish_non_exhaustive()
    }
}

/// Clocks that differ by less do not notice each other; at most an eighth of an interval.
const LAG: Duration = Duration::from_millis(1);
/// How long an established key keeps its place after its bucket is full.
const PROTECTION: Duration = Duration::from_secs(60);

#[cfg(all(test, not(loom)))]
mod tests;
