//! One change of a list, as data: it can be collected, kept, sent and applied again.

use ipnet::IpNet;

/// One change of a list: `V` is what a prefix carries in a map, and `()` in a set.
///
/// It says what shall be, not what is different: where several are applied in order, the last one
/// counts, and applying it twice is applying it once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CidrEdit<V> {
    /// The prefix is there, with this value.
    Insert(IpNet, V),
    /// The prefix is not there: in a set none of its addresses, in a map not this very prefix.
    Remove(IpNet),
}

impl<V> CidrEdit<V> {
    /// The prefix that is changed.
    #[must_use]
    pub const fn net(&self) -> IpNet {
        match self {
            Self::Insert(net, _) | Self::Remove(net) => *net,
        }
    }
}
