//! Sets of sets: what two of them have in common, and what not. The runs of both are walked together.

use core::{
    hash::{Hash, Hasher},
    ops::{BitAnd, BitOr, BitXor, Not, Sub},
};

use super::CidrSet;
use crate::cidr::{
    addr::Bits,
    runs::{Run, Runs},
    table::Table,
};

impl CidrSet {
    /// The addresses that are in one of the sets or in both; also written `a | b`.
    ///
    /// # Cost
    /// `O(n + m)` for sets of `n` and `m` ranges, as for all operations on two sets.
    ///
    /// # Example: two lists, one set
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let (a, b): (CidrSet, CidrSet) = ("10.0.0.0/9\n::1".parse()?, "10.128.0.0/9".parse()?);
    /// assert_eq!(a.union(&b).to_string(), "10.0.0.0/8\n::1/128");
    /// assert_eq!(&a | &b, a.union(&b));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    /// The addresses that are in both sets; also written `a & b`.
    ///
    /// # Example: what two lists agree on
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let (a, b): (CidrSet, CidrSet) = ("10.0.0.0/8".parse()?, "10.1.0.0/16\n11.0.0.0/8".parse()?);
    /// assert_eq!(a.intersection(&b).to_string(), "10.1.0.0/16");
    /// assert_eq!(&a & &b, a.intersection(&b));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.with(other, |a, b| a & b)
    }

    /// The addresses that are in this set and not in the other; also written `a - b`.
    ///
    /// # Example: a block list without one's own networks
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let (listed, own): (CidrSet, CidrSet) = ("192.0.2.0/24".parse()?, "192.0.2.64/26".parse()?);
    /// assert_eq!(listed.difference(&own).to_string(), "192.0.2.0/26\n192.0.2.128/25");
    /// assert_eq!(&listed - &own, listed.difference(&own));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.with(other, |a, b| a & !b)
    }

    /// The addresses that are in exactly one of the sets; also written `a ^ b`.
    ///
    /// # Example: what a new version of a list changes
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let (old, new): (CidrSet, CidrSet) = ("10.0.0.0/8\n::1".parse()?, "10.0.0.0/8\n::2".parse()?);
    /// assert_eq!(old.symmetric_difference(&new).to_string(), "::1/128\n::2/128");
    /// assert_eq!(&old ^ &new, old.symmetric_difference(&new));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn symmetric_difference(&self, other: &Self) -> Self {
        self.with(other, |a, b| a ^ b)
    }

    /// The addresses of both families that are not in the set; also written `!a`.
    ///
    /// # Example: all but one network
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let inside: CidrSet = "0.0.0.0/1\n::/0".parse()?;
    /// assert_eq!(inside.complement().to_string(), "128.0.0.0/1");
    /// assert_eq!(!&CidrSet::new(), CidrSet::everything());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn complement(&self) -> Self {
        // Everything is without the mapped addresses, which turning round each run would let in.
        Self::everything().difference(self)
    }

    /// Whether the sets have no address in common.
    ///
    /// # Cost
    /// `O(n + m)` at most: it ends where the answer is known, as do the next two.
    ///
    /// # Example: a list that must not hit one's own networks
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let (listed, own): (CidrSet, CidrSet) = ("192.0.2.0/24".parse()?, "10.0.0.0/8".parse()?);
    /// assert!(listed.is_disjoint(&own));
    /// assert!(!listed.is_disjoint(&CidrSet::everything()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.nowhere(other, |a, b| a & b)
    }

    /// Whether all addresses of this set are in the other.
    ///
    /// # Example: a part and the whole
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// let (part, whole): (CidrSet, CidrSet) = ("10.1.0.0/16".parse()?, "10.0.0.0/8".parse()?);
    /// assert!(part.is_subset(&whole));
    /// assert!(!whole.is_subset(&part));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.nowhere(other, |a, b| a & !b)
    }

    /// Whether all addresses of the other set are in this one.
    ///
    /// # Example: everything holds all
    /// ```
    /// use portcullis::cidr::CidrSet;
    ///
    /// assert!(CidrSet::everything().is_superset(&"10.0.0.0/8\n::1".parse()?));
    /// # Ok::<(), portcullis::CidrParseError>(())
    /// ```
    #[must_use]
    pub fn is_superset(&self, other: &Self) -> bool {
        other.is_subset(self)
    }

    /// The set of the addresses for which `op` says so. What neither set has, `op` must not have:
    /// then I2 holds for what comes out.
    fn with(&self, other: &Self, op: impl Fn(bool, bool) -> bool + Copy) -> Self {
        Self { v4: combined(&self.v4, &other.v4, op), v6: combined(&self.v6, &other.v6, op) }
    }

    fn nowhere(&self, other: &Self, op: impl Fn(bool, bool) -> bool + Copy) -> bool {
        pairs(&self.v4, &other.v4).all(|(_, a, b)| !op(a, b))
            && pairs(&self.v6, &other.v6).all(|(_, a, b)| !op(a, b))
    }
}

fn combined<B: Bits, T: Table<B, bool>>(a: &T, b: &T, op: impl Fn(bool, bool) -> bool) -> T {
    let runs = pairs(a, b).map(|(last, a, b)| Run { last, mark: op(a, b) });
    T::build(Runs::from_iter(runs).as_slice())
}

/// The whole space, cut where one of two tables changes its mark: up to where, and both marks.
fn pairs<'a, B: Bits, T: Table<B, bool>>(
    a: &'a T,
    b: &'a T,
) -> impl Iterator<Item = (B, bool, bool)> {
    let (mut all_a, mut all_b) = (a.runs_from(B::MIN), b.runs_from(B::MIN));
    let (mut next_a, mut next_b) = (all_a.next(), all_b.next());
    core::iter::from_fn(move || {
        let (a, b) = (next_a?, next_b?);
        let last = a.last.min(b.last);
        if a.last == last {
            next_a = all_a.next();
        }
        if b.last == last {
            next_b = all_b.next();
        }
        Some((last, a.mark, b.mark))
    })
}

/// Sets are equal if they hold the same addresses.
impl PartialEq for CidrSet {
    fn eq(&self, other: &Self) -> bool {
        // Runs are told short, so there is one list of them for a set, whatever its tables look like.
        self.v4.runs_from(u32::MIN).eq(other.v4.runs_from(u32::MIN))
            && self.v6.runs_from(u128::MIN).eq(other.v6.runs_from(u128::MIN))
    }
}

impl Eq for CidrSet {}

/// Equal sets have equal hashes, however they came about.
impl Hash for CidrSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Neighbours differ in their marks, so the first one stands for all of them, and both lists
        // end with their space, so none is the start of another.
        self.v4.mark(u32::MIN).hash(state);
        self.v4.runs_from(u32::MIN).for_each(|run| run.last.hash(state));
        self.v6.mark(u128::MIN).hash(state);
        self.v6.runs_from(u128::MIN).for_each(|run| run.last.hash(state));
    }
}

macro_rules! operators {
    ($($operator:ident $function:ident $method:ident;)*) => {$(
        #[doc = concat!("As [`", stringify!($method), "`](CidrSet::", stringify!($method), ").")]
        impl $operator for &CidrSet {
            type Output = CidrSet;

            fn $function(self, other: &CidrSet) -> CidrSet {
                self.$method(other)
            }
        }
    )*};
}

operators! {
    BitOr bitor union;
    BitAnd bitand intersection;
    BitXor bitxor symmetric_difference;
    Sub sub difference;
}

/// As [`complement`](CidrSet::complement).
impl Not for &CidrSet {
    type Output = CidrSet;

    fn not(self) -> CidrSet {
        self.complement()
    }
}
