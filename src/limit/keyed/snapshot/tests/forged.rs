//! Snapshots with a right checksum that no limiter has written.

use core::time::Duration;
use std::{format, vec::Vec};

use super::{NOW, TENS, some};
use crate::{
    error::SnapshotError,
    limit::{
        keyed::{
            KeyedLimiter,
            snapshot::{Content, FARTHEST, State, Terms, Way, most_owed},
        },
        snapshot::{Checksum, VERSION},
    },
    quota::Quota,
};

/// The content, changed so, with a right checksum.
fn forged(change: impl FnOnce(&mut Content)) -> Result<(), SnapshotError> {
    let mut snapshot = some().snapshot(NOW);
    change(&mut snapshot.content);
    snapshot.checksum = Checksum::of(&(snapshot.version, &snapshot.content)).unwrap();
    KeyedLimiter::restore(&snapshot, Duration::ZERO, NOW).map(drop)
}

#[test]
fn another_version_is_refused_whatever_it_says() {
    let mut snapshot = some().snapshot(NOW);
    snapshot.version = VERSION + 1;
    snapshot.checksum = Checksum::of(&(snapshot.version, &snapshot.content)).unwrap();
    let error = KeyedLimiter::restore(&snapshot, Duration::ZERO, NOW).unwrap_err();
    assert_eq!(error, SnapshotError::Version { found: VERSION + 1, known: VERSION });
}

/// A hash function that is another one, or seeds that are.
#[test]
fn a_foreign_hash_is_refused() {
    assert_eq!(forged(|content| content.probe ^= 1), Err(SnapshotError::ForeignHash));
    assert_eq!(forged(|content| content.seeds[2] ^= 1), Err(SnapshotError::ForeignHash));
    assert!(format!("{}", SnapshotError::ForeignHash).contains("hashed differently"));
}

/// Snapshots with a right checksum that no limiter can have written.
#[test]
fn contradictions_are_refused() {
    assert_eq!(forged(|_| ()), Ok(()));
    type Change = fn(&mut Content);
    let ways: [(Change, SnapshotError); 7] = [
        (|content| content.ways[2].0 = 3, SnapshotError::NoPlace { entry: 2 }),
        (|content| content.ways[1].0 = u64::MAX, SnapshotError::NoPlace { entry: 1 }),
        (|content| content.ways[1].1 = 0, SnapshotError::NoPlace { entry: 1 }),
        (|content| content.ways[1].1 = 1 << 21, SnapshotError::NoPlace { entry: 1 }),
        (|content| content.ways[0].3 = 1 << 34, SnapshotError::TooMuchDebt { entry: 0 }),
        (|content| content.ways[0].3 = i64::MIN, SnapshotError::TooMuchDebt { entry: 0 }),
        (
            |content| content.ways = Vec::from([Way(0, 5, State::Newcomer, 9); 2]),
            SnapshotError::DuplicateKey { entry: 1 },
        ),
    ];
    for (change, error) in ways {
        assert_eq!(forged(change), Err(error));
    }
    let crowd = |keys: u64| {
        let way = |key| Way(1, key, State::Established, 100);
        forged(|content| content.ways = (1..=keys).map(way).collect())
    };
    assert_eq!((crowd(7), crowd(8)), (Ok(()), Err(SnapshotError::NoPlace { entry: 7 })));
    // Closed buckets of keys with one fingerprint may lie beside each other and beside a live one.
    let states = [State::Closed, State::Closed, State::Newcomer];
    let beside = |content: &mut Content| {
        content.ways = states.map(|state| Way(1, 5, state, 100)).into();
    };
    assert_eq!(forged(beside), Ok(()));
}

/// What a snapshot itself may say of a bucket, and not a tick more.
#[test]
fn the_most_that_can_be_owed_is_no_contradiction() {
    let table = some().table;
    let history = table.era.history(0);
    let most = most_owed(&history, table.scale, table.room, table.slack).unwrap();
    assert_eq!(forged(|content| content.ways[0].3 = most), Ok(()));
    assert_eq!(forged(|content| content.ways[1].1 = (1 << 21) - 1), Ok(()));
    let error = Err(SnapshotError::TooMuchDebt { entry: 0 });
    assert_eq!(forged(|content| content.ways[0].3 = most + 1), error);
    assert_eq!(forged(|content| content.ways[0].3 = -FARTHEST), Ok(()));
}

#[test]
fn quotas_and_clocks_that_cannot_be_are_refused() {
    let wrong = Err(SnapshotError::Contradiction);
    let fast = Quota::per_second(20_000_000);
    let wide = Err(SnapshotError::QuotaOutOfRange { quota: fast });
    assert_eq!(forged(|content| content.first_quota = fast), wide);
    assert_eq!(forged(|content| content.quota = fast), wide);
    assert_eq!(forged(|content| content.quota = Quota::per_second(11).burst(20)), wrong);
    assert_eq!(forged(|content| content.quota = TENS.burst(21)), wrong);
    let vast = forged(|content| content.max_debt = u32::MAX);
    assert!(matches!(vast, Err(SnapshotError::QuotaOutOfRange { .. })), "{vast:?}");
    assert_eq!(forged(|content| content.sets = 0), wrong);
    let huge = forged(|content| content.sets = 1 << 58);
    assert!(matches!(huge, Err(SnapshotError::NoMemory { .. })), "{huge:?}");
    assert_eq!(forged(|content| content.eras.clear()), wrong);
    assert_eq!(forged(|content| content.eras[0].paid_after = 0), wrong);
    assert_eq!(forged(|content| content.reclaimed = FARTHEST + 1), wrong);
    assert_eq!(forged(|content| content.reclaimed = i64::MIN), wrong);
    let earlier = |interval, limit| Terms { seed: 3, interval, limit, paid_after: 1 };
    for (interval, limit) in [(63, 1), (1 << 33, 1), (1 << 20, 1 << 20), (u64::MAX, u32::MAX)] {
        assert_eq!(forged(|content| content.eras[1] = earlier(interval, limit)), wrong);
    }
    assert_eq!(forged(|content| content.eras[1] = earlier(64, 9)), Ok(()));
    let many = |content: &mut Content| {
        content.eras.extend([earlier(64, 9), earlier(64, 9)]);
        content.eras[1].paid_after = 1;
    };
    assert_eq!(forged(many), wrong);
}
