//! **Row 1: integer overflow in the arithmetic of rates and times.**
//!
//! Identifiers: governor 0.10.4 (found here: one a day, a burst of 10, and `check_n(213_505)` passes in release builds);
//! RUSTSEC-2021-0079; CVE-2021-40346; buildbuddy PR 11004; acton-service #141.
//!
//! The attack: a number that the client chooses, as the length of a body, is multiplied by the time of a unit. Once the
//! product does not fit it wraps to something small, and millions of units pass through a bucket of ten.
//!
//! Ours: costs saturate, and what is multiplied without saturating was checked to fit when the quota was taken: `src/quota/ticks.rs`
//! I3, `src/limit/bucket.rs` I5 (with the model `equals_the_reference`), `src/limit/keyed/mod.rs` I3.
//!
//! Shown to fail, tests counted from above:
//! - `ticks.rs`, `saturating_mul` in `cost` made `wrapping_mul`: 213,505 units pass a bucket of ten, as in governor
//!   (tests 1 and 2);
//! - `src/gate/limits/mod.rs`, the saturating conversion in `units` made `as u32`: a body of 2³² bytes is free (test
//!   3);
//! - `src/adapt/seen.rs`, a length beyond 63 bits unknown, as it was before this row was written: it costs one unit,
//!   and passes a rule about lengths (tests 3 and 4).

use std::time::Duration;

use portcullis::{GateLayer, Quota, Request, Timestamp, TokenBucket};
use tower_layer::Layer;

use crate::support::{Hello, Random, client, gate, get, refused, send};

/// What fits, what does not quite, and all around.
const EDGES: [u32; 13] = [
    1,
    2,
    9,
    10,
    11,
    213_504,
    213_505,
    427_009,
    (1 << 31) - 1,
    1 << 31,
    (1 << 31) + 1,
    u32::MAX - 1,
    u32::MAX,
];

/// Never more than a bucket in whole numbers of 128 bits that refills at once when it may: in units of `1 / period`.
#[test]
fn no_bucket_gives_more_than_one_of_128_bits() {
    let mut random = Random(0x9e37_79b9);
    let periods = [1, 250, 1_000_000_000, 86_400_000_000_000, 3_155_760_000_000_000_000];
    let gaps = [0, 1, 999_999_999, 1_000_000_000, 1 << 32, 1 << 53, 1 << 61];
    let mut tried = 0;
    for _ in 0..4_000 {
        let period = random.of(&periods);
        let Ok(quota) = Quota::new(random.of(&EDGES), Duration::from_nanos(period)) else {
            continue;
        };
        let quota = quota.burst(random.of(&EDGES));
        let bucket = TokenBucket::new(quota);
        let (whole, mut owed, mut at) =
            (u128::from(quota.max_burst()) * u128::from(period), 0_u128, 0_u64);
        for _ in 0..12 {
            let gap = random.of(&gaps).min(u64::MAX - at);
            at += gap;
            owed = owed.saturating_sub(u128::from(quota.count()) * u128::from(gap));
            let n = random.of(&EDGES);
            let after = owed + u128::from(n) * u128::from(period);
            if bucket.check_n(n, Timestamp::from_nanos(at)).is_admitted() {
                assert!(after <= whole, "{quota}: {n} at {at}, with {owed} of {whole} owed");
                owed = after;
            }
            tried += 1;
        }
    }
    assert!(tried > 30_000, "{tried}");
}

/// The very case, and all costs above the burst for quotas whose units take hours to centuries.
#[test]
fn more_than_the_burst_never_passes_however_much_more() {
    for quota in ["1/d burst 10", "1/d burst 1", "1/h burst 3", "10/d burst 10", "1/s burst 10"] {
        let quota: Quota = quota.parse().unwrap();
        let bucket = TokenBucket::new(quota);
        let full = Timestamp::from_secs(1);
        for shift in 0..32 {
            for n in [1_u32 << shift, (1 << shift) + 1, u32::MAX >> shift, 213_505, 427_009] {
                let fits = n <= quota.max_burst();
                assert_eq!(bucket.peek_n(n, full).is_admitted(), fits, "{quota}: {n}");
            }
        }
    }
}

/// The same from outside: who says how long its body is, says what it costs. A number that no word can hold is the
/// largest there is, and not one that nobody has said: servers read lengths of 64 bits.
#[test]
fn a_length_that_a_client_makes_up_never_passes_a_limit_of_bytes() {
    for quota in ["1/d burst 10", "1/h burst 100", "1000/min burst 1000"] {
        let gate = gate(&format!(
            "[[limit]]\nname = \"bytes\"\nquota = \"{quota}\"\ncost = 'http.request.body.size'\n"
        ));
        let mut service = GateLayer::new(&gate).clock(|| Timestamp::from_secs(5)).layer(Hello);
        let quota: Quota = quota.parse().unwrap();
        let mut lengths: Vec<String> = EDGES.iter().map(u32::to_string).collect();
        for shift in 32..=65_u32 {
            let power = 1_u128 << shift;
            lengths.extend([power - 1, power, power + 1, power + 213_505].map(|n| n.to_string()));
        }
        for (nth, length) in (0..).zip(&lengths) {
            let mut request = get(client(nth), "/upload");
            request.headers_mut().insert("content-length", length.parse().unwrap());
            let fits = length.parse::<u32>().is_ok_and(|n| n <= quota.max_burst());
            let status = send(&mut service, request).0.status;
            assert_eq!(status, if fits { 200 } else { 429 }, "{quota}: {length}");
        }
    }
}

/// And so with a rule that refuses what is too long.
#[test]
fn a_rule_about_lengths_meets_all_that_are_longer() {
    let gate = gate(
        "[[rule]]\nname = \"long\"\nwhen = 'http.request.body.size gt 1000000'\nthen = \"deny\"\n",
    );
    let mut service = GateLayer::new(&gate).layer(Hello);
    for length in ["1000001", "9223372036854775807", "9223372036854775808", "18446744073709551615"]
    {
        let mut request = get(client(1), "/upload");
        request.headers_mut().insert("content-length", length.parse().unwrap());
        assert_eq!(send(&mut service, request).0.status, 403, "{length}");
    }
}

/// At the last nanosecond of time, waits and refills neither wrap nor panic.
#[test]
fn the_end_of_time_is_like_any_other_time() {
    let gate = gate("[[limit]]\nname = \"slow\"\nquota = \"2/d burst 2\"\n");
    let end = Timestamp::MAX;
    let admitted =
        (0..10).filter(|_| gate.check(&Request::new(client(1)), end).is_admitted()).count();
    assert_eq!(admitted, 2);
    let denial = refused(&gate, &Request::new(client(1)), end).unwrap();
    assert_eq!(denial.retry_after(), None, "there is no time after it to wait for");
    // A day before the end there is half of one.
    let before = end.saturating_sub(Duration::from_secs(86_400));
    assert!(refused(&gate, &Request::new(client(2)), before).is_none());
    assert!(refused(&gate, &Request::new(client(2)), before).is_none());
    let wait = refused(&gate, &Request::new(client(2)), before).unwrap().retry_after().unwrap();
    // A store of many keys may be early by a part in 64.
    assert!(wait > Duration::from_secs(42_500) && wait < Duration::from_secs(43_201), "{wait:?}");
}
