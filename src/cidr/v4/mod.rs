//! IPv4 tables.
//!
//! A list of up to 4,096 runs is in a small index of its own size ([`small`]). A longer one has a root
//! with an entry for each /16; what is said inside of a /16 is written down in lines of 64 bytes
//! ([`wide`], [`chunk`], [`lines`]).

mod chunk;
mod lines;
mod set;
mod small;
mod wide;

use super::{reference::Sorted, runs::Mark};

pub(super) type Set4 = set::Set4;
pub(super) type Map4 = Sorted<u32, Mark>;
