//! Headers of the PROXY protocol are read without an allocation, however they come.

use std::{hint::black_box, net::SocketAddr};

use portcullis::request::proxy::{Parsed, ProxyProtocol, Read, parse};

use super::allocations;

#[test]
fn reading_a_header_allocates_nothing() {
    let proxies = ProxyProtocol::new("10.0.0.0/8".parse().unwrap());
    let [proxy, stranger] = [[10, 0, 0, 1], [203, 0, 113, 9]].map(|ip| SocketAddr::from((ip, 1)));
    let values = b"\x01\0\x02h2\x02\0\x0cshop.example\x04\0\x01\0";
    let v4 = [203, 0, 113, 9, 192, 0, 2, 1, 0, 1, 0, 2];
    let block = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x24"[..], &v4, values].concat();
    let wrong = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13"[..], &v4, b"\x03\0\x04abcd"].concat();
    let line = b"PROXY TCP6 2001:db8::9 ::ffff:192.0.2.1 56324 443\r\nGET / HTTP/1.1\r\n";
    let long = b"PROXY UNKNOWN ".iter().chain(&[b'x'; 200]).copied().collect::<Vec<u8>>();
    let (mut accepted, mut refused, mut waiting) = (0, 0, 0);
    let count = allocations(|| {
        for bytes in [&block[..], &wrong, line, &long, b"GET / HTTP/1.1\r\n"] {
            for length in 0..=bytes.len() {
                let part = black_box(&bytes[..length]);
                if let Parsed::Header(header) = parse(part) {
                    black_box((header.authority(), header.alpn(), header.tlvs().count()));
                }
                for peer in [proxy, stranger] {
                    match proxies.read(peer, part) {
                        Read::Accepted(_) => accepted += 1,
                        Read::Refused(_) => refused += 1,
                        Read::Incomplete { .. } => waiting += 1,
                    }
                }
            }
        }
    });
    assert_eq!(count, 0);
    assert!(accepted > 0 && refused > 0 && waiting > 0, "{accepted} {refused} {waiting}");
}
