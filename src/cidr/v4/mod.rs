//! IPv4 tables.

mod chunk;
mod lines;
mod set;
mod small;
mod wide;

use super::{reference::Sorted, runs::Mark};

pub(super) type Set4 = set::Set4;
pub(super) type Map4 = Sorted<u32, Mark>;
