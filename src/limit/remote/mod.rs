//! Limits that a whole fleet shares: one bucket in a store such as Redis or Valkey, and many nodes that take
//! from it; without doing any input or output.
//!
//! A limit inside one process multiplies with the number of processes. What makes it one limit is a bucket that
//! all of them take from. This module knows what is to be asked of the store, and what its answers mean;
//! whoever uses it asks: the adapter of the feature `redis-1`, or anything that is a [`Store`].
//!
//! # How
//! - A node takes units in advance, as a *lease*, and hands them out itself: where keys are busy, most requests ask
//!   nobody. How many depends on how fast the key has used them here lately, and is never more than its part of
//!   half the burst, nor of half of what comes back in a second: what is leased and not used is lost.
//! - A *denial* is remembered for as long as the store says that waiting takes, and at least for half a lease to
//!   a whole one, by chance: who is over the limit causes no calls, and nodes do not come back in step. Whoever comes
//!   after the last unit is denied in the same way, without a call.
//! - Only one call for a key is on its way from a node at a time; others wait for what it brings, and are asked for
//!   together with the next one. A node asks 1,024 times at once at most, whoever invents keys, and less
//!   often as soon as answers come too late.
//! - A call takes from all of the keys that it names, or from none; what it grants is paid before it is spent.
//! - A store that fails is not waited for: after [five failures](FleetStats::is_open) within a second it is asked
//!   four times a second, by one request each, and limits do [what they are told to](OnFailure) meanwhile.
//!
//! | part | idea |
//! |---|---|
//! | `settings`, `limit` | what a fleet is, and one of its limits |
//! | `rate`, `reference` | the exact arithmetic that the script does, and the same once more in integers |
//! | `subject` | whose bucket it is, hashed alike on all nodes |
//! | `call`, `script` | what goes to the store, and what comes back |
//! | `keys` | what a node remembers of each key: its lease, its denial, the call that is on its way |
//! | `fetch`, `window`, `breaker` | who waits for a call, and whether one is made at all |
//! | `fleet`, `step` | a check, in steps between which somebody asks the store |
//! | `store` | who asks it |
//!
//! # Invariants
//! - **I1** units are handed out once: each was granted by the store before, and is in a lease, in a check that
//!   is not over, or spent;
//! - **I2** while the store answers, all nodes together admit at most `burst + rate · x + leases` units of a key over
//!   any interval of length `x`, where leases are what was taken in advance, at most half the burst, and what was
//!   granted to requests that then did not take it: those that were waiting, were dropped, or that another limit
//!   refused. With more nodes than [`FleetSettings::nodes`] says, leases add up to more; while the store fails, the
//!   parts that nodes let pass by themselves come to it;
//! - **I3** no unit is kept longer than [a second](LEASE_AGE) and its check, and no denial longer than it is told to be;
//! - **I4** memory is fixed when a [`Fleet`] is made; keys that it has no room for are asked about each time;
//! - **I5** a check is over at its deadline, whatever the store does, and whoever is dropped in the middle leaves
//!   what it took to others; what it has sent is heard all the same, where the store can [keep](Store::keep) it.
//!
//! # How much a store can do
//! It is asked at most about 15 times a second by each node for a key that all of them use and that is over its limit, with
//! leases of 100 ms. Keys that a node sees seldom cost a call for each request, as there is no habit to lease by: what
//! a store cannot do then comes too late, and limits fall back. A cluster, or a load balancer that sends a client to the same
//! node, is the way out; see the simulation among the references.
//!
//! # Time
//! The store's clock rules the buckets: nodes may be wrong about the time as much as they like. A node's own
//! clock, `now`, tells only how old leases and denials are. When it goes back, they are forgotten.

mod breaker;
mod call;
mod error;
mod fetch;
mod fleet;
mod held;
mod keys;
mod limit;
mod rate;
#[cfg(any(test, feature = "__reference"))]
#[doc(hidden)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a model in 128 bits, for tests, fuzzing and benches only"
)]
pub mod reference;
mod script;
mod settings;
mod stats;
mod step;
mod store;
mod subject;
mod window;

pub(crate) use self::step::Open;
pub use self::{
    call::{Call, StoreError},
    error::FleetError,
    fetch::Wait,
    fleet::Fleet,
    held::{Ask, Held},
    keys::LEASE_AGE,
    limit::{Claim, FleetLimit},
    script::{SCRIPT, SCRIPT_SHA1},
    settings::{FleetSettings, OnFailure},
    stats::FleetStats,
    step::{Answer, Answers, MOST_CLAIMS, Step},
    store::Store,
    subject::{Subject, SubjectHasher},
};

#[cfg(feature = "config")]
pub(crate) use self::settings::{KEYS, LEASE_MS, NODES, TIMEOUT_MS};
pub(crate) use self::{limit::divided, rate::can_count};

#[cfg(all(test, not(loom)))]
mod tests;
