//! A description becomes limits, with the buckets of those before where it can.

use alloc::{boxed::Box, format, string::String, sync::Arc, vec::Vec};

use super::{
    Cost, Entry, Limits, MOST_LIMITS,
    conditions::{Conditions, Meaning},
    count::{Counted, Unfit, asks_for_the_response, response_field},
    in_flight::unfit,
    judge::bit,
    key::Key,
    pending::{self, Settler},
    state::{Definition, State},
};
use crate::{
    error::{BuildProblem, KeyedLimiterError, snippet},
    gate::{
        plan::{self, Bound, LimitPlan, Plan, Scope, Then},
        stats::Saturation,
    },
    limit::{
        AdjustableBucket, Capacity, KeyedLimiter, OnSaturation, Share,
        remote::{self, Fleet, OnFailure},
        seeds::Seeds,
    },
    quota::Quota,
    rule::{
        Ban, Builtin, DEEPEST, Expr, Index, Kind, MOST_TESTS, Name, Names, Node, Operand, Reader,
        RuleMode, Term,
    },
    time::Timestamp,
};

/// How many clients are remembered unless it is said; under miri our own tests would wait for the memory of so many.
pub(in crate::gate) const DEFAULT_CLIENTS: usize =
    if cfg!(all(test, miri)) { 100 } else { 100_000 };
/// The parts about the request in conditions about the response, each a bit in a word.
const MOST_PARTS: usize = 64;

impl Limits {
    /// The limits of a plan that has no [`problems`]. `tags` are those that rules set, by their bits.
    ///
    /// Call it last: limits that go on have their new quotas when it returns `Ok`. When it does not,
    /// nothing is changed.
    ///
    /// # Errors
    /// All mistakes, or that memory cannot be had.
    pub(in crate::gate) fn build(
        plan: &Plan,
        tags: &[Name],
        before: Option<&Self>,
        seeds: &mut Seeds,
        now: Timestamp,
    ) -> Result<Self, Vec<BuildProblem>> {
        let problems = problems(plan);
        if !problems.is_empty() {
            return Err(problems);
        }
        let (settlers, parts) = (Vec::new(), Vec::new());
        let mut build = Build { plan, tags, before, seeds, now, settlers, parts };
        let node = build.node()?;
        let all = build.entries(node.as_ref())?;
        let conditions = build.conditions(&all)?;
        let clients = plan.clients.unwrap_or(DEFAULT_CLIENTS);
        let newcomers = match plan.on_saturation {
            OnSaturation::Deny => Some(plan.newcomers.unwrap_or_else(|| newcomers(clients))),
            OnSaturation::Allow => None,
        };
        // From here on nothing can go wrong.
        for (entry, limit) in all.iter().zip(&plan.limits) {
            entry.state.set_bound(limit.bound_here(&plan.fleet), now);
        }
        let newcomers = newcomers.map(|quota| match before.and_then(|old| old.newcomers.clone()) {
            Some(bucket) if bucket.quota() == quota => bucket,
            Some(bucket) => {
                bucket.set_quota(quota, now);
                bucket
            }
            None => Arc::new(AdjustableBucket::new(quota)),
        });
        let saturation = match before {
            Some(before) => Arc::clone(&before.saturation),
            None => Arc::new(Saturation::new()),
        };
        Ok(Self {
            are_plain: all.iter().zip(&plan.limits).all(|(entry, limit)| entry.is_plain(limit)),
            in_flight: all.iter().enumerate().fold(0, |bits, (at, entry)| {
                bits | if entry.state.places().is_some() { bit(at) } else { 0 }
            }),
            shared: all.iter().enumerate().fold(0, |bits, (at, entry)| {
                bits | if entry.fleet.is_some() { bit(at) } else { 0 }
            }),
            node,
            all,
            conditions,
            settlers: build.settlers.into(),
            newcomers,
            saturation,
            missing_peer: plan.missing_peer,
        })
    }
}

struct Build<'a> {
    plan: &'a Plan,
    tags: &'a [Name],
    before: Option<&'a Limits>,
    seeds: &'a mut Seeds,
    now: Timestamp,
    settlers: Vec<Settler>,
    /// The parts about the request in conditions about responses.
    parts: Vec<Node>,
}

impl Build<'_> {
    /// The node that limits of a fleet are checked with: the one from before, if it is of the same fleet.
    fn node(&mut self) -> Result<Option<Fleet>, Vec<BuildProblem>> {
        let Plan { limits, fleet, .. } = self.plan;
        if limits.iter().all(|limit| limit.scope == Scope::Gate) {
            return Ok(None);
        }
        let before = self.before.and_then(|before| before.node.clone());
        let same = before.filter(|node| node.settings() == fleet);
        let node = same.map_or_else(|| Fleet::seeded(fleet.clone(), self.seeds), Ok);
        node.map(Some).map_err(|error| alloc::vec![BuildProblem::FleetSettings { error }])
    }

    fn entries(&mut self, node: Option<&Fleet>) -> Result<Box<[Entry]>, Vec<BuildProblem>> {
        let plan = self.plan;
        plan.limits
            .iter()
            .enumerate()
            .map(|(at, limit)| self.entry(at, limit, node).map_err(|problem| alloc::vec![problem]))
            .collect()
    }

    fn entry(
        &mut self,
        at: usize,
        limit: &LimitPlan,
        node: Option<&Fleet>,
    ) -> Result<Entry, BuildProblem> {
        let plan = self.plan;
        let bound = limit.bound_here(&plan.fleet);
        let fleet = match (limit.scope, limit.bound, node) {
            (Scope::Fleet(on_failure), Bound::Quota(quota), Some(node)) => {
                let made = node.limit(&limit.name, quota, on_failure);
                Some(made.map_err(|error| BuildProblem::FleetSettings { error })?)
            }
            _ => None,
        };
        let key = Key::of(&limit.by, self.tags);
        let keys = match limit.scope {
            // Nobody asks its buckets here.
            Scope::Fleet(OnFailure::Open | OnFailure::Closed) => 1,
            _ => plan.clients.unwrap_or(DEFAULT_CLIENTS),
        };
        let coarse = plan.on_saturation == OnSaturation::Deny;
        let definition = Definition::of(limit, &key, plan.group, keys, coarse);
        let old = self.before.and_then(|before| {
            let mut all = before.all.iter();
            all.find(|old| old.state.can_become(&definition, bound, self.now))
        });
        let state = match old {
            Some(old) => Arc::clone(&old.state),
            None => {
                let refused = |error| refused(at, limit, keys, error);
                Arc::new(State::new(definition, bound, self.seeds).map_err(refused)?)
            }
        };
        let response_cost = limit.cost.of_response();
        let cost = match &limit.cost {
            plan::Cost::Units(units) => Cost::Units(*units),
            plan::Cost::Request(_) | plan::Cost::Response(_) if response_cost.is_some() => {
                Cost::Units(1)
            }
            plan::Cost::Request(term) | plan::Cost::Response(term) => {
                Cost::Request(Reader::of(&term.0, self.tags))
            }
        };
        let counted = match &limit.count_if {
            Some(expr) => {
                Some(Counted::of(&expr.0, &mut self.parts).map_err(|Unfit::List| list(at, limit))?)
            }
            None => None,
        };
        let settler = is_settled(limit).then(|| {
            let slot = u8::try_from(self.settlers.len()).unwrap_or(u8::MAX);
            let asks_size = response_cost == Some(Builtin::ResponseSize)
                || counted.as_ref().is_some_and(Counted::asks_size);
            let state = Arc::clone(&state);
            self.settlers.push(Settler { state, counted, cost: response_cost, asks_size });
            slot
        });
        let groups = plan.groups.iter().filter(|(name, _)| limit.group.as_ref() == Some(name));
        Ok(Entry {
            name: Name::clone(&limit.name),
            key,
            cost,
            distinct: limit.distinct.as_ref().map(|term| Reader::of(&term.0, self.tags)),
            missing: limit.missing,
            then: limit.then,
            mode: groups.map(|(_, mode)| *mode).fold(limit.mode, RuleMode::min),
            share: limit.share,
            settler,
            state,
            fleet,
        })
    }

    fn conditions(&self, all: &[Entry]) -> Result<Conditions, Vec<BuildProblem>> {
        let (mut always, mut exprs, mut meanings) = (0, Vec::new(), Vec::new());
        for ((at, entry), limit) in all.iter().enumerate().zip(&self.plan.limits) {
            match &limit.when {
                _ if entry.mode == RuleMode::Off => {}
                None | Some(Expr(Node::Const(true))) => always |= bit(at),
                Some(Expr(Node::Const(false))) => {}
                Some(when) => {
                    exprs.push(when.clone());
                    meanings.push(Meaning::Limit(at));
                }
            }
        }
        for (bit, part) in (0..).zip(&self.parts) {
            exprs.push(Expr(part.clone()));
            meanings.push(Meaning::Known(bit));
        }
        let names = Names { lists: &self.plan.lists, tags: self.tags };
        let index = Index::build(exprs, &names).map_err(|(at, what)| {
            let mut limits = self.plan.limits.iter().enumerate();
            let (limit, name) = match meanings.get(at) {
                Some(Meaning::Limit(limit)) => (limits.nth(*limit), "when"),
                // Parts are shared among limits: the first that may have it.
                _ => (limits.find(|(_, limit)| limit.count_if.is_some()), "count_if"),
            };
            let (_, why) = what.told();
            let too_large = |(at, limit)| part(at, limit, name, &format!("is too much: {why}"));
            limit.map(too_large).into_iter().collect::<Vec<_>>()
        })?;
        Ok(Conditions { always, index, meanings: meanings.into() })
    }
}

impl Entry {
    /// Whether it is a limit of each client's, and nothing else.
    fn is_plain(&self, limit: &LimitPlan) -> bool {
        matches!(self.key, Key::Client)
            && matches!(self.cost, Cost::Units(1))
            && limit.when.is_none()
            && self.fleet.is_none()
            && self.distinct.is_none()
            && self.settler.is_none()
            && self.mode == RuleMode::Enforce
            && self.share == Share::ALL
    }
}

/// What is wrong with the limits of a plan, all of it; names are looked at where those of rules are.
pub(in crate::gate) fn problems(plan: &Plan) -> Vec<BuildProblem> {
    let mut problems = Vec::new();
    let (mut settled, mut parts) = (0_usize, Vec::new());
    for (at, limit) in plan.limits.iter().enumerate() {
        of_limit(at, limit, plan.fleet.nodes, &mut problems);
        if let Some(expr) = &limit.count_if {
            if Counted::of(&expr.0, &mut parts).is_err() {
                problems.push(list(at, limit));
            }
        }
        settled = settled.saturating_add(usize::from(is_settled(limit)));
    }
    let limits = plan.limits.len();
    if limits > MOST_LIMITS {
        problems.push(BuildProblem::TooManyLimits { limits, most: MOST_LIMITS });
    }
    let of_fleet = plan.limits.iter().filter(|limit| limit.scope != Scope::Gate).count();
    if of_fleet > remote::MOST_CLAIMS {
        let most = remote::MOST_CLAIMS;
        problems.push(BuildProblem::TooManyFleetLimits { limits: of_fleet, most });
    }
    if settled > pending::MOST {
        problems.push(BuildProblem::TooManySettled { limits: settled, most: pending::MOST });
    }
    if parts.len() > MOST_PARTS {
        problems.push(BuildProblem::TooManyParts { parts: parts.len(), most: MOST_PARTS });
    }
    problems
}

/// Whether it takes something that its response, or the end of it, settles.
fn is_settled(limit: &LimitPlan) -> bool {
    limit.count_if.is_some()
        || limit.cost.of_response().is_some()
        || matches!(limit.bound, Bound::InFlight(_))
}

fn of_limit(at: usize, limit: &LimitPlan, nodes: u32, problems: &mut Vec<BuildProblem>) {
    if let Bound::Quota(quota) = limit.bound {
        // Of a fleet's limit, a node's part is kept here.
        let kept = match limit.scope {
            Scope::Gate => quota,
            Scope::Fleet(_) => remote::divided(quota, nodes),
        };
        // Whether a quota fits does not depend on the size. One bucket for everything holds any.
        let debt = limit.cost.room_for_debt(kept);
        if !limit.by.is_empty() {
            match KeyedLimiter::with_debt(kept, debt, Capacity::keys(1)) {
                Ok(_) => {}
                Err(KeyedLimiterError::OutOfRange { .. }) if kept != quota => {
                    problems.push(part(at, limit, "quota", &too_much_for_a_node(kept, nodes)));
                }
                Err(error) => problems.push(refused(at, limit, 1, error)),
            }
        }
    }
    let mut wrong = |name, why| problems.push(part(at, limit, name, why));
    for (name, why) in unfit(limit).chain(unfit_for_a_fleet(limit)) {
        wrong(name, why);
    }
    for term in &limit.by {
        if let Some(why) = unfit_for_a_key(term) {
            wrong("by", why);
        }
    }
    if let Some(why) = limit.distinct.as_ref().and_then(unfit_for_a_key) {
        wrong("distinct", why);
    }
    match &limit.cost {
        plan::Cost::Units(0) => wrong("cost", "is 0, which limits nothing: use at least 1"),
        plan::Cost::Units(_) => {}
        plan::Cost::Request(term) | plan::Cost::Response(term) => {
            if term.0.kind() != Kind::Int || term.0.is_each() {
                wrong("cost", "is not a whole number: use a number, or a field that is one");
            } else if asks_counters(&term.0) {
                wrong("cost", "asks a counter, which would go round in circles: use a field");
            }
        }
    }
    for (name, expr) in [("when", &limit.when), ("count_if", &limit.count_if)] {
        let Some(Expr(node)) = expr else { continue };
        if node.levels() > DEEPEST {
            wrong(name, "is nested too deeply: use at most 64 levels");
        } else if node.tests() > MOST_TESTS {
            wrong(name, "has too many tests: use at most 4096, and a list for values of one field");
        }
    }
    if limit.when.as_ref().is_some_and(|when| asks_for_the_response(&when.0)) {
        wrong("when", "asks for the response, which is not there yet: use count_if for that");
    }
    if let Then::Ban(Ban { first, escalate, most }) = limit.then {
        if first.is_zero() || escalate == 0 {
            wrong(
                "then",
                "bans for no time: use a ban of at least 1 ns, and a factor of at least 1",
            );
        } else if most < first {
            wrong("then", "bans longer the first time than at most: use a longer max");
        }
    }
}

/// The parts of a plan that a limit of a fleet cannot have, and why.
pub(in crate::gate) fn unfit_for_a_fleet(
    plan: &LimitPlan,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_of_fleet = plan.scope != Scope::Gate;
    let (quota, is_in_flight) = match plan.bound {
        Bound::Quota(quota) => (Some(quota), false),
        Bound::InFlight(_) => (None, true),
    };
    let asks = matches!(plan.cost, plan::Cost::Response(_)) || plan.cost.of_response().is_some();
    [
        (
            "quota",
            quota.is_some_and(|quota| !remote::can_count(quota)),
            "has more digits than a fleet can count exactly: use a smaller burst, or a count that divides \
             the period better",
        ),
        (
            "in_flight",
            is_in_flight,
            "counts what one process serves, whose places nobody would give back if it died: use a quota, \
             or let each gate count by itself",
        ),
        (
            "count_if",
            plan.count_if.is_some() && !is_in_flight,
            "asks for the response, by which time a fleet gives nothing back: leave it out, or let each \
             gate count by itself",
        ),
        (
            "distinct",
            plan.distinct.is_some() && !is_in_flight,
            "counts values that only one gate remembers: leave it out, or let each gate count by itself",
        ),
        (
            "cost",
            asks && !is_in_flight,
            "asks for the response, by which time a fleet takes nothing more: use a number or a value of \
             the request, or let each gate count by itself",
        ),
    ]
    .into_iter()
    .filter(move |(_, is_there, _)| is_of_fleet && *is_there)
    .map(|(part, _, why)| (part, why))
}

fn too_much_for_a_node(kept: Quota, nodes: u32) -> String {
    format!(
        "leaves each of {nodes} nodes {kept}, which cannot be kept for each client: use a lower rate or a \
         smaller burst"
    )
}

/// Why a value cannot be a part of a key.
pub(in crate::gate) fn unfit_for_a_key(term: &Term) -> Option<&'static str> {
    let operand = &term.0;
    if response_field(operand).is_some() {
        Some("asks for the response, which is not there yet: use count_if or cost for that")
    } else if asks_counters(operand) {
        Some("asks a counter, which would go round in circles: use a field")
    } else if matches!(operand.kind(), Kind::Array | Kind::Map | Kind::Flags) {
        Some("is more than one value: name one of them, as in header[\"x-api-key\"]")
    } else {
        None
    }
}

fn asks_counters(operand: &Operand) -> bool {
    matches!(operand, Operand::Counter(_)) || operand.inner().is_some_and(asks_counters)
}

fn part(at: usize, limit: &LimitPlan, part: &'static str, why: &str) -> BuildProblem {
    let number = at.saturating_add(1);
    BuildProblem::LimitPart { number, name: snippet(&limit.name), part, why: String::from(why) }
}

fn list(at: usize, limit: &LimitPlan) -> BuildProblem {
    let why = "looks a value of the response up in a list, and lists are gone by then: write the \
               values out, as in status in {401 403}";
    part(at, limit, "count_if", why)
}

/// Why a limit cannot be had.
fn refused(at: usize, limit: &LimitPlan, clients: usize, error: KeyedLimiterError) -> BuildProblem {
    let (number, name) = (at.saturating_add(1), snippet(&limit.name));
    match (error, limit.bound) {
        (KeyedLimiterError::OutOfRange { .. }, Bound::Quota(quota)) => {
            BuildProblem::LimitQuota { number, name, quota }
        }
        _ => BuildProblem::NoMemory { number, name, clients },
    }
}

/// The budget for newcomers unless it is said: a hundredth of the clients a second.
fn newcomers(clients: usize) -> Quota {
    Quota::per_second(u32::try_from(clients / 100).unwrap_or(u32::MAX).max(1))
}
