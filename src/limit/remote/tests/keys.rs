//! What a node remembers, and for how long.

use core::{hash::Hasher, time::Duration};
use std::{sync::Arc, vec::Vec};

use super::{NOW, at, fleet, limit};
use crate::{
    Quota, Timestamp,
    limit::{
        remote::{
            Claim, FleetLimit, LEASE_AGE, OnFailure, Subject,
            call::Reply,
            fetch::Fetch,
            keys::{Begun, Keys, Known},
        },
        seeds::Seeds,
    },
    verdict::Decision,
};

/// 100 at once, 100 a second, leases of 100 ms.
fn hundred() -> FleetLimit {
    limit(&fleet(), Quota::per_second(100))
}

fn granted(granted: u32) -> Reply {
    Reply { granted, remaining: 10, retry: Some(0), full: 1_000 }
}

fn denied(retry: Option<u64>) -> Reply {
    Reply { granted: 0, remaining: 0, retry, full: 1_000_000 }
}

struct Rig {
    keys: Keys,
    limit: FleetLimit,
}

impl Rig {
    fn new() -> Self {
        Self { keys: Keys::new(1, &mut Seeds::of_chance()).unwrap(), limit: hundred() }
    }

    fn take(&self, key: u128, units: u32, now: Timestamp) -> Known {
        self.keys.take(key, (units, true), &self.limit, now)
    }

    fn begin(&self, key: u128, units: u32, now: Timestamp) -> (u32, Option<Arc<Fetch>>) {
        let deadline = now.saturating_add(Duration::from_millis(20));
        match self.keys.begin(key, units, &self.limit, deadline, now) {
            Begun::Call { extra, fetch } => (extra, Some(fetch)),
            Begun::Look => panic!("somebody else was faster"),
            Begun::NoRoom => panic!("no room"),
        }
    }

    /// A call that brings this answer at once.
    fn hears(&self, key: u128, units: u32, reply: &Reply, now: Timestamp) -> bool {
        let (_, fetch) = self.begin(key, units, now);
        self.keys.answered((key, &fetch), units, reply, &self.limit, now).retry_after == 0
    }
}

fn is_granted(known: &Known) -> bool {
    matches!(known, Known::Granted(_))
}

fn is_nothing(known: &Known) -> bool {
    matches!(known, Known::Nothing)
}

fn wait(known: &Known) -> Option<Duration> {
    let Known::Denied(count) = known else { return None };
    let decision = Decision::counted(*count);
    assert!(decision.is_denied());
    Some(decision.standing().retry_after())
}

#[test]
fn a_lease_is_handed_out_once_unit_by_unit() {
    let rig = Rig::new();
    assert!(is_nothing(&rig.take(1, 1, NOW)));
    assert!(rig.hears(1, 1, &granted(4), NOW));
    assert!(is_granted(&rig.take(1, 2, NOW)));
    assert!(is_nothing(&rig.take(1, 2, NOW)), "one is left");
    assert!(is_granted(&rig.take(1, 1, NOW)));
    assert!(is_granted(&rig.take(1, 0, NOW)), "nothing can always be had");
    assert!(is_nothing(&rig.take(1, 1, NOW)));
    assert!(is_nothing(&rig.take(2, 1, NOW)), "and another key has none");
    assert_eq!(rig.keys.counts().from_leases, 3);
}

#[test]
fn a_lease_is_kept_for_a_second_and_not_longer() {
    let rig = Rig::new();
    assert!(rig.hears(1, 1, &granted(4), NOW));
    let end = NOW.saturating_add(LEASE_AGE);
    assert!(is_granted(&rig.take(1, 1, end.saturating_sub(Duration::from_nanos(1)))));
    assert!(is_nothing(&rig.take(1, 1, end)));
    // What is granted later does not bring the old ones back.
    assert!(rig.hears(1, 1, &granted(2), end));
    assert!(is_granted(&rig.take(1, 1, end)));
    assert!(is_nothing(&rig.take(1, 1, end)));
}

/// I1: a lease is as old as its oldest unit.
#[test]
fn units_that_join_a_lease_do_not_make_it_younger() {
    let rig = Rig::new();
    assert!(rig.hears(1, 1, &granted(3), NOW));
    assert!(rig.hears(1, 5, &granted(9), at(900)));
    assert!(is_granted(&rig.take(1, 6, at(999))), "two and four");
    assert!(rig.hears(1, 1, &granted(3), at(999)));
    assert!(is_granted(&rig.take(1, 2, at(1_998))), "none was left: these are new");
}

#[test]
fn what_comes_back_is_there_for_others_as_long_as_the_lease() {
    let rig = Rig::new();
    assert!(rig.hears(1, 3, &granted(3), NOW));
    rig.keys.give_back(1, 3, &rig.limit);
    assert!(is_granted(&rig.take(1, 1, at(999))));
    assert!(is_nothing(&rig.take(1, 1, at(1_000))));
    rig.keys.give_back(1, u32::MAX, &rig.limit);
    assert!(is_granted(&rig.take(1, 100, at(999))));
    assert!(is_nothing(&rig.take(1, 1, at(999))), "never more than a burst");
    rig.keys.give_back(7, 3, &rig.limit);
    assert!(is_nothing(&rig.take(7, 1, NOW)), "nobody knows this one");
}

#[test]
fn a_denial_is_remembered_for_its_wait_and_at_least_a_lease() {
    let rig = Rig::new();
    assert!(!rig.hears(1, 5, &denied(Some(250_000)), NOW));
    assert_eq!(wait(&rig.take(1, 5, NOW)), Some(Duration::from_millis(250)));
    assert_eq!(wait(&rig.take(1, 9, at(249))), Some(Duration::from_millis(1)));
    assert!(is_nothing(&rig.take(1, 4, NOW)), "for fewer units the store may say something else");
    assert!(is_nothing(&rig.take(1, 5, at(250))));
    assert!(!rig.hears(1, 5, &denied(Some(1)), at(250)));
    let half = Duration::from_millis(50)..=Duration::from_millis(100);
    assert!(half.contains(&wait(&rig.take(1, 5, at(250))).unwrap()));
    assert!(is_nothing(&rig.take(1, 5, at(350))));
    assert_eq!(rig.keys.counts().remembered, 3);
}

/// Nodes that came back after the same time would always come in the same order.
#[test]
fn a_short_denial_is_remembered_for_half_a_lease_to_a_whole_one_by_chance() {
    let rig = Rig { keys: Keys::with_mix(1, 0x9e37_79b9_7f4a_7c15).unwrap(), limit: hundred() };
    let mut waits: Vec<_> = (0..1_000)
        .map(|micros| {
            let now = NOW.saturating_add(Duration::from_micros(micros));
            let (_, fetch) = rig.begin(u128::from(micros), 1, now);
            let reply = denied(Some(1));
            let fetch = (u128::from(micros), &fetch);
            let told = rig.keys.answered(fetch, 1, &reply, &rig.limit, now);
            assert_eq!(
                wait(&rig.take(fetch.0, 1, now)),
                Some(Decision::counted(told).standing().retry_after())
            );
            Decision::counted(told).standing().retry_after()
        })
        .collect();
    waits.sort_unstable();
    let ms = Duration::from_millis;
    assert!(ms(50) <= waits[0] && waits[999] < ms(100));
    for (at, least) in [(0, 50), (250, 60), (500, 72), (750, 85), (999, 98)] {
        assert!((ms(least)..ms(least + 5)).contains(&waits[at]), "{at}: {:?}", waits[at]);
    }
}

/// Chance has all of its bits: hardly two of many nodes that come one after the other come back together.
#[test]
fn short_denials_differ() {
    // A hash, which has ones and noughts.
    const KEY: u128 = 0x5555_5555_3333_3333_5555_5555_3333_3333;
    let rig = Rig { keys: Keys::with_mix(1, 0x9e37_79b9_7f4a_7c15).unwrap(), limit: hundred() };
    let told = |key, micros| {
        let now = NOW.saturating_add(Duration::from_micros(micros));
        let (_, fetch) = rig.begin(key, 1, now);
        rig.keys.answered((key, &fetch), 1, &denied(Some(1)), &rig.limit, now).retry_after
    };
    let distinct = |mut waits: Vec<_>| {
        waits.sort_unstable();
        waits.dedup();
        waits.len()
    };
    // Two in 50 ms, to the nanosecond: four pairs are expected.
    let of_moments = distinct((0..20_000).map(|micros| told(KEY, micros)).collect());
    assert!(of_moments > 20_000 - 20, "{of_moments}");
    let of_keys = distinct((1..2_000).map(|number| told(KEY.wrapping_mul(number), 0)).collect());
    assert!(of_keys > 1_999 - 5, "{of_keys}");
}

#[test]
fn what_never_comes_is_told_as_never_and_asked_again_after_a_lease() {
    let rig = Rig::new();
    assert!(!rig.hears(1, 9, &denied(None), NOW));
    assert_eq!(wait(&rig.take(1, 9, at(49))), Some(Duration::MAX));
    assert!(is_nothing(&rig.take(1, 9, at(100))));
    assert!(rig.hears(1, 1, &granted(1), NOW));
    assert!(is_nothing(&rig.take(1, 9, NOW)), "a grant forgets denials");
    // More than a burst never comes, and nobody has to say so.
    assert_eq!(wait(&rig.take(1, 101, at(100))), Some(Duration::MAX));
}

/// Otherwise those that wait would ask one after the other, for a unit each.
#[test]
fn who_comes_after_the_last_unit_is_denied_without_asking() {
    let rig = Rig::new();
    // 100 units a second: the first of 100 is there 10 ms after an empty bucket, and a lease is longer.
    assert!(rig.hears(1, 1, &Reply { remaining: 0, full: 1_000_000, ..granted(3) }, NOW));
    assert!(is_granted(&rig.take(1, 2, NOW)));
    assert!(wait(&rig.take(1, 1, NOW)).unwrap() >= Duration::from_millis(50));
    assert!(is_nothing(&rig.take(1, 1, at(100))));
    // 1 in 10 seconds: that is how long it takes.
    let rig = Rig { limit: limit(&fleet(), Quota::per_minute(6)), ..rig };
    assert!(rig.hears(2, 1, &Reply { remaining: 0, full: 59_999_999, ..granted(1) }, NOW));
    assert_eq!(wait(&rig.take(2, 1, NOW)), Some(Duration::from_micros(9_999_999)));
}

#[test]
fn failures_are_remembered_for_a_lease_and_forgotten_with_an_answer() {
    let rig = Rig::new();
    let (_, fetch) = rig.begin(1, 1, NOW);
    rig.keys.failed((1, &fetch), Duration::from_millis(100), NOW);
    assert!(matches!(rig.take(1, 1, at(99)), Known::Failed));
    assert!(is_nothing(&rig.take(1, 1, at(100))));
    rig.keys.failed((1, &fetch), Duration::from_millis(100), NOW);
    assert!(rig.hears(1, 1, &granted(1), NOW));
    assert!(is_nothing(&rig.take(1, 1, NOW)));
}

#[test]
fn one_call_at_a_time_is_on_its_way_for_a_key() {
    let rig = Rig::new();
    let (_, fetch) = rig.begin(1, 1, NOW);
    assert!(matches!(rig.take(1, 1, NOW), Known::OnItsWay(_)));
    let begun = rig.keys.begin(1, 1, &rig.limit, at(20), NOW);
    assert!(matches!(begun, Begun::Look));
    rig.keys.abandoned((1, &fetch));
    assert!(is_nothing(&rig.take(1, 1, NOW)));
    assert!(rig.hears(1, 1, &granted(3), NOW));
    let begun = rig.keys.begin(1, 2, &rig.limit, at(20), NOW);
    assert!(matches!(begun, Begun::Look), "there is enough by now");
}

/// Somebody may hold an `Ask` and never finish it.
#[test]
fn a_call_that_nobody_makes_any_more_is_taken_over() {
    let rig = Rig::new();
    let (_, forgotten) = rig.begin(1, 1, NOW);
    assert!(matches!(rig.take(1, 1, at(1_019)), Known::OnItsWay(_)));
    assert!(is_nothing(&rig.take(1, 1, at(1_020))));
    let (_, second) = rig.begin(1, 1, at(1_020));
    // The first comes at last. What it brings is there, and the second is on its way all the same.
    let count = rig.keys.answered((1, &forgotten), 1, &granted(2), &rig.limit, at(1_021));
    assert_eq!(count.retry_after, 0);
    assert!(is_granted(&rig.take(1, 1, at(1_021))));
    assert!(matches!(rig.take(1, 1, at(1_021)), Known::OnItsWay(_)));
    rig.keys.abandoned((1, &second));
    assert!(is_nothing(&rig.take(1, 1, at(1_021))));
}

#[test]
fn a_call_begun_in_the_future_is_taken_over() {
    let rig = Rig::new();
    let _forgotten = rig.begin(1, 1, at(5_000));
    assert!(matches!(rig.take(1, 1, at(4_000)), Known::OnItsWay(_)), "a second off is skew");
    assert!(is_nothing(&rig.take(1, 1, at(3_999))));
    rig.begin(1, 1, at(3_999));
}

/// What was leased in the future would otherwise be as good as new until then.
#[test]
fn an_answer_after_the_clock_went_back_keeps_nothing_of_before() {
    let rig = Rig::new();
    assert!(rig.hears(1, 1, &granted(9), at(5_000)));
    let (_, fetch) = rig.begin(1, 9, at(5_000));
    assert!(rig.keys.answered((1, &fetch), 9, &granted(9), &rig.limit, NOW).retry_after == 0);
    assert!(is_nothing(&rig.take(1, 1, NOW)));
    assert!(is_nothing(&rig.take(1, 1, at(4_999))));
}

#[test]
fn a_clock_that_goes_back_makes_everything_unknown() {
    let rig = Rig::new();
    assert!(rig.hears(1, 1, &granted(9), at(5_000)));
    assert!(!rig.hears(2, 1, &denied(Some(1_000_000)), at(5_000)));
    assert!(is_granted(&rig.take(1, 1, at(4_000))), "a second off is skew");
    assert!(wait(&rig.take(2, 1, at(4_000))).is_some());
    assert!(is_nothing(&rig.take(1, 1, at(3_999))));
    assert!(is_nothing(&rig.take(2, 1, at(3_999))));
    assert!(is_nothing(&rig.take(1, 1, at(5_000))), "and stays so");
}

/// What was heard in the future is forgotten, and not the call that is on its way: others would make it once more.
#[test]
fn a_call_outlives_what_a_clock_that_goes_back_makes_unknown() {
    let rig = Rig::new();
    assert!(rig.hears(1, 1, &granted(3), at(5_000)));
    let (_, fetch) = rig.begin(1, 3, at(4_000));
    for _ in 0..2 {
        assert!(matches!(rig.take(1, 1, at(3_999)), Known::OnItsWay(_)));
    }
    assert_eq!(
        rig.keys.answered((1, &fetch), 3, &granted(4), &rig.limit, at(3_999)).retry_after,
        0
    );
    assert!(is_granted(&rig.take(1, 1, at(3_999))));
}

/// Keys whose upper halves are hashes are in all sets alike, and seldom nine in one of eight.
#[test]
fn keys_are_divided_among_the_sets() {
    // Whatever the secret is: it is made odd.
    for mix in [0x9e37_79b9_7f4a_7c15, 0, 1] {
        let rig = Rig { keys: Keys::with_mix(1 << 10, mix).unwrap(), limit: hundred() };
        let has_room = |number: u128| {
            let key = number.wrapping_mul(0x2545_f491_4f6c_dd1d_9e37_79b9_7f4a_7c15);
            let begun = rig.keys.begin(key, 1, &rig.limit, at(20), NOW);
            matches!(begun, Begun::Call { .. })
        };
        let found = (1..=512).filter(|number| has_room(*number)).count();
        assert!(found > 490, "{found} of 512 in 128 sets of eight");
    }
}

/// I2. All keys whose upper halves are alike meet in one set, of eight.
#[test]
fn the_key_that_was_heard_of_longest_ago_is_displaced_and_never_one_with_a_call() {
    let rig = Rig::new();
    let fetches: Vec<_> = (1..=7).map(|key| rig.begin(key, 1, NOW).1).collect();
    assert!(rig.hears(8, 1, &granted(9), NOW));
    assert!(rig.hears(9, 1, &granted(9), at(1)), "the eighth makes room");
    assert!(is_nothing(&rig.take(8, 1, at(1))));
    assert!(is_granted(&rig.take(9, 1, at(1))));
    for key in 1..=7 {
        assert!(matches!(rig.take(key, 1, at(1)), Known::OnItsWay(_)), "{key}");
    }
    rig.begin(10, 1, at(2));
    assert!(matches!(rig.keys.begin(11, 1, &rig.limit, at(20), at(2)), Begun::NoRoom));
    // One that is answered makes room again; and that of the oldest.
    rig.keys.abandoned((3, &fetches[2]));
    rig.begin(11, 1, at(3));
    assert!(is_nothing(&rig.take(3, 1, at(3))));
    // All are lost at last.
    rig.begin(12, 1, at(5_000));
}

/// A habit is what was asked for since the last call, and no more than twice that.
#[test]
fn leases_grow_with_what_was_asked_for() {
    let rig = Rig {
        keys: Keys::new(1, &mut Seeds::of_chance()).unwrap(),
        limit: limit(&fleet(), Quota::per_second(10_000)),
    };
    let extra = |now| {
        assert!(is_nothing(&rig.take(1, 1, now)));
        let (extra, fetch) = rig.begin(1, 1, now);
        rig.keys.abandoned((1, &fetch));
        extra
    };
    assert_eq!(extra(NOW), 0, "the first");
    assert_eq!(extra(at(1)), 2, "one in a millisecond: 100 in 100, of which 2");
    assert_eq!(extra(at(201)), 0, "one in 200 ms");
    assert_eq!(extra(at(251)), 2);
    for _ in 0..10 {
        assert!(is_nothing(&rig.take(1, 100, at(252))));
    }
    assert_eq!(extra(at(451)), 500, "1,001 in 200 ms");
    for _ in 0..100 {
        assert!(is_nothing(&rig.take(1, 100, at(452))));
    }
    assert_eq!(extra(at(501)), 5_000, "half of the burst");
    // What can never be granted is no habit, and neither is what something else refuses.
    assert_eq!(wait(&rig.take(1, u32::MAX, at(502))), Some(Duration::MAX));
    assert!(is_nothing(&rig.take(1, 1_000, at(502))));
    rig.keys.not_asked(1, 1_000);
    assert_eq!(extra(at(1_501)), 0);
}

#[test]
fn memory_is_what_the_settings_say() {
    let keys = Keys::new(1 << 16, &mut Seeds::of_chance()).unwrap();
    let each = keys.memory_bytes() as f64 / f64::from(1 << 16);
    assert!((90.0..=105.0).contains(&each), "{each}");
    let bytes = |keys| Keys::new(keys, &mut Seeds::of_chance()).unwrap().memory_bytes();
    assert_eq!(bytes(65), 2 * bytes(64));
}

/// Whoever is denied for long is not heard of for long: others need the place more.
#[test]
fn long_denials_do_not_pin_their_places() {
    let rig = Rig::new();
    // All in one set: 64 keys are 8 sets, and none of them has more than eight.
    for key in 1..=200 {
        assert!(!rig.hears(key, 1, &denied(Some(3_600_000_000)), NOW));
    }
    for (millis, key) in (1..).zip([1_000, 1_001, 1_002, 1_003]) {
        assert!(rig.hears(key, 1, &granted(9), at(millis)));
    }
    for key in [1_000, 1_001, 1_002, 1_003] {
        assert!(is_granted(&rig.take(key, 1, at(5))), "{key}");
    }
}

/// Who asks for more than was denied waits for more.
#[test]
fn a_remembered_wait_is_for_as_many_units_as_are_asked_for() {
    let rig = Rig::new();
    // 100 a second: one unit in 500 ms, when 51 are missing, and all in a second and a half.
    let reply = Reply { granted: 0, remaining: 0, retry: Some(500_000), full: 1_490_000 };
    assert!(!rig.hears(1, 1, &reply, NOW));
    let wait = |units| wait(&rig.take(1, units, NOW)).unwrap();
    assert_eq!([wait(1), wait(2), wait(100)].map(|wait| wait.as_millis()), [500, 510, 1_490]);
    assert_eq!(wait(101), Duration::MAX);
}

/// What is told to be left counts what is leased, as long as it is, and what has come back.
#[test]
fn what_is_left_is_what_can_still_be_had() {
    let rig = Rig::new();
    let (_, fetch) = rig.begin(1, 1, NOW);
    let reply = Reply { granted: 5, remaining: 10, retry: Some(0), full: 900_000 };
    let told = rig.keys.answered((1, &fetch), 1, &reply, &rig.limit, NOW);
    assert_eq!(told.remaining, 14);
    let left = |now| rig.keys.peek(1, 0, &rig.limit, now).unwrap().remaining;
    assert_eq!(left(NOW), 14);
    assert!(is_granted(&rig.take(1, 1, NOW)));
    assert_eq!([left(NOW), left(at(899))], [13, 13]);
    assert_eq!([left(at(900)), left(at(2_000))], [100, 100]);
}

/// Two subjects have two keys under a limit, and two limits have two for a subject, however little they differ.
#[test]
fn every_bit_of_a_subject_is_in_its_key() {
    let fleet = fleet();
    let limit = limit(&fleet, Quota::per_second(100));
    let subject = fleet.subject(b"a");
    let key = |subject| Claim::new(&limit, subject, 1).key();
    for bit in 0..128 {
        assert_ne!(key(Subject(subject.0 ^ 1 << bit)), key(subject), "{bit}");
    }
    let other = fleet.limit("other", Quota::per_second(100), OnFailure::Local).unwrap();
    let both = [&limit, &other].map(|limit| Claim::new(limit, Subject(0), 1).key());
    assert!(both[0] != both[1] && both.iter().all(|key| *key != 0));
}

/// Nobody can name a subject that is a limit's scope: its key would be nothing.
#[test]
fn a_limit_is_hashed_under_another_key_than_subjects() {
    let fleet = fleet();
    let limit = limit(&fleet, Quota::per_second(100));
    let mut hasher = fleet.hasher();
    hasher.write(b"limit");
    hasher.write_u32(100);
    hasher.write_u32(100);
    hasher.write_u64(1_000_000_000);
    assert_ne!(Claim::new(&limit, hasher.subject(), 1).key(), 0);
}
