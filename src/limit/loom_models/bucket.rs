//! The token bucket: its word and its guard.

use core::time::Duration;
use std::vec::Vec;

use loom::{sync::Arc, thread};

use super::{NOW, explore, explore_with};
use crate::{limit::TokenBucket, quota::Quota, time::Timestamp};

/// Spawns one thread per entry, each asking for its units at its time; returns what was admitted.
fn race(bucket: &Arc<TokenBucket>, asks: &[(u32, Timestamp)]) -> u32 {
    let threads: Vec<_> = asks
        .iter()
        .map(|&(n, now)| {
            let bucket = Arc::clone(bucket);
            thread::spawn(move || if bucket.check_n(n, now).is_admitted() { n } else { 0 })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

#[test]
fn loom_two_checks_share_one_unit() {
    explore(|| {
        let bucket = Arc::new(TokenBucket::new(Quota::per_second(1)));
        assert_eq!(race(&bucket, &[(1, NOW), (1, NOW)]), 1);
    });
}

#[test]
fn loom_two_checks_never_take_more_than_the_burst_and_never_lose_a_unit() {
    explore(|| {
        let bucket = Arc::new(TokenBucket::new(Quota::per_second(1).burst(3)));
        assert_eq!(race(&bucket, &[(1, NOW), (2, NOW)]), 3);
        assert!(bucket.check(NOW).is_denied());
    });
}

#[test]
fn loom_three_checks_take_exactly_the_burst() {
    explore(|| {
        let bucket = Arc::new(TokenBucket::new(Quota::per_second(1).burst(2)));
        assert_eq!(race(&bucket, &[(1, NOW), (1, NOW), (1, NOW)]), 2);
    });
}

#[test]
fn loom_skewed_clocks_take_no_more_than_the_burst() {
    explore(|| {
        let bucket = Arc::new(TokenBucket::new(Quota::per_second(1).burst(2)));
        let later = NOW.saturating_add(Duration::from_micros(1));
        assert!(race(&bucket, &[(2, NOW), (1, later)]) <= 2);
        assert!(bucket.check_n(2, later).is_denied());
    });
}

#[test]
fn loom_a_refund_and_a_check_keep_the_count() {
    explore(|| {
        let bucket = Arc::new(TokenBucket::new(Quota::per_second(1).burst(2)));
        assert!(bucket.check_n(2, NOW).is_admitted());
        let refunder = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || bucket.refund_n(1, NOW))
        };
        let admitted = race(&bucket, &[(1, NOW), (1, NOW)]);
        refunder.join().unwrap();
        assert!(admitted <= 1);
        // The unit that came back is either taken or still there.
        assert_eq!(bucket.check(NOW).is_admitted(), admitted == 0);
    });
}

/// Neither a charge nor a check is lost: what the check took and what the charge took are both owed.
#[test]
fn loom_a_charge_and_a_check_are_both_owed() {
    explore(|| {
        let bucket = Arc::new(TokenBucket::with_debt(Quota::per_second(1).burst(2), 2));
        let charger = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || bucket.charge_n(2, NOW))
        };
        let admitted = race(&bucket, &[(1, NOW)]);
        charger.join().unwrap();
        // Two or three units owed: the next one is there when all but one of the burst are paid back.
        let wait = bucket.check(NOW).standing().retry_after();
        assert_eq!(wait, Duration::from_secs(u64::from(1 + admitted)));
    });
}

/// Charges that meet at the cap of what may be owed end there, and end.
#[test]
fn loom_two_charges_stop_at_the_room_for_debt() {
    explore(|| {
        let bucket = Arc::new(TokenBucket::with_debt(Quota::per_second(1).burst(1), 2));
        let chargers: Vec<_> = (0..2)
            .map(|_| {
                let bucket = Arc::clone(&bucket);
                thread::spawn(move || bucket.charge_n(2, NOW))
            })
            .collect();
        chargers.into_iter().for_each(|charger| charger.join().unwrap());
        assert_eq!(bucket.check(NOW).standing().retry_after(), Duration::from_secs(3));
    });
}

/// A reservation settled above and below its units, while a check asks for what it may give back.
#[test]
fn loom_a_settlement_and_a_check_keep_the_count() {
    for actual in [1, 3] {
        explore(move || {
            let bucket = Arc::new(TokenBucket::with_debt(Quota::per_second(1).burst(2), 2));
            let reservation = bucket.reserve_n(2, NOW).unwrap();
            let settler = {
                let bucket = Arc::clone(&bucket);
                thread::spawn(move || bucket.settle(reservation, actual, NOW))
            };
            let admitted = race(&bucket, &[(1, NOW)]);
            settler.join().unwrap();
            assert!(admitted <= 2_u32.saturating_sub(actual));
            let owed = bucket.peek_n(0, NOW).standing().reset_after();
            assert_eq!(owed, Duration::from_secs(u64::from(actual + admitted)));
        });
    }
}

/// I7 of the bucket. A charge at a guard that is stale renews it first, so that no renewal by a check
/// erases it.
#[test]
fn loom_no_renewal_erases_a_charge_beyond_the_bucket() {
    let quota = Quota::per_second(3_000_000).burst(3);
    explore_with(2, move || {
        let bucket = Arc::new(TokenBucket::with_debt(quota, 3));
        let now = Timestamp::from_nanos(bucket.trusted() + 10_000);
        let charger = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || bucket.charge_n(6, now))
        };
        let admitted = race(&bucket, &[(3, now)]);
        charger.join().unwrap();
        assert!(admitted <= 3);
        // Six units owed, whichever came first: the cap is where they end.
        assert_eq!(bucket.check(now).standing().reset_after(), Duration::from_micros(2));
    });
}

/// I7 of the bucket. The guard: after idleness beyond the range of the ticks, threads renew it and race to charge.
///
/// The idle time is chosen so that the old word, read modulo 2⁶⁴, would look like debt: who reads one
/// word from before a renewal and the other from after it must not deny.
#[test]
fn loom_checks_after_long_idleness_are_all_admitted() {
    // Two billion ticks a nanosecond: 2^62 of them are 2.3 s, and 2^64 are 9.2 s.
    let quota = Quota::per_second(1_000_000_007).burst(3);
    explore(move || {
        let bucket = Arc::new(TokenBucket::new(quota));
        assert!(bucket.check_n(3, NOW).is_admitted());
        let idle = NOW.saturating_add(Duration::from_millis(8_800));
        assert_eq!(race(&bucket, &[(1, idle), (2, idle)]), 3);
        assert!(bucket.check(idle).is_denied());
    });
}

/// I7 of the bucket. The mark: renewals at different times, and a charge that lifts the word to the value of one of
/// them. A third thread that has read that value must not erase the charge.
#[test]
fn loom_no_renewal_erases_a_charge() {
    // 3 units are exactly the microsecond by which the clocks differ.
    let quota = Quota::per_second(3_000_000).burst(3);
    explore_with(2, move || {
        let bucket = Arc::new(TokenBucket::new(quota));
        let early = Timestamp::from_nanos(bucket.trusted() + 10_000);
        let late = early.saturating_add(Duration::from_micros(1));
        let renewer = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || bucket.check_n(1, late).is_admitted())
        };
        let admitted = race(&bucket, &[(3, early), (3, early)]);
        renewer.join().unwrap();
        assert!(admitted <= 3, "{admitted} units at one instant from a burst of 3");
    });
}

/// As above, at the edge: one thread still trusts the old guard, the other does not.
#[test]
fn loom_checks_on_both_sides_of_the_guard_take_no_more_than_the_burst() {
    let quota = Quota::per_second(1_000_000_007).burst(3);
    explore(move || {
        let bucket = Arc::new(TokenBucket::new(quota));
        let trusted = bucket.trusted();
        let inside = Timestamp::from_nanos(trusted);
        let outside = inside.saturating_add(Duration::from_nanos(1));
        assert!(race(&bucket, &[(3, inside), (3, outside)]) <= 3);
        assert!(bucket.check_n(3, outside).is_denied());
    });
}

#[test]
fn loom_healing_forgives_no_more_than_one_burst() {
    explore(|| {
        let bucket = Arc::new(TokenBucket::new(Quota::per_second(1).burst(2)));
        assert!(bucket.check_n(2, Timestamp::from_secs(1_000)).is_admitted());
        // Set back by 999 s: whoever heals, nothing passes now, and two units pass two seconds later.
        assert_eq!(race(&bucket, &[(1, NOW), (1, NOW)]), 0);
        let later = NOW.saturating_add(Duration::from_secs(2));
        assert_eq!(race(&bucket, &[(1, later), (1, later)]), 2);
        assert!(bucket.check(later).is_denied());
    });
}
