//! IPv4 tables.

mod small;

use super::{reference::Sorted, runs::Mark};

pub(super) type Set4 = Sorted<u32, bool>;
pub(super) type Map4 = Sorted<u32, Mark>;
