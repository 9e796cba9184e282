//! Rules: one request against so many of them, the request made anew each time.
//!
//! The mix is addresses in a /24, beginnings of paths, equal headers, methods, `and` and `or`. A request has
//! eight header lines that somebody else keeps. "rotate" are 1,024 different requests, hits and near misses.

#![allow(missing_docs, reason = "criterion's macros generate public items")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a benchmark reads clocks and prints"
)]

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    ops::ControlFlow,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::{
    Headers, Request,
    rule::{Lists, Rule, RuleSet, Scheme},
};

/// What a request is made of.
struct Parts {
    peer: IpAddr,
    method: &'static str,
    target: String,
    headers: Lines,
}

struct Lines([(&'static str, String); 8]);

impl Headers for Lines {
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(line, _)| *line == name).map(|(_, value)| value.as_bytes())
    }

    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8]) -> ControlFlow<()>) {
        let _ = self.0.iter().try_for_each(|(name, value)| visit(name, value.as_bytes()));
    }
}

impl Parts {
    fn new(peer: u32, method: &'static str, target: String, tenant: String) -> Self {
        let line = |name, value: &str| (name, value.to_owned());
        let headers = Lines([
            line("host", "shop.example"),
            line(
                "user-agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            ),
            line("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            line("accept-language", "en-GB,en;q=0.5"),
            line("accept-encoding", "gzip, deflate, br"),
            line("x-tenant", &tenant),
            line("referer", "https://shop.example/"),
            line("cookie", "session=0123456789abcdef; theme=dark"),
        ]);
        Self { peer: Ipv4Addr::from_bits(peer).into(), method, target, headers }
    }

    fn request(&self) -> Request<'_> {
        Request::new(self.peer)
            .method(self.method)
            .host("shop.example")
            .target(&self.target)
            .header_lines(&self.headers)
    }
}

/// The network of rule `n`.
fn network(n: usize) -> u32 {
    0x0a00_0000 + ((n as u32) << 8)
}

/// The beginning of a path of rule `n`, in one of so many lengths.
fn path(n: usize, lengths: usize) -> String {
    format!("/api/v{}/{n}{}", n % 7, "x".repeat(n % lengths))
}

fn text(n: usize, lengths: usize) -> String {
    let net = Ipv4Addr::from_bits(network(n));
    let path = path(n, lengths);
    match n % 4 {
        0 => format!("ip.src in {{{net}/24}} and not method eq \"HEAD\""),
        1 => format!("path starts_with \"{path}/\""),
        2 => format!("header[\"x-tenant\"] eq \"t{n}\" and method in {{\"POST\" \"PUT\"}}"),
        _ => format!("(ip.src in {{{net}/24}} or path eq \"{path}\") and method eq \"DELETE\""),
    }
}

fn set(texts: impl IntoIterator<Item = String>) -> RuleSet {
    let scheme = Scheme::new();
    let rules = texts.into_iter().map(|text| {
        Rule::new("rule", scheme.parse(&text).unwrap_or_else(|found| panic!("{text}: {found}")))
    });
    RuleSet::new(rules, Lists::new()).unwrap()
}

fn quiet() -> Parts {
    Parts::new(0xc633_6401, "GET", "/index.html?lang=en".into(), "acme".into())
}

/// A request that rule `n` holds for, if `hits`, and one that it nearly does otherwise.
fn aimed(n: usize, lengths: usize, hits: bool) -> Parts {
    let path = path(n, lengths);
    match n % 4 {
        0 => {
            Parts::new(network(n) + 7, if hits { "GET" } else { "HEAD" }, "/".into(), "acme".into())
        }
        1 => {
            let end = if hits { "/a" } else { "-a" };
            Parts::new(0xc633_6401, "GET", path + end, "acme".into())
        }
        2 => Parts::new(0xc633_6401, if hits { "PUT" } else { "GET" }, "/".into(), format!("t{n}")),
        _ => Parts::new(network(n), if hits { "DELETE" } else { "GET" }, path, "acme".into()),
    }
}

fn bench(
    c: &mut Criterion,
    name: &str,
    set: &RuleSet,
    parts: &[Parts],
    expect: impl Fn(Option<&Rule>) -> bool,
) {
    let mut nth = 0_usize;
    for parts in parts {
        assert!(expect(set.first_match(&parts.request())), "{name} {}", parts.target);
    }
    c.bench_function(name, |b| {
        b.iter(|| {
            nth = (nth + 1) % parts.len();
            black_box(black_box(set).first_match(&black_box(&parts[nth]).request()).is_some())
        });
    });
}

fn mix(c: &mut Criterion) {
    for (rules, lengths) in [(1, 1), (20, 1), (100, 1), (1_000, 1), (10_000, 1), (10_000, 50)] {
        let start = Instant::now();
        let scheme = Scheme::new();
        let parsed: Vec<Rule> = (0..rules)
            .map(|n| Rule::new("rule", scheme.parse(&text(n, lengths)).unwrap()))
            .collect();
        let parse = start.elapsed();
        let start = Instant::now();
        let set = RuleSet::new(parsed, Lists::new()).unwrap();
        println!(
            "rules/{rules}/{lengths}: parsed in {parse:?}, compiled in {:?}, {} bytes a rule",
            start.elapsed(),
            set.memory_bytes() / rules
        );
        let name = |what| format!("rules/{rules}/{lengths} path lengths/{what}");
        bench(c, &name("none"), &set, &[quiet()], |rule| rule.is_none());
        bench(c, &name("first"), &set, &[aimed(0, lengths, true)], |rule| rule.is_some());
        bench(c, &name("last"), &set, &[aimed(rules - 1, lengths, true)], |rule| rule.is_some());
        let rotate: Vec<Parts> =
            (0..1024).map(|n| aimed(n * 7_919 % rules, lengths, n % 3 == 0)).collect();
        bench(c, &name("rotate"), &set, &rotate, |_| true);
    }
    let empty = set([]);
    bench(c, "rules/0/the request alone", &empty, &[quiet()], |rule| rule.is_none());
}

/// What cannot be found by an index, and what takes a walk over a text.
fn extras(c: &mut Criterion) {
    let base = || (0..100).map(|n| text(n, 1));
    let one = |more: &str| set(base().chain([more.to_owned()]));
    let open = |n: usize| match n % 3 {
        0 => format!("not path starts_with \"/{}\" and method eq \"M{n}\"", "i".repeat(n % 3)),
        1 => format!("not ip.src in {{10.0.{n}.0/24}} and not method eq \"GET\""),
        _ => format!("not method eq \"GET\" and not path eq \"/{n}\""),
    };
    // Not a method: an index takes that.
    let untaken = set(base()
        .chain((0..20).map(|n| format!("{} and not host eq \"shop.example\"", open(3 * n + 1)))));
    bench(c, "rules/100 and 20 that no index takes", &untaken, &[quiet()], |rule| rule.is_none());
    let mut agent =
        Parts::new(0xc633_6401, "GET", "/static/js/app.4f3a2b.js?v=12".into(), "acme".into());
    for (name, more) in [
        ("contains", "ua contains \"sqlmap\""),
        ("lower contains", "lower(ua) contains \"sqlmap\""),
        ("20 contains", ""),
        ("wildcard", "path wildcard \"*/admin/*.php\""),
        ("regex with literal", "path matches \"/wp-(admin|login)[.]php\""),
        ("regex without", "path matches \"^/[a-z]+/[0-9]+$\""),
        ("decoded", "url_decode(uri) contains \"<script\""),
        ("any header", "any(headers[\"x-tenant\"][*] contains \"evil\")"),
    ] {
        let set = if more.is_empty() {
            set(base().chain((0..20).map(|n| format!("ua contains \"bad-bot-{n}\""))))
        } else {
            one(more)
        };
        bench(c, &format!("rules/100 and {name}"), &set, &[quiet()], |rule| rule.is_none());
    }
    agent.target = "/a/../static//js/%41pp.js?v=12".into();
    bench(c, "rules/100/a path to be rewritten", &set(base()), &[agent], |rule| rule.is_none());
}

fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50)
}

criterion_group! {
    name = benches;
    config = short();
    targets = mix, extras
}
criterion_main!(benches);
