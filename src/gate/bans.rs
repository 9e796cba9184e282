//! Who is kept out for a time: networks, and keys of limits.
//!
//! Most requests are not banned, and learn that from two words: which lengths of networks are banned at all,
//! and a filter of two bits for each ban. Only who is in the filter is looked up, in one of several
//! tables behind locks.
//!
//! A ban that has ended stays in the table, as long as there is room and for as long as its limit says: the
//! next one of the same subject is longer.
//!
//! # Invariants
//! - **I1** a subject is refused from its ban until the ban ends, by the `now` of who asks, or until it is
//!   unbanned or displaced, and not longer; for clocks that differ by less than a second: one that runs ahead can
//!   clear the filter of a ban that has ended by it alone;
//! - **I2** the table does not grow: a new ban displaces the one that ends first, and one that has ended
//!   before all others; those displaced before their end are counted;
//! - **I3** a ban that meets one in force changes nothing, so that requests in flight do not escalate it; an
//!   operator's does;
//! - **I4** who is in no ban meets no lock, except by a chance of one in seventy in a full filter.
//!
//! | part | idea |
//! |---|---|
//! | `entry` | one ban, and how it changes |
//! | `lengths` | which lengths of networks are banned at all |
//! | `table` | those that one lock guards: by who is banned, and by when they end |
//! | `saved` | bans of networks, over a restart |
//!
//! # Bounds
//! About 150 bytes a ban. Clearing the filter of what has ended reads one table, and is done once for as many
//! needless look-ups as the table has entries.

mod entry;
mod lengths;
#[cfg(feature = "serde")]
mod saved;
mod table;

use alloc::{boxed::Box, vec::Vec};
use core::{net::IpAddr, time::Duration};

use ahash::RandomState;
use ipnet::IpNet;

#[cfg(feature = "serde")]
pub(super) use self::saved::SavedBan;
use self::{
    entry::{Change, Entry},
    lengths::Lengths,
    table::{Table, bits_of, number, word_of},
};
use crate::{
    rule::{Ban, Name},
    sync::{AtomicU64, Ordering, RwLock},
    time::Timestamp,
};

/// A bounded table of bans.
pub(super) struct Bans {
    hasher: RandomState,
    tables: Box<[RwLock<Table>]>,
    /// The filter of each table after the other.
    filter: Box<[AtomicU64]>,
    lengths: Lengths,
    displaced: AtomicU64,
}

/// Who is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// All clients in it.
    Net(IpNet),
    /// All requests that have this key in the limit with this scope.
    Key { scope: u64, hash: u64 },
}

/// A ban, as [`Gate::bans`](crate::Gate::bans) lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanInfo {
    net: Option<IpNet>,
    reason: Name,
    remaining: Duration,
    level: u32,
}

impl BanInfo {
    /// The network whose clients are refused; `None` if it is a key of the limit that is the
    /// [`reason`](Self::reason). Keys are not kept.
    #[must_use]
    pub fn net(&self) -> Option<IpNet> {
        self.net
    }

    /// The name of the rule or the limit that has banned it, or what an operator has said.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How long it still is.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.remaining
    }

    /// How often it was banned by rules and limits so far, as far as that is remembered; 0 for a ban that
    /// only an operator has made.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.level
    }
}

/// As many tables as this if there is much to hold, so that look-ups do not meet.
const TABLES: usize = 16;
/// Fewer bans than this have one table.
const MANY: usize = 1_024;
/// Bans for each word of the filter, which then has an eighth of its bits set.
const PER_WORD: usize = 4;

impl Bans {
    /// Room for so many bans at a time, at least one.
    pub(super) fn new(most: usize, hasher: RandomState) -> Self {
        let most = most.clamp(1, MOST);
        let tables = if most < MANY { 1 } else { TABLES };
        let even = most.div_ceil(tables);
        // Hashes do not spread evenly over several tables.
        let spare = if tables == 1 { 0 } else { even.isqrt().saturating_mul(4) };
        let each = even.saturating_add(spare);
        let words = each.div_ceil(PER_WORD).next_power_of_two();
        Self {
            hasher,
            tables: (0..tables).map(|_| RwLock::new(Table::new(each, words))).collect(),
            filter: (0..tables.saturating_mul(words)).map(|_| AtomicU64::new(0)).collect(),
            lengths: Lengths::new(),
            displaced: AtomicU64::new(0),
        }
    }

    /// A table with another room and the same bans, as far as there is room; those that end last are kept.
    pub(super) fn resized(&self, most: usize, hasher: RandomState, now: Timestamp) -> Self {
        let other = Self::new(most, hasher);
        for table in &self.tables {
            let table = table.read();
            for entry in table.entries.iter().filter(|entry| entry.forgotten > now) {
                let Entry { subject, until, forgotten, level, ref reason, .. } = *entry;
                other.change(subject, Change::Copy { until, forgotten, level }, reason, now);
            }
        }
        // A count goes on.
        other.displaced.fetch_add(self.times_displaced(), Ordering::Relaxed);
        other
    }

    /// For how long a client with this address is still kept out, if it is.
    #[inline]
    pub(super) fn check(&self, address: IpAddr, now: Timestamp) -> Option<Duration> {
        if self.lengths.has_none(address) { None } else { self.look_up(address, now) }
    }

    /// For how long a key is still kept out, if it is.
    #[inline]
    pub(super) fn check_key(&self, key: &Subject, now: Timestamp) -> Option<Duration> {
        self.find(key, now)
    }

    /// Bans for as long as it was banned before: for longer if that is remembered. A ban in force stays.
    ///
    /// Says how long it is from now.
    pub(super) fn ban(
        &self,
        subject: Subject,
        ban: Ban,
        reason: &Name,
        now: Timestamp,
    ) -> Duration {
        self.change(subject, Change::Escalate(ban), reason, now)
    }

    /// What [`ban`](Self::ban) would say, without banning.
    pub(super) fn foresee(&self, subject: &Subject, ban: Ban, now: Timestamp) -> Duration {
        let hash = self.hasher.hash_one(subject);
        let level = self.table(hash).and_then(|(table, _)| {
            let table = table.read();
            let entry = table.entries.get(table.seat(hash, subject)?)?;
            Some(match entry.until > now {
                true => Err(entry.until.saturating_duration_since(now)),
                false => Ok(entry.level_at(now)),
            })
        });
        match level {
            Some(Err(in_force)) => in_force,
            Some(Ok(level)) => ban.time(level),
            None => ban.time(0),
        }
    }

    /// An operator's ban, from now for so long, whatever was before.
    pub(super) fn add(&self, net: IpNet, time: Duration, reason: &Name, now: Timestamp) {
        let subject = Subject::Net(canonical(net));
        self.change(subject, Change::Set(time), reason, now);
    }

    /// Ends the ban of exactly this network, and forgets that it was banned. `false` if it was not.
    pub(super) fn remove(&self, net: IpNet, now: Timestamp) -> bool {
        let subject = Subject::Net(canonical(net));
        let hash = self.hasher.hash_one(subject);
        let Some((table, filter)) = self.table(hash) else { return false };
        let mut table = table.write();
        let Some(seat) = table.seat(hash, &subject) else { return false };
        let removed = table.remove(seat);
        table.clear_filter(filter, now);
        if let Some(removed) = &removed {
            self.lengths.drop_one(&removed.subject);
        }
        removed.is_some_and(|removed| removed.until > now)
    }

    /// At most so many of the bans in force: those that end last, these first.
    pub(super) fn longest(&self, most: usize, now: Timestamp) -> Vec<BanInfo> {
        // First when the shortest of them ends, so that no more are copied than are told.
        let mut ends: Vec<Timestamp> = Vec::new();
        for table in &self.tables {
            let table = table.read();
            ends.extend(table.entries.iter().map(|entry| entry.until).filter(|until| *until > now));
        }
        let least = match most.checked_sub(1) {
            Some(last) if ends.len() > most => {
                let (_, least, _) = ends.select_nth_unstable_by(last, |one, other| other.cmp(one));
                *least
            }
            Some(_) => now,
            None => return Vec::new(),
        };
        let mut all = self.list_from(least, now);
        all.truncate(most);
        all
    }

    /// All bans in force, those that end last first.
    pub(super) fn list(&self, now: Timestamp) -> Vec<BanInfo> {
        self.list_from(now, now)
    }

    /// Those of them that do not end before then.
    fn list_from(&self, least: Timestamp, now: Timestamp) -> Vec<BanInfo> {
        let mut all = Vec::new();
        for table in &self.tables {
            let table = table.read();
            let in_force = table.entries.iter();
            let in_force = in_force.filter(|entry| entry.until > now && entry.until >= least);
            all.extend(in_force.map(|entry| BanInfo {
                net: match entry.subject {
                    Subject::Net(net) => Some(net),
                    Subject::Key { .. } => None,
                },
                reason: Name::clone(&entry.reason),
                remaining: entry.until.saturating_duration_since(now),
                level: entry.level,
            }));
        }
        all.sort_by_key(|ban| core::cmp::Reverse(ban.remaining));
        all
    }

    /// How many are in force.
    pub(super) fn count(&self, now: Timestamp) -> usize {
        let of = |table: &RwLock<Table>| {
            table.read().entries.iter().filter(|entry| entry.until > now).count()
        };
        self.tables.iter().map(of).fold(0, usize::saturating_add)
    }

    /// Bans that were displaced before their end, for lack of room.
    pub(super) fn times_displaced(&self) -> u64 {
        self.displaced.load(Ordering::Relaxed)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let tables = self.tables.iter().map(|table| table.read().memory_bytes());
        tables
            .fold(size_of::<Self>(), usize::saturating_add)
            .saturating_add(size_of_val(&*self.filter))
    }

    #[inline(never)]
    fn look_up(&self, address: IpAddr, now: Timestamp) -> Option<Duration> {
        let address = address.to_canonical();
        let lengths = self.lengths.of(address);
        let nets = lengths.filter_map(|length| IpNet::new(address, length).ok());
        nets.filter_map(|net| self.find(&Subject::Net(net.trunc()), now)).max()
    }

    #[inline]
    fn find(&self, subject: &Subject, now: Timestamp) -> Option<Duration> {
        let hash = self.hasher.hash_one(subject);
        let (_, filter) = self.table(hash)?;
        let bits = bits_of(hash);
        let word = filter.get(word_of(hash, filter.len()))?;
        if word.load(Ordering::Relaxed) & bits != bits {
            return None;
        }
        self.confirm(hash, subject, now)
    }

    #[cold]
    fn confirm(&self, hash: u64, subject: &Subject, now: Timestamp) -> Option<Duration> {
        let (table, filter) = self.table(hash)?;
        let (until, clear) = {
            let table = table.read();
            let seat = table.seat(hash, subject);
            let entry = seat.and_then(|seat| table.entries.get(seat));
            let until = entry.map(|entry| entry.until).filter(|until| *until > now);
            (until, until.is_none() && table.was_in_vain())
        };
        if clear {
            table.write().clear_filter(filter, now);
        }
        until.map(|until| until.saturating_duration_since(now))
    }

    fn change(&self, subject: Subject, change: Change, reason: &Name, now: Timestamp) -> Duration {
        let hash = self.hasher.hash_one(subject);
        let Some((table, filter)) = self.table(hash) else { return Duration::ZERO };
        let mut table = table.write();
        let seat = table.seat(hash, &subject);
        let until = match seat.and_then(|seat| table.entries.get_mut(seat)) {
            Some(entry) => {
                entry.change(change, reason, now);
                entry.until
            }
            None => {
                let entry = Entry::new(subject, hash, change, reason, now);
                let until = entry.until;
                if change.is_of_before() && table.has_no_room_before(until) {
                    return until.saturating_duration_since(now);
                }
                self.lengths.add_one(&subject);
                if let Some(displaced) = table.add(entry) {
                    self.lengths.drop_one(&displaced.subject);
                    if displaced.until > now {
                        self.displaced.fetch_add(1, Ordering::Relaxed);
                    }
                }
                until
            }
        };
        if let Some(seat) = seat {
            table.ends.set(number(seat), until.as_nanos());
        }
        if let Some(word) = filter.get(word_of(hash, filter.len())) {
            word.fetch_or(bits_of(hash), Ordering::Relaxed);
        }
        until.saturating_duration_since(now)
    }

    /// The table of a hash, and its filter.
    #[inline]
    fn table(&self, hash: u64) -> Option<(&RwLock<Table>, &[AtomicU64])> {
        // The top bits, which nothing else takes.
        let at = usize::try_from(hash >> 60).unwrap_or(0) & self.tables.len().wrapping_sub(1);
        let words = self.filter.len().checked_div(self.tables.len())?;
        let start = at.wrapping_mul(words);
        Some((self.tables.get(at)?, self.filter.get(start..start.wrapping_add(words))?))
    }
}

/// More than anybody needs; seats are numbers of 32 bits.
const MOST: usize = 1 << 26;

/// Without host bits, and IPv4 where it is that.
fn canonical(net: IpNet) -> IpNet {
    let net = net.trunc();
    match (net, net.addr().to_canonical()) {
        (IpNet::V6(v6), IpAddr::V4(v4)) if v6.prefix_len() >= 96 => {
            let bits = v6.prefix_len().saturating_sub(96);
            IpNet::new(v4.into(), bits).map_or(net, |net| net.trunc())
        }
        _ => net,
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
