//! Slow, obvious and exact: what the compiled tables and the maps are compared with.

mod prefixes;
mod ranges;
mod sorted;

pub(in crate::cidr) use self::sorted::Sorted;
pub use self::{prefixes::PrefixList, ranges::RangeSet};
