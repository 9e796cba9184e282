//! What is seldom described, and seldom met.

use std::{boxed::Box, string::ToString as _};

use super::*;
use crate::{
    error::BuildProblem,
    gate::{
        MissingPeer,
        plan::{Bound, MissingKey, Then},
    },
    rule::{Atom, Ban, Builtin, Node, Operand, RuleMode, Test},
};

fn would_deny(ruling: &Ruling) -> bool {
    match ruling {
        Ruling::Passes { would_deny, .. } => *would_deny != 0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_limit_that_no_request_meets_denies_none() {
    let world = limits([LimitRule::new("a", Quota::per_hour(0)).when(when("false"))]);
    assert_eq!(world.how_many(&from("192.0.2.1"), 9, NOW), 9);
    assert_eq!(world.explain(&from("192.0.2.1"), NOW), [Stand::DoesNotApply]);
    let world = limits([LimitRule::new("a", Quota::per_hour(2)).when(when("true"))]);
    assert_eq!(world.how_many(&from("192.0.2.1"), 9, NOW), 2);
}

/// What is only found when all conditions are compiled names the limit and the part.
#[test]
fn conditions_that_cannot_be_compiled_are_told_with_their_limit() {
    let stars = || {
        let pattern: Box<[u8]> = b"*a*b*c*d*e*f*g*h*i*".as_slice().into();
        let test = Test::Wildcard { pattern, strict: true };
        Node::Atom(Atom { operand: Operand::Builtin(Builtin::Path), test })
    };
    let counted = Node::all([response("status == 404").0, stars()].into());
    let fine = || LimitRule::new("fine", Quota::per_hour(1)).when(when("ssl"));
    let limit = || LimitRule::new("x", Quota::per_hour(1));
    for (limit, part) in
        [(limit().when(Expr(stars())), "when"), (limit().count_if(Expr(counted)), "count_if")]
    {
        let built = Limits::build(&plan([fine(), limit]), &[], None, &mut Seeds::of_chance(), NOW);
        let problems = built.err().unwrap();
        let found: Vec<_> = problems.iter().map(BuildProblem::to_string).collect();
        let why = "is too much: a wildcard of this condition has too many stars";
        assert_eq!(found, [std::format!("limit 2, \"x\": {part} {why}")]);
    }
}

/// Numbers that no response can have.
#[test]
fn responses_that_never_are_so_do_not_count() {
    for (condition, counts) in [
        ("status lt -9223372036854775808", false),
        ("status gt 9223372036854775807", false),
        ("not status gt 9223372036854775807", true),
        ("status ge -9223372036854775808", true),
        ("status le 9223372036854775807", true),
    ] {
        let limit = LimitRule::new("a", Quota::per_hour(5)).count_if(response(condition));
        let world = limits([limit]);
        let request = from("192.0.2.1");
        world.passes(&request, NOW).finish(status(404), NOW);
        assert_eq!(world.left(0, &request, later(1)), if counts { 4 } else { 5 }, "{condition}");
    }
}

/// Everything is counted together, and each value once.
#[test]
fn distinct_values_are_counted_of_everything_together() {
    let limit = || LimitRule::new("a", Quota::per_hour(2)).by([]).distinct(term("path"));
    let mut world = limits([limit()]);
    let ask =
        |world: &World, peer: &str, path| world.denied_by(&from(peer).target(path), NOW).is_none();
    for peer in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
        assert!(ask(&world, peer, "/1"));
    }
    assert_eq!(world.left(0, &from("192.0.2.3").target("/1"), NOW), 1);
    world.reload(plan([limit()]), NOW);
    assert!(ask(&world, "192.0.2.4", "/1") && ask(&world, "192.0.2.5", "/2"));
    assert!(!ask(&world, "192.0.2.1", "/3") && !ask(&world, "192.0.2.1", "/1"));
    // With room for another number of keys it remembers other values.
    world.reload(Plan { clients: Some(2_000), ..plan([limit()]) }, NOW);
    assert!(ask(&world, "192.0.2.1", "/3"));
}

/// What is foreseen is what a check then says, and nobody is denied.
#[test]
fn a_limit_in_shadow_says_what_it_would_in_every_way() {
    let shadow = |limit: LimitRule| limits([limit.mode(RuleMode::Shadow)]);
    let limit = || LimitRule::new("a", Quota::per_hour(2));
    let both = |world: &World, request: &Request<'_>| {
        let foreseen = [(); 3].map(|()| would_deny(&world.foresee(request, NOW)));
        let said = would_deny(&world.rule(request, NOW));
        assert_eq!(foreseen, [said; 3], "{request:?}");
        said
    };
    // One that lacks a part of its key.
    let key = limit().by(terms(&[r#"header["x"]"#]));
    let world = shadow(key.missing(MissingKey::Deny));
    let request = from("192.0.2.1");
    assert!((0..3).all(|_| both(&world, &request)));
    let keyed = from("192.0.2.1").header("x", "1");
    assert_eq!([(); 3].map(|()| both(&world, &keyed)), [false, false, true]);
    // Values that were counted take nothing, and would be denied when the limit is used up.
    let world = shadow(limit().distinct(term("path")));
    let of = |path| from("192.0.2.1").target(path);
    let asked = ["/1", "/1", "/1", "/2", "/1", "/3"].map(|path| both(&world, &of(path)));
    assert_eq!(asked, [false, false, false, false, true, true]);
    // One without an address has no key.
    assert!(!both(
        &shadow(LimitRule::new("a", Quota::per_hour(0)).by(terms(&["ip.src"]))),
        &Request::new(None)
    ));
}

/// Nobody is banned who is not known, and a network of another address is a key as any.
#[test]
fn who_is_banned_by_an_address_is_the_client() {
    let minute = Then::Ban(Ban::new(Duration::from_secs(60)));
    for by in [&["ip.src"][..], &["cidr(ip.src, 16, 48)"]] {
        let limit = LimitRule::new("a", Quota::per_hour(0)).by(terms(by)).then(minute);
        let world = World::new(Plan { missing_peer: MissingPeer::Shared, ..plan([limit]) });
        assert!(matches!(world.rule(&Request::new(None), NOW), Ruling::Denied { ban: None, .. }));
        let Ruling::Denied { ban: Some(ban), .. } = world.rule(&from("192.0.2.1"), NOW) else {
            panic!("{by:?}")
        };
        assert!(matches!(ban.subject, Subject::Net(_)));
    }
    let scheme = Scheme::new().field("edge", crate::rule::Type::Ip);
    let edge = scheme.parse_term("cidr(edge, 16, 48)").unwrap();
    let world = limits([LimitRule::new("a", Quota::per_hour(1)).by([edge]).then(minute)]);
    let of = |edge: IpAddr| from("192.0.2.1").field("edge", edge);
    world.passes(&of([10, 1, 2, 3].into()), NOW);
    match world.rule(&of([10, 1, 9, 9].into()), NOW) {
        Ruling::Denied { ban: Some(ban), .. } => {
            assert!(matches!(ban.subject, Subject::Key { .. }))
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.denied_by(&of([10, 2, 0, 1].into()), NOW), None, "another network");
}

/// What responses have counted has the quota that the limit has.
#[test]
fn another_quota_is_that_of_bans_by_responses_too() {
    for by in [&[][..], &["path"]] {
        let limit = || {
            let limit = LimitRule::new("a", Quota::per_hour(5)).by(terms(by));
            let limit = limit.count_if(response("status == 404"));
            limit.then(Then::Ban(Ban::new(Duration::from_secs(60))))
        };
        let mut world = limits([limit()]);
        let request = from("192.0.2.1").target("/");
        for _ in 0..3 {
            world.passes(&request, NOW).finish(status(404), NOW);
        }
        let mut less = plan([limit()]);
        less.limits[0].bound = Bound::Quota(Quota::per_hour(3));
        world.reload(less, later(1));
        let ruling = world.rule(&request, later(1));
        assert!(matches!(ruling, Ruling::Denied { ban: Some(_), .. }), "{by:?}: {ruling:?}");
    }
}
