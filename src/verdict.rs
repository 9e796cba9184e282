//! Answers: a limit's [`Decision`] and its [`Standing`], the gate's [`Verdict`] and its [`Denial`].

#[cfg(feature = "std")]
mod admission;
#[cfg(feature = "std")]
mod traces;

use core::time::Duration;

#[cfg(any(feature = "tower", feature = "actix"))]
pub(crate) use self::admission::tells_traces;
#[cfg(feature = "std")]
pub use self::admission::{Admission, Denial, DenialReason, Verdict};
#[cfg(feature = "std")]
pub(crate) use self::admission::{LimitAt, Strictest};
#[cfg(feature = "std")]
pub(crate) use self::traces::{Mark, Names, Traces};
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
        matches!(self.outcome(), Outcome::Admitted | Outcome::Saturated { admitted: true })
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
        match (self.is_denied(), other.is_denied()) {
            // Nobody waits, and the rest of a standing costs divisions.
            (false, false) => self.remaining() < other.remaining(),
            (true, true) => {
                let (one, other) = (self.standing(), other.standing());
                (one.retry_after(), other.remaining()) > (other.retry_after(), one.remaining())
            }
            (denies, _) => denies,
        }
    }

    /// Whether it may rest on a clock that was set back, which a check heals and a look does not.
    #[inline]
    pub(crate) const fn may_be_healed(&self) -> bool {
        match &self.0 {
            // A bucket that is healed owes all that it can; others do so for a tick.
            Basis::Debt { on, debt, outcome: Outcome::Denied } => *debt >= on.scale.cost(on.limit),
            Basis::Count { outcome: Outcome::Denied, .. } => true,
            _ => false,
        }
    }

    /// That of its [`standing`](Self::standing), and nothing else of it.
    #[inline]
    const fn remaining(&self) -> u32 {
        match &self.0 {
            Basis::Debt { outcome: Outcome::Saturated { .. }, .. } => 0,
            Basis::Debt { on, debt, .. } => on.scale.remaining(on.limit, *debt),
            Basis::Count { count, .. } => count.remaining,
        }
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

    /// The same, where something else makes the wait at least this long.
    #[cfg(feature = "std")]
    pub(crate) fn no_sooner(self, wait: Duration) -> Self {
        Self { retry_after: self.retry_after.max(wait), ..self }
    }
}
