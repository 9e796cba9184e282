//! The limits of a gate: which of them a request meets, and what they say together.
//!
//! A limit has a condition, a key, and a bucket for each key; of those that a request meets all are
//! charged, or none.
//!
//! | part | idea |
//! |---|---|
//! | `build` | a description becomes limits, with the buckets of those before where it can |
//! | `key` | what is counted together, hashed where it lies |
//! | `state` | the buckets, which outlive a reload |
//! | `judge` | all of them or none, and who judges a key that finds no place |
//! | `foresee` | what they would say, for explanations |
//! | `client` | what they say of a client before it asks for anything |
//! | `pending`, `count` | what only the response can settle |
//! | `rule` | how a service describes a limit |
//!
//! # Invariants
//! - **I1** a request that is denied has taken from no limit, and one that passes from each that it meets;
//! - **I2** a limit in shadow counts what passes, and neither denies nor keeps others from being charged;
//! - **I3** a check allocates nothing, takes no lock, and reads no clock;
//! - **I4** memory is allocated when limits are built, and does not grow;
//! - **I5** a limit whose definition stays keeps its buckets over a reload, and so does one that changes
//!   its mode or, where its store can, its quota;
//! - **I6** requests in flight count: those that a `count_if` will give back, too.
//!
//! # Distinct values
//! A limit that counts distinct values only has a second store, of keys with a value each, in which each has
//! one unit in the period of the quota. A request whose value has its unit there is counted, and takes that
//! unit as well; one whose value has none takes nothing, and passes as long as its key has not used up
//! the limit. So a value counts once in a period, from when it was counted. Two values are
//! taken for one with a probability of at most 14 / 2²¹, see [`KeyedLimiter`](crate::KeyedLimiter); there is
//! room for four values for each key that the limit remembers, and a value that finds none is counted each
//! time, as is one whose response counts while its client is judged by its network.

mod build;
mod client;
mod count;
mod foresee;
mod judge;
mod key;
mod pending;
mod rule;
mod state;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{hash::Hasher, ops::ControlFlow, time::Duration};

pub(super) use build::problems;
pub use pending::Hold;
pub(crate) use pending::Pending;
pub use rule::LimitRule;

use self::{
    judge::{Asked, Judgement, Judges, Sources, bit},
    key::Key,
    pending::{Settler, Taken, is_known},
    state::State,
};
use super::{
    MissingPeer,
    bans::{Bans, Subject},
    plan::{MissingKey, Then},
    stats::Saturation,
};
use crate::{
    limit::{AdjustableBucket, Limit, Share, decide},
    request::Client,
    rule::{Ban, Counters, Facts, Index, Name, Reader, RuleMode},
    time::Timestamp,
    verdict::Decision,
};

/// The limits of a gate.
pub(super) struct Limits {
    /// As they were described; those that are off, too.
    all: Box<[Entry]>,
    conditions: Conditions,
    settlers: Arc<[Settler]>,
    /// The budget for newcomers; `None` if who finds no place is not limited.
    newcomers: Option<Arc<AdjustableBucket>>,
    saturation: Arc<Saturation>,
    missing_peer: MissingPeer,
    /// Limits of each client's, and nothing else.
    are_plain: bool,
}

/// Each has a bit in a word.
pub(super) const MOST_LIMITS: usize = 64;
/// So many limits for one request are asked with little room on the stack.
const FEW: usize = 4;

/// One limit, as it is described now.
struct Entry {
    name: Name,
    key: Key,
    cost: Cost,
    distinct: Option<Reader>,
    missing: MissingKey,
    then: Then,
    mode: RuleMode,
    share: Share,
    /// Its place among those that are settled, if it is.
    settler: Option<u8>,
    state: Arc<State>,
}

enum Cost {
    Units(u32),
    Request(Reader),
}

/// Which limits a request meets, judged together.
struct Conditions {
    /// Limits without a condition, a bit each.
    always: u64,
    index: Index,
    /// What holds where an expression of the index does.
    meanings: Box<[Meaning]>,
}

#[derive(Clone, Copy)]
enum Meaning {
    Limit(usize),
    /// A part of a condition about the response.
    Known(u32),
}

/// What the limits say to a request.
#[derive(Debug)]
pub(super) enum Ruling {
    /// It passes; which limit is the strictest, and where it stands there, if it has a place there.
    Passes {
        strictest: Option<(usize, Decision)>,
        /// The limits in shadow that would deny it, a bit each.
        would_deny: u64,
    },
    /// This limit, counted from 0, denies it.
    Denied { limit: usize, decision: Decision, ban: Option<Sentence> },
    /// This limit has banned the request's key before.
    Banned { limit: usize, wait: Duration },
    /// It lacks a part of this limit's key.
    MissingKey { limit: usize },
    /// The key has no place, and its network or the budget for newcomers denies it for so long.
    Saturated { wait: Duration },
}

/// What limits say that ask for nothing but the client.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plainly {
    /// The strictest limit, counted from 0, and where the client stands there.
    Passes(Option<(usize, Decision)>),
    /// This limit, counted from 0, denies it, and wants this ban for its client.
    Denied { limit: usize, decision: Decision, ban: Option<Ban> },
}

/// Whom a limit wants to be banned, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) subject: Subject,
    pub(super) ban: Ban,
}

/// What a limit has to say of a request, without taking anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It is off, or its condition does not hold.
    DoesNotApply,
    /// The request has no key: its client is not known, or it lacks a part.
    NoKey,
    /// It lacks a part of the key, and is denied for that.
    MissingKey,
    /// The key is banned for so long.
    Banned { wait: Duration },
    /// What a check would answer; the standing is the present one.
    Asked(Decision),
}

/// How a request meets one limit.
enum Met {
    Not,
    Lacks,
    Asks(Asked),
}

impl Limits {
    /// The same as [`check`](Self::check), where all limits are each client's and have a place for this one;
    /// `None`, and nothing is taken, where that is to be asked.
    #[inline]
    pub(super) fn check_plainly(&self, client: &Client, now: Timestamp) -> Option<Plainly> {
        if !self.are_plain {
            return None;
        }
        if *client == Client::Unknown && self.missing_peer != MissingPeer::Shared {
            return Some(Plainly::Passes(None));
        }
        // One limit is the common case, and there is nobody to compare it with.
        let (limit, decision) = match &*self.all {
            [] => return Some(Plainly::Passes(None)),
            [only] => (0, only.state.own()?.check(client, now)),
            all => {
                let own = all.iter().filter_map(|entry| entry.state.own());
                let answer = decide(own.map(|own| (own.on_key(client), 1)), now);
                (answer.strictest()?, answer.decision()?)
            }
        };
        if decision.is_admitted() {
            return Some(Plainly::Passes(Some((limit, decision))));
        }
        if decision.is_saturated() {
            return None;
        }
        let ban = match self.get(limit)?.then {
            Then::Ban(ban) => Some(ban),
            Then::Throttle => None,
        };
        Some(Plainly::Denied { limit, decision, ban })
    }

    /// Takes what the request costs from each limit that it meets, or from none. What its response is to
    /// settle goes to `pending`.
    #[inline(never)]
    pub(super) fn check(
        &self,
        facts: &Facts<'_>,
        bans: &Bans,
        pending: &mut Pending,
        now: Timestamp,
    ) -> Ruling {
        let (met, known) = self.conditions.judge(facts);
        match met.count_ones() {
            0 => Ruling::passes(None),
            1..=4 => self.check_met::<FEW>(met, known, facts, bans, pending, now),
            _ => self.check_met::<MOST_LIMITS>(met, known, facts, bans, pending, now),
        }
    }

    /// Whether anything asks for more of a request than who its client is.
    pub(super) fn reads_requests(&self) -> bool {
        let reads = |entry: &Entry| {
            entry.key.reads_requests()
                || entry.distinct.is_some()
                || entry.share != Share::ALL
                || matches!(entry.cost, Cost::Request(_))
        };
        !self.conditions.meanings.is_empty() || self.all.iter().any(reads)
    }

    /// What each limit says of a request, in order; nothing is taken.
    pub(super) fn explain(&self, facts: &Facts<'_>, bans: &Bans, now: Timestamp) -> Vec<Stand> {
        let (met, _) = self.conditions.judge(facts);
        let stand = |(limit, entry): (usize, &Entry)| {
            if met & bit(limit) == 0 || entry.mode == RuleMode::Off {
                return Stand::DoesNotApply;
            }
            match self.meet(limit, entry, facts, now) {
                Met::Not => Stand::NoKey,
                Met::Lacks => Stand::MissingKey,
                Met::Asks(asked) => match entry.banned(&asked, bans, now) {
                    Some(wait) => Stand::Banned { wait },
                    None => entry.state.bucket(asked.hash, false).map_or(Stand::NoKey, |bucket| {
                        let units = if asked.is_known { 1 } else { asked.units };
                        Stand::Asked(bucket.peek_n(units, now))
                    }),
                },
            }
        };
        self.all.iter().enumerate().map(stand).collect()
    }

    /// What expressions can ask of limits at this time.
    pub(super) fn at(&self, now: Timestamp) -> LimitsAt<'_> {
        LimitsAt { limits: self, now }
    }

    pub(super) fn saturation(&self) -> &Saturation {
        &self.saturation
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let states = self.all.iter().map(|entry| entry.state.memory_bytes());
        let each = size_of::<Entry>().saturating_add(size_of::<Settler>());
        states
            .fold(self.conditions.index.memory_bytes(), usize::saturating_add)
            .saturating_add(self.all.len().saturating_mul(each))
    }

    fn get(&self, limit: usize) -> Option<&Entry> {
        self.all.get(limit)
    }

    /// [`check`](Self::check) of these limits, of which there are no more than `N`.
    fn check_met<const N: usize>(
        &self,
        met: u64,
        known: u64,
        facts: &Facts<'_>,
        bans: &Bans,
        pending: &mut Pending,
        now: Timestamp,
    ) -> Ruling {
        let mut room = [Asked::default(); N];
        let mut free = room.iter_mut();
        let (mut in_shadow, mut would_deny, mut number) = (0, 0, 0_usize);
        for (limit, entry) in self.these(met) {
            if !entry.is_in_force(facts) {
                in_shadow |= bit(limit);
                continue;
            }
            let asked = match self.meet(limit, entry, facts, now) {
                Met::Not => continue,
                Met::Lacks => return Ruling::MissingKey { limit },
                Met::Asks(asked) => asked,
            };
            if let Some(wait) = entry.banned(&asked, bans, now) {
                return Ruling::Banned { limit, wait };
            }
            if let Some(place) = free.next() {
                *place = asked;
                number = number.saturating_add(1);
            }
        }
        let asked = room.get(..number).unwrap_or_default();
        let strictest = match Judges::new(self, facts, asked).judge(now) {
            Judgement::Admitted { strictest, from } => {
                for (place, asked) in asked.iter().enumerate() {
                    self.took(asked, from.of(place), known, facts, pending, now);
                }
                strictest
            }
            Judgement::Denied { limit, decision } => {
                let asked = asked.iter().find(|asked| asked.limit == limit);
                let ban = self.get(limit).and_then(|entry| entry.sentence(asked, facts));
                return Ruling::Denied { limit, decision, ban };
            }
            Judgement::Saturated { wait } => return Ruling::Saturated { wait },
        };
        for (limit, entry) in self.these(in_shadow) {
            let denies = match self.meet(limit, entry, facts, now) {
                Met::Not => false,
                Met::Lacks => true,
                Met::Asks(asked) => self.denies_in_shadow(&asked, known, facts, pending, now),
            };
            would_deny |= if denies { bit(limit) } else { 0 };
        }
        Ruling::Passes { strictest, would_deny }
    }

    /// The limits with these bits.
    fn these(&self, bits: u64) -> impl Iterator<Item = (usize, &Entry)> {
        let mut left = bits;
        core::iter::from_fn(move || {
            let limit = usize::try_from(left.trailing_zeros()).ok()?;
            left &= left.wrapping_sub(1);
            Some((limit, self.all.get(limit)?))
        })
    }

    /// What the request asks of this limit.
    fn meet(&self, limit: usize, entry: &Entry, facts: &Facts<'_>, now: Timestamp) -> Met {
        let mut asked = Asked { limit, units: entry.units(facts), ..Asked::default() };
        let mut lacks = false;
        if let Some(own) = entry.state.own() {
            let Some(made) = entry.key.make(own, facts, self.missing_peer, false) else {
                return Met::Not;
            };
            (asked.hash, lacks) = (made.hash, made.lacks);
        }
        if let (Some(value), Some(pairs)) = (&entry.distinct, entry.state.pairs()) {
            let mut hasher = pairs.key_hasher();
            lacks |= !key::feed(value, facts, false, &mut hasher);
            asked.value = u32::try_from(hasher.finish() >> 32).unwrap_or(0);
            let pair = entry.state.pair(asked.hash, asked.value);
            asked.is_known = pair.is_some_and(|pair| is_known(pair.peek_n(1, now)));
        }
        match entry.missing {
            MissingKey::Skip if lacks => Met::Not,
            MissingKey::Deny if lacks => Met::Lacks,
            _ => Met::Asks(asked),
        }
    }

    /// Notes what was taken from this limit.
    #[inline]
    fn took(
        &self,
        asked: &Asked,
        from: Source,
        known: u64,
        facts: &Facts<'_>,
        pending: &mut Pending,
        now: Timestamp,
    ) {
        // What the budget for newcomers has lent is not given back.
        let Some(entry) = self.get(asked.limit).filter(|_| from != Source::Beyond) else { return };
        if asked.is_known {
            return;
        }
        let of_network = from == Source::Network;
        if let Some(slot) = entry.settler {
            let hash = match of_network {
                true => entry.network_of(facts, self.missing_peer).0,
                false => asked.hash,
            };
            let taken = Taken { hash, value: asked.value, units: asked.units };
            pending.add(&self.settlers, known, slot, of_network, taken);
        } else if let Some(pair) = entry.state.pair(asked.hash, asked.value) {
            // Another thread may have counted the value since this one looked.
            if is_known(pair.check_n(1, now)) && !of_network {
                if let Some(bucket) = entry.state.bucket(asked.hash, false) {
                    bucket.refund_n(asked.units, now);
                }
            }
        }
    }

    /// Charges a limit in shadow by itself.
    fn denies_in_shadow(
        &self,
        asked: &Asked,
        known: u64,
        facts: &Facts<'_>,
        pending: &mut Pending,
        now: Timestamp,
    ) -> bool {
        let Some(entry) = self.get(asked.limit) else { return false };
        let check = |bucket: state::Bucket<'_>| match asked.is_known {
            true => bucket.peek_n(1, now),
            false => bucket.check_n(asked.units, now),
        };
        let Some(own) = entry.state.bucket(asked.hash, false) else { return false };
        let (mut decision, mut from) = (check(own), Source::Own);
        if decision.is_saturated() {
            // The budget for newcomers is for those that are refused without it.
            let (_, network) = entry.network_of(facts, self.missing_peer);
            let Some(network) = network else { return false };
            (decision, from) = (check(network), Source::Network);
        }
        if decision.is_saturated() {
            return false;
        }
        if decision.is_admitted() {
            self.took(asked, from, known, facts, pending, now);
        }
        decision.is_denied()
    }
}

/// Where units were taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Own,
    Network,
    Beyond,
}

impl Sources {
    fn of(self, place: usize) -> Source {
        if self.beyond & bit(place) != 0 {
            Source::Beyond
        } else if self.on_networks & bit(place) != 0 {
            Source::Network
        } else {
            Source::Own
        }
    }
}

impl Ruling {
    fn passes(strictest: Option<(usize, Decision)>) -> Self {
        Self::Passes { strictest, would_deny: 0 }
    }
}

impl Entry {
    #[inline]
    fn is_in_force(&self, facts: &Facts<'_>) -> bool {
        self.mode == RuleMode::Enforce
            && (self.share == Share::ALL || self.share.takes_in(facts.chance))
    }

    fn units(&self, facts: &Facts<'_>) -> u32 {
        match &self.cost {
            Cost::Units(units) => *units,
            Cost::Request(reader) => match reader.int(facts) {
                Some(units) => u32::try_from(units.max(0)).unwrap_or(u32::MAX),
                None => 1,
            },
        }
    }

    /// For how long the key is banned, if it is: where that is not the client's ban.
    fn banned(&self, asked: &Asked, bans: &Bans, now: Timestamp) -> Option<Duration> {
        match self.then {
            Then::Ban(_) if !self.key.is_a_network() => {
                let key = Subject::Key { scope: self.state.scope(), hash: asked.hash };
                bans.check_key(&key, now)
            }
            _ => None,
        }
    }

    /// Whom it wants to be banned for a denial.
    #[cold]
    fn sentence(&self, asked: Option<&Asked>, facts: &Facts<'_>) -> Option<Sentence> {
        let Then::Ban(ban) = self.then else { return None };
        let subject = if self.key.is_a_network() {
            Subject::Net(self.key.network(facts)?)
        } else {
            Subject::Key { scope: self.state.scope(), hash: asked?.hash }
        };
        Some(Sentence { subject, ban })
    }
}

impl Conditions {
    /// The limits that a request meets, and what holds of the conditions about its response.
    #[inline]
    fn judge(&self, facts: &Facts<'_>) -> (u64, u64) {
        let (mut limits, mut known) = (self.always, 0);
        if !self.meanings.is_empty() {
            self.index.walk(facts, |at| {
                match self.meanings.get(at) {
                    Some(Meaning::Limit(limit)) => limits |= bit(*limit),
                    Some(Meaning::Known(part)) => known |= 1_u64.checked_shl(*part).unwrap_or(0),
                    None => {}
                }
                ControlFlow::Continue(())
            });
        }
        (limits, known)
    }
}

/// The limits at a time, for `counter("name")`.
pub(super) struct LimitsAt<'a> {
    limits: &'a Limits,
    now: Timestamp,
}

impl Counters for LimitsAt<'_> {
    fn in_use(&self, limit: &str, facts: &Facts<'_>) -> i64 {
        let Self { limits, now } = *self;
        let Some(entry) = limits.all.iter().find(|entry| *entry.name == *limit) else { return 0 };
        let hash = match entry.state.own() {
            None => 0,
            Some(own) => match entry.key.make(own, facts, limits.missing_peer, false) {
                Some(made) => made.hash,
                None => return 0,
            },
        };
        let decision = entry.state.bucket(hash, false).map(|bucket| bucket.peek_n(1, now));
        let Some(decision) = decision.filter(|decision| !decision.is_saturated()) else { return 0 };
        let standing = decision.standing();
        i64::from(standing.limit()).saturating_sub(i64::from(standing.remaining()))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
