//! Named lists: sets that rules ask by `$name`, and that are replaced while rules stand.

use alloc::{boxed::Box, collections::BTreeSet, sync::Arc, vec::Vec};
use core::fmt;

use super::{expr::Name, field::Type};
use crate::cidr::CidrSet;

/// A set of one type of values. Clones share it.
#[derive(Clone)]
#[non_exhaustive]
pub enum List {
    /// Addresses, by prefixes.
    Addresses(Arc<CidrSet>),
    /// Texts, compared byte by byte.
    Texts(Arc<TextSet>),
    /// Numbers.
    Numbers(Arc<NumberSet>),
}

/// A set of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextSet(BTreeSet<Box<[u8]>>);

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberSet(BTreeSet<i64>);

impl TextSet {
    /// Whether this text is in the set.
    #[must_use]
    pub fn contains(&self, text: &[u8]) -> bool {
        self.0.contains(text)
    }
}

impl NumberSet {
    /// Whether this number is in the set.
    #[must_use]
    pub fn contains(&self, number: i64) -> bool {
        self.0.contains(&number)
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for TextSet {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        Self(texts.into_iter().map(|text| Box::from(text.as_ref())).collect())
    }
}

impl FromIterator<i64> for NumberSet {
    fn from_iter<I: IntoIterator<Item = i64>>(numbers: I) -> Self {
        Self(numbers.into_iter().collect())
    }
}

impl List {
    /// The type of its values.
    #[must_use]
    pub fn holds(&self) -> Type {
        match self {
            Self::Addresses(_) => Type::Ip,
            Self::Texts(_) => Type::Bytes,
            Self::Numbers(_) => Type::Int,
        }
    }

    /// How many entries it holds now: prefixes, texts or numbers.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Addresses(set) => set.len(),
            Self::Texts(set) => set.0.len(),
            Self::Numbers(set) => set.0.len(),
        }
    }

    /// The memory of its content, in bytes; that of texts and numbers is an estimate.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        // What a node of the tree takes of a value that it holds, more or less.
        const NODE: usize = 8;
        match self {
            Self::Addresses(set) => set.memory_bytes(),
            Self::Texts(set) => set.0.iter().fold(0, |sum, text| {
                let each = size_of::<Box<[u8]>>().saturating_add(NODE);
                sum.saturating_add(text.len()).saturating_add(each)
            }),
            Self::Numbers(set) => set.0.len().saturating_mul(size_of::<i64>().saturating_add(NODE)),
        }
    }

    /// Whether it holds nothing now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Addresses(set) => set.is_empty(),
            Self::Texts(set) => set.0.is_empty(),
            Self::Numbers(set) => set.0.is_empty(),
        }
    }
}

impl From<CidrSet> for List {
    fn from(set: CidrSet) -> Self {
        Self::Addresses(Arc::new(set))
    }
}

impl From<TextSet> for List {
    fn from(set: TextSet) -> Self {
        Self::Texts(Arc::new(set))
    }
}

impl From<NumberSet> for List {
    fn from(set: NumberSet) -> Self {
        Self::Numbers(Arc::new(set))
    }
}

/// What it holds, not whom.
impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("List").field(&self.holds()).finish()
    }
}

/// The lists that rules can name, sorted by name. A list keeps its place while its content is replaced.
#[derive(Clone, Debug, Default)]
pub struct Lists(Vec<(Name, List)>);

impl Lists {
    /// No lists.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a list, or replaces the one of this name.
    pub fn set(&mut self, name: &str, list: impl Into<List>) {
        let list = list.into();
        match self.position(name) {
            Ok(at) => {
                if let Some((_, old)) = self.0.get_mut(at) {
                    *old = list;
                }
            }
            Err(at) => self.0.insert(at, (Name::from(name), list)),
        }
    }

    /// The list of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&List> {
        self.at(self.position(name).ok()?)
    }

    /// Names and lists, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &List)> {
        self.0.iter().map(|(name, list)| (&**name, list))
    }

    /// Where the list of this name is, or would be.
    pub(crate) fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }

    pub(crate) fn at(&self, at: usize) -> Option<&List> {
        self.0.get(at).map(|(_, list)| list)
    }
}

#[cfg(test)]
mod tests {
    use std::{format, vec::Vec};

    use super::*;

    #[test]
    fn a_list_has_what_was_put_in_and_says_how_much_it_is() {
        let net: ipnet::IpNet = "10.0.0.0/8".parse().unwrap();
        let nets = CidrSet::from_iter([net]);
        let addresses = [nets.memory_bytes(), CidrSet::new().memory_bytes()];
        let texts: TextSet = ["a", "b", "a", "longer"].into_iter().collect();
        let numbers: NumberSet = [1, 2, 1].into_iter().collect();
        assert!(texts.contains(b"a") && texts.contains(b"longer"));
        assert!(!texts.contains(b"") && !texts.contains(b"A") && !texts.contains(b"c"));
        assert!(numbers.contains(2) && !numbers.contains(0));
        for (full, empty, holds, len, bytes) in [
            (List::from(nets), List::from(CidrSet::new()), Type::Ip, 1, addresses),
            (texts.into(), TextSet::default().into(), Type::Bytes, 3, [8 + 3 * 24, 0]),
            (numbers.into(), NumberSet::default().into(), Type::Int, 2, [2 * 16, 0]),
        ] {
            assert_eq!([full.holds(), empty.holds()], [holds, holds]);
            assert_eq!([full.len(), empty.len()], [len, 0]);
            assert_eq!([full.is_empty(), empty.is_empty()], [false, true]);
            assert_eq!([full.memory_bytes(), empty.memory_bytes()], bytes);
            assert_eq!(format!("{full:?}"), format!("List({holds:?})"));
        }
    }

    #[test]
    fn lists_are_sorted_by_name_and_replaced_in_their_place() {
        let mut lists = Lists::new();
        let texts = |text: &str| TextSet::from_iter([text]);
        lists.set("b", texts("1"));
        lists.set("c", NumberSet::from_iter([1, 2]));
        lists.set("a", texts("3"));
        lists.set("b", texts("2"));
        let names: Vec<_> = lists.iter().map(|(name, list)| (name, list.len())).collect();
        assert_eq!(names, [("a", 1), ("b", 1), ("c", 2)]);
        let has = |list: Option<&List>, text: &[u8]| matches!(list, Some(List::Texts(set)) if set.contains(text));
        assert!(has(lists.get("b"), b"2") && !has(lists.get("b"), b"1"));
        assert!(has(lists.at(0), b"3") && has(lists.at(1), b"2") && lists.at(3).is_none());
        assert_eq!((lists.position("c"), lists.position("bb")), (Ok(2), Err(2)));
        assert!(lists.get("bb").is_none());
    }
}
