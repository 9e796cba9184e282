//! Who comes next: clients drawn beforehand, so that no contestant pays for the drawing.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// The order in which so many clients come, over and over.
#[derive(Clone)]
pub(crate) struct Draws {
    pub(crate) clients: u32,
    order: Arc<[u32]>,
}

impl Draws {
    /// Every client as often as every other.
    pub(crate) fn uniform(clients: u32) -> Self {
        Self::of(clients, |random| scaled(random, clients))
    }

    /// The client of rank `k` comes with a probability that is proportional to `1 / k`.
    pub(crate) fn zipf(clients: u32) -> Self {
        let ranks = Ranks::of(clients);
        // Neighbours in rank are not to be neighbours in memory: 7,368,787 is a prime.
        let scattered =
            |rank: u32| (u64::from(rank) * 7_368_787 % u64::from(clients)).try_into().unwrap();
        Self::of(clients, |random| scattered(ranks.at(random)))
    }

    fn of(clients: u32, draw: impl Fn(u64) -> u32) -> Self {
        // A power of two, so that going round is one instruction.
        let many = (clients as usize * 4).next_power_of_two();
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let order = (0..many)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                draw(state)
            })
            .collect();
        Self { clients, order }
    }

    #[inline]
    pub(crate) fn nth(&self, nth: usize) -> u32 {
        self.order[nth & (self.order.len() - 1)]
    }
}

/// Client by number; the factor is odd, so no two clients share an address.
#[inline]
pub(crate) fn address(client: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(client.wrapping_mul(0x9e37_79b1)))
}

pub(crate) fn scaled(random: u64, below: u32) -> u32 {
    ((u128::from(random) * u128::from(below)) >> 64) as u32
}

/// Zipf's law with exponent 1, by its inverse: a table for the first ranks, and for the others the
/// logarithm, which there differs from the sum by less than one part in a million.
pub(crate) struct Ranks {
    clients: u32,
    /// The sum of `1 / k` up to each rank.
    head: Vec<f64>,
    whole: f64,
}

impl Ranks {
    pub(crate) fn of(clients: u32) -> Self {
        let mut sum = 0.0;
        let head: Vec<f64> = (1..=clients.min(HEAD))
            .map(|rank| {
                sum += 1.0 / f64::from(rank);
                sum
            })
            .collect();
        let tail = ((f64::from(clients) + 0.5) / (f64::from(HEAD) + 0.5)).ln();
        Self { clients, head, whole: sum + tail.max(0.0) }
    }

    /// A rank, counted from 0.
    pub(crate) fn at(&self, random: u64) -> u32 {
        let at = random as f64 / 2.0_f64.powi(64) * self.whole;
        let place = self.head.partition_point(|&sum| sum <= at);
        if place < self.head.len() {
            return place as u32;
        }
        let beyond = (at - self.head[self.head.len() - 1]).exp() * (f64::from(HEAD) + 0.5);
        // Rank k takes the stretch from k - 1/2 to k + 1/2.
        ((beyond + 0.5) as u32).min(self.clients) - 1
    }
}

const HEAD: u32 = 1_024;
