//! What a gate has counted, and how it stands, for those who watch it with other tools.
//!
//! All numbers go through one visitor, [`GateMetrics::each`], which names every family with its type, its unit and
//! its help. The [OpenMetrics text](https://prometheus.io/docs/specs/om/open_metrics_spec/), the facade `metrics` and
//! whatever a service has itself are made of the same visit, so that they cannot differ.
//!
//! # Invariants
//! - **I1** labels are names that the configuration says, and words of the library: how many there are, and which,
//!   does not depend on clients, nor does any of them hold what a client has sent;
//! - **I2** each family is told as a whole, each series of it once, and each number is one of
//!   [`GateStats`](crate::GateStats) or a gauge that was read at the same time;
//! - **I3** nothing is told that the gate does not have: without a defence there is no posture, without a fleet no
//!   store.

mod family;
mod gauges;
mod text;
mod visit;

pub use self::family::{MetricFamily, MetricKind};
pub(super) use self::gauges::{Gauges, LimitGauges};
use super::{Gate, GateStats};
use crate::time::Timestamp;

/// All numbers of a gate at one time; made by [`Gate::metrics`].
///
/// As a text (`Display`) they are in the OpenMetrics format.
#[derive(Clone, Debug)]
pub struct GateMetrics {
    stats: GateStats,
    gauges: Gauges,
}

/// One number.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// A count that only grows.
    Count(u64),
    /// A value that comes and goes.
    Gauge(f64),
}

impl Gate {
    /// All numbers of the gate at `now`, for a tool that watches it.
    ///
    /// # Example: the numbers of one rule, for an exporter of one's own
    /// ```
    /// use portcullis::{Gate, Quota, Request, Timestamp, gate::MetricValue};
    ///
    /// let gate = Gate::builder().limit("per client", Quota::per_second(1)).build()?;
    /// let now = Timestamp::from_secs(1);
    /// for _ in 0..3 {
    ///     drop(gate.check(&Request::new("192.0.2.1".parse::<std::net::IpAddr>()?), now));
    /// }
    /// let mut denied = None;
    /// gate.metrics(now).each(&mut |family, labels, value| {
    ///     if family.name == "portcullis_denials" && labels.contains(&("rule", "per client")) {
    ///         denied = denied.or(Some(value));
    ///     }
    /// });
    /// assert_eq!(denied, Some(MetricValue::Count(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Cost
    /// Reads the whole store of each limit, to see how full it is: some 0.3 ms for each limit of 100,000 clients. Once in
    /// some seconds it is meant for.
    #[must_use]
    pub fn metrics(&self, now: Timestamp) -> GateMetrics {
        GateMetrics { stats: self.stats(), gauges: self.gauges(now) }
    }

    /// The same as a text in the OpenMetrics format, for Prometheus and all that read it.
    ///
    /// It is served with the content type [`OPEN_METRICS_TYPE`].
    ///
    /// # Example
    /// ```
    /// use portcullis::{Gate, Timestamp};
    ///
    /// let gate = Gate::builder().deny("198.51.100.0/24".parse()?).build()?;
    /// let text = gate.open_metrics(Timestamp::from_secs(1));
    /// assert!(text.contains("portcullis_requests_total{outcome=\"admitted\"} 0\n"));
    /// assert!(text.ends_with("# EOF\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Cost
    /// That of [`metrics`](Self::metrics), and about 200 bytes a series.
    #[must_use]
    pub fn open_metrics(&self, now: Timestamp) -> alloc::string::String {
        alloc::format!("{}", self.metrics(now))
    }
}

impl GateMetrics {
    /// What has been decided since the gate was built.
    #[must_use]
    pub fn stats(&self) -> &GateStats {
        &self.stats
    }
}

/// The content type of [`Gate::open_metrics`].
pub const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests;
