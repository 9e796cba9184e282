//! The tree of an expression: typed, without spans, the same from a text and from the builder.
//!
//! # Invariants
//! - **I1** a tree is *normal*: `And`, `Or` and `Xor` have two or more children and none of their own
//!   kind, there is no `Not` of a `Not`, and `a ne b` is `Not(a eq b)` (law S1). [`Node::all`],
//!   [`Node::either`], [`Node::one`] and [`Node::negated`] keep it so;
//! - **I2** it is well typed: a [`Test`] fits the [`Kind`] of its [`Operand`]; [`Operand::Each`] occurs at
//!   most once in an operand, and only below `Any` and `All`;
//! - **I3** a tree of a text is no deeper than [`DEEPEST`]. One that is built stops growing at a level more, and is
//!   refused where it is compiled: so no tree is deep enough to be a danger to what goes down into it.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::net::IpAddr;

use ipnet::IpNet;

use super::field::{Builtin, Kind, Supplied};
use crate::limit::Share;

/// The most levels of a tree; operators in a chain count as one.
pub(crate) const DEEPEST: usize = 64;

/// The most tests in one tree.
pub(crate) const MOST_TESTS: usize = 4_096;

/// A condition: yes or no for each request.
///
/// Made from a text by [`Scheme::parse`](super::Scheme::parse), or in Rust by what is in
/// [`rule::build`](super::build). It prints as a text that parses to the same expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Expr(pub(crate) Node);

/// A value of a request: a field, a header, or a function of one.
///
/// What a limit counts [by](super::Scheme::parse_term), and what tests compare.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Term(pub(crate) Operand);

impl Term {
    /// The network that counts as one client.
    pub(crate) const fn client() -> Self {
        Self(Operand::Builtin(Builtin::Client))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Const(bool),
    Not(Box<Node>),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    /// True if an odd number of them is.
    Xor(Box<[Node]>),
    Atom(Atom),
    /// Whether the atom holds for at least one element: of an empty array for none.
    Any(Atom),
    /// Whether the atom holds for all elements: of an empty or a missing array it does.
    All(Atom),
}

/// One test of one value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Atom {
    pub(crate) operand: Operand,
    pub(crate) test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operand {
    Builtin(Builtin),
    /// What the service gives with the request.
    Supplied(Supplied),
    /// The array, or the flag, under a key of a map. Header names are in lower case.
    Get(Builtin, Box<str>),
    /// An element of an array, counted from 0; missing beyond its end. `header["x"]` is the first
    /// element of `headers["x"]`.
    At(Box<Operand>, u32),
    /// Each element of an array.
    Each(Box<Operand>),
    /// ASCII letters in lower case.
    Lower(Box<Operand>),
    /// ASCII letters in upper case.
    Upper(Box<Operand>),
    UrlDecode {
        of: Box<Operand>,
        options: UrlDecode,
    },
    /// From `start` to before `end`; negative counts from the end; clamped.
    Substring {
        of: Box<Operand>,
        start: i64,
        end: Option<i64>,
    },
    /// Bytes of a value, or elements of an array.
    Len(Box<Operand>),
    /// The address with all but its leading bits cleared.
    Cidr {
        of: Box<Operand>,
        v4: u8,
        v6: u8,
    },
    /// Whether the client belongs to this share: always the same ones.
    Sample(Share),
    /// Units in use of the limit with this name, by the request's key.
    Counter(Box<str>),
}

/// How `url_decode` goes about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct UrlDecode {
    /// Until nothing changes (`"r"`).
    pub(crate) recursive: bool,
    /// `%uXXXX` too (`"u"`).
    pub(crate) unicode: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// A Bool that stands alone.
    True,
    /// Whether there is a value.
    Exists,
    Eq(Literal),
    Lt(Literal),
    Le(Literal),
    Gt(Literal),
    Ge(Literal),
    Contains(Box<[u8]>),
    StartsWith(Box<[u8]>),
    EndsWith(Box<[u8]>),
    /// Anchored at both ends; `*` is any bytes, `\*` a star and `\\` a backslash. Without regard to
    /// ASCII case unless strict.
    Wildcard {
        pattern: Box<[u8]>,
        strict: bool,
    },
    /// A regular expression over bytes, unanchored.
    Matches(Box<str>),
    /// In a set that is written out.
    Among(Set),
    /// In the list of this name, as it is now.
    InList(Box<str>),
    /// Whether the number has one of these bits.
    Bits(i64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Literal {
    Int(i64),
    Bytes(Box<[u8]>),
    /// Canonical: IPv4-mapped is IPv4.
    Ip(IpAddr),
}

/// Values in braces, as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Set {
    /// Inclusive ranges; a single number is one.
    Ints(Box<[(i64, i64)]>),
    Texts(Box<[Box<[u8]>]>),
    Addresses(Box<[Addresses]>),
}

/// An item in a set of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Addresses {
    /// A prefix without host bits; a single address is one.
    Net(IpNet),
    /// Inclusive, of one family.
    Range(IpAddr, IpAddr),
}

impl Node {
    /// All of them.
    pub(crate) fn all(nodes: Vec<Self>) -> Self {
        Self::joined(nodes, true, Self::And, |node| match node {
            Self::And(nodes) => Ok(nodes),
            other => Err(other),
        })
    }

    /// At least one of them.
    pub(crate) fn either(nodes: Vec<Self>) -> Self {
        Self::joined(nodes, false, Self::Or, |node| match node {
            Self::Or(nodes) => Ok(nodes),
            other => Err(other),
        })
    }

    /// An odd number of them.
    pub(crate) fn one(nodes: Vec<Self>) -> Self {
        Self::joined(nodes, false, Self::Xor, |node| match node {
            Self::Xor(nodes) => Ok(nodes),
            other => Err(other),
        })
    }

    pub(crate) fn negated(self) -> Self {
        match self {
            Self::Not(node) => *node,
            node => Self::Not(Box::new(node)),
        }
    }

    fn joined(
        nodes: Vec<Self>,
        empty: bool,
        join: fn(Box<[Self]>) -> Self,
        take_apart: fn(Self) -> Result<Box<[Self]>, Self>,
    ) -> Self {
        let mut flat = Vec::with_capacity(nodes.len());
        for node in nodes {
            match take_apart(node) {
                Ok(nodes) => flat.extend(nodes),
                Err(node) => flat.push(node),
            }
        }
        match flat.len() {
            0 => Self::Const(empty),
            1 => flat.pop().unwrap_or(Self::Const(empty)),
            _ => join(flat.into_boxed_slice()),
        }
    }
}

impl Node {
    /// The levels; operators in a chain count as one.
    pub(crate) fn levels(&self) -> usize {
        let below = match self {
            Self::Const(_) => 0,
            Self::Not(of) => of.levels(),
            Self::And(nodes) | Self::Or(nodes) | Self::Xor(nodes) => {
                nodes.iter().map(Self::levels).max().unwrap_or(0)
            }
            Self::Atom(atom) => return atom.operand.levels(),
            Self::Any(atom) | Self::All(atom) => atom.operand.levels(),
        };
        below.saturating_add(1)
    }

    /// How many tests there are; what is written out as true or false is one.
    pub(crate) fn tests(&self) -> usize {
        match self {
            Self::Not(of) => of.tests(),
            Self::And(nodes) | Self::Or(nodes) | Self::Xor(nodes) => {
                nodes.iter().map(Self::tests).fold(0, usize::saturating_add)
            }
            Self::Const(_) | Self::Atom(_) | Self::Any(_) | Self::All(_) => 1,
        }
    }
}

impl Atom {
    /// A test of a value. Names of headers are in lower case, and so is what they are compared with.
    pub(crate) fn new(operand: Operand, test: Test) -> Self {
        let test = if operand.is_header_name() { test.in_lower_case() } else { test };
        Self { operand, test }
    }
}

impl Test {
    fn in_lower_case(self) -> Self {
        let lower = |text: Box<[u8]>| text.to_ascii_lowercase().into_boxed_slice();
        let literal = |literal: Literal| match literal {
            Literal::Bytes(text) => Literal::Bytes(lower(text)),
            other => other,
        };
        match self {
            Self::Eq(text) => Self::Eq(literal(text)),
            Self::Lt(text) => Self::Lt(literal(text)),
            Self::Le(text) => Self::Le(literal(text)),
            Self::Gt(text) => Self::Gt(literal(text)),
            Self::Ge(text) => Self::Ge(literal(text)),
            Self::Contains(text) => Self::Contains(lower(text)),
            Self::StartsWith(text) => Self::StartsWith(lower(text)),
            Self::EndsWith(text) => Self::EndsWith(lower(text)),
            Self::Wildcard { pattern, strict } => {
                Self::Wildcard { pattern: lower(pattern), strict }
            }
            Self::Among(Set::Texts(texts)) => {
                Self::Among(Set::Texts(texts.into_iter().map(lower).collect()))
            }
            // In a regular expression a letter in upper case may be an escape.
            other => other,
        }
    }
}

impl Operand {
    /// Its levels: one, and one for each function.
    pub(crate) fn levels(&self) -> usize {
        self.inner().map_or(0, Self::levels).saturating_add(1)
    }

    /// Whether it is the name of a header line as it is.
    fn is_header_name(&self) -> bool {
        match self {
            Self::At(of, _) | Self::Each(of) => **of == Self::Builtin(Builtin::HeaderNames),
            _ => false,
        }
    }

    /// The first value of a header.
    pub(crate) fn header(name: &str) -> Self {
        let lines = Self::Get(Builtin::Headers, name.to_ascii_lowercase().into());
        Self::At(Box::new(lines), 0)
    }

    /// What kind of value it has; of each element, if it has an `Each`.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Builtin(field) => field.kind(),
            Self::Supplied(field) => field.kind,
            Self::Get(map, _) => match map.kind() {
                Kind::Flags => Kind::Bool,
                _ => Kind::Array,
            },
            Self::At(..)
            | Self::Each(_)
            | Self::Lower(_)
            | Self::Upper(_)
            | Self::UrlDecode { .. }
            | Self::Substring { .. } => Kind::Bytes,
            Self::Len(_) | Self::Counter(_) => Kind::Int,
            Self::Cidr { .. } => Kind::Ip,
            Self::Sample(_) => Kind::Bool,
        }
    }

    /// What it is a function of, if it is one.
    pub(crate) fn inner(&self) -> Option<&Self> {
        match self {
            Self::At(of, _)
            | Self::Each(of)
            | Self::Lower(of)
            | Self::Upper(of)
            | Self::UrlDecode { of, .. }
            | Self::Substring { of, .. }
            | Self::Len(of)
            | Self::Cidr { of, .. } => Some(of),
            Self::Builtin(_)
            | Self::Supplied(_)
            | Self::Get(..)
            | Self::Sample(_)
            | Self::Counter(_) => None,
        }
    }

    /// Whether it stands for each element of an array.
    pub(crate) fn is_each(&self) -> bool {
        matches!(self, Self::Each(_)) || self.inner().is_some_and(Self::is_each)
    }
}

/// A name, shared.
pub(crate) type Name = Arc<str>;
