//! What cannot be a limit of a fleet, as a program describes it.

use std::{format, string::ToString, vec::Vec};

use super::*;
use crate::{
    Gate,
    error::BuildProblem,
    gate::problems::problems_of,
    limit::remote::{FleetError, FleetSettings, MOST_CLAIMS, OnFailure},
};

fn told(limits: impl IntoIterator<Item = LimitRule>) -> Vec<std::string::String> {
    problems_of(&plan(limits)).iter().map(BuildProblem::to_string).collect()
}

fn of_fleet(quota: &str) -> LimitRule {
    LimitRule::new("x", quota.parse().unwrap()).fleet(OnFailure::Local)
}

#[test]
fn what_cannot_be_a_limit_of_a_fleet_is_told_with_what_can() {
    for (limit, expected) in [
        (
            of_fleet("5/min").count_if(response("status == 404")),
            "count_if asks for the response, by which time a fleet gives nothing back: leave it out, or \
             let each gate count by itself",
        ),
        (
            of_fleet("5/min").distinct(term("path")),
            "distinct counts values that only one gate remembers: leave it out, or let each gate count by \
             itself",
        ),
        (
            of_fleet("5/min").cost_of(term("response.size")),
            "cost asks for the response, by which time a fleet takes nothing more: use a number or a value \
             of the request, or let each gate count by itself",
        ),
        (
            LimitRule::in_flight("x", 5).fleet(OnFailure::Open),
            "in_flight counts what one process serves, whose places nobody would give back if it died: \
             use a quota, or let each gate count by itself",
        ),
        (
            of_fleet("7/day burst 1000000"),
            "quota has more digits than a fleet can count exactly: use a smaller burst, or a count that \
             divides the period better",
        ),
    ] {
        let first = LimitRule::new("first", Quota::per_minute(5));
        assert_eq!(told([first, limit.clone()]), [format!("limit 2, \"x\": {expected}")]);
        // The same limit of one gate's is one.
        let mut plain = plan([limit]);
        plain.limits[0].scope = crate::gate::plan::Scope::Gate;
        assert_eq!(problems_of(&plain), []);
    }
}

#[test]
fn all_that_is_wrong_with_a_limit_of_a_fleet_is_told_at_once() {
    let odd = of_fleet("7/day burst 1000000")
        .count_if(response("status == 404"))
        .distinct(term("path"))
        .cost_of(term("response.size"));
    let parts: Vec<_> = problems_of(&plan([odd]))
        .into_iter()
        .map(|problem| match problem {
            BuildProblem::LimitPart { part, .. } => part,
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(parts, ["quota", "count_if", "distinct", "cost"]);
}

#[test]
fn what_one_gate_can_count_by_key_and_request_a_fleet_can_too() {
    use crate::{gate::plan::Then, rule::Ban};
    let limit = of_fleet("100/min burst 20")
        .by(terms(&["client", "path"]))
        .when(when("method == \"POST\""))
        .cost_of(term("len(path)"))
        .then(Then::Ban(Ban::new(Duration::from_secs(60))));
    assert_eq!(
        told([limit, LimitRule::new("y", Quota::per_minute(0)).fleet(OnFailure::Closed)]),
        [""; 0]
    );
}

/// What a gate keeps for itself is its part of the quota.
#[test]
fn a_quota_that_only_a_part_of_can_be_kept_is_one_for_many_nodes() {
    let quota = "1_000_000_000/30day";
    let with = |nodes, limit: LimitRule| {
        let fleet = FleetSettings::new().nodes(nodes);
        let problems = problems_of(&Plan { fleet, ..plan([limit]) });
        problems.iter().map(BuildProblem::to_string).collect::<Vec<_>>()
    };
    assert_eq!(with(8, of_fleet(quota)), [""; 0]);
    assert_eq!(
        with(7, of_fleet(quota)),
        [
            "limit 1, \"x\": quota leaves each of 7 nodes 1000000000/210day burst 142857142, which cannot be \
          kept for each client: use a lower rate or a smaller burst"
        ]
    );
    let whole = with(1, of_fleet(quota));
    assert!(
        whole.len() == 1 && whole[0].starts_with("limit 1, \"x\": 1000000000/30day cannot be kept"),
        "{whole:?}"
    );
    assert_eq!(with(1, of_fleet(quota).by([])), [""; 0], "one bucket holds any");
}

#[test]
fn a_store_is_asked_about_so_many_limits_at_once() {
    let limit = |at: usize| LimitRule::new(&format!("{at}"), Quota::per_minute(5));
    let of_fleet = |at| limit(at).fleet(OnFailure::Local);
    let many = |fleet: usize| (0..fleet).map(of_fleet).chain((20..40).map(limit));
    assert_eq!(told(many(MOST_CLAIMS)), [""; 0]);
    assert_eq!(
        told(many(9)),
        [
            "9 limits of a fleet are too many for one request; use at most 8, and let each gate count the \
          others by itself"
        ]
    );
}

#[test]
fn settings_that_cannot_be_are_told_all_of_them() {
    let ms = Duration::from_millis;
    let settings = FleetSettings::new()
        .prefix("my shop")
        .nodes(0)
        .lease(ms(10_001))
        .timeout(Duration::ZERO)
        .keys(1 << 25);
    // Also without a limit of a fleet: nothing that is said is passed over.
    let error = Gate::builder().fleet(settings).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the gate cannot be built:\n\
         - fleet: \"my shop\" cannot begin the names of keys; use up to 64 visible ASCII characters without braces\n\
         - fleet: the number of nodes is 0; use 1 to 1000000\n\
         - fleet: a lease, in milliseconds, is 10001; use 1 to 10000\n\
         - fleet: the timeout, in milliseconds, is 0; use 1 to 10000\n\
         - fleet: the number of keys is 33554432; use 1 to 16777216"
    );
    let first =
        BuildProblem::FleetSettings { error: FleetError::Prefix { prefix: "my shop".into() } };
    assert_eq!(error.problems()[0], first);
    let least = FleetSettings::new().nodes(1).lease(ms(1)).timeout(ms(1)).keys(1);
    let most = FleetSettings::new().nodes(1_000_000).lease(ms(10_000)).timeout(ms(10_000));
    for settings in [least, most.prefix(&"p".repeat(64))] {
        assert!(Gate::builder().fleet(settings).build().is_ok());
    }
}
