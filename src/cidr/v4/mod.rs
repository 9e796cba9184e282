//! IPv4 tables.
//!
//! A list of up to 4,096 runs is in a small index of its own size ([`small`]). A longer one has a root
//! with an entry for each /16; what is said inside of a /16 is written down in lines of 64 bytes. [Sets](set)
//! and [maps](map) have such tables of their own, since a set needs no values: the parity of a count says all.

mod map;
mod set;
mod small;

pub(super) use self::{map::Map4, set::Set4};
