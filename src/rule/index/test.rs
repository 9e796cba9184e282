//! A question about a request: a check of one value, or of each.

use core::{cell::Cell, ops::ControlFlow};

use super::{
    check::Check,
    source::{Seen, Source},
};

/// How many of the values have to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Quantity {
    /// At least one: where there is one value only, that one.
    Any,
    /// All: also where there is none.
    All,
}

pub(super) struct Test {
    source: Source,
    check: Check,
    quantity: Quantity,
    plain: bool,
    /// Where its answer is kept, or [`NO_MEMO`].
    memo: u8,
}

pub(super) const NO_MEMO: u8 = u8::MAX;

/// Answers to what is costly to ask, for the other rules that ask it.
pub(super) struct Memos {
    known: [Cell<u64>; 4],
    yes: [Cell<u64>; 4],
}

impl Test {
    pub(super) fn new(source: Source, check: Check, quantity: Quantity, memo: u8) -> Self {
        let plain = source.is_plain() && quantity == Quantity::Any;
        Self { source, check, quantity, plain, memo }
    }

    #[inline]
    pub(super) fn holds(&self, seen: &Seen<'_, '_>, memos: &Memos) -> bool {
        if self.memo != NO_MEMO {
            return self.recalled(seen, memos);
        }
        if self.plain {
            return match self.source.plain(seen) {
                Some(value) => self.check.passes(value, seen),
                None => false,
            };
        }
        self.of_each(seen)
    }

    #[inline(never)]
    fn recalled(&self, seen: &Seen<'_, '_>, memos: &Memos) -> bool {
        if let Some(answer) = memos.get(self.memo) {
            return answer;
        }
        let answer = self.of_each(seen);
        memos.set(self.memo, answer);
        answer
    }

    #[inline(never)]
    fn of_each(&self, seen: &Seen<'_, '_>) -> bool {
        let wanted = self.quantity == Quantity::Any;
        let mut holds = !wanted;
        self.source.each(seen, &mut |value| {
            if self.check.passes(value, seen) == wanted {
                holds = wanted;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        holds
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.check.heap_bytes().saturating_add(self.source.heap_bytes())
    }
}

impl Memos {
    pub(super) const fn new() -> Self {
        Self { known: [const { Cell::new(0) }; 4], yes: [const { Cell::new(0) }; 4] }
    }

    fn get(&self, memo: u8) -> Option<bool> {
        let (at, bit) = (usize::from(memo >> 6), 1 << (memo & 63));
        let known = self.known.get(at)?.get() & bit != 0;
        known.then(|| self.yes.get(at).is_some_and(|yes| yes.get() & bit != 0))
    }

    fn set(&self, memo: u8, answer: bool) {
        let (at, bit) = (usize::from(memo >> 6), 1_u64 << (memo & 63));
        if let (Some(known), Some(yes)) = (self.known.get(at), self.yes.get(at)) {
            known.set(known.get() | bit);
            if answer {
                yes.set(yes.get() | bit);
            }
        }
    }
}
