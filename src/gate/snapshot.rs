//! What a check reads: one state of the gate, which never changes.
//!
//! A gate holds one snapshot at a time; whatever changes the gate makes another one and swaps it in. A
//! check reads all of it from the one that it has loaded, so it never sees half of a change. Only the bounds of limits
//! that go on are changed in place, a moment before the rest.
//!
//! # Invariants
//! - **I1** a plan becomes a snapshot as a whole, or not at all;
//! - **I2** what has the same name as before goes on with its counts, and an unchanged limit with its
//!   clients;
//! - **I3** another content of a list is another snapshot with the same rules: nothing is compiled.

use alloc::{boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};

use super::{
    MissingPeer, Stage,
    bans::Bans,
    candidate::Candidate,
    effects::Effects,
    limits::Limits,
    plan::{Cost, LimitPlan, Plan},
    policies::{Policies, Policy},
    problems::problems_of,
    stats::{RuleKind, RuleStats, Tally},
};
use crate::{
    cidr::CidrSet,
    detect::{Detector, Posture},
    error::{BuildError, BuildProblem},
    limit::{Share, seeds::Seeds},
    request::{ClientGroup, ClientIp, canonical::Needs},
    rule::{Lists, Mention, Name, Reader, Rule, RuleMode, RuleSet, Scheme},
    time::Timestamp,
    verdict::Names,
};

/// One state of the gate.
#[derive(Clone)]
pub(super) struct Snapshot {
    pub(super) setting: Arc<Setting>,
    /// With the content of the lists.
    pub(super) rules: RuleSet,
    /// Rules that are judged beside these.
    pub(super) candidate: Option<Candidate>,
}

/// What a plan says, without the content of lists.
pub(super) struct Setting {
    pub(super) exempt: CidrSet,
    pub(super) allow: CidrSet,
    pub(super) deny: CidrSet,
    pub(super) client: ClientIp,
    pub(super) group: ClientGroup,
    pub(super) missing_peer: MissingPeer,
    pub(super) bans: Arc<Bans>,
    /// How many there can be.
    pub(super) most_bans: usize,
    pub(super) effects: Effects,
    pub(super) limits: Limits,
    pub(super) policies: Policies,
    pub(super) limit_tallies: Box<[Arc<Tally>]>,
    pub(super) names: Arc<Names>,
    /// Whether anything asks for more of a request than its client.
    pub(super) reads_requests: bool,
    /// Whether a rule can lift limits.
    pub(super) lifts_limits: bool,
    /// What rules and limits read of a request's canonical form.
    pub(super) needs: Needs,
    /// Whether anything asks where clients stand among all of them.
    pub(super) asks_chance: bool,
    /// What watches the traffic, if the gate may do anything by itself.
    pub(super) detector: Option<Arc<Detector>>,
    /// As it was described.
    pub(super) frame: Frame,
    /// The service's own dimensions, in which it looks for what an attack has in common.
    pub(super) dimensions: Box<[Reader]>,
}

/// What rules can name apart from lists, how far groups go, and limits as they were described.
pub(super) struct Frame {
    pub(super) limits: Vec<LimitPlan>,
    pub(super) groups: Vec<(Name, RuleMode)>,
    pub(super) scheme: Scheme,
}

impl Frame {
    fn of(plan: &Plan) -> Self {
        let Plan { limits, groups, scheme, .. } = plan;
        Self { limits: limits.clone(), groups: groups.clone(), scheme: scheme.clone() }
    }

    /// A plan with other rules, and nothing but what they may name.
    pub(super) fn with_rules(&self, rules: Vec<Rule>, lists: Lists) -> Plan {
        let Self { limits, groups, scheme } = self;
        Plan {
            rules,
            lists,
            limits: limits.clone(),
            groups: groups.clone(),
            scheme: scheme.clone(),
            ..Plan::default()
        }
    }
}

/// The counts of rules and limits, by their names; those of rules that are off among them.
pub(super) type Tallies = BTreeMap<Name, Arc<Tally>>;

impl Snapshot {
    /// The plan with this content of its lists.
    ///
    /// # Errors
    /// All mistakes; nothing is changed then.
    pub(super) fn build(
        plan: Plan,
        lists: Lists,
        before: Option<(&Self, &Tallies)>,
        seeds: &mut Seeds,
        now: Timestamp,
    ) -> Result<(Self, Tallies), BuildError> {
        let problems = problems_of(&plan);
        if !problems.is_empty() {
            return Err(BuildError::new(problems));
        }
        let tallies = tallies_of(&plan, before.map(|(_, tallies)| tallies));
        let rules = compile(plan.rules.iter().cloned(), &plan, lists)?;
        let before = before.map(|(snapshot, _)| &*snapshot.setting);
        let policy = |limit: &LimitPlan| Policy::new(Name::clone(&limit.name), limit.bound);
        let policies = Policies {
            generation: before.map_or(0, |before| before.policies.generation.wrapping_add(1)),
            all: plan.limits.iter().map(policy).collect(),
        };
        let names = Names {
            rules: rules.rules().iter().map(|rule| Name::clone(&rule.name)).collect(),
            limits: plan.limits.iter().map(|limit| Name::clone(&limit.name)).collect(),
            tags: rules.tags().into(),
        };
        let most_bans = plan.bans.unwrap_or(DEFAULT_BANS);
        let bans = match before {
            None => Arc::new(Bans::new(most_bans, seeds.hasher())),
            Some(old) if old.most_bans == most_bans => Arc::clone(&old.bans),
            Some(old) => Arc::new(old.bans.resized(most_bans, seeds.hasher(), now)),
        };
        let effects = Effects::new(&rules, &tallies);
        let asks_chance = asks_chance(&plan);
        let watched = plan.defence.as_ref().filter(|defence| defence.up_to > Posture::Normal);
        let dimensions = watched.map_or(&[][..], |defence| &defence.dimensions);
        let dimensions = dimensions.iter().map(|term| Reader::of(&term.0, &[])).collect();
        let detector = match (watched, before.and_then(|before| before.detector.as_ref())) {
            (None, _) => None,
            (Some(_), Some(detector)) => Some(Arc::clone(detector)),
            (Some(defence), None) => Some(
                Detector::new(defence.clone(), seeds)
                    .map_err(|_| BuildError::new(alloc::vec![BuildProblem::NoRoomToWatch]))?,
            ),
        };
        // The last: from here on, limits that go on have their new bounds.
        let limits = before.map(|setting| &setting.limits);
        let limits =
            Limits::build(&plan, rules.tags(), limits, seeds, now).map_err(BuildError::new)?;
        if let (Some(defence), Some(detector)) = (&plan.defence, &detector) {
            detector.set_defence(defence.clone());
        }
        let setting = Setting {
            frame: Frame::of(&plan),
            exempt: plan.exempt,
            allow: plan.allow,
            deny: plan.deny,
            client: plan.client,
            group: plan.group,
            missing_peer: plan.missing_peer,
            bans,
            most_bans,
            reads_requests: !effects.is_empty() || limits.reads_requests(),
            lifts_limits: effects.lift_limits(),
            needs: rules.index().needs().union(limits.needs()),
            asks_chance,
            detector,
            dimensions,
            effects,
            limits,
            policies,
            limit_tallies: names
                .limits
                .iter()
                .filter_map(|name| tallies.get(name).cloned())
                .collect(),
            names: Arc::new(names),
        };
        Ok((Self { setting: Arc::new(setting), rules, candidate: None }, tallies))
    }

    /// What a check reads of a request's canonical form.
    #[inline]
    pub(super) fn needs(&self) -> Needs {
        match &self.candidate {
            None => self.setting.needs,
            Some(candidate) => self.setting.needs.union(candidate.needs()),
        }
    }

    /// The same with other content of its lists (I3).
    pub(super) fn with_lists(&self, lists: Lists) -> Self {
        Self {
            setting: Arc::clone(&self.setting),
            candidate: self.candidate.as_ref().map(|candidate| candidate.with_lists(&lists)),
            rules: self.rules.with_lists(lists),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let Setting { exempt, allow, deny, effects, limits, bans, detector, .. } = &*self.setting;
        let lists = self.rules.lists().iter();
        let lists = lists.fold(0_usize, |sum, (_, list)| sum.saturating_add(list.memory_bytes()));
        let watching = detector.as_ref().map_or(0, |detector| detector.memory_bytes());
        [exempt, allow, deny]
            .iter()
            .fold(limits.memory_bytes().saturating_add(bans.memory_bytes()), |sum, list| {
                sum.saturating_add(list.memory_bytes())
            })
            .saturating_add(effects.memory_bytes())
            .saturating_add(watching)
            .saturating_add(self.rules.memory_bytes())
            .saturating_add(self.candidate.as_ref().map_or(0, Candidate::memory_bytes))
            .saturating_add(lists)
            .saturating_add(size_of::<Setting>())
            .saturating_add(size_of::<Self>())
    }
}

impl Setting {
    /// Rules, then limits.
    pub(super) fn rule_stats(&self) -> impl Iterator<Item = RuleStats> {
        let rules = self.effects.tallies();
        let rules = rules.map(|tally| tally.snapshot(RuleKind::Rule, Stage::Rules));
        let limits = self.limit_tallies.iter();
        rules.chain(limits.map(|tally| tally.snapshot(RuleKind::Limit, Stage::Limits)))
    }
}

/// These rules, as far as their groups let them go.
pub(super) fn compile(
    rules: impl Iterator<Item = Rule>,
    plan: &Plan,
    lists: Lists,
) -> Result<RuleSet, BuildError> {
    let capped = rules.map(|rule| {
        let mode = rule.mode.min(mode_of_group(rule.group.as_ref(), &plan.groups));
        Rule { mode, ..rule }
    });
    RuleSet::new(capped, lists).map_err(|found| {
        BuildError::new(alloc::vec![BuildProblem::Rules { message: alloc::format!("{found}") }])
    })
}

/// Whether anything is about a share of the clients.
fn asks_chance(plan: &Plan) -> bool {
    let mut asks = plan.rules.iter().any(|rule| rule.share != Share::ALL)
        || plan.limits.iter().any(|limit| limit.share != Share::ALL);
    let mut visit = |mention: Mention<'_>| asks |= mention == Mention::Sample;
    plan.rules.iter().for_each(|rule| rule.when.each_mention(&mut visit));
    for limit in &plan.limits {
        limit.when.iter().chain(&limit.count_if).for_each(|expr| expr.each_mention(&mut visit));
        let cost = match &limit.cost {
            Cost::Units(_) => None,
            Cost::Request(term) | Cost::Response(term) => Some(term),
        };
        let terms = limit.by.iter().chain(&limit.distinct).chain(cost);
        terms.for_each(|term| term.each_mention(&mut visit));
    }
    asks
}

/// How far a limit goes, in its group.
pub(super) fn mode_of_limit(limit: &LimitPlan, groups: &[(Name, RuleMode)]) -> RuleMode {
    limit.mode.min(mode_of_group(limit.group.as_ref(), groups))
}

/// How far the members of a group can go.
pub(super) fn mode_of_group(group: Option<&Name>, groups: &[(Name, RuleMode)]) -> RuleMode {
    let named = groups.iter().filter(|(name, _)| Some(name) == group);
    named.map(|(_, mode)| *mode).min().unwrap_or_default()
}

/// The counts of all rules and limits, those from before where there are.
pub(super) fn tallies_of(plan: &Plan, before: Option<&Tallies>) -> Tallies {
    let rules = plan.rules.iter().map(|rule| &rule.name);
    let limits = plan.limits.iter().map(|limit| &limit.name);
    let tally = |name: &Name| {
        let old = before.and_then(|before| before.get(name)).map(Arc::clone);
        (Name::clone(name), old.unwrap_or_else(|| Arc::new(Tally::new(Name::clone(name)))))
    };
    rules.chain(limits).map(tally).collect()
}

/// Under miri our own tests would wait for the memory of so many.
const DEFAULT_BANS: usize = if cfg!(all(test, miri)) { 100 } else { 10_000 };
