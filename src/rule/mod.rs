//! Rules: what a request has to be like, and what follows from that.
//!
//! Conditions are in the expression language of Cloudflare's rules: texts that a [`Scheme`] reads, or trees
//! that are [built](build) in Rust. A [`Rule`] says what follows, and a [`RuleSet`] is many of them, compiled.
//!
#![doc = include_str!("language.md")]

pub mod build;
mod check;
mod code;
mod diagnostic;
mod display;
mod expr;
mod facts;
mod field;
mod hint;
mod index;
mod lexer;
mod lint;
mod list;
mod mentions;
#[cfg(test)]
mod messages;
mod parser;
mod pattern;
#[cfg(test)]
mod published;
#[cfg(any(test, feature = "__reference"))]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "slow and obvious, for tests, fuzzing and benches only"
)]
pub(crate) mod reference;
mod render;
#[allow(clippy::module_inception, reason = "a rule is what the module is named after")]
mod rule;
#[cfg(any(test, feature = "__reference"))]
#[doc(hidden)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "random tables and choices, for tests, fuzzing and benches only"
)]
pub mod samples;
mod scheme;
mod set;
mod suggest;
mod why;

#[cfg(test)]
pub(crate) use self::field::POSTURES;
#[cfg(any(test, feature = "__reference"))]
#[doc(hidden)]
pub use self::index::agreement;
pub use self::{
    diagnostic::{Code, Diagnostic, Diagnostics, Severity},
    expr::{Expr, Term},
    field::Type,
    list::{List, Lists, NumberSet, TextSet},
    rule::{Action, Ban, Class, Rule, RuleMode, Skip},
    scheme::Scheme,
    set::RuleSet,
};
pub(crate) use self::{
    expr::Name,
    facts::{Answer, Counters, Facts, Marks, State},
    field::{Kind, Phase, is_taken},
    mentions::Mention,
    suggest::closest,
};
pub(crate) use self::{
    expr::{Atom, DEEPEST, Literal, MOST_TESTS, Node, Operand, Set, Test},
    field::Builtin,
    index::{Index, Names, Reader, TooLarge, Value},
};
