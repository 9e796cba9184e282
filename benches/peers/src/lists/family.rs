//! The two families of addresses, and what each peer calls their addresses and prefixes.

use std::{
    fmt::Debug,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ip_network::{IpNetwork, Ipv4Network, Ipv6Network};
use ip_network_table::IpNetworkTable;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use iprange::ToNetwork;
use iptrie::{IpPrefix, IpPrefixCovering, IpRootPrefix, Ipv4Prefix, Ipv6Prefix};

/// An address as a number.
pub(crate) trait Family: Copy + Ord + Hash + Debug + poptrie::Address + 'static {
    const NAME: &'static str;
    const MAX: Self;
    const ZERO: Self;

    /// As `ipnet` has it, which prefix-trie and iprange take.
    type Net: prefix_trie::Prefix + iprange::IpNet + ToNetwork<Self::Net> + Clone;
    /// As `core` has it, which iptrie takes.
    type Addr: IpPrefix<Addr = Self::Addr> + Copy;
    type IptrieNet: IpRootPrefix
        + IpPrefix<Addr = Self::Addr>
        + IpPrefixCovering<Self::Addr>
        + IpPrefixCovering<Self::IptrieNet>;

    /// The family's own address, from its text.
    fn of(addr: IpAddr) -> Option<Self>;
    /// Uniform: in all of IPv4, and in 2000::/3 of IPv6, where the world is.
    fn uniform(random: u128) -> Self;
    /// All bits of a random number that the family has.
    fn bits(random: u128) -> Self;
    /// Ones from the bit at `len` on.
    fn host_mask(len: u8) -> Self;
    fn or(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn not(self) -> Self;
    /// The next number, and 0 after the last.
    fn next(self) -> Self;
    /// The address with `word`, which is always 0, mixed into every part that a look-up may begin with.
    fn after(self, word: u32) -> Self;

    fn addr(self) -> Self::Addr;
    fn ip(self) -> IpAddr;
    fn net(self, len: u8) -> Self::Net;
    fn ipnet(self, len: u8) -> IpNet;
    fn iptrie(self, len: u8) -> Self::IptrieNet;
    fn network(self, len: u8) -> IpNetwork;
    fn longest_match<V>(table: &IpNetworkTable<V>, addr: Self) -> Option<&V>;
}

macro_rules! family {
    ($name:literal, $bits:ty, $addr:ty, $net:ty, $iptrie:ty, $network:ty, $of:ident, $match:ident,
     $uniform:expr, $after:expr) => {
        impl Family for $bits {
            const NAME: &'static str = $name;
            const MAX: Self = Self::MAX;
            const ZERO: Self = 0;

            type Net = $net;
            type Addr = $addr;
            type IptrieNet = $iptrie;

            fn of(addr: IpAddr) -> Option<Self> {
                match addr {
                    IpAddr::$of(addr) => Some(addr.to_bits()),
                    _ => None,
                }
            }

            fn uniform(random: u128) -> Self {
                $uniform(random as Self)
            }

            fn bits(random: u128) -> Self {
                random as Self
            }

            #[inline(always)]
            fn host_mask(len: u8) -> Self {
                Self::MAX.checked_shr(len.into()).unwrap_or(0)
            }

            #[inline(always)]
            fn or(self, other: Self) -> Self {
                self | other
            }

            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }

            #[inline(always)]
            fn not(self) -> Self {
                !self
            }

            #[inline(always)]
            fn next(self) -> Self {
                self.wrapping_add(1)
            }

            #[inline(always)]
            fn after(self, word: u32) -> Self {
                self ^ $after(word)
            }

            #[inline(always)]
            fn addr(self) -> $addr {
                <$addr>::from_bits(self)
            }

            #[inline(always)]
            fn ip(self) -> IpAddr {
                IpAddr::$of(self.addr())
            }

            #[inline(always)]
            fn net(self, len: u8) -> $net {
                <$net>::new(self.addr(), len).unwrap()
            }

            #[inline(always)]
            fn ipnet(self, len: u8) -> IpNet {
                IpNet::$of(self.net(len))
            }

            #[inline(always)]
            fn iptrie(self, len: u8) -> $iptrie {
                <$iptrie>::new(self.addr(), len).unwrap()
            }

            #[inline(always)]
            fn network(self, len: u8) -> IpNetwork {
                IpNetwork::$of(<$network>::new(self.addr(), len).unwrap())
            }

            #[inline(always)]
            fn longest_match<V>(table: &IpNetworkTable<V>, addr: Self) -> Option<&V> {
                table.$match(addr.addr()).map(|(_, value)| value)
            }
        }
    };
}

family!(
    "v4",
    u32,
    Ipv4Addr,
    Ipv4Net,
    Ipv4Prefix,
    Ipv4Network,
    V4,
    longest_match_ipv4,
    |random| random,
    |word: u32| word
);
family!(
    "v6",
    u128,
    Ipv6Addr,
    Ipv6Net,
    Ipv6Prefix,
    Ipv6Network,
    V6,
    longest_match_ipv6,
    |random: u128| random >> 3 | 1 << 125,
    |word: u32| {
        let half = u64::from(word) << 32 | u64::from(word);
        u128::from(half) << 64 | u128::from(half)
    }
);
