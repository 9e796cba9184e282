//! What explanations tell in words: who the client is, what a limit says, and what becomes of it all.

use core::time::Duration;
use std::{format, string::String, string::ToString as _};

use super::{
    NOW, address, list,
    saturation::{fill, tiny},
};
use crate::{
    gate::{Gate, LimitFate, Mode, Stage, StageOutcome},
    quota::Quota,
    request::{ClientIp, ForwardedBy, Reason, Request, Trust},
    verdict::DenialReason,
};

fn line(shown: &str, start: &str) -> String {
    let found = shown.lines().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("{start}: {shown}")).to_string()
}

/// Each reason for an address, with the address.
#[test]
fn who_the_client_is_is_told_with_the_reason() {
    let nets = || Trust::Nets(list("10.0.0.0/8"));
    let long = ["10.0.0.2"; 40].join(", ");
    let few = Trust::Hops(3);
    for (trust, peer, header, ip, reason, text) in [
        (
            Trust::None,
            "10.0.0.1",
            Some("203.0.113.7"),
            "10.0.0.1",
            Reason::Peer,
            "the peer, as no proxy is trusted",
        ),
        (
            nets(),
            "192.0.2.1",
            Some("203.0.113.7"),
            "192.0.2.1",
            Reason::PeerUntrusted,
            "the peer, which is no trusted proxy",
        ),
        (
            nets(),
            "10.0.0.1",
            None,
            "10.0.0.1",
            Reason::NoHeader,
            "the peer, a trusted proxy that has sent no header",
        ),
        (
            nets(),
            "10.0.0.1",
            Some("198.51.100.1, 203.0.113.7"),
            "203.0.113.7",
            Reason::Header,
            "the first in the header that is no trusted proxy",
        ),
        (
            nets(),
            "10.0.0.1",
            Some("10.0.0.9, 10.0.0.8"),
            "10.0.0.9",
            Reason::AllHopsTrusted,
            "the first in the header, where all are trusted proxies",
        ),
        (
            nets(),
            "10.0.0.1",
            Some("203.0.113.7, unknown, 10.0.0.2"),
            "10.0.0.2",
            Reason::Malformed,
            "the last in the header before what is no address",
        ),
        (
            nets(),
            "10.0.0.1",
            Some(long.as_str()),
            "10.0.0.2",
            Reason::TooManyHops,
            "the last in the header that was followed to",
        ),
        (
            few,
            "10.0.0.1",
            Some("203.0.113.7"),
            "10.0.0.1",
            Reason::TooFewHops,
            "the peer, as the header is too short",
        ),
    ] {
        let trust = ClientIp::new(trust, ForwardedBy::XForwardedFor);
        let gate = Gate::builder().trust(trust).build().unwrap();
        let request = Request::new(address(peer));
        let request = match header {
            Some(header) => request.header("x-forwarded-for", header),
            None => request,
        };
        let found = gate.explain(&request, NOW);
        let client = found.client().unwrap();
        assert_eq!((client.ip, client.reason), (address(ip), reason));
        assert_eq!(line(&found.to_string(), "client"), format!("client      passed: {ip}, {text}"));
    }
    let unknown = Gate::builder().build().unwrap().explain(&Request::new(None), NOW);
    assert!(unknown.client().is_none());
    assert_eq!(line(&unknown.to_string(), "client"), "client      passed: not known");
}

#[test]
fn the_verdict_is_told_with_what_the_mode_makes_of_it() {
    let gate = Gate::builder().deny(list("192.0.2.1")).build().unwrap();
    let told = |mode| {
        gate.set_mode(mode);
        let found = gate.explain(&Request::new(address("192.0.2.1")), NOW);
        assert_eq!(found.is_admitted(), mode != Mode::Enforce);
        line(&found.to_string(), "verdict").replacen("verdict     ", "", 1)
    };
    let denied = "denied by \"deny list\"";
    assert_eq!(told(Mode::Enforce), format!("{denied}, status 403"));
    assert_eq!(told(Mode::Observe), format!("admitted, as the gate only observes; else {denied}"));
    assert_eq!(told(Mode::Off), format!("admitted, as the gate is off; else {denied}"));
}

#[test]
fn a_limit_of_nothing_says_that_waiting_does_not_help() {
    let gate = Gate::builder().limit("none", Quota::per_second(0)).build().unwrap();
    let found = gate.explain(&Request::new(address("192.0.2.1")), NOW).to_string();
    assert_eq!(
        line(&found, "  \"none\""),
        "  \"none\" denies, 0 of 0 left, and waiting does not help"
    );
}

/// I1, I2: by the network, and where that has no place, by the budget for newcomers.
#[test]
fn who_finds_no_place_is_told_what_a_check_then_says() {
    let budget = Quota::per_second(1).burst(2);
    let gate = tiny(&[Quota::per_hour(3), Quota::per_hour(4)]).newcomers(budget).build().unwrap();
    fill(&gate);
    for network in 1..=7 {
        assert!(
            gate.check(&Request::new(address(&format!("172.16.{network}.1"))), NOW).is_admitted()
        );
    }
    for (host, is_admitted) in (8..).zip([true, true, false, false]) {
        let request = Request::new(address(&format!("172.16.{host}.1")));
        let before = gate.stats();
        for _ in 0..5 {
            let found = gate.explain(&request, NOW);
            assert_eq!(found.is_admitted(), is_admitted, "{host}: {found}");
            assert!(found.limits().iter().all(|limit| limit.fate() == LimitFate::Saturated));
            let shown = line(&found.to_string(), "  \"limit 0\"");
            assert_eq!(shown, "  \"limit 0\" has no place for the key");
            let outcome = if is_admitted { StageOutcome::Passed } else { StageOutcome::Denied };
            assert_eq!(found.outcome(Stage::Limits), outcome);
        }
        assert_eq!(format!("{:?}", gate.stats()), format!("{before:?}"), "nothing is counted");
        let foreseen = gate.explain(&request, NOW);
        match gate.check(&request, NOW).into_result() {
            Ok(_) => assert!(is_admitted, "{host}"),
            Err(denial) => {
                assert_eq!(denial.reason(), DenialReason::Saturated);
                assert_eq!(denial.retry_after(), Some(Duration::from_secs(1)));
                let foreseen = foreseen.denial().unwrap();
                assert_eq!(
                    (foreseen.reason(), foreseen.retry_after(), foreseen.name()),
                    (denial.reason(), denial.retry_after(), denial.name())
                );
            }
        }
    }
}
