//! What the programs `replay` and `check` are made of.
//!
//! | part | idea |
//! |---|---|
//! | `replay` | logs of requests, read line by line, and played to a gate in virtual time |
//! | `check` | mistakes and oddities of a configuration, and why a request would be refused |

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "programs read files and print"
)]

pub mod check;
#[cfg(test)]
mod dashboard;
pub mod replay;
