//! One limit for everybody.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
};

use governor::{
    RateLimiter,
    clock::{Clock, FakeRelativeClock, MonotonicClock, QuantaClock},
};
use portcullis::{Quota, SystemClock, Timestamp, TokenBucket};
use ratelimit::{Ratelimiter, StdClock};

use crate::{
    clock::{self, CallerClock},
    limits,
    rounds::{At, Case, Titled},
};

pub(crate) const CASES: &[Titled] = &[
    ("one limit: allow, time given by the caller", allow),
    ("one limit: deny, time given by the caller", deny),
    ("one limit: allow, own clock", allow_own_clock),
    ("one limit: two threads, allow, time given by the caller", two_threads),
    ("one limit: two threads, allow, own clock", two_threads_own_clock),
];

fn allow() -> Case {
    Case::allowed()
        .alone("portcullis", ours(TokenBucket::new(limits::ours_open())))
        .alone("portcullis, ticks finer than 1 ns", ours(TokenBucket::new(limits::ours_finer())))
        .alone("governor, time set by the caller", governor_caller(limits::governor_open()))
        .alone("governor, fake clock standing still", governor(FakeRelativeClock::default()))
        .alone("ratelimit, time set by the caller", ratelimit(limits::ratelimit_open(CallerClock)))
        .alone("limit: load and compare-exchange", exchange(u64::MAX))
        .alone("limit: fetch_add", fetch_add())
}

fn deny() -> Case {
    Case::denied()
        .alone("portcullis", ours(drained(limits::ours_shut())))
        .alone("portcullis, with retry_after", ours_with_wait(drained(limits::ours_shut())))
        .alone("governor, time set by the caller", governor_drained(CallerClock))
        .alone(
            "governor, fake clock standing still",
            governor_drained(FakeRelativeClock::default()),
        )
        .alone("ratelimit, time set by the caller", ratelimit(limits::ratelimit_shut(CallerClock)))
        .alone("limit: load and compare", exchange(0))
}

fn allow_own_clock() -> Case {
    Case::allowed()
        .alone("portcullis, quanta", ours_quanta())
        .alone("portcullis, SystemClock", ours_system())
        .alone("governor, quanta (its default)", governor(QuantaClock::default()))
        .alone("governor, Instant", governor(MonotonicClock))
        .alone("ratelimit, Instant (its default)", ratelimit_std())
        .alone("leaky-bucket, tokio's Instant", leaky_bucket())
        .alone("limit: quanta and compare-exchange", quanta_exchange())
}

fn two_threads() -> Case {
    Case::allowed()
        .together("portcullis", ours(TokenBucket::new(limits::ours_open())))
        .together("governor, time set by the caller", governor_caller(limits::governor_open()))
        .together("governor, fake clock standing still", governor(FakeRelativeClock::default()))
        .together(
            "ratelimit, time set by the caller",
            ratelimit(limits::ratelimit_open(CallerClock)),
        )
        .together("limit: load and compare-exchange", exchange(u64::MAX))
        .together("limit: fetch_add", fetch_add())
}

fn two_threads_own_clock() -> Case {
    Case::allowed()
        .together("portcullis, quanta", ours_quanta())
        .together("portcullis, SystemClock", ours_system())
        .together("governor, quanta (its default)", governor(QuantaClock::default()))
        .together("ratelimit, Instant (its default)", ratelimit_std())
        .together("leaky-bucket, tokio's Instant", leaky_bucket())
}

fn drained(quota: Quota) -> TokenBucket {
    let bucket = TokenBucket::new(quota);
    assert!(bucket.check_n(quota.max_burst(), Timestamp::ZERO).is_admitted());
    bucket
}

// In each of these the limiter goes through black_box, so that its fields are read at each check, as
// they are where something else happens between two checks.

fn ours(bucket: TokenBucket) -> impl Fn(At) -> bool + Sync {
    move |at| black_box(&bucket).check(Timestamp::from_nanos(at.nanos)).is_admitted()
}

fn ours_with_wait(bucket: TokenBucket) -> impl Fn(At) -> bool + Sync {
    move |at| {
        let decision = black_box(&bucket).check(Timestamp::from_nanos(at.nanos));
        black_box(decision.standing().retry_after()).is_zero()
    }
}

fn ours_quanta() -> impl Fn(At) -> bool + Sync {
    let bucket = TokenBucket::new(limits::ours_open());
    let clock = quanta::Clock::new();
    move |_| {
        let now = Timestamp::from_nanos(clock.delta_as_nanos(0, clock.raw()));
        black_box(&bucket).check(now).is_admitted()
    }
}

fn ours_system() -> impl Fn(At) -> bool + Sync {
    let bucket = TokenBucket::new(limits::ours_open());
    move |_| black_box(&bucket).check(SystemClock::now()).is_admitted()
}

fn governor_caller(quota: governor::Quota) -> impl Fn(At) -> bool + Sync {
    let limiter = RateLimiter::direct_with_clock(quota, CallerClock);
    move |at| {
        clock::set(at.nanos);
        black_box(&limiter).check().is_ok()
    }
}

fn governor<C: Clock + Sync>(clock: C) -> impl Fn(At) -> bool + Sync {
    let limiter = RateLimiter::direct_with_clock(limits::governor_open(), clock);
    move |_| black_box(&limiter).check().is_ok()
}

fn governor_drained<C: Clock + Sync>(clock: C) -> impl Fn(At) -> bool + Sync {
    let limiter = RateLimiter::direct_with_clock(limits::governor_shut(), clock);
    assert!(limiter.check().is_ok());
    move |at| {
        clock::set(at.nanos);
        black_box(&limiter).check().is_ok()
    }
}

fn ratelimit(limiter: Ratelimiter<CallerClock>) -> impl Fn(At) -> bool + Sync {
    move |at| {
        clock::set(at.nanos);
        black_box(&limiter).try_wait().is_ok()
    }
}

fn ratelimit_std() -> impl Fn(At) -> bool + Sync {
    let limiter = limits::ratelimit_open(StdClock::new());
    move |_| black_box(&limiter).try_wait().is_ok()
}

fn leaky_bucket() -> impl Fn(At) -> bool + Sync {
    let limiter = limits::leaky_bucket_open();
    move |_| black_box(&limiter).try_acquire(1)
}

/// The least that a limiter can do: one word, read, judged and replaced. Denies if `most` is zero.
fn exchange(most: u64) -> impl Fn(At) -> bool + Sync {
    let word = AtomicU64::new(0);
    move |at| swap(black_box(&word), at.nanos, black_box(most))
}

fn quanta_exchange() -> impl Fn(At) -> bool + Sync {
    let word = AtomicU64::new(0);
    let clock = quanta::Clock::new();
    move |_| swap(black_box(&word), clock.delta_as_nanos(0, clock.raw()), black_box(u64::MAX))
}

#[inline]
fn swap(word: &AtomicU64, now: u64, most: u64) -> bool {
    let mut seen = word.load(Ordering::Acquire);
    while seen.max(now) < most {
        match word.compare_exchange(seen, seen.max(now) + 1, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return true,
            Err(newer) => seen = newer,
        }
    }
    false
}

fn fetch_add() -> impl Fn(At) -> bool + Sync {
    let word = AtomicU64::new(0);
    move |_| black_box(&word).fetch_add(1, Ordering::AcqRel) != u64::MAX
}
