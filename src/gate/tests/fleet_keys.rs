//! By what a fleet knows clients, and what is told of its limits without asking the store.

use std::{string::String, vec::Vec};

use super::{
    NOW,
    fleet::{Buckets, asks, check, decided, fleet, from, shared},
};
use crate::{
    gate::{LimitFate, LimitRule, MissingPeer},
    request::Request,
    rule::{RuleMode, Scheme},
};

fn key(request: &Request<'_>, limit: LimitRule) -> String {
    let gate = fleet([limit]).missing_peer(MissingPeer::Shared).build().unwrap();
    let ask = asks(gate.start(request, NOW));
    let keys: Vec<_> = ask.calls()[0].keys().map(<[u8]>::to_vec).collect();
    String::from_utf8(keys.concat()).unwrap()
}

/// A client of IPv6 is a network, and all whose address is not known are one, which is no address.
#[test]
fn clients_are_the_same_to_all_nodes() {
    let of = |request: &Request<'_>| key(request, shared("x", 5));
    let unknown = Request::new(None).method("GET").target("/");
    let (one, near) = (from("2001:db8::1"), from("2001:db8::ffff:2"));
    assert_eq!(of(&one), of(&near));
    let all = [of(&one), of(&from("2001:db8:0:1::1")), of(&from("192.0.2.1")), of(&unknown)];
    for (at, key) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|other| other != key), "{all:?}");
    }
    assert!([from("0.0.0.0"), from("::")].iter().all(|request| of(request) != all[3]));
    assert_eq!(of(&unknown), all[3]);
}

/// Nobody is asked for a request that has no key.
#[test]
fn a_request_without_a_key_asks_no_store() {
    let gate = fleet([shared("x", 1)]).build().unwrap();
    for _ in 0..3 {
        assert!(decided(gate.start(&Request::new(None), NOW)).is_admitted());
    }
    let key = Scheme::new().parse_term(r#"header["k"]"#).unwrap();
    let skips = shared("x", 1).by([key]).missing(crate::MissingKey::Skip);
    let gate = fleet([skips]).build().unwrap();
    assert!(decided(gate.start(&from("192.0.2.1"), NOW)).is_admitted());
    assert_eq!(gate.fleet().unwrap().stats().calls(), 0);
}

/// A limit in shadow is told of as any, and denies nothing.
#[test]
fn an_explanation_knows_what_is_remembered_in_shadow() {
    let gate = fleet([shared("x", 1).mode(RuleMode::Shadow)]).build().unwrap();
    let request = from("192.0.2.1");
    let fate = || {
        let found = gate.explain(&request, NOW);
        assert!(found.is_admitted());
        found.limits()[0].fate()
    };
    assert_eq!(fate(), LimitFate::AsksStore);
    let mut buckets = Buckets::default();
    for _ in 0..2 {
        assert!(check(&gate, &mut buckets, &request, NOW).0.is_admitted());
    }
    assert_eq!(fate(), LimitFate::Denies);
    let (verdict, calls) = check(&gate, &mut buckets, &request, NOW);
    assert!(verdict.is_admitted() && calls == 0);
    assert_eq!(verdict.shadow().collect::<Vec<_>>(), ["x"]);
}
