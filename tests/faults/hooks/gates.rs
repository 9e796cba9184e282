//! Gates whose requests, lists, listeners and recorders panic.

use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use ::metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit, with_local_recorder,
};
use portcullis::{
    CidrSet, ClientIp, Defence, ForwardedBy, Gate, GateBuilder, Headers, LimitRule, Outcome,
    Posture, Quota, Request, Timestamp, Trust,
    cidr::CidrEdit,
    gate::GateStep,
    ipnet::IpNet,
    limit::remote::{FleetSettings, OnFailure, reference::Server},
    metrics::MetricsPublisher,
    rule::{Action, Rule, Scheme, Term},
};
use tracing::{
    Event, Metadata as Traced, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::{Interest, with_default},
};

use super::{at_every_call, touch};
use crate::{peer, secs};

const NOW: Timestamp = secs(10_000);
const BURST: u32 = 3;
const MORE: u32 = 20;

/// Header lines that are looked up as servers do, and panic when they are told to.
struct Lines<'l>(&'l [(&'l str, &'l str)]);

impl Headers for Lines<'_> {
    fn first(&self, name: &str) -> Option<&[u8]> {
        touch("headers");
        let line = self.0.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        line.map(|(_, value)| value.as_bytes())
    }

    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8]) -> ControlFlow<()>) {
        for (name, value) in self.0 {
            touch("headers");
            if visit(name, value.as_bytes()).is_break() {
                return;
            }
        }
    }
}

fn term(text: &str) -> Term {
    Scheme::new().parse_term(text).unwrap()
}

fn deny(name: &str, when: &str) -> Rule {
    Rule::new(name, Scheme::new().parse(when).unwrap()).then(Action::Deny { status: 403 })
}

fn by_headers() -> GateBuilder {
    let [a, b, c] = ["x-a", "x-b", "x-c"].map(|name| term(&format!("header[{name:?}]")));
    let failed = Scheme::new().parse_response("status ge 400").unwrap();
    Gate::builder()
        .clients(1_000)
        .trust(ClientIp::new(Trust::Hops(1), ForwardedBy::XForwardedFor))
        .rule(deny("bad", r#"header["x-a"] contains "bad" or any(headers.names[*] eq "x-evil")"#))
        .limit_rule(LimitRule::new("a", Quota::per_hour(BURST)).by([a]))
        .limit_rule(LimitRule::new("b", Quota::per_hour(MORE)).by([b.clone()]))
        .limit_rule(LimitRule::in_flight("in flight by b", 2).by([b.clone()]))
        .limit_rule(LimitRule::in_flight("in flight", 2).by([]))
        .limit_rule(LimitRule::new("values", Quota::per_hour(MORE)).by([b]).distinct(c))
        .limit_rule(LimitRule::new("failures", Quota::per_hour(MORE)).count_if(failed))
        .defence(Defence::up_to(Posture::Lockdown))
}

/// Asks the gate with these headers; whether it passes.
fn passes(gate: &Gate, a: &str, now: Timestamp) -> Option<portcullis::Admission> {
    let lines = [
        ("Accept", "*/*"),
        ("X-A", a),
        ("x-b", "one"),
        ("X-C", "v"),
        ("X-Forwarded-For", "192.0.2.7"),
    ];
    let lines = Lines(&lines);
    let request = Request::new(peer(1)).method("GET").host("h").target("/").header_lines(&lines);
    gate.check(&request, now).into_result().ok()
}

type Asked = Arc<(Gate, AtomicU32)>;

/// All limits have taken the same, and what is in flight is given back.
fn is_exact((gate, admitted): &(Gate, AtomicU32), has_panicked: bool, now: Timestamp) {
    let told = admitted.load(Ordering::Relaxed);
    let held = ["h1", "h2"].map(|a| passes(gate, a, now));
    assert!(held.iter().all(Option::is_some), "places in flight are lost");
    assert!(passes(gate, "h3", now).is_none(), "two places are all");
    drop(held);
    let left = (0..100).take_while(|_| passes(gate, "1", now).is_some()).count() as u32;
    let taken = BURST - left;
    assert!(taken == told || has_panicked && taken == told + 1, "{told} passed, {taken} are taken");
    let fresh = (0..100).take_while(|n| passes(gate, &format!("fresh {n}"), now).is_some());
    assert_eq!(fresh.count() as u32, MORE - 2 - BURST, "limits are charged all or none");
    let status = gate.status(now);
    let in_flight = status.limits.iter().find(|limit| limit.name == "in flight").unwrap();
    assert_eq!(in_flight.in_flight, Some(0));
    let stats = gate.stats();
    assert_eq!(stats.checked(), stats.admitted() + stats.denied());
    assert_eq!(status.defence.unwrap().in_flight, 0);
    goes_on(gate, now);
}

/// It can be changed in all ways.
fn goes_on(gate: &Gate, now: Timestamp) {
    let reloads = gate.stats().reloads();
    let builder = by_headers().list("blocked", CidrSet::new());
    gate.reload_with(builder, now).unwrap();
    assert_eq!(gate.stats().reloads(), reloads + 1);
    let net: IpNet = "198.51.100.0/24".parse().unwrap();
    gate.lists().edit("blocked", [CidrEdit::Insert(net, ())]).unwrap();
    gate.set_candidate([deny("all", "true")]).unwrap();
    gate.bans().add(net, Duration::from_secs(60), "test", now);
    assert!(!gate.check(&Request::new(net.addr()), now).is_admitted());
    let snapshot = gate.snapshot(now);
    gate.restore(&snapshot, now).unwrap();
    assert!(gate.open_metrics(now).ends_with("# EOF\n"));
    gate.tick(now);
}

#[test]
fn headers() {
    let make = || {
        let gate = by_headers().build().unwrap();
        gate.set_candidate([deny("other", r#"header["x-b"] contains "zzz""#)]).unwrap();
        Arc::new((gate, AtomicU32::new(0)))
    };
    let work = |state: &Asked| {
        let (gate, admitted) = &**state;
        for status in [200, 500] {
            let admission = passes(gate, "1", NOW).unwrap();
            admitted.fetch_add(1, Ordering::Relaxed);
            gate.finish(admission, Outcome::status(status), NOW);
        }
        assert!(passes(gate, "bad", NOW).is_none());
        let lines = [("x-a", "explained")];
        let lines = Lines(&lines);
        let _ = gate.explain(&Request::new(peer(1)).header_lines(&lines), NOW);
    };
    let calls = at_every_call("headers", make, work, |state, has_panicked| {
        is_exact(state, has_panicked, NOW);
    });
    assert!(calls > 20, "{calls}");
}

type Shared = Arc<(Gate, Mutex<Server>, AtomicU32)>;

/// A whole check of a limit of a fleet; it needs nobody who waits.
fn shared((gate, server, admitted): &(Gate, Mutex<Server>, AtomicU32)) -> bool {
    let lines = [("x-a", "1"), ("X-Forwarded-For", "192.0.2.7")];
    let lines = Lines(&lines);
    let request = Request::new(peer(1)).target("/").header_lines(&lines);
    let mut step = gate.start(&request, NOW);
    let verdict = loop {
        step = match step {
            GateStep::Decided(verdict) => break verdict,
            GateStep::Wait(_) => panic!("nobody else has asked"),
            GateStep::Ask(ask) => {
                let replies: Vec<_> = ask
                    .calls()
                    .iter()
                    .map(|call| Ok(server.lock().unwrap().answer(call)))
                    .collect();
                let suspended = ask.finish(&replies, NOW);
                gate.resume(suspended, &request, NOW)
            }
        };
    };
    let passes = verdict.is_admitted();
    admitted.fetch_add(u32::from(passes), Ordering::Relaxed);
    passes
}

#[test]
fn headers_of_a_fleet() {
    let make = || {
        let by = [term(r#"header["x-a"]"#)];
        let limit = LimitRule::new("a", Quota::per_hour(BURST)).by(by).fleet(OnFailure::Closed);
        let gate = Gate::builder()
            .fleet(FleetSettings::new().prefix("test").keys(64))
            .trust(ClientIp::new(Trust::Hops(1), ForwardedBy::XForwardedFor))
            .rule(deny("bad", r#"header["x-a"] contains "bad""#))
            .limit_rule(limit)
            .limit_rule(LimitRule::in_flight("in flight", 1).by([term(r#"header["x-a"]"#)]));
        let server = Mutex::new(Server::new(NOW.as_nanos() / 1_000));
        Arc::new((gate.build().unwrap(), server, AtomicU32::new(0)))
    };
    let work = |state: &Shared| {
        shared(state);
        shared(state);
    };
    at_every_call("headers", make, work, |state, has_panicked| {
        while shared(state) {}
        let admitted = state.2.load(Ordering::Relaxed);
        // What was granted to the one that has panicked is there for the next.
        assert!(admitted == BURST || has_panicked && admitted == BURST - 1, "{admitted} passed");
        assert!(state.1.lock().unwrap().granted() <= BURST.into());
    });
}

#[test]
fn changes() {
    let net = |number: u8| IpNet::new([192, 0, 2, number].into(), 32).unwrap();
    let make = || by_headers().list("blocked", CidrSet::new()).build().unwrap();
    let work = |gate: &Gate| {
        let edits = (0..4).map(|number| {
            touch("iterator");
            CidrEdit::Insert(net(number), ())
        });
        gate.lists().edit("blocked", edits.clone()).unwrap();
        gate.lists().edit("blocked", edits).unwrap();
        let rules = (0..4).map(|number| {
            touch("iterator");
            deny(&format!("rule {number}"), "true")
        });
        gate.set_candidate(rules).unwrap();
    };
    at_every_call("iterator", make, work, |gate, _| {
        let Some(portcullis::rule::List::Addresses(set)) = gate.lists().get("blocked") else {
            panic!("the list is there");
        };
        // All edits, or none.
        assert!([0, 1].contains(&set.len()), "{set}");
        assert!(gate.candidate_report().is_none() || set.len() == 1);
        is_exact(&(gate.clone(), AtomicU32::new(0)), false, NOW);
    });
}

/// Listens to everything.
pub(super) struct Listener;

impl Subscriber for Listener {
    fn register_callsite(&self, _: &'static Traced<'static>) -> Interest {
        Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn enabled(&self, _: &Traced<'_>) -> bool {
        touch("enabled");
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        touch("event");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn subscribers() {
    for hook in ["event", "enabled"] {
        let make = || Arc::new((by_headers().build().unwrap(), AtomicU32::new(0)));
        let work = |state: &Asked| {
            let (gate, admitted) = &**state;
            with_default(Listener, || {
                for at in [NOW, NOW.saturating_add(Duration::from_secs(2))] {
                    if passes(gate, "1", at).is_some() {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                    assert!(passes(gate, "bad", at).is_none());
                    drop(gate.check(&Request::new(None), at));
                    gate.tick(at);
                    gate.reload_with(by_headers().clients(1_000), at).unwrap();
                    assert!(gate.reload("[[nonsense", at).is_err());
                    assert!(gate.reload_with(by_headers().clients(0), at).is_err());
                    assert!(gate.defence().force(Posture::Elevated, Duration::from_secs(9), at));
                    assert!(gate.defence().release(at));
                    assert!(gate.defence().drill(Duration::from_secs(1), at));
                    assert!(gate.defence().release(at));
                    gate.set_mode(portcullis::Mode::Observe);
                    assert!(passes(gate, "bad", at).is_some());
                    gate.set_mode(portcullis::Mode::Enforce);
                }
            });
        };
        at_every_call(hook, make, work, |state, has_panicked| {
            state.0.set_mode(portcullis::Mode::Enforce);
            let _ = state.0.defence().release(NOW);
            // Counted, and gone with the panic.
            is_exact(state, has_panicked, NOW.saturating_add(Duration::from_secs(2)));
        });
    }
}

struct Told;

impl CounterFn for Told {
    fn increment(&self, _: u64) {}

    fn absolute(&self, _: u64) {
        touch("handle");
    }
}

impl GaugeFn for Told {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, _: f64) {
        touch("handle");
    }
}

impl Recorder for Told {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        touch("recorder");
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        touch("recorder");
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        touch("recorder");
        Counter::from_arc(Arc::new(Self))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        touch("recorder");
        Gauge::from_arc(Arc::new(Self))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn recorders() {
    type State = (Arc<(Gate, AtomicU32)>, Arc<Mutex<MetricsPublisher>>);
    for hook in ["recorder", "handle"] {
        let make = || {
            let gate = Gate::builder().limit("per client", Quota::per_hour(3)).build().unwrap();
            let publisher = MetricsPublisher::new(&gate);
            (Arc::new((gate, AtomicU32::new(0))), Arc::new(Mutex::new(publisher)))
        };
        let work = |(state, publisher): &State| {
            let mut publisher = publisher.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            with_local_recorder(&Told, || publisher.publish(NOW));
            let other = Gate::builder().limit("other", Quota::per_hour(3));
            state.0.reload_with(other, NOW).unwrap();
            with_local_recorder(&Told, || publisher.publish(NOW));
        };
        at_every_call(hook, make, work, |(state, publisher), _| {
            let mut publisher = publisher.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            with_local_recorder(&Told, || publisher.publish(NOW));
            let gate = &state.0;
            let passed = (0..9).filter(|_| gate.check(&Request::new(peer(1)), NOW).is_admitted());
            assert_eq!(passed.count(), 3);
        });
    }
}

#[test]
fn visitors() {
    let make = || Arc::new((by_headers().build().unwrap(), AtomicU32::new(0)));
    let work = |state: &Asked| {
        state.0.metrics(NOW).each(&mut |_, _, _| touch("visitor"));
        let lines = [("x-a", "1"), ("x-b", "2")];
        let lines = Lines(&lines);
        Request::new(None).header("given", "0").header_lines(&lines).each_header(|_, _| {
            touch("visitor");
            ControlFlow::Continue(())
        });
    };
    at_every_call("visitor", make, work, |state, has_panicked| {
        is_exact(state, has_panicked, NOW);
    });
}
