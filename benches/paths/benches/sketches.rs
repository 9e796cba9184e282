//! What a request costs in the sketches of detection, and what each step of a tick takes.

#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use portcullis::detect::sketches::Sketches;

fn keys(number: u64) -> Vec<u64> {
    (0..number).map(Sketches::hash).collect()
}

/// On the way of a request.
fn requests(c: &mut Criterion) {
    let sketches = Sketches::new();
    // Few keys that are all there; and new ones each time, from more than a cache holds.
    for (name, number) in [("a hundred keys", 100), ("a million keys", 1_000_000)] {
        let keys = keys(number);
        let mut each = keys.iter().cycle();
        c.bench_function(&format!("sketches/hot keys/add, {name}"), |b| {
            b.iter(|| sketches.add_hot(1, black_box(*each.next().unwrap()), 1));
        });
        c.bench_function(&format!("sketches/distinct/add, {name}"), |b| {
            b.iter(|| sketches.add_distinct(black_box(*each.next().unwrap())));
        });
    }
    for net in 0..100_000 {
        sketches.note(net);
    }
    for part in (0..16).chain(0..16) {
        sketches.promote_step(part);
    }
    for (name, from) in [("known", 0), ("unknown", 1 << 40)] {
        let mut net = 0;
        c.bench_function(&format!("sketches/known/contains, {name}"), |b| {
            b.iter(|| {
                net = (net + 7_919) % 100_000;
                sketches.contains(black_box(from + net))
            });
        });
        c.bench_function(&format!("sketches/known/note, {name}"), |b| {
            b.iter(|| {
                net = (net + 7_919) % 100_000;
                sketches.note(black_box(from + net));
            });
        });
    }
    c.bench_function("sketches/recent/put", |b| b.iter(|| black_box(&sketches).put(false)));
    c.bench_function("sketches/recent/put, mark", |b| b.iter(|| black_box(&sketches).put(true)));
    let mut nanos = 0;
    c.bench_function("sketches/latencies/add", |b| {
        b.iter(|| {
            nanos = (nanos + 7_919_333) % 100_000_000;
            sketches.add_latency(black_box(Duration::from_nanos(nanos)));
        });
    });
}

/// Steps of a tick: each should take less than 100 microseconds.
fn steps(c: &mut Criterion) {
    let mut sketches = Sketches::new();
    let keys = keys(200_000);
    let fill = |sketches: &Sketches| {
        for (n, key) in keys.iter().enumerate() {
            sketches.add_hot(n % 4, *key, 1 + (n % 64) as u32);
        }
    };
    for stripe in [0, 3] {
        fill(&sketches);
        c.bench_function(&format!("sketches/hot keys/turn, stripe {stripe}"), |b| {
            // The list must not end up with one stripe many times.
            b.iter(|| {
                sketches.turn(0);
                if stripe > 0 { (1..4).map(|stripe| sketches.turn(stripe)).sum() } else { 0 }
            });
        });
    }
    c.bench_function("sketches/distinct/estimate", |b| {
        b.iter_batched(
            || keys.iter().for_each(|key| sketches.add_distinct(*key)),
            |()| sketches.estimate(),
            BatchSize::PerIteration,
        );
    });
    for step in ["promote", "rotate"] {
        c.bench_function(&format!("sketches/known/{step}, one part of 16"), |b| {
            b.iter_batched(
                || (0..100_000).for_each(|net| sketches.note(net)),
                |()| {
                    if step == "promote" {
                        sketches.promote_step(3);
                    } else {
                        sketches.rotate_step(3);
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    c.bench_function("sketches/known/estimate", |b| b.iter(|| sketches.estimate_known()));
    c.bench_function("sketches/latencies/take", |b| b.iter(|| sketches.take_latency()));
    for _ in 0..1_024 {
        sketches.put(true);
    }
    c.bench_function("sketches/recent/copy", |b| b.iter(|| sketches.copy_recent()));
    c.bench_function("sketches/recent/words of none", |b| b.iter(|| sketches.words_of_none()));
    c.bench_function("sketches/reservoir/learn", |b| b.iter(|| sketches.learn()));
}

criterion_group! {
    name = sketches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = requests, steps
}
criterion_main!(sketches);
