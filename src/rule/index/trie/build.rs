//! From sorted keys to the arrays of a trie, level by level: the nodes of a level stand side by side.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use super::{ALWAYS, Anchor, Node, SPARSEST, Trie, word::gathered};

#[derive(Default)]
pub(super) struct Builder {
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
    pub(super) fn build(mut self, entries: &[Entry], folded: bool) -> Trie {
        self.values.push(0);
        let depth = common(entries, 0);
        let label = entries.first().and_then(|(key, ..)| key.get(..depth)).unwrap_or_default();
        let root = self.labelled(label);
        self.nodes.push(root);
        let mut tasks = VecDeque::new();
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
