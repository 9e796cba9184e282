//! Sorted ranges of addresses as numbers, of one family.

use alloc::vec::Vec;

/// An address as a number.
pub(super) trait Bits: Copy + Ord {
    /// The next address; the last one is its own next.
    fn successor(self) -> Self;
}

impl Bits for u32 {
    fn successor(self) -> Self {
        self.saturating_add(1)
    }
}

impl Bits for u128 {
    fn successor(self) -> Self {
        self.saturating_add(1)
    }
}

/// Ranges with both ends inside; I1 holds whenever [`normalise`](Self::normalise) came last.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Ranges<B>(Vec<(B, B)>);

impl<B> Ranges<B> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn as_slice(&self) -> &[(B, B)] {
        &self.0
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<(B, B)>())
    }
}

impl<B: Bits> Ranges<B> {
    /// Adds a range and leaves the order for [`normalise`](Self::normalise).
    pub(super) fn push(&mut self, first: B, last: B) {
        debug_assert!(first <= last, "a range that ends before it starts");
        self.0.push((first, last));
    }

    /// Like [`push`](Self::push), for many.
    pub(super) fn append(&mut self, mut other: Self) {
        if self.0.is_empty() {
            *self = other;
        } else {
            self.0.append(&mut other.0);
        }
    }

    pub(super) fn normalise(&mut self) {
        self.0.sort();
        self.0.dedup_by(|next, kept| {
            // At the top of the space the successor saturates: nothing lies beyond, all merges.
            let joins = next.0 <= kept.1.successor();
            if joins {
                kept.1 = kept.1.max(next.1);
            }
            joins
        });
        self.0.shrink_to_fit();
    }

    pub(super) fn contains(&self, addr: B) -> bool {
        let after = self.0.partition_point(|&(first, _)| first <= addr);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|&(_, last)| addr <= last)
    }
}

impl Ranges<u128> {
    /// Takes the addresses `first..=last` out of normalised ranges.
    pub(super) fn cut(&mut self, first: u128, last: u128) {
        if !self.0.iter().any(|&(from, to)| from <= last && first <= to) {
            return;
        }
        let mut left = Vec::with_capacity(self.0.len().saturating_add(1));
        for &(from, to) in &self.0 {
            let below = first.checked_sub(1).filter(|below| from <= *below);
            let above = last.checked_add(1).filter(|above| *above <= to);
            left.extend(below.map(|below| (from, to.min(below))));
            left.extend(above.map(|above| (from.max(above), to)));
        }
        left.shrink_to_fit();
        self.0 = left;
    }
}
