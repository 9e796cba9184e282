//! Doubts about rules that are valid: what is probably not meant, and what is slower than need be.
//!
//! A lint says only what is true of the rules as they are: a rule that is called unreachable is, and a
//! condition that is called constant is. What is not noticed may still be a mistake.
//!
//! # Bounds
//! Rules are compared with earlier ones, those first that have a part in common, until [`MOST_COMPARED`]
//! pairs of these and as many of all were looked at; so time is in proportion to the rules, but for a fixed part.

mod fold;
mod pattern;
#[cfg(test)]
mod tests;

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use std::collections::HashMap;

use ahash::RandomState;

use self::fold::Why;
use super::{
    diagnostic::{Code, Diagnostic},
    expr::{Addresses, Atom, Expr, Node, Operand, Set, Test},
    field::{Builtin, Kind},
    index::Index,
    list::Lists,
    rule::{Action, Rule, RuleMode, Skip},
};
use crate::{error::snippet, limit::Share};

/// So many pairs of rules are compared part by part.
const MOST_COMPARED: usize = 500_000;

/// So many rules of one condition are compared by what follows from it.
const MOST_ALIKE: usize = 64;

/// All doubts about rules in the order in which they are judged, rule by rule.
pub(super) fn lint(rules: &[Rule], lists: &Lists, index: &Index) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut earlier = Earlier::default();
    for (at, rule) in rules.iter().enumerate() {
        let before = found.len();
        let mut report = Report { rule, before, found: &mut found };
        one(rule, lists, &mut report);
        if index.tries_always(at) && fold::truth(&rule.when.0).is_none() {
            report.add(
                Code::NotIndexed,
                String::from("no index can find this rule; it is tried for every request"),
                "add what has to be true of a path, a host, an address, a method or a header",
            );
        }
        among(rule, &mut earlier, &mut report);
    }
    found
}

/// Where doubts about one rule go.
struct Report<'r> {
    rule: &'r Rule,
    /// So many are about earlier rules.
    before: usize,
    found: &'r mut Vec<Diagnostic>,
}

impl Report<'_> {
    fn add(&mut self, code: Code, message: String, help: impl Into<String>) {
        let diagnostic =
            Diagnostic::of_whole(code, message).with_help(help).at_place(self.rule.place());
        // The same test twice in a rule is one doubt.
        let own = self.found.get(self.before..).unwrap_or_default();
        if !own.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }
}

// What is odd about a rule by itself.

fn one(rule: &Rule, lists: &Lists, report: &mut Report<'_>) {
    let node = &rule.when.0;
    constant(node, true, report);
    each_atom(node, true, &mut |atom, positive| {
        let Atom { operand, test } = atom;
        match test {
            Test::Matches(regex) => patterns(operand, regex, report),
            Test::InList(name) if lists.get(name).is_none_or(|list| list.is_empty()) => {
                let never = if positive { "never holds" } else { "always holds" };
                let shown = quoted(&Node::Atom(atom.clone()), !positive);
                report.add(
                    Code::EmptyList,
                    format!("list `${}` is empty, so {shown} {never}", snippet(name)),
                    "fine if the program fills it later",
                );
            }
            Test::Among(Set::Addresses(items)) => nets(rule, items, positive, report),
            _ => {}
        }
        let allows = rule.actions.iter().any(|action| matches!(action, Action::Allow { .. }));
        if let (true, true, Some(field)) = (allows, positive, raw_field(operand)) {
            let canonical = field.strip_prefix("raw.").unwrap_or(field);
            report.add(
                Code::RawInAllow,
                format!("the rule allows by `{field}`, which a client can write in many ways"),
                format!("allow by `{canonical}`, which is canonical"),
            );
        }
    });
}

/// Reports the largest parts that are always the same.
fn constant(node: &Node, whole: bool, report: &mut Report<'_>) {
    if let Node::Const(true) = node {
        // Written out, it is meant, unless it stands beside something else.
        if whole {
            return;
        }
    }
    let Some(value) = fold::truth(node) else {
        match node {
            Node::Not(inner) => constant(inner, false, report),
            Node::And(nodes) | Node::Or(nodes) | Node::Xor(nodes) => {
                nodes.iter().for_each(|node| constant(node, false, report));
            }
            _ => {}
        }
        return;
    };
    let holds = if value { "always holds" } else { "never holds" };
    let subject = if whole { String::from("the condition") } else { quoted(node, false) };
    let (message, help) = match fold::reason(node) {
        Why::Conflict(one, other) => {
            let (one, other) = (quoted(&one, false), quoted(&other, false));
            (format!("{subject} {holds}: {one} and {other} exclude each other"), "was `or` meant?")
        }
        Why::Either(one, other) => {
            let (one, other) = (quoted(&one, false), quoted(&other, false));
            (format!("{subject} {holds}: one of {one} and {other} always does"), "was `and` meant?")
        }
        Why::Part(part) => {
            let help = why(&part);
            let part_holds = match fold::truth(&part) {
                Some(true) => "always holds",
                _ => "never holds",
            };
            if part == *node && !whole {
                (format!("{subject} {holds}"), help)
            } else {
                let shown = quoted(&part, false);
                (format!("{subject} {holds}, because {shown} {part_holds}"), help)
            }
        }
    };
    report.add(Code::Constant, message, help);
}

/// What is to be said of a part that is constant by itself.
fn why(part: &Node) -> &'static str {
    let (Node::Atom(atom) | Node::Any(atom)) = part else {
        return "leave it out, or write what was meant";
    };
    match (&atom.operand, &atom.test) {
        (_, Test::Among(Set::Texts(texts))) if texts.is_empty() => "the set is empty",
        (_, Test::Among(Set::Ints(ranges))) if ranges.is_empty() => "the set is empty",
        (_, Test::Among(Set::Addresses(items))) if items.is_empty() => "the set is empty",
        (Operand::Len(_), _) => "lengths are 0 and more",
        (Operand::Sample(_), _) => "`sample` takes a share between 0 and 1",
        (Operand::Builtin(Builtin::Posture), _) => {
            "postures are normal, elevated, overload, defend, lockdown"
        }
        (Operand::Builtin(Builtin::Load), _) => "`load` is from 0 to 100",
        (Operand::Builtin(Builtin::Host), _) => "hosts are in lower case",
        (Operand::Cidr { .. }, _) => "the bits that `cidr` clears are set in it",
        (operand, _) if operand.kind() == Kind::Bytes => {
            "look at the case of its letters and at its length"
        }
        _ => "leave it out, or write what was meant",
    }
}

fn patterns(operand: &Operand, regex: &str, report: &mut Report<'_>) {
    let field = Term(operand);
    if is_host(operand) && !pattern::is_anchored(regex) {
        report.add(
            Code::UnanchoredHost,
            format!(
                "`{field}` is searched for `{}`, which other hosts can contain",
                snippet(regex)
            ),
            "begin the pattern with ^ and end it with $, or use `ends_with` or `in`",
        );
    } else if let Some((test, folded)) = pattern::as_literal(regex) {
        let operand = if folded { Operand::Lower(operand.clone().into()) } else { operand.clone() };
        let simple = quoted(&Node::Atom(Atom { operand, test }), false);
        report.add(
            Code::LiteralRegex,
            format!("the regular expression `{}` is only a literal", snippet(regex)),
            format!("write {simple}"),
        );
    }
}

fn nets(rule: &Rule, items: &[Addresses], positive: bool, report: &mut Report<'_>) {
    let refuses = |action: &Action| matches!(action, Action::Deny { .. } | Action::Ban(_));
    if positive && rule.actions.iter().any(refuses) {
        for item in items {
            if let Some(every) = EVERY.iter().find(|every| fold::covers(item, every)) {
                let family = if fold::ends(every).0.is_ipv4() { "IPv4" } else { "IPv6" };
                report.add(
                    Code::EveryAddress,
                    format!("the rule refuses every {family} address: `{}`", shown(item)),
                    "a longer prefix, or `not ip.src in …`, was perhaps meant; else write `true`",
                );
            }
        }
    }
    // By their first address, the largest first: then whoever is covered comes after who covers it.
    let mut sorted: Vec<&Addresses> = items.iter().collect();
    sorted.sort_by_key(|item| {
        let (first, last) = fold::ends(item);
        (first, core::cmp::Reverse(last))
    });
    let mut widest: Option<&Addresses> = None;
    for item in sorted {
        match widest {
            Some(wide) if fold::covers(wide, item) => report.add(
                Code::ShadowedNet,
                format!("`{}` is covered by `{}` of the same set", shown(item), shown(wide)),
                "leave it out, or look whether the wider one is meant",
            ),
            // It ends later than all before it, as it is not covered.
            _ => widest = Some(item),
        }
    }
}

const EVERY: &[Addresses] = &[
    Addresses::Range(
        core::net::IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
        core::net::IpAddr::V4(core::net::Ipv4Addr::BROADCAST),
    ),
    Addresses::Range(
        core::net::IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
        core::net::IpAddr::V6(core::net::Ipv6Addr::from_bits(u128::MAX)),
    ),
];

fn shown(item: &Addresses) -> String {
    match item {
        Addresses::Net(net) if net.prefix_len() == net.max_prefix_len() => net.addr().to_string(),
        Addresses::Net(net) => net.to_string(),
        Addresses::Range(first, last) => format!("{first}..{last}"),
    }
}

// What is odd about a rule beside others.

/// What was seen of earlier rules.
#[derive(Default)]
struct Earlier<'r> {
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

fn among<'r>(rule: &'r Rule, earlier: &mut Earlier<'r>, report: &mut Report<'_>) {
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

fn is_host(operand: &Operand) -> bool {
    match operand {
        Operand::Builtin(field) => matches!(field, Builtin::Host | Builtin::RawHost),
        Operand::Get(Builtin::Headers, name) => **name == *"host",
        other => other.inner().is_some_and(is_host),
    }
}

fn raw_field(operand: &Operand) -> Option<&'static str> {
    match operand {
        Operand::Builtin(Builtin::RawHost) => Some("raw.host"),
        Operand::Builtin(Builtin::RawPath) => Some("raw.path"),
        Operand::Builtin(Builtin::RawUri) => Some("raw.uri"),
        other => other.inner().and_then(raw_field),
    }
}

/// Shows `look` each atom, and whether it stands where the condition wants it to hold.
fn each_atom(node: &Node, positive: bool, look: &mut impl FnMut(&Atom, bool)) {
    match node {
        Node::Const(_) => {}
        Node::Not(inner) => each_atom(inner, !positive, look),
        Node::And(nodes) | Node::Or(nodes) | Node::Xor(nodes) => {
            nodes.iter().for_each(|node| each_atom(node, positive, look));
        }
        Node::Atom(atom) | Node::Any(atom) | Node::All(atom) => look(atom, positive),
    }
}

/// A part of a condition as it is written, short enough to be quoted.
fn quoted(node: &Node, negated: bool) -> String {
    let node = if negated { node.clone().negated() } else { node.clone() };
    format!("`{}`", snippet(&Expr(node).to_string()))
}

/// An operand as it is written.
struct Term<'a>(&'a Operand);

impl core::fmt::Display for Term<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&snippet(&super::Term(self.0.clone()).to_string()))
    }
}
