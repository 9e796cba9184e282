//! IPv4 tables.

mod chunk;
mod lines;
mod map;
mod set;
mod small;
mod wide;

pub(super) use self::{map::Map4, set::Set4};
