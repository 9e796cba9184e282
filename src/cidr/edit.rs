//! One change to a list of addresses.

use ipnet::IpNet;

/// One change to a list of addresses; many of them go into one `apply`.
///
/// # Example: the changes of an hour, at once
/// ```
/// use portcullis::cidr::{CidrEdit, CidrSet};
///
/// let mut blocked: CidrSet = "10.0.0.0/8".parse()?;
/// blocked.apply([
///     CidrEdit::Insert("192.0.2.0/24".parse()?, ()),
///     CidrEdit::Remove("10.128.0.0/9".parse()?),
/// ]);
/// assert_eq!(blocked.to_string(), "10.0.0.0/9\n192.0.2.0/24");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CidrEdit<V> {
    /// Adds a prefix, with the value that it has from now on. In a set, which has no values, that is
    /// `()`.
    Insert(IpNet, V),
    /// Takes a prefix away: from a map this prefix alone, from a set all addresses in it.
    Remove(IpNet),
}

impl<V> CidrEdit<V> {
    /// The prefix that is added or taken away.
    #[must_use]
    pub const fn net(&self) -> IpNet {
        match self {
            Self::Insert(net, _) | Self::Remove(net) => *net,
        }
    }
}
