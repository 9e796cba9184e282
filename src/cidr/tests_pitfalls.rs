//! The known ways to lose an address list, each with a test that has its name.
//!
//! They are numbered as they were collected. Those that concern what is not read from text have their
//! tests where they belong: 4 in `embedded.rs`, 11 (one prefix, two values) and 13 (compiled tables are
//! never read back) with the maps and serde, 12 in `precedence.rs`, 14 in `limit/address.rs`, 15 (no
//! instruction beyond the default target) in the benchmarks, 16 (bulk building) in `tests.rs`.

use core::net::IpAddr;
use std::{format, string::String, string::ToString, vec::Vec};

use super::{
    CidrProblem as P, CidrSet, lines, parse_prefix,
    tests::{ip, set},
};
use crate::test_support::rounds;

/// The kind of the only problem in a text, which a lenient reading skips and tells just so, and which
/// is one with the columns handed out, too.
#[track_caller]
fn refused(text: &str) -> P {
    let error = match text.parse::<CidrSet>() {
        Ok(set) => panic!("{text:?} was read as {set:?}"),
        Err(error) => error,
    };
    let [line] = error.errors() else { panic!("{text:?}: {error}") };
    assert!(line.snippet().chars().count() <= 61 && !line.to_string().is_empty());
    let (left, skipped) = CidrSet::from_text_lenient(text);
    assert!(left.is_empty(), "{text:?} was read as {left:?}");
    assert_eq!(skipped.lines(), error.errors());
    line.kind().clone()
}

/// Every text for an address that dual-stack sockets and log files have for 10.1.2.3.
const MAPPED: [&str; 12] = [
    "::ffff:10.1.2.3",
    "::FFFF:10.1.2.3",
    "::fFfF:0a01:0203",
    "::ffff:a01:203",
    "0::ffff:10.1.2.3",
    "0:0::ffff:10.1.2.3",
    "0:0:0:0:0:ffff:10.1.2.3",
    "0:0:0:0:0:ffff:a01:203",
    "0000:0000:0000:0000:0000:ffff:0a01:0203",
    "0000:0000:0000:0000:0000:FFFF:10.1.2.3",
    "::0:ffff:10.1.2.3",
    "0:0:0::ffff:a01:203",
];

#[test]
fn pitfall_1_a_mapped_address_is_not_a_way_around_the_list() {
    for spelled in MAPPED {
        let asked = ip(spelled);
        assert!(set("10.0.0.0/8").contains(asked), "{spelled}");
        assert!(set("10.1.2.3").contains(asked), "{spelled}");
        assert!(!set("10.1.2.2\n10.1.2.4\n::10.1.2.3").contains(asked), "{spelled}");
        // And as an entry, with every length that it can have.
        for len in 97..=128_u8 {
            let entry = format!("{spelled}/{len}");
            let short = len - 96;
            let network = u32::from_be_bytes([10, 1, 2, 3]) >> (32 - short) << (32 - short);
            match parse_prefix(&entry) {
                Ok(net) => assert_eq!(net, format!("10.1.2.3/{short}").parse().unwrap(), "{entry}"),
                Err(error) => {
                    let P::HostBits { network: net, .. } = error.kind() else { panic!("{error}") };
                    assert_eq!(net.addr(), IpAddr::V4(network.into()), "{entry}");
                    assert_eq!(net.prefix_len(), short, "{entry}");
                }
            }
        }
        assert_eq!(set(&format!("{spelled}-10.1.2.3")), set("10.1.2.3"));
    }
}

#[test]
fn pitfall_2_a_mapped_prefix_has_96_bits_or_is_refused() {
    for len in 0..96 {
        for spelled in ["::ffff:0:0", "::ffff:10.0.0.0", "0:0:0:0:0:ffff:a00:0"] {
            let text = format!("{spelled}/{len}");
            assert!(matches!(refused(&text), P::MappedTooShort { .. }), "{text}");
        }
    }
    assert_eq!(refused("::ffff:0.0.0.0/96"), P::MappedAll);
    assert_eq!(refused("::ffff:0.0.0.0-::ffff:255.255.255.255"), P::MappedAll);
    // Any is two entries.
    let (v6, any) = (set("::/0"), set("0.0.0.0/0\n::/0"));
    for addr in ["0.0.0.0", "::ffff:1.2.3.4", "255.255.255.255"] {
        assert!(!v6.contains(ip(addr)) && any.contains(ip(addr)), "{addr}");
    }
}

#[test]
fn pitfall_3_a_compatible_address_is_not_ipv4() {
    for (listed, asked) in
        [("0.0.0.1", "::1"), ("10.1.2.3", "::10.1.2.3"), ("0.0.0.0", "::"), ("0.0.0.0/0", "::1")]
    {
        assert!(!set(listed).contains(ip(asked)), "{asked} in {listed}");
    }
    assert!(!set("::1").contains(ip("0.0.0.1")));
}

#[test]
fn pitfall_5_scope_ids_are_not_read() {
    for text in [
        "fe80::1%eth0",
        "fe80::1%1",
        "fe80::1%25eth0",
        "fe80::%eth0/64",
        "fe80::/64%eth0",
        "fe80::1%eth0-fe80::2",
        "fe80::1-fe80::2%eth0",
        "ff02::1%",
    ] {
        assert_eq!(refused(text), P::ZoneId, "{text}");
    }
    assert_eq!(refused("192.0.2.1%eth0"), P::NotAnAddress);
}

#[test]
fn pitfall_6_octal_hexadecimal_and_short_forms_are_not_guessed() {
    for text in ["010.1.2.3", "10.01.2.3", "10.1.2.03", "00.0.0.0", "10.1.2.0003", "0177.0.0.1"] {
        assert!(matches!(refused(text), P::LeadingZero { .. }), "{text}");
        for mapped in [format!("::ffff:{text}"), format!("{text}/32"), format!("1.1.1.1-{text}")] {
            assert!(matches!(refused(&mapped), P::LeadingZero { .. }), "{mapped}");
        }
    }
    for text in ["0x7f.1", "0x7f000001", "127.0.0.0x1", "0XA.0.0.0/8"] {
        assert_eq!(refused(text), P::Hexadecimal, "{text}");
    }
    for text in ["127.1", "10/8", "2130706433", "10.1.2/24", "017700000001"] {
        assert_eq!(refused(text), P::ShortForm, "{text}");
    }
    for text in ["10.0.0.0/08", "10.0.0.0/008", "0.0.0.0/00", "::/00", "::/0128"] {
        let kind = refused(text);
        assert!(
            matches!(kind, P::LengthLeadingZero { .. } | P::LengthTooLong { .. }),
            "{text}: {kind}"
        );
    }
    for text in ["10.0.0.0/+8", "10.0.0.0/8.", "::/0x40", "::/６４"] {
        let kind = refused(text);
        assert!(matches!(kind, P::LengthNotANumber { .. } | P::Character(_)), "{text}: {kind}");
    }
}

#[test]
fn pitfall_7_the_length_zero_and_the_top_of_the_space() {
    let top = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    for (text, within, without) in [
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], "::"),
        ("::/0", ["::", top], "0.0.0.0"),
        ("128.0.0.0/1", ["128.0.0.0", "255.255.255.255"], "127.255.255.255"),
        ("8000::/1", ["8000::", top], "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("255.255.255.0/24", ["255.255.255.0", "255.255.255.255"], "255.255.254.255"),
        ("255.255.255.254/31", ["255.255.255.254", "255.255.255.255"], "255.255.255.253"),
        ("255.255.255.255/32", ["255.255.255.255", "255.255.255.255"], "0.0.0.0"),
        ("255.255.255.3-255.255.255.255", ["255.255.255.3", "255.255.255.255"], "255.255.255.2"),
        ("ffff:ffff:ffff:ffff::/64", ["ffff:ffff:ffff:ffff::", top], "ffff:ffff:ffff:fffe::"),
        ("ffff:ffff:ffff:ffff:8000::/65", ["ffff:ffff:ffff:ffff:8000::", top], "ffff::"),
        (
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127",
            ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", top],
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffd",
        ),
        ("0.0.0.0-255.255.255.254", ["0.0.0.0", "255.255.255.254"], "255.255.255.255"),
        ("0.0.0.1-255.255.255.255", ["0.0.0.1", "255.255.255.255"], "0.0.0.0"),
    ] {
        let set = self::set(text);
        for addr in within {
            assert!(set.contains(ip(addr)), "{addr} in {text}");
        }
        assert!(!set.contains(ip(without)), "{without} in {text}");
        assert_eq!(self::set(&set.to_string()), set, "{text}");
        // The same addresses, by prefixes of one line, one by one.
        let line = lines(text).next().unwrap().unwrap();
        assert_eq!(line.prefixes().collect::<CidrSet>(), set, "{text}");
    }
    // Two entries that touch at the top merge, and what lies above nothing is not wrapped to.
    assert_eq!(set("255.255.255.254\n255.255.255.255").to_string(), "255.255.255.254/31");
    assert_eq!(set(&format!("{top}\n::\n0.0.0.0\n255.255.255.255")).iter().count(), 4);
}

#[test]
fn pitfall_8_host_bits_do_not_widen_a_list() {
    for text in ["10.1.2.3/8", "0.0.0.1/0", "10.0.0.1/31", "2001:db8::1/64", "::ffff:10.1.2.3/104"]
    {
        let P::HostBits { network, host } = refused(text) else { panic!("{text}") };
        assert!(network.contains(&host) && network != host, "{text}");
    }
}

/// What a list looks like where it is published, and where it went through an editor.
#[test]
fn pitfall_9_lists_as_they_are_published() {
    let expected = set("192.0.2.0/24\n198.51.100.7\n203.0.113.0-203.0.113.9");
    for text in [
        // Byte order mark; CRLF; no break at the end; blank lines; blanks around.
        "\u{feff}192.0.2.0/24\r\n198.51.100.7\r\n203.0.113.0-203.0.113.9\r\n",
        "192.0.2.0/24\n198.51.100.7\n203.0.113.0-203.0.113.9",
        "\n\n  192.0.2.0/24 \n\t198.51.100.7\t\n \n203.0.113.0 - 203.0.113.9\n\n",
        // Remarks of both kinds, on their own, after an entry, without a blank.
        "# list\n192.0.2.0/24 ; SBL1\n198.51.100.7#one\n203.0.113.0-203.0.113.9;two\n; end",
        // Columns after tabs, blanks and commas.
        "192.0.2.0/24\t10\n198.51.100.7 spam 3\n203.0.113.0-203.0.113.9,NL,\"a b\"",
        "203.0.113.0\t-\t203.0.113.9\n192.0.2.0/24, AS64496\n198.51.100.7,",
    ] {
        assert_eq!(set(text), expected, "{text:?}");
        assert_eq!(CidrSet::from_text_lenient(text).0, expected, "{text:?}");
        let by_line: Result<Vec<_>, _> = lines(text).collect();
        let nets = by_line.unwrap().into_iter().flat_map(|line| line.prefixes());
        assert_eq!(nets.collect::<CidrSet>(), expected, "{text:?}");
    }
}

/// What looks like a list and is another format is refused by its name, not passed over.
#[test]
fn pitfall_9_other_formats_are_refused_by_name() {
    for (text, kind, says) in [
        ("! remark", P::RemarkSign, "write \"#\" or \";\" before remarks"),
        ("!192.0.2.1", P::RemarkSign, "not a remark here"),
        ("// remark", P::RemarkSign, "not a remark here"),
        ("add blocked 192.0.2.0/24", P::EntryNotFirst, "write it first in its line"),
        ("-A INPUT -s 192.0.2.0/24 -j DROP", P::EntryNotFirst, "\"192.0.2.0/24\""),
        ("deny 192.0.2.1", P::EntryNotFirst, "column 6: \"192.0.2.1\""),
        ("Somebody:192.0.2.0-192.0.2.9", P::EntryNotFirst, "\"192.0.2.0-192.0.2.9\""),
        ("Some body, 2nd: 192.0.2.0 - 192.0.2.9", P::EntryNotFirst, "column 17"),
        ("create blocked hash:net family inet", P::NotAnAddress, "\"create\""),
        ("<html>", P::NotAnAddress, "not an IP address"),
        ("localhost", P::NotAnAddress, "not an IP address"),
        ("192.0.2.0/255.255.255.0", P::Netmask { length: Some(24) }, "write /24"),
        ("192.0.2.0/0.0.0.255", P::Netmask { length: None }, "a netmask"),
        ("192.0.2.0 255.255.255.0", P::SecondEntry, "write one entry a line"),
        ("192.0.2.0 /24", P::DetachedLength, "without blanks"),
        ("192.0.2.0/24-192.0.3.0/24", P::RangeOfPrefixes, "without \"/\""),
        ("192.0.2.9-192.0.2.0", P::RangeReversed, "the lower address first"),
        ("192.0.2.1-7", P::ShortForm, "four numbers"),
        ("192.0.2.*", P::NotAnAddress, "not an IP address"),
        ("192.0.2.1:80", P::Port, "the address alone"),
        ("[2001:db8::1]", P::Port, "the address alone"),
        ("192.0.2.1\r192.0.2.2", P::LineBreak('\r'), "LF or CRLF"),
        ("192.0.2.1\u{a0}", P::Character('\u{a0}'), "U+00A0"),
        ("192.0.2.1\u{feff}", P::Character('\u{feff}'), "U+FEFF"),
    ] {
        let found = refused(text);
        assert_eq!(found, kind, "{text:?}");
        let message = text.parse::<CidrSet>().unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
    // One such line does not make the others vanish, nor does it vanish among them.
    let error = "192.0.2.1\n! remark\n192.0.2.2\n".parse::<CidrSet>().unwrap_err();
    assert_eq!((error.total(), error.errors()[0].line()), (1, 2));
}

#[test]
fn pitfall_10_nothing_is_never_everything() {
    for text in ["", "\u{feff}", "\n", "# 0.0.0.0/0\n; ::/0\n"] {
        let (lenient, skipped) = CidrSet::from_text_lenient(text);
        assert!(skipped.is_empty());
        for set in [set(text), lenient] {
            assert!(set.is_empty());
            assert!(!set.contains(ip("192.0.2.1")) && !set.contains(ip("::1")));
        }
    }
    // A page with an error message instead of a list.
    let (set, skipped) = CidrSet::from_text_lenient("<html>\n<b>503</b>\n</html>\n");
    assert!(set.is_empty());
    assert_eq!(skipped.total(), 3);
    assert_eq!(skipped.clone().into_result().unwrap_err().total(), 3);
    assert_eq!(skipped.to_string().lines().count(), 3);
}

#[test]
fn pitfall_11_in_a_set_neither_order_nor_repetition_counts() {
    let lines = ["10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8", "2001:db8::/32", "9.255.255.255"];
    let forth = set(&lines.join("\n"));
    let back: Vec<&str> = lines.iter().rev().copied().collect();
    assert_eq!(set(&back.join("\n")), forth);
    assert_eq!(set(&[back.join("\n"), lines.join("\n")].join("\n")), forth);
}

/// T2, and pitfall 16: a list is merged as it comes, not entry by entry at the end of a long one.
#[test]
fn pitfall_16_a_long_list_of_little_stays_little() {
    let mut text = String::new();
    for n in 0..rounds(20_000_u32, 300) {
        text += &format!("10.0.{}.0/24\n::{:x}\n", n % 256, n % 64);
    }
    assert_eq!(set(&text).to_string(), "10.0.0.0/16\n::/122");
    assert_eq!(CidrSet::from_text_lenient(&text).0, set(&text));
}
