//! Many at once is one by one.

use core::net::IpAddr;
use std::{vec, vec::Vec};

use proptest::prelude::*;

use super::nets;
use crate::{
    cidr::{CidrSet, tests_model::any_addr},
    test_support::cases,
};

proptest! {
    #![proptest_config(cases(100))]

    /// Mixed families and mapped forms, and blocks of one family only.
    #[test]
    fn a_batch_is_one_by_one(
        nets in nets(), addrs in prop::collection::vec(any_addr(), 0..40), family in 0..3_u8,
    ) {
        let set: CidrSet = nets.iter().copied().collect();
        let inside = set.iter().map(|net| net.addr());
        let addrs: Vec<IpAddr> = inside.chain(addrs)
            .filter(|addr| family == 0 || addr.to_canonical().is_ipv4() == (family == 1))
            .collect();
        let addrs: Vec<IpAddr> = addrs.iter().copied().cycle().take(200).collect();
        for len in [0, 1, 2, 63, 64, 65, 127, 128, 129, 200] {
            let addrs = addrs.get(..len).unwrap_or_default();
            let expected: Vec<bool> = addrs.iter().map(|addr| set.contains(*addr)).collect();
            for noise in [false, true] {
                let mut found = vec![noise; addrs.len()];
                set.contains_batch(addrs, &mut found);
                prop_assert_eq!(&found, &expected);
                // One place more and one less: nothing beyond the shorter slice is touched or lost.
                let mut longer = vec![noise; addrs.len() + 1];
                set.contains_batch(addrs, &mut longer);
                prop_assert_eq!((&longer[..addrs.len()], longer[addrs.len()]), (&expected[..], noise));
                let mut shorter = vec![noise; addrs.len().saturating_sub(1)];
                set.contains_batch(addrs, &mut shorter);
                prop_assert_eq!(&shorter[..], &expected[..shorter.len()]);
            }
        }
    }
}
