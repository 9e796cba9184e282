//! The whole gate: one request, all stages.

#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
};

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::{CidrSet, Gate, Quota, Request, Timestamp};

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

criterion_group!(benches, gate);
criterion_main!(benches);
