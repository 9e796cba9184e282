//! A limit per client address, uniformly drawn.

#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis::{Capacity, ExactLimiter, KeyedLimiter, Quota, Timestamp};

const SIZES: [u32; 2] = [10_000, 1_000_000];

/// Never runs out.
const OPEN: Quota = Quota::per_second(1_000_000_000).burst(u32::MAX);
/// Taken once, it is denied for a day; a benchmark pretends to run for seconds.
const DAILY: Quota = Quota::per_day(1);

fn exact(c: &mut Criterion) {
    for (name, quota, admits) in [("exact/hit", OPEN, true), ("exact/deny", DAILY, false)] {
        let mut group = c.benchmark_group(name);
        for keys in SIZES {
            let limiter = with_all(quota, keys);
            let draws = Draws::of(keys);
            let mut nth = 0;
            group.bench_function(BenchmarkId::from_parameter(keys), |b| {
                b.iter(|| {
                    nth += 1;
                    let client = address(draws.nth(nth));
                    let now = Timestamp::from_nanos(nth as u64);
                    let decision = black_box(&limiter).check(&client, now);
                    assert_eq!(decision.is_admitted(), admits);
                });
            });
        }
        group.finish();
    }
}

/// The store over hostile keys: eight of ten places taken, so many clients that all owe something.
fn hostile(c: &mut Criterion) {
    const FAST: Quota = Quota::per_second(1_000_000).burst(1_000_000);
    for (name, quota, admits) in [("keyed/hit", FAST, true), ("keyed/deny", DAILY, false)] {
        let mut group = c.benchmark_group(name);
        for keys in SIZES {
            let limiter = KeyedLimiter::new(quota, Capacity::keys(keys as usize)).unwrap();
            let start = Timestamp::from_secs(10);
            for client in (0..keys).map(address) {
                let _ = limiter.check_n(&client, quota.max_burst(), start);
            }
            let (draws, mut nth) = (Draws::of(keys), 0);
            let (later, mut others) = (Timestamp::from_secs(12).as_nanos(), 0_u64);
            group.bench_function(BenchmarkId::from_parameter(keys), |b| {
                b.iter(|| {
                    nth += 1;
                    let client = address(draws.nth(nth));
                    let now = Timestamp::from_nanos(later + 4 * nth as u64);
                    let decision = black_box(&limiter).check(&client, now);
                    others += u64::from(decision.is_admitted() != admits);
                });
            });
            // Of those that found no place at first.
            assert!(others * 100 <= nth as u64, "{others} of {nth}");
        }
        group.finish();
    }
}

/// Clients that nobody has seen before, one after the other.
fn fresh(c: &mut Criterion) {
    let quota = Quota::per_second(10).burst(20);
    let limiter = KeyedLimiter::new(quota, Capacity::keys(1_000_000)).unwrap();
    let mut nth = 0_u32;
    c.bench_function("keyed/fresh key in a flood", |b| {
        b.iter(|| {
            nth = nth.wrapping_add(1);
            let now = Timestamp::from_nanos(1_000_000_000 + 150 * u64::from(nth));
            black_box(black_box(&limiter).check(&address(nth), now).is_admitted())
        });
    });
}

/// What a check costs once operators have been at work: a quota that was changed, and one of its own.
fn changed(c: &mut Criterion) {
    let mut group = c.benchmark_group("exact/hit/10000");
    let keys = SIZES[0];
    let draws = Draws::of(keys);
    let changed = with_all(DAILY, keys);
    changed.set_quota(OPEN, Timestamp::ZERO);
    let own = with_all(DAILY, keys);
    for client in (0..keys).map(address) {
        own.set_key_quota(&client, OPEN, Timestamp::ZERO).expect("a place and one quota");
    }
    for (name, limiter) in [("after a change", changed), ("own quota", own)] {
        let mut nth = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                nth += 1;
                let client = address(draws.nth(nth));
                let now = Timestamp::from_nanos(nth as u64);
                assert!(black_box(&limiter).check(&client, now).is_admitted());
            });
        });
    }
    group.finish();
}

/// Units taken in advance and corrected afterwards: a check and a refund, or a check and a charge.
fn settle(c: &mut Criterion) {
    let mut group = c.benchmark_group("exact/reserve and settle");
    let keys = SIZES[0];
    let draws = Draws::of(keys);
    for (name, actual) in [("for less", 1), ("for more", 3)] {
        let limiter = with_all(OPEN, keys);
        let mut nth = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                nth += 1;
                let client = address(draws.nth(nth));
                let now = Timestamp::from_nanos(nth as u64);
                let reservation = black_box(&limiter).reserve_n(&client, 2, now).expect("plenty");
                limiter.settle(&client, reservation, actual, now);
            });
        });
    }
    group.finish();
}

/// The price of a change for everybody, per change and not per key.
fn set_quota(c: &mut Criterion) {
    let mut group = c.benchmark_group("exact/set_quota");
    for keys in SIZES {
        let limiter = with_all(DAILY, keys);
        let mut turn = 0;
        group.bench_function(BenchmarkId::from_parameter(keys), |b| {
            b.iter(|| {
                turn += 1;
                limiter.set_quota(Quota::per_day(1 + turn % 7), Timestamp::ZERO);
            });
        });
    }
    group.finish();
}

/// A limiter that every client has come to once.
fn with_all(quota: Quota, keys: u32) -> ExactLimiter<IpAddr> {
    let limiter = ExactLimiter::new(quota, keys as usize);
    for client in (0..keys).map(address) {
        assert!(limiter.check(&client, Timestamp::ZERO).is_admitted());
    }
    limiter
}

/// Which of so many clients comes next, drawn beforehand.
struct Draws(Box<[u32]>);

impl Draws {
    fn of(keys: u32) -> Self {
        // A power of two, so that going round is one instruction.
        let many = (keys as usize * 4).next_power_of_two();
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let order = (0..many).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u32 % keys
        });
        Self(order.collect())
    }

    #[inline]
    fn nth(&self, nth: usize) -> u32 {
        self.0[nth & (self.0.len() - 1)]
    }
}

/// Client by number; the factor is odd, so no two clients share an address.
#[inline]
fn address(client: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(client.wrapping_mul(0x9e37_79b1)))
}

criterion_group!(keyed, hostile, fresh, exact, changed, settle, set_quota);
criterion_main!(keyed);
