//! Limits: their windows, their tables and their changes.

#[cfg(feature = "std")]
use core::time::Duration;

/// Why a window cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// The window is empty.
    #[error("the window is zero; it must be at least 1 ns")]
    ZeroWindow,
    /// The window is longer than [`Quota::LONGEST_PERIOD`](crate::Quota::LONGEST_PERIOD).
    #[error("the window is longer than 100 years; use a shorter one, or a limit of 0")]
    WindowTooLong,
    /// The window is divided into too few or too many sub-windows.
    #[error("a window of {parts} sub-windows; use 1 to {most}")]
    Parts {
        /// The number that was asked for.
        parts: u32,
        /// The most that there can be.
        most: u32,
    },
    /// More units in one sub-window than it can count.
    #[error(
        "{limit} units in a sub-window of {part_nanos} ns are too many to count; use a lower limit, or \
         sub-windows of at least {least_nanos} ns: a longer window or fewer of them"
    )]
    PartTooShort {
        /// The limit that was asked for.
        limit: u32,
        /// The length of a sub-window, in nanoseconds.
        part_nanos: u64,
        /// The least that it must be for this limit, in nanoseconds.
        least_nanos: u64,
    },
    /// More units than a log remembers one by one.
    #[error("a log of {limit} units; it remembers up to {most}, beyond that use sub-windows")]
    LogTooLong {
        /// The limit that was asked for.
        limit: u32,
        /// The most that there can be.
        most: u32,
    },
}

/// Why a [`KeyedLimiter`](crate::KeyedLimiter) cannot be built.
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyedLimiterError {
    /// The quota does not fit one word beside a fingerprint.
    #[error(
        "a keyed limiter cannot hold {quota}: one unit must take at least 64 ns to come back, and the \
         burst (with room for debt) can be at most 134217728; use a coarser quota, or a TokenBucket"
    )]
    OutOfRange {
        /// The quota that was asked for.
        quota: crate::Quota,
    },
    /// Room for no key at all.
    #[error("a keyed limiter for 0 keys limits nobody; use at least 1")]
    NoKeys,
    /// Not even one set fits.
    #[error("{bytes} bytes do not hold a keyed limiter; use at least {least}")]
    TooFewBytes {
        /// The bytes that were asked for.
        bytes: usize,
        /// The fewest that would do.
        least: usize,
    },
    /// More than can be addressed.
    #[error(
        "the capacity of a keyed limiter is more than this machine can address; use a smaller one"
    )]
    TooLarge,
    /// The allocator refused.
    #[error("{bytes} bytes for a keyed limiter cannot be had; use a smaller capacity")]
    NoMemory {
        /// The bytes of the table.
        bytes: usize,
    },
}

/// Why an [`AddressLimiter`](crate::limit::AddressLimiter) cannot be built.
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressLimiterError {
    /// A network has more bits than an address.
    #[error("tier {number}: {bits} bits are more than such an address has; use at most {most}")]
    TooManyBits {
        /// Which tier, counted from 1.
        number: usize,
        /// The bits that were asked for.
        bits: u8,
        /// The most that there are.
        most: u8,
    },
    /// More tiers than are judged together.
    #[error("{tiers} tiers are too many; use at most {most}")]
    TooManyTiers {
        /// The number of tiers.
        tiers: usize,
        /// The most that there can be.
        most: usize,
    },
    /// A tier's limiter cannot be built.
    #[error("tier {number}: {error}")]
    Tier {
        /// Which tier, counted from 1.
        number: usize,
        /// What is wrong with it.
        error: KeyedLimiterError,
    },
}

/// Why a limiter's quota or seed cannot be changed now; it goes on as before.
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The new quota does not fit the ticks that the limiter was built with.
    #[error("{quota} is too far from the quota that the limiter was built with; build another one")]
    OutOfRange {
        /// The quota that was asked for.
        quota: crate::Quota,
    },
    /// Keys are still moving from the change before the last.
    #[error("two changes are still in progress; try again at {until:?}")]
    TooSoon {
        /// When it can be tried again.
        until: crate::Timestamp,
    },
}

/// Why a key of a limiter cannot have a quota of its own.
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyQuotaError {
    /// All places are held by keys with a quota of their own, or by keys that owe something.
    #[error(
        "no place for a key with a quota of its own: all {capacity} are held by such keys or by keys \
         in debt; make the limiter for more keys, or forget some, or try again after {free_after:?}"
    )]
    NoPlace {
        /// The places that there are.
        capacity: usize,
        /// There will be none before; very long if all places are held for good.
        free_after: Duration,
    },
    /// Keys have as many different quotas as the limiter has room for.
    #[error(
        "{most} different quotas of single keys are there already, and the limiter was made for no \
         more; use one of them, or make it with more own_quotas"
    )]
    TooManyQuotas {
        /// The different quotas that there is room for.
        most: usize,
    },
}
