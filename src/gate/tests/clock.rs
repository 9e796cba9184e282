//! A clock that is set back while a gate watches, and one check of a time that is far ahead.

use core::time::Duration;
use std::vec::Vec;

use super::{
    NOW, address,
    flood::{A_SECOND, AN_HOUR, FLOOD, Site},
};
use crate::{Defence, Gate, Posture};

#[test]
#[cfg_attr(miri, ignore = "a site's requests for minutes")]
fn a_step_back_leaves_a_quiet_gate_as_watchful_as_before() {
    let mut site = Site::new();
    site.now = site.now.saturating_sub(AN_HOUR);
    site.seconds(5, 0);
    assert_eq!(site.gate.posture(), Posture::Normal);
    site.is_flooded();
    site.comes_to_rest();
}

#[test]
#[cfg_attr(miri, ignore = "a site's requests for minutes")]
fn a_step_back_keeps_no_posture_and_no_mitigation_for_longer() {
    let mut site = Site::new();
    site.is_flooded();
    site.now = site.now.saturating_sub(AN_HOUR);
    let admitted = site.seconds(5, FLOOD).attackers_admitted;
    assert!(admitted <= 50, "{admitted} of 1,000 requests got in after the step");
    let incident = site.gate.incident().unwrap();
    assert!((14..30).contains(&incident.duration().as_secs()), "{incident:?}");
    site.comes_to_rest();
    site.is_flooded();
    site.comes_to_rest();
}

/// One thread has read a wrong clock, or somebody who tries a gate out has made a mistake.
#[test]
#[cfg_attr(miri, ignore = "a site's requests for minutes")]
fn one_check_of_a_time_that_is_far_ahead_leaves_a_quiet_gate_watchful() {
    let mut site = Site::new();
    asks_far_ahead(&site);
    site.seconds(2, 0);
    site.is_flooded();
    site.comes_to_rest();
}

#[test]
#[cfg_attr(miri, ignore = "a site's requests for minutes")]
fn one_check_of_a_time_that_is_far_ahead_ends_no_defence_for_good() {
    let mut site = Site::new();
    site.is_flooded();
    asks_far_ahead(&site);
    site.seconds(1, FLOOD);
    site.is_flooded();
    site.comes_to_rest();
}

fn asks_far_ahead(site: &Site) {
    let ahead = site.now.saturating_add(AN_HOUR);
    assert!(site.ask(address("203.0.113.9"), "/", "Mozilla/5.0", ahead));
}

#[test]
#[cfg_attr(miri, ignore = "a site's requests for minutes")]
fn networks_become_known_after_a_step_back_as_before() {
    let mut site = Site::new();
    site.now = site.now.saturating_sub(AN_HOUR);
    let client = address("192.0.2.77");
    for second in 0..200 {
        site.ask(client, "/", "Mozilla/5.0", site.now);
        site.gate.tick(site.now.saturating_add(Duration::from_millis(999)));
        site.now = site.now.saturating_add(A_SECOND);
        if site.knows(client) {
            assert!(second > 60, "that was soon: {second} s");
            return;
        }
    }
    panic!("it is not known after 200 s");
}

/// Nobody has asked for anything since the step: an operator is the first whom the gate hears of it from.
#[test]
fn an_operators_word_holds_as_long_as_he_says_by_the_clock_as_it_is() {
    let gate = Gate::builder().defence(Defence::up_to(Posture::Defend)).build().unwrap();
    let late = NOW.saturating_add(AN_HOUR * 2);
    gate.tick(late);
    gate.tick(late.saturating_add(A_SECOND));
    let now = late.saturating_sub(AN_HOUR);
    assert!(gate.defence().force(Posture::Lockdown, A_SECOND * 10, now));
    let postures: Vec<Posture> = (1..=12)
        .map(|second| {
            gate.tick(now.saturating_add(A_SECOND * second));
            gate.posture()
        })
        .collect();
    assert_eq!(postures[..9], [Posture::Lockdown; 9]);
    assert_eq!(postures[9..], [Posture::Normal; 3]);
}
