//! What others have published about the language, in `tests/cases/language.tsv`: each line is run.

use core::net::IpAddr;
use std::{string::ToString as _, vec::Vec};

use crate::{
    request::{Given, Request, canonical::Canonical},
    rule::{Expr, Facts, Lists, Scheme, Type, reference},
    test_support::rows,
};

const FACTS: &str = include_str!("../../../tests/cases/language.tsv");

#[test]
fn the_language_is_as_published_or_the_table_says_why_not() {
    let scheme = Scheme::new()
        .field("full_uri", Type::Bytes)
        .field("text", Type::Bytes)
        .field("number", Type::Int)
        .list("office_network", Type::Ip);
    let mut lines = 0;
    for line in rows(FACTS) {
        let (text, request, expected) = match line.as_slice() {
            [_, text, request, published, "="] => (text, request, published),
            [_, text, request, published, ours, _why] if ours != published => (text, request, ours),
            _ => panic!("{line:?} is no line of this table"),
        };
        match (scheme.parse(text), *expected) {
            (Err(_), "refused") => {}
            (Ok(expr), "true" | "false") => {
                let holds = holds(&expr, request);
                assert_eq!(holds.to_string(), *expected, "{line:?}");
                // What it prints as means the same.
                let again = scheme.parse(&expr.to_string());
                assert_eq!(again.ok(), Some(expr), "{line:?}");
            }
            (parsed, _) => panic!("{line:?}: {parsed:?}"),
        }
        lines += 1;
    }
    assert_eq!(lines, LINES);
}

const LINES: usize = 198;

fn holds(expr: &Expr, described: &str) -> bool {
    let mut request = Request::new(None::<IpAddr>);
    let mut peer = None;
    let parts: Vec<_> = described.split(" ;; ").filter(|part| *part != "-").collect();
    for part in parts {
        let (key, value) = part.split_once(':').expect(part);
        match key {
            "ip" => peer = Some(value.parse::<IpAddr>().expect(part)),
            "host" => request = request.host(value),
            "target" => request = request.target(value),
            "h" => {
                let (name, value) = value.split_once(": ").expect(part);
                request = request.header(name, value);
            }
            "@ssl" => request = request.field("ssl", Given::Bool(value == "true")),
            "@number" => request = request.field("number", Given::Int(value.parse().expect(part))),
            "@text" => request = request.field("text", Given::Bytes(value.as_bytes())),
            "@full_uri" => request = request.field("full_uri", Given::Bytes(value.as_bytes())),
            _ => panic!("{part} is no part of a request"),
        }
    }
    let mut lists = Lists::new();
    let office: crate::CidrSet = "192.0.2.0/24".parse().expect("a list");
    lists.set("office_network", office);
    Canonical::with(&request, |canonical| {
        let mut facts = Facts::of(&request, canonical, &lists);
        facts.client = peer;
        reference::holds(expr, &facts)
    })
}
