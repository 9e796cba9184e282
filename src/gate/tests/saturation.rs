use core::time::Duration;
use std::{
    format,
    net::{Ipv4Addr, Ipv6Addr},
    string::String,
    thread,
    vec::Vec,
};

use super::{NOW, address, check, is_nearly, reason, remaining};
use crate::{
    gate::{Gate, GateBuilder, Mode},
    limit::OnSaturation,
    quota::Quota,
    request::Request,
    test_support::rounds,
    verdict::DenialReason,
};

const FULL: Option<DenialReason> = Some(DenialReason::Saturated);
const USED_UP: Option<DenialReason> = Some(DenialReason::Limit);

/// Room for seven clients and seven networks: one set of each store.
pub(super) fn tiny(quotas: &[Quota]) -> GateBuilder {
    let mut builder = Gate::builder().clients(1);
    for (at, quota) in quotas.iter().enumerate() {
        builder = builder.limit(format!("limit {at}"), *quota);
    }
    builder
}

/// Takes all places of clients, from one network.
pub(super) fn fill(gate: &Gate) {
    for host in 1..=7 {
        assert_eq!(reason(gate, &format!("10.0.0.{host}")), None);
    }
    assert_eq!(gate.stats().saturated(), 0);
}

/// Only checks count who finds no place: neither explanations, nor peers that come in, nor who looks at the gate.
#[test]
fn who_only_looks_counts_nobody_without_a_place() {
    let gate = tiny(&[Quota::per_hour(3), Quota::per_hour(4)]).build().unwrap();
    fill(&gate);
    let unseated =
        || gate.status(NOW).limits.iter().map(|limit| limit.unseated.unwrap()).sum::<u64>();
    assert_eq!(unseated(), 0);
    let request = Request::new(address("192.0.2.1"));
    for _ in 0..3 {
        assert!(gate.explain(&request, NOW).is_admitted(), "by the network");
        assert!(gate.check_peer_with_limits(address("192.0.2.1"), NOW).is_ok());
    }
    assert_eq!(unseated(), 0);
    drop(check(&gate, "192.0.2.1", NOW));
    assert!(unseated() >= 2, "in each limit");
}

/// I3 of the clients: the newcomers of a network are limited as one, and those of others are served.
#[test]
fn who_finds_no_place_is_judged_by_the_network() {
    let gate = tiny(&[Quota::per_hour(3)]).build().unwrap();
    fill(&gate);
    for network in ["192.0.2", "198.51.100", "203.0.113"] {
        for host in 1..=9 {
            let expected = if host <= 3 { None } else { FULL };
            assert_eq!(reason(&gate, &format!("{network}.{host}")), expected, "{network}.{host}");
        }
    }
    for (host, expected) in (1..).zip([None, None, None, FULL]) {
        assert_eq!(reason(&gate, &format!("2001:db8:0:{host}::1")), expected, "one /48");
    }
    assert_eq!(reason(&gate, "2001:db8:1:1::1"), None, "another");

    let denial = check(&gate, "192.0.2.200", NOW).unwrap_err();
    assert_eq!((denial.name(), denial.status()), ("too many clients", 503));
    let wait = denial.retry_after().unwrap();
    assert!(is_nearly(wait, Duration::from_secs(1_200)), "its network's wait: {wait:?}");
    assert!(denial.standing().is_none(), "which is not the client's own standing");
    let waited = NOW.saturating_add(Duration::from_secs(1_200));
    assert!(check(&gate, "192.0.2.200", waited).is_ok());

    let stats = gate.stats();
    assert_eq!((stats.saturated(), stats.judged_by_network()), (34, 34));
    assert_eq!((stats.judged_as_newcomers(), stats.saturated_refused()), (0, 20));
    assert_eq!(stats.rule("too many clients").unwrap().denied(), 20);
    assert_eq!(stats.rule("limit 0").unwrap().denied(), 0);
}

/// I2 of the clients.
#[test]
fn who_has_a_place_keeps_its_own_bucket() {
    let gate = tiny(&[Quota::per_hour(3)]).build().unwrap();
    fill(&gate);
    for host in 8..=40 {
        let _ = reason(&gate, &format!("10.0.0.{host}"));
    }
    for host in 1..=7 {
        let found = [(); 3].map(|()| reason(&gate, &format!("10.0.0.{host}")));
        assert_eq!(found, [None, None, USED_UP]);
    }
}

/// I3 of the clients: without a place for the network either, one budget is for all.
#[test]
fn without_a_place_for_the_network_a_budget_decides() {
    let gate =
        tiny(&[Quota::per_hour(3)]).newcomers(Quota::per_second(1).burst(2)).build().unwrap();
    fill(&gate);
    for network in 1..=7 {
        assert_eq!(reason(&gate, &format!("172.16.{network}.1")), None);
    }
    assert_eq!(gate.stats().judged_by_network(), 7);
    for (network, expected) in (8..=11).zip([None, None, FULL, FULL]) {
        assert_eq!(reason(&gate, &format!("172.16.{network}.1")), expected);
    }
    let denial = check(&gate, "172.16.12.1", NOW).unwrap_err();
    assert_eq!((denial.name(), denial.status()), ("too many clients", 503));
    assert_eq!(denial.retry_after(), Some(Duration::from_secs(1)));
    assert!(check(&gate, "172.16.12.1", NOW.saturating_add(Duration::from_secs(1))).is_ok());
    assert_eq!(reason(&gate, "172.16.1.2"), None, "networks with a place keep their own");
    assert_eq!(reason(&gate, "10.0.0.1"), None, "and clients theirs");

    let stats = gate.stats();
    assert_eq!((stats.saturated(), stats.judged_by_network()), (14, 8));
    assert_eq!((stats.judged_as_newcomers(), stats.saturated_refused()), (6, 3));
}

/// The wait is then for a place, and is not zero.
#[test]
fn a_budget_of_nothing_denies_until_there_is_a_place() {
    for limits in [&[Quota::per_minute(1)][..], &[Quota::per_minute(1); 3]] {
        let gate = tiny(limits).newcomers(Quota::per_second(0)).build().unwrap();
        fill(&gate);
        for network in 1..=7 {
            assert_eq!(reason(&gate, &format!("172.16.{network}.1")), None);
        }
        let denial = check(&gate, "172.16.8.1", NOW).unwrap_err();
        assert_eq!(denial.reason(), DenialReason::Saturated);
        // Several limits are only asked, which tells less about when.
        let least = Duration::from_secs(if limits.len() == 1 { 59 } else { 0 });
        let wait = denial.retry_after().unwrap();
        assert!(wait > least.max(Duration::from_nanos(1)), "{wait:?}");
        let later = NOW.saturating_add(Duration::from_secs(61));
        assert!(check(&gate, "172.16.8.1", later).is_ok());
    }
}

#[test]
#[cfg_attr(miri, ignore = "10,000 clients and more")]
fn the_budget_is_a_hundredth_of_the_clients_unless_said() {
    // One set each; the fewest is one a second.
    let gate = tiny(&[Quota::per_hour(1)]).build().unwrap();
    fill(&gate);
    let passed = (1..=20).filter(|network| reason(&gate, &format!("172.16.{network}.1")).is_none());
    assert_eq!(passed.count(), 7 + 1);

    let gate = Gate::builder().limit("one", Quota::per_day(1)).clients(5_000).build().unwrap();
    for nth in 0..30_000_u32 {
        let peer = Ipv4Addr::from_bits(nth << 8).into();
        drop(gate.check(&Request::new(Some(peer)), NOW));
    }
    let stats = gate.stats();
    let newcomers = stats.judged_as_newcomers() - stats.saturated_refused();
    // Two networks share a bucket now and then, and are refused for that.
    assert!((45..=50).contains(&newcomers), "{stats:?}");
}

/// I1 of the clients: a limit with a place for the client pays nothing for what a network or the
/// budget denies.
#[test]
fn coarse_judges_are_taken_all_or_none_with_the_others() {
    let short = Quota::per_second(1).burst(5);
    let gate = tiny(&[short, Quota::per_day(2)]).newcomers(Quota::per_day(1)).build().unwrap();
    fill(&gate);
    // The first limit has places again by then, the second does not.
    let now = NOW.saturating_add(Duration::from_secs(10));
    for host in 1..=2 {
        assert!(check(&gate, &format!("192.0.2.{host}"), now).is_ok());
        assert_eq!(remaining(&gate, &format!("192.0.2.{host}"), now)[0], 4);
    }
    for _ in 0..3 {
        let denial = check(&gate, "192.0.2.2", now).unwrap_err();
        assert_eq!((denial.reason(), denial.name()), (DenialReason::Saturated, "too many clients"));
        assert_eq!(remaining(&gate, "192.0.2.2", now)[0], 4, "a denial takes from no limit");
    }
    assert_eq!((gate.stats().judged_by_network(), gate.stats().saturated_refused()), (5, 3));

    // Six more networks, and then the budget.
    let later = now.saturating_add(Duration::from_secs(10));
    for network in 1..=6 {
        let at = now.saturating_add(Duration::from_secs(network));
        assert!(check(&gate, &format!("172.16.{network}.1"), at).is_ok());
    }
    assert!(check(&gate, "172.16.7.1", later).is_ok());
    for _ in 0..3 {
        let denial = check(&gate, "172.16.7.1", later).unwrap_err();
        assert_eq!(denial.reason(), DenialReason::Saturated);
        assert_eq!(remaining(&gate, "172.16.7.1", later)[0], 4);
    }
    assert_eq!((gate.stats().judged_as_newcomers(), gate.stats().saturated_refused()), (4, 6));
}

/// A client's own limit denies under its own name, and the network keeps its units.
#[test]
fn a_limit_with_a_place_denies_under_its_name() {
    let gate = tiny(&[Quota::per_hour(1), Quota::per_second(1)]).build().unwrap();
    fill(&gate);
    let now = NOW.saturating_add(Duration::from_secs(10));
    assert!(check(&gate, "192.0.2.1", now).is_ok(), "a place in the second, not in the first");
    let other = check(&gate, "192.0.2.2", now).unwrap_err();
    assert_eq!(other.reason(), DenialReason::Saturated, "the /24 has none left for the hour");
    assert_eq!(remaining(&gate, "192.0.2.2", now), [0, 1]);

    let gate = tiny(&[Quota::per_hour(4), Quota::per_second(1).burst(1)]).build().unwrap();
    fill(&gate);
    assert!(check(&gate, "192.0.2.1", now).is_ok());
    let own = check(&gate, "192.0.2.1", now).unwrap_err();
    assert_eq!((own.reason(), own.name()), (DenialReason::Limit, "limit 1"));
    assert_eq!(own.standing().unwrap().limit(), 1);
    let networks = (2..=4).filter(|host| check(&gate, &format!("192.0.2.{host}"), now).is_ok());
    assert_eq!(networks.count(), 3, "the denial took nothing from the network");
}

/// What an admission tells is the client's own standing, or nothing.
#[test]
fn an_admission_by_the_network_has_no_standing_of_the_clients() {
    let gate = tiny(&[Quota::per_hour(3)]).build().unwrap();
    fill(&gate);
    let standing = |gate: &Gate, now| {
        let verdict = gate.check(&Request::new(address("192.0.2.1")), now);
        verdict.into_result().unwrap().standing()
    };
    assert!(standing(&gate, NOW).is_none());

    let gate = tiny(&[Quota::per_hour(30), Quota::per_second(5)]).build().unwrap();
    fill(&gate);
    let own = standing(&gate, NOW.saturating_add(Duration::from_secs(10))).unwrap();
    assert_eq!((own.limit(), own.remaining()), (5, 4));
}

#[test]
fn allowing_lets_unseated_clients_pass_uncounted() {
    let quotas = [Quota::per_second(2), Quota::per_day(1)];
    let gate = tiny(&quotas).on_saturation(OnSaturation::Allow).build().unwrap();
    fill(&gate);
    for _ in 0..50 {
        assert_eq!(reason(&gate, "192.0.2.1"), None);
    }
    assert_eq!(reason(&gate, "10.0.0.1"), USED_UP, "who has a place is limited");
    let now = NOW.saturating_add(Duration::from_secs(10));
    assert!(check(&gate, "192.0.2.1", now).is_ok());
    assert!(check(&gate, "192.0.2.1", now).is_ok());
    let denial = check(&gate, "192.0.2.1", now).unwrap_err();
    assert_eq!(denial.name(), "limit 0", "where it has a place it is limited");
    let stats = gate.stats();
    assert_eq!((stats.saturated(), stats.saturated_refused()), (53, 0));
    assert_eq!((stats.judged_by_network(), stats.judged_as_newcomers()), (0, 0));
}

#[test]
fn observing_counts_what_would_be_refused() {
    let gate = tiny(&[Quota::per_hour(1)]).mode(Mode::Observe).build().unwrap();
    fill(&gate);
    for host in 1..=3 {
        assert_eq!(reason(&gate, &format!("192.0.2.{host}")), None);
    }
    assert_eq!((gate.stats().saturated(), gate.stats().saturated_refused()), (3, 2));
    assert_eq!(gate.stats().rule("too many clients").unwrap().would_deny(), 2);
}

/// One-shot clients from a few networks, sixteen times as many as there is room for: regulars are
/// served throughout, and so are newcomers from elsewhere.
#[test]
#[cfg_attr(miri, ignore = "10,000 clients and more")]
fn a_flood_from_a_few_networks_leaves_others_alone() {
    let gate = Gate::builder()
        .limit("burst", Quota::per_second(1).burst(5))
        .limit("minute", Quota::per_minute(30).burst(10))
        .clients(2_000)
        .build()
        .unwrap();
    let at = |millis: u64| NOW.saturating_add(Duration::from_millis(millis));
    let pass = |peer: u32, now| {
        let peer = Ipv4Addr::from_bits(peer).into();
        gate.check(&Request::new(Some(peer)), now).is_admitted()
    };
    let regular = |nth: u32| 0x0a00_0000 | nth << 8 | 1;
    // Regulars come back after their buckets had filled, which establishes them.
    for round in 0..3_u64 {
        for nth in 0..300 {
            assert!(pass(regular(nth), at(round * 5_000)));
        }
    }
    let before = gate.memory_bytes();
    let (mut flood, mut flooded, mut newcomers, mut served) = (0_u32, 0, 0, 0);
    for tick in 0..20_u64 {
        let now = at(11_000 + tick * 1_000);
        for _ in 0..1_600 {
            flood += 1;
            // Four /48, each with 65,536 clients of a /64.
            let host = u128::from(flood % 4) << 80 | u128::from(flood / 4 % 65_536) << 64;
            let peer = Ipv6Addr::from_bits(0x2001_0db8 << 96 | host).into();
            flooded += u32::from(gate.check(&Request::new(Some(peer)), now).is_admitted());
        }
        for _ in 0..20 {
            newcomers += 1;
            served += u32::from(pass(0x6400_0001 | newcomers << 8, now));
        }
        if tick % 5 == 0 {
            for nth in 0..300 {
                assert!(pass(regular(nth), now), "regular {nth} at {tick} s");
            }
        }
    }
    let stats = gate.stats();
    assert_eq!(gate.memory_bytes(), before);
    assert!(stats.saturated() > 10_000 && stats.saturated_refused() > 5_000, "{stats:?}");
    assert!(served * 100 >= newcomers * 99, "{served} of {newcomers} newcomers: {stats:?}");
    assert!(flooded < flood / 2, "{flooded} of {flood}");
}

/// I1 and I3 of the clients, across threads: a network has its quota once.
#[test]
fn threads_share_the_networks_and_the_budget() {
    let quotas = [Quota::per_day(50), Quota::per_day(40)];
    let gate = tiny(&quotas).newcomers(Quota::per_day(30)).build().unwrap();
    fill(&gate);
    let count = |peer: fn(u32) -> String| -> usize {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..4_u32)
                .map(|worker| {
                    let gate = &gate;
                    scope.spawn(move || {
                        let own = (0..rounds(60, 14))
                            .map(|nth| reason(gate, &peer(worker + nth % 2 * 4)));
                        own.filter(Option::is_none).count()
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        })
    };
    assert_eq!(count(|nth| format!("192.0.2.{nth}")), 40);
    for network in 1..=6 {
        assert_eq!(reason(&gate, &format!("172.16.{network}.1")), None);
    }
    assert_eq!(count(|nth| format!("100.64.{nth}.1")), 30);
}
