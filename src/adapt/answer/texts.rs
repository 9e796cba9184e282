//! What is said of a gate's limits, made ahead for each generation of them.
//!
//! A response only fills in numbers. Names, quotas and descriptions are written once per generation: who is
//! the first to tell a client about a limit of a newer generation writes them anew, and the others read.
//!
//! # Invariants
//! - **I1** nothing is said of a limit of another generation than the one that decided: numbers of limits
//!   mean something in one generation only. Where the texts of an answer are gone, its response has no
//!   fields;
//! - **I2** readers take no lock and wait for nobody.
//!
//! # Bounds
//! Below a kilobyte for each of at most 64 limits, allocated when an adapter is made and when the limits change.

use alloc::{boxed::Box, vec::Vec};

use bytes::Bytes;

use super::{digits::Digits, escape, grpc::Said, numbers::Window, problem};
use crate::{
    gate::{Bound, Gate, Policies},
    sync::Swap,
    verdict::LimitAt,
};

/// The texts of all limits.
pub(in crate::adapt) struct Texts(Swap<Generation>);

struct Generation {
    number: u32,
    limits: Box<[LimitText]>,
}

/// What is said of one limit.
#[derive(Debug)]
pub(super) struct LimitText {
    pub(super) bound: Bound,
    /// The value of `RateLimit-Policy`.
    pub(super) policy: Bytes,
    /// The value of `RateLimit` up to the units that are left.
    pub(super) left: Box<[u8]>,
    /// The value of `X-RateLimit-Limit`.
    pub(super) most: Bytes,
    /// The description of the problem that this limit is used up, with status 429.
    pub(super) used_up: Bytes,
    /// The same in gRPC.
    pub(super) grpc: Said,
}

impl Texts {
    pub(in crate::adapt) fn of(gate: &Gate) -> Self {
        Self(Swap::new(Generation::of(&gate.policies_now())))
    }

    /// Tells the texts of a limit, if it is known and is one of the gate's limits now.
    pub(super) fn tell<R>(
        &self,
        gate: &Gate,
        limit: Option<LimitAt>,
        tell: impl FnOnce(Option<&LimitText>) -> R,
    ) -> R {
        let Some(limit) = limit else { return tell(None) };
        let newest = self.0.load();
        if newest.number == limit.generation {
            return tell(newest.limit(limit));
        }
        self.renew(gate, newest.number);
        let newest = self.0.load();
        tell(newest.limit(limit))
    }

    /// Writes the texts of the gate's limits as they are now, unless they are of this generation.
    ///
    /// Several threads may do so at a time, and an older generation may be the last to be stored: then the next
    /// reader does it again.
    #[cold]
    fn renew(&self, gate: &Gate, known: u32) {
        let policies = gate.policies_now();
        if policies.generation != known {
            self.0.store(Generation::of(&policies));
        }
    }
}

impl Generation {
    fn of(policies: &Policies) -> Self {
        Self {
            number: policies.generation,
            limits: policies.all.iter().map(|it| LimitText::of(it.name(), it.bound())).collect(),
        }
    }

    /// I1.
    fn limit(&self, at: LimitAt) -> Option<&LimitText> {
        self.limits.get(at.limit()).filter(|_| self.number == at.generation)
    }
}

impl LimitText {
    pub(super) fn of(name: &str, bound: Bound) -> Self {
        let quoted = escape::structured(name);
        Self {
            bound,
            policy: policy(&quoted, bound).into(),
            left: [&*quoted, b";r="].concat().into(),
            most: Bytes::copy_from_slice(Digits::of(most(bound).into()).as_bytes()),
            used_up: problem::used_up(name),
            grpc: Said::used_up(name),
        }
    }
}

/// A quota policy item.
fn policy(name: &[u8], bound: Bound) -> Vec<u8> {
    match bound {
        Bound::Quota(quota) => match Window::of(quota) {
            Some(Window { units, seconds }) => {
                let (units, seconds) = (Digits::of(units), Digits::of(seconds));
                [name, b";q=", units.as_bytes(), b";w=", seconds.as_bytes()].concat()
            }
            None => [name, b";q=0"].concat(),
        },
        Bound::InFlight(most) => {
            let most = Digits::of(most.into());
            [name, b";q=", most.as_bytes(), b";qu=\"concurrent-requests\""].concat()
        }
    }
}

/// What can pass at one instant.
fn most(bound: Bound) -> u32 {
    match bound {
        Bound::Quota(quota) if quota.is_zero() => 0,
        Bound::Quota(quota) => quota.max_burst(),
        Bound::InFlight(most) => most,
    }
}
