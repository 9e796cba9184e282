//! A fleet in a time that is made up: nodes, requests, a network, and a store that serves one call after the other.
//!
//! Requests come as they come (Poisson), each to one of the nodes. Calls take their time on the way, get lost, and
//! queue at the store, which is busy for some microseconds with each. Nodes can be cut off, and clocks can step.
//! It tells what a lease rule costs and what it admits, in a second of ours for many seconds of a fleet.
//!
//! # What it shows
//! A store is busy for about 5 µs with a call, so that some 200,000 calls a second are the end of it. With leases of
//! 100 ms:
//!
//! | | calls a second | calls of a request | admitted, of the limit |
//! |---|---|---|---|
//! | 4 nodes, 1,000/s, 5,000/s offered | 53 | 0.011 | 0.9996 |
//! | 4 nodes, 1,000/s, 20,000/s offered | 53 | 0.003 | 0.9999 |
//! | 16 nodes, 1,000/s, 5,000/s offered | 203 | 0.041 | 0.9997 |
//! | 1,000 nodes, 100,000/s, 1,000,000/s offered | 13,900 | 0.014 | 0.999 |
//! | the same, of 10,000 keys of 10/s each | 156,000: as many as come in time | 0.16 | 0.73 |
//!
//! So one key that all nodes use costs each node a call in three quarters of a lease, whatever is offered. Keys that each
//! node sees seldom cost a call for each request, as there is no habit to lease by; a store that has too many of them answers
//! as many as it can, and the rest falls back.
//!
//! # How to grow
//! - *Many keys* lie in the slots of a cluster by their subject: `S` shards carry `S` times as much (the last row on 8
//!   of them: nothing falls back). A load balancer that sends a client to the same node each time saves more: a node
//!   that sees a key often remembers its denials and has leases of it.
//! - *One key that is too hot for a shard* is cut into sub-buckets: subjects of their own, so that they lie on
//!   shards of their own, each with `quota / S`, and each node takes from the one with the number `node % S`. Together
//!   they admit what the quota says as long as requests are spread over nodes about evenly; a sub-bucket whose nodes are
//!   idle keeps its part from the others. At 7 % of a store for 1,000 nodes nobody needs it soon.

mod play;

use alloc::vec::Vec;
use core::{ops::Range, time::Duration};

use self::play::Play;
use crate::Quota;

/// What is played.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Nodes of the fleet.
    pub nodes: u32,
    /// Keys, each of which has the whole quota; requests choose one at random.
    pub keys: u32,
    /// Instead, each node uses its own, or one with some others: a load balancer that knows clients, or sub-buckets.
    pub by_node: bool,
    /// Requests a second, of the whole fleet.
    pub offered: u32,
    /// What a key may use.
    pub quota: Quota,
    /// How long leases are.
    pub lease: Duration,
    /// How long it goes on.
    pub time: Duration,
    /// How long a call takes to the store and back, at least and less than.
    pub latency: Range<Duration>,
    /// How long the store is busy with a call.
    pub service: Duration,
    /// Stores, each with its part of the keys.
    pub shards: u32,
    /// Of 1,000 calls, so many get lost.
    pub lost: u32,
    /// What happens on the way.
    pub events: Vec<(Duration, Happening)>,
    /// What chance is made of.
    pub seed: u64,
}

/// What happens to a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The first of the nodes, so many, cannot reach the store.
    CutOff(u32),
    /// All nodes can.
    Healed,
    /// The clock of this node is set, so many milliseconds ahead or back.
    NodeClock(u32, i64),
    /// That of the store.
    StoreClock(i64),
    /// The store forgets everything.
    Flush,
}

/// What has come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Requests that came.
    pub requests: u64,
    /// Those that the store's units let pass.
    pub admitted: u64,
    /// Those that were told to wait.
    pub denied: u64,
    /// Those that nobody could be asked about.
    pub unknown: u64,
    /// Calls that were made.
    pub calls: u64,
    /// Calls that were too late.
    pub timeouts: u64,
    /// The time that the busiest store was busy.
    pub busy: Duration,
    /// Units that the store has granted.
    pub granted: u64,
    /// The most, over any interval of any length `x` and any key, that more than `rate · x` was admitted.
    pub excess: u64,
    /// Admitted by the node with the fewest, and by the one with the most.
    pub by_node: (u64, u64),
}

impl Scenario {
    /// So many nodes that share one key, of which so much is asked: 100 ms leases, 60 seconds, about a millisecond to the
    /// store and back, and nothing goes wrong.
    #[must_use]
    pub fn new(nodes: u32, offered: u32, quota: Quota) -> Self {
        Self {
            nodes,
            keys: 1,
            by_node: false,
            offered,
            quota,
            lease: Duration::from_millis(100),
            time: Duration::from_secs(60),
            latency: Duration::from_micros(500)..Duration::from_micros(1_500),
            service: Duration::from_nanos(5_100),
            shards: 1,
            lost: 0,
            events: Vec::new(),
            seed: 1,
        }
    }

    /// Plays it.
    ///
    /// # Panics
    /// If it cannot be played: no nodes, no keys, a quota that a fleet cannot have.
    #[must_use]
    pub fn play(&self) -> Outcome {
        let mut play = Play::new(self);
        play.run();
        play.outcome()
    }

    /// What the quota lets pass of all keys in that time.
    #[must_use]
    pub fn allowed(&self) -> u64 {
        let rate = u128::from(self.quota.count()) * self.time.as_nanos();
        let units = u128::from(self.quota.max_burst()) + rate / self.quota.period().as_nanos();
        u64::try_from(units * u128::from(self.keys)).expect("64 bits")
    }
}
