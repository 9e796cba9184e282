//! **Row 11: addresses that two parsers read differently.**
//!
//! Identifiers: CVE-2021-29922 (the standard library before 1.53); ipnet 2.12.2, which still takes octets with leading zeros.
//!
//! The attack: `010.8.8.8` is 8.8.8.8 to a C library and 10.8.8.8 to a parser that drops zeros. An address that is taken for a private one, or a
//! list that means another network than its author, lets somebody in.
//!
//! Ours: one spelling, that of the standard library, and an error with the remedy for all others: `src/cidr/mod.rs` I5
//! (`accepted_texts_are_those_of_the_standard_library`); in headers, what is no address ends the chain: `src/request/client_ip/mod.rs` I3; in PROXY
//! headers: `tests/cases/proxy.tsv`. This row holds one table against all of them.
//!
//! Shown to fail, tests counted from above:
//! - `src/cidr/parse.rs`, `spelled` drops leading zeros: `010.8.8.8` is a prefix (tests 1 and 3);
//! - `src/request/client_ip/node.rs`, `parse` does: it is a client (test 1).

use portcullis::{
    CidrSet, ClientIp, ForwardedBy, Gate, Request, Trust,
    cidr::parse_prefix,
    request::proxy::{Parsed, parse},
};

use crate::support::{Random, ip};

/// No address, nor a prefix, to anything here.
const ODD: [&str; 62] = [
    "010.8.8.8",
    "10.08.8.8",
    "10.8.8.008",
    "00.0.0.0",
    "0127.0.0.1",
    "192.168.001.001",
    "1.2.3.04",
    "0x0a.8.8.8",
    "0xa.0.0.1",
    "0X7f.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "10",
    "10.1",
    "10.1.1",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.4.",
    ".1.2.3.4",
    "1..3.4",
    "256.1.1.1",
    "1.1.1.256",
    "1.1.1.1000",
    "-1.1.1.1",
    "+1.1.1.1",
    "1.1.1.+1",
    "1 .1.1.1",
    "1. 1.1.1",
    "1,1,1,1",
    "\u{661}.1.1.1",
    "\u{ff11}.1.1.1",
    "1.1.1.1\0",
    "1.1.1.1%eth0",
    "a.b.c.d",
    "localhost",
    "*",
    "1.1.1.*",
    ":",
    ":::",
    "1::2::3",
    "12345::",
    "g::1",
    "::1::",
    "::ffff:010.0.0.1",
    "::ffff:1.2.3",
    "::ffff:1.2.3.4.5",
    "::1.2.3.256",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8:",
    "[::1",
    "::1]",
    "[::1]]",
    "0::0::0",
    "::0x1",
    "::+1",
    "::-1",
    "1.2.3.4:",
    "::ffff:0x7f.1",
    "fe80::%",
    "::00001",
];

#[test]
fn nothing_odd_is_an_address_anywhere() {
    let behind = ClientIp::new(Trust::nets(["10.9.9.9"]).unwrap(), ForwardedBy::XForwardedFor);
    for text in ODD {
        assert!(text.parse::<std::net::IpAddr>().is_err(), "the standard library takes {text:?}");
        for shape in
            [text.to_owned(), format!("{text}/8"), format!("{text}/32"), format!("{text}/128")]
        {
            assert!(parse_prefix(&shape).is_err(), "{shape:?} is a prefix");
        }
        // What a comma or a blank makes two columns of is another matter: then the first of them is what is listed.
        if !text.contains([',', ' ', '\0']) {
            assert!(text.parse::<CidrSet>().is_err(), "{text:?} is a list");
        }
        let quoted = text.escape_default().to_string().replace("\\u{0}", "\\u0000");
        if quoted == text {
            assert!(
                Gate::from_toml(&format!("deny = [\"{text}\"]\n")).is_err(),
                "{text:?} is denied"
            );
            assert!(
                Gate::from_toml(&format!("[client]\ntrust = [\"{text}\"]\n")).is_err(),
                "{text:?} is trusted"
            );
            let rule =
                format!("[[rule]]\nname = \"r\"\nwhen = 'ip.src in {{{text}}}'\nthen = \"deny\"\n");
            assert!(Gate::from_toml(&rule).is_err(), "{text:?} is in a rule");
        }
        for header in [
            text.to_owned(),
            format!("{text}:80"),
            format!("[{text}]:80"),
            format!("192.0.2.1, {text}"),
        ] {
            let request = Request::new(ip("10.9.9.9")).header("x-forwarded-for", &header);
            let found = behind.resolve(&request).unwrap().ip;
            // A colon and a port may make an address of it after all, or a zone, which of IPv6 is left out.
            let is_an_address =
                header.parse::<std::net::IpAddr>().is_ok() || header == "fe80::%:80";
            assert!(found == ip("10.9.9.9") || is_an_address, "{header:?} is {found}");
        }
        let v1 = format!("PROXY TCP4 {text} 192.0.2.2 1 2\r\n");
        assert!(!matches!(parse(v1.as_bytes()), Parsed::Header(_)), "{v1:?}");
        let v1 = format!("PROXY TCP6 {text} ::2 1 2\r\n");
        assert!(!matches!(parse(v1.as_bytes()), Parsed::Header(_)), "{v1:?}");
    }
}

/// Lengths are digits, none too many, and no bits beyond them.
#[test]
fn odd_lengths_and_bits_beyond_them_are_refused() {
    for text in [
        "10.0.0.0/",
        "10.0.0.0/08",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8 8",
        "10.0.0.0//8",
        "10.0.0.0/8/8",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/0x8",
        "10.0.0.0/256",
        "10.0.0.0/4294967304",
        "10.0.0.1/8",
        "::/129",
        "::1/64",
        "::ffff:0.0.0.0/95",
        "::/0064",
        "10.0.0.0/\u{668}",
    ] {
        assert!(parse_prefix(text).is_err(), "{text:?}");
    }
}

/// Random digits and signs: whatever is taken, the standard library takes too, and what is printed means the same.
#[test]
fn what_is_taken_is_what_the_standard_library_takes() {
    let mut random = Random(4_711);
    let mut taken = 0;
    for _ in 0..60_000 {
        let plain: Vec<String> = (0..4)
            .map(|_| random.of(&["0", "00", "1", "10", "010", "255", "256", "0xa"]).to_owned())
            .collect();
        let text = match random.below(4) {
            0 => plain.join("."),
            1 => format!("::{}", plain.join(".")),
            2 => format!("{}::{}", plain[0], plain[1]),
            _ => format!("{}.{}", plain.join("."), plain[0]),
        };
        let (ours, theirs) = (parse_prefix(&text), text.parse::<std::net::IpAddr>());
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{text:?}");
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            taken += 1;
            assert_eq!(ours.addr(), theirs.to_canonical(), "{text:?}");
            assert_eq!(parse_prefix(&ours.to_string()).ok(), Some(ours), "{text:?}");
        }
    }
    assert!(taken > 5_000, "{taken}");
}
