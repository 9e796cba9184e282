//! Does one operation of a hot path some times, for a count of its instructions: `benches/instructions.sh` runs it.
//!
//! The arguments are the name of an operation, and how often it is done. Without them, it prints all names. Everything
//! follows from fixed seeds where it can, so that two runs do the same.

#![allow(missing_docs, reason = "a program")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a benchmark is told what to do and prints"
)]

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use portcullis::{
    CidrMap, CidrSet, Defence, Gate, GateBuilder, KeyedLimiter, Outcome, Posture, Quota, Request,
    SlidingWindow, Timestamp, TokenBucket,
    gate::LimitRule,
    limit::Capacity,
    rule::{Action, Rule, RuleSet, Scheme},
};

/// Does the nth of its kind; makes one of its kind.
type Make = fn() -> Operation;
type Operation = Box<dyn FnMut(u32)>;

/// Never runs out.
const OPEN: Quota = Quota::per_second(1_000_000).burst(1 << 27);
/// Is used up with the first.
const CLOSED: Quota = Quota::per_day(1);
const CLIENTS: u32 = 10_000;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(name) = arguments.next() else {
        return OPERATIONS.iter().for_each(|(name, _)| println!("{name}"));
    };
    let times: u32 = arguments.next().and_then(|times| times.parse().ok()).unwrap_or(1);
    let (_, make) =
        OPERATIONS.iter().find(|(other, _)| *other == name).expect("a name from the list");
    let mut operation = make();
    // Before it is counted, everybody has been there once.
    (0..CLIENTS).for_each(&mut operation);
    (CLIENTS..CLIENTS + times).for_each(&mut operation);
}

const OPERATIONS: &[(&str, Make)] = &[
    ("bucket/admits", || {
        let bucket = TokenBucket::new(OPEN);
        Box::new(move |nth| {
            keep(black_box(&bucket).check(at(nth)));
        })
    }),
    ("bucket/denies", || {
        let bucket = TokenBucket::new(CLOSED);
        Box::new(move |nth| {
            keep(black_box(&bucket).check(at(nth)));
        })
    }),
    ("window/admits", || {
        let window = SlidingWindow::new(1 << 20, std::time::Duration::from_secs(1), 2).unwrap();
        Box::new(move |nth| {
            keep(black_box(&window).check(at(nth)));
        })
    }),
    ("keyed/known key", || {
        let limiter = KeyedLimiter::new(OPEN, Capacity::keys(100_000)).unwrap();
        Box::new(move |nth| {
            keep(black_box(&limiter).check(&client(nth), at(nth)));
        })
    }),
    ("addresses/IPv4 in a set", || {
        let set: CidrSet =
            (0..50_000_u32).map(|net| v4_net(net.wrapping_mul(0x9e37_79b1))).collect();
        Box::new(move |nth| {
            keep(
                black_box(&set).contains(Ipv4Addr::from_bits(nth.wrapping_mul(0x85eb_ca6b)).into()),
            );
        })
    }),
    ("addresses/IPv6 in a set", || {
        let set: CidrSet = (0..50_000_u32).map(v6_net).collect();
        Box::new(move |nth| {
            keep(black_box(&set).contains(v6(nth.wrapping_mul(7_919) % 100_000).into()));
        })
    }),
    ("addresses/longest match", || {
        let map: CidrMap<u32> =
            (0..50_000_u32).map(|net| (v4_net(net.wrapping_mul(0x9e37_79b1)), net % 100)).collect();
        Box::new(move |nth| {
            keep(
                black_box(&map)
                    .longest_match(Ipv4Addr::from_bits(nth.wrapping_mul(0x85eb_ca6b)).into()),
            );
        })
    }),
    ("rules/100, none holds", || {
        let rules = RuleSet::new(rules(100), portcullis::rule::Lists::default()).unwrap();
        Box::new(move |nth| {
            keep(black_box(&rules).first_match(&page(nth)));
        })
    }),
    ("gate/one limit", || checks(Gate::builder().limit("one", OPEN), page_less)),
    ("gate/two limits", || {
        checks(Gate::builder().limit("one", OPEN).limit("two", OPEN), page_less)
    }),
    ("gate/denies by a limit", || checks(Gate::builder().limit("one", CLOSED), page_less)),
    ("gate/denies by the list", || {
        checks(Gate::builder().deny("10.0.0.0/8".parse().unwrap()), page_less)
    }),
    ("gate/20 rules, two limits", || {
        let builder = rules(20).into_iter().fold(Gate::builder(), GateBuilder::rule);
        checks(builder.limit("one", OPEN).limit("two", OPEN), page)
    }),
    ("gate/count_if, and its response", || {
        let scheme = Scheme::new();
        let counts = scheme.parse_response("status in {401 403}").unwrap();
        let limit = LimitRule::new("failures", OPEN).count_if(counts);
        checks(Gate::builder().limit_rule(limit), page)
    }),
    ("gate/watched", || {
        checks(Gate::builder().limit("one", OPEN).defence(Defence::up_to(Posture::Defend)), page)
    }),
];

/// What is computed is not left out.
fn keep<T>(value: T) {
    let _ = black_box(value);
}

/// Checks of a gate, each with its response if it passes.
fn checks(builder: GateBuilder, request: fn(u32) -> Request<'static>) -> Operation {
    let gate = builder.danger_seed(1).build().unwrap();
    Box::new(move |nth| {
        let now = at(nth);
        if let Ok(admission) = black_box(&gate).check(&request(nth), now).into_result() {
            gate.finish(admission, Outcome::status(200), now);
        }
    })
}

/// A millisecond from one to the next, so that ticks are due now and then.
fn at(nth: u32) -> Timestamp {
    Timestamp::from_millis(1_000 + u64::from(nth))
}

/// A stride that is prime to the number of clients, so that neighbours are not hot.
fn client(nth: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + nth.wrapping_mul(7_919) % CLIENTS).into()
}

fn page_less(nth: u32) -> Request<'static> {
    Request::new(client(nth))
}

fn page(nth: u32) -> Request<'static> {
    Request::new(client(nth))
        .method("GET")
        .host("shop.example")
        .target("/products/17?sort=price")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0")
}

/// Of several kinds, none of which holds for the page.
fn rules(number: usize) -> Vec<Rule> {
    let scheme = Scheme::new();
    let rule = |at: usize| {
        let when = match at % 4 {
            0 => format!(r#"path eq "/blocked/{at}""#),
            1 => format!(r#"path starts_with "/old/{at}/""#),
            2 => format!(r#"ua contains "bot-{at}""#),
            _ => format!("ip.src in {{198.51.{}.0/24}}", at % 256),
        };
        let condition = scheme.parse(&when).unwrap();
        Rule::new(&format!("rule {at}"), condition).then(Action::Deny { status: 403 })
    };
    (0..number).map(rule).collect()
}

fn v4_net(bits: u32) -> portcullis::ipnet::IpNet {
    let length = 16 + (bits % 9) as u8;
    portcullis::ipnet::IpNet::new(Ipv4Addr::from_bits(bits).into(), length).unwrap().trunc()
}

fn v6(number: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits((0x2001_0db8 << 96) | (u128::from(number.wrapping_mul(0x9e37_79b1)) << 64))
}

fn v6_net(number: u32) -> portcullis::ipnet::IpNet {
    portcullis::ipnet::IpNet::new(v6(number).into(), 48).unwrap().trunc()
}
