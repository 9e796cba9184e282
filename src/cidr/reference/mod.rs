//! Slow, obvious and exact: what the compiled tables and the maps are compared with.

mod prefixes;
#[cfg(any(test, feature = "__reference"))]
mod ranges;
#[cfg(test)]
mod sorted;

pub use self::prefixes::PrefixList;
#[cfg(any(test, feature = "__reference"))]
pub use self::ranges::RangeSet;
#[cfg(test)]
pub(in crate::cidr) use self::sorted::Sorted;
