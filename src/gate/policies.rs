//! What a gate's limits are, for status pages and for the fields of responses.

use alloc::{sync::Arc, vec::Vec};

use super::Gate;
use crate::{quota::Quota, rule::Name};

/// One limit of a gate, as clients may know it; made by [`Gate::policies`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    name: Name,
    bound: Bound,
}

/// How much a limit lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bound {
    /// So many per so long, for each key.
    Quota(Quota),
    /// So many requests in flight at a time, for each key.
    InFlight(u32),
}

/// All limits of one generation of a gate, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Policies {
    /// Another one with each change of the limits.
    pub(crate) generation: u32,
    pub(crate) all: Arc<[Policy]>,
}

impl Policy {
    pub(super) fn new(name: Name, bound: Bound) -> Self {
        Self { name, bound }
    }

    /// What the limit is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How much it lets pass.
    #[must_use]
    pub fn bound(&self) -> Bound {
        self.bound
    }
}

impl Gate {
    /// The limits of this gate, in their order.
    ///
    /// # Example: what a status page tells
    /// ```
    /// use portcullis::{Gate, Quota, gate::Bound};
    ///
    /// let gate = Gate::builder().limit("per client", Quota::per_second(10)).build()?;
    /// let policies = gate.policies();
    /// assert_eq!(policies[0].name(), "per client");
    /// assert_eq!(policies[0].bound(), Bound::Quota(Quota::per_second(10)));
    /// # Ok::<(), portcullis::BuildError>(())
    /// ```
    #[must_use]
    pub fn policies(&self) -> Vec<Policy> {
        self.0.snapshot.load().setting.policies.all.to_vec()
    }

    /// The same with their generation, shared.
    #[cfg_attr(not(any(feature = "tower", feature = "actix")), expect(dead_code))]
    pub(crate) fn policies_now(&self) -> Policies {
        self.0.snapshot.load().setting.policies.clone()
    }
}
