//! What a refusal comes of, as far as its sender may know: the distinction that descriptions of problems and
//! codes of gRPC make.

use crate::verdict::{Denial, DenialReason};

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its sender has used up what is its own.
    Quota,
    /// There is too much of everybody's.
    Capacity,
    /// Its sender is banned.
    Abnormal,
    /// Its status says it all.
    Other,
}

impl Cause {
    pub(super) fn of(denial: &Denial) -> Self {
        match denial.reason() {
            DenialReason::Saturated | DenialReason::Shed | DenialReason::Unavailable => {
                Self::Capacity
            }
            DenialReason::Limit | DenialReason::Concurrency if denial.status() == UNAVAILABLE => {
                Self::Capacity
            }
            DenialReason::Limit | DenialReason::Concurrency => Self::Quota,
            DenialReason::Banned | DenialReason::Mitigation => Self::Abnormal,
            // There is something to wait for, so the rule has not only denied.
            DenialReason::Rule if denial.retry_after().is_some() => Self::Abnormal,
            DenialReason::Rule
            | DenialReason::DenyList
            | DenialReason::MissingKey
            | DenialReason::MissingPeer => Self::Other,
        }
    }
}

/// The name of the limit that is used up, or has been so that it bans. What a rule is called is not the
/// sender's business.
pub(super) fn policy(denial: &Denial) -> Option<&str> {
    let is_limit = match denial.reason() {
        DenialReason::Limit | DenialReason::Concurrency | DenialReason::Unavailable => true,
        DenialReason::Banned => denial.limit().is_some(),
        _ => false,
    };
    is_limit.then(|| denial.name())
}

const UNAVAILABLE: u16 = 503;
