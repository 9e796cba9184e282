//! Translations between frameworks' types and the gate, and nothing else.
//!
//! | module | what |
//! |---|---|
//! | `answer` | what a response says of a limit or a denial, whatever the framework |
//! | `fields` | which of that a service wants to be said |
//! | `admitted`, `client` | what handlers learn of the gate's answer |
//! | `asked` | a request that may pass, until its response has been sent |
//! | `setting` | what all parts of one adapter share |
//! | `seen` | what a request tells about itself |
//! | `http` | requests and responses of the `http` crate |
//! | `tower`, `axum`, `actix` | the frameworks |

#[cfg(feature = "actix")]
pub mod actix;
mod admitted;
mod answer;
mod asked;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(any(feature = "axum", feature = "actix"))]
mod client;
mod fields;
#[cfg(feature = "tower")]
mod http;
mod seen;
mod setting;
#[cfg(feature = "tower")]
pub mod tower;

pub use self::{
    admitted::Admitted,
    fields::{LimitFields, Reset},
};
