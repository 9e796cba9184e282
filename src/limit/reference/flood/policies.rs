//! The library's own store, alone and with coarser limits behind it.
//!
//! A client that finds no place in the store was not judged, and the decision says so. [`Coarser`] is what
//! a service does with that: it asks whether the client's *network* still may, by a second, much smaller
//! store, and then whether there is anything left of a *budget for newcomers*, one bucket for all of them.
//! The budget is what bounds the whole; the networks are what gives it to those who deserve it. Where
//! every request has forged a network of its own, they do not.
//!
//! A request that the coarser limits admitted is not charged to the client's own bucket, so such a client
//! may get more than its limit: as many units as the budget has, taken together.

use super::{Client, Policy, QUOTA, crowd::mixed};
use crate::{Capacity, KeyedLimiter, OnSaturation, Quota, Timestamp, TokenBucket};

/// Memory for everything that a policy remembers.
const BYTES: usize = 256 * 1024;
/// How much of it [`Coarser`] gives to networks.
const FOR_NETWORKS: usize = 16 * 1024;
/// Newcomers without a place that may pass each second, wherever they come from.
const NEWCOMERS: u64 = 5_000;

/// The store alone: who finds no place is denied.
#[derive(Debug)]
pub struct Ours {
    clients: KeyedLimiter,
}

impl Ours {
    /// So many times smaller than life, with places that depend on the seed.
    #[must_use]
    pub fn new(scale: u64, seed: u64) -> Self {
        Self { clients: limiter(BYTES, scale, seed) }
    }
}

impl Policy for Ours {
    fn check(&mut self, client: Client, now: Timestamp) -> bool {
        self.clients.check(&client.key(), now).is_admitted()
    }

    fn bytes(&self) -> usize {
        self.clients.memory_bytes()
    }
}

/// The store, and coarser limits for those who find no place.
#[derive(Debug)]
pub struct Coarser {
    clients: KeyedLimiter,
    networks: KeyedLimiter,
    newcomers: TokenBucket,
}

impl Coarser {
    /// So many times smaller than life, with places that depend on the seed.
    #[must_use]
    pub fn new(scale: u64, seed: u64) -> Self {
        let newcomers = u32::try_from(NEWCOMERS / scale).unwrap_or(u32::MAX);
        Self {
            clients: limiter(BYTES - FOR_NETWORKS, scale, seed),
            networks: limiter(FOR_NETWORKS, scale, seed),
            newcomers: TokenBucket::new(
                Quota::per_second(newcomers).burst((newcomers / 10).max(1)),
            ),
        }
    }
}

impl Policy for Coarser {
    fn check(&mut self, client: Client, now: Timestamp) -> bool {
        let decision = self.clients.check(&client.key(), now);
        if !decision.is_saturated() {
            return decision.is_admitted();
        }
        // A network that finds no place was not judged either: the budget is what is left.
        let network = self.networks.check(&client.network(), now);
        let may = network.is_admitted() || network.is_saturated();
        may && self.newcomers.check(now).is_admitted()
    }

    fn bytes(&self) -> usize {
        self.clients.memory_bytes() + self.networks.memory_bytes() + size_of::<TokenBucket>()
    }
}

/// A limiter of so many bytes, of which only the places are made fewer.
fn limiter(bytes: usize, scale: u64, seed: u64) -> KeyedLimiter {
    let own = size_of::<KeyedLimiter>();
    let scale = usize::try_from(scale).unwrap_or(usize::MAX);
    let capacity = Capacity::bytes(own + (bytes - own) / scale);
    let seeds = core::array::from_fn(|nth| mixed(seed << 3 | nth as u64));
    KeyedLimiter::danger_with_seeds(QUOTA, 0, capacity, seeds)
        .expect("a quota within the range")
        .on_saturation(OnSaturation::Deny)
}
