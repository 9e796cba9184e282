//! Many expressions, compiled to be judged together.
//!
//! # How
//! A request is not shown to one rule after the other. For each rule there are a few *keys*, questions of
//! which one holds whenever the rule does: the path begins with `/wp-`, the address is in
//! 192.0.2.0/24 ([cover]). Indexes answer the keys of all rules at once, one look-up for each field: a
//! trie for texts, a table for addresses, one automaton for parts of texts ([lookup]). What they tell are lists of
//! rules, which are merged in order ([hits]); of each rule found, code asks what its keys have left
//! open ([code]). Rules without keys are in the merge for every request.
//!
//! # Invariants, each with a test that cites it
//! - **I1** a walk visits what `reference::matches` gives, in that order, and stops where the visitor does;
//! - **I2** what the visitor changes in the marks is seen by all later rules: tests of them are asked when a
//!   rule's turn comes, kept by nothing, and no key;
//! - **I3** a walk allocates nothing;
//! - **I4** its work is linear in the bytes of the request, for every set of rules.
//!
//! # Memory
//! A rule of four tests takes 200 to 400 bytes, of which the most are its texts and its share of the tries and tables;
//! see [`Index::memory_bytes`]. A walk takes less than a KiB of stack; one that finds many rules up to 9 KiB, and
//! one that rewrites a value 17 KiB more.

#[cfg(any(test, feature = "__reference"))]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "for tests and fuzzing only"
)]
pub mod agreement;
mod check;
mod code;
mod compile;
mod copied;
mod cover;
mod hits;
mod literals;
mod lookup;
mod ranges;
mod reader;
mod source;
mod spec;
mod test;
mod trie;

#[cfg(test)]
mod tests;

use alloc::{boxed::Box, vec::Vec};
use core::ops::ControlFlow;

use self::{
    code::{Label, Program, YES},
    compile::Compiler,
    hits::Bitmap,
    lookup::Field,
    source::Seen,
    test::{Memos, Test},
};
pub(crate) use self::{
    hits::Hits,
    reader::{Reader, Value},
};
use super::{
    diagnostic::Code,
    expr::{Expr, Name},
    facts::Facts,
    list::Lists,
};
use crate::request::canonical::Needs;

/// Expressions in their order, compiled.
pub(crate) struct Index {
    fields: Box<[Field]>,
    /// Where the rules of each key are among the postings.
    spans: Box<[(u32, u32)]>,
    /// Numbers of rules, ascending in each list.
    postings: Box<[u16]>,
    /// Where those are that are tried for every request.
    always: (u32, u32),
    /// Where the code of each rule starts.
    starts: Box<[Label]>,
    code: Program,
    tests: Box<[Test]>,
    /// What is read of a request's canonical form.
    needs: Needs,
    /// Whether what keys are asked of is none of that.
    finds_without_target: bool,
    /// The bytes of all regular expressions.
    regexes: usize,
}

/// What the names in expressions stand for.
pub(crate) struct Names<'a> {
    /// Their places are those that [`Facts::lists`] will have.
    pub(crate) lists: &'a Lists,
    /// Their places are their bits.
    pub(crate) tags: &'a [Name],
}

impl Index {
    /// Compiles expressions. The number of each is its place among these, from 0, which is the order that they are tried in.
    ///
    /// # Errors
    /// The first expression, counted from 0, with which a limit is exceeded, and which.
    pub(crate) fn build(exprs: Vec<Expr>, names: &Names<'_>) -> Result<Self, (usize, TooLarge)> {
        Compiler::new(names).compile(&exprs)
    }

    /// Visits the numbers of the expressions that hold, ascending, until the visitor breaks.
    ///
    /// What the visitor changes in [`Facts::marks`] is seen by the expressions after that.
    #[inline]
    pub(crate) fn walk(&self, facts: &Facts<'_>, visit: impl FnMut(usize) -> ControlFlow<()>) {
        let seen = Seen::nothing_of(facts);
        let mut hits = Hits::new();
        self.hit(&seen, &mut hits);
        self.judge_all(&hits, &seen, visit);
    }

    /// Whether [`find`](Self::find) reads nothing of a request's canonical form.
    #[inline]
    pub(crate) const fn finds_without_target(&self) -> bool {
        self.finds_without_target
    }

    /// Takes in what may hold, for [`walk_found`](Self::walk_found).
    #[inline]
    pub(crate) fn find(&self, facts: &Facts<'_>, hits: &mut Hits) {
        self.hit(&Seen::nothing_of(facts), hits);
    }

    /// The same as [`walk`](Self::walk), of what was found for this request.
    #[inline]
    pub(crate) fn walk_found(
        &self,
        found: &Hits,
        facts: &Facts<'_>,
        visit: impl FnMut(usize) -> ControlFlow<()>,
    ) {
        self.judge_all(found, &Seen::nothing_of(facts), visit);
    }

    /// Takes in the lists of all keys that hold.
    #[inline]
    fn hit(&self, seen: &Seen<'_, '_>, hits: &mut Hits) {
        if self.always.0 < self.always.1 {
            hits.push(self.always);
        }
        for field in &self.fields {
            field.look(seen, &mut |list| {
                hits.push(self.spans.get(list as usize).copied().unwrap_or_default());
            });
        }
    }

    #[inline]
    fn judge_all(
        &self,
        hits: &Hits,
        seen: &Seen<'_, '_>,
        mut visit: impl FnMut(usize) -> ControlFlow<()>,
    ) {
        match hits.few() {
            Some(lists) if lists.is_empty() => {}
            Some(lists) => {
                let memos = Memos::new();
                lists.merged(&self.postings, |rule| self.judge(rule, seen, &memos, &mut visit));
            }
            None if self.starts.len() <= 1 << 12 => self.walk_many::<64>(seen, visit),
            None if self.starts.len() <= 1 << 14 => self.walk_many::<256>(seen, visit),
            None => self.walk_many::<1024>(seen, visit),
        }
    }

    /// The same where many lists are found, with all of them in one bitmap.
    #[cold]
    #[inline(never)]
    fn walk_many<const WORDS: usize>(
        &self,
        seen: &Seen<'_, '_>,
        mut visit: impl FnMut(usize) -> ControlFlow<()>,
    ) {
        let mut rules = Bitmap::<WORDS>::new();
        let list = |(start, end): (u32, u32)| {
            self.postings.get(start as usize..end as usize).unwrap_or_default()
        };
        rules.take(u32::MAX, list(self.always));
        for field in &self.fields {
            field.look(seen, &mut |number| {
                rules.take(
                    number,
                    list(self.spans.get(number as usize).copied().unwrap_or_default()),
                );
            });
        }
        let memos = Memos::new();
        let _ = rules.each(|rule| self.judge(rule, seen, &memos, &mut visit));
    }

    /// Whether the expression of this number has no keys, and is tried for every request.
    pub(crate) fn tries_always(&self, number: usize) -> bool {
        let (start, end) = self.always;
        let always = self.postings.get(start as usize..end as usize).unwrap_or_default();
        u16::try_from(number).is_ok_and(|number| always.binary_search(&number).is_ok())
    }

    /// Visits a rule if it holds, given that one of its keys does.
    #[inline]
    fn judge(
        &self,
        rule: u16,
        seen: &Seen<'_, '_>,
        memos: &Memos,
        visit: &mut impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let rule = usize::from(rule);
        let start = self.starts.get(rule).copied().unwrap_or(code::NO);
        let holds = start == YES
            || self.code.holds(start, |test| {
                self.tests.get(test as usize).is_some_and(|test| test.holds(seen, memos))
            });
        if holds { visit(rule) } else { ControlFlow::Continue(()) }
    }

    /// What a walk reads of a request's canonical form.
    #[inline]
    pub(crate) const fn needs(&self) -> Needs {
        self.needs
    }

    /// The bytes of everything that was compiled.
    pub(crate) fn memory_bytes(&self) -> usize {
        let tests = self.tests.iter().map(Test::heap_bytes).fold(0, usize::saturating_add);
        let fields = self.fields.iter().map(Field::memory_bytes).fold(0, usize::saturating_add);
        [
            size_of::<Self>(),
            fields,
            size_of_val(&*self.spans),
            size_of_val(&*self.postings),
            size_of_val(&*self.starts),
            size_of_val(&*self.tests),
            self.code.heap_bytes(),
            tests,
            self.regexes,
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }
}

/// A limit of one expression, or of all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooLarge {
    /// Levels of one expression.
    Levels,
    /// Tests of one expression.
    Tests,
    /// Compiled regular expressions, in bytes.
    Regexes,
    /// Stars of one wildcard.
    Stars,
    /// Literals that are looked for anywhere in texts.
    Literals,
    /// Expressions.
    Rules,
}

impl TooLarge {
    /// Its code, and what it says of the condition with which it is too large.
    pub(crate) fn told(self) -> (Code, &'static str) {
        match self {
            Self::Levels => (Code::TooDeep, "the condition has more than 64 levels"),
            Self::Tests => (Code::TooManyTests, "the condition has more than 4096 tests"),
            Self::Regexes => (
                Code::RegexesTooLarge,
                "with this condition, regular expressions take more than 16 MiB in all",
            ),
            Self::Stars => (Code::Wildcard, "a wildcard of this condition has too many stars"),
            Self::Literals => (
                Code::TooManyLiterals,
                "with this condition, too much is looked for anywhere in texts",
            ),
            Self::Rules => (Code::TooManyRules, "with this condition there are too many of them"),
        }
    }
}
