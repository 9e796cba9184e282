//! What a tick makes of times.

use core::{net::IpAddr, time::Duration};
use std::sync::Arc;

use super::{Brain, set_back::BACK};
use crate::{
    detect::{Defence, Detector, Dimension, Posture},
    limit::seeds::Seeds,
    request::Request,
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
