//! IPv4 tables.

mod map;
mod small;

use super::reference::Sorted;

pub(super) type Set4 = Sorted<u32, bool>;
pub(super) type Map4 = map::Map4;
