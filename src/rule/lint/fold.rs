//! What is known of a condition without a request: always, never, or together never.
//!
//! It is one-sided: what is said to be constant is, and much that is constant is not noticed.
//!
//! # Bounds
//! Parts of one `and` are compared with each other only if there are at most [`MOST_PAIRED`] of them, one condition with
//! another in at most [`MOST_STEPS`] steps, and one set with another only if that are at most [`MOST_VALUES`] pairs of
//! values. Whether a condition is constant is told in one pass over it.

use core::net::IpAddr;

use memchr::memmem;

use super::super::expr::{Addresses, Atom, Literal, Node, Operand, Set, Test};
use crate::{ClientGroup, limit::Share, request::canonical::LONGEST, rule::field::Builtin};

/// So many parts of one `and` or `or` are compared with each other.
pub(super) const MOST_PAIRED: usize = 32;

/// So many pairs of parts are looked at to tell whether one condition implies another: an `and` of
/// alternatives against an `or` of them has more ways than can be tried.
const MOST_STEPS: u32 = 1_000;

/// So many pairs of values of two sets are looked at to tell what one says of the other.
pub(super) const MOST_VALUES: usize = 1_024;

/// Why a condition is always the same.
pub(super) enum Why {
    /// This part of it is, by itself.
    Part(Node),
    /// These two never hold together.
    Conflict(Node, Node),
    /// At least one of these two always holds.
    Either(Node, Node),
}

/// The value of a condition, if it always has the same one.
pub(super) fn truth(node: &Node) -> Option<bool> {
    match node {
        Node::Const(value) => Some(*value),
        Node::Not(inner) => truth(inner).map(|value| !value),
        Node::And(nodes) => joined(nodes, false, || conflict_in(nodes).is_some()),
        Node::Or(nodes) => joined(nodes, true, || cover_in(nodes).is_some()),
        Node::Xor(nodes) => {
            nodes.iter().try_fold(false, |odd, node| truth(node).map(|value| odd != value))
        }
        Node::Atom(atom) => atom_truth(atom),
        Node::Any(atom) => (atom_truth(atom) == Some(false)).then_some(false),
        Node::All(_) => None,
    }
}

/// The truth of several, of which one with the truth `settles` settles it, as does what two have together.
/// Each is looked at once: twice would be twice as often at each level below.
fn joined(nodes: &[Node], settles: bool, together: impl FnOnce() -> bool) -> Option<bool> {
    let mut all_known = true;
    for node in nodes {
        match truth(node) {
            Some(value) if value == settles => return Some(settles),
            Some(_) => {}
            None => all_known = false,
        }
    }
    if together() { Some(settles) } else { all_known.then_some(!settles) }
}

/// The smallest part that makes a constant condition constant. Only of one whose [`truth`] is known: in others it may
/// name two parts that contradict each other without the whole being decided by them.
pub(super) fn reason(node: &Node) -> Why {
    let part = |found: Option<&Node>| match found {
        Some(part) => reason(part),
        None => Why::Part(node.clone()),
    };
    match node {
        Node::Not(inner) => reason(inner),
        // One that never holds has such a part. One that always holds has not, and is told as a whole.
        Node::And(nodes) => match conflict_in(nodes) {
            Some((one, other)) => Why::Conflict(one.clone(), other.clone()),
            None => part(nodes.iter().find(|node| truth(node) == Some(false))),
        },
        Node::Or(nodes) => match cover_in(nodes) {
            Some((one, other)) => Why::Either(one.clone(), other.clone()),
            None => part(nodes.iter().find(|node| truth(node) == Some(true))),
        },
        _ => Why::Part(node.clone()),
    }
}

/// Whether the first holds only where the second does.
pub(super) fn implies(one: &Node, other: &Node) -> bool {
    implies_within(one, other, &mut { MOST_STEPS })
}

/// The same in so many steps, or it is taken not to.
fn implies_within(one: &Node, other: &Node, left: &mut u32) -> bool {
    let Some(fewer) = left.checked_sub(1) else { return false };
    *left = fewer;
    match (one, other) {
        _ if one == other => true,
        (_, Node::Const(true)) | (Node::Const(false), _) => true,
        (_, Node::And(parts)) => parts.iter().all(|part| implies_within(one, part, left)),
        (Node::Or(parts), _) => parts.iter().all(|part| implies_within(part, other, left)),
        (Node::And(parts), _) if parts.iter().any(|part| implies_within(part, other, left)) => true,
        (_, Node::Or(parts)) => parts.iter().any(|part| implies_within(one, part, left)),
        (Node::Not(one), Node::Not(other)) => implies_within(other, one, left),
        (Node::Atom(one), Node::Atom(other)) | (Node::Any(one), Node::Any(other)) => {
            one.operand == other.operand && test_implies(&one.test, &other.test)
        }
        _ => false,
    }
}

fn conflict_in(nodes: &[Node]) -> Option<(&Node, &Node)> {
    pairs(nodes).find(|(one, other)| conflict(one, other))
}

/// Two of an `or` of which one always holds: `path ne "/a" or path ne "/b"`.
fn cover_in(nodes: &[Node]) -> Option<(&Node, &Node)> {
    pairs(nodes).find(|(one, other)| match (one, other) {
        (Node::Not(one), Node::Not(other)) => conflict(one, other),
        (Node::Not(one), other) | (other, Node::Not(one)) => implies(one, other),
        _ => false,
    })
}

fn pairs(nodes: &[Node]) -> impl Iterator<Item = (&Node, &Node)> {
    let few = if nodes.len() <= MOST_PAIRED { nodes } else { &[] };
    few.iter().enumerate().flat_map(move |(at, one)| {
        few.iter().skip(at.saturating_add(1)).map(move |other| (one, other))
    })
}

/// Whether two never hold together.
fn conflict(one: &Node, other: &Node) -> bool {
    match (one, other) {
        (Node::Not(inner), node) | (node, Node::Not(inner)) => implies(node, inner),
        (Node::Atom(one), Node::Atom(other)) => {
            one.operand == other.operand && tests_conflict(&one.test, &other.test)
        }
        _ => false,
    }
}

fn tests_conflict(one: &Test, other: &Test) -> bool {
    if are_too_many(one, other) {
        return false;
    }
    if let (Some(one), Some(other)) = (interval(one), interval(other)) {
        return one.0.max(other.0) > one.1.min(other.1);
    }
    match (one, other) {
        (Test::StartsWith(one), Test::StartsWith(other)) => {
            !one.starts_with(other) && !other.starts_with(one)
        }
        (Test::EndsWith(one), Test::EndsWith(other)) => {
            !one.ends_with(other) && !other.ends_with(one)
        }
        (Test::Eq(literal), test) | (test, Test::Eq(literal)) => {
            passes(literal.into(), test) == Some(false)
        }
        (Test::Among(set), test) | (test, Test::Among(set)) => all_are(set, test, false),
        _ => false,
    }
}

fn test_implies(one: &Test, other: &Test) -> bool {
    if one == other || *other == Test::Exists {
        return true;
    }
    if are_too_many(one, other) {
        return false;
    }
    if let (Some(one), Some(other)) = (interval(one), interval(other)) {
        return other.0 <= one.0 && one.1 <= other.1;
    }
    match (one, other) {
        (Test::StartsWith(one), Test::StartsWith(other)) => one.starts_with(other),
        (Test::EndsWith(one), Test::EndsWith(other)) => one.ends_with(other),
        (
            Test::StartsWith(one) | Test::EndsWith(one) | Test::Contains(one),
            Test::Contains(other),
        ) => contains(one, other),
        (Test::Eq(literal), test) => passes(literal.into(), test) == Some(true),
        (Test::Among(Set::Addresses(one)), Test::Among(Set::Addresses(other))) => {
            one.iter().all(|one| other.iter().any(|other| covers(other, one)))
        }
        (Test::Among(set), test) => all_are(set, test, true),
        _ => false,
    }
}

/// Whether two sets are too large to be compared value by value.
fn are_too_many(one: &Test, other: &Test) -> bool {
    size(one).saturating_mul(size(other)) > MOST_VALUES
}

fn size(test: &Test) -> usize {
    match test {
        Test::Among(Set::Ints(ranges)) => ranges.len(),
        Test::Among(Set::Texts(texts)) => texts.len(),
        Test::Among(Set::Addresses(items)) => items.len(),
        _ => 1,
    }
}

/// A single value, as tests and sets have it.
#[derive(Clone, Copy, PartialEq)]
enum Value<'a> {
    Bytes(&'a [u8]),
    Int(i64),
    Ip(IpAddr),
}

impl<'a> From<&'a Literal> for Value<'a> {
    fn from(literal: &'a Literal) -> Self {
        match literal {
            Literal::Bytes(text) => Self::Bytes(text),
            Literal::Int(number) => Self::Int(*number),
            Literal::Ip(ip) => Self::Ip(*ip),
        }
    }
}

/// Whether all values of a set pass a test, or all do not; not if it has ranges or networks.
fn all_are(set: &Set, test: &Test, passing: bool) -> bool {
    let is = |value| passes(value, test) == Some(passing);
    match set {
        Set::Texts(texts) => texts.iter().all(|text| is(Value::Bytes(text))),
        Set::Ints(ranges) => {
            ranges.iter().all(|(first, last)| first == last && is(Value::Int(*first)))
        }
        Set::Addresses(_) => false,
    }
}

/// Whether a value passes a test, if that is easily told.
fn passes(value: Value<'_>, test: &Test) -> Option<bool> {
    Some(match (value, test) {
        (value, Test::Eq(other)) => value == other.into(),
        (Value::Bytes(text), Test::StartsWith(part)) => text.starts_with(part),
        (Value::Bytes(text), Test::EndsWith(part)) => text.ends_with(part),
        (Value::Bytes(text), Test::Contains(part)) => contains(text, part),
        (Value::Bytes(text), Test::Among(Set::Texts(texts))) => {
            texts.iter().any(|other| **other == *text)
        }
        (Value::Int(number), Test::Among(Set::Ints(ranges))) => {
            ranges.iter().any(|(first, last)| *first <= number && number <= *last)
        }
        (Value::Int(number), Test::Bits(bits)) => number & bits != 0,
        (Value::Ip(ip), Test::Among(Set::Addresses(items))) => {
            items.iter().any(|item| covers(item, &Addresses::Range(ip, ip)))
        }
        (Value::Int(number), test) => {
            let (first, last) = interval(test)?;
            first <= number && number <= last
        }
        _ => return None,
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memmem::find(text, part).is_some()
}

/// Whether the first item has all addresses of the second.
pub(super) fn covers(item: &Addresses, of: &Addresses) -> bool {
    let (first, last) = ends(item);
    let (from, to) = ends(of);
    first.is_ipv4() == from.is_ipv4() && first <= from && to <= last
}

/// The first and the last address.
pub(super) fn ends(item: &Addresses) -> (core::net::IpAddr, core::net::IpAddr) {
    match item {
        Addresses::Net(net) => (net.network(), net.broadcast()),
        Addresses::Range(first, last) => (*first, *last),
    }
}

/// The numbers that pass a test, if they are one interval.
fn interval(test: &Test) -> Option<(i64, i64)> {
    Some(match test {
        Test::Eq(Literal::Int(number)) => (*number, *number),
        Test::Le(Literal::Int(number)) => (i64::MIN, *number),
        Test::Ge(Literal::Int(number)) => (*number, i64::MAX),
        // An empty one, if there is no number before or after it.
        Test::Lt(Literal::Int(number)) => match number.checked_sub(1) {
            Some(last) => (i64::MIN, last),
            None => (1, 0),
        },
        Test::Gt(Literal::Int(number)) => match number.checked_add(1) {
            Some(first) => (first, i64::MAX),
            None => (1, 0),
        },
        _ => return None,
    })
}

/// The numbers that an operand can have, and whether it always has one.
fn range_of(operand: &Operand) -> (i64, i64, bool) {
    match operand {
        Operand::Len(_) => (0, i64::MAX, false),
        Operand::Counter(_) => (0, i64::MAX, true),
        Operand::Builtin(Builtin::Posture) => (0, 4, true),
        Operand::Builtin(Builtin::Load) => (0, 100, true),
        Operand::Builtin(Builtin::Status) => (0, i64::from(u16::MAX), false),
        Operand::Builtin(Builtin::LatencyMs | Builtin::ResponseSize) => (0, i64::MAX, false),
        _ => (i64::MIN, i64::MAX, false),
    }
}

fn atom_truth(Atom { operand, test }: &Atom) -> Option<bool> {
    if let (Operand::Sample(share), Test::True) = (operand, test) {
        return match *share {
            Share::NONE => Some(false),
            Share::ALL => Some(true),
            _ => None,
        };
    }
    if let Some((first, last)) = interval(test) {
        let (least, most, present) = range_of(operand);
        return if first > last || last < least || most < first {
            Some(false)
        } else {
            (present && first <= least && most <= last).then_some(true)
        };
    }
    let never = match test {
        Test::Bits(bits) => *bits == 0,
        Test::Eq(Literal::Bytes(text)) => !can_be(operand, text),
        Test::StartsWith(part) | Test::EndsWith(part) | Test::Contains(part) => {
            !can_be(operand, part)
        }
        Test::Among(Set::Texts(texts)) => texts.iter().all(|text| !can_be(operand, text)),
        Test::Among(Set::Ints(ranges)) => {
            let (least, most, _) = range_of(operand);
            ranges.iter().all(|(first, last)| *last < least || most < *first)
        }
        Test::Among(Set::Addresses(items)) => items.is_empty(),
        Test::Eq(Literal::Ip(ip)) => match operand {
            Operand::Cidr { v4, v6, .. } => ClientGroup { v4: *v4, v6: *v6 }.network_of(*ip) != *ip,
            _ => false,
        },
        _ => false,
    };
    never.then_some(false)
}

/// Whether a text can be a part of an operand's value, by its length and by the case of its letters.
fn can_be(operand: &Operand, text: &[u8]) -> bool {
    let case_fits = match case_of(operand) {
        Some(Case::Lower) => !text.iter().any(u8::is_ascii_uppercase),
        Some(Case::Upper) => !text.iter().any(u8::is_ascii_lowercase),
        None => true,
    };
    case_fits && longest(operand).is_none_or(|most| text.len() <= most)
}

enum Case {
    Lower,
    Upper,
}

/// The case that all letters of an operand's value have.
fn case_of(operand: &Operand) -> Option<Case> {
    match operand {
        Operand::Lower(_) | Operand::Builtin(Builtin::Host | Builtin::HeaderNames) => {
            Some(Case::Lower)
        }
        Operand::Upper(_) => Some(Case::Upper),
        Operand::Substring { of, .. } | Operand::At(of, _) | Operand::Each(of) => case_of(of),
        _ => None,
    }
}

/// The most bytes that an operand's value can have.
fn longest(operand: &Operand) -> Option<usize> {
    match operand {
        Operand::Builtin(Builtin::Uri) => None,
        Operand::Lower(of) | Operand::Upper(of) => longest(of),
        Operand::Substring { of, start: start @ 0.., end: Some(end @ 0..) } => {
            let most = usize::try_from(end.saturating_sub(*start).max(0)).ok()?;
            Some(longest(of).map_or(most, |longest| longest.min(most)))
        }
        Operand::Substring { of, .. } => longest(of),
        Operand::UrlDecode { .. } => None,
        _ => Some(LONGEST),
    }
}

#[cfg(test)]
mod tests;
