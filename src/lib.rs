// The examples of the README need the adapters and the configuration, so it is tested and shown where they are.
#![cfg_attr(
    all(feature = "actix", feature = "axum", feature = "config", feature = "redis-1", feature = "status"),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(
        feature = "actix",
        feature = "axum",
        feature = "config",
        feature = "redis-1",
        feature = "status"
    )),
    doc = "Rate limiting and traffic filtering that you build into a Rust service."
)]
//!
//! ## The way of a request
//!
//! ```text
//!  a connection     axum::GateListener, Gate::check_peer: bans, deny list, places -> closed
//!       |
//!  a request        an adapter: who is the peer, and what does it ask for?
//!       v
//!  Gate::check      gate: one snapshot of rules, lists and limits for all that follows
//!   |  client       request   the address, behind proxies that are trusted
//!   |  exempt                                                                     -> passes
//!   |  watched      detect    every request is counted, some are looked at closely
//!   |  bans         gate                                                          -> denied
//!   |  lists        cidr      the deny list, but for who is on the allow list     -> denied
//!   |  canonical    request   of path and host, what anything below reads
//!   |  rules        rule      until one allows, denies or bans                    -> denied
//!   |  defence      detect    mitigations, and what is left in an attack          -> denied
//!   |  limits       limit     in flight, of a fleet, by time: all of them or none -> denied
//!       v
//!  Verdict          counted; an Admission for the service, or a Denial to answer with
//!       |
//!  a response       an adapter: its head, and its body until the end
//!       v
//!  Gate::finish     what only the response tells is settled, bans for it are made, places come back,
//!                   and detection learns how it went
//! ```
//!
//! What each of these modules knows of the others, where state is and what bounds it: `portcullis::docs::architecture`.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

#[cfg(not(target_has_atomic = "64"))]
compile_error!("portcullis keeps its limits in 64-bit atomics, which this target does not have");

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(any(feature = "tower", feature = "actix", feature = "redis-1", feature = "metrics"))]
mod adapt;
pub mod cidr;
#[cfg(feature = "std")]
pub mod detect;
// The book: chapters that rustdoc shows, and whose examples are tests. Nothing of it is in a build. It names what is in
// these features.
#[cfg(all(
    any(doc, doctest, test),
    feature = "actix",
    feature = "axum",
    feature = "config",
    feature = "metrics",
    feature = "redis-1",
    feature = "status",
    feature = "tracing"
))]
pub mod docs;
pub mod error;
#[cfg(feature = "std")]
pub mod gate;
pub mod limit;
mod quota;
pub mod request;
#[cfg(feature = "std")]
pub mod rule;
#[cfg(all(test, shuttle))]
mod schedules;
mod sync;
mod time;
mod verdict;

#[cfg(test)]
mod test_support;

pub use ipnet;

#[cfg(feature = "actix")]
pub use crate::adapt::actix::{self, GateMiddleware};
#[cfg(feature = "axum")]
pub use crate::adapt::axum;
#[cfg(feature = "metrics")]
pub use crate::adapt::metrics;
#[cfg(feature = "redis-1")]
pub use crate::adapt::redis;
#[cfg(feature = "tower")]
pub use crate::adapt::tower::{self, GateLayer};
#[cfg(any(feature = "tower", feature = "actix"))]
pub use crate::adapt::{Admitted, LimitFields, NoStore, Reset};
pub use crate::{
    cidr::{CidrMap, CidrParseError, CidrSet},
    error::{QuotaError, QuotaParseError, WindowError},
    limit::{
        AdjustableBucket, LeasedBucket, Permit, Permits, Ramp, Reservation, Share, SlidingWindow,
        TokenBucket,
    },
    quota::Quota,
    request::{ClientGroup, ClientIp, ForwardedBy, Given, Headers, Request, Trust},
    time::Timestamp,
    verdict::{Decision, Standing},
};
#[cfg(feature = "std")]
pub use crate::{
    detect::{Defence, Posture},
    error::{
        AddressLimiterError, BuildError, BuildProblem, ChangeError, KeyQuotaError,
        KeyedLimiterError,
    },
    gate::{
        Gate, GateBans, GateBuilder, GateLists, GateStats, LimitRule, ListError, MissingKey,
        MissingPeer, Mode, Outcome, RuleStats, Then,
    },
    limit::{
        AddressLimiter, Capacity, ExactLimiter, KeyedLimiter, KeyedPermits, KeyedStats,
        KeyedWindow, OnSaturation, WindowLog,
    },
    time::SystemClock,
    verdict::{Admission, Denial, DenialReason, Verdict},
};
#[cfg(all(feature = "std", feature = "serde"))]
pub use crate::{
    error::{RestoreError, SnapshotError},
    gate::GateSnapshot,
    limit::{ExactSnapshot, KeyedSnapshot},
};

#[cfg(all(test, feature = "std"))]
mod tests {
    use core::panic::{RefUnwindSafe, UnwindSafe};

    fn shareable<T: Send + Sync + 'static>() {}
    fn survives_panics<T: UnwindSafe + RefUnwindSafe>() {}

    /// What users put into statics, tasks, handlers and extensions must go there.
    #[test]
    fn public_types_can_be_shared_and_outlive_panics() {
        shareable::<crate::Gate>();
        shareable::<crate::GateStats>();
        shareable::<crate::GateLists>();
        shareable::<crate::ListError>();
        shareable::<crate::Admission>();
        shareable::<crate::Denial>();
        shareable::<crate::TokenBucket>();
        shareable::<crate::AdjustableBucket>();
        shareable::<crate::LeasedBucket>();
        shareable::<crate::ExactLimiter<std::string::String>>();
        shareable::<crate::KeyedLimiter>();
        shareable::<crate::KeyedLimiterError>();
        shareable::<crate::ChangeError>();
        shareable::<crate::AddressLimiter>();
        shareable::<crate::AddressLimiterError>();
        shareable::<crate::Permits>();
        shareable::<crate::KeyedPermits>();
        shareable::<crate::Permit>();
        shareable::<crate::Ramp<crate::Share>>();
        shareable::<crate::Ramp<crate::Quota>>();
        shareable::<crate::CidrSet>();
        shareable::<crate::CidrMap<u32>>();
        shareable::<crate::cidr::AccessList>();
        shareable::<crate::cidr::CidrEdit<u32>>();
        shareable::<crate::cidr::CidrEntryError>();
        shareable::<crate::cidr::CidrMapIter<'static, u32>>();
        shareable::<crate::cidr::CidrSetIter<'static>>();
        shareable::<crate::cidr::CidrLines<'static>>();
        shareable::<crate::cidr::CidrLine<'static>>();
        shareable::<crate::cidr::CidrSkipped>();
        shareable::<crate::cidr::Live<crate::CidrMap<u32>>>();
        shareable::<crate::cidr::Reader<crate::CidrSet>>();
        shareable::<crate::limit::remote::Fleet>();
        shareable::<crate::limit::remote::Held>();
        shareable::<crate::limit::remote::Ask>();
        shareable::<crate::limit::remote::Wait>();
        shareable::<crate::gate::GateAsk>();
        shareable::<crate::gate::GateWait>();
        shareable::<crate::gate::Suspended>();
        shareable::<crate::BuildError>();
        shareable::<crate::KeyQuotaError>();
        #[cfg(feature = "serde")]
        {
            shareable::<crate::ExactSnapshot<std::string::String>>();
            shareable::<crate::KeyedSnapshot>();
            shareable::<crate::SnapshotError>();
            shareable::<crate::GateSnapshot>();
            shareable::<crate::RestoreError>();
        }
        shareable::<crate::CidrParseError>();
        shareable::<crate::QuotaError>();
        shareable::<crate::QuotaParseError>();
        shareable::<crate::SlidingWindow>();
        shareable::<crate::WindowError>();
        shareable::<crate::WindowLog>();
        shareable::<crate::KeyedWindow<std::string::String>>();
        #[cfg(feature = "tower")]
        shareable::<crate::GateLayer>();
        #[cfg(feature = "axum")]
        {
            shareable::<crate::axum::GateListener<u8>>();
            shareable::<crate::axum::GateIo<u8>>();
            shareable::<crate::axum::ConnectionStats>();
            shareable::<crate::axum::GateRejection>();
        }
        #[cfg(feature = "metrics")]
        shareable::<crate::metrics::MetricsPublisher>();
        #[cfg(feature = "status")]
        shareable::<crate::axum::StatusPage>();
        survives_panics::<crate::TokenBucket>();
        survives_panics::<crate::SlidingWindow>();
        survives_panics::<crate::Permits>();
        survives_panics::<crate::KeyedPermits>();
        survives_panics::<crate::Permit>();
        survives_panics::<crate::CidrSet>();
        survives_panics::<crate::CidrMap<u32>>();
        survives_panics::<crate::cidr::AccessList>();
        survives_panics::<crate::cidr::Live<crate::CidrSet>>();
        survives_panics::<crate::Quota>();
        survives_panics::<crate::Denial>();
    }
}
