//! Limits: how fast.
//!
//! | you want | take |
//! |---|---|
//! | one limit for one thing (an upstream, an export job) | [`TokenBucket`] |
//! | a limit per client, over keys that anybody can invent | [`KeyedLimiter`] |
//! | one limit whose quota is changed while it is in use | [`AdjustableBucket`] |
//! | one limit that many threads check all the time | [`LeasedBucket`] |
//! | a limit per tenant, account or API key, exact, keys kept | [`ExactLimiter`] |
//! | never more than so many in any minute, for one thing | [`SlidingWindow`] |
//! | the same, to the nanosecond, for small numbers | [`WindowLog`] |
//! | never more than so many in any minute, per tenant, account or API key | [`KeyedWindow`] |
//! | so many requests in flight, in all | [`Permits`] |
//! | so many requests in flight per client | [`KeyedPermits`] |
//! | a share of the clients, the same ones each time | [`Share`] |
//! | a share or a quota that grows back over a time | [`Ramp`] |
//!
//! Those that take a [`Quota`](crate::Quota) follow one rule, the token bucket in its GCRA form (ITU-T
//! I.371): a limiter remembers only the time at which its bucket will be full again. The distance from
//! now to that time is the *debt*; a request of `n` units adds `n` intervals to it, and is admitted if
//! the debt is then no more than `burst` intervals. Windows count instead.

mod adjustable;
#[cfg(feature = "std")]
mod agenda;
mod bucket;
#[cfg(feature = "std")]
mod exact;
mod guard;
#[cfg(feature = "std")]
mod index;
#[cfg(feature = "std")]
mod keyed;
mod leased;
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
#[cfg(feature = "std")]
pub(crate) mod rates;
mod reservation;
#[cfg(feature = "std")]
pub(crate) mod shard;
mod share;
#[cfg(all(feature = "std", feature = "serde"))]
pub(crate) mod snapshot;
#[cfg(feature = "std")]
pub(crate) mod store;
mod window;

pub use adjustable::AdjustableBucket;
pub use bucket::TokenBucket;
#[cfg(all(feature = "std", feature = "serde"))]
pub use exact::ExactSnapshot;
#[cfg(feature = "std")]
pub use exact::{ExactLimiter, OnSaturation};
#[cfg(all(feature = "std", feature = "serde"))]
pub use keyed::KeyedSnapshot;
#[cfg(feature = "std")]
pub use keyed::{Capacity, KeyedLimiter, KeyedStats};
pub use leased::LeasedBucket;
#[cfg(feature = "std")]
pub use permits::KeyedPermits;
pub use permits::{Permit, Permits};
pub use ramp::{Gradual, Ramp};
pub use reservation::Reservation;
pub use share::Share;
pub use window::SlidingWindow;
#[cfg(feature = "std")]
pub use window::{KeyedWindow, WindowLog};

#[cfg(all(test, loom))]
use keyed::rules as keyed_rules;
#[cfg(all(test, loom))]
mod loom_models;
