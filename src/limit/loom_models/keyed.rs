//! The store over hostile keys: two ways, so that every claim meets every other.
//!
//! Each rule of the protocol is broken by a mutant, and a model must then fail: a model that passes with
//! its rule broken shows nothing.

use core::time::Duration;
use std::vec::Vec;

use loom::{sync::Arc, thread};

use super::{explore_for, explore_with};
use crate::{
    limit::{
        keyed::{Capacity, KeyedLimiter},
        keyed_rules::Rule,
    },
    quota::Quota,
    time::Timestamp,
};

const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// One set of two ways, for one unit a second.
fn store(burst: u32) -> Arc<KeyedLimiter> {
    let quota = Quota::per_second(1).burst(burst);
    Arc::new(KeyedLimiter::danger_with_seeds(quota, 0, Capacity::keys(1), SEEDS).unwrap())
}

/// Runs each list of steps on a thread of its own; the sum of what was admitted.
fn race(store: &Arc<KeyedLimiter>, threads: &[&[Step]]) -> u32 {
    let threads: Vec<_> = threads
        .iter()
        .map(|steps| {
            let (store, steps) = (Arc::clone(store), steps.to_vec());
            thread::spawn(move || steps.into_iter().map(|step| step.run(&store)).sum::<u32>())
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

/// By the message the mutants are known: a model that fails for another reason shows nothing.
fn at_most(most: u32, admitted: u32) {
    assert!(admitted <= most, "{admitted} are too many, at most {most}");
}

#[derive(Clone, Copy)]
enum Step {
    /// A check that counts.
    Check(&'static str, u64),
    /// A check whose answer does not matter.
    Pass(&'static str, u64),
    Refund(&'static str, u64),
    Forgive(&'static str, u64),
    Rotate(u64),
    Quota(u32, u64),
}

use Step::{Check, Forgive, Pass, Refund, Rotate};

impl Step {
    fn run(self, store: &KeyedLimiter) -> u32 {
        match self {
            Check(key, now) => u32::from(store.check(key, at(now)).is_admitted()),
            Pass(key, now) => {
                let _ = store.check(key, at(now));
                0
            }
            Refund(key, now) => {
                store.refund_n(key, 1, at(now));
                0
            }
            Forgive(key, now) => {
                store.forgive(key, at(now));
                0
            }
            Rotate(now) => {
                store.rotate_seed(at(now)).unwrap();
                0
            }
            Step::Quota(burst, now) => {
                store.set_quota(Quota::per_second(1).burst(burst), at(now)).unwrap();
                0
            }
        }
    }
}

fn claims_of_one_key_share_one_bucket(threads: usize) {
    explore_with(2, move || {
        let store = store(1);
        let one: &[Step] = &[Check("key", 10_000)];
        assert_eq!(race(&store, &[one, one, one][..threads]), 1);
    });
}

#[test]
fn loom_keyed_two_claims_of_one_key_share_one_bucket() {
    claims_of_one_key_share_one_bucket(2);
}

#[test]
fn loom_keyed_three_claims_of_one_key_share_one_bucket() {
    claims_of_one_key_share_one_bucket(3);
}

/// One way became full later than the other, and only one of two threads knows that it is free.
fn claims_under_different_clocks(broken: Option<Rule>) {
    explore_with(3, move || {
        // Not while the ways are being filled.
        Rule::keep_all();
        let store = store(1);
        // The first way is the one that is full later.
        assert!(store.check("before", at(8_000)).is_admitted());
        assert!(store.check("early", at(9_500)).is_admitted());
        assert!(store.check("late", at(10_000)).is_admitted());
        let _ = store.peek_n("nobody", 1, at(10_900));
        broken.map(Rule::break_it);
        let fast: &[Step] = &[Check("key", 11_020)];
        let slow: &[Step] = &[Check("key", 10_995)];
        let admitted = race(&store, &[fast, slow]);
        at_most(1, admitted);
        assert_eq!(admitted, 1);
    });
}

#[test]
fn loom_keyed_claims_under_different_clocks_share_one_bucket() {
    claims_under_different_clocks(None);
}

#[test]
#[should_panic(expected = "too many")]
fn loom_keyed_mutant_any_free_way() {
    claims_under_different_clocks(Some(Rule::OldestFirst));
}

/// An exhausted key's way is reused under a fast clock; a thread with a slow one comes back for more.
fn a_slow_clock_after_a_reuse() {
    explore_with(3, || {
        let store = store(1);
        assert!(store.check("victim", at(10_000)).is_admitted());
        assert!(store.check("other", at(10_005)).is_admitted());
        let fast: &[Step] = &[Pass("new", 11_025)];
        let slow: &[Step] = &[Check("victim", 10_999)];
        at_most(0, race(&store, &[fast, slow]));
    });
}

#[test]
fn loom_keyed_a_slow_clock_gains_nothing_from_a_reuse() {
    a_slow_clock_after_a_reuse();
}

#[test]
#[should_panic(expected = "too many")]
fn loom_keyed_mutant_start_from_the_own_clock() {
    Rule::StartFromTheReclaimClock.break_it();
    a_slow_clock_after_a_reuse();
}

/// As above, where only the clock of who wants the way says that it is free.
fn a_way_free_for_one_clock_only() {
    explore_with(3, || {
        let store = store(1);
        assert!(store.check("victim", at(10_000)).is_admitted());
        assert!(store.check("other", at(10_500)).is_admitted());
        let fast: &[Step] = &[Pass("new", 11_001)];
        let slow: &[Step] = &[Refund("other", 10_990), Check("victim", 10_999)];
        at_most(0, race(&store, &[fast, slow]));
    });
}

#[test]
fn loom_keyed_a_way_is_free_for_all_or_for_none() {
    a_way_free_for_one_clock_only();
}

#[test]
#[should_panic(expected = "too many")]
fn loom_keyed_mutant_free_by_the_own_clock() {
    Rule::FreeByTheReclaimClock.break_it();
    a_way_free_for_one_clock_only();
}

/// A refund takes a way's time back while two threads claim a place for one key.
fn a_refund_among_claims() {
    explore_with(3, || {
        let store = store(1);
        assert!(store.check("old", at(9_500)).is_admitted());
        assert!(store.check("owes", at(10_900)).is_admitted());
        let one: &[Step] = &[Check("key", 11_000)];
        let two: &[Step] = &[Forgive("owes", 10_300), Check("key", 11_000)];
        at_most(1, race(&store, &[one, two]));
    });
}

#[test]
fn loom_keyed_a_refund_among_claims_seats_nobody_twice() {
    a_refund_among_claims();
}

#[test]
#[should_panic(expected = "too many")]
fn loom_keyed_mutant_refund_below_what_is_free() {
    Rule::RefundsStayAfterNow.break_it();
    a_refund_among_claims();
}

fn charges_of_a_seated_key() {
    explore_with(3, || {
        let store = store(2);
        assert!(store.check("key", at(10_000)).is_admitted());
        let one: &[Step] = &[Check("key", 10_000)];
        let admitted = race(&store, &[one, one]);
        at_most(1, admitted);
        assert_eq!(admitted, 1);
        assert!(store.check("key", at(10_000)).is_denied());
    });
}

#[test]
fn loom_keyed_charges_of_a_seated_key_are_counted() {
    charges_of_a_seated_key();
}

#[test]
#[should_panic(expected = "too many")]
fn loom_keyed_mutant_admit_on_a_lost_exchange() {
    Rule::NeverOnALostExchange.break_it();
    charges_of_a_seated_key();
}

/// A key comes back to its way at the moment at which another one takes it.
#[test]
fn loom_keyed_a_charge_against_a_reuse() {
    explore_with(3, || {
        let store = store(1);
        assert!(store.check("key", at(10_000)).is_admitted());
        assert!(store.check("other", at(10_500)).is_admitted());
        let one: &[Step] = &[Check("key", 11_100)];
        let two: &[Step] = &[Pass("new", 11_100)];
        assert!(race(&store, &[one, two, one]) <= 1);
    });
}

/// Hints that speak of a way's former key, or were lost, send a check to the scan.
#[test]
fn loom_keyed_stale_hints_do_no_harm() {
    explore_with(2, || {
        let store = store(2);
        assert!(store.check("key", at(10_000)).is_admitted());
        let one: &[Step] = &[Check("key", 10_000), Check("key", 10_000)];
        let two: &[Step] = &[Pass("new", 10_000), Pass("newer", 10_000)];
        assert_eq!(race(&store, &[one, two]), 1);
    });
}

/// A claim in the old era against a change of the seed and a claim in the new one.
fn a_claim_against_a_new_seed() {
    explore_with(3, || {
        let store = store(1);
        let _ = store.peek_n("nobody", 1, at(10_000));
        let one: &[Step] = &[Check("key", 10_000)];
        let two: &[Step] = &[Rotate(10_000), Check("key", 10_000)];
        at_most(1, race(&store, &[one, two]));
        assert!(store.check("key", at(10_000)).is_denied());
    });
}

#[test]
fn loom_keyed_a_claim_against_a_new_seed_counts_once() {
    a_claim_against_a_new_seed();
}

#[test]
#[should_panic(expected = "too many")]
fn loom_keyed_mutant_claims_are_not_confirmed() {
    Rule::ClaimsAreConfirmed.break_it();
    a_claim_against_a_new_seed();
}

/// Somebody finds the seat of a claim that a change has overtaken, before its claimer takes it back.
///
/// Three threads and a change are too many schedules to see all of: half a minute's worth here. Its mutant,
/// `Rule::BucketsAreOfTheirEra`, is found in minutes, and is not run each time.
fn a_charge_of_an_overtaken_claim() {
    explore_for(Duration::from_secs(30), || {
        let store = store(2);
        let _ = store.peek_n("nobody", 1, at(10_000));
        let one: &[Step] = &[Check("key", 10_000)];
        let two: &[Step] = &[Rotate(10_000), Check("key", 10_000), Check("key", 10_000)];
        at_most(2, race(&store, &[one, one, two]));
    });
}

#[test]
fn loom_keyed_an_overtaken_claim_is_not_charged() {
    a_charge_of_an_overtaken_claim();
}

/// A charge where a key was against its move to where it will be.
fn a_charge_against_a_move() {
    explore_with(3, || {
        let store = store(2);
        assert!(store.check("key", at(10_000)).is_admitted());
        let one: &[Step] = &[Check("key", 10_000)];
        let two: &[Step] = &[Rotate(10_000), Check("key", 10_000)];
        // None, if a claim that the change overtook was closed before it could be taken back.
        let admitted = race(&store, &[one, two]);
        at_most(1, admitted);
        assert!(store.check("key", at(10_000)).is_denied());
    });
}

#[test]
fn loom_keyed_a_charge_against_a_move_is_not_lost() {
    a_charge_against_a_move();
}

#[test]
#[should_panic(expected = "too many")]
fn loom_keyed_mutant_move_without_closing() {
    Rule::CloseBeforeMoving.break_it();
    a_charge_against_a_move();
}

/// A check during a change of the quota is judged by one of both; never more than the larger bound.
#[test]
fn loom_keyed_checks_during_a_change_of_the_quota_stay_below_the_larger_bound() {
    for (before, after) in [(1, 2), (2, 1)] {
        explore_with(2, move || {
            let store = store(before);
            let one: &[Step] = &[Check("key", 10_000), Check("key", 10_000)];
            let two: &[Step] = &[Step::Quota(after, 10_000), Check("key", 10_000)];
            let admitted = race(&store, &[one, two]);
            assert!(admitted <= 2, "{admitted}");
            // A claim that the change overtook may have cost a unit for nothing, never given one.
            let later = at(10_000).saturating_add(Duration::from_millis(1));
            assert!(store.check("key", later).is_denied() || after == 2 && admitted < 2);
        });
    }
}
