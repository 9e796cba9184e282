//! Mitigations from tick to tick.

use core::time::Duration;
use std::{
    format,
    net::IpAddr,
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};

use super::{Change, Deed, EditError, Ladder, Live, MOST, Mitigations, REMOVED};
use crate::{
    detect::{Dimension, Parameters, Signature, search::Candidate},
    limit::seeds::Seeds,
    request::{Request, canonical::Canonical},
    rule::{Expr, Facts, Lists, Scheme},
    time::Timestamp,
};

/// A gate's worth of mitigations, and its clock.
pub(super) struct World {
    pub(super) all: Mitigations,
    pub(super) live: Live,
    pub(super) now: Timestamp,
    pub(super) parameters: Parameters,
    may_enforce: bool,
}

/// What became of some requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) unmatched: u32,
    pub(super) passed: u32,
    pub(super) throttled: u32,
    pub(super) denied: u32,
}

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(10_000 + seconds)
}

pub(super) fn expr(text: &str) -> Expr {
    Scheme::new().parse(text).unwrap()
}

/// A candidate for what asks for `/x`.
pub(super) fn candidate(covers: f64, harms: f64, new: f64) -> Candidate {
    Candidate { signature: signature(1), covers, harms, new, per_client: 1.0, rate: 100.0 }
}

pub(super) fn signature(key: u64) -> Arc<Signature> {
    Arc::new(Signature { kinds: [(Dimension::Agent, key)].into(), ..Signature::default() })
}

impl World {
    pub(super) fn new() -> Self {
        let all = Mitigations::new(&mut Seeds::of_chance()).unwrap();
        let live = all.live();
        let parameters = Parameters::default();
        Self { all, live, now: at(0), parameters, may_enforce: true }
    }

    /// One mitigation of `/x`.
    pub(super) fn with(candidate: &Candidate) -> Self {
        let mut world = Self::new();
        let found = world.offer(candidate, r#"path eq "/x""#);
        let rule = r#"path eq "/x""#.into();
        let Candidate { covers, harms, .. } = *candidate;
        assert_eq!(found, Some(Change::Found { name: "auto-1".into(), rule, covers, harms }));
        world
    }

    pub(super) fn offer(&mut self, candidate: &Candidate, text: &str) -> Option<Change> {
        let found = self.all.offer(candidate, expr(text), &self.parameters, self.now);
        self.refresh();
        found
    }

    pub(super) fn refresh(&mut self) {
        while let Some(live) = self.all.changed() {
            self.live = live;
        }
    }

    pub(super) fn send(&self, client: IpAddr, known: bool, path: &str) -> Option<Deed> {
        let request = Request::new(client).method("GET").host("h").target(path);
        Canonical::with_only(&request, self.live.needs(), |canonical| {
            let lists = Lists::new();
            let mut facts = Facts::of(&request, canonical, &lists);
            facts.state.client_known = known;
            self.live.judge(&facts, self.now).map(|applied| applied.deed)
        })
    }

    /// Requests for `/x` from this client.
    pub(super) fn many(&self, count: u32, client: IpAddr, known: bool) -> Sent {
        let mut sent = Sent::default();
        (0..count).for_each(|_| sent.add(self.send(client, known, "/x")));
        sent
    }

    /// The next second begins.
    pub(super) fn tick(&mut self) -> Vec<Change> {
        self.now = self.now.saturating_add(Duration::from_secs(1));
        let changes = self.all.tick(self.may_enforce, &self.parameters, self.now);
        self.refresh();
        changes
    }

    fn step(&self) -> Option<Ladder> {
        self.all.infos(self.now).first().map(|info| info.step)
    }
}

impl Sent {
    pub(super) fn add(&mut self, deed: Option<Deed>) {
        match deed {
            None => self.unmatched += 1,
            Some(Deed::Shadow) => self.passed += 1,
            Some(Deed::Throttle { .. }) => self.throttled += 1,
            Some(Deed::Deny { .. }) => self.denied += 1,
        }
    }
}

pub(super) const HOST: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(198, 51, 100, 7));

pub(super) fn other(number: u32) -> IpAddr {
    IpAddr::from((0x2d00_0000 | number).to_be_bytes())
}

fn throttled() -> Change {
    Change::Throttled { name: "auto-1".into() }
}

fn denied() -> Change {
    Change::Denied { name: "auto-1".into() }
}

/// Some harm, and known clients: only what is refused speaks for more.
#[test]
fn who_goes_on_is_counted_then_throttled_then_denied() {
    let mut world = World::with(&candidate(0.9, 0.005, 0.1));
    assert_eq!(world.many(100, HOST, true), Sent { passed: 100, ..Sent::default() });
    assert_eq!(world.tick(), [throttled()]);
    for second in 1..=10 {
        assert_eq!(world.step(), Some(Ladder::Throttle));
        let sent = world.many(100, HOST, true);
        let passed = if second == 1 { 10 } else { 1 };
        assert_eq!(sent, Sent { passed, throttled: 100 - passed, ..Sent::default() });
        let changes = world.tick();
        assert_eq!(changes, if second == 10 { [denied()].into() } else { Vec::new() });
    }
    assert_eq!(world.many(50, other(9), false), Sent { denied: 50, ..Sent::default() });
    // Known clients are throttled, and never denied.
    let known = world.many(50, HOST, true);
    assert_eq!(known, Sent { passed: 1, throttled: 49, ..Sent::default() });
    assert_eq!(world.send(HOST, true, "/y"), None);
    let info = world.all.infos(world.now).remove(0);
    assert_eq!((info.matched, info.refused), (1_200, 90 + 9 * 99 + 50 + 49));
    assert_eq!((info.step, info.is_enforced, info.since), (Ladder::Deny, true, at(0)));
    assert_eq!(info.remaining, Some(Duration::from_secs(60)));
}

/// A pause that is long enough starts the time again.
#[test]
fn what_a_throttle_ends_is_not_denied() {
    let mut world = World::with(&candidate(0.9, 0.005, 0.1));
    world.many(100, HOST, true);
    world.tick();
    for second in 0..60 {
        if second % 9 < 7 {
            world.many(100, HOST, true);
        } else {
            for number in 0..40 {
                world.many(10, other(number * 256 + second), true);
            }
            for number in 0..800 {
                world.many(1, other(number * 256 + second), true);
            }
        }
        assert_eq!(world.tick(), [], "{second}");
    }
}

#[test]
fn what_is_beyond_doubt_is_denied_at_once() {
    let beyond = candidate(0.5, 0.0, 0.8);
    let first = |candidate: &Candidate, known: bool, may_enforce: bool| {
        let mut world = World::with(candidate);
        world.may_enforce = may_enforce;
        for number in 0..100 {
            world.send(other(number), known, "/x");
        }
        world.tick()
    };
    assert_eq!(first(&beyond, false, true), [denied()]);
    assert_eq!(first(&beyond, true, true), [throttled()]);
    assert_eq!(first(&beyond, false, false), []);
    for less in [candidate(0.49, 0.0, 0.8), candidate(0.5, 1e-9, 0.8), candidate(0.5, 0.0, 0.79)] {
        assert_eq!(first(&less, false, true), [throttled()]);
    }
    // Many who are new come to a new page, and nothing is wrong with them.
    let path = Signature { kinds: [(Dimension::Path, 1)].into(), ..Signature::default() };
    let crowd = Candidate { signature: Arc::new(path), ..beyond };
    assert_eq!(first(&crowd, false, true), [throttled()]);
}

/// Scattered attackers ask for too little each to be throttled.
#[test]
fn unknown_clients_that_harm_nobody_are_denied_without_being_refused_before() {
    let run = |candidate: Candidate, known: bool| {
        let mut world = World::with(&candidate);
        let mut changes = Vec::new();
        for second in 0..30 {
            for number in 0..200 {
                world.send(other(number + second * 256), known, "/x");
            }
            changes.extend(world.tick().into_iter().map(|change| (second, change)));
        }
        changes
    };
    let most = [(0, throttled()), (10, denied())];
    assert_eq!(run(candidate(0.4, 0.001, 0.9), false), most);
    for (candidate, known) in [
        (candidate(0.4, 0.001, 0.9), true),
        (candidate(0.4, 0.001, 0.7), false),
        (candidate(0.4, 0.006, 0.9), false),
    ] {
        assert_eq!(run(candidate, known), [(0, throttled())]);
    }
}

/// I5: for ten minutes, 3,000 known clients that each ask for a page or two, now and then for more.
#[test]
#[cfg_attr(miri, ignore = "a site's requests for minutes")]
fn a_flash_crowd_is_never_denied() {
    let mut world = World::with(&candidate(0.9, 0.009, 0.05));
    world.all.throttle_to(1.0, &world.parameters, world.now);
    let mut sent = Sent::default();
    for second in 0..600_u32 {
        for number in 0..300 {
            let client = (second * 7 + number * 11) % 3_000;
            let times = if number % 50 == 0 { 6 } else { 1 };
            (0..times).for_each(|_| sent.add(world.send(other(client), number % 20 != 0, "/x")));
        }
        let changes = world.tick();
        assert_eq!(changes, if second == 0 { [throttled()].into() } else { Vec::new() });
    }
    assert_eq!((sent.denied, sent.unmatched), (0, 0));
    assert!(sent.throttled < sent.passed / 100, "{sent:?}");
}

/// I2.
#[test]
fn it_ends_when_nothing_matches_any_more() {
    let run = |each_second: u32| {
        let mut world = World::with(&candidate(0.9, 0.005, 0.1));
        for second in 1..=200 {
            world.many(each_second, HOST, true);
            for change in world.tick() {
                if let Change::Ended { name, matched } = change {
                    assert_eq!(name, "auto-1");
                    assert!(world.live.is_empty() && world.all.len() == 0);
                    return Some((second, matched));
                }
            }
        }
        None
    };
    assert_eq!(run(0), Some((60, 0)));
    // A tenth of the rate that made it.
    assert_eq!(run(9), Some((60, 9 * 60)));
    assert_eq!(run(10), None);
}

/// I1.
#[test]
fn nothing_is_refused_unless_the_posture_allows_it() {
    let mut world = World::with(&candidate(0.9, 0.0, 1.0));
    world.may_enforce = false;
    for _ in 0..30 {
        assert_eq!(world.many(100, HOST, false), Sent { passed: 100, ..Sent::default() });
        assert_eq!(world.tick(), []);
    }
    world.may_enforce = true;
    world.many(100, HOST, false);
    assert_eq!(world.tick(), [denied()]);
    assert_eq!(world.many(10, HOST, false), Sent { denied: 10, ..Sent::default() });
    world.may_enforce = false;
    world.tick();
    assert_eq!(world.many(10, HOST, false), Sent { passed: 10, ..Sent::default() });
    assert!(!world.all.infos(world.now)[0].is_enforced);
    // An operator has said so.
    assert!(world.all.pin("auto-1") && !world.all.pin("auto-2"));
    assert_eq!(world.many(10, HOST, false), Sent { denied: 10, ..Sent::default() });
    let info = world.all.infos(world.now).remove(0);
    assert!(info.is_enforced && info.is_pinned());
    for _ in 0..500 {
        assert_eq!(world.tick(), []);
    }
    assert_eq!(world.many(10, HOST, false), Sent { denied: 10, ..Sent::default() });
}

/// I3.
#[test]
fn there_are_no_more_than_there_may_be() {
    let mut world = World::new();
    let offer = |world: &mut World, key: u64| {
        let candidate = Candidate { signature: signature(key), ..candidate(0.3, 0.0, 0.0) };
        world.offer(&candidate, &format!(r#"path eq "/{key}""#)).is_some()
    };
    let made = (0..100).filter(|key| offer(&mut world, *key)).count();
    assert_eq!((made, world.all.len(), world.all.taken(world.now).len()), (MOST, MOST, MOST));
    let names: Vec<String> = world.all.infos(world.now).into_iter().map(|info| info.name).collect();
    assert_eq!((names[0].as_str(), names[63].as_str()), ("auto-1", "auto-64"));
    assert_eq!(world.all.covered(), 1.0);
    for name in &names {
        assert!(world.all.remove(name, world.now).is_some());
    }
    let more = (100..200).filter(|key| offer(&mut world, *key)).count();
    assert_eq!((more, world.all.len()), (MOST, MOST));
    for number in 65..=128 {
        assert!(world.all.remove(&format!("auto-{number}"), world.now).is_some());
    }
    assert_eq!(world.all.taken(world.now).len(), MOST);
    world.parameters.mitigations = 3;
    let few = (200..300).filter(|key| offer(&mut world, *key)).count();
    assert_eq!(few, 3);
    world.parameters.mitigations = 1_000;
    assert_eq!((300..400).filter(|key| offer(&mut world, *key)).count(), MOST - 3);
}

/// I3: what has matched nothing lately makes room, and that is told.
#[test]
fn what_makes_room_is_told() {
    let mut world = World::new();
    let offer = |world: &mut World, key: u64| {
        let candidate = Candidate { signature: signature(key), ..candidate(0.3, 0.0, 0.0) };
        world.offer(&candidate, &format!(r#"path eq "/{key}""#)).is_some()
    };
    assert_eq!((0..100).filter(|key| offer(&mut world, *key)).count(), MOST);
    for _ in 0..7 {
        assert_eq!(world.tick(), []);
    }
    assert!(offer(&mut world, 1_000));
    assert_eq!(world.all.len(), MOST);
    assert_eq!(world.tick(), [Change::Ended { name: "auto-1".into(), matched: 0 }]);
    assert_eq!(world.tick(), []);
}

/// I4.
#[test]
fn what_is_removed_does_not_come_back_for_ten_minutes() {
    let found = candidate(0.9, 0.0, 1.0);
    let mut world = World::with(&found);
    world.many(7, HOST, true);
    let ended = Change::Ended { name: "auto-1".into(), matched: 7 };
    assert_eq!(world.all.remove("auto-1", world.now), Some(ended));
    assert_eq!(world.all.remove("auto-1", world.now), None);
    world.refresh();
    assert_eq!(world.send(HOST, true, "/x"), None);
    let taken = world.all.taken(world.now);
    assert_eq!((taken.len(), taken[0].is_live), (1, false));
    // Nor does a part of it.
    let nets = ["198.51.100.0/24".parse().unwrap()].into();
    let part = Signature { nets, ..(*found.signature).clone() };
    let part = Candidate { signature: Arc::new(part), ..found.clone() };
    let start = world.now;
    world.now = start.saturating_add(REMOVED - Duration::from_nanos(1));
    assert_eq!(world.offer(&found, r#"path eq "/x""#), None);
    assert_eq!(world.offer(&part, r#"path eq "/x" and ip.src in {198.51.100.0/24}"#), None);
    assert!(world.offer(&Candidate { signature: signature(2), ..found.clone() }, "ssl").is_some());
    world.now = start.saturating_add(REMOVED);
    assert!(world.offer(&found, r#"path eq "/x""#).is_some());
    assert!(world.all.taken(world.now).iter().all(|taken| taken.is_live));
}

#[test]
fn what_is_covered_is_not_added_twice() {
    let found = candidate(0.9, 0.0, 1.0);
    let mut world = World::with(&found);
    assert_eq!(world.offer(&found, r#"path eq "/x" "#), None);
    assert_eq!(world.offer(&found, "ssl"), None);
    let same_text = Candidate { signature: signature(2), ..found.clone() };
    assert_eq!(world.offer(&same_text, r#"path eq "/x""#), None);
    let net = |text: &str| -> Arc<Signature> {
        Arc::new(Signature { nets: [text.parse().unwrap()].into(), ..Signature::default() })
    };
    let of = |signature| Candidate { signature, ..found.clone() };
    assert!(world.offer(&of(net("192.0.2.0/24")), "ip.src in {192.0.2.0/24}").is_some());
    assert_eq!(world.offer(&of(net("192.0.2.7/32")), "ip.src in {192.0.2.7}"), None);
    assert!(world.offer(&of(net("192.0.0.0/16")), "ip.src in {192.0.0.0/16}").is_some());
    assert_eq!(world.all.len(), 3);
}

#[test]
fn an_operator_can_say_what_it_matches() {
    let mut world = World::with(&candidate(0.9, 0.0, 1.0));
    let edited = r#"path eq "/x" and ip.src in {198.51.100.0/24}"#;
    assert!(matches!(world.all.edit("auto-9", expr(edited)), Err(EditError::Unknown)));
    let scheme = Scheme::new().list("office", crate::rule::Type::Ip).limit("logins");
    for (text, what) in [
        ("not ip.src in $office", "the list `$office`"),
        (r#"ssl or counter("logins") ge 3"#, "the limit `logins`"),
        (r#"tag["seen"]"#, "the tag `seen`"),
        ("sample(0.5)", "a sample of clients"),
    ] {
        let refused = world.all.edit("auto-1", scheme.parse(text).unwrap()).unwrap_err();
        let expected = format!("a mitigation looks at requests alone, not at {what}");
        assert_eq!(refused.to_string(), expected);
    }
    let large = Expr::any((0..5_000).map(|_| expr("ssl")));
    let refused = world.all.edit("auto-1", large).unwrap_err();
    assert!(refused.to_string().contains("more than 4096 tests"), "{refused}");
    assert!(world.all.changed().is_none());
    assert_eq!(world.all.infos(world.now)[0].condition, r#"path eq "/x""#);

    world.all.edit("auto-1", expr(edited)).unwrap();
    world.refresh();
    assert_eq!(world.send(other(1), false, "/x"), None);
    let info = world.all.infos(world.now).remove(0);
    assert_eq!((info.condition.as_str(), info.is_pinned()), (edited, true));
    assert_eq!((info.covers, info.harms), (0.0, 0.0));
    // What was known of the other condition no longer speaks for denial, and is not counted as harm.
    world.many(100, HOST, false);
    assert_eq!(world.tick(), [throttled()]);
    assert!(!world.all.taken(world.now)[0].is_live);
}

#[test]
fn ticks_that_come_twice_or_from_the_past_change_nothing() {
    let mut world = World::with(&candidate(0.9, 0.0, 1.0));
    world.many(100, HOST, false);
    assert_eq!(world.tick(), [denied()]);
    let parameters = Parameters::default();
    for seconds in [1, 0, 1] {
        world.many(100, HOST, false);
        assert_eq!(world.all.tick(true, &parameters, at(seconds)), []);
        assert_eq!(world.step(), Some(Ladder::Deny));
    }
    let mut world = World::with(&candidate(0.9, 0.0, 1.0));
    world.many(100, HOST, false);
    assert_eq!(world.all.tick(true, &parameters, at(0)), []);
    assert_eq!(world.all.tick(true, &parameters, at(0)), []);
    assert_eq!(world.step(), Some(Ladder::Shadow));
}

/// I6.
#[cfg(feature = "serde")]
#[test]
fn it_survives_a_restart() {
    use super::{SavedMitigations, saved::SavedError};

    let mut world = World::with(&candidate(0.9, 0.005, 0.1));
    let removed = Candidate { signature: signature(2), ..candidate(0.9, 0.0, 1.0) };
    world.offer(&removed, r#"path eq "/y""#);
    world.all.remove("auto-2", world.now);
    let nets = ["192.0.2.0/24".parse().unwrap(), "2001:db8::/48".parse().unwrap()].into();
    let third =
        Signature { nets, kinds: [(Dimension::Shape, 9)].into(), shape: crate::detect::Shape(77) };
    let third = Candidate { signature: Arc::new(third), ..candidate(0.3, 0.0, 0.2) };
    world.offer(&third, "ip.src in {192.0.2.0/24 2001:db8::/48} and method eq \"PUT\"");
    world.all.pin("auto-3");
    world.many(100, HOST, true);
    world.tick();
    let saved = world.all.save(world.now);
    let text = serde_json::to_string(&saved).unwrap();
    let read: SavedMitigations = serde_json::from_str(&text).unwrap();
    assert_eq!(read, saved);

    // By another clock.
    let now = at(5_000_000);
    let mut again = World::new();
    again.now = now;
    let parameters = Parameters::default();
    again.all.restore(&read, &Scheme::new(), &parameters, now).unwrap();
    assert_eq!(again.all.save(now), saved);
    again.live = again.all.live();
    assert_eq!(again.many(10, HOST, true), Sent { passed: 10, ..Sent::default() });
    // In the first second nothing was refused yet, since the posture was not known.
    for second in 0..12 {
        again.many(100, HOST, true);
        assert_eq!(again.tick(), if second == 10 { [denied()].into() } else { Vec::new() });
    }
    assert_eq!(again.many(10, HOST, false), Sent { denied: 10, ..Sent::default() });
    assert_eq!(again.offer(&removed, r#"path eq "/y""#), None);
    let fresh = Candidate { signature: signature(7), ..removed };
    let found = again.offer(&fresh, r#"path eq "/z""#);
    assert!(matches!(found, Some(Change::Found { name, .. }) if name == "auto-4"));

    for (good, bad) in [
        (r#""condition":"path eq"#, r#""condition":"pth eq"#),
        (r#""condition":"path eq \"/x\"""#, r#""condition":"ip.src in $office""#),
        (r#""covers":0.9"#, r#""covers":1.5"#),
        (r#""harms":0.005"#, r#""harms":-1.0"#),
        (r#""number":1,"#, r#""number":3,"#),
        (r#""next":4"#, r#""next":3"#),
        (r#""192.0.2.0/24""#, r#""192.0.0.0/12""#),
        (r#""192.0.2.0/24""#, r#""192.0.2.7/24""#),
        (r#""kinds":[[5,1]]"#, r#""kinds":[]"#),
        (r#""kinds":[[5,1]]"#, r#""kinds":[[1,1]]"#),
        (r#""kinds":[[5,1]]"#, r#""kinds":[[9,1]]"#),
    ] {
        assert!(text.contains(good), "{good} in {text}");
        let damaged: SavedMitigations = serde_json::from_str(&text.replacen(good, bad, 1)).unwrap();
        let before = again.all.infos(again.now);
        let scheme = Scheme::new().list("office", crate::rule::Type::Ip);
        let refused = again.all.restore(&damaged, &scheme, &parameters, now);
        let refused: SavedError = refused.unwrap_err();
        assert!(!refused.to_string().is_empty());
        assert_eq!(again.all.infos(again.now), before);
    }
}
