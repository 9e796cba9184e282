use core::time::Duration;
use std::{string::String, vec, vec::Vec};

use super::{NOW, address, check};
use crate::{
    Defence, Gate, LimitRule, Mode, Outcome, Posture, Quota, Request, Timestamp,
    detect::EventKind,
    rule::{Action, Rule, Scheme},
};

const AN_HOUR: Duration = Duration::from_secs(3_600);

fn watching() -> Gate {
    Gate::builder().defence(Defence::up_to(Posture::Defend)).build().unwrap()
}

fn flights(gate: &Gate) -> u64 {
    let snapshot = gate.0.snapshot.load();
    snapshot.setting.detector.as_ref().unwrap().in_flight()
}

fn at(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

#[test]
fn a_gate_without_a_defence_is_always_normal() {
    for gate in [
        Gate::builder().build().unwrap(),
        Gate::builder().defence(Defence::up_to(Posture::Normal)).build().unwrap(),
    ] {
        assert!(!gate.defence().force(Posture::Lockdown, AN_HOUR, NOW));
        assert!(!gate.defence().release(NOW) && !gate.defence().drill(AN_HOUR, NOW));
        gate.tick(NOW);
        assert_eq!((gate.posture(), gate.load()), (Posture::Normal, 0));
        assert_eq!((gate.events(), gate.incident()), (vec![], None));
        assert!(!gate.defence().pin("auto-1", NOW) && !gate.defence().remove("auto-1", NOW));
        gate.defence().gauge(100.0);
        gate.tick(at(1));
        assert_eq!((gate.load(), gate.defence().mitigations(at(1))), (0, vec![]));
        assert_eq!(gate.defence().evidence(), crate::detect::Evidence::default());
        assert!(gate.snapshot_has_no_detector());
    }
}

impl Gate {
    fn snapshot_has_no_detector(&self) -> bool {
        self.0.snapshot.load().setting.detector.is_none()
    }
}

#[test]
fn requests_are_in_flight_until_they_are_finished_or_dropped() {
    let gate = watching();
    let ask = || gate.check(&Request::new(address("192.0.2.1")), NOW).into_result().unwrap();
    let (one, other) = (ask(), ask());
    assert_eq!(flights(&gate), 2);
    gate.finish(one, Outcome::status(200), NOW);
    assert_eq!(flights(&gate), 1);
    drop(other);
    assert_eq!(flights(&gate), 0);
    gate.set_mode(Mode::Off);
    let unseen = ask();
    assert_eq!(flights(&gate), 0);
    drop(unseen);
}

#[test]
fn what_is_denied_is_not_in_flight_and_what_is_observed_is() {
    let build = |mode| {
        let denied = Gate::builder().deny("192.0.2.0/24".parse().unwrap()).mode(mode);
        denied.defence(Defence::up_to(Posture::Elevated)).build().unwrap()
    };
    let gate = build(Mode::Enforce);
    let denied = gate.check(&Request::new(address("192.0.2.1")), NOW);
    assert!(!denied.is_admitted());
    assert_eq!(flights(&gate), 0);
    let gate = build(Mode::Observe);
    let observed = gate.check(&Request::new(address("192.0.2.1")), NOW);
    assert!(observed.is_admitted());
    assert_eq!(flights(&gate), 1);
}

/// Volume is what is offered: refused requests count, those of exempt clients do not.
#[test]
fn offered_is_what_comes_before_anything_refuses_it() {
    let gate = Gate::builder()
        .exempt("198.51.100.1".parse().unwrap())
        .deny("192.0.2.0/24".parse().unwrap())
        .defence(Defence::up_to(Posture::Defend))
        .build()
        .unwrap();
    gate.tick(NOW);
    for peer in ["192.0.2.1", "192.0.2.2", "203.0.113.1", "198.51.100.1"] {
        let _ = check(&gate, peer, NOW);
    }
    gate.tick(at(1));
    assert!((gate.defence().evidence().offered - 3.0).abs() < 0.01);
}

/// Rules and limits can differ by posture.
#[test]
fn rules_and_limits_see_the_posture() {
    let scheme = Scheme::new();
    let when = |text| scheme.parse(text).unwrap();
    let gate = Gate::builder()
        .rule(Rule::new("closed", when("posture eq lockdown")).then(Action::Deny { status: 403 }))
        .limit_rule(LimitRule::new("strict", Quota::per_hour(1)).when(when("posture ge elevated")))
        .defence(Defence::up_to(Posture::Defend))
        .build()
        .unwrap();
    let passes = |now| check(&gate, "192.0.2.1", now).map_err(|denial| String::from(denial.name()));
    for _ in 0..5 {
        assert_eq!(passes(NOW), Ok(()));
    }
    gate.defence().force(Posture::Elevated, AN_HOUR, NOW);
    assert_eq!([passes(NOW), passes(NOW)], [Ok(()), Err("strict".into())]);
    gate.defence().force(Posture::Lockdown, AN_HOUR, NOW);
    assert_eq!(passes(NOW), Err("closed".into()));
    gate.defence().release(NOW);
    assert_eq!(passes(NOW), Ok(()));
}

#[test]
fn what_is_forced_ends_by_itself() {
    let gate = watching();
    gate.tick(NOW);
    gate.defence().force(Posture::Defend, Duration::from_secs(5), NOW);
    assert_eq!(gate.posture(), Posture::Defend);
    for second in 1..8 {
        gate.tick(at(second));
    }
    assert_eq!(gate.posture(), Posture::Normal);
    let turns: Vec<_> = gate
        .events()
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::Posture { from, to } => Some((from, to)),
            _ => None,
        })
        .collect();
    assert_eq!(turns, [(Posture::Normal, Posture::Defend), (Posture::Defend, Posture::Normal)]);
    assert!(gate.incident().is_some_and(|incident| incident.is_over()));
}

#[test]
fn a_drill_tells_and_refuses_nothing() {
    let gate = watching();
    gate.defence().drill(Duration::from_secs(3), NOW);
    assert_eq!(gate.posture(), Posture::Elevated);
    assert_eq!(check(&gate, "192.0.2.1", NOW).map_err(|denial| denial.reason()), Ok(()));
    assert!(!gate.events().is_empty());
    (0..10).for_each(|second| gate.tick(at(second)));
    assert_eq!(gate.posture(), Posture::Normal);
}

/// A gate goes on with what it has learned when it is changed, and forgets it when it is told to stop.
#[test]
fn a_reload_goes_on_watching() {
    let gate = watching();
    let held = gate.check(&Request::new(address("192.0.2.1")), NOW);
    let limited = || Gate::builder().limit("one", Quota::per_second(1));
    let up_to = |posture| limited().defence(Defence::up_to(posture));
    gate.reload_with(up_to(Posture::Lockdown), NOW).unwrap();
    assert_eq!(flights(&gate), 1);
    gate.reload_with(limited(), NOW).unwrap();
    assert!(gate.snapshot_has_no_detector());
    drop(held);
    gate.reload_with(up_to(Posture::Elevated), NOW).unwrap();
    assert_eq!(flights(&gate), 0);
}

/// What an operator wants is not told as if the numbers had said it.
#[test]
fn a_posture_that_is_forced_is_told_as_that() {
    let gate = watching();
    gate.defence().force(Posture::Lockdown, AN_HOUR, NOW);
    let events = gate.events();
    let told = events.iter().find(|event| matches!(event.kind, EventKind::Posture { .. }));
    let text = &told.unwrap().text;
    assert!(text.starts_with("An operator wants lockdown after normal: "), "{text}");
}

/// What the service measures itself is its load, from the next tick on, and holds until it is said anew.
#[test]
fn a_gauge_is_a_load_until_another_one_is_said() {
    let gate = watching();
    gate.tick(NOW);
    assert_eq!(gate.load(), 0);
    let mut loads = Vec::new();
    for (second, gauge) in (1..).zip([Some(70.0), None, Some(250.0), Some(f64::NAN), Some(-5.0)]) {
        if let Some(gauge) = gauge {
            gate.defence().gauge(gauge);
        }
        gate.tick(at(second));
        loads.push(gate.load());
    }
    assert_eq!(loads, [70, 70, 100, 0, 0]);
}

#[test]
fn a_defence_shows_its_posture_and_nobody() {
    let gate = watching();
    gate.defence().force(Posture::Elevated, AN_HOUR, NOW);
    assert_eq!(std::format!("{:?}", gate.defence()), "GateDefence { posture: Elevated, .. }");
}
