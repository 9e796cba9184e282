//! What rules do: their actions, compiled, and the walk over those that hold.
//!
//! The index of a rule set says which conditions hold, in order. Here it is said what follows: marks for
//! later rules, what is passed over, what is remembered in the verdict, and how the rules end.
//!
//! # Invariants
//! - **I1** the first rule in force that allows, denies, bans or skips all others ends the rules;
//! - **I2** what is in shadow, or is not in force for the client, ends nothing and leaves no mark;
//! - **I3** whether a rule is in force for a client depends on the rule's share and the client alone.

use alloc::{boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};
use core::ops::ControlFlow;

use super::stats::Tally;
use crate::{
    limit::Share,
    rule::{Action, Ban, Class, Facts, Name, Rule, RuleMode, RuleSet, Skip},
    verdict::{Mark, Traces},
};

/// What the rules of a set do, by their numbers.
pub(super) struct Effects {
    all: Box<[Effect]>,
    /// The groups that rules skip, by the bit of each.
    groups: Box<[Name]>,
}

/// What one rule does.
pub(super) struct Effect {
    pub(super) tally: Arc<Tally>,
    mode: RuleMode,
    share: Share,
    end: End,
    skips_limits: bool,
    is_logged: bool,
    /// The bits of groups.
    skips: u64,
    /// The bit of its own group, if one skips that.
    group: u64,
    /// The bits of tags.
    tags: u64,
    score: i64,
    class: Option<Class>,
}

/// How rules end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// None of them ends anything: the limits are next.
    Passed,
    /// Allowed, or all others skipped: the limits are next.
    Allowed {
        bypasses_limits: bool,
        bypasses_shedding: bool,
    },
    Denied {
        status: u16,
    },
    Banned(Ban),
}

/// What rules say to a request.
pub(super) struct Judged {
    pub(super) end: End,
    /// The rule that ended it.
    pub(super) by: Option<usize>,
    pub(super) skips_limits: bool,
    pub(super) traces: Traces,
}

/// How a rule that holds fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fared {
    /// It was in force.
    Enforced,
    /// It was not.
    InShadow,
    /// An earlier rule skips its group.
    Skipped,
}

/// The groups that rules can skip, and the tags that they can set: each has a bit in a word.
pub(super) const MOST_BITS: usize = 64;

impl Effects {
    /// What these rules do, in their order. Rules of the same name go on with the counts they had.
    pub(super) fn new(set: &RuleSet, before: &BTreeMap<Name, Arc<Tally>>) -> Self {
        let mut groups: Vec<Name> = Vec::new();
        for action in set.rules().iter().flat_map(|rule| &rule.actions) {
            if let Action::Skip(Skip::Group(name)) = action {
                if !groups.contains(name) {
                    groups.push(Name::clone(name));
                }
            }
        }
        let effect = |rule: &Rule| {
            let tally = before
                .get(&rule.name)
                .map_or_else(|| Arc::new(Tally::new(Name::clone(&rule.name))), Arc::clone);
            Effect::new(rule, tally, &groups, set.tags())
        };
        Self { all: set.rules().iter().map(effect).collect(), groups: groups.into() }
    }

    pub(super) fn get(&self, rule: usize) -> Option<&Effect> {
        self.all.get(rule)
    }

    pub(super) fn tallies(&self) -> impl Iterator<Item = &Arc<Tally>> {
        self.all.iter().map(|effect| &effect.tally)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether one of them can lift limits.
    pub(super) fn lift_limits(&self) -> bool {
        let lifts = |effect: &Effect| {
            effect.skips_limits || matches!(effect.end, End::Allowed { bypasses_limits: true, .. })
        };
        self.all.iter().any(|effect| effect.mode == RuleMode::Enforce && lifts(effect))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let each = size_of::<Effect>().saturating_add(size_of::<Tally>());
        self.all.len().saturating_mul(each).saturating_add(size_of_val(&*self.groups))
    }

    /// Asks the rules, and tells `seen` of each that holds, in order.
    #[inline]
    pub(super) fn judge(
        &self,
        set: &RuleSet,
        facts: &Facts<'_>,
        mut seen: impl FnMut(usize, &Effect, Fared),
    ) -> Judged {
        let mut judged =
            Judged { end: End::Passed, by: None, skips_limits: false, traces: Traces::default() };
        let mut skipped = 0;
        set.index().walk(facts, |at| {
            let Some(effect) = self.get(at) else { return ControlFlow::Continue(()) };
            if effect.group & skipped != 0 {
                seen(at, effect, Fared::Skipped);
                return ControlFlow::Continue(());
            }
            if !effect.is_in_force(facts.chance) {
                seen(at, effect, Fared::InShadow);
                if effect.end.denies() {
                    judged.traces.mark(Mark::ShadowRule(at));
                }
                return ControlFlow::Continue(());
            }
            seen(at, effect, Fared::Enforced);
            skipped |= effect.skips;
            effect.leave_marks(at, facts, &mut judged);
            match effect.end {
                End::Passed => ControlFlow::Continue(()),
                end => {
                    (judged.end, judged.by) = (end, Some(at));
                    ControlFlow::Break(())
                }
            }
        });
        judged.traces.set_tags(facts.marks.tags.get());
        judged
    }
}

impl Effect {
    fn new(rule: &Rule, tally: Arc<Tally>, groups: &[Name], tags: &[Name]) -> Self {
        let group = rule.group.as_ref().map_or(0, |group| bit_of(group, groups));
        let mut effect = Self {
            tally,
            mode: rule.mode,
            share: rule.share,
            end: End::Passed,
            skips_limits: false,
            is_logged: false,
            skips: 0,
            group,
            tags: 0,
            score: 0,
            class: None,
        };
        for action in &rule.actions {
            effect.add(action, groups, tags);
        }
        effect
    }

    fn add(&mut self, action: &Action, groups: &[Name], tags: &[Name]) {
        match action {
            Action::Allow { bypass_limits, bypass_shedding } => {
                self.end = End::Allowed {
                    bypasses_limits: *bypass_limits,
                    bypasses_shedding: *bypass_shedding,
                };
            }
            Action::Deny { status } => self.end = End::Denied { status: *status },
            Action::Ban(ban) => self.end = End::Banned(*ban),
            // One that denies says more.
            Action::Skip(Skip::Rules) if self.end == End::Passed => {
                self.end = End::Allowed { bypasses_limits: false, bypasses_shedding: false };
            }
            Action::Skip(Skip::Rules) | Action::Count => {}
            Action::Skip(Skip::Limits) => self.skips_limits = true,
            Action::Skip(Skip::Group(name)) => self.skips |= bit_of(name, groups),
            Action::Log => self.is_logged = true,
            Action::Tag(name) => self.tags |= bit_of(name, tags),
            Action::Score(score) => self.score = self.score.saturating_add(*score),
            Action::Class(class) => self.class = Some(*class),
        }
    }

    /// I2, I3.
    fn is_in_force(&self, chance: u64) -> bool {
        self.mode == RuleMode::Enforce && (self.share == Share::ALL || self.share.takes_in(chance))
    }

    fn leave_marks(&self, at: usize, facts: &Facts<'_>, judged: &mut Judged) {
        let marks = &facts.marks;
        marks.tags.set(marks.tags.get() | self.tags);
        marks.score.set(marks.score.get().saturating_add(self.score));
        if let Some(class) = self.class {
            judged.traces.set_class(class);
        }
        if self.is_logged {
            judged.traces.mark(Mark::Rule(at));
        }
        judged.skips_limits |= self.skips_limits;
    }

    /// Whether it denies requests, where it is in force.
    pub(super) fn denies(&self) -> bool {
        self.end.denies()
    }
}

impl End {
    pub(super) const fn denies(self) -> bool {
        matches!(self, Self::Denied { .. } | Self::Banned(_))
    }
}

/// The bit of a name among these; none if it is not there.
fn bit_of(name: &Name, names: &[Name]) -> u64 {
    let at = names.iter().position(|known| known == name);
    at.and_then(|at| 1_u64.checked_shl(u32::try_from(at).ok()?)).unwrap_or(0)
}
