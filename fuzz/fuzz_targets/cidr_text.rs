//! Any text is a set or a refusal that points into it, and a set's own text is that set again. Strict,
//! lenient and line by line, the same is read.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use portcullis::{
    CidrMap, CidrSet,
    cidr::{self, CidrLineError, CidrProblem, parse_prefix},
    ipnet::IpNet,
};

fuzz_target!(|text: &str| {
    let (lenient, skipped) = CidrSet::from_text_lenient(text);
    match text.parse::<CidrSet>() {
        Ok(set) => {
            assert!(skipped.is_empty(), "{text:?} skipped {skipped}");
            assert_eq!(lenient, set);
            let again = set.to_string();
            assert_eq!(again.parse::<CidrSet>().as_ref(), Ok(&set), "{text:?} became {again:?}");
            let prefixes: Vec<IpNet> = set.iter().collect();
            assert_eq!(prefixes.iter().copied().collect::<CidrSet>(), set);
            for prefix in prefixes {
                for end in [prefix.network(), prefix.broadcast()] {
                    // An IPv6 prefix may stretch over the mapped addresses, which are IPv4's.
                    let other_family = end.is_ipv6() && end.to_canonical().is_ipv4();
                    assert!(other_family || set.contains(end), "{end} of {prefix}");
                    assert!(other_family || set.contains_any_form(end), "{end} of {prefix}");
                }
            }
            // What a strict reading accepts, the lines have.
            let nets = cidr::lines(text).flat_map(|line| line.unwrap().prefixes());
            assert_eq!(nets.collect::<CidrSet>(), set);
        }
        Err(refusal) => {
            let lines = text.split('\n').count();
            assert!(!refusal.errors().is_empty());
            assert!((refusal.errors().len()..=lines).contains(&refusal.total()));
            refusal.errors().iter().for_each(|error| points_into(text, error));
            assert!(!refusal.to_string().is_empty());
            assert_eq!(skipped.into_result(), Err(refusal));
        }
    }
    line_by_line(text, &lenient);
    match text.parse::<CidrMap<String>>() {
        Ok(map) => {
            let lines = cidr::lines(text).map(Result::unwrap);
            for line in lines {
                let prefix = line.prefixes().next().unwrap();
                assert_eq!(map.get(&prefix).map(String::as_str), Some(line.columns()));
            }
        }
        Err(refusal) => assert!(refusal.total() > 0 && !refusal.to_string().is_empty()),
    }
    if let Ok(prefix) = parse_prefix(text) {
        let addr = text.split_once('/').map_or(text, |(addr, _)| addr);
        let addr: IpAddr = addr.parse().expect("the standard library reads what is accepted");
        // Host bits are refused, so this is the address that was written, in its one form.
        assert_eq!(prefix.addr(), addr.to_canonical());
        assert_eq!(text.parse(), Ok([prefix].into_iter().collect::<CidrSet>()));
    }
});

fn points_into(text: &str, error: &CidrLineError) {
    let line = text.split('\n').nth(error.line() - 1).unwrap();
    // One past the end is where something is missing.
    assert!((1..=line.chars().count() + 1).contains(&error.column()), "{error:?}");
    assert!(!error.snippet().chars().any(char::is_control));
}

/// Each line by itself is what it is in the whole text, in the lenient set and among the lines.
fn line_by_line(text: &str, lenient: &CidrSet) {
    let mut handed = cidr::lines(text).peekable();
    let mut kept: Vec<CidrSet> = Vec::new();
    // A byte order mark is one at the start of the text only.
    let marked = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, number) in marked.split('\n').zip(1_usize..) {
        let alone = if line.starts_with('\u{feff}') { None } else { line.parse::<CidrSet>().ok() };
        match handed.next_if(|next| {
            next.as_ref().map_or_else(CidrLineError::line, |line| line.number()) == number
        }) {
            // Nothing but a remark.
            None => assert_eq!(alone, Some(CidrSet::new()), "{line:?}"),
            Some(Err(error)) => {
                assert_eq!(alone, None, "{line:?}");
                points_into(text, &error);
            }
            Some(Ok(entry)) => {
                let nets: CidrSet = entry.prefixes().collect();
                assert_eq!(entry.entry().parse(), Ok(nets.clone()), "{line:?}");
                assert!(line.contains(entry.columns()) && line.contains(entry.remark()));
                match alone {
                    Some(alone) => assert_eq!(alone, nets, "{line:?}"),
                    None => {
                        // Refused for its columns, which are the caller's here.
                        let error = line.parse::<CidrSet>().unwrap_err();
                        assert!(matches!(
                            error.errors()[0].kind(),
                            CidrProblem::SecondEntry | CidrProblem::DetachedLength
                        ));
                        assert!(!entry.columns().is_empty());
                        continue;
                    }
                }
                kept.push(nets);
            }
        }
    }
    assert!(handed.next().is_none());
    let all: CidrSet = kept.iter().flat_map(CidrSet::iter).collect();
    assert_eq!(&all, lenient);
}
