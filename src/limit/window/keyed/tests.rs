use core::time::Duration;
use std::{collections::HashMap, string::String, thread};

use proptest::prelude::*;

use super::KeyedWindow;
use crate::{
    limit::{
        OnSaturation,
        reference::{Answer, window::Parts},
        window::tests::{Op, any_move, any_op, any_window, moved},
    },
    test_support::{cases, rounds},
    time::Timestamp,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Millis after a time that is the beginning of a minute.
fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(60_000_000 + millis)
}

proptest! {
    #![proptest_config(cases(300))]

    /// I2 of the seats: with room for all, every key has a window of its own that equals the
    /// reference, time going anywhere.
    #[test]
    fn each_key_equals_a_window_of_its_own(
        (limit, length, parts) in any_window(),
        ops in prop::collection::vec((0..3_u8, any_op(), any_move()), 1..60),
    ) {
        let limiter: KeyedWindow<u8> = KeyedWindow::new(limit, length, parts, 3).unwrap();
        let mut model: HashMap<u8, Parts> = HashMap::new();
        let slot = (length.as_nanos() as u64).div_ceil(parts.into());
        let (mut now, mut wait, mut then) = (Timestamp::ZERO, Duration::ZERO, Timestamp::ZERO);
        for (key, op, step) in ops {
            now = moved(now, step, slot, wait);
            let reference = model.entry(key).or_insert_with(|| Parts::new(limit, length, parts));
            match op {
                Op::Check(n) => {
                    let decision = limiter.check_n(&key, n, now);
                    prop_assert_eq!(Answer::from(decision), reference.check_n(n, now));
                    prop_assert!(!decision.is_saturated());
                    wait = decision.standing().retry_after();
                    then = now;
                }
                Op::Peek(n) => {
                    let expected = reference.peek_n(n, now);
                    prop_assert_eq!(Answer::from(limiter.peek_n(&key, n, now)), expected);
                }
                Op::Refund(n) | Op::RefundThen(n) => {
                    let taken_at = if matches!(op, Op::Refund(_)) { now } else { then };
                    limiter.refund_n(&key, n, taken_at);
                    reference.refund_n(n, taken_at);
                }
            }
        }
    }

    /// I1 and I4 of the seats: with too few places nobody ever gets more than a window of its own
    /// would give, at any skew of up to a second.
    #[test]
    fn a_crowd_never_gets_more_than_windows_of_their_own(
        (limit, length, parts) in any_window(),
        capacity in 0..4_usize,
        lag in prop_oneof![1 => Just(0), 2 => 0..1_000_000_000_u64],
        ops in prop::collection::vec(
            (0..8_u8, 1..3_u32, any_move(), any::<u64>(), any::<bool>()), 1..80),
    ) {
        let limiter: KeyedWindow<u8> = KeyedWindow::new(limit, length, parts, capacity).unwrap();
        let mut model: HashMap<u8, Parts> = HashMap::new();
        let slot = (length.as_nanos() as u64).div_ceil(parts.into());
        let (mut latest, mut wait) = (Timestamp::ZERO, Duration::ZERO);
        for (key, n, step, lags, refund) in ops {
            latest = latest.max(moved(latest, step, slot, wait));
            let now = latest.saturating_sub(Duration::from_nanos(lags % (lag + 1)));
            let reference = model.entry(key).or_insert_with(|| Parts::new(limit, length, parts));
            let decision = limiter.check_n(&key, n, now);
            if decision.is_admitted() {
                prop_assert!(reference.check_n(n, now).admitted, "{} at {:?}", key, now);
                // Of clocks that agree: else one may find the unit, and the other not.
                if refund && lag == 0 {
                    limiter.refund_n(&key, 1, now);
                    reference.refund_n(1, now);
                }
            }
            wait = decision.standing().retry_after();
            prop_assert!(limiter.len() <= capacity);
            prop_assert_eq!(decision.is_denied(), !wait.is_zero());
        }
    }
}

#[test]
fn keys_do_not_share() {
    let limiter: KeyedWindow<String> = KeyedWindow::new(1, MINUTE, 6, 10).unwrap();
    assert!(limiter.is_empty());
    assert!(limiter.check("a", at(0)).is_admitted());
    assert!(!limiter.is_empty());
    limiter.refund_n("a", 1, at(0));
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

/// I1 of the seats: a place is reused when nothing of its key counts, not before.
#[test]
fn a_full_limiter_reuses_only_empty_places() {
    let limiter: KeyedWindow<u32> = KeyedWindow::new(2, MINUTE, 6, 2).unwrap();
    assert!(limiter.check_n(&1, 2, at(15_000)).is_admitted());
    assert!(limiter.check_n(&2, 1, at(5_000)).is_admitted());

    let decision = limiter.check(&3, at(16_000));
    assert!(decision.is_denied() && decision.is_saturated());
    assert_eq!(decision.standing().retry_after(), 54 * SECOND);
    assert_eq!(limiter.times_saturated(), 1);
    assert!(limiter.check(&3, at(69_999)).is_saturated());

    assert!(limiter.check(&3, at(70_000)).is_admitted(), "2 gives way");
    assert!(limiter.check(&1, at(70_000)).is_denied(), "1 still counts");
    assert!(limiter.check(&2, at(70_000)).is_saturated());
    assert_eq!(limiter.len(), 2);
}

/// I4 of the seats: whose clock lags behind the one that gave its place away waits for that time.
#[test]
fn a_clock_that_lags_gets_no_second_window() {
    let limiter: KeyedWindow<u32> = KeyedWindow::new(2, MINUTE, 6, 1).unwrap();
    assert!(limiter.check_n(&1, 2, at(5_000)).is_admitted());
    assert!(limiter.check(&2, at(70_000)).is_admitted(), "1 has given way");
    limiter.refund_n(&2, 1, at(70_000));

    let denied = limiter.check(&1, at(69_500));
    assert!(denied.is_denied() && !denied.is_saturated(), "two within a minute and a second more");
    assert_eq!(denied.standing().retry_after(), Duration::from_millis(500));
    assert_eq!(denied.standing().reset_after(), Duration::from_millis(500));
    assert_eq!(limiter.peek_n(&1, 0, at(69_500)).standing().remaining(), 0);
    assert!(limiter.check_n(&1, 2, at(70_000)).is_admitted());
}

/// The agenda's promise after a refund: a place of which nothing counts is free at once.
#[test]
fn a_refund_frees_the_place() {
    let limiter: KeyedWindow<u32> = KeyedWindow::new(2, MINUTE, 6, 2).unwrap();
    assert!(limiter.check(&1, at(0)).is_admitted());
    assert!(limiter.check_n(&2, 2, at(15_000)).is_admitted());
    limiter.refund_n(&2, 1, at(15_000));
    assert!(limiter.check(&3, at(15_000)).is_saturated());
    limiter.refund_n(&2, 1, at(15_000));
    assert!(limiter.check(&3, at(15_000)).is_admitted());
}

#[test]
fn on_saturation_is_the_callers_choice() {
    let limiter: KeyedWindow<u32> =
        KeyedWindow::new(1, MINUTE, 6, 1).unwrap().on_saturation(OnSaturation::Allow);
    assert!(limiter.check(&1, at(0)).is_admitted());
    for _ in 0..3 {
        let decision = limiter.check(&2, at(0));
        assert!(decision.is_admitted() && decision.is_saturated());
        assert_eq!(decision.standing().retry_after(), Duration::ZERO);
        assert_eq!(decision.standing().remaining(), 0);
    }
    assert!(limiter.check(&1, at(0)).is_denied(), "who has a place is limited as ever");

    let nobody: KeyedWindow<u32> = KeyedWindow::new(1, MINUTE, 6, 0).unwrap();
    assert!(nobody.check(&1, at(0)).is_saturated());
    assert_eq!(nobody.check(&1, at(0)).standing().retry_after(), Duration::MAX);
    assert!(KeyedWindow::<u32>::new(1, Duration::ZERO, 6, 1).is_err());
}

/// An exhausted key gets nothing back from any number of fresh keys, and memory does not grow (I3).
#[test]
fn a_flood_of_fresh_keys_resets_nobody() {
    let limiter: KeyedWindow<u32> = KeyedWindow::new(5, SECOND, 10, 100).unwrap();
    let memory = limiter.memory_bytes();
    assert!((100 * 40..100 * 400).contains(&memory), "{memory}");
    let mut admitted = 0;
    for flood in 0..50_000_u32 {
        // 200 µs a key: 10 s in all.
        let now = at(u64::from(flood) / 5);
        admitted += u32::from(limiter.check(&u32::MAX, now).is_admitted());
        let _ = limiter.check(&flood, now);
    }
    // Five in every second and a tenth, the first at once.
    assert_eq!(admitted, 5 * 10);
    assert_eq!(limiter.memory_bytes(), memory);
    assert!(limiter.times_saturated() > 10_000);
}

/// A clock that was set back by an hour locks neither the keys that are there nor new ones out, and
/// nobody looks at all places at once (I5 of the seats).
#[test]
fn a_clock_set_back_frees_all_places_after_one_window() {
    let limiter: KeyedWindow<u32> = KeyedWindow::new(2, SECOND, 10, 1_000).unwrap();
    let late = at(3_600_000);
    for key in 0..1_000 {
        assert!(limiter.check_n(&key, 2, late).is_admitted());
    }
    let early = at(0);
    assert!(limiter.check(&0, early).is_denied(), "healed, counted as taken now");
    for key in 1_000..1_020 {
        assert!(limiter.check(&key, early).is_saturated());
    }
    let free = early.saturating_add(SECOND + SECOND / 10);
    for key in 2_000..3_000 {
        assert!(limiter.check_n(&key, 2, free).is_admitted(), "{key}");
    }
    assert!(limiter.check(&3_000, free).is_saturated());
}

#[test]
fn many_keys_find_places_in_many_shards() {
    let limiter: KeyedWindow<u32> = KeyedWindow::new(1, MINUTE, 2, 10_000).unwrap();
    assert!(limiter.capacity() >= 10_000 && limiter.capacity() <= 12_500);
    for key in 0..10_000 {
        assert!(limiter.check(&key, at(0)).is_admitted());
    }
    assert_eq!((limiter.len(), limiter.times_saturated()), (10_000, 0));
}

#[test]
fn threads_take_exactly_what_is_there() {
    let most = rounds(100, 3);
    let limiter: KeyedWindow<u32> = KeyedWindow::new(most, MINUTE, 6, 10).unwrap();
    let admitted: usize = thread::scope(|scope| {
        let workers = [0, 1, 2, 3].map(|_| {
            scope.spawn(|| {
                (0..20 * most).filter(|nth| limiter.check(&(nth % 10), at(0)).is_admitted()).count()
            })
        });
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(admitted, 10 * most as usize);
}
