//! What is odd about a rule by itself.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Report,
    fold::{self, Why},
    pattern,
};
use crate::{
    error::snippet,
    rule::{
        diagnostic::Code,
        expr::{Addresses, Atom, Expr, Node, Operand, Set, Term, Test},
        field::{Builtin, Kind},
        list::Lists,
        rule::{Action, Rule},
    },
};

/// Reports what is odd about a rule by itself.
pub(super) fn look(rule: &Rule, lists: &Lists, report: &mut Report<'_>) {
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
    if is_host(operand) && !pattern::is_anchored(regex) {
        report.add(
            Code::UnanchoredHost,
            format!(
                "`{}` is searched for `{}`, which other hosts can contain",
                written(operand),
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
    Addresses::Range(IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST)),
    Addresses::Range(IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::from_bits(u128::MAX))),
];

fn shown(item: &Addresses) -> String {
    match item {
        Addresses::Net(net) if net.prefix_len() == net.max_prefix_len() => net.addr().to_string(),
        Addresses::Net(net) => net.to_string(),
        Addresses::Range(first, last) => format!("{first}..{last}"),
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

/// An operand as it is written, short enough to be quoted.
fn written(operand: &Operand) -> String {
    snippet(&Term(operand.clone()).to_string())
}
