//! Limits: how fast.
//!
//! | you want | take |
//! |---|---|
//! | one limit for one thing (an upstream, an export job) | [`TokenBucket`] |
//! | a limit per tenant, account or API key, exact, keys kept | [`ExactLimiter`] |
//! | so many requests in flight, in all | [`Permits`] |
//! | so many requests in flight per client | [`KeyedPermits`] |
//! | a share of the clients, the same ones each time | [`Share`] |
//! | a share or a quota that grows back over a time | [`Ramp`] |
//!
//! All that limit a rate follow one rule, the token bucket in its GCRA form (ITU-T I.371): a limiter
//! remembers only the time at which its bucket will be full again. The distance from now to that
//! time is the *debt*; a request of `n` units adds `n` intervals to it, and is admitted if the
//! debt is then no more than `burst` intervals.

#[cfg(feature = "std")]
mod agenda;
mod bucket;
#[cfg(feature = "std")]
mod exact;
#[cfg(feature = "std")]
mod index;
#[cfg(any(test, feature = "__reference"))]
#[doc(hidden)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    reason = "a model in 128 bits, for tests, fuzzing and benches only"
)]
pub mod reference;

mod permits;
mod ramp;
mod reservation;
#[cfg(feature = "std")]
pub(crate) mod shard;
mod share;
#[cfg(feature = "std")]
pub(crate) mod store;

pub use bucket::TokenBucket;
#[cfg(feature = "std")]
pub use exact::{ExactLimiter, OnSaturation};
#[cfg(feature = "std")]
pub use permits::KeyedPermits;
pub use permits::{Permit, Permits};
pub use ramp::{Gradual, Ramp};
pub use reservation::Reservation;
pub use share::Share;

#[cfg(all(test, loom))]
mod loom_models;
