//! A limit per client, for clients that the limiter knows already.

use std::{
    hash::BuildHasher,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use governor::{
    RateLimiter,
    clock::{Clock, QuantaClock},
};
use portcullis::{ExactLimiter, Quota, Timestamp};

use crate::{
    clock::{self, CallerClock},
    limits,
    rounds::{At, Case, Titled},
};

pub(crate) const CASES: &[Titled] = &[
    ("10 k keys: allow", || alone(10_000)),
    ("10 k keys: two threads, allow", || together(10_000)),
    ("10 k keys: deny", || denied(10_000)),
    ("1 M keys: allow", || alone(1_000_000)),
    ("1 M keys: two threads, allow", || together(1_000_000)),
    ("1 M keys: deny", || denied(1_000_000)),
];

fn alone(keys: u32) -> Case {
    let draws = Draws::of(keys);
    Case::allowed()
        .alone("portcullis ExactLimiter", ours(&draws, limits::ours_open()))
        .alone("governor, time set by the caller", governor_caller(&draws, std_hasher()))
        .alone("governor, quanta (its default)", governor(&draws, QuantaClock::default()))
        .alone("governor and foldhash, time set by the caller", governor_caller(&draws, foldhash()))
        .alone("limit: array of words, no hash, no keys", array(&draws))
}

fn together(keys: u32) -> Case {
    let draws = Draws::of(keys);
    Case::allowed()
        .together("portcullis ExactLimiter", ours(&draws, limits::ours_open()))
        .together("governor, time set by the caller", governor_caller(&draws, std_hasher()))
        .together("governor, quanta (its default)", governor(&draws, QuantaClock::default()))
        .together(
            "governor and foldhash, time set by the caller",
            governor_caller(&draws, foldhash()),
        )
        .together("limit: array of words, no hash, no keys", array(&draws))
}

fn denied(keys: u32) -> Case {
    let draws = Draws::of(keys);
    Case::denied()
        .alone("portcullis ExactLimiter", ours(&draws, limits::ours_shut()))
        .alone("governor, time set by the caller", governor_drained(&draws, std_hasher()))
        .alone(
            "governor and foldhash, time set by the caller",
            governor_drained(&draws, foldhash()),
        )
}

/// Which of so many clients comes next, uniformly, in an order that was drawn beforehand.
#[derive(Clone)]
struct Draws {
    keys: u32,
    order: Arc<[u32]>,
}

impl Draws {
    fn of(keys: u32) -> Self {
        // A power of two, so that going round is one instruction.
        let many = (keys as usize * 4).next_power_of_two();
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let order = (0..many)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u32 % keys
            })
            .collect();
        Self { keys, order }
    }

    #[inline]
    fn nth(&self, nth: usize) -> u32 {
        self.order[nth & (self.order.len() - 1)]
    }

    fn all(&self) -> impl Iterator<Item = IpAddr> {
        (0..self.keys).map(address)
    }
}

/// Client by number; the factor is odd, so no two clients share an address.
#[inline]
fn address(client: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(client.wrapping_mul(0x9e37_79b1)))
}

/// Every client has come once; where the quota is one in ten years, each check after that is denied.
fn ours(draws: &Draws, quota: Quota) -> impl Fn(At) -> bool + Sync + use<> {
    let draws = draws.clone();
    let limiter: ExactLimiter<IpAddr> = ExactLimiter::new(quota, draws.keys as usize);
    for client in draws.all() {
        assert!(limiter.check(&client, Timestamp::ZERO).is_admitted());
    }
    move |at| {
        let client = address(draws.nth(at.nth));
        black_box(&limiter).check(&client, Timestamp::from_nanos(at.nanos)).is_admitted()
    }
}

fn governor_caller<S>(draws: &Draws, hasher: S) -> impl Fn(At) -> bool + Sync + use<S>
where
    S: BuildHasher + Default + Clone + Send + Sync,
{
    governor_with(draws, limits::governor_open(), CallerClock, hasher)
}

fn governor_drained<S>(draws: &Draws, hasher: S) -> impl Fn(At) -> bool + Sync + use<S>
where
    S: BuildHasher + Default + Clone + Send + Sync,
{
    governor_with(draws, limits::governor_shut(), CallerClock, hasher)
}

fn governor<C: Clock + Sync>(draws: &Draws, clock: C) -> impl Fn(At) -> bool + Sync + use<C> {
    governor_with(draws, limits::governor_open(), clock, std_hasher())
}

fn governor_with<C, S>(
    draws: &Draws,
    quota: governor::Quota,
    clock: C,
    hasher: S,
) -> impl Fn(At) -> bool + Sync + use<C, S>
where
    C: Clock + Sync,
    S: BuildHasher + Default + Clone + Send + Sync,
{
    let draws = draws.clone();
    let limiter = RateLimiter::dashmap_with_clock_and_hasher(quota, clock, hasher);
    for client in draws.all() {
        assert!(limiter.check_key(&client).is_ok());
    }
    move |at| {
        let client = address(draws.nth(at.nth));
        clock::set(at.nanos);
        black_box(&limiter).check_key(&client).is_ok()
    }
}

fn std_hasher() -> std::hash::RandomState {
    std::hash::RandomState::new()
}

fn foldhash() -> foldhash::fast::RandomState {
    foldhash::fast::RandomState::default()
}

/// The memory itself: the client's number is the place of its word.
fn array(draws: &Draws) -> impl Fn(At) -> bool + Sync + use<> {
    let draws = draws.clone();
    let words: Vec<AtomicU64> = draws.all().map(|_| AtomicU64::new(0)).collect();
    move |at| {
        let word = &black_box(&words)[draws.nth(at.nth) as usize];
        let mut seen = word.load(Ordering::Acquire);
        loop {
            let full_at = seen.max(at.nanos) + 1;
            match word.compare_exchange(seen, full_at, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(newer) => seen = newer,
            }
        }
    }
}
