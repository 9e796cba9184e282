//! What all draws share: choices, and values that tests and requests have in common.

use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    Shape, Source,
    words::{HOSTS, KEYS, METHODS, ODD_TEXTS, PATHS, WORDS},
};

/// A source, and how much may still be drawn from it.
pub(super) struct Draw<'a, S> {
    pub(super) source: &'a mut S,
    pub(super) shape: Shape,
    pub(super) atoms: u32,
}

impl<S: Source> Draw<'_, S> {
    pub(super) fn below(&mut self, n: u32) -> u32 {
        self.source.below(n)
    }

    pub(super) fn one_in(&mut self, n: u32) -> bool {
        self.source.one_in(n)
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.source.bits()
    }

    pub(super) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.source.below(all.len() as u32) as usize]
    }

    /// A prefix without host bits that is likely to hold an address of [`Draw::ip`].
    pub(super) fn net(&mut self) -> IpNet {
        match self.ip() {
            IpAddr::V4(ip) => {
                let len = self.of(&[32, 24, 8, 16, 31, 0, 25]);
                let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
                Ipv4Net::new_assert(Ipv4Addr::from_bits(ip.to_bits() & mask), len).into()
            }
            IpAddr::V6(ip) => {
                let len = self.of(&[128, 64, 32, 48, 127, 0, 65]);
                let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
                Ipv6Net::new_assert(Ipv6Addr::from_bits(ip.to_bits() & mask), len).into()
            }
        }
    }

    /// An address out of a few neighbourhoods.
    pub(super) fn ip(&mut self) -> IpAddr {
        if self.one_in(3) {
            let low = self.of(&[1, 0, 2, u64::MAX, 1 << 63]);
            let high = self.of(&[0x2001_0db8_0000_0000, 0x2001_0db8_0000_0001, 0, u64::MAX]);
            // No IPv4-mapped address comes of these, so all are canonical.
            Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into()
        } else {
            let network =
                self.of(&[[10, 0, 0], [10, 0, 1], [192, 0, 2], [0, 0, 0], [255, 255, 255]]);
            let [a, b, c] = network;
            Ipv4Addr::new(a, b, c, self.of(&[1, 0, 2, 128, 255])).into()
        }
    }

    pub(super) fn int(&mut self) -> i64 {
        self.of(&[
            0,
            1,
            2,
            3,
            4,
            5,
            -1,
            7,
            8,
            50,
            100,
            200,
            401,
            403,
            404,
            64_496,
            i64::MAX,
            i64::MIN,
            i64::MAX - 1,
        ])
    }

    pub(super) fn text(&mut self) -> Box<[u8]> {
        let all = [WORDS, PATHS, HOSTS, METHODS, KEYS];
        match self.below(12) {
            0..=7 => self.of(PATHS).as_bytes().into(),
            8 => self.of(HOSTS).as_bytes().into(),
            9 => self.of(ODD_TEXTS).into(),
            _ => {
                let words = self.of(&all);
                self.of(words).as_bytes().into()
            }
        }
    }
}
