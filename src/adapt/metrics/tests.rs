//! What a recorder is told.

use core::sync::atomic::{AtomicU64, Ordering};
use std::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString as _},
    sync::{Arc, Mutex},
    vec::Vec,
};

use ::metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit, with_local_recorder,
};

use super::MetricsPublisher;
use crate::{
    Defence, Gate, LimitRule, Posture, Quota, Request, Timestamp,
    gate::{MetricKind, MetricValue},
};

const NOW: Timestamp = Timestamp::from_secs(1);

/// A value, and how often it was set.
#[derive(Debug, Default)]
struct Cell {
    bits: AtomicU64,
    sets: AtomicU64,
}

impl Cell {
    fn set(&self, bits: u64) {
        self.bits.store(bits, Ordering::Relaxed);
        self.sets.fetch_add(1, Ordering::Relaxed);
    }
}

impl CounterFn for Cell {
    fn increment(&self, _: u64) {
        panic!("counters are absolute");
    }

    fn absolute(&self, value: u64) {
        self.set(value);
    }
}

impl GaugeFn for Cell {
    fn increment(&self, _: f64) {
        panic!("gauges are set");
    }

    fn decrement(&self, _: f64) {
        panic!("gauges are set");
    }

    fn set(&self, value: f64) {
        Self::set(self, value.to_bits());
    }
}

/// Every registration in its order, with what was set since; and what was described.
#[derive(Default)]
struct Kept {
    registered: Mutex<Vec<(MetricKind, String, Arc<Cell>)>>,
    described: Mutex<Vec<(String, Option<Unit>, String)>>,
}

impl Kept {
    fn register(&self, kind: MetricKind, key: &Key, metadata: &Metadata<'_>) -> Arc<Cell> {
        assert_eq!(metadata.target(), "portcullis");
        let labels = key.labels().map(|label| format!(",{}={}", label.key(), label.value()));
        let series = format!("{}{}", key.name(), labels.collect::<String>());
        let cell = Arc::<Cell>::default();
        self.registered.lock().unwrap().push((kind, series, Arc::clone(&cell)));
        cell
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>, help: &SharedString) {
        let name = name.as_str().to_string();
        self.described.lock().unwrap().push((name, unit, help.to_string()));
    }

    fn publish(&self, publisher: &mut MetricsPublisher, now: Timestamp) {
        with_local_recorder(self, || publisher.publish(now));
    }

    fn registrations(&self) -> usize {
        self.registered.lock().unwrap().len()
    }

    /// The newest registration of a series: its value, as it is for its kind, and how often it was set.
    fn of(&self, series: &str) -> Option<(f64, u64)> {
        let registered = self.registered.lock().unwrap();
        let (kind, _, cell) = registered.iter().rev().find(|(_, name, _)| name == series)?;
        let bits = cell.bits.load(Ordering::Relaxed);
        let value = match kind {
            MetricKind::Counter => u32::try_from(bits).unwrap().into(),
            MetricKind::Gauge | MetricKind::States => f64::from_bits(bits),
        };
        Some((value, cell.sets.load(Ordering::Relaxed)))
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        assert!(key.as_str().ends_with("_total"));
        self.describe(&key, unit, &help);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        assert!(!key.as_str().ends_with("_total"));
        self.describe(&key, unit, &help);
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("there are none");
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register(MetricKind::Counter, key, metadata))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(MetricKind::Gauge, key, metadata))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("there are none");
    }
}

fn ask(gate: &Gate, times: u32) {
    let client: core::net::IpAddr = "192.0.2.1".parse().unwrap();
    (0..times).for_each(|_| drop(gate.check(&Request::new(client), NOW)));
}

fn with_limits(names: &[&str]) -> crate::GateBuilder {
    let limits = names.iter().map(|name| LimitRule::new(name, Quota::per_hour(2)));
    limits.fold(Gate::builder(), crate::GateBuilder::limit_rule)
}

/// I1: the numbers of the visit, each where it belongs.
#[test]
fn every_number_of_the_gate_is_published_and_nothing_else() {
    let gate = with_limits(&["a", "b"])
        .defence(Defence::up_to(Posture::Defend))
        .list("blocked", "203.0.113.0/24".parse::<crate::CidrSet>().unwrap())
        .build()
        .unwrap();
    ask(&gate, 5);
    let (kept, mut publisher) = (Kept::default(), MetricsPublisher::new(&gate));
    kept.publish(&mut publisher, NOW);

    let mut expected = BTreeMap::new();
    gate.metrics(NOW).each(&mut |family, labels, value| {
        let suffix = if family.kind == MetricKind::Counter { "_total" } else { "" };
        let labels = labels.iter().map(|(name, value)| format!(",{name}={value}"));
        let series = format!("{}{suffix}{}", family.name, labels.collect::<String>());
        let value = match value {
            MetricValue::Count(count) => u32::try_from(count).unwrap().into(),
            MetricValue::Gauge(value) => value,
        };
        assert_eq!(expected.insert(series, value), None);
    });
    assert_eq!(kept.registrations(), expected.len());
    for (series, value) in &expected {
        assert_eq!(kept.of(series), Some((*value, 1)), "{series}");
    }
    assert_eq!(expected["portcullis_requests_total,outcome=denied"], 3.0);
    assert_eq!(expected["portcullis_mode,portcullis_mode=enforce"], 1.0);
    let denials = "portcullis_denials_total,rule=a,kind=limit,stage=limits,effect=enforced";
    assert_eq!(expected[denials], 3.0);
}

/// I2.
#[test]
fn series_are_registered_and_families_described_once() {
    let gate = with_limits(&["a"]).build().unwrap();
    let (kept, mut publisher) = (Kept::default(), MetricsPublisher::new(&gate));
    kept.publish(&mut publisher, NOW);
    let first = kept.registrations();
    for times in 2..=5_u64 {
        ask(&gate, 1);
        kept.publish(&mut publisher, NOW);
        let admitted = kept.of("portcullis_requests_total,outcome=admitted");
        assert_eq!(admitted, Some((f64::min(times as f64 - 1.0, 2.0), times)));
    }
    assert_eq!(kept.registrations(), first);

    let described = kept.described.lock().unwrap();
    let names: BTreeSet<&str> = described.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names.len(), described.len());
    let of = |name| described.iter().find(|(other, ..)| other == name).unwrap();
    assert_eq!(of("portcullis_memory_bytes").1, Some(Unit::Bytes));
    let (_, unit, help) = of("portcullis_denials_total");
    assert_eq!(*unit, None);
    assert!(help.starts_with("Denials, by who denied"), "{help}");
}

/// I3, and that what stays goes on with its handles, in whichever order.
#[test]
fn a_reload_registers_what_is_new_and_lets_go_of_what_has_gone() {
    let gate = with_limits(&["a", "b", "c"]).build().unwrap();
    let (kept, mut publisher) = (Kept::default(), MetricsPublisher::new(&gate));
    ask(&gate, 2);
    kept.publish(&mut publisher, NOW);
    let (before, keys) = (kept.registrations(), "portcullis_limit_keys,limit=");
    assert_eq!(kept.of(&format!("{keys}b")), Some((1.0, 1)));
    let of_one = 1 + 1 + 2 + 4; // matches, shadow matches, denials twice; keys, room, unseated, reclaimed

    gate.reload_with(with_limits(&["c", "d", "a"]), NOW).unwrap();
    kept.publish(&mut publisher, NOW);
    assert_eq!(kept.registrations(), before + of_one, "only d is new");
    assert_eq!(kept.of(&format!("{keys}b")), Some((0.0, 2)), "it has gone, and says so once");
    let matches = "portcullis_rule_matches_total,rule=b,kind=limit";
    assert_eq!(kept.of(matches), Some((0.0, 1)), "and counters stay what they were");
    for name in ["a", "c", "d"] {
        assert!(
            kept.of(&format!("{keys}{name}")).is_some_and(|(_, sets)| sets == 2 || name == "d")
        );
    }
    kept.publish(&mut publisher, NOW);
    assert_eq!(kept.of(&format!("{keys}b")), Some((0.0, 2)));
    assert_eq!(kept.of(&format!("{keys}a")).map(|(_, sets)| sets), Some(3));
    assert_eq!(kept.registrations(), before + of_one);

    gate.reload_with(with_limits(&["b"]), NOW).unwrap();
    kept.publish(&mut publisher, NOW);
    assert_eq!(kept.registrations(), before + 2 * of_one, "b is new again");
    assert_eq!(kept.of(&format!("{keys}b")), Some((0.0, 1)));
}

#[test]
fn labels_of_the_service_are_on_every_series_that_has_none_of_that_name() {
    let gate = with_limits(&["a"]).build().unwrap();
    let kept = Kept::default();
    let publisher = MetricsPublisher::new(&gate).label("service", "x").label("limit", "all");
    let mut publisher = publisher.label("service", "shop");
    kept.publish(&mut publisher, NOW);
    assert!(kept.of("portcullis_bans,limit=all,service=shop").is_some());
    assert!(kept.of("portcullis_limit_keys,service=shop,limit=a").is_some());
    let registered = kept.registered.lock().unwrap();
    assert!(registered.iter().all(|(_, series, _)| series.matches(",service=shop").count() == 1));
    assert!(registered.iter().all(|(_, series, _)| series.matches(",limit=").count() == 1));
}

#[test]
fn without_a_recorder_nothing_happens() {
    let gate = with_limits(&["a"]).build().unwrap();
    let mut publisher = MetricsPublisher::new(&gate);
    publisher.publish(NOW);
    publisher.publish(NOW);
    assert!(format!("{publisher:?}").starts_with("MetricsPublisher { labels: [], series: "));
}

/// What is counted of a second candidate comes on top of the first one's, and does not hide behind it.
#[test]
fn what_is_made_anew_goes_on_counting() {
    let scheme = crate::rule::Scheme::new();
    let candidate = || {
        let rule = crate::rule::Rule::new("x", scheme.parse("true").unwrap());
        [rule.then(crate::rule::Action::Deny { status: 403 })]
    };
    let gate = Gate::builder().build().unwrap();
    let (kept, mut publisher) = (Kept::default(), MetricsPublisher::new(&gate));
    let series = "portcullis_candidate_requests_total,verdict=would_deny";
    gate.set_candidate(candidate()).unwrap();
    ask(&gate, 5);
    kept.publish(&mut publisher, NOW);
    assert_eq!(kept.of(series), Some((5.0, 1)));
    gate.set_candidate(candidate()).unwrap();
    ask(&gate, 2);
    kept.publish(&mut publisher, NOW);
    assert_eq!(kept.of(series), Some((7.0, 2)));
    ask(&gate, 1);
    kept.publish(&mut publisher, NOW);
    assert_eq!(kept.of(series), Some((8.0, 3)));
}
