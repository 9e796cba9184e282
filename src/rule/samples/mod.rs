//! Expressions and requests at random, for tests, fuzzing and benches.
//!
//! Both are drawn from the same few words, so that a random expression holds for a random request often
//! enough for a test to see both answers. One generator serves all: whatever gives numbers below a bound
//! is a [`Source`]. Bytes are one ([`Entropy`]: what a fuzzer mutates and what proptest shrinks), a seed
//! is another ([`Seeded`]: ten million cases need nothing but a number).
//!
//! # Invariants
//! - **I1** every expression is normal and well typed, as the tree demands, and no deeper than
//!   [`Shape::depth`] levels of operators;
//! - **I2** a source that has run dry gives zeros, and zeros are the simplest choice everywhere: so every
//!   draw ends, and a shorter source gives a smaller tree.

mod conditions;
mod draw;
mod requests;
mod sources;
#[cfg(test)]
pub(crate) mod strategies;
#[cfg(test)]
mod tests;
mod words;

use alloc::vec::Vec;

use self::{
    draw::Draw,
    words::{LIMITS, LISTS, OWN_FIELDS, TAGS},
};
pub use self::{
    requests::Sample,
    sources::{Entropy, Seeded, Source},
};
use super::{
    expr::{Expr, Name, Term},
    field::{Kind, Type},
    list::{Lists, NumberSet, TextSet},
    scheme::Scheme,
};
use crate::cidr::CidrSet;

/// What expressions are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Levels of `not`, `and`, `or` and `xor`.
    pub depth: u32,
    /// With fields that only a response has.
    pub response: bool,
    /// With `counter("name")`.
    pub counters: bool,
    /// With `score` and `tag["name"]`, which rules change.
    pub volatile: bool,
}

impl Default for Shape {
    /// What conditions of rules can be, but for counters.
    fn default() -> Self {
        Self { depth: 3, response: false, counters: false, volatile: true }
    }
}

/// An expression of the default shape.
pub fn expr(source: &mut impl Source) -> Expr {
    expr_of(source, Shape::default())
}

/// An expression of this shape.
pub fn expr_of(source: &mut impl Source, shape: Shape) -> Expr {
    let mut draw = Draw { source, shape, atoms: 24 };
    Expr(draw.node(shape.depth))
}

/// A list of up to `most` expressions.
pub fn exprs(source: &mut impl Source, most: u32) -> Vec<Expr> {
    (0..source.below(most.saturating_add(1))).map(|_| expr(source)).collect()
}

/// A term that a limit can count by: no array, no map, no `[*]`.
pub fn term(source: &mut impl Source) -> Term {
    let mut draw = Draw { source, shape: Shape::default(), atoms: 0 };
    let kind = draw.of(&[Kind::Bytes, Kind::Int, Kind::Ip, Kind::Bool]);
    Term(draw.operand(kind))
}

/// What names the expressions use.
#[must_use]
pub fn scheme() -> Scheme {
    let fields =
        OWN_FIELDS.iter().fold(Scheme::new(), |scheme, (name, holds)| scheme.field(name, *holds));
    let lists = LISTS.iter().fold(fields, |scheme, (name, holds)| scheme.list(name, *holds));
    LIMITS.iter().fold(lists, |scheme, name| scheme.limit(name))
}

/// The tags that expressions ask for, but for one that no rule sets; their places are their bits.
#[must_use]
pub fn tags() -> Vec<Name> {
    TAGS[..3].iter().map(|name| Name::from(*name)).collect()
}

/// The content of the lists, at random.
pub fn lists(source: &mut impl Source) -> Lists {
    let mut draw = Draw { source, shape: Shape::default(), atoms: 0 };
    let mut lists = Lists::new();
    for (name, holds) in LISTS {
        match holds {
            Type::Ip => {
                let nets: CidrSet = (0..draw.below(4)).map(|_| draw.net()).collect();
                lists.set(name, nets);
            }
            Type::Int => {
                let numbers: NumberSet = (0..draw.below(4)).map(|_| draw.int()).collect();
                lists.set(name, numbers);
            }
            _ => {
                let texts: TextSet = (0..draw.below(4)).map(|_| draw.text()).collect();
                lists.set(name, texts);
            }
        }
    }
    lists
}
