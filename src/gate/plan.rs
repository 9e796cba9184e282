//! What a gate is to be: made by the builder and by the configuration, understood by the gate.

use alloc::vec::Vec;

pub(crate) use super::policies::Bound;
use super::{MissingPeer, Mode};
use crate::{
    cidr::CidrSet,
    limit::{
        OnSaturation, Share,
        remote::{FleetSettings, OnFailure, divided},
    },
    quota::Quota,
    request::{ClientGroup, ClientIp},
    rule::{Ban, Expr, Lists, Name, Rule, RuleMode, Scheme, Term},
};

/// A gate's description, checked piece by piece but not yet as a whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) mode: Mode,
    /// Never banned, limited, shed or judged by rules.
    pub(crate) exempt: CidrSet,
    pub(crate) allow: CidrSet,
    pub(crate) deny: CidrSet,
    pub(crate) client: ClientIp,
    pub(crate) group: ClientGroup,
    pub(crate) missing_peer: MissingPeer,
    pub(crate) on_saturation: OnSaturation,
    /// How many keys each limit remembers.
    pub(crate) clients: Option<usize>,
    pub(crate) newcomers: Option<Quota>,
    /// How many bans there can be at a time.
    pub(crate) bans: Option<usize>,
    pub(crate) scheme: Scheme,
    pub(crate) lists: Lists,
    pub(crate) rules: Vec<Rule>,
    pub(crate) limits: Vec<LimitPlan>,
    /// How far whole groups of rules and limits go; the less far of group and rule counts.
    pub(crate) groups: Vec<(Name, RuleMode)>,
    /// What limits of a fleet have in common.
    pub(crate) fleet: FleetSettings,
    /// How far the gate may go by itself; nowhere, if `None`.
    pub(crate) defence: Option<crate::detect::Defence>,
    /// What all random choices follow from; chance, if `None`.
    pub(crate) seed: Option<u64>,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LimitPlan {
    pub(crate) name: Name,
    pub(crate) bound: Bound,
    pub(crate) scope: Scope,
    /// Which requests it is about; all, if `None`.
    pub(crate) when: Option<Expr>,
    /// What is counted together. Empty: everything.
    pub(crate) by: Vec<Term>,
    /// Which responses count, judged in the response phase; all, if `None`.
    pub(crate) count_if: Option<Expr>,
    pub(crate) cost: Cost,
    /// Only distinct values of this count.
    pub(crate) distinct: Option<Term>,
    pub(crate) missing: MissingKey,
    pub(crate) then: Then,
    pub(crate) mode: RuleMode,
    pub(crate) share: Share,
    pub(crate) group: Option<Name>,
}

/// Who counts together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// This gate by itself.
    #[default]
    Gate,
    /// All nodes of a fleet; and what this one does when their store fails.
    Fleet(OnFailure),
}

/// What a request takes from a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    Units(u32),
    /// An Int of the request; missing is 1, negative is 0.
    Request(Term),
    /// An Int that only the response tells; 1 is taken until then.
    #[cfg_attr(not(feature = "config"), expect(dead_code, reason = "texts tell it apart"))]
    Response(Term),
}

/// What becomes of a request that lacks a part of a limit's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum MissingKey {
    /// All requests that lack the same parts are counted together.
    #[default]
    Group,
    /// The limit does not apply to it.
    Skip,
    /// It is denied.
    Deny,
}

/// What becomes of a client that has used up a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Then {
    /// Requests beyond the limit are refused.
    #[default]
    Throttle,
    /// All requests of the limit's key are refused for a time.
    ///
    /// Whoever can write a key can get it banned: what a client sends, such as a user name or an API key
    /// that nobody has checked, is for [`Throttle`](Self::Throttle). A ban by `client`, or by a field
    /// that the service vouches for, keeps out who is meant. A limit of everything together (`by = []`)
    /// bans everybody.
    Ban(Ban),
}

impl LimitPlan {
    /// What its buckets here let pass: of a limit of a fleet, this node's part.
    pub(crate) fn bound_here(&self, fleet: &FleetSettings) -> Bound {
        match (self.scope, self.bound) {
            (Scope::Fleet(_), Bound::Quota(quota)) => Bound::Quota(divided(quota, fleet.nodes)),
            (_, bound) => bound,
        }
    }

    /// A limit of each client's.
    pub(crate) fn per_client(name: &str, bound: Bound) -> Self {
        Self {
            name: Name::from(name),
            bound,
            scope: Scope::default(),
            when: None,
            by: alloc::vec![Term::client()],
            count_if: None,
            cost: Cost::Units(1),
            distinct: None,
            missing: MissingKey::default(),
            then: Then::default(),
            mode: RuleMode::default(),
            share: Share::ALL,
            group: None,
        }
    }
}
