//! Lists of addresses: asked, made, changed and read.

#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis::{
    cidr::{CidrMap, CidrSet},
    ipnet::IpNet,
};

const SIZES: [usize; 3] = [10, 1_000, 100_000];
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
const BATCH: usize = 64;

/// A client that is on the list asks; which prefix it is in, nobody can foresee.
fn ask(c: &mut Criterion) {
    for family in FAMILIES {
        for size in SIZES {
            let list = List::random(family, size);
            let (set, map, clients) = (list.set(), list.map(), list.clients());
            let id = |what: &str| format!("cidr/{what}/{family:?}/{size}");
            let mut nth = 0;
            let mut next = || {
                nth += 1;
                clients[nth & (clients.len() - 1)]
            };
            c.bench_function(&id("contains"), |b| b.iter(|| black_box(&set).contains(next())));
            c.bench_function(&id("lookup"), |b| {
                b.iter(|| black_box(&map).lookup(next()).copied());
            });
            c.bench_function(&id("longest_match"), |b| {
                b.iter(|| black_box(&map).longest_match(next()).map(|(net, value)| (net, *value)));
            });
        }
    }
}

/// The time is that of a whole batch, and the throughput that of its addresses.
fn ask_many(c: &mut Criterion) {
    for family in FAMILIES {
        let mut group = c.benchmark_group(format!("cidr/lookup_batch/{family:?}"));
        group.throughput(Throughput::Elements(BATCH as u64));
        for size in SIZES {
            let list = List::random(family, size);
            let (map, clients) = (list.map(), list.clients());
            let mut batches = clients.chunks_exact(BATCH).cycle();
            let mut found = [None; BATCH];
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                b.iter(|| {
                    black_box(&map).lookup_batch(batches.next().unwrap(), &mut found);
                    black_box(&mut found);
                });
            });
        }
        group.finish();
    }
}

/// Of prefixes in any order. The throughput is in prefixes.
fn make(c: &mut Criterion) {
    for family in FAMILIES {
        for size in SIZES {
            let list = List::random(family, size);
            let mut group = c.benchmark_group(format!("cidr/make/{family:?}"));
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(BenchmarkId::new("set", size), |b| {
                b.iter_batched(
                    || list.shuffled.iter().map(|(net, _)| *net),
                    CidrSet::from_iter,
                    BatchSize::LargeInput,
                );
            });
            group.bench_function(BenchmarkId::new("map", size), |b| {
                b.iter_batched(
                    || list.shuffled.iter().copied(),
                    CidrMap::from_iter,
                    BatchSize::LargeInput,
                );
            });
            group.finish();
        }
    }
}

/// One prefix in, and the same one out again.
fn change(c: &mut Criterion) {
    for family in FAMILIES {
        let mut group = c.benchmark_group(format!("cidr/insert and remove/{family:?}"));
        for size in SIZES {
            let list = List::random(family, size);
            let (mut map, clients) = (list.map(), list.clients());
            let mut clients = clients.iter().cycle();
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                b.iter(|| {
                    let host = IpNet::from(*clients.next().unwrap());
                    map.insert(host, u32::MAX);
                    map.remove(&host)
                });
            });
        }
        group.finish();
    }
}

/// A list as it is published: a prefix a line, a remark on every third.
fn read(c: &mut Criterion) {
    for family in FAMILIES {
        let mut group = c.benchmark_group(format!("cidr/read/{family:?}"));
        for size in SIZES {
            let text = List::random(family, size).text();
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                b.iter(|| black_box(text.as_str()).parse::<CidrSet>().unwrap());
            });
        }
        group.finish();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// So many random prefixes, each with a value of its own.
struct List {
    shuffled: Vec<(IpNet, u32)>,
}

impl List {
    /// With lengths that are usual in a routing table, but fewer different ones.
    fn random(family: Family, size: usize) -> Self {
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let mut nets = BTreeMap::new();
        while nets.len() < size {
            let (addr, place) = (random.next(), random.next() % 8);
            let net = match family {
                Family::V4 => {
                    let len = [16, 19, 20, 22, 23, 24, 24, 24][place as usize];
                    IpNet::new(Ipv4Addr::from_bits((addr >> 32) as u32).into(), len)
                }
                Family::V6 => {
                    let len = [29, 32, 36, 40, 44, 48, 48, 48][place as usize];
                    let bits = u128::from(addr) << 61 | 1 << 125;
                    IpNet::new(Ipv6Addr::from_bits(bits).into(), len)
                }
            };
            // Sorted by address first, so that the order in which they were drawn is any order.
            nets.insert(net.unwrap().trunc(), addr);
        }
        let mut drawn: Vec<(u64, IpNet)> =
            nets.into_iter().map(|(net, addr)| (addr.reverse_bits(), net)).collect();
        drawn.sort_unstable();
        Self { shuffled: drawn.into_iter().map(|(_, net)| net).zip(1..).collect() }
    }

    fn set(&self) -> CidrSet {
        self.shuffled.iter().map(|(net, _)| *net).collect()
    }

    fn map(&self) -> CidrMap<u32> {
        self.shuffled.iter().copied().collect()
    }

    /// Addresses inside of prefixes, a power of two of them and more than the predictor can learn.
    fn clients(&self) -> Vec<IpAddr> {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut client = || {
            let (net, _) = self.shuffled[random.next() as usize % self.shuffled.len()];
            match net {
                IpNet::V4(net) => {
                    let host = random.next() as u32 & net.hostmask().to_bits();
                    IpAddr::from(Ipv4Addr::from_bits(net.network().to_bits() | host))
                }
                IpNet::V6(net) => {
                    let host = u128::from(random.next()) << 17 & net.hostmask().to_bits();
                    IpAddr::from(Ipv6Addr::from_bits(net.network().to_bits() | host))
                }
            }
        };
        (0..1 << 17).map(|_| client()).collect()
    }

    fn text(&self) -> String {
        let mut text = String::from("# a list\n");
        for (net, value) in &self.shuffled {
            let remark = if value % 3 == 0 { " ; seen today" } else { "" };
            text.push_str(&format!("{net}{remark}\n"));
        }
        text
    }
}

/// A sequence of numbers that is the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn short() -> Criterion {
    // There are many of them, and none needs long.
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = cidr;
    config = short();
    targets = ask, ask_many, make, change, read
}
criterion_main!(cidr);
