//! I3: without saturation, collisions and steps back, the store is the reference.

use core::time::Duration;
use std::{string::ToString, vec::Vec};

use proptest::prelude::*;

use super::{SEEDS, at};
use crate::{
    limit::{
        keyed::{Capacity, KeyedLimiter},
        reference::{Answer, Keyed},
    },
    quota::Quota,
    test_support::cases,
    time::Timestamp,
};

#[derive(Clone, Debug)]
enum Operation {
    Check(u32),
    Peek(u32),
    Refund(u32),
    Charge(u32),
    /// Reserve so many, and settle at so many.
    Reserve(u32, u32),
    Forgive,
}

#[derive(Clone, Debug)]
enum Move {
    Stay,
    /// To where the last denial said, less so many nanoseconds.
    Wait(u64),
    Forward(u64),
}

fn units() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..4_u32, 2 => 0..100_u32, 1 => any::<u32>(), 1 => Just(u32::MAX)]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => units().prop_map(Operation::Check),
        2 => units().prop_map(Operation::Peek),
        2 => units().prop_map(Operation::Refund),
        2 => units().prop_map(Operation::Charge),
        2 => (units(), units()).prop_map(|(n, actual)| Operation::Reserve(n, actual)),
        1 => Just(Operation::Forgive),
    ]
}

fn step() -> impl Strategy<Value = Move> {
    prop_oneof![
        4 => Just(Move::Stay),
        4 => (0..3_u64).prop_map(Move::Wait),
        4 => (0..2_000_000_000_u64).prop_map(Move::Forward),
        2 => (0..1_u64 << 50).prop_map(Move::Forward),
        1 => any::<u64>().prop_map(Move::Forward),
    ]
}

/// Quotas inside the range, with its edges.
fn quota() -> impl Strategy<Value = Quota> {
    prop_oneof![
        Just(Quota::per_day(1).burst(1_000_000)),
        Just(Quota::per_second(1_000_000).burst(1_000_000)),
        Just(Quota::per_minute(100).burst(20)),
        (1..2_000_u32, 1..50_u32).prop_map(|(count, burst)| Quota::per_second(count).burst(burst)),
        (1..50_u32, 1..50_u32).prop_map(|(count, burst)| Quota::per_hour(count).burst(burst)),
        (0..3_u32, 0..3_u32).prop_map(|(count, burst)| Quota::per_day(count).burst(burst)),
        (1..4_000_000_000_u32, any::<u32>(), 1..1_u64 << 61).prop_filter_map(
            "in the range",
            |(count, burst, period)| {
                let quota = Quota::new(count, Duration::from_nanos(period)).ok()?.burst(burst);
                Keyed::new(quota, 100).map(|_| quota)
            }
        ),
    ]
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn every_decision_is_the_reference_s(
        quota in quota(),
        debt in prop_oneof![Just(0), 0..100_u32],
        start in prop_oneof![Just(0), 0..1_u64 << 60],
        story in prop::collection::vec((step(), 0..5_u64, operation()), 1..60),
    ) {
        let capacity = Capacity::keys(60);
        let Ok(store) = KeyedLimiter::danger_with_seeds(quota, debt, capacity, SEEDS) else {
            return Ok(());
        };
        let mut model = Keyed::new(quota, debt).unwrap();
        let (mut now, mut wait) = (Timestamp::from_nanos(start), Duration::ZERO);
        for (step, key, operation) in story {
            now = match step {
                Move::Stay => now,
                Move::Wait(short) => now.saturating_add(wait.saturating_sub(Duration::from_nanos(short))),
                Move::Forward(nanos) => now.saturating_add(Duration::from_nanos(nanos)),
            };
            match operation {
                Operation::Check(n) => {
                    let given = Answer::from(store.check_n(&key, n, now));
                    prop_assert_eq!(given, model.check_n(key, n, now), "{} of {} at {:?}", n, quota, now);
                    wait = if given.retry_after == Duration::MAX { Duration::ZERO } else { given.retry_after };
                }
                Operation::Peek(n) => {
                    prop_assert_eq!(Answer::from(store.peek_n(&key, n, now)), model.peek_n(key, n, now));
                }
                Operation::Refund(n) => {
                    store.refund_n(&key, n, now);
                    model.refund_n(key, n, now);
                }
                Operation::Charge(n) => {
                    let _ = store.charge_n(&key, n, now);
                    model.charge_n(key, n, now);
                }
                Operation::Reserve(n, actual) => {
                    let reserved = store.reserve_n(&key, n, now);
                    prop_assert_eq!(reserved.is_ok(), model.check_n(key, n, now).admitted);
                    let Ok(reservation) = reserved else { continue };
                    store.settle(&key, reservation, actual, now);
                    match actual.checked_sub(n) {
                        Some(more) => model.charge_n(key, more, now),
                        None => model.refund_n(key, n - actual, now),
                    }
                }
                Operation::Forgive => {
                    store.forgive(&key, now);
                    model.forgive(key, now);
                }
            }
        }
        prop_assert_eq!(store.stats(now).times_unseated(), 0);
    }

    /// A wait is exact: it succeeds, and a nanosecond less does not.
    #[test]
    fn a_wait_is_neither_early_nor_late(quota in quota(), start in 0..1_u64 << 60, n in 1..20_u32) {
        prop_assume!(!quota.is_zero());
        let store = KeyedLimiter::danger_with_seeds(quota, 0, Capacity::keys(10), SEEDS).unwrap();
        let now = Timestamp::from_nanos(start);
        prop_assert!(store.check_n("key", quota.max_burst(), now).is_admitted());
        let decision = store.check_n("key", n.min(quota.max_burst()), now);
        prop_assert!(decision.is_denied() && !decision.is_saturated());
        let wait = decision.standing().retry_after();
        prop_assume!(wait < Duration::MAX);
        let then = now.saturating_add(wait);
        let n = n.min(quota.max_burst());
        prop_assert!(store.peek_n("key", n, then.saturating_sub(Duration::from_nanos(1))).is_denied());
        prop_assert!(store.peek_n("key", n, then).is_admitted());
    }
}

/// The documented range is held at its ends, and refused beyond.
#[test]
fn quotas_out_of_range_are_refused() {
    let built = |quota| KeyedLimiter::new(quota, Capacity::keys(10));
    for quota in [
        Quota::per_day(1).burst(1_000_000),
        Quota::per_second(1_000_000).burst(1_000_000),
        Quota::per_second(15_625_000),
        Quota::new(1, Quota::LONGEST_PERIOD).unwrap(),
        Quota::per_second(1).burst(1 << 27),
        Quota::per_second(0),
    ] {
        assert!(built(quota).is_ok(), "{quota}");
    }
    for quota in [
        Quota::per_second(15_700_000),
        Quota::per_second(u32::MAX),
        Quota::per_second(1).burst((1 << 27) + 1),
    ] {
        let error = built(quota).unwrap_err();
        assert!(error.to_string().contains("64 ns"), "{error}");
    }
}

/// A rate is the quota's, exactly: after any whole number of intervals, as many units are back.
#[test]
fn the_rate_is_exact() {
    for (quota, nanos) in [
        (Quota::per_minute(100).burst(20), 600_000_000_u64),
        (Quota::per_second(1_000).burst(1_000), 1_000_000),
        (Quota::per_second(1_000_000).burst(1_000_000), 1_000),
        (Quota::per_day(1).burst(1_000_000), 86_400_000_000_000),
    ] {
        let store = KeyedLimiter::new(quota, Capacity::keys(10)).unwrap();
        let burst = quota.max_burst();
        let start = at(5_000);
        assert!(store.check_n("key", burst, start).is_admitted());
        // One nanosecond late, because the clock of ticks is rounded to the slower side.
        for units in [1_u32, 3, 17] {
            let then = start.saturating_add(Duration::from_nanos(nanos * u64::from(units) + 1));
            assert!(store.peek_n("key", units, then).is_admitted(), "{quota}: {units}");
            assert!(store.peek_n("key", units + 1, then).is_denied(), "{quota}: {units}");
        }
    }
}

#[test]
fn keys_of_all_kinds_are_told_apart() {
    let store = KeyedLimiter::new(Quota::per_second(1), Capacity::keys(100)).unwrap();
    let now = at(1);
    let texts = ["a", "b", "ab", ""];
    let admitted: Vec<_> = texts.iter().map(|key| store.check(*key, now).is_admitted()).collect();
    assert_eq!(admitted, [true; 4]);
    assert!(store.check(&("a", 1), now).is_admitted());
    assert!(store.check(&("a", 1), now).is_denied());
    assert!(store.check(&std::net::Ipv4Addr::LOCALHOST, now).is_admitted());
}
