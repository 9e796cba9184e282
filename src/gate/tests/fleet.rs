//! Limits of a fleet in the whole gate: what is asked, when, and what is taken if something else refuses.

use core::{
    future::{Future, pending},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{collections::BTreeMap, format, string::String, vec::Vec};

use super::{NOW, address, list, rules::rule};
use crate::{
    gate::{Gate, GateAsk, GateBuilder, GateStep, LimitFate, LimitRule, Mode, Suspended, Then},
    limit::remote::{Call, FleetSettings, OnFailure, Store, StoreError},
    quota::Quota,
    request::Request,
    rule::{Action, Ban, Rule, RuleMode, Scheme, Term},
    time::Timestamp,
    verdict::{DenialReason, Verdict},
};

const CLIENT: &str = "203.0.113.7";

/// Buckets that are never refilled: what is left in each.
#[derive(Default)]
pub(super) struct Buckets(BTreeMap<String, u32>);

impl Buckets {
    fn answer(&mut self, calls: &[Call]) -> Vec<Result<Vec<i64>, StoreError>> {
        calls.iter().map(|call| Ok(self.one(call))).collect()
    }

    fn one(&mut self, call: &Call) -> Vec<i64> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let args: Vec<u32> =
            call.args().skip(1).map(|arg| text(arg).parse().unwrap_or(u32::MAX)).collect();
        let keys: Vec<_> = call.keys().map(text).zip(args.chunks(5)).collect();
        let left = |all: &BTreeMap<String, u32>, key: &str, burst| *all.get(key).unwrap_or(&burst);
        let all = keys.iter().all(|(key, args)| args[3] <= left(&self.0, key, args[2]));
        let each = keys.iter().flat_map(|(key, args)| {
            let has = left(&self.0, key, args[2]);
            let granted = if all { args[4].min(has) } else { 0 };
            self.0.insert(key.clone(), has - granted);
            let wait = if args[3] <= has { 0 } else { 30_000_000 };
            [granted.into(), (has - granted).into(), wait, 60_000_000]
        });
        each.collect()
    }
}

pub(super) fn from(peer: &str) -> Request<'static> {
    Request::new(address(peer)).method("GET").target("/")
}

pub(super) fn fleet(limits: impl IntoIterator<Item = LimitRule>) -> GateBuilder {
    let settings = FleetSettings::new().prefix("test").nodes(4);
    limits.into_iter().fold(Gate::builder().fleet(settings), GateBuilder::limit_rule)
}

pub(super) fn shared(name: &str, n: u32) -> LimitRule {
    LimitRule::new(name, Quota::per_minute(n)).fleet(OnFailure::Local)
}

pub(super) fn asks(step: GateStep) -> GateAsk {
    match step {
        GateStep::Ask(ask) => ask,
        other => panic!("{other:?}"),
    }
}

pub(super) fn decided(step: GateStep) -> Verdict {
    match step {
        GateStep::Decided(verdict) => verdict,
        other => panic!("{other:?}"),
    }
}

/// A whole check, and how many calls it made.
pub(super) fn check(
    gate: &Gate,
    buckets: &mut Buckets,
    request: &Request<'_>,
    now: Timestamp,
) -> (Verdict, usize) {
    let mut calls = 0;
    let mut step = gate.start(request, now);
    loop {
        let suspended = match step {
            GateStep::Decided(verdict) => return (verdict, calls),
            GateStep::Ask(ask) => {
                calls += ask.calls().len();
                let replies = buckets.answer(ask.calls());
                ask.finish(&replies, now)
            }
            GateStep::Wait(_) => panic!("nobody else asks"),
        };
        step = gate.resume(suspended, request, now);
    }
}

fn down(ask: GateAsk) -> Suspended {
    let replies: Vec<_> = ask.calls().iter().map(|_| Err(StoreError::Timeout)).collect();
    ask.finish(&replies, NOW)
}

#[test]
fn the_store_is_asked_and_its_answer_is_the_verdict() {
    let gate = fleet([shared("per client", 2)]).build().unwrap();
    let mut buckets = Buckets::default();
    for (left, calls) in [(1, 1), (0, 1)] {
        let (verdict, made) = check(&gate, &mut buckets, &from(CLIENT), NOW);
        let standing = verdict.into_result().unwrap().standing().unwrap();
        assert_eq!((standing.limit(), standing.remaining(), made), (2, left, calls));
    }
    // That nothing is left is remembered.
    for calls in [0, 0, 0] {
        let (verdict, made) = check(&gate, &mut buckets, &from(CLIENT), NOW);
        let denial = verdict.into_result().unwrap_err();
        assert_eq!((denial.reason(), denial.name()), (DenialReason::Limit, "per client"));
        assert_eq!((denial.status(), denial.limit().unwrap().limit()), (429, 0));
        assert_eq!(denial.retry_after(), Some(Duration::from_secs(30)));
        assert_eq!(denial.client(), Some(address(CLIENT)));
        assert_eq!(made, calls);
    }
    let after = NOW.saturating_add(Duration::from_secs(30));
    assert_eq!(check(&gate, &mut buckets, &from(CLIENT), after).1, 1);
    let stats = gate.stats();
    assert_eq!((stats.admitted(), stats.rule("per client").unwrap().denied()), (2, 4));
    let node = gate.fleet().unwrap().stats();
    assert_eq!((node.calls(), node.from_memory(), node.fallbacks()), (3, 3, 0));
}

/// A store that is down, and a clock that does not go on.
#[derive(Clone)]
struct Down;

impl Store for Down {
    async fn call(&self, _: &Call) -> Result<Vec<i64>, StoreError> {
        Err(StoreError::Timeout)
    }

    fn sleep(&self, _: Duration) -> impl Future<Output = ()> + Send {
        pending()
    }
}

/// Handlers and middleware of most frameworks are asked for futures that can be sent.
#[test]
fn a_whole_check_can_be_sent_to_another_thread() {
    fn sent<T: Send>(future: T) -> T {
        future
    }
    let gate = fleet([shared("shared", 4)]).build().unwrap();
    let request = from(CLIENT);
    let statuses = [(); 2].map(|()| {
        let check = pin!(sent(gate.check_with(&request, &Down, || NOW)));
        match check.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(verdict) => verdict.is_admitted(),
            Poll::Pending => panic!("there is nothing to wait for"),
        }
    });
    assert_eq!(statuses, [true, false]);
}

#[test]
fn keys_are_the_same_on_all_nodes_and_tell_nobodys_address() {
    let key = |settings: FleetSettings, request: &Request<'_>, by: Vec<Term>| {
        let limit = shared("a limit", 2).by(by);
        let gate = Gate::builder().fleet(settings).limit_rule(limit).build().unwrap();
        let ask = asks(gate.start(request, NOW));
        let keys: Vec<_> = ask.calls()[0].keys().map(<[u8]>::to_vec).collect();
        String::from_utf8(keys.concat()).unwrap()
    };
    let plain = || FleetSettings::new().prefix("test");
    let one = key(plain(), &from(CLIENT), Vec::from([Term::client()]));
    // Two in a minute: one in 30 million microseconds, and two at once.
    assert!(one.starts_with("test:pc1:{"), "{one}");
    assert!(one.ends_with("}:1-30000000-2:a limit"), "{one}");
    assert_eq!(one.len(), "test:pc1:{}:1-30000000-2:a limit".len() + 32);
    assert!(!one.contains("203"));
    assert_eq!(one, key(plain(), &from(CLIENT), Vec::from([Term::client()])));
    assert_eq!(one, key(plain(), &from("::ffff:203.0.113.7"), Vec::from([Term::client()])));
    assert_ne!(one, key(plain().secret(b"x"), &from(CLIENT), Vec::from([Term::client()])));
    assert_ne!(one, key(plain(), &from("203.0.113.8"), Vec::from([Term::client()])));
    let term = |text: &str| Scheme::new().parse_term(text).unwrap();
    let by = |path: &'static str| {
        let request = Request::new(address(CLIENT)).method("GET").target(path);
        key(plain(), &request, Vec::from([term("method"), term("path")]))
    };
    assert_ne!(by("/a"), by("/b"));
    assert_eq!(by("/a"), by("/a?b"));
    let all = key(plain(), &from(CLIENT), Vec::new());
    assert_eq!(all, key(plain(), &from("203.0.113.8"), Vec::new()));
}

#[test]
fn limits_of_one_subject_are_one_call_and_others_are_not() {
    let everything = || shared("all", 5).by([]);
    let gate = fleet([shared("one", 3), everything(), shared("two", 2)]).build().unwrap();
    let ask = asks(gate.start(&from(CLIENT), NOW));
    let keys: Vec<_> = ask.calls().iter().map(|call| call.keys().len()).collect();
    assert_eq!(keys, [2, 1]);
    drop(ask);
    let mut buckets = Buckets::default();
    let passed = (0..9).filter(|_| check(&gate, &mut buckets, &from(CLIENT), NOW).0.is_admitted());
    assert_eq!(passed.count(), 2);
    // What "two" denies has been taken from nobody; but what other calls had granted stays in the lease.
    let left: Vec<_> =
        buckets.0.iter().map(|(key, left)| (key.rsplit(':').next().unwrap(), *left)).collect();
    assert!(left.contains(&("two", 0)) && left.contains(&("one", 1)), "{left:?}");
    let passed = (0..9).filter(|at| {
        check(&gate, &mut buckets, &from(&format!("203.0.113.{}", 20 + at)), NOW).0.is_admitted()
    });
    assert_eq!(passed.count(), 3, "five in all");
}

#[test]
fn rules_are_judged_once_and_what_they_say_stays_said() {
    let scheme = Scheme::new();
    let gate =
        fleet([shared("marked", 1).when(scheme.parse(r#"tag["odd"] and score ge 5"#).unwrap())])
            .rule(rule("odd", "path eq \"/\"", [Action::Tag("odd".into())]))
            .rule(rule("odd too", "path eq \"/\"", [Action::Score(5)]))
            .rule(rule("log", "path eq \"/\"", [Action::Log]))
            .build()
            .unwrap();
    let mut buckets = Buckets::default();
    let (verdict, calls) = check(&gate, &mut buckets, &from(CLIENT), NOW);
    assert_eq!(calls, 1);
    let admission = verdict.into_result().unwrap();
    assert_eq!(admission.matched().collect::<Vec<_>>(), ["log"]);
    assert_eq!(admission.tags().collect::<Vec<_>>(), ["odd"]);
    let (verdict, _) = check(&gate, &mut buckets, &from(CLIENT), NOW);
    let denial = verdict.into_result().unwrap_err();
    assert_eq!(denial.tags().collect::<Vec<_>>(), ["odd"]);
    assert_eq!(gate.stats().rule("odd").unwrap().matched(), 2);
}

#[test]
fn what_a_local_limit_denies_goes_back_to_the_lease() {
    let gate = fleet([shared("shared", 5)]).limit("local", Quota::per_minute(1)).build().unwrap();
    let mut buckets = Buckets::default();
    assert!(check(&gate, &mut buckets, &from(CLIENT), NOW).0.is_admitted());
    for calls in [1, 0, 0, 0] {
        let (verdict, made) = check(&gate, &mut buckets, &from(CLIENT), NOW);
        assert_eq!(verdict.into_result().unwrap_err().name(), "local");
        assert_eq!(made, calls, "the unit is there");
    }
    assert_eq!(buckets.0.values().copied().collect::<Vec<_>>(), [3]);
}

#[test]
fn what_the_fleet_denies_takes_nothing_here() {
    let gate = fleet([shared("shared", 1).cost(2), LimitRule::in_flight("in flight", 1)])
        .limit("local", Quota::per_minute(1))
        .build()
        .unwrap();
    let mut buckets = Buckets::default();
    for _ in 0..3 {
        let (verdict, _) = check(&gate, &mut buckets, &from(CLIENT), NOW);
        assert_eq!(verdict.into_result().unwrap_err().name(), "shared");
    }
    let report = gate.explain(&from(CLIENT), NOW);
    assert_eq!(report.limits()[1].in_flight().unwrap().in_use(), 0);
    assert_eq!(report.limits()[2].standing().unwrap().remaining(), 1);
}

#[test]
fn who_leaves_in_the_middle_has_taken_nothing() {
    let gate = fleet([shared("shared", 2), LimitRule::in_flight("in flight", 1)])
        .limit("local", Quota::per_minute(1))
        .build()
        .unwrap();
    let mut buckets = Buckets::default();
    drop(gate.start(&from(CLIENT), NOW));
    let ask = asks(gate.start(&from(CLIENT), NOW));
    let GateStep::Wait(wait) = gate.start(&from(CLIENT), NOW) else { panic!() };
    assert!(!wait.is_over());
    let replies = buckets.answer(ask.calls());
    drop(ask.finish(&replies, NOW));
    assert!(wait.is_over());
    // What was granted is there for the one that waited.
    let admission = decided(gate.resume(wait.finish(), &from(CLIENT), NOW)).into_result().unwrap();
    assert_eq!(gate.fleet().unwrap().stats().calls(), 3 - 1);
    drop(admission);
    assert_eq!(buckets.0.values().copied().collect::<Vec<_>>(), [1]);
    // Whoever waits no longer does without.
    let ask = asks(gate.start(&from("203.0.113.8"), NOW));
    let GateStep::Wait(wait) = gate.start(&from("203.0.113.8"), NOW) else { panic!() };
    assert!(decided(gate.resume(wait.finish(), &from("203.0.113.8"), NOW)).is_admitted());
    drop(ask);
}

#[test]
fn a_store_that_fails_means_what_the_limit_says() {
    let ask = |on_failure, requests: usize| {
        let limit = LimitRule::new("shared", Quota::per_minute(8)).fleet(on_failure);
        let gate = fleet([limit]).build().unwrap();
        let statuses = (0..requests).map(|_| {
            let mut step = gate.start(&from(CLIENT), NOW);
            if let GateStep::Ask(ask) = step {
                step = gate.resume(down(ask), &from(CLIENT), NOW);
            }
            decided(step).into_result().err()
        });
        let refused: Vec<_> = statuses.flatten().collect();
        let reasons: Vec<_> = refused.iter().map(|one| (one.reason(), one.status())).collect();
        (
            reasons,
            refused.first().and_then(|one| one.retry_after()),
            gate.fleet().unwrap().stats().calls(),
        )
    };
    // A quarter of the burst, since there are four nodes; one call, as its failure is remembered.
    let minute = Duration::from_secs(60);
    let (reasons, wait, calls) = ask(OnFailure::Local, 4);
    assert_eq!((reasons, calls), (Vec::from([(DenialReason::Limit, 429); 2]), 1));
    assert!(wait.unwrap() <= minute / 2 && wait.unwrap() > minute / 2 - Duration::from_millis(10));
    assert_eq!(ask(OnFailure::Open, 99), (Vec::new(), None, 1));
    let (reasons, wait, _) = ask(OnFailure::Closed, 2);
    assert_eq!(reasons, [(DenialReason::Unavailable, 503); 2]);
    assert_eq!(wait, Some(Duration::from_secs(1)));
}

#[test]
fn a_check_without_a_store_asks_nobody() {
    let gate = fleet([shared("shared", 8)]).build().unwrap();
    let passed = (0..9).filter(|_| gate.check(&from(CLIENT), NOW).is_admitted());
    assert_eq!(passed.count(), 2);
    let node = gate.fleet().unwrap().stats();
    assert_eq!((node.calls(), node.fallbacks()), (0, 9));
    // Unless there is a lease.
    let mut buckets = Buckets::default();
    let ask = asks(gate.start(&from("203.0.113.8"), NOW));
    let replies = buckets.answer(ask.calls());
    drop(ask.finish(&replies, NOW));
    let admission = gate.check(&from("203.0.113.8"), NOW).into_result().unwrap();
    assert_eq!(admission.standing().unwrap().limit(), 8);
    // A gate without limits of a fleet has no node.
    let gate = Gate::builder().limit("local", Quota::per_minute(1)).build().unwrap();
    assert!(gate.fleet().is_none());
    assert!(decided(gate.start(&from(CLIENT), NOW)).is_admitted());
    assert!(!decided(gate.start(&from(CLIENT), NOW)).is_admitted());
}

#[test]
fn in_shadow_a_fleet_counts_and_denies_nothing() {
    let gate =
        fleet([shared("trial", 1).mode(RuleMode::Shadow), shared("shared", 3)]).build().unwrap();
    let mut buckets = Buckets::default();
    let shadows: Vec<_> = (0..4)
        .map(|_| {
            let (verdict, _) = check(&gate, &mut buckets, &from(CLIENT), NOW);
            verdict.into_result().map(|it| it.shadow().map(String::from).collect::<Vec<_>>())
        })
        .map(Result::ok)
        .collect();
    let trial = || Some(Vec::from([String::from("trial")]));
    assert_eq!(shadows, [Some(Vec::new()), trial(), trial(), None]);
    // Closed in shadow refuses nothing either.
    let limit = LimitRule::new("trial", Quota::per_minute(1)).fleet(OnFailure::Closed);
    let gate = fleet([limit.mode(RuleMode::Shadow)]).build().unwrap();
    let ask = asks(gate.start(&from(CLIENT), NOW));
    let admission = decided(gate.resume(down(ask), &from(CLIENT), NOW)).into_result().unwrap();
    assert_eq!(admission.shadow().collect::<Vec<_>>(), ["trial"]);
    // A local one in shadow is judged here.
    let gate = fleet([shared("trial", 4).mode(RuleMode::Shadow)]).build().unwrap();
    let would = |_| gate.check(&from(CLIENT), NOW).into_result().unwrap().shadow().count();
    assert_eq!((0..3).map(would).collect::<Vec<_>>(), [0, 1, 1]);
}

#[test]
fn who_is_not_limited_is_not_asked_about() {
    let builder = || fleet([shared("shared", 1)]);
    let mut buckets = Buckets::default();
    let exempt = builder().exempt(list(CLIENT)).build().unwrap();
    let off = builder().mode(Mode::Off).build().unwrap();
    let denied = builder().deny(list(CLIENT)).build().unwrap();
    for (gate, passes) in [(exempt, true), (off, true), (denied, false)] {
        let (verdict, calls) = check(&gate, &mut buckets, &from(CLIENT), NOW);
        assert_eq!((verdict.is_admitted(), calls), (passes, 0));
        let fetched = gate.check_peer_with_limits(address(CLIENT), NOW).is_ok();
        assert_eq!(fetched, passes);
    }
    let observing = builder().mode(Mode::Observe).build().unwrap();
    let passed =
        (0..3).filter(|_| check(&observing, &mut buckets, &from(CLIENT), NOW).0.is_admitted());
    assert_eq!(passed.count(), 3);
    assert_eq!(observing.stats().would_deny(), 2);
    assert!(
        observing.check_peer_with_limits(address(CLIENT), NOW).is_ok(),
        "it is for the store to say"
    );
}

#[test]
fn explanations_tell_what_this_node_remembers() {
    let used = Scheme::new().limit("shared").parse(r#"counter("shared") ge 1"#).unwrap();
    let gate = fleet([shared("shared", 1)])
        .rule(Rule::new("used", used).then(Action::Log))
        .build()
        .unwrap();
    let mut buckets = Buckets::default();
    let fate = || {
        let report = gate.explain(&from(CLIENT), NOW);
        (report.is_admitted(), report.limits()[0].fate())
    };
    assert_eq!(fate(), (true, LimitFate::AsksStore));
    let told = format!("{}", gate.explain(&from(CLIENT), NOW));
    assert!(told.contains("\"shared\" is for the store to say"), "{told}");
    for _ in 0..2 {
        let _ = check(&gate, &mut buckets, &from(CLIENT), NOW).0;
    }
    assert_eq!(fate(), (false, LimitFate::Denies));
    let (verdict, _) = check(&gate, &mut buckets, &from(CLIENT), NOW);
    assert_eq!(verdict.into_result().unwrap_err().matched().collect::<Vec<_>>(), ["used"]);
}

#[test]
fn a_fleets_denial_bans_as_any_other() {
    let ban = Then::Ban(Ban::new(Duration::from_secs(600)));
    let gate = fleet([shared("shared", 1).then(ban)]).build().unwrap();
    let mut buckets = Buckets::default();
    let reasons: Vec<_> = (0..3)
        .map(|_| {
            check(&gate, &mut buckets, &from(CLIENT), NOW)
                .0
                .into_result()
                .err()
                .map(|one| one.reason())
        })
        .collect();
    assert_eq!(reasons, [None, Some(DenialReason::Limit), Some(DenialReason::Banned)]);
}

#[test]
fn a_check_goes_on_as_it_began_over_a_reload() {
    let gate = fleet([shared("shared", 2)]).build().unwrap();
    let mut buckets = Buckets::default();
    let ask = asks(gate.start(&from(CLIENT), NOW));
    let replies = buckets.answer(ask.calls());
    let suspended = ask.finish(&replies, NOW);
    gate.reload_with(Gate::builder().deny(list(CLIENT)), NOW).unwrap();
    let verdict = decided(gate.resume(suspended, &from(CLIENT), NOW));
    assert_eq!(verdict.into_result().unwrap().standing().unwrap().limit(), 2);
    assert!(!decided(gate.start(&from(CLIENT), NOW)).is_admitted());
}

#[test]
fn what_a_node_knows_stays_over_a_reload_of_the_same_fleet() {
    let gate = fleet([shared("shared", 1)]).build().unwrap();
    let mut buckets = Buckets::default();
    for _ in 0..2 {
        let _ = check(&gate, &mut buckets, &from(CLIENT), NOW).0;
    }
    let denies = |gate: &Gate| match gate.start(&from(CLIENT), NOW) {
        GateStep::Decided(verdict) => Some(!verdict.is_admitted()),
        _ => None,
    };
    let limits = || fleet([shared("shared", 1), shared("other", 9)]);
    gate.reload_with(limits(), NOW).unwrap();
    assert_eq!(denies(&gate), Some(true), "remembered");
    gate.reload_with(limits().fleet(FleetSettings::new().prefix("another")), NOW).unwrap();
    assert_eq!(denies(&gate), None, "it is to be asked");
    gate.reload_with(Gate::builder().limit("shared", Quota::per_minute(1)), NOW).unwrap();
    assert_eq!(denies(&gate), Some(false), "its own from now on");
    assert_eq!(denies(&gate), Some(true));
    gate.reload_with(limits(), NOW).unwrap();
    assert_eq!(denies(&gate), None);
}
