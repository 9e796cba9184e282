//! **Row 10: an IPv4 address, written as an IPv6 address.**
//!
//! Identifiers: CVE-2026-39409 (hono, GHSA-xpcf-pg52-r92g); CVE-2026-30827 (express-rate-limit, GHSA-46wh-pxpv-q5gq: all of IPv4 in one bucket);
//! Cloudflare, November 2022.
//!
//! The attack: a socket for both families gives `::ffff:192.0.2.1` where a list says `192.0.2.1`: denied clients pass, and a
//! client has two buckets. Or all mapped addresses share the first 64 bits, and one client locks all others out.
//!
//! Ours: one canonical form everywhere: `src/gate/mod.rs` I5 (`an_address_is_the_same_in_every_spelling`), `src/cidr/mod.rs` I2
//! (`short_ipv6_prefixes_do_not_cover_ipv4`). This row goes through everything in a text that names addresses, and everywhere that
//! a client's address comes from. What else carries an IPv4 address (NAT64, 6to4, `::192.0.2.1`) is IPv6: see `cidr::embedded`.
//!
//! Shown to fail, tests counted from above:
//! - `src/request/mod.rs`, `Peer::of` keeps what it is given: a banned client passes (test 2); with
//!   `src/request/client.rs` as well, which holds limits by itself: test 3;
//! - `src/cidr/addr.rs`, `Number::of_v6` never finds an IPv4 address, or `fold` folds nothing: test 1;
//! - `src/request/client_ip/node.rs`, a named address is kept as it is: a banned one passes (test 4).

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use portcullis::{CidrSet, DenialReason, Gate, GateLayer, Request, Timestamp};
use tower_layer::Layer;

use crate::support::{Hello, Random, gate, get, ip, passes, refused, send};

const NOW: Timestamp = Timestamp::from_secs(3);

/// The spellings of one address.
fn spellings(v4: Ipv4Addr) -> [IpAddr; 2] {
    [v4.into(), v4.to_ipv6_mapped().into()]
}

/// In whichever spelling a text has an address, both spellings of a client are meant.
#[test]
fn what_a_text_says_of_an_address_holds_for_both_spellings() {
    for listed in ["192.0.2.0/24", "::ffff:192.0.2.0/120", "::ffff:c000:200/120"] {
        let texts = [
            format!("deny = [\"{listed}\"]\n"),
            format!("[[rule]]\nname = \"r\"\nwhen = 'ip.src in {{{listed}}}'\nthen = \"deny\"\n"),
            format!(
                "[lists]\nl = [\"{listed}\"]\n[[rule]]\nname = \"r\"\nwhen = 'ip.src in $l'\nthen = \"deny\"\n"
            ),
            format!("deny = [\"0.0.0.0/0\"]\nallow = [\"{listed}\"]\n"),
            format!("deny = [\"0.0.0.0/0\"]\nexempt = [\"{listed}\"]\n"),
        ];
        let set: CidrSet = listed.parse().unwrap();
        for client in spellings(Ipv4Addr::new(192, 0, 2, 77)) {
            assert!(set.contains(client), "{client} in {listed}");
        }
        for (nth, text) in texts.iter().enumerate() {
            let gate = gate(text);
            for client in spellings(Ipv4Addr::new(192, 0, 2, 77)) {
                assert_eq!(passes(&gate, client, NOW), nth >= 3, "{client} by {text}");
            }
            for client in spellings(Ipv4Addr::new(192, 0, 3, 77)) {
                assert_eq!(passes(&gate, client, NOW), nth < 3, "{client} by {text}");
            }
        }
    }
}

#[test]
fn lists_that_change_live_and_bans_mean_both_spellings() {
    let gate =
        gate("[lists]\nl = []\n[[rule]]\nname = \"r\"\nwhen = 'ip.src in $l'\nthen = \"deny\"\n");
    gate.lists().replace("l", "::ffff:198.51.100.7".parse::<CidrSet>().unwrap()).unwrap();
    for net in ["192.0.2.1/32", "::ffff:192.0.2.2/128"] {
        gate.bans().add(net.parse().unwrap(), Duration::from_secs(9), "test", NOW);
    }
    for (text, reason) in [
        ("198.51.100.7", Some(DenialReason::Rule)),
        ("192.0.2.1", Some(DenialReason::Banned)),
        ("192.0.2.2", Some(DenialReason::Banned)),
        ("192.0.2.3", None),
    ] {
        for client in spellings(text.parse().unwrap()) {
            let denial = refused(&gate, &Request::new(client), NOW);
            assert_eq!(denial.map(|denial| denial.reason()), reason, "{client}");
        }
    }
}

/// Both spellings are one client of a limit; two addresses are never one, whatever they have in common.
#[test]
fn a_client_has_one_bucket_and_shares_it_with_nobody() {
    let gate: Gate = gate("clients = 20_000\n[[limit]]\nname = \"each\"\nquota = \"1/d\"\n");
    let mut random = Random(77);
    let near = (0..500).map(|nth| 0xc000_0200 + nth);
    let bits =
        near.chain((0..32).map(|bit| 1 << bit)).chain((0..500).map(|_| random.next() as u32));
    let clients: std::collections::BTreeSet<u32> = bits.collect();
    for (nth, bits) in clients.iter().enumerate() {
        let [plain, mapped] = spellings(Ipv4Addr::from_bits(*bits));
        let [first, second] = if nth % 2 == 0 { [plain, mapped] } else { [mapped, plain] };
        assert!(passes(&gate, first, NOW), "{first} is another's client");
        assert!(!passes(&gate, second, NOW), "{second} is another client than {first}");
    }
}

/// As a socket of both families gives it, and as a proxy writes it: the trust in a proxy, and the client that it names.
#[test]
fn proxies_and_whom_they_name_are_known_in_both_spellings() {
    let gate = gate("deny = [\"192.0.2.1\"]\n[client]\ntrust = [\"10.0.0.1\"]\n");
    gate.bans().add("198.51.100.7/32".parse().unwrap(), Duration::from_secs(9), "test", NOW);
    let mut service = GateLayer::new(&gate).clock(|| NOW).layer(Hello);
    for proxy in ["10.0.0.1", "::ffff:10.0.0.1"] {
        for (named, status) in [
            ("192.0.2.1", 403),
            ("::ffff:192.0.2.1", 403),
            ("[::ffff:192.0.2.1]:80", 403),
            ("::FFFF:C000:201", 403),
            ("198.51.100.7", 429),
            ("::ffff:198.51.100.7", 429),
            ("192.0.2.2", 200),
            // Our own, in the other spelling: the chain goes on through it.
            ("192.0.2.1, ::ffff:10.0.0.1", 403),
        ] {
            let mut request = get(ip(proxy), "/");
            request.headers_mut().insert("x-forwarded-for", named.parse().unwrap());
            assert_eq!(send(&mut service, request).0.status, status, "{named} by {proxy}");
        }
    }
}
