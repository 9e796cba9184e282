//! What tests, fuzzing and benches see of the sketches: all of them together, and whether they agree with
//! exact models.

pub mod agreement;

use alloc::{format, vec::Vec};
use core::{net::Ipv4Addr, time::Duration};

use super::{Distinct, HotKeys, Known, Latencies, Recent, Reservoir, Top};
use crate::{
    detect::{Dimension, KeyedHash, Keys, Seen, Shape, Text, Words},
    time::Timestamp,
};

/// A hash whose results are the same in every run.
pub(super) const HASH: KeyedHash = KeyedHash::with_key([0x0123_4567_89ab_cdef, 0xfeed_beef]);

/// A request that says its number in several places.
pub(super) fn request(number: u64, at: Timestamp) -> (Seen, Words) {
    let mut keys = Keys::default();
    keys.set(Dimension::Path, HASH.of_number(number));
    keys.set(Dimension::Host, number);
    let client = Ipv4Addr::from(u32::try_from(number % (1 << 32)).unwrap_or(0)).into();
    let shape = Shape(u8::try_from(number % 256).unwrap_or(0));
    let seen = Seen { at, client, keys, shape, known: number % 3 == 0, good: false };
    let words = Words {
        path: Text::of(&number.to_le_bytes()),
        path_goes_on: number % 5 == 0,
        agent: Text::of(format!("agent {number}").as_bytes()),
        own: [Text::EMPTY, Text::of(b"own")],
    };
    (seen, words)
}

/// One of each: for benches.
#[allow(missing_debug_implementations, reason = "a bench shows times, not sketches")]
pub struct Sketches {
    hot: HotKeys,
    top: Top,
    distinct: Distinct,
    known: Known,
    latencies: Latencies,
    recent: Recent,
    reservoir: Reservoir,
    request: (Seen, Words),
    copy: Vec<Seen>,
}

impl Sketches {
    /// Empty ones.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "as the sketches")]
    pub fn new() -> Self {
        Self {
            hot: HotKeys::new(),
            top: Top::new(Top::MOST),
            distinct: Distinct::new(),
            known: Known::new(HASH),
            latencies: Latencies::new(),
            recent: Recent::new(Recent::MOST),
            reservoir: Reservoir::new(Reservoir::MOST, 1),
            request: request(7, Timestamp::ZERO),
            copy: Vec::with_capacity(Recent::MOST),
        }
    }

    /// The hash that keys have.
    #[must_use]
    pub fn hash(number: u64) -> u64 {
        HASH.of_number(number)
    }

    /// Bytes of all of them.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        [
            self.hot.memory_bytes(),
            self.distinct.memory_bytes(),
            self.known.memory_bytes(),
            self.latencies.memory_bytes(),
            self.recent.memory_bytes(),
            self.reservoir.memory_bytes(),
        ]
        .iter()
        .sum()
    }

    /// `HotKeys::add`.
    #[inline]
    pub fn add_hot(&self, stripe: usize, key: u64, weight: u32) -> bool {
        self.hot.add(stripe, key, weight)
    }

    /// `HotKeys::turn` of one stripe, into a list that is cleared before the first one.
    pub fn turn(&mut self, stripe: usize) -> usize {
        if stripe == 0 {
            self.top.clear();
        }
        let turned = self.hot.turn(stripe, 0.93, Some(0.01), &mut self.top);
        self.top.iter().len() * usize::from(turned)
    }

    /// `Distinct::add`.
    #[inline]
    pub fn add_distinct(&self, hash: u64) {
        self.distinct.add(hash);
    }

    /// `Distinct::estimate_and_clear`.
    pub fn estimate(&self) -> f64 {
        self.distinct.estimate_and_clear()
    }

    /// `Known::note`.
    #[inline]
    pub fn note(&self, net_key: u64) {
        self.known.note(net_key);
    }

    /// `Known::contains`.
    #[inline]
    pub fn contains(&self, net_key: u64) -> bool {
        self.known.contains(net_key)
    }

    /// `Known::promote_step`.
    pub fn promote_step(&self, part: usize) {
        self.known.promote_step(part);
    }

    /// `Known::rotate_step`.
    pub fn rotate_step(&self, part: usize) {
        self.known.rotate_step(part);
    }

    /// `Known::estimate`.
    pub fn estimate_known(&self) -> f64 {
        self.known.estimate()
    }

    /// `Latencies::add`.
    #[inline]
    pub fn add_latency(&self, took: Duration) {
        self.latencies.add(took);
    }

    /// `Latencies::take`: the median.
    pub fn take_latency(&self) -> f64 {
        self.latencies.take().median
    }

    /// `Recent::put` and, if asked, `Recent::mark_good`.
    #[inline]
    pub fn put(&self, is_good: bool) -> bool {
        let ticket = self.recent.put(self.request.0, self.request.1);
        if let Some(ticket) = ticket.filter(|_| is_good) {
            self.recent.mark_good(ticket);
        }
        ticket.is_some()
    }

    /// `Recent::copy_into`, of all.
    pub fn copy_recent(&mut self) -> usize {
        self.recent.copy_into(&mut self.copy, Timestamp::ZERO);
        self.copy.len()
    }

    /// `Recent::words_of`, in vain.
    pub fn words_of_none(&self) -> bool {
        self.recent.words_of(Dimension::Second, 1).is_some()
    }

    /// `Reservoir::learn`, of what was copied.
    pub fn learn(&mut self) -> usize {
        self.reservoir.learn(&self.copy);
        self.reservoir.all().len()
    }
}
