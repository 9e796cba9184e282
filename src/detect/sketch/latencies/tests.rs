use core::time::Duration;
use std::{sync::Arc, thread, vec::Vec};

use proptest::prelude::*;

use super::{BUCKETS, Latencies, bucket_of, extent};
use crate::{
    detect::Latency,
    test_support::{cases, rounds},
};

fn exact(durations: &mut [Duration], share: (usize, usize)) -> f64 {
    durations.sort();
    let rank = (durations.len() * share.0).div_ceil(share.1);
    durations[rank - 1].as_secs_f64()
}

#[test]
fn buckets_follow_each_other_and_have_what_belongs_there() {
    let mut end = 0.0_f64;
    for bucket in 0..u32::try_from(BUCKETS).unwrap() {
        let (begin, width) = extent(bucket);
        assert!((begin - end).abs() <= 1e-12 * end, "{bucket}: {begin} {end}");
        assert!(bucket == 0 || width <= begin * 0.250_001);
        end = begin + width;
        let nanos = |seconds: f64| Duration::from_secs_f64(seconds);
        assert_eq!(bucket_of(nanos(begin + width * 0.5)), bucket as usize);
    }
    assert!(end > 3_600.0);
    assert_eq!(bucket_of(Duration::ZERO), 0);
    assert_eq!(bucket_of(Duration::from_nanos(1_023)), 0);
    assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
}

#[test]
fn without_requests_there_is_no_latency() {
    let latencies = Latencies::new();
    assert_eq!(latencies.take(), Latency::default());
    latencies.add(Duration::MAX);
    let one = latencies.take();
    assert!(one.requests == 1 && one.median > 3_600.0 && one.median == one.p90);
    assert_eq!(latencies.take(), Latency::default());
    assert!(latencies.memory_bytes() <= 1_100);
}

proptest! {
    #![proptest_config(cases(256))]

    /// In the same bucket as the exact quantile: at most a quarter off.
    #[test]
    fn quantiles_are_a_quarter_off_at_most(
        mut durations in prop::collection::vec((0_u32..31, 1.0_f64..2.0), 1..300),
    ) {
        let latencies = Latencies::new();
        let mut durations: Vec<Duration> = durations
            .drain(..)
            .map(|(octave, part)| Duration::from_secs_f64(1.28e-6 * f64::from(1_u32 << octave) * part))
            .collect();
        durations.iter().for_each(|took| latencies.add(*took));
        let given = latencies.take();
        prop_assert_eq!(given.requests, durations.len() as u64);
        for (given, share) in [(given.median, (1, 2)), (given.p90, (9, 10))] {
            let exact = exact(&mut durations, share);
            prop_assert!((given / exact - 1.0).abs() <= 0.25, "{} for {}", given, exact);
        }
    }
}

#[test]
fn requests_of_many_threads_are_counted_once() {
    let each = rounds(10_000, 100);
    let latencies = Arc::new(Latencies::new());
    let threads = (0..4_u64).map(|number| {
        let latencies = Arc::clone(&latencies);
        #[allow(clippy::disallowed_methods, reason = "a test of threads")]
        thread::spawn(move || {
            (0..each).for_each(|n| latencies.add(Duration::from_micros(n * (number + 1))));
        })
    });
    let threads: Vec<_> = threads.collect();
    let mut requests: u64 = (0..rounds(100, 5)).map(|_| latencies.take().requests).sum();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    requests += latencies.take().requests;
    assert_eq!(requests, 4 * each);
}
