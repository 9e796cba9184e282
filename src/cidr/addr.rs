//! Addresses as numbers, and the one form that each address has.

use core::{
    fmt::Debug,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The addresses of one family, or a part of their bits, as a number.
pub(super) trait Bits: Copy + Ord + Debug + Default + 'static {
    const WIDTH: u8;
    const MIN: Self;
    const MAX: Self;

    /// The next number, if there is one.
    fn next(self) -> Option<Self>;

    /// The number before, if there is one.
    fn previous(self) -> Option<Self>;

    /// The lowest address of the prefix of `len` bits around this one.
    fn first_of(self, len: u8) -> Self;

    /// The highest address of the prefix of `len` bits around this one.
    fn last_of(self, len: u8) -> Self;
}

macro_rules! bits {
    ($($number:ty)*) => {$(
        impl Bits for $number {
            const WIDTH: u8 = {
                #[allow(clippy::cast_possible_truncation, reason = "at most 128")]
                let width = <$number>::BITS as u8;
                width
            };
            const MIN: Self = <$number>::MIN;
            const MAX: Self = <$number>::MAX;

            #[inline]
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            #[inline]
            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }

            #[inline]
            fn first_of(self, len: u8) -> Self {
                // The length 0 shifts by the whole width, which is no shift at all.
                self & !<$number>::MAX.checked_shr(len.into()).unwrap_or(0)
            }

            #[inline]
            fn last_of(self, len: u8) -> Self {
                self | <$number>::MAX.checked_shr(len.into()).unwrap_or(0)
            }
        }
    )*};
}

bits! { u32 u64 u128 }

/// The IPv4-mapped addresses, `::ffff:0:0/96`.
pub(super) const MAPPED_FIRST: u128 = 0xffff_0000_0000;
pub(super) const MAPPED_LAST: u128 = 0xffff_ffff_ffff;

/// An address in its one form, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    V4(u32),
    V6(u128),
}

impl Number {
    /// An IPv6 address in its one form: IPv4, if it is mapped.
    #[inline]
    pub(super) fn of_v6(addr: u128) -> Self {
        // In one comparison of the number rather than of its octets, which come in memory.
        match u32::try_from(addr ^ MAPPED_FIRST) {
            Ok(v4) => Self::V4(v4),
            Err(_) => Self::V6(addr),
        }
    }
}

impl From<IpAddr> for Number {
    #[inline]
    fn from(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(addr) => Self::V4(addr.to_bits()),
            IpAddr::V6(addr) => Self::of_v6(addr.to_bits()),
        }
    }
}

/// A prefix in its one form, without host bits, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    V4(u32, u8),
    V6(u128, u8),
}

impl From<IpNet> for Prefix {
    fn from(net: IpNet) -> Self {
        match fold(net) {
            IpNet::V4(net) => Self::V4(net.network().to_bits(), net.prefix_len()),
            IpNet::V6(net) => Self::V6(net.network().to_bits(), net.prefix_len()),
        }
    }
}

/// Addresses from one to another, both inside, of one family and in their one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    V4(u32, u32),
    V6(u128, u128),
}

impl From<Prefix> for Span {
    fn from(prefix: Prefix) -> Self {
        match prefix {
            Prefix::V4(first, len) => Self::V4(first, first.last_of(len)),
            Prefix::V6(first, len) => Self::V6(first, first.last_of(len)),
        }
    }
}

impl From<IpNet> for Span {
    fn from(net: IpNet) -> Self {
        Prefix::from(net).into()
    }
}

/// The prefix of `len` bits, at most 32, around an address.
#[inline]
pub(super) fn v4_net(addr: u32, len: u8) -> IpNet {
    let addr = Ipv4Addr::from_bits(addr.first_of(len));
    IpNet::V4(Ipv4Net::new(addr, len).unwrap_or(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)))
}

/// The prefix of `len` bits, at most 128, around an address.
#[inline]
pub(super) fn v6_net(addr: u128, len: u8) -> IpNet {
    let addr = Ipv6Addr::from_bits(addr.first_of(len));
    IpNet::V6(Ipv6Net::new(addr, len).unwrap_or(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)))
}

/// The prefix in its one form: IPv4 if all of its addresses are IPv4-mapped.
pub(crate) fn fold(net: IpNet) -> IpNet {
    let folded = match net {
        IpNet::V4(_) => None,
        // A length below 96 covers more than the mapped addresses, and stays IPv6: subtracting
        // 96 from it would not give a length.
        IpNet::V6(v6) => v6.prefix_len().checked_sub(96).and_then(|len| {
            let v4 = v6.addr().to_ipv4_mapped()?;
            Some(IpNet::V4(Ipv4Net::new(v4, len).ok()?))
        }),
    };
    folded.unwrap_or(net)
}

/// The fewest prefixes that make up `first..=last`, in order.
pub(super) fn prefixes<B: Bits>(first: B, last: B) -> impl Iterator<Item = (B, u8)> {
    let mut rest = Some(first);
    core::iter::from_fn(move || {
        let from = rest.filter(|from| *from <= last)?;
        let len = widest(from, from, last);
        rest = from.last_of(len).next();
        Some((from, len))
    })
}

/// The length of the widest prefix around `addr` that lies within `first..=last`, which hold it.
pub(super) fn widest<B: Bits>(addr: B, first: B, last: B) -> u8 {
    let (mut shortest, mut longest) = (0, B::WIDTH);
    while shortest < longest {
        let len = u8::midpoint(shortest, longest);
        if addr.first_of(len) >= first && addr.last_of(len) <= last {
            longest = len;
        } else {
            shortest = len.saturating_add(1);
        }
    }
    longest
}
