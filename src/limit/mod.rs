//! Limits: how fast.
//!
//! # Which one to choose
//! Three questions lead to it: *whose* requests are counted together, *what* is promised of them, and
//! who else takes part.
//!
//! ## One limit for one thing
//! An upstream, an export job, a whole service.
//!
//! | take | when | what it guarantees |
//! |---|---|---|
//! | [`TokenBucket`] | in doubt | any interval of length `x` admits at most `burst + rate · x` |
//! | [`AdjustableBucket`] | its quota changes while it is in use | the same; what is owed is carried over in units |
//! | [`LeasedBucket`] | many threads check it all the time | at most `burst + rate · x + stripes · batch` |
//! | [`SlidingWindow`] | "never more than N in any minute" is the rule | no interval of the window's length has more than N; a unit counts for up to `1/k` longer |
//! | [`WindowLog`] | the same, and N is small | no window has more than N, to the nanosecond |
//! | [`Permits`] | what is scarce is requests *in flight* | never more than N at a time; given back on drop |
//!
//! A bucket lets a burst through and then evens out; a window lets N through at any time and then
//! nothing. Services that are asked evenly want a bucket: it forgives a moment's impatience, and tells
//! exactly when to come again. Contracts ("1,000 a day") and costly actions ("3 password resets an
//! hour") want a window.
//!
//! ## A limit per key
//!
//! | take | for keys | what it guarantees |
//! |---|---|---|
//! | [`KeyedLimiter`] | that anybody can invent: addresses, names, tokens | the bucket's bound for each key, in memory fixed at 11.4 bytes a key, whatever keys come |
//! | [`AddressLimiter`] | that are addresses, and the networks they come from | the same at every size of network, all or none |
//! | [`ExactLimiter`] | that the service has given out: tenants, accounts, API keys | each key is limited exactly as by a bucket of its own; quotas of single keys; hard capacity |
//! | [`KeyedWindow`] | as above, by windows | each key as by a [`SlidingWindow`] of its own |
//! | [`KeyedPermits`] | of any kind, requests in flight | never more than N at a time for a key |
//! | [`FleetLimit`](remote::FleetLimit) | of any kind, on several machines | the bucket's bound for each key over all of them, and leases: at most half a burst |
//!
//! Each of them but the last is about one process. A limit that several processes share is kept in a store, and
//! somebody has to ask it: [`remote`] says what, and when not.
//!
//! The difference is what an attacker can do. Keys that cost nothing belong in a [`KeyedLimiter`]: it
//! keeps no keys, cannot grow, and hands nobody a fresh bucket; in return two keys share one with a
//! probability of some millionths, and it cannot list them. Keys that you have given out belong in an
//! [`ExactLimiter`]: it keeps them, lists them, and knows plans.
//!
//! ## Several at once, and over time
//!
//! | take | for | what it guarantees |
//! |---|---|---|
//! | [`check_all`] | several limits for one request | all are charged, or none; the strictest is reported |
//! | [`Reservation`] | a cost that only the response tells | taken in advance, settled afterwards, kept if nobody tells |
//! | [`Ramp`] | a share or a quota that grows back over a time | a pure function of `now`: exact at both ends, monotone between |
//! | [`Share`] | letting a part of the clients in | always the same ones, and who is in stays in while it grows |
//!
//! # The rule of the buckets
//! Those that take a [`Quota`](crate::Quota) follow one rule, the token bucket in its GCRA form (ITU-T
//! I.371): a limiter remembers only the time at which its bucket will be full again. The distance from
//! now to that time is the *debt*; a request of `n` units adds `n` intervals to it, and is admitted if
//! the debt is then no more than `burst` intervals. Windows count instead.
//!
//! All of them are given the time, read no clock, do no input or output, and allocate nothing after
//! they are built. Timestamps may differ between threads by up to a second.

#[cfg(feature = "std")]
mod address;
mod adjustable;
#[cfg(feature = "std")]
pub(crate) mod agenda;
mod bucket;
#[cfg(feature = "std")]
mod exact;
mod group;
mod guard;
#[cfg(feature = "std")]
pub(crate) mod index;
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

pub(crate) mod permits;
mod ramp;
#[cfg(feature = "std")]
pub(crate) mod rates;
#[cfg(feature = "std")]
pub mod remote;
mod reservation;
#[cfg(feature = "std")]
pub(crate) mod seeds;
#[cfg(feature = "std")]
pub(crate) mod shard;
mod share;
#[cfg(all(feature = "std", feature = "serde"))]
pub(crate) mod snapshot;
#[cfg(feature = "std")]
pub(crate) mod store;
mod window;

#[cfg(feature = "std")]
pub use address::{AddressLimiter, Tier};
pub use adjustable::AdjustableBucket;
pub use bucket::TokenBucket;
#[cfg(all(feature = "std", feature = "serde"))]
pub use exact::ExactSnapshot;
#[cfg(feature = "std")]
pub use exact::{ExactLimiter, OnSaturation};
pub use group::{GroupDecision, Limit, Member, check_all};
#[cfg(feature = "std")]
pub(crate) use group::{decide, heal};
#[cfg(all(feature = "std", feature = "serde"))]
pub use keyed::KeyedSnapshot;
#[cfg(feature = "std")]
pub(crate) use keyed::OnKey;
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

#[cfg(all(test, any(loom, shuttle)))]
use keyed::rules as keyed_rules;
#[cfg(all(test, loom))]
mod loom_models;
#[cfg(all(test, shuttle))]
mod shuttle_models;
