//! A rule: a condition, and what follows from it.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use super::expr::{Expr, Name};
use crate::limit::Share;

/// A condition, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(crate) name: Name,
    pub(crate) when: Expr,
    /// Lower is earlier; equal priorities keep their order.
    pub(crate) priority: i32,
    /// In any order; at most one of them [ends](Action::ends) the rules.
    pub(crate) actions: Vec<Action>,
    pub(crate) mode: RuleMode,
    /// The share of clients that it is enforced for; it is only counted for the others.
    pub(crate) share: Share,
    pub(crate) group: Option<Name>,
}

/// How far a rule, a group of rules or a limit goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RuleMode {
    /// It is not evaluated.
    Off,
    /// It is evaluated and counted, and has no effect; a limit really counts.
    Shadow,
    /// It has its effect.
    #[default]
    Enforce,
}

/// What follows from a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// No later rule is asked. Limits and shedding still apply, unless they are bypassed by name.
    Allow {
        /// Limits do not apply either.
        bypass_limits: bool,
        /// Nor does shedding.
        bypass_shedding: bool,
    },
    /// The request is refused with this status.
    Deny {
        /// 400 to 599.
        status: u16,
    },
    /// The request is refused, and its client for a time.
    Ban(Ban),
    /// Some of what comes later is passed over.
    Skip(Skip),
    /// It is counted, as every rule is, and nothing else.
    Count,
    /// The verdict names the rule, for the service to log.
    Log,
    /// Later rules see `tag["name"]`, and the verdict lists it.
    Tag(Name),
    /// Adds to `score`.
    Score(i64),
    /// How important the request is, for shedding.
    Class(Class),
}

/// What a skip passes over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skip {
    /// All later rules.
    Rules,
    /// All limits.
    Limits,
    /// Later rules of this group.
    Group(Name),
}

/// How important a request is when not all can be served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Class {
    /// Shed first.
    Sheddable,
    /// What nothing is said about.
    #[default]
    Default,
    /// Shed late.
    Critical,
    /// Shed last.
    CriticalPlus,
}

/// How long a client is kept out: for longer each time that it comes to it.
///
/// How often it was is remembered after the ban for as long as the longest ban, as far as there is room.
///
/// # Example: a quarter of an hour, an hour, four hours, and a day from then on
/// ```
/// use portcullis::rule::Ban;
/// use std::time::Duration;
///
/// let hours = |hours: u64| Duration::from_secs(hours * 3_600);
/// let ban = Ban::new(Duration::from_secs(900)).escalate(4).most(hours(24));
/// assert_eq!([0, 1, 2, 3, 4].map(|before| ban.time(before)), [hours(1) / 4, hours(1), hours(4), hours(16), hours(24)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The first time.
    pub(crate) first: Duration,
    /// Each further time is longer by this factor.
    pub(crate) escalate: u32,
    /// But never longer than this.
    pub(crate) most: Duration,
}

impl Ban {
    /// Always for so long.
    #[must_use]
    pub const fn new(time: Duration) -> Self {
        Self { first: time, escalate: 1, most: time }
    }

    /// Each further time it is longer by this factor; up to a day, unless another [`most`](Self::most) is set
    /// after this. A factor of 0 is as good as 1: no ban is shorter than the one before.
    #[must_use]
    pub fn escalate(self, factor: u32) -> Self {
        let most = if factor > 1 { self.most.max(A_DAY) } else { self.most };
        Self { escalate: factor, most, ..self }
    }

    /// It is never longer than this.
    #[must_use]
    pub const fn most(self, time: Duration) -> Self {
        Self { most: time, ..self }
    }

    /// How long it is for who was banned so often before.
    #[must_use]
    pub fn time(&self, before: u32) -> Duration {
        let factor = self.escalate.max(1).checked_pow(before);
        factor
            .and_then(|factor| self.first.checked_mul(factor))
            .map_or(self.most, |time| time.min(self.most))
    }
}

/// How long a ban that gets longer is at most, unless it is said.
const A_DAY: Duration = Duration::from_secs(24 * 3_600);

impl Action {
    /// Whether no later rule is asked.
    pub(crate) fn ends(&self) -> bool {
        matches!(self, Self::Allow { .. } | Self::Deny { .. } | Self::Ban(_))
    }
}

impl Rule {
    /// A rule of this name that counts where the condition holds.
    #[must_use]
    pub fn new(name: &str, when: Expr) -> Self {
        Self {
            name: Name::from(name),
            when,
            priority: 0,
            actions: Vec::new(),
            mode: RuleMode::default(),
            share: Share::ALL,
            group: None,
        }
    }

    /// With one more thing that follows from it.
    #[must_use]
    pub fn then(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    /// With this priority: lower is asked earlier. It is 0 unless set here, and equal priorities keep their
    /// order.
    #[must_use]
    pub fn priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }

    /// Going this far.
    #[must_use]
    pub fn mode(self, mode: RuleMode) -> Self {
        Self { mode, ..self }
    }

    /// Enforced for this share of clients, always the same ones, and only counted for the others.
    #[must_use]
    pub fn share(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// As a member of this group, which can be skipped, and held back, as a whole.
    #[must_use]
    pub fn group(self, name: &str) -> Self {
        Self { group: Some(Name::from(name)), ..self }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How messages say where it is.
    pub(crate) fn place(&self) -> String {
        alloc::format!("rule {:?}", self.name)
    }

    /// The condition.
    #[must_use]
    pub fn when(&self) -> &Expr {
        &self.when
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Ban, Duration, Expr, Rule, RuleMode, Share};

    #[test]
    fn a_ban_gets_longer_up_to_its_most() {
        let secs = Duration::from_secs;
        let day = 24 * 3_600;
        for (ban, times) in [
            (Ban::new(secs(10)), [10, 10, 10]),
            (Ban::new(secs(10)).escalate(1), [10, 10, 10]),
            (Ban::new(secs(10)).escalate(0), [10, 10, 10]),
            (Ban::new(secs(10)).escalate(2), [10, 20, day]),
            (Ban::new(secs(3 * day)).escalate(2), [3 * day, 3 * day, 3 * day]),
            (Ban::new(secs(10)).escalate(2).most(secs(15)), [10, 15, 15]),
            (Ban::new(secs(10)).most(secs(5)), [5, 5, 5]),
        ] {
            // For as long it is remembered.
            assert_eq!(ban.most, secs(times[2]), "{ban:?}");
            assert_eq!([0, 1, 40].map(|before| ban.time(before)), times.map(secs), "{ban:?}");
        }
    }

    #[test]
    fn a_rule_is_what_it_was_made_of() {
        let when = || Expr::constant(true);
        let plain = Rule::new("name", when());
        assert_eq!(
            (plain.name(), plain.when(), &*plain.place()),
            ("name", &when(), "rule \"name\"")
        );
        assert_eq!((plain.priority, plain.mode, plain.share), (0, RuleMode::Enforce, Share::ALL));
        assert!(plain.actions.is_empty() && plain.group.is_none());
        let rule = plain.then(Action::Count).then(Action::Log).priority(7).mode(RuleMode::Shadow);
        let rule = rule.share(Share::NONE).group("group");
        assert_eq!((rule.priority, rule.mode, rule.share), (7, RuleMode::Shadow, Share::NONE));
        assert_eq!(
            (&*rule.actions, rule.group.as_deref()),
            (&[Action::Count, Action::Log][..], Some("group"))
        );
    }
}
