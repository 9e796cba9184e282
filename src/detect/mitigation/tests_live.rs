//! What checks read.

use core::time::Duration;
use std::{format, net::IpAddr, string::String, vec::Vec};

use proptest::{collection::vec, prelude::any, proptest};

use super::{
    Applied, Deed,
    tests::{HOST, Sent, World, candidate, expr, other, signature},
};
use crate::{
    detect::search::Candidate,
    request::{Request, canonical::Canonical},
    rule::{Facts, Lists},
};

fn offer(world: &mut World, key: u64, found: &Candidate, text: &str) {
    assert!(world.offer(&Candidate { signature: signature(key), ..found.clone() }, text).is_some());
}

/// What would be done with a request for `/x`.
fn foreseen(world: &World, client: IpAddr, known: bool) -> Option<Applied> {
    let request = Request::new(client).method("GET").host("h").target("/x");
    Canonical::with(&request, |canonical| {
        let lists = Lists::new();
        let mut facts = Facts::of(&request, canonical, &lists);
        facts.state.client_known = known;
        world.live.foresee(&facts, world.now)
    })
}

/// Who only asks is told what a check would do, and neither counts nor charges anything.
#[test]
fn what_would_be_done_is_told_without_counting_anything() {
    let mut world = World::with(&candidate(0.9, 0.005, 0.1));
    let counts = |world: &World| {
        let info = world.all.infos(world.now).remove(0);
        (info.matched, info.refused)
    };
    let looks = |world: &World, known: bool| {
        let before = counts(world);
        let found = [(); 30].map(|()| foreseen(world, HOST, known));
        assert_eq!(counts(world), before);
        assert!(found.windows(2).all(|two| two[0] == two[1]), "nothing is charged: {found:?}");
        found[0].clone().unwrap()
    };
    let found = looks(&world, true);
    assert_eq!((found.deed, found.is_suspect, &*found.name), (Deed::Shadow, false, "auto-1"));
    world.many(100, HOST, true);
    world.tick();
    let found = looks(&world, true);
    assert_eq!((found.deed, found.is_suspect), (Deed::Shadow, true), "it may ask for ten");
    for nth in 0..12 {
        let foreseen = looks(&world, true).deed;
        assert_eq!(world.send(HOST, true, "/x"), Some(foreseen));
        assert_eq!(matches!(foreseen, Deed::Throttle { .. }), nth >= 10, "{nth}");
    }
    // For ten seconds more, and it denies who is not known.
    for _ in 0..20 {
        world.many(100, HOST, true);
        world.tick();
    }
    let foreseen = looks(&world, false).deed;
    assert!(matches!(foreseen, Deed::Deny { .. }), "{foreseen:?}");
    assert_eq!(world.send(HOST, false, "/x"), Some(foreseen));
    // Who is known has what a throttled client gets.
    world.many(3, HOST, true);
    assert!(matches!(looks(&world, true).deed, Deed::Throttle { .. }));
}

/// Also for checks that still read what was live before.
#[test]
fn what_an_operator_removes_is_over_at_once() {
    let mut world = World::with(&candidate(0.9, 0.0, 1.0));
    world.many(100, HOST, false);
    world.tick();
    assert!(matches!(world.send(HOST, false, "/x"), Some(Deed::Deny { .. })));
    assert!(world.all.remove("auto-1", world.now).is_some());
    assert_eq!(world.send(HOST, false, "/x"), None);
    assert_eq!(foreseen(&world, HOST, false), None);
}

/// I1: from the next check on, and without a tick.
#[test]
fn what_the_posture_does_not_allow_is_not_done() {
    let mut world = World::with(&candidate(0.9, 0.0, 1.0));
    world.many(100, HOST, false);
    world.tick();
    for _ in 0..2 {
        world.all.allow(false);
        assert_eq!(world.send(HOST, false, "/x"), Some(Deed::Shadow));
        world.all.allow(true);
        assert!(matches!(world.send(HOST, false, "/x"), Some(Deed::Deny { .. })));
    }
    assert!(world.all.pin("auto-1"));
    world.all.allow(false);
    assert!(matches!(world.send(HOST, false, "/x"), Some(Deed::Deny { .. })), "it is pinned");
}

#[test]
fn the_most_severe_one_counts() {
    let mut world = World::new();
    let (sure, unsure) = (candidate(0.9, 0.0, 1.0), candidate(0.9, 0.01, 0.0));
    offer(&mut world, 1, &unsure, r#"path starts_with "/""#);
    offer(&mut world, 2, &sure, r#"path eq "/x""#);
    for number in 0..100 {
        world.send(other(number), false, "/x");
    }
    assert_eq!(world.tick().len(), 2);
    offer(&mut world, 3, &unsure, "not ssl");
    let counts = |world: &World| -> Vec<(u64, u64)> {
        let infos = world.all.infos(world.now);
        infos.into_iter().map(|info| (info.matched, info.refused)).collect()
    };
    assert_eq!(counts(&world), [(100, 0), (100, 0), (0, 0)]);
    assert_eq!(world.send(HOST, false, "/x"), Some(Deed::Deny { wait: Duration::from_secs(60) }));
    assert_eq!(counts(&world), [(101, 0), (101, 1), (1, 0)]);
    // What was denied was charged to nobody.
    let mut sent = Sent::default();
    (0..12).for_each(|_| sent.add(world.send(HOST, true, "/")));
    assert_eq!(sent, Sent { passed: 10, throttled: 2, ..Sent::default() });
    assert_eq!(counts(&world), [(113, 2), (101, 1), (13, 0)]);
}

#[test]
fn waits_are_the_time_that_is_left() {
    let mut world = World::with(&candidate(0.9, 0.0, 1.0));
    world.many(100, HOST, false);
    world.tick();
    world.now = world.now.saturating_add(Duration::from_millis(58_500));
    let wait = |world: &World| match world.send(HOST, false, "/x") {
        Some(Deed::Deny { wait }) => wait,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(&world), Duration::from_millis(1_500));
    world.now = world.now.saturating_add(Duration::from_secs(1));
    assert_eq!(wait(&world), Duration::from_secs(1));
    world.now = world.now.saturating_add(Duration::from_secs(100));
    assert_eq!(wait(&world), Duration::from_secs(1));
}

/// Without an address there is nobody to throttle.
#[test]
fn requests_without_a_client_are_not_throttled() {
    let mut world = World::with(&candidate(0.9, 0.01, 0.0));
    world.many(100, HOST, true);
    world.tick();
    let request = Request::new(None).method("GET").host("h").target("/x");
    for _ in 0..50 {
        let deed = Canonical::with(&request, |canonical| {
            let lists = Lists::new();
            let facts = Facts::of(&request, canonical, &lists);
            world.live.judge(&facts, world.now).map(|applied| applied.deed)
        });
        assert_eq!(deed, Some(Deed::Shadow));
    }
}

proptest! {
    #![proptest_config(crate::test_support::cases(16))]

    /// All together match what each would.
    #[test]
    fn matches_are_those_of_each_condition(
        conditions in vec((0..4_u8, 0..3_u8, any::<bool>()), 1..12),
        requests in vec((0..4_u8, 0..3_u8), 1..40),
    ) {
        let mut world = World::new();
        let holds = |(net, path, both): (u8, u8, bool), of: (u8, u8)| {
            if both { net == of.0 && path == of.1 } else { path == of.1 }
        };
        let mut made: Vec<(u8, u8, bool)> = Vec::new();
        for (at, (net, path, both)) in conditions.into_iter().enumerate() {
            let of_net = format!(" and ip.src in {{10.{net}.0.0/16}}");
            let text: String = format!(r#"path eq "/{path}"{}"#, if both { &of_net } else { "" });
            let found = Candidate { signature: signature(at as u64 + 1), ..candidate(0.3, 0.0, 0.0) };
            if world.offer(&found, &text).is_some() {
                assert_eq!(world.all.infos(world.now).last().unwrap().condition, text);
                assert_eq!(format!("{}", expr(&text)), text);
                made.push((net, path, both));
            }
        }
        let mut matched = std::vec![0; made.len()];
        for (net, path) in requests {
            let sent = world.send(IpAddr::from([10, net, 1, 1]), true, &format!("/{path}"));
            let mut any = false;
            for (count, condition) in matched.iter_mut().zip(&made) {
                *count += u64::from(holds(*condition, (net, path)));
                any |= holds(*condition, (net, path));
            }
            assert_eq!(sent.is_some(), any);
        }
        let counted: Vec<u64> =
            world.all.infos(world.now).into_iter().map(|info| info.matched).collect();
        assert_eq!(counted, matched);
    }
}
