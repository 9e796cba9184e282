//! A limit of a fleet: what a check costs that a lease or a remembered denial answers, and what the checks cost that
//! ask the store, without the store.

#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::{
    array,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::{
    Gate, LimitRule, Quota, Request, Timestamp,
    gate::GateStep,
    limit::remote::{
        Answers, Ask, Call, Claim, Fleet, FleetLimit, FleetSettings, Held, OnFailure, Step, Subject,
    },
};

/// So many keys are neither in the nearest cache, nor far away.
const MANY: u32 = 10_000;
/// Never runs out in a run of seconds, and lets a node take half of a long time's units in advance.
const OPEN: Quota = Quota::per_second(1_000_000).burst(1 << 27);
/// A burst of one leaves nothing to take in advance: each check asks.
const SINGLE: Quota = Quota::per_second(1_000_000).burst(1);
/// Taken once, it is denied for a day; a benchmark pretends to run for seconds.
const DAILY: Quota = Quota::per_day(1);
const START: Timestamp = Timestamp::from_secs(1_000);

fn leased(c: &mut Criterion) {
    for (name, keys) in [("1 key", 1), ("10,000 keys", MANY)] {
        let (fleet, limits) = fleet(["one", "two", "three"], OPEN);
        let subjects: Vec<Subject> = subjects(&fleet, keys);
        for subject in &subjects {
            provide(&fleet, &claims(&limits, *subject));
        }
        let mut nth = 0_u32;
        c.bench_function(&format!("fleet/lease/1 claim, {name}"), |b| {
            b.iter(|| {
                nth = nth.wrapping_add(1);
                let claim = [Claim::new(&limits[0], *one_of(&subjects, nth), 1)];
                admitted(granting(black_box(&fleet), &claim, after(nth)));
            });
        });
        c.bench_function(&format!("fleet/lease/3 claims, {name}"), |b| {
            b.iter(|| {
                nth = nth.wrapping_add(1);
                let claims = claims(&limits, *one_of(&subjects, nth));
                admitted(granting(black_box(&fleet), &claims, after(nth)));
            });
        });
    }
}

fn remembered(c: &mut Criterion) {
    for (name, keys) in [("1 key", 1), ("10,000 keys", MANY)] {
        let (fleet, limits) = fleet(["daily"], DAILY);
        let subjects = subjects(&fleet, keys);
        for subject in &subjects {
            let claims = claims(&limits, *subject);
            let Step::Ask(ask) = fleet.step(&claims, fleet.begin(START), START) else {
                panic!("nothing is known yet")
            };
            drop(ask.finish(&[Ok(vec![0, 0, 86_400_000_000, 86_400_000_000])], START));
        }
        let mut nth = 0_u32;
        c.bench_function(&format!("fleet/denial/1 claim, {name}"), |b| {
            b.iter(|| {
                nth = nth.wrapping_add(1);
                let claims = claims(&limits, *one_of(&subjects, nth));
                assert!(!granting(black_box(&fleet), &claims, after(nth)).is_admitted());
            });
        });
    }
}

/// Two steps, and what is between them: what the store is sent is made, and what it says is read and kept.
fn asked(c: &mut Criterion) {
    for (name, many) in [("1 claim", false), ("3 claims", true)] {
        let (fleet, limits) = fleet(["one", "two", "three"], SINGLE);
        let all = claims(&limits, fleet.subject(b"a client"));
        let claims = if many { &all[..] } else { &all[..1] };
        let mut nth = 0_u32;
        c.bench_function(&format!("fleet/asked/{name}"), |b| {
            b.iter(|| {
                nth = nth.wrapping_add(1);
                admitted(granting(black_box(&fleet), claims, after(nth)));
            });
        });
    }
    let (fleet, limits) = fleet(["one"], SINGLE);
    let claims = claims(&limits, fleet.subject(b"a client"));
    // The first half of it.
    c.bench_function("fleet/asked/1 claim, and given up", |b| {
        b.iter(|| {
            matches!(fleet.step(black_box(&claims), fleet.begin(START), START), Step::Ask(_))
        });
    });
    c.bench_function("fleet/subject of 16 bytes", |b| {
        b.iter(|| fleet.subject(black_box(&[7; 16])));
    });
}

/// The same limit, of this process and of a fleet; of the latter, what a lease answers.
fn gates(c: &mut Criterion) {
    let limit = || LimitRule::new("per client", OPEN);
    let local = Gate::builder().limit_rule(limit()).build().unwrap();
    let shared = limit().fleet(OnFailure::Closed);
    let shared = Gate::builder().fleet(settings()).limit_rule(shared).build().unwrap();
    for client in 0..MANY {
        let request = request(client);
        // The second one finds the first one's call on its way, and learns with it that there are several.
        let steps = [shared.start(&request, START), shared.start(&request, START)];
        for step in steps {
            assert!(resumed(&shared, &request, step, START));
        }
        for nth in 0..PROVIDED {
            assert!(started(&shared, &request, after(nth)));
        }
    }
    let mut nth = 0_u32;
    c.bench_function("fleet/gate/check, a limit of this process", |b| {
        b.iter(|| {
            nth = nth.wrapping_add(1);
            let request = request(nth.wrapping_mul(7_919) % MANY);
            assert!(black_box(&local).check(&request, after(nth)).is_admitted());
        });
    });
    c.bench_function("fleet/gate/start, the same without a fleet", |b| {
        b.iter(|| {
            nth = nth.wrapping_add(1);
            let request = request(nth.wrapping_mul(7_919) % MANY);
            assert!(started(black_box(&local), &request, after(nth)));
        });
    });
    c.bench_function("fleet/gate/start, answered from a lease", |b| {
        b.iter(|| {
            nth = nth.wrapping_add(1);
            let request = request(nth.wrapping_mul(7_919) % MANY);
            assert!(started(black_box(&shared), &request, after(nth)));
        });
    });
}

fn settings() -> FleetSettings {
    FleetSettings::new().prefix("bench").lease(Duration::from_secs(1))
}

fn fleet<const N: usize>(names: [&str; N], quota: Quota) -> (Fleet, [FleetLimit; N]) {
    let fleet = Fleet::new(settings()).unwrap();
    let limits = names.map(|name| fleet.limit(name, quota, OnFailure::Closed).unwrap());
    (fleet, limits)
}

fn subjects(fleet: &Fleet, number: u32) -> Vec<Subject> {
    (0..number).map(|nth| fleet.subject(&nth.to_le_bytes())).collect()
}

fn claims<const N: usize>(limits: &[FleetLimit; N], subject: Subject) -> [Claim<'_>; N] {
    array::from_fn(|at| Claim::new(&limits[at], subject, 1))
}

/// A stride that is prime to the number of all, so that neighbours are not hot.
fn one_of<T>(all: &[T], nth: u32) -> &T {
    &all[nth.wrapping_mul(7_919) as usize % all.len()]
}

/// A nanosecond a check, so that leases last for millions of them.
fn after(nth: u32) -> Timestamp {
    START.saturating_add(Duration::from_nanos(nth.into()))
}

/// So many checks of a key until its leases are long.
const PROVIDED: u32 = 1_000;

/// Has a node learn that these are asked for often.
fn provide(fleet: &Fleet, claims: &[Claim<'_>]) {
    // The second one finds the first one's call on its way, and learns with it that there are several.
    let steps = array::from_fn::<_, 2, _>(|_| fleet.step(claims, fleet.begin(START), START));
    for step in steps {
        admitted(gone_on(fleet, claims, step, START));
    }
    for nth in 0..PROVIDED {
        admitted(granting(fleet, claims, after(nth)));
    }
}

fn granting(fleet: &Fleet, claims: &[Claim<'_>], now: Timestamp) -> Answers {
    gone_on(fleet, claims, fleet.step(claims, fleet.begin(now), now), now)
}

/// With a store that grants all that is asked for.
fn gone_on(fleet: &Fleet, claims: &[Claim<'_>], step: Step, now: Timestamp) -> Answers {
    let mut step = step;
    loop {
        let held = match step {
            Step::Decided(answers) => return answers,
            Step::Ask(ask) => finished(ask, now),
            Step::Wait(wait) => wait.give_up(),
        };
        step = fleet.step(claims, held, now);
    }
}

#[cold]
fn finished(ask: Ask, now: Timestamp) -> Held {
    let replies: Vec<_> = ask.calls().iter().map(|call| Ok(granted(call))).collect();
    ask.finish(&replies, now)
}

fn granted(call: &Call) -> Vec<i64> {
    let numbers: Vec<&[u8]> = call.args().skip(1).collect();
    let most = numbers.chunks(5).map(|numbers| {
        let most = std::str::from_utf8(numbers[4]).unwrap();
        most.parse::<i64>().unwrap()
    });
    // One is left, so that nobody is denied for it.
    most.flat_map(|most| [most, 1, 0, 1]).collect()
}

fn started(gate: &Gate, request: &Request<'_>, now: Timestamp) -> bool {
    resumed(gate, request, gate.start(request, now), now)
}

fn resumed(gate: &Gate, request: &Request<'_>, step: GateStep, now: Timestamp) -> bool {
    let mut step = step;
    loop {
        let suspended = match step {
            GateStep::Decided(verdict) => return verdict.is_admitted(),
            GateStep::Ask(ask) => {
                let replies: Vec<_> = ask.calls().iter().map(|call| Ok(granted(call))).collect();
                ask.finish(&replies, now)
            }
            GateStep::Wait(wait) => wait.finish(),
        };
        step = gate.resume(suspended, request, now);
    }
}

fn request(client: u32) -> Request<'static> {
    let address = Ipv4Addr::from_bits(0x0a00_0000 + client);
    Request::new(IpAddr::from(address)).method("GET").host("h").target("/")
}

// A bench that takes another path than its name says is worse than none.
#[inline]
fn admitted(answers: Answers) {
    assert!(answers.is_admitted());
}

criterion_group!(benches, leased, remembered, asked, gates);
criterion_main!(benches);
