//! What an atom asks, in a normal form: atoms that ask the same are the same.
//!
//! `lower(path) eq "/a"` becomes a comparison of `path` without regard to case, and a wildcard that is
//! a whole text, a prefix, a suffix or a part becomes that. Numbers become ranges, addresses prefixes.

use alloc::{boxed::Box, vec::Vec};
use core::net::IpAddr;

use ipnet::IpNet;

use super::source::{Base, Meaning, NO_SLOT, Pick, Source, Step};
use crate::rule::{
    expr::{Addresses, Atom, Literal, Name, Set, Test},
    list::Lists,
};

/// One value, and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) source: Source,
    pub(super) spec: Spec,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spec {
    /// Nothing passes.
    Never,
    True,
    Exists,
    /// In one of these ranges, which are sorted and apart.
    Ints(Vec<(i64, i64)>),
    Bits(i64),
    /// In one of these prefixes; none of them is mapped from IPv4.
    Nets(Vec<IpNet>),
    /// One of these texts, which are sorted.
    Texts(Vec<Box<[u8]>>, Case),
    Prefix(Box<[u8]>, Case),
    Suffix(Box<[u8]>, Case),
    Contains(Box<[u8]>, Case),
    Wildcard(Box<[u8]>, Case),
    Matches(Box<str>),
    /// Before this text, or after it; and whether the text itself counts.
    Order(Box<[u8]>, Side, bool),
    /// In the list at this place.
    List(u32),
}

/// Whether the case of ASCII letters counts. Texts without are in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Case {
    Exact,
    Folded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Before,
    After,
}

impl Asked {
    pub(super) fn of(atom: &Atom, tags: &[Name], lists: &Lists) -> Self {
        const NOTHING: Asked = Asked { source: Source::missing(), spec: Spec::Never };
        match Source::of(&atom.operand, tags) {
            None => NOTHING,
            Some(Meaning::Array(elements)) if atom.test == Test::Exists => {
                let base = Base::Elements(elements, Pick::First(NO_SLOT));
                Self { source: Source { base, steps: Vec::new() }, spec: Spec::Exists }
            }
            Some(Meaning::Array(_)) => NOTHING,
            Some(Meaning::Values(mut source)) => {
                let spec = Spec::of(&atom.test, lists).without_case(&mut source).simplified();
                Self { source, spec }
            }
        }
    }
}

impl Spec {
    fn of(test: &Test, lists: &Lists) -> Self {
        let order = |literal: &Literal, side, equal| match literal {
            Literal::Int(number) => {
                let (before, after) = (number.checked_sub(1), number.checked_add(1));
                let range = match (side, equal) {
                    (Side::Before, true) => Some((i64::MIN, *number)),
                    (Side::Before, false) => before.map(|before| (i64::MIN, before)),
                    (Side::After, true) => Some((*number, i64::MAX)),
                    (Side::After, false) => after.map(|after| (after, i64::MAX)),
                };
                Self::Ints(range.into_iter().collect())
            }
            Literal::Bytes(text) => Self::Order(text.clone(), side, equal),
            // Addresses have no order; equal they may be.
            Literal::Ip(_) if equal => Self::equal(literal),
            Literal::Ip(_) => Self::Never,
        };
        match test {
            Test::True => Self::True,
            Test::Exists => Self::Exists,
            Test::Eq(literal) => Self::equal(literal),
            Test::Lt(literal) => order(literal, Side::Before, false),
            Test::Le(literal) => order(literal, Side::Before, true),
            Test::Gt(literal) => order(literal, Side::After, false),
            Test::Ge(literal) => order(literal, Side::After, true),
            Test::Contains(part) => Self::Contains(part.clone(), Case::Exact),
            Test::StartsWith(part) => Self::Prefix(part.clone(), Case::Exact),
            Test::EndsWith(part) => Self::Suffix(part.clone(), Case::Exact),
            Test::Wildcard { pattern, strict } => {
                let case = if *strict { Case::Exact } else { Case::Folded };
                Self::Wildcard(case.of(pattern), case)
            }
            Test::Matches(pattern) => Self::Matches(pattern.clone()),
            Test::Among(Set::Ints(ranges)) => Self::Ints(apart(ranges)),
            Test::Among(Set::Texts(texts)) => Self::texts(texts.to_vec(), Case::Exact),
            Test::Among(Set::Addresses(items)) => Self::Nets(nets(items)),
            Test::InList(name) => match lists.position(name).map(u32::try_from) {
                Ok(Ok(place)) => Self::List(place),
                _ => Self::Never,
            },
            Test::Bits(bits) => Self::Bits(*bits),
        }
    }

    fn equal(literal: &Literal) -> Self {
        match literal {
            Literal::Int(number) => Self::Ints([(*number, *number)].into()),
            Literal::Bytes(text) => Self::Texts([text.clone()].into(), Case::Exact),
            Literal::Ip(ip) => Self::Nets(nets(&[Addresses::Net(IpNet::from(*ip))])),
        }
    }

    fn texts(mut texts: Vec<Box<[u8]>>, case: Case) -> Self {
        texts.sort_unstable();
        texts.dedup();
        Self::Texts(texts, case)
    }

    /// The same asked of the value before its letters were changed, if that can be.
    fn without_case(self, source: &mut Source) -> Self {
        // The letters that the last step leaves none of.
        let gone: fn(&u8) -> bool = match source.steps.last() {
            Some(Step::Lower) => u8::is_ascii_uppercase,
            Some(Step::Upper) => u8::is_ascii_lowercase,
            _ => return self,
        };
        let fold = |text: Box<[u8]>, case, then: fn(Box<[u8]>, Case) -> Self| match case {
            Case::Exact if text.iter().any(gone) => Self::Never,
            _ => then(Case::Folded.of(&text), Case::Folded),
        };
        let folded = match self {
            Self::Texts(texts, Case::Exact) => {
                let texts = texts.iter().filter(|text| !text.iter().any(gone));
                Self::texts(texts.map(|text| Case::Folded.of(text)).collect(), Case::Folded)
            }
            Self::Prefix(text, case) => fold(text, case, Self::Prefix),
            Self::Suffix(text, case) => fold(text, case, Self::Suffix),
            Self::Contains(text, case) => fold(text, case, Self::Contains),
            Self::Wildcard(pattern, case) => fold(pattern, case, Self::Wildcard),
            Self::Exists => Self::Exists,
            other => return other,
        };
        source.strip_case();
        folded
    }

    /// What it costs to ask, in nanoseconds by guess.
    pub(super) fn expense(&self) -> u32 {
        match self {
            Self::Never | Self::True | Self::Exists | Self::Ints(_) | Self::Bits(_) => 1,
            Self::Texts(..) | Self::Prefix(..) | Self::Suffix(..) | Self::Order(..) => 2,
            Self::Nets(_) => 5,
            Self::List(_) => 20,
            Self::Contains(..) => 40,
            Self::Wildcard(..) => 60,
            Self::Matches(_) => 100,
        }
    }

    fn simplified(self) -> Self {
        match self {
            Self::Ints(ranges) if ranges.is_empty() => Self::Never,
            Self::Nets(nets) if nets.is_empty() => Self::Never,
            Self::Texts(texts, _) if texts.is_empty() => Self::Never,
            Self::Bits(0) => Self::Never,
            Self::Prefix(text, _) | Self::Suffix(text, _) | Self::Contains(text, _)
                if text.is_empty() =>
            {
                // Of a text only, and texts are what these are asked of.
                Self::Prefix(Box::default(), Case::Exact)
            }
            Self::Wildcard(pattern, case) => simple_wildcard(pattern, case),
            other => other,
        }
    }
}

impl Case {
    /// The text as it is compared.
    pub(super) fn of(self, text: &[u8]) -> Box<[u8]> {
        match self {
            Self::Exact => text.into(),
            Self::Folded => text.to_ascii_lowercase().into(),
        }
    }
}

/// A pattern with stars at its ends only is something simpler.
fn simple_wildcard(pattern: Box<[u8]>, case: Case) -> Spec {
    let mut parts: Vec<Vec<u8>> = [Vec::new()].into();
    let mut rest = &*pattern;
    loop {
        rest = match rest {
            [] => break,
            [b'*', rest @ ..] => {
                parts.push(Vec::new());
                rest
            }
            [b'\\', literal @ (b'*' | b'\\'), rest @ ..] | [literal, rest @ ..] => {
                if let Some(part) = parts.last_mut() {
                    part.push(*literal);
                }
                rest
            }
        };
    }
    match &mut *parts {
        [whole] => Spec::Texts([core::mem::take(whole).into()].into(), case),
        [head, tail] if tail.is_empty() => {
            Spec::Prefix(core::mem::take(head).into(), case).simplified()
        }
        [head, tail] if head.is_empty() => Spec::Suffix(core::mem::take(tail).into(), case),
        [head, part, tail] if head.is_empty() && tail.is_empty() => {
            Spec::Contains(core::mem::take(part).into(), case).simplified()
        }
        _ => Spec::Wildcard(pattern, case),
    }
}

/// The ranges, sorted and merged.
fn apart(ranges: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut sorted: Vec<_> = ranges.iter().copied().filter(|(first, last)| first <= last).collect();
    sorted.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::with_capacity(sorted.len());
    for (first, last) in sorted {
        match merged.last_mut() {
            Some((_, end)) if end.checked_add(1).is_none_or(|after| first <= after) => {
                *end = last.max(*end);
            }
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// The prefixes of a set, without those that no canonical address is in.
fn nets(items: &[Addresses]) -> Vec<IpNet> {
    let mut nets = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Addresses::Net(net) => nets.push(net.trunc()),
            Addresses::Range(first, last) => match (first, last) {
                // If the last is before the first, these iterators of ipnet give none: such a range is empty.
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    nets.extend(ipnet::Ipv4Subnets::new(*first, *last, 0).map(IpNet::V4));
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => {
                    nets.extend(ipnet::Ipv6Subnets::new(*first, *last, 0).map(IpNet::V6));
                }
                _ => {}
            },
        }
    }
    nets.retain(|net| match net {
        IpNet::V4(_) => true,
        IpNet::V6(net) => net.prefix_len() < 96 || net.addr().to_ipv4_mapped().is_none(),
    });
    nets.sort_unstable();
    nets.dedup();
    nets
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;
    use crate::rule::{
        Scheme,
        expr::{Expr, Node, Operand},
        field::{Builtin, Phase},
    };

    fn asked(text: &str) -> Asked {
        let Expr(Node::Atom(atom) | Node::Any(atom)) =
            Scheme::new().limit("l").parse_in(text, Phase::Response).unwrap()
        else {
            panic!("{text}")
        };
        Asked::of(&atom, &[], &Lists::new())
    }

    /// What is asked of a request once, however it is written.
    #[test]
    fn what_asks_the_same_is_the_same() {
        for texts in [
            &[
                "path wildcard \"/A\"",
                "lower(path) eq \"/a\"",
                "lower(path) in {\"/a\" \"/a\" \"/A\"}",
                "upper(path) eq \"/A\"",
                "lower(upper(path)) eq \"/a\"",
                "lower(path) strict wildcard \"/a\"",
                "upper(path) wildcard \"/a\"",
            ][..],
            &["path strict wildcard r\"/\\*\"", "path eq \"/*\"", "path in {\"/*\"}"],
            &["path in {\"/a\" \"/b\"}", "path in {\"/b\" \"/a\" \"/b\"}"],
            &["path strict wildcard \"/a*\"", "path starts_with \"/a\""],
            &["path strict wildcard \"*a\"", "path ends_with \"a\""],
            &["path strict wildcard \"*a*\"", "path contains \"a\""],
            &[
                "path wildcard \"/A*\"",
                "lower(path) starts_with \"/a\"",
                "upper(path) starts_with \"/A\"",
            ],
            &["path wildcard \"*A\"", "lower(path) ends_with \"a\"", "upper(path) ends_with \"A\""],
            &["path wildcard \"*A*\"", "lower(path) contains \"a\"", "upper(path) contains \"A\""],
            &[
                "path wildcard \"a*b*C\"",
                "lower(path) wildcard \"A*B*C\"",
                "upper(path) strict wildcard \"A*B*C\"",
            ],
            &[
                "path wildcard \"*\"",
                "path contains \"\"",
                "path starts_with \"\"",
                "path ends_with \"\"",
                "path strict wildcard \"*\"",
            ],
            &["exists(path)", "exists(lower(path))", "exists(upper(lower(path)))"],
            &[
                "len(path) gt 5",
                "len(lower(path)) ge 6",
                "len(upper(lower(path))) in {6..9 8..9223372036854775807}",
            ],
            &[
                "load lt 5",
                "load le 4",
                "load in {-9223372036854775808..4}",
                "load in {4 -9223372036854775808..1 2..3}",
            ],
            &["load in {1..3 5}", "load in {5 2..3 1 1..2}"],
            &["load eq 5", "load in {5..5}"],
            &[
                "ip.src in {10.0.0.0/31}",
                "ip.src in {10.0.0.0..10.0.0.1}",
                "ip.src in {10.0.0.0/31 10.0.0.0/31}",
            ],
            &["ip.src eq 10.0.0.1", "ip.src in {10.0.0.1}", "ip.src in {::ffff:10.0.0.1}"],
            &["ip.src in {::2..::3}", "ip.src in {::2/127}"],
            &[
                "any(headers.names[*] eq \"a\")",
                "any(lower(headers.names[*]) eq \"a\")",
                "any(headers.names[*] wildcard \"a\")",
            ],
        ] {
            for text in texts {
                assert_eq!(asked(text), asked(texts[0]), "{text}");
            }
        }
        for (one, other) in [
            ("path eq \"/a\"", "lower(path) eq \"/a\""),
            ("path strict wildcard \"a*b\"", "path wildcard \"a*b\""),
            ("lower(path) matches \"a\"", "path matches \"a\""),
            ("lower(path) lt \"a\"", "path lt \"a\""),
            ("substring(lower(path), 1) eq \"a\"", "substring(path, 1) eq \"a\""),
            ("path wildcard \"a*\"", "path wildcard \"*a\""),
            ("path strict wildcard \"a*b*c\"", "path contains \"b\""),
            ("path strict wildcard \"*b*c\"", "path contains \"b\""),
            ("path strict wildcard \"a*b*\"", "path contains \"b\""),
            ("path strict wildcard \"*a*b*\"", "path contains \"b\""),
            ("load in {1..3 5}", "load in {1..5}"),
        ] {
            assert_ne!(asked(one), asked(other), "{one}; {other}");
        }
    }

    #[test]
    fn what_nothing_passes_is_never_asked() {
        for text in [
            "path in {}",
            "load in {}",
            "ip.src in {}",
            "load & 0",
            "load lt -9223372036854775808",
            "load gt 9223372036854775807",
            "lower(path) eq \"A\"",
            "lower(path) in {\"A\" \"B\"}",
            "lower(path) contains \"A\"",
            "lower(path) strict wildcard \"A*b*\"",
            "upper(path) starts_with \"a\"",
            "upper(path) ends_with \"a\"",
        ] {
            assert_eq!(asked(text).spec, Spec::Never, "{text}");
        }
    }

    /// None of these can be written, and whoever makes one gets the answer of the reference.
    #[test]
    fn tests_that_do_not_fit_their_values_are_none() {
        let of = |operand: &Operand, test| {
            let atom = Atom { operand: operand.clone(), test };
            Asked::of(&atom, &[], &Lists::new()).spec
        };
        let array = Operand::Get(Builtin::Headers, "x".into());
        assert_eq!(of(&array, Test::Exists), Spec::Exists);
        assert_eq!(of(&array, Test::True), Spec::Never);
        assert_eq!(of(&array, Test::Contains(Box::default())), Spec::Never);
        let ip: IpAddr = [10, 0, 0, 1].into();
        let (client, literal) = (Operand::Builtin(Builtin::IpSrc), || Literal::Ip(ip));
        let equal = of(&client, Test::Eq(literal()));
        assert_eq!(of(&client, Test::Le(literal())), equal);
        assert_eq!(of(&client, Test::Ge(literal())), equal);
        assert_eq!(of(&client, Test::Lt(literal())), Spec::Never);
        assert_eq!(of(&client, Test::Gt(literal())), Spec::Never);
    }

    #[test]
    fn ranges_of_addresses_are_prefixes_and_none_of_them_is_mapped() {
        let of = |items: &[Addresses]| nets(items).iter().map(IpNet::to_string).collect::<Vec<_>>();
        let net = |text: &str| Addresses::Net(text.parse().unwrap());
        let range = |first: &str, last: &str| {
            Addresses::Range(first.parse().unwrap(), last.parse().unwrap())
        };
        assert_eq!(
            of(&[range("10.0.0.1", "10.0.0.4")]),
            ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/32"]
        );
        assert_eq!(of(&[range("::1", "::4")]), ["::1/128", "::2/127", "::4/128"]);
        assert_eq!(
            of(&[range("10.0.0.4", "10.0.0.1"), range("::4", "::1"), range("::1", "10.0.0.1")]),
            [""; 0]
        );
        assert_eq!(of(&[net("10.1.2.3/8"), net("10.0.0.0/8")]), ["10.0.0.0/8"]);
        assert_eq!(of(&[net("::ffff:0:0/96"), net("::ffff:10.0.0.1/128")]), [""; 0]);
        assert_eq!(
            of(&[net("::ffff:0:0/95"), net("::fffe:0:0/96")]),
            ["::fffe:0:0/95", "::fffe:0:0/96"]
        );
        assert_eq!(of(&[net("2001:db8::1/128")]), ["2001:db8::1/128"]);
    }
}
