mod forged;

use core::time::Duration;
use std::{collections::BTreeSet, format, string::String, vec::Vec};

use proptest::prelude::*;

use super::{KeyedSnapshot, State, Way, moment, remember};
use crate::{
    limit::{
        OnSaturation,
        keyed::{
            Capacity, KeyedLimiter,
            set::Set,
            word::{Fingerprint, Word},
        },
        reference::{Answer, Keyed},
    },
    quota::{Quota, ticks::Ticks},
    test_support::cases,
    time::Timestamp,
};

const SEEDS: [u64; 5] = [0x452_821e, 0x638_d013, 0x77be_5466, 0xcf34_e90c, 0x6c0a_c29b];
const TENS: Quota = Quota::per_second(10).burst(20);
const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn json(snapshot: &KeyedSnapshot) -> String {
    serde_json::to_string(snapshot).unwrap()
}

/// Written down, read, and restored.
fn restarted(
    store: &KeyedLimiter,
    moment: Timestamp,
    down: Duration,
    now: Timestamp,
) -> KeyedLimiter {
    let snapshot = store.snapshot(moment);
    let read: KeyedSnapshot = serde_json::from_str(&json(&snapshot)).unwrap();
    assert!(read == snapshot);
    KeyedLimiter::restore(&read, down, now).unwrap()
}

fn tiny(quota: Quota, debt: u32, sets: usize, seeds: [u64; 5]) -> KeyedLimiter {
    let capacity = Capacity::bytes(size_of::<KeyedLimiter>() + sets * size_of::<Set>());
    KeyedLimiter::danger_with_seeds(quota, debt, capacity, seeds).unwrap()
}

/// What forty keys are told from each other by, under the present seed.
fn marks_of(store: &KeyedLimiter) -> impl Iterator<Item = (u64, u64)> + use<> {
    let (view, shape) = (store.table.era.view(), store.table.shape);
    let mark = |key: u64| (view.place(store.hash(&key), shape).key.number(), key);
    (0..40).map(mark).collect::<Vec<_>>().into_iter()
}

/// One case of some hundred: by chance two keys are one, each under a seed of its own.
fn has_two_alike(marks: &BTreeSet<(u64, u64)>) -> bool {
    let of_several = |one: &(u64, u64), other: &(u64, u64)| one.0 == other.0 && one.1 != other.1;
    marks.iter().zip(marks.iter().skip(1)).any(|(one, other)| of_several(one, other))
}

fn later(now: Timestamp, nanos: u64) -> Timestamp {
    now.saturating_add(Duration::from_nanos(nanos))
}

#[derive(Clone, Debug)]
enum Op {
    Check(u32),
    Charge(u32),
    Refund(u32),
    Forgive,
    Rotate,
    SetQuota(Quota),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => taking(),
        1 => (0..8_u32).prop_map(Op::Refund),
        1 => Just(Op::Forgive),
    ]
}

/// Of nothing, what has not moved yet answers by its own quota.
fn taking() -> impl Strategy<Value = Op> {
    prop_oneof![6 => (1..8_u32).prop_map(Op::Check), 1 => (1..40_u32).prop_map(Op::Charge)]
}

fn change() -> impl Strategy<Value = Op> {
    prop_oneof![Just(Op::Rotate), quota().prop_map(Op::SetQuota)]
}

fn quota() -> impl Strategy<Value = Quota> {
    prop_oneof![
        Just(TENS),
        Just(Quota::per_second(1_000_000).burst(1_000_000)),
        Just(Quota::per_day(1).burst(1_000_000)),
        Just(Quota::per_second(0)),
        (1..500_u32, 1..40_u32).prop_map(|(count, burst)| Quota::per_second(count).burst(burst)),
        (1..50_u32, 1..40_u32).prop_map(|(count, burst)| Quota::per_hour(count).burst(burst)),
    ]
}

fn step() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => Just(0),
        6 => 0..400_000_000_u64,
        2 => 0..100_000_000_000_u64,
        1 => 0..1_u64 << 52,
    ]
}

fn run(store: &KeyedLimiter, op: &Op, key: u8, now: Timestamp) -> (Answer, bool) {
    let mut done = true;
    match op {
        Op::Check(n) => return (store.check_n(&key, *n, now).into(), true),
        Op::Charge(n) => return (store.charge_n(&key, *n, now).into(), true),
        Op::Refund(n) => store.refund_n(&key, *n, now),
        Op::Forgive => store.forgive(&key, now),
        Op::Rotate => done = store.rotate_seed(now).is_ok(),
        Op::SetQuota(quota) => done = store.set_quota(*quota, now).is_ok(),
    }
    (store.peek_n(&key, 1, now).into(), done)
}

proptest! {
    #![proptest_config(cases(200))]

    /// I1 and I3: on the same clock every answer is the same, whenever it goes on, after whatever changes
    /// (of which some keys know yet, and others do not), and before whatever others.
    #[test]
    fn a_restored_store_goes_on_as_if_it_had_never_stopped(
        quota in quota(),
        debt in 0..30_u32,
        seeds in any::<[u64; 5]>(),
        start in prop_oneof![Just(0), 0..1_u64 << 60, Just(u64::MAX - (1 << 53))],
        before in prop::collection::vec((step(), 0..12_u8, op()), 0..60),
        changes in prop::collection::vec(change(), 0..3),
        moving in prop::collection::vec((0..12_u8, taking()), 0..12),
        down in step(),
        after in prop::collection::vec((step(), 0..12_u8, prop_oneof![9 => op(), 1 => change()]), 1..40),
    ) {
        let capacity = Capacity::keys(300);
        let store = KeyedLimiter::danger_with_seeds(quota, debt, capacity, seeds).unwrap();
        let mut now = Timestamp::from_nanos(start);
        for (step, key, op) in &before {
            now = later(now, *step);
            let _ = run(&store, op, *key, now);
        }
        for change in &changes {
            let _ = run(&store, change, 0, now);
        }
        for (key, op) in &moving {
            let _ = run(&store, op, *key, now);
        }
        let taken = now;
        now = later(now, down);
        let down = now.saturating_duration_since(taken);
        let restored = restarted(&store, taken, down, now);
        prop_assert_eq!(restored.quota(), store.quota());
        let (one, other) = (store.stats(now), restored.stats(now));
        prop_assert_eq!((one.places(), one.established()), (other.places(), other.established()));
        // Keys that have moved leave tombstones, which are not written.
        prop_assert!(one.owing() >= other.owing() && one.taken() >= other.taken());
        if changes.is_empty() {
            prop_assert_eq!((one.owing(), one.taken()), (other.owing(), other.taken()));
        }
        for (step, key, op) in &after {
            now = later(now, *step);
            for key in 0..12_u8 {
                let (one, other) = (store.peek_n(&key, 1, now), restored.peek_n(&key, 1, now));
                prop_assert_eq!(Answer::from(one), Answer::from(other), "{} at {:?}", key, now);
            }
            prop_assert_eq!(run(&store, op, *key, now), run(&restored, op, *key, now));
        }
        prop_assert_eq!(store.stats(now).times_unseated(), 0);
    }

    /// I1: by a clock of any origin, a wait is at most a tick longer, and never shorter.
    #[test]
    fn another_clock_is_never_ahead(
        quota in quota(),
        seeds in any::<[u64; 5]>(),
        takes in prop::collection::vec((step(), 0..12_u8, 1..40_u32), 1..40),
        down in step(),
        origin in prop_oneof![Just(0), 0..u64::MAX / 2],
        looks in prop::collection::vec(step(), 1..10),
    ) {
        prop_assume!(!quota.is_zero());
        let capacity = Capacity::keys(300);
        let store = KeyedLimiter::danger_with_seeds(quota, 0, capacity, seeds).unwrap();
        let mut now = NOW;
        for (step, key, n) in takes {
            now = later(now, step);
            let _ = store.check_n(&key, n, now);
        }
        let mut there = Timestamp::from_nanos(origin);
        let restored = restarted(&store, now, Duration::from_nanos(down), there);
        now = later(now, down);
        let scale = Ticks::packed(quota, 0).unwrap().scale;
        let tick = u64::try_from((1_u128 << scale.after) / u128::from(scale.per_nano)).unwrap() + 2;
        for step in looks {
            (now, there) = (later(now, step), later(there, step));
            for key in 0..12_u8 {
                let wait = |store: &KeyedLimiter, now| {
                    store.peek_n(&key, quota.max_burst(), now).standing().retry_after()
                };
                let (here, there) = (wait(&store, now), wait(&restored, there));
                prop_assert!(there >= here, "{:?} instead of {:?}", there, here);
                prop_assert!(there <= here + Duration::from_nanos(tick), "{:?} for {:?}", there, here);
            }
        }
    }

    /// I1: in a store far too small, on clocks that differ by almost a second, over several restarts,
    /// whatever is admitted the reference would have admitted too.
    #[test]
    fn restarts_of_a_full_store_are_never_more_generous_than_the_reference(
        seeds in any::<[u64; 5]>(),
        sets in 1..4_usize,
        story in prop::collection::vec(
            (0..40_u64, 1..4_u32, 0..20_u64, 0..990_u64, 0..60_u32), 200..1_000),
    ) {
        let quota = Quota::per_second(5).burst(4);
        let mut store = tiny(quota, 0, sets, seeds);
        let mut model = Keyed::new(quota, 0).unwrap();
        let mut latest = Timestamp::from_secs(10);
        let mut admitted = 0;
        let mut marks = BTreeSet::new();
        for (key, n, forward, behind, event) in story {
            latest = latest.saturating_add(Duration::from_millis(forward));
            let now = latest.saturating_sub(Duration::from_millis(behind));
            match event {
                0 => {
                    marks.extend(marks_of(&store));
                    let _ = store.rotate_seed(now);
                    marks.extend(marks_of(&store));
                    if has_two_alike(&marks) {
                        return Ok(());
                    }
                }
                1 => store = restarted(&store, now, Duration::ZERO, now),
                2 => {
                    let down = latest.saturating_duration_since(now);
                    store = restarted(&store, now, down, latest);
                }
                _ => {}
            }
            if store.check_n(&key, n, now).is_admitted() {
                admitted += 1;
                prop_assert!(model.check_n(key, n, now).admitted, "{} of key {} at {:?}", n, key, now);
            }
        }
        prop_assert!(admitted > 0);
    }

    /// I1, in numbers: what has passed on the clock that goes on is no more than on the old one, and
    /// less by at most a tick; and nothing less if it is the same clock.
    #[test]
    fn no_part_of_a_tick_is_gained(
        quota in quota(),
        then in 0..1_u64 << 62,
        down in prop_oneof![Just(0), 0..100_u64, 0..1_u64 << 62],
        now in 0..1_u64 << 62,
        later in prop_oneof![0..100_u64, 0..1_u64 << 62],
    ) {
        let scale = Ticks::packed(quota, 0).unwrap().scale;
        let tick = |nanos: u128| ((nanos * u128::from(scale.per_nano)) >> scale.after) as i128;
        let passed_here = |now: u64| {
            let moment = moment(scale, then, Duration::from_nanos(down), Timestamp::from_nanos(now));
            tick(u128::from(now) + u128::from(later)) - moment
        };
        let passed = tick(u128::from(then) + u128::from(down) + u128::from(later))
            - tick(u128::from(then));
        let here = passed_here(now);
        prop_assert!(here <= passed && here >= passed - 1, "{} of {}", here, passed);
        if let Some(same) = then.checked_add(down) {
            prop_assert_eq!(passed_here(same), passed);
        }
    }
}

/// I1: regulars keep their places through a flood after the restart as before it.
#[test]
#[cfg_attr(miri, ignore = "a flood of 200,000 keys")]
fn regulars_are_still_established() {
    let store = tiny(TENS, 0, 200, SEEDS);
    let mut now = NOW;
    for _ in 0..2 {
        for regular in 0..200_u32 {
            assert!(store.check(&regular, now).is_admitted());
        }
        now = later(now, 1_000_000_000);
    }
    let down = Duration::from_secs(20);
    let restored = restarted(&store, now, down, Timestamp::ZERO);
    now = Timestamp::ZERO;
    assert_eq!(restored.stats(now).established(), 200);
    for fresh in 0..200_000_u32 {
        now = later(now, 50_000);
        let _ = restored.check(&(1_000 + fresh), now);
    }
    assert!(restored.stats(now).times_unseated() > 50_000, "that was a flood");
    for regular in 0..200_u32 {
        assert!(restored.check(&regular, now).is_admitted());
    }
}

/// I3: right after both changes that can be made in a row, before any key has moved.
#[test]
fn keys_that_have_not_moved_yet_are_found() {
    let store = tiny(TENS, 0, 200, SEEDS);
    for key in 0..500_u32 {
        let _ = store.check_n(&key, key % 20 + 1, NOW);
    }
    store.set_quota(Quota::per_second(5).burst(30), NOW).unwrap();
    for key in 0..250_u32 {
        let _ = store.check_n(&key, 1, NOW);
    }
    store.rotate_seed(NOW).unwrap();
    let restored = restarted(&store, NOW, Duration::ZERO, Timestamp::ZERO);
    for key in 0..500_u32 {
        let left = 29 - key % 20 - u32::from(key < 250);
        let standing = restored.peek_n(&key, 1, Timestamp::ZERO).standing();
        assert_eq!(standing.remaining(), left, "key {key}");
        assert!(restored.check_n(&key, left + 1, Timestamp::ZERO).is_denied(), "key {key}");
    }
    assert!(restored.rotate_seed(Timestamp::ZERO).is_err(), "as before, it is too soon");
    let soon = Timestamp::from_secs(80);
    assert!(
        restored.rotate_seed(soon).is_ok() && store.rotate_seed(later(NOW, 80_000_000_000)).is_ok()
    );
}

#[test]
fn an_answer_to_keys_without_a_place_is_kept() {
    let store = tiny(TENS, 0, 1, SEEDS).on_saturation(OnSaturation::Allow);
    assert!(store.snapshot(NOW).is_empty());
    for key in 0..7_u32 {
        assert!(store.check(&key, NOW).is_admitted());
    }
    let restored = restarted(&store, NOW, Duration::ZERO, NOW);
    let decision = restored.check(&7_u32, NOW);
    assert!(decision.is_admitted() && decision.is_saturated());
    assert_eq!(restored.memory_bytes(), store.memory_bytes());
}

/// Of a quota that fills the bits of a word to the last tick, in ticks of two nanoseconds.
#[test]
fn the_largest_quota_is_no_contradiction() {
    let store = tiny(Quota::new(1, Duration::from_nanos(1 << 17)).unwrap(), 0, 1, SEEDS);
    let period = 2 * ((1 << 34) - 500_000_002) / 18;
    let quota = |period| Quota::new(1, Duration::from_nanos(period)).unwrap().burst(18);
    assert!(store.set_quota(quota(period + 2), NOW).is_err());
    store.set_quota(quota(period), NOW).unwrap();
    assert!(store.check_n("a", 18, NOW).is_admitted());
    let restored = restarted(&store, NOW, Duration::ZERO, NOW);
    assert!(restored.check("a", NOW).is_denied());
    assert_eq!(restored.quota(), quota(period));
}

/// One that was lost and came again while its set was read owes the more of both; what it left elsewhere stays.
#[test]
fn a_key_that_is_read_twice_is_remembered_once() {
    let live = |debt: u64| Word::live(1_000 + debt, Fingerprint::of(5), false);
    let closed = live(0).closed(1_100);
    let other = Word::live(1_003, Fingerprint::of(6), true);
    let mut ways = Vec::new();
    for word in [closed, live(50), other, live(70), live(60), Word::tombstone(1_009)] {
        remember(&mut ways, 3, word, 1_000);
    }
    remember(&mut ways, 4, live(9), 1_000);
    let expected = [
        Way(3, 5, State::Closed, 100),
        Way(3, 5, State::Newcomer, 70),
        Way(3, 6, State::Established, 3),
        Way(4, 5, State::Newcomer, 9),
    ];
    assert!(ways == expected);
}

/// A process that starts with its own clock, whatever the time between.
#[test]
fn a_young_clock_and_a_long_time_leave_no_debt() {
    for quota in [TENS, Quota::per_second(1_000_000).burst(1_000_000)] {
        let store = tiny(quota, 0, 10, SEEDS);
        for key in 0..20_u32 {
            assert!(store.check_n(&key, quota.max_burst(), NOW).is_admitted());
        }
        for down in [10, 10_000, 1_000_000, 1_500_000, 2_200_000, u64::MAX] {
            for now in [0, 1, 5, 1_000_000, 2_000_000] {
                let now = Timestamp::from_secs(now);
                let restored = restarted(&store, NOW, Duration::from_secs(down), now);
                for key in 0..20_u32 {
                    let all = restored.check_n(&key, quota.max_burst(), now);
                    assert!(all.is_admitted(), "{down} s until {now:?}");
                }
                assert_eq!(restored.stats(now).owing(), 20);
            }
        }
    }
}

/// A limiter with a bit of everything.
fn some() -> KeyedLimiter {
    let store = tiny(TENS, 5, 3, SEEDS);
    for now in [NOW.saturating_sub(Duration::from_secs(5)), NOW] {
        for key in 0..6_u32 {
            let _ = store.charge_n(&key, 4 * key + 1, now);
        }
    }
    store.rotate_seed(NOW).unwrap();
    let _ = store.check(&1_u32, NOW);
    store
}

/// I2: whatever byte is changed, removed or added, wherever the text is cut off.
#[test]
fn no_damage_makes_another_store() {
    let snapshot = some().snapshot(NOW);
    let text = json(&snapshot);
    assert!(snapshot.len() == 6 && !snapshot.is_empty(), "{text:?}");
    let mut refused = 0;
    for at in 0..text.len() {
        let (before, after) = (&text.as_bytes()[..at], &text.as_bytes()[at..]);
        let mut damaged: Vec<Vec<u8>> =
            (0..7).map(|bit| [before, &[after[0] ^ 1 << bit], &after[1..]].concat()).collect();
        damaged.push([before, &after[1..]].concat());
        damaged.push([before, after.get(..1).unwrap(), after].concat());
        damaged.push([before, b"0", after].concat());
        damaged.push(before.to_vec());
        for text in damaged {
            let Ok(text) = String::from_utf8(text) else { continue };
            let Ok(read) = serde_json::from_str::<KeyedSnapshot>(&text) else {
                refused += 1;
                continue;
            };
            let restored = KeyedLimiter::restore(&read, Duration::ZERO, NOW);
            assert!(restored.is_err() || read == snapshot, "never another store: {text}");
            refused += u32::from(restored.is_err());
        }
    }
    assert!(refused > 4_000, "{refused}");
}

#[test]
fn debug_is_short_and_tells_no_seed() {
    let snapshot = some().snapshot(NOW);
    let shown = format!("{snapshot:?}");
    assert!(shown.len() < 120 && !shown.contains(&format!("{}", SEEDS[0])), "{shown}");
    assert_eq!(snapshot.quota(), TENS);
}
