//! Address lists as they are published, from a full routing table to a list of clouds.
//!
//! The folder of the lists is given by `PORTCULLIS_DATA`; without it, small samples stand in.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests read files and print what they could not test"
)]

mod data;
mod edits;
mod expected;
mod lenient;
mod maps;
mod published;
mod samples;
mod sets;
