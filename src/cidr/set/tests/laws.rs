//! Set algebra: the reference, and the laws.

use core::hash::{BuildHasher, BuildHasherDefault};
use std::hash::DefaultHasher;

use proptest::prelude::*;

use super::{both, check, nets};
use crate::{cidr::CidrSet, test_support::cases};

fn hash(set: &CidrSet) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(set)
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn operations_on_two_sets_are_those_of_the_reference(a in nets(), b in nets()) {
        let ((a, slow_a), (b, slow_b)) = (both(&a), both(&b));
        check(&a.union(&b), &slow_a.union(&slow_b))?;
        check(&a.intersection(&b), &slow_a.intersection(&slow_b))?;
        check(&a.difference(&b), &slow_a.difference(&slow_b))?;
        check(&a.symmetric_difference(&b), &slow_a.symmetric_difference(&slow_b))?;
        check(&a.complement(), &slow_a.complement())?;
        prop_assert_eq!(a.is_disjoint(&b), slow_a.intersection(&slow_b).is_empty());
        prop_assert_eq!(a.is_subset(&b), slow_a.difference(&slow_b).is_empty());
        prop_assert_eq!(a.is_superset(&b), slow_b.difference(&slow_a).is_empty());
        prop_assert_eq!(a == b, slow_a == slow_b);
    }

    #[test]
    fn the_laws_of_sets_hold(a in nets(), b in nets(), c in nets()) {
        let (all, none) = (CidrSet::everything(), CidrSet::new());
        let [a, b, c] = [a, b, c].map(|nets| nets.into_iter().collect::<CidrSet>());
        let (a, b, c) = (&a, &b, &c);
        prop_assert_eq!(!&(a | b), &!a & &!b);
        prop_assert_eq!(!&(a & b), &!a | &!b);
        prop_assert_eq!(&!&!a, a);
        prop_assert_eq!(a - b, a & &!b);
        prop_assert_eq!(a ^ b, &(a - b) | &(b - a));
        prop_assert_eq!(a | b, b | a);
        prop_assert_eq!(a & b, b & a);
        prop_assert_eq!(&(a | b) | c, a | &(b | c));
        prop_assert_eq!(&(a & b) & c, a & &(b & c));
        prop_assert_eq!(a & &(b | c), &(a & b) | &(a & c));
        prop_assert_eq!(&(a | a), a);
        prop_assert_eq!(&(a & a), a);
        prop_assert_eq!(&(a ^ a), &none);
        prop_assert_eq!(&(a | &!a), &all);
        prop_assert_eq!(&(a & &!a), &none);
        prop_assert_eq!(&(a & &all), a);
        prop_assert_eq!(&(a | &none), a);
        prop_assert!(a.is_subset(&(a | b)) && a.is_superset(&(a & b)) && a.is_disjoint(&(b - a)));
    }

    /// Equal by address is equal in hash, however the set came about.
    #[test]
    fn hashes_are_those_of_the_addresses(a in nets(), b in nets()) {
        let (set, _) = both(&a);
        let told_again: CidrSet = set.iter().collect();
        let roundabout = &(&set - &both(&b).0) | &(&set & &both(&b).0);
        prop_assert_eq!(&told_again, &set);
        prop_assert_eq!(&roundabout, &set);
        prop_assert_eq!(hash(&told_again), hash(&set));
        prop_assert_eq!(hash(&roundabout), hash(&set));
    }
}

#[test]
fn different_sets_differ_in_hash() {
    let texts = [
        "",
        "0.0.0.0/0",
        "::/0",
        "0.0.0.0/0\n::/0",
        "0.0.0.0",
        "255.255.255.255",
        "::",
        "0.0.0.0/1",
        "128.0.0.0/1",
    ];
    let hashes: std::collections::BTreeSet<_> =
        texts.iter().map(|text| hash(&text.parse().unwrap())).collect();
    assert_eq!(hashes.len(), texts.len());
}
