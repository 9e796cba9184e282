//! What counts as one client: an address, or the network that is given to one customer.

#[cfg(feature = "std")]
use core::net::IpAddr;

/// How many leading bits of an address make a client.
///
/// The default is 32 for IPv4, every address by itself, and 64 for IPv6: whoever has one IPv6
/// address has 2⁶⁴ of them, so limiting single ones limits nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientGroup {
    /// Leading bits of an IPv4 address, 0 to 32.
    pub v4: u8,
    /// Leading bits of an IPv6 address, 0 to 128.
    pub v6: u8,
}

impl Default for ClientGroup {
    fn default() -> Self {
        Self { v4: 32, v6: 64 }
    }
}

#[cfg(feature = "std")]
impl ClientGroup {
    /// The address with all bits cleared that do not tell clients apart.
    pub(crate) fn network_of(self, address: IpAddr) -> IpAddr {
        match Client::of(address, self) {
            Client::V4(bits) => core::net::Ipv4Addr::from_bits(bits).into(),
            Client::V6 { high, low } => {
                core::net::Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into()
            }
            Client::Unknown => address,
        }
    }

    /// The network that counts as one client with this address.
    pub(crate) fn net_of(self, address: IpAddr) -> ipnet::IpNet {
        let network = self.network_of(address);
        let bits = if network.is_ipv4() { self.v4.min(32) } else { self.v6.min(128) };
        ipnet::IpNet::new(network, bits).unwrap_or_else(|_| network.into())
    }
}

/// One client, as a key: two families that cannot collide, and one for peers that are not known.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    V4(u32),
    V6 { high: u64, low: u64 },
    Unknown,
}

#[cfg(feature = "std")]
impl Client {
    /// The client that this address belongs to. IPv4-mapped IPv6 addresses are IPv4.
    #[inline]
    pub(crate) fn of(address: IpAddr, group: ClientGroup) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let spare = 32_u32.saturating_sub(u32::from(group.v4));
                Self::V4(v4.to_bits() & u32::MAX.checked_shl(spare).unwrap_or(0))
            }
            IpAddr::V6(v6) => {
                let spare = 128_u32.saturating_sub(u32::from(group.v6));
                let bits = v6.to_bits() & u128::MAX.checked_shl(spare).unwrap_or(0);
                Self::V6 { high: half(bits >> 64), low: half(bits & u128::from(u64::MAX)) }
            }
        }
    }

    /// The /24 or /48 that the client comes from; itself if it is no smaller.
    #[inline]
    pub(crate) fn network(self) -> Self {
        match self {
            Self::V4(bits) => Self::V4(bits & 0xffff_ff00),
            Self::V6 { high, .. } => Self::V6 { high: high & !0xffff, low: 0 },
            Self::Unknown => Self::Unknown,
        }
    }
}

#[cfg(feature = "std")]
fn half(bits: u128) -> u64 {
    // Both callers leave 64 bits.
    u64::try_from(bits).unwrap_or(u64::MAX)
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::{Client, ClientGroup};

    proptest! {
        #![proptest_config(crate::test_support::cases(256))]

        /// An IPv4 address is one client in every spelling, and never shares with another.
        #[test]
        fn mapped_addresses_are_the_client_they_map(one in any::<u32>(), other in any::<u32>()) {
            let group = ClientGroup::default();
            let [one, other] = [one, other].map(Ipv4Addr::from_bits);
            let client = Client::of(one.into(), group);
            prop_assert_eq!(client, Client::of(one.to_ipv6_mapped().into(), group));
            prop_assert_eq!(client == Client::of(other.into(), group), one == other);
        }

        #[test]
        fn a_group_is_its_leading_bits(one in any::<u128>(), flip in 0..128_u32, v6 in 0..=128_u8) {
            let group = ClientGroup { v4: 32, v6 };
            let [one, other] = [one, one ^ (1 << flip)].map(Ipv6Addr::from_bits);
            prop_assume!(one.to_ipv4_mapped().is_none() && other.to_ipv4_mapped().is_none());
            let same = Client::of(one.into(), group) == Client::of(other.into(), group);
            prop_assert_eq!(same, flip < 128 - u32::from(v6));
        }

        #[test]
        fn an_ipv4_group_is_its_leading_bits(one in any::<u32>(), flip in 0..32_u32, v4 in 0..=32_u8) {
            let group = ClientGroup { v4, v6: 64 };
            let [one, other] = [one, one ^ (1 << flip)].map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits)));
            let same = Client::of(one, group) == Client::of(other, group);
            prop_assert_eq!(same, flip < 32 - u32::from(v4));
        }
    }

    #[test]
    fn the_network_of_a_client_is_a_24_or_a_48() {
        let client = |text: &str, group| Client::of(text.parse().unwrap(), group);
        let single = ClientGroup { v4: 32, v6: 128 };
        for (one, network) in [
            ("192.0.2.255", "192.0.2.0"),
            ("::ffff:192.0.2.9", "192.0.2.0"),
            ("2001:db8:1:ffff::1", "2001:db8:1::"),
            ("2001:db8:2::", "2001:db8:2::"),
        ] {
            assert_eq!(client(one, single).network(), client(network, single), "{one}");
        }
        let wide = client("192.0.2.1", ClientGroup { v4: 16, v6: 64 });
        assert_eq!(wide.network(), wide, "a client may be larger than that");
        assert_eq!(Client::Unknown.network(), Client::Unknown);
    }

    /// 2¹⁶ addresses of one /64 are one client.
    #[test]
    fn rotating_inside_a_64_gains_nothing() {
        let group = ClientGroup::default();
        let client = |low: u64| {
            Client::of(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(low)).into(), group)
        };
        for low in 0..1 << 16 {
            assert_eq!(client(low << 48 | low), client(0));
        }
    }
}
