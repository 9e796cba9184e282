use core::time::Duration;
use std::{collections::HashMap, string::String, thread, vec::Vec};

use proptest::prelude::*;

use super::{ExactLimiter, OnSaturation};
use crate::{
    limit::reference::{Answer, Bucket},
    quota::{
        Quota,
        tests::{any_quota, edgy_u32},
    },
    test_support::rounds,
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
    Charge(u32),
    /// Units reserved, and how many it were in the end.
    Reserve(u32, u32),
    Cancel(u32),
    Forget,
    SetQuota(Quota),
    SetKeyQuota(Quota),
    ClearKeyQuota,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Check(1)),
        2 => edgy_u32().prop_map(Op::Check),
        1 => edgy_u32().prop_map(Op::Peek),
        1 => edgy_u32().prop_map(Op::Refund),
        1 => edgy_u32().prop_map(Op::Charge),
        1 => (edgy_u32(), edgy_u32()).prop_map(|(n, actual)| Op::Reserve(n, actual)),
        1 => edgy_u32().prop_map(Op::Cancel),
    ]
}

/// What operators do as well.
fn any_deed() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => any_op(),
        1 => Just(Op::Forget),
        1 => any_quota().prop_map(Op::SetQuota),
        2 => any_quota().prop_map(Op::SetKeyQuota),
        1 => Just(Op::ClearKeyQuota),
    ]
}

/// A bucket for each key, and the quotas that keys have of their own.
#[derive(Clone)]
struct Model {
    quota: Quota,
    max_debt: u32,
    buckets: HashMap<u8, Bucket>,
    own: HashMap<u8, Quota>,
}

impl Model {
    fn new(quota: Quota, max_debt: u32) -> Self {
        Self { quota, max_debt, buckets: HashMap::new(), own: HashMap::new() }
    }

    fn bucket(&mut self, key: u8) -> &mut Bucket {
        let fresh = Bucket::with_debt(self.quota, self.max_debt);
        self.buckets.entry(key).or_insert(fresh)
    }

    fn carry_over(&mut self, key: u8, quota: Quota, now: Timestamp) {
        let to = Bucket::with_debt(quota, self.max_debt);
        let bucket = self.bucket(key);
        *bucket = bucket.carried_over(to, now);
    }

    /// Does the same to the limiter and to the model, and compares all there is to compare.
    fn play(
        &mut self,
        limiter: &ExactLimiter<u8>,
        key: u8,
        op: Op,
        now: Timestamp,
    ) -> Result<(), TestCaseError> {
        match op {
            Op::Check(n) => {
                let decision = limiter.check_n(&key, n, now);
                prop_assert!(!decision.is_saturated());
                prop_assert_eq!(Answer::from(decision), self.bucket(key).check_n(n, now));
            }
            Op::Peek(n) => {
                let expected = self.bucket(key).clone().check_n(n, now).admitted;
                prop_assert_eq!(limiter.peek_n(&key, n, now).is_admitted(), expected);
            }
            Op::Refund(n) => {
                limiter.refund_n(&key, n, now);
                self.bucket(key).refund_n(n, now);
            }
            Op::Charge(n) => {
                limiter.charge_n(&key, n, now);
                self.bucket(key).charge_n(n, now);
            }
            Op::Reserve(n, actual) => {
                let expected = self.bucket(key).check_n(n, now);
                match limiter.reserve_n(&key, n, now) {
                    Ok(reservation) => {
                        prop_assert_eq!(reservation.units(), n);
                        limiter.settle(&key, reservation, actual, now);
                        self.bucket(key).refund_n(n.saturating_sub(actual), now);
                        self.bucket(key).charge_n(actual.saturating_sub(n), now);
                        prop_assert!(expected.admitted);
                    }
                    Err(decision) => prop_assert_eq!(Answer::from(decision), expected),
                }
            }
            Op::Cancel(n) => {
                let admitted = self.bucket(key).check_n(n, now).admitted;
                let reservation = limiter.reserve_n(&key, n, now);
                prop_assert_eq!(reservation.is_ok(), admitted);
                if let Ok(reservation) = reservation {
                    limiter.cancel(&key, reservation, now);
                    self.bucket(key).refund_n(n, now);
                }
            }
            Op::Forget => {
                limiter.forget(&key);
                prop_assert!(!limiter.forget(&key), "twice");
                self.buckets.remove(&key);
                self.own.remove(&key);
            }
            Op::SetQuota(quota) => {
                limiter.set_quota(quota, now);
                prop_assert_eq!(limiter.quota(), quota);
                let keys: Vec<u8> = self.buckets.keys().copied().collect();
                for key in keys {
                    if !self.own.contains_key(&key) {
                        self.carry_over(key, quota, now);
                    }
                }
                self.quota = quota;
            }
            Op::SetKeyQuota(quota) => {
                prop_assert_eq!(limiter.set_key_quota(&key, quota, now), Ok(()));
                self.carry_over(key, quota, now);
                self.own.insert(key, quota);
            }
            Op::ClearKeyQuota => {
                let own = self.own.remove(&key);
                prop_assert_eq!(limiter.clear_key_quota(&key, now), own);
                if own.is_some() {
                    self.carry_over(key, self.quota, now);
                }
            }
        }
        prop_assert_eq!(limiter.key_quota(&key), self.own.get(&key).copied());
        Ok(())
    }
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

    /// With room for all, every key has a bucket of its own that equals the reference, whatever is
    /// done to it and whatever quotas it has in turn; I2 of the rates.
    #[test]
    fn each_key_equals_a_bucket_of_its_own(
        quota in any_quota(),
        max_debt in prop_oneof![Just(0), edgy_u32()],
        ops in prop::collection::vec((0..5_u8, any_deed(), any_leap()), 1..60),
    ) {
        let limiter: ExactLimiter<u8> = ExactLimiter::new(quota, 5).max_debt(max_debt);
        let mut model = Model::new(quota, max_debt);
        let mut nanos = 1_u64 << 50;
        for (key, op, step) in ops {
            nanos = nanos.saturating_add_signed(step);
            model.play(&limiter, key, op, Timestamp::from_nanos(nanos))?;
        }
    }

    /// I1 and I4 of the shard: with too few places nobody ever gets more than a bucket of its own would
    /// give, at any skew of up to a second; and whoever is told to wait for a place is not in debt.
    #[test]
    fn a_crowd_never_gets_more_than_buckets_of_their_own(
        quota in any_quota(),
        capacity in 0..4_usize,
        ops in prop::collection::vec((0..8_u8, any_crowded(), any_step()), 1..80),
    ) {
        let limiter: ExactLimiter<u8> = ExactLimiter::new(quota, capacity).max_debt(3);
        let mut model = Model::new(quota, 3);
        let mut nanos = 1_u64 << 50;
        for (key, op, step) in ops {
            nanos = nanos.saturating_add_signed(step);
            let now = Timestamp::from_nanos(nanos);
            match op {
                Op::Charge(n) => {
                    let lost = limiter.times_saturated();
                    limiter.charge_n(&key, n, now);
                    if limiter.times_saturated() == lost {
                        model.bucket(key).charge_n(n, now);
                    }
                }
                // Where there is no place nothing is changed.
                Op::SetKeyQuota(quota) if limiter.set_key_quota(&key, quota, now).is_ok() => {
                    model.carry_over(key, quota, now);
                    model.own.insert(key, quota);
                }
                Op::ClearKeyQuota => model.play(&limiter, key, op, now)?,
                Op::Reserve(n, actual) => {
                    if let Ok(reservation) = limiter.reserve_n(&key, n, now) {
                        prop_assert!(model.bucket(key).check_n(n, now).admitted, "{key} at {now:?}");
                        // Less, so that it finds its place again or needs none.
                        let actual = actual.min(n);
                        limiter.settle(&key, reservation, actual, now);
                        model.bucket(key).refund_n(n - actual, now);
                    }
                }
                Op::Check(n) => {
                    let decision = limiter.check_n(&key, n, now);
                    if decision.is_admitted() {
                        prop_assert!(model.bucket(key).check_n(n, now).admitted, "{key} at {now:?}");
                    }
                    prop_assert_eq!(decision.is_denied(), !decision.standing().retry_after().is_zero());
                }
                _ => {}
            }
            prop_assert_eq!(limiter.key_quota(&key), model.own.get(&key).copied(), "never lost");
            prop_assert!(limiter.len() <= capacity);
        }
    }
}

/// What is done where places are few.
fn any_crowded() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (1..4_u32).prop_map(Op::Check),
        1 => (1..8_u32).prop_map(Op::Charge),
        1 => (1..4_u32, 0..4_u32).prop_map(|(n, actual)| Op::Reserve(n, actual)),
        1 => any_quota().prop_map(Op::SetKeyQuota),
        1 => Just(Op::ClearKeyQuota),
    ]
}

#[test]
fn keys_do_not_share() {
    let limiter: ExactLimiter<String> = ExactLimiter::new(Quota::per_second(1), 10);
    assert!(limiter.is_empty());
    for key in ["a", "b", "c"] {
        assert!(limiter.check(key, at(0)).is_admitted());
        assert!(limiter.check(key, at(0)).is_denied());
    }
    assert_eq!((limiter.len(), limiter.is_empty()), (3, false));
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
    // As documented, without the quotas of single keys.
    for capacity in [2_048, 5_000, 100_000] {
        let limiter: ExactLimiter<u64> = ExactLimiter::new(Quota::per_day(1), capacity);
        let each = limiter.own_quotas(0).memory_bytes() as f64 / capacity as f64;
        assert!((70.0..=95.0).contains(&each), "{each} for each of {capacity}");
    }
    // And these with 72 bytes in every thousand places.
    let with = |quotas| {
        let limiter: ExactLimiter<u64> = ExactLimiter::new(Quota::per_day(1), 1_000);
        limiter.own_quotas(quotas).memory_bytes()
    };
    assert_eq!(with(64) - with(4), 60 * 72);
}

#[test]
fn threads_take_exactly_what_each_key_has() {
    const KEYS: u32 = rounds(20, 2);
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(1).burst(50), 64);
    let admitted: usize = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..200 * KEYS)
                        .filter(|i| limiter.check(&(i % KEYS), at(0)).is_admitted())
                        .count()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(admitted, KEYS as usize * 50);
}

/// A limiter in a log line neither fills the log nor tells its keys.
#[test]
fn debug_is_short_and_tells_no_key() {
    let limiter: ExactLimiter<String> = ExactLimiter::new(Quota::per_second(1), 10_000);
    assert!(limiter.check("a secret", at(0)).is_admitted());
    let shown = std::format!("{limiter:?}");
    assert!(shown.len() < 400 && !shown.contains("secret"), "{shown}");
}
