use super::*;
use crate::{
    ClientGroup,
    gate::plan::{Bound, MissingKey, Then},
    limit::Share,
    rule::{Ban, RuleMode},
};

fn limit() -> LimitRule {
    LimitRule::new("a", Quota::per_hour(5)).when(when("method == \"GET\""))
}

fn get() -> Request<'static> {
    from("192.0.2.1").method("GET").target("/")
}

/// What is left after two requests and a change.
fn left_after(change: impl FnOnce(&mut Plan)) -> u32 {
    let mut world = limits([limit()]);
    world.passes(&get(), NOW);
    world.passes(&get(), NOW);
    let mut plan = plan([limit()]);
    change(&mut plan);
    world.reload(plan, NOW);
    world.left(0, &get(), NOW)
}

/// I5: what keeps the buckets, and what does not.
#[test]
fn a_limit_goes_on_as_long_as_its_counts_mean_the_same() {
    assert_eq!(left_after(|_| {}), 3);
    assert_eq!(left_after(|plan| plan.limits[0].share = Share::NONE), 3);
    assert_eq!(left_after(|plan| plan.limits[0].missing = MissingKey::Deny), 3);
    assert_eq!(left_after(|plan| plan.limits[0].group = Some("g".into())), 3);
    assert_eq!(left_after(|plan| plan.limits[0].then = Then::Ban(Ban::new(Duration::MAX))), 3);
    assert_eq!(left_after(|plan| plan.missing_peer = crate::gate::MissingPeer::Shared), 3);
    assert_eq!(left_after(|plan| plan.newcomers = Some(Quota::per_second(1))), 3);
    assert_eq!(
        left_after(|plan| plan.limits.insert(1, LimitRule::new("b", Quota::per_hour(1)).into())),
        3
    );

    assert_eq!(left_after(|plan| plan.limits[0].name = "b".into()), 5);
    assert_eq!(left_after(|plan| plan.limits[0].when = None), 5);
    assert_eq!(left_after(|plan| plan.limits[0].by = terms(&["path"])), 5);
    assert_eq!(left_after(|plan| plan.limits[0].by = terms(&["client", "path"])), 5);
    assert_eq!(left_after(|plan| plan.limits[0].count_if = Some(response("status == 404"))), 5);
    assert_eq!(left_after(|plan| plan.limits[0].cost = crate::gate::plan::Cost::Units(2)), 5);
    assert_eq!(left_after(|plan| plan.limits[0].distinct = Some(term("path"))), 5);
    assert_eq!(left_after(|plan| plan.group = ClientGroup { v4: 24, v6: 64 }), 5);
    assert_eq!(left_after(|plan| plan.clients = Some(2_000)), 5);
}

#[test]
fn another_quota_carries_debts_over() {
    assert_eq!(left_after(|plan| plan.limits[0].bound = Bound::Quota(Quota::per_hour(8))), 6);
    assert_eq!(left_after(|plan| plan.limits[0].bound = Bound::Quota(Quota::per_hour(4))), 2);
    assert_eq!(left_after(|plan| plan.limits[0].bound = Bound::Quota(Quota::per_hour(1))), 0);
    // A second has no place on the ticks of an hour: it starts anew.
    assert_eq!(
        left_after(|plan| plan.limits[0].bound = Bound::Quota(Quota::per_second(1_000_000))),
        1_000_000
    );

    let mut world = limits([LimitRule::new("all", Quota::per_hour(5)).by([])]);
    world.passes(&get(), NOW);
    world.reload(plan([LimitRule::new("all", Quota::per_second(1_000)).by([])]), NOW);
    assert_eq!(world.left(0, &get(), NOW), 999, "one bucket takes any quota");
}

/// A store takes so many changes in a time; what it can not take makes a new one, and never an error.
#[test]
fn a_quota_can_change_as_often_as_it_likes() {
    let mut world = limits([limit()]);
    for n in 1..50 {
        world.passes(&get(), NOW);
        let mut plan = plan([limit()]);
        plan.limits[0].bound = Bound::Quota(Quota::per_hour(5 + n));
        world.reload(plan, NOW);
        assert!(world.left(0, &get(), NOW) >= 4);
    }
}

/// A plan that is refused leaves what runs as it is, its quotas, too.
#[test]
fn a_bad_plan_changes_nothing() {
    let world = limits([limit()]);
    world.passes(&get(), NOW);
    let mut bad = plan([limit(), LimitRule::new("b", Quota::per_second(u32::MAX))]);
    bad.limits[0].bound = Bound::Quota(Quota::per_hour(2));
    assert!(Limits::build(&bad, &[], Some(&world.limits), &mut Seeds::of_chance(), NOW).is_err());
    let standing = match world.explain(&get(), NOW)[0] {
        Stand::Asked(decision) => decision.standing(),
        _ => unreachable!(),
    };
    assert_eq!((standing.limit(), standing.remaining()), (5, 4));
}

#[test]
fn a_promoted_limit_keeps_its_counts() {
    let mut world = limits([limit().mode(RuleMode::Shadow)]);
    assert_eq!(world.how_many(&get(), 9, NOW), 9);
    world.reload(plan([limit()]), NOW);
    assert_eq!(world.denied_by(&get(), NOW), Some(0));
}

/// I3 of what is pending.
#[test]
fn a_response_settles_what_it_was_taken_from() {
    let counted =
        |name: &str| LimitRule::new(name, Quota::per_hour(5)).count_if(response("status == 404"));
    let mut world = limits([counted("first"), counted("a")]);
    let [one, two] = [(); 2].map(|()| world.passes(&get(), NOW));
    world.reload(plan([counted("a"), counted("other")]), NOW);
    assert_eq!((world.left(0, &get(), NOW), world.left(1, &get(), NOW)), (3, 5));
    one.finish(status(404), NOW);
    two.finish(status(200), NOW);
    assert_eq!((world.left(0, &get(), later(1)), world.left(1, &get(), later(1))), (4, 5));
    let pending = world.passes(&get(), later(1));
    world.reload(plan([]), later(1));
    pending.finish(status(200), later(1));
}

/// The one limit that has a short way and the same one among others are the same.
#[test]
fn the_short_way_leads_to_the_same_buckets() {
    let mut world = limits([LimitRule::new("a", Quota::per_hour(5))]);
    world.passes(&get(), NOW);
    world.reload(
        plan([LimitRule::new("a", Quota::per_hour(5)), LimitRule::new("b", Quota::per_hour(9))]),
        NOW,
    );
    world.passes(&get(), NOW);
    world.reload(plan([LimitRule::new("a", Quota::per_hour(5))]), NOW);
    world.passes(&get(), NOW);
    assert_eq!(world.left(0, &get(), NOW), 2);
}

#[test]
fn the_budget_for_newcomers_goes_on() {
    let limit = || LimitRule::new("a", Quota::per_hour(5)).by(terms(&[r#"header["k"]"#]));
    let small = |quota| Plan { clients: Some(1), newcomers: Some(quota), ..plan([limit()]) };
    let mut world = World::new(small(Quota::per_hour(4)));
    let keys: Vec<_> = (0..20).map(|at| std::format!("{at}")).collect();
    let ask = |world: &World, at: usize| {
        world.denied_by(&from("192.0.2.1").header("k", keys[at].as_str()), NOW)
    };
    assert_eq!((0..9).filter(|at| ask(&world, *at).is_none()).count(), 9);
    world.reload(small(Quota::per_hour(3)), NOW);
    assert_eq!((9..20).filter(|at| ask(&world, *at).is_none()).count(), 1, "two of three are owed");
    assert!(world.limits.saturation().unseated.get() >= 12);
}
