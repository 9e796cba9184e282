//! What is told of limits in flight: of their definitions, to explanations and to expressions.

use super::*;

/// What an explanation says of each limit, and in all.
#[test]
fn what_would_be_said_is_told_without_taking_anything() {
    let world = limits([two(), LimitRule::in_flight("b", 1).mode(RuleMode::Shadow)]);
    let request = from(CLIENT);
    let fits = |world: &World| -> Vec<_> {
        let stands = world.explain(&request, NOW).into_iter();
        stands
            .map(|stand| match stand {
                Stand::InFlight { fits, .. } => fits,
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let mut out = Vec::new();
    for (stands, would_deny) in [
        ([Fits::In, Fits::In], Some(0)),
        ([Fits::In, Fits::Not], Some(0b10)),
        ([Fits::Not; 2], None),
    ] {
        for _ in 0..3 {
            assert_eq!(fits(&world), stands);
            match world.foresee(&request, NOW) {
                Ruling::Passes { would_deny: found, .. } => assert_eq!(Some(found), would_deny),
                Ruling::Full { limit: 0, of_all: false, .. } => assert_eq!(would_deny, None),
                other => panic!("{other:?}"),
            }
        }
        out.push(world.rule_and_rest(&request, NOW).1);
    }
}

#[test]
fn expressions_read_what_is_in_flight() {
    let busy = LimitRule::new("busy", Quota::per_hour(0)).when(when("counter(\"a\") >= 2"));
    let shadow = two().mode(RuleMode::Shadow);
    let world = limits([shadow, busy]);
    let lists = Lists::new();
    let in_use = |request: &Request<'_>| {
        Canonical::with(request, |canonical| {
            let facts = Facts::of(request, canonical, &lists);
            let counters = world.limits.at(NOW);
            crate::rule::Counters::in_use(&counters, "a", &facts)
        })
    };
    assert_eq!(in_use(&from(CLIENT)), 0);
    let _all = fill_at_most(&world, &from(CLIENT), 2);
    assert_eq!(
        (in_use(&from(CLIENT)), in_use(&from(OTHER)), in_use(&Request::new(None))),
        (2, 0, 0)
    );
}

/// What makes no sense there is told, each with what would.
#[test]
fn parts_that_need_a_time_or_a_response_are_refused() {
    let told = |limit: LimitRule| -> Vec<std::string::String> {
        problems(&plan([limit])).iter().map(std::string::ToString::to_string).collect()
    };
    assert!(told(two()).is_empty());
    assert!(told(two().cost(3)).is_empty());
    for (limit, text) in [
        (
            two().count_if(response("status == 404")),
            "limit 1, \"a\": count_if asks for the response, and with it the place is given back: \
             leave it out, or use a quota",
        ),
        (
            two().distinct(term("path")),
            "limit 1, \"a\": distinct counts values over a time, and a place is for one request: \
             leave it out, or use a quota",
        ),
        (
            two().cost_of(term("response.size")),
            "limit 1, \"a\": cost asks for the response, and with it the place is given back: use a \
             number",
        ),
        (
            two().then(Then::Ban(Ban::new(Duration::from_secs(1)))),
            "limit 1, \"a\": then bans for many requests in flight, which slow answers make as well as \
             attackers: leave it out, or use a quota",
        ),
    ] {
        assert_eq!(told(limit), [text]);
    }
    assert_eq!(told(two().cost(0)).len(), 1);
}

/// They are settled with those that ask for the response: eight of them together.
#[test]
fn there_are_eight_at_most() {
    let all = |n: usize| -> Vec<LimitRule> {
        let settled = LimitRule::new("s", Quota::per_hour(9)).count_if(response("status == 404"));
        (1..n).map(|at| LimitRule::in_flight(&std::format!("{at}"), 2)).chain([settled]).collect()
    };
    assert!(problems(&plan(all(8))).is_empty());
    assert_eq!(problems(&plan(all(9))), [BuildProblem::TooManySettled { limits: 9, most: 8 }]);
    let world = limits(all(8));
    let pending = world.passes(&from(CLIENT), NOW);
    assert!((0..7).all(|at| in_flight(&world, at, &from(CLIENT)).0 == 1));
    drop(pending);
    assert!((0..7).all(|at| in_flight(&world, at, &from(CLIENT)).0 == 0));
}
