//! The PROXY protocol: what it costs to learn whose connection it is.

#![allow(missing_docs, reason = "criterion's macros generate public items")]

use std::{hint::black_box, net::SocketAddr};

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::request::proxy::{ProxyProtocol, Read, parse, reference::write};

fn proxy(c: &mut Criterion) {
    let v4 = [203, 0, 113, 9, 192, 0, 2, 1, 0xdc, 0x04, 0x01, 0xbb];
    let v6 = [&[0x20, 1, 13, 184][..], &[9; 12], &[0x20, 1, 13, 184], &[1; 12], &v4[8..]].concat();
    let name = [(0x02, b"shop.example".to_vec())];
    let request = b"GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n";
    let line_v4 = b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n".to_vec();
    let line_v6 = b"PROXY TCP6 2001:db8:909:909::9 2001:db8:101:101::1 56324 443\r\n".to_vec();
    let headers = [
        ("v1, TCP4", line_v4.clone()),
        ("v1, TCP6", line_v6),
        ("v2, TCP4", write(0x21, 0x11, &v4, &[], false)),
        ("v2, TCP6", write(0x21, 0x21, &v6, &[], false)),
        ("v2, TCP4, a name", write(0x21, 0x11, &v4, &name, false)),
        ("v2, TCP4, a name, a checksum", write(0x21, 0x11, &v4, &name, true)),
    ];
    for (name, header) in headers {
        let bytes = [&header[..], request].concat();
        c.bench_function(&format!("proxy/{name}"), |b| b.iter(|| parse(black_box(&bytes))));
    }
    c.bench_function("proxy/no header", |b| b.iter(|| parse(black_box(request))));

    let proxies = ProxyProtocol::new("10.0.0.0/8\n2001:db8::/32".parse().expect("prefixes"));
    for (name, peer) in [("a trusted peer", [10, 0, 0, 1]), ("a stranger", [203, 0, 113, 9])] {
        let peer = SocketAddr::from((peer, 4711));
        c.bench_function(&format!("proxy/v1, TCP4, from {name}"), |b| {
            b.iter(|| {
                matches!(proxies.read(black_box(peer), black_box(&line_v4)), Read::Accepted(_))
            });
        });
    }
}

criterion_group!(benches, proxy);
criterion_main!(benches);
