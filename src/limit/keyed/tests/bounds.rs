//! I1, I2 and I4: what a flood cannot do; how full a store may be; how much memory it takes.

use core::time::Duration;
use std::{
    string::ToString,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    vec::Vec,
};

use proptest::prelude::*;

use super::{at, fixed};
use crate::{
    limit::{
        exact::OnSaturation,
        keyed::{Capacity, KeyedLimiter, WAYS, set::Set},
        reference::Keyed,
    },
    quota::Quota,
    test_support::{cases, rounds},
};

const TENS: Quota = Quota::per_second(10).burst(20);

/// I2: however many other keys come, the victim has nothing but what time gives back.
#[test]
fn no_flood_gives_an_exhausted_key_anything_back() {
    for on_saturation in [OnSaturation::Deny, OnSaturation::Allow] {
        let store = fixed(TENS, Capacity::keys(300)).on_saturation(on_saturation);
        let mut model = Keyed::new(TENS, 0).unwrap();
        let mut now = at(1_000);
        assert!(store.check_n("victim", 20, now).is_admitted());
        model.check_n(0, 20, now);
        for fresh in 0..rounds(400_000_u32, 1_000) {
            now = now.saturating_add(Duration::from_micros(17));
            let _ = store.check(&fresh, now);
            if fresh % 10 == 0 {
                let may = model.check_n(0, 1, now).admitted;
                let decision = store.check("victim", now);
                assert!(
                    may || decision.is_denied() || decision.is_saturated(),
                    "a unit too many after {fresh} keys"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(60))]

    /// I1: in a store far too small, on clocks that differ by almost a second, whatever is admitted the
    /// reference, which keeps every key, would have admitted too.
    #[test]
    fn a_full_store_on_skewed_clocks_is_never_more_generous_than_the_reference(
        seeds in any::<[u64; 5]>(),
        sets in 1..4_usize,
        story in prop::collection::vec((0..40_u64, 1..4_u32, 0..20_u64, 0..990_u64), 200..1_500),
    ) {
        let quota = Quota::per_second(5).burst(4);
        let capacity = Capacity::bytes(size_of::<KeyedLimiter>() + sets * size_of::<Set>());
        let store = KeyedLimiter::danger_with_seeds(quota, 0, capacity, seeds).unwrap();
        let mut model = Keyed::new(quota, 0).unwrap();
        let mut latest = at(10_000);
        let (mut admitted, mut saturated) = (0, 0);
        for (key, n, forward, behind) in story {
            latest = latest.saturating_add(Duration::from_millis(forward));
            let now = latest.saturating_sub(Duration::from_millis(behind));
            let decision = store.check_n(&key, n, now);
            saturated += u32::from(decision.is_saturated());
            if decision.is_admitted() {
                admitted += 1;
                prop_assert!(model.check_n(key, n, now).admitted, "{} of key {} at {:?}", n, key, now);
            }
        }
        prop_assert!(admitted > 0 && (saturated > 0 || sets > 2));
    }
}

/// I1 and I5, on real threads: at one instant, no key gets more than its burst, in a store in which
/// places change hands all the time, and a step of the seed and of the quota in between.
#[test]
fn threads_never_admit_more_than_the_burst() {
    const KEYS: u32 = rounds(64, 16);
    let quota = Quota::per_second(1).burst(3);
    let store = fixed(quota, Capacity::bytes(size_of::<KeyedLimiter>() + 4 * size_of::<Set>()));
    for round in 0..rounds(60, 1) {
        let now = at(10_000 + round * 10_000);
        let counts: Vec<AtomicU32> = (0..KEYS).map(|_| AtomicU32::new(0)).collect();
        thread::scope(|scope| {
            for thread in 0..4_u32 {
                let (store, counts) = (&store, &counts);
                scope.spawn(move || {
                    for turn in 0..10 * KEYS {
                        let key = (turn.wrapping_mul(7).wrapping_add(thread * 3)) % KEYS;
                        if store.check(&key, now).is_admitted() {
                            counts[key as usize].fetch_add(1, Ordering::Relaxed);
                        }
                        if thread == 0 && turn == 5 * KEYS {
                            let _ = store.rotate_seed(now);
                        }
                    }
                });
            }
        });
        for (key, count) in counts.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            assert!(count <= 3, "key {key} got {count} in round {round}");
        }
        assert!(counts.iter().any(|count| count.load(Ordering::Relaxed) == 3));
    }
}

/// The documented spill: keys that come at once, at 70, 80 and 90 % of the places.
#[test]
fn the_promised_number_of_keys_finds_a_place() {
    let slow = Quota::per_day(1);
    for (tenths, most) in [(7, 0.000_2), (8, 0.002), (9, 0.015)] {
        let store = fixed(slow, Capacity::keys(80_000));
        let places = store.stats(at(1)).places();
        let keys = u32::try_from(places * tenths / 10).unwrap();
        let spilled = (0..keys).filter(|key| store.check(key, at(1)).is_saturated()).count();
        let share = spilled as f64 / f64::from(keys);
        assert!(share <= most, "{tenths} tenths: {share}");
        let stats = store.stats(at(1));
        // Two keys in a hundred thousand or so share a bucket.
        assert!((keys as usize - spilled).abs_diff(stats.owing()) <= 4, "{stats:?}");
        assert_eq!(stats.times_unseated() as usize, spilled);
        assert_eq!(stats.times_reclaimed(), 0);
    }
}

/// The documented spill in a store where keys come and go all the time.
#[test]
#[cfg_attr(miri, ignore = "statistics of 100,000 keys")]
fn the_documented_share_of_a_steady_stream_finds_a_place() {
    // A key holds its place for its interval and the lag of the reclaim clock, 1 to 1.5 ms.
    for (taken, most) in [(0.475, 0.000_5), (0.57, 0.002_5), (0.66, 0.012), (0.735, 0.04)] {
        let store = fixed(TENS, Capacity::keys(8_000));
        let places = store.stats(at(1)).places() as f64;
        let hold = 0.101_25;
        let nanos = (1e9 * hold / (places * taken)) as u64;
        let (mut now, mut spilled, mut counted) = (at(1_000), 0_u32, 0_u32);
        for key in 0..200_000_u32 {
            now = now.saturating_add(Duration::from_nanos(nanos));
            let saturated = store.check(&key, now).is_saturated();
            if key > 40_000 {
                counted += 1;
                spilled += u32::from(saturated);
            }
        }
        let share = f64::from(spilled) / f64::from(counted);
        assert!(share <= most, "{taken} taken: {share}");
    }
}

/// The documented probability that two keys share a bucket: 14 / 2²¹ for a key that looks for a place
/// in a full store, and in proportion to how full it is.
#[test]
#[cfg_attr(miri, ignore = "statistics of 100,000 keys")]
fn keys_share_a_bucket_as_rarely_as_documented() {
    let store = fixed(Quota::per_day(1), Capacity::keys(10_000));
    for key in 0..10_000_u32 {
        let _ = store.check(&key, at(1));
    }
    let looks = 1_500_000_u32;
    let shared = (0..looks)
        .filter(|look| {
            let decision = store.peek_n(&(1 << 31 | look), 1, at(1));
            decision.is_denied() && !decision.is_saturated()
        })
        .count();
    // 14 · 0.8 / 2^21 of the looks: 8 are expected. None at all has a chance of 1 in 3,000.
    assert!((1..=20).contains(&shared), "{shared} of {looks}");
}

/// I4: bytes are honoured, and keys take what was said.
#[test]
fn memory_is_what_was_asked_for() {
    for bytes in [2_000_usize, 65_536, 256 * 1024, 1 << 20] {
        let store = fixed(TENS, Capacity::bytes(bytes));
        assert!(store.memory_bytes() <= bytes);
        assert!(store.memory_bytes() > bytes - size_of::<Set>());
    }
    let store = fixed(TENS, Capacity::keys(100_000));
    let each = store.memory_bytes() as f64 / 100_000.0;
    assert!((11.4..11.5).contains(&each), "{each} bytes a key");
    assert!(size_of::<KeyedLimiter>() <= 768, "documented: about 700 bytes");

    let refused = |capacity| KeyedLimiter::new(TENS, capacity).unwrap_err().to_string();
    assert!(refused(Capacity::keys(0)).contains("at least 1"));
    assert!(refused(Capacity::bytes(100)).contains("use at least"));
    assert!(refused(Capacity::keys(usize::MAX)).contains("smaller"));
    assert!(refused(Capacity::bytes(usize::MAX)).contains("smaller"));
    assert!(refused(Capacity::bytes(1 << 50)).contains("cannot be had"));
}

/// I8: regulars keep their places through a flood; no more than four of a set are kept so.
#[test]
fn established_keys_outlast_a_flood() {
    let store = fixed(TENS, Capacity::bytes(size_of::<KeyedLimiter>() + 200 * size_of::<Set>()));
    let mut now = at(1_000);
    let regulars = 200_u32;
    for _ in 0..3 {
        for regular in 0..regulars {
            assert!(store.check(&regular, now).is_admitted());
        }
        now = now.saturating_add(Duration::from_secs(1));
    }
    assert_eq!(store.stats(now).established(), 200);
    for second in 0..40_u32 {
        for fresh in 0..20_000_u32 {
            now = now.saturating_add(Duration::from_micros(50));
            let _ = store.check(&(1_000 + second * 20_000 + fresh), now);
        }
        for regular in 0..regulars {
            assert!(store.check(&regular, now).is_admitted(), "second {second}");
        }
    }
    let stats = store.stats(now);
    assert!(stats.times_unseated() > 100_000, "that was a flood: {stats:?}");
    // A minute after they were last seen they are newcomers again.
    now = now.saturating_add(Duration::from_secs(62));
    let _ = store.check("somebody", now);
    assert_eq!(store.stats(now).established(), 0);
    assert!(stats.established() <= 200 * 4 && WAYS == 7);
}

/// Regulars that were away for more than a minute are counted among the four when they come back.
#[test]
fn no_more_than_four_of_a_set_are_established_whoever_comes_back() {
    let store = fixed(TENS, Capacity::bytes(size_of::<KeyedLimiter>() + size_of::<Set>()));
    let mut now = at(1_000);
    let visit = |keys: core::ops::Range<u32>, now| {
        for key in keys {
            assert!(store.check(&key, now).is_admitted());
        }
    };
    for keys in [0..4, 0..4, 4..7] {
        visit(keys, now);
        now = now.saturating_add(Duration::from_secs(1));
    }
    assert_eq!(store.stats(now).established(), 4);
    // The four age out while the three keep coming, which makes those established.
    now = now.saturating_add(Duration::from_secs(62));
    visit(4..7, now);
    assert_eq!(store.stats(now).established(), 3);
    now = now.saturating_add(Duration::from_secs(1));
    visit(0..4, now);
    assert_eq!(store.stats(now).established(), 4);
}

/// I8: how many are established is counted anew when one comes back, and then others can be in their stead.
#[test]
fn regulars_are_established_once_others_have_aged_out() {
    let store = fixed(TENS, Capacity::bytes(size_of::<KeyedLimiter>() + size_of::<Set>()));
    let established_after = |keys: core::ops::Range<u32>, now| {
        for key in keys {
            assert!(store.check(&key, now).is_admitted());
        }
        store.stats(now).established()
    };
    let secs = |secs: u64| at(1_000 * secs);
    assert_eq!([1, 2].map(|now| established_after(0..4, secs(now))), [0, 4]);
    assert_eq!([3, 40].map(|now| established_after(4..7, secs(now))), [4, 4]);
    // The four are gone; the first of the others has been away for as long, and two of them come now and then.
    assert_eq!(established_after(5..7, secs(80)), 0, "who comes by a glance asks the last count");
    assert_eq!(established_after(4..5, secs(101)), 1);
    assert_eq!(established_after(5..7, secs(102)), 3);
}

/// I8: nobody is established by what it takes before its bucket has filled.
#[test]
fn who_comes_back_owing_is_no_regular() {
    let store = fixed(TENS, Capacity::keys(100));
    for units in [1, 2, 3] {
        assert!(store.charge_n("a", units, at(1_000)).is_admitted());
        assert_eq!(store.stats(at(1_000)).established(), 0);
    }
    assert!(store.charge_n("a", 1, at(1_700)).is_admitted());
    assert_eq!(store.stats(at(1_700)).established(), 1);
}

/// I8: who is one of the four stays so, also where it is charged without a glance.
#[test]
fn regulars_are_not_counted_against_themselves() {
    let store = fixed(TENS, Capacity::bytes(size_of::<KeyedLimiter>() + size_of::<Set>()));
    for millis in [1_000, 2_000] {
        for key in 0..4_u32 {
            assert!(store.check(&key, at(millis)).is_admitted());
        }
    }
    for key in 0..4_u32 {
        assert!(store.charge_n(&key, 1, at(3_000)).is_admitted());
    }
    assert_eq!(store.stats(at(3_000)).established(), 4);
}

/// Who is denied a place is told when to come again, and then there may be one.
#[test]
fn saturation_says_when_to_come_again() {
    let store = fixed(TENS, Capacity::bytes(size_of::<KeyedLimiter>() + size_of::<Set>()));
    let now = at(1_000);
    for key in 0..7_u32 {
        assert!(store.check(&key, now).is_admitted());
    }
    let decision = store.check("late", now);
    assert!(decision.is_denied() && decision.is_saturated());
    let wait = decision.standing().retry_after();
    assert!(wait >= Duration::from_millis(100) && wait < Duration::from_millis(120), "{wait:?}");
    assert!(store.peek_n("late", 1, now).is_saturated());
    assert!(store.check("late", now.saturating_add(wait)).is_admitted());
    assert_eq!(
        store.stats(now).times_unseated(),
        2,
        "once when it asked, once when it was peeked at"
    );
    assert_eq!((store.times_unseated(), store.stats(now).times_reclaimed()), (2, 1));

    let allowing = fixed(TENS, Capacity::bytes(size_of::<KeyedLimiter>() + size_of::<Set>()))
        .on_saturation(OnSaturation::Allow);
    for key in 0..9_u32 {
        let decision = allowing.check(&key, now);
        assert!(decision.is_admitted());
        assert_eq!(decision.is_saturated(), key >= 7);
    }
    assert!(std::format!("{store:?}").contains("places: 7"));
}
