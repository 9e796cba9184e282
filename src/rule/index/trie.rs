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

use alloc::{boxed::Box, vec::Vec};

/// The most slots of a table for each child in it.
const SPARSEST: usize = 4;
/// How many slots a table may have anyway.
const ALWAYS: usize = 16;

/// What of a text a key must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Anchor {
    /// Its beginning.
    Prefix,
    /// All of it.
    Exact,
}

/// Keys with values, to be walked with texts.
#[derive(Clone, Debug)]
pub(crate) struct Trie {
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
    pub(crate) fn build(mut entries: Vec<(Box<[u8]>, Anchor, u32)>, folded: bool) -> Self {
        if folded {
            entries.iter_mut().for_each(|(key, ..)| key.make_ascii_lowercase());
        }
        entries.sort_unstable();
        Builder::default().build(&entries, folded)
    }

    /// Visits the values of all keys that the text equals or begins with.
    #[inline]
    pub(crate) fn walk(&self, text: &[u8], visit: impl FnMut(u32)) {
        if self.folded {
            self.go::<false, true>(text, visit);
        } else {
            self.go::<false, false>(text, visit);
        }
    }

    /// Visits the values of all keys that, read from its end, the text equals or begins with.
    #[inline]
    pub(crate) fn walk_back(&self, text: &[u8], visit: impl FnMut(u32)) {
        if self.folded {
            self.go::<true, true>(text, visit);
        } else {
            self.go::<true, false>(text, visit);
        }
    }

    /// The memory of what is compiled, in bytes, without the struct itself.
    pub(crate) fn memory_bytes(&self) -> usize {
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

/// Eight bytes of the text after so many, the nearest one lowest; zeros stand for bytes past the end.
#[inline]
fn word_at<const BACK: bool>(text: &[u8], at: usize) -> u64 {
    if BACK {
        let left = text.get(..text.len().wrapping_sub(at)).unwrap_or_default();
        match left.last_chunk() {
            Some(bytes) => u64::from_be_bytes(*bytes),
            None => match text.first_chunk() {
                Some(bytes) => past(u64::from_be_bytes(*bytes), left.len()),
                None => {
                    few(left).swap_bytes()
                        >> 8
                        >> (7_usize.wrapping_sub(left.len()).wrapping_mul(8) & 63)
                }
            },
        }
    } else {
        let left = text.get(at..).unwrap_or_default();
        match left.first_chunk() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => match text.last_chunk() {
                Some(bytes) => past(u64::from_le_bytes(*bytes), left.len()),
                None => few(left),
            },
        }
    }
}

/// The upper bytes of a word, of which there are fewer than eight.
#[inline]
fn past(word: u64, bytes: usize) -> u64 {
    // Two steps: all 64 bits can not be shifted out at once.
    word >> 8 >> (7_usize.wrapping_sub(bytes).wrapping_mul(8) & 63)
}

/// Fewer than eight bytes, the first one lowest, as two pieces that may overlap.
#[inline]
fn few(bytes: &[u8]) -> u64 {
    let joined = |first: u64, last: u64, of: usize| {
        first | last << (bytes.len().wrapping_sub(of).wrapping_mul(8) & 63)
    };
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return joined(u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into(), 4);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return joined(u16::from_le_bytes(*first).into(), u16::from_le_bytes(*last).into(), 2);
    }
    bytes.first().copied().map_or(0, u64::from)
}

/// Fewer than eight bytes, the last one lowest.
#[inline]
fn gathered<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    bytes.fold(0, |word, byte| (word << 8) | u64::from(*byte))
}

/// All ASCII capitals of a word made small.
#[inline]
const fn lower(word: u64) -> u64 {
    // What makes a letter with its top bit off reach that bit: `A` and later ones, those past `Z`.
    const TO_A: u64 = u64::from_ne_bytes([0x80 - b'A'; 8]);
    const PAST_Z: u64 = u64::from_ne_bytes([0x7f - b'Z'; 8]);
    const TOP: u64 = u64::from_ne_bytes([0x80; 8]);
    let low = word & !TOP;
    let capital = (low.wrapping_add(TO_A) ^ low.wrapping_add(PAST_Z)) & !word & TOP;
    word | (capital >> 2)
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    words: Vec<u64>,
    slots: Vec<u32>,
    lists: Vec<(u8, u32)>,
    values: Vec<u32>,
}

type Entry = (Box<[u8]>, Anchor, u32);

/// Sorted entries that share a beginning of this length, for the children of a node.
struct Task<'a> {
    node: usize,
    depth: usize,
    entries: &'a [Entry],
}

impl Builder {
    fn build(mut self, entries: &[Entry], folded: bool) -> Trie {
        self.values.push(0);
        let depth = common(entries, 0);
        let label = entries.first().and_then(|(key, ..)| key.get(..depth)).unwrap_or_default();
        let root = self.labelled(label);
        self.nodes.push(root);
        let mut tasks = alloc::collections::VecDeque::new();
        tasks.push_back(Task { node: 0, depth, entries });
        while let Some(task) = tasks.pop_front() {
            let (here, below) = task
                .entries
                .split_at(task.entries.partition_point(|(key, ..)| key.len() <= task.depth));
            let values = self.store_values(here);
            let mut children: Vec<(u8, u32)> = Vec::new();
            let mut left = below;
            while let Some((key, ..)) = left.first() {
                let Some(byte) = key.get(task.depth) else { break };
                let end = left.partition_point(|(key, ..)| key.get(task.depth) <= Some(byte));
                let (entries, others) = left.split_at(end);
                left = others;
                let depth = task.depth.saturating_add(common(entries, task.depth));
                let label = key.get(task.depth..depth).unwrap_or_default();
                children.push((*byte, place(self.nodes.len())));
                let node = self.nodes.len();
                let labelled = self.labelled(label);
                self.nodes.push(labelled);
                tasks.push_back(Task { node, depth, entries });
            }
            let (start, width, lowest, listed) = self.store_children(&children);
            if let Some(node) = self.nodes.get_mut(task.node) {
                *node = Node { values, children: start, width, lowest, listed, ..*node };
            }
        }
        Trie {
            folded,
            nodes: self.nodes.into(),
            words: self.words.into(),
            slots: self.slots.into(),
            lists: self.lists.into(),
            values: self.values.into(),
        }
    }

    fn labelled(&mut self, label: &[u8]) -> Node {
        let rest = place(self.words.len());
        let mut words = label.chunks(8).map(|bytes| gathered(bytes.iter().rev()));
        let word = words.next().unwrap_or(0);
        self.words.extend(words);
        let unused = (8_usize.wrapping_sub(label.len()) & 7).wrapping_mul(8);
        let unused = u8::try_from(unused).unwrap_or(0);
        Node { word, label: place(label.len()), rest, unused, ..Node::default() }
    }

    /// Entries of one key, of which those for prefixes come first.
    fn store_values(&mut self, entries: &[Entry]) -> u32 {
        if entries.is_empty() {
            return 0;
        }
        let start = place(self.values.len());
        let prefixes = entries.partition_point(|(_, anchor, _)| *anchor == Anchor::Prefix);
        self.values.extend([place(prefixes), place(entries.len())]);
        self.values.extend(entries.iter().map(|(.., value)| *value));
        start
    }

    /// Where they are, how many slots or children, the lowest byte, and whether they are a list.
    fn store_children(&mut self, children: &[(u8, u32)]) -> (u32, u16, u8, bool) {
        let (Some((lowest, _)), Some((highest, _))) = (children.first(), children.last()) else {
            return (0, 0, 0, false);
        };
        if let [(_, only)] = children {
            return (*only, 1, *lowest, false);
        }
        let width = usize::from(highest.wrapping_sub(*lowest)).saturating_add(1);
        if width > children.len().saturating_mul(SPARSEST).saturating_add(ALWAYS) {
            let start = place(self.lists.len());
            self.lists.extend_from_slice(children);
            return (start, u16::try_from(children.len()).unwrap_or(0), *lowest, true);
        }
        let start = self.slots.len();
        self.slots.resize(start.saturating_add(width), 0);
        for (byte, node) in children {
            let at = start.saturating_add(usize::from(byte.wrapping_sub(*lowest)));
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = *node;
            }
        }
        (place(start), u16::try_from(width).unwrap_or(0), *lowest, false)
    }
}

/// How many bytes after `depth` all keys of sorted entries share.
fn common(entries: &[Entry], depth: usize) -> usize {
    let (Some((first, ..)), Some((last, ..))) = (entries.first(), entries.last()) else { return 0 };
    let bytes = first.iter().zip(last).skip(depth);
    bytes.take_while(|(a, b)| a == b).count()
}

/// Arrays are far shorter than this can count: expressions have 16 KiB each, and all of them 16 MiB.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::vec;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::test_support::cases;

    type Given = (Vec<u8>, bool, u32);

    fn built(entries: &[Given], folded: bool, back: bool) -> Trie {
        let entries = entries.iter().map(|(key, exact, value)| {
            let mut key = key.clone();
            if back {
                key.reverse();
            }
            (key.into(), if *exact { Anchor::Exact } else { Anchor::Prefix }, *value)
        });
        Trie::build(entries.collect(), folded)
    }

    fn found(trie: &Trie, text: &[u8], back: bool) -> Vec<u32> {
        let mut found = Vec::new();
        if back {
            trie.walk_back(text, |value| found.push(value));
        } else {
            trie.walk(text, |value| found.push(value));
        }
        found
    }

    /// One entry after the other.
    fn slow(entries: &[Given], text: &[u8], folded: bool, back: bool) -> Vec<u32> {
        let fold = |bytes: &[u8]| if folded { bytes.to_ascii_lowercase() } else { bytes.to_vec() };
        let text = fold(text);
        let fits = |(key, exact, _): &&Given| {
            let key = fold(key);
            match (*exact, back) {
                (true, _) => text == key,
                (false, false) => text.starts_with(&key),
                (false, true) => text.ends_with(&key),
            }
        };
        entries.iter().filter(fits).map(|(.., value)| *value).collect()
    }

    fn key(longest: usize) -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![9 => prop::sample::select(b"aAb/".to_vec()), 1 => any::<u8>()];
        let long =
            prop::sample::select(vec![&b""[..], b"/static/Assets", b"0123456789abcdefghijklmn"]);
        (long, vec(byte, 0..=longest)).prop_map(|(long, key)| [long, &key].concat())
    }

    fn entries() -> impl Strategy<Value = Vec<Given>> {
        vec((key(5), any::<bool>(), 0..50_u32), 0..30)
    }

    proptest! {
        #![proptest_config(cases(2_000))]

        /// I1 and I4.
        #[test]
        fn it_finds_what_trying_all_keys_finds(
            entries in entries(),
            texts in vec(key(8), 8),
            picks in vec((any::<prop::sample::Index>(), key(2)), 8),
            folded in any::<bool>(),
            back in any::<bool>(),
        ) {
            let trie = built(&entries, folded, back);
            let mut texts = texts;
            if !entries.is_empty() {
                for (pick, more) in picks {
                    let key = &pick.get(&entries).0;
                    texts.push(if back { [&more, &key[..]].concat() } else { [key, &more[..]].concat() });
                    texts.push(key.to_ascii_uppercase());
                    texts.push(key[..key.len().saturating_sub(1)].to_vec());
                }
            }
            for text in texts {
                let mut all = found(&trie, &text, back);
                let mut expected = slow(&entries, &text, folded, back);
                all.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(all, expected, "{:?}", text);
            }
        }

        #[test]
        fn a_word_is_made_small_byte_by_byte(bytes in any::<[u8; 8]>()) {
            let small = bytes.map(|byte| byte.to_ascii_lowercase());
            prop_assert_eq!(lower(u64::from_le_bytes(bytes)), u64::from_le_bytes(small));
        }
    }

    /// Zero bytes are what words are padded with.
    #[test]
    fn a_text_does_not_go_on_past_its_end() {
        let entries = [(b"a\0\0".to_vec(), false, 1), (b"\0".to_vec(), false, 2)];
        for back in [false, true] {
            let trie = built(&entries, false, back);
            assert!(found(&trie, b"a", back).is_empty());
            assert!(found(&trie, b"", back).is_empty());
            assert_eq!(found(&trie, b"\0", back), [2]);
        }
        assert_eq!(found(&built(&entries, false, false), b"a\0\0", false), [1]);
    }

    /// I1: shorter keys come first.
    #[test]
    fn values_come_by_the_length_of_their_keys() {
        let entries =
            [(b"ab".to_vec(), false, 1), (b"a".to_vec(), false, 2), (b"".to_vec(), false, 3)];
        assert_eq!(found(&built(&entries, false, false), b"abc", false), [3, 2, 1]);
    }

    /// I2 and I3: every key is the beginning of all longer ones.
    #[test]
    fn nested_keys_stay_linear() {
        let memory = |keys: usize| {
            let entries: Vec<Given> =
                (0..keys).map(|at| (b"a".repeat(at), false, at as u32)).collect();
            let trie = built(&entries, false, false);
            assert_eq!(found(&trie, &b"a".repeat(keys / 2), false).len(), keys / 2 + 1);
            trie.memory_bytes()
        };
        let (half, whole) = (memory(1_000), memory(2_000));
        assert!(whole < 2 * half + 100, "{half} {whole}");
        assert!(whole < 2_000 * 60, "{whole}");
    }

    /// I3: the widest table with the fewest children.
    #[test]
    fn children_that_lie_apart_make_no_table() {
        let entries: Vec<Given> =
            (0..256).step_by(5).map(|byte| (vec![byte as u8], true, byte)).collect();
        let trie = built(&entries, false, false);
        assert!(trie.slots.is_empty() && trie.lists.len() == entries.len());
        for (key, _, value) in &entries {
            assert_eq!(found(&trie, key, false), [*value]);
        }
        assert!(found(&trie, &[1], false).is_empty());
    }
}
