//! Windows: what each way through one costs.

#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis::{KeyedWindow, SlidingWindow, Timestamp, WindowLog};

const MINUTE: Duration = Duration::from_secs(60);
/// Nearly as many as a sub-window of a minute can count: seldom used up.
const OPEN: u32 = 1_800_000_000;

/// In the newest sub-window, at each check in a newer one, and denied.
fn sliding(c: &mut Criterion) {
    for parts in [1, 10, 60] {
        let mut group = c.benchmark_group("window/sliding");
        // All checks within one sub-window: the units are given back before they run out.
        let window = SlidingWindow::new(OPEN, parts * MINUTE, parts).unwrap();
        let mut nth = 0_u64;
        group.bench_function(BenchmarkId::new("allow", parts), |b| {
            b.iter(|| {
                nth += 1;
                if nth % u64::from(OPEN) == 0 {
                    window.refund_n(OPEN, Timestamp::ZERO);
                }
                assert!(black_box(&window).check(Timestamp::from_nanos(nth)).is_admitted());
            });
        });
        let window = SlidingWindow::new(1_000, parts * MINUTE, parts).unwrap();
        let mut nth = 0_u64;
        group.bench_function(BenchmarkId::new("allow, next sub-window", parts), |b| {
            b.iter(|| {
                nth += 1;
                let now = Timestamp::from_secs(nth * 60);
                assert!(black_box(&window).check(now).is_admitted());
            });
        });
        // Denied for a day, beginning in the sub-window after that of the units.
        let day = Duration::from_secs(86_400);
        let window = SlidingWindow::new(1, day * parts, parts).unwrap();
        let full = Timestamp::ZERO.saturating_add(100 * day);
        assert!(window.check(full).is_admitted());
        for (name, from) in [("deny", full), ("deny, next sub-window", full.saturating_add(day))] {
            group.bench_function(BenchmarkId::new(name, parts), |b| {
                let mut nth = 0_u64;
                b.iter(|| {
                    nth += 1;
                    let now = from.saturating_add(Duration::from_nanos(nth));
                    assert!(black_box(&window).check(now).is_denied());
                });
            });
        }
        group.finish();
    }
}

fn log(c: &mut Criterion) {
    for limit in [10, 1_000] {
        // One every nanosecond: once full, each admission finds one unit that has just left.
        let window = Duration::from_nanos(limit.into());
        let log = WindowLog::new(limit, window).unwrap();
        let mut nth = 0_u64;
        c.bench_function(&format!("window/log/allow/{limit}"), |b| {
            b.iter(|| {
                nth += 1;
                assert!(black_box(&log).check(Timestamp::from_nanos(nth)).is_admitted());
            });
        });
        let log = WindowLog::new(limit, 1_000_000 * MINUTE).unwrap();
        assert!(log.check_n(limit, Timestamp::ZERO).is_admitted());
        c.bench_function(&format!("window/log/deny/{limit}"), |b| {
            b.iter(|| {
                nth += 1;
                assert!(black_box(&log).check(Timestamp::from_nanos(nth)).is_denied());
            });
        });
    }
}

fn keyed(c: &mut Criterion) {
    const KEYS: u32 = 10_000;
    let open = KeyedWindow::new(OPEN, 10 * MINUTE, 10, KEYS as usize).unwrap();
    let closed = KeyedWindow::new(1, 10 * MINUTE, 10, KEYS as usize).unwrap();
    for (name, limiter, admits) in
        [("window/keyed/allow", &open, true), ("window/keyed/deny", &closed, false)]
    {
        for key in 0..KEYS {
            assert!(limiter.check(&key, Timestamp::ZERO).is_admitted());
        }
        let mut nth = 0_u32;
        c.bench_function(name, |b| {
            b.iter(|| {
                nth += 1;
                // A stride that is prime to the number of keys, so that neighbours are not hot.
                let key = nth.wrapping_mul(7_919) % KEYS;
                let decision = black_box(limiter).check(&key, Timestamp::from_nanos(nth.into()));
                assert_eq!(decision.is_admitted(), admits);
            });
        });
    }
}

criterion_group!(windows, sliding, log, keyed);
criterion_main!(windows);
