//! Several limits asked together, and who judges a key that finds no place.
//!
//! A limit whose store is full does not know the next key. It is then judged for that limit by something
//! coarser:
//!
//! 1. a limit of clients asks by the *network*, a /24 of IPv4 or a /48 of IPv6, in a second, smaller
//!    store under the same quota: while the first one is full, the newcomers of a network are limited as
//!    one client;
//! 2. if that one is full as well, and for limits by other keys, the *newcomers' budget* decides: one bucket
//!    for all of them and for all limits.
//!
//! A flood of addresses from few networks fills the first store, and is then held to the limits of
//! those networks, which leaves newcomers from all others alone. A flood from very many networks
//! uses up the budget. Neither displaces who has a place.
//!
//! A client that is judged by the network in one moment and has a place in the next may get the
//! share of both.
//!
//! # Invariants
//! - **I1** a request takes its units from each of its judges or from none, whichever they are;
//! - **I2** a key with a place is judged by its own bucket alone, however full the store is;
//! - **I3** each coarser judge admits no more than its own bound: a network the limit's quota, and
//!   all newcomers together the budget's;
//! - **I4** a single limit is not asked before it is charged: its first check is its answer.

use core::time::Duration;

use super::{Entry, Limits, state::Bucket};
use crate::{
    limit::{AdjustableBucket, Limit, decide},
    rule::Facts,
    time::Timestamp,
    verdict::Decision,
};

/// What a request asks of one limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// The limit, counted from 0.
    pub(super) limit: usize,
    pub(super) hash: u64,
    /// The hash of the value, if only distinct ones count.
    pub(super) value: u32,
    pub(super) units: u32,
    /// The value was counted already: the request takes nothing, and passes if there is a unit.
    pub(super) is_known: bool,
}

/// Who judges a request in each limit: its key's bucket, its network's, or what is beyond these.
#[derive(Clone, Copy)]
pub(super) struct Judges<'a> {
    limits: &'a Limits,
    facts: &'a Facts<'a>,
    asked: &'a [Asked],
    /// Those of `asked` that have no place for the key, a bit each.
    on_networks: u64,
    /// Those that have none for its network either: the budget's, or nobody's.
    beyond: u64,
    /// They say what they would, and nobody takes or counts anything.
    only_looks: bool,
    /// The request counts as one without a place already.
    is_counted: bool,
}

/// What they say.
pub(super) enum Judgement {
    /// The strictest limit, and where the key stands with it, if it has a place there.
    Admitted {
        strictest: Option<(usize, Decision)>,
        from: Sources,
    },
    Denied {
        limit: usize,
        decision: Decision,
    },
    Saturated {
        wait: Duration,
    },
}

/// Where units were taken from: bits as in [`Judges`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    pub(super) on_networks: u64,
    pub(super) beyond: u64,
}

/// One of the judges.
#[derive(Clone, Copy)]
enum Judge<'a> {
    Bucket(Bucket<'a>),
    /// A bucket that is asked whether there is a unit, and keeps it.
    Asked(Bucket<'a>),
    /// A bucket, only to know what it would say.
    Looked(Bucket<'a>),
    Budget(&'a AdjustableBucket),
    /// The budget, only to know what it would say.
    LookedBudget(&'a AdjustableBucket),
}

impl<'a> Judges<'a> {
    /// `is_counted` is whether the request has been counted as one without a place.
    pub(super) fn new(
        limits: &'a Limits,
        facts: &'a Facts<'a>,
        asked: &'a [Asked],
        is_counted: bool,
    ) -> Self {
        Self { limits, facts, asked, on_networks: 0, beyond: 0, only_looks: false, is_counted }
    }

    /// The same, to find out what they would say.
    pub(super) fn looking(limits: &'a Limits, facts: &'a Facts<'a>, asked: &'a [Asked]) -> Self {
        Self { only_looks: true, ..Self::new(limits, facts, asked, true) }
    }

    /// Takes from all of them, or from none.
    #[inline]
    pub(super) fn judge(self, now: Timestamp) -> Judgement {
        let answer = decide(self.present().map(|(_, units, judge)| (judge, units)), now);
        let Some(decision) = answer.decision() else {
            return Judgement::Admitted { strictest: None, from: Sources::default() };
        };
        let place = self.place(answer.strictest());
        if decision.is_admitted() {
            let strictest = self.limit(place).map(|limit| (limit, decision));
            return Judgement::Admitted { strictest, from: Sources::default() };
        }
        match place {
            Some(place) if decision.is_saturated() => self.judge_coarsely(place, decision, now),
            place => self.denied(place, decision),
        }
    }

    /// The same for a key that has no place in this one of its limits. Nobody has been charged so far.
    ///
    /// Each round moves at least one limit on to a coarser judge. Only a race with another thread
    /// makes more than three of them.
    #[cold]
    pub(super) fn judge_coarsely(
        mut self,
        place: usize,
        saturated: Decision,
        now: Timestamp,
    ) -> Judgement {
        self.move_on(place);
        self.move_on_where_full(now);
        let answer = loop {
            let answer = decide(self.present().map(|(_, units, judge)| (judge, units)), now);
            let full = answer.decision().is_some_and(|decision| decision.is_saturated());
            match self.place(answer.strictest()) {
                Some(place) if full && answer.is_denied() => {
                    self.move_on(place);
                    self.move_on_where_full(now);
                }
                _ => break answer,
            }
        };
        if !self.only_looks {
            self.count();
        }
        let own = self.place(answer.strictest()).filter(|place| self.is_own(*place));
        match (answer.decision(), own) {
            (Some(decision), Some(place)) if decision.is_denied() => {
                self.denied(Some(place), decision)
            }
            (Some(decision), None) if decision.is_denied() => {
                let wait = match decision.standing().retry_after() {
                    // A budget of nothing; but places get free, and not before this.
                    Duration::MAX => saturated.standing().retry_after(),
                    wait => wait,
                };
                Judgement::Saturated { wait }
            }
            // Where the network or the budget stands is not where the key does.
            (decision, own) => Judgement::Admitted {
                strictest: self.limit(own).zip(decision),
                from: Sources { on_networks: self.on_networks, beyond: self.beyond },
            },
        }
    }

    fn count(&self) {
        let counts = &self.limits.saturation;
        if !self.is_counted {
            counts.unseated.add();
        }
        if self.beyond != 0 && self.limits.newcomers.is_some() {
            counts.by_newcomers.add();
        } else if self.on_networks != 0 {
            counts.by_network.add();
        }
    }

    fn denied(&self, place: Option<usize>, decision: Decision) -> Judgement {
        match self.limit(place) {
            Some(limit) => Judgement::Denied { limit, decision },
            None => Judgement::Saturated { wait: decision.standing().retry_after() },
        }
    }

    /// All judges that there are, with the places of those that they judge for. The budget is one for all
    /// limits, and has none.
    fn present(self) -> impl Iterator<Item = (Option<usize>, u32, Judge<'a>)> + Clone {
        let buckets = self.asked.iter().enumerate().filter_map(move |(place, asked)| {
            let bucket = self.bucket(place, asked)?;
            let units = if asked.is_known { 1 } else { asked.units };
            let judge = match asked.is_known {
                _ if self.only_looks => Judge::Looked(bucket),
                true => Judge::Asked(bucket),
                false => Judge::Bucket(bucket),
            };
            Some((Some(place), units, judge))
        });
        let budget = self.limits.newcomers.as_ref().filter(|_| self.beyond != 0);
        let only_looks = self.only_looks;
        buckets.chain(budget.map(move |budget| {
            let judge =
                if only_looks { Judge::LookedBudget(budget) } else { Judge::Budget(budget) };
            (None, 1, judge)
        }))
    }

    fn bucket(&self, place: usize, asked: &Asked) -> Option<Bucket<'a>> {
        if (self.on_networks | self.beyond) & bit(place) == 0 {
            return self.limits.get(asked.limit)?.state.bucket(asked.hash, false);
        }
        if self.beyond & bit(place) != 0 {
            return None;
        }
        self.limits.get(asked.limit)?.network_of(self.facts, self.limits.missing_peer).1
    }

    /// For which limit the nth of those present judges.
    fn place(self, nth: Option<usize>) -> Option<usize> {
        if (self.on_networks | self.beyond) == 0 {
            return nth;
        }
        self.present().nth(nth?).and_then(|(place, ..)| place)
    }

    fn limit(&self, place: Option<usize>) -> Option<usize> {
        place.and_then(|place| self.asked.get(place)).map(|asked| asked.limit)
    }

    fn is_own(&self, place: usize) -> bool {
        (self.on_networks | self.beyond) & bit(place) == 0
    }

    /// This limit has no place for whom it was asked about.
    fn move_on(&mut self, place: usize) {
        let entry = self.asked.get(place).and_then(|asked| self.limits.get(asked.limit));
        let has_networks = entry.is_some_and(|entry| entry.state.networks().is_some());
        if has_networks && self.is_own(place) && self.limits.newcomers.is_some() {
            self.on_networks |= bit(place);
        } else {
            self.on_networks &= !bit(place);
            self.beyond |= bit(place);
        }
    }

    /// So that many full limits take one round and not one each.
    fn move_on_where_full(&mut self, now: Timestamp) {
        if self.asked.len() == 1 {
            return;
        }
        let before = *self;
        for (place, units, judge) in before.present() {
            if let Some(place) = place.filter(|_| judge.peek_n(units, now).is_saturated()) {
                self.move_on(place);
            }
        }
    }
}

impl Entry {
    /// The hash of the request's network, and its bucket.
    pub(super) fn network_of(
        &self,
        facts: &Facts<'_>,
        missing: crate::gate::MissingPeer,
    ) -> (u64, Option<Bucket<'_>>) {
        let made = self
            .state
            .networks()
            .and_then(|store| self.key.make(store.hasher(), facts, missing, true));
        let hash = made.map_or(0, |made| made.hash);
        (hash, made.and_then(|_| self.state.bucket(hash, true)))
    }
}

impl Limit for Judge<'_> {
    #[inline]
    fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        match self {
            Self::Bucket(bucket) | Self::Asked(bucket) => bucket.peek_n(n, now),
            Self::Looked(bucket) => bucket.look_n(n, now),
            Self::Budget(budget) | Self::LookedBudget(budget) => budget.peek_n(n, now),
        }
    }

    #[inline]
    fn check_n(&self, n: u32, now: Timestamp) -> Decision {
        match self {
            Self::Bucket(bucket) => bucket.check_n(n, now),
            Self::Asked(bucket) => bucket.peek_n(n, now),
            Self::Looked(bucket) => bucket.look_n(n, now),
            Self::Budget(budget) => budget.check_n(n, now),
            Self::LookedBudget(budget) => budget.peek_n(n, now),
        }
    }

    fn refund_n(&self, n: u32, now: Timestamp) {
        match self {
            Self::Bucket(bucket) => bucket.refund_n(n, now),
            Self::Asked(_) | Self::Looked(_) | Self::LookedBudget(_) => {}
            Self::Budget(budget) => budget.refund_n(n, now),
        }
    }
}

/// The bit of the nth limit, or of the nth place; there are no more than 64.
#[inline]
pub(super) fn bit(at: usize) -> u64 {
    u32::try_from(at).ok().and_then(|at| 1_u64.checked_shl(at)).unwrap_or(0)
}
