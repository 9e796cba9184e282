//! A question about a request: a check of one value, or of each.

use core::{
    cell::Cell,
    net::{IpAddr, Ipv4Addr},
    ops::ControlFlow,
};

use super::{
    check::Check,
    source::{Seen, Shape, Source},
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
    shape: Shape,
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
        let shape = match quantity {
            Quantity::Any => source.shape(),
            Quantity::All => Shape::Any,
        };
        Self { source, check, quantity, shape, memo }
    }

    #[inline]
    pub(super) fn holds(&self, seen: &Seen<'_, '_>, memos: &Memos) -> bool {
        if let Some(answer) = memos.get(self.memo) {
            return answer;
        }
        let answer = match self.shape {
            Shape::Text => match self.source.text(seen) {
                Some(text) => self.check.passes_text(text, seen),
                None => false,
            },
            Shape::Address => match (self.source.v4(seen), self.source.address(seen)) {
                (Some(ip), _) => {
                    self.check.passes_address(IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits())), seen)
                }
                (None, Some(ip)) => self.check.passes_address(ip, seen),
                (None, None) => false,
            },
            Shape::Plain => match self.source.plain(seen) {
                Some(value) => self.check.passes(value, seen),
                None => false,
            },
            Shape::Any => self.of_each(seen),
        };
        if self.memo != NO_MEMO {
            memos.set(self.memo, answer);
        }
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

    /// The answer, if it is kept there; [`NO_MEMO`] is never known.
    #[inline]
    fn get(&self, memo: u8) -> Option<bool> {
        let (at, bit) = (usize::from(memo >> 6), 1 << (memo & 63));
        let known = self.known.get(at)?.get() & bit != 0;
        known.then(|| self.yes.get(at).is_some_and(|yes| yes.get() & bit != 0))
    }

    #[inline]
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

#[cfg(test)]
mod tests {
    use super::{Memos, NO_MEMO};

    #[test]
    fn every_answer_is_kept_in_its_own_place() {
        let memos = Memos::new();
        for memo in 0..NO_MEMO {
            assert_eq!(memos.get(memo), None, "{memo}");
            memos.set(memo, memo % 3 == 0);
        }
        for memo in 0..NO_MEMO {
            assert_eq!(memos.get(memo), Some(memo % 3 == 0), "{memo}");
        }
        assert_eq!(memos.get(NO_MEMO), None);
    }
}
