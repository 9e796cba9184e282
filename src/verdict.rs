//! Answers: a limit's [`Decision`] and its [`Standing`], the gate's [`Verdict`] and its [`Denial`].

#[cfg(feature = "std")]
use alloc::sync::Arc;
#[cfg(feature = "std")]
use core::fmt;
use core::time::Duration;

use crate::{quota::ticks::Scale, time::Timestamp};

/// One limiter's answer: admitted or denied, and where the caller now stands.
///
/// A decision is made and charged when it is returned; dropping it changes nothing.
///
/// # Cost
/// The decision carries what its [`standing`](Self::standing) is computed from, so a caller that
/// only asks [`is_denied`](Self::is_denied) does not pay for the rest.
#[must_use = "a decision says whether the request may pass"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision(Basis);

/// What a decision rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Basis {
    /// A token bucket's debt; the standing is computed from it when it is asked for.
    Debt {
        on: Asked,
        /// The debt after the decision; of a key without a place, the time at which one may be free.
        debt: u64,
        outcome: Outcome,
    },
    /// A window's count; the standing is known once it is counted.
    Count { count: Count, outcome: Outcome },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Admitted,
    Denied,
    /// The store had no place for the key.
    #[cfg_attr(not(feature = "std"), expect(dead_code, reason = "only keyed stores saturate"))]
    Saturated {
        admitted: bool,
    },
}

impl Decision {
    /// Whether the request may pass.
    #[inline]
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        matches!(self.outcome(), Outcome::Admitted | Outcome::Saturated { admitted: true, .. })
    }

    /// Whether the request must be refused.
    #[inline]
    #[must_use]
    pub const fn is_denied(&self) -> bool {
        !self.is_admitted()
    }

    /// Whether the key found no place in a full store, so that its
    /// [`OnSaturation`](crate::OnSaturation) decided and nothing was charged.
    #[inline]
    #[must_use]
    pub const fn is_saturated(&self) -> bool {
        matches!(self.outcome(), Outcome::Saturated { .. })
    }

    /// Where the caller stands after this decision.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match &self.0 {
            Basis::Debt { on, debt, outcome } => on.standing(*debt, *outcome),
            Basis::Count { count, .. } => count.standing(),
        }
    }

    /// A denial is stricter than an admission; then the longer wait, then the fewer units left.
    pub(crate) fn is_stricter_than(&self, other: &Self) -> bool {
        let denials = (self.is_denied(), other.is_denied());
        let (one, other) = (self.standing(), other.standing());
        (denials.0, one.retry_after(), other.remaining())
            > (denials.1, other.retry_after(), one.remaining())
    }

    #[inline]
    const fn outcome(&self) -> Outcome {
        match self.0 {
            Basis::Debt { outcome, .. } | Basis::Count { outcome, .. } => outcome,
        }
    }
}

/// How [`Decision`]s are made; for the limiters only.
impl Decision {
    #[inline]
    pub(crate) const fn admitted(on: Asked, debt: u64) -> Self {
        Self(Basis::Debt { on, debt, outcome: Outcome::Admitted })
    }

    #[inline]
    pub(crate) const fn denied(on: Asked, debt: u64) -> Self {
        Self(Basis::Debt { on, debt, outcome: Outcome::Denied })
    }

    /// This decision about a key without a place, to the effect that it may pass.
    #[cfg(feature = "std")]
    pub(crate) const fn unseated_but_admitted(self) -> Self {
        let admitted = Outcome::Saturated { admitted: true };
        match self.0 {
            Basis::Debt { on, debt, outcome: Outcome::Saturated { .. } } => {
                Self(Basis::Debt { on, debt, outcome: admitted })
            }
            _ => self,
        }
    }

    #[cfg(feature = "std")]
    pub(crate) const fn saturated(on: Asked, admitted: bool, free_at: Timestamp) -> Self {
        let outcome = Outcome::Saturated { admitted };
        Self(Basis::Debt { on, debt: free_at.as_nanos(), outcome })
    }

    /// Admitted if there is nothing to wait for.
    #[inline]
    pub(crate) const fn counted(count: Count) -> Self {
        let outcome = if count.retry_after == 0 { Outcome::Admitted } else { Outcome::Denied };
        Self(Basis::Count { count, outcome })
    }

    /// As [`saturated`](Self::saturated), of a limiter that counts.
    #[cfg(feature = "std")]
    pub(crate) const fn counted_saturated(count: Count) -> Self {
        let outcome = Outcome::Saturated { admitted: count.retry_after == 0 };
        Self(Basis::Count { count, outcome })
    }
}

/// What a limiter was asked: `units` under a quota with this scale and burst, at `now`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) scale: Scale,
    /// The quota's burst.
    pub(crate) limit: u32,
    pub(crate) units: u32,
    pub(crate) now: Timestamp,
}

impl Asked {
    #[inline]
    const fn standing(&self, debt: u64, outcome: Outcome) -> Standing {
        let Self { ref scale, limit, now, .. } = *self;
        if let Outcome::Saturated { admitted } = outcome {
            // Somebody else may be faster, so this is when it is worth a try; zero would be a lie.
            let wait = Timestamp::from_nanos(debt).saturating_duration_since(now);
            let wait = if wait.is_zero() { Duration::from_nanos(1) } else { wait };
            let retry_after = if admitted { Duration::ZERO } else { wait };
            return Standing { limit, remaining: 0, retry_after, reset_after: wait };
        }
        Standing {
            limit,
            remaining: scale.remaining(limit, debt),
            retry_after: match outcome {
                Outcome::Admitted => Duration::ZERO,
                _ => self.retry_after(debt),
            },
            reset_after: match scale.wait(debt, now) {
                Some(wait) if scale.cost(limit) != 0 => wait,
                _ => Duration::MAX,
            },
        }
    }

    #[inline]
    const fn retry_after(&self, debt: u64) -> Duration {
        let Self { ref scale, limit, units, now } = *self;
        let burst = scale.cost(limit);
        if burst == 0 || units > limit {
            return Duration::MAX;
        }
        let excess = debt.saturating_add(scale.cost(units)).saturating_sub(burst);
        match scale.wait(excess, now) {
            Some(wait) => wait,
            None => Duration::MAX,
        }
    }
}

/// A standing as a window has counted it; times in nanoseconds from `now`, [`NEVER`] if never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// 0 if admitted, and only then.
    pub(crate) retry_after: u64,
    pub(crate) reset_after: u64,
}

/// Longer than anything that a [`Count`] waits for.
pub(crate) const NEVER: u64 = u64::MAX;

impl Count {
    const fn standing(&self) -> Standing {
        Standing {
            limit: self.limit,
            remaining: self.remaining,
            retry_after: wait(self.retry_after),
            reset_after: wait(self.reset_after),
        }
    }
}

const fn wait(nanos: u64) -> Duration {
    if nanos == NEVER { Duration::MAX } else { Duration::from_nanos(nanos) }
}

/// Where a caller stands with one limit, right after a decision.
///
/// # Guarantee
/// All times count from the `now` of the decision and are rounded up to the nanosecond: waiting out
/// [`retry_after`](Self::retry_after) succeeds if nobody else takes from the same limit meanwhile,
/// and waiting one nanosecond less does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    limit: u32,
    remaining: u32,
    retry_after: Duration,
    reset_after: Duration,
}

impl Standing {
    /// The most units that can pass at one instant: the quota's burst, the number of a window.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// Whole units that could still pass at this instant.
    #[must_use]
    pub const fn remaining(&self) -> u32 {
        self.remaining
    }

    /// How long to wait before asking for the same again.
    ///
    /// Zero if admitted, and never zero if denied. [`Duration::MAX`] when waiting cannot help: more
    /// units than the limit were asked for, or the limit is zero.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// How long until all of the limit is available again; [`Duration::MAX`] if never.
    #[must_use]
    pub const fn reset_after(&self) -> Duration {
        self.reset_after
    }
}

/// The gate's answer to one request.
#[cfg(feature = "std")]
#[must_use = "a verdict says whether the request may pass"]
#[derive(Debug)]
pub struct Verdict(Result<Admission, Denial>);

#[cfg(feature = "std")]
impl Verdict {
    pub(crate) fn admitted(admission: Admission) -> Self {
        Self(Ok(admission))
    }

    pub(crate) fn denied(denial: Denial) -> Self {
        Self(Err(denial))
    }

    /// Whether the request may pass.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.0.is_ok()
    }

    /// The verdict as a `Result`, to branch on.
    ///
    /// # Errors
    /// The denial, if the request must be refused.
    pub fn into_result(self) -> Result<Admission, Denial> {
        self.0
    }
}

/// The right to serve one request, until [`Gate::finish`](crate::Gate::finish).
///
/// Dropping it instead is fine: the response is then taken as not known.
#[cfg(feature = "std")]
#[must_use = "an admission is to be finished with the response's status"]
#[derive(Debug)]
pub struct Admission {
    strictest: Option<Decision>,
}

#[cfg(feature = "std")]
impl Admission {
    pub(crate) fn new(strictest: Option<Decision>) -> Self {
        Self { strictest }
    }

    /// Where the client stands with its strictest limit; `None` if no limit applied.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.strictest.map(|decision| decision.standing())
    }
}

/// Why a request is refused, and what its sender can do.
#[cfg(feature = "std")]
#[derive(Clone, Debug)]
pub struct Denial {
    reason: DenialReason,
    name: Arc<str>,
    standing: Option<Standing>,
    wait: Option<Duration>,
}

/// What a [`Denial`] rests on.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DenialReason {
    /// The address is on the deny list.
    DenyList,
    /// The client has used up a limit.
    Limit,
    /// The client is new, the gate cannot remember more of them, and the client's network, or all
    /// newcomers together, have used up what is theirs; see
    /// [`GateBuilder::on_saturation`](crate::GateBuilder::on_saturation). The gate is then too small for its
    /// traffic: [`GateBuilder::clients`](crate::GateBuilder::clients).
    Saturated,
    /// The peer address is not known, and [`MissingPeer::Deny`](crate::MissingPeer::Deny) is set.
    MissingPeer,
}

#[cfg(feature = "std")]
impl Denial {
    pub(crate) fn new(
        reason: DenialReason,
        name: Arc<str>,
        standing: Option<Standing>,
        wait: Option<Duration>,
    ) -> Self {
        Self { reason, name, standing, wait }
    }

    /// What the denial rests on.
    #[must_use]
    pub fn reason(&self) -> DenialReason {
        self.reason
    }

    /// The name of the limit that was used up, or of the gate's own rule.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The HTTP status to refuse with: 429 where waiting is the way out, 403 where it is not.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.reason {
            DenialReason::Limit | DenialReason::Saturated => 429,
            DenialReason::DenyList | DenialReason::MissingPeer => 403,
        }
    }

    /// How long to wait before trying again: never zero, and `None` when waiting does not help.
    ///
    /// For a limit that is exact. For [`DenialReason::Saturated`] it is the time until the network or
    /// the newcomers have a unit again, if nobody else takes it; under a budget of zero, the time before
    /// which no place can be free.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.standing {
            Some(standing) => Some(standing.retry_after()),
            None => self.wait.map(|wait| wait.max(Duration::from_nanos(1))),
        }
        .filter(|wait| *wait < Duration::MAX)
    }

    /// Where the client stands with the limit that denied it.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.standing
    }
}

/// What a log line may say: the name of the rule and the wait, nothing that the client has sent.
#[cfg(feature = "std")]
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "denied by \"{}\"", self.name)?;
        match self.retry_after() {
            Some(wait) => write!(f, ", again in {wait:?}"),
            None => Ok(()),
        }
    }
}

#[cfg(feature = "std")]
impl core::error::Error for Denial {}
