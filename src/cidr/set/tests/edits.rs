//! Changes, one by one and many at once, against the reference and against building anew.

use std::vec::Vec;

use ipnet::IpNet;
use proptest::{prelude::*, test_runner::Config};

use super::{both, check, nets, some_net};
use crate::{
    cidr::{CidrEdit, CidrSet},
    test_support::cases,
};

fn edits() -> impl Strategy<Value = Vec<CidrEdit<()>>> {
    let edit = (some_net(), prop::bool::weighted(0.6)).prop_map(|(net, insert)| {
        if insert { CidrEdit::Insert(net, ()) } else { CidrEdit::Remove(net) }
    });
    prop::collection::vec(edit, 0..12)
}

/// More than tables have room for that are compiled as a whole.
const MANY: u32 = 5_000;

/// Ranges far apart, so that the set is large and changes touch parts of it.
fn many() -> impl Iterator<Item = IpNet> {
    let v4 = (0..MANY).map(|n| ((n << 19) | (n % 7)).to_be_bytes());
    let v6 = (0..u128::from(MANY)).map(|n| ((n << 92) | (n % 7)).to_be_bytes());
    v4.map(|octets| core::net::IpAddr::from(octets).into())
        .chain(v6.map(|octets| core::net::IpAddr::from(octets).into()))
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn incremental_equals_rebuilt(nets in nets(), edits in edits()) {
        let (mut set, mut reference) = both(&nets);
        let (mut at_once, mut by_parts) = (set.clone(), set.clone());
        for edit in &edits {
            let before = reference.clone();
            let changed = match edit {
                CidrEdit::Insert(net, ()) => {
                    reference.insert(*net);
                    set.insert(*net)
                }
                CidrEdit::Remove(net) => {
                    reference.remove(net);
                    set.remove(net)
                }
            };
            prop_assert_eq!(changed, before != reference, "{:?}", edit);
            check(&set, &reference)?;
        }
        at_once.apply(edits.iter().cloned());
        check(&at_once, &reference)?;
        by_parts.apply_to_parts(edits);
        check(&by_parts, &reference)?;
        prop_assert_eq!(&at_once, &set);
        prop_assert_eq!(&reference.prefixes().into_iter().collect::<CidrSet>(), &set);
    }

    #[test]
    fn extending_is_adding_each(nets in nets(), more in nets()) {
        let (mut set, mut reference) = both(&nets);
        set.extend(more.iter().copied());
        more.iter().for_each(|net| reference.insert(*net));
        check(&set, &reference)?;
        set.extend(&set.clone());
        check(&set, &reference)?;
        set.clear();
        prop_assert_eq!(&set, &CidrSet::new());
        prop_assert_eq!(set.memory_bytes(), size_of::<CidrSet>());
    }
}

proptest! {
    #![proptest_config(Config { cases: 8, ..cases(8) })]

    /// As above, where the set is so large that its parts are changed rather than the whole.
    #[test]
    fn changes_of_parts_of_a_large_set_are_exact(edits in edits(), near in prop::collection::vec((0..2 * MANY as usize, 0..3_u8, any::<bool>()), 1..12)) {
        let all: Vec<IpNet> = many().collect();
        let (set, mut reference) = both(&all);
        prop_assert!(set.memory_bytes() >= (256 + 128) << 10, "has no parts");
        let near = near.into_iter().map(|(at, up, insert)| {
            let net = all[at];
            let net = IpNet::new(net.addr(), net.prefix_len() - up * 6).unwrap();
            if insert { CidrEdit::Insert(net, ()) } else { CidrEdit::Remove(net) }
        });
        let edits: Vec<_> = near.chain(edits).collect();
        for edit in &edits {
            match edit {
                CidrEdit::Insert(net, ()) => reference.insert(*net),
                CidrEdit::Remove(net) => reference.remove(net),
            }
        }
        let mut at_once = set.clone();
        at_once.apply(edits.iter().cloned());
        prop_assert_eq!(at_once.v4_ranges(), reference.v4_ranges());
        prop_assert_eq!(at_once.v6_ranges(), reference.v6_ranges());
        let mut one_by_one = set;
        for edit in edits {
            one_by_one.apply([edit]);
        }
        prop_assert_eq!(&one_by_one, &at_once);
    }
}

#[test]
fn removing_all_of_ipv6_leaves_ipv4_alone() {
    let mut set = CidrSet::everything();
    assert!(set.remove(&"::/0".parse().unwrap()));
    assert_eq!(set, "0.0.0.0/0".parse().unwrap());
    assert!(set.remove(&"::ffff:0:0/97".parse().unwrap()), "in its one form this is 0.0.0.0/1");
    assert_eq!(set, "128.0.0.0/1".parse().unwrap());
    assert!(set.insert("::/0".parse().unwrap()));
    assert!(!set.insert("::fffe:0:0/95".parse().unwrap()));
    assert_eq!(std::string::ToString::to_string(&set), "128.0.0.0/1\n::/0");
}

#[test]
fn an_iterator_of_changes_that_panics_changes_nothing() {
    let mut set: CidrSet = "10.0.0.0/8".parse().unwrap();
    let changed = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        let first = CidrEdit::Remove("10.0.0.0/8".parse().unwrap());
        set.apply(
            core::iter::once(first)
                .chain(core::iter::from_fn(|| std::panic::resume_unwind(std::boxed::Box::new(())))),
        );
    }));
    assert!(changed.is_err());
    assert_eq!(set, "10.0.0.0/8".parse().unwrap());
}
