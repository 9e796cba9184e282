//! What the program `check` is made of.
//!
//! | part | idea |
//! |---|---|
//! | `check` | mistakes and oddities of a configuration, and why a request would be refused |

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "programs read files and print"
)]

pub mod check;
#[cfg(test)]
mod dashboard;
