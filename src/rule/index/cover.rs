//! Which few questions find the requests that a rule can hold for.
//!
//! The cover of a condition is a set of *keys*, each a question that an index answers, of which at least
//! one says yes whenever the condition holds. Of an `and` the cheapest part covers it all, of an `or` all
//! parts together, of a negation nothing but what De Morgan's laws turn into one of these. Conditions
//! without a cover are tried for every request.
//!
//! # Invariants
//! - **I1** where a condition holds, a key of its cover does;
//! - **I2** where a cover is *exact*, a key of it holds only where the condition does;
//! - **I3** nothing that rules change while a request is judged is a key.

use alloc::{boxed::Box, vec::Vec};

use ipnet::IpNet;

use super::{
    code::Tree,
    source::{Base, Source},
    spec::{Case, Spec},
};
use crate::rule::pattern::{Place, Regex, Wildcard};

/// A question about a source that an index answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    True,
    Exists,
    List(u32),
    Range(i64, i64),
    Net(IpNet),
    Text(Case, Box<[u8]>),
    Prefix(Case, Box<[u8]>),
    Suffix(Case, Box<[u8]>),
    Contains(Case, Box<[u8]>),
}

/// What finds the requests for which a test holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Cover<K> {
    pub(super) keys: Vec<K>,
    pub(super) exact: bool,
}

impl Cover<Key> {
    /// The keys of a test, if it has any.
    pub(super) fn of(source: &Source, spec: &Spec, regex: Option<&Regex>) -> Option<Self> {
        if source.is_volatile() || matches!(source.base, Base::Counter(_)) {
            return None;
        }
        let exactly = |keys| Some(Self { keys, exact: true });
        let roughly = |key: Key| Self { keys: [key].into(), exact: false };
        match spec {
            Spec::Never => exactly(Vec::new()),
            Spec::True => exactly([Key::True].into()),
            Spec::Ints(ranges) => {
                exactly(ranges.iter().map(|(first, last)| Key::Range(*first, *last)).collect())
            }
            Spec::Nets(nets) => exactly(nets.iter().map(|net| Key::Net(*net)).collect()),
            Spec::Texts(texts, case) => {
                exactly(texts.iter().map(|text| Key::Text(*case, text.clone())).collect())
            }
            Spec::Prefix(text, case) if !text.is_empty() => {
                exactly([Key::Prefix(*case, text.clone())].into())
            }
            Spec::Suffix(text, case) => exactly([Key::Suffix(*case, text.clone())].into()),
            Spec::Contains(text, case) => exactly([Key::Contains(*case, text.clone())].into()),
            Spec::List(place) => exactly([Key::List(*place)].into()),
            Spec::Wildcard(pattern, case) => {
                wildcard(pattern, *case).map(roughly).or_else(|| exists(source))
            }
            Spec::Matches(_) => regex.and_then(regular).or_else(|| exists(source)),
            Spec::Exists | Spec::Bits(_) | Spec::Prefix(..) | Spec::Order(..) => {
                let mut cover = exists(source)?;
                cover.exact = *spec == Spec::Exists;
                Some(cover)
            }
        }
    }
}

/// That there is a value, if that says something.
fn exists(source: &Source) -> Option<Cover<Key>> {
    source.may_be_missing().then(|| Cover { keys: [Key::Exists].into(), exact: false })
}

fn wildcard(pattern: &[u8], case: Case) -> Option<Key> {
    let wildcard = Wildcard::new(pattern, case == Case::Exact).ok()?;
    let (head, tail, part) = (wildcard.head(), wildcard.tail(), wildcard.longest_literal());
    let longest = head.len().max(tail.len());
    // Ends are asked for less than what is somewhere between.
    if longest == 0 || part.len() > longest.saturating_mul(4) {
        (!part.is_empty()).then(|| Key::Contains(case, case.of(part)))
    } else if head.len() >= tail.len() {
        Some(Key::Prefix(case, case.of(head)))
    } else {
        Some(Key::Suffix(case, case.of(tail)))
    }
}

fn regular(regex: &Regex) -> Option<Cover<Key>> {
    let required = regex.required()?;
    let case = if required.folded { Case::Folded } else { Case::Exact };
    let key = |literal: &[u8]| match required.place {
        Place::Whole => Key::Text(case, case.of(literal)),
        Place::Start => Key::Prefix(case, case.of(literal)),
        Place::End => Key::Suffix(case, case.of(literal)),
        Place::Anywhere => Key::Contains(case, case.of(literal)),
    };
    let keys = required.literals.iter().map(|literal| key(literal)).collect();
    Some(Cover { keys, exact: false })
}

impl Key {
    /// How rarely it holds, by guess: it does for one of 2^this requests. What takes a walk over the whole text
    /// is believed less, so that it is asked for last.
    pub(super) fn rarity(&self) -> u32 {
        let long = |text: &[u8], least: u32, each: u32, most: u32| {
            let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
            len.saturating_mul(each).saturating_add(least).min(most)
        };
        match self {
            Self::Exists => 1,
            Self::True => 2,
            Self::List(_) => 5,
            Self::Range(first, last) if first == last => 8,
            Self::Range(first, last) => match last.checked_sub(*first) {
                Some(0..=100) => 6,
                _ => 1,
            },
            Self::Net(IpNet::V4(net)) => u32::from(net.prefix_len()).saturating_mul(3) / 4,
            Self::Net(IpNet::V6(net)) => {
                (u32::from(net.prefix_len()).saturating_mul(3) / 8).min(24)
            }
            // Methods are short, and everywhere.
            Self::Text(_, text) => long(text, 0, 1, 20),
            Self::Prefix(_, text) => long(text, 0, 1, 14),
            Self::Suffix(_, text) => long(text, 0, 1, 10),
            Self::Contains(_, text) => long(text, 0, 1, 6),
        }
    }
}

/// Chooses covers of trees, given what is known of tests.
pub(super) struct Chooser<'c> {
    /// The cover of each test, by numbers of keys.
    pub(super) covers: &'c [Option<Cover<u32>>],
    /// What each key costs: how often it holds, and for how many rules.
    pub(super) costs: &'c [u64],
}

impl Chooser<'_> {
    /// The cheapest cover of a tree, if it has one, and what is still to be asked where a key of it holds.
    pub(super) fn choose(&self, tree: Tree) -> (Option<Vec<u32>>, Tree) {
        if self.cost(&tree, false).is_none() {
            return (None, tree);
        }
        let mut keys = Vec::new();
        self.collect(&tree, false, &mut keys);
        keys.sort_unstable();
        keys.dedup();
        if self.is_exact(&tree) {
            return (Some(keys), Tree::Const(true));
        }
        let Tree::And(mut trees) = tree else { return (Some(keys), tree) };
        if let Some(at) = self.cheapest(&trees, false) {
            if trees.get(at).is_some_and(|tree| self.is_exact(tree)) {
                trees.remove(at);
            }
        }
        (Some(keys), Tree::And(trees))
    }

    /// What the cover of a tree, or of its opposite, costs.
    fn cost(&self, tree: &Tree, negated: bool) -> Option<u64> {
        match tree {
            Tree::Const(value) => (*value == negated).then_some(0),
            Tree::Not(inner) => self.cost(inner, !negated),
            Tree::Test(test) => {
                let cover = self.cover(*test).filter(|_| !negated)?;
                let costs = cover.keys.iter().filter_map(|key| self.costs.get(*key as usize));
                Some(costs.fold(0, |sum: u64, cost| sum.saturating_add(*cost)))
            }
            Tree::And(trees) if !negated => {
                trees.iter().filter_map(|tree| self.cost(tree, negated)).min()
            }
            Tree::Or(trees) if negated => {
                trees.iter().filter_map(|tree| self.cost(tree, negated)).min()
            }
            Tree::Xor(_) if negated => None,
            Tree::And(trees) | Tree::Or(trees) | Tree::Xor(trees) => trees
                .iter()
                .try_fold(0_u64, |sum, tree| Some(sum.saturating_add(self.cost(tree, negated)?))),
        }
    }

    /// The part that covers a conjunction best.
    fn cheapest(&self, trees: &[Tree], negated: bool) -> Option<usize> {
        let costs = trees.iter().enumerate();
        let costs = costs.filter_map(|(at, tree)| Some((self.cost(tree, negated)?, at)));
        costs.min().map(|(_, at)| at)
    }

    fn collect(&self, tree: &Tree, negated: bool, keys: &mut Vec<u32>) {
        match (tree, negated) {
            (Tree::Const(_), _) => {}
            (Tree::Not(inner), _) => self.collect(inner, !negated, keys),
            (Tree::Test(test), _) => {
                keys.extend(self.cover(*test).map(|cover| &*cover.keys).unwrap_or_default());
            }
            (Tree::And(trees), false) | (Tree::Or(trees), true) => {
                let best = self.cheapest(trees, negated).and_then(|at| trees.get(at));
                if let Some(tree) = best {
                    self.collect(tree, negated, keys);
                }
            }
            (Tree::And(trees) | Tree::Or(trees) | Tree::Xor(trees), _) => {
                for tree in trees {
                    self.collect(tree, negated, keys);
                }
            }
        }
    }

    /// Whether a key of its cover holds only where the tree does.
    fn is_exact(&self, tree: &Tree) -> bool {
        match tree {
            Tree::Test(test) => self.cover(*test).is_some_and(|cover| cover.exact),
            Tree::Or(trees) => trees.iter().all(|tree| self.is_exact(tree)),
            _ => false,
        }
    }

    fn cover(&self, test: u32) -> Option<&Cover<u32>> {
        self.covers.get(test as usize)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_found_by_an_end_or_by_a_long_part() {
        let bytes = |text: &str| Box::<[u8]>::from(text.as_bytes());
        let prefix = |case, text: &str| Some(Key::Prefix(case, bytes(text)));
        let suffix = |case, text: &str| Some(Key::Suffix(case, bytes(text)));
        let contains = |case, text: &str| Some(Key::Contains(case, bytes(text)));
        for (pattern, key) in [
            ("*a*b", suffix(Case::Exact, "b")),
            ("a*b*", prefix(Case::Exact, "a")),
            ("ab*c", prefix(Case::Exact, "ab")),
            ("ab*cd", prefix(Case::Exact, "ab")),
            ("a*bc", suffix(Case::Exact, "bc")),
            ("*a*bc*", contains(Case::Exact, "bc")),
            // More than four times as long as the ends are.
            ("a*bcde*", prefix(Case::Exact, "a")),
            ("a*bcdef*", contains(Case::Exact, "bcdef")),
            ("ab*cdefghij*k", prefix(Case::Exact, "ab")),
            ("ab*cdefghijk*l", contains(Case::Exact, "cdefghijk")),
            ("*", None),
            ("**", None),
        ] {
            assert_eq!(wildcard(pattern.as_bytes(), Case::Exact), key, "{pattern}");
        }
        assert_eq!(wildcard(b"aB*c", Case::Exact), prefix(Case::Exact, "aB"));
        assert_eq!(wildcard(b"*a*BC*", Case::Exact), contains(Case::Exact, "BC"));
        assert_eq!(wildcard(b"aB*c", Case::Folded), prefix(Case::Folded, "ab"));
        assert_eq!(wildcard(b"*a*BC*", Case::Folded), contains(Case::Folded, "bc"));
    }

    /// Of two parts of a rule the one is asked for that holds less often, by guess.
    #[test]
    fn the_rarer_a_key_the_more_it_says() {
        let text = |length: usize| "x".repeat(length).into_bytes().into_boxed_slice();
        let net = |text: &str| Key::Net(text.parse().unwrap());
        for (key, rarity) in [
            (Key::Exists, 1),
            (Key::True, 2),
            (Key::List(9), 5),
            (Key::Range(5, 5), 8),
            (Key::Range(5, 6), 6),
            (Key::Range(0, 100), 6),
            (Key::Range(0, 101), 1),
            (Key::Range(i64::MIN, i64::MAX), 1),
            (net("0.0.0.0/0"), 0),
            (net("10.0.0.0/8"), 6),
            (net("10.0.0.0/24"), 18),
            (net("10.0.0.1/32"), 24),
            (net("::/0"), 0),
            (net("2001:db8::/32"), 12),
            (net("2001:db8::/64"), 24),
            (net("2001:db8::1/128"), 24),
            (Key::Text(Case::Exact, text(3)), 3),
            (Key::Text(Case::Exact, text(30)), 20),
            (Key::Prefix(Case::Folded, text(3)), 3),
            (Key::Prefix(Case::Folded, text(30)), 14),
            (Key::Suffix(Case::Exact, text(3)), 3),
            (Key::Suffix(Case::Exact, text(30)), 10),
            (Key::Contains(Case::Exact, text(3)), 3),
            (Key::Contains(Case::Exact, text(30)), 6),
        ] {
            assert_eq!(key.rarity(), rarity, "{key:?}");
        }
    }
}
