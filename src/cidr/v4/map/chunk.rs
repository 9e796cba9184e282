//! One /16 of an IPv4 map: which of its runs holds an address.
//!
//! The addresses of a /16 are told by one entry of the root, and the lines that it leads to:
//!
//! ```text
//! entry   31  30                       2 1  0
//!        +----+------------------------+----+
//!        |nets|         number         |kind|
//!        +----+------------------------+----+
//!
//! kind  name   runs           lines                number
//! 0     ONE    1              none                 the slot of the run
//! 0     NETS   2 to 256       1 of borders         the line; all runs start where a /24 does,
//!                                                  and the top bit is set
//! 1     HOSTS  1 to 33        1 of ends            the line
//! 2     TREE   34 to 1,089    1 + up to 33         the line of the ends of every 33rd run; the
//!                             of ends              lines of the runs between them follow
//! 3     DENSE  1,090 and up   256 of borders       the first line; a line for each /24
//! ```
//!
//! The runs of a /16 have consecutive slots. Each line has a base besides: the slot of the run at its
//! first address. Line 0 belongs to no /16; it has no borders and the base 0.
//!
//! Invariants, each with a test that cites it:
//! - **I1** whatever the runs, one of the kinds takes them, and tells them apart as given;
//! - **I2** r runs, more than one, take at most 2 + r / 4 lines;
//! - **I3** a /16 in one run whose slot is no number of an entry is a line of ends.
//!
//! A look-up reads one base and one line, or two in a TREE.

use alloc::vec::Vec;

use super::line::Line;
use crate::cidr::{
    runs::{Mark, Run},
    tags::{cloned_with_room, make_room},
};

/// The lines of all /16s, and their bases.
#[derive(Debug)]
pub(super) struct Lines {
    lines: Vec<Line>,
    bases: Vec<u32>,
}

/// An entry of the root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry(u32);

/// A run of a /16, or the part of a run that lies in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Within {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) slot: u32,
}

/// What an entry has besides its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    One,
    Nets,
    Hosts,
    Tree,
    Dense,
}

const NETS: u32 = 1 << 31;
const HOSTS: u32 = 1;
const TREE: u32 = 2;
const DENSE: u32 = 3;

/// Runs in a line of ends: the last of them needs no end.
const RUNS: usize = Line::ENDS + 1;
const _: () = assert!(RUNS == 33);
/// Runs in a tree of such lines.
const TREE_RUNS: usize = RUNS * RUNS;

impl Entry {
    /// The most runs that one line of ends, and a tree of them, tells apart.
    #[cfg(test)]
    pub(super) const MOST: [usize; 2] = [RUNS, TREE_RUNS];

    /// The entry of a /16 in one run, if the slot fits into it.
    pub(super) fn one(slot: u32) -> Option<Self> {
        Self::new(Kind::One, slot)
    }

    /// Whether the /16 is in one run, and has no line.
    pub(super) fn is_one(self) -> bool {
        self.kind() == Kind::One
    }

    fn new(kind: Kind, number: u32) -> Option<Self> {
        let bits = match kind {
            Kind::One => 0,
            Kind::Nets => NETS,
            Kind::Hosts => HOSTS,
            Kind::Tree => TREE,
            Kind::Dense => DENSE,
        };
        let fits = number.leading_zeros() >= 3;
        fits.then_some(Self(number.wrapping_shl(2) | bits))
    }

    fn kind(self) -> Kind {
        match self.0 & 3 {
            HOSTS => Kind::Hosts,
            TREE => Kind::Tree,
            DENSE => Kind::Dense,
            _ if self.0 & NETS != 0 => Kind::Nets,
            _ => Kind::One,
        }
    }

    #[inline]
    fn number(self) -> u32 {
        (self.0 & !NETS) >> 2
    }

    /// All ones for NETS, 0 for others.
    #[inline]
    fn nets(self) -> u32 {
        // The sign is spread by a shift, of which no compiler makes a branch.
        let sign = i32::from_ne_bytes(self.0.to_ne_bytes()) >> 31;
        u32::from_ne_bytes(sign.to_ne_bytes())
    }
}

impl Lines {
    /// Line 0 alone, and room for others.
    pub(super) fn with_capacity(lines: usize) -> Self {
        let capacity = lines.saturating_add(1);
        let (lines, bases) = (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
        let mut line_0 = Self { lines, bases };
        line_0.push_line(Line::WHOLE, 0);
        line_0
    }

    /// The slot of an address of a /16.
    #[inline(always)]
    pub(super) fn slot(&self, entry: Entry, low: u16) -> u32 {
        if entry.0 & 3 != 0 {
            return self.slot_among_hosts(entry, low);
        }
        // No branch tells ONE from NETS, since strangers among members would make it a coin to
        // toss: the line of ONE is line 0, which says 0 whatever the address, and the number counts.
        let number = entry.number();
        let line = number & entry.nets();
        self.slot_in_nets(line, high(low)).wrapping_add(number.wrapping_sub(line))
    }

    #[inline(never)]
    fn slot_among_hosts(&self, entry: Entry, low: u16) -> u32 {
        let number = entry.number();
        match entry.0 & 3 {
            HOSTS => self.slot_in_hosts(number, low),
            TREE => self.slot_in_tree(number, low),
            _ => {
                let [unit, net] = low.to_le_bytes();
                self.slot_in_nets(number.wrapping_add(net.into()), unit)
            }
        }
    }

    #[inline]
    fn slot_in_hosts(&self, number: u32, low: u16) -> u32 {
        self.base(number).wrapping_add(self.line(number).place(low))
    }

    #[inline]
    fn slot_in_tree(&self, number: u32, low: u16) -> u32 {
        let child = self.line(number).place(low);
        let place = self.line(child_of(number, child)).place(low);
        let before = child.wrapping_mul(33);
        self.base(number).wrapping_add(before).wrapping_add(place)
    }

    /// The slot of a unit of a line of borders.
    #[inline]
    fn slot_in_nets(&self, at: u32, unit: u8) -> u32 {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let (Some(line), Some(base)) = (self.lines.get(at), self.bases.get(at)) else {
            return u32::MAX;
        };
        base.wrapping_add(line.rank(unit))
    }

    /// The run that holds an address, as far as it lies in the /16.
    pub(super) fn within(&self, entry: Entry, low: u16) -> Within {
        let number = entry.number();
        let slot = self.slot(entry, low);
        let (first, last) = match entry.kind() {
            Kind::One => (0, u16::MAX),
            Kind::Nets => {
                let line = self.line(number);
                let last = line.next_border(high(low)).map_or(u16::MAX, |net| before(net, 0));
                (u16::from_be_bytes([line.border(high(low)), 0]), last)
            }
            Kind::Hosts => {
                let line = self.line(number);
                let place = line.place(low);
                (line.start(place), line.end(place))
            }
            Kind::Tree => {
                let index = self.line(number);
                let child = index.place(low);
                let line = self.line(child_of(number, child));
                let place = line.place(low);
                let first = if place == 0 { index.start(child) } else { line.start(place) };
                (first, line.end(place).min(index.end(child)))
            }
            _ => (self.first_in_dense(number, low, slot), self.last_in_dense(number, low, slot)),
        };
        Within { first, last, slot }
    }

    fn first_in_dense(&self, number: u32, low: u16, slot: u32) -> u16 {
        let [unit, net] = low.to_le_bytes();
        let line = |net: u8| number.wrapping_add(net.into());
        let mut start = (net, self.line(line(net)).border(unit));
        while let (Some(net), 0) = (start.0.checked_sub(1), start.1) {
            if self.slot_in_nets(line(net), u8::MAX) != slot {
                break;
            }
            start = (net, self.line(line(net)).border(u8::MAX));
        }
        u16::from_be_bytes(start.into())
    }

    fn last_in_dense(&self, number: u32, low: u16, slot: u32) -> u16 {
        let [mut unit, from] = low.to_le_bytes();
        for net in from..=u8::MAX {
            let line = number.wrapping_add(net.into());
            if net > from && self.base(line) != slot {
                return before(net, 0);
            }
            if let Some(border) = self.line(line).next_border(unit) {
                return before(net, border);
            }
            unit = 0;
        }
        u16::MAX
    }

    /// How many lines an entry has for itself.
    pub(super) fn lines_of(&self, entry: Entry) -> usize {
        match entry.kind() {
            Kind::One => 0,
            Kind::Nets | Kind::Hosts => 1,
            Kind::Tree => {
                let children = self.line(entry.number()).place(u16::MAX);
                usize::try_from(children).map_or(2, |children| children.saturating_add(2))
            }
            _ => 256,
        }
    }

    /// Adds the lines of a /16 whose runs have the slots from `base` on. The first of them starts
    /// where it does or before, the last one ends where it does or behind.
    pub(super) fn push(&mut self, runs: &[Run<u32, Mark>], base: u32) -> Entry {
        let ends = runs.split_last().map_or(&[][..], |(_, ends)| ends);
        let kind = if !ends.is_empty() && ends.iter().all(|run| run.last & 0xff == 0xff) {
            Kind::Nets
        } else {
            match runs.len() {
                runs if runs <= RUNS => Kind::Hosts,
                runs if runs <= TREE_RUNS => Kind::Tree,
                _ => Kind::Dense,
            }
        };
        let number = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        match kind {
            Kind::Nets => {
                let nets = ends.iter().map(|run| high(low(run)).wrapping_add(1));
                self.push_line(Line::of_borders(nets), base);
            }
            Kind::Hosts => self.push_line(Line::of_ends(ends.iter().map(low)), base),
            Kind::Tree => self.push_tree(runs, base),
            _ => self.push_dense(ends, base),
        }
        Entry::new(kind, number).unwrap_or_default()
    }

    fn push_tree(&mut self, runs: &[Run<u32, Mark>], base: u32) {
        let children = runs.chunks(RUNS);
        let ends = children.clone().filter_map(|child| child.last()).map(low);
        // The last child ends with the /16, which is no end.
        let last = children.len().saturating_sub(1);
        self.push_line(Line::of_ends(ends.take(last)), base);
        for child in children {
            let ends = child.split_last().map_or(&[][..], |(_, ends)| ends);
            self.push_line(Line::of_ends(ends.iter().map(low)), base);
        }
    }

    fn push_dense(&mut self, mut ends: &[Run<u32, Mark>], mut base: u32) {
        for net in 0..=u8::MAX {
            let here = ends.partition_point(|run| high(low(run)) <= net);
            let (within, after) = ends.split_at_checked(here).unwrap_or((ends, &[]));
            // A run that ends with the /24 has its border at the next one's base.
            let borders = within.iter().filter_map(|run| low(run).to_le_bytes()[0].checked_add(1));
            self.push_line(Line::of_borders(borders), base);
            base = base.wrapping_add(u32::try_from(within.len()).unwrap_or(0));
            ends = after;
        }
    }

    /// Adds the lines of an entry of another table; its first run has the slot `base` here.
    pub(super) fn push_like(&mut self, other: &Self, entry: Entry, base: u32) -> Entry {
        let number = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        let moved = base.wrapping_sub(other.slot(entry, 0));
        for at in (entry.number()..).take(other.lines_of(entry)) {
            self.push_line(*other.line(at), other.base(at).wrapping_add(moved));
        }
        Entry::new(entry.kind(), number).unwrap_or_default()
    }

    fn push_line(&mut self, line: Line, base: u32) {
        make_room(&mut self.lines, 1);
        make_room(&mut self.bases, 1);
        self.lines.push(line);
        self.bases.push(base);
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.lines.shrink_to_fit();
        self.bases.shrink_to_fit();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let lines = self.lines.capacity().saturating_mul(size_of::<Line>());
        lines.saturating_add(self.bases.capacity().saturating_mul(size_of::<u32>()))
    }

    #[inline]
    fn line(&self, at: u32) -> &Line {
        usize::try_from(at).ok().and_then(|at| self.lines.get(at)).unwrap_or(const { &Line::WHOLE })
    }

    #[inline]
    fn base(&self, at: u32) -> u32 {
        usize::try_from(at).ok().and_then(|at| self.bases.get(at)).copied().unwrap_or(0)
    }
}

impl Clone for Lines {
    fn clone(&self) -> Self {
        Self { lines: cloned_with_room(&self.lines), bases: cloned_with_room(&self.bases) }
    }
}

#[inline]
fn child_of(index: u32, child: u32) -> u32 {
    index.wrapping_add(child).wrapping_add(1)
}

/// The end of a run within its /16.
#[inline]
fn low(run: &Run<u32, Mark>) -> u16 {
    let [low, high, ..] = run.last.to_le_bytes();
    u16::from_le_bytes([low, high])
}

#[inline]
fn high(low: u16) -> u8 {
    low.to_be_bytes()[0]
}

/// The address before a border.
fn before(net: u8, unit: u8) -> u16 {
    u16::from_be_bytes([net, unit]).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(ends: impl Iterator<Item = u16>) -> Vec<Run<u32, Mark>> {
        let ends = ends.chain([u16::MAX]).zip(1..);
        ends.map(|(end, tag)| Run {
            last: 0x0a00_0000 | u32::from(end),
            mark: Mark { tag, len: 0 },
        })
        .collect()
    }

    /// Low halves at the borders of /24s, all of the first ones, and some of the others.
    fn lows() -> impl Iterator<Item = u16> {
        let all = 0..=u16::MAX;
        all.filter(|low| *low < 1_200 || [0, 1, 255].contains(&(low % 256)) || low % 37 == 0)
    }

    /// I1, I2
    #[test]
    fn runs_take_the_lines_of_their_kind() {
        let kinds = [
            (Kind::Hosts, 2, 1),
            (Kind::Hosts, 33, 1),
            (Kind::Tree, 34, 3),
            (Kind::Tree, 66, 3),
            (Kind::Tree, 67, 4),
            (Kind::Tree, 1_089, 34),
            (Kind::Dense, 1_090, 256),
            (Kind::Dense, 65_536, 256),
        ];
        let mut lines = Lines::with_capacity(0);
        for (kind, count, taken) in kinds {
            let before = lines.len();
            let entry = lines.push(&runs((0..count - 1).map(|n| n as u16)), 7);
            assert_eq!((entry.kind(), lines.lines_of(entry)), (kind, taken), "{count} runs");
            assert_eq!(lines.len() - before, taken);
            assert!(taken <= 2 + count / 4);
            let last = (count - 1) as u16;
            for low in lows() {
                let (first, slot) = (low.min(last), 7 + u32::from(low.min(last)));
                assert_eq!(lines.slot(entry, low), slot);
                let last = if low < last { low } else { u16::MAX };
                assert_eq!(
                    lines.within(entry, low),
                    Within { first, last, slot },
                    "{low} of {count}"
                );
            }
        }
        for count in [2, 255, 256] {
            let entry = lines.push(&runs((1..count).map(|n| n as u16 * 256 - 1)), 7);
            assert_eq!((entry.kind(), lines.lines_of(entry)), (Kind::Nets, 1));
            for low in lows() {
                let run = u32::from(low >> 8).min(count - 1);
                let (first, slot) = (run as u16 * 256, 7 + run);
                assert_eq!(lines.slot(entry, low), slot);
                let last = if run < count - 1 { first + 255 } else { u16::MAX };
                assert_eq!(
                    lines.within(entry, low),
                    Within { first, last, slot },
                    "{low} of {count}"
                );
            }
        }
    }

    /// I3
    #[test]
    fn a_slot_that_does_not_fit_takes_a_line() {
        let fits = (1 << 29) - 1;
        let mut lines = Lines::with_capacity(0);
        let entry = Entry::one(fits).unwrap();
        assert!(entry.is_one());
        assert_eq!([0, u16::MAX].map(|low| lines.slot(entry, low)), [fits; 2]);
        assert_eq!(Entry::one(fits + 1), None);
        let entry = lines.push(&runs([].into_iter()), fits + 1);
        assert_eq!(entry.kind(), Kind::Hosts);
        for low in [0, 1, u16::MAX] {
            let whole = Within { first: 0, last: u16::MAX, slot: fits + 1 };
            assert_eq!(lines.within(entry, low), whole);
        }
    }
}
