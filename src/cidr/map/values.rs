//! The values of a map, each kept once.
//!
//! A table of a million routes has some ten thousand next hops, and a list of networks by country some
//! two hundred countries. So prefixes carry a tag of two to four bytes, and the value lies here.
//!
//! - **I1** equal values have one tag, as long as the value is used;
//! - **I2** a tag is given back when the last of its uses is, and the next new value takes its place:
//!   memory follows the most values that were used at one time, not the number of edits.
//!
//! The index is an open table of tags, at most a quarter full where it is small enough for that to save
//! time, and half full beyond: a search that goes on costs more than the place, but not than a page. The
//! hashes are kept beside the values, so that growing and removing need nothing of `V`. It is seeded at
//! random where the system offers that; without `std` the hash is a fixed one, and whoever lets strangers
//! choose *values* should know that.
//!
//! At most 2^32 - 2 values can be used at one time.

use alloc::vec::Vec;
#[cfg(any(test, not(feature = "std")))]
use core::hash::BuildHasher as _;
use core::hash::Hash;

use super::super::tags::Tags;

#[derive(Clone)]
pub(super) struct Values<V> {
    /// By tag - 1.
    values: Places<V>,
    uses: Vec<Uses>,
    /// Tags whose values are gone.
    free: Vec<u32>,
    /// Tags by hash, 0 where there is none; as long as a power of two, or empty.
    index: Vec<u32>,
    hashing: Hashing,
}

#[derive(Clone, Copy)]
struct Uses {
    /// At `u32::MAX` it is not counted any more, and the value stays.
    count: u32,
    hash: u32,
}

impl<V> Values<V> {
    pub(super) const fn new() -> Self {
        Self {
            values: Places::Full(Vec::new()),
            uses: Vec::new(),
            free: Vec::new(),
            index: Vec::new(),
            hashing: Hashing::new(),
        }
    }

    /// The value of a tag; none for the tag 0.
    #[inline]
    pub(super) fn get(&self, tag: u32) -> Option<&V> {
        // 0 wraps to a place that never is.
        self.values.get(place(tag))
    }

    /// One more use of a tag that is used.
    pub(super) fn retain(&mut self, tag: u32) {
        if let Some(uses) = self.uses.get_mut(place(tag)) {
            uses.count = uses.count.saturating_add(1);
        }
    }

    /// One use less; the value, if that was the last one.
    pub(super) fn release(&mut self, tag: u32) -> Option<V> {
        let uses =
            self.uses.get_mut(place(tag)).filter(|uses| (1..u32::MAX).contains(&uses.count))?;
        uses.count = uses.count.saturating_sub(1);
        if uses.count > 0 {
            return None;
        }
        self.unindex(tag);
        self.free.push(tag);
        self.values.take(place(tag))
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.values.len().saturating_sub(self.free.len())
    }

    /// The highest tag there ever was.
    pub(super) fn highest(&self) -> usize {
        self.values.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &V> {
        self.values.iter()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let each = [
            self.values.capacity(),
            (self.uses.capacity(), size_of::<Uses>()),
            (self.free.capacity(), size_of::<u32>()),
            (self.index.capacity(), size_of::<u32>()),
        ];
        each.into_iter()
            .fold(0, |sum, (places, size)| sum.saturating_add(places.saturating_mul(size)))
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.values.shrink_to_fit();
        self.uses.shrink_to_fit();
        self.free.shrink_to_fit();
    }

    fn mask(&self) -> usize {
        self.index.len().wrapping_sub(1)
    }

    fn home(&self, tag: u32) -> usize {
        self.uses.get(place(tag)).map_or(0, |uses| wide(uses.hash) & self.mask())
    }

    /// Takes a tag out of the index, and moves those behind it up, so that no search stops early.
    fn unindex(&mut self, tag: u32) {
        let mask = self.mask();
        let mut hole = self.home(tag);
        while self.index.get(hole).is_some_and(|&found| found != 0 && found != tag) {
            hole = hole.wrapping_add(1) & mask;
        }
        let mut at = hole;
        loop {
            at = at.wrapping_add(1) & mask;
            let Some(&next) = self.index.get(at).filter(|next| **next != 0) else { break };
            // Only what a search would pass the hole for may move into it.
            if at.wrapping_sub(self.home(next)) & mask >= at.wrapping_sub(hole) & mask {
                if let Some(slot) = self.index.get_mut(hole) {
                    *slot = next;
                }
                hole = at;
            }
        }
        if let Some(slot) = self.index.get_mut(hole) {
            *slot = 0;
        }
    }

    /// Writes a tag where a search for its hash ends.
    fn enter(&mut self, tag: u32) {
        let (mask, mut at) = (self.mask(), self.home(tag));
        while self.index.get(at).is_some_and(|&found| found != 0) {
            at = at.wrapping_add(1) & mask;
        }
        if let Some(slot) = self.index.get_mut(at) {
            *slot = tag;
        }
    }

    /// Makes room for one more tag, with the index at most as full as it should be after that.
    fn make_room(&mut self) {
        let len = self.len().saturating_add(1);
        let needed = len.saturating_mul(if len <= FEW { 4 } else { 2 });
        if needed <= self.index.len() {
            return;
        }
        let size = needed.checked_next_power_of_two().unwrap_or(needed).max(16);
        self.index.clear();
        self.index.resize(size, 0);
        for tag in (1_u32..).take(self.values.len()) {
            if self.get(tag).is_some() {
                self.enter(tag);
            }
        }
    }
}

impl<V: Eq + Hash> Values<V> {
    /// The tag of a value, with one more use; none if there are too many values.
    pub(super) fn intern(&mut self, value: V) -> Option<u32> {
        let hash = self.hashing.of(&value);
        if let Some(tag) = self.find(hash, &value) {
            self.retain(tag);
            return Some(tag);
        }
        let uses = Uses { count: 1, hash };
        let tag = match self.free.last() {
            Some(&tag) => tag,
            None => u32::try_from(self.values.len())
                .ok()
                .filter(|tag| *tag < Tags::LAST)?
                .wrapping_add(1),
        };
        self.make_room();
        self.values.put(place(tag), value);
        match self.uses.get_mut(place(tag)) {
            Some(used) => {
                *used = uses;
                self.free.pop();
            }
            None => self.uses.push(uses),
        }
        self.enter(tag);
        Some(tag)
    }

    /// Like [`intern`](Self::intern), with a guess: neighbours often have one value, and comparing is
    /// cheaper than hashing.
    #[inline]
    pub(super) fn intern_like(&mut self, value: V, guess: u32) -> Option<u32> {
        if self.get(guess) == Some(&value) {
            self.retain(guess);
            return Some(guess);
        }
        self.intern(value)
    }

    fn find(&self, hash: u32, value: &V) -> Option<u32> {
        let mask = self.mask();
        let mut at = wide(hash) & mask;
        loop {
            let tag = self.index.get(at).copied().filter(|tag| *tag != 0)?;
            let same = self.uses.get(place(tag)).is_some_and(|uses| uses.hash == hash);
            if same && self.get(tag) == Some(value) {
                return Some(tag);
            }
            at = at.wrapping_add(1) & mask;
        }
    }
}

/// So many values have an index of up to a megabyte, a quarter of it in use.
const FEW: usize = 1 << 16;

/// Values by place. A map that is only built and asked has no holes, and then a value takes no more
/// than it is: that halves what a look-up touches where each prefix has a number of its own.
#[derive(Clone)]
enum Places<V> {
    Full(Vec<V>),
    WithHoles(Vec<Option<V>>),
}

impl<V> Places<V> {
    #[inline]
    fn get(&self, place: usize) -> Option<&V> {
        match self {
            Self::Full(values) => values.get(place),
            Self::WithHoles(values) => values.get(place)?.as_ref(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Full(values) => values.len(),
            Self::WithHoles(values) => values.len(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &V> {
        let (full, holes) = match self {
            Self::Full(values) => (Some(values), None),
            Self::WithHoles(values) => (None, Some(values)),
        };
        full.into_iter().flatten().chain(holes.into_iter().flatten().flatten())
    }

    /// Fills a place that is a hole, or the one behind the last.
    fn put(&mut self, place: usize, value: V) {
        match self {
            Self::Full(values) => values.push(value),
            Self::WithHoles(values) => match values.get_mut(place) {
                Some(hole) => *hole = Some(value),
                None => values.push(Some(value)),
            },
        }
    }

    /// Leaves a hole.
    fn take(&mut self, place: usize) -> Option<V> {
        if let Self::Full(values) = self {
            *self = Self::WithHoles(core::mem::take(values).into_iter().map(Some).collect());
        }
        match self {
            Self::Full(_) => None,
            Self::WithHoles(values) => values.get_mut(place)?.take(),
        }
    }

    /// How many places there is room for, and the size of each.
    fn capacity(&self) -> (usize, usize) {
        match self {
            Self::Full(values) => (values.capacity(), size_of::<V>()),
            Self::WithHoles(values) => (values.capacity(), size_of::<Option<V>>()),
        }
    }

    fn shrink_to_fit(&mut self) {
        match self {
            Self::Full(values) => values.shrink_to_fit(),
            Self::WithHoles(values) => values.shrink_to_fit(),
        }
    }
}

#[inline]
fn place(tag: u32) -> usize {
    wide(tag.wrapping_sub(1))
}

#[inline]
fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A hash for the index, seeded when the first value comes.
#[derive(Clone)]
struct Hashing {
    #[cfg(feature = "std")]
    seeded: Option<ahash::RandomState>,
}

impl Hashing {
    #[cfg(feature = "std")]
    const fn new() -> Self {
        Self { seeded: None }
    }

    #[cfg(not(feature = "std"))]
    const fn new() -> Self {
        Self {}
    }

    #[inline]
    fn of<V: Hash>(&mut self, value: &V) -> u32 {
        #[cfg(feature = "std")]
        let hash = self.seeded.get_or_insert_with(ahash::RandomState::new).hash_one(value);
        #[cfg(not(feature = "std"))]
        let hash = core::hash::BuildHasherDefault::<fixed::Folded>::default().hash_one(value);
        u32::try_from(hash >> 32).unwrap_or(0)
    }
}

#[cfg(any(test, not(feature = "std")))]
mod fixed {
    use core::hash::Hasher;

    /// Words are mixed in one by one; the last step brings all bits to the top.
    #[derive(Default)]
    pub(super) struct Folded(u64);

    /// The golden ratio, in 64 bits.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

    impl Hasher for Folded {
        fn write(&mut self, bytes: &[u8]) {
            for chunk in bytes.chunks(8) {
                let word = chunk.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
                self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(SPREAD);
            }
        }

        fn finish(&self) -> u64 {
            (self.0 ^ self.0 >> 32).wrapping_mul(SPREAD)
        }
    }
}

#[cfg(test)]
mod tests {
    use core::hash::BuildHasherDefault;
    use std::{collections::BTreeMap, collections::BTreeSet, format, string::String};

    use proptest::prelude::*;

    use super::*;
    use crate::test_support::cases;

    proptest! {
        #![proptest_config(cases(500))]

        /// I1 and I2, with values that meet in the index.
        #[test]
        fn values_are_kept_once_while_they_are_used(
            steps in prop::collection::vec((any::<bool>(), 0..24_u8), 0..120),
        ) {
            let mut values = Values::new();
            // What each value's tag is, and how often it is used.
            let mut model = BTreeMap::<u8, (u32, u32)>::new();
            let mut most = 0;
            for (enters, value) in steps {
                if enters {
                    let tag = values.intern_like(value, u32::from(value % 4)).unwrap();
                    let (known, uses) = model.entry(value).or_insert((tag, 0));
                    prop_assert_eq!(*known, tag);
                    *uses += 1;
                } else if let Some((tag, uses)) = model.get_mut(&value) {
                    *uses -= 1;
                    let last = (*uses == 0).then_some(value);
                    prop_assert_eq!(values.release(*tag), last);
                    if last.is_some() {
                        model.remove(&value);
                    }
                }
                most = most.max(model.len());
                prop_assert_eq!(values.len(), model.len());
                for (value, (tag, _)) in &model {
                    prop_assert_eq!(values.get(*tag), Some(value));
                }
                let tags: BTreeSet<u32> = model.values().map(|(tag, _)| *tag).collect();
                prop_assert_eq!(tags.len(), model.len());
                prop_assert!(tags.iter().all(|tag| *tag as usize <= most), "I2: {:?}", tags);
            }
        }
    }

    /// I2.
    #[test]
    fn memory_stays_flat_under_endless_edits() {
        let mut values = Values::new();
        let mut tags: std::vec::Vec<u32> =
            (0..100_u64).map(|n| values.intern(n).unwrap()).collect();
        let mut change = |n: u64| {
            let at = (n.wrapping_mul(0x9e37_79b9) >> 7) as usize % tags.len();
            assert!(values.release(tags[at]).is_some());
            tags[at] = values.intern(n).unwrap();
            values.heap_bytes()
        };
        // The first value that goes makes room for holes.
        let before = change(100);
        (101..100_000).for_each(|n| {
            change(n);
        });
        assert!(values.heap_bytes() <= before + 64, "{before} became {}", values.heap_bytes());
        assert_eq!((values.len(), values.highest()), (100, 100));
        assert!(values.get(0).is_none());
    }

    #[test]
    fn memory_is_that_of_values_uses_and_index() {
        let mut values = Values::new();
        assert_eq!(values.heap_bytes(), 0);
        let tags: std::vec::Vec<u32> = (0..100_u64).map(|n| values.intern(n).unwrap()).collect();
        values.shrink_to_fit();
        // A quarter of the index is in use: of 400 places, which makes 512.
        assert_eq!(values.heap_bytes(), 100 * (8 + 8) + 512 * 4);
        assert_eq!(values.release(tags[0]), Some(0));
        values.shrink_to_fit();
        assert_eq!(values.heap_bytes(), 100 * (16 + 8) + 512 * 4 + 4);
    }

    /// The index would give the same answers with one hash for all, but no sooner than a list.
    #[test]
    fn values_have_hashes_that_differ() {
        let mut hashing = Hashing::new();
        let hashes: BTreeSet<u32> = (0..4_096_u32).map(|n| hashing.of(&n)).collect();
        assert!(hashes.len() > 4_000, "{}", hashes.len());
    }

    #[test]
    fn the_fixed_hash_tells_small_numbers_and_texts_apart() {
        let hash = BuildHasherDefault::<fixed::Folded>::default();
        let top = |hash: u64| hash >> 48;
        let numbers: BTreeSet<u64> = (0..4_096_u32).map(|n| top(hash.hash_one(n))).collect();
        assert!(numbers.len() > 3_800, "{}", numbers.len());
        let texts: BTreeSet<u64> =
            (0..4_096_u32).map(|n| top(hash.hash_one::<String>(format!("value {n}")))).collect();
        assert!(texts.len() > 3_800, "{}", texts.len());
        // What the index asks for, of words that differ in their upper bytes only.
        let place = |hash: u64| hash >> 32 & 0xffff;
        let numbers: BTreeSet<u64> = (0..4_096_u64).map(|n| place(hash.hash_one(n))).collect();
        assert!(numbers.len() > 3_800, "{}", numbers.len());
    }

    /// I1, of values that have one hash.
    #[test]
    fn values_with_one_hash_are_told_apart() {
        #[derive(Clone, Debug, PartialEq, Eq)]
        struct Alike(u8);
        impl Hash for Alike {
            fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
                state.write_u8(7);
            }
        }
        let mut values = Values::new();
        for _ in 0..2 {
            for value in 0..20 {
                assert_eq!(values.intern(Alike(value)), Some(u32::from(value) + 1));
            }
        }
    }
}
