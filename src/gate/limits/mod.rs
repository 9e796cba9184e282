//! The limits of a gate: which of them a request meets, and what they say together.
//!
//! A limit has a condition, a key, and a bucket for each key, or so many places in flight; of those that a
//! request meets all are charged, or none.
//!
//! | part | idea |
//! |---|---|
//! | `build` | a description becomes limits, with the buckets of those before where it can |
//! | `key` | what is counted together, hashed where it lies |
//! | `state` | the buckets, which outlive a reload |
//! | `conditions` | which of them a request meets |
//! | `take` | what a check takes: from all of them, or from none |
//! | `judge` | several buckets together, and who judges a key that finds no place |
//! | `in_flight` | limits of requests in flight, which have places instead of buckets |
//! | `shared` | limits of a fleet, whose store may have to be asked |
//! | `foresee` | what they would say, for explanations and for expressions |
//! | `room` | how full their stores are |
//! | `client` | what they say of a client before it asks for anything |
//! | `pending`, `count` | what only the response can settle, or the end of it |
//! | `rule` | how a service describes a limit |
//!
//! # Invariants
//! - **I1** a request that is denied has taken from no limit, and one that passes from each that it meets;
//! - **I2** a limit in shadow counts what passes, and neither denies nor keeps others from being charged;
//! - **I3** a check allocates nothing, reads no clock, and takes no lock but that of one shard for each limit
//!   of requests in flight that it meets, of one set of keys for each of a fleet, and of a table of bans for a key that
//!   is or may be banned;
//! - **I4** memory is allocated when limits are built, and does not grow;
//! - **I5** a limit whose definition stays keeps its buckets over a reload, and so does one that changes
//!   its mode or, where its store can, its quota; a limit of requests in flight keeps its places;
//! - **I6** requests in flight count: those that a `count_if` will give back, too; and a place in flight is
//!   given back once, to where it was taken;
//! - **I7** a limit with a `count_if` bans only for responses that have counted: what is in flight is denied to others
//!   of the key, and bans nobody.
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
mod conditions;
mod count;
mod foresee;
mod in_flight;
mod judge;
mod key;
mod pending;
mod room;
mod rule;
mod shared;
mod state;
mod take;

use alloc::{boxed::Box, sync::Arc};
use core::{
    hash::{BuildHasher, Hasher},
    time::Duration,
};

#[cfg(feature = "config")]
pub(super) use build::unfit_for_a_fleet;
pub(super) use build::{problems, unfit_for_a_key};
pub(super) use in_flight::AGAIN_IN;
pub use in_flight::InFlight;
#[cfg(feature = "config")]
pub(super) use in_flight::unfit;
pub use pending::Hold;
pub(crate) use pending::Pending;
pub(super) use room::Room;
pub use rule::LimitRule;
pub(super) use shared::Pause;

use self::{
    conditions::Conditions,
    judge::Asked,
    key::Key,
    pending::{Settler, is_known},
    state::State,
};
use super::{
    MissingPeer,
    bans::{Bans, Subject},
    plan::{MissingKey, Then},
    stats::Saturation,
};
use crate::{
    limit::{
        AdjustableBucket, Share, decide,
        remote::{Fleet, FleetLimit, Held},
    },
    request::{Client, canonical::Needs},
    rule::{Ban, Facts, Name, Reader, RuleMode},
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
    /// Those of requests in flight, a bit each.
    in_flight: u64,
    /// Those of a fleet, a bit each; and the node that they are checked with.
    shared: u64,
    node: Option<Fleet>,
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
    /// Whom its buckets here only stand in for.
    fleet: Option<FleetLimit>,
}

enum Cost {
    Units(u32),
    Request(Reader),
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
    /// Requests in flight have all places of this limit, which are each key's or of all.
    Full { limit: usize, of_all: bool, units: u32 },
    /// This limit has banned the request's key before.
    Banned { limit: usize, wait: Duration },
    /// It lacks a part of this limit's key.
    MissingKey { limit: usize },
    /// The store of this limit does not answer, and it is closed then.
    Unavailable { limit: usize },
    /// The store is to be asked, or waited for; nothing has been taken.
    Suspended(Box<Pause>),
    /// The key has no place, and its network or the budget for newcomers denies it for so long; or there is
    /// neither to ask.
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
    /// A store would have to be asked.
    Elsewhere,
    /// Where it stands with a limit of requests in flight, and whether there is a place.
    InFlight { now: InFlight, fits: Fits },
}

/// Whether a limit of requests in flight has a place for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fits {
    In,
    Not,
    /// The key has no seat.
    Nowhere,
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
    /// settle goes to `pending`. The store of a fleet is asked only if something is `held`.
    #[inline(never)]
    pub(super) fn check(
        &self,
        facts: &Facts<'_>,
        bans: &Bans,
        pending: &mut Pending,
        held: Option<Held>,
        now: Timestamp,
    ) -> Ruling {
        let (met, known) = self.conditions.judge(facts);
        let ruling = match met.count_ones() {
            0 => Ruling::passes(None),
            1..=4 => self.check_met::<FEW>((met, known), facts, bans, pending, held, now),
            _ => self.check_met::<MOST_LIMITS>((met, known), facts, bans, pending, held, now),
        };
        if !matches!(ruling, Ruling::Passes { .. }) {
            pending.give_up();
        }
        ruling
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

    /// What is read of a request's canonical form.
    pub(super) fn needs(&self) -> Needs {
        let of = |entry: &Entry| {
            let cost = match &entry.cost {
                Cost::Units(_) => Needs::NOTHING,
                Cost::Request(cost) => cost.needs(),
            };
            let distinct = entry.distinct.as_ref().map_or(Needs::NOTHING, Reader::needs);
            entry.key.needs().union(cost).union(distinct)
        };
        self.all.iter().map(of).fold(self.conditions.index.needs(), Needs::union)
    }

    pub(super) fn saturation(&self) -> &Saturation {
        &self.saturation
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let states = self.all.iter().map(|entry| entry.state.memory_bytes());
        let each = size_of::<Entry>().saturating_add(size_of::<Settler>());
        let node = self.node.as_ref().map_or(0, Fleet::memory_bytes);
        states
            .fold(node.saturating_add(self.conditions.index.memory_bytes()), usize::saturating_add)
            .saturating_add(self.all.len().saturating_mul(each))
    }

    fn get(&self, limit: usize) -> Option<&Entry> {
        self.all.get(limit)
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
        if let Some(hasher) = entry.state.hasher() {
            let Some(made) = entry.key.make(hasher, facts, self.missing_peer, false) else {
                return Met::Not;
            };
            (asked.hash, lacks) = (made.hash, made.lacks);
        }
        if let (Some(value), Some(pairs)) = (&entry.distinct, entry.state.pairs()) {
            let mut hasher = pairs.hasher().build_hasher();
            lacks |= !key::feed(value, facts, false, &mut hasher);
            asked.value = u32::try_from(hasher.finish() >> 32).unwrap_or(0);
            let pair = entry.state.pair(asked.hash, asked.value);
            asked.is_known = pair.is_some_and(|pair| is_known(pair.look_n(1, now)));
        }
        match entry.missing {
            MissingKey::Skip if lacks => Met::Not,
            MissingKey::Deny if lacks => Met::Lacks,
            _ => Met::Asks(asked),
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
    fn sentence(
        &self,
        asked: Option<&Asked>,
        facts: &Facts<'_>,
        now: Timestamp,
    ) -> Option<Sentence> {
        let Then::Ban(ban) = self.then else { return None };
        // What is in flight may all be well: who has used up the limit with that is throttled, and no more (I7).
        if let Some((asked, counted)) =
            asked.and_then(|asked| Some((asked, self.state.counted(asked.hash)?)))
        {
            let left = counted.look_n(asked.units, now);
            let (remaining, most) = (left.standing().remaining(), left.standing().limit());
            // What a request costs can be its client's choice: then nothing may be left, or who asks for much at once
            // would be banned for what one failure has taken.
            let is_used_up = match self.cost {
                Cost::Units(_) => remaining < most,
                Cost::Request(_) => remaining == 0,
            };
            if left.is_admitted() || left.is_saturated() || !is_used_up {
                return None;
            }
        }
        let subject = if self.key.is_a_network() {
            Subject::Net(self.key.network(facts)?)
        } else {
            Subject::Key { scope: self.state.scope(), hash: asked?.hash }
        };
        Some(Sentence { subject, ban })
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
