//! Many keys, and which of them a text equals or begins with; or, read from its end, ends with.
//!
//! A radix trie in flat arrays. A node is 32 bytes: the first eight bytes of its label as one word,
//! compared in one step, and where the rest of the label, its children and its values lie. Children are
//! found in a table that spans the bytes from the first to the last of them; where that would be mostly
//! holes, they are a sorted list.
//!
//! # Invariants
//! - **I1** a walk visits the value of every entry whose key fits, as often as it was entered, and no
//!   other: those of shorter keys first;
//! - **I2** a walk takes time linear in the shorter of the text and the deepest key, and in what is found.
//!   Nothing recurses, neither here nor in building;
//! - **I3** memory is linear in the bytes of all keys, whatever they are: a table has at most
//!   [`SPARSEST`] slots for each child, and [`ALWAYS`] more;
//! - **I4** a walk back sees the same as a walk over the text reversed, and copies nothing of it.
//!
//! # Cost
//! A step compares up to eight bytes, and reads one node and one slot.

mod build;
#[cfg(test)]
mod tests;
mod word;

use alloc::{boxed::Box, vec::Vec};

use self::{
    build::Builder,
    word::{lower, word_at},
};

/// The most slots of a table for each child in it.
const SPARSEST: usize = 4;
/// How many slots a table may have anyway.
const ALWAYS: usize = 16;

/// What of a text a key must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Anchor {
    /// Its beginning.
    Prefix,
    /// All of it.
    Exact,
}

/// Keys with values, to be walked with texts.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    folded: bool,
    /// The first is the root, whose label is what all keys begin with, and may be empty. Those after it stand level by level.
    nodes: Box<[Node]>,
    /// Labels beyond their first word, padded with zeros.
    words: Box<[u64]>,
    /// Places of nodes; 0 is none, because the root is nobody's child.
    slots: Box<[u32]>,
    /// Children of those nodes that have no table: by their first bytes, sorted within one node.
    lists: Box<[(u8, u32)]>,
    /// Ends of values for prefixes, ends of values for whole texts, and these values, node by node.
    values: Box<[u32]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// The first eight bytes of the label, the first one lowest, padded with zeros. The byte that leads
    /// here from the parent is the first of them.
    word: u64,
    /// The bytes of the label.
    label: u32,
    /// Where the rest of the label begins, in words.
    rest: u32,
    /// Where the children begin: in slots or in lists.
    children: u32,
    /// Where the values begin; 0 is none.
    values: u32,
    /// Slots of the table, or children in the list.
    width: u16,
    /// The byte of the first slot.
    lowest: u8,
    /// Bits of a whole word that the last word of the label has not.
    unused: u8,
    listed: bool,
}

impl Trie {
    /// Makes one of keys, each with what it must be of a text and a value.
    ///
    /// If `folded`, the case of ASCII letters does not matter. For [`walk_back`](Self::walk_back), keys
    /// are given reversed.
    pub(super) fn build(mut entries: Vec<(Box<[u8]>, Anchor, u32)>, folded: bool) -> Self {
        if folded {
            entries.iter_mut().for_each(|(key, ..)| key.make_ascii_lowercase());
        }
        entries.sort_unstable();
        Builder::default().build(&entries, folded)
    }

    /// Visits the values of all keys that the text equals or begins with.
    #[inline]
    pub(super) fn walk(&self, text: &[u8], visit: impl FnMut(u32)) {
        if self.folded {
            self.go::<false, true>(text, visit);
        } else {
            self.go::<false, false>(text, visit);
        }
    }

    /// Visits the values of all keys that, read from its end, the text equals or begins with.
    #[inline]
    pub(super) fn walk_back(&self, text: &[u8], visit: impl FnMut(u32)) {
        if self.folded {
            self.go::<true, true>(text, visit);
        } else {
            self.go::<true, false>(text, visit);
        }
    }

    /// The memory of what is compiled, in bytes, without the struct itself.
    pub(super) fn memory_bytes(&self) -> usize {
        [
            size_of_val(&*self.nodes),
            size_of_val(&*self.words),
            size_of_val(&*self.slots),
            size_of_val(&*self.lists),
            size_of_val(&*self.values),
        ]
        .iter()
        .fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// Apart for each kind, so that none of them spills what another one needs.
    #[inline(never)]
    fn go<const BACK: bool, const FOLDED: bool>(&self, text: &[u8], mut visit: impl FnMut(u32)) {
        let Some(mut node) = self.nodes.first() else { return };
        let next = |at| {
            let word = word_at::<BACK>(text, at);
            if FOLDED { lower(word) } else { word }
        };
        // As many bytes of the text have been walked.
        let mut at = node.label as usize;
        if at != 0 && !self.fits::<BACK, FOLDED>(node, next(0), text, 0) {
            return;
        }
        loop {
            if node.values != 0 {
                self.visit(node, at == text.len(), &mut visit);
            }
            let word = next(at);
            // Past the end it is zero, and may find a child that is then too long.
            #[allow(clippy::cast_possible_truncation, reason = "the lowest byte is asked for")]
            let first = word as u8;
            let Some(child) = self.child(node, first) else { return };
            node = child;
            if !self.fits::<BACK, FOLDED>(node, word, text, at) {
                return;
            }
            at = at.wrapping_add(node.label as usize);
        }
    }

    /// Whether the text goes on as the label says, which is not empty; this is its next word.
    #[inline]
    fn fits<const BACK: bool, const FOLDED: bool>(
        &self,
        node: &Node,
        word: u64,
        text: &[u8],
        at: usize,
    ) -> bool {
        // Never more than the text is long.
        if node.label as usize > text.len().wrapping_sub(at) {
            return false;
        }
        if node.label <= 8 {
            return (word ^ node.word) << (node.unused & 63) == 0;
        }
        word == node.word && self.rest_fits::<BACK, FOLDED>(node, text, at)
    }

    #[inline]
    fn child(&self, node: &Node, byte: u8) -> Option<&Node> {
        let start = node.children as usize;
        let place = if node.width <= 1 {
            // Whether it is led to by this byte, its label tells; none is a place that there is not.
            node.children
        } else if node.listed {
            self.listed(start, node.width, byte)?
        } else {
            let slot = byte.wrapping_sub(node.lowest);
            if u16::from(slot) >= node.width {
                return None;
            }
            *self.slots.get(start.wrapping_add(usize::from(slot)))?
        };
        if place == 0 { None } else { self.nodes.get(place as usize) }
    }

    #[cold]
    fn listed(&self, start: usize, width: u16, byte: u8) -> Option<u32> {
        let list = self.lists.get(start..start.saturating_add(usize::from(width)))?;
        let at = list.binary_search_by_key(&byte, |(first, _)| *first).ok()?;
        list.get(at).map(|(_, place)| *place)
    }

    /// Whether a label of more than eight bytes goes on as the text does, which is long enough.
    fn rest_fits<const BACK: bool, const FOLDED: bool>(
        &self,
        node: &Node,
        text: &[u8],
        at: usize,
    ) -> bool {
        let words = (node.label as usize).saturating_sub(1) / 8;
        let start = node.rest as usize;
        let Some(labels) = self.words.get(start..start.saturating_add(words)) else { return false };
        let Some((last, whole)) = labels.split_last() else { return false };
        let mut at = at.saturating_add(8);
        let mut next = || {
            let word = word_at::<BACK>(text, at);
            at = at.saturating_add(8);
            if FOLDED { lower(word) } else { word }
        };
        whole.iter().all(|label| *label == next()) && (last ^ next()) << (node.unused & 63) == 0
    }

    #[inline]
    fn visit(&self, node: &Node, whole: bool, visit: &mut impl FnMut(u32)) {
        let start = node.values as usize;
        let Some([prefixes, all, values @ ..]) = self.values.get(start..) else { return };
        let end = if whole { *all } else { *prefixes };
        values.iter().take(end as usize).for_each(|value| visit(*value));
    }
}
