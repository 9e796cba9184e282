//! What a tick makes of times.

use core::{net::IpAddr, time::Duration};
use std::sync::Arc;

use super::{Brain, set_back::BACK};
use crate::{
    detect::{Defence, Detector, Dimension, Parameters, Posture},
    limit::seeds::Seeds,
    request::Request,
    rule::Term,
    time::Timestamp,
};

const A_SECOND: Duration = Duration::from_secs(1);
const AN_HOUR: Duration = Duration::from_secs(3_600);

struct World {
    detector: Arc<Detector>,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        let defence = Defence::up_to(Posture::Defend);
        let detector = Detector::new(defence, &mut Seeds::following(Some(7))).unwrap();
        let world = Self { detector, now: Timestamp::from_secs(20_000) };
        world.tick();
        world
    }

    /// A good request of this time.
    fn ask(&self, number: u64, now: Timestamp) {
        let client = IpAddr::from([10, 0, (number >> 8) as u8, number as u8]);
        let request = Request::new(client).method("GET").target("/x");
        let glance = self.detector.offered(&request, Some(client), |_| false, &[], now);
        self.detector.admitted(&glance, now).answered(200, Some(A_SECOND), now);
    }

    fn tick(&self) {
        self.detector.tick(&|_| false, self.now);
    }

    /// A second with so many requests, and its tick.
    fn second(&mut self, requests: u64) {
        for number in 0..requests {
            self.ask(number, self.now.saturating_add(A_SECOND / 2));
        }
        self.now = self.now.saturating_add(A_SECOND);
        self.tick();
    }

    fn brain<R>(&self, look: impl FnOnce(&Brain) -> R) -> R {
        look(&self.detector.brain.lock())
    }

    /// Requests of the usual ones that are of this time or later.
    fn learned_since(&self, since: Timestamp) -> usize {
        self.brain(|brain| brain.reservoir.all().iter().filter(|seen| seen.at >= since).count())
    }
}

/// What was counted before a step back is of nobody knows how long, and no volume.
#[test]
fn what_was_counted_before_a_step_back_is_no_volume_after_it() {
    let mut world = World::new();
    world.second(10);
    assert!((world.detector.evidence().offered - 10.0).abs() < 0.01);
    for number in 0..500 {
        world.ask(number, world.now.saturating_add(A_SECOND / 2));
    }
    world.now = world.now.saturating_sub(AN_HOUR);
    world.tick();
    world.second(20);
    assert!((world.detector.evidence().offered - 20.0).abs() < 0.01);
}

/// Clocks that differ are no step: nothing is due, and nothing is moved.
#[test]
fn a_small_step_back_is_waited_for() {
    let mut world = World::new();
    (0..5).for_each(|_| world.second(10));
    let at = |world: &World| world.brain(|brain| (brain.at, brain.clock.promoted));
    let before = at(&world);
    world.now = world.now.saturating_sub(BACK);
    for _ in 0..5 {
        world.second(10);
        assert_eq!(at(&world), before);
    }
    world.second(10);
    assert_eq!(at(&world).0, before.0.saturating_add(A_SECOND));

    let before = at(&world);
    let by = BACK.saturating_add(Duration::from_nanos(1));
    world.now = world.now.saturating_sub(by);
    world.tick();
    assert_eq!(at(&world), (world.now, before.1.map(|time| time.saturating_sub(by))));
}

/// A request of a time that is far ahead, which comes while a tick goes on and so makes none, is not learned from.
#[test]
fn one_request_of_a_time_that_is_far_ahead_stops_no_learning() {
    for step_back in [false, true] {
        let mut world = World::new();
        (0..60).for_each(|_| world.second(40));
        let full = world.learned_since(Timestamp::ZERO);
        assert_eq!(full, 1_024);
        let mut since = world.now;
        world.ask(1, world.now.saturating_add(AN_HOUR));
        if step_back {
            since = world.now.saturating_sub(AN_HOUR * 2);
            world.now = since;
            world.tick();
        }
        (0..60).for_each(|_| world.second(40));
        let old = world.learned_since(since.saturating_add(AN_HOUR / 2));
        let learned = world.learned_since(since) - old;
        // A place in 1.17 s.
        assert!((30..=80).contains(&learned), "{learned}, {step_back}");
    }
}

/// A request waits for nobody: what cannot be counted at once among hot keys is dropped, and that is counted.
#[test]
fn what_another_thread_is_in_the_way_of_is_dropped_and_counted() {
    let mut world = World::new();
    world.second(3);
    assert_eq!(world.detector.dropped_samples(), 0);
    let hot = &world.detector.hot[Dimension::Path.at()];
    hot.while_locked(0, || (0..2).for_each(|number| world.ask(number, world.now)));
    assert_eq!(world.detector.dropped_samples(), 2);
    world.second(5);
    assert_eq!(world.detector.dropped_samples(), 2, "it is a sum, and no tick takes it");
    assert!((world.detector.evidence().offered - 7.0).abs() < 0.01, "each is offered all the same");
}

/// What is usual in other dimensions is not known; other numbers change nothing of it.
#[test]
fn other_dimensions_forget_which_requests_are_usual() {
    let mut world = World::new();
    (0..60).for_each(|_| world.second(40));
    let learned = world.learned_since(Timestamp::ZERO);
    assert!(learned >= 100, "{learned}");
    let parameters = Parameters { calm_seconds: 300, ..Parameters::default() };
    let defence = || Defence::up_to(Posture::Defend).parameters(parameters.clone());
    world.detector.set_defence(defence());
    assert_eq!(world.learned_since(Timestamp::ZERO), learned);
    world.detector.set_defence(defence().dimension(Term::client()));
    assert_eq!(world.learned_since(Timestamp::ZERO), 0);
    (0..60).for_each(|_| world.second(40));
    assert_eq!(world.learned_since(Timestamp::ZERO), learned, "it is learned anew");
}

/// I1, I2 of what is kept: what no detector can know is refused with its part, and nothing is changed.
#[cfg(feature = "serde")]
#[test]
fn what_no_detector_can_know_is_refused_as_that() {
    use crate::{
        detect::{DetectSnapshot, mitigation::SavedMitigations, packed::Packed},
        error::RestoreError,
        rule::Scheme,
    };

    /// With this number at a place, counted from the end.
    fn with_last(packed: &Packed, number: u64) -> Packed {
        let mut words = serde_json::to_value(packed).unwrap();
        *words.as_array_mut().unwrap().last_mut().unwrap() = number.into();
        serde_json::from_value(words).unwrap()
    }

    type Change = fn(&mut DetectSnapshot);
    let nothing = || Packed::of(&()).unwrap();
    let mut world = World::new();
    (0..3).for_each(|_| world.second(40));
    let whole = world.detector.save(world.now).unwrap();
    let odd: SavedMitigations = serde_json::from_value(serde_json::json!({
        "next": 1,
        "mitigations": [],
        "removed": [{
            "signature": { "nets": [], "kinds": [], "shape": 0 },
            "remaining": { "secs": 1, "nanos": 0 },
        }],
    }))
    .unwrap();
    let mut wrong: std::vec::Vec<(&str, DetectSnapshot)> = std::vec::Vec::new();
    let mut add = |part, change: &dyn Fn(&mut DetectSnapshot)| {
        let mut saved = whole.clone();
        change(&mut saved);
        wrong.push((part, saved));
    };
    add("what is usual", &|saved| saved.judge = nothing());
    add("what is usual", &|saved| saved.judge = with_last(&saved.judge, f64::NAN.to_bits()));
    add("usual requests", &|saved| saved.reservoir = nothing());
    add("mitigations", &|saved| saved.mitigations = nothing());
    add("mitigations", &|saved| saved.mitigations = Packed::of(&odd).unwrap());
    add("capacity", &|saved| saved.capacity = nothing());
    add("capacity", &|saved| saved.capacity = with_last(&saved.capacity, f64::NAN.to_bits()));
    add("unknown clients", &|saved| saved.readmission = nothing());
    add("unknown clients", &|saved| {
        saved.readmission = with_last(&saved.readmission, f64::INFINITY.to_bits());
    });
    for busy in [f64::NAN, -1.0, 1.1e9, f64::INFINITY] {
        add("busy clients", &|saved| saved.busy = busy.to_bits());
    }
    let others: [Change; 2] = [|saved| saved.known.truncate(1), |saved| saved.known.push(0)];
    others.iter().for_each(|change| add("known networks", change));

    let next = World::new();
    next.tick();
    let before = next.detector.save(next.now).unwrap();
    for (part, saved) in wrong {
        let found = next.detector.restore(&saved, &Scheme::new(), next.now);
        assert_eq!(found, Err(RestoreError::Detection { part }));
        assert!(next.detector.save(next.now) == Some(before.clone()), "{part}: it has changed");
        let told = std::format!("{}", RestoreError::Detection { part });
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(next.detector.restore(&whole, &Scheme::new(), next.now), Ok(()));
    assert!(next.detector.save(next.now) != Some(before), "that one is");
}
