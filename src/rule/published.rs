//! Facts that others have published about operators and prefixes, from the tables in `tests/cases`.

use alloc::{format, vec::Vec};
use core::net::IpAddr;

use super::{Lists, Rule, RuleSet, Scheme, Type, facts::Facts, reference};
use crate::{
    request::{Given, Request, canonical::Canonical},
    test_support::{rounds, rows, unescaped},
};

/// Judges every line, with the compiled rules and with the reference, and tells all that differ.
fn judge(table: &str) -> usize {
    let mut wrong = Vec::new();
    let mut lines = 0;
    for line in rows(table) {
        let [kind, value, condition, expected, origin] = line[..] else {
            panic!("{line:?} is no line of this table")
        };
        lines += 1;
        if lines % rounds(1, 25) != 0 {
            continue;
        }
        let bytes = unescaped(value);
        let (holds, given) = match kind {
            "bytes" => (Type::Bytes, Given::Bytes(&bytes)),
            "int" => (Type::Int, Given::Int(value.parse().unwrap())),
            "ip" => (Type::Ip, Given::Ip(value.parse::<IpAddr>().unwrap())),
            "none" => (Type::Bool, Given::Bool(false)),
            other => panic!("kind {other}"),
        };
        let expr = match Scheme::new().field("value", holds).parse(condition) {
            Ok(expr) => expr,
            Err(error) => {
                wrong.push(format!("{line:?}\n{error}"));
                continue;
            }
        };
        let request = Request::new(None).field("value", given);
        let lists = Lists::new();
        let slow = Canonical::with(&request, |canonical| {
            reference::holds(&expr, &Facts::of(&request, canonical, &lists))
        });
        let rules = RuleSet::new([Rule::new("it", expr)], lists).unwrap();
        let fast = rules.first_match(&request).is_some();
        if [slow, fast] != [expected == "yes"; 2] {
            wrong.push(format!("{origin}: {line:?} (slow {slow}, fast {fast})"));
        }
    }
    assert!(wrong.is_empty(), "{} of {lines}:\n{}", wrong.len(), wrong.join("\n"));
    lines
}

#[test]
fn operators_answer_as_published() {
    assert_eq!(judge(include_str!("../../tests/cases/operators.tsv")), 181);
}

#[test]
fn prefixes_hold_addresses_as_published() {
    assert_eq!(judge(include_str!("../../tests/cases/addresses.tsv")), 889);
}

/// Arguments are as they came; decoded names are asked for.
#[test]
fn an_argument_is_found_however_it_is_written() {
    let holds = |condition: &str, target: &str| {
        let rule = Rule::new("it", Scheme::new().parse(condition).unwrap());
        let rules = RuleSet::new([rule], Lists::new()).unwrap();
        rules.first_match(&Request::new(None).target(target)).is_some()
    };
    let decoded = "any(url_decode(args.names[*]) eq \"cmd\")";
    assert!(
        holds("exists(arg[\"cmd\"])", "/?cmd=1") && !holds("exists(arg[\"cmd\"])", "/?%63md=1")
    );
    assert!(
        holds(decoded, "/?a&cmd=1")
            && holds(decoded, "/?a=b&%63md=1")
            && !holds(decoded, "/?a=cmd")
    );
}
