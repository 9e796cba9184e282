//! Buckets of one word, and the one whose quota can change: each answer is that of the reference in some order of the calls.

use core::time::Duration;
use std::sync::Arc;

use super::{Call, NOW, peeked};
use crate::{
    limit::{
        AdjustableBucket, Limit, Member, TokenBucket, check_all,
        reference::{Answer, Bucket},
    },
    quota::Quota,
    schedules::{Clock, Dice, assert_explained, break_exchanges, done, explore, together},
};

/// By how much time passes before a call.
const STEPS: [Duration; 4] =
    [Duration::ZERO, Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(30)];

fn perform(bucket: &TokenBucket, call: Call) -> Option<Answer> {
    match call {
        Call::Check(n, now) => Some(bucket.check_n(n, now).into()),
        Call::Peek(n, now) => Some(peeked(bucket.peek_n(n, now).into())),
        Call::Refund(n, now) => {
            bucket.refund_n(n, now);
            None
        }
        Call::Charge(n, now) => {
            bucket.charge_n(n, now);
            None
        }
        Call::Become(..) => unreachable!("its quota is fixed"),
    }
}

/// I1 to I6 of the bucket. Three rounds of four threads with four calls each; between rounds, time passes for so long that the
/// word cannot tell any more, and the guard is renewed.
#[test]
fn shuttle_bucket_each_answer_is_that_of_some_order() {
    explore(|| {
        let dice = Dice;
        let quota = dice.of(&[
            Quota::per_second(10).burst(3),
            Quota::per_second(3_000_000).burst(3),
            // Two billion ticks a nanosecond: 2^64 of them are 9.2 s.
            Quota::per_second(1_000_000_007).burst(3),
        ]);
        let debt = dice.of(&[0, 3]);
        let bucket = Arc::new(TokenBucket::with_debt(quota, debt));
        let mut model = Bucket::with_debt(quota, debt);
        let clock = Clock::at(NOW);
        for _ in 0..3 {
            let (at, shared) = (clock.clone(), Arc::clone(&bucket));
            let told = together(4, move |_| {
                let call = |_| {
                    let call = Call::any(dice, 3, at.pass(dice.of(&STEPS)));
                    done(call, |call| perform(&shared, call))
                };
                (0..4).map(call).collect()
            });
            // What is left is what the reference has left, seen from now and from later.
            let now = clock.now();
            let left = |n| Answer::from(bucket.peek_n(n, now)).admitted;
            assert_explained(&model, &told, |model: &Bucket| {
                (1..=3).all(|n| model.clone().check_n(n, now).admitted == left(n))
            });
            // From here on both are the same again: all that was owed is paid.
            let later = clock.pass(Duration::from_millis(dice.of(&[1_100, 8_800, 20_000])));
            assert!(bucket.check_n(3, later).is_admitted());
            model = Bucket::with_debt(quota, debt);
            assert!(model.check_n(3, later).admitted);
        }
    });
}

fn units_are_owed_whatever_the_quota_becomes() {
    // Nothing comes back while a model runs; a word of one quota is nonsense in the others.
    let quotas =
        [Quota::per_hour(1).burst(5), Quota::per_hour(5).burst(5), Quota::per_minute(1).burst(5)];
    explore(move || {
        let dice = Dice;
        let bucket = Arc::new(AdjustableBucket::new(dice.of(&quotas)));
        let shared = Arc::clone(&bucket);
        let taken = together(5, move |thread| {
            let mut taken = 0;
            for _ in 0..4 {
                if thread < 2 {
                    shared.set_quota(dice.of(&quotas), NOW);
                } else if taken > 0 && dice.below(4) == 0 {
                    shared.refund_n(1, NOW);
                    taken -= 1;
                } else {
                    let n = dice.units(2);
                    let decision = shared.check_n(n, NOW);
                    assert_eq!(decision.standing().limit(), 5);
                    taken += if decision.is_admitted() { n } else { 0 };
                }
            }
            taken
        });
        let taken: u32 = taken.into_iter().sum();
        assert!(taken <= 5, "{taken} are too many, at most 5");
        let left = bucket.peek_n(0, NOW).standing().remaining();
        assert_eq!(taken + left, 5, "lost, or there twice");
    });
}

/// I2 and I5 of the adjustable bucket: what was taken is owed to the unit, by whichever quota it was judged.
#[test]
fn shuttle_adjustable_units_are_owed_whatever_the_quota_becomes() {
    units_are_owed_whatever_the_quota_becomes();
}

#[test]
#[should_panic]
fn shuttle_adjustable_mutant_exchanges_in_two_steps() {
    let _broken = break_exchanges();
    units_are_owed_whatever_the_quota_becomes();
}

/// I3 of the adjustable bucket: with one change of the burst, no more than the larger one passes. (A second change could forgive
/// what the first one had no room for.)
#[test]
fn shuttle_adjustable_never_more_than_the_larger_burst() {
    explore(|| {
        let dice = Dice;
        let bursts = [dice.units(4), dice.units(4)];
        let [before, after] = bursts.map(|burst| Quota::per_hour(dice.units(9)).burst(burst));
        let bucket = Arc::new(AdjustableBucket::new(before));
        let shared = Arc::clone(&bucket);
        let taken = together(5, move |thread| match thread {
            0 => {
                shared.set_quota(after, NOW);
                0
            }
            _ => (0..4).map(|_| u32::from(shared.check(NOW).is_admitted())).sum(),
        });
        let (taken, most): (u32, u32) = (taken.into_iter().sum(), bursts[0].max(bursts[1]));
        assert!(taken <= most, "{taken} are too many, at most {most}");
        let left = bucket.peek_n(0, NOW).standing().remaining();
        assert!(left <= bursts[1] && taken + left <= most, "{taken} and {left}");
    });
}

/// Where nothing changes it, its answers are those of the reference too.
#[test]
fn shuttle_adjustable_each_answer_is_that_of_some_order() {
    explore(|| {
        let dice = Dice;
        let quota = Quota::per_second(10).burst(3);
        let bucket = Arc::new(AdjustableBucket::with_debt(quota, 2));
        let model = Bucket::adjustable(quota, 2);
        let clock = Clock::at(NOW);
        let (at, shared) = (clock.clone(), Arc::clone(&bucket));
        let told = together(4, move |thread| {
            let call = |turn| {
                let now = at.pass(dice.of(&STEPS));
                // One change, of which nothing is to be seen.
                let call = match (thread, turn) {
                    (0, 1) => Call::Become(quota, now),
                    _ => Call::any(dice, 3, now),
                };
                done(call, |call| match call {
                    Call::Check(n, now) => Some(shared.check_n(n, now).into()),
                    Call::Peek(n, now) => Some(peeked(shared.peek_n(n, now).into())),
                    Call::Refund(n, now) => {
                        shared.refund_n(n, now);
                        None
                    }
                    Call::Charge(n, now) => {
                        shared.charge_n(n, now);
                        None
                    }
                    Call::Become(quota, now) => {
                        shared.set_quota(quota, now);
                        None
                    }
                })
            };
            (0..4).map(call).collect()
        });
        let now = clock.now();
        let left = |n| Answer::from(bucket.peek_n(n, now)).admitted;
        assert_explained(&model, &told, |model: &Bucket| {
            (1..=3).all(|n| model.clone().check_n(n, now).admitted == left(n))
        });
    });
}

/// I1 and I2 of groups: whoever is admitted has taken from all, and whoever is denied from none when all have answered.
#[test]
fn shuttle_group_takes_from_all_or_from_none() {
    explore(|| {
        let dice = Dice;
        let bursts = [dice.units(4), dice.units(4), dice.units(4)];
        let buckets = Arc::new(bursts.map(|n| TokenBucket::new(Quota::per_hour(1).burst(n))));
        let shared = Arc::clone(&buckets);
        let admitted = together(4, move |_| {
            let order = dice.of(&[[0, 1, 2], [2, 1, 0], [1, 2, 0]]);
            let members = order.map(|at| Member::new(&shared[at] as &dyn Limit, 1));
            (0..3).filter(|_| check_all(&members, NOW).is_admitted()).count()
        });
        let admitted = u32::try_from(admitted.into_iter().sum::<usize>()).unwrap();
        for (bucket, burst) in buckets.iter().zip(bursts) {
            let left = bucket.peek_n(0, NOW).standing().remaining();
            assert_eq!(admitted + left, burst, "of {bursts:?}");
        }
        // Who is asked in a race may be denied for units that are given back a moment later; not after it.
        let left = bursts.into_iter().min().unwrap() - admitted;
        let members = [0, 1, 2].map(|at| Member::new(&buckets[at] as &dyn Limit, 1));
        assert_eq!(check_all(&members, NOW).is_admitted(), left > 0);
    });
}

fn many_threads_take_exactly_the_burst() {
    explore(|| {
        let dice = Dice;
        let burst = 2 + dice.units(10);
        let bucket = Arc::new(TokenBucket::new(Quota::per_hour(1).burst(burst)));
        let shared = Arc::clone(&bucket);
        let taken = together(8, move |_| {
            let mut taken = 0;
            for _ in 0..4 {
                let n = dice.units(2);
                taken += if shared.check_n(n, NOW).is_admitted() { n } else { 0 };
            }
            taken
        });
        let taken: u32 = taken.into_iter().sum();
        assert!(taken <= burst, "{taken} are too many, at most {burst}");
        assert_eq!(taken + bucket.peek_n(0, NOW).standing().remaining(), burst);
    });
}

#[test]
fn shuttle_bucket_many_threads_take_exactly_the_burst() {
    many_threads_take_exactly_the_burst();
}

#[test]
#[should_panic(expected = "too many")]
fn shuttle_bucket_mutant_exchanges_in_two_steps() {
    let _broken = break_exchanges();
    many_threads_take_exactly_the_burst();
}
