//! Checks, step by step.

use core::time::Duration;
use std::{vec, vec::Vec};

use super::{
    NOW, Server, asks, at, begin, check, decided, fleet, is_admitted, limit, replies, waits,
};
use crate::{
    Quota,
    limit::remote::{
        Answer, Claim, Fleet, FleetSettings, FleetStats, OnFailure, Step, StoreError,
        fetch::MOST_WAITING, window::MOST as MOST_ASKING,
    },
};

const TIMEOUT: [Result<Vec<i64>, StoreError>; 0] = [];

#[test]
fn a_first_check_asks_and_others_wait_for_it() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let limit = limit(&fleet, Quota::per_minute(100));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 1)];
    let ask = asks(begin(&fleet, &claims, NOW));
    let second = waits(begin(&fleet, &claims, NOW));
    assert_eq!((ask.deadline(), second.deadline()), (at(20), at(20)));
    let replies = replies(&mut server, &ask);
    let held = ask.finish(&replies, NOW);
    assert!(second.is_over());
    assert_eq!(is_admitted(decided(fleet.step(&claims, held, NOW))), Some(true));
    // There was no lease: the second asks by itself.
    drop(asks(fleet.step(&claims, second.give_up(), NOW)));
    assert_eq!(fleet.stats().calls(), 2);
}

/// While the store fails, one request makes the call that it is let, and all others go on without.
#[test]
fn nobody_waits_for_the_one_call_that_a_failing_store_is_let() {
    let fleet = fleet();
    let limit = limit(&fleet, Quota::per_minute(100));
    let claim = |name: &[u8]| [Claim::new(&limit, fleet.subject(name), 1)];
    for name in [b"a", b"b", b"c", b"d", b"e"] {
        drop(asks(begin(&fleet, &claim(name), NOW)).finish(&TIMEOUT, NOW));
    }
    assert!(fleet.stats().is_open());
    let probe = asks(begin(&fleet, &claim(b"f"), at(250)));
    assert!(matches!(
        decided(begin(&fleet, &claim(b"f"), at(250))).get(0),
        Some(Answer::Fallback(OnFailure::Local))
    ));
    // Once it is answered, they wait for each other as before.
    drop(probe.finish(&[Ok(vec![1, 9, 0, 1_000])], at(251)));
    let _asks = asks(begin(&fleet, &claim(b"g"), at(251)));
    let _waits = waits(begin(&fleet, &claim(b"g"), at(251)));
}

/// Those that wait are answered with two calls, however many they are and though nothing can be leased.
#[test]
fn those_that_wait_are_asked_for_together() {
    let fleet = Fleet::new(FleetSettings::new().nodes(1_000).keys(1)).unwrap();
    let mut server = Server::new(0);
    let limit = limit(&fleet, Quota::per_minute(100));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 1)];
    let first = asks(begin(&fleet, &claims, NOW));
    let mut others: Vec<_> = (0..40).map(|_| waits(begin(&fleet, &claims, NOW))).collect();
    drop(others.pop());
    let answers = replies(&mut server, &first);
    let held = first.finish(&answers, at(1));
    assert!(decided(fleet.step(&claims, held, at(1))).is_admitted());
    let second = asks(fleet.step(&claims, others.pop().unwrap().give_up(), at(1)));
    let most: Vec<_> = second.calls()[0].args().skip(4).take(2).collect();
    assert_eq!(most, [b"1".as_slice(), b"39"]);
    let others: Vec<_> =
        others.into_iter().map(|wait| waits(fleet.step(&claims, wait.give_up(), at(1)))).collect();
    let answers = replies(&mut server, &second);
    let held = second.finish(&answers, at(2));
    assert!(decided(fleet.step(&claims, held, at(2))).is_admitted());
    for wait in others {
        assert!(decided(fleet.step(&claims, wait.give_up(), at(2))).is_admitted());
    }
    assert_eq!((fleet.stats().calls(), server.granted()), (2, 40));
}

#[test]
fn all_or_nothing() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let wide = limit(&fleet, Quota::per_minute(100));
    let narrow = fleet.limit("narrow", Quota::per_minute(1), OnFailure::Local).unwrap();
    let (a, b) = (fleet.subject(b"a"), fleet.subject(b"b"));
    // Of one subject: the script takes all or nothing.
    let same = [Claim::new(&wide, a, 2), Claim::new(&narrow, a, 1)];
    assert!(check(&fleet, &mut server, &same, NOW).is_admitted());
    let refused = check(&fleet, &mut server, &same, NOW);
    assert!(!refused.is_admitted());
    assert!(matches!(refused.get(1), Some(Answer::Denied(_))));
    assert_eq!(server.granted(), 3);
    // Of two: what one has granted stays with the node, for the next one.
    let two = [Claim::new(&wide, b, 2), Claim::new(&narrow, a, 1)];
    let ask = asks(begin(&fleet, &[two[0]], NOW));
    let answers = replies(&mut server, &ask);
    let held = ask.finish(&answers, NOW);
    assert!(!decided(fleet.step(&two, held, NOW)).is_admitted());
    assert_eq!(server.granted(), 5);
    assert!(decided(begin(&fleet, &[two[0]], NOW)).is_admitted());
    assert_eq!(server.granted(), 5);
}

#[test]
fn something_else_that_refuses_gives_back() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let limit = limit(&fleet, Quota::per_minute(100));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 3)];
    let mut answers = check(&fleet, &mut server, &claims, NOW);
    fleet.give_back(&claims, &mut answers);
    // Once: they are nobody's answers any more.
    assert_eq!(answers.get(0), None);
    fleet.give_back(&claims, &mut answers);
    assert!(decided(begin(&fleet, &claims, NOW)).is_admitted());
    assert_eq!(server.granted(), 3);
}

#[test]
fn a_denial_in_shadow_keeps_nothing_from_the_others() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let wide = limit(&fleet, Quota::per_minute(100));
    let none = fleet.limit("none", Quota::per_minute(1), OnFailure::Closed).unwrap();
    let subject = fleet.subject(b"a");
    let other = super::fleet();
    assert!(check(&other, &mut server, &[Claim::new(&none, subject, 1)], NOW).is_admitted());
    let shadow = Claim::new(&none, subject, 1).in_shadow();
    let claims = [shadow, Claim::new(&wide, subject, 1)];
    let ask = asks(begin(&fleet, &claims, NOW));
    assert_eq!(ask.calls().len(), 2, "apart");
    let answers = replies(&mut server, &ask);
    let answers = decided(fleet.step(&claims, ask.finish(&answers, NOW), NOW));
    assert!(answers.is_admitted());
    assert!(matches!(answers.get(0), Some(Answer::Denied(_))));
    assert!(matches!(answers.get(1), Some(Answer::Admitted(_))));
    // One in shadow keeps nothing from another one in shadow either.
    let claims = [shadow, Claim::new(&wide, fleet.subject(b"b"), 1).in_shadow()];
    let answers = check(&fleet, &mut server, &claims, NOW);
    assert!(answers.is_admitted() && matches!(answers.get(1), Some(Answer::Admitted(_))));
    // And one that nobody knows of refuses nothing there.
    let claims = [Claim::new(&none, fleet.subject(b"c"), 1).in_shadow()];
    let held = asks(begin(&fleet, &claims, NOW)).finish(&TIMEOUT, NOW);
    let answers = decided(fleet.step(&claims, held, NOW));
    assert_eq!(answers.get(0), Some(Answer::Fallback(OnFailure::Closed)));
    assert!(answers.is_admitted());
}

#[test]
fn limits_do_what_they_are_told_to_when_the_store_fails() {
    for (on_failure, passes) in
        [(OnFailure::Local, true), (OnFailure::Open, true), (OnFailure::Closed, false)]
    {
        let fleet = fleet();
        let limit = fleet.limit("limit", Quota::per_minute(5), on_failure).unwrap();
        let claims = [Claim::new(&limit, fleet.subject(b"a"), 1)];
        for error in [
            StoreError::Timeout,
            StoreError::Unreachable("no".into()),
            StoreError::WrongType("no".into()),
        ] {
            let now = at(500 * fleet.stats().calls());
            let held = asks(begin(&fleet, &claims, now)).finish(&[Err(error)], now);
            let answers = decided(fleet.step(&claims, held, now));
            assert_eq!(answers.get(0), Some(Answer::Fallback(on_failure)));
            assert_eq!(answers.is_admitted(), passes);
            // The next ones need not wait for it.
            assert_eq!(decided(begin(&fleet, &claims, now)), answers);
        }
        let stats = fleet.stats();
        assert_eq!((stats.timeouts(), stats.failures(), stats.fallbacks()), (1, 2, 6));
    }
}

/// The store is well; it is these keys that are not.
#[test]
fn keys_of_another_type_are_no_reason_to_ask_seldom() {
    let fleet = fleet();
    let limit = limit(&fleet, Quota::per_minute(5));
    for key in 0..20_u64 {
        let claims = [Claim::new(&limit, fleet.subject(&key.to_le_bytes()), 1)];
        let error = Err(StoreError::WrongType("no".into()));
        let _ = asks(begin(&fleet, &claims, NOW)).finish(&[error], NOW);
        assert!(!fleet.stats().is_open());
    }
}

#[test]
fn a_store_that_fails_is_asked_four_times_a_second() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let limit = limit(&fleet, Quota::per_minute(5));
    let claims = |key: u64| [Claim::new(&limit, fleet.subject(&key.to_le_bytes()), 1)];
    for key in 0..5 {
        assert!(!fleet.stats().is_open());
        let _ = asks(begin(&fleet, &claims(key), NOW)).finish(&TIMEOUT, NOW);
    }
    assert!(fleet.stats().is_open());
    assert!(matches!(begin(&fleet, &claims(5), at(249)), Step::Decided(_)));
    let probe = asks(begin(&fleet, &claims(6), at(250)));
    assert!(matches!(begin(&fleet, &claims(7), at(250)), Step::Decided(_)));
    let answers = replies(&mut server, &probe);
    let held = probe.finish(&answers, at(251));
    assert!(!fleet.stats().is_open());
    assert!(decided(fleet.step(&claims(6), held, at(251))).is_admitted());
    let _ = asks(begin(&fleet, &claims(7), at(251)));
}

#[test]
fn a_check_is_over_at_its_deadline() {
    let fleet = fleet();
    let limit = limit(&fleet, Quota::per_minute(5));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 1)];
    let held = fleet.begin(NOW);
    assert_eq!(held.deadline(), at(20));
    assert_eq!(is_admitted(decided(fleet.step(&claims, held, at(20)))), None);
    let ask = asks(begin(&fleet, &claims, NOW));
    let wait = waits(begin(&fleet, &claims, at(19)));
    assert_eq!(is_admitted(decided(fleet.step(&claims, wait.give_up(), at(19)))), None);
    // An answer that comes late is an answer.
    let held = ask.finish(&[Ok(vec![1, 4, 0, 12_000_000])], at(500));
    assert_eq!(is_admitted(decided(fleet.step(&claims, held, at(500)))), Some(true));
}

/// I2: one that always finds somebody faster gives up.
#[test]
fn a_check_goes_through_sixteen_rounds_at_most() {
    let fleet = fleet();
    let limit = limit(&fleet, Quota::per_minute(5));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 1)];
    let mut held = fleet.begin(NOW);
    for _ in 0..16 {
        let ask = asks(begin(&fleet, &claims, NOW));
        let wait = waits(fleet.step(&claims, held, NOW));
        drop(ask);
        held = wait.give_up();
        assert!(!held.given_up, "it was over");
    }
    assert_eq!(is_admitted(decided(fleet.step(&claims, held, NOW))), None);
}

#[test]
fn who_is_dropped_leaves_the_call_to_another() {
    let fleet = fleet();
    let limit = limit(&fleet, Quota::per_minute(100));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 3)];
    let ask = asks(begin(&fleet, &claims, NOW));
    let wait = waits(begin(&fleet, &claims, NOW));
    drop(ask);
    assert!(wait.is_over());
    let ask = asks(fleet.step(&claims, wait.give_up(), NOW));
    // What is held and dropped is there for the next one.
    drop(ask.finish(&[Ok(vec![3, 97, 0, 1_800_000])], NOW));
    assert!(decided(begin(&fleet, &claims, NOW)).is_admitted());
    assert_eq!(fleet.stats().calls(), 2);
    let _ = asks(begin(&fleet, &claims, NOW));
}

/// Claims of one key are told from each other by their units.
#[test]
fn two_claims_of_one_key_never_pay_for_each_other() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let limit = limit(&fleet, Quota::per_minute(100));
    let subject = fleet.subject(b"a");
    // Three units are in the lease: enough for the second claim, and not for the first.
    let three = [Claim::new(&limit, subject, 3)];
    let mut answers = check(&fleet, &mut server, &three, NOW);
    fleet.give_back(&three, &mut answers);
    let claims = [Claim::new(&limit, subject, 5), Claim::new(&limit, subject, 1)];
    let mut answers = check(&fleet, &mut server, &claims, NOW);
    assert!(answers.is_admitted());
    fleet.give_back(&claims, &mut answers);
    let mut left = 0;
    let one = [Claim::new(&limit, subject, 1)];
    while let Step::Decided(answers) = begin(&fleet, &one, NOW) {
        assert!(answers.is_admitted());
        left += 1;
    }
    assert_eq!(left, server.granted(), "all of them, and none twice");
}

/// A node that has no room to remember that a key is asked about asks for one claim of it after the other: the script
/// would charge a key that it is given twice once.
#[test]
fn a_key_is_in_a_call_once() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let limit = limit(&fleet, Quota::per_minute(100));
    // There are 64 places.
    let _asking: Vec<_> = (0..1_000_u64)
        .map(|key| [Claim::new(&limit, fleet.subject(&key.to_le_bytes()), 1)])
        .map(|claims| begin(&fleet, &claims, NOW))
        .collect();
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 1); 3];
    let mut step = begin(&fleet, &claims, NOW);
    for _ in 0..3 {
        let ask = asks(step);
        assert_eq!((ask.calls().len(), ask.calls()[0].keys().len()), (1, 1));
        let answers = replies(&mut server, &ask);
        step = fleet.step(&claims, ask.finish(&answers, NOW), NOW);
    }
    assert!(decided(step).is_admitted());
    assert_eq!(server.granted(), 3);
}

#[test]
fn what_the_store_cannot_have_said_is_a_failure() {
    let fleet = fleet();
    let limit = limit(&fleet, Quota::per_minute(5));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 1)];
    // Nothing is granted, and nobody has to wait: this would go on for ever.
    let held = asks(begin(&fleet, &claims, NOW)).finish(&[Ok(vec![0, 0, 0, 0])], NOW);
    assert_eq!(is_admitted(decided(fleet.step(&claims, held, NOW))), None);
    assert_eq!(fleet.stats().failures(), 1);
}

/// I3. A million keys are a call each: some are made, and the others fall back.
#[test]
fn a_thousand_checks_ask_at_a_time() {
    let fleet = Fleet::new(FleetSettings::new().keys(1 << 14)).unwrap();
    let limit = limit(&fleet, Quota::per_minute(5));
    let claims = |key: u64| [Claim::new(&limit, fleet.subject(&key.to_le_bytes()), 1)];
    let mut asking: Vec<_> =
        (0..MOST_ASKING).map(|key| asks(begin(&fleet, &claims(key), NOW))).collect();
    for key in MOST_ASKING..MOST_ASKING + 3 {
        assert_eq!(is_admitted(decided(begin(&fleet, &claims(key), NOW))), None);
    }
    drop(waits(begin(&fleet, &claims(0), NOW)));
    asking.pop();
    let last = asks(begin(&fleet, &claims(MOST_ASKING), NOW));
    let held = last.finish(&[Ok(vec![1, 4, 0, 12_000_000])], NOW);
    let _ = asks(begin(&fleet, &claims(MOST_ASKING + 1), NOW));
    assert!(decided(fleet.step(&claims(MOST_ASKING), held, NOW)).is_admitted());
    assert!(!fleet.stats().is_open(), "nothing has failed");
}

#[test]
fn who_finds_too_many_waiting_falls_back() {
    let fleet = fleet();
    let limit = limit(&fleet, Quota::per_minute(5));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 1)];
    let _ask = asks(begin(&fleet, &claims, NOW));
    let _waits: Vec<_> = (0..MOST_WAITING).map(|_| waits(begin(&fleet, &claims, NOW))).collect();
    assert_eq!(is_admitted(decided(begin(&fleet, &claims, NOW))), None);
}

#[test]
fn a_check_of_nothing_passes() {
    let fleet = fleet();
    assert!(decided(begin(&fleet, &[], NOW)).is_admitted());
    assert_eq!(fleet.stats().calls(), 0);
}

#[test]
fn a_denial_tells_how_long_it_is_remembered() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let limit = limit(&fleet, Quota::per_second(10));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 10)];
    assert!(check(&fleet, &mut server, &claims, NOW).is_admitted());
    server.advance(990_000);
    let denied = check(&fleet, &mut server, &claims, at(990));
    let Some(Answer::Denied(decision)) = denied.get(0) else { panic!() };
    let standing = decision.standing();
    let lease = Duration::from_millis(50)..=Duration::from_millis(100);
    assert!(lease.contains(&standing.retry_after()), "not 10 ms: {standing:?}");
    assert_eq!(decided(begin(&fleet, &claims, at(990))), denied);
    assert_eq!((standing.limit(), standing.remaining()), (10, 9));
    assert_eq!(standing.reset_after(), Duration::from_millis(10));
}

/// What one limit denies is nobody's habit of using the other: that is not leased for nobody.
#[test]
fn refused_requests_take_nothing_in_advance_from_other_limits() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let second = limit(&fleet, Quota::per_second(10));
    let day = fleet.limit("a day", Quota::per_day(10_000), OnFailure::Local).unwrap();
    let everybody = fleet.limit("all", Quota::per_second(10_000), OnFailure::Local).unwrap();
    let subject = fleet.subject(b"a");
    let claims = [
        Claim::new(&second, subject, 1),
        Claim::new(&day, subject, 1),
        Claim::new(&everybody, fleet.subject(b"all"), 1),
    ];
    let mut admitted = 0;
    for millis in 0..10_000 {
        server.advance(1_000);
        admitted += u64::from(check(&fleet, &mut server, &claims, at(millis)).is_admitted());
    }
    assert!((100..=115).contains(&admitted), "{admitted}");
    assert!(server.granted() <= 3 * admitted + 60, "{} for {admitted}", server.granted());
}

/// What is leased and not used comes back only with time; so no more is than comes back soon.
#[test]
fn a_slow_quota_is_not_lost_to_leases() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let limit = limit(&fleet, Quota::per_day(10));
    let claims = [Claim::new(&limit, fleet.subject(b"a"), 1)];
    let mut admitted = 0;
    for pair in 0..10 {
        for millis in [0, 10] {
            server.advance(10_000);
            let now = at(pair * 2_000 + millis);
            admitted += u64::from(check(&fleet, &mut server, &claims, now).is_admitted());
        }
        server.advance(1_980_000);
    }
    assert_eq!(admitted, 10);
}

/// A node goes on over a reload; what it remembers is of the quota that it was.
#[test]
fn a_denial_says_nothing_of_another_quota() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let strict = fleet.limit("x", Quota::per_day(1), OnFailure::Local).unwrap();
    let claim = [Claim::new(&strict, fleet.subject(b"a"), 1)];
    assert!(check(&fleet, &mut server, &claim, NOW).is_admitted());
    assert!(!check(&fleet, &mut server, &claim, NOW).is_admitted());
    let wide = fleet.limit("x", Quota::per_second(100), OnFailure::Local).unwrap();
    let claim = [Claim::new(&wide, fleet.subject(b"a"), 1)];
    let answers = check(&fleet, &mut server, &claim, NOW);
    let Some(Answer::Admitted(decision)) = answers.get(0) else { panic!("{answers:?}") };
    assert_eq!(decision.standing().limit(), 100);
}

/// While a deployment is on its way, some nodes have the old quota and some the new one.
#[test]
fn nodes_that_differ_about_a_quota_keep_each_to_its_own() {
    let (old, new, mut server) = (fleet(), fleet(), Server::new(0));
    let limit = |fleet: &Fleet, burst| {
        fleet.limit("x", Quota::per_second(100).burst(burst), OnFailure::Local).unwrap()
    };
    let (wide, narrow) = (limit(&old, 1_000), limit(&new, 10));
    let mut admitted = [0, 0];
    for millis in 0..10_000 {
        server.advance(1_000);
        for (at_node, fleet, limit) in [(0, &old, &wide), (1, &new, &narrow)] {
            let claims = [Claim::new(limit, fleet.subject(b"a"), 1)];
            let answers = check(fleet, &mut server, &claims, at(millis));
            admitted[at_node] += u64::from(answers.is_admitted());
        }
    }
    assert!((1_900..=2_000).contains(&admitted[0]), "{admitted:?}");
    assert!((900..=1_010).contains(&admitted[1]), "{admitted:?}");
}

#[test]
fn more_claims_than_a_check_can_have_are_refused() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let limit = limit(&fleet, Quota::per_minute(100));
    let claims: Vec<_> = (0..9_u8).map(|at| Claim::new(&limit, fleet.subject(&[at]), 1)).collect();
    let answers = check(&fleet, &mut server, &claims, NOW);
    assert!(!answers.is_admitted() && answers.get(0).is_none());
    assert_eq!((server.calls(), fleet.stats().calls()), (0, 0));
    assert!(check(&fleet, &mut server, &claims[..8], NOW).is_admitted());
}

/// Nobody has to be asked about what can never be.
#[test]
fn more_than_a_burst_is_denied_without_a_call() {
    let (fleet, mut server) = (fleet(), Server::new(0));
    let limit = limit(&fleet, Quota::per_minute(5));
    for claims in [[Claim::new(&limit, fleet.subject(b"a"), 6)]; 2] {
        let answers = check(&fleet, &mut server, &claims, NOW);
        let Some(Answer::Denied(decision)) = answers.get(0) else { panic!("{answers:?}") };
        assert_eq!(decision.standing().retry_after(), Duration::MAX);
    }
    assert_eq!(fleet.stats().calls(), 0);
}

#[test]
fn what_is_told_is_what_was_counted() {
    let stats = FleetStats {
        calls: 11,
        timeouts: 12,
        failures: 13,
        from_leases: 14,
        remembered: 15,
        fallbacks: 16,
        is_open: true,
    };
    let told = (stats.calls(), stats.timeouts(), stats.failures(), stats.from_leases());
    assert_eq!(told, (11, 12, 13, 14));
    assert_eq!((stats.from_memory(), stats.fallbacks(), stats.is_open()), (15, 16, true));
    assert!(!FleetStats::default().is_open());
}

#[test]
fn memory_grows_with_the_keys() {
    let bytes = |keys| Fleet::new(FleetSettings::new().keys(keys)).unwrap().memory_bytes();
    let (few, many) = (bytes(1), bytes(1 << 12));
    assert!((1_000..20_000).contains(&few), "{few}");
    assert!(((1 << 12) * 32..(1 << 12) * 500).contains(&(many - few)), "{few} {many}");
}
