//! **Row 13: a client that writes who it is.**
//!
//! Identifiers: CVE-2020-28483 (gin); the `SmartIpKeyExtractor` of tower-governor; CVE-2024-45806 (Envoy); caddy-security #266; CVE-2013-2175
//! (HAProxy, a negative index into the list).
//!
//! The attack: `X-Forwarded-For: 1.2.3.4`, another one each time, and every request is a new client; or that of an exempt address, or of a victim that is
//! to be banned. A list of a hundred thousand entries costs time, or overruns a counter.
//!
//! Ours: nobody is believed unless a text says whose header counts, and then what our own proxies have added on the right:
//! `src/request/client_ip/mod.rs` I1 to I5 (`what_a_client_prepends_changes_nothing`, `an_untrusted_peer_is_the_client`; fuzz target `forwarded`;
//! a real nginx: `tests/e2e/tests/frameworks/nginx.rs`). This row is about what an attacker gains: units, an exemption, a ban of somebody else.
//!
//! Shown to fail, tests counted from above:
//! - `src/request/client_ip/mod.rs`, `walk` goes on to the leftmost entry: tests 2 and 5;
//! - without trust, the header is read all the same: test 1; the peer is not asked for: test 3;
//! - no end of hops: test 5; the last of two single values is believed: test 4.

use http::{HeaderValue, Request as HttpRequest};
use portcullis::{Gate, GateLayer, Timestamp, tower::GateService};
use tower_layer::Layer;

use crate::support::{Hello, Random, gate, get, ip, send};

const ATTACKER: &str = "203.0.113.66";

fn service(text: &str) -> (Gate, GateService<Hello>) {
    let gate = gate(text);
    let service = GateLayer::new(&gate).clock(|| Timestamp::from_secs(4)).layer(Hello);
    (gate, service)
}

fn with(mut request: HttpRequest<()>, lines: &[(&'static str, &[u8])]) -> HttpRequest<()> {
    for (name, value) in lines {
        request.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    request
}

/// Something that a client might write, other than it is written by anybody else.
fn written(random: &mut Random) -> Vec<u8> {
    let parts: [&[u8]; 16] = [
        b"198.51.100.9",
        b"10.0.0.7",
        b"127.0.0.1",
        b"::1",
        b",",
        b" , ",
        b"\"",
        b"\\\"",
        b";for=",
        b"for=\"[",
        b"unknown",
        b"_hidden",
        b"\xff",
        b"%00",
        b"a, b",
        b"\t",
    ];
    (0..1 + random.below(9)).flat_map(|_| random.of(&parts).to_vec()).collect()
}

const HEADERS: [&str; 8] = [
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "x-client-ip",
    "via",
    "x-forwarded",
];

/// In the open, no header means anything: neither for a limit, nor for an exemption, nor for a ban.
#[test]
fn in_the_open_no_header_is_believed() {
    let (gate, mut service) = service(
        "exempt = [\"198.51.100.9\"]\n[[limit]]\nname = \"each\"\nquota = \"10/h\"\nthen = { ban = \"1h\" }\n",
    );
    let mut random = Random(13);
    let mut served = 0;
    for _ in 0..2_000 {
        let lines: Vec<_> = HEADERS.iter().map(|name| (*name, written(&mut random))).collect();
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, &**value)).collect();
        served +=
            u32::from(send(&mut service, with(get(ip(ATTACKER), "/"), &lines)).0.status == 200);
    }
    assert_eq!(served, 10);
    let bans = gate.bans().list(Timestamp::from_secs(4));
    assert_eq!(bans.iter().map(|ban| ban.net()).collect::<Vec<_>>(), [Some(ip(ATTACKER).into())]);
}

/// Behind our proxy, which adds whom it sees: whatever stands in front, on the same line or on lines of its own.
#[test]
fn what_stands_in_front_changes_nothing() {
    for (header, added) in
        [("X-Forwarded-For", ATTACKER), ("Forwarded", "for=203.0.113.66;proto=https")]
    {
        let (gate, mut service) = service(&format!(
            "exempt = [\"198.51.100.9\"]\n[client]\ntrust = [\"10.0.0.1\"]\nheader = \"{header}\"\n\
             [[limit]]\nname = \"each\"\nquota = \"10/h\"\nthen = {{ ban = \"1h\" }}\n"
        ));
        let name = if header == "Forwarded" { "forwarded" } else { "x-forwarded-for" };
        let mut random = Random(14);
        let mut served = 0;
        for nth in 0..2_000 {
            let mut one = written(&mut random);
            let more = written(&mut random);
            let lines: Vec<(&str, Vec<u8>)> = if nth % 2 == 0 {
                one.extend_from_slice(b", ");
                one.extend_from_slice(added.as_bytes());
                vec![(name, more), (name, one)]
            } else {
                vec![(name, one), (name, more), (name, added.as_bytes().to_vec())]
            };
            let mut request = get(ip("10.0.0.1"), "/");
            for (name, value) in &lines {
                request.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
            }
            served += u32::from(send(&mut service, request).0.status == 200);
        }
        assert_eq!(served, 10, "{header}");
        let bans = gate.bans().list(Timestamp::from_secs(4));
        assert_eq!(
            bans.iter().map(|ban| ban.net()).collect::<Vec<_>>(),
            [Some(ip(ATTACKER).into())]
        );
    }
}

/// With a proxy of ours, who is not that proxy is itself, whatever it writes, and whatever it calls itself.
#[test]
fn who_is_not_our_proxy_is_itself() {
    for header in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let (_, mut service) = service(&format!(
            "exempt = [\"198.51.100.9\"]\n[client]\ntrust = [\"10.0.0.1\"]\nheader = \"{header}\"\n\
             [[limit]]\nname = \"each\"\nquota = \"10/h\"\n"
        ));
        let values = ["198.51.100.9", "for=198.51.100.9", "198.51.100.9, 10.0.0.1", "10.0.0.1"];
        let served = (0..400).filter(|nth| {
            let value = values[nth % 4].as_bytes();
            let request = with(get(ip(ATTACKER), "/"), &[(header, value)]);
            send(&mut service, request).0.status == 200
        });
        assert_eq!(served.count(), 10, "{header}");
    }
}

/// A header of one value that comes twice was written by two, and one of them is the client.
#[test]
fn a_single_value_that_comes_twice_is_believed_of_neither() {
    let (_, mut service) = service(
        "deny = [\"10.0.0.1\"]\n[client]\ntrust = [\"10.0.0.1\"]\nheader = \"x-real-ip\"\n",
    );
    let mut status = |lines: &[(&'static str, &[u8])]| {
        send(&mut service, with(get(ip("10.0.0.1"), "/"), lines)).0.status.as_u16()
    };
    assert_eq!(status(&[("x-real-ip", b"198.51.100.9")]), 200);
    assert_eq!(status(&[("x-real-ip", b"198.51.100.9"), ("x-real-ip", b"192.0.2.1")]), 403);
    assert_eq!(status(&[("x-real-ip", b"198.51.100.9, 192.0.2.1")]), 403);
    assert_eq!(
        status(&[("x-forwarded-for", b"198.51.100.9")]),
        403,
        "not the header that was named"
    );
}

/// Very many entries: the 32 on the right are looked at, and then the last that was vouched for is the client.
#[test]
fn long_chains_end_at_whom_our_own_vouched_for() {
    let text = "deny = [\"198.51.100.9\"]\n[client]\ntrust = [\"10.0.0.0/8\"]\n";
    for (ours, denied) in
        [(0, true), (1, true), (31, true), (32, false), (33, false), (10_000, false)]
    {
        let (_, mut service) = service(text);
        let mut entries = vec!["192.0.2.1".to_owned(); 3];
        entries.push("198.51.100.9".to_owned());
        entries.extend((0..ours).map(|nth| format!("10.0.{}.{}", nth / 250, nth % 250)));
        let one_line = entries.join(",");
        let in_one = with(get(ip("10.0.0.1"), "/"), &[("x-forwarded-for", one_line.as_bytes())]);
        let lines: Vec<_> =
            entries.iter().map(|entry| ("x-forwarded-for", entry.as_bytes())).collect();
        for request in [in_one, with(get(ip("10.0.0.1"), "/"), &lines)] {
            let status = send(&mut service, request).0.status;
            assert_eq!(status, if denied { 403 } else { 200 }, "{ours} of ours");
        }
    }
}
