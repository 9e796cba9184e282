//! Prefixes as they come, put in order.

use alloc::vec::Vec;

#[cfg(feature = "serde")]
use ipnet::IpNet;

#[cfg(feature = "serde")]
use super::super::addr::{v4_net, v6_net};
use super::{
    super::{addr::Prefix, runs::Mark},
    list::Key,
};

/// Prefixes of both families with their tags, in the order in which they were given.
pub(super) struct Gathered {
    pub(super) v4: Heap<u32>,
    pub(super) v6: Heap<u128>,
}

/// Prefixes of one family.
pub(super) struct Heap<B> {
    prefixes: Vec<(B, Mark)>,
    /// Whether each came after the one before it in the order of a list.
    in_order: bool,
}

impl Gathered {
    pub(super) fn new() -> Self {
        Self { v4: Heap::new(), v6: Heap::new() }
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
    fn new() -> Self {
        Self { prefixes: Vec::new(), in_order: true }
    }

    #[inline]
    fn push(&mut self, first: B, mark: Mark) {
        let before = self.prefixes.last();
        self.in_order &= before.is_none_or(|(key, old)| (*key, old.len) < (first, mark.len));
        self.prefixes.push((first, mark));
    }

    /// A prefix that comes more than once, if one does.
    #[cfg(feature = "serde")]
    fn twice(&self) -> Option<(B, Mark)> {
        if self.in_order {
            return None;
        }
        let place = |(first, mark): &(B, Mark)| (*first, mark.len);
        let mut sorted = self.prefixes.clone();
        sorted.sort_unstable_by_key(place);
        let both = sorted.iter().zip(sorted.iter().skip(1));
        both.filter(|(one, next)| place(one) == place(next)).map(|(one, _)| *one).next()
    }

    /// The prefixes in order. Of equal ones the last counts; `dropped` is told the tags of the others.
    pub(super) fn sorted(self, mut dropped: impl FnMut(u32)) -> Vec<(B, Mark)> {
        let Self { mut prefixes, in_order } = self;
        if !in_order {
            // A stable sort: equal prefixes stay in the order in which they came.
            prefixes.sort_by_key(|(first, mark)| (*first, mark.len));
            prefixes.dedup_by(|next, kept| {
                let same = (next.0, next.1.len) == (kept.0, kept.1.len);
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
