//! Slow, obvious and exact: what the compiled tables and the maps are compared with.

mod prefixes;
mod sorted;

pub use self::prefixes::PrefixList;
pub(in crate::cidr) use self::sorted::Sorted;
