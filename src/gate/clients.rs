//! The limits that every client of a gate has, and who judges a client that finds no place.
//!
//! Each limit keeps a bucket per client in a [`KeyedLimiter`], and all of them are taken together or
//! not at all. A limit whose store is full does not know the next client. It is then judged for that
//! limit by something coarser:
//!
//! 1. by its *network*, a /24 of IPv4 or a /48 of IPv6, in a second, smaller store under the same
//!    quota: while the first one is full, the newcomers of a network are limited as one client;
//! 2. if that one is full as well, by the *newcomers' budget*, one bucket for all of them and for all
//!    limits.
//!
//! A flood of addresses from few networks fills the first store, and is then held to the limits of
//! those networks, which leaves newcomers from all others alone. A flood from very many networks
//! uses up the budget. Neither displaces who has a place.
//!
//! A client that is judged by the network in one moment and has a place in the next may get the
//! share of both.
//!
//! # Invariants
//! - **I1** a request takes one unit from each of its judges or from none, whichever they are;
//! - **I2** a client with a place is judged by its own bucket alone, however full the store is;
//! - **I3** each coarser judge admits no more than its own bound: a network the limit's quota, and
//!   all newcomers together the budget's;
//! - **I4** a single limit is not asked before it is charged: its first check is its answer.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, time::Duration};

use super::stats::Saturation;
use crate::{
    error::KeyedLimiterError,
    limit::{Capacity, KeyedLimiter, Limit, OnKey, TokenBucket, decide},
    quota::Quota,
    request::Client,
    time::Timestamp,
    verdict::Decision,
};

/// The limits of a gate's clients; at least one.
pub(super) struct Clients {
    limits: Box<[KeyedLimiter]>,
    /// `None` if who finds no place is not limited.
    coarse: Option<Coarse>,
    saturation: Saturation,
}

/// Who judges those that find no place.
struct Coarse {
    /// For each limit, the networks.
    networks: Box<[KeyedLimiter]>,
    newcomers: TokenBucket,
}

/// What the limits say to a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ruling {
    /// It passes; where its client stands with the strictest limit, if it has a place there.
    Passes(Option<Decision>),
    /// This limit, counted from 0, denies it.
    Denied { limit: usize, decision: Decision },
    /// The client has no place, and its network or the budget for newcomers denies it for so long.
    Saturated { wait: Duration },
}

/// Each has a bit in a word.
pub(super) const MOST_LIMITS: usize = 64;
/// Newcomers of one network are one client, so fewer networks than clients are to be expected.
const CLIENTS_PER_NETWORK: usize = 8;

impl Clients {
    /// The limits of so many clients, and the budget for newcomers; without one, who finds no place
    /// is not limited.
    ///
    /// # Errors
    /// Which limit cannot be had, counted from 0, and why.
    pub(super) fn new(
        quotas: &[Quota],
        clients: usize,
        newcomers: Option<Quota>,
    ) -> Result<Self, (usize, KeyedLimiterError)> {
        let stores = |keys: usize| {
            let build = |(limit, quota): (usize, &Quota)| {
                KeyedLimiter::new(*quota, Capacity::keys(keys)).map_err(|error| (limit, error))
            };
            quotas.iter().enumerate().map(build).collect::<Result<Vec<_>, _>>()
        };
        let limits = stores(clients)?.into_boxed_slice();
        let coarse = match newcomers {
            None => None,
            Some(quota) => Some(Coarse {
                networks: stores((clients / CLIENTS_PER_NETWORK).max(1))?.into_boxed_slice(),
                newcomers: TokenBucket::new(quota),
            }),
        };
        Ok(Self { limits, coarse, saturation: Saturation::new() })
    }

    /// Takes one unit from each limit of the client's, or from none.
    #[inline]
    pub(super) fn check(&self, client: &Client, now: Timestamp) -> Ruling {
        // One limit is the common case, and there is nobody to compare it with.
        if let [only] = &*self.limits {
            return self.rule(client, 0, only.check(client, now), now);
        }
        let answer = decide(self.limits.iter().map(|limit| (limit.on_key(client), 1)), now);
        match (answer.decision(), answer.strictest()) {
            (Some(decision), Some(limit)) => self.rule(client, limit, decision, now),
            _ => Ruling::Passes(None),
        }
    }

    #[inline]
    fn rule(&self, client: &Client, limit: usize, decision: Decision, now: Timestamp) -> Ruling {
        if decision.is_admitted() {
            Ruling::Passes(Some(decision))
        } else if decision.is_saturated() {
            self.check_coarsely(client, limit, decision, now)
        } else {
            Ruling::Denied { limit, decision }
        }
    }

    /// The same for a client that has no place in this limit. Nobody has been charged so far.
    ///
    /// Each round moves at least one limit on to a coarser judge. Only a race with another thread
    /// makes more than three of them.
    #[cold]
    fn check_coarsely(
        &self,
        client: &Client,
        limit: usize,
        saturated: Decision,
        now: Timestamp,
    ) -> Ruling {
        let network = client.network();
        let mut judges = Judges { own: self, client, network: &network, on_networks: 0, beyond: 0 };
        judges.move_on(limit);
        judges.move_on_where_full(now);
        let answer = loop {
            let answer = decide(judges.present().map(|(_, judge)| (judge, 1)), now);
            let full = answer.decision().is_some_and(|decision| decision.is_saturated());
            match judges.name(answer.strictest()) {
                Some(name) if full && answer.is_denied() => {
                    judges.move_on(name);
                    judges.move_on_where_full(now);
                }
                _ => break answer,
            }
        };
        self.saturation.unseated.add();
        if judges.beyond != 0 && self.coarse.is_some() {
            self.saturation.by_newcomers.add();
        } else if judges.on_networks != 0 {
            self.saturation.by_network.add();
        }
        let name = judges.name(answer.strictest());
        let own = name.filter(|name| judges.is_own(*name));
        match (answer.decision(), own) {
            (Some(decision), Some(limit)) if decision.is_denied() => {
                Ruling::Denied { limit, decision }
            }
            (Some(decision), None) if decision.is_denied() => {
                let wait = match decision.standing().retry_after() {
                    // A budget of nothing; but places get free, and not before this.
                    Duration::MAX => saturated.standing().retry_after(),
                    wait => wait,
                };
                Ruling::Saturated { wait }
            }
            // Where the network or the budget stands is not where the client does.
            (decision, own) => Ruling::Passes(own.and(decision)),
        }
    }

    pub(super) fn saturation(&self) -> &Saturation {
        &self.saturation
    }

    /// What a client has left in each limit, of its own.
    #[cfg(test)]
    pub(super) fn remaining(&self, client: &Client, now: Timestamp) -> Vec<u32> {
        let limits = self.limits.iter();
        limits.map(|limit| limit.peek_n(client, 1, now).standing().remaining()).collect()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let networks = self.coarse.iter().flat_map(|coarse| &coarse.networks);
        self.limits
            .iter()
            .chain(networks)
            .fold(0, |sum, store| sum.saturating_add(store.memory_bytes()))
    }
}

/// Who judges a client in each limit: its own bucket, its network's, or what is beyond these.
#[derive(Clone, Copy)]
struct Judges<'a> {
    own: &'a Clients,
    client: &'a Client,
    network: &'a Client,
    /// The limits that have no place for the client, a bit each.
    on_networks: u64,
    /// The limits that have none for its network either: the budget's, or nobody's.
    beyond: u64,
}

/// One of them.
#[derive(Clone, Copy)]
enum Judge<'a> {
    Bucket(OnKey<'a>),
    Budget(&'a TokenBucket),
}

impl<'a> Judges<'a> {
    /// All that there are, with the limits that they judge for. The budget is one for all limits, and
    /// has none.
    fn present(self) -> impl Iterator<Item = (Option<usize>, Judge<'a>)> + Clone {
        let Self { own, client, network, on_networks, beyond } = self;
        let buckets = own.limits.iter().enumerate().filter_map(move |(at, limit)| {
            let bucket = if beyond & bit(at) != 0 {
                return None;
            } else if on_networks & bit(at) != 0 {
                own.coarse.as_ref()?.networks.get(at)?.on_key(network)
            } else {
                limit.on_key(client)
            };
            Some((Some(at), Judge::Bucket(bucket)))
        });
        let budget = own.coarse.as_ref().filter(|_| beyond != 0);
        buckets.chain(budget.map(|coarse| (None, Judge::Budget(&coarse.newcomers))))
    }

    /// The limit that the nth of those present judges for.
    fn name(self, nth: Option<usize>) -> Option<usize> {
        self.present().nth(nth?).and_then(|(limit, _)| limit)
    }

    fn is_own(self, limit: usize) -> bool {
        (self.on_networks | self.beyond) & bit(limit) == 0
    }

    /// This limit has no place for whom it was asked about.
    fn move_on(&mut self, limit: usize) {
        if self.own.coarse.is_some() && self.is_own(limit) {
            self.on_networks |= bit(limit);
        } else {
            self.on_networks &= !bit(limit);
            self.beyond |= bit(limit);
        }
    }

    /// So that many full limits take one round and not one each.
    fn move_on_where_full(&mut self, now: Timestamp) {
        if self.own.limits.len() == 1 {
            return;
        }
        let before = *self;
        for (limit, judge) in before.present() {
            if let Some(limit) = limit.filter(|_| judge.peek_n(1, now).is_saturated()) {
                self.move_on(limit);
            }
        }
    }
}

impl Limit for Judge<'_> {
    fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        match self {
            Self::Bucket(bucket) => bucket.peek_n(n, now),
            Self::Budget(budget) => budget.peek_n(n, now),
        }
    }

    fn check_n(&self, n: u32, now: Timestamp) -> Decision {
        match self {
            Self::Bucket(bucket) => bucket.check_n(n, now),
            Self::Budget(budget) => budget.check_n(n, now),
        }
    }

    fn refund_n(&self, n: u32, now: Timestamp) {
        match self {
            Self::Bucket(bucket) => bucket.refund_n(n, now),
            Self::Budget(budget) => budget.refund_n(n, now),
        }
    }
}

fn bit(limit: usize) -> u64 {
    // There are no more than `MOST_LIMITS`.
    u32::try_from(limit).ok().and_then(|limit| 1_u64.checked_shl(limit)).unwrap_or(0)
}

/// How many limits, not whom they know.
impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("limits", &self.limits.len()).finish_non_exhaustive()
    }
}
