use core::time::Duration;
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
};

use crate::{
    limit::{ExactLimiter, OnSaturation},
    quota::Quota,
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_secs(1_000);

fn later(millis: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_millis(millis))
}

#[test]
fn a_charge_sinks_a_key_as_deep_as_its_room_for_debt_and_no_deeper() {
    for (max_debt, wait) in [(0, 1), (7, 8), (1_000, 91)] {
        let limiter: ExactLimiter<u32> =
            ExactLimiter::new(Quota::per_second(1).burst(10), 8).max_debt(max_debt);
        assert!(limiter.check(&1, NOW).is_admitted());
        limiter.charge_n(&1, 99, NOW);
        let standing = limiter.peek_n(&1, 1, NOW).standing();
        assert_eq!(standing.retry_after(), Duration::from_secs(wait), "{max_debt}");
        assert!(limiter.check_n(&2, 10, NOW).is_admitted(), "the others owe nothing");
    }
}

#[test]
fn a_charge_seats_a_new_key_and_is_counted_where_it_finds_no_place() {
    let limiter: ExactLimiter<String> = ExactLimiter::new(Quota::per_second(1).burst(3), 1);
    limiter.charge_n("a", 0, NOW);
    assert!(limiter.is_empty(), "nothing to remember");
    limiter.charge_n("a", 2, NOW);
    assert!(limiter.check_n("a", 2, NOW).is_denied());
    limiter.charge_n("b", 2, NOW);
    assert_eq!((limiter.len(), limiter.times_saturated()), (1, 1));
    assert!(limiter.check("a", NOW).is_admitted());
}

#[test]
fn a_reservation_that_was_not_charged_settles_to_nothing() {
    let limiter: ExactLimiter<u32> =
        ExactLimiter::new(Quota::per_second(1).burst(5), 1).on_saturation(OnSaturation::Allow);
    assert!(limiter.check_n(&1, 5, NOW).is_admitted());
    let unseated = limiter.reserve_n(&2, 5, NOW).expect("allowed, though there is no place");
    // By the time it settles there is one.
    limiter.settle(&2, unseated, 400, later(5_000));
    assert!(limiter.check_n(&2, 5, later(5_000)).is_admitted());
}

/// Forgotten keys come back with a full bucket, and the others are where they were.
#[test]
fn a_forgotten_key_is_pardoned_and_its_place_is_free() {
    let quota = Quota::per_day(1).burst(10);
    let limiter: ExactLimiter<u32> = ExactLimiter::new(quota, 20);
    for key in 0..20 {
        assert!(limiter.check_n(&key, 1 + key % 10, NOW).is_admitted());
    }
    assert!(limiter.check(&99, NOW).is_saturated());
    for key in [0, 19, 7, 8, 18] {
        assert!(limiter.forget(&key));
        assert!(!limiter.forget(&key), "it is gone");
        assert_eq!(limiter.peek_n(&key, 1, NOW).standing().remaining(), 10);
    }
    assert_eq!(limiter.len(), 15);
    for key in (0..20).filter(|key| ![0, 19, 7, 8, 18].contains(key)) {
        assert_eq!(limiter.peek_n(&key, 1, NOW).standing().remaining(), 9 - key % 10, "{key}");
    }
    for key in 100..105 {
        assert!(limiter.check(&key, NOW).is_admitted());
    }
    assert!(limiter.check(&105, NOW).is_saturated(), "five places were free");
}

#[test]
fn iter_shows_every_key_once_with_its_standing() {
    let limiter: ExactLimiter<u32> = ExactLimiter::new(Quota::per_second(1).burst(4), 5_000);
    limiter.set_key_quota(&7, Quota::per_second(1).burst(100), NOW).unwrap();
    for key in 0..5_000 {
        assert!(limiter.check_n(&key, key % 5, NOW).is_admitted());
    }
    let seen: BTreeMap<u32, _> = limiter.iter(NOW).collect();
    assert_eq!(limiter.iter(NOW).count(), seen.len(), "once");
    // Asking for nothing takes no place.
    assert_eq!(seen.len(), 4_000);
    for (key, standing) in seen {
        assert_eq!(standing, limiter.peek_n(&key, 1, NOW).standing(), "{key}");
    }
}

/// The loop may do anything to the limiter: no lock is held.
#[test]
fn iter_holds_no_lock_while_its_keys_are_used() {
    let limiter: ExactLimiter<String> = ExactLimiter::new(Quota::per_second(1), 100);
    for key in 0..50 {
        assert!(limiter.check(key.to_string().as_str(), NOW).is_admitted());
    }
    let mut seen = BTreeSet::new();
    for (key, standing) in limiter.iter(NOW) {
        assert_eq!(standing.remaining(), 0);
        assert!(limiter.check(key.as_str(), NOW).is_denied());
        assert!(limiter.forget(key.as_str()));
        seen.insert(key);
    }
    assert_eq!((seen.len(), limiter.len()), (50, 0));
}

/// A key whose clone and drop call the limiter back: neither runs under a lock but where it says so.
#[test]
fn callers_code_does_not_run_under_a_lock() {
    use std::sync::{Arc, Weak};

    use super::ExactLimiter;

    struct Key(u32, Weak<ExactLimiter<Key>>);
    impl Key {
        fn call_back(&self) {
            CALLS.set(CALLS.get() + 1);
            if let Some(limiter) = self.1.upgrade() {
                let _ = limiter.peek_n(&Key(u32::MAX, Weak::new()), 1, NOW);
            }
        }
    }
    std::thread_local!(static CALLS: Cell<u32> = const { Cell::new(0) });
    impl Clone for Key {
        fn clone(&self) -> Self {
            self.call_back();
            Self(self.0, self.1.clone())
        }
    }
    impl Drop for Key {
        fn drop(&mut self) {
            self.call_back();
        }
    }
    impl PartialEq for Key {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for Key {}
    impl core::hash::Hash for Key {
        fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
            self.call_back();
            state.write_u32(self.0);
        }
    }

    let limiter: Arc<ExactLimiter<Key>> = Arc::new(ExactLimiter::new(Quota::per_second(1), 1));
    let key = |number| Key(number, Arc::downgrade(&limiter));
    assert!(limiter.check(&key(1), NOW).is_admitted());
    limiter.charge_n(&key(2), 1, later(2_000));
    assert!(limiter.set_key_quota(&key(3), Quota::per_second(9), later(4_000)).is_ok());
    assert!(limiter.clear_key_quota(&key(3), later(4_000)).is_some());
    assert!(limiter.forget(&key(3)));
    assert!(CALLS.get() > 15, "{}", CALLS.get());
}
