//! The prefixes of a map, sorted: the source of truth, from which tables are compiled.
//!
//! Prefixes are sorted by their first address, then by length, so that one that covers another comes
//! before it. They lie in pieces of at most [`MOST`], each with its keys, lengths and tags apart:
//! - an edit moves a part of one piece, a few kilobytes at most;
//! - an IPv4 prefix takes seven bytes as long as its piece has no tag above 65,535, else nine. IPv6
//!   prefixes of at most 64 bits are kept by the upper half of their address, in 11 or 13 bytes, and
//!   the longer ones apart, in 19 or 21;
//! - a copy of a list shares the pieces until one of the two changes them.
//!
//! Invariants:
//! - **I1** prefixes are in order, no two are equal, and none has host bits;
//! - **I2** no piece is empty or longer than [`MOST`], and `firsts` has the first prefix of each.
//!
//! All that cover an address are found without walking over those beside them: whatever comes right
//! before the address either covers it, or shares its first bits only up to where the next shorter
//! candidate ends. So each step is one search, and leaves fewer bits.

use alloc::{sync::Arc, vec::Vec};
use core::iter::Peekable;

use super::super::{addr::Bits, runs::Mark};

/// The most prefixes in a piece; few in tests, so that small lists have many pieces.
const MOST: usize = if cfg!(test) { 16 } else { 1_024 };
/// How many a piece has that was built: less, so that the first edits do not split it.
const USUAL: usize = MOST / 4 * 3;
/// Neighbours that have no more than this together become one.
const FEW: usize = MOST / 2;

/// A sorted list of prefixes with their tags, none of which is 0.
pub(super) trait Prefixes<B: Bits>: Clone {
    /// The list without a prefix.
    const EMPTY: Self;

    type Entries<'a>: Iterator<Item = (B, Mark)> + Clone
    where
        Self: 'a;

    /// The list of prefixes that are in order.
    fn build(sorted: impl Iterator<Item = (B, Mark)>) -> Self;

    fn len(&self) -> usize;

    /// The tag of a prefix, 0 if it is not in the list.
    fn tag(&self, first: B, len: u8) -> u32;

    /// Gives a prefix its tag, and says which it had.
    fn insert(&mut self, first: B, mark: Mark) -> u32;

    /// Takes a prefix away, and says which tag it had.
    fn remove(&mut self, first: B, len: u8) -> u32;

    /// The longest prefix of at most `len` bits around an address.
    fn around(&self, addr: B, len: u8) -> Option<Mark>;

    /// This prefix, if it is there, and all that come after it.
    fn entries_from(&self, first: B, len: u8) -> Self::Entries<'_>;

    /// How many prefixes start within `first..=last`.
    fn count(&self, first: B, last: B) -> usize;

    fn heap_bytes(&self) -> usize;
}

/// The keys of a list: an address, or the part of it that counts.
pub(super) trait Key: Bits {
    /// A prefix in the order of a list.
    type Place: Copy + Ord;

    fn place(self, len: u8) -> Self::Place;

    /// How many leading bits two keys share.
    fn shared(self, other: Self) -> u8;

    /// The 16 bits that come after the first `bits`.
    fn bits_after(self, bits: u8) -> u16;
}

macro_rules! key {
    ($($number:ty, $place:ty: $to_place:expr;)*) => {$(
        impl Key for $number {
            type Place = $place;

            #[inline]
            fn place(self, len: u8) -> $place {
                $to_place(self, len)
            }

            #[inline]
            fn shared(self, other: Self) -> u8 {
                u8::try_from((self ^ other).leading_zeros()).unwrap_or(Self::WIDTH)
            }

            #[inline]
            fn bits_after(self, bits: u8) -> u16 {
                let rest = self.checked_shl(bits.into()).unwrap_or(0);
                u16::try_from(rest >> (Self::BITS - 16)).unwrap_or(u16::MAX)
            }
        }
    )*};
}

key! {
    u32, u64: |key: u32, len: u8| u64::from(key) << 8 | u64::from(len);
    u64, (u64, u8): |key, len| (key, len);
    u128, (u128, u8): |key, len| (key, len);
}

/// The list of one kind of keys.
#[derive(Clone)]
pub(super) struct Listed<B> {
    firsts: Vec<(B, u8)>,
    pieces: Vec<Arc<Piece<B>>>,
    len: usize,
}

#[derive(Clone)]
struct Piece<B> {
    keys: Vec<B>,
    lens: Vec<u8>,
    tags: Tags,
}

#[derive(Clone)]
enum Tags {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

/// Where a prefix is, or would be.
#[derive(Clone, Copy)]
struct Position {
    piece: usize,
    at: usize,
}

impl<B: Key> Listed<B> {
    /// Where the first prefix is that does not come before this one; the end of a piece if it would
    /// have to be put there.
    fn seek(&self, first: B, len: u8) -> Position {
        let after = self.firsts.partition_point(|known| *known <= (first, len));
        let piece = after.saturating_sub(1);
        Position { piece, at: self.pieces.get(piece).map_or(0, |piece| piece.seek(first, len)) }
    }

    fn at(&self, position: Position) -> Option<(B, Mark)> {
        self.pieces.get(position.piece)?.get(position.at)
    }

    fn before(&self, position: Position) -> Option<(B, Mark)> {
        match position.at.checked_sub(1) {
            Some(at) => self.at(Position { at, ..position }),
            None => self.pieces.get(position.piece.checked_sub(1)?)?.last(),
        }
    }

    /// Like [`around`](Prefixes::around), for a list of which it is known that none is shorter than `least`.
    fn around_from(&self, least: u8, addr: B, len: u8) -> Option<Mark> {
        let mut len = len;
        while len >= least {
            let addr = addr.first_of(len);
            let position = self.seek(addr, len);
            if let Some((_, mark)) =
                self.at(position).filter(|(key, mark)| (*key, mark.len) == (addr, len))
            {
                return Some(mark);
            }
            let (key, mark) = self.before(position)?;
            if key.last_of(mark.len) >= addr {
                return Some(mark);
            }
            // It does not cover the address, so they differ before its end, and a shorter one that
            // covers the address covers this one, too.
            len = key.shared(addr).min(len.checked_sub(1)?);
        }
        None
    }

    /// Makes I2 true again around a piece that became longer.
    fn split(&mut self, index: usize) {
        let Some(piece) = self.pieces.get_mut(index).filter(|piece| piece.keys.len() > MOST) else {
            return;
        };
        let upper = Arc::make_mut(piece).split_off();
        let Some((first, mark)) = upper.get(0) else { return };
        let next = index.saturating_add(1);
        self.firsts.insert(next, (first, mark.len));
        self.pieces.insert(next, Arc::new(upper));
    }

    /// Makes I2 true again around a piece that became shorter, and keeps pieces from staying small.
    fn join(&mut self, index: usize) {
        let len = |index: usize| self.pieces.get(index).map_or(MOST, |piece| piece.keys.len());
        if len(index) == 0 {
            self.pieces.remove(index);
            self.firsts.remove(index);
            return;
        }
        let next = index.saturating_add(1);
        let lower = match index.checked_sub(1) {
            _ if len(index).saturating_add(len(next)) <= FEW => index,
            Some(before) if len(before).saturating_add(len(index)) <= FEW => before,
            _ => return,
        };
        let upper = self.pieces.remove(lower.saturating_add(1));
        self.firsts.remove(lower.saturating_add(1));
        if let Some(piece) = self.pieces.get_mut(lower) {
            Arc::make_mut(piece).append(&upper);
        }
    }

    fn note_first(&mut self, index: usize) {
        let first = self.pieces.get(index).and_then(|piece| piece.get(0));
        if let (Some(known), Some((first, mark))) = (self.firsts.get_mut(index), first) {
            *known = (first, mark.len);
        }
    }
}

impl<B: Key> Prefixes<B> for Listed<B> {
    const EMPTY: Self = Self { firsts: Vec::new(), pieces: Vec::new(), len: 0 };

    type Entries<'a> = Entries<'a, B>;

    fn build(sorted: impl Iterator<Item = (B, Mark)>) -> Self {
        let mut list = Self::EMPTY;
        let mut sorted = sorted;
        let mut piece = Piece::with_room(USUAL);
        loop {
            let next = sorted.next();
            if let (Some((first, mark)), true) = (next, piece.keys.len() < USUAL) {
                piece.push(first, mark);
                continue;
            }
            let Some((first, mark)) = piece.get(0) else { break };
            list.len = list.len.saturating_add(piece.keys.len());
            list.firsts.push((first, mark.len));
            let mut full = core::mem::replace(&mut piece, Piece::with_room(USUAL));
            full.shrink_to_fit();
            list.pieces.push(Arc::new(full));
            let Some((first, mark)) = next else { break };
            piece.push(first, mark);
        }
        list.firsts.shrink_to_fit();
        list.pieces.shrink_to_fit();
        list
    }

    fn len(&self) -> usize {
        self.len
    }

    fn tag(&self, first: B, len: u8) -> u32 {
        let found = self.at(self.seek(first, len));
        found.filter(|(key, mark)| (*key, mark.len) == (first, len)).map_or(0, |(_, mark)| mark.tag)
    }

    fn insert(&mut self, first: B, mark: Mark) -> u32 {
        let Position { piece: index, at } = self.seek(first, mark.len);
        if self.pieces.is_empty() {
            *self = Self::build(core::iter::once((first, mark)));
            return 0;
        }
        let Some(piece) = self.pieces.get_mut(index).map(Arc::make_mut) else { return 0 };
        match piece.get(at).filter(|(key, old)| (*key, old.len) == (first, mark.len)) {
            Some((_, old)) => {
                piece.tags.set(at, mark.tag);
                old.tag
            }
            None => {
                piece.insert(at, first, mark);
                self.len = self.len.saturating_add(1);
                self.note_first(index);
                self.split(index);
                0
            }
        }
    }

    fn remove(&mut self, first: B, len: u8) -> u32 {
        let tag = self.tag(first, len);
        if tag > 0 {
            let Position { piece: index, at } = self.seek(first, len);
            self.pieces
                .get_mut(index)
                .into_iter()
                .for_each(|piece| Arc::make_mut(piece).remove(at));
            self.len = self.len.saturating_sub(1);
            self.note_first(index);
            self.join(index);
        }
        tag
    }

    fn around(&self, addr: B, len: u8) -> Option<Mark> {
        self.around_from(0, addr, len)
    }

    fn entries_from(&self, first: B, len: u8) -> Entries<'_, B> {
        let Position { piece, at } = self.seek(first, len);
        let mut pieces = self.pieces.get(piece..).unwrap_or_default().iter();
        let piece = pieces.next().map(|piece| &**piece);
        Entries { piece, at, pieces }
    }

    fn count(&self, first: B, last: B) -> usize {
        let from = self.seek(first, 0);
        let to = last
            .next()
            .map_or(Position { piece: self.pieces.len(), at: 0 }, |after| self.seek(after, 0));
        let between = self.pieces.get(from.piece..to.piece).unwrap_or_default();
        let whole = between.iter().fold(0_usize, |sum, piece| sum.saturating_add(piece.keys.len()));
        whole.saturating_add(to.at).saturating_sub(from.at)
    }

    fn heap_bytes(&self) -> usize {
        // Next to each piece lie the two counters of its `Arc`.
        let shell = size_of::<Piece<B>>().saturating_add(size_of::<[usize; 2]>());
        let places = [
            (self.firsts.capacity(), size_of::<(B, u8)>()),
            (self.pieces.capacity(), size_of::<Arc<Piece<B>>>()),
            (self.pieces.len(), shell),
        ];
        let outside =
            places.into_iter().fold(0, |sum, (n, size)| n.saturating_mul(size).saturating_add(sum));
        self.pieces.iter().fold(outside, |sum, piece| sum.saturating_add(piece.heap_bytes()))
    }
}

impl<B: Key> Piece<B> {
    fn with_room(entries: usize) -> Self {
        Self {
            keys: Vec::with_capacity(entries),
            lens: Vec::with_capacity(entries),
            tags: Tags::Narrow(Vec::with_capacity(entries)),
        }
    }

    fn seek(&self, first: B, len: u8) -> usize {
        let at = self.keys.partition_point(|key| *key < first);
        // Prefixes with one first address differ in length, so these are at most as many as bits.
        let same = self.keys.iter().zip(&self.lens).skip(at);
        at.saturating_add(same.take_while(|(key, known)| **key == first && **known < len).count())
    }

    #[inline]
    fn get(&self, at: usize) -> Option<(B, Mark)> {
        let (key, len) = (*self.keys.get(at)?, *self.lens.get(at)?);
        Some((key, Mark { tag: self.tags.get(at), len }))
    }

    fn last(&self) -> Option<(B, Mark)> {
        self.get(self.keys.len().checked_sub(1)?)
    }

    #[inline]
    fn push(&mut self, first: B, mark: Mark) {
        self.keys.push(first);
        self.lens.push(mark.len);
        self.tags.push(mark.tag);
    }

    fn insert(&mut self, at: usize, first: B, mark: Mark) {
        if self.keys.len() == self.keys.capacity() {
            self.reserve(MOST / 16);
        }
        self.keys.insert(at, first);
        self.lens.insert(at, mark.len);
        self.tags.insert(at, mark.tag);
    }

    fn remove(&mut self, at: usize) {
        self.keys.remove(at);
        self.lens.remove(at);
        self.tags.remove(at);
    }

    /// The upper half, taken away.
    fn split_off(&mut self) -> Self {
        let at = self.keys.len() / 2;
        let tags = match &mut self.tags {
            Tags::Narrow(tags) => Tags::Narrow(tags.split_off(at)),
            Tags::Wide(tags) => Tags::Wide(tags.split_off(at)),
        };
        let upper = Self { keys: self.keys.split_off(at), lens: self.lens.split_off(at), tags };
        self.shrink_to_fit();
        upper
    }

    fn append(&mut self, other: &Self) {
        self.reserve(other.keys.len());
        for at in 0..other.keys.len() {
            other.get(at).into_iter().for_each(|(first, mark)| self.push(first, mark));
        }
    }

    /// Room for a few more: doubling would leave half of a list that grows slowly empty.
    fn reserve(&mut self, more: usize) {
        self.keys.reserve_exact(more);
        self.lens.reserve_exact(more);
        match &mut self.tags {
            Tags::Narrow(tags) => tags.reserve_exact(more),
            Tags::Wide(tags) => tags.reserve_exact(more),
        }
    }

    fn shrink_to_fit(&mut self) {
        self.keys.shrink_to_fit();
        self.lens.shrink_to_fit();
        match &mut self.tags {
            Tags::Narrow(tags) => tags.shrink_to_fit(),
            Tags::Wide(tags) => tags.shrink_to_fit(),
        }
    }

    fn heap_bytes(&self) -> usize {
        let tags = match &self.tags {
            Tags::Narrow(tags) => tags.capacity().saturating_mul(size_of::<u16>()),
            Tags::Wide(tags) => tags.capacity().saturating_mul(size_of::<u32>()),
        };
        let keys = self.keys.capacity().saturating_mul(size_of::<B>());
        keys.saturating_add(self.lens.capacity()).saturating_add(tags)
    }
}

impl Tags {
    #[inline]
    fn get(&self, at: usize) -> u32 {
        match self {
            Self::Narrow(tags) => tags.get(at).copied().unwrap_or(0).into(),
            Self::Wide(tags) => tags.get(at).copied().unwrap_or(0),
        }
    }

    #[inline]
    fn push(&mut self, tag: u32) {
        match self.made_for(tag) {
            Fitting::Narrow(tags, tag) => tags.push(tag),
            Fitting::Wide(tags) => tags.push(tag),
        }
    }

    fn insert(&mut self, at: usize, tag: u32) {
        match self.made_for(tag) {
            Fitting::Narrow(tags, tag) => tags.insert(at, tag),
            Fitting::Wide(tags) => tags.insert(at, tag),
        }
    }

    fn set(&mut self, at: usize, tag: u32) {
        match self.made_for(tag) {
            Fitting::Narrow(tags, tag) => tags.get_mut(at).into_iter().for_each(|old| *old = tag),
            Fitting::Wide(tags) => tags.get_mut(at).into_iter().for_each(|old| *old = tag),
        }
    }

    fn remove(&mut self, at: usize) {
        match self {
            Self::Narrow(tags) => drop(tags.remove(at)),
            Self::Wide(tags) => drop(tags.remove(at)),
        }
    }

    /// The tags, wide if this one asks for it.
    #[inline]
    fn made_for(&mut self, tag: u32) -> Fitting<'_> {
        let narrow = u16::try_from(tag);
        if let (Self::Narrow(tags), Err(_)) = (&mut *self, narrow) {
            let mut wide = Vec::with_capacity(tags.capacity());
            wide.extend(tags.iter().map(|tag| u32::from(*tag)));
            *self = Self::Wide(wide);
        }
        match self {
            Self::Narrow(tags) => Fitting::Narrow(tags, narrow.unwrap_or(0)),
            Self::Wide(tags) => Fitting::Wide(tags),
        }
    }
}

enum Fitting<'a> {
    Narrow(&'a mut Vec<u16>, u16),
    Wide(&'a mut Vec<u32>),
}

/// Prefixes in order, from one of them to the end of the list.
#[derive(Clone)]
pub(super) struct Entries<'a, B> {
    piece: Option<&'a Piece<B>>,
    at: usize,
    pieces: core::slice::Iter<'a, Arc<Piece<B>>>,
}

impl<B: Key> Iterator for Entries<'_, B> {
    type Item = (B, Mark);

    #[inline]
    fn next(&mut self) -> Option<(B, Mark)> {
        loop {
            if let Some(entry) = self.piece?.get(self.at) {
                self.at = self.at.saturating_add(1);
                return Some(entry);
            }
            self.piece = self.pieces.next().map(|piece| &**piece);
            self.at = 0;
        }
    }
}

/// The list of IPv6 prefixes: those of at most 64 bits, and the longer ones.
#[derive(Clone)]
pub(super) struct Listed6 {
    short: Listed<u64>,
    long: Listed<u128>,
}

/// The longest prefix that the upper half of an address can tell.
const HALF: u8 = 64;

fn upper(addr: u128) -> u64 {
    u64::try_from(addr >> HALF).unwrap_or(u64::MAX)
}

impl Prefixes<u128> for Listed6 {
    const EMPTY: Self = Self { short: Listed::EMPTY, long: Listed::EMPTY };

    type Entries<'a> = Entries6<'a>;

    fn build(sorted: impl Iterator<Item = (u128, Mark)>) -> Self {
        let mut long = Vec::new();
        let short = Listed::build(sorted.filter_map(|(first, mark)| {
            if mark.len <= HALF {
                return Some((upper(first), mark));
            }
            long.push((first, mark));
            None
        }));
        Self { short, long: Listed::build(long.into_iter()) }
    }

    fn len(&self) -> usize {
        self.short.len.saturating_add(self.long.len)
    }

    fn tag(&self, first: u128, len: u8) -> u32 {
        if len <= HALF { self.short.tag(upper(first), len) } else { self.long.tag(first, len) }
    }

    fn insert(&mut self, first: u128, mark: Mark) -> u32 {
        if mark.len <= HALF {
            self.short.insert(upper(first), mark)
        } else {
            self.long.insert(first, mark)
        }
    }

    fn remove(&mut self, first: u128, len: u8) -> u32 {
        if len <= HALF {
            self.short.remove(upper(first), len)
        } else {
            self.long.remove(first, len)
        }
    }

    fn around(&self, addr: u128, len: u8) -> Option<Mark> {
        let long = self.long.around_from(HALF + 1, addr, len);
        long.or_else(|| self.short.around(upper(addr), len.min(HALF)))
    }

    fn entries_from(&self, first: u128, len: u8) -> Entries6<'_> {
        // A short prefix starts where the lower half is 0.
        let whole = u128::from(upper(first)) << HALF;
        let short = match upper(first).checked_add(1) {
            _ if whole == first => self.short.entries_from(upper(first), len),
            Some(next) => self.short.entries_from(next, 0),
            None => self.short.entries_from(u64::MAX, HALF + 1),
        };
        Entries6 { short: short.peekable(), long: self.long.entries_from(first, len).peekable() }
    }

    fn count(&self, first: u128, last: u128) -> usize {
        let whole = u128::from(upper(first)) << HALF;
        let from = if whole == first { Some(upper(first)) } else { upper(first).checked_add(1) };
        let short = from.filter(|from| *from <= upper(last));
        let short = short.map_or(0, |from| self.short.count(from, upper(last)));
        short.saturating_add(self.long.count(first, last))
    }

    fn heap_bytes(&self) -> usize {
        self.short.heap_bytes().saturating_add(self.long.heap_bytes())
    }
}

/// IPv6 prefixes in order.
#[derive(Clone)]
pub(super) struct Entries6<'a> {
    short: Peekable<Entries<'a, u64>>,
    long: Peekable<Entries<'a, u128>>,
}

impl Iterator for Entries6<'_> {
    type Item = (u128, Mark);

    fn next(&mut self) -> Option<(u128, Mark)> {
        let short = self.short.peek().map(|(half, mark)| (u128::from(*half) << HALF, *mark));
        match (short, self.long.peek()) {
            // Of two that start at one address, the short one is shorter.
            (Some(short), Some(long)) if short.0 > long.0 => self.long.next(),
            (None, _) => self.long.next(),
            (short, _) => {
                self.short.next();
                short
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::test_support::cases;

    impl<B: Key> Listed<B> {
        /// I1 and I2.
        fn assert_in_order(&self) {
            let all: Vec<_> = self.entries_from(B::MIN, 0).collect();
            assert_eq!(all.len(), self.len);
            assert!(all.windows(2).all(|two| (two[0].0, two[0].1.len) < (two[1].0, two[1].1.len)));
            assert!(all.iter().all(|(first, mark)| first.first_of(mark.len) == *first));
            assert_eq!(self.firsts.len(), self.pieces.len());
            for (piece, known) in self.pieces.iter().zip(&self.firsts) {
                assert!((1..=MOST).contains(&piece.keys.len()));
                assert_eq!(
                    (piece.keys.len(), piece.keys.len()),
                    (piece.lens.len(), piece.tags.len())
                );
                assert_eq!((piece.keys[0], piece.lens[0]), *known);
            }
        }
    }

    impl Tags {
        fn len(&self) -> usize {
            match self {
                Self::Narrow(tags) => tags.len(),
                Self::Wide(tags) => tags.len(),
            }
        }
    }

    fn prefix6() -> impl Strategy<Value = (u128, u8)> {
        let at =
            (0..6_u128, 0..6_u128, prop_oneof![Just(0_u8), 58..=70_u8, Just(128_u8), 0..=128_u8]);
        at.prop_map(|(a, b, len)| ((a << 125 | a << 62 | b << 60 | b).first_of(len), len))
    }

    proptest! {
        #![proptest_config(cases(300))]

        #[test]
        fn a_list_is_a_sorted_map(
            start in prop::collection::vec(prefix6(), 0..80),
            edits in prop::collection::vec((prefix6(), 0..70_000_u32, any::<bool>()), 0..60),
            asked in prop::collection::vec(prefix6(), 1..8),
        ) {
            let mut model: BTreeMap<(u128, u8), u32> = start.iter().map(|at| (*at, 7)).collect();
            let mark = |len, tag| Mark { tag, len };
            let mut list = Listed6::build(model.iter().map(|(&(first, len), tag)| (first, mark(len, *tag))));
            for (place, tag, one_of_those) in edits {
                let (first, len) = match model.keys().nth(tag as usize % (model.len() + 1)) {
                    Some(known) if one_of_those => *known,
                    _ => place,
                };
                // Most are taken away again, so that lists become short.
                if tag % 3 > 0 {
                    let old = model.remove(&(first, len)).unwrap_or(0);
                    prop_assert_eq!(list.remove(first, len), old);
                } else {
                    let old = model.insert((first, len), tag + 1).unwrap_or(0);
                    prop_assert_eq!(list.insert(first, mark(len, tag + 1)), old);
                }
            }
            list.short.assert_in_order();
            list.long.assert_in_order();
            prop_assert_eq!(list.len(), model.len());
            for (first, len) in asked {
                prop_assert_eq!(list.tag(first, len), model.get(&(first, len)).copied().unwrap_or(0));
                let covers = |&(&(key, known), _): &(&(u128, u8), &u32)| known <= len && key.last_of(known) >= first;
                let around = model.range(..=(first, len)).rev().find(covers);
                prop_assert_eq!(list.around(first, len), around.map(|(place, tag)| mark(place.1, *tag)));
                let from = model.range((first, len)..).map(|(place, tag)| (place.0, mark(place.1, *tag)));
                prop_assert!(list.entries_from(first, len).eq(from));
                for last in [first, first.last_of(len), u128::MAX] {
                    prop_assert_eq!(list.count(first, last), model.range((first, 0)..=(last, 255)).count());
                }
            }
        }
    }

    /// What the documentation of the map says of memory.
    #[test]
    fn a_prefix_takes_seven_bytes_and_nine_with_many_values() {
        let prefixes =
            |tags: u32| (0..60_000_u32).map(move |n| (n << 8, Mark { tag: n % tags + 1, len: 24 }));
        let shell = 60_000 / USUAL * 200;
        assert!(Listed::build(prefixes(9)).heap_bytes() < 7 * 60_000 + shell);
        let wide =
            prefixes(9).map(|(first, mark)| (first, Mark { tag: mark.tag + 65_535, ..mark }));
        assert!(Listed::build(wide).heap_bytes() < 9 * 60_000 + shell);
    }
}
