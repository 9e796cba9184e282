//! What a gate reads of a target and a host is there, wherever it is asked for.

use std::{format, vec::Vec};

use super::{NOW, address, rules::rule};
use crate::{
    gate::{Gate, GateBuilder, LimitRule, Outcome},
    quota::Quota,
    request::Request,
    rule::{Action, Expr, Rule, Scheme, Term},
};

const DENY: Action = Action::Deny { status: 403 };

/// Each with a condition that holds for the first request and not for the second, which are alike otherwise.
const FIELDS: [(&str, &str, [&str; 2], [&str; 2]); 7] = [
    ("path", r#"path eq "/a""#, ["/a?q", "/b?q"], ["h", "h"]),
    ("path", r#"path eq "/a""#, ["/%61?q", "/%62?q"], ["h", "h"]),
    ("raw.path", r#"raw.path eq "/%61""#, ["/%61", "/a"], ["h", "h"]),
    ("query", r#"query eq "a""#, ["/?a", "/?b"], ["h", "h"]),
    ("arg[\"a\"]", r#"arg["a"] eq "1""#, ["/?a=1", "/?a=2"], ["h", "h"]),
    ("uri.flags.dot_segments", "uri.flags.dot_segments", ["/./a", "/a"], ["h", "h"]),
    ("host", r#"host eq "a.example""#, ["/", "/"], ["A.example", "b.example"]),
];

fn term(text: &str) -> Term {
    Scheme::new().parse_term(text).unwrap()
}

fn expr(text: &str) -> Expr {
    Scheme::new().parse(text).unwrap()
}

fn limit(name: &str) -> LimitRule {
    LimitRule::new(name, Quota::per_day(1))
}

fn build(gate: GateBuilder) -> Gate {
    gate.build().unwrap()
}

/// Asks twice with each of two requests, and says which were admitted.
fn admitted(gate: &Gate, targets: [&str; 2], hosts: [&str; 2]) -> Vec<bool> {
    let ask = |(target, host)| {
        let request = Request::new(address("192.0.2.1")).target(target).host(host);
        match gate.check(&request, NOW).into_result() {
            Ok(admission) => {
                gate.finish(admission, Outcome::status(200), NOW);
                true
            }
            Err(_) => false,
        }
    };
    let both = targets.into_iter().zip(hosts);
    both.clone().chain(both).map(ask).collect()
}

#[test]
fn a_check_reads_all_that_rules_and_limits_and_candidates_ask_for() {
    for (field, holds, targets, hosts) in FIELDS {
        let said = |gate: GateBuilder| admitted(&build(gate), targets, hosts);
        let ruled = said(Gate::builder().rule(rule("r", holds, [DENY])));
        assert_eq!(ruled, [false, true, false, true], "{field}, a rule");

        let condition = said(Gate::builder().limit_rule(limit("l").when(expr(holds))));
        assert_eq!(condition, [true, true, false, true], "{field}, a condition of a limit");

        let key = said(Gate::builder().limit_rule(limit("l").by([term(field)])));
        assert_eq!(key, [true, true, false, false], "{field}, a key");

        // Two values use it up; one value that is seen again would not.
        let distinct = LimitRule::new("l", Quota::per_day(2)).distinct(term(field));
        let distinct = said(Gate::builder().limit_rule(distinct));
        assert_eq!(distinct, [true, true, false, false], "{field}, distinct values");

        let counts = format!("({holds}) and status eq 200");
        let counted = limit("l").count_if(Scheme::new().parse_response(&counts).unwrap());
        let counted = said(Gate::builder().limit_rule(counted));
        assert_eq!(counted, [true, false, false, false], "{field}, what counts");

        let gate = build(Gate::builder());
        gate.set_candidate([rule("r", holds, [DENY])]).unwrap();
        admitted(&gate, targets, hosts);
        let report = gate.candidate_report().unwrap();
        assert_eq!((report.would_deny(), report.agree()), (2, 2), "{field}, a candidate");
        assert!(report.samples()[0].path().starts_with('/'), "{field}, a sample");
    }
}

/// A counter counts by whatever its limit does.
#[test]
fn a_rule_that_asks_what_a_limit_counts_finds_its_key() {
    for (field, _, targets, hosts) in FIELDS {
        let counted = LimitRule::new("l", Quota::per_day(10)).by([term(field)]);
        let full = Scheme::new().limit("l").parse(r#"counter("l") ge 1"#).unwrap();
        let full = Rule::new("full", full).then(DENY);
        let gate = build(Gate::builder().limit_rule(counted).rule(full));
        assert_eq!(admitted(&gate, targets, hosts), [true, true, false, false], "{field}");
    }
}
