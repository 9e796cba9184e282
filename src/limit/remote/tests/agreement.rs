//! Any sequence of events; the same check is fuzzed.

use std::vec::Vec;

use proptest::prelude::*;

use crate::limit::remote::reference::agreement;

fn operation() -> impl Strategy<Value = [u8; 4]> {
    let edge =
        || prop_oneof![Just(0), Just(1), Just(2), Just(127), Just(128), Just(255), any::<u8>()];
    (any::<u8>(), any::<u8>(), edge(), edge())
        .prop_map(|(kind, one, two, three)| [kind, one, two, three])
}

fn story() -> impl Strategy<Value = Vec<u8>> {
    // Few subjects meet, many displace each other.
    let fleet = (any::<u8>(), any::<u8>(), any::<u8>(), prop_oneof![1_u8..=3, Just(255)]);
    let fleet = fleet.prop_map(|(nodes, quotas, lease, keys)| [nodes, quotas, lease, keys]);
    (fleet, prop::collection::vec(operation(), 0..400))
        .prop_map(|(fleet, operations)| [fleet].into_iter().chain(operations).flatten().collect())
}

proptest! {
    #![proptest_config(crate::test_support::cases(256))]

    #[test]
    fn a_fleet_keeps_its_promises_in_any_sequence_of_events(story in story()) {
        agreement::check(&story);
    }
}
