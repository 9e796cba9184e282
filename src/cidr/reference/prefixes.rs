//! Prefixes with values, in a plain sorted map.

use alloc::{collections::BTreeMap, vec::Vec};
use core::net::IpAddr;

use ipnet::IpNet;

use crate::cidr::addr::fold;

/// Prefixes with values. The longest match is found by asking for the address cut to each length in
/// turn, from the longest to the shortest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixList<V>(BTreeMap<IpNet, V>);

impl<V> PrefixList<V> {
    /// Without a prefix.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Gives a prefix its value, and hands back the one that it had.
    pub fn insert(&mut self, net: IpNet, value: V) -> Option<V> {
        self.0.insert(one_form(net), value)
    }

    /// Takes a prefix away, and hands back its value.
    pub fn remove(&mut self, net: &IpNet) -> Option<V> {
        self.0.remove(&one_form(*net))
    }

    /// The value of exactly this prefix.
    #[must_use]
    pub fn get(&self, net: &IpNet) -> Option<&V> {
        self.0.get(&one_form(*net))
    }

    /// All prefixes that hold the address, the shortest first.
    #[must_use]
    pub fn matches(&self, addr: IpAddr) -> Vec<(IpNet, &V)> {
        let host = IpNet::from(addr.to_canonical());
        (0..=host.prefix_len())
            .filter_map(|len| {
                let net = IpNet::new(host.addr(), len).ok()?.trunc();
                self.0.get_key_value(&net).map(|(net, value)| (*net, value))
            })
            .collect()
    }

    /// The longest prefix that holds the address.
    #[must_use]
    pub fn longest_match(&self, addr: IpAddr) -> Option<(IpNet, &V)> {
        self.matches(addr).pop()
    }

    /// All prefixes, IPv4 first, by address, then by length.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, &V)> {
        self.0.iter().map(|(net, value)| (*net, value))
    }

    /// How many prefixes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no prefix.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V> FromIterator<(IpNet, V)> for PrefixList<V> {
    fn from_iter<I: IntoIterator<Item = (IpNet, V)>>(pairs: I) -> Self {
        let mut list = Self::new();
        for (net, value) in pairs {
            list.insert(net, value);
        }
        list
    }
}

fn one_form(net: IpNet) -> IpNet {
    fold(net).trunc()
}
