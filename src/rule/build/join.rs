//! Conditions joined to others.

use alloc::vec::Vec;

use crate::rule::expr::{DEEPEST, Expr, Node};

impl Expr {
    /// Always, or never.
    #[must_use]
    pub fn constant(value: bool) -> Self {
        Self(Node::Const(value))
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::all([self, other])
    }

    /// At least one of them.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::any([self, other])
    }

    /// Exactly one of them; in a chain, an odd number.
    #[must_use]
    pub fn xor(self, other: Self) -> Self {
        joined([self, other], Node::one)
    }

    /// The contrary.
    #[must_use]
    #[allow(clippy::should_implement_trait, reason = "reads as the language does")]
    pub fn not(self) -> Self {
        joined([self], |nodes| Node::all(nodes).negated())
    }

    /// All of them; of none, yes.
    #[must_use]
    pub fn all(exprs: impl IntoIterator<Item = Self>) -> Self {
        joined(exprs, Node::all)
    }

    /// At least one of them; of none, no.
    #[must_use]
    pub fn any(exprs: impl IntoIterator<Item = Self>) -> Self {
        joined(exprs, Node::either)
    }
}

/// A condition of others. If one of them is too deep it stays alone, as it will be refused.
fn joined(exprs: impl IntoIterator<Item = Expr>, join: impl FnOnce(Vec<Node>) -> Node) -> Expr {
    let mut nodes: Vec<Node> = exprs.into_iter().map(|expr| expr.0).collect();
    match nodes.iter().position(|node| node.levels() > DEEPEST) {
        Some(at) => Expr(nodes.swap_remove(at)),
        None => Expr(join(nodes)),
    }
}
