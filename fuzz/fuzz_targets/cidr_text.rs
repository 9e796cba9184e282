//! Any text is a set or a refusal that points into it, and a set's own text is that set again.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use portcullis::{CidrSet, cidr::parse_prefix, ipnet::IpNet};

fuzz_target!(|text: &str| {
    match text.parse::<CidrSet>() {
        Ok(set) => {
            let again = set.to_string();
            assert_eq!(again.parse::<CidrSet>().as_ref(), Ok(&set), "{text:?} became {again:?}");
            let prefixes: Vec<IpNet> = set.iter().collect();
            assert_eq!(prefixes.iter().copied().collect::<CidrSet>(), set);
            for prefix in prefixes {
                for end in [prefix.network(), prefix.broadcast()] {
                    // An IPv6 prefix may stretch over the mapped addresses, which are IPv4's.
                    let other_family = end.is_ipv6() && end.to_canonical().is_ipv4();
                    assert!(other_family || set.contains(end), "{end} of {prefix}");
                }
            }
        }
        Err(refusal) => {
            let lines = text.split('\n').count();
            assert!(!refusal.errors().is_empty());
            assert!((refusal.errors().len()..=lines).contains(&refusal.total()));
            for error in refusal.errors() {
                let line = text.split('\n').nth(error.line() - 1).unwrap();
                // One past the end is where something is missing.
                assert!((1..=line.chars().count() + 1).contains(&error.column()), "{error:?}");
                assert!(!error.snippet().chars().any(char::is_control));
            }
            assert!(!refusal.to_string().is_empty());
        }
    }
    if let Ok(prefix) = parse_prefix(text) {
        let addr = text.split_once('/').map_or(text, |(addr, _)| addr);
        let addr: IpAddr = addr.parse().expect("the standard library reads what is accepted");
        // Host bits are refused, so this is the address that was written, in its one form.
        assert_eq!(prefix.addr(), addr.to_canonical());
        assert_eq!(text.parse(), Ok([prefix].into_iter().collect::<CidrSet>()));
    }
});
