//! The fewest prefixes that give the same answers, and maps with the same answers.
//!
//! # How
//! The answers, without holes and nesting, are leaves of a tree: each address, or block of them, has a
//! value, none, or one that nobody asks for (IPv4-mapped addresses are IPv4, so what IPv6 says of them
//! does not matter). A prefix is worth what it gives to all that is not told otherwise within it.
//!
//! From the leaves up, each node learns which values are best to come with from above: those that both
//! halves would like, or, if there are none, those that either would. From the root down, a node that
//! does not get one of its values from above is given one: that is a prefix. This is the optimal routing
//! table construction of Draves, King, Venkatachary and Zill (1999), with two changes:
//! - "no value" cannot be given to a block by a prefix. So no prefix may cover a hole, and what lies
//!   between holes is cut into the largest blocks, each a tree of its own;
//! - an address that nobody asks for is content with everything.
//!
//! - **I1** every address has the value that it had;
//! - **I2** no list with fewer prefixes does that;
//! - **I3** the result follows from the answers alone: where several values are as good, the one whose
//!   first address is lowest is taken. So maps with the same answers become equal, and a second time
//!   changes nothing.
//!
//! # Bounds
//! Of `n` prefixes the trees have at most 2n + 1 leaves, and as many inner nodes as leaves times bits, but
//! usually a few for each leaf: a node that wants the same as its only branching half is that half. What
//! nodes want is as much at most, and usually a value or two. Time is proportional to n times the bits
//! of an address. Nothing of it is kept.

use alloc::vec::Vec;

use super::{
    super::{
        addr::{Bits, MAPPED_FIRST, MAPPED_LAST, prefixes},
        runs::{Mark, Run},
        table::Table,
    },
    CidrMap,
    family::Family,
    keys::Key,
    list::Prefixes,
    values::Values,
};

impl<V> CidrMap<V> {
    /// Makes this the map with the fewest prefixes that gives the same answer to every
    /// [`lookup`](Self::lookup).
    ///
    /// What other prefixes say again goes, halves with one value become one, and where that is shorter
    /// a prefix gets the value of most of its parts and only the others are told apart. An address
    /// without a value stays without one. The result depends on the answers alone: maps with the same
    /// answers become equal.
    ///
    /// # Cost
    /// A few times that of building a map from the prefixes.
    ///
    /// # Example: fewer prefixes, same answers
    /// ```
    /// use portcullis::CidrMap;
    ///
    /// let mut map = CidrMap::from_iter([
    ///     ("10.0.0.0/10".parse()?, 'a'),
    ///     ("10.64.0.0/10".parse()?, 'b'),
    ///     ("10.128.0.0/9".parse()?, 'a'),
    ///     ("10.1.0.0/16".parse()?, 'a'),
    /// ]);
    /// map.aggregate();
    /// assert_eq!(map.to_string(), "10.0.0.0/8\ta\n10.64.0.0/10\tb");
    /// # Ok::<(), portcullis::ipnet::AddrParseError>(())
    /// ```
    pub fn aggregate(&mut self) {
        let v4 = fewest(&self.v4.table, self.values.highest(), None);
        let v6 = fewest(&self.v6.table, self.values.highest(), Some((MAPPED_FIRST, MAPPED_LAST)));
        // Uses are first added, then released: a value must not be lost in between.
        v4.iter().for_each(|(_, mark)| self.values.retain(mark.tag));
        v6.iter().for_each(|(_, mark)| self.values.retain(mark.tag));
        replace(&mut self.values, &mut self.v4, &v4);
        replace(&mut self.values, &mut self.v6, &v6);
    }

    /// Whether both maps give every address the same value, whatever the prefixes are.
    ///
    /// # Example: told in two ways
    /// ```
    /// use portcullis::CidrMap;
    ///
    /// let one = CidrMap::from_iter([("10.0.0.0/8".parse()?, 1)]);
    /// let two = CidrMap::from_iter([("10.0.0.0/9".parse()?, 1), ("10.128.0.0/9".parse()?, 1)]);
    /// assert!(one != two && one.same_answers(&two));
    /// # Ok::<(), portcullis::ipnet::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn same_answers(&self, other: &Self) -> bool
    where
        V: PartialEq,
    {
        let same = |mine: u32, theirs: u32| self.values.get(mine) == other.values.get(theirs);
        agree(&self.v4.table, &other.v4.table, None, same)
            && agree(&self.v6.table, &other.v6.table, Some((MAPPED_FIRST, MAPPED_LAST)), same)
    }
}

fn replace<V, B: Key, L: Prefixes<B>, T: Table<B, Mark>>(
    values: &mut Values<V>,
    family: &mut Family<B, L, T>,
    sorted: &[(B, Mark)],
) {
    // Another prefix has it, or nothing that is left does. Dropped when all is in order: that runs the caller's code,
    // which may panic.
    let mut gone = Vec::new();
    for (_, mark) in family.list.entries_from(B::MIN, 0) {
        gone.extend(values.release(mark.tag));
    }
    *family = Family::of(sorted);
}

/// Whether two tables agree on all addresses outside of `unasked`.
fn agree<B: Bits>(
    one: &impl Table<B, Mark>,
    other: &impl Table<B, Mark>,
    unasked: Option<(B, B)>,
    same: impl Fn(u32, u32) -> bool,
) -> bool {
    let (mut ones, mut others) = (one.runs_from(B::MIN), other.runs_from(B::MIN));
    let (mut mine, mut theirs) = (ones.next(), others.next());
    let mut from = Some(B::MIN);
    while let (Some(first), Some(a), Some(b)) = (from, mine, theirs) {
        let last = a.last.min(b.last);
        let asked = unasked.is_none_or(|(low, high)| first < low || last > high);
        if asked && !same(a.mark.tag, b.mark.tag) {
            return false;
        }
        mine = if a.last == last { ones.next() } else { mine };
        theirs = if b.last == last { others.next() } else { theirs };
        from = last.next();
    }
    true
}

/// What is said of a block: the rank of a value, counted from 1 in the order of the addresses.
type Said = u32;
/// Nothing, and that must stay so.
const HOLE: Said = 0;
/// Whatever it is, nobody asks.
const UNASKED: Said = Said::MAX;

/// The fewest prefixes that give the answers of a table, in order.
fn fewest<B: Key>(
    table: &impl Table<B, Mark>,
    highest_tag: usize,
    unasked: Option<(B, B)>,
) -> Vec<(B, Mark)> {
    let mut ranks = Ranks { by_tag: Vec::new(), tags: Vec::new() };
    ranks.by_tag.resize(highest_tag.saturating_add(1), HOLE);
    let said = said(table.runs_from(B::MIN), unasked, &mut ranks);

    let mut tree = Tree { nodes: Vec::new(), wanted: Vec::new(), chosen: Vec::new() };
    let mut runs = said.as_slice();
    let mut from = Some(B::MIN);
    while let (Some(first), Some(run)) = (from, runs.first()) {
        // Up to the next hole.
        let holes_at = runs.iter().position(|run| run.mark == HOLE).unwrap_or(runs.len());
        let (stretch, rest) = runs.split_at_checked(holes_at.max(1)).unwrap_or((runs, &[]));
        let last = stretch.last().map_or(run.last, |run| run.last);
        if run.mark != HOLE {
            for (block, len) in prefixes(first, last) {
                tree.solve(block, len, within(stretch, block, block.last_of(len)));
            }
        }
        runs = rest;
        from = last.next();
    }
    let tagged = |(first, len, rank): (B, u8, Said)| (first, Mark { tag: ranks.tag(rank), len });
    tree.chosen.into_iter().map(tagged).collect()
}

struct Ranks {
    by_tag: Vec<Said>,
    tags: Vec<u32>,
}

impl Ranks {
    fn of(&mut self, tag: u32) -> Said {
        let place = usize::try_from(tag).unwrap_or(usize::MAX);
        match self.by_tag.get_mut(place) {
            Some(rank) if tag > 0 => {
                if *rank == HOLE {
                    self.tags.push(tag);
                    *rank = Said::try_from(self.tags.len()).unwrap_or(UNASKED);
                }
                *rank
            }
            _ => HOLE,
        }
    }

    fn tag(&self, rank: Said) -> u32 {
        let place = usize::try_from(rank.wrapping_sub(1)).unwrap_or(usize::MAX);
        self.tags.get(place).copied().unwrap_or(0)
    }
}

/// Runs by value, told short: the lengths of the prefixes that are there do not matter.
fn said<B: Bits>(
    runs: impl Iterator<Item = Run<B, Mark>>,
    unasked: Option<(B, B)>,
    ranks: &mut Ranks,
) -> Vec<Run<B, Said>> {
    let mut told: Vec<Run<B, Said>> = Vec::new();
    let mut push = |last: B, mark: Said| match told.last_mut() {
        Some(before) if before.last >= last => {}
        Some(before) if before.mark == mark => before.last = last,
        _ => told.push(Run { last, mark }),
    };
    for run in runs {
        let mark = ranks.of(run.mark.tag);
        if let Some((low, high)) = unasked {
            low.previous().into_iter().for_each(|below| push(below.min(run.last), mark));
            if run.last >= low {
                push(high, UNASKED);
            }
        }
        push(run.last, mark);
    }
    told
}

/// The runs that say something of `first..=last`, of some that do.
fn within<B: Bits>(runs: &[Run<B, Said>], first: B, last: B) -> &[Run<B, Said>] {
    let from = runs.partition_point(|run| run.last < first);
    let runs = runs.get(from..).unwrap_or_default();
    let to = runs.partition_point(|run| run.last < last);
    runs.get(..=to).unwrap_or(runs)
}

/// A block without a hole.
struct Tree<B> {
    nodes: Vec<Node<B>>,
    /// The values that nodes want, in order, one node's after another's.
    wanted: Vec<Said>,
    chosen: Vec<(B, u8, Said)>,
}

/// A block of which something different is said in its halves.
#[derive(Clone, Copy)]
struct Node<B> {
    first: B,
    len: u8,
    wants: Wants,
    /// Whether one half does not care: a prefix that is needed is put to the other half then, so that
    /// none reaches over addresses that nobody asks for without need.
    passes: bool,
    lower: Branch,
    upper: Branch,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Branch {
    Leaf(Said),
    Node(usize),
}

/// A part of `wanted`.
#[derive(Clone, Copy)]
struct Wants {
    from: usize,
    to: usize,
}

impl<B: Key> Tree<B> {
    /// Chooses the prefixes for a block of which `runs` say something everywhere.
    fn solve(&mut self, first: B, len: u8, runs: &[Run<B, Said>]) {
        let root = self.grow(first, len, runs);
        self.choose(root, first, len, HOLE);
        self.nodes.clear();
        self.wanted.clear();
    }

    /// The tree of a block. Calls itself once for each bit at most.
    fn grow(&mut self, first: B, len: u8, runs: &[Run<B, Said>]) -> Branch {
        let half = len.saturating_add(1);
        match (runs, first.last_of(half).next()) {
            ([], _) => Branch::Leaf(UNASKED),
            // A single address has a single run.
            ([_, _, ..], above) if len < B::WIDTH => {
                let above = above.unwrap_or(B::MAX);
                let lower = self.grow(first, half, within(runs, first, first.last_of(half)));
                let upper = self.grow(above, half, within(runs, above, first.last_of(len)));
                self.join(first, len, lower, upper)
            }
            ([run, ..], _) => Branch::Leaf(run.mark),
        }
    }

    fn join(&mut self, first: B, len: u8, lower: Branch, upper: Branch) -> Branch {
        let before = self.wanted.len();
        let (one, other) = (self.wants(lower), self.wants(upper));
        let (wants, passes) = match (one, other) {
            (Some(one), Some(other)) => (self.both_or_either(one, other), false),
            (Some(wants), None) | (None, Some(wants)) => (wants, true),
            (None, None) => return lower,
        };
        // A leaf, and a node that wants nothing but the leaf's value: this wants the same, and where
        // the node is given it here, the leaf has it, too. So the node can stand for both.
        let inner = match (lower, upper) {
            (Branch::Leaf(_), Branch::Node(node)) | (Branch::Node(node), Branch::Leaf(_)) => {
                Some(node)
            }
            _ => None,
        };
        if let Some(node) = inner.filter(|_| !passes && wants.is_one()) {
            if self.nodes.get(node).is_some_and(|node| node.wants.is_one() && !node.passes) {
                // Else every level above a lone host would leave a trace.
                self.wanted.truncate(before);
                return Branch::Node(node);
            }
        }
        self.nodes.push(Node { first, len, wants, passes, lower, upper });
        Branch::Node(self.nodes.len().saturating_sub(1))
    }

    /// What a branch wants from above; none if it does not care.
    fn wants(&mut self, branch: Branch) -> Option<Wants> {
        match branch {
            Branch::Leaf(UNASKED) => None,
            Branch::Leaf(value) => {
                let from = self.wanted.len();
                self.wanted.push(value);
                Some(Wants { from, to: self.wanted.len() })
            }
            Branch::Node(node) => self.nodes.get(node).map(|node| node.wants),
        }
    }

    /// The values that are in both, or, if there are none, those that are in either.
    fn both_or_either(&mut self, one: Wants, other: Wants) -> Wants {
        let from = self.wanted.len();
        for either in [false, true] {
            let (mut a, mut b) = (one.from, other.from);
            while a < one.to || b < other.to {
                let left = self.wanted.get(a).copied().filter(|_| a < one.to);
                let right = self.wanted.get(b).copied().filter(|_| b < other.to);
                let next = left.unwrap_or(Said::MAX).min(right.unwrap_or(Said::MAX));
                if either || left == right {
                    self.wanted.push(next);
                }
                a = a.saturating_add(usize::from(left == Some(next)));
                b = b.saturating_add(usize::from(right == Some(next)));
            }
            if self.wanted.len() > from {
                break;
            }
        }
        Wants { from, to: self.wanted.len() }
    }

    /// Chooses the prefixes of a branch that is `given` a value from above; the one for all of it, if
    /// there must be one, is that of `len` bits at `first`. Calls itself once for each bit at most.
    fn choose(&mut self, branch: Branch, first: B, len: u8, given: Said) {
        let node = match branch {
            Branch::Leaf(value) => {
                if value != given && value != UNASKED {
                    self.chosen.push((first, len, value));
                }
                return;
            }
            Branch::Node(node) => match self.nodes.get(node) {
                Some(node) => *node,
                None => return,
            },
        };
        let wanted = self.wanted.get(node.wants.from..node.wants.to).unwrap_or_default();
        let given = match wanted.first() {
            Some(&best) if !node.passes && wanted.binary_search(&given).is_err() => {
                self.chosen.push((first, len, best));
                best
            }
            _ => given,
        };
        let half = node.len.saturating_add(1);
        self.choose(node.lower, node.first, half, given);
        if let Some(above) = node.first.last_of(half).next() {
            self.choose(node.upper, above, half, given);
        }
    }
}

impl Wants {
    fn is_one(self) -> bool {
        self.from.saturating_add(1) == self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound of nodes and of what they want: a level above a lone host leaves no trace.
    #[test]
    fn a_lone_host_takes_two_nodes_however_many_levels_are_above_it() {
        let run = |last, mark| Run { last, mark };
        for host in [1, 0x0a01_0203, 0xffff_fffe_u32] {
            let runs = [run(host - 1, 1), run(host, 2), run(u32::MAX, 1)];
            let mut tree = Tree { nodes: Vec::new(), wanted: Vec::new(), chosen: Vec::new() };
            tree.grow(0, 0, &runs);
            assert_eq!((tree.nodes.len(), tree.wanted.len()), (2, 6), "{host:#x}");
        }
    }

    /// The bound of leaves: what has one value is one run, whatever the lengths of its prefixes.
    #[test]
    fn neighbours_with_one_value_are_one_run() {
        let run = |last, tag, len| Run { last, mark: Mark { tag, len } };
        let runs = [run(9_u32, 7, 32), run(20, 7, 24), run(30, 5, 24), run(u32::MAX, 0, 0)];
        let mut ranks = Ranks { by_tag: [HOLE; 8].into(), tags: Vec::new() };
        let told: Vec<_> = said(runs.into_iter(), None, &mut ranks)
            .iter()
            .map(|run| (run.last, run.mark))
            .collect();
        assert_eq!(told, [(20, 1), (30, 2), (u32::MAX, HOLE)]);
    }
}
