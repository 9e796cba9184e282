//! What is told of mitigations.

use alloc::string::String;
use core::time::Duration;

use super::Ladder;
use crate::{rule::Diagnostics, time::Timestamp};

/// One mitigation: a rule that the gate has made by itself.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MitigationInfo {
    /// Its name, as in denials: `auto-7`.
    pub name: String,
    /// Its condition, in the rule language.
    pub condition: String,
    /// How far it goes.
    pub step: Ladder,
    /// Whether it does so: the posture may not allow it.
    pub is_enforced: bool,
    /// The share of the excess that it covered when it was found; 0 once it was edited.
    pub covers: f64,
    /// The share of the usual traffic that it matched when it was found; 0 once it was edited.
    pub harms: f64,
    /// Requests that it has matched.
    pub matched: u64,
    /// Requests that it has refused.
    pub refused: u64,
    /// How long it lasts if nothing more matches; `None` if it is pinned.
    pub remaining: Option<Duration>,
    /// When it was found.
    pub since: Timestamp,
}

impl MitigationInfo {
    /// Whether it stays until it is removed.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.remaining.is_none()
    }
}

/// A mitigation cannot have this condition.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// There is no mitigation of this name.
    #[error("there is no such mitigation")]
    Unknown,
    /// It names something that is not a part of the request.
    #[error("a mitigation looks at requests alone, not at {0}")]
    Names(String),
    /// It is too large, alone or together with the others.
    #[error("{0}")]
    TooLarge(Diagnostics),
}

impl EditError {
    pub(super) fn of(what: crate::rule::TooLarge) -> Self {
        let (code, message) = what.told();
        let found = crate::rule::Diagnostic::of_whole(code, message);
        Self::TooLarge(Diagnostics::without_text(alloc::vec![found]))
    }
}
