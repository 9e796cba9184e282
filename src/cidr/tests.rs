use core::net::IpAddr;
use std::{format, string::String, string::ToString, vec::Vec};

use ipnet::IpNet;

use super::{CidrParseError, CidrProblem as P, CidrSet, parse_prefix};

fn set(text: &str) -> CidrSet {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn refused(text: &str) -> CidrParseError {
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

/// Every text of the table is refused by its kind, in the column of the problem.
#[test]
fn odd_texts_are_refused_with_their_kind() {
    let zero = |meant: &str| P::LeadingZero { meant: Some(net(meant)) };
    let bits = |network: &str, host: &str| P::HostBits { network: net(network), host: net(host) };
    let (four, six) = (32, 128);
    for (text, column, kind) in [
        ("", 1, P::Empty),
        ("/", 1, P::Empty),
        ("/8", 1, P::Empty),
        (" ", 1, P::Character(' ')),
        ("10.0.0.0/8 ", 11, P::Character(' ')),
        (" 10.0.0.0/8", 1, P::Character(' ')),
        ("10.0.0.0 /8", 9, P::Character(' ')),
        ("10.0.0.0/ 8", 10, P::Character(' ')),
        ("10.0.0.0/8\n", 11, P::Character('\n')),
        ("10.0.0.0\u{a0}", 9, P::Character('\u{a0}')),
        ("\u{feff}10.0.0.0", 1, P::Character('\u{feff}')),
        ("１0.0.0.0", 1, P::Character('１')),
        ("10.0.0.0/٨", 10, P::Character('٨')),
        ("1.2.3.4\0", 8, P::Character('\0')),
        ("hello", 1, P::NotAnAddress),
        ("example.com", 1, P::NotAnAddress),
        ("http://1.2.3.4", 1, P::NotAnAddress),
        ("1.2.3.4.5", 1, P::NotAnAddress),
        ("1.2.3.", 1, P::NotAnAddress),
        (".1.2.3", 1, P::NotAnAddress),
        ("1..2.3", 1, P::NotAnAddress),
        ("+1.2.3.4", 1, P::NotAnAddress),
        ("-1.2.3.4", 1, P::NotAnAddress),
        ("1.2.3.-4", 1, P::NotAnAddress),
        ("1,2,3,4", 1, P::NotAnAddress),
        ("1.2.3.4e0", 1, P::NotAnAddress),
        (":", 1, P::NotAnAddress),
        (":::", 1, P::NotAnAddress),
        ("1::2::3", 1, P::NotAnAddress),
        ("1:2:3:4:5:6:7", 1, P::NotAnAddress),
        ("1:2:3:4:5:6:7:8:9", 1, P::NotAnAddress),
        ("12345::", 1, P::NotAnAddress),
        ("00001::", 1, P::NotAnAddress),
        ("g::", 1, P::NotAnAddress),
        ("::1.2.3.4:5", 1, P::NotAnAddress),
        ("010.1.2.3", 1, zero("10.1.2.3/32")),
        ("010.0.0.0/8", 1, zero("10.0.0.0/8")),
        ("10.0.0.00", 1, zero("10.0.0.0/32")),
        ("127.0.0.01", 1, zero("127.0.0.1/32")),
        ("0300.1.1.1", 1, P::LeadingZero { meant: None }),
        ("010.1.2.3/8", 1, P::LeadingZero { meant: None }),
        ("::ffff:010.0.0.1", 8, zero("10.0.0.1/32")),
        ("64:ff9b::192.000.2.1", 10, zero("64:ff9b::c000:201/128")),
        ("256.1.1.1", 1, P::OctetTooLarge),
        ("1.2.3.999/24", 1, P::OctetTooLarge),
        ("0x7f.0.0.1", 1, P::Hexadecimal),
        ("0x7f000001", 1, P::Hexadecimal),
        ("0X0a.0.0.1", 1, P::Hexadecimal),
        ("127.1", 1, P::ShortForm),
        ("10/8", 1, P::ShortForm),
        ("10.0/16", 1, P::ShortForm),
        ("2130706433", 1, P::ShortForm),
        ("0", 1, P::ShortForm),
        ("1.2.3.4:80", 1, P::Port),
        ("[::1]", 1, P::Port),
        ("[::1]:443", 1, P::Port),
        ("fe80::1%eth0", 8, P::ZoneId),
        ("fe80::1%1", 8, P::ZoneId),
        ("fe80::1%eth0/64", 8, P::ZoneId),
        ("fe80::/10%eth0", 10, P::ZoneId),
        ("192.0.2.1-192.0.2.9", 1, P::Range),
        ("10.0.0.0/", 10, P::LengthMissing { max: four }),
        ("::/", 4, P::LengthMissing { max: six }),
        ("10.0.0.0/+8", 10, P::LengthNotANumber { max: four }),
        ("10.0.0.0/-8", 10, P::LengthNotANumber { max: four }),
        ("10.0.0.0/8/8", 11, P::LengthNotANumber { max: four }),
        ("10.0.0.0//8", 10, P::LengthNotANumber { max: four }),
        ("10.0.0.0/0x8", 11, P::LengthNotANumber { max: four }),
        ("10.0.0.0/8.0", 11, P::LengthNotANumber { max: four }),
        ("10.0.0.0/08", 10, P::LengthLeadingZero { meant: 8 }),
        ("10.0.0.0/00", 10, P::LengthLeadingZero { meant: 0 }),
        ("::/032", 4, P::LengthLeadingZero { meant: 32 }),
        ("10.0.0.0/33", 10, P::LengthTooLong { max: four }),
        ("10.0.0.0/256", 10, P::LengthTooLong { max: four }),
        ("10.0.0.0/264", 10, P::LengthTooLong { max: four }),
        ("10.0.0.0/18446744073709551624", 10, P::LengthTooLong { max: four }),
        ("::/129", 4, P::LengthTooLong { max: six }),
        ("10.0.0.0/255.0.0.0", 10, P::Netmask { length: Some(8) }),
        ("10.0.0.0/0.255.255.255", 10, P::Netmask { length: None }),
        ("10.0.0.0/255.0.255.0", 10, P::Netmask { length: None }),
        ("10.0.0.0/ffff::", 10, P::Netmask { length: None }),
        ("fe80::/ffc0::", 8, P::Netmask { length: Some(10) }),
        ("10.1.2.3/8", 1, bits("10.0.0.0/8", "10.1.2.3/32")),
        ("0.0.0.1/0", 1, bits("0.0.0.0/0", "0.0.0.1/32")),
        ("255.255.255.255/31", 1, bits("255.255.255.254/31", "255.255.255.255/32")),
        ("::ffff:10.1.2.3/104", 1, bits("10.0.0.0/8", "10.1.2.3/32")),
        ("2001:db8::1/32", 1, bits("2001:db8::/32", "2001:db8::1/128")),
    ] {
        let error = match parse_prefix(text) {
            Ok(net) => panic!("{text:?} was read as {net}"),
            Err(error) => error,
        };
        assert_eq!((error.column(), error.kind()), (column, &kind), "{text:?}");
        let shown = error.to_string();
        assert!(!shown.contains(|c: char| c.is_control()), "{shown:?}");
    }
}

#[test]
fn good_texts_mean_what_they_say() {
    for (text, shown) in [
        ("0.0.0.0", "0.0.0.0/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("10.1.2.3/32", "10.1.2.3/32"),
        ("255.255.255.254/31", "255.255.255.254/31"),
        ("::", "::/128"),
        ("::/0", "::/0"),
        ("::1", "::1/128"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:0db8:0000::/48", "2001:db8::/48"),
        ("64:ff9b::192.0.2.0/120", "64:ff9b::c000:200/120"),
        ("::ffff:0.0.0.0/97", "0.0.0.0/1"),
        ("::ffff:255.255.255.255/128", "255.255.255.255/32"),
    ] {
        assert_eq!(parse_prefix(text).unwrap().to_string(), shown, "{text}");
        assert_eq!(set(text).to_string(), shown, "{text}");
    }
}

#[test]
fn messages_say_what_would_be_right() {
    for (text, message) in [
        (
            "10.1.2.3/8",
            "line 1, column 1: \"10.1.2.3/8\": host bits are set; \
             write 10.0.0.0/8 for the network or 10.1.2.3/32 for the host",
        ),
        (
            "\t10.0.0.0/08",
            "line 1, column 11: \"10.0.0.0/08\": a length with a leading zero; write /8",
        ),
        (
            "::ffff:1.2.3.0/24",
            "line 1, column 1: \"::ffff:1.2.3.0/24\": an IPv4-mapped prefix shorter than 96 bits; \
             write an IPv4 prefix, 1.2.3.0/24 if that is what is meant",
        ),
        (
            "::ffff:1.2.3.0/64",
            "line 1, column 1: \"::ffff:1.2.3.0/64\": an IPv4-mapped prefix shorter than 96 bits; \
             write an IPv4 prefix such as 192.0.2.0/24",
        ),
        (
            "10.0.0.0/0.0.0.255",
            "line 1, column 10: \"10.0.0.0/0.0.0.255\": a netmask; \
             write the prefix with its length, as in 192.0.2.0/24",
        ),
        (
            "1.2.3.4\u{a0}",
            "line 1, column 8: \"1.2.3.4\u{a0}\": unexpected character U+00A0; an entry has only \
             digits, letters a to f, \".\", \":\" and \"/\"",
        ),
    ] {
        // A no-break space is escaped by `{:?}`.
        assert_eq!(refused(text).to_string(), message.replace('\u{a0}', "\\u{a0}"), "{text}");
    }
    let long = refused(&"x\u{7}".repeat(5_000)).to_string();
    assert!(long.len() < 400 && !long.contains('\u{7}'), "{long}");
}

/// A list as people publish it: remarks, columns, breaks of both kinds, a byte order mark.
#[test]
fn lists_are_read_as_they_are_published() {
    let text = "\u{feff}# remark\r\n; remark 10.9.9.9\r\n\r\n   \t \n10.0.0.0/8\r\n\
                1.2.3.0/24 ; SBL1\n1.2.4.0/24;SBL2 1.9.9.9\n1.2.5.1#one\n  1.2.6.1\t7\n\
                1.2.7.1,AS64496,\"a, b\"\n1.2.8.1 7 0x1f word a:b\n1.2.9.1 # was 8.8.8.8\n\
                ;8.8.8.8\n#8.8.8.8\n2001:db8::/32\tlast\r";
    assert_eq!(
        set(text),
        set(
            "10.0.0.0/8\n1.2.3.0/24\n1.2.4.0/24\n1.2.5.1\n1.2.6.1\n1.2.7.1\n1.2.8.1\n1.2.9.1\n2001:db8::/32"
        )
    );
    for (text, shown) in [
        ("1.2.3.4-1.2.3.4", "1.2.3.4/32"),
        ("1.2.3.0-1.2.3.255", "1.2.3.0/24"),
        ("1.2.3.0 - 1.2.3.255", "1.2.3.0/24"),
        ("1.2.3.0\t-1.2.3.255 7", "1.2.3.0/24"),
        ("1.2.3.0- 1.2.3.255 # x", "1.2.3.0/24"),
        ("1.2.3.0  -  1.2.3.255,x;y", "1.2.3.0/24"),
        ("::1-::2", "::1/128\n::2/128"),
    ] {
        assert_eq!(set(text).to_string(), shown, "{text}");
    }
}

/// What would be lost or widened if the rest of a line were ignored.
#[test]
fn nothing_in_a_line_is_lost_in_silence() {
    for (text, column, kind) in [
        ("1.2.3.4 5.6.7.8", 9, P::SecondEntry),
        ("1.2.3.4,5.6.7.8", 9, P::SecondEntry),
        ("1.2.3.4, \"5.6.7.8/24\"", 10, P::SecondEntry),
        ("1.2.3.4 x 010.6.7.8", 11, P::SecondEntry),
        ("1.2.3.4;5.6.7.8", 9, P::SecondEntry),
        ("1.2.3.4 ;5.6.7.8;x", 10, P::SecondEntry),
        ("1.2.3.0 255.255.255.0", 9, P::SecondEntry),
        ("1.2.3.0,-1.2.3.9", 9, P::SecondEntry),
        ("1.2.3.0 1.2.3.255 24", 9, P::SecondEntry),
        ("1.2.3.4 - 1.2.3.9 1.2.4.0-1.2.4.9", 19, P::SecondEntry),
        ("1.2.3.4 ::1", 9, P::SecondEntry),
        ("1.2.3.0 /24", 9, P::DetachedLength),
        ("1.2.3.0/ 24", 9, P::LengthMissing { max: 32 }),
        ("1.2.3.4\r1.2.3.5", 8, P::LineBreak('\r')),
        ("# old\r1.2.3.5", 6, P::LineBreak('\r')),
        ("# old\u{2028}1.2.3.5", 6, P::LineBreak('\u{2028}')),
        ("1.2.3.4 \u{85}1.2.3.5", 9, P::LineBreak('\u{85}')),
        ("1.2.3.4 -", 10, P::Empty),
        ("1.2.3.4-", 9, P::Empty),
        ("- 1.2.3.4", 1, P::Empty),
        (",1.2.3.4", 2, P::EntryNotFirst),
        ("1.2.3.4 - spam", 11, P::NotAnAddress),
        ("1.2.3.4-7", 9, P::ShortForm),
        ("1.2.3.4-1.2.3.5-1.2.3.6", 9, P::Range),
        ("1.2.3.0/24-1.2.4.0/24", 8, P::RangeOfPrefixes),
        ("1.2.3.0-1.2.4.0/24", 16, P::RangeOfPrefixes),
        ("1.2.3.4-::1", 1, P::RangeAcrossFamilies),
        ("::-::ffff:1.2.3.4", 1, P::RangeAcrossFamilies),
        ("1.2.3.4 - 1.2.3.3", 1, P::RangeReversed),
        ("1.2.3.4 - 01.2.3.5", 11, P::LeadingZero { meant: Some(net("1.2.3.5/32")) }),
        ("add set 1.2.3.0/24", 9, P::EntryNotFirst),
        ("Company:1.2.3.0-1.2.3.9", 9, P::EntryNotFirst),
        ("Company, Inc.: 1.2.3.0 - 1.2.3.9", 16, P::EntryNotFirst),
        ("Company:1.2.3.0-01.2.3.9", 1, P::NotAnAddress),
        ("! remark", 1, P::RemarkSign),
        ("!1.2.3.4", 1, P::RemarkSign),
        ("  // remark", 3, P::RemarkSign),
    ] {
        let error = refused(text);
        let [line] = error.errors() else { panic!("{text:?}: {error}") };
        assert_eq!(
            (line.line(), line.column(), line.kind()),
            (1, column, &kind),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_bounded() {
    let error = refused("1.2.3.4\n\nx\r\n10.0.0.0/8 # fine\n  9.9.9.9/99\n");
    let found: Vec<_> =
        error.errors().iter().map(|e| (e.line(), e.column(), e.snippet())).collect();
    assert_eq!(found, [(3, 1, "x"), (5, 11, "9.9.9.9/99")]);
    assert_eq!(error.total(), 2);

    for (bad, last) in [(100, "line 100,"), (101, "and 1 more line"), (250, "and 150 more lines")] {
        let error = refused(&"10.1.2.3/8\n".repeat(bad));
        assert_eq!(error.total(), bad);
        assert_eq!(error.errors().len(), bad.min(CidrParseError::SHOWN));
        let shown = error.to_string();
        assert!(shown.lines().last().unwrap().starts_with(last), "{shown}");
    }
    fn is_portable<E: core::error::Error + Send + Sync + 'static>() {}
    is_portable::<CidrParseError>();
    is_portable::<super::CidrEntryError>();
    is_portable::<super::CidrLineError>();
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
