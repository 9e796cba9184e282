use core::time::Duration;
use std::vec::Vec;

use proptest::prelude::*;

use super::{AT_ONCE, FIRST_AT_ONCE, Reservoir};
use crate::{
    detect::{Seen, sketch::streams},
    test_support::cases,
    time::Timestamp,
};

fn good(number: u64, at: Timestamp) -> Seen {
    Seen { good: true, ..streams::request(number, at).0 }
}

/// So many good requests in this second.
fn second(at: u64, requests: u64) -> Vec<Seen> {
    let nth = |n| Timestamp::from_nanos(at * 1_000_000_000 + n * 1_000_000_000 / requests);
    (0..requests).map(|n| good(at * 1_000 + n, nth(n))).collect()
}

proptest! {
    #![proptest_config(cases(128))]

    /// I1, and I2: whatever comes, only good requests that came, and no more new ones than are due.
    #[test]
    fn what_is_held_came_and_was_good(
        places in 1_usize..80,
        calls in prop::collection::vec((0_u64..30_000, 0_u64..100, any::<u64>()), 0..30),
    ) {
        let mut reservoir = Reservoir::new(places, 5);
        let each = Duration::from_secs(1_200).as_nanos() as u64 / places as u64;
        let (mut came, mut now) = (Vec::new(), Timestamp::from_secs(1));
        let mut number = 0;
        for (millis, requests, are_good) in calls {
            now = now.saturating_add(Duration::from_millis(millis));
            let seen: Vec<Seen> = (0..requests).map(|n| {
                number += 1;
                Seen { good: are_good >> (n % 64) & 1 == 1, ..good(number, now) }
            }).collect();
            let before: Vec<Seen> = reservoir.all().to_vec();
            reservoir.learn(&seen);
            came.extend(seen);
            let held = reservoir.all();
            prop_assert!(held.len() <= places && held.len() <= before.len() + FIRST_AT_ONCE);
            prop_assert!(held.iter().all(|seen| seen.good && came.contains(seen)));
            if before.len() == places {
                let new = before.iter().zip(held).filter(|(before, held)| before != held).count();
                prop_assert!(new <= AT_ONCE);
            }
        }
        prop_assert!(reservoir.owed <= each.saturating_mul(AT_ONCE as u64));
    }
}

/// I3: after hours, ages are exponential with the mean that was asked for.
#[test]
fn ages_are_as_long_as_asked_for() {
    for minutes in [5_u64, 20] {
        let mut reservoir =
            Reservoir::new(1_024, 11).with_mean_age(Duration::from_secs(minutes * 60));
        let end = minutes * 60 * 6;
        (1..=end).for_each(|at| reservoir.learn(&second(at, 20)));
        assert_eq!(reservoir.all().len(), 1_024);
        let now = Timestamp::from_secs(end + 1);
        let ages: Vec<f64> = reservoir
            .all()
            .iter()
            .map(|seen| now.saturating_duration_since(seen.at).as_secs_f64())
            .collect();
        let mean = ages.iter().sum::<f64>() / 1_024.0;
        let expected = minutes as f64 * 60.0;
        assert!((mean / expected - 1.0).abs() < 0.12, "{mean} for {expected}");
        let younger = ages.iter().filter(|age| **age < expected).count() as f64 / 1_024.0;
        assert!((younger - 0.632).abs() < 0.06, "{younger}");
    }
}

/// I2: ten seconds of another kind of requests, a thousand times as many, have few places.
#[test]
fn a_flood_that_is_learned_for_seconds_has_few_places() {
    let mut reservoir = Reservoir::new(1_024, 3);
    (1..=200).for_each(|at| reservoir.learn(&second(at, 30)));
    let is_flood = |seen: &&Seen| seen.at > Timestamp::from_secs(10_000);
    // Also after a pause in which nothing was learned.
    (20_000..20_010).for_each(|at| reservoir.learn(&second(at, 1_000)));
    let flood = reservoir.all().iter().filter(is_flood).count();
    assert!((1..=8 + AT_ONCE).contains(&flood), "{flood}");
}

/// A clock that is set back: it goes on learning at the same pace, and not only when the clock has caught up.
#[test]
fn it_learns_on_after_a_clock_was_set_back() {
    let mut reservoir = Reservoir::new(1_024, 3);
    (10_000..10_200).for_each(|at| reservoir.learn(&second(at, 30)));
    assert_eq!(reservoir.all().len(), 1_024);
    reservoir.set_back();
    (6_400..6_460).for_each(|at| reservoir.learn(&second(at, 30)));
    let new = |seen: &&Seen| seen.at < Timestamp::from_secs(10_000);
    let learned = reservoir.all().iter().filter(new).count();
    // A place in 1.17 s, and what was owed.
    assert!((40..=51 + AT_ONCE).contains(&learned), "{learned}");
}

/// It is full soon where there is little traffic, and not of one second where there is much.
#[test]
fn the_first_requests_fill_it() {
    let mut reservoir = Reservoir::new(1_024, 3);
    assert!(reservoir.memory_bytes() <= 105 << 10, "{}", reservoir.memory_bytes());
    reservoir.learn(&[]);
    reservoir.learn(&second(1, 5));
    assert_eq!(reservoir.all().len(), 5);
    (2..10).for_each(|at| reservoir.learn(&second(at, 500)));
    assert_eq!(reservoir.all().len(), 5 + 8 * FIRST_AT_ONCE);
    (10..30).for_each(|at| reservoir.learn(&second(at, 500)));
    assert_eq!(reservoir.all().len(), 1_024);
    assert!(reservoir.requests.capacity() < 2_000);
}

#[cfg(feature = "serde")]
#[test]
fn what_is_saved_comes_back() {
    let mut reservoir = Reservoir::new(100, 3);
    (1..=4).for_each(|at| reservoir.learn(&second(at, 30)));
    let text = serde_json::to_string(&reservoir).unwrap();
    let mut restored: Reservoir = serde_json::from_str(&text).unwrap();
    let ageless = |reservoir: &Reservoir| -> Vec<Seen> {
        let all = reservoir.all().iter();
        all.map(|seen| Seen { at: Timestamp::ZERO, ..*seen }).collect()
    };
    assert_eq!(ageless(&restored), ageless(&reservoir));
    assert_eq!((restored.places, restored.each), (reservoir.places, reservoir.each));
    restored.learn(&second(5, 30));
    // More than there can be, and sizes that there can not be.
    let fewer = text.replacen("\"places\":100", "\"places\":99", 1);
    assert!(serde_json::from_str::<Reservoir>(&fewer).is_err());
    let more = text.replacen("\"places\":100", "\"places\":100000000", 1);
    assert!(serde_json::from_str::<Reservoir>(&more).is_err());
    let none = text.replacen("\"places\":100", "\"places\":0", 1);
    assert!(serde_json::from_str::<Reservoir>(&none).is_err());
}
