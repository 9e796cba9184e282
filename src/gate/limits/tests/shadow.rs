use std::vec;

use super::*;
use crate::{limit::Share, rule::RuleMode};

const HOUR: Quota = Quota::per_hour(2);

fn would_deny(world: &World, request: &Request<'_>) -> u64 {
    match world.rule(request, NOW) {
        Ruling::Passes { would_deny, .. } => would_deny,
        other => panic!("{other:?}"),
    }
}

/// I2.
#[test]
fn a_limit_in_shadow_counts_and_denies_nothing() {
    let shadow = LimitRule::new("a", HOUR).mode(RuleMode::Shadow);
    let world = limits([shadow, LimitRule::new("b", Quota::per_hour(5))]);
    let request = from("192.0.2.1");
    assert_eq!([(); 5].map(|()| would_deny(&world, &request)), [0, 0, 1, 1, 1]);
    assert_eq!((world.left(0, &request, NOW), world.left(1, &request, NOW)), (0, 0));
    assert_eq!(world.denied_by(&request, NOW), Some(1));

    let other_way = limits([
        LimitRule::new("b", Quota::per_hour(1)),
        LimitRule::new("a", HOUR).mode(RuleMode::Shadow),
    ]);
    assert_eq!(would_deny(&other_way, &request), 0);
    assert_eq!(other_way.denied_by(&request, NOW), Some(0));
    assert_eq!(other_way.left(1, &request, NOW), 1, "what is denied is not counted in shadow");
}

#[test]
fn each_limit_in_shadow_is_by_itself() {
    let shadow = |name, n| LimitRule::new(name, Quota::per_hour(n)).mode(RuleMode::Shadow);
    let world = limits([shadow("a", 1), shadow("b", 3), shadow("c", 0)]);
    let request = from("192.0.2.1");
    assert_eq!([(); 4].map(|()| would_deny(&world, &request)), [0b100, 0b101, 0b101, 0b111]);
}

#[test]
fn what_is_in_shadow_is_settled_too() {
    let limit = LimitRule::new("a", HOUR).mode(RuleMode::Shadow);
    let world = limits([limit.count_if(response("status == 404"))]);
    let request = from("192.0.2.1");
    world.passes(&request, NOW).finish(status(200), NOW);
    world.passes(&request, NOW).finish(status(404), NOW);
    assert_eq!(world.left(0, &request, later(1)), 1);
}

#[test]
fn a_limit_that_is_off_is_not_there() {
    let world = limits([LimitRule::new("a", Quota::per_hour(0)).mode(RuleMode::Off)]);
    assert_eq!(would_deny(&world, &from("192.0.2.1")), 0);
    assert_eq!(world.explain(&from("192.0.2.1"), NOW), [Stand::DoesNotApply]);
}

#[test]
fn a_group_does_not_let_its_limits_go_further() {
    for (mode, of_group, denied) in [
        (RuleMode::Enforce, RuleMode::Enforce, true),
        (RuleMode::Enforce, RuleMode::Shadow, false),
        (RuleMode::Shadow, RuleMode::Enforce, false),
        (RuleMode::Enforce, RuleMode::Off, false),
    ] {
        let limit = LimitRule::new("a", Quota::per_hour(0)).mode(mode).group("g");
        let groups = vec![
            (crate::rule::Name::from("g"), of_group),
            (crate::rule::Name::from("h"), RuleMode::Off),
        ];
        let world = World::new(Plan { groups, ..plan([limit]) });
        let request = from("192.0.2.1");
        assert_eq!(world.denied_by(&request, NOW).is_some(), denied, "{mode:?} {of_group:?}");
    }
}

/// Half of the clients: always the same ones, and both halves are counted.
#[test]
fn a_limit_is_in_force_for_a_share_of_clients() {
    let world = limits([LimitRule::new("a", Quota::per_hour(1)).share(Share::percent(50))]);
    let request = |at: u32| Request::new(IpAddr::V4(core::net::Ipv4Addr::from_bits(at)));
    let mut denied = 0;
    for at in 0..400 {
        assert_eq!(would_deny(&world, &request(at)), 0);
        match world.rule(&request(at), NOW) {
            Ruling::Denied { .. } => denied += 1,
            Ruling::Passes { would_deny: 1, .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((150..250).contains(&denied), "{denied}");
}
