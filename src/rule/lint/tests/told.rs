//! Every doubt as it is told: which part, what is said of it, and what helps.

use std::{string::ToString, vec::Vec};

use super::{ALLOW, DENY, lint, lints, lists, parsed, pattern, said};
use crate::{
    limit::Share,
    rule::{Action, Ban, Code, Rule, RuleMode, Skip},
};

/// A part that is constant is named, and not what stands around it.
#[test]
fn the_smallest_part_is_the_reason() {
    for (text, message) in [
        (
            "not (ssl and not ssl)",
            "the condition always holds: `ssl` and `not ssl` exclude each other",
        ),
        (
            "path eq \"/a\" or posture ge normal",
            "the condition always holds, because `posture ge normal` always holds",
        ),
        (
            "path eq \"/a\" and load gt 100",
            "the condition never holds, because `load gt 100` never holds",
        ),
        (
            "path eq \"/a\" and (ssl or load gt 100) and (load gt 100 or load lt 0)",
            "the condition never holds, because `load gt 100 or load lt 0` never holds",
        ),
        (
            "posture ge normal and sample(1)",
            "the condition always holds, because `posture ge normal and sample(1)` always holds",
        ),
        (
            "path eq \"/a\" or ssl and not ssl",
            "`ssl and not ssl` never holds: `ssl` and `not ssl` exclude each other",
        ),
        (
            "path eq \"/a\" and (ssl or not ssl)",
            "`ssl or not ssl` always holds: one of `ssl` and `not ssl` always does",
        ),
        ("path eq \"/b\" and not (path eq \"/a\" and sample(1))", "`sample(1)` always holds"),
        (
            "path eq \"/a\" and not load gt 100",
            "`not load gt 100` always holds, because `load gt 100` never holds",
        ),
    ] {
        assert_eq!(said(text, DENY), [(Code::Constant, message.to_string())], "{text}");
    }
}

/// What is said, and what helps.
#[test]
fn every_doubt_is_told_with_what_helps() {
    for (text, action, message, help) in [
        (
            "path in {}",
            DENY,
            "the condition never holds, because `path in {}` never holds",
            "the set is empty",
        ),
        (
            "load in {}",
            DENY,
            "the condition never holds, because `load in {}` never holds",
            "the set is empty",
        ),
        (
            "ip.src in {}",
            DENY,
            "the condition never holds, because `ip.src in {}` never holds",
            "the set is empty",
        ),
        (
            "len(path) lt 0",
            DENY,
            "the condition never holds, because `len(path) lt 0` never holds",
            "lengths are 0 and more",
        ),
        (
            "sample(0)",
            DENY,
            "the condition never holds, because `sample(0)` never holds",
            "`sample` takes a share between 0 and 1",
        ),
        (
            "posture gt lockdown",
            DENY,
            "the condition never holds, because `posture gt lockdown` never holds",
            "postures are normal, elevated, overload, defend, lockdown",
        ),
        (
            "load gt 100",
            DENY,
            "the condition never holds, because `load gt 100` never holds",
            "`load` is from 0 to 100",
        ),
        (
            "load in {101}",
            DENY,
            "the condition never holds, because `load in {101}` never holds",
            "`load` is from 0 to 100",
        ),
        (
            "lower(path) in {\"A\"}",
            DENY,
            "the condition never holds, because `lower(path) in {\"A\"}` never holds",
            "look at the case of its letters and at its length",
        ),
        (
            "host eq \"A\"",
            DENY,
            "the condition never holds, because `host eq \"A\"` never holds",
            "hosts are in lower case",
        ),
        (
            "cidr(ip.src, 24, 64) eq 10.0.0.1",
            DENY,
            "the condition never holds, because `cidr(ip.src, 24, 64) eq 10.0.0.1` never holds",
            "the bits that `cidr` clears are set in it",
        ),
        (
            "any(lower(args.values[*]) eq \"A\")",
            DENY,
            "the condition never holds, because `any(lower(args.values[*]) eq \"A\")` never holds",
            "look at the case of its letters and at its length",
        ),
        (
            "body.size & 0",
            DENY,
            "the condition never holds, because `body.size & 0` never holds",
            "leave it out, or write what was meant",
        ),
        (
            "false",
            DENY,
            "the condition never holds, because `false` never holds",
            "leave it out, or write what was meant",
        ),
        (
            "ssl and not ssl",
            DENY,
            "the condition never holds: `ssl` and `not ssl` exclude each other",
            "was `or` meant?",
        ),
        (
            "ssl or not ssl",
            DENY,
            "the condition always holds: one of `ssl` and `not ssl` always does",
            "was `and` meant?",
        ),
        (
            "path matches \"admin\"",
            DENY,
            "the regular expression `admin` is only a literal",
            "write `path contains \"admin\"`",
        ),
        (
            "path matches \"(?i)^/A\"",
            DENY,
            "the regular expression `(?i)^/A` is only a literal",
            "write `lower(path) starts_with \"/a\"`",
        ),
        (
            "raw.host matches \"shop\"",
            DENY,
            "`raw.host` is searched for `shop`, which other hosts can contain",
            "begin the pattern with ^ and end it with $, or use `ends_with` or `in`",
        ),
        (
            "lower(host) matches \"shop\"",
            DENY,
            "`lower(host)` is searched for `shop`, which other hosts can contain",
            "begin the pattern with ^ and end it with $, or use `ends_with` or `in`",
        ),
        (
            "path in $words",
            DENY,
            "list `$words` is empty, so `path in $words` never holds",
            "fine if the program fills it later",
        ),
        (
            "path eq \"/a\" and not path in $words",
            DENY,
            "list `$words` is empty, so `not path in $words` always holds",
            "fine if the program fills it later",
        ),
        (
            "path eq \"/a\" or score gt 5",
            DENY,
            "no index can find this rule; it is tried for every request",
            "add what has to be true of a path, a host, an address, a method or a header",
        ),
        (
            "ip.src in {0.0.0.0..255.255.255.255}",
            DENY,
            "the rule refuses every IPv4 address: `0.0.0.0..255.255.255.255`",
            "a longer prefix, or `not ip.src in …`, was perhaps meant; else write `true`",
        ),
        (
            "ip.src in {::/0}",
            DENY,
            "the rule refuses every IPv6 address: `::/0`",
            "a longer prefix, or `not ip.src in …`, was perhaps meant; else write `true`",
        ),
        (
            "raw.path starts_with \"/static\"",
            ALLOW,
            "the rule allows by `raw.path`, which a client can write in many ways",
            "allow by `path`, which is canonical",
        ),
        (
            "raw.uri eq \"/a\"",
            ALLOW,
            "the rule allows by `raw.uri`, which a client can write in many ways",
            "allow by `uri`, which is canonical",
        ),
        (
            "upper(raw.host) eq \"A\"",
            ALLOW,
            "the rule allows by `raw.host`, which a client can write in many ways",
            "allow by `host`, which is canonical",
        ),
    ] {
        let found = lints(&[(text, action)]);
        let found: Vec<_> = found.iter().map(|lint| (&*lint.message, lint.help())).collect();
        assert_eq!(found, [(message, Some(help))], "{text}");
    }
}

#[test]
fn the_widest_of_a_set_covers_the_others() {
    for (set, covered) in [
        (
            "10.1.0.0/16 10.0.0.0/8 10.2.0.1",
            &[("10.1.0.0/16", "10.0.0.0/8"), ("10.2.0.1", "10.0.0.0/8")][..],
        ),
        ("10.0.0.0/8 11.1.1.1 11.0.0.0/8", &[("11.1.1.1", "11.0.0.0/8")]),
        ("10.0.0.1..10.0.0.9 10.0.0.1..10.0.0.5", &[("10.0.0.1..10.0.0.5", "10.0.0.1..10.0.0.9")]),
        ("2001:db8::/32 2001:db8::1", &[("2001:db8::1", "2001:db8::/32")]),
        ("10.0.0.1..10.0.0.5 10.0.0.3..10.0.0.9", &[]),
        ("10.0.0.0/8 11.0.0.0/8 ::/0", &[]),
        ("255.255.255.255 ::/0", &[]),
    ] {
        let found = said(&std::format!("ip.src in {{{set}}}"), ALLOW);
        let expected = covered.iter().map(|(item, by)| {
            (Code::ShadowedNet, std::format!("`{item}` is covered by `{by}` of the same set"))
        });
        assert_eq!(found, expected.collect::<Vec<_>>(), "{set}");
    }
}

#[test]
fn a_host_is_anchored_where_every_alternative_is() {
    for (regex, expected) in [
        ("^a$", true),
        (r"\Aa\z", true),
        ("(?i)^a$", true),
        ("^a$|^b$", true),
        ("^(a|b)$", true),
        ("^[|]$", true),
        (r"^\|$", true),
        (r"^a\\$", true),
        ("^(a)$|^(b)$", true),
        ("a", false),
        ("^a", false),
        ("a$", false),
        (r"^a\$", false),
        ("^a|b$", false),
        ("^(a)|b$", false),
        ("^[a]|b$", false),
        ("^a$|b", false),
        ("a|^b$", false),
        (r"^\(a|b$", false),
    ] {
        assert_eq!(pattern::is_anchored(regex), expected, "{regex}");
    }
}

/// What ends the rules does, and what only skips or counts does not.
#[test]
fn rules_that_end_the_others_make_them_unreachable() {
    let ban = Ban::new(core::time::Duration::from_secs(1));
    for (action, ends) in [
        (ALLOW, true),
        (DENY, true),
        (Action::Ban(ban), true),
        (Action::Skip(Skip::Rules), true),
        (Action::Skip(Skip::Limits), false),
        (Action::Skip(Skip::Group("group".into())), false),
        (Action::Tag("tag".into()), false),
        (Action::Score(1), false),
        (Action::Log, false),
    ] {
        let found = lints(&[("path eq \"/a\"", action.clone()), ("path eq \"/a\" and ssl", DENY)]);
        assert_eq!(found.iter().any(|lint| lint.code == Code::Unreachable), ends, "{action:?}");
    }
}

/// What always holds ends all later rules, also where that is not written out.
#[test]
fn nothing_is_reached_after_a_rule_that_always_holds() {
    let found = lints(&[("ssl or not ssl", DENY), ("path eq \"/a\"", DENY), ("ssl", DENY)]);
    let found: Vec<_> = found.iter().map(|lint| (lint.code, lint.place())).collect();
    let unreachable = |place| (Code::Unreachable, Some(place));
    assert_eq!(
        found,
        [
            (Code::Constant, Some("rule \"0\"")),
            unreachable("rule \"1\""),
            unreachable("rule \"2\""),
        ]
    );
}

#[test]
fn the_same_doubt_is_told_once_for_a_rule() {
    let twice = "path in $words or query eq \"a\" and path in $words";
    assert_eq!(said(twice, DENY).len(), 1);
    let found = lints(&[(twice, Action::Count), ("path in $words", ALLOW)]);
    let found: Vec<_> = found.iter().map(|lint| (lint.code, lint.place())).collect();
    let empty = |place| (Code::EmptyList, Some(place));
    assert_eq!(found, [empty("rule \"0\""), empty("rule \"1\"")]);
}

#[test]
fn rules_that_differ_in_anything_are_no_duplicates() {
    let first = Rule::new("first", parsed("path eq \"/a\"")).then(Action::Count);
    let found = |second: Rule| {
        let found = lint(&[first.clone(), second], &lists());
        found.into_iter().map(|lint| lint.code).collect::<Vec<_>>()
    };
    let second = Rule { name: "second".into(), ..first.clone() };
    assert_eq!(found(Rule { priority: 1, ..second.clone() }), [Code::DuplicateRule]);
    for second in [
        Rule { when: parsed("path eq \"/b\""), ..second.clone() },
        Rule { actions: Vec::new(), ..second.clone() },
        Rule { mode: RuleMode::Shadow, ..second.clone() },
        Rule { share: Share::percent(50), ..second.clone() },
        Rule { group: Some("group".into()), ..second.clone() },
    ] {
        assert_eq!(found(second), []);
    }
}
