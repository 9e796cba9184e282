use core::time::Duration;
use std::{collections::HashMap, string::String, thread, vec::Vec};

use proptest::prelude::*;

use super::{ExactLimiter, OnSaturation};
use crate::{
    limit::reference::Bucket,
    quota::{
        Quota,
        tests::{any_quota, edgy_u32},
    },
    time::Timestamp,
};

const SECOND: Duration = Duration::from_secs(1);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Check(u32),
    Peek(u32),
    Refund(u32),
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Check(1)),
        2 => edgy_u32().prop_map(Op::Check),
        1 => edgy_u32().prop_map(Op::Peek),
        1 => edgy_u32().prop_map(Op::Refund),
    ]
}

/// Steps of the clock to anywhere: with room for all, nothing is forgotten.
fn any_leap() -> impl Strategy<Value = i64> {
    prop_oneof![3 => any_step(), 1 => (0..63_u32).prop_map(|bit| -(1 << bit)), 1 => any::<i64>()]
}

/// Steps of the clock: mostly forward, small steps back that clocks may disagree by.
fn any_step() -> impl Strategy<Value = i64> {
    prop_oneof![
        2 => Just(0_i64),
        4 => 0..3_000_000_000_i64,
        2 => (0..50_u32).prop_map(|bit| 1 << bit),
        1 => -1_000_000_i64..0,
    ]
}

proptest! {
    #![proptest_config(crate::test_support::cases(1_000))]

    /// With room for all, every key has a bucket of its own that equals the reference.
    #[test]
    fn each_key_equals_a_bucket_of_its_own(
        quota in any_quota(),
        ops in prop::collection::vec((0..5_u8, any_op(), any_leap()), 1..60),
    ) {
        let limiter: ExactLimiter<u8> = ExactLimiter::new(quota, 5);
        let mut model: HashMap<u8, Bucket> = HashMap::new();
        let mut nanos = 1_u64 << 50;
        for (key, op, step) in ops {
            nanos = nanos.saturating_add_signed(step);
            let now = Timestamp::from_nanos(nanos);
            let reference = model.entry(key).or_insert_with(|| Bucket::new(quota));
            match op {
                Op::Check(n) => {
                    let decision = limiter.check_n(&key, n, now);
                    let expected = reference.check_n(n, now);
                    prop_assert_eq!(decision.is_admitted(), expected.admitted);
                    prop_assert_eq!(decision.standing().retry_after(), expected.retry_after);
                    prop_assert!(!decision.is_saturated());
                }
                Op::Peek(n) => {
                    let expected = reference.clone().check_n(n, now).admitted;
                    prop_assert_eq!(limiter.peek_n(&key, n, now).is_admitted(), expected);
                }
                Op::Refund(n) => {
                    limiter.refund_n(&key, n, now);
                    reference.refund_n(n, now);
                }
            }
        }
    }

    /// I1 and I4 of the shard: with too few places nobody ever gets more than a bucket of its own would give, at any skew of
    /// up to a second; and whoever is told to wait for a place is not in debt.
    #[test]
    fn a_crowd_never_gets_more_than_buckets_of_their_own(
        quota in any_quota(),
        capacity in 0..4_usize,
        ops in prop::collection::vec((0..8_u8, 1..4_u32, any_step()), 1..80),
    ) {
        let limiter: ExactLimiter<u8> = ExactLimiter::new(quota, capacity);
        let mut model: HashMap<u8, Bucket> = HashMap::new();
        let mut nanos = 1_u64 << 50;
        for (key, n, step) in ops {
            nanos = nanos.saturating_add_signed(step);
            let now = Timestamp::from_nanos(nanos);
            let reference = model.entry(key).or_insert_with(|| Bucket::new(quota));
            let decision = limiter.check_n(&key, n, now);
            if decision.is_admitted() {
                prop_assert!(reference.check_n(n, now).admitted, "{key} at {now:?}");
            }
            prop_assert!(limiter.len() <= capacity);
            prop_assert_eq!(decision.is_denied(), !decision.standing().retry_after().is_zero());
        }
    }
}

#[test]
fn keys_do_not_share() {
    let limiter: ExactLimiter<String> = ExactLimiter::new(Quota::per_second(1), 10);
    assert!(limiter.is_empty());
    for key in ["a", "b", "c"] {
        assert!(limiter.check(key, at(0)).is_admitted());
        assert!(limiter.check(key, at(0)).is_denied());
    }
    assert_eq!(limiter.len(), 3);
    limiter.refund_n("a", 1, at(0));
    limiter.refund_n("nobody", 1, at(0));
    assert!(limiter.peek_n("a", 1, at(0)).is_admitted());
    assert!(limiter.peek_n("nobody", 1, at(0)).is_admitted());
    assert_eq!(limiter.len(), 3, "peeks and refunds take no place");
}

/// I1 of the shard: a place is reused when its bucket is full, not before.
#[test]
fn a_full_limiter_reuses_only_places_of_full_buckets() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(1).burst(2), 2);
    assert!(limiter.check_n(&1, 2, at(0)).is_admitted());
    assert!(limiter.check_n(&2, 1, at(0)).is_admitted());

    let decision = limiter.check(&3, at(0));
    assert!(decision.is_denied() && decision.is_saturated());
    assert_eq!(decision.standing().retry_after(), SECOND);
    assert_eq!(limiter.times_saturated(), 1);
    assert!(limiter.check(&3, at(999)).is_saturated());

    assert!(limiter.check(&3, at(1_000)).is_admitted(), "2 is full again and gives way");
    assert!(limiter.check_n(&1, 2, at(1_000)).is_denied(), "1 still owes a second");
    assert!(limiter.check(&2, at(1_000)).is_saturated());
    assert_eq!(limiter.len(), 2);
}

#[test]
fn on_saturation_is_the_callers_choice() {
    let limiter: ExactLimiter<u32> =
        ExactLimiter::new(Quota::per_second(1), 1).on_saturation(OnSaturation::Allow);
    assert!(limiter.check(&1, at(0)).is_admitted());
    for _ in 0..3 {
        let decision = limiter.check(&2, at(0));
        assert!(decision.is_admitted() && decision.is_saturated());
        assert_eq!(decision.standing().retry_after(), Duration::ZERO);
        assert_eq!(decision.standing().remaining(), 0);
    }
    assert!(limiter.check(&1, at(0)).is_denied(), "who has a place is limited as ever");

    let nobody: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(1), 0);
    assert!(nobody.check(&1, at(0)).is_saturated());
}

/// An exhausted key gets nothing back from any number of fresh keys.
#[test]
fn a_flood_of_fresh_keys_resets_nobody() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(10).burst(5), 100);
    assert!(limiter.check_n(&u32::MAX, 5, at(0)).is_admitted());
    let mut regained = 0;
    for flood in 0..100_000_u32 {
        // 100 µs a key: 10 s in all.
        let now = at(u64::from(flood) / 10);
        let _ = limiter.check(&flood, now);
        regained += u32::from(limiter.check(&u32::MAX, now).is_admitted());
    }
    assert!(regained <= 100, "10 a second for 10 s, got {regained}");
    assert!(regained >= 99, "and not locked out either: {regained}");
}

/// A clock that was set back by an hour locks neither the keys that are there nor new ones out.
#[test]
fn a_clock_set_back_frees_all_places_after_one_burst() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(1).burst(2), 1_000);
    let late = Timestamp::from_secs(1_000_000);
    for key in 0..1_000 {
        assert!(limiter.check_n(&key, 2, late).is_admitted());
    }
    let early = late.saturating_sub(Duration::from_secs(3_600));
    assert!(limiter.check(&1_000, early).is_saturated());
    assert!(limiter.check(&0, early).is_denied(), "healed to an empty bucket, not to a full one");
    let filled = early.saturating_add(2 * SECOND);
    for key in 1_000..1_999 {
        assert!(limiter.check(&key, filled).is_admitted(), "{key}");
    }
}

/// As above, where some places were still free when the clock stepped back: those who take them then
/// do not hide the others.
#[test]
fn a_clock_set_back_frees_places_beside_lawful_ones() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(10), 1_000);
    let late = Timestamp::from_secs(1_000_000);
    for key in 0..999 {
        assert!(limiter.check(&key, late).is_admitted());
    }
    let mut denied = 0;
    for newcomer in 0..2_000_u32 {
        // An hour back, 20 a second.
        let now = Timestamp::from_millis(996_400_000 + u64::from(newcomer) * 50);
        denied += u32::from(limiter.check(&(10_000 + newcomer), now).is_denied());
    }
    assert!(denied <= 20, "{denied} of 2,000; each of them heals 64 places");
}

/// What a refund frees is free at once.
#[test]
fn a_refund_frees_the_place() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_day(1).burst(2), 2);
    assert!(limiter.check_n(&1, 2, at(0)).is_admitted());
    assert!(limiter.check_n(&2, 1, at(0)).is_admitted());
    assert!(limiter.check(&3, at(0)).is_saturated());
    limiter.refund_n(&1, 2, at(0));
    assert!(limiter.check(&3, at(1)).is_admitted());
    assert!(limiter.check(&1, at(1)).is_saturated());
}

/// I1 of the shard, where time ends: a debt that can never be paid keeps its place.
#[test]
fn nothing_is_forgiven_at_the_end_of_time() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(1), 1);
    assert!(limiter.check(&1, Timestamp::MAX).is_admitted());
    for _ in 0..100 {
        assert!(limiter.check(&2, Timestamp::MAX).is_saturated());
        assert!(limiter.check(&1, Timestamp::MAX).is_denied());
    }
}

/// I5 of the shard: whoever finds more stale entries in front of it than it may look at is turned
/// away, and each try brings the agenda closer to the truth.
#[test]
fn a_claim_looks_at_a_bounded_number_of_places() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(10).burst(10), 500);
    for key in 0..499 {
        assert!(limiter.check(&key, at(0)).is_admitted());
    }
    assert!(limiter.check(&499, at(40)).is_admitted());
    // All but that last one come again: their times in the agenda are stale, and before its.
    for key in 0..499 {
        assert!(limiter.check_n(&key, 5, at(90)).is_admitted());
    }
    let tries = (0..20).position(|_| limiter.check(&1_000, at(260)).is_admitted());
    assert_eq!(tries, Some(499 / 64), "64 places a try");
}

#[test]
fn a_denied_newcomer_takes_no_place() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(5), 1);
    let decision = limiter.check_n(&1, 6, at(0));
    assert!(decision.is_denied() && !decision.is_saturated());
    assert_eq!(decision.standing().retry_after(), Duration::MAX);
    assert_eq!(decision.standing().remaining(), 5);
    assert!(limiter.check_n(&1, 0, at(0)).is_admitted());
    assert!(limiter.is_empty());
}

#[test]
fn capacity_holds_at_every_size_and_memory_is_what_it_says() {
    for capacity in [1, 7, 1_023, 1_024, 5_000, 100_000] {
        let limiter: ExactLimiter<u64> = ExactLimiter::new(Quota::per_day(1), capacity);
        let empty = limiter.memory_bytes();
        for key in 0..capacity as u64 {
            assert!(limiter.check(&key, at(0)).is_admitted(), "{key} of {capacity}");
        }
        assert_eq!(limiter.len(), capacity);
        assert!(limiter.capacity() >= capacity && limiter.capacity() <= capacity + capacity / 4);
        assert_eq!(limiter.memory_bytes(), empty, "nothing grows");
    }
}

#[test]
fn threads_take_exactly_what_each_key_has() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(1).burst(50), 64);
    let admitted: usize = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..4_000_u32).filter(|i| limiter.check(&(i % 20), at(0)).is_admitted()).count()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(admitted, 20 * 50);
}

/// A limiter in a log line neither fills the log nor tells its keys.
#[test]
fn debug_is_short_and_tells_no_key() {
    let limiter: ExactLimiter<String> = ExactLimiter::new(Quota::per_second(1), 10_000);
    assert!(limiter.check("a secret", at(0)).is_admitted());
    let shown = std::format!("{limiter:?}");
    assert!(shown.len() < 400 && !shown.contains("secret"), "{shown}");
}
