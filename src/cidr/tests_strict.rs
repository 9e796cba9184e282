//! Texts read strictly: what is refused and in which words, and what the others mean.

use std::{format, string::ToString, vec::Vec};

use super::{
    CidrParseError, CidrProblem as P, parse_prefix,
    tests::{net, refused, set},
};

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
        ("0x", 1, P::NotAnAddress),
        ("0x.0.0.1", 1, P::NotAnAddress),
        ("0x7g.0.0.1", 1, P::NotAnAddress),
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
        assert!(text.chars().any(char::is_control) || error.snippet() == text, "{text:?}");
        let shown = error.to_string();
        assert!(!shown.contains(|c: char| c.is_control()), "{shown:?}");
    }
}

/// What a text with a leading zero may have meant is said of short ones only: longer ones are not copied to be looked at
/// again, wherever it is that they are too long.
#[test]
fn of_a_text_that_is_too_long_nothing_is_meant() {
    let meant = |text: &str| match parse_prefix(text).unwrap_err().kind() {
        P::LeadingZero { meant } => *meant,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(meant("010.0.0.0/8"), Some(net("10.0.0.0/8")));
    for long in 1..200 {
        let (zeros, nines) = ("0".repeat(long), "9".repeat(long));
        assert_eq!(meant(&format!("{zeros}10.0.0.0/8")), Some(net("10.0.0.0/8")), "{long}");
        assert_eq!(
            meant(&format!("::ffff:{zeros}10.0.0.0/104")),
            Some(net("10.0.0.0/8")),
            "{long}"
        );
        for text in [
            format!("010.0.0.0/{zeros}8"),
            format!("010.0.0.999{nines}"),
            format!("010.{nines}999.0.0"),
            format!("64:ff9b::010.0.0.999{nines}/{zeros}96"),
        ] {
            assert_eq!(meant(&text), None, "{text}");
        }
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
