//! Limits of requests in flight: who gets a place, and when it comes back.

mod reload;
mod told;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread, vec,
};

use super::*;
use crate::{
    error::BuildProblem,
    gate::{
        MissingPeer,
        limits::{Fits, problems},
        plan::{Bound, MissingKey, Then},
    },
    limit::{OnSaturation, Share},
    rule::{Ban, RuleMode},
    test_support::rounds,
};

const CLIENT: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.2";

fn two() -> LimitRule {
    LimitRule::in_flight("a", 2)
}

/// How many units the request's key has in flight in a limit, and how many it can have.
#[track_caller]
fn in_flight(world: &World, limit: usize, request: &Request<'_>) -> (u32, u32) {
    match world.explain(request, NOW).get(limit) {
        Some(Stand::InFlight { now, .. }) => (now.in_use(), now.limit()),
        other => panic!("{other:?}"),
    }
}

/// Requests that pass, until one does not.
fn fill(world: &World, request: &Request<'_>) -> Vec<Pending> {
    let mut all = Vec::new();
    while let (Ruling::Passes { .. }, pending) = world.rule_and_rest(request, NOW) {
        all.push(pending);
        assert!(all.len() < 100);
    }
    all
}

fn is_full(world: &World, request: &Request<'_>) -> bool {
    matches!(world.rule(request, NOW), Ruling::Full { .. })
}

/// I1: for each key by itself.
#[test]
fn a_key_has_so_many_places_and_no_more() {
    let world = limits([two()]);
    let all = fill(&world, &from(CLIENT));
    assert_eq!(all.len(), 2);
    assert!(matches!(world.rule(&from(CLIENT), NOW), Ruling::Full { limit: 0, of_all: false, .. }));
    assert_eq!(fill(&world, &from(OTHER)).len(), 2);
    assert_eq!(in_flight(&world, 0, &from(CLIENT)), (2, 2));
    assert_eq!(in_flight(&world, 0, &from(OTHER)), (0, 2), "those were dropped");
}

#[test]
fn without_a_key_all_share_the_places() {
    let world = limits([two().by([])]);
    let _all = fill(&world, &from(CLIENT));
    for client in [CLIENT, OTHER] {
        assert!(matches!(
            world.rule(&from(client), NOW),
            Ruling::Full { limit: 0, of_all: true, .. }
        ));
    }
}

/// I2: dropped, finished, or held and dropped.
#[test]
fn a_place_comes_back_once_however_the_request_ends() {
    let world = limits([two()]);
    let request = from(CLIENT);
    let in_use = || in_flight(&world, 0, &request).0;
    for _ in 0..3 {
        let mut all = fill(&world, &request);
        assert_eq!((all.len(), in_use()), (2, 2));
        drop(all.pop());
        assert_eq!(in_use(), 1);
        all.pop().unwrap().finish(status(200), NOW);
        assert_eq!(in_use(), 0);
    }
    let mut pending = world.passes(&request, NOW);
    let hold = pending.hold().unwrap();
    assert!(pending.hold().is_none(), "there is only one to have");
    pending.finish(status(200), NOW);
    assert_eq!(in_use(), 1, "it is held");
    drop(hold);
    assert_eq!(in_use(), 0);
    // The other way round: the places go first.
    let mut pending = world.passes(&request, NOW);
    drop(pending.hold());
    assert_eq!(in_use(), 0);
    drop(pending);
    assert_eq!(in_use(), 0);
}

#[test]
fn a_place_comes_back_when_whoever_has_it_panics() {
    let world = limits([two()]);
    let mut all = fill(&world, &from(CLIENT));
    let (hold, pending) = (all.pop().unwrap().hold(), all.pop());
    let ended = thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let _both = (hold, pending);
            panic!("as tests do");
        });
        worker.join()
    });
    assert!(ended.is_err());
    assert_eq!(in_flight(&world, 0, &from(CLIENT)).0, 0);
}

/// I3, whichever limit denies and wherever it stands.
#[test]
fn what_is_denied_has_taken_no_place_and_no_unit() {
    let request = from(CLIENT).method("GET").target("/");
    // A quota denies: the places are free again.
    let once = || LimitRule::new("b", Quota::per_hour(1));
    for order in [[two(), once()], [once(), two()]] {
        let at = order.iter().position(|limit| *limit == two()).unwrap();
        let world = limits(order);
        drop(world.passes(&request, NOW));
        for _ in 0..5 {
            assert!(
                matches!(world.rule(&request, NOW), Ruling::Denied { limit, .. } if limit != at)
            );
        }
        assert_eq!(in_flight(&world, at, &request).0, 0);
    }
    // A limit in flight denies: neither the other one nor the quota has lost anything.
    let world = limits([
        LimitRule::in_flight("wide", 10),
        LimitRule::new("quota", Quota::per_hour(5)),
        LimitRule::in_flight("narrow", 1).by([]),
    ]);
    let first = world.passes(&request, NOW);
    for _ in 0..5 {
        assert_eq!(world.denied_by(&from(OTHER), NOW), Some(2));
    }
    assert_eq!(in_flight(&world, 0, &from(OTHER)).0, 0);
    assert_eq!(world.left(1, &from(OTHER), NOW), 5);
    drop(first);
    // A part of a key is missing, after a place was taken.
    let keys = LimitRule::new("keys", Quota::per_hour(5)).by(terms(&[r#"header["k"]"#]));
    let world = limits([two(), keys.missing(MissingKey::Deny)]);
    assert!(matches!(world.rule(&request, NOW), Ruling::MissingKey { limit: 1 }));
    assert_eq!(in_flight(&world, 0, &request).0, 0);
    // A key is banned.
    let path = LimitRule::new("keys", Quota::per_hour(0)).by(terms(&["path"]));
    let world = limits([two(), path.then(Then::Ban(Ban::new(Duration::MAX)))]);
    let Ruling::Denied { ban: Some(Sentence { subject, ban }), .. } = world.rule(&request, NOW)
    else {
        panic!("it bans");
    };
    world.bans.ban(subject, ban, &"keys".into(), NOW);
    assert!(matches!(world.rule(&request, NOW), Ruling::Banned { limit: 1, .. }));
    assert_eq!(in_flight(&world, 0, &request).0, 0);
}

#[test]
fn a_limit_in_shadow_takes_places_where_there_are_some_and_denies_nothing() {
    let world = limits([two().mode(RuleMode::Shadow), LimitRule::in_flight("b", 4)]);
    let request = from(CLIENT);
    let mut out = Vec::new();
    for expected in [0, 0, 1, 1] {
        match world.rule_and_rest(&request, NOW) {
            (Ruling::Passes { would_deny, .. }, pending) => {
                assert_eq!(would_deny, expected);
                out.push(pending);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(is_full(&world, &request));
    assert_eq!((in_flight(&world, 0, &request), in_flight(&world, 1, &request)), ((2, 2), (4, 4)));
    out.clear();
    assert_eq!((in_flight(&world, 0, &request), in_flight(&world, 1, &request)), ((0, 2), (0, 4)));
}

#[test]
fn conditions_shares_and_modes_are_as_those_of_other_limits() {
    let world = limits([two().when(when("method == \"POST\""))]);
    let post = from(CLIENT).method("POST").target("/");
    let _all = fill(&world, &post);
    assert!(is_full(&world, &post));
    assert_eq!(world.how_many(&from(CLIENT).method("GET").target("/"), 9, NOW), 9);
    assert_eq!(world.explain(&from(CLIENT).method("GET"), NOW), [Stand::DoesNotApply]);

    let world = limits([two().mode(RuleMode::Off)]);
    assert_eq!(world.how_many(&from(CLIENT), 9, NOW), 9);

    let world = limits([LimitRule::in_flight("a", 0).share(Share::percent(50))]);
    let denied = (0..400_u32).filter(|at| {
        is_full(&world, &Request::new(IpAddr::V4(core::net::Ipv4Addr::from_bits(*at))))
    });
    assert!((150..250).contains(&denied.count()));
}

#[test]
fn a_request_takes_as_many_places_as_it_costs() {
    let world = limits([LimitRule::in_flight("a", 5).cost(2)]);
    let request = from(CLIENT);
    let mut all = fill(&world, &request);
    assert_eq!((all.len(), in_flight(&world, 0, &request)), (2, (4, 5)));
    all.pop();
    assert_eq!(in_flight(&world, 0, &request).0, 2);

    let world = limits([LimitRule::in_flight("a", 5).cost_of(term("http.request.body.size"))]);
    let sized = |size: i64| from(CLIENT).field("http.request.body.size", size);
    let four = world.passes(&sized(4), NOW);
    assert!(is_full(&world, &sized(2)));
    let nothing = world.passes(&sized(0), NOW);
    let one = world.passes(&sized(1), NOW);
    assert!(is_full(&world, &sized(1)));
    drop(nothing);
    assert_eq!(in_flight(&world, 0, &request).0, 5, "nothing was taken, and nothing comes back");
    drop((four, one));
    assert_eq!(in_flight(&world, 0, &request).0, 0);
}

#[test]
fn who_is_not_known_has_no_key() {
    let unknown = Request::new(None);
    let with = |missing_peer| World::new(Plan { missing_peer, ..plan([two()]) });
    let world = with(MissingPeer::Skip);
    assert_eq!(fill_at_most(&world, &unknown, 9).len(), 9);
    assert_eq!(world.explain(&unknown, NOW), [Stand::NoKey]);
    assert_eq!(fill(&with(MissingPeer::Shared), &unknown).len(), 2);

    let by_key = |missing| two().by(terms(&[r#"header["k"]"#])).missing(missing);
    let without = from(CLIENT);
    assert_eq!(fill(&limits([by_key(MissingKey::Group)]), &without).len(), 2);
    assert_eq!(fill_at_most(&limits([by_key(MissingKey::Skip)]), &without, 9).len(), 9);
    let world = limits([by_key(MissingKey::Deny)]);
    assert!(matches!(world.rule(&without, NOW), Ruling::MissingKey { limit: 0 }));
    assert_eq!(fill(&world, &from(CLIENT).header("k", "v")).len(), 2);
}

fn fill_at_most(world: &World, request: &Request<'_>, most: usize) -> Vec<Pending> {
    (0..most).map(|_| world.passes(request, NOW)).collect()
}

/// Bounds: a key is seated only while it has requests in flight, and what finds no seat is refused or
/// passes uncounted.
#[test]
fn keys_beyond_the_table_are_as_saturation_says() {
    let small = |on_saturation| {
        let plan =
            Plan { clients: Some(3), on_saturation, ..plan([two(), LimitRule::in_flight("b", 2)]) };
        World::new(plan)
    };
    let client = |at: u8| Request::new(IpAddr::from([192, 0, 2, at]));
    let world = small(OnSaturation::Deny);
    let mut out: Vec<_> = (0..3).map(|at| world.passes(&client(at), NOW)).collect();
    for _ in 0..3 {
        let ruling = world.rule(&client(9), NOW);
        let Ruling::Saturated { wait } = ruling else { panic!("{ruling:?}") };
        assert_eq!(wait, Duration::from_secs(1));
    }
    assert!(matches!(
        world.explain(&client(9), NOW)[0],
        Stand::InFlight { fits: Fits::Nowhere, .. }
    ));
    drop(world.passes(&client(1), NOW));
    assert_eq!(world.limits.saturation().unseated.get(), 3);
    out.pop();
    drop(world.passes(&client(9), NOW));

    let world = small(OnSaturation::Allow);
    let _out: Vec<_> = (0..3).map(|at| world.passes(&client(at), NOW)).collect();
    assert_eq!(fill_at_most(&world, &client(9), 5).len(), 5);
    assert_eq!(in_flight(&world, 0, &client(9)).0, 0);
    let unseated = world.limits.saturation().unseated.get();
    assert_eq!(unseated, 5, "a request counts once, in however many limits it has no seat");
}

/// With a limit that the response settles: each has its own end.
#[test]
fn what_is_held_is_apart_from_what_is_settled() {
    let failures = LimitRule::new("b", Quota::per_hour(3)).count_if(response("status == 404"));
    let world = limits([failures.clone(), two()]);
    let request = from(CLIENT);
    for (code, left) in [(200, 3), (404, 2)] {
        let mut pending = world.passes(&request, NOW);
        assert_eq!(world.left(0, &request, later(1)), left - u32::from(code == 200));
        let hold = pending.hold().unwrap();
        assert_eq!(std::format!("{hold:?}"), "Hold { limits: 1, .. }");
        pending.finish(status(code), NOW);
        assert_eq!(world.left(0, &request, later(1)), left);
        assert_eq!(in_flight(&world, 1, &request).0, 1);
        drop(hold);
        assert_eq!(in_flight(&world, 1, &request).0, 0);
    }
    assert!(limits([failures]).passes(&request, NOW).hold().is_none(), "nothing is in flight");
    assert!(limits([]).passes(&request, NOW).hold().is_none());
}

#[test]
fn whoever_asks_for_the_size_of_the_response_awaits_it() {
    let quota = || LimitRule::new("b", Quota::per_hour(3).burst(100));
    let awaits = |limit: LimitRule, request: &Request<'_>| {
        limits([two(), limit]).passes(request, NOW).awaits_size()
    };
    let request = from(CLIENT).method("GET").target("/");
    for condition in [
        "response.size > 5",
        "status == 200 and not response.size > 5",
        "path == \"/\" or response.size > 5",
    ] {
        assert!(awaits(quota().count_if(response(condition)), &request), "{condition}");
    }
    assert!(awaits(quota().cost_of(term("response.size")), &request));
    assert!(!awaits(quota().cost_of(term("response.latency_ms")), &request));
    assert!(!awaits(quota().count_if(response("status == 200")), &request));
    assert!(!awaits(quota(), &request));
    let posts = quota().cost_of(term("response.size")).when(when("method == \"POST\""));
    assert!(!awaits(posts, &request), "it does not meet that limit");
    // What is held does not wait for anything.
    let world = limits([two(), quota().cost_of(term("response.size"))]);
    let mut pending = world.passes(&request, NOW);
    let _hold = pending.hold();
    assert!(pending.awaits_size());
}

#[test]
fn a_limit_of_nothing_lets_nothing_in() {
    for limit in [LimitRule::in_flight("a", 0), LimitRule::in_flight("a", 0).by([])] {
        assert!(is_full(&limits([limit]), &from(CLIENT)));
    }
    let plan = plan([two()]);
    assert_eq!(plan.limits[0].bound, Bound::InFlight(2));
}

/// I1 and I2 with threads, and with reloads in between: never more than the larger number, and all come back.
#[test]
fn threads_never_have_more_in_flight_than_the_limit() {
    const MOST: u32 = 3;
    let of = |n| [LimitRule::in_flight("a", n), LimitRule::in_flight("all", 2 * n).by([])];
    let world = limits(of(MOST));
    let clients = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
    let out: [AtomicU32; 3] = Default::default();
    let passed = AtomicU32::new(0);
    thread::scope(|scope| {
        for worker in 0..4 {
            let (world, out, passed) = (&world, &out, &passed);
            scope.spawn(move || {
                for at in 0..rounds(2_000, 12) {
                    let which = (at * 7 + worker) % clients.len();
                    let (ruling, mut pending) = world.rule_and_rest(&from(clients[which]), NOW);
                    if !matches!(ruling, Ruling::Passes { .. }) {
                        continue;
                    }
                    passed.fetch_add(1, Ordering::Relaxed);
                    let now = out[which].fetch_add(1, Ordering::SeqCst);
                    assert!(now < MOST);
                    let all: u32 = out.iter().map(|one| one.load(Ordering::SeqCst)).sum();
                    assert!(all <= 2 * MOST);
                    if at % 3 == 0 {
                        thread::yield_now();
                    }
                    out[which].fetch_sub(1, Ordering::SeqCst);
                    if at % 2 == 0 {
                        let hold = pending.hold();
                        pending.finish(status(200), NOW);
                        drop(hold);
                    }
                }
            });
        }
    });
    assert!(passed.into_inner() > 0);
    for client in clients {
        assert_eq!(in_flight(&world, 0, &from(client)).0, 0);
    }
    assert_eq!(in_flight(&world, 1, &from(CLIENT)).0, 0);
}
