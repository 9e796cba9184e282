//! Judges one hostile request some times, for a count of instructions: `benches/linear.sh` runs it.
//!
//! The arguments are a kind, the length of what is hostile about the request, and how often it is judged.
//! Without them, it prints all kinds, each with the length to begin with.

#![allow(missing_docs, reason = "a program")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a benchmark is told what to do and prints"
)]

use std::{hint::black_box, net::IpAddr};

use portcullis::{
    CidrSet, Request,
    rule::{List, Lists, Rule, RuleSet, Scheme, TextSet},
};

/// A text as long as asked, of copies of a part, with an end.
fn filled(part: &str, end: &str, length: usize) -> String {
    let copies = length.saturating_sub(end.len()) / part.len();
    part.repeat(copies) + end
}

/// What a client sends, and all of it is this long or this often there.
enum Hostile {
    /// A header line `x` of copies of a part.
    Value(&'static str),
    /// A path of copies of a part.
    Path(&'static str),
    /// A query of copies of a part.
    Query(&'static str),
    /// A cookie line of copies of a part.
    Cookies(&'static str),
    /// So many lines of a header.
    Lines(&'static str, &'static str),
}

use Hostile::{Cookies, Lines, Path, Query, Value};

/// Bytes or lines; four times as many are as many as a value is not cut to.
const BYTES: usize = 2_000;
const LINES: usize = 500;

/// A name, what is sent, and the rules that judge it. None of them may hold, so that all are asked.
fn kinds() -> Vec<(&'static str, Hostile, Vec<String>)> {
    let x = r#"header["x"]"#;
    let one = |text: &str| vec![text.replace('X', x)];
    let nested = |times: usize, form: &dyn Fn(String) -> String| -> Vec<String> {
        (1..=times).map(|length| form("a".repeat(length))).collect()
    };
    vec![
        ("wildcard", Value("aA"), one(r#"X wildcard "*aaaaaaaab*aaaaaaaab*aaaaaaaab*""#)),
        ("wildcard, eight stars", Value("ab"), one(r#"X wildcard "*a*b*a*b*a*b*abc*""#)),
        ("strict wildcard", Value("a"), one(r#"X strict wildcard "*aaaa*aaaab*aaaab*""#)),
        ("contains", Value("a"), one(r#"X contains "aaaaaaaaaaaaaaaaaaaaaaaab""#)),
        ("contains, any case", Value("aA"), one(r#"lower(X) contains "aaaaaaaaaaaaaaaaaaaaab""#)),
        (
            "contains, literals in each other",
            Value("a"),
            nested(100, &|part| format!(r#"{x} contains "{part}" and not {x} contains "a""#)),
        ),
        (
            "contains, literals in each other, any case",
            Value("aA"),
            nested(100, &|part| {
                format!(r#"lower({x}) contains "{part}" and not lower({x}) contains "a""#)
            }),
        ),
        (
            "starts_with, each the start of the next",
            Value("a"),
            nested(300, &|part| format!(r#"{x} starts_with "{part}" and not {x} contains "a""#)),
        ),
        ("regex", Value("a"), one(r#"X matches "(a+)+b""#)),
        ("regex, dense", Value("a"), one(r#"X matches "(a|aa)+$x|(a?){9}a{9}b""#)),
        ("regex, too large for a table", Value("aab"), one(r#"X matches "[ab]*a[ab]{14}c""#)),
        (
            "regex, many with one literal",
            Value("select "),
            (0..50).map(|at| format!(r#"{x} matches "select +from +t{at}""#)).collect(),
        ),
        ("url_decode", Query("%41"), one(r#"url_decode(query) contains "b""#)),
        (
            "url_decode, again and again",
            Query("%25"),
            one(r#"url_decode(query, "r") contains "b""#),
        ),
        ("url_decode, nested escapes", Query("25"), one(r#"url_decode(uri, "r") contains "b""#)),
        ("url_decode, with %u", Query("%u0025"), one(r#"url_decode(query, "ru") contains "b""#)),
        ("substring and len", Value("a"), one(r#"len(lower(substring(X, 1))) eq 1"#)),
        ("headers, any value", Lines("x", "a"), one(r#"any(headers.values[*] contains "b")"#)),
        ("headers, any name", Lines("x", "a"), one(r#"any(headers.names[*] eq "b")"#)),
        ("headers, one name", Lines("x", "a"), one(r#"any(lower(headers["x"][*]) eq "b")"#)),
        ("headers, all", Lines("x", "a"), one(r#"not all(headers["x"][*] eq "a")"#)),
        ("headers, an element", Lines("x", "a"), one(r#"headers["x"][400] eq "b""#)),
        (
            "headers, many names",
            Lines("x", "a"),
            (0..50).map(|at| format!(r#"header["y{at}"] eq "b""#)).collect(),
        ),
        ("args, any value", Query("a=a&"), one(r#"any(args.values[*] eq "b")"#)),
        ("args, one name", Query("a=a&"), one(r#"any(args["a"][*] matches "^b+$")"#)),
        (
            "args, many names",
            Query("a&"),
            (0..50).map(|at| format!(r#"arg["y{at}"] eq "b""#)).collect(),
        ),
        ("cookies, one name", Cookies("a=a; "), one(r#"any(cookies["a"][*] eq "b")"#)),
        ("cookies, many lines", Lines("cookie", "a=a; b=a"), one(r#"any(cookies["b"][*] eq "b")"#)),
        ("lists", Lines("x", "a"), one(r#"any(headers["x"][*] in $texts) or ip.src in $nets"#)),
        ("path, dots", Path("/a/.."), one(r#"path contains "b""#)),
        ("path, dots after many segments", Path("/a"), one(r#"path contains "b""#)),
        ("path, slashes", Path("//"), one(r#"path contains "b""#)),
        ("path, escapes", Path("/%41%2f%7e"), one(r#"path contains "b" or uri contains "b""#)),
        ("path, backslashes", Path("\\.\\"), one(r#"path contains "b" or uri.flags.nul"#)),
    ]
}

fn main() {
    // Cargo adds a flag of its own.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|given| given != "--bench").collect();
    let [kind, length, times] = &arguments[..] else {
        for (name, hostile, _) in kinds() {
            let length = if matches!(hostile, Lines(..)) { LINES } else { BYTES };
            println!("{length} {name}");
        }
        return;
    };
    let (length, times): (usize, usize) = (length.parse().unwrap(), times.parse().unwrap());
    let kinds = kinds();
    let (_, hostile, rules) = kinds.iter().find(|(name, ..)| name == kind).expect("a kind");

    let mut lists = Lists::new();
    lists.set("texts", ["b", "c"].into_iter().collect::<TextSet>());
    lists.set("nets", "10.0.0.0/8\n".parse::<CidrSet>().unwrap());
    let scheme = lists
        .iter()
        .fold(Scheme::new(), |scheme, (name, list): (&str, &List)| scheme.list(name, list.holds()));
    let rules = rules.iter().map(|text| {
        let expr = scheme.parse(text).unwrap_or_else(|found| panic!("{found}"));
        Rule::new(text, expr)
    });
    let set = RuleSet::new(rules.collect::<Vec<_>>(), lists).unwrap();

    let (mut target, mut value, mut lines) = (String::from("/"), String::new(), 0);
    let mut line = ("x", "");
    match hostile {
        Path(part) if *part == "/a" => {
            let half = length / 2;
            target = filled(part, "", half) + &filled("/..", "", half);
        }
        Path(part) => target = filled(part, "", length),
        Query(part) if *part == "25" => {
            target = filled(part, "", length).replacen("25", "/?%25", 1)
        }
        Query(part) => target = String::from("/?") + &filled(part, "", length - 2),
        Value(part) => value = filled(part, "", length),
        Cookies(part) => (line.0, value) = ("cookie", filled(part, "", length)),
        Lines(name, text) => (line, lines) = ((*name, *text), length),
    }
    if lines == 0 {
        (line.1, lines) = (&value, 1);
    }
    let peer: IpAddr = [192, 0, 2, 1].into();
    let mut request = Request::new(peer).method("GET").host("h").target(&target);
    for _ in 0..lines {
        request = request.header(line.0, line.1);
    }
    for _ in 0..times {
        let first = black_box(&set).first_match(black_box(&request));
        assert!(first.is_none(), "{:?}", first.map(Rule::name));
    }
}
