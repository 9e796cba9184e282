//! Every mistake in a plan, told at once.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    effects::MOST_BITS,
    limits,
    plan::{LimitPlan, Plan},
    stats::OWN_NAMES,
};
use crate::{
    detect::{Defence, MOST_DIMENSIONS},
    error::{BuildProblem, snippet},
    rule::{Action, Expr, Kind, Mention, Name, Rule, Skip, Term, is_taken},
};

/// What is wrong with a plan as a whole, in the order of its fields.
pub(super) fn problems_of(plan: &Plan) -> Vec<BuildProblem> {
    let mut problems = Vec::new();
    of_rules(plan, &mut problems);
    of_limits(plan, &mut problems);
    of_mentions(plan, &mut problems);
    for field in plan.scheme.fields.keys().filter(|field| is_taken(field)) {
        problems.push(BuildProblem::TakenField { field: snippet(field) });
    }
    for (family, bits, most) in [("v4", plan.group.v4, 32), ("v6", plan.group.v6, 128)] {
        if bits > most {
            problems.push(BuildProblem::GroupTooLong { family, bits, most });
        }
    }
    let fleet = plan.fleet.problems();
    problems.extend(fleet.map(|error| BuildProblem::FleetSettings { error }));
    if let Some(defence) = &plan.defence {
        of_defence(defence, &mut problems);
    }
    match plan.clients {
        Some(0) if !plan.limits.is_empty() => problems.push(BuildProblem::NoClients),
        Some(clients) if clients > MOST_CLIENTS => {
            problems.push(BuildProblem::TooManyClients { clients, most: MOST_CLIENTS });
        }
        _ => {}
    }
    problems
}

fn of_rules(plan: &Plan, problems: &mut Vec<BuildProblem>) {
    let mut taken = alloc::collections::BTreeSet::new();
    for (number, rule) in (1_usize..).zip(&plan.rules) {
        let name = &rule.name;
        if !is_a_name(name) {
            problems.push(BuildProblem::RuleName { number, name: snippet(name) });
        } else if OWN_NAMES.contains(&&**name) || !taken.insert(name) {
            problems.push(BuildProblem::DuplicateRule { number, name: name.to_string() });
        }
        of_actions(number, rule, plan, problems);
    }
    let tags = distinct(plan, |action| match action {
        Action::Tag(name) => Some(name),
        _ => None,
    });
    let groups = distinct(plan, |action| match action {
        Action::Skip(Skip::Group(name)) => Some(name),
        _ => None,
    });
    for (what, found) in [("tags", tags), ("groups to skip", groups)] {
        if found > MOST_BITS {
            problems.push(BuildProblem::TooManyNames { what, found, most: MOST_BITS });
        }
    }
}

fn of_actions(number: usize, rule: &Rule, plan: &Plan, problems: &mut Vec<BuildProblem>) {
    let name = || snippet(&rule.name);
    if rule.actions.iter().filter(|action| action.ends()).count() > 1 {
        problems.push(BuildProblem::RuleEnds { number, name: name() });
    }
    for action in &rule.actions {
        match action {
            Action::Deny { status } if !(400..=599).contains(status) => {
                problems.push(BuildProblem::RuleStatus { number, name: name(), status: *status });
            }
            Action::Skip(Skip::Group(group)) if !is_a_group(group, plan) => {
                let group = snippet(group);
                problems.push(BuildProblem::UnknownGroup { number, name: name(), group });
            }
            _ => {}
        }
    }
}

fn of_limits(plan: &Plan, problems: &mut Vec<BuildProblem>) {
    for (at, limit) in plan.limits.iter().enumerate() {
        let LimitPlan { name, .. } = limit;
        let number = at.saturating_add(1);
        if !is_a_name(name) {
            problems.push(BuildProblem::LimitName { number, name: snippet(name) });
        } else if OWN_NAMES.contains(&&**name)
            || plan.limits.iter().take(at).any(|earlier| earlier.name == *name)
            || plan.rules.iter().any(|rule| rule.name == *name)
        {
            problems.push(BuildProblem::DuplicateLimit { number, name: String::from(&**name) });
        }
    }
    problems.extend(limits::problems(plan));
}

fn of_defence(defence: &Defence, problems: &mut Vec<BuildProblem>) {
    let parameters = defence.parameters.problems().into_iter();
    problems.extend(parameters.map(|(part, why)| BuildProblem::Defence { part, why }));
    let mut wrong = |why| problems.push(BuildProblem::Defence { part: "dimensions", why });
    let found = defence.dimensions.len();
    if found > MOST_DIMENSIONS {
        wrong(format!("are at most {MOST_DIMENSIONS} values, and not {found}"));
    }
    for why in defence.dimensions.iter().filter_map(limits::unfit_for_a_key) {
        wrong(format!("has a value that {why}"));
    }
}

/// The lists and limits that rules and limits name must be there, and lists hold what is asked for.
fn of_mentions(plan: &Plan, problems: &mut Vec<BuildProblem>) {
    for rule in &plan.rules {
        let place = || format!("rule {:?}", snippet(&rule.name));
        of_names(plan, &place, Some(&rule.when), &[], problems);
    }
    for limit in &plan.limits {
        let place = || format!("limit {:?}", snippet(&limit.name));
        of_names(plan, &place, limit.when.as_ref(), &limit.by, problems);
        of_names(plan, &place, limit.count_if.as_ref(), limit.distinct.as_slice(), problems);
    }
}

fn of_names(
    plan: &Plan,
    place: &dyn Fn() -> String,
    when: Option<&Expr>,
    terms: &[Term],
    problems: &mut Vec<BuildProblem>,
) {
    let mut visit = |mention: Mention<'_>| {
        let problem = match mention {
            Mention::List(name, kind) => match plan.lists.get(name) {
                Some(list) if Kind::from(list.holds()) == kind => return,
                Some(_) => BuildProblem::ListType { place: place(), list: snippet(name) },
                None => BuildProblem::UnknownList { place: place(), list: snippet(name) },
            },
            Mention::Limit(name) => {
                if plan.limits.iter().any(|limit| *limit.name == *name) {
                    return;
                }
                BuildProblem::UnknownLimit { place: place(), limit: snippet(name) }
            }
            // A tag that no rule sets is not set.
            Mention::Tag(_) | Mention::Sample => return,
        };
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    };
    if let Some(when) = when {
        when.each_mention(&mut visit);
    }
    for term in terms {
        term.each_mention(&mut visit);
    }
}

/// How many different names there are in the actions of all rules.
fn distinct(plan: &Plan, name: impl Fn(&Action) -> Option<&Name>) -> usize {
    let actions = plan.rules.iter().flat_map(|rule| &rule.actions);
    actions.filter_map(name).collect::<alloc::collections::BTreeSet<_>>().len()
}

fn is_a_group(name: &Name, plan: &Plan) -> bool {
    plan.groups.iter().any(|(group, _)| group == name)
        || plan.rules.iter().any(|rule| rule.group.as_ref() == Some(name))
}

/// Fit for a header, a JSON string and a log line without escaping.
pub(super) fn is_a_name(name: &str) -> bool {
    let fit = |c: char| (c == ' ' || c.is_ascii_graphic()) && c != '"' && c != '\\';
    (1..=64).contains(&name.len()) && name.chars().all(fit) && name.trim() == name
}

const MOST_CLIENTS: usize = 1 << 30;
