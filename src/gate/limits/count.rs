//! Which responses count: a condition whose parts about the request were judged before.
//!
//! A `count_if` may ask for the response and for the request. When the response is there, the request is
//! gone. So the largest parts that only ask for the request are taken out, judged with the request, and
//! remembered as a bit each.
//!
//! # Invariants
//! - **I1** it says what the whole condition would say, had it been judged with the request and the response;
//! - **I2** it is no deeper than the condition, which is no deeper than 64.

use alloc::{boxed::Box, vec::Vec};

use crate::rule::{Answer, Atom, Builtin, Literal, Node, Operand, Phase, Set, Test};

/// A condition without its parts about the request.
#[derive(Debug)]
pub(super) enum Counted {
    Const(bool),
    /// A part about the request: this bit.
    Known(u32),
    Response(Builtin, IntTest),
    Not(Box<Self>),
    All(Box<[Self]>),
    Either(Box<[Self]>),
    /// An odd number of them.
    One(Box<[Self]>),
}

/// A test of a number.
#[derive(Clone, Debug)]
pub(super) enum IntTest {
    Exists,
    /// From the first to the last, both included.
    Within(i64, i64),
    Among(Box<[(i64, i64)]>),
    Bits(i64),
    Never,
}

/// Why a condition cannot be kept for the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It asks whether the response's value is in a list.
    List,
}

impl Counted {
    /// Takes the parts about the request out, each with the bit that it will have.
    pub(super) fn of(node: &Node, parts: &mut Vec<Node>) -> Result<Self, Unfit> {
        if !asks_for_the_response(node) {
            return Ok(match node {
                Node::Const(value) => Self::Const(*value),
                node => Self::Known(bit_of(node, parts)),
            });
        }
        let mut several = |nodes: &[Node]| {
            nodes.iter().map(|node| Self::of(node, parts)).collect::<Result<Box<[_]>, _>>()
        };
        Ok(match node {
            Node::Not(inner) => Self::Not(Box::new(Self::of(inner, parts)?)),
            Node::And(nodes) => Self::All(several(nodes)?),
            Node::Or(nodes) => Self::Either(several(nodes)?),
            Node::Xor(nodes) => Self::One(several(nodes)?),
            // All that a response tells are numbers: there is no other atom about it.
            Node::Atom(Atom { operand: Operand::Builtin(field), test }) => {
                Self::Response(*field, IntTest::of(test)?)
            }
            Node::Atom(_) | Node::Any(_) | Node::All(_) | Node::Const(_) => Self::Const(false),
        })
    }

    /// Whether this response counts, by what was known of the request.
    pub(super) fn applies(&self, known: u64, answer: &Answer) -> bool {
        match self {
            Self::Const(value) => *value,
            Self::Known(bit) => known.checked_shr(*bit).is_some_and(|bits| bits & 1 == 1),
            Self::Response(field, test) => {
                read(*field, answer).is_some_and(|value| test.passes(value))
            }
            Self::Not(inner) => !inner.applies(known, answer),
            Self::All(parts) => parts.iter().all(|part| part.applies(known, answer)),
            Self::Either(parts) => parts.iter().any(|part| part.applies(known, answer)),
            Self::One(parts) => {
                parts.iter().fold(false, |odd, part| odd ^ part.applies(known, answer))
            }
        }
    }
}

impl Counted {
    /// Whether it asks how large the response was.
    pub(super) fn asks_size(&self) -> bool {
        match self {
            Self::Const(_) | Self::Known(_) => false,
            Self::Response(field, _) => *field == Builtin::ResponseSize,
            Self::Not(inner) => inner.asks_size(),
            Self::All(parts) | Self::Either(parts) | Self::One(parts) => {
                parts.iter().any(Self::asks_size)
            }
        }
    }
}

impl IntTest {
    fn of(test: &Test) -> Result<Self, Unfit> {
        Ok(match test {
            Test::Exists => Self::Exists,
            Test::Eq(Literal::Int(value)) => Self::Within(*value, *value),
            Test::Le(Literal::Int(value)) => Self::Within(i64::MIN, *value),
            Test::Ge(Literal::Int(value)) => Self::Within(*value, i64::MAX),
            Test::Lt(Literal::Int(value)) => match value.checked_sub(1) {
                Some(last) => Self::Within(i64::MIN, last),
                None => Self::Never,
            },
            Test::Gt(Literal::Int(value)) => match value.checked_add(1) {
                Some(first) => Self::Within(first, i64::MAX),
                None => Self::Never,
            },
            Test::Among(Set::Ints(ranges)) => Self::Among(ranges.clone()),
            Test::Bits(bits) => Self::Bits(*bits),
            Test::InList(_) => return Err(Unfit::List),
            // Not of a number.
            _ => Self::Never,
        })
    }

    fn passes(&self, value: i64) -> bool {
        match self {
            Self::Exists => true,
            Self::Within(first, last) => (*first..=*last).contains(&value),
            Self::Among(ranges) => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&value))
            }
            Self::Bits(bits) => value & bits != 0,
            Self::Never => false,
        }
    }
}

/// What a response says of itself.
pub(super) fn read(field: Builtin, answer: &Answer) -> Option<i64> {
    match field {
        Builtin::Status => Some(i64::from(answer.status)),
        Builtin::LatencyMs => answer.latency_ms,
        Builtin::ResponseSize => answer.size,
        _ => None,
    }
}

/// The field of the response that an operand reads, if it does.
pub(super) fn response_field(operand: &Operand) -> Option<Builtin> {
    match operand {
        Operand::Builtin(field) if field.entry().phase == Phase::Response => Some(*field),
        operand => operand.inner().and_then(response_field),
    }
}

pub(super) fn asks_for_the_response(node: &Node) -> bool {
    match node {
        Node::Const(_) => false,
        Node::Not(inner) => asks_for_the_response(inner),
        Node::And(nodes) | Node::Or(nodes) | Node::Xor(nodes) => {
            nodes.iter().any(asks_for_the_response)
        }
        Node::Atom(atom) | Node::Any(atom) | Node::All(atom) => {
            response_field(&atom.operand).is_some()
        }
    }
}

/// The same part has the same bit.
fn bit_of(node: &Node, parts: &mut Vec<Node>) -> u32 {
    let at = parts.iter().position(|part| part == node).unwrap_or_else(|| {
        parts.push(node.clone());
        parts.len().saturating_sub(1)
    });
    u32::try_from(at).unwrap_or(u32::MAX)
}
