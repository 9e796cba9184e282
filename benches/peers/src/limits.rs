//! The same limits for everybody: one that never runs out, and one that has.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A billion a second: an interval of 1 ns, for everyone who counts in nanoseconds.
const OPEN_RATE: u32 = 1_000_000_000;
/// One in so long: whoever has taken it waits for longer than the turns of a benchmark pretend.
pub(crate) const SHUT_PERIOD: Duration = Duration::from_secs(10 * 365 * 86_400);

pub(crate) fn ours_open() -> portcullis::Quota {
    portcullis::Quota::per_second(OPEN_RATE).burst(u32::MAX)
}

/// A rate whose interval is no whole number of nanoseconds, and with this burst no exact tick either.
pub(crate) fn ours_finer() -> portcullis::Quota {
    portcullis::Quota::per_second(OPEN_RATE + 7).burst(u32::MAX)
}

pub(crate) fn ours_shut() -> portcullis::Quota {
    portcullis::Quota::new(1, SHUT_PERIOD).unwrap()
}

pub(crate) fn governor_open() -> governor::Quota {
    let rate = NonZeroU32::new(OPEN_RATE).unwrap();
    governor::Quota::per_second(rate).allow_burst(NonZeroU32::MAX)
}

pub(crate) fn governor_shut() -> governor::Quota {
    governor::Quota::with_period(SHUT_PERIOD).unwrap()
}

/// A full bucket that the other limits' burst fits, without a second one behind it.
pub(crate) fn ratelimit_open<C: ratelimit::Clock>(clock: C) -> ratelimit::Ratelimiter<C> {
    let burst = u64::from(u32::MAX);
    ratelimit::Builder::with_clock(u64::from(OPEN_RATE), clock)
        .max_tokens(burst)
        .initial_available(burst)
        .build()
        .unwrap()
}

pub(crate) fn ratelimit_shut<C: ratelimit::Clock>(clock: C) -> ratelimit::Ratelimiter<C> {
    ratelimit::Builder::with_clock(1, clock).period(SHUT_PERIOD).build().unwrap()
}

pub(crate) fn leaky_bucket_open() -> leaky_bucket::RateLimiter {
    let burst = u32::MAX as usize;
    leaky_bucket::RateLimiter::builder()
        .initial(burst)
        .max(burst)
        .refill(OPEN_RATE as usize / 1_000)
        .interval(Duration::from_millis(1))
        .build()
}

/// The limits per client, within what every contestant can hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// A million a second, a million at once: never runs out, as long as no client comes more than a
    /// million times in a turn.
    Open,
    /// One a day: taken when the client came first.
    Shut,
    /// A hundred a second, a hundred at once: a client that came once leaves no trace 10 ms later.
    Usual,
}

impl Limit {
    /// So many in so long, and as many at once.
    pub(crate) fn per_period(self) -> (u32, Duration) {
        match self {
            Self::Open => (1_000_000, Duration::from_secs(1)),
            Self::Shut => (1, Duration::from_secs(86_400)),
            Self::Usual => (100, Duration::from_secs(1)),
        }
    }

    pub(crate) fn ours(self) -> portcullis::Quota {
        let (count, period) = self.per_period();
        portcullis::Quota::new(count, period).unwrap()
    }

    pub(crate) fn governor(self) -> governor::Quota {
        let (count, period) = self.per_period();
        let count = NonZeroU32::new(count).unwrap();
        governor::Quota::with_period(period / count.get()).unwrap().allow_burst(count)
    }

    /// The same limit over a word of one's own: the time at which the bucket is full again.
    #[inline]
    pub(crate) fn take(self, full_at: &mut u64, nanos: u64) -> bool {
        let (next, admitted) = self.next(*full_at, nanos);
        if admitted {
            *full_at = next;
        }
        admitted
    }

    #[inline]
    fn next(self, full_at: u64, nanos: u64) -> (u64, bool) {
        let (interval, burst) = match self {
            Self::Open => (1_000, 1_000_000_000),
            Self::Shut => (86_400_000_000_000, 86_400_000_000_000),
            Self::Usual => (10_000_000, 1_000_000_000),
        };
        let next = full_at.max(nanos) + interval;
        (next, next <= nanos + burst)
    }
}

/// A limit in one word that threads share.
#[derive(Debug, Default)]
pub(crate) struct Word(AtomicU64);

impl Word {
    #[inline]
    pub(crate) fn check(&self, limit: Limit, nanos: u64) -> bool {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let (next, admitted) = limit.next(seen, nanos);
            if !admitted {
                return false;
            }
            match self.0.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(newer) => seen = newer,
            }
        }
    }
}
