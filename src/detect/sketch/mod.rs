//! What is remembered of traffic: estimates of fixed size.
//!
//! An attacker chooses how many clients, paths and agents there are, so nothing here grows with them. What
//! is not kept exactly is estimated with a bound, and each structure says which.
//!
//! | structure | answers | error | memory | source |
//! |---|---|---|---|---|
//! | [`HotKeys`] | which keys are frequent, and how much | a quarter of the weight of a key's bucket | 33 KiB | Space-Saving, in buckets |
//! | [`Distinct`] | how many distinct keys | 1.6 % (one deviation) | 4 KiB | HyperLogLog, with Ertl's estimator |
//! | [`Known`] | was this network served before | 1 % false at 100,000 networks in each generation | 512 KiB | blocked Bloom filter |
//! | [`Latencies`] | median and 90th percentile | a quarter | 1 KiB | histogram of logarithms |
//! | [`Recent`] | the last sampled requests | none; a contended one is dropped | 520 KiB | ring |
//! | [`Reservoir`] | a sample of the usual good requests | none | 104 KiB | random replacement |
//!
//! # Invariants
//! - **I1** memory is allocated when a structure is made, and never after;
//! - **I2** nothing waits: a lock is tried, and what finds it taken is dropped, which the caller is told;
//! - **I3** every call does a bounded amount of work, and one that a check can run takes less than 100 µs;
//! - **I4** keys are hashes that clients can not foresee ([`KeyedHash`](super::KeyedHash)), so that nobody
//!   can aim at a bucket, a register or a line.

mod distinct;
mod hot_keys;
mod known;
mod latencies;
#[cfg(all(test, loom))]
mod loom_models;
mod recent;
#[cfg(any(test, feature = "__reference"))]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "slow and obvious, for tests, fuzzing and benches only"
)]
pub mod reference;
mod reservoir;
#[cfg(all(test, shuttle))]
mod shuttle_models;
#[cfg(test)]
mod streams;
mod top;

pub(crate) use self::{
    distinct::Distinct,
    hot_keys::HotKeys,
    known::Known,
    latencies::Latencies,
    recent::{Recent, Ticket},
    reservoir::Reservoir,
    top::Top,
};
use crate::limit::seeds::next_random;
