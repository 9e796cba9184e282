//! IPv6 tables.

use super::{reference::Sorted, runs::Mark};

pub(super) type Set6 = Sorted<u128, bool>;
pub(super) type Map6 = Sorted<u128, Mark>;
