use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::{format, string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::{
    Command, Header, LONGEST, LONGEST_V1, Parsed, Problem, ProxyProtocol, Read, Transport, Version,
    parse,
    reference::{Answer, check, write},
};
use crate::test_support::cases;

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn header(bytes: &[u8]) -> Header<'_> {
    check(bytes);
    match parse(bytes) {
        Parsed::Header(header) => header,
        other => panic!("{other:?}: {}", bytes.escape_ascii()),
    }
}

fn problem(bytes: &[u8]) -> Problem {
    check(bytes);
    match parse(bytes) {
        Parsed::Invalid(problem) => problem,
        other => panic!("{other:?}: {}", bytes.escape_ascii()),
    }
}

/// Source and destination as bytes, and as addresses.
const V4: &[u8] = &[203, 0, 113, 9, 192, 0, 2, 1, 0xdc, 0x04, 0x01, 0xbb];

#[test]
fn a_line_tells_both_addresses() {
    let found = header(b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\nGET / HTTP/1.1\r\n");
    assert_eq!(found.version(), Version::V1);
    assert_eq!(found.command(), Command::Proxy);
    assert_eq!(found.transport(), Transport::Stream);
    assert_eq!(found.source(), Some(socket("203.0.113.9:56324")));
    assert_eq!(found.destination(), Some(socket("192.0.2.1:443")));
    assert_eq!(found.consumed(), 44);
    assert_eq!(found.tlvs().count(), 0);
}

#[test]
fn a_block_tells_both_addresses_and_more() {
    let tlvs = vec![
        (0x01, b"h2".to_vec()),
        (0x02, b"shop.example".to_vec()),
        (0xea, vec![1, 2, 3]),
        (0xea, vec![4]),
    ];
    let bytes = [&write(0x21, 0x11, V4, &tlvs, true)[..], b"GET /"].concat();
    let found = header(&bytes);
    assert_eq!(found.version(), Version::V2);
    assert_eq!(found.command(), Command::Proxy);
    assert_eq!(found.transport(), Transport::Stream);
    assert_eq!(found.source(), Some(socket("203.0.113.9:56324")));
    assert_eq!(found.destination(), Some(socket("192.0.2.1:443")));
    assert_eq!(found.consumed(), bytes.len() - 5);
    assert_eq!(found.alpn(), Some(&b"h2"[..]));
    assert_eq!(found.authority(), Some("shop.example"));
    assert_eq!(found.tlv(0xea), Some(&[1, 2, 3][..]), "the first of them");
    assert_eq!(found.tlv(0x20), None);
    let kinds: Vec<u8> = found.tlvs().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [0x01, 0x02, 0xea, 0xea, 0x03]);
    let not_text = write(0x21, 0x11, V4, &[(0x02, vec![0xff])], false);
    assert_eq!(header(&not_text).authority(), None);
}

/// Where nothing is told of a client, the peer of the connection is the client.
#[test]
fn headers_without_a_source_leave_the_peer() {
    let unix = [1; 216];
    let dummy = [V4, &[9; 5]].concat();
    let rows: [(Vec<u8>, Command, Transport); 10] = [
        (b"PROXY UNKNOWN\r\n".to_vec(), Command::Proxy, Transport::Unspecified),
        (b"PROXY UNKNOWN \r\n".to_vec(), Command::Proxy, Transport::Unspecified),
        (b"PROXY UNKNOWN \xff\0 TCP4 1.2.3.4\r\n".to_vec(), Command::Proxy, Transport::Unspecified),
        (write(0x20, 0x00, &[], &[], false), Command::Local, Transport::Unspecified),
        // Balancers send health checks with dummy addresses, which are not to be looked at.
        (write(0x20, 0x11, V4, &[], false), Command::Local, Transport::Unspecified),
        (write(0x20, 0x99, &dummy, &[], false), Command::Local, Transport::Unspecified),
        (write(0x21, 0x00, &dummy, &[], false), Command::Proxy, Transport::Unspecified),
        (write(0x21, 0x10, &[7], &[], false), Command::Proxy, Transport::Unspecified),
        (write(0x21, 0x31, &unix, &[], true), Command::Proxy, Transport::Stream),
        (write(0x21, 0x32, &unix, &[], true), Command::Proxy, Transport::Datagram),
    ];
    let peer = socket("10.0.0.1:4711");
    for (bytes, command, transport) in rows {
        let found = header(&bytes);
        assert_eq!((found.command(), found.transport()), (command, transport), "{bytes:?}");
        assert_eq!((found.source(), found.destination()), (None, None), "{bytes:?}");
        let Read::Accepted(accepted) = ours().read(peer, &bytes) else { panic!("{bytes:?}") };
        assert_eq!((accepted.client(), accepted.consumed()), (peer, bytes.len()));
    }
}

/// I7, in both versions and for the peer.
#[test]
fn ipv4_mapped_addresses_are_ipv4_addresses() {
    let expected = Some(socket("203.0.113.9:1"));
    let line = b"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:cb00:7109 1 1\r\n";
    assert_eq!((header(line).source(), header(line).destination()), (expected, expected));
    let mapped = Ipv4Addr::new(203, 0, 113, 9).to_ipv6_mapped();
    let block = [&mapped.octets()[..], &mapped.octets(), &[0, 1, 0, 1]].concat();
    let block = write(0x21, 0x21, &block, &[], false);
    assert_eq!((header(&block).source(), header(&block).destination()), (expected, expected));
    // A dual-stack socket tells IPv4 peers so.
    let Read::Accepted(accepted) = ours().read(socket("[::ffff:10.0.0.1]:4711"), line) else {
        panic!("the peer is one of ours")
    };
    assert_eq!(Some(accepted.client()), expected);
    let Read::Accepted(accepted) = ours().read(socket("[::ffff:203.0.113.9]:1"), b"") else {
        panic!("there is nothing to wait for")
    };
    assert_eq!(Some(accepted.client()), expected);
}

/// I5: each problem by its name.
#[test]
fn what_must_not_be_in_a_header_is_told_apart() {
    let v4 = |transport: u8, tail: &[u8]| write(0x21, transport, &[V4, tail].concat(), &[], false);
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
    let unended = format!("PROXY TCP4 {}", " ".repeat(95));
    let rows: [(&[u8], Problem); 34] = [
        (b"PROXYX", Problem::Protocol),
        (b"PROXY\r\n", Problem::Protocol),
        (b"PROXY  ", Problem::Protocol),
        (b"PROXY TCP5", Problem::Protocol),
        (b"PROXY tcp4", Problem::Protocol),
        (b"PROXY UNKNOWNX", Problem::Protocol),
        (b"PROXY UNKNOWN\n", Problem::Protocol),
        (b"PROXY UNKNOWN \n", Problem::LineEnd),
        (b"PROXY UNKNOWN \rx\r\n", Problem::LineEnd),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n", Problem::LineEnd),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\r\n", Problem::LineEnd),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", Problem::LineEnd),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n", Problem::LineEnd),
        (b"PROXY TCP4 \r\n", Problem::Address),
        (b"PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n", Problem::Address),
        (b"PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n", Problem::Address),
        (b"PROXY TCP4 1.2.3.4 1.2.3.256 1 1\r\n", Problem::Address),
        (b"PROXY TCP4 ::1 ::1 1 1\r\n", Problem::Address),
        (b"PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", Problem::Address),
        (b"PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n", Problem::Address),
        (b"PROXY TCP6 [::1] ::1 1 1\r\n", Problem::Address),
        (b"PROXY TCP4 \xff ::1 1 1\r\n", Problem::Address),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4\r\n", Problem::Port),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", Problem::Port),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n", Problem::Port),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n", Problem::Port),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", Problem::Port),
        (long.as_bytes(), Problem::TooLong),
        (unended.as_bytes(), Problem::TooLong),
        (b"\r\n\r\n\0\r\nQUIT\n\x11", Problem::Version(1)),
        (b"\r\n\r\n\0\r\nQUIT\n\x2f", Problem::Command(15)),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x41", Problem::Family(4)),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x13", Problem::Transport(3)),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0b", Problem::Length),
    ];
    for (bytes, expected) in rows {
        assert_eq!(problem(bytes), expected, "{}", bytes.escape_ascii());
    }
    for (tail, expected) in [
        (&[4][..], Problem::Tlv),
        (&[4, 0], Problem::Tlv),
        (&[4, 0, 1], Problem::Tlv),
        (&[4, 0, 0, 4, 0xff, 0xff, 1], Problem::Tlv),
        (&[3, 0, 4, 0, 0, 0, 0], Problem::Checksum),
        (&[3, 0, 3, 0, 0, 0], Problem::Checksum),
        (&[3, 0, 0], Problem::Checksum),
    ] {
        assert_eq!(problem(&v4(0x11, tail)), expected, "{tail:?}");
    }
    // The longest line of all is one byte shorter than the long one above.
    assert_eq!(header(long.replacen('x', "", 1).as_bytes()).consumed(), LONGEST_V1);
}

/// I5: a checksum that is there has to be right, and no bit of the header is outside of it.
#[test]
fn a_checksum_finds_every_bit_that_changes() {
    let right = write(0x21, 0x12, V4, &[(0x04, vec![0; 3])], true);
    header(&right);
    for at in 0..right.len() * 8 {
        let mut wrong = right.clone();
        wrong[at / 8] ^= 1 << (at % 8);
        let answer = check(&wrong);
        let is_told = matches!(answer, Answer::Header(found) if found.addresses.is_some());
        // With the type of the checksum changed there is none.
        let is_type = at / 8 == right.len() - 7;
        assert_eq!(is_told, is_type, "bit {at}: {}", wrong.escape_ascii());
    }
    let twice = [&right[28..34], &right[34..], &right[34..]].concat();
    assert_eq!(problem(&write(0x21, 0x12, &[V4, &twice].concat(), &[], false)), Problem::Checksum);
}

/// The longest there can be, and the bound that a caller sets.
#[test]
fn headers_are_as_long_as_the_caller_lets_them_be() {
    let of_length = |length: usize| {
        let rest = length - 16 - V4.len() - 3;
        write(0x21, 0x11, V4, &[(0x04, vec![0; rest])], false)
    };
    let [longest, default] = [LONGEST, ProxyProtocol::DEFAULT_LONGEST].map(of_length);
    assert_eq!((longest.len(), header(&longest).consumed()), (65_551, LONGEST));
    let peer = socket("10.0.0.1:4711");
    let refused = Read::Refused(Problem::TooLong);
    assert!(matches!(ours().read(peer, &default), Read::Accepted(_)));
    assert_eq!(ours().read(peer, &default[..16]), Read::Incomplete { needed: default.len() });
    let more = of_length(default.len() + 1);
    assert_eq!(ours().read(peer, &more), refused);
    assert_eq!(ours().read(peer, &more[..16]), refused, "as soon as its length is known");
    assert!(matches!(ours().longest(usize::MAX).read(peer, &longest), Read::Accepted(_)));
    let short = ours().longest(0);
    assert!(matches!(short.read(peer, &of_length(LONGEST_V1)), Read::Accepted(_)));
    assert_eq!(short.read(peer, &of_length(LONGEST_V1 + 1)), refused);
}

/// I1 and I2, by hand; the property below tries them with any bytes.
#[test]
fn only_trusted_peers_are_believed_and_they_must_tell() {
    let line = b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n";
    let [proxy, stranger] = ["10.0.0.1:4711", "198.51.100.7:4711"].map(socket);
    let Read::Accepted(claimed) = ours().read(stranger, line) else { panic!("a stranger waits") };
    assert_eq!((claimed.client(), claimed.consumed(), claimed.header()), (stranger, 0, None));
    let request = b"GET / HTTP/1.1\r\n\r\n";
    assert_eq!(ours().read(proxy, request), Read::Refused(Problem::Missing));
    let Read::Accepted(plain) = ours().optional().read(proxy, request) else { panic!("optional") };
    assert_eq!((plain.client(), plain.consumed()), (proxy, 0));
    assert_eq!(ours().read(proxy, b""), Read::Incomplete { needed: 15 });
    // What begins as a header and is none is refused even where headers are optional.
    let broken = b"PROXY TCP4 203.0.113.9\r\n";
    assert_eq!(ours().optional().read(proxy, broken), Read::Refused(Problem::Address));
    let nobody = ProxyProtocol::new(crate::CidrSet::new());
    assert!(matches!(nobody.read(proxy, line), Read::Accepted(found) if found.client() == proxy));
}

/// A link-local peer keeps its zone, which its address is nothing without.
#[test]
fn the_peer_stays_what_it_is() {
    let peer = SocketAddr::V6(core::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 1, 2, 3));
    assert!(matches!(ours().read(peer, b""), Read::Accepted(found) if found.client() == peer));
}

fn ours() -> ProxyProtocol {
    ProxyProtocol::new("10.0.0.0/8".parse().unwrap())
}

fn number(bits: u32) -> impl Strategy<Value = u16> {
    let most = u16::try_from((1_u32 << bits) - 1).unwrap();
    prop_oneof![Just(0), Just(most), 0..=most]
}

fn v6() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![
        2 => any::<[u16; 8]>().prop_map(Ipv6Addr::from),
        2 => prop::array::uniform8(prop_oneof![3 => Just(0), 1 => any::<u16>()]).prop_map(Ipv6Addr::from),
        1 => any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).to_ipv6_mapped()),
        1 => Just(Ipv6Addr::from([0xffff; 8])),
    ]
}

/// Valid lines.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let v4 = || prop::array::uniform4(number(8)).prop_map(|parts| parts.map(|part| part as u8));
    let ports = || (number(16), number(16));
    let rest = prop_oneof![
        3 => (v4(), v4(), ports()).prop_map(|(from, to, (from_port, to_port))| {
            let [from, to] = [from, to].map(Ipv4Addr::from);
            format!("TCP4 {from} {to} {from_port} {to_port}")
        }),
        3 => (v6(), v6(), ports()).prop_map(|(from, to, (from_port, to_port))| {
            format!("TCP6 {from} {to} {from_port} {to_port}")
        }),
        1 => "[ -~]{0,91}".prop_map(|ignored| format!("UNKNOWN {ignored}")),
        1 => Just(String::from("UNKNOWN")),
    ];
    rest.prop_map(|rest| format!("PROXY {rest}\r\n").into_bytes())
}

/// Valid blocks.
fn block() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![Just(0), Just(1), Just(2), Just(4), Just(0x20), Just(0xff), 5..=255_u8];
    let tlv = (kind, prop::collection::vec(any::<u8>(), 0..12));
    let tlvs = prop::collection::vec(tlv, 0..4);
    let addresses = prop::collection::vec(any::<u8>(), 216);
    (0..4_usize, 1..=2_u8, addresses, tlvs, any::<bool>(), 0..10_u8).prop_map(
        |(family, transport, addresses, tlvs, with_checksum, kind)| {
            let length = [0, 12, 36, 216][family];
            let family = u8::try_from(family).unwrap();
            let command = if kind == 0 { 0x20 } else { 0x21 };
            let transport = if kind == 1 { 0 } else { transport };
            write(command, family << 4 | transport, &addresses[..length], &tlvs, with_checksum)
        },
    )
}

/// Pieces of lines, in any order.
fn shuffled() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "PROXY",
        " ",
        "TCP4",
        "TCP6",
        "UNKNOWN",
        "\r",
        "\n",
        "\r\n",
        "0",
        "00",
        "1",
        "65535",
        "65536",
        "255.",
        "256.",
        ".",
        ":",
        "::",
        "ffff:",
        "0ffff",
        "1.2.3.4",
        "1:2:3:4:5:6:7:8",
        "\u{7f}",
        "PROXY TCP4 ",
        "PROXY TCP6 ",
        "PROXY UNKNOWN",
        "\r\n\r\n\0\r\nQUIT\n",
        "\0",
        "\x0c",
        "!",
        "\x11",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

/// One byte changed, put in or taken out.
fn mutated(mut bytes: Vec<u8>, at: usize, byte: u8, how: u8) -> Vec<u8> {
    if bytes.is_empty() {
        return vec![byte];
    }
    let at = at % bytes.len();
    match how {
        0 => bytes[at] = byte,
        1 => bytes[at] ^= 1 << (byte % 8),
        2 => bytes.insert(at, byte),
        3 => bytes.insert(at, b" \r\n0:."[usize::from(byte) % 6]),
        _ => {
            bytes.remove(at);
        }
    }
    bytes
}

proptest! {
    #![proptest_config(cases(800))]

    /// I3, I4, I5: what is valid is a header, and nothing of what follows is.
    #[test]
    fn headers_are_read_to_their_end_and_no_further(
        header in prop_oneof![line(), block()],
        request in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let bytes = [&header[..], &request].concat();
        match check(&bytes) {
            Answer::Header(found) => prop_assert_eq!(found.consumed, header.len()),
            other => prop_assert!(false, "{:?}: {}", other, header.escape_ascii()),
        }
    }

    /// All of it, where a byte is wrong: the reference says what that makes of it.
    #[test]
    fn changed_headers_are_what_the_reference_says(
        header in prop_oneof![line(), block()],
        at in any::<usize>(),
        byte in any::<u8>(),
        how in 0..6_u8,
        end in any::<usize>(),
    ) {
        let changed = mutated(header, at, byte, how);
        check(&changed);
        check(&changed[..end % (changed.len() + 1)]);
    }

    #[test]
    fn any_bytes_are_what_the_reference_says(
        bytes in prop_oneof![shuffled(), prop::collection::vec(any::<u8>(), 0..60)],
    ) {
        check(&bytes);
    }

    /// Every length and every family, with less behind them than they say, too.
    #[test]
    fn any_block_is_what_the_reference_says(
        command in prop_oneof![Just(0x20), Just(0x21), any::<u8>()],
        family in prop_oneof![Just(0x11), Just(0x21), Just(0x31), Just(0x10), Just(0), any::<u8>()],
        length in prop_oneof![Just(11), Just(12), Just(35), Just(36), Just(215), Just(216), 0..300_usize],
        cut in prop_oneof![Just(0), Just(1), 0..300_usize],
    ) {
        let mut bytes = write(command, family, &vec![0; length], &[], false);
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        check(&bytes);
    }

    /// I1: what a stranger sends is not looked at, so it never waits and never claims anything.
    #[test]
    fn a_stranger_is_itself_whatever_it_sends(
        bits in any::<u32>().prop_filter("not ours", |bits| bits >> 24 != 10),
        bytes in prop_oneof![line(), block(), shuffled()],
    ) {
        let peer = SocketAddr::new(IpAddr::from(Ipv4Addr::from_bits(bits)), 4711);
        for proxies in [ours(), ours().optional()] {
            let Read::Accepted(accepted) = proxies.read(peer, &bytes) else { panic!("{peer}") };
            prop_assert_eq!((accepted.client(), accepted.consumed()), (peer, 0));
        }
    }
}
