//! The same two limits for everybody: one that never runs out, and one that has.

use std::{num::NonZeroU32, time::Duration};

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
