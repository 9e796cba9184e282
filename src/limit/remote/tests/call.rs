//! What goes to the store, to the byte, and what may come back.

use std::{format, string::String, vec::Vec};

use super::{NOW, Server, asks, begin, check, fleet, limit};
use crate::{
    Quota,
    limit::remote::{Call, Claim, FleetLimit, OnFailure, SCRIPT, StoreError, call::Reply},
};

fn texts<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    parts.map(|part| String::from_utf8(part.to_vec()).unwrap()).collect()
}

fn pair() -> (Call, FleetLimit) {
    let fleet = fleet();
    let one = limit(&fleet, Quota::per_minute(100));
    let two = fleet.limit("night", Quota::per_second(7), OnFailure::Open).unwrap();
    let subject = fleet.subject(b"alice");
    (Call::of("shop", subject, &[(one.clone(), 2, 5), (two, 1, 1)]), one)
}

#[test]
fn keys_and_arguments_are_these_bytes() {
    let (call, _) = pair();
    let subject = fleet().subject(b"alice");
    let keys = [
        format!("shop:pc1:{{{subject}}}:1-600000-100:limit"),
        format!("shop:pc1:{{{subject}}}:7-1000000-7:night"),
    ];
    assert_eq!(texts(call.keys()), keys);
    let args = ["", "1", "600000", "100", "2", "5", "7", "1000000", "7", "1", "1"];
    assert_eq!(texts(call.args()), args);
    assert_eq!(texts(call.at_micros(17).args())[..2], ["17", "1"]);
}

#[test]
fn without_a_prefix_there_is_no_colon_before() {
    let (_, limit) = pair();
    let subject = fleet().subject(b"alice");
    let call = Call::of("", subject, &[(limit, 1, 1)]);
    assert_eq!(texts(call.keys()), [format!("pc1:{{{subject}}}:1-600000-100:limit")]);
}

#[test]
fn a_reply_is_read_in_the_order_of_the_keys() {
    let (call, _) = pair();
    let replies = call.read(&[5, 95, 0, 3_000_000, 1, 6, 0, 142_858]).unwrap();
    let expected = [
        Reply { granted: 5, remaining: 95, retry: Some(0), full: 3_000_000 },
        Reply { granted: 1, remaining: 6, retry: Some(0), full: 142_858 },
    ];
    assert_eq!(replies, expected);
    let replies = call.read(&[0, 50, 0, 3_000_000, 0, 0, -1, 9]).unwrap();
    let retries: Vec<_> = replies.iter().map(|reply| reply.retry).collect();
    assert_eq!(retries, [Some(0), None]);
}

#[test]
fn what_cannot_be_a_reply_of_the_script_is_malformed() {
    let (call, _) = pair();
    let good = [2, 95, 0, 3_000_000, 1, 6, 0, 142_858];
    assert!(call.read(&good).is_ok());
    assert_eq!(call.read(&[]).err(), Some(StoreError::Malformed));
    assert!(call.read(&good[..4]).is_err() && call.read(&good[..7]).is_err(), "too short");
    assert!(call.read(&[&good[..], &[0]].concat()).is_err(), "too long");
    assert!(call.read(&[&good[..], &good[..4]].concat()).is_err(), "a key too many");
    let with = |at: usize, number: i64| {
        let mut reply = good;
        reply[at] = number;
        call.read(&reply)
    };
    for (at, number) in [
        (0, -1),
        (0, i64::from(u32::MAX) + 1),
        (0, i64::MAX),
        // Less than the least, and more than the burst.
        (0, 1),
        (0, 101),
        (1, -1),
        (1, 101),
        (1, 1 << 32),
        (2, -2),
        (2, i64::MIN),
        (3, -1),
        // Longer than an empty bucket takes.
        (3, 60_000_001),
        (3, i64::MAX),
        (4, 0),
        // Granted, though the other has to wait.
        (6, 5),
        (6, -1),
    ] {
        assert_eq!(with(at, number).err(), Some(StoreError::Malformed), "{number} at {at}");
    }
    for (at, number) in [(0, 5), (0, 100), (1, 100), (3, 0), (3, 60_000_000)] {
        assert!(with(at, number).is_ok(), "{number} at {at}");
    }
}

#[test]
fn the_script_is_plain_text() {
    assert!(SCRIPT.is_ascii() && SCRIPT.len() < 4_096);
}

/// What a lease has granted is not asked for once more.
#[test]
fn only_what_is_not_known_is_asked_for() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let limit = limit(&fleet, Quota::per_minute(100));
    let claims = [b"a", b"b"].map(|name| Claim::new(&limit, fleet.subject(name), 1));
    let mut answers = check(&fleet, &mut server, &claims[..1], NOW);
    fleet.give_back(&claims[..1], &mut answers);
    let ask = asks(begin(&fleet, &claims, NOW));
    let [call] = ask.calls() else { panic!("{ask:?}") };
    assert!(texts(call.keys())[0].contains(&format!("{}", fleet.subject(b"b"))));
}
