//! What a store over hostile keys knows, over a restart.
//!
//! Keys are not kept, so there is nothing to hash them again by: a snapshot carries the seeds, and a
//! restored store has as many sets, with every bucket where it was. It can only be restored where the
//! same key has the same hash, which a *probe* tells: the hash of something fixed under those seeds.
//!
//! Time is relative to the snapshot's moment, in ticks. Only where in its tick that moment was is kept
//! of its own clock: a process that goes on with the same clock continues to the tick, one with
//! another origin of time is behind by less than a tick, and neither is ever ahead.
//!
//! Places that could be reused at once are left out. Their keys owe nothing: they are newcomers after a
//! restart, as they would be after any other key had come to their place. (One that had moved
//! from an earlier era finds the closed bucket it left, as always when it has no other, and owes what
//! that says: on the strict side where the earlier quota was slower, or units were given back since.)
//!
//! # While checks go on
//! Words are read first, the reclaim clock after them. So if a key loses its place in between and gets
//! another one, which is read too, then its first place was free by that clock, and is left out: no
//! stale bucket stands before the one that owes. A change of the era waits for the snapshot.
//!
//! Invariants, each with a test that cites it: **I1** a restored store gives no key more than the one that
//! was written would have, and decides as that does for clocks that agree to within its lag; **I2** a
//! snapshot that is damaged, of another version, from a foreign hash or in contradiction with itself
//! makes no store; **I3** keys that are still to move from earlier eras are neither lost nor forgiven.

use alloc::vec::Vec;
use core::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use ahash::RandomState;
use serde::{Deserialize, Serialize};

use super::{
    KeyedLimiter,
    era::{EARLIER, Era, View},
    set::{Set, WAYS},
    table::Table,
    word::{Fingerprint, RANGE, Word},
};
use crate::{
    error::{KeyedLimiterError, SnapshotError},
    limit::snapshot::{Checksum, VERSION},
    quota::{
        Quota,
        packed::{FEWEST, LAWFUL},
        ticks::{Scale, Ticks},
    },
    time::{self, Timestamp},
};

/// What a [`KeyedLimiter`] knows, to be written down and read by a later process.
///
/// Made by [`KeyedLimiter::snapshot`], used by [`KeyedLimiter::restore`]; in between it goes through any
/// format of serde.
///
/// # Keep it private
/// It holds no keys, but the seeds that say where keys have their places. Whoever reads it can look
/// for keys that all share a victim's places, which [`rotate_seed`](KeyedLimiter::rotate_seed) after
/// the restart makes useless. A checksum tells damage; it is no signature, so a snapshot is also to be
/// kept where nobody else can write.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedSnapshot {
    version: u32,
    content: Content,
    checksum: u64,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    /// The hash of something fixed, under the seeds.
    probe: u64,
    seeds: [u64; 4],
    /// The quota that the ticks were made for.
    first_quota: Quota,
    /// The quota in force.
    quota: Quota,
    /// In units; with the first quota, it says what a tick is.
    max_debt: u32,
    admits_unseated: bool,
    sets: u64,
    /// The snapshot's moment by its own clock; all times are relative to it, in ticks.
    moment_nanos: u64,
    /// The reclaim clock.
    reclaimed: i64,
    /// The present one first.
    eras: Vec<Terms>,
    /// By set.
    ways: Vec<Way>,
}

/// A seed and a quota; see [`Era`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Terms {
    seed: u64,
    interval: u64,
    limit: u32,
    /// How long after the reclaim clock the next one of the list is looked at.
    paid_after: u64,
}

/// A bucket: its set, the key's fingerprint, what has become of it, and in how many ticks it is full.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Way(u64, u64, State, i64);

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    #[serde(rename = "n")]
    Newcomer,
    #[serde(rename = "e")]
    Established,
    /// Closed: what its key owes when it comes to its new place.
    #[serde(rename = "c")]
    Closed,
}

/// What a limiter was built with and its table does not keep.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) quota: Quota,
    pub(super) seeds: [u64; 4],
}

impl KeyedSnapshot {
    /// How many buckets it holds: of keys that owe something or are established, and, after a change, also
    /// those that keys have moved from.
    #[must_use]
    pub fn len(&self) -> usize {
        self.content.ways.len()
    }

    /// Whether there is nothing to be remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The quota that was in force.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.content.quota
    }
}

/// How many keys, and none of the seeds.
impl fmt::Debug for KeyedSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedSnapshot")
            .field("version", &self.version)
            .field("quota", &self.content.quota)
            .field("keys", &self.len())
            .finish_non_exhaustive()
    }
}

impl KeyedLimiter {
    /// What this limiter knows at `now`: every debt and every regular, under the present quota and
    /// seed and those before them that keys have yet to move from.
    ///
    /// # Concurrency
    /// Checks go on meanwhile, and what they take may or may not be in the snapshot; what was taken
    /// before is. Changes of the quota and the seed wait.
    ///
    /// # Memory
    /// 32 bytes for each key in it; about as many in JSON.
    ///
    /// # Cost
    /// Reads the whole store.
    ///
    /// # Example: over a restart
    /// ```
    /// use portcullis::{Capacity, KeyedLimiter, KeyedSnapshot, Quota, Timestamp};
    /// use std::time::Duration;
    ///
    /// let clients = KeyedLimiter::new(Quota::per_hour(10), Capacity::keys(1_000))?;
    /// assert!(clients.check_n("203.0.113.9", 10, Timestamp::from_secs(5_000)).is_admitted());
    /// let text = serde_json::to_string(&clients.snapshot(Timestamp::from_secs(5_000)))?;
    /// drop(clients);
    ///
    /// // Seven minutes later, in another process, whose clock starts at zero.
    /// let snapshot: KeyedSnapshot = serde_json::from_str(&text)?;
    /// let now = Timestamp::ZERO;
    /// let clients = KeyedLimiter::restore(&snapshot, Duration::from_secs(420), now)?;
    /// assert!(clients.check("203.0.113.9", now).is_admitted());
    /// assert!(clients.check("203.0.113.9", now).is_denied());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> KeyedSnapshot {
        // Held, so that the era stays.
        let quota = self.quota.lock();
        let table = &self.table;
        let at = table.at(now);
        let early = table.clock.advance(at, &table.sets, &table.ticks(&table.era.view()));
        let mut ways = Vec::new();
        for (number, set) in (0_u64..).zip(&table.sets) {
            let words = (0..WAYS).map(|way| set.way(way));
            // What is free now is free later.
            for word in words.filter(|word| early.until_free(*word) > 0) {
                remember(&mut ways, number, word, at);
            }
        }
        let frame = table.clock.frame();
        let history = table.era.history(frame.reclaimed);
        let most = most_owed(&history, table.scale, table.room, table.slack).unwrap_or(FARTHEST);
        let rest = frame.reclaimed.wrapping_sub(at) as i64;
        ways.retain_mut(|Way(.., state, owed)| {
            // As the first check to see a debt that no lawful history can leave would, or less.
            *owed = (*owed).min(most);
            let keeps = keeps(*state, table.clock.protection());
            owed.saturating_add(keeps) > rest
        });
        let terms = |view: &View| Terms {
            seed: view.seed,
            interval: view.interval,
            limit: view.limit,
            paid_after: view.paid.saturating_sub(frame.reclaimed),
        };
        let content = Content {
            probe: probe(&self.hasher),
            seeds: self.origin.seeds,
            first_quota: self.origin.quota,
            quota: *quota,
            max_debt: table.room,
            admits_unseated: table.admits_unseated,
            // A usize has at most 64 bits.
            sets: u64::try_from(table.sets.len()).unwrap_or(u64::MAX),
            moment_nanos: now.as_nanos(),
            reclaimed: rest.clamp(-FARTHEST, FARTHEST),
            eras: history.iter().map(terms).collect(),
            ways,
        };
        // What cannot be summed cannot be written either, so nobody will read it.
        let checksum = Checksum::of(&(VERSION, &content)).unwrap_or(0);
        KeyedSnapshot { version: VERSION, content, checksum }
    }

    /// The limiter that a snapshot was made of, `down` before `now`.
    ///
    /// It has that one's capacity, room for debt and answer to keys that find no place, and the quota that
    /// was in force. To go on with another quota, [set](Self::set_quota) it afterwards. Where `down`
    /// is not known, zero is on the strict side.
    ///
    /// # Guarantee
    /// It goes on deciding as if there had been no restart, but by a clock of another origin a unit may
    /// come back up to one tick later than it would have, and keys whose bucket was full are newcomers.
    /// (Those that came after a change of the quota, until what was owed before it is paid, may owe
    /// once more what they owed then.) No key is ever given more than it would have been.
    ///
    /// # Errors
    /// When the snapshot is of another version or damaged; when keys are hashed differently here (by
    /// another version of the hash function, or a processor with other instructions); when it says
    /// what cannot be: a set that is not there, two buckets of one key or more than seven in a set, a debt
    /// that no quota allows, a quota out of the [range](Self#range); or when the memory cannot be had.
    /// Then there is no limiter: make a [new](Self::new) one, in which nobody owes anything.
    pub fn restore(
        snapshot: &KeyedSnapshot,
        down: Duration,
        now: Timestamp,
    ) -> Result<Self, SnapshotError> {
        let KeyedSnapshot { version, content, checksum } = snapshot;
        if *version != VERSION {
            return Err(SnapshotError::Version { found: *version, known: VERSION });
        }
        if Checksum::of(&(version, content)) != Ok(*checksum) {
            return Err(SnapshotError::Damaged);
        }
        let mut limiter = content.empty()?;
        let table = &mut limiter.table;
        let moment = moment(table.scale, content.moment_nanos, down, now);
        let reclaimed = moment.saturating_add(i128::from(content.reclaimed));
        let history: Vec<View> = content.eras.iter().map(|terms| terms.view(reclaimed)).collect();
        let most = content.most_owed(&history, table)?;
        table.era = Era::restored(&history);
        // By a clock that started after the snapshot was made, it starts with that clock.
        let begin = tick(reclaimed);
        table.clock.begin_at(begin);
        let protection = table.clock.protection();
        for (entry, Way(number, key, state, owed)) in content.ways.iter().enumerate() {
            let set = usize::try_from(*number).ok().and_then(|number| table.sets.get(number));
            let no_place = SnapshotError::NoPlace { entry };
            let (Some(set), Some(key)) = (set, Fingerprint::from_number(*key)) else {
                return Err(no_place);
            };
            if *owed > most || *owed < -FARTHEST {
                return Err(SnapshotError::TooMuchDebt { entry });
            }
            let seated = *state != State::Closed;
            if seated && (0..WAYS).any(|way| set.way(way).is_live_of(key)) {
                return Err(SnapshotError::DuplicateKey { entry });
            }
            let full_at = moment.saturating_add(i128::from(*owed));
            let until = full_at.saturating_add(i128::from(keeps(*state, protection)));
            let word = if until > i128::from(begin) {
                let live = Word::live(low(full_at), key, *state == State::Established);
                if seated { live } else { live.closed(low(full_at)) }
            } else {
                // Free since: a mark, so that the ways of a set are counted.
                Word::tombstone(begin)
            };
            if !put(set, word) {
                return Err(no_place);
            }
        }
        Ok(limiter)
    }
}

impl Content {
    /// A limiter of this size, without any debts.
    fn empty(&self) -> Result<KeyedLimiter, SnapshotError> {
        let (quota, [a, b, c, d]) = (self.first_quota, self.seeds);
        if self.sets == 0 {
            return Err(SnapshotError::Contradiction);
        }
        let sets = usize::try_from(self.sets).unwrap_or(usize::MAX);
        let built = KeyedLimiter::build(quota, self.max_debt, sets, [a, b, c, d, 0]);
        let mut limiter = built.map_err(|error| match error {
            KeyedLimiterError::OutOfRange { quota } => SnapshotError::QuotaOutOfRange { quota },
            _ => SnapshotError::NoMemory { bytes: sets.saturating_mul(size_of::<Set>()) },
        })?;
        if probe(&limiter.hasher) != self.probe {
            return Err(SnapshotError::ForeignHash);
        }
        limiter.table.admits_unseated = self.admits_unseated;
        *limiter.quota.lock() = self.quota;
        Ok(limiter)
    }

    /// What a bucket may owe at most, seen from a clock that is behind; and whether the eras and the
    /// clock can be those of one limiter.
    fn most_owed(&self, history: &[View], table: &Table) -> Result<i64, SnapshotError> {
        let Some(present) = history.first() else { return Err(SnapshotError::Contradiction) };
        let quota = self.quota;
        let Some(ticks) = Ticks::packed_on(table.scale, quota, table.room) else {
            return Err(SnapshotError::QuotaOutOfRange { quota });
        };
        let same_limit = quota.is_zero() || present.limit == quota.max_burst();
        // Rounded up on the first quota's scale, on which that one's own is what it is.
        let same = same_limit && present.interval == ticks.scale.interval;
        let earlier = history.len().saturating_sub(1);
        let looked_at = self.eras.iter().take(earlier).all(|terms| terms.paid_after > 0);
        let few = u64::try_from(earlier).is_ok_and(|earlier| earlier <= EARLIER);
        let near = self.reclaimed.unsigned_abs() <= FARTHEST.unsigned_abs();
        let most = most_owed(history, table.scale, table.room, table.slack);
        most.filter(|_| same && looked_at && few && near).ok_or(SnapshotError::Contradiction)
    }
}

impl Terms {
    fn view(&self, reclaimed: i128) -> View {
        View {
            number: 0,
            seed: self.seed,
            interval: self.interval,
            limit: self.limit,
            paid: tick(reclaimed.saturating_add(i128::from(self.paid_after))),
        }
    }
}

/// Adds a bucket to those of its set.
fn remember(ways: &mut Vec<Way>, set: u64, word: Word, at: u64) {
    let closed = word.is_closed_of(word.fingerprint());
    let key = word.fingerprint().number();
    // A tombstone is nobody's.
    if key == 0 {
        return;
    }
    let state = match (closed, word.is_established()) {
        (true, _) => State::Closed,
        (false, true) => State::Established,
        (false, false) => State::Newcomer,
    };
    let owed = word.debt(at);
    let twin = |way: &&mut Way| way.1 == key && way.2 != State::Closed && !closed;
    match ways.iter_mut().rev().take_while(|way| way.0 == set).find(twin) {
        // Forgiven, lost and come again while the set was read.
        Some(twin) => twin.3 = twin.3.max(owed),
        None => ways.push(Way(set, key, state, owed)),
    }
}

/// Puts a bucket into a way that is empty, if there is one.
fn put(set: &Set, word: Word) -> bool {
    let Some(way) = (0..WAYS).find(|way| set.way(*way).is_empty()) else { return false };
    let hints = set.hints().with(way, word.fingerprint());
    let count = hints.established().saturating_add(u8::from(word.is_established()));
    set.hint(hints.with_established(count));
    set.exchange(way, Word::EMPTY, word)
}

fn keeps(state: State, protection: u64) -> i64 {
    if state == State::Established { i64::try_from(protection).unwrap_or(i64::MAX) } else { 0 }
}

/// What a bucket of these eras owes at most, by a clock that is behind by what is lawful; `None` if one
/// of them is none that a change can have made.
fn most_owed(history: &[View], scale: Scale, room: u32, slack: u64) -> Option<i64> {
    let mut most = 0;
    for view in history {
        let units = u128::from(view.limit).saturating_add(u128::from(room));
        let lawful = u128::from(view.interval).saturating_mul(units);
        let whole =
            view.interval == 0 || view.interval >= FEWEST && u32::try_from(view.interval).is_ok();
        if !whole || lawful.saturating_add(u128::from(slack)) > LAWFUL {
            return None;
        }
        most = view.ticks(scale, room, slack).lawful.max(most);
    }
    i64::try_from(most.saturating_add(slack)).ok()
}

/// Where the snapshot's moment is on the clock that shows `now`, in ticks, which may be before its origin.
///
/// What of a tick had passed at either moment counts too. With `f` and `g` for those parts and `d` for
/// the time in between, all in ticks, whole ticks in between are `⌊f + d − g⌋`. A time `x` later the
/// one clock has passed `⌊f + d + x⌋` since, and this one `⌊g + x⌋ + ⌊f + d − g⌋`, which is never more
/// and the same if both are one clock.
fn moment(scale: Scale, moment_nanos: u64, down: Duration, now: Timestamp) -> i128 {
    let fine = |nanos: u64| u128::from(nanos).wrapping_mul(u128::from(scale.per_nano));
    let ones = u128::MAX >> 128_u32.saturating_sub(u32::from(scale.after)).min(127);
    let passed = fine(time::nanos(down).unwrap_or(u64::MAX));
    let (then, here) = (fine(moment_nanos) & ones, fine(now.as_nanos()) & ones);
    let at = i128::from(scale.tick(now));
    match then.saturating_add(passed).checked_sub(here) {
        // At most 2^64, since `after` is 64 or more.
        Some(whole) => at.saturating_sub(i128::try_from(whole >> scale.after).unwrap_or(i128::MAX)),
        // Less than a tick: the other way round.
        None => at.saturating_add(1),
    }
}

/// A moment as the reclaim clock has it: not before the origin.
fn tick(moment: i128) -> u64 {
    u64::try_from(moment.max(0)).unwrap_or(u64::MAX)
}

/// A moment as a word has it, modulo a power of two.
fn low(moment: i128) -> u64 {
    u64::try_from(moment.rem_euclid(1 << 64)).unwrap_or(0)
}

/// The hash of all that services use as keys: text, numbers and addresses.
fn probe(hasher: &RandomState) -> u64 {
    let addresses = (Ipv4Addr::new(203, 0, 113, 9), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9));
    hasher.hash_one(("portcullis", 7_u8, 7_u32, 7_u64, addresses))
}

/// Times differ by no more from the snapshot's moment, or a word could not hold them.
const FARTHEST: i64 = (RANGE / 2 - 1) as i64;

#[cfg(test)]
mod tests;
