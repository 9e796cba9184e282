//! Changes to a set. Only what lies around them is compiled anew, unless all at once is cheaper.

use alloc::vec::Vec;
use core::cmp::Reverse;

use ipnet::IpNet;

use super::{
    CidrSet,
    build::{Builder, unmapped},
};
use crate::cidr::{
    CidrEdit,
    addr::{Bits, Span},
    runs::{Run, Runs},
    table::Table,
};

impl CidrSet {
    /// Adds the addresses of a prefix; says whether one of them was not there yet.
    ///
    /// # Cost
    /// A part of the set is compiled anew. For many prefixes at once, [`apply`](Self::apply) or
    /// [`extend`](Extend::extend) compile each part only once.
    ///
    /// # Example: one more
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let mut blocked: CidrSet = "192.0.2.0/25".parse()?;
    /// assert!(blocked.insert("192.0.2.128/25".parse()?));
    /// assert!(!blocked.insert("192.0.2.7/32".parse()?));
    /// assert_eq!(blocked.to_string(), "192.0.2.0/24");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert(&mut self, net: IpNet) -> bool {
        self.say(net, true)
    }

    /// Takes the addresses of a prefix out; says whether one of them was there.
    ///
    /// A larger prefix around it is split: what is left of it stays. Taking `::/0` out takes no IPv4
    /// address out.
    ///
    /// # Cost
    /// As for [`insert`](Self::insert).
    ///
    /// # Example: all but one
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let mut blocked: CidrSet = "192.0.2.0/30".parse()?;
    /// assert!(blocked.remove(&"192.0.2.1/32".parse()?));
    /// assert!(!blocked.remove(&"192.0.2.1/32".parse()?));
    /// assert_eq!(blocked.to_string(), "192.0.2.0/32\n192.0.2.2/31");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove(&mut self, net: &IpNet) -> bool {
        self.say(*net, false)
    }

    /// Makes changes one after the other, as [`insert`](Self::insert) and [`remove`](Self::remove)
    /// would: of two that meet, the later one counts.
    ///
    /// If the iterator panics, the set stays as it was.
    ///
    /// # Cost
    /// `O(k log k)` for `k` changes, and the compiling of the parts of the set that they touch, each
    /// once; at most that of the whole set. What is there already costs a look-up.
    ///
    /// # Example: the later change counts
    /// ```
    /// use portcullis::cidr::{CidrEdit, CidrSet};
    ///
    /// let mut set = CidrSet::new();
    /// set.apply([
    ///     CidrEdit::Insert("10.1.0.0/16".parse()?, ()),
    ///     CidrEdit::Remove("10.0.0.0/8".parse()?),
    ///     CidrEdit::Insert("10.2.0.0/16".parse()?, ()),
    /// ]);
    /// assert_eq!(set.to_string(), "10.2.0.0/16");
    /// # Ok::<(), portcullis::ipnet::AddrParseError>(())
    /// ```
    pub fn apply<I: IntoIterator<Item = CidrEdit<()>>>(&mut self, edits: I) {
        let (v4, v6) = settled_edits(edits);
        lay_over(&mut self.v4, &v4, V4_PART);
        lay_over(&mut self.v6, &v6, V6_PART);
    }

    /// As [`apply`](Self::apply), even where it would be cheaper to compile all of the set.
    #[cfg(test)]
    pub(super) fn apply_to_parts<I: IntoIterator<Item = CidrEdit<()>>>(&mut self, edits: I) {
        let (v4, v6) = settled_edits(edits);
        change_parts(&mut self.v4, &v4, V4_PART);
        change_parts(&mut self.v6, &v6, V6_PART);
    }

    /// Takes all addresses out, and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    fn say(&mut self, net: IpNet, mark: bool) -> bool {
        match Span::from(net) {
            Span::V4(first, last) => say(&mut self.v4, Piece { first, last, mark }),
            Span::V6(first, last) => unmapped((first, last))
                .fold(false, |changed, span| say(&mut self.v6, Piece::of(span, mark)) | changed),
        }
    }
}

impl Extend<IpNet> for CidrSet {
    /// Adds the addresses of many prefixes, at the cost of [`apply`](CidrSet::apply).
    fn extend<I: IntoIterator<Item = IpNet>>(&mut self, nets: I) {
        // Aside, so that an iterator that panics leaves this set as it was.
        let added = Builder::of(nets);
        if self.is_empty() {
            *self = added.build();
            return;
        }
        let (v4, v6) = added.into_ranges();
        let v4: Vec<_> = v4.into_iter().map(|span| Piece::of(span, true)).collect();
        let v6: Vec<_> =
            v6.into_iter().flat_map(unmapped).map(|span| Piece::of(span, true)).collect();
        lay_over(&mut self.v4, &v4, V4_PART);
        lay_over(&mut self.v6, &v6, V6_PART);
    }
}

/// What of a table is compiled together.
#[derive(Clone, Copy)]
struct Part {
    /// Changes within one prefix of this length are made together, since tables keep it in one place.
    len: u8,
    /// Changing a part is about as much work as compiling this many bytes of a whole table.
    bytes: usize,
    /// A table of fewer bytes has no parts: whatever changes, all of it is compiled.
    all: usize,
}

/// A /16 takes half a microsecond, and there are many in a full table.
const V4_PART: Part = Part { len: 16, bytes: 256, all: 256 << 10 };
/// Here the parts are larger, and so is the work on one.
const V6_PART: Part = Part { len: 32, bytes: 65_536, all: 128 << 10 };

impl Part {
    /// Whether changing so many parts of a table of `bytes` is less work than compiling all of it.
    const fn is_worth_it(self, parts: usize, bytes: usize) -> bool {
        bytes >= self.all && parts.saturating_mul(self.bytes) <= bytes
    }
}

/// Addresses that are in the set from now on, or out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece<B> {
    first: B,
    last: B,
    mark: bool,
}

impl<B> Piece<B> {
    const fn of((first, last): (B, B), mark: bool) -> Self
    where
        B: Copy,
    {
        Self { first, last, mark }
    }
}

/// What changes say in the end, in each family.
fn settled_edits(
    edits: impl IntoIterator<Item = CidrEdit<()>>,
) -> (Vec<Piece<u32>>, Vec<Piece<u128>>) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for edit in edits {
        let (net, mark) = match edit {
            CidrEdit::Insert(net, ()) => (net, true),
            CidrEdit::Remove(net) => (net, false),
        };
        match Span::from(net) {
            Span::V4(first, last) => v4.push(Piece { first, last, mark }),
            Span::V6(first, last) => {
                v6.extend(unmapped((first, last)).map(|span| Piece::of(span, mark)));
            }
        }
    }
    (settled(v4), settled(v6))
}

/// Whether all addresses from one to another have this mark.
pub(super) fn is_all<B: Bits>(table: &impl Table<B, bool>, first: B, last: B, mark: bool) -> bool {
    table.mark(first) == mark && table.run_end(first, last) == last
}

fn say<B: Bits>(table: &mut impl Table<B, bool>, Piece { first, last, mark }: Piece<B>) -> bool {
    let changes = !is_all(table, first, last, mark);
    if changes {
        table.replace(first, &[Run { last, mark }]);
    }
    changes
}

/// What is left to say after changes, in the order in which they were made: sorted, apart, and each
/// as long as it can be. Two changes that meet must hold one another, as prefixes do.
fn settled<B: Bits>(changes: Vec<Piece<B>>) -> Vec<Piece<B>> {
    let mut changes: Vec<(usize, Piece<B>)> = changes.into_iter().enumerate().collect();
    changes.sort_unstable_by_key(|&(_, piece)| (piece.first, Reverse(piece.last)));
    let mut settled = Settled { pieces: Vec::new(), next: None };
    // The changes around the one at hand: where each ends, and which is the latest up to it.
    let mut around: Vec<(B, (usize, bool))> = Vec::new();
    for (turn, piece) in changes {
        while let Some(&(end, (_, mark))) = around.last().filter(|(end, _)| *end < piece.first) {
            settled.say_up_to(end, mark);
            around.pop();
        }
        let outer = around.last().map(|&(_, latest)| latest);
        match (outer, piece.first.previous()) {
            (Some((_, mark)), Some(before)) => settled.say_up_to(before, mark),
            (Some(_), None) => {}
            (None, _) => settled.next = Some(piece.first),
        }
        let own = (turn, piece.mark);
        around.push((piece.last, outer.map_or(own, |outer| outer.max(own))));
    }
    while let Some((end, (_, mark))) = around.pop() {
        settled.say_up_to(end, mark);
    }
    settled.pieces
}

struct Settled<B> {
    pieces: Vec<Piece<B>>,
    /// Where the next piece starts.
    next: Option<B>,
}

impl<B: Bits> Settled<B> {
    fn say_up_to(&mut self, last: B, mark: bool) {
        let Some(first) = self.next.filter(|first| *first <= last) else { return };
        match self.pieces.last_mut() {
            Some(before) if before.mark == mark && before.last.next() == Some(first) => {
                before.last = last;
            }
            _ => self.pieces.push(Piece { first, last, mark }),
        }
        self.next = last.next();
    }
}

/// Makes changes, given as [`settled`] leaves them, in the cheaper way.
fn lay_over<B: Bits, T: Table<B, bool>>(table: &mut T, pieces: &[Piece<B>], part: Part) {
    if is_said(table, pieces) {
        return;
    }
    if part.is_worth_it(parts(pieces, part).count(), table.heap_bytes()) {
        return change_parts(table, pieces, part);
    }
    let runs = overlaid(table.runs_from(B::MIN), B::MIN, pieces, B::MAX);
    *table = T::build(runs.as_slice());
}

fn change_parts<B: Bits, T: Table<B, bool>>(table: &mut T, pieces: &[Piece<B>], part: Part) {
    for pieces in parts(pieces, part) {
        let (Some(from), Some(to)) = (pieces.first(), pieces.last()) else { continue };
        if !is_said(table, pieces) {
            let runs = overlaid(table.runs_from(from.first), from.first, pieces, to.last);
            let ends = runs.as_slice().first().zip(runs.as_slice().last());
            debug_assert!(ends.is_some_and(|(a, z)| from.first <= a.last && z.last == to.last));
            table.replace(from.first, runs.as_slice());
        }
    }
}

/// The pieces, those within one part together.
fn parts<B: Bits>(pieces: &[Piece<B>], part: Part) -> impl Iterator<Item = &[Piece<B>]> {
    pieces.chunk_by(move |a, b| a.last.first_of(part.len) == b.first.first_of(part.len))
}

/// Whether nothing changes.
fn is_said<B: Bits>(table: &impl Table<B, bool>, pieces: &[Piece<B>]) -> bool {
    pieces.iter().all(|piece| is_all(table, piece.first, piece.last, piece.mark))
}

/// The runs that cover `first..=last` after changes within it. The `old` ones cover it, too, and may go on
/// beyond it.
fn overlaid<B: Bits>(
    old: impl Iterator<Item = Run<B, bool>>,
    first: B,
    pieces: &[Piece<B>],
    last: B,
) -> Runs<B, bool> {
    let mut runs = Runs::new();
    let mut pieces = pieces.iter().peekable();
    for run in old {
        // A run that ends within a piece is dropped when it is pushed after it.
        while let Some(piece) = pieces.next_if(|piece| piece.first <= run.last) {
            if let Some(before) = piece.first.previous().filter(|_| piece.first > first) {
                runs.push(before, run.mark);
            }
            runs.push(piece.last, piece.mark);
        }
        runs.push(run.last.min(last), run.mark);
        if run.last >= last {
            break;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn parts_are_changed_where_that_is_less_work() {
        let part = Part { len: 16, bytes: 100, all: 1_000 };
        for (parts, bytes, is_worth_it) in [
            (1, 999, false),
            (1, 1_000, true),
            (10, 1_000, true),
            (11, 1_000, false),
            (11, 1_100, true),
            (usize::MAX, usize::MAX - 1, false),
        ] {
            assert_eq!(part.is_worth_it(parts, bytes), is_worth_it, "{parts} of {bytes} bytes");
        }
    }

    /// So that what is there already costs a look-up.
    #[test]
    fn what_is_said_already_is_known() {
        let set: CidrSet = "10.0.0.0/8".parse().unwrap();
        let piece = |first, last, mark| Piece::of((first, last), mark);
        let (within, without) = (piece(0x0a01_0000, 0x0aff_ffff, true), piece(0, 7, false));
        assert!(is_said(&set.v4, &[within, without]) && is_said(&set.v4, &[]));
        for changing in
            [piece(0x0a00_0000, 0x0b00_0000, true), piece(0x0a00_0000, 0x0a00_0000, false)]
        {
            assert!(!is_said(&set.v4, &[within, changing]), "{changing:?}");
        }
    }

    #[test]
    fn what_changes_say_in_the_end_is_told_short() {
        let net = |first: u32, len, mark| Piece::of((first, first.last_of(len)), mark);
        let [low, high] = [0x0a00_0000, 0x0a80_0000];
        // What touches and agrees is one, and is apart otherwise.
        let halves = vec![net(high, 9, true), net(low, 9, true)];
        assert_eq!(settled(halves), [net(low, 8, true)]);
        let halves = vec![net(low, 9, true), net(high, 9, false)];
        assert_eq!(settled(halves.clone()), halves);
        let apart = vec![net(low, 10, true), net(high, 9, true)];
        assert_eq!(settled(apart.clone()), apart);
        // The later one counts, whichever is around the other.
        let (outer, inner) = (net(low, 8, true), net(0x0a40_0000, 10, false));
        let expected = [net(low, 10, true), inner, net(high, 9, true)];
        assert_eq!(settled(vec![outer, inner]), expected);
        assert_eq!(settled(vec![inner, outer]), [outer]);
        let all = net(0, 0, false);
        assert_eq!(settled(vec![net(u32::MAX, 32, true), all, net(u32::MAX, 32, false)]), [all]);
    }
}
