//! Canonical paths: clean ones, which one scan tells, and dirty ones, which are rewritten.

#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::{Request, request::reference::canonical_lengths};

fn canonical(c: &mut Criterion) {
    let long_clean = format!("/{}", "a-segment-of-16b/".repeat(120));
    let long_dirty = format!("/{}%2e%2E/b", "a-segment-of-16b/".repeat(120));
    for (name, target) in [
        ("none", ""),
        ("clean, 6 bytes", "/login"),
        ("clean, 20 bytes", "/images/logo-new.png"),
        ("clean, 30 bytes", "/api/v1/accounts/4711/payments"),
        ("clean, 40 bytes", "/api/v1/accounts/4711/payments/month/may"),
        (
            "clean, 30 bytes and a query of 20",
            "/api/v1/accounts/4711/payments?page=2&order=descend",
        ),
        ("clean, 30 bytes and an escape in the query", "/api/v1/accounts/4711/payments?q=a%20b"),
        ("dirty, 30 bytes", "/api/v1/../v1/%61ccounts/4711/"),
        ("clean, 2 KiB", &long_clean),
        ("dirty, 2 KiB", &long_dirty),
    ] {
        c.bench_function(&format!("canonical/{name}"), |b| {
            b.iter(|| {
                canonical_lengths(
                    &Request::new(None).target(black_box(target)).host("shop.example"),
                )
            });
        });
    }
    for (name, host) in [("port", "shop.example:8080"), ("upper case", "Shop.Example")] {
        c.bench_function(&format!("canonical/host with {name}"), |b| {
            b.iter(|| {
                canonical_lengths(&Request::new(None).target("/login").host(black_box(host)))
            });
        });
    }
}

/// What it costs to say what a request is: headers are kept inline up to a number.
fn request(c: &mut Criterion) {
    const LINES: [(&str, &str); 12] = [
        ("host", "shop.example"),
        ("user-agent", "Mozilla/5.0"),
        ("accept", "*/*"),
        ("accept-language", "de"),
        ("accept-encoding", "gzip"),
        ("cookie", "a=b"),
        ("referer", "/"),
        ("connection", "keep-alive"),
        ("cache-control", "no-cache"),
        ("x-a", "a"),
        ("x-b", "b"),
        ("x-c", "c"),
    ];
    for count in [0, 1, 4, 5, 8, 12] {
        c.bench_function(&format!("request/{count} headers"), |b| {
            b.iter(|| {
                let mut request = Request::new(None).method("GET").host("h").target("/");
                for (name, value) in LINES.iter().take(black_box(count)) {
                    request = request.header(name, *value);
                }
                black_box(&request).first_header("x-none")
            });
        });
    }
}

criterion_group!(benches, canonical, request);
criterion_main!(benches);
