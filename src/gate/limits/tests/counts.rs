use std::{sync::Barrier, thread};

use super::*;
use crate::{gate::plan::Then, rule::Ban, test_support::rounds};

fn logins() -> LimitRule {
    LimitRule::new("login failures", Quota::per_minute(5))
        .when(when(r#"method == "POST" and path == "/login""#))
        .count_if(response("status in {401 403}"))
}

fn login(peer: &'static str) -> Request<'static> {
    from(peer).method("POST").target("/login")
}

#[test]
fn only_requests_of_which_the_condition_holds_meet_a_limit() {
    let world = limits([
        LimitRule::new("posts", Quota::per_hour(1)).when(when(r#"method == "POST""#)),
        LimitRule::new("a", Quota::per_hour(2)).when(when(r#"path starts_with "/a""#)),
        LimitRule::new("never", Quota::per_hour(0)).when(when("client.known and not client.known")),
        LimitRule::new("all", Quota::per_hour(4)),
    ]);
    let request = |method, path| from("192.0.2.1").method(method).target(path);
    assert_eq!(world.how_many(&request("GET", "/"), 1, NOW), 1);
    assert_eq!(world.denied_by(&request("POST", "/a"), NOW), None);
    assert_eq!(world.denied_by(&request("POST", "/"), NOW), Some(0));
    assert_eq!(world.denied_by(&request("GET", "/ab"), NOW), None);
    assert_eq!(world.denied_by(&request("GET", "/a"), NOW), Some(1));
    assert_eq!(world.denied_by(&request("GET", "/"), NOW), None);
    assert_eq!(world.denied_by(&request("GET", "/"), NOW), Some(3), "denials took nothing");
}

#[test]
fn a_unit_is_given_back_when_the_response_does_not_count() {
    let world = limits([logins()]);
    let request = login("192.0.2.1");
    for _ in 0..100 {
        world.passes(&request, NOW).finish(status(200), NOW);
    }
    for _ in 0..4 {
        world.passes(&request, NOW).finish(status(401), NOW);
    }
    assert_eq!(world.left(0, &request, later(1)), 1);
    drop(world.passes(&request, later(1)));
    assert_eq!(world.denied_by(&request, later(1)), Some(0), "an unknown response keeps its unit");
    assert_eq!(world.how_many(&from("192.0.2.1"), 9, NOW), 9, "other requests do not meet it");
}

/// I1 of what is pending: a thousand at once are not more than five.
#[test]
fn a_thousand_parallel_logins_do_not_slip_through_a_limit_of_five() {
    const THREADS: usize = rounds(20, 4);
    let world = limits([logins()]);
    let (start, all_are_in) = (Barrier::new(THREADS), Barrier::new(THREADS));
    let passed: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let request = login("192.0.2.1");
                    let mut inside = Vec::new();
                    for _ in 0..rounds(1_000, 32) / THREADS {
                        if let (Ruling::Passes { .. }, pending) = world.rule_and_rest(&request, NOW)
                        {
                            inside.push(pending);
                        }
                    }
                    all_are_in.wait();
                    let passed = inside.len();
                    inside.into_iter().for_each(|pending| pending.finish(status(200), NOW));
                    passed
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(passed, 5);
    assert_eq!(world.left(0, &login("192.0.2.1"), later(1)), 5, "they all succeeded");
}

#[test]
fn a_response_is_judged_with_what_was_known_of_the_request() {
    let text = r#"(status == 404 and not path starts_with "/a") or
        (method == "POST" xor response.size > 100) and response.latency_ms in {1..5 9}"#;
    let expr = response(text);
    for status in [200, 404] {
        for (size, latency_ms) in
            [(None, None), (Some(100), Some(5)), (Some(101), Some(9)), (Some(101), Some(6))]
        {
            let answer = Answer { status, size, latency_ms };
            for (method, path) in [("POST", "/a"), ("GET", "/a"), ("POST", "/"), ("GET", "/")] {
                let world =
                    limits([LimitRule::new("a", Quota::per_hour(1)).count_if(expr.clone())]);
                let request = from("192.0.2.1").method(method).target(path);
                let counts = world.with(&request, |facts| {
                    let lists = Lists::new();
                    let whole = Facts {
                        answer: Some(answer),
                        ..Facts::of(&request, facts.canonical, &lists)
                    };
                    crate::rule::reference::holds(&expr, &whole)
                });
                world.passes(&request, NOW).finish(answer, NOW);
                let left = world.left(0, &request, later(1));
                assert_eq!(left, u32::from(!counts), "{answer:?} to {method} {path}");
            }
        }
    }
}

#[test]
fn a_cost_is_a_number_or_a_number_of_the_request() {
    let world = limits([
        LimitRule::new("a", Quota::per_hour(10)).cost(4),
        LimitRule::new("b", Quota::per_hour(100)).cost_of(term("http.request.body.size")),
    ]);
    let sized = |size: i64| from("192.0.2.1").field("http.request.body.size", size);
    world.passes(&sized(70), NOW);
    assert_eq!((world.left(0, &sized(0), NOW), world.left(1, &sized(0), NOW)), (6, 30));
    assert_eq!(world.denied_by(&sized(31), NOW), Some(1));
    assert_eq!(world.left(0, &sized(0), NOW), 6, "all or none");
    world.passes(&sized(-5), NOW);
    assert_eq!((world.left(0, &sized(0), NOW), world.left(1, &sized(0), NOW)), (2, 30));
    assert_eq!(world.denied_by(&sized(30), NOW), Some(0));

    let alone = limits([LimitRule::new("b", Quota::per_hour(100)).cost_of(term("body.size"))]);
    world.passes(&from("192.0.2.9"), NOW);
    assert_eq!(world.left(1, &from("192.0.2.9"), NOW), 99, "one, if it is not said");
    let huge = denial(&alone.rule(&sized(i64::MAX), NOW)).unwrap();
    assert_eq!(huge.standing().retry_after(), Duration::MAX, "no wait helps");
}

#[test]
fn what_a_response_costs_is_settled_afterwards() {
    for by in [&["client"][..], &[]] {
        let limit = LimitRule::new("a", Quota::per_second(10)).by(terms(by));
        let world = limits([limit.cost_of(term("response.latency_ms"))]);
        let request = from("192.0.2.1");
        let cost = |cost| Answer { status: 200, latency_ms: cost, size: None };
        let pending = world.passes(&request, NOW);
        assert_eq!(world.left(0, &request, NOW), 9, "one until it is known");
        pending.finish(cost(Some(4)), NOW);
        assert_eq!(world.left(0, &request, NOW), 6);
        world.passes(&request, NOW).finish(cost(None), NOW);
        assert_eq!(world.left(0, &request, NOW), 5, "not known");
        for free in [0, -3] {
            world.passes(&request, NOW).finish(cost(Some(free)), NOW);
            let soon = NOW.saturating_add(Duration::from_millis(1));
            assert_eq!(world.left(0, &request, soon), 5);
        }
        world.passes(&request, NOW).finish(cost(Some(i64::MAX)), NOW);
        // Ten are owed beyond an empty bucket, as many as its burst.
        let after = |millis| NOW.saturating_add(Duration::from_millis(millis));
        assert_eq!(world.denied_by(&request, after(1_090)), Some(0));
        let paid = after(1_101);
        assert_eq!(world.denied_by(&request, paid), None);
        assert_eq!(world.denied_by(&request, paid), Some(0));
    }
}

/// Every kind of test that there is of a number.
#[test]
fn tests_of_a_response_are_those_of_the_language() {
    for test in [
        "status == 404",
        "status != 404",
        "status < 404",
        "status <= 404",
        "status > 404",
        "status >= 404",
        "status in {200..299 404}",
        "not status in {404}",
        "status & 4",
        "exists(status)",
        "exists(response.size)",
        "response.size < 5",
        "not exists(response.size)",
        "status > 100 and status < 404",
    ] {
        let expr = response(test);
        let world = limits([LimitRule::new("a", Quota::per_hour(1)).count_if(expr.clone())]);
        for (at, code) in (1_u32..).zip([0, 200, 299, 300, 403, 404, 405, 599, u16::MAX]) {
            let request = Request::new(IpAddr::V4(core::net::Ipv4Addr::from_bits(at)));
            let counts = world.with(&request, |facts| {
                let lists = Lists::new();
                let whole = Facts {
                    answer: Some(status(code)),
                    ..Facts::of(&request, facts.canonical, &lists)
                };
                crate::rule::reference::holds(&expr, &whole)
            });
            // Time goes on, and never back by the second that looking takes.
            let now = later(u64::from(at).saturating_mul(10));
            world.passes(&request, now).finish(status(code), now);
            let left = world.left(0, &request, now.saturating_add(Duration::from_secs(1)));
            assert_eq!(left, u32::from(!counts), "{test} of {code}");
        }
    }
}

/// Who was judged by its network gets that unit back, and not its own.
#[test]
fn what_a_network_lent_it_gets_back() {
    let plan = Plan {
        clients: Some(1),
        ..plan([LimitRule::new("a", Quota::per_hour(2)).count_if(response("status == 404"))])
    };
    let world = World::new(plan);
    let request = |at: u32| Request::new(IpAddr::V4(core::net::Ipv4Addr::from_bits(at)));
    for at in 0..7 {
        drop(world.passes(&request(at), NOW));
    }
    for _ in 0..5 {
        world.passes(&request(8), NOW).finish(status(200), NOW);
    }
    let now = later(5);
    let (one, other) = (world.passes(&request(9), now), world.passes(&request(10), now));
    assert_eq!(world.denied_by(&request(11), now), Some(usize::MAX));
    one.finish(status(404), now);
    other.finish(status(200), now);
    drop(world.passes(&request(11), later(10)));
    assert_eq!(world.denied_by(&request(12), later(10)), Some(usize::MAX));
}

/// I7 of limits: what is in flight is denied to others, and bans nobody; what has counted does.
#[test]
fn only_responses_that_have_counted_ban() {
    let ban = Ban::new(Duration::from_secs(600));
    for by in [&["client"][..], &["client", "path"], &[]] {
        let world = limits([logins().by(terms(by)).then(Then::Ban(ban))]);
        let request = login("192.0.2.1");
        let bans = |now| match world.rule(&request, now) {
            Ruling::Denied { limit: 0, ban, .. } => ban.is_some(),
            other => panic!("{other:?}"),
        };
        // Five at once, and none of them has failed yet.
        let in_flight: Vec<_> = (0..5).map(|_| world.passes(&request, NOW)).collect();
        assert!(!bans(NOW), "{by:?}");
        // One fails, four are well: four more may come, and what is one too many is throttled only.
        for (number, pending) in in_flight.into_iter().enumerate() {
            pending.finish(status(if number == 0 { 401 } else { 200 }), NOW);
        }
        let in_flight: Vec<_> = (0..4).map(|_| world.passes(&request, later(1))).collect();
        assert!(!bans(later(1)), "{by:?}");
        for pending in in_flight {
            pending.finish(status(401), later(1));
        }
        // Now five have failed.
        assert!(bans(later(1)), "{by:?}");
        // As time goes by, that is forgotten as it is in the limit itself.
        drop(world.passes(&request, later(13)));
        assert!(!bans(later(13)), "what is not known is no failure: four of five are");
        let in_flight: Vec<_> = (0..5).map(|_| world.passes(&request, later(200))).collect();
        assert!(!bans(later(200)), "{by:?}");
        drop(in_flight);
    }
}

/// More units than there are can not be counted one by one: what is left is taken.
#[test]
fn what_costs_more_than_is_left_has_used_it_up() {
    let ban = Ban::new(Duration::from_secs(600));
    let limit = logins().cost(2).then(Then::Ban(ban));
    let world = limits([limit]);
    let request = login("192.0.2.1");
    for _ in 0..2 {
        world.passes(&request, NOW).finish(status(401), NOW);
    }
    let Ruling::Denied { ban, .. } = world.rule(&request, NOW) else { panic!() };
    assert!(ban.is_some());
    // What no bucket can hold is refused for that, and bans nobody who has done nothing.
    let world = limits([logins().cost(6).then(Then::Ban(Ban::new(Duration::from_secs(1))))]);
    let Ruling::Denied { ban, .. } = world.rule(&request, NOW) else { panic!() };
    assert!(ban.is_none());
}

/// Where a request says itself what it costs, who asks for much at once is not banned for what one failure has taken.
#[test]
fn what_a_request_asks_for_is_no_failure() {
    let ban = Ban::new(Duration::from_secs(600));
    let limit = logins().cost_of(term("http.request.body.size")).then(Then::Ban(ban));
    let world = limits([limit]);
    let of = |size: i64| login("192.0.2.1").field("http.request.body.size", size);
    let banned = |size| match world.rule(&of(size), NOW) {
        Ruling::Denied { ban, .. } => ban.is_some(),
        other => panic!("{other:?}"),
    };
    world.passes(&of(1), NOW).finish(status(401), NOW);
    assert!(!banned(5) && !banned(1_000_000));
    for _ in 0..4 {
        world.passes(&of(1), NOW).finish(status(401), NOW);
    }
    assert!(banned(1));
}

/// What one limit waits for, as the size of a body that its client does not read, delays no ban of another.
#[test]
fn the_head_of_a_response_is_enough_for_what_asks_for_no_more() {
    let ban = Ban::new(Duration::from_secs(600));
    let world = limits([
        logins().then(Then::Ban(ban)),
        LimitRule::new("bytes", Quota::per_minute(1_000)).cost_of(term("response.size")),
    ]);
    let request = login("192.0.2.1");
    let unread: Vec<_> = (0..5)
        .map(|_| {
            let mut pending = world.passes(&request, NOW);
            assert!(pending.awaits_size());
            pending.finish_head(&status(401), NOW);
            pending
        })
        .collect();
    let Ruling::Denied { limit: 0, ban: Some(_), .. } = world.rule(&request, NOW) else { panic!() };
    // The rest is settled at the end, and the failure no second time.
    assert_eq!(world.left(1, &request, NOW), 995);
    for pending in unread {
        pending.finish(Answer { size: Some(100), ..status(401) }, NOW);
    }
    assert_eq!(world.left(1, &request, NOW), 500);
    assert_eq!(world.left(0, &request, later(13)), 1, "five units of five, and one is back");
}

/// With another quota, what has counted goes on like everything else.
#[test]
fn what_has_counted_survives_another_quota() {
    let ban = Then::Ban(Ban::new(Duration::from_secs(600)));
    let mut world = limits([logins().then(ban)]);
    let request = login("192.0.2.1");
    for _ in 0..5 {
        world.passes(&request, NOW).finish(status(401), NOW);
    }
    let slower = LimitRule::new("login failures", Quota::per_minute(6).burst(5));
    let slower = slower
        .when(when(r#"method == "POST" and path == "/login""#))
        .count_if(response("status in {401 403}"));
    world.reload(plan([slower.then(ban)]), later(1));
    let Ruling::Denied { ban, .. } = world.rule(&request, later(1)) else { panic!() };
    assert!(ban.is_some());
}
