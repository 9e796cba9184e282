//! Rates, settings, limits and subjects: what all nodes have to make alike.

use core::{hash::Hasher, time::Duration};
use std::{string::ToString, vec::Vec};

use crate::{
    Quota,
    limit::remote::{Fleet, FleetError, FleetSettings, OnFailure, limit::divided, rate::Rate},
};

#[test]
fn rates_are_in_lowest_terms() {
    let cases = [
        (Quota::per_second(1), (1, 1_000_000, 1)),
        (Quota::per_second(1_000_000), (1, 1, 1_000_000)),
        (Quota::per_second(3_000_000), (3, 1, 3_000_000)),
        (Quota::per_second(700_000), (7, 10, 700_000)),
        (Quota::per_minute(100), (1, 600_000, 100)),
        (Quota::per_day(1), (1, 86_400_000_000, 1)),
        (Quota::per_day(7), (7, 86_400_000_000, 7)),
        (Quota::new(1, Duration::from_nanos(1_500)).unwrap(), (2, 3, 1)),
        (Quota::new(3, Duration::from_nanos(7_001)).unwrap().burst(9), (3_000, 7_001, 9)),
        (Quota::per_second(u32::MAX), (858_993_459, 200_000, u32::MAX)),
    ];
    for (quota, (n, p, burst)) in cases {
        assert_eq!(Rate::of(quota), Some(Rate { n, p, burst }), "{quota}");
    }
}

#[test]
fn the_first_unit_comes_when_all_others_are_missing() {
    let rate = |quota| Rate::of(quota).unwrap();
    let ten = rate(Quota::per_second(10));
    let micros = Duration::from_micros;
    assert_eq!(ten.until_there(1, micros(1_000_000)), 100_000_000);
    assert_eq!(ten.until_there(1, micros(900_001)), 1_000);
    assert_eq!((ten.until_there(1, micros(900_000)), ten.until_there(1, micros(0))), (0, 0));
    assert_eq!(ten.until_there(3, micros(1_000_000)), 300_000_000);
    assert_eq!(ten.until_there(10, micros(1_000_000)), 1_000_000_000);
    let day = micros(86_400_000_000);
    assert_eq!(rate(Quota::per_day(1)).until_there(1, day), 86_400_000_000_000);
    assert_eq!(rate(Quota::per_second(3)).until_there(1, micros(1_000_000)), 333_333_334);
    assert_eq!(rate(Quota::per_second(0)).until_there(1, micros(7)), 7_000);
    assert_eq!(rate(Quota::per_second(u32::MAX)).until_there(1, Duration::MAX), u64::MAX);
    assert_eq!((ten.longest(), rate(Quota::per_second(3)).longest()), (1_000_000, 1_000_000));
    assert_eq!(rate(Quota::per_second(3).burst(1)).longest(), 333_334);
    assert_eq!(rate(Quota::per_second(0)).longest(), 0);
}

#[test]
fn what_lets_nothing_pass_is_a_bucket_without_room() {
    for quota in [Quota::per_second(0), Quota::per_day(5).burst(0), Quota::per_hour(0).burst(7)] {
        assert_eq!(Rate::of(quota), Some(Rate { n: 1, p: 1, burst: 0 }), "{quota}");
    }
}

/// 2^52 microseconds are 142 years: as long as the longest burst may take, in lowest terms.
#[test]
fn bursts_are_refused_from_the_first_that_a_double_cannot_count() {
    let most = u32::try_from((1_u64 << 52) / 86_400_000_000).unwrap();
    assert_eq!(most, 52_124);
    assert!(Rate::of(Quota::per_day(1).burst(most)).is_some());
    assert!(Rate::of(Quota::per_day(1).burst(most + 1)).is_none());
    let year = Quota::new(1, Quota::LONGEST_PERIOD).unwrap();
    assert!(Rate::of(year).is_some());
    assert!(Rate::of(year.burst(2)).is_none(), "200 years");
    let even = Quota::new(1, Duration::from_micros(1 << 20)).unwrap();
    assert!(Rate::of(even.burst(u32::MAX)).is_some(), "a unit below 2^52");
    let more = Quota::new(1, Duration::from_micros((1 << 20) + 1)).unwrap();
    assert!(Rate::of(more.burst(u32::MAX)).is_none());
    assert!(Rate::of(Quota::new(4_294_967_291, Duration::from_secs(86_399)).unwrap()).is_none());
}

#[test]
fn a_limit_that_cannot_be_counted_is_refused_with_its_quota() {
    let fleet = Fleet::new(FleetSettings::new().keys(1)).unwrap();
    let quota = Quota::per_day(1).burst(1_000_000);
    let error = fleet.limit("large", quota, OnFailure::Open).unwrap_err();
    assert_eq!(error, FleetError::Quota { quota });
}

#[test]
fn all_that_is_wrong_with_settings_is_told_at_once() {
    let hours = Duration::from_secs(3_600);
    let wrong = FleetSettings::new()
        .prefix("a{b")
        .nodes(0)
        .lease(Duration::from_micros(999))
        .timeout(hours)
        .keys(0);
    let problems: Vec<_> = wrong.problems().map(|problem| problem.to_string()).collect();
    assert_eq!(
        problems,
        [
            "\"a{b\" cannot begin the names of keys; use up to 64 visible ASCII characters without braces",
            "the number of nodes is 0; use 1 to 1000000",
            "a lease, in milliseconds, is 0; use 1 to 10000",
            "the timeout, in milliseconds, is 3600000; use 1 to 10000",
            "the number of keys is 0; use 1 to 16777216",
        ]
    );
    let first = wrong.problems().next();
    assert_eq!(Fleet::new(wrong).err(), first);
}

#[test]
fn settings_at_their_ends_are_fine_and_those_beyond_are_not() {
    let fine = |settings: FleetSettings| settings.problems().next().is_none();
    let new = FleetSettings::new;
    let ms = Duration::from_millis;
    assert!(fine(new()) && new() == FleetSettings::default());
    assert!(fine(new().nodes(1_000_000).lease(ms(10_000)).timeout(ms(10_000)).keys(1 << 24)));
    assert!(fine(new().lease(ms(1)).timeout(ms(1)).keys(1)));
    for wrong in [
        new().nodes(1_000_001),
        new().lease(ms(10_001)),
        new().lease(Duration::MAX),
        new().timeout(ms(10_001)),
        new().timeout(Duration::ZERO),
        new().keys((1 << 24) + 1),
    ] {
        assert!(!fine(wrong));
    }
    let longest = "x".repeat(64);
    for prefix in ["", "shop", "a:b/c-d_e~", &longest] {
        assert!(fine(new().prefix(prefix)), "{prefix}");
    }
    for prefix in ["a b", "a\n", "ä", "}", &(longest + "x")] {
        assert!(!fine(new().prefix(prefix)), "{prefix}");
    }
}

#[test]
fn a_secret_is_not_shown() {
    let shown = std::format!("{:?}", FleetSettings::new().secret(b"12345"));
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn a_part_of_a_quota_is_its_rate_and_burst_divided() {
    let cases = [
        (Quota::per_second(100), 4, "100/4s burst 25"),
        (Quota::per_second(100), 1, "100/s"),
        (Quota::per_minute(3), 7, "3/7min burst 1"),
        (Quota::per_second(5).burst(0), 3, "5/s burst 0"),
    ];
    for (quota, nodes, part) in cases {
        assert_eq!(divided(quota, nodes), part.parse().unwrap(), "{quota} of {nodes}");
    }
    let year = Quota::new(1, Quota::LONGEST_PERIOD).unwrap();
    assert_eq!(divided(year, 10), year);
}

/// Half of the burst in leases, and a denial for no longer than half a bucket takes.
#[test]
fn leases_are_a_part_of_half_the_burst_and_of_half_the_time() {
    let fleet = |nodes| Fleet::new(FleetSettings::new().nodes(nodes).keys(1)).unwrap();
    let limit = |nodes, quota| fleet(nodes).limit("one", quota, OnFailure::Local).unwrap().0;
    let ms = Duration::from_millis;
    let cases = [
        (1, Quota::per_second(1_000), 500, ms(100)),
        (4, Quota::per_second(1_000), 125, ms(100)),
        (1_000, Quota::per_second(1_000), 0, ms(100)),
        (1, Quota::per_second(1_000).burst(10), 5, ms(5)),
        (1, Quota::per_second(1_000).burst(1), 0, Duration::from_micros(500)),
        (1, Quota::per_second(0), 0, ms(100)),
        (1_000_000, Quota::per_day(1), 0, ms(100)),
    ];
    for (nodes, quota, extra, lease) in cases {
        let limit = limit(nodes, quota);
        assert_eq!((limit.most_extra, limit.lease), (extra, lease), "{quota} of {nodes}");
    }
}

#[test]
fn subjects_are_hashed_alike_on_all_machines() {
    let plain = Fleet::new(FleetSettings::new().keys(1)).unwrap();
    let secret = Fleet::new(FleetSettings::new().secret(b"hush").keys(1)).unwrap();
    assert_eq!(plain.subject(b"alice").to_string(), "863841006003d517109a13ed039215a2");
    assert_eq!(plain.subject(b"").to_string(), "7a5be257ae4612b057fa332b3a567ec2");
    assert_eq!(secret.subject(b"alice").to_string(), "d88185b73dfc9cb2fa927c6512ab1ac6");
    let mut hasher = plain.hasher();
    hasher.write(b"alice");
    assert_eq!(hasher.subject(), plain.subject(b"alice"));
    let before = hasher.finish();
    hasher.write_u8(0);
    assert_ne!(hasher.subject(), plain.subject(b"alice"), "lengths matter");
    assert_ne!(hasher.finish(), before);
}

#[test]
fn numbers_are_hashed_as_on_a_small_endian_machine_of_64_bits() {
    let plain = Fleet::new(FleetSettings::new().keys(1)).unwrap();
    let of = |feed: &dyn Fn(&mut super::SubjectHasher)| {
        let mut hasher = plain.hasher();
        feed(&mut hasher);
        hasher.subject()
    };
    let bytes = |bytes: &[u8]| plain.subject(bytes);
    assert_eq!(of(&|hasher| hasher.write_u16(0x0102)), bytes(&[2, 1]));
    assert_eq!(of(&|hasher| hasher.write_u32(1)), bytes(&[1, 0, 0, 0]));
    assert_eq!(of(&|hasher| hasher.write_usize(1)), bytes(&1_u64.to_le_bytes()));
    assert_eq!(of(&|hasher| hasher.write_isize(-2)), bytes(&(-2_i64).to_le_bytes()));
    assert_eq!(of(&|hasher| hasher.write_i8(-1)), bytes(&[255]));
    assert_eq!(of(&|hasher| hasher.write_i16(-2)), bytes(&(-2_i16).to_le_bytes()));
    assert_eq!(of(&|hasher| hasher.write_i32(-2)), bytes(&(-2_i32).to_le_bytes()));
    assert_eq!(of(&|hasher| hasher.write_i64(-2)), bytes(&(-2_i64).to_le_bytes()));
    assert_eq!(of(&|hasher| hasher.write_u128(9)), bytes(&9_u128.to_le_bytes()));
    assert_eq!(of(&|hasher| hasher.write_i128(-9)), bytes(&(-9_i128).to_le_bytes()));
}

/// A subject that is named like a limit could otherwise stand for no key at all, or for that of another.
#[test]
fn nobody_can_name_a_subject_that_is_a_limit() {
    let fleet = Fleet::new(FleetSettings::new().keys(1)).unwrap();
    let limit = fleet.limit("exports", Quota::per_second(1), OnFailure::Local).unwrap();
    for name in [&b"limitexports"[..], b"exports"] {
        assert_ne!(fleet.subject(name).0, limit.0.scope);
    }
}
