use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};
use std::{string::ToString, thread, vec::Vec};

use proptest::prelude::*;

use super::{Gate, MissingPeer, Mode, Outcome, limits::Stand};
use crate::{
    cidr::CidrSet,
    error::BuildProblem,
    limit::{OnSaturation, reference::Keyed},
    quota::Quota,
    request::{ClientGroup, Request, canonical::Canonical},
    rule::Facts,
    test_support::{cases, rounds},
    time::Timestamp,
    verdict::{Denial, DenialReason},
};

const NOW: Timestamp = Timestamp::from_secs(1_000);

fn list(text: &str) -> CidrSet {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn check(gate: &Gate, peer: &str, now: Timestamp) -> Result<(), Denial> {
    gate.check(&Request::new(address(peer)), now).into_result().map(drop)
}

/// A unit comes back up to a tick early, here 1/65,536 of its interval.
fn is_nearly(wait: Duration, exact: Duration) -> bool {
    wait <= exact && exact - wait < exact / 10_000
}

fn reason(gate: &Gate, peer: &str) -> Option<DenialReason> {
    check(gate, peer, NOW).err().map(|denial| denial.reason())
}

/// What a client has left in each limit.
fn remaining(gate: &Gate, peer: &str, now: Timestamp) -> Vec<u32> {
    let snapshot = gate.0.snapshot.load();
    let setting = &snapshot.setting;
    let request = Request::new(address(peer));
    let stands = Canonical::with(&request, |canonical| {
        let facts = Facts::of(&request, canonical, snapshot.rules.lists());
        setting.limits.explain(&facts, &setting.bans, now)
    });
    let left = stands.into_iter().map(|stand| match stand {
        Stand::Asked(decision) => decision.standing().remaining(),
        other => panic!("{other:?}"),
    });
    left.collect()
}

/// Clients that find no place.
mod saturation;

/// Whom a verdict is about, which limit it names, and with which status.
mod told;

/// Limits of requests in flight, in the whole gate.
mod in_flight;

/// What rules do, and how far they go.
mod rules;

/// What is read of a request, and no more.
mod needs;

/// Bans by rules and operators.
mod bans;
mod defence;

/// Clocks that are set back, or far ahead, while a gate watches.
mod clock;

/// Floods, noticed and turned away.
mod flood;

/// What a gate knows, over a restart.
#[cfg(all(feature = "serde", not(loom)))]
mod saved;

/// Rules beside the live ones.
mod candidate;

/// What a check would say, and why.
mod explain;
mod explained;

/// Whom mitigations and shedding spare.
mod guard;

/// Another plan, and other lists, for a gate that is at work.
mod reload;

/// What is said of addresses before there is a request.
mod peer;

/// Limits of a fleet, in the whole gate.
mod fleet;
mod fleet_keys;

#[test]
fn stages_decide_in_their_order() {
    let gate = Gate::builder()
        .exempt(list("192.0.2.1"))
        .allow(list("192.0.2.2"))
        .deny(list("192.0.2.0/24"))
        .limit("per client", Quota::per_hour(1))
        .build()
        .unwrap();
    for _ in 0..3 {
        assert_eq!(reason(&gate, "192.0.2.1"), None, "exempt: neither denied nor limited");
        assert_eq!(reason(&gate, "192.0.2.3"), Some(DenialReason::DenyList));
    }
    assert_eq!(reason(&gate, "192.0.2.2"), None, "allow beats deny");
    assert_eq!(reason(&gate, "192.0.2.2"), Some(DenialReason::Limit), "and does not lift limits");
    let stats = gate.stats();
    assert_eq!((stats.exempted(), stats.admitted(), stats.denied()), (3, 4, 4));
    assert_eq!(stats.rule("deny list").unwrap().denied(), 3);
    assert_eq!(stats.rule("per client").unwrap().denied(), 1);
    assert!(stats.rule("another").is_none());
}

#[test]
fn a_denial_names_the_limit_and_the_wait() {
    let gate = Gate::builder()
        .limit("per second", Quota::per_second(10).burst(100))
        .limit("per minute", Quota::per_minute(2))
        .build()
        .unwrap();
    for _ in 0..2 {
        assert!(check(&gate, "203.0.113.9", NOW).is_ok());
    }
    let denial = check(&gate, "203.0.113.9", NOW).unwrap_err();
    assert_eq!((denial.name(), denial.status()), ("per minute", 429));
    assert!(is_nearly(denial.retry_after().unwrap(), Duration::from_secs(30)));
    assert_eq!(denial.standing().unwrap().limit(), 2);
    let text = denial.to_string();
    let wait = text.strip_prefix("denied by \"per minute\", again in ").unwrap();
    assert!(wait.ends_with('s') && !wait.contains('.'), "a whole number of seconds: {wait}");
    let waited = NOW.saturating_add(Duration::from_secs(30));
    assert!(check(&gate, "203.0.113.9", waited).is_ok());
}

#[test]
fn an_admission_tells_the_strictest_standing() {
    let gate = Gate::builder()
        .limit("wide", Quota::per_second(100))
        .limit("narrow", Quota::per_second(5))
        .build()
        .unwrap();
    let request = Request::new(address("203.0.113.9"));
    let admission = gate.check(&request, NOW).into_result().unwrap();
    let standing = admission.standing().unwrap();
    assert_eq!((standing.limit(), standing.remaining()), (5, 4));
    gate.finish(admission, Outcome::status(503), NOW);
    assert_eq!((gate.stats().finished_with_class(5), gate.stats().finished_with_class(2)), (1, 0));
    assert_eq!((gate.stats().finished_with_class(0), gate.stats().finished_with_class(6)), (0, 0));
}

#[test]
fn modes_switch_everything_at_once() {
    let gate = Gate::builder()
        .deny(list("192.0.2.0/24"))
        .limit("none", Quota::per_second(0))
        .mode(Mode::Observe)
        .build()
        .unwrap();
    for peer in ["192.0.2.1", "203.0.113.9"] {
        assert_eq!(reason(&gate, peer), None);
    }
    assert_eq!((gate.stats().would_deny(), gate.stats().denied()), (2, 0));

    gate.clone().set_mode(Mode::Enforce);
    assert_eq!(reason(&gate, "192.0.2.1"), Some(DenialReason::DenyList));
    let denial = check(&gate, "203.0.113.9", NOW).unwrap_err();
    assert_eq!((denial.name(), denial.retry_after()), ("none", None), "waiting does not help");

    gate.set_mode(Mode::Off);
    assert_eq!(gate.mode(), Mode::Off);
    assert_eq!(reason(&gate, "192.0.2.1"), None);
    assert_eq!((gate.stats().would_deny(), gate.stats().denied()), (2, 2));
}

#[test]
fn missing_peers_are_a_choice() {
    for (choice, expected) in [
        (MissingPeer::Skip, [None, None]),
        (MissingPeer::Shared, [None, Some(DenialReason::Limit)]),
        (MissingPeer::Deny, [Some(DenialReason::MissingPeer); 2]),
    ] {
        let gate = Gate::builder()
            .limit("per client", Quota::per_hour(1))
            .missing_peer(choice)
            .build()
            .unwrap();
        let found = expected.map(|_| {
            gate.check(&Request::new(None), NOW).into_result().err().map(|denial| denial.reason())
        });
        assert_eq!(found, expected, "{choice:?}");
        assert_eq!(gate.stats().missing_peer(), 2);
        assert_eq!(reason(&gate, "203.0.113.9"), None, "known clients are not affected");
    }
}

/// I1: clones share one state, across threads.
#[test]
fn clones_are_one_gate() {
    let units = rounds(100, 8);
    let gate = Gate::builder().limit("per client", Quota::per_hour(units)).build().unwrap();
    let admitted: usize = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let gate = gate.clone();
                scope.spawn(move || (0..units).filter(|_| check(&gate, "::1", NOW).is_ok()).count())
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(admitted, units as usize);
    assert_eq!(
        (gate.stats().admitted(), gate.stats().denied()),
        (units.into(), u64::from(units) * 3)
    );
}

proptest! {
    #![proptest_config(cases(500))]

    /// I3, and I1 of the clients: several limits equal as many references that are charged together or not at all.
    #[test]
    fn limits_are_taken_all_or_none(
        bursts in prop::collection::vec(1..6_u32, 1..4),
        steps in prop::collection::vec(0..900_000_000_u64, 1..60),
    ) {
        let quotas: Vec<_> =
            bursts.iter().zip([1, 3, 7]).map(|(burst, n)| Quota::per_second(n).burst(*burst)).collect();
        let mut builder = Gate::builder();
        for (at, quota) in quotas.iter().enumerate() {
            builder = builder.limit(at.to_string(), *quota);
        }
        let gate = builder.build().unwrap();
        let mut references: Vec<_> =
            quotas.iter().map(|quota| Keyed::new(*quota, 0).unwrap()).collect();
        let mut now = NOW;
        for step in steps {
            now = now.saturating_add(Duration::from_nanos(step));
            let passes = references.iter().all(|bucket| bucket.peek_n(0, 1, now).admitted);
            let answers: Vec<_> =
                references.iter().map(|bucket| bucket.peek_n(0, 1, now)).collect();
            if passes {
                for bucket in &mut references {
                    bucket.check_n(0, 1, now);
                }
            }
            match check(&gate, "203.0.113.9", now) {
                Ok(()) => prop_assert!(passes),
                Err(denial) => {
                    prop_assert!(!passes);
                    let longest = answers.iter().map(|answer| answer.retry_after).max();
                    prop_assert_eq!(denial.retry_after(), longest);
                }
            }
        }
    }

    /// I5: every spelling of an IPv4 address meets the same lists and the same limit.
    #[test]
    fn an_address_is_the_same_in_every_spelling(bits in any::<u32>(), other in any::<u32>()) {
        prop_assume!(bits != other);
        let [v4, other] = [bits, other].map(Ipv4Addr::from_bits);
        let mapped = v4.to_ipv6_mapped();
        let listed = Gate::builder().deny([IpAddr::from(mapped)].into_iter().collect()).build().unwrap();
        let limited = Gate::builder().limit("one", Quota::per_hour(1)).build().unwrap();
        let pass = |gate: &Gate, ip: IpAddr| gate.check(&Request::new(ip), NOW).is_admitted();
        prop_assert!(!pass(&listed, v4.into()) && !pass(&listed, mapped.into()));
        prop_assert!(pass(&listed, other.into()));
        prop_assert!(pass(&limited, mapped.into()) && !pass(&limited, v4.into()));
        prop_assert!(pass(&limited, other.into()));
    }
}

/// I3: a denial that was overtaken by another thread gives back what it took.
#[test]
fn threads_take_all_or_none() {
    let units = rounds(100, 10);
    let build = || {
        Gate::builder()
            .limit("wide", Quota::per_day(units))
            .limit("narrow", Quota::per_day(units * 6 / 10))
            .build()
            .unwrap()
    };
    let gate = build();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..units).for_each(|_| drop(check(&gate, "203.0.113.9", NOW))));
        }
    });
    assert_eq!(gate.stats().admitted(), u64::from(units * 6 / 10));
    assert_eq!(remaining(&gate, "203.0.113.9", NOW), [units * 4 / 10, 0]);
}

#[test]
fn a_64_is_one_client_unless_told_otherwise() {
    let build = |v6| {
        Gate::builder()
            .limit("one", Quota::per_hour(1))
            .client_group(ClientGroup { v4: 32, v6 })
            .build()
            .unwrap()
    };
    let addresses = [0, 1, 1 << 63]
        .map(|low: u64| IpAddr::from(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(low))));
    for (bits, expected) in [(64, 1), (128, 3), (0, 1), (65, 2)] {
        let gate = build(bits);
        let passed = addresses
            .iter()
            .filter(|ip| gate.check(&Request::new(**ip), NOW).is_admitted())
            .count();
        assert_eq!(passed, expected, "/{bits}");
    }
}

#[test]
fn every_mistake_is_told_at_once_with_what_would_be_right() {
    let quota = Quota::per_second(1);
    let error = Gate::builder()
        .limit("", quota)
        .limit("fine", quota)
        .limit("fine", quota)
        .limit("deny list", quota)
        .limit("say \"hi\"", quota)
        .limit("tab\there", quota)
        .limit(" edge ", quota)
        .limit("é", quota)
        .limit("x".repeat(65), quota)
        .client_group(ClientGroup { v4: 33, v6: 129 })
        .clients(0)
        .build()
        .unwrap_err();
    assert_eq!(error.problems().len(), 11, "{error}");
    let shown = error.to_string();
    for says in [
        "limit 1: the name \"\"",
        "as in \"per client\"",
        "limit 3: the name \"fine\" is taken",
        "limit 4: the name \"deny list\" is taken",
        "limit 9:",
        "client group: v4 = 33 is more than the 32 bits",
        "client group: v6 = 129 is more than the 128 bits",
        "clients: 0 clients cannot be limited; use at least 1",
    ] {
        assert!(shown.contains(says), "{says}: {shown}");
    }
    let too_many = Gate::builder().clients(usize::MAX).build().unwrap_err();
    assert!(matches!(too_many.problems(), [BuildProblem::TooManyClients { .. }]));
}

/// A quota that the store of clients cannot hold is a mistake like others.
#[test]
fn quotas_that_do_not_fit_name_their_limit() {
    let error = Gate::builder()
        .limit("fine", Quota::per_second(1))
        .limit("fast", Quota::per_second(20_000_000))
        .limit("deep", Quota::per_second(1).burst(1 << 28))
        .limit("fine", Quota::per_second(1_000_000_000))
        .build()
        .unwrap_err();
    let expected = |number, name: &str, quota| BuildProblem::LimitQuota {
        number,
        name: name.to_string(),
        quota,
    };
    let duplicate = BuildProblem::DuplicateLimit { number: 4, name: "fine".to_string() };
    assert_eq!(
        error.problems(),
        [
            duplicate,
            expected(2, "fast", Quota::per_second(20_000_000)),
            expected(3, "deep", Quota::per_second(1).burst(1 << 28)),
            expected(4, "fine", Quota::per_second(1_000_000_000)),
        ]
    );
    let shown = error.to_string();
    for says in ["limit 2, \"fast\": 20000000/s", "at least 64 ns", "at most 134217728"] {
        assert!(shown.contains(says), "{says}: {shown}");
    }

    let mut builder = Gate::builder();
    for at in 0..65 {
        builder = builder.limit(at.to_string(), Quota::per_second(1));
    }
    let error = builder.build().unwrap_err();
    assert!(matches!(error.problems(), [BuildProblem::TooManyLimits { limits: 65, most: 64 }]));
}

/// I4: the memory is there from the start and stays.
#[test]
#[cfg_attr(miri, ignore = "memory for 10,000 clients")]
fn memory_does_not_grow_with_clients() {
    let gate =
        Gate::builder().limit("one", Quota::per_day(1)).clients(10_000).bans(16).build().unwrap();
    let before = gate.memory_bytes();
    for peer in 0..50_000_u32 {
        let _ = gate.check(&Request::new(IpAddr::from(Ipv4Addr::from_bits(peer))), NOW);
    }
    assert_eq!(gate.memory_bytes(), before);
    assert!(before < 10_000 * 13 + 12_000, "{before}");
    let stats = gate.stats();
    assert!((10_000..15_000).contains(&stats.admitted()), "{stats:?}");
    // Two clients share a bucket now and then.
    let shared = stats.rule("one").unwrap().denied();
    assert_eq!(stats.admitted() + stats.saturated_refused() + shared, 50_000);
    assert!(shared < 10, "{stats:?}");

    let uncounted = Gate::builder()
        .limit("one", Quota::per_day(1))
        .limit("two", Quota::per_day(2))
        .clients(10_000)
        .bans(16)
        .on_saturation(OnSaturation::Allow)
        .build()
        .unwrap();
    assert!(uncounted.memory_bytes() < 2 * (10_000 * 23 / 2 + 7_500), "no networks");
}

/// A gate in a log line neither fills the log nor tells its clients.
#[test]
fn debug_is_short_and_tells_nobody() {
    let gate = Gate::builder()
        .deny(list("198.51.100.0/24"))
        .limit("one", Quota::per_day(1))
        .clients(rounds(1_000, 50))
        .build()
        .unwrap();
    for peer in 0..rounds(1_000_u32, 50) {
        let _ = gate.check(&Request::new(IpAddr::from(Ipv4Addr::from_bits(peer))), NOW);
    }
    let shown = std::format!("{gate:?}");
    assert!(shown.len() < 400 && !shown.contains("198.51") && !shown.contains("0.0."), "{shown}");
}

/// Who comes again after the bucket's wait would meet the ban.
#[test]
fn a_denial_that_bans_says_how_long() {
    let ban = crate::rule::Ban::new(Duration::from_secs(900)).escalate(4).most(Duration::MAX);
    let gate = Gate::builder()
        .limit_rule(super::LimitRule::new("one", Quota::per_second(1)).then(super::Then::Ban(ban)))
        .build()
        .unwrap();
    let mut now = NOW;
    for wait in [900, 3_600, 14_400] {
        assert!(check(&gate, "203.0.113.9", now).is_ok());
        let denial = check(&gate, "203.0.113.9", now).unwrap_err();
        assert_eq!(denial.reason(), DenialReason::Limit);
        assert_eq!(denial.retry_after(), Some(Duration::from_secs(wait)));
        let request = Request::new(address("203.0.113.9"));
        let early = now.saturating_add(Duration::from_secs(wait) - Duration::from_nanos(1));
        assert!(gate.check(&request, early).into_result().is_err(), "not early");
        now = now.saturating_add(Duration::from_secs(wait));
    }
}

/// I3 of the pipeline: the machine itself is not banned by another key than its address either.
#[test]
fn the_machine_itself_is_not_banned_by_a_key() {
    let by = crate::rule::Scheme::new().parse_term("method").unwrap();
    let ban = crate::rule::Ban::new(Duration::from_secs(900));
    let limit =
        super::LimitRule::new("one", Quota::per_second(1)).by([by]).then(super::Then::Ban(ban));
    for (peer, is_banned) in [("127.0.0.1", false), ("203.0.113.9", true)] {
        let gate = Gate::builder().limit_rule(limit.clone()).build().unwrap();
        assert!(check(&gate, peer, NOW).is_ok());
        let denial = check(&gate, peer, NOW).unwrap_err();
        let wait = denial.retry_after().unwrap();
        assert_eq!(wait > Duration::from_secs(1), is_banned, "{peer}: {wait:?}");
    }
}
