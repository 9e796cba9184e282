use std::string::ToString;

use super::*;
use crate::{error::BuildProblem, gate::plan::Then, rule::Ban, test_support::rounds};

fn problems(limits: impl IntoIterator<Item = LimitRule>) -> Vec<std::string::String> {
    match Limits::build(&plan(limits), &[], None, &mut Seeds::of_chance(), NOW) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(BuildProblem::to_string).collect(),
    }
}

#[test]
fn what_cannot_be_a_limit_is_told_with_what_can() {
    let limit = || LimitRule::new("x", Quota::per_minute(5));
    let hour = Duration::from_secs(3_600);
    let text = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    for (limit, expected) in [
        (
            limit().by(terms(&["status"])),
            "by asks for the response, which is not there yet: use count_if or cost for that",
        ),
        (
            limit().distinct(term("response.size")),
            "distinct asks for the response, which is not there yet: use count_if or cost for that",
        ),
        (
            limit().by(terms(&["counter(\"a\")"])),
            "by asks a counter, which would go round in circles: use a field",
        ),
        (
            limit().cost_of(term("counter(\"a\")")),
            "cost asks a counter, which would go round in circles: use a field",
        ),
        (limit().cost(0), "cost is 0, which limits nothing: use at least 1"),
        (
            limit().cost_of(term("path")),
            "cost is not a whole number: use a number, or a field that is one",
        ),
        (
            limit().when(response("status == 404")),
            "when asks for the response, which is not there yet: use count_if for that",
        ),
        (
            limit().then(Then::Ban(Ban::new(Duration::ZERO))),
            "then bans for no time: use a ban of at least 1 ns, and a factor of at least 1",
        ),
        (
            limit().then(Then::Ban(Ban::new(hour).escalate(0))),
            "then bans for no time: use a ban of at least 1 ns, and a factor of at least 1",
        ),
        (
            limit().then(Then::Ban(Ban::new(hour).most(hour / 2))),
            "then bans longer the first time than at most: use a longer max",
        ),
        (
            limit().count_if(response("status in $bad")),
            "count_if looks a value of the response up in a list, and lists are gone by then: write the values out, as in status in {401 403}",
        ),
    ] {
        let first = LimitRule::new("first", Quota::per_minute(5));
        assert_eq!(problems([first, limit]), text(&[&std::format!("limit 2, \"x\": {expected}")]));
    }
}

/// What a text can not say, and what is built in a loop can.
#[test]
fn conditions_that_are_too_large_are_refused() {
    use crate::rule::{Expr, build::field};
    let nul = || field::nul().is_true();
    let deep =
        (0..200).fold(nul(), |deep, at| if at % 2 == 0 { deep.and(nul()) } else { deep.or(nul()) });
    let wide = Expr::any((0..5_000).map(|_| nul()));
    let limit = || LimitRule::new("x", Quota::per_minute(5));
    for (limit, part) in [
        (limit().when(deep.clone()), "when is nested too deeply"),
        (limit().count_if(deep), "count_if is nested too deeply"),
        (limit().when(wide.clone()), "when has too many tests"),
        (limit().count_if(wide), "count_if has too many tests"),
    ] {
        let found = problems([limit]);
        assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let odd =
        LimitRule::new("x", Quota::per_second(u32::MAX)).cost(0).by(terms(&["status", "path"]));
    assert_eq!(problems([odd]).len(), 3);
    let odd = LimitRule::new("x", Quota::per_second(u32::MAX)).by([]);
    assert_eq!(problems([odd]).len(), 0, "one bucket holds any quota");
}

#[test]
fn there_is_room_for_so_many() {
    let limit = |at: usize| LimitRule::new(&std::format!("{at}"), Quota::per_minute(5));
    assert_eq!(problems((0..64).map(limit)).len(), 0);
    assert_eq!(
        problems((0..65).map(limit)),
        ["65 limits are too many for one request; use at most 64"]
    );
    let settled = |at| limit(at).count_if(response("status == 404"));
    assert_eq!(problems((0..8).map(settled)).len(), 0);
    assert!(
        problems((0..9).map(settled))[0]
            .starts_with("9 limits are of requests in flight, or have a count_if")
    );
    let wide = |at: usize, parts: usize| {
        let parts: Vec<_> = (0..parts)
            .map(|part| std::format!("(status == 1 or path == \"/{at}/{part}\")"))
            .collect();
        limit(at).count_if(response(&parts.join(" and ")))
    };
    assert_eq!(problems((0..8).map(|at| wide(at, 8))).len(), 0);
    assert!(problems((0..8).map(|at| wide(at, 9)))[0].contains("ask 72 different things"));
}

/// I4: what traffic comes changes nothing about it.
#[test]
fn memory_is_what_it_was() {
    let limit = |name| LimitRule::new(name, Quota::per_hour(5)).distinct(term("path"));
    let world = limits([limit("a"), limit("b").by(terms(&[r#"header["x"]"#]))]);
    let before = world.limits.memory_bytes();
    assert!(before > 1_000 * 2 * 4 * 11);
    for at in 0..rounds(5_000_u32, 50) {
        let (peer, x) = (core::net::Ipv4Addr::from_bits(at), std::format!("{at}"));
        let request = Request::new(IpAddr::V4(peer)).header("x", &x).target(&x);
        let _ = world.rule(&request, NOW);
    }
    assert_eq!(world.limits.memory_bytes(), before);
}

/// A check of many limits at once: a bit and a place for each.
#[test]
fn all_of_sixty_four_limits_are_charged_or_none() {
    let quota = |at: u32| Quota::per_hour(10 + (at * 37) % 64);
    let names: Vec<_> = (0..64_u32).map(|at| (at, std::format!("{at}"))).collect();
    let world = limits(names.iter().map(|(at, name)| LimitRule::new(name, quota(*at))));
    let request = from("192.0.2.1");
    assert_eq!(world.how_many(&request, 99, NOW), 10);
    assert_eq!(world.denied_by(&request, NOW), Some(0));
    for at in 0..64 {
        assert_eq!(world.left(at, &request, NOW), quota(at as u32).max_burst() - 10);
    }
}

#[test]
fn counters_tell_what_is_in_use() {
    use crate::rule::Counters;
    let world = limits([
        LimitRule::new("a", Quota::per_hour(5)),
        LimitRule::new("b", Quota::per_hour(5)).by(terms(&["path"])).cost(2),
        LimitRule::new("c", Quota::per_hour(9)).by([]),
    ]);
    let in_use = |limit, request: &Request<'_>| {
        world.with(request, |facts| world.limits.at(NOW).in_use(limit, facts))
    };
    let request = from("192.0.2.1").target("/1");
    world.passes(&request, NOW);
    world.passes(&request, NOW);
    world.passes(&from("192.0.2.2").target("/2"), NOW);
    let names = ["a", "b", "c", "d"];
    assert_eq!(names.map(|limit| in_use(limit, &request)), [2, 4, 3, 0]);
    assert_eq!(names.map(|limit| in_use(limit, &from("192.0.2.2").target("/1"))), [1, 4, 3, 0]);
    assert_eq!(names.map(|limit| in_use(limit, &Request::new(None))), [0, 0, 3, 0]);
}

/// What is explained is what a check then says, and takes nothing.
#[test]
fn an_explanation_is_what_a_check_says() {
    let world = limits([
        LimitRule::new("a", Quota::per_hour(3)),
        LimitRule::new("b", Quota::per_hour(2)).by(terms(&["path"])),
        LimitRule::new("c", Quota::per_hour(9)).when(when("method == \"POST\"")),
    ]);
    let request = from("192.0.2.1").target("/1");
    for left in [3, 2, 1] {
        assert_eq!(world.left(0, &request, NOW), left);
        assert_eq!(world.left(0, &request, NOW), left);
        let says: Vec<_> = world
            .explain(&request, NOW)
            .iter()
            .map(|stand| match stand {
                Stand::Asked(decision) => Some(decision.is_admitted()),
                _ => None,
            })
            .collect();
        assert_eq!(says, [Some(true), Some(left > 1), None]);
        let denied = world.denied_by(&request, NOW);
        assert_eq!(denied, (left == 1).then_some(1));
    }
}

/// It travels with every admission.
#[test]
fn what_is_pending_is_small() {
    assert!(size_of::<Pending>() <= 160, "{}", size_of::<Pending>());
}
