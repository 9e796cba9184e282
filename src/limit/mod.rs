//! Limits: how fast.
//!
//! | you want | take |
//! |---|---|
//! | one limit for one thing (an upstream, an export job) | [`TokenBucket`] |
//! | one limit whose quota is changed while it is in use | [`AdjustableBucket`] |
//! | one limit that many threads check all the time | [`LeasedBucket`] |
//! | a limit per tenant, account or API key, exact, keys kept | [`ExactLimiter`] |
//!
//! All of them follow one rule, the token bucket in its GCRA form (ITU-T I.371): a limiter
//! remembers only the time at which its bucket will be full again. The distance from now to that
//! time is the *debt*; a request of `n` units adds `n` intervals to it, and is admitted if the
//! debt is then no more than `burst` intervals.

mod adjustable;
#[cfg(feature = "std")]
mod agenda;
mod bucket;
#[cfg(feature = "std")]
mod exact;
mod guard;
#[cfg(feature = "std")]
mod index;
mod leased;
#[cfg(any(test, feature = "__reference"))]
#[doc(hidden)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    reason = "a model in 128 bits, for tests, fuzzing and benches only"
)]
pub mod reference;

mod reservation;
#[cfg(feature = "std")]
pub(crate) mod shard;
#[cfg(feature = "std")]
pub(crate) mod store;

pub use adjustable::AdjustableBucket;
pub use bucket::TokenBucket;
#[cfg(feature = "std")]
pub use exact::{ExactLimiter, OnSaturation};
pub use leased::LeasedBucket;
pub use reservation::Reservation;

#[cfg(all(test, loom))]
mod loom_models;
