//! Changes of a list, to be made together.

use ipnet::IpNet;

/// One change of a map's prefixes.
///
/// Many of them are made at once by [`CidrMap::apply`](super::CidrMap::apply), which compiles what
/// they touch once, not once for each. A list without values takes `CidrEdit<()>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CidrEdit<V> {
    /// Gives the prefix this value, in place of the one that it has.
    Insert(IpNet, V),
    /// Takes the prefix away, if it is there. What it covers and what covers it stays.
    Remove(IpNet),
}
