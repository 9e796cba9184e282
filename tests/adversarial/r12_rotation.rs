//! **Row 12: one client with 2⁶⁴ addresses.**
//!
//! Identifiers: a comment in governor #171; express-rate-limit's default of a /56.
//!
//! The attack: whoever has an IPv6 connection has a /64 of addresses at least, and uses a new one for each request. A limit by address never
//! sees the same client twice, and a ban is over with the next address.
//!
//! Ours: a /64 is one client unless the configuration says otherwise, in limits and in bans: `src/request/client.rs`
//! (`rotating_inside_a_64_gains_nothing`), `a_64_is_one_client_unless_told_otherwise`. Who has a whole /48 is 65,536 clients: the chapter on
//! threats says what helps. This row rotates 65,536 addresses of one /64 at a gate from a text, behind a proxy, and at connections.
//!
//! Shown to fail, tests counted from above:
//! - `src/request/client.rs`, an IPv6 client is a /128: tests 1 and 2 (the third says its own group).

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use portcullis::{GateLayer, Timestamp};
use tower_layer::Layer;

use crate::support::{Hello, gate, get, ip, passes, send};

const NOW: Timestamp = Timestamp::from_secs(8);

/// The nth address of the /64, all over it.
fn rotated(net: u16, nth: u32) -> IpAddr {
    let low = u64::from(nth).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(net) << 64 | u128::from(low)).into()
}

#[test]
fn all_addresses_of_a_64_share_one_limit() {
    let gate = gate("[[limit]]\nname = \"each\"\nquota = \"20/h\"\n");
    let passed = (0..1 << 16).filter(|nth| passes(&gate, rotated(1, *nth), NOW)).count();
    assert_eq!(passed, 20);
    assert!(passes(&gate, rotated(2, 0), NOW), "a neighbour pays for it");
}

#[test]
fn a_ban_and_its_escalation_hold_for_all_of_the_64() {
    let gate = gate(
        "[[limit]]\nname = \"each\"\nquota = \"2/h\"\nthen = { ban = \"60s\", escalate = 4, max = \"1h\" }\n",
    );
    assert_eq!((0..3).filter(|nth| passes(&gate, rotated(1, *nth), NOW)).count(), 2);
    for nth in 0..1_000 {
        assert!(gate.check_peer(rotated(1, nth), NOW).is_err(), "address {nth} may connect");
    }
    assert!(gate.check_peer(rotated(2, 0), NOW).is_ok());
    let bans = gate.bans().list(NOW);
    assert_eq!(bans.len(), 1);
    assert_eq!(bans[0].net(), Some("2001:db8:0:1::/64".parse().unwrap()));
    // The next ban, of another of its addresses, is the longer one.
    let later = NOW.saturating_add(Duration::from_secs(61));
    assert!((10..13).any(|nth| !passes(&gate, rotated(1, nth), later)));
    assert_eq!(gate.bans().list(later)[0].remaining(), Duration::from_secs(240));
}

/// The same where a proxy says who the client is, and with a wider group.
#[test]
fn rotation_behind_a_proxy_and_in_a_wider_group() {
    let gate = gate(
        "[client]\ntrust = [\"10.0.0.1\"]\ngroup = { v6 = 56 }\n[[limit]]\nname = \"each\"\nquota = \"5/h\"\n",
    );
    let mut service = GateLayer::new(&gate).clock(|| NOW).layer(Hello);
    let mut status = |client: IpAddr| {
        let mut request = get(ip("10.0.0.1"), "/");
        request.headers_mut().insert("x-forwarded-for", client.to_string().parse().unwrap());
        send(&mut service, request).0.status.as_u16()
    };
    // All 256 networks of a /56.
    let served = (0..2_048).filter(|nth| status(rotated((*nth % 256) as u16, *nth)) == 200).count();
    assert_eq!(served, 5);
    assert_eq!(status(rotated(256, 0)), 200);
}
