//! The shape of an expression, as it is written: names are words still, and types are not known.

use alloc::{boxed::Box, string::String, vec::Vec};

use crate::rule::lexer::{Plain, Span};

/// How conditions are joined, from loose to tight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rule) enum Join {
    Or,
    Xor,
    And,
}

/// A condition as it is written.
#[derive(Debug)]
pub(in crate::rule) enum Written<'t> {
    Chain {
        join: Join,
        parts: Vec<Written<'t>>,
    },
    Not(Box<Written<'t>>),
    /// `any(…)`, or `all(…)`; the span is that of the word.
    Quantified {
        all: bool,
        of: Box<Written<'t>>,
        span: Span,
    },
    Comparison(Comparison<'t>),
    /// It is reported already.
    Broken,
}

#[derive(Debug)]
pub(in crate::rule) struct Comparison<'t> {
    pub(in crate::rule) left: Value<'t>,
    /// None, if the value stands alone.
    pub(in crate::rule) right: Option<(Operator, Span, Right<'t>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rule) enum Operator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Contains,
    StartsWith,
    EndsWith,
    Wildcard,
    StrictWildcard,
    Matches,
    In,
    Bits,
    /// It is reported already.
    Unknown,
}

/// A value: a name or a call, with what stands in brackets after it; or a literal.
#[derive(Debug)]
pub(in crate::rule) struct Value<'t> {
    pub(in crate::rule) head: Head<'t>,
    /// Where the name is, or the literal.
    pub(in crate::rule) named: Span,
    pub(in crate::rule) indices: Vec<(Index, Span)>,
    pub(in crate::rule) span: Span,
}

#[derive(Debug)]
pub(in crate::rule) enum Head<'t> {
    Name(&'t str),
    Call(&'t str, Vec<Value<'t>>),
    Literal(Plain<'t>),
    /// It is reported already.
    Broken,
}

#[derive(Debug)]
pub(in crate::rule) enum Index {
    Key(Vec<u8>),
    At(i64),
    Each,
    /// It is reported already.
    Broken,
}

/// What stands on the right side of an operator.
#[derive(Debug)]
pub(in crate::rule) enum Right<'t> {
    Value(Value<'t>),
    List(String, Span),
    /// One, or in braces several, and the whole with its braces.
    Items {
        items: Vec<Item<'t>>,
        braces: bool,
        span: Span,
    },
    /// It is reported already.
    Broken,
}

#[derive(Debug)]
pub(in crate::rule) enum Item<'t> {
    One(Value<'t>),
    Range(Value<'t>, Value<'t>),
}

/// Words of operators, as they are written in letters or as signs.
pub(in crate::rule) const OPERATORS: &[(&str, Operator)] = &[
    ("eq", Operator::Eq),
    ("==", Operator::Eq),
    ("ne", Operator::Ne),
    ("!=", Operator::Ne),
    ("lt", Operator::Lt),
    ("<", Operator::Lt),
    ("le", Operator::Le),
    ("<=", Operator::Le),
    ("gt", Operator::Gt),
    (">", Operator::Gt),
    ("ge", Operator::Ge),
    (">=", Operator::Ge),
    ("contains", Operator::Contains),
    ("starts_with", Operator::StartsWith),
    ("ends_with", Operator::EndsWith),
    ("wildcard", Operator::Wildcard),
    ("matches", Operator::Matches),
    ("~", Operator::Matches),
    ("in", Operator::In),
    ("&", Operator::Bits),
    ("bitwise_and", Operator::Bits),
];
