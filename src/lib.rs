#![doc = include_str!("../README.md")]
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

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod cidr;
pub mod error;
pub mod limit;
mod quota;
mod sync;
mod time;
mod verdict;

#[cfg(test)]
mod test_support;

pub use ipnet;

#[cfg(feature = "std")]
pub use crate::time::SystemClock;
pub use crate::{
    cidr::{CidrParseError, CidrSet},
    error::{QuotaError, QuotaParseError},
    limit::TokenBucket,
    quota::Quota,
    time::Timestamp,
    verdict::{Decision, Standing},
};
