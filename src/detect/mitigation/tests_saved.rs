//! Mitigations over a restart: what can be odd about them.

use core::time::Duration;
use std::{format, string::ToString as _, vec, vec::Vec};

use serde_json::{Value, json};

use super::{
    Change, Deed, MOST, Mitigations, REMOVED, SavedMitigations,
    tests::{HOST, World, at, candidate, signature},
};
use crate::{
    detect::{Parameters, search::Candidate},
    limit::seeds::Seeds,
    rule::Scheme,
};

/// Two mitigations and a removed one, as they are saved.
fn saved() -> Value {
    let mut world = World::with(&candidate(0.9, 0.005, 0.1));
    for key in [2, 3] {
        let candidate = Candidate { signature: signature(key), ..candidate(0.3, 0.0, 0.0) };
        assert!(world.offer(&candidate, &format!(r#"path eq "/{key}""#)).is_some());
    }
    assert!(world.all.remove("auto-3", world.now).is_some());
    serde_json::to_value(world.all.save(world.now)).unwrap()
}

/// Why it cannot be restored, if it cannot; then nothing is changed.
fn told(saved: &Value) -> Option<std::string::String> {
    let saved: SavedMitigations = serde_json::from_value(saved.clone()).unwrap();
    let mut world = World::with(&candidate(0.5, 0.0, 0.0));
    let (before, scheme) = (world.all.infos(world.now), Scheme::new());
    let restored = world.all.restore(&saved, &scheme, &world.parameters, world.now);
    if restored.is_err() {
        assert_eq!(world.all.infos(world.now), before);
    }
    restored.err().map(|error| error.to_string())
}

#[test]
fn what_is_odd_is_refused_as_that() {
    assert_eq!(told(&saved()), None);
    let (signature, rule) = ("mitigations: a signature is none", "the condition of mitigation");
    let (share, twice) = ("mitigations: a share or a rate is none", "mitigations: a name is");
    let many = "mitigations: there are too many";
    let of = |part: &str, count: usize| json!(vec![saved()[part][0].clone(); count]);
    let nets = |count: usize| (0..count).map(|net| json!(format!("192.0.{net}.0/24")));
    let tests = vec!["ssl"; 5_000].join(" or ");
    for (place, value, why) in [
        ("/mitigations", of("mitigations", MOST + 1), many),
        ("/removed", of("removed", MOST + 1), many),
        ("/mitigations/1/number", json!(1), twice),
        ("/mitigations/1/number", json!(4), twice),
        ("/next", json!(2), twice),
        ("/mitigations/1/condition", json!(""), rule),
        ("/mitigations/1/condition", json!("pth eq 3"), rule),
        ("/mitigations/1/condition", json!("ip.src in $office"), rule),
        ("/mitigations/1/condition", json!("sample(0.5)"), rule),
        ("/mitigations/1/condition", json!(tests), rule),
        ("/mitigations/1/covers", json!(1.001), share),
        ("/mitigations/1/harms", json!(-0.001), share),
        ("/mitigations/1/new", json!(2), share),
        ("/mitigations/1/rate", json!(-0.5), share),
        ("/mitigations/1/signature/kinds", json!([]), signature),
        ("/mitigations/1/signature/kinds", json!([[0, 1]]), signature),
        ("/mitigations/1/signature/kinds", json!([[1_000, 1]]), signature),
        ("/mitigations/1/signature/kinds", json!([[3, 1], [4, 1], [5, 1], [6, 1]]), signature),
        ("/mitigations/1/signature/nets", json!(["192.0.2.7/24"]), signature),
        ("/mitigations/1/signature/nets", json!(["192.0.0.0/15"]), signature),
        ("/mitigations/1/signature/nets", json!(["2001:db8::/31"]), signature),
        ("/mitigations/1/signature/nets", json!(["192.0.2.0/24", "192.0.1.0/24"]), signature),
        ("/mitigations/1/signature/nets", json!(["192.0.2.0/24", "192.0.2.9/32"]), signature),
        ("/mitigations/1/signature/nets", nets(65).collect(), signature),
        ("/removed/0/signature/kinds", json!([]), signature),
        ("/removed/0/signature/nets", json!(["10.0.0.0/8"]), signature),
    ] {
        let mut saved = saved();
        *saved.pointer_mut(place).unwrap() = value;
        let told = told(&saved);
        assert!(told.as_ref().is_some_and(|told| told.starts_with(why)), "{place}: {told:?}");
    }
    // And what is at the edge of that is not.
    for (place, value) in [
        ("/mitigations/1/covers", json!(1)),
        ("/mitigations/1/rate", json!(0)),
        ("/mitigations/1/number", json!(3)),
        ("/mitigations/1/signature/kinds", json!([[3, 1], [4, 1], [5, 1]])),
        ("/mitigations/1/signature/nets", json!(["192.0.0.0/16", "192.1.0.0/32", "2001:db8::/32"])),
        ("/mitigations/1/signature/nets", nets(64).collect()),
        ("/removed", of("removed", MOST)),
    ] {
        let mut saved = saved();
        *saved.pointer_mut(place).unwrap() = value;
        assert_eq!(told(&saved), None, "{place}");
    }
}

/// I2, I4: whatever is written there.
#[test]
fn nothing_lasts_longer_than_it_may() {
    let mut saved = saved();
    for place in ["/mitigations/0/remaining", "/mitigations/0/age", "/removed/0/remaining"] {
        *saved.pointer_mut(place).unwrap() = json!({ "secs": u64::MAX, "nanos": 0 });
    }
    let saved: SavedMitigations = serde_json::from_value(saved).unwrap();
    let mut all = Mitigations::new(&mut Seeds::of_chance()).unwrap();
    let parameters = Parameters { mitigation_seconds: 20, ..Parameters::default() };
    all.restore(&saved, &Scheme::new(), &parameters, at(0)).unwrap();
    let infos = all.infos(at(0));
    let remaining: Vec<_> = infos.iter().map(|info| info.remaining.unwrap().as_secs()).collect();
    assert_eq!(remaining, [20, 20]);
    assert_eq!(infos[0].since, crate::time::Timestamp::ZERO);
    let taken = |now| all.taken(now).iter().filter(|taken| !taken.is_live).count();
    let until = at(0).saturating_add(REMOVED);
    assert_eq!((taken(until.saturating_sub(Duration::from_nanos(1))), taken(until)), (1, 0));
}

/// What made room before is of another set: its name may be a live one's now.
#[test]
fn what_made_room_before_is_not_told_after() {
    let mut world = World::with(&candidate(0.9, 0.005, 0.1));
    let saved = world.all.save(world.now);
    world.parameters.mitigations = 1;
    (0..7).for_each(|_| drop(world.tick()));
    let other = Candidate { signature: signature(9), ..candidate(0.3, 0.0, 0.0) };
    assert!(matches!(world.offer(&other, "ssl"), Some(Change::Found { .. })));
    let restored = world.all.restore(&saved, &Scheme::new(), &world.parameters, world.now);
    assert!(restored.is_ok());
    assert_eq!(world.tick(), []);
    assert_eq!(world.all.infos(world.now)[0].name, "auto-1");
}

/// I6: what an operator has made of one goes on as that.
#[test]
fn a_condition_of_an_operators_is_kept_as_it_is() {
    let mut world = World::with(&candidate(0.9, 0.0, 1.0));
    world.many(100, HOST, false);
    world.tick();
    let when = Scheme::new().parse(r#"path eq "/y" and ip.src in {198.51.100.0/25}"#).unwrap();
    world.all.edit("auto-1", when).unwrap();
    world.refresh();
    let saved = serde_json::to_value(world.all.save(world.now)).unwrap();
    let saved: SavedMitigations = serde_json::from_value(saved).unwrap();
    let mut next = World::new();
    next.all.restore(&saved, &Scheme::new(), &next.parameters, world.now).unwrap();
    next.now = world.now;
    next.live = next.all.live();
    let infos = next.all.infos(world.now);
    assert_eq!(infos, world.all.infos(world.now));
    assert!(infos[0].is_pinned() && infos[0].covers == 0.0);
    assert_eq!(next.all.save(world.now), saved, "it is saved as that again");
    for (world, path, is_denied) in
        [(&world, "/x", false), (&world, "/y", true), (&next, "/x", false), (&next, "/y", true)]
    {
        let sent = world.send(HOST, false, path);
        assert_eq!(matches!(sent, Some(Deed::Deny { .. })), is_denied, "{path}: {sent:?}");
    }
}
