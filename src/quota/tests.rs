use core::time::Duration;
use std::{format, string::ToString};

use proptest::prelude::*;

use super::{LONGEST, Quota, QuotaError, ticks::Ticks};
use crate::time::NANOS_PER_SEC;
#[cfg(feature = "std")]
use crate::time::Timestamp;

/// Every quota that can be built, biased towards the edges of each field.
pub(crate) fn any_quota() -> impl Strategy<Value = Quota> {
    (edgy_u32(), edgy_u32(), any_period()).prop_map(|(count, burst, period)| {
        let quota = Quota::new(count, Duration::from_nanos(period));
        // Too fast: the same numbers per second are always a quota.
        quota.unwrap_or(Quota::per_second(count)).burst(burst)
    })
}

/// All of u32: small, round, around powers of two, and uniform.
pub(crate) fn edgy_u32() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => 0..20_u32,
        2 => prop::sample::select(&[60, 100, 1_000, 1_000_000, 1_000_000_000, 213_505][..]),
        2 => (0..32_u32, -1..2_i64).prop_map(|(bit, off)| {
            u32::try_from((1_i64 << bit) + off).unwrap()
        }),
        1 => (0..4_u32).prop_map(|below| u32::MAX - below),
        2 => any::<u32>(),
    ]
}

fn any_period() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => 1..20_u64,
        4 => prop::sample::select(&[1, 60, 3_600, 86_400][..]).prop_map(|s| s * NANOS_PER_SEC),
        2 => (0..61_u32, 0..3_u64).prop_map(|(bit, off)| ((1 << bit) + off).clamp(1, LONGEST)),
        1 => (0..4_u64).prop_map(|below| LONGEST - below),
        2 => 1..=LONGEST,
    ]
}

proptest! {
    #![proptest_config(crate::test_support::cases(5_000))]

    /// I1 to I4 of the ticks.
    #[test]
    fn ticks_are_never_too_fast_and_fit_the_window(
        quota in any_quota(),
        debt in prop_oneof![Just(0), edgy_u32()],
        narrower in prop_oneof![Just(0), 0..9_u32],
    ) {
        let ticks = Ticks::within(quota, debt, narrower);
        if quota.is_zero() {
            prop_assert_eq!((ticks.scale.interval, ticks.burst), (0, 0));
            return Ok(());
        }
        prop_assert_eq!(
            u128::from(ticks.burst),
            u128::from(ticks.scale.interval) * u128::from(quota.max_burst())
        );
        let both = u128::from(quota.max_burst()) + u128::from(debt);
        prop_assert_eq!(u128::from(ticks.most), u128::from(ticks.scale.interval) * both);
        prop_assert!(ticks.lawful <= (1 << 61) >> narrower, "I3: {ticks:?}");
        let Ticks { scale, burst, most, lawful } = ticks;
        let even = scale.interval | scale.per_nano | burst | most | lawful;
        prop_assert_eq!(even % 2, 0, "I4: {:?}", ticks);

        // interval · tick ≥ period / count, both sides times count · per_nano.
        let given = (u128::from(ticks.scale.interval) << ticks.scale.shift) * u128::from(quota.count());
        let wanted = u128::from(quota.period_nanos()) * u128::from(ticks.scale.per_nano);
        prop_assert!(given >= wanted, "I1: {ticks:?}");

        let exact = given == wanted;
        if !exact {
            // By how much the rate is lower, as a power of two: 1 - wanted / given.
            let excess = given - wanted;
            let per_second = u128::from(quota.count()) * u128::from(NANOS_PER_SEC)
                / u128::from(quota.period_nanos());
            let less = narrower + u32::from(debt > 0);
            let promised = if ticks.scale.shift > 0 {
                26 - less
            } else if both <= 1 << 26 && per_second <= 50_000_000 {
                32 - narrower
            } else {
                25 - less
            };
            prop_assert!(excess <= given >> promised, "I2: {ticks:?}");
        }
    }

    #[test]
    fn text_goes_both_ways(quota in any_quota()) {
        prop_assert_eq!(quota.to_string().parse::<Quota>().unwrap(), quota);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,24}|[0-9]{0,11}[ /]{0,2}[0-9]{0,21}(s|min|day|x)?( burst [0-9]{0,11})?") {
        if let Ok(quota) = text.parse::<Quota>() {
            prop_assert_eq!(quota.to_string().parse::<Quota>().unwrap(), quota);
        }
    }
}

/// I2 at its bound: four ticks of a little more than 2²³ are less than 2⁻²¹ of them, and more than that of what is wanted.
#[test]
fn a_coarse_tick_keeps_the_rate_to_what_is_promised() {
    let quota = Quota::new(4_194_305, Duration::from_nanos(1 << 46)).unwrap().burst(u32::MAX);
    let Ticks { scale, .. } = Ticks::within(quota, 0, 5);
    assert_eq!((scale.interval, scale.per_nano, scale.shift), (8_388_610, 2, 2));
    let given = (u128::from(scale.interval) << scale.shift) * u128::from(quota.count());
    let wanted = u128::from(quota.period_nanos()) * u128::from(scale.per_nano);
    assert!(wanted < given && given - wanted <= given >> 21);
}

#[test]
fn quotas_that_people_write_are_exact() {
    for count in [1, 2, 3, 5, 7, 10, 30, 50, 60, 100, 120, 999, 1_000, 5_000, 30_000, 3_000_000] {
        for quota in [
            Quota::per_second(count),
            Quota::per_minute(count),
            Quota::per_hour(count),
            Quota::per_day(count),
        ] {
            let ticks = Ticks::of(quota.burst(1_000));
            assert_eq!(
                u128::from(ticks.scale.interval) * u128::from(count),
                u128::from(quota.period_nanos()) * u128::from(ticks.scale.per_nano),
                "{quota}"
            );
        }
    }
}

#[test]
fn per_second_five_is_five_per_second() {
    assert_eq!(Quota::per_second(5), Quota::new(5, Duration::from_secs(1)).unwrap());
    assert_eq!(Quota::per_minute(5), Quota::new(5, Duration::from_secs(60)).unwrap());
    assert_eq!(Quota::per_hour(5), Quota::new(5, Duration::from_secs(3_600)).unwrap());
    assert_eq!(Quota::per_day(5), Quota::new(5, Duration::from_secs(86_400)).unwrap());
    assert_eq!(Quota::per_second(5).max_burst(), 5);
}

#[test]
fn quotas_that_cannot_be_kept_are_refused() {
    let second = Duration::from_secs(1);
    assert_eq!(Quota::new(1, Duration::ZERO), Err(QuotaError::ZeroPeriod));
    assert_eq!(Quota::new(1, Quota::LONGEST_PERIOD + second), Err(QuotaError::PeriodTooLong));
    assert_eq!(Quota::new(1, Duration::MAX), Err(QuotaError::PeriodTooLong));
    assert_eq!(
        Quota::new(5, Duration::from_nanos(1)),
        Err(QuotaError::TooFast { count: 5, period_nanos: 1 })
    );
    assert!(Quota::new(4, Duration::from_nanos(1)).is_ok());
    assert!(Quota::new(u32::MAX, Quota::LONGEST_PERIOD).is_ok());
    for (error, says) in [
        (Quota::new(1, Duration::ZERO), "at least 1 ns"),
        (Quota::new(1, Duration::MAX), "longer than 100 years"),
        (Quota::new(u32::MAX, Duration::from_nanos(7)), "highest rate"),
    ] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn texts_mean_what_they_say() {
    let minute = Duration::from_secs(60);
    for (text, quota) in [
        ("100/min burst 20", Quota::per_minute(100).burst(20)),
        ("  100 / minute  burst  20 ", Quota::per_minute(100).burst(20)),
        ("100/60s burst 20", Quota::per_minute(100).burst(20)),
        ("5/s", Quota::per_second(5)),
        ("1_000/hours", Quota::per_hour(1_000)),
        ("0/day", Quota::per_day(0)),
        ("7/250ms", Quota::new(7, Duration::from_millis(250)).unwrap()),
        ("7/250 us", Quota::new(7, Duration::from_micros(250)).unwrap()),
        ("7/250\u{3bc}s", Quota::new(7, Duration::from_micros(250)).unwrap()),
        ("7/250\u{b5}s", Quota::new(7, Duration::from_micros(250)).unwrap()),
        ("1/5ns burst 0", Quota::new(1, Duration::from_nanos(5)).unwrap().burst(0)),
        ("4294967295/min", Quota::new(u32::MAX, minute).unwrap()),
    ] {
        assert_eq!(text.parse(), Ok(quota), "{text}");
    }
    for (text, shown) in [
        ("100/60s burst 100", "100/min"),
        ("1/90s", "1/90s"),
        ("1/36h", "1/36hour"),
        ("1/1500us", "1/1500us"),
    ] {
        assert_eq!(text.parse::<Quota>().unwrap().to_string(), shown);
    }
}

#[test]
fn bad_texts_say_where_and_what_would_be_right() {
    for (text, column, says) in [
        ("", 1, "expected a count"),
        ("fast", 1, "expected a count"),
        ("-5/s", 1, "expected a count"),
        ("_5/s", 1, "expected a count"),
        ("5_/s", 1, "expected a count"),
        ("5", 2, "expected \"/\""),
        ("5 per s", 3, "expected \"/\""),
        ("5/", 3, "unknown unit"),
        ("5/fortnight", 3, "unknown unit"),
        ("5/10", 5, "unknown unit"),
        ("5/1_min", 3, "expected a period"),
        ("4294967296/s", 1, "too large"),
        ("99999999999999999999999/s", 1, "too large"),
        ("5/99999999999999999999s", 3, "too large"),
        ("5/18446744073709551615day", 3, "too large"),
        ("5/0s", 3, "at least 1 ns"),
        ("5/36526d", 3, "longer than 100 years"),
        ("4294967295/ms", 12, "highest rate"),
        ("5/s burst", 10, "after \"burst\""),
        ("5/s burst many", 11, "after \"burst\""),
        ("5/s burst 4294967296", 11, "too large"),
        ("5/s brust 20", 5, "only \"burst\""),
        ("5/s burst 20 please", 14, "only \"burst\""),
        ("5/s burst 20/min", 13, "only \"burst\""),
    ] {
        let error = text.parse::<Quota>().unwrap_err();
        assert_eq!(error.column(), column, "{text}: {error}");
        let shown = error.to_string();
        assert!(shown.contains(says), "{text}: {shown}");
        assert!(shown.contains("as in \"100/min burst 20\""), "{shown}");
        assert!(shown.contains(&format!("{text:?}")), "{shown}");
    }
}

#[test]
fn long_and_wild_texts_are_quoted_short_and_clean() {
    let error = format!("5/{}", "x\n".repeat(500)).parse::<Quota>().unwrap_err().to_string();
    assert!(error.len() < 300 && !error.contains("\\n"), "{error}");
}

#[cfg(feature = "serde")]
#[test]
fn serde_uses_the_text() {
    let quota = Quota::per_minute(100).burst(20);
    let json = serde_json::to_string(&quota).unwrap();
    assert_eq!(json, "\"100/min burst 20\"");
    assert_eq!(serde_json::from_str::<Quota>(&json).unwrap(), quota);
    let error = serde_json::from_str::<Quota>("\"100/moon\"").unwrap_err().to_string();
    assert!(error.contains("column 5: unknown unit"), "{error}");
}

/// The rate is a fraction in its lowest terms: exact for every round quota, whatever burst it has.
#[test]
fn ticks_are_as_long_as_the_lowest_terms_allow() {
    let ticks = |count, seconds| {
        let quota = Quota::new(count, Duration::from_secs(seconds)).unwrap();
        let scale = Ticks::of(quota.burst(1)).scale;
        (scale.per_nano, scale.interval, scale.shift)
    };
    assert_eq!(ticks(1_000_000_000, 1), (2, 2, 0));
    assert_eq!(ticks(1_000_000_000, 10), (2, 20, 0));
    assert_eq!(ticks(3_000_000_000, 4), (6, 8, 0));
    assert_eq!(ticks(4_000_000_000, 86_400), (2, 43_200, 0));
}

/// Ticks of a packed bucket are longer than a nanosecond, and count on to the last one that there is.
#[cfg(feature = "std")]
#[test]
fn packed_waits_are_told_to_the_end_of_time() {
    let scale = Ticks::packed(Quota::per_minute(100).burst(20), 0).unwrap().scale;
    assert!(scale.after > 64, "{scale:?}");
    for early in [1 << 62, 1 << 63, (1 << 63) + 12_345, u64::MAX - 1_000_000_000] {
        let now = Timestamp::from_nanos(early);
        let wait = scale.wait(scale.interval, now).unwrap();
        let unit = Duration::from_millis(600);
        assert!(wait <= unit && wait + Duration::from_micros(10) > unit, "{early}: {wait:?}");
    }
    assert_eq!(scale.wait(scale.interval, Timestamp::from_nanos(u64::MAX - 1_000)), None);
}

/// What is rounded up is rounded up to the next tick, and never by a whole one.
#[cfg(feature = "std")]
#[test]
fn packed_ticks_are_exact_where_they_can_be() {
    // Half a tick a nanosecond, and the ticks of a second between them.
    let quota = Quota::new(1, Duration::from_nanos(1 << 17)).unwrap();
    let ticks = Ticks::packed(quota, 0).unwrap();
    assert_eq!((ticks.scale.per_nano, ticks.scale.after), (1 << 63, 64));
    assert_eq!((ticks.scale.interval, ticks.burst, ticks.most), (1 << 16, 1 << 16, 1 << 16));
    assert_eq!(ticks.lawful - ticks.most, 500_000_000 + 2);
    assert_eq!(Ticks::packed_on(ticks.scale, quota, 0), Some(ticks));
}

#[cfg(feature = "std")]
proptest! {
    #![proptest_config(crate::test_support::cases(1_000))]

    /// What is rounded up on the scale of a quota is never its own interval: who goes back to it is where it began.
    #[test]
    fn a_packed_quota_is_the_same_on_its_own_scale(quota in any_quota(), debt in edgy_u32()) {
        for debt in [0, debt] {
            if let Some(ticks) = Ticks::packed(quota, debt) {
                prop_assert_eq!(Ticks::packed_on(ticks.scale, quota, debt), Some(ticks));
            }
        }
    }
}

/// I3 at its bound: the slack counts in full, in ticks as long as those that are tried.
#[test]
fn a_coarse_tick_is_as_short_as_the_window_allows() {
    // In ticks of a nanosecond an interval is two of them longer, and the slack a second.
    let longest = (1 << 61) - NANOS_PER_SEC - 2;
    let ticks = |period| Ticks::of(Quota::new(1, Duration::from_nanos(period)).unwrap());
    assert_eq!((ticks(longest).scale.shift, ticks(longest).lawful), (1, 1 << 61));
    for more in [2, NANOS_PER_SEC / 2, NANOS_PER_SEC] {
        let ticks = ticks(longest + more);
        assert_eq!(ticks.scale.shift, 2);
        assert!(ticks.lawful < 1 << 61);
    }
}

/// I3 of packed ticks at its bound.
#[cfg(feature = "std")]
#[test]
fn packed_ticks_fill_their_bits_and_no_more() {
    // Half a tick a nanosecond.
    let scale = super::ticks::Scale { interval: 0, per_nano: 1 << 63, shift: 0, after: 64 };
    let period = 2 * ((1 << 34) - 500_000_002) / 18;
    let ticks = |period| {
        let quota = Quota::new(1, Duration::from_nanos(period)).unwrap().burst(18);
        Ticks::packed_on(scale, quota, 0).map(|ticks| ticks.lawful)
    };
    assert_eq!((ticks(period), ticks(period + 1)), (Some(1 << 34), None));
}
