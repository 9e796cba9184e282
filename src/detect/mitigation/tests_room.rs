//! When there are as many as there may be, and when a clock is set back.

use core::time::Duration;
use std::{format, vec::Vec};

use super::{
    Change, Ladder, MOST, MitigationInfo, REMOVED,
    tests::{HOST, World, candidate, signature},
};
use crate::detect::search::Candidate;

/// How far the clock is set back.
const BACK: Duration = Duration::from_secs(1_800);

fn offer(world: &mut World, key: u64) -> bool {
    let candidate = Candidate { signature: signature(key), ..candidate(0.3, 0.0, 0.0) };
    world.offer(&candidate, &format!(r#"path eq "/{key}""#)).is_some()
}

/// As many as there may be, of which none has matched anything.
fn full() -> World {
    let mut world = World::new();
    assert!((0..MOST as u64).all(|key| offer(&mut world, key)));
    for _ in 0..7 {
        assert_eq!(world.tick(), []);
    }
    world
}

fn ended(name: &str) -> Change {
    Change::Ended { name: name.into(), matched: 0 }
}

/// I3: what is pinned stays, also if nothing else could go.
#[test]
fn what_is_pinned_makes_no_room() {
    let mut world = full();
    for number in 1..=MOST {
        assert!(world.all.pin(&format!("auto-{number}")));
    }
    assert!(!offer(&mut world, 1_000));
    assert_eq!((world.tick(), world.all.len()), (Vec::new(), MOST));

    // But for one, which is not the first.
    let mut world = full();
    for number in (1..=MOST).filter(|number| *number != 40) {
        assert!(world.all.pin(&format!("auto-{number}")));
    }
    assert!(offer(&mut world, 1_000));
    assert_eq!((world.tick(), world.all.len()), ([ended("auto-40")].into(), MOST));
    for _ in 0..7 {
        world.tick();
    }
    assert!(offer(&mut world, 1_001), "the one that was added may go");
    assert_eq!(world.tick(), [ended("auto-65")]);
}

/// I3: what matches makes none either.
#[test]
fn what_has_matched_lately_makes_no_room() {
    let mut world = full();
    world.parameters.renewed_at = 0.0;
    for second in 0..7 {
        for key in 0..MOST {
            world.send(HOST, true, &format!("/{key}"));
        }
        let changes = world.tick();
        assert_eq!(changes.len(), if second == 0 { MOST } else { 0 }, "{changes:?}");
    }
    assert!(!offer(&mut world, 1_000));
    for _ in 0..5 {
        world.tick();
    }
    assert!(!offer(&mut world, 1_000), "five seconds ago is lately");
    world.tick();
    assert!(offer(&mut world, 1_000));
}

fn info(world: &World) -> MitigationInfo {
    world.all.infos(world.now).remove(0)
}

fn set_back(world: &mut World) {
    world.all.set_back(BACK);
    world.now = world.now.saturating_sub(BACK);
}

/// I2: it climbs, and ends, as if the clock had always been so.
#[test]
fn a_clock_set_back_lengthens_and_shortens_nothing() {
    let mut world = World::with(&candidate(0.9, 0.005, 0.1));
    set_back(&mut world);
    world.many(100, HOST, true);
    assert_eq!(world.tick(), [Change::Throttled { name: "auto-1".into() }]);
    for _ in 0..5 {
        world.many(100, HOST, true);
        assert_eq!(world.tick(), []);
    }
    let before = info(&world);
    set_back(&mut world);
    let after = info(&world);
    assert_eq!(after.remaining, before.remaining);
    assert_eq!(after.since, before.since.saturating_sub(BACK));
    for second in 6..=10 {
        world.many(100, HOST, true);
        let changes = world.tick();
        let denied = [Change::Denied { name: "auto-1".into() }];
        assert_eq!(changes, if second == 10 { denied.into() } else { Vec::new() }, "{second}");
    }
    (0..20).for_each(|_| assert_eq!(world.tick(), []));
    set_back(&mut world);
    assert_eq!((info(&world).step, info(&world).remaining.unwrap().as_secs()), (Ladder::Deny, 40));
    (0..39).for_each(|_| assert_eq!(world.tick(), []));
    assert_eq!(world.tick().len(), 1);
}

/// I4.
#[test]
fn a_clock_set_back_keeps_what_is_removed_away_for_as_long() {
    let found = candidate(0.9, 0.0, 1.0);
    let mut world = World::with(&found);
    assert!(world.all.remove("auto-1", world.now).is_some());
    world.now = world.now.saturating_add(REMOVED / 2);
    set_back(&mut world);
    let then = world.now.saturating_add(REMOVED / 2);
    world.now = then.saturating_sub(Duration::from_nanos(1));
    assert_eq!(world.offer(&found, r#"path eq "/x""#), None);
    world.now = then;
    assert!(world.offer(&found, r#"path eq "/x""#).is_some());
}
