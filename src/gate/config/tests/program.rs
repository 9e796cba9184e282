//! What a program has described below a text: its mistakes, and the text's on top of it.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};
use core::time::Duration;

use crate::{
    Gate, LimitRule, Quota,
    error::BuildProblem,
    rule::{Action, Atom, Ban, Builtin, Expr, Node, Operand, Rule, Scheme, Skip, Test},
};

fn always() -> Expr {
    Scheme::new().parse("true").unwrap()
}

/// A condition that no text can say: its wildcard has too many stars.
fn too_large() -> Expr {
    let pattern: Box<[u8]> = b"*a*b*c*d*e*f*g*h*i*".as_slice().into();
    let test = Test::Wildcard { pattern, strict: true };
    Expr(Node::Atom(Atom { operand: Operand::Builtin(Builtin::Path), test }))
}

const DENY: Action = Action::Deny { status: 403 };
const TEXT: &str = "[[rule]]\nname = 'of the text'\nwhen = 'path eq \"/\"'\nthen = 'deny'\n\
                    [[limit]]\nname = 'limit of the text'\nquota = '5/s'\n";

/// I2: they have no place in the text, whatever stands there.
#[test]
fn mistakes_of_the_program_have_no_place_in_a_text() {
    let rule = |name: &str, action| Rule::new(name, always()).then(action);
    let builder = Gate::builder()
        .rule(rule("", DENY))
        .rule(rule("twice", DENY))
        .rule(rule("twice", DENY))
        .rule(rule("ends", DENY).then(Action::Ban(Ban::new(Duration::from_secs(1)))))
        .rule(rule("fine", Action::Deny { status: 200 }))
        .rule(rule("skips", Action::Skip(Skip::Group("nobody".into()))))
        .limit("\"", Quota::per_second(5))
        .limit("same", Quota::per_second(5))
        .limit("same", Quota::per_second(5))
        .limit_rule(LimitRule::new("free", Quota::per_second(5)).cost(0))
        .limit("much", Quota::per_second(u32::MAX));
    let error = builder.clone().build().unwrap_err();
    let expected: Vec<_> = error.problems().iter().map(BuildProblem::to_string).collect();
    assert_eq!(expected.len(), 9, "{expected:#?}");
    for text in ["", TEXT] {
        for error in [
            builder.clone().build_toml(text).unwrap_err(),
            builder.clone().check_toml(text).unwrap_err(),
        ] {
            let mut found: Vec<_> = error.iter().map(|it| it.message().to_string()).collect();
            assert!(error.iter().all(|it| it.line().is_none() && it.span().is_none()), "{error}");
            let mut expected = expected.clone();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected);
        }
    }
}

/// Those of the text are numbered behind them, and told where they stand.
#[test]
fn mistakes_of_a_text_on_top_of_a_program_are_told_where_they_stand() {
    let builder = Gate::builder()
        .rule(Rule::new("a", always()).then(DENY))
        .limit("b", Quota::per_second(5))
        .limit("c", Quota::per_second(5));
    let much = "\n[[limit]]\nname = 'much'\nquota = '4294967295/s'\n";
    let error = builder.clone().build_toml(&format!("{TEXT}{much}")).unwrap_err();
    let found: Vec<_> = error.iter().map(|it| (it.line(), it.place())).collect();
    assert_eq!(found, [(Some(11), Some("limit \"much\""))], "{error}");
    // Of a fleet's limit, a node's part is too much: with the mistakes of the rest.
    let fleet = "[fleet]\nnodes = 7\nprefix = 'a b'\n[[limit]]\nname = 'x'\nscope = 'fleet'\n\
                 quota = '1_000_000_000/30day'\n";
    let error = builder.build_toml(fleet).unwrap_err();
    let found: Vec<_> = error.iter().map(|it| (it.line(), it.place())).collect();
    assert_eq!(
        found,
        [(Some(3), Some("fleet, prefix")), (Some(7), Some("limit \"x\""))],
        "{error}"
    );
}

/// What is only found when all rules are compiled names the rule.
#[test]
fn a_rule_that_is_too_large_is_told_by_its_name() {
    let builder = || Gate::builder().rule(Rule::new("stars", too_large()).then(DENY));
    for error in [builder().build_toml(TEXT).unwrap_err(), builder().check_toml(TEXT).unwrap_err()]
    {
        let found: Vec<_> = error.iter().map(|it| (it.line(), it.place(), it.message())).collect();
        let expected = "a wildcard of this condition has too many stars";
        assert_eq!(found, [(None, Some("rule \"stars\""), expected)], "{error}");
    }
}

/// What makes no gate makes no candidate either, and is told in the text.
#[test]
fn a_candidate_of_a_text_that_makes_no_gate_is_refused() {
    let gate = Gate::from_toml("").unwrap();
    let text = format!("clients = 0\n{TEXT}");
    let error = gate.set_candidate_toml(&text).unwrap_err();
    let found: Vec<_> = error.iter().map(|it| (it.line(), it.place())).collect();
    assert_eq!(found, vec![(Some(1), Some("clients"))], "{error}");
    assert!(gate.candidate_report().is_none());
    let told: String = Gate::from_toml(&text).unwrap_err().to_string();
    assert_eq!(told, error.to_string(), "as of the gate itself");
}
