//! The lists: random ones that are the same in every run, and real ones where there are any.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Read,
    net::IpAddr,
    path::Path,
};

use flate2::read::GzDecoder;
use ipnet::IpNet;

use super::family::Family;
use crate::draws::scaled;

/// A prefix, and a value that no other prefix of its list has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<B> {
    pub(crate) bits: B,
    pub(crate) len: u8,
    /// Counted from 1: 0 is "no prefix".
    pub(crate) value: u32,
}

impl<B: Family> Entry<B> {
    pub(crate) fn last(&self) -> B {
        self.bits.or(B::host_mask(self.len))
    }
}

/// Where a list comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// So many random prefixes.
    Random(usize),
    /// The family's share of a file in the folder that `PORTCULLIS_DATA` names.
    File(&'static str),
}

impl Source {
    /// Sorted, each prefix once. Nothing, if there is no such data.
    pub(crate) fn entries<B: Family>(self) -> Option<Vec<Entry<B>>> {
        let sorted: BTreeMap<(B, u8), ()> = match self {
            Self::Random(count) => random(count),
            Self::File(name) => read(name)?,
        };
        let entry = |(((bits, len), ()), value)| Entry { bits, len, value };
        Some(sorted.into_iter().zip(1..).map(entry).collect())
    }
}

/// Lengths as they are in a routing table, in parts of a thousand.
const V4_LENGTHS: [(u8, u64); 14] = [
    (10, 1),
    (12, 1),
    (14, 2),
    (15, 3),
    (16, 14),
    (17, 9),
    (18, 15),
    (19, 28),
    (20, 45),
    (21, 53),
    (22, 115),
    (23, 105),
    (24, 604),
    (32, 5),
];
const V6_LENGTHS: [(u8, u64); 11] = [
    (28, 4),
    (29, 32),
    (32, 140),
    (36, 36),
    (40, 100),
    (42, 20),
    (44, 106),
    (46, 30),
    (47, 34),
    (48, 494),
    (64, 4),
];

fn random<B: Family>(count: usize) -> BTreeMap<(B, u8), ()> {
    let lengths: &[(u8, u64)] = if B::BITS == 32 { &V4_LENGTHS } else { &V6_LENGTHS };
    let whole: u64 = lengths.iter().map(|&(_, share)| share).sum();
    let mut random = Random::new(count as u64);
    let mut all = BTreeMap::new();
    while all.len() < count {
        let mut at = random.next() % whole;
        let &(len, _) = lengths
            .iter()
            .find(|&&(_, share)| at.checked_sub(share).map(|rest| at = rest).is_none())
            .unwrap();
        all.insert((B::uniform(random.wide()).and(B::host_mask(len).not()), len), ());
    }
    all
}

/// The first column of each line, if it is a prefix or a host.
fn read<B: Family>(name: &str) -> Option<BTreeMap<(B, u8), ()>> {
    let folder = std::env::var_os("PORTCULLIS_DATA")?;
    let path = Path::new(&folder).join(name);
    let file = File::open(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let nets = text.lines().filter_map(|line| {
        let column = line.split_whitespace().next()?;
        column.parse().ok().or_else(|| column.parse::<IpAddr>().ok().map(IpNet::from))
    });
    Some(nets.filter_map(|net| Some(((B::of(net.addr())?, net.prefix_len()), ()))).collect())
}

/// The plainest list that finds the longest match: it is asked for every length in turn. Every
/// contestant is compared with it before it is measured.
pub(crate) struct Oracle<B> {
    by_prefix: HashMap<(B, u8), Entry<B>>,
    /// The longest first.
    lengths: Vec<u8>,
}

impl<B: Family> Oracle<B> {
    pub(crate) fn of(entries: &[Entry<B>]) -> Self {
        let by_prefix = entries.iter().map(|entry| ((entry.bits, entry.len), *entry)).collect();
        let mut lengths: Vec<u8> = entries.iter().map(|entry| entry.len).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        Self { by_prefix, lengths }
    }

    pub(crate) fn longest_match(&self, addr: B) -> Option<&Entry<B>> {
        let cut = |len| (addr.and(B::host_mask(len).not()), len);
        self.lengths.iter().find_map(|&len| self.by_prefix.get(&cut(len)))
    }
}

/// A sequence of numbers that is the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(0x2545_f491_4f6c_dd1d ^ seed << 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The low bits of the state itself depend on each other.
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.0 >> 29
    }

    pub(crate) fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    pub(crate) fn below(&mut self, below: usize) -> usize {
        scaled(self.next(), below as u32) as usize
    }

    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, self.below(at + 1));
        }
    }
}
