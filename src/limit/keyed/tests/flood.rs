//! Who is served while there are more keys than places, in a small story of a flood.
//!
//! The story, the common policies beside ours and what ours must keep are in
//! [`reference::flood`](crate::limit::reference::flood); the benchmark `flood` tells it at full size.

use core::time::Duration;

use crate::limit::reference::flood::{
    ATTACKS, Attack, Policy, Report, Role, Squatters, World,
    baselines::{CountMin, DenyWhenFull, Lru},
    policies::{Coarser, Ours},
    promises,
};

/// As many times smaller than life as leaves enough known clients to count: 32.
const SCALE: u64 = 16;
const MILLION: Attack = ATTACKS[3];

fn small(attack: Attack) -> World {
    World::new(SCALE, attack, 1)
}

/// Good clients that come regularly are served, no key is admitted too much, and newcomers compete
/// for what is free.
#[test]
#[cfg_attr(miri, ignore = "millions of requests")]
fn regulars_are_served_through_every_attack_and_nobody_gets_too_much() {
    for attack in ATTACKS {
        let stories = (1..=2).map(|seed| World::new(SCALE, attack, seed));
        let reports = stories.map(|story| story.play(&mut Ours::new(SCALE, story.seed)));
        promises::alone(&small(attack), &reports.reduce(Report::and).unwrap());
    }
}

/// An attack from a dozen networks gets what a dozen networks may, and newcomers from elsewhere are served.
#[test]
#[cfg_attr(miri, ignore = "millions of requests")]
fn coarser_limits_let_newcomers_pass_where_the_attack_has_few_networks() {
    for attack in ATTACKS {
        let story = small(attack).from_networks();
        let report = story.play(&mut Coarser::new(SCALE, 1));
        promises::from_networks(&story, &report);
        // What the coarser limits admit is not charged to the client. They have 1,600 units in that time,
        // and hardly any goes to somebody who has none left.
        assert!(report.over_admissions() <= 16, "{report:?}");
    }
}

/// Where every request forges a network of its own there is nothing that tells them apart: newcomers
/// are as badly off as without coarser limits. Regulars do not notice.
#[test]
#[cfg_attr(miri, ignore = "millions of requests")]
fn coarser_limits_cannot_help_newcomers_against_forged_addresses() {
    let story = small(MILLION);
    let report = story.play(&mut Coarser::new(SCALE, 1));
    promises::always(&story, &report);
    let alone = story.play(&mut Ours::new(SCALE, 1)).denied_percent(Role::New);
    let new = report.denied_percent(Role::New);
    assert!(new > 60.0 && (new - alone).abs() < 8.0, "{new} % and {alone} % alone");
}

/// The common ways to bound memory, each of which gives up what the store keeps.
#[test]
#[cfg_attr(miri, ignore = "millions of requests")]
fn the_common_policies_fail_the_same_story() {
    let story = small(Attack::Cycler);
    let lru = story.play(&mut Lru::new(16_384, SCALE));
    let cycler = lru.admitted_per_second(Role::Attacker);
    assert!(cycler > 2.0 * story.fair_per_second(), "who forgets does not limit: {cycler}");
    assert!(lru.over_admissions() > 100_000);

    for attack in ATTACKS {
        let story = small(attack);
        let mut others: [(&str, &mut dyn Policy); 2] = [
            ("deny when full", &mut DenyWhenFull::new(16_384, SCALE)),
            ("count-min", &mut CountMin::new(4_096, SCALE)),
        ];
        for (name, policy) in &mut others {
            let known = story.play(*policy).denied_percent(Role::Known);
            assert!(known > 30.0, "{name} denies {known} % of the known under {attack:?}");
        }
    }
    let abuser = story.play(&mut CountMin::new(16_384, SCALE)).admitted_per_second(Role::Abuser);
    assert!(abuser > 15.0, "a window has no burst beside its rate: {abuser}");
}

/// Whoever is regular before the squatters come stays so. Squatters who were there first take the seats
/// of regulars, and then coarser limits are what helps, if it helps.
#[test]
#[cfg_attr(miri, ignore = "millions of requests")]
fn squatters_take_seats_only_from_those_who_come_after_them() {
    let every = Duration::from_secs(1);
    for first in [false, true] {
        let story = small(MILLION).with_squatters(Squatters { every, first });
        promises::against_squatters(&story, &story.play(&mut Ours::new(SCALE, 1)));
    }
    let squatters = Squatters { every, first: true };
    // Larger, so that the store for networks has more sets than one or two.
    let story = World::new(SCALE / 4, MILLION, 1).from_networks().with_squatters(squatters);
    promises::from_networks(&story, &story.play(&mut Coarser::new(SCALE / 4, 1)));
}
