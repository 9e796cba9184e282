//! Lines, lenient reading, and the two against the strict reading.

use std::{format, string::String, string::ToString, vec::Vec};

use ipnet::IpNet;
use proptest::prelude::*;

use super::{CidrLine, CidrProblem as P, CidrSet, CidrSkipped, lines, tests::set};
use crate::test_support::cases;

fn only(text: &str) -> CidrLine<'_> {
    let mut lines = lines(text);
    let line = lines.next().unwrap().unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert!(lines.next().is_none());
    line
}

#[test]
fn a_line_tells_its_place_its_entry_and_its_columns() {
    for (text, entry, columns, remark) in [
        ("192.0.2.0/24", "192.0.2.0/24", "", ""),
        ("192.0.2.0/24\tNL\r\n", "192.0.2.0/24", "NL", ""),
        ("  192.0.2.1  two words \t # why  ", "192.0.2.1", "two words", "why"),
        ("192.0.2.1,AS64496,\"a, b\"", "192.0.2.1", "AS64496,\"a, b\"", ""),
        ("192.0.2.1 , x ,", "192.0.2.1", "x ,", ""),
        ("192.0.2.1,,x", "192.0.2.1", ",x", ""),
        ("192.0.2.1;SBL1 ;x", "192.0.2.1", "", "SBL1 ;x"),
        ("192.0.2.1 #", "192.0.2.1", "", ""),
        ("192.0.2.0 - 192.0.2.3 9", "192.0.2.0 - 192.0.2.3", "9", ""),
        // The caller's, whatever they look like.
        ("192.0.2.1 198.51.100.1", "192.0.2.1", "198.51.100.1", ""),
        ("192.0.2.1\t198.51.100.0/24\t::1", "192.0.2.1", "198.51.100.0/24\t::1", ""),
        ("192.0.2.1 /var/log", "192.0.2.1", "/var/log", ""),
        ("192.0.2.1 x /24", "192.0.2.1", "x /24", ""),
        ("192.0.2.1,,/24", "192.0.2.1", ",/24", ""),
        ("192.0.2.1,/24x", "192.0.2.1", "/24x", ""),
    ] {
        let line = only(text);
        assert_eq!(
            (line.number(), line.entry(), line.columns(), line.remark()),
            (1, entry, columns, remark),
            "{text:?}"
        );
    }
    let places: Vec<_> = lines("\u{feff}# x\r\n\n 10.0.0.0/8 a\n;\nnone\n::1 b")
        .map(|line| line.map(|line| (line.number(), line.columns())).map_err(|e| e.line()))
        .collect();
    assert_eq!(places, [Ok((3, "a")), Err(5), Ok((6, "b"))]);
}

#[test]
fn a_line_with_columns_is_no_less_strict_in_its_entry() {
    for (text, column, kind) in [
        ("192.0.2.0 /24", 11, P::DetachedLength),
        ("192.0.2.0\t/24 NL", 11, P::DetachedLength),
        ("192.0.2.0 /", 11, P::DetachedLength),
        ("192.0.2.0,/24", 11, P::DetachedLength),
        ("192.0.2.0 , /24,NL", 13, P::DetachedLength),
        ("192.0.2.0-192.0.2.9,/24", 21, P::DetachedLength),
        ("192.0.2.1;192.0.2.2", 11, P::SecondEntry),
        ("192.0.2.1 NL;192.0.2.2/31", 14, P::SecondEntry),
        ("NL 192.0.2.1", 4, P::EntryNotFirst),
        (",192.0.2.1", 2, P::EntryNotFirst),
        ("192.0.2.1 x\u{2028}192.0.2.2", 12, P::LineBreak('\u{2028}')),
        ("192.0.2.1 # x\r192.0.2.2", 14, P::LineBreak('\r')),
    ] {
        let error = lines(text).next().unwrap().unwrap_err();
        assert_eq!((error.column(), error.kind()), (column, &kind), "{text:?}");
    }
}

#[test]
fn the_prefixes_of_a_range_are_those_of_its_addresses() {
    let nets = |text| only(text).prefixes().map(|net| net.to_string()).collect::<Vec<_>>();
    assert_eq!(nets("192.0.2.0/24"), ["192.0.2.0/24"]);
    assert_eq!(nets("::ffff:192.0.2.0/120"), ["192.0.2.0/24"]);
    assert_eq!(nets("192.0.2.1-192.0.2.4"), ["192.0.2.1/32", "192.0.2.2/31", "192.0.2.4/32"]);
    assert_eq!(nets("0.0.0.0-255.255.255.255"), ["0.0.0.0/0"]);
    assert_eq!(nets("0.0.0.1-255.255.255.254").len(), 62);
    assert_eq!(nets("::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe").len(), 254);
    assert_eq!(nets("::/0"), ["::/0"]);
    // Around the mapped addresses, but without them: as a prefix they would be all of IPv4.
    assert_eq!(nets("::fffe:ffff:0-::1:0:0:1"), ["::fffe:ffff:0/112", "::1:0:0:0/127"]);
}

#[test]
fn a_lenient_reading_tells_all_that_it_leaves_out() {
    let text = "\u{feff}192.0.2.0/24\r\n010.0.0.1\r\n10.1.2.3/8 # x\r\n192.0.3.0/255.255.255.0\r\n\
                ::ffff:10.0.0.0/8\r\n198.51.100.1 198.51.100.2\r\n! no\r\n\r\n2001:db8::1\r\n203.0.113.9-";
    let (set, skipped) = CidrSet::from_text_lenient(text);
    assert_eq!(set.to_string(), "192.0.2.0/24\n2001:db8::1/128");
    let places: Vec<_> = skipped.lines().iter().map(|line| (line.line(), line.column())).collect();
    assert_eq!(places, [(2, 1), (3, 1), (4, 11), (5, 1), (6, 14), (7, 1), (10, 13)]);
    assert_eq!(skipped.lines()[2].snippet(), "192.0.3.0/255.255.255.0");
    assert_eq!(skipped.lines()[2].kind(), &P::Netmask { length: Some(24) });
    assert_eq!(Err(skipped.clone().into_result().unwrap_err()), text.parse::<CidrSet>());
    assert_eq!(skipped.total(), 7);

    let (all, none) = CidrSet::from_text_lenient("192.0.2.0/24 # all right");
    assert_eq!((all.to_string().as_str(), none.is_empty()), ("192.0.2.0/24", true));
    assert_eq!((none.to_string().as_str(), none.into_result()), ("", Ok(())));

    let (set, many) = CidrSet::from_text_lenient(&"x\n192.0.2.1\n".repeat(250));
    assert_eq!(set.to_string(), "192.0.2.1/32");
    assert_eq!((many.total(), many.lines().len()), (250, CidrSkipped::SHOWN));
    assert!(many.to_string().ends_with("and 150 more lines"));
}

/// A table of prefixes and countries in three lines of code.
#[test]
fn a_table_of_prefixes_and_countries() {
    let text = country_table();
    let read: Result<Vec<_>, _> = lines(&text).collect();
    let read = read.unwrap_or_else(|error| panic!("{error}"));
    let table: Vec<(IpNet, &str)> =
        read.iter().flat_map(|line| line.prefixes().map(|net| (net, line.columns()))).collect();
    assert_eq!(table.len(), text.lines().count());
    for ((net, code), line) in table.iter().zip(text.lines()) {
        assert_eq!(format!("{net}\t{code}"), line);
        assert!(code.len() == 2 && code.bytes().all(|c| c.is_ascii_alphabetic()), "{line}");
    }
}

#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "test data, if there is any"
)]
fn country_table() -> String {
    if let Some(folder) = std::env::var_os("PORTCULLIS_DATA") {
        let path = std::path::Path::new(&folder).join("country_2026_ipv4.tsv");
        if let Ok(text) = std::fs::read_to_string(&path) {
            return text;
        }
    }
    std::eprintln!(
        "no unpacked table in PORTCULLIS_DATA: a small sample stands in for the REAL DATA"
    );
    "1.0.0.0/24\tAU\n1.0.1.0/24\tCN\n2.16.0.0/13\tEU\n223.255.254.0/24\tSG\n".into()
}

/// Lines that are right, wrong, or both in one's view and not in another's.
fn some_lines() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(
        prop::sample::select(
            &[
                "192.0.2.0/24",
                "192.0.2.9 x",
                "10.0.0.0/8 # x",
                "192.0.2.0-192.0.2.9\t7",
                "2001:db8::/32;x",
                "::ffff:10.0.0.0/104",
                "",
                "   ",
                "# 10.1.2.3",
                "010.0.0.0/8",
                "10.1.2.3/8",
                "10.0.0.0/255.0.0.0",
                "::ffff:0:0/96",
                "192.0.2.1 192.0.2.2",
                "192.0.2.0 /24",
                "192.0.2.1;192.0.2.2",
                "x",
                "! x",
                "add x 192.0.2.1",
                "x:192.0.2.1-192.0.2.2",
                "fe80::1%eth0",
                "192.0.2.1\r192.0.2.2",
                "::1-::",
                "-",
            ][..],
        ),
        0..9,
    )
}

proptest! {
    #![proptest_config(cases(500))]

    /// T1 and L1: each line by itself says whether it is in the set, skipped, or neither.
    #[test]
    fn a_lenient_reading_has_what_is_right_line_by_line(
        some in some_lines(), junk in "([ -~\\t]|\\PC){0,12}", breaks in prop::sample::select(&["\n", "\r\n"][..]),
    ) {
        let all: Vec<&str> = some.iter().copied().chain([junk.as_str()]).collect();
        let text = all.join(breaks);
        let (lenient, skipped) = CidrSet::from_text_lenient(&text);
        let wrong: Vec<usize> = (1..).zip(&all)
            .filter(|(_, line)| line.parse::<CidrSet>().is_err()).map(|(at, _)| at).collect();
        // A byte order mark is one at the start of the text only.
        prop_assume!(!junk.contains('\u{feff}'));
        let told: Vec<usize> = skipped.lines().iter().map(|line| line.line()).collect();
        prop_assert_eq!(&told, &wrong);
        prop_assert_eq!(skipped.total(), wrong.len());
        let right: Vec<&str> = all.iter().copied().filter(|line| line.parse::<CidrSet>().is_ok()).collect();
        prop_assert_eq!(&lenient, &set(&right.join("\n")));
        match text.parse::<CidrSet>() {
            Ok(strict) => prop_assert!(skipped.is_empty() && lenient == strict),
            Err(error) => prop_assert_eq!(skipped.into_result(), Err(error)),
        }
    }

    /// L1: what strict reading accepts, the lines have, with the same addresses.
    #[test]
    fn lines_have_what_a_set_has(some in some_lines()) {
        let text = some.join("\n");
        let read: Vec<_> = lines(&text).collect();
        if let Ok(strict) = text.parse::<CidrSet>() {
            let nets = read.iter().flat_map(|line| line.as_ref().unwrap().prefixes());
            prop_assert_eq!(nets.collect::<CidrSet>(), strict);
        }
        // In order, and each with an entry that is a list of its own.
        let numbers: Vec<usize> = read.iter()
            .map(|line| line.as_ref().map_or_else(|error| error.line(), CidrLine::number)).collect();
        prop_assert!(numbers.is_sorted_by(|a, b| a < b));
        for line in read.iter().flatten() {
            prop_assert_eq!(line.prefixes().collect::<CidrSet>(), set(line.entry()));
            prop_assert!(some[line.number() - 1].contains(line.columns()));
        }
    }
}
