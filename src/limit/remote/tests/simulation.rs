//! Fleets in virtual time, small enough for each run of the tests.

use core::time::Duration;
use std::vec;

use crate::{
    Quota,
    limit::remote::reference::simulation::{Happening, Outcome, Scenario},
};

const THOUSAND: Quota = Quota::per_second(1_000);

fn per_request(outcome: &Outcome) -> f64 {
    outcome.calls as f64 / outcome.requests as f64
}

/// I2 of the module, and that overload uses all that there is.
#[track_caller]
fn admits_what_is_allowed(scenario: &Scenario, outcome: &Outcome) {
    let allowed = scenario.allowed();
    assert!(outcome.admitted <= allowed, "{outcome:?}");
    assert!(outcome.admitted * 1_000 >= allowed * 999, "{outcome:?} of {allowed}");
    assert!(outcome.admitted <= outcome.granted);
    // The burst, half of it in leases, and the unit that makes it so.
    let burst = u64::from(scenario.quota.max_burst());
    assert!(outcome.excess <= burst + burst / 2 + 1, "{outcome:?}");
    assert_eq!(outcome.unknown, 0);
}

#[test]
fn four_nodes_under_overload_admit_the_quota_at_one_call_in_twenty_requests() {
    for offered in [5_000, 20_000] {
        let scenario = Scenario::new(4, offered, THOUSAND);
        let outcome = scenario.play();
        admits_what_is_allowed(&scenario, &outcome);
        assert!(per_request(&outcome) <= 0.05, "{outcome:?}");
        let (fewest, most) = outcome.by_node;
        assert!(most * 10 <= fewest * 12, "{outcome:?}");
    }
}

#[test]
fn sixteen_nodes_under_overload_need_some_more_calls() {
    let scenario = Scenario::new(16, 5_000, THOUSAND);
    let outcome = scenario.play();
    admits_what_is_allowed(&scenario, &outcome);
    assert!(per_request(&outcome) <= 0.12, "{outcome:?}");
    let (fewest, most) = outcome.by_node;
    assert!(most <= fewest * 2, "{outcome:?}");
}

#[test]
fn below_the_limit_everything_passes_and_leases_save_calls() {
    let scenario = Scenario { time: Duration::from_secs(20), ..Scenario::new(4, 500, THOUSAND) };
    let outcome = scenario.play();
    assert_eq!((outcome.denied, outcome.unknown), (0, 0), "{outcome:?}");
    assert!(per_request(&outcome) <= 0.15, "{outcome:?}");
}

/// While a denial is remembered the bucket must not run over: a burst of 10 is back in 10 ms.
#[test]
fn a_small_burst_of_a_high_rate_is_used_up_all_the_same() {
    let quota = THOUSAND.burst(10);
    let scenario = Scenario { time: Duration::from_secs(10), ..Scenario::new(1, 5_000, quota) };
    let outcome = scenario.play();
    assert!(outcome.admitted <= scenario.allowed());
    assert!(outcome.admitted * 100 >= scenario.allowed() * 95, "{outcome:?}");
}

/// Nobody who waits for a call falls back as long as the store answers, though no unit can be leased.
#[test]
fn without_leases_those_that_wait_are_answered_together() {
    let quota = THOUSAND.burst(2_000);
    let time = Duration::from_secs(1);
    let scenario = Scenario { time, ..Scenario::new(1_001, 0, quota) };
    let scenario = Scenario { nodes: 1_001, offered: 900, keys: 1, ..scenario };
    let outcome = scenario.play();
    assert_eq!((outcome.unknown, outcome.denied), (0, 0), "{outcome:?}");
}

#[test]
fn nodes_that_are_cut_off_fall_back_and_come_back() {
    let secs = Duration::from_secs;
    let events = vec![(secs(5), Happening::CutOff(2)), (secs(10), Happening::Healed)];
    let scenario = Scenario { time: secs(20), events, ..Scenario::new(4, 5_000, THOUSAND) };
    let outcome = scenario.play();
    assert!(outcome.admitted <= scenario.allowed(), "{outcome:?}");
    assert!(outcome.admitted * 100 >= scenario.allowed() * 97, "{outcome:?}");
    // Half of the requests of 5 seconds, and of a quarter of a second until the next probe.
    assert!((12_000..=13_500).contains(&outcome.unknown), "{outcome:?}");
    assert!(outcome.timeouts < 100, "{outcome:?}");
}

#[test]
fn lost_calls_lose_units_and_never_make_any() {
    let time = Duration::from_secs(20);
    let scenario = Scenario { time, lost: 20, ..Scenario::new(4, 5_000, THOUSAND) };
    let outcome = scenario.play();
    assert!(outcome.timeouts > 0);
    assert!(outcome.admitted <= scenario.allowed(), "{outcome:?}");
    assert!(outcome.admitted * 100 >= scenario.allowed() * 95, "{outcome:?}");
}

#[test]
fn clocks_that_step_lose_leases_and_never_make_units() {
    let secs = Duration::from_secs;
    let events = vec![
        (secs(2), Happening::NodeClock(0, -3_600_000)),
        (secs(3), Happening::NodeClock(1, 3_600_000)),
        (secs(4), Happening::NodeClock(2, -500)),
        (secs(5), Happening::NodeClock(1, -7_200_000)),
    ];
    let scenario = Scenario { time: secs(10), events, ..Scenario::new(4, 5_000, THOUSAND) };
    let outcome = scenario.play();
    assert!(outcome.admitted <= scenario.allowed(), "{outcome:?}");
    assert!(outcome.admitted * 100 >= scenario.allowed() * 97, "{outcome:?}");
    assert!(outcome.unknown < 100, "{outcome:?}");
}

#[test]
fn a_store_whose_clock_goes_back_an_hour_goes_on() {
    let secs = Duration::from_secs;
    let events = vec![(secs(5), Happening::StoreClock(-3_600_000))];
    let scenario = Scenario { time: secs(10), events, ..Scenario::new(4, 5_000, THOUSAND) };
    let outcome = scenario.play();
    // An empty bucket is the most that it can owe.
    assert!(outcome.admitted * 100 >= scenario.allowed() * 85, "{outcome:?}");
    assert!(outcome.admitted <= scenario.allowed(), "{outcome:?}");
}
