//! Prefixes as they come, put in order.

use alloc::vec::Vec;

#[cfg(feature = "serde")]
use ipnet::IpNet;

#[cfg(feature = "serde")]
use super::super::addr::{v4_net, v6_net};
use super::{
    super::{addr::Prefix, runs::Mark},
    keys::Key,
};

/// Prefixes of both families with their tags, in the order in which they were given.
pub(super) struct Gathered {
    pub(super) v4: Heap<u32>,
    pub(super) v6: Heap<u128>,
}

/// Prefixes of one family.
pub(super) struct Heap<B> {
    prefixes: Vec<(B, Mark)>,
    expected: usize,
    /// Whether each came after the one before it in the order of a list.
    in_order: bool,
}

impl Gathered {
    pub(super) fn new() -> Self {
        Self::expecting(0)
    }

    /// With room for so many of the family that comes.
    pub(super) fn expecting(prefixes: usize) -> Self {
        Self { v4: Heap::expecting(prefixes), v6: Heap::expecting(prefixes) }
    }

    #[inline]
    pub(super) fn push(&mut self, prefix: Prefix, tag: u32) {
        match prefix {
            Prefix::V4(first, len) => self.v4.push(first, Mark { tag, len }),
            Prefix::V6(first, len) => self.v6.push(first, Mark { tag, len }),
        }
    }

    /// A prefix that comes more than once, if one does.
    #[cfg(feature = "serde")]
    pub(super) fn twice(&self) -> Option<IpNet> {
        let v4 = self.v4.twice().map(|(first, mark)| v4_net(first, mark.len));
        v4.or_else(|| self.v6.twice().map(|(first, mark)| v6_net(first, mark.len)))
    }
}

impl<B: Key> Heap<B> {
    fn expecting(prefixes: usize) -> Self {
        Self { prefixes: Vec::new(), expected: prefixes, in_order: true }
    }

    #[inline]
    fn push(&mut self, first: B, mark: Mark) {
        if self.prefixes.is_empty() {
            self.prefixes.reserve(self.expected);
        }
        let before = self.prefixes.last();
        self.in_order &= before.is_none_or(|before| place(before) < first.place(mark.len));
        self.prefixes.push((first, mark));
    }

    /// A prefix that comes more than once, if one does.
    #[cfg(feature = "serde")]
    fn twice(&self) -> Option<(B, Mark)> {
        if self.in_order {
            return None;
        }
        let mut sorted = self.prefixes.clone();
        sorted.sort_unstable_by_key(place);
        let both = sorted.iter().zip(sorted.iter().skip(1));
        both.filter(|(one, next)| place(one) == place(next)).map(|(one, _)| *one).next()
    }

    /// The prefixes in order. Of equal ones the last counts; `dropped` is told the tags of the others.
    pub(super) fn sorted(self, mut dropped: impl FnMut(u32)) -> Vec<(B, Mark)> {
        let Self { mut prefixes, in_order, .. } = self;
        if !in_order {
            // Both keep equal prefixes in the order in which they came.
            if prefixes.len() > FEW {
                prefixes = sort_many(&prefixes);
            } else {
                prefixes.sort_by_key(place);
            }
            prefixes.dedup_by(|next, kept| {
                let same = place(next) == place(kept);
                if same {
                    dropped(kept.1.tag);
                    kept.1.tag = next.1.tag;
                }
                same
            });
        }
        prefixes
    }
}

/// Up to so many are just sorted; few in tests, so that the other way is gone, too.
const FEW: usize = if cfg!(test) { 8 } else { 4_096 };

fn place<B: Key>((first, mark): &(B, Mark)) -> B::Place {
    first.place(mark.len)
}

/// Sorts what spreads over the address space: dealt out by the 16 bits after those that all share,
/// most are in place but for a few neighbours.
fn sort_many<B: Key>(prefixes: &[(B, Mark)]) -> Vec<(B, Mark)> {
    let ends = prefixes
        .iter()
        .fold((B::MAX, B::MIN), |(low, high), (first, _)| (low.min(*first), high.max(*first)));
    let shared = ends.0.shared(ends.1);
    // Where each part begins; the last of these is the end of all.
    let mut starts = alloc::vec![0_usize; PARTS.saturating_add(1)];
    for (first, _) in prefixes {
        let next = usize::from(first.bits_after(shared)).saturating_add(1);
        starts.get_mut(next).into_iter().for_each(|count| *count = count.saturating_add(1));
    }
    let mut sum = 0_usize;
    for start in &mut starts {
        sum = sum.saturating_add(*start);
        *start = sum;
    }
    let mut dealt = alloc::vec![(B::MIN, Mark::default()); prefixes.len()];
    for prefix in prefixes {
        if let Some(at) = starts.get_mut(usize::from(prefix.0.bits_after(shared))) {
            dealt.get_mut(*at).into_iter().for_each(|there| *there = *prefix);
            *at = at.saturating_add(1);
        }
    }
    // Now each start is the end of its part.
    let mut rest = dealt.as_mut_slice();
    let mut from = 0_usize;
    for end in starts.into_iter().take(PARTS) {
        let (part, after) = rest.split_at_mut_checked(end.saturating_sub(from)).unwrap_or_default();
        if part.len() > 1 {
            part.sort_by_key(place);
        }
        (rest, from) = (after, end);
    }
    dealt
}

const PARTS: usize = 1 << 16;
