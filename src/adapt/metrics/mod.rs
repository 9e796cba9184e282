//! A gate's numbers for the facade [`metrics`](::metrics), whichever recorder the service has.
//!
//! Nothing is recorded while requests are checked: the gate counts by itself, and a [`MetricsPublisher`] hands its
//! numbers on, as often as it is told to.
//!
//! # Invariants
//! - **I1** the numbers, their families and their labels are those of [`Gate::metrics`]; counters have `_total` behind
//!   their names, as in [`Gate::open_metrics`], so that a dashboard for one shows the other;
//! - **I2** a series is registered once, when it is published for the first time, and a family is described once,
//!   before that;
//! - **I3** what the gate does not have any more is published no more: its gauges are set to 0, and its handles are
//!   dropped.

use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::fmt;

use ::metrics::{Counter, Gauge as GaugeHandle, Key, KeyName, Label, Level, Metadata, Unit};

use crate::{
    Gate, Timestamp,
    gate::{MetricFamily, MetricKind, MetricValue},
};

/// Hands the numbers of a gate to the recorder of the facade `metrics`.
///
/// Make it after the recorder is installed: what is published before goes nowhere, and handles stay with the recorder
/// that has made them.
///
/// # Example: every ten seconds
/// ```no_run
/// use portcullis::{Gate, SystemClock, metrics::MetricsPublisher};
/// use std::time::Duration;
///
/// # async fn example(gate: Gate) {
/// let mut publisher = MetricsPublisher::new(&gate).label("service", "shop");
/// tokio::spawn(async move {
///     let mut ticks = tokio::time::interval(Duration::from_secs(10));
///     loop {
///         ticks.tick().await;
///         publisher.publish(SystemClock::now());         // the clock of the adapters
///     }
/// });
/// # }
/// ```
///
/// # Memory
/// Some 200 bytes for each series, and what the recorder takes. How many there are depends on rules, limits and lists,
/// and not on clients.
#[must_use = "nothing is published by itself"]
pub struct MetricsPublisher {
    gate: Gate,
    /// What all series have besides their own labels.
    labels: Vec<(String, String)>,
    /// In the order in which they were visited last.
    series: Vec<Series>,
    described: Vec<&'static str>,
}

/// A number that the recorder knows.
struct Series {
    family: &'static str,
    /// Its own labels.
    labels: Vec<(String, String)>,
    handle: Handle,
}

enum Handle {
    Counter {
        counter: Counter,
        /// What was published last, as the gate counts it.
        last: u64,
        /// What was counted before what it counts was made anew.
        before: u64,
    },
    Gauge(GaugeHandle),
}

impl MetricsPublisher {
    /// For this gate.
    pub fn new(gate: &Gate) -> Self {
        Self { gate: gate.clone(), labels: Vec::new(), series: Vec::new(), described: Vec::new() }
    }

    /// With one more label on every series, to tell several gates of a service apart. A series that has a label of
    /// this name keeps its own.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.labels.retain(|(other, _)| *other != name);
        self.labels.push((name, value));
        // They are other series from now on.
        self.series.clear();
        self
    }

    /// Publishes all numbers as they are at `now`.
    ///
    /// Counters are [absolute](Counter::absolute), and never go back: where what is counted was made anew, as with
    /// another candidate, what was counted before is added. Only one whose rule had gone, and has come back, starts at
    /// 0, and stays where it was with recorders that take the larger value.
    ///
    /// # Cost
    /// That of [`Gate::metrics`], which reads the store of each limit: some 0.3 ms for each 100,000 clients. Besides, for
    /// each series a look at its labels and a store; one that is new allocates. After a reload that has changed their
    /// order, each that has moved is searched for once. No check waits for it.
    pub fn publish(&mut self, now: Timestamp) {
        let Self { gate, labels, series, described } = self;
        // Where the visit is among the series.
        let mut at = 0_usize;
        gate.metrics(now).each(&mut |family, own, value| {
            let is_it = |series: &Series| series.is(family, own);
            let rest = series.get(at..).unwrap_or_default();
            match rest.iter().position(is_it) {
                Some(0) => {}
                Some(further) => series.swap(at, at.saturating_add(further)),
                None => {
                    if !described.contains(&family.name) {
                        describe(family);
                        described.push(family.name);
                    }
                    series.insert(at, Series::register(family, own, labels));
                }
            }
            if let Some(series) = series.get_mut(at) {
                series.handle.set(value);
            }
            at = at.saturating_add(1);
        });
        // I3.
        for gone in series.drain(at..) {
            if let Handle::Gauge(gauge) = gone.handle {
                gauge.set(0.0);
            }
        }
    }
}

impl Series {
    fn is(&self, family: &MetricFamily, labels: &[(&str, &str)]) -> bool {
        let own = self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.family == family.name && own.eq(labels.iter().copied())
    }

    fn register(
        family: &'static MetricFamily,
        own: &[(&str, &str)],
        common: &[(String, String)],
    ) -> Self {
        let labels: Vec<(String, String)> =
            own.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let is_own = |name: &String| own.iter().any(|(own, _)| own == name);
        let common = common.iter().filter(|(name, _)| !is_own(name));
        let all = common.chain(&labels).cloned();
        let all: Vec<Label> = all.map(|(name, value)| Label::new(name, value)).collect();
        let key = Key::from_parts(name_of(family), all);
        let metadata = Metadata::new("portcullis", Level::INFO, Some(module_path!()));
        let handle = ::metrics::with_recorder(|recorder| match family.kind {
            MetricKind::Counter => {
                let counter = recorder.register_counter(&key, &metadata);
                Handle::Counter { counter, last: 0, before: 0 }
            }
            MetricKind::Gauge | MetricKind::States => {
                Handle::Gauge(recorder.register_gauge(&key, &metadata))
            }
        });
        Self { family: family.name, labels, handle }
    }
}

impl Handle {
    fn set(&mut self, value: MetricValue) {
        match (self, value) {
            (Self::Counter { counter, last, before }, MetricValue::Count(count)) => {
                if count < *last {
                    *before = before.saturating_add(*last);
                }
                *last = count;
                counter.absolute(before.saturating_add(count));
            }
            (Self::Gauge(gauge), MetricValue::Gauge(value)) => gauge.set(value),
            // A family is of one kind.
            (Self::Counter { .. }, MetricValue::Gauge(_))
            | (Self::Gauge(_), MetricValue::Count(_)) => {}
        }
    }
}

/// As in the OpenMetrics text.
fn name_of(family: &MetricFamily) -> String {
    match family.kind {
        MetricKind::Counter => format!("{}_total", family.name),
        MetricKind::Gauge | MetricKind::States => family.name.to_string(),
    }
}

/// Says what a family is, once.
fn describe(family: &'static MetricFamily) {
    let unit = match family.unit {
        Some("bytes") => Some(Unit::Bytes),
        // The facade knows no ratios.
        _ => None,
    };
    let name = KeyName::from(name_of(family));
    ::metrics::with_recorder(|recorder| match family.kind {
        MetricKind::Counter => recorder.describe_counter(name, unit, family.help.into()),
        MetricKind::Gauge | MetricKind::States => {
            recorder.describe_gauge(name, unit, family.help.into())
        }
    });
}

impl fmt::Debug for MetricsPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsPublisher")
            .field("labels", &self.labels)
            .field("series", &self.series.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
