//! How long requests took: a histogram that any thread counts into.
//!
//! An octave of durations has four buckets of equal width, as in HdrHistogram (Tene) with two bits: a bucket is at
//! most a quarter wider than where it begins.
//!
//! # Bounds
//! Quantiles are by nearest rank (the smallest duration that at least this share did not exceed), and the answer is in the
//! same bucket as the exact one: at most a quarter off for durations from 1.28 µs to an hour. Shorter ones share one
//! bucket, so they count as something from nothing to 1.28 µs, and longer ones count as an hour. What is added while counts are taken is in this answer or the next.
//!
//! # Memory
//! 128 counters: 1 KiB.

use alloc::boxed::Box;
use core::time::Duration;

use super::super::Latency;
use crate::{
    sync::{AtomicU64, Ordering},
    time,
};

/// Bits of the place within an octave.
const PART_BITS: u32 = 2;
const PARTS: u64 = 1 << PART_BITS;
/// The first octave begins with 2^10 ns.
const FIRST: u32 = 10;
const OCTAVES: usize = 32;
const BUCKETS: usize = OCTAVES << PART_BITS;

/// Durations: see the module.
pub(crate) struct Latencies {
    counts: Box<[AtomicU64]>,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self { counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Counts a request that took so long.
    #[inline]
    pub(crate) fn add(&self, took: Duration) {
        if let Some(count) = self.counts.get(bucket_of(took)) {
            // Relaxed: counts order nothing.
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted since the last time.
    pub(crate) fn take(&self) -> Latency {
        let mut counts = [0_u64; BUCKETS];
        for (count, shared) in counts.iter_mut().zip(&self.counts) {
            *count = shared.swap(0, Ordering::Relaxed);
        }
        let requests = counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let median = quantile(&counts, requests.div_ceil(2));
        // Nine tenths, rounded up: all but a tenth that is rounded down.
        let p90 = requests.saturating_sub(requests / 10);
        Latency { requests, median, p90: quantile(&counts, p90) }
    }

    /// Bytes, all of them allocated when it was made.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(size_of_val(&*self.counts))
    }
}

#[inline]
fn bucket_of(took: Duration) -> usize {
    let nanos = time::nanos(took).unwrap_or(u64::MAX);
    let octave = nanos.max(1).ilog2();
    let Some(octave_of_ours) = octave.checked_sub(FIRST) else { return 0 };
    let part = (nanos >> octave.saturating_sub(PART_BITS)) % PARTS;
    let bucket = u64::from(octave_of_ours).saturating_mul(PARTS).saturating_add(part);
    usize::try_from(bucket).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The seconds at which a bucket begins, and how many it is wide.
fn extent(bucket: u32) -> (f64, f64) {
    let parts = f64::from(1_u32 << PART_BITS);
    let octave = bucket / (1 << PART_BITS);
    let begin = (1_u64 << octave.saturating_add(FIRST).min(62)) as f64 * 1e-9;
    let part = f64::from(bucket % (1 << PART_BITS));
    // The first one also has all that is shorter.
    if bucket == 0 {
        return (0.0, begin * (1.0 + 1.0 / parts));
    }
    (begin * (1.0 + part / parts), begin / parts)
}

/// The duration of this rank, from 1, in seconds: as if a bucket's durations were spread evenly over it.
fn quantile(counts: &[u64; BUCKETS], rank: u64) -> f64 {
    if rank == 0 {
        return 0.0;
    }
    let mut before = 0_u64;
    for (bucket, &count) in (0_u32..).zip(counts) {
        let with = before.saturating_add(count);
        if with >= rank {
            let (begin, width) = extent(bucket);
            let into = (rank.saturating_sub(before) as f64 - 0.5) / count as f64;
            return begin + width * into.clamp(0.0, 1.0);
        }
        before = with;
    }
    0.0
}

#[cfg(test)]
mod tests;
