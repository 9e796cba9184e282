//! The whole gate: one request, all stages.

#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
};

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::{
    CidrSet, Defence, Gate, GateBuilder, Outcome, Posture, Quota, Request, Timestamp,
    ipnet::IpNet,
    rule::{Action, Rule, Scheme, Type},
};

const CLIENTS: u32 = 10_000;
/// Never runs out in a run of seconds.
const OPEN: Quota = Quota::per_second(1_000_000).burst(1 << 27);
/// Taken once, it is denied for a day; a benchmark pretends to run for seconds.
const DAILY: Quota = Quota::per_day(1);

fn gate(c: &mut Criterion) {
    let one = Gate::builder().deny(listed()).limit("one", OPEN).build().unwrap();
    let two = Gate::builder().deny(listed()).limit("one", OPEN).limit("two", OPEN).build().unwrap();
    let closed = Gate::builder().deny(listed()).limit("daily", DAILY).build().unwrap();
    for (name, gate, network, admits) in [
        ("gate/allow/one limit", &one, 0x0a00_0000, true),
        ("gate/allow/two limits", &two, 0x0a00_0000, true),
        ("gate/deny/by the limit", &closed, 0x0a00_0000, false),
        ("gate/deny/by the list", &one, LISTED, false),
    ] {
        for client in 0..CLIENTS {
            drop(gate.check(&request(network + client), Timestamp::ZERO));
        }
        let mut nth = 0_u32;
        c.bench_function(name, |b| {
            b.iter(|| {
                nth += 1;
                // A stride that is prime to the number of clients, so that neighbours are not hot.
                let client = nth.wrapping_mul(7_919) % CLIENTS;
                let now = Timestamp::from_nanos(nth.into());
                let verdict = black_box(gate).check(&request(network + client), now);
                assert_eq!(verdict.is_admitted(), admits);
            });
        });
    }
}

/// Rules of several kinds before the limits, none of which holds: what filtering costs a good request.
fn rules(c: &mut Criterion) {
    let twenty = with_rules(20).limit("one", OPEN).limit("two", OPEN).build().unwrap();
    let many = with_rules(10_000).limit("one", OPEN).limit("two", OPEN).build().unwrap();
    for (name, gate) in [("gate/20 rules", &twenty), ("gate/10,000 rules", &many)] {
        let mut nth = 0_u32;
        c.bench_function(name, |b| {
            b.iter(|| {
                nth += 1;
                let peer = 0x0a00_0000 + nth.wrapping_mul(7_919) % CLIENTS;
                let request = Request::new(IpAddr::from(Ipv4Addr::from_bits(peer)))
                    .method("GET")
                    .host("shop.example")
                    .target("/products/17?sort=price")
                    .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0");
                let verdict = black_box(gate).check(&request, Timestamp::from_nanos(nth.into()));
                assert!(verdict.is_admitted());
            });
        });
    }
}

/// What it costs to be watched: the same requests without a defence and with one, over a time in which a tick
/// is due every second; a million requests a second, and a hundred, of which each is looked at closely.
fn watched(c: &mut Criterion) {
    let built =
        |up_to| Gate::builder().limit("one", OPEN).defence(Defence::up_to(up_to)).build().unwrap();
    let gates = [("off", built(Posture::Normal)), ("on", built(Posture::Defend))];
    for (pace, nanos) in [("1,000,000/s", 1_000_u64), ("100/s", 10_000_000)] {
        for (name, gate) in &gates {
            let mut nth = 0_u64;
            c.bench_function(&format!("gate/defence {name}, {pace}"), |b| {
                b.iter(|| {
                    nth += 1;
                    let peer = 0x0a00_0000 + (nth.wrapping_mul(7_919) % u64::from(CLIENTS)) as u32;
                    let request = Request::new(IpAddr::from(Ipv4Addr::from_bits(peer)))
                        .method("GET")
                        .host("shop.example")
                        .target("/products/17?sort=price")
                        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0");
                    let now = Timestamp::from_nanos(1_000_000_000 + nth * nanos);
                    let verdict = black_box(gate).check(&request, now).into_result();
                    if let Ok(admission) = verdict {
                        gate.finish(admission, Outcome::status(200), now);
                    }
                });
            });
        }
    }
}

/// So many rules: paths, prefixes, hosts with methods, networks, words in agents, and a list of many prefixes.
fn with_rules(number: u32) -> GateBuilder {
    let scheme = Scheme::new().list("listed", Type::Ip);
    let deny = Action::Deny { status: 403 };
    let rule = |nth: u32| {
        let when = match nth % 6 {
            0 => format!("path eq \"/secret-{nth}\""),
            1 => format!("path starts_with \"/admin-{nth}/\" and method ne \"HEAD\""),
            2 => format!("host eq \"h{nth}.example\" and method in {{\"POST\" \"PUT\"}}"),
            3 => format!("ip.src in {{{}/24}}", Ipv4Addr::from_bits(0xc100_0000 + nth * 256)),
            4 => format!("header[\"user-agent\"] contains \"scanner-{nth}\""),
            _ => format!("path ends_with \".bak{nth}\""),
        };
        Rule::new(&format!("rule {nth}"), scheme.parse(&when).unwrap()).then(deny.clone())
    };
    let listed = Rule::new("listed", scheme.parse("ip.src in $listed").unwrap()).then(deny.clone());
    (0..number - 1)
        .map(rule)
        .fold(Gate::builder().rule(listed).list("listed", listed_prefixes()), GateBuilder::rule)
}

/// Many prefixes, none of which holds a client of these benchmarks.
fn listed_prefixes() -> CidrSet {
    let nets = (0..100_000_u32).map(|nth| Ipv4Addr::from_bits(0xc800_0000 + nth * 512));
    nets.map(|net| IpNet::new(net.into(), 24).unwrap()).collect()
}

const LISTED: u32 = 0xc000_0000;

/// A thousand prefixes that do not touch; the first holds all the clients that are denied by the list.
fn listed() -> CidrSet {
    let mut text = String::from("192.0.0.0/16\n");
    for nth in 0..999_u32 {
        text.push_str(&format!("{}/24\n", Ipv4Addr::from_bits(0xc100_0000 + nth * 512)));
    }
    text.parse().unwrap()
}

fn request(peer: u32) -> Request<'static> {
    Request::new(IpAddr::from(Ipv4Addr::from_bits(peer))).method("GET").host("h").target("/")
}

criterion_group!(benches, gate, watched, rules);
criterion_main!(benches);
