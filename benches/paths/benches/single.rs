//! One limit: what each way through a bucket costs.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a benchmark reads clocks and starts threads"
)]
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::{
    AdjustableBucket, Decision, LeasedBucket, Quota, SystemClock, Timestamp, TokenBucket,
};

/// A tick of 1 ns, an interval of one tick, and more of a burst than a benchmark takes.
const EXACT: Quota = Quota::per_second(1_000_000_000).burst(u32::MAX);
/// An interval that no tick divides with this burst: the ticks are binary fractions of 1 ns.
const FINER: Quota = Quota::per_second(1_000_000_007).burst(u32::MAX);
/// A rate that people write, with exact ticks finer than 1 ns; refilled faster than it is taken here.
const THIRDS: Quota = Quota::per_second(3_000_000);
/// Taken once, it is denied for a day; a benchmark pretends to run for seconds.
const DAILY: Quota = Quota::per_day(1);

fn allow(c: &mut Criterion) {
    let mut group = c.benchmark_group("single/allow");
    for (name, quota, step) in
        [("exact ticks", EXACT, 2), ("binary ticks", FINER, 2), ("thirds of 1 ns", THIRDS, 1_000)]
    {
        let bucket = TokenBucket::new(quota);
        let mut clock = Clock::every(step);
        group.bench_function(name, |b| b.iter(|| admitted(black_box(&bucket).check(clock.tick()))));
    }
    let bucket = TokenBucket::new(EXACT);
    let mut clock = Clock::every(8);
    group.bench_function("check_n(5)", |b| {
        b.iter(|| admitted(black_box(&bucket).check_n(black_box(5), clock.tick())));
    });
    let bucket = TokenBucket::new(EXACT);
    let mut clock = Clock::every(2);
    group.bench_function("decision kept", |b| b.iter(|| black_box(&bucket).check(clock.tick())));
    let bucket = TokenBucket::new(EXACT);
    group.bench_function("own clock", |b| {
        b.iter(|| admitted(black_box(&bucket).check(SystemClock::now())));
    });
    group.finish();
}

fn deny(c: &mut Criterion) {
    let mut group = c.benchmark_group("single/deny");
    let bucket = TokenBucket::new(DAILY);
    take(&bucket);
    let mut clock = Clock::every(1);
    group.bench_function("check", |b| b.iter(|| denied(black_box(&bucket).check(clock.tick()))));
    group.bench_function("with its standing", |b| {
        b.iter(|| {
            let decision = black_box(&bucket).check(clock.tick());
            denied(decision);
            decision.standing()
        });
    });
    let decision = bucket.check(clock.tick());
    denied(decision);
    group.bench_function("standing alone", |b| b.iter(|| black_box(&decision).standing()));
    group.bench_function("more than the burst", |b| {
        b.iter(|| denied(black_box(&bucket).check_n(black_box(2), clock.tick())));
    });
    group.finish();
}

fn peek(c: &mut Criterion) {
    let mut group = c.benchmark_group("single/peek");
    let bucket = TokenBucket::new(DAILY);
    let mut clock = Clock::every(1);
    group.bench_function("admitted", |b| {
        b.iter(|| admitted(black_box(&bucket).peek_n(1, clock.tick())));
    });
    take(&bucket);
    group.bench_function("denied", |b| {
        b.iter(|| denied(black_box(&bucket).peek_n(1, clock.tick())));
    });
    group.finish();
}

fn refund(c: &mut Criterion) {
    let bucket = TokenBucket::new(DAILY);
    take(&bucket);
    let mut clock = Clock::every(1);
    c.bench_function("single/refund and check", |b| {
        b.iter(|| {
            let now = clock.tick();
            black_box(&bucket).refund_n(1, now);
            admitted(black_box(&bucket).check(now))
        });
    });
}

fn debt(c: &mut Criterion) {
    let mut group = c.benchmark_group("single/debt");
    let bucket = TokenBucket::with_debt(EXACT, u32::MAX);
    let mut clock = Clock::every(2);
    group.bench_function("charge", |b| b.iter(|| black_box(&bucket).charge_n(1, clock.tick())));
    let bucket = TokenBucket::with_debt(DAILY, 1);
    bucket.charge_n(2, Timestamp::ZERO);
    let mut clock = Clock::every(0);
    group.bench_function("charge at the cap", |b| {
        b.iter(|| black_box(&bucket).charge_n(1, clock.tick()));
    });
    for (name, actual) in [("reserve and settle lower", 3), ("reserve and settle higher", 5)] {
        let bucket = TokenBucket::with_debt(EXACT, u32::MAX);
        let mut clock = Clock::every(8);
        group.bench_function(name, |b| {
            b.iter(|| {
                let now = clock.tick();
                let reserved =
                    black_box(&bucket).reserve_n(black_box(4), now).expect("a deep bucket");
                black_box(&bucket).settle(reserved, black_box(actual), now);
            });
        });
    }
    group.finish();
}

fn adjustable(c: &mut Criterion) {
    let mut group = c.benchmark_group("single/adjustable");
    let bucket = AdjustableBucket::new(EXACT);
    let mut clock = Clock::every(2);
    group.bench_function("allow", |b| b.iter(|| admitted(black_box(&bucket).check(clock.tick()))));
    let bucket = AdjustableBucket::new(DAILY);
    admitted(bucket.check(Timestamp::ZERO));
    let mut clock = Clock::every(1);
    group.bench_function("deny", |b| b.iter(|| denied(black_box(&bucket).check(clock.tick()))));
    let bucket = AdjustableBucket::new(EXACT);
    let mut clock = Clock::every(2);
    group.bench_function("set_quota", |b| {
        b.iter(|| black_box(&bucket).set_quota(black_box(THIRDS), clock.tick()));
    });
    group.finish();
}

fn leased(c: &mut Criterion) {
    let mut group = c.benchmark_group("single/leased");
    let bucket = LeasedBucket::new(EXACT, 2, 64);
    let mut clock = Clock::every(2);
    group.bench_function("allow", |b| {
        b.iter(|| admitted(black_box(&bucket).check_on(0, clock.tick())));
    });
    let mut clock = Clock::every(2);
    group.bench_function("allow, stripe by thread", |b| {
        b.iter(|| admitted(black_box(&bucket).check(clock.tick())));
    });
    for (name, stripes) in [("deny, 2 stripes", 2), ("deny, 16 stripes", 16)] {
        let bucket = LeasedBucket::new(DAILY, stripes, 64);
        admitted(bucket.check(Timestamp::ZERO));
        let mut clock = Clock::every(1);
        group.bench_function(name, |b| {
            b.iter(|| denied(black_box(&bucket).check_on(0, clock.tick())));
        });
    }
    group.finish();
}

fn two_threads(c: &mut Criterion) {
    let mut group = c.benchmark_group("single/two threads");
    let open = TokenBucket::new(EXACT);
    group.bench_function("allow", |b| {
        b.iter_custom(|checks| together(checks, |now| admitted(open.check(now))));
    });
    let leased = LeasedBucket::new(EXACT, 2, 64);
    group.bench_function("allow, leased", |b| {
        b.iter_custom(|checks| together(checks, |now| admitted(leased.check(now))));
    });
    let shut = TokenBucket::new(DAILY);
    take(&shut);
    group.bench_function("deny", |b| {
        b.iter_custom(|checks| together(checks, |now| denied(shut.check(now))));
    });
    group.finish();
}

/// How long one of two threads takes for so many checks while the other does as many.
fn together(checks: u64, check: impl Fn(Timestamp) + Sync) -> Duration {
    const THREADS: u32 = 2;
    let ready = Barrier::new(THREADS as usize);
    let run = || {
        let mut clock = Clock::every(4);
        ready.wait();
        let start = Instant::now();
        for _ in 0..checks {
            check(clock.tick());
        }
        start.elapsed()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|each| each.join().unwrap()).sum::<Duration>() / THREADS
    })
}

fn take(bucket: &TokenBucket) {
    assert!(bucket.check(Timestamp::ZERO).is_admitted());
}

/// Time that moves by the same step at each check.
struct Clock {
    nanos: u64,
    step: u64,
}

impl Clock {
    fn every(step: u64) -> Self {
        Self { nanos: 0, step }
    }

    #[inline]
    fn tick(&mut self) -> Timestamp {
        self.nanos += self.step;
        Timestamp::from_nanos(self.nanos)
    }
}

// A bench that takes another path than its name says is worse than none. Returning nothing, these also
// let a decision go that nobody keeps, as callers do that only ask whether to refuse.

#[inline]
fn admitted(decision: Decision) {
    assert!(decision.is_admitted());
}

#[inline]
fn denied(decision: Decision) {
    assert!(decision.is_denied());
}

criterion_group!(single, allow, deny, peek, refund, debt, adjustable, leased, two_threads);
criterion_main!(single);
