//! The adjustable bucket: eras.

use core::time::Duration;
use std::vec::Vec;

use loom::{sync::Arc, thread};

use super::{NOW, explore, explore_with};
use crate::{limit::AdjustableBucket, quota::Quota, time::Timestamp};

/// Nothing comes back while a model runs.
fn units(burst: u32) -> Quota {
    Quota::per_hour(1).burst(burst)
}

/// The same units at a fifth of the price: a word of the one quota is nonsense in the other.
fn cheap(burst: u32) -> Quota {
    Quota::per_hour(5).burst(burst)
}

fn change(bucket: &Arc<AdjustableBucket>, quota: Quota) -> thread::JoinHandle<()> {
    let bucket = Arc::clone(bucket);
    thread::spawn(move || bucket.set_quota(quota, NOW))
}

fn check(bucket: &Arc<AdjustableBucket>, n: u32, now: Timestamp) -> thread::JoinHandle<u32> {
    let bucket = Arc::clone(bucket);
    thread::spawn(move || if bucket.check_n(n, now).is_admitted() { n } else { 0 })
}

fn remaining(bucket: &AdjustableBucket, now: Timestamp) -> u32 {
    bucket.peek_n(0, now).standing().remaining()
}

/// I2 and I5. Two checks and a change: what they took is owed afterwards, to the unit, by whichever quota
/// they were judged.
///
/// Were the word's time in the old ticks taken for one in the new, they would be worth a fifth of it, or five
/// times as much.
#[test]
fn loom_checks_that_race_a_change_are_owed_to_the_unit() {
    for (before, after) in [(units(4), cheap(4)), (cheap(4), units(4))] {
        explore_with(2, move || {
            let bucket = Arc::new(AdjustableBucket::new(before));
            let changer = change(&bucket, after);
            let checks = [check(&bucket, 1, NOW), check(&bucket, 2, NOW)];
            let admitted: u32 = checks.into_iter().map(|each| each.join().unwrap()).sum();
            changer.join().unwrap();
            assert_eq!(bucket.quota(), after);
            assert_eq!((admitted, remaining(&bucket, NOW)), (3, 1));
        });
    }
}

/// I3. A check that races a change to a smaller burst is judged by one of both; all in all, no more than
/// the larger burst passes.
#[test]
fn loom_checks_that_race_a_change_take_no_more_than_the_larger_burst() {
    for (before, after, most) in [(units(3), cheap(1), 3), (cheap(1), units(3), 3)] {
        explore_with(2, move || {
            let bucket = Arc::new(AdjustableBucket::new(before));
            let changer = change(&bucket, after);
            let checks = [check(&bucket, 2, NOW), check(&bucket, 1, NOW)];
            let admitted: u32 = checks.into_iter().map(|each| each.join().unwrap()).sum();
            changer.join().unwrap();
            let left = remaining(&bucket, NOW);
            assert!(admitted >= 1 && admitted + left <= most, "{admitted} and {left}");
            assert_eq!(left, after.max_burst().saturating_sub(admitted));
        });
    }
}

/// I2 and I3. A change of the burst alone leaves the word's time as it is, to the tick.
///
/// Guards the era in the word: without it an exchange by the old slot succeeds after the change, three units
/// pass where one was left, and the old quota is in force again.
#[test]
fn loom_a_change_that_leaves_the_time_as_it_is_is_seen() {
    explore(|| {
        let bucket = Arc::new(AdjustableBucket::new(units(4)));
        assert!(bucket.check(NOW).is_admitted());
        let changer = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || {
                bucket.set_quota(units(2), NOW);
                bucket.check(NOW).is_admitted()
            })
        };
        let checker = check(&bucket, 3, NOW);
        // After the change one unit is left, unless all three were taken before it.
        assert_eq!(changer.join().unwrap(), checker.join().unwrap() == 0);
        assert_eq!(bucket.quota(), units(2));
        assert_eq!(remaining(&bucket, NOW), 0);
    });
}

/// I4 and I5. Two changes and a check: the slot that the second writes is the one that the first reads.
///
/// Guards that changes take turns, and that each ends with the word converted.
#[test]
fn loom_two_changes_and_a_check_keep_the_count() {
    explore_with(2, || {
        let bucket = Arc::new(AdjustableBucket::new(units(4)));
        assert!(bucket.check(NOW).is_admitted());
        let changers = [change(&bucket, cheap(5)), change(&bucket, units(6))];
        let checker = check(&bucket, 2, NOW);
        changers.into_iter().for_each(|changer| changer.join().unwrap());
        assert_eq!(checker.join().unwrap(), 2);
        let burst = bucket.quota().max_burst();
        assert!(burst == 5 || burst == 6);
        assert_eq!(remaining(&bucket, NOW), burst - 3);
    });
}

/// I2. Two changes in a row by one thread, so that the slot a check is reading is written under its eyes.
///
/// Guards that the word is read again after the slot. Both quotas hold two units; any mixture of them
/// (the one's burst in the other's ticks) holds ten, or none.
#[test]
fn loom_no_check_is_judged_by_a_slot_half_written() {
    explore_with(3, || {
        let bucket = Arc::new(AdjustableBucket::new(units(2)));
        let changer = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || {
                bucket.set_quota(units(2), NOW);
                bucket.set_quota(cheap(2), NOW);
            })
        };
        let checker = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || {
                assert!(bucket.check_n(3, NOW).is_denied());
                bucket.check_n(2, NOW).is_admitted()
            })
        };
        changer.join().unwrap();
        assert!(checker.join().unwrap());
        assert_eq!(remaining(&bucket, NOW), 0);
    });
}

/// I5. A refund that races a change gives its units back, whatever they cost by then.
#[test]
fn loom_a_refund_that_races_a_change_counts() {
    for (before, after) in [(units(4), cheap(4)), (cheap(4), units(4))] {
        explore(move || {
            let bucket = Arc::new(AdjustableBucket::new(before));
            assert!(bucket.check_n(4, NOW).is_admitted());
            let refunder = {
                let bucket = Arc::clone(&bucket);
                thread::spawn(move || bucket.refund_n(3, NOW))
            };
            let changer = change(&bucket, after);
            refunder.join().unwrap();
            changer.join().unwrap();
            assert_eq!(remaining(&bucket, NOW), 3);
        });
    }
}

/// I5. A charge beyond the bucket that races a change is owed.
#[test]
fn loom_a_charge_that_races_a_change_counts() {
    explore(|| {
        let bucket = Arc::new(AdjustableBucket::with_debt(units(2), 2));
        let charger = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || bucket.charge_n(3, NOW))
        };
        let changer = change(&bucket, cheap(2));
        charger.join().unwrap();
        changer.join().unwrap();
        let wait = bucket.peek_n(1, NOW).standing().retry_after();
        assert_eq!(wait, Duration::from_secs(2 * 720));
    });
}

/// I5 with the guard. A check that finds its guard stale and a change: the renewal of one era and the
/// conversion to the next take turns, and neither reads idleness as debt, nor erases a charge.
#[test]
fn loom_a_renewal_that_races_a_change_neither_owes_nor_forgives() {
    // Ticks whose range is less than ten seconds.
    let fine = Quota::per_second(1_000_000_007).burst(3);
    for (before, after) in [(fine, units(3)), (units(3), fine)] {
        explore_with(2, move || {
            let bucket = Arc::new(AdjustableBucket::new(before));
            assert!(bucket.check_n(3, Timestamp::ZERO).is_admitted());
            bucket.refund_n(3, Timestamp::ZERO);
            let idle = Timestamp::from_millis(1_100);
            let changer = {
                let bucket = Arc::clone(&bucket);
                thread::spawn(move || bucket.set_quota(after, idle))
            };
            let checks: Vec<_> = [1, 2].map(|n| check(&bucket, n, idle)).into_iter().collect();
            let admitted: u32 = checks.into_iter().map(|each| each.join().unwrap()).sum();
            changer.join().unwrap();
            assert_eq!((admitted, remaining(&bucket, idle)), (3, 0));
        });
    }
}
