use proptest::prelude::*;
use std::{
    string::{String, ToString},
    vec,
    vec::Vec,
};

use super::{
    super::{
        diagnostic::{Code, Diagnostic, Severity},
        expr::{Atom, Expr, Node, Operand, Test},
        index::{Index, Names},
        list::{Lists, TextSet},
        reference,
        rule::{Action, Rule, RuleMode},
        samples::strategies::{any_expr, any_sample},
        scheme::Scheme,
    },
    fold, pattern,
};
use crate::{
    cidr::CidrSet,
    limit::Share,
    rule::{RuleSet, Type, field::Phase},
    test_support::cases,
};

mod told;

const DENY: Action = Action::Deny { status: 403 };
const ALLOW: Action = Action::Allow { bypass_limits: false, bypass_shedding: false };

fn parsed(text: &str) -> Expr {
    let scheme = Scheme::new().list("office", Type::Ip).list("words", Type::Bytes).limit("logins");
    scheme.parse(text).unwrap()
}

fn lists() -> Lists {
    let mut lists = Lists::new();
    lists.set("office", "192.0.2.0/24".parse::<CidrSet>().unwrap());
    lists.set("words", TextSet::default());
    lists
}

fn lint(rules: &[Rule], lists: &Lists) -> Vec<Diagnostic> {
    let exprs = rules.iter().map(|rule| rule.when.clone()).collect();
    let index = Index::build(exprs, &Names { lists, tags: &[] }).ok().unwrap();
    super::lint(rules, lists, &index)
}

/// Rules named by their numbers.
fn lints(rules: &[(&str, Action)]) -> Vec<Diagnostic> {
    let rules: Vec<Rule> = rules
        .iter()
        .enumerate()
        .map(|(at, (text, action))| Rule::new(&at.to_string(), parsed(text)).then(action.clone()))
        .collect();
    lint(&rules, &lists())
}

/// What is said of one rule, its code, message and help.
fn said(text: &str, action: Action) -> Vec<(Code, String)> {
    let found = lints(&[(text, action)]);
    for lint in &found {
        assert_eq!((lint.severity(), lint.place()), (Severity::Warning, Some("rule \"0\"")));
        assert!(lint.help().is_some());
    }
    found.into_iter().map(|lint| (lint.code, lint.message)).collect()
}

#[test]
fn ordinary_rules_give_no_lints() {
    for text in [
        "path eq \"/a\" or path starts_with \"/b\"",
        "ip.src in $office and not method in {\"GET\" \"HEAD\"}",
        "true",
        "lower(ua) contains \"bot\" and posture ge defend",
        "host matches r\"^(www\\.)?shop\\.example$\"",
        "path matches r\"^/(a|b)/[0-9]+$\"",
        "len(query) gt 100",
        "load gt 5 and load lt 90",
        "ip.src in {10.0.0.0/8 192.0.2.0/24 2001:db8::/32}",
        "raw.path contains \"..\"",
        "path starts_with \"/a\" and path starts_with \"/ab\"",
        "path starts_with \"/ab\" and path starts_with \"/a\"",
        "path ends_with \"a\" and path ends_with \"ba\"",
        "path ends_with \"ba\" and path ends_with \"a\"",
        "load eq 5 and load in {1..3 5..9}",
        "load ge 100",
        "load le 0",
        "load in {100..200}",
        "upper(path) eq \"/ABC\"",
        "lower(substring(path, 0, 3)) eq \"/ab\"",
        "load eq 5 and load in {1..5 7..9}",
    ] {
        assert_eq!(said(text, DENY), [], "{text}");
    }
}

#[test]
fn constant_conditions_are_told_with_their_reason() {
    for (text, message) in [
        ("ssl and not ssl", "the condition never holds: `ssl` and `not ssl` exclude each other"),
        ("ssl or not ssl", "the condition always holds: one of `ssl` and `not ssl` always does"),
        (
            "path eq \"/a\" and path eq \"/b\"",
            "the condition never holds: `path eq \"/a\"` and `path eq \"/b\"` exclude each other",
        ),
        (
            "path ne \"/a\" or path ne \"/b\"",
            "the condition always holds: one of `path ne \"/a\"` and `path ne \"/b\"` always does",
        ),
        (
            "load gt 9 and load lt 9",
            "the condition never holds: `load gt 9` and `load lt 9` exclude each other",
        ),
        ("len(path) lt 0", "the condition never holds, because `len(path) lt 0` never holds"),
        (
            "posture ge normal",
            "the condition always holds, because `posture ge normal` always holds",
        ),
        ("load gt 100", "the condition never holds, because `load gt 100` never holds"),
        (
            "load in {101..200}",
            "the condition never holds, because `load in {101..200}` never holds",
        ),
        ("load in {-5..-1}", "the condition never holds, because `load in {-5..-1}` never holds"),
        (
            "score gt 9223372036854775807",
            "the condition never holds, because `score gt 9223372036854775807` never holds",
        ),
        (
            "upper(path) eq \"/abc\"",
            "the condition never holds, because `upper(path) eq \"/abc\"` never holds",
        ),
        (
            "lower(substring(path, 0, 2)) eq \"/ab\"",
            "the condition never holds, because `lower(substring(path, 0, 2)) eq \"/ab\"` never holds",
        ),
        (
            "lower(path) eq \"/ABC\"",
            "the condition never holds, because `lower(path) eq \"/ABC\"` never holds",
        ),
        (
            "host in {\"Shop.example\"}",
            "the condition never holds, because `host in {\"Shop.example\"}` never holds",
        ),
        (
            "substring(path, 0, 2) eq \"/ab\"",
            "the condition never holds, because `substring(path, 0, 2) eq \"/ab\"` never holds",
        ),
        (
            "cidr(ip.src, 24, 64) eq 192.0.2.1",
            "the condition never holds, because `cidr(ip.src, 24, 64) eq 192.0.2.1` never holds",
        ),
        (
            "path eq \"/a\" and (method eq \"GET\" or len(path) lt 0)",
            "`len(path) lt 0` never holds",
        ),
        (
            "path starts_with \"/a\" and path starts_with \"/b\"",
            "the condition never holds: `path starts_with \"/a\"` and `path starts_with \"/b\"` exclude each other",
        ),
        (
            "path ends_with \"a\" and path ends_with \"b\"",
            "the condition never holds: `path ends_with \"a\"` and `path ends_with \"b\"` exclude each other",
        ),
        (
            "load eq 5 and load in {1..4 6..9}",
            "the condition never holds: `load eq 5` and `load in {1..4 6..9}` exclude each other",
        ),
        (
            "counter(\"logins\") lt 0",
            "the condition never holds, because `counter(\"logins\") lt 0` never holds",
        ),
        (
            "counter(\"logins\") ge 0",
            "the condition always holds, because `counter(\"logins\") ge 0` always holds",
        ),
        ("false", "the condition never holds, because `false` never holds"),
        ("path eq \"/a\" and true", "`true` always holds"),
        (
            "any(lower(headers[\"x\"][*]) contains \"A\")",
            "the condition never holds, because `any(lower(headers[\"x\"][*]) contains \"A\")` never holds",
        ),
    ] {
        assert_eq!(said(text, DENY), [(Code::Constant, message.to_string())], "{text}");
    }
}

#[test]
fn each_kind_of_doubt_is_found() {
    for (text, action, code) in [
        ("path matches \"admin\"", DENY, Code::LiteralRegex),
        ("path matches r\"^/a\\.php$\"", DENY, Code::LiteralRegex),
        ("host matches r\"shop\\.example\"", DENY, Code::UnanchoredHost),
        ("host matches r\"^shop$|other\"", DENY, Code::UnanchoredHost),
        ("header[\"Host\"] matches \"(?i)^shop\"", DENY, Code::UnanchoredHost),
        ("path in $words", DENY, Code::EmptyList),
        ("path eq \"/a\" and not path in $words", DENY, Code::EmptyList),
        ("not ip.src in $office", DENY, Code::NotIndexed),
        ("path eq \"/a\" or score gt 5", DENY, Code::NotIndexed),
        ("ip.src in {10.0.0.0/8 192.0.2.1 10.1.0.0/16}", DENY, Code::ShadowedNet),
        ("ip.src in {10.0.0.1..10.0.0.9 10.0.0.2}", ALLOW, Code::ShadowedNet),
        ("ip.src in {0.0.0.0/0}", DENY, Code::EveryAddress),
        ("ip.src in {::/0} and path eq \"/a\"", DENY, Code::EveryAddress),
        ("raw.path starts_with \"/static\"", ALLOW, Code::RawInAllow),
        ("path eq \"/a\" and lower(raw.host) eq \"a\"", ALLOW, Code::RawInAllow),
    ] {
        let said = said(text, action);
        assert_eq!(
            said.iter().map(|(code, _)| *code).collect::<Vec<_>>(),
            [code],
            "{text}: {said:?}"
        );
    }
    for (text, action) in [
        ("ip.src in {0.0.0.0/0}", ALLOW),
        ("path eq \"/a\" and not raw.path contains \"..\"", ALLOW),
        ("path eq \"/a\" and not ip.src in {::/0}", DENY),
    ] {
        assert_eq!(said(text, action), [], "{text}");
    }
}

#[test]
fn later_rules_are_unreachable_only_if_an_earlier_one_ends_all_they_could_hold_for() {
    let unreachable = |first: (&str, Action), second: &str| {
        let found = lints(&[first, (second, DENY)]);
        let of_second = found.into_iter().filter(|lint| lint.place() == Some("rule \"1\""));
        let codes = of_second.map(|lint| lint.code);
        codes.filter(|code| *code != Code::NotIndexed).collect::<Vec<_>>()
    };
    for (first, second) in [
        ("path eq \"/a\"", "path eq \"/a\""),
        ("path eq \"/a\"", "method eq \"GET\" and path eq \"/a\""),
        ("path starts_with \"/a\"", "path starts_with \"/a/b\" and ssl"),
        ("path starts_with \"/a\"", "path in {\"/ab\" \"/a\"}"),
        ("path eq \"/a\" or path eq \"/b\"", "path eq \"/b\" and ssl"),
        ("ip.src in {10.0.0.0/8}", "ip.src in {10.1.0.0/16 10.2.0.1}"),
        ("load ge 5", "load gt 7 and ssl"),
        ("path contains \"a\"", "path eq \"/ab\""),
        ("path contains \"b\"", "path in {\"/ab\" \"/b\"}"),
        ("path ends_with \"b\"", "path eq \"/ab\""),
        ("load in {1..3 5..9}", "load eq 5"),
        ("load in {1..3 5..9}", "load eq 9"),
        ("load ge 5", "load in {5 7}"),
        ("load le 5", "load in {3 5}"),
        ("not path eq \"/a\"", "not path in {\"/a\" \"/b\"}"),
        ("true", "path eq \"/a\""),
    ] {
        assert_eq!(unreachable((first, ALLOW), second), [Code::Unreachable], "{first}; {second}");
        assert_eq!(unreachable((first, Action::Count), second), [], "{first}; {second}");
    }
    for (first, second) in [
        ("path eq \"/a\" and ssl", "path eq \"/a\""),
        ("path starts_with \"/a/b\"", "path starts_with \"/a\""),
        ("path in {\"/a\"}", "path in {\"/a\" \"/b\"}"),
        ("load gt 7", "load gt 5"),
        ("path contains \"x\"", "path eq \"/ab\""),
        ("path ends_with \"c\"", "path eq \"/ab\""),
        ("load in {1..3 5..9}", "load eq 4"),
        ("load in {1..3 5..9}", "load eq 10"),
        ("load ge 5", "load in {4 7}"),
        ("load le 5", "load in {5 6}"),
        ("ip.src in {10.1.0.0/16}", "ip.src in {10.0.0.0/15}"),
        ("ip.src in {10.0.0.0/16}", "ip.src in {10.0.0.0/15}"),
        ("ip.src in {10.1.0.0/16}", "ip.src in {10.0.0.0/8}"),
    ] {
        assert_eq!(unreachable((first, ALLOW), second), [], "{first}; {second}");
    }
}

#[test]
fn what_ends_for_some_only_makes_nothing_unreachable() {
    let first = Rule::new("first", parsed("path eq \"/a\"")).then(ALLOW);
    let second = Rule::new("second", parsed("path eq \"/a\" and ssl")).then(DENY);
    let codes = |first: &Rule| {
        let found = lint(&[first.clone(), second.clone()], &lists());
        found.into_iter().map(|lint| lint.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&first), [Code::Unreachable]);
    for first in [
        Rule { mode: RuleMode::Shadow, ..first.clone() },
        Rule { share: Share::percent(50), ..first.clone() },
        Rule { group: Some("group".into()), ..first.clone() },
    ] {
        assert_eq!(codes(&first), []);
    }
}

#[test]
fn a_rule_that_says_the_same_is_a_duplicate() {
    let found = lints(&[("path eq \"/a\"", DENY), ("ssl", DENY), ("path eq \"/a\"", DENY)]);
    let found: Vec<_> = found.into_iter().filter(|lint| lint.code == Code::DuplicateRule).collect();
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].to_string(),
        "warning[P0607]: the rule says the same as rule \"0\"\n --> rule \"2\"\n  = help: remove one of the two\n"
    );
}

/// Rules of which most end and none covers another, with one part in common; and the last is covered.
#[test]
fn among_many_rules_the_one_that_is_covered_is_found() {
    let rule = |at: usize, rest: &str| {
        let text = std::format!("method eq \"GET\" and path starts_with \"/{at}/\"{rest}");
        Rule::new(&std::format!("{at}{rest}"), parsed(&text)).then(DENY)
    };
    let mut rules: Vec<Rule> = (0..1_500).map(|at| rule(at, "")).collect();
    assert_eq!(lint(&rules, &lists()), []);
    rules.push(rule(1_400, " and ssl"));
    let found = lint(&rules, &lists());
    assert_eq!(found.iter().map(|lint| lint.code).collect::<Vec<_>>(), [Code::Unreachable]);
    assert!(found[0].message.contains("rule \"1400\""), "{}", found[0].message);
}

#[test]
fn literals_are_told_from_patterns() {
    let literal =
        |regex| pattern::as_literal(regex).map(|(test, folded)| std::format!("{test:?} {folded}"));
    for (regex, test) in [
        ("admin", "Contains([97, 100, 109, 105, 110]) false"),
        ("^/a", "StartsWith([47, 97]) false"),
        (r"\.a$", "EndsWith([46, 97]) false"),
        ("^a$", "Eq(Bytes([97])) false"),
        ("^$", "Eq(Bytes([])) false"),
        ("^a.*", "StartsWith([97]) false"),
        (".*a.*", "Contains([97]) false"),
        ("(?i)^A", "StartsWith([97]) true"),
        (r"a\$", "Contains([97, 36]) false"),
        ("(a)$", "EndsWith([97]) false"),
        ("[a]", "Contains([97]) false"),
    ] {
        assert_eq!(literal(regex).as_deref(), Some(test), "{regex}");
    }
    for regex in
        ["", "^", "$", "a.b", "a|b", "a+", r"\d", r"a\", "a{2}", "(?i)", ".*", ".*|a", "(?m)^a"]
    {
        assert_eq!(literal(regex), None, "{regex}");
    }
}

/// One regular expression out of few letters, so that most are near to a literal.
fn any_regex() -> impl Strategy<Value = String> {
    "(\\(\\?i\\))?\\^?(\\.\\*)?([aB]|\\\\\\.|\\\\\\$|\\.){0,3}(\\.\\*)?\\$?"
}

fn atom(test: Test, folded: bool) -> Expr {
    let value = Operand::header("x");
    let operand = if folded { Operand::Lower(value.into()) } else { value };
    Expr(Node::Atom(Atom { operand, test }))
}

proptest! {
    #![proptest_config(cases(300))]

    /// What is called constant is, whatever the request.
    #[test]
    fn constants_are_constant(expr in any_expr(), sample in any_sample()) {
        if let Some(value) = fold::truth(&expr.0) {
            prop_assert_eq!(sample.with_facts(|facts| reference::holds(&expr, facts)), value);
        }
    }

    /// What is implied holds.
    #[test]
    fn implication_is_sound(one in any_expr(), other in any_expr(), sample in any_sample()) {
        let joined = Expr(Node::all(vec![one.0.clone(), other.0.clone()]));
        prop_assert!(fold::implies(&joined.0, &one.0));
        for (one, other) in [(&one, &other), (&other, &one)] {
            if fold::implies(&one.0, &other.0) {
                let [one, other] = [one, other].map(|expr| sample.with_facts(|facts| reference::holds(expr, facts)));
                prop_assert!(!one || other);
            }
        }
    }

    /// What is suggested for a pattern holds for the same values. The values have no line breaks, which
    /// `.` does not stand for.
    #[test]
    fn literals_say_the_same_as_their_patterns(regex in any_regex(), value in "[aAbB.$]{0,5}") {
        let Some((test, folded)) = pattern::as_literal(&regex) else { return Ok(()) };
        let pattern = atom(Test::Matches(regex.as_str().into()), false);
        let literal = atom(test, folded);
        let request = crate::Request::new(None).header("x", &value);
        let lists = Lists::new();
        let both = crate::request::canonical::Canonical::with(&request, |canonical| {
            let facts = super::super::facts::Facts::of(&request, canonical, &lists);
            [&pattern, &literal].map(|expr| reference::holds(expr, &facts))
        });
        prop_assert_eq!(both[0], both[1], "{} {:?}", regex, literal);
    }

    /// Lints never fail, and what is linted is in the order of the rules.
    #[test]
    fn any_rules_can_be_linted(exprs in super::super::samples::strategies::any_exprs(6)) {
        let rules: Vec<Rule> = exprs.into_iter().enumerate().map(|(at, expr)| {
            Rule::new(&at.to_string(), expr).then(if at % 2 == 0 { DENY } else { ALLOW })
        }).collect();
        let found = lint(&rules, &Lists::new());
        prop_assert!(found.is_sorted_by_key(|lint| lint.place.clone()));
    }
}

/// Time that doubles with each level would never end at 60 of them.
#[test]
fn deep_conditions_take_no_longer_than_their_length() {
    let mut text = std::string::String::from("ssl");
    for level in 0..60 {
        let join = if level % 2 == 0 { "and" } else { "or" };
        text = std::format!("({text} {join} path eq \"/{level}\")");
    }
    let when = Scheme::new().parse(&text).unwrap();
    let rules = [
        Rule::new("deep", when.clone()).then(Action::Deny { status: 403 }),
        Rule::new("again", when),
    ];
    assert!(!RuleSet::new(rules, Lists::new()).unwrap().lints().is_empty(), "a duplicate");
}

/// What a response has is in its range or not there at all.
#[test]
fn numbers_of_a_response_have_their_range() {
    let truth = |text: &str| {
        let Expr(node) = Scheme::new().parse_in(text, Phase::Response).unwrap();
        fold::truth(&node)
    };
    for (text, expected) in [
        ("status gt 65535", Some(false)),
        ("status gt 65534", None),
        ("status lt 0", Some(false)),
        ("status ge 0", None),
        ("response.latency_ms lt 0", Some(false)),
        ("response.latency_ms ge 0", None),
        ("response.size lt 0", Some(false)),
        ("response.size le 0", None),
    ] {
        assert_eq!(truth(text), expected, "{text}");
    }
}
