//! What is noticed, kind by kind of test. That it is true is shown by the properties of all lints.

use std::{format, string::String, vec::Vec};

use super::{MOST_PAIRED, MOST_VALUES, implies, truth};
use crate::rule::{
    Scheme, Type,
    expr::{Expr, Node},
    field::Phase,
};

fn node(text: &str) -> Node {
    let scheme = Scheme::new().field("plan", Type::Int).limit("logins");
    let Expr(node) = scheme.parse_in(text, Phase::Response).unwrap();
    node
}

#[test]
fn what_never_holds() {
    for text in [
        // No number, no text and no address is left.
        "plan lt -9223372036854775808",
        "plan gt 9223372036854775807",
        "plan & 0",
        "load in {}",
        "path in {}",
        "ip.src in {}",
        // Beyond what the value can be.
        "load gt 100",
        "load lt 0",
        "load in {-9..-1 101..200}",
        "posture gt lockdown",
        "status gt 65535",
        "response.size lt 0",
        "response.latency_ms lt 0",
        "counter(\"logins\") lt 0",
        "len(path) lt 0",
        "len(path) eq -1",
        // The case of letters.
        "lower(path) starts_with \"A\"",
        "upper(path) eq \"/abc\"",
        "upper(path) contains \"a\"",
        "host ends_with \"A\"",
        "lower(path) in {\"A\" \"/B\"}",
        "substring(lower(path), 1) eq \"A\"",
        "lower(headers[\"x\"][1]) eq \"A\"",
        "any(lower(args.values[*]) in {\"A\" \"B\"})",
        // The length.
        "substring(path, 0, 2) eq \"/ab\"",
        "lower(substring(path, 0, 2)) eq \"/ab\"",
        "upper(substring(path, 1, 2)) eq \"AB\"",
        "substring(path, 3, 1) eq \"a\"",
        "substring(substring(path, 0, 3), 0, 5) eq \"/abc\"",
        "substring(substring(path, 0, 3), 2) eq \"/abc\"",
        "substring(uri, 0, 2) eq \"/ab\"",
        "cidr(ip.src, 24, 64) eq 10.0.0.1",
        "cidr(ip.src, 24, 64) eq 2001:db8::1",
        "sample(0)",
        "not sample(1)",
        "true xor true",
        "true xor true xor false",
        // Together.
        "ssl and not ssl",
        "path eq \"/a\" and false",
        "path eq \"/a\" and path eq \"/b\"",
        "path eq \"/a\" and path starts_with \"/b\"",
        "path ends_with \".css\" and path eq \"/a.php\"",
        "path eq \"/a\" and path contains \"b\"",
        "path eq \"/a\" and path in {\"/b\" \"/c\"}",
        "path in {\"/a\" \"/b\"} and path in {\"/c\" \"/d\"}",
        "path in {\"/a\" \"/b\"} and path starts_with \"/c\"",
        "path starts_with \"/a\" and path starts_with \"/b\"",
        "path ends_with \"a\" and path ends_with \"b\"",
        "path starts_with \"/ab\" and not path starts_with \"/a\"",
        "not path contains \"b\" and path eq \"/abc\"",
        "plan gt 5 and plan le 5",
        "plan eq 5 and plan lt 5",
        "plan in {1 2} and plan gt 5",
        "plan in {1 2} and plan in {3..5}",
        "plan eq 5 and plan in {1..4 6..9}",
        "plan eq 4 and plan & 3",
        "ip.src eq 10.0.0.1 and ip.src eq 10.0.0.2",
        "ip.src eq 10.0.0.1 and ip.src in {11.0.0.0/8 ::/0}",
        "ip.src eq 10.0.0.1 and ip.src in {10.0.0.2..10.0.0.9}",
    ] {
        assert_eq!(truth(&node(text)), Some(false), "{text}");
        assert_eq!(truth(&node(&format!("not ({text})"))), Some(true), "{text}");
        assert_eq!(truth(&node(&format!("path eq \"/\" and ({text})"))), Some(false), "{text}");
        assert_eq!(truth(&node(&format!("path eq \"/\" or ({text})"))), None, "{text}");
        assert_eq!(truth(&node(&format!("path eq \"/\" xor ({text})"))), None, "{text}");
    }
}

#[test]
fn what_always_holds() {
    for text in [
        "posture ge normal",
        "true xor false",
        "true xor true xor true",
        "posture le lockdown",
        "load ge 0",
        "load le 100",
        "load gt -1",
        "load lt 101",
        "counter(\"logins\") ge 0",
        "sample(1)",
        "false xor true",
        "true and sample(1)",
        "ssl or not ssl",
        "path ne \"/a\" or path ne \"/b\"",
        "path starts_with \"/a\" or path ne \"/ab\"",
        "path ne \"/ab\" or path starts_with \"/a\"",
    ] {
        assert_eq!(truth(&node(text)), Some(true), "{text}");
        assert_eq!(truth(&node(&format!("path eq \"/\" or ({text})"))), Some(true), "{text}");
        assert_eq!(truth(&node(&format!("path eq \"/\" and ({text})"))), None, "{text}");
    }
}

/// What is next to each of the above, and is neither.
#[test]
fn what_may_hold() {
    for text in [
        "plan lt -9223372036854775807",
        "plan gt 9223372036854775806",
        "plan eq 5",
        "plan & 1",
        "load gt 99",
        "load lt 1",
        "load ge 1",
        "load le 99",
        "load in {-9..0}",
        "load in {100..200}",
        "load in {-1 50}",
        "posture gt defend",
        "posture ge elevated",
        "status gt 65534",
        // They may be missing.
        "status ge 0",
        "response.size ge 0",
        "response.latency_ms ge 0",
        "len(path) ge 0",
        "len(path) lt 1",
        "counter(\"logins\") lt 1",
        "counter(\"logins\") ge 1",
        "lower(path) starts_with \"a1\"",
        "upper(path) eq \"/ABC\"",
        "raw.host ends_with \"A\"",
        "lower(path) in {\"A\" \"/b\"}",
        "all(lower(args.values[*]) in {\"A\" \"B\"})",
        "substring(path, 0, 2) eq \"/a\"",
        "substring(path, 0, -1) eq \"/abc\"",
        "substring(path, -9, 2) eq \"/abc\"",
        "substring(path, 3) eq \"/abc\"",
        "cidr(ip.src, 24, 64) eq 10.0.0.0",
        "ip.src eq 10.0.0.1",
        "sample(0.5)",
        "ssl xor ssl",
        "path eq \"/a\" or path eq \"/b\"",
        "path eq \"/a\" and host eq \"b\"",
        "path starts_with \"/a\" and path starts_with \"/ab\"",
        "path starts_with \"/ab\" and path starts_with \"/a\"",
        "path ends_with \"b\" and path ends_with \"ab\"",
        "path ends_with \"ab\" and path ends_with \"b\"",
        "path starts_with \"/a\" and path ends_with \"/b\"",
        "path in {\"/a\" \"/b\"} and path starts_with \"/a\"",
        "path in {\"/a\" \"/b\"} and path in {\"/b\" \"/c\"}",
        "path starts_with \"/a\" and not path starts_with \"/ab\"",
        "path starts_with \"/ab\" or path ne \"/a\"",
        "plan ge 5 and plan le 5",
        "plan in {1 9} and plan gt 5",
        "plan in {1..9} and plan gt 5",
        "plan in {1 9} and plan lt 5",
        "plan eq 5 and plan in {5..9}",
        "plan eq 5 and plan in {1..5}",
        "plan eq 5 and plan & 4",
        "ip.src eq 10.0.0.1 and ip.src in {10.0.0.0/8}",
        // One value may be this, and another one that.
        "any(args.values[*] eq \"a\") and any(args.values[*] eq \"b\")",
    ] {
        assert_eq!(truth(&node(text)), None, "{text}");
    }
}

/// A path is cut after 8 KiB, what is decoded or put together may be longer.
#[test]
fn no_value_is_longer_than_it_can_be() {
    let text = |bytes: usize| format!("\"{}\"", "a".repeat(bytes));
    for (operand, bytes, expected) in [
        ("path", 8_192, None),
        ("path", 8_193, Some(false)),
        ("lower(path)", 8_193, Some(false)),
        ("substring(path, 1)", 8_193, Some(false)),
        ("uri", 8_193, None),
        ("url_decode(path)", 8_193, None),
    ] {
        for test in ["eq", "contains", "starts_with", "ends_with"] {
            let text = format!("{operand} {test} {}", text(bytes));
            assert_eq!(truth(&node(&text)), expected, "{operand} {test} {bytes}");
        }
    }
}

#[test]
fn parts_are_compared_if_they_are_few() {
    for (parts, expected) in [(MOST_PAIRED, Some(false)), (MOST_PAIRED + 1, None)] {
        let others = (2..parts).map(|at| format!("path contains \"{at}\""));
        let parts: Vec<String> =
            [String::from("ssl")].into_iter().chain(others).chain(["not ssl".into()]).collect();
        assert_eq!(truth(&node(&parts.join(" and "))), expected);
        assert_eq!(truth(&node(&parts.join(" or "))), expected.map(|value| !value));
    }
}

#[test]
fn what_follows_from_what() {
    for (one, other) in [
        ("false", "path eq \"/a\""),
        ("path eq \"/a\"", "true"),
        ("path eq \"/a\" and ssl", "path eq \"/a\""),
        ("path eq \"/a\"", "path eq \"/a\" or ssl"),
        ("path eq \"/a\" or path eq \"/b\"", "path in {\"/a\" \"/b\"}"),
        ("path eq \"/a\"", "path starts_with \"/\" and path ends_with \"a\""),
        ("not path starts_with \"/a\"", "not path eq \"/ab\""),
        ("any(args.values[*] eq \"abc\")", "any(args.values[*] contains \"b\")"),
        ("path lt \"a\"", "exists(path)"),
        ("path eq \"/abc\"", "path starts_with \"/a\""),
        ("path eq \"/abc\"", "path ends_with \"bc\""),
        ("path eq \"/abc\"", "path contains \"ab\""),
        ("path eq \"/abc\"", "path contains \"\""),
        ("path eq \"/b\"", "path in {\"/a\" \"/b\"}"),
        ("path in {\"/ab\" \"/ac\"}", "path starts_with \"/a\""),
        ("path starts_with \"/ab\"", "path starts_with \"/a\""),
        ("path ends_with \"ab\"", "path ends_with \"b\""),
        ("path starts_with \"/abc\"", "path contains \"ab\""),
        ("path ends_with \"abc\"", "path contains \"ab\""),
        ("path contains \"abc\"", "path contains \"bc\""),
        ("plan gt 5", "plan ge 6"),
        ("plan ge 6", "plan gt 5"),
        ("plan lt 5", "plan le 4"),
        ("plan le 4", "plan lt 5"),
        ("plan eq 5", "plan le 5"),
        ("plan in {6 7}", "plan gt 5"),
        ("plan in {1 5}", "plan in {1 3..6}"),
        ("plan in {2 6}", "plan & 2"),
        ("ip.src eq 10.0.0.1", "ip.src in {10.0.0.0/8}"),
        ("ip.src in {10.1.0.0/16 10.2.0.1}", "ip.src in {10.0.0.0/8}"),
        ("ip.src in {10.0.0.0..10.0.0.9}", "ip.src in {11.0.0.0/8 10.0.0.0/24}"),
        ("ip.src in {10.0.0.0/24}", "ip.src in {10.0.0.0..10.0.0.255}"),
    ] {
        assert!(implies(&node(one), &node(other)), "{one}; {other}");
    }
    for (one, other) in [
        ("true", "path eq \"/a\""),
        ("path eq \"/a\"", "false"),
        ("path eq \"/a\" or ssl", "path eq \"/a\""),
        ("path eq \"/a\"", "path eq \"/a\" and ssl"),
        ("path eq \"/a\"", "host eq \"/a\""),
        ("not path eq \"/ab\"", "not path starts_with \"/a\""),
        ("any(args.values[*] contains \"b\")", "any(args.values[*] eq \"abc\")"),
        ("exists(path)", "path lt \"a\""),
        ("path eq \"/abc\"", "path contains \"ac\""),
        ("path starts_with \"/a\"", "path starts_with \"/ab\""),
        ("path ends_with \"b\"", "path ends_with \"ab\""),
        ("path starts_with \"a\"", "path ends_with \"a\""),
        ("path contains \"abc\"", "path starts_with \"abc\""),
        ("path contains \"bc\"", "path contains \"abc\""),
        ("path in {\"/a\" \"/b\"}", "path in {\"/a\"}"),
        ("path in {\"/a\" \"/b\"}", "path starts_with \"/a\""),
        ("plan ge 5", "plan gt 5"),
        ("plan le 5", "plan lt 5"),
        ("plan gt 5", "plan lt 9"),
        ("plan in {5 6}", "plan gt 5"),
        ("plan in {2 7}", "plan in {1 3..6}"),
        ("plan in {2 4}", "plan & 2"),
        ("ip.src in {10.0.0.0/8}", "ip.src in {10.1.0.0/16}"),
        // Neither does one that ends later, or begins later, cover the other.
        ("ip.src in {10.0.0.0/24}", "ip.src in {10.0.0.1..10.9.0.0}"),
        ("ip.src in {10.0.0.9..10.0.1.0}", "ip.src in {10.0.0.0/24}"),
        ("ip.src in {10.0.0.1 11.0.0.1}", "ip.src in {10.0.0.0/8}"),
        ("ip.src in {10.0.0.0/8}", "ip.src in {::/0}"),
    ] {
        assert!(!implies(&node(one), &node(other)), "{one}; {other}");
    }
}

/// What is looked at is bounded: see the module.
#[test]
fn sets_that_are_too_large_are_not_compared_value_by_value() {
    let among = |numbers: usize| {
        let texts: Vec<_> = (0..numbers).map(|number| format!("\"/{number}\"")).collect();
        node(&format!("path in {{{}}}", texts.join(" ")))
    };
    let side = MOST_VALUES.isqrt();
    assert!(implies(&among(side - 1), &among(side)) && !implies(&among(side), &among(side - 1)));
    assert!(!implies(&among(side), &among(side + 1)));
    // What is the same is the same, and one test beside a set is not many.
    assert!(implies(&among(side + 1), &among(side + 1)));
    assert!(implies(&among(MOST_VALUES), &node("path starts_with \"/\"")));
    assert!(implies(&node("path eq \"/7\""), &among(MOST_VALUES)));
    let loads = |numbers: usize| {
        let numbers: Vec<_> = (0..numbers).map(|number| format!("{}", 2 * number)).collect();
        node(&format!("plan in {{{}}}", numbers.join(" ")))
    };
    let nets = |numbers: usize| {
        let nets: Vec<_> =
            (0..numbers).map(|at| format!("10.{}.{}.1", at / 256, at % 256)).collect();
        node(&format!("ip.src in {{{}}}", nets.join(" ")))
    };
    for set in [&loads as &dyn Fn(usize) -> Node, &nets] {
        assert!(implies(&set(side - 1), &set(side)) && !implies(&set(side), &set(side + 1)));
    }
    let both = |numbers| Node::And([among(numbers), node("path eq \"x\"")].into());
    assert_eq!(truth(&both(MOST_VALUES)), Some(false));
    assert_eq!(truth(&both(MOST_VALUES + 1)), None);
}
