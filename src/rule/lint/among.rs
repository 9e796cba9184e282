//! What is odd about a rule beside others: it says the same as one of them, or is never asked.

use alloc::{format, vec::Vec};
use std::collections::HashMap;

use ahash::RandomState;

use super::{Report, fold};
use crate::{
    limit::Share,
    rule::{
        diagnostic::Code,
        expr::{Expr, Node},
        rule::{Action, Rule, RuleMode, Skip},
    },
};

/// So many pairs of rules are compared part by part.
pub(super) const MOST_COMPARED: usize = 500_000;

/// So many rules of one condition are compared by what follows from it.
const MOST_ALIKE: usize = 64;

/// What was seen of earlier rules.
#[derive(Default)]
pub(super) struct Earlier<'r> {
    /// All rules, by their conditions.
    same: HashMap<&'r Expr, Vec<&'r Rule>, RandomState>,
    /// Rules after which no other is asked, by one part of their conditions.
    ending: HashMap<&'r Node, Vec<&'r Rule>, RandomState>,
    /// The same, in their order.
    ends: Vec<&'r Rule>,
    /// Pairs that were looked at because they have a part in common, and in any case.
    compared_alike: usize,
    compared: usize,
}

/// Reports what is odd about a rule beside earlier ones, and remembers it for later ones.
pub(super) fn look<'r>(rule: &'r Rule, earlier: &mut Earlier<'r>, report: &mut Report<'_>) {
    let same = earlier.same.entry(&rule.when).or_default();
    let twin = same.iter().take(MOST_ALIKE).find(|other| {
        (&other.actions, other.mode, other.share, &other.group)
            == (&rule.actions, rule.mode, rule.share, &rule.group)
    });
    if let Some(twin) = twin {
        report.add(
            Code::DuplicateRule,
            format!("the rule says the same as {}", twin.place()),
            "remove one of the two",
        );
    } else if let Some(before) = earlier.covering(rule) {
        report.add(
            Code::Unreachable,
            format!("no request comes as far as this rule: {} ends them all", before.place()),
            "move it before that rule, by a lower priority, or remove it",
        );
    }
    earlier.same.entry(&rule.when).or_default().push(rule);
    if ends_for_all(rule) {
        earlier.ends.push(rule);
        // Under the part that fewest have: many rules may be about one method, and few about one path.
        let rules_of = |part: &&Node| earlier.ending.get(part).map_or(0, Vec::len);
        let rarest = parts(&rule.when.0).iter().min_by_key(rules_of);
        earlier.ending.entry(rarest.unwrap_or(&rule.when.0)).or_default().push(rule);
    }
}

impl<'r> Earlier<'r> {
    /// An earlier rule that ends whatever this one could hold for.
    fn covering(&mut self, rule: &Rule) -> Option<&'r Rule> {
        let node = &rule.when.0;
        let has_all = |other: &&&Rule| fold::implies(node, &other.when.0);
        for part in parts(node) {
            let left = MOST_COMPARED.saturating_sub(self.compared_alike);
            let alike = self.ending.get(part).map_or(&[][..], Vec::as_slice).iter().take(left);
            self.compared_alike = self.compared_alike.saturating_add(alike.len());
            if let Some(before) = alike.into_iter().find(has_all) {
                return Some(before);
            }
        }
        let left = MOST_COMPARED.saturating_sub(self.compared);
        let looked = self.ends.iter().take(left);
        self.compared = self.compared.saturating_add(looked.len());
        let always = |other: &&&Rule| fold::truth(&other.when.0) == Some(true);
        looked.into_iter().find(|other| has_all(other) || always(other)).copied()
    }
}

/// Whether no later rule is asked where this one holds, whoever the client is.
fn ends_for_all(rule: &Rule) -> bool {
    let ends = |action: &Action| action.ends() || matches!(action, Action::Skip(Skip::Rules));
    // The mode of a group may be changed, and then it ends nothing.
    rule.mode == RuleMode::Enforce
        && rule.share == Share::ALL
        && rule.group.is_none()
        && rule.actions.iter().any(ends)
}

/// What all has to hold.
fn parts(node: &Node) -> &[Node] {
    match node {
        Node::And(nodes) => nodes,
        other => core::slice::from_ref(other),
    }
}
