//! Translations between frameworks' types and the gate, and nothing else.
//!
//! | module | what |
//! |---|---|
//! | `answer` | what a response says of a limit or a denial, whatever the framework |
//! | `fields` | which of that a service wants to be said |
//! | `admitted`, `client` | what handlers learn of the gate's answer |
//! | `asked` | a request that may pass, until its response has been sent |
//! | `fleet` | a check that waits for a store |
//! | `setting` | what all parts of one adapter share |
//! | `seen` | what a request tells about itself |
//! | `http` | requests and responses of the `http` crate |
//! | `tower`, `axum`, `actix` | the frameworks |
//! | `redis` | a store for limits of a fleet |
//! | `metrics` | the gate's numbers for the facade of that name |

#[cfg(feature = "actix")]
pub mod actix;
#[cfg(any(feature = "tower", feature = "actix"))]
mod admitted;
#[cfg(any(feature = "tower", feature = "actix"))]
mod answer;
#[cfg(any(feature = "tower", feature = "actix"))]
mod asked;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(any(feature = "axum", feature = "actix"))]
mod client;
#[cfg(any(feature = "tower", feature = "actix"))]
mod fields;
#[cfg(any(feature = "tower", feature = "actix"))]
mod fleet;
#[cfg(feature = "tower")]
mod http;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "redis-1")]
pub mod redis;
#[cfg(any(feature = "tower", feature = "actix"))]
mod seen;
#[cfg(any(feature = "tower", feature = "actix"))]
mod setting;
#[cfg(feature = "tower")]
pub mod tower;

#[cfg(any(feature = "tower", feature = "actix"))]
pub use self::{
    admitted::Admitted,
    fields::{LimitFields, Reset},
    fleet::NoStore,
};
