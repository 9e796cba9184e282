use core::net::{IpAddr, Ipv4Addr};
use std::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use proptest::prelude::*;

use super::{ClientIp, ForwardedBy, Reason, Trust};
use crate::{request::Request, test_support::cases};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Trusts 10.0.0.0/8 and 2001:db8:aaaa::/48.
fn ours(header: &str) -> ClientIp {
    let trust = Trust::nets(["10.0.0.0/8", "2001:db8:aaaa::/48"]).unwrap();
    ClientIp::new(trust, ForwardedBy::header(header))
}

fn resolve(clients: &ClientIp, peer: &str, lines: &[&str]) -> (String, Reason) {
    let name = clients.header.name().to_ascii_uppercase();
    let request =
        lines.iter().fold(Request::new(ip(peer)).header("x-other", "9.9.9.9"), |request, line| {
            request.header(&name, *line)
        });
    let found = clients.resolve(&request).unwrap();
    (found.ip.to_string(), found.reason)
}

#[test]
fn chains_are_followed_rightmost_first_as_long_as_they_are_ours() {
    use Reason::{AllHopsTrusted, Header, Malformed, NoHeader, PeerUntrusted};
    let clients = ours("X-Forwarded-For");
    let rows: &[(&str, &[&str], &str, Reason)] = &[
        ("10.0.0.1", &["203.0.113.9"], "203.0.113.9", Header),
        ("10.0.0.1", &["192.0.2.1, 203.0.113.9"], "203.0.113.9", Header),
        ("10.0.0.1", &["203.0.113.9, 10.0.0.2"], "203.0.113.9", Header),
        ("10.0.0.1", &["192.0.2.1", "203.0.113.9", "10.0.0.2,10.0.0.3"], "203.0.113.9", Header),
        ("10.0.0.1", &["10.0.0.7, 10.0.0.2"], "10.0.0.7", AllHopsTrusted),
        ("10.0.0.1", &[], "10.0.0.1", NoHeader),
        ("10.0.0.1", &["", " , ,"], "10.0.0.1", NoHeader),
        ("10.0.0.1", &["203.0.113.9,, ,"], "203.0.113.9", Header),
        ("198.51.100.1", &["203.0.113.9"], "198.51.100.1", PeerUntrusted),
        // The chain ends where it cannot be followed, and never skips.
        ("10.0.0.1", &["203.0.113.9, unknown, 10.0.0.2"], "10.0.0.2", Malformed),
        ("10.0.0.1", &["203.0.113.9, _hidden"], "10.0.0.1", Malformed),
        ("10.0.0.1", &["203.0.113.9, 1.2.3.04"], "10.0.0.1", Malformed),
        ("10.0.0.1", &["203.0.113.9, \u{e9}"], "10.0.0.1", Malformed),
        // Found by fuzzing: the quote would end one that a client begins on the left.
        ("10.0.0.1", &["203.0.113.9, a1::%\"x"], "10.0.0.1", Malformed),
        // Forms of an address.
        ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9", Header),
        ("10.0.0.1", &["2001:db8::9"], "2001:db8::9", Header),
        ("10.0.0.1", &["[2001:db8::9]"], "2001:db8::9", Header),
        ("10.0.0.1", &["[2001:db8::9]:4711, 10.0.0.2:80"], "2001:db8::9", Header),
        ("10.0.0.1", &["\"[2001:db8::9]:4711\""], "2001:db8::9", Header),
        ("10.0.0.1", &["fe80::1%eth0"], "fe80::1", Header),
        ("10.0.0.1", &["[fe80::1%25eth0]:1"], "fe80::1", Header),
        ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9", Header),
        ("10.0.0.1", &["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9", Header),
        ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9", Header),
        ("2001:db8:aaaa::1", &["203.0.113.9"], "203.0.113.9", Header),
        ("10.0.0.1", &["203.0.113.9:0"], "203.0.113.9", Header),
        ("10.0.0.1", &["203.0.113.9:65535"], "203.0.113.9", Header),
        ("10.0.0.1", &["203.0.113.9:65536"], "10.0.0.1", Malformed),
        ("10.0.0.1", &["203.0.113.9:065535"], "10.0.0.1", Malformed),
        ("10.0.0.1", &["203.0.113.9:99999"], "10.0.0.1", Malformed),
        ("10.0.0.1", &["203.0.113.9:"], "10.0.0.1", Malformed),
        ("10.0.0.1", &["203.0.113.9:+80"], "10.0.0.1", Malformed),
        ("10.0.0.1", &["[203.0.113.9]"], "10.0.0.1", Malformed),
        ("10.0.0.1", &["[2001:db8::9"], "10.0.0.1", Malformed),
        ("10.0.0.1", &["[2001:db8::9]x"], "10.0.0.1", Malformed),
        ("10.0.0.1", &["203.0.113.9%eth0"], "10.0.0.1", Malformed),
        ("10.0.0.1", &["fe80::1%"], "10.0.0.1", Malformed),
        ("10.0.0.1", &["203.0.113.0/24"], "10.0.0.1", Malformed),
        // A quote that is never closed swallows nothing to its right.
        ("10.0.0.1", &["\"evil, 203.0.113.9"], "203.0.113.9", Header),
        ("10.0.0.1", &["\"evil\\, 203.0.113.9, 10.0.0.2"], "203.0.113.9", Header),
    ];
    for (peer, lines, expected, reason) in rows {
        let found = resolve(&clients, peer, lines);
        assert_eq!(found, (expected.to_string(), *reason), "{peer} {lines:?}");
    }
}

#[test]
fn forwarded_elements_are_read_by_their_for() {
    use Reason::{Header, Malformed};
    let clients = ours("forwarded");
    let rows: &[(&[&str], &str, Reason)] = &[
        (&["for=203.0.113.9"], "203.0.113.9", Header),
        (&["For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17", Header),
        (&["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60", Header),
        (&["for=192.0.2.43, for=198.51.100.17", "for=10.0.0.9"], "198.51.100.17", Header),
        (&["for=192.0.2.43;host=\"a,b;c\""], "192.0.2.43", Header),
        (&["for=192.0.2.43;x=\"a\\\",b\""], "192.0.2.43", Header),
        (&["for=\"evil, for=192.0.2.43"], "192.0.2.43", Header),
        (&["for=192.0.2.43, for=unknown"], "10.0.0.1", Malformed),
        (&["for=192.0.2.43, for=\"_gazonk\""], "10.0.0.1", Malformed),
        (&["for=192.0.2.43, proto=http"], "10.0.0.1", Malformed),
        (&["for=192.0.2.43;for=192.0.2.44"], "10.0.0.1", Malformed),
        (&["192.0.2.43"], "10.0.0.1", Malformed),
        (&["for=\"192.0.2.43:_port\""], "192.0.2.43", Header),
        (&["for=\"192.0.2.43:_a.b_c-9\""], "192.0.2.43", Header),
        (&["for=\"192.0.2.43:_\""], "10.0.0.1", Malformed),
        (&["for=\"192.0.2.43:_a b\""], "10.0.0.1", Malformed),
        (&["for=\"192.0.2.43:port\""], "10.0.0.1", Malformed),
        (&["for=\"192.0.2.43:65535\""], "192.0.2.43", Header),
        (&["for=\"192.0.2.43:65536\""], "10.0.0.1", Malformed),
        (&["for=\"192.0.2.43:000080\""], "10.0.0.1", Malformed),
        (&["for=\"192.0.2.43:_a.B-c_9\""], "192.0.2.43", Header),
        (&["for=\"192.0.2.43:_\""], "10.0.0.1", Malformed),
        (&["for=\"192.0.2.43:_a!\""], "10.0.0.1", Malformed),
        (&["for=\"[2001:db8::9]:_\""], "10.0.0.1", Malformed),
        (&["for=\"192.0.2.43:port\""], "10.0.0.1", Malformed),
    ];
    for (lines, expected, reason) in rows {
        let found = resolve(&clients, "10.0.0.1", lines);
        assert_eq!(found, (expected.to_string(), *reason), "{lines:?}");
    }
}

#[test]
fn hops_are_counted_from_the_peer_and_never_guessed() {
    use Reason::{Header, Malformed, Peer, TooFewHops};
    let line = "192.0.2.1, 203.0.113.9, 198.51.100.7";
    for (hops, expected, reason) in [
        (0, "10.0.0.1", Peer),
        (1, "198.51.100.7", Header),
        (2, "203.0.113.9", Header),
        (3, "192.0.2.1", Header),
        (4, "10.0.0.1", TooFewHops),
        (33, "10.0.0.1", TooFewHops),
        (255, "10.0.0.1", TooFewHops),
    ] {
        let clients = ClientIp::new(Trust::Hops(hops), ForwardedBy::XForwardedFor);
        assert_eq!(resolve(&clients, "10.0.0.1", &[line]), (expected.into(), reason), "{hops}");
    }
    let two = ClientIp::new(Trust::Hops(2), ForwardedBy::XForwardedFor);
    assert_eq!(resolve(&two, "10.0.0.1", &["x, 1.1.1.1"]), ("10.0.0.1".into(), Malformed));
    let chain = ["192.0.2.1"; 40].join(",");
    let most = ClientIp::new(Trust::Hops(32), ForwardedBy::XForwardedFor);
    assert_eq!(resolve(&most, "10.0.0.1", &[&chain]), ("192.0.2.1".into(), Header));
    // More hops than are ever followed are never there.
    let more = ClientIp::new(Trust::Hops(33), ForwardedBy::XForwardedFor);
    assert_eq!(resolve(&more, "10.0.0.1", &[&chain]), ("10.0.0.1".into(), TooFewHops));
}

#[test]
fn an_entry_has_up_to_128_bytes() {
    for (zone, expected) in
        [(123, ("a1::", Reason::Header)), (124, ("10.0.0.1", Reason::Malformed))]
    {
        let entry = format!("a1::%{}", "z".repeat(zone));
        let found = resolve(&ours("x-forwarded-for"), "10.0.0.1", &[&entry]);
        assert_eq!(found, (expected.0.into(), expected.1), "{} bytes", entry.len());
    }
}

#[test]
#[cfg(feature = "std")]
fn a_proxy_is_who_is_believed() {
    let by = |trust| ClientIp::new(trust, ForwardedBy::XForwardedFor);
    for (clients, ours, others, overlaps) in [
        (by(Trust::None), false, false, false),
        (by(Trust::Hops(0)), false, false, false),
        (by(Trust::Hops(1)), true, true, false),
        (ours("x-forwarded-for"), true, false, true),
    ] {
        assert_eq!(clients.is_proxy(ip("10.0.0.1")), ours, "{clients:?}");
        assert_eq!(clients.is_proxy(ip("9.9.9.9")), others, "{clients:?}");
        assert_eq!(clients.trusts_any_of(&"10.1.0.0/16".parse().unwrap()), overlaps);
        assert_eq!(clients.trusts_any_of(&"0.0.0.0/0".parse().unwrap()), overlaps);
        assert!(!clients.trusts_any_of(&"11.0.0.0/8".parse().unwrap()));
    }
}

/// I1, and S6 of single values: more than one line is nobody's word.
#[test]
fn single_headers_are_believed_behind_our_own_proxies_only() {
    use Reason::{Header, Malformed, NoHeader, PeerUntrusted, TooFewHops};
    let clients = ours("CF-Connecting-IP");
    assert_eq!(resolve(&clients, "10.0.0.1", &["203.0.113.9"]), ("203.0.113.9".into(), Header));
    assert_eq!(resolve(&clients, "10.0.0.1", &[]), ("10.0.0.1".into(), NoHeader));
    assert_eq!(resolve(&clients, "1.1.1.1", &["2.2.2.2"]), ("1.1.1.1".into(), PeerUntrusted));
    for lines in [&["2.2.2.2", "3.3.3.3"][..], &["2.2.2.2, 3.3.3.3"], &["x"], &[""]] {
        assert_eq!(resolve(&clients, "10.0.0.1", lines), ("10.0.0.1".into(), Malformed));
    }
    let front = ours("cloudfront-viewer-address");
    for (line, expected) in [
        ("203.0.113.9:4711", ("203.0.113.9", Header)),
        ("2001:db8:0:0:0:0:0:9:443", ("2001:db8::9", Header)),
        ("2001:db8::9:443", ("2001:db8::9", Header)),
        ("203.0.113.9", ("10.0.0.1", Malformed)),
    ] {
        assert_eq!(resolve(&front, "10.0.0.1", &[line]), (expected.0.into(), expected.1));
    }
    let hops = ClientIp::new(Trust::Hops(1), ForwardedBy::header("x-real-ip"));
    assert_eq!(resolve(&hops, "10.0.0.1", &["2.2.2.2"]), ("10.0.0.1".into(), TooFewHops));
}

#[test]
fn nobody_is_trusted_by_default_and_an_unknown_peer_is_nobody() {
    let clients = ClientIp::default();
    assert_eq!(resolve(&clients, "1.1.1.1", &["2.2.2.2"]), ("1.1.1.1".into(), Reason::Peer));
    let request = Request::new(None).header("x-forwarded-for", "2.2.2.2");
    assert_eq!(ours("x-forwarded-for").resolve(&request), None);
}

#[test]
fn long_chains_end_after_32() {
    let clients = ours("x-forwarded-for");
    let ours = |n: usize| ["10.0.0.2"; 10_000][..n].join(", ");
    let chain = format!("203.0.113.9, {}", ours(31));
    assert_eq!(resolve(&clients, "10.0.0.1", &[&chain]).1, Reason::Header);
    for n in [32, 33, 9_999] {
        let chain = format!("203.0.113.9, {}", ours(n));
        let expected = ("10.0.0.2".to_string(), Reason::TooManyHops);
        assert_eq!(resolve(&clients, "10.0.0.1", &[&chain]), expected, "{n} in a line");
        let lines: Vec<&str> = chain.split(", ").collect();
        assert_eq!(resolve(&clients, "10.0.0.1", &lines), expected, "{n} in lines");
    }
    assert_eq!(resolve(&clients, "10.0.0.1", &[&ours(32)]).1, Reason::AllHopsTrusted);
}

#[test]
fn names_stand_for_networks_and_all_mistakes_are_told() {
    let Trust::Nets(nets) = Trust::nets(["loopback", "linklocal", "uniquelocal"]).unwrap() else {
        panic!("nets");
    };
    for inside in [
        "127.9.9.9",
        "::1",
        "169.254.1.1",
        "fe80::1",
        "10.9.9.9",
        "172.31.0.1",
        "192.168.0.1",
        "fd00::1",
    ] {
        assert!(nets.contains(ip(inside)), "{inside}");
    }
    for outside in ["128.0.0.1", "::2", "172.32.0.1", "192.169.0.1", "8.8.8.8", "2001:db8::1"] {
        assert!(!nets.contains(ip(outside)), "{outside}");
    }
    let error = Trust::nets(["loopback", "10.0.0.1/8", "public", "1.1.1.1"]).unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains("line 2") && shown.contains("line 3"), "{shown}");
    assert!(Trust::nets(["1.1.1.1\n2.2.2.2"]).is_err(), "one item is one line");
}

/// The obvious way for headers without quotes: all entries in a row, and then from the end.
fn obvious(clients: &ClientIp, peer: IpAddr, lines: &[String]) -> (IpAddr, Reason) {
    let Trust::Nets(ours) = &clients.trust else { panic!("nets") };
    if !ours.contains(peer) {
        return (peer, Reason::PeerUntrusted);
    }
    let joined = lines.join(",");
    let entries: Vec<&str> = joined
        .split(',')
        .map(|entry| entry.trim_matches([' ', '\t']))
        .filter(|entry| !entry.is_empty())
        .collect();
    let mut last = peer;
    for (at, entry) in entries.iter().rev().enumerate() {
        if at == 32 {
            return (last, Reason::TooManyHops);
        }
        match entry.parse::<IpAddr>() {
            Err(_) => return (last, Reason::Malformed),
            Ok(ip) if !ours.contains(ip) => return (ip.to_canonical(), Reason::Header),
            Ok(ip) => last = ip.to_canonical(),
        }
    }
    (last, if entries.is_empty() { Reason::NoHeader } else { Reason::AllHopsTrusted })
}

fn entry() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0..4_u8).prop_map(|n| format!("10.0.0.{n}")),
        2 => any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).to_string()),
        1 => Just(String::from("2001:db8:aaaa::1")),
        1 => Just(String::from("::ffff:10.0.0.1")),
        1 => Just(String::from("unknown")),
        1 => Just(String::new()),
        1 => Just(String::from(" ")),
    ]
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn chains_equal_the_obvious_way(
        peer in prop_oneof![Just(ip("10.0.0.1")), Just(ip("9.9.9.9"))],
        lines in prop::collection::vec(prop::collection::vec(entry(), 0..40), 0..6),
        blank in prop_oneof![Just(","), Just(", "), Just(" ,\t")],
    ) {
        let clients = ours("x-forwarded-for");
        let lines: Vec<String> = lines.iter().map(|line| line.join(blank)).collect();
        let request = lines.iter().fold(Request::new(peer), |request, line| request.header("X-Forwarded-For", line));
        let found = clients.resolve(&request).unwrap();
        prop_assert_eq!((found.ip, found.reason), obvious(&clients, peer, &lines));
    }

    /// I2: whatever a client puts in front, in the same line or in lines before, changes nothing.
    #[test]
    fn what_a_client_prepends_changes_nothing(
        junk in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "[0-9.,\"\\\\:;= forun%\\[\\]]{0,60}".prop_map(String::into_bytes),
        ],
        lines_before in 0..70_usize,
        client in any::<u32>().prop_filter("not ours", |bits| bits >> 24 != 10),
        hops in 0..4_usize,
        kind in 0..3_usize,
    ) {
        let client = Ipv4Addr::from_bits(client);
        let header = ["x-forwarded-for", "forwarded", "x-forwarded-for"][kind];
        let form = |ip: &str| if kind == 1 { format!("for={ip};host=\"a,b\"") } else { ip.to_string() };
        let chain: Vec<String> = [form(&client.to_string())].into_iter()
            .chain((0..hops).map(|n| form(&format!("10.0.0.{n}"))))
            .collect();
        let mut line = junk.clone();
        line.extend_from_slice(b", ");
        line.extend_from_slice(chain.join(", ").as_bytes());
        let clients = match kind {
            2 => ClientIp::new(Trust::Hops(u8::try_from(hops).unwrap() + 1), ForwardedBy::XForwardedFor),
            _ => ours(header),
        };
        let mut request = Request::new(ip("10.0.0.1"));
        for _ in 0..lines_before {
            request = request.header(header, &junk);
        }
        let request = request.header(header, &line);
        let found = clients.resolve(&request).unwrap();
        prop_assert_eq!((found.ip, found.reason), (IpAddr::from(client), Reason::Header));
    }

    /// I1: without trust in the peer a header is not read.
    #[test]
    fn an_untrusted_peer_is_the_client(
        bits in any::<u32>().prop_filter("not ours", |bits| bits >> 24 != 10),
        line in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let peer = IpAddr::from(Ipv4Addr::from_bits(bits));
        for header in ["x-forwarded-for", "forwarded", "x-real-ip"] {
            let request = Request::new(peer).header(header, &line);
            let found = ours(header).resolve(&request).unwrap();
            prop_assert_eq!((found.ip, found.reason), (peer, Reason::PeerUntrusted));
        }
    }
}
