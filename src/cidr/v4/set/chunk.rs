//! How one /16 of a set is written down: up to 65,535 places where membership flips, so that an
//! answer takes one line or two.
//!
//! A place is told by the *end* before it: the last address, inside the /16, that still is as those
//! before it. What happens between two /16s is not told, since each knows how it starts.
//!
//! | form | what is told | lines | a look-up |
//! |---|---|--:|---|
//! | constant | nothing | 0 | the start |
//! | keys | up to 16 or 32 ends, sorted | ½ or 1 | the start, flipped by each end below |
//! | bits | a bit for each block of 2^g addresses, 0 <= g <= 8, where every end ends a block | 128 / 2^g | one bit |
//! | tree | up to 33 lines of ends, and a line before them with the last end of each but the last | 3 to 34 | the keys of one line |
//!
//! Keys are taken wherever they fit, even where bits would take half as much: the fewer /16s have
//! another form, the better the branch on it is guessed, and that is most of the time of a look-up.
//! Beyond, bits and trees are for the fewest bytes, and for bits where these are the same. A /16
//! is found by its entry in the root:
//!
//! ```text
//! bits 31..8  the first line
//!          7  unused
//!       6..3  the form: 0 keys and constant, 1 + g bits, 15 tree
//!       2, 1  whether the second and whether the first half of the line is of this /16
//!          0  whether the first address is a member
//! ```
//!
//! Invariants, each with a test that cites it:
//! - **I1** what is written comes back: the start, the ends and with them each address;
//! - **I2** all lines of a tree but its last hold 32 ends, an even number, so that every line starts
//!   as the /16 does;
//! - **I3** n ends take at most 32 + 8 n bytes, and at most 8 KiB;
//! - **I4** no look-up reads more than two lines.

use super::line::{FULL, HALF, Line, UNUSED, key_of, low_of};

/// The most lines of ends in a tree.
const LEAVES: usize = FULL + 1;
/// Words of sixteen bits in half a line.
const HALF_WORDS: usize = HALF;

/// What the root says of a /16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(u32);

const MEMBER: u32 = 1;
const FIRST_HALF: u32 = 1 << 1;
const SECOND_HALF: u32 = 1 << 2;
const BOTH_HALVES: u32 = FIRST_HALF | SECOND_HALF;
const FORM: u32 = 0b1111 << 3;
const TREE: u32 = 0b1111 << 3;

/// Where a /16 is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Nowhere,
    /// In the first or in the second half of a line.
    Half(usize, bool),
    /// In lines, from this one on.
    Lines(usize),
}

/// How much room a /16 takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Room {
    Nothing,
    Half,
    Lines(usize),
}

impl Room {
    pub(super) const fn halves(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Half => 1,
            Self::Lines(lines) => lines.saturating_mul(2),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Keys,
    /// One bit for each 2^g addresses.
    Bits(u8),
    Tree,
}

impl Form {
    /// The form for these ends, and how much room it takes.
    pub(super) fn of(ends: &[u16]) -> (Self, Room) {
        match ends.len() {
            0 => (Self::Keys, Room::Nothing),
            1..=HALF => (Self::Keys, Room::Half),
            17..=FULL => (Self::Keys, Room::Lines(1)),
            _ => {
                let grain = ends.iter().fold(256, |all, end| all | u32::from(*end).wrapping_add(1));
                let grain = u8::try_from(grain.trailing_zeros()).unwrap_or(0);
                let leaves = ends.len().div_ceil(FULL);
                let tree = Room::Lines(leaves.saturating_add(1));
                if leaves > LEAVES || room_for_bits(grain) <= tree {
                    (Self::Bits(grain), room_for_bits(grain))
                } else {
                    (Self::Tree, tree)
                }
            }
        }
    }
}

fn room_for_bits(grain: u8) -> Room {
    match 128_usize.wrapping_shr(grain.into()) {
        0 => Room::Half,
        lines => Room::Lines(lines),
    }
}

impl Entry {
    /// All addresses alike.
    pub(super) const fn constant(member: bool) -> Self {
        Self(member as u32)
    }

    pub(super) fn new(member: bool, form: Form, place: Place) -> Self {
        let (line, halves) = match place {
            Place::Nowhere => return Self::constant(member),
            Place::Half(line, false) => (line, FIRST_HALF),
            Place::Half(line, true) => (line, SECOND_HALF),
            Place::Lines(line) => (line, BOTH_HALVES),
        };
        let form = match form {
            Form::Keys => 0,
            Form::Bits(grain) => u32::from(grain).wrapping_add(1).wrapping_shl(3),
            Form::Tree => TREE,
        };
        // 65,536 times 128 lines, and as many that are free, would still have a number.
        let line = u32::try_from(line).unwrap_or(u32::MAX).wrapping_shl(8);
        Self(line | form | halves | u32::from(member))
    }

    /// The same at a place among other lines, where it takes as much room.
    pub(super) fn copied(self, from: &[Line], room: Room, place: Place, to: &mut [Line]) -> Self {
        let copy = Self::new(self.first(), self.form(), place);
        match (place, room) {
            (Place::Half(line, _), _) => {
                let half = from.get(self.line()).and_then(|line| line.0.get(self.second_half()));
                let other = to.get_mut(line).and_then(|line| line.0.get_mut(copy.second_half()));
                other.into_iter().zip(half).for_each(|(other, half)| *other = *half);
            }
            (Place::Lines(line), Room::Lines(lines)) => {
                let from = from.get(self.line()..).unwrap_or_default().iter().take(lines);
                let to = to.get_mut(line..).unwrap_or_default();
                to.iter_mut().zip(from).for_each(|(other, line)| *other = *line);
            }
            _ => {}
        }
        copy
    }

    /// The number of the only half that is of this /16.
    #[inline]
    fn second_half(self) -> usize {
        usize::from(self.0 & BOTH_HALVES == SECOND_HALF)
    }

    /// Whether the first address is a member.
    #[inline]
    pub(super) const fn first(self) -> bool {
        self.0 & MEMBER != 0
    }

    pub(super) fn place(self) -> Place {
        match self.0 & BOTH_HALVES {
            0 => Place::Nowhere,
            FIRST_HALF => Place::Half(self.line(), false),
            SECOND_HALF => Place::Half(self.line(), true),
            _ => Place::Lines(self.line()),
        }
    }

    /// How much room its place has.
    pub(super) fn room(self, lines: &[Line]) -> Room {
        match (self.place(), self.form()) {
            (Place::Nowhere, _) => Room::Nothing,
            (Place::Half(..), _) => Room::Half,
            (Place::Lines(_), Form::Keys) => Room::Lines(1),
            (Place::Lines(_), Form::Bits(grain)) => room_for_bits(grain),
            (Place::Lines(line), Form::Tree) => {
                let leaves = lines.get(line).map_or(0, |line| line.below(UNUSED));
                Room::Lines(leaves.saturating_add(2))
            }
        }
    }

    #[inline]
    fn line(self) -> usize {
        usize::try_from(self.0 >> 8).unwrap_or(usize::MAX)
    }

    #[inline]
    fn form(self) -> Form {
        match self.0 & FORM {
            0 => Form::Keys,
            TREE => Form::Tree,
            grain => Form::Bits(u8::try_from(grain >> 3).unwrap_or(0).wrapping_sub(1)),
        }
    }

    /// Whether an address is a member, by its low half.
    #[inline(always)]
    pub(super) fn contains(self, lines: &[Line], low: u16) -> bool {
        if self.0 & FORM == 0 {
            let Some(line) = lines.get(self.line()) else { return self.first() };
            // Both halves are asked, and no branch on whether they are of this /16: that is as good
            // as random, and a constant /16 is only one where neither of them is.
            let [in_first, in_second] = line.odd_below(key_of(low));
            let in_first = in_first & (self.0 & FIRST_HALF != 0);
            let in_second = in_second & (self.0 & SECOND_HALF != 0);
            return self.first() ^ in_first ^ in_second;
        }
        match self.form() {
            Form::Bits(grain) => self.bit(lines, low >> grain),
            _ => self.tree_contains(lines, low),
        }
    }

    #[inline(never)]
    fn tree_contains(self, lines: &[Line], low: u16) -> bool {
        let Some(index) = lines.get(self.line()) else { return self.first() };
        self.leaf(lines, index, low).is_some_and(|leaf| {
            let [in_first, in_second] = leaf.odd_below(key_of(low));
            self.first() ^ in_first ^ in_second
        })
    }

    /// The line of a tree that has the ends around an address.
    #[inline]
    fn leaf<'a>(self, lines: &'a [Line], index: &Line, low: u16) -> Option<&'a Line> {
        lines.get(self.line().wrapping_add(1).wrapping_add(index.below(key_of(low))))
    }

    #[inline]
    fn bit(self, lines: &[Line], block: u16) -> bool {
        self.word(lines, (block / 16).into()) >> (block % 16) & 1 != 0
    }

    #[inline]
    fn word(self, lines: &[Line], at: usize) -> u16 {
        let before = self.second_half().wrapping_mul(HALF_WORDS);
        let line = lines.get(self.line().wrapping_add(at / FULL));
        line.map_or(0, |line| line.word(before.wrapping_add(at)))
    }

    /// The keys of this /16 in its line; none if all addresses are alike.
    fn keys(self, line: &Line) -> impl DoubleEndedIterator<Item = i16> {
        let from = if self.0 & FIRST_HALF == 0 { HALF } else { 0 };
        let to = if self.0 & SECOND_HALF == 0 { HALF } else { FULL };
        line.0.as_flattened().get(from..to).unwrap_or_default().iter().copied()
    }

    /// The first end at `low` or after it.
    pub(super) fn next_end(self, lines: &[Line], low: u16) -> Option<u16> {
        let key = key_of(low);
        let line = lines.get(self.line())?;
        let found = match self.form() {
            Form::Keys => self.keys(line).find(|stored| *stored >= key)?,
            Form::Tree => self.leaf(lines, line, low)?.keys().find(|stored| *stored >= key)?,
            Form::Bits(grain) => {
                let block = low >> grain;
                let flip = if self.bit(lines, block) { u16::MAX } else { 0 };
                let last = u16::MAX >> grain;
                let mut seen = u16::MAX.wrapping_shl(u32::from(block % 16));
                let other = (block / 16..=last / 16).find_map(|at| {
                    let other = (self.word(lines, at.into()) ^ flip) & seen;
                    seen = u16::MAX;
                    (other != 0).then(|| at.wrapping_mul(16).wrapping_add(low_bit(other)))
                })?;
                return Some(other.wrapping_shl(grain.into()).wrapping_sub(1));
            }
        };
        Some(low_of(found)).filter(|_| found != UNUSED)
    }

    /// The last end before `low`.
    pub(super) fn previous_end(self, lines: &[Line], low: u16) -> Option<u16> {
        let key = key_of(low);
        let line = lines.get(self.line())?;
        let found = match self.form() {
            Form::Keys => self.keys(line).rfind(|stored| *stored < key)?,
            Form::Tree => {
                let in_leaf = self.leaf(lines, line, low)?.keys().rfind(|stored| *stored < key);
                // Nothing before it in its own line: then it is the last end of the line before.
                in_leaf.or_else(|| line.keys().rfind(|stored| *stored < key))?
            }
            Form::Bits(grain) => {
                let block = low >> grain;
                let flip = if self.bit(lines, block) { u16::MAX } else { 0 };
                let mut seen = !u16::MAX.wrapping_shl(u32::from(block % 16));
                let other = (0..=block / 16).rev().find_map(|at| {
                    let other = (self.word(lines, at.into()) ^ flip) & seen;
                    seen = u16::MAX;
                    (other != 0).then(|| at.wrapping_mul(16).wrapping_add(high_bit(other)))
                })?;
                return Some(other.wrapping_add(1).wrapping_shl(grain.into()).wrapping_sub(1));
            }
        };
        Some(low_of(found))
    }

    /// Writes the ends down at its place, which has the room that [`Form::of`] them takes.
    pub(super) fn write(self, lines: &mut [Line], ends: &[u16]) {
        let Some(lines) = lines.get_mut(self.line()..) else { return };
        match (self.form(), lines) {
            (Form::Keys, [line, ..]) => {
                let from = if self.0 & FIRST_HALF == 0 { HALF } else { 0 };
                let to = if self.0 & SECOND_HALF == 0 { HALF } else { FULL };
                fill(line.0.as_flattened_mut().get_mut(from..to).unwrap_or_default(), ends);
            }
            (Form::Tree, [index, leaves @ ..]) => {
                *index = Line::EMPTY;
                let each = ends.chunks(FULL);
                let told = each.len().saturating_sub(1);
                let lasts = each.clone().take(told).filter_map(<[u16]>::last);
                for (key, last) in index.0.as_flattened_mut().iter_mut().zip(lasts) {
                    *key = key_of(*last);
                }
                for (leaf, ends) in leaves.iter_mut().zip(each) {
                    fill(leaf.0.as_flattened_mut(), ends);
                }
            }
            (Form::Bits(grain), lines) => {
                let from = if self.0 & FIRST_HALF == 0 { HALF } else { 0 };
                let words = lines.iter_mut().flat_map(|line| line.0.as_flattened_mut()).skip(from);
                let mut ends = ends.iter().map(|end| end.wrapping_add(1) >> grain).peekable();
                let mut member = self.first();
                for (at, word) in (0..=(u16::MAX >> grain) / 16).zip(words) {
                    // A bit where membership flips, then each bit the parity of those up to it.
                    let mut bits = u16::from(member);
                    while let Some(block) = ends.next_if(|block| block / 16 == at) {
                        bits ^= 1_u16.wrapping_shl(u32::from(block % 16));
                    }
                    for shift in [1, 2, 4, 8] {
                        bits ^= bits << shift;
                    }
                    member = bits >> 15 != 0;
                    *word = i16::from_ne_bytes(bits.to_ne_bytes());
                }
            }
            _ => {}
        }
    }
}

/// The keys of ends, then unused ones.
fn fill(keys: &mut [i16], ends: &[u16]) {
    let ends = ends.iter().map(|end| key_of(*end)).chain(core::iter::repeat(UNUSED));
    keys.iter_mut().zip(ends).for_each(|(key, end)| *key = end);
}

fn low_bit(word: u16) -> u16 {
    u16::try_from(word.trailing_zeros()).unwrap_or(0)
}

fn high_bit(word: u16) -> u16 {
    u16::try_from(word.checked_ilog2().unwrap_or(0)).unwrap_or(0)
}

#[cfg(test)]
pub(super) mod tests;
