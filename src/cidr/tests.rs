use core::net::IpAddr;
use std::{format, string::String, string::ToString, vec::Vec};

use ipnet::IpNet;

use super::{CidrParseError, CidrProblem as P, CidrSet, parse_prefix};

pub(super) fn set(text: &str) -> CidrSet {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(super) fn refused(text: &str) -> CidrParseError {
    match text.parse::<CidrSet>() {
        Ok(set) => panic!("{text:?} was read as {set:?}"),
        Err(error) => error,
    }
}

#[track_caller]
fn in_and_out(set: &CidrSet, within: &[&str], without: &[&str]) {
    for addr in within {
        assert!(set.contains(ip(addr)), "{addr} is not in {set:?}");
    }
    for addr in without {
        assert!(!set.contains(ip(addr)), "{addr} is in {set:?}");
    }
}

/// The query is IPv4 however it is spelled, and so is the entry.
#[test]
fn mapped_addresses_are_ipv4_in_the_query_and_in_the_entry() {
    let spellings = [
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "::FFFF:10.1.2.3",
        "::ffff:0a01:0203",
        "::ffff:a01:203",
        "0:0:0:0:0:ffff:10.1.2.3",
        "0000:0000:0000:0000:0000:ffff:0a01:0203",
    ];
    for entry in ["10.0.0.0/8", "::ffff:10.0.0.0/104", "0:0:0:0:0:ffff:0a00:0/104"] {
        let from_text = set(entry);
        let from_net: CidrSet = [net(entry)].into_iter().collect();
        assert_eq!(from_text, from_net);
        in_and_out(&from_text, &spellings, &["11.0.0.0", "::ffff:9.255.255.255", "::10.1.2.3"]);
    }
    for entry in spellings {
        assert_eq!(set(entry).to_string(), "10.1.2.3/32");
        assert_eq!([ip(entry)].into_iter().collect::<CidrSet>().to_string(), "10.1.2.3/32");
    }
    assert_eq!(set("::ffff:192.0.2.1 - 192.0.2.2").to_string(), "192.0.2.1/32\n192.0.2.2/32");
}

/// I2: an IPv6 prefix shorter than 96 bits adds no IPv4 address; 64 - 96 is not a length.
#[test]
fn short_ipv6_prefixes_do_not_cover_ipv4() {
    for entry in ["::/0", "::/64", "::/80", "::8000:0:0/81", "::fffe:0:0/95", "::-ffff::"] {
        let set = set(entry);
        in_and_out(&set, &["::fffe:0:1"], &["0.0.0.0", "1.2.3.4", "::ffff:1.2.3.4"]);
        assert!(set.v4_ranges().is_empty());
        assert_eq!(set.iter().collect::<CidrSet>(), set, "{entry}");
        assert_eq!(self::set(&set.to_string()), set, "{entry}");
    }
    for (text, kind) in [
        ("::ffff:1.2.3.0/24", P::MappedTooShort { meant: Some(net("1.2.3.0/24")) }),
        ("::ffff:1.2.3.4/64", P::MappedTooShort { meant: None }),
        ("::ffff:0:0/95", P::MappedTooShort { meant: None }),
        ("::ffff:0:0/0", P::MappedTooShort { meant: Some(net("0.0.0.0/0")) }),
        ("::ffff:0:0/96", P::MappedAll),
    ] {
        assert_eq!(parse_prefix(text).unwrap_err().kind(), &kind, "{text}");
    }
    for range in ["::ffff:0.0.0.0-::ffff:255.255.255.255", "::ffff:0:0-255.255.255.255"] {
        let error = range.parse::<CidrSet>().unwrap_err();
        assert_eq!(error.errors()[0].kind(), &P::MappedAll, "{range}");
    }
    assert!(set("0.0.0.0-255.255.255.255").contains("::ffff:1.2.3.4".parse().unwrap()));
    // As a value its host bits are cut first: ::/64, and still no IPv4.
    let cut: CidrSet = [net("::ffff:1.2.3.4/64")].into_iter().collect();
    assert_eq!(cut, set("::/64"));
    assert!(!cut.contains(ip("1.2.3.4")));

    let any = set("0.0.0.0/0\n::/0");
    in_and_out(&any, &["1.2.3.4", "::ffff:1.2.3.4", "::", "ffff::"], &[]);
    assert_eq!(any.to_string(), "0.0.0.0/0\n::/0");
}

/// I4: a prefix may stretch over the mapped addresses, but never is one of them, which would come
/// back as all of IPv4.
#[test]
fn the_mapped_block_is_never_listed_by_itself() {
    for (text, shown) in [
        ("::/80", "::/80"),
        ("::fffc:0:0/94", "::fffc:0:0/94"),
        ("::fffe:0:0/95", "::fffe:0:0/96"),
        ("::fffe:0:0/96", "::fffe:0:0/96"),
        ("::fffe:ffff:ffff-::1:0:0:0", "::fffe:ffff:ffff/128\n::1:0:0:0/128"),
        ("::fffc:0:0/95\n::fffe:0:0/96", "::fffc:0:0/94"),
    ] {
        let set = set(text);
        assert_eq!(set.to_string(), shown, "{text}");
        assert_eq!(self::set(shown), set, "{text}");
        assert!(set.v4_ranges().is_empty(), "{text}");
    }
    assert_eq!(
        set("::/0"),
        set("::-::fffe:ffff:ffff\n::1:0:0:0-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
    );
}

/// `Ipv6Addr::to_ipv4` would also take `::a.b.c.d`, and turn `::1` into 0.0.0.1.
#[test]
fn ipv4_compatible_addresses_stay_ipv6() {
    in_and_out(
        &set("10.0.0.0/8\n0.0.0.1"),
        &["10.0.0.1"],
        &["::10.0.0.1", "::1", "64:ff9b::10.0.0.1"],
    );
    in_and_out(&set("::1\n::10.0.0.1"), &["::1", "::a00:1"], &["0.0.0.1", "10.0.0.1"]);
    // Embedded by 6to4, NAT64, Teredo or ISATAP: plain IPv6, too.
    in_and_out(
        &set("192.0.2.1"),
        &[],
        &["2002:c000:201::", "64:ff9b::c000:201", "fe80::5efe:c000:201"],
    );
}

#[test]
fn the_ends_of_the_space_and_the_length_zero() {
    let all4 = set("0.0.0.0/0");
    in_and_out(&all4, &["0.0.0.0", "127.255.255.255", "255.255.255.255"], &["::", "::1"]);
    assert_eq!(all4, set("0.0.0.0/1\n128.0.0.0/1"));
    assert_eq!(all4, set("0.0.0.0-255.255.255.255"));
    let top = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let all6 = set("::/0");
    in_and_out(&all6, &["::", "7fff::", "8000::", top], &["0.0.0.0", "255.255.255.255"]);
    assert_eq!(all6, set("::/1\n8000::/1"));
    assert_eq!(all6, set(&format!("::-{top}")));

    in_and_out(&set("255.255.255.255"), &["255.255.255.255"], &["255.255.255.254", "0.0.0.0"]);
    in_and_out(&set(top), &[top], &["ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "::"]);
    in_and_out(
        &set("0.0.0.0\n::"),
        &["0.0.0.0", "::"],
        &["0.0.0.1", "::1", "255.255.255.255", top],
    );
    // Longer than 64 bits, and the last /64: neither is lost, neither wraps.
    in_and_out(
        &set("2001:db8::4/127"),
        &["2001:db8::4", "2001:db8::5"],
        &["2001:db8::3", "2001:db8::6"],
    );
    in_and_out(
        &set("ffff:ffff:ffff:ffff::/64"),
        &["ffff:ffff:ffff:ffff::", top],
        &["ffff:ffff:ffff:fffe::1", "::"],
    );
    // The longest split there is: all but the two ends.
    let inner = set("0.0.0.1-255.255.255.254");
    assert_eq!(inner.iter().count(), 62);
    assert_eq!(
        set("::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe").iter().last(),
        Some(net("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/128"))
    );
}

/// An empty list contains nothing; it never turns into "all".
#[test]
fn an_empty_list_contains_nothing() {
    const EMPTY: CidrSet = CidrSet::new();
    for empty in [EMPTY, CidrSet::default(), set(""), set("\n# none\n;\n\u{20}\n"), set("\u{feff}")]
    {
        assert_eq!(empty, EMPTY);
        assert!(empty.is_empty() && empty.iter().next().is_none() && empty.to_string().is_empty());
        in_and_out(&empty, &[], &["0.0.0.0", "255.255.255.255", "::", "::1"]);
    }
    assert!(!set("0.0.0.0").is_empty() && !set("::").is_empty());
}

/// I1: order, repetition and the way of cutting do not matter.
#[test]
fn equality_is_that_of_the_addresses() {
    let whole = set("10.0.0.0/8\n2001:db8::/32");
    assert_eq!(
        whole,
        set("2001:db8:8000::/33\n10.128.0.0/9\n10.0.0.0/9\n10.1.0.0/16\n2001:db8::/33\n10.0.0.0/9")
    );
    assert_eq!(whole.v4_ranges().len(), 1);
    assert_ne!(whole, set("10.0.0.0/8"));
    assert_ne!(set("0.0.0.0/32"), set("::/128"));
    assert_eq!(format!("{whole:?}"), "{10.0.0.0/8, 2001:db8::/32}");

    let mut grown = set("10.0.0.0/9");
    grown.extend([net("2001:db8::/32"), net("10.200.0.1/9")]);
    assert_eq!(grown, whole, "host bits of a value are cut off");
    grown.extend([]);
    assert_eq!(grown, whole);
}

/// I1, also when the caller's iterator gives up in the middle.
#[test]
fn an_iterator_that_panics_leaves_the_set_as_it_was() {
    let mut grown = set("10.0.0.0/8\n192.0.2.1");
    let extended = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        grown.extend([net("9.0.0.0/8"), net("::1/128")].into_iter().chain(core::iter::from_fn(
            || -> Option<IpNet> { std::panic::resume_unwind(std::boxed::Box::new(())) },
        )));
    }));
    assert!(extended.is_err());
    assert_eq!(grown, set("10.0.0.0/8\n192.0.2.1"));
}

/// In bulk, and large: half a million entries in the worst order.
#[test]
fn building_is_bulk() {
    let hosts = 500_000_u32;
    let nets = (0..hosts).rev().map(|n| IpNet::from(IpAddr::from((n * 2).to_be_bytes())));
    let set: CidrSet = nets.collect();
    assert_eq!(set.iter().count(), 500_000);
    assert!(set.memory_bytes() < size_of::<CidrSet>() + 17 * 500_000);
    let all: CidrSet = (0..hosts).map(|n| IpAddr::from(n.to_be_bytes())).collect();
    assert_eq!(all.v4_ranges(), [(0, hosts - 1)]);
    assert!(all.memory_bytes() < 4_096, "merged ranges give their room back");
}

#[cfg(feature = "serde")]
#[test]
fn serde_is_a_sequence_of_texts_read_strictly() {
    let list = set("10.0.0.0/8\n192.0.2.1\n2001:db8::/32");
    let json = serde_json::to_string(&list).unwrap();
    assert_eq!(json, "[\"10.0.0.0/8\",\"192.0.2.1/32\",\"2001:db8::/32\"]");
    assert_eq!(serde_json::from_str::<CidrSet>(&json).unwrap(), list);
    assert_eq!(serde_json::from_str::<CidrSet>("[]").unwrap(), CidrSet::new());
    assert_eq!(
        serde_json::from_str::<CidrSet>("[\"10.128.0.0/9\",\"::ffff:10.0.0.0/105\"]").unwrap(),
        set("10.0.0.0/8")
    );
    for (json, says) in [
        ("[\"10.0.0.0/8\",\"10.1.2.3/8\"]", "entry 1: prefix \"10.1.2.3/8\", column 1: host bits"),
        (
            "[\"010.0.0.0/8\"]",
            "entry 0: prefix \"010.0.0.0/8\", column 1: an octet with a leading zero",
        ),
        ("[\"1.2.3.4-1.2.3.5\"]", "entry 0: prefix \"1.2.3.4-1.2.3.5\", column 1: a range"),
        ("[\"# no\"]", "unexpected character U+0020"),
        ("\"10.0.0.0/8\"", "a sequence of prefixes"),
        ("[[0,4294967295]]", "expected a string"),
    ] {
        let error = serde_json::from_str::<CidrSet>(json).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// The reserved prefixes as they are published hold one line that must not be taken at its word.
#[test]
fn a_list_of_reserved_prefixes() {
    let text = reserved_prefixes();
    let error = refused(&text);
    assert_eq!(error.total(), 1, "{error}");
    assert_eq!(error.errors()[0].kind(), &P::MappedAll);
    assert_eq!(error.errors()[0].snippet(), "::ffff:0:0/96");

    let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("::ffff:0:0/96")).collect();
    let reserved = set(&kept.join("\r\n"));
    in_and_out(
        &reserved,
        &[
            "10.0.0.1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "ff02::1",
        ],
        &["8.8.8.8", "::ffff:8.8.8.8", "11.0.0.0", "172.32.0.0", "2606:4700::1111", "::2"],
    );
    // 224.0.0.0/4, 240.0.0.0/4 and the broadcast address are one; so are :: and ::1.
    let shown: Vec<String> = reserved.iter().map(|net| net.to_string()).collect();
    assert!(shown.contains(&"224.0.0.0/3".into()) && shown.contains(&"::/127".into()), "{shown:?}");
    assert_eq!(set(&reserved.to_string()), reserved);
}

/// Some of the prefixes that are reserved, as a published list tells them.
fn reserved_prefixes() -> String {
    "# reserved\n10.0.0.0/8\t# private\n127.0.0.0/8\t# loopback\n169.254.0.0/16\t# link local\n\
     224.0.0.0/4\t# multicast\n240.0.0.0/4\t# reserved\n255.255.255.255/32\t# broadcast\n\
     ::/128\t# unspecified\n::1/128\t# loopback\n::ffff:0:0/96\t# mapped\nfe80::/10\t# link local\n\
     ff00::/8\t# multicast\n"
        .into()
}

#[test]
fn an_error_has_the_text_that_it_is_about() {
    let error = parse_prefix("10.0.0.0/ffff::").unwrap_err();
    assert_eq!(error.snippet(), "10.0.0.0/ffff::");
    let long = format!("10.0.0.0/{}", "9".repeat(100));
    assert_eq!(parse_prefix(&long).unwrap_err().snippet(), format!("{}…", &long[..60]));
}
