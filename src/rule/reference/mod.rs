//! The slow, obvious evaluation of expressions: what all others must equal.
//!
//! It walks the tree of one rule after the other, copies every value, and knows no shortcut.

#[cfg(test)]
mod published;

use alloc::{borrow::Cow, vec::Vec};
use core::net::IpAddr;

use regex_automata::{
    meta::{Config, Regex},
    util::syntax::Config as Syntax,
};

use super::{
    expr::{Addresses, Atom, Expr, Literal, Node, Operand, Set, Test, UrlDecode},
    facts::Facts,
    field::{Builtin, Kind},
    list::List,
};
use crate::request::Given;

/// Whether the expression holds.
pub(crate) fn holds(expr: &Expr, facts: &Facts<'_>) -> bool {
    node(&expr.0, facts)
}

/// The numbers of all expressions that hold, ascending.
#[cfg(test)]
pub(crate) fn matches(exprs: &[Expr], facts: &Facts<'_>) -> Vec<usize> {
    let all = exprs.iter().enumerate();
    all.filter(|(_, expr)| holds(expr, facts)).map(|(at, _)| at).collect()
}

/// A value, copied where it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Datum<'a> {
    Bool(bool),
    Int(i64),
    Bytes(Cow<'a, [u8]>),
    Ip(IpAddr),
    Array(Vec<Cow<'a, [u8]>>),
}

/// The value of a term without `[*]`; `None` if it is missing.
pub(crate) fn value<'a>(operand: &Operand, facts: &Facts<'a>) -> Option<Datum<'a>> {
    values(operand, facts)?.pop()
}

fn node(node_: &Node, facts: &Facts<'_>) -> bool {
    match node_ {
        Node::Const(value) => *value,
        Node::Not(inner) => !node(inner, facts),
        Node::And(nodes) => nodes.iter().all(|inner| node(inner, facts)),
        Node::Or(nodes) => nodes.iter().any(|inner| node(inner, facts)),
        Node::Xor(nodes) => nodes.iter().filter(|inner| node(inner, facts)).count() % 2 == 1,
        Node::Atom(atom) => atom_holds(atom, facts),
        Node::Any(atom) => each(atom, facts).any(|holds| holds),
        Node::All(atom) => each(atom, facts).all(|holds| holds),
    }
}

fn atom_holds(Atom { operand, test }: &Atom, facts: &Facts<'_>) -> bool {
    value(operand, facts).is_some_and(|value| passes(test, &value, facts))
}

fn each<'a>(atom: &'a Atom, facts: &'a Facts<'_>) -> impl Iterator<Item = bool> + 'a {
    let values = values(&atom.operand, facts).unwrap_or_default();
    values.into_iter().map(|value| passes(&atom.test, &value, facts))
}

/// One value, or one for each element below an `Each`; `None` if it is missing.
fn values<'a>(operand: &Operand, facts: &Facts<'a>) -> Option<Vec<Datum<'a>>> {
    let one = |datum| Some(alloc::vec![datum]);
    let map =
        |of: &Operand, f: &dyn Fn(Datum<'a>) -> Option<Datum<'a>>| -> Option<Vec<Datum<'a>>> {
            Some(values(of, facts)?.into_iter().filter_map(f).collect())
        };
    let bytes = |of: &Operand, f: &dyn Fn(&[u8]) -> Vec<u8>| {
        map(of, &|datum| match datum {
            Datum::Bytes(bytes) => Some(Datum::Bytes(Cow::Owned(f(&bytes)))),
            _ => None,
        })
    };
    match operand {
        Operand::Builtin(field) => one(builtin(*field, facts)?),
        Operand::Supplied(field) => one(match (facts.given(&field.name)?, field.kind) {
            (Given::Bool(value), Kind::Bool) => Datum::Bool(value),
            (Given::Int(value), Kind::Int) => Datum::Int(value),
            (Given::Bytes(value), Kind::Bytes) => {
                Datum::Bytes(Cow::Borrowed(crate::request::canonical::cut(value)))
            }
            (Given::Ip(value), Kind::Ip) => Datum::Ip(value.to_canonical()),
            _ => return None,
        }),
        Operand::Get(Builtin::Tag, key) => one(Datum::Bool(facts.has_tag(key))),
        Operand::Get(map, key) => {
            let elements = facts.gathered(*map, Some(key));
            one(Datum::Array(elements.into_iter().map(Cow::Borrowed).collect()))
        }
        Operand::At(of, at) => map(of, &|datum| match datum {
            Datum::Array(elements) => {
                elements.into_iter().nth(usize::try_from(*at).ok()?).map(Datum::Bytes)
            }
            _ => None,
        }),
        Operand::Each(of) => match value(of, facts)? {
            Datum::Array(elements) => Some(elements.into_iter().map(Datum::Bytes).collect()),
            _ => None,
        },
        Operand::Lower(of) => bytes(of, &<[u8]>::to_ascii_lowercase),
        Operand::Upper(of) => bytes(of, &<[u8]>::to_ascii_uppercase),
        Operand::UrlDecode { of, options } => bytes(of, &|bytes| url_decode(bytes, *options)),
        Operand::Substring { of, start, end } => {
            bytes(of, &|bytes| substring(bytes, *start, *end).to_vec())
        }
        Operand::Len(of) => map(of, &|datum| match datum {
            Datum::Bytes(bytes) => i64::try_from(bytes.len()).ok().map(Datum::Int),
            Datum::Array(elements) => i64::try_from(elements.len()).ok().map(Datum::Int),
            _ => None,
        }),
        Operand::Cidr { of, v4, v6 } => map(of, &|datum| match datum {
            Datum::Ip(ip) => {
                let group = crate::ClientGroup { v4: *v4, v6: *v6 };
                Some(Datum::Ip(group.network_of(ip)))
            }
            _ => None,
        }),
        Operand::Sample(share) => one(Datum::Bool(share.takes_in(facts.chance))),
        Operand::Counter(limit) => one(Datum::Int(facts.counters.in_use(limit, facts))),
    }
}

fn builtin<'a>(field: Builtin, facts: &Facts<'a>) -> Option<Datum<'a>> {
    match field.kind() {
        Kind::Bool => facts.bool(field).map(Datum::Bool),
        Kind::Int => facts.int(field).map(Datum::Int),
        Kind::Ip => facts.ip(field).map(Datum::Ip),
        Kind::Bytes if field == Builtin::Uri => {
            let (path, query) = facts.uri();
            let mut uri = path.to_vec();
            if let Some(query) = query {
                uri.push(b'?');
                uri.extend_from_slice(query);
            }
            Some(Datum::Bytes(Cow::Owned(uri)))
        }
        Kind::Bytes => facts.bytes(field).map(|bytes| Datum::Bytes(Cow::Borrowed(bytes))),
        Kind::Array if field == Builtin::HeaderNames => {
            let names = facts.gathered(field, None).into_iter();
            Some(Datum::Array(names.map(|name| Cow::Owned(name.to_ascii_lowercase())).collect()))
        }
        Kind::Array => {
            let elements = facts.gathered(field, None);
            Some(Datum::Array(elements.into_iter().map(Cow::Borrowed).collect()))
        }
        Kind::Map | Kind::Flags => None,
    }
}

fn passes(test: &Test, value: &Datum<'_>, facts: &Facts<'_>) -> bool {
    use core::cmp::Ordering;
    let compared = |literal: &Literal, accepts: fn(Ordering) -> bool| match (value, literal) {
        (Datum::Int(value), Literal::Int(literal)) => accepts(value.cmp(literal)),
        (Datum::Bytes(value), Literal::Bytes(literal)) => accepts((**value).cmp(&**literal)),
        (Datum::Ip(value), Literal::Ip(literal)) => value == literal && accepts(Ordering::Equal),
        _ => false,
    };
    match (test, value) {
        (Test::True, value) => *value == Datum::Bool(true),
        (Test::Exists, Datum::Array(elements)) => !elements.is_empty(),
        (Test::Exists, _) => true,
        (Test::Eq(literal), _) => compared(literal, Ordering::is_eq),
        (Test::Lt(literal), _) => compared(literal, Ordering::is_lt),
        (Test::Le(literal), _) => compared(literal, Ordering::is_le),
        (Test::Gt(literal), _) => compared(literal, Ordering::is_gt),
        (Test::Ge(literal), _) => compared(literal, Ordering::is_ge),
        (Test::Contains(part), Datum::Bytes(value)) => {
            part.is_empty() || value.windows(part.len()).any(|window| window == &**part)
        }
        (Test::StartsWith(part), Datum::Bytes(value)) => value.starts_with(part),
        (Test::EndsWith(part), Datum::Bytes(value)) => value.ends_with(part),
        (Test::Wildcard { pattern, strict }, Datum::Bytes(value)) => {
            wildcard(pattern, value, *strict)
        }
        (Test::Matches(pattern), Datum::Bytes(value)) => regex(pattern).is_match(&**value),
        (Test::Among(Set::Ints(ranges)), Datum::Int(value)) => {
            ranges.iter().any(|(first, last)| first <= value && value <= last)
        }
        (Test::Among(Set::Texts(texts)), Datum::Bytes(value)) => {
            texts.iter().any(|text| **text == **value)
        }
        (Test::Among(Set::Addresses(items)), Datum::Ip(value)) => {
            items.iter().any(|item| match item {
                Addresses::Net(net) => net.contains(value),
                Addresses::Range(first, last) => {
                    first.is_ipv4() == value.is_ipv4() && first <= value && value <= last
                }
            })
        }
        (Test::InList(name), value) => match (facts.lists.get(name), value) {
            (Some(List::Addresses(set)), Datum::Ip(value)) => set.contains(*value),
            (Some(List::Texts(set)), Datum::Bytes(value)) => set.contains(value),
            (Some(List::Numbers(set)), Datum::Int(value)) => set.contains(*value),
            _ => false,
        },
        (Test::Bits(bits), Datum::Int(value)) => value & bits != 0,
        _ => false,
    }
}

/// From `start` to before `end`; negative counts from the end; clamped to the text.
pub(crate) fn substring(text: &[u8], start: i64, end: Option<i64>) -> &[u8] {
    let len = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let place = |at: i64| {
        let at = if at < 0 { len.saturating_add(at) } else { at };
        usize::try_from(at.clamp(0, len)).unwrap_or(0)
    };
    text.get(place(start)..end.map_or(text.len(), place)).unwrap_or_default()
}

/// Escapes decoded; what is no escape stays.
pub(crate) fn url_decode(text: &[u8], options: UrlDecode) -> Vec<u8> {
    let decoded = url_decode_once(text, options.unicode);
    if options.recursive && decoded != text { url_decode(&decoded, options) } else { decoded }
}

fn url_decode_once(text: &[u8], unicode: bool) -> Vec<u8> {
    let hex = |digits: &[u8]| {
        let fit = digits.iter().all(u8::is_ascii_hexdigit);
        let digits = core::str::from_utf8(digits).ok().filter(|_| fit)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => decoded.push(b' '),
            b'%' => {
                if let Some(byte) = after.get(..2).and_then(hex) {
                    decoded.extend(u8::try_from(byte));
                    rest = &after[2..];
                } else if let Some(code) = after
                    .get(1..5)
                    .filter(|_| unicode && matches!(after.first(), Some(b'u' | b'U')))
                    .and_then(hex)
                {
                    let code = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                    decoded.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = &after[5..];
                } else {
                    decoded.push(b'%');
                }
            }
            other => decoded.push(*other),
        }
    }
    decoded
}

/// Tries every way to share the text out among the stars.
pub(crate) fn wildcard(pattern: &[u8], text: &[u8], strict: bool) -> bool {
    let same = |a: u8, b: u8| if strict { a == b } else { a.eq_ignore_ascii_case(&b) };
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|at| wildcard(rest, &text[at..], strict)),
        [b'\\', literal @ (b'*' | b'\\'), rest @ ..] | [literal, rest @ ..] => match text {
            [first, text @ ..] => same(*literal, *first) && wildcard(rest, text, strict),
            [] => false,
        },
    }
}

fn regex(pattern: &str) -> Regex {
    Regex::builder()
        // An empty match may lie between any two bytes, also where they are no text.
        .configure(Config::new().utf8_empty(false))
        .syntax(Syntax::new().unicode(false).utf8(false))
        .build(pattern)
        .expect("the scheme has refused what is no pattern")
}
