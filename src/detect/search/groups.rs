//! Samples by what they are in one dimension.
//!
//! Keys are hashes with a secret key, so a table that takes their bits as they are has no bad case that
//! anybody can bring about: it is at most half full, and a look-up takes two or three steps on average.

use alloc::{boxed::Box, vec, vec::Vec};

use super::bits::{Bits, MOST_SAMPLES, Spread};

/// The number of what a sample is; [`NOTHING`] where it is nothing.
pub(super) type Group = u16;

/// For samples that are nothing in this dimension.
pub(super) const NOTHING: Group = Group::MAX;

/// The most groups of one dimension.
pub(super) const MOST_GROUPS: usize = 2 * MOST_SAMPLES;

const SLOTS: usize = 2 * MOST_GROUPS;

/// What the samples are in one dimension.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    /// The group of each sample.
    pub(super) recent: Vec<Group>,
    pub(super) usual: Vec<Group>,
    /// The key of each group.
    pub(super) keys: Vec<u64>,
    /// The place of a recent sample of each group; of an usual one for groups without a recent one, which are last.
    pub(super) first: Vec<u16>,
    /// The groups with recent samples.
    pub(super) hot: usize,
}

impl Groups {
    pub(super) fn new() -> Self {
        Self {
            recent: Vec::with_capacity(MOST_SAMPLES),
            usual: Vec::with_capacity(MOST_SAMPLES),
            keys: Vec::with_capacity(MOST_GROUPS),
            first: Vec::with_capacity(MOST_GROUPS),
            hot: 0,
        }
    }

    /// Counts the samples of each group, of recent ones only those that are left.
    pub(super) fn count(&self, left: &Bits, counts: &mut Vec<Count>) {
        counts.clear();
        counts.resize(self.keys.len(), Count::default());
        for (place, group) in self.recent.iter().enumerate() {
            if let Some(count) = counts.get_mut(usize::from(*group)) {
                count.recent = count.recent.wrapping_add(u32::from(left.has(place)));
            }
        }
        for group in &self.usual {
            if let Some(count) = counts.get_mut(usize::from(*group)) {
                count.usual = count.usual.wrapping_add(1);
            }
        }
    }

    /// The samples of the groups that are wanted.
    pub(super) fn spread(&self, wanted: impl Fn(Group) -> bool) -> Spread {
        let mut spread = Spread::NONE;
        let takes = |group: Group| group != NOTHING && wanted(group);
        for (place, group) in self.recent.iter().enumerate() {
            if takes(*group) {
                spread.recent.set(place);
            }
        }
        for (place, group) in self.usual.iter().enumerate() {
            if takes(*group) {
                spread.usual.set(place);
            }
        }
        spread
    }
}

/// How many samples there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) recent: u32,
    pub(super) usual: u32,
}

/// Groups samples by their keys.
pub(super) struct Grouper {
    /// Keys and the groups that they stand for; the key 0 is an empty slot.
    slots: Box<[(u64, Group)]>,
}

impl Grouper {
    pub(super) fn new() -> Self {
        Self { slots: vec![(0, NOTHING); SLOTS].into_boxed_slice() }
    }

    /// Groups what has these keys.
    pub(super) fn group(
        &mut self,
        recent: impl Iterator<Item = u64>,
        usual: impl Iterator<Item = u64>,
        into: &mut Groups,
    ) {
        self.slots.fill((0, NOTHING));
        into.recent.clear();
        into.usual.clear();
        into.keys.clear();
        into.first.clear();
        for (place, key) in (0_u16..).zip(recent.take(MOST_SAMPLES)) {
            let group = self.group_of(key, place, into);
            into.recent.push(group);
        }
        into.hot = into.keys.len();
        for (place, key) in (0_u16..).zip(usual.take(MOST_SAMPLES)) {
            let group = self.group_of(key, place, into);
            into.usual.push(group);
        }
    }

    fn group_of(&mut self, key: u64, place: u16, into: &mut Groups) -> Group {
        if key == 0 {
            return NOTHING;
        }
        // The lowest bit of every hash is set.
        let start = usize::try_from(key >> 1 & 0xffff).unwrap_or(0);
        for step in 0..SLOTS {
            let at = start.wrapping_add(step) % SLOTS;
            let Some(slot) = self.slots.get_mut(at) else { break };
            if slot.0 == 0 {
                let group = Group::try_from(into.keys.len()).unwrap_or(NOTHING);
                into.keys.push(key);
                into.first.push(place);
                *slot = (key, group);
            }
            if slot.0 == key {
                return slot.1;
            }
        }
        NOTHING
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::{collection::vec, proptest};

    use super::{Bits, Group, Grouper, Groups, NOTHING};

    proptest! {
        #![proptest_config(crate::test_support::cases(64))]

        #[test]
        fn who_has_the_same_key_is_in_the_same_group(
            recent in vec(0..30_u64, 0..200), usual in vec(0..30_u64, 0..200), left in 0..200_usize,
        ) {
            let (mut grouper, mut groups) = (Grouper::new(), Groups::new());
            // Twice: nothing is left of what was grouped before.
            grouper.group([7, 8].into_iter(), [9].into_iter(), &mut groups);
            grouper.group(recent.iter().copied(), usual.iter().copied(), &mut groups);
            let group = |key: u64| groups.keys.iter().position(|it| *it == key).map_or(NOTHING, |at| at as Group);
            assert_eq!(groups.recent, recent.iter().map(|key| group(*key)).collect::<Vec<_>>());
            assert_eq!(groups.usual, usual.iter().map(|key| group(*key)).collect::<Vec<_>>());
            let mut counts = Vec::new();
            groups.count(&Bits::first(left), &mut counts);
            for (at, key) in groups.keys.iter().enumerate() {
                let count = |keys: &[u64]| keys.iter().filter(|it| *it == key).count() as u32;
                assert_eq!(counts[at].recent, count(&recent[..left.min(recent.len())]));
                assert_eq!(counts[at].usual, count(&usual));
                let first = usize::from(groups.first[at]);
                assert_eq!(if at < groups.hot { recent[first] } else { usual[first] }, *key);
                let spread = groups.spread(|group| usize::from(group) == at);
                assert_eq!(spread.recent.count(), count(&recent));
                assert_eq!(spread.usual.count(), count(&usual));
            }
        }
    }

    /// As many as there can be, with the same lower bits.
    #[test]
    fn a_table_that_is_half_full_of_one_chain_still_tells_keys_apart() {
        let (mut grouper, mut groups) = (Grouper::new(), Groups::new());
        let key = |n: u64| n << 32 | 1;
        grouper.group((1..=1_024).map(key), (1_025..=2_048).map(key), &mut groups);
        assert_eq!((groups.keys.len(), groups.hot), (2_048, 1_024));
        assert_eq!(groups.usual.last(), Some(&2_047));
    }
}
