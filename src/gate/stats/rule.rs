//! What one rule, limit or stage has done.

use alloc::sync::Arc;

use crate::gate::Stage;

/// What one rule or limit has done.
#[derive(Clone, Debug)]
pub struct RuleStats {
    pub(super) name: Arc<str>,
    pub(super) kind: RuleKind,
    pub(super) stage: Stage,
    pub(super) matched: u64,
    pub(super) in_shadow: u64,
    pub(super) denied: u64,
    pub(super) would_deny: u64,
}

/// Who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum RuleKind {
    /// The gate by itself: the deny list, bans, mitigations, and the like.
    Own,
    /// A [rule](crate::rule::Rule).
    Rule,
    /// A [limit](crate::LimitRule).
    Limit,
}

/// What a stage has refused; made by [`GateStats::stage`](super::GateStats::stage).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageStats {
    pub(super) denied: u64,
    pub(super) would_deny: u64,
}

impl StageStats {
    /// Requests that were denied there.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.denied
    }

    /// Requests that would have been, had the gate not only observed, or a rule or limit not been in shadow.
    #[must_use]
    pub fn would_deny(&self) -> u64 {
        self.would_deny
    }
}

impl RuleKind {
    /// In a word, as in labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Rule => "rule",
            Self::Limit => "limit",
        }
    }
}

impl RuleStats {
    /// The name, as in [`Denial::name`](crate::Denial::name).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the gate's own, a rule or a limit.
    #[must_use]
    pub fn kind(&self) -> RuleKind {
        self.kind
    }

    /// The stage in which it is asked.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Requests that it met: for a rule those whose condition held when it was its turn, for a limit
    /// and the gate's own rules those that it denied or would have denied.
    #[must_use]
    pub fn matched(&self) -> u64 {
        self.matched
    }

    /// Of these, requests on which it had its effect, whatever that is. What a rule denies while the gate
    /// observes is not among them.
    #[must_use]
    pub fn enforced(&self) -> u64 {
        self.matched.saturating_sub(self.in_shadow)
    }

    /// Of these, requests on which it had none: in shadow, for clients outside its share, or while the
    /// gate observed.
    #[must_use]
    pub fn would_have(&self) -> u64 {
        self.in_shadow
    }

    /// Requests that it denied.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.denied
    }

    /// Requests that it would have denied, had the gate not only observed, or had it not been in shadow.
    #[must_use]
    pub fn would_deny(&self) -> u64 {
        self.would_deny
    }
}
