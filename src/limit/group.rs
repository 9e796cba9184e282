//! Several limits for one request: all of them, or none.
//!
//! A request often has to pass more than one limit: ten a second and a hundred a minute, its address
//! and its network, its own budget and everybody's. Asked one after the other, the first ones have
//! been charged when a later one denies, and who is denied pays.
//!
//! Here every limit but the last is asked what it would say, the last one is charged, and then the
//! others are. A denial that is seen while asking has charged nobody. Where another thread takes the
//! units between the question and the charge, what was charged is given back.
//!
//! A limit whose clock was set back is healed by a check, and not by a question. So one that seems to be in need of that
//! when it denies is checked, too.
//!
//! Invariants: **I1** a denied request has taken from no limit when `check_all` returns; **I2** an admitted
//! one has taken its units from every limit; **I3** the decision is that of the strictest limit: of
//! those that deny, the one with the longest wait; else the one with the fewest units left; **I4** a clock that is set
//! back is healed in each limit that denies for it, as if it had been asked alone.

#[cfg(all(feature = "std", not(loom)))]
use super::LeasedBucket;
use super::{AdjustableBucket, SlidingWindow, TokenBucket};
#[cfg(feature = "std")]
use super::{WindowLog, keyed::OnKey};
use crate::{
    time::Timestamp,
    verdict::{Decision, Standing},
};

/// What limits a request: a bucket, a window, or a key's share of a keyed limiter.
///
/// Implemented by the limits of this crate, and by
/// [`KeyedLimiter::on`](super::KeyedLimiter::on) and [`ExactLimiter::on`](super::ExactLimiter::on) for one key.
pub trait Limit {
    /// What [`check_n`](Self::check_n) would answer, without taking anything.
    fn peek_n(&self, n: u32, now: Timestamp) -> Decision;

    /// Takes `n` units at once, or none of them.
    fn check_n(&self, n: u32, now: Timestamp) -> Decision;

    /// Gives back `n` units that were taken before.
    fn refund_n(&self, n: u32, now: Timestamp);
}

/// One of several limits that a request has to pass, and what it costs there.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    limit: &'a dyn Limit,
    units: u32,
}

impl<'a> Member<'a> {
    /// A request costs `units` of this limit.
    pub const fn new(limit: &'a dyn Limit, units: u32) -> Self {
        Self { limit, units }
    }
}

impl core::fmt::Debug for Member<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Member").field("units", &self.units).finish_non_exhaustive()
    }
}

/// Takes from all limits, or from none.
///
/// # Guarantee
/// No limit is exceeded. A denial has taken nothing: while two requests race for the last units, one
/// of both may see units that are given back a moment later, and be denied. The standing is that of
/// the strictest limit. A keyed limit without a place for the key denies, or is passed over, as its
/// [`OnSaturation`](super::OnSaturation) says. Without any limit, everything is admitted.
///
/// Up to 64 limits; what was taken from a later one in a race that was lost is not given back, nor is
/// what a window does not [take back](crate::SlidingWindow::refund_n).
///
/// # Cost
/// One look at each limit but the last and one charge of each; nothing is allocated. A limit that denies because a clock
/// may have been set back is checked after the look, which heals it.
///
/// # Example: ten a second and a hundred a minute for a client, a thousand a second in all
/// ```
/// use portcullis::{Capacity, KeyedLimiter, Quota, Timestamp, TokenBucket};
/// use portcullis::limit::{Member, check_all};
///
/// let second = KeyedLimiter::new(Quota::per_second(10), Capacity::keys(10_000))?;
/// let minute = KeyedLimiter::new(Quota::per_minute(100).burst(12), Capacity::keys(10_000))?;
/// let everybody = TokenBucket::new(Quota::per_second(1_000));
///
/// let (client, now) = ("203.0.113.9", Timestamp::from_secs(1));
/// let limits = (second.on(client), minute.on(client));
/// let members =
///     [Member::new(&limits.0, 1), Member::new(&limits.1, 1), Member::new(&everybody, 1)];
/// for _ in 0..10 {
///     assert!(check_all(&members, now).is_admitted());
/// }
/// let decision = check_all(&members, now);
/// assert!(decision.is_denied());
/// assert_eq!(decision.strictest(), Some(0), "the limit per second");
/// assert_eq!(everybody.peek_n(1, now).standing().remaining(), 990, "the denial took nothing");
/// # Ok::<(), portcullis::KeyedLimiterError>(())
/// ```
pub fn check_all(members: &[Member<'_>], now: Timestamp) -> GroupDecision {
    decide(members.iter().map(|member| (member.limit, member.units)), now)
}

/// The answer of several limits together.
#[must_use = "a decision says whether the request may pass"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupDecision(Option<Strictest>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Strictest {
    decision: Decision,
    member: usize,
}

impl GroupDecision {
    /// Whether the request may pass.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        match self.0 {
            Some(strictest) => strictest.decision.is_admitted(),
            None => true,
        }
    }

    /// Whether the request must be refused.
    #[must_use]
    pub const fn is_denied(&self) -> bool {
        !self.is_admitted()
    }

    /// The strictest limit's decision; `None` if there was no limit.
    #[must_use]
    pub const fn decision(&self) -> Option<Decision> {
        match self.0 {
            Some(strictest) => Some(strictest.decision),
            None => None,
        }
    }

    /// Which limit that was, counted from 0; `None` if there was none.
    #[must_use]
    pub const fn strictest(&self) -> Option<usize> {
        match self.0 {
            Some(strictest) => Some(strictest.member),
            None => None,
        }
    }

    /// Where the caller stands with the strictest limit; `None` if there was none.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.decision().map(|decision| decision.standing())
    }

    /// The same answer for members that were counted otherwise.
    #[cfg(feature = "std")]
    pub(crate) fn renumbered(self, member: usize) -> Self {
        Self(self.0.map(|strictest| Strictest { member, ..strictest }))
    }

    /// A saturated answer that lets the request pass.
    #[cfg(feature = "std")]
    pub(crate) fn admitting(self) -> Self {
        Self(self.0.map(|strictest| Strictest {
            decision: strictest.decision.unseated_but_admitted(),
            ..strictest
        }))
    }

    fn add(&mut self, member: usize, decision: Decision) {
        // Who is admitted without a place was not judged, and has no standing to speak of.
        let unjudged = |decision: &Decision| decision.is_saturated() && decision.is_admitted();
        if self.0.is_none_or(|so_far| {
            !unjudged(&decision)
                && (unjudged(&so_far.decision) || decision.is_stricter_than(&so_far.decision))
        }) {
            self.0 = Some(Strictest { decision, member });
        }
    }
}

/// [`check_all`] for limits of any one kind.
#[inline]
pub(crate) fn decide<L: Limit>(
    members: impl Iterator<Item = (L, u32)> + Clone,
    now: Timestamp,
) -> GroupDecision {
    let mut answer = GroupDecision(None);
    // All but the last are asked; the last one's charge is its answer.
    let mut asked = members.clone().enumerate().peekable();
    let mut last = None;
    while let Some((number, (limit, units))) = asked.next() {
        if asked.peek().is_none() {
            last = Some((number, limit, units));
            break;
        }
        let decision = limit.peek_n(units, now);
        if decision.is_denied() {
            answer.add(number, decision);
            heal(&limit, units, decision, now);
        }
    }
    let Some((number, limit, units)) = last else { return answer };
    if answer.is_denied() {
        // Already denied: the last one is only asked, to know the strictest.
        let decision = limit.peek_n(units, now);
        if decision.is_denied() {
            answer.add(number, decision);
            heal(&limit, units, decision, now);
        }
        return answer;
    }
    let decision = limit.check_n(units, now);
    answer.add(number, decision);
    if decision.is_denied() {
        return answer;
    }
    // A limit that admits without a place for the key has taken nothing to give back.
    let last_took = !decision.is_saturated();
    let mut took = 0_u64;
    for (number, (other, other_units)) in members.clone().enumerate().take(number) {
        let decision = other.check_n(other_units, now);
        let bit = bit(number);
        if decision.is_denied() {
            // Somebody was faster since it was asked.
            if last_took {
                limit.refund_n(units, now);
            }
            for (earlier, (limit, units)) in members.take(number).enumerate() {
                if took & self::bit(earlier) != 0 {
                    limit.refund_n(units, now);
                }
            }
            return GroupDecision(Some(Strictest { decision, member: number }));
        }
        took |= if decision.is_saturated() { 0 } else { bit };
        answer.add(number, decision);
    }
    answer
}

/// Heals a limit that was asked, and has denied, if it may be in need of it (I4).
#[inline]
pub(crate) fn heal<L: Limit>(limit: &L, units: u32, denied: Decision, now: Timestamp) {
    if denied.may_be_healed() {
        check_in_vain(limit, units, now);
    }
}

#[cold]
fn check_in_vain<L: Limit>(limit: &L, units: u32, now: Timestamp) {
    let decision = limit.check_n(units, now);
    if decision.is_admitted() && !decision.is_saturated() {
        // Somebody has given units back since it was asked.
        limit.refund_n(units, now);
    }
}

/// A member's bit; the 65th and later ones have none, and get nothing back.
fn bit(number: usize) -> u64 {
    u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number)).unwrap_or(0)
}

impl<L: Limit + ?Sized> Limit for &L {
    fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
        (**self).peek_n(n, now)
    }

    fn check_n(&self, n: u32, now: Timestamp) -> Decision {
        (**self).check_n(n, now)
    }

    fn refund_n(&self, n: u32, now: Timestamp) {
        (**self).refund_n(n, now);
    }
}

/// The three verbs are there already, under the same names.
macro_rules! limits {
    ($($limit:ty),* $(,)?) => {$(
        impl Limit for $limit {
            fn peek_n(&self, n: u32, now: Timestamp) -> Decision {
                <$limit>::peek_n(self, n, now)
            }

            fn check_n(&self, n: u32, now: Timestamp) -> Decision {
                <$limit>::check_n(self, n, now)
            }

            fn refund_n(&self, n: u32, now: Timestamp) {
                <$limit>::refund_n(self, n, now);
            }
        }
    )*};
}

limits!(TokenBucket, AdjustableBucket, SlidingWindow);
// Without threads to tell apart, a leased bucket is asked by stripe only.
#[cfg(all(feature = "std", not(loom)))]
limits!(LeasedBucket);
#[cfg(feature = "std")]
limits!(WindowLog, OnKey<'_>);

#[cfg(all(test, not(loom), feature = "std"))]
mod tests;
